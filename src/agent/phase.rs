//! Where the call stands; what is true only there lives in that phase's struct.

use super::dialogue::{Dialogue, End, Sentences, Task};
use super::leash::Filter;
use super::turn::{CallerTurn, NewLine};
use crate::audio::{MediaTime, UtteranceId};

/// Where the call stands.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Phase {
    /// Not answered yet.
    Waiting,
    /// The conversation.
    Talking(Box<Talking>),
    /// The last words are being said.
    Leaving(Box<Leaving>),
    /// Somebody else is being asked to take the call.
    Transferring(Transferring),
    /// Over: nothing is said or done any more.
    Ended,
}

/// The conversation.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Talking {
    /// Since when nobody has said anything.
    pub quiet_since: MediaTime,
    /// Keys pressed, not yet an answer.
    pub keys: Pressed,
    /// What the caller said over a line that may not be interrupted.
    pub held: Option<CallerTurn>,
    /// What the caller made the agent stop saying.
    pub cut: Option<Cut>,
    /// How often in a row a cut line was begun again.
    pub begun_again: u32,
    /// The first half of a turn that was cut off.
    pub first_half: Option<FirstHalf>,
    /// The last decision, to be taken back if it came too early.
    pub decided: Option<Decided>,
    /// What the language model was asked.
    pub question: Option<Question>,
    /// The end that the caller interrupted.
    pub interrupted_end: Option<End>,
    /// The caller cannot be heard: the end, unless a key comes within so many milliseconds.
    pub unless_key: Option<(End, u64)>,
}

/// The last words.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Leaving {
    /// What comes after them.
    pub end: End,
    /// The decision that led here.
    pub decided: Option<Decided>,
    /// How often in a row a cut line was begun again.
    pub begun_again: u32,
}

/// A transfer under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transferring {
    /// Who is asked.
    pub target: String,
    /// When that counts as refused.
    pub until: MediaTime,
}

/// Keys of one entry, for the record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pressed {
    /// The keys.
    pub keys: String,
    /// The first one.
    pub first: MediaTime,
    /// The last one, or the last spoken digits.
    pub last: MediaTime,
    /// The last of them were spoken, not pressed.
    pub spoken: bool,
    /// Keys that came while the agent could not be interrupted.
    pub waiting: String,
}

/// What was being said when the caller interrupted.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Cut {
    /// The lines, the one that was cut first.
    pub lines: Vec<NewLine>,
    /// The question to the language model of which nothing had been said.
    pub task: Option<Task>,
}

/// A turn whose end was decided too early.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct FirstHalf {
    /// Its words.
    pub text: String,
    /// Their confidence.
    pub confidence: f32,
}

/// A decision that may have been early.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decided {
    /// When.
    pub at: MediaTime,
    /// Just after the caller's last sample of speech.
    pub ended: MediaTime,
    /// What the caller had said.
    pub turn: FirstHalf,
    /// The conversation before it.
    pub before: Dialogue,
    /// The first line of the answer.
    pub answer: Option<UtteranceId>,
    /// When that began to be heard.
    pub answer_began: Option<MediaTime>,
    /// When anything of ours began to be heard since, be it a filler.
    pub heard_since: Option<MediaTime>,
}

/// A question to the language model.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Question {
    /// Its number.
    pub ask: u32,
    /// What was asked.
    pub task: Task,
    /// The answer as it comes.
    pub sentences: Sentences,
    /// What may be said.
    pub filter: Filter,
    /// Sentences said.
    pub said: usize,
    /// When to do without, or without the rest.
    pub until: MediaTime,
    /// When the whole answer must be there.
    pub done_by: MediaTime,
}
