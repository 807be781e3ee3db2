//! A sentence as clauses and punctuation, and pronunciations as the single signs that voices know.
//!
//! As Piper's own `phonemize_eSpeak` does it: each clause is pronounced alone, the sign that ended it is put back behind it,
//! and behind those within a sentence a blank. Switches of language, `(en)`, are taken out; composed letters are taken apart.

use crate::engine::tts::sentence;

/// A clause of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Clause {
    /// Its words.
    pub text: String,
    /// The sign that ends it: one of `. , ? ! : ;`.
    pub end: Option<char>,
}

/// The clauses of a sentence, in order. A sign inside a number or a word ends none.
pub(super) fn clauses(sentence: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut text = String::new();
    let mut close = |text: &mut String, end: Option<char>| {
        let said = text.trim();
        if said.chars().any(char::is_alphanumeric) {
            clauses.push(Clause { text: said.to_owned(), end });
        } else if let (Some(last), Some(end)) = (clauses.last_mut(), end) {
            // "Really?!": the first sign tells how it is said; but a comma before a dash, or none, gives way.
            if matches!(last.end, None | Some(',')) {
                last.end = Some(end);
            }
        }
        text.clear();
    };
    let mut chars = sentence.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|&(_, next)| next);
        let (end, wide) = match c {
            '.' | ',' | '?' | '!' | ':' | ';' => (Some(c), false),
            '。' | '．' | '…' => (Some('.'), true),
            '，' | '、' | '—' => (Some(','), true),
            '？' => (Some('?'), true),
            '！' => (Some('!'), true),
            '：' => (Some(':'), true),
            '；' => (Some(';'), true),
            _ => (None, false),
        };
        let before = sentence.get(..at).unwrap_or_default();
        let inside = !wide && after.is_some_and(char::is_alphanumeric);
        let abbreviated = c == '.' && after.is_some_and(char::is_whitespace) && sentence::abbreviated(before);
        match end {
            Some(_) if abbreviated => {}
            Some(end) if !inside => close(&mut text, Some(end)),
            _ => text.push(c),
        }
    }
    close(&mut text, None);
    clauses
}

/// The signs of a sentence of pronounced clauses.
pub(super) fn signs(clauses: &[(String, Option<char>)]) -> Vec<char> {
    let mut signs = Vec::new();
    for (index, (said, end)) in clauses.iter().enumerate() {
        let mut switch = false;
        for c in said.chars() {
            match c {
                '(' => switch = true,
                ')' if switch => switch = false,
                _ if switch => {}
                // The tie between two letters of one sound is no sign of its own.
                '\u{200d}' | '\u{361}' => {}
                c => match composed(c) {
                    Some((letter, mark)) => signs.extend([letter, mark]),
                    None => signs.push(c),
                },
            }
        }
        if let Some(end) = end {
            signs.push(*end);
            if index + 1 < clauses.len() {
                signs.push(' ');
            }
        } else if index + 1 < clauses.len() {
            signs.push(' ');
        }
    }
    signs
}

/// The letters of IPA that have a composed form, taken apart.
const fn composed(c: char) -> Option<(char, char)> {
    Some(match c {
        'ç' => ('c', '\u{327}'),
        'ã' => ('a', '\u{303}'),
        'ẽ' => ('e', '\u{303}'),
        'ĩ' => ('i', '\u{303}'),
        'õ' => ('o', '\u{303}'),
        'ũ' => ('u', '\u{303}'),
        'ñ' => ('n', '\u{303}'),
        'ä' => ('a', '\u{308}'),
        'ë' => ('e', '\u{308}'),
        'ï' => ('i', '\u{308}'),
        'ö' => ('o', '\u{308}'),
        'ü' => ('u', '\u{308}'),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(sentence: &str) -> Vec<(String, Option<char>)> {
        clauses(sentence).into_iter().map(|clause| (clause.text, clause.end)).collect()
    }

    fn clause(text: &str, end: char) -> (String, Option<char>) {
        (text.to_owned(), Some(end))
    }

    #[test]
    fn clauses_keep_the_sign_that_ended_them() {
        assert_eq!(cut("Hello, how are you?"), [clause("Hello", ','), clause("how are you", '?')]);
        assert_eq!(cut("Wait: one; two!"), [clause("Wait", ':'), clause("one", ';'), clause("two", '!')]);
        assert_eq!(cut("你好，请问您贵姓？"), [clause("你好", ','), clause("请问您贵姓", '?')]);
        assert_eq!(cut("Really?! Well..."), [clause("Really", '?'), clause("Well", '.')]);
        assert_eq!(cut("no sign"), [("no sign".to_owned(), None)]);
        assert_eq!(cut("...!?"), []);
    }

    #[test]
    fn a_sign_inside_a_number_or_after_a_title_ends_nothing() {
        assert_eq!(
            cut("It is 3.50 at 10:30, 1,000 of them."),
            [clause("It is 3.50 at 10:30", ','), clause("1,000 of them", '.')]
        );
        assert_eq!(cut("Mr. Smith is in."), [clause("Mr Smith is in", '.')]);
    }

    #[test]
    fn signs_are_what_voices_know() {
        let said = [("həlˈoʊ".to_owned(), Some(',')), ("(en)ça(cmn) a\u{361}b".to_owned(), Some('?'))];
        assert_eq!(signs(&said).into_iter().collect::<String>(), "həlˈoʊ, c\u{327}a ab?");
        assert_eq!(signs(&[("a".to_owned(), None), ("b".to_owned(), None)]), ['a', ' ', 'b']);
    }

    proptest! {
        #[test]
        fn no_word_is_lost(sentence in "\\PC{0,120}") {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            let said: String = clauses(&sentence).iter().map(|clause| clause.text.as_str()).collect();
            prop_assert_eq!(letters(&said), letters(&sentence));
        }
    }
}
