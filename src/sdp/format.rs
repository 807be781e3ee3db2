//! Formats and directions: the words both sides of a negotiation share.

/// An RTP payload format as named by `a=rtpmap` (RFC 8866 section 6.6), one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name as registered, for instance `PCMU`; compared without regard to case.
    pub encoding: String,
    /// RTP clock rate in Hz (8000 for G722 too, RFC 3551 section 4.5.2).
    pub clock_hz: u32,
}

impl Format {
    /// A format.
    pub fn new(payload_type: u8, encoding: impl Into<String>, clock_hz: u32) -> Self {
        Self { payload_type, encoding: encoding.into(), clock_hz }
    }
}

/// Which way the audio flows, from our point of view (RFC 3264 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From us only: the peer may go on hold with this, or we put it on hold.
    SendOnly,
    /// Towards us only: the peer holds us and may play music.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction with these two halves.
    pub fn from_halves(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// We send audio.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// We receive audio.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same stream seen from the other side.
    pub fn reversed(self) -> Self {
        Self::from_halves(self.receives(), self.sends())
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that an attribute names.
    pub fn from_attribute(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }
}

/// Payload types that may be listed without `a=rtpmap` (RFC 3551 table 4, one channel).
pub(super) fn static_format(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        11 => ("L16", 44100),
        12 => ("QCELP", 8000),
        13 => ("CN", 8000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11025),
        17 => ("DVI4", 22050),
        18 => ("G729", 8000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_a_direction_twice_gives_it_back() {
        for direction in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
            assert_eq!(direction.reversed().reversed(), direction);
            assert_eq!(Direction::from_attribute(direction.as_str()), Some(direction));
        }
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert!(!Direction::Inactive.sends() && !Direction::Inactive.receives());
    }
}
