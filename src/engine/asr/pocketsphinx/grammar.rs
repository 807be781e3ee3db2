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
//! Unknown speech also swallows phrases that were said with an accent, slowly, or over a bad line. So what this grammar is
//! not sure of is heard once more with one that knows the phrases alone. The best of them always comes out; how much worse it
//! fits than the first answer says whether it was said (`confidence`).

use super::dictionary::{Dictionary, Pronunciations};
use crate::speech::{AnswerKind, Expectation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Weight of the grammar's log probabilities against the acoustic scores.
pub(super) const LANGUAGE_WEIGHT: f32 = 6.5;
/// Probability of a single phone of unknown speech.
const PHONE: f32 = 1e-2;
/// Probability of a further phrase.
const AGAIN: f32 = 1e-2;
/// Phrases in one grammar; the last ones are left out where there are more, with their number in the log.
pub(super) const MAX_PHRASES: usize = 1024;
/// Words in one phrase; what follows is not needed to tell it from others.
const MAX_WORDS: usize = 24;

/// Phones that stand for unknown speech: one of each broad class is enough to imitate, and costs a tenth of all 39.
const UNKNOWN: &[&str] = &["AA", "IY", "UW", "ER", "S", "T", "K", "N", "L", "F"];
/// All sounds of English. Together they fit any speech better than words do; what they fit is the measure for a phrase.
const SOUNDS: [&str; 39] = [
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
];
/// Marks a word of the grammar that is a phone of unknown speech.
const UNKNOWN_MARK: char = '_';

/// The words of a number that is spoken digit by digit.
const DIGITS: &[&str] =
    &["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"];

/// The grammar's words for all sounds, with their phones.
pub(super) fn sounds() -> impl Iterator<Item = (String, &'static str)> {
    SOUNDS.iter().map(|phone| (format!("{UNKNOWN_MARK}{phone}"), *phone))
}

/// A grammar of sounds in any order.
pub(super) fn sounds_text() -> String {
    let mut graph = Graph::default();
    sounds().for_each(|(word, _)| graph.arc(BEFORE, BEFORE, PHONE, &word));
    graph.arc(BEFORE, END, 1.0, "");
    graph.text()
}

/// A grammar ready for a decoder.
pub(super) struct Grammar {
    /// Sphinx's finite-state grammar text.
    pub text: String,
    /// The same without unknown speech: one of the phrases and nothing else. None where nothing is expected, and where
    /// numbers are, of which there are too many.
    pub alone: Option<String>,
    /// All words that it uses, with their pronunciations.
    pub words: BTreeMap<String, Pronunciations>,
    /// Words of the expectation that cannot be heard, in order.
    pub missing: Vec<String>,
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
    word.starts_with([UNKNOWN_MARK, '<', '[', '('])
}

/// A grammar's word without the number of its pronunciation.
pub(super) fn base(word: &str) -> &str {
    word.split_once('(').map_or(word, |(word, _)| word)
}

impl Grammar {
    /// Compiles what a flow expects. Phrases with a word that cannot be said are left out and the word is reported.
    pub fn compile(what: &Expectation, dictionary: &Dictionary) -> Self {
        // In the order of the flow: the state's own answers first, then what holds everywhere, then what selling states hear.
        let mut seen = BTreeSet::new();
        let mut asked: Vec<Vec<String>> = what.phrases.iter().map(|phrase| words_of(phrase)).collect();
        asked.retain(|phrase| !phrase.is_empty() && seen.insert(phrase.clone()));
        let mut wanted: BTreeSet<String> = asked.iter().flatten().cloned().collect();
        let number = what.kind == AnswerKind::Number;
        wanted.extend(DIGITS.iter().filter(|_| number).map(|word| (*word).to_owned()));
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
        if number {
            for digit in DIGITS.iter().filter(|digit| words.contains_key(**digit)) {
                graph.arc(BEFORE, AFTER, 1.0, digit);
                graph.arc(AFTER, AFTER, 1.0, digit);
            }
        }
        for hub in [BEFORE, AFTER] {
            for phone in UNKNOWN {
                graph.arc(hub, hub, PHONE, &format!("{UNKNOWN_MARK}{phone}"));
            }
            graph.arc(hub, END, 1.0, "");
        }
        words.extend(UNKNOWN.iter().map(|phone| (format!("{UNKNOWN_MARK}{phone}"), vec![(*phone).to_owned()])));
        let alone = (!number && !phrases.is_empty()).then(|| {
            let mut graph = Graph::default();
            graph.arc(BEFORE, PHRASE, 1.0, "");
            graph.arc(AFTER, END, 1.0, "");
            phrases.iter().for_each(|phrase| graph.phrase(phrase));
            graph.text()
        });
        Self { text: graph.text(), alone, words, missing }
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
    /// The phrases' common beginnings: a flow's states expect hundreds of phrases and few first words.
    begun: BTreeMap<(usize, String), usize>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { arcs: String::new(), states: PHRASE + 1, begun: BTreeMap::new() }
    }
}

impl Graph {
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
                    self.arc(at, next, 1.0, word);
                    self.begun.insert(key, next);
                    next
                }
            };
        }
        self.arc(at, AFTER, 1.0, last);
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
mod tests {
    use super::*;

    fn dictionary() -> Dictionary {
        Dictionary::from_text(
            "call K AO L\nback B AE K\nme M IY\nno N OW\nno(2) N AO\none W AH N\ntwo T UW\nyes Y EH S\n",
        )
    }

    fn expectation(kind: AnswerKind, phrases: &[&str]) -> Expectation {
        Expectation { kind, phrases: phrases.iter().map(|p| (*p).to_owned()).collect(), ..Expectation::default() }
    }

    #[test]
    fn phrases_become_chains_between_the_hubs() {
        let grammar = Grammar::compile(&expectation(AnswerKind::Choice, &["Call me back!", "no"]), &dictionary());
        assert!(grammar.text.contains("TRANSITION 0 3 1 \nTRANSITION 1 3 0.01 \n"));
        assert!(grammar.text.contains("TRANSITION 3 4 1 call\nTRANSITION 4 5 1 me\nTRANSITION 5 1 1 back\n"));
        assert!(grammar.text.contains("TRANSITION 3 1 1 no\n"));
        assert!(grammar.text.contains("TRANSITION 0 0 0.01 _S\n"));
        assert!(grammar.text.contains("NUM_STATES 6\n"));
        assert_eq!(grammar.words["no"], ["N OW", "N AO"]);
        assert!(grammar.missing.is_empty());
    }

    #[test]
    fn the_phrases_alone_leave_no_room_for_anything_else() {
        let grammar = Grammar::compile(&expectation(AnswerKind::Choice, &["call me", "no"]), &dictionary());
        let alone = grammar.alone.unwrap();
        assert!(alone.contains("TRANSITION 3 1 1 no\n") && alone.contains("TRANSITION 1 2 1 \n"), "{alone}");
        assert!(!alone.contains(" _") && !alone.contains("TRANSITION 1 3"), "{alone}");
        assert!(Grammar::compile(&expectation(AnswerKind::Number, &["no"]), &dictionary()).alone.is_none());
        assert!(Grammar::compile(&Expectation::default(), &dictionary()).alone.is_none());
    }

    #[test]
    fn a_word_that_cannot_be_said_is_reported_and_its_phrase_left_out() {
        let grammar = Grammar::compile(&expectation(AnswerKind::Choice, &["call xyzzy", "yes"]), &dictionary());
        assert_eq!(grammar.missing, ["xyzzy"]);
        assert!(grammar.text.contains(" yes\n") && !grammar.text.contains(" call\n"));
    }

    #[test]
    fn a_number_repeats_its_digits() {
        let grammar = Grammar::compile(&expectation(AnswerKind::Number, &[]), &dictionary());
        assert!(grammar.text.contains("TRANSITION 0 1 1 two\nTRANSITION 1 1 1 two\n"));
        assert!(grammar.missing.is_empty(), "{:?}", grammar.missing);
    }

    #[test]
    fn nothing_expected_is_still_a_grammar() {
        let grammar = Grammar::compile(&Expectation::default(), &dictionary());
        assert!(grammar.text.contains("TRANSITION 0 2 1 \n") && grammar.text.contains("_AA"));
    }

    #[test]
    fn phrases_share_their_beginnings() {
        let what = expectation(AnswerKind::Choice, &["call me", "call me back", "call no"]);
        let text = Grammar::compile(&what, &dictionary()).text;
        assert_eq!(text.matches("TRANSITION 3 4 1 call\n").count(), 1);
        assert!(text.contains("TRANSITION 4 1 1 me\n") && text.contains("TRANSITION 4 5 1 me\n"));
        assert!(text.contains("TRANSITION 4 1 1 no\n"));
    }

    #[test]
    fn where_there_are_too_many_the_first_are_heard() {
        let long = |n: usize| -> String {
            (0..12).map(|bit| if (n >> bit) & 1 == 0 { "one" } else { "two" }).collect::<Vec<_>>().join(" ")
        };
        let mut phrases = vec!["yes".to_owned()];
        phrases.extend((0..MAX_PHRASES).map(long));
        phrases.push("no".to_owned());
        let grammar = Grammar::compile(&Expectation { phrases, ..Expectation::default() }, &dictionary());
        assert!(grammar.text.contains(" yes\n") && !grammar.text.contains(" no\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_phrase_gives_a_well_formed_grammar(phrases in proptest::collection::vec(".{0,40}", 0..6)) {
            let what = Expectation { phrases, ..Expectation::default() };
            let grammar = Grammar::compile(&what, &dictionary());
            for line in grammar.text.lines().filter(|l| l.starts_with("TRANSITION")) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                proptest::prop_assert!(fields.len() == 4 || fields.len() == 5, "{line}");
                proptest::prop_assert!(fields.get(4).is_none_or(|word| grammar.words.contains_key(*word)), "{line}");
            }
        }
    }
}
