//! From written figures to spoken words: money, dates, times, percentages, telephone numbers. Pure; in Mandarin and English,
//! other languages as written.

mod en;
mod figure;
mod zh;

use crate::nlu::numerals::SMALL;
use crate::speech::Language;
use figure::{Figure, next_figure};

/// How a value is to be read, where its looks do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    AsItLooks,
    Digits,
    Number,
    Money,
    Date,
    Time,
    Percent,
    Phone,
    Raw,
}

impl Form {
    /// What may stand after the colon.
    pub const NAMES: [&'static str; 8] = ["digits", "number", "money", "date", "time", "percent", "phone", "raw"];

    /// The form of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all =
            [Self::Digits, Self::Number, Self::Money, Self::Date, Self::Time, Self::Percent, Self::Phone, Self::Raw];
        Self::NAMES.iter().zip(all).find(|(known, _)| **known == name).map(|(_, form)| form)
    }
}

/// The language in which figures are spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tongue {
    Chinese,
    English,
    /// Figures stay as they are written.
    Other,
}

impl Tongue {
    /// That of a language.
    pub fn of(language: &Language) -> Self {
        match language.0.get(..2) {
            Some("zh" | "cm") => Self::Chinese,
            Some("en") => Self::English,
            _ => Self::Other,
        }
    }

    /// A value as it is spoken.
    pub fn speak(self, form: Form, value: &str) -> String {
        match form {
            Form::Raw => value.to_owned(),
            Form::AsItLooks => self.text(value),
            Form::Digits => self.digits(value),
            Form::Phone => self.phone(value),
            Form::Number => self.as_figure(value, |number| Figure::Number { number, unit: None }),
            Form::Percent => self.as_figure(value, Figure::Percent),
            Form::Money => {
                let currency = if self == Self::Chinese { "CNY" } else { "" };
                let has_sign = !value.trim().starts_with(|c: char| c.is_ascii_digit());
                let plain = !has_sign && value.trim().ends_with(|c: char| c.is_ascii_digit());
                if plain && !currency.is_empty() {
                    self.as_figure(value, |number| Figure::Money { number, currency })
                } else {
                    self.text(value)
                }
            }
            // A date or a time is known by its looks; what looks otherwise is a text such as "Saturday".
            Form::Date | Form::Time => self.text(value),
        }
    }

    fn as_figure(self, value: &str, figure: impl Fn(figure::Decimal) -> Figure) -> String {
        match figure::Decimal::parse(value.trim().trim_end_matches(['%', '％'])) {
            Some(number) => self.figure(&figure(number)).unwrap_or_else(|| value.to_owned()),
            None => self.text(value),
        }
    }

    fn figure(self, figure: &Figure) -> Option<String> {
        match self {
            Self::Chinese => Some(zh::figure(figure)),
            Self::English => Some(en::figure(figure)),
            Self::Other => None,
        }
    }

    /// Digits one by one, in groups.
    fn digits(self, value: &str) -> String {
        let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
        if digits.is_empty() {
            return value.to_owned();
        }
        // The last group has four digits, the ones before it three: 020 555 0143.
        let head = if digits.len() <= 4 { 0 } else { digits.len().saturating_sub(4) };
        let (first, last) = digits.split_at(head);
        self.groups(first.chunks(3).chain([last]))
    }

    /// A telephone number: 138 0013 8000.
    fn phone(self, value: &str) -> String {
        let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
        match digits.as_slice() {
            all @ [1, _, _, _, _, _, _, _, _, _, _] => {
                let (first, last) = all.split_at(3);
                self.groups(std::iter::once(first).chain(last.chunks(4)))
            }
            _ => self.digits(value),
        }
    }

    fn groups<'a>(self, groups: impl Iterator<Item = &'a [u32]>) -> String {
        let names: &[&str] = match self {
            Self::Chinese => &zh::DIGITS_SPELLED,
            Self::English => &SMALL,
            Self::Other => &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        };
        let (within, between) = if self == Self::Chinese { ("", "，") } else { (" ", ", ") };
        let name = |digit: &u32| names.get(*digit as usize).copied().unwrap_or_default();
        let groups: Vec<String> = groups
            .filter(|group| !group.is_empty())
            .map(|group| group.iter().map(name).collect::<Vec<_>>().join(within))
            .collect();
        groups.join(between)
    }

    /// A text in which every figure is put into words.
    pub fn text(self, text: &str) -> String {
        if self == Self::Other || !text.contains(|c: char| c.is_ascii_digit()) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((before, figure, after)) = next_figure(rest, last(text, rest)) {
            out.push_str(before);
            match &figure {
                Figure::Phone(digits) => out.push_str(&self.phone(digits)),
                Figure::Digits(digits) => out.push_str(&self.digits(digits)),
                other => out.push_str(&self.figure(other).unwrap_or_default()),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// The character of `text` before its end `rest`.
fn last(text: &str, rest: &str) -> Option<char> {
    text.get(..text.len() - rest.len()).and_then(|before| before.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mandarin_figures_become_words() {
        for (text, spoken) in [
            ("12,300元", "一万二千三百元"),
            ("12300元", "一万二千三百元"),
            ("2026年3月5号", "二零二六年三月五号"),
            ("2026-03-05", "二零二六年三月五号"),
            ("2026/12/31", "二零二六年十二月三十一号"),
            ("3月15日前", "三月十五日前"),
            ("3.6%", "百分之三点六"),
            ("年化3.65％左右", "百分之三点六五左右"),
            ("¥1,299", "一千二百九十九元"),
            ("￥9.9", "九点九元"),
            ("$20", "二十美元"),
            ("10", "十"),
            ("15天", "十五天"),
            ("110", "一百一十"),
            ("105", "一百零五"),
            ("1010", "一千零一十"),
            ("10050", "一万零五十"),
            ("100000000", "一亿"),
            ("2元", "两元"),
            ("2000元", "两千元"),
            ("200元", "二百元"),
            ("20000", "两万"),
            ("0.5", "零点五"),
            ("14:30", "十四点三十分"),
            ("9:00", "九点"),
            ("2:05", "两点零五分"),
            ("8-10天", "八到十天"),
            ("13800138000", "幺三八，零零幺三，八零零零"),
            ("400-800-1234", "四零零，八零零，幺二三四"),
            ("12万元", "十二万元"),
            ("3.5万", "三点五万"),
            ("没有数字", "没有数字"),
            ("5G套餐", "5G套餐"),
            ("尾号007", "尾号零零七"),
        ] {
            let spoken = if text.starts_with("年化") { format!("年化{spoken}") } else { spoken.to_owned() };
            assert_eq!(Tongue::Chinese.text(text), spoken, "{text}");
        }
    }

    #[test]
    fn english_figures_become_words() {
        for (text, spoken) in [
            ("12,300", "twelve thousand three hundred"),
            ("It is 105 now.", "It is one hundred and five now."),
            ("1,000,001", "one million and one"),
            ("$1,250.50", "one thousand two hundred and fifty dollars and fifty cents"),
            ("£1", "one pound"),
            ("€9.99", "nine euros and ninety-nine cents"),
            ("3.6%", "three point six percent"),
            ("2026-03-05", "March fifth, twenty twenty-six"),
            ("2005-11-21", "November twenty-first, two thousand and five"),
            ("on March 5", "on March fifth"),
            ("the 3rd time", "the third time"),
            ("14:30", "two thirty p.m."),
            ("9:00", "nine o'clock"),
            ("8-10 days", "eight to ten days"),
            ("5550143", "five five five, zero one four three"),
            ("020 555 0143", "zero two zero, five five five, zero one four three"),
            ("a 4K screen", "a 4K screen"),
            ("-5 degrees", "minus five degrees"),
            ("100 yuan", "one hundred yuan"),
        ] {
            assert_eq!(Tongue::English.text(text), spoken, "{text}");
        }
    }

    #[test]
    fn the_form_is_chosen_where_it_is_named() {
        let zh = |form: Form, text: &str| Tongue::Chinese.speak(form, text);
        let en = |form: Form, text: &str| Tongue::English.speak(form, text);
        assert_eq!(en(Form::Digits, "143"), "one four three");
        assert_eq!(en(Form::Digits, "5550143"), "five five five, zero one four three");
        assert_eq!(en(Form::Digits, "saturday"), "saturday");
        assert_eq!(en(Form::Digits, ""), "");
        assert_eq!(zh(Form::Digits, "143"), "幺四三");
        assert_eq!(zh(Form::Money, "680"), "六百八十元");
        assert_eq!(zh(Form::Money, "680元"), "六百八十元");
        assert_eq!(zh(Form::Number, "5550143"), "五百五十五万零一百四十三");
        assert_eq!(zh(Form::Percent, "3.6"), "百分之三点六");
        assert_eq!(en(Form::Percent, "3.6%"), "three point six percent");
        assert_eq!(en(Form::Raw, "3.6%"), "3.6%");
        assert_eq!(Tongue::Other.speak(Form::AsItLooks, "3.6%"), "3.6%");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_figure_is_left(text in "[0-9,.:%$¥元年月日/ -]{0,24}") {
            for tongue in [Tongue::Chinese, Tongue::English] {
                let spoken = tongue.text(&text);
                prop_assert!(!spoken.contains(|c: char| c.is_ascii_digit()), "{spoken}");
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            for tongue in [Tongue::Chinese, Tongue::English, Tongue::Other] {
                let _ = tongue.text(&text);
                let _ = tongue.speak(Form::Money, &text);
                let _ = tongue.speak(Form::Phone, &text);
            }
        }
    }
}
