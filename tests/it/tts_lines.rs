//! Lines through the engines as calls use them: how soon they are heard, and what becomes of them when an engine breaks.

use crate::support::skip;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tipring::engine::{Config, Engines};
use tipring::speech::{Language, SpeechRequest, Synthesis, SynthesisStream};

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The engines of a configuration; none, with a word about it, when flite is not installed.
fn engines(runtime: &tokio::runtime::Runtime, text: &str) -> Option<Engines> {
    let config: Config = toml::from_str(text).unwrap();
    let (engines, findings) = Engines::build(&config, runtime.handle()).unwrap();
    match findings.iter().find(|f| f.engine == "flite") {
        Some(missing) => {
            skip(&missing.what);
            None
        }
        None => Some(engines),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

fn request(text: &str) -> SpeechRequest {
    SpeechRequest { text: text.into(), language: Language::default(), voice: None }
}

fn speak(engines: &Engines, text: &str) -> Box<dyn SynthesisStream> {
    engines.tts.speak(&request(text), Waker::from(Arc::new(Unpark(thread::current())))).unwrap()
}

/// The next thing that is not a promise.
fn next(stream: &mut dyn SynthesisStream) -> Synthesis {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match stream.poll() {
            Synthesis::Pending => {
                assert!(Instant::now() < until, "the line gives nothing");
                thread::park_timeout(Duration::from_secs(1));
            }
            given => return given,
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Prints what a line costs; the bounds are wide, because the machine that runs the tests is busy with others.
#[test]
fn a_new_line_is_heard_soon_and_a_ready_one_at_once() {
    let runtime = runtime();
    let Some(engines) = engines(&runtime, "tts = ['flite']") else { return };
    let mut fresh = Vec::new();
    for n in 0..40 {
        let text = format!("Your table number is {n}, is that all right?");
        let began = Instant::now();
        let mut stream = speak(&engines, &text);
        assert!(matches!(next(&mut *stream), Synthesis::Frame(_)));
        fresh.push(began.elapsed());
    }
    let line = "Thank you for calling, how can I help you today?";
    engines.tts.prepare(&request(line)).unwrap();
    let mut ready = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        let mut stream = engines.tts.speak(&request(line), Waker::noop().clone()).unwrap();
        assert!(matches!(stream.poll(), Synthesis::Frame(_)), "a ready line is there at the first poll");
        ready.push(began.elapsed());
    }
    let stats = engines.cache.stats();
    let seconds = speak(&engines, line).total_samples().unwrap() as f64 / 16_000.0;
    fresh.sort();
    ready.sort();
    eprintln!(
        "flite, first frame of a short sentence: p50 {:.1} ms, p95 {:.1} ms; of a ready line: p50 {:.1} us, p95 {:.1} us; \
         {:.0} bytes per second kept",
        percentile(&fresh, 50).as_secs_f64() * 1e3,
        percentile(&fresh, 95).as_secs_f64() * 1e3,
        percentile(&ready, 50).as_secs_f64() * 1e6,
        percentile(&ready, 95).as_secs_f64() * 1e6,
        stats.bytes as f64 / seconds,
    );
    assert!(percentile(&fresh, 50) < Duration::from_secs(1), "{fresh:?}");
    assert!(percentile(&ready, 50) < Duration::from_millis(1), "{ready:?}");
}

#[test]
fn a_long_line_is_heard_before_it_is_made() {
    let runtime = runtime();
    let Some(engines) = engines(&runtime, "tts = ['flite']") else { return };
    let text = "This is the first of many sentences. ".repeat(20);
    let began = Instant::now();
    let mut stream = speak(&engines, &text);
    assert!(matches!(next(&mut *stream), Synthesis::Frame(_)));
    let first = began.elapsed();
    assert_eq!(stream.total_samples(), None, "the length is not known yet");
    let mut frames = 1_u64;
    while let Synthesis::Frame(_) = next(&mut *stream) {
        frames += 1;
    }
    assert_eq!(stream.total_samples(), Some(frames * 320));
    assert!(first * 4 < began.elapsed(), "first {first:?}, all {:?}", began.elapsed());
}

#[test]
fn when_an_engine_breaks_the_next_one_goes_on_with_that_sentence() {
    let runtime = runtime();
    let text = "tts = ['scripted', 'flite']\n[scripted.tts]\nfail_after_ms = 1600";
    let Some(engines) = engines(&runtime, text) else { return };
    let mut stream = speak(&engines, "Good morning. We would like to know whether you can come on Tuesday at ten.");
    let mut served: Vec<(String, u64)> = Vec::new();
    let end = loop {
        let given = next(&mut *stream);
        let name = stream.engine().unwrap_or_default().to_owned();
        match given {
            Synthesis::Frame(_) => match served.last_mut() {
                Some((last, frames)) if *last == name => *frames += 1,
                _ => served.push((name, 1)),
            },
            end => break end,
        }
    };
    assert!(matches!(end, Synthesis::Done), "{end:?}");
    let names: Vec<&str> = served.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["scripted", "flite"]);
    assert_eq!(served[0].1, 80, "1600 ms of the first");
    assert!((100..400).contains(&served[1].1), "the second sentence from its beginning: {served:?}");
    assert_eq!(engines.cache.stats().lines, 0, "half and half is not kept");
}
