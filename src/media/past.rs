//! The last seconds of the line that plays: what was paused goes on from the last pause in it, not from the middle of a word.

use crate::audio::{FRAME_SAMPLES, Samples};

/// Frames kept: 2 s.
const KEPT: usize = 100;
/// At least so much is said again: what was said softly before the pause was hardly heard. 300 ms.
const LEAST: usize = 15;
/// Without a pause in it no more than this is said again: 1 s.
const MOST_UNPAUSED: usize = 50;
/// Frames in a row that are a pause in speech: 80 ms. The closure of a plosive is shorter.
const PAUSE: usize = 4;
/// So much softer than the loudest frame is silence: 30 dB, as a ratio of energies.
const SILENCE: f32 = 1e-3;

/// The frames of one line that were played last.
pub(super) struct Past {
    /// Each with its energy.
    frames: Box<[(Samples, f32)]>,
    /// Frames kept so far, older ones overwritten.
    total: usize,
    /// Frames of this line among them.
    own: usize,
    /// The newest so many are to be said again.
    again: usize,
}

fn energy(samples: &Samples) -> f32 {
    samples.iter().map(|sample| f32::from(*sample).powi(2)).sum()
}

impl Past {
    /// Nothing was played. Allocates all that it needs.
    pub fn new() -> Self {
        Self { frames: vec![([0; FRAME_SAMPLES], 0.0); KEPT].into_boxed_slice(), total: 0, own: 0, again: 0 }
    }

    /// Another line begins, or none: nothing of the last one is said again.
    pub fn forget(&mut self) {
        (self.own, self.again) = (0, 0);
    }

    /// Keeps a frame that is played for the first time.
    pub fn keep(&mut self, samples: &Samples) {
        if let Some(place) = self.frames.get_mut(self.total % KEPT) {
            *place = (*samples, energy(samples));
        }
        self.total += 1;
        self.own = (self.own + 1).min(KEPT);
    }

    /// The frame that was played `back` frames before the newest.
    fn at(&self, back: usize) -> Option<&(Samples, f32)> {
        self.frames.get(self.total.checked_sub(1 + back)? % KEPT)
    }

    /// The next frame that is said again, if any is.
    pub fn next(&mut self) -> Option<Samples> {
        self.again = self.again.checked_sub(1)?;
        self.at(self.again).map(|(samples, _)| *samples)
    }

    /// Goes back to where to go on from: the end of the last pause in the line, its beginning, or the quietest moment of the last second. Gives how
    /// many frames that is.
    pub fn rewind(&mut self) -> usize {
        // What was said again already when it was paused once more lies before the newest.
        let (from, kept) = (self.again, self.own.saturating_sub(self.again));
        let level = |back: usize| self.at(from + back).map_or(0.0, |(_, energy)| *energy);
        let silence = SILENCE * (0..kept).map(level).fold(0.0, f32::max);
        let after_pause = |back: usize| level(back - 1) > silence && (back..back + PAUSE).all(|b| level(b) <= silence);
        let pause = (LEAST..=kept.saturating_sub(PAUSE)).find(|back| after_pause(*back));
        let back = match pause {
            Some(back) => back,
            // All of it is there, and it is short.
            None if kept <= MOST_UNPAUSED => kept,
            None => {
                let quieter = |a: &usize, b: &usize| level(*a).total_cmp(&level(*b));
                (LEAST..MOST_UNPAUSED).min_by(quieter).map_or(0, |quietest| quietest + 1)
            }
        };
        self.again += back;
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(past: &mut Past, levels: impl IntoIterator<Item = i16>) {
        for level in levels {
            past.keep(&[level; FRAME_SAMPLES]);
        }
    }

    fn again(past: &mut Past) -> Vec<i16> {
        std::iter::from_fn(|| past.next()).map(|samples| samples[0]).collect()
    }

    #[test]
    fn it_goes_on_from_the_last_pause_that_is_not_just_now() {
        let mut past = Past::new();
        play(&mut past, [1_000; 30].into_iter().chain([3; 6]).chain([2_000; 20]));
        assert_eq!(past.rewind(), 20);
        assert_eq!(again(&mut past), [2_000; 20]);
        // A pause within the last 300 ms is no place: what came before it was said softly.
        play(&mut past, [3; 6].into_iter().chain([4_000; 5]));
        assert_eq!(past.rewind(), 31);
        assert_eq!(again(&mut past).len(), 31);
    }

    #[test]
    fn a_short_line_begins_anew_and_a_long_one_goes_on_where_it_is_quietest() {
        let mut past = Past::new();
        play(&mut past, [1_000; 40]);
        assert_eq!(past.rewind(), 40);
        assert_eq!(again(&mut past).len(), 40);
        play(&mut past, [1_000; 60].into_iter().chain([200]).chain([1_500; 19]));
        assert_eq!(past.rewind(), 20);
        assert_eq!(again(&mut past)[..2], [200, 1_500]);
        past.forget();
        assert_eq!(past.rewind(), 0);
        assert_eq!(past.next(), None);
    }

    #[test]
    fn what_is_paused_while_it_is_said_again_goes_further_back() {
        let mut past = Past::new();
        play(&mut past, [1_000; 30].into_iter().chain([3; 6]).chain([2_000; 30]).chain([3; 6]).chain([3_000; 20]));
        assert_eq!(past.rewind(), 20);
        assert_eq!(std::iter::from_fn(|| past.next()).take(5).count(), 5);
        assert_eq!(past.rewind(), 5 + 6 + 30, "five frames are no more than was just heard");
        assert_eq!(again(&mut past).len(), 15 + 41);
    }

    #[test]
    fn more_than_is_kept_is_not_gone_back() {
        let mut past = Past::new();
        play(&mut past, (0..500).map(|n| 1_000 + n));
        assert!(past.rewind() <= KEPT);
        for _ in 0..5 {
            past.rewind();
        }
        assert!(again(&mut past).len() <= KEPT);
    }
}
