//! What the agent does about how the caller takes the call: `on_emotion`.

use crate::agent_session::{Session, ms, times};
use std::path::Path;
use std::sync::Arc;
use tipring::agent::{
    Action, AgentEvent, AgentPlan, Chat, ChatOutput, Flow, FlowError, Input, MoodConfig, Severity, TurnConfig,
};
use tipring::record::{EndReason, MoodCueKind, MoodKind, MoodSwitch, Speaker};
use tipring::speech::{Cue, Emotion, EmotionLabel, Manner, Reply, Role, VoiceChange};

const FLOW: &str = r#"
name = "moods"
start = "hello"
[fallback]
say = "Sorry, goodbye."
hang_up = true

[[on_emotion]]
when = "impatient"
concise = true
rate = 110
skip = { pitch = "order" }

[[on_emotion]]
when = "angry"
turns = 1
over = 0.7
softer = true
say = "I am sorry about that."

[[on_emotion]]
when = "angry"
turns = 2
over = 0.7
transfer = "100"
disposition = "angry"

[[global]]
phrases = ["goodbye"]
say = "Goodbye."
hang_up = true

[state.hello]
say = { say = "Good morning, this is a long way to say hello. Do you want to hear more?", short = "Do you want more?" }
[[state.hello.on]]
phrases = ["yes"]
goto = "pitch"
[[state.hello.on]]
phrases = ["what is it"]
say = "It is a thing."

[state.pitch]
say = "It has a hundred splendid features."
goto = "order"

[state.order]
say = { say = "Would you perhaps like to order it today?", short = "Do you order?" }
[[state.order.on]]
phrases = ["yes", "no"]
say = "Thank you."
hang_up = true
[[state.order.on]]
phrases = ["*"]
goto = "answer"

[state.answer]
ask = "Answer the question."
template = "I do not know."
goto = "order"
"#;

fn session() -> Session {
    Session::new(FLOW)
}

fn moods(session: &Session) -> Vec<&MoodSwitch> {
    let switches = session.actions.iter().filter_map(|(_, action)| match action {
        Action::Report(AgentEvent::Mood(switch)) => Some(switch),
        _ => None,
    });
    switches.collect()
}

fn manners(session: &Session) -> Vec<Manner> {
    let told = session.actions.iter().filter_map(|(_, action)| match action {
        Action::Manner(manner) => Some(*manner),
        _ => None,
    });
    told.collect()
}

/// What the emotion engine says at the end of an utterance.
fn angry(session: &mut Session, at_ms: u64, anger: f32) {
    let emotion = Emotion {
        at: ms(at_ms),
        heard_ms: 900,
        label: EmotionLabel::Anger,
        probability: anger,
        arousal: anger,
        valence: 0.2,
        anger,
        voice: VoiceChange::default(),
        turn_final: true,
    };
    session.at(at_ms, Input::Cue(Cue::Emotion(emotion)));
}

#[test]
fn who_asks_for_haste_hears_less_and_the_pitch_is_passed_over() {
    let mut call = session();
    call.quiet();
    let now = call.now.ms();
    call.caller(now + 300, 800, "get to the point").run(now + 3_000).quiet();
    assert_eq!(call.lines().last(), Some(&"Do you want more?"), "the question again, shorter");
    let [switch] = moods(&call)[..] else { panic!("{:?}", moods(&call)) };
    assert!(switch.on && switch.kind == MoodKind::Impatient);
    assert_eq!(switch.effects, ["concise", "rate 110", "skip pitch for order"]);
    assert!(switch.cues.iter().any(|cue| cue.cue == MoodCueKind::ExplicitWords));
    assert_eq!(manners(&call), [Manner { rate_percent: 110, softer: false }]);
    let now = call.now.ms();
    call.caller(now + 300, 500, "yes").run(now + 2_000).quiet();
    assert_eq!(call.lines().last(), Some(&"Do you order?"));
    assert!(!call.lines().iter().any(|line| line.contains("splendid")));
    let turns = call.turns();
    let caller = turns.iter().find(|turn| turn.speaker == Speaker::Caller).unwrap();
    let emotion = caller.emotion.as_ref().expect("every turn of the caller says how it sounded");
    assert!(emotion.impatience > 0.8 && emotion.voice.is_none());
    assert!(turns.iter().all(|turn| turn.speaker == Speaker::Caller || turn.emotion.is_none()));
}

#[test]
fn what_the_caller_asked_for_goes_before_what_the_mood_does() {
    let mut call = session();
    call.quiet();
    let now = call.now.ms();
    call.caller(now + 300, 900, "hurry up goodbye").run(now + 5_000);
    assert_eq!(call.end(), Some(&EndReason::Completed));
    assert_eq!(call.lines().last(), Some(&"Goodbye."));
}

#[test]
fn a_request_for_haste_is_no_question_for_the_language_model() {
    let mut call = session();
    call.model.replies = vec![(50, Reply::Delta("One. Two. Three. ".into())), (60, Reply::Done)];
    call.quiet();
    let mut now = call.now.ms();
    call.caller(now + 300, 500, "yes").run(now + 3_000).quiet();
    assert_eq!(call.lines().last(), Some(&"Would you perhaps like to order it today?"));
    now = call.now.ms();
    call.caller(now + 300, 700, "i have no time").run(now + 3_000).quiet();
    assert_eq!(call.times(|action| matches!(action, Action::Ask { .. })).len(), 0);
    assert_eq!(call.lines().last(), Some(&"Do you order?"));
    now = call.now.ms();
    call.caller(now + 300, 900, "how big is it").run(now + 4_000).quiet();
    let asked = call.actions.iter().find_map(|(_, action)| match action {
        Action::Ask { request, .. } => Some(request),
        _ => None,
    });
    let system = &asked.unwrap().messages[0];
    assert_eq!(system.role, Role::System);
    assert!(system.content.ends_with("The caller sounds impatient; be brief."), "{}", system.content);
    assert!(!system.content.contains("0."), "no figure reaches the model");
    assert!(
        call.lines().contains(&"One.") && !call.lines().contains(&"Two."),
        "one sentence is enough: {:?}",
        call.lines()
    );
}

#[test]
fn an_angry_caller_is_told_sorry_once_and_then_given_a_person() {
    let mut call = session();
    call.quiet();
    let mut now = call.now.ms();
    angry(&mut call, now + 1_100, 0.9);
    call.caller(now + 300, 800, "what is it").run(now + 3_000).quiet();
    let said: Vec<&str> = call.lines().iter().rev().take(3).rev().copied().collect();
    assert_eq!(said[..2], ["I am sorry about that.", "It is a thing."]);
    assert_eq!(manners(&call), [Manner { rate_percent: 100, softer: true }]);
    now = call.now.ms();
    angry(&mut call, now + 1_100, 0.8);
    call.caller(now + 300, 800, "what is it").run(now + 4_000);
    let transferred =
        call.actions.iter().any(|(_, action)| matches!(action, Action::Transfer { target } if target == "100"));
    assert!(transferred, "{:?}", call.lines());
    assert_eq!(call.lines().iter().filter(|line| line.starts_with("I am sorry")).count(), 1);
    assert_eq!(call.agent.disposition(), Some("angry"));
    let angry: Vec<_> = moods(&call).iter().map(|switch| (switch.kind, switch.on, switch.effects.clone())).collect();
    assert_eq!(
        angry,
        [
            (MoodKind::Angry, true, vec!["softer".to_owned(), "say".to_owned()]),
            (MoodKind::Angry, true, vec!["transfer".to_owned(), "disposition angry".to_owned()]),
        ]
    );
}

/// Whoever is impatient is left alone, but not before the words were followed; one state has rules of its own.
const LEAVES: &str = r#"
name = "leaves"
start = "hello"
[fallback]
say = "Sorry, goodbye."
hang_up = true

[[on_emotion]]
when = "impatient"
concise = true
goto = "leave"
disposition = "stopped"

[state.hello]
say = { say = "Do you want to hear it all?", short = "All?" }
[[state.hello.on]]
phrases = ["yes"]
goto = "order"

[state.order]
say = "Now buy this."
[[state.order.on]]
phrases = ["what is it"]
say = "It is a thing."
[[state.order.on]]
phrases = ["later"]
goto = "later"

[state.later]
say = "When shall we call?"
[[state.later.on_emotion]]
when = "impatient"
rate = 110
[[state.later.on]]
phrases = ["monday"]
goto = "order"
[[state.later.on]]
phrases = ["never"]
say = "All right."
hang_up = true

[state.leave]
say = "I will leave you alone."
hang_up = true
"#;

/// The effects of each entry for impatience, in their order.
fn effects(session: &Session) -> Vec<Vec<String>> {
    moods(session).iter().filter(|switch| switch.on).map(|switch| switch.effects.clone()).collect()
}

/// The caller says this, and is answered.
fn says(call: &mut Session, words: &str) {
    let now = call.now.ms();
    call.caller(now + 300, 800, words).run(now + 3_000).quiet();
}

#[test]
fn a_rule_that_would_lead_elsewhere_than_the_words_waits_for_the_next_turn() {
    let mut call = Session::new(LEAVES);
    call.quiet();
    says(&mut call, "yes hurry up");
    assert_eq!(call.lines().last(), Some(&"Now buy this."), "the words first");
    assert_eq!(effects(&call), [["concise"]], "what did not happen is not in the record");
    assert_eq!(call.agent.disposition(), None);
    let now = call.now.ms();
    call.caller(now + 300, 800, "what is it").run(now + 5_000);
    assert_eq!(call.lines().last(), Some(&"I will leave you alone."));
    assert_eq!(call.agent.disposition(), Some("stopped"));
    assert_eq!(effects(&call), [vec!["concise"], vec!["goto leave", "disposition stopped"]]);
}

#[test]
fn what_a_mood_leads_to_in_another_state_is_in_the_record() {
    // Without the rule's once-only part.
    let flow = LEAVES.replace("goto = \"leave\"\ndisposition = \"stopped\"\n", "");
    let flow = flow.replace("[state.leave]\nsay = \"I will leave you alone.\"\nhang_up = true\n", "");
    let mut call = Session::new(&flow);
    call.quiet();
    says(&mut call, "yes hurry up");
    says(&mut call, "later please hurry up");
    says(&mut call, "monday hurry up");
    assert_eq!(
        effects(&call),
        [vec!["concise"], vec!["no more concise", "rate 110"], vec!["no more rate 110", "concise"]]
    );
    assert!(moods(&call)[1].cues.is_empty(), "why it is on was told before");
}

#[test]
fn only_what_was_usual_teaches_how_the_caller_usually_sounds() {
    let mut call = session();
    call.quiet();
    says(&mut call, "what is it");
    let now = call.now.ms();
    angry(&mut call, now + 1_100, 0.9);
    says(&mut call, "what is it");
    // A cough: its sound is not the next turn's either.
    let now = call.now.ms();
    angry(&mut call, now + 390, 0.95);
    call.caller(now + 300, 80, "").run(now + 2_000).quiet();
    says(&mut call, "what is it");
    let finished = call.actions.iter().filter_map(|(_, action)| match action {
        Action::FinishUtterance { usual } => Some(*usual),
        _ => None,
    });
    assert_eq!(finished.collect::<Vec<_>>(), [true, false, false, true]);
    let turns = call.turns();
    let last = turns.iter().rfind(|turn| turn.speaker == Speaker::Caller).unwrap();
    assert!(last.emotion.as_ref().unwrap().voice.is_none(), "{last:?}");
}

#[test]
fn a_rule_without_thresholds_takes_those_of_the_settings() {
    const SOFTER: &str = "[[on_emotion]]\nwhen = \"angry\"\nsofter = true\n";
    let (head, tail) = FLOW.split_once("[[on_emotion]]").unwrap();
    let (_, tail) = tail.split_once("[[global]]").unwrap();
    let flow = format!("{head}{SOFTER}[[global]]{tail}");
    let softer = |mood: MoodConfig| {
        let mut call = Session::with(&flow, TurnConfig { mood, ..times() });
        call.quiet();
        let now = call.now.ms();
        angry(&mut call, now + 1_100, 0.7);
        says(&mut call, "what is it");
        manners(&call).iter().any(|manner| manner.softer)
    };
    assert!(!softer(MoodConfig::default()), "two turns are wanted");
    assert!(softer(MoodConfig { shown_turns: 1, ..MoodConfig::default() }));
    assert!(!softer(MoodConfig { shown_turns: 1, shown: 0.8, ..MoodConfig::default() }));
}

#[test]
fn rules_can_be_tried_in_writing() {
    let flow = Arc::new(Flow::parse(FLOW, "moods.toml").unwrap());
    let chat = || {
        let mut chat = Chat::new(Arc::clone(&flow), AgentPlan::default(), &TurnConfig::default());
        chat.start();
        chat
    };
    let lines = |outputs: &[ChatOutput]| -> Vec<String> {
        let line = |output: &ChatOutput| match output {
            ChatOutput::Line { text, .. } => Some(text.clone()),
            _ => None,
        };
        outputs.iter().filter_map(line).collect()
    };
    let mut hasty = chat();
    let outputs = hasty.say("get to the point");
    assert_eq!(lines(&outputs), ["Do you want more?"]);
    let told = outputs.iter().find_map(|output| match output {
        ChatOutput::Event(AgentEvent::Mood(switch)) => Some(switch),
        _ => None,
    });
    assert_eq!(told.unwrap().effects, ["concise", "rate 110", "skip pitch for order"]);
    let mut cross = chat();
    cross.feel(MoodKind::Angry, 0.9);
    assert_eq!(lines(&cross.say("what is it"))[0], "I am sorry about that.");
    assert!(cross.say("what is it").contains(&ChatOutput::Transfer { target: "100".to_owned() }));
    let mut patient = chat();
    patient.feel(MoodKind::Impatient, 0.95);
    assert_eq!(lines(&patient.say("yes")), ["Do you order?"]);
    patient.feel(MoodKind::Impatient, 0.0);
    assert!(patient.say("how big is it").iter().any(|output| matches!(output, ChatOutput::Ask(_))));
    assert_eq!(lines(&patient.answer(None)), ["I do not know.", "Would you perhaps like to order it today?"]);
}

#[test]
fn where_emotion_is_off_nothing_is_looked_at() {
    let config = TurnConfig { mood: MoodConfig { track: false, ..MoodConfig::default() }, ..times() };
    let mut call = Session::with(FLOW, config);
    call.quiet();
    let now = call.now.ms();
    angry(&mut call, now + 1_100, 0.95);
    call.caller(now + 300, 800, "what is it").run(now + 3_000).quiet();
    let now = call.now.ms();
    call.caller(now + 300, 800, "get to the point").run(now + 3_000).quiet();
    assert!(moods(&call).is_empty() && manners(&call).is_empty());
    assert!(call.turns().iter().all(|turn| turn.emotion.is_none()));
    assert!(!call.actions.iter().any(|(_, action)| matches!(action, Action::Report(AgentEvent::Emotion(_)))));
    assert!(!call.lines().contains(&"I am sorry about that.") && !call.lines().contains(&"Do you want more?"));
}

#[test]
fn the_recogniser_expects_requests_for_haste_where_a_rule_is_for_them() {
    let phrases = |flow: &str| {
        let flow = Flow::parse(flow, "f.toml").unwrap_or_else(|error| panic!("{error}"));
        flow.expectations()[0].phrases.clone()
    };
    assert!(phrases(FLOW).iter().any(|phrase| phrase == "get to the point"));
    assert!(!phrases(crate::agent_turns::FLOW).iter().any(|phrase| phrase == "get to the point"));
    let lines = Flow::parse(FLOW, "f.toml").unwrap().fixed_lines(&Default::default());
    assert!(lines.iter().any(|line| line == "Do you order?"), "short wordings are synthesised ahead too");
}

#[test]
fn mistakes_in_rules_are_named_at_their_lines() {
    let rest = "\nstart = \"a\"\n[fallback]\nsay = \"Sorry.\"\nhang_up = true\n[state.a]\nsay = \"A?\"\n[[state.a.on]]\nphrases = [\"b\"]\nhang_up = true\n";
    let findings = |rule: &str| {
        let flow = format!("name = \"m\"{rest}[[on_emotion]]\n{rule}\n");
        match Flow::parse(&flow, "m.toml") {
            Ok(flow) => flow.check(),
            Err(FlowError::Invalid { findings }) => findings,
            Err(error) => panic!("{error}"),
        }
    };
    for (rule, what) in [
        ("concise = true", "without 'when'"),
        ("when = \"cross\"\nconcise = true", "'cross' is no mood"),
        ("when = \"angry\"", "does nothing"),
        ("when = \"angry\"\nsofter = true\nover = 1.5", "over is outside 0.3 to 0.95"),
        ("when = \"angry\"\nsofter = true\nturns = 9", "turns is outside 1 to 5"),
        ("when = \"impatient\"\nsofter = true\nover = 0.5", "has its own thresholds"),
        ("when = \"impatient\"\nrate = 300", "rate is outside 80 to 120"),
        ("when = \"impatient\"\nsentences = 0", "sentences is outside 1 to 4"),
        ("when = \"impatient\"\nskip = { nowhere = \"a\" }", "there is no state 'nowhere'"),
        ("when = \"impatient\"\nskip = { a = \"a\" }", "may not be skipped"),
        ("when = \"happy\"\nsay = \"{who} is happy.\"", "neither a variable nor a slot"),
        ("when = \"angry\"\ngoto = \"a\"\nhang_up = true", "only one of goto"),
        ("when = \"angry\"\nsofter = true\n[[on_emotion]]\nwhen = \"angry\"\nsay = \"Sorry.\"", "two rules here"),
        ("when = \"angry\"\nsay = { say = \"Sorry.\", short = \"\" }", "empty line"),
    ] {
        let found = findings(rule);
        let hit = found.iter().find(|finding| finding.what.contains(what));
        let hit = hit.unwrap_or_else(|| panic!("{rule}: {found:?}"));
        assert_eq!(hit.severity, Severity::Error, "{rule}");
        assert!(hit.line >= 11 && hit.file == "m.toml", "{rule}: {hit}");
    }
    let found = findings("when = \"impatient\"\nconcise = true");
    assert!(found.iter().any(|f| f.severity == Severity::Warning && f.what.contains("no line has a short wording")));
    let text = format!("name = \"m\"{}", rest.replace("\"A?\"", "{ say = \"A?\", short = \"A\" }"));
    let found = Flow::parse(&text, "m.toml").unwrap().check();
    assert!(found.iter().any(|f| f.what.contains("never said")), "{found:?}");
    let text = format!("name = \"m\"{rest}[[on_emotion]]\nwhen = \"angry\"\nlouder = true\n");
    assert!(matches!(Flow::parse(&text, "m.toml"), Err(FlowError::Syntax { line: 13, .. })));
}

/// A call with one of the shipped flows, up to where the caller is to answer.
fn shipped(name: &str) -> Session {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-config/flows").join(name);
    let mut call = Session::of(Arc::new(Flow::load(&file).unwrap_or_else(|error| panic!("{error}"))), times());
    call.quiet();
    call
}

/// The caller says this, angrily or not, and hears the answer.
fn says_so(call: &mut Session, text: &str, anger: Option<f32>) {
    let now = call.now.ms();
    if let Some(anger) = anger {
        angry(call, now + 1_100, anger);
    }
    call.caller(now + 300, 800, text).run(now + 3_000).quiet();
}

const PRODUCTS: [&str; 4] = ["credit_card", "membership", "course", "activity"];

#[test]
fn the_shipped_flows_sell_nothing_to_who_sounds_angry() {
    for product in PRODUCTS {
        for (language, yes, wants, sorry) in
            [("en", "yes", "how do i apply", "I am sorry"), ("zh", "好的", "怎么办理", "不好意思")]
        {
            let name = format!("{product}.{language}.toml");
            let mut call = shipped(&name);
            says_so(&mut call, yes, Some(0.9));
            assert_eq!(call.agent.state_name(), "needs", "{name}: one turn is not enough");
            says_so(&mut call, yes, Some(0.9));
            assert_eq!(call.agent.state_name(), "appease", "{name}: {:?}", call.lines());
            assert!(call.lines().iter().any(|line| line.contains(sorry)), "{name}: {:?}", call.lines());
            assert_eq!(manners(&call).last(), Some(&Manner { rate_percent: 92, softer: true }), "{name}");
            says_so(&mut call, wants, None);
            says_so(&mut call, yes, None);
            let offered = |(_, action): &(_, Action)| matches!(action, Action::Report(AgentEvent::Offer(_)));
            assert!(!call.actions.iter().any(offered), "{name}: {:?}", call.lines());
            let person = |(_, action): &(_, Action)| matches!(action, Action::Transfer { .. });
            assert!(call.actions.iter().any(person), "{name}: {:?}", call.lines());
        }
    }
}

#[test]
fn the_shipped_flows_are_short_with_who_has_no_time() {
    for (name, short) in [
        ("credit_card.en.toml", "first year free. Useful?"),
        ("membership.en.toml", "seven dollars a month. Useful?"),
        ("course.en.toml", "you talk from the start. For you?"),
        ("activity.en.toml", "a look around, a soup. Will you come?"),
        ("credit_card.zh.toml", "次年也免。怎么样？"),
        ("membership.zh.toml", "自营九五折，一年九十九元。怎么样？"),
        ("course.zh.toml", "每节人人开口，十二周。怎么样？"),
        ("activity.zh.toml", "都免费。留个位子吗？"),
    ] {
        let (yes, haste) = if name.contains(".en.") { ("yes", "hurry up") } else { ("好的", "快点") };
        let mut call = shipped(name);
        says_so(&mut call, yes, None);
        says_so(&mut call, haste, None);
        assert_eq!(call.agent.state_name(), "pitch", "{name}: no more questions: {:?}", call.lines());
        assert!(call.lines().last().is_some_and(|line| line.ends_with(short)), "{name}: {:?}", call.lines());
    }
}
