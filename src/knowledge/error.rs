//! What can be wrong with a folder of facts, in words that name the file, the line and the fix.

use std::fmt;

/// One mistake in a file of facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and the fix.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Why a folder of facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A file or the folder cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Read {
        /// The file or folder.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no fact in it.
    #[error("{folder}: holds no facts: write them into .md or .csv files (docs/knowledge.md)")]
    Empty {
        /// The folder.
        folder: String,
    },
    /// All mistakes, by file and line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Mistake>),
}
