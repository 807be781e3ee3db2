//! What the language model asked to be done, and what it was not let say.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most calls of tools that are kept.
const MAX_TOOLS: usize = 64;

/// A call of a tool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ToolRecord {
    /// The tool; `unknown` for one that there is not.
    pub tool: String,
    /// The flow's state in which the model was asked.
    pub state: String,
    /// `done`, or why not: `unknown`, `forbidden`, `malformed`, `too_many`.
    pub verdict: String,
}

/// How the language model was kept on its leash. Its questions and answers are in the call's `ID.llm.jsonl`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LlmRecord {
    /// The tools that it called, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tools: Vec<ToolRecord>,
    /// Sentences that were not spoken, by reason: `figure`, `claim`, `markup`, `instructions`, `length`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unsaid: BTreeMap<String, u32>,
}

impl LlmRecord {
    /// Nothing of the kind happened.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Enters a call of a tool; what is too much is left out.
    pub fn tool(&mut self, tool: ToolRecord) {
        if self.tools.len() < MAX_TOOLS {
            self.tools.push(tool);
        }
    }

    /// Counts a sentence that was not spoken.
    pub fn unsaid(&mut self, why: &str) {
        *self.unsaid.entry(why.to_owned()).or_insert(0) += 1;
    }
}
