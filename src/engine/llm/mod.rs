//! Language models: the flow's own words, an OpenAI-compatible server, scripted and recorded answers.

mod channel;
mod openai;
mod recorded;
mod scripted;
mod sse;
mod template;
mod tool;

pub use openai::{Config as OpenAiConfig, OpenAi};
pub use recorded::{Config as RecordedConfig, Recorded};
pub use scripted::{Config as ScriptedConfig, Scripted};
pub use template::Template;
