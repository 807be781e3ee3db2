//! Why a session description is of no use to us.

/// What was wrong with a peer's session description. The text is fit to be sent as the reason of a refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// More than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("session description of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than [`MAX_MEDIA`](super::MAX_MEDIA) media lines.
    #[error("session description has too many media lines")]
    TooManyMedia,
    /// Not a session description.
    #[error("session description is malformed at line {line}: {why}")]
    Malformed {
        /// Line, counted from 1.
        line: usize,
        /// What was expected there.
        why: &'static str,
    },
    /// No audio stream, or every one of them is switched off (port 0).
    #[error("no audio stream was offered")]
    NoAudio,
    /// Audio is there, but only over a transport that we do not speak, for instance `RTP/SAVP`: the peer insists on SRTP.
    #[error("audio was offered over {protocol} only, RTP/AVP is needed (switch media encryption off for this peer)")]
    NoCommonTransport {
        /// The transport of the last audio stream.
        protocol: String,
    },
    /// Audio over RTP is there, but in no encoding that we have.
    #[error("no common codec, the peer has {theirs}")]
    NoCommonCodec {
        /// The peer's encodings, for instance `opus/48000 GSM/8000`.
        theirs: String,
    },
    /// The address in `c=` cannot be used: a host name, or of another family than our own.
    #[error("media address {address} cannot be used")]
    UnsupportedAddress {
        /// The address as written.
        address: String,
    },
    /// The peer answered our stream with port 0.
    #[error("the peer refused the audio stream")]
    Refused,
}

impl SdpError {
    /// The SIP status that refuses an offer with this fault: 400 for broken text, 413 for too much of it, else 488.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooLong { .. } | Self::TooManyMedia => 413,
            Self::NoAudio
            | Self::NoCommonTransport { .. }
            | Self::NoCommonCodec { .. }
            | Self::UnsupportedAddress { .. }
            | Self::Refused => 488,
        }
    }
}
