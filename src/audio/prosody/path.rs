//! The most likely course of the pitch, found 100 ms later.
//!
//! Each window has some candidates and the state of not being voiced. As in pYIN (Mauch and Dixon, ICASSP 2014) the course is
//! the best path through them by Viterbi's algorithm; the costs of jumps and of beginning or ceasing to be voiced are
//! Boersma's (1993). The path is followed back for a fixed number of steps, so that it can be heard as it grows.

use super::RATE_HZ;
use super::pitch::{CANDIDATE_HZ, Correlation};

/// Steps by which the pitch is late.
pub(super) const LATE: usize = 10;
/// Candidates of a window; one more state is not to be voiced.
const CANDIDATES: usize = 6;
const STATES: usize = CANDIDATES + 1;
/// The state of not being voiced.
const UNVOICED: usize = CANDIDATES;
/// What not to be voiced is worth: the path itself is evidence, so it is less than what a single window must have.
const VOICED: f32 = 0.36;
/// Taken off per octave of lag: of the multiples of a period the first wins.
const OCTAVE_COST: f32 = 0.05;
/// Cost of a jump of an octave between two steps.
const JUMP_COST: f32 = 0.5;
/// Cost of beginning or ceasing to be voiced.
const VOICING_COST: f32 = 0.14;

/// A window's states.
#[derive(Clone, Copy)]
struct Column {
    hz: [f32; STATES],
    /// Which state of the column before is the best to come from.
    from: [u8; STATES],
}

/// Follows the pitch.
#[derive(Clone)]
pub(super) struct Path {
    columns: [Column; LATE + 1],
    /// Of the newest column, relative to the best.
    scores: [f32; STATES],
    /// How many columns there are that were not given yet, at most `LATE`.
    waiting: usize,
    newest: usize,
}

impl Default for Path {
    fn default() -> Self {
        let nothing = Column { hz: [0.0; STATES], from: [UNVOICED as u8; STATES] };
        let mut scores = [f32::NEG_INFINITY; STATES];
        scores[UNVOICED] = 0.0;
        Self { columns: [nothing; LATE + 1], scores, waiting: 0, newest: 0 }
    }
}

impl Path {
    /// The next window; none: silence. Gives the pitch in Hz of the window [`LATE`] steps earlier, 0 where it is not voiced;
    /// nothing while there is no such window.
    pub fn push(&mut self, correlation: Option<&Correlation>) -> Option<f32> {
        let mut hz = [0.0; STATES];
        let mut merits = [f32::NEG_INFINITY; STATES];
        merits[UNVOICED] = VOICED;
        if let Some(correlation) = correlation {
            let shortest = RATE_HZ / CANDIDATE_HZ[1];
            for (lag, height) in correlation.peaks(CANDIDATE_HZ) {
                let merit = height.min(1.0) - OCTAVE_COST * (lag as f32 / shortest).log2();
                // In the place of the weakest.
                let weakest = merits.iter().take(CANDIDATES).enumerate().min_by(|a, b| a.1.total_cmp(b.1));
                let Some((place, least)) = weakest else { continue };
                if merit > *least
                    && let (Some(slot), Some(pitch)) = (merits.get_mut(place), hz.get_mut(place))
                {
                    (*slot, *pitch) = (merit, correlation.hz(lag));
                }
            }
        } else {
            // Nothing at all is surely not a voice.
            merits[UNVOICED] = 1.0;
        }
        self.advance(hz, &merits)
    }

    fn advance(&mut self, hz: [f32; STATES], merits: &[f32; STATES]) -> Option<f32> {
        let before = self.columns.get(self.newest).map_or([0.0; STATES], |column| column.hz).map(logarithm);
        let mut column = Column { hz, from: [UNVOICED as u8; STATES] };
        let mut scores = [f32::NEG_INFINITY; STATES];
        for (((score, from), here), merit) in scores.iter_mut().zip(&mut column.from).zip(&hz).zip(merits) {
            if *merit == f32::NEG_INFINITY {
                continue;
            }
            let here = logarithm(*here);
            for ((n, last), there) in (0u8..).zip(&self.scores).zip(&before) {
                let cost = match (here, there) {
                    (Some(here), Some(there)) => JUMP_COST * (here - there).abs(),
                    (None, None) => 0.0,
                    _ => VOICING_COST,
                };
                if last - cost > *score {
                    (*score, *from) = (last - cost, n);
                }
            }
            *score += merit;
        }
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.scores = scores.map(|score| score - best);
        self.newest = (self.newest + 1) % (LATE + 1);
        if let Some(slot) = self.columns.get_mut(self.newest) {
            *slot = column;
        }
        self.waiting += 1;
        (self.waiting > LATE).then(|| self.oldest())
    }

    /// Gives the pitch of the oldest window that was not given, as [`push`](Self::push) does, without a new one. Nothing when
    /// all were.
    pub fn finish(&mut self) -> Option<f32> {
        (self.waiting > 0).then(|| self.oldest())
    }

    fn oldest(&mut self) -> f32 {
        self.waiting -= 1;
        let best = self.scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let mut state = best.map_or(UNVOICED, |(state, _)| state);
        let mut at = self.newest;
        for _ in 0..self.waiting {
            let from = self.columns.get(at).and_then(|column| column.from.get(state));
            state = from.copied().map_or(UNVOICED, usize::from);
            at = (at + LATE) % (LATE + 1);
        }
        self.columns.get(at).and_then(|column| column.hz.get(state)).copied().unwrap_or(0.0)
    }
}

/// Octaves; none where it is not voiced.
fn logarithm(hz: f32) -> Option<f32> {
    (hz > 0.0).then(|| hz.log2())
}
