//! From the best path to words and how sure they are.

use super::ffi::Segment;
use super::grammar::{Grammar, base, is_filler};

/// What was understood.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Understood {
    /// The words, without fillers.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// What that is made from.
    pub evidence: Evidence,
}

/// What the confidence is made from.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Evidence {
    /// Mean acoustic score of a frame of the phrases.
    pub mean: f32,
    /// Mean acoustic score of a frame of the worst word of the phrases.
    pub worst: f32,
    /// Frames of the phrases.
    pub frames: f32,
    /// Frames of carrier words.
    pub carriers: f32,
    /// Frames of unknown speech.
    pub unknown: f32,
}

impl Evidence {
    /// The probability that the phrases were said. A logistic fit on 1,102 decodings of human speech in wide and telephone
    /// band (spoken digits; sentences among 12 phrases with and without the right one; 490 of them right), classes weighed
    /// equally; on the half that it was not fitted on the area under the curve is 0.88.
    fn probability(&self) -> f32 {
        let share = self.frames / (self.frames + self.carriers + self.unknown.max(0.0)).max(1.0);
        let logit = 2.0 + 1.01 * self.mean / 30.0 + 1.31 * self.worst / 30.0 + 1.81 * share;
        1.0 / (1.0 + (-logit).exp())
    }
}

/// Reads the best path.
pub(super) fn understand(path: &[Segment], grammar: &Grammar) -> Understood {
    let words: Vec<&Segment> = path.iter().filter(|s| !is_filler(&s.word)).collect();
    let names: Vec<&str> = words.iter().map(|s| base(&s.word)).collect();
    let mut evidence = Evidence::default();
    let mut score = 0.0;
    let mut at = 0;
    while let Some(rest) = names.get(at..).filter(|rest| !rest.is_empty()) {
        let length = grammar.phrase_at(rest);
        for word in words.iter().skip(at).take(length.unwrap_or(1)) {
            let frames = word.frames() as f32;
            if length.is_some() {
                evidence.frames += frames;
                score += word.acoustic as f32;
                evidence.worst = evidence.worst.min(word.acoustic as f32 / frames);
            } else {
                evidence.carriers += frames;
            }
        }
        at += length.unwrap_or(1);
    }
    evidence.mean = score / evidence.frames.max(1.0);
    evidence.unknown = path.iter().filter(|s| s.word.starts_with('_')).map(|s| s.frames() as f32).sum();
    let confidence = if names.is_empty() { 0.0 } else { evidence.probability() };
    Understood { text: names.join(" "), confidence, evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_phrase_and_the_better_it_fits_the_surer() {
        let clean = Evidence { mean: -30.0, worst: -45.0, frames: 100.0, carriers: 0.0, unknown: 0.0 };
        let padded = Evidence { carriers: 80.0, unknown: 60.0, ..clean };
        let poor = Evidence { mean: -70.0, worst: -110.0, ..clean };
        assert!(clean.probability() > 0.6);
        assert!(padded.probability() < clean.probability());
        assert!(poor.probability() < 0.35, "{}", poor.probability());
    }
}
