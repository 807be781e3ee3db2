//! All calls of the process: admission, the list of those that are up, drain.

use super::config::Config;
use super::error::CallError;
use super::event::{CallEvent, LiveEvent, LiveKind};
use super::flows::FlowBook;
use super::load::Load;
use super::plan::CallPlan;
use super::speech::SpeechPool;
use crate::agent::{Agent, TurnConfig};
use crate::audio::MediaTime;
use crate::id::CallId;
use crate::media::MediaServer;
use crate::metrics::{CallDirection, Metrics};
use crate::nlu::ReadIntents;
use crate::record::{CallRecord, Direction};
use crate::speech::{EmotionDetection, LanguageModel, Recognizer, Synthesizer, TurnDetection, VoiceDetection};
use crate::ua::{Admission, IncomingCall, Permit, UserAgent};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Live events that a slow watcher may fall behind before it misses some.
const LIVE: usize = 1024;

/// The engines of a call, reached by trait. Built by `app`.
#[derive(Clone)]
pub struct Engines {
    /// Voice activity detection.
    pub vad: Arc<dyn VoiceDetection>,
    /// A turn model, where there is one.
    pub turn: Option<Arc<dyn TurnDetection>>,
    /// How the caller's voice sounds; none: it is off.
    pub emotion: Option<Arc<dyn EmotionDetection>>,
    /// Speech recognition.
    pub asr: Arc<dyn Recognizer>,
    /// Speech synthesis, with its cache of fixed lines.
    pub tts: Arc<dyn Synthesizer>,
    /// Language model.
    pub llm: Arc<dyn LanguageModel>,
    /// The classifier of what callers mean, where there is one.
    pub intents: Option<Arc<dyn ReadIntents>>,
}

/// Everything that the calls share.
pub(super) struct Shared {
    pub config: Config,
    pub turn: TurnConfig,
    pub ua: UserAgent,
    pub media: MediaServer,
    pub engines: Engines,
    pub speech: SpeechPool,
    pub flows: FlowBook,
    pub metrics: Metrics,
    pub records: mpsc::Sender<CallEvent>,
    pub live: broadcast::Sender<LiveEvent>,
    /// Cancelled when the drain time has run out.
    pub stop: CancellationToken,
    pub admission: Admission,
    load: Mutex<Load>,
    /// The door is said to be closed for that: in the log and the metrics.
    busy: AtomicBool,
    active: Mutex<BTreeMap<CallId, Arc<Mutex<ActiveCall>>>>,
}

/// A call that is up or being set up, as the API shows it. Addresses are masked.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ActiveCall {
    /// The call.
    pub id: CallId,
    /// Who placed it.
    pub direction: Direction,
    /// Masked From URI.
    pub from: String,
    /// Masked To URI.
    pub to: String,
    /// The flow.
    pub flow: String,
    /// The flow's state; empty before the answer.
    pub state: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// Milliseconds since the answer; none before it.
    pub answered_ms: Option<u64>,
}

/// Where a session keeps its line of the list up to date.
pub(super) struct StatusHandle(Arc<Mutex<ActiveCall>>);

impl StatusHandle {
    pub(super) fn update(&self, agent: &Agent, now: MediaTime) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.answered_ms = Some(now.ms());
        if line.state != agent.state_name() {
            line.state = agent.state_name().to_owned();
        }
    }
}

/// What the calls are made of.
pub struct Parts {
    /// Settings of this room.
    pub config: Config,
    /// Settings of turn-taking.
    pub turn: TurnConfig,
    /// Signalling.
    pub ua: UserAgent,
    /// Media.
    pub media: MediaServer,
    /// Engines.
    pub engines: Engines,
    /// Flows, by name.
    pub flows: FlowBook,
    /// Metrics.
    pub metrics: Metrics,
    /// Where records go.
    pub records: mpsc::Sender<CallEvent>,
    /// The counter that the user agent asks.
    pub admission: Admission,
}

/// The calls. Cheap to clone.
#[derive(Clone)]
pub struct Calls(Arc<Shared>);

impl Calls {
    /// Ready for calls. Starts the speech threads.
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        let speech = SpeechPool::start(parts.config.speech_threads)?;
        Ok(Self(Arc::new(Shared {
            load: Mutex::new(Load::new(parts.config.busy_p95_ms, parts.turn.final_within_ms())),
            busy: AtomicBool::new(false),
            config: parts.config,
            turn: parts.turn,
            ua: parts.ua,
            media: parts.media,
            engines: parts.engines,
            speech,
            flows: parts.flows,
            metrics: parts.metrics,
            records: parts.records,
            live: broadcast::channel(LIVE).0,
            stop: CancellationToken::new(),
            admission: parts.admission,
            active: Mutex::new(BTreeMap::new()),
        })))
    }

    /// Takes an incoming call; returns at once, the call lives in a task of its own.
    pub fn accept(&self, incoming: IncomingCall) {
        let shared = self.0.clone();
        tokio::spawn(super::inbound::answer(shared, incoming));
    }

    /// Places a call. Returns when it was admitted; what becomes of it comes as live events and as a record.
    pub fn place(
        &self,
        target: &str,
        account: Option<&str>,
        plan: CallPlan,
    ) -> Result<(CallId, oneshot::Receiver<Arc<CallRecord>>), CallError> {
        let admission = &self.0.admission;
        let permit = admission.enter().ok_or_else(|| match (admission.is_closed(), admission.is_busy()) {
            (true, _) => CallError::Draining,
            (false, true) => CallError::Busy,
            (false, false) => CallError::Full { max: self.0.config.max_calls },
        })?;
        let flow = self.0.flows.get(&plan.flow)?;
        let id = CallId::generate();
        let (ended, record) = oneshot::channel();
        let call = super::outbound::Outbound {
            id,
            target: target.to_owned(),
            account: account.map(str::to_owned),
            flow,
            plan,
            permit,
            ended,
        };
        tokio::spawn(super::outbound::place(self.0.clone(), call));
        Ok((id, record))
    }

    /// The calls that are up.
    pub fn active(&self) -> Vec<ActiveCall> {
        let active = self.0.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.values().map(|call| call.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<LiveEvent> {
        self.0.live.subscribe()
    }

    /// Cancel it to end every call at once.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// No new calls are taken any more.
    pub fn draining(&self) -> bool {
        self.0.admission.is_closed()
    }

    /// Takes no new calls, waits for those that are up for at most `grace`, then ends them. Every one gets its record.
    pub async fn drain(&self, grace: Duration) {
        self.0.admission.set_closed(true);
        self.0.metrics.draining();
        if tokio::time::timeout(grace, self.empty()).await.is_err() {
            self.0.stop.cancel();
            self.empty().await;
        }
    }

    async fn empty(&self) {
        while self.0.admission.inside() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Shared {
    /// Puts a call on the list.
    pub(super) fn list(&self, call: ActiveCall) -> StatusHandle {
        let id = call.id;
        let line = Arc::new(Mutex::new(call));
        self.active.lock().unwrap_or_else(PoisonError::into_inner).insert(id, line.clone());
        StatusHandle(line)
    }

    /// The call began: whoever keeps records knows of it before anything else happens.
    pub(super) async fn begin(&self, id: CallId, direction: Direction, began: OffsetDateTime) {
        self.metrics.call_begun(metrics_direction(direction));
        if self.records.send(CallEvent::Started { id, direction, began }).await.is_err() {
            tracing::error!(call = %id, "nobody keeps records");
        }
    }

    /// The call is over once its record is durable. Then it leaves the list and its place is free.
    pub(super) async fn end(&self, record: CallRecord, permit: Option<Permit>) -> Arc<CallRecord> {
        let record = Arc::new(record);
        let (durable, done) = oneshot::channel();
        let sent = self.records.send(CallEvent::Ended { record: record.clone(), durable }).await;
        let kept = match sent {
            Ok(()) => done.await.unwrap_or_else(|_| Err("the store went away".into())),
            Err(_) => Err("the store went away".into()),
        };
        if let Err(why) = kept {
            tracing::error!(call = %record.id, %why, "the record is not on disk yet");
        }
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.id);
        self.metrics.call_ended(metrics_direction(record.direction), record.end_reason.label());
        tracing::info!(call = %record.id, reason = record.end_reason.label(), duration_ms = record.duration_ms, "call ended");
        let _ = self.live.send(LiveEvent {
            call: record.id,
            instant: Instant::now(),
            kind: LiveKind::Ended(record.clone()),
        });
        drop(permit);
        self.weigh(|_, _| {});
        record
    }

    /// Something was learned of how late answers are, or a call has ended: is there room for more calls?
    pub(super) fn weigh(&self, learned: impl FnOnce(&mut Load, Instant)) {
        let now = Instant::now();
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        learned(&mut load, now);
        // Whoever is not there cannot be harmed.
        let until = if self.admission.inside() > 0 { load.busy_until(now) } else { None };
        self.admission.set_busy(until);
        let busy = until.is_some();
        if busy != self.busy.swap(busy, Ordering::Relaxed) {
            self.metrics.busy(busy);
            if busy {
                tracing::warn!("answers are late: no new calls until the machine is less busy (calls.busy_p95_ms)");
            } else {
                tracing::info!("answers are in time again: new calls are taken");
            }
        }
    }

    /// Looks again whether there is room, where there was none: calls in which nobody is answered keep nobody out.
    pub(super) fn weigh_again(&self) {
        if self.busy.load(Ordering::Relaxed) {
            self.weigh(|_, _| {});
        }
    }
}

fn metrics_direction(direction: Direction) -> CallDirection {
    match direction {
        Direction::Inbound => CallDirection::Inbound,
        Direction::Outbound => CallDirection::Outbound,
    }
}
