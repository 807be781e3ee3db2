//! Engine `pocketsphinx`: hears the phrases that a flow expects, on any machine, with nothing to download but packages.
//!
//! Its acoustic model and a grammar of the expected phrases (see [`grammar`]) understand short answers in a fiftieth of
//! real time. It is not a dictation machine: what was not expected is heard as unknown and has a low confidence.

mod band;
mod confidence;
mod decode;
mod dictionary;
mod features;
#[allow(unsafe_code)]
mod ffi;
mod grammar;
mod letters;
mod stream;

use crate::audio::bandwidth::BandModel;
use crate::engine::batch::Pool;
use crate::speech::{EngineError, Expectation, Language, Recognizer, RecognizerStream, Wake};
pub use band::NarrowBand;
use dictionary::Dictionary;
use grammar::Grammar;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "pocketsphinx";
const PACKAGES: &str = "apt-get install libpocketsphinx3 libsphinxbase3 pocketsphinx-en-us";
/// The weights of the band extension, with their card in `audio-models/band-extension/`.
const EXTENSION: &[u8] = include_bytes!("../../../../audio-models/band-extension/telephone.band");
/// The file that says how an acoustic model's features are made.
const FEATURES: &str = "feat.params";
/// The files that an acoustic model cannot do without: the library ends the process over some of them.
const MODEL_FILES: [&str; 5] = [FEATURES, "mdef", "means", "variances", "transition_matrices"];

/// What a model's `feat.params` may say that decoder and front end take over; it also holds notes for training, and how the
/// channel's mean is taken out.
const FEATURE_KEYS: [&str; 19] = [
    "-lowerf",
    "-upperf",
    "-nfilt",
    "-nfft",
    "-ncep",
    "-wlen",
    "-frate",
    "-alpha",
    "-transform",
    "-lifter",
    "-round_filters",
    "-unit_area",
    "-remove_dc",
    "-remove_noise",
    "-remove_silence",
    "-feat",
    "-svspec",
    "-agc",
    "-varnorm",
];

/// Settings of the engine: `[engine.pocketsphinx]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory of the acoustic model; it must be one for 16 kHz.
    pub model: PathBuf,
    /// Pronunciations of all words of the language.
    pub dictionary: PathBuf,
    /// The language of both, without a region.
    pub language: Language,
    /// Audio that may wait to be decoded, in milliseconds; when it is more, the oldest is dropped.
    pub queue_ms: u64,
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
            queue_ms: 10_000,
            grammars: 256,
            narrow_band: NarrowBand::default(),
            band_extension: None,
        }
    }
}

/// The engine. One serves all calls.
pub struct PocketSphinx {
    model: Arc<Model>,
    pool: Pool,
    queue_frames: usize,
    language: Language,
}

/// What all decoders share.
struct Model {
    directory: String,
    /// How the acoustic model's features are made: options of the library.
    features: Vec<(String, String)>,
    dictionary: Dictionary,
    cache: Mutex<Cache>,
    max_grammars: usize,
    narrow_band: NarrowBand,
    extension: Arc<BandModel>,
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
        let missing = MODEL_FILES.iter().map(|file| config.model.join(file)).find(|path| !path.is_file());
        if let Some(path) = missing {
            let path = path.display();
            return Err(unavailable(format!(
                "no acoustic model: {path} is missing; set engine.pocketsphinx.model or: {PACKAGES}"
            )));
        }
        let Some(directory) = config.model.to_str().map(str::to_owned) else {
            return Err(unavailable(format!("the path of the model is not UTF-8: {}", config.model.display())));
        };
        let dictionary = Dictionary::read(&config.dictionary)
            .map_err(|e| unavailable(format!("{e}; set engine.pocketsphinx.dictionary or: {PACKAGES}")))?;
        let path = config.model.join(FEATURES);
        let features =
            std::fs::read_to_string(&path).map_err(|e| unavailable(format!("cannot read {}: {e}", path.display())))?;
        let model = Model {
            directory,
            features: feature_options(&features),
            dictionary,
            cache: Mutex::default(),
            max_grammars: config.grammars.max(1),
            narrow_band: config.narrow_band,
            extension: Arc::new(extension(config)?),
        };
        // A model that does not load is better found here than by a caller.
        decode::Decoding::new(&model, model.grammar(&Arc::default()))
            .map_err(|e| unavailable(format!("{e}: {}; it must be a model for 16 kHz", config.model.display())))?;
        Ok(Self {
            model: Arc::new(model),
            pool: pool.clone(),
            queue_frames: usize::try_from(config.queue_ms / crate::audio::FRAME_MS).unwrap_or(usize::MAX).max(10),
            language: config.language.clone(),
        })
    }

    fn speaks(&self, language: &Language) -> Result<(), EngineError> {
        let asked = language.0.split('-').next().unwrap_or_default();
        if asked == self.language.0 {
            return Ok(());
        }
        Err(EngineError::Language { engine: NAME.to_owned(), language: language.0.clone() })
    }
}

impl Recognizer for PocketSphinx {
    fn name(&self) -> &str {
        NAME
    }

    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        self.speaks(&what.language)?;
        Ok(self.model.grammar(what).1.missing.clone())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        self.speaks(language)?;
        Ok(Box::new(stream::Stream::open(Arc::clone(&self.model), &self.pool, self.queue_frames, wake)?))
    }
}

impl Model {
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
        let grammar = Arc::new(Grammar::compile(what, &self.dictionary));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let id = cache.next;
        cache.next += 1;
        cache.grammars.push_back((Arc::clone(what), id, Arc::clone(&grammar)));
        if cache.grammars.len() > self.max_grammars {
            cache.grammars.pop_front();
        }
        (id, grammar)
    }

    fn options(&self) -> Vec<(&str, &str)> {
        let mut options = vec![
            ("-hmm", self.directory.as_str()),
            // Words are added as grammars need them: the whole dictionary would take 22 MB per call.
            ("-dict", "/dev/null"),
            ("-bestpath", "no"),
            // What the model says of its features overrules what is said here, unless it is said from here: the channel's
            // mean is taken out in `features`.
            ("-featparams", "/dev/null"),
            ("-cmn", "none"),
        ];
        options.extend(self.features.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        options
    }
}

/// How the model's features are made, from the text of its `feat.params`.
fn feature_options(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.as_chunks::<2>().0.iter();
    pairs.filter(|[key, _]| FEATURE_KEYS.contains(key)).map(|[key, value]| ((*key).into(), (*value).into())).collect()
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
    fn of_the_models_features_what_is_known_is_taken_over() {
        let options =
            feature_options("-lowerf 130\n-upperf 6800\n-model ptm\n-cmn batch\n-cmninit 41,-5\n-feat 1s_c_d_dd\n-agc");
        let options: Vec<_> = options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(options, [("-lowerf", "130"), ("-upperf", "6800"), ("-feat", "1s_c_d_dd")]);
    }

    #[test]
    fn grammars_are_compiled_once_and_bounded() {
        let dictionary = Dictionary::from_text("yes Y EH S\n");
        let model = Model {
            directory: String::new(),
            features: Vec::new(),
            dictionary,
            cache: Mutex::default(),
            max_grammars: 2,
            narrow_band: NarrowBand::Plain,
            extension: Arc::new(BandModel::zero()),
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
