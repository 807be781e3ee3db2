//! Voice activity detection.
//!
//! | engine | what it is |
//! |---|---|
//! | `earshot+silero` | `earshot` hears, Silero confirms: the default |
//! | `earshot` | a small embedded neural network behind an energy gate and a tone rejecter; serves where ONNX Runtime is missing |
//! | `silero` | Silero VAD 6 through ONNX Runtime, one session for all calls |
//! | `scripted` | loud is speech: for tests and demos with clean recordings, where nothing may depend on a model |

mod earshot;
mod scripted;
mod silero;

pub use earshot::{Earshot, EarshotConfig};
pub use scripted::{Scripted, ScriptedConfig};
pub use silero::{Silero, SileroConfig};

use crate::speech::{EngineError, VoiceDetection};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Names of the engines of this kind, the default first.
pub const NAMES: [&str; 4] = [Silero::CONFIRMING, Earshot::NAME, Silero::NAME, Scripted::NAME];

/// Settings of each engine of this kind.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Settings of `earshot`.
    pub earshot: EarshotConfig,
    /// Settings of `silero` and `earshot+silero`.
    pub silero: SileroConfig,
    /// The library for `silero`, as [`crate::engine::onnx`] wants it.
    pub onnxruntime: Option<PathBuf>,
    /// Settings of `scripted`.
    pub scripted: ScriptedConfig,
}

/// Builds the engine of that name.
///
/// # Errors
/// [`EngineError::Unavailable`] for an unknown name (the text lists the known ones), and when what it needs is missing.
pub fn build(name: &str, config: &Config) -> Result<Arc<dyn VoiceDetection>, EngineError> {
    let library = config.onnxruntime.as_deref();
    match name {
        Silero::NAME => Ok(Arc::new(Silero::open(&config.silero, library, None)?)),
        Silero::CONFIRMING => Ok(Arc::new(Silero::open(&config.silero, library, Some(config.earshot.clone()))?)),
        Earshot::NAME => Ok(Arc::new(Earshot::new(config.earshot.clone()))),
        Scripted::NAME => Ok(Arc::new(Scripted::new(config.scripted.clone()))),
        _ => Err(EngineError::Unavailable {
            engine: name.to_owned(),
            what: format!("there is no voice detector of this name; use one of: {}", NAMES.join(", ")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_builds_its_engine_and_others_are_refused() {
        for name in NAMES {
            match build(name, &Config::default()) {
                Ok(engine) => {
                    assert_eq!(engine.name(), name);
                    engine.open().unwrap();
                }
                // Where the library is not installed, the sentence says how to.
                Err(error) => assert!(error.to_string().contains("scripts/onnxruntime.sh"), "{error}"),
            }
        }
        let error = build("webrtc", &Config::default()).err().unwrap().to_string();
        assert!(error.contains("webrtc") && error.contains("earshot"), "{error}");
    }

    #[test]
    fn the_configuration_refuses_what_it_does_not_know() {
        let config: Config = toml::from_str("[scripted]\nthreshold_dbfs = -30.0").unwrap();
        assert_eq!(config.scripted.threshold_dbfs, -30.0);
        assert!(toml::from_str::<Config>("[earshot]\nthresold = 1").is_err());
    }
}
