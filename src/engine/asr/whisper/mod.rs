//! Engine `whisper`: free speech in 99 languages, by whisper.cpp, on the processor.
//!
//! Whisper hears a stretch of sound, not a stream. A call's utterance is therefore decoded again and again while it grows, in
//! windows cut to its length; what two decodes in a row agree on is settled ([`agreement`]). The last decode, asked for by a
//! flush, is the answer. One set of weights and a few decoders serve all calls: decodes wait in a queue of their own, answers
//! before partial ones ([`stream`]); a call that would make the others wait is not taken ([`admission`]). Whisper makes up
//! words where there are none; [`guard`] knows its ways.

mod admission;
mod agreement;
#[allow(unsafe_code)]
mod ffi;
mod guard;
mod header;
mod stream;
mod utterance;
mod words;

use crate::engine::batch::Pool;
use crate::speech::{EngineError, Expectation, Language, Recognizer, RecognizerStream, Wake};
use admission::Admission;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const NAME: &str = "whisper";
/// Jobs that may wait in the pool; streams have places of their own.
const MAX_JOBS: usize = 16;

/// Settings of the engine: `[engine.whisper]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The weights, in ggml's format: `tipring models fetch whisper-base-q5_1` gets some.
    pub model: PathBuf,
    /// Decodes that run at the same time. Each needs memory of its own, some 200 MB with `tiny`, 300 MB with `base`.
    pub decoders: usize,
    /// Threads of one decode; 0: the cores shared among the decoders, two at most.
    pub threads: usize,
    /// Milliseconds of new audio between two partial decodes; 0: none, only answers.
    pub partial_ms: u64,
    /// How much longer than the audio the encoder's window is, in its units of 20 ms. Too little and Whisper repeats itself.
    pub context_margin: usize,
    /// Give Whisper the phrases that the flow expects as a prompt.
    pub prompt: bool,
    /// Calls at the same time; one more goes to the next engine of the chain.
    pub max_calls: usize,
    /// New calls go to the next engine while more than one in twenty answers took longer than this, in milliseconds, or one
    /// more call would keep the decoders too busy for it.
    pub max_final_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "audio-models/ggml-base-q5_1.bin".into(),
            decoders: 1,
            threads: 0,
            partial_ms: 500,
            context_margin: 128,
            prompt: true,
            max_calls: 16,
            max_final_ms: 1_000,
        }
    }
}

/// What was decoded so far, over all calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WhisperStats {
    /// Answers given.
    pub finals: u64,
    /// Partial decodes that came to their end.
    pub partials: u64,
    /// Partial decodes that were due and left out because the one before was not done.
    pub skipped: u64,
    /// Decodes that were stopped because a newer flush or the end of the call made them useless.
    pub aborted: u64,
    /// Calls and flushes that were refused because of the load.
    pub refused: u64,
    /// Decodes of which nothing was left by the guards against made-up words.
    pub made_up: u64,
    /// Decoders that have been made; never more than decode at the same time.
    pub decoders: u64,
}

/// The engine. One serves all calls.
pub struct Whisper {
    engine: Arc<Engine>,
    pool: Pool,
}

/// What all calls share.
struct Engine {
    model: ffi::Model,
    config: Config,
    threads: usize,
    /// Decoders that nobody uses at the moment.
    idle: Mutex<Vec<ffi::Decoder>>,
    admission: Mutex<Admission>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    finals: AtomicU64,
    partials: AtomicU64,
    skipped: AtomicU64,
    aborted: AtomicU64,
    refused: AtomicU64,
    made_up: AtomicU64,
    decoders: AtomicU64,
}

impl Whisper {
    /// Loads the weights and starts the threads that decode: Whisper has its own, because one decode takes longer than
    /// everything else in the other engines' pool may wait.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when there are no weights or they are no such; the text says how to get some.
    pub fn open(config: &Config) -> Result<Self, EngineError> {
        header::check(&config.model).map_err(|what| {
            unavailable(format!("{what}; set engine.whisper.model, or: tipring models fetch whisper-base-q5_1"))
        })?;
        let model = ffi::Model::load(&config.model).map_err(|what| {
            let path = config.model.display();
            unavailable(format!("{path}: {what}; tipring models verify says whether the file is whole"))
        })?;
        let decoders = config.decoders.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.threads == 0 { (cores / decoders).clamp(1, 2) } else { config.threads };
        let pool = Pool::with_bounds(NAME, decoders, MAX_JOBS, config.max_calls.max(1))?;
        let engine = Engine {
            model,
            threads,
            idle: Mutex::default(),
            admission: Mutex::new(Admission::new(decoders, Duration::from_millis(config.max_final_ms))),
            counts: Counts::default(),
            config: config.clone(),
        };
        // Weights that cannot decode are better found here than by a caller, and the first caller need not wait for memory.
        let decoder = engine.decoder().map_err(unavailable)?;
        engine.give_back(decoder);
        Ok(Self { engine: Arc::new(engine), pool })
    }

    /// What was decoded so far.
    pub fn stats(&self) -> WhisperStats {
        let counts = &self.engine.counts;
        WhisperStats {
            finals: counts.finals.load(Relaxed),
            partials: counts.partials.load(Relaxed),
            skipped: counts.skipped.load(Relaxed),
            aborted: counts.aborted.load(Relaxed),
            refused: counts.refused.load(Relaxed),
            made_up: counts.made_up.load(Relaxed),
            decoders: counts.decoders.load(Relaxed),
        }
    }
}

impl Recognizer for Whisper {
    fn name(&self) -> &str {
        NAME
    }

    /// Nothing to compile, and no word that it could not hear.
    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        self.engine.model.speaks(&what.language).map(|_| Vec::new())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        let language = self.engine.model.speaks(language)?;
        if !self.engine.admission().admits(Instant::now()) {
            self.engine.counts.refused.fetch_add(1, Relaxed);
            return Err(overloaded());
        }
        let opened = stream::Stream::open(Arc::clone(&self.engine), &self.pool, language, wake);
        if matches!(opened, Err(EngineError::Overloaded { .. })) {
            self.engine.counts.refused.fetch_add(1, Relaxed);
        }
        Ok(Box::new(opened?))
    }
}

impl Engine {
    /// A decoder: an idle one, else a new one. There are as many threads as decoders may be in use.
    fn decoder(&self) -> Result<ffi::Decoder, String> {
        if let Some(decoder) = lock(&self.idle).pop() {
            return Ok(decoder);
        }
        let decoder = self.model.decoder()?;
        self.counts.decoders.fetch_add(1, Relaxed);
        Ok(decoder)
    }

    fn give_back(&self, decoder: ffi::Decoder) {
        lock(&self.idle).push(decoder);
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        lock(&self.admission)
    }
}

/// A panic inside these locks leaves nothing half done, so that poison is no news.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

fn failed(what: String) -> EngineError {
    EngineError::Failed { engine: NAME.to_owned(), what }
}

fn overloaded() -> EngineError {
    EngineError::Overloaded { engine: NAME.to_owned() }
}

#[cfg(test)]
mod tests;
