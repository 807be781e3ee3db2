//! What is said and heard: utterances, voice edges, and the traits of the engines.

mod engine;
mod gate;
mod utterance;

pub use engine::{
    ChatMessage, ChatRequest, EngineError, EngineKind, LanguageModel, Recognizer, RecognizerStream, Reply, ReplyStream,
    Role, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, VoiceDetection, VoiceDetector, Wake,
};
pub use gate::{Gate, GateConfig, PreRoll};
pub use utterance::{AnswerKind, Expectation, Hypothesis, HypothesisKind, Language, SpeechEdge};
