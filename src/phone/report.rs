//! The report of one call or many: `report.json`.

use super::audible::BRIDGE;
use super::machine::Machine;
use super::measure::{STOP_SILENCE, Turn, percentile};
use crate::audio::level::AUDIBLE_DBFS;
use crate::record::{EngineNames, MoodSwitch, Speaker, TurnEmotion, TurnRecord};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of the report's schema, raised when a field changes its meaning.
pub const REPORT_VERSION: u32 = 1;

/// Silences within an utterance count as pauses from here on.
const PAUSE_MS: u64 = 200;

/// An agent turn answers a measured spurt when it began within this time of it.
const SAME_ONSET_MS: f64 = 500.0;

/// A turn as the agent under test reports it, where it runs in this process. Times count from the telephone's origin.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// Who spoke.
    pub speaker: ObservedSpeaker,
    /// The words heard of the caller, or spoken by the agent.
    pub text: String,
    /// First sample.
    pub began: Duration,
    /// Just after the last sample.
    pub ended: Duration,
    /// How it sounded; of callers, where that is looked at.
    pub emotion: Option<TurnEmotion>,
}

/// Who spoke, in [`Observed`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ObservedSpeaker {
    /// The caller, as understood.
    Caller,
    /// The agent.
    Agent {
        /// When it decided that the caller had finished.
        decided: Option<Duration>,
        /// The silence that it had to wait for, in milliseconds.
        endpoint_wait_ms: Option<u64>,
    },
}

/// What the figures mean, in the report itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Definition {
    /// Level from which 5 ms of the agent are audible, RMS in dB against full scale.
    pub audible_dbfs: f32,
    /// Silences shorter than this do not end a spurt of speech.
    pub bridge_ms: u64,
    /// The agent has stopped when it is silent for so long.
    pub stop_silence_ms: u64,
    /// How percentiles are taken.
    pub percentile: String,
    /// The gap in words.
    pub gap: String,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            audible_dbfs: AUDIBLE_DBFS,
            bridge_ms: BRIDGE.as_millis() as u64,
            stop_silence_ms: STOP_SILENCE.as_millis() as u64,
            percentile: "nearest rank".to_owned(),
            gap:
                "last speech sample of the caller sent to first audible agent sample received, both on the RTP at the \
                  telephone's socket; barge-ins and turns that were cut off give none"
                    .to_owned(),
        }
    }
}

/// What one side said, and what the agent made of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SpokenReport {
    /// Who.
    pub speaker: Speaker,
    /// The words as understood, or as far as they were heard; masked.
    pub text: String,
    /// The flow's state.
    pub state: String,
    /// Industry, scene and action as the classifier reads them; none without one.
    pub intent: Option<String>,
    /// The objection that the caller raised, or that the agent answers.
    pub objection: Option<String>,
    /// Which rebuttal the agent chose.
    pub rebuttal: Option<String>,
    /// How the caller's turn sounded, where emotion is looked at and kept.
    pub emotion: Option<TurnEmotion>,
    /// The caller showed that they want to buy.
    pub signal: bool,
    /// The offer that the agent made.
    pub offer: Option<String>,
    /// The offer that the caller accepted.
    #[serde(default)]
    pub accepted: Option<String>,
}

/// One call.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CallReport {
    /// Number of the call, from 1.
    pub call: usize,
    /// Who was called or who called.
    pub peer: String,
    /// Encoding name of what was agreed on, for instance `PCMU`; empty when the call failed before.
    pub codec: String,
    /// From the answer to the agent's first audible sample.
    pub greeting_ms: Option<f64>,
    /// The agent's words before the caller first spoke, where known.
    pub greeting_text: Option<String>,
    /// From the answer to the end.
    pub duration_ms: f64,
    /// How it ended: `we_hung_up`, `peer_hung_up`, `time_over` or `failed`.
    pub end: String,
    /// Why it failed.
    pub error: Option<String>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received, duplicates not counted.
    pub packets_received: u64,
    /// Gaps in the sequence numbers received.
    pub packets_lost: u64,
    /// How late the agent's packets came against the ideal clock of their stretch of speech, 99th percentile, in milliseconds.
    #[serde(default)]
    pub late_p99_ms: Option<f64>,
    /// How late the telephone's own packets left, the largest, in milliseconds: what the instrument itself adds.
    pub send_late_max_ms: f64,
    /// When the agent took the caller for impatient, angry and so on, and why, where it looks and tells.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub moods: Vec<MoodSwitch>,
}

/// One thing that the caller did and what came of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TurnReport {
    /// Number of the call, from 1.
    pub call: usize,
    /// Number of the turn within the call, from 1.
    pub turn: usize,
    /// What the caller said, where known.
    pub caller_text: Option<String>,
    /// Keys pressed, when it was no speech.
    pub keys: Option<String>,
    /// It took no turn: `backchannel` or `noise`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aside: Option<String>,
    /// What the agent understood, where it tells.
    pub heard_text: Option<String>,
    /// How the caller sounded to the agent, where it looks and tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub emotion: Option<TurnEmotion>,
    /// What the agent answered, where it tells, as far as it was heard.
    pub agent_text: Option<String>,
    /// The response gap.
    pub gap_ms: Option<f64>,
    /// From the annotated last speech sample to the decision that the turn was over.
    pub endpoint_ms: Option<f64>,
    /// The silence that the agent was configured to wait for in this turn.
    pub endpoint_wait_ms: Option<u64>,
    /// The gap less that silence.
    pub not_endpoint_ms: Option<f64>,
    /// The caller interrupted the agent.
    pub barge_in: bool,
    /// From the first speech sample of a barge-in to the last audible agent sample.
    pub stop_ms: Option<f64>,
    /// The agent spoke into the caller's utterance.
    pub false_cutoff: bool,
    /// The longest silence within what the caller said.
    pub longest_pause_ms: u64,
    /// No answer came.
    pub missed: bool,
    /// All of it was said before the call ended.
    pub complete: bool,
    /// When the caller's speech began, from the answer.
    pub caller_began_ms: f64,
    /// When the caller's speech ended, from the answer.
    pub caller_ended_ms: f64,
    /// When the answer was first audible, from the answer of the call.
    pub agent_began_ms: Option<f64>,
}

impl SpokenReport {
    /// What the agent's record has of a turn.
    pub fn of(turn: &TurnRecord) -> Self {
        let notes = &turn.notes;
        Self {
            speaker: turn.speaker,
            text: if turn.dtmf.is_empty() { turn.text.clone() } else { format!("[keys {}]", turn.dtmf) },
            state: turn.state.clone(),
            intent: notes.intent.clone(),
            objection: notes.objection.clone(),
            rebuttal: notes.rebuttal.clone(),
            emotion: turn.emotion.as_deref().cloned(),
            signal: notes.signal,
            offer: notes.offer.clone(),
            accepted: notes.accepted.clone(),
        }
    }
}

impl TurnReport {
    fn is_measured(&self) -> bool {
        self.gap_ms.is_some() && self.keys.is_none() && self.aside.is_none() && !self.barge_in
    }
}

/// All calls together.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Calls held.
    pub calls: usize,
    /// Calls that failed.
    pub calls_failed: usize,
    /// Spoken turns of the caller.
    pub turns: usize,
    /// Turns whose response gap counts: spoken, no barge-in, not cut off, answered.
    pub gaps: usize,
    /// The response gap, median.
    pub gap_p50_ms: Option<f64>,
    /// The response gap, 95th percentile.
    pub gap_p95_ms: Option<f64>,
    /// The response gap, 99th percentile.
    pub gap_p99_ms: Option<f64>,
    /// Turns into which the agent spoke.
    pub false_cutoffs: usize,
    /// Spoken turns with a silence of at least 200 ms within.
    pub turns_with_pause: usize,
    /// Those of `false_cutoffs` that had no such silence.
    pub false_cutoffs_without_pause: usize,
    /// Turns without an answer.
    pub missed: usize,
    /// The gap less the configured endpoint wait, median.
    pub not_endpoint_ms_p50: Option<f64>,
    /// The gap less the configured endpoint wait, 95th percentile.
    pub not_endpoint_ms_p95: Option<f64>,
    /// From the last speech sample to the endpoint decision, median.
    pub endpoint_ms_p50: Option<f64>,
    /// From the last speech sample to the endpoint decision, 95th percentile.
    pub endpoint_ms_p95: Option<f64>,
    /// Interruptions of the agent.
    pub barge_ins: usize,
    /// How soon it was silent, median.
    pub stop_p50_ms: Option<f64>,
    /// How soon it was silent, 95th percentile.
    pub stop_p95_ms: Option<f64>,
    /// The largest delay of the telephone's own packets in any call.
    pub send_late_max_ms: f64,
    /// The codecs agreed on.
    pub codecs: Vec<String>,
    /// The engines that served, where the agent tells.
    pub engines: Option<EngineNames>,
    /// The agent's recogniser was told what the caller says: nothing is proved about recognition.
    pub scripted_recogniser: bool,
}

/// What `report.json` holds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// The command that measured.
    pub command: String,
    /// What the callers said, where a bench chose it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub material: Option<String>,
    /// What the figures mean.
    pub definition: Definition,
    /// Where it was measured.
    pub machine: Machine,
    /// The calls.
    pub calls: Vec<CallReport>,
    /// The turns of all calls.
    pub turns: Vec<TurnReport>,
    /// Both sides of the conversation as the agent has it: state, intent, objection, emotion and offer of every turn. In the
    /// report of a single call whose agent runs in this process.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub conversation: Vec<SpokenReport>,
    /// The figures.
    pub summary: Summary,
}

impl Report {
    /// A report without calls.
    pub fn new(command: &str) -> Self {
        Self { version: REPORT_VERSION, command: command.to_owned(), ..Self::default() }
    }

    /// Adds a call: its number is set here. `answered` is the time of the call's answer; `observed` is empty where the agent is
    /// another process.
    pub fn add_call(&mut self, mut call: CallReport, answered: Duration, turns: &[Turn], observed: &[Observed]) {
        call.call = self.calls.len() + 1;
        let until = turns.first().map_or(Duration::MAX, |t| t.said.began);
        call.greeting_text = agent_words(observed, Duration::ZERO, until);
        for (i, turn) in turns.iter().enumerate() {
            let until = turns.get(i + 1).map_or(Duration::MAX, |next| next.said.began);
            let mut row = turn_report(turn, until, answered, turns, observed);
            row.call = call.call;
            row.turn = i + 1;
            self.turns.push(row);
        }
        self.calls.push(call);
        self.summarise();
    }

    /// Names the engines that served.
    pub fn set_engines(&mut self, engines: EngineNames) {
        self.summary.scripted_recogniser = engines.asr.iter().any(|name| name == "scripted");
        self.summary.engines = Some(engines);
    }

    fn summarise(&mut self) {
        let measured: Vec<&TurnReport> = self.turns.iter().filter(|t| t.is_measured()).collect();
        let gaps: Vec<f64> = measured.iter().filter_map(|t| t.gap_ms).collect();
        let rest: Vec<f64> = measured.iter().filter_map(|t| t.not_endpoint_ms).collect();
        let endpoints: Vec<f64> = measured.iter().filter_map(|t| t.endpoint_ms).collect();
        let of_turns = self.turns.iter().filter(|t| t.aside.is_none());
        let stops: Vec<f64> = of_turns.filter_map(|t| t.stop_ms).collect();
        let count = |what: fn(&TurnReport) -> bool| self.turns.iter().filter(|t| what(t)).count();
        let mut codecs: Vec<String> =
            self.calls.iter().map(|c| c.codec.clone()).filter(|name| !name.is_empty()).collect();
        codecs.sort();
        codecs.dedup();
        self.summary = Summary {
            calls: self.calls.len(),
            calls_failed: self.calls.iter().filter(|c| c.error.is_some()).count(),
            turns: count(|t| t.keys.is_none() && t.aside.is_none()),
            gaps: gaps.len(),
            gap_p50_ms: percentile(&gaps, 50.0),
            gap_p95_ms: percentile(&gaps, 95.0),
            gap_p99_ms: percentile(&gaps, 99.0),
            false_cutoffs: count(|t| t.false_cutoff),
            turns_with_pause: count(|t| t.aside.is_none() && t.longest_pause_ms >= PAUSE_MS),
            false_cutoffs_without_pause: count(|t| t.false_cutoff && t.longest_pause_ms < PAUSE_MS),
            missed: count(|t| t.missed),
            not_endpoint_ms_p50: percentile(&rest, 50.0),
            not_endpoint_ms_p95: percentile(&rest, 95.0),
            endpoint_ms_p50: percentile(&endpoints, 50.0),
            endpoint_ms_p95: percentile(&endpoints, 95.0),
            barge_ins: count(|t| t.barge_in && t.aside.is_none()),
            stop_p50_ms: percentile(&stops, 50.0),
            stop_p95_ms: percentile(&stops, 95.0),
            send_late_max_ms: self.calls.iter().map(|c| c.send_late_max_ms).fold(0.0, f64::max),
            codecs,
            engines: self.summary.engines.take(),
            scripted_recogniser: self.summary.scripted_recogniser,
        };
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn tenth(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

fn words<'a>(turns: impl Iterator<Item = &'a Observed>) -> Option<String> {
    let texts: Vec<&str> = turns.map(|o| o.text.trim()).filter(|text| !text.is_empty()).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

/// The agent's words that began within a time.
fn agent_words(observed: &[Observed], from: Duration, until: Duration) -> Option<String> {
    let is_agent = |o: &&Observed| !matches!(o.speaker, ObservedSpeaker::Caller);
    words(observed.iter().filter(is_agent).filter(|o| o.began >= from && o.began < until))
}

/// How long two stretches of time have in common; negative for the distance between them.
fn overlap_ms(a: (Duration, Duration), b: (Duration, Duration)) -> f64 {
    ms(a.1.min(b.1)) - ms(a.0.max(b.0))
}

/// What the agent understood of `turn`: the caller turns that overlap it more than they overlap any other.
fn heard_words(turn: &Turn, turns: &[Turn], observed: &[Observed]) -> Option<String> {
    words(heard(turn, turns, observed))
}

/// The agent's accounts of `turn`.
fn heard<'a>(turn: &'a Turn, turns: &'a [Turn], observed: &'a [Observed]) -> impl Iterator<Item = &'a Observed> {
    let overlap = |o: &Observed, t: &Turn| overlap_ms((o.began, o.ended), (t.said.began, t.said.ended));
    let is_of_turn = move |o: &&Observed| {
        let best = turns.iter().max_by(|a, b| overlap(o, a).total_cmp(&overlap(o, b)));
        matches!(o.speaker, ObservedSpeaker::Caller) && best.is_some_and(|best| best.said.began == turn.said.began)
    };
    observed.iter().filter(is_of_turn)
}

fn turn_report(turn: &Turn, until: Duration, answered: Duration, turns: &[Turn], observed: &[Observed]) -> TurnReport {
    // The agent's own account of the answer that was measured: the turn that began nearest to it.
    let account = turn.answer.and_then(|answer| {
        observed
            .iter()
            .filter_map(|o| match o.speaker {
                ObservedSpeaker::Agent { decided, endpoint_wait_ms } => {
                    Some(((ms(o.began) - ms(answer.began)).abs(), decided, endpoint_wait_ms))
                }
                ObservedSpeaker::Caller => None,
            })
            .filter(|(distance, ..)| *distance <= SAME_ONSET_MS)
            .min_by(|a, b| a.0.total_cmp(&b.0))
    });
    let decided = account.and_then(|(_, decided, _)| decided).filter(|_| turn.gap_ms.is_some());
    let endpoint_wait_ms = account.and_then(|(_, decided, wait)| decided.and(wait)).filter(|_| turn.gap_ms.is_some());
    let from_answer = |time: Duration| tenth(ms(time) - ms(answered));
    TurnReport {
        call: 0,
        turn: 0,
        caller_text: turn.said.text.clone(),
        keys: turn.said.keys.clone(),
        aside: turn.said.aside.map(|aside| aside.label().to_owned()),
        heard_text: heard_words(turn, turns, observed),
        emotion: heard(turn, turns, observed).filter_map(|o| o.emotion.clone()).last(),
        agent_text: agent_words(observed, turn.said.began, until),
        gap_ms: turn.gap_ms.map(tenth),
        endpoint_ms: decided.map(|at| tenth(ms(at) - ms(turn.said.ended))),
        endpoint_wait_ms,
        not_endpoint_ms: turn.gap_ms.zip(endpoint_wait_ms).map(|(gap, wait)| tenth(gap - wait as f64)),
        barge_in: turn.barge_in,
        stop_ms: turn.stop_ms.map(tenth),
        false_cutoff: turn.false_cutoff,
        longest_pause_ms: turn.said.longest_pause.as_millis() as u64,
        missed: turn.missed,
        complete: turn.said.complete,
        caller_began_ms: from_answer(turn.said.began),
        caller_ended_ms: from_answer(turn.said.ended),
        agent_began_ms: turn.answer.map(|spurt| from_answer(spurt.began)),
    }
}

#[cfg(test)]
mod tests;
