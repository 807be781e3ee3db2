//! Callers who lose patience, and callers who only seem to: what each does differently from the plain caller of `behaviour`.
//!
//! These numbers were fixed before the agent's score was tuned on them. All are assumptions: there is no recording of
//! impatient callers to take them from. What is taken from elsewhere is how well a voice's anger is told (area under the curve
//! of about 0.9, from 85 % of clips on the telephone) and that a z-score against a usual voice known from n turns has a
//! deviation of √(1 + 1/n).

use super::caller::normal;
use super::corpus::{Corpus, CorpusError};
use super::dice::Dice;
use crate::audio::MediaTime;
use crate::speech::{Emotion, EmotionLabel, VoiceChange};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a caller of some kind does. Probabilities from 0 to 1 for each turn or line; factors against the plain caller.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Ways {
    /// Probability that the voice is angry, as an engine that errs sees it: the median.
    anger: f64,
    /// Likewise for arousal.
    arousal: f64,
    /// Likewise for pleasure.
    valence: f64,
    /// Change of rate, pitch and loudness against the caller's own, in standard deviations.
    change: [f64; 3],
    /// An interruption of a line, and at which share of it.
    interrupts: f64,
    at: (f64, f64),
    /// Silence before an answer.
    gap: f64,
    /// Length of a word.
    word: f64,
    /// The shortest answer that serves.
    curt: f64,
    /// A request for haste.
    explicit: f64,
    /// "Yes, I know."
    weary: f64,
    /// "Hello?"
    hello: f64,
    /// The question that was asked before.
    repeats: f64,
    /// Something that sounds like a request for haste and is none.
    trap: f64,
    /// A hum in a line.
    hums: f64,
    /// Spread of all measurements of the voice.
    noise: f64,
}

const PLAIN: Ways = Ways {
    anger: 0.14,
    arousal: 0.35,
    valence: 0.5,
    change: [0.0; 3],
    interrupts: 0.06,
    at: (0.2, 0.85),
    gap: 1.0,
    word: 1.0,
    curt: 0.15,
    explicit: 0.0,
    weary: 0.0,
    hello: 0.0,
    repeats: 0.0,
    trap: 0.0,
    hums: 0.12,
    noise: 1.0,
};

/// Calm callers, from their first word to their last.
const CALM: [(&str, Ways); 9] = [
    ("plain", PLAIN),
    // Fast from the beginning: that is how they speak.
    ("fast", Ways { word: 0.7, gap: 0.7, arousal: 0.5, ..PLAIN }),
    ("loud", Ways { anger: 0.27, arousal: 0.65, ..PLAIN }),
    ("cheerful", Ways { anger: 0.2, arousal: 0.75, valence: 0.75, change: [0.4, 0.4, 0.3], ..PLAIN }),
    ("terse", Ways { curt: 0.85, gap: 0.6, ..PLAIN }),
    ("asks questions", Ways { interrupts: 0.25, curt: 0.05, ..PLAIN }),
    ("in no hurry", Ways { trap: 0.3, gap: 1.3, ..PLAIN }),
    ("hums", Ways { hums: 0.45, interrupts: 0.02, ..PLAIN }),
    ("bad line", Ways { noise: 1.5, ..PLAIN }),
];

/// Impatient ones, from the turn on in which they become so.
const IMPATIENT: [(&str, Ways); 5] = [
    (
        "says so",
        Ways {
            anger: 0.35,
            arousal: 0.5,
            change: [0.7; 3],
            explicit: 0.9,
            weary: 0.1,
            gap: 0.7,
            interrupts: 0.2,
            ..PLAIN
        },
    ),
    (
        "raises the voice",
        Ways {
            anger: 0.62,
            arousal: 0.75,
            valence: 0.3,
            change: [1.5, 1.6, 1.9],
            gap: 0.5,
            word: 0.85,
            curt: 0.6,
            weary: 0.25,
            interrupts: 0.3,
            at: (0.15, 0.5),
            ..PLAIN
        },
    ),
    (
        "interrupts",
        Ways {
            anger: 0.45,
            arousal: 0.65,
            valence: 0.4,
            change: [1.1, 0.7, 1.1],
            gap: 0.55,
            word: 0.88,
            curt: 0.4,
            weary: 0.15,
            interrupts: 0.85,
            at: (0.1, 0.4),
            ..PLAIN
        },
    ),
    (
        "is curt",
        Ways {
            anger: 0.4,
            arousal: 0.55,
            valence: 0.35,
            change: [1.3, 0.6, 0.7],
            gap: 0.4,
            word: 0.82,
            curt: 0.92,
            weary: 0.35,
            interrupts: 0.25,
            at: (0.15, 0.5),
            ..PLAIN
        },
    ),
    (
        "asks again",
        Ways {
            anger: 0.5,
            arousal: 0.65,
            valence: 0.35,
            change: [0.8, 1.0, 1.4],
            gap: 0.6,
            word: 0.9,
            repeats: 0.75,
            hello: 0.1,
            interrupts: 0.35,
            at: (0.15, 0.5),
            ..PLAIN
        },
    ),
];

/// Calm callers become no other; impatient ones do so in one of these turns, from 0.
const BEGINS: (f64, f64) = (2.0, 6.0);

/// The words for it.
#[derive(Debug)]
pub(super) struct Phrases(BTreeMap<String, Vec<String>>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Lists(BTreeMap<String, Vec<String>>);

impl Phrases {
    pub fn of(language: &str) -> Result<Self, CorpusError> {
        let text = match language {
            "en" => include_str!("corpus/mood_en.toml"),
            "zh" => include_str!("corpus/mood_zh.toml"),
            _ => return Err(CorpusError::Language(language.to_owned())),
        };
        let Lists(lists) = toml::from_str(text)?;
        Ok(Self(lists))
    }

    fn list(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// One caller's temper.
#[derive(Clone, Debug)]
pub(super) struct Temper<'a> {
    /// What kind of caller it is.
    pub kind: &'static str,
    /// The turn of the caller, from 0, from which on the caller is impatient; none: never.
    pub begins: Option<u64>,
    calm: Ways,
    ways: Ways,
    phrases: &'a Phrases,
    rng: Dice,
    /// The question that is asked again.
    question: Option<String>,
    /// Turns spoken so far.
    turns: u64,
    /// There is an emotion engine.
    engine: bool,
}

impl<'a> Temper<'a> {
    /// The caller of this number: one half is calm, the other becomes impatient.
    pub fn new(number: u64, phrases: &'a Phrases, engine: bool, rng: &Dice) -> Self {
        let mut rng = rng.fork(0x7e_4e55);
        let turn = rng.between(BEGINS.0, BEGINS.1) as u64;
        let (kind, calm, ways, begins) = if number.is_multiple_of(2) {
            let (kind, ways) = CALM[(number / 2) as usize % CALM.len()];
            (kind, ways, ways, None)
        } else {
            let (kind, ways) = IMPATIENT[(number / 2) as usize % IMPATIENT.len()];
            (kind, PLAIN, ways, Some(turn))
        };
        Self { kind, begins, calm, ways, phrases, rng, question: None, turns: 0, engine }
    }

    fn now(&self) -> &Ways {
        if self.begins.is_some_and(|begins| self.turns >= begins) { &self.ways } else { &self.calm }
    }

    /// A turn was spoken.
    pub fn spoke(&mut self) {
        self.turns += 1;
    }

    /// Turns spoken so far.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Where in the next line the caller breaks in, as a share of it; none where not.
    pub fn breaks_in(&mut self) -> Option<f64> {
        let ways = *self.now();
        self.rng.chance(100.0 * ways.interrupts).then(|| self.rng.between(ways.at.0, ways.at.1))
    }

    /// A hum in the next line.
    pub fn hums(&mut self) -> bool {
        let hums = self.now().hums;
        self.rng.chance(100.0 * hums)
    }

    /// The silence before an answer against the plain caller's.
    pub fn gap(&self) -> f64 {
        self.now().gap
    }

    /// The length of a word against the plain caller's.
    pub fn word(&self) -> f64 {
        self.now().word
    }

    /// What the caller says in this state, over the agent's voice or after it; none: what anybody says.
    pub fn says(&mut self, state: &str, over: bool, corpus: &Corpus) -> Option<String> {
        let ways = *self.now();
        let pick = |rng: &mut Dice, list: &[String]| rng.pick(list).cloned();
        let phrases = self.phrases;
        if ways.repeats == 0.0 && self.ways.repeats > 0.0 && self.begins == Some(self.turns + 1) {
            // Asked once, calmly.
            self.question = pick(&mut self.rng, corpus.list("question"));
            return self.question.clone();
        }
        for (chance, list) in
            [(ways.explicit, "explicit"), (ways.weary, "weary"), (ways.hello, "hello"), (ways.trap, "trap")]
        {
            if self.rng.chance(100.0 * chance) {
                return pick(&mut self.rng, phrases.list(list));
            }
        }
        if state != "number"
            && let Some(question) = self.question.clone()
            && self.rng.chance(100.0 * ways.repeats)
        {
            let before = pick(&mut self.rng, phrases.list("asked")).unwrap_or_default();
            return Some(before + &question);
        }
        let short = phrases.list(state);
        if (!over || ways != self.calm) && !short.is_empty() && self.rng.chance(100.0 * ways.curt) {
            return pick(&mut self.rng, short);
        }
        let usual = corpus.list(if over { "interrupt" } else { state });
        let calm: Vec<String> = usual.iter().filter(|text| !phrases.list("not_calm").contains(text)).cloned().collect();
        pick(&mut self.rng, &calm)
    }

    /// What an emotion engine says at the end of a stretch of the turn.
    pub fn sounds(&mut self, at: MediaTime, heard_ms: u64) -> Option<Emotion> {
        if !self.engine {
            return None;
        }
        let ways = *self.now();
        let rng = &mut self.rng;
        let mut probability = |median: f64| {
            let logit = (median / (1.0 - median)).ln() + 1.1 * ways.noise * normal(rng);
            (1.0 / (1.0 + (-logit).exp())) as f32
        };
        let (anger, arousal, valence) = (probability(ways.anger), probability(ways.arousal), probability(ways.valence));
        let known = self.begins.map_or(self.turns, |begins| self.turns.min(begins)).min(8);
        let spread = ways.noise * (1.0 + 1.0 / (known.max(1)) as f64).sqrt();
        let [rate, pitch, loudness] = ways.change.map(|change| change + spread * normal(rng));
        let unknown = known == 0;
        let change = |z: f64| if unknown { 0.0 } else { z as f32 };
        let label = if anger > 0.5 {
            EmotionLabel::Anger
        } else if arousal > 0.5 && valence > 0.5 {
            EmotionLabel::Happiness
        } else {
            EmotionLabel::Neutral
        };
        Some(Emotion {
            at,
            heard_ms: heard_ms as u32,
            label,
            probability: anger.max(0.5),
            arousal,
            valence,
            anger,
            voice: VoiceChange {
                rate_z: change(rate),
                pitch_z: change(pitch),
                loudness_z: change(loudness),
                baseline_turns: known as u32,
            },
            turn_final: true,
        })
    }
}
