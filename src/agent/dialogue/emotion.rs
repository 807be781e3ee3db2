//! What a flow does about how the caller sounds: the rules of `[[on_emotion]]`.
//!
//! Two kinds of effect. What lasts as long as the mood does: shorter lines and answers, another pace, a softer voice, states
//! that are passed over. And what happens once in a call: a line, another state, a person, the end. What the caller has just
//! asked for goes before the second kind.

use super::document::Texts;
use super::flow::{Flow, Outcome, Step};
use crate::agent::mood::{EXPLICIT_EN, EXPLICIT_ZH, Feeling, SLACK};
use crate::record::MoodKind;
use crate::speech::Language;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

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
    /// The probability over which the voice counts; none: that of the settings.
    pub over: Option<f32>,
    /// In so many turns in a row; none: as many as the settings say.
    pub turns: Option<usize>,
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
        let (over, turns) = (self.over.unwrap_or(feeling.over), self.turns.unwrap_or(feeling.turns));
        feeling.shows(self.when, over, turns) || on && feeling.shows(self.when, over - SLACK, 1)
    }

    /// What it does as long as it is on, in words for the record.
    pub fn lasting(&self, flow: &Flow) -> Vec<String> {
        let mut out = Vec::new();
        out.extend(self.concise.then(|| "concise".to_owned()));
        out.extend(self.sentences.map(|most| format!("sentences {most}")));
        out.extend(self.rate_percent.map(|rate| format!("rate {rate}")));
        out.extend(self.softer.then(|| "softer".to_owned()));
        out.extend(
            self.skip
                .iter()
                .map(|(state, instead)| format!("skip {} for {}", name(flow, *state), name(flow, *instead))),
        );
        out
    }

    /// What it does once, in words for the record.
    pub fn once(&self, flow: &Flow) -> Vec<String> {
        let mut out = Vec::new();
        out.extend(self.step.say.as_ref().map(|_| "say".to_owned()));
        match &self.step.then {
            Outcome::Goto(state) => out.push(format!("goto {}", name(flow, *state))),
            Outcome::Transfer(_) => out.push("transfer".to_owned()),
            Outcome::HangUp => out.push("hang_up".to_owned()),
            Outcome::Stay | Outcome::AskAgain | Outcome::Repeat | Outcome::Call(_) | Outcome::Return => {}
        }
        out.extend(self.step.disposition.as_ref().map(|disposition| format!("disposition {disposition}")));
        out
    }
}

fn name(flow: &Flow, state: usize) -> &str {
    flow.states.get(state).map_or("", |state| state.name.as_str())
}
