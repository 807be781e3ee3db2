//! The telesales set: families of utterances, each one way to say a thing, and what they expand to.

use super::learn::Chance;
use super::{Action, Language, Mishearing, NluError, Scene};
use std::collections::{BTreeMap, BTreeSet};

/// The label of what is no part of a sales call.
pub const OUTSIDE: &str = "oos";

/// The slots of a language: what stands for `{t}`, `{d}` and so on, and the names of the scenes for `{p}`.
#[derive(Clone, Debug)]
pub struct Slots {
    words: BTreeMap<char, Vec<String>>,
    scenes: Vec<(Scene, Vec<String>)>,
}

#[derive(serde::Deserialize)]
struct SlotsFile {
    en: BTreeMap<char, Vec<String>>,
    zh: BTreeMap<char, Vec<String>>,
    scenes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Slots {
    /// Reads the slots of a language.
    ///
    /// # Errors
    /// [`NluError::Families`] when it is not TOML of the form, names an unknown scene, or leaves one out.
    pub fn parse(language: Language, toml: &str) -> Result<Self, NluError> {
        let mut file: SlotsFile = toml::from_str(toml).map_err(|error| NluError::Families(error.to_string()))?;
        let words = if language == Language::Zh { file.zh } else { file.en };
        let names = file.scenes.remove(language.code()).unwrap_or_default();
        let mut scenes = Vec::new();
        for (id, names) in names {
            let scene = Scene::from_id(&id).ok_or_else(|| NluError::Families(format!("there is no scene '{id}'")))?;
            if names.is_empty() {
                return Err(NluError::Families(format!("the scene '{id}' has no name")));
            }
            scenes.push((scene, names));
        }
        if scenes.len() != Scene::COUNT {
            return Err(NluError::Families(format!("{} scenes have names, of {}", scenes.len(), Scene::COUNT)));
        }
        Ok(Self { words, scenes })
    }
}

/// Families with their action, in the order of their names.
#[derive(Clone, Debug)]
pub struct Families {
    language: Language,
    slots: Slots,
    families: Vec<(Option<Action>, String)>,
}

/// What a family expands to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Utterance {
    /// What is said.
    pub text: String,
    /// What is meant; none when it is no part of a sales call.
    pub action: Option<Action>,
    /// The scene that it names.
    pub scene: Option<Scene>,
    /// The number of its family.
    pub family: usize,
}

/// How alternatives are drawn: by chance alone, or each of a choice once before one comes again.
struct Draw {
    chance: Chance,
    /// What is left of each choice, by where it stands in the pattern.
    decks: Option<BTreeMap<usize, Vec<usize>>>,
}

impl Draw {
    /// One of `count` alternatives of the choice at `place`.
    fn choice(&mut self, place: usize, count: usize) -> usize {
        let Some(decks) = &mut self.decks else { return self.chance.below(count) };
        let deck = decks.entry(place).or_default();
        if deck.is_empty() {
            deck.extend(0..count);
            self.chance.shuffle(deck);
        }
        deck.pop().unwrap_or(0).min(count.saturating_sub(1))
    }
}

impl Families {
    /// Reads files of families: tables of lists, one list for each action.
    ///
    /// # Errors
    /// [`NluError::Families`] when it is not TOML of the form, names an unknown action, or a family is badly formed.
    pub fn parse(language: Language, files: &[&str], slots: Slots) -> Result<Self, NluError> {
        let mut all = Vec::new();
        for file in files {
            let lists: BTreeMap<String, Vec<String>> =
                toml::from_str(file).map_err(|error| NluError::Families(error.to_string()))?;
            all.extend(lists);
        }
        let mut out = Vec::new();
        for (id, list) in all {
            let action = Action::from_id(&id);
            if action.is_none() && id != OUTSIDE {
                return Err(NluError::Families(format!("there is no action '{id}'")));
            }
            for family in list {
                check(&family, &slots)?;
                out.push((action, family));
            }
        }
        Ok(Self { language, slots, families: out })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.families.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// The language.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// At most `most` different utterances of each family, the same for the same seed.
    #[must_use]
    pub fn utterances(&self, most: usize, seed: u64) -> Vec<Utterance> {
        let mut chance = Draw { chance: Chance::new(seed), decks: None };
        let mut out = Vec::new();
        for (family, (action, pattern)) in self.families.iter().enumerate() {
            let mut said = BTreeSet::new();
            for _ in 0..most * 3 {
                if said.len() >= most {
                    break;
                }
                let (text, scene) = self.expand(pattern, None, &mut chance);
                if !text.is_empty() && said.insert(text.clone()) {
                    out.push(Utterance { text, action: *action, scene, family });
                }
            }
        }
        out
    }

    /// Different utterances of each family, `least` at least where it has so many and `most` at most, that together use every
    /// alternative where `most` allows: an alternative that is never drawn would not be learned.
    #[must_use]
    pub fn covering(&self, least: usize, most: usize, seed: u64) -> Vec<Utterance> {
        let mut out = Vec::new();
        for (family, (action, pattern)) in self.families.iter().enumerate() {
            let mut draw = Draw { chance: Chance::new(seed ^ ((family as u64) << 24)), decks: Some(BTreeMap::new()) };
            let choices = pattern.split('(').skip(1).filter_map(|rest| rest.split(')').next());
            let longest = choices.map(|inner| inner.split('|').count()).max().unwrap_or(1);
            let wanted = longest.clamp(least, most.max(least));
            let mut said = BTreeSet::new();
            for _ in 0..wanted * 2 {
                if said.len() >= wanted {
                    break;
                }
                let (text, scene) = self.expand(pattern, None, &mut draw);
                if !text.is_empty() && said.insert(text.clone()) {
                    out.push(Utterance { text, action: *action, scene, family });
                }
            }
        }
        out
    }

    /// Utterances that name each scene by each of its names, `each` of them, and the bare names.
    #[must_use]
    pub fn naming(&self, each: usize, seed: u64) -> Vec<Utterance> {
        let mut chance = Draw { chance: Chance::new(seed), decks: None };
        let with: Vec<usize> = (0..self.families.len()).filter(|n| self.families[*n].1.contains("{p}")).collect();
        let mut out = Vec::new();
        for (scene, names) in &self.slots.scenes {
            for name in names {
                out.push(Utterance { text: name.clone(), action: None, scene: Some(*scene), family: usize::MAX });
                for _ in 0..each {
                    let Some(family) = with.get(chance.chance.below(with.len())).copied() else { continue };
                    let (action, pattern) = &self.families[family];
                    let (text, _) = self.expand(pattern, Some((*scene, name)), &mut chance);
                    out.push(Utterance { text, action: *action, scene: Some(*scene), family });
                }
            }
        }
        out
    }

    /// One utterance of a pattern, and the scene that it names. A choice that is empty may leave `{p}` out.
    fn expand(&self, pattern: &str, named: Option<(Scene, &str)>, draw: &mut Draw) -> (String, Option<Scene>) {
        let (mut out, mut scene) = (String::new(), None);
        let mut rest = pattern;
        while let Some(at) = rest.find(['(', '{']) {
            out.push_str(&rest[..at]);
            let open = rest.as_bytes()[at];
            let Some(length) = rest[at..].find(if open == b'(' { ')' } else { '}' }) else { break };
            let inner = &rest[at + 1..at + length];
            if open == b'(' {
                let choices: Vec<&str> = inner.split('|').collect();
                let naming: Vec<&str> = choices.iter().copied().filter(|c| c.contains("{p}")).collect();
                let from = if named.is_some() && !naming.is_empty() { &naming } else { &choices };
                let choice = from[draw.choice(pattern.len() - rest.len() + at, from.len())];
                let (inner, inner_scene) = self.expand(choice, named, draw);
                out.push_str(&inner);
                scene = scene.or(inner_scene);
            } else if inner == "p" {
                let (which, name) = match named {
                    Some((scene, name)) => (scene, name),
                    None => {
                        let (scene, names) = &self.slots.scenes[draw.chance.below(self.slots.scenes.len())];
                        (*scene, names[draw.chance.below(names.len())].as_str())
                    }
                };
                out.push_str(name);
                scene = Some(which);
            } else if let Some(words) = inner.chars().next().and_then(|slot| self.slots.words.get(&slot)) {
                out.push_str(&words[draw.chance.below(words.len())]);
            }
            rest = &rest[at + length + 1..];
        }
        out.push_str(rest);
        let words: Vec<&str> = out.split_whitespace().collect();
        (words.join(" ").replace(" ,", ",").trim_matches([' ', ',']).to_owned(), scene)
    }
}

/// A family is well formed: choices are closed and do not nest, slots exist.
fn check(family: &str, slots: &Slots) -> Result<(), NluError> {
    let bad = |why: &str| Err(NluError::Families(format!("'{family}': {why}")));
    let mut open = false;
    for (at, c) in family.char_indices() {
        match c {
            '(' if open => return bad("choices do not nest"),
            '(' => open = true,
            ')' if !open => return bad("a choice ends that has not begun"),
            ')' => open = false,
            '|' if !open => return bad("a '|' outside of a choice"),
            '{' => {
                let slot: Vec<char> = family[at + 1..].chars().take(2).collect();
                let known =
                    slot.first().is_some_and(|s| *s == 'p' || slots.words.get(s).is_some_and(|w| !w.is_empty()));
                if slot.get(1) != Some(&'}') || !known {
                    return bad("a slot that does not exist");
                }
            }
            _ => {}
        }
    }
    if open { bad("a choice does not end") } else { Ok(()) }
}

/// What the telesales set of a language is made of.
#[derive(Clone, Debug)]
pub struct Set {
    /// Families to learn from, by the hand that wrote the held-out ones and by a later one that had seen some forty of their utterances.
    pub own: Families,
    /// Families to learn from by other hands, who knew no others.
    pub strangers: Families,
    /// Families that are only ever tried on.
    pub held: Families,
    /// What a recogniser might have written instead.
    pub mishearing: Mishearing,
}

const SLOTS: &str = include_str!("../../audio-models/intents/corpus/slots.toml");
/// The characters that Mandarin is mostly written with (the first level of GB 2312).
const CHARACTERS: &str = include_str!("../../audio-models/intents/corpus/common.txt");
const EN: [&str; 5] = [
    include_str!("../../audio-models/intents/corpus/en.train.toml"),
    include_str!("../../audio-models/intents/corpus/en.train2.toml"),
    include_str!("../../audio-models/intents/corpus/en.train4.toml"),
    include_str!("../../audio-models/intents/corpus/en.train3.toml"),
    include_str!("../../audio-models/intents/corpus/en.test.toml"),
];
const ZH: [&str; 5] = [
    include_str!("../../audio-models/intents/corpus/zh.train.toml"),
    include_str!("../../audio-models/intents/corpus/zh.train2.toml"),
    include_str!("../../audio-models/intents/corpus/zh.train4.toml"),
    include_str!("../../audio-models/intents/corpus/zh.train3.toml"),
    include_str!("../../audio-models/intents/corpus/zh.test.toml"),
];

impl Set {
    /// The set that is shipped.
    ///
    /// # Errors
    /// [`NluError::Families`] when it is damaged.
    pub fn shipped(language: Language) -> Result<Self, NluError> {
        let slots = Slots::parse(language, SLOTS)?;
        let [first, second, later, strange, held] = if language == Language::Zh { ZH } else { EN };
        let own = Families::parse(language, &[first, second, later], slots.clone())?;
        let mishearing = if language == Language::Zh {
            Mishearing::new(language, [CHARACTERS].into_iter())
        } else {
            // Of the first two files' words alone: figures stay comparable when more is written.
            let early = Families::parse(language, &[first, second], slots.clone())?;
            let words: Vec<String> = early.utterances(4, 1).into_iter().map(|said| said.text).collect();
            Mishearing::new(language, words.iter().map(String::as_str))
        };
        let strangers = Families::parse(language, &[strange], slots.clone())?;
        Ok(Self { held: Families::parse(language, &[held], slots)?, own, strangers, mishearing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        let mut scenes = String::new();
        for scene in Scene::all() {
            scenes.push_str(&format!("{} = [\"the {}\"]\n", scene.id(), scene.id()));
        }
        let toml = format!("[en]\nt = [\"noon\"]\n[zh]\n[scenes.en]\n{scenes}");
        Slots::parse(Language::En, &toml).unwrap()
    }

    #[test]
    fn families_expand_to_what_they_say() {
        let toml = "too_expensive = [\"(that is|) too much (for {p}|), really\"]\noos = [\"at {t}\"]";
        let families = Families::parse(Language::En, &[toml], slots()).unwrap();
        let all = families.utterances(100, 3);
        assert!(all.iter().any(|u| u.text == "too much, really" && u.scene.is_none()), "{all:?}");
        let dental = Scene::from_id("dental").unwrap();
        assert!(
            families
                .naming(5, 3)
                .iter()
                .any(|u| u.text == "that is too much for the dental, really" && u.scene == Some(dental))
        );
        assert!(all.iter().any(|u| u.text == "at noon" && u.action.is_none()));
        assert_eq!(all, families.utterances(100, 3));
        let toml = "too_expensive = [\"(a|b|c|d|e) x (1|2) (y|)\", \"q\"]";
        let covering = Families::parse(Language::En, &[toml], slots()).unwrap().covering(3, 5, 7);
        assert_eq!(covering.iter().filter(|u| u.family == 0).count(), 5, "{covering:?}");
        assert!("abcde12yx".chars().all(|c| covering.iter().any(|u| u.text.contains(c))), "{covering:?}");
        assert!(all.iter().filter(|u| u.text.contains("the ")).all(|u| u.scene.is_some()));
    }

    #[test]
    fn a_badly_formed_family_is_told() {
        for (family, why) in [("(a|b", "does not end"), ("a|b", "outside"), ("((a|b)|c)", "nest"), ("{x}", "slot")] {
            let toml = format!("greet = [\"{family}\"]");
            let error = Families::parse(Language::En, &[&toml], slots()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(Families::parse(Language::En, &["grete = []"], slots()).unwrap_err().to_string().contains("'grete'"));
    }

    #[test]
    fn the_shipped_set_has_forty_families_for_every_action_and_holds_some_back() {
        for language in [Language::Zh, Language::En] {
            let set = Set::shipped(language).unwrap();
            let count = |families: &Families, action: Option<Action>| {
                families.families.iter().filter(|family| family.0 == action).count()
            };
            for action in Action::all().filter(|action| *action != Action::Silence) {
                let (learned, held) = (count(&set.own, Some(action)), count(&set.held, Some(action)));
                assert!(learned >= 30 && held >= 10 && learned + held >= 40, "{} {learned} {held}", action.id());
            }
            assert!(count(&set.own, None) >= 40 && count(&set.held, None) >= 10);
            for action in Action::all() {
                assert!(count(&set.strangers, Some(action)) >= 100, "{} of strangers", action.id());
            }
            // A family that is held back is not learned from, by the letter. What strangers happened to write, too, is left out of
            // what is drawn of theirs.
            let learned: BTreeSet<&str> = set.own.families.iter().map(|f| f.1.as_str()).collect();
            let both: Vec<&String> =
                set.held.families.iter().map(|f| &f.1).filter(|f| learned.contains(f.as_str())).collect();
            assert!(both.is_empty(), "{both:?}");
        }
    }
}
