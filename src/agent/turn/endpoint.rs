//! When a silence ends the caller's turn.
//!
//! Waiting costs every caller who has finished; not waiting cuts off every caller who has not. With the odds that this pause
//! is one within the turn, and the curve of how long such pauses last ([`PauseCurve`]), the silence at which the next moment
//! of waiting is no longer worth it is where `odds · density(silence) ≤ eagerness`: the loss of cutting a caller off, weighed
//! against the time of the one who waits, is one number, `eagerness`, and moving it draws the whole curve of gap against false
//! cut-offs. The odds start from what was asked and how complete the answer is, and each further cue multiplies them.

use crate::agent::{Endpointing, TurnConfig};
use crate::audio::MediaTime;
use crate::speech::{AnswerKind, PauseCue, PauseCurve, TurnCue};

/// How far the caller's words have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Progress {
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

/// What is known of a pause.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Evidence {
    /// What was asked.
    pub kind: AnswerKind,
    /// What was said.
    pub progress: Progress,
    /// How many words that was.
    pub words: usize,
    /// How the voice ended.
    pub voice: Option<PauseCue>,
    /// What a turn model says.
    pub model: Option<TurnCue>,
    /// This caller's pauses against those of callers on average.
    pub pace: f64,
    /// How often this caller pauses within a turn against callers on average.
    pub hesitation: f64,
}

/// Log odds that a pause is one within the turn, by what was asked and how far the answer has come. This and the weights
/// below are a logistic regression on the development half of the simulated callers of both languages (`tipring simulate
/// turns --half dev`), 48,000 pauses; the other half of the seeds was not looked at.
fn prior(kind: AnswerKind, progress: Progress) -> f64 {
    use AnswerKind::{Choice, Name, Number, Open, YesNo};
    match (progress, kind) {
        (Progress::Digits, _) => 2.2,
        (Progress::Expected, YesNo) => -0.56,
        (Progress::Expected, Choice) => -0.34,
        (Progress::Expected, Number) => -1.8,
        (Progress::Expected, Name | Open) => -0.13,
        (Progress::Incomplete, YesNo) => 1.0,
        (Progress::Incomplete, Choice) => 1.7,
        (Progress::Incomplete, Number) => 2.0,
        (Progress::Incomplete, Name) => 1.7,
        (Progress::Incomplete, Open) => 2.05,
        (Progress::Nothing, YesNo) => 0.25,
        (Progress::Nothing, Choice) => 0.9,
        (Progress::Nothing, Number) => 2.5,
        (Progress::Nothing, Name | Open) => 2.3,
        (Progress::Words, YesNo) => -0.1,
        (Progress::Words, Choice) => 1.07,
        (Progress::Words, Number) => 2.4,
        (Progress::Words, Name) => 1.4,
        (Progress::Words, Open) => 2.55,
    }
}

/// Log odds for each doubling of the number of words, where they are no whole expected phrase: the longer, the more likely
/// that it is over.
const PER_DOUBLING_OF_WORDS: f64 = -0.61;
/// Log odds for each e-fold that this caller pauses more often than others.
const PER_HESITATION: f64 = 0.36;
/// Log odds for each semitone that the pitch fell less than usual.
const PER_SEMITONE: f64 = 0.32;
/// The usual fall before a pause, in semitones.
const USUAL_FALL_ST: f64 = 2.2;
/// Log odds for each doubling of the last syllable's length: final lengthening marks an end.
const PER_DOUBLING: f64 = -1.5;
/// The voice alone moves the log odds by no more: what is measured over a telephone is not always what was meant.
const MOST_OF_THE_VOICE: f64 = 1.3;
/// How far a turn model is trusted: the share of its own log odds that counts.
const MODEL_TRUST: f64 = 0.7;

/// The odds that a pause of which this is known is one within the turn.
pub(crate) fn odds(evidence: &Evidence) -> f64 {
    let mut log_odds = prior(evidence.kind, evidence.progress);
    if evidence.progress == Progress::Words {
        log_odds += PER_DOUBLING_OF_WORDS * (evidence.words.clamp(1, 16) as f64).log2();
    }
    log_odds += PER_HESITATION * evidence.hesitation.clamp(0.3, 3.0).ln();
    if let Some(voice) = &evidence.voice {
        let mut heard = 0.0;
        if let Some(fall) = voice.pitch_fall_st.filter(|fall| fall.is_finite()) {
            heard += PER_SEMITONE * (USUAL_FALL_ST - f64::from(fall)).clamp(-5.0, 5.0);
        }
        if let Some(longer) = voice.lengthening.filter(|longer| longer.is_finite() && *longer > 0.0) {
            heard += PER_DOUBLING * f64::from(longer).log2().clamp(-1.0, 1.0);
        }
        log_odds += heard.clamp(-MOST_OF_THE_VOICE, MOST_OF_THE_VOICE);
    }
    if let Some(model) = &evidence.model {
        let complete = f64::from(model.complete).clamp(0.02, 0.98);
        log_odds -= MODEL_TRUST * (complete / (1.0 - complete)).ln();
    }
    log_odds.exp()
}

/// The silence in milliseconds that ends a turn. `state_wait_ms` is the flow's own wait for the state.
pub(crate) fn wait_ms(config: &TurnConfig, curve: PauseCurve, evidence: &Evidence, state_wait_ms: Option<u64>) -> u64 {
    if let Some(own) = state_wait_ms {
        return own;
    }
    match config.endpointing {
        Endpointing::Fixed => fixed_wait_ms(config, evidence.kind, evidence.progress),
        Endpointing::Adaptive => {
            let odds = odds(evidence);
            let pace = evidence.pace.clamp(0.5, 2.0);
            let worth = |ms: u64| {
                let seconds = ms as f64 / 1000.0 / pace;
                odds * curve.density(seconds) / pace > config.eagerness
            };
            let (mut wait, longest) = (config.shortest_wait_ms, config.longest_wait_ms.max(config.shortest_wait_ms));
            while wait < longest && worth(wait) {
                wait += STEP_MS;
            }
            wait.min(longest)
        }
    }
}

/// Steps in which a wait is looked for.
const STEP_MS: u64 = 10;

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
        let curve = PauseCurve::of("en");
        for (kind, progress, expected) in cases {
            let evidence = evidence(kind, progress);
            assert_eq!(wait_ms(&config, curve, &evidence, None), expected, "{kind:?} {progress:?}");
            assert_eq!(wait_ms(&config, curve, &evidence, Some(450)), 450);
        }
    }

    #[test]
    fn each_cue_moves_the_wait_its_own_way() {
        let config = TurnConfig::default();
        let curve = PauseCurve::of("en");
        let wait = |evidence: &Evidence| wait_ms(&config, curve, evidence, None);
        let voice = |fall, longer| PauseCue {
            last: MediaTime::ZERO,
            pitch_fall_st: Some(fall),
            lengthening: Some(longer),
            level_fall_db: 0.0,
        };
        let model = |complete| TurnCue { covers: MediaTime::ZERO, complete };
        let open = evidence(AnswerKind::Open, Progress::Words);
        assert!(wait(&evidence(AnswerKind::YesNo, Progress::Expected)) < wait(&open));
        assert!(wait(&open) < wait(&evidence(AnswerKind::Open, Progress::Incomplete)));
        let with = |voice| wait(&Evidence { voice: Some(voice), ..open });
        assert!(with(voice(6.0, 1.5)) < wait(&open) && wait(&open) < with(voice(-1.0, 0.8)));
        assert!(with(voice(f32::NAN, 0.0)) == wait(&open), "what cannot be measured says nothing");
        let with = |complete| wait(&Evidence { model: Some(model(complete)), ..open });
        assert!(with(0.95) < wait(&open) && wait(&open) < with(0.1));
        let slow = Evidence { pace: 1.5, ..open };
        assert!(wait(&open) < wait(&slow), "who pauses longer is waited for longer");
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let config = TurnConfig::default();
        for language in ["en", "zh"] {
            for progress in
                [Progress::Nothing, Progress::Incomplete, Progress::Digits, Progress::Words, Progress::Expected]
            {
                for pace in [0.0, 1.0, 9.0] {
                    let evidence = Evidence { pace, ..evidence(AnswerKind::Open, progress) };
                    let wait = wait_ms(&config, PauseCurve::of(language), &evidence, None);
                    assert!((config.shortest_wait_ms..=config.longest_wait_ms).contains(&wait), "{progress:?} {wait}");
                }
            }
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
