//! How long this caller's answers and silences usually are, to see when they become shorter.

use super::TurnFacts;
use crate::speech::AnswerKind;

/// Turns before a mean is called usual.
const AFTER: f32 = 2.0;
/// Turns after which older ones count for less.
const MEMORY: f32 = 8.0;
/// The shortest silence that is told from none, in milliseconds: a caller who answers faster had begun to think before.
const SHORTEST_GAP_MS: f32 = 80.0;

/// A mean of logarithms that forgets slowly.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Mean {
    mean: f32,
    count: f32,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.count = (self.count + 1.0).min(MEMORY);
        self.mean += (value - self.mean) / self.count;
    }

    fn against(self, value: f32) -> Option<f32> {
        (self.count >= AFTER).then_some(value - self.mean)
    }
}

/// This caller's usual ways. Lengths are kept for answers that may be anything: a yes is short for everybody.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Usual {
    length: Mean,
    gap: Mean,
}

impl Usual {
    /// The length of an answer against the usual one, as a natural logarithm.
    pub fn length(&self, facts: &TurnFacts) -> Option<f32> {
        self.length.against(measured(facts)?)
    }

    /// The silence before an answer against the usual one, as a natural logarithm.
    pub fn gap(&self, gap_ms: f32) -> Option<f32> {
        self.gap.against(gap_ms.max(SHORTEST_GAP_MS).ln())
    }

    /// This is how the caller speaks.
    pub fn learn(&mut self, facts: &TurnFacts) {
        if let Some(length) = measured(facts) {
            self.length.add(length);
        }
        if let Some(gap) = facts.gap_ms {
            self.gap.add(gap.max(SHORTEST_GAP_MS).ln());
        }
    }
}

/// The length of a turn relative to what its question asks for, as a logarithm; none where the question sets it.
fn measured(facts: &TurnFacts) -> Option<f32> {
    // Usual lengths in milliseconds of voice, as the simulated and the recorded callers have them.
    let usual = match facts.kind {
        AnswerKind::YesNo => 600.0f32,
        AnswerKind::Choice => 1_000.0,
        AnswerKind::Open => 1_800.0,
        AnswerKind::Number | AnswerKind::Name => return None,
    };
    (facts.voiced_ms > 0).then(|| (facts.voiced_ms as f32).ln() - usual.ln())
}
