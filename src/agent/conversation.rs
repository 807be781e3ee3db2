//! The agent: inputs in, actions out, timers between.

use super::ahead::{Ahead, AheadTally};
use super::dialogue::{Dialogue, Flow, Memory};
use super::governor::Promise;
use super::mood::Mood;
use super::overlap::{Overlap, hums_from};
use super::phase::{Decided, Phase, Talking};
use super::sounding::Exchange;
use super::turn::{Ends, Floor, Hearing, Lines, Voice, rest_from_clause};
use super::{Action, AgentEvent, AgentPlan, Input, TurnConfig};
use crate::audio::{MediaTime, PlayoutEvent, UtteranceId};
use crate::record::{EndReason, Stage, TimelineEvent, TurnLatency};
use crate::speech::{Cue, EngineKind, Expectation, Manner, PauseCurve};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most timers that fire in one go; the rest is due at once again.
const MAX_STEPS: usize = 64;

/// Holds one conversation.
///
/// After every [`handle`](Self::handle), take every action with [`poll`](Self::poll), then call `handle` with
/// [`Input::Deadline`] when the time of [`deadline`](Self::deadline) has come. The last action is [`Action::HangUp`], or a
/// report after [`Input::Over`]; nothing follows it, and inputs after it do nothing. Until the peer ends the call, the agent does so in bounded time
/// even if nothing ever answers it.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) config: TurnConfig,
    pub(super) phase: Phase,
    pub(super) dialogue: Dialogue,
    pub(super) memory: Memory,
    pub(super) hearing: Hearing,
    pub(super) lines: Lines,
    pub(super) out: VecDeque<Action>,
    /// What the recogniser was told last.
    pub(super) expected: Option<Arc<Expectation>>,
    /// Of the caller's turn whose answer has not been begun.
    pub(super) latency: Option<TurnLatency>,
    /// Questions asked so far.
    pub(super) asks: u32,
    /// Tools that the language model has called so far.
    pub(super) tool_calls: u32,
    /// Lines in a row that could not be said.
    pub(super) failed_lines: u32,
    /// The caller cannot be heard.
    pub(super) deaf: bool,
    /// Nothing new can be said.
    pub(super) mute: bool,
    /// No language model.
    pub(super) no_model: bool,
    /// What was done before the end of the turn is certain.
    pub(super) ahead: Option<Ahead>,
    pub(super) tally: AheadTally,
    /// The answer that is due.
    pub(super) promise: Option<Promise>,
    /// Answers begun so far, and at which of them a filler was said last.
    pub(super) answers: u32,
    pub(super) last_filler: Option<u32>,
    /// The first line of an answer is still to be said.
    pub(super) answering: bool,
    /// The filler that is being said.
    pub(super) filled: Option<UtteranceId>,
    /// Speech over the agent's voice.
    pub(super) overlap: Option<Overlap>,
    /// From which score on that sounds like a backchannel.
    pub(super) hums_from: f32,
    pub(super) curve: PauseCurve,
    /// What the ends of turns are known by.
    pub(super) ends: &'static Ends,
    /// How the caller takes the call.
    pub(super) mood: Mood,
    pub(super) exchange: Exchange,
    /// How lines are said, as the session was told last.
    pub(super) manner: Manner,
    pub(super) now: MediaTime,
}

impl Agent {
    /// An agent for one call. `variables` are the flow's, as [`Flow::values`] gives them; what is missing takes its default.
    pub fn new(flow: Arc<Flow>, variables: BTreeMap<String, String>, config: TurnConfig) -> Self {
        Self::with_plan(flow, AgentPlan { variables, ..AgentPlan::default() }, config)
    }

    /// An agent for one call, with all that the call brings along.
    pub fn with_plan(flow: Arc<Flow>, plan: AgentPlan, config: TurnConfig) -> Self {
        let curve = PauseCurve::of(&flow.language().0);
        let ends = Ends::of(&flow.language().0);
        let hums_from = hums_from(&flow.language().0);
        Self {
            phase: Phase::Waiting,
            dialogue: Dialogue::new(flow, plan, config.min_confidence),
            memory: Memory::default(),
            hearing: Hearing::new(curve),
            curve,
            ends,
            lines: Lines::default(),
            out: VecDeque::new(),
            expected: None,
            latency: None,
            asks: 0,
            tool_calls: 0,
            failed_lines: 0,
            deaf: false,
            mute: false,
            no_model: false,
            ahead: None,
            tally: AheadTally::default(),
            promise: None,
            answers: 0,
            last_filler: None,
            answering: false,
            filled: None,
            overlap: None,
            hums_from,
            mood: Mood::new(config.mood.clone()),
            exchange: Exchange::default(),
            manner: Manner::USUAL,
            now: MediaTime::ZERO,
            config,
        }
    }

    /// Takes something that happened at `at`. A time before that of an earlier input counts as that one's.
    pub fn handle(&mut self, at: MediaTime, input: Input) {
        if self.phase == Phase::Ended {
            return;
        }
        self.now = self.now.max(at);
        let at = self.now;
        match input {
            Input::Answered => self.answered(at),
            Input::Speech(edge) => self.speech(edge),
            Input::Heard(hypothesis) => self.heard(&hypothesis),
            Input::Dtmf(key) => self.key(at, key),
            Input::Playout(event) => self.playout(event),
            Input::LineReady { utterance, total_samples } => {
                if !self.ready_ahead(at, utterance, total_samples) {
                    self.lines.ready(at, utterance, total_samples);
                    if self.lines.is_next(utterance) {
                        self.note(at, Stage::LineReady);
                    }
                }
            }
            Input::LineFailed { utterance } if self.failed_ahead(utterance) => {}
            Input::LineFailed { utterance } if self.filler_failed(at, utterance) => {}
            Input::LineFailed { utterance } => {
                let ended = self.lines.failed(at, utterance);
                self.line_failed(at, ended);
            }
            Input::Reply { ask, reply } => self.reply(at, ask, reply),
            Input::EngineDown(kind) => self.engine_down(at, kind),
            Input::TransferEnded { accepted } => self.transfer_ended(at, accepted),
            Input::Cue(Cue::Pause(cue)) => self.hearing.pause_cue(cue),
            Input::Cue(Cue::Turn(cue)) => self.hearing.turn_cue(cue),
            Input::Cue(Cue::Stir(at)) => self.hearing.stirred(at),
            Input::Cue(Cue::Overlap(cue)) => self.overlap_cue(cue),
            Input::Cue(Cue::Emotion(emotion)) => self.emotion_cue(emotion),
            Input::Deadline => {}
            Input::Over => self.close(at),
        }
        if self.ahead.is_some() && !matches!(self.hearing.voice(), Some(Voice::Paused { .. })) {
            self.drop_ahead(at);
        }
        for _ in 0..MAX_STEPS {
            if !self.step(at) {
                break;
            }
        }
    }

    /// The next thing to do. None: nothing, until the next input.
    pub fn poll(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    /// When to come back with [`Input::Deadline`]. None before the answer and after the end.
    pub fn deadline(&self) -> Option<MediaTime> {
        let lines = self.lines.deadline(&self.config);
        let own = match &self.phase {
            Phase::Waiting | Phase::Ended => return None,
            Phase::Talking(talking) => self.talking_deadline(talking),
            Phase::Leaving(_) => None,
            Phase::Transferring(transfer) => Some(transfer.until),
        };
        let ahead = if matches!(self.phase, Phase::Talking(_)) { self.ahead_at() } else { None };
        [self.overlap_deadline(), self.governor_deadline(), ahead, lines, own, self.hearing_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Name of the flow's current state.
    pub fn state_name(&self) -> &str {
        self.dialogue.state_name()
    }

    /// The number of the need that the caller is asked about, as the flow counts them.
    pub(crate) fn asks_for(&self) -> Option<usize> {
        self.dialogue.asks_for()
    }

    /// The number of the need that the same question asks for, too.
    pub(crate) fn asks_too(&self) -> Option<usize> {
        self.dialogue.asks_too()
    }

    /// The slots filled so far, name to value as heard: unmasked.
    pub fn slots(&self) -> &BTreeMap<String, String> {
        self.dialogue.slots()
    }

    /// The disposition that the flow has set.
    pub fn disposition(&self) -> Option<&str> {
        self.dialogue.disposition()
    }

    /// Who has the floor.
    pub fn floor(&self) -> Floor {
        Floor::of(self.hearing.is_open(), self.lines.any() || self.thinking())
    }

    /// The last action was given or is waiting to be polled.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn answered(&mut self, at: MediaTime) {
        if self.phase != Phase::Waiting {
            return;
        }
        self.phase = Phase::Talking(Box::new(Talking { quiet_since: at, ..Talking::default() }));
        if self.mute {
            let response = self.dialogue.fallback(EndReason::Failed { why: "no synthesiser is left".to_owned() });
            return self.apply(at, response, None);
        }
        let response = self.dialogue.start();
        self.apply(at, response, None);
        if self.deaf {
            self.gone_deaf(at);
        }
    }

    fn engine_down(&mut self, at: MediaTime, kind: EngineKind) {
        match kind {
            EngineKind::Vad | EngineKind::Asr if !self.deaf => {
                self.deaf = true;
                self.gone_deaf(at);
            }
            EngineKind::Tts if !self.mute => {
                self.mute = true;
                if matches!(self.phase, Phase::Talking(_)) {
                    // The fallback line may be in the cache. If it is not, the end comes without it.
                    self.give_up(at, "no synthesiser is left");
                }
            }
            EngineKind::Llm => {
                self.no_model = true;
                self.question_over(at, true);
            }
            EngineKind::Vad | EngineKind::Asr | EngineKind::Tts => {}
        }
    }

    fn playout(&mut self, event: PlayoutEvent) {
        match event {
            PlayoutEvent::Started { utterance, at } => {
                if self.lines.started(utterance, at) {
                    self.dialogue.set_asked();
                }
                self.exchange.begins(at);
                self.note(at, Stage::FirstPacket);
                self.promise_kept();
                let decided = match &mut self.phase {
                    Phase::Talking(talking) => talking.decided.as_mut(),
                    Phase::Leaving(leaving) => leaving.decided.as_mut(),
                    _ => None,
                };
                if let Some(decided) = decided {
                    if self.lines.share_heard(at).is_some() {
                        decided.heard_since.get_or_insert(at);
                    }
                    if decided.answer.is_some_and(|answer| utterance >= answer) {
                        decided.answer_began.get_or_insert(at);
                    }
                }
            }
            PlayoutEvent::Finished { at, .. } | PlayoutEvent::Cut { at, .. } => {
                let ended = self.lines.ended(event);
                if ended.record.is_some() {
                    self.exchange.spoke(at);
                    self.note(at, Stage::LineEnded);
                }
                if ended.line.is_some() && matches!(event, PlayoutEvent::Finished { .. }) {
                    self.failed_lines = 0;
                }
                if let Some(line) = &ended.line {
                    if let (Some(state), PlayoutEvent::Finished { .. }) = (line.what.discloses, event) {
                        self.dialogue.disclosed(state);
                    }
                    if line.what.question {
                        self.dialogue.set_asked();
                    }
                    if let Phase::Talking(talking) = &mut self.phase {
                        talking.quiet_since = talking.quiet_since.max(at);
                    }
                }
                if let PlayoutEvent::Finished { utterance, .. } | PlayoutEvent::Cut { utterance, .. } = event
                    && self.filled == Some(utterance)
                {
                    self.filled = None;
                    self.filler_over(at);
                    // It is not to be said again.
                    if let (Some(record), Phase::Talking(talking)) = (&ended.record, &mut self.phase)
                        && let Some(cut) = &mut talking.cut
                    {
                        let whole = record.intended.as_ref().unwrap_or(&record.text);
                        cut.lines.retain(|line| line.text != *whole);
                    }
                }
                if let Some(record) = ended.record {
                    // What was cut is gone on with from its clause, should it turn out that it was cut for nothing.
                    if let (Some(intended), Phase::Talking(talking)) = (&record.intended, &mut self.phase)
                        && let Some(line) = talking.cut.as_mut().and_then(|cut| cut.lines.first_mut())
                        && line.text == *intended
                    {
                        line.text = rest_from_clause(intended, record.text.len()).to_owned();
                    }
                    self.record(record);
                }
            }
        }
    }

    /// The last decision that may have been early.
    pub(super) fn decided(&self) -> Option<&Decided> {
        match &self.phase {
            Phase::Talking(talking) => talking.decided.as_ref(),
            Phase::Leaving(leaving) => leaving.decided.as_ref(),
            _ => None,
        }
    }

    /// Reports a stage of the call.
    pub(super) fn note(&mut self, at: MediaTime, stage: Stage) {
        self.report(AgentEvent::Timeline(TimelineEvent::new(at, stage)));
    }

    /// Does one thing that is due. Returns whether there was one.
    fn step(&mut self, at: MediaTime) -> bool {
        if self.phase == Phase::Waiting || self.phase == Phase::Ended {
            return false;
        }
        if let Some((utterance, began)) = self.lines.overdue(at, &self.config) {
            if began {
                // It was played; only the word of it did not come.
                self.playout(PlayoutEvent::Finished { utterance, at });
            } else {
                self.line_never_began(at);
            }
            return true;
        }
        if let Some(record) = self.lines.unconfirmed(at) {
            self.record(record);
            return true;
        }
        if self.overlap_step(at) {
            return true;
        }
        if self.hearing_step(at) || self.governor_step(at) {
            return true;
        }
        if self.ahead_at().is_some_and(|due| due <= at) {
            self.work_ahead(at);
            return true;
        }
        match &self.phase {
            Phase::Talking(_) => self.talking_step(at),
            Phase::Leaving(_) if !self.lines.any() => {
                self.leave_now(at);
                true
            }
            Phase::Transferring(transfer) if transfer.until <= at => {
                self.transfer_ended(at, false);
                true
            }
            _ => false,
        }
    }

    /// Tells the recogniser what the current state expects, unless it knows.
    pub(super) fn expect(&mut self) {
        let Some(expectation) = self.dialogue.expectation() else { return };
        if self.expected.as_ref() != Some(expectation) {
            self.expected = Some(Arc::clone(expectation));
            self.out.push_back(Action::Expect(Arc::clone(expectation)));
        }
    }

    pub(super) fn report(&mut self, event: AgentEvent) {
        self.out.push_back(Action::Report(event));
    }
}
