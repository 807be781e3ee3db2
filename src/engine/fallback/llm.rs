//! Language models: as long as nothing was said, the next one can be asked.

use super::Links;
use crate::id::CallId;
use crate::speech::{ChatRequest, EngineError, EngineKind, LanguageModel, Reply, ReplyStream, Wake};
use std::sync::Arc;

/// Language models in the order in which they are asked.
///
/// A model that breaks before its first words is replaced by the next one; one that breaks later has failed, because what
/// was spoken cannot be taken back.
pub struct LanguageModelChain(Arc<Links<dyn LanguageModel>>);

impl LanguageModelChain {
    /// First choice first.
    pub fn new(engines: Vec<Arc<dyn LanguageModel>>) -> Self {
        Self::missing(engines, &[])
    }

    /// As [`Self::new`], with what is to be said of engines that were configured and are missing when none is left.
    pub fn missing(engines: Vec<Arc<dyn LanguageModel>>, missing: &[String]) -> Self {
        Self(Links::new(EngineKind::Llm, engines, missing, |engine| engine.name()))
    }
}

impl LanguageModel for LanguageModelChain {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        let (index, stream) = self.0.open(0, |engine| engine.ask(what, wake.clone()))?;
        let links = Arc::clone(&self.0);
        Ok(Box::new(Serving { links, index, stream, request: what.clone(), wake, spoken: false, over: false }))
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn LanguageModel>> {
        let links = self.0.for_call(|engine| engine.for_call(call))?;
        Some(Arc::new(Self(links)))
    }
}

struct Serving {
    links: Arc<Links<dyn LanguageModel>>,
    index: usize,
    stream: Box<dyn ReplyStream>,
    request: ChatRequest,
    wake: Wake,
    spoken: bool,
    over: bool,
}

impl Serving {
    /// Asks the next model, if that is still possible.
    fn go_on(&mut self, what: &str) -> bool {
        let engine = self.links.name_of(self.index).to_owned();
        self.links.report(self.index, Some(&EngineError::Failed { engine: engine.clone(), what: what.to_owned() }));
        if self.spoken {
            return false;
        }
        tracing::warn!(engine, error = what, "a language model gave no answer; the next one is asked");
        match self.links.open(self.index + 1, |engine| engine.ask(&self.request, self.wake.clone())) {
            Ok((index, stream)) => {
                (self.index, self.stream) = (index, stream);
                true
            }
            Err(_) => false,
        }
    }
}

impl ReplyStream for Serving {
    fn poll(&mut self) -> Option<Reply> {
        loop {
            let reply = self.stream.poll()?;
            match &reply {
                Reply::Delta(_) | Reply::ToolCall { .. } => self.spoken = true,
                Reply::Done if !std::mem::replace(&mut self.over, true) => self.links.report(self.index, None),
                Reply::Failed(what) if !self.over => {
                    if self.go_on(what) {
                        continue;
                    }
                    self.over = true;
                }
                Reply::Done | Reply::Failed(_) => {}
            }
            return Some(reply);
        }
    }

    fn engine(&self) -> Option<&str> {
        Some(self.stream.engine().unwrap_or(self.links.name_of(self.index)))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The caller interrupted an answer that went well.
        if !self.over && self.spoken {
            self.links.report(self.index, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    struct Engine {
        name: &'static str,
        replies: Vec<Reply>,
        asked: AtomicUsize,
    }

    struct Stream(std::vec::IntoIter<Reply>);

    impl LanguageModel for Engine {
        fn name(&self) -> &str {
            self.name
        }
        fn ask(&self, _: &ChatRequest, _: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
            self.asked.fetch_add(1, Relaxed);
            Ok(Box::new(Stream(self.replies.clone().into_iter())))
        }
    }

    impl ReplyStream for Stream {
        fn poll(&mut self) -> Option<Reply> {
            self.0.next()
        }
    }

    fn engine(name: &'static str, replies: &[Reply]) -> Arc<Engine> {
        Arc::new(Engine { name, replies: replies.to_vec(), asked: AtomicUsize::new(0) })
    }

    fn ask(engines: &[Arc<Engine>]) -> (String, Reply, String) {
        let chain = LanguageModelChain::new(engines.iter().map(|e| Arc::clone(e) as Arc<dyn LanguageModel>).collect());
        ask_chain(&chain)
    }

    fn ask_chain(chain: &LanguageModelChain) -> (String, Reply, String) {
        let what = ChatRequest { messages: Vec::new(), template: String::new(), max_tokens: 1, tools: Vec::new() };
        let mut stream = chain.ask(&what, wait::this_thread()).unwrap();
        let (text, end) = wait::read(&mut *stream, Duration::from_secs(1));
        let name = stream.engine().unwrap_or_default().to_owned();
        (text, end, name)
    }

    #[test]
    fn before_the_first_words_the_next_is_asked() {
        let broken = engine("a", &[Reply::Failed("503".into())]);
        let sound = engine("b", &[Reply::Delta("yes".into()), Reply::Done]);
        assert_eq!(ask(&[Arc::clone(&broken), sound]), ("yes".into(), Reply::Done, "b".into()));
        assert_eq!(ask(&[broken]).1, Reply::Failed("503".into()));
    }

    #[test]
    fn after_the_first_words_it_has_failed() {
        let broken = engine("a", &[Reply::Delta("we".into()), Reply::Failed("cut".into())]);
        let sound = engine("b", &[Reply::Delta("yes".into()), Reply::Done]);
        assert_eq!(ask(&[broken, sound]), ("we".into(), Reply::Failed("cut".into()), "a".into()));
    }

    #[test]
    fn one_that_keeps_failing_is_not_asked_any_more() {
        let broken = engine("a", &[Reply::Failed("503".into())]);
        let sound = engine("b", &[Reply::Delta("yes".into()), Reply::Done]);
        let engines: Vec<Arc<dyn LanguageModel>> = vec![broken.clone(), sound.clone()];
        let chain = LanguageModelChain::new(engines);
        for _ in 0..6 {
            assert_eq!(ask_chain(&chain).2, "b");
        }
        assert_eq!((broken.asked.load(Relaxed), sound.asked.load(Relaxed)), (3, 6));
    }
}
