//! Leaves an engine alone that keeps failing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which an engine is left alone.
const FAILURES: u32 = 3;
/// For how long; then one call tries it.
const REST: Duration = Duration::from_secs(5);

/// Closed, it lets everybody through. After three failures in a row it is open for 5 s; then it lets one through: a success
/// closes it, a failure opens it for another 5 s. A trial of which nothing is heard is forgotten after 5 s.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody passes before this time.
    open_until: Option<Instant>,
    /// Before `open_until` was last moved ahead by a trial, so that a trial that is withdrawn can be taken back.
    trial: bool,
}

impl Breaker {
    /// Whether the engine may be used now; taking the answer yes while half open is the trial.
    pub fn allows(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + REST);
                state.trial = true;
                true
            }
        }
    }

    /// It served.
    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// It failed. True when this opened the breaker.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        let opens = state.failures >= FAILURES;
        if opens {
            state.open_until = Some(now + REST);
            state.trial = false;
        }
        opens
    }

    /// It was neither used nor found broken: a trial is over without a result, and another may follow at once.
    pub fn released(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.trial) {
            state.open_until = state.open_until.map(|until| until.checked_sub(REST).unwrap_or(until));
        }
    }

    /// A panic inside the lock leaves nothing half done, so that poison is no news.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(at: Instant) -> Breaker {
        let breaker = Breaker::default();
        assert_eq!([breaker.failed(at), breaker.failed(at), breaker.failed(at)], [false, false, true]);
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_it_for_five_seconds() {
        let at = Instant::now();
        let breaker = broken(at);
        assert!(!breaker.allows(at) && !breaker.allows(at + Duration::from_millis(4999)));
        assert!(breaker.allows(at + REST));
        assert!(!breaker.allows(at + REST), "one trial at a time");
        breaker.succeeded();
        assert!(breaker.allows(at + REST) && breaker.allows(at + REST));
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let at = Instant::now();
        let breaker = Breaker::default();
        for _ in 0..5 {
            assert!(!breaker.failed(at) && !breaker.failed(at));
            breaker.succeeded();
        }
        assert!(breaker.allows(at));
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_and_one_that_vanishes_is_forgotten() {
        let at = Instant::now();
        let breaker = broken(at);
        assert!(breaker.allows(at + REST));
        breaker.failed(at + REST);
        assert!(!breaker.allows(at + REST + Duration::from_secs(4)));
        assert!(breaker.allows(at + 2 * REST));
        assert!(breaker.allows(at + 3 * REST), "nothing was heard of the trial");
        breaker.released();
        assert!(breaker.allows(at + 3 * REST), "the trial was not made after all");
    }
}
