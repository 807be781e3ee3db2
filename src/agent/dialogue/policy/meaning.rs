//! What the caller's words mean where the conversation stands: phrases first, then the classifier, then what is left.

use super::Dialogue;
use crate::agent::dialogue::flow::{Flow, Outcome, Rule, State};
use crate::agent::dialogue::matching::{Candidate, among, locate};
use crate::agent::dialogue::phrase::{Found, Pattern};
use crate::agent::dialogue::question::asks;
use crate::agent::dialogue::selling::{Kind, Need};
use crate::agent::leash::amount;
use crate::nlu::{Action, Actions, Objection, Reading, Scope};
use crate::speech::AnswerKind;

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    /// The answer of this number, of the state.
    Own(usize),
    /// The answer of this number, of all states.
    Global(usize),
    /// This objection.
    Objection(usize),
    /// A buying signal and nothing else.
    Signal,
    /// Yes or no to the question after a rebuttal.
    Agree,
    Disagree,
    /// Needs were told and nothing else.
    Needs,
    /// The words are the answer to the question for this need.
    Keep(usize),
    /// They are the answer to what a rebuttal asked, and say nothing that is kept.
    Answered,
    /// A bare no to the question for a need.
    Pass,
    /// The disclosure was not heard: it goes before whatever this was.
    Undisclosed,
}

/// A slot and its value.
pub(super) type Fill = (String, String);

/// What the caller's words mean.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Meaning {
    pub what: Move,
    /// The words that say it.
    pub text: String,
    /// Slots that they fill.
    pub fills: Vec<Fill>,
    /// They show that the caller wants to buy.
    pub signal: bool,
    /// They are none that was expected; anything would have been taken.
    pub loose: bool,
    /// Words of the phrase that it is; 0 where it is no phrase's.
    pub phrase: usize,
}

/// Kinds of answers in the order in which they go among equals.
const SIGNAL: u8 = 0;
const GLOBAL: u8 = 1;
const TABLE: u8 = 2;
const OWN: u8 = 3;
const FOLLOW_UP: u8 = 4;
const INTERRUPT: u8 = 5;

/// Endings of a Chinese question.
const QUESTIONS_ZH: [char; 2] = ['吗', '呢'];

/// Turns of the caller in which the classifier alone may tell that the wrong person is on the line.
pub(super) const FIRST_TURNS: u32 = 2;
/// So sure a reading must be that ends the call.
const ENDS: f32 = 0.85;
/// An objection is met from here on: to meet one that was not meant costs a sentence, to pass over one costs the caller's trust.
const OBJECTS: f32 = 0.45;
/// Where the answer to a question about needs is awaited, an objection must be plainer: most of what is said there is that answer.
const OBJECTS_INSTEAD: f32 = 0.75;
/// And a wish to buy, plainer still: needs are told in its words.
const SIGNALS_INSTEAD: f32 = 0.95;
/// A yes that was awaited is taken from here on: going on is what costs least when it was none.
const AGREES: f32 = 0.45;
/// An objection that is read so surely is one, though the words are none that callers usually say.
const ANYWAY: f32 = 0.85;
/// So sure that the number comes off the list where the flow has no question to ask about it.
const UNASKED: f32 = 0.4;

impl Dialogue {
    /// What the classifier says, where there is one.
    pub(super) fn reading(&self, text: &str) -> Option<Reading> {
        let intents = self.given.intents.as_ref()?;
        let scene = self.at().and_then(|state| state.scene);
        let scope = self.flow.selling.scope;
        let scope =
            Scope { scene: scene.or(scope.scene), industry: scene.map(|s| s.industry()).or(scope.industry), ..scope };
        Some(intents.read(text, &Scope { awaits: self.awaits(), ..scope }))
    }

    /// What answers the question that was put.
    fn awaits(&self) -> Actions {
        if !self.asked {
            return Actions::default();
        }
        let objections = &self.flow.selling.objections.all;
        let rules = self.own_rules().iter().filter(|rule| self.may(rule));
        let named = rules.clone().flat_map(|rule| &rule.intents);
        let raised = rules.flat_map(|rule| &rule.objections).filter_map(|at| Some(&objections.get(*at)?.name));
        let told = self.asked_for().map(|_| Action::GiveSlot);
        let answers = (self.kind() == AnswerKind::YesNo).then_some([Action::Confirm, Action::Deny]);
        let named = named.chain(raised).filter_map(|name| Action::from_id(name));
        named.chain(told).chain(answers.into_iter().flatten()).collect()
    }

    /// How sure a reading of this action must be to count; none: it never does by itself. To end a call for something that was not
    /// said loses it, so what ends calls must be plainer. Never to be called again is asked about where the flow can ask, and where
    /// another call was just talked about ("no need to call") by all means; where it cannot, it is heeded sooner, because not to heed
    /// it is worse. A wrong number is never taken off the classifier where the flow can ask whether it is one.
    fn sure_enough(&self, action: Action) -> Option<f32> {
        let usual = self.flow.selling.min_intent;
        let named = |rule: &&Rule| rule.intents.iter().any(|intent| intent == action.id());
        let asks = || self.flow.globals.iter().filter(named).any(|rule| rule.doubt.is_some());
        match action {
            Action::DoNotCall => {
                let asks = asks();
                match self.at().is_some_and(|state| state.purpose.leaves()) {
                    _ if !asks => Some(usual.min(UNASKED)),
                    true => None,
                    false => Some(usual.max(ENDS)),
                }
            }
            // Who has talked for a while is the one who was called: from then on it must be said in so many words.
            Action::WrongPerson if self.turns > FIRST_TURNS || asks() => None,
            Action::WrongPerson | Action::Minor | Action::Distress | Action::Abuse | Action::Complaint => {
                Some(usual.max(ENDS))
            }
            Action::Object(_) if self.asked_for().is_some() => Some(usual.max(OBJECTS_INSTEAD)),
            Action::Object(_) => Some(usual.min(OBJECTS)),
            Action::BuyingSignal if self.asked_for().is_some() => Some(usual.max(SIGNALS_INSTEAD)),
            Action::Confirm if self.awaits().has(action) => Some(usual.min(AGREES)),
            _ => Some(usual),
        }
    }

    /// What the caller's words mean; none: nothing that is known here.
    pub(super) fn meaning(&self, text: &str, heard: &[String], reading: Option<&Reading>) -> Option<Meaning> {
        let flow = &*self.flow;
        let selling = self.at().is_some_and(|state| state.selling);
        let sure = reading.filter(|reading| {
            let within = reading.in_scope || reading.objection.is_some() && reading.confidence >= ANYWAY;
            within && self.sure_enough(reading.action).is_some_and(|least| reading.confidence >= least)
        });
        let found = among(&self.candidates(flow, selling), heard);
        let by_phrase = found.as_ref().filter(|(_, found)| found.fixed > 0);
        let by_reading = sure.and_then(|reading| {
            let what = self.move_for(flow, selling, reading.action)?;
            (reading.confidence >= ENDS || !self.gives_up(flow, what)).then_some(what)
        });
        let fills = if selling || self.course.asking.is_some() { self.needs_in(flow, heard) } else { Vec::new() };
        let told = self.is_told(flow, heard, by_phrase);

        let weak = |found: &Found| found.fixed * 2 < heard.len();
        let interrupts =
            |what: Move| matches!(what, Move::Global(at) if flow.globals.get(at).is_some_and(|rule| rule.interrupt));
        let what = match (by_phrase, by_reading) {
            _ if told => Some(Move::Needs),
            _ if self.passes(flow, heard, by_phrase.map(|(what, _)| *what)) => Some(Move::Pass),
            // One word of many says less than the whole.
            (Some((what, found)), Some(read)) if weak(found) && !interrupts(*what) && !self.takes_back(*what, read) => {
                Some(read)
            }
            (Some((what, _)), _) => Some(*what),
            (None, read) => read,
        };
        // What is known by its words calls for no offer because it is read as a wish, too: most of it are questions.
        let read = sure.filter(|_| by_phrase.is_none_or(|(_, found)| weak(found)));
        let signal = selling && self.is_signal(flow, heard, read.map(|reading| reading.action));
        let last = || match found {
            // A star takes what is left.
            Some((what, _)) => Some(what),
            None if signal => Some(Move::Signal),
            None if !fills.is_empty() => Some(Move::Needs),
            None if self.follows_up() => self.answers(flow, text, sure).then_some(Move::Answered),
            None => self.kept(flow, text, sure).map(Move::Keep),
        };
        let loose = what.is_none();
        let what = what.or_else(last)?;
        if !self.course.undisclosed.is_empty() && !interrupts(what) {
            return Some(Meaning {
                what: Move::Undisclosed,
                text: String::new(),
                fills: Vec::new(),
                signal: false,
                loose: false,
                phrase: 0,
            });
        }
        let mut all = fills;
        let mut words = text.trim().to_owned();
        let mut phrase = 0;
        if let Some((chosen, found)) = &found
            && *chosen == what
        {
            phrase = found.fixed;
            all.extend(found.slots.iter().cloned());
            words = heard.get(found.start..found.end).unwrap_or_default().join(" ");
        }
        Some(Meaning { what, text: words, fills: all, signal, loose, phrase })
    }

    /// Everything that may be said now.
    fn candidates<'a>(&self, flow: &'a Flow, selling: bool) -> Vec<Candidate<'a, Move>> {
        let mut all = Vec::new();
        let own = self.own_rules_of(flow);
        for (at, rule) in flow.globals.iter().enumerate().filter(|(_, rule)| self.may(rule)) {
            let priority = if rule.interrupt { INTERRUPT } else { GLOBAL };
            all.push(Candidate { priority, patterns: &rule.patterns, what: Move::Global(at) });
        }
        for (at, rule) in own.iter().enumerate().filter(|(_, rule)| self.may(rule)) {
            all.push(Candidate { priority: OWN, patterns: &rule.patterns, what: Move::Own(at) });
            for objection in rule.objections.iter().filter_map(|at| flow.selling.objections.all.get(*at)) {
                all.push(Candidate { priority: OWN, patterns: &objection.patterns, what: Move::Own(at) });
            }
        }
        let objections = &flow.selling.objections;
        if selling {
            for (at, objection) in objections.all.iter().enumerate() {
                all.push(Candidate { priority: TABLE, patterns: &objection.patterns, what: Move::Objection(at) });
            }
            // A question that shows a wish to buy is answered first; the offer follows.
            all.push(Candidate { priority: SIGNAL, patterns: &flow.selling.signals.patterns, what: Move::Signal });
        }
        if self.follows_up() {
            all.push(Candidate { priority: FOLLOW_UP, patterns: &objections.yes, what: Move::Agree });
            all.push(Candidate { priority: FOLLOW_UP, patterns: &objections.no, what: Move::Disagree });
        }
        all
    }

    /// After the yes an answer of the state counts before an objection that is only read: nobody is talked round who takes it back.
    fn takes_back(&self, what: Move, read: Move) -> bool {
        let closes = self.at().is_some_and(|state| state.purpose == Kind::Close);
        closes && matches!(what, Move::Own(_)) && matches!(read, Move::Objection(_))
    }

    /// The need whose question is the one that the caller answers: none while a rebuttal has asked something of its own.
    fn asked_for(&self) -> Option<usize> {
        self.course.asking.filter(|_| self.asked && !self.follows_up())
    }

    /// The other need of the same question.
    fn asked_for_too(&self) -> Option<usize> {
        self.asked_for().and(self.course.asking_too)
    }

    /// The question after a rebuttal was put.
    pub(super) fn follows_up(&self) -> bool {
        self.asked && self.course.open.as_ref().is_some_and(|open| open.followed_up)
    }

    pub(super) fn may(&self, rule: &Rule) -> bool {
        rule.when.as_ref().is_none_or(|guard| self.holds(guard))
    }

    /// What the classifier's action leads to here.
    fn move_for(&self, flow: &Flow, selling: bool, action: Action) -> Option<Move> {
        let id = action.id();
        let has = |rule: &Rule| rule.intents.iter().any(|intent| intent == id) && self.may(rule);
        if let Some(at) = flow.globals.iter().position(|rule| rule.interrupt && has(rule)) {
            return Some(Move::Global(at));
        }
        match action {
            Action::Confirm if self.follows_up() => return Some(Move::Agree),
            Action::Deny if self.follows_up() => return Some(Move::Disagree),
            _ => {}
        }
        let objections = &flow.selling.objections;
        let raised = objections.find(id).or_else(|| {
            objections.all.iter().position(|objection| objection.intents.iter().any(|intent| intent == id))
        });
        let own = self.own_rules_of(flow).iter();
        let takes = |rule: &Rule| has(rule) || raised.is_some_and(|at| rule.objections.contains(&at)) && self.may(rule);
        if let Some(at) = own.clone().position(takes) {
            return Some(Move::Own(at));
        }
        if selling {
            if let Some(at) = raised {
                return Some(Move::Objection(at));
            }
            if self.signals(flow, action) {
                return Some(Move::Signal);
            }
        }
        flow.globals.iter().position(has).map(Move::Global)
    }

    /// An answer of the state after which nothing follows but the farewell.
    fn gives_up(&self, flow: &Flow, what: Move) -> bool {
        let Move::Own(at) = what else { return false };
        let farewell = |state: &State| state.purpose.leaves() && state.rules.is_empty();
        let from = self.at().is_some_and(|state| state.purpose.leaves());
        !from
            && self.own_rules_of(flow).get(at).is_some_and(|rule| match &rule.step.then {
                Outcome::HangUp => true,
                Outcome::Goto(state) => flow.states.get(*state).is_some_and(farewell),
                _ => false,
            })
    }

    fn signals(&self, flow: &Flow, action: Action) -> bool {
        let signals = &flow.selling.signals;
        let used = !signals.offers.is_empty() || !signals.patterns.is_empty();
        used && (action == Action::BuyingSignal || signals.intents.iter().any(|intent| intent == action.id()))
    }

    fn is_signal(&self, flow: &Flow, heard: &[String], action: Option<Action>) -> bool {
        let phrase = locate(&flow.selling.signals.patterns, heard).is_some_and(|found| found.fixed > 0);
        phrase || action.is_some_and(|action| self.signals(flow, action))
    }

    /// The needs that are told in these words.
    fn needs_in(&self, flow: &Flow, heard: &[String]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = Vec::new();
        for (at, need) in flow.selling.needs.iter().enumerate() {
            let Some((found, value)) = self.need_in(at, need, heard) else { continue };
            let own_slots = found.slots.iter().any(|(slot, _)| *slot == need.slot);
            fills.extend(found.slots.iter().cloned());
            let words = || heard.get(found.start..found.end).unwrap_or_default();
            if !own_slots {
                fills.push((need.slot.clone(), value.unwrap_or_else(|| plain(words()))));
            }
        }
        fills
    }

    /// Where a need is told: as anybody says it at any time, or as the answer to its question.
    fn need_in(&self, at: usize, need: &Need, heard: &[String]) -> Option<(Found, Option<String>)> {
        let asked = [self.asked_for(), self.asked_for_too()].contains(&Some(at));
        let answers = need.answers.iter().filter(|_| asked);
        let find = |(pattern, value): &(Pattern, Option<String>)| {
            let found = locate(std::slice::from_ref(pattern), heard).filter(|found| found.fixed > 0)?;
            Some((found, value.clone()))
        };
        let said = need.heard.iter().chain(answers).filter_map(find).max_by_key(|(found, _)| (found.fixed, found.end));
        let amount = if asked { amount_in(&need.amounts, heard) } else { None };
        match (said, amount) {
            // "Less than three hundred" says more than its number, "two hundred" of "one thousand two hundred" less; a number beside what
            // was said is another one's.
            (Some((said, value)), Some((number, _)))
                if said.start <= number.start && number.end <= said.end
                    || number.end <= said.start
                    || said.end <= number.start =>
            {
                Some((said, value))
            }
            (said, amount) => amount.map(|(found, value)| (found, Some(value))).or(said),
        }
    }

    /// The need that was asked for was told, and nothing that says more.
    fn is_told(&self, flow: &Flow, heard: &[String], by_phrase: Option<&(Move, Found)>) -> bool {
        let asked = [self.asked_for(), self.asked_for_too()].into_iter().flatten();
        let told = |at: usize| self.need_in(at, flow.selling.needs.get(at)?, heard).map(|(told, _)| told);
        let more = |told: &Found, found: &Found| {
            found.fixed < told.fixed || found.fixed == told.fixed && found.start == told.start
        };
        asked.filter_map(told).any(|told| by_phrase.is_none_or(|(_, found)| more(&told, found)))
    }

    /// Who declines one question about needs has not declined what is sold: a bare no leads to the next one, once in a call.
    fn passes(&self, flow: &Flow, heard: &[String], by_phrase: Option<Move>) -> bool {
        let declines = |what: Move| {
            let Move::Objection(at) = what else { return false };
            let named = |objection: Objection| flow.selling.objections.find(objection.id()) == Some(at);
            named(Objection::NotInterested) || named(Objection::NoNeed)
        };
        self.asked_for().is_some()
            && !self.course.passed
            && by_phrase.is_none_or(declines)
            && is_all(&flow.selling.objections.no, heard)
    }

    /// The need that was asked for, where the words may be its answer: not a question, not a yes or no alone.
    fn kept(&self, flow: &Flow, text: &str, sure: Option<&Reading>) -> Option<usize> {
        let at = self.asked_for()?;
        let need = flow.selling.needs.get(at).filter(|need| need.keep)?;
        (self.answers(flow, text, sure) && !need.slot.is_empty()).then_some(at)
    }

    /// The words may be the answer to what was asked: not a question, not a yes or no alone.
    fn answers(&self, flow: &Flow, text: &str, sure: Option<&Reading>) -> bool {
        let ending = text.trim_end_matches(|c: char| !c.is_alphanumeric());
        let question = text.trim_end().ends_with(['?', '？']) || ending.ends_with(QUESTIONS_ZH) || asks(text);
        let answers = sure.is_none_or(|reading| {
            matches!(reading.action, Action::GiveSlot | Action::Greet | Action::Confirm | Action::Deny)
                || !reading.in_scope
        });
        let objections = &flow.selling.objections;
        let heard = crate::agent::dialogue::words::words(text);
        let bare = [&objections.yes, &objections.no].into_iter().any(|patterns| is_all(patterns, &heard));
        !question && answers && !bare
    }
}

/// The first number that stands for a value.
fn amount_in(amounts: &[(f64, f64, String)], heard: &[String]) -> Option<(Found, String)> {
    if amounts.is_empty() {
        return None;
    }
    let (start, end, value) = amount(heard)?;
    let (_, _, name) = amounts.iter().find(|(least, most, _)| (*least..=*most).contains(&value))?;
    Some((Found { start, end, fixed: end - start, slots: Vec::new() }, name.clone()))
}

/// One of the phrases is all that was said.
fn is_all(patterns: &[Pattern], heard: &[String]) -> bool {
    locate(patterns, heard).is_some_and(|found| found.start == 0 && found.end == heard.len())
}

/// Words as a text: Chinese characters stand together.
fn plain(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        let wide = |c: char| !c.is_ascii();
        if out.chars().last().is_some_and(|last| !(wide(last) && word.chars().next().is_some_and(wide))) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
