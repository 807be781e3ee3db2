//! What is said: silence, misunderstanding, keys, digits, the language model, failures, endings.

use crate::agent_session::{Faults, Session};
use crate::agent_turns::FLOW;
use tipring::agent::{Action, AgentEvent, Input};
use tipring::record::EndReason;
use tipring::speech::{EngineKind, Reply, Role};

const COLLECT: &str = r##"
name = "collect"
start = "number"
[fallback]
say = "Sorry, goodbye."
hang_up = true
[[global]]
phrases = ["operator"]
transfer = "100"
[state.number]
say = "Which number?"
[state.number.collect]
slot = "number"
min = 5
max = 7
end_key = "#"
gap_ms = 2000
goto = "check"
[state.check]
say = "I have {number:digits}. Right?"
expect = "yes_no"
[[state.check.on]]
phrases = ["yes"]
hang_up = true
[[state.check.on]]
phrases = ["no"]
goto = "number"
"##;

pub const MODEL: &str = r#"
name = "model"
start = "hello"
[variables]
day = "Saturday"
[fallback]
say = "Sorry, goodbye."
hang_up = true
[state.hello]
say = "What would you like to know?"
[[state.hello.on]]
phrases = ["nothing", "goodbye"]
say = "Goodbye."
hang_up = true
[[state.hello.on]]
phrases = ["*"]
goto = "answer"
[state.answer]
ask = "Answer about the day: {day}."
template = "It is on {day}."
goto = "hello"
"#;

fn model(replies: &[(u64, &str)]) -> Session {
    let mut session = Session::new(MODEL);
    session.model.replies = replies
        .iter()
        .map(|(delay, text)| match *text {
            "." => (*delay, Reply::Done),
            "!" => (*delay, Reply::Failed("no connection".to_owned())),
            text => (*delay, Reply::Delta(text.to_owned())),
        })
        .collect();
    session
}

fn asked(session: &Session) -> usize {
    session.times(|action| matches!(action, Action::Ask { .. })).len()
}

fn cancelled(session: &Session) -> usize {
    session.times(|action| matches!(action, Action::CancelAsk { .. })).len()
}

#[test]
fn silence_is_asked_about_and_then_ends_the_call() {
    let flow = FLOW.to_owned()
        + r#"
[no_input]
after_ms = 4000
say = ["Are you there?", "Hello?"]
max = 2
finally = { say = "I hear nobody. Goodbye.", hang_up = true, disposition = "silent" }
"#;
    let mut session = Session::new(&flow);
    session.run(60_000);
    assert_eq!(session.lines(), ["Will you come today?", "Are you there?", "Hello?", "I hear nobody. Goodbye."]);
    assert_eq!(session.end(), Some(&EndReason::Completed));
    assert_eq!(session.agent.disposition(), Some("silent"));
    // The silence counts from the end of the line, as it was heard.
    assert_eq!(session.time_of("Are you there?"), 20 + 1_200 + 4_000);
}

#[test]
fn what_is_not_understood_is_asked_again_and_then_given_up() {
    let flow = FLOW.to_owned()
        + "\n[no_match]\nsay = [\"Sorry?\", \"Once more?\"]\nmax = 2\nfinally = { say = \"I give up.\", transfer = \"200\" }\n";
    let mut session = Session::new(&flow);
    for n in 0..3 {
        session.caller(3_000 + n * 4_000, 500, "banana banana");
    }
    session.run(60_000);
    assert_eq!(session.lines(), ["Will you come today?", "Sorry?", "Once more?", "I give up.", "Sorry, goodbye."]);
    let is_transfer = |action: &Action| matches!(action, Action::Transfer { target } if target == "200");
    assert_eq!(session.times(is_transfer).len(), 1);
    // Nobody reported on the transfer: it counts as refused.
    assert!(matches!(session.end(), Some(EndReason::Failed { why }) if why.contains("200")));
}

#[test]
fn what_is_heard_badly_is_not_understood() {
    let mut session = Session::new(FLOW);
    session.confidence(0.1).caller(2_000, 400, "yes").run(4_000);
    assert_eq!(session.lines(), ["Will you come today?"; 2]);
    assert_eq!(session.agent.state_name(), "ask");
    // Speech without words is a turn when it is long.
    let mut session = Session::new(FLOW);
    session.caller(2_000, 800, "").run(4_500);
    assert_eq!(session.lines(), ["Will you come today?"; 2]);
}

#[test]
fn a_transfer_is_the_end_or_is_apologised_for() {
    for accepted in [true, false] {
        let mut session = Session::new(FLOW);
        session.caller(2_000, 500, "operator").run(4_000);
        let transfers = |session: &Session| session.times(|action| matches!(action, Action::Transfer { .. }));
        assert_eq!(transfers(&session).len(), 1);
        assert!(transfers(&session)[0] >= session.time_of("One moment.") + 11 * 60, "the line was heard first");
        session.at(5_000, Input::TransferEnded { accepted });
        session.run(20_000);
        assert_eq!(transfers(&session).len(), 1);
        match session.end() {
            Some(EndReason::Transferred { target }) if accepted => assert_eq!(target, "100"),
            Some(EndReason::Failed { .. }) if !accepted => {
                assert_eq!(session.lines().last(), Some(&"Sorry, goodbye."));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn keys_answer_and_interrupt() {
    let mut session = Session::new(FLOW);
    session.keys(500, "1").run(4_000);
    assert_eq!(session.times(|action| *action == Action::StopSpeaking), [500]);
    assert_eq!(session.lines()[1], "Great.");
    assert!(session.transcript().contains(&"C [1]".to_owned()));
    let answer = session.turns().into_iter().find(|turn| turn.text == "Great.").unwrap();
    assert_eq!(answer.latency.unwrap().speech_end, None);

    let mut session = Session::new(&FLOW.replace("expect = \"yes_no\"", "interruptible = false"));
    session.keys(500, "2").run(20_000);
    assert!(session.times(|action| *action == Action::StopSpeaking).is_empty(), "a protected line is not stopped");
    assert_eq!(session.agent.state_name(), "bye", "and the key is not lost");

    let mut session = Session::new(FLOW);
    session.keys(2_000, "7").run(4_000);
    assert_eq!(session.lines(), ["Will you come today?"; 2], "no such key");
}

#[test]
fn keys_of_more_than_one_wait_for_each_other() {
    let flow = FLOW.replace("dtmf = \"2\"", "dtmf = \"12\"");
    let mut session = Session::new(&flow);
    session.keys(2_000, "12").run(20_000);
    assert_eq!(session.agent.disposition(), Some("no"));
    let mut session = Session::new(&flow);
    session.keys(2_000, "1").run(20_000);
    assert_eq!(session.agent.disposition(), Some("yes"));
    assert_eq!(session.time_of("Great."), 2_000 + 2_500);
}

#[test]
fn digits_are_collected_spoken_or_pressed() {
    let number = |session: &Session| session.agent.slots().get("number").cloned().unwrap_or_default();
    let mut session = Session::new(COLLECT);
    session.keys(2_000, "55501#").run(6_000);
    assert_eq!(number(&session), "55501");
    assert!(session.lines().contains(&"I have five, five five zero one. Right?"));
    assert!(session.transcript().contains(&"C [55501#]".to_owned()));
    // Without the end key after the gap, with all digits at once.
    let mut session = Session::new(COLLECT);
    session.keys(2_000, "55501").run(6_000);
    assert_eq!(session.time_of("I have five, five five zero one. Right?"), 2_800 + 2_000);
    let mut session = Session::new(COLLECT);
    session.keys(2_000, "5550123").run(6_000);
    assert_eq!(session.time_of("I have five five five, zero one two three. Right?"), 2_000 + 6 * 200);
    // Spoken, in groups with a long pause between them.
    let mut session = Session::new(COLLECT);
    session.caller(2_000, 800, "five five five").caller(4_500, 800, "oh one two three").run(9_000);
    assert_eq!(number(&session), "5550123");
    assert_eq!(
        session.time_of("I have five five five, zero one two three. Right?"),
        5_300 + 320,
        "complete: no need to wait"
    );
    // Too few, in the end.
    let mut session = Session::new(COLLECT);
    session.caller(2_000, 800, "five five five").run(9_000);
    assert_eq!(number(&session), "");
    assert_eq!(session.lines(), ["Which number?"; 2]);
}

#[test]
fn too_many_turns_end_the_call() {
    let flow = "max_turns = 3\n".to_owned() + FLOW;
    let mut session = Session::new(&flow);
    for n in 0..10 {
        session.caller(3_000 + n * 5_000, 600, "who is this");
    }
    session.run(100_000);
    assert_eq!(session.lines().iter().filter(|line| **line == "This is the test.").count(), 3);
    assert_eq!(session.end(), Some(&EndReason::Completed));
}

#[test]
fn the_models_sentences_are_spoken_as_they_come() {
    let mut session = model(&[(300, "It is on Saturday. "), (900, "Do "), (1_500, "come!"), (1_600, ".")]);
    session.caller(3_000, 600, "which day").run(9_500);
    let decided = 3_600 + 600;
    assert_eq!(session.time_of("It is on Saturday."), decided + 300);
    assert_eq!(session.time_of("Do come!"), decided + 1_600);
    assert_eq!(session.lines().last(), Some(&"What would you like to know?"), "then the flow goes on");
    assert_eq!((asked(&session), cancelled(&session)), (1, 0));
    let latency = session.turns().iter().find_map(|turn| turn.latency).unwrap();
    assert_eq!(latency.first_token.unwrap().ms(), decided + 300);
    let request = session.actions.iter().find_map(|(_, action)| match action {
        Action::Ask { request, .. } => Some(request),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!(request.template, "It is on Saturday.");
    assert!(request.messages[0].content.contains("Answer about the day: Saturday."));
    let last = request.messages.last().unwrap();
    assert_eq!((last.role, last.content.as_str()), (Role::User, "which day"));
}

#[test]
fn a_model_that_is_late_or_broken_is_done_without() {
    let mut session = model(&[(4_000, "Too late."), (4_100, ".")]);
    session.caller(3_000, 600, "which day").run(12_000);
    assert_eq!(session.time_of("It is on Saturday."), 4_200 + 2_500);
    assert_eq!(cancelled(&session), 1);
    assert!(!session.lines().contains(&"Too late."));

    let mut session = model(&[(100, "It is"), (200, "!")]);
    session.caller(3_000, 600, "which day").run(12_000);
    assert_eq!(session.time_of("It is on Saturday."), 4_200 + 200);

    let mut session = model(&[]);
    session.at(1_000, Input::EngineDown(EngineKind::Llm));
    session.caller(3_000, 600, "which day").run(12_000);
    assert_eq!(session.time_of("It is on Saturday."), 4_200);
    assert_eq!(asked(&session), 0);
}

#[test]
fn a_model_that_does_not_stop_is_stopped() {
    let mut session = model(&[(100, "One. Two. Three. More. Again. Still. On. ")]);
    session.caller(3_000, 600, "which day").run(12_000);
    assert_eq!(session.lines()[1..], ["One.", "Two.", "Three.", "More.", "What would you like to know?"]);
    assert_eq!(cancelled(&session), 1);
}

#[test]
fn a_caller_who_goes_on_before_the_answer_is_asked_about_all_of_it() {
    let mut session = model(&[(1_500, "On Saturday. "), (1_600, ".")]);
    session.caller(3_000, 600, "which day").caller(4_900, 800, "and which time").run(12_000);
    assert_eq!((asked(&session), cancelled(&session)), (2, 1));
    let request = session.actions.iter().rev().find_map(|(_, action)| match action {
        Action::Ask { request, .. } => Some(request),
        _ => None,
    });
    assert_eq!(request.unwrap().messages.last().unwrap().content, "which day and which time");
    assert_eq!(session.lines().iter().filter(|line| **line == "On Saturday.").count(), 1);
}

#[test]
fn a_deaf_agent_says_so_and_takes_keys() {
    let flow = FLOW.to_owned() + "\n[engine_down]\nsay = \"Please press one.\"\nwait_ms = 5000\ntransfer = \"200\"\n";
    let mut session = Session::new(&flow);
    session.at(3_000, Input::EngineDown(EngineKind::Asr));
    session.keys(5_000, "1").run(7_000);
    assert_eq!(session.lines(), ["Will you come today?", "Please press one.", "Great.", "What do you want to eat?"]);

    let mut session = Session::new(&flow);
    session.at(3_000, Input::EngineDown(EngineKind::Vad));
    session.run(20_000);
    assert_eq!(session.times(|action| matches!(action, Action::Transfer { .. })).len(), 1);

    let mut session = Session::new(FLOW);
    session.at(3_000, Input::EngineDown(EngineKind::Asr));
    session.run(20_000);
    assert_eq!(session.lines()[1..], ["Sorry, goodbye."]);
    assert!(matches!(session.end(), Some(EndReason::Failed { .. })));
}

#[test]
fn a_line_that_cannot_be_spoken_is_tried_again_then_replaced() {
    let mut session = Session::new(FLOW);
    session.faults = Faults { unspeakable: Some("Will you"), ..Faults::default() };
    session.run(20_000);
    assert_eq!(session.lines(), ["Will you come today?", "Will you come today?", "Sorry, goodbye."]);
    assert_eq!(session.transcript(), ["A Sorry, goodbye."], "only what was heard");
    assert!(matches!(session.end(), Some(EndReason::Failed { .. })));
}

#[test]
fn a_line_that_cannot_be_spoken_is_tried_again_before_those_behind_it() {
    let mut session = Session::new(FLOW);
    session.faults = Faults { unspeakable: Some("Great"), ..Faults::default() };
    session.caller(2_000, 400, "yes").run(5_500);
    let (reply, question) = ("Great.", "What do you want to eat?");
    assert_eq!(session.lines()[1..5], [reply, question, reply, question]);
    assert_eq!(session.transcript()[2..], [format!("A {question}")], "the one behind it was said once, and is enough");
}

#[test]
fn an_agent_without_a_voice_ends_the_call() {
    let mut session = Session::new(FLOW);
    session.faults = Faults { unspeakable: Some(""), ..Faults::default() };
    session.run(20_000);
    assert!(matches!(session.end(), Some(EndReason::Failed { .. })));
    assert!(session.now.ms() < 1_000);

    let mut session = Session::new(FLOW);
    session.at(2_000, Input::EngineDown(EngineKind::Tts));
    session.run(20_000);
    assert_eq!(session.lines(), ["Will you come today?", "Sorry, goodbye."], "it may be in the cache");
    assert!(matches!(session.end(), Some(EndReason::Failed { .. })));
    assert!(session.now.ms() < 5_000);

    let mut session = Session::new(FLOW);
    session.faults = Faults { no_playout: true, ..Faults::default() };
    session.run(60_000);
    assert!(matches!(session.end(), Some(EndReason::Failed { .. })), "a media thread that died");
}

#[test]
fn events_tell_what_happened() {
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "yes").caller(7_000, 900, "i would like soup").run(60_000);
    let events: Vec<String> = session
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Report(AgentEvent::State { state }) => Some(format!("state {state}")),
            Action::Report(AgentEvent::Slot { name, value }) => Some(format!("{name} = {value}")),
            Action::Report(AgentEvent::Disposition(disposition)) => Some(format!("disposition {disposition}")),
            _ => None,
        })
        .collect();
    assert_eq!(events, ["state ask", "disposition yes", "state open", "food = soup", "state bye"]);
    let hearing = session.times(|action| matches!(action, Action::Report(AgentEvent::Hearing { .. })));
    assert!(hearing.len() >= 5, "partials for those who watch");
}

#[test]
fn a_goodbye_may_be_interrupted_but_not_turned_into_silence() {
    // A question during the goodbye is answered, then the call ends.
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "no").caller(3_300, 700, "who is this").run(30_000);
    let lines = session.lines();
    assert_eq!(lines[1..], ["Thank you, goodbye.", "This is the test."], "{lines:?}");
    assert_eq!(session.end(), Some(&EndReason::Completed));
    // Anything else ends it.
    let mut session = Session::new(FLOW);
    session.caller(2_000, 400, "no").caller(3_300, 700, "goodbye then").run(30_000);
    assert_eq!(session.lines()[1..], ["Thank you, goodbye."]);
    assert_eq!(session.end(), Some(&EndReason::Completed));
}
