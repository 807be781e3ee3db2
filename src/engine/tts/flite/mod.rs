//! Engine `flite`: English voices that run everywhere, from Debian's `libflite1`, without a download.
//!
//! Sentences are synthesised one after the other in the worker pool, some 60 times faster than they are spoken.

#[allow(unsafe_code)]
mod ffi;

use super::line::{Line, Render};
use super::shape::shape;
use crate::audio::SAMPLE_RATE_HZ;
use crate::engine::batch::Pool;
use crate::speech::{EngineError, SpeechRequest, SynthesisStream, Synthesizer, Wake};
use ffi::Libflite;
use serde::Deserialize;

/// Voices: `slt` (a woman, American), `rms` (a man, American), `awb` (a man, Scottish), `kal16` (a robot, 20 times cheaper).
pub const VOICES: [&str; 4] = ["slt", "rms", "awb", "kal16"];

const NAME: &str = "flite";

/// Settings of the engine: `[engine.flite]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The voice that speaks where a flow names none: `slt`, `rms`, `awb` or `kal16`.
    pub voice: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { voice: "slt".to_owned() }
    }
}

/// The engine.
pub struct Flite {
    library: &'static Libflite,
    voice: &'static str,
    pool: Pool,
}

impl Flite {
    /// Opens the libraries; sentences will be made in `pool`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the package when a library is missing, or the known voices for an unknown one.
    pub fn open(config: &Config, pool: &Pool) -> Result<Self, EngineError> {
        let library = Libflite::get().map_err(|e| unavailable(format!("{e}; install the package libflite1")))?;
        let voice = known(library, &config.voice)?;
        Ok(Self { library, voice, pool: pool.clone() })
    }
}

impl Synthesizer for Flite {
    fn name(&self) -> &str {
        NAME
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        self.choose(what).map(drop)
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let voice = self.choose(what)?;
        let voice = Voice { library: self.library, voice };
        Ok(Box::new(Line::start(Box::new(voice), &self.pool, &what.text, wake)?))
    }
}

impl Flite {
    /// The voice for a line.
    fn choose(&self, what: &SpeechRequest) -> Result<&'static str, EngineError> {
        if what.language.0 != "en" && !what.language.0.starts_with("en-") {
            return Err(EngineError::Language { engine: NAME.to_owned(), language: what.language.to_string() });
        }
        what.voice.as_ref().map_or(Ok(self.voice), |name| known(self.library, name))
    }
}

fn known(library: &Libflite, name: &str) -> Result<&'static str, EngineError> {
    library.voices().find(|known| *known == name).ok_or_else(|| {
        let installed = library.voices().collect::<Vec<_>>().join(", ");
        unavailable(format!("has no voice '{name}'; installed are {installed}"))
    })
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

struct Voice {
    library: &'static Libflite,
    voice: &'static str,
}

impl Render for Voice {
    fn engine(&self) -> &str {
        NAME
    }

    fn render(&self, text: &str) -> Result<Vec<i16>, EngineError> {
        let text = plain(text);
        if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
            return Ok(Vec::new());
        }
        let failed = |what: String| EngineError::Failed { engine: NAME.to_owned(), what };
        let (samples, rate) =
            self.library.speak(self.voice, &text).ok_or_else(|| failed("the library gave no sound".to_owned()))?;
        if rate != SAMPLE_RATE_HZ {
            return Err(failed(format!("voice {} gives {rate} Hz, not {SAMPLE_RATE_HZ}", self.voice)));
        }
        Ok(shape(samples))
    }
}

/// `text` in the characters that the library knows: printable ASCII, accents taken off.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let ascii = match c {
            ' '..='~' => {
                out.push(c);
                continue;
            }
            '‘' | '’' | 'ʼ' => "'",
            '“' | '”' | '«' | '»' => "\"",
            '–' | '—' => ", ",
            '…' => "...",
            'à'..='å' => "a",
            'À'..='Å' => "A",
            'æ' => "ae",
            'ç' => "c",
            'Ç' => "C",
            'è'..='ë' => "e",
            'È'..='Ë' => "E",
            'ì'..='ï' => "i",
            'Ì'..='Ï' => "I",
            'ñ' => "n",
            'Ñ' => "N",
            'ò'..='ö' | 'ø' => "o",
            'Ò'..='Ö' | 'Ø' => "O",
            'ù'..='ü' => "u",
            'Ù'..='Ü' => "U",
            'ý' | 'ÿ' => "y",
            'ß' => "ss",
            '€' => " euros ",
            '£' => " pounds ",
            '°' => " degrees ",
            _ => " ",
        };
        out.push_str(ascii);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use crate::speech::{Language, Synthesis};
    use proptest::prelude::*;
    use std::time::Duration;

    fn flite() -> Option<Flite> {
        let pool = Pool::start("tts", 2).unwrap();
        match Flite::open(&Config::default(), &pool) {
            Ok(flite) => Some(flite),
            Err(error) => {
                crate::engine::skip(error);
                None
            }
        }
    }

    fn request(text: &str, voice: Option<&str>) -> SpeechRequest {
        SpeechRequest { text: text.into(), language: Language::default(), voice: voice.map(str::to_owned) }
    }

    fn say(flite: &Flite, text: &str, voice: Option<&str>) -> Vec<i16> {
        let mut stream = flite.speak(&request(text, voice), wait::this_thread()).unwrap();
        let (samples, end) = wait::drain(&mut *stream, Duration::from_secs(20));
        assert!(matches!(end, Synthesis::Done), "{end:?}");
        samples
    }

    #[test]
    fn every_installed_voice_speaks_at_the_same_level() {
        let Some(flite) = flite() else { return };
        for voice in flite.library.voices() {
            let samples = say(&flite, "Good morning, how are you today?", Some(voice));
            let seconds = samples.len() as f64 / 16_000.0;
            assert!((1.0..4.0).contains(&seconds), "{voice}: {seconds} s");
            let loud = samples.chunks(320).map(rms).filter(|&r| r > 300.0).collect::<Vec<_>>();
            let active = (loud.iter().map(|r| r * r).sum::<f64>() / loud.len() as f64).sqrt();
            assert!((1800.0..4200.0).contains(&active), "{voice}: {active}");
            let first = samples.iter().position(|s| s.abs() > 100).unwrap();
            assert!(first < 100 * 16, "{voice} begins after {first} samples");
        }
    }

    fn rms(window: &[i16]) -> f64 {
        (window.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / window.len() as f64).sqrt()
    }

    /// The statistical voices excite with noise that is new every time; `kal16` is the same to the sample.
    #[test]
    fn threads_share_a_voice() {
        let Some(flite) = flite() else { return };
        let lines = ["One apple, please.", "I would like to speak to an agent.", "It is 7 o'clock on May 3rd."];
        for voice in flite.library.voices() {
            let alone = lines.map(|line| flite.library.speak(voice, line).unwrap());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for (line, expected) in lines.iter().zip(&alone).cycle().take(9) {
                            let (samples, rate) = flite.library.speak(voice, line).unwrap();
                            assert_eq!((samples.len(), rate), (expected.0.len(), expected.1));
                            let ratio = rms(&samples) / rms(&expected.0);
                            assert!((0.8..1.25).contains(&ratio), "{voice}: {line}: {ratio}");
                            assert!(voice != "kal16" || samples == expected.0);
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn names_what_it_does_not_know() {
        let Some(flite) = flite() else { return };
        let error = flite.speak(&request("Hello", Some("anna")), wait::this_thread()).err().unwrap();
        assert!(error.to_string().contains("no voice 'anna'; installed are slt"), "{error}");
        let german = SpeechRequest { language: Language("de".into()), ..request("Hallo", None) };
        assert!(matches!(flite.speak(&german, wait::this_thread()), Err(EngineError::Language { .. })));
    }

    #[test]
    fn foreign_letters_are_spoken_plainly() {
        assert_eq!(plain("Café – “Zoë’s”…"), "Cafe ,  \"Zoe's\"...");
        let Some(flite) = flite() else { return };
        assert!(say(&flite, "你好", None).is_empty());
        assert!(!say(&flite, "Crème brûlée\u{0}\u{7}", None).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn survives_any_text(text in "\\PC{0,80}", ascii in "[ -~]{0,60}") {
            if let Some(flite) = flite() {
                say(&flite, &text, Some("kal16"));
                say(&flite, &ascii, Some("kal16"));
            }
        }
    }
}
