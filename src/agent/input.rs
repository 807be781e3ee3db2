//! What the agent is told.

use crate::audio::PlayoutEvent;
use crate::speech::{Cue, EngineKind, Hypothesis, Reply, SpeechEdge};

/// One thing that happened, given to `Agent::handle` with the time at which it happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// The call is up and media flows: say hello.
    Answered,
    /// The caller's voice activity changed.
    Speech(SpeechEdge),
    /// The recogniser has something.
    Heard(Hypothesis),
    /// The caller's voice tells something beside the words.
    Cue(Cue),
    /// The caller pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// The media thread played, finished or cut an utterance.
    Playout(PlayoutEvent),
    /// The first frame of this utterance is ready to be sent (synthesised or found in the cache); its length in samples
    /// at 16 kHz where that is known.
    LineReady {
        /// Which line.
        utterance: crate::audio::UtteranceId,
        /// Samples.
        total_samples: Option<u64>,
    },
    /// This utterance cannot be spoken, or not to its end: every synthesiser failed.
    LineFailed {
        /// Which line.
        utterance: crate::audio::UtteranceId,
    },
    /// A piece of the answer to [`Action::Ask`](super::Action::Ask) number `ask`.
    Reply {
        /// Which question.
        ask: u32,
        /// The piece.
        reply: Reply,
    },
    /// Every engine of this kind is dead for this call.
    EngineDown(EngineKind),
    /// What became of [`Action::Transfer`](super::Action::Transfer).
    TransferEnded {
        /// The target took the call.
        accepted: bool,
    },
    /// The time of `Agent::deadline` has come.
    Deadline,
    /// The call is over, whoever ended it and why (the peer hung up, media timed out, drain): report the turns that are
    /// still open, as far as they were heard. No other action is carried out after it.
    Over,
}
