//! The language model on a leash: whatever callers, their names and a model that obeys them to the letter say and do, nothing
//! happens that the state does not allow, and nothing is spoken that no fact says.

use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tipring::agent::{Agent, AgentEvent, Flow, TurnConfig};
use tipring::knowledge::{Desk, Knowledge};
use tipring::record::{EndReason, Speaker};
use tipring::sim::Talk;
use tipring::speech::{ChatRequest, EngineError, LanguageModel, Reply, ReplyStream, Role, Wake};

const FLOW: &str = r#"
name = "leash"
language = "LANGUAGE"
start = "ask"
[variables]
name = { default = "", header = "X-Name" }
operator = "100"
apply_minutes = "10"
cashback_cap = "50"
[fallback]
say = "Sorry, goodbye."
hang_up = true
[slots]
day = ["monday", "friday"]
[state.ask]
say = "Hello {name}, what would you like to know?"
[[state.ask.on]]
phrases = ["* nothing *"]
goto = "close"
[[state.ask.on]]
phrases = ["*"]
goto = "answer"
[[state.ask.on]]
phrases = ["the secret word"]
goto = "secret"
[state.answer]
ask = "Answer the question of {name} about the card. The annual fee is 30 pounds, 年费二百元."
template = "READY"
tools = ["fill_slot note day", "goto close"]
goto = "ask"
[state.close]
say = "Goodbye."
[[state.close.on]]
phrases = ["goodbye", "再见"]
hang_up = true
[state.secret]
say = "The secret."
hang_up = true
"#;
const READY: &str = "I will have a colleague call you.";

#[derive(Deserialize)]
struct Attacks {
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    say: String,
    #[serde(default)]
    via: Option<String>,
    #[serde(default)]
    language: Option<String>,
    answer: String,
    #[serde(default)]
    calls: Vec<Call>,
    #[serde(default)]
    never: Vec<String>,
}

#[derive(Deserialize, Clone)]
struct Call {
    name: String,
    arguments: serde_json::Value,
}

/// A model that does what the attack wants, calls first or words first.
struct Obedient {
    replies: Vec<Reply>,
    asked: Mutex<Vec<ChatRequest>>,
}

struct Given(VecDeque<Reply>);

impl ReplyStream for Given {
    fn poll(&mut self) -> Option<Reply> {
        Some(self.0.pop_front().unwrap_or(Reply::Done))
    }
}

impl LanguageModel for Obedient {
    fn name(&self) -> &str {
        "obedient"
    }
    fn ask(&self, what: &ChatRequest, _: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        self.asked.lock().unwrap().push(what.clone());
        Ok(Box::new(Given(self.replies.iter().cloned().collect())))
    }
}

fn flow(language: &str) -> Arc<Flow> {
    let text = FLOW.replace("LANGUAGE", language).replace("READY", READY);
    Arc::new(Flow::parse(&text, "leash.toml").unwrap_or_else(|error| panic!("{error}")))
}

fn attacks() -> Vec<Attack> {
    let text = include_str!("../corpus/injection/attacks.toml");
    toml::from_str::<Attacks>(text).unwrap().attack
}

/// What became of the tools that the model called.
fn verdicts(events: &[AgentEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Tool(tool) => Some(tool.verdict.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_obedient_model_can_do_nothing_that_the_state_does_not_allow() {
    let attacks = attacks();
    assert!(attacks.len() >= 40);
    for attack in &attacks {
        for calls_first in [true, false] {
            let calls = attack.calls.iter().enumerate().map(|(n, call)| Reply::ToolCall {
                id: n.to_string(),
                name: call.name.clone(),
                arguments: call.arguments.clone(),
            });
            let words = [Reply::Delta(attack.answer.clone())];
            let replies: Vec<Reply> =
                if calls_first { calls.chain(words).collect() } else { words.into_iter().chain(calls).collect() };
            let model = Obedient { replies, asked: Mutex::default() };
            let language = attack.language.as_deref().unwrap_or("en");
            let by_name = attack.via.as_deref() == Some("name");
            let variables =
                if by_name { BTreeMap::from([("name".to_owned(), attack.say.clone())]) } else { BTreeMap::new() };
            let said = if by_name { "what does it cost" } else { attack.say.as_str() };
            let agent = Agent::new(flow(language), variables, TurnConfig::default());
            let mut talk = Talk::begin(agent, &model, Duration::from_secs(1));
            talk.take_events();
            talk.say(said, 0.95);
            let (what, events) = (&attack.say, talk.take_events());

            assert_eq!(talk.transfer(), None, "{what}");
            assert_eq!(talk.end(), None, "{what}");
            assert_eq!(talk.agent().state_name(), "ask", "{what}");
            assert!(talk.agent().slots().is_empty(), "{what}: {:?}", talk.agent().slots());
            let spoken: Vec<&str> = events
                .iter()
                .filter_map(|event| match event {
                    AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => Some(turn.text.as_str()),
                    _ => None,
                })
                .collect();
            // The greeting names whoever calls, as the flow's author wanted it.
            let answers = spoken.iter().filter(|line| !line.starts_with("Hello"));
            for line in answers {
                for never in &attack.never {
                    assert!(!line.to_lowercase().contains(&never.to_lowercase()), "{what}: '{line}'");
                }
            }
            let done = events.iter().any(|event| matches!(event, AgentEvent::Tool(tool) if tool.verdict == "done"));
            assert!(!done, "{what}: a call was obeyed");

            let asked = model.asked.lock().unwrap();
            let request = asked.first().unwrap_or_else(|| panic!("{what}: the model was not asked"));
            let offered: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
            assert_eq!(offered, ["fill_slot", "goto"], "{what}");
            let system = &request.messages[0].content;
            assert_eq!(system.matches('⟦').count(), system.matches('⟧').count());
            if by_name {
                // Outside its quotes nothing of it is in the instructions.
                let task = system.split("Task: ").nth(1).unwrap();
                assert!(task.starts_with("Answer the question of \""), "{task}");
                assert!(!system.contains(&attack.say) || !attack.say.contains(['⟦', '⟧', '<', '{']), "{what}");
                let lines = system.lines().filter(|line| line.contains("transfer")).count();
                assert!(lines <= 2, "{system}");
            } else {
                assert!(!system.contains(said), "{what}");
            }
            assert!(request.messages[1..].iter().all(|message| message.role != Role::System));
        }
    }
}

fn talk_with(replies: Vec<Reply>, said: &str) -> (Vec<AgentEvent>, String, Option<EndReason>) {
    let model = Obedient { replies, asked: Mutex::default() };
    let agent = Agent::new(flow("en"), BTreeMap::new(), TurnConfig::default());
    let mut talk = Talk::begin(agent, &model, Duration::from_secs(1));
    talk.take_events();
    talk.say(said, 0.95);
    let events = talk.take_events();
    (events, talk.agent().state_name().to_owned(), talk.end().cloned())
}

fn called(name: &str, arguments: serde_json::Value) -> Reply {
    Reply::ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments }
}

#[test]
fn what_the_state_allows_is_done() {
    let replies = vec![
        Reply::Delta("The annual fee is thirty pounds.".to_owned()),
        called("fill_slot", serde_json::json!({"slot": "day", "value": "friday"})),
        called("goto", serde_json::json!({"state": "close"})),
        called("goto", serde_json::json!({"state": "close"})),
    ];
    let (events, state, _) = talk_with(replies, "what is the fee on friday");
    assert_eq!(state, "close");
    assert_eq!(verdicts(&events), ["done", "done", "forbidden"], "one move for an answer");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, AgentEvent::Slot { name, value } if name == "day" && value == "friday"))
    );
    let said = |words: &str| {
        events.iter().any(|event| matches!(event, AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent && turn.text.contains(words)))
    };
    assert!(said("thirty pounds") && said("Goodbye."));
}

#[test]
fn an_answer_with_a_figure_that_nobody_knows_gives_way_to_the_ready_line() {
    let replies = vec![
        Reply::Delta("It is only five pounds. Shall we go on?".to_owned()),
        called("goto", serde_json::json!({"state": "close"})),
    ];
    let (events, state, _) = talk_with(replies, "what is the fee");
    assert_eq!(state, "ask", "an answer that was cut makes no move");
    assert!(events.iter().any(|event| matches!(event, AgentEvent::Unsaid { why: "figure" })));
    let lines: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => Some(turn.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(lines[0], READY, "{lines:?}");
}

#[test]
fn questions_are_answered_from_facts_and_cited_or_not_at_all() {
    let text = "name = \"facts\"\nstart = \"ask\"\nknowledge = \"k\"\nunknown_question = \"I do not know that.\"\n\
                [variables]\nfee = \"30 pounds\"\n[fallback]\nsay = \"Sorry.\"\nhang_up = true\n[state.ask]\nsay = \"Shall I note it?\"\nexpect = \"yes_no\"\n\
                [[state.ask.on]]\nphrases = [\"yes\"]\nsay = \"Noted.\"\nhang_up = true\n";
    let facts = "# Annual fee\nsay: It is {fee} a year.\nask: what does it cost\n\nThe annual fee is {fee}.\n# Hours\nsay: From nine to five.\nask: when are you open\n\nOpen 9 to 17.\n";
    let knowledge = Arc::new(Knowledge::of("k", [("card.md", facts)]).unwrap());
    let desk = Desk::new(knowledge, "en", None, || time::macros::date!(2026 - 11 - 26));
    let flow = Arc::new(Flow::parse(text, "facts.toml").unwrap().with_facts(Arc::new(desk)));
    let held = |replies: Vec<Reply>, said: &str| {
        let model = Obedient { replies, asked: Mutex::default() };
        let agent = Agent::new(Arc::clone(&flow), BTreeMap::new(), TurnConfig::default());
        let mut talk = Talk::begin(agent, &model, Duration::from_secs(1));
        talk.take_events();
        talk.say(said, 0.95);
        let turns = talk.take_events().into_iter().filter_map(|event| match event {
            AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => {
                Some((turn.text.clone(), turn.notes.sources.clone()))
            }
            _ => None,
        });
        let turns: Vec<(String, Vec<String>)> = turns.collect();
        (turns, model.asked.into_inner().unwrap())
    };
    // Without a model: the prepared sentence, with the flow's variable in it, and the question once more.
    let (turns, asked) = held(vec![Reply::Failed("down".to_owned())], "okay and what does the thing cost");
    assert!(
        turns[0].0.starts_with("It is thirty pounds a year") || turns[0].0.starts_with("It is 30 pounds a year"),
        "{turns:?}"
    );
    assert_eq!(turns[0].1, ["card.md#Annual fee"]);
    assert_eq!(turns[1].0, "Shall I note it?");
    assert!(asked[0].messages[0].content.contains("The annual fee is"));
    // With one: its words, and the same source.
    let (turns, _) = held(vec![Reply::Delta("You pay thirty pounds every year.".to_owned())], "what does it cost");
    assert_eq!(turns[0].0, "You pay thirty pounds every year.");
    assert_eq!(turns[0].1, ["card.md#Annual fee"]);
    // What no fact answers is not answered, and the model is not asked.
    let (turns, asked) = held(vec![Reply::Delta("Paris.".to_owned())], "what is the capital of france");
    assert_eq!(turns[0].0, "I do not know that.");
    assert!(asked.is_empty());
}

#[test]
fn the_shipped_course_lets_the_model_note_a_call_back_and_nothing_more() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-config/flows/course.en.toml");
    let flow = Arc::new(Flow::load(&file).unwrap_or_else(|error| panic!("{error}")));
    let replies = vec![
        Reply::Delta("I do not know that.".to_owned()),
        called("schedule_callback", serde_json::json!({"when": "friday evening"})),
        called("offer", serde_json::json!({"offer": "early_bird"})),
        called("goto", serde_json::json!({"state": "callback"})),
    ];
    let model = Obedient { replies, asked: Mutex::default() };
    let mut talk =
        Talk::begin(Agent::new(flow, BTreeMap::new(), TurnConfig::default()), &model, Duration::from_secs(1));
    talk.say("what is the moon made of", 0.95);
    let events = talk.take_events();
    assert_eq!(verdicts(&events), ["done", "forbidden", "done"], "{events:?}");
    assert_eq!(talk.agent().slots().get("callback").map(String::as_str), Some("friday evening"));
    assert_eq!(talk.agent().disposition(), Some("callback"), "{events:?}");
    assert_eq!(talk.end(), Some(&EndReason::Completed));
}
