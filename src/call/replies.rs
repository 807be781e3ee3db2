//! The questions to the language model that are under way.

use crate::speech::{ChatRequest, EngineError, LanguageModel, Reply, ReplyStream};
use std::sync::Arc;
use tokio::sync::Notify;

struct Bell(Notify);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Open questions of one call. The agent has one or two at a time.
pub(super) struct Replies {
    bell: Arc<Bell>,
    open: Vec<(u32, Box<dyn ReplyStream>)>,
}

impl Replies {
    pub(super) fn new() -> Self {
        Self { bell: Arc::new(Bell(Notify::new())), open: Vec::new() }
    }

    /// Asks. The answer comes out of [`Self::next`].
    pub(super) fn ask(&mut self, llm: &dyn LanguageModel, ask: u32, what: &ChatRequest) -> Result<(), EngineError> {
        let stream = llm.ask(what, self.bell.clone().into())?;
        self.open.push((ask, stream));
        Ok(())
    }

    /// Name of the engine of a chain that answers this question, where the stream says so.
    pub(super) fn engine(&self, ask: u32) -> Option<&str> {
        self.open.iter().find(|(n, _)| *n == ask).and_then(|(_, stream)| stream.engine())
    }

    /// Drops a question; dropping its stream cancels the request.
    pub(super) fn cancel(&mut self, ask: u32) {
        self.open.retain(|(n, _)| *n != ask);
    }

    /// Waits for the next piece of any answer. Safe to cancel.
    pub(super) async fn next(&mut self) -> (u32, Reply) {
        loop {
            let ready = self.open.iter_mut().find_map(|(ask, stream)| stream.poll().map(|reply| (*ask, reply)));
            if let Some((ask, reply)) = ready {
                if matches!(reply, Reply::Done | Reply::Failed(_)) {
                    self.cancel(ask);
                }
                return (ask, reply);
            }
            self.bell.0.notified().await;
        }
    }
}
