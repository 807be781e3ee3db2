//! The SIP user agent: registration, calls in and out, re-INVITE, transfer (RFC 3261, 3264, 3515, 3581, 7616).
//!
//! [`UserAgent`] owns the socket. Calls in arrive as [`IncomingCall`] on a channel given by whoever starts it; calls out are
//! placed with [`UserAgent::invite`]. Both become a [`Dialog`]: a handle and a bounded channel of [`DialogEvent`]s, of which
//! exactly one is the last. Transactions, timers and message syntax are rsipstack's; who may talk to us, what we answer and
//! how long we wait is decided here.
//!
//! A datagram's way: `socket` (who sends, how fast, is it SIP at all) → rsipstack's transactions → `inbound` (dialog first,
//! then method, then admission) → one task per call, `driver`, that turns the stack's states into events.

mod admission;
mod agent;
mod allow;
mod config;
mod dialog;
mod digest;
mod driver;
mod error;
mod headers;
mod inbound;
mod info;
mod options;
mod outbound;
mod registration;
mod resolve;
mod socket;
mod transfer;

pub use admission::{Admission, Permit};
pub use agent::UserAgent;
pub use config::{Account, Config, Trunk};
pub use dialog::{Dialog, DialogControl, DialogEvent, EndCause, Responder};
pub use error::UaError;
pub use inbound::IncomingCall;
pub use options::Reach;
pub use outbound::OutgoingCall;
pub use registration::{RegistrationFailure, RegistrationState, RegistrationStatus};
pub use socket::DroppedDatagrams;
