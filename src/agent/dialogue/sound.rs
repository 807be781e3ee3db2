//! Mandarin as it sounds: what a recogniser writes with other characters of the same syllables is still the same.

use super::phrase::{Pattern, Phrase, SlotLists};
use pinyin::ToPinyin;

/// The syllable of a character, without its tone.
fn syllable(c: char) -> Option<&'static str> {
    c.to_pinyin().map(|sound| sound.plain())
}

/// The words of an utterance as they sound, one for one; what is no Chinese character stays.
pub(crate) fn sounds(words: &[String]) -> Vec<String> {
    let sound = |word: &String| {
        let mut chars = word.chars();
        let only = chars.next().filter(|_| chars.next().is_none());
        only.and_then(syllable).map_or_else(|| word.clone(), str::to_owned)
    };
    words.iter().map(sound).collect()
}

/// The patterns of a phrase of a flow, to be found in [`sounds`]; none for one that is not in Chinese characters.
pub(crate) fn by_sound(phrase: &str) -> Vec<Pattern> {
    let mut written = String::new();
    let mut chinese = false;
    for c in phrase.chars() {
        match syllable(c) {
            Some(sound) => {
                chinese = true;
                written.extend([" ", sound, " "]);
            }
            None => written.push(c),
        }
    }
    let parsed = chinese.then(|| Phrase::parse(&written, &SlotLists::new()).ok()).flatten();
    parsed.map(|phrase| phrase.patterns).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::dialogue::matching::locate;
    use crate::agent::dialogue::words::words;

    #[test]
    fn other_characters_of_the_same_sound_are_the_same_phrase() {
        let patterns = by_sound("(不要|别) 再打 * 了");
        for (text, found) in
            [("不要再打我了", true), ("布腰在大了", true), ("别载打电话啦了", true), ("不要了", false), ("stop", false)]
        {
            assert_eq!(locate(&patterns, &sounds(&words(text))).is_some(), found, "{text}");
        }
        assert!(by_sound("take me off").is_empty());
    }
}
