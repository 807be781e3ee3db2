//! Objections: raised, answered, and what became of them. No rebuttal is said twice.

use super::Dialogue;
use super::course::{Course, OpenObjection};
use super::saying::plain_line;
use crate::agent::AgentEvent;
use crate::agent::dialogue::flow::{Outcome, Rule, Step};
use crate::agent::dialogue::response::Response;
use crate::agent::dialogue::selling::Kind;
use crate::agent::turn::NewLine;
use crate::nlu::{self, Action};
use crate::record::{ObjectionOutcome, ObjectionRecord, TurnNotes};
use std::sync::Arc;

impl Dialogue {
    /// The caller raised an objection.
    pub(super) fn object(&mut self, at: usize, response: &mut Response) {
        self.settle(ObjectionOutcome::Persisted, response);
        Course::more(&mut self.course.met, at);
        self.answer_objection(at, response);
    }

    /// The caller was not convinced by a rebuttal.
    pub(super) fn disagree(&mut self, response: &mut Response) {
        let Some(at) = self.course.open.as_ref().map(|open| open.objection) else { return };
        self.settle(ObjectionOutcome::Persisted, response);
        self.answer_objection(at, response);
    }

    /// The caller was convinced by a rebuttal.
    pub(super) fn agree(&mut self, response: &mut Response) {
        let open = self.course.open.as_ref().map(|open| (open.objection, open.rebuttal.clone()));
        let Some((at, rebuttal)) = open else { return };
        self.settle(ObjectionOutcome::Resolved, response);
        self.progressed();
        let flow = Arc::clone(&self.flow);
        if let Some(objection) = flow.selling.objections.all.get(at) {
            let step = objection.agreed.get(&rebuttal).unwrap_or(&objection.resolved);
            // Who lets an opening go on in spite of "not interested" has said the yes that the opening asks for.
            let opening = self.at().is_some_and(|state| state.purpose == Kind::Opening);
            let said_yes =
                |rule: &&Rule| rule.intents.iter().any(|intent| intent == Action::Confirm.id()) && self.may(rule);
            let not_interested = objection.name == nlu::Objection::NotInterested.id();
            if opening
                && not_interested
                && step.then == Outcome::AskAgain
                && let Some(rule) = self.own_rules_of(&flow).iter().find(said_yes)
            {
                return self.follow(rule, "", response);
            }
            self.step(step, response);
        }
    }

    /// The caller answered what a rebuttal asked, neither with yes nor with no: it is acknowledged, and the conversation goes on.
    pub(super) fn take_answer(&mut self, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let heard = flow.selling.objections.heard.as_ref();
        if let Some(text) = heard.and_then(|heard| self.next_variant(heard)) {
            response.lines.push(plain_line(text));
        }
        self.agree(response);
    }

    /// The next rebuttal, or what follows when there is none.
    fn answer_objection(&mut self, at: usize, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let objections = &flow.selling.objections;
        let Some(objection) = objections.all.get(at) else { return };
        self.progressed();
        let total: u32 = self.course.answered.values().sum();
        let may = objection.when.as_ref().is_none_or(|guard| self.holds(guard))
            && Course::count(&self.course.answered, at) < objection.max
            && total < objections.max_total;
        let used = self.course.used.clone();
        let key = format!("objection.{}", objection.name);
        let passed = |wording: usize| used.contains(&(at, wording));
        let chosen = if may { self.chosen(&key, &objection.rebuttals, true, passed) } else { None };
        let class = objection.name.clone();
        let state = self.state_name().to_owned();
        let Some((wording, rebuttal, text)) = chosen else {
            let outcome = ObjectionOutcome::Ended;
            response.events.push(AgentEvent::Objection(ObjectionRecord { class, state, rebuttal: None, outcome }));
            let step = objection.exhausted.clone().unwrap_or(Step::only(Outcome::HangUp, objection.line));
            return self.step(&step, response);
        };
        self.course.used.insert((at, wording));
        Course::more(&mut self.course.answered, at);
        let notes = TurnNotes {
            objection: Some(class.clone()),
            rebuttal: Some(rebuttal.clone()),
            wording: Some(format!("{key}/{rebuttal}")),
            ..TurnNotes::default()
        };
        // A rebuttal that ends with a question is its own follow-up: nobody asks two questions in one breath.
        let asks = objection.follow_up.is_some() && text.trim_end().ends_with(['?', '\u{ff1f}']);
        response.lines.push(NewLine { notes: Box::new(notes), question: asks, ..plain_line(text) });
        response.events.push(AgentEvent::Objection(ObjectionRecord {
            class,
            state: state.clone(),
            rebuttal: Some(rebuttal.clone()),
            outcome: ObjectionOutcome::Open,
        }));
        let follow_up = objection.follow_up.as_ref().filter(|_| !asks);
        let follow_up = follow_up.and_then(|follow_up| self.next_variant(follow_up));
        let followed_up = asks || follow_up.is_some();
        self.course.open = Some(OpenObjection { objection: at, rebuttal, state, followed_up });
        match follow_up {
            Some(text) => {
                self.asked = false;
                response.lines.push(NewLine { question: true, ..plain_line(text) });
            }
            None if asks => self.asked = false,
            None => self.ask_again(response),
        }
    }

    /// It is known what became of the open objection.
    pub(super) fn settle(&mut self, outcome: ObjectionOutcome, response: &mut Response) {
        let Some(open) = self.course.open.take() else { return };
        let Some(objection) = self.flow.selling.objections.all.get(open.objection) else { return };
        if outcome == ObjectionOutcome::Resolved {
            self.course.resolved = self.course.resolved.saturating_add(1);
        }
        response.events.push(AgentEvent::Objection(ObjectionRecord {
            class: objection.name.clone(),
            state: open.state,
            rebuttal: Some(open.rebuttal),
            outcome,
        }));
    }
}
