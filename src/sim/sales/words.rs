//! What customers say, and how it is heard.
//!
//! For every action they use the families of `audio-models/intents/corpus/*.test.toml`: the half that no classifier ever learned
//! from, and no flow was written from but for demands never to be called again. Only what depends on the question (days, digits, the values of needs) comes from
//! `words_*.toml` and the flow.

use super::SalesError;
use crate::nlu::learn::Chance;
use crate::nlu::{Language, Mishearing};
use crate::sim::Dice;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The characters that a recogniser of Mandarin writes.
const CHARACTERS: &str = include_str!("../../../audio-models/intents/corpus/common.txt");

/// What the agent's question is by its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cue {
    AnythingElse,
    Digits,
    Day,
    Hour,
    WayOut,
    StillThere,
    /// Whether the number is to come off the list.
    OffTheList,
    /// Whether it is a wrong number.
    WrongNumber,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct CueWords {
    is: Cue,
    words: Vec<String>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    cues: Vec<CueWords>,
    yes: Vec<String>,
    no: Vec<String>,
    done: Vec<String>,
    days: Vec<String>,
    hours: Vec<String>,
    way_out: Vec<String>,
    digits: Vec<String>,
    openings: Vec<String>,
    carriers: Vec<String>,
    noises: Vec<String>,
}

#[derive(Deserialize, Debug)]
struct Slots {
    en: BTreeMap<char, Vec<String>>,
    zh: BTreeMap<char, Vec<String>>,
    scenes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// The words of one language.
#[derive(Debug)]
pub(super) struct Words {
    /// Words are written without blanks.
    pub unspaced: bool,
    file: File,
    families: BTreeMap<String, Vec<String>>,
    slots: BTreeMap<char, Vec<String>>,
    scenes: BTreeMap<String, Vec<String>>,
    /// What anything can be misheard as; in Mandarin it is characters of the same sound.
    heard: Vec<String>,
    alike: Option<Mishearing>,
    errors: [f64; 3],
}

fn pick(dice: &mut Dice, of: &[String]) -> String {
    dice.pick(of).cloned().unwrap_or_default()
}

impl Words {
    /// Those of a language.
    pub fn of(language: &str, errors: [f64; 3]) -> Result<Self, SalesError> {
        let (file, families, unspaced) = match language {
            "en" => (
                include_str!("words_en.toml"),
                include_str!("../../../audio-models/intents/corpus/en.test.toml"),
                false,
            ),
            "zh" => {
                (include_str!("words_zh.toml"), include_str!("../../../audio-models/intents/corpus/zh.test.toml"), true)
            }
            _ => return Err(SalesError::Language(language.to_owned())),
        };
        let mut slots: Slots = toml::from_str(include_str!("../../../audio-models/intents/corpus/slots.toml"))?;
        let families: BTreeMap<String, Vec<String>> = toml::from_str(families)?;
        let mut words = Self {
            unspaced,
            file: toml::from_str(file)?,
            families,
            slots: if unspaced { slots.zh } else { slots.en },
            scenes: slots.scenes.remove(language).unwrap_or_default(),
            heard: Vec::new(),
            alike: unspaced.then(|| Mishearing::new(Language::Zh, std::iter::once(CHARACTERS))),
            errors,
        };
        let mut dice = Dice::new(0);
        let names: Vec<String> = words.families.keys().cloned().collect();
        for name in names {
            for _ in 0..4 {
                let text = words.said(&name, "", &mut dice);
                words.heard.extend(words.units(&text));
            }
        }
        Ok(words)
    }

    /// What the agent's words ask for, where they tell.
    pub fn cue(&self, text: &str) -> Option<Cue> {
        let text = text.to_lowercase();
        self.file.cues.iter().find(|cue| cue.words.iter().any(|word| text.contains(word.as_str()))).map(|cue| cue.is)
    }

    /// Something that does this action, `too_expensive` or `confirm`, in a call about this scene.
    pub fn said(&self, action: &str, scene: &str, dice: &mut Dice) -> String {
        let family = pick(dice, self.families.get(action).map_or(&[], Vec::as_slice));
        self.expand(&family, scene, dice)
    }

    /// One of the alternatives of each `(a|b|)`, something for each `{x}`.
    fn expand(&self, family: &str, scene: &str, dice: &mut Dice) -> String {
        let mut out = String::new();
        let mut rest = family;
        while let Some(at) = rest.find(['(', '{']) {
            let (before, opened) = rest.split_at(at);
            out.push_str(before);
            let (close, is_choice) = if opened.starts_with('(') { (')', true) } else { ('}', false) };
            let Some((inside, after)) = opened.get(1..).and_then(|inside| inside.split_once(close)) else { break };
            if is_choice {
                let options: Vec<String> = inside.split('|').map(str::to_owned).collect();
                let option = pick(dice, &options);
                out.push_str(&self.expand(&option, scene, dice));
            } else {
                let name = inside.chars().next().unwrap_or_default();
                let of = match self.scenes.get(scene) {
                    Some(names) if name == 'p' => names,
                    _ => self.slots.get(&name).map_or(self.product(name), |known| known),
                };
                out.push_str(&pick(dice, of));
            }
            rest = after;
        }
        out.push_str(rest);
        if self.unspaced { out } else { out.split_whitespace().collect::<Vec<_>>().join(" ") }
    }

    /// What `{p}` stands for where the scene is not known: anything that is sold.
    fn product(&self, name: char) -> &[String] {
        let any = self.scenes.values().next();
        any.filter(|_| name == 'p').map_or(&[], Vec::as_slice)
    }

    /// One of a list of the file.
    pub fn one(&self, list: Say, dice: &mut Dice) -> String {
        let file = &self.file;
        match list {
            Say::Yes => pick(dice, &file.yes),
            Say::No => pick(dice, &file.no),
            Say::Done => pick(dice, &file.done),
            Say::Day => pick(dice, &file.days),
            Say::Hour => pick(dice, &file.hours),
            Say::WayOut => pick(dice, &file.way_out),
            Say::Digits => {
                let digits: Vec<String> = (0..10).map(|_| pick(dice, &file.digits)).collect();
                digits.join(if self.unspaced { "" } else { " " })
            }
        }
    }

    /// Words in a sentence, as people put them.
    pub fn carried(&self, words: &str, dice: &mut Dice) -> String {
        let carried = pick(dice, &self.file.carriers).replace("{}", words);
        if dice.chance(20.0) { self.joined(&[pick(dice, &self.file.openings), carried]) } else { carried }
    }

    /// Several utterances as one.
    pub fn joined(&self, parts: &[String]) -> String {
        parts.join(if self.unspaced { "，" } else { " " })
    }

    /// Words, or characters where words are written without blanks.
    fn units(&self, text: &str) -> Vec<String> {
        if self.unspaced {
            text.chars().filter(|c| c.is_alphanumeric()).map(String::from).collect()
        } else {
            text.split_whitespace()
                .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'').to_lowercase())
                .filter(|word| !word.is_empty())
                .collect()
        }
    }

    /// How long it takes to say, in milliseconds (the rates of `simulate turns`).
    pub fn length_ms(&self, text: &str) -> u64 {
        let per_unit = if self.unspaced { 200 } else { 290 };
        (self.units(text).len() as u64 * per_unit).max(200)
    }

    /// What a recogniser writes for it.
    pub fn misheard(&self, text: &str, dice: &mut Dice) -> String {
        let [other, lost, extra] = self.errors;
        let mut out = Vec::new();
        for unit in self.units(text) {
            let draw = dice.unit();
            if draw < lost {
                continue;
            }
            if draw < lost + other {
                let alike = self.alike.as_ref().map(|alike| alike.garble(&unit, 1.0, &mut Chance::new(dice.throw())));
                // What sounds like nothing else is heard as anything.
                out.push(alike.filter(|other| !other.is_empty()).unwrap_or_else(|| pick(dice, &self.heard)));
                continue;
            }
            out.push(unit);
            if draw < lost + other + extra {
                out.push(pick(dice, &self.file.noises));
            }
        }
        out.join(if self.unspaced { "" } else { " " })
    }
}

/// What depends on the question alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Say {
    Yes,
    No,
    Done,
    Day,
    Hour,
    WayOut,
    Digits,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::Action;

    #[test]
    fn customers_have_words_for_every_action_in_both_languages() {
        for language in ["en", "zh"] {
            let words = Words::of(language, [0.0; 3]).unwrap();
            let mut dice = Dice::new(1);
            for action in Action::all() {
                for _ in 0..50 {
                    let text = words.said(action.id(), "credit_card", &mut dice);
                    let whole = !text.contains(['(', ')', '{', '}', '|']);
                    assert!(
                        whole && (!text.is_empty() || action == Action::Silence),
                        "{language} {}: '{text}'",
                        action.id()
                    );
                    assert_eq!(words.misheard(&text, &mut dice).is_empty(), words.units(&text).is_empty());
                }
            }
        }
        assert!(matches!(Words::of("fr", [0.0; 3]), Err(SalesError::Language(_))));
    }

    #[test]
    fn as_many_words_are_misheard_as_asked_for() {
        let words = Words::of("zh", [0.1, 0.0, 0.0]).unwrap();
        let mut dice = Dice::new(2);
        let said = "我觉得这个价格有点高你们能不能便宜一点".repeat(200);
        let heard = words.misheard(&said, &mut dice);
        let wrong = said.chars().zip(heard.chars()).filter(|(a, b)| a != b).count() as f64;
        let share = wrong / said.chars().count() as f64;
        assert!((0.085..0.105).contains(&share), "{share}");
    }

    #[test]
    fn a_question_is_known_by_its_words() {
        let words = Words::of("en", [0.0; 3]).unwrap();
        assert_eq!(words.cue("So, which day shall I note?"), Some(Cue::Day));
        assert_eq!(words.cue("Is there anything else you would like to know?"), Some(Cue::AnythingElse));
        assert_eq!(words.cue("Does that sound useful?"), None);
    }
}
