//! From families to the models of a language.

use super::{Chance, Recipe, SvmConfig, Text, fit};
use crate::nlu::families::{OUTSIDE, Set, Utterance};
use crate::nlu::features::hash;
use crate::nlu::intents::{Intents, NAMELESS, Tongue};
use crate::nlu::language::is_han;
use crate::nlu::{Action, Language, NluError, Scene};
use std::collections::{HashMap, HashSet};

/// How many utterances of a family are learned from at least.
const EACH: usize = 6;
/// The same of a stranger's family, of which there are three times as many.
const EACH_STRANGE: usize = 4;
/// How many utterances of a family are learned from when it has choices with so many alternatives, and of a stranger's.
const MOST: usize = 12;
const MOST_STRANGE: usize = 8;
/// How much of a copy is misheard.
const MISHEARD: f32 = 0.12;
/// What people put before and after, that changes nothing.
const AROUND_EN: [(&str, &str); 12] = [
    ("well", ""),
    ("um", ""),
    ("look", ""),
    ("uh", ""),
    ("I mean", ""),
    ("you know", ""),
    ("", "you know"),
    ("", "mate"),
    ("listen", ""),
    ("oh", ""),
    ("", "really"),
    ("to be honest", ""),
];
const AROUND_ZH: [(&str, &str); 14] = [
    ("呃", ""),
    ("那个", ""),
    ("嗯", ""),
    ("哎呀", ""),
    ("就是", ""),
    ("", "啊"),
    ("", "呀"),
    ("", "嘛"),
    ("", "呢"),
    ("哦", ""),
    ("这个", ""),
    ("", "哦"),
    ("不好意思", ""),
    ("那", ""),
];

/// What the held-out families can expand to, so that it is not learned, nor, of what is by the same hand, anything like it: one hand
/// repeats itself.
struct Held {
    /// The utterances themselves.
    same: HashSet<u64>,
    /// The words (in Chinese the characters) and their pairs of each utterance.
    utterances: Vec<HashSet<u32>>,
    /// The utterances that have a feature.
    having: HashMap<u32, Vec<usize>>,
}

/// An utterance is too like a held-out one when they share so much of their words and pairs.
const ALIKE: f32 = 0.6;

impl Held {
    fn new(set: &Set) -> Self {
        let mut held = Self { same: HashSet::new(), utterances: Vec::new(), having: HashMap::new() };
        held.same.extend(set.held.utterances(400, 0).iter().map(|said| bare(&said.text)));
        for said in set.held.utterances(60, 0) {
            let grams = grams(&said.text);
            for gram in &grams {
                held.having.entry(*gram).or_default().push(held.utterances.len());
            }
            held.utterances.push(grams);
        }
        held
    }

    /// The very words are a held-out family's.
    fn has(&self, text: &str) -> bool {
        self.same.contains(&bare(text))
    }

    /// The words are, or nearly.
    fn has_alike(&self, text: &str) -> bool {
        if self.has(text) {
            return true;
        }
        let grams = grams(text);
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for utterance in grams.iter().filter_map(|gram| self.having.get(gram)).flatten() {
            *shared.entry(*utterance).or_default() += 1;
        }
        let alike = |(utterance, shared): (usize, usize)| {
            let union = grams.len() + self.utterances.get(utterance).map_or(0, HashSet::len) - shared;
            shared as f32 >= ALIKE * union as f32
        };
        shared.into_iter().any(alike)
    }
}

/// The letters and characters of a text, as one number.
fn bare(text: &str) -> u64 {
    let letters: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    u64::from(hash(42, letters.as_bytes())) << 32 | u64::from(hash(43, letters.as_bytes()))
}

/// Words (in Chinese characters) and their pairs.
fn grams(text: &str) -> HashSet<u32> {
    let mut units: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.to_lowercase().chars().chain([' ']) {
        if is_han(c) || !(c.is_alphanumeric() || c == '\'') {
            units.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            units.extend(is_han(c).then(|| c.to_string()));
        } else {
            word.push(c);
        }
    }
    let pairs = units.windows(2).map(|pair| hash(41, pair.concat().as_bytes()));
    units.iter().map(|unit| hash(40, unit.as_bytes())).chain(pairs).collect()
}

/// What is learned from: utterances of the families, but for whatever a held-out family can expand to and, of the families by the
/// same hand, whatever is like it. `strict` leaves that out of the strangers' families, too: a bound from below on the figures.
#[must_use]
pub fn utterances(set: &Set, seed: u64, strict: bool) -> Vec<Utterance> {
    let held = Held::new(set);
    let others = set.strangers.covering(EACH_STRANGE, MOST_STRANGE, seed).into_iter().map(|mut said| {
        said.family += set.own.len();
        (said, strict)
    });
    let own = set.own.covering(EACH, MOST, seed).into_iter().map(|said| (said, true));
    let free =
        |(said, alike): &(Utterance, bool)| !if *alike { held.has_alike(&said.text) } else { held.has(&said.text) };
    own.chain(others).filter(free).map(|(said, _)| said).collect()
}

/// The utterances as texts with their actions, each also with something around it that changes nothing, or misheard.
#[must_use]
pub fn texts(set: &Set, said: &[Utterance], seed: u64) -> Vec<Text> {
    let mut chance = Chance::new(seed ^ 0xfa111e5);
    let mut texts = Vec::new();
    let (around, space): (&[(&str, &str)], &str) =
        if set.own.language() == Language::Zh { (&AROUND_ZH, "") } else { (&AROUND_EN, " ") };
    for said in said {
        let label = said.action.map_or(OUTSIDE, Action::id).to_owned();
        let mut add = |text: String| texts.push(Text { text, label: label.clone(), group: said.family });
        add(said.text.clone());
        let (before, after) = around[chance.below(around.len())];
        let framed = format!("{before}{space}{}{space}{after}", said.text);
        add(if chance.unit() < 0.5 { set.mishearing.garble(&framed, MISHEARD, &mut chance) } else { framed });
    }
    texts.retain(|text| !text.text.trim().is_empty());
    texts
}

/// Learns the models of a language from its families (see [`utterances`]).
///
/// # Errors
/// [`NluError::TooLittle`] when there is nothing to learn from.
pub fn teach(set: &Set, recipe: &Recipe, strict: bool, told: &mut dyn FnMut(&str)) -> Result<Intents, NluError> {
    let mishearing = &set.mishearing;
    let language = set.own.language();
    let held = Held::new(set);
    let utterances = utterances(set, recipe.seed, strict);
    let texts = texts(set, &utterances, recipe.seed);
    told(&format!("{} utterances of {} families", texts.len(), set.own.len() + set.strangers.len()));
    let action = fit(&texts, recipe, told)?;
    let mut chance = Chance::new(recipe.seed ^ 0x5ce2e);
    let mut texts = Vec::new();
    let mut add = |text: &str, scene: Option<Scene>, group: usize| {
        let label = scene.map_or(NAMELESS, Scene::id).to_owned();
        texts.push(Text { text: text.to_owned(), label, group });
    };
    for said in set.own.naming(5, recipe.seed).iter().filter(|u| !held.has_alike(&u.text)) {
        add(&said.text, said.scene, said.family);
        add(&mishearing.garble(&said.text, MISHEARD, &mut chance), said.scene, said.family);
    }
    for said in &utterances {
        add(&said.text, said.scene, said.family);
    }
    told(&format!("{} utterances that name scenes, or none", texts.len()));
    let lean = Recipe {
        net: super::NetConfig { hidden: 0, ..recipe.net },
        line: SvmConfig { cost: 1.0, ..recipe.line },
        near: false,
        // A scene is named by its own words.
        views: Recipe::default().views,
        odds: 0.0,
        parts: 0,
        bytes: recipe.bytes / 3,
        ..recipe.clone()
    };
    let scene = fit(&texts, &lean, told)?;
    let mut intents = Intents::default();
    intents.put(language, Tongue::new(action, scene)?);
    Ok(intents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_a_held_out_utterance_is_not_learned() {
        for (language, same, like, other) in [
            (Language::En, "it costs an arm and a leg", "but it costs an arm and a leg", "the premium is too high"),
            (Language::Zh, "怕信息泄露", "我怕信息泄露啊", "学费太高"),
        ] {
            let held = Held::new(&Set::shipped(language).unwrap());
            assert!(held.has_alike(same) && held.has_alike(like) && !held.has_alike(other), "{language:?}");
        }
    }
}
