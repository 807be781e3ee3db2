//! What a recogniser might have written instead: characters of the same sound in Mandarin, words of a like sound in English.

use super::Language;
use super::language::is_han;
use super::learn::Chance;
use super::sounds::skeleton;
use pinyin::ToPinyin;
use std::collections::{BTreeMap, BTreeSet};

/// Writes what a recogniser mishears.
#[derive(Clone, Debug)]
pub struct Mishearing {
    language: Language,
    /// Sound to what is written for it.
    sounds: BTreeMap<String, Vec<String>>,
}

impl Mishearing {
    /// `words`: for Mandarin the characters that a recogniser writes, for English the words that it knows.
    #[must_use]
    pub fn new<'a>(language: Language, words: impl Iterator<Item = &'a str>) -> Self {
        let mut sounds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for word in words {
            if language == Language::Zh {
                for c in word.chars() {
                    if let Some(sound) = c.to_pinyin() {
                        sounds.entry(sound.plain().to_owned()).or_default().insert(c.to_string());
                    }
                }
            } else {
                for word in word.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
                    let word = word.to_ascii_lowercase();
                    sounds.entry(sound(&word)).or_default().insert(word);
                }
            }
        }
        let sounds = sounds.into_iter().map(|(sound, words)| (sound, words.into_iter().collect())).collect();
        Self { language, sounds }
    }

    /// The text with about `share` (0 to 1) of its characters, in English of its words, misheard.
    #[must_use]
    pub fn garble(&self, text: &str, share: f32, chance: &mut Chance) -> String {
        if self.language == Language::Zh {
            let mut out = String::new();
            for c in text.chars() {
                if is_han(c) && chance.unit() < share {
                    let others = c.to_pinyin().and_then(|sound| self.sounds.get(sound.plain()));
                    out.push_str(&another(others, &c.to_string(), chance).unwrap_or_default());
                } else {
                    out.push(c);
                }
            }
            return out;
        }
        let words = text.split_whitespace().filter_map(|word| {
            if chance.unit() >= share {
                return Some(word.to_owned());
            }
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphabetic()).to_ascii_lowercase();
            another(self.sounds.get(&sound(&bare)), &bare, chance)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The sound of an English word.
fn sound(word: &str) -> String {
    skeleton(word).map(char::from).collect()
}

/// Another of the same sound; none when there is none: then it was not heard at all.
fn another(words: Option<&Vec<String>>, than: &str, chance: &mut Chance) -> Option<String> {
    let others: Vec<&String> = words?.iter().filter(|word| *word != than).collect();
    others.get(chance.below(others.len())).map(|word| (*word).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misheard_sounds_alike() {
        let zh = Mishearing::new(Language::Zh, ["太贵鬼柜泰态不布部"].into_iter());
        let mut chance = Chance::new(5);
        let heard = zh.garble("太贵", 1.0, &mut chance);
        assert!(heard != "太贵" && heard.chars().all(|c| "鬼柜泰态".contains(c)), "{heard}");
        assert_eq!(zh.garble("太贵", 0.0, &mut chance), "太贵");
        let en = Mishearing::new(Language::En, ["two to pair bear not"].into_iter());
        assert_eq!(en.garble("pair to", 1.0, &mut chance), "bear two");
        assert_eq!(en.garble("not pair", 1.0, &mut chance), "bear", "what has no double is not heard");
    }

    #[test]
    fn about_the_wanted_share_is_misheard() {
        let text = "这个东西我觉得不需要".repeat(50);
        let common = include_str!("../../audio-models/intents/corpus/common.txt");
        let heard = Mishearing::new(Language::Zh, [common].into_iter()).garble(&text, 0.1, &mut Chance::new(1));
        let other = heard.chars().zip(text.chars()).filter(|(a, b)| a != b).count();
        assert!((30..80).contains(&other), "{other} of 500");
    }
}
