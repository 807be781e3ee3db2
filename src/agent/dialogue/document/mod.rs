//! The shape of a flow file: what `docs/flows.md` describes, with the place of whatever a finding may be about.

mod lines;
mod sales;

pub(super) use lines::{LineTable, Names, Texts};
pub(super) use sales::{NeedDoc, ObjectionDoc, ObjectionsDoc, OfferDoc, SignalsDoc};

use super::emotion::EmotionDoc;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowDoc {
    pub name: Option<String>,
    pub language: Option<String>,
    pub version: Option<u32>,
    pub industry: Option<Spanned<String>>,
    pub scene: Option<Spanned<String>>,
    #[serde(default)]
    pub include: Vec<Spanned<String>>,
    pub voice: Option<Spanned<String>>,
    pub knowledge: Option<Spanned<String>>,
    pub product: Option<String>,
    pub unknown_question: Option<Spanned<Texts>>,
    pub start: Option<Spanned<String>>,
    pub max_turns: Option<Spanned<u32>>,
    pub close_from: Option<Spanned<u32>>,
    pub max_attempts: Option<Spanned<u32>>,
    pub max_digressions: Option<Spanned<u32>>,
    pub min_confidence: Option<Spanned<f32>>,
    pub min_intent: Option<Spanned<f32>>,
    #[serde(default)]
    pub variables: BTreeMap<Spanned<String>, VariableDoc>,
    #[serde(default)]
    pub phrases: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    pub slots: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    pub fillers: Option<Spanned<Texts>>,
    pub fallback: Option<Spanned<EndingDoc>>,
    pub engine_down: Option<Spanned<EndingDoc>>,
    pub too_many_turns: Option<Spanned<EndingDoc>>,
    pub transfer_failed: Option<Spanned<EndingDoc>>,
    pub no_input: Option<Spanned<RetryDoc>>,
    pub no_match: Option<Spanned<RetryDoc>>,
    #[serde(default)]
    pub global: Vec<Spanned<RuleDoc>>,
    #[serde(default)]
    pub interrupt: BTreeMap<Spanned<String>, Spanned<RuleDoc>>,
    pub closing: Option<Spanned<StepDoc>>,
    #[serde(default)]
    pub need: BTreeMap<Spanned<String>, NeedDoc>,
    pub objections: Option<Spanned<ObjectionsDoc>>,
    #[serde(default)]
    pub objection: BTreeMap<Spanned<String>, ObjectionDoc>,
    pub signals: Option<Spanned<SignalsDoc>>,
    #[serde(default)]
    pub offers: BTreeMap<Spanned<String>, OfferDoc>,
    #[serde(default)]
    pub on_emotion: Vec<Spanned<EmotionDoc>>,
    #[serde(default)]
    pub state: BTreeMap<Spanned<String>, StateDoc>,
}

/// A default, or a table with a default and the header that overrides it.
#[derive(Debug, Default)]
pub(super) struct VariableDoc {
    pub default: Option<String>,
    pub header: Option<String>,
}

impl<'de> Deserialize<'de> for VariableDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            default: Option<String>,
            header: Option<String>,
        }
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = VariableDoc;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a table with 'default' and 'header'")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<VariableDoc, E> {
                Ok(VariableDoc { default: Some(text.to_owned()), header: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<VariableDoc, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(VariableDoc { default: table.default, header: table.header })
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

/// How the call ends when something went wrong.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct EndingDoc {
    pub say: Option<Spanned<Texts>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    pub disposition: Option<String>,
    pub wait_ms: Option<Spanned<u64>>,
}

/// What to do when nothing usable was said.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryDoc {
    pub after_ms: Option<Spanned<u64>>,
    pub say: Option<Spanned<Texts>>,
    pub max: Option<u32>,
    pub finally: Option<Spanned<StepDoc>>,
}

/// Say something, go somewhere.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct StepDoc {
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    #[serde(default)]
    pub stay: bool,
    #[serde(default)]
    pub repeat: bool,
    pub disposition: Option<String>,
    pub call: Option<Spanned<String>>,
    #[serde(default, rename = "return")]
    pub returns: bool,
    #[serde(default)]
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
}

/// A way out of a state that is looked at on entering it.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteDoc {
    pub when: Spanned<String>,
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    pub disposition: Option<String>,
    pub call: Option<Spanned<String>>,
    #[serde(default, rename = "return")]
    pub returns: bool,
    #[serde(default)]
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
}

/// An answer of the caller and what follows.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleDoc {
    #[serde(default)]
    pub phrases: Vec<Spanned<String>>,
    pub dtmf: Option<Spanned<String>>,
    pub slot: Option<Spanned<String>>,
    pub value: Option<String>,
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    #[serde(default)]
    pub stay: bool,
    #[serde(default)]
    pub repeat: bool,
    pub disposition: Option<String>,
    pub call: Option<Spanned<String>>,
    #[serde(default, rename = "return")]
    pub returns: bool,
    #[serde(default)]
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
    pub intent: Option<Names>,
    pub objection: Option<Names>,
    pub when: Option<Spanned<String>>,
    pub accepts: Option<Spanned<String>>,
    #[serde(default)]
    pub maybe: Vec<Spanned<String>>,
    pub confirm: Option<Spanned<Texts>>,
}

/// Digits to be collected, spoken or pressed.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectDoc {
    pub slot: Spanned<String>,
    pub min: Option<usize>,
    pub max: Option<usize>,
    pub end_key: Option<Spanned<String>>,
    pub gap_ms: Option<Spanned<u64>>,
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    pub disposition: Option<String>,
    pub call: Option<Spanned<String>>,
    #[serde(default, rename = "return")]
    pub returns: bool,
    #[serde(default)]
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
}

/// A state of the conversation.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct StateDoc {
    pub say: Option<Spanned<Texts>>,
    pub again: Option<Spanned<Texts>>,
    pub ask: Option<Spanned<String>>,
    pub template: Option<Spanned<Texts>>,
    pub expect: Option<crate::speech::AnswerKind>,
    pub wait_ms: Option<Spanned<u64>>,
    pub interruptible: Option<bool>,
    #[serde(default)]
    pub on: Vec<Spanned<RuleDoc>>,
    pub collect: Option<Spanned<CollectDoc>>,
    pub no_input: Option<Spanned<RetryDoc>>,
    pub no_match: Option<Spanned<RetryDoc>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    pub disposition: Option<String>,
    pub call: Option<Spanned<String>>,
    #[serde(default, rename = "return")]
    pub returns: bool,
    #[serde(default)]
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
    pub kind: Option<Spanned<String>>,
    pub selling: Option<bool>,
    pub goal: Option<String>,
    pub scene: Option<Spanned<String>>,
    pub max_attempts: Option<Spanned<u32>>,
    pub exhausted: Option<Spanned<StepDoc>>,
    #[serde(default)]
    pub route: Vec<Spanned<RouteDoc>>,
    pub discover: Option<Names>,
    pub enough: Option<Spanned<u32>>,
    pub max_questions: Option<Spanned<u32>>,
    pub cost: Option<Spanned<f64>>,
    pub discloses: Option<Names>,
    pub brief: Option<Spanned<Texts>>,
    #[serde(default)]
    pub on_emotion: Vec<Spanned<EmotionDoc>>,
    pub facts: Option<bool>,
    #[serde(default)]
    pub tools: Vec<Spanned<String>>,
}
