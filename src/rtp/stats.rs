//! What arrived: loss and jitter as RFC 3550 defines them, and what became of the packets.

use super::{NS_PER_MS, ReceptionReport, Sequence};

/// Counters of one receiving stream.
#[derive(Clone, Debug)]
pub struct ReceiveStats {
    clock_hz: u32,
    /// Valid packets from the locked source, duplicates not counted.
    pub received: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came after their place had been filled.
    pub late: u64,
    /// Datagrams that were not RTP, or not from the locked source, or of no agreed payload type.
    pub rejected: u64,
    transit: Option<i64>,
    /// Jitter in units of the RTP clock, times 16, as in appendix A.8.
    jitter_x16: u64,
    jitter_max_x16: u64,
    prior_expected: u64,
    prior_received: u64,
}

impl ReceiveStats {
    /// For an encoding whose RTP clock runs at `clock_hz`.
    pub fn new(clock_hz: u32) -> Self {
        Self {
            clock_hz: clock_hz.max(1),
            received: 0,
            duplicate: 0,
            late: 0,
            rejected: 0,
            transit: None,
            jitter_x16: 0,
            jitter_max_x16: 0,
            prior_expected: 0,
            prior_received: 0,
        }
    }

    /// A packet with audio arrived at `now_ns`. Appendix A.8; packets in order only, so that reordering is not jitter.
    pub fn arrived(&mut self, now_ns: u64, timestamp: u32) {
        let now = (u128::from(now_ns) * u128::from(self.clock_hz) / 1_000_000_000) as i64;
        // The difference is taken in the 32 bits of the timestamp: it wraps.
        let transit = i64::from((now as u32).wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit {
            let step = i64::from((transit as i32).wrapping_sub(before as i32)).unsigned_abs();
            // A step of more than a second is a new time base, not jitter.
            if step < u64::from(self.clock_hz) {
                self.jitter_x16 = (self.jitter_x16 + step).saturating_sub((self.jitter_x16 + 8) >> 4);
                self.jitter_max_x16 = self.jitter_max_x16.max(self.jitter_x16);
            }
        }
        self.transit = Some(transit);
    }

    /// The time base changes: the next packet is not compared with the last.
    pub fn restart(&mut self) {
        self.transit = None;
    }

    /// Interarrival jitter in nanoseconds.
    pub fn jitter_ns(&self) -> u64 {
        self.jitter_x16 * 1_000_000_000 / 16 / u64::from(self.clock_hz)
    }

    /// Interarrival jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        self.jitter_ns() as f64 / NS_PER_MS as f64
    }

    /// The largest jitter so far, in milliseconds.
    pub fn jitter_max_ms(&self) -> f64 {
        self.jitter_max_x16 as f64 * 1000.0 / 16.0 / f64::from(self.clock_hz)
    }

    /// Packets that never came, appendix A.3; not negative.
    pub fn lost(&self, sequence: &Sequence) -> u64 {
        sequence.expected().saturating_sub(self.received)
    }

    /// The block of a reception report about `ssrc`, and the start of the next interval.
    pub fn report(&mut self, sequence: &Sequence, ssrc: u32) -> ReceptionReport {
        let expected = sequence.expected().saturating_sub(self.prior_expected);
        let received = self.received.saturating_sub(self.prior_received);
        self.prior_expected = sequence.expected();
        self.prior_received = self.received;
        let lost = expected.saturating_sub(received);
        ReceptionReport {
            ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: self.lost(sequence).min(0x7f_ffff) as u32,
            highest_sequence: sequence.highest(),
            jitter: (self.jitter_x16 >> 4) as u32,
            last_sender_report: 0,
            delay_since: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_have_no_jitter_and_uneven_ones_converge() {
        let mut even = ReceiveStats::new(8000);
        let mut uneven = ReceiveStats::new(8000);
        for n in 0..500u64 {
            let timestamp = (n as u32).wrapping_mul(160).wrapping_sub(40_000);
            even.arrived(n * 20 * NS_PER_MS, timestamp);
            uneven.arrived((n * 20 + (n % 2) * 10) * NS_PER_MS, timestamp);
        }
        assert_eq!(even.jitter_ns(), 0);
        // Every step differs by 10 ms, so the estimate tends to 10 ms.
        assert!((9.0..=10.5).contains(&uneven.jitter_ms()), "{}", uneven.jitter_ms());
    }

    #[test]
    fn a_new_time_base_is_not_jitter() {
        let mut stats = ReceiveStats::new(8000);
        stats.arrived(0, 0);
        stats.arrived(20 * NS_PER_MS, 0x7000_0000);
        assert_eq!(stats.jitter_ns(), 0);
    }

    #[test]
    fn fraction_lost_is_of_the_interval() {
        let mut stats = ReceiveStats::new(8000);
        let mut sequence = Sequence::default();
        for n in (0..100u16).filter(|n| n % 4 != 1) {
            sequence.place(n);
            stats.received += 1;
        }
        let report = stats.report(&sequence, 7);
        assert_eq!((report.fraction_lost, report.lost, report.highest_sequence), (64, 25, 99));
        sequence.place(100);
        stats.received += 1;
        assert_eq!(stats.report(&sequence, 7).fraction_lost, 0);
    }
}
