//! The rest of a call: play-out, synthesis, the language model; it carries out what the agent wants in virtual time.

use super::behaviour::Behaviour;
use super::caller::{After, Caller, Stretch, normal, pick};
use super::corpus::Corpus;
use super::dice::Dice;
use super::ears::{Ears, Sensed, Sound};
use super::log::{Log, Pause, Sounded, Spoken, Voiced};
use super::temper::Temper;
use super::turns::Setup;
use crate::agent::{Action, Agent, AgentEvent, Floor, Input};
use crate::audio::{MediaTime, PlayoutEvent, UtteranceId};
use crate::record::{self, MoodKind, MoodSwitch};
use crate::speech::{Cue, HypothesisKind, Reply};
use playout::{Playing, Waiting};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod playout;

/// A call ends here, whatever the agent does.
const LONGEST_MS: u64 = 300_000;
/// Synthesis of a line that is not in the cache, until its first frame.
const SYNTHESIS_MS: u64 = 45;
/// A line from the cache.
const CACHED_MS: u64 = 3;

enum Event {
    Input(Input),
    Sensed(Sensed),
    Final {
        covers: u64,
    },
    Ready(UtteranceId),
    /// A look at the play-out: something may begin.
    Tick,
    Ended(UtteranceId),
    /// The caller answers, unless the agent is speaking by then.
    Answer,
    Over(Sound, bool),
    /// A look at what the agent knows of a pause in the utterance of this number; how long it lasts.
    Look(usize, Option<u64>),
}

/// When in a pause what the agent knows of it is looked at: the recogniser has given a quick final answer by then.
const LOOK_MS: u64 = 230;

/// One call.
pub(super) struct Stage<'a> {
    pub agent: Agent,
    pub log: Log,
    setup: &'a Setup,
    behaviour: &'a Behaviour,
    corpus: &'a Corpus,
    caller: Caller,
    ears: Ears,
    rng: Dice,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    ready: BTreeSet<UtteranceId>,
    prepared: BTreeSet<UtteranceId>,
    queue: VecDeque<Waiting>,
    playing: Option<Playing>,
    /// The agent is silent for somebody: nothing begins.
    hushed: bool,
    cached: &'a BTreeSet<String>,
    thinking: BTreeSet<u32>,
    /// The caller is speaking until then.
    busy: u64,
    /// The agent says something although nobody has said anything: its patience with a silent caller has ended.
    unasked: bool,
    /// How the caller takes it, where that is looked at.
    pub temper: Option<Temper<'a>>,
    /// The pauses in answers, and the utterances that they are in, where that is looked at.
    pub pauses: Option<(Vec<Pause>, Vec<String>)>,
}

impl<'a> Stage<'a> {
    pub fn new(setup: &'a Setup, parts: (&'a Behaviour, &'a Corpus, &'a BTreeSet<String>), seed: u64) -> Self {
        let (behaviour, corpus, cached) = parts;
        let mut rng = Dice::new(seed);
        let caller = Caller::new(behaviour, &setup.language, &mut rng);
        Self {
            agent: Agent::new(corpus.flow.clone(), BTreeMap::new(), setup.turn.clone()),
            log: Log::default(),
            setup,
            behaviour,
            corpus,
            caller,
            ears: Ears::default(),
            rng,
            now: 0,
            events: BTreeMap::new(),
            order: 0,
            ready: BTreeSet::new(),
            prepared: BTreeSet::new(),
            queue: VecDeque::new(),
            playing: None,
            hushed: false,
            cached,
            thinking: BTreeSet::new(),
            busy: 0,
            unasked: false,
            temper: None,
            pauses: None,
        }
    }

    /// The call with a caller of this temper.
    pub fn with(self, temper: Temper<'a>) -> Self {
        Self { temper: Some(temper), ..self }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.insert((at.max(self.now), self.order), event);
    }

    /// Holds the call to its end.
    pub fn run(&mut self) {
        self.at(0, Event::Input(Input::Answered));
        for (per_second, sound) in
            [(self.behaviour.cough_per_s, Sound::Noise), (self.behaviour.elsewhere_per_s, Sound::Elsewhere)]
        {
            let mut at = 0.0;
            while per_second > 0.0 && at < LONGEST_MS as f64 {
                at += -1000.0 / per_second * self.rng.between(1e-9, 1.0).ln();
                self.at(at as u64, Event::Over(sound, false));
            }
        }
        while !self.agent.has_ended() && self.now < LONGEST_MS {
            let deadline = self.agent.deadline().map(|at| at.ms());
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            match (next, deadline) {
                (Some(next), Some(deadline)) if deadline < next => self.deadline(deadline),
                (Some(_), _) => {
                    if let Some(((at, _), event)) = self.events.pop_first() {
                        self.now = at;
                        self.happen(event);
                    }
                }
                (None, Some(deadline)) => self.deadline(deadline),
                (None, None) => return,
            }
        }
    }

    fn deadline(&mut self, at: u64) {
        // Deadlines in samples are not always whole milliseconds.
        self.now = self.now.max(at) + 1;
        self.unasked = self.agent.floor() == Floor::Idle;
        self.tell(Input::Deadline);
        self.unasked = false;
    }

    fn tell(&mut self, input: Input) {
        self.agent.handle(MediaTime::from_ms(self.now), input);
        while let Some(action) = self.agent.poll() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Say { utterance, text } => {
                if !self.prepared.remove(&utterance) {
                    self.synthesise(utterance, &text);
                }
                self.queue.push_back(Waiting { utterance, ms: self.length(&text), prompt: self.unasked });
                self.at(self.now, Event::Tick);
            }
            Action::SayFirst { utterance, text } => {
                self.synthesise(utterance, &text);
                self.queue.push_front(Waiting { utterance, ms: self.length(&text), prompt: false });
                self.at(self.now, Event::Tick);
            }
            Action::Prepare { utterance, text } => {
                self.prepared.insert(utterance);
                self.synthesise(utterance, &text);
            }
            Action::Discard { utterance } => {
                self.prepared.remove(&utterance);
                self.ready.remove(&utterance);
            }
            Action::StopSpeaking => self.stop(),
            Action::Duck => self.log.ducked.push((self.now, true)),
            Action::Pause => self.pause(),
            Action::Unduck => {
                self.log.ducked.push((self.now, false));
                self.go_on();
            }
            Action::Flush => {
                let covers = self.now;
                let at = covers + self.setup.finals.draw(&mut self.rng);
                self.at(at, Event::Final { covers });
            }
            Action::FinishUtterance { usual } => {
                self.ears.finish(self.now);
                if let Some(temper) = &mut self.temper {
                    temper.finish(MediaTime::from_ms(self.now), usual);
                }
            }
            Action::Ask { ask, request } => {
                self.thinking.insert(ask);
                let at = self.now + self.setup.model_ms;
                self.at(at, Event::Input(Input::Reply { ask, reply: Reply::Delta(request.template) }));
                self.at(at + 1, Event::Input(Input::Reply { ask, reply: Reply::Done }));
            }
            Action::CancelAsk { ask } => {
                self.thinking.remove(&ask);
            }
            Action::HangUp(_) => self.log.hung_up = true,
            Action::Report(AgentEvent::Mood(MoodSwitch { kind: MoodKind::Impatient, on: true, .. })) => {
                self.log.switched.push(self.turn());
            }
            Action::Report(AgentEvent::Timeline(event)) if matches!(event.what, record::Stage::Decided { .. }) => {
                self.log.decided.push(event.at.ms());
            }
            Action::Report(AgentEvent::Turn(turn)) => {
                let (number, text) = (self.turn(), turn.text);
                self.log.sounded.extend(turn.emotion.map(|noticed| Sounded { turn: number, text, noticed: *noticed }));
            }
            Action::Manner(_)
            | Action::Expect(_)
            | Action::SendDtmf(_)
            | Action::Transfer { .. }
            | Action::Report(_) => {}
        }
    }

    /// The number of the caller's latest turn, from 0.
    fn turn(&self) -> u64 {
        self.temper.as_ref().map_or(0, Temper::turns).saturating_sub(1)
    }

    fn length(&self, text: &str) -> u64 {
        let per_char = if self.corpus.unspaced { 190 } else { 62 };
        text.chars().count() as u64 * per_char
    }

    fn synthesise(&mut self, utterance: UtteranceId, text: &str) {
        let takes = if self.cached.contains(text) { CACHED_MS } else { SYNTHESIS_MS };
        self.at(self.now + takes, Event::Ready(utterance));
    }

    /// What a caller may do while this line is said.
    fn remark(&mut self, ms: u64) {
        if ms < 1_200 {
            return;
        }
        if let Some(temper) = &mut self.temper {
            if let Some(share) = temper.breaks_in() {
                let at = self.now + (ms as f64 * share) as u64;
                self.at(at, Event::Over(Sound::Turn, true));
            } else if temper.hums() {
                let at = self.now + (ms as f64 * self.rng.between(0.2, 0.85)) as u64;
                self.at(at, Event::Over(Sound::Backchannel, true));
            }
            return;
        }
        for (chance, sound) in
            [(self.behaviour.backchannel, Sound::Backchannel), (self.behaviour.interruption, Sound::Turn)]
        {
            if self.rng.chance(100.0 * chance) {
                let at = self.now + (ms as f64 * self.rng.between(0.2, 0.85)) as u64;
                return self.at(at, Event::Over(sound, true));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if let Input::Reply { ask, reply } = &input {
                    if !self.thinking.contains(ask) {
                        return;
                    }
                    if *reply == Reply::Done {
                        self.thinking.remove(ask);
                    }
                }
                self.tell(input);
            }
            Event::Sensed(Sensed::Edge(edge)) => self.tell(Input::Speech(edge)),
            Event::Sensed(Sensed::Cue(cue)) => self.tell(Input::Cue(cue)),
            Event::Sensed(Sensed::Words { covers }) => self.heard(HypothesisKind::Partial, covers),
            Event::Final { covers } => self.heard(HypothesisKind::Final, covers),
            Event::Ready(utterance) => {
                self.ready.insert(utterance);
                self.tell(Input::LineReady { utterance, total_samples: None });
                self.tick();
            }
            Event::Tick => self.tick(),
            Event::Look(turn, ms) => self.look(turn, ms),
            Event::Ended(utterance) => {
                let ends = |playing: &Playing| {
                    playing.utterance == utterance && playing.paused.is_none() && playing.ends <= self.now
                };
                if !self.playing.as_ref().is_some_and(ends) {
                    return;
                }
                if let Some(Playing { began, prompt, .. }) = self.playing.take() {
                    self.log.agent.push(Voiced { span: (began, self.now), cut: false, prompt });
                }
                self.tell(Input::Playout(PlayoutEvent::Finished { utterance, at: MediaTime::from_ms(self.now) }));
                self.tick();
                if self.queue.is_empty() && self.playing.is_none() && !self.rng.chance(100.0 * self.behaviour.silence) {
                    let after =
                        380.0 * (0.4 * normal(&mut self.rng)).exp() * self.temper.as_ref().map_or(1.0, Temper::gap);
                    self.at(self.now + after as u64, Event::Answer);
                }
            }
            Event::Answer => {
                let quiet = self.queue.is_empty() && self.playing.is_none() && self.thinking.is_empty();
                if quiet && self.now >= self.busy && !self.agent.has_ended() {
                    let state = self.agent.state_name().to_owned();
                    let own = self.temper.as_mut().and_then(|temper| temper.says(&state, false, self.corpus));
                    let utterance = own.unwrap_or_else(|| pick(&mut self.rng, self.corpus.list(&state)).to_owned());
                    let stretches = self.caller.speak(&utterance, &state, self.behaviour, self.corpus, &mut self.rng);
                    self.watch(&stretches, utterance);
                    self.speak(stretches, Sound::Turn);
                }
            }
            Event::Over(sound, over) => {
                if self.now >= self.busy && (!over || self.playing.is_some()) {
                    self.interject(sound);
                }
            }
        }
    }

    /// An answer is about to be spoken: looks at its pauses when they come.
    fn watch(&mut self, stretches: &[Stretch], utterance: String) {
        let Some((_, lines)) = &mut self.pauses else { return };
        lines.push(utterance);
        let turn = lines.len() - 1;
        let mut at = self.now;
        for stretch in stretches {
            at += stretch.ms();
            let ms = if let After::Hold { ms, .. } = stretch.after { Some(ms) } else { None };
            self.at(at + LOOK_MS.min(ms.unwrap_or(LOOK_MS).saturating_sub(5)), Event::Look(turn, ms));
            at += ms.unwrap_or_default();
        }
    }

    fn look(&mut self, turn: usize, ms: Option<u64>) {
        let Some((pauses, lines)) = &mut self.pauses else { return };
        if let Some(line) = lines.get(turn).filter(|_| self.agent.is_pausing()) {
            let (evidence, heard, line) = (self.agent.evidence(), self.agent.hears().to_owned(), line.clone());
            pauses.push(Pause { evidence, ms, heard, line });
        }
    }

    fn heard(&mut self, kind: HypothesisKind, covers: u64) {
        let hypothesis = self.ears.hypothesis(kind, covers, self.corpus.unspaced);
        self.tell(Input::Heard(hypothesis));
    }

    fn interject(&mut self, sound: Sound) {
        let list = match sound {
            Sound::Turn => "interrupt",
            Sound::Backchannel => "backchannel",
            Sound::Elsewhere => "elsewhere",
            Sound::Noise => {
                let ms = self.rng.between(120.0, 320.0) as u64;
                let noise = Stretch {
                    words: vec![(String::new(), ms)],
                    after: After::End,
                    pitch_fall_st: None,
                    lengthening: 1.0,
                };
                return self.speak(vec![noise], sound);
            }
        };
        let state = self.agent.state_name().to_owned();
        let own = self.temper.as_mut().filter(|_| sound == Sound::Turn);
        let own = own.and_then(|temper| temper.says(&state, true, self.corpus));
        let words = own.unwrap_or_else(|| pick(&mut self.rng, self.corpus.list(list)).to_owned());
        let stretches = if sound == Sound::Turn {
            self.caller.speak(&words, "plan", self.behaviour, self.corpus, &mut self.rng)
        } else {
            vec![self.caller.in_one_breath(&words, self.corpus, &mut self.rng)]
        };
        self.speak(stretches, sound);
    }

    fn speak(&mut self, mut stretches: Vec<Stretch>, sound: Sound) {
        if let Some(temper) = &self.temper {
            for (_, ms) in stretches.iter_mut().flat_map(|stretch| &mut stretch.words) {
                *ms = (*ms as f64 * temper.word()) as u64;
            }
        }
        let over = self.playing.is_some();
        let (sensed, end) =
            self.ears.hear(self.now, &stretches, sound, over, (self.behaviour, self.corpus), &mut self.rng);
        for (at, sensed) in sensed {
            self.at(at, Event::Sensed(sensed));
        }
        if sound == Sound::Turn {
            self.sound(&stretches);
        }
        self.busy = end + 200;
        let mut from = self.now;
        let mut spans = Vec::with_capacity(stretches.len());
        for stretch in &stretches {
            let to = from + stretch.ms();
            spans.push(((from, to), stretch.after));
            from = to + if let After::Hold { ms, .. } = stretch.after { ms } else { 0 };
        }
        let asked = self.agent.evidence().asked();
        self.log.turns.push(Spoken { sound, over, asked, stretches: spans });
    }

    /// What an emotion engine says of a turn, at each of its pauses: of all that was heard of it so far.
    fn sound(&mut self, stretches: &[Stretch]) {
        let (mut heard, mut at) = (0, self.now);
        let mut told = Vec::new();
        if let Some(temper) = &mut self.temper {
            for stretch in stretches {
                heard += stretch.ms();
                at += stretch.ms();
                told.extend(temper.sounds(MediaTime::from_ms(at), heard).map(|emotion| (at, emotion)));
                at += if let After::Hold { ms, .. } = stretch.after { ms } else { 0 };
            }
            temper.spoke();
        }
        for (at, emotion) in told {
            let at = at + self.behaviour.pause_delay_ms;
            self.at(at, Event::Sensed(Sensed::Cue(Cue::Emotion(emotion))));
        }
    }
}
