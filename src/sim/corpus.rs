//! What callers say, and the flow that asks them.

use super::behaviour::Behaviour;
use crate::agent::Flow;
use crate::speech::AnswerKind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The words of one language.
#[derive(Debug)]
pub(super) struct Corpus {
    /// The flow.
    pub flow: Arc<Flow>,
    /// Are words written without blanks?
    pub unspaced: bool,
    lists: BTreeMap<String, Vec<String>>,
}

/// How pauses are spread over an utterance's places.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Chances {
    /// Of a pause where what was said could be all.
    pub complete: f64,
    /// Of one at a marked place in the middle of a sentence.
    pub middle: f64,
    /// How many more there are on average, between any two words or after a filler at the beginning.
    pub anywhere: f64,
    /// Of one after all was said, before an afterthought.
    pub afterthought: f64,
}

impl Chances {
    /// Those of a caller who hesitates so much more often than others.
    pub fn times(self, factor: f64) -> Self {
        Self {
            complete: (self.complete * factor).min(0.97),
            middle: (self.middle * factor).min(0.97),
            anywhere: self.anywhere * factor,
            afterthought: (self.afterthought * factor).min(0.97),
        }
    }
}

/// The kind of answer that a state of the flow asks for.
pub(super) fn kind_of(state: &str) -> AnswerKind {
    match state {
        "interest" | "confirm" => AnswerKind::YesNo,
        "plan" => AnswerKind::Choice,
        "number" => AnswerKind::Number,
        "name" => AnswerKind::Name,
        _ => AnswerKind::Open,
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Lists(BTreeMap<String, Vec<String>>);

/// Why the corpus cannot be used; it is compiled in, so a test would have said so.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// There are callers of some languages only.
    #[error("there are no simulated callers who speak '{0}'; use en or zh")]
    Language(String),
    /// The lists cannot be read.
    #[error("the simulated callers' words cannot be read: {0}")]
    Words(#[from] toml::de::Error),
    /// The flow cannot be read.
    #[error("the simulated callers' flow cannot be read: {0}")]
    Flow(#[from] crate::agent::FlowError),
}

impl Corpus {
    pub fn of(language: &str) -> Result<Self, CorpusError> {
        Self::with(language, "")
    }

    /// The words of a language, and the flow with `more` behind it.
    pub fn with(language: &str, more: &str) -> Result<Self, CorpusError> {
        let (words, flow, file, unspaced) = match language {
            "en" => (include_str!("corpus/en.toml"), include_str!("corpus/flow_en.toml"), "flow_en.toml", false),
            "zh" => (include_str!("corpus/zh.toml"), include_str!("corpus/flow_zh.toml"), "flow_zh.toml", true),
            _ => return Err(CorpusError::Language(language.to_owned())),
        };
        let Lists(lists) = toml::from_str(words)?;
        Ok(Self { flow: Arc::new(Flow::parse(&format!("{flow}{more}"), file)?), unspaced, lists })
    }

    /// The utterances of a list: a state's name, or `interrupt`, `backchannel`, `fillers`, `misheard`, `elsewhere`.
    pub fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// The chances that give answers in this state the pauses that [`Behaviour::holds`] asks for.
    pub fn chances(&self, state: &str) -> Chances {
        let answers = self.list(state);
        let mean = |mark: char| {
            let places: usize = answers.iter().map(|text| text.matches(mark).count()).sum();
            places as f64 / answers.len().max(1) as f64
        };
        let holds = Behaviour::holds(state);
        let share = Behaviour::complete_share(kind_of(state));
        let (complete, middle) = (holds * share, holds * (1.0 - share));
        let chance = |wanted: f64, places: f64| if places > 0.0 { (wanted / places).min(0.95) } else { 0.0 };
        let (complete_chance, middle_chance) = (chance(complete, mean('/')), chance(middle, mean('~')));
        Chances {
            complete: complete_chance,
            afterthought: (complete - complete_chance * mean('/')).clamp(0.0, 0.95),
            middle: middle_chance,
            anywhere: (middle - middle_chance * mean('~')).max(0.0),
        }
    }
}
