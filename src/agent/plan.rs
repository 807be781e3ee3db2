//! What one call brings along.

use crate::nlu::ReadIntents;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What one call brings along: data of the lead, the classifier, and what the campaign prefers.
///
/// The same flow, plan and inputs give the same conversation.
#[derive(Clone, Default)]
pub struct AgentPlan {
    /// Values for the flow's variables.
    pub variables: BTreeMap<String, String>,
    /// Reads what the caller means; without it the flow's phrases alone decide.
    pub intents: Option<Arc<dyn ReadIntents>>,
    /// Decides among wordings where nothing else does.
    pub seed: u64,
    /// The wordings that the campaign prefers, the best first: by `opening.STATE` the ids of an opening's lines, by
    /// `objection.CLASS` those of rebuttals. Ids that there are not, that were said or whose condition does not hold are passed
    /// over.
    pub prefer: BTreeMap<String, Vec<String>>,
}

impl fmt::Debug for AgentPlan {
    /// The variables are the lead's data: only their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentPlan")
            .field("variables", &self.variables.keys())
            .field("intents", &self.intents.is_some())
            .field("seed", &self.seed)
            .field("prefer", &self.prefer)
            .finish()
    }
}
