//! The rules for how the caller sounds must not contradict each other, nor pass over what must be said.

use super::Findings;
use crate::agent::dialogue::flow::Flow;
use crate::agent::dialogue::selling::Kind;
use std::collections::BTreeSet;

/// What is wrong with the rules of a flow, or looks like a slip.
pub(super) fn check(flow: &Flow, findings: &mut Findings<'_>) {
    let name = |state: usize| flow.states.get(state).map_or("", |state| state.name.as_str());
    let places = std::iter::once(&flow.on_emotion).chain(flow.states.iter().map(|state| &state.on_emotion));
    for rules in places {
        let mut seen = BTreeSet::new();
        for rule in rules {
            let line = rule.step.line;
            if !seen.insert((rule.when, rule.over.map(f32::to_bits), rule.turns)) {
                let what = format!(
                    "two rules here are for '{}': keep one, or tell them apart by over and turns",
                    rule.when.name()
                );
                findings.error(line, what);
            }
            for (state, instead) in &rule.skip {
                let discloses = flow.states.get(*state).is_some_and(|state| state.purpose == Kind::Disclosure);
                if discloses {
                    let what = format!("'{}' is what must be disclosed and may not be skipped", name(*state));
                    findings.error(line, what);
                }
                if *state == flow.start {
                    let what = format!(
                        "'{}' is what the call begins with and may not be skipped: say who calls first",
                        name(*state)
                    );
                    findings.error(line, what);
                }
                if rule.skip.iter().any(|(other, _)| other == instead) {
                    let what = format!(
                        "'{}' is entered instead of '{}' and skipped as well: name one that is not",
                        name(*instead),
                        name(*state)
                    );
                    findings.error(line, what);
                }
            }
        }
    }
    let all = || flow.on_emotion.iter().chain(flow.states.iter().flat_map(|state| &state.on_emotion));
    let short = flow.prompts().find(|prompt| prompt.wordings.iter().any(|wording| wording.short.is_some()));
    match (short, all().find(|rule| rule.concise)) {
        (Some(prompt), None) if (findings.own)(prompt.line) => {
            // An included file may have wordings that this flow has no rule for.
            let what = "no rule asks for 'concise', so the short wording is never said";
            findings.warning(prompt.line, what.to_owned());
        }
        (None, Some(rule)) if rule.sentences.is_none() && flow.states.iter().all(|state| state.ask.is_none()) => {
            let what = "'concise' changes nothing: no line has a short wording, { say = \"…\", short = \"…\" }";
            findings.warning(rule.step.line, what.to_owned());
        }
        _ => {}
    }
}
