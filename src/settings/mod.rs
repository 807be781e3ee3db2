//! The settings: what is compiled in, then a file, then the environment.
//!
//! `sip-config/tipring.toml` is compiled in and lists every key with its default. A file given with `--config` has the same
//! shape and names only what differs. After it the environment counts: `TIPRING__SIP__LISTEN=127.0.0.1:5070` sets `listen` in
//! `[sip]`, `TIPRING__SIP__ACCOUNTS__0__PASSWORD=…` the password of the first account. Lists may be written `a,b`.
//! An unknown key is an error that names its file and line, or its variable, and the known key that is nearest.

mod error;
mod layers;

pub use error::SettingsError;

use crate::{agent, call, engine, media, server, store, telesales, ua};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What is compiled in: every key with its default, with comments. The documented example of a configuration file.
pub const DEFAULTS: &str = include_str!("../../sip-config/tipring.toml");

/// All settings. Each section is defined by the room that it is for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder for records, recordings and the journal.
    pub data_dir: DataDir,
    /// What is logged, and how.
    pub log: Log,
    /// Signalling: where it listens, who may call, accounts and trunks.
    pub sip: ua::Config,
    /// RTP ports and media threads.
    pub media: media::Config,
    /// Which engines hear, speak and think.
    pub engine: engine::Config,
    /// Where models are kept and come from.
    pub models: engine::models::Config,
    /// Turn-taking.
    pub turn: agent::TurnConfig,
    /// How many calls, how long, which flow.
    pub calls: call::Config,
    /// Where the HTTP API listens.
    pub http: server::Config,
    /// How records are kept.
    pub store: store::Config,
    /// What is learned from calls.
    pub telesales: telesales::Config,
}

/// The folder for everything that is written: `data` where nothing else is said, relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DataDir(pub PathBuf);

impl Default for DataDir {
    fn default() -> Self {
        Self("data".into())
    }
}

/// The `[log]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is logged: a level (`info`), or levels by module (`info,tipring::ua=debug`).
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Settings {
    /// Reads all layers: what is compiled in, `file` if one is given, then those of `environment` that begin with `TIPRING__`.
    ///
    /// # Errors
    /// A file that cannot be read, a line that is not TOML, a key that is not known, a value of the wrong type, a value that
    /// its room refuses: each names the file and line, or the variable.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut merged = layers::parse("sip-config/tipring.toml (compiled in)", DEFAULTS)?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
            layers::merge(&mut merged, layers::parse(&path.display().to_string(), &text)?);
        }
        layers::overlay(&mut merged, environment)?;
        let settings = layers::read(&merged).map_err(|what| SettingsError::Together { what })?;
        settings.check()?;
        Ok(settings)
    }

    /// What no single key shows: what each room says of its section.
    fn check(&self) -> Result<(), SettingsError> {
        let refuse = |section: &'static str| {
            move |why: &dyn std::fmt::Display| SettingsError::Refused { section, what: why.to_string() }
        };
        self.sip.check().map_err(|e| refuse("sip")(&e))?;
        self.media.check().map_err(|e| refuse("media")(&e))?;
        self.turn.mood.check().map_err(|e| refuse("turn.mood")(&e))?;
        self.http.validate().map_err(|e| refuse("http")(&e))?;
        self.telesales.check().map_err(|e| refuse("telesales")(&e))?;
        Ok(())
    }
}
