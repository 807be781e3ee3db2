//! One question to the language model and what came back, as it is logged: masked, and complete enough to be asked again.

use super::{ChatMessage, ChatRequest, Reply, Role, Tool};
use crate::audio::MediaTime;
use crate::pii::mask_text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most bytes of an answer that are logged.
const MAX_ANSWER: usize = 8_000;
/// Most calls of tools that are logged.
const MAX_CALLS: usize = 32;

/// A call of a tool, as the model made it. Whether it was obeyed is in the call's record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ToolUse {
    /// The tool.
    pub name: String,
    /// Its arguments, texts masked.
    #[serde(default)]
    pub arguments: serde_json::Value,
}

/// A question and its answer: one line of a call's `ID.llm.jsonl`, and of the files that the engine `recorded` answers from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// What the question is known by: see [`key`].
    pub key: String,
    /// When it was asked, in call time.
    #[serde(default)]
    pub at: MediaTime,
    /// The flow's state.
    #[serde(default)]
    pub state: String,
    /// The conversation so far, the task first.
    #[serde(default)]
    pub messages: Vec<ChatMessage>,
    /// The answer that the flow had ready.
    #[serde(default)]
    pub template: String,
    /// Bound on the length of the answer.
    #[serde(default)]
    pub max_tokens: u32,
    /// The tools that were offered.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// The engine that answered; empty where none did.
    #[serde(default)]
    pub engine: String,
    /// What it answered.
    #[serde(default)]
    pub answer: String,
    /// The tools that it called.
    #[serde(default)]
    pub calls: Vec<ToolUse>,
    /// How it ended: `done`, `cancelled` (the caller went on, or it took too long), or what failed.
    #[serde(default)]
    pub end: String,
    /// Milliseconds to the first words.
    #[serde(default)]
    pub first_ms: Option<u64>,
    /// Milliseconds to the end.
    #[serde(default, rename = "ms")]
    pub took_ms: u64,
}

impl Exchange {
    /// Of a question that has just been asked, masked.
    pub fn asked(what: &ChatRequest, state: &str, at: MediaTime) -> Self {
        let mask = |message: &ChatMessage| ChatMessage { role: message.role, content: mask_text(&message.content) };
        Self {
            key: key(what),
            at,
            state: state.to_owned(),
            messages: what.messages.iter().map(mask).collect(),
            template: mask_text(&what.template),
            max_tokens: what.max_tokens,
            tools: what.tools.clone(),
            engine: String::new(),
            answer: String::new(),
            calls: Vec::new(),
            end: "cancelled".to_owned(),
            first_ms: None,
            took_ms: 0,
        }
    }

    /// Takes a piece of the answer, `ms` after the question. What is too much is left out.
    pub fn take(&mut self, reply: &Reply, ms: u64) {
        self.took_ms = ms;
        match reply {
            Reply::Delta(piece) => {
                self.first_ms.get_or_insert(ms);
                if self.answer.len() + piece.len() <= MAX_ANSWER {
                    self.answer.push_str(piece);
                }
            }
            Reply::ToolCall { name, arguments, .. } if self.calls.len() < MAX_CALLS => {
                let name = mask_text(name).chars().take(64).collect();
                self.calls.push(ToolUse { name, arguments: masked(arguments) });
            }
            Reply::ToolCall { .. } => {}
            Reply::Done => self.end = "done".to_owned(),
            Reply::Failed(what) => self.end = mask_text(what),
        }
    }

    /// No more comes: the answer is masked as a whole, because a number may come in pieces.
    pub fn close(mut self) -> Self {
        self.answer = mask_text(&self.answer);
        self
    }

    /// The question, to be asked again.
    pub fn request(&self) -> ChatRequest {
        ChatRequest {
            messages: self.messages.clone(),
            template: self.template.clone(),
            max_tokens: self.max_tokens,
            tools: self.tools.clone(),
        }
    }
}

/// What a question is known by: a hash of the answer that the flow had ready, the caller's last words and the names of the
/// tools, all masked. So an answer that was recorded stays good when the wording of the instructions changes, and not when what
/// was asked does.
pub fn key(what: &ChatRequest) -> String {
    let mut hash = Sha256::new();
    let said = what.messages.iter().rev().find(|message| message.role == Role::User);
    let said = said.map_or("", |message| message.content.as_str());
    let tools: Vec<&str> = what.tools.iter().map(|tool| tool.name.as_str()).collect();
    for part in [mask_text(&what.template), mask_text(said), tools.join(" ")] {
        hash.update(part.trim().as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

fn masked(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(mask_text(text)),
        Value::Array(all) => Value::Array(all.iter().map(masked).collect()),
        Value::Object(all) => Value::Object(all.iter().map(|(name, value)| (name.clone(), masked(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(said: &str) -> ChatRequest {
        let message = |role, content: &str| ChatMessage { role, content: content.to_owned() };
        ChatRequest {
            messages: vec![message(Role::System, "Task: sell."), message(Role::User, said)],
            template: "Ready.".to_owned(),
            max_tokens: 9,
            tools: Vec::new(),
        }
    }

    #[test]
    fn it_is_masked_whatever_the_pieces() {
        let mut exchange = Exchange::asked(&request("my number is 13912345678"), "ask", MediaTime::from_ms(5));
        for piece in ["call 1391", "2345678 ", "now"] {
            exchange.take(&Reply::Delta(piece.to_owned()), 7);
        }
        let arguments = serde_json::json!({"value": "13912345678"});
        exchange.take(&Reply::ToolCall { id: "1".into(), name: "fill_slot".into(), arguments }, 8);
        exchange.take(&Reply::Done, 9);
        let line = serde_json::to_string(&exchange.close()).unwrap();
        assert!(
            !line.contains("13912345678") && line.contains("\"end\":\"done\"") && line.contains("\"first_ms\":7"),
            "{line}"
        );
        let read: Exchange = serde_json::from_str(&line).unwrap();
        assert_eq!(key(&read.request()), read.key, "a masked question has the key of the one that was asked");
    }

    #[test]
    fn the_key_is_of_what_was_asked() {
        assert_eq!(key(&request("hello")), key(&request(" hello ")));
        assert_ne!(key(&request("hello")), key(&request("goodbye")));
        let mut other = request("hello");
        other.messages[0].content = "Task: sell well.".to_owned();
        assert_eq!(key(&request("hello")), key(&other));
        other.template = "Other.".to_owned();
        assert_ne!(key(&request("hello")), key(&other));
    }

    #[test]
    fn what_a_model_gives_is_bounded() {
        let mut exchange = Exchange::asked(&request("x"), "s", MediaTime::ZERO);
        for _ in 0..10_000 {
            exchange.take(&Reply::Delta("y".repeat(100)), 1);
            exchange.take(
                &Reply::ToolCall { id: String::new(), name: "n".repeat(999), arguments: serde_json::json!({}) },
                1,
            );
        }
        assert!(
            exchange.answer.len() <= MAX_ANSWER
                && exchange.calls.len() == MAX_CALLS
                && exchange.calls[0].name.len() == 64
        );
    }
}
