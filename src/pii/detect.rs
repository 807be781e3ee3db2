//! Finds what has the shape of personal data in a line of text, written or as a recogniser spells it.

use std::ops::Range;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindingKind {
    /// 13 to 19 digits that satisfy the Luhn check of payment cards.
    Card,
    /// Seven digits or more, or a number in international form.
    Phone,
    /// Four to six digits in a row: a code, a PIN, part of an account.
    Number,
    /// An e-mail (or SIP) address.
    Email,
}

impl FindingKind {
    /// What stands in its place.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Card => "[card]",
            Self::Phone => "[phone]",
            Self::Number => "[number]",
            Self::Email => "[email]",
        }
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it looks like.
    pub kind: FindingKind,
    /// Where it lies, in bytes, on character boundaries.
    pub span: Range<usize>,
}

/// Everything found in `text`, in order, without overlaps.
pub fn find(text: &str) -> Vec<Finding> {
    let mut findings = emails(text);
    findings.extend(digit_runs(text));
    findings.extend(spoken(text));
    // The longest of those that overlap says most about what it is.
    findings.sort_by_key(|f| (std::cmp::Reverse(f.span.len()), f.span.start));
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        if kept.iter().all(|k| finding.span.end <= k.span.start || k.span.end <= finding.span.start) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|f| f.span.start);
    kept
}

/// `text` with a label in place of everything that [`find`] finds.
pub fn mask_text(text: &str) -> String {
    let findings = find(text);
    if findings.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for finding in findings {
        out.push_str(text.get(from..finding.span.start).unwrap_or_default());
        out.push_str(finding.kind.label());
        from = finding.span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// ASCII and full-width digits.
fn digit(c: char) -> Option<u32> {
    match c {
        '0'..='9' => c.to_digit(10),
        '\u{ff10}'..='\u{ff19}' => Some(u32::from(c) - 0xff10),
        _ => None,
    }
}

/// A digit of a number read out in Chinese.
fn han_digit(c: char) -> Option<u32> {
    "零一二三四五六七八九".chars().position(|d| d == c).map(|p| p as u32).or(match c {
        '〇' => Some(0),
        '幺' => Some(1),
        '两' => Some(2),
        _ => None,
    })
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| match (i % 2, d * 2) {
            (0, _) => d,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// What a run of digits is, if it is anything.
fn kind_of(digits: &[u32], international: bool) -> Option<FindingKind> {
    match digits.len() {
        13..=19 if luhn(digits) => Some(FindingKind::Card),
        7.. => Some(FindingKind::Phone),
        5.. if international => Some(FindingKind::Phone),
        4.. => Some(FindingKind::Number),
        _ => None,
    }
}

/// Runs of written digits, with the separators that people put into telephone and card numbers.
fn digit_runs(text: &str) -> Vec<Finding> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let at = |i: usize| chars.get(i).map(|&(_, c)| c);
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if at(i).and_then(digit).is_none() {
            i += 1;
            continue;
        }
        let mut digits = Vec::new();
        let (mut end, mut j, mut groups) = (i, i, 1);
        let mut separators = String::new();
        while let Some(c) = at(j) {
            if let Some(d) = digit(c) {
                if j > end && j > i {
                    groups += 1;
                }
                digits.push(d);
                end = j + 1;
            } else if " -.()/".contains(c) && j - end < 2 {
                separators.push(c);
            } else {
                break;
            }
            j += 1;
        }
        let before = i.checked_sub(1).and_then(at);
        let international = before == Some('+');
        let written: String = chars.get(i..end).unwrap_or_default().iter().map(|&(_, c)| c).collect();
        let four_digit_year =
            groups == 1 && digits.len() == 4 && (written.starts_with("19") || written.starts_with("20"));
        let money = matches!(before, Some('$' | '€' | '£' | '¥' | '￥'));
        // Groups that together are too short for a telephone number are separate numbers: "room 12 34".
        let apart = groups > 1 && digits.len() < 7;
        if !(four_digit_year || money || apart || date(&written) || dotted_quad(&written))
            && let Some(kind) = kind_of(&digits, international)
        {
            let first = if international { i - 1 } else { i };
            let start = chars.get(first).map_or(0, |&(b, _)| b);
            let stop = chars.get(end).map_or(text.len(), |&(b, _)| b);
            out.push(Finding { kind, span: start..stop });
            i = end;
        } else if apart {
            // Past the first group only: the next ones may begin a number of their own.
            while at(i).and_then(digit).is_some() {
                i += 1;
            }
            let length = i - (end - written.chars().count());
            if length >= 4 {
                let first = i - length;
                let start = chars.get(first).map_or(0, |&(b, _)| b);
                let stop = chars.get(i).map_or(text.len(), |&(b, _)| b);
                out.push(Finding { kind: FindingKind::Number, span: start..stop });
            }
        } else {
            i = end;
        }
    }
    out
}

/// `2026-11-22` and the like.
fn date(written: &str) -> bool {
    let mut lengths = written.split(['-', '/', '.']).map(str::len);
    let all_digits = written.chars().all(|c| c.is_ascii_digit() || "-/.".contains(c));
    all_digits
        && matches!(
            (lengths.next(), lengths.next(), lengths.next(), lengths.next()),
            (Some(4), Some(1..=2), Some(1..=2), None) | (Some(1..=2), Some(1..=2), Some(4), None)
        )
}

/// An IPv4 address.
fn dotted_quad(written: &str) -> bool {
    written.parse::<std::net::Ipv4Addr>().is_ok()
}

/// The value of one word of a number read out digit by digit.
fn digit_word(word: &str) -> Option<&'static [u32]> {
    Some(match word {
        "zero" | "oh" | "o" | "nought" => &[0],
        "one" => &[1],
        "two" => &[2],
        "three" => &[3],
        "four" => &[4],
        "five" => &[5],
        "six" => &[6],
        "seven" => &[7],
        "eight" => &[8],
        "nine" | "niner" => &[9],
        "ten" => &[1, 0],
        "eleven" => &[1, 1],
        "twelve" => &[1, 2],
        "thirteen" => &[1, 3],
        "fourteen" => &[1, 4],
        "fifteen" => &[1, 5],
        "sixteen" => &[1, 6],
        "seventeen" => &[1, 7],
        "eighteen" => &[1, 8],
        "nineteen" => &[1, 9],
        "twenty" => &[2],
        "thirty" => &[3],
        "forty" => &[4],
        "fifty" => &[5],
        "sixty" => &[6],
        "seventy" => &[7],
        "eighty" => &[8],
        "ninety" => &[9],
        _ => return None,
    })
}

/// Runs of at least four spoken digits: fewer are counts, times and years ("twelve thirty five").
fn spoken(text: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut run = Run::default();
    for (start, word) in words(text) {
        let end = start + word.len();
        if let Some(d) = word.chars().next().and_then(han_digit).filter(|_| word.chars().count() == 1) {
            run.add(start..end, &[d]);
            continue;
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "double" => run.times(start..end, 2),
            "triple" => run.times(start..end, 3),
            // 一九九八年 is a year, not a code.
            "年" if run.spoken == 4 => run = Run::default(),
            other => match digit_word(other) {
                Some(digits) => run.add(start..end, digits),
                None => run.close(&mut out),
            },
        }
    }
    run.close(&mut out);
    out
}

#[derive(Default)]
struct Run {
    span: Option<Range<usize>>,
    digits: Vec<u32>,
    spoken: usize,
    repeat: usize,
}

impl Run {
    /// The next digit counts several times; the word that says so belongs to the number.
    fn times(&mut self, at: Range<usize>, times: usize) {
        self.repeat = times;
        self.span.get_or_insert(at);
    }

    fn add(&mut self, at: Range<usize>, digits: &[u32]) {
        let times = std::mem::take(&mut self.repeat).max(1);
        for _ in 0..times {
            self.digits.extend_from_slice(digits);
        }
        self.spoken += times;
        let start = self.span.as_ref().map_or(at.start, |s| s.start);
        self.span = Some(start..at.end);
    }

    fn close(&mut self, out: &mut Vec<Finding>) {
        let run = std::mem::take(self);
        if run.spoken >= 4
            && let (Some(span), Some(kind)) = (run.span, kind_of(&run.digits, false))
        {
            out.push(Finding { kind, span });
        }
    }
}

/// Words with the byte at which each begins; every Chinese character is a word of its own.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut out = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices() {
        let han = ('\u{4e00}'..='\u{9fff}').contains(&c) || c == '〇';
        if (han || !(c.is_alphanumeric() || c == '\'' || c == '@'))
            && let Some(from) = start.take()
        {
            out.push((from, text.get(from..i).unwrap_or_default()));
        }
        if han {
            out.push((i, text.get(i..i + c.len_utf8()).unwrap_or_default()));
        } else if start.is_none() && (c.is_alphanumeric() || c == '@') {
            start = Some(i);
        }
    }
    if let Some(from) = start {
        out.push((from, text.get(from..).unwrap_or_default()));
    }
    out.into_iter()
}

/// `name@host.tld`, and `name at host dot com` as it is spoken.
fn emails(text: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices('@') {
        let local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
        let domain = |c: char| c.is_alphanumeric() || ".-".contains(c);
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default();
        let start = at - before.chars().rev().take_while(|&c| local(c)).map(char::len_utf8).sum::<usize>();
        let host: String = after.chars().take_while(|&c| domain(c)).collect();
        let host = host.trim_end_matches(['.', '-']);
        if start < at && host.contains('.') {
            out.push(Finding { kind: FindingKind::Email, span: start..at + 1 + host.len() });
        }
    }
    let words: Vec<(usize, &str)> = words(text).collect();
    for (i, window) in words.windows(5).enumerate() {
        let [(start, _), (_, at), _, (_, dot), _] = window else { continue };
        if !(at.eq_ignore_ascii_case("at") && dot.eq_ignore_ascii_case("dot")) {
            continue;
        }
        // Further labels: "example dot co dot uk".
        let mut last = i + 4;
        while words.get(last + 1).is_some_and(|(_, w)| w.eq_ignore_ascii_case("dot")) && last + 2 < words.len() {
            last += 2;
        }
        if let Some((from, word)) = words.get(last) {
            out.push(Finding { kind: FindingKind::Email, span: *start..from + word.len() });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask_text(text), expected);
    }

    #[test]
    fn written_numbers() {
        check("call me on +1 (555) 123-4567 please", "call me on [phone] please");
        check("my card is 4111 1111 1111 1111.", "my card is [card].");
        check("the code is 4831", "the code is [number]");
        check("１３８１２３４５６７８是我的号码", "[phone]是我的号码");
        check("我的电话是138-1234-5678", "我的电话是[phone]");
    }

    #[test]
    fn ordinary_numbers_stay() {
        for text in [
            "at 12:30 on 2026-11-22",
            "since 1998",
            "it costs $1500",
            "room 12 34",
            "from 127.0.0.1",
            "1,500,000 people",
            "twelve thirty five",
            "one or two",
            "一九九八年",
            "press one",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn spoken_numbers() {
        check("it is five five five one two three four five", "it is [phone]");
        check("the pin is four eight three one thanks", "the pin is [number] thanks");
        check("double five triple one", "[number]");
        check("four one one one, one one one one, one one one one, one one one one", "[card]");
        check("号码是一三八一二三四五六七八", "号码是[phone]");
        check("幺三八零零幺三八零零零", "[phone]");
    }

    #[test]
    fn addresses() {
        check("write to jane.doe+x@mail.example.com.", "write to [email].");
        check("jane at example dot co dot uk please", "[email] please");
        check("meet me at noon", "meet me at noon");
        check("look @ this", "look @ this");
    }

    #[test]
    fn a_group_of_four_beside_short_ones_is_found() {
        check("code 4831 22", "code [number] 22");
    }

    proptest! {
        #[test]
        fn spans_are_ordered_and_on_boundaries(text in "[0-9a-z@. +()一二三年-]{0,80}|.{0,80}") {
            let mut from = 0;
            for finding in find(&text) {
                prop_assert!(finding.span.start >= from && finding.span.start < finding.span.end);
                prop_assert!(text.get(finding.span.clone()).is_some());
                from = finding.span.end;
            }
        }

        #[test]
        fn a_written_number_of_seven_digits_or_more_never_survives(
            before in "[a-z ]{0,10}", number in "[1-9][0-9]{6,18}", after in "[a-z ]{0,10}",
        ) {
            let text = format!("{before} {number} {after}");
            prop_assert!(!mask_text(&text).contains(&number));
        }
    }
}
