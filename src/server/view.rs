//! What the server is shown of the calls, and what it shows of them.

use crate::call::ActiveCall;
use crate::id::CallId;
use crate::pii;
use crate::record::{CallRecord, Direction, EndReason};
use futures_util::future::BoxFuture;
use serde::Serialize;
use time::OffsetDateTime;

/// The house as the server sees it. Implemented by whoever joins the rooms. Called on a runtime thread: must not block.
pub trait View: Send + Sync + 'static {
    /// The calls that are up or being set up.
    fn active(&self) -> Vec<ActiveCall>;
    /// No new calls are taken any more.
    fn draining(&self) -> bool;
    /// The accounts that are to be registered, and how they fare.
    fn registrations(&self) -> Vec<Registration>;
    /// Reads the call flows again. Calls that are up go on with theirs.
    fn reload_flows(&self) -> BoxFuture<'static, FlowsReloaded>;
}

/// What became of the flows that were read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowsReloaded {
    /// Those that differ from before, or are new.
    pub changed: Vec<String>,
    /// Those that are as before.
    pub unchanged: usize,
    /// Why others stayed as they were: file, line and fix.
    pub errors: Vec<String>,
}

/// An account at a registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// Its name in the configuration.
    pub account: String,
    /// Calls to it reach us.
    pub registered: bool,
    /// What the registrar said last, or why it could not be asked.
    pub status: String,
}

/// One line of the list of calls that are over.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub id: CallId,
    pub direction: Direction,
    pub from: String,
    pub to: String,
    pub flow: String,
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    pub duration_ms: u64,
    pub end_reason: EndReason,
    pub turns: usize,
    pub codec: String,
    pub recording: Option<String>,
}

impl Summary {
    pub(super) fn of(record: &CallRecord) -> Self {
        Self {
            id: record.id,
            direction: record.direction,
            from: pii::mask_uri(&record.party.from),
            to: pii::mask_uri(&record.party.to),
            flow: record.flow.clone(),
            began: record.began,
            duration_ms: record.duration_ms,
            end_reason: masked_reason(record.end_reason.clone()),
            turns: record.turns.len(),
            codec: record.media.codec.clone(),
            recording: record.recording.clone(),
        }
    }
}

/// A whole record, fit to be shown.
pub(super) fn masked_record(mut record: CallRecord) -> CallRecord {
    record.party.from = pii::mask_uri(&record.party.from);
    record.party.to = pii::mask_uri(&record.party.to);
    record.end_reason = masked_reason(record.end_reason);
    record
}

fn masked_reason(reason: EndReason) -> EndReason {
    match reason {
        EndReason::Transferred { target } if target.contains(':') => {
            EndReason::Transferred { target: pii::mask_uri(&target) }
        }
        EndReason::Transferred { target } => EndReason::Transferred { target: pii::mask_number(&target) },
        other => other,
    }
}

/// A call that is up, with masked addresses. Masking twice changes nothing.
pub(super) fn masked_call(mut call: ActiveCall) -> ActiveCall {
    call.from = pii::mask_uri(&call.from);
    call.to = pii::mask_uri(&call.to);
    call
}
