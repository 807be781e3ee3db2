//! Engine `realtime`: speech to speech with a server that speaks the OpenAI protocol of realtime conversations, while our
//! agent keeps the floor.
//!
//! One connection for each call is all three: the recogniser (the server transcribes what is committed), the language model
//! (the transcript of its answer is streamed) and the voice of that answer. The server's own turn detection is off: the agent
//! says when the caller has finished, when an answer is wanted and with which instructions; it reads every sentence before a
//! word of it is spoken; and the synthesiser looks the sentence up in the sound that came with it. A line that is not of the
//! model's making is declined and spoken by the next synthesiser of the chain.

mod answer;
mod conversation;
mod history;
mod session;
mod wire;

use crate::engine::remote::{Address, Order, Remote};
use crate::id::CallId;
use crate::pii::Secret;
use crate::speech::{
    AnswerKind, ChatRequest, EngineError, Expectation, Language, LanguageModel, Recognizer, RecognizerStream,
    ReplyStream, SpeechRequest, SynthesisStream, Synthesizer, Wake,
};
use conversation::Conversation;
use reqwest::Url;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;

const NAME: &str = "realtime";
const SECTION: &str = "engine.realtime";

/// Settings of the engine: `[engine.realtime]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server is, up to and without `/realtime`: `wss://HOST/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The key sent as bearer token; rather name an environment variable in `api_key_env`.
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// The model's voice.
    pub voice: String,
    /// The model that writes down what the caller says.
    pub transcription_model: String,
    /// The form of the protocol.
    pub protocol: Protocol,
    /// Milliseconds for the connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds from a pause to what was said in words.
    pub transcript_timeout_ms: u64,
    /// Milliseconds from the question to the first words.
    pub first_token_timeout_ms: u64,
    /// Milliseconds between one piece of an answer and the next.
    pub stall_timeout_ms: u64,
}

/// The forms of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The released one.
    #[default]
    Ga,
    /// The one before, which many other servers speak.
    Beta,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "wss://api.openai.com/v1".to_owned(),
            model: "gpt-realtime".to_owned(),
            api_key: None,
            api_key_env: None,
            voice: "marin".to_owned(),
            transcription_model: "gpt-4o-transcribe".to_owned(),
            protocol: Protocol::Ga,
            connect_timeout_ms: 800,
            transcript_timeout_ms: 1_200,
            first_token_timeout_ms: 1_000,
            stall_timeout_ms: 900,
        }
    }
}

/// The server, with the connections of the calls.
pub struct Realtime {
    server: Arc<Server>,
    runtime: Handle,
    calls: Mutex<HashMap<CallId, Weak<Conversation>>>,
}

struct Server {
    remote: Remote,
    config: Config,
    url: Url,
}

impl Realtime {
    /// Reads the settings; nothing is sent. Connections will run on `runtime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the key that is missing or wrong in the settings.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Arc<Self>, EngineError> {
        let address = Address {
            engine: NAME,
            section: SECTION,
            base_url: &config.base_url,
            api_key: &config.api_key,
            api_key_env: &config.api_key_env,
            expected: "wss://HOST/v1",
        };
        let remote = address.open("/realtime", &["ws", "wss"])?;
        let mut url = remote.url.clone();
        url.query_pairs_mut().append_pair("model", &config.model);
        let server = Arc::new(Server { remote, config: config.clone(), url });
        Ok(Arc::new(Self { server, runtime: runtime.clone(), calls: Mutex::default() }))
    }

    /// The recogniser.
    pub fn ears(self: &Arc<Self>) -> Arc<dyn Recognizer> {
        Arc::new(Facet { realtime: Arc::clone(self), conversation: None })
    }

    /// The language model.
    pub fn mind(self: &Arc<Self>) -> Arc<dyn LanguageModel> {
        Arc::new(Facet { realtime: Arc::clone(self), conversation: None })
    }

    /// The voice.
    pub fn voice(self: &Arc<Self>) -> Arc<dyn Synthesizer> {
        Arc::new(Facet { realtime: Arc::clone(self), conversation: None })
    }

    /// The call's conversation; its connection is opened with the first facet.
    fn of_call(self: &Arc<Self>, call: CallId) -> Facet {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let conversation = calls.get(&call).and_then(Weak::upgrade).unwrap_or_else(|| {
            calls.retain(|_, conversation| conversation.strong_count() > 0);
            let conversation = Conversation::start(&self.server, &self.runtime);
            calls.insert(call, Arc::downgrade(&conversation));
            conversation
        });
        Facet { realtime: Arc::clone(self), conversation: Some(conversation) }
    }
}

/// One side of a conversation: that of a call, or one of its own for each use.
struct Facet {
    realtime: Arc<Realtime>,
    conversation: Option<Arc<Conversation>>,
}

impl Facet {
    fn conversation(&self) -> Result<Arc<Conversation>, EngineError> {
        match &self.conversation {
            Some(conversation) => Ok(Arc::clone(conversation)),
            None => {
                self.realtime.server.remote.ready()?;
                Ok(Conversation::start(&self.realtime.server, &self.realtime.runtime))
            }
        }
    }
}

impl Recognizer for Facet {
    fn name(&self) -> &str {
        NAME
    }

    /// It hears every word.
    fn prepare(&self, _: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        let conversation = self.conversation()?;
        let (kind, phrases) = (AnswerKind::Open, Vec::new());
        conversation.order(Order::Expect(Arc::new(Expectation { language: language.clone(), kind, phrases })));
        Ok(Box::new(conversation.listen(wake)?))
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn Recognizer>> {
        Some(Arc::new(self.realtime.of_call(call)))
    }
}

impl LanguageModel for Facet {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        Ok(Box::new(self.conversation()?.ask(what, wake)?))
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn LanguageModel>> {
        Some(Arc::new(self.realtime.of_call(call)))
    }
}

impl Synthesizer for Facet {
    fn name(&self) -> &str {
        NAME
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let speaking = self.conversation.as_ref().and_then(|conversation| conversation.speak(&what.text, wake));
        match speaking {
            Some(speaking) => Ok(Box::new(speaking)),
            None => Err(declined()),
        }
    }

    fn has_voice(&self, _: &SpeechRequest) -> Result<(), EngineError> {
        // A flow's lines are spoken by the next engine.
        Err(declined())
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn Synthesizer>> {
        Some(Arc::new(self.realtime.of_call(call)))
    }
}

fn declined() -> EngineError {
    EngineError::Declined {
        engine: NAME.to_owned(),
        what: "speaks nothing but the answers of its own model".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_of_a_call_share_a_conversation_and_calls_do_not() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = Config { base_url: "ws://127.0.0.1:1/v1/".into(), ..Config::default() };
        let realtime = Realtime::open(&config, runtime.handle()).unwrap();
        assert_eq!(realtime.server.url.as_str(), "ws://127.0.0.1:1/v1/realtime?model=gpt-realtime");
        let (one, other) = (CallId::from_parts(1, 1), CallId::from_parts(1, 2));
        let (a, b, c) = (realtime.of_call(one), realtime.of_call(one), realtime.of_call(other));
        let of = |facet: &Facet| Arc::as_ptr(facet.conversation.as_ref().unwrap());
        assert!(of(&a) == of(&b) && of(&a) != of(&c));
        drop((a, b));
        let _d = realtime.of_call(CallId::from_parts(1, 3));
        assert_eq!(realtime.calls.lock().unwrap().len(), 2, "calls that are over are forgotten");
        let what = SpeechRequest { text: "Hello.".into(), language: Language::default(), voice: None };
        let declined = realtime.voice().speak(&what, std::task::Waker::noop().clone()).err().unwrap();
        assert!(matches!(declined, EngineError::Declined { .. }));
    }
}
