//! Questions that the flow itself does not answer: from the facts, or not at all.

use super::Dialogue;
use super::meaning::{Meaning, Move};
use super::saying::plain_line;
use crate::agent::dialogue::prompt::Template;
use crate::agent::dialogue::question::is_question;
use crate::agent::dialogue::response::{Response, Task};
use crate::speech::Passage;
use std::sync::Arc;

/// So sure a fact answers even what does not sound like a question.
const SURELY: f32 = 0.8;
/// So sure a fact goes before the classifier's guess.
const BETTER: f32 = 0.65;
/// The slot that keeps the question that nobody could answer.
const OPEN_QUESTION: &str = "open_question";
/// Most characters of a question that are kept.
const MAX_QUESTION: usize = 160;

/// What is to be said to a question.
pub(super) enum Known {
    /// This, the surest first.
    Facts(Vec<Passage>),
    /// That it is not known.
    Nothing,
}

impl Dialogue {
    /// What the facts have to say to this, where the state answers from facts; none: it is no question, or there are no facts.
    pub(super) fn known_of(&self, text: &str) -> Option<Known> {
        let facts = self.flow.facts.finder()?;
        self.at().filter(|state| state.facts)?;
        let found = facts.find(text);
        let asks = is_question(text);
        let sure = found.passages.first().map_or(0.0, |best| best.sure);
        if found.answered && (asks || sure >= SURELY) {
            return Some(Known::Facts(found.passages));
        }
        asks.then_some(Known::Nothing)
    }

    /// A fact that answers a question more surely than the classifier's guess what the caller is about: an objection, a signal, one of
    /// the answers that hold in every state. What a phrase says stays.
    pub(super) fn known_better(&self, text: &str, meaning: &Meaning) -> Option<Known> {
        let guessed = meaning.phrase == 0
            && match meaning.what {
                Move::Objection(_) | Move::Signal => true,
                Move::Global(at) => self.flow.globals.get(at).is_some_and(|rule| !rule.interrupt),
                _ => false,
            };
        let known = self.known_of(text).filter(|_| guessed && is_question(text))?;
        // Who asks and is answered may still buy; who is offered something instead has not been heard.
        let least = if meaning.what == Move::Signal { 0.0 } else { BETTER };
        let surely = matches!(&known, Known::Facts(found) if found.first().is_some_and(|best| best.sure >= least));
        surely.then_some(known)
    }

    /// Answers a question from the facts, or says that it is not known; then the state's own question is put again.
    pub(super) fn answer(&mut self, text: &str, known: Known, response: &mut Response) {
        self.progressed();
        let flow = Arc::clone(&self.flow);
        let unknown = self.next_variant(&flow.facts.unknown).unwrap_or_default();
        let Known::Facts(passages) = known else {
            let question: String = text.chars().take(MAX_QUESTION).collect();
            self.fill(OPEN_QUESTION.to_owned(), question, response);
            response.lines.push(plain_line(unknown));
            return self.ask_again(response);
        };
        let passages = self.filled(passages);
        let template = passages.first().and_then(|best| best.say.clone()).unwrap_or(unknown);
        let text = "Answer the caller's last question from the facts, in one sentence, and nothing else.".to_owned();
        self.course.resume = true;
        self.asked = true;
        response.task = Some(Task { text, template, interruptible: true, passages, permits: self.permits() });
    }

    /// What the facts have to say to what the caller said last, for a state that leaves the answer to the language model.
    pub(super) fn passages_for_last(&self) -> Vec<Passage> {
        match self.known_of(&self.course.heard) {
            Some(Known::Facts(passages)) => self.filled(passages),
            _ => Vec::new(),
        }
    }

    fn filled(&self, passages: Vec<Passage>) -> Vec<Passage> {
        let fill = |passage: Passage| Passage {
            text: self.put_in(&passage.text),
            say: passage.say.map(|say| self.put_in(&say)).filter(|say| !say.is_empty()),
            ..passage
        };
        passages.into_iter().map(fill).collect()
    }

    /// A fact with the flow's variables in it, as they are spoken.
    fn put_in(&self, text: &str) -> String {
        let variable = |name: &str| self.variables.get(name).map(String::as_str);
        // A brace that is none of ours stays.
        Template::parse(text).map_or_else(|_| text.to_owned(), |template| template.render(self.flow.tongue(), variable))
    }
}
