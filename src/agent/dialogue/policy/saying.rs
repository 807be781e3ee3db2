//! Which wording of a line is said, and what conditions hold.

use super::Dialogue;
use super::course::Course;
use crate::agent::dialogue::guard::Guard;
use crate::agent::dialogue::prompt::Prompt;
use crate::agent::turn::NewLine;
use std::borrow::Cow;

impl Dialogue {
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        self.slots.get(name).or_else(|| self.variables.get(name)).map(String::as_str)
    }

    /// Whether a condition holds now.
    pub(super) fn holds(&self, guard: &Guard) -> bool {
        guard.holds(&|name| self.counter(name).map(Cow::Owned).or_else(|| self.known(name).map(Cow::Borrowed)))
    }

    fn counter(&self, name: &str) -> Option<String> {
        let selling = &self.flow.selling;
        let course = &self.course;
        let sum = |counts: &std::collections::BTreeMap<usize, u32>| counts.values().sum::<u32>();
        let count = match name.split_once('.') {
            Some(("visits", name)) => {
                let state = self.flow.states.iter().position(|state| state.name == name);
                Course::count(&course.visits, state?)
            }
            Some(("met", name)) => Course::count(&course.met, selling.objections.find(name)?),
            Some(("open", name)) => {
                let at = selling.objections.find(name)?;
                u32::from(self.follows_up() && course.open.as_ref().is_some_and(|open| open.objection == at))
            }
            Some((kind @ ("offered" | "accepted"), name)) => {
                let offer = selling.offers.iter().position(|offer| offer.name == name)?;
                let made = course.made.iter().find(|made| made.offer == offer);
                u32::from(made.is_some_and(|made| kind == "offered" || made.accepted))
            }
            Some(_) => return None,
            None => match name {
                "turns" => self.turns,
                "attempts" => Course::count(&course.attempts, self.state),
                "objections" => sum(&course.met),
                "resolved" => course.resolved,
                "needs" => self.needs_known(),
                "signals" => course.signals,
                "offers" => u32::try_from(course.made.len()).unwrap_or(u32::MAX),
                _ => return None,
            },
        };
        Some(count.to_string())
    }

    fn needs_known(&self) -> u32 {
        let known = self.flow.selling.needs.iter().filter(|need| self.known(&need.slot).is_some_and(|v| !v.is_empty()));
        u32::try_from(known.count()).unwrap_or(u32::MAX)
    }

    /// The words of one wording.
    fn words(&self, prompt: &Prompt, wording: usize) -> Option<String> {
        let wording = prompt.wordings.get(wording)?;
        let short = wording.short.as_ref().filter(|_| self.concise());
        let template = short.unwrap_or_else(|| wording.template(self.known("audience").unwrap_or_default()));
        let text = template.render(self.flow.tongue(), |name| self.known(name));
        (!text.is_empty()).then_some(text)
    }

    /// The wording for the `turn`-th time, from 0, of those that may be said.
    pub(super) fn render(&self, prompt: &Prompt, turn: usize) -> Option<String> {
        let eligible = prompt.eligible(|guard| self.holds(guard));
        let wording = eligible.get(turn % eligible.len().max(1))?;
        self.words(prompt, *wording)
    }

    /// The next wording: they take turns.
    pub(super) fn next_variant(&mut self, prompt: &Prompt) -> Option<String> {
        let turn = self.said.entry(prompt.id).or_insert(0);
        let text = *turn;
        *turn += 1;
        self.render(prompt, text)
    }

    /// The wording that is chosen for this call: its id and words. First the campaign's preference, then the seed decides with
    /// which one it begins, then they take turns; where none may be said twice (`passed` are those that were), the preference
    /// counts every time.
    pub(super) fn chosen(
        &mut self,
        key: &str,
        prompt: &Prompt,
        once: bool,
        passed: impl Fn(usize) -> bool,
    ) -> Option<(usize, String, String)> {
        let mut eligible = prompt.eligible(|guard| self.holds(guard));
        eligible.retain(|wording| !passed(*wording));
        if eligible.is_empty() {
            // Where all that fit the condition were said, the others do.
            let others = prompt.wordings.iter().enumerate().filter(|(_, wording)| wording.when.is_none());
            eligible = others.map(|(at, _)| at).filter(|at| !passed(*at)).collect();
        }
        let said = self.said.entry(prompt.id).or_insert(0);
        let turn = *said;
        *said += 1;
        let id = |at: &usize| prompt.wordings.get(*at).map_or("", |wording| wording.id.as_str());
        let preferred = self.given.prefer.get(key).into_iter().flatten();
        let preferred = preferred.filter_map(|name| eligible.iter().find(|at| id(at) == name)).next();
        let wording = match preferred {
            Some(wording) if turn == 0 || once => *wording,
            _ => {
                let begin = (mixed(self.given.seed, key) % eligible.len().max(1) as u64) as usize;
                *eligible.get((begin + turn) % eligible.len().max(1))?
            }
        };
        let text = self.words(prompt, wording)?;
        Some((wording, id(&wording).to_owned(), text))
    }
}

/// A line that is said and can be interrupted.
pub(super) fn plain_line(text: String) -> NewLine {
    NewLine { text, interruptible: true, ..NewLine::default() }
}

/// A number from a seed and a name: FNV-1a, then the last step of SplitMix64.
fn mixed(seed: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = hash ^ (hash >> 30);
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
