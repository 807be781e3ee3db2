//! What calls tell the rest of the house.

use crate::agent::AgentEvent;
use crate::id::CallId;
use crate::media::RecordingTap;
use crate::record::{CallRecord, Direction};
use crate::speech::Exchange;
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;
use tokio::sync::oneshot;

/// For those who keep records. Sent on a bounded channel that is waited for, never dropped: `app` joins it to the store.
pub enum CallEvent {
    /// A call began. What follows for it is exactly one `Ended`.
    Started {
        /// Which.
        id: CallId,
        /// Who placed it.
        direction: Direction,
        /// When.
        began: OffsetDateTime,
    },
    /// Its media is up and is to be recorded.
    Recording {
        /// Which.
        id: CallId,
        /// Both channels, to be drained by the disk thread until they are closed.
        tap: Box<RecordingTap>,
    },
    /// A question to the language model was answered, or given up. Sent only while there is room: a log line that is missing
    /// is better than a caller who waits.
    Asked {
        /// Which.
        id: CallId,
        /// What was asked and answered, masked.
        exchange: Box<Exchange>,
    },
    /// It is over. It counts as ended once `durable` was answered.
    Ended {
        /// What remains of it.
        record: Arc<CallRecord>,
        /// Answered when the record is safely on disk, or with what went wrong.
        durable: oneshot::Sender<Result<(), String>>,
    },
}

/// For those who watch. Broadcast: a slow watcher misses events and is told how many.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// Which call.
    pub call: CallId,
    /// When, on the process's monotonic clock.
    pub instant: Instant,
    /// What.
    pub kind: LiveKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
pub enum LiveKind {
    /// Media is up; `origin` is the instant of [`MediaTime::ZERO`](crate::audio::MediaTime::ZERO).
    Started {
        /// The call's time zero.
        origin: Instant,
    },
    /// The agent reported something. Texts are masked.
    Agent(AgentEvent),
    /// The call is over and its record durable.
    Ended(Arc<CallRecord>),
}
