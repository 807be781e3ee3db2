//! What the caller does and what we heard of it.

use crate::audio::MediaTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A BCP 47 language tag such as `en` or `zh`, lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Language(pub String);

impl Default for Language {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of the caller's voice activity, after hysteresis ([`Gate`](super::Gate)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpeechEdge {
    /// The caller began to speak, or went on after a pause. Sent once the gate is sure; `onset` lies before that.
    Started {
        /// First sample of speech.
        onset: MediaTime,
    },
    /// The caller fell silent. Whether the turn is over is for the agent to decide.
    Paused {
        /// Time just after the last sample of speech.
        last: MediaTime,
    },
}

/// How settled a hypothesis is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HypothesisKind {
    /// May change with the next frame.
    Partial,
    /// This prefix will not change any more.
    Stable,
    /// The answer to a flush: the best that can be said of the audio pushed until then.
    Final,
}

/// What the recogniser makes of the current utterance, always from the utterance's beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct Hypothesis {
    /// How settled it is.
    pub kind: HypothesisKind,
    /// The words, lower case as the engine gives them; empty when nothing was understood.
    pub text: String,
    /// 0 to 1; engines without one give 1.0 for words and 0.0 for none.
    pub confidence: f32,
    /// Time just after the last sample that it takes into account.
    pub covers: MediaTime,
    /// Audio was dropped because the recogniser could not keep up.
    pub degraded: bool,
}

/// The kind of answer that the flow has just asked for: it sets how long a silence must last to end the turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// Yes or no.
    YesNo,
    /// One of a few short phrases.
    Choice,
    /// Digits, spoken one after the other with pauses between groups.
    Number,
    /// A name, perhaps spelled.
    Name,
    /// Anything.
    #[default]
    Open,
}

/// What the recogniser may hear in the flow's current state.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Expectation {
    /// The language.
    pub language: Language,
    /// The kind of answer.
    pub kind: AnswerKind,
    /// Whole phrases, lower case, that the state acts on, with the flow's global ones.
    pub phrases: Vec<String>,
}
