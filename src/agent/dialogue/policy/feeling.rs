//! What is said and done about how the caller sounds.

use super::Dialogue;
use super::saying::plain_line;
use crate::agent::dialogue::emotion::{BRIEF, EmotionRule};
use crate::agent::dialogue::flow::Outcome;
use crate::agent::dialogue::response::Response;
use crate::agent::mood::{Feeling, asks_for_haste};
use crate::audio::MediaTime;
use crate::record::{MoodKind, MoodSwitch};
use crate::speech::Manner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the dialogue knows of the caller's mood. Rules are known by their lines.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Moods {
    feeling: Feeling,
    on: BTreeSet<usize>,
    /// Rules whose once-only part is done.
    done: BTreeSet<usize>,
    /// Switches that are still to be told: what follows from them is known when the turn is answered.
    untold: Vec<MoodSwitch>,
    /// What happened once and is still to be told.
    happened: Vec<(MoodKind, String)>,
    /// The latest switch of each mood that is on.
    latest: BTreeMap<MoodKind, MoodSwitch>,
    /// What lasts because of each mood, as it was told.
    lasting: BTreeMap<MoodKind, Vec<String>>,
}

impl Dialogue {
    /// The rules that hold in the current state and are on.
    fn rules_on(&self) -> impl Iterator<Item = &EmotionRule> {
        self.rules_here().filter(|rule| self.moods.on.contains(&rule.step.line))
    }

    /// The rules that hold in the current state: its own, and the general ones for other moods.
    fn rules_here(&self) -> impl Iterator<Item = &EmotionRule> {
        let own = self.flow.states.get(self.state).map_or(&[][..], |state| state.on_emotion.as_slice());
        let general = self.flow.on_emotion.iter().filter(|rule| !own.iter().any(|mine| mine.when == rule.when));
        own.iter().chain(general)
    }

    /// The caller's turn says this of the caller, `switches` included; rules that have thresholds of their own add some.
    /// [`Self::felt`] tells them, with what follows from them.
    pub fn feel(&mut self, feeling: &Feeling, switches: Vec<MoodSwitch>, at: MediaTime) {
        self.moods.feeling = feeling.clone();
        if !feeling.tracked {
            return;
        }
        self.moods.untold.extend(switches);
        let flow = Arc::clone(&self.flow);
        let here: BTreeSet<usize> = self.rules_here().map(|rule| rule.step.line).collect();
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
            let told = self.moods.untold.iter().any(|switch| switch.kind == rule.when && switch.on == now);
            if before != now && here.contains(&line) && !told {
                let (kind, score, cues) = (rule.when, feeling.latest(rule.when), feeling.cues(rule.when));
                self.moods.untold.push(MoodSwitch { at, kind, on: now, score, cues, effects: Vec::new() });
            }
        }
    }

    /// What is to be told of the caller's mood and of what follows from it, after a turn was answered or a state entered: each
    /// switch, and each change of what a mood leads to because another state has other rules.
    pub fn felt(&mut self, at: MediaTime) -> Vec<MoodSwitch> {
        let mut told = std::mem::take(&mut self.moods.untold);
        if !self.moods.feeling.tracked {
            return told;
        }
        let mut happened = std::mem::take(&mut self.moods.happened);
        for kind in MoodKind::ALL {
            let mut now: Vec<String> = Vec::new();
            for what in self.rules_on().filter(|rule| rule.when == kind).flat_map(|rule| rule.lasting(&self.flow)) {
                if !now.contains(&what) {
                    now.push(what);
                }
            }
            let before = self.moods.lasting.insert(kind, now.clone()).unwrap_or_default();
            let own = told.iter().position(|switch| switch.kind == kind);
            // That all of it ends with the mood goes without saying.
            let over = now.is_empty() && own.and_then(|own| told.get(own)).is_some_and(|switch| !switch.on);
            let ended = before.iter().filter(|what| !over && !now.contains(what)).map(|what| format!("no more {what}"));
            let begun = now.iter().filter(|what| !before.contains(what)).cloned();
            let mut effects: Vec<String> = ended.chain(begun).collect();
            effects.extend(happened.extract_if(.., |(when, _)| *when == kind).map(|(_, what)| what));
            match own.and_then(|own| told.get_mut(own)) {
                Some(switch) => switch.effects = effects,
                None if effects.is_empty() => {}
                None => told.push(match self.moods.latest.get(&kind) {
                    // Why it is on has been told.
                    Some(latest) => MoodSwitch { at, effects, cues: Vec::new(), ..latest.clone() },
                    None => {
                        let (score, cues) = (self.moods.feeling.latest(kind), self.moods.feeling.cues(kind));
                        MoodSwitch { at, kind, on: true, score, cues, effects }
                    }
                }),
            }
            match told.iter().rfind(|switch| switch.kind == kind) {
                Some(switch) if switch.on => drop(self.moods.latest.insert(kind, switch.clone())),
                Some(_) => drop(self.moods.latest.remove(&kind)),
                None => {}
            }
        }
        told
    }

    /// The decision that led to `now` was taken back; what was told of it was told.
    pub fn told_moods(&mut self, now: &Self) {
        self.moods.untold.clone_from(&now.moods.untold);
        self.moods.latest.clone_from(&now.moods.latest);
        self.moods.lasting.clone_from(&now.moods.lasting);
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

    /// Adds to what the caller's words, said in state `before`, lead to what the caller's mood does. What would lead elsewhere
    /// than the words did waits: it is as good after the next turn.
    pub(super) fn react(&mut self, before: usize, response: Response) -> Response {
        let due = |rule: &&EmotionRule| rule.happens_once() && !self.moods.done.contains(&rule.step.line);
        let rules: Vec<EmotionRule> = self.rules_on().filter(due).cloned().collect();
        let mut response = response;
        if response.end.is_some() {
            return response;
        }
        let moved = self.state != before;
        for rule in rules {
            let leads = match rule.step.then {
                Outcome::Goto(_) if moved => continue,
                Outcome::Goto(_) | Outcome::Transfer(_) | Outcome::HangUp => true,
                _ => false,
            };
            self.moods.done.insert(rule.step.line);
            let effects = rule.once(&self.flow).into_iter().map(|what| (rule.when, what));
            self.moods.happened.extend(effects);
            let step = &rule.step;
            if leads {
                let events = std::mem::take(&mut response.events);
                response = Response { events, ..Response::default() };
                self.step(step, &mut response);
                return self.done(response);
            }
            self.dispose(step.disposition.as_ref(), &mut response);
            if let Some(text) = step.say.as_ref().and_then(|say| self.next_variant(say)) {
                response.lines.insert(0, plain_line(text));
            }
        }
        response
    }
}
