//! Builds the engines of a configuration.

use super::batch::Pool;
use super::fallback::{LanguageModelChain, RecognizerChain, SynthesizerChain, VoiceDetectionChain};
use super::realtime::Realtime;
use super::{Config, asr, emotion, llm, tts, turn, vad};
use crate::speech::{
    EmotionDetection, EngineError, EngineKind, LanguageModel, Recognizer, Synthesizer, TurnDetection, VoiceDetection,
};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long the program espeak-ng is waited for where its listeners wait without end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The engine serves.
    Ok,
    /// The engine does not serve, another one of its kind does.
    Warning,
    /// No engine of this kind serves: calls cannot be held.
    Error,
}

/// What was found out about one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its kind.
    pub kind: EngineKind,
    /// Its name as in the configuration.
    pub engine: String,
    /// How bad it is.
    pub level: Level,
    /// What it is, and where something is wrong, what to do about it.
    pub what: String,
}

/// The engines that calls use: of each kind a chain, and in front of the synthesisers a cache.
#[derive(Clone)]
pub struct Engines {
    /// Voice activity detection.
    pub vad: Arc<dyn VoiceDetection>,
    /// The turn model, where one is configured and serves.
    pub turn: Option<Arc<dyn TurnDetection>>,
    /// How the caller's voice sounds, unless it is off.
    pub emotion: Option<Arc<dyn EmotionDetection>>,
    /// Speech recognition.
    pub asr: Arc<dyn Recognizer>,
    /// Speech synthesis; this is `cache`.
    pub tts: Arc<dyn Synthesizer>,
    /// Language models.
    pub llm: Arc<dyn LanguageModel>,
    /// The ready lines, for their counters.
    pub cache: Arc<tts::Cache>,
    /// The recogniser `whisper`, for its counters, where it serves.
    pub whisper: Option<Arc<asr::Whisper>>,
}

/// The engines of a kind that can be named in the configuration, the default first.
pub fn known(kind: EngineKind) -> &'static [&'static str] {
    match kind {
        EngineKind::Vad => &vad::NAMES,
        EngineKind::Asr => &asr::NAMES,
        EngineKind::Tts => &["flite", "espeak", "piper", "openai", "realtime", "scripted"],
        EngineKind::Llm => &["template", "openai", "realtime", "recorded", "scripted"],
    }
}

impl Engines {
    /// Builds every engine that is named. One that is missing is a finding; a kind without any that serves gets an empty
    /// chain, whose every use is an error, and its findings are of [`Level::Error`].
    ///
    /// Requests to servers run on `runtime`; recognition and synthesis on threads of their own.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] for a name that no engine of the kind has (the text lists those there are), for a kind
    /// for which none is named, and when threads cannot be started.
    pub fn build(config: &Config, runtime: &Handle) -> Result<(Self, Vec<Finding>), EngineError> {
        let parts = Parts::new(config, runtime)?;
        let mut findings = Vec::new();
        let vad = parts.chain(EngineKind::Vad, &config.vad, Parts::vad, &mut findings)?;
        let asr = parts.chain(EngineKind::Asr, &config.asr, Parts::asr, &mut findings)?;
        let tts = parts.chain(EngineKind::Tts, &config.tts, Parts::tts, &mut findings)?;
        let llm = parts.chain(EngineKind::Llm, &config.llm, Parts::llm, &mut findings)?;
        findings.extend(parts.notes());
        let turn = parts.turn(&mut findings)?;
        let emotion = parts.emotion(&mut findings)?;
        let missing = |kind| missing(&findings, kind);
        // Lines that are made ahead have time; a voice that is slow now is not for that replaced in them for good.
        let ahead = SynthesizerChain::missing(tts, &missing(EngineKind::Tts));
        let live = match config.tts_first_sound_ms {
            0 => ahead.clone(),
            limit => ahead.within(Duration::from_millis(limit)),
        };
        let cache = Arc::new(tts::Cache::with_ahead(Arc::new(live), Arc::new(ahead), config.tts_cache_mb << 20));
        let engines = Self {
            vad: Arc::new(VoiceDetectionChain::missing(vad, &missing(EngineKind::Vad))),
            turn,
            emotion,
            asr: Arc::new(RecognizerChain::missing(asr, &missing(EngineKind::Asr))),
            tts: Arc::clone(&cache) as Arc<dyn Synthesizer>,
            llm: Arc::new(LanguageModelChain::missing(llm, &missing(EngineKind::Llm))),
            cache,
            whisper: parts.whisper.into_inner(),
        };
        Ok((engines, findings))
    }
}

/// What engines are built from.
pub(super) struct Parts<'a> {
    config: &'a Config,
    runtime: &'a Handle,
    pool: Pool,
    /// One server for the three sides of a conversation.
    realtime: OnceLock<Result<Arc<Realtime>, EngineError>>,
    /// What is to be said of engines that serve.
    notes: RefCell<Vec<Finding>>,
    whisper: RefCell<Option<Arc<asr::Whisper>>>,
}

impl<'a> Parts<'a> {
    pub fn new(config: &'a Config, runtime: &'a Handle) -> Result<Self, EngineError> {
        let pool = Pool::start("speech", config.workers)?;
        let (realtime, notes, whisper) = (OnceLock::new(), RefCell::default(), RefCell::default());
        Ok(Self { config, runtime, pool, realtime, notes, whisper })
    }

    /// What is to be said of the engines that were built, each once.
    pub fn notes(&self) -> Vec<Finding> {
        self.notes.take()
    }

    /// How long the program espeak-ng is waited for: it is given up before its listener's patience ends.
    fn patience(&self) -> Duration {
        match self.config.tts_first_sound_ms {
            0 => PATIENCE,
            limit => Duration::from_millis(limit) * 4 / 5,
        }
    }

    fn pocketsphinx(&self) -> Result<asr::PocketSphinx, EngineError> {
        let engine = asr::PocketSphinx::open(&self.config.pocketsphinx, &self.pool)?;
        self.notes.borrow_mut().extend(engine.faults().iter().map(|fault| Finding {
            kind: EngineKind::Asr,
            engine: engine.name().to_owned(),
            level: Level::Warning,
            what: format!("{}: {fault}", engine.name()),
        }));
        Ok(engine)
    }

    fn whisper(&self) -> Result<Arc<asr::Whisper>, EngineError> {
        let engine = Arc::new(asr::Whisper::open(&self.config.whisper)?);
        self.whisper.replace(Some(Arc::clone(&engine)));
        Ok(engine)
    }

    fn realtime(&self) -> Result<Arc<Realtime>, EngineError> {
        self.realtime.get_or_init(|| Realtime::open(&self.config.realtime, self.runtime)).clone()
    }

    /// The engines of a chain that could be built.
    fn chain<T: ?Sized>(
        &self,
        kind: EngineKind,
        names: &[String],
        build: impl Fn(&Self, &str) -> Result<Arc<T>, EngineError>,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Arc<T>>, EngineError> {
        named(kind, names)?;
        let mut missing = Vec::new();
        let mut engines = Vec::new();
        for name in names {
            match build(self, name) {
                Ok(engine) => engines.push(engine),
                Err(error) => missing.push((name, error)),
            }
        }
        let level = if engines.is_empty() { Level::Error } else { Level::Warning };
        findings.extend(missing.into_iter().map(|(name, error)| Finding {
            kind,
            engine: name.clone(),
            level,
            what: error.to_string(),
        }));
        Ok(engines)
    }

    pub fn vad(&self, name: &str) -> Result<Arc<dyn VoiceDetection>, EngineError> {
        voice_detection(self.config, name)
    }

    /// The first turn model that serves. One that does not is a warning: turns end by other signs then.
    fn turn(&self, findings: &mut Vec<Finding>) -> Result<Option<Arc<dyn TurnDetection>>, EngineError> {
        let library = self.config.onnxruntime.as_deref();
        for name in &self.config.turn {
            match turn::build(name, &self.config.smart_turn, library) {
                Ok(engine) => return Ok(Some(engine)),
                Err(error) if !turn::NAMES.contains(&name.as_str()) => return Err(error),
                Err(error) => {
                    let (engine, what) = (name.clone(), error.to_string());
                    findings.push(Finding { kind: EngineKind::Vad, engine, level: Level::Warning, what });
                }
            }
        }
        Ok(None)
    }

    /// Weights that cannot be read are a warning: calls go on without. A name that no engine has is an error.
    fn emotion(&self, findings: &mut Vec<Finding>) -> Result<Option<Arc<dyn EmotionDetection>>, EngineError> {
        let config = &self.config.emotion;
        emotion::build(config).or_else(|error| {
            if !emotion::NAMES.contains(&config.engine.as_str()) {
                return Err(error);
            }
            let (engine, what) = (config.engine.clone(), error.to_string());
            findings.push(Finding { kind: EngineKind::Vad, engine, level: Level::Warning, what });
            Ok(None)
        })
    }

    pub fn asr(&self, name: &str) -> Result<Arc<dyn Recognizer>, EngineError> {
        Ok(match name {
            "pocketsphinx" => Arc::new(self.pocketsphinx()?),
            "whisper" => self.whisper()?,
            "deepgram" => Arc::new(asr::Deepgram::open(&self.config.deepgram, self.runtime)?),
            "openai" => Arc::new(asr::OpenAi::open(&self.config.openai_asr, self.runtime)?),
            "realtime" => self.realtime()?.ears(),
            "scripted" => Arc::new(asr::Scripted::open(&self.config.scripted.asr)?),
            _ => return Err(unknown(EngineKind::Asr, name)),
        })
    }

    pub fn tts(&self, name: &str) -> Result<Arc<dyn Synthesizer>, EngineError> {
        Ok(match name {
            "flite" => Arc::new(tts::Flite::open(&self.config.flite, &self.pool)?),
            "espeak" => Arc::new(tts::Espeak::open(&self.config.espeak, self.patience())?),
            "piper" => {
                let library = self.config.onnxruntime.as_deref();
                Arc::new(tts::Piper::open(&self.config.piper, library, self.patience())?)
            }
            "openai" => Arc::new(tts::OpenAi::open(&self.config.openai_tts, self.runtime)?),
            "realtime" => self.realtime()?.voice(),
            "scripted" => Arc::new(tts::Scripted::open(&self.config.scripted.tts, &self.pool, self.runtime)?),
            _ => return Err(unknown(EngineKind::Tts, name)),
        })
    }

    pub fn llm(&self, name: &str) -> Result<Arc<dyn LanguageModel>, EngineError> {
        Ok(match name {
            "template" => Arc::new(llm::Template),
            "openai" => Arc::new(llm::OpenAi::open(&self.config.openai, self.runtime)?),
            "realtime" => self.realtime()?.mind(),
            "recorded" => Arc::new(llm::Recorded::open(&self.config.recorded)?),
            "scripted" => Arc::new(llm::Scripted::new(&self.config.scripted.llm, self.runtime)),
            _ => return Err(unknown(EngineKind::Llm, name)),
        })
    }
}

/// The voice detector of that name.
///
/// # Errors
/// [`EngineError::Unavailable`] for a name that no voice detector has, and when what it needs is missing.
pub fn voice_detection(config: &Config, name: &str) -> Result<Arc<dyn VoiceDetection>, EngineError> {
    let config = vad::Config {
        earshot: config.earshot.clone(),
        silero: config.silero.clone(),
        onnxruntime: config.onnxruntime.clone(),
        scripted: config.scripted.vad.clone(),
    };
    vad::build(name, &config)
}

/// The language models of a configuration alone, as a chain, with what is missing.
///
/// # Errors
/// As [`Engines::build`].
pub fn language_model(
    config: &Config,
    runtime: &Handle,
) -> Result<(Arc<dyn LanguageModel>, Vec<Finding>), EngineError> {
    let config = Config { workers: 1, ..config.clone() };
    let parts = Parts::new(&config, runtime)?;
    let mut findings = Vec::new();
    let llm = parts.chain(EngineKind::Llm, &config.llm, Parts::llm, &mut findings)?;
    let missing = missing(&findings, EngineKind::Llm);
    Ok((Arc::new(LanguageModelChain::missing(llm, &missing)), findings))
}

/// What was found out about the engines of a kind, for a chain that may have none.
fn missing(findings: &[Finding], kind: EngineKind) -> Vec<String> {
    findings.iter().filter(|finding| finding.kind == kind).map(|finding| finding.what.clone()).collect()
}

/// Checks the names of a chain.
pub(super) fn named(kind: EngineKind, names: &[String]) -> Result<(), EngineError> {
    if names.is_empty() {
        let what = format!("names no engine; use one of: {}", known(kind).join(", "));
        return Err(EngineError::Unavailable { engine: key(kind).to_owned(), what });
    }
    match names.iter().find(|name| !known(kind).contains(&name.as_str())) {
        Some(name) => Err(unknown(kind, name)),
        None => Ok(()),
    }
}

fn unknown(kind: EngineKind, name: &str) -> EngineError {
    let what = format!("there is no engine '{name}'; use one of: {}", known(kind).join(", "));
    EngineError::Unavailable { engine: key(kind).to_owned(), what }
}

/// The key of a chain in the configuration.
pub(super) fn key(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Vad => "engine.vad",
        EngineKind::Asr => "engine.asr",
        EngineKind::Tts => "engine.tts",
        EngineKind::Llm => "engine.llm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use crate::speech::{ChatRequest, Language, Reply, SpeechRequest, Synthesis};
    use std::time::Duration;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    fn build(config: &Config) -> Result<(Engines, Vec<Finding>), EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (engines, mut findings) = Engines::build(config, runtime.handle())?;
        // Whether the machine has the packages of the default ears is no matter here.
        findings.retain(|finding| !matches!(finding.kind, EngineKind::Asr | EngineKind::Vad));
        Ok((engines, findings))
    }

    fn request(text: &str) -> SpeechRequest {
        SpeechRequest { text: text.into(), language: Language::default(), voice: None }
    }

    #[test]
    fn an_unknown_or_missing_name_lists_the_known_ones() {
        for (text, expected) in [
            (
                "vad = ['sillero']",
                "engine.vad: there is no engine 'sillero'; use one of: earshot+silero, earshot, silero, scripted",
            ),
            (
                "tts = ['flite', 'pipe']",
                "engine.tts: there is no engine 'pipe'; use one of: flite, espeak, piper, openai, realtime, scripted",
            ),
            (
                "asr = []",
                "engine.asr: names no engine; use one of: pocketsphinx, whisper, openai, deepgram, realtime, scripted",
            ),
            ("llm = []", "engine.llm: names no engine; use one of: template, openai, realtime, recorded, scripted"),
        ] {
            assert_eq!(build(&config(text)).err().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_missing_engine_with_one_behind_it_is_a_warning_and_alone_an_error() {
        for (chain, level) in [("['openai', 'template']", Level::Warning), ("['openai']", Level::Error)] {
            let (engines, findings) = build(&config(&format!("llm = {chain}"))).unwrap();
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!((finding.kind, finding.engine.as_str(), finding.level), (EngineKind::Llm, "openai", level));
            assert!(finding.what.contains("engine.openai.model"), "{}", finding.what);
            let what = ChatRequest { messages: Vec::new(), template: "yes".into(), max_tokens: 1, tools: Vec::new() };
            assert_eq!(engines.llm.ask(&what, wait::this_thread()).is_ok(), level == Level::Warning);
        }
    }

    #[test]
    fn a_line_goes_from_a_broken_engine_to_the_next_and_into_the_cache() {
        let text = "tts = ['scripted']\nllm = ['scripted', 'template']\n[scripted.tts]\ndir = '/nowhere'";
        let (engines, findings) = build(&config(text)).unwrap();
        assert_eq!((findings.len(), findings[0].level), (1, Level::Error));
        assert!(engines.tts.speak(&request("Hello."), wait::this_thread()).is_err());

        let (engines, findings) = build(&config("tts = ['scripted']")).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        engines.tts.prepare(&request("Hello.")).unwrap();
        let mut stream = engines.tts.speak(&request("Hello."), wait::this_thread()).unwrap();
        assert!(matches!(stream.poll(), Synthesis::Frame(_)));
        assert_eq!(stream.engine(), Some("scripted"));
        assert_eq!(engines.cache.stats().hits, 1);
        let what = ChatRequest { messages: Vec::new(), template: "yes".into(), max_tokens: 1, tools: Vec::new() };
        let mut reply = engines.llm.ask(&what, wait::this_thread()).unwrap();
        assert_eq!(wait::read(&mut *reply, Duration::from_secs(1)), ("yes".into(), Reply::Done));
    }
}
