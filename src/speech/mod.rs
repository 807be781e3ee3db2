//! What is said and heard: utterances, voice edges, and the traits of the engines.

mod cue;
mod emotion;
mod engine;
mod exchange;
mod facts;
mod gate;
mod manner;
mod pauses;
mod score;
mod usual;
mod utterance;
pub mod voice;

pub use cue::{Cue, OverlapCue, PauseCue, TurnCue};
pub use emotion::{Emotion, EmotionLabel, UnknownEmotion, VoiceChange};
pub use engine::{
    ChatMessage, ChatRequest, EmotionDetection, EmotionDetector, EngineError, EngineKind, LanguageModel, Recognizer,
    RecognizerStream, Reply, ReplyStream, Role, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Tool,
    TurnDetection, TurnDetector, VoiceDetection, VoiceDetector, Wake,
};
pub use exchange::{Exchange, ToolUse, key as exchange_key};
pub use facts::{FactFinder, Facts, Passage};
pub use gate::{Gate, GateConfig, PreRoll};
pub use manner::Manner;
pub use pauses::{PauseCurve, SHORTEST_S};
pub use score::{VadFigures, VadScore, VadTrace, roc_auc};
pub use usual::UsualVoice;
pub use utterance::{AnswerKind, Expectation, Hypothesis, HypothesisKind, Language, SpeechEdge};
