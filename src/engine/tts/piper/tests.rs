mod tiny;

use super::*;
use crate::engine::{onnx, wait};
use crate::speech::Synthesis;
use std::time::Duration;
use tiny::{RATE, TONE, id};

const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with voices; none, with a word about it, where the library or espeak-ng is missing.
struct Place {
    folder: tempfile::TempDir,
    config: Config,
}

impl Place {
    /// Voices by file name, espeak-ng's voice and number of speakers.
    fn new(voices: &[(&str, &str, i64)]) -> Option<Self> {
        let missing = onnx::available(None)
            .map(drop)
            .and_then(|()| espeak::Espeak::start(Path::new("espeak-ng"), "en-us", PATIENCE).map(drop));
        if let Err(what) = missing {
            crate::engine::skip(what);
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let paths = voices.iter().map(|(name, espeak, speakers)| {
            let path = folder.path().join(format!("{name}.onnx"));
            tiny::write(&path, espeak, *speakers);
            path
        });
        let config = Config { voices: paths.collect(), ..Config::default() };
        Some(Self { folder, config })
    }

    fn open(&self) -> Piper {
        Piper::open(&self.config, None, PATIENCE).unwrap()
    }
}

fn request(text: &str, language: &str, voice: Option<&str>) -> SpeechRequest {
    SpeechRequest { text: text.into(), language: Language(language.into()), voice: voice.map(str::to_owned) }
}

fn say(piper: &Piper, request: &SpeechRequest) -> Vec<i16> {
    let mut stream = piper.speak(request, wait::this_thread()).unwrap();
    let (samples, end) = wait::drain(&mut *stream, PATIENCE);
    assert!(matches!(end, Synthesis::Done), "{end:?}");
    assert_eq!(stream.engine(), Some("piper"));
    samples
}

#[test]
fn a_sentence_becomes_numbers_as_piper_makes_them() {
    let Some(place) = Place::new(&[("en_US-tiny-low", "en-us", 1)]) else { return };
    let piper = place.open();
    let ids = piper.voices[0].ids("Hello, you?").unwrap();
    let mut expected = vec![1, 0];
    for sign in "həlˈoʊ, jˈuː?".chars() {
        expected.extend([id(sign), 0]);
    }
    expected.push(2);
    assert_eq!(ids, expected);
    assert_eq!(piper.voices[0].ids("...").unwrap(), [1, 0, 2], "nothing to say");
    assert!(piper.voices[0].speak(&[1, 0, 2], 0).unwrap().is_empty());
}

#[test]
fn the_model_is_given_its_scales_and_its_speaker() {
    let Some(place) = Place::new(&[("en_US-one-low", "en-us", 1), ("en_US-many-low", "en-us", 4)]) else { return };
    let peak = |voice: &Voice, speaker: i64| {
        let ids = [1, 0, 50, 0, 2];
        let sound = voice.speak(&ids, speaker).unwrap();
        assert_eq!(sound.len(), ids.len() * TONE);
        sound.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()))
    };
    let piper = place.open();
    assert!((peak(&piper.voices[0], 0) - 2.0).abs() < 0.01, "0.5 + 1.0 + 0.5");
    assert!((peak(&piper.voices[1], 3) - 6.0).abs() < 0.03, "three times that");
    let slow =
        Piper::open(&Config { length_scale: Some(2.0), noise_w: Some(0.0), ..place.config.clone() }, None, PATIENCE)
            .unwrap();
    assert!((peak(&slow.voices[0], 0) - 2.5).abs() < 0.01, "0.5 + 2.0 + 0.0");
}

#[test]
fn a_line_is_heard_sentence_by_sentence_at_16_khz() {
    let Some(place) = Place::new(&[("en_US-tiny-low", "en-us", 1)]) else { return };
    let piper = place.open();
    let one = "Good morning, how are you?";
    let ids = piper.voices[0].ids(one).unwrap().len();
    let samples = say(&piper, &request(one, "en", None));
    // Begin and end are tones, too; what is cut is silence and the pads' share of the edges.
    let whole = ids * TONE * 16_000 / RATE as usize;
    assert!((whole * 8 / 10..whole * 12 / 10).contains(&samples.len()), "{} of {whole}", samples.len());
    let loud = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    assert!((1_000.0..6_000.0).contains(&loud.sqrt()), "{}", loud.sqrt());

    let many = "This is a sentence. ".repeat(40);
    let mut stream = piper.speak(&request(&many, "en", None), wait::this_thread()).unwrap();
    let mut first = stream.poll();
    while matches!(first, Synthesis::Pending) {
        std::thread::park_timeout(Duration::from_millis(50));
        first = stream.poll();
    }
    assert!(matches!(first, Synthesis::Frame(_)), "{first:?}");
    assert_eq!(stream.total_samples(), None, "the rest is not made yet");
    assert!(matches!(wait::drain(&mut *stream, PATIENCE).1, Synthesis::Done));
    assert_eq!(stream.spoken(), many.len());
}

#[test]
fn the_language_or_the_flow_chooses_the_voice() {
    let voices = [("en_US-a-low", "en-us", 1), ("zh_CN-b-low", "cmn", 1), ("en_GB-c-low", "en-gb", 3)];
    let Some(place) = Place::new(&voices) else { return };
    let piper = place.open();
    let chosen = |language: &str, voice: Option<&str>| {
        piper.choose(&request("x", language, voice)).map(|(voice, speaker)| (voice.name().to_owned(), speaker))
    };
    assert_eq!(chosen("en", None).unwrap(), ("en_US-a-low".to_owned(), 0));
    assert_eq!(chosen("zh-cn", None).unwrap(), ("zh_CN-b-low".to_owned(), 0));
    assert_eq!(chosen("en", Some("en_GB-c-low#2")).unwrap(), ("en_GB-c-low".to_owned(), 2));
    assert!(matches!(chosen("fr", None), Err(EngineError::Language { .. })));
    for (voice, says) in [
        ("nobody", "engine.piper.voices has en_US-a-low, zh_CN-b-low"),
        ("en_GB-c-low#3", "its speakers are 0 to 2"),
        ("en_GB-c-low#-1", "its speakers are 0 to 2"),
        ("en_GB-c-low#x", "the number of a speaker"),
    ] {
        let error = chosen("en", Some(voice)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // Chinese is read as Chinese, with its clauses.
    let ids = piper.voices[1].ids("你好，请问您要退订吗？").unwrap();
    assert!(ids.contains(&id(',')) && ids.contains(&id('?')) && ids.len() > 40, "{ids:?}");
    assert!(!say(&piper, &request("你好，请问您要退订吗？", "zh", None)).is_empty());
}

#[test]
fn calls_share_a_voice() {
    let Some(place) = Place::new(&[("en_US-tiny-low", "en-us", 1)]) else { return };
    let piper = place.open();
    let lines = ["One apple, please.", "I would like to speak to an agent.", "Yes."];
    let alone = lines.map(|line| say(&piper, &request(line, "en", None)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (line, expected) in lines.iter().zip(&alone) {
                    assert_eq!(say(&piper, &request(line, "en", None)), *expected, "{line}");
                }
            });
        }
    });
}

#[test]
fn what_is_missing_is_named_with_the_fix() {
    let error = |config: &Config| Piper::open(config, None, PATIENCE).err().unwrap().to_string();
    let none = error(&Config { voices: Vec::new(), ..Config::default() });
    assert!(none.contains("engine.piper.voices") && none.contains("tipring models fetch"), "{none}");
    let missing = error(&Config { voices: vec!["/no/such/voice.onnx".into()], ..Config::default() });
    assert!(missing.contains("/no/such/voice.onnx.json") && missing.contains("tipring models fetch"), "{missing}");
    let Some(place) = Place::new(&[("en_US-tiny-low", "en-us", 2)]) else { return };
    let with = |change: &dyn Fn(&mut Config)| {
        let mut config = place.config.clone();
        change(&mut config);
        error(&config)
    };
    let espeak = with(&|config| config.espeak = "/no/such/espeak".into());
    assert!(espeak.contains("/no/such/espeak") && espeak.contains("the package espeak-ng"), "{espeak}");
    let speaker = with(&|config| config.speaker = 2);
    assert!(speaker.contains("no speaker 2"), "{speaker}");
    let model = place.folder.path().join("en_US-tiny-low.onnx");
    std::fs::write(&model, "not a model").unwrap();
    let broken = error(&place.config);
    assert!(broken.contains("en_US-tiny-low.onnx"), "{broken}");
    let json = place.folder.path().join("en_US-tiny-low.onnx.json");
    let text = std::fs::read_to_string(&json).unwrap();
    for (from, to, says) in [
        ("\"espeak\",", "\"pinyin\",", "phoneme_type"),
        ("\"espeak\"}", "\"pinyin\"}", "phoneme_type"),
        ("\"_\":", "\"-_\":", "'_'"),
        ("sample_rate", "rate", "sample_rate"),
        ("en-us", "xx-none", "xx-none"),
    ] {
        if !text.contains(from) {
            continue;
        }
        std::fs::write(&json, text.replacen(from, to, 1)).unwrap();
        let error = error(&place.config);
        assert!(error.contains(says), "{from}: {error}");
    }
}

#[test]
fn settings_are_read_and_typing_errors_refused() {
    let config: Config = toml::from_str("voices = ['/v.onnx']\nlength_scale = 1.2").unwrap();
    assert_eq!((config.voices.len(), config.length_scale, config.noise_w), (1, Some(1.2), None));
    assert!(toml::from_str::<Config>("voice = '/v.onnx'").is_err());
}
