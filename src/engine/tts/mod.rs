//! Speech synthesis: flite, espeak-ng, Piper's voices, voices behind an address, scripted audio, and a cache of ready lines.

mod cache;
mod espeak;
mod flite;
mod line;
mod openai;
mod piper;
mod scripted;
mod sentence;
mod shape;
mod sound;

pub use cache::{Cache, CacheStats};
pub use espeak::{Config as EspeakConfig, Espeak};
pub use flite::{Config as FliteConfig, Flite, VOICES as FLITE_VOICES};
pub use openai::{Config as OpenAiConfig, Format as OpenAiFormat, OpenAi};
pub use piper::{Config as PiperConfig, Piper};
pub use scripted::{Config as ScriptedConfig, Scripted};
