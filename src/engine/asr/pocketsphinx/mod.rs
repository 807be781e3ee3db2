//! Engine `pocketsphinx`: hears the phrases that a flow expects, on any machine, with nothing to download but packages.
//!
//! Its acoustic model and a grammar of the expected phrases (see [`grammar`]) understand short answers in a fiftieth of
//! real time. It is not a dictation machine: what was not expected is heard as unknown and has a low confidence.

mod acoustics;
mod again;
mod alike;
mod band;
mod budget;
mod confidence;
mod decode;
mod dictionary;
mod ear;
mod features;
#[allow(unsafe_code)]
mod ffi;
mod grammar;
mod letters;
mod opinion;
mod stream;
mod weights;

use crate::audio::bandwidth::BandModel;
use crate::engine::batch::Pool;
use crate::speech::{EngineError, Expectation, Language, Recognizer, RecognizerStream, Wake};
use acoustics::Acoustics;
pub use band::NarrowBand;
use dictionary::Dictionary;
use grammar::Grammar;
use opinion::Opinions;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const NAME: &str = "pocketsphinx";
/// An hour is for ever.
const MAX_ANSWER_MS: u64 = 3_600_000;
const PACKAGES: &str = "apt-get install libpocketsphinx3 libsphinxbase3 pocketsphinx-en-us";
/// The weights of the band extension, with their card in `audio-models/band-extension/`.
const EXTENSION: &[u8] = include_bytes!("../../../../audio-models/band-extension/telephone.band");
/// Where `tipring models fetch hub4wsj-8k` puts the model for the telephone.
const NARROW_MODEL: &str = "audio-models/hub4wsj-8k";
/// Where the package pocketsphinx-testdata has a model that knows digits.
const DIGITS: &str = "/usr/share/pocketsphinx/test/data/tidigits";
/// The language of these two.
const ENGLISH: &str = "en";
/// Where `tipring models fetch tdt-8k` puts the model for Mandarin, and its language.
const MANDARIN_MODEL: &str = "audio-models/tdt-8k";
const MANDARIN: &str = "zh";

/// Settings of the engine: `[engine.pocketsphinx]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory of the acoustic model; it hears audio of 16 kHz.
    pub model: PathBuf,
    /// Pronunciations of all words of the language.
    pub dictionary: PathBuf,
    /// The language of both, without a region.
    pub language: Language,
    /// Directory of a second acoustic model with the sounds of the first, made for the telephone: its opinion is asked before
    /// an answer is given. One that is not there, at the place where it is expected, is done without.
    pub narrow_model: PathBuf,
    /// Directory of an acoustic model that knows digits and nothing else, asked where digits are in question, and the
    /// pronunciations of its words.
    pub digits_model: PathBuf,
    /// See `digits_model`.
    pub digits_dictionary: PathBuf,
    /// Directory of an acoustic model for Mandarin, heard beside `language`. One that is not there, at the place where it is
    /// expected, is done without.
    pub mandarin_model: PathBuf,
    /// The pronunciations of its words. None: `mandarin_notone.dic` in `mandarin_model`.
    pub mandarin_dictionary: Option<PathBuf>,
    /// Audio that may wait to be decoded, in milliseconds; when it is more, the oldest is dropped.
    pub queue_ms: u64,
    /// What an answer is not sure of is heard again, by other models and with other grammars, for so long after the caller stopped, in
    /// milliseconds: then the first answer, however unsure, is the answer.
    pub answer_ms: u64,
    /// Compiled grammars that are kept, one for each state of a flow.
    pub grammars: usize,
    /// What is done for calls that have no upper band: `learned`, `folded` or `plain`.
    pub narrow_band: NarrowBand,
    /// Weights of the learned extension of the band; none: those that are compiled in.
    pub band_extension: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let model = Path::new("/usr/share/pocketsphinx/model/en-us");
        Self {
            model: model.join("en-us"),
            dictionary: model.join("cmudict-en-us.dict"),
            language: Language::default(),
            narrow_model: NARROW_MODEL.into(),
            digits_model: Path::new(DIGITS).join("hmm"),
            digits_dictionary: Path::new(DIGITS).join("lm/tidigits.dic"),
            mandarin_model: MANDARIN_MODEL.into(),
            mandarin_dictionary: None,
            queue_ms: 10_000,
            answer_ms: 250,
            grammars: 256,
            narrow_band: NarrowBand::default(),
            band_extension: None,
        }
    }
}

/// The engine. One serves all calls.
pub struct PocketSphinx {
    /// By language.
    models: Vec<(Language, Arc<Model>)>,
    pool: Pool,
    queue_frames: usize,
    faults: Vec<String>,
}

/// What all decoders of a language share.
struct Model {
    /// The model that hears everything.
    main: Acoustics,
    /// Those that are asked for their opinion.
    narrow: Option<Acoustics>,
    digits: Option<Acoustics>,
    cache: Mutex<Cache>,
    max_grammars: usize,
    narrow_band: NarrowBand,
    extension: Arc<BandModel>,
    /// See [`Config::answer_ms`].
    patience: Duration,
}

#[derive(Default)]
struct Cache {
    /// The one used last at the back.
    grammars: VecDeque<(Arc<Expectation>, u64, Arc<Grammar>)>,
    next: u64,
}

impl PocketSphinx {
    /// Opens the libraries and reads the dictionary. Decoding will run on `pool`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when a library or a file is missing; the text names the packages to install.
    pub fn open(config: &Config, pool: &Pool) -> Result<Self, EngineError> {
        ffi::available().map_err(|e| unavailable(format!("{e}; install it with: {PACKAGES}")))?;
        let dictionary = Dictionary::read(&config.dictionary)
            .map_err(|e| unavailable(format!("{e}; set engine.pocketsphinx.dictionary or: {PACKAGES}")))?;
        let dictionary = Arc::new(dictionary);
        let main = Acoustics::read(&config.model, Arc::clone(&dictionary))
            .map_err(|e| unavailable(format!("{e}; set engine.pocketsphinx.model or: {PACKAGES}")))?;
        // A model that does not load is better found here than by a caller.
        opinion::tried(&main).map_err(|e| {
            let path = config.model.display();
            unavailable(format!("engine.pocketsphinx.model: {path}: {e}; name another model, or: {PACKAGES}"))
        })?;
        let Opinions { narrow, digits, mandarin, faults } = Opinions::open(config, dictionary);
        let mut models = vec![(config.language.clone(), Model::new(config, main, narrow, digits)?)];
        if let Some(main) = mandarin {
            models.push((Language(MANDARIN.to_owned()), Model::new(config, main, None, None)?));
        }
        Ok(Self {
            models: models.into_iter().map(|(language, model)| (language, Arc::new(model))).collect(),
            pool: pool.clone(),
            queue_frames: usize::try_from(config.queue_ms / crate::audio::FRAME_MS).unwrap_or(usize::MAX).max(10),
            faults,
        })
    }

    /// What is wrong with second models, which calls are heard without, and what to do about it.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The model of a language.
    fn model(&self, language: &Language) -> Result<&Arc<Model>, EngineError> {
        let asked = language.0.split('-').next().unwrap_or_default();
        let known = self.models.iter().find(|(language, _)| language.0 == asked);
        known
            .map(|(_, model)| model)
            .ok_or_else(|| EngineError::Language { engine: NAME.to_owned(), language: language.0.clone() })
    }
}

impl Recognizer for PocketSphinx {
    fn name(&self) -> &str {
        NAME
    }

    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        Ok(self.model(&what.language)?.grammar(what).1.missing.clone())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        let model = Arc::clone(self.model(language)?);
        Ok(Box::new(stream::Stream::open(model, &self.pool, self.queue_frames, wake)?))
    }
}

impl Model {
    fn new(
        config: &Config,
        main: Acoustics,
        narrow: Option<Acoustics>,
        digits: Option<Acoustics>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            main,
            narrow,
            digits,
            cache: Mutex::default(),
            max_grammars: config.grammars.max(1),
            narrow_band: config.narrow_band,
            extension: Arc::new(extension(config)?),
            patience: Duration::from_millis(config.answer_ms.min(MAX_ANSWER_MS)),
        })
    }

    /// The grammar of an expectation, compiled unless it is at hand, and the number under which decoders keep it.
    fn grammar(&self, what: &Arc<Expectation>) -> (u64, Arc<Grammar>) {
        {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = cache.grammars.iter().position(|(known, ..)| known == what)
                && let Some(found) = cache.grammars.remove(at)
            {
                let grammar = (found.1, Arc::clone(&found.2));
                cache.grammars.push_back(found);
                return grammar;
            }
        }
        // Some milliseconds over the dictionary, not under the lock; two threads may compile the same one.
        let digits = self.digits.as_ref().map(|digits| &*digits.dictionary);
        let grammar = Arc::new(Grammar::compile(what, &self.main.dictionary, &self.main.sounds, digits));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let id = cache.next;
        cache.next += 1;
        cache.grammars.push_back((Arc::clone(what), id, Arc::clone(&grammar)));
        if cache.grammars.len() > self.max_grammars {
            cache.grammars.pop_front();
        }
        (id, grammar)
    }
}

/// The weights of the band extension.
fn extension(config: &Config) -> Result<BandModel, EngineError> {
    let Some(path) = &config.band_extension else {
        return BandModel::parse(EXTENSION).map_err(|e| unavailable(format!("the extension that is compiled in: {e}")));
    };
    let refused = |what: String| {
        let path = path.display();
        unavailable(format!("engine.pocketsphinx.band_extension = {path}: {what}; make it with: tipring train band"))
    };
    let bytes = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
    BandModel::parse(&bytes).map_err(|e| refused(e.to_string()))
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

fn failed(what: String) -> EngineError {
    EngineError::Failed { engine: NAME.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_names_the_file_and_the_packages() {
        let pool = Pool::start("test", 1).unwrap();
        let config = Config { model: "/no/such/model".into(), ..Config::default() };
        let error = PocketSphinx::open(&config, &pool).err().unwrap().to_string();
        assert!(error.contains("pocketsphinx-en-us"), "{error}");
        assert!(ffi::available().is_err() || error.contains("/no/such/model/feat.params"), "{error}");
    }

    #[test]
    fn settings_are_read_and_typing_errors_refused() {
        let config: Config = toml::from_str("model = '/m'\nqueue_ms = 5000").unwrap();
        assert_eq!((config.model.to_str(), config.queue_ms), (Some("/m"), 5000));
        assert!(toml::from_str::<Config>("modle = '/m'").is_err());
    }

    #[test]
    fn the_extension_that_is_shipped_is_read_and_a_wrong_one_refused() {
        let model = extension(&Config::default()).unwrap();
        assert!(model != BandModel::zero());
        let config: Config = toml::from_str("narrow_band = 'folded'\nband_extension = '/no/such'").unwrap();
        assert_eq!(config.narrow_band, NarrowBand::Folded);
        let error = extension(&config).unwrap_err().to_string();
        assert!(error.contains("band_extension = /no/such") && error.contains("train band"), "{error}");
    }

    #[test]
    fn grammars_are_compiled_once_and_bounded() {
        let model = Model {
            main: Acoustics::of_dictionary("yes Y EH S\n"),
            narrow: None,
            digits: None,
            cache: Mutex::default(),
            max_grammars: 2,
            narrow_band: NarrowBand::Plain,
            extension: Arc::new(BandModel::zero()),
            patience: Duration::ZERO,
        };
        let what = |phrase: &str| Arc::new(Expectation { phrases: vec![phrase.to_owned()], ..Expectation::default() });
        let first = model.grammar(&what("yes"));
        let again = model.grammar(&what("yes"));
        assert!(first.0 == again.0 && Arc::ptr_eq(&first.1, &again.1));
        assert_eq!(model.grammar(&what("no")).1.missing, ["no"]);
        model.grammar(&what("yes yes"));
        assert_ne!(model.grammar(&what("no")).0, first.0);
        assert_eq!(model.cache.lock().unwrap().grammars.len(), 2);
        assert_ne!(model.grammar(&what("yes")).0, first.0, "it was dropped for newer ones");
    }
}
