use std::path::{Path, PathBuf};

/// Why a model cannot be had. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The list of models is wrong.
    #[error("{list}: {what}")]
    Manifest {
        /// The file, or how the compiled-in one is called.
        list: String,
        /// What is wrong.
        what: String,
    },
    /// No model has this name.
    #[error("there is no model '{name}'; `tipring models list` knows: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The list has no sum for the file.
    #[error(
        "{file} cannot be verified: the list of models has no sha256 for it. Put one into a list of your own \
         (models.manifest), or take it unverified with --allow-unverified"
    )]
    Unverifiable {
        /// The file's name.
        file: String,
    },
    /// The address is wrong.
    #[error("{url}: {what}; see models.mirror and the list of models")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// The server cannot be reached, or the connection was cut more often than is put up with.
    #[error(
        "{url}: {what}; what came is kept, the same command takes it up again. Where that server is out of reach, set \
         models.mirror, or put the file into {dir} yourself"
    )]
    Cut {
        /// The address.
        url: String,
        /// What happened.
        what: String,
        /// The folder that the file belongs into.
        dir: PathBuf,
    },
    /// The server has something else to say.
    #[error("{url}: the server answers {status}; {fix}")]
    Status {
        /// The address.
        url: String,
        /// The status line.
        status: String,
        /// What to do.
        fix: &'static str,
    },
    /// The file is not the one that the list means.
    #[error(
        "{path}: {what}. What was fetched is removed. Fetch it again; if it stays so, the server or mirror has another file \
         than the list of models means"
    )]
    Wrong {
        /// The file.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// The disk is full.
    #[error(
        "{path}: no space left on the disk ({missing}); free some, or set models.dir to a folder elsewhere. What came is \
         kept, the same command takes it up again"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// How much is still to come.
        missing: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}; see models.dir")]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ModelError {
    /// An error of the disk, told apart where it is full.
    pub(super) fn disk(path: &Path, source: std::io::Error, missing: Option<u64>) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full {
                path: path.to_owned(),
                missing: missing.map_or("an unknown amount is still to come".into(), |bytes| {
                    format!("{:.1} MB are still to come", bytes as f64 / 1e6)
                }),
            },
            _ => Self::Disk { path: path.to_owned(), source },
        }
    }
}
