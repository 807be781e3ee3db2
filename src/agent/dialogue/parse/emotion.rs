//! The rules for how the caller sounds.

use super::reader::{Reader, StepKeys};
use crate::agent::dialogue::emotion::{EmotionDoc, EmotionRule};
use crate::agent::dialogue::flow::Outcome;
use crate::agent::mood::{REMEMBERED, SHOWN};
use crate::record::MoodKind;
use toml::Spanned;

impl Reader {
    /// Reads a rule; none where it is for no mood that there is.
    pub fn on_emotion(&mut self, doc: Spanned<EmotionDoc>) -> Option<EmotionRule> {
        let line = self.line(doc.span());
        let doc = doc.into_inner();
        let Some(when) = doc.when else {
            self.error(line, "'on_emotion' without 'when': say for whom, impatient, angry, distressed or happy");
            return None;
        };
        let at = self.line(when.span());
        let Some(kind) = MoodKind::ALL.into_iter().find(|kind| kind.name() == when.get_ref()) else {
            let what = format!("'{}' is no mood: use impatient, angry, distressed or happy", when.get_ref());
            self.error(at, what);
            return None;
        };
        if kind == MoodKind::Impatient && (doc.over.is_some() || doc.turns.is_some()) {
            self.error(at, "impatience has its own thresholds ([turn.mood] of the settings): drop 'over' and 'turns'");
        }
        let (least, most) = SHOWN.into_inner();
        let over = doc.over.map(|over| self.within("over", over, least, most));
        let turns = doc.turns.map(|turns| self.within("turns", turns, 1, REMEMBERED));
        let sentences = doc.sentences.map(|sentences| self.within("sentences", sentences, 1, 4));
        let rate_percent = doc.rate.map(|rate| self.within("rate", rate, 80, 120));
        let skip = doc
            .skip
            .into_iter()
            .map(|(state, instead)| {
                let lines = (self.line(state.span()), self.line(instead.span()));
                (self.target(state.get_ref(), lines.0), self.target(instead.get_ref(), lines.1))
            })
            .collect();
        let keys = StepKeys {
            say: doc.say,
            goto: doc.goto,
            transfer: doc.transfer,
            hang_up: doc.hang_up,
            disposition: doc.disposition,
            ..StepKeys::default()
        };
        let step = self.step(keys, line, Outcome::Stay);
        let (concise, softer) = (doc.concise, doc.softer);
        let rule = EmotionRule { when: kind, over, turns, concise, sentences, rate_percent, softer, skip, step };
        let lasts = concise || softer || sentences.is_some() || rate_percent.is_some() || !rule.skip.is_empty();
        if !lasts && !rule.happens_once() {
            self.error(
                line,
                "this rule does nothing: add concise, sentences, rate, softer, skip, say, goto, transfer, hang_up or disposition",
            );
        }
        Some(rule)
    }

    fn within<T: PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        key: &str,
        value: Spanned<T>,
        least: T,
        most: T,
    ) -> T {
        if !(*value.get_ref() >= least && *value.get_ref() <= most) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside {least} to {most}"));
        }
        value.into_inner()
    }
}
