//! What was said and what was heard, made comparable, and how far they are apart.

use crate::nlu::numerals::{SMALL, TENS};

/// Lower case, no punctuation, digits as words ("42" is "forty two", "2024" is digit by digit), "ok" as "okay".
pub(super) fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let text = text.to_lowercase().replace('\u{2019}', "'");
    for token in text.split(|c: char| !(c.is_alphanumeric() || c == '\'')) {
        let token = token.trim_matches('\'');
        if token.is_empty() {
            continue;
        }
        if token.bytes().all(|b| b.is_ascii_digit()) {
            number(token, &mut out);
        } else if token == "ok" {
            out.push("okay".to_owned());
        } else {
            out.push(token.to_owned());
        }
    }
    out
}

fn number(digits: &str, out: &mut Vec<String>) {
    let mut say = |word: Option<&&str>| out.extend(word.map(|word| (*word).to_owned()));
    match digits.parse::<usize>() {
        Ok(n) if digits.len() == 1 || digits.len() == 2 && (10..20).contains(&n) => say(SMALL.get(n)),
        Ok(n) if digits.len() == 2 && n >= 20 => {
            say(TENS.get(n / 10 - 2));
            if n % 10 > 0 {
                say(SMALL.get(n % 10));
            }
        }
        _ => digits.bytes().for_each(|digit| say(SMALL.get(usize::from(digit - b'0')))),
    }
}

/// The fewest words to replace, leave out and put in that make one of the other.
pub(super) fn distance(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (n, word) in said.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], n + 1);
        for (m, other) in heard.iter().enumerate() {
            let replaced = corner + usize::from(word != other);
            corner = row[m + 1];
            row[m + 1] = replaced.min(corner + 1).min(row[m] + 1);
        }
    }
    row[heard.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_makes_no_difference() {
        assert_eq!(words("It's OK, Bob\u{2019}s 'here'!"), ["it's", "okay", "bob's", "here"]);
        assert_eq!(words("7 13 40 42 05 2024").join(" "), "seven thirteen forty forty two zero five two zero two four");
        assert!(words(" … ").is_empty());
    }

    #[test]
    fn every_kind_of_error_counts_once() {
        let distance = |a: &str, b: &str| distance(&words(a), &words(b));
        assert_eq!(distance("call me back", "call me back"), 0);
        assert_eq!(distance("call me back", "call him back"), 1);
        assert_eq!(distance("call me back", "call back now"), 2);
        assert_eq!(distance("call me", ""), 2);
        assert_eq!(distance("", "well yes"), 2);
    }
}
