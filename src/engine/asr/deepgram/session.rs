//! The task that holds one call's connection.

use super::results::{self, Message, Segment};
use super::{Results, Server};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime, SAMPLES_PER_MS};
use crate::engine::asr::transcript::Transcript;
use crate::engine::remote::{Incoming, Order, Orders, Socket};
use crate::speech::{EngineError, Hypothesis, HypothesisKind};
use reqwest::Url;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A connection without sound is kept alive this often; the server closes it after ten seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Frames that are kept to be sent again: 10 s. The oldest go first, and later results are flagged.
const UNACKNOWLEDGED: usize = 500;
/// Connections in a row of which nothing was heard.
const ATTEMPTS: u32 = 2;
/// A settled result that leaves no more than this of the sound before a flush answers it, in samples: 60 ms.
const SLACK: u64 = 60 * SAMPLES_PER_MS;
/// A server that says nothing to `Finalize` has nothing held back only when it has heard up to so little before it, in samples:
/// 150 ms.
const NOTHING_LEFT: u64 = 150 * SAMPLES_PER_MS;

/// One call's connection and what is known of the utterance.
pub(super) struct Session {
    server: Arc<Server>,
    url: Url,
    orders: Arc<Orders>,
    results: Arc<Results>,
    /// Samples sent on this connection.
    sent: u64,
    /// The same at the last message of the server.
    sent_at_message: u64,
    last_sound: Instant,
    attempts: u32,
    /// The server has shown that it recognises.
    proven: bool,
    /// A flush whose utterance is over: nobody waits for words, but silence is a fault.
    former: Option<Instant>,
    utterance: Utterance,
}

/// What is known of the current utterance.
#[derive(Default)]
struct Utterance {
    /// Samples sent on this connection before it.
    base: u64,
    /// Time of the sample at `base`; none before its first frame.
    origin: Option<MediaTime>,
    /// Just after its last frame.
    end: MediaTime,
    /// Settled stretches in order.
    settled: Vec<(String, Option<f64>)>,
    /// What may change.
    interim: String,
    /// Samples of this connection that the server has shown to have heard.
    covered: u64,
    /// Frames that no settled stretch covers.
    unacknowledged: VecDeque<AudioFrame>,
    flush: Option<Flush>,
    /// The last final answer.
    answered: Option<Hypothesis>,
    degraded: bool,
}

/// A flush that is not answered.
#[derive(Clone, Copy)]
struct Flush {
    /// Samples sent before it.
    at: u64,
    since: Instant,
    /// The server has said something since.
    alive: bool,
}

impl Utterance {
    /// The server lives, and all but the last moment before the flush was heard.
    fn nothing_left(&self) -> bool {
        self.flush.is_some_and(|flush| flush.alive && self.covered + NOTHING_LEFT >= flush.at)
    }
}

impl Session {
    pub fn new(server: Arc<Server>, url: Url, orders: Arc<Orders>, results: Arc<Results>) -> Self {
        Self {
            server,
            url,
            orders,
            results,
            sent: 0,
            sent_at_message: 0,
            last_sound: Instant::now(),
            attempts: 0,
            proven: false,
            former: None,
            utterance: Utterance::default(),
        }
    }

    /// Holds the connection until the call is over or it cannot be held.
    pub async fn run(mut self) {
        if let Err(what) = self.hold().await
            && !self.orders.closed()
        {
            let what = format!("{}: {what}", self.server.remote.shown());
            self.results.put(Err(EngineError::Failed { engine: super::NAME.to_owned(), what }));
        }
    }

    async fn hold(&mut self) -> Result<(), String> {
        let mut socket = self.connect().await?;
        let orders = Arc::clone(&self.orders);
        loop {
            let due = self.due();
            let broken = tokio::select! {
                order = orders.next() => match order {
                    Order::Close => {
                        let _ = socket.text(r#"{"type":"CloseStream"}"#).await;
                        socket.close().await;
                        return Ok(());
                    }
                    order => self.order(order, &mut socket).await.err(),
                },
                incoming = socket.next() => match incoming {
                    Incoming::Text(text) => {
                        self.message(results::read(&text)?);
                        None
                    }
                    Incoming::Closed(why) => Some(why),
                },
                () = sleep_until(due) => self.overdue(&mut socket).await?,
            };
            if let Some(why) = broken {
                tracing::debug!(engine = super::NAME, %why, "a connection broke; it is made again");
                socket = self.connect().await.map_err(|what| format!("{why}; then {what}"))?;
            }
        }
    }

    /// Makes a connection and sends what was not acknowledged.
    async fn connect(&mut self) -> Result<Socket, String> {
        if self.attempts >= ATTEMPTS {
            return Err(format!("{ATTEMPTS} connections brought nothing"));
        }
        self.attempts += 1;
        let config = &self.server.config;
        let authorization =
            self.server.remote.key().map(|key| ("authorization", format!("{} {}", config.authorization, key.expose())));
        let limit = Duration::from_millis(config.connect_timeout_ms);
        let headers: Vec<_> = authorization.into_iter().collect();
        let mut socket = Socket::connect(&self.server.remote, &self.url, &headers, limit).await?;
        (self.sent, self.sent_at_message, self.last_sound) = (0, 0, Instant::now());
        (self.utterance.base, self.utterance.covered) = (0, 0);
        self.utterance.interim.clear();
        self.utterance.origin = self.utterance.unacknowledged.front().map(|frame| frame.at);
        let again: Vec<AudioFrame> = self.utterance.unacknowledged.iter().copied().collect();
        for frame in &again {
            self.sound(frame, &mut socket).await?;
        }
        if self.utterance.flush.take().is_some() {
            self.flush(&mut socket).await?;
        }
        Ok(socket)
    }

    async fn order(&mut self, order: Order, socket: &mut Socket) -> Result<(), String> {
        match order {
            Order::Audio(frame) => {
                let utterance = &mut self.utterance;
                utterance.origin.get_or_insert(frame.at);
                utterance.end = frame.end();
                if utterance.unacknowledged.len() >= UNACKNOWLEDGED {
                    utterance.unacknowledged.pop_front();
                    utterance.degraded = true;
                }
                utterance.unacknowledged.push_back(*frame);
                self.sound(&frame, socket).await?;
                let silent = self.sent - self.sent_at_message;
                if silent > self.server.config.silent_ms * SAMPLES_PER_MS {
                    return Err(format!("nothing was said to {} ms of speech", silent / SAMPLES_PER_MS));
                }
                Ok(())
            }
            Order::Lost => {
                self.utterance.degraded = true;
                Ok(())
            }
            Order::Flush => self.flush(socket).await,
            Order::Finish => self.finish(socket).await,
            Order::Expect(_) | Order::Close => Ok(()),
        }
    }

    async fn sound(&mut self, frame: &AudioFrame, socket: &mut Socket) -> Result<(), String> {
        self.sent += FRAME_SAMPLES as u64;
        self.last_sound = Instant::now();
        socket.binary(frame.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()).await
    }

    async fn flush(&mut self, socket: &mut Socket) -> Result<(), String> {
        let utterance = &mut self.utterance;
        if utterance.origin.is_none() && utterance.settled.is_empty() {
            self.answer();
            return Ok(());
        }
        if let Some(answered) = utterance.answered.as_ref().filter(|answered| answered.covers == utterance.end) {
            self.results.put(Ok(answered.clone()));
            return Ok(());
        }
        utterance.flush = Some(Flush { at: self.sent, since: Instant::now(), alive: false });
        socket.text(r#"{"type":"Finalize"}"#).await
    }

    async fn finish(&mut self, socket: &mut Socket) -> Result<(), String> {
        let old = std::mem::take(&mut self.utterance);
        self.utterance.base = self.sent;
        self.utterance.end = old.end;
        self.former = old.flush.filter(|flush| !flush.alive).map(|flush| flush.since).or(self.former);
        // What was said after the last flush must not run into the next utterance.
        let tail = old.origin.is_some() && old.flush.is_none() && old.answered.is_none_or(|a| a.covers != old.end);
        if tail { socket.text(r#"{"type":"Finalize"}"#).await } else { Ok(()) }
    }

    fn message(&mut self, message: Message) {
        self.proven |= matches!(message, Message::Results(_));
        if self.proven {
            self.attempts = 0;
            self.former = None;
            self.sent_at_message = self.sent;
            if let Some(flush) = &mut self.utterance.flush {
                flush.alive = true;
            }
        }
        let Message::Results(segment) = message else { return };
        let Segment { start, end, text, confidence, settled, asked_for } = segment;
        let utterance = &mut self.utterance;
        // Most of it belongs to the utterance before.
        let Some(origin) = utterance.origin.filter(|_| start.midpoint(end) >= utterance.base && end > utterance.base)
        else {
            return;
        };
        utterance.covered = utterance.covered.max(end);
        let covers = origin.plus_samples(end - utterance.base).min(utterance.end);
        if settled {
            if !text.is_empty() {
                utterance.settled.push((text, confidence));
            }
            utterance.interim.clear();
            while utterance.unacknowledged.front().is_some_and(|frame| frame.end() <= covers) {
                utterance.unacknowledged.pop_front();
            }
        } else {
            utterance.interim = text;
        }
        let whole = utterance.flush.is_some_and(|flush| settled && (asked_for || end + SLACK >= flush.at));
        if whole {
            return self.answer();
        }
        let kind = if settled { HypothesisKind::Stable } else { HypothesisKind::Partial };
        let hypothesis = self.hypothesis(kind, covers, (!settled).then_some(confidence).flatten());
        if !hypothesis.text.is_empty() {
            self.results.put(Ok(hypothesis));
        }
    }

    /// Answers a flush with what there is.
    fn answer(&mut self) {
        self.utterance.flush = None;
        let answer = self.hypothesis(HypothesisKind::Final, self.utterance.end, None);
        self.utterance.answered = Some(answer.clone());
        self.results.put(Ok(answer));
    }

    fn hypothesis(&self, kind: HypothesisKind, covers: MediaTime, interim: Option<f64>) -> Hypothesis {
        let Utterance { settled, interim: last, degraded, .. } = &self.utterance;
        let parts = settled.iter().map(|(text, sure)| (text.as_str(), *sure)).chain([(last.as_str(), interim)]);
        let (mut text, mut weighed) = (String::new(), (0.0, 0.0));
        for (part, sure) in parts.filter(|(part, _)| !part.is_empty()) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part);
            if let Some(sure) = sure {
                weighed = (weighed.0 + sure * part.len() as f64, weighed.1 + part.len() as f64);
            }
        }
        let Transcript { text, confidence } = Transcript::new(&text, (weighed.1 > 0.0).then(|| weighed.0 / weighed.1));
        Hypothesis { kind, text, confidence, covers, degraded: *degraded }
    }

    /// When to look again although nothing happened.
    fn due(&self) -> Instant {
        let config = &self.server.config;
        let settle = Duration::from_millis(config.settle_ms);
        let answer = Duration::from_millis(config.answer_timeout_ms);
        let keep_alive = self.last_sound + KEEP_ALIVE;
        let heard = self.utterance.nothing_left();
        let flush = self.utterance.flush.map(|flush| flush.since + if heard { settle } else { answer });
        let former = self.former.map(|since| since + answer);
        [flush, former].into_iter().flatten().fold(keep_alive, Instant::min)
    }

    /// What is due now. The words of a connection that broke, or the error that ends it all.
    async fn overdue(&mut self, socket: &mut Socket) -> Result<Option<String>, String> {
        let config = &self.server.config;
        let (settle, answer) =
            (Duration::from_millis(config.settle_ms), Duration::from_millis(config.answer_timeout_ms));
        let now = Instant::now();
        let heard = self.utterance.nothing_left();
        match self.utterance.flush {
            Some(Flush { since, .. }) if heard && since + settle <= now => self.answer(),
            Some(Flush { since, .. }) if since + answer <= now => {
                return Err(format!("nothing was said for {} ms", answer.as_millis()));
            }
            _ => {}
        }
        if self.former.is_some_and(|since| since + answer <= now) {
            return Err(format!("nothing was said for {} ms", answer.as_millis()));
        }
        if self.last_sound + KEEP_ALIVE <= now {
            self.last_sound = now;
            return Ok(socket.text(r#"{"type":"KeepAlive"}"#).await.err());
        }
        Ok(None)
    }
}
