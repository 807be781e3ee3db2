//! Names in lines, targets and conditions.

use super::{Findings, common};
use crate::agent::dialogue::flow::{Flow, Outcome, State, Step};
use crate::agent::dialogue::guard::Guard;
use crate::agent::dialogue::prompt::Prompt;
use std::collections::{BTreeMap, BTreeSet};

/// The counters without a name of their own after the point.
const COUNTERS: [&str; 7] = ["turns", "attempts", "objections", "resolved", "needs", "signals", "offers"];

/// Every step of a flow.
pub(super) fn all_steps(flow: &Flow) -> impl Iterator<Item = &Step> {
    let endings = [&flow.fallback, &flow.engine_down, &flow.too_many_turns];
    endings.into_iter().chain(common(flow)).chain(flow.states.iter().flat_map(State::steps))
}

/// Every condition with its line.
fn guards(flow: &Flow) -> impl Iterator<Item = (usize, &Guard)> {
    let of = |prompt: &'_ Prompt| prompt.line;
    let wordings = flow.prompts().flat_map(move |prompt| {
        prompt.wordings.iter().filter_map(move |wording| Some((of(prompt), wording.when.as_ref()?)))
    });
    let rules = flow.globals.iter().chain(flow.states.iter().flat_map(|state| &state.rules));
    let rules = rules.filter_map(|rule| Some((rule.step.line, rule.when.as_ref()?)));
    let routes = flow.states.iter().flat_map(|state| &state.routes).map(|(guard, step)| (step.line, guard));
    let needs = flow.selling.needs.iter().filter_map(|need| Some((need.line, need.when.as_ref()?)));
    let offers = flow.selling.offers.iter().filter_map(|offer| Some((offer.line, offer.when.as_ref()?)));
    let objections = flow.selling.objections.all.iter();
    let objections = objections.filter_map(|objection| Some((objection.line, objection.when.as_ref()?)));
    wordings.chain(rules).chain(routes).chain(needs).chain(offers).chain(objections)
}

fn is_counter(flow: &Flow, name: &str) -> bool {
    let offer = |name: &str| flow.selling.offers.iter().any(|offer| offer.name == name);
    match name.split_once('.') {
        Some(("visits", state)) => flow.states.iter().any(|known| known.name == state),
        Some(("met" | "open", objection)) => flow.selling.objections.find(objection).is_some(),
        Some(("offered" | "accepted", name)) => offer(name),
        Some(_) => false,
        None => COUNTERS.contains(&name),
    }
}

/// The values that a name can take, where they are known.
fn listed(flow: &Flow, name: &str) -> Option<Vec<String>> {
    if let Some(values) = flow.slot_values.get(name) {
        return Some(values.clone());
    }
    if name == "audience" {
        return Some(["professional", "young", "elderly"].map(str::to_owned).to_vec());
    }
    let need = flow.selling.needs.iter().find(|need| need.slot == name).filter(|need| !need.keep)?;
    let values: Option<Vec<String>> = need.heard.iter().chain(&need.answers).map(|(_, value)| value.clone()).collect();
    values.filter(|_| !flow.variables.iter().any(|variable| variable.name == name))
}

/// Names in lines and targets must be variables or slots.
pub(super) fn check(flow: &Flow, findings: &mut Findings<'_>) {
    let mut known: BTreeSet<&str> = flow.variables.iter().map(|variable| variable.name.as_str()).collect();
    let all_rules = || flow.globals.iter().chain(flow.states.iter().flat_map(|state| &state.rules));
    known.extend(all_rules().flat_map(|rule| &rule.patterns).flat_map(|pattern| pattern.slots()));
    known.extend(all_rules().filter_map(|rule| rule.slot.as_ref()).map(|(slot, _)| slot.as_str()));
    known.extend(flow.states.iter().filter_map(|state| state.collect.as_ref()).map(|collect| collect.slot.as_str()));
    let selling = &flow.selling;
    let needs = || selling.needs.iter();
    known.extend(needs().map(|need| need.slot.as_str()));
    known.extend(
        needs().flat_map(|need| &need.heard).chain(needs().flat_map(|n| &n.answers)).flat_map(|(p, _)| p.slots()),
    );
    known.extend(all_steps(flow).flat_map(|step| &step.set).map(|(name, _)| name.as_str()));
    known.extend(flow.states.iter().flat_map(|state| &state.set).map(|(name, _)| name.as_str()));
    known.extend(selling.offers.first().map(|_| "expires"));
    let from_outside: BTreeSet<&str> = flow
        .variables
        .iter()
        .filter(|variable| variable.header.is_some())
        .map(|variable| variable.name.as_str())
        .collect();

    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut unknown: BTreeMap<(usize, &str), ()> = BTreeMap::new();
    for prompt in flow.prompts() {
        for name in prompt.templates().flat_map(|template| template.names()) {
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
    for step in all_steps(flow) {
        for name in step.set.iter().flat_map(|(_, value)| value.names()) {
            used.insert(name);
            if !known.contains(name) {
                unknown.insert((step.line, name), ());
            }
        }
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
    let counter = |name: &str| is_counter(flow, name);
    for (line, guard) in guards(flow) {
        for name in guard.names() {
            used.insert(name);
            if !known.contains(name) && !counter(name) {
                let what = format!("when = \"{}\": '{name}' is neither a variable, a slot nor a counter", guard.text);
                findings.error(line, what);
            }
        }
        if !guard.can_hold(&|name| listed(flow, name)) {
            let what = format!("when = \"{}\" can never hold: look at its values", guard.text);
            findings.error(line, what);
        }
    }
    for (line, name) in unknown.into_keys() {
        let what = format!(
            "'{{{name}}}' is neither a variable nor a slot: declare it under [variables], or let an answer fill it"
        );
        findings.error(line, what);
    }
    shadows(flow, findings);
    for variable in &flow.variables {
        let expected = used.contains(variable.name.as_str()) || variable.name == "audience";
        if !expected && (findings.own)(variable.line) && !flow.states.iter().any(|state| state.ask.is_some()) {
            findings.warning(variable.line, format!("no line uses the variable '{}'", variable.name));
        }
    }
}

/// What an included file fills must not be what this file has declared: its author could not know, and the caller's words would stand
/// in every line that has the variable.
fn shadows(flow: &Flow, findings: &mut Findings<'_>) {
    let own = findings.own;
    let rules = flow.globals.iter().chain(flow.states.iter().flat_map(|state| &state.rules));
    let by_rules = rules.flat_map(|rule| {
        let slots = rule
            .patterns
            .iter()
            .flat_map(|pattern| pattern.slots())
            .chain(rule.slot.iter().map(|(slot, _)| slot.as_str()));
        slots.map(|slot| (rule.step.line, slot))
    });
    let by_needs = flow.selling.needs.iter().flat_map(|need| {
        let patterns = need.heard.iter().chain(&need.answers).flat_map(|(pattern, _)| pattern.slots());
        patterns.chain([need.slot.as_str()]).map(|slot| (need.line, slot))
    });
    let by_states = flow.states.iter().filter_map(|state| Some((state.line, state.collect.as_ref()?.slot.as_str())));
    let included: BTreeMap<&str, usize> = by_rules
        .chain(by_needs)
        .chain(by_states)
        .filter(|(line, _)| !own(*line))
        .map(|(line, slot)| (slot, line))
        .collect();
    for variable in flow.variables.iter().filter(|variable| own(variable.line)) {
        if let Some(line) = included.get(variable.name.as_str()) {
            let what = format!(
                "this fills '{name}', which is a variable of the flow: what the caller says would stand in every line with {{{name}}}; rename \
                 the slot or the variable",
                name = variable.name
            );
            findings.warning(*line, what);
        }
    }
}
