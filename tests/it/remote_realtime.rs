//! Speech to speech in a call's chains: the agent keeps the floor, the model's voice speaks what the agent approved.

use crate::support::peer::{Fault, Peer, lock, nobody};
use crate::support::wake::{answer, replies, said, speak, until, waker};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tipring::audio::MediaTime;
use tipring::engine::{Config, Engines};
use tipring::id::CallId;
use tipring::speech::{
    ChatMessage, ChatRequest, HypothesisKind, Language, LanguageModel, Recognizer, Reply, Role, SpeechRequest,
    Synthesis, Synthesizer,
};

use std::sync::Arc;

/// The engines of one call.
struct Call {
    runtime: tokio::runtime::Runtime,
    asr: Arc<dyn Recognizer>,
    llm: Arc<dyn LanguageModel>,
    tts: Arc<dyn Synthesizer>,
}

impl Call {
    fn to(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config: Config = toml::from_str(&format!(
            "vad = ['scripted']\nasr = ['realtime', 'scripted']\nllm = ['realtime', 'template']\ntts = ['realtime', 'scripted']\n\
             [realtime]\nbase_url = '{url}'\napi_key = 'sk-live'\n[scripted.asr]\nlines = ['from the second']\nrepeat = true"
        ))
        .unwrap();
        let (engines, findings) = Engines::build(&config, runtime.handle()).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        let call = CallId::generate();
        let (asr, llm, tts) = (engines.asr.for_call(call), engines.llm.for_call(call), engines.tts.for_call(call));
        Self { runtime, asr: asr.unwrap(), llm: llm.unwrap(), tts: tts.unwrap() }
    }
}

fn messages(all: &[(Role, &str)]) -> ChatRequest {
    let message = |(role, content): &(Role, &str)| ChatMessage { role: *role, content: (*content).to_owned() };
    let messages = all.iter().map(message).collect();
    ChatRequest { messages, template: "The flow's own answer.".into(), max_tokens: 90, tools: Vec::new() }
}

fn line(text: &str) -> SpeechRequest {
    SpeechRequest { text: text.into(), language: Language::default(), voice: None }
}

fn orders(peer: &Peer, kind: &str) -> Vec<Value> {
    lock(&peer.state.messages).iter().filter(|order| order["type"] == kind).cloned().collect()
}

#[test]
fn one_connection_hears_answers_and_speaks_its_answer() {
    let peer = Peer::start("When do you open?").unwrap();
    *lock(&peer.state.answer) = "We open at nine. Come in by the door.".into();
    let call = Call::to(&peer.ws_url());
    let mut ears = call.asr.open(&Language("en-gb".into()), waker()).unwrap();
    speak(&mut *ears, 50, 40);
    ears.flush();
    let heard = answer(&mut *ears).unwrap();
    assert_eq!((heard.text.as_str(), heard.covers), ("when do you open", MediaTime::from_frames(90)));
    assert_eq!(ears.engine(), Some("realtime"));
    ears.flush();
    assert_eq!(answer(&mut *ears).unwrap().text, "when do you open", "nothing new, no second commit");
    ears.finish();
    let ms = orders(&peer, "heard")[0]["ms"].as_u64().unwrap();
    assert!((795..=800).contains(&ms), "{ms} ms reached the server");

    let asked =
        messages(&[(Role::System, "Be brief."), (Role::Assistant, "Good morning."), (Role::User, "when do you open")]);
    let mut reading = call.llm.ask(&asked, waker()).unwrap();
    let told = replies(&mut *reading);
    let text: String =
        told.iter().filter_map(|r| if let Reply::Delta(t) = r { Some(t.as_str()) } else { None }).collect();
    assert_eq!((text.as_str(), told.last()), ("We open at nine. Come in by the door.", Some(&Reply::Done)));

    for (sentence, letters) in [("We open at nine.", 17), ("Come in by the door.", 20)] {
        let mut voice = call.tts.speak(&line(sentence), waker()).unwrap();
        assert_eq!(voice.engine(), Some("realtime"));
        let (samples, end) = said(&mut *voice);
        end.unwrap();
        let (ms, expected) = (samples.len() / 16, letters * 60);
        assert!((expected..expected + 480).contains(&ms), "{sentence}: {ms} ms");
        assert_eq!(voice.spoken(), sentence.len());
    }
    // What the model did not say is not in its sound.
    let mut voice = call.tts.speak(&line("We are closed."), waker()).unwrap();
    assert_eq!(voice.engine(), Some("scripted"));
    assert!(said(&mut *voice).1.is_ok());

    assert_eq!(*lock(&peer.state.sockets), 1, "one connection for the call");
    let settings = orders(&peer, "session.update");
    assert_eq!(settings[0]["session"]["audio"]["input"]["turn_detection"], Value::Null);
    let transcription = &settings.last().unwrap()["session"]["audio"]["input"]["transcription"];
    assert_eq!(transcription["language"], "en");
    assert_eq!(orders(&peer, "response.create")[0]["response"], json!({"instructions": "Be brief."}));
    let told = orders(&peer, "conversation.item.create");
    assert_eq!(
        (told.len(), &told[0]["previous_item_id"], &told[0]["item"]["role"]),
        (1, &json!("root"), &json!("assistant"))
    );
    assert!(peer.requests()[0].head.contains("/v1/realtime?model=gpt-realtime"));
    drop(call.runtime);
}

#[test]
fn an_interruption_ends_the_answer_and_cuts_it_to_what_was_heard() {
    let peer = Peer::start("Tell me everything.").unwrap();
    *lock(&peer.state.answer) =
        "We open at nine. Then there is music and soup for all who come. At noon the choir sings in the yard.".into();
    *lock(&peer.state.pace) = Duration::from_millis(60);
    let call = Call::to(&peer.ws_url());
    let mut reading = call.llm.ask(&messages(&[(Role::User, "tell me everything")]), waker()).unwrap();
    let mut text = String::new();
    while !text.contains("nine. Then") {
        if let Reply::Delta(delta) = until("words", || reading.poll()) {
            text += &delta;
        }
    }
    let mut voice = call.tts.speak(&line("We open at nine."), waker()).unwrap();
    until("sound", || matches!(voice.poll(), Synthesis::Frame(_)).then_some(()));
    // The reader has enough, but its sentence is still being spoken: the answer goes on.
    drop(reading);
    std::thread::sleep(Duration::from_millis(400));
    assert!(orders(&peer, "response.cancel").is_empty(), "the sentence was cut off");
    let dropped = Instant::now();
    drop(voice);
    until("the end of the answer", || (!orders(&peer, "response.cancel").is_empty()).then_some(()));
    assert!(dropped.elapsed() < Duration::from_millis(600), "{:?}", dropped.elapsed());
    assert_eq!(orders(&peer, "response.cancel")[0]["response_id"], "r1");

    // The caller heard "We open"; the rest goes out of the server's memory too, before it is asked again.
    let next =
        messages(&[(Role::User, "tell me everything"), (Role::Assistant, "We open"), (Role::User, "no, the price")]);
    *lock(&peer.state.answer) = "It is free.".into();
    let told = replies(&mut *call.llm.ask(&next, waker()).unwrap());
    assert_eq!(told.last(), Some(&Reply::Done));
    let cut = orders(&peer, "conversation.item.truncate");
    let ms = cut[0]["audio_end_ms"].as_u64().unwrap();
    assert!(cut[0]["item_id"] == "a1" && (300..=560).contains(&ms), "{cut:?}");
    let told = orders(&peer, "conversation.item.create");
    let texts: Vec<_> = told.iter().map(|order| order["item"]["content"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["tell me everything", "no, the price"], "it knows its own words");
}

#[test]
fn when_it_breaks_each_side_goes_to_the_next_of_its_chain() {
    for (fault, shown) in [
        (Fault::Silent, "silent"),
        (Fault::Cut, "cut"),
        (Fault::Stall, "stall"),
        (Fault::Garbage, "garbage"),
        (Fault::WrongJson, "wrong"),
        (Fault::Status(429, None), "busy"),
        (Fault::Slow(Duration::from_secs(3)), "slow"),
    ] {
        let peer = Peer::start("yes").unwrap();
        *lock(&peer.state.answer) = "One. Two. Three. Four. Five. Six.".into();
        peer.set(fault);
        let call = Call::to(&peer.ws_url());
        let mut ears = call.asr.open(&Language::default(), waker()).unwrap();
        let mut reading = call.llm.ask(&messages(&[(Role::User, "count")]), waker()).unwrap();
        let began = Instant::now();
        let told = replies(&mut *reading);
        let (took, half) = (began.elapsed(), matches!(fault, Fault::Cut | Fault::Stall));
        assert!(took < Duration::from_millis(1500), "{shown}: {took:?}");
        match half {
            // What was said cannot be taken back.
            true => assert!(matches!(told.last(), Some(Reply::Failed(_))), "{shown}: {told:?}"),
            false => assert_eq!(told, [Reply::Delta("The flow's own answer.".into()), Reply::Done], "{shown}"),
        }
        if half {
            let (samples, end) = said(&mut *call.tts.speak(&line("One. Two."), waker()).unwrap());
            assert!(end.is_ok() && samples.len() > 4_000, "{shown}: the next voice speaks what is left");
        }
        speak(&mut *ears, 0, 20);
        ears.flush();
        let heard = answer(&mut *ears).unwrap();
        assert_eq!((heard.text.as_str(), heard.kind), ("from the second", HypothesisKind::Final), "{shown}");
        assert_eq!(ears.engine(), Some("scripted"), "{shown}");
        assert!(began.elapsed() < Duration::from_millis(3200), "{shown}");
    }
    let nobody = nobody().unwrap();
    let call = Call::to(&format!("ws://{}/v1", nobody.address));
    let told = replies(&mut *call.llm.ask(&messages(&[(Role::User, "hello")]), waker()).unwrap());
    assert_eq!(told.last(), Some(&Reply::Done));
}
