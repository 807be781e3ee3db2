//! From what a flow expects to a finite-state grammar.
//!
//! The grammar hears a phrase anywhere in an utterance, and further ones after it ("yes, call me back"), among anything:
//!
//! ```text
//!   unknown* [ phrase ( unknown | phrase )* ]
//! ```
//!
//! *Unknown* is a loop over single phones, a general model of whatever else people say ("I'd like to … please"). Each
//! phone costs a penalty, so that a phrase that was said is cheaper than an imitation of it, and other speech is cheaper to
//! imitate than to force into a phrase. A loop over some seventy common words instead was measured: it doubled the time to
//! decode and lost a fifth of the phrases to look-alikes made of short words.
//!
//! Unknown speech also swallows phrases that were said with an accent, slowly, or over a bad line. So the utterance is also
//! heard with a grammar that knows the phrases alone, for the answers that this one is not sure of. The best of them always
//! comes out; how much worse it fits than any sounds says whether it was said (`again`, `confidence`).

use super::alike::difference;
use super::dictionary::{Dictionary, Pronunciations, is_han};
use crate::speech::{AnswerKind, Expectation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Weight of the grammar's log probabilities against the acoustic scores.
pub(super) const LANGUAGE_WEIGHT: f32 = 6.5;
/// Probability of a single phone of unknown speech.
const PHONE: f32 = 1e-2;
/// Probability of a further phrase.
const AGAIN: f32 = 1e-2;
/// Probability of a digit of a number. Without it the shortest ones fill every pause and every vowel that is drawn out: of the
/// digits that the numbers of the tuning speaker were heard as, 39 of 100 were wrong with the model of digits, with it 10.
const DIGIT: f32 = 1e-3;
/// The same among unknown speech, which pauses can be filled with: more would leave digits to it.
const DIGIT_AMONG: f32 = 0.1;
/// The shortest one has a hundredth of that.
const SHORT_DIGIT: (&str, f32) = ("oh", 0.01);
/// Phrases in one grammar; the last ones are left out where there are more, with their number in the log.
pub(super) const MAX_PHRASES: usize = 1024;
/// Words in one phrase; what follows is not needed to tell it from others.
const MAX_WORDS: usize = 24;

/// Phrases that sound at least this different are not mistaken for one another by who says them.
const DIFFERENT: f32 = 0.5;
/// Other phrases that one is held against at most.
const MAX_OTHERS: usize = 100;

/// Phones that stand for unknown speech: one of each broad class is enough to imitate, and costs a tenth of all 39 of English.
/// First those of English, then those of the Mandarin models.
const UNKNOWN: [&[&str]; 2] =
    [&["AA", "IY", "UW", "ER", "S", "T", "K", "N", "L", "F"], &["a", "i", "u", "e", "sh", "t", "k", "n", "l", "f"]];
/// Marks a word of the grammar that is a phone of unknown speech.
const UNKNOWN_MARK: char = '_';

/// The words of a number that is spoken digit by digit.
const DIGITS: [&[&str]; 2] = [
    &["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"],
    &["零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "幺"],
];

/// The sounds of a language.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sounds {
    /// All of them. Together they fit any speech better than words do; what they fit is the measure for a phrase.
    all: Vec<String>,
    /// Those that stand for unknown speech.
    unknown: Vec<String>,
}

impl Sounds {
    /// Those that the words of a dictionary are made of.
    pub fn of(dictionary: &Dictionary) -> Self {
        let all = dictionary.phones();
        let known = |classes: &&&[&str]| classes.iter().all(|phone| all.contains(*phone));
        let unknown = match UNKNOWN.iter().find(known) {
            Some(classes) => classes.iter().map(|phone| (*phone).to_owned()).collect(),
            None => all.iter().cloned().collect(),
        };
        Self { all: all.into_iter().collect(), unknown }
    }

    /// The grammar's words for all sounds, with their phones.
    pub fn words(&self) -> impl Iterator<Item = (String, &str)> {
        self.all.iter().map(|phone| (marked(phone), phone.as_str()))
    }

    /// A grammar of sounds in any order.
    pub fn text(&self) -> String {
        let mut graph = Graph::default();
        self.words().for_each(|(word, _)| graph.arc(BEFORE, BEFORE, PHONE, &word));
        graph.arc(BEFORE, END, 1.0, "");
        graph.text()
    }
}

fn marked(phone: &str) -> String {
    format!("{UNKNOWN_MARK}{phone}")
}

/// A grammar of one phrase, whose words stand between blanks, and nothing else.
pub(super) fn phrase_text(phrase: &str) -> String {
    let words: Vec<String> = phrase.split(' ').map(str::to_owned).collect();
    alone(Graph::default(), std::iter::once(&words), [])
}

/// The same where a number may be said: it costs what it does in the grammar of all numbers.
pub(super) fn number_text(number: &str) -> String {
    let words: Vec<String> = number.split(' ').map(str::to_owned).collect();
    alone(Graph::of_numbers(true), std::iter::once(&words), [])
}

/// Probability of this digit where that of any other is `usual`.
fn charged(usual: f32, digit: &str) -> f32 {
    let (short, share) = SHORT_DIGIT;
    if digit == short { usual * share } else { usual }
}

/// A grammar of one of these phrases, or of these digits in any order, and nothing else.
fn alone<'a>(
    mut graph: Graph,
    phrases: impl Iterator<Item = &'a Vec<String>>,
    digits: impl IntoIterator<Item = &'a String>,
) -> String {
    graph.arc(BEFORE, PHRASE, 1.0, "");
    graph.arc(AFTER, END, 1.0, "");
    phrases.for_each(|phrase| graph.phrase(phrase));
    let mut digits = digits.into_iter().peekable();
    if digits.peek().is_some() {
        let number = graph.state();
        for digit in digits {
            graph.arc(PHRASE, number, charged(DIGIT, digit), digit);
            graph.arc(number, number, charged(DIGIT, digit), digit);
        }
        graph.arc(number, END, 1.0, "");
    }
    graph.text()
}

/// A grammar ready for a decoder.
pub(super) struct Grammar {
    /// Sphinx's finite-state grammar text.
    pub text: String,
    /// The same without unknown speech: one of the phrases or a number, and nothing else. None where nothing is expected.
    pub alone: Option<String>,
    /// All words that it uses, with their pronunciations.
    pub words: BTreeMap<String, Pronunciations>,
    /// The number, and those of the phrases that are digits and nothing else, for a model that knows nothing else.
    pub digits: Option<Digits>,
    /// Words of the expectation that cannot be heard, in order.
    pub missing: Vec<String>,
    /// A number is expected.
    pub number: bool,
    /// A number is expected, or phrases of digits alone.
    pub of_digits: bool,
    /// The phrases, word by word.
    phrases: Vec<Vec<String>>,
    /// The same, with blanks between the words.
    known: BTreeSet<String>,
}

/// A grammar of digits.
pub(super) struct Digits {
    /// Sphinx's finite-state grammar text.
    pub text: String,
    /// Its words, as the model of the digits says them.
    pub words: BTreeMap<String, Pronunciations>,
}

/// The words of a text as the dictionary writes them.
pub(super) fn words_of(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('\u{2019}', "'")
        .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
        .map(|word| word.trim_matches(|c| c == '-' || c == '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a word of the best path is unknown speech.
pub(super) fn is_unknown(word: &str) -> bool {
    word.starts_with(UNKNOWN_MARK)
}

/// Whether a word of the best path is unknown speech, silence, noise or a step without a word, and not text.
pub(super) fn is_filler(word: &str) -> bool {
    word.starts_with([UNKNOWN_MARK, '<', '[', '(', '+'])
}

/// The words of a path as they are written: Chinese without blanks.
pub(super) fn written(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(' ') {
        let joins = out.chars().next_back().is_none_or(is_han) && word.chars().next().is_some_and(is_han);
        if !out.is_empty() && !joins {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// A grammar's word without the number of its pronunciation.
pub(super) fn base(word: &str) -> &str {
    word.split_once('(').map_or(word, |(word, _)| word)
}

impl Grammar {
    /// Compiles what a flow expects. Phrases with a word that cannot be said are left out and the word is reported.
    /// `digits` are the words of a model that knows nothing else, where there is one.
    pub fn compile(what: &Expectation, dictionary: &Dictionary, sounds: &Sounds, digits: Option<&Dictionary>) -> Self {
        // In the order of the flow: the state's own answers first, then what holds everywhere, then what selling states hear.
        let mut seen = BTreeSet::new();
        let mut asked: Vec<Vec<String>> = what.phrases.iter().map(|phrase| words_of(phrase)).collect();
        dictionary.cut(&mut asked);
        asked.retain(|phrase| !phrase.is_empty() && seen.insert(phrase.clone()));
        let mut wanted: BTreeSet<String> = asked.iter().flatten().cloned().collect();
        let number = what.kind == AnswerKind::Number;
        let numerals = DIGITS.iter().flat_map(|words| words.iter());
        wanted.extend(numerals.clone().filter(|_| number).map(|word| (*word).to_owned()));
        let (mut words, mut missing) = dictionary.look_up(&wanted);
        missing.retain(|word| asked.iter().flatten().any(|asked| asked == word));

        let mut phrases: Vec<Vec<String>> = asked
            .into_iter()
            .filter(|phrase| phrase.iter().all(|word| words.contains_key(word)))
            .map(|mut phrase| {
                phrase.truncate(MAX_WORDS);
                phrase
            })
            .collect();
        if phrases.len() > MAX_PHRASES {
            tracing::warn!(phrases = phrases.len(), heard = MAX_PHRASES, "a state expects too many phrases");
            phrases.truncate(MAX_PHRASES);
        }
        phrases.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));

        let mut graph = Graph::default();
        graph.arc(BEFORE, PHRASE, 1.0, "");
        graph.arc(AFTER, PHRASE, AGAIN, "");
        for phrase in &phrases {
            graph.phrase(phrase);
        }
        let numerals: Vec<String> =
            numerals.filter(|word| number && words.contains_key(**word)).map(|word| (*word).to_owned()).collect();
        for digit in &numerals {
            graph.arc(BEFORE, AFTER, charged(DIGIT_AMONG, digit), digit);
            graph.arc(AFTER, AFTER, charged(DIGIT_AMONG, digit), digit);
        }
        for hub in [BEFORE, AFTER] {
            for phone in &sounds.unknown {
                graph.arc(hub, hub, PHONE, &marked(phone));
            }
            graph.arc(hub, END, 1.0, "");
        }
        let text = graph.text();
        words.extend(sounds.unknown.iter().map(|phone| (marked(phone), vec![phone.clone()])));
        let graph = || Graph::of_numbers(number);
        let closed = (number || !phrases.is_empty()).then(|| alone(graph(), phrases.iter(), &numerals));
        let digits = digits.and_then(|dictionary| Digits::compile(graph(), &phrases, &numerals, dictionary));
        let is_digit = |word: &String| DIGITS.iter().any(|words| words.contains(&word.as_str()));
        let of_digits = number || !phrases.is_empty() && phrases.iter().flatten().all(is_digit);
        let known = phrases.iter().map(|phrase| phrase.join(" ")).collect();
        Self { text, alone: closed, words, digits, missing, number, of_digits, phrases, known }
    }

    /// A grammar of the phrases that sound different from this one, of many those that are most like it; none where there are
    /// none, or where it is no phrase but a number.
    pub fn others(&self, phrase: &str) -> Option<String> {
        let said = |words: &[String]| -> Vec<&str> {
            let first = words.iter().filter_map(|word| self.words.get(word)?.first());
            first.flat_map(|phones| phones.split(' ')).collect()
        };
        if !self.is_phrase(phrase) {
            return None;
        }
        let words: Vec<String> = phrase.split(' ').map(str::to_owned).collect();
        let sound = said(&words);
        let mut others: Vec<(f32, &Vec<String>)> = self
            .phrases
            .iter()
            .map(|other| (difference(&sound, &said(other)), other))
            .filter(|(difference, _)| *difference >= DIFFERENT)
            .collect();
        others.sort_by(|one, other| one.0.total_cmp(&other.0));
        others.truncate(MAX_OTHERS);
        (!others.is_empty())
            .then(|| alone(Graph::of_numbers(self.number), others.into_iter().map(|(_, words)| words), []))
    }

    /// Whether digits are expected that a model of their own can be asked about.
    pub fn asks_digits(&self) -> bool {
        self.of_digits && self.digits.is_some()
    }

    /// Whether this is one of the phrases, and no number.
    pub fn is_phrase(&self, text: &str) -> bool {
        self.known.contains(text)
    }

    /// How many phrases there are.
    pub fn choices(&self) -> usize {
        self.phrases.len()
    }

    /// Of how many phrases at least a text is made, where digits in a row are one, and so is a word that is in none.
    pub fn pieces(&self, text: &str) -> usize {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_digit = |word: &str| DIGITS.iter().any(|digits| digits.contains(&word));
        // After so many words; and whether the last one was a digit of a number.
        let mut fewest = vec![(0, false)];
        for end in 1..=words.len() {
            let number = is_digit(words[end - 1]);
            let (before, goes_on) = fewest[end - 1];
            let one = (before + usize::from(!(number && goes_on)), number);
            let phrases =
                (end.saturating_sub(MAX_WORDS)..end).filter(|&from| self.is_phrase(&words[from..end].join(" ")));
            let best = phrases.map(|from| (fewest[from].0 + 1, false)).min();
            fewest.push(best.filter(|best| best.0 < one.0).unwrap_or(one));
        }
        fewest.last().map_or(0, |last| last.0)
    }

    /// How many sounds a phrase has.
    pub fn sounds(&self, phrase: &str) -> usize {
        let words = phrase.split(' ').filter_map(|word| self.words.get(word)?.first());
        words.map(|phones| phones.split(' ').count()).sum()
    }
}

impl Digits {
    /// Whether the model of the digits knows some of these words.
    pub fn has_some(&self, text: &str) -> bool {
        text.split(' ').any(|word| self.words.contains_key(word))
    }

    /// Whether the model of the digits knows all words of this phrase.
    pub fn has(&self, phrase: &str) -> bool {
        phrase.split(' ').all(|word| self.words.contains_key(word))
    }

    /// Of the phrases and the words of a number, those that `dictionary` can say; none where that is fewer than two.
    fn compile(graph: Graph, phrases: &[Vec<String>], numerals: &[String], dictionary: &Dictionary) -> Option<Self> {
        let wanted = phrases.iter().flatten().chain(numerals).cloned().collect();
        let words = dictionary.listed(&wanted);
        let said: Vec<&Vec<String>> =
            phrases.iter().filter(|phrase| phrase.iter().all(|word| words.contains_key(word))).collect();
        let numerals: Vec<&String> = numerals.iter().filter(|word| words.contains_key(*word)).collect();
        (said.len() + numerals.len() > 1).then(|| Self { text: alone(graph, said.into_iter(), numerals), words })
    }
}

/// Before the first phrase.
const BEFORE: usize = 0;
/// After the first, with more of them or without.
const AFTER: usize = 1;
const END: usize = 2;
/// Where every phrase begins: from both hubs, so that each phrase is there once.
const PHRASE: usize = 3;

/// A grammar being written.
struct Graph {
    arcs: String,
    states: usize,
    /// A word of a phrase costs what a digit does, so that neither is taken for the other because it costs less.
    of_numbers: bool,
    /// The phrases' common beginnings: a flow's states expect hundreds of phrases and few first words.
    begun: BTreeMap<(usize, String), usize>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { arcs: String::new(), states: PHRASE + 1, of_numbers: false, begun: BTreeMap::new() }
    }
}

impl Graph {
    fn of_numbers(of_numbers: bool) -> Self {
        Self { of_numbers, ..Self::default() }
    }

    fn arc(&mut self, from: usize, to: usize, probability: f32, word: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.arcs, "TRANSITION {from} {to} {probability} {word}");
    }

    fn phrase(&mut self, words: &[String]) {
        let Some((last, first)) = words.split_last() else { return };
        let mut at = PHRASE;
        for word in first {
            let key = (at, word.clone());
            at = match self.begun.get(&key) {
                Some(&next) => next,
                None => {
                    let next = self.state();
                    self.arc(at, next, self.word(word), word);
                    self.begun.insert(key, next);
                    next
                }
            };
        }
        self.arc(at, AFTER, self.word(last), last);
    }

    fn word(&self, word: &str) -> f32 {
        if self.of_numbers { charged(DIGIT, word) } else { 1.0 }
    }

    fn state(&mut self) -> usize {
        self.states += 1;
        self.states - 1
    }

    fn text(&self) -> String {
        let Self { arcs, states, .. } = self;
        format!("FSG_BEGIN expected\nNUM_STATES {states}\nSTART_STATE {BEFORE}\nFINAL_STATE {END}\n{arcs}FSG_END\n")
    }
}

#[cfg(test)]
mod tests;
