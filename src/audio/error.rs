//! What can go wrong with sound.

use std::path::PathBuf;

/// Errors of this room.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The encoding name is none that this program speaks.
    #[error("codec '{name}' is unknown; use one of PCMU, PCMA, G722")]
    UnknownCodec {
        /// The name as it was given.
        name: String,
    },
    /// A sample rate that cannot be converted.
    #[error("cannot convert {from_hz} Hz to {to_hz} Hz: rates from 4000 to 384000 Hz are supported")]
    Rate {
        /// The rate of the input.
        from_hz: u32,
        /// The rate asked for.
        to_hz: u32,
    },
    /// The resampler refused the data.
    #[error("resampling from {from_hz} Hz to {to_hz} Hz failed: {what}")]
    Resample {
        /// The rate of the input.
        from_hz: u32,
        /// The rate asked for.
        to_hz: u32,
        /// What the resampler said.
        what: String,
    },
    /// A WAV file cannot be opened, read or written.
    #[error("{}: {what}", path.display())]
    WavFile {
        /// The file.
        path: PathBuf,
        /// What happened, and the fix.
        what: String,
    },
    /// WAV data that is no file on disk (or whose file is not known) cannot be read or written.
    #[error("WAV data: {what}")]
    Wav {
        /// What happened, and the fix.
        what: String,
    },
    /// The weights of a model cannot be read.
    #[error("the file {what}")]
    Model {
        /// What is wrong with it.
        what: String,
    },
}
