//! Engine `scripted`: sound that is the same every time, without a library: for tests, and for machines that have none.
//!
//! It hums every text in syllables (buzz through vowel formants, hisses for consonants), so that voice detectors take it for
//! speech and lengths are lifelike; nobody will understand it. A folder of WAV files gives chosen lines a real voice. Delays
//! and failures can be asked for, to try out what a slow or broken engine does to a call.

use super::line::{Line, Render};
use super::shape::shape;
use crate::audio::wav::read_wav;
use crate::audio::{FRAME_MS, SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use crate::engine::batch::Pool;
use crate::speech::{EngineError, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

const NAME: &str = "scripted";

/// Settings of the engine: `[engine.scripted.tts]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of WAV files. A sentence is taken from the file named by its words in lower case, joined by `-`
    /// and at most 60 bytes long, such as `good-morning.wav` or `7.wav`; sentences without a file are hummed.
    pub dir: Option<PathBuf>,
    /// Milliseconds that every line keeps waiting for its first frame.
    pub delay_ms: u64,
    /// Every line breaks after so many milliseconds of sound.
    pub fail_after_ms: Option<u64>,
}

/// The engine.
pub struct Scripted {
    config: Config,
    pool: Pool,
    runtime: Handle,
}

impl Scripted {
    /// Sentences will be made in `pool`; `runtime` times the delays.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the folder of the settings is none.
    pub fn open(config: &Config, pool: &Pool, runtime: &Handle) -> Result<Self, EngineError> {
        if let Some(dir) = config.dir.as_ref().filter(|dir| !dir.is_dir()) {
            let what =
                format!("engine.scripted.tts.dir = '{}' is not a folder; make it or leave it out", dir.display());
            return Err(EngineError::Unavailable { engine: NAME.to_owned(), what });
        }
        Ok(Self { config: config.clone(), pool: pool.clone(), runtime: runtime.clone() })
    }
}

impl Synthesizer for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let render = Hum { dir: self.config.dir.clone() };
        let delay = Duration::from_millis(self.config.delay_ms);
        let from = Instant::now() + delay;
        if !delay.is_zero() {
            let wake = wake.clone();
            self.runtime.spawn(async move {
                tokio::time::sleep_until(from.into()).await;
                wake.wake();
            });
        }
        let line = Line::start(Box::new(render), &self.pool, &what.text, wake)?;
        Ok(Box::new(Staged { line, from, frames_left: self.config.fail_after_ms.map(|ms| ms.div_ceil(FRAME_MS)) }))
    }
}

/// A line with the delay and the failure of the settings.
struct Staged {
    line: Line,
    from: Instant,
    frames_left: Option<u64>,
}

impl SynthesisStream for Staged {
    fn poll(&mut self) -> Synthesis {
        if Instant::now() < self.from {
            return Synthesis::Pending;
        }
        match (&mut self.frames_left, self.line.poll()) {
            (Some(0), Synthesis::Frame(_) | Synthesis::Done) => Synthesis::Failed(EngineError::Failed {
                engine: NAME.to_owned(),
                what: "breaks as configured".to_owned(),
            }),
            (Some(left), given @ Synthesis::Frame(_)) => {
                *left -= 1;
                given
            }
            (_, given) => given,
        }
    }

    fn total_samples(&self) -> Option<u64> {
        self.line.total_samples()
    }

    fn spoken(&self) -> usize {
        self.line.spoken()
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

struct Hum {
    dir: Option<PathBuf>,
}

impl Render for Hum {
    fn engine(&self) -> &str {
        NAME
    }

    fn render(&self, text: &str) -> Result<Vec<i16>, EngineError> {
        let file = self.dir.as_ref().map(|dir| dir.join(format!("{}.wav", slug(text)))).filter(|file| file.is_file());
        match file {
            Some(file) => read_wav(&file)
                .map(shape)
                .map_err(|e| EngineError::Failed { engine: NAME.to_owned(), what: e.to_string() }),
            None => Ok(shape(hum(text))),
        }
    }
}

/// The words of a sentence as a file name.
fn slug(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let word = word.to_lowercase();
        if name.len() + 1 + word.len() > 60 {
            break;
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(&word);
    }
    name
}

/// A sound with the rhythm of speech.
fn hum(text: &str) -> Vec<i16> {
    let mut voice = Voice::new(text);
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            's' | 'z' | 'f' | 'v' | 'h' | 'x' | 'c' | 'j' => voice.hiss(55, 0.12),
            'p' | 't' | 'k' | 'b' | 'd' | 'g' | 'q' => {
                voice.rest(30);
                voice.hiss(10, 0.25);
            }
            'm' | 'n' | 'l' | 'r' | 'w' => voice.buzz(45, [280.0, 1100.0, 2300.0], 0.4),
            'a' => voice.buzz(95, [730.0, 1090.0, 2440.0], 1.0),
            'e' => voice.buzz(80, [530.0, 1840.0, 2480.0], 1.0),
            'i' | 'y' => voice.buzz(75, [390.0, 1990.0, 2550.0], 0.9),
            'o' => voice.buzz(90, [570.0, 840.0, 2410.0], 1.0),
            'u' => voice.buzz(85, [440.0, 1020.0, 2240.0], 0.9),
            _ if c.is_alphanumeric() => {
                let first = 350.0 + f64::from(u32::from(c) % 7) * 60.0;
                voice.hiss(40, 0.1);
                voice.buzz(140, [first, 2200.0 - first, 2450.0], 1.0);
            }
            ',' | ';' | ':' => voice.rest(120),
            _ if c.is_whitespace() => voice.rest(25),
            _ => {}
        }
    }
    voice.out
}

/// A buzz and a hiss, shaped by three resonances.
struct Voice {
    out: Vec<i16>,
    noise: u64,
    /// Where in the period of the pitch it is, 0 to 1.
    phase: f64,
    pitch_hz: f64,
    resonances: [[f64; 2]; 3],
}

impl Voice {
    /// Pitch and noise come from the text alone (FNV-1a), so that the same text always sounds the same.
    fn new(text: &str) -> Self {
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let pitch_hz = 115.0 + (hash % 30) as f64;
        Self { out: Vec::new(), noise: hash | 1, phase: 0.0, pitch_hz, resonances: [[0.0; 2]; 3] }
    }

    fn rest(&mut self, ms: u64) {
        self.out.resize(self.out.len() + (ms * SAMPLES_PER_MS) as usize, 0);
    }

    fn random(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise as f64 / u64::MAX as f64 * 2.0 - 1.0
    }

    fn hiss(&mut self, ms: u64, level: f64) {
        let mut before = 0.0;
        for _ in 0..ms * SAMPLES_PER_MS {
            let now = self.random();
            self.out.push(((now - before) * level * 4000.0) as i16);
            before = now;
        }
    }

    fn buzz(&mut self, ms: u64, formants_hz: [f64; 3], level: f64) {
        let count = ms * SAMPLES_PER_MS;
        for n in 0..count {
            let at = n as f64 / count as f64;
            // The pitch falls within a syllable and, slowly, over the sentence.
            let fall = 1.0 - (self.out.len() as f64 / 16_000.0 * 0.04).min(0.25);
            self.phase += self.pitch_hz * fall * (1.08 - 0.16 * at) / f64::from(SAMPLE_RATE_HZ);
            self.phase -= self.phase.floor();
            let mut sound = (1.0 - 2.0 * self.phase) + self.random() * 0.02;
            for ([one, two], hz) in self.resonances.iter_mut().zip(formants_hz) {
                let width: f64 = 0.97;
                let angle = std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE_HZ);
                let gain = 1.0 - 2.0 * width * angle.cos() + width * width;
                let next = gain * sound + 2.0 * width * angle.cos() * *one - width * width * *two;
                *two = *one;
                *one = next;
                sound = next;
            }
            let envelope = (std::f64::consts::PI * at).sin().sqrt();
            self.out.push((sound * envelope * level * 9000.0).clamp(-30_000.0, 30_000.0) as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use crate::speech::Language;

    fn say(config: &Config, text: &str) -> (Vec<i16>, Synthesis, Duration) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let pool = Pool::start("tts", 1).unwrap();
        let engine = Scripted::open(config, &pool, runtime.handle()).unwrap();
        let request = SpeechRequest { text: text.into(), language: Language::default(), voice: None };
        let began = Instant::now();
        let mut stream = engine.speak(&request, wait::this_thread()).unwrap();
        let (samples, end) = wait::drain(&mut *stream, Duration::from_secs(5));
        (samples, end, began.elapsed())
    }

    #[test]
    fn the_same_text_sounds_the_same_and_lasts_like_speech() {
        let text = "Thank you for calling, how can I help you today?";
        let (one, end, _) = say(&Config::default(), text);
        assert!(matches!(end, Synthesis::Done));
        assert_eq!(one, say(&Config::default(), text).0);
        assert_ne!(one, say(&Config::default(), "Thank you for calling, how can I help you to-day?").0);
        let seconds = one.len() as f64 / 16_000.0;
        assert!((2.0..5.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_voice_detector_takes_it_for_speech() {
        let (samples, ..) = say(&Config::default(), "My number is one two three, and I am calling about the order.");
        let mut detector = earshot::Detector::default();
        let scores: Vec<f32> = samples.as_chunks::<256>().0.iter().map(|frame| detector.predict_i16(frame)).collect();
        let speech = scores.iter().filter(|&&p| p > 0.5).count();
        assert!(speech * 2 > scores.len(), "{speech} of {}", scores.len());
    }

    #[test]
    fn waits_and_breaks_as_told() {
        let config = Config { delay_ms: 80, fail_after_ms: Some(100), ..Config::default() };
        let (samples, end, took) = say(&config, "This line will break soon.");
        assert!(took >= Duration::from_millis(80), "{took:?}");
        assert_eq!(samples.len(), 1600);
        assert!(matches!(end, Synthesis::Failed(EngineError::Failed { .. })));
    }

    #[test]
    fn takes_a_sentence_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let samples: Vec<i16> = (0..8000).map(|n| if n % 40 < 20 { 3000 } else { -3000 }).collect();
        crate::audio::wav::write_wav(&dir.path().join("good-morning.wav"), &samples).unwrap();
        let config = Config { dir: Some(dir.path().to_owned()), ..Config::default() };
        let (samples, ..) = say(&config, "Good morning!");
        assert_eq!(samples.len(), usize::next_multiple_of(8000 + 160, 320));
        std::fs::write(dir.path().join("bad.wav"), b"RIFF").unwrap();
        assert!(matches!(say(&config, "Bad.").1, Synthesis::Failed(_)));
    }

    #[test]
    fn names_a_folder_that_is_not_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let config = Config { dir: Some("/nowhere/at/all".into()), ..Config::default() };
        let error = Scripted::open(&config, &Pool::start("tts", 1).unwrap(), runtime.handle()).err().unwrap();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
