//! How this caller speaks against callers on average: how long the pauses within turns are, and how many.

use crate::speech::{PauseCurve, SHORTEST_S};

/// Pauses of an average caller that the estimate starts from: the more, the slower it moves.
const PRIOR_PAUSES: f64 = 4.0;
/// Turns of an average caller that the estimate of how many pauses there are starts from.
const PRIOR_TURNS: f64 = 3.0;
/// Pauses within a turn of an average caller (eot-bench, Mandarin: 608 in 344 turns).
const USUAL_PER_TURN: f64 = 1.77;
/// Longer silences say that the caller was thinking, not how the caller speaks.
const LONGEST_S: f64 = 3.0;

/// The estimate, from the pauses after which the caller went on within a turn.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pace {
    /// Seconds beyond the shortest pause, summed over `pauses`, the prior's included.
    beyond_s: f64,
    pauses: f64,
    usual_s: f64,
    turns: f64,
}

impl Pace {
    /// Nothing is known of this caller yet.
    pub fn new(curve: PauseCurve) -> Self {
        // The mean of a pause beyond the shortest is the area under the survival curve.
        let usual_s = (0..280).map(|n| curve.survival(SHORTEST_S + f64::from(n) * 0.01) * 0.01).sum();
        Self { beyond_s: usual_s * PRIOR_PAUSES, pauses: PRIOR_PAUSES, usual_s, turns: 0.0 }
    }

    /// The caller went on after a pause of this length.
    pub fn went_on_after(&mut self, pause_ms: f64) {
        let seconds = pause_ms / 1000.0;
        if (SHORTEST_S..LONGEST_S).contains(&seconds) {
            self.beyond_s += seconds - SHORTEST_S;
            self.pauses += 1.0;
        }
    }

    /// A turn of the caller is over, and was answered.
    pub fn turn_over(&mut self) {
        self.turns += 1.0;
    }

    /// The latest turn was not over.
    pub fn taken_back(&mut self) {
        self.turns = (self.turns - 1.0).max(0.0);
    }

    /// How often this caller pauses within a turn against the usual: 1 is usual, 2 is twice as often.
    pub fn hesitation(&self) -> f64 {
        let own = self.pauses - PRIOR_PAUSES;
        (own + USUAL_PER_TURN * PRIOR_TURNS) / (self.turns + PRIOR_TURNS) / USUAL_PER_TURN
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

    #[test]
    fn who_never_pauses_is_waited_for_less() {
        let mut pace = Pace::new(PauseCurve::of("en"));
        assert!((pace.hesitation() - 1.0).abs() < 1e-9);
        (0..3).for_each(|_| pace.turn_over());
        assert!((pace.hesitation() - 0.5).abs() < 1e-9);
        pace.turn_over();
        pace.taken_back();
        assert!((pace.hesitation() - 0.5).abs() < 1e-9, "a turn that was not over is none");
        (0..20).for_each(|_| pace.went_on_after(400.0));
        assert!(pace.hesitation() > 2.0);
    }
}
