//! Whole calls over SIP and RTP with every engine behind an address: they are held, they survive the fault of any engine, and
//! when all of a kind are down the caller is told so.

use crate::support::peer::{Fault, Peer, lock};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tipring::app::Tipring;
use tipring::audio::CodecKind;
use tipring::phone::{Act, Config, Handset, HeldCall, Plan, Script, Step, Trigger, Utterance};
use tipring::record::{CallRecord, EndReason, Speaker};
use tipring::settings::{DataDir, Settings};

const FLOW: &str = r#"
name = "desk"
language = "en"
start = "hello"
max_turns = 3
[fallback]
say = "I am sorry, this is not working well today. Please call again later."
hang_up = true
[engine_down]
say = "I am sorry, I cannot hear you at the moment."
hang_up = true
[state.hello]
say = "Hello. What would you like to know?"
[[state.hello.on]]
phrases = ["goodbye"]
hang_up = true
[[state.hello.on]]
phrases = ["*"]
goto = "answer"
[state.answer]
ask = "Answer the question about the desk. It is free for all."
template = "I do not know that."
goto = "anything"
[state.anything]
say = "Anything else?"
[[state.anything.on]]
phrases = ["goodbye"]
hang_up = true
[[state.anything.on]]
phrases = ["*"]
goto = "answer"
"#;

/// Servers for the three kinds.
struct Servers {
    asr: Peer,
    tts: Peer,
    llm: Peer,
}

impl Servers {
    fn start() -> Self {
        Self {
            asr: Peer::start("what does it cost").unwrap(),
            tts: Peer::start("").unwrap(),
            llm: Peer::start("It is free for all. Just come and see.").unwrap(),
        }
    }

    /// The server of a call, with these chains behind the engine `first`.
    async fn serve(&self, data: &Path, first: &str, asr: &str, tts: &str, llm: &str) -> Tipring {
        std::fs::create_dir(data.join("flows")).expect("a folder");
        std::fs::write(data.join("flows/desk.toml"), FLOW).expect("the folder is ours");
        let text = format!(
            "[sip]\nlisten = '127.0.0.1:0'\nallow = ['127.0.0.0/8']\n[calls]\ndrain_s = 1\ndefault_flow = 'desk'\nflows_dir = '{}'\n\
             [store]\nsync = false\n[turn]\nfinal_grace_ms = 1300\n[engine]\nvad = ['scripted']\nasr = ['{first}'{asr}]\n\
             tts = ['{first}'{tts}]\nllm = ['{first}'{llm}]\n[engine.realtime]\nbase_url = '{}'\n[engine.openai]\nmodel = 'small'\nbase_url = '{}'\n\
             [engine.openai_asr]\nbase_url = '{}'\n[engine.openai_tts]\nbase_url = '{}'\n\
             [engine.scripted.asr]\nlines = ['how do i get there']\nrepeat = true\n",
            data.join("flows").display(),
            self.asr.ws_url(),
            self.llm.base_url(),
            self.asr.base_url(),
            self.tts.base_url()
        );
        let file = data.join("test.toml");
        std::fs::write(&file, text).expect("the folder is ours");
        let mut settings = Settings::load(Some(&file), []).expect("the settings of the test");
        settings.data_dir = DataDir(data.to_owned());
        Tipring::start_without_http(settings).await.expect("a server")
    }
}

/// One call in which the caller asks once, and its record.
async fn call(server: Tipring) -> (HeldCall, CallRecord) {
    call_asking(server, 1).await
}

/// One call in which the caller asks so often, and its record.
async fn call_asking(server: Tipring, times: usize) -> (HeldCall, CallRecord) {
    let config =
        Config { listen: "127.0.0.1:0".parse().expect("an address"), extension: None, codecs: CodecKind::ALL.to_vec() };
    let phone = Handset::start(config).await.expect("a telephone");
    let samples = (0..1000 * 16).map(|i| if i % 40 < 20 { 5000i16 } else { -5000 }).collect();
    let question = Utterance::annotate(samples, "question", Some("what does it cost".into())).expect("sound");
    let step = Step { trigger: Trigger::AgentSilent(Duration::from_millis(500)), act: Act::Say(Arc::new(question)) };
    let script =
        Script::new(vec![step; times]).with_patience(Duration::from_secs(8)).with_linger(Duration::from_millis(1500));
    let plan = Plan { longest: Duration::from_secs(25), ..Plan::new(script) };
    let held = phone.call(&format!("sip:desk@{}", server.sip_addr()), plan, &mut |_| {}).await.expect("a call");
    phone.shutdown().await;
    let began = Instant::now();
    let record = loop {
        if let (Some(record), true) = (server.store().recent(1).first(), server.calls().active().is_empty()) {
            break (**record).clone();
        }
        assert!(began.elapsed() < Duration::from_secs(5), "no record");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    server.shutdown(Duration::ZERO).await;
    (held, record)
}

/// From the end of the question to the first sound of the answer, off the RTP.
fn gap(held: &HeldCall) -> Duration {
    let turns = held.turns();
    let ms = turns.first().and_then(|turn| turn.gap_ms).unwrap_or_else(|| panic!("no answer: {turns:?}"));
    Duration::from_secs_f64(ms / 1000.0)
}

fn says(record: &CallRecord, speaker: Speaker, words: &str) -> bool {
    record
        .turns
        .iter()
        .any(|turn| turn.speaker == speaker && turn.intended.as_deref().unwrap_or(&turn.text).contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_held_with_nothing_but_servers() {
    let (data, servers) = (tempfile::tempdir().expect("a folder"), Servers::start());
    let (held, record) = call(servers.serve(data.path(), "openai", "", "", "").await).await;
    assert!(says(&record, Speaker::Caller, "what does it cost"), "{:?}", record.turns);
    assert!(says(&record, Speaker::Agent, "It is free for all."), "{:?}", record.turns);
    assert!(says(&record, Speaker::Agent, "Just come and see."), "{:?}", record.turns);
    let engines = &record.engines;
    assert_eq!((&engines.asr[..], &engines.llm[..]), (&["openai".to_owned()][..], &["openai".to_owned()][..]));
    assert!(gap(&held) < Duration::from_millis(2000), "{:?}", gap(&held));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_held_speech_to_speech_and_the_agent_speaks_its_own_lines_beside_it() {
    let (data, servers) = (tempfile::tempdir().expect("a folder"), Servers::start());
    *lock(&servers.asr.state.answer) = "It is free for all. Just come and see.".into();
    let (held, record) = call(servers.serve(data.path(), "realtime", "", ", 'openai'", "").await).await;
    assert!(says(&record, Speaker::Caller, "what does it cost"), "{:?}", record.turns);
    assert!(says(&record, Speaker::Agent, "It is free for all."), "{:?}", record.turns);
    assert!(says(&record, Speaker::Agent, "Just come and see."), "{:?}", record.turns);
    let engines = &record.engines;
    assert_eq!((&engines.asr[..], &engines.llm[..]), (&["realtime".to_owned()][..], &["realtime".to_owned()][..]));
    assert!(engines.tts.contains(&"realtime".to_owned()) && engines.tts.contains(&"openai".to_owned()), "{engines:?}");
    assert!(gap(&held) < Duration::from_millis(2000), "{:?}", gap(&held));
    assert_eq!(*lock(&servers.asr.state.sockets), 1, "one connection for the call");
    let orders = lock(&servers.asr.state.messages);
    let task = orders.iter().find(|order| order["type"] == "response.create").expect("a question");
    assert!(task["response"]["instructions"].as_str().is_some_and(|task| task.contains("the desk")), "{task}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_one_engine_is_a_silence_of_two_seconds() {
    for (kind, fault) in [
        ("asr", Fault::Silent),
        ("llm", Fault::Silent),
        ("tts", Fault::Silent),
        ("tts", Fault::Cut),
        ("llm", Fault::Stall),
    ] {
        let (data, servers) = (tempfile::tempdir().expect("a folder"), Servers::start());
        let server = servers.serve(data.path(), "openai", ", 'scripted'", ", 'scripted'", ", 'scripted'").await;
        let broken = match kind {
            "asr" => &servers.asr,
            "tts" => &servers.tts,
            _ => &servers.llm,
        };
        broken.set(fault);
        let (held, record) = call(server).await;
        let gap = gap(&held);
        assert!(gap < Duration::from_millis(2000), "{kind} {fault:?}: silent for {gap:?}");
        let heard = if kind == "asr" { "how do i get there" } else { "what does it cost" };
        assert!(says(&record, Speaker::Caller, heard), "{kind} {fault:?}: {:?}", record.turns);
        let answer =
            if kind == "llm" && fault == Fault::Silent { "I do not know that." } else { "It is free for all." };
        assert!(says(&record, Speaker::Agent, answer), "{kind} {fault:?}: {:?}", record.turns);
        let served = match kind {
            "asr" => &record.engines.asr,
            "tts" => &record.engines.tts,
            _ => &record.engines.llm,
        };
        if fault == Fault::Silent {
            assert!(served.iter().any(|name| name == "scripted"), "{kind}: {served:?}");
        }
        assert_ne!(record.end_reason.label(), "failed", "{kind} {fault:?}: {:?}", record.end_reason);
        println!("{kind} {fault:?}: {} ms of silence", gap.as_millis());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_three_seconds_is_bridged_and_still_comes() {
    let (data, servers) = (tempfile::tempdir().expect("a folder"), Servers::start());
    servers.llm.set(Fault::Slow(Duration::from_secs(3)));
    let server = servers.serve(data.path(), "openai", "", "", ", 'template'").await;
    let (held, record) = call(server).await;
    let lines: Vec<&str> =
        record.turns.iter().filter(|turn| turn.speaker == Speaker::Agent).map(|turn| turn.text.as_str()).collect();
    let at = |words: &str| lines.iter().position(|line| line.starts_with(words));
    assert!(at("One moment please") < at("It is free for all."), "{lines:?}");
    assert!(at("One moment please").is_some(), "{lines:?}");
    assert_eq!(at("I do not know that."), None, "the ready answer was said instead: {lines:?}");
    assert_eq!(record.engines.llm, ["openai"]);
    let gap = gap(&held);
    // What the model makes the caller wait for, beside the wait for the end of the turn.
    let waits = record
        .turns
        .iter()
        .filter_map(|turn| turn.latency.as_ref())
        .find_map(|latency| Some(latency.first_packet?.ms_since(latency.decided?)));
    assert!(waits.is_some_and(|ms| ms < 1000.0), "silent for {gap:?}, {waits:?} ms of it after the turn was over");
    println!("a model of 3 s: {} ms of silence, then {lines:?}", gap.as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_of_a_kind_are_down_the_caller_is_told() {
    for (kind, words) in
        [("asr", "I cannot hear you"), ("tts", "this is not working well"), ("llm", "I do not know that.")]
    {
        let (data, servers) = (tempfile::tempdir().expect("a folder"), Servers::start());
        let server = servers.serve(data.path(), "openai", "", "", "").await;
        let broken = match kind {
            "asr" => &servers.asr,
            "tts" => &servers.tts,
            _ => &servers.llm,
        };
        broken.set(Fault::Silent);
        // One answer of a recogniser that does not come is asked for again; then there is none.
        let (held, record) = call_asking(server, if kind == "asr" { 2 } else { 1 }).await;
        assert!(says(&record, Speaker::Agent, words), "{kind}: {:?}", record.turns);
        let gaps = held
            .turns()
            .iter()
            .filter_map(|turn| turn.gap_ms)
            .map(|ms| Duration::from_secs_f64(ms / 1000.0))
            .collect::<Vec<_>>();
        let gap = *gaps.iter().max().unwrap_or_else(|| panic!("{kind}: no answer"));
        // The wait for the end of the turn, a second until the only engine is given up, and the line that is ready.
        assert!(gap < Duration::from_millis(2000), "{kind}: silent for {gap:?}");
        println!("{kind} down: {} ms of silence", gap.as_millis());
        let failed = matches!(record.end_reason, EndReason::Failed { .. });
        assert_eq!(failed, kind != "llm", "{kind}: {:?}", record.end_reason);
    }
}
