//! Counts what must never be: a line that is said, or a question that is asked, a second time or after it was dropped. The agent works
//! ahead of turns that may go on; this looks at what comes out, by numbers alone, and knows nothing of why.

use crate::audio::UtteranceId;
use std::collections::VecDeque;

/// Numbers that are remembered: more than lines and dropped lines of several turns.
const REMEMBERED: usize = 128;

/// What one call has said and asked.
#[derive(Default)]
pub(super) struct Once {
    /// Lines that were said or dropped, the latest last.
    spent: VecDeque<UtteranceId>,
    /// The latest question to the language model; their numbers rise.
    asked: Option<u32>,
    twice: u64,
}

impl Once {
    /// A line is said.
    pub fn said(&mut self, utterance: UtteranceId) {
        if self.spent.contains(&utterance) {
            self.twice += 1;
        }
        self.dropped(utterance);
    }

    /// A line that was prepared is thrown away: it may not be said any more.
    pub fn dropped(&mut self, utterance: UtteranceId) {
        if self.spent.len() >= REMEMBERED {
            self.spent.pop_front();
        }
        self.spent.push_back(utterance);
    }

    /// The language model is asked.
    pub fn asked(&mut self, ask: u32) {
        if self.asked.is_some_and(|latest| ask <= latest) {
            self.twice += 1;
        }
        self.asked = self.asked.max(Some(ask));
    }

    /// How often something came twice.
    pub fn twice(&self) -> u64 {
        self.twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_a_second_time_or_after_it_was_dropped_is_counted() {
        let mut once = Once::default();
        (1..200).map(UtteranceId).for_each(|n| once.said(n));
        (1..9).for_each(|ask| once.asked(ask));
        assert_eq!(once.twice(), 0);
        once.said(UtteranceId(199));
        once.dropped(UtteranceId(200));
        once.said(UtteranceId(200));
        once.asked(8);
        assert_eq!((once.twice(), once.spent.len()), (3, REMEMBERED));
        once.said(UtteranceId(201));
        once.asked(9);
        assert_eq!(once.twice(), 3);
    }
}
