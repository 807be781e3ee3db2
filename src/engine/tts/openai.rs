//! Engine `openai`: any server that speaks the OpenAI protocol of `/audio/speech`, near or far.
//!
//! A line is asked for sentence by sentence and given on while it arrives, so that the first words are heard while the rest is
//! made, and another engine can go on from the right place when the server breaks.

use super::sentence::{self, Piece};
use super::sound::Sound;
use crate::audio::{FRAME_SAMPLES, Samples};
use crate::engine::remote::{Address, Remote, bounded, in_time, nothing, refused, transport};
use crate::pii::Secret;
use crate::speech::{EngineError, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder, Response, header};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

const NAME: &str = "openai";
const SECTION: &str = "engine.openai_tts";
/// Longest line, in bytes.
const MAX_LINE: usize = 4096;
/// Frames that are kept ahead of what was taken: 5 s. Beyond it the server waits.
const AHEAD: usize = 250;
/// Most bytes of one sentence: minutes of sound.
const MAX_BYTES: usize = 32 << 20;

/// Settings of the engine: `[engine.openai_tts]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server is, up to and without `/audio/speech`: `http://127.0.0.1:8880/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The voice where a flow names none.
    pub voice: String,
    /// Other voices that the server has. A flow's voice that is not among them is replaced by `voice`.
    pub voices: Vec<String>,
    /// The key sent as bearer token; rather name an environment variable in `api_key_env`.
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// What the server is asked to send.
    pub format: Format,
    /// Sample rate of `pcm`, in Hz; a WAV file says it itself.
    pub pcm_rate_hz: u32,
    /// How fast it speaks, 1.0 as usual; left out, the server decides.
    pub speed: Option<f32>,
    /// How it speaks, in words, for models that listen to that.
    pub instructions: Option<String>,
    /// Louder or softer by so many dB.
    pub gain_db: f32,
    /// Milliseconds for the connection to be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds from the request to the first sound.
    pub first_sound_timeout_ms: u64,
    /// Milliseconds between one piece of the sound and the next.
    pub stall_timeout_ms: u64,
}

/// What a server can be asked to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Raw samples: mono, 16 bit, low byte first.
    #[default]
    Pcm,
    /// A WAV file.
    Wav,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8880/v1".to_owned(),
            model: "tts-1".to_owned(),
            voice: "alloy".to_owned(),
            voices: Vec::new(),
            api_key: None,
            api_key_env: None,
            format: Format::Pcm,
            pcm_rate_hz: 24_000,
            speed: None,
            instructions: None,
            gain_db: 0.0,
            connect_timeout_ms: 700,
            first_sound_timeout_ms: 900,
            stall_timeout_ms: 800,
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
        if crate::audio::RateConverter::new(config.pcm_rate_hz, crate::audio::SAMPLE_RATE_HZ).is_err() {
            let what = format!("{SECTION}.pcm_rate_hz = {}: no voice has that; 24000 is usual", config.pcm_rate_hz);
            return Err(address.unavailable(what));
        }
        let remote = address.open("/audio/speech", &["http", "https"])?;
        let client = remote.client(Duration::from_millis(config.connect_timeout_ms))?;
        let server = Arc::new(Server { client, remote, config: config.clone() });
        Ok(Self { server, runtime: runtime.clone() })
    }
}

impl Synthesizer for OpenAi {
    fn name(&self) -> &str {
        NAME
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        self.server.voice(what).map(drop)
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let voice = self.server.voice(what)?;
        if what.text.len() > MAX_LINE {
            let what = format!("a line of {} bytes is too long; {MAX_LINE} can be spoken at a time", what.text.len());
            return Err(EngineError::Failed { engine: NAME.to_owned(), what });
        }
        self.server.remote.ready()?;
        let (items, receiver) = mpsc::channel(AHEAD);
        let total = Arc::new(AtomicU64::new(0));
        let (server, pieces, voice) = (Arc::clone(&self.server), sentence::split(&what.text), voice.clone());
        let mut out = Out { items, wake, given: 0, total: Arc::clone(&total) };
        let task = self.runtime.spawn(async move {
            let spoken = server.speak(&voice, &pieces, &mut out).await;
            let end = match spoken {
                Ok(()) => {
                    out.total.store(out.given * FRAME_SAMPLES as u64 + 1, Relaxed);
                    Item::Done
                }
                Err(what) => Item::Failed(format!("{}: {what}", server.remote.shown())),
            };
            out.send(end).await;
        });
        Ok(Box::new(Line { items: receiver, task: task.abort_handle(), total, spoken: 0, end: None }))
    }
}

impl Server {
    fn request(&self, voice: &str, text: &str) -> RequestBuilder {
        let Config { model, format, speed, instructions, .. } = &self.config;
        let format = match format {
            Format::Pcm => "pcm",
            Format::Wav => "wav",
        };
        let mut body = json!({"model": model, "voice": voice, "input": text, "response_format": format});
        if let Some(body) = body.as_object_mut() {
            body.extend(speed.map(|speed| ("speed".to_owned(), json!(speed))));
            body.extend(instructions.as_ref().map(|how| ("instructions".to_owned(), json!(how))));
        }
        self.remote.post(&self.client).header(header::ACCEPT, "audio/*").json(&body)
    }

    /// The voice for a line.
    fn voice<'a>(&'a self, what: &'a SpeechRequest) -> Result<&'a String, EngineError> {
        let Config { voice: own, voices, .. } = &self.config;
        let voice = what.voice.as_ref().unwrap_or(own);
        if voice != own && !voices.contains(voice) {
            let what = format!("the voice '{voice}' is not among {SECTION}.voices");
            return Err(EngineError::Unavailable { engine: NAME.to_owned(), what });
        }
        Ok(voice)
    }

    async fn speak(&self, voice: &str, pieces: &[Piece], out: &mut Out) -> Result<(), String> {
        for piece in pieces {
            self.sentence(voice, piece, out).await?;
            out.send(Item::Spoken(piece.end)).await;
        }
        Ok(())
    }

    /// One sentence, from the request to its last frame.
    async fn sentence(&self, voice: &str, piece: &Piece, out: &mut Out) -> Result<(), String> {
        let first = Duration::from_millis(self.config.first_sound_timeout_ms);
        let stall = Duration::from_millis(self.config.stall_timeout_ms);
        let by = Instant::now() + first;
        let response = in_time(by, first, async {
            let response = self.request(voice, &piece.text).send().await.map_err(|e| transport(&e))?;
            match response.status() {
                status if status.is_success() => sounding(response).await,
                status => Err(refused(&self.remote, status, response).await),
            }
        })
        .await?;
        let mut sound = Sound::new(self.config.pcm_rate_hz, 10f32.powf(self.config.gain_db / 20.0));
        let mut chunks = std::pin::pin!(bounded(response, MAX_BYTES));
        let mut frames = Vec::new();
        loop {
            let begun = sound.given() > 0;
            let next = if begun { Instant::now() + stall } else { by };
            let chunk = match timeout_at(next, chunks.next()).await {
                Ok(Some(chunk)) => chunk.map_err(|error| format!("the sound was cut off: {error}"))?,
                Ok(None) => break,
                Err(_) if begun => return Err(format!("the sound stalled for {} ms", stall.as_millis())),
                Err(_) => return Err(nothing(first)),
            };
            sound.push(chunk.as_ref(), &mut frames)?;
            out.frames(&mut frames).await;
        }
        sound.finish(piece.pause_ms, &mut frames)?;
        out.frames(&mut frames).await;
        Ok(())
    }
}

/// The response, if it is sound.
async fn sounding(response: Response) -> Result<Response, String> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    if kind.starts_with("text/") || matches!(kind.as_str(), "application/json" | "audio/mpeg" | "audio/ogg") {
        return Err(format!("the server answered with {kind}, not with pcm or wav; check {SECTION}.format"));
    }
    Ok(response)
}

enum Item {
    Frame(Box<Samples>),
    /// Everything up to this byte was given.
    Spoken(usize),
    Done,
    Failed(String),
}

/// The task's end of a line.
struct Out {
    items: mpsc::Sender<Item>,
    wake: Wake,
    given: u64,
    total: Arc<AtomicU64>,
}

impl Out {
    async fn frames(&mut self, frames: &mut Vec<Samples>) {
        self.given += frames.len() as u64;
        for frame in frames.drain(..) {
            if let Err(mpsc::error::TrySendError::Full(item)) = self.items.try_send(Item::Frame(Box::new(frame))) {
                self.wake.wake_by_ref();
                // An error means that the line was dropped; this task is about to be aborted.
                let _ = self.items.send(item).await;
            }
        }
        self.wake.wake_by_ref();
    }

    async fn send(&mut self, item: Item) {
        let _ = self.items.send(item).await;
        self.wake.wake_by_ref();
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // Should the runtime end before the task does, the line is looked at once more.
        self.wake.wake_by_ref();
    }
}

/// The line as it is spoken. Dropping it ends the request.
struct Line {
    items: mpsc::Receiver<Item>,
    task: AbortHandle,
    /// Samples of the whole line and one more, once known.
    total: Arc<AtomicU64>,
    spoken: usize,
    end: Option<Result<(), EngineError>>,
}

impl SynthesisStream for Line {
    fn poll(&mut self) -> Synthesis {
        loop {
            match &self.end {
                Some(Ok(())) => return Synthesis::Done,
                Some(Err(error)) => return Synthesis::Failed(error.clone()),
                None => {}
            }
            let failed = |what: String| Some(Err(EngineError::Failed { engine: NAME.to_owned(), what }));
            match self.items.try_recv() {
                Ok(Item::Frame(frame)) => return Synthesis::Frame(frame),
                Ok(Item::Spoken(end)) => self.spoken = end,
                Ok(Item::Done) => self.end = Some(Ok(())),
                Ok(Item::Failed(what)) => self.end = failed(what),
                Err(mpsc::error::TryRecvError::Empty) => return Synthesis::Pending,
                Err(mpsc::error::TryRecvError::Disconnected) => self.end = failed("the task ended early".to_owned()),
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        self.total.load(Relaxed).checked_sub(1)
    }

    fn spoken(&self) -> usize {
        self.spoken
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}
