//! Words that mean nearly the same: what vectors of words would tell, written down by hand, so that a wording that was never learned
//! from is still known by its parts.

use super::Language;
use super::features::{Features, hash, join};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The longest phrase, in words or Chinese characters.
const LONGEST: usize = 8;
/// How many concepts further on one may stand to be a pair with another.
const REACH: usize = 12;
/// More concepts than that in one text are not paired.
const MOST: usize = 120;

/// The concepts of both languages: phrases, as hashes of their units, and what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    /// In order, so that it can be searched.
    phrases: Vec<(u32, u32)>,
}

/// A concept where it was found: the first unit, the one after the last, and the concept.
pub(crate) type Found = (usize, usize, u32);

/// The shipped concepts, read once.
pub(crate) fn shipped() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        let mut lexicon = Lexicon::default();
        lexicon.add(Language::En, include_str!("../../audio-models/intents/lexicon.en.toml"));
        lexicon.add(Language::Zh, include_str!("../../audio-models/intents/lexicon.zh.toml"));
        lexicon.phrases.sort_unstable();
        lexicon.phrases.dedup();
        lexicon
    })
}

/// What a phrase of units is found by: its words or characters, or (in Chinese) its syllables.
fn key(units: &[u32], spoken: bool) -> u32 {
    join(if spoken { 70 } else { 60 }, units)
}

impl Lexicon {
    /// Takes in a file. One that is not of the form adds nothing: the shipped ones are tested to be.
    fn add(&mut self, language: Language, toml: &str) {
        let tables: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(toml).unwrap_or_default();
        let mut features = Features::default();
        for (name, phrases) in tables.values().flatten() {
            for phrase in phrases.split([',', '，']) {
                let (units, spoken) = features.units(phrase);
                if units.is_empty() || units.len() > LONGEST {
                    continue;
                }
                let concept = |kind| hash(kind, name.as_bytes()) ^ language as u32;
                self.phrases.push((key(units, false), concept(50)));
                // One syllable is shared by too many characters.
                if language == Language::Zh && units.len() > 1 {
                    self.phrases.push((key(spoken, true), concept(51)));
                }
            }
        }
    }

    fn of(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let from = self.phrases.partition_point(|phrase| phrase.0 < key);
        self.phrases.iter().skip(from).take_while(move |phrase| phrase.0 == key).map(|phrase| phrase.1)
    }

    /// The concepts in a text, by where they begin. Of one concept at one place the longest phrase counts.
    pub fn find(&self, units: &[u32], spoken: &[u32], found: &mut Vec<Found>) {
        found.clear();
        for from in 0..units.len() {
            let first = found.len();
            for length in 1..=LONGEST.min(units.len() - from) {
                let end = from + length;
                let exact = self.of(key(&units[from..end], false));
                let alike = (length > 1).then(|| self.of(key(&spoken[from..end], true)));
                for concept in exact.chain(alike.into_iter().flatten()) {
                    match found[first..].iter_mut().find(|other| other.2 == concept) {
                        Some(other) => other.1 = end,
                        None => found.push((from, end, concept)),
                    }
                }
            }
        }
    }
}

/// Concepts, and pairs of concepts in the order in which they stand.
pub(crate) fn grams(found: &[Found], out: &mut Vec<u32>) {
    for (n, one) in found.iter().enumerate().take(MOST) {
        out.push(one.2);
        let later = found[n + 1..].iter().filter(|other| other.0 >= one.1).take(REACH);
        out.extend(later.map(|other| join(52, &[one.2, other.2])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concepts(text: &str) -> Vec<u32> {
        let mut features = Features::default();
        let (units, spoken) = features.units(text);
        let mut found = Vec::new();
        shipped().find(units, spoken, &mut found);
        found.into_iter().map(|f| f.2).collect()
    }

    fn share(one: &str, other: &str) -> bool {
        let one = concepts(one);
        concepts(other).iter().any(|concept| one.contains(concept))
    }

    #[test]
    fn words_of_one_meaning_share_a_concept() {
        assert!(share("skint", "penniless") && share("can't afford", "cannot afford") && !share("skint", "robot"));
        assert!(share("投诉", "举报") && share("头述", "举报"), "what sounds alike counts");
        assert!(!share("投诉", "考虑"));
    }

    #[test]
    fn the_shipped_files_are_of_the_form() {
        for (language, toml) in [
            (Language::En, include_str!("../../audio-models/intents/lexicon.en.toml")),
            (Language::Zh, include_str!("../../audio-models/intents/lexicon.zh.toml")),
        ] {
            let mut lexicon = Lexicon::default();
            lexicon.add(language, toml);
            assert!(lexicon.phrases.len() > 2000, "{language:?} {}", lexicon.phrases.len());
        }
    }
}
