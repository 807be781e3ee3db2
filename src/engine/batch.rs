//! The pool in which engines compute: a fixed number of threads over one queue ordered by deadline.
//!
//! Two kinds of work share it. A *job* runs once (a sentence to synthesise, a grammar to compile). A *stream* belongs to a
//! call and has work again and again; it is given in slices, so that one call's long decode cannot hold a thread while
//! another call's final answer waits: after every slice the stream goes back into the queue with its next deadline.
//!
//! The queue is bounded: a job that finds it full is refused with [`EngineError::Overloaded`]; a stream takes its one place
//! when it is registered, so that waking it never fails. Of two pieces of work the one with the earlier deadline runs first
//! and, at equal deadlines, the one that came first. Deadlines order the work; nothing is dropped for being late.
//!
//! This is not the media clock: a mutex and a condition variable are right here.

use crate::speech::EngineError;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Work that is done once.
pub type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait in a pool started with [`Pool::start`].
pub const DEFAULT_JOBS: usize = 1024;
/// Streams that may be registered with a pool started with [`Pool::start`].
pub const DEFAULT_STREAMS: usize = 4096;

/// What a stream wants after a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing until it is woken.
    Idle,
    /// Another slice, due at this time.
    Again(Instant),
}

/// A stream's work. The pool never runs two slices of one stream at the same time.
pub trait Slices: Send {
    /// Does a bounded piece of the work: some milliseconds of computing.
    fn slice(&mut self) -> Next;
}

/// A fixed set of threads and their queue. Clones share them; dropping the last one (streams hold one) ends the threads.
#[derive(Clone)]
pub struct Pool {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    name: String,
    max_jobs: usize,
    max_streams: usize,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    queue: BinaryHeap<Entry>,
    sequence: u64,
    jobs: usize,
    streams: usize,
    stopped: bool,
}

enum Work {
    Job(Job),
    Slice(Arc<Cell>),
}

struct Entry {
    deadline: Instant,
    sequence: u64,
    work: Work,
}

impl Ord for Entry {
    // The heap gives its greatest entry first: the earliest deadline, then the earliest arrival, is the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.deadline, other.sequence).cmp(&(self.deadline, self.sequence))
    }
}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Entry {}

/// A stream as the queue sees it.
struct Cell {
    status: AtomicU8,
    /// When what it was woken for while a slice ran is due.
    due: Mutex<Option<Instant>>,
    work: Mutex<Option<Box<dyn Slices>>>,
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Woken while a slice ran: it goes back into the queue whatever the slice says.
const WOKEN: u8 = 3;
/// Unregistered: it is not run any more.
const CLOSED: u8 = 4;

/// A registered stream. Dropping it drops the stream's work, on the pool's thread when a slice is just being run.
pub struct StreamHandle {
    cell: Arc<Cell>,
    pool: Pool,
}

impl Pool {
    /// Starts `threads` threads (0: one per core) with the default bounds.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the system gives no thread.
    pub fn start(name: &str, threads: usize) -> Result<Self, EngineError> {
        Self::with_bounds(name, threads, DEFAULT_JOBS, DEFAULT_STREAMS)
    }

    /// Starts `threads` threads (0: one per core), at most `max_jobs` waiting jobs and `max_streams` registered streams.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the system gives no thread.
    pub fn with_bounds(name: &str, threads: usize, max_jobs: usize, max_streams: usize) -> Result<Self, EngineError> {
        let count = match threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            max_jobs,
            max_streams,
            state: Mutex::default(),
            ready: Condvar::new(),
        });
        let owner = Arc::new(Owner { shared: Arc::clone(&shared), threads: Mutex::new(Vec::with_capacity(count)) });
        for index in 0..count {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || shared.work())
                .map_err(|e| EngineError::Unavailable {
                    engine: name.to_owned(),
                    what: format!("cannot start worker thread {index} of {count}: {e}; raise the limit on threads (ulimit -u) or ask for fewer"),
                })?;
            lock(&owner.threads).push(thread);
        }
        Ok(Self { owner })
    }

    /// Enqueues a job that should be done by `deadline`. A job that panics is logged and costs nobody else anything.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the bound on waiting jobs is reached.
    pub fn submit(&self, deadline: Instant, job: Job) -> Result<(), EngineError> {
        let shared = &self.owner.shared;
        let mut state = lock(&shared.state);
        if state.jobs >= shared.max_jobs {
            return Err(EngineError::Overloaded { engine: shared.name.clone() });
        }
        state.jobs += 1;
        state.push(deadline, Work::Job(job));
        drop(state);
        shared.ready.notify_one();
        Ok(())
    }

    /// Takes a place for a stream. It is not run before it is woken.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the bound on streams is reached.
    pub fn register(&self, work: Box<dyn Slices>) -> Result<StreamHandle, EngineError> {
        let shared = &self.owner.shared;
        let mut state = lock(&shared.state);
        if state.streams >= shared.max_streams {
            return Err(EngineError::Overloaded { engine: shared.name.clone() });
        }
        state.streams += 1;
        drop(state);
        let cell = Arc::new(Cell { status: AtomicU8::new(IDLE), due: Mutex::default(), work: Mutex::new(Some(work)) });
        Ok(StreamHandle { cell, pool: self.clone() })
    }

    /// Jobs and streams that wait for a thread.
    pub fn backlog(&self) -> usize {
        lock(&self.owner.shared.state).queue.len()
    }
}

impl StreamHandle {
    /// The stream has work that should be done by `deadline`. Cheap; a stream that already waits keeps its place unless
    /// the new deadline is earlier, in which case it moves forward.
    pub fn wake(&self, deadline: Instant) {
        let shared = &self.pool.owner.shared;
        let status = &self.cell.status;
        {
            // Noted before the status tells of it; a slice that reads it too early runs once for nothing.
            let mut due = lock(&self.cell.due);
            *due = Some(due.map_or(deadline, |due| due.min(deadline)));
        }
        let mut seen = status.load(Ordering::Acquire);
        loop {
            let next = match seen {
                IDLE => QUEUED,
                RUNNING => WOKEN,
                QUEUED => return shared.hasten(&self.cell, deadline),
                _ => return,
            };
            match status.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if next == QUEUED => return shared.enqueue(deadline, &self.cell),
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.cell.status.store(CLOSED, Ordering::Release);
        // A slice that is being run holds the lock; then the worker drops the work when it sees CLOSED.
        let work = self.cell.work.try_lock().ok().and_then(|mut work| work.take());
        drop(work);
        let mut state = lock(&self.pool.owner.shared.state);
        state.streams = state.streams.saturating_sub(1);
    }
}

impl State {
    fn push(&mut self, deadline: Instant, work: Work) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.queue.push(Entry { deadline, sequence, work });
    }
}

impl Shared {
    fn enqueue(&self, deadline: Instant, cell: &Arc<Cell>) {
        lock(&self.state).push(deadline, Work::Slice(Arc::clone(cell)));
        self.ready.notify_one();
    }

    /// Moves a waiting stream forward. Linear in the queue, which holds one entry a stream at most.
    fn hasten(&self, cell: &Arc<Cell>, deadline: Instant) {
        let mut state = lock(&self.state);
        let later = |e: &Entry| e.deadline > deadline && matches!(&e.work, Work::Slice(c) if Arc::ptr_eq(c, cell));
        if state.queue.iter().any(later) {
            let mut entries = std::mem::take(&mut state.queue).into_vec();
            for entry in entries.iter_mut().filter(|e| later(e)) {
                entry.deadline = deadline;
            }
            state.queue = entries.into();
        }
    }

    fn work(&self) {
        while let Some((deadline, work)) = self.next() {
            match work {
                Work::Job(job) => {
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!(pool = %self.name, "a job panicked");
                    }
                }
                Work::Slice(cell) => self.slice(deadline, &cell),
            }
        }
    }

    /// Waits for work; none when the pool is to end.
    fn next(&self) -> Option<(Instant, Work)> {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return None;
            }
            if let Some(Entry { deadline, work, .. }) = state.queue.pop() {
                if matches!(work, Work::Job(_)) {
                    state.jobs -= 1;
                }
                return Some((deadline, work));
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn slice(&self, deadline: Instant, cell: &Arc<Cell>) {
        let status = &cell.status;
        let mut work = lock(&cell.work);
        if status.compare_exchange(QUEUED, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            let closed = work.take();
            drop(work);
            drop(closed);
            return;
        }
        *lock(&cell.due) = None;
        let next = match work.as_mut() {
            Some(slices) => catch_unwind(AssertUnwindSafe(|| slices.slice())),
            None => return,
        };
        let next = next.unwrap_or_else(|_| {
            tracing::error!(pool = %self.name, "a stream panicked and is dead");
            status.store(CLOSED, Ordering::Release);
            Next::Idle
        });
        let again = match next {
            Next::Again(deadline) => {
                let running = status.compare_exchange(RUNNING, QUEUED, Ordering::AcqRel, Ordering::Acquire);
                let queued =
                    running.or_else(|_| status.compare_exchange(WOKEN, QUEUED, Ordering::AcqRel, Ordering::Acquire));
                queued.is_ok().then(|| lock(&cell.due).map_or(deadline, |due| due.min(deadline)))
            }
            Next::Idle => match status.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => None,
                Err(WOKEN) => status
                    .compare_exchange(WOKEN, QUEUED, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
                    .then(|| lock(&cell.due).unwrap_or(deadline)),
                Err(_) => None,
            },
        };
        let closed = if status.load(Ordering::Acquire) == CLOSED { work.take() } else { None };
        drop(work);
        drop(closed);
        if let Some(deadline) = again {
            self.enqueue(deadline, cell);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.shared.state).stopped = true;
        self.shared.ready.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A job may hold the last clone of the pool: its own thread cannot be waited for.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
        let waiting = std::mem::take(&mut lock(&self.shared.state).queue);
        drop(waiting);
    }
}

/// A panic inside the lock leaves nothing half done here, so that poison is no news.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
