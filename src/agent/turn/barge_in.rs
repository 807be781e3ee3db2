//! When the caller's speech goes on with a turn that was thought to be over.

use crate::agent::TurnConfig;
use crate::audio::MediaTime;

/// Whether speech that began at `onset` goes on with the turn that was decided at `decided`: the decision had cut the
/// caller off, or the caller has not heard anything of the answer.
pub(crate) fn continues(
    config: &TurnConfig,
    onset: MediaTime,
    decided: MediaTime,
    answer_began: Option<MediaTime>,
) -> bool {
    onset <= decided.plus_ms(config.resume_ms) || answer_began.is_none_or(|began| onset <= began)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_who_goes_on_at_once_was_cut_off() {
        let config = TurnConfig::default();
        let ms = MediaTime::from_ms;
        assert!(continues(&config, ms(1_400), ms(1_000), Some(ms(1_020))));
        assert!(!continues(&config, ms(1_600), ms(1_000), Some(ms(1_020))));
        assert!(continues(&config, ms(2_600), ms(1_000), None), "no answer was heard yet");
        assert!(continues(&config, ms(2_600), ms(1_000), Some(ms(2_700))));
    }
}
