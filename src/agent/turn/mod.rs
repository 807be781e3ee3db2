//! Who speaks: the floor, the end of the caller's turn, interruptions, and the agent's lines until they were heard.

mod barge_in;
mod completeness;
mod endpoint;
mod ends;
mod floor;
mod heard;
mod hearing;
mod lines;
mod pace;

pub(crate) use barge_in::continues;
pub(crate) use completeness::{Completeness, PLACES, marks};
pub(crate) use endpoint::{Evidence, Progress, Weighing, decide_at};
pub(crate) use ends::{Bound, Ends, WEIGHTS, features};
pub use floor::Floor;
pub(crate) use heard::rest_from_clause;
pub(crate) use hearing::{CallerTurn, Hearing, Said, Voice, word_count};
pub(crate) use lines::{Ended, Lines, NewLine};
pub(crate) use pace::Pace;
