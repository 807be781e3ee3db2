//! Callers who lose patience, in virtual time: the agent notices, and takes few calm ones for them.

use tipring::agent::TurnConfig;
use tipring::sim::Finals;
use tipring::sim::mood::{MoodFigures, simulate};
use tipring::sim::turns::Setup;

/// The half of the seeds that nothing was tuned on.
fn figures(language: &str, voice: bool) -> MoodFigures {
    let turn = TurnConfig::default();
    let finals = Finals::default();
    let setup = Setup { language: language.into(), calls: 300, test_half: true, model_ms: 400, finals, turn };
    simulate(&setup, voice, |_| ()).unwrap()
}

#[test]
fn impatient_callers_are_noticed_and_calm_ones_are_not_taken_for_them() {
    for language in ["en", "zh"] {
        let f = figures(language, true);
        assert!(f.calls >= 200 && f.impatient_calls >= 100 && f.calm_calls >= 100, "{f:?}");
        assert!(f.f1 >= 0.92, "{language}: {f:?}");
        assert!(f.false_switch_percent <= 4.0, "{language}: {f:?}");
        assert!(f.switched_within_turns_p50 <= 1 && f.switched_within_one_turn_percent >= 55.0, "{language}: {f:?}");
        let fast = f.kinds["fast"].switched + f.kinds["loud"].switched;
        // Of 34. How the engine gets used to a loud voice is not simulated.
        assert!(fast <= 4, "who is fast or loud by nature is not impatient: {f:?}");
        let says = f.kinds["says so"];
        assert!(says.switched * 10 >= says.calls * 9, "who says so is believed: {f:?}");
    }
}

#[test]
fn without_a_voice_there_are_fewer_switches_and_no_more_false_ones() {
    for language in ["en", "zh"] {
        let f = figures(language, false);
        assert!(f.false_switch_percent <= 4.0, "{language}: {f:?}");
        let says = f.kinds["says so"];
        assert!(says.switched * 10 >= says.calls * 8, "words are enough: {f:?}");
    }
}

#[test]
fn the_same_seeds_give_the_same_figures() {
    assert_eq!(figures("en", true), figures("en", true));
}
