//! When a silence ends the caller's turn.
//!
//! Waiting costs every caller who has finished; not waiting cuts off every caller who has not. With the odds that this pause
//! is one within the turn ([`Ends`]), and the curve of how long such pauses last ([`PauseCurve`]), the silence at which the next
//! moment of waiting is no longer worth it is where `odds · density(silence) ≤ eagerness`: the loss of cutting a caller off,
//! weighed against the time of the one who waits, is one number, `eagerness`, and moving it draws the whole curve of gap against
//! false cut-offs.
//!
//! That rule alone serves the mean caller, and lets one in ten wait for the longest time there is. So there are two bounds beside it:
//! the half of callers who are most surely done do not wait longer than one time, and nobody longer than another unless what was
//! said so far plainly is not all; from the one to the other the longest wait rises with the odds. What they cost in cut-offs is won
//! back by waiting longer for the few who plainly go on.

use super::ends::Ends;
use crate::agent::{Endpointing, TurnConfig};
use crate::audio::MediaTime;
use crate::speech::{AnswerKind, PauseCue, PauseCurve, TurnCue};

/// How far the caller's words have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Progress {
    /// No words yet.
    #[default]
    Nothing,
    /// The last word asks for more.
    Incomplete,
    /// Words, but no whole expected phrase.
    Words,
    /// Digits of a number, more may follow.
    Digits,
    /// A whole expected phrase, or all digits of a number.
    Expected,
}

/// What is asked, as far as it is told apart: the five kinds, and questions that are answered with a tale.
pub const ASKED: [&str; 6] = ["yes_no", "choice", "number", "name", "open", "telling"];

/// What is known of a pause.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Evidence {
    /// What was asked.
    pub kind: AnswerKind,
    /// The question is one that is answered with a tale: whatever is said is an answer.
    pub telling: bool,
    /// What was said.
    pub progress: Progress,
    /// How many words that was.
    pub words: usize,
    /// Log odds that a sentence is over with these words.
    pub sentence: f32,
    /// Digits that the number still lacks, where digits are collected and some were said.
    pub digits_left: Option<i32>,
    /// Pauses in this turn before this one.
    pub pauses: u32,
    /// How long the caller spoke since the last of them, in milliseconds.
    pub stretch_ms: u64,
    /// How the voice ended.
    pub voice: Option<PauseCue>,
    /// What a turn model says.
    pub model: Option<TurnCue>,
    /// This caller's pauses against those of callers on average.
    pub pace: f64,
    /// How often this caller pauses within a turn against callers on average.
    pub hesitation: f64,
    /// The recogniser's final answer to all that was said is there.
    pub settled: bool,
}

impl Evidence {
    /// Which of [`ASKED`] it was.
    pub fn asked_at(&self) -> usize {
        match (self.kind, self.telling) {
            (AnswerKind::YesNo, _) => 0,
            (AnswerKind::Choice, _) => 1,
            (AnswerKind::Number, _) => 2,
            (AnswerKind::Name, _) => 3,
            (AnswerKind::Open, false) => 4,
            (AnswerKind::Open, true) => 5,
        }
    }

    /// What was asked, in a word.
    pub fn asked(&self) -> &'static str {
        ASKED[self.asked_at()]
    }

    /// Nobody waits without limit for more: the words are a whole sentence, though it may rise at its end, or nothing was understood
    /// and nothing more will be.
    pub fn may_be_all(&self) -> bool {
        match self.progress {
            Progress::Words | Progress::Expected => self.sentence > SURELY_WHOLE,
            Progress::Nothing => self.settled,
            Progress::Incomplete | Progress::Digits => false,
        }
    }
}

/// The eagerness at which the bounds of [`Ends`] hold as they are written.
pub(crate) const USUAL_EAGERNESS: f64 = 0.3;
/// Steps in which a wait is looked for.
const STEP_MS: u64 = 10;

/// What a wait is found with: the times of the configuration and what is known of pauses in the call's language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighing<'a> {
    pub config: &'a TurnConfig,
    pub curve: PauseCurve,
    pub ends: &'a Ends,
}

impl Weighing<'_> {
    /// The silence in milliseconds that ends a turn. `state_wait_ms` is the flow's own wait for the state.
    pub fn wait_ms(&self, evidence: &Evidence, state_wait_ms: Option<u64>) -> u64 {
        if let Some(own) = state_wait_ms {
            return own;
        }
        match self.config.endpointing {
            Endpointing::Fixed => fixed_wait_ms(self.config, evidence.kind, evidence.progress),
            Endpointing::Adaptive => {
                self.adaptive_ms(self.log_odds(evidence), evidence.pace, self.longest_ms(evidence))
            }
        }
    }

    /// The log odds that the pause is one within the turn, no greater than that which lets nobody wait without limit where it plainly
    /// may be over: see [`Evidence::may_be_all`].
    pub fn log_odds(&self, evidence: &Evidence) -> f64 {
        self.no_more(self.ends.log_odds(evidence), evidence)
    }

    /// These odds, no greater than that.
    pub fn no_more(&self, odds: f64, evidence: &Evidence) -> f64 {
        if evidence.may_be_all() { odds.min(self.ends.bounds[1].log_odds) } else { odds }
    }

    /// The longest wait for whoever plainly is not done.
    pub fn longest_ms(&self, evidence: &Evidence) -> u64 {
        let half_a_number = evidence.progress == Progress::Digits && evidence.digits_left.is_some_and(|left| left >= 2);
        let number = if half_a_number { self.config.longest_number_wait_ms } else { 0 };
        self.config.longest_wait_ms.max(number)
    }

    /// The wait at these log odds that the pause is one within the turn; of [`Self::longest_ms`] at most.
    pub fn adaptive_ms(&self, log_odds: f64, pace: f64, longest_ms: u64) -> u64 {
        let config = self.config;
        let (odds, pace) = (log_odds.exp(), pace.clamp(0.5, 2.0));
        let eagerness = config.eagerness * self.ends.eagerness;
        let worth = |ms: u64| odds * self.curve.density(ms as f64 / 1000.0 / pace) / pace > eagerness;
        // Whoever asks for half the cut-offs lets everybody wait longer.
        let stretch = (USUAL_EAGERNESS / config.eagerness.max(0.01)).powf(BOUNDS_FOLLOW);
        let longest = self.bound_ms(log_odds, stretch, longest_ms).max(config.shortest_wait_ms);
        let mut wait = config.shortest_wait_ms;
        while wait < longest && worth(wait) {
            wait += STEP_MS;
        }
        wait.min(longest)
    }

    /// The longest wait at these log odds, in milliseconds: the bounds of [`Ends`], stretched. From one to the other it rises on a
    /// slope: a step would make whoever is a little less surely done than another wait twice as long.
    fn bound_ms(&self, log_odds: f64, stretch: f64, longest_ms: u64) -> u64 {
        let longest = longest_ms as f64;
        let [half, most] = &self.ends.bounds;
        if log_odds > most.log_odds {
            return longest as u64;
        }
        let [half_ms, most_ms] = [half, most].map(|bound| (bound.ms * stretch).min(longest));
        (half_ms + (most_ms - half_ms) * ((log_odds - half.log_odds) / SLOPE).clamp(0.0, 1.0)) as u64
    }
}

/// How far beyond the first bound the second one holds, in log odds.
const SLOPE: f64 = 0.05;
/// Log odds from which words are taken for a whole sentence.
const SURELY_WHOLE: f32 = 1.0;
/// How the bounds of waiting follow the eagerness: its power.
const BOUNDS_FOLLOW: f64 = 0.6;

/// The waits of the configuration, whatever else is known.
fn fixed_wait_ms(config: &TurnConfig, kind: AnswerKind, progress: Progress) -> u64 {
    match (progress, kind) {
        (Progress::Nothing, _) => config.wait_nothing_ms,
        (Progress::Incomplete, _) => config.wait_incomplete_ms,
        (Progress::Digits, _) => config.wait_number_ms,
        (Progress::Expected, AnswerKind::YesNo) => config.wait_yes_no_ms,
        (Progress::Expected, AnswerKind::Choice | AnswerKind::Number) => config.wait_choice_ms,
        (Progress::Expected, AnswerKind::Open) => config.wait_expected_ms,
        (_, AnswerKind::Name) => config.wait_name_ms,
        (Progress::Words, AnswerKind::Number) => config.wait_number_ms,
        (Progress::Words, _) => config.wait_open_ms,
    }
}

/// When the turn ends if the caller says nothing more: after the wait, once a final hypothesis covers all that was said;
/// without one the recogniser is given some grace.
pub(crate) fn decide_at(
    config: &TurnConfig,
    last: MediaTime,
    wait_ms: u64,
    final_covers: Option<MediaTime>,
) -> MediaTime {
    let due = last.plus_ms(wait_ms);
    if final_covers.is_some_and(|covers| covers >= last) { due } else { due.plus_ms(config.final_grace_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(kind: AnswerKind, progress: Progress) -> Evidence {
        Evidence { kind, progress, words: 4, pace: 1.0, hesitation: 1.0, ..Evidence::default() }
    }

    #[test]
    fn fixed_waits_follow_question_and_answer() {
        let config = TurnConfig { endpointing: Endpointing::Fixed, ..TurnConfig::default() };
        let cases = [
            (AnswerKind::YesNo, Progress::Expected, config.wait_yes_no_ms),
            (AnswerKind::YesNo, Progress::Words, config.wait_open_ms),
            (AnswerKind::Choice, Progress::Expected, config.wait_choice_ms),
            (AnswerKind::Open, Progress::Expected, config.wait_expected_ms),
            (AnswerKind::Open, Progress::Words, config.wait_open_ms),
            (AnswerKind::Open, Progress::Incomplete, config.wait_incomplete_ms),
            (AnswerKind::Number, Progress::Digits, config.wait_number_ms),
            (AnswerKind::Number, Progress::Expected, config.wait_choice_ms),
            (AnswerKind::Name, Progress::Expected, config.wait_name_ms),
            (AnswerKind::YesNo, Progress::Nothing, config.wait_nothing_ms),
        ];
        let weighing = Weighing { config: &config, curve: PauseCurve::of("en"), ends: Ends::of("en") };
        for (kind, progress, expected) in cases {
            let evidence = evidence(kind, progress);
            assert_eq!(weighing.wait_ms(&evidence, None), expected, "{kind:?} {progress:?}");
            assert_eq!(weighing.wait_ms(&evidence, Some(450)), 450);
        }
    }

    #[test]
    fn each_cue_moves_the_odds_its_own_way() {
        let ends = Ends::of("en");
        let odds = |evidence: &Evidence| ends.log_odds(evidence);
        let voice = |fall, longer| PauseCue {
            last: MediaTime::ZERO,
            pitch_fall_st: Some(fall),
            lengthening: Some(longer),
            level_fall_db: 0.0,
        };
        let model = |complete| TurnCue { covers: MediaTime::ZERO, complete };
        let open = Evidence { stretch_ms: 1_200, ..evidence(AnswerKind::Open, Progress::Words) };
        assert!(odds(&evidence(AnswerKind::YesNo, Progress::Expected)) < odds(&Evidence { telling: true, ..open }));
        assert!(odds(&open) < odds(&Evidence { telling: true, ..open }), "a tale has pauses");
        let with = |voice| odds(&Evidence { voice: Some(voice), ..open });
        assert!(with(voice(6.0, 1.5)) < with(voice(2.0, 1.0)) && with(voice(2.0, 1.0)) < with(voice(-1.0, 0.8)));
        assert_eq!(with(voice(f32::NAN, 0.0)), odds(&open), "what cannot be measured says nothing");
        let with = |complete| odds(&Evidence { model: Some(model(complete)), ..open });
        assert!(with(0.95) < odds(&open) && odds(&open) < with(0.1));
        let with = |sentence| odds(&Evidence { sentence, ..open });
        assert!(with(3.0) < with(0.0) && with(0.0) < with(-3.0), "what could be a whole sentence is sooner over");
        let with = |left| odds(&Evidence { digits_left: Some(left), ..evidence(AnswerKind::Number, Progress::Digits) });
        assert!(with(1) < with(4), "one digit may not have been heard, four were not said");
    }

    #[test]
    fn waits_grow_with_the_odds_and_the_callers_own_pauses() {
        let config = TurnConfig::default();
        let ends = Ends { eagerness: 1.0, ..Ends::of("en").clone() };
        let weighing = Weighing { config: &config, curve: PauseCurve::of("en"), ends: &ends };
        let waits: Vec<u64> =
            (-50..50).map(|tenth| weighing.adaptive_ms(f64::from(tenth) / 10.0, 1.0, config.longest_wait_ms)).collect();
        assert!(
            waits.is_sorted() && waits.first() == Some(&220) && waits.last() == Some(&config.longest_wait_ms),
            "{waits:?}"
        );
        let unbounded = Ends { bounds: Ends::blank().bounds, ..ends.clone() };
        let weighing = Weighing { ends: &unbounded, ..weighing };
        assert!(
            weighing.adaptive_ms(0.5, 1.0, 1_800) < weighing.adaptive_ms(0.5, 1.5, 1_800),
            "who pauses longer is waited for longer"
        );
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let config = TurnConfig::default();
        for language in ["en", "zh", "de"] {
            for progress in
                [Progress::Nothing, Progress::Incomplete, Progress::Digits, Progress::Words, Progress::Expected]
            {
                for pace in [0.0, 1.0, 9.0] {
                    let evidence = Evidence { pace, ..evidence(AnswerKind::Open, progress) };
                    let (curve, ends) = (PauseCurve::of(language), Ends::of(language));
                    let wait = Weighing { config: &config, curve, ends }.wait_ms(&evidence, None);
                    assert!((config.shortest_wait_ms..=config.longest_wait_ms).contains(&wait), "{progress:?} {wait}");
                }
            }
        }
    }

    #[test]
    fn only_who_is_plainly_not_done_is_waited_for_long() {
        for (language, half_ms, most_ms) in [("en", 450, 900), ("zh-CN", 400, 700)] {
            let config = TurnConfig::default();
            let ends = Ends::of(language);
            let weighing = Weighing { config: &config, curve: PauseCurve::of(language), ends };
            let [half, most] = ends.bounds.map(|bound| bound.log_odds);
            let longest = config.longest_wait_ms;
            assert!(weighing.adaptive_ms(half, 2.0, longest) <= half_ms);
            assert!(weighing.adaptive_ms(most, 2.0, longest) <= most_ms);
            assert!(weighing.adaptive_ms(most + 3.0, 1.0, longest) > most_ms);
            let between = |more: f64| weighing.bound_ms(half + more, 1.0, config.longest_wait_ms);
            assert!(between(0.0) < between(0.02) && between(0.02) < between(0.2), "the longest wait does not jump");
            let calm = TurnConfig { eagerness: 0.1, ..TurnConfig::default() };
            let calm = Weighing { config: &calm, ..weighing };
            assert!(calm.adaptive_ms(most, 2.0, longest) > most_ms, "less eager is slower everywhere");
        }
    }

    #[test]
    fn nobody_waits_without_limit_for_more_of_a_whole_sentence_or_of_nothing() {
        let config = TurnConfig::default();
        for language in ["en", "zh"] {
            let ends = Ends::of(language);
            let weighing = Weighing { config: &config, curve: PauseCurve::of(language), ends };
            // A caller who pauses all the time, and whose voice says that there is more.
            let voice = PauseCue {
                last: MediaTime::ZERO,
                pitch_fall_st: Some(-4.0),
                lengthening: Some(0.5),
                level_fall_db: 0.0,
            };
            let tale = Evidence {
                telling: true,
                hesitation: 3.0,
                pauses: 1,
                stretch_ms: 300,
                voice: Some(voice),
                ..evidence(AnswerKind::Open, Progress::Words)
            };
            let wait = |evidence: Evidence| weighing.wait_ms(&evidence, None);
            let most = ends.bounds[1].ms as u64;
            assert_eq!(wait(Evidence { sentence: -4.0, ..tale }), config.longest_wait_ms, "{language}");
            assert!(wait(Evidence { sentence: 1.5, ..tale }) <= most, "{language}: a whole sentence of a tale");
            let nothing = Evidence { progress: Progress::Nothing, words: 0, ..tale };
            assert!(wait(Evidence { settled: true, ..nothing }) <= most, "{language}: nothing will be understood");
            let number = Evidence { kind: AnswerKind::Number, progress: Progress::Digits, sentence: -2.0, ..tale };
            let missing = |left| wait(Evidence { digits_left: Some(left), telling: false, ..number });
            assert!(missing(4) > config.longest_wait_ms, "{language}: half a number");
            assert!(missing(1) <= config.longest_wait_ms, "{language}: one digit may not have been heard");
        }
    }

    #[test]
    fn a_turn_waits_for_the_final_hypothesis_but_not_for_ever() {
        let config = TurnConfig::default();
        let last = MediaTime::from_ms(5_000);
        assert_eq!(decide_at(&config, last, 280, Some(last)), MediaTime::from_ms(5_280));
        assert_eq!(decide_at(&config, last, 280, None), MediaTime::from_ms(5_530));
        let earlier = MediaTime::from_ms(4_990);
        assert_eq!(
            decide_at(&config, last, 280, Some(earlier)),
            MediaTime::from_ms(5_530),
            "it covers an earlier pause"
        );
    }
}
