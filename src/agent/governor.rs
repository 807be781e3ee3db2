//! The latency governor: every answer has a time by which something must be heard. When the stage that it waits for will miss
//! it, the cheaper path is taken: a filler that is true in any context, at most once in four turns; otherwise the answer that
//! the flow has ready instead of the language model's. A line that is being synthesised has no other in its place: it is given
//! a moment more, and then a filler is said however short a time ago the last one was.

use super::Action;
use super::conversation::Agent;
use super::phase::Phase;
use super::turn::NewLine;
use crate::audio::{MediaTime, UtteranceId};
use crate::record::Stage;

/// A filler again after so many answers.
const FILLER_EVERY: u32 = 4;
/// How much longer a line that is being synthesised is waited for where no filler is due.
const STRETCH_MS: u64 = 250;

/// An answer of which nothing was heard yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Promise {
    /// When something must be heard, where that is up to the language model.
    by: MediaTime,
    /// The same where a line is being synthesised: that deserves a little time of its own after a long wait.
    spoken_by: MediaTime,
    /// A line was given the moment that it has where no filler was due.
    stretched: bool,
}

impl Agent {
    /// The caller's turn ended with speech until `ended`, and is being answered from now on.
    pub(super) fn promise(&mut self, at: MediaTime, ended: MediaTime) {
        self.answers = self.answers.saturating_add(1);
        let by = ended.plus_ms(self.config.answer_by_ms);
        self.promise =
            Some(Promise { by: by.max(at.plus_ms(60)), spoken_by: by.max(at.plus_ms(250)), stretched: false });
    }

    /// Something was heard, or nothing will be.
    pub(super) fn promise_kept(&mut self) {
        self.promise = None;
    }

    /// When the cheaper path must be taken.
    pub(super) fn governor_deadline(&self) -> Option<MediaTime> {
        let waits = match &self.phase {
            Phase::Talking(talking) => talking.question.as_ref().is_some_and(|question| question.said == 0),
            _ => false,
        };
        let promise = self.promise?;
        if self.lines.any() { self.lines.unready().then_some(promise.spoken_by) } else { waits.then_some(promise.by) }
    }

    /// Takes the cheaper path where that is due.
    pub(super) fn governor_step(&mut self, at: MediaTime) -> bool {
        if self.governor_deadline().is_none_or(|by| by > at) {
            return false;
        }
        let Some(promise) = self.promise.take() else { return false };
        let waits_for_a_line = self.lines.any();
        let due = self.last_filler.is_none_or(|last| self.answers.saturating_sub(last) >= FILLER_EVERY);
        if due || promise.stretched {
            if let Some(text) = self.dialogue.filler() {
                self.last_filler = Some(self.answers);
                self.fill(at, text);
                return true;
            }
        } else if waits_for_a_line {
            self.promise = Some(Promise { spoken_by: at.plus_ms(STRETCH_MS), stretched: true, ..promise });
        }
        if !waits_for_a_line {
            self.question_over(at, true);
        }
        true
    }

    /// Says a filler in front of whatever is on its way.
    fn fill(&mut self, at: MediaTime, text: String) {
        self.note(at, Stage::Filler);
        let line = NewLine { text: text.clone(), interruptible: true, ..NewLine::default() };
        let latency = if self.lines.any() { self.lines.take_latency() } else { self.latency.take() };
        let Some(utterance) = self.lines.say_first(at, line, self.dialogue.state_name(), latency) else { return };
        self.out.push_back(Action::SayFirst { utterance, text });
        // Its own time starts again when the filler has been heard.
        self.filled = Some(utterance);
    }

    /// The filler cannot be said: what is ready is said instead, at once. Returns whether that line was the filler.
    pub(super) fn filler_failed(&mut self, at: MediaTime, utterance: UtteranceId) -> bool {
        if self.filled != Some(utterance) {
            return false;
        }
        self.filled = None;
        // The line behind it answers the turn now, or the one that is to come.
        if let Some(latency) = self.lines.hand_over(utterance) {
            self.latency = Some(latency);
        }
        let ended = self.lines.failed(at, utterance);
        let heard = ended.record.is_some();
        if let Some(record) = ended.record {
            self.record(record);
        }
        let waits = matches!(&self.phase, Phase::Talking(talking)
            if talking.question.as_ref().is_some_and(|question| question.said == 0));
        if heard {
            self.filler_over(at);
        } else if waits && !self.lines.any() {
            self.question_over(at, true);
        }
        true
    }

    /// The filler was heard: the answer has a time again.
    pub(super) fn filler_over(&mut self, at: MediaTime) {
        if let Phase::Talking(talking) = &mut self.phase
            && let Some(question) = talking.question.as_mut().filter(|question| question.said == 0)
        {
            question.until = question.done_by.min(at.plus_ms(self.config.after_filler_ms));
        }
    }
}
