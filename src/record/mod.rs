//! What remains of a call: plain data, serialised as it stands, and its picture.

mod call;
mod contour;
mod delays;
mod llm;
mod mood;
mod picture;
mod sales;
mod timeline;
mod turn;
mod waves;

pub use call::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
pub use contour::{CONTOUR_STEP_MS, Contour};
pub use delays::Delays;
pub use llm::{LlmRecord, ToolRecord};
pub use mood::{
    EMOTION_POINTS, EmotionPoint, KeepEmotion, MoodChannel, MoodCue, MoodCueKind, MoodKind, MoodSwitch, TurnEmotion,
    VoiceEmotion,
};
pub use picture::picture;
pub use sales::{ObjectionOutcome, ObjectionRecord, OfferRecord, SalesRecord, TurnNotes};
pub use timeline::{Stage, TIMELINE_ENTRIES, Timeline, TimelineEvent};
pub use turn::{Speaker, TurnLatency, TurnRecord};
pub use waves::{WAVE_STEP_MS, Waves};
