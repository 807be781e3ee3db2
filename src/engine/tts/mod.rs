//! Speech synthesis: flite, Piper's voices, scripted audio, and a cache of ready lines.

mod cache;
mod flite;
mod line;
mod piper;
mod scripted;
mod sentence;
mod shape;

pub use cache::{Cache, CacheStats};
pub use flite::{Config as FliteConfig, Flite, VOICES as FLITE_VOICES};
pub use piper::{Config as PiperConfig, Piper};
pub use scripted::{Config as ScriptedConfig, Scripted};
