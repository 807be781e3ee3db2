//! Who speaks: the floor, the end of the caller's turn, interruptions, and the agent's lines until they were heard.

mod barge_in;
mod endpoint;
mod floor;
mod heard;
mod hearing;
mod lines;
mod pace;

pub(crate) use barge_in::continues;
pub(crate) use endpoint::{Evidence, Progress, decide_at, wait_ms};
pub use floor::Floor;
pub(crate) use heard::rest_from_clause;
pub(crate) use hearing::{CallerTurn, Hearing, Voice};
pub(crate) use lines::{Ended, Lines, NewLine};
pub(crate) use pace::Pace;
