//! How punctually the peer's packets come: each against the ideal clock of its stream. Pure.

use super::measure::percentile;
use std::time::Duration;

/// A longer time without a packet is a silence: the stream's clock is found anew behind it.
const SILENCE: Duration = Duration::from_millis(200);
/// Time of a packet.
const PTIME_MS: f64 = 20.0;
/// Packets of one hour: no more are kept.
const MOST: usize = 180_000;

/// Collects how late packets are. The earliest packet of a stretch of speech is on time by definition.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// Of the stretch that is going on: arrival less what the number of the packet says, in milliseconds.
    offsets: Vec<f64>,
    late: Vec<f64>,
    last: Option<Duration>,
}

impl Lateness {
    /// The packet with this number in its source (a sequence number without wrap) came at `at`.
    pub(super) fn packet(&mut self, at: Duration, number: i64) {
        if self.last.is_some_and(|last| at.saturating_sub(last) > SILENCE) {
            self.settle();
        }
        self.last = Some(at);
        if self.late.len() + self.offsets.len() < MOST {
            self.offsets.push(at.as_secs_f64() * 1000.0 - number as f64 * PTIME_MS);
        }
    }

    /// The stretch is over: what comes next has a clock of its own.
    pub(super) fn settle(&mut self) {
        let first = self.offsets.iter().copied().fold(f64::INFINITY, f64::min);
        self.late.extend(self.offsets.drain(..).map(|offset| offset - first));
    }

    /// The 99th percentile and the largest, in milliseconds.
    pub(super) fn finish(mut self) -> (Option<f64>, Option<f64>) {
        self.settle();
        (percentile(&self.late, 99.0), percentile(&self.late, 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_against_the_earliest_of_the_stretch() {
        let mut lateness = Lateness::default();
        for n in 0..200u64 {
            // One packet in a hundred is 30 ms late; behind the silence the numbers go on where they stopped.
            let silence = if n >= 100 { 3000 } else { 0 };
            let late = if n % 100 == 50 { 30 } else { 2 };
            lateness.packet(Duration::from_millis(1000 + 20 * n + silence + late), n as i64);
        }
        let (p99, max) = lateness.finish();
        assert_eq!((p99.map(f64::round), max.map(f64::round)), (Some(0.0), Some(28.0)));
        assert_eq!(Lateness::default().finish(), (None, None));
    }
}
