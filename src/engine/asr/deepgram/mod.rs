//! Engine `deepgram`: a server that speaks Deepgram's protocol of streamed recognition over a WebSocket.
//!
//! One connection for each call, opened with it and kept alive between utterances, so that the first words find it open. The
//! sound goes out as it comes; a pause asks for what is still held back (`Finalize`). A connection that breaks within an
//! utterance is made once more, and what was not acknowledged is sent again.

mod results;
mod session;

use crate::audio::AudioFrame;
use crate::engine::remote::{Address, Order, Orders, Remote};
use crate::pii::Secret;
use crate::speech::{EngineError, Expectation, Hypothesis, Language, Recognizer, RecognizerStream, Wake};
use reqwest::Url;
use serde::Deserialize;
use session::Session;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

const NAME: &str = "deepgram";
const SECTION: &str = "engine.deepgram";
/// Most phrases that are sent as hints; the server takes a hundred.
const MAX_HINTS: usize = 100;
/// Most results that wait to be taken: a call that takes none has ended.
const RESULTS: usize = 256;

/// Settings of the engine: `[engine.deepgram]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server is, up to and without `/listen`: `wss://HOST/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The key; rather name an environment variable in `api_key_env`.
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// The word before the key in the Authorization header.
    pub authorization: String,
    /// The language sent to the server; left out, the flow's.
    pub language: Option<String>,
    /// Silence in milliseconds after which the server settles what it heard; 0: only when asked.
    pub endpointing_ms: u64,
    /// Send the phrases of the flows as hints.
    pub hints: bool,
    /// More parameters of the request, as the server knows them.
    pub parameters: BTreeMap<String, String>,
    /// Milliseconds for the connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds from the flush for what is still held back. A server that says other things meanwhile has nothing held back.
    pub settle_ms: u64,
    /// Milliseconds from the flush after which a server that says nothing at all is taken for dead.
    pub answer_timeout_ms: u64,
    /// Milliseconds of speech to which a server says nothing before it is taken for dead.
    pub silent_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "wss://api.deepgram.com/v1".to_owned(),
            model: "nova-3".to_owned(),
            api_key: None,
            api_key_env: None,
            authorization: "Token".to_owned(),
            language: None,
            endpointing_ms: 300,
            hints: true,
            parameters: BTreeMap::new(),
            connect_timeout_ms: 800,
            settle_ms: 500,
            answer_timeout_ms: 1_000,
            silent_ms: 3_000,
        }
    }
}

/// The engine.
pub struct Deepgram {
    server: Arc<Server>,
    runtime: Handle,
    /// What flows expect, newest last.
    hints: Mutex<VecDeque<(Language, String)>>,
}

struct Server {
    remote: Remote,
    config: Config,
}

impl Deepgram {
    /// Reads the settings; nothing is sent. Connections will run on `runtime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the key that is missing or wrong in the settings.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, EngineError> {
        let address = Address {
            engine: NAME,
            section: SECTION,
            base_url: &config.base_url,
            api_key: &config.api_key,
            api_key_env: &config.api_key_env,
            expected: "wss://HOST/v1",
        };
        let remote = address.open("/listen", &["ws", "wss"])?;
        let server = Arc::new(Server { remote, config: config.clone() });
        Ok(Self { server, runtime: runtime.clone(), hints: Mutex::default() })
    }

    fn hints(&self) -> MutexGuard<'_, VecDeque<(Language, String)>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// The address of a connection for this language, with hints.
    fn url(&self, language: &Language, hints: &[String]) -> Url {
        let Config { model, language: own, endpointing_ms, parameters, .. } = &self.config;
        let mut url = self.remote.url.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("encoding", "linear16").append_pair("sample_rate", "16000").append_pair("channels", "1");
        query.append_pair("interim_results", "true").append_pair("model", model);
        query.append_pair("language", own.as_ref().unwrap_or(&language.0));
        match endpointing_ms {
            0 => query.append_pair("endpointing", "false"),
            ms => query.append_pair("endpointing", &ms.to_string()),
        };
        // Newer models take phrases, older ones words.
        let phrases = model.starts_with("nova-3") || model.starts_with("flux");
        for hint in hints {
            match phrases {
                true => query.append_pair("keyterm", hint),
                false => query.append_pair("keywords", hint),
            };
        }
        for (name, value) in parameters {
            query.append_pair(name, value);
        }
        drop(query);
        url
    }
}

impl Recognizer for Deepgram {
    fn name(&self) -> &str {
        NAME
    }

    /// It hears every word; the phrases become hints of the connections that are opened later.
    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        let mut hints = self.hints();
        for phrase in &what.phrases {
            let hint = (what.language.clone(), phrase.clone());
            if !hints.contains(&hint) {
                hints.push_back(hint);
            }
        }
        while hints.len() > 4 * MAX_HINTS {
            hints.pop_front();
        }
        Ok(Vec::new())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        self.server.remote.ready()?;
        let hints: Vec<String> = match self.server.config.hints {
            true => self.hints().iter().rev().filter(|(l, _)| l == language).map(|(_, p)| p.clone()).collect(),
            false => Vec::new(),
        };
        let phrases = self.server.config.model.starts_with("nova-3") || self.server.config.model.starts_with("flux");
        let hints: Vec<String> = match phrases {
            true => hints,
            false => hints.iter().flat_map(|phrase| phrase.split(' ')).map(str::to_owned).collect(),
        };
        let mut seen = std::collections::BTreeSet::new();
        let hints: Vec<String> = hints.into_iter().filter(|hint| seen.insert(hint.clone())).take(MAX_HINTS).collect();
        let url = self.server.url(language, &hints);
        let orders = Arc::new(Orders::default());
        let results = Arc::new(Results { queue: Mutex::default(), wake });
        let session = Session::new(Arc::clone(&self.server), url, Arc::clone(&orders), Arc::clone(&results));
        self.runtime.spawn(session.run());
        Ok(Box::new(Stream { orders, results, dead: false }))
    }
}

/// Where the task puts what was heard.
struct Results {
    queue: Mutex<VecDeque<Result<Hypothesis, EngineError>>>,
    wake: Wake,
}

impl Results {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Result<Hypothesis, EngineError>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, result: Result<Hypothesis, EngineError>) {
        let mut queue = self.queue();
        if queue.len() >= RESULTS {
            queue.pop_front();
        }
        queue.push_back(result);
        drop(queue);
        self.wake.wake_by_ref();
    }
}

struct Stream {
    orders: Arc<Orders>,
    results: Arc<Results>,
    dead: bool,
}

impl RecognizerStream for Stream {
    fn expect(&mut self, _: &Arc<Expectation>) {
        // Hints are part of the request that opens a connection: see `prepare`.
    }

    fn push(&mut self, frame: &AudioFrame) {
        if !self.dead {
            self.orders.give(Order::Audio(Box::new(*frame)));
        }
    }

    fn flush(&mut self) {
        self.orders.give(Order::Flush);
    }

    fn finish(&mut self) {
        self.orders.give(Order::Finish);
        self.results.queue().retain(Result::is_err);
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        if self.dead {
            return None;
        }
        let result = self.results.queue().pop_front()?;
        self.dead = result.is_err();
        Some(result)
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.orders.give(Order::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_what_the_server_must_know() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let engine = |model: &str| {
            let parameters = BTreeMap::from([("numerals".to_owned(), "true".to_owned())]);
            let config =
                Config { model: model.into(), parameters, base_url: "ws://[::1]:1/v1".into(), ..Config::default() };
            Deepgram::open(&config, runtime.handle()).unwrap()
        };
        let hints = ["yes please".to_owned()];
        let url = engine("nova-3").server.url(&Language("de".into()), &hints);
        assert!(
            url.as_str().starts_with("ws://[::1]:1/v1/listen?encoding=linear16&sample_rate=16000&channels=1"),
            "{url}"
        );
        for part in [
            "interim_results=true",
            "model=nova-3",
            "language=de",
            "endpointing=300",
            "keyterm=yes+please",
            "numerals=true",
        ] {
            assert!(url.query().unwrap().contains(part), "{url}");
        }
        assert!(engine("nova-2").server.url(&Language::default(), &hints).as_str().contains("keywords=yes+please"));
        let error = Deepgram::open(&Config { base_url: "https://host".into(), ..Config::default() }, runtime.handle());
        assert!(error.err().unwrap().to_string().contains("engine.deepgram.base_url"));
    }
}
