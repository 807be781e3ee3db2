//! The recogniser with Deepgram's protocol against a server that speaks it, and against its faults.

use crate::support::peer::{Fault, Peer, lock, nobody};
use crate::support::wake::{answer, heard, speak, until, waker};
use std::sync::Arc;
use std::time::Duration;
use tipring::audio::MediaTime;
use tipring::engine::asr::{Deepgram, DeepgramConfig};
use tipring::speech::{AnswerKind, EngineError, Expectation, HypothesisKind, Language, Recognizer, RecognizerStream};

pub fn config(base_url: &str) -> DeepgramConfig {
    DeepgramConfig { base_url: base_url.into(), api_key: Some("dg-key".into()), ..DeepgramConfig::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn open(config: &DeepgramConfig, runtime: &tokio::runtime::Runtime) -> Box<dyn RecognizerStream> {
    let engine = Deepgram::open(config, runtime.handle()).unwrap();
    let phrases = vec!["yes please".to_owned(), "no".to_owned()];
    engine.prepare(&Arc::new(Expectation { language: Language::default(), kind: AnswerKind::YesNo, phrases })).unwrap();
    engine.open(&Language::default(), waker()).unwrap()
}

#[test]
fn words_come_while_the_caller_speaks_and_settle_in_the_pause() {
    let (peer, runtime) = (Peer::start("I would like a table for two").unwrap(), runtime());
    let mut stream = open(&config(&peer.ws_url()), &runtime);
    speak(&mut *stream, 100, 30);
    let first = heard(&mut *stream).unwrap();
    assert_eq!((first.kind, first.text.as_str()), (HypothesisKind::Partial, "i would"));
    assert_eq!(first.covers, MediaTime::from_frames(105));
    stream.flush();
    let last = answer(&mut *stream).unwrap();
    assert_eq!((last.text.as_str(), last.covers), ("i would like a table for two", MediaTime::from_frames(130)));
    assert!((last.confidence - 0.9).abs() < 1e-3 && !last.degraded);
    // Asked again without anything new, it answers without the server.
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap(), last);

    // The caller goes on: what is heard now is put behind it.
    peer.say("at eight");
    speak(&mut *stream, 130, 20);
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().text, "i would like a table for two at eight");
    // The next utterance begins with nothing.
    stream.finish();
    peer.say("no");
    speak(&mut *stream, 400, 20);
    stream.flush();
    let next = answer(&mut *stream).unwrap();
    assert_eq!((next.text.as_str(), next.covers), ("no", MediaTime::from_frames(420)));
    stream.finish();
    stream.flush();
    assert_eq!(answer(&mut *stream).unwrap().text, "");

    assert_eq!(*lock(&peer.state.sockets), 1, "one connection for the call");
    let head = peer.requests()[0].head.clone();
    assert!(head.contains("/v1/listen?encoding=linear16") && head.contains("keyterm=yes+please"), "{head}");
    drop(stream);
    until("goodbye", || (peer.messages("CloseStream") == 1).then_some(()));
}

#[test]
fn a_broken_connection_is_made_again_within_the_utterance_and_nothing_is_lost() {
    let (peer, runtime) = (Peer::start("yes please").unwrap(), runtime());
    *lock(&peer.state.heals) = true;
    peer.set(Fault::Cut);
    let mut stream = open(&config(&peer.ws_url()), &runtime);
    speak(&mut *stream, 0, 12);
    until("the second connection", || (*lock(&peer.state.sockets) == 2).then_some(()));
    speak(&mut *stream, 12, 8);
    stream.flush();
    let last = answer(&mut *stream).unwrap();
    assert_eq!((last.text.as_str(), last.covers), ("yes please", MediaTime::from_frames(20)));
    // 12 frames on the first connection, at most, and all 20 on the second.
    let frames = peer.messages("audio");
    assert!((30..=32).contains(&frames), "{frames} frames");
}

#[test]
fn an_idle_connection_is_kept_alive() {
    let (peer, runtime) = (Peer::start("yes").unwrap(), runtime());
    let stream = open(&config(&peer.ws_url()), &runtime);
    until("a sign of life", || (peer.messages("KeepAlive") > 0).then_some(()));
    drop(stream);
}

#[test]
fn every_fault_is_told_in_time() {
    let runtime = runtime();
    for (fault, expected) in [
        (Fault::Slow(Duration::from_secs(3)), "cannot connect within 800 ms"),
        (Fault::Silent, "nothing was said for 1000 ms"),
        (Fault::Stall, "nothing was said for 1000 ms"),
        (Fault::Cut, "the connection"),
        (Fault::Garbage, "no JSON"),
        (Fault::WrongJson, "nothing was said for 1000 ms"),
        (Fault::Status(401, None), "engine.deepgram.api_key_env"),
        (Fault::Status(429, Some(3)), "limit of requests"),
    ] {
        let peer = Peer::start("yes please").unwrap();
        peer.set(fault);
        let mut stream = open(&config(&peer.ws_url()), &runtime);
        speak(&mut *stream, 0, 20);
        stream.flush();
        let error = answer(&mut *stream).unwrap_err();
        let broke = peer.broke().unwrap().elapsed();
        assert!(matches!(&error, EngineError::Failed { engine, .. } if engine == "deepgram"), "{error}");
        assert!(error.to_string().contains(expected), "{fault:?}: {error}");
        assert!(!error.to_string().contains("dg-key"));
        assert!(broke < Duration::from_millis(1450), "{fault:?}: told after {broke:?}");
        assert!(stream.poll().is_none(), "a dead stream is silent");
    }
    let nobody = nobody().unwrap();
    let mut stream = open(&config(&format!("ws://{}/v1", nobody.address)), &runtime);
    assert!(answer(&mut *stream).unwrap_err().to_string().contains("cannot connect"));
}
