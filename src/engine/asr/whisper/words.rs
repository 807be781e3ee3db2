//! Whisper's text as the rest of the house has it: words in lower case, without the punctuation of a book.

/// `text` in lower case, without punctuation but what is inside words and numbers: `don't`, `3.50`, `a@b.example`.
pub(super) fn plain(text: &str) -> String {
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let mut out = String::with_capacity(text.len());
    for (i, &c) in chars.iter().enumerate() {
        let c = if c == '’' { '\'' } else { c };
        let inside = i > 0 && word(at(i - 1)) && word(at(i + 1)) && !wide(at(i - 1)) && !wide(at(i + 1));
        let kept = c.is_alphanumeric() || (inside && matches!(c, '\'' | '.' | ',' | '/' | ':' | '@' | '-' | '_'));
        let kept = kept || (c == '%' && i > 0 && at(i - 1).is_numeric()) || (c == '+' && at(i + 1).is_numeric());
        match kept {
            true => out.push(c),
            false if out.ends_with(' ') || out.is_empty() => {}
            false => out.push(' '),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn word(c: char) -> bool {
    c.is_alphanumeric()
}

/// A character that is a word of its own, more or less: Chinese and Japanese are written without spaces.
fn wide(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x2ffff)
}

/// The units of plain text that are compared between two decodes: words, and single characters where there are no spaces.
pub(super) fn units(plain: &str) -> Vec<&str> {
    let mut units = Vec::new();
    for run in plain.split_whitespace() {
        let mut from = 0;
        for (at, c) in run.char_indices().filter(|(_, c)| wide(*c)) {
            units.extend(run.get(from..at).filter(|before| !before.is_empty()));
            from = at + c.len_utf8();
            units.extend(run.get(at..from));
        }
        units.extend(run.get(from..).filter(|rest| !rest.is_empty()));
    }
    units
}

/// Units written together again.
pub(super) fn join<'a>(units: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for unit in units {
        let apart = out.chars().next_back().is_some_and(|last| !(wide(last) && unit.starts_with(wide)));
        if apart {
            out.push(' ');
        }
        out.push_str(unit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn punctuation_goes_and_what_is_inside_words_stays() {
        assert_eq!(plain(" Yes, please. Don’t call me -- ever!"), "yes please don't call me ever");
        assert_eq!(plain("It's 3.50, at 10:30; 20% of a@b.example"), "it's 3.50 at 10:30 20% of a@b.example");
        assert_eq!(plain("你好，我要退订。"), "你好 我要退订");
        assert_eq!(plain("...?!"), "");
    }

    #[test]
    fn chinese_is_compared_character_by_character() {
        assert_eq!(units("你好 我要vip卡"), ["你", "好", "我", "要", "vip", "卡"]);
        assert_eq!(join(units("你好我要vip卡 ok yes")), "你好我要 vip 卡 ok yes");
        assert_eq!(units("yes please"), ["yes", "please"]);
    }

    proptest! {
        #[test]
        fn any_text_can_be_taken_apart(text in "\\PC{0,80}") {
            let plain = plain(&text);
            let units = units(&plain);
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&plain), letters(&join(units)));
        }
    }
}
