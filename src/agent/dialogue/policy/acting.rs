//! What is done about what the caller's words mean.

use super::Dialogue;
use super::meaning::{Meaning, Move};
use crate::agent::dialogue::flow::Accepts;
use crate::agent::dialogue::response::Response;
use crate::record::ObjectionOutcome;
use std::sync::Arc;

impl Dialogue {
    /// The objection that this raises, for the record.
    pub(super) fn raised(&self, what: Move) -> Option<String> {
        let at = match what {
            Move::Objection(at) => at,
            Move::Own(at) => *self.at()?.rules.get(at)?.objections.first()?,
            _ => return None,
        };
        self.flow.selling.objections.all.get(at).map(|objection| objection.name.clone())
    }

    /// Does what the caller's words lead to.
    pub(super) fn act(&mut self, meaning: Meaning, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let from = self.state;
        let Meaning { what, text, fills, signal, .. } = meaning;
        for (slot, value) in fills {
            self.fill(slot, value, response);
        }
        let mut offers = signal;
        if matches!(what, Move::Agree | Move::Signal | Move::Needs) {
            self.doubt_settled();
        }
        match what {
            Move::Own(at) | Move::Global(at) => {
                let rules = if matches!(what, Move::Own(_)) { self.own_rules_of(&flow) } else { &flow.globals };
                let Some(rule) = rules.get(at) else { return };
                let accepted = match rule.accepts {
                    Some(Accepts::This(offer)) => Some(offer),
                    Some(Accepts::Last) => self.course.made.last().map(|made| made.offer),
                    None => None,
                };
                if let Some(offer) = accepted {
                    self.accept(offer, response);
                    offers = false;
                }
                if rule.accepts.is_some() || rule.intents.iter().any(|intent| intent == "confirm") {
                    self.doubt_settled();
                }
                self.follow(rule, &text, response);
                // An answer that ends the call ends the objection, too.
                if !rule.interrupt && response.end.is_none() {
                    self.settle(ObjectionOutcome::Resolved, response);
                }
            }
            Move::Objection(at) => {
                offers = false;
                self.object(at, response);
            }
            Move::Agree => self.agree(response),
            Move::Disagree => self.disagree(response),
            Move::Signal => {
                self.settle(ObjectionOutcome::Resolved, response);
                self.progressed();
                if !self.signal_here(from, response) {
                    self.ask_again(response);
                }
                offers = false;
            }
            Move::Keep(need) => {
                if let Some(need) = flow.selling.needs.get(need) {
                    self.fill(need.slot.clone(), text, response);
                }
                self.told(response);
            }
            Move::Needs => self.told(response),
            Move::Answered => self.take_answer(response),
            Move::Pass => {
                self.course.passed = true;
                self.course.asking = None;
                self.progressed();
                self.ask_again(response);
            }
            Move::Undisclosed => {
                self.course.open = None;
                self.ask_again(response);
                offers = false;
            }
        }
        if offers {
            self.signal_here(from, response);
        }
    }

    /// Needs were told: the next question, or the one that is open.
    fn told(&mut self, response: &mut Response) {
        self.settle(ObjectionOutcome::Resolved, response);
        self.acknowledge(response);
        // Whatever else they told: the question was passed over.
        self.course.asking = None;
        self.progressed();
        self.ask_again(response);
    }

    /// Makes the offer that a buying signal calls for, and goes on from there.
    fn signal_here(&mut self, from: usize, response: &mut Response) -> bool {
        let made = self.signal(from, response);
        if let (true, Some(offer)) = (made, self.course.made.last().map(|made| made.offer)) {
            self.after_offer(offer, response);
        }
        made
    }

    /// From a certain turn on the conversation is brought to its end, instead of another question.
    pub(super) fn close_down(&mut self, response: &mut Response) {
        let selling = &self.flow.selling;
        if selling.closing.is_some() && self.turns >= self.flow.max_turns {
            return self.close_now(response);
        }
        let due = selling.close_from.is_some_and(|from| self.turns >= from);
        let leaves = self.at().is_some_and(|state| state.purpose.leaves());
        if !due || self.course.closing || leaves || response.end.is_some() || self.entering() {
            return;
        }
        let Some(closing) = selling.closing.clone() else { return };
        if response.task.is_some() {
            self.course.close_next = true;
            return;
        }
        self.course.closing = true;
        self.course.close_next = false;
        response.lines.retain(|line| !line.question || line.discloses.is_some());
        self.step(&closing, response);
    }

    /// That was the last turn: the reply, and the end.
    fn close_now(&mut self, response: &mut Response) {
        if response.end.is_some() || self.entering() {
            return;
        }
        if response.task.is_some() {
            self.course.close_next = true;
            return;
        }
        self.course.close_next = false;
        response.lines.retain(|line| !line.question || line.discloses.is_some());
        let said = response.lines.len();
        let last = self.flow.too_many_turns.clone();
        self.step(&last, response);
        response.lines.iter_mut().skip(said).for_each(|line| line.interruptible = false);
    }
}
