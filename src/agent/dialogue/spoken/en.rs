//! Figures in English.

use super::figure::{Decimal, Figure, month_name};
use crate::nlu::numerals::{SMALL, TENS};

fn of(names: &[&'static str], value: u64) -> &'static str {
    usize::try_from(value).ok().and_then(|value| names.get(value)).copied().unwrap_or_default()
}

/// Below 100.
fn small(value: u64) -> String {
    match value {
        0..=19 => of(&SMALL, value).to_owned(),
        _ if value.is_multiple_of(10) => of(&TENS, value / 10 - 2).to_owned(),
        _ => format!("{}-{}", of(&TENS, value / 10 - 2), of(&SMALL, value % 10)),
    }
}

/// Below 1000.
fn hundreds(value: u64) -> String {
    match (value / 100, value % 100) {
        (0, rest) => small(rest),
        (hundreds, 0) => format!("{} hundred", of(&SMALL, hundreds)),
        (hundreds, rest) => format!("{} hundred and {}", of(&SMALL, hundreds), small(rest)),
    }
}

/// A whole number.
fn whole(value: u64) -> String {
    let mut parts = Vec::new();
    for (unit, name) in [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")] {
        let part = if unit == 1_000_000_000 { value / unit } else { value / unit % 1_000 };
        if part > 0 {
            parts.push(format!("{} {name}", hundreds(part % 1_000)));
        }
    }
    match value % 1_000 {
        0 if !parts.is_empty() => {}
        rest if rest < 100 && !parts.is_empty() => parts.push(format!("and {}", small(rest))),
        rest => parts.push(hundreds(rest)),
    }
    parts.join(" ")
}

fn spelled(digits: &str) -> String {
    let names: Vec<_> = digits.chars().filter_map(|c| c.to_digit(10)).map(|value| of(&SMALL, value.into())).collect();
    names.join(" ")
}

fn decimal(number: &Decimal) -> String {
    let sign = if number.negative { "minus " } else { "" };
    match number.fraction.as_str() {
        "" => format!("{sign}{}", whole(number.whole)),
        fraction => format!("{sign}{} point {}", whole(number.whole), spelled(fraction)),
    }
}

fn ordinal(value: u64) -> String {
    let irregular = |value: u64| {
        Some(match value {
            1 => "first",
            2 => "second",
            3 => "third",
            5 => "fifth",
            8 => "eighth",
            9 => "ninth",
            12 => "twelfth",
            _ => return None,
        })
    };
    match (irregular(value), value % 10) {
        (Some(name), _) => name.to_owned(),
        (None, 0) if value >= 20 => format!("{}ieth", small(value).trim_end_matches('y')),
        (None, ones) if value > 20 => format!("{}-{}", of(&TENS, (value / 10).saturating_sub(2)), ordinal(ones)),
        _ => format!("{}th", small(value)),
    }
}

fn year(value: u64) -> String {
    match (value / 100, value % 100) {
        (_, rest) if (2_000..2_010).contains(&value) => {
            if rest == 0 {
                "two thousand".to_owned()
            } else {
                format!("two thousand and {}", small(rest))
            }
        }
        (century @ 11..=29, 0) => format!("{} hundred", small(century)),
        (century @ 11..=29, rest @ 1..=9) => format!("{} oh {}", small(century), small(rest)),
        (century @ 11..=29, rest) => format!("{} {}", small(century), small(rest)),
        _ => whole(value),
    }
}

fn money(number: &Decimal, currency: &str) -> String {
    let (one, many, cents) = match currency {
        "USD" => ("dollar", "dollars", "cent"),
        "GBP" => ("pound", "pounds", "penny"),
        "EUR" => ("euro", "euros", "cent"),
        _ => ("yuan", "yuan", ""),
    };
    if cents.is_empty() || number.fraction.len() != 2 && !number.fraction.is_empty() {
        return format!("{} {many}", decimal(number));
    }
    let plain = Decimal { fraction: String::new(), ..number.clone() };
    let unit = if number.whole == 1 { one } else { many };
    let coins = number.fraction.parse().unwrap_or(0);
    let small_unit = match (cents, coins) {
        ("penny", 1) => "penny",
        ("penny", _) => "pence",
        (_, 1) => "cent",
        _ => "cents",
    };
    match (number.whole, coins) {
        (_, 0) => format!("{} {unit}", decimal(&plain)),
        (0, coins) => format!("{} {small_unit}", small(coins)),
        (_, coins) => format!("{} {unit} and {} {small_unit}", decimal(&plain), small(coins)),
    }
}

/// A figure in words.
pub(super) fn figure(figure: &Figure) -> String {
    match figure {
        Figure::Number { number, .. } => decimal(number),
        Figure::Money { number, currency } => money(number, currency),
        Figure::Percent(number) => format!("{} percent", decimal(number)),
        // The name of the month is there already.
        Figure::Date { year: None, day, .. } => ordinal(*day),
        Figure::Date { year: Some(which), month, day } => {
            format!("{} {}, {}", month_name(*month), ordinal(*day), year(*which))
        }
        Figure::Year(digits) => digits.parse().map_or_else(|_| spelled(digits), year),
        Figure::Time { hour, minute } => {
            let half = if *hour < 12 { "a.m." } else { "p.m." };
            let named = match hour % 12 {
                0 => "twelve".to_owned(),
                hour => small(hour),
            };
            match minute {
                0 if *hour <= 12 => format!("{named} o'clock"),
                0 => format!("{named} {half}"),
                1..=9 => format!("{named} oh {} {half}", small(*minute)),
                _ => format!("{named} {} {half}", small(*minute)),
            }
        }
        Figure::Ordinal(number) => ordinal(*number),
        Figure::Range(from, to) => format!("{} to {}", decimal(from), decimal(to)),
        Figure::Phone(digits) | Figure::Digits(digits) => spelled(digits),
    }
}
