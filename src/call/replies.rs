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
    llm: Arc<dyn LanguageModel>,
    /// The last question whose engine was told.
    told: u32,
    bell: Arc<Bell>,
    open: Vec<(u32, Box<dyn ReplyStream>)>,
}

impl Replies {
    pub(super) fn new(llm: Arc<dyn LanguageModel>) -> Self {
        Self { llm, told: 0, bell: Arc::new(Bell(Notify::new())), open: Vec::new() }
    }

    /// Asks. The answer comes out of [`Self::next`].
    pub(super) fn ask(&mut self, ask: u32, what: &ChatRequest) -> Result<(), EngineError> {
        let stream = self.llm.ask(what, self.bell.clone().into())?;
        self.open.push((ask, stream));
        Ok(())
    }

    /// Name of the engine that answers this question, once, and whether it is another than the first of the chain.
    pub(super) fn answering(&mut self, ask: u32) -> Option<(String, bool)> {
        if ask <= self.told {
            return None;
        }
        self.told = ask;
        let answering = self.open.iter().find(|(n, _)| *n == ask).and_then(|(_, stream)| stream.engine());
        let name = answering.unwrap_or(self.llm.name());
        Some((name.to_owned(), !self.llm.name().starts_with(name)))
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
                if let Reply::ToolCall { name, .. } = &reply {
                    let name: String = crate::pii::mask_text(name).chars().take(64).collect();
                    tracing::warn!(
                        tool = name.as_str(),
                        "the language model calls a tool that it was not offered; refused"
                    );
                }
                return (ask, reply);
            }
            self.bell.0.notified().await;
        }
    }
}
