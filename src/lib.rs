//! tipring: a real-time AI telephony agent.
//!
//! The house, from the top floor down. Imports point down only; `tests/it/architecture.rs` fails the build when one does not.
//!
//! | floor | rooms | what lives there |
//! |---|---|---|
//! | 6 | `main`, [`cli`], [`app`], [`settings`] | wiring: reads the settings, builds every part, joins them |
//! | 5 | [`server`] | HTTP API, health, metrics |
//! | 4 | [`phone`], [`sim`], [`telesales`] | the test telephone: places calls, speaks, measures response gaps off the RTP; callers and networks that do not exist; what selling needs beside the single call |
//! | 3 | [`store`], [`call`] | what remains of a call; one call from INVITE to record |
//! | 2 | [`ua`], [`media`], [`engine`], [`agent`], [`knowledge`] | SIP; RTP threads; VAD, ASR, TTS, LLM; every decision; facts |
//! | 1 | [`record`], [`speech`], [`audio`], [`rtp`], [`sdp`], [`nlu`] | pure: no clock, no I/O |
//! | 0 | [`metrics`], [`pii`], [`id`] | |
//!
//! One packet's way: `media::worker` (datagram) → `media::port` (source lock, order, decode, conceal) → uplink ring →
//! `call::listen` (VAD, ASR) → `call::session` → `agent` (end of turn? what next?) → a ready line or the LLM → `agent` →
//! `call::speak` (TTS or cached audio) → downlink ring → `media::port` tick (encode, send).
#![warn(missing_docs)]

pub mod id;
pub mod metrics;
pub mod pii;

pub mod audio;
pub mod nlu;
pub mod record;
pub mod rtp;
pub mod sdp;
pub mod speech;

pub mod agent;
pub mod engine;
pub mod knowledge;
pub mod media;
pub mod ua;

pub mod call;
pub mod store;

pub mod phone;
pub mod sim;
pub mod telesales;

pub mod server;

pub mod app;
pub mod cli;
pub mod settings;
