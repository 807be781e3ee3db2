//! The engines behind the traits of [`crate::speech`]: voice detection, recognition, synthesis, language models.

pub mod batch;
pub mod fallback;
pub mod llm;
pub mod tts;
pub mod vad;
mod wait;
