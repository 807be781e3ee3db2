//! Engine `recorded`: answers from a file what was answered before. A fake for demonstrations, tests and the evaluation of dialogues:
//! the same questions get the same answers, without a model and without a network.
//!
//! The file has one [`Exchange`] a line, as calls log them (`ID.llm.jsonl`) and `tipring eval dialogue --record` writes them. A question
//! without an answer is declined, and the next engine of the chain is asked.

use crate::speech::{ChatRequest, EngineError, Exchange, LanguageModel, Reply, ReplyStream, Wake, exchange_key};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

const NAME: &str = "recorded";
/// Longest file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Settings of the engine: `[engine.recorded]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The files with the answers; of two to the same question the later one counts.
    pub files: Vec<PathBuf>,
}

/// The engine.
pub struct Recorded {
    answers: BTreeMap<String, Vec<Reply>>,
}

impl Recorded {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when there is none, or one cannot be read; naming file and line.
    pub fn open(config: &Config) -> Result<Self, EngineError> {
        if config.files.is_empty() {
            let what = "engine.recorded.files names no file; name one that a call or tipring eval dialogue --record has written";
            return Err(unavailable(what.to_owned()));
        }
        let mut answers = BTreeMap::new();
        for file in &config.files {
            answers.extend(read(file).map_err(unavailable)?);
        }
        Ok(Self { answers })
    }

    /// How many questions it knows the answer to.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// It knows none.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

fn read(file: &Path) -> Result<Vec<(String, Vec<Reply>)>, String> {
    let name = file.display();
    let size = std::fs::metadata(file).map_err(|error| format!("{name}: {error}; set engine.recorded.files"))?.len();
    if size > MAX_FILE {
        return Err(format!("{name}: has {} MiB, more than {}", size >> 20, MAX_FILE >> 20));
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let exchange: Exchange = serde_json::from_str(line)
            .map_err(|error| format!("{name}:{}: is no recorded question: {error}", at + 1))?;
        // One that was asked and never answered has nothing to repeat.
        if exchange.answer.is_empty() && exchange.calls.is_empty() {
            continue;
        }
        let calls = exchange.calls.into_iter().enumerate();
        let calls =
            calls.map(|(n, call)| Reply::ToolCall { id: n.to_string(), name: call.name, arguments: call.arguments });
        let mut replies: Vec<Reply> = vec![Reply::Delta(exchange.answer)];
        replies.extend(calls);
        replies.push(Reply::Done);
        all.push((exchange.key, replies));
    }
    Ok(all)
}

impl LanguageModel for Recorded {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, _wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        let key = exchange_key(what);
        let replies = self.answers.get(&key).ok_or_else(|| EngineError::Declined {
            engine: NAME.to_owned(),
            what: format!("has no answer to {key}"),
        })?;
        Ok(Box::new(Given { replies: replies.iter().cloned().collect() }))
    }
}

struct Given {
    replies: VecDeque<Reply>,
}

impl ReplyStream for Given {
    fn poll(&mut self) -> Option<Reply> {
        Some(self.replies.pop_front().unwrap_or(Reply::Done))
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;
    use crate::speech::{ChatMessage, Role};
    use std::task::Waker;

    fn request(said: &str) -> ChatRequest {
        let messages = vec![ChatMessage { role: Role::User, content: said.to_owned() }];
        ChatRequest { messages, template: "t".to_owned(), max_tokens: 9, tools: Vec::new() }
    }

    #[test]
    fn what_was_answered_before_is_answered_again_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        let mut exchange = Exchange::asked(&request("what does it cost"), "s", MediaTime::ZERO);
        exchange.take(&Reply::Delta("Thirty.".to_owned()), 1);
        exchange.take(
            &Reply::ToolCall { id: "x".into(), name: "goto".into(), arguments: serde_json::json!({"state": "a"}) },
            1,
        );
        let unanswered = Exchange::asked(&request("never"), "s", MediaTime::ZERO);
        let lines = [exchange.close(), unanswered].map(|exchange| serde_json::to_string(&exchange).unwrap());
        std::fs::write(&file, lines.join("\n")).unwrap();
        let engine = Recorded::open(&Config { files: vec![file.clone()] }).unwrap();
        assert_eq!(engine.len(), 1);
        let mut stream = engine.ask(&request("what does it cost"), Waker::noop().clone()).unwrap();
        assert_eq!(stream.poll(), Some(Reply::Delta("Thirty.".to_owned())));
        assert!(matches!(stream.poll(), Some(Reply::ToolCall { name, .. }) if name == "goto"));
        assert_eq!((stream.poll(), stream.poll()), (Some(Reply::Done), Some(Reply::Done)));
        for unknown in ["never", "what else"] {
            let error = engine.ask(&request(unknown), Waker::noop().clone()).err().unwrap();
            assert!(matches!(error, EngineError::Declined { .. }), "{error}");
        }
        std::fs::write(&file, "{\"key\":\"a\",\"answer\":\"b\"}\nnot json").unwrap();
        let error = Recorded::open(&Config { files: vec![file] }).err().unwrap().to_string();
        assert!(error.contains("a.jsonl:2: is no recorded question"), "{error}");
        assert!(Recorded::open(&Config::default()).err().unwrap().to_string().contains("engine.recorded.files"));
    }
}
