//! The OpenAI-compatible voice against a server that speaks the protocol, and against its faults.

use crate::support::peer::{Fault, Peer, lock, nobody};
use crate::support::wake::{said, until, waker};
use std::time::{Duration, Instant};
use tipring::engine::tts::{OpenAi, OpenAiConfig};
use tipring::speech::{EngineError, Language, SpeechRequest, Synthesis, Synthesizer};

pub fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig { base_url: base_url.into(), ..OpenAiConfig::default() }
}

pub fn line(text: &str) -> SpeechRequest {
    SpeechRequest { text: text.into(), language: Language::default(), voice: None }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_line_comes_sentence_by_sentence_at_16_khz() {
    let (peer, runtime) = (Peer::start("").unwrap(), runtime());
    let config = OpenAiConfig { speed: Some(1.25), api_key: Some("sk-voice".into()), ..config(&peer.base_url()) };
    let engine = OpenAi::open(&config, runtime.handle()).unwrap();
    let mut stream = engine.speak(&line("Good morning. How are you?"), waker()).unwrap();
    let mut samples = Vec::new();
    let (mut first_sentence, mut told) = (None, 0);
    loop {
        match until("a frame", || Some(stream.poll()).filter(|s| !matches!(s, Synthesis::Pending))) {
            Synthesis::Frame(frame) => samples.extend_from_slice(&*frame),
            Synthesis::Done => break,
            other => panic!("{other:?}"),
        }
        if stream.spoken() > told {
            told = stream.spoken();
            first_sentence.get_or_insert((samples.len(), told));
        }
    }
    // 13 and 12 characters of 60 ms each, 10 ms before and 200 after the first of them, whole frames.
    let ms = samples.len() / 16;
    assert!((1720..=1800).contains(&ms), "{ms} ms");
    assert_eq!(
        (stream.total_samples(), stream.spoken(), stream.engine()),
        (Some(samples.len() as u64), 26, Some("openai"))
    );
    let (at, spoken) = first_sentence.unwrap();
    assert!(spoken == 14 && (15_000..17_000).contains(&at), "{spoken} bytes after {at} samples");
    // The tone is 191 Hz at 24 kHz; it keeps its pitch.
    let crossings = samples[1600..9600].windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    assert!((93..=98).contains(&crossings), "{crossings} periods in half a second");

    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    let expected = serde_json::json!({"model": "tts-1", "voice": "alloy", "input": "Good morning.", "response_format": "pcm",
        "speed": 1.25});
    assert_eq!(requests[0].json(), expected);
    assert_eq!(requests[1].json()["input"], "How are you?");
    assert!(requests[0].head.starts_with("POST /v1/audio/speech ") && requests[0].head.contains("Bearer sk-voice"));
}

#[test]
fn dropping_the_line_ends_the_request() {
    let (peer, runtime) = (Peer::start("").unwrap(), runtime());
    let engine = OpenAi::open(&config(&peer.base_url()), runtime.handle()).unwrap();
    let long = "A sentence of some length that takes its time to be spoken to the very end of it";
    let mut stream = engine.speak(&line(&long.repeat(3)), waker()).unwrap();
    until("sound", || matches!(stream.poll(), Synthesis::Frame(_)).then_some(()));
    drop(stream);
    let dropped = Instant::now();
    until("the end of the connection", || (*lock(&peer.state.closed) > 0).then_some(()));
    assert!(dropped.elapsed() < Duration::from_millis(500));
    assert_eq!(peer.requests().len(), 1, "no further sentence was asked for");
}

#[test]
fn every_fault_is_told_in_time_and_where() {
    let (peer, runtime) = (Peer::start("").unwrap(), runtime());
    let engine = OpenAi::open(&config(&peer.base_url()), runtime.handle()).unwrap();
    for (fault, expected) in [
        (Fault::Slow(Duration::from_secs(3)), "no answer within 900 ms"),
        (Fault::Silent, "no answer within 900 ms"),
        (Fault::Cut, "cut off"),
        (Fault::Stall, "stalled for 800 ms"),
        (Fault::Garbage, "answered with text/html"),
        (Fault::WrongJson, "answered with application/json"),
        (Fault::Status(500, None), "in trouble"),
        (Fault::Status(401, None), "engine.openai_tts.api_key_env"),
    ] {
        peer.set(fault);
        let mut stream = engine.speak(&line("We are open until six."), waker()).unwrap();
        let (samples, end) = said(&mut *stream);
        let broke = peer.broke().unwrap().elapsed();
        let what = end.unwrap_err().to_string();
        assert!(what.contains(expected) && what.contains("/v1/audio/speech"), "{fault:?}: {what}");
        assert!(broke < Duration::from_millis(1450), "{fault:?}: told after {broke:?}");
        let begun = matches!(fault, Fault::Cut | Fault::Stall);
        assert_eq!((samples.is_empty(), stream.spoken()), (!begun, 0), "{fault:?}");
    }
    let nobody = nobody().unwrap();
    let engine = OpenAi::open(&config(&format!("http://{}/v1", nobody.address)), runtime.handle()).unwrap();
    let (_, end) = said(&mut *engine.speak(&line("Hello."), waker()).unwrap());
    assert!(end.unwrap_err().to_string().contains("cannot connect"));
}

#[test]
fn a_voice_that_the_server_does_not_have_is_not_asked_for() {
    let runtime = runtime();
    let config = OpenAiConfig { voices: vec!["nova".into()], ..config("http://127.0.0.1:9/v1") };
    let engine = OpenAi::open(&config, runtime.handle()).unwrap();
    let with = |voice: &str| SpeechRequest { voice: Some(voice.into()), ..line("Hello.") };
    assert!(engine.speak(&with("nova"), waker()).is_ok() && engine.speak(&with("alloy"), waker()).is_ok());
    let error = engine.speak(&with("slt"), waker()).err().unwrap();
    assert!(matches!(&error, EngineError::Unavailable { what, .. } if what.contains("'slt'")), "{error}");
    assert!(OpenAi::open(&OpenAiConfig { pcm_rate_hz: 3, ..config }, runtime.handle()).is_err());
}
