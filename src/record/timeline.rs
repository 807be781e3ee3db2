//! The stages of a call as they came about, for the timeline picture: where the milliseconds went.

use crate::audio::MediaTime;
use serde::{Deserialize, Serialize};

/// Entries kept of a call. Beyond it they are counted; from three quarters on, partial hypotheses are.
pub const TIMELINE_ENTRIES: usize = 2000;

/// One stage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When it happened in the call's own time: for an edge of speech the sample it is about, for all else the decision.
    pub at: MediaTime,
    /// What happened.
    #[serde(flatten)]
    pub what: Stage,
}

impl TimelineEvent {
    /// `what` happened at `at`.
    pub fn new(at: MediaTime, what: Stage) -> Self {
        Self { at, what }
    }
}

/// What happened. The texts are the caller's words: masked before they leave the call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The caller began to speak: the first sample of speech.
    SpeechStarted,
    /// The caller fell silent: just after the last sample of speech.
    SpeechPaused,
    /// The recogniser's words so far, always from the beginning of the utterance.
    Partial {
        /// The words.
        text: String,
    },
    /// The recogniser was asked for the tail: the caller may have finished.
    Flushed,
    /// The recogniser's answer to that.
    Final {
        /// The words.
        text: String,
    },
    /// An answer was begun before the end of the turn was certain, into a held buffer.
    Speculated,
    /// The turn was over and the held answer was the right one.
    SpeculationKept,
    /// The caller went on, or said something else: the held answer was thrown away.
    SpeculationDropped,
    /// The end of the caller's turn was decided.
    Decided {
        /// The silence that the turn had to last, in milliseconds.
        wait_ms: u64,
    },
    /// The first sound of the answer's first line was at hand.
    LineReady,
    /// The first packet of a line of the agent was sent.
    FirstPacket,
    /// The last packet of a line of the agent was sent, or the rest was thrown away.
    LineEnded,
    /// The agent's voice was turned down: somebody may be interrupting.
    Ducked,
    /// It was paused: somebody seems to be.
    Hushed,
    /// It was turned up again, or goes on: nobody was.
    Unducked,
    /// The agent stopped for an interruption.
    Stopped,
    /// Something short was said because the answer was late.
    Filler,
    /// Another engine of the chain took over.
    EngineSwitched {
        /// Which kind: `asr`, `tts`, `llm`, `vad`.
        kind: String,
        /// The engine that serves now.
        to: String,
    },
}

impl Stage {
    /// The caller's words in it, if any.
    pub fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Partial { text } | Self::Final { text } => Some(text),
            _ => None,
        }
    }
}

/// The stages of a call, in the order in which they were reported. Bounded by [`TIMELINE_ENTRIES`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    /// The stages.
    pub events: Vec<TimelineEvent>,
    /// Stages that did not fit in.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Timeline {
    /// Adds a stage, or counts it when there is no room for it.
    pub fn push(&mut self, event: TimelineEvent) {
        let room = match event.what {
            Stage::Partial { .. } => TIMELINE_ENTRIES / 4 * 3,
            _ => TIMELINE_ENTRIES,
        };
        if self.events.len() < room {
            self.events.push(event);
        } else {
            self.left_out += 1;
        }
    }

    /// Nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.left_out == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_written_flat_and_read_again() {
        let event = TimelineEvent::new(MediaTime::from_ms(20), Stage::Decided { wait_ms: 300 });
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"at":320,"stage":"decided","wait_ms":300}"#);
        assert_eq!(serde_json::from_str::<TimelineEvent>(&text).unwrap(), event);
    }

    #[test]
    fn a_long_call_loses_partials_first_and_says_how_much() {
        let mut timeline = Timeline::default();
        let at = MediaTime::ZERO;
        for _ in 0..TIMELINE_ENTRIES {
            timeline.push(TimelineEvent::new(at, Stage::Partial { text: "a".into() }));
        }
        assert_eq!((timeline.events.len(), timeline.left_out), (1500, 500));
        for _ in 0..501 {
            timeline.push(TimelineEvent::new(at, Stage::Flushed));
        }
        assert_eq!((timeline.events.len(), timeline.left_out), (TIMELINE_ENTRIES, 501));
    }
}
