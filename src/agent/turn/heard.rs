//! Which words of a line the caller heard.

/// Samples per letter where the length of a line is not known: about 15 letters a second.
const SAMPLES_PER_LETTER: u64 = 1_067;
/// Samples per Chinese, Japanese or Korean character, which is a syllable: about 5 a second.
const SAMPLES_PER_SYLLABLE: u64 = 3_200;

/// The length of a line in samples at 16 kHz: as the synthesiser says, or a guess from the text.
pub(crate) fn length(text: &str, total_samples: Option<u64>) -> u64 {
    let guess = |c: char| match c {
        '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{ff00}'..='\u{ffef}' => SAMPLES_PER_SYLLABLE,
        _ => SAMPLES_PER_LETTER,
    };
    total_samples.unwrap_or_else(|| text.chars().map(guess).sum()).max(1)
}

/// The beginning of `text` of which every word ended within `played` samples, taking all characters for equally long.
/// Text without spaces, such as Chinese, is cut between characters.
pub(crate) fn heard(text: &str, played: u64, total_samples: Option<u64>) -> &str {
    let total = length(text, total_samples);
    if played >= total {
        return text;
    }
    let chars = text.chars().count() as u64;
    let reached = (u128::from(chars) * u128::from(played) / u128::from(total)) as u64;
    let spaced = text.contains(char::is_whitespace);
    let mut end = 0;
    let mut seen = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        seen += 1;
        if seen > reached {
            break;
        }
        let after = at + c.len_utf8();
        let word_ends = !spaced || rest.peek().is_none_or(|(_, next)| next.is_whitespace());
        if word_ends && !c.is_whitespace() {
            end = after;
        }
    }
    text.get(..end).unwrap_or_default()
}

/// What is left to be said of a line of which `heard_bytes` were heard: from the beginning of the clause that was cut.
pub(crate) fn rest_from_clause(text: &str, heard_bytes: usize) -> &str {
    let heard = text.get(..heard_bytes).unwrap_or(text);
    let mark = |c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '，' | '。' | '；' | '：' | '！' | '？');
    let from = heard.char_indices().rev().skip(1).find(|(_, c)| mark(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let rest = text.get(from..).unwrap_or(text).trim_start();
    if rest.is_empty() { text } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_character_is_taken_for_a_syllable() {
        assert_eq!(length("您好", None), 6_400);
        assert_eq!(length("hello", None), 5_335);
        assert_eq!(heard("我们有三种套餐", 9_600, None), "我们有", "three fifths of a second");
    }

    #[test]
    fn only_whole_words_were_heard() {
        let text = "one two three four";
        assert_eq!(heard(text, 0, Some(1_800)), "");
        assert_eq!(heard(text, 250, Some(1_800)), "");
        assert_eq!(heard(text, 300, Some(1_800)), "one");
        assert_eq!(heard(text, 650, Some(1_800)), "one");
        assert_eq!(heard(text, 900, Some(1_800)), "one two");
        assert_eq!(heard(text, 1_799, Some(1_800)), "one two three");
        assert_eq!(heard(text, 1_800, Some(1_800)), text);
        assert_eq!(heard(text, u64::MAX, Some(1_800)), text);
    }

    #[test]
    fn an_unknown_length_is_guessed() {
        let text = "one two three four";
        assert_eq!(heard(text, 8_000, None), "one two");
        assert_eq!(heard("", 5, None), "");
        assert_eq!(heard("", 0, Some(0)), "");
    }

    #[test]
    fn a_cut_line_goes_on_with_its_clause() {
        let text = "It is free, and you only pay for lunch. Come at ten.";
        let rest = |heard: &str| rest_from_clause(text, heard.len());
        assert_eq!(rest(""), text);
        assert_eq!(rest("It is"), text);
        assert_eq!(rest("It is free, and you"), "and you only pay for lunch. Come at ten.");
        assert_eq!(rest("It is free, and you only pay for lunch. Come"), "Come at ten.");
        assert_eq!(rest(text), "Come at ten.", "the last clause may not have been understood");
        assert_eq!(rest_from_clause("您好，请问您是哪位？", "您好，请问".len()), "请问您是哪位？");
    }

    #[test]
    fn text_without_spaces_is_cut_between_characters() {
        assert_eq!(heard("您好请问", 500, Some(1_000)), "您好");
    }
}
