//! The engines behind the traits of [`crate::speech`]: voice detection, recognition, synthesis, language models, emotion.
//!
//! [`Engines::build`] makes what calls use from the [`Config`]: a chain of each kind with [`fallback`], and a cache of ready
//! lines. Only `app` calls it; everybody else sees traits.

pub mod asr;
pub mod batch;
mod config;
pub mod emotion;
mod engines;
pub mod fallback;
pub mod llm;
pub mod models;
pub mod onnx;
mod probe;
pub mod realtime;
mod remote;
pub mod tts;
pub mod turn;
pub mod vad;
mod wait;

pub use config::{Config, ScriptedConfig};
pub use engines::{Engines, Finding, Level, known, language_model, voice_detection};
pub use probe::probe;

/// A test cannot run for want of this: it says so and passes, unless `scripts/test` has installed it (`TIPRING_TEST_ENGINES`).
#[cfg(test)]
pub(crate) fn skip(what: impl std::fmt::Display) {
    assert!(std::env::var_os("TIPRING_TEST_ENGINES").is_none(), "installed, but: {what}");
    eprintln!("skipped: {what}");
}
