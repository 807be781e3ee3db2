//! What is recorded of a sales conversation.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a turn meant in the conversation. All of it may be missing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TurnNotes {
    /// The classifier's path, `finance/credit_card/too_expensive`; caller only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intent: Option<String>,
    /// The probability that the classifier gives it, 0 to 1; caller only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intent_confidence: Option<f32>,
    /// The objection that the caller raised, or that the agent answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objection: Option<String>,
    /// Which of its rebuttals; agent only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rebuttal: Option<String>,
    /// The offer that is made in it; agent only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offer: Option<String>,
    /// The offer that is accepted with it; caller only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted: Option<String>,
    /// Which wording of a line that is chosen among: `opening.hello/loyal`; agent only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wording: Option<String>,
    /// A buying signal was heard in it; caller only.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub signal: bool,
    /// The facts that it answers from, as `file#heading`; agent only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sources: Vec<String>,
    /// The slots that it filled, masked; caller only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub slots: BTreeMap<String, String>,
}

/// What became of an objection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectionOutcome {
    /// The conversation has not come on yet.
    Open,
    /// The caller agreed, or went on with the conversation.
    Resolved,
    /// The caller held on to it, or came with another one.
    Persisted,
    /// The conversation ended over it.
    Ended,
}

/// An objection that was raised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObjectionRecord {
    /// Its class, one of the 28.
    pub class: String,
    /// The flow's state in which it was raised.
    pub state: String,
    /// Which rebuttal was said to it; none where nothing was left to say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rebuttal: Option<String>,
    /// What became of it.
    pub outcome: ObjectionOutcome,
}

/// An offer that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OfferRecord {
    /// Its name in the flow.
    pub offer: String,
    /// How long it stands, in hours from when it was made.
    pub expires_h: u32,
    /// Its conditions, as the flow has them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub terms: Option<String>,
    /// The caller accepted it.
    pub accepted: bool,
}

/// The sales side of a call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SalesRecord {
    /// The author's version of the flow; 0 where it has none.
    #[serde(default)]
    pub flow_version: u32,
    /// Objections in the order in which they were raised.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub objections: Vec<ObjectionRecord>,
    /// Offers in the order in which they were made.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub offers: Vec<OfferRecord>,
}

impl SalesRecord {
    /// Nothing was sold, nor tried to.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Enters an objection, or what became of one that is open.
    pub fn objection(&mut self, objection: ObjectionRecord) {
        let open = |known: &&mut ObjectionRecord| {
            known.outcome == ObjectionOutcome::Open
                && known.class == objection.class
                && known.rebuttal == objection.rebuttal
        };
        match self.objections.iter_mut().rev().find(open) {
            Some(known) if objection.outcome != ObjectionOutcome::Open => known.outcome = objection.outcome,
            _ => self.objections.push(objection),
        }
    }

    /// Enters an offer, or that it was accepted.
    pub fn offer(&mut self, offer: OfferRecord) {
        match self.offers.iter_mut().find(|known| known.offer == offer.offer) {
            Some(known) => *known = offer,
            None => self.offers.push(offer),
        }
    }

    /// The call is over: what is still open has ended with it.
    pub fn close(&mut self) {
        for objection in self.objections.iter_mut().filter(|known| known.outcome == ObjectionOutcome::Open) {
            objection.outcome = ObjectionOutcome::Ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_has_one_outcome() {
        let one = |rebuttal: &str, outcome| ObjectionRecord {
            class: "too_expensive".into(),
            state: "pitch".into(),
            rebuttal: Some(rebuttal.into()),
            outcome,
        };
        let mut sales = SalesRecord::default();
        sales.objection(one("1", ObjectionOutcome::Open));
        sales.objection(one("1", ObjectionOutcome::Persisted));
        sales.objection(one("2", ObjectionOutcome::Open));
        sales.close();
        let outcomes: Vec<_> = sales.objections.iter().map(|objection| objection.outcome).collect();
        assert_eq!(outcomes, [ObjectionOutcome::Persisted, ObjectionOutcome::Ended]);
    }
}
