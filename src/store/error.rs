//! What can go wrong with the disk.

use std::io;
use std::path::PathBuf;

/// Errors of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("{path}: cannot {what}: {source}{}", advice(.source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process writes here.
    #[error("{path} is in use by another tipring: stop it, or give this one its own folder with data_dir")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A record on disk is not one.
    #[error("{path}: not a call record: {source}")]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The disk thread could not be started.
    #[error("cannot start the disk thread: {source}")]
    Thread {
        /// Why not.
        source: io::Error,
    },
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// What to do about it, where that can be said.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => " (free some space; calls go on meanwhile)",
        io::ErrorKind::PermissionDenied => " (make it writable for this user, or choose another folder with data_dir)",
        io::ErrorKind::ReadOnlyFilesystem => " (choose a folder on a writable file system with data_dir)",
        _ => "",
    }
}
