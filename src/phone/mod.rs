//! The test telephone: calls the agent, speaks, and measures on its own RTP socket how fast and how well it was answered.
//!
//! It is the measuring instrument of the project, so it shares nothing with the agent's media path but the packet and codec
//! formats: it has its own socket, its own threads, its own clock and its own record of when each packet left and came.
//!
//! # What is measured, exactly
//!
//! *Time.* Every packet is stamped with the monotonic clock of this process: one that is sent just before `send` is called, one
//! that is received just after `recv` returned, so that delays of the machine lengthen a gap and never shorten it. Sample `k` of
//! a packet has the packet's time and `k / 16000` s, in both directions. So a gap is what one reads off a capture of the two RTP
//! streams, or off the stereo recording that the telephone makes. A real telephone adds its own 20 ms of packetisation and its
//! jitter buffer; they are the telephone's, not the agent's.
//!
//! *Audible.* What comes in is decoded and cut into pieces of 5 ms. A piece is audible when its level is at least
//! [`AUDIBLE_DBFS`](crate::audio::level::AUDIBLE_DBFS) (RMS of its samples against full scale). The agent *starts to speak* with the first
//! sample over that amplitude in the first of two audible pieces in a row, after at least [`BRIDGE`] without an audible piece.
//!
//! *Caller's speech.* The first and last speech samples of what the caller says are annotated before the call, on the file or
//! the synthesised line itself ([`Utterance`]).
//!
//! | figure | definition |
//! |---|---|
//! | `gap_ms` | last speech sample of the caller sent → first audible agent sample received after it, before the caller speaks again |
//! | `barge_in` | the agent was audible when the caller's first speech sample was sent |
//! | `stop_ms` | first speech sample of a barge-in sent → last audible agent sample before the agent's first silence of [`STOP_SILENCE`] |
//! | false cut-off | the agent starts to speak between the first and the last speech sample of an utterance that is no barge-in |
//! | missed | the utterance was no false cut-off, and the agent did not start to speak before the caller spoke again or the call ended |
//! | percentile | nearest rank: the smallest measured value that at least p % of the values do not exceed |
//!
//! An aside (a backchannel, a cough) is no turn: it has neither gap nor answer, and the turn before it may still be answered after
//! it. The network that a telephone is told to sit behind lies between its socket and the peer: what is measured is what is sent
//! into it and what comes out of it, so the network's own delay is part of every gap, as it is for a caller.
//!
//! Turns that were cut off are counted as such and give no gap: an answer to half a sentence is no fast answer.

mod audible;
mod ear;
mod error;
mod handset;
mod lateness;
mod line;
mod machine;
mod measure;
mod mouth;
mod record;
mod report;
mod rtp_loop;
mod script;
mod surroundings;
mod utterance;

pub use audible::{AUDIBLE_AMPLITUDE, BRIDGE, PIECE_SAMPLES, Piece, Spurt, SpurtFinder};
pub use ear::HeardStats;
pub use error::PhoneError;
pub use handset::{Config, End, Extension, Handset, HeldCall, failed_call};
pub use machine::Machine;
pub use measure::{STOP_SILENCE, Said, Turn, measure, percentile};
pub use record::{Recording, Track};
pub use report::{
    CallReport, Definition, Observed, ObservedSpeaker, REPORT_VERSION, Report, SpokenReport, Summary, TurnReport,
};
pub use rtp_loop::{CallLog, Happening, Path, Plan, RtpLoop};
pub use script::{Act, Aside, Cue, LINGER, PATIENCE, Script, Step, Trigger};
pub use surroundings::{Echo, Surroundings};
pub use utterance::Utterance;
