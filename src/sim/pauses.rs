//! How long people pause within a turn: the published survival curves of silences in human turns to agents.
//!
//! Source: eot-bench (LiveKit, 2026, Apache-2.0), the rows of plain voice activity detection, which say how many of the mid-turn
//! silences of at least 0.2 s last longer than a time. Between the published points the curve falls exponentially; behind the last
//! it goes on with the last slope, to 3 s at most.

use super::dice::Dice;

/// Silences shorter than this are no holds, in milliseconds.
pub const SHORTEST_HOLD_MS: f64 = 200.0;
/// No hold is longer.
pub const LONGEST_HOLD_MS: f64 = 3000.0;
/// Holds in a turn, on average (608 holds in 344 turns).
pub const HOLDS_PER_TURN: f64 = 1.77;

/// English: share of the holds that last longer than so many milliseconds.
const EN: [(f64, f64); 5] = [(SHORTEST_HOLD_MS, 1.0), (300.0, 0.556), (600.0, 0.217), (1000.0, 0.10), (1600.0, 0.05)];
/// Mandarin.
const ZH: [(f64, f64); 5] = [(SHORTEST_HOLD_MS, 1.0), (300.0, 0.51), (600.0, 0.163), (800.0, 0.10), (1100.0, 0.05)];

/// The pauses of a language.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    points: &'static [(f64, f64); 5],
}

impl Pauses {
    /// Of a language tag: Mandarin for `zh` and its kin, English for all others.
    pub fn of(language: &str) -> Self {
        Self { points: if language.starts_with("zh") { &ZH } else { &EN } }
    }

    /// The share of holds that last longer than `ms`.
    pub fn survival(&self, ms: f64) -> f64 {
        if ms < SHORTEST_HOLD_MS {
            return 1.0;
        }
        if ms >= LONGEST_HOLD_MS {
            return 0.0;
        }
        let ((t1, s1), (t2, s2)) = self.segment(|(t, _)| ms < t);
        s1 * (s2 / s1).powf((ms - t1) / (t2 - t1))
    }

    /// The length of a hold, in milliseconds.
    pub fn hold_ms(&self, dice: &mut Dice) -> f64 {
        let u = 1.0 - dice.unit();
        let ((t1, s1), (t2, s2)) = self.segment(|(_, s)| u > s);
        (t1 + (t2 - t1) * (s1 / u).ln() / (s1 / s2).ln()).min(LONGEST_HOLD_MS)
    }

    /// How many holds a turn has: geometric with the mean [`HOLDS_PER_TURN`], but no more than `most`.
    pub fn holds(dice: &mut Dice, most: usize) -> usize {
        let goes_on = HOLDS_PER_TURN / (1.0 + HOLDS_PER_TURN);
        let mut holds = 0;
        while holds < most && dice.unit() < goes_on {
            holds += 1;
        }
        holds
    }

    /// The segment whose end is the first point for which `beyond` holds; the last one otherwise.
    fn segment(&self, beyond: impl Fn((f64, f64)) -> bool) -> ((f64, f64), (f64, f64)) {
        let [a, b, c, d, e] = *self.points;
        [(a, b), (b, c), (c, d)].into_iter().find(|(_, end)| beyond(*end)).unwrap_or((d, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_points_are_met() {
        for (language, points) in [("en", EN), ("zh", ZH)] {
            let pauses = Pauses::of(language);
            let mut dice = Dice::new(11);
            let holds: Vec<f64> = (0..200_000).map(|_| pauses.hold_ms(&mut dice)).collect();
            for (ms, share) in points {
                let longer = holds.iter().filter(|hold| **hold > ms).count() as f64 / holds.len() as f64;
                assert!((longer - share).abs() < 0.005, "{language} {ms}: {longer}, not {share}");
                assert!((pauses.survival(ms) - share).abs() < 1e-9);
            }
            assert!(holds.iter().all(|hold| (SHORTEST_HOLD_MS..=LONGEST_HOLD_MS).contains(hold)));
        }
        assert!(Pauses::of("en").survival(450.0) < 0.556 && Pauses::of("en").survival(450.0) > 0.217);
    }

    #[test]
    fn a_turn_has_as_many_holds_as_published() {
        let mut dice = Dice::new(5);
        let mean = (0..100_000).map(|_| Pauses::holds(&mut dice, 100)).sum::<usize>() as f64 / 100_000.0;
        assert!((mean - HOLDS_PER_TURN).abs() < 0.05, "{mean}");
        assert!((0..1000).all(|_| Pauses::holds(&mut dice, 2) <= 2));
    }
}
