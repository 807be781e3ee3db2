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

/// What the answers of all calls waited for beside the silence that ends a turn and the language model (recognition that was late,
/// queues, synthesis, the way to the first packet), and how long the recogniser took for its final answers. Pure: times are given.
#[derive(Debug)]
pub(super) struct Load {
    /// For answers and for finals, in milliseconds; none: the door is never closed for them.
    limits_ms: Option<[f64; 2]>,
    answers: Late,
    finals: Late,
    busy: bool,
}

/// How late something came, in milliseconds, in the last [`WINDOW`].
#[derive(Debug, Default)]
struct Late(VecDeque<(Instant, f64)>);

impl Load {
    /// Nothing is known yet. `limit_ms` of 0: never closes the door. Finals are not late before the agent may stop waiting for them,
    /// after `final_ms`.
    pub fn new(limit_ms: u64, final_ms: u64) -> Self {
        let limits_ms = (limit_ms > 0).then_some([limit_ms as f64, limit_ms.max(final_ms) as f64]);
        Self { limits_ms, answers: Late::default(), finals: Late::default(), busy: false }
    }

    /// An answer's first packet came `added_ms` later than the silence that ended the turn and the model needed.
    pub fn answered(&mut self, at: Instant, added_ms: f64) {
        self.answers.put(at, added_ms);
    }

    /// The recogniser took `ms` for a final answer from when it was asked for it. The agent does not wait that long: with a recogniser
    /// that falls behind callers are answered in time, without having been heard to their end.
    pub fn heard(&mut self, at: Instant, ms: f64) {
        self.finals.put(at, ms);
    }

    /// Until when, if nothing more is learned, the calls that are up are as many as this machine can answer in time; none: there is
    /// room. What is old is forgotten: when nobody is answered any more the door opens by itself.
    pub fn busy_until(&mut self, now: Instant) -> Option<Instant> {
        let [answers, finals] = self.limits_ms?.map(|limit| limit * if self.busy { OPEN_AT } else { 1.0 });
        let late = [self.answers.over_until(now, answers), self.finals.over_until(now, finals)];
        let until = late.into_iter().flatten().max();
        self.busy = until.is_some();
        until
    }
}

impl Late {
    fn put(&mut self, at: Instant, ms: f64) {
        if self.0.len() == ANSWERS {
            self.0.pop_front();
        }
        self.0.push_back((at, ms));
    }

    /// One in twenty is over the limit, and more than one: until when there are enough of them to say so.
    fn over_until(&mut self, now: Instant, limit: f64) -> Option<Instant> {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
        let last_needed = self.0.len().checked_sub(FEWEST).and_then(|index| self.0.get(index))?;
        let alone = self.0.iter().filter(|(_, ms)| *ms > limit).count() < 2;
        (!alone && self.p95()? > limit).then(|| last_needed.0 + WINDOW)
    }

    /// The 95th percentile, by nearest rank.
    fn p95(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.0.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() * 95).div_ceil(100).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_on_late_answers_and_opens_when_they_are_in_time_again() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut load = Load::new(150, 0);
        for _ in 0..7 {
            load.answered(at(0), 900.0);
        }
        assert!(load.busy_until(at(0)).is_none(), "seven answers are too few");
        load.answered(at(0), 30.0);
        assert!(load.busy_until(at(1)).is_some());
        for _ in 0..200 {
            load.answered(at(10), 120.0);
        }
        assert!(load.busy_until(at(10)).is_some(), "120 ms is not yet good enough to open");
        for _ in 0..256 {
            load.answered(at(12), 90.0);
        }
        assert!(load.busy_until(at(12)).is_none());
    }

    #[test]
    fn it_forgets_and_can_be_switched_off() {
        let start = Instant::now();
        let mut load = Load::new(150, 0);
        let mut off = Load::new(0, 0);
        for _ in 0..20 {
            load.answered(start, 500.0);
            off.answered(start, 500.0);
        }
        assert_eq!(load.busy_until(start), Some(start + WINDOW), "and then no more, although nobody asks again");
        assert_eq!(off.busy_until(start), None);
        assert_eq!(load.busy_until(start + WINDOW + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_recogniser_that_falls_behind_closes_the_door() {
        let start = Instant::now();
        let (mut load, mut patient) = (Load::new(250, 800), Load::new(250, 1_600));
        for n in 0..10 {
            patient.heard(start + Duration::from_secs(n), 1_500.0);
            load.answered(start, 200.0);
            load.heard(start + Duration::from_secs(n), if n < 8 { 300.0 } else { 1_500.0 });
        }
        let now = start + Duration::from_secs(10);
        assert_eq!(load.busy_until(now), Some(start + Duration::from_secs(2) + WINDOW), "until eight of them are left");
        assert_eq!(patient.busy_until(now), None, "the agent waits for them");
    }
}
