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
    #[error("{file}: cannot be read: {why}{}", fix(.why))]
    Read {
        /// The file or folder.
        file: String,
        /// Why. Not the error's source: it is told already.
        why: std::io::Error,
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

/// What to do about a folder or file that cannot be read.
fn fix(why: &std::io::Error) -> &'static str {
    match why.kind() {
        std::io::ErrorKind::NotFound => "; write a folder that is there, from where the file that names it lies",
        std::io::ErrorKind::NotADirectory => "; write the folder, not a file in it",
        std::io::ErrorKind::InvalidData => "; save it as UTF-8",
        _ => "",
    }
}
