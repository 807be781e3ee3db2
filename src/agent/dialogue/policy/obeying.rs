//! What the language model asks to be done: judged by the list of the state in which it was asked, carried out by the flow.

use super::Dialogue;
use crate::agent::dialogue::response::{End, Response};
use crate::agent::leash::{Move, Permits, Refusal};
use crate::record::EndReason;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The slot that keeps when the caller wants to be called.
const CALLBACK: &str = "callback";

impl Dialogue {
    /// What the current state lets the language model do.
    pub fn permits(&self) -> Permits {
        let Some(state) = self.at() else { return Permits::default() };
        let mut permits = state.tools.clone();
        // The target is the flow's, with the flow's own variables in it.
        let trusted = |name: &str| self.variables.get(name).filter(|_| self.is_ours(name)).map(String::as_str);
        permits.transfer = permits
            .transfer
            .and_then(|target| crate::agent::dialogue::prompt::Template::parse(&target).ok())
            .map(|target| target.fill(trusted))
            .filter(|target| !target.is_empty());
        permits
    }

    /// The value of this name is the author's: not the caller's, a header's, or a lead's.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        let declared = self.flow.variables.iter().find(|variable| variable.name == name);
        let default = declared.and_then(|variable| variable.default.as_ref());
        !self.slots.contains_key(name) && default.is_some_and(|default| self.variables.get(name) == Some(default))
    }

    /// The values that are data to the language model: they come from outside, or the caller said them.
    pub fn data(&self) -> BTreeMap<String, String> {
        let all = self.variables.iter().chain(&self.slots);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The current task and its ready lines in the author's words and with the author's values, without what comes from outside.
    pub fn task_words(&self) -> Vec<String> {
        let ours = |name: &str| self.known(name).filter(|_| self.is_ours(name));
        let ask = self.at().and_then(|state| state.ask.as_ref());
        let all = ask.into_iter().flat_map(|ask| std::iter::once(&ask.task).chain(ask.template.templates()));
        all.map(|template| template.quote(|_| true, ours)).collect()
    }

    /// The approved offers that the language model may make now, with their conditions.
    pub fn offer_terms(&self, permits: &Permits) -> Vec<String> {
        let offers = self.flow.selling.offers.iter().filter(|offer| permits.offers.contains(&offer.name));
        offers
            .map(|offer| format!("{}: {}", offer.name, offer.terms.as_deref().unwrap_or("no further conditions")))
            .collect()
    }

    /// Nothing that the model asked for is done.
    pub fn want_nothing(&mut self) {
        self.course.wanted = None;
    }

    /// The model calls a tool. What fills is filled now; a move is made when its answer was given, and only the first.
    ///
    /// # Errors
    /// Why it is not obeyed.
    pub fn obey(&mut self, permits: &Permits, name: &str, arguments: &serde_json::Value) -> Result<Response, Refusal> {
        let mut response = Response::default();
        match permits.judge(name, arguments)? {
            Move::Fill { slot, value } => self.fill(slot, value, &mut response),
            Move::Callback { when } => self.fill(CALLBACK.to_owned(), when, &mut response),
            wanted => {
                if self.course.wanted.is_some() {
                    return Err(Refusal::Forbidden);
                }
                self.course.wanted = Some(wanted);
            }
        }
        Ok(response)
    }

    /// Makes the move that the model asked for with its answer. Returns whether there was one that can be made.
    pub(super) fn move_wanted(&mut self, response: &mut Response) -> bool {
        let Some(wanted) = self.course.wanted.take() else { return false };
        let flow = Arc::clone(&self.flow);
        match wanted {
            Move::Goto(state) => self.enter(state, response),
            Move::Objection(name) => match flow.selling.objections.find(&name) {
                Some(at) => self.object(at, response),
                None => return false,
            },
            Move::Offer(name) => {
                let Some(at) = flow.selling.offers.iter().position(|offer| offer.name == name) else { return false };
                if !self.offer(at, response) {
                    return false;
                }
                self.after_offer(at, response);
            }
            Move::Transfer(target) => response.end = Some(End::Transfer { target }),
            Move::End => response.end = Some(End::HangUp(EndReason::Completed)),
            Move::Fill { .. } | Move::Callback { .. } => return false,
        }
        true
    }
}
