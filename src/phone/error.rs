//! What can go wrong with the telephone itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the telephone cannot call, speak or measure.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The RTP socket cannot be opened.
    #[error("cannot open a UDP socket for RTP on {address}: {source}")]
    Socket {
        /// The local address wanted.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start the telephone's RTP thread: {0}")]
    Thread(io::Error),
    /// A sound file cannot be used.
    #[error("{}: {what}", path.display())]
    Sound {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the fix.
        what: String,
    },
    /// A line holds no speech: there is nothing to measure from.
    #[error("'{what}' holds no audible speech; is it empty, or much quieter than {dbfs} dBFS?")]
    Silent {
        /// The file or the words.
        what: String,
        /// The threshold.
        dbfs: f32,
    },
    /// Signalling failed before or while calling.
    #[error("{0}")]
    Signalling(String),
    /// The peer refused the call.
    #[error("{target} did not take the call: {status} {reason}")]
    Refused {
        /// Who was called.
        target: String,
        /// The final SIP status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The two sides have no codec in common, or the answer makes no sense.
    #[error("no audio was agreed on with {peer}: {what}")]
    Media {
        /// The peer.
        peer: String,
        /// What is wrong.
        what: String,
    },
    /// The report cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
