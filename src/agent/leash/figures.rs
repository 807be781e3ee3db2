//! The numbers of a text, written or spelled out, English and Chinese: for comparing what is said with what is known.

use crate::nlu::numerals;

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Unit {
    Plain,
    Percent,
    Money,
}

/// A number in a text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Figure {
    /// In ten-thousandths.
    pub value: i64,
    pub unit: Unit,
    /// In words, not in digits.
    pub spelled: bool,
    /// It counts time, or what is free: "three years", 三年.
    pub counts: bool,
}

impl Figure {
    fn new(value: f64, unit: Unit, spelled: bool, counts: bool) -> Self {
        Self { value: (value * 10_000.0).round().clamp(-9e18, 9e18) as i64, unit, spelled, counts }
    }

    /// So small and so plain that it counts nothing: "one moment", 两位.
    pub fn says_nothing(self) -> bool {
        self.spelled && self.unit == Unit::Plain && self.value <= 30_000 && !self.counts
    }

    /// Saying this where `known` is known says nothing new. Money is covered by money alone: ten minutes are no ten pounds.
    pub fn is_covered_by(self, known: Self) -> bool {
        self.value == known.value && (self.unit == known.unit || self.unit == Unit::Plain)
    }
}

/// A piece of text: a run of digits, a word, or a single mark or Chinese character.
#[derive(Clone, PartialEq, Debug)]
enum Piece {
    Number(f64),
    Word(String),
    Mark(char),
}

/// All numbers of a text.
pub(super) fn figures(text: &str) -> Vec<Figure> {
    let pieces = pieces(text);
    let mut out = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let rest = pieces.get(at..).unwrap_or_default();
        let read = written(rest).or_else(|| fraction(rest)).or_else(|| chinese(rest)).or_else(|| english(rest));
        let Some((value, spelled, taken)) = read else {
            at += 1;
            continue;
        };
        let before = at.checked_sub(1).and_then(|before| pieces.get(before));
        let after = pieces.get(at + taken..).unwrap_or_default();
        let (mut value, mut unit) = (value, Unit::Plain);
        if value.1 || is_percent(after) {
            unit = Unit::Percent;
        } else if let Some(Piece::Mark('折')) = after.first() {
            // 八折 takes a fifth off, 八五折 15 %.
            let tenths = if value.0 > 10.0 { value.0 / 10.0 } else { value.0 };
            value.0 = 100.0 - tenths * 10.0;
            unit = Unit::Percent;
        } else if matches!(before, Some(Piece::Mark('$' | '£' | '€' | '¥' | '￥'))) || is_money(after) {
            unit = Unit::Money;
        }
        // 头一年, 第一年, 每一天: an ordinal, or "every".
        let first = value.0 == 1.0 && matches!(before, Some(Piece::Mark('头' | '第' | '首' | '前' | '每')));
        out.push(Figure::new(value.0, unit, spelled, counts(after) && !first));
        at += taken.max(1);
    }
    out
}

/// The greatest number in words as they were heard: its first word, the one behind its last, and what it says. "Seven fifty" is seven
/// hundred and fifty, a share or a percentage is no amount.
pub(crate) fn amount(heard: &[String]) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    let mut start = 0;
    while start < heard.len() {
        let rest = pieces(&heard.get(start..).unwrap_or_default().join(" "));
        let read = written(&rest).or_else(|| chinese(&rest)).or_else(|| english(&rest));
        // A word of the caller's is a piece, as long as it is a word, a number or one character.
        let Some(((mut value, false), spelled, mut taken)) = read else {
            start += 1;
            continue;
        };
        if is_percent(rest.get(taken..).unwrap_or_default()) {
            start += taken.max(1);
            continue;
        }
        if spelled
            && (1.0..10.0).contains(&value)
            && let Some(((tens, false), true, more)) = english(rest.get(taken..).unwrap_or_default())
            && (10.0..100.0).contains(&tens)
        {
            value = value * 100.0 + tens;
            taken += more;
        }
        if best.is_none_or(|(_, _, known)| value > known) {
            best = Some((start, (start + taken).min(heard.len()), value));
        }
        start += taken.max(1);
    }
    best
}

/// Value and whether it is a share already, whether it was spelled, and how many pieces it took.
type Read = ((f64, bool), bool, usize);

fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut chars = text.chars().map(narrow).peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            let mut digits = String::from(c);
            while let Some(&next) = chars.peek() {
                if next.is_ascii_digit() {
                    digits.push(next);
                } else if matches!(next, ',' | '.') {
                    // A comma between digits groups them, a point divides; at the end both are punctuation.
                    let mut ahead = chars.clone();
                    ahead.next();
                    if !ahead.peek().is_some_and(char::is_ascii_digit) {
                        break;
                    }
                    if next == '.' {
                        digits.push('.');
                    }
                } else {
                    break;
                }
                chars.next();
            }
            // 1.2.3 is no number; its first part is.
            let value = digits.parse().ok().or_else(|| digits.split('.').next().and_then(|first| first.parse().ok()));
            out.push(Piece::Number(value.unwrap_or(f64::MAX)));
        } else if c.is_ascii_alphabetic() {
            let mut word = String::from(c.to_ascii_lowercase());
            while let Some(next) = chars.next_if(|next| next.is_ascii_alphabetic()) {
                word.push(next.to_ascii_lowercase());
            }
            out.push(Piece::Word(word));
        } else if !c.is_whitespace() && c != '-' {
            out.push(Piece::Mark(c));
        }
    }
    out
}

/// Wide forms as narrow ones.
fn narrow(c: char) -> char {
    match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

fn written(pieces: &[Piece]) -> Option<Read> {
    let Some(Piece::Number(value)) = pieces.first() else { return None };
    let (mut value, mut taken) = (*value, 1);
    while let Some(times) = pieces.get(taken).and_then(times) {
        value *= times;
        taken += 1;
    }
    Some(((value, false), false, taken))
}

fn times(piece: &Piece) -> Option<f64> {
    Some(match piece {
        Piece::Mark('百') => 1e2,
        Piece::Mark('千') => 1e3,
        Piece::Mark('万') => 1e4,
        Piece::Mark('亿') => 1e8,
        Piece::Word(word) => match word.as_str() {
            "hundred" => 1e2,
            "thousand" | "k" => 1e3,
            "million" | "m" => 1e6,
            "billion" => 1e9,
            _ => return None,
        },
        _ => return None,
    })
}

/// 百分之三点六, 千分之六, 万分之五: a share, in per cent.
fn fraction(pieces: &[Piece]) -> Option<Read> {
    let [Piece::Mark(of), Piece::Mark('分'), Piece::Mark('之'), rest @ ..] = pieces else { return None };
    let share = match of {
        '百' => 1.0,
        '千' => 0.1,
        '万' => 0.01,
        _ => return None,
    };
    let whole = matches!(rest.first(), Some(Piece::Mark('百'))).then_some(((100.0, false), true, 1));
    let ((value, _), spelled, taken) = written(rest).or_else(|| chinese(rest)).or(whole)?;
    Some(((value * share, true), spelled, taken + 3))
}

fn han(c: char) -> Option<f64> {
    numerals::chinese(c).map(f64::from)
}

/// 一万二千三百, 二〇二六, 三点六.
fn chinese(pieces: &[Piece]) -> Option<Read> {
    let (mut total, mut section, mut digit, mut taken): (f64, f64, Option<f64>, usize) = (0.0, 0.0, None, 0);
    let mut digits = 0;
    let mut last_times = 1.0;
    while let Some(Piece::Mark(c)) = pieces.get(taken) {
        if let Some(value) = han(*c) {
            // 二〇二六: digit by digit.
            digit = Some(digit.map_or(value, |before| before * 10.0 + value));
            digits += 1;
        } else if *c == '十' {
            section += digit.take().unwrap_or(1.0) * 10.0;
            last_times = 10.0;
        } else if matches!(c, '百' | '千') && (digit.is_some() || section > 0.0) {
            let by = if *c == '百' { 100.0 } else { 1000.0 };
            section += digit.take()? * by;
            last_times = by;
        } else if matches!(c, '万' | '亿') && (digit.is_some() || section > 0.0) {
            let by = if *c == '万' { 1e4 } else { 1e8 };
            total = (total + section + digit.take().unwrap_or(0.0)) * by;
            section = 0.0;
            last_times = by;
        } else {
            break;
        }
        taken += 1;
    }
    if taken == 0 {
        return None;
    }
    // 两百五, 一万二: the last digit counts tenths of what came before.
    let tail = match digit {
        Some(value) if last_times >= 100.0 && digits >= 2 && value < 10.0 && !zero_before(pieces, taken) => {
            value * last_times / 10.0
        }
        Some(value) => value,
        None => 0.0,
    };
    let mut value = total + section + tail;
    if let Some(Piece::Mark('点')) = pieces.get(taken) {
        let mut place = 0.1;
        let mut decimals = 0;
        while let Some(Piece::Mark(c)) = pieces.get(taken + 1 + decimals)
            && let Some(next) = han(*c)
        {
            value += next * place;
            place /= 10.0;
            decimals += 1;
        }
        if decimals > 0 {
            taken += 1 + decimals;
        }
    }
    Some(((value, false), true, taken))
}

/// 两百零五: the zero says that the five is a five.
fn zero_before(pieces: &[Piece], taken: usize) -> bool {
    taken >= 2 && matches!(pieces.get(taken - 2), Some(Piece::Mark('零' | '〇')))
}

fn word_value(word: &str) -> Option<f64> {
    numerals::english(word).map(f64::from)
}

/// Twelve thousand three hundred and fifty point five.
fn english(pieces: &[Piece]) -> Option<Read> {
    let word = |at: usize| match pieces.get(at) {
        Some(Piece::Word(word)) => Some(word.as_str()),
        _ => None,
    };
    let (mut total, mut section, mut taken, mut any): (f64, f64, usize, bool) = (0.0, 0.0, 0, false);
    // How much may still be added without a new number beginning: after "twenty" less than ten, after "five" nothing.
    let mut room = f64::INFINITY;
    while let Some(next) = word(taken) {
        if let Some(value) = word_value(next) {
            if value >= room {
                break;
            }
            section += value;
            room = if value >= 20.0 { 10.0 } else { 0.0 };
            any = true;
        } else if next == "hundred" && (any || taken > 0 || word(0) == Some("hundred")) {
            section = if section == 0.0 { 100.0 } else { section * 100.0 };
            room = 100.0;
            any = true;
        } else if let (true, Some(by)) = (any, pieces.get(taken).and_then(times)) {
            total += section.max(1.0) * by;
            section = 0.0;
            room = by;
        } else if !(next == "and"
            && any
            && word(taken + 1).is_some_and(|after| word_value(after).is_some())
            && room >= 100.0)
        {
            break;
        }
        taken += 1;
    }
    if !any {
        return None;
    }
    let mut value = total + section;
    if word(taken) == Some("point") {
        let mut place = 0.1;
        let mut decimals = 0;
        while let Some(next) = word(taken + 1 + decimals).and_then(word_value).filter(|next| *next < 10.0) {
            value += next * place;
            place /= 10.0;
            decimals += 1;
        }
        if decimals > 0 {
            taken += 1 + decimals;
        }
    }
    Some(((value, false), true, taken))
}

fn is_percent(after: &[Piece]) -> bool {
    match after {
        [Piece::Mark('%' | '％'), ..] => true,
        [Piece::Word(per), Piece::Word(cent), ..] if per == "per" => cent == "cent",
        [Piece::Word(word), ..] => matches!(word.as_str(), "percent" | "pc" | "percentage"),
        _ => false,
    }
}

/// What follows says how long something holds, or how much of it is free.
fn counts(after: &[Piece]) -> bool {
    match after {
        [Piece::Mark('年' | '月' | '天' | '周' | '倍'), ..] => true,
        [Piece::Mark('个'), Piece::Mark('月' | '星'), ..] => true,
        [Piece::Word(word), ..] => {
            matches!(word.as_str(), "year" | "years" | "month" | "months" | "week" | "weeks" | "day" | "days" | "free")
        }
        _ => false,
    }
}

fn is_money(after: &[Piece]) -> bool {
    match after {
        [Piece::Mark('元' | '块' | '£' | '$' | '€'), ..] => true,
        [Piece::Mark('美' | '欧' | '英'), Piece::Mark('元' | '镑'), ..] => true,
        [Piece::Word(word), ..] => matches!(
            word.as_str(),
            "pound"
                | "pounds"
                | "dollar"
                | "dollars"
                | "euro"
                | "euros"
                | "cent"
                | "cents"
                | "pence"
                | "yuan"
                | "rmb"
                | "quid"
                | "bucks"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(f64, Unit)> {
        figures(text).iter().map(|figure| (figure.value as f64 / 10_000.0, figure.unit)).collect()
    }

    #[test]
    fn digits_with_their_units() {
        assert_eq!(
            all("It is 19.9 % APR, £30 or 1,250.50 dollars."),
            [(19.9, Unit::Percent), (30.0, Unit::Money), (1250.5, Unit::Money)]
        );
        assert_eq!(
            all("额度3万元，费率3.6％，１２期"),
            [(30_000.0, Unit::Money), (3.6, Unit::Percent), (12.0, Unit::Plain)]
        );
        assert_eq!(all("5k in 2026."), [(5_000.0, Unit::Plain), (2026.0, Unit::Plain)]);
    }

    #[test]
    fn an_amount_is_read_from_what_was_heard() {
        let read = |text: &str| amount(&crate::agent::dialogue::words(text)).map(|(_, _, value)| value);
        for (text, value) in [
            ("one thousand two hundred a month", 1200.0),
            ("seven fifty", 750.0),
            ("about twelve hundred", 1200.0),
            ("两万", 20_000.0),
            ("七千", 7_000.0),
            ("四千五左右", 4_500.0),
            ("一千二", 1_200.0),
            ("二十单", 20.0),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
        assert_eq!((read("not much"), read("five per cent")), (None, None));
    }

    #[test]
    fn english_words() {
        assert_eq!(all("nineteen point nine per cent a year"), [(19.9, Unit::Percent)]);
        assert_eq!(all("twelve thousand three hundred and fifty pounds"), [(12_350.0, Unit::Money)]);
        assert_eq!(all("a hundred euros and twenty-five cents"), [(100.0, Unit::Money), (25.0, Unit::Money)]);
        assert_eq!(all("five six"), [(5.0, Unit::Plain), (6.0, Unit::Plain)]);
        assert_eq!(all("up to fifty-six days and no more"), [(56.0, Unit::Plain)]);
        assert!(figures("one moment, two of us").iter().all(|figure| figure.says_nothing()));
        assert!(all("the tenth of may").is_empty());
    }

    #[test]
    fn chinese_words() {
        assert_eq!(all("年费两百元，日息万分之五"), [(200.0, Unit::Money), (0.05, Unit::Percent)]);
        assert_eq!(all("一万二千三百块"), [(12_300.0, Unit::Money)]);
        assert_eq!(all("两百五"), [(250.0, Unit::Plain)]);
        assert_eq!(all("两百零五"), [(205.0, Unit::Plain)]);
        assert_eq!(all("百分之三点六"), [(3.6, Unit::Percent)]);
        assert_eq!(all("百分之百"), [(100.0, Unit::Percent)]);
        assert_eq!(all("打八五折"), [(15.0, Unit::Percent)]);
        assert_eq!(all("二〇二六年十二月"), [(2026.0, Unit::Plain), (12.0, Unit::Plain)]);
        assert_eq!(all("最长五十天"), [(50.0, Unit::Plain)]);
        assert_eq!(all("十万"), [(100_000.0, Unit::Plain)]);
        assert!(figures("三年").iter().chain(&figures("two free months")).all(|figure| !figure.says_nothing()));
        assert!(figures("您稍等一下").iter().all(|figure| figure.says_nothing()));
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in
            ["", "百分之", "点五", "9".repeat(500).as_str(), "hundred", "point five", "万万亿", "1.2.3.4", "千", "百"]
        {
            let _ = figures(text);
        }
    }
}
