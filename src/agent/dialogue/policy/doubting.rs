//! An interrupt that may have been meant: asked about plainly, and heeded where it stays open.
//!
//! To call somebody again who forbade it is against the law, to leave out somebody who did not costs one lead. So what may be such
//! a demand is asked about; a yes, the same once more, or words that nobody understands take it, and where the call ends without an
//! answer it is booked. A no, or going on with the conversation, settles it.
//!
//! Other interrupts may be asked about, too, such as a wrong number: what is only read, and not said in so many words, ends no call.
//! There the doubt is in favour of the conversation: a yes or the same once more takes the interrupt, everything else goes on.

use super::Dialogue;
use super::meaning::{FIRST_TURNS, Meaning, Move};
use crate::agent::AgentEvent;
use crate::agent::dialogue::flow::{Flow, Rule};
use crate::agent::dialogue::matching::locate;
use crate::agent::dialogue::response::Response;
use crate::agent::dialogue::sound::sounds;
use crate::agent::turn::NewLine;
use crate::nlu::{Action, Reading};
use std::sync::Arc;

/// Share of the classifier from which its reading is asked about.
const LIKELY: f32 = 0.12;
/// A reading of yes or no to the question counts from here.
const ANSWERS: f32 = 0.5;
/// Syllables of a phrase that are enough to know it by its sound alone.
const SURE_SOUNDS: usize = 4;

/// Syllables of a phrase that may mean it which are enough to ask.
const MAYBE_SOUNDS: usize = 3;

/// How far words are from an interrupt that they do not spell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hint {
    /// The same sounds.
    Sounds,
    /// One of the phrases that may mean it.
    Maybe,
    /// The classifier takes it for possible.
    Likely,
}

/// An interrupt that may have been meant in this call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Doubt {
    /// By its number among the global answers.
    rule: usize,
    how: Hint,
    /// The question is the one that the caller answers.
    pub pending: bool,
    /// How often it was put.
    asked: u8,
    /// The caller said no to it.
    denied: bool,
    /// The call ends for another reason, which stays its disposition.
    beside: bool,
}

impl Doubt {
    fn new(rule: usize, how: Hint) -> Self {
        Self { rule, how, pending: false, asked: 0, denied: false, beside: false }
    }
}

impl Dialogue {
    /// The question whether an interrupt was meant is open.
    pub(super) fn is_doubting(&self) -> bool {
        self.course.doubt.is_some_and(|doubt| doubt.pending)
    }

    /// The interrupt that these words may be, where the flow asks about it.
    fn hint(&self, heard: &[String], reading: Option<&Reading>, meaning: Option<&Meaning>) -> Option<(usize, Hint)> {
        let rules =
            self.flow.globals.iter().enumerate().filter_map(|(at, rule)| Some((at, rule, rule.doubt.as_ref()?)));
        // A phrase that is all that was said leaves nothing to doubt.
        let plain = meaning.is_some_and(|meaning| meaning.phrase == heard.len());
        let by_phrase = meaning.is_some_and(|meaning| meaning.phrase > 0);
        let sound = sounds(heard);
        for (at, rule, doubt) in rules.filter(|(_, rule, _)| self.may(rule)) {
            if meaning.is_some_and(|meaning| meaning.what == Move::Global(at)) {
                return None;
            }
            let heard_as = locate(&doubt.sounds, &sound).map_or(0, |found| found.fixed);
            if heard_as >= SURE_SOUNDS {
                return Some((at, Hint::Sounds));
            }
            let near = locate(&doubt.maybe_sounds, &sound).is_some_and(|found| found.fixed >= MAYBE_SOUNDS);
            let maybe = near || locate(&doubt.maybe, heard).is_some();
            if maybe && !plain {
                return Some((at, Hint::Maybe));
            }
            let denied = self.course.doubt.is_some_and(|doubt| doubt.rule == at && doubt.denied);
            if !by_phrase && !denied && reading.is_some_and(|reading| self.is_likely(rule, reading)) {
                return Some((at, Hint::Likely));
            }
        }
        None
    }

    /// The classifier gives one of the interrupt's actions a share worth asking about.
    fn is_likely(&self, rule: &Rule, reading: &Reading) -> bool {
        let is = |action: Action| rule.intents.iter().any(|intent| intent == action.id());
        if !binds(rule) {
            let early = reading.action != Action::WrongPerson || self.turns <= FIRST_TURNS;
            return early
                && reading.in_scope
                && is(reading.action)
                && reading.confidence >= self.flow.selling.min_intent;
        }
        let first = is(reading.action) && reading.confidence >= LIKELY;
        first || reading.runner_up.is_some_and(|(action, share)| is(action) && share >= LIKELY)
    }

    /// These words may be an interrupt that is asked about.
    pub(super) fn doubts(&self, heard: &[String], reading: Option<&Reading>, meaning: Option<&Meaning>) -> bool {
        self.is_doubting() || self.hint(heard, reading, meaning).is_some()
    }

    /// Asks whether an interrupt was meant, or hears the answer; none: there is nothing to doubt, or the words say something else.
    pub(super) fn doubt(
        &mut self,
        heard: &[String],
        reading: Option<&Reading>,
        meaning: Option<&Meaning>,
    ) -> Option<Response> {
        let flow = Arc::clone(&self.flow);
        let hint = self.hint(heard, reading, meaning);
        let other = meaning.is_some_and(|meaning| ends(&flow, meaning.what));
        let before = self.course.doubt;
        if let Some(doubt) = &mut self.course.doubt {
            doubt.pending = false;
        }
        if let Some(doubt) = before.filter(|doubt| doubt.pending) {
            if other {
                return None;
            }
            let binds = flow.globals.get(doubt.rule).is_some_and(binds);
            if hint.is_some_and(|(rule, how)| rule == doubt.rule || binds && how != Hint::Likely) {
                return self.heed(doubt.rule);
            }
            let (yes, no) = if self.asked { self.yes_or_no(&flow, heard, reading) } else { (false, false) };
            if yes && !no {
                return self.heed(doubt.rule);
            }
            if no {
                self.course.doubt = Some(Doubt { pending: false, denied: true, ..doubt });
                let mut response = Response::default();
                self.progressed();
                self.ask_again(&mut response);
                return Some(response);
            }
            if meaning.is_none() && binds {
                // Nobody understands it: once more in other words, then in the law's favour.
                return if doubt.asked < 2 { self.put_doubt(doubt) } else { self.heed(doubt.rule) };
            }
            if !binds {
                self.course.doubt = Some(Doubt { pending: false, denied: true, ..doubt });
                return match hint {
                    Some((rule, Hint::Sounds)) => self.heed(rule),
                    Some((rule, Hint::Maybe)) => self.put_doubt(Doubt::new(rule, Hint::Maybe)),
                    Some((_, Hint::Likely)) | None => None,
                };
            }
            if doubt.how == Hint::Likely {
                // No more than a guess, and the caller talks about something else.
                self.course.doubt = None;
            }
            return None;
        }
        let (rule, how) = hint?;
        if other {
            // It ends the call for another reason; this is kept beside it.
            if flow.globals.get(rule).is_some_and(binds) {
                self.course.doubt = Some(Doubt { beside: true, ..Doubt::new(rule, how) });
            }
            return None;
        }
        let again = before.is_some_and(|doubt| doubt.rule == rule && !doubt.denied && doubt.how != Hint::Likely);
        if how == Hint::Sounds || again {
            return self.heed(rule);
        }
        self.put_doubt(Doubt::new(rule, how))
    }

    /// Puts the question whether it was meant.
    fn put_doubt(&mut self, doubt: Doubt) -> Option<Response> {
        let flow = Arc::clone(&self.flow);
        let question = flow.globals.get(doubt.rule)?.doubt.as_ref()?;
        let text = self.next_variant(&question.ask)?;
        self.course.doubt = Some(Doubt { pending: true, asked: doubt.asked + 1, ..doubt });
        let mut response = Response::default();
        self.progressed();
        self.disclose_first(&mut response);
        self.asked = false;
        response.lines.push(NewLine { text, interruptible: true, question: true, ..NewLine::default() });
        Some(response)
    }

    /// It was meant.
    fn heed(&mut self, at: usize) -> Option<Response> {
        let flow = Arc::clone(&self.flow);
        let rule = flow.globals.get(at)?;
        self.course.doubt = None;
        let mut response = Response::default();
        self.follow(rule, "", &mut response);
        Some(response)
    }

    /// Yes or no, in the words of the flow or as the classifier reads it.
    fn yes_or_no(&self, flow: &Flow, heard: &[String], reading: Option<&Reading>) -> (bool, bool) {
        let read = |action| reading.is_some_and(|reading| reading.action == action && reading.confidence >= ANSWERS);
        let said = |patterns| locate(patterns, heard).is_some();
        let objections = &flow.selling.objections;
        (said(&objections.yes) || read(Action::Confirm), said(&objections.no) || read(Action::Deny))
    }

    /// The caller goes on with the conversation: whatever it was, it was not meant.
    pub(super) fn doubt_settled(&mut self) {
        self.course.doubt = None;
    }

    /// What a caller said when the call was as good as over.
    pub fn overheard(&mut self, text: &str) {
        let heard = super::words(text);
        let reading = self.reading(text);
        let meaning = self.meaning(text, &heard, reading.as_ref());
        let spelled = meaning.as_ref().and_then(|meaning| match meaning.what {
            Move::Global(at) => {
                Some(at).filter(|at| self.flow.globals.get(*at).is_some_and(|rule| rule.doubt.is_some() && binds(rule)))
            }
            _ => None,
        });
        let heeds = |at: usize| self.flow.globals.get(at).is_some_and(binds);
        let hinted = || self.hint(&heard, reading.as_ref(), meaning.as_ref());
        let hinted = || hinted().filter(|(at, how)| *how != Hint::Likely && heeds(*at));
        if let Some((rule, how)) = spelled.map(|at| (at, Hint::Sounds)).or_else(hinted) {
            self.course.doubt = Some(Doubt::new(rule, how));
        }
    }

    /// The call is over: what was in doubt is booked as meant, unless the caller said no to it.
    pub fn book_doubt(&mut self) -> Vec<AgentEvent> {
        let mut response = Response::default();
        let flow = Arc::clone(&self.flow);
        if let Some(doubt) = self.course.doubt.take().filter(|doubt| !doubt.denied)
            && let Some(rule) = flow.globals.get(doubt.rule).filter(|rule| binds(rule))
        {
            self.set(&rule.step.set, &mut response);
            self.dispose(rule.step.disposition.as_ref().filter(|_| !doubt.beside), &mut response);
        }
        response.events
    }
}

/// It is the demand never to be called again: what stays open is taken for it.
fn binds(rule: &Rule) -> bool {
    rule.intents.iter().any(|intent| intent == Action::DoNotCall.id())
}

/// It is an interrupt that ends the call, or hands it over.
fn ends(flow: &Flow, what: Move) -> bool {
    use crate::agent::dialogue::flow::Outcome;
    let Move::Global(at) = what else { return false };
    flow.globals.get(at).is_some_and(|rule| {
        rule.interrupt && matches!(rule.step.then, Outcome::HangUp | Outcome::Transfer(_) | Outcome::Goto(_))
    })
}
