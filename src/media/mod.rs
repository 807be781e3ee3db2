//! RTP media threads: one call's port, the worker loop, the rings to the speech threads.
//!
//! ```text
//!            worker thread: one loop over many ports                      │ rings  │  speech and tokio threads
//!   socket ─ datagram ─▶ port: source lock ─ order ─ decode ─ conceal ────┼────────▶ SpeechLink::next_frame
//!                        telephone events, playout events ────────────────┼────────▶ SpeechLink::next_event
//!   socket ◀─ packet ─── port: encode ◀─ 20 ms tick ◀─────────────────────┼───────── SpeechLink::play
//!                                     ◀─ epoch, volume (atomic), commands ┼───────── MediaControl
//!                        what was sent, with times ───────────────────────┼────────▶ SpeechLink::next_sent
//!                        both directions, with times ─────────────────────┼────────▶ RecordingTap
//! ```
//!
//! # Time
//!
//! A port begins at an instant, its origin. Tick `n` is at `n` × 20 ms after it and sends the frame of that time. The frame
//! heard with the same time is the one that arrived then, to within the bounds given in `uplink.rs`: both sides of a recording lie
//! on one clock.
//!
//! # The media thread
//!
//! It does not allocate, lock, wait or log in steady state (`tests/realtime.rs` counts). What needs memory is made by whoever
//! asks for it and handed over in a box through a ring; what is worn out goes back the same way.
//!
//! # Bounds
//!
//! | queue | holds | when full |
//! |---|---|---|
//! | uplink ring | 2.56 s | the frame is lost and counted; the times of later ones tell |
//! | downlink ring | 2 s | [`SpeechLink::play`] gives the frame back |
//! | events | 256, of which 128 for playout alone | the event is lost and counted |
//! | frames sent | 1.28 s | the frame is missing from the reference of an echo |
//! | commands | 64 | [`MediaError::Busy`] |
//! | recording rings | 5.12 s each way | the frame is recorded as silence and counted |
//! | reorder buffer | 32 packets | the hole before them is given up |
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod config;
mod control;
mod downlink;
mod error;
mod link;
mod negotiate;
mod past;
mod port;
mod recorder;
mod reports;
mod server;
mod sockets;
mod sys;
mod uplink;
mod worker;

pub use config::Config;
pub use control::MediaControl;
pub use error::MediaError;
pub use link::{MediaEvent, SpeechLink};
pub use negotiate::{StreamParams, formats};
pub use port::{Channel, MediaSession, Outgoing, Port, PortOptions};
pub use recorder::{RecordingTap, StereoFrame};
pub use server::{MediaServer, Reservation};
