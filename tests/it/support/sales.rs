//! A small sales flow and a conversation in writing with it.

use std::path::Path;
use std::sync::Arc;
use tipring::agent::{AgentEvent, AgentPlan, Chat, ChatOutput, Flow, FlowError, TurnConfig};
use tipring::nlu::{Action, Objection, ReadIntents, Reading, Scope};
use tipring::record::ObjectionOutcome;

/// A small call in which everything has its place. The objections are in a file of their own.
pub const FLOW: &str = r#"
version = 7
industry = "finance"
scene = "credit_card"
start = "hello"
include = ["parts/objections.toml"]
max_turns = 15
close_from = 13
max_attempts = 4

[variables]
name = "Ann"
profile = ""

[phrases]
yes = ["yes", "sure", "go ahead"]
no = ["no", "nope"]

[fallback]
say = "Sorry, something went wrong."

[too_many_turns]
say = "I will let you go now. Goodbye."

[closing]
say = "I do not want to keep you any longer."
goto = "soft_close"

[no_match]
say = ["Pardon?"]
max = 9
finally = { goto = "soft_close" }

[interrupt.do_not_call]
phrases = ["do not call me again"]
say = "I have taken you off our list."
disposition = "do_not_call"
hang_up = true
[interrupt.human]
phrases = ["a person"]
transfer = "100"
[interrupt.abuse]
phrases = ["idiot"]
say = "I am sorry that I disturbed you."
hang_up = true
[interrupt.complaint]
phrases = ["i will complain"]
hang_up = true
[interrupt.wrong_person]
phrases = ["wrong number"]
hang_up = true
[interrupt.minor]
phrases = ["i am ten years old"]
hang_up = true
[interrupt.distress]
phrases = ["my husband died"]
hang_up = true
[interrupt.robot]
phrases = ["are you a robot"]
say = "Yes, I am an automatic assistant."

[need.who]
slot = "decider"
value = 1
answer = 0.9
ask = ["Do you decide on that yourself?", "Who decides on that?"]
ack = "I see."
values = { self = ["i decide [on] [that] [myself]"] }
answers = { self = ["@yes"], other = ["@no"] }
[need.how]
slot = "spend"
value = 5
answer = 0.5
tells = { what = 0.4 }
ask = ["How much do you spend a month?", "And how much is it a month, roughly?"]
values = { high = ["a lot", "more than a thousand"], low = ["not much"] }
keep = false
[need.what]
slot = "card"
value = 2
answer = 0.6
ask = "Which card do you have now?"
phrases = ["i have a card from <bank>"]

[signals]
phrases = ["how do i apply", "when would i get it"]
offer = ["gift", "year"]

[offers.year]
say = "If you decide within {expires}, the first year is free. Shall I note that?"
when = "spend != 'low'"
expires_h = 48
terms = "New customers."
goto = "decide"
[offers.gift]
say = "Within {expires} there is a suitcase with it. Shall I note that?"
when = "spend == 'low'"
expires_h = 5
goto = "decide"

[state.hello]
kind = "disclosure"
say = "Hello {name}, this is Kim, the automatic assistant of the Harbour Bank. It is about our card, and this call is recorded."
brief = "I am the automatic assistant of the Harbour Bank, it is about our card, and the call is recorded."
discloses = ["who", "company", "purpose", "ai", "recording"]
goto = "opening"

[state.opening]
kind = "opening"
goal = "Permission to go on."
say = [
  { id = "plain", say = "May I tell you about it?" },
  { id = "short", say = "Do you have a minute?", young = "Got a minute?" },
  { id = "loyal", when = "profile == 'returning'", say = "You know us already. May I tell you what is new?" },
]
again = "So, may I tell you about it?"
[[state.opening.on]]
phrases = ["@yes"]
intent = ["confirm"]
goto = "needs"
[[state.opening.on]]
phrases = ["@no"]
intent = ["deny"]
goto = "goodbye"
[[state.opening.on]]
phrases = ["what is new about it"]
call = "explain"

[state.explain]
kind = "service"
say = "It has cash back. Do you want to hear how that works?"
[[state.explain.on]]
phrases = ["@yes"]
say = "You get one percent of everything."
return = true
[[state.explain.on]]
phrases = ["@no"]
return = true
[[state.explain.on]]
phrases = ["deeper"]
call = "explain"

[state.needs]
kind = "discovery"
discover = ["who", "how", "what"]
enough = 2
goto = "crossroads"

[state.crossroads]
goto = "pitch"
[[state.crossroads.route]]
when = "spend == 'low'"
goto = "small"

[state.small]
kind = "pitch"
say = "Then our free card is right for you. Shall I send it?"
again = "So, shall I send it?"
[[state.small.on]]
phrases = ["@yes"]
goto = "done"
[[state.small.on]]
phrases = ["@no"]
goto = "goodbye"

[state.pitch]
kind = "pitch"
say = "You would get {percent:percent} back. Shall I send it?"
again = ["So, shall I send it to you?", "Would you like to have it?"]
set = { percent = "1.5" }
[[state.pitch.on]]
phrases = ["@yes"]
goto = "done"
[[state.pitch.on]]
phrases = ["@no"]
goto = "goodbye"
[[state.pitch.on]]
objection = "send_info"
say = "I will send it by mail."
goto = "goodbye"

[state.decide]
kind = "offer"
[[state.decide.on]]
phrases = ["@yes"]
accepts = "year"
goto = "done"
[[state.decide.on]]
phrases = ["@no"]
goto = "goodbye"

[state.done]
kind = "end"
say = "It is on its way."
hang_up = true
disposition = "sold"

[state.soft_close]
kind = "close"
say = "Shall I send you a letter?"
max_attempts = 2
[[state.soft_close.on]]
phrases = ["@yes"]
goto = "goodbye"
disposition = "letter"
[[state.soft_close.on]]
phrases = ["@no"]
goto = "goodbye"

[state.goodbye]
kind = "end"
say = "Goodbye."
hang_up = true
"#;

/// All 28, with three rebuttals each.
pub fn objections() -> String {
    let mut text = r#"
[objections]
max = 2
max_total = 4
follow_up = ["Does that help?"]
yes = ["yes", "it does"]
no = ["no", "not really"]
exhausted = { say = "I will not press you.", goto = "soft_close" }
"#
    .to_owned();
    for class in Objection::ALL.map(Objection::id) {
        let phrase = class.replace('_', " ");
        text.push_str(&format!(
            "[objection.{class}]\nphrases = [\"{phrase}\"]\nrebuttals = [\"{class} one\", {{ id = \"b\", say = \"{class} two\", \
             elderly = \"{class} slowly\" }}, {{ id = \"c\", say = \"{class} three\" }}]\n"
        ));
    }
    text
}

pub fn parse(text: &str) -> Result<Flow, FlowError> {
    Flow::parse_with(text, "flows/card.toml", &|path| {
        if path == Path::new("flows/parts/objections.toml") {
            Ok(objections())
        } else {
            Err(std::io::Error::other("none"))
        }
    })
}

pub fn flow() -> Arc<Flow> {
    Arc::new(parse(FLOW).unwrap_or_else(|error| panic!("{error}")))
}

pub fn plan(pairs: &[(&str, &str)]) -> AgentPlan {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    AgentPlan { variables, ..AgentPlan::default() }
}

/// A conversation in writing: what the agent says to each.
pub struct Talk {
    pub chat: Chat,
    pub outputs: Vec<ChatOutput>,
    pub last: Vec<String>,
}

impl Talk {
    pub fn with(plan: AgentPlan) -> Self {
        Self::of(flow(), plan)
    }

    pub fn of(flow: Arc<Flow>, plan: AgentPlan) -> Self {
        let mut chat = Chat::new(flow, plan, &TurnConfig::default());
        let outputs = chat.start();
        let mut talk = Self { chat, outputs: Vec::new(), last: Vec::new() };
        talk.take(outputs);
        talk
    }

    pub fn new() -> Self {
        Self::with(AgentPlan::default())
    }

    pub fn take(&mut self, outputs: Vec<ChatOutput>) {
        self.last = outputs
            .iter()
            .filter_map(|output| if let ChatOutput::Line { text, .. } = output { Some(text.clone()) } else { None })
            .collect();
        self.outputs.extend(outputs);
    }

    pub fn say(&mut self, text: &str) -> &[String] {
        let outputs = self.chat.say(text);
        self.take(outputs);
        &self.last
    }

    pub fn outcomes(&self) -> Vec<(String, Option<String>, ObjectionOutcome)> {
        let event = |output: &ChatOutput| match output {
            ChatOutput::Event(AgentEvent::Objection(one)) => {
                Some((one.class.clone(), one.rebuttal.clone(), one.outcome))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(event).collect()
    }
}

/// A classifier that knows a few whole utterances.
pub struct Known(pub &'static [(&'static str, &'static str, f32)]);

impl ReadIntents for Known {
    fn read(&self, text: &str, scope: &Scope) -> Reading {
        let known = self.0.iter().find(|(known, ..)| *known == text);
        let (action, confidence) = known.map_or((Action::AskQuestion, 0.2), |(_, action, confidence)| {
            (Action::from_id(action).expect("an action"), *confidence)
        });
        Reading {
            industry: scope.industry,
            scene: scope.scene,
            action,
            objection: action.objection(),
            confidence,
            in_scope: confidence > 0.3,
            runner_up: Some((Action::DoNotCall, 0.15)).filter(|_| text.contains("enough")),
        }
    }
}

pub fn reader() -> AgentPlan {
    let known = Known(&[
        ("that would ruin me", "too_expensive", 0.9),
        ("well that is quite an amount yes", "too_expensive", 0.9),
        ("maybe perhaps", "too_expensive", 0.4),
        ("fine by me", "confirm", 0.95),
        ("leave me in peace for good", "do_not_call", 0.97),
        ("where do i sign", "buying_signal", 0.9),
        ("i never want to hear of you again", "do_not_call", 0.6),
        ("you are after my brother", "wrong_person", 0.97),
        ("not for the likes of us", "deny", 0.7),
        ("that is a no from us", "deny", 0.9),
        ("they say one is ruined by it", "too_expensive", 0.6),
    ]);
    AgentPlan { intents: Some(Arc::new(known)), ..AgentPlan::default() }
}
