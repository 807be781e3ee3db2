//! The parts of a flow file that make it a sales call.

use super::StepDoc;
use super::lines::{Names, Texts};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Something to be found out about the caller.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct NeedDoc {
    pub slot: Option<String>,
    pub value: Option<Spanned<f64>>,
    pub answer: Option<Spanned<f64>>,
    #[serde(default)]
    pub tells: BTreeMap<Spanned<String>, f64>,
    pub ask: Spanned<Texts>,
    /// Another need, and the question for both in one breath.
    #[serde(rename = "with")]
    pub other: Option<Spanned<String>>,
    pub ask_both: Option<Spanned<Texts>>,
    pub ack: Option<Spanned<Texts>>,
    #[serde(default)]
    pub values: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    pub answers: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    /// Values by the least and the greatest number that stands for them.
    #[serde(default)]
    pub amounts: BTreeMap<Spanned<String>, [f64; 2]>,
    #[serde(default)]
    pub phrases: Vec<Spanned<String>>,
    pub keep: Option<bool>,
    pub expect: Option<crate::speech::AnswerKind>,
    pub when: Option<Spanned<String>>,
}

/// What holds for all objections.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct ObjectionsDoc {
    pub max: Option<Spanned<u32>>,
    pub max_total: Option<Spanned<u32>>,
    pub follow_up: Option<Spanned<Texts>>,
    /// Said to an answer to a rebuttal's question that is neither yes nor no.
    pub heard: Option<Spanned<Texts>>,
    #[serde(default)]
    pub yes: Vec<Spanned<String>>,
    #[serde(default)]
    pub no: Vec<Spanned<String>>,
    pub resolved: Option<Spanned<StepDoc>>,
    pub exhausted: Option<Spanned<StepDoc>>,
}

/// One objection and what is said to it.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct ObjectionDoc {
    pub rebuttals: Spanned<Texts>,
    #[serde(default)]
    pub phrases: Vec<Spanned<String>>,
    pub intent: Option<Names>,
    pub follow_up: Option<Spanned<Texts>>,
    pub max: Option<Spanned<u32>>,
    pub resolved: Option<Spanned<StepDoc>>,
    /// By the id of the rebuttal.
    #[serde(default)]
    pub agreed: BTreeMap<Spanned<String>, Spanned<StepDoc>>,
    pub exhausted: Option<Spanned<StepDoc>>,
    pub when: Option<Spanned<String>>,
}

/// What shows that the caller wants to buy, and what follows.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct SignalsDoc {
    #[serde(default)]
    pub phrases: Vec<Spanned<String>>,
    pub intent: Option<Names>,
    pub after: Option<Spanned<u32>>,
    pub offer: Option<Names>,
}

/// One approved offer.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct OfferDoc {
    pub say: Spanned<Texts>,
    pub when: Option<Spanned<String>>,
    pub expires_h: Spanned<u32>,
    pub terms: Option<String>,
    pub goto: Option<Spanned<String>>,
}
