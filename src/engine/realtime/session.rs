//! The task that holds one conversation's connection.

use super::conversation::{Request, Shared};
use super::history::History;
use super::wire::{self, RATE_HZ};
use super::{NAME, Protocol, SECTION, Server};
use crate::audio::{AudioFrame, MediaTime, RateConverter, SAMPLE_RATE_HZ};
use crate::engine::asr::Transcript;
use crate::engine::remote::{Incoming, Order, Socket, error_of, excerpt};
use crate::speech::{ChatRequest, Hypothesis, HypothesisKind, Reply, Role};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long an answer that nobody wants is left alone: a sentence of it may be on its way to the voice.
const UNWANTED: Duration = Duration::from_millis(250);
/// Nothing is due.
const NEVER: Duration = Duration::from_secs(3600);

/// One conversation's connection.
pub(super) struct Session {
    server: Arc<Server>,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    utterance: Utterance,
    /// Commits of utterances before whose items the server has not named.
    strangers: usize,
    /// A pause whose utterance is over: nobody waits for its words, but when none come it is a fault.
    former: Option<Instant>,
    up: Option<RateConverter>,
    down: Option<RateConverter>,
    /// Bytes of sound that are no whole sample yet.
    odd: Option<u8>,
    history: History,
    running: Option<Running>,
    /// The question to be put when the running answer has ended.
    waiting: Option<(u64, Box<ChatRequest>)>,
    /// The last answer: its number and the server's item.
    last: Option<(u64, String)>,
}

/// What is known of the current utterance.
#[derive(Default)]
struct Utterance {
    end: MediaTime,
    /// There is sound that was not committed.
    open: bool,
    items: Vec<Item>,
    flush: Option<Instant>,
    degraded: bool,
}

/// Committed sound.
#[derive(Default)]
struct Item {
    id: String,
    text: String,
    confidence: Option<f64>,
    done: bool,
}

/// The answer that is being given.
struct Running {
    number: u64,
    id: String,
    item: String,
    tools: bool,
    began: bool,
    last_event: Instant,
    cancelled: bool,
    unwanted: Option<Instant>,
}

impl Session {
    pub fn new(server: Arc<Server>, shared: Arc<Shared>, requests: mpsc::Receiver<Request>) -> Self {
        Self {
            server,
            shared,
            requests,
            utterance: Utterance::default(),
            strangers: 0,
            former: None,
            up: RateConverter::new(SAMPLE_RATE_HZ, RATE_HZ).ok(),
            down: RateConverter::new(RATE_HZ, SAMPLE_RATE_HZ).ok(),
            odd: None,
            history: History::default(),
            running: None,
            waiting: None,
            last: None,
        }
    }

    /// Holds the connection until the call is over or it cannot be held.
    pub async fn run(mut self) {
        let ended = self.hold().await;
        let why = match ended {
            Ok(()) => "the call is over".to_owned(),
            Err(what) => format!("{}: {what}", self.server.remote.shown()),
        };
        self.shared.lock().end(&why);
    }

    async fn hold(&mut self) -> Result<(), String> {
        let config = &self.server.config;
        let mut headers: Vec<_> = self
            .server
            .remote
            .key()
            .map(|key| ("authorization", format!("Bearer {}", key.expose())))
            .into_iter()
            .collect();
        if config.protocol == Protocol::Beta {
            headers.push(("openai-beta", "realtime=v1".to_owned()));
        }
        let limit = Duration::from_millis(config.connect_timeout_ms);
        let mut socket = Socket::connect(&self.server.remote, &self.server.url, &headers, limit).await?;
        socket.text(wire::settings(&self.server.config, None)).await?;
        let shared = Arc::clone(&self.shared);
        loop {
            let due = self.due();
            tokio::select! {
                order = shared.orders.next() => match order {
                    Order::Close => {
                        socket.close().await;
                        return Ok(());
                    }
                    order => self.order(order, &mut socket).await?,
                },
                request = self.requests.recv() => match request {
                    Some(Request::Ask { number, what }) => self.ask(number, what, &mut socket).await?,
                    Some(Request::Left) => self.left(),
                    // The order to close follows.
                    None => {
                        socket.close().await;
                        return Ok(());
                    }
                },
                incoming = socket.next() => match incoming {
                    Incoming::Text(text) => self.event(&text, &mut socket).await?,
                    Incoming::Closed(why) => return Err(why),
                },
                () = sleep_until(due) => self.overdue(&mut socket).await?,
            }
        }
    }

    async fn order(&mut self, order: Order, socket: &mut Socket) -> Result<(), String> {
        match order {
            Order::Audio(frame) => self.sound(&frame, socket).await,
            Order::Lost => {
                self.utterance.degraded = true;
                Ok(())
            }
            Order::Expect(what) => socket.text(wire::settings(&self.server.config, Some(&what))).await,
            Order::Flush => {
                if !self.utterance.open {
                    if self.utterance.flush.is_none() {
                        self.answer();
                    }
                    return Ok(());
                }
                self.utterance.open = false;
                self.utterance.items.push(Item::default());
                self.utterance.flush = Some(Instant::now());
                socket.text(json!({"type": "input_audio_buffer.commit"}).to_string()).await
            }
            Order::Finish => {
                let old = std::mem::take(&mut self.utterance);
                self.utterance.end = old.end;
                self.former = old.flush.or(self.former);
                self.strangers += old.items.iter().filter(|item| item.id.is_empty()).count();
                match old.open {
                    true => socket.text(json!({"type": "input_audio_buffer.clear"}).to_string()).await,
                    false => Ok(()),
                }
            }
            Order::Close => Ok(()),
        }
    }

    async fn sound(&mut self, frame: &AudioFrame, socket: &mut Socket) -> Result<(), String> {
        self.utterance.open = true;
        self.utterance.end = frame.end();
        let mut samples = Vec::with_capacity(480);
        if let Some(rate) = &mut self.up {
            rate.push(&frame.samples, &mut samples);
        }
        socket.text(wire::append(&samples)).await
    }

    /// Gives what was heard of the utterance as a final answer.
    fn answer(&mut self) {
        self.utterance.flush = None;
        self.hear(HypothesisKind::Final);
    }

    fn hear(&self, kind: HypothesisKind) {
        let Utterance { items, end, degraded, .. } = &self.utterance;
        let words: Vec<&str> = items.iter().map(|item| item.text.trim()).filter(|text| !text.is_empty()).collect();
        let sure: Vec<f64> = items.iter().filter_map(|item| item.confidence).collect();
        let sure = (!sure.is_empty()).then(|| sure.iter().sum::<f64>() / sure.len() as f64);
        let Transcript { text, confidence } = Transcript::new(&words.join(" "), sure);
        self.shared.lock().hear(Ok(Hypothesis { kind, text, confidence, covers: *end, degraded: *degraded }));
    }

    /// Puts a question; a running answer is ended before.
    async fn ask(&mut self, number: u64, what: Box<ChatRequest>, socket: &mut Socket) -> Result<(), String> {
        if self.running.is_some() {
            self.waiting = Some((number, what));
            return self.cancel(socket).await;
        }
        self.truncate(&what, socket).await?;
        for item in self.history.missing(&what.messages) {
            socket.text(wire::item(self.server.config.protocol, &item)).await?;
        }
        self.running = Some(Running {
            number,
            id: String::new(),
            item: String::new(),
            tools: !what.tools.is_empty(),
            began: false,
            last_event: Instant::now(),
            cancelled: false,
            unwanted: None,
        });
        socket.text(wire::response(&what)).await
    }

    /// Cuts the last answer to what the caller heard of it, as the agent remembers it: that is read off the play-out.
    async fn truncate(&mut self, what: &ChatRequest, socket: &mut Socket) -> Result<(), String> {
        let Some((number, item)) = self.last.take() else { return Ok(()) };
        let remembered: Vec<&str> =
            what.messages.iter().filter(|m| m.role == Role::Assistant).map(|m| m.content.as_str()).collect();
        let cut = self.shared.lock().asked(number).and_then(|asked| {
            let heard = asked.answer.heard(&remembered);
            let whole = heard >= asked.answer.text.trim_end().len();
            (!whole && asked.answer.sounds())
                .then(|| (asked.answer.spoken_ms(heard), asked.answer.text[..heard].to_owned()))
        });
        let Some((ms, heard)) = cut else { return Ok(()) };
        self.history.add(&item, Role::Assistant, &heard);
        let order =
            json!({"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": ms});
        socket.text(order.to_string()).await
    }

    async fn cancel(&mut self, socket: &mut Socket) -> Result<(), String> {
        let Some(running) = self.running.as_mut().filter(|running| !running.cancelled) else { return Ok(()) };
        running.cancelled = true;
        if let Some(asked) = self.shared.lock().asked(running.number) {
            asked.reply(Reply::Failed("the answer was ended".to_owned()));
            asked.end_sound(Some("the answer was ended"));
        }
        let mut order = json!({"type": "response.cancel"});
        if let (false, Some(order)) = (running.id.is_empty(), order.as_object_mut()) {
            order.insert("response_id".to_owned(), json!(running.id));
        }
        socket.text(order.to_string()).await
    }

    /// Somebody has left.
    fn left(&mut self) {
        let Some(running) = &mut self.running else { return };
        let wanted = self.shared.lock().asked(running.number).is_some_and(|asked| asked.wanted());
        running.unwanted = if wanted { None } else { running.unwanted.or_else(|| Some(Instant::now())) };
    }

    async fn event(&mut self, text: &str, socket: &mut Socket) -> Result<(), String> {
        let event: Value =
            serde_json::from_str(text).map_err(|_| "the server sent an event that is no JSON".to_owned())?;
        let kind = event["type"].as_str().unwrap_or_default();
        match kind {
            "error" => return self.error(&event),
            "input_audio_buffer.committed" => {
                let id = event["item_id"].as_str().unwrap_or_default();
                self.history.add(id, Role::User, "");
                match self.strangers.checked_sub(1) {
                    Some(left) => self.strangers = left,
                    None => {
                        if let Some(item) = self.utterance.items.iter_mut().find(|item| item.id.is_empty()) {
                            item.id = id.to_owned();
                        }
                    }
                }
            }
            "conversation.item.input_audio_transcription.delta" => {
                if let Some(item) = self.item(&event) {
                    item.text.push_str(event["delta"].as_str().unwrap_or_default());
                    self.hear(HypothesisKind::Partial);
                }
            }
            "conversation.item.input_audio_transcription.completed" => {
                let text = event["transcript"].as_str().unwrap_or_default();
                self.former = None;
                self.history.add(event["item_id"].as_str().unwrap_or_default(), Role::User, text);
                let sure = wire::likelihood(&event["logprobs"]);
                if let Some(item) = self.item(&event) {
                    (item.text, item.confidence, item.done) = (text.to_owned(), sure, true);
                    if self.utterance.flush.is_some() && self.utterance.items.iter().all(|item| item.done) {
                        self.answer();
                    }
                }
            }
            "conversation.item.input_audio_transcription.failed" => {
                let what = error_of(&event).unwrap_or_else(|| "without a reason".to_owned());
                return Err(format!("the server cannot write down what was said ({what})"));
            }
            _ if kind.starts_with("response.") && self.response(kind, &event)? => {
                return self.done(&event, socket).await;
            }
            _ if !event.is_object() => return Err("the server sent an event that is no object".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn item(&mut self, event: &Value) -> Option<&mut Item> {
        let id = event["item_id"].as_str().filter(|id| !id.is_empty())?;
        self.utterance.items.iter_mut().find(|item| item.id == id)
    }

    fn error(&mut self, event: &Value) -> Result<(), String> {
        let code = event["error"]["code"].as_str().unwrap_or_default();
        match code {
            // Too little sound to be anything.
            "input_audio_buffer_commit_empty" => {
                self.utterance.items.retain(|item| !item.id.is_empty());
                if self.utterance.flush.is_some() && self.utterance.items.iter().all(|item| item.done) {
                    self.answer();
                }
                Ok(())
            }
            // It had ended already, or was shorter than we thought.
            "response_cancel_not_active" => Ok(()),
            _ if event["error"]["param"] == "audio_end_ms" => Ok(()),
            _ => Err(error_of(event).unwrap_or_else(|| "the server reports an error".to_owned())),
        }
    }

    /// An event of an answer. Whether it is its last one.
    fn response(&mut self, kind: &str, event: &Value) -> Result<bool, String> {
        let id = event["response_id"].as_str().or(event["response"]["id"].as_str()).unwrap_or_default();
        let Some(running) = &mut self.running else { return Ok(false) };
        if kind == "response.created" && running.id.is_empty() {
            running.id = id.to_owned();
        }
        if !id.is_empty() && !running.id.is_empty() && running.id != id {
            return Ok(false);
        }
        running.last_event = Instant::now();
        let mut state = self.shared.lock();
        let asked = state.asked(running.number);
        match (kind, asked) {
            ("response.output_item.added", _) if event["item"]["type"] == "message" => {
                running.item = event["item"]["id"].as_str().unwrap_or_default().to_owned();
            }
            (
                "response.output_audio_transcript.delta"
                | "response.audio_transcript.delta"
                | "response.output_text.delta"
                | "response.text.delta",
                Some(asked),
            ) => {
                let words = event["delta"].as_str().unwrap_or_default();
                running.began |= !words.is_empty();
                if !words.is_empty() && !running.cancelled {
                    asked.answer.say(words);
                    asked.reply(Reply::Delta(words.to_owned()));
                }
            }
            (
                "response.output_audio_transcript.done"
                | "response.audio_transcript.done"
                | "response.output_text.done"
                | "response.text.done",
                Some(asked),
            ) => {
                asked.answer.text_done = true;
                if !running.tools && !asked.answer.text.is_empty() {
                    asked.reply(Reply::Done);
                }
                asked.sounded();
            }
            ("response.output_audio.delta" | "response.audio.delta", Some(asked)) => {
                let samples = wire::sound(event, &mut self.odd)?;
                let mut converted = Vec::new();
                if let Some(rate) = &mut self.down {
                    rate.push(&samples, &mut converted);
                }
                asked.answer.sound(&converted);
                asked.sounded();
            }
            ("response.output_item.done", Some(asked)) if event["item"]["type"] == "function_call" => {
                let item = &event["item"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let arguments = item["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
                let arguments = arguments.filter(Value::is_object);
                let arguments = arguments.ok_or("the server called a tool with arguments that are no JSON object")?;
                asked.reply(Reply::ToolCall { id: text(&item["call_id"]), name: text(&item["name"]), arguments });
            }
            ("response.done", _) => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    async fn done(&mut self, event: &Value, socket: &mut Socket) -> Result<(), String> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let status = event["response"]["status"].as_str().unwrap_or("completed");
        let mut rest = Vec::new();
        if let Some(rate) = &mut self.down {
            rate.finish(&mut rest);
        }
        self.odd = None;
        if let Some(asked) = self.shared.lock().asked(running.number) {
            asked.answer.sound(&rest);
            asked.answer.text_done = true;
            let why = match status {
                "completed" | "incomplete" => None,
                "cancelled" => Some("the answer was ended".to_owned()),
                _ => {
                    let details = &event["response"]["status_details"];
                    Some(error_of(details).unwrap_or_else(|| format!("the answer is {}", excerpt(status))))
                }
            };
            let empty = asked.answer.text.trim().is_empty() && !asked.is_over() && !running.tools;
            match &why {
                None if empty => asked.reply(Reply::Failed("the server gave an empty answer".to_owned())),
                None => asked.reply(Reply::Done),
                Some(why) => asked.reply(Reply::Failed(why.clone())),
            }
            asked.end_sound(why.as_deref());
            if !running.item.is_empty() {
                self.history.add(&running.item, Role::Assistant, &asked.answer.text);
                self.last = Some((running.number, running.item));
            }
        }
        match self.waiting.take() {
            Some((number, what)) => self.ask(number, what, socket).await,
            None => Ok(()),
        }
    }

    /// When to look again although nothing happened.
    fn due(&self) -> Instant {
        let config = &self.server.config;
        let transcript =
            self.utterance.flush.or(self.former).map(|at| at + Duration::from_millis(config.transcript_timeout_ms));
        let running = self.running.as_ref();
        let stall = running.map(|running| running.last_event + self.patience(running));
        let unwanted = running.filter(|r| !r.cancelled).and_then(|r| r.unwanted).map(|since| since + UNWANTED);
        [transcript, stall, unwanted].into_iter().flatten().fold(Instant::now() + NEVER, Instant::min)
    }

    fn patience(&self, running: &Running) -> Duration {
        let config = &self.server.config;
        let ms = if running.began { config.stall_timeout_ms } else { config.first_token_timeout_ms };
        Duration::from_millis(ms)
    }

    async fn overdue(&mut self, socket: &mut Socket) -> Result<(), String> {
        let now = Instant::now();
        let limit = self.server.config.transcript_timeout_ms;
        if self.utterance.flush.or(self.former).is_some_and(|at| at + Duration::from_millis(limit) <= now) {
            return Err(format!("no words for what was said within {limit} ms; check {SECTION}.transcription_model"));
        }
        if let Some(running) = &self.running {
            let patience = self.patience(running);
            if running.last_event + patience <= now {
                return Err(match running.began {
                    true => format!("the answer stalled for {} ms", patience.as_millis()),
                    false => format!("no answer within {} ms", patience.as_millis()),
                });
            }
            if running.unwanted.is_some_and(|since| since + UNWANTED <= now) {
                self.left();
                if self.running.as_ref().is_some_and(|running| running.unwanted.is_some()) {
                    tracing::debug!(engine = NAME, "an answer that nobody wants is ended");
                    return self.cancel(socket).await;
                }
            }
        }
        Ok(())
    }
}
