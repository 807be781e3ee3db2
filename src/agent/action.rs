//! What the agent wants done.

use super::AgentEvent;
use crate::audio::UtteranceId;
use crate::record::EndReason;
use crate::speech::{ChatRequest, Expectation, Manner};
use std::sync::Arc;

/// One thing to do, taken from `Agent::poll`. The session translates it and decides nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Queue a line behind what is being said. One that was prepared under this number is ready already.
    Say {
        /// Its number.
        utterance: UtteranceId,
        /// Its words, plain text in the flow's language.
        text: String,
    },
    /// Queue a line in front of all that has not begun: a filler while they are not ready.
    SayFirst {
        /// Its number.
        utterance: UtteranceId,
        /// Its words.
        text: String,
    },
    /// Synthesise this line and hold it back: it will be said under this number, or discarded.
    Prepare {
        /// Its number.
        utterance: UtteranceId,
        /// Its words.
        text: String,
    },
    /// A prepared line will not be said.
    Discard {
        /// Its number.
        utterance: UtteranceId,
    },
    /// Stop at once: drop everything queued, start a new playout epoch.
    StopSpeaking,
    /// Speak softly from the next frame on: the caller may be interrupting.
    Duck,
    /// Fall silent within a frame and lose nothing of what is being said: the caller seems to be interrupting.
    Pause,
    /// Speak at full volume again: the caller was not. What was paused goes on from the last pause in it. A new playout epoch is at full
    /// volume anyway.
    Unduck,
    /// How lines are said that are queued or prepared from now on.
    Manner(Manner),
    /// What may be said next.
    Expect(Arc<Expectation>),
    /// The caller may have finished: ask the recogniser for a final answer.
    Flush,
    /// The caller's utterance is over: what follows is a new one.
    FinishUtterance {
        /// It was the caller, and sounded as the caller usually does: the emotion engine may learn the usual voice from it.
        usual: bool,
    },
    /// Ask the language model.
    Ask {
        /// Number of the question; replies carry it.
        ask: u32,
        /// The question.
        request: ChatRequest,
    },
    /// Drop this question.
    CancelAsk {
        /// Number of the question.
        ask: u32,
    },
    /// Send telephone events to the peer.
    SendDtmf(String),
    /// Hand the caller to somebody else (REFER).
    Transfer {
        /// A SIP URI or a number for the trunk.
        target: String,
    },
    /// End the call. Nothing follows.
    HangUp(EndReason),
    /// Something for the record and for those who watch.
    Report(AgentEvent),
}
