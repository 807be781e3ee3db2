//! What a classifier sees of a text: hashed n-grams in four views, and the concepts that its words stand for.
//!
//! Latin script: words and their pairs, the letters within words, and pairs of stems that stand apart. Chinese script: the words
//! of jieba, the characters, and the syllables that they are spoken with, so that a recogniser which wrote another character of
//! the same sound does little harm. Words and syllables that stand apart are paired by their sound, too. A text may mix both.

use super::concepts;
use super::language::is_han;
use super::sounds::{spoken, syllable};
use jieba_rs::Jieba;
use std::sync::OnceLock;

/// How many views there are. Each is weighted and scaled to unit length by itself.
pub const VIEWS: usize = 5;
/// Words and their neighbours.
pub const WORDS: usize = 0;
/// Letters or characters.
pub const LETTERS: usize = 1;
/// Stems that stand apart; in Chinese, syllables.
pub const SOUNDS: usize = 2;
/// Concepts and their pairs.
pub const CONCEPTS: usize = 3;
/// Words by their consonants, and pairs of them; in Chinese, syllables that stand apart.
pub const HEARD: usize = 4;

/// A text longer than this, in characters, is cut: nobody says so much in one turn, and the time per reading stays bounded.
const LONGEST: usize = 400;
/// How far apart two stems may stand to be a pair.
const REACH: usize = 6;
/// How far apart two sounds may stand to be a pair.
const WITHIN: usize = 3;

/// The segmenter with its dictionary, made once: it takes some hundred milliseconds.
pub(crate) fn jieba() -> &'static Jieba {
    static JIEBA: OnceLock<Jieba> = OnceLock::new();
    JIEBA.get_or_init(Jieba::new)
}

/// The hashed features of one text, by view. Reused from text to text.
#[derive(Default, Debug)]
pub struct Features {
    /// The features of each view, in the order in which they were seen, repeated when seen again.
    pub views: [Vec<u32>; VIEWS],
    text: String,
    words: Vec<(usize, usize)>,
    stems: Vec<u32>,
    /// What concepts are looked up by: words without endings, contractions taken apart, or Chinese characters; and how they sound.
    units: Vec<u32>,
    spoken: Vec<u32>,
    /// How each word, or Chinese character, sounds, and whether it is one.
    heard: Vec<(u32, bool)>,
    found: Vec<concepts::Found>,
}

impl Features {
    /// Reads a text. What was read before is forgotten.
    pub fn read(&mut self, text: &str) {
        let text = self.begin(text);
        self.word_grams(&text);
        self.pairs();
        self.sound_grams();
        concepts::shipped().find(&self.units, &self.spoken, &mut self.found);
        concepts::grams(&self.found, &mut self.views[CONCEPTS]);
        self.text = text;
    }

    /// The units of a text, and how they sound.
    pub(crate) fn units(&mut self, text: &str) -> (&[u32], &[u32]) {
        self.text = self.begin(text);
        (&self.units, &self.spoken)
    }

    /// Forgets what was read before and splits a text, which it gives back normalised.
    fn begin(&mut self, text: &str) -> String {
        self.views.iter_mut().for_each(Vec::clear);
        for list in [&mut self.stems, &mut self.units, &mut self.spoken] {
            list.clear();
        }
        self.words.clear();
        self.heard.clear();
        self.text.clear();
        normalise(text, &mut self.text);
        let text = std::mem::take(&mut self.text);
        self.split(&text);
        text
    }

    /// Whether the text holds nothing that could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words, of both scripts; letters, characters and syllables are taken on the way.
    fn split(&mut self, text: &str) {
        let mut from = 0;
        while let Some(first) = text[from..].chars().next() {
            let same = |c: char| if is_han(first) { is_han(c) } else { is_letter(c) && !is_han(c) };
            if !same(first) {
                from += first.len_utf8();
                continue;
            }
            let end = text[from..].char_indices().find(|(_, c)| !same(*c)).map_or(text.len(), |(at, _)| from + at);
            if is_han(first) {
                self.han(text, from, end)
            } else {
                self.latin(text, from, end)
            }
            from = end;
        }
    }

    fn latin(&mut self, text: &str, from: usize, end: usize) {
        let word = text[from..end].trim_matches('\'');
        if word.is_empty() {
            return;
        }
        let start = from + text[from..end].find(word).unwrap_or(0);
        self.words.push((start, start + word.len()));
        self.stems.push(hash(7, stem(word).as_bytes()));
        self.heard.push((spoken(word), false));
        for part in apart(word).into_iter().filter(|part| !part.is_empty()) {
            let unit = hash(7, stem(part).as_bytes());
            self.units.push(unit);
            self.spoken.push(unit);
        }
        // As `char_wb` of scikit-learn: n-grams of the word with a blank on either side.
        let mut padded = [0u8; 66];
        let bytes = word.as_bytes();
        let length = bytes.len().min(64);
        padded[0] = b' ';
        padded[1..=length].copy_from_slice(&bytes[..length]);
        padded[length + 1] = b' ';
        let padded = &padded[..length + 2];
        for n in 2..=5 {
            if padded.len() <= n {
                self.views[LETTERS].push(hash(n as u32, padded));
                break;
            }
            self.views[LETTERS].extend(padded.windows(n).map(|gram| hash(n as u32, gram)));
        }
    }

    fn han(&mut self, text: &str, from: usize, end: usize) {
        let run = &text[from..end];
        for word in jieba().cut(run, false) {
            let word = word.word;
            let start = from + (word.as_ptr() as usize - run.as_ptr() as usize);
            self.words.push((start, start + word.len()));
        }
        // Neighbouring characters, and syllables as they sound on a telephone; the ends of the run count.
        let mut letters = [0u32; 4];
        let mut sounds = [0u32; 4];
        let ends = std::iter::once('^').chain(run.chars()).chain(std::iter::once('$'));
        for (seen, c) in ends.enumerate() {
            letters.rotate_right(1);
            sounds.rotate_right(1);
            letters[0] = hash(11, c.encode_utf8(&mut [0; 4]).as_bytes());
            sounds[0] = syllable(c);
            if !matches!(c, '^' | '$') {
                self.units.push(letters[0]);
                self.spoken.push(sounds[0]);
                self.heard.push((sounds[0], true));
            }
            for n in 1..=4.min(seen + 1) {
                if n == 1 && matches!(c, '^' | '$') {
                    continue;
                }
                if n <= 3 {
                    self.views[LETTERS].push(join(20 + n as u32, &letters[..n]));
                }
                self.views[SOUNDS].push(join(30 + n as u32, &sounds[..n]));
            }
        }
    }

    fn word_grams(&mut self, text: &str) {
        let (mut before, mut two_before) = (hash(1, b"^"), 0);
        let mut add = |word: u32, last: bool| {
            if !last {
                self.views[WORDS].push(word);
            }
            self.views[WORDS].push(join(2, &[before, word]));
            if two_before != 0 {
                self.views[WORDS].push(join(3, &[two_before, before, word]));
            }
            (two_before, before) = (before, word);
        };
        for (start, end) in &self.words {
            add(hash(1, &text.as_bytes()[*start..*end]), false);
        }
        add(hash(1, b"$"), true);
    }

    /// Stems that stand apart, in either order.
    fn pairs(&mut self) {
        for (n, one) in self.stems.iter().enumerate() {
            self.views[SOUNDS].push(*one);
            for other in self.stems.iter().skip(n + 1).take(REACH) {
                self.views[SOUNDS].push(join(8, &[*one.min(other), *one.max(other)]));
            }
        }
    }

    /// Sounds, and pairs of them in the order in which they stand. Neighbouring syllables are seen elsewhere.
    fn sound_grams(&mut self) {
        for (n, (one, han)) in self.heard.iter().enumerate() {
            if !han {
                self.views[HEARD].push(*one);
            }
            for (between, (other, _)) in self.heard.iter().skip(n + 1).take(WITHIN).enumerate() {
                if between > 0 || !han {
                    self.views[HEARD].push(join(if between > 0 { 46 } else { 45 }, &[*one, *other]));
                }
            }
        }
    }
}

/// Part of a word of Latin script.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '\''
}

/// `don't` as `do not`, `I'm` as `I am`, `she's` as `she is`.
fn apart(word: &str) -> [&str; 2] {
    if let Some(verb) = word.strip_suffix("n't") {
        return [
            if verb == "ca" {
                "can"
            } else if verb == "wo" {
                "will"
            } else {
                verb
            },
            "not",
        ];
    }
    let Some((first, last)) = word.split_once('\'') else {
        return if word == "cannot" { ["can", "not"] } else { [word, ""] };
    };
    let full = match last {
        "m" => "am",
        "re" => "are",
        "ve" => "have",
        "ll" => "will",
        "d" => "would",
        "s" => "is",
        other => other,
    };
    [first, full]
}

/// Small letters, half width, straight apostrophes, digits alike.
fn normalise(text: &str, out: &mut String) {
    for c in text.chars().take(LONGEST) {
        let c = match c {
            '\u{2019}' | '\u{2018}' | '\u{ff07}' => '\'',
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            '\u{3000}' => ' ',
            _ => c,
        };
        if c.is_numeric() && !is_han(c) {
            out.push('0');
        } else {
            out.extend(c.to_lowercase());
        }
    }
}

/// A word without the endings that matter least.
pub(crate) fn stem(word: &str) -> &str {
    let cut = |ending: &str, leave: usize| word.strip_suffix(ending).filter(|stem| stem.len() >= leave);
    if !word.is_ascii() {
        return word;
    }
    for (ending, leave) in [("ing", 4), ("edly", 4), ("ed", 4), ("ies", 3), ("es", 4), ("ly", 4)] {
        if let Some(stem) = cut(ending, leave) {
            return doubled(stem);
        }
    }
    if let Some(stem) = cut("s", 3).filter(|stem| !stem.ends_with(['s', 'u', 'i'])) {
        return stem.strip_suffix('e').filter(|s| s.len() >= 4).unwrap_or(stem);
    }
    cut("e", 4).or(cut("y", 3)).unwrap_or(word)
}

/// `cancell` as `cancel`.
fn doubled(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., a, b] if a == b && bytes.len() > 3 => &stem[..stem.len() - 1],
        [.., b'e'] if bytes.len() > 4 => &stem[..stem.len() - 1],
        _ => stem,
    }
}

/// FNV-1a, with the kind of feature in it and its bits mixed at the end.
pub(crate) fn hash(kind: u32, bytes: &[u8]) -> u32 {
    let mut h = 0x811c_9dc5u32 ^ kind.wrapping_mul(0x9e37_79b1);
    for byte in bytes {
        h = (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    mix(h)
}

/// The hash of several hashes in a row.
pub(crate) fn join(kind: u32, parts: &[u32]) -> u32 {
    parts
        .iter()
        .fold(mix(kind.wrapping_mul(0x9e37_79b1)), |h, part| mix(h.rotate_left(5) ^ part.wrapping_mul(0x85eb_ca6b)))
}

fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Features {
        let mut features = Features::default();
        features.read(text);
        features
    }

    #[test]
    fn scripts_may_mix_and_width_case_and_digits_do_not_matter() {
        let mixed = read("这个APP多少钱 now");
        assert!(mixed.views.iter().all(|view| view.len() > 3), "{mixed:?}");
        assert_eq!(read("Call ME at ５").views, read("call me at 7").views);
        assert!(read(" ... ，！").is_empty() && !read("嗯").is_empty());
    }

    #[test]
    fn characters_of_one_sound_share_a_view() {
        let (right, heard) = (read("太贵"), read("泰柜"));
        assert_ne!(right.views[LETTERS], heard.views[LETTERS]);
        assert_eq!(right.views[SOUNDS], heard.views[SOUNDS]);
    }

    #[test]
    fn endings_are_cut_from_words_long_enough() {
        for (word, stemmed) in
            [("calls", "call"), ("walking", "walk"), ("cancelled", "cancel"), ("this", "this"), ("fees", "fee")]
        {
            assert_eq!(stem(word), stemmed, "{word}");
        }
        assert_eq!(stem("école"), "école");
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let features = read(&"价格多少 what is it ".repeat(5000));
        assert!(features.views.iter().map(Vec::len).sum::<usize>() < 40 * LONGEST);
    }
}
