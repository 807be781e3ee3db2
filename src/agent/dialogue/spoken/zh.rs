//! Figures in Mandarin.

use super::figure::{Decimal, Figure};

const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
/// As digits are read out one by one: 幺 is not mistaken for 七.
pub(super) const DIGITS_SPELLED: [&str; 10] = ["零", "幺", "二", "三", "四", "五", "六", "七", "八", "九"];
/// What is counted with 两 instead of 二.
const COUNTED: &str = "元块个天年月周次位张份台套件种人点倍万千亿小分秒";

fn digit(value: u64) -> &'static str {
    usize::try_from(value % 10).ok().and_then(|value| DIGITS.get(value)).copied().unwrap_or_default()
}

/// Below 10,000. `leading`: nothing comes before it.
fn section(value: u64, leading: bool) -> String {
    let mut out = String::new();
    let mut gap = false;
    for (unit, name) in [(1_000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let value = value / unit % 10;
        if value == 0 {
            gap = gap || !out.is_empty();
            continue;
        }
        if gap {
            out.push('零');
            gap = false;
        }
        match (value, unit) {
            (1, 10) if leading && out.is_empty() => {}
            (2, 1_000) if leading => out.push('两'),
            _ => out.push_str(digit(value)),
        }
        out.push_str(name);
    }
    out
}

/// A whole number.
pub(super) fn whole(value: u64) -> String {
    if value == 0 {
        return "零".to_owned();
    }
    let mut out = String::new();
    let mut gap = false;
    for (unit, name) in [(100_000_000, "亿"), (10_000, "万"), (1, "")] {
        let part = if unit == 100_000_000 { value / unit } else { value / unit % 10_000 };
        if part == 0 {
            gap = gap || !out.is_empty();
            continue;
        }
        if !out.is_empty() && (gap || part < 1_000) {
            out.push('零');
        }
        gap = false;
        if part == 2 && !name.is_empty() {
            out.push('两');
        } else if part >= 10_000 {
            out.push_str(&whole(part));
        } else {
            out.push_str(&section(part, out.is_empty()));
        }
        out.push_str(name);
    }
    out
}

fn spelled(digits: &str) -> String {
    digits.chars().filter_map(|c| c.to_digit(10)).map(|value| digit(value.into())).collect()
}

fn decimal(number: &Decimal, counted: bool) -> String {
    let sign = if number.negative { "负" } else { "" };
    let fraction = number.fraction.trim_end_matches('0');
    if fraction.is_empty() {
        let whole = if counted && number.whole == 2 { "两".to_owned() } else { whole(number.whole) };
        format!("{sign}{whole}")
    } else {
        format!("{sign}{}点{}", whole(number.whole), spelled(fraction))
    }
}

/// A figure in words.
pub(super) fn figure(figure: &Figure) -> String {
    match figure {
        Figure::Number { number, unit } => decimal(number, unit.is_some_and(|unit| COUNTED.contains(unit))),
        Figure::Money { number, currency } => {
            let name = match *currency {
                "USD" => "美元",
                "GBP" => "英镑",
                "EUR" => "欧元",
                _ => "元",
            };
            format!("{}{name}", decimal(number, true))
        }
        Figure::Percent(number) => format!("百分之{}", decimal(number, false)),
        Figure::Date { year, month, day } => {
            let year = year.map(|year| format!("{}年", spelled(&year.to_string()))).unwrap_or_default();
            format!("{year}{}月{}号", whole(*month), whole(*day))
        }
        Figure::Year(digits) => spelled(digits),
        Figure::Time { hour, minute } => {
            let hour = if *hour == 2 { "两".to_owned() } else { whole(*hour) };
            match minute {
                0 => format!("{hour}点"),
                1..=9 => format!("{hour}点零{}分", whole(*minute)),
                _ => format!("{hour}点{}分", whole(*minute)),
            }
        }
        Figure::Ordinal(number) => format!("第{}", whole(*number)),
        Figure::Range(from, to) => format!("{}到{}", decimal(from, false), decimal(to, false)),
        Figure::Phone(digits) | Figure::Digits(digits) => spelled(digits),
    }
}
