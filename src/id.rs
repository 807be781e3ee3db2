//! Identifiers that outlive a process.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One call, inbound or outbound: a ULID, so that identifiers sort by the time at which the call began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(ulid::Ulid);

impl CallId {
    /// A new identifier from the wall clock and the thread's random source.
    pub fn generate() -> Self {
        Self(ulid::Ulid::new())
    }

    /// The identifier made of given parts: milliseconds since the Unix epoch and 80 random bits.
    pub fn from_parts(unix_ms: u64, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(unix_ms, random))
    }

    /// A number that is the same for the same identifier, and different for most others.
    pub fn seed(self) -> u64 {
        // The random part's lower half.
        (self.0.random() & u128::from(u64::MAX)) as u64
    }

    /// When it was made, to the millisecond.
    pub fn began(self) -> time::OffsetDateTime {
        let ms = i128::from(self.0.timestamp_ms());
        // 48 bits of milliseconds reach beyond the year 9999, where `time` ends: such an identifier was not made here.
        time::OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
    }
}

/// A text that is no [`CallId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "an ID of a call is 26 letters and digits such as 01KB0V7QXE8T4R2N6M9PZC3WDH; its record has that name, below calls in data_dir"
)]
pub struct NoCallId;

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({})", self.0)
    }
}

impl std::str::FromStr for CallId {
    type Err = NoCallId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ulid::Ulid::from_string(text).map(Self).map_err(|_| NoCallId)
    }
}
