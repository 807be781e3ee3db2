//! RTP and RTCP: packets, order, telephone events, source locking, statistics. Pure: bytes and times in, decisions out.
//!
//! Nothing here allocates after construction, and no input of any length panics: everything that parses returns an
//! [`RtpError`] or an empty answer. Times are nanoseconds of one monotonic clock, whatever its origin.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod dtmf;
mod error;
mod jitter;
mod packet;
mod rtcp;
mod sequence;
mod source_lock;
mod stats;

pub use dtmf::{DTMF_QUEUE, DtmfPacket, DtmfReceiver, DtmfSender, EVENT_BYTES, Event, digit_of, event_of};
pub use error::RtpError;
pub use jitter::{Allowance, Hole, Insert, Kind, MAX_PAYLOAD, Queued, REORDER_SLOTS, Reorder};
pub use packet::{HEADER_BYTES, Header, Packet, is_rtcp};
pub use rtcp::{
    Compound, MAX_RTCP_BYTES, NtpTime, ReceptionReport, Reports, SenderInfo, round_trip_ms, write_bye, write_report,
};
pub use sequence::{Order, Sequence};
pub use source_lock::{Rank, SourceLock, Verdict};
pub use stats::ReceiveStats;

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;

/// Static payload type of comfort noise at 8 kHz (RFC 3389).
pub const COMFORT_NOISE: u8 = 13;
