//! The questions to the language model that are under way.

use crate::audio::MediaTime;
use crate::speech::{ChatRequest, EngineError, Exchange, LanguageModel, Reply, ReplyStream};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

struct Bell(Notify);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// A question under way.
struct Open {
    ask: u32,
    stream: Box<dyn ReplyStream>,
    asked: Instant,
    exchange: Exchange,
}

/// Open questions of one call. The agent has one or two at a time.
pub(super) struct Replies {
    llm: Arc<dyn LanguageModel>,
    /// The last question whose engine was told.
    told: u32,
    bell: Arc<Bell>,
    open: Vec<Open>,
    /// Those that are over and were not logged yet.
    over: Vec<Exchange>,
}

impl Replies {
    pub(super) fn new(llm: Arc<dyn LanguageModel>) -> Self {
        Self { llm, told: 0, bell: Arc::new(Bell(Notify::new())), open: Vec::new(), over: Vec::new() }
    }

    /// Asks in a state of the flow, at a time of the call. The answer comes out of [`Self::next`].
    pub(super) fn ask(&mut self, ask: u32, what: &ChatRequest, state: &str, at: MediaTime) -> Result<(), EngineError> {
        let mut exchange = Exchange::asked(what, state, at);
        match self.llm.ask(what, self.bell.clone().into()) {
            Ok(stream) => {
                self.open.push(Open { ask, stream, asked: Instant::now(), exchange });
                Ok(())
            }
            Err(error) => {
                exchange.take(&Reply::Failed(error.to_string()), 0);
                self.over.push(exchange);
                Err(error)
            }
        }
    }

    /// The questions that are over since the last time, to be logged.
    pub(super) fn take_over(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.over)
    }

    /// Name of the engine that answers this question, once, and whether it is another than the first of the chain.
    pub(super) fn answering(&mut self, ask: u32) -> Option<(String, bool)> {
        if ask <= self.told {
            return None;
        }
        self.told = ask;
        let open = self.open.iter_mut().find(|open| open.ask == ask);
        let name = match open {
            Some(open) => {
                open.exchange.engine = open.stream.engine().unwrap_or(self.llm.name()).to_owned();
                open.exchange.engine.clone()
            }
            None => self.llm.name().to_owned(),
        };
        let another = !self.llm.name().starts_with(&name);
        Some((name, another))
    }

    /// Drops a question; dropping its stream cancels the request.
    pub(super) fn cancel(&mut self, ask: u32) {
        let Some(at) = self.open.iter().position(|open| open.ask == ask) else { return };
        self.over.push(self.open.remove(at).exchange.close());
    }

    /// Drops all of them: the call is over.
    pub(super) fn cancel_all(&mut self) {
        self.over.extend(self.open.drain(..).map(|open| open.exchange.close()));
    }

    /// Waits for the next piece of any answer. Safe to cancel.
    pub(super) async fn next(&mut self) -> (u32, Reply) {
        loop {
            let ready = self.open.iter_mut().find_map(|open| open.stream.poll().map(|reply| (open, reply)));
            if let Some((open, reply)) = ready {
                let ask = open.ask;
                open.exchange.take(&reply, u64::try_from(open.asked.elapsed().as_millis()).unwrap_or(u64::MAX));
                if matches!(reply, Reply::Done | Reply::Failed(_)) {
                    self.cancel(ask);
                }
                return (ask, reply);
            }
            self.bell.0.notified().await;
        }
    }
}
