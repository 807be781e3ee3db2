mod tiny;

use super::*;
use crate::audio::{AudioFrame, FrameOrigin, MediaTime};
use crate::engine::wait;
use crate::speech::{Hypothesis, HypothesisKind};
use std::path::Path;

/// Longest time that anything here may take, on a machine that is busy with much else.
const PATIENCE: Duration = Duration::from_secs(120);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(make: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("tiny.bin"));
        Self { folder }
    }

    fn counting() -> Self {
        Self::new(tiny::counting)
    }

    fn drawn(layers: usize) -> Self {
        Self::new(|path| tiny::drawn(path, layers, 7))
    }

    fn config(&self) -> Config {
        Config { model: self.folder.path().join("tiny.bin"), threads: 1, max_final_ms: 60_000, ..Config::default() }
    }
}

/// A voice, as far as a level goes: noise of changing loudness.
fn frame(n: u64, amplitude: i16) -> AudioFrame {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let samples = std::array::from_fn(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % (2 * amplitude as u64 + 1)) as i16 - amplitude
    });
    AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples }
}

fn open(whisper: &Whisper) -> Box<dyn RecognizerStream> {
    whisper.open(&Language::default(), wait::this_thread()).unwrap()
}

/// Pushes so many milliseconds of noise or, with amplitude 0, silence.
fn push(stream: &mut dyn RecognizerStream, at: &mut u64, ms: u64, amplitude: i16) {
    for _ in 0..ms / 20 {
        stream.push(&frame(*at, amplitude));
        *at += 1;
    }
}

/// What is heard up to the next answer.
fn until_final(stream: &mut dyn RecognizerStream) -> Vec<Hypothesis> {
    let until = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    while Instant::now() < until {
        match stream.poll() {
            Some(hypothesis) => {
                heard.push(hypothesis.unwrap());
                if heard.last().is_some_and(|h| h.kind == HypothesisKind::Final) {
                    return heard;
                }
            }
            None => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
    panic!("no answer; so far {heard:?}");
}

fn answer(stream: &mut dyn RecognizerStream) -> Hypothesis {
    until_final(stream).pop().unwrap()
}

/// Waits for something that another thread does.
fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn words(text: &str) -> usize {
    let counted: Vec<&str> = tiny::WORDS.iter().map(|word| word.trim()).collect();
    let said: Vec<&str> = text.split_whitespace().collect();
    assert!(counted.starts_with(&said), "it counts: {text}");
    said.len()
}

#[test]
fn missing_weights_name_the_file_and_the_command() {
    let error = Whisper::open(&Config { model: "/no/such/model.bin".into(), ..Config::default() });
    let error = error.err().unwrap().to_string();
    assert!(error.contains("/no/such/model.bin") && error.contains("tipring models fetch whisper"), "{error}");
}

#[test]
fn settings_are_read_and_typing_errors_refused() {
    let config: Config = toml::from_str("model = '/m'\npartial_ms = 0").unwrap();
    assert_eq!((config.model.to_str(), config.partial_ms), (Some("/m"), 0));
    assert!(toml::from_str::<Config>("modle = '/m'").is_err());
}

#[test]
fn weights_that_are_cut_are_refused() {
    let place = Place::counting();
    let bytes = std::fs::read(&place.config().model).unwrap();
    for length in [0, 40, 64_000, 70_000, bytes.len() / 2, bytes.len() - 100_000] {
        std::fs::write(&place.config().model, &bytes[..length]).unwrap();
        let error = Whisper::open(&place.config()).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("tiny.bin")), "{length}: {error:?}");
    }
}

#[test]
fn the_longer_somebody_speaks_the_further_it_counts() {
    let place = Place::counting();
    let whisper = Whisper::open(&Config { partial_ms: 0, prompt: false, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let (mut at, mut counts) = (0, Vec::new());
    for ms in [500, 1_200, 2_500, 5_000, 12_000] {
        push(&mut *stream, &mut at, 200, 0);
        push(&mut *stream, &mut at, ms, 9_000);
        push(&mut *stream, &mut at, 120, 0);
        stream.flush();
        let heard = answer(&mut *stream);
        assert_eq!(heard.covers, MediaTime::from_frames(at));
        assert!(heard.confidence > 0.2 && !heard.degraded, "{heard:?}");
        counts.push(words(&heard.text));
        stream.finish();
    }
    assert!(counts.is_sorted() && counts[0] >= 1 && counts[4] > counts[1], "{counts:?}");
    assert_eq!((whisper.stats().finals, whisper.stats().decoders, whisper.stats().partials), (5, 1, 0));
}

#[test]
fn partial_results_grow_and_what_is_settled_stays() {
    let place = Place::counting();
    let whisper = Whisper::open(&Config { partial_ms: 200, prompt: false, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let mut at = 0;
    // The machine may be slow: audio waits until it has been looked at, and a look that was skipped is made up for.
    for n in 1..=24 {
        if whisper.stats().partials >= 8 {
            break;
        }
        push(&mut *stream, &mut at, 500, 9_000);
        wait_for("a partial decode", || whisper.stats().partials + whisper.stats().skipped >= n);
        wait_for("an idle decoder", || lock(&whisper.engine.idle).len() == 1);
    }
    push(&mut *stream, &mut at, 200, 0);
    stream.flush();
    let heard = until_final(&mut *stream);
    let last = heard.last().unwrap();
    let settled: Vec<&Hypothesis> = heard.iter().filter(|h| h.kind == HypothesisKind::Stable).collect();
    assert!(settled.len() >= 2 && heard.len() > settled.len() + 2, "{heard:#?}");
    for pair in settled.windows(2) {
        assert!(pair[1].text.starts_with(&pair[0].text) && pair[1].text.len() > pair[0].text.len(), "{settled:#?}");
    }
    for (index, hypothesis) in heard.iter().enumerate().filter(|(_, h)| h.kind == HypothesisKind::Stable) {
        assert!(heard[index..].iter().all(|later| later.text.starts_with(&hypothesis.text)), "{heard:#?}");
    }
    assert!(words(&last.text) >= 3, "{last:?}");
}

#[test]
fn silence_is_no_speech_and_is_not_decoded() {
    let place = Place::drawn(1);
    let whisper = Whisper::open(&place.config()).unwrap();
    let mut stream = open(&whisper);
    let mut at = 0;
    push(&mut *stream, &mut at, 3_000, 0);
    stream.flush();
    let heard = answer(&mut *stream);
    assert_eq!((heard.text.as_str(), heard.confidence), ("", 0.0));
    stream.flush();
    assert_eq!(answer(&mut *stream).text, "", "asked again, answered again");
    assert!(whisper.engine.admission().admits(Instant::now()));
    assert_eq!(whisper.stats().made_up, 0);
}

/// Nonsense to the end of what it may say, for sounds of every length: nothing breaks, and every flush is answered.
#[test]
fn clips_of_every_length_are_answered_and_nothing_breaks() {
    let place = Place::drawn(2);
    let whisper = Whisper::open(&Config { partial_ms: 0, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let expected = Expectation { phrases: vec!["yes".into(), "不要 \0 ok".into()], ..Expectation::default() };
    stream.expect(&Arc::new(expected));
    let mut at = 0;
    for (n, ms) in [20, 60, 100, 140, 400, 1_000, 3_000, 9_000, 24_900, 30_000].into_iter().enumerate() {
        push(&mut *stream, &mut at, ms, if n % 2 == 0 { 12_000 } else { 700 });
        push(&mut *stream, &mut at, 300, 40);
        stream.flush();
        let heard = answer(&mut *stream);
        assert!((0.0..=1.0).contains(&heard.confidence), "{heard:?}");
        assert_eq!(heard.text, heard.text.to_lowercase());
        stream.finish();
    }
    assert_eq!(whisper.stats().finals, 10);
}

#[test]
fn a_very_long_utterance_is_decoded_in_stretches() {
    let place = Place::counting();
    let whisper = Whisper::open(&Config { partial_ms: 0, prompt: false, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let mut at = 0;
    for _ in 0..6 {
        push(&mut *stream, &mut at, 10_000, 9_000);
        wait_for("an idle decoder", || lock(&whisper.engine.idle).len() == 1);
        std::thread::sleep(Duration::from_millis(100));
        wait_for("an idle decoder", || lock(&whisper.engine.idle).len() == 1);
    }
    stream.flush();
    let heard = answer(&mut *stream);
    assert!(heard.text.matches("one").count() >= 2, "{heard:?}");
    assert_eq!(heard.covers, MediaTime::from_frames(at));
}

#[test]
fn a_prompt_reaches_the_decoder() {
    let place = Place::counting();
    let whisper = Whisper::open(&Config { partial_ms: 0, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let mut said = Vec::new();
    for phrases in [vec![], vec!["seven".to_owned()]] {
        stream.expect(&Arc::new(Expectation { phrases, ..Expectation::default() }));
        let mut at = 0;
        push(&mut *stream, &mut at, 4_000, 9_000);
        stream.flush();
        said.push(answer(&mut *stream).text);
        stream.finish();
    }
    assert!(words(&said[0]) >= 3, "{said:?}");
    assert_ne!(said[0], said[1], "the positions of this model move with the prompt");
    let tokens = whisper.engine.model.prompt(&"yes, no. ".repeat(500));
    assert!(!tokens.is_empty() && tokens.len() <= 64, "{}", tokens.len());
}

#[test]
fn the_end_of_a_call_stops_its_decode() {
    let place = Place::drawn(4);
    let whisper = Whisper::open(&Config { partial_ms: 0, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    push(&mut *stream, &mut 0, 24_000, 9_000);
    stream.flush();
    wait_for("a running decode", || lock(&whisper.engine.idle).is_empty());
    drop(stream);
    wait_for("an idle decoder", || lock(&whisper.engine.idle).len() == 1);
    assert_eq!((whisper.stats().aborted, whisper.stats().finals), (1, 0));
    // The decoder is none the worse for it.
    let mut stream = open(&whisper);
    push(&mut *stream, &mut 0, 1_000, 9_000);
    stream.flush();
    answer(&mut *stream);
    assert_eq!(whisper.stats().decoders, 1);
}

#[test]
fn a_flush_stops_the_partial_decode_of_its_call() {
    let place = Place::drawn(4);
    let whisper = Whisper::open(&Config { partial_ms: 200, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let mut at = 0;
    push(&mut *stream, &mut at, 20_000, 9_000);
    wait_for("a running decode", || lock(&whisper.engine.idle).is_empty());
    push(&mut *stream, &mut at, 1_000, 9_000);
    stream.flush();
    let heard = answer(&mut *stream);
    assert_eq!(heard.covers, MediaTime::from_frames(at));
    let stats = whisper.stats();
    assert_eq!((stats.aborted, stats.finals), (1, 1), "{stats:?}");
    assert!(stats.skipped > 0, "partial decodes were due while one ran: {stats:?}");
}

#[test]
fn calls_share_decoders_and_answers_come_before_partial_results() {
    let place = Place::drawn(2);
    let whisper = Whisper::open(&Config { partial_ms: 200, max_calls: 4, ..place.config() }).unwrap();
    let mut calls: Vec<_> = (0..4).map(|_| open(&whisper)).collect();
    assert!(matches!(whisper.open(&Language::default(), wait::this_thread()), Err(EngineError::Overloaded { .. })));
    // All decode at once, one decoder for four: the answers are there, and no decoder more.
    for (n, call) in calls.iter_mut().enumerate() {
        push(&mut **call, &mut (n as u64 * 1000), 4_000, 9_000);
    }
    calls[3].flush();
    answer(&mut *calls[3]);
    let stats = whisper.stats();
    assert!(stats.partials <= 1, "the answer waited for one decode at most, the one that ran: {stats:?}");
    calls.iter_mut().take(3).for_each(|call| call.flush());
    calls.iter_mut().take(3).for_each(|call| drop(answer(&mut **call)));
    let stats = whisper.stats();
    assert_eq!((stats.finals, stats.decoders, stats.refused), (4, 1, 1), "{stats:?}");
    // With calls that are up, how busy the decoder was decides about one more; without any, a place is free.
    drop(calls);
    assert!(whisper.open(&Language::default(), wait::this_thread()).is_ok(), "a place is free again");
}

#[test]
fn an_utterance_that_is_over_is_still_answered() {
    let place = Place::counting();
    let whisper = Whisper::open(&Config { partial_ms: 0, prompt: false, ..place.config() }).unwrap();
    let mut stream = open(&whisper);
    let mut at = 0;
    for ms in [500, 6_000] {
        push(&mut *stream, &mut at, ms, 9_000);
        stream.flush();
        stream.finish();
    }
    let first = answer(&mut *stream);
    let second = answer(&mut *stream);
    assert!(words(&first.text) < words(&second.text), "{first:?} {second:?}");
    assert!(first.covers < second.covers);
    assert!(stream.poll().is_none());
}

#[test]
fn languages_are_whispers_own() {
    let place = Place::counting();
    let whisper = Whisper::open(&place.config()).unwrap();
    for known in ["en", "zh", "zh-cn", "en-us"] {
        assert!(whisper.open(&Language(known.into()), wait::this_thread()).is_ok(), "{known}");
    }
    for unknown in ["", "xx", "klingon", "e\0n"] {
        let opened = whisper.open(&Language(unknown.into()), wait::this_thread());
        assert!(matches!(opened, Err(EngineError::Language { .. })), "{unknown}");
    }
    assert_eq!(whisper.prepare(&Arc::default()).unwrap(), Vec::<String>::new());
}
