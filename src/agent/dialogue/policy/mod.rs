//! Where the conversation stands and what is said next. Knows nothing of sound and time.

mod acting;
mod course;
mod disclosing;
mod discovering;
mod doubting;
mod entry;
mod feeling;
mod knowing;
mod meaning;
mod moving;
mod obeying;
mod objecting;
mod offering;
mod saying;

use super::flow::{Flow, Retry, Rule, State, Step};
use super::matching::is_whole;
use super::numbers::digits;
use super::phrase::Pattern;
use super::prompt::value;
use super::response::{End, Response};
use super::words::{ends_open, words};
use crate::agent::bounded::bounded;
use crate::agent::turn::{NewLine, Progress};
use crate::agent::{AgentEvent, AgentPlan};
use crate::record::{EndReason, ObjectionOutcome, TurnNotes};
use crate::speech::{AnswerKind, Expectation};
use course::{Course, Given};
use feeling::Moods;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most silences in a row, whatever the flow says.
const MAX_SILENCES: u32 = 24;
/// Most bytes of a slot's value.
const MAX_SLOT: usize = 300;

/// The state of the conversation. Cheap to clone: a decision that turns out to have been early is taken back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Dialogue {
    pub(super) flow: Arc<Flow>,
    variables: BTreeMap<String, String>,
    slots: BTreeMap<String, String>,
    disposition: Option<String>,
    min_confidence: f32,
    given: Given,
    course: Course,
    pub(super) state: usize,
    /// The state's question was put: the caller has heard at least its beginning.
    asked: bool,
    /// How often each prompt was said.
    said: BTreeMap<usize, usize>,
    last_said: Vec<String>,
    turns: u32,
    no_input: u32,
    no_match: u32,
    silences: u32,
    /// Digits or keys of an entry that is not complete.
    pub(super) entry: String,
    /// How the caller takes it.
    moods: Moods,
}

impl Dialogue {
    /// A conversation that has not begun. `min_confidence` applies where the flow has none.
    pub fn new(flow: Arc<Flow>, plan: AgentPlan, min_confidence: f32) -> Self {
        let AgentPlan { variables, intents, seed, prefer } = plan;
        let mut values = flow.values(&variables, |_| None);
        for (name, given) in variables {
            values.entry(name).or_insert_with(|| value(&given));
        }
        Self {
            min_confidence: flow.min_confidence.unwrap_or(min_confidence),
            state: flow.start,
            variables: values,
            slots: BTreeMap::new(),
            disposition: None,
            given: Given { intents, seed, prefer: Arc::new(prefer) },
            course: Course::default(),
            asked: false,
            said: BTreeMap::new(),
            last_said: Vec::new(),
            turns: 0,
            no_input: 0,
            no_match: 0,
            silences: 0,
            entry: String::new(),
            moods: Moods::default(),
            flow,
        }
    }

    fn at(&self) -> Option<&State> {
        self.flow.states.get(self.state)
    }

    /// The flow.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Name of the current state.
    pub fn state_name(&self) -> &str {
        self.at().map_or("", |state| state.name.as_str())
    }

    /// The slots filled so far.
    pub fn slots(&self) -> &BTreeMap<String, String> {
        &self.slots
    }

    /// The disposition set so far.
    pub fn disposition(&self) -> Option<&str> {
        self.disposition.as_deref()
    }

    /// What may be said now.
    pub fn expectation(&self) -> Option<&Arc<Expectation>> {
        self.at().map(|state| &state.expectation)
    }

    /// The kind of answer asked for.
    pub fn kind(&self) -> AnswerKind {
        if self.course.open.as_ref().is_some_and(|open| open.followed_up) || self.is_doubting() {
            return AnswerKind::YesNo;
        }
        if self.asks_too().is_some() {
            return AnswerKind::Open;
        }
        let asking = self.course.asking.and_then(|at| self.flow.selling.needs.get(at));
        asking.map_or(self.at().map_or(AnswerKind::Open, State::kind), |need| need.kind)
    }

    /// The state's own end-of-turn wait.
    pub fn wait_ms(&self) -> Option<u64> {
        self.at().and_then(|state| state.wait_ms)
    }

    /// The state's own silence before it asks again.
    pub fn no_input_ms(&self) -> Option<u64> {
        self.at().and_then(|state| state.no_input.after_ms)
    }

    /// The state's own wait for the next key.
    pub fn key_gap_ms(&self) -> Option<u64> {
        self.at().and_then(|state| state.collect.as_ref()).and_then(|collect| collect.gap_ms)
    }

    /// Keys or digits are waiting for more.
    pub fn entering(&self) -> bool {
        !self.entry.is_empty()
    }

    /// The state's question was put, or could not be.
    pub fn set_asked(&mut self) {
        self.asked = true;
    }

    /// The state's question was put.
    pub fn asked(&self) -> bool {
        self.asked
    }

    /// What is said while an answer is late.
    pub fn filler(&mut self) -> Option<String> {
        let flow = Arc::clone(&self.flow);
        self.next_variant(&flow.fillers)
    }

    /// A sentence of the language model was said.
    pub fn note_said(&mut self, sentence: &str) {
        if self.last_said.len() < 8 {
            self.last_said.push(sentence.to_owned());
        }
    }

    /// How far the caller's words have come.
    pub fn progress(&self, text: &str) -> Progress {
        let Some(state) = self.at() else { return Progress::Nothing };
        let heard = words(text);
        if let Some(collect) = &state.collect {
            let digits = digits(&heard).len();
            if digits > 0 {
                let all = self.entry.len() + digits >= collect.max;
                return if all { Progress::Expected } else { Progress::Digits };
            }
        }
        if heard.is_empty() {
            return if text.trim().is_empty() { Progress::Nothing } else { Progress::Incomplete };
        }
        if is_whole(self.patterns(), &heard) {
            Progress::Expected
        } else if ends_open(text) {
            Progress::Incomplete
        } else {
            Progress::Words
        }
    }

    /// What is said before the question was put cannot be its answer; only what may be said at any time counts.
    fn own_rules(&self) -> &[Rule] {
        self.own_rules_of(&self.flow)
    }

    /// Everything that may be said now.
    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let selling = &self.flow.selling;
        let sells = self.at().is_some_and(|state| state.selling);
        let objections = selling.objections.all.iter().filter(move |_| sells).flat_map(|objection| &objection.patterns);
        let follows_up = self.follows_up();
        let both = selling.objections.yes.iter().chain(&selling.objections.no).filter(move |_| follows_up);
        let need = self.course.asking.and_then(|at| selling.needs.get(at));
        let need = need.into_iter().flat_map(|need| need.heard.iter().chain(&need.answers)).map(|(pattern, _)| pattern);
        let rules = self.own_rules().iter().chain(&self.flow.globals).flat_map(|rule| &rule.patterns);
        rules.chain(objections).chain(both).chain(need)
    }

    fn own_rules_of<'a>(&self, flow: &'a Flow) -> &'a [Rule] {
        match flow.states.get(self.state) {
            Some(state) if self.asked => &state.rules,
            _ => &[],
        }
    }

    fn is_spoken(&self, text: &str, confidence: f32) -> Option<Vec<String>> {
        let heard = words(text);
        (!heard.is_empty() && confidence >= self.min_confidence).then_some(heard)
    }

    /// Whether these words lead anywhere.
    pub fn understands(&self, text: &str, confidence: f32) -> bool {
        let Some(heard) = self.is_spoken(text, confidence) else { return false };
        let collects = self.asked && self.at().is_some_and(|state| state.collect.is_some());
        let reading = self.reading(text);
        let meaning = self.meaning(text, &heard, reading.as_ref());
        collects && !digits(&heard).is_empty()
            || meaning.is_some()
            || self.doubts(&heard, reading.as_ref(), meaning.as_ref())
            || self.hastens(text)
            || self.known_of(text).is_some()
    }

    /// The call is up.
    pub fn start(&mut self) -> Response {
        let mut response = Response::default();
        self.enter(self.flow.start, &mut response);
        self.done(response)
    }

    /// The caller said this.
    pub fn heard(&mut self, text: &str, confidence: f32) -> Response {
        let before = self.state;
        let response = self.taken(text, confidence);
        self.react(before, response)
    }

    /// What the words themselves lead to.
    fn taken(&mut self, text: &str, confidence: f32) -> Response {
        if let Some(response) = self.turn_taken() {
            return response;
        }
        self.course.resume = false;
        self.course.wanted = None;
        self.course.heard = bounded(text, MAX_SLOT).to_owned();
        let Some(heard) = self.is_spoken(text, confidence) else { return self.no_match() };
        if self.asked
            && let Some(collect) = self.at().and_then(|state| state.collect.clone())
        {
            let spoken = digits(&heard);
            if !spoken.is_empty() {
                self.extend_entry(&spoken);
                // Digits come in groups: too few are kept, and the rest is waited for.
                return if self.entry.len() < collect.min { Response::default() } else { self.entry_over() };
            }
        }
        let reading = self.reading(text);
        let meaning = self.meaning(text, &heard, reading.as_ref());
        // A request for haste is no answer to what may be answered with anything.
        if meaning.as_ref().is_none_or(|meaning| meaning.loose) && self.hastens(text) {
            return self.hastened();
        }
        let mut notes = TurnNotes {
            intent: reading.as_ref().map(|reading| reading.path()),
            intent_confidence: reading.as_ref().map(|reading| reading.confidence),
            ..TurnNotes::default()
        };
        if let Some(mut response) = self.doubt(&heard, reading.as_ref(), meaning.as_ref()) {
            if notes != TurnNotes::default() {
                response.events.insert(0, AgentEvent::Understood(Box::new(notes)));
            }
            return self.done(response);
        }
        let known = meaning.as_ref().and_then(|meaning| self.known_better(text, meaning));
        let Some(meaning) = meaning.filter(|_| known.is_none()) else {
            let mut response = match known.or_else(|| self.known_of(text)) {
                Some(known) => {
                    let mut response = Response::default();
                    self.answer(text, known, &mut response);
                    self.close_down(&mut response);
                    self.done(response)
                }
                None => self.no_match(),
            };
            if notes != TurnNotes::default() {
                response.events.insert(0, AgentEvent::Understood(Box::new(notes)));
            }
            self.close_down(&mut response);
            return self.done(response);
        };
        notes.signal = meaning.signal;
        notes.objection = self.raised(meaning.what);
        let mut response = Response::default();
        if notes != TurnNotes::default() {
            response.events.push(AgentEvent::Understood(Box::new(notes)));
        }
        self.act(meaning, &mut response);
        self.close_down(&mut response);
        self.done(response)
    }

    /// A key or a spoken turn begins: counts it, and ends the call after too many.
    pub fn turn_taken(&mut self) -> Option<Response> {
        self.turns = self.turns.saturating_add(1);
        self.silences = 0;
        (self.turns > self.flow.max_turns).then(|| {
            let step = self.flow.too_many_turns.clone();
            self.ending(&step, EndReason::Completed)
        })
    }

    /// The caller says nothing.
    pub fn silence(&mut self) -> Response {
        self.no_input += 1;
        self.silences += 1;
        if self.silences > MAX_SILENCES {
            return self.fallback(EndReason::Completed);
        }
        let retry = self.at().map(|state| state.no_input.clone());
        self.retry(retry, self.no_input)
    }

    /// The caller said nothing that the state knows.
    pub fn no_match(&mut self) -> Response {
        self.no_match += 1;
        self.entry.clear();
        let retry = self.at().map(|state| state.no_match.clone());
        self.retry(retry, self.no_match)
    }

    fn retry(&mut self, retry: Option<Retry>, count: u32) -> Response {
        let mut response = Response::default();
        match retry {
            // Silence that lasts ends as silence, however often the question was put.
            Some(retry) if count > retry.max => self.step(&retry.finally, &mut response),
            Some(_) if self.worn_out() => self.give_up_state(&mut response),
            Some(retry) => match &retry.say {
                Some(say) => {
                    // In order for every state: the second wording is for the second time.
                    self.disclose_first(&mut response);
                    if let Some(text) = self.render(say, count as usize - 1) {
                        response.lines.push(NewLine {
                            text,
                            interruptible: true,
                            question: true,
                            ..NewLine::default()
                        });
                    }
                }
                None => {
                    // Nobody answered it: another question may be worth more now.
                    self.course.asking = None;
                    self.ask_again(&mut response);
                }
            },
            None => {}
        }
        self.done(response)
    }

    /// Nothing works: the fallback line and its end. `reason` is the end of a call that is not transferred.
    pub fn fallback(&mut self, reason: EndReason) -> Response {
        let step = self.flow.fallback.clone();
        self.ending(&step, reason)
    }

    /// The caller cannot be heard any more. Also the time that is given for a key, if any.
    pub fn engine_down(&mut self, reason: EndReason) -> (Response, u64) {
        let keys = self.at().into_iter().flat_map(|state| &state.rules).chain(&self.flow.globals);
        let keypad = keys.into_iter().any(|rule| rule.dtmf.is_some()) || self.at().is_some_and(|s| s.collect.is_some());
        let step = self.flow.engine_down.clone();
        let wait_ms = if keypad { self.flow.engine_down_wait_ms } else { 0 };
        (self.ending(&step, reason), wait_ms)
    }

    /// The other side did not take the call.
    pub fn transfer_failed(&mut self, target: &str) -> Response {
        self.course.refused = true;
        let step = self.flow.transfer_failed.clone();
        self.ending(&step, EndReason::Failed { why: format!("the transfer to {target} was not accepted") })
    }

    fn ending(&mut self, step: &Step, reason: EndReason) -> Response {
        let mut response = Response::default();
        self.step(step, &mut response);
        for line in &mut response.lines {
            line.interruptible = false;
        }
        if let Some(End::HangUp(end)) = &mut response.end {
            *end = reason;
        }
        self.done(response)
    }

    /// The language model's answer was given: a state that goes on by itself does so.
    pub fn answered(&mut self) -> Response {
        let mut response = Response::default();
        let resume = std::mem::take(&mut self.course.resume);
        if self.move_wanted(&mut response) {
        } else if resume {
            self.ask_again(&mut response);
        } else if let Some(next) = self.at().and_then(|state| state.next.clone()) {
            self.step(&next, &mut response);
        }
        if self.course.close_next {
            self.close_down(&mut response);
        }
        let said = std::mem::take(&mut self.last_said);
        let response = self.done(response);
        if self.last_said.is_empty() {
            self.last_said = said;
        }
        response
    }

    pub(super) fn progressed(&mut self) {
        self.no_input = 0;
        self.no_match = 0;
        self.entry.clear();
    }

    pub(super) fn fill(&mut self, name: String, value: String, response: &mut Response) {
        let value = bounded(&value, MAX_SLOT).to_owned();
        self.slots.insert(name.clone(), value.clone());
        response.events.push(AgentEvent::Slot { name, value });
    }

    pub(super) fn done(&mut self, mut response: Response) -> Response {
        if response.end.is_some() {
            self.settle(ObjectionOutcome::Ended, &mut response);
        }
        if !response.lines.is_empty() {
            self.last_said = response.lines.iter().map(|line| line.text.clone()).collect();
        } else if response.task.is_some() {
            self.last_said.clear();
        }
        response
    }
}
