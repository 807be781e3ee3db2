//! A flow as states and ways between them, for whoever draws it.

use super::flow::{Flow, Outcome, Rule, State, Step};
use std::collections::BTreeMap;

/// Most characters of a label.
const MAX_LABEL: usize = 34;

/// What becomes of a conversation on a way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WayKind {
    /// It goes on.
    Goto,
    /// It goes there and comes back.
    Call,
    /// It goes on when nothing usable was said, or often enough.
    GivesUp,
}

/// A state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GraphState {
    /// Its name.
    pub name: String,
    /// What it is for, as in the file; empty where it does not say.
    pub kind: &'static str,
    /// Objections are heard in it.
    pub selling: bool,
    /// What it is to achieve, or the first words of what it says.
    pub about: String,
    /// The conversation begins here.
    pub first: bool,
    /// How the call can end here: `hang up`, `transfer`, `return`.
    pub ends: Vec<&'static str>,
}

/// A way between two states, by their numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// From.
    pub from: usize,
    /// To.
    pub to: usize,
    /// What becomes of it.
    pub kind: WayKind,
    /// What leads there.
    pub label: String,
}

/// A flow as states and ways between them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FlowGraph {
    /// The flow's name.
    pub name: String,
    /// Its states, in the order of the file; those that nothing reaches are left out.
    pub states: Vec<GraphState>,
    /// The ways, each pair and kind once.
    pub ways: Vec<Way>,
    /// What holds in every state: a name and what follows.
    pub anywhere: Vec<(String, String)>,
    /// The objections and how many rebuttals each has.
    pub objections: Vec<(String, usize)>,
    /// The offers, how many hours each stands, and the state that hears the answer. Buying signals lead there from every selling
    /// state.
    pub offers: Vec<(String, u32, Option<String>)>,
}

impl Flow {
    /// The flow as states and ways between them.
    pub fn graph(&self) -> FlowGraph {
        let mut ways: BTreeMap<(usize, usize, WayKind), Vec<String>> = BTreeMap::new();
        let mut add = |from: usize, step: &Step, kind: WayKind, label: String| {
            let (to, kind) = match step.then {
                Outcome::Goto(to) => (to, kind),
                Outcome::Call(to) => (to, WayKind::Call),
                _ => return,
            };
            let labels = ways.entry((from, to, kind)).or_default();
            if !label.is_empty() && !labels.contains(&label) {
                labels.push(label);
            }
        };
        for (at, state) in self.states.iter().enumerate() {
            for rule in &state.rules {
                add(at, &rule.step, WayKind::Goto, self.label(rule));
            }
            for (guard, step) in &state.routes {
                add(at, step, WayKind::Goto, format!("if {}", guard.text));
            }
            if let Some(collect) = &state.collect {
                add(at, &collect.step, WayKind::Goto, collect.slot.clone());
            }
            if let Some(discover) = &state.discover {
                add(at, &discover.done, WayKind::Goto, format!("{} known", discover.enough));
            }
            if let Some(next) = &state.next {
                add(at, next, WayKind::Goto, String::new());
            }
            if let Some(call) = state.call {
                add(at, &Step::only(Outcome::Call(call), 0), WayKind::Call, String::new());
            }
            for (step, label) in
                [(Some(&state.no_input.finally), "silence"), (Some(&state.no_match.finally), "not understood")]
            {
                step.into_iter()
                    .filter(|_| state.next.is_none())
                    .for_each(|step| add(at, step, WayKind::GivesUp, label.into()));
            }
            if let Some(step) = &state.exhausted {
                add(at, step, WayKind::GivesUp, "often enough".into());
            }
        }
        for (from, state) in self.states.iter().enumerate() {
            let makes = state.steps().filter(|step| step.then == Outcome::AskAgain).filter_map(|step| step.offer);
            for to in makes.filter_map(|at| self.selling.offers.get(at)?.goto) {
                add(from, &Step::only(Outcome::Goto(to), 0), WayKind::Goto, "offer".to_owned());
            }
        }
        self.reached(ways)
    }

    fn reached(&self, ways: BTreeMap<(usize, usize, WayKind), Vec<String>>) -> FlowGraph {
        let common = self.globals.iter().map(|rule| &rule.step).chain(&self.selling.closing);
        let objections = self.selling.objections.all.iter().flat_map(|one| &one.exhausted);
        let offers = self.selling.offers.iter().filter_map(|offer| offer.goto);
        let target = |step: &Step| if let Outcome::Goto(to) | Outcome::Call(to) = step.then { Some(to) } else { None };
        let mut open: Vec<usize> =
            common.chain(objections).filter_map(target).chain(offers).chain([self.start]).collect();
        let mut seen = vec![false; self.states.len()];
        while let Some(at) = open.pop() {
            match seen.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            open.extend(ways.keys().filter(|(from, ..)| *from == at).map(|(_, to, _)| *to));
        }
        let mut numbers = BTreeMap::new();
        let mut states = Vec::new();
        for (at, state) in self.states.iter().enumerate().filter(|(at, _)| seen.get(*at) == Some(&true)) {
            numbers.insert(at, states.len());
            states.push(self.graph_state(at, state));
        }
        let number = |at: &usize| numbers.get(at).copied();
        let ways = ways.iter().filter_map(|((from, to, kind), labels)| {
            Some(Way { from: number(from)?, to: number(to)?, kind: *kind, label: short(&labels.join(" · ")) })
        });
        let follows = |step: &Step| match &step.then {
            Outcome::Goto(to) | Outcome::Call(to) => {
                self.states.get(*to).map_or(String::new(), |state| format!("→ {}", state.name))
            }
            Outcome::Transfer(target) => format!("→ transfer to {target}"),
            Outcome::HangUp => "→ hang up".to_owned(),
            _ => "answer, then back".to_owned(),
        };
        let name = |at: usize, rule: &Rule| {
            let interrupt =
                self.selling.interrupts.iter().find(|(_, number)| **number == at).map(|(name, _)| name.clone());
            interrupt.unwrap_or_else(|| self.label(rule))
        };
        FlowGraph {
            name: self.name.clone(),
            ways: ways.collect(),
            states,
            anywhere: self.globals.iter().enumerate().map(|(at, rule)| (name(at, rule), follows(&rule.step))).collect(),
            objections: self
                .selling
                .objections
                .all
                .iter()
                .map(|objection| (objection.name.clone(), objection.rebuttals.wordings.len()))
                .collect(),
            offers: self
                .selling
                .offers
                .iter()
                .map(|offer| {
                    let then = offer.goto.and_then(|at| self.states.get(at)).map(|state| state.name.clone());
                    (offer.name.clone(), offer.expires_h, then)
                })
                .collect(),
        }
    }

    fn graph_state(&self, at: usize, state: &State) -> GraphState {
        let mut ends: Vec<&'static str> = state
            .answers()
            .filter_map(|step| match step.then {
                Outcome::HangUp => Some("hang up"),
                Outcome::Transfer(_) => Some("transfer"),
                Outcome::Return => Some("return"),
                _ => None,
            })
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let said = state.say.iter().flat_map(|say| say.templates()).map(ToString::to_string).next();
        GraphState {
            name: state.name.clone(),
            kind: state.purpose.name(),
            selling: state.selling,
            about: state.goal.clone().or(said).unwrap_or_default(),
            first: at == self.start,
            ends,
        }
    }

    fn label(&self, rule: &Rule) -> String {
        let objection = rule.objections.first().and_then(|at| self.selling.objections.all.get(*at));
        let phrase = rule.patterns.first().map(ToString::to_string).filter(|text| !text.is_empty());
        rule.intents
            .first()
            .cloned()
            .or(objection.map(|objection| objection.name.clone()))
            .or(phrase)
            .or(rule.dtmf.clone())
            .unwrap_or_default()
    }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    if text.chars().count() <= MAX_LABEL {
        return text.to_owned();
    }
    text.chars().take(MAX_LABEL - 1).chain(['…']).collect()
}
