//! How simulated callers speak and how well they are heard.
//!
//! The first set of these numbers stood before any endpoint was tuned. Some were changed since, while endpoints were being worked on
//! and with their figures in sight: how many pauses there are and where (`holds`, `complete_share`), how much callers differ in
//! hesitating, how well final lengthening is measured, and the delays of the voice detector and the recogniser, which are measured.
//! `docs/turns.md` says so beside the figures. What is published is taken from where it is published; what is not is an assumption
//! and says so.

use super::dice::Dice;
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
    /// Delay of a final hypothesis after it was asked for.
    pub finals: Finals,
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

/// How long a recogniser takes for a final answer: some come at once, because what was heard so far settles them, others when more has
/// been asked of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Finals {
    /// Shares, which add up to 1, and their times in milliseconds.
    shares: Vec<(f64, f64)>,
}

/// A single answer takes so much more or less than the time of its share.
const FINALS_SPREAD: f64 = 0.3;

impl Finals {
    /// The delay of one answer, in milliseconds.
    pub(super) fn draw(&self, rng: &mut Dice) -> u64 {
        let mut left = rng.unit();
        let of = self.shares.iter().find(|(share, _)| {
            left -= share;
            left < 0.0
        });
        let ms = of.or(self.shares.last()).map_or(0.0, |(_, ms)| *ms);
        (ms * rng.between(1.0 - FINALS_SPREAD, 1.0 + FINALS_SPREAD)) as u64
    }
}

impl Default for Finals {
    /// Six of ten after 40 ms, the others after 200: assumption, until it is measured again.
    fn default() -> Self {
        Self { shares: vec![(0.6, 40.0), (0.4, 200.0)] }
    }
}

impl std::str::FromStr for Finals {
    type Err = String;

    /// `60:40,40:200`: 60 % after 40 ms, 40 % after 200. A single number is the time of all of them.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}': write PERCENT:MS,PERCENT:MS, such as 60:40,40:200, or MS alone; the shares add up to 100"
            )
        };
        let number = |part: &str| part.trim().parse::<f64>().ok().filter(|n| (0.0..=10_000.0).contains(n));
        let share = |part: &str| match part.split_once(':') {
            Some((percent, ms)) => Some((number(percent)? / 100.0, number(ms)?)),
            None => Some((1.0, number(part)?)),
        };
        let shares: Vec<(f64, f64)> = text.split(',').map(share).collect::<Option<_>>().ok_or_else(wrong)?;
        let whole = (shares.iter().map(|(share, _)| share).sum::<f64>() - 1.0).abs() < 0.001;
        if whole { Ok(Self { shares }) } else { Err(wrong()) }
    }
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
            finals: Finals::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_answers_come_as_they_are_asked_to() {
        let finals: Finals = "75:40,25:200".parse().unwrap();
        let mut rng = Dice::new(7);
        let drawn: Vec<u64> = (0..4_000).map(|_| finals.draw(&mut rng)).collect();
        let quick = drawn.iter().filter(|ms| **ms <= 52).count();
        assert!((2_850..3_150).contains(&quick), "{quick}");
        assert!(drawn.iter().all(|ms| (28..=52).contains(ms) || (140..=260).contains(ms)));
        assert_eq!("60:40,40:200".parse(), Ok(Finals::default()));
        assert!((0..100).all(|_| (35..=65).contains(&"50".parse::<Finals>().unwrap().draw(&mut rng))));
        for wrong in ["", "60:40", "60:40,60:200", "a:b", "100:-1", "nan"] {
            assert!(wrong.parse::<Finals>().unwrap_err().contains("60:40,40:200"), "{wrong}");
        }
    }
}
