//! How the caller sounds: what the agent gathers of a turn for its mood, and what it tells the dialogue of it.

use super::conversation::Agent;
use super::dialogue::is_backchannel;
use super::mood::TurnFacts;
use super::phase::Phase;
use super::turn::CallerTurn;
use super::{Action, AgentEvent};
use crate::audio::MediaTime;
use crate::record::TurnEmotion;
use crate::speech::{Emotion, Manner};

/// Who begins to speak so soon after the agent did has not been told anything yet: both began at the same time, or the caller
/// goes on with what the agent took for all.
const TOGETHER_MS: f64 = 600.0;
/// Speech that begins when this share of the agent's line was heard comes a little early, and interrupts nothing.
const NEARLY_ALL: f32 = 0.85;

/// What the turn-taking tells, until the caller's turn is over.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Exchange {
    /// When the agent's latest line ended; none once it was answered.
    spoke: Option<MediaTime>,
    /// When the agent began to speak after the caller's latest turn.
    began: Option<MediaTime>,
    /// The share of the agent's line that was heard when the caller began to speak over it, unless both began together.
    over: Option<f32>,
}

impl Exchange {
    /// A line of the agent begins to be heard.
    pub fn begins(&mut self, at: MediaTime) {
        self.began.get_or_insert(at);
    }

    /// A line of the agent ended.
    pub fn spoke(&mut self, at: MediaTime) {
        self.spoke = Some(at);
    }
}

impl Agent {
    /// The emotion engine said something of the open turn.
    pub(super) fn emotion_cue(&mut self, emotion: Emotion) {
        if let Some(point) = self.mood.heard(emotion) {
            self.report(AgentEvent::Emotion(point));
        }
    }

    /// The caller begins to speak: a turn, not its continuation.
    pub(super) fn exchange_begins(&mut self, onset: MediaTime) {
        let together = self.exchange.began.is_none_or(|began| onset.ms_since(began) < TOGETHER_MS);
        self.exchange.over = if together { None } else { self.lines.share_heard(onset) };
    }

    /// Lines are said so from now on, if that is new.
    pub(super) fn tell_manner(&mut self, manner: Manner) {
        if std::mem::replace(&mut self.manner, manner) != manner {
            self.out.push_back(Action::Manner(manner));
        }
    }

    /// A turn of the caller is over: what it says of the caller goes to the dialogue and to the record.
    pub(super) fn sounded(&mut self, at: MediaTime, turn: &CallerTurn) -> Option<Box<TurnEmotion>> {
        let first_half = match &self.phase {
            Phase::Talking(talking) => talking.first_half.as_ref(),
            _ => None,
        };
        let goes_on = first_half.is_some();
        // "I am not … in a hurry" is one sentence.
        let text = first_half.map_or_else(|| turn.text.clone(), |first| format!("{} {}", first.text, turn.text));
        let Exchange { over, spoke, .. } = std::mem::take(&mut self.exchange);
        let wanted = !goes_on && !turn.hummed && !is_backchannel(&turn.text);
        let barged_in = wanted && turn.over && over.is_some_and(|share| share < NEARLY_ALL);
        let facts = TurnFacts {
            text,
            kind: self.dialogue.kind(),
            voiced_ms: turn.voiced_ms,
            barged_in,
            line_heard: over,
            gap_ms: spoke.filter(|_| !turn.over).map(|spoke| turn.began.ms_since(spoke).max(0.0) as f32),
            goes_on,
        };
        let (emotion, switches) = self.mood.turn(at, &facts)?;
        self.dialogue.feel(self.mood.feeling(), switches, at);
        Some(Box::new(emotion))
    }

    /// Reports what changed in how the caller is taken, with what the flow does about it: after the answer, which does it.
    pub(super) fn tell_moods(&mut self, at: MediaTime) {
        for switch in self.dialogue.felt(at) {
            self.report(AgentEvent::Mood(switch));
        }
    }
}
