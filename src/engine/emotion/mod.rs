//! How the caller's voice sounds, from the voice alone.
//!
//! | engine | what it is |
//! |---|---|
//! | `prosody` | `audio::prosody` every 10 ms, running functionals, committees of small networks; weights in `audio-models/emotion` |
//! | `off` | nothing is measured and nothing is said |
//!
//! `docs/emotion.md` says how good it is, what it must not be used for, and how to retrain it.

mod model;
mod prosody;

pub use model::{
    BadModel, COMMITTEES, Header, Model, Net, STAGES, Scale, Usual, Vector, Verdict, rounded, softmax, stage,
};
pub use prosody::{Prosody, ProsodyDetector};

use crate::speech::{EmotionDetection, EngineError};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Names of the engines of this kind.
pub const NAMES: [&str; 2] = [Prosody::NAME, "off"];

/// Settings: `[engine.emotion]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The engine: `prosody`, or `off`.
    pub engine: String,
    /// Weights other than those compiled in, made by `tipring train emotion`.
    pub model: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { engine: Prosody::NAME.to_owned(), model: None }
    }
}

/// Builds the engine of the configuration; none when it is off.
///
/// # Errors
/// [`EngineError::Unavailable`] for an unknown name (the text lists the known ones) and for weights that cannot be read.
pub fn build(config: &Config) -> Result<Option<Arc<dyn EmotionDetection>>, EngineError> {
    match config.engine.as_str() {
        Prosody::NAME => Ok(Some(Arc::new(Prosody::open(config.model.as_deref())?))),
        "off" => Ok(None),
        name => Err(EngineError::Unavailable {
            engine: "engine.emotion.engine".to_owned(),
            what: format!("there is no engine '{name}'; use one of: {}", NAMES.join(", ")),
        }),
    }
}
