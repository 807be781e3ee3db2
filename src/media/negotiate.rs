//! From codecs to what SDP offers, and from what was agreed to the parameters of a stream.

use super::MediaError;
use crate::audio::CodecKind;
use crate::sdp::{Agreed, Format};
use std::net::SocketAddr;

/// How a stream is to be sent and received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamParams {
    /// The codec.
    pub codec: CodecKind,
    /// Its RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The payload type of telephone events, where both sides have them.
    pub dtmf_payload_type: Option<u8>,
    /// Where the peer wants RTP.
    pub remote: SocketAddr,
    /// Where the peer wants RTCP.
    pub remote_rtcp: SocketAddr,
    /// We send.
    pub send: bool,
    /// We listen. What comes all the same is not heard.
    pub receive: bool,
    /// Milliseconds of sound in a packet that we send, a multiple of 10 from 10 to 60.
    pub ptime_ms: u32,
}

impl StreamParams {
    /// PCMU or another codec with its static payload type, both ways, 20 ms, telephone events as 101.
    pub fn new(codec: CodecKind, remote: SocketAddr) -> Self {
        let remote_rtcp = SocketAddr::new(remote.ip(), remote.port().saturating_add(1));
        Self {
            codec,
            payload_type: codec.payload_type(),
            dtmf_payload_type: Some(101),
            remote,
            remote_rtcp,
            send: true,
            receive: true,
            ptime_ms: 20,
        }
    }
}

impl TryFrom<&Agreed> for StreamParams {
    type Error = MediaError;

    fn try_from(agreed: &Agreed) -> Result<Self, MediaError> {
        let codec = agreed
            .encoding
            .parse()
            .map_err(|_| MediaError::UnknownEncoding(agreed.encoding.escape_debug().to_string()))?;
        Ok(Self {
            codec,
            payload_type: agreed.payload_type,
            dtmf_payload_type: agreed.dtmf_payload_type,
            remote: agreed.remote,
            remote_rtcp: agreed.remote_rtcp,
            send: agreed.direction.sends(),
            receive: agreed.direction.receives(),
            ptime_ms: (agreed.ptime_ms / 10 * 10).clamp(10, 60),
        })
    }
}

/// What SDP offers for these codecs, in their order, each once.
pub fn formats(codecs: &[CodecKind]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::with_capacity(codecs.len());
    for codec in codecs {
        let format = Format::new(codec.payload_type(), codec.name(), codec.rtp_clock_hz());
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Direction;

    fn agreed(encoding: &str) -> Agreed {
        Agreed {
            payload_type: 96,
            encoding: encoding.to_owned(),
            dtmf_payload_type: Some(101),
            remote: "192.0.2.1:4000".parse().unwrap(),
            remote_rtcp: "192.0.2.1:4001".parse().unwrap(),
            direction: Direction::SendOnly,
            ptime_ms: 30,
        }
    }

    #[test]
    fn what_was_agreed_becomes_parameters() {
        let params = StreamParams::try_from(&agreed("g722")).unwrap();
        assert_eq!((params.codec, params.payload_type, params.ptime_ms), (CodecKind::G722, 96, 30));
        assert!(params.send && !params.receive);
        let odd = StreamParams::try_from(&Agreed { ptime_ms: 0, ..agreed("PCMA") }).unwrap();
        assert_eq!(odd.ptime_ms, 10);
        assert!(matches!(StreamParams::try_from(&agreed("opus")), Err(MediaError::UnknownEncoding(_))));
    }

    #[test]
    fn formats_keep_their_order_and_come_once() {
        let formats = formats(&[CodecKind::G722, CodecKind::Pcmu, CodecKind::G722]);
        let names: Vec<_> = formats.iter().map(|format| (format.payload_type, format.encoding.as_str())).collect();
        assert_eq!(names, [(9, "G722"), (0, "PCMU")]);
        assert!(formats.iter().all(|format| format.clock_hz == 8000));
    }
}
