//! Engine `scripted`: fixed answers, as slow and as broken as asked for: for tests, and to try out what a call makes of it.

use super::channel;
use crate::speech::{ChatRequest, EngineError, LanguageModel, ReplyStream, Role, Wake};
use serde::Deserialize;
use std::time::Duration;
use tokio::runtime::Handle;

const NAME: &str = "scripted";

/// Settings of the engine: `[engine.scripted.llm]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The answers, given in order and then from the beginning: the first to a conversation in which the model has not
    /// spoken yet, the second to one in which it has spoken once, and so on. None: the flow's own answer.
    pub answers: Vec<String>,
    /// Milliseconds before the first word.
    pub delay_ms: u64,
    /// Milliseconds between one word and the next.
    pub word_ms: u64,
    /// Every answer breaks after so many words.
    pub fail_after_words: Option<usize>,
}

/// The engine.
pub struct Scripted {
    config: Config,
    runtime: Handle,
}

impl Scripted {
    /// Answers will be timed on `runtime`.
    pub fn new(config: &Config, runtime: &Handle) -> Self {
        Self { config: config.clone(), runtime: runtime.clone() }
    }

    fn choose(&self, what: &ChatRequest) -> String {
        let spoken = what.messages.iter().filter(|m| m.role == Role::Assistant).count();
        let count = self.config.answers.len();
        spoken.checked_rem(count).and_then(|n| self.config.answers.get(n)).unwrap_or(&what.template).clone()
    }
}

impl LanguageModel for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        let text = self.choose(what);
        let Config { delay_ms, word_ms, fail_after_words, .. } = self.config;
        let answer = channel::spawn(&self.runtime, NAME, wake, |sender| async move {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            for (n, word) in text.split_inclusive(' ').enumerate() {
                if fail_after_words == Some(n) {
                    break;
                }
                if n > 0 && word_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(word_ms)).await;
                }
                sender.delta(word.to_owned()).await;
            }
            match fail_after_words {
                Some(_) => Err("breaks as configured".to_owned()),
                None => Ok(()),
            }
        });
        Ok(Box::new(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use crate::speech::{ChatMessage, Reply};
    use std::time::Instant;

    fn ask(config: Config, spoken: usize) -> (String, Reply, Duration) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let engine = Scripted::new(&config, runtime.handle());
        let message = ChatMessage { role: Role::Assistant, content: "said".into() };
        let what = ChatRequest {
            messages: vec![message; spoken],
            template: "the flow's answer".into(),
            max_tokens: 10,
            tools: Vec::new(),
        };
        let began = Instant::now();
        let mut stream = engine.ask(&what, wait::this_thread()).unwrap();
        let (text, end) = wait::read(&mut *stream, Duration::from_secs(5));
        (text, end, began.elapsed())
    }

    #[test]
    fn answers_in_order_and_from_the_beginning() {
        let config = Config { answers: vec!["one".into(), "two words".into()], ..Config::default() };
        for (spoken, expected) in [(0, "one"), (1, "two words"), (2, "one")] {
            let (text, end, _) = ask(config.clone(), spoken);
            assert_eq!((text.as_str(), end), (expected, Reply::Done));
        }
        assert_eq!(ask(Config::default(), 3).0, "the flow's answer");
    }

    #[test]
    fn is_slow_and_breaks_as_told() {
        let config = Config { delay_ms: 60, word_ms: 20, fail_after_words: Some(2), ..Config::default() };
        let (text, end, took) = ask(config, 0);
        assert_eq!(text, "the flow's ");
        assert!(matches!(end, Reply::Failed(_)));
        assert!(took >= Duration::from_millis(80), "{took:?}");
    }
}
