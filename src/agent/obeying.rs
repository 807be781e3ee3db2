//! The language model's calls of tools, and its sentences: what is on its leash is done and said, the rest is counted.

use super::AgentEvent;
use super::conversation::Agent;
use super::dialogue::{Dialogue, RULES, Task};
use super::leash::{Filter, TOOLS};
use super::phase::Phase;
use crate::audio::MediaTime;
use crate::record::ToolRecord;

/// Most calls of tools that are read in a conversation.
const MAX_CALLS: u32 = 24;

/// What may be said in answer to a task: figures and claims of the facts that it is to be answered from, of the offers, and of the task
/// and its ready lines as their author wrote them. Not those of lines that were said before: a name from outside may stand in them.
/// Nor the flow's other values: what counts minutes there could be said to be a price.
pub(super) fn filter(dialogue: &Dialogue, task: &Task, offers: &[String]) -> Filter {
    let words = dialogue.task_words();
    let facts = task.passages.iter().flat_map(|passage| [Some(passage.text.as_str()), passage.say.as_deref()]);
    let own = words.iter().map(String::as_str);
    Filter::new(facts.flatten().chain(offers.iter().map(String::as_str)).chain(own), RULES)
}

/// What became of a call of a tool, for the record. A name that there is not is not kept: the model made it up.
pub(super) fn tool_record(name: &str, state: &str, verdict: &str) -> ToolRecord {
    let tool = TOOLS.iter().find(|known| **known == name).copied().unwrap_or("unknown");
    ToolRecord { tool: tool.to_owned(), state: state.to_owned(), verdict: verdict.to_owned() }
}

impl Agent {
    /// The model calls a tool.
    pub(super) fn tool_called(&mut self, at: MediaTime, name: &str, arguments: &serde_json::Value) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(question) = &talking.question else { return };
        let permits = question.task.permits.clone();
        self.tool_calls = self.tool_calls.saturating_add(1);
        let verdict = if self.tool_calls > MAX_CALLS {
            "too_many"
        } else {
            match self.dialogue.obey(&permits, name, arguments) {
                Ok(response) => {
                    let latency = self.latency.take();
                    self.apply(at, response, latency);
                    "done"
                }
                Err(refusal) => refusal.label(),
            }
        };
        self.report(AgentEvent::Tool(tool_record(name, self.dialogue.state_name(), verdict)));
    }

    /// A sentence of the model may not be spoken: the answer ends here, and what it wanted done is not done.
    pub(super) fn unsaid(&mut self, why: &'static str) {
        self.dialogue.want_nothing();
        self.report(AgentEvent::Unsaid { why });
    }
}
