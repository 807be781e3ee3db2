//! Working ahead of the end of a turn, and the latency governor.

use crate::agent_dialogue::MODEL;
use crate::agent_session::{Session, ms, times};
use crate::agent_turns::FLOW;
use tipring::agent::{Action, AgentEvent, Input, TurnConfig};
use tipring::record::Stage;
use tipring::speech::{Cue, Hypothesis, HypothesisKind, Reply};

pub fn eager() -> TurnConfig {
    TurnConfig { work_ahead: true, eager_ms: 150, flush_ms: 100, ..times() }
}

fn stages(session: &Session, wanted: &Stage) -> Vec<u64> {
    session.times(|action| matches!(action, Action::Report(AgentEvent::Timeline(event)) if event.what == *wanted))
}

fn prepared(session: &Session) -> Vec<(u64, String)> {
    let text = |action: &Action| match action {
        Action::Prepare { text, .. } => Some(text.clone()),
        _ => None,
    };
    session.actions.iter().filter_map(|(at, action)| Some((at.ms(), text(action)?))).collect()
}

#[test]
fn the_answer_is_ready_when_the_turn_is_over() {
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 800, "yes please").run(6_000);
    let first = &prepared(&session)[0];
    assert_eq!(first.1, "Great.");
    assert!(first.0 <= 3_800 + 170, "prepared in the silence, at {}", first.0);
    assert_eq!(session.time_of("Great."), 3_800 + 280, "and said when it is over");
    assert_eq!(stages(&session, &Stage::SpeculationKept).len(), 1);
    let tally = session.agent.ahead_tally();
    assert_eq!((tally.begun, tally.kept, tally.dropped, tally.ready), (1, 1, 0, 1));
    let numbers: Vec<_> = session
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Prepare { utterance, text } | Action::Say { utterance, text } if text == "Great." => {
                Some(utterance)
            }
            _ => None,
        })
        .collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[0], numbers[1], "one line, not two");
}

#[test]
fn what_a_caller_goes_on_after_is_thrown_away_unheard() {
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 400, "yes").caller(3_590, 700, "but i can't come").run(7_000);
    assert_eq!(prepared(&session)[0].1, "Great.");
    assert!(!session.lines().contains(&"Great."), "{:?}", session.lines());
    assert_eq!(stages(&session, &Stage::SpeculationDropped).len(), 1);
    let tally = session.agent.ahead_tally();
    assert_eq!((tally.begun, tally.kept, tally.dropped), (2, 1, 1));
}

#[test]
fn the_model_is_asked_ahead_and_only_once() {
    let mut session = Session::with(MODEL, eager());
    session.model.replies = vec![
        (200, Reply::Delta("It is on Saturday. ".into())),
        (300, Reply::Delta("Do come!".into())),
        (310, Reply::Done),
    ];
    session.caller(3_000, 600, "which day").run(9_000);
    let asked = session.times(|action| matches!(action, Action::Ask { .. }));
    assert_eq!(asked.len(), 1);
    assert!(asked[0] < 3_600 + 180, "in the silence: {asked:?}");
    assert_eq!(session.time_of("It is on Saturday."), 3_600 + 600, "answered before the turn was over");
    assert_eq!(session.lines().iter().filter(|line| **line == "It is on Saturday.").count(), 1);
    assert_eq!(session.lines()[2], "Do come!");
    assert!(
        prepared(&session).iter().any(|(_, text)| text == "It is on Saturday."),
        "its first sentence is synthesised"
    );
    assert_eq!(session.times(|action| matches!(action, Action::CancelAsk { .. })).len(), 0);
}

#[test]
fn a_question_asked_ahead_is_cancelled_when_the_caller_goes_on() {
    let mut session = Session::with(MODEL, eager());
    session.model.replies = vec![(100, Reply::Delta("On Saturday. ".into())), (120, Reply::Done)];
    session.caller(3_000, 600, "which day").caller(4_000, 500, "and which time").run(9_000);
    let asks: Vec<u32> = session
        .actions
        .iter()
        .filter_map(|(_, action)| if let Action::Ask { ask, .. } = action { Some(*ask) } else { None })
        .collect();
    assert_eq!(asks.len(), 2);
    assert_ne!(asks[0], asks[1], "a number is not used twice");
    assert_eq!(session.times(|action| matches!(action, Action::CancelAsk { .. })).len(), 1);
    assert_eq!(session.lines().iter().filter(|line| **line == "On Saturday.").count(), 1);
}

/// A language model that takes three seconds.
pub fn slow() -> Session {
    let config = TurnConfig { answer_by_ms: 700, first_sentence_ms: 4_000, ..eager() };
    let mut session = Session::with(MODEL, config);
    session.model.replies = vec![(3_000, Reply::Delta("It is on Sunday. ".into())), (3_010, Reply::Done)];
    session
}

#[test]
fn a_slow_model_is_bridged_and_its_answer_still_comes() {
    let mut session = slow();
    session.caller(3_000, 600, "which day").run(12_000);
    let filler = session.lines()[1];
    assert!(filler.starts_with("One moment"), "{filler}");
    assert!(session.time_of(filler) <= 3_600 + 1_000);
    assert!(session.lines().contains(&"It is on Sunday."));
    assert_eq!(stages(&session, &Stage::Filler).len(), 1);
}

#[test]
fn a_filler_comes_once_in_four_turns_and_otherwise_the_ready_answer() {
    let mut session = slow();
    for n in 0..6 {
        session.caller(3_000 + n * 12_000, 600, "which day");
    }
    session.run(80_000);
    let said = session.said();
    for n in 0..6u64 {
        let ended = 3_600 + n * 12_000;
        let first = said.iter().find(|(at, _)| *at >= ended).unwrap();
        assert!(first.0 - ended <= 1_000, "turn {n} was silent for {} ms", first.0 - ended);
        let filler = first.1.starts_with("One moment") || first.1.starts_with("That is a good question");
        assert_eq!(filler, n % 4 == 0, "turn {n}: {}", first.1);
        if !filler {
            assert_eq!(first.1, "It is on Saturday.", "the flow's own answer");
        }
    }
}

/// What was said after the caller's turn that ended at `ended`, with the silence before it, until something was heard.
fn answer(session: &Session, ended: u64) -> (u64, String) {
    let said = session.said();
    let heard: Vec<u64> = session.played.iter().map(|(_, from, _)| from.ms()).filter(|from| *from >= ended).collect();
    let first = said.iter().find(|(at, _)| *at >= ended).expect("an answer");
    (heard.first().expect("something to be heard") - ended, first.1.to_owned())
}

#[test]
fn a_line_that_is_not_ready_is_bridged_though_the_filler_was_just_said() {
    let config = TurnConfig { answer_by_ms: 700, work_ahead: false, ..eager() };
    let mut session = Session::with(FLOW, config);
    session.faults.slow = Some(("This is the test", 3_000));
    for n in 0..3 {
        session.caller(3_000 + n * 12_000, 600, "who is this");
    }
    session.run(40_000);
    for n in 0..3 {
        let ended = 3_600 + n * 12_000;
        let (silence, _) = answer(&session, ended);
        assert!(silence <= 1_050, "turn {n} was silent for {silence} ms: {:?}", session.said());
    }
    assert_eq!(session.lines().iter().filter(|line| **line == "This is the test.").count(), 3, "and then it is said");
    let fillers = session.times(|action| matches!(action, Action::SayFirst { .. }));
    assert_eq!(fillers.len(), 3);
    assert!(fillers[1] - 15_600 > fillers[0] - 3_600, "so soon again it comes only when it must: {fillers:?}");
}

#[test]
fn a_filler_that_cannot_be_said_gives_way_to_the_ready_answer_at_once() {
    let mut session = slow();
    session.faults.unspeakable = Some("One moment");
    session.caller(3_000, 600, "which day").run(12_000);
    let said = session.said();
    let at = said.iter().find(|(_, text)| *text == "It is on Saturday.").expect("the ready answer").0;
    assert!(at <= 3_600 + 750, "{said:?}");
    assert_eq!(session.times(|action| matches!(action, Action::CancelAsk { .. })).len(), 1);
    let answered = session.turns().into_iter().find(|turn| turn.text == "It is on Saturday.").expect("its record");
    assert!(answered.latency.is_some_and(|latency| latency.first_packet.is_some()), "it is what answers the turn");
}

#[test]
fn what_was_prepared_in_other_words_was_not_used() {
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 500, "who is this").run(3_690);
    assert_eq!(prepared(&session)[0].1, "This is the test.");
    // The words turn out to be others when the turn is over already.
    let at = ms(4_500);
    let heard = Hypothesis {
        kind: HypothesisKind::Final,
        text: "yes please".to_owned(),
        confidence: 0.9,
        covers: at,
        degraded: false,
    };
    session.agent.handle(at, Input::Heard(heard));
    let tally = session.agent.ahead_tally();
    assert_eq!((tally.begun, tally.kept, tally.dropped, tally.answers), (1, 0, 1, 1));
}

#[test]
fn the_end_of_a_long_answer_is_not_lost() {
    let mut session = Session::with(MODEL, eager());
    session.model.replies = (0..600).map(|n| (100 + n / 40, Reply::Delta("and ".into()))).collect();
    session.model.replies.push((120, Reply::Done));
    session.caller(3_000, 600, "which day").run(9_000);
    let spoken: Vec<&str> = session.lines().into_iter().filter(|line| line.starts_with("and and")).collect();
    assert!(!spoken.is_empty(), "{:?}", session.lines());
    let asked_again = session.time_of("What would you like to know?");
    assert!(asked_again < 3_000);
    let again =
        session.said().iter().filter(|(_, text)| *text == "What would you like to know?").nth(1).map(|(at, _)| *at);
    assert!(again.is_some_and(|at| at < 3_600 + 800), "the answer is over, and the flow goes on: {:?}", session.said());
}

#[test]
fn a_noise_without_end_holds_no_turn_open() {
    let config = TurnConfig { longest_wait_ms: 1_200, ..eager() };
    let mut session = Session::with(FLOW, config);
    session.caller(3_000, 400, "yes");
    for at in (3_450..9_000).step_by(50) {
        session.at(at, Input::Cue(Cue::Stir(ms(at))));
    }
    session.run(9_000);
    let at = session.time_of("Great.");
    assert!((3_400 + 280..=3_400 + 1_200).contains(&at), "{at}");
}

#[test]
fn the_agent_does_not_begin_when_the_caller_may_be_going_on() {
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 400, "yes").at(3_670, Input::Cue(Cue::Stir(ms(3_670))));
    session.caller(3_640, 700, "but i can't come").run(7_000);
    assert!(!session.lines().contains(&"Great."), "{:?}", session.lines());
    // It was nothing: the answer comes a little later.
    let mut session = Session::with(FLOW, eager());
    session.caller(3_000, 400, "yes").at(3_670, Input::Cue(Cue::Stir(ms(3_670))));
    session.run(7_000);
    assert_eq!(session.time_of("Great."), 3_670 + 60);
}
