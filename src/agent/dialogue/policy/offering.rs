//! Buying signals and what is offered: nothing that is not in the table of approved offers, and each once.

use super::Dialogue;
use super::course::Made;
use super::saying::plain_line;
use crate::agent::AgentEvent;
use crate::agent::dialogue::response::Response;
use crate::agent::dialogue::selling::{Kind, Offer};
use crate::agent::dialogue::spoken::Tongue;
use crate::agent::turn::NewLine;
use crate::record::{OfferRecord, TurnNotes};
use std::sync::Arc;

impl Dialogue {
    /// The caller showed that they want to buy: makes an offer where that is due. `from` is the state in which it was shown.
    /// Returns whether an offer was made.
    pub(super) fn signal(&mut self, from: usize, response: &mut Response) -> bool {
        let flow = Arc::clone(&self.flow);
        let signals = &flow.selling.signals;
        self.course.signals = self.course.signals.saturating_add(1);
        // Whoever is buying already, or on the way out, needs no offer.
        let here = flow.states.get(self.state).map_or(Kind::Plain, |state| state.purpose);
        let moved = self.state != from && (here.leaves() || here == Kind::Offer);
        if self.course.signals < signals.after || moved || response.end.is_some() || response.task.is_some() {
            return false;
        }
        let next = signals.offers.iter().copied().find(|offer| self.may_offer(*offer));
        next.is_some_and(|offer| self.offer(offer, response))
    }

    fn may_offer(&self, at: usize) -> bool {
        let made = self.course.made.iter().any(|made| made.offer == at);
        let offer = self.flow.selling.offers.get(at);
        offer.is_some_and(|offer| !made && offer.when.as_ref().is_none_or(|guard| self.holds(guard)))
    }

    /// Makes an offer where it may be made. Returns whether it was.
    pub(super) fn offer(&mut self, at: usize, response: &mut Response) -> bool {
        // One at a time.
        if !self.may_offer(at) || response.lines.iter().any(|line| line.notes.offer.is_some()) {
            return false;
        }
        let flow = Arc::clone(&self.flow);
        let Some(offer) = flow.selling.offers.get(at) else { return false };
        self.variables.insert("expires".to_owned(), hours(self.flow.tongue(), offer.expires_h));
        let Some((_, id, text)) = self.chosen(&format!("offer.{}", offer.name), &offer.say, false, |_| false) else {
            return false;
        };
        self.course.made.push(Made { offer: at, accepted: false });
        response.events.push(AgentEvent::Offer(record(offer, false)));
        // The offer takes the place of the question.
        response.lines.retain(|line| !line.question);
        let notes = TurnNotes {
            offer: Some(offer.name.clone()),
            wording: Some(format!("offer.{}/{id}", offer.name)),
            ..TurnNotes::default()
        };
        response.lines.push(NewLine { notes: Box::new(notes), ..plain_line(text) });
        true
    }

    /// Goes where the offer that was just made is decided on.
    pub(super) fn after_offer(&mut self, at: usize, response: &mut Response) {
        match self.flow.selling.offers.get(at).and_then(|offer| offer.goto) {
            Some(state) => self.enter(state, response),
            // Its last sentence is the question.
            None => {
                self.asked = false;
                if let Some(line) = response.lines.last_mut() {
                    line.question = true;
                }
            }
        }
    }

    /// The caller accepts an offer.
    pub(super) fn accept(&mut self, at: usize, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let Some(offer) = flow.selling.offers.get(at) else { return };
        // What was not offered cannot be accepted.
        if let Some(made) = self.course.made.iter_mut().find(|made| made.offer == at && !made.accepted) {
            made.accepted = true;
            response.events.push(AgentEvent::Offer(record(offer, true)));
        }
    }
}

fn record(offer: &Offer, accepted: bool) -> OfferRecord {
    OfferRecord { offer: offer.name.clone(), expires_h: offer.expires_h, terms: offer.terms.clone(), accepted }
}

/// A time in hours, as it is said: whole days from two days on.
fn hours(tongue: Tongue, hours: u32) -> String {
    let days = hours / 24;
    let whole = hours.is_multiple_of(24) && days >= 2;
    match (tongue, whole) {
        (Tongue::Chinese, true) => format!("{days}天"),
        (Tongue::Chinese, false) => format!("{hours}小时"),
        (_, true) => format!("{days} days"),
        (_, false) if hours == 1 => "1 hour".to_owned(),
        (_, false) => format!("{hours} hours"),
    }
}
