//! RTCP, RFC 3550 section 6: sender and receiver reports, the canonical name, BYE, round trip time.

use super::RtpError;

/// Longest compound packet that is written.
pub const MAX_RTCP_BYTES: usize = 256;
/// Longest canonical name written.
const MAX_CNAME: usize = 64;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// An NTP timestamp: seconds since 1900 in the upper half, their fraction in the lower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From nanoseconds since the Unix epoch.
    pub fn from_unix_ns(ns: u64) -> Self {
        let seconds = ns / 1_000_000_000 + 2_208_988_800;
        let fraction = ((ns % 1_000_000_000) << 32) / 1_000_000_000;
        Self((seconds << 32) | fraction)
    }

    /// The middle 32 bits, in units of 1/65,536 s.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// What a sender report says of its sender, section 6.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    /// The sender.
    pub ssrc: u32,
    /// Wall clock of the report.
    pub ntp: NtpTime,
    /// The same instant on the RTP clock.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// What a receiver says of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceptionReport {
    /// The source.
    pub ssrc: u32,
    /// Share lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits.
    pub lost: u32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
    /// The middle bits of the last sender report received; 0 for none.
    pub last_sender_report: u32,
    /// Time since then in units of 1/65,536 s.
    pub delay_since: u32,
}

/// What is of interest in a compound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compound {
    /// The sender report.
    pub sender: Option<SenderInfo>,
    /// The report about our own stream.
    pub about_us: Option<ReceptionReport>,
    /// The source said goodbye.
    pub bye: bool,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reports<'a> {
    /// Our stream; with `packets` of 0 a receiver report is written.
    pub sender: SenderInfo,
    /// The peer's stream, once it is known.
    pub reception: Option<ReceptionReport>,
    /// Our canonical name, at most 64 bytes of it.
    pub cname: &'a str,
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(index * 4..)?.first_chunk::<4>()?))
}

impl Compound {
    /// Reads a compound packet; `our_ssrc` is the stream that we send.
    ///
    /// # Errors
    /// [`RtpError`] when its packets do not add up to the datagram's length (appendix A.2), as far as they are looked at.
    pub fn parse(datagram: &[u8], our_ssrc: u32) -> Result<Self, RtpError> {
        let mut compound = Self::default();
        let mut rest = datagram;
        if rest.is_empty() {
            return Err(RtpError::Truncated);
        }
        while !rest.is_empty() {
            let [b0, kind, l0, l1] = *rest.first_chunk::<4>().ok_or(RtpError::Truncated)?;
            if b0 >> 6 != 2 {
                return Err(RtpError::Version);
            }
            if !(192..=223).contains(&kind) {
                return Err(RtpError::NotRtcp);
            }
            let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
            let packet = rest.get(..length).ok_or(RtpError::Truncated)?;
            rest = rest.get(length..).ok_or(RtpError::Truncated)?;
            let blocks_at = match kind {
                SENDER_REPORT => {
                    compound.sender = Some(sender_info(packet).ok_or(RtpError::Truncated)?);
                    7
                }
                RECEIVER_REPORT => 2,
                BYE => {
                    compound.bye = true;
                    continue;
                }
                _ => continue,
            };
            for block in 0..usize::from(b0 & 0x1f) {
                let report = reception(packet, blocks_at + block * 6).ok_or(RtpError::Truncated)?;
                if report.ssrc == our_ssrc {
                    compound.about_us = Some(report);
                }
            }
        }
        Ok(compound)
    }
}

fn sender_info(packet: &[u8]) -> Option<SenderInfo> {
    Some(SenderInfo {
        ssrc: word(packet, 1)?,
        ntp: NtpTime((u64::from(word(packet, 2)?) << 32) | u64::from(word(packet, 3)?)),
        timestamp: word(packet, 4)?,
        packets: word(packet, 5)?,
        octets: word(packet, 6)?,
    })
}

fn reception(packet: &[u8], at: usize) -> Option<ReceptionReport> {
    let lost = word(packet, at + 1)?;
    Some(ReceptionReport {
        ssrc: word(packet, at)?,
        fraction_lost: (lost >> 24) as u8,
        lost: lost & 0xff_ffff,
        highest_sequence: word(packet, at + 2)?,
        jitter: word(packet, at + 3)?,
        last_sender_report: word(packet, at + 4)?,
        delay_since: word(packet, at + 5)?,
    })
}

/// The round trip time in milliseconds, section 6.4.1: now, less when our report was sent, less how long the peer kept it.
/// `None` when the peer has had no report of ours, or the figures are impossible.
pub fn round_trip_ms(now: NtpTime, report: &ReceptionReport) -> Option<f64> {
    if report.last_sender_report == 0 {
        return None;
    }
    let trip = now.middle().wrapping_sub(report.last_sender_report).wrapping_sub(report.delay_since);
    // The peer rounds its delay: a trip of nothing may come out just below zero.
    let trip = if trip > u32::MAX - 655 { 0 } else { trip };
    (trip < 10 << 16).then(|| f64::from(trip) * 1000.0 / 65_536.0)
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn head(&mut self, count: u8, kind: u8, words: usize) {
        let [l0, l1] = ((words - 1) as u16).to_be_bytes();
        self.bytes(&[0x80 | (count & 0x1f), kind, l0, l1]);
    }
}

/// Writes a report and the canonical name; gives the bytes used.
pub fn write_report(reports: &Reports<'_>, out: &mut [u8; MAX_RTCP_BYTES]) -> usize {
    let mut writer = Writer { out, len: 0 };
    let blocks = usize::from(reports.reception.is_some());
    let sender = &reports.sender;
    if sender.packets > 0 {
        writer.head(blocks as u8, SENDER_REPORT, 7 + 6 * blocks);
        writer.word(sender.ssrc);
        writer.word((sender.ntp.0 >> 32) as u32);
        writer.word(sender.ntp.0 as u32);
        writer.word(sender.timestamp);
        writer.word(sender.packets);
        writer.word(sender.octets);
    } else {
        writer.head(blocks as u8, RECEIVER_REPORT, 2 + 6 * blocks);
        writer.word(sender.ssrc);
    }
    if let Some(report) = &reports.reception {
        writer.word(report.ssrc);
        writer.word((u32::from(report.fraction_lost) << 24) | (report.lost & 0xff_ffff));
        writer.word(report.highest_sequence);
        writer.word(report.jitter);
        writer.word(report.last_sender_report);
        writer.word(report.delay_since);
    }
    write_cname(&mut writer, sender.ssrc, reports.cname);
    writer.len
}

fn write_cname(writer: &mut Writer<'_>, ssrc: u32, cname: &str) {
    let name = cname.as_bytes().get(..cname.len().min(MAX_CNAME)).unwrap_or_default();
    // SSRC, item type, item length, name, then at least one zero, up to a word's end.
    let words = 1 + (4 + 2 + name.len() + 1).div_ceil(4);
    let padding = words * 4 - 4 - 4 - 2 - name.len();
    writer.head(1, SOURCE_DESCRIPTION, words);
    writer.word(ssrc);
    writer.bytes(&[1, name.len() as u8]);
    writer.bytes(name);
    writer.bytes([0u8; 4].get(..padding).unwrap_or_default());
}

/// Writes a report with a BYE behind it (section 6.6); gives the bytes used.
pub fn write_bye(reports: &Reports<'_>, out: &mut [u8; MAX_RTCP_BYTES]) -> usize {
    let len = write_report(reports, out);
    let mut writer = Writer { out, len };
    writer.head(1, BYE, 2);
    writer.word(reports.sender.ssrc);
    writer.len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reports(cname: &str) -> Reports<'_> {
        Reports {
            sender: SenderInfo { ssrc: 1, ntp: NtpTime(0x0123_4567_89ab_cdef), timestamp: 2, packets: 3, octets: 4 },
            reception: Some(ReceptionReport {
                ssrc: 9,
                fraction_lost: 64,
                lost: 0x12_3456,
                highest_sequence: 7,
                jitter: 8,
                last_sender_report: 10,
                delay_since: 11,
            }),
            cname,
        }
    }

    #[test]
    fn what_is_written_is_read_for_names_of_every_length() {
        for len in 0..100 {
            let name = "n".repeat(len);
            let reports = reports(&name);
            let mut out = [0; MAX_RTCP_BYTES];
            let used = write_bye(&reports, &mut out);
            assert_eq!(used % 4, 0);
            let compound = Compound::parse(&out[..used], 9).unwrap();
            assert_eq!(compound, Compound { sender: Some(reports.sender), about_us: reports.reception, bye: true });
            for cut in 0..used {
                let _ = Compound::parse(&out[..cut], 9);
            }
        }
    }

    #[test]
    fn who_has_sent_nothing_writes_a_receiver_report() {
        let mut reports = reports("a@b");
        reports.sender.packets = 0;
        let mut out = [0; MAX_RTCP_BYTES];
        let used = write_report(&reports, &mut out);
        assert_eq!(out[1], RECEIVER_REPORT);
        let compound = Compound::parse(&out[..used], 9).unwrap();
        assert_eq!((compound.sender, compound.about_us), (None, reports.reception));
    }

    #[test]
    fn the_round_trip_of_the_rfc() {
        // RFC 3550 figure 2: 6.125 s.
        let report =
            ReceptionReport { last_sender_report: 0xb705_2000, delay_since: 0x0005_4000, ..ReceptionReport::default() };
        let now = NtpTime(0xb710_8000u64 << 16);
        assert_eq!(round_trip_ms(now, &report), Some(6125.0));
        assert_eq!(round_trip_ms(now, &ReceptionReport::default()), None);
    }

    #[test]
    fn ntp_time_of_the_unix_epoch() {
        assert_eq!(NtpTime::from_unix_ns(1_500_000_000).0, (2_208_988_801 << 32) | (1 << 31));
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Compound::parse(&bytes, 1);
        }

        #[test]
        fn a_damaged_report_does_not_panic(at in 0usize..100, to: u8) {
            let mut out = [0; MAX_RTCP_BYTES];
            let used = write_bye(&reports("name@host"), &mut out);
            out[at % used] = to;
            let _ = Compound::parse(&out[..used], 9);
        }
    }
}
