//! How many calls there may be at a time: decided with one atomic before anything is allocated for a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// The door. Cloning it is cheap; every clone is the same door.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: AtomicUsize,
    inside: AtomicUsize,
    closed: AtomicBool,
    /// Until when, in milliseconds since `opened`; 0: not.
    busy_until_ms: AtomicU64,
    opened: Instant,
    retry_after_s: AtomicU32,
}

/// One call's place; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
}

impl Admission {
    /// A door that lets `limit` calls in at a time. Those refused are told to try again after `retry_after_s` seconds.
    pub fn new(limit: usize, retry_after_s: u32) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit: AtomicUsize::new(limit),
                inside: AtomicUsize::new(0),
                closed: AtomicBool::new(false),
                busy_until_ms: AtomicU64::new(0),
                opened: Instant::now(),
                retry_after_s: AtomicU32::new(retry_after_s),
            }),
        }
    }

    /// A place, if there is one. Never waits.
    pub fn enter(&self) -> Option<Permit> {
        if self.is_closed() || self.is_busy() {
            return None;
        }
        let limit = self.shared.limit.load(Ordering::Relaxed);
        self.shared
            .inside
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |inside| (inside < limit).then_some(inside + 1))
            .ok()
            .map(|_| Permit { shared: Arc::clone(&self.shared) })
    }

    /// Changes the limit. Calls that are already in stay in.
    pub fn set_limit(&self, limit: usize) {
        self.shared.limit.store(limit, Ordering::Relaxed);
    }

    /// Lets nobody in any more, or again: the process drains.
    pub fn set_closed(&self, closed: bool) {
        self.shared.closed.store(closed, Ordering::Relaxed);
    }

    /// Nobody is let in.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Lets nobody in until then, or again: those who are in would suffer. It ends by itself, so that a door that nobody looks after
    /// does not stay shut. Beside [`set_closed`](Self::set_closed), which stays.
    pub fn set_busy(&self, until: Option<Instant>) {
        let ms = |until: Instant| until.saturating_duration_since(self.shared.opened).as_millis();
        let ms = until.map_or(0, |until| u64::try_from(ms(until)).unwrap_or(u64::MAX));
        self.shared.busy_until_ms.store(ms, Ordering::Relaxed);
    }

    /// Nobody is let in for now.
    pub fn is_busy(&self) -> bool {
        let until = self.shared.busy_until_ms.load(Ordering::Relaxed);
        until > 0 && self.shared.opened.elapsed().as_millis() < u128::from(until)
    }

    /// Calls that are in.
    pub fn inside(&self) -> usize {
        self.shared.inside.load(Ordering::Relaxed)
    }

    /// Seconds for `Retry-After`.
    pub fn retry_after_s(&self) -> u32 {
        self.shared.retry_after_s.load(Ordering::Relaxed)
    }
}

impl Default for Admission {
    /// No limit.
    fn default() -> Self {
        Self::new(usize::MAX, 5)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.inside.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn places_are_counted_and_given_back() {
        let door = Admission::new(2, 7);
        let first = door.enter().unwrap();
        let _second = door.clone().enter().unwrap();
        assert!(door.enter().is_none());
        drop(first);
        assert_eq!(door.inside(), 1);
        let _third = door.enter().unwrap();
        door.set_limit(3);
        let fourth = door.enter();
        assert!(fourth.is_some());
        drop(fourth);
        door.set_closed(true);
        assert!(door.enter().is_none());
        assert_eq!(door.retry_after_s(), 7);
        door.set_closed(false);
        let later = Instant::now() + Duration::from_secs(60);
        door.set_busy(Some(later));
        assert!(door.enter().is_none() && !door.is_closed());
        door.set_busy(None);
        assert!(door.enter().is_some());
        door.set_busy(Some(Instant::now() + Duration::from_millis(30)));
        assert!(door.enter().is_none());
        std::thread::sleep(Duration::from_millis(40));
        assert!(!door.is_busy() && door.enter().is_some(), "nobody has opened it again, and it is open");
    }
}
