//! What the caller's words mean: which of the answers that a state knows they are.
//!
//! A phrase may stand anywhere in what was said; the one with the most words wins, so "yes but I can't come" is no yes. Of
//! equals a whole answer wins over a part, then the later one, because people correct themselves ("no, I mean yes").

use super::phrase::{Found, Pattern, Phrase, SlotLists, marks};
use super::words::words;

/// Words that turn the meaning of what follows.
const NEGATIONS: [&str; 7] = ["not", "never", "without", "不", "没", "别", "未"];

/// Behind these 别 is no "don't" but the end of a word (特别, 分别, 性别); the last as it sounds.
const NO_DONT: [&str; 9] = ["特", "分", "性", "级", "区", "类", "识", "鉴", "te"];

/// Mandarin endings that make a question of a sentence.
const ASKING: [&str; 4] = ["吗", "呢", "么", "嘛"];

/// Characters that may stand before and after a Mandarin answer without making another of it.
const BEFORE: [&str; 12] = ["这", "那", "也", "嗯", "啊", "哦", "我", "就", "是", "真", "还", "都"];
const AFTER: [&str; 9] = ["了", "吧", "啊", "呀", "哦", "嘛", "的", "啦", "呗"];

/// Words that may be missing, extra or misheard in a phrase of four words or more without changing what it means.
const LIGHT: [&str; 46] = [
    "a", "an", "the", "is", "are", "am", "was", "be", "i", "it", "we", "you", "to", "of", "in", "on", "at", "do",
    "does", "will", "would", "and", "so", "just", "really", "then", "please", "quite", "think", "啊", "吧", "呢", "了",
    "的", "嘛", "呀", "哦", "那", "就", "也", "都", "我", "你", "您", "请", "先",
];

/// Words with which an answer begins.
const OPENINGS: [&str; 14] =
    ["well", "so", "oh", "okay", "yes", "yeah", "no", "sorry", "hello", "hi", "now", "actually", "thanks", "then"];

/// Something that may be said, for whoever looks for the best of several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a, T> {
    /// Of equals the greater one wins, then the earlier one.
    pub priority: u8,
    pub patterns: &'a [Pattern],
    pub what: T,
}

/// The best of these patterns where it is found in the words as it is written.
pub(crate) fn locate(patterns: &[Pattern], words: &[String]) -> Option<Found> {
    found_in(patterns, words, marks(words))
}

fn found_in(patterns: &[Pattern], words: &[String], marks: u64) -> Option<Found> {
    let likely = patterns.iter().filter(|pattern| pattern.missing(marks) == 0);
    likely.filter_map(|pattern| find(pattern, words)).max_by_key(|found| rank(found, words))
}

/// The candidate that fits best.
pub(crate) fn among<T: Copy>(candidates: &[Candidate<'_, T>], words: &[String]) -> Option<(T, Found)> {
    if words.is_empty() {
        return None;
    }
    let all = || candidates.iter().enumerate();
    let marks = marks(words);
    let exact = all().filter_map(|(order, candidate)| {
        let found = found_in(candidate.patterns, words, marks)?;
        Some(((rank(&found, words), candidate.priority, std::cmp::Reverse(order)), candidate.what, found))
    });
    let best = exact.max_by_key(|(rank, ..)| *rank).map(|(_, what, found)| (what, found));
    let nearly = || {
        all()
            .filter_map(|(order, candidate)| {
                let likely = candidate.patterns.iter().filter(|pattern| pattern.missing(marks) <= 1);
                let near = likely.filter_map(|pattern| nearly(pattern, words));
                let found = near.max_by_key(|found| found.fixed)?;
                Some(((found.fixed, candidate.priority, std::cmp::Reverse(order)), candidate.what, found))
            })
            .max_by_key(|(rank, ..)| *rank)
            .map(|(_, what, found)| (what, found))
    };
    // A long phrase with one light word misheard says more than a short one, or a star, that is exact.
    match best {
        Some((what, found)) if found.fixed >= 3 => Some((what, found)),
        Some((what, found)) => Some(nearly().filter(|(_, near)| near.fixed > found.fixed).unwrap_or((what, found))),
        None => nearly(),
    }
}

/// Which of `phrases`, written as in a flow, a flow whose state expects each as an answer of its own takes `text` for; none
/// when it would ask again. For measuring recognisers by what a call does with their words.
pub fn choose(phrases: &[String], text: &str) -> Option<usize> {
    let parsed: Vec<Vec<Pattern>> = phrases
        .iter()
        .map(|phrase| Phrase::parse(phrase, &SlotLists::new()).map_or_else(|_| Vec::new(), |phrase| phrase.patterns))
        .collect();
    let candidates: Vec<Candidate<'_, usize>> =
        parsed.iter().enumerate().map(|(what, patterns)| Candidate { priority: 0, patterns, what }).collect();
    among(&candidates, &words(text)).map(|(what, _)| what)
}

/// Whether the words end with a whole expected phrase, to which nothing is expected to be added: after nothing but an
/// opening ("well, yes"), or so long that it can be nothing else.
pub(crate) fn is_whole<'a>(patterns: impl Iterator<Item = &'a Pattern>, words: &[String]) -> bool {
    let opening = |word: &String| OPENINGS.contains(&word.as_str());
    let marks = marks(words);
    let mut likely = patterns.filter(|pattern| pattern.missing(marks) == 0 && !pattern.ends_open());
    likely.any(|pattern| {
        pattern.find(words).is_some_and(|found| {
            let before = words.get(..found.start).unwrap_or_default();
            found.end == words.len() && (found.fixed >= 3 || before.iter().all(opening))
        })
    })
}

fn rank(found: &Found, words: &[String]) -> (usize, bool, usize) {
    (found.fixed, found.fixed == words.len(), found.end)
}

/// The phrase begins with the end of a word: 特别打折 holds no 别打.
fn splits(words: &[String], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| words.get(before));
    let dont = words.get(start).is_some_and(|first| matches!(first.as_str(), "别" | "bie"));
    dont && before.is_some_and(|before| NO_DONT.contains(&before.as_str()))
}

fn find(pattern: &Pattern, words: &[String]) -> Option<Found> {
    let found = pattern.find(words)?;
    let negated = found
        .start
        .checked_sub(1)
        .and_then(|before| words.get(before))
        .is_some_and(|before| NEGATIONS.contains(&before.as_str()));
    let stray = pattern.plain().is_some_and(|plain| is_stray(&plain, &found, words));
    let beside = pattern.stands_alone() && !is_all_said(&found, words);
    (!negated && !stray && !beside && !splits(words, found.start)).then_some(found)
}

/// Nothing is said beside it but an opening, and particles at its edges.
fn is_all_said(found: &Found, words: &[String]) -> bool {
    let before = words.get(..found.start).unwrap_or_default();
    let after = words.get(found.end..).unwrap_or_default();
    let opens = |word: &String| OPENINGS.contains(&word.as_str()) || BEFORE.contains(&word.as_str());
    before.iter().all(opens) && after.iter().all(|word| AFTER.contains(&word.as_str()))
}

/// Whether the words of a phrase stand there by coincidence. One word in the middle of a long sentence does: "is there *no*
/// other way to get there". So do one or two characters in the middle of a Mandarin sentence (有没有学生卡 is no 没有), at the
/// beginning of a question (可以退吗 is no 可以), and one character at the edge of a sentence (要多少钱 is no 要).
fn is_stray(plain: &[&str], found: &Found, words: &[String]) -> bool {
    let inside = found.start > 0 && found.end < words.len();
    let han = |word: &str| word.chars().all(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    if plain.len() > 2 || !plain.iter().all(|word| han(word)) {
        return plain.len() == 1 && words.len() > 3 && inside;
    }
    // Particles at its edges add nothing: 这也太贵了吧 is 太贵.
    let before = words.get(..found.start).unwrap_or_default();
    let after = words.get(found.end..).unwrap_or_default();
    let alone = before.iter().all(|word| BEFORE.contains(&word.as_str()))
        && after.iter().all(|word| AFTER.contains(&word.as_str()));
    let asks = found.end < words.len() && words.last().is_some_and(|last| ASKING.contains(&last.as_str()));
    asks || !alone && words.len() > 3 && (inside || plain.len() == 1)
}

/// The pattern with one light word missing, extra or misheard.
fn nearly(pattern: &Pattern, words: &[String]) -> Option<Found> {
    let plain = pattern.plain().filter(|plain| plain.len() >= 4 && !pattern.stands_alone())?;
    let light = |word: &str| LIGHT.contains(&word);
    let mut found = None;
    for start in 0..words.len() {
        for length in [plain.len() - 1, plain.len(), plain.len() + 1] {
            let Some(window) = words.get(start..start + length) else { continue };
            let same = plain.iter().zip(window).take_while(|(a, b)| *a == b).count();
            let tail = plain.iter().rev().zip(window.iter().rev()).take_while(|(a, b)| *a == b).count();
            let close = match length.cmp(&plain.len()) {
                std::cmp::Ordering::Less => {
                    same < length && same + tail >= length && plain.get(same).is_some_and(|missing| light(missing))
                }
                std::cmp::Ordering::Equal => {
                    same + tail + 1 >= length
                        && plain.get(same).is_some_and(|meant| light(meant))
                        && window.get(same).is_some_and(|heard| light(heard))
                }
                std::cmp::Ordering::Greater => {
                    same + tail >= plain.len() && window.get(same).is_some_and(|extra| light(extra))
                }
            };
            let before = start.checked_sub(1).and_then(|before| words.get(before));
            if close && !splits(words, start) && before.is_none_or(|before| !NEGATIONS.contains(&before.as_str())) {
                found = Some(Found { start, end: start + length, fixed: plain.len() - 1, slots: Vec::new() });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(phrases: &[&str]) -> Vec<Pattern> {
        phrases.iter().flat_map(|phrase| Phrase::parse(phrase, &SlotLists::new()).unwrap().patterns).collect()
    }

    fn meaning(text: &str) -> &'static str {
        let all = [
            (
                1,
                "yes",
                patterns(&["yes", "sure", "yes please", "i will be there", "i would like to come", "no problem"]),
            ),
            (1, "no", patterns(&["no", "no thanks", "i can't come", "i don't think so"])),
            (0, "time", patterns(&["what time is it", "what time", "* start *"])),
            (0, "parking", patterns(&["* parking *"])),
        ];
        let candidates: Vec<_> = all
            .iter()
            .map(|(priority, what, patterns)| Candidate { priority: *priority, patterns, what: *what })
            .collect();
        among(&candidates, &words(text)).map_or("-", |(name, _)| name)
    }

    #[test]
    fn a_phrase_is_chosen_as_in_a_call() {
        let phrases = ["i can't come", "yes please", "call me back"].map(str::to_owned);
        assert_eq!(choose(&phrases, "well i cannot come"), Some(0));
        assert_eq!(choose(&phrases, "call me back"), Some(2));
        assert_eq!((choose(&phrases, "call"), choose(&phrases, "")), (None, None));
    }

    #[test]
    fn a_phrase_that_stands_alone_is_no_part_of_a_sentence() {
        let all = patterns(&["= i am in", "= 嗯"]);
        let heard = |text: &str| locate(&all, &words(text)).is_some();
        for text in ["i am in", "well i'm in", "okay I am in!", "嗯", "嗯啊"] {
            assert!(heard(text), "{text}");
        }
        for text in ["i am in the shower", "i am in bed", "what i am in", "嗯不太行", "嗯多少钱", "嗯我想想"]
        {
            assert!(!heard(text), "{text}");
        }
    }

    #[test]
    fn callers_are_understood() {
        for (text, expected) in [
            ("yes", "yes"),
            ("Yes, please!", "yes"),
            ("um yes i will be there", "yes"),
            ("yes but i can't come", "no"),
            ("no problem", "yes"),
            ("no no problem", "yes"),
            ("no i mean yes", "yes"),
            ("not sure", "-"),
            ("i am not sure really", "-"),
            ("no thanks", "no"),
            ("i do not think so", "no"),
            ("i would like to come", "yes"),
            ("i would really like to come", "yes"),
            ("i would not like to come", "-"),
            ("i will be late", "-"),
            ("i will not be there", "-"),
            ("i'll be there", "yes"),
            ("is there no other way to get there", "-"),
            ("yes what time is it", "time"),
            ("when does it start then", "time"),
            ("is there any parking", "parking"),
            ("banana", "-"),
            ("", "-"),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn a_few_characters_of_a_mandarin_sentence_are_no_answer() {
        let all = [
            ("yes", patterns(&["好", "好的", "可以", "要", "没问题"])),
            ("no", patterns(&["不", "没有", "不要", "不可以", "不感兴趣"])),
            ("expensive", patterns(&["太贵"])),
            ("never", patterns(&["别打", "别再打了"])),
        ];
        let candidates: Vec<_> =
            all.iter().map(|(what, patterns)| Candidate { priority: 0, patterns, what: *what }).collect();
        let meaning = |text: &str| among(&candidates, &words(text)).map_or("-", |(what, _)| what);
        for (text, expected) in [
            ("好", "yes"),
            ("嗯 好", "yes"),
            ("好的", "yes"),
            ("可以啊你说", "yes"),
            ("没问题", "yes"),
            ("不要", "no"),
            ("我对这个不感兴趣", "no"),
            ("没有", "no"),
            ("没有学生卡", "no"),
            ("有没有学生卡", "-"),
            ("你们有没有学生卡", "-"),
            ("可以退吗", "-"),
            ("要多少钱", "-"),
            ("你好你是哪里", "-"),
            ("不可以", "no"),
            ("这也太贵了吧", "expensive"),
            ("有没有特别打折", "-"),
            ("特别再打了折", "-"),
            ("这个别打", "never"),
            ("以后别再打了", "never"),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn a_whole_phrase_ends_a_turn_sooner_than_a_part() {
        let own = patterns(&["yes", "yes please", "* parking *", "*"]);
        let is_whole = |words: &[String]| is_whole(own.iter(), words);
        assert!(is_whole(&words("yes please")));
        assert!(is_whole(&words("oh well yes please")));
        assert!(!is_whole(&words("yes i")));
        assert!(!is_whole(&words("is it yes")));
        assert!(!is_whole(&words("is there parking")), "a star may go on");
        assert!(!is_whole(&words("")));
    }
}
