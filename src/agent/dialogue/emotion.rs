//! What a flow does about how the caller sounds: the rules of `[[on_emotion]]`.
//!
//! Two kinds of effect. What lasts as long as the mood does: shorter lines and answers, another pace, a softer voice, states
//! that are passed over. And what happens once in a call: a line, another state, a person, the end. What the caller has just
//! asked for goes before the second kind.

use super::document::Texts;
use super::flow::{Flow, Outcome, Step};
use crate::agent::mood::{EXPLICIT_EN, EXPLICIT_ZH, Feeling};
use crate::record::MoodKind;
use crate::speech::Language;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The probability over which a voice counts where a rule names none, and in how many turns in a row.
pub(super) const OVER: f32 = 0.6;
pub(super) const TURNS: usize = 2;
/// So far under its threshold a mood that has begun ends.
pub(super) const SLACK: f32 = 0.15;
/// Sentences of a language model's answer where a rule asks for brevity and names no number.
pub(super) const BRIEF: usize = 1;

/// What to do about how the caller sounds, as it is written.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct EmotionDoc {
    pub when: Option<Spanned<String>>,
    pub over: Option<Spanned<f32>>,
    pub turns: Option<Spanned<usize>>,
    #[serde(default)]
    pub concise: bool,
    pub sentences: Option<Spanned<usize>>,
    pub rate: Option<Spanned<u16>>,
    #[serde(default)]
    pub softer: bool,
    #[serde(default)]
    pub skip: BTreeMap<Spanned<String>, Spanned<String>>,
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    #[serde(default)]
    pub hang_up: bool,
    pub disposition: Option<String>,
}

/// What to do about how the caller sounds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct EmotionRule {
    pub when: MoodKind,
    pub over: f32,
    pub turns: usize,
    pub concise: bool,
    pub sentences: Option<usize>,
    pub rate_percent: Option<u16>,
    pub softer: bool,
    /// States that are not entered while it lasts, and those that are entered instead.
    pub skip: Vec<(usize, usize)>,
    /// What happens once; `Stay` is nothing.
    pub step: Step,
}

impl EmotionDoc {
    /// It is about impatience.
    pub fn is_for_haste(&self) -> bool {
        self.when.as_ref().is_some_and(|when| when.get_ref() == MoodKind::Impatient.name())
    }
}

/// What the recogniser is to expect of callers who ask for haste.
pub(super) fn haste(language: &Language) -> &'static [&'static str] {
    match language.0.get(..2) {
        Some("en") => &EXPLICIT_EN,
        Some("zh") => &EXPLICIT_ZH,
        _ => &[],
    }
}

impl EmotionRule {
    /// The states that it leads to.
    pub fn targets(&self) -> impl Iterator<Item = usize> + '_ {
        let goto = if let Outcome::Goto(state) = self.step.then { Some(state) } else { None };
        goto.into_iter().chain(self.skip.iter().map(|(_, instead)| *instead))
    }

    /// It has effects that happen once in a call.
    pub fn happens_once(&self) -> bool {
        self.step.say.is_some() || self.step.then != Outcome::Stay || self.step.disposition.is_some()
    }

    /// It is on; `on`: it was so before.
    pub fn is(&self, feeling: &Feeling, on: bool) -> bool {
        if self.when == MoodKind::Impatient {
            return feeling.impatient;
        }
        feeling.shows(self.when, self.over, self.turns) || on && feeling.shows(self.when, self.over - SLACK, 1)
    }

    /// In words, for the record.
    pub fn effects(&self, flow: &Flow) -> Vec<String> {
        let name = |state: usize| flow.states.get(state).map_or("", |state| state.name.as_str());
        let mut out = Vec::new();
        let mut add = |wanted: bool, what: String| out.extend(wanted.then_some(what));
        add(self.concise, "concise".to_owned());
        add(self.sentences.is_some(), format!("sentences {}", self.sentences.unwrap_or_default()));
        add(self.rate_percent.is_some(), format!("rate {}", self.rate_percent.unwrap_or_default()));
        add(self.softer, "softer".to_owned());
        for (state, instead) in &self.skip {
            add(true, format!("skip {} for {}", name(*state), name(*instead)));
        }
        add(self.step.say.is_some(), "say".to_owned());
        match &self.step.then {
            Outcome::Goto(state) => add(true, format!("goto {}", name(*state))),
            Outcome::Transfer(_) => add(true, "transfer".to_owned()),
            Outcome::HangUp => add(true, "hang_up".to_owned()),
            Outcome::Stay | Outcome::AskAgain | Outcome::Repeat | Outcome::Call(_) | Outcome::Return => {}
        }
        add(self.step.disposition.is_some(), format!("disposition {}", self.step.disposition.as_deref().unwrap_or("")));
        out
    }
}
