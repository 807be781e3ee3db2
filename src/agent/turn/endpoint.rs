//! When a silence ends the caller's turn.
//!
//! Most of a response gap is this wait, so it depends on what was asked and on how complete the answer sounds: a "yes" to
//! a yes-or-no question needs no second thought, half a telephone number does.

use crate::agent::TurnConfig;
use crate::audio::MediaTime;
use crate::speech::AnswerKind;

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

/// The silence in milliseconds that ends a turn. `state_wait_ms` is the flow's own wait for the state.
pub(crate) fn wait_ms(config: &TurnConfig, kind: AnswerKind, progress: Progress, state_wait_ms: Option<u64>) -> u64 {
    if let Some(own) = state_wait_ms {
        return own;
    }
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

    #[test]
    fn the_wait_follows_question_and_answer() {
        let config = TurnConfig::default();
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
        for (kind, progress, expected) in cases {
            assert_eq!(wait_ms(&config, kind, progress, None), expected, "{kind:?} {progress:?}");
            assert_eq!(wait_ms(&config, kind, progress, Some(450)), 450);
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
