use super::*;
use crate::audio::MediaTime;

/// The engine, or none where the library is missing: then the test says so and passes.
fn engine(config: &SileroConfig, dense: Option<EarshotConfig>) -> Option<Silero> {
    match onnx::available(None) {
        Ok(_) => Some(Silero::open(config, None, dense).unwrap()),
        Err(what) => {
            crate::engine::skip(what);
            None
        }
    }
}

fn frame(n: u64, sample: impl Fn(usize) -> f64) -> AudioFrame {
    let samples = std::array::from_fn(|i| sample(n as usize * FRAME_SAMPLES + i) as i16);
    AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples }
}

/// A vowel: pulses of the voice through three resonances, with the ups and downs of syllables.
fn vowel(n: usize) -> f64 {
    let time = n as f64 / 16_000.0;
    let pitch = 120.0 + 15.0 * (time * 6.0).sin();
    let syllable = (time * std::f64::consts::TAU * 4.0).sin().max(0.0);
    let part = |k: i32| {
        let hz = f64::from(k) * pitch;
        let near = |formant: f64, width: f64| 1.0 / (1.0 + ((hz - formant) / width).powi(2));
        (near(700.0, 90.0) + 0.7 * near(1200.0, 110.0) + 0.3 * near(2600.0, 160.0))
            * (std::f64::consts::TAU * hz * time).sin()
    };
    6000.0 * syllable * (1..=25).map(part).sum::<f64>()
}

fn hear(engine: &Silero, sample: impl Fn(usize) -> f64 + Copy, frames: u64) -> Vec<f32> {
    let mut detector = engine.open().unwrap();
    (0..frames)
        .map(|n| {
            let probability = detector.push(&frame(n, sample));
            detector.settle();
            probability
        })
        .collect()
}

#[test]
fn held_chords_are_a_voice_to_one_ear_only() {
    let chords = |n: usize| {
        let time = n as f64 / 16_000.0;
        let since = time % 2.0;
        let root = [0.0, 9.0, 5.0, 7.0][(time / 2.0) as usize % 4];
        let note = |above: f64| {
            let hz = 174.6 * ((root + above) / 12.0_f64).exp2();
            let part = |k: i32| (std::f64::consts::TAU * hz * f64::from(k) * since).sin() / f64::from(k);
            (1..=6).map(part).sum::<f64>()
        };
        1500.0 * [0.0, 4.0, 7.0, 12.0].map(note).iter().sum::<f64>() * (since * 100.0).min(1.0)
    };
    let bare = EarshotConfig { reject_tones: false, ..EarshotConfig::default() };
    let mut alone = Dense::new(&bare);
    let taken = (0..300).filter(|n| alone.push(&frame(*n, chords)) > 0.5).count();
    assert!(taken > 150, "earshot by itself takes them for a voice: {taken} of 300 frames");
    for rate_hz in [8000, 16_000] {
        let config = SileroConfig { rate_hz, ..SileroConfig::default() };
        let Some(engine) = engine(&config, Some(bare.clone())) else { return };
        let taken = hear(&engine, chords, 300).iter().filter(|p| **p > 0.5).count();
        assert!(taken <= 3, "{rate_hz}: {taken} of 300 frames");
    }
}

#[test]
fn answers_are_the_same_alone_and_in_a_batch() {
    let Some(engine) = engine(&SileroConfig::default(), None) else { return };
    let alone = hear(&engine, vowel, 60);
    assert!(alone.iter().any(|p| *p > 0.5), "a vowel is a voice: {alone:?}");
    // Six calls, each in another place of its speech.
    let mut calls: Vec<_> = (0..6).map(|_| engine.open().unwrap()).collect();
    let mut answers = vec![Vec::new(); calls.len()];
    for n in 0..60 {
        for (call, answers) in calls.iter_mut().zip(&mut answers).rev() {
            answers.push(call.push(&frame(n, vowel)));
        }
        calls.iter_mut().for_each(|call| call.settle());
    }
    for (call, got) in answers.iter().enumerate() {
        let apart = got.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-3, "call {call}: {apart}");
    }
}

#[test]
fn pushing_does_not_wait_and_late_answers_are_earshots() {
    let Some(engine) = engine(&SileroConfig::default(), Some(EarshotConfig::default())) else { return };
    let mut detector = engine.open().unwrap();
    // Faster than in a call, and never settled: nothing may be lost, nothing may block.
    let began = std::time::Instant::now();
    let heard: Vec<f32> = (0..250).map(|n| detector.push(&frame(n, vowel))).collect();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "5 s took {took:?}");
    assert!(heard.iter().all(|p| (0.0..=1.0).contains(p)));
    let dense: f32 = {
        let mut alone = Dense::new(&EarshotConfig::default());
        (0..250).map(|n| alone.push(&frame(n, vowel))).fold(0.0, f32::max)
    };
    assert!(dense > 0.5 && heard.iter().any(|p| *p > 0.35), "earshot {dense}, together {heard:?}");
}

#[test]
fn digital_silence_is_not_sent() {
    let Some(engine) = engine(&SileroConfig::default(), None) else { return };
    let mut ear = Ear::new(engine.worker.place(), 16_000);
    (0..16).for_each(|n| ear.push(&frame(n, |_| 0.0)));
    assert_eq!(ear.answers.back(), Some(&(5120, 0.0)), "16 frames are ten chunks");
    ear.push(&frame(16, vowel));
    ear.push(&frame(17, vowel));
    ear.place.mailbox().settle(PATIENCE);
    ear.collect();
    assert_eq!(ear.answers.back().map(|answer| answer.0), Some(5632));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let refused = |config: &SileroConfig| Silero::open(config, None, None).err().unwrap().to_string();
    let error = refused(&SileroConfig { rate_hz: 44_100, ..SileroConfig::default() });
    assert_eq!(error, "silero: engine.silero.rate_hz = 44100: it is 8000 or 16000");
    let error = refused(&SileroConfig { model: Some("/nowhere/silero.onnx".into()), ..SileroConfig::default() });
    assert_eq!(error, "silero: there is no model /nowhere/silero.onnx");
}

#[test]
fn a_model_without_a_state_is_refused_when_it_is_opened() {
    if let Err(what) = onnx::available(None) {
        return crate::engine::skip(what);
    }
    let mut bytes = MODEL.1.to_vec();
    let name = b"stateN";
    let places: Vec<usize> = (0..bytes.len() - name.len()).filter(|&at| bytes[at..].starts_with(name)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + name.len() - 1] = b'M');
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("other.onnx");
    std::fs::write(&model, bytes).unwrap();
    let config = SileroConfig { model: Some(model), ..SileroConfig::default() };
    let error = Silero::open(&config, None, None).err().unwrap().to_string();
    assert!(error.contains("no 'stateN'"), "{error}");
}

#[test]
fn a_call_that_sends_without_end_fills_no_more_than_the_queue() {
    if let Err(what) = onnx::available(None) {
        return crate::engine::skip(what);
    }
    let worker = Worker::start(None, onnx::Model::Bytes(MODEL.0, MODEL.1), 16_000, Duration::from_secs(2)).unwrap();
    // Another call is open, so that the worker waits for its chunk.
    let (place, _other) = (worker.place(), worker.place());
    for n in 0..12_000 {
        place.send(vec![0.1; batch::chunk(16_000)], n);
    }
    let waiting = place.mailbox().waiting();
    assert!((1000..5500).contains(&waiting), "{waiting} chunks wait");
}

#[test]
fn a_batch_that_fails_costs_its_answers_and_only_several_in_a_row_the_model() {
    if let Err(what) = onnx::available(None) {
        return crate::engine::skip(what);
    }
    let worker = Worker::start(None, onnx::Model::Bytes(MODEL.0, MODEL.1), 16_000, Duration::from_millis(1)).unwrap();
    let place = worker.place();
    let answer_to = |samples: usize| {
        place.send(vec![0.0; samples], samples as u64);
        place.mailbox().settle(Duration::from_secs(10));
        place.mailbox().take().map(|(end, _)| end)
    };
    for _ in 0..3 {
        assert_eq!((answer_to(100), answer_to(100)), (None, None), "no chunk has so few samples");
        assert_eq!(answer_to(512), Some(512));
        assert!(!place.failed());
    }
    assert_eq!((answer_to(100), answer_to(100), answer_to(100)), (None, None, None));
    assert!(place.failed() && answer_to(512).is_none());
}
