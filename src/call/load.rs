//! When to take no more calls because those that are up would hear it: what the machine adds to the response gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back answers count.
const WINDOW: Duration = Duration::from_secs(20);
/// Answers kept; with more in the window the older ones do not count.
const ANSWERS: usize = 256;
/// Fewer say nothing about a 95th percentile.
const FEWEST: usize = 8;
/// The door opens again at this share of the limit, so that it does not flutter.
const OPEN_AT: f64 = 0.7;

/// What the answers of all calls waited for beside the silence that ends a turn and the language model: recognition that was
/// late, queues, synthesis, the way to the first packet. Pure: times are given.
#[derive(Debug)]
pub(super) struct Load {
    /// In milliseconds; none: the door is never closed for it.
    limit_ms: Option<f64>,
    answers: VecDeque<(Instant, f64)>,
    busy: bool,
}

impl Load {
    /// Nothing is known yet. `limit_ms` of 0: never closes the door.
    pub fn new(limit_ms: u64) -> Self {
        Self { limit_ms: (limit_ms > 0).then_some(limit_ms as f64), answers: VecDeque::new(), busy: false }
    }

    /// An answer's first packet came `added_ms` later than the silence that ended the turn and the model needed.
    pub fn answered(&mut self, at: Instant, added_ms: f64) {
        if self.answers.len() == ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((at, added_ms));
    }

    /// Whether the calls that are up are as many as this machine can answer in time. Old answers are forgotten: when nobody is
    /// answered any more the door opens.
    pub fn busy(&mut self, now: Instant) -> bool {
        while self.answers.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.answers.pop_front();
        }
        let Some(limit) = self.limit_ms else { return false };
        self.busy = match self.p95() {
            Some(p95) if self.busy => p95 > limit * OPEN_AT,
            Some(p95) => p95 > limit,
            None => false,
        };
        self.busy
    }

    /// The 95th percentile, by nearest rank; none with too few answers.
    fn p95(&self) -> Option<f64> {
        if self.answers.len() < FEWEST {
            return None;
        }
        let mut sorted: Vec<f64> = self.answers.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() * 95).div_ceil(100) - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_on_late_answers_and_opens_when_they_are_in_time_again() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut load = Load::new(150);
        for _ in 0..7 {
            load.answered(at(0), 900.0);
        }
        assert!(!load.busy(at(0)), "seven answers are too few");
        load.answered(at(0), 30.0);
        assert!(load.busy(at(1)));
        for _ in 0..200 {
            load.answered(at(10), 120.0);
        }
        assert!(load.busy(at(10)), "120 ms is not yet good enough to open");
        for _ in 0..256 {
            load.answered(at(12), 90.0);
        }
        assert!(!load.busy(at(12)));
    }

    #[test]
    fn it_forgets_and_can_be_switched_off() {
        let start = Instant::now();
        let mut load = Load::new(150);
        let mut off = Load::new(0);
        for _ in 0..20 {
            load.answered(start, 500.0);
            off.answered(start, 500.0);
        }
        assert!(load.busy(start) && !off.busy(start));
        assert!(!load.busy(start + WINDOW + Duration::from_secs(1)));
    }
}
