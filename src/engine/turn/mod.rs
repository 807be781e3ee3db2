//! Turn models: they hear from the voice whether a pause ends the turn.
//!
//! | engine | what it is |
//! |---|---|
//! | `smart-turn` | an ONNX model with the interface of smart-turn v3: the last 8 s as a log-mel spectrogram in, a probability out |
//!
//! None is configured by default: no weights are shipped. A model is asked in pauses only, on a thread of its own; what comes
//! later than `deadline_ms` after the question is dropped, for the decision has been taken without it.

mod mel;
mod smart_turn;

pub use smart_turn::{SmartTurn, SmartTurnConfig};

use crate::speech::{EngineError, TurnDetection};
use std::path::Path;
use std::sync::Arc;

/// Names of the engines of this kind.
pub const NAMES: [&str; 1] = [SmartTurn::NAME];

/// Builds the engine of that name. `library` is `engine.onnxruntime`.
///
/// # Errors
/// [`EngineError::Unavailable`] for an unknown name (the text lists the known ones), and when what it needs is missing.
pub fn build(
    name: &str,
    config: &SmartTurnConfig,
    library: Option<&Path>,
) -> Result<Arc<dyn TurnDetection>, EngineError> {
    match name {
        SmartTurn::NAME => Ok(Arc::new(SmartTurn::open(config, library)?)),
        _ => Err(EngineError::Unavailable {
            engine: "engine.turn".to_owned(),
            what: format!("there is no turn model '{name}'; use one of: {}", NAMES.join(", ")),
        }),
    }
}
