//! One Silero session for all calls: their chunks are collected for a few milliseconds and run as one batch.

use crate::engine::onnx;
use crate::speech::EngineError;
use ort::session::Session;
use ort::value::TensorRef;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Length of the recurrent state of one call: two layers of 128.
const STATE: usize = 256;
/// Name of the output that is the state after a chunk.
const NEW_STATE: &str = "stateN";
const LAYER: usize = STATE / 2;
/// Chunks that may wait for all calls together: at 32 ms a chunk, what 1000 calls send in 130 ms. One more is dropped.
const QUEUE: usize = 4096;
/// The largest batch: beyond it a chunk gets no cheaper.
const LARGEST: usize = 128;
/// Chunks that wait for the next batch, because their call has one in this batch already: from here on no more are received, so
/// that they wait in the queue, which drops what it has no room for.
const HELD: usize = 1024;
/// Batches in a row that fail, each twice, before the model is given up. ONNX Runtime fails, rarely and for once, in the branches of an `If`
/// ("GetElementType is not implemented", its issue 22075).
const FAILURES: u32 = 3;
/// Answers that are kept for a call that does not take them. The oldest is dropped.
const ANSWERS: usize = 64;

/// An answer: the place of the chunk's last sample in the call, in samples of the model's rate, and the probability that the
/// chunk holds speech.
pub(super) type Answer = (u64, f32);

/// What the worker and one call's stream share.
#[derive(Default)]
pub(super) struct Mailbox {
    answers: Mutex<Answers>,
    settled: Condvar,
}

#[derive(Default)]
struct Answers {
    given: VecDeque<Answer>,
    pending: usize,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        // Held for a push or a pop: a panic leaves nothing half done.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest answer that was not taken.
    pub fn take(&self) -> Option<Answer> {
        self.lock().given.pop_front()
    }

    /// Waits until nothing is outstanding, `most` at the longest.
    pub fn settle(&self, most: Duration) {
        let guard = self.lock();
        drop(self.settled.wait_timeout_while(guard, most, |answers| answers.pending > 0));
    }

    /// Chunks that have no answer yet.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.lock().pending
    }

    fn put(&self, answer: Option<Answer>) {
        let mut answers = self.lock();
        answers.pending = answers.pending.saturating_sub(1);
        if let Some(answer) = answer {
            if answers.given.len() >= ANSWERS {
                answers.given.pop_front();
            }
            answers.given.push_back(answer);
        }
        drop(answers);
        self.settled.notify_all();
    }
}

/// What one call keeps from chunk to chunk. Only the worker reads and writes it.
struct Memory {
    state: [f32; STATE],
    /// The last samples of the chunk before.
    context: Vec<f32>,
}

/// A call's place at the worker. Dropping it gives the place back.
pub(super) struct Place {
    worker: Arc<Queue>,
    mailbox: Arc<Mailbox>,
    memory: Arc<Mutex<Memory>>,
}

struct Queue {
    sender: SyncSender<Chunk>,
    open: Arc<AtomicUsize>,
    failed: Arc<AtomicBool>,
    context: usize,
}

struct Chunk {
    mailbox: Arc<Mailbox>,
    memory: Arc<Mutex<Memory>>,
    samples: Vec<f32>,
    end: u64,
}

/// The worker's end of the engine; ends with the last clone and the last place.
#[derive(Clone)]
pub(super) struct Worker(Arc<Queue>);

impl Worker {
    /// Opens the model and starts the thread. `rate_hz` is 8000 or 16000.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`]: no library, no model, no thread.
    pub fn start(
        library: Option<&std::path::Path>,
        model: onnx::Model<'_>,
        rate_hz: u32,
        collect: Duration,
    ) -> Result<Self, EngineError> {
        let session = onnx::session(super::NAME, library, model, 1)?;
        let (inputs, outputs) = (session.inputs(), session.outputs());
        for (name, of) in
            [("input", inputs), ("state", inputs), ("sr", inputs), ("output", outputs), (NEW_STATE, outputs)]
        {
            if !of.iter().any(|outlet| outlet.name() == name) {
                let what = format!("the model has no '{name}'; use a Silero model of version 5 or 6");
                return Err(EngineError::Unavailable { engine: super::NAME.to_owned(), what });
            }
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let (open, failed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let context = context(rate_hz);
        let run = Run {
            session,
            rate: [i64::from(rate_hz)],
            chunk: chunk(rate_hz),
            context,
            collect,
            open: Arc::clone(&open),
            failed: Arc::clone(&failed),
            input: Vec::new(),
            state: Vec::new(),
        };
        std::thread::Builder::new().name("silero".to_owned()).spawn(move || run.work(&receiver)).map_err(|e| {
            let what = format!("cannot start its thread: {e}; raise the limit on threads (ulimit -u)");
            EngineError::Unavailable { engine: super::NAME.to_owned(), what }
        })?;
        Ok(Self(Arc::new(Queue { sender, open, failed, context })))
    }

    /// A place for one more call.
    pub fn place(&self) -> Place {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let memory = Memory { state: [0.0; STATE], context: vec![0.0; self.0.context] };
        Place { worker: Arc::clone(&self.0), mailbox: Arc::default(), memory: Arc::new(Mutex::new(memory)) }
    }
}

impl Place {
    /// Where the answers come.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The model failed: there will be no further answers.
    pub fn failed(&self) -> bool {
        self.worker.failed.load(Ordering::Relaxed)
    }

    /// Sends a chunk; `end` comes back with its answer. Never waits: when the queue is full the chunk is dropped, and gets no
    /// answer.
    pub fn send(&self, samples: Vec<f32>, end: u64) {
        self.mailbox.lock().pending += 1;
        let (mailbox, memory) = (Arc::clone(&self.mailbox), Arc::clone(&self.memory));
        let sent = self.worker.sender.try_send(Chunk { mailbox, memory, samples, end });
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.mailbox.put(None);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Samples of a chunk: 32 ms.
pub(super) const fn chunk(rate_hz: u32) -> usize {
    if rate_hz == 8000 { 256 } else { 512 }
}

/// Samples of the chunk before that the model wants to see again: 4 ms.
const fn context(rate_hz: u32) -> usize {
    if rate_hz == 8000 { 32 } else { 64 }
}

/// Puts a chunk into the batch; a second one of its call, or one that has no room, waits for the next batch.
fn sort(chunk: Chunk, batch: &mut Vec<Chunk>, later: &mut VecDeque<Chunk>) {
    let twice = batch.iter().any(|other| Arc::ptr_eq(&other.memory, &chunk.memory));
    if twice || batch.len() >= LARGEST { later.push_back(chunk) } else { batch.push(chunk) }
}

struct Run {
    session: Session,
    rate: [i64; 1],
    chunk: usize,
    context: usize,
    collect: Duration,
    open: Arc<AtomicUsize>,
    failed: Arc<AtomicBool>,
    // Kept for their memory.
    input: Vec<f32>,
    state: Vec<f32>,
}

impl Run {
    fn work(mut self, receiver: &Receiver<Chunk>) {
        // Second chunks of calls that are in the batch already: the state makes them wait for the first one's answer.
        let mut held: VecDeque<Chunk> = VecDeque::new();
        let mut failures = 0;
        loop {
            let mut batch: Vec<Chunk> = Vec::new();
            let mut later = VecDeque::new();
            let waited = held.is_empty();
            held.drain(..).for_each(|chunk| sort(chunk, &mut batch, &mut later));
            if waited {
                let Ok(first) = receiver.recv() else { return };
                sort(first, &mut batch, &mut later);
            }
            let until = Instant::now() + self.collect;
            // When every call has sent one there is nobody to wait for.
            while later.len() < HELD && batch.len() < self.open.load(Ordering::Relaxed).min(LARGEST) {
                match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(chunk) => sort(chunk, &mut batch, &mut later),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) if batch.is_empty() => return,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            held = later;
            if self.failed.load(Ordering::Relaxed) {
                batch.iter().for_each(|chunk| chunk.mailbox.put(None));
                continue;
            }
            let answers = self.run(&batch).or_else(|error| {
                tracing::warn!(%error, "silero failed; once more");
                self.run(&batch)
            });
            match answers {
                Ok(answers) => {
                    failures = 0;
                    for (chunk, probability) in batch.iter().zip(answers) {
                        chunk.mailbox.put(Some((chunk.end, probability)));
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures >= FAILURES {
                        tracing::error!(%error, "silero failed and hears no more; the voice detector before it goes on alone");
                        self.failed.store(true, Ordering::Relaxed);
                    }
                    batch.iter().for_each(|chunk| chunk.mailbox.put(None));
                }
            }
        }
    }

    /// The probability of each chunk, and each call's memory brought forward; neither where the model failed.
    fn run(&mut self, batch: &[Chunk]) -> Result<Vec<f32>, String> {
        let count = batch.len();
        self.input.clear();
        self.state.clear();
        self.state.resize(count * STATE, 0.0);
        for (n, chunk) in batch.iter().enumerate() {
            let memory = chunk.memory.lock().unwrap_or_else(PoisonError::into_inner);
            self.input.extend_from_slice(&memory.context);
            self.input.extend_from_slice(&chunk.samples);
            // The model wants the first layer of all calls, then the second.
            let (first, second) = memory.state.split_at(LAYER);
            self.state[n * LAYER..][..LAYER].copy_from_slice(first);
            self.state[(count + n) * LAYER..][..LAYER].copy_from_slice(second);
        }
        let failed = |e: ort::Error| e.to_string();
        let width = self.context + self.chunk;
        let outputs = self
            .session
            .run(ort::inputs![
                "input" => TensorRef::from_array_view(([count, width], self.input.as_slice())).map_err(failed)?,
                "state" => TensorRef::from_array_view(([2, count, LAYER], self.state.as_slice())).map_err(failed)?,
                "sr" => TensorRef::from_array_view(([0_usize; 0], self.rate.as_slice())).map_err(failed)?,
            ])
            .map_err(failed)?;
        let output = |name: &str| outputs.get(name).ok_or_else(|| format!("it gave no '{name}'"));
        let (_, answers) = output("output")?.try_extract_tensor::<f32>().map_err(failed)?;
        let (_, states) = output(NEW_STATE)?.try_extract_tensor::<f32>().map_err(failed)?;
        if answers.len() != count || states.len() != count * STATE {
            return Err(format!("a batch of {count} gave {} answers and {} states", answers.len(), states.len()));
        }
        for (n, chunk) in batch.iter().enumerate() {
            let mut memory = chunk.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let (first, second) = memory.state.split_at_mut(LAYER);
            first.copy_from_slice(&states[n * LAYER..][..LAYER]);
            second.copy_from_slice(&states[(count + n) * LAYER..][..LAYER]);
            let tail = chunk.samples.len().saturating_sub(self.context);
            memory.context.copy_from_slice(&chunk.samples[tail..]);
        }
        Ok(answers.iter().map(|p| if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 }).collect())
    }
}
