//! The weights that are shipped, and what they say of voices.

use std::path::PathBuf;
use tipring::audio::prosody::FUNCTIONALS;
use tipring::audio::{AudioFrame, FRAME_SAMPLES, FrameOrigin, MediaTime};
use tipring::engine::emotion::{BadModel, Config, Model, Prosody, Usual, build};
use tipring::speech::{Emotion, EmotionDetector, EmotionLabel};

/// 16-bit mono FLAC at 16 kHz.
fn read(path: &PathBuf) -> Vec<i16> {
    let mut reader = claxon::FlacReader::open(path).unwrap();
    reader.samples().map(|sample| sample.unwrap() as i16).collect()
}

fn frames(samples: &[i16]) -> Vec<AudioFrame> {
    let pieces = samples.chunks_exact(FRAME_SAMPLES).zip(0..);
    pieces
        .map(|(piece, n)| AudioFrame {
            at: MediaTime::from_frames(n),
            origin: FrameOrigin::Received,
            samples: piece.try_into().unwrap(),
        })
        .collect()
}

/// All that is said of an utterance, the last one at its end.
fn hear(ear: &mut dyn EmotionDetector, frames: &[AudioFrame]) -> Vec<Emotion> {
    let mut said: Vec<Emotion> = frames.iter().filter_map(|frame| ear.push(frame)).collect();
    said.extend(ear.pause(frames.last().unwrap().end()));
    ear.finish(true);
    said
}

#[test]
fn the_shipped_weights_are_read_and_broken_ones_refused() {
    let model = Prosody::open(None).unwrap().model().clone();
    assert!(model.labels().contains(&EmotionLabel::Anger) && model.labels().len() == 7, "{:?}", model.labels());
    let bytes = model.bytes();
    assert!((50_000..500_000).contains(&bytes.len()), "{} bytes", bytes.len());
    assert_eq!(Model::parse(&bytes).as_ref(), Ok(&*model));
    assert_eq!(Model::parse(b"RIFF"), Err(BadModel::Alien));
    assert!(matches!(Model::parse(&bytes[..bytes.len() - 2]), Err(BadModel::Size { .. })));
    // Nothing in a file brings it down.
    for n in (0..bytes.len().min(4000)).step_by(7) {
        let mut broken = bytes.clone();
        broken[n] ^= 0x15;
        let _ = Model::parse(&broken);
    }
    let verdict = model.judge(&[0.0; FUNCTIONALS], &Usual::default(), 100);
    assert!((verdict.labels.iter().sum::<f32>() - 1.0).abs() < 1e-3);
}

#[test]
fn it_can_be_off_and_wrong_names_are_told() {
    let config = |engine: &str| Config { engine: engine.into(), model: None };
    assert!(build(&config("off")).unwrap().is_none());
    assert_eq!(build(&Config::default()).unwrap().unwrap().name(), "prosody");
    let error = build(&config("prosdy")).err().unwrap().to_string();
    assert!(error.contains("'prosdy'") && error.contains("prosody, off"), "{error}");
    let missing = Config { engine: "prosody".into(), model: Some("/nowhere/mine.emotion".into()) };
    let error = build(&missing).err().unwrap().to_string();
    assert!(error.contains("/nowhere/mine.emotion") && error.contains("engine.emotion.model"), "{error}");
}

#[test]
fn silence_says_nothing_and_a_level_changes_nothing() {
    let engine = Prosody::open(None).unwrap();
    let mut ear = engine.detector();
    assert!(hear(&mut ear, &frames(&[0; 32_000])).is_empty());
    // A hum that comes and goes, as loud and 12 dB softer.
    let voice = |gain: f32| -> Vec<i16> {
        let sample = |n: usize| {
            let t = n as f32 / 16_000.0;
            let hz = 140.0 + 30.0 * (3.0 * t).sin();
            let pulse = 1.0 - (t * hz).fract();
            (gain * 6000.0 * (pulse - 0.5) * (4.0 * t).sin().abs()) as i16
        };
        (0..48_000).map(sample).collect()
    };
    let [loud, soft] = [1.0, 0.25].map(|gain| hear(&mut engine.detector(), &frames(&voice(gain))));
    assert!(loud.len() >= 3 && loud.len() == soft.len(), "{} and {}", loud.len(), soft.len());
    assert!(loud[0].at.ms() <= 1000 && !loud[0].turn_final && loud.last().unwrap().turn_final);
    for (loud, soft) in loud.iter().zip(&soft) {
        let off = (loud.arousal - soft.arousal).abs().max((loud.anger - soft.anger).abs());
        assert!(off < 0.12, "{loud:?}\n{soft:?}");
        for share in [loud.probability, loud.arousal, loud.valence, loud.anger] {
            assert!((0.0..=1.0).contains(&share));
        }
    }
}

#[test]
fn a_voice_is_held_against_the_callers_own() {
    let Some(data) = std::env::var_os("TIPRING_TEST_DATA") else {
        eprintln!("skipped: TIPRING_TEST_DATA is not set");
        return;
    };
    let folder = PathBuf::from(data).join("emotion/emodb");
    let hear =
        |ear: &mut dyn EmotionDetector, name: &str| *hear(ear, &frames(&read(&folder.join(name)))).last().unwrap();
    let engine = Prosody::open(None).unwrap();
    let mut ear = engine.detector();
    // Three neutral turns of a speaker, and then the same sentence in anger and in sadness.
    for name in ["03a01Nc.flac", "03a02Nc.flac", "03a05Nd.flac"] {
        assert!(hear(&mut ear, name).anger < 0.5, "{name}");
    }
    let angry = hear(&mut ear, "03a01Wa.flac");
    assert_eq!((angry.label, angry.voice.baseline_turns), (EmotionLabel::Anger, 3));
    assert!(angry.anger > 0.5 && angry.arousal > 0.8 && angry.voice.pitch_z > 1.0, "{angry:?}");
    let sad = hear(&mut ear, "03a02Ta.flac");
    assert!(sad.arousal < 0.5 && sad.anger < 0.5, "{sad:?}");
}
