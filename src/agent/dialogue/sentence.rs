//! A streamed answer, cut into sentences to be spoken one by one.

use super::prompt::clean;

/// A sentence longer than this, in bytes, is cut at the last comma or space.
const MAX_SENTENCE: usize = 300;
/// Shorter pieces are not spoken alone: "Mr." and "No. 5" are not sentences.
const MIN_CHARS: usize = 2;
/// What ends in a dot without ending a sentence.
const ABBREVIATIONS: [&str; 14] =
    ["mr", "mrs", "ms", "dr", "st", "prof", "no", "vs", "etc", "e.g", "i.e", "a.m", "p.m", "approx"];

/// Collects pieces and gives sentences, plain and bounded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sentences {
    rest: String,
}

impl Sentences {
    /// Takes a piece; gives the sentences that are complete with it.
    pub fn push(&mut self, piece: &str) -> Vec<String> {
        let mut out = Vec::new();
        for c in piece.chars() {
            self.rest.push(c);
            // The last character is not decided yet: "3." may go on with "5".
            while let Some(end) = self.sentence_end() {
                let tail = self.rest.split_off(end);
                let sentence = clean(&std::mem::replace(&mut self.rest, tail));
                if !sentence.is_empty() {
                    out.push(sentence);
                }
            }
        }
        out
    }

    /// The answer is complete: gives what is left.
    pub fn finish(&mut self) -> Option<String> {
        let rest = clean(&std::mem::take(&mut self.rest));
        (!rest.is_empty()).then_some(rest)
    }

    /// The byte just after the first complete sentence.
    fn sentence_end(&self) -> Option<usize> {
        let mut chars = self.rest.char_indices().peekable();
        let mut count = 0;
        while let Some((at, c)) = chars.next() {
            count += 1;
            let end = at + c.len_utf8();
            let next = chars.peek().map(|(_, next)| *next);
            let ends = match c {
                '。' | '！' | '？' | '\n' => true,
                '!' | '?' => next.is_some_and(|next| next.is_whitespace() || next.is_alphabetic()),
                '.' => next.is_some_and(char::is_whitespace) && !self.abbreviated(at),
                _ => false,
            };
            if ends && (count >= MIN_CHARS || c == '\n') {
                return Some(end);
            }
        }
        (self.rest.len() > MAX_SENTENCE).then(|| {
            let cut = self.rest.rfind([',', ';', ':']).or_else(|| self.rest.rfind(' ')).filter(|at| *at > 0);
            cut.map_or(self.rest.len(), |at| at + 1)
        })
    }

    fn abbreviated(&self, dot: usize) -> bool {
        let before = self.rest.get(..dot).unwrap_or_default();
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
        let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i";
        initial || ABBREVIATIONS.contains(&word.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<String> {
        let mut sentences = Sentences::default();
        let mut out = sentences.push(text);
        out.extend(sentences.finish());
        out
    }

    #[test]
    fn sentences_come_as_soon_as_they_are_complete() {
        let mut sentences = Sentences::default();
        assert!(sentences.push("It starts at 10").is_empty());
        assert!(sentences.push(".").is_empty());
        assert!(sentences.push("30 sharp.").is_empty());
        assert_eq!(sentences.push(" Come"), ["It starts at 10.30 sharp."]);
        assert_eq!(sentences.push(" early! See you"), ["Come early!"]);
        assert_eq!(sentences.finish().as_deref(), Some("See you"));
        assert_eq!(sentences.finish(), None);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        assert_eq!(all("Ask Mr. Brown at 10 a.m. tomorrow. Fine?"), ["Ask Mr. Brown at 10 a.m. tomorrow.", "Fine?"]);
        assert_eq!(all("好的。我们星期六见！"), ["好的。", "我们星期六见！"]);
        assert_eq!(all("So do I. Bye."), ["So do I.", "Bye."]);
    }

    #[test]
    fn marks_of_a_written_text_are_not_spoken() {
        assert_eq!(all("**Sure!**\n- bring `water`\n\n"), ["Sure!", "bring water"]);
    }

    proptest! {
        #[test]
        fn every_sentence_is_bounded(text in "\\PC{0,900}") {
            for sentence in all(&text) {
                prop_assert!(!sentence.is_empty() && sentence.len() <= MAX_SENTENCE + 8);
            }
        }
    }
}
