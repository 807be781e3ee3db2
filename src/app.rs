//! Builds every part and joins them. The only place that knows all rooms.

mod facts;
mod flows;
mod languages;
mod learning;
mod voices;

pub use facts::{equip, flow};
pub use flows::{Reloaded, flows};
pub use languages::{Lacking, lacking};
pub use voices::strange_voice;

use crate::call::{self, CallEvent, CallPlan, Calls, FlowBook, LiveEvent};
use crate::engine;
use crate::id::CallId;
use crate::media::MediaServer;
use crate::metrics::Metrics;
use crate::record::{CallRecord, KeepEmotion};
use crate::server::{self, ActiveCall, Registration, Server};
use crate::settings::Settings;
use crate::store::Store;
use crate::ua::{RegistrationState, UserAgent};
use anyhow::Context;
use futures_util::future::BoxFuture;
use learning::Learning;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Calls in that may wait to be looked at; one more is refused by the user agent.
const CALLS_IN: usize = 64;
/// Records on their way to the store; an ending call waits when they are full.
const RECORDS: usize = 256;

/// The running server.
pub struct Tipring {
    ua: UserAgent,
    calls: Calls,
    store: Store,
    metrics: Metrics,
    http: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    reloader: Reloader,
    learning: Option<Learning>,
}

/// Reads the flows again, one time at a time.
#[derive(Clone)]
struct Reloader {
    book: FlowBook,
    dir: Option<PathBuf>,
    engines: call::Engines,
    running: Arc<tokio::sync::Mutex<()>>,
}

impl Reloader {
    async fn reload(&self) -> Reloaded {
        let _one = self.running.lock().await;
        let Self { book, dir, engines, .. } = self.clone();
        let done = tokio::task::spawn_blocking(move || flows::reload(&book, dir.as_deref(), &engines)).await;
        done.unwrap_or_else(|error| Reloaded { errors: vec![error.to_string()], ..Reloaded::default() })
    }
}

impl Tipring {
    /// Starts everything that the settings ask for; the HTTP API too.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::build(settings, true).await
    }

    /// Starts everything but the HTTP API: for commands that place a call and end.
    pub async fn start_without_http(settings: Settings) -> anyhow::Result<Self> {
        Self::build(settings, false).await
    }

    async fn build(mut settings: Settings, with_http: bool) -> anyhow::Result<Self> {
        if settings.engine.emotion.engine == "off" {
            settings.turn.mood.track = false;
        }
        settings.store.contours = settings.turn.mood.track && settings.calls.keep_emotion == KeepEmotion::All;
        let metrics = Metrics::new();
        let (engines, counted) = build_engines(&settings.engine).await?;
        let book = flows(settings.calls.flows_dir.as_deref())?;
        // Only what calls are held with here: the shipped flows have some thousand lines.
        let named = FlowBook::default();
        for name in std::iter::once(&settings.calls.default_flow).chain(settings.calls.routes.iter().map(|r| &r.flow)) {
            named.put(name, book.get(name).context("calls.default_flow and calls.routes name flows")?);
        }
        flows::prepare(named, &book, &engines).await;
        let reloader = Reloader {
            book: book.clone(),
            dir: settings.calls.flows_dir.clone(),
            engines: engines.clone(),
            running: Arc::default(),
        };

        let store = Store::open(&settings.store, &settings.data_dir.0, &metrics)?;
        let learning = Learning::open(&settings.telesales.learn, &store)?;
        let media = MediaServer::start(&settings.media, &metrics)?;
        let (calls_in, incoming) = mpsc::channel(CALLS_IN);
        let ua = UserAgent::start(settings.sip, calls_in).await?;
        let admission = ua.admission().clone();
        admission.set_limit(settings.calls.max_calls);
        let (records, record_receiver) = mpsc::channel(RECORDS);
        let calls = Calls::new(call::Parts {
            config: settings.calls,
            turn: settings.turn,
            ua: ua.clone(),
            media,
            engines,
            flows: book,
            metrics: metrics.clone(),
            records,
            admission,
        })
        .context("cannot start the speech threads")?;

        let stop = CancellationToken::new();
        let mut tasks = vec![
            tokio::spawn(take_calls(incoming, calls.clone())),
            tokio::spawn(keep_records(record_receiver, store.clone())),
            tokio::spawn(count_registrations(ua.clone(), metrics.clone(), stop.clone())),
            tokio::spawn(count_work(counted, metrics.clone(), stop.clone())),
        ];
        let mut http = None;
        if with_http {
            let view = Arc::new(View { calls: calls.clone(), ua: ua.clone(), reloader: reloader.clone() });
            let parts = server::Parts { view, store: store.clone(), metrics: metrics.clone() };
            let server = Server::bind(&settings.http, parts).await?;
            http = Some(server.address());
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move {
                if let Err(error) = server.run(stop).await {
                    tracing::error!(%error, "the HTTP API ended");
                }
            }));
        }
        Ok(Self { ua, calls, store, metrics, http, stop, tasks, reloader, learning })
    }

    /// Where SIP listens.
    pub fn sip_addr(&self) -> SocketAddr {
        self.ua.local_addr()
    }

    /// Where the HTTP API listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The user agent.
    pub fn ua(&self) -> &UserAgent {
        &self.ua
    }

    /// The calls.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<LiveEvent> {
        self.calls.events()
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Places a call; the receiver gets its record when it is over and durable. Where the flow has wordings to choose among and
    /// the plan has no preference, they are chosen by what was learned from the calls before, and this one teaches the next.
    pub fn place_call(
        &self,
        target: &str,
        account: Option<&str>,
        mut plan: CallPlan,
    ) -> anyhow::Result<(CallId, oneshot::Receiver<Arc<CallRecord>>)> {
        let Some(learning) = &self.learning else { return Ok(self.calls.place(target, account, plan)?) };
        let planned = learning.plan(&*self.reloader.book.get(&plan.flow)?, &mut plan);
        let (id, ended) = self.calls.place(target, account, plan)?;
        let Some(planned) = planned else { return Ok((id, ended)) };
        // The record passes by here on its way.
        let (pass_on, passed) = oneshot::channel();
        let books = learning.clone();
        learning.track(async move {
            let Ok(record) = ended.await else { return };
            books.book(planned, &record).await;
            let _ = pass_on.send(record);
        });
        Ok((id, passed))
    }

    /// Reads the flows of the folder again: calls from now on are held with the changed ones, those that are up go on with theirs.
    pub async fn reload_flows(&self) -> Reloaded {
        self.reloader.reload().await
    }

    /// Takes no new calls, waits at most `grace` for those that are up, ends the rest, unregisters, closes the store.
    pub async fn shutdown(self, grace: Duration) {
        self.ua.set_draining(true);
        self.calls.drain(grace).await;
        self.ua.shutdown().await;
        self.stop.cancel();
        if let Some(learning) = &self.learning {
            learning.close().await;
        }
        let store = self.store;
        // Ends when the last record before it is on disk.
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the store did not close");
        }
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Engines by configuration. What is missing is logged as a warning; every use of a kind without any engine is an error.
pub async fn engines(config: &engine::Config) -> anyhow::Result<call::Engines> {
    Ok(build_engines(config).await?.0)
}

/// Engines that count their work.
struct Counted {
    whisper: Option<Arc<engine::asr::Whisper>>,
    cache: Arc<engine::tts::Cache>,
}

async fn build_engines(config: &engine::Config) -> anyhow::Result<(call::Engines, Counted)> {
    let (config, handle) = (config.clone(), tokio::runtime::Handle::current());
    // Opening libraries and models takes its time.
    let built =
        tokio::task::spawn_blocking(move || (engine::Engines::build(&config, &handle), shipped_intents())).await?;
    let ((engines, warnings), intents) = (built.0?, built.1);
    for finding in warnings {
        match finding.level {
            engine::Level::Error => tracing::error!(engine = %finding.engine, "{}", finding.what),
            _ => tracing::warn!(engine = %finding.engine, "{}", finding.what),
        }
    }
    let engine::Engines { vad, turn, emotion, asr, tts, llm, cache, whisper } = engines;
    Ok((call::Engines { vad, turn, emotion, asr, tts, llm, intents }, Counted { whisper, cache }))
}

/// The classifier of what callers mean, where its model is there.
pub fn intents(_settings: &Settings) -> Option<Arc<dyn crate::nlu::ReadIntents>> {
    shipped_intents()
}

/// The shipped classifier. It is read once, whoever asks first.
fn shipped_intents() -> Option<Arc<dyn crate::nlu::ReadIntents>> {
    static INTENTS: std::sync::LazyLock<Option<Arc<dyn crate::nlu::ReadIntents>>> =
        std::sync::LazyLock::new(|| match crate::nlu::Intents::shipped() {
            Ok(intents) => Some(Arc::new(intents)),
            Err(error) => {
                tracing::warn!("callers' intents are read by phrases alone: {error}");
                None
            }
        });
    INTENTS.clone()
}

/// One voice detector by its name, without the rest.
pub fn voice_detection(
    config: &engine::Config,
    name: &str,
) -> Result<Arc<dyn crate::speech::VoiceDetection>, crate::speech::EngineError> {
    engine::voice_detection(config, name)
}

/// The language models of a configuration, without the rest. What is missing is an error where nothing else serves.
pub async fn language_model(config: &engine::Config) -> anyhow::Result<Arc<dyn crate::speech::LanguageModel>> {
    let (config, handle) = (config.clone(), tokio::runtime::Handle::current());
    let (model, findings) = tokio::task::spawn_blocking(move || engine::language_model(&config, &handle)).await??;
    for finding in findings {
        if finding.level == engine::Level::Error {
            anyhow::bail!("{}", finding.what);
        }
        tracing::warn!(engine = %finding.engine, "{}", finding.what);
    }
    Ok(model)
}

async fn take_calls(mut incoming: mpsc::Receiver<crate::ua::IncomingCall>, calls: Calls) {
    while let Some(call) = incoming.recv().await {
        calls.accept(call);
    }
}

/// Joins the calls to the store.
async fn keep_records(mut events: mpsc::Receiver<CallEvent>, store: Store) {
    while let Some(event) = events.recv().await {
        let kept = match event {
            CallEvent::Started { id, direction, began } => store.begin(id, direction, began).await,
            CallEvent::Recording { id, tap } => store.record(id, tap).await,
            CallEvent::Asked { id, exchange } => {
                if !store.log(id, exchange) {
                    tracing::warn!(call = %id, "the disk does not keep up: a question to the language model is not logged");
                }
                Ok(())
            }
            CallEvent::Ended { record, durable } => match store.finish(record).await {
                Ok(done) => {
                    // Other calls' records must not wait for this one.
                    tokio::spawn(async move {
                        let result = match done.await {
                            Ok(result) => result.map_err(|error| error.to_string()),
                            Err(_) => Err("the disk thread ended".into()),
                        };
                        let _ = durable.send(result);
                    });
                    Ok(())
                }
                Err(error) => {
                    let _ = durable.send(Err(error.to_string()));
                    Ok(())
                }
            },
        };
        if let Err(error) = kept {
            tracing::error!(%error, "the store took no notice of a call");
        }
    }
}

async fn count_registrations(ua: UserAgent, metrics: Metrics, stop: CancellationToken) {
    let mut changes = ua.watch_registrations();
    loop {
        for status in changes.borrow_and_update().iter() {
            metrics.registration(&status.account, matches!(status.state, RegistrationState::Registered { .. }));
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// Takes over what engines count, every other second.
async fn count_work(counted: Counted, metrics: Metrics, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let cache = counted.cache.stats();
        metrics.engine_work("tts_cache", "hits", cache.hits);
        metrics.engine_work("tts_cache", "misses", cache.misses);
        let Some(whisper) = counted.whisper.as_ref().map(|whisper| whisper.stats()) else { continue };
        for (outcome, total) in [
            ("answers", whisper.finals),
            ("partials", whisper.partials),
            ("skipped", whisper.skipped),
            ("stopped", whisper.aborted),
            ("refused", whisper.refused),
            ("made_up", whisper.made_up),
            ("decoders", whisper.decoders),
        ] {
            metrics.engine_work("whisper", outcome, total);
        }
    }
}

/// What the server may see.
struct View {
    calls: Calls,
    ua: UserAgent,
    reloader: Reloader,
}

impl server::View for View {
    fn active(&self) -> Vec<ActiveCall> {
        self.calls.active()
    }

    fn draining(&self) -> bool {
        self.calls.draining()
    }

    fn reload_flows(&self) -> BoxFuture<'static, server::FlowsReloaded> {
        let reloader = self.reloader.clone();
        Box::pin(async move {
            let Reloaded { changed, unchanged, errors } = reloader.reload().await;
            server::FlowsReloaded { changed, unchanged, errors }
        })
    }

    fn registrations(&self) -> Vec<Registration> {
        let registrations = self.ua.registrations();
        registrations
            .into_iter()
            .map(|status| Registration {
                registered: matches!(status.state, RegistrationState::Registered { .. }),
                status: standing(&status.state),
                account: status.account,
            })
            .collect()
    }
}

fn standing(state: &RegistrationState) -> String {
    match state {
        RegistrationState::Trying => "trying".into(),
        RegistrationState::Registered { expires_s } => format!("registered for {expires_s} s"),
        RegistrationState::Failed { why } => why.to_string(),
        RegistrationState::Stopped => "stopped".into(),
    }
}
