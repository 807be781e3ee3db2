//! Pronunciations: the model's dictionary, and what can be derived from it for words that it does not list.

use super::letters;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The phone of silence, which models know and words do not have.
const SILENCE: &str = "SIL";

/// How words are said, in the phones of the acoustic model. Kept as the file's text: some megabytes, searched only when a
/// grammar is compiled.
pub(super) struct Dictionary {
    text: String,
}

/// The pronunciations of one word, each a list of phones separated by blanks.
pub(super) type Pronunciations = Vec<String>;

impl Dictionary {
    /// Reads a dictionary: one pronunciation a line, the word first, `word(2)` for its second.
    ///
    /// # Errors
    /// Names the file and the reason.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        Ok(Self { text })
    }

    #[cfg(test)]
    pub fn from_text(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// The pronunciations of those of `words` that are listed.
    pub fn listed(&self, words: &BTreeSet<String>) -> BTreeMap<String, Pronunciations> {
        let mut found = self.find(words.iter().cloned());
        found.retain(|_, said| !said.is_empty());
        found
    }

    /// All phones that words are made of.
    pub fn phones(&self) -> BTreeSet<String> {
        let phones = self.entries().flat_map(|(_, phones)| phones.split_whitespace());
        let distinct: BTreeSet<&str> = phones.filter(|phone| *phone != SILENCE && !phone.starts_with('+')).collect();
        distinct.into_iter().map(str::to_owned).collect()
    }

    /// What the file says, word by word: `word(2)` is a second pronunciation of `word`.
    fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| {
            let (entry, phones) = line.split_once([' ', '\t'])?;
            Some((entry.split_once('(').map_or(entry, |(word, _)| word), phones))
        })
    }

    /// The pronunciations of all of `words`, none for those that are not listed.
    fn find(&self, words: impl Iterator<Item = String>) -> BTreeMap<String, Pronunciations> {
        let mut wanted: BTreeMap<String, Pronunciations> = words.map(|word| (word, Vec::new())).collect();
        for (word, phones) in self.entries() {
            if let Some(found) = wanted.get_mut(word) {
                found.push(phones.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
        wanted
    }

    /// Cuts words that are written without blanks between them, as Chinese is, into the fewest that are listed.
    pub fn cut(&self, phrases: &mut [Vec<String>]) {
        let joined: BTreeSet<String> =
            phrases.iter().flatten().filter(|word| word.chars().all(is_han)).cloned().collect();
        if joined.is_empty() {
            return;
        }
        let pieces = joined.iter().flat_map(|word| pieces(word).map(|(_, _, piece)| piece.to_owned()));
        let listed = self.listed(&pieces.collect());
        for phrase in phrases {
            let words = std::mem::take(phrase).into_iter();
            *phrase = words
                .flat_map(|word| if joined.contains(&word) { fewest(&word, &listed) } else { vec![word] })
                .collect();
        }
    }

    /// The pronunciations of all `words` that are listed or can be derived, and the words that cannot be said.
    pub fn look_up(&self, words: &BTreeSet<String>) -> (BTreeMap<String, Pronunciations>, Vec<String>) {
        // One pass over the file finds the words and the parts that they may be made of.
        let parts = words.iter().flat_map(|word| std::iter::once(word.clone()).chain(letters::parts(word)));
        let wanted = self.find(parts);
        let mut known = BTreeMap::new();
        let mut unknown = Vec::new();
        for word in words {
            let listed = wanted.get(word).cloned().unwrap_or_default();
            let said = if listed.is_empty() { letters::derive(word, &wanted) } else { listed };
            if said.is_empty() {
                unknown.push(word.clone());
            } else {
                known.insert(word.clone(), said);
            }
        }
        (known, unknown)
    }
}

/// Longest word, in characters, that Chinese is cut into.
const LONGEST: usize = 8;

/// Whether it is a Chinese character.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')
}

/// All parts of a word, with the numbers of the characters between which they lie.
fn pieces(word: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let marks: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
    let count = marks.len() - 1;
    let places = (0..count).flat_map(move |from| (from + 1..=count.min(from + LONGEST)).map(move |to| (from, to)));
    places.filter_map(move |(from, to)| Some((from, to, word.get(*marks.get(from)?..*marks.get(to)?)?)))
}

/// The fewest listed words that make up `word`; characters that are in none stand alone.
fn fewest(word: &str, listed: &BTreeMap<String, Pronunciations>) -> Vec<String> {
    // For each number of characters, in how many words they can be said and where the last of these begins. A character that
    // is not listed counts as many.
    let count = word.chars().count();
    let mut best: Vec<(usize, usize, &str)> = vec![(usize::MAX, 0, ""); count + 1];
    if let Some(start) = best.first_mut() {
        start.0 = 0;
    }
    for (from, to, piece) in pieces(word) {
        let cost = if listed.contains_key(piece) {
            1
        } else if to == from + 1 {
            count + 1
        } else {
            continue;
        };
        let before = best.get(from).map_or(usize::MAX, |(words, ..)| *words).saturating_add(cost);
        if let Some(known) = best.get_mut(to).filter(|(words, ..)| before < *words) {
            *known = (before, from, piece);
        }
    }
    let mut words = Vec::new();
    let mut at = count;
    while let Some((_, from, piece)) = best.get(at).filter(|_| at > 0) {
        words.push((*piece).to_owned());
        at = *from;
    }
    words.reverse();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|w| (*w).to_owned()).collect()
    }

    const TEXT: &str = "a AH\na(2) EY\nback B AE K\nb. B IY\ncall K AO L\ncalls  K AO L Z\ni AY\n's EH S\n";

    #[test]
    fn every_listed_pronunciation_is_found() {
        let (known, unknown) = Dictionary::from_text(TEXT).look_up(&words(&["a", "calls"]));
        assert_eq!(known["a"], ["AH", "EY"]);
        assert_eq!(known["calls"], ["K AO L Z"]);
        assert!(unknown.is_empty());
    }

    #[test]
    fn a_compound_is_said_as_its_parts() {
        let (known, unknown) = Dictionary::from_text(TEXT).look_up(&words(&["callback", "callbacks", "xyzzy"]));
        assert_eq!(known["callback"], ["K AO L B AE K"]);
        assert_eq!(known["callbacks"], ["K AO L B AE K S"]);
        assert_eq!(unknown, ["xyzzy"]);
    }

    #[test]
    fn chinese_is_cut_into_the_fewest_words() {
        let text = "信用 x in y ong\n信用卡 x in y ong k a\n卡 k a\n不 b u\n不需要 b u x ux y ao\n要 y ao\n";
        let mut phrases =
            vec![vec!["不需要信用卡".to_owned()], vec!["要".to_owned(), "vip".to_owned(), "要鑫卡".to_owned()]];
        let dictionary = Dictionary::from_text(text);
        dictionary.cut(&mut phrases);
        assert_eq!(phrases, [vec!["不需要", "信用卡"], vec!["要", "vip", "要", "鑫", "卡"]]);
        assert_eq!(dictionary.look_up(&words(&["鑫", "卡"])).1, ["鑫"]);
        let phones: Vec<String> = dictionary.phones().into_iter().collect();
        assert_eq!(phones.join(" "), "a ao b in k ong u ux x y");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Dictionary::read(Path::new("/no/such/cmudict.dict")).err().unwrap();
        assert!(error.contains("/no/such/cmudict.dict"), "{error}");
    }
}
