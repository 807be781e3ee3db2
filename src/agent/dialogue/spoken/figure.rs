//! Figures in a text: where they are and what they are.

/// Most digits that are read as one number; longer ones are read digit by digit.
const MAX_DIGITS: usize = 12;
/// So many digits in a row are a telephone number, or a number of that kind, unless they are marked otherwise.
const PHONE_DIGITS: usize = 7;

/// A number as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Decimal {
    pub negative: bool,
    pub whole: u64,
    /// The digits after the point.
    pub fraction: String,
}

impl Decimal {
    /// `-12,300.50`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain: String = whole.chars().filter(|c| *c != ',').collect();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if plain.is_empty() || plain.len() > MAX_DIGITS || !digits(&plain) || !digits(fraction) {
            return None;
        }
        Some(Self { negative, whole: plain.parse().ok()?, fraction: fraction.chars().take(MAX_DIGITS).collect() })
    }
}

/// What stands for a number in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Figure {
    /// With the character after it, which may be what is counted.
    Number {
        number: Decimal,
        unit: Option<char>,
    },
    /// The currency by its ISO code.
    Money {
        number: Decimal,
        currency: &'static str,
    },
    Percent(Decimal),
    Date {
        year: Option<u64>,
        month: u64,
        day: u64,
    },
    Year(String),
    Time {
        hour: u64,
        minute: u64,
    },
    Ordinal(u64),
    Range(Decimal, Decimal),
    Phone(String),
    Digits(String),
}

const CURRENCIES: [(char, &str); 5] = [('$', "USD"), ('£', "GBP"), ('€', "EUR"), ('¥', "CNY"), ('￥', "CNY")];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The English name of a month, from 1.
pub(super) fn month_name(month: u64) -> &'static str {
    usize::try_from(month).ok().and_then(|month| MONTHS.get(month.wrapping_sub(1))).copied().unwrap_or_default()
}

fn digits_at(text: &str) -> &str {
    text.get(..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())).unwrap_or_default()
}

/// A number with groups of three and a fraction, and what follows it.
fn number_at(text: &str) -> Option<(&str, &str)> {
    let mut end = digits_at(text).len();
    if end == 0 {
        return None;
    }
    if end <= 3 {
        while let Some(group) = text.get(end..).and_then(|rest| rest.strip_prefix(',')) {
            if digits_at(group).len() != 3 {
                break;
            }
            end += 4;
        }
    }
    if let Some(fraction) = text.get(end..).and_then(|rest| rest.strip_prefix('.')) {
        let digits = digits_at(fraction).len();
        if digits > 0 {
            end += 1 + digits;
        }
    }
    text.split_at_checked(end)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

/// The first figure of a text: what is before it, itself, what is after it. `before` is the character before the text.
pub(super) fn next_figure(text: &str, before: Option<char>) -> Option<(&str, Figure, &str)> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.find(|c: char| c.is_ascii_digit())?;
        let head = text.get(..at)?;
        let previous = head.chars().last().or(before);
        let tail = text.get(at..)?;
        let digits = digits_at(tail);
        let after = tail.get(digits.len()..).and_then(|rest| rest.chars().next());
        let ordinal = ordinal_at(tail);
        // Part of a name: A4, 5G, 4K.
        if previous.is_some_and(is_letter) || ordinal.is_none() && after.is_some_and(is_letter) {
            from = at + digits.len();
            continue;
        }
        // A sign before it belongs to it.
        let sign = head.chars().last().filter(|c| CURRENCIES.iter().any(|(sign, _)| sign == c));
        let lone = head.chars().rev().nth(1).is_none_or(|c| c.is_whitespace());
        let negative = head.ends_with('-') && lone && (head.len() > 1 || before.is_none_or(char::is_whitespace));
        let start = match sign {
            Some(sign) => at - sign.len_utf8(),
            None if negative => at - 1,
            None => at,
        };
        let before_month = head.trim_end().rsplit(|c: char| !is_letter(c)).next().unwrap_or_default();
        let month = MONTHS.iter().position(|month| *month == before_month && head.ends_with(' '));
        let (figure, after) = figure_at(tail, sign, negative, month, ordinal);
        return Some((text.get(..start)?, figure, after));
    }
}

/// `3rd` and what follows it.
fn ordinal_at(text: &str) -> Option<(u64, &str)> {
    let digits = digits_at(text);
    let rest = text.get(digits.len()..)?;
    let after = ["st", "nd", "rd", "th"].iter().find_map(|ending| rest.strip_prefix(ending))?;
    let ends = !after.starts_with(|c: char| c.is_alphanumeric());
    if ends && digits.len() <= 2 { Some((digits.parse().ok()?, after)) } else { None }
}

fn figure_at<'a>(
    text: &'a str,
    sign: Option<char>,
    negative: bool,
    month: Option<usize>,
    ordinal: Option<(u64, &'a str)>,
) -> (Figure, &'a str) {
    if let Some((number, after)) = ordinal {
        return (Figure::Ordinal(number), after);
    }
    if sign.is_none()
        && !negative
        && let Some(found) = date_at(text).or_else(|| time_at(text)).or_else(|| phone_at(text))
    {
        return found;
    }
    let digits = digits_at(text);
    let after_digits = text.get(digits.len()..).unwrap_or_default();
    if let Some(month) = month
        && digits.len() <= 2
        && let Ok(day) = digits.parse()
        && (1..=31).contains(&day)
        && !after_digits.starts_with([':', '.', ','])
    {
        // The name of the month stays where it is.
        return (Figure::Date { year: None, month: month as u64 + 1, day }, after_digits);
    }
    let Some((written, after)) = number_at(text) else { return (Figure::Digits(digits.to_owned()), after_digits) };
    let coded = digits.len() > 1 && digits.starts_with('0');
    let Some(mut number) = Decimal::parse(written).filter(|_| !coded) else {
        return (Figure::Digits(digits.to_owned()), after_digits);
    };
    number.negative = negative;
    if let Some((_, currency)) = sign.and_then(|sign| CURRENCIES.iter().find(|(known, _)| *known == sign)) {
        return (Figure::Money { number, currency }, after);
    }
    if let Some(rest) = after.strip_prefix(['%', '％']) {
        return (Figure::Percent(number), rest);
    }
    if let Some((second, rest)) = after.strip_prefix(['-', '~', '–']).and_then(number_at)
        && let Some(second) = Decimal::parse(second)
        && !rest.starts_with(['-', '%', '％'])
    {
        return (Figure::Range(number, second), rest);
    }
    if digits.len() == 4 && written == digits && after.starts_with('年') {
        return (Figure::Year(digits.to_owned()), after);
    }
    let unit = after.trim_start().chars().next();
    if digits.len() >= PHONE_DIGITS
        && written == digits
        && unit.is_none_or(|c| !"元块万亿".contains(c))
        && number.whole % 10_000 != 0
    {
        return (Figure::Phone(digits.to_owned()), after);
    }
    (Figure::Number { number, unit }, after)
}

fn date_at(text: &str) -> Option<(Figure, &str)> {
    let year = digits_at(text);
    let rest = text.get(year.len()..)?;
    let mark = rest.chars().next()?;
    if year.len() != 4 || !matches!(mark, '-' | '/' | '年') {
        // 3月5号: the day is a number like any other.
        return None;
    }
    let rest = rest.get(mark.len_utf8()..)?;
    let month = digits_at(rest);
    let rest = rest.get(month.len()..)?;
    let second = rest.chars().next()?;
    if !(second == mark || mark == '年' && second == '月') {
        return None;
    }
    let rest = rest.get(second.len_utf8()..)?;
    let day = digits_at(rest);
    let rest = rest.get(day.len()..)?;
    let rest = if mark == '年' { rest.strip_prefix(['号', '日']).unwrap_or(rest) } else { rest };
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && !rest.starts_with(|c: char| c.is_ascii_digit());
    sound.then_some((Figure::Date { year: Some(year), month, day }, rest))
}

fn time_at(text: &str) -> Option<(Figure, &str)> {
    let hour = digits_at(text);
    let rest = text.get(hour.len()..)?.strip_prefix([':', '：'])?;
    let minute = digits_at(rest);
    let rest = rest.get(minute.len()..)?;
    if hour.len() > 2 || minute.len() != 2 || rest.starts_with(':') {
        return None;
    }
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((Figure::Time { hour, minute }, rest))
}

/// Groups of digits joined by single `-` or spaces, that are long enough together and no sum.
fn phone_at(text: &str) -> Option<(Figure, &str)> {
    let mut end = 0;
    let mut digits = String::new();
    let mut groups = 0;
    loop {
        let group = digits_at(text.get(end..)?);
        if group.is_empty() || digits.len() + group.len() > 20 {
            break;
        }
        digits.push_str(group);
        end += group.len();
        groups += 1;
        let next = text.get(end..)?;
        let joined = next.strip_prefix(['-', ' ']).is_some_and(|next| digits_at(next).len() >= 3);
        if !joined || group.len() < 2 {
            break;
        }
        end += 1;
    }
    (groups > 1 && digits.len() >= PHONE_DIGITS).then(|| (Figure::Phone(digits), text.get(end..).unwrap_or_default()))
}
