//! Waits for a stream where waiting is allowed: while lines are rendered ahead of time, in `tipring check`, in tests.

use crate::speech::{EngineError, Reply, ReplyStream, Synthesis, SynthesisStream, Wake};
use std::sync::Arc;
use std::task::Wake as Wakes;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Longest time between two looks, should a wake be lost.
const LOOK: Duration = Duration::from_millis(50);

struct Unpark(Thread);

impl Wakes for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A wake that unparks the thread that calls this.
pub(super) fn this_thread() -> Wake {
    Arc::new(Unpark(thread::current())).into()
}

/// Takes every frame until the line is done, broken, or `patience` is over (then the last item is a failure). Streams made
/// with the wake of [`this_thread`] are seen to at once.
pub(super) fn drain(stream: &mut dyn SynthesisStream, patience: Duration) -> (Vec<i16>, Synthesis) {
    let until = Instant::now() + patience;
    let mut samples = Vec::new();
    loop {
        match stream.poll() {
            Synthesis::Frame(frame) => samples.extend_from_slice(&*frame),
            Synthesis::Pending if Instant::now() < until => thread::park_timeout(LOOK),
            Synthesis::Pending => {
                let engine = stream.engine().unwrap_or("tts").to_owned();
                let what = format!("gave nothing for {} s", patience.as_secs());
                return (samples, Synthesis::Failed(EngineError::Failed { engine, what }));
            }
            end @ (Synthesis::Done | Synthesis::Failed(_)) => return (samples, end),
        }
    }
}

/// Takes every piece of an answer until it is done, broken, or `patience` is over.
pub(super) fn read(stream: &mut dyn ReplyStream, patience: Duration) -> (String, Reply) {
    let until = Instant::now() + patience;
    let mut text = String::new();
    loop {
        match stream.poll() {
            Some(Reply::Delta(delta)) => text.push_str(&delta),
            Some(Reply::ToolCall { .. }) => {}
            Some(end) => return (text, end),
            None if Instant::now() < until => thread::park_timeout(LOOK),
            None => return (text, Reply::Failed(format!("gave nothing for {} s", patience.as_secs()))),
        }
    }
}
