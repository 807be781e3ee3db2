//! What counts as hearing the agent: pieces of 5 ms, and the spurts of speech that they make up.

use crate::audio::SAMPLE_RATE_HZ;
use crate::audio::level::{AUDIBLE_DBFS, rms_dbfs};
use std::time::Duration;

/// The amplitude of [`AUDIBLE_DBFS`] in 16-bit steps.
pub const AUDIBLE_AMPLITUDE: i16 = 104;
/// Samples in a piece: 5 ms at 16 kHz.
pub const PIECE_SAMPLES: usize = 80;
/// Silences shorter than this are part of the spurt around them.
pub const BRIDGE: Duration = Duration::from_millis(200);
/// Audible pieces in a row that make the beginning of a spurt: a single click is none.
const ONSET_PIECES: u32 = 2;

/// The length of `samples` samples at 16 kHz.
pub(super) fn span(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * (1_000_000_000 / u64::from(SAMPLE_RATE_HZ)))
}

/// 5 ms of what was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Piece {
    /// RMS level in dBFS, see [`rms_dbfs`].
    pub level_dbfs: f32,
    /// Offsets of the first and the last sample of at least [`AUDIBLE_AMPLITUDE`]; none when the piece is not audible.
    pub loud: Option<(u16, u16)>,
}

impl Piece {
    /// Measures up to 5 ms of samples at 16 kHz.
    pub fn measure(samples: &[i16]) -> Self {
        let level_dbfs = rms_dbfs(samples);
        let is_loud = |s: &i16| s.unsigned_abs() >= AUDIBLE_AMPLITUDE.unsigned_abs();
        // A level over the threshold implies a sample over the threshold.
        let loud = (level_dbfs > AUDIBLE_DBFS)
            .then(|| Some((samples.iter().position(is_loud)? as u16, samples.iter().rposition(is_loud)? as u16)))
            .flatten();
        Self { level_dbfs, loud }
    }

    /// Cuts a packet's samples at 16 kHz into pieces; the last may be shorter.
    pub fn cut(samples: &[i16]) -> impl Iterator<Item = Self> {
        samples.chunks(PIECE_SAMPLES).map(Self::measure)
    }
}

/// A stretch of agent speech: audible pieces with no silence of [`BRIDGE`] among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spurt {
    /// The first audible sample, since the telephone's origin.
    pub began: Duration,
    /// Just after the last audible sample.
    pub ended: Duration,
}

/// Makes spurts of pieces, one piece at a time.
#[derive(Clone, Debug, Default)]
pub struct SpurtFinder {
    spurts: Vec<Spurt>,
    candidate: Option<(Spurt, u32)>,
}

impl SpurtFinder {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, in the order of arrival. `at` is the time of its first sample since the telephone's origin.
    /// Returns whether a new spurt begins with it.
    pub fn push(&mut self, at: Duration, piece: &Piece) -> bool {
        let Some((first, last)) = piece.loud else {
            self.candidate = None;
            return false;
        };
        let loud = Spurt { began: at + span(first.into()), ended: at + span(usize::from(last) + 1) };
        if let Some(current) = self.spurts.last_mut()
            && loud.began < current.ended + BRIDGE
        {
            current.ended = current.ended.max(loud.ended);
            self.candidate = None;
            return false;
        }
        let (spurt, run) = match self.candidate.take() {
            Some((begun, run)) => (Spurt { began: begun.began, ended: loud.ended }, run + 1),
            None => (loud, 1),
        };
        if run < ONSET_PIECES {
            self.candidate = Some((spurt, run));
            return false;
        }
        self.spurts.push(spurt);
        true
    }

    /// All spurts so far, the last one perhaps still going on.
    pub fn spurts(&self) -> &[Spurt] {
        &self.spurts
    }

    /// The latest spurt.
    pub fn latest(&self) -> Option<Spurt> {
        self.spurts.last().copied()
    }

    /// All spurts, when nothing more will be heard.
    pub fn into_spurts(self) -> Vec<Spurt> {
        self.spurts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn feed(finder: &mut SpurtFinder, from_ms: u64, to_ms: u64, samples: &[i16]) {
        for at in (from_ms..to_ms).step_by(5) {
            finder.push(ms(at), &Piece::measure(samples));
        }
    }

    #[test]
    fn the_amplitude_is_the_level() {
        let amplitude = 32_768.0 * 10f64.powf(f64::from(AUDIBLE_DBFS) / 20.0);
        assert_eq!(AUDIBLE_AMPLITUDE, amplitude.ceil() as i16);
        assert!(Piece::measure(&[AUDIBLE_AMPLITUDE; PIECE_SAMPLES]).loud.is_some());
        assert!(Piece::measure(&[AUDIBLE_AMPLITUDE - 1; PIECE_SAMPLES]).loud.is_none());
    }

    #[test]
    fn a_spurt_begins_at_its_first_loud_sample() {
        let mut samples = [0i16; 3 * PIECE_SAMPLES];
        samples[100..200].fill(4000);
        let mut finder = SpurtFinder::new();
        for (i, piece) in Piece::cut(&samples).enumerate() {
            finder.push(ms(1000 + 5 * i as u64), &piece);
        }
        assert_eq!(finder.spurts(), [Spurt { began: ms(1000) + span(100), ended: ms(1000) + span(200) }]);
    }

    #[test]
    fn short_silences_are_bridged_and_long_ones_are_not() {
        let loud = [3000; PIECE_SAMPLES];
        let mut finder = SpurtFinder::new();
        feed(&mut finder, 0, 100, &loud);
        feed(&mut finder, 100, 250, &[0; PIECE_SAMPLES]);
        feed(&mut finder, 250, 300, &loud);
        feed(&mut finder, 300, 505, &[0; PIECE_SAMPLES]);
        feed(&mut finder, 505, 600, &loud);
        let found: Vec<_> = finder.spurts().iter().map(|s| (s.began, s.ended)).collect();
        assert_eq!(found, [(ms(0), ms(300)), (ms(505), ms(600))]);
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut finder = SpurtFinder::new();
        feed(&mut finder, 0, 5, &[9000; PIECE_SAMPLES]);
        feed(&mut finder, 5, 400, &[20; PIECE_SAMPLES]);
        assert!(finder.spurts().is_empty());
    }

    #[test]
    fn packets_that_arrive_in_a_burst_make_one_spurt() {
        let loud = [3000; PIECE_SAMPLES];
        let mut finder = SpurtFinder::new();
        for arrival in [100, 101, 141, 142] {
            feed(&mut finder, arrival, arrival + 20, &loud);
        }
        assert_eq!(finder.spurts(), [Spurt { began: ms(100), ended: ms(162) }]);
    }
}
