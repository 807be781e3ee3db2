//! From state to state: steps, digressions and the way back, questions put again.

use super::Dialogue;
use super::course::Course;
use super::saying::plain_line;
use crate::agent::AgentEvent;
use crate::agent::dialogue::flow::{Outcome, Rule, Step};
use crate::agent::dialogue::response::{End, Response, Task};
use crate::agent::dialogue::selling::Kind;
use crate::agent::turn::NewLine;
use crate::record::{EndReason, TurnNotes};
use std::sync::Arc;

/// Most states that are passed through in one go.
const MAX_HOPS: usize = 32;
/// Most states to return to, sub-flows of sub-flows counted.
const MAX_STACK: usize = 16;

impl Dialogue {
    pub(super) fn follow(&mut self, rule: &Rule, text: &str, response: &mut Response) {
        self.progressed();
        if let Some((slot, value)) = &rule.slot {
            self.fill(slot.clone(), value.clone().unwrap_or_else(|| text.to_owned()), response);
        }
        self.step(&rule.step, response);
    }

    pub(super) fn set(
        &mut self,
        slots: &[(String, crate::agent::dialogue::prompt::Template)],
        response: &mut Response,
    ) {
        for (name, value) in slots {
            let value = value.fill(|name| self.known(name));
            self.fill(name.clone(), value, response);
        }
    }

    pub(super) fn dispose(&mut self, disposition: Option<&String>, response: &mut Response) {
        if let Some(disposition) = disposition {
            self.disposition = Some(disposition.clone());
            response.events.push(AgentEvent::Disposition(disposition.clone()));
        }
    }

    pub(super) fn step(&mut self, step: &Step, response: &mut Response) {
        self.dispose(step.disposition.as_ref(), response);
        self.set(&step.set, response);
        if let Some(text) = step.say.as_ref().and_then(|say| self.next_variant(say)) {
            response.lines.push(plain_line(text));
        }
        let offered = step.offer.is_some_and(|offer| self.offer(offer, response));
        match &step.then {
            Outcome::Stay => {}
            Outcome::AskAgain => match step.offer.filter(|_| offered) {
                Some(offer) => self.after_offer(offer, response),
                None => self.ask_again(response),
            },
            Outcome::Repeat => {
                let question = self.asked;
                response
                    .lines
                    .extend(self.last_said.iter().map(|text| NewLine { question, ..plain_line(text.clone()) }));
                if response.lines.is_empty() {
                    self.ask_again(response);
                }
            }
            Outcome::Goto(state) => self.enter(*state, response),
            Outcome::Call(state) => {
                if self.course.stack.len() < self.flow.selling.max_digressions.max(1) {
                    self.course.stack.push((self.state, self.course.asking));
                }
                self.enter(*state, response);
            }
            Outcome::Return => self.back(response),
            Outcome::Transfer(target) if self.course.refused => {
                // Nobody is asked twice.
                let flow = Arc::clone(&self.flow);
                let target = target.fill(|name| self.variables.get(name).map(String::as_str));
                let text = flow.transfer_failed.say.as_ref().and_then(|say| self.next_variant(say));
                response.lines.extend(text.map(plain_line));
                let why = format!("the transfer to {target} was not accepted");
                response.end = Some(End::HangUp(EndReason::Failed { why }));
            }
            Outcome::Transfer(target) => {
                let target = target.fill(|name| self.variables.get(name).map(String::as_str));
                response.end = Some(if target.is_empty() {
                    End::HangUp(EndReason::Failed { why: "the transfer has no target".to_owned() })
                } else {
                    End::Transfer { target }
                });
            }
            Outcome::HangUp => response.end = Some(End::HangUp(EndReason::Completed)),
        }
    }

    /// The end of a digression: back to the state that it came from.
    fn back(&mut self, response: &mut Response) {
        let Some((state, asking)) = self.course.stack.pop() else { return self.ask_again(response) };
        let flow = Arc::clone(&self.flow);
        let Some(found) = flow.states.get(state) else { return };
        self.state = state;
        self.progressed();
        self.asked = true;
        self.course.asking = asking;
        response.events.push(AgentEvent::State { state: found.name.clone() });
        response.expect = self.expectation().cloned();
        match found.next.as_ref().filter(|_| found.call.is_some()) {
            Some(next) => self.hop(next, response),
            None => self.ask_again(response),
        }
    }

    /// A step between states, as long as they do not go in circles.
    fn hop(&mut self, step: &Step, response: &mut Response) {
        response.hops += 1;
        if response.hops > MAX_HOPS {
            let why = format!("the flow goes in circles at '{}'", self.state_name());
            response.end = Some(End::HangUp(EndReason::Failed { why }));
            return;
        }
        self.step(step, response);
    }

    pub(super) fn enter(&mut self, target: usize, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let target = self.instead_of(target);
        let Some(state) = flow.states.get(target) else { return };
        self.state = target;
        self.progressed();
        self.asked = true;
        self.course.asking = None;
        if let Some(open) = &mut self.course.open {
            open.followed_up = false;
        }
        response.events.push(AgentEvent::State { state: state.name.clone() });
        let again = Course::more(&mut self.course.visits, target) > 1;
        self.set(&state.set, response);
        response.expect = self.expectation().cloned();
        if state.purpose == Kind::Disclosure && !self.course.disclosed.contains(&target) {
            self.course.undisclosed.insert(target);
        } else if !state.purpose.needs_no_disclosure() && state.next.is_none() {
            self.disclose_first(response);
        }
        if let Some((_, step)) = state.routes.iter().find(|(guard, _)| self.holds(guard)) {
            return self.hop(step, response);
        }
        if state.next.is_none() && state.discover.is_none() {
            let attempts = Course::more(&mut self.course.attempts, target);
            if state.max_attempts.is_some_and(|max| attempts > max) {
                return self.give_up_state(response);
            }
        }
        if !(again && state.discover.is_some()) {
            self.say_state(target, again, response);
        }
        if let Some(discover) = &state.discover {
            self.discover(state, discover, response);
        } else if let Some(ask) = &state.ask {
            self.asked = true;
            let mut text = ask.task.quote(|name| self.is_ours(name), |name| self.known(name));
            if let Some(goal) = &state.goal {
                text.push_str("\nWhat this part of the call is for: ");
                text.push_str(goal);
            }
            let ready = self.next_variant(&ask.template).unwrap_or_default();
            let passages = self.passages_for_last();
            let template = passages.first().and_then(|best| best.say.clone()).unwrap_or(ready);
            let (permits, interruptible) = (self.permits(), state.interruptible);
            response.task = Some(Task { text, template, interruptible, passages, permits });
        } else if let Some(call) = state.call.filter(|_| self.course.stack.len() < MAX_STACK) {
            self.course.stack.push((target, None));
            response.hops += 1;
            if response.hops <= MAX_HOPS {
                self.enter(call, response);
            } else {
                self.hop(&Step::default(), response);
            }
        } else if let Some(next) = &state.next {
            self.hop(next, response);
        }
    }

    /// The line with which a state begins.
    fn say_state(&mut self, target: usize, again: bool, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let Some(state) = flow.states.get(target) else { return };
        let undisclosed = self.course.undisclosed.contains(&target);
        let question = state.next.is_none() && state.discover.is_none();
        if let Some(line) =
            response.lines.last_mut().filter(|line| line.notes.offer.is_some() && question && !undisclosed)
            && line.text.ends_with(['?', '？'])
        {
            // The offer asks itself what this state would ask.
            line.question = true;
            self.asked = false;
            return;
        }
        let say = state.again.as_ref().filter(|_| again && !undisclosed).or(state.say.as_ref());
        let Some(say) = say else { return };
        let (text, notes) = if state.purpose == Kind::Opening && !again {
            let key = format!("opening.{}", state.name);
            let Some((_, id, text)) = self.chosen(&key, say, false, |_| false) else { return };
            (Some(text), TurnNotes { wording: Some(format!("{key}/{id}")), ..TurnNotes::default() })
        } else {
            (self.next_variant(say), TurnNotes::default())
        };
        let Some(text) = text else { return };
        let discloses = undisclosed.then_some(target);
        response.lines.push(NewLine {
            text,
            interruptible: state.interruptible,
            question,
            discloses,
            notes: Box::new(notes),
        });
        self.asked = state.discover.is_some() && self.asked;
    }

    /// The state has put its question as often as it may.
    pub(super) fn worn_out(&mut self) -> bool {
        let max = self.at().and_then(|state| state.max_attempts);
        let attempts = Course::more(&mut self.course.attempts, self.state);
        max.is_some_and(|max| attempts > max)
    }

    pub(super) fn give_up_state(&mut self, response: &mut Response) {
        let step = self.at().map(|state| state.exhausted.clone().unwrap_or_else(|| state.no_match.finally.clone()));
        if let Some(step) = step {
            self.hop(&step, response);
        }
    }

    pub(super) fn ask_again(&mut self, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let Some(state) = flow.states.get(self.state) else { return };
        if let Some(open) = &mut self.course.open {
            open.followed_up = false;
        }
        // A state that goes on by itself asks nothing: it goes on.
        if let Some(next) = &state.next {
            if response.lines.is_empty()
                && let Some(text) = state.say.as_ref().and_then(|say| self.next_variant(say))
            {
                response.lines.push(plain_line(text));
            }
            return self.hop(next, response);
        }
        self.disclose_first(response);
        if let Some(discover) = &state.discover {
            // What came between was no answer: the same question, in other words.
            if !self.same_question(state, response) {
                self.discover(state, discover, response);
            }
            return;
        }
        if response.lines.iter().any(|line| line.discloses == Some(self.state)) {
            // Its disclosure is its question.
            if let Some(line) = response.lines.last_mut() {
                line.question = true;
            }
        }
        // Before it was put, the whole question is put.
        let again = state.again.as_ref().filter(|_| self.asked);
        let brief = self.course.undisclosed.contains(&self.state);
        let say = again.or(state.say.as_ref().filter(|_| !brief));
        if let Some(text) = say.and_then(|say| self.next_variant(say)) {
            let interruptible = state.interruptible;
            response.lines.push(NewLine { text, interruptible, question: true, ..NewLine::default() });
        } else if response.lines.is_empty() {
            // Its question was part of what was said before it, such as an offer.
            let said = self.last_said.iter();
            response.lines.extend(said.map(|text| NewLine { question: true, ..plain_line(text.clone()) }));
        }
    }
}
