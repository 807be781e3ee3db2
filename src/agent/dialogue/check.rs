//! The static check: that the conversation can be held to its end.

use super::flow::{Flow, Outcome, Rule, State, Step};
use crate::agent::{FlowFinding, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong with the conversation, or looks like a slip.
pub(super) fn check(flow: &Flow) -> Vec<FlowFinding> {
    let mut findings = Findings { file: &flow.file, all: Vec::new() };
    reachable(flow, &mut findings);
    ends(flow, &mut findings);
    loops(flow, &mut findings);
    names(flow, &mut findings);
    rules(&flow.globals, false, "among the global answers", &mut findings);
    for state in &flow.states {
        rules(&state.rules, state.collect.is_some(), &format!("in state '{}'", state.name), &mut findings);
        if state.say.is_none() && state.ask.is_none() && state.next.is_some() {
            findings.warning(state.line, format!("state '{}' says nothing: is 'say' missing?", state.name));
        }
    }
    findings.all
}

struct Findings<'a> {
    file: &'a str,
    all: Vec<FlowFinding>,
}

impl Findings<'_> {
    fn add(&mut self, line: usize, severity: Severity, what: String) {
        self.all.push(FlowFinding { file: self.file.to_owned(), line, severity, what });
    }
    fn error(&mut self, line: usize, what: String) {
        self.add(line, Severity::Error, what);
    }
    fn warning(&mut self, line: usize, what: String) {
        self.add(line, Severity::Warning, what);
    }
}

fn target(step: &Step) -> Option<usize> {
    if let Outcome::Goto(state) = step.then { Some(state) } else { None }
}

fn reachable(flow: &Flow, findings: &mut Findings<'_>) {
    let mut open = vec![flow.start];
    open.extend(flow.globals.iter().filter_map(|rule| target(&rule.step)));
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        if seen.insert(at)
            && let Some(state) = flow.states.get(at)
        {
            open.extend(state.steps().filter_map(target));
        }
    }
    for (at, state) in flow.states.iter().enumerate() {
        if !seen.contains(&at) {
            let what = format!("state '{}' cannot be reached: add a goto to it, or drop it", state.name);
            findings.error(state.line, what);
        }
    }
}

/// From every state some answer must lead to the end of the call; giving up does not count.
fn ends(flow: &Flow, findings: &mut Findings<'_>) {
    let mut ending: BTreeSet<usize> = BTreeSet::new();
    loop {
        let before = ending.len();
        for (at, state) in flow.states.iter().enumerate() {
            let leads_out = |step: &Step| match &step.then {
                Outcome::HangUp | Outcome::Transfer(_) => true,
                Outcome::Goto(next) => ending.contains(next),
                Outcome::Stay | Outcome::AskAgain | Outcome::Repeat => false,
            };
            if state.answers().any(leads_out) {
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

/// Names in lines and targets must be variables or slots.
fn names(flow: &Flow, findings: &mut Findings<'_>) {
    let mut known: BTreeSet<&str> = flow.variables.iter().map(|variable| variable.name.as_str()).collect();
    let all_rules = || flow.globals.iter().chain(flow.states.iter().flat_map(|state| &state.rules));
    known.extend(all_rules().flat_map(|rule| &rule.patterns).flat_map(|pattern| pattern.slots()));
    known.extend(all_rules().filter_map(|rule| rule.slot.as_ref()).map(|(slot, _)| slot.as_str()));
    known.extend(flow.states.iter().filter_map(|state| state.collect.as_ref()).map(|collect| collect.slot.as_str()));
    let from_outside: BTreeSet<&str> = flow
        .variables
        .iter()
        .filter(|variable| variable.header.is_some())
        .map(|variable| variable.name.as_str())
        .collect();

    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut unknown: BTreeMap<(usize, &str), ()> = BTreeMap::new();
    for prompt in flow.prompts() {
        for name in prompt.variants.iter().flat_map(|template| template.names()) {
            used.insert(name);
            if !known.contains(name) {
                unknown.insert((prompt.line, name), ());
            }
        }
    }
    for state in &flow.states {
        for name in state.ask.iter().flat_map(|ask| ask.task.names()) {
            used.insert(name);
            if !known.contains(name) {
                unknown.insert((state.line, name), ());
            }
        }
    }
    let endings = [&flow.fallback, &flow.engine_down, &flow.too_many_turns];
    let steps = flow.globals.iter().map(|rule| &rule.step).chain(flow.states.iter().flat_map(State::steps));
    for step in endings.into_iter().chain(steps) {
        let Outcome::Transfer(target) = &step.then else { continue };
        for name in target.names() {
            used.insert(name);
            if from_outside.contains(name) || known.contains(name) && !flow.variables.iter().any(|v| v.name == name) {
                findings.error(
                    step.line,
                    format!("the caller could choose who is called: '{{{name}}}' in 'transfer' comes from outside; write the target itself, or a variable without 'header'"),
                );
            } else if !known.contains(name) {
                unknown.insert((step.line, name), ());
            }
        }
    }
    for (line, name) in unknown.into_keys() {
        let what = format!(
            "'{{{name}}}' is neither a variable nor a slot: declare it under [variables], or let an answer fill it"
        );
        findings.error(line, what);
    }
    for variable in &flow.variables {
        if !used.contains(variable.name.as_str()) && !flow.states.iter().any(|state| state.ask.is_some()) {
            findings.warning(variable.line, format!("no line uses the variable '{}'", variable.name));
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
