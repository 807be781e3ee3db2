//! The phrases of a flow: what an author writes, and the word patterns that come of it.
//!
//! | written | means |
//! |---|---|
//! | `yes i will` | these words |
//! | `yes [please]` | the bracketed words may be missing |
//! | `(ten\|eleven) o'clock` | one of these |
//! | `* parking *` | any words, or none, for the star |
//! | `[on] <day>` | one of the values of slot `day`, kept there; any one to eight words where the slot has no list |
//! | `<visit:day>` | the same, kept in slot `visit` |
//! | `= i am in` | only where it is all that is said, but for an opening such as "well" or "yes" and a Mandarin particle |

use super::words::{expand, spoken_forms, tokens};
use std::collections::BTreeMap;

/// Most patterns that one phrase may stand for.
const MAX_PATTERNS: usize = 64;
/// Most open places (stars and free slots) of a phrase: more make matching slow.
const MAX_OPEN: usize = 3;
/// Most words of a free slot.
const MAX_SLOT_WORDS: usize = 8;

/// The values of the slots that have a list: name to (words, value).
pub(crate) type SlotLists = BTreeMap<String, Vec<(Vec<String>, String)>>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(String),
    Any,
    Free { slot: String },
    Listed { slot: String, values: Vec<(Vec<String>, String)> },
}

/// One sequence to be found in the caller's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    /// Which words it cannot do without, see [`marks`].
    marks: u64,
    tokens: Vec<Token>,
    /// Nothing else may be said beside it.
    alone: bool,
}

/// As a phrase would be written.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut joined = if self.alone { "=".to_owned() } else { String::new() };
        for token in &self.tokens {
            let text = match token {
                Token::Word(word) => word.clone(),
                Token::Any => "…".to_owned(),
                Token::Free { slot } | Token::Listed { slot, .. } => format!("<{slot}>"),
            };
            let wide = |c: char| !c.is_ascii();
            if joined.chars().last().is_some_and(|last| !(wide(last) && text.chars().next().is_some_and(wide))) {
                joined.push(' ');
            }
            joined.push_str(&text);
        }
        f.write_str(&joined)
    }
}

/// Where and how a pattern was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// First word.
    pub start: usize,
    /// Just after the last word.
    pub end: usize,
    /// Words that are the pattern's own or a listed slot's: how much it says.
    pub fixed: usize,
    /// Slots and their values.
    pub slots: Vec<(String, String)>,
}

/// A phrase as written, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Word(String),
    Any,
    Slot { slot: String, list: String },
    OneOf(Vec<Vec<Item>>),
}

/// What a phrase comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Phrase {
    /// To match with.
    pub patterns: Vec<Pattern>,
    /// For the recogniser: whole phrases as they are spoken, or their fixed parts around a star or a free slot.
    pub spoken: Vec<String>,
}

impl Phrase {
    /// Takes a phrase apart. The error says what is wrong with it, and the fix.
    pub fn parse(text: &str, lists: &SlotLists) -> Result<Self, String> {
        let (alone, text) = match text.trim_start().strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut chars = text.chars().peekable();
        let items = parse_alternatives(&mut chars, None, 0)?;
        let [items] = <[Vec<Item>; 1]>::try_from(items)
            .map_err(|_| "alternatives need brackets: write (one|two) or [one|two]".to_owned())?;
        let mut phrase = Self::default();
        for sequence in unfold(&items, MAX_PATTERNS)? {
            if sequence.is_empty() {
                return Err("every word may be missing: put at least one word outside the square brackets".to_owned());
            }
            phrase.speak(&sequence, lists);
            let tokens = compile(&sequence, lists)?;
            if tokens.iter().filter(|token| matches!(token, Token::Any | Token::Free { .. })).count() > MAX_OPEN {
                return Err(format!("more than {MAX_OPEN} stars and free slots: split the phrase"));
            }
            let own = tokens.iter().filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None });
            let pattern = Pattern { marks: marks(own), tokens, alone };
            if !phrase.patterns.contains(&pattern) {
                phrase.patterns.push(pattern);
            }
        }
        phrase.spoken.sort();
        phrase.spoken.dedup();
        Ok(phrase)
    }

    fn speak(&mut self, sequence: &[Item], lists: &SlotLists) {
        let mut runs: Vec<Vec<String>> = vec![Vec::new()];
        for item in sequence {
            match item {
                Item::Word(word) => runs.iter_mut().for_each(|run| run.push(word.clone())),
                Item::Slot { list, .. } if lists.contains_key(list) => {
                    let values = lists.get(list).map(Vec::as_slice).unwrap_or_default();
                    if runs.len() * values.len() > 256 {
                        self.flush(&mut runs);
                        self.spoken.extend(values.iter().flat_map(|(words, _)| spoken_forms(words)));
                    } else {
                        runs = runs
                            .iter()
                            .flat_map(|run| values.iter().map(move |(words, _)| [run.as_slice(), words].concat()))
                            .collect();
                    }
                }
                Item::Any | Item::Slot { .. } => self.flush(&mut runs),
                // Unfolded before.
                Item::OneOf(_) => {}
            }
        }
        self.flush(&mut runs);
    }

    fn flush(&mut self, runs: &mut Vec<Vec<String>>) {
        self.spoken.extend(runs.iter().filter(|run| !run.is_empty()).flat_map(|run| spoken_forms(run)));
        *runs = vec![Vec::new()];
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn parse_alternatives(chars: &mut Chars<'_>, close: Option<char>, depth: usize) -> Result<Vec<Vec<Item>>, String> {
    if depth > 4 {
        return Err("brackets more than four deep: split the phrase".to_owned());
    }
    let mut alternatives = vec![Vec::new()];
    let mut word = String::new();
    loop {
        let c = chars.next();
        let joins = c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '\'' | '’'));
        if joins {
            word.extend(c);
            continue;
        }
        if let Some(items) = alternatives.last_mut() {
            items.extend(tokens(&word).into_iter().map(Item::Word));
        }
        word.clear();
        let item = match c {
            None if close.is_none() => return Ok(alternatives),
            None => return Err(format!("a bracket is open: '{}' is missing", close.unwrap_or(')'))),
            Some(c) if Some(c) == close => return Ok(alternatives),
            Some('|') => {
                alternatives.push(Vec::new());
                continue;
            }
            Some('*') => Item::Any,
            Some('(') => Item::OneOf(parse_alternatives(chars, Some(')'), depth + 1)?),
            Some('[') => {
                let mut optional = parse_alternatives(chars, Some(']'), depth + 1)?;
                optional.push(Vec::new());
                Item::OneOf(optional)
            }
            Some('<') => {
                let inside: String = chars.by_ref().take_while(|c| *c != '>').collect();
                let (slot, list) = inside.split_once(':').unwrap_or((&inside, &inside));
                let is_name = |name: &str| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                };
                if !is_name(slot) || !is_name(list) {
                    return Err(format!("'<{inside}>' is no slot: write <name> or <name:list>"));
                }
                Item::Slot { slot: slot.to_owned(), list: list.to_owned() }
            }
            Some(c @ (')' | ']' | '>')) => return Err(format!("'{c}' closes a bracket that is not open")),
            Some(_) => continue,
        };
        if let Some(items) = alternatives.last_mut() {
            items.push(item);
        }
    }
}

fn unfold(items: &[Item], bound: usize) -> Result<Vec<Vec<Item>>, String> {
    let mut sequences: Vec<Vec<Item>> = vec![Vec::new()];
    for item in items {
        let choices: Vec<Vec<Item>> = match item {
            Item::OneOf(alternatives) => {
                let mut choices = Vec::new();
                for alternative in alternatives {
                    choices.extend(unfold(alternative, bound)?);
                }
                choices
            }
            single => vec![vec![single.clone()]],
        };
        if sequences.len() * choices.len() > bound {
            return Err(format!("it stands for more than {bound} phrases: split it"));
        }
        sequences = sequences
            .iter()
            .flat_map(|head| choices.iter().map(move |tail| [head.as_slice(), tail.as_slice()].concat()))
            .collect();
    }
    Ok(sequences)
}

fn compile(sequence: &[Item], lists: &SlotLists) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    for item in sequence {
        match item {
            Item::Word(word) => {
                let mut words = Vec::new();
                expand(word, &mut words);
                out.extend(words.into_iter().map(Token::Word));
            }
            Item::Any => {
                if out.last() != Some(&Token::Any) {
                    out.push(Token::Any);
                }
            }
            Item::Slot { slot, list } => match lists.get(list) {
                Some(values) => {
                    let normal = |words: &[String]| {
                        let mut out = Vec::new();
                        words.iter().for_each(|word| expand(word, &mut out));
                        out
                    };
                    let values = values.iter().map(|(words, value)| (normal(words), value.clone())).collect();
                    out.push(Token::Listed { slot: slot.clone(), values });
                }
                None if slot != list => {
                    return Err(format!("there is no list '{list}': add it under [slots], or write <{slot}>"));
                }
                None => out.push(Token::Free { slot: slot.clone() }),
            },
            Item::OneOf(_) => {}
        }
    }
    Ok(out)
}

/// One bit for each word: what has not all bits of a pattern does not hold all its words. A flow has thousands of patterns, and a
/// sentence the words of a few.
pub(crate) fn marks<'a>(words: impl IntoIterator<Item = &'a String>) -> u64 {
    let mark = |word: &String| {
        let hash = word
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        1_u64 << (hash >> 58)
    };
    words.into_iter().fold(0, |all, word| all | mark(word))
}

impl Pattern {
    /// How many of its words are surely missing among words with these [`marks`]; it may be more.
    pub fn missing(&self, marks: u64) -> u32 {
        (self.marks & !marks).count_ones()
    }

    /// It is a star and nothing else.
    pub fn is_anything(&self) -> bool {
        matches!(self.tokens.as_slice(), [Token::Any])
    }

    /// It counts only where it is all that is said.
    pub fn stands_alone(&self) -> bool {
        self.alone
    }

    /// More words may belong to it: its end is a star or a free slot.
    pub fn ends_open(&self) -> bool {
        matches!(self.tokens.last(), Some(Token::Any | Token::Free { .. }))
    }

    /// The words, where the pattern has nothing else.
    pub fn plain(&self) -> Option<Vec<&str>> {
        self.tokens.iter().map(|token| if let Token::Word(word) = token { Some(word.as_str()) } else { None }).collect()
    }

    /// The slots that it fills.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Free { slot } | Token::Listed { slot, .. } => Some(slot.as_str()),
            Token::Word(_) | Token::Any => None,
        })
    }

    /// Finds the pattern in the words: the place with the most fixed words, the later one of equals.
    pub fn find(&self, words: &[String]) -> Option<Found> {
        let mut best: Option<Found> = None;
        for start in 0..words.len() {
            let Some(rest) = words.get(start..) else { break };
            let mut slots = Vec::new();
            if let Some((used, fixed)) = follow(&self.tokens, rest, &mut slots) {
                let found = Found { start, end: start + used, fixed, slots };
                if best.as_ref().is_none_or(|best| found.fixed >= best.fixed) {
                    best = Some(found);
                }
            }
            // A leading star has tried every start.
            if self.tokens.first() == Some(&Token::Any) {
                break;
            }
        }
        best
    }
}

/// Matches the tokens at the beginning of the words: words used and fixed words among them. Slots come in order.
fn follow(tokens: &[Token], words: &[String], slots: &mut Vec<(String, String)>) -> Option<(usize, usize)> {
    let Some((first, rest)) = tokens.split_first() else { return Some((0, 0)) };
    match first {
        Token::Word(word) => {
            let (heard, after) = words.split_first()?;
            if heard != word {
                return None;
            }
            follow(rest, after, slots).map(|(used, fixed)| (used + 1, fixed + 1))
        }
        Token::Any => {
            // A star at the end takes all there is, any other as little as it can.
            if rest.is_empty() {
                return Some((words.len(), 0));
            }
            (0..=words.len()).find_map(|skip| {
                let kept = slots.len();
                let result = follow(rest, words.get(skip..)?, slots);
                if result.is_none() {
                    slots.truncate(kept);
                }
                result.map(|(used, fixed)| (used + skip, fixed))
            })
        }
        Token::Free { slot } => {
            // At the end of a pattern a free slot takes what is left.
            let longest = words.len().min(MAX_SLOT_WORDS);
            let mut lengths: Vec<usize> = (1..=longest).collect();
            if rest.is_empty() {
                lengths.reverse();
            }
            lengths.into_iter().find_map(|length| {
                let kept = slots.len();
                slots.push((slot.clone(), words.get(..length)?.join(" ")));
                let result = follow(rest, words.get(length..)?, slots);
                if result.is_none() {
                    slots.truncate(kept);
                }
                result.map(|(used, fixed)| (used + length, fixed))
            })
        }
        Token::Listed { slot, values } => {
            let mut fitting: Vec<_> = values.iter().filter(|(value, _)| words.starts_with(value)).collect();
            fitting.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
            fitting.into_iter().find_map(|(value, name)| {
                let kept = slots.len();
                slots.push((slot.clone(), name.clone()));
                let result = follow(rest, words.get(value.len()..)?, slots);
                if result.is_none() {
                    slots.truncate(kept);
                }
                result.map(|(used, fixed)| (used + value.len(), fixed + value.len()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::dialogue::words::words;
    use proptest::prelude::*;

    fn lists() -> SlotLists {
        let day = ["monday", "tuesday", "the day after"].map(|day| (tokens(day), day.to_owned()));
        BTreeMap::from([("day".to_owned(), day.to_vec())])
    }

    fn find(phrase: &str, text: &str) -> Option<Found> {
        let words = words(text);
        Phrase::parse(phrase, &lists()).unwrap().patterns.iter().filter_map(|p| p.find(&words)).max_by_key(|f| f.fixed)
    }

    #[test]
    fn optional_words_and_alternatives() {
        for text in ["yes", "yes please", "yeah please"] {
            assert!(find("(yes|yeah) [please]", text).is_some(), "{text}");
        }
        assert!(find("(yes|yeah) [please]", "please").is_none());
        let phrase = Phrase::parse("[on|this] <day>", &lists()).unwrap();
        assert!(phrase.spoken.contains(&"this tuesday".to_owned()));
        assert!(phrase.spoken.contains(&"the day after".to_owned()));
        assert_eq!(phrase.spoken.len(), 9);
    }

    #[test]
    fn slots_are_filled() {
        let found = find("[on] <visit:day>", "maybe on tuesday then").unwrap();
        assert_eq!(found.slots, [("visit".to_owned(), "tuesday".to_owned())]);
        assert_eq!((found.start, found.end, found.fixed), (1, 3, 2));
        let found = find("my name is <name>", "hello my name's no my name is mary ann").unwrap();
        assert_eq!(found.slots, [("name".to_owned(), "mary ann".to_owned())]);
        assert!(find("my name is <name>", "my name is").is_none());
    }

    #[test]
    fn stars_take_anything() {
        let found = find("* parking *", "is there any parking there").unwrap();
        assert_eq!((found.start, found.end, found.fixed), (0, 5, 1));
        assert!(find("how * cost", "how much does it cost").is_some());
        assert!(find("how * cost", "how much").is_none());
        assert_eq!(find("*", "what ever").unwrap().fixed, 0);
    }

    #[test]
    fn the_recogniser_is_told_what_is_spoken() {
        let spoken = |text: &str| Phrase::parse(text, &lists()).unwrap().spoken;
        assert_eq!(spoken("I do not know"), ["i do not know", "i don't know"]);
        assert_eq!(spoken("my name is <name>"), ["my name is"]);
        assert_eq!(spoken("* parking *"), ["parking"]);
        assert_eq!(spoken("*"), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_phrase_is_explained() {
        let why = |text: &str| Phrase::parse(text, &lists()).unwrap_err();
        assert!(why("yes [please").contains("']' is missing"));
        assert!(why("yes please)").contains("not open"));
        assert!(why("[yes] [please]").contains("may be missing"));
        assert!(why("<a b>").contains("no slot"));
        assert!(why("<visit:week>").contains("no list 'week'"));
        assert!(why("yes|no").contains("brackets"));
        assert!(why("[a|b|c|d|e|f|g] [a|b|c|d|e|f|g] [a|b|c] x").contains("split"));
        assert!(why("").contains("may be missing"));
    }

    proptest! {
        #[test]
        fn no_phrase_and_no_text_panics(phrase in "[a-c \\[\\]()|*<>:']{0,24}", text in "[a-c ']{0,40}") {
            if let Ok(phrase) = Phrase::parse(&phrase, &lists()) {
                let words = words(&text);
                for pattern in &phrase.patterns {
                    if let Some(found) = pattern.find(&words) {
                        prop_assert!(found.start <= found.end && found.end <= words.len());
                    }
                }
            }
        }
    }
}
