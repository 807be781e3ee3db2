//! Counters and histograms of the process, in the OpenMetrics text format that Prometheus scrapes.
//!
//! [`Metrics`] is a handle: cloning it is cheap and every clone counts into the same figures. Everything in
//! [`MediaMetrics`] is a plain atomic, so that a media thread may bump it; families with labels take a lock and are for the
//! other threads.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Which side placed a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallDirection {
    /// The peer called us.
    Inbound,
    /// We called the peer.
    Outbound,
}

impl EncodeLabelValue for CallDirection {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// Labels of a begun call.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Begun {
    direction: CallDirection,
}

/// Labels of an ended call.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    direction: CallDirection,
    reason: &'static str,
}

/// A stage of an answer, as the server sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// From the last sample of speech to the decision that the turn is over.
    Endpoint,
    /// From the decision to the first words of the answer.
    FirstToken,
    /// From the first words to the first frame of audio.
    FirstAudio,
    /// From the first frame of audio to the first packet.
    FirstPacket,
}

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Endpoint => "endpoint",
            Self::FirstToken => "first_token",
            Self::FirstAudio => "first_audio",
            Self::FirstPacket => "first_packet",
        })
    }
}

/// Labels of a stage.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StageLabel {
    stage: Stage,
}

/// What became of something.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Labels of an engine's failures.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EngineLabel {
    kind: &'static str,
    engine: String,
}

/// Labels of what an engine counts of its work.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct WorkLabel {
    engine: &'static str,
    outcome: &'static str,
}

/// Labels of a registration.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AccountLabel {
    account: String,
}

/// What media threads count. Plain atomics: no lock, no allocation.
#[derive(Clone, Debug, Default)]
pub struct MediaMetrics {
    /// RTP packets received and accepted.
    pub packets_received: Counter,
    /// RTP packets sent.
    pub packets_sent: Counter,
    /// RTP packets that never came.
    pub packets_lost: Counter,
    /// RTP packets that came too late to be heard.
    pub packets_late: Counter,
    /// Datagrams from a stranger, or that were not RTP.
    pub packets_rejected: Counter,
    /// Frames of caller audio that a full uplink ring could not take.
    pub uplink_overruns: Counter,
    /// Ticks of a call begun more than 5 ms after their time.
    pub ticks_late: Counter,
    /// Ticks of a call, on time or not.
    pub ticks: Counter,
    /// Media ports open.
    pub ports_open: Gauge,
}

struct Inner {
    registry: Registry,
    begun: Family<Begun, Counter>,
    ended: Family<Ended, Counter>,
    active: Gauge,
    draining: Gauge,
    busy: Gauge,
    response: Histogram,
    stages: Family<StageLabel, Histogram>,
    turns: Counter,
    barge_ins: Counter,
    ahead: Family<OutcomeLabel, Counter>,
    answers: Family<OutcomeLabel, Counter>,
    engine_failures: Family<EngineLabel, Counter>,
    engine_fallbacks: Family<EngineLabel, Counter>,
    engine_work: Family<WorkLabel, Counter>,
    registered: Family<AccountLabel, Gauge>,
    record_failures: Counter,
    media: MediaMetrics,
}

/// The figures of the process.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Bounds of the latency histograms in seconds: finest where an answer feels immediate.
const LATENCY_BOUNDS: [f64; 16] =
    [0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.5, 2.5, 5.0];

fn latency() -> Histogram {
    Histogram::new(LATENCY_BOUNDS)
}

impl Metrics {
    /// Fresh figures, all zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tipring");
        let begun = Family::<Begun, Counter>::default();
        registry.register("calls_begun", "Calls begun, by direction", begun.clone());
        let ended = Family::<Ended, Counter>::default();
        registry.register("calls_ended", "Calls ended, by direction and end reason", ended.clone());
        let active = Gauge::default();
        registry.register("calls_active", "Calls that have begun and not ended", active.clone());
        let draining = Gauge::default();
        registry.register("draining", "1 while no new calls are taken", draining.clone());
        let busy = Gauge::default();
        registry.register("busy", "1 while no new calls are taken because answers are late", busy.clone());
        let response = latency();
        registry.register_with_unit(
            "response_gap",
            "From the caller's last sample of speech to the first packet of the answer, as the server sees it",
            Unit::Seconds,
            response.clone(),
        );
        let stages = Family::<StageLabel, Histogram>::new_with_constructor(latency);
        registry.register_with_unit("response_stage", "Stages of an answer", Unit::Seconds, stages.clone());
        let turns = Counter::default();
        registry.register("caller_turns", "Turns of callers that were decided", turns.clone());
        let barge_ins = Counter::default();
        registry.register("barge_ins", "Times that a caller interrupted the agent", barge_ins.clone());
        let ahead = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "answers_ahead",
            "Answers begun before the end of a turn was certain: kept, dropped; twice: said or asked again, which must stay 0",
            ahead.clone(),
        );
        let answers = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "answers",
            "Answers to turns of callers, by whether their first line was ready when the turn was over: ready, waited",
            answers.clone(),
        );
        let engine_failures = Family::<EngineLabel, Counter>::default();
        registry.register("engine_failures", "Failures of engines", engine_failures.clone());
        let engine_fallbacks = Family::<EngineLabel, Counter>::default();
        registry.register(
            "engine_fallbacks",
            "Times that an engine was replaced by the next",
            engine_fallbacks.clone(),
        );
        let engine_work = Family::<WorkLabel, Counter>::default();
        registry.register(
            "engine_work",
            "What engines count of their work. whisper: answers, partials, skipped, stopped, refused, made_up, decoders; \
             tts_cache: hits, misses",
            engine_work.clone(),
        );
        let registered = Family::<AccountLabel, Gauge>::default();
        registry.register("registered", "1 while the account is registered with its registrar", registered.clone());
        let record_failures = Counter::default();
        registry.register(
            "record_failures",
            "Call records or recordings that could not be written",
            record_failures.clone(),
        );
        let media = MediaMetrics::default();
        let sub = registry.sub_registry_with_prefix("media");
        sub.register("packets_received", "RTP packets received and accepted", media.packets_received.clone());
        sub.register("packets_sent", "RTP packets sent", media.packets_sent.clone());
        sub.register("packets_lost", "RTP packets that never came", media.packets_lost.clone());
        sub.register("packets_late", "RTP packets that came too late to be heard", media.packets_late.clone());
        sub.register("packets_rejected", "Datagrams from strangers, or not RTP", media.packets_rejected.clone());
        sub.register("uplink_overruns", "Frames that a full uplink ring could not take", media.uplink_overruns.clone());
        sub.register("ticks_late", "Ticks begun more than 5 ms after their time", media.ticks_late.clone());
        sub.register("ticks", "Ticks of calls", media.ticks.clone());
        sub.register("ports_open", "Media ports open", media.ports_open.clone());
        Self(Arc::new(Inner {
            registry,
            begun,
            ended,
            active,
            draining,
            busy,
            response,
            stages,
            turns,
            barge_ins,
            ahead,
            answers,
            engine_failures,
            engine_fallbacks,
            engine_work,
            registered,
            record_failures,
            media,
        }))
    }

    /// An engine has counted so much since it was built; what it says may be the same again, never less.
    pub fn engine_work(&self, engine: &'static str, outcome: &'static str, total: u64) {
        let counter = self.0.engine_work.get_or_create_owned(&WorkLabel { engine, outcome });
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// What media threads count; clone it once per thread.
    pub fn media(&self) -> &MediaMetrics {
        &self.0.media
    }

    /// A call has begun.
    pub fn call_begun(&self, direction: CallDirection) {
        self.0.begun.get_or_create(&Begun { direction }).inc();
        self.0.active.inc();
    }

    /// A call that was counted by [`call_begun`](Self::call_begun) has ended; `reason` is the label of its end reason.
    pub fn call_ended(&self, direction: CallDirection, reason: &'static str) {
        self.0.ended.get_or_create(&Ended { direction, reason }).inc();
        self.0.active.dec();
    }

    /// Calls that have begun and not ended.
    pub fn calls_active(&self) -> i64 {
        self.0.active.get()
    }

    /// The process has begun to drain.
    pub fn draining(&self) {
        self.0.draining.set(1);
    }

    /// Answers are late and new calls are refused for it, or no longer.
    pub fn busy(&self, busy: bool) {
        self.0.busy.set(i64::from(busy));
    }

    /// An answer's first packet left this long after the caller's last sample of speech.
    pub fn response_gap(&self, gap: Duration) {
        self.0.response.observe(gap.as_secs_f64());
    }

    /// A stage of an answer took this long.
    pub fn response_stage(&self, stage: Stage, took: Duration) {
        self.0.stages.get_or_create(&StageLabel { stage }).observe(took.as_secs_f64());
    }

    /// A caller's turn was decided.
    pub fn caller_turn(&self) {
        self.0.turns.inc();
    }

    /// A caller interrupted the agent.
    pub fn barge_in(&self) {
        self.0.barge_ins.inc();
    }

    /// A call's answers that were begun before the end of a turn was certain: so many were said, so many thrown away. `twice`: lines
    /// and questions that came a second time, or after they were thrown away; never.
    pub fn answered_ahead(&self, kept: u64, dropped: u64, twice: u64) {
        for (outcome, count) in [("kept", kept), ("dropped", dropped), ("twice", twice)] {
            self.0.ahead.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
        }
    }

    /// A call's answers: the first line of so many was ready when the turn was over, of so many not.
    pub fn answers(&self, ready: u64, waited: u64) {
        for (outcome, count) in [("ready", ready), ("waited", waited)] {
            self.0.answers.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
        }
    }

    /// How many of all answers so far had their first line ready when the turn was over, in percent; none without answers.
    pub fn first_lines_ready_percent(&self) -> Option<f64> {
        let count = |outcome| self.0.answers.get_or_create(&OutcomeLabel { outcome }).get() as f64;
        let (ready, waited) = (count("ready"), count("waited"));
        (ready + waited > 0.0).then(|| (ready / (ready + waited) * 1000.0).round() / 10.0)
    }

    /// Lines and questions of all calls so far that came a second time, or after they were thrown away.
    pub fn came_twice(&self) -> u64 {
        self.0.ahead.get_or_create(&OutcomeLabel { outcome: "twice" }).get()
    }

    /// An engine failed. `kind` is `vad`, `asr`, `tts` or `llm`; `engine` its configured name (a bounded set).
    pub fn engine_failed(&self, kind: &'static str, engine: &str) {
        self.0.engine_failures.get_or_create(&EngineLabel { kind, engine: engine.to_owned() }).inc();
    }

    /// The engine named took over from one that failed.
    pub fn engine_fell_back(&self, kind: &'static str, engine: &str) {
        self.0.engine_fallbacks.get_or_create(&EngineLabel { kind, engine: engine.to_owned() }).inc();
    }

    /// The registration of a configured account is up or down.
    pub fn registration(&self, account: &str, up: bool) {
        self.0.registered.get_or_create(&AccountLabel { account: account.to_owned() }).set(i64::from(up));
    }

    /// A call record or recording could not be written.
    pub fn record_failed(&self) {
        self.0.record_failures.inc();
    }

    /// All figures in the OpenMetrics text format (`application/openmetrics-text; version=1.0.0`).
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail; were an encoder ever to, the scrape is cut short and lacks its `# EOF`.
        if text::encode(&mut out, &self.0.registry).is_err() {
            let _ = out.write_str("# the figures could not be encoded\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_printed() {
        let metrics = Metrics::new();
        metrics.call_begun(CallDirection::Inbound);
        metrics.call_begun(CallDirection::Outbound);
        metrics.call_ended(CallDirection::Inbound, "completed");
        metrics.response_gap(Duration::from_millis(350));
        metrics.response_stage(Stage::FirstToken, Duration::from_millis(5));
        metrics.engine_failed("asr", "pocketsphinx");
        // Read twice, and a third time when more was done.
        [5, 5, 7].iter().for_each(|total| metrics.engine_work("whisper", "refused", *total));
        metrics.registration("agent@pbx", true);
        metrics.clone().media().packets_sent.inc_by(3);
        let text = metrics.encode();
        for line in [
            "tipring_calls_begun_total{direction=\"outbound\"} 1",
            "tipring_calls_ended_total{direction=\"inbound\",reason=\"completed\"} 1",
            "tipring_calls_active 1",
            "tipring_response_gap_seconds_bucket{le=\"0.4\"} 1",
            "tipring_response_gap_seconds_bucket{le=\"0.3\"} 0",
            "tipring_response_stage_seconds_count{stage=\"first_token\"} 1",
            "tipring_engine_failures_total{kind=\"asr\",engine=\"pocketsphinx\"} 1",
            "tipring_engine_work_total{engine=\"whisper\",outcome=\"refused\"} 7",
            "tipring_registered{account=\"agent@pbx\"} 1",
            "tipring_media_packets_sent_total 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "no line '{line}' in\n{text}");
        }
    }
}
