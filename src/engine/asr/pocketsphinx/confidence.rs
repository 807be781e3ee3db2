//! From the best path to words and how sure they are.

use super::again::{Kind, MODELS};
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
    /// Frames of the words, and how many words.
    pub frames: f32,
    /// See `frames`.
    pub words: f32,
    /// What was heard among anything was this phrase.
    pub agree: bool,
    /// What each model thinks of it; none of those that were not asked.
    pub opinions: [Option<Opinion>; MODELS],
}

/// What a model thinks of a phrase.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Opinion {
    /// How much more a frame of the phrase costs than any sounds would, with what both grammars charge; where sounds were
    /// not asked, than the phrase that this model hears first.
    pub gap: f32,
    /// It is the phrase that this model hears first.
    pub agrees: bool,
}

/// Words below this confidence are not worth showing to anybody.
const NOTHING: f32 = 0.1;

/// From this confidence on, the first answer of a wide model needs no second opinion. Of the adults' phrases and the digits of
/// the tuning halves 12 of 55 and 75 of 150 were so sure, and 12 and 69 right: as many as after all models were asked.
pub(super) const SURE: f32 = 0.85;

/// How opinions become a confidence: a logistic regression.
struct Weights {
    offset: f32,
    /// Of the logarithms of the frames and of the words: who says few words slowly is not thought to have said many.
    frames: f32,
    /// See `frames`.
    words: f32,
    /// Of the first answer being this phrase.
    first: f32,
    /// Of the main model hearing this phrase first.
    agrees: f32,
    /// Of each model's gap.
    gaps: [f32; MODELS],
}

/// What a model's gap counts when the phrase is chosen that fits best over all.
const CHOICE: [f32; MODELS] = [0.5, 1.0, 0.5];

// Fitted on the tuning halves in `docs/engines.md` in telephone band, one set for each company of models: adults' phrases and
// digits count alike, children's half, and what was not expected for one utterance in three. The offsets are such that at 0.3
// one in six adults' phrases that were not expected is taken for another.
const WIDE: Weights =
    Weights { offset: -9.3, frames: 1.95, words: -0.84, first: 1.78, agrees: 0.0, gaps: [-0.125, 0.0, 0.0] };
const WIDE_DIGITS: Weights =
    Weights { offset: -6.36, frames: 1.7, words: -1.36, first: 1.63, agrees: 0.0, gaps: [-0.115, 0.0, -0.092] };
const NARROW: Weights =
    Weights { offset: -6.86, frames: 1.61, words: -1.22, first: 1.84, agrees: 0.0, gaps: [0.0, -0.155, 0.0] };
const BOTH: Weights =
    Weights { offset: -8.38, frames: 1.84, words: -1.33, first: 1.87, agrees: 0.37, gaps: [0.0, -0.133, 0.0] };
const ALL: Weights =
    Weights { offset: -6.35, frames: 1.58, words: -1.67, first: 1.79, agrees: 0.46, gaps: [0.0, -0.112, -0.076] };

impl Evidence {
    /// Logistic regression over 1121 utterances of 150 speakers in wide and telephone band, phrases that were said
    /// against phrases that were heard in other sentences. The scores have since become 19 a frame lower, as all sounds are
    /// scored and not those alone that are in question, and the offset was moved by as much. `tipring eval asr` prints what
    /// is kept and dropped at each confidence.
    fn probability(self) -> f32 {
        let z = 3.67 + 0.163 * self.score + 6.67 * self.share;
        1.0 / (1.0 + (-z).exp())
    }

    /// How badly it fits, over all models; the lower the better.
    fn misfit(&self) -> f32 {
        self.opinions.iter().zip(CHOICE).filter_map(|(opinion, weight)| Some(weight * opinion.as_ref()?.gap)).sum()
    }

    fn compared(&self) -> f32 {
        let weights = match self.opinions {
            [_, None, None] => &WIDE,
            [_, None, Some(_)] => &WIDE_DIGITS,
            [None, Some(_), _] => &NARROW,
            [Some(_), Some(_), None] => &BOTH,
            [Some(_), Some(_), Some(_)] => &ALL,
        };
        let yes = |weight: f32, what: bool| if what { weight } else { 0.0 };
        let gaps = self.opinions.iter().zip(weights.gaps);
        let z = weights.offset
            + weights.frames * self.frames.max(1.0).ln()
            + weights.words * self.words.max(1.0).ln()
            + yes(weights.first, self.agree)
            + yes(weights.agrees, self.opinions[0].is_some_and(|opinion| opinion.agrees))
            + gaps.filter_map(|(opinion, weight)| Some(weight * opinion.as_ref()?.gap)).sum::<f32>();
        1.0 / (1.0 + (-z).exp())
    }
}

/// Reads the best path.
pub(super) fn understand(path: &[Segment], kind: Kind) -> Understood {
    let words = || path.iter().filter(|segment| !is_filler(&segment.word));
    let known: i32 = words().map(Segment::frames).sum();
    if known == 0 {
        return Understood::default();
    }
    let unknown: i32 = path.iter().filter(|segment| is_unknown(&segment.word)).map(Segment::frames).sum();
    let score: i64 = words().map(|segment| i64::from(segment.acoustic)).sum();
    let evidence = Evidence {
        score: if kind == Kind::Wide { score as f32 / known as f32 } else { USUAL },
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

/// What a frame of words that were said scores with a wide model; stands for scores that say nothing by themselves.
const USUAL: f32 = -46.0;

/// Of the phrases in question the one that fits best over all models; the first answer where there is none.
pub(super) fn judge(first: Understood, phrases: Vec<(String, Evidence)>) -> Understood {
    let best = phrases.into_iter().min_by(|(_, a), (_, b)| a.misfit().total_cmp(&b.misfit()));
    let Some((text, evidence)) = best else { return first };
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
                acoustic: frames * (per_frame - 19),
                language: 0,
            };
            first += frames;
            segment
        };
        segments.iter().map(segment).collect()
    }

    #[test]
    fn a_phrase_that_fits_is_sure_and_its_fillers_are_not_text() {
        let heard = understand(
            &path(&[("<sil>", 30, -5), ("call", 30, -25), ("me(2)", 20, -25), ("[NOISE]", 9, -5)]),
            Kind::Wide,
        );
        assert_eq!(heard.text, "call me");
        assert!(heard.confidence > 0.8, "{heard:?}");
    }

    #[test]
    fn a_short_word_in_a_long_unknown_sentence_is_nothing() {
        let heard = understand(&path(&[("_S", 100, -20), ("no", 15, -40), ("_AA", 150, -20)]), Kind::Wide);
        assert_eq!((heard.text.as_str(), heard.confidence), ("", 0.0));
    }

    #[test]
    fn a_phrase_in_other_words_that_fits_well_is_above_one_that_does_not() {
        let good = understand(&path(&[("_AA", 20, -20), ("confirm", 50, -25), ("_S", 15, -20)]), Kind::Wide);
        let bad = understand(&path(&[("_AA", 20, -20), ("confirm", 50, -50), ("_S", 15, -20)]), Kind::Wide);
        assert!(good.confidence > 0.6 && bad.confidence < 0.3, "{good:?} {bad:?}");
    }

    fn evidence(opinions: [Option<(f32, bool)>; MODELS]) -> Evidence {
        let opinions = opinions.map(|opinion| opinion.map(|(gap, agrees)| Opinion { gap, agrees }));
        Evidence { frames: 60.0, words: 1.0, agree: true, opinions, ..Evidence::default() }
    }

    #[test]
    fn what_fits_is_surer_than_what_does_not_whichever_models_there_are() {
        for models in [[true, false, false], [true, false, true], [false, true, false], [true, true, false], [true; 3]]
        {
            let at = |gap: f32, agrees: bool| evidence(models.map(|there| there.then_some((gap, agrees)))).compared();
            assert!(
                at(-25.0, true) > 0.7 && at(25.0, false) < 0.2,
                "{models:?}: {} {}",
                at(-25.0, true),
                at(25.0, false)
            );
            assert!(at(-10.0, true) > at(0.0, true) && at(0.0, true) >= at(0.0, false), "{models:?}");
        }
    }

    #[test]
    fn the_phrase_that_fits_best_over_all_models_is_taken() {
        let first = Understood { text: "no".into(), confidence: 0.2, evidence: Evidence::default() };
        let one = ("one".to_owned(), evidence([Some((-20.0, false)), Some((-20.0, true)), None]));
        let no = ("no".to_owned(), evidence([Some((-22.0, true)), Some((5.0, false)), None]));
        assert_eq!(judge(first.clone(), vec![no, one]).text, "one");
        assert_eq!(judge(first.clone(), Vec::new()), first);
        let bad = ("one".to_owned(), evidence([Some((60.0, true)), Some((60.0, false)), None]));
        assert_eq!(judge(first, vec![bad]).text, "");
    }

    #[test]
    fn silence_is_nothing() {
        assert_eq!(understand(&path(&[("<sil>", 80, -1)]), Kind::Wide), Understood::default());
        assert_eq!(understand(&[], Kind::Narrow), Understood::default());
    }
}
