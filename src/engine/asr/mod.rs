//! Speech recognition: the engines that hear words.

mod pocketsphinx;
mod scripted;

pub use pocketsphinx::{Config as PocketSphinxConfig, PocketSphinx};
pub use scripted::{Config as ScriptedConfig, Scripted};
