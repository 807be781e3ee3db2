//! What the engines behind an address have in common: where it is, the key, what its refusals mean, how long it is left alone.
//!
//! A request that failed is never sent again from here: the next engine of the chain is asked instead. Only a socket that broke
//! within an utterance is opened once more. What was said is never logged, and the key goes to no other address.

mod address;
mod orders;
mod refusal;
mod socket;

pub(super) use address::{Address, Remote, bare};
pub(super) use orders::{Order, Orders};
pub(super) use refusal::{bounded, error_of, excerpt, refused, transport};
pub(super) use socket::{Incoming, Socket};

use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Does something by a time; `limit` is how long that is, for the error.
pub(super) async fn in_time<T>(
    by: Instant,
    limit: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    timeout_at(by, work).await.unwrap_or_else(|_| Err(nothing(limit)))
}

/// Nothing came in time.
pub(super) fn nothing(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}
