//! From the best path to words and how sure they are.

use super::ffi::Segment;
use super::grammar::{base, is_filler, is_unknown};

/// What was understood.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Understood {
    /// The words, without fillers; empty when nothing was understood.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// What that is made from.
    pub evidence: Evidence,
}

/// What the confidence is made from; 0 where nothing was understood.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Evidence {
    /// Acoustic score of a frame of the words, on average: how far the phrases are from what would have fitted best.
    pub score: f32,
    /// Share of the speech that the phrases explain; the rest is unknown speech.
    pub share: f32,
    /// How much more a frame of the phrase costs than any sounds would, with what both grammars charge; 0 unless they were
    /// compared.
    pub gap: f32,
    /// Frames of the words.
    pub frames: f32,
    /// The phrases alone gave what the phrases among anything had given.
    pub agree: bool,
}

/// Words below this confidence are not worth showing to anybody.
const NOTHING: f32 = 0.1;

/// Weights of [`Evidence::compared`]: offset, gap, logarithm of the frames, agreement.
const COMPARED: (f32, f32, f32, f32) = (-10.9, -0.116, 1.86, 1.78);

impl Evidence {
    /// Logistic regression over 1121 utterances of 150 speakers in wide and telephone band, phrases that were said
    /// against phrases that were heard in other sentences. At 0.3 it keeps nine in ten of the former and drops
    /// more than nine in ten of the latter (`tipring eval asr` prints such figures).
    fn probability(self) -> f32 {
        let z = 0.57 + 0.163 * self.score + 6.67 * self.share;
        1.0 / (1.0 + (-z).exp())
    }

    /// Logistic regression over what was heard again of the tuning halves in `docs/engines.md` in telephone band, adults'
    /// phrases and digits counting alike, and what was not expected for one utterance in three.
    fn compared(self) -> f32 {
        let agree = if self.agree { 1.0 } else { 0.0 };
        let z = COMPARED.0 + COMPARED.1 * self.gap + COMPARED.2 * self.frames.ln() + COMPARED.3 * agree;
        1.0 / (1.0 + (-z).exp())
    }
}

/// Reads the best path.
pub(super) fn understand(path: &[Segment]) -> Understood {
    let words = || path.iter().filter(|segment| !is_filler(&segment.word));
    let known: i32 = words().map(Segment::frames).sum();
    if known == 0 {
        return Understood::default();
    }
    let unknown: i32 = path.iter().filter(|segment| is_unknown(&segment.word)).map(Segment::frames).sum();
    let score: i64 = words().map(|segment| i64::from(segment.acoustic)).sum();
    let evidence = Evidence {
        score: score as f32 / known as f32,
        share: known as f32 / known.saturating_add(unknown) as f32,
        frames: known as f32,
        ..Evidence::default()
    };
    let confidence = evidence.probability();
    if confidence < NOTHING {
        return Understood { text: String::new(), confidence: 0.0, evidence };
    }
    let text: Vec<&str> = words().map(|segment| base(&segment.word)).collect();
    Understood { text: text.join(" "), confidence, evidence }
}

/// From this confidence on the first answer needs no second look.
pub(super) const SURE: f32 = 0.8;

/// Reads the best path through the phrases alone against the best one through any sounds, and gives the better answer of
/// that and the first one.
pub(super) fn compare(first: Understood, phrases: &[Segment], sounds: &[Segment]) -> Understood {
    let words = || phrases.iter().filter(|segment| !is_filler(&segment.word));
    let known: i32 = words().map(Segment::frames).sum();
    if known == 0 {
        return first;
    }
    let text = words().map(|segment| base(&segment.word)).collect::<Vec<_>>().join(" ");
    let charged = |segment: &Segment| i64::from(segment.acoustic) + i64::from(segment.language);
    let total = |path: &[Segment]| path.iter().map(charged).sum::<i64>();
    let score: i64 = words().map(|segment| i64::from(segment.acoustic)).sum();
    let evidence = Evidence {
        score: score as f32 / known as f32,
        share: first.evidence.share,
        gap: (total(sounds) - total(phrases)) as f32 / known as f32,
        frames: known as f32,
        agree: first.text == text,
    };
    let confidence = evidence.compared();
    if confidence < NOTHING {
        return Understood { text: String::new(), confidence: 0.0, evidence };
    }
    Understood { text, confidence, evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(segments: &[(&str, i32, i32)]) -> Vec<Segment> {
        let mut first = 0;
        let segment = |&(word, frames, per_frame): &(&str, i32, i32)| {
            let segment = Segment {
                word: word.to_owned(),
                first,
                last: first + frames - 1,
                acoustic: frames * per_frame,
                language: 0,
            };
            first += frames;
            segment
        };
        segments.iter().map(segment).collect()
    }

    #[test]
    fn a_phrase_that_fits_is_sure_and_its_fillers_are_not_text() {
        let heard = understand(&path(&[("<sil>", 30, -5), ("call", 30, -25), ("me(2)", 20, -25), ("[NOISE]", 9, -5)]));
        assert_eq!(heard.text, "call me");
        assert!(heard.confidence > 0.8, "{heard:?}");
    }

    #[test]
    fn a_short_word_in_a_long_unknown_sentence_is_nothing() {
        let heard = understand(&path(&[("_S", 100, -20), ("no", 15, -40), ("_AA", 150, -20)]));
        assert_eq!((heard.text.as_str(), heard.confidence), ("", 0.0));
    }

    #[test]
    fn a_phrase_in_other_words_that_fits_well_is_above_one_that_does_not() {
        let good = understand(&path(&[("_AA", 20, -20), ("confirm", 50, -25), ("_S", 15, -20)]));
        let bad = understand(&path(&[("_AA", 20, -20), ("confirm", 50, -50), ("_S", 15, -20)]));
        assert!(good.confidence > 0.6 && bad.confidence < 0.3, "{good:?} {bad:?}");
    }

    #[test]
    fn a_phrase_that_fits_as_well_as_any_sounds_was_said_and_one_that_does_not_was_not() {
        let sounds = path(&[("<sil>", 30, -5), ("_AA", 200, -20), ("<sil>", 30, -5)]);
        let near = path(&[("<sil>", 30, -5), ("call", 100, -23), ("me(2)", 100, -22), ("<sil>", 30, -5)]);
        let far = path(&[("<sil>", 30, -5), ("call", 100, -70), ("me(2)", 100, -60), ("<sil>", 30, -5)]);
        let first = Understood { text: "call me".into(), confidence: 0.2, evidence: Evidence::default() };
        let compared = |phrases: &[Segment]| compare(first.clone(), phrases, &sounds);
        assert_eq!(compared(&near).text, "call me");
        assert!(compared(&near).confidence > 0.3 && compared(&far).text.is_empty(), "{:?}", compared(&near));
        assert_eq!(compared(&[]), first, "no phrase came out");
        let other = compare(Understood::default(), &near, &sounds);
        assert!(other.confidence < compared(&near).confidence, "{other:?}");
    }

    #[test]
    fn silence_is_nothing() {
        assert_eq!(understand(&path(&[("<sil>", 80, -1)])), Understood::default());
        assert_eq!(understand(&[]), Understood::default());
    }
}
