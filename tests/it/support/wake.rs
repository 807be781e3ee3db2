//! Waits for the streams of engines, as a speech thread does.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tipring::audio::{AudioFrame, FRAME_SAMPLES, FrameOrigin, MediaTime};
use tipring::speech::{
    EngineError, Hypothesis, HypothesisKind, RecognizerStream, Reply, ReplyStream, Synthesis, SynthesisStream,
};

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(6);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes this thread.
pub fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Looks until there is something; woken by the engine, or every 4 ms as the speech thread.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: nothing for {PATIENCE:?}");
        thread::park_timeout(Duration::from_millis(4));
    }
}

/// The next hypothesis.
pub fn heard(stream: &mut dyn RecognizerStream) -> Result<Hypothesis, EngineError> {
    until("a hypothesis", || stream.poll())
}

/// The next final hypothesis; everything before it is passed over.
pub fn answer(stream: &mut dyn RecognizerStream) -> Result<Hypothesis, EngineError> {
    loop {
        match heard(stream) {
            Ok(hypothesis) if hypothesis.kind != HypothesisKind::Final => {}
            other => return other,
        }
    }
}

/// Pushes so many frames of sound that begin at frame `from`.
pub fn speak(stream: &mut dyn RecognizerStream, from: u64, frames: u64) {
    for n in from..from + frames {
        let samples = std::array::from_fn::<i16, FRAME_SAMPLES, _>(|i| ((i as f64 * 0.1).sin() * 8000.0) as i16);
        stream.push(&AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples });
    }
}

/// All samples of a line, and how it ended.
pub fn said(stream: &mut dyn SynthesisStream) -> (Vec<i16>, Result<(), EngineError>) {
    let mut samples = Vec::new();
    loop {
        let next = until("a frame", || match stream.poll() {
            Synthesis::Pending => None,
            other => Some(other),
        });
        match next {
            Synthesis::Frame(frame) => samples.extend_from_slice(&*frame),
            Synthesis::Done => return (samples, Ok(())),
            Synthesis::Failed(error) => return (samples, Err(error)),
            Synthesis::Pending => {}
        }
    }
}

/// All replies up to the end.
pub fn replies(stream: &mut dyn ReplyStream) -> Vec<Reply> {
    let mut all = Vec::new();
    loop {
        let reply = until("a reply", || stream.poll());
        let over = matches!(reply, Reply::Done | Reply::Failed(_));
        all.push(reply);
        if over {
            return all;
        }
    }
}
