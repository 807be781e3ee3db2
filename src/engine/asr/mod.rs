//! Speech recognition.
//!
//! | engine | what it hears |
//! |---|---|
//! | `pocketsphinx` | the phrases that the flow expects, among anything; English; Debian packages, no download |
//! | `whisper` | anything in 99 languages; weights are fetched by the user |
//! | `scripted` | what it is told to have heard: for tests, and for languages without a model |

mod level;
mod pocketsphinx;
mod scripted;
mod whisper;

pub use pocketsphinx::{Config as PocketSphinxConfig, PocketSphinx};
pub use scripted::{Config as ScriptedConfig, Scripted};
pub use whisper::{Config as WhisperConfig, Whisper, WhisperStats};

/// The names of the engines, the default first.
pub const NAMES: [&str; 3] = ["pocketsphinx", "whisper", "scripted"];
