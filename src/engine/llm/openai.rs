//! Engine `openai`: any server that speaks the OpenAI protocol of streamed chat completions, near or far.
//!
//! Prompts and answers are never logged. A request that failed is never sent again from here: the next engine of the chain is
//! asked instead.

use super::channel::{self, Sender};
use super::sse;
use super::tool::ToolCalls;
use crate::engine::remote::{Address, Remote, bounded, in_time, nothing, refused, transport};
use crate::pii::Secret;
use crate::speech::{ChatRequest, EngineError, LanguageModel, ReplyStream, Wake};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder, Response, header};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

const NAME: &str = "openai";
/// Most bytes of one answer on the wire, framing included: a server that never ends is left.
const MAX_BYTES: usize = 1 << 20;
/// How long the rest of a finished answer may take, so that its connection can serve again.
const REST: Duration = Duration::from_millis(500);

/// Settings of the engine: `[engine.openai]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server is, up to and without `/chat/completions`: `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The key sent as bearer token; rather name an environment variable in `api_key_env`.
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// Sampling temperature; left out, the server decides.
    pub temperature: Option<f32>,
    /// Milliseconds for the connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds from the question to the first words.
    pub first_token_timeout_ms: u64,
    /// Milliseconds between one piece of the answer and the next.
    pub stall_timeout_ms: u64,
    /// Milliseconds from the question to the end of the answer.
    pub total_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8000/v1".to_owned(),
            model: String::new(),
            api_key: None,
            api_key_env: None,
            temperature: None,
            connect_timeout_ms: 700,
            first_token_timeout_ms: 1_000,
            stall_timeout_ms: 1_000,
            total_timeout_ms: 20_000,
        }
    }
}

/// The engine.
pub struct OpenAi {
    client: Client,
    remote: Remote,
    config: Config,
    runtime: Handle,
}

impl OpenAi {
    /// Makes the client; nothing is sent. Requests will run on `runtime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the key that is missing or wrong in the settings.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, EngineError> {
        let address = Address {
            engine: NAME,
            section: "engine.openai",
            base_url: &config.base_url,
            api_key: &config.api_key,
            api_key_env: &config.api_key_env,
            expected: "http://HOST:PORT/v1",
        };
        if config.model.is_empty() {
            return Err(address.unavailable("engine.openai.model is not set; name a model of the server".to_owned()));
        }
        let remote = address.open("/chat/completions", &["http", "https"])?;
        let client = remote.client(Duration::from_millis(config.connect_timeout_ms))?;
        Ok(Self { client, remote, config: config.clone(), runtime: runtime.clone() })
    }

    fn request(&self, what: &ChatRequest) -> RequestBuilder {
        let mut body = json!({
            "model": self.config.model,
            "stream": true,
            "messages": what.messages,
            "max_tokens": what.max_tokens,
        });
        if let (Some(temperature), Some(body)) = (self.config.temperature, body.as_object_mut()) {
            body.insert("temperature".to_owned(), json!(temperature));
        }
        if let (false, Some(body)) = (what.tools.is_empty(), body.as_object_mut()) {
            let tools = what.tools.iter().map(|tool| json!({"type": "function", "function": tool}));
            body.insert("tools".to_owned(), tools.collect());
        }
        self.remote.post(&self.client).header(header::ACCEPT, "text/event-stream, application/json").json(&body)
    }
}

impl LanguageModel for OpenAi {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        self.remote.ready()?;
        let request = self.request(what);
        let limits = Limits::of(&self.config);
        let remote = self.remote.clone();
        let answer = channel::spawn(&self.runtime, NAME, wake, |sender| async move {
            let total = limits.total;
            let end = match timeout(total, answer(request, limits, &remote, sender)).await {
                Ok(end) => end,
                Err(_) => Err(format!("the answer took longer than {} ms", total.as_millis())),
            };
            end.map_err(|what| format!("{}: {what}", remote.shown()))
        });
        Ok(Box::new(answer))
    }
}

#[derive(Clone, Copy)]
struct Limits {
    first: Duration,
    stall: Duration,
    total: Duration,
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self {
            first: Duration::from_millis(config.first_token_timeout_ms),
            stall: Duration::from_millis(config.stall_timeout_ms),
            total: Duration::from_millis(config.total_timeout_ms),
        }
    }
}

/// Asks, and gives on the answer as it comes.
async fn answer(request: RequestBuilder, limits: Limits, remote: &Remote, sender: Sender) -> Result<(), String> {
    let by = Instant::now() + limits.first;
    let early = async {
        let response = request.send().await.map_err(|e| transport(&e))?;
        let status = response.status();
        match status.is_success() {
            true => Ok(response),
            false => Err(refused(remote, status, response).await),
        }
    };
    let response = in_time(by, limits.first, early).await?;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let given = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => whole(response, by, limits, &sender).await?,
        "text/event-stream" | "text/plain" | "" => stream(response, by, limits, &sender).await?,
        other => {
            return Err(format!("the server answered with {other}, not with a stream of events; is the path right?"));
        }
    };
    given.then_some(()).ok_or_else(|| "the server gave an empty answer".to_owned())
}

/// Reads an answer that comes in one piece. Whether it held words or calls.
async fn whole(response: Response, by: Instant, limits: Limits, sender: &Sender) -> Result<bool, String> {
    let body = in_time(by, limits.first, async {
        let mut chunks = std::pin::pin!(bounded(response, MAX_BYTES));
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(chunk.map_err(|e| e.to_string())?.as_ref());
        }
        Ok(body)
    });
    let part = sse::whole(&body.await?)?;
    let mut calls = ToolCalls::default();
    calls.take(part.calls)?;
    let calls = calls.finish()?;
    let given = !part.text.is_empty() || !calls.is_empty();
    sender.delta(part.text).await;
    sender.calls(calls).await;
    Ok(given)
}

/// Reads a streamed answer. Whether it held words or calls.
async fn stream(response: Response, first_by: Instant, limits: Limits, sender: &Sender) -> Result<bool, String> {
    let mut events = Box::pin(bounded(response, MAX_BYTES).eventsource());
    let mut by = first_by;
    let mut calls = ToolCalls::default();
    let mut begun = false;
    let mut spoken = false;
    loop {
        let event = match timeout_at(by, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => return Err(format!("the answer was cut off: {error}")),
            Ok(None) => return Err("the answer was cut off before its end".to_owned()),
            Err(_) if begun => return Err(format!("the answer stalled for {} ms", limits.stall.as_millis())),
            Err(_) => return Err(nothing(limits.first)),
        };
        let part = sse::part(&event.data)?;
        if !part.text.is_empty() || !part.calls.is_empty() {
            begun = true;
            spoken |= !part.text.is_empty();
            by = Instant::now() + limits.stall;
            calls.take(part.calls)?;
            sender.delta(part.text).await;
        }
        if part.finished {
            let calls = calls.finish()?;
            let given = spoken || !calls.is_empty();
            sender.calls(calls).await;
            // Read to the end, so that the connection can be used again; the answer does not wait for that.
            tokio::spawn(timeout(REST, async move { while let Some(Ok(_)) = events.next().await {} }));
            return Ok(given);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(config: Config) -> Result<OpenAi, EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        OpenAi::open(&config, runtime.handle())
    }

    fn config(url: &str) -> Config {
        Config { base_url: url.into(), model: "small".into(), ..Config::default() }
    }

    #[test]
    fn wrong_settings_are_told_with_their_key() {
        for (config, expected) in [
            (Config::default(), "engine.openai.model"),
            (config("llm.example/v1"), "engine.openai.base_url"),
            (config("ftp://127.0.0.1/v1"), "http"),
            (
                Config { api_key_env: Some("TIPRING_TEST_NO_SUCH_KEY".into()), ..config("http://[::1]:1/v1") },
                "TIPRING_TEST_NO_SUCH_KEY",
            ),
        ] {
            let error = open(config).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_request_is_that_of_the_protocol_and_the_key_stays_secret() {
        let config =
            Config { api_key: Some("sk-123".into()), temperature: Some(0.5), ..config("http://127.0.0.1:1/v1/") };
        assert!(!format!("{config:?}").contains("sk-123"));
        let engine = open(config).unwrap();
        assert_eq!(engine.remote.url.as_str(), "http://127.0.0.1:1/v1/chat/completions");
        let message = crate::speech::ChatMessage { role: crate::speech::Role::User, content: "hi".into() };
        let asked = ChatRequest { messages: vec![message], template: "t".into(), max_tokens: 9, tools: Vec::new() };
        let request = engine.request(&asked).build().unwrap();
        let body: serde_json::Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
        let expected = json!({"model": "small", "stream": true, "max_tokens": 9, "temperature": 0.5,
            "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(body, expected);
        assert_eq!(request.headers()["authorization"], "Bearer sk-123");
    }
}
