//! The engine traits. Synchronous push and poll, so that one trait serves an embedded model and a socket.
//!
//! Nothing here blocks: `push` enqueues, `poll` takes what is there. An engine that computes for longer than a millisecond
//! does so on its own pool and calls the [`Wake`] that it was given when there is something to poll.

use super::{Emotion, Expectation, Hypothesis, Language, TurnCue};
use crate::audio::{AudioFrame, MediaTime, Samples};
use crate::id::CallId;
use std::sync::Arc;

/// Called by an engine's thread when there is something to poll. Cheap, never blocks.
pub type Wake = std::task::Waker;

/// Which engine of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Voice activity detection.
    Vad,
    /// Speech recognition.
    Asr,
    /// Speech synthesis.
    Tts,
    /// Language model.
    Llm,
}

impl EngineKind {
    /// As in the configuration: `vad`, `asr`, `tts` or `llm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vad => "vad",
            Self::Asr => "asr",
            Self::Tts => "tts",
            Self::Llm => "llm",
        }
    }
}

/// Why an engine cannot serve.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// A library, model, program or address is missing or wrong; the text names it and says what to do.
    #[error("{engine}: {what}")]
    Unavailable {
        /// Name of the engine as in the configuration.
        engine: String,
        /// What is missing, and the fix.
        what: String,
    },
    /// It was there and failed.
    #[error("{engine} failed: {what}")]
    Failed {
        /// Name of the engine as in the configuration.
        engine: String,
        /// What happened.
        what: String,
    },
    /// All its workers are busy and its queue is full.
    #[error("{engine} is overloaded")]
    Overloaded {
        /// Name of the engine as in the configuration.
        engine: String,
    },
    /// It does not do this, and that is no fault: another engine of the chain does.
    #[error("{engine}: {what}")]
    Declined {
        /// Name of the engine as in the configuration.
        engine: String,
        /// What it does instead.
        what: String,
    },
    /// It cannot speak or hear this language.
    #[error("{engine} does not know the language '{language}'")]
    Language {
        /// Name of the engine as in the configuration.
        engine: String,
        /// The language asked for.
        language: String,
    },
}

/// Makes voice detectors, one per call.
pub trait VoiceDetection: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// A detector with a fresh state.
    fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError>;
}

/// Hears whether somebody speaks. Runs on the speech thread: at most 1 ms a frame.
pub trait VoiceDetector: Send {
    /// The probability, 0 to 1, that this frame holds speech; with a [`lag`](Self::lag_ms), that the frame so much earlier
    /// does.
    fn push(&mut self, frame: &AudioFrame) -> f32;
    /// How much older than the frame pushed the audio is that the answer is about, in ms: whole frames, the same for all
    /// answers of a detector. Who puts a time to an answer takes it off.
    fn lag_ms(&self) -> u64 {
        0
    }
    /// Waits until all that was pushed has been heard. For measurements, where frames come faster than in a call and what
    /// is computed on other threads would be late; never on the speech thread.
    fn settle(&mut self) {}
    /// The engine that serves; none: it is the one that opened the detector.
    fn engine(&self) -> Option<&str> {
        None
    }
}

/// Makes turn detectors, one per call: models that hear from the voice whether a turn is complete.
pub trait TurnDetection: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// A detector with a fresh state.
    fn open(&self, wake: Wake) -> Result<Box<dyn TurnDetector>, EngineError>;
}

/// One call's turn detector. Asked in pauses only; it computes elsewhere and never blocks.
pub trait TurnDetector: Send {
    /// Keeps a frame of the caller.
    fn push(&mut self, frame: &AudioFrame);
    /// The caller paused; the last sample of speech was just before `last`. A question still open is dropped.
    fn ask(&mut self, last: MediaTime);
    /// The answer to the latest question, once. An error is final: the call goes on without the detector.
    fn poll(&mut self) -> Option<Result<TurnCue, EngineError>>;
}

/// Makes detectors of emotion, one per call.
pub trait EmotionDetection: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// A detector that knows nothing of its caller yet.
    fn open(&self) -> Box<dyn EmotionDetector>;
}

/// Hears how one caller sounds. Runs on the speech thread: at most 1 ms a frame.
pub trait EmotionDetector: Send {
    /// Takes a frame of an utterance, pauses within it included. Says something about every half second of speech.
    fn push(&mut self, frame: &AudioFrame) -> Option<Emotion>;
    /// The caller paused, and what was pushed until `now` may be all: what is to be said of it. None: too little of it was
    /// speech. Pushing may go on.
    fn pause(&mut self, now: MediaTime) -> Option<Emotion>;
    /// The utterance is over; what is pushed from now on is the next one. With `usual` its voice becomes a part of the caller's
    /// usual one; without it nothing is learned: it was somebody else, or the caller out of temper.
    fn finish(&mut self, usual: bool);
}

/// Makes recogniser streams, one per call.
pub trait Recognizer: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// Compiles what a flow will expect, before a call needs it. Returns the words that the engine cannot hear.
    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError>;
    /// A stream with a fresh state.
    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError>;
    /// The engine for this call alone, where it keeps a connection for each call; none: one serves all.
    fn for_call(&self, _call: CallId) -> Option<Arc<dyn Recognizer>> {
        None
    }
}

/// One call's recogniser.
///
/// An utterance begins with the first frame after [`finish`](Self::finish) (or after opening) and may span pauses: `flush`
/// asks for the best final answer *now*, and pushing may go on after it when the caller does.
pub trait RecognizerStream: Send {
    /// What may be said from the next utterance on; within one, at the engine's discretion.
    fn expect(&mut self, what: &Arc<Expectation>);
    /// Enqueues a frame. When the queue is full the oldest is dropped and later hypotheses are flagged as degraded.
    fn push(&mut self, frame: &AudioFrame);
    /// The caller may have finished: a [`Final`](super::HypothesisKind::Final) of all that was pushed follows soon.
    fn flush(&mut self);
    /// The utterance is over: what is pushed from now on is the next one.
    fn finish(&mut self);
    /// The next hypothesis, if there is one. An error is final: the stream is dead.
    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>>;
    /// The engine that serves now; none: it is the one that opened the stream. A fallback chain has a different answer over
    /// time, so ask when a hypothesis arrives.
    fn engine(&self) -> Option<&str> {
        None
    }
    /// The engine that serves now computes elsewhere: how long it takes says nothing of how busy this machine is.
    fn is_remote(&self) -> bool {
        false
    }
}

/// What to say and how.
#[derive(Clone, PartialEq, Debug)]
pub struct SpeechRequest {
    /// Plain text, one sentence or a few.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// The engine's name of a voice; none is the engine's default.
    pub voice: Option<String>,
}

/// Speaks.
pub trait Synthesizer: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// Starts to synthesise. Dropping the stream cancels.
    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError>;
    /// Whether it has the language and the voice of a line. Renders nothing, asks no server.
    ///
    /// # Errors
    /// As [`speak`](Self::speak) has them: [`EngineError::Language`], and [`EngineError::Unavailable`] for a voice.
    fn has_voice(&self, _what: &SpeechRequest) -> Result<(), EngineError> {
        Ok(())
    }
    /// Renders a fixed line ahead of time where the engine keeps lines ready; may take as long as it takes.
    fn prepare(&self, _what: &SpeechRequest) -> Result<(), EngineError> {
        Ok(())
    }
    /// The engine for this call alone, where it keeps a connection for each call; none: one serves all.
    fn for_call(&self, _call: CallId) -> Option<Arc<dyn Synthesizer>> {
        None
    }
}

/// What a synthesis stream has to give.
#[derive(Clone, Debug)]
pub enum Synthesis {
    /// Nothing yet: the wake will be called.
    Pending,
    /// The next 20 ms. The last one is padded with silence.
    Frame(Box<Samples>),
    /// All was given.
    Done,
    /// It broke; frames given before remain valid.
    Failed(EngineError),
}

/// One line being synthesised.
pub trait SynthesisStream: Send {
    /// The next piece.
    fn poll(&mut self) -> Synthesis;
    /// Length of the whole line in samples at 16 kHz, once known.
    fn total_samples(&self) -> Option<u64>;
    /// How many bytes of the request's text the frames given so far speak in full, always at a sentence's end: from there
    /// another engine can go on if this one breaks. 0 until the first sentence was given, and for engines that cannot tell.
    fn spoken(&self) -> usize {
        0
    }
    /// The engine that gives the frames; none: it is the one that started the line. A fallback chain has a different answer
    /// over time, so ask when a frame arrives.
    fn engine(&self) -> Option<&str> {
        None
    }
    /// Another engine should have spoken this line and is down: it may be made better later.
    fn is_makeshift(&self) -> bool {
        false
    }
}

/// Who wrote a message of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The task.
    System,
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ChatMessage {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Something that a language model may ask to be done.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: serde_json::Value,
}

/// What a language model is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct ChatRequest {
    /// The conversation so far, the task first.
    pub messages: Vec<ChatMessage>,
    /// The answer that the flow has ready; the `template` engine gives just that.
    pub template: String,
    /// Bound on the length of the answer.
    pub max_tokens: u32,
    /// What the model may ask to be done. Engines that cannot offer tools leave them out.
    pub tools: Vec<Tool>,
}

/// Phrases and answers.
pub trait LanguageModel: Send + Sync {
    /// Name as in the configuration.
    fn name(&self) -> &str;
    /// Asks. Dropping the stream cancels the request.
    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError>;
    /// The engine for this call alone, where it keeps a connection for each call; none: one serves all.
    fn for_call(&self, _call: CallId) -> Option<Arc<dyn LanguageModel>> {
        None
    }
}

/// What a reply stream has to give.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The next piece of text.
    Delta(String),
    /// The model asks for something to be done. Whether it is done is for the agent to decide: the model may have been talked
    /// into it.
    ToolCall {
        /// The model's name for this call.
        id: String,
        /// Name of the tool, as the model gives it: it need not be one that was offered.
        name: String,
        /// The arguments: always an object, not checked against the schema.
        arguments: serde_json::Value,
    },
    /// All was given.
    Done,
    /// It broke; the text says how.
    Failed(String),
}

/// One answer being written.
pub trait ReplyStream: Send {
    /// The next piece; none: the wake will be called.
    fn poll(&mut self) -> Option<Reply>;
    /// The engine that answers; none: it is the one that was asked. A fallback chain has a different answer over time, so
    /// ask when a delta arrives.
    fn engine(&self) -> Option<&str> {
        None
    }
}
