//! A session in virtual time: it carries out the agent's actions as the real one would, with a caller who speaks, a
//! recogniser, a synthesiser and a playout whose delays are known.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tipring::agent::{Action, Agent, AgentEvent, Endpointing, Floor, Flow, Input, TurnConfig};
use tipring::audio::{FRAME_MS, MediaTime, PlayoutEvent, SAMPLES_PER_MS, UtteranceId};
use tipring::record::{EndReason, Speaker, TurnRecord};
use tipring::speech::{Expectation, Hypothesis, HypothesisKind, Reply, SpeechEdge};

/// Delay of the voice detector's edges.
pub const VAD_MS: u64 = 80;
/// Delay of the recogniser, partial and final.
pub const ASR_MS: u64 = 60;
/// Delay of the synthesiser.
pub const TTS_MS: u64 = 10;
/// How fast the agent speaks.
pub const CHAR_MS: u64 = 60;

/// What the language model does when it is asked.
#[derive(Clone, Default)]
pub struct Model {
    /// Replies with their delays after the question.
    pub replies: Vec<(u64, Reply)>,
}

/// How badly things go.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Lines that contain this cannot be spoken.
    pub unspeakable: Option<&'static str>,
    /// Lines that contain this take so many milliseconds to be synthesised.
    pub slow: Option<(&'static str, u64)>,
    /// Nothing is ever played.
    pub no_playout: bool,
    /// The recogniser never gives a final hypothesis.
    pub no_final: bool,
}

struct Playing {
    utterance: UtteranceId,
    /// Since when it is audible, but for a pause.
    began: MediaTime,
    /// Samples of it that were played before that.
    before: u64,
    total: u64,
    paused: bool,
}

/// What was paused says so much again.
const AGAIN_MS: u64 = 400;

/// The waits that the tests count with, whatever the defaults are.
pub fn times() -> TurnConfig {
    TurnConfig {
        wait_yes_no_ms: 280,
        wait_choice_ms: 320,
        wait_expected_ms: 400,
        wait_open_ms: 600,
        flush_ms: 160,
        barge_in_ms: 240,
        endpointing: Endpointing::Fixed,
        first_sentence_ms: 2_500,
        work_ahead: false,
        answer_by_ms: 60_000,
        ..TurnConfig::default()
    }
}

/// One call.
pub struct Session {
    pub agent: Agent,
    pub now: MediaTime,
    /// Every action with its time.
    pub actions: Vec<(MediaTime, Action)>,
    pub model: Model,
    pub faults: Faults,
    /// When something was audible: utterance, from, to.
    pub played: Vec<(UtteranceId, MediaTime, MediaTime)>,
    scheduled: Vec<(MediaTime, u64, Input)>,
    order: u64,
    /// Inputs that are not made anew when they are delivered.
    literal: Vec<(MediaTime, Input)>,
    /// What the caller says: end of each word.
    words: Vec<(MediaTime, String)>,
    confidence: f32,
    utterance_from: MediaTime,
    queue: VecDeque<(UtteranceId, u64)>,
    /// Synthesised and held back.
    prepared: Vec<UtteranceId>,
    playing: Option<Playing>,
}

/// The length of a line.
fn samples(text: &str) -> u64 {
    text.chars().count() as u64 * CHAR_MS * SAMPLES_PER_MS
}

pub fn ms(ms: u64) -> MediaTime {
    MediaTime::from_ms(ms)
}

impl Session {
    /// A call that is answered at 0.
    pub fn new(flow: &str) -> Self {
        Self::with(flow, times())
    }

    pub fn with(flow: &str, config: TurnConfig) -> Self {
        let flow = Flow::parse(flow, "test.toml").unwrap_or_else(|error| panic!("{error}"));
        Self::of(Arc::new(flow), config)
    }

    pub fn of(flow: Arc<Flow>, config: TurnConfig) -> Self {
        Self::with_agent(Agent::new(flow, BTreeMap::new(), config))
    }

    pub fn with_agent(agent: Agent) -> Self {
        let mut session = Self {
            agent,
            now: MediaTime::ZERO,
            actions: Vec::new(),
            model: Model::default(),
            faults: Faults::default(),
            played: Vec::new(),
            scheduled: Vec::new(),
            order: 0,
            literal: Vec::new(),
            words: Vec::new(),
            confidence: 0.9,
            utterance_from: MediaTime::ZERO,
            queue: VecDeque::new(),
            prepared: Vec::new(),
            playing: None,
        };
        session.at(0, Input::Answered);
        session
    }

    /// Schedules an input.
    pub fn at(&mut self, at_ms: u64, input: Input) {
        self.schedule(ms(at_ms), input);
    }

    /// Schedules an input that is delivered word for word, whatever the caller says.
    pub fn deliver_as_it_is(&mut self, at_ms: u64, input: Input) {
        self.literal.push((ms(at_ms), input.clone()));
        self.at(at_ms, input);
    }

    fn schedule(&mut self, at: MediaTime, input: Input) {
        self.order += 1;
        self.scheduled.push((at, self.order, input));
    }

    /// The caller speaks from `from_ms` for `length_ms`; the words are spread evenly.
    pub fn caller(&mut self, from_ms: u64, length_ms: u64, text: &str) -> &mut Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        for (n, word) in words.iter().enumerate() {
            let end = from_ms + length_ms * (n as u64 + 1) / words.len() as u64;
            self.words.push((ms(end), (*word).to_owned()));
            // Only a marker: what was recognised until then is put in when it is delivered.
            let partial = Hypothesis {
                kind: HypothesisKind::Partial,
                text: String::new(),
                confidence: self.confidence,
                covers: ms(end),
                degraded: false,
            };
            self.at(end + ASR_MS, Input::Heard(partial));
        }
        self.at(from_ms + VAD_MS, Input::Speech(SpeechEdge::Started { onset: ms(from_ms) }));
        self.at(from_ms + length_ms + VAD_MS, Input::Speech(SpeechEdge::Paused { last: ms(from_ms + length_ms) }));
        self
    }

    /// The caller mumbles: what follows is heard with this confidence.
    pub fn confidence(&mut self, confidence: f32) -> &mut Self {
        self.confidence = confidence;
        self
    }

    /// The caller presses keys, 200 ms apart.
    pub fn keys(&mut self, from_ms: u64, keys: &str) -> &mut Self {
        for (n, key) in keys.chars().enumerate() {
            self.at(from_ms + 200 * n as u64, Input::Dtmf(key));
        }
        self
    }

    fn recognised(&self, until: MediaTime) -> String {
        let heard = self.words.iter().filter(|(end, _)| *end > self.utterance_from && *end <= until);
        heard.map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Runs until `until_ms` or the end of the call.
    pub fn run(&mut self, until_ms: u64) -> &mut Self {
        let until = ms(until_ms);
        for _ in 0..1_000_000 {
            let next = self.scheduled.iter().enumerate().min_by_key(|(_, (at, order, _))| (*at, *order));
            let next = next.map(|(index, (at, ..))| (index, *at));
            let deadline = self.agent.deadline().map(|deadline| deadline.max(self.now));
            let (at, input) = match (next, deadline) {
                (Some((index, at)), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    if at > until {
                        break;
                    }
                    (at, self.scheduled.remove(index).2)
                }
                (_, Some(deadline)) if deadline <= until => (deadline, Input::Deadline),
                _ => break,
            };
            self.now = self.now.max(at);
            let was_deadline = input == Input::Deadline;
            if let Some(input) = self.deliver(input) {
                self.agent.handle(self.now, input);
                self.drain();
            }
            if was_deadline {
                let next = self.agent.deadline();
                assert!(next.is_none_or(|next| next > self.now), "a deadline at {:?} stays due: {next:?}", self.now);
            }
            if self.agent.has_ended() {
                return self;
            }
        }
        self.now = self.now.max(until);
        self
    }

    /// Runs until the agent has nothing to say and waits for the caller, or until the end.
    pub fn quiet(&mut self) -> &mut Self {
        for _ in 0..20_000 {
            self.run(self.now.ms() + 10);
            let silent = self.playing.is_none() && self.queue.is_empty();
            if self.agent.has_ended() || silent && self.agent.floor() == Floor::Idle {
                break;
            }
        }
        self
    }

    /// What is only known at the time of delivery is put in; what no longer happens is dropped.
    fn deliver(&mut self, input: Input) -> Option<Input> {
        if self.literal.iter().any(|(at, literal)| *at == self.now && *literal == input) {
            return Some(input);
        }
        match input {
            Input::Heard(mut heard) => {
                heard.text = self.recognised(heard.covers);
                if heard.text.is_empty() && heard.kind == HypothesisKind::Partial {
                    return None;
                }
                heard.confidence = if heard.text.is_empty() { 0.0 } else { self.confidence };
                Some(Input::Heard(heard))
            }
            Input::LineReady { utterance, .. } => {
                let queued = self.queue.iter().any(|(id, _)| *id == utterance);
                if queued && self.playing.is_none() && self.queue.front().is_some_and(|(id, _)| *id == utterance) {
                    self.play_next();
                }
                Some(input)
            }
            Input::Playout(PlayoutEvent::Started { utterance, .. }) => {
                self.playing.as_ref().is_some_and(|playing| playing.utterance == utterance).then_some(input)
            }
            Input::Playout(PlayoutEvent::Finished { utterance, at }) => {
                let playing = self.playing.take_if(|playing| playing.utterance == utterance)?;
                self.played.push((utterance, playing.began, at));
                self.play_next();
                Some(input)
            }
            other => Some(other),
        }
    }

    fn play_next(&mut self) {
        if self.faults.no_playout {
            return;
        }
        if let Some((utterance, samples)) = self.queue.pop_front() {
            // The next tick of the media thread.
            let began = MediaTime::from_frames(self.now.ms() / FRAME_MS + 1);
            self.playing = Some(Playing { utterance, began, before: 0, total: samples, paused: false });
            self.schedule(began, Input::Playout(PlayoutEvent::Started { utterance, at: began }));
            let end = began.plus_samples(samples);
            self.schedule(end, Input::Playout(PlayoutEvent::Finished { utterance, at: end }));
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.agent.poll() {
            match &action {
                Action::Say { utterance, text } => {
                    let known = self.prepared.iter().position(|prepared| prepared == utterance);
                    match known {
                        // It was synthesised before.
                        Some(index) => {
                            self.prepared.swap_remove(index);
                            self.queue.push_back((*utterance, samples(text)));
                            let ready = Some(samples(text));
                            self.schedule(self.now, Input::LineReady { utterance: *utterance, total_samples: ready });
                        }
                        None => self.say(*utterance, text),
                    }
                }
                Action::SayFirst { utterance, text } => {
                    if self.faults.unspeakable.is_some_and(|part| text.contains(part)) {
                        self.schedule(self.now.plus_ms(TTS_MS), Input::LineFailed { utterance: *utterance });
                        self.actions.push((self.now, action));
                        continue;
                    }
                    self.queue.push_front((*utterance, samples(text)));
                    let ready = Input::LineReady { utterance: *utterance, total_samples: Some(samples(text)) };
                    self.schedule(self.now, ready);
                }
                Action::Prepare { utterance, text } => {
                    self.prepared.push(*utterance);
                    let ready = Input::LineReady { utterance: *utterance, total_samples: Some(samples(text)) };
                    self.schedule(self.now.plus_ms(TTS_MS), ready);
                }
                Action::Discard { utterance } => self.prepared.retain(|prepared| prepared != utterance),
                Action::StopSpeaking => self.stop(),
                Action::Pause => self.pause(),
                Action::Unduck => self.go_on(),
                Action::Flush if !self.faults.no_final => {
                    let heard = Hypothesis {
                        kind: HypothesisKind::Final,
                        text: String::new(),
                        confidence: self.confidence,
                        covers: self.now,
                        degraded: false,
                    };
                    self.schedule(self.now.plus_ms(ASR_MS), Input::Heard(heard));
                }
                Action::FinishUtterance { .. } => self.utterance_from = self.now,
                Action::Ask { ask, .. } => {
                    for (delay, reply) in self.model.replies.clone() {
                        self.schedule(self.now.plus_ms(delay), Input::Reply { ask: *ask, reply });
                    }
                }
                Action::CancelAsk { ask } => {
                    let cancelled = *ask;
                    self.scheduled
                        .retain(|(.., input)| !matches!(input, Input::Reply { ask, .. } if *ask == cancelled));
                }
                _ => {}
            }
            self.actions.push((self.now, action));
        }
    }

    fn say(&mut self, utterance: UtteranceId, text: &str) {
        let slow = self.faults.slow.filter(|(part, _)| text.contains(part));
        let at = self.now.plus_ms(slow.map_or(TTS_MS, |(_, ms)| ms));
        if self.faults.unspeakable.is_some_and(|part| text.contains(part)) {
            return self.schedule(at, Input::LineFailed { utterance });
        }
        self.queue.push_back((utterance, samples(text)));
        self.schedule(at, Input::LineReady { utterance, total_samples: Some(samples(text)) });
    }

    fn pause(&mut self) {
        let at = MediaTime::from_frames(self.now.ms() / FRAME_MS + 1);
        let Some(playing) = self.playing.as_mut().filter(|playing| !playing.paused) else { return };
        let utterance = playing.utterance;
        playing.paused = true;
        playing.before += at.samples().saturating_sub(playing.began.samples());
        self.played.push((utterance, playing.began, at));
        self.scheduled.retain(|(.., input)| {
            !matches!(input, Input::Playout(PlayoutEvent::Finished { utterance: other, .. }) if *other == utterance)
        });
    }

    fn go_on(&mut self) {
        let at = MediaTime::from_frames(self.now.ms() / FRAME_MS + 1);
        let Some(playing) = self.playing.as_mut().filter(|playing| playing.paused) else { return };
        playing.paused = false;
        playing.began = at;
        playing.before = playing.before.saturating_sub(AGAIN_MS * SAMPLES_PER_MS);
        let (utterance, end) = (playing.utterance, at.plus_samples(playing.total - playing.before));
        self.schedule(end, Input::Playout(PlayoutEvent::Finished { utterance, at: end }));
    }

    fn stop(&mut self) {
        self.queue.clear();
        if let Some(playing) = self.playing.take() {
            let next = MediaTime::from_frames(self.now.ms() / FRAME_MS + 1);
            let utterance = playing.utterance;
            let (at, now) = match self.played.last().filter(|_| playing.paused) {
                Some((.., silent)) => (*silent, 0),
                None => (next, next.samples().saturating_sub(playing.began.samples())),
            };
            let played = playing.before + now;
            if now > 0 {
                self.played.push((utterance, playing.began, at));
            }
            if played > 0 {
                self.schedule(next, Input::Playout(PlayoutEvent::Cut { utterance, played, at }));
            }
        }
    }

    /// What the agent set out to say, with the times.
    pub fn said(&self) -> Vec<(u64, &str)> {
        let said = self.actions.iter().filter_map(|(at, action)| match action {
            Action::Say { text, .. } | Action::SayFirst { text, .. } => Some((at.ms(), text.as_str())),
            _ => None,
        });
        said.collect()
    }

    /// The texts that the agent set out to say.
    pub fn lines(&self) -> Vec<&str> {
        self.said().into_iter().map(|(_, text)| text).collect()
    }

    /// When the agent set out to say this, for the first time.
    pub fn time_of(&self, line: &str) -> u64 {
        let said = self.said();
        said.iter().find(|(_, text)| *text == line).unwrap_or_else(|| panic!("'{line}' is not among {said:?}")).0
    }

    /// All turns as they were reported.
    pub fn turns(&self) -> Vec<&TurnRecord> {
        let turns = self.actions.iter().filter_map(|(_, action)| match action {
            Action::Report(AgentEvent::Turn(turn)) => Some(turn),
            _ => None,
        });
        turns.collect()
    }

    /// The transcript: `A` or `C`, and the text; keys in brackets.
    pub fn transcript(&self) -> Vec<String> {
        let line = |turn: &&TurnRecord| {
            let who = if turn.speaker == Speaker::Agent { 'A' } else { 'C' };
            if turn.dtmf.is_empty() { format!("{who} {}", turn.text) } else { format!("{who} [{}]", turn.dtmf) }
        };
        self.turns().iter().map(line).collect()
    }

    /// How the agent ended the call.
    pub fn end(&self) -> Option<&EndReason> {
        self.actions
            .iter()
            .find_map(|(_, action)| if let Action::HangUp(reason) = action { Some(reason) } else { None })
    }

    /// Times of a kind of action.
    pub fn times(&self, is: impl Fn(&Action) -> bool) -> Vec<u64> {
        self.actions.iter().filter(|(_, action)| is(action)).map(|(at, _)| at.ms()).collect()
    }

    /// What the recogniser was told, in order.
    pub fn expected(&self) -> Vec<&Arc<Expectation>> {
        let expected = self.actions.iter().filter_map(|(_, action)| match action {
            Action::Expect(what) => Some(what),
            _ => None,
        });
        expected.collect()
    }
}
