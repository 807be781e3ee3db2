//! What can be wrong with the settings.

use std::io;
use std::path::PathBuf;

/// Errors of the settings. Each names the file and line, or the variable, and what to write instead where that can be told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration file {path}: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of a file.
    #[error("{file}:{line}: {what}")]
    Line {
        /// The file as it was given.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A variable of the environment.
    #[error("environment variable {name}: {what}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The layers are good, what they make together is not.
    #[error("the settings do not fit together: {what}")]
    Together {
        /// What is wrong.
        what: String,
    },
    /// A room refuses its section.
    #[error("{what}")]
    Refused {
        /// The section.
        section: &'static str,
        /// The key, what is wrong with it and what to write instead.
        what: String,
    },
}
