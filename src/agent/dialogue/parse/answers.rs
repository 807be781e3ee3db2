//! The answers of a flow file: phrases, keys, digits.

use super::reader::{Reader, StepKeys};
use crate::agent::dialogue::document::{CollectDoc, Names, RuleDoc, Texts};
use crate::agent::dialogue::flow::{Accepts, Collect, Doubt, Outcome, Rule};
use crate::agent::dialogue::phrase::{Pattern, Phrase};
use crate::agent::dialogue::sound::by_sound;
use crate::nlu::Action;
use toml::Spanned;

const KEYS: &str = "0123456789*#ABCD";

impl Reader {
    pub(super) fn rule(&mut self, doc: Spanned<RuleDoc>, spoken: &mut Vec<String>) -> Rule {
        let line = self.line(doc.span());
        let doc = doc.into_inner();
        let mut patterns = Vec::new();
        for phrase in &doc.phrases {
            self.phrase(phrase, &mut patterns, spoken, true);
        }
        if doc.confirm.is_some() || !doc.maybe.is_empty() {
            self.error(line, "'confirm' and 'maybe' are for an [interrupt]: this answer has no use for them");
        }
        let intents = self.intents(doc.intent);
        let objections: Vec<usize> =
            doc.objection.map(|names| names.0).unwrap_or_default().iter().filter_map(|n| self.objection(n)).collect();
        if doc.phrases.is_empty() && doc.dtmf.is_none() && intents.is_empty() && objections.is_empty() {
            self.error(line, "an answer needs 'phrases' or 'dtmf', 'intent' or 'objection'");
        }
        let dtmf = doc.dtmf.map(|keys| {
            let at = self.line(keys.span());
            let keys = keys.into_inner().to_ascii_uppercase();
            if keys.is_empty() || keys.len() > 16 || !keys.chars().all(|key| KEYS.contains(key)) {
                self.error(at, format!("'{keys}' are no keys: use 1 to 16 of 0-9 * # A-D"));
            }
            keys
        });
        if doc.value.is_some() && doc.slot.is_none() {
            self.error(line, "'value' without 'slot': name the slot that it is for");
        }
        let keys = StepKeys {
            say: doc.say,
            goto: doc.goto,
            transfer: doc.transfer,
            hang_up: doc.hang_up,
            stay: doc.stay,
            repeat: doc.repeat,
            call: doc.call,
            returns: doc.returns,
            set: doc.set,
            offer: doc.offer,
            disposition: doc.disposition,
        };
        let step = self.step(keys, line, Outcome::AskAgain);
        Rule {
            patterns,
            dtmf,
            slot: doc.slot.map(|slot| (slot.into_inner(), doc.value)),
            intents,
            objections,
            when: self.guard(doc.when),
            accepts: doc.accepts.and_then(|offer| match offer.get_ref().as_str() {
                "last" => Some(Accepts::Last),
                _ => self.offer(&offer).map(Accepts::This),
            }),
            interrupt: false,
            doubt: None,
            step,
        }
    }

    /// What is asked where an interrupt may have been meant.
    pub(super) fn doubt(
        &mut self,
        ask: Option<Spanned<Texts>>,
        maybe: &[Spanned<String>],
        phrases: &[Spanned<String>],
    ) -> Option<Box<Doubt>> {
        if let (None, Some(first)) = (&ask, maybe.first()) {
            let line = self.line(first.span());
            self.error(line, "'maybe' without 'confirm': write the question that is asked about it");
        }
        let ask = self.prompt(Some(ask?))?;
        let sounds = |phrases: &[Spanned<String>]| phrases.iter().flat_map(|p| by_sound(p.get_ref())).collect();
        // They are too many and too loose for the recogniser to expect.
        let patterns = self.patterns(maybe, &mut Vec::new());
        Some(Box::new(Doubt { ask, maybe: patterns, maybe_sounds: sounds(maybe), sounds: sounds(phrases) }))
    }

    fn objection(&mut self, name: &Spanned<String>) -> Option<usize> {
        let known = std::mem::take(&mut self.objections);
        let found = self.named("objection", &known, name);
        self.objections = known;
        found
    }

    /// The classifier's actions that are named here.
    pub(super) fn intents(&mut self, names: Option<Names>) -> Vec<String> {
        let names = names.map(|names| names.0).unwrap_or_default();
        for name in &names {
            if Action::from_id(name.get_ref()).is_none() {
                let line = self.line(name.span());
                let known: Vec<&str> = Action::all().map(Action::id).collect();
                let what = format!("there is no intent '{}': choose of {}", name.get_ref(), known.join(" "));
                self.error(line, what);
            }
        }
        names.into_iter().map(Spanned::into_inner).collect()
    }

    /// A list of phrases and what the recogniser is to hear for them.
    pub(super) fn patterns(&mut self, phrases: &[Spanned<String>], spoken: &mut Vec<String>) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for phrase in phrases {
            self.phrase(phrase, &mut patterns, spoken, true);
        }
        patterns
    }

    fn phrase(
        &mut self,
        phrase: &Spanned<String>,
        patterns: &mut Vec<Pattern>,
        spoken: &mut Vec<String>,
        may_name_set: bool,
    ) {
        let line = self.line(phrase.span());
        let text = phrase.get_ref().trim();
        if let Some(set) = text.strip_prefix('@') {
            match self.sets.get(set).cloned() {
                Some(phrases) if may_name_set => {
                    self.used.insert(set.to_owned());
                    phrases.iter().for_each(|phrase| self.phrase(phrase, patterns, spoken, false));
                }
                Some(_) => self.error(line, format!("'@{set}' within a set: list its phrases here")),
                None => self.error(line, format!("there is no set of phrases '{set}': add it under [phrases]")),
            }
            return;
        }
        if text.is_empty() {
            self.error(line, "an empty phrase: drop it");
            return;
        }
        if text.chars().any(|c| c.is_ascii_digit()) {
            self.warning(line, format!("'{text}': write numbers as words, that is how they are heard"));
        }
        match Phrase::parse(text, &self.lists) {
            Ok(phrase) => {
                patterns.extend(phrase.patterns);
                spoken.extend(phrase.spoken);
            }
            Err(what) => self.error(line, format!("'{text}': {what}")),
        }
    }

    pub(super) fn collect(&mut self, doc: Spanned<CollectDoc>) -> Collect {
        let line = self.line(doc.span());
        let doc = doc.into_inner();
        let (min, max) = (doc.min.unwrap_or(1), doc.max.unwrap_or(20));
        if min == 0 || max < min || max > 32 {
            self.error(line, "'min' and 'max' must satisfy 1 <= min <= max <= 32");
        }
        let end_key = doc.end_key.and_then(|key| {
            let at = self.line(key.span());
            let mut chars = key.get_ref().chars();
            match (chars.next(), chars.next()) {
                (Some(key @ ('#' | '*' | 'A'..='D')), None) => Some(key),
                _ => {
                    self.error(at, "end_key must be one key that is no digit: \"#\"");
                    None
                }
            }
        });
        let keys = StepKeys {
            say: doc.say,
            goto: doc.goto,
            transfer: doc.transfer,
            hang_up: doc.hang_up,
            call: doc.call,
            returns: doc.returns,
            set: doc.set,
            offer: doc.offer,
            disposition: doc.disposition,
            ..StepKeys::default()
        };
        let step = self.step(keys, line, Outcome::AskAgain);
        if step.then == Outcome::AskAgain {
            self.error(line, "'collect' leads nowhere: add goto, transfer or hang_up");
        }
        let gap_ms = self.bounded("gap_ms", doc.gap_ms, 500..=20_000);
        Collect { slot: doc.slot.into_inner(), min, max, end_key, gap_ms, step }
    }
}
