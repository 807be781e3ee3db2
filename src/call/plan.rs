//! What a call is to be: made by whoever starts it, read by the session.

use std::collections::BTreeMap;

/// The plan of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPlan {
    /// Name of the flow.
    pub flow: String,
    /// Variables for the flow's lines (a lead's name, an appointment), over those of the flow itself.
    pub variables: BTreeMap<String, String>,
    /// The wordings that the campaign prefers, the best first: by `opening.STATE` the ids of an opening's lines, by
    /// `objection.CLASS` those of rebuttals (`agent::AgentPlan`).
    pub prefer: BTreeMap<String, Vec<String>>,
    /// Decides among wordings where nothing else does; none: the call's identifier does.
    pub seed: Option<u64>,
}
