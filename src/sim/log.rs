//! What is noted of a simulated call, for the figures and for fitting.

use super::caller::After;
use super::ears::Sound;
use crate::agent::Evidence;
use crate::record::TurnEmotion;
use serde::Serialize;

/// A pause, as the agent knew it.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    /// What it knew.
    pub evidence: Evidence,
    /// How long it lasted, in milliseconds; none where it was the end of the turn.
    pub ms: Option<u64>,
    /// What was heard of it.
    pub heard: String,
    /// The utterance as the corpus has it.
    pub line: String,
}

/// A stretch of time, from and to, in milliseconds.
pub(super) type Span = (u64, u64);

/// What a caller did, and when the agent was heard.
#[derive(Default)]
pub(super) struct Log {
    /// The caller's turns: each stretch with what followed, in order; `over` where it was an interruption.
    pub turns: Vec<Spoken>,
    /// When the agent was audible.
    pub agent: Vec<Voiced>,
    /// When the agent's voice was made softer, and loud again.
    pub ducked: Vec<(u64, bool)>,
    /// When the agent's voice was paused, and when it went on if it did.
    pub hushed: Vec<(u64, Option<u64>)>,
    /// When the agent took a turn of the caller to be over.
    pub decided: Vec<u64>,
    pub hung_up: bool,
    /// The turns of the caller, from 0, in which the agent began to take the caller for impatient.
    pub switched: Vec<u64>,
    /// What the agent noticed of the caller's mood, for each turn that it took.
    pub sounded: Vec<Sounded>,
}

/// A turn of the caller as the agent took it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Sounded {
    /// The caller's turn, from 0.
    pub turn: u64,
    /// The words, as they were heard.
    pub text: String,
    /// What was noticed.
    pub noticed: TurnEmotion,
}

/// A line of the agent as it was heard.
pub(super) struct Voiced {
    pub span: Span,
    /// It was stopped before its end.
    pub cut: bool,
    /// It answers nothing: it asks a silent caller again.
    pub prompt: bool,
}

/// Something that a caller said.
pub(super) struct Spoken {
    pub sound: Sound,
    /// It began over the agent's voice.
    pub over: bool,
    /// What was asked.
    pub asked: &'static str,
    pub stretches: Vec<(Span, After)>,
}
