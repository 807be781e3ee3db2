//! Engine `openai`: any server that speaks the OpenAI protocol of `/audio/transcriptions`, near or far.
//!
//! An utterance is kept until the caller pauses, and sent whole: at every flush, and for partial results, if they are wanted,
//! while the caller speaks. There is at most one request under way for what is said now; a newer one replaces it.

use super::transcript::{self, Transcript};
use crate::audio::{AudioFrame, MediaTime, SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use crate::engine::remote::{Address, Remote, bounded, in_time, refused, transport};
use crate::pii::Secret;
use crate::speech::{
    EngineError, Expectation, Hypothesis, HypothesisKind, Language, Recognizer, RecognizerStream, Wake,
};
use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, header};
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NAME: &str = "openai";
const SECTION: &str = "engine.openai_asr";
/// Most bytes of an answer.
const MAX_BYTES: usize = 1 << 20;
/// Longest prompt, in bytes: models look at some two hundred tokens.
const MAX_PROMPT: usize = 600;
/// Servers refuse sounds that are too short: silence is put behind them, in samples.
const SHORTEST: usize = 400 * SAMPLES_PER_MS as usize;

/// Settings of the engine: `[engine.openai_asr]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server is, up to and without `/audio/transcriptions`: `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The key sent as bearer token; rather name an environment variable in `api_key_env`.
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// The language sent to the server; left out, the flow's; empty, none.
    pub language: Option<String>,
    /// Send what the flow expects as a prompt.
    pub prompt: bool,
    /// What the server is asked to send.
    pub response_format: ResponseFormat,
    /// Sampling temperature; left out, the server decides.
    pub temperature: Option<f32>,
    /// Milliseconds of speech between partial results; 0: none, the server is asked in pauses only.
    pub partial_ms: u64,
    /// Longest utterance that is kept, in milliseconds. The oldest goes first, and the result is flagged as degraded.
    pub max_utterance_ms: u64,
    /// Milliseconds for the connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds from the request to the whole answer.
    pub answer_timeout_ms: u64,
}

/// What a server can be asked to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// With how sure it is. Not every model knows it.
    #[default]
    VerboseJson,
    /// The words in JSON.
    Json,
    /// The bare words.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8000/v1".to_owned(),
            model: "whisper-1".to_owned(),
            api_key: None,
            api_key_env: None,
            language: None,
            prompt: true,
            response_format: ResponseFormat::VerboseJson,
            temperature: None,
            partial_ms: 0,
            max_utterance_ms: 30_000,
            connect_timeout_ms: 700,
            answer_timeout_ms: 1_200,
        }
    }
}

/// The engine.
pub struct OpenAi {
    server: Arc<Server>,
    runtime: Handle,
}

struct Server {
    client: Client,
    remote: Remote,
    config: Config,
}

impl OpenAi {
    /// Makes the client; nothing is sent. Requests will run on `runtime`.
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
            expected: "http://HOST:PORT/v1",
        };
        let remote = address.open("/audio/transcriptions", &["http", "https"])?;
        let client = remote.client(Duration::from_millis(config.connect_timeout_ms))?;
        let server = Arc::new(Server { client, remote, config: config.clone() });
        Ok(Self { server, runtime: runtime.clone() })
    }
}

impl Recognizer for OpenAi {
    fn name(&self) -> &str {
        NAME
    }

    /// It hears every word.
    fn prepare(&self, _: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        self.server.remote.ready()?;
        let most = self.server.config.max_utterance_ms.clamp(1_000, 120_000) * SAMPLES_PER_MS;
        Ok(Box::new(Stream {
            server: Arc::clone(&self.server),
            runtime: self.runtime.clone(),
            language: language.clone(),
            expectation: None,
            inbox: Arc::new(Inbox { results: Mutex::default(), wake }),
            heard: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            end: MediaTime::ZERO,
            since_partial: 0,
            degraded: false,
            utterance: 0,
            current: None,
            former: None,
            answer: None,
            dead: false,
        }))
    }
}

impl Server {
    fn request(&self, asked: &Asked) -> Result<RequestBuilder, String> {
        let config = &self.config;
        let sound = Part::bytes(wav(&asked.samples)).file_name("utterance.wav").mime_str("audio/wav");
        let format = match config.response_format {
            ResponseFormat::VerboseJson => "verbose_json",
            ResponseFormat::Json => "json",
            ResponseFormat::Text => "text",
        };
        let mut form = Form::new()
            .text("model", config.model.clone())
            .text("response_format", format)
            .part("file", sound.map_err(|error| error.to_string())?);
        if !asked.language.is_empty() {
            form = form.text("language", asked.language.clone());
        }
        if !asked.prompt.is_empty() {
            form = form.text("prompt", asked.prompt.clone());
        }
        if let Some(temperature) = config.temperature {
            form = form.text("temperature", temperature.to_string());
        }
        Ok(self.remote.post(&self.client).multipart(form))
    }

    async fn transcribe(&self, asked: &Asked) -> Result<Transcript, String> {
        let limit = Duration::from_millis(self.config.answer_timeout_ms);
        let answer = in_time(Instant::now() + limit, limit, async {
            let response = self.request(asked)?.send().await.map_err(|e| transport(&e))?;
            let status = response.status();
            if !status.is_success() {
                return Err(refused(&self.remote, status, response).await);
            }
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let json = kind.starts_with("application/json");
            let mut chunks = std::pin::pin!(bounded(response, MAX_BYTES));
            let mut body = Vec::new();
            while let Some(chunk) = chunks.next().await {
                body.extend_from_slice(chunk.map_err(|e| e.to_string())?.as_ref());
            }
            transcript::read(&body, json)
        });
        answer.await.map_err(|what| format!("{}: {what}", self.remote.shown()))
    }
}

/// What one request asks.
struct Asked {
    kind: HypothesisKind,
    utterance: u64,
    samples: Vec<i16>,
    language: String,
    prompt: String,
    covers: MediaTime,
    degraded: bool,
}

/// Results that may wait for a call that does not look at them; the oldest goes first.
const RESULTS: usize = 64;

/// Where the tasks put what they heard, with the utterance it belongs to.
struct Inbox {
    results: Mutex<VecDeque<(u64, Result<Hypothesis, EngineError>)>>,
    wake: Wake,
}

impl Inbox {
    fn put(&self, utterance: u64, result: Result<Hypothesis, EngineError>) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.len() >= RESULTS {
            results.pop_front();
        }
        results.push_back((utterance, result));
        drop(results);
        self.wake.wake_by_ref();
    }

    fn take(&self) -> Option<(u64, Result<Hypothesis, EngineError>)> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Stream {
    server: Arc<Server>,
    runtime: Handle,
    language: Language,
    expectation: Option<Arc<Expectation>>,
    inbox: Arc<Inbox>,
    /// The utterance so far.
    heard: VecDeque<i16>,
    most: usize,
    end: MediaTime,
    /// Samples since the last partial result was asked for.
    since_partial: u64,
    degraded: bool,
    /// Number of the utterance.
    utterance: u64,
    /// The request under way.
    current: Option<(HypothesisKind, JoinHandle<()>)>,
    /// The final request of the utterance before: nobody waits for its words, but a fault of it is a fault.
    former: Option<JoinHandle<()>>,
    /// The last final answer of this utterance.
    answer: Option<Hypothesis>,
    dead: bool,
}

impl Stream {
    fn ask(&mut self, kind: HypothesisKind) {
        let config = &self.server.config;
        let language = match &config.language {
            Some(language) => language.clone(),
            // The protocol knows languages without regions.
            None => self.language.0.split('-').next().unwrap_or_default().to_owned(),
        };
        let prompt = self.expectation.as_ref().filter(|_| config.prompt).map(|what| prompt(&what.phrases));
        let asked = Asked {
            kind,
            utterance: self.utterance,
            samples: self.heard.iter().copied().collect(),
            language,
            prompt: prompt.unwrap_or_default(),
            covers: self.end,
            degraded: self.degraded,
        };
        let (server, inbox) = (Arc::clone(&self.server), Arc::clone(&self.inbox));
        let task = self.runtime.spawn(async move {
            let result = match server.transcribe(&asked).await {
                Ok(Transcript { text, confidence }) => {
                    let (kind, covers, degraded) = (asked.kind, asked.covers, asked.degraded);
                    Ok(Hypothesis { kind, text, confidence, covers, degraded })
                }
                Err(what) => Err(EngineError::Failed { engine: NAME.to_owned(), what }),
            };
            inbox.put(asked.utterance, result);
        });
        if let Some((_, older)) = self.current.replace((kind, task)) {
            older.abort();
        }
        self.since_partial = 0;
    }

    fn under_way(&self) -> bool {
        self.current.as_ref().is_some_and(|(_, task)| !task.is_finished())
    }
}

impl RecognizerStream for Stream {
    fn expect(&mut self, what: &Arc<Expectation>) {
        self.expectation = Some(Arc::clone(what));
    }

    fn push(&mut self, frame: &AudioFrame) {
        if self.dead {
            return;
        }
        self.heard.extend(frame.samples);
        let surplus = self.heard.len().saturating_sub(self.most);
        if surplus > 0 {
            self.heard.drain(..surplus);
            self.degraded = true;
        }
        self.end = frame.end();
        self.since_partial += frame.samples.len() as u64;
        let every = self.server.config.partial_ms * SAMPLES_PER_MS;
        if every > 0 && self.since_partial >= every && !self.under_way() {
            self.ask(HypothesisKind::Partial);
        }
    }

    fn flush(&mut self) {
        if self.dead {
            return;
        }
        if self.heard.is_empty() {
            let (kind, covers) = (HypothesisKind::Final, self.end);
            let nothing = Hypothesis { kind, text: String::new(), confidence: 0.0, covers, degraded: false };
            return self.inbox.put(self.utterance, Ok(nothing));
        }
        match &self.answer {
            Some(answer) if answer.covers == self.end => self.inbox.put(self.utterance, Ok(answer.clone())),
            _ => self.ask(HypothesisKind::Final),
        }
    }

    fn finish(&mut self) {
        let former = match self.current.take() {
            Some((HypothesisKind::Final, task)) => Some(task),
            Some((_, task)) => {
                task.abort();
                None
            }
            None => None,
        };
        if let Some(older) = std::mem::replace(&mut self.former, former) {
            older.abort();
        }
        self.heard.clear();
        self.answer = None;
        self.degraded = false;
        self.since_partial = 0;
        self.utterance += 1;
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        while !self.dead
            && let Some((utterance, result)) = self.inbox.take()
        {
            match result {
                Err(error) => {
                    self.dead = true;
                    return Some(Err(error));
                }
                Ok(_) if utterance != self.utterance => {}
                Ok(hypothesis) => {
                    if hypothesis.kind == HypothesisKind::Final {
                        self.answer = Some(hypothesis.clone());
                    }
                    return Some(Ok(hypothesis));
                }
            }
        }
        None
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
        let tasks = self.current.take().map(|(_, task)| task).into_iter().chain(self.former.take());
        tasks.for_each(|task| task.abort());
    }
}

/// The expected phrases as text that might have come before: models take up its words and its spelling.
fn prompt(phrases: &[String]) -> String {
    let mut prompt = String::new();
    for phrase in phrases {
        if prompt.len() + phrase.len() + 2 > MAX_PROMPT {
            break;
        }
        if !prompt.is_empty() {
            prompt.push_str(", ");
        }
        prompt.push_str(phrase);
    }
    prompt
}

/// A WAV file of 16 kHz, mono, 16 bit.
fn wav(samples: &[i16]) -> Vec<u8> {
    let length = samples.len().max(SHORTEST) * 2;
    let bytes = u32::try_from(length).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + length);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    file.extend_from_slice(&(SAMPLE_RATE_HZ * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file.resize(44 + length, 0);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_sent_is_a_wav_file() {
        let samples: Vec<i16> = (0..8000).collect();
        assert_eq!(crate::audio::wav::read_wav_from(wav(&samples).as_slice()).unwrap(), samples);
        let short = crate::audio::wav::read_wav_from(wav(&[7; 320]).as_slice()).unwrap();
        assert_eq!((short.len(), short[319], short[320]), (SHORTEST, 7, 0));
    }

    #[test]
    fn results_that_nobody_takes_are_bounded_and_the_newest_stay() {
        let inbox = Inbox { results: Mutex::default(), wake: Wake::noop().clone() };
        for utterance in 0..1000 {
            inbox.put(utterance, Err(EngineError::Overloaded { engine: NAME.to_owned() }));
        }
        let kept: Vec<u64> = std::iter::from_fn(|| inbox.take()).map(|(utterance, _)| utterance).collect();
        assert_eq!((kept.len(), kept.last()), (RESULTS, Some(&999)));
    }

    #[test]
    fn the_prompt_holds_what_fits() {
        let phrases: Vec<String> = vec!["yes".into(), "no thanks".into()];
        assert_eq!(prompt(&phrases), "yes, no thanks");
        assert!(prompt(&vec!["a phrase of many words".to_owned(); 90]).len() <= MAX_PROMPT);
        assert!(prompt(&[]).is_empty());
    }
}
