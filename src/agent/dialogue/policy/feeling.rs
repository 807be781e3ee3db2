//! What is said and done about how the caller sounds.

use super::Dialogue;
use super::saying::plain_line;
use crate::agent::AgentEvent;
use crate::agent::dialogue::emotion::{BRIEF, EmotionRule};
use crate::agent::dialogue::flow::Outcome;
use crate::agent::dialogue::response::Response;
use crate::agent::mood::{Feeling, asks_for_haste};
use crate::audio::MediaTime;
use crate::record::MoodSwitch;
use crate::speech::Manner;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the dialogue knows of the caller's mood. Rules are known by their lines.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Moods {
    feeling: Feeling,
    on: BTreeSet<usize>,
    /// Rules whose once-only part is done.
    done: BTreeSet<usize>,
}

impl Dialogue {
    /// The rules that hold in the current state and are on.
    fn rules_on(&self) -> impl Iterator<Item = &EmotionRule> {
        let own = self.flow.states.get(self.state).map_or(&[][..], |state| state.on_emotion.as_slice());
        let general = self.flow.on_emotion.iter().filter(|rule| !own.iter().any(|mine| mine.when == rule.when));
        own.iter().chain(general).filter(|rule| self.moods.on.contains(&rule.step.line))
    }

    /// The caller's turn says this of the caller. Completes `switches` with what the flow does about them, and adds those of
    /// rules that have thresholds of their own.
    pub fn feel(&mut self, feeling: &Feeling, switches: &mut Vec<MoodSwitch>, at: MediaTime) {
        self.moods.feeling = feeling.clone();
        if !feeling.tracked {
            return;
        }
        let flow = Arc::clone(&self.flow);
        let here = flow.states.get(self.state).map_or(&[][..], |state| state.on_emotion.as_slice());
        let elsewhere = flow.states.iter().flat_map(|state| &state.on_emotion);
        for rule in flow.on_emotion.iter().chain(elsewhere) {
            let line = rule.step.line;
            let before = self.moods.on.contains(&line);
            let now = rule.is(feeling, before);
            if now {
                self.moods.on.insert(line)
            } else {
                self.moods.on.remove(&line)
            };
            let general = flow.on_emotion.iter().any(|other| other.step.line == line);
            let replaced = general && here.iter().any(|own| own.when == rule.when);
            let holds = general && !replaced || here.iter().any(|own| own.step.line == line);
            if before == now || !holds {
                continue;
            }
            let effects = if now { rule.effects(&flow) } else { Vec::new() };
            match switches.iter_mut().find(|switch| switch.kind == rule.when && switch.on == now) {
                Some(switch) => switch.effects.extend(effects),
                None => {
                    let score = feeling.latest(rule.when);
                    switches.push(MoodSwitch {
                        at,
                        kind: rule.when,
                        on: now,
                        score,
                        cues: feeling.cues(rule.when),
                        effects,
                    });
                }
            }
        }
    }

    /// Lines are to be said in their short wording.
    pub fn concise(&self) -> bool {
        self.rules_on().any(|rule| rule.concise)
    }

    /// The most sentences of a language model's answer that are said.
    pub fn most_sentences(&self) -> Option<usize> {
        self.rules_on().filter_map(|rule| rule.sentences.or(rule.concise.then_some(BRIEF))).min()
    }

    /// How the agent is to sound.
    pub fn manner(&self) -> Manner {
        Manner {
            rate_percent: self.rules_on().find_map(|rule| rule.rate_percent).unwrap_or(100),
            softer: self.rules_on().any(|rule| rule.softer),
        }
    }

    /// The state that is entered where `target` was meant.
    pub(super) fn instead_of(&self, target: usize) -> usize {
        let skipped = |state| self.rules_on().flat_map(|rule| &rule.skip).find(|(from, _)| *from == state);
        skipped(target).map_or(target, |(_, instead)| *instead)
    }

    /// The words ask for haste, and that is looked at.
    pub(super) fn hastens(&self, text: &str) -> bool {
        self.moods.feeling.tracked && asks_for_haste(text)
    }

    /// The caller asked for haste and nothing else: the question is put again, shorter where the flow has it shorter.
    pub(super) fn hastened(&mut self) -> Response {
        let mut response = Response::default();
        self.progressed();
        self.ask_again(&mut response);
        self.done(response)
    }

    /// Adds to what the caller's words, said in state `before`, lead to what the caller's mood does.
    pub(super) fn react(&mut self, before: usize, response: Response) -> Response {
        let due = |rule: &&EmotionRule| rule.happens_once() && !self.moods.done.contains(&rule.step.line);
        let rules: Vec<EmotionRule> = self.rules_on().filter(due).cloned().collect();
        let mut response = response;
        if response.end.is_some() {
            return response;
        }
        let moved = self.state != before;
        for EmotionRule { step, .. } in rules {
            let leads = match step.then {
                Outcome::Goto(_) => !moved,
                Outcome::Transfer(_) | Outcome::HangUp => true,
                _ => false,
            };
            self.moods.done.insert(step.line);
            if leads {
                let events = std::mem::take(&mut response.events);
                response = Response { events, ..Response::default() };
                self.step(&step, &mut response);
                return self.done(response);
            }
            if let Some(disposition) = &step.disposition {
                self.set_disposition(disposition, &mut response.events);
            }
            if let Some(text) = step.say.as_ref().and_then(|say| self.next_variant(say)) {
                response.lines.insert(0, plain_line(text));
            }
        }
        response
    }

    fn set_disposition(&mut self, disposition: &str, events: &mut Vec<AgentEvent>) {
        self.disposition = Some(disposition.to_owned());
        events.push(AgentEvent::Disposition(disposition.to_owned()));
    }
}
