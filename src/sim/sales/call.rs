//! One call: the agent as it is, and a customer in the place of the line, the recogniser and the synthesiser.
//!
//! Nothing takes time but speaking: lines are ready at once, the recogniser's answer is there when it is asked for. What the agent
//! hears has errors; what it says over an interruption is cut where it was cut.

use super::customer::{Customer, Deed, Meant, Moment};
use super::words::Words;
use crate::agent::{Action, Agent, AgentEvent, AgentPlan, Flow, Input, TurnConfig};
use crate::audio::{MediaTime, PlayoutEvent, SAMPLES_PER_MS, UtteranceId};
use crate::record::{ObjectionOutcome, ObjectionRecord, OfferRecord, Speaker};
use crate::speech::{Hypothesis, HypothesisKind, Reply, SpeechEdge};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A call ends here, whatever happens.
const LONGEST_MS: u64 = 900_000;
/// Turns of the customer after which it ends here: far more than a flow permits.
const MOST_TURNS: u32 = 60;
/// The disposition, and the slot, of a call after which the number is not called again.
const OFF_THE_LIST: &str = "do_not_call";
/// Timers in a row that lead to nothing.
const MOST_TIMERS: u32 = 200;

/// Who ended a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum EndedBy {
    #[default]
    Nobody,
    Agent,
    Customer,
    Transfer,
}

/// What came of a call.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub ended_by: EndedBy,
    pub disposition: Option<String>,
    /// The customer's turns.
    pub turns: u32,
    /// Turns until five needs were known, counted from the first question about a need.
    pub turns_to_five: Option<u32>,
    pub needs_known: usize,
    pub asked_needs: bool,
    /// Objections as they were meant, each time that one was said.
    pub raised: Vec<&'static str>,
    /// Of those, as what the agent took them, where it took them for an objection.
    pub understood: u32,
    pub objections: Vec<ObjectionRecord>,
    pub offers: Vec<OfferRecord>,
    /// Lines that were chosen among: list and wording.
    pub said: Vec<(String, String)>,
    /// Demands never to be called again.
    pub demands: u32,
    /// The call was booked so that the number is not called again.
    pub off_the_list: bool,
    /// The customer abused the agent or complained, which takes the number off the list, too.
    pub incensed: bool,
    /// Something was sold, asked or offered after the first demand was heard.
    pub sold_on: bool,
}

struct Line {
    utterance: UtteranceId,
    ms: u64,
}

/// A call under way.
pub(super) struct Call<'a> {
    agent: Agent,
    flow: &'a Flow,
    words: &'a Words,
    quality: &'a dyn Fn(&str) -> f64,
    customer: Customer<'a>,
    now: u64,
    todo: VecDeque<Input>,
    lines: VecDeque<Line>,
    playing: Option<(UtteranceId, u64)>,
    /// What the recogniser has of the current utterance.
    hearing: String,
    confidence: f32,
    moment: Moment,
    last_line: String,
    /// The objection that the agent took the current utterance for, whatever it did about it.
    taken_for: Option<String>,
    asked_at: Option<u32>,
    account: Account,
    over: bool,
}

impl<'a> Call<'a> {
    pub fn new(
        flow: &'a Arc<Flow>,
        plan: AgentPlan,
        words: &'a Words,
        quality: &'a dyn Fn(&str) -> f64,
        customer: Customer<'a>,
    ) -> Self {
        // An answer that is thought out ahead is the same answer.
        let config = TurnConfig { work_ahead: false, ..TurnConfig::default() };
        Self {
            agent: Agent::with_plan(Arc::clone(flow), plan, config),
            flow,
            words,
            quality,
            customer,
            now: 0,
            todo: VecDeque::new(),
            lines: VecDeque::new(),
            playing: None,
            hearing: String::new(),
            confidence: 0.9,
            moment: Moment::default(),
            last_line: String::new(),
            taken_for: None,
            asked_at: None,
            account: Account::default(),
            over: false,
        }
    }

    /// Holds the call to its end.
    pub fn hold(mut self) -> Account {
        self.tell(Input::Answered);
        while !self.over && self.now < LONGEST_MS {
            self.play();
            if self.over || !self.lines.is_empty() {
                continue;
            }
            if self.account.turns >= MOST_TURNS {
                break;
            }
            let moment = self.understood();
            let deed = self.customer.turn(&moment);
            self.account.turns += 1;
            match deed {
                Deed::Say { text, meant } => self.speak(&text, &meant),
                Deed::Silence => self.wait(),
                Deed::HangUp => {
                    self.account.ended_by = EndedBy::Customer;
                    self.tell(Input::Over);
                    self.over = true;
                }
            }
            self.notice_needs();
        }
        self.account.disposition = self.agent.disposition().map(str::to_owned);
        self.account.demands = self.customer.demanded_silence;
        let listed = self.agent.slots().get(OFF_THE_LIST).is_some_and(|value| value == "yes");
        self.account.off_the_list = listed || self.account.disposition.as_deref() == Some(OFF_THE_LIST);
        self.account.incensed = self.customer.incensed;
        self.account
    }

    /// What was said since the customer's last turn, as they take it.
    fn understood(&mut self) -> Moment {
        let state = self.flow.states.iter().find(|state| state.name == self.agent.state_name());
        let mut moment = std::mem::take(&mut self.moment);
        moment.kind = state.map_or("", |state| state.purpose.name());
        moment.need = self.agent.asks_for();
        moment.need_too = self.agent.asks_too();
        moment.cue = self.words.cue(&self.last_line);
        if moment.need.is_some() && self.asked_at.is_none() {
            self.asked_at = Some(self.account.turns);
            self.account.asked_needs = true;
        }
        moment
    }

    /// A need is known when its slot is filled and the customer has told it: a slot that something else stands in knows nothing.
    fn notice_needs(&mut self) {
        let slots = self.agent.slots();
        let known = |slot: &String| slots.get(slot).is_some_and(|value| !value.is_empty());
        let needs = self.flow.selling.needs.iter().enumerate();
        let told = |at: &usize| self.customer.has_told(*at);
        self.account.needs_known = needs.filter(|(at, need)| told(at) && known(&need.slot)).count();
        if self.account.needs_known >= 5
            && self.account.turns_to_five.is_none()
            && let Some(since) = self.asked_at
        {
            self.account.turns_to_five = Some(self.account.turns - since);
        }
    }

    fn tell(&mut self, input: Input) {
        self.todo.push_back(input);
        while let Some(input) = self.todo.pop_front() {
            self.agent.handle(MediaTime::from_ms(self.now), input);
            while let Some(action) = self.agent.poll() {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Say { utterance, text } => {
                let ms = self.line_ms(&text);
                self.lines.push_back(Line { utterance, ms });
                self.last_line = text;
                self.todo.push_back(Input::LineReady { utterance, total_samples: None });
            }
            Action::SayFirst { utterance, text } => {
                let ms = self.line_ms(&text);
                self.lines.push_front(Line { utterance, ms });
                self.todo.push_back(Input::LineReady { utterance, total_samples: None });
            }
            Action::Prepare { utterance, .. } => {
                self.todo.push_back(Input::LineReady { utterance, total_samples: None });
            }
            Action::StopSpeaking => {
                self.lines.clear();
                if let Some((utterance, began)) = self.playing.take() {
                    let played = (self.now - began) * SAMPLES_PER_MS;
                    let at = MediaTime::from_ms(self.now);
                    self.todo.push_back(Input::Playout(PlayoutEvent::Cut { utterance, played, at }));
                }
            }
            Action::Flush => {
                let heard = self.hypothesis(HypothesisKind::Final);
                self.todo.push_back(Input::Heard(heard));
            }
            Action::FinishUtterance { .. } => self.hearing.clear(),
            Action::Ask { ask, request } => {
                self.todo.push_back(Input::Reply { ask, reply: Reply::Delta(request.template) });
                self.todo.push_back(Input::Reply { ask, reply: Reply::Done });
            }
            Action::Transfer { .. } => {
                self.account.ended_by = EndedBy::Transfer;
                self.todo.push_back(Input::TransferEnded { accepted: true });
            }
            Action::HangUp(_) => {
                if self.account.ended_by == EndedBy::Nobody {
                    self.account.ended_by = EndedBy::Agent;
                }
                self.over = true;
            }
            Action::Report(event) => self.report(event),
            Action::Duck
            | Action::Pause
            | Action::Unduck
            | Action::Discard { .. }
            | Action::CancelAsk { .. }
            | Action::Manner(_)
            | Action::Expect(_)
            | Action::SendDtmf(_) => {}
        }
    }

    fn report(&mut self, event: AgentEvent) {
        match event {
            AgentEvent::Understood(notes) => self.taken_for = notes.objection,
            AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => {
                let notes = turn.notes;
                if let Some((list, wording)) = notes.wording.as_deref().and_then(|wording| wording.split_once('/')) {
                    let quality = (self.quality)(&format!("{}/{list}/{wording}", self.flow.name()));
                    if list.starts_with("opening.") {
                        self.moment.opening = Some(quality);
                    }
                    if let Some(objection) = &notes.objection {
                        self.moment.rebutted = Some((objection.clone(), quality));
                    }
                    // One that was interrupted and begun again is said once.
                    let said = (list.to_owned(), wording.to_owned());
                    if !self.account.said.contains(&said) {
                        self.account.said.push(said);
                    }
                }
                if notes.offer.is_some() {
                    self.moment.offer = true;
                    self.account.sold_on |= self.customer.demanded_silence > 0;
                }
            }
            AgentEvent::Objection(objection) => {
                if objection.rebuttal.is_none() {
                    self.moment.gave_in = true;
                }
                self.enter_objection(objection);
            }
            AgentEvent::Offer(offer) => match self.account.offers.iter_mut().find(|known| known.offer == offer.offer) {
                Some(known) => *known = offer,
                None => self.account.offers.push(offer),
            },
            _ => {}
        }
    }

    fn enter_objection(&mut self, objection: ObjectionRecord) {
        let open = |known: &&mut ObjectionRecord| {
            known.outcome == ObjectionOutcome::Open
                && known.class == objection.class
                && known.rebuttal == objection.rebuttal
        };
        match self.account.objections.iter_mut().rev().find(open) {
            Some(known) if objection.outcome != ObjectionOutcome::Open => known.outcome = objection.outcome,
            _ => self.account.objections.push(objection),
        }
    }

    fn line_ms(&self, text: &str) -> u64 {
        let per_char = if self.words.unspaced { 190 } else { 62 };
        text.chars().count() as u64 * per_char
    }

    fn hypothesis(&self, kind: HypothesisKind) -> Hypothesis {
        let text = self.hearing.clone();
        let confidence = if text.is_empty() { 0.0 } else { self.confidence };
        Hypothesis { kind, text, confidence, covers: MediaTime::from_ms(self.now), degraded: false }
    }

    /// Plays what is waiting; the customer may speak over it.
    fn play(&mut self) {
        let mut spoken_over = false;
        while let Some(Line { utterance, ms }) = self.lines.pop_front() {
            let began = self.now;
            self.playing = Some((utterance, began));
            self.tell(Input::Playout(PlayoutEvent::Started { utterance, at: MediaTime::from_ms(began) }));
            if !spoken_over && self.playing.is_some() && self.customer.interrupts(ms) {
                spoken_over = true;
                self.now += self.customer.somewhere(ms);
                let kind = self.flow.states.iter().find(|state| state.name == self.agent.state_name());
                let kind = kind.map_or("", |state| state.purpose.name());
                if let Deed::Say { text, meant } = self.customer.throws_in(kind) {
                    self.account.turns += 1;
                    self.speak(&text, &meant);
                }
                if self.playing.is_none() {
                    continue;
                }
            }
            self.now = self.now.max(began + ms);
            self.playing = None;
            if self.over {
                return;
            }
            self.tell(Input::Playout(PlayoutEvent::Finished { utterance, at: MediaTime::from_ms(self.now) }));
        }
    }

    /// The customer says something, and the agent answers or does not.
    fn speak(&mut self, text: &str, meant: &Meant) {
        let before = self.account.objections.len();
        self.now += 300;
        let onset = self.now;
        self.hearing = self.customer.heard(text);
        self.confidence = 0.85;
        self.taken_for = None;
        if let Meant::Objection(objection) = meant {
            self.account.raised.push(objection);
        }
        self.now += 100;
        self.tell(Input::Speech(SpeechEdge::Started { onset: MediaTime::from_ms(onset) }));
        let partial = self.hypothesis(HypothesisKind::Partial);
        self.tell(Input::Heard(partial));
        let last = onset + self.words.length_ms(text);
        self.timers(last, false);
        self.now = self.now.max(last) + 80;
        self.tell(Input::Speech(SpeechEdge::Paused { last: MediaTime::from_ms(last) }));
        self.timers(last + 3_000, true);
        let answered = self.account.objections.get(before..).unwrap_or_default();
        let as_meant = |objection: &str| {
            self.taken_for.as_deref() == Some(objection) || answered.iter().any(|known| known.class == objection)
        };
        match meant {
            Meant::Objection(objection) if as_meant(objection) => self.account.understood += 1,
            Meant::Objection(_) => self.moment.misunderstood = true,
            _ => {}
        }
    }

    /// Lets timers fire until `until`, or until the agent has something to say.
    fn timers(&mut self, until: u64, to_answer: bool) {
        for _ in 0..MOST_TIMERS {
            if self.over || to_answer && !self.lines.is_empty() {
                return;
            }
            let Some(deadline) = self.agent.deadline().map(|at| at.ms()).filter(|at| *at < until) else { return };
            // Deadlines in samples are not always whole milliseconds.
            self.now = self.now.max(deadline) + 1;
            self.tell(Input::Deadline);
        }
    }

    /// The customer says nothing: the agent will.
    fn wait(&mut self) {
        self.timers(self.now + 30_000, true);
    }
}

/// Slots that hold the answers to needs, for whoever prepares a customer: how each can be put.
pub(super) fn answers(flow: &Flow, pick: &mut dyn FnMut(&[String]) -> String) -> Vec<String> {
    flow.selling.needs.iter().map(|need| pick(&need.spoken)).collect()
}

/// Values of a flow's variables for a lead.
pub(super) fn variables(flow: &Flow, lead: &super::Lead) -> BTreeMap<String, String> {
    let given =
        BTreeMap::from([("audience".to_owned(), lead.audience.clone()), ("profile".to_owned(), lead.profile.clone())]);
    flow.values(&given, |_| None)
}
