//! The states of a flow file.

use super::reader::{Reader, StepKeys};
use crate::agent::dialogue::document::{Names, RouteDoc, StateDoc};
use crate::agent::dialogue::flow::{AskModel, Outcome, Retry, State, Step};
use crate::agent::dialogue::guard::Guard;
use crate::agent::dialogue::numbers::number_words;
use crate::agent::dialogue::selling::{DISCLOSURES, Kind, Need};
use crate::speech::{AnswerKind, Expectation, Language};
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::Spanned;

/// What the whole flow gives each state.
pub(super) struct Defaults<'a> {
    pub language: &'a Language,
    pub no_input: &'a Retry,
    pub no_match: &'a Retry,
    /// What is heard in every state, by answer.
    pub spoken: &'a [Vec<String>],
    /// What selling states hear beside that.
    pub selling_spoken: &'a [Vec<String>],
    pub max_attempts: Option<u32>,
    pub needs: &'a [Need],
}

/// Most phrases that a recogniser is asked to expect: with more it hears each of them worse.
const MAX_EXPECTED: usize = 1_000;

/// The phrases of all answers, the first of each, then the second of each: where there are too many, each keeps those that its
/// author wrote first.
fn in_turn<'a>(common: &'a [Vec<String>], selling: &'a [Vec<String>]) -> impl Iterator<Item = String> + 'a {
    let longest = common.iter().chain(selling).map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(move |at| common.iter().chain(selling).filter_map(move |list| list.get(at).cloned()))
}

/// What a state says that it is for.
pub(super) fn kind(doc: &StateDoc) -> Option<Kind> {
    let name = doc.kind.as_ref()?;
    Kind::ALL.iter().find(|(known, _)| known == name.get_ref()).map(|(_, kind)| *kind)
}

impl Reader {
    pub fn state(&mut self, name: Spanned<String>, doc: StateDoc, defaults: &Defaults<'_>, fallback: &Step) -> State {
        let line = self.line(name.span());
        let ask = match (doc.ask, doc.template) {
            (Some(task), template) => {
                let at = self.line(task.span());
                let task = self.template(task.get_ref(), at);
                let template = self.prompt(template);
                if template.is_none() {
                    self.error(
                        at,
                        "'ask' without 'template': give the answer that is said when no language model does",
                    );
                }
                template.map(|template| AskModel { task, template })
            }
            (None, Some(template)) => {
                let at = self.line(template.span());
                self.error(at, "'template' without 'ask': use 'say', or add the task in 'ask'");
                None
            }
            (None, None) => None,
        };
        let moves_on = doc.goto.is_some() || doc.transfer.is_some() || doc.hang_up || doc.returns;
        // A state that asks for needs goes on when it knows enough: that is no way past its questions.
        let asks = doc.discover.is_some();
        if moves_on && !asks && (!doc.on.is_empty() || doc.collect.is_some()) {
            self.error(line, "a state either waits for an answer ('on', 'collect') or goes on by itself ('goto', 'transfer', 'hang_up'): keep one");
        }
        let disposition = doc.disposition;
        let keys = StepKeys {
            goto: doc.goto,
            transfer: doc.transfer,
            hang_up: doc.hang_up,
            returns: doc.returns,
            offer: if moves_on { doc.offer.clone() } else { None },
            disposition: disposition.clone(),
            ..StepKeys::default()
        };
        if let (false, Some(offer)) = (moves_on, &doc.offer) {
            let at = self.line(offer.span());
            self.error(at, "'offer' of a state that waits: put it on an answer, or into [signals]");
        }
        let call = doc.call.map(|call| {
            let at = self.line(call.span());
            if !moves_on {
                self.error(at, "'call' without 'goto': say where it goes on when the sub-flow has returned");
            }
            self.target(call.get_ref(), at)
        });
        if disposition.is_some() && !moves_on {
            self.error(line, "'disposition' of a state that waits is never set: put it on an answer");
        }
        let mut next = moves_on.then(|| self.step(keys, line, Outcome::HangUp));
        let purpose = match &doc.kind {
            None => Kind::Plain,
            Some(kind) => Kind::ALL.iter().find(|(name, _)| name == kind.get_ref()).map_or_else(
                || {
                    let at = self.line(kind.span());
                    let known: Vec<&str> = Kind::ALL.iter().map(|(name, _)| *name).collect();
                    self.error(
                        at,
                        format!("there is no kind '{}': choose one of {}", kind.get_ref(), known.join(", ")),
                    );
                    Kind::Plain
                },
                |(_, kind)| *kind,
            ),
        };
        let selling = doc.selling.unwrap_or(purpose.sells());
        let mut phrases = Vec::new();
        let discover = doc.discover.map(|names| {
            let done = next.take().unwrap_or_else(|| {
                self.error(line, "'discover' without 'goto': say where it goes on when it knows enough");
                Step::only(Outcome::HangUp, line)
            });
            let discover = self.discover(&names, doc.enough, doc.max_questions, doc.cost, done, defaults.needs);
            phrases
                .extend(discover.needs.iter().filter_map(|at| defaults.needs.get(*at)).flat_map(|n| n.spoken.clone()));
            discover
        });
        let on_emotion = doc.on_emotion.into_iter().filter_map(|rule| self.on_emotion(rule)).collect();
        let rules = doc.on.into_iter().map(|rule| self.rule(rule, &mut phrases)).collect();
        let collect = doc.collect.map(|collect| self.collect(collect));
        let kind = doc.expect.unwrap_or(if collect.is_some() { AnswerKind::Number } else { AnswerKind::Open });
        if kind == AnswerKind::Number && collect.is_none() {
            self.warning(line, "expect = \"number\" without 'collect': the digits are not kept");
        }
        if collect.is_some() {
            phrases.extend(number_words().map(str::to_owned));
        }
        phrases.extend(in_turn(defaults.spoken, if selling { defaults.selling_spoken } else { &[] }));
        let mut seen = BTreeSet::new();
        phrases.retain(|phrase| seen.insert(phrase.clone()));
        phrases.truncate(MAX_EXPECTED);
        State {
            line,
            say: self.prompt(doc.say),
            again: self.prompt(doc.again),
            ask,
            wait_ms: self.bounded("wait_ms", doc.wait_ms, 100..=5_000),
            interruptible: doc.interruptible.unwrap_or(true),
            rules,
            on_emotion,
            collect,
            no_input: self.retry(doc.no_input, Some(defaults.no_input), fallback),
            no_match: self.retry(doc.no_match, Some(defaults.no_match), fallback),
            next,
            call,
            set: self.set(doc.set),
            purpose,
            selling,
            goal: doc.goal,
            scene: doc.scene.as_ref().and_then(|scene| self.scene(scene)),
            max_attempts: self.count("max_attempts", doc.max_attempts, 1..=20).or(defaults.max_attempts),
            exhausted: doc.exhausted.map(|step| self.leading("exhausted", step, Outcome::HangUp)),
            routes: doc.route.into_iter().filter_map(|route| self.route(route)).collect(),
            discover,
            discloses: self.discloses(doc.discloses, doc.kind.as_ref(), line),
            brief: self.prompt(doc.brief),
            facts: doc.facts.unwrap_or(true),
            tools: self.tools(doc.tools),
            expectation: Arc::new(Expectation { language: defaults.language.clone(), kind, phrases }),
            name: name.into_inner(),
        }
    }

    fn route(&mut self, doc: Spanned<RouteDoc>) -> Option<(Guard, Step)> {
        let line = self.line(doc.span());
        let doc = doc.into_inner();
        let guard = self.guard(Some(doc.when.clone()));
        let step = self.step(doc.into(), line, Outcome::AskAgain);
        if step.then == Outcome::AskAgain {
            self.error(line, "a route leads somewhere: add goto, call, return, transfer or hang_up");
        }
        guard.map(|guard| (guard, step))
    }

    fn discloses(&mut self, names: Option<Names>, kind: Option<&Spanned<String>>, line: usize) -> Vec<String> {
        let is = kind.is_some_and(|kind| kind.get_ref() == "disclosure");
        let names = names.map(|names| names.0).unwrap_or_default();
        if is && names.is_empty() {
            let all = DISCLOSURES.join("\", \"");
            self.error(
                line,
                format!("kind = \"disclosure\" without 'discloses': name what its line says, of [\"{all}\"]"),
            );
        }
        for name in &names {
            let at = self.line(name.span());
            if !is {
                self.error(at, "'discloses' belongs to a state of kind = \"disclosure\"");
                break;
            }
            if !DISCLOSURES.contains(&name.get_ref().as_str()) {
                let known = DISCLOSURES.join(", ");
                self.error(at, format!("'{}' is nothing to disclose: choose of {known}", name.get_ref()));
            }
        }
        names.into_iter().map(Spanned::into_inner).collect()
    }
}
