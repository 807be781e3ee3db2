//! The OpenAI-compatible recogniser against a server that speaks the protocol, and against its faults.

use crate::support::peer::{Fault, Peer, nobody};
use crate::support::wake::{answer, heard, speak, until, waker};
use std::sync::Arc;
use std::time::Duration;
use tipring::audio::MediaTime;
use tipring::engine::asr::{OpenAi, OpenAiConfig};
use tipring::speech::{AnswerKind, EngineError, Expectation, HypothesisKind, Language, Recognizer, RecognizerStream};

pub fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig { base_url: base_url.into(), ..OpenAiConfig::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn open(config: &OpenAiConfig, runtime: &tokio::runtime::Runtime) -> Box<dyn RecognizerStream> {
    OpenAi::open(config, runtime.handle()).unwrap().open(&Language("en-us".into()), waker()).unwrap()
}

/// How many milliseconds of sound a request carried.
fn sent_ms(body: &[u8]) -> usize {
    let at = body.windows(8).position(|w| w == b"WAVEfmt ").expect("a WAV file");
    u32::from_le_bytes(body[at + 32..at + 36].try_into().unwrap()) as usize / 32
}

#[test]
fn an_utterance_is_sent_at_each_flush_with_what_the_flow_expects() {
    let (peer, runtime) = (Peer::start(" Yes, please.").unwrap(), runtime());
    let mut stream = open(&OpenAiConfig { temperature: Some(0.0), ..config(&peer.base_url()) }, &runtime);
    let phrases = vec!["yes please".to_owned(), "no".to_owned()];
    stream.expect(&Arc::new(Expectation { language: Language::default(), kind: AnswerKind::YesNo, phrases }));
    speak(&mut *stream, 10, 50);
    stream.flush();
    let first = answer(&mut *stream).unwrap();
    assert_eq!((first.kind, first.text.as_str(), first.degraded), (HypothesisKind::Final, "yes, please", false));
    assert!((first.confidence - 0.819).abs() < 0.01 && first.covers == MediaTime::from_frames(60), "{first:?}");

    // Nothing was said since: the same answer, and no request.
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap(), first);
    // The caller went on.
    peer.say("yes please tomorrow");
    speak(&mut *stream, 60, 25);
    stream.flush();
    let second = answer(&mut *stream).unwrap();
    assert_eq!((second.text.as_str(), second.covers), ("yes please tomorrow", MediaTime::from_frames(85)));
    stream.finish();
    speak(&mut *stream, 200, 30);
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().covers, MediaTime::from_frames(230));
    assert_eq!(stream.engine(), Some("openai"));

    let requests = peer.requests();
    let lengths: Vec<_> = requests.iter().map(|seen| sent_ms(&seen.body)).collect();
    assert_eq!(lengths, [1000, 1500, 600]);
    let field = |name: &str| requests[0].field(name).unwrap_or_default();
    assert_eq!(
        (field("model"), field("language"), field("prompt")),
        ("whisper-1".into(), "en".into(), "yes please, no".into())
    );
    assert_eq!((field("response_format"), field("temperature")), ("verbose_json".into(), "0".into()));
}

#[test]
fn silence_is_answered_without_the_server_and_a_long_utterance_loses_its_beginning() {
    let (peer, runtime) = (Peer::start("a story").unwrap(), runtime());
    let mut stream = open(&OpenAiConfig { max_utterance_ms: 2_000, ..config(&peer.base_url()) }, &runtime);
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().text, "");
    assert!(peer.requests().is_empty());
    speak(&mut *stream, 0, 150);
    stream.flush();
    assert!(answer(&mut *stream).unwrap().degraded);
    assert_eq!(sent_ms(&peer.requests()[0].body), 2000);
    stream.finish();
    speak(&mut *stream, 200, 20);
    stream.flush();
    assert!(!answer(&mut *stream).unwrap().degraded);
}

#[test]
fn partial_results_come_while_the_caller_speaks_one_request_at_a_time() {
    let (peer, runtime) = (Peer::start("I would like").unwrap(), runtime());
    let mut stream = open(&OpenAiConfig { partial_ms: 200, ..config(&peer.base_url()) }, &runtime);
    peer.set(Fault::Slow(Duration::from_millis(150)));
    speak(&mut *stream, 0, 60);
    assert_eq!(heard(&mut *stream).unwrap().kind, HypothesisKind::Partial);
    assert_eq!(peer.requests().len(), 1, "a second request began before the first was answered");
    peer.set(Fault::None);
    std::thread::sleep(Duration::from_millis(30));
    speak(&mut *stream, 60, 10);
    peer.wait_for_requests(2);
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().covers, MediaTime::from_frames(70));
}

#[test]
fn every_fault_is_told_in_time_even_when_nobody_waits_any_more() {
    let (peer, runtime) = (Peer::start("yes").unwrap(), runtime());
    for (fault, expected) in [
        (Fault::Slow(Duration::from_secs(3)), "no answer within 1200 ms"),
        (Fault::Silent, "no answer within 1200 ms"),
        (Fault::Cut, "the connection broke"),
        (Fault::Stall, "no answer within 1200 ms"),
        (Fault::Garbage, "no JSON"),
        (Fault::WrongJson, "without a text"),
        (Fault::Status(502, None), "in trouble"),
        (Fault::Status(404, None), "engine.openai_asr.base_url and model"),
    ] {
        peer.set(fault);
        let mut stream = open(&config(&peer.base_url()), &runtime);
        speak(&mut *stream, 0, 20);
        stream.flush();
        // The agent did not wait; the chain must hear of it all the same.
        stream.finish();
        let error = answer(&mut *stream).unwrap_err();
        let broke = peer.broke().unwrap().elapsed();
        assert!(matches!(&error, EngineError::Failed { engine, .. } if engine == "openai"), "{error}");
        assert!(error.to_string().contains(expected), "{fault:?}: {error}");
        assert!(broke < Duration::from_millis(1450), "{fault:?}: told after {broke:?}");
        speak(&mut *stream, 20, 2);
        stream.flush();
        assert!(stream.poll().is_none(), "a dead stream is silent");
    }
    let nobody = nobody().unwrap();
    let mut stream = open(&config(&format!("http://{}/v1", nobody.address)), &runtime);
    speak(&mut *stream, 0, 5);
    stream.flush();
    assert!(answer(&mut *stream).unwrap_err().to_string().contains("cannot connect"));
}

#[test]
fn a_newer_flush_replaces_the_one_under_way() {
    let (peer, runtime) = (Peer::start("all of it").unwrap(), runtime());
    peer.set(Fault::Slow(Duration::from_millis(300)));
    let mut stream = open(&config(&peer.base_url()), &runtime);
    speak(&mut *stream, 0, 20);
    stream.flush();
    peer.wait_for_requests(1);
    speak(&mut *stream, 20, 20);
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().covers, MediaTime::from_frames(40));
    until("the rest", || (peer.requests().len() == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(100));
    assert!(stream.poll().is_none(), "the older request was answered too");
}
