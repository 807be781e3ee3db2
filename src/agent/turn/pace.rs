//! How long this caller's own pauses are against those of callers on average.

use crate::speech::{PauseCurve, SHORTEST_S};

/// Pauses of an average caller that the estimate starts from: the more, the slower it moves.
const PRIOR_PAUSES: f64 = 4.0;
/// Longer silences say that the caller was thinking, not how the caller speaks.
const LONGEST_S: f64 = 3.0;

/// The estimate, from the pauses after which the caller went on within a turn.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pace {
    /// Seconds beyond the shortest pause, summed over `pauses`, the prior's included.
    beyond_s: f64,
    pauses: f64,
    usual_s: f64,
}

impl Pace {
    /// Nothing is known of this caller yet.
    pub fn new(curve: PauseCurve) -> Self {
        // The mean of a pause beyond the shortest is the area under the survival curve.
        let usual_s = (0..280).map(|n| curve.survival(SHORTEST_S + f64::from(n) * 0.01) * 0.01).sum();
        Self { beyond_s: usual_s * PRIOR_PAUSES, pauses: PRIOR_PAUSES, usual_s }
    }

    /// The caller went on after a pause of this length.
    pub fn went_on_after(&mut self, pause_ms: f64) {
        let seconds = pause_ms / 1000.0;
        if (SHORTEST_S..LONGEST_S).contains(&seconds) {
            self.beyond_s += seconds - SHORTEST_S;
            self.pauses += 1.0;
        }
    }

    /// This caller's pauses against the usual ones: 1 is usual, 1.2 is a fifth longer.
    pub fn factor(&self) -> f64 {
        self.beyond_s / self.pauses / self.usual_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_from_usual_to_what_was_heard() {
        let mut pace = Pace::new(PauseCurve::of("en"));
        assert!((pace.factor() - 1.0).abs() < 1e-9);
        pace.went_on_after(90.0);
        assert!((pace.factor() - 1.0).abs() < 1e-9, "that was no pause");
        for _ in 0..6 {
            pace.went_on_after(1_200.0);
        }
        let slow = pace.factor();
        assert!(slow > 1.3, "{slow}");
        for _ in 0..30 {
            pace.went_on_after(250.0);
        }
        assert!(pace.factor() < 0.8);
    }
}
