//! The record of a call.

use super::{EmotionPoint, LlmRecord, MoodSwitch, SalesRecord, Timeline, TurnRecord};
use crate::id::CallId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Version of the record's schema, raised when a field changes its meaning.
pub const RECORD_VERSION: u32 = 1;

/// Which side placed the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The peer called us.
    Inbound,
    /// We called the peer.
    Outbound,
}

/// Why a call ended. Every call that was begun has exactly one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// The flow came to its end and the agent hung up.
    Completed,
    /// The peer sent BYE.
    PeerHungUp,
    /// The call was handed to somebody else (REFER accepted).
    Transferred {
        /// Where to.
        target: String,
    },
    /// The caller gave up before the answer (CANCEL).
    Cancelled,
    /// We refused the call.
    Refused {
        /// The SIP status sent.
        status: u16,
        /// Why: `busy`, `not_allowed`, `draining`, `no_codec` and so on.
        why: String,
    },
    /// Our call was not answered.
    NotAnswered {
        /// The final SIP status received, 408 for none.
        status: u16,
        /// Its reason phrase.
        why: String,
    },
    /// No RTP arrived for too long.
    MediaTimeout,
    /// The call reached its longest permitted duration.
    TooLong,
    /// Engines or signalling failed; the caller heard the fallback line where that was possible.
    Failed {
        /// What failed.
        why: String,
    },
    /// The process was told to stop and the drain time ran out.
    Drained,
}

impl EndReason {
    /// The `kind` tag, as used for metrics labels.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::PeerHungUp => "peer_hung_up",
            Self::Transferred { .. } => "transferred",
            Self::Cancelled => "cancelled",
            Self::Refused { .. } => "refused",
            Self::NotAnswered { .. } => "not_answered",
            Self::MediaTimeout => "media_timeout",
            Self::TooLong => "too_long",
            Self::Failed { .. } => "failed",
            Self::Drained => "drained",
        }
    }
}

/// Who was at the two ends.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CallParty {
    /// The From URI.
    pub from: String,
    /// The To or request URI.
    pub to: String,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// Where the signalling came from or went to.
    pub peer: String,
}

/// The engines that really served, fallbacks included, in the order in which they were used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EngineNames {
    /// Voice activity detection.
    pub vad: Vec<String>,
    /// Speech recognition.
    pub asr: Vec<String>,
    /// Speech synthesis.
    pub tts: Vec<String>,
    /// Language model.
    pub llm: Vec<String>,
}

/// How the media went.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct MediaReport {
    /// Encoding name, for instance `PCMU`; empty when no media was agreed on.
    pub codec: String,
    /// RTP packets received, duplicates and strangers not counted.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Packets that never came, RFC 3550 appendix A.3.
    pub packets_lost: u64,
    /// `packets_lost` as a share of those expected, in percent.
    pub loss_percent: f64,
    /// Packets that came too late to be heard.
    pub packets_late: u64,
    /// Packets that came twice.
    pub packets_duplicate: u64,
    /// Datagrams from an address other than the locked one, or that were not RTP.
    pub packets_rejected: u64,
    /// Interarrival jitter in milliseconds at the end, RFC 3550 section 6.4.1.
    pub jitter_ms: f64,
    /// The largest interarrival jitter in the call, in milliseconds.
    pub jitter_max_ms: f64,
    /// Milliseconds of caller audio made up by concealment.
    pub concealed_ms: u64,
    /// Round trip time from RTCP, in milliseconds, where the peer reports.
    pub rtt_ms: Option<f64>,
}

/// What remains of a call. Written once, when the call has ended; durable before the call counts as ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The call.
    pub id: CallId,
    /// Who placed it.
    pub direction: Direction,
    /// The ends.
    pub party: CallParty,
    /// The flow that held the conversation.
    pub flow: String,
    /// When the INVITE arrived or was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// When it was answered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub answered: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub ended: OffsetDateTime,
    /// Milliseconds from the answer to the end.
    pub duration_ms: u64,
    /// Why it ended.
    pub end_reason: EndReason,
    /// The flow's state at the end.
    pub last_state: Option<String>,
    /// The flow's disposition, where the flow set one.
    pub disposition: Option<String>,
    /// Slots that the conversation filled, masked.
    pub slots: BTreeMap<String, String>,
    /// Both sides in order, masked, the agent's only as far as it was heard.
    pub turns: Vec<TurnRecord>,
    /// The stages of the call, for the timeline picture; masked.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub timeline: Timeline,
    /// Objections and offers.
    #[serde(default, skip_serializing_if = "SalesRecord::is_empty")]
    pub sales: SalesRecord,
    /// When the agent began or ceased to take the caller for impatient, angry and so on, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moods: Vec<MoodSwitch>,
    /// How the caller's voice sounded, about every half second of speech, for the timeline picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emotion: Vec<EmotionPoint>,
    /// What the language model was and was not let do.
    #[serde(default, skip_serializing_if = "LlmRecord::is_empty")]
    pub llm: LlmRecord,
    /// The engines that served.
    pub engines: EngineNames,
    /// How the media went.
    pub media: MediaReport,
    /// File name of the stereo recording (left: the caller, right: the agent), beside the record.
    pub recording: Option<String>,
    /// Frames missing from the recording because the disk did not keep up.
    pub recording_frames_dropped: u64,
}

impl CallRecord {
    /// The record of a call that begins: nothing was said yet, and until it is closed it counts as failed.
    pub fn open(id: CallId, direction: Direction, party: CallParty, flow: &str, began: OffsetDateTime) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            direction,
            party,
            flow: flow.to_owned(),
            began,
            answered: None,
            ended: began,
            duration_ms: 0,
            end_reason: EndReason::Failed { why: "the call was never closed".into() },
            last_state: None,
            disposition: None,
            slots: BTreeMap::new(),
            turns: Vec::new(),
            timeline: Timeline::default(),
            sales: SalesRecord::default(),
            moods: Vec::new(),
            emotion: Vec::new(),
            llm: LlmRecord::default(),
            engines: EngineNames::default(),
            media: MediaReport::default(),
            recording: None,
            recording_frames_dropped: 0,
        }
    }
}
