//! One call's stream: a bounded queue in, hypotheses out, the decoding on the pool between them.

use super::decode::{Decoding, Left};
use super::{Model, NAME, failed};
use crate::audio::{AudioFrame, MediaTime};
use crate::engine::batch::{Next, Pool, Slices, StreamHandle};
use crate::speech::{EngineError, Expectation, Hypothesis, HypothesisKind, RecognizerStream, Wake};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Frames between two wakes of the pool while nothing is urgent: 60 ms of audio, as whether the agent yields to a voice may
/// wait for the first word of it.
const BATCH: usize = 3;
/// Audio between two looks for a partial hypothesis, in frames.
const PARTIAL_FRAMES: u32 = 3;
/// Decoding that is not for a final answer may wait so long when the machine is busy.
const SLACK: Duration = Duration::from_millis(100);
/// What only an answer is made from is heard ahead of it: that may wait so long, and does while others are owed something.
const AHEAD: Duration = Duration::from_millis(400);
/// Requests (expect, flush, finish) that may wait.
const MAX_REQUESTS: usize = 64;
/// Final hypotheses that may wait to be polled.
const MAX_FINALS: usize = 16;

/// The call's end of the stream.
pub(super) struct Stream {
    shared: Arc<Mutex<Shared>>,
    handle: StreamHandle,
    queue_frames: usize,
    patience: Duration,
    since_wake: usize,
}

struct Shared {
    inbox: VecDeque<Item>,
    frames: usize,
    /// Something was dropped since the utterance began.
    dropped: bool,
    outbox: VecDeque<Result<Hypothesis, EngineError>>,
    dead: bool,
}

// A frame is much larger than the rest, and it is also nearly all that there is in a queue.
#[allow(clippy::large_enum_variant)]
enum Item {
    Frame(AudioFrame),
    Expect(Arc<Expectation>),
    /// An answer is owed until then.
    Flush(Instant),
    Finish,
}

impl Stream {
    pub fn open(model: Arc<Model>, pool: &Pool, queue_frames: usize, wake: Wake) -> Result<Self, EngineError> {
        let shared = Arc::new(Mutex::new(Shared {
            inbox: VecDeque::new(),
            frames: 0,
            dropped: false,
            outbox: VecDeque::new(),
            dead: false,
        }));
        let patience = model.patience;
        let worker = Worker {
            model,
            shared: Arc::clone(&shared),
            wake,
            expected: Arc::default(),
            decoding: None,
            flushing: None,
            since_partial: 0,
            partial: String::new(),
        };
        let handle = pool.register(Box::new(worker)).map_err(|e| match e {
            EngineError::Overloaded { .. } => EngineError::Overloaded { engine: NAME.to_owned() },
            other => other,
        })?;
        // The decoder takes some tens of milliseconds to load: begin before the caller speaks.
        handle.wake(Instant::now() + 10 * SLACK);
        Ok(Self { shared, handle, queue_frames, patience, since_wake: 0 })
    }

    fn request(&self, item: Item, patience: Duration) {
        {
            let mut shared = lock(&self.shared);
            if shared.dead {
                return;
            }
            if shared.inbox.len() - shared.frames >= MAX_REQUESTS
                && let Some(at) = shared.inbox.iter().position(|item| !matches!(item, Item::Frame(_)))
            {
                shared.inbox.remove(at);
                shared.dropped = true;
            }
            shared.inbox.push_back(item);
        }
        self.handle.wake(Instant::now() + patience);
    }
}

impl RecognizerStream for Stream {
    fn expect(&mut self, what: &Arc<Expectation>) {
        self.request(Item::Expect(Arc::clone(what)), SLACK);
    }

    fn push(&mut self, frame: &AudioFrame) {
        {
            let mut shared = lock(&self.shared);
            if shared.dead {
                return;
            }
            if shared.frames >= self.queue_frames
                && let Some(at) = shared.inbox.iter().position(|item| matches!(item, Item::Frame(_)))
            {
                shared.inbox.remove(at);
                shared.frames -= 1;
                shared.dropped = true;
            }
            shared.inbox.push_back(Item::Frame(*frame));
            shared.frames += 1;
        }
        self.since_wake += 1;
        if self.since_wake >= BATCH {
            self.since_wake = 0;
            self.handle.wake(Instant::now() + SLACK);
        }
    }

    fn flush(&mut self) {
        self.request(Item::Flush(Instant::now() + self.patience), Duration::ZERO);
    }

    fn finish(&mut self) {
        self.request(Item::Finish, SLACK);
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        lock(&self.shared).outbox.pop_front()
    }
}

/// The pool's end of the stream.
struct Worker {
    model: Arc<Model>,
    shared: Arc<Mutex<Shared>>,
    wake: Wake,
    expected: Arc<Expectation>,
    decoding: Option<Decoding>,
    /// Until when the final answer is owed for what was pushed so far.
    flushing: Option<Instant>,
    since_partial: u32,
    /// The partial hypothesis given last.
    partial: String,
}

impl Slices for Worker {
    fn slice(&mut self) -> Next {
        match self.advance() {
            Ok(next) => next,
            Err(what) => {
                let mut shared = lock(&self.shared);
                shared.dead = true;
                shared.inbox.clear();
                shared.frames = 0;
                shared.outbox.push_back(Err(failed(what)));
                drop(shared);
                self.decoding = None;
                self.wake.wake_by_ref();
                Next::Idle
            }
        }
    }
}

impl Worker {
    fn advance(&mut self) -> Result<Next, String> {
        if lock(&self.shared).dead {
            return Ok(Next::Idle);
        }
        let decoding = match &mut self.decoding {
            Some(decoding) => decoding,
            None => self.decoding.insert(Decoding::new(&self.model, self.model.grammar(&self.expected))?),
        };
        if let Some(until) = self.flushing {
            let now = Instant::now();
            let Some(answer) = decoding.finalize(now >= until)? else { return Ok(Next::Again(now)) };
            self.flushing = None;
            self.since_partial = 0;
            let covers = decoding.covers();
            tracing::trace!(evidence = ?answer.evidence, confidence = answer.confidence, "final");
            self.partial.clone_from(&answer.text);
            self.give(HypothesisKind::Final, answer.text, answer.confidence, covers);
            return Ok(Next::Again(Instant::now() + SLACK));
        }
        for _ in 0..BATCH {
            let item = {
                let mut shared = lock(&self.shared);
                let item = shared.inbox.pop_front();
                shared.frames -= usize::from(matches!(item, Some(Item::Frame(_))));
                item
            };
            match item {
                None => break,
                Some(Item::Frame(frame)) => {
                    decoding.push(&frame)?;
                    self.since_partial += 1;
                }
                Some(Item::Expect(what)) => {
                    decoding.expect(self.model.grammar(&what))?;
                    self.expected = what;
                }
                Some(Item::Flush(until)) => {
                    self.flushing = Some(until);
                    return Ok(Next::Again(Instant::now()));
                }
                Some(Item::Finish) => {
                    decoding.finish();
                    self.partial.clear();
                    self.since_partial = 0;
                    lock(&self.shared).dropped = false;
                }
            }
        }
        let left = decoding.step()?;
        if left != Left::Partial && self.since_partial >= PARTIAL_FRAMES && decoding.has_speech() {
            self.since_partial = 0;
            let now = decoding.partial();
            let covers = decoding.covers();
            if !now.text.is_empty() && now.text != self.partial {
                self.partial.clone_from(&now.text);
                self.give(HypothesisKind::Partial, now.text, now.confidence, covers);
            }
        }
        let waiting = !lock(&self.shared).inbox.is_empty();
        Ok(match left {
            Left::Partial => Next::Again(Instant::now() + SLACK),
            _ if waiting => Next::Again(Instant::now() + SLACK),
            Left::Answer => Next::Again(Instant::now() + AHEAD),
            Left::Nothing => Next::Idle,
        })
    }

    fn give(&self, kind: HypothesisKind, text: String, confidence: f32, covers: MediaTime) {
        {
            let mut shared = lock(&self.shared);
            let hypothesis = Hypothesis { kind, text, confidence, covers, degraded: shared.dropped };
            // A newer hypothesis replaces a partial one that nobody has polled.
            if shared.outbox.back().is_some_and(|h| matches!(h, Ok(h) if h.kind == HypothesisKind::Partial)) {
                shared.outbox.pop_back();
            }
            if shared.outbox.len() >= MAX_FINALS {
                shared.outbox.pop_front();
            }
            shared.outbox.push_back(Ok(hypothesis));
        }
        self.wake.wake_by_ref();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
