//! The RTP packet, RFC 3550 section 5.1.

use super::RtpError;

/// Bytes of the fixed header, which is all that is ever written.
pub const HEADER_BYTES: usize = 12;

/// A packet as it came, its payload borrowed from the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// The fields of the fixed header that matter.
    pub header: Header,
    /// What lies between CSRC list and extension on the one side and padding on the other.
    pub payload: &'a [u8],
}

/// The fixed header, without CSRC list, extension and padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// First packet of a talkspurt (RFC 3551 section 4.1), or of a telephone event.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples of the encoding's RTP clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// Writes the 12 bytes.
    pub fn write(&self, out: &mut [u8; HEADER_BYTES]) {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let marker = if self.marker { 0x80 } else { 0 };
        *out = [0x80, marker | (self.payload_type & 0x7f), s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
    }
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`RtpError`] when it is no RTP packet, or its CSRC list, extension or padding reach beyond its end.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let (head, rest) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(RtpError::Truncated)?;
        let [b0, b1, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *head;
        if b0 >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut payload = rest.get(usize::from(b0 & 0x0f) * 4..).ok_or(RtpError::Truncated)?;
        if b0 & 0x10 != 0 {
            let ([_, _, l0, l1], after) = payload.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
            payload = after.get(usize::from(u16::from_be_bytes([*l0, *l1])) * 4..).ok_or(RtpError::Truncated)?;
        }
        if b0 & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(RtpError::Padding)?);
            let end = payload.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
            payload = payload.get(..end).ok_or(RtpError::Padding)?;
        }
        let header = Header {
            marker: b1 & 0x80 != 0,
            payload_type: b1 & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Self { header, payload })
    }
}

/// Whether a datagram on an RTP port is RTCP, RFC 5761 section 4: the second byte is 192 to 223.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> Header {
        Header { marker: true, payload_type: 9, sequence: 0xfffe, timestamp: 0x0102_0304, ssrc: 0xdead_beef }
    }

    #[test]
    fn csrc_extension_and_padding_are_taken_off() {
        let mut fixed = [0; HEADER_BYTES];
        header().write(&mut fixed);
        fixed[0] |= 0x20 | 0x10 | 2;
        let mut datagram = fixed.to_vec();
        datagram.extend([1; 8]); // two CSRCs
        datagram.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]); // one word of extension
        datagram.extend([7, 8, 9]);
        datagram.extend([0, 0, 3]); // padding
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!(packet, Packet { header: header(), payload: &[7, 8, 9] });
    }

    #[test]
    fn every_truncation_of_every_shape_is_refused_or_shorter() {
        for flags in 0..=0xffu8 {
            for len in 0..=200usize {
                let mut datagram = vec![0xa5u8; len];
                if let Some(first) = datagram.first_mut() {
                    *first = flags;
                }
                if let Ok(packet) = Packet::parse(&datagram) {
                    assert!(flags >> 6 == 2 && packet.payload.len() + HEADER_BYTES <= len);
                }
            }
        }
    }

    #[test]
    fn padding_that_eats_more_than_the_payload_is_refused() {
        let mut datagram = vec![0; 16];
        datagram[0] = 0xa0;
        datagram[15] = 5;
        assert_eq!(Packet::parse(&datagram), Err(RtpError::Padding));
        datagram[15] = 0;
        assert_eq!(Packet::parse(&datagram), Err(RtpError::Padding));
        datagram[15] = 4;
        assert_eq!(Packet::parse(&datagram).unwrap().payload, b"");
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packet::parse(&bytes);
            let _ = is_rtcp(&bytes);
        }

        #[test]
        fn what_is_written_is_read(marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
                                   payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let mut fixed = [0; HEADER_BYTES];
            header.write(&mut fixed);
            let datagram = [&fixed[..], &payload].concat();
            prop_assert_eq!(Packet::parse(&datagram).unwrap(), Packet { header, payload: &payload });
        }
    }
}
