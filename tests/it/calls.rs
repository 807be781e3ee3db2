//! Whole calls: the server of `app` in this process, and the test telephone that calls it over SIP and RTP on loopback.
//! The engines are the scripted ones, so that these tests need no library; the recogniser has no model, as on a machine
//! where a package is missing: keys instead.

use std::path::Path;
use std::time::{Duration, Instant};
use tipring::app::Tipring;
use tipring::audio::CodecKind;
use tipring::call::CallPlan;
use tipring::phone::{Act, Config, End, Handset, HeldCall, PhoneError, Plan, Script, Step, Trigger};
use tipring::record::{CallRecord, Direction, EndReason, Speaker};
use tipring::settings::{DataDir, Settings};

const SCRIPTED: &str = "
[sip]
listen = '127.0.0.1:0'
allow = ['127.0.0.0/8']
[engine]
vad = ['scripted']
asr = ['pocketsphinx']
tts = ['scripted']
[engine.pocketsphinx]
model = '/no/such/model'
[calls]
drain_s = 1
[store]
sync = false
";

fn settings(data: &Path) -> Settings {
    let file = data.join("test.toml");
    std::fs::write(&file, SCRIPTED).expect("the folder is ours");
    let mut settings = Settings::load(Some(&file), []).expect("the settings of the test");
    settings.data_dir = DataDir(data.to_owned());
    settings
}

async fn handset() -> Handset {
    let config =
        Config { listen: "127.0.0.1:0".parse().expect("an address"), extension: None, codecs: CodecKind::ALL.to_vec() };
    Handset::start(config).await.expect("a telephone")
}

fn plan(steps: Vec<Step>, longest: Duration) -> Plan {
    Plan { longest, ..Plan::new(Script::new(steps)) }
}

fn press(keys: &str, trigger: Trigger) -> Step {
    Step { trigger, act: Act::Press(keys.into()) }
}

async fn call(phone: &Handset, server: &Tipring, plan: Plan) -> Result<HeldCall, PhoneError> {
    phone.call(&format!("sip:agent@{}", server.sip_addr()), plan, &mut |_| {}).await
}

/// The newest record, which is durable before the call leaves the list.
async fn record(server: &Tipring, calls: usize) -> CallRecord {
    let began = Instant::now();
    loop {
        let recent = server.store().recent(calls + 1);
        if recent.len() == calls && server.calls().active().is_empty() {
            return (**recent.first().expect("a record")).clone();
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{} records, {:?}", recent.len(), server.calls().active());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_hear_says_so_obeys_keys_and_leaves_a_record() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Tipring::start_without_http(settings(data.path())).await.expect("a server");
    let phone = handset().await;
    // The notice that it cannot hear can be interrupted; what comes before it cannot.
    let steps = vec![press("9", Trigger::AgentSilent(Duration::from_millis(500)))];
    let held = call(&phone, &server, plan(steps, Duration::from_secs(40))).await.expect("a call");
    assert_eq!(held.end, End::PeerHungUp);
    assert!(!held.log.spurts.is_empty(), "the agent was heard");
    let greeting = held.log.spurts.first().expect("a greeting").began.saturating_sub(held.answered());
    assert!(greeting < Duration::from_millis(500), "first sound {greeting:?} after the answer");

    let record = record(&server, 1).await;
    assert_eq!(record.end_reason, EndReason::Completed);
    assert_eq!((record.direction, record.media.codec.as_str()), (Direction::Inbound, "G722"));
    assert_eq!(record.media.packets_lost, 0);
    assert!(record.turns.iter().any(|turn| turn.speaker == Speaker::Agent && turn.text.contains("cannot hear you")));
    assert!(record.turns.iter().any(|turn| turn.speaker == Speaker::Caller && turn.dtmf == "9"), "{:?}", record.turns);

    let wav = server.store().recording(record.id).expect("a recording");
    let reader = hound::WavReader::open(wav).expect("a WAV file");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 16_000));
    let recorded_ms = u64::from(reader.duration()) / 16;
    assert!(recorded_ms.abs_diff(record.duration_ms) < 300, "{recorded_ms} ms of {} ms", record.duration_ms);
    phone.shutdown().await;
    server.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_cuts_the_transcript_to_what_was_heard() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Tipring::start_without_http(settings(data.path())).await.expect("a server");
    let phone = handset().await;
    let held = call(&phone, &server, plan(Vec::new(), Duration::from_millis(1200))).await.expect("a call");
    assert_eq!(held.end, End::TimeOver);
    let record = record(&server, 1).await;
    assert_eq!(record.end_reason, EndReason::PeerHungUp);
    let turn = record.turns.last().expect("the greeting");
    let intended = turn.intended.as_deref().expect("it was cut");
    assert!(turn.interrupted && !turn.text.is_empty() && intended.len() > turn.text.len(), "{turn:?}");
    assert!(intended.starts_with(&turn.text), "{turn:?}");
    phone.shutdown().await;
    server.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_too_many_is_refused_and_drain_ends_the_rest_with_records() {
    let data = tempfile::tempdir().expect("a folder");
    let mut settings = settings(data.path());
    settings.calls.max_calls = 1;
    let server = Tipring::start_without_http(settings).await.expect("a server");
    let (first, second) = (handset().await, handset().await);
    let long = plan(Vec::new(), Duration::from_secs(20));
    let target = format!("sip:agent@{}", server.sip_addr());
    let running = tokio::spawn(async move {
        let held = first.call(&target, long, &mut |_| {}).await;
        first.shutdown().await;
        held
    });
    let began = Instant::now();
    while server.calls().active().is_empty() && began.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = call(&second, &server, plan(Vec::new(), Duration::from_secs(1))).await;
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("503")), "{refused:?}");
    second.shutdown().await;

    let store = server.store().clone();
    let began = Instant::now();
    server.shutdown(Duration::from_millis(300)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "the drain took {:?}", began.elapsed());
    let held = running.await.expect("the task").expect("a call");
    assert_eq!(held.end, End::PeerHungUp);
    let records = store.recent(10);
    assert_eq!(records.len(), 1, "the refused call was never begun");
    assert_eq!(records.first().map(|record| record.end_reason.clone()), Some(EndReason::Drained));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_out_are_answered_busy_or_not_found_and_each_has_one_end() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Tipring::start_without_http(settings(data.path())).await.expect("a server");
    let mut phone = handset().await;
    let target = format!("sip:callee@{}", phone.local_addr());
    let plan_of = || CallPlan { flow: "welcome".into(), ..CallPlan::default() };
    let (_, ended) = server.place_call(&target, None, plan_of()).expect("an admitted call");
    let heard = phone.answer(plan(Vec::new(), Duration::from_millis(900)), &mut |_| {}).await.expect("a call");
    assert!(!heard.log.spurts.is_empty(), "the agent spoke first");
    let record = ended.await.expect("a record");
    assert_eq!((record.direction, &record.end_reason), (Direction::Outbound, &EndReason::PeerHungUp));
    phone.shutdown().await;

    let (_, ended) = server.place_call("sip:nobody@127.0.0.1:9", None, plan_of()).expect("an admitted call");
    let record = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("in time").expect("a record");
    assert!(matches!(record.end_reason, EndReason::NotAnswered { .. } | EndReason::Failed { .. }), "{record:?}");
    let unknown = CallPlan { flow: "nonsense".into(), ..CallPlan::default() };
    let error = server.place_call(&target, None, unknown).expect_err("no such flow").to_string();
    assert!(error.contains("nonsense") && error.contains("welcome"), "{error}");
    server.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_keeps_its_flow_while_a_changed_one_is_taken() {
    let data = tempfile::tempdir().expect("a folder");
    let flows = data.path().join("flows");
    std::fs::create_dir(&flows).expect("a folder of flows");
    let write = |version: u32| {
        let flow = format!(
            "version = {version}\nstart = \"ask\"\n[fallback]\nsay = \"Sorry.\"\n[engine_down]\nsay = \"Press one.\"\nwait_ms = 9000\n\
             [state.ask]\nsay = \"Version {version}.\"\n[[state.ask.on]]\ndtmf = \"1\"\nsay = \"Goodbye from {version}.\"\nhang_up = true\n"
        );
        std::fs::write(flows.join("menu.toml"), flow).expect("a flow");
    };
    write(1);
    let mut settings = settings(data.path());
    settings.calls.flows_dir = Some(flows.clone());
    settings.calls.default_flow = "menu".into();
    let server = Tipring::start_without_http(settings).await.expect("a server");
    let keys = || plan(vec![press("1", Trigger::AgentSilent(Duration::from_millis(1500)))], Duration::from_secs(40));
    let phone = handset().await;
    let target = format!("sip:agent@{}", server.sip_addr());
    let first = tokio::spawn(async move {
        let held = phone.call(&target, keys(), &mut |_| {}).await;
        phone.shutdown().await;
        held
    });
    let began = Instant::now();
    while server.calls().active().is_empty() && began.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    write(2);
    let done = server.reload_flows().await;
    assert_eq!((done.changed.as_slice(), done.errors.len()), (&["menu".to_owned()][..], 0), "{done:?}");
    assert_eq!(server.calls().active().len(), 1, "the call is still up");
    first.await.expect("the task").expect("a call");
    let old = record(&server, 1).await;
    assert_eq!((old.sales.flow_version, old.end_reason), (1, EndReason::Completed));
    assert!(old.turns.iter().any(|turn| turn.text == "Goodbye from 1."), "{:?}", old.turns);

    // A flow that cannot be held is named, and the one before it stays.
    std::fs::write(flows.join("menu.toml"), "start = \"gone\"\n").expect("a flow");
    let done = server.reload_flows().await;
    assert!(done.changed.is_empty() && done.errors.iter().any(|error| error.contains("menu.toml:")), "{done:?}");
    let phone = handset().await;
    call(&phone, &server, keys()).await.expect("a call");
    assert_eq!(record(&server, 2).await.sales.flow_version, 2);
    phone.shutdown().await;
    server.shutdown(Duration::ZERO).await;
}
