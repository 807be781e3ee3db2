//! Engine `openai`: any server that speaks the OpenAI protocol of streamed chat completions, near or far.
//!
//! Prompts and answers are never logged. A request that failed is never sent again from here: the next engine of the chain is
//! asked instead.

use super::channel::{self, Sender};
use super::sse;
use crate::pii::Secret;
use crate::speech::{ChatRequest, EngineError, LanguageModel, ReplyStream, Wake};
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

const NAME: &str = "openai";
/// Most bytes of one answer on the wire, framing included: a server that never ends is left.
const MAX_BYTES: usize = 1 << 20;
/// Most bytes that are read of the body of a refusal.
const MAX_REFUSAL: usize = 4096;
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
            connect_timeout_ms: 1_000,
            first_token_timeout_ms: 3_000,
            stall_timeout_ms: 3_000,
            total_timeout_ms: 20_000,
        }
    }
}

/// The engine.
pub struct OpenAi {
    client: Client,
    url: Url,
    key: Option<Secret>,
    config: Config,
    runtime: Handle,
}

impl OpenAi {
    /// Makes the client; nothing is sent. Requests will run on `runtime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the key that is missing or wrong in the settings.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, EngineError> {
        if config.model.is_empty() {
            return Err(unavailable("engine.openai.model is not set; name a model of the server".to_owned()));
        }
        let wrong = |what: &dyn std::fmt::Display| {
            unavailable(format!(
                "engine.openai.base_url = '{}': {what}; expected is http://HOST:PORT/v1",
                config.base_url
            ))
        };
        let text = format!("{}/chat/completions", config.base_url.trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|e| wrong(&e))?;
        let (true, Some(host)) = (matches!(url.scheme(), "http" | "https"), url.host_str()) else {
            return Err(wrong(&"is no http or https address"));
        };
        let near = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let key = config.key()?;
        if key.is_some() && url.scheme() == "http" && !near {
            tracing::warn!(engine = NAME, host, "the API key is sent in clear text; use https");
        }
        Ok(Self { client: client(config, &url, near)?, url, key, config: config.clone(), runtime: runtime.clone() })
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
        let request = self
            .client
            .post(self.url.clone())
            .header(header::ACCEPT, "text/event-stream, application/json")
            .json(&body);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}

impl Config {
    fn key(&self) -> Result<Option<Secret>, EngineError> {
        match (&self.api_key, &self.api_key_env) {
            (Some(key), _) => Ok(Some(key.clone()).filter(|key| !key.is_empty())),
            (None, None) => Ok(None),
            (None, Some(variable)) => match std::env::var(variable) {
                Ok(key) if !key.trim().is_empty() => Ok(Some(Secret::new(key.trim()))),
                _ => Err(unavailable(format!(
                    "the environment variable {variable} of engine.openai.api_key_env is not set"
                ))),
            },
        }
    }
}

impl LanguageModel for OpenAi {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        let request = self.request(what);
        let limits = Limits::of(&self.config);
        let at = self.config.base_url.clone();
        let answer = channel::spawn(&self.runtime, NAME, wake, |sender| async move {
            let total = limits.total;
            match timeout(total, answer(request, limits, &at, sender)).await {
                Ok(end) => end,
                Err(_) => Err(format!("{at}: the answer took longer than {} ms", total.as_millis())),
            }
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
async fn answer(request: RequestBuilder, limits: Limits, at: &str, sender: Sender) -> Result<(), String> {
    let by = Instant::now() + limits.first;
    let early = async {
        let response = request.send().await.map_err(|e| transport(&e))?;
        let status = response.status();
        match status.is_success() {
            true => Ok(response),
            false => Err(refused(status, response).await),
        }
    };
    let response = in_time(by, limits.first, early).await.map_err(|what| format!("{at}: {what}"))?;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let spoken = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => whole(response, by, limits, &sender).await,
        "text/event-stream" | "text/plain" | "" => stream(response, by, limits, &sender).await,
        other => Err(format!("the server answered with {other}, not with a stream of events; is the path right?")),
    };
    match spoken {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{at}: the server gave an empty answer")),
        Err(what) => Err(format!("{at}: {what}")),
    }
}

/// Reads an answer that comes in one piece. Whether it held words.
async fn whole(response: Response, by: Instant, limits: Limits, sender: &Sender) -> Result<bool, String> {
    let body = in_time(by, limits.first, async {
        let mut chunks = std::pin::pin!(bounded(response));
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(chunk.map_err(|e| e.to_string())?.as_ref());
        }
        Ok(body)
    });
    let text = sse::whole(&body.await?)?;
    let spoken = !text.is_empty();
    sender.delta(text).await;
    Ok(spoken)
}

/// Reads a streamed answer. Whether it held words.
async fn stream(response: Response, first_by: Instant, limits: Limits, sender: &Sender) -> Result<bool, String> {
    let mut events = Box::pin(bounded(response).eventsource());
    let mut by = first_by;
    let mut spoken = false;
    loop {
        let event = match timeout_at(by, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => return Err(format!("the answer was cut off: {error}")),
            Ok(None) => return Err("the answer was cut off before its end".to_owned()),
            Err(_) if spoken => return Err(format!("the answer stalled for {} ms", limits.stall.as_millis())),
            Err(_) => return Err(nothing(limits.first)),
        };
        let part = sse::part(&event.data)?;
        if !part.text.is_empty() {
            spoken = true;
            by = Instant::now() + limits.stall;
            sender.delta(part.text).await;
        }
        if part.finished {
            // Read to the end, so that the connection can be used again; the answer does not wait for that.
            tokio::spawn(timeout(REST, async move { while let Some(Ok(_)) = events.next().await {} }));
            return Ok(spoken);
        }
    }
}

async fn in_time<T>(by: Instant, limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout_at(by, work).await.unwrap_or_else(|_| Err(nothing(limit)))
}

fn nothing(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{}", transport(.0))]
    Transport(reqwest::Error),
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// The body, as far as it is not too long.
fn bounded(response: Response) -> impl Stream<Item = Result<impl AsRef<[u8]>, Broken>> + Send {
    let mut left = MAX_BYTES;
    response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(Broken::Transport)?;
        left = left.checked_sub(chunk.len()).ok_or(Broken::TooLong)?;
        Ok(chunk)
    })
}

/// What a refusal means and what to do about it.
async fn refused(status: StatusCode, mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_REFUSAL {
            body.truncate(MAX_REFUSAL);
            break;
        }
    }
    let advice = match status.as_u16() {
        300..=399 => "it redirects; put the new address into engine.openai.base_url",
        401 | 403 => "check engine.openai.api_key_env",
        404 => "check engine.openai.base_url and model",
        429 => "its limit of requests or the quota is reached",
        500..=599 => "the server is in trouble",
        _ => "the server does not take the request",
    };
    match sse::refusal(&body) {
        words if words.is_empty() => format!("{status}: {advice}"),
        words => format!("{status}: {advice} (\"{words}\")"),
    }
}

/// An error of the transport, with its cause and without the address, which may hold a password.
fn transport(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error {
        e if e.is_connect() && e.is_timeout() => "cannot connect: no answer".to_owned(),
        e if e.is_connect() => format!("cannot connect: {cause}"),
        e if e.is_timeout() => "timed out".to_owned(),
        _ => format!("the connection broke: {cause}"),
    }
}

fn client(config: &Config, url: &Url, near: bool) -> Result<Client, EngineError> {
    // Another part of the process may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        // The key and the conversation go to the address that was configured and to no other.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tipring/", env!("CARGO_PKG_VERSION")));
    if near {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // No certificates are needed, so that a system without any will do.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|e| {
        let mut cause: &dyn std::error::Error = &e;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        unavailable(format!("no HTTPS client: {cause}; install the package ca-certificates"))
    })
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
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
        assert_eq!(engine.url.as_str(), "http://127.0.0.1:1/v1/chat/completions");
        let message = crate::speech::ChatMessage { role: crate::speech::Role::User, content: "hi".into() };
        let asked = ChatRequest { messages: vec![message], template: "t".into(), max_tokens: 9 };
        let request = engine.request(&asked).build().unwrap();
        let body: serde_json::Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
        let expected = json!({"model": "small", "stream": true, "max_tokens": 9, "temperature": 0.5,
            "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(body, expected);
        assert_eq!(request.headers()["authorization"], "Bearer sk-123");
    }
}
