//! Facts in Markdown: every heading begins one.
//!
//! ```text
//! +++
//! language = "en"            # front matter: keys for all facts of the file, in TOML
//! product = "gold card"
//! +++
//! # Annual fee
//! say: The annual fee is twenty euros, and you pay none if you use the card six times a year.
//! ask: what does it cost | is there a fee
//! until: 2026-12-31
//!
//! The annual fee is 20 euros. It is waived after six purchases in a year.
//! ```

use super::Mistake;
use super::fact::{Fact, KEYS, Keys};

/// A fact that is being read.
struct Open<'a> {
    line: usize,
    heading: &'a str,
    keys: Keys,
    /// Keys may only stand directly below the heading.
    keys_may_follow: bool,
    text: String,
}

/// Reads a file. Mistakes are added to `mistakes`.
pub(super) fn read(file: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Fact> {
    let mut wrong = |line: usize, what: String| mistakes.push(Mistake { file: file.to_owned(), line, what });
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let mut common = Keys::default();
    if lines.next_if(|(_, line)| line.trim_end() == "+++").is_some() {
        if !text.lines().skip(1).any(|line| line.trim_end() == "+++") {
            wrong(1, "the front matter has no end: close it with a line +++".to_owned());
            return Vec::new();
        }
        for (at, line) in lines.by_ref() {
            if line.trim_end() == "+++" {
                break;
            }
            if let Err(what) = front(line, &mut common) {
                wrong(at, what);
            }
        }
    }
    let mut facts = Vec::new();
    let mut open: Option<Open<'_>> = None;
    let mut fenced = false;
    let mut close = |open: Option<Open<'_>>, wrong: &mut dyn FnMut(usize, String)| {
        let Some(open) = open else { return };
        // A heading above other headings is no fact.
        if open.text.trim().is_empty() && open.keys == Keys::default() {
            return;
        }
        match open.keys.over(&common).fact(file, open.line, open.heading, &open.text) {
            Ok(fact) => facts.push(fact),
            Err(what) => wrong(open.line, what),
        }
    };
    for (at, line) in lines {
        let plain = line.trim();
        if plain.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let heading = plain.trim_start_matches('#');
        let level = plain.len() - heading.len();
        if (1..=6).contains(&level) && !fenced && heading.starts_with([' ', '\t']) {
            close(open.take(), &mut wrong);
            let heading = heading.trim().trim_end_matches('#').trim_end();
            let (keys, text) = (Keys::default(), String::new());
            open = Some(Open { line: at, heading, keys, keys_may_follow: true, text });
            continue;
        }
        let Some(open) = &mut open else {
            if !plain.is_empty() && !plain.starts_with("<!--") {
                wrong(at, "text before the first heading belongs to no fact: put a heading above it".to_owned());
                return Vec::new();
            }
            continue;
        };
        match plain.split_once(':') {
            Some((key, value)) if open.keys_may_follow && KEYS.contains(&key.trim()) => {
                if let Err(what) = open.keys.set(key.trim(), value) {
                    wrong(at, what);
                }
            }
            Some((key, _))
                if open.keys_may_follow
                    && let Some(near) = misspelt(key) =>
            {
                wrong(
                    at,
                    format!(
                        "there is no key '{key}': did you mean '{near}'? (text that begins so needs another line above it)"
                    ),
                );
            }
            _ => {
                open.keys_may_follow &= plain.is_empty();
                open.text.push_str(unmarked(plain).as_str());
                open.text.push('\n');
            }
        }
    }
    close(open, &mut wrong);
    facts
}

/// One line of the front matter: `key = "value"` in TOML.
fn front(line: &str, keys: &mut Keys) -> Result<(), String> {
    let table: toml::Table = line
        .parse()
        .map_err(|error: toml::de::Error| format!("the front matter is TOML: {}", error.message().trim()))?;
    for (key, value) in table {
        if matches!(key.as_str(), "say" | "ask") {
            return Err(format!("'{key}' belongs to one fact: write it below its heading"));
        }
        match value {
            toml::Value::String(value) => keys.set(&key, &value)?,
            toml::Value::Datetime(value) => keys.set(&key, &value.to_string())?,
            _ => return Err(format!("'{key}' must be a text: {key} = \"…\"")),
        }
    }
    Ok(())
}

/// The key that was meant, where one word in small letters is nearly one: it would be spoken, and would not hold. Swapped
/// neighbours are one mistake; a key of three letters may have no more, for "tax:" is text.
fn misspelt(word: &str) -> Option<&'static str> {
    if !word.chars().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    let apart = |key: &str| strsim::osa_distance(word, key);
    KEYS.into_iter().filter(|key| apart(key) <= if key.len() > 3 { 2 } else { 1 }).min_by_key(|key| apart(key))
}

/// A line without the marks of Markdown. A mark has a space behind it: "-20 degrees" and "+44 20 …" have none.
fn unmarked(line: &str) -> String {
    if line.chars().all(|c| matches!(c, '-' | '*' | '_' | '=' | '>' | '+')) {
        // A rule, or a mark with nothing behind it.
        return String::new();
    }
    let mut line = line;
    while let Some(rest) = line.strip_prefix(['-', '*', '>', '+']).filter(|rest| rest.starts_with([' ', '\t'])) {
        line = rest.trim_start();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // [words](address) keeps the words.
    while let Some((before, after)) = rest.split_once('[') {
        let Some((words, address)) = after.split_once("](").and_then(|(w, a)| a.split_once(')').map(|(_, r)| (w, r)))
        else {
            break;
        };
        out.push_str(before);
        out.push_str(words);
        rest = address;
    }
    out.push_str(rest);
    out.replace(['*', '`'], "").replace('|', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<Fact>, Vec<String>) {
        let mut mistakes = Vec::new();
        let facts = read("card.md", text, &mut mistakes);
        (facts, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn headings_begin_facts_and_front_matter_holds_for_all() {
        let text = "+++\nlanguage = \"en\"\nproduct = \"gold\"\nuntil = 2026-12-31\n+++\n# Card\n\n## Annual fee\nsay: Twenty.\n\
                    ask: what does it cost | any fee\n\nThe **fee** is 20 euros,\nsee [the list](http://x).\n\n## Limit\nuntil: 2027-01-01\nUp to: 5000.\n";
        let (facts, mistakes) = all(text);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(facts.len(), 2, "a heading with nothing below it is no fact");
        assert_eq!((facts[0].source().as_str(), facts[0].line), ("card.md#Annual fee", 8));
        assert_eq!(facts[0].text, "The fee is 20 euros, see the list.");
        assert_eq!(facts[0].ask, ["what does it cost", "any fee"]);
        assert_eq!(facts[0].until, Some(time::macros::date!(2026 - 12 - 31)));
        assert_eq!(facts[1].until, Some(time::macros::date!(2027 - 01 - 01)));
        assert_eq!(facts[1].text, "Up to: 5000.");
        assert_eq!(facts[1].product.as_deref(), Some("gold"));
    }

    #[test]
    fn marks_are_no_text_and_signs_are() {
        let text = "# Line\n\n+44 20 7946 0000\n- one\n> - two\n* **three**\n---\n-20 degrees\n+ four\n-\n";
        let (facts, mistakes) = all(text);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(facts[0].text, "+44 20 7946 0000 one two three -20 degrees four");
    }

    #[test]
    fn a_misspelt_key_is_no_text() {
        for (line, meant) in [
            ("untill: 2026-01-31", Some("until")),
            ("form: 2026-01-31", Some("from")),
            ("langage: en", Some("language")),
            ("sya: Hello.", Some("say")),
            ("tax: 20 percent", None),
            ("note: none", None),
            ("Untill: the end", None),
            ("up to: 5000", None),
        ] {
            let (facts, mistakes) = all(&format!("# A\n\n{line}\nb"));
            match meant {
                Some(meant) => {
                    let expected = format!("did you mean '{meant}'?");
                    assert!(mistakes[0].starts_with("card.md:3: ") && mistakes[0].contains(&expected), "{mistakes:?}");
                }
                None => assert_eq!((facts.len(), mistakes), (1, Vec::new()), "{line}"),
            }
        }
        assert!(all("# A\nWords.\nuntill: then").1.is_empty(), "below text it is text");
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (text, expected) in [
            ("words\n# A\nb", "card.md:1: text before the first heading"),
            ("# A\nuntil: soon\nb", "card.md:2: 'soon' is no day"),
            ("+++\nlanguage = \"en\"\n# A\nb", "card.md:1: the front matter has no end"),
            ("+++\ncolour = \"red\"\n+++\n# A\nb", "card.md:2: there is no key 'colour'"),
            ("+++\nlanguage = en\n+++\n# A\nb", "card.md:2: the front matter is TOML"),
            ("+++\nsay = \"x\"\n+++\n# A\nb", "card.md:2: 'say' belongs to one fact"),
            ("# A\nfrom: 2026-02-01\nuntil: 2026-01-01\nb", "card.md:1: it is true until 2026-01-01"),
        ] {
            let (_, mistakes) = all(text);
            assert!(mistakes.first().is_some_and(|first| first.starts_with(expected)), "{text}: {mistakes:?}");
        }
    }
}
