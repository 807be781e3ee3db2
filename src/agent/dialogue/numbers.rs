//! Spoken digits: "five five five, double two, oh one" is 5552201.

use crate::nlu::numerals::{SMALL, TENS, chinese, english};

/// The digit that one word, or one Chinese character, stands for.
fn digit(word: &str) -> Option<char> {
    let mut chars = word.chars();
    let value = match (word, chars.next(), chars.next()) {
        ("oh" | "o" | "nought", ..) => Some(0),
        (_, Some(single), None) => chinese(single),
        _ => english(word),
    };
    char::from_digit(value?, 10)
}

/// Words that sound like digits, taken for them between digits only.
fn homophone(word: &str) -> Option<char> {
    Some(match word {
        "won" => '1',
        "to" | "too" => '2',
        "for" | "fore" => '4',
        "ate" => '8',
        _ => return None,
    })
}

/// Ten to nineteen, as it is written.
fn teen(word: &str) -> Option<String> {
    english(word).filter(|value| (10..20).contains(value)).map(|value| value.to_string())
}

/// The first digit of twenty to ninety.
fn ten(word: &str) -> Option<char> {
    let value = if word == "fourty" { 40 } else { english(word)? };
    char::from_digit(value / 10, 10).filter(|_| value >= 20)
}

/// The words with which numbers are spoken, for the recogniser.
pub(crate) fn number_words() -> impl Iterator<Item = &'static str> {
    let (zero, others) = SMALL.split_at(1);
    let small = zero.iter().chain(&["oh"]).chain(others);
    small.chain(&TENS).chain(&["hundred", "thousand", "double", "triple"]).copied()
}

/// All digits in a sequence of words, in order.
pub(crate) fn digits(words: &[String]) -> String {
    let mut out = String::new();
    let word_at = |index: usize| words.get(index).map_or("", String::as_str);
    let mut index = 0;
    while index < words.len() {
        let word = word_at(index);
        let next = word_at(index + 1);
        index += 1;
        if word.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str(word);
        } else if let Some(d) = digit(word) {
            out.push(d);
        } else if let Some(pair) = teen(word) {
            out.push_str(&pair);
        } else if let Some(tens) = ten(word) {
            out.push(tens);
            match digit(next).filter(|d| *d != '0') {
                Some(ones) => {
                    out.push(ones);
                    index += 1;
                }
                None => out.push('0'),
            }
        } else if matches!(word, "double" | "triple" | "treble")
            && let Some(d) = digit(next)
        {
            out.extend(std::iter::repeat_n(d, if word == "double" { 2 } else { 3 }));
            index += 1;
        } else if matches!(word, "hundred" | "thousand") && !out.is_empty() {
            out.push_str(if word == "hundred" { "00" } else { "000" });
        } else if let Some(d) = homophone(word)
            && index >= 2
            && digit(word_at(index - 2)).is_some()
            && digit(next).is_some()
        {
            out.push(d);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::dialogue::words::words;

    #[test]
    fn digits_as_people_say_them() {
        let cases = [
            ("five five five zero one four three", "5550143"),
            ("it's oh two oh, double five triple seven", "02055777"),
            ("twenty three forty", "2340"),
            ("eight hundred five five five", "800555"),
            ("call me on 555 0143 please", "5550143"),
            ("one for three", "143"),
            ("it's for five", "5"),
            ("nineteen eighty four", "1984"),
            ("twenty oh one", "2001"),
            ("no idea", ""),
            ("double", ""),
            ("是幺三八，零零一二，五六七八", "13800125678"),
        ];
        for (text, expected) in cases {
            assert_eq!(digits(&words(text)), expected, "{text}");
        }
    }
}
