//! A conversation in writing: the flow without sound and time. For authors who try a flow out, for tests, and for whole sales
//! calls by the thousand.

use super::dialogue::{Dialogue, End, Flow, Keys, Memory, Response, Sentences, Task, request};
use super::obeying::{filter, tool_record};
use super::{AgentEvent, AgentPlan, TurnConfig};
use crate::record::{EndReason, TurnNotes};
use crate::speech::{ChatRequest, Role};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the agent does in a written conversation, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatOutput {
    /// Something for the record: a state, a slot, what was understood.
    Event(AgentEvent),
    /// It says this.
    Line {
        /// The words.
        text: String,
        /// What it is in the conversation.
        notes: Box<TurnNotes>,
    },
    /// It asks the language model. Answer with [`Chat::answer`].
    Ask(ChatRequest),
    /// It hands the caller over.
    Transfer {
        /// To whom.
        target: String,
    },
    /// It hangs up.
    End(EndReason),
}

/// One conversation in writing. Every line counts as heard to its end.
#[derive(Clone, Debug)]
pub struct Chat {
    dialogue: Dialogue,
    memory: Memory,
    task: Option<Task>,
    max_tokens: u32,
    max_sentences: usize,
    ended: bool,
}

impl Chat {
    /// A conversation that has not begun.
    pub fn new(flow: Arc<Flow>, plan: AgentPlan, config: &TurnConfig) -> Self {
        Self {
            dialogue: Dialogue::new(flow, plan, config.min_confidence),
            memory: Memory::default(),
            task: None,
            max_tokens: config.max_tokens,
            max_sentences: config.max_sentences,
            ended: false,
        }
    }

    /// The caller is on the line.
    pub fn start(&mut self) -> Vec<ChatOutput> {
        let response = self.dialogue.start();
        self.carry_out(response)
    }

    /// The caller says this. While the language model is asked, its ready answer is taken first.
    pub fn say(&mut self, text: &str) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        if self.ended {
            return outputs;
        }
        self.memory.keep(Role::User, text);
        let response = self.dialogue.heard(text, 1.0);
        outputs.extend(self.carry_out(response));
        outputs
    }

    /// The caller says nothing for a while.
    pub fn silence(&mut self) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        if !self.ended {
            // Digits that came so far are all that come.
            let entering = self.dialogue.entering();
            let response = if entering { self.dialogue.entry_over() } else { self.dialogue.silence() };
            outputs.extend(self.carry_out(response));
        }
        outputs
    }

    /// The caller hangs up.
    pub fn hang_up(&mut self) -> Vec<ChatOutput> {
        self.ended = true;
        self.dialogue.book_doubt().into_iter().map(ChatOutput::Event).collect()
    }

    /// The caller presses keys and waits.
    pub fn press(&mut self, keys: &str) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        for key in keys.chars().take(64) {
            if self.ended {
                return outputs;
            }
            if let Keys::Answer(response) = self.dialogue.key(key) {
                outputs.extend(self.carry_out(*response));
            }
        }
        if self.dialogue.entering() && !self.ended {
            let response = self.dialogue.entry_over();
            outputs.extend(self.carry_out(response));
        }
        outputs
    }

    /// The language model's answer; none: the one that the flow has ready. Nothing where it was not asked.
    pub fn answer(&mut self, text: Option<&str>) -> Vec<ChatOutput> {
        let Some(task) = self.task.take() else { return Vec::new() };
        let offers = self.dialogue.offer_terms(&task.permits);
        let filter = filter(&self.dialogue, &task, &offers);
        let mut sentences = Sentences::default();
        let mut given = sentences.push(text.unwrap_or_default());
        given.extend(sentences.finish());
        let mut outputs = Vec::new();
        let mut lines = Vec::new();
        for sentence in given.into_iter().take(self.max_sentences) {
            if let Some(why) = filter.refuses(&sentence) {
                self.dialogue.want_nothing();
                outputs.push(ChatOutput::Event(AgentEvent::Unsaid { why }));
                break;
            }
            lines.push(self.dialogue.flow().tongue().text(&sentence));
        }
        let notes = task.notes();
        if lines.is_empty() && !task.template.is_empty() {
            lines.push(task.template);
        }
        for text in lines {
            self.dialogue.note_said(&text);
            self.memory.keep(Role::Assistant, &text);
            outputs.push(ChatOutput::Line { text, notes: Box::new(notes.clone()) });
        }
        let response = self.dialogue.answered();
        outputs.extend(self.carry_out(response));
        outputs
    }

    /// The language model calls a tool, before its answer is given.
    pub fn tool(&mut self, name: &str, arguments: &serde_json::Value) -> Vec<ChatOutput> {
        let Some(task) = &self.task else { return Vec::new() };
        let permits = task.permits.clone();
        let (mut outputs, verdict) = match self.dialogue.obey(&permits, name, arguments) {
            Ok(response) => (self.carry_out(response), "done"),
            Err(refusal) => (Vec::new(), refusal.label()),
        };
        let record = tool_record(name, self.dialogue.state_name(), verdict);
        outputs.push(ChatOutput::Event(AgentEvent::Tool(record)));
        outputs
    }

    /// The flow's state.
    pub fn state_name(&self) -> &str {
        self.dialogue.state_name()
    }

    /// The slots filled so far.
    pub fn slots(&self) -> &BTreeMap<String, String> {
        self.dialogue.slots()
    }

    /// The disposition set so far.
    pub fn disposition(&self) -> Option<&str> {
        self.dialogue.disposition()
    }

    /// The conversation is over.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn carry_out(&mut self, response: Response) -> Vec<ChatOutput> {
        let Response { events, lines, task, end, .. } = response;
        let mut outputs: Vec<ChatOutput> = events.into_iter().map(ChatOutput::Event).collect();
        for line in lines {
            if let Some(state) = line.discloses {
                self.dialogue.disclosed(state);
            }
            if line.question {
                self.dialogue.set_asked();
            }
            self.memory.keep(Role::Assistant, &line.text);
            outputs.push(ChatOutput::Line { text: line.text, notes: line.notes });
        }
        if let Some(task) = task {
            let offers = self.dialogue.offer_terms(&task.permits);
            let data = self.dialogue.data();
            let what = request(self.dialogue.flow(), &task, &offers, &data, &self.memory, self.max_tokens, "");
            self.task = Some(task);
            outputs.push(ChatOutput::Ask(what));
        }
        if end.is_some() {
            outputs.extend(self.dialogue.book_doubt().into_iter().map(ChatOutput::Event));
        }
        match end {
            Some(End::Transfer { target }) => {
                self.ended = true;
                outputs.push(ChatOutput::Transfer { target });
            }
            Some(End::HangUp(reason)) => {
                self.ended = true;
                outputs.push(ChatOutput::End(reason));
            }
            None => {}
        }
        outputs
    }
}
