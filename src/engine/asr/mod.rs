//! Speech recognition.
//!
//! | engine | what it hears |
//! |---|---|
//! | `pocketsphinx` | the phrases that the flow expects, among anything; English; Debian packages, no download |
//! | `scripted` | what it is told to have heard: for tests, and for languages without a model |

mod pocketsphinx;
mod scripted;

pub use pocketsphinx::{Config as PocketSphinxConfig, PocketSphinx};
pub use scripted::{Config as ScriptedConfig, Scripted};

/// The names of the engines, the default first.
pub const NAMES: [&str; 2] = ["pocketsphinx", "scripted"];
