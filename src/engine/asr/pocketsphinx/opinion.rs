//! The acoustic models beside the first: where they are expected, and what is said when something is wrong with one.
//!
//! Their places have defaults. Where nothing lies there, calls are heard without, and nothing is said. A model that was asked for or
//! is there in part is done without, too, and that is said: none of them is worth the ears that the first one has.

use super::acoustics::Acoustics;
use super::again::Task;
use super::band::NarrowBand;
use super::dictionary::Dictionary;
use super::ear::Ear;
use super::features::Pace;
use super::{Config, ENGLISH, MANDARIN, ffi};
use crate::audio::bandwidth::BandModel;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the words of the Mandarin model in its folder.
const MANDARIN_WORDS: &str = "mandarin_notone.dic";
/// How the models are had.
const FETCH_NARROW: &str = "tipring models fetch hub4wsj-8k";
const INSTALL_DIGITS: &str = "apt-get install pocketsphinx-testdata";
const FETCH_MANDARIN: &str = "tipring models fetch tdt-8k";
/// Sound that a model is tried with: half a second.
const TRIAL: usize = 8_000;

/// The models that are there beside the first.
#[derive(Default)]
pub(super) struct Opinions {
    /// The model for the telephone.
    pub narrow: Option<Acoustics>,
    /// The model of digits.
    pub digits: Option<Acoustics>,
    /// The model for Mandarin, beside that of the settings' language.
    pub mandarin: Option<Acoustics>,
    /// What is wrong with those that are done without, and what to do about it.
    pub faults: Vec<String>,
}

impl Opinions {
    /// Opens those that are there. `dictionary` is that of the first model.
    pub fn open(config: &Config, dictionary: Arc<Dictionary>) -> Self {
        let mut faults = Vec::new();
        let mut take = |opened: Option<Result<Acoustics, String>>| match opened? {
            Ok(model) => Some(model),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        let (narrow, digits, mandarin) =
            (take(narrow(config, dictionary)), take(digits(config)), take(mandarin(config)));
        Self { narrow, digits, mandarin, faults }
    }
}

fn narrow(config: &Config, dictionary: Arc<Dictionary>) -> Option<Result<Acoustics, String>> {
    let english = config.language.0 == ENGLISH;
    wanted(&config.narrow_model, Config::default().narrow_model, english)?;
    Some(model("narrow_model", &config.narrow_model, dictionary, FETCH_NARROW))
}

fn digits(config: &Config) -> Option<Result<Acoustics, String>> {
    let english = config.language.0 == ENGLISH;
    wanted(&config.digits_model, Config::default().digits_model, english)?;
    let words = words("digits_dictionary", &config.digits_dictionary, INSTALL_DIGITS);
    Some(words.and_then(|words| model("digits_model", &config.digits_model, words, INSTALL_DIGITS)))
}

fn mandarin(config: &Config) -> Option<Result<Acoustics, String>> {
    if config.language.0 == MANDARIN {
        return None;
    }
    wanted(&config.mandarin_model, Config::default().mandarin_model, true)?;
    let beside = || config.mandarin_model.join(MANDARIN_WORDS);
    let place = config.mandarin_dictionary.clone().unwrap_or_else(beside);
    let words = words("mandarin_dictionary", &place, FETCH_MANDARIN);
    Some(words.and_then(|words| model("mandarin_model", &config.mandarin_model, words, FETCH_MANDARIN)))
}

/// Whether a model is to be opened: it was asked for at a place of its own, or something lies where it is expected.
fn wanted(place: &Path, usual: PathBuf, expected: bool) -> Option<()> {
    (place != usual || expected && place.is_dir()).then_some(())
}

fn words(key: &str, path: &Path, get: &str) -> Result<Arc<Dictionary>, String> {
    Dictionary::read(path).map(Arc::new).map_err(|error| without(key, &error, get))
}

fn model(key: &str, directory: &Path, dictionary: Arc<Dictionary>, get: &str) -> Result<Acoustics, String> {
    let model = Acoustics::read(directory, dictionary).map_err(|error| without(key, &error, get))?;
    tried(&model).map_err(|error| without(key, &format!("{}: {error}", directory.display()), get))?;
    Ok(model)
}

fn without(key: &str, what: &str, get: &str) -> String {
    format!("engine.pocketsphinx.{key}: {what}; calls are heard without it; get it with: {get}")
}

/// Opens a model and lets it hear noise: one that breaks is better found here than by a caller.
pub(super) fn tried(model: &Acoustics) -> Result<(), String> {
    let extension = Arc::new(BandModel::zero());
    ffi::apart(|| {
        let mut ear = Ear::open(model, NarrowBand::Plain, &extension, Pace::Spoken, true)?;
        let mut seed = 1_u32;
        let noise = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 20) as i16
        });
        ear.features.take(super::band::Band::Narrow, &noise.take(TRIAL).collect::<Vec<_>>())?;
        ear.features.measure();
        ear.hear(&Task::Sounds, "")?;
        while ear.feed(&Task::Sounds, 100)? {}
        ear.close(&Task::Sounds).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::super::weights::tests::headers;
    use super::super::{PocketSphinx, ffi};
    use super::*;
    use crate::engine::batch::Pool;
    use crate::speech::{Expectation, Language, Recognizer};

    fn open(config: &Config) -> Opinions {
        Opinions::open(config, Arc::new(Dictionary::from_text("yes Y EH S\n")))
    }

    /// Without the packages of this machine.
    fn none() -> Config {
        Config { language: Language("xx".into()), ..Config::default() }
    }

    #[test]
    fn models_are_done_without_and_those_that_were_asked_for_are_told_of() {
        let opened = open(&none());
        assert!(opened.narrow.is_none() && opened.digits.is_none());
        let config = Config {
            narrow_model: "/no/such".into(),
            digits_dictionary: "/no/words".into(),
            digits_model: "/no/such".into(),
            mandarin_model: "/no/mandarin".into(),
            ..Config::default()
        };
        let opened = open(&config);
        assert!(opened.narrow.is_none() && opened.digits.is_none() && opened.mandarin.is_none());
        for (fault, parts) in opened.faults.iter().zip([
            ["narrow_model: ", "/no/such", "without it", "models fetch hub4wsj-8k"],
            ["digits_dictionary: ", "/no/words", "without it", "pocketsphinx-testdata"],
            // Its words are expected beside it.
            ["mandarin_dictionary: ", "/no/mandarin/mandarin_notone.dic", "without it", "models fetch tdt-8k"],
        ]) {
            assert!(parts.iter().all(|part| fault.contains(part)), "{fault}");
        }
        assert_eq!(opened.faults.len(), 3);
    }

    #[test]
    fn a_model_of_which_a_part_is_there_is_one_fault_and_takes_nothing_else_away() {
        if ffi::available().is_err() || !Config::default().model.is_dir() {
            return crate::engine::skip("the packages of PocketSphinx are not installed");
        }
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::start("test", 1).unwrap();
        let config = Config { narrow_model: folder.path().into(), ..Config::default() };
        let hears = |part: &str| {
            let engine = PocketSphinx::open(&config, &pool).unwrap_or_else(|error| panic!("{error}"));
            let fault = engine.faults().iter().find(|fault| fault.contains("narrow_model")).expect("a fault");
            assert!(fault.contains(part), "{fault}");
            let phrases = vec!["yes".to_owned()];
            let what = Arc::new(Expectation { phrases, ..Expectation::default() });
            assert!(engine.prepare(&what).unwrap().is_empty());
            assert!(engine.open(&Language("en".into()), std::task::Waker::noop().clone()).is_ok());
        };
        // A download that was cut before its first byte, and after its first file.
        hears("feat.params is missing");
        std::fs::write(folder.path().join("feat.params"), "-upperf 4000\n").unwrap();
        hears("mdef is missing");
        // Files that are there and hold no model, and some that only the library can tell from one.
        for (name, _) in headers() {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        hears("mdef holds no part of an acoustic model");
        for (name, bytes) in headers() {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        hears("narrow_model");
    }

    #[test]
    fn whatever_a_model_holds_the_process_goes_on() {
        let usual = Config::default().digits_model;
        if ffi::available().is_err() || !usual.is_dir() {
            return crate::engine::skip("the package pocketsphinx-testdata is not installed");
        }
        let words = || Arc::new(Dictionary::read(&Config::default().digits_dictionary).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = std::fs::read_dir(&usual).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let whole = || {
            for name in &names {
                std::fs::write(folder.path().join(name), std::fs::read(usual.join(name)).unwrap()).unwrap();
            }
        };
        whole();
        assert_eq!(Acoustics::read(folder.path(), words()).and_then(|model| tried(&model)), Ok(()));
        let mut seed = 7_usize;
        let mut refused = 0;
        for round in 0..12 {
            for name in &names {
                whole();
                let path = folder.path().join(name);
                let mut bytes = std::fs::read(&path).unwrap();
                // Bytes changed anywhere, and near the beginning, where sizes are.
                for _ in 0..=round {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let within = if round % 2 == 0 { bytes.len() } else { bytes.len().min(1200) };
                    let at = (seed >> 33) % within;
                    bytes[at] ^= (seed >> 24) as u8 | 1;
                }
                std::fs::write(&path, bytes).unwrap();
                refused += usize::from(Acoustics::read(folder.path(), words()).and_then(|m| tried(&m)).is_err());
            }
        }
        assert!(refused > 12, "only {refused} of the models that were changed were refused");
    }
}
