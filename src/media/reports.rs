//! When RTCP goes out, and what it says (RFC 3550 section 6).

use super::port::{Channel, Outgoing};
use crate::rtp::{
    Compound, MAX_RTCP_BYTES, NS_PER_MS, NtpTime, ReceiveStats, Reports, SenderInfo, Sequence, round_trip_ms,
    write_bye, write_report,
};
use std::net::SocketAddr;

/// The mean time between reports. It is drawn anew between half and one and a half of it each time (section 6.2).
const INTERVAL_NS: u64 = 5000 * NS_PER_MS;

/// The last sender report of the peer.
#[derive(Clone, Copy)]
struct LastReport {
    ntp: NtpTime,
    arrived_ns: u64,
}

/// RTCP of one port.
pub(super) struct RtcpClock {
    unix_origin_ns: u64,
    cname: String,
    random: u64,
    next_ns: u64,
    last: Option<LastReport>,
    pub rtt_ms: Option<f64>,
}

/// What a report is made of.
pub(super) struct Facts<'a> {
    pub ssrc: u32,
    pub timestamp: u32,
    pub packets: u64,
    pub octets: u64,
    /// The peer's stream.
    pub reception: Option<(&'a mut ReceiveStats, &'a Sequence, u32)>,
}

impl RtcpClock {
    pub fn new(unix_origin_ns: u64, cname: String, seed: u64) -> Self {
        let mut clock = Self { unix_origin_ns, cname, random: seed | 1, next_ns: 0, last: None, rtt_ms: None };
        // The first report after half the usual time.
        clock.next_ns = clock.interval() / 2;
        clock
    }

    fn interval(&mut self) -> u64 {
        // xorshift64: a spread, not a secret.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        INTERVAL_NS / 2 + self.random % INTERVAL_NS
    }

    fn ntp(&self, now_ns: u64) -> NtpTime {
        NtpTime::from_unix_ns(self.unix_origin_ns.saturating_add(now_ns))
    }

    /// A compound packet came.
    pub fn received(&mut self, now_ns: u64, compound: &Compound) {
        if let Some(sender) = compound.sender {
            self.last = Some(LastReport { ntp: sender.ntp, arrived_ns: now_ns });
        }
        if let Some(report) = compound.about_us {
            self.rtt_ms = round_trip_ms(self.ntp(now_ns), &report).or(self.rtt_ms);
        }
    }

    pub fn due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_ns
    }

    /// Writes the report, with a BYE when it is the last.
    pub fn send(
        &mut self,
        now_ns: u64,
        facts: Facts<'_>,
        bye: bool,
        to: Option<SocketAddr>,
        out: &mut impl FnMut(Outgoing<'_>),
    ) {
        self.next_ns = now_ns + self.interval();
        let Some(to) = to else { return };
        let reception = facts.reception.map(|(stats, sequence, ssrc)| {
            let mut report = stats.report(sequence, ssrc);
            if let Some(last) = self.last {
                let held_ns = u128::from(now_ns.saturating_sub(last.arrived_ns));
                report.last_sender_report = last.ntp.middle();
                report.delay_since = (held_ns * 65_536 / 1_000_000_000) as u32;
            }
            report
        });
        let sender = SenderInfo {
            ssrc: facts.ssrc,
            ntp: self.ntp(now_ns),
            timestamp: facts.timestamp,
            packets: facts.packets as u32,
            octets: facts.octets as u32,
        };
        let reports = Reports { sender, reception, cname: &self.cname };
        let mut buffer = [0; MAX_RTCP_BYTES];
        let used = if bye { write_bye(&reports, &mut buffer) } else { write_report(&reports, &mut buffer) };
        out(Outgoing { channel: Channel::Rtcp, to, bytes: buffer.get(..used).unwrap_or_default() });
    }
}
