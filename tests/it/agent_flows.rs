//! Flow files: mistakes are named with file and line and the fix; the shipped flow holds its conversations.

use crate::agent_session::{Session, VAD_MS, times};
use std::collections::BTreeMap;
use std::sync::Arc;
use tipring::agent::{Flow, FlowError, Severity};
use tipring::record::EndReason;

/// A flow without mistakes: nine lines to be spoiled.
const GOOD: &str = r#"start = "ask"
[fallback]
say = "Sorry."
[state.ask]
say = "Will you come?"
[[state.ask.on]]
phrases = ["yes"]
dtmf = "1"
hang_up = true
"#;

fn findings(text: &str) -> Vec<String> {
    match Flow::parse(text, "f.toml") {
        Ok(flow) => flow.check().iter().map(ToString::to_string).collect(),
        Err(FlowError::Invalid { findings }) => findings.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn every_mistake_has_its_line_and_its_fix() {
    assert_eq!(findings(GOOD), Vec::<String>::new());
    let more = |text: &str| format!("{GOOD}{text}");
    let cases: &[(String, &str, &str)] = &[
        (GOOD.replace("say = \"Sorry.\"", "say = Sorry"), "f.toml:3:7:", ""),
        (GOOD.replace("say = \"Sorry.\"", "says = \"Sorry\""), "f.toml:3:1:", "unknown field `says`"),
        (GOOD.replace("[\"yes\"]", "\"yes\""), "f.toml:7:11:", "expected a sequence"),
        (GOOD.replace("start = \"ask\"", "start = \"aks\""), "f.toml:1: error:", "no state 'aks'"),
        (GOOD.replace("hang_up = true", "goto = \"by\""), "f.toml:9: error:", "no state 'by': add [state.by]"),
        (GOOD.replace("hang_up = true", "stay = true"), "f.toml:4: error:", "dead end"),
        (GOOD.replace("hang_up = true", "hang_up = true\nstay = true"), "f.toml:6: error:", "only one of"),
        (GOOD.replace("Will you", "Will {name}"), "f.toml:5: error:", "neither a variable nor a slot"),
        (GOOD.replace("Will you", "Will {you"), "f.toml:5: error:", "'{' without '}'"),
        (GOOD.replace("[\"yes\"]", "[\"yes [please\"]"), "f.toml:7: error:", "']' is missing"),
        (GOOD.replace("[\"yes\"]", "[\"\"]"), "f.toml:7: error:", "empty phrase"),
        (GOOD.replace("[\"yes\"]", "[\"@yes\"]"), "f.toml:7: error:", "no set of phrases 'yes'"),
        (GOOD.replace("[\"yes\"]", "[\"at 5\"]"), "f.toml:7: warning:", "numbers as words"),
        (GOOD.replace("\"1\"", "\"x\""), "f.toml:8: error:", "no keys"),
        (GOOD.replace("say = \"Will you come?\"", "say = \"\""), "f.toml:5: error:", "empty line"),
        (GOOD.replace("[fallback]\nsay = \"Sorry.\"\n", ""), "f.toml:1: error:", "no [fallback]"),
        (more("[state.lost]\nsay = \"?\"\nhang_up = true\n"), "f.toml:10: error:", "cannot be reached"),
        (more("[[state.ask.on]]\nphrases = [\"yes\"]\n"), "f.toml:10: error:", "the answer to two things"),
        (more("[[state.ask.on]]\ndtmf = \"1\"\n"), "f.toml:10: error:", "key '1' is the answer to two things"),
        (more("[[state.ask.on]]\ndtmf = \"12\"\n"), "f.toml:6: warning:", "answers late"),
        (more("[[state.ask.on]]\nsay = \"?\"\n"), "f.toml:10: error:", "needs 'phrases' or 'dtmf'"),
        (more("[phrases]\nno = [\"no\"]\n"), "f.toml:11: warning:", "no rule uses the phrases 'no'"),
        (more("[variables]\nname = \"Ann\"\n"), "f.toml:11: warning:", "no line uses the variable 'name'"),
        (
            more("[variables]\nto = { header = \"X-To\" }\n[[global]]\nphrases = [\"help\"]\ntransfer = \"{to}\"\n"),
            "f.toml:12: error:",
            "could choose who is called",
        ),
        (
            GOOD.replace("hang_up = true", "goto = \"a\"")
                + "[state.a]\nsay = \"a\"\ngoto = \"b\"\n[state.b]\nsay = \"b\"\ngoto = \"a\"\n",
            "f.toml:10: error:",
            "without waiting",
        ),
        (more("[state.ask.collect]\nslot = \"n\"\nhang_up = true\n"), "f.toml:6: error:", "can never be pressed"),
        (GOOD.replace("say = \"Will", "wait_ms = 9\nsay = \"Will"), "f.toml:5: error:", "outside 100 to 5000"),
        (GOOD.replace("say = \"Will", "ask = \"Tell\"\nsay = \"Will"), "f.toml:5: error:", "'ask' without 'template'"),
    ];
    for (text, place, what) in cases {
        let found = findings(text);
        assert!(
            found.iter().any(|finding| finding.starts_with(place) && finding.contains(what)),
            "expected {place} … {what}, found {found:#?}"
        );
    }
}

#[test]
fn the_guides_example_is_a_flow_that_runs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flows.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = guide.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let [flow, lists, retries, model, ..] = blocks[..] else { panic!("four examples, not {}", blocks.len()) };
    assert_eq!(findings(flow), Vec::<String>::new());
    // The others are parts: with the first they make a whole, but for what they leave unused.
    let whole =
        format!("{flow}\n{lists}\n{retries}\n{model}\n").replace("goto = \"hello_again\"", "goto = \"question\"");
    let errors: Vec<String> = findings(&whole).into_iter().filter(|finding| finding.contains(": error:")).collect();
    assert!(errors.iter().all(|error| error.contains("'hello_again' cannot be reached")), "{errors:#?}");
}

#[test]
fn the_guides_sales_examples_are_understood() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flows.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = guide.split("```toml\n").skip(5).filter_map(|block| block.split("```").next()).collect();
    assert!(blocks.len() >= 9, "{} examples", blocks.len());
    for block in &blocks {
        // What an example leaves open: a state's line of its own, files that are not there, names from elsewhere.
        let whole = if block.starts_with("say =") { format!("[state.x]\n{block}") } else { (*block).to_owned() };
        let whole =
            if whole.contains("[fallback]") { whole } else { format!("{whole}\n[fallback]\nsay = \"Sorry.\"\n") };
        let found = findings(&whole);
        let syntax: Vec<_> =
            found.iter().filter(|finding| !finding.contains(": error: ") && !finding.contains(": warning: ")).collect();
        assert!(syntax.is_empty(), "{syntax:?} in {block}");
    }
    // Together they are a flow, but for what only prose describes.
    let known = [
        "no state",
        "enough is outside",
        "no [offers.",
        "cannot be reached",
        "include '",
        "no [need.",
        "no set of phrases",
        "no answer to",
        "does not listen to",
    ];
    let all = format!("start = \"hello\"\n{}\n[fallback]\nsay = \"Sorry.\"\n[state.x]\n{}", blocks[0], blocks[1]);
    let all = all + &blocks[2..].join("\n");
    let errors: Vec<String> = findings(&all).into_iter().filter(|finding| finding.contains(": error: ")).collect();
    assert!(!errors.is_empty());
    let strange: Vec<_> = errors
        .iter()
        .filter(|error| !known.iter().any(|known| error.contains(known)) && !error.contains("neither a variable"))
        .filter(|error| !error.contains("needs [too_many_turns]") && !error.contains("dead end"))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn warnings_do_not_keep_a_flow_from_running() {
    let flow = Flow::parse(&GOOD.replace("[\"yes\"]", "[\"at 5\"]"), "f.toml").unwrap();
    let found = flow.check();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].file.as_str(), found[0].line, found[0].severity), ("f.toml", 7, Severity::Warning));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Flow::load("/nonexistent/flow.toml").unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/flow.toml: cannot read"), "{error}");
}

#[test]
fn variables_come_from_the_lead_the_invite_or_the_flow() {
    let flow = GOOD.to_owned().replace("Will you", "Will {name} of {firm} at {time}")
        + "[variables]\nname = { default = \"you\", header = \"X-Name\" }\nfirm = { header = \"X-Firm\" }\ntime = \"ten\"\n";
    let flow = Flow::parse(&flow, "f.toml").unwrap();
    let lead = BTreeMap::from([("name".to_owned(), "Ann".to_owned())]);
    let header = |name: &str| (name == "X-Firm").then(|| "Smith\r\n& Co".to_owned());
    let values = flow.values(&lead, header);
    let get = |name: &str| values.get(name).map(String::as_str);
    assert_eq!((get("name"), get("firm"), get("time")), (Some("Ann"), Some("Smith& Co"), Some("ten")));
    assert_eq!(flow.values(&BTreeMap::new(), |_| None).get("name").map(String::as_str), Some("you"));
    assert_eq!(flow.variables()[1].header.as_deref(), Some("X-Firm"));
    let lines = flow.fixed_lines(&values);
    let place = |line: &str| lines.iter().position(|other| other == line);
    let asked = place("Will Ann of Smith& Co at ten come?").expect("it can be rendered ahead");
    assert_eq!(place("Sorry."), Some(0), "the fallback first");
    assert!(lines[1..asked].iter().any(|line| line.starts_with("One moment")), "fillers before the rest: {lines:?}");
}

fn welcome() -> Session {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows/welcome.toml");
    let flow = Flow::load(path).unwrap_or_else(|error| panic!("{error}"));
    Session::of(Arc::new(flow), times())
}

/// Says the answers one after the other, each after the agent has fallen silent.
fn talk(answers: &[&str]) -> Session {
    let mut session = welcome();
    for answer in answers {
        session.quiet();
        assert!(session.end().is_none(), "over before '{answer}': {:#?}", session.transcript());
        let at = session.now.ms() + 300;
        match answer.strip_prefix('#') {
            Some(keys) => session.keys(at, keys).run(at + 200 * keys.len() as u64),
            None => session.caller(at, 150 * answer.split(' ').count() as u64, answer).run(at + 2 * VAD_MS),
        };
    }
    session.run(session.now.ms() + 120_000);
    session
}

#[test]
fn the_shipped_flow_holds_its_conversations() {
    let conversations: &[(&[&str], &str, &str)] = &[
        (&["yes please", "no that's all"], "accepted", "see_you"),
        (&["I'd love to come", "what should i bring", "nothing else thanks"], "accepted", "see_you"),
        (
            &["um when is it", "and where is it", "is there any parking", "yes i will be there", "no"],
            "accepted",
            "see_you",
        ),
        (&["i'm afraid i can't come", "no thanks"], "declined", "goodbye"),
        (
            &["no", "yes", "on tuesday in the morning", "five five five oh one two three", "yes"],
            "call_back",
            "call_agreed",
        ),
        (&["call me later", "any day", "in the afternoon", "on this number"], "call_back", "call_agreed"),
        (&["maybe", "sure", "friday please", "evening", "#5550123#", "#1"], "call_back", "call_agreed"),
        (&["#2", "#2"], "declined", "goodbye"),
        (&["who is this", "are you a robot", "goodbye"], "", "goodbye"),
        (&["don't call me again"], "do_not_call", "invitation"),
        (&["wrong number"], "wrong_number", "invitation"),
        (&["can you repeat that please", "yes", "do you have a choir", "no more questions"], "accepted", "see_you"),
        (&["yes", "no wait i can't make it", "no"], "declined", "goodbye"),
    ];
    for (answers, disposition, state) in conversations {
        let session = talk(answers);
        let transcript = session.transcript();
        assert_eq!(session.agent.disposition().unwrap_or_default(), *disposition, "{answers:?} {transcript:#?}");
        assert_eq!(session.agent.state_name(), *state, "{answers:?} {transcript:#?}");
        assert_eq!(session.end(), Some(&EndReason::Completed), "{answers:?} {transcript:#?}");
        assert!(!transcript.iter().any(|line| line.contains("catch that")), "all was understood: {transcript:#?}");
    }
}

#[test]
fn the_shipped_flow_connects_to_a_person() {
    for answers in [&["can i speak to a person"][..], &["#0"], &["yes", "give me the operator please"]] {
        let session = talk(answers);
        assert!(session.lines().contains(&"One moment, I will connect you."), "{:#?}", session.transcript());
        // Nobody took the call.
        assert!(matches!(session.end(), Some(EndReason::Failed { .. })));
        assert!(session.lines().last().is_some_and(|line| line.contains("nobody can take your call")));
    }
}

#[test]
fn the_shipped_flow_ends_for_whoever_says_nothing() {
    let session = talk(&[]);
    assert_eq!(session.end(), Some(&EndReason::Completed));
    assert_eq!(session.agent.disposition(), Some("no_answer"));
    assert!(session.now.ms() < 60_000);
}

#[test]
fn a_key_does_not_do_what_its_condition_forbids() {
    let flow = GOOD.replace("[fallback]", "[variables]\nvip = \"\"\n[fallback]").replace(
        "dtmf = \"1\"\nhang_up = true",
        "dtmf = \"1\"\nwhen = \"vip == 'yes'\"\nhang_up = true\n[[state.ask.on]]\nphrases = [\"no\"]\ndtmf = \"2\"\nhang_up = true",
    );
    for (vip, ends) in [("", false), ("yes", true)] {
        let flow = flow.replace("vip = \"\"", &format!("vip = \"{vip}\""));
        let mut session = Session::with(&flow, times());
        session.keys(2_000, "1").run(5_000);
        assert_eq!(session.end() == Some(&EndReason::Completed), ends, "vip = '{vip}': {:?}", session.transcript());
    }
}
