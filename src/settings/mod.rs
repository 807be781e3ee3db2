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
        let mut own = None;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
            let name = path.display().to_string();
            layers::merge(&mut merged, layers::parse(&name, &text)?);
            own = Some((name, text));
        }
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        layers::overlay(&mut merged, environment.iter().cloned())?;
        let mut settings: Self = layers::read(&merged).map_err(|what| SettingsError::Together { what })?;
        settings.check().map_err(|error| match error {
            SettingsError::Refused { section, what } => {
                let own = own.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
                let place = layers::place(section, &what, own, &environment);
                SettingsError::Refused { section, what: place.map_or(what.clone(), |place| format!("{place}: {what}")) }
            }
            other => other,
        })?;
        settings.engine.wait_for_the_last_model(settings.turn.first_sentence_ms);
        Ok(settings)
    }

    /// What no single key shows: what each room says of its section.
    fn check(&self) -> Result<(), SettingsError> {
        let refuse = |section: &'static str| {
            move |why: &dyn std::fmt::Display| SettingsError::Refused { section, what: why.to_string() }
        };
        self.sip.check().map_err(|e| refuse("sip")(&e))?;
        self.media.check().map_err(|e| refuse("media")(&e))?;
        self.turn.check().map_err(|e| refuse("turn")(&e))?;
        self.turn.mood.check().map_err(|e| refuse("turn.mood")(&e))?;
        self.calls.gate.check().map_err(|e| refuse("calls.gate")(&e))?;
        self.http.validate().map_err(|e| refuse("http")(&e))?;
        self.telesales.check().map_err(|e| refuse("telesales")(&e))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a table, as its own refusal of another key lists them; none where it is no table. `list`: of tables.
    fn known(path: &str, list: bool) -> Option<Vec<String>> {
        let header = match (path, list) {
            ("", _) => String::new(),
            (_, false) => format!("[{path}]\n"),
            (_, true) => format!("[[{path}]]\n"),
        };
        let error = toml::from_str::<Settings>(&format!("{header}no_such_key = 1")).err()?;
        let (_, expected) = error.message().split_once("unknown field `no_such_key`, ")?;
        Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
    }

    /// Adds the keys that the compiled-in file does not show in their table, be it in a comment.
    fn unshown(path: &str, list: bool, seen: &mut usize, out: &mut Vec<String>) {
        for key in known(path, list).unwrap_or_default() {
            *seen += 1;
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if known(&full, false).is_some() {
                unshown(&full, false, seen, out);
                continue;
            }
            if known(&full, true).is_some() {
                unshown(&full, true, seen, out);
            }
            let mut table = String::new();
            let shown = DEFAULTS.lines().any(|line| {
                let plain = line.trim_start_matches(['#', ' ']);
                if plain.starts_with('[') {
                    table = plain.split(']').next().unwrap_or_default().trim_start_matches('[').to_owned();
                }
                let begins = |name: &str| plain.strip_prefix(name).is_some_and(|rest| rest.starts_with(" = "));
                // A list of tables may stand on one line: routes = [{ to = …
                let within = path.rsplit_once('.').is_some_and(|(above, name)| table == above && begins(name));
                let within =
                    within && (plain.contains(&format!("{{ {key} = ")) || plain.contains(&format!(", {key} = ")));
                table == path && begins(&key) || table == full || within
            });
            if !shown {
                out.push(full);
            }
        }
    }

    #[test]
    fn every_key_is_in_the_file_that_lists_every_key() {
        let (mut seen, mut missing) = (0, Vec::new());
        unshown("", false, &mut seen, &mut missing);
        assert!(seen > 200, "only {seen} keys are known");
        assert!(missing.is_empty(), "sip-config/tipring.toml lacks {}", missing.join(", "));
    }

    #[test]
    fn a_room_that_refuses_names_section_key_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.toml");
        for (text, expected) in [
            ("[turn]\nduck_ms = 900", "my.toml:2: turn.duck_ms = 900 is more than barge_in_ms = 260"),
            ("[turn]\n\nmin_confidence = 3", "my.toml:3: turn.min_confidence = 3 is not between 0 and 1"),
            ("[telesales.learn]\nfloor_percent = 99", "my.toml:2: telesales.learn.floor_percent = 99"),
            ("[calls.gate]\noff = 0.9", "my.toml:2: calls.gate.off = 0.9 is above calls.gate.on = 0.5"),
            ("[calls.gate]\non = 1.5", "my.toml:2: calls.gate.on = 1.5 is not between 0 and 1"),
            ("[sip]\nlisten = \"abc\"", "my.toml:2: sip.listen: invalid socket address syntax: write IP:PORT"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Settings::load(Some(&path), []).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let variable = ("TIPRING__TURN__DUCK_MS".to_owned(), "900".to_owned());
        let error = Settings::load(None, [variable]).unwrap_err().to_string();
        assert!(error.starts_with("environment variable TIPRING__TURN__DUCK_MS: turn.duck_ms = 900"), "{error}");
    }
}
