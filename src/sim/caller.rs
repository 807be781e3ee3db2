//! One caller: how fast, with which pauses, and each utterance as it is spoken.

use super::behaviour::Behaviour;
use super::corpus::Corpus;
use super::dice::Dice;
use crate::speech::PauseCurve;

/// What comes after a stretch of speech.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum After {
    /// A pause in the middle of the turn.
    Hold {
        /// Its length.
        ms: u64,
        /// What was said so far could be all.
        complete: bool,
    },
    /// The end of the turn.
    End,
}

/// A stretch of speech without a pause.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stretch {
    /// Each word with its length in milliseconds.
    pub words: Vec<(String, u64)>,
    /// What follows.
    pub after: After,
    /// Fall of the pitch before it, in semitones, where it can be measured.
    pub pitch_fall_st: Option<f32>,
    /// Length of the last word against the usual one.
    pub lengthening: f32,
}

impl Stretch {
    pub fn ms(&self) -> u64 {
        self.words.iter().map(|(_, ms)| ms).sum()
    }
}

/// One caller.
#[derive(Debug)]
pub(super) struct Caller {
    word_ms: f64,
    pause_scale: f64,
    hesitation: f64,
    curve: PauseCurve,
}

/// A normal deviate (Box and Muller).
pub(super) fn normal(rng: &mut Dice) -> f64 {
    let (u, v): (f64, f64) = (rng.between(1e-12, 1.0), rng.unit());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

pub(super) fn pick<'a>(rng: &mut Dice, list: &'a [String]) -> &'a str {
    rng.pick(list).map_or("", String::as_str)
}

impl Caller {
    pub fn new(behaviour: &Behaviour, language: &str, rng: &mut Dice) -> Self {
        Self {
            word_ms: behaviour.word_ms * (behaviour.rate_spread * normal(rng)).exp(),
            pause_scale: (behaviour.pause_spread * normal(rng)).exp(),
            // Of mean 1.
            hesitation: (behaviour.hesitation_spread * normal(rng) - 0.5 * behaviour.hesitation_spread.powi(2)).exp(),
            curve: PauseCurve::of(language),
        }
    }

    fn word(&self, word: &str, unspaced: bool, rng: &mut Dice) -> u64 {
        let units = if unspaced { word.chars().count() as f64 } else { 0.4 + 0.15 * word.chars().count() as f64 };
        (self.word_ms * units * (0.15 * normal(rng)).exp()).clamp(60.0, 1500.0) as u64
    }

    fn hold_ms(&self, rng: &mut Dice) -> u64 {
        let pause = self.curve.quantile(rng.between(1e-6, 1.0)) * self.pause_scale;
        (pause.clamp(0.2, 6.0) * 1000.0) as u64
    }

    /// An utterance of the corpus as this caller speaks it. Pauses fall where the corpus allows them, as many as answers in `state` have
    /// on average, and of them `complete_share` where what was said could be all.
    pub fn speak(
        &self,
        utterance: &str,
        state: &str,
        behaviour: &Behaviour,
        corpus: &Corpus,
        rng: &mut Dice,
    ) -> Vec<Stretch> {
        let chances = corpus.chances(state).times(self.hesitation);
        let places = utterance.split_whitespace().filter(|token| !matches!(*token, "/" | "~")).count();
        let anywhere = chances.anywhere / places.max(1) as f64;
        let mut stretches = Vec::new();
        let mut words: Vec<(String, u64)> = Vec::new();
        let mut marked = true;
        for token in utterance.split_whitespace() {
            let (complete, chance) = match token {
                "/" => (true, chances.complete),
                "~" => (false, chances.middle),
                // Before any word that no mark stands before.
                _ if !marked || stretches.is_empty() && words.is_empty() => (false, anywhere.min(0.9)),
                _ => (false, 0.0),
            };
            marked = matches!(token, "/" | "~");
            if chance > 0.0 && rng.chance(100.0 * chance) {
                self.pause(&mut stretches, &mut words, complete, behaviour, corpus, rng);
            }
            if !marked {
                words.push((token.to_owned(), self.word(token, corpus.unspaced, rng)));
            }
        }
        if rng.chance(100.0 * chances.afterthought) {
            self.pause(&mut stretches, &mut words, true, behaviour, corpus, rng);
            let more = pick(rng, corpus.list("afterthought"));
            words.extend(more.split_whitespace().map(|word| (word.to_owned(), self.word(word, corpus.unspaced, rng))));
        }
        stretches.push(self.stretch(words, After::End, behaviour, rng));
        stretches
    }

    /// Ends the stretch with a pause, perhaps with a filler before it or after it. One at the very beginning has a filler
    /// before it.
    fn pause(
        &self,
        stretches: &mut Vec<Stretch>,
        words: &mut Vec<(String, u64)>,
        complete: bool,
        behaviour: &Behaviour,
        corpus: &Corpus,
        rng: &mut Dice,
    ) {
        let first = words.is_empty();
        let filled = first || !complete && rng.chance(100.0 * behaviour.filler);
        let before = first || filled && rng.chance(100.0 * 0.6);
        let fill = |words: &mut Vec<(String, u64)>, rng: &mut Dice| {
            let filler = pick(rng, corpus.list("fillers"));
            words.extend(filler.split_whitespace().map(|word| (word.to_owned(), (self.word_ms * 1.3) as u64)));
        };
        if before {
            fill(words, rng);
        }
        let after = After::Hold { ms: self.hold_ms(rng), complete };
        stretches.push(self.stretch(std::mem::take(words), after, behaviour, rng));
        if filled && !before {
            fill(words, rng);
        }
    }

    /// Words without a pause in them, not meant as a turn.
    pub fn in_one_breath(&self, text: &str, corpus: &Corpus, rng: &mut Dice) -> Stretch {
        let words =
            text.split_whitespace().map(|word| (word.to_owned(), self.word(word, corpus.unspaced, rng))).collect();
        Stretch { words, after: After::End, pitch_fall_st: None, lengthening: 1.0 }
    }

    fn stretch(&self, mut words: Vec<(String, u64)>, after: After, behaviour: &Behaviour, rng: &mut Dice) -> Stretch {
        let (means, spread) = behaviour.pitch_fall_st;
        let (mean, longer) = match after {
            After::End => (means[0], behaviour.final_lengthening),
            After::Hold { complete: true, .. } => (means[1], behaviour.final_lengthening.sqrt()),
            After::Hold { complete: false, .. } => (means[2], 1.0),
        };
        let lengthening = longer * (0.2 * normal(rng)).exp();
        if let Some((_, ms)) = words.last_mut() {
            *ms = (*ms as f64 * lengthening) as u64;
        }
        let pitch_fall_st = rng.chance(100.0 * behaviour.pitch_known).then(|| (mean + spread * normal(rng)) as f32);
        let measured = lengthening * (behaviour.lengthening_noise * normal(rng)).exp();
        Stretch { words, after, pitch_fall_st, lengthening: measured as f32 }
    }
}
