//! Who speaks when: the end of a turn, interruptions, noise, the greeting, what was heard.

use crate::agent_session::{Faults, Session, VAD_MS, ms};
use tipring::agent::{Action, Input};
use tipring::record::{EndReason, Speaker};
use tipring::speech::SpeechEdge;

/// A question of 20 characters (1.2 s), and what follows.
pub const FLOW: &str = r#"
name = "test"
start = "ask"

[fallback]
say = "Sorry, goodbye."
hang_up = true

[[global]]
phrases = ["who is this"]
say = "This is the test."

[[global]]
dtmf = "0"
phrases = ["operator"]
say = "One moment."
transfer = "100"

[state.ask]
say = "Will you come today?"
expect = "yes_no"

[[state.ask.on]]
dtmf = "1"
phrases = ["yes", "yes please"]
say = "Great."
goto = "open"
disposition = "yes"

[[state.ask.on]]
dtmf = "2"
phrases = ["no", "i can't come"]
goto = "bye"
disposition = "no"

[state.open]
say = "What do you want to eat?"

[[state.open.on]]
phrases = ["i would like <food>"]
say = "So {food} it is."
goto = "bye"

[state.bye]
say = "Thank you, goodbye."
hang_up = true
"#;

/// The greeting cannot be interrupted; then the question.
pub fn greeting_flow() -> String {
    FLOW.replace("start = \"ask\"", "start = \"hello\"")
        + "\n[state.hello]\nsay = \"Hello, this call is recorded.\"\ninterruptible = false\ngoto = \"ask\"\n"
}

fn stops(session: &Session) -> Vec<u64> {
    session.times(|action| *action == Action::StopSpeaking)
}

/// The time from the caller's last sample to the answer, in milliseconds.
fn gap(session: &Session, last_ms: u64, answer: &str) -> u64 {
    session.time_of(answer) - last_ms
}

#[test]
fn a_conversation_from_hello_to_goodbye() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "yes").caller(7_000, 900, "i would like soup").run(60_000);
    assert_eq!(
        session.transcript(),
        [
            "A Will you come today?",
            "C yes",
            "A Great.",
            "A What do you want to eat?",
            "C i would like soup",
            "A So soup it is.",
            "A Thank you, goodbye.",
        ]
    );
    assert_eq!(session.end(), Some(&EndReason::Completed));
    assert_eq!(session.agent.disposition(), Some("yes"));
    assert_eq!(session.agent.slots().get("food").map(String::as_str), Some("soup"));
    let (ended, last) = session.actions.last().unwrap();
    assert_eq!(last, &Action::HangUp(EndReason::Completed), "nothing follows the end");
    assert!(*ended >= session.played.last().unwrap().2, "the goodbye was heard to its end");
}

#[test]
fn the_recogniser_knows_what_to_expect_before_the_caller_can_answer() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "yes").run(5_000);
    let is_expect = |action: &Action| matches!(action, Action::Expect(_));
    let first_expect = session.actions.iter().position(|(_, action)| is_expect(action)).unwrap();
    let first_say = session.actions.iter().position(|(_, action)| matches!(action, Action::Say { .. })).unwrap();
    assert!(first_expect < first_say);
    let expected = session.expected();
    assert_eq!(expected.len(), 2, "one for each state, not one for each turn");
    assert!(expected[0].phrases.iter().any(|phrase| phrase == "yes please"));
    assert!(expected[1].phrases.iter().any(|phrase| phrase == "i would like"));
    assert!(expected.iter().all(|expected| expected.phrases.iter().any(|phrase| phrase == "who is this")));
}

#[test]
fn the_wait_depends_on_the_answer() {
    // A whole yes, words that are no answer, an answer that begins and goes on.
    for (text, answer, wait) in
        [("yes please", "Great.", 280), ("the banana", "Will you come today?", 600), ("yes and", "Great.", 1_000)]
    {
        let mut session = Session::new(FLOW);
        session.caller(2_000, 800, text).run(8_000);
        let said = session.said().into_iter().filter(|(at, _)| *at > 2_000).collect::<Vec<_>>();
        assert_eq!(said[0].1, answer, "{text}");
        assert_eq!(said[0].0 - 2_800, wait, "{text}");
        let latency = session.turns().iter().find_map(|turn| turn.latency).unwrap();
        assert_eq!(latency.endpoint_wait_ms, wait);
        assert_eq!(latency.speech_end, Some(ms(2_800)));
        assert_eq!(latency.decided, Some(ms(2_800 + wait)));
        assert_eq!(latency.first_token, latency.decided, "a ready line is there at once");
        assert!(latency.decided < latency.first_audio && latency.first_audio < latency.first_packet);
    }
}

#[test]
fn the_recogniser_is_asked_early_and_waited_for_but_not_long() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "yes").run(5_000);
    assert_eq!(session.times(|action| *action == Action::Flush), [2_560], "at 160 ms of silence");

    let mut session = Session::new(FLOW);
    session.faults = Faults { no_final: true, ..Faults::default() };
    session.caller(2_000, 400, "yes").run(5_000);
    assert_eq!(gap(&session, 2_400, "Great."), 280 + 250, "the partial must do");
}

#[test]
fn a_pause_within_the_turn_does_not_end_it() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "well i").caller(2_700, 600, "can't come").run(20_000);
    assert_eq!(session.transcript()[1], "C well i can't come");
    assert_eq!(gap(&session, 3_300, "Thank you, goodbye."), 280);
}

#[test]
fn the_agent_is_silent_soon_after_the_caller_interrupts() {
    for onset in [300, 500, 713, 900] {
        let mut session = Session::new(FLOW);
        session.caller(onset, 600, "yes please").run(20_000);
        let (_, _, silent) = session.played[0];
        assert!(silent <= ms(onset + 340), "{:?} after the onset", silent.ms() - onset);
        let turns = session.turns();
        let cut = turns[0];
        assert_eq!(cut.speaker, Speaker::Agent);
        assert!(cut.interrupted);
        assert_eq!(cut.intended.as_deref(), Some("Will you come today?"));
        assert!("Will you come today?".starts_with(&cut.text) && cut.text.len() < 20, "{}", cut.text);
        assert_eq!(cut.ended, silent);
        assert_eq!(turns[1].text, "yes please");
        assert!(session.lines().contains(&"Great."));
    }
}

#[test]
fn the_transcript_keeps_the_words_that_were_heard() {
    let mut session = Session::new(FLOW);
    // Silent at 700 + 180, at the next tick: 860 ms of 1200 were played from 20 on.
    session.caller(700, 600, "no").run(20_000);
    assert_eq!(session.turns()[0].text, "Will you come");
}

#[test]
fn a_cough_does_not_interrupt_and_is_no_turn() {
    let mut session = Session::new(FLOW);
    session.caller(400, 120, "").caller(3_000, 250, "").run(7_000);
    assert!(stops(&session).is_empty());
    assert_eq!(session.transcript(), ["A Will you come today?"]);
    assert_eq!(session.times(|action| matches!(action, Action::FinishUtterance { .. })).len(), 2);
}

#[test]
fn a_line_goes_on_after_a_noise() {
    let mut session = Session::new(FLOW);
    session.caller(400, 280, "").run(5_000);
    assert_eq!(session.times(|action| *action == Action::Pause), [640]);
    assert!(stops(&session).is_empty());
    assert_eq!(session.transcript(), ["A Will you come today?"]);
    // Not for ever: noise without end must not keep the agent from its end.
    let mut session = Session::new(FLOW);
    for n in 0..200 {
        session.caller(400 + n * 1_500, 280, "");
    }
    session.run(300_000);
    assert_eq!(session.end(), Some(&EndReason::Completed));
}

#[test]
fn a_short_answer_over_the_question_counts() {
    let mut session = Session::new(FLOW);
    session.caller(700, 150, "yes").run(4_000);
    assert_eq!(session.lines()[1], "Great.");
    assert_eq!(stops(&session).len(), 1, "the question is not played on under the answer");
}

#[test]
fn a_murmur_over_the_question_does_not() {
    let mut session = Session::new(FLOW);
    session.caller(400, 150, "mhm").run(6_000);
    assert!(stops(&session).is_empty());
    assert_eq!(session.lines(), ["Will you come today?"]);
    assert!(session.transcript().contains(&"C mhm".to_owned()), "but it is in the transcript");
}

#[test]
fn who_talks_over_the_greeting_is_neither_answered_by_two_voices_nor_lost() {
    let flow = greeting_flow();
    let greeting_ms = 20 + 28 * 60;
    // "Who is this" may be said at any time.
    let mut session = Session::new(&flow);
    session.caller(400, 700, "who is this").run(10_000);
    assert_eq!(session.turns()[1].text, "Hello, this call is recorded.", "played to its end");
    assert!(session.turns()[1].intended.is_none());
    let answer = session.time_of("This is the test.");
    assert!((greeting_ms..greeting_ms + 100).contains(&answer), "{answer}");
    let lines = session.lines();
    assert_eq!(lines[2..], ["This is the test.", "Will you come today?"], "{lines:?}");
    // A yes before the question is no answer to it: the question comes, and waits.
    let mut session = Session::new(&flow);
    session.caller(400, 500, "yes").run(8_000);
    assert_eq!(session.lines(), ["Hello, this call is recorded.", "Will you come today?"]);
    assert_eq!(session.agent.state_name(), "ask");
    assert!(session.transcript().contains(&"C yes".to_owned()));
    // Still speaking when the greeting is over: the question is not begun over it.
    let mut session = Session::new(&flow);
    session.caller(1_000, 2_000, "now who is this please").run(10_000);
    for (_, from, to) in &session.played[1..] {
        let overlap = to.ms().min(3_000).saturating_sub((*from).ms().max(1_000));
        assert!(overlap <= 40, "{from:?} to {to:?}");
    }
    assert!(session.lines().contains(&"This is the test."));
}

#[test]
fn an_answer_over_a_question_that_must_be_heard_is_kept() {
    let flow = FLOW.replace("expect = \"yes_no\"", "expect = \"yes_no\"\ninterruptible = false");
    let mut session = Session::new(&flow);
    session.caller(300, 300, "yes").run(3_000);
    assert_eq!(session.lines()[1], "Great.");
    assert!(stops(&session).is_empty());
    let transcript = session.transcript();
    assert_eq!(transcript[..2], ["C yes", "A Will you come today?"]);
}

#[test]
fn a_caller_cut_off_too_early_is_heard_to_the_end() {
    let mut session = Session::new(FLOW);
    // "Yes" ends a turn after 280 ms; 350 ms later comes the rest.
    session.caller(2_000, 300, "yes").caller(2_650, 800, "no i can't come").run(20_000);
    assert_eq!(session.agent.state_name(), "bye");
    assert_eq!(session.agent.disposition(), Some("no"), "both halves together mean no");
    let lines = session.lines();
    assert_eq!(lines, ["Will you come today?", "Great.", "What do you want to eat?", "Thank you, goodbye."]);
    assert_eq!(stops(&session).len(), 1);
    let callers: Vec<_> = session
        .turns()
        .into_iter()
        .filter(|turn| turn.speaker == Speaker::Caller)
        .map(|turn| turn.text.as_str())
        .collect();
    assert_eq!(callers, ["yes", "no i can't come"], "the transcript has each once");
}

#[test]
fn a_noise_right_after_the_decision_changes_nothing_in_the_end() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 300, "yes").caller(2_650, 250, "").run(6_000);
    assert_eq!(session.agent.state_name(), "open");
    assert_eq!(session.lines()[1..], ["Great.", "What do you want to eat?", "Great.", "What do you want to eat?"]);
}

#[test]
fn an_interrupted_answer_is_not_put_to_the_wrong_question() {
    let mut session = Session::new(FLOW);
    // Well after the decision, during "Great.": the next question was not heard yet.
    session.caller(2_000, 300, "yes").caller(3_150, 500, "no").run(6_500);
    assert_eq!(session.agent.state_name(), "open", "the no was not an answer to what to eat, nor taken back");
    assert_eq!(session.lines()[3..], ["What do you want to eat?"], "{:?}", session.lines());
}

#[test]
fn a_voice_without_end_is_answered_all_the_same() {
    let mut session = Session::new(FLOW);
    session.at(2_000 + VAD_MS, Input::Speech(SpeechEdge::Started { onset: ms(2_000) }));
    session.run(400_000);
    assert!(session.end().is_some(), "{:?}", session.lines());
    assert!(session.now < ms(200_000), "{:?}", session.now);
}

#[test]
fn the_call_may_be_over_at_any_time() {
    let mut session = Session::new(FLOW);
    session.at(600, Input::Over);
    session.run(5_000);
    assert!(session.agent.has_ended());
    assert_eq!(session.end(), None, "nobody is to hang up on a call that is over");
    assert_eq!(session.transcript(), ["A Will you"]);
    assert_eq!(session.agent.deadline(), None);

    let mut session = Session::new(FLOW);
    session.caller(2_000, 1_000, "yes i would");
    session.at(2_900, Input::Over);
    session.run(5_000);
    assert_eq!(session.transcript().last().map(String::as_str), Some("C yes i"));
}
