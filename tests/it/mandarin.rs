//! The embedded recogniser hears Mandarin with a model for it. Runs where `TIPRING_TEST_DATA` names the folder.

use crate::support::skip;
use crate::support::wake::{answer, waker};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tipring::audio::{AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime};
use tipring::engine::asr::{PocketSphinx, PocketSphinxConfig};
use tipring::engine::batch::Pool;
use tipring::speech::{AnswerKind, EngineError, Expectation, Hypothesis, Language, Recognizer};

const SAID: &str = "广州市房地产中介协会分析";
const OTHERS: [&str; 9] = [
    "不需要谢谢",
    "好的可以",
    "我没有时间",
    "多少钱",
    "你是谁",
    "信用卡",
    "我再考虑一下",
    "请不要再打电话",
    "上海市房地产中介协会分析",
];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("TIPRING_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TIPRING_TEST_DATA names no folder with models and recordings");
    }
    folder
}

/// A recording over a µ-law line, with half a second of silence around it.
fn line(path: &Path) -> Vec<AudioFrame> {
    let mut samples = vec![0i16; 8000];
    let mut reader = claxon::FlacReader::open(path).unwrap();
    assert_eq!((reader.streaminfo().sample_rate, reader.streaminfo().channels), (16_000, 1));
    samples.extend(reader.samples().map(|sample| sample.unwrap() as i16));
    samples.extend([0; 8000]);
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    let frames = samples.as_chunks::<FRAME_SAMPLES>().0.iter().zip(0..);
    let frame = |(samples, n): (&[i16; FRAME_SAMPLES], u64)| {
        let (mut packet, mut heard) = ([0; FRAME_BYTES], [0; FRAME_SAMPLES]);
        encoder.encode(samples, &mut packet);
        decoder.decode(&packet, &mut heard);
        AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples: heard }
    };
    frames.map(frame).collect()
}

fn hear(engine: &PocketSphinx, phrases: &[&str], frames: &[AudioFrame]) -> Result<Hypothesis, EngineError> {
    let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
    let what = Arc::new(Expectation { language: Language("zh".into()), kind: AnswerKind::Choice, phrases });
    assert_eq!(engine.prepare(&what)?, Vec::<String>::new(), "words that it cannot hear");
    let mut stream = engine.open(&what.language, waker())?;
    stream.expect(&what);
    frames.iter().for_each(|frame| stream.push(frame));
    stream.flush();
    answer(&mut *stream)
}

#[test]
fn a_mandarin_phrase_is_heard_among_others_and_not_where_it_is_not_expected() {
    let Some(folder) = data() else { return };
    let models = folder.join("models/pocketsphinx");
    let config = PocketSphinxConfig {
        mandarin_model: models.join("zh_8k_tdt_sc"),
        mandarin_dictionary: Some(models.join("zh_CN_mandarin_notone.dic")),
        // Nobody waits here.
        answer_ms: 60_000,
        ..PocketSphinxConfig::default()
    };
    let pool = Pool::start("test", 1).unwrap();
    let engine = match PocketSphinx::open(&config, &pool) {
        Ok(engine) => engine,
        Err(EngineError::Unavailable { what, .. }) if what.contains("cannot open lib") => {
            return skip(what);
        }
        Err(error) => panic!("{error}"),
    };
    let frames = line(&folder.join("speech/misc/aishell_BAC009S0724W0121.flac"));
    let mut phrases = OTHERS.to_vec();
    phrases.push(SAID);
    let heard = hear(&engine, &phrases, &frames).unwrap();
    assert!(heard.text == SAID && heard.confidence >= 0.3, "{heard:?}");
    // The last of the others differs in its first word only: without it nothing is near.
    let heard = hear(&engine, &OTHERS[..8], &frames).unwrap();
    assert!(heard.confidence < 0.3, "{heard:?}");
    assert!(engine.open(&Language("en-US".into()), waker()).is_ok());
    assert!(matches!(engine.open(&Language("de".into()), waker()), Err(EngineError::Language { .. })));
}
