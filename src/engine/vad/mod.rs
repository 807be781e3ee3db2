//! Voice activity detection.
//!
//! | engine | what it is |
//! |---|---|
//! | `earshot` | a small embedded neural network behind an energy gate and a tone rejecter; the default |
//! | `scripted` | loud is speech: for tests and demos with clean recordings, where nothing may depend on a model |

mod earshot;
mod scripted;

pub use earshot::{Earshot, EarshotConfig};
pub use scripted::{Scripted, ScriptedConfig};

use crate::speech::{EngineError, VoiceDetection};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names of the engines of this kind, the default first.
pub const NAMES: [&str; 2] = [Earshot::NAME, Scripted::NAME];

/// Settings of each engine of this kind.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Settings of `earshot`.
    pub earshot: EarshotConfig,
    /// Settings of `scripted`.
    pub scripted: ScriptedConfig,
}

/// Builds the engine of that name.
///
/// # Errors
/// [`EngineError::Unavailable`] for an unknown name; the text lists the known ones.
pub fn build(name: &str, config: &Config) -> Result<Arc<dyn VoiceDetection>, EngineError> {
    match name {
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
            let engine = build(name, &Config::default()).unwrap();
            assert_eq!(engine.name(), name);
            engine.open().unwrap();
        }
        let error = build("silero", &Config::default()).err().unwrap().to_string();
        assert!(error.contains("silero") && error.contains("earshot"), "{error}");
    }

    #[test]
    fn the_configuration_refuses_what_it_does_not_know() {
        let config: Config = toml::from_str("[scripted]\nthreshold_dbfs = -30.0").unwrap();
        assert_eq!(config.scripted.threshold_dbfs, -30.0);
        assert!(toml::from_str::<Config>("[earshot]\nthresold = 1").is_err());
    }
}
