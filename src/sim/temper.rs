//! Callers who lose patience, and callers who only seem to: what each does differently from the plain caller of `behaviour`.
//!
//! These numbers were fixed before the agent's score was tuned on them. All are assumptions: there is no recording of
//! impatient callers to take them from. What is taken from elsewhere is how well a voice's anger is told (area under the curve
//! of about 0.9, from 85 % of clips on the telephone). The caller's usual voice is learned as the engine `prosody` learns it, with
//! the code that does it there, from the turns that the agent lets it learn from: a caller who is impatient and not noticed becomes the
//! measure of the rest here, too.

use super::caller::normal;
use super::corpus::{Corpus, CorpusError};
use super::dice::Dice;
use crate::audio::MediaTime;
use crate::speech::{Emotion, EmotionLabel, UsualVoice};
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

/// A caller's own mean counts as much as the average speaker's after so many turns, as in the engine.
const OWN_TURNS: f64 = 3.0;

/// What an emotion engine heard of a turn that is open.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Sounding {
    at: MediaTime,
    heard_ms: u32,
    values: [Option<f32>; 3],
    /// It was an impatient turn.
    impatient: bool,
}

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
    /// What it knows of the caller's voice.
    usual: UsualVoice,
    /// Of the turns that it learned, the impatient ones.
    learned_impatient: u32,
    /// What it heard since the agent finished the last utterance.
    open: Vec<Sounding>,
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
        Self {
            kind,
            begins,
            calm,
            ways,
            phrases,
            rng,
            question: None,
            turns: 0,
            engine,
            usual: UsualVoice::default(),
            learned_impatient: 0,
            open: Vec::new(),
        }
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
        let (ways, calm) = (*self.now(), self.calm);
        let impatient = ways != calm;
        let learned = f64::from(self.usual.turns());
        // The engine holds a voice against a mix of the average speaker and the caller's mean: what it learned from impatient
        // turns it takes for the caller's way.
        let taken_for_usual = f64::from(self.learned_impatient) / (learned + OWN_TURNS);
        let rng = &mut self.rng;
        let logit = |share: f64| (share / (1.0 - share)).ln();
        let mut probability = |now: f64, calm: f64, impatient: f64| {
            let shift = taken_for_usual * (logit(impatient) - logit(calm));
            let odds = logit(now) - shift + 1.1 * ways.noise * normal(rng);
            (1.0 / (1.0 + (-odds).exp())) as f32
        };
        let most = self.ways;
        let anger = probability(ways.anger, calm.anger, most.anger);
        let arousal = probability(ways.arousal, calm.arousal, most.arousal);
        let valence = probability(ways.valence, calm.valence, most.valence);
        let mut values = [None; 3];
        for ((value, change), spread) in values.iter_mut().zip(ways.change).zip(UsualVoice::SPREAD) {
            *value = Some((f64::from(spread) * (change + ways.noise * normal(rng))) as f32);
        }
        let heard_ms = heard_ms as u32;
        self.open.push(Sounding { at, heard_ms, values, impatient });
        let label = if anger > 0.5 {
            EmotionLabel::Anger
        } else if arousal > 0.5 && valence > 0.5 {
            EmotionLabel::Happiness
        } else {
            EmotionLabel::Neutral
        };
        Some(Emotion {
            at,
            heard_ms,
            label,
            probability: anger.max(0.5),
            arousal,
            valence,
            anger,
            voice: self.usual.change(values),
            turn_final: true,
        })
    }

    /// The agent takes what was said until `at` for an utterance, and lets the engine learn the caller's usual voice from it, or not.
    pub fn finish(&mut self, at: MediaTime, usual: bool) {
        let heard = self.open.iter().rfind(|sounding| sounding.at <= at).copied();
        self.open.retain(|sounding| sounding.at > at);
        let Some(heard) = heard.filter(|heard| usual && heard.heard_ms >= UsualVoice::LEAST_MS) else { return };
        let before = self.usual.turns();
        self.usual.learn(heard.values);
        self.learned_impatient += u32::from(heard.impatient && self.usual.turns() > before);
    }
}
