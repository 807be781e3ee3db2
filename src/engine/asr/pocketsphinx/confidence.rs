//! From the best path to words and how sure they are.

use super::again::{Kind, MODELS, Which};
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
    /// Frames of the words, as the first model hears them, and how many sounds they have.
    pub frames: f32,
    /// See `frames`.
    pub sounds: f32,
    /// How many words it has, and whether they are a number's digits.
    pub words: f32,
    /// See `words`.
    pub number: bool,
    /// How many phrases were expected.
    pub choices: f32,
    /// How sure the answer heard among anything was, where it was this phrase.
    pub first: f32,
    /// How much worse a frame of the words fits than any sounds at the same time would, and one of the worst word.
    pub word: f32,
    /// See `word`.
    pub worst: f32,
    /// What each model thinks of it; none of those that were not asked.
    pub opinions: [Option<Opinion>; MODELS],
}

/// What a model thinks of a phrase.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Opinion {
    /// How much more the whole costs than any sounds would, with what both grammars charge; where sounds were not asked, than
    /// the phrase that this model hears first.
    pub behind: f32,
    /// The same for a frame of the phrase.
    pub gap: f32,
    /// How much better a frame of it fits than the best phrase that sounds different; below zero where that one fits better.
    pub margin: f32,
}

/// Words below this confidence are not worth showing to anybody.
const NOTHING: f32 = 0.1;

/// From this confidence on, the first answer of a wide model needs no second opinion. Of the adults' phrases and the digits of
/// the tuning halves 12 of 55 and 75 of 150 were so sure, and 12 and 69 right: as many as after all models were asked.
pub(super) const SURE: f32 = 0.85;

/// How opinions become a confidence: a logistic regression.
struct Weights {
    offset: f32,
    /// Of the logarithms of the frames and of the sounds: who says few words slowly is not thought to have said many.
    frames: f32,
    /// See `frames`.
    sounds: f32,
    /// Of the first answer's confidence.
    first: f32,
    /// Of the words against sounds, and of the worst one.
    word: f32,
    /// See `word`.
    worst: f32,
    /// Of each model's margin.
    margins: [f32; MODELS],
    /// Of each model's gap.
    gaps: [f32; MODELS],
}

/// All of this was learned with so many phrases, one of which was said or not.
const FEW: f32 = 12.0;
/// What the logarithm of how many times as many phrases are expected counts against one that was compared: among hundreds there is
/// always one that sounds much like it. Of the adults of the tuning half 43 % were taken for a phrase that they did not say where
/// 700 were expected, with this 9 %, and 18 % of 12; 62 % instead of 67 % of those who said one were understood.
const CHOICES: f32 = 0.3;
/// The same against each further phrase in what was heard among anything: a chain of short ones imitates whatever was said. Of
/// phrases that were not said 86 % were taken for such a chain, and 4 % are with this; none of one phrase alone.
const CHAIN: f32 = 0.5;

/// What the logarithm of a number's digits counts: it has as many ways to be wrong.
const NUMBER: f32 = -0.9;

/// What a model's misfit counts when the phrase is chosen that fits best over all.
const CHOICE: [f32; MODELS] = [0.25, 1.0, 0.25];

// Fitted on the tuning halves in `docs/engines.md` in telephone band, one set for each company of models: adults' phrases or one
// speaker's digits and numbers; what was not expected counts for one utterance in two or three. The offsets are such that at 0.3
// about one in six phrases that were not expected is taken for another, drawn three times for each adult of the tuning half.
const WIDE: Weights = Weights {
    offset: -13.44,
    frames: 2.015,
    sounds: 0.774,
    first: 1.253,
    word: -0.086,
    worst: -0.037,
    margins: [0.259, 0.0, 0.0],
    gaps: [0.0; MODELS],
};
const NARROW: Weights = Weights {
    offset: -16.3,
    frames: 2.464,
    sounds: 0.797,
    first: 0.0,
    word: -0.023,
    worst: -0.024,
    margins: [0.0, 0.274, 0.0],
    gaps: [0.0; MODELS],
};
const BOTH: Weights = Weights {
    offset: -13.44,
    frames: 2.35,
    sounds: -0.124,
    first: 1.788,
    word: 0.029,
    worst: -0.041,
    margins: [0.177, 0.26, 0.0],
    gaps: [0.0; MODELS],
};
// Of one word, fitted on one speaker's digits without what the model of digits thinks.
const WIDE_WORD: Weights = Weights {
    offset: -0.037,
    frames: -1.07,
    sounds: 1.511,
    first: 4.025,
    word: -0.071,
    worst: 0.0,
    margins: [0.002, 0.0, 0.0],
    gaps: [0.0; MODELS],
};
const NARROW_WORD: Weights = Weights {
    offset: -0.592,
    frames: -0.435,
    sounds: 1.495,
    first: 0.0,
    word: -0.12,
    worst: 0.0,
    margins: [0.0, 0.055, 0.0],
    gaps: [0.0; MODELS],
};
const BOTH_WORD: Weights = Weights {
    offset: -5.688,
    frames: 0.438,
    sounds: 2.087,
    first: 3.322,
    word: -0.098,
    worst: 0.0,
    margins: [-0.073, 0.103, 0.0],
    gaps: [0.0; MODELS],
};
// With what it thinks of them: at 0.3 one in four of the speaker's digits that were not expected is taken with Debian's packages
// alone, and one in nine with the model for the telephone.
const WIDE_DIGITS: Weights = Weights {
    offset: -11.6,
    frames: 2.392,
    sounds: 2.773,
    first: 3.132,
    word: -0.059,
    worst: 0.0,
    margins: [0.0; MODELS],
    gaps: [0.0, 0.0, -0.101],
};
const ALL_DIGITS: Weights = Weights {
    offset: -0.55,
    frames: 0.0,
    sounds: 0.0,
    first: 1.253,
    word: 0.0,
    worst: 0.0,
    margins: [0.0, 0.242, 0.0],
    gaps: [0.0, -0.141, -0.095],
};
// The same of a number, where one digit that is wrong is enough: fitted on numbers of the same speaker.
const WIDE_NUMBER: Weights = Weights {
    offset: 3.755,
    frames: 0.0,
    sounds: 0.0,
    first: 0.0,
    word: 0.0,
    worst: -0.135,
    margins: [0.346, 0.0, 0.0],
    gaps: [0.0; MODELS],
};
const ALL_NUMBER: Weights = Weights {
    offset: 3.905,
    frames: 0.0,
    sounds: 0.0,
    first: 0.0,
    word: 0.0,
    worst: -0.062,
    margins: [0.0, 0.323, 0.0],
    gaps: [0.0, -0.476, 0.0],
};

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
        self.opinions.iter().zip(CHOICE).filter_map(|(opinion, weight)| Some(weight * opinion.as_ref()?.behind)).sum()
    }

    fn compared(&self) -> f32 {
        let (word, phrase, number) = match self.opinions {
            [_, None, None] => (&WIDE_WORD, &WIDE, &WIDE_WORD),
            [_, None, Some(_)] => (&WIDE_DIGITS, &WIDE_DIGITS, &WIDE_NUMBER),
            [None, Some(_), _] => (&NARROW_WORD, &NARROW, &NARROW_WORD),
            [Some(_), Some(_), None] => (&BOTH_WORD, &BOTH, &BOTH_WORD),
            [Some(_), Some(_), Some(_)] => (&ALL_DIGITS, &ALL_DIGITS, &ALL_NUMBER),
        };
        // What was learned of phrases of three words and more does not hold for a single one.
        let z = match self.words {
            1.5.. if self.number => self.weighed(number) + NUMBER * self.words.max(1.0).ln(),
            ..1.5 => self.weighed(word),
            ..2.5 => f32::midpoint(self.weighed(word), self.weighed(phrase)),
            _ => self.weighed(phrase),
        };
        let z = if self.number { z } else { z - CHOICES * crowd(self.choices) };
        1.0 / (1.0 + (-z).exp())
    }

    fn weighed(&self, weights: &Weights) -> f32 {
        let gaps = self.opinions.iter().zip(weights.gaps);
        let margins = self.opinions.iter().zip(weights.margins);
        // Digits were learned one by one.
        let each = self.number || self.opinions[Which::Digits as usize].is_some();
        let digits = if each { self.words.max(1.0) } else { 1.0 };
        weights.offset
            + weights.frames * (self.frames / digits).max(1.0).ln()
            + weights.sounds * (self.sounds / digits).max(1.0).ln()
            + weights.first * self.first
            + weights.word * self.word
            + weights.worst * self.worst
            + gaps.filter_map(|(opinion, weight)| Some(weight * opinion.as_ref()?.gap)).sum::<f32>()
            + margins.filter_map(|(opinion, weight)| Some(weight * opinion.as_ref()?.margin)).sum::<f32>()
    }
}

/// How many times as many phrases are expected as the weights were learned with, as a logarithm.
fn crowd(choices: f32) -> f32 {
    (choices / FEW).max(1.0).ln()
}

impl Understood {
    /// The same, heard among so many phrases that are expected, as a chain of so many `pieces`.
    pub fn among(mut self, choices: usize, pieces: usize) -> Self {
        let odds = self.confidence / (1.0 - self.confidence).max(1e-6);
        let odds = odds * (-CHAIN * crowd(choices as f32) * pieces.saturating_sub(1) as f32).exp();
        self.confidence = odds / (1.0 + odds);
        if self.confidence < NOTHING {
            return Self { text: String::new(), confidence: 0.0, evidence: self.evidence };
        }
        self
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

    /// Of each model, how far a frame of the phrase is behind sounds and ahead of what else it may be.
    fn evidence(opinions: [Option<(f32, f32)>; MODELS]) -> Evidence {
        let opinions = opinions.map(|opinion| opinion.map(|(gap, margin)| Opinion { behind: 40.0 * gap, gap, margin }));
        let gap = opinions.iter().flatten().map(|opinion| opinion.gap).next_back().unwrap_or_default();
        Evidence {
            frames: 100.0,
            sounds: 12.0,
            words: 4.0,
            first: 0.7,
            word: gap,
            worst: gap,
            opinions,
            ..Evidence::default()
        }
    }

    #[test]
    fn what_fits_is_surer_than_what_does_not_whichever_models_there_are() {
        for models in [[true, false, false], [true, false, true], [false, true, false], [true, true, false], [true; 3]]
        {
            let at = |gap: f32, margin: f32| evidence(models.map(|there| there.then_some((gap, margin)))).compared();
            let (good, bad) = (at(-10.0, 15.0), at(60.0, -5.0));
            assert!(good > 0.6 && bad < 0.2, "{models:?}: {good} {bad}");
            assert!(at(10.0, 15.0) >= at(10.0, 1.0) && at(10.0, 5.0) > at(30.0, 5.0) - 1e-6, "{models:?}");
        }
    }

    #[test]
    fn a_long_number_is_not_surer_than_its_digits() {
        for narrow in [None, Some((0.0, 4.0))] {
            let number = |words: f32| {
                let one = evidence([Some((-5.0, 4.0)), narrow, Some((-5.0, 4.0))]);
                let long =
                    Evidence { frames: 20.0 * words, sounds: 3.0 * words, words, number: true, worst: 30.0, ..one };
                long.compared()
            };
            assert!(number(8.0) < number(4.0) - 0.05 && number(4.0) < number(2.0), "{} {}", number(8.0), number(4.0));
        }
    }

    #[test]
    fn a_number_is_as_sure_as_its_worst_digit_and_as_those_who_hear_it_so() {
        let number = |worst: f32, margin: f32| {
            let one = evidence([Some((-5.0, margin)), None, Some((-5.0, 4.0))]);
            Evidence { words: 5.0, number: true, worst, ..one }.compared()
        };
        assert!(number(0.0, 4.0) > 0.7 && number(40.0, 4.0) < 0.3 && number(0.0, -12.0) < 0.3);
    }

    #[test]
    fn the_phrase_that_fits_best_over_all_models_is_taken() {
        let first = Understood { text: "no".into(), confidence: 0.2, evidence: Evidence::default() };
        let one = ("one".to_owned(), evidence([Some((-20.0, -2.0)), Some((-20.0, 9.0)), None]));
        let no = ("no".to_owned(), evidence([Some((-22.0, 2.0)), Some((5.0, -9.0)), None]));
        assert_eq!(judge(first.clone(), vec![no, one]).text, "one");
        assert_eq!(judge(first.clone(), Vec::new()), first);
        let bad = ("one".to_owned(), evidence([Some((60.0, -9.0)), Some((60.0, -9.0)), None]));
        assert_eq!(judge(first, vec![bad]).text, "");
    }

    #[test]
    fn a_chain_of_phrases_is_the_less_sure_the_more_are_expected() {
        let heard = || Understood { text: "yes".into(), confidence: 0.9, evidence: Evidence::default() };
        assert!((heard().among(700, 1).confidence - 0.9).abs() < 1e-4 && heard().among(9, 4).confidence > 0.89);
        let pair = [50, 200, 700].map(|choices| heard().among(choices, 2).confidence);
        assert!(pair.is_sorted_by(|one, more| one > more) && pair[2] > 0.3, "{pair:?}");
        let chain = heard().among(700, 4);
        assert_eq!((chain.text.as_str(), chain.confidence), ("", 0.0));
        let compared = |choices| Evidence { choices, ..evidence([Some((-10.0, 15.0)), None, None]) }.compared();
        assert!(
            compared(700.0) < compared(100.0) && compared(100.0) < compared(12.0) && compared(12.0) == compared(2.0)
        );
    }

    #[test]
    fn silence_is_nothing() {
        assert_eq!(understand(&path(&[("<sil>", 80, -1)]), Kind::Wide), Understood::default());
        assert_eq!(understand(&[], Kind::Narrow), Understood::default());
    }
}
