//! Impatience in words beside requests for haste: what says that it was understood long ago, "hello?", and what was said before.

use super::haste::asks_for_haste;
use crate::agent::dialogue::{digits, tokens, words};

const WEARY_EN: [&str; 12] = [
    "yeah yeah",
    "yes yes",
    "okay okay",
    "i know",
    "i know i know",
    "you said that already",
    "you already said that",
    "i already told you",
    "i told you already",
    "i have already said that",
    "come on",
    "yes i know",
];
const WEARY_ZH: [&str; 12] = [
    "知道了",
    "我知道",
    "知道知道",
    "说过了",
    "说了多少遍",
    "不是说了吗",
    "不是说过",
    "都说了",
    "我都说了",
    "又来了",
    "行吧行吧",
    "对对对对",
];

const HELLO_EN: [&str; 4] = ["hello", "are you there", "is anybody there", "are you listening"];
const HELLO_ZH: [&str; 4] = ["喂", "在不在", "在吗", "听得到吗"];

/// Words that carry no question: what is left must be alike for a question to be the same.
const FUNCTION_WORDS: [&str; 40] = [
    "a", "an", "the", "is", "are", "am", "was", "it", "that", "this", "to", "of", "in", "on", "at", "do", "does",
    "did", "will", "would", "can", "could", "please", "and", "so", "but", "i", "you", "me", "my", "your", "again",
    "said", "asked", "just", "now", "then", "的", "了", "吗",
];

/// The same word three times in a row: "right right right", 行行行. To say yes so is usual in Mandarin, 对对对, 嗯嗯嗯, and to correct
/// oneself, 不不不; digits are those of a number.
fn said_thrice(heard: &[String]) -> bool {
    const USUAL: [&str; 5] = ["对", "嗯", "是", "哈", "不"];
    heard.windows(3).any(|part| match part {
        [a, b, c] => a == b && b == c && !USUAL.contains(&a.as_str()) && digits(std::slice::from_ref(a)).is_empty(),
        _ => false,
    })
}

/// What a turn's words say of the caller's patience.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Spoken {
    /// They ask for haste.
    pub explicit: bool,
    /// They say that it was understood.
    pub weary: bool,
    /// "Hello?"
    pub hello: bool,
    /// How alike to something said before, 0 to 1.
    pub repeated: f32,
}

pub(super) fn holds(heard: &[String], phrase: &str) -> Option<usize> {
    let phrase = words(phrase);
    heard.windows(phrase.len().max(1)).position(|part| part == phrase.as_slice())
}

fn holds_any(heard: &[String], text: &str, en: &[&str], zh: &[&str]) -> bool {
    en.iter().any(|phrase| holds(heard, phrase).is_some()) || zh.iter().any(|phrase| text.contains(phrase))
}

/// The text without blanks and marks.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// How alike two sets of words are: the share that they have in common (Jaccard).
fn alike(a: &[String], b: &[String]) -> f32 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let common = a.iter().filter(|word| b.contains(word)).count();
    let all = b.len() + a.iter().filter(|word| !b.contains(word)).count();
    common as f32 / all as f32
}

/// The words of a turn that say what it is about; none for one too short to be a question.
pub(super) fn substance(text: &str) -> Vec<String> {
    let heard = words(text);
    // A number is given again because it was asked for again.
    if digits(&heard).len() > 2 {
        return Vec::new();
    }
    let mut left: Vec<String> = heard.into_iter().filter(|word| !FUNCTION_WORDS.contains(&word.as_str())).collect();
    left.sort_unstable();
    left.dedup();
    let unspaced = left.iter().filter(|word| !word.is_ascii()).count() * 2 > left.len();
    let least = if unspaced { 4 } else { 2 };
    if left.len() < least { Vec::new() } else { left }
}

/// Looks at the words of a turn; `before` holds the substance of earlier ones.
pub(super) fn look<'a>(text: &str, before: impl Iterator<Item = &'a Vec<String>>) -> Spoken {
    let heard = words(text);
    let squeezed = squeezed(text);
    let own = substance(text);
    let bare = tokens(text).len() <= 3;
    Spoken {
        explicit: asks_for_haste(text),
        weary: holds_any(&heard, &squeezed, &WEARY_EN, &WEARY_ZH) || said_thrice(&heard),
        // As a greeting with more behind it, it says nothing.
        hello: bare && holds_any(&heard, &squeezed, &HELLO_EN, &HELLO_ZH),
        repeated: before.map(|earlier| alike(&own, earlier)).fold(0.0, f32::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_is_asked_again_is_known_in_other_words() {
        let before = [substance("how much does the premium plan cost")];
        let again = look("i asked you how much the premium plan costs", before.iter()).repeated;
        assert!(again > 0.45, "{again}");
        let other = look("can i keep my number", before.iter()).repeated;
        assert!(other < 0.2, "{other}");
        assert_eq!(look("yes", [substance("yes")].iter()).repeated, 0.0, "an answer is no question");
        let before = [substance("高级套餐多少钱")];
        assert!(look("我问的是高级套餐多少钱", before.iter()).repeated > 0.5);
        assert!(look("可以随时取消吗", before.iter()).repeated < 0.2);
    }

    #[test]
    fn hello_counts_alone_only() {
        assert!(look("喂？", [].iter()).hello && look("hello?", [].iter()).hello);
        assert!(!look("hello this is anna smith from work", [].iter()).hello);
        assert!(look("okay okay i know", [].iter()).weary && !look("okay", [].iter()).weary);
        assert!(look("right right right", [].iter()).weary && !look("five five five two", [].iter()).weary);
        assert!(
            look("行行行", [].iter()).weary
                && !look("一三三三九", [].iter()).weary
                && !look("不不不是这样", [].iter()).weary
        );
    }
}
