//! From the task that talks to a model to the stream that the session polls.

use crate::speech::{Reply, ReplyStream, Wake};
use std::future::Future;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Pieces that wait to be taken; a task that is ahead by so many waits, and with it the sender at the other end of the wire.
const WAITING: usize = 64;

/// The task's end.
pub(super) struct Sender {
    replies: mpsc::Sender<Reply>,
    wake: Wake,
}

impl Sender {
    /// Gives a piece of text; empty ones are left out.
    pub async fn delta(&self, text: String) {
        if !text.is_empty() {
            self.send(Reply::Delta(text)).await;
        }
    }

    /// Gives calls of tools.
    pub async fn calls(&self, calls: Vec<Reply>) {
        for call in calls {
            self.send(call).await;
        }
    }

    async fn send(&self, reply: Reply) {
        // An error means that the stream was dropped; this task is about to be aborted.
        let _ = self.replies.send(reply).await;
        self.wake.wake_by_ref();
    }
}

/// The session's end. Dropping it aborts the task, and with it whatever connection the task holds.
pub(super) struct Answer {
    engine: &'static str,
    replies: mpsc::Receiver<Reply>,
    task: AbortHandle,
    ended: bool,
}

/// Runs a task that answers: what `work` returns ends the answer.
pub(super) fn spawn<F>(runtime: &Handle, engine: &'static str, wake: Wake, work: impl FnOnce(Sender) -> F) -> Answer
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let (tx, replies) = mpsc::channel(WAITING);
    let last = Sender { replies: tx.clone(), wake: wake.clone() };
    let answer = work(Sender { replies: tx, wake });
    let task = runtime.spawn(async move {
        let end = match answer.await {
            Ok(()) => Reply::Done,
            Err(what) => Reply::Failed(what),
        };
        last.send(end).await;
    });
    Answer { engine, replies, task: task.abort_handle(), ended: false }
}

impl ReplyStream for Answer {
    fn poll(&mut self) -> Option<Reply> {
        let reply = match self.replies.try_recv() {
            Ok(reply) => reply,
            Err(mpsc::error::TryRecvError::Empty) => return None,
            Err(mpsc::error::TryRecvError::Disconnected) if self.ended => Reply::Done,
            Err(mpsc::error::TryRecvError::Disconnected) => {
                Reply::Failed("the task ended without an answer".to_owned())
            }
        };
        self.ended |= matches!(reply, Reply::Done | Reply::Failed(_));
        Some(reply)
    }

    fn engine(&self) -> Option<&str> {
        Some(self.engine)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Should the runtime end before the task does, the stream is looked at once more.
        self.wake.wake_by_ref();
    }
}
