//! What remains of a call: plain data, serialised as it stands.

mod call;
mod timeline;
mod turn;

pub use call::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
pub use timeline::{Stage, TIMELINE_ENTRIES, Timeline, TimelineEvent};
pub use turn::{Speaker, TurnLatency, TurnRecord};
