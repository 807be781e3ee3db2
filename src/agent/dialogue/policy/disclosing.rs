//! The disclosure: heard to its end before anything else is talked about.

use super::Dialogue;
use crate::agent::dialogue::response::Response;
use crate::agent::turn::NewLine;
use std::sync::Arc;

/// After so many repetitions it can no longer be interrupted.
const MAX_INTERRUPTED: u32 = 2;

impl Dialogue {
    /// The line of this state's disclosure was played to its end.
    pub fn disclosed(&mut self, state: usize) {
        self.course.disclosed.insert(state);
        self.course.undisclosed.remove(&state);
    }

    /// Takes over what was heard while this was not the conversation.
    pub fn heard_disclosures(&mut self, other: &Self) {
        let heard: Vec<usize> = other.course.disclosed.difference(&self.course.disclosed).copied().collect();
        heard.into_iter().for_each(|state| self.disclosed(state));
    }

    /// The disclosures in short that were not heard and are not being said.
    pub(super) fn disclose_first(&mut self, response: &mut Response) {
        let said = |state: &usize| response.lines.iter().any(|line| line.discloses == Some(*state));
        let due: Vec<usize> = self.course.undisclosed.iter().copied().filter(|state| !said(state)).collect();
        due.into_iter().for_each(|state| self.disclose_briefly(state, response));
    }

    fn disclose_briefly(&mut self, state: usize, response: &mut Response) {
        let flow = Arc::clone(&self.flow);
        let Some(found) = flow.states.get(state) else { return };
        let say = found.brief.as_ref().or(found.say.as_ref());
        let Some(text) = say.and_then(|say| self.next_variant(say)) else {
            // There is nothing to say: nothing to be waited for either.
            return self.disclosed(state);
        };
        self.course.repeated = self.course.repeated.saturating_add(1);
        let interruptible = found.interruptible && self.course.repeated <= MAX_INTERRUPTED;
        response.lines.push(NewLine { text, interruptible, discloses: Some(state), ..NewLine::default() });
    }
}
