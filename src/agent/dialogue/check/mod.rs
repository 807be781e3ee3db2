//! The static check: that the conversation can be held to its end.

mod emotion;
mod names;
mod sales;

use super::flow::{Flow, Outcome, Rule, State, Step};
use crate::agent::{FlowFinding, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong with the conversation, or looks like a slip. `own` tells lines of the flow's own file from those of
/// included ones, which may hold more than the flow needs. Findings have no file yet: their lines tell it.
pub(super) fn check(flow: &Flow, own: &dyn Fn(usize) -> bool) -> Vec<FlowFinding> {
    let mut findings = Findings { own, all: Vec::new() };
    reachable(flow, &mut findings);
    ends(flow, &mut findings);
    loops(flow, &mut findings);
    returns(flow, &mut findings);
    names::check(flow, &mut findings);
    sales::check(flow, &mut findings);
    emotion::check(flow, &mut findings);
    rules(&flow.globals, false, "among the global answers", &mut findings);
    for state in &flow.states {
        rules(&state.rules, state.collect.is_some(), &format!("in state '{}'", state.name), &mut findings);
        if state.say.is_none() && state.ask.is_none() && state.next.is_some() && !state.is_crossroads() {
            findings.warning(state.line, format!("state '{}' says nothing: is 'say' missing?", state.name));
        }
    }
    findings.all
}

struct Findings<'a> {
    own: &'a dyn Fn(usize) -> bool,
    all: Vec<FlowFinding>,
}

impl Findings<'_> {
    fn add(&mut self, line: usize, severity: Severity, what: String) {
        self.all.push(FlowFinding { file: String::new(), line, severity, what });
    }
    fn error(&mut self, line: usize, what: String) {
        self.add(line, Severity::Error, what);
    }
    fn warning(&mut self, line: usize, what: String) {
        self.add(line, Severity::Warning, what);
    }
}

fn target(step: &Step) -> Option<usize> {
    if let Outcome::Goto(state) | Outcome::Call(state) = step.then { Some(state) } else { None }
}

/// The steps that belong to no state.
fn common(flow: &Flow) -> impl Iterator<Item = &Step> {
    let objections = flow.selling.objections.all.iter();
    let objections = objections.flat_map(|objection| {
        std::iter::once(&objection.resolved).chain(&objection.exhausted).chain(objection.agreed.values())
    });
    let emotion = flow.on_emotion.iter().map(|rule| &rule.step);
    flow.globals.iter().map(|rule| &rule.step).chain(&flow.selling.closing).chain(objections).chain(emotion)
}

/// Where a state leads to.
fn targets(state: &State) -> impl Iterator<Item = usize> {
    let skipped = state.on_emotion.iter().flat_map(|rule| rule.targets());
    state.steps().filter_map(target).chain(state.call).chain(skipped)
}

fn reachable(flow: &Flow, findings: &mut Findings<'_>) {
    let mut open = vec![flow.start];
    open.extend(common(flow).filter_map(target));
    open.extend(flow.selling.offers.iter().filter_map(|offer| offer.goto));
    open.extend(flow.on_emotion.iter().flat_map(|rule| rule.targets()));
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        if seen.insert(at)
            && let Some(state) = flow.states.get(at)
        {
            open.extend(targets(state));
        }
    }
    for (at, state) in flow.states.iter().enumerate() {
        if !seen.contains(&at) && (findings.own)(state.line) {
            let what = format!("state '{}' cannot be reached: add a goto to it, or drop it", state.name);
            findings.error(state.line, what);
        }
    }
}

/// Nobody may return who was not called.
fn returns(flow: &Flow, findings: &mut Findings<'_>) {
    let goto = |step: &Step| if let Outcome::Goto(state) = step.then { Some(state) } else { None };
    let mut open = vec![flow.start];
    open.extend(common(flow).filter_map(goto));
    open.extend(flow.selling.offers.iter().filter_map(|offer| offer.goto));
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        let Some(state) = flow.states.get(at).filter(|_| seen.insert(at)) else { continue };
        open.extend(state.steps().filter_map(goto));
        if let Some(step) = state.steps().find(|step| step.then == Outcome::Return) {
            let what = format!("state '{}' returns, but is reached by 'goto': reach it by 'call'", state.name);
            findings.error(step.line, what);
        }
    }
    for step in common(flow).filter(|step| step.then == Outcome::Return) {
        findings.error(
            step.line,
            "'return' where nobody was called: use it in a state that is reached by 'call'".to_owned(),
        );
    }
}

/// From every state some answer must lead to the end of the call; giving up does not count.
fn ends(flow: &Flow, findings: &mut Findings<'_>) {
    let mut ending: BTreeSet<usize> = BTreeSet::new();
    loop {
        let before = ending.len();
        for (at, state) in flow.states.iter().enumerate() {
            let leads_out = |step: &Step| match &step.then {
                Outcome::HangUp | Outcome::Transfer(_) | Outcome::Return => true,
                Outcome::Goto(next) | Outcome::Call(next) => ending.contains(next),
                Outcome::Stay | Outcome::AskAgain | Outcome::Repeat => false,
            };
            let offers =
                state.selling && flow.selling.offers.iter().any(|o| o.goto.is_some_and(|at| ending.contains(&at)));
            if state.answers().any(leads_out) || offers {
                ending.insert(at);
            }
        }
        if ending.len() == before {
            break;
        }
    }
    for (at, state) in flow.states.iter().enumerate() {
        if !ending.contains(&at) {
            let what = format!(
                "state '{}' is a dead end: no answer leads from it to the end of the call; add goto, transfer or hang_up",
                state.name
            );
            findings.error(state.line, what);
        }
    }
}

/// States that go on by themselves must not go in a circle.
fn loops(flow: &Flow, findings: &mut Findings<'_>) {
    for (start, state) in flow.states.iter().enumerate() {
        let next = |state: &State| state.next.as_ref().and_then(target);
        let mut at = next(state);
        for _ in 0..flow.states.len() {
            if at == Some(start) {
                findings.error(
                    state.line,
                    format!("state '{}' comes back to itself without waiting for an answer: let one wait", state.name),
                );
                break;
            }
            at = at.and_then(|at| flow.states.get(at)).and_then(next);
        }
    }
}

/// The answers of one state must not contradict each other.
fn rules(rules: &[Rule], collects: bool, place: &str, findings: &mut Findings<'_>) {
    let mut phrases: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        for plain in rule.patterns.iter().filter_map(|pattern| pattern.plain()) {
            let text = plain.join(" ");
            if let Some(first) = phrases.insert(plain, index)
                && first != index
            {
                findings.error(rule.step.line, format!("'{text}' is the answer to two things {place}: keep it in one"));
            }
        }
        let Some(dtmf) = rule.dtmf.as_deref() else { continue };
        if let Some(first) = keys.insert(dtmf, index)
            && first != index
        {
            findings.error(rule.step.line, format!("key '{dtmf}' is the answer to two things {place}: keep it in one"));
        }
        if collects && dtmf.bytes().any(|key| key.is_ascii_digit()) {
            findings.error(
                rule.step.line,
                format!("key '{dtmf}' {place}, which collects digits, can never be pressed: use *, # or a phrase"),
            );
        }
    }
    for (key, index) in &keys {
        let longer = keys.keys().find(|other| other.len() > key.len() && other.starts_with(key));
        if let (Some(longer), Some(rule)) = (longer, rules.get(*index)) {
            findings.warning(
                rule.step.line,
                format!("key '{key}' answers late {place}, because '{longer}' begins with it"),
            );
        }
    }
}
