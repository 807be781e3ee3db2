//! Cuts a line into the pieces that are synthesised one after the other, so that the first is heard while the rest is made.

/// Longest first piece, in bytes: it decides how soon something is heard.
const FIRST_MAX: usize = 110;
/// Longest later piece, in bytes.
const PIECE_MAX: usize = 240;
/// Silence put after a sentence, in milliseconds, on top of what shaping leaves at both ends.
const SENTENCE_PAUSE_MS: u32 = 200;
/// Silence put after a clause.
const CLAUSE_PAUSE_MS: u32 = 60;

/// Words that end in a full stop which does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "ave", "rd", "blvd", "apt", "no", "vs", "etc", "e.g", "i.e", "jr", "sr",
    "inc", "ltd", "co", "dept", "approx", "ext", "a.m", "p.m", "u.s", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
    "sep", "sept", "oct", "nov", "dec",
];

/// A piece of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    /// The words.
    pub text: String,
    /// Where it ends in the line, in bytes: always at a character's boundary.
    pub end: usize,
    /// Silence to follow it, in milliseconds; 0 after the last one.
    pub pause_ms: u32,
}

/// The pieces of `line` in order. What holds no letter and no digit is left out; the last piece ends at `line.len()`.
pub(super) fn split(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let rest = &line[start..];
        let sentence = sentence_end(rest);
        let limit = if pieces.is_empty() { FIRST_MAX } else { PIECE_MAX };
        let (len, pause_ms) = match sentence > limit {
            true => (clause_end(&rest[..sentence], limit), CLAUSE_PAUSE_MS),
            false => (sentence, SENTENCE_PAUSE_MS),
        };
        let end = start + len;
        let text = line[start..end].trim();
        if text.chars().any(char::is_alphanumeric) {
            pieces.push(Piece { text: text.to_owned(), end, pause_ms });
        }
        start = end;
    }
    if let Some(last) = pieces.last_mut() {
        last.pause_ms = 0;
        last.end = line.len();
    }
    pieces
}

/// Bytes up to the end of the first sentence, the white space after it included.
fn sentence_end(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let wide = matches!(c, '。' | '！' | '？');
        if c == '\n' || wide {
            return skip(text, at + c.len_utf8());
        }
        if !matches!(c, '.' | '!' | '?' | '…') {
            continue;
        }
        while chars.next_if(|(_, c)| matches!(c, '.' | '!' | '?' | '"' | '\'' | ')' | '”' | '’')).is_some() {}
        let after = chars.peek().map_or(text.len(), |&(at, _)| at);
        let at_gap = text[after..].chars().next().is_none_or(char::is_whitespace);
        if at_gap && !(c == '.' && abbreviated(&text[..at])) {
            return skip(text, after);
        }
    }
    text.len()
}

/// Whether the word at the end of `before` is one whose full stop belongs to it.
pub(super) fn abbreviated(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    initial || ABBREVIATIONS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Where to cut a sentence that is too long: after the last clause before `limit`, else after the last word, else anywhere.
fn clause_end(sentence: &str, limit: usize) -> usize {
    let limit = (0..=limit.min(sentence.len())).rev().find(|&at| sentence.is_char_boundary(at)).unwrap_or(0);
    let head = &sentence[..limit];
    let clause = head
        .char_indices()
        .filter(|&(at, c)| matches!(c, ',' | ';' | ':' | '，' | '；' | '、') && gap_follows(head, at + c.len_utf8(), c))
        .map(|(at, c)| at + c.len_utf8())
        .next_back()
        .filter(|&at| at >= limit / 4);
    let word =
        || head.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at).next_back().filter(|&at| at > 0);
    let first = || sentence.chars().next().map_or(sentence.len(), char::len_utf8);
    let end = clause.or_else(word).unwrap_or(limit).max(first());
    skip(sentence, end)
}

fn gap_follows(text: &str, at: usize, mark: char) -> bool {
    !mark.is_ascii() || text[at..].starts_with(char::is_whitespace)
}

/// `at`, moved over the white space that follows it.
fn skip(text: &str, at: usize) -> usize {
    at + text[at..].len() - text[at..].trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn cuts_at_sentences() {
        assert_eq!(texts("Hello. How are you? Fine!"), ["Hello.", "How are you?", "Fine!"]);
        assert_eq!(texts("One line\nand another"), ["One line", "and another"]);
        assert_eq!(texts("He said \"go.\" Then he went."), ["He said \"go.\"", "Then he went."]);
        assert_eq!(texts("你好。再见！"), ["你好。", "再见！"]);
    }

    #[test]
    fn leaves_abbreviations_numbers_and_initials_alone() {
        for line in
            ["Mr. Smith pays 3.50 a month.", "Call Dr. J. Miller at 5 p.m. today", "That is No. 5, e.g. the red one"]
        {
            assert_eq!(texts(line), [line]);
        }
        assert_eq!(texts("So do I. You too."), ["So do I.", "You too."]);
    }

    #[test]
    fn cuts_a_long_first_sentence_at_a_clause() {
        let line = "We are calling about the appointment that you made last week with our office in town, which is at three \
                    in the afternoon on the first floor, and we would like to know whether you can still come.";
        let pieces = split(line);
        assert!(pieces.len() > 1 && pieces[0].text.ends_with("in town,"), "{pieces:?}");
        assert_eq!(pieces[0].pause_ms, CLAUSE_PAUSE_MS);
        assert_eq!(pieces.last().map(|p| (p.end, p.pause_ms)), Some((line.len(), 0)));
    }

    #[test]
    fn nothing_to_say_is_no_piece() {
        assert!(split("").is_empty());
        assert!(split(" ... !? ").is_empty());
    }

    proptest! {
        #[test]
        fn pieces_are_bounded_and_lose_no_word(line in "\\PC{0,600}") {
            let pieces = split(&line);
            let mut start = 0;
            for piece in &pieces {
                prop_assert!(piece.end > start && line.is_char_boundary(piece.end));
                prop_assert!(piece.text.len() <= PIECE_MAX);
                start = piece.end;
            }
            let said: String = pieces.iter().flat_map(|p| p.text.chars()).filter(|c| c.is_alphanumeric()).collect();
            let meant: String = line.chars().filter(|c| c.is_alphanumeric()).collect();
            prop_assert_eq!(said, meant);
        }
    }
}
