//! What a campaign may choose in a flow.

use super::flow::Flow;
use super::selling::Kind;

impl Flow {
    /// It sells: objections are heard in it.
    pub fn sells(&self) -> bool {
        self.states.iter().any(|state| state.selling)
    }

    /// The lists of wordings that a campaign may choose among, by the names under which it prefers them
    /// ([`AgentPlan::prefer`](crate::agent::AgentPlan::prefer)), each with the ids of its wordings in their order; none with fewer
    /// than two.
    pub fn choices(&self) -> Vec<(String, Vec<String>)> {
        let openings = self.states.iter().filter(|state| state.purpose == Kind::Opening);
        let openings = openings.filter_map(|state| Some((format!("opening.{}", state.name), state.say.as_ref()?)));
        let objections = self.selling.objections.all.iter();
        let rebuttals = objections.map(|objection| (format!("objection.{}", objection.name), &objection.rebuttals));
        let named = |(list, prompt): (String, &super::prompt::Prompt)| {
            (list, prompt.wordings.iter().map(|wording| wording.id.clone()).collect::<Vec<_>>())
        };
        openings.chain(rebuttals).map(named).filter(|(_, ids)| ids.len() > 1).collect()
    }
}
