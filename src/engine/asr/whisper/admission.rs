//! Whether one more call may be heard: by how long answers take and how busy the decoders are. It is given the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the decoders are looked at.
const SPAN: Duration = Duration::from_secs(20);
/// Answers that are remembered: those of the last minutes of a busy machine.
const ANSWERS: usize = 64;
/// Answers are forgotten after this, so that a bad moment does not close the door for good.
const MEMORY: Duration = Duration::from_secs(60);
/// Decodes that are remembered.
const DECODES: usize = 1024;
/// With one more call the decoders may be this busy. Beyond, the time that an answer waits for a decoder grows without measure.
const BUSY: f64 = 0.7;
/// Fewer answers than this say nothing about one in twenty.
const ENOUGH: usize = 8;

/// The state of the door.
pub(super) struct Admission {
    decoders: usize,
    limit: Duration,
    /// When an answer was given and how long after its flush.
    answers: VecDeque<(Instant, Duration)>,
    /// When a decode ended and how long it took.
    decodes: VecDeque<(Instant, Duration)>,
    calls: usize,
    /// Answers that wait for a decoder.
    waiting: usize,
}

impl Admission {
    /// For so many decoders, and a bound on the time of an answer.
    pub fn new(decoders: usize, limit: Duration) -> Self {
        Self { decoders, limit, answers: VecDeque::new(), decodes: VecDeque::new(), calls: 0, waiting: 0 }
    }

    /// Whether one more call may be heard now.
    pub fn admits(&mut self, now: Instant) -> bool {
        self.forget(now);
        if self.p95().is_some_and(|p95| p95 > self.limit) {
            return false;
        }
        let calls = self.calls as f64;
        self.calls == 0 || self.busy(now) * (calls + 1.0) / calls <= BUSY
    }

    /// A call begins.
    pub fn enter(&mut self) {
        self.calls += 1;
    }

    /// A call is over.
    pub fn leave(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }

    /// An answer is asked for; false when it would come later than twice the bound, by what is waiting and how long decodes
    /// take: then it is better asked of another engine. A flush that is let in must be [answered](Self::answer) or
    /// [given up](Self::give_up).
    pub fn ask(&mut self, now: Instant) -> bool {
        self.forget(now);
        let ahead = self.waiting / self.decoders.max(1);
        let expected = self.usual().saturating_mul(u32::try_from(ahead + 1).unwrap_or(u32::MAX));
        if self.waiting > 0 && expected > self.limit * 2 {
            return false;
        }
        self.waiting += 1;
        true
    }

    /// An answer was given, this long after it was asked for.
    pub fn answer(&mut self, now: Instant, took: Duration) {
        self.give_up();
        self.answers.push_back((now, took));
        if self.answers.len() > ANSWERS {
            self.answers.pop_front();
        }
    }

    /// An answer is not needed any more.
    pub fn give_up(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// A decode ended.
    pub fn decoded(&mut self, now: Instant, took: Duration) {
        self.decodes.push_back((now, took));
        if self.decodes.len() > DECODES {
            self.decodes.pop_front();
        }
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant, span| now.saturating_duration_since(*at) > span;
        while self.answers.front().is_some_and(|(at, _)| old(at, MEMORY)) {
            self.answers.pop_front();
        }
        while self.decodes.front().is_some_and(|(at, _)| old(at, SPAN)) {
            self.decodes.pop_front();
        }
    }

    /// The share of the decoders' time that was used in the last seconds.
    fn busy(&self, now: Instant) -> f64 {
        let Some((first, took)) = self.decodes.front() else { return 0.0 };
        let span = now.saturating_duration_since(*first) + *took;
        let used: Duration = self.decodes.iter().map(|(_, took)| *took).sum();
        // Of a moment that has only begun nothing can be said: it counts as some seconds.
        used.as_secs_f64() / (self.decoders.max(1) as f64 * span.as_secs_f64().max(2.0))
    }

    /// How long a decode usually takes.
    fn usual(&self) -> Duration {
        let count = u32::try_from(self.decodes.len()).unwrap_or(u32::MAX);
        self.decodes.iter().map(|(_, took)| *took).sum::<Duration>().checked_div(count).unwrap_or_default()
    }

    fn p95(&self) -> Option<Duration> {
        if self.answers.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<Duration> = self.answers.iter().map(|(_, took)| *took).collect();
        sorted.sort_unstable();
        sorted.get((sorted.len() * 95 / 100).min(sorted.len() - 1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn door() -> (Admission, Instant) {
        (Admission::new(1, SECOND), Instant::now())
    }

    #[test]
    fn slow_answers_close_the_door_until_they_are_forgotten() {
        let (mut door, start) = door();
        for n in 0..20 {
            assert!(door.ask(start + SECOND * n));
            let took = if n % 8 == 7 { SECOND * 3 } else { SECOND / 2 };
            door.answer(start + SECOND * n, took);
        }
        assert!(!door.admits(start + SECOND * 20));
        assert!(door.admits(start + SECOND * 100));
    }

    #[test]
    fn one_call_more_must_leave_the_decoders_some_time() {
        let (mut door, start) = door();
        assert!(door.admits(start));
        door.enter();
        // Half the time of the one decoder for the one call: two would take all of it.
        (0..20).for_each(|n| door.decoded(start + SECOND * n, SECOND / 2));
        assert!(!door.admits(start + SECOND * 20));
        let mut two = Admission::new(2, SECOND);
        two.enter();
        (0..20).for_each(|n| two.decoded(start + SECOND * n, SECOND / 2));
        assert!(two.admits(start + SECOND * 20), "two decoders have it");
        door.leave();
        assert!(door.admits(start + SECOND * 20), "nobody else is there");
    }

    #[test]
    fn an_answer_that_would_come_too_late_is_refused() {
        let (mut door, start) = door();
        (0..5).for_each(|n| door.decoded(start + SECOND * n, SECOND * 7 / 10));
        let now = start + SECOND * 5;
        assert!(door.ask(now) && door.ask(now));
        assert!(!door.ask(now), "two are waiting for 0.7 s each");
        door.answer(now, SECOND);
        assert!(door.ask(now));
        door.give_up();
        door.give_up();
        assert!(door.ask(now));
    }
}
