//! Speech over the agent's voice: softer, silent, stopped or on again.

use crate::agent_ahead::{eager, slow};
use crate::agent_dialogue::MODEL;
use crate::agent_session::{ASR_MS, Session, VAD_MS, ms, times};
use crate::agent_turns::FLOW;
use tipring::agent::{Action, AgentEvent, Input, TurnConfig};
use tipring::record::Speaker;
use tipring::speech::{Cue, Hypothesis, HypothesisKind, OverlapCue, Reply, SpeechEdge};

fn overlap(session: &mut Session, onset: u64, at: u64, echo: f32, backchannel: f32) {
    let cue = OverlapCue { onset: ms(onset), covers: ms(at), echo, backchannel, level_db: None };
    session.at(at, Input::Cue(Cue::Overlap(cue)));
}

/// The long first line of the flow is playing.
fn speaking() -> (Session, u64) {
    let mut session = Session::with(FLOW, TurnConfig { duck_ms: 100, barge_in_ms: 260, surely_ms: 800, ..times() });
    session.run(300);
    (session, 400)
}

fn first(session: &Session, wanted: fn(&Action) -> bool) -> Option<u64> {
    session.times(wanted).first().copied()
}

#[test]
fn an_interruption_ducks_then_silences_then_stops() {
    let (mut session, onset) = speaking();
    overlap(&mut session, onset, onset + 120, 0.1, 0.4);
    overlap(&mut session, onset, onset + 240, 0.1, 0.3);
    session.caller(onset, 1_500, "who is this").run(onset + 1_200);
    assert_eq!(first(&session, |action| *action == Action::Duck), Some(onset + 100));
    assert_eq!(first(&session, |action| *action == Action::Pause), Some(onset + 260));
    // Silent as it is, it takes 200 ms more to be sure.
    assert_eq!(first(&session, |action| *action == Action::StopSpeaking), Some(onset + 1_000));
    assert!(first(&session, |action| *action == Action::Unduck).is_none(), "a new epoch is at full volume by itself");
}

#[test]
fn a_voice_that_is_plainly_no_backchannel_silences_the_agent_sooner() {
    let (mut session, onset) = speaking();
    overlap(&mut session, onset, onset + 200, 0.0, 0.05);
    session.caller(onset, 1_500, "who is this").run(onset + 1_000);
    assert_eq!(first(&session, |action| *action == Action::Pause), Some(onset + 200));
}

#[test]
fn speech_without_words_that_goes_on_stops_the_agent() {
    let (mut session, onset) = speaking();
    overlap(&mut session, onset, onset + 200, 0.0, 0.05);
    session.caller(onset, 1_500, "").run(onset + 1_400);
    assert_eq!(first(&session, |action| *action == Action::Pause), Some(onset + 200));
    assert_eq!(first(&session, |action| *action == Action::StopSpeaking), Some(onset + 1_000));
}

#[test]
fn a_hum_that_sounds_like_an_interruption_only_makes_the_agent_wait() {
    // Who was not understood may be thinking, and is waited for.
    for (hum, over_by) in [("uh huh", 400 + VAD_MS), ("", 400 + 160 + 400)] {
        let (mut session, onset) = speaking();
        for at in (120..400).step_by(40) {
            overlap(&mut session, onset, onset + at, 0.0, 0.05);
        }
        session.caller(onset, 400, hum).run(12_000);
        let pause = first(&session, |action| *action == Action::Pause).unwrap();
        assert_eq!(pause, onset + 200, "'{hum}': when it is known to be no echo");
        assert_eq!(first(&session, |action| *action == Action::Unduck), Some(onset + over_by), "'{hum}'");
        assert!(first(&session, |action| *action == Action::StopSpeaking).is_none(), "'{hum}'");
        let lines = session.turns().into_iter().filter(|turn| turn.speaker == Speaker::Agent).collect::<Vec<_>>();
        assert!(lines[0].intended.is_none(), "nothing was lost: {:?}", lines[0]);
        assert_eq!(session.played[0].2.ms(), pause / 20 * 20 + 20, "silent within a frame");
        assert_eq!(session.played[0].0, session.played[1].0, "and the same line went on");
    }
}

#[test]
fn an_interruption_that_ends_before_its_words_come_is_one_with_them() {
    let (mut session, onset) = speaking();
    for at in (120..300).step_by(40) {
        overlap(&mut session, onset, onset + at, 0.0, 0.05);
    }
    session.caller(onset, 300, "operator").run(onset + 700);
    assert!(first(&session, |action| *action == Action::Unduck).is_none());
    let stopped = first(&session, |action| *action == Action::StopSpeaking).unwrap();
    assert!(stopped <= onset + 300 + 160 + ASR_MS, "the flush and its answer: {}", stopped - onset);
}

#[test]
fn first_guesses_at_the_words_of_a_hum_stop_nothing() {
    let (mut session, onset) = speaking();
    for at in (120..400).step_by(40) {
        overlap(&mut session, onset, onset + at, 0.0, 0.3);
    }
    // "You" is what the recogniser makes of the first half of a "yeah".
    let guess = |text: &str, at: u64, kind| {
        let covers = ms(onset + at);
        Input::Heard(Hypothesis { kind, text: text.to_owned(), confidence: 0.9, covers, degraded: false })
    };
    session.caller(onset, 400, "");
    session.deliver_as_it_is(onset + 200, guess("you", 190, HypothesisKind::Partial));
    session.deliver_as_it_is(onset + 400, guess("yeah", 390, HypothesisKind::Partial));
    session.run(12_000);
    assert_eq!(first(&session, |action| *action == Action::Pause), Some(onset + 260), "one word hastens nothing");
    assert_eq!(first(&session, |action| *action == Action::Unduck), Some(onset + 400 + VAD_MS));
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
}

#[test]
fn a_few_words_that_the_recogniser_is_not_sure_of_are_a_hum() {
    for (text, confidence, stops) in [
        ("nope", 0.6, false),
        ("nope", 0.9, true),
        ("stop", 0.5, true),
        ("stop", 0.2, false),
        ("yes a person please", 0.5, true),
    ] {
        let (mut session, onset) = speaking();
        for at in (120..400).step_by(40) {
            overlap(&mut session, onset, onset + at, 0.0, 0.3);
        }
        session.confidence(confidence).caller(onset, 400, text).run(onset + 1_500);
        assert!(first(&session, |action| *action == Action::Pause).is_some(), "{text} {confidence}");
        let stopped = first(&session, |action| *action == Action::StopSpeaking);
        assert_eq!(stopped.is_some(), stops, "{text} {confidence}");
        assert_eq!(first(&session, |action| *action == Action::Unduck).is_some(), !stops, "{text} {confidence}");
    }
}

#[test]
fn guesses_after_the_final_answer_stop_nothing() {
    let (mut session, onset) = speaking();
    for at in (120..400).step_by(40) {
        overlap(&mut session, onset, onset + at, 0.0, 0.3);
    }
    session.caller(onset, 400, "").run(onset + 700);
    assert!(first(&session, |action| *action == Action::Pause).is_some(), "nothing was understood");
    let covers = ms(onset + 680);
    let guess = Hypothesis {
        kind: HypothesisKind::Partial,
        text: "that is fine".to_owned(),
        confidence: 0.9,
        covers,
        degraded: false,
    };
    session.deliver_as_it_is(onset + 700, Input::Heard(guess));
    session.run(onset + 1_400);
    assert!(first(&session, |action| *action == Action::Unduck).is_some());
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
    let heard: Vec<String> =
        session.turns().iter().filter(|turn| turn.speaker == Speaker::Caller).map(|turn| turn.text.clone()).collect();
    assert!(heard.iter().all(String::is_empty), "{heard:?}");
}

#[test]
fn words_that_never_become_certain_are_believed_in_the_end() {
    let (mut session, onset) = speaking();
    session.faults.no_final = true;
    for at in (120..400).step_by(40) {
        overlap(&mut session, onset, onset + at, 0.0, 0.3);
    }
    session.caller(onset, 400, "operator").run(onset + 2_000);
    assert!(first(&session, |action| *action == Action::Unduck).is_none());
    let stopped = first(&session, |action| *action == Action::StopSpeaking).unwrap();
    assert!((onset + 900..onset + 1_000).contains(&stopped), "{}", stopped - onset);
}

#[test]
fn yes_over_the_end_of_its_question_is_the_answer_and_over_the_beginning_a_hum() {
    // The question is heard from 20 to 1220 ms.
    for (onset, answered) in [(300, false), (850, true)] {
        let mut session = Session::with(FLOW, eager());
        session.run(onset - 100);
        for at in (120..300).step_by(20) {
            overlap(&mut session, onset, onset + at, 0.0, 0.05);
        }
        session.caller(onset, 300, "yes").run(onset + 1_300);
        assert!(first(&session, |action| *action == Action::Pause).is_some(), "{onset}");
        assert_eq!(session.lines().contains(&"Great."), answered, "{onset}: {:?}", session.said());
        assert_eq!(first(&session, |action| *action == Action::Unduck).is_some(), !answered, "{onset}");
    }
}

#[test]
fn an_answer_of_the_model_goes_on_after_a_hum() {
    // Two sentences, the second of which comes while the agent is silent for a hum.
    let mut session = Session::with(MODEL, eager());
    session.model.replies = vec![
        (200, Reply::Delta("This is the first sentence of it. ".into())),
        (1_200, Reply::Delta("And the second.".into())),
        (1_210, Reply::Done),
    ];
    session.caller(3_000, 600, "which day").run(4_500);
    let first_line = session.time_of("This is the first sentence of it.");
    let onset = first_line + 400;
    for at in (120..400).step_by(40) {
        overlap(&mut session, onset, onset + at, 0.0, 0.05);
    }
    session.caller(onset, 400, "uh huh").run(12_000);
    assert!(first(&session, |action| *action == Action::Pause).is_some());
    let cancelled = session.times(|action| matches!(action, Action::CancelAsk { .. }));
    assert!(cancelled.is_empty(), "{cancelled:?}");
    let transcript = session.transcript();
    assert!(transcript.contains(&"A This is the first sentence of it.".to_owned()), "{transcript:?}");
    assert!(transcript.contains(&"A And the second.".to_owned()), "{transcript:?}");
}

#[test]
fn a_backchannel_and_an_echo_only_duck() {
    for (echo, backchannel) in [(0.1, 0.9), (0.9, 0.1)] {
        let (mut session, onset) = speaking();
        for at in (120..400).step_by(40) {
            overlap(&mut session, onset, onset + at, echo, backchannel);
        }
        session.caller(onset, 450, "uh huh").run(onset + 1_500);
        assert_eq!(first(&session, |action| *action == Action::Duck), Some(onset + 100));
        assert_eq!(first(&session, |action| *action == Action::Unduck), Some(onset + 260));
        assert!(first(&session, |action| *action == Action::StopSpeaking).is_none(), "echo {echo}");
        assert_eq!(session.lines().len(), 1, "nothing was answered: {:?}", session.lines());
    }
}

#[test]
fn a_backchannel_that_does_not_end_is_an_interruption_after_all() {
    let (mut session, onset) = speaking();
    overlap(&mut session, onset, onset + 240, 0.0, 0.9);
    session.caller(onset, 1_800, "uh huh uh huh uh huh uh huh").run(onset + 1_500);
    assert_eq!(first(&session, |action| *action == Action::StopSpeaking), Some(onset + 800));
}

#[test]
fn a_hum_over_a_filler_is_no_turn_that_goes_on() {
    let hum = |session: &mut Session, onset: u64| {
        for at in (120..400).step_by(40) {
            overlap(session, onset, onset + at, 0.1, 0.9);
        }
        session.caller(onset, 450, "uh huh");
    };
    // The model takes three seconds; a filler fills the time.
    let mut session = slow();
    session.caller(3_000, 600, "which day").run(4_500);
    let filler = session.time_of(session.lines()[1]);
    assert!(session.lines()[1].starts_with("One moment") && filler + 300 < 4_700, "{:?}", session.said());
    hum(&mut session, filler + 400);
    session.run(12_000);
    let stops = session.times(|action| *action == Action::StopSpeaking);
    assert!(stops.iter().all(|at| *at < filler), "{stops:?}, the filler at {filler}");
    assert!(session.times(|action| matches!(action, Action::CancelAsk { .. })).iter().all(|at| *at > filler + 1_000));
}

#[test]
fn a_short_hum_is_one_although_it_was_over_before_it_was_decided() {
    // "Yes" in 150 ms over a yes-or-no question: an answer, unless it sounded like a hum.
    for (backchannel, answered) in [(0.2, true), (0.9, false)] {
        let mut session = Session::with(FLOW, times());
        session.run(300);
        overlap(&mut session, 400, 520, 0.0, backchannel);
        overlap(&mut session, 400, 600, 0.0, backchannel);
        session.caller(400, 150, "yes").run(1_150);
        assert_eq!(session.lines().contains(&"Great."), answered, "{backchannel}: {:?}", session.lines());
    }
}

#[test]
fn what_sounded_like_a_hum_and_was_a_yes_answers_once_the_question_is_over() {
    let mut session = Session::with(FLOW, times());
    session.run(300);
    let ends = 20 + 20 * 60;
    let onset = ends - 180;
    overlap(&mut session, onset, onset + 120, 0.0, 0.9);
    session.caller(onset, 170, "yes").run(3_000);
    assert!(session.lines().contains(&"Great."), "nobody waits for the caller to say it again: {:?}", session.lines());
}

#[test]
fn a_short_word_that_takes_the_floor_stops_the_agent_when_it_is_known() {
    // Over before it was decided, and then known: "wait", "the" (a hum misheard), "wait" in a voice that hums.
    for (text, backchannel, stops) in [("wait", 0.4, true), ("the", 0.9, false), ("wait", 0.9, true)] {
        let (mut session, onset) = speaking();
        overlap(&mut session, onset, onset + 120, 0.0, backchannel);
        overlap(&mut session, onset, onset + 200, 0.0, backchannel);
        session.caller(onset, 150, text).run(onset + 500);
        let stopped = first(&session, |action| *action == Action::StopSpeaking);
        assert_eq!(stopped.is_some_and(|at| at < onset + 450), stops, "{text}, {backchannel}: {stopped:?}");
    }
}

#[test]
fn one_cue_of_two_that_errs_does_not_decide() {
    let (mut session, onset) = speaking();
    for (at, backchannel) in [(160, 0.8), (200, 0.8), (240, 0.35)] {
        overlap(&mut session, onset, onset + at, 0.0, backchannel);
    }
    session.caller(onset, 400, "mm hm").run(onset + 1_000);
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
}

#[test]
fn words_tell_more_than_the_voice() {
    let (mut session, onset) = speaking();
    overlap(&mut session, onset, onset + 200, 0.0, 0.55);
    session.caller(onset, 900, "no listen to me please now").run(onset + 1_300);
    let silent = first(&session, |action| *action == Action::Pause).unwrap();
    assert!(silent < onset + 260, "{silent}");
    let certain = onset + 900 + 160 + ASR_MS;
    assert_eq!(first(&session, |action| *action == Action::StopSpeaking), Some(certain));
}

#[test]
fn a_short_noise_leaves_the_agent_soft_for_no_longer_than_it_lasts() {
    let (mut session, onset) = speaking();
    session.at(onset + 80, Input::Speech(SpeechEdge::Started { onset: ms(onset) }));
    session.at(onset + 200, Input::Speech(SpeechEdge::Paused { last: ms(onset + 120) }));
    session.run(onset + 1_000);
    assert_eq!(first(&session, |action| *action == Action::Unduck), Some(onset + 200));
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
}

/// Our own voice comes back from `onset` for `long` ms, as the cues of the voice tell.
fn echo(session: &mut Session, onset: u64, long: u64, words: &str) {
    for at in (120..=long).step_by(20) {
        // The first looks know little.
        overlap(session, onset, onset + at, if at < 160 { 0.2 } else { 0.9 }, 0.1);
    }
    session.caller(onset, long, words);
}

#[test]
fn the_echo_of_an_answer_that_just_began_does_not_stop_it() {
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 400, "yes").run(3_690);
    let began = session.time_of("Great.");
    echo(&mut session, began + 80, 500, "");
    session.run(7_000);
    assert!(session.times(|action| *action == Action::StopSpeaking).iter().all(|at| *at < began), "{began}");
    assert_eq!(session.lines().iter().filter(|line| **line == "Great.").count(), 1);
}

#[test]
fn an_echo_that_fades_is_no_caller_until_it_is_over() {
    let (mut session, onset) = speaking();
    for (at, share) in [(120, 0.8), (160, 0.7), (200, 0.6), (220, 0.5), (240, 0.4), (260, 0.3), (280, 0.3), (300, 0.3)]
    {
        overlap(&mut session, onset, onset + at, share, 0.1);
    }
    session.caller(onset, 240, "").run(onset + 1_500);
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
    // Who speaks on is heard.
    let (mut session, onset) = speaking();
    for at in (120..=400).step_by(20) {
        overlap(&mut session, onset, onset + at, if at < 200 { 0.7 } else { 0.2 }, 0.1);
    }
    session.caller(onset, 1_500, "who is this").run(onset + 1_200);
    let silent = first(&session, |action| *action == Action::Pause).unwrap();
    assert!((onset + 260..=onset + 340).contains(&silent), "{silent}");
    assert_eq!(first(&session, |action| *action == Action::StopSpeaking), Some(onset + 1_000));
}

#[test]
fn words_in_our_own_echo_are_no_words_of_the_caller() {
    let (mut session, onset) = speaking();
    echo(&mut session, onset, 700, "no thanks");
    session.run(onset + 1_500);
    assert!(first(&session, |action| *action == Action::StopSpeaking).is_none());
    assert_eq!(session.lines().len(), 1, "{:?}", session.lines());
}

#[test]
fn the_echo_of_a_line_that_may_not_be_interrupted_is_no_turn() {
    let flow = FLOW.replace("expect = \"yes_no\"", "expect = \"yes_no\"\ninterruptible = false");
    let mut session = Session::with(&flow, times());
    session.run(300);
    echo(&mut session, 400, 700, "yes please");
    session.run(6_000);
    assert!(!session.lines().contains(&"Great."), "nobody agreed: {:?}", session.lines());
    let spoken = session.times(|action| {
        matches!(action, Action::Report(AgentEvent::Turn(turn)) if turn.speaker == tipring::record::Speaker::Caller)
    });
    assert!(spoken.is_empty(), "it was recorded as the caller's");
}
