//! The record of a turn.

use super::{TurnEmotion, TurnNotes};
use crate::audio::MediaTime;
use serde::{Deserialize, Serialize};

/// Who spoke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person on the telephone.
    Caller,
    /// tipring.
    Agent,
}

/// The stages of an answer, in call time. All are times of the same clock, so that differences are latencies.
///
/// These are the server's own observations, for finding out where time goes. The response gap that is published is read off
/// the RTP by the other side (see `docs/latency.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TurnLatency {
    /// Just after the caller's last sample of speech, as the VAD saw it.
    pub speech_end: Option<MediaTime>,
    /// The end of the turn was decided.
    pub decided: Option<MediaTime>,
    /// The first words of the answer were known.
    pub first_token: Option<MediaTime>,
    /// The first frame of the answer was synthesised or found in the cache.
    pub first_audio: Option<MediaTime>,
    /// The first packet of the answer was sent.
    pub first_packet: Option<MediaTime>,
    /// The silence that this turn had to last, in milliseconds.
    pub endpoint_wait_ms: u64,
}

impl TurnLatency {
    /// What was added to the silence that the turn had to last and to the language model's time, in milliseconds: recognition
    /// that was late, queues, synthesis, the way to the first packet. None before the first packet.
    pub fn added_ms(&self) -> Option<f64> {
        let (ended, decided, packet) = (self.speech_end?, self.decided?, self.first_packet?);
        let late = decided.ms_since(ended) - self.endpoint_wait_ms as f64;
        let spoken = packet.ms_since(self.first_token.unwrap_or(decided));
        Some(late.max(0.0) + spoken.max(0.0))
    }
}

/// One side's turn.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Who.
    pub speaker: Speaker,
    /// The words: what was heard of the caller, or what the caller heard of the agent. Masked.
    pub text: String,
    /// What the agent had meant to say, where it was cut short. Masked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intended: Option<String>,
    /// The flow's state at the time.
    pub state: String,
    /// First sample.
    pub began: MediaTime,
    /// Just after the last sample.
    pub ended: MediaTime,
    /// The recogniser's confidence, 0 to 1; caller only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f32>,
    /// The caller spoke while the agent did, and the agent stopped; on the agent's turn that was cut.
    pub interrupted: bool,
    /// Keys pressed in this turn; caller only.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub dtmf: String,
    /// How fast the answer came; agent only, when it answers a caller turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency: Option<TurnLatency>,
    /// What it meant in the conversation.
    #[serde(flatten, default)]
    pub notes: Box<TurnNotes>,
    /// How it sounded; caller only, where emotion is looked at and kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub emotion: Option<Box<TurnEmotion>>,
}
