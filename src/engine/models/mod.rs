//! The models that engines are made of: what there is, what is there, how it is fetched.
//!
//! A list that is compiled in (`audio-models/manifest.toml`) names each file with its source, its sum and its licence. Nothing
//! is fetched unless somebody asks for it by name, and no file gets its name before its sum was checked.

mod error;
mod fetch;
mod manifest;
mod stock;

pub use error::ModelError;
pub use fetch::{Fetcher, Progress};
pub use manifest::{Manifest, Model, ModelFile, ModelKind};
pub use stock::{FileState, Verdict, state, verify};

use serde::Deserialize;
use std::path::PathBuf;

/// Where models are kept and come from: `[models]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder that models are fetched into, relative to the working directory.
    pub dir: PathBuf,
    /// An address that is used in place of scheme and host of every download, such as `https://models.example.com`.
    pub mirror: Option<String>,
    /// A list of one's own, of the shape of `audio-models/manifest.toml`: it adds to the one that is compiled in.
    pub manifest: Option<PathBuf>,
    /// Milliseconds for a connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds without a byte after which a download counts as cut. It is then taken up where it stopped.
    pub stall_timeout_ms: u64,
    /// How often a download that was cut is taken up again.
    pub retries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: "audio-models".into(),
            mirror: None,
            manifest: None,
            connect_timeout_ms: 10_000,
            stall_timeout_ms: 30_000,
            retries: 3,
        }
    }
}
