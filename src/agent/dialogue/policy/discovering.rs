//! What is to be found out, and which question comes next: that whose answer is worth most.
//!
//! For an open need *s* that was asked *a* times, an answer comes with probability `answer·½^a`. It is worth `value` of *s* and, by
//! the chance that it tells other open needs too, a share of theirs. The price of the *k*-th question of a state is
//! `cost·(1 + (k−1)/4)`: the caller's patience. The question with the greatest gain is put while it is worth its price. A
//! question that asks for two needs in one breath gains what both do, at the price of one.

use super::Dialogue;
use super::course::Course;
use crate::agent::dialogue::flow::State;
use crate::agent::dialogue::response::Response;
use crate::agent::dialogue::selling::{Discover, Need};
use crate::agent::turn::NewLine;
use std::sync::Arc;

/// What the price of a question grows by with each, as a share of the first one's.
const IMPATIENCE: f64 = 0.25;

impl Dialogue {
    /// The need whose question was put last and is not answered: its number.
    pub fn asks_for(&self) -> Option<usize> {
        self.course.asking
    }

    /// The need that the same question asks for, too: its number.
    pub fn asks_too(&self) -> Option<usize> {
        self.course.asking_too.filter(|_| self.course.asking.is_some())
    }

    fn is_open(&self, need: &Need) -> bool {
        self.known(&need.slot).is_none_or(str::is_empty)
    }

    /// What the answer to the question for this need can be expected to be worth.
    fn gain(&self, at: usize, need: &Need) -> f64 {
        let asked = Course::count(&self.course.asked, at);
        let chance = need.answer * 0.5_f64.powi(i32::try_from(asked.min(30)).unwrap_or(30));
        let others = need.tells.iter().filter_map(|(other, chance)| {
            let other = self.flow.selling.needs.get(*other).filter(|other| self.is_open(other))?;
            Some(chance * other.value)
        });
        chance * (need.value + others.sum::<f64>())
    }

    /// The question that is to be put next, if any is worth it: its need, and the one that it asks for in the same breath.
    pub(super) fn next_need(&self, discover: &Discover) -> Option<(usize, Option<usize>)> {
        let needs = &self.flow.selling.needs;
        let all = || discover.needs.iter().filter_map(|at| Some((*at, needs.get(*at)?)));
        let known = all().filter(|(_, need)| !self.is_open(need)).count();
        let asked = Course::count(&self.course.questions, self.state);
        if known >= discover.enough || asked >= discover.max_questions {
            return None;
        }
        let price = discover.cost * (1.0 + f64::from(asked) * IMPATIENCE);
        let may = |need: &Need| need.when.as_ref().is_none_or(|guard| self.holds(guard));
        let new = |at: usize| Course::count(&self.course.asked, at) == 0;
        let mut best: Option<((usize, Option<usize>), f64)> = None;
        for (at, need) in all().filter(|(_, need)| self.is_open(need) && may(need)) {
            let mut question = ((at, None), self.gain(at, need));
            // Two at a time only where both are new, and both are wanted.
            if let Some(other) = need.both.as_ref().map(|both| both.other)
                && let Some(second) = needs.get(other)
                && new(at)
                && new(other)
                && known + 1 < discover.enough
                && discover.needs.contains(&other)
                && self.is_open(second)
                && may(second)
            {
                question = ((at, Some(other)), question.1 + self.gain(other, second));
            }
            if question.1 > price && best.is_none_or(|(_, gain)| question.1 > gain) {
                best = Some(question);
            }
        }
        best.map(|(question, _)| question)
    }

    /// Puts the next question of a state that finds out, or goes on where there is none.
    pub(super) fn discover(&mut self, state: &State, discover: &Discover, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let next = self.next_need(discover);
        let next = next.and_then(|(at, other)| Some((at, other, flow.selling.needs.get(at)?)));
        self.course.asking = None;
        self.course.asking_too = None;
        let Some((at, other, need)) = next else { return self.step(&discover.done, response) };
        for asked in [Some(at), other].into_iter().flatten() {
            Course::more(&mut self.course.asked, asked);
        }
        Course::more(&mut self.course.questions, self.state);
        let ask = need.both.as_ref().filter(|_| other.is_some()).map_or(&need.ask, |both| &both.ask);
        let Some(text) = self.next_variant(ask) else { return self.step(&discover.done, response) };
        self.course.asking = Some(at);
        self.course.asking_too = other;
        self.asked = false;
        response.lines.push(NewLine { text, interruptible: state.interruptible, question: true, ..NewLine::default() });
    }

    /// Puts the question that is open once more, in other words; it counts as the same one. Returns whether one is open.
    pub(super) fn same_question(&mut self, state: &State, response: &mut Response) -> bool {
        let flow = Arc::clone(&self.flow);
        let open = self.course.asking.and_then(|at| flow.selling.needs.get(at)).filter(|need| self.is_open(need));
        let Some(text) = open.and_then(|need| self.next_variant(&need.ask)) else { return false };
        self.asked = false;
        // The first of two; the other is asked for alone.
        self.course.asking_too = None;
        let interruptible = state.interruptible;
        response.lines.push(NewLine { text, interruptible, question: true, ..NewLine::default() });
        true
    }

    /// Says that the answer was heard, where the need has words for that.
    pub(super) fn acknowledge(&mut self, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let need = self.course.asking.and_then(|at| flow.selling.needs.get(at)).filter(|need| !self.is_open(need));
        if let Some(text) = need.and_then(|need| need.ack.as_ref()).and_then(|ack| self.next_variant(ack)) {
            response.lines.push(super::saying::plain_line(text));
        }
    }
}
