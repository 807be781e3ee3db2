//! How simulated callers speak and how well they are heard.
//!
//! These numbers were fixed before any endpoint was tuned on them. What is published is taken from where it is published;
//! what is not is an assumption and says so.

use crate::speech::AnswerKind;

/// Every parameter of the simulation. Probabilities from 0 to 1, times in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Behaviour {
    /// Median length of a word (English) or a character (Mandarin).
    pub word_ms: f64,
    /// Callers speak faster and slower by this factor: standard deviation of its logarithm.
    pub rate_spread: f64,
    /// Callers pause longer and shorter by this factor: standard deviation of its logarithm. Assumption; the pauses
    /// themselves follow [`PauseCurve`](crate::speech::PauseCurve).
    pub pause_spread: f64,
    /// Callers hesitate more and less often by this factor: standard deviation of its logarithm. People differ widely in it
    /// (Bortfeld et al., Language and Speech 44, 2001); the number is an assumption.
    pub hesitation_spread: f64,
    /// A filler ("um", 嗯) before or after a pause in the middle of a sentence. Assumption.
    pub filler: f64,
    /// The last word before the end of a turn is longer by this factor; before a pause where what was said could be all by
    /// its square root (Gravano and Hirschberg 2011 find final lengthening at both).
    pub final_lengthening: f64,
    /// How well it can be measured: standard deviation of the logarithm of the measured length. Assumption.
    pub lengthening_noise: f64,
    /// Fall of the pitch before the end of a turn, before a pause where what was said could be all, before another pause;
    /// in semitones, with the standard deviation of each. Assumption: overlapping on purpose (d' of 0.5 and 1.1).
    pub pitch_fall_st: ([f64; 3], f64),
    /// The share of pauses at which the pitch could be measured.
    pub pitch_known: f64,

    /// The voice detector's delay until its first frame that may be speech: an announced onset needs three of 20 ms.
    pub stir_delay_ms: u64,
    /// The voice detector's delay in announcing an onset and a pause, and the jitter of where it puts the edge.
    pub onset_delay_ms: u64,
    /// See `onset_delay_ms`.
    pub pause_delay_ms: u64,
    /// Standard deviation of an edge's time.
    pub edge_jitter_ms: f64,
    /// Delay of a partial hypothesis after the end of a word; mean of an exponential above 60 ms.
    pub partial_delay_ms: f64,
    /// Delay of a final hypothesis after it was asked for: at least 20, mean of an exponential above.
    pub final_delay_ms: f64,
    /// Words heard as others, not heard, heard too much. With the embedded recogniser nine of ten telephone utterances are
    /// understood among a dozen phrases (`docs/latency.md`): about that many words.
    pub word_errors: [f64; 3],

    /// Per line of the agent: a backchannel, an interruption.
    pub backchannel: f64,
    /// See `backchannel`.
    pub interruption: f64,
    /// Per second of the call: a cough or another noise; somebody else's talk in the background.
    pub cough_per_s: f64,
    /// See `cough_per_s`.
    pub elsewhere_per_s: f64,
    /// Per question: the caller says nothing and waits to be asked again.
    pub silence: f64,
    /// What the overlap classifier says of a backchannel and of speech that goes on: mean of its score, and the spread.
    pub overlap_scores: ([f64; 2], f64),
}

impl Behaviour {
    /// Callers of this language.
    pub fn of(language: &str) -> Self {
        Self {
            word_ms: if language.starts_with("zh") { 200.0 } else { 290.0 },
            rate_spread: 0.15,
            pause_spread: 0.25,
            hesitation_spread: 0.6,
            filler: 0.3,
            final_lengthening: 1.35,
            lengthening_noise: 0.25,
            pitch_fall_st: ([3.4, 2.2, 0.8], 2.4),
            pitch_known: 0.8,
            stir_delay_ms: 60,
            onset_delay_ms: 100,
            pause_delay_ms: 80,
            edge_jitter_ms: 15.0,
            partial_delay_ms: 80.0,
            final_delay_ms: 30.0,
            word_errors: [0.06, 0.03, 0.02],
            backchannel: 0.12,
            interruption: 0.12,
            cough_per_s: 0.01,
            elsewhere_per_s: 0.004,
            silence: 0.02,
            overlap_scores: ([0.78, 0.22], 0.16),
        }
    }

    /// The share of pauses where what was said could be all, by what was asked; the rest is where it could not. Nobody who
    /// knows how many digits a number has takes its first half for all, so that the others make up for it: 35 to 40 % over all.
    pub fn complete_share(kind: AnswerKind) -> f64 {
        match kind {
            AnswerKind::Number => 0.1,
            AnswerKind::Name => 0.35,
            AnswerKind::YesNo | AnswerKind::Choice | AnswerKind::Open => 0.53,
        }
    }

    /// Pauses within an answer, on average, by the question of the simulated flow. Most of them fall into the answer that
    /// tells something. Over all questions their mean is about 1.4 a turn: less than the 1.77 of eot-bench (Mandarin: 608
    /// holds in 344 turns), whose turns are all of the telling kind. Assumption.
    pub fn holds(state: &str) -> f64 {
        match state {
            "interest" | "confirm" => 0.5,
            "plan" => 0.8,
            "number" => 2.6,
            "name" => 1.2,
            "question" => 1.2,
            "more" => 0.6,
            _ => 4.0,
        }
    }
}
