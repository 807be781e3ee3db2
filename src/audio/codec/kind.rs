//! Names and numbers of the codecs (RFC 3551, table 4).

use crate::audio::AudioError;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A codec of the line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CodecKind {
    /// G.711 µ-law, 8 kHz, 64 kbit/s.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law, 8 kHz, 64 kbit/s.
    #[serde(rename = "PCMA")]
    Pcma,
    /// G.722, 16 kHz, 64 kbit/s.
    #[serde(rename = "G722")]
    G722,
}

impl CodecKind {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::G722, Self::Pcmu, Self::Pcma];

    /// Encoding name in an `a=rtpmap` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// Clock of the RTP timestamp in Hz. 8000 for all three: G.722 keeps it by an old mistake that RFC 3551, section 4.5.2,
    /// made the rule.
    pub const fn rtp_clock_hz(self) -> u32 {
        8000
    }

    /// Rate of the coded audio in Hz.
    pub const fn audio_rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 => 16_000,
        }
    }

    /// Static payload type.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }

    /// The codec of a static payload type, if it is one of these.
    pub const fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }
}

impl fmt::Display for CodecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CodecKind {
    type Err = AudioError;

    /// By encoding name, in any case (RFC 4855, section 3).
    fn from_str(name: &str) -> Result<Self, AudioError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| AudioError::UnknownCodec { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_payload_types_go_both_ways() {
        for kind in CodecKind::ALL {
            assert_eq!(kind.to_string().to_lowercase().parse::<CodecKind>().unwrap(), kind);
            assert_eq!(CodecKind::from_payload_type(kind.payload_type()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(CodecKind::from_payload_type(18), None);
        let error = "opus".parse::<CodecKind>().unwrap_err().to_string();
        assert!(error.contains("opus") && error.contains("G722"), "{error}");
    }
}
