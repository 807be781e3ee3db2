//! What a flow that sells must have.

use super::names::all_steps;
use super::{Findings, target, targets};
use crate::agent::dialogue::flow::{Flow, State};
use crate::agent::dialogue::selling::{DISCLOSURES, INTERRUPTS, Kind};
use crate::agent::dialogue::spoken::Tongue;
use crate::nlu::Objection;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest rebuttals of an objection.
const MIN_REBUTTALS: usize = 3;
/// The interrupt that a flow may do without: who does not record has nothing to refuse.
const OPTIONAL: &str = "recording";
/// Most caller turns.
const MAX_TURNS: u32 = 15;

pub(super) fn check(flow: &Flow, findings: &mut Findings<'_>) {
    tables(flow, findings);
    let Some(first) = flow.states.iter().find(|state| state.selling) else { return };
    disclosure_first(flow, findings);
    objections(flow, first, findings);
    let missing: Vec<&str> = INTERRUPTS
        .into_iter()
        .filter(|name| !flow.selling.interrupts.contains_key(*name) && *name != OPTIONAL)
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "state '{}' sells, but the flow does not listen to: {}; add [interrupt.NAME] or include a file that has them",
            first.name,
            missing.join(", ")
        );
        findings.error(first.line, what);
    }
    if flow.selling.closing.is_none() {
        findings.error(
            first.line,
            "a flow that sells needs [closing]: how it ends when the caller's turns run out".to_owned(),
        );
    }
    if flow.too_many_turns.line == flow.fallback.line {
        findings.error(first.line, "a flow that sells needs [too_many_turns]: its last line".to_owned());
    }
    if flow.max_turns > MAX_TURNS {
        findings
            .error(first.line, format!("max_turns is {}: a flow that sells has at most {MAX_TURNS}", flow.max_turns));
    }
    if flow.selling.close_from.is_some_and(|from| from >= flow.max_turns) {
        findings.error(first.line, "close_from is not below max_turns: leave a turn for the end".to_owned());
    }
}

/// What is wrong with a table whether or not anything is sold.
fn tables(flow: &Flow, findings: &mut Findings<'_>) {
    let made: BTreeSet<usize> =
        all_steps(flow).filter_map(|step| step.offer).chain(flow.selling.signals.offers.iter().copied()).collect();
    for (at, offer) in flow.selling.offers.iter().enumerate() {
        if offer.say.templates().any(|template| !template.names().any(|name| name == "expires")) {
            let what =
                format!("offer '{}' is limited in time: say until when with {{expires}} in each wording", offer.name);
            findings.error(offer.line, what);
        }
        if !made.contains(&at) && (findings.own)(offer.line) {
            let what = format!("nothing makes the offer '{}': name it in [signals] or in an answer", offer.name);
            findings.warning(offer.line, what);
        }
    }
    for objection in &flow.selling.objections.all {
        let count = objection.rebuttals.wordings.len();
        if count < MIN_REBUTTALS {
            let what = format!("objection '{}' has {count} rebuttals: write at least {MIN_REBUTTALS}", objection.name);
            findings.error(objection.line, what);
        }
        if objection.exhausted.is_none() {
            let what = format!(
                "objection '{}' has no 'exhausted': say what follows when nothing is left to say, there or in [objections]",
                objection.name
            );
            findings.error(objection.line, what);
        }
        if objection.patterns.is_empty() {
            let what = format!("objection '{}' has no phrases: without a classifier nobody hears it", objection.name);
            findings.warning(objection.line, what);
        }
    }
    contradictions(flow, findings);
    for state in flow.states.iter().filter(|state| state.purpose == Kind::Disclosure) {
        if state.say.is_none() {
            findings.error(state.line, format!("state '{}' discloses, but says nothing: add 'say'", state.name));
        }
        if state.brief.is_none() {
            let what = format!("state '{}' needs 'brief': what is said when its line was interrupted", state.name);
            findings.error(state.line, what);
        }
        wording(flow, state, findings);
    }
}

/// The same words cannot raise two objections.
fn contradictions(flow: &Flow, findings: &mut Findings<'_>) {
    let mut phrases: BTreeMap<Vec<&str>, &str> = BTreeMap::new();
    for objection in &flow.selling.objections.all {
        for plain in objection.patterns.iter().filter_map(|pattern| pattern.plain()) {
            let text = plain.join(" ");
            let first = phrases.entry(plain).or_insert(&objection.name);
            if *first != objection.name {
                let what =
                    format!("'{text}' raises '{first}' and '{}': the first counts; keep it in one", objection.name);
                findings.warning(objection.line, what);
            }
        }
    }
}

/// The check takes the author's word for what is disclosed, but for two things that are easily looked for.
fn wording(flow: &Flow, state: &State, findings: &mut Findings<'_>) {
    let looks: [(&str, &[&str]); 2] = match flow.tongue() {
        Tongue::Chinese => [("ai", &["AI", "智能", "机器人", "语音助手"]), ("recording", &["录音"])],
        Tongue::English => [
            ("ai", &["AI", "A.I.", "automatic", "automated", "artificial", "virtual", "robot", "digital"]),
            ("recording", &["record"]),
        ],
        Tongue::Other => return,
    };
    for (name, words) in looks.into_iter().filter(|(name, _)| state.discloses.iter().any(|known| known == name)) {
        let lines = state.say.iter().chain(&state.brief).flat_map(|prompt| prompt.templates());
        if let Some(line) = lines.map(ToString::to_string).find(|line| !words.iter().any(|word| line.contains(word))) {
            let what = format!("state '{}' discloses '{name}', but \"{line}\" does not say it", state.name);
            findings.warning(state.line, what);
        }
    }
}

/// Whichever way the conversation goes: everything was disclosed before anything is sold.
fn disclosure_first(flow: &Flow, findings: &mut Findings<'_>) {
    let bit = |name: &String| DISCLOSURES.iter().position(|known| known == name).map_or(0, |at| 1_u8 << at);
    let all = (1_u8 << DISCLOSURES.len()) - 1;
    let mut open = vec![(flow.start, 0_u8)];
    let mut seen = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    while let Some((at, known)) = open.pop() {
        let Some(state) = flow.states.get(at).filter(|_| seen.insert((at, known))) else { continue };
        let known = state.discloses.iter().map(bit).fold(known, |all, one| all | one);
        if state.selling && known != all {
            if wrong.insert(at) {
                let missing: Vec<&str> = DISCLOSURES
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| known & (1 << at) == 0)
                    .map(|(_, name)| name)
                    .collect();
                let what = format!(
                    "state '{}' sells, but can be reached before this was disclosed: {}; lead there through a state of \
                     kind = \"disclosure\" that says it",
                    state.name,
                    missing.join(", ")
                );
                findings.error(state.line, what);
            }
            continue;
        }
        open.extend(targets(state).map(|next| (next, known)));
        // Where the caller may speak, what holds in every state may lead on, too. (Objections and offers come where something is sold.)
        if state.next.is_none() {
            open.extend(everywhere(flow).map(|next| (next, known)));
        }
    }
}

/// Where the answers that hold in every state lead, and what is done everywhere about how the caller sounds.
fn everywhere(flow: &Flow) -> impl Iterator<Item = usize> {
    let emotion = flow.on_emotion.iter();
    let skipped = emotion.clone().flat_map(|rule| rule.targets());
    let steps = flow.globals.iter().map(|rule| &rule.step).chain(emotion.map(|rule| &rule.step));
    steps.filter_map(target).chain(skipped)
}

fn objections(flow: &Flow, first: &State, findings: &mut Findings<'_>) {
    let missing: Vec<&str> = Objection::ALL
        .into_iter()
        .map(Objection::id)
        .filter(|name| flow.selling.objections.find(name).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "state '{}' sells, but the flow has no answer to: {}; add [objection.NAME] or include a file that has them",
            first.name,
            missing.join(", ")
        );
        findings.error(first.line, what);
    }
}
