//! What a sales call adds to a flow: needs, objections, offers, disclosure.

use super::flow::Step;
use super::guard::Guard;
use super::phrase::Pattern;
use super::prompt::Prompt;
use crate::nlu::Scope;
use crate::speech::AnswerKind;
use std::collections::BTreeMap;

/// What may be said at any time and goes before everything else.
pub(crate) const INTERRUPTS: [&str; 9] =
    ["do_not_call", "human", "abuse", "complaint", "wrong_person", "minor", "distress", "robot", "recording"];

/// What must be disclosed before anything is sold.
pub(crate) const DISCLOSURES: [&str; 5] = ["who", "company", "purpose", "ai", "recording"];

/// What a state is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kind {
    #[default]
    Plain,
    Disclosure,
    Opening,
    Discovery,
    Pitch,
    Offer,
    Close,
    Service,
    Callback,
    Transfer,
    Refusal,
    End,
}

impl Kind {
    pub const ALL: [(&'static str, Self); 11] = [
        ("disclosure", Self::Disclosure),
        ("opening", Self::Opening),
        ("discovery", Self::Discovery),
        ("pitch", Self::Pitch),
        ("offer", Self::Offer),
        ("close", Self::Close),
        ("service", Self::Service),
        ("callback", Self::Callback),
        ("transfer", Self::Transfer),
        ("refusal", Self::Refusal),
        ("end", Self::End),
    ];

    /// The name in a file; empty for a state without a kind.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Objections and buying signals are heard in it, unless it says otherwise.
    pub fn sells(self) -> bool {
        matches!(self, Self::Opening | Self::Discovery | Self::Pitch | Self::Offer | Self::Close)
    }

    /// The conversation is on its way out already.
    pub fn leaves(self) -> bool {
        matches!(self, Self::Close | Self::Callback | Self::Transfer | Self::Refusal | Self::End)
    }

    /// May be entered though not everything was disclosed: nothing is sold there.
    pub fn needs_no_disclosure(self) -> bool {
        matches!(self, Self::Disclosure | Self::Callback | Self::Transfer | Self::Refusal | Self::End)
    }
}

/// Something to be found out about the caller.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Need {
    pub name: String,
    pub line: usize,
    pub slot: String,
    pub value: f64,
    pub answer: f64,
    /// Other needs, by number, and the chance that an answer tells them too.
    pub tells: Vec<(usize, f64)>,
    pub ask: Prompt,
    /// The question that asks for another need in the same breath.
    pub both: Option<Both>,
    pub ack: Option<Prompt>,
    /// Ways to say it; with the value where that is not what was said.
    pub heard: Vec<(Pattern, Option<String>)>,
    /// The same, but only as the answer to its own question.
    pub answers: Vec<(Pattern, Option<String>)>,
    /// Numbers that stand for a value, as the answer to its own question: the least, the greatest, the value.
    pub amounts: Vec<(f64, f64, String)>,
    pub keep: bool,
    pub kind: AnswerKind,
    pub when: Option<Guard>,
    /// As the recogniser hears them.
    pub spoken: Vec<String>,
}

/// One question for two needs.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Both {
    /// The other need, by number.
    pub other: usize,
    pub ask: Prompt,
}

/// The needs that a state asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Discover {
    /// By number, as listed.
    pub needs: Vec<usize>,
    pub enough: usize,
    pub max_questions: u32,
    pub cost: f64,
    /// What follows when there is enough.
    pub done: Step,
}

/// One objection and what is said to it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Objection {
    pub name: String,
    pub line: usize,
    pub rebuttals: Prompt,
    pub patterns: Vec<Pattern>,
    /// Actions of the classifier that raise it, beside its own name.
    pub intents: Vec<String>,
    pub follow_up: Option<Prompt>,
    pub max: u32,
    pub resolved: Step,
    /// The step after agreement to the rebuttal of this id, where it asked something else.
    pub agreed: BTreeMap<String, Step>,
    /// None where neither it nor the table has one.
    pub exhausted: Option<Step>,
    pub when: Option<Guard>,
}

/// What holds for all objections.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Objecting {
    pub max_total: u32,
    pub yes: Vec<Pattern>,
    pub no: Vec<Pattern>,
    /// Said to an answer to a rebuttal's question that is neither.
    pub heard: Option<Prompt>,
    pub all: Vec<Objection>,
}

impl Objecting {
    /// The number of an objection.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|objection| objection.name == name)
    }
}

/// One approved offer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Offer {
    pub name: String,
    pub line: usize,
    pub say: Prompt,
    pub when: Option<Guard>,
    pub expires_h: u32,
    pub terms: Option<String>,
    pub goto: Option<usize>,
}

/// What shows that the caller wants to buy.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Signals {
    pub patterns: Vec<Pattern>,
    pub intents: Vec<String>,
    pub after: u32,
    /// The offers that follow, by number, the first that may be made.
    pub offers: Vec<usize>,
}

/// All that a flow has for selling.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Selling {
    pub version: u32,
    pub scope: Scope,
    pub min_intent: f32,
    pub close_from: Option<u32>,
    pub closing: Option<Step>,
    pub max_digressions: usize,
    pub needs: Vec<Need>,
    pub objections: Objecting,
    pub signals: Signals,
    pub offers: Vec<Offer>,
    /// The numbers of the interrupts among the global answers, by name.
    pub interrupts: BTreeMap<String, usize>,
}
