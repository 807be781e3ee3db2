//! What remains of a call: plain data, serialised as it stands.

mod call;
mod turn;

pub use call::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
pub use turn::{Speaker, TurnLatency, TurnRecord};
