//! Pronunciations: the model's dictionary, and what can be derived from it for words that it does not list.

use super::letters;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

    /// The pronunciations of all `words` that are listed or can be derived, and the words that cannot be said.
    pub fn look_up(&self, words: &BTreeSet<String>) -> (BTreeMap<String, Pronunciations>, Vec<String>) {
        // One pass over the file finds the words and the parts that they may be made of.
        let mut wanted: BTreeMap<String, Pronunciations> = BTreeMap::new();
        for word in words {
            for part in std::iter::once(word.clone()).chain(letters::parts(word)) {
                wanted.entry(part).or_default();
            }
        }
        for line in self.text.lines() {
            let Some((entry, phones)) = line.split_once([' ', '\t']) else { continue };
            let word = entry.split_once('(').map_or(entry, |(word, _)| word);
            if let Some(found) = wanted.get_mut(word) {
                found.push(phones.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
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
    fn a_missing_file_is_named() {
        let error = Dictionary::read(Path::new("/no/such/cmudict.dict")).err().unwrap();
        assert!(error.contains("/no/such/cmudict.dict"), "{error}");
    }
}
