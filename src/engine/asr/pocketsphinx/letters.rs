//! How words are said that the dictionary does not list: compounds, endings, initials.
//!
//! Only what can be derived reliably. A name that is none of these is reported instead of guessed: a wrong pronunciation
//! would never match and nobody would know why.

use super::dictionary::Pronunciations;
use std::collections::BTreeMap;

/// Endings and how they sound is decided by the last phone of the stem.
const ENDINGS: [&str; 4] = ["'s", "s", "ed", "ing"];
/// Shortest part of a compound.
const PART: usize = 3;
/// Longest word that is tried as initials, such as `sms` or `dvla`.
const INITIALS: usize = 5;

/// All dictionary words that may help to say `word`.
pub(super) fn parts(word: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (stem, _) in stems(word) {
        parts.extend(splits(&stem).flat_map(|(a, b)| [a.to_owned(), b.to_owned()]));
        parts.push(stem);
    }
    parts.extend(splits(word).flat_map(|(a, b)| [a.to_owned(), b.to_owned()]));
    parts.extend(initials(word).into_iter().flatten());
    parts
}

/// The pronunciations of an unlisted word, given those of its [`parts`]; empty when it cannot be said.
pub(super) fn derive(word: &str, listed: &BTreeMap<String, Pronunciations>) -> Pronunciations {
    let listed = |w: &str| listed.get(w).filter(|p| !p.is_empty());
    let compound = |w: &str| -> Pronunciations {
        // The split with the longest shorter half: `callback` is `call back` and not `cal lback`.
        let best = splits(w)
            .filter_map(|(a, b)| Some((a.len().min(b.len()), listed(a)?, listed(b)?)))
            .max_by_key(|(shorter, ..)| *shorter);
        best.map_or_else(Vec::new, |(_, a, b)| {
            a.iter().flat_map(|a| b.iter().map(move |b| format!("{a} {b}"))).collect()
        })
    };
    if let Some(letters) = initials(word) {
        let said: Option<Vec<&String>> = letters.iter().map(|l| listed(l).and_then(|p| p.last())).collect();
        if let Some(said) = said {
            return vec![said.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")];
        }
    }
    let whole = compound(word);
    if !whole.is_empty() {
        return whole;
    }
    for (stem, ending) in stems(word) {
        let said = listed(&stem).cloned().unwrap_or_else(|| compound(&stem));
        if !said.is_empty() {
            return said.iter().map(|p| format!("{p} {}", ending_phones(p, ending))).collect();
        }
    }
    Vec::new()
}

/// Ways to cut a word in two.
fn splits(word: &str) -> impl Iterator<Item = (&str, &str)> {
    let cut = move |at: usize| word.split_at_checked(at);
    let hyphen = word.split_once('-');
    (PART..word.len().saturating_sub(PART - 1))
        .filter_map(cut)
        .filter(|(a, b)| a.is_ascii() && b.is_ascii())
        .chain(hyphen)
}

/// A word without its ending, with the ending.
fn stems(word: &str) -> Vec<(String, &'static str)> {
    let mut stems = Vec::new();
    for ending in ENDINGS {
        let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.len() >= PART) else { continue };
        stems.push((stem.to_owned(), ending));
        if matches!(ending, "ed" | "ing") {
            stems.push((format!("{stem}e"), ending));
        }
    }
    stems
}

fn ending_phones(stem: &str, ending: &str) -> &'static str {
    let last = stem.split_whitespace().next_back().unwrap_or_default();
    match ending {
        "ing" => "IH NG",
        "ed" => match last {
            "T" | "D" => "IH D",
            "P" | "F" | "K" | "TH" | "S" | "SH" | "CH" => "T",
            _ => "D",
        },
        _ => match last {
            "S" | "Z" | "SH" | "ZH" | "CH" | "JH" => "IH Z",
            "P" | "F" | "K" | "TH" | "T" => "S",
            _ => "Z",
        },
    }
}

/// The names of the letters, as the dictionary lists them, of a word without a vowel or of a single letter.
fn initials(word: &str) -> Option<Vec<String>> {
    let letters = word.chars().all(|c| c.is_ascii_lowercase()) && (1..=INITIALS).contains(&word.len());
    let vowel = word.len() > 1 && word.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    (letters && !vowel).then(|| word.chars().map(|c| format!("{c}.")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> BTreeMap<String, Pronunciations> {
        let list = [("s.", "EH S"), ("m.", "EH M"), ("voice", "V OY S"), ("mail", "M EY L"), ("reboot", "R IY B UW T")];
        let mut map: BTreeMap<_, _> = list.iter().map(|(w, p)| ((*w).to_owned(), vec![(*p).to_owned()])).collect();
        map.insert("schedule".into(), vec!["S K EH JH UH L".into()]);
        map
    }

    #[test]
    fn initials_are_spelled() {
        assert_eq!(derive("sms", &listed()), ["EH S EH M EH S"]);
        assert!(derive("smt", &listed()).is_empty(), "a letter that is not listed");
    }

    #[test]
    fn endings_follow_the_last_phone() {
        assert_eq!(derive("reboots", &listed()), ["R IY B UW T S"]);
        assert_eq!(derive("rebooted", &listed()), ["R IY B UW T IH D"]);
        assert_eq!(derive("scheduling", &listed()), ["S K EH JH UH L IH NG"]);
        assert_eq!(derive("voice's", &listed()), ["V OY S IH Z"]);
    }

    #[test]
    fn compounds_join_and_take_endings() {
        assert_eq!(derive("voicemail", &listed()), ["V OY S M EY L"]);
        assert_eq!(derive("voice-mails", &listed()), ["V OY S M EY L Z"]);
    }

    #[test]
    fn nothing_is_guessed() {
        assert!(derive("qwyjibo", &listed()).is_empty());
        assert!(derive("ünïcödé", &listed()).is_empty());
        assert!(derive("", &listed()).is_empty());
    }
}
