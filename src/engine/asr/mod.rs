//! Speech recognition.
//!
//! | engine | what it hears |
//! |---|---|
//! | `deepgram` | what a server with Deepgram's streaming protocol hears, while the caller speaks |
//! | `openai` | what a server with the OpenAI protocol of transcriptions hears, near or far |
//! | `pocketsphinx` | the phrases that the flow expects, among anything; English; Debian packages, no download |
//! | `whisper` | anything in 99 languages; weights are fetched by the user |
//! | `realtime` | what a speech-to-speech server writes down: see [`super::realtime`] |
//! | `scripted` | what it is told to have heard: for tests, and for languages without a model |

mod deepgram;
mod level;
mod openai;
mod pocketsphinx;
mod scripted;
mod transcript;
mod whisper;

pub use deepgram::{Config as DeepgramConfig, Deepgram};
pub use openai::{Config as OpenAiConfig, OpenAi, ResponseFormat};
pub use pocketsphinx::{Config as PocketSphinxConfig, NarrowBand, PocketSphinx};
pub use scripted::{Config as ScriptedConfig, Scripted};
pub(super) use transcript::Transcript;
pub use whisper::{Config as WhisperConfig, Whisper, WhisperStats};

/// The names of the engines, the default first.
pub const NAMES: [&str; 6] = ["pocketsphinx", "whisper", "openai", "deepgram", "realtime", "scripted"];
