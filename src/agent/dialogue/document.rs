//! The shape of a flow file: what `docs/flows.md` describes, with the place of whatever a finding may be about.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// One text or a list of them.
#[derive(Clone, Debug)]
pub(super) struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts that take turns")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowDoc {
    pub name: Option<String>,
    pub language: Option<String>,
    pub voice: Option<String>,
    pub start: Option<Spanned<String>>,
    pub max_turns: Option<Spanned<u32>>,
    pub min_confidence: Option<Spanned<f32>>,
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
}
