//! What a sales flow must disclose before it sells, what its turns leave in the record, and what the checker says of it.

use crate::agent_session::{Session, VAD_MS, times};
use crate::support::sales::{FLOW, flow, parse};
use std::path::Path;
use std::sync::Arc;
use tipring::agent::{AgentEvent, Flow};
use tipring::record::{EndReason, Speaker};

fn session() -> Session {
    Session::of(flow(), times())
}

#[test]
fn nothing_is_talked_about_before_the_disclosure_was_heard() {
    // The caller knows at once what to say to it, over it.
    let mut session = session();
    session.run(600);
    session.caller(1_200, 1_500, "too expensive").run(5_000);
    session.quiet();
    assert_eq!(session.agent.state_name(), "opening", "{:#?}", session.transcript());
    let lines: Vec<String> = session.lines().into_iter().map(str::to_owned).collect();
    assert!(
        lines.iter().any(|line| line.starts_with("I am the automatic assistant of the Harbour Bank")),
        "{lines:#?}"
    );
    // Heard to its end, it is not said again.
    let at = session.now.ms() + 300;
    session.caller(at, 400, "yes").run(at + 2 * VAD_MS);
    session.quiet();
    assert_eq!(session.agent.state_name(), "needs", "{:#?}", session.transcript());
    let brief = session.lines().iter().filter(|line| line.starts_with("I am the automatic")).count();
    assert_eq!(brief, 1);
}

#[test]
fn an_interrupt_is_obeyed_during_the_disclosure() {
    let mut session = session();
    session.run(600);
    session.caller(1_200, 800, "do not call me again").run(20_000);
    assert_eq!(session.agent.disposition(), Some("do_not_call"));
    assert_eq!(session.end(), Some(&EndReason::Completed));
}

/// The flow with an interrupt that goes on to sell.
fn straight_to_the_pitch() -> String {
    let minor = "[interrupt.minor]\nphrases = [\"i am ten years old\"]\n";
    FLOW.replace(&format!("{minor}hang_up = true\n"), &format!("{minor}goto = \"pitch\"\n"))
}

#[test]
fn an_interrupt_that_goes_on_to_sell_brings_the_disclosure_along() {
    let flow = Arc::new(parse(&straight_to_the_pitch()).unwrap());
    let mut session = Session::of(flow, times());
    session.run(600);
    session.caller(1_200, 800, "i am ten years old").run(30_000);
    let lines = session.lines();
    let at = |words: &str| lines.iter().position(|line| line.contains(words));
    let brief = at("I am the automatic assistant of the Harbour Bank").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(brief > 0 && lines.len() > brief + 1, "what was not heard is said before the pitch: {lines:?}");
}

#[test]
fn the_record_of_a_turn_says_what_it_was() {
    let mut session = session();
    session.quiet();
    let at = session.now.ms() + 300;
    session.caller(at, 500, "busy now").run(at + 2 * VAD_MS);
    session.quiet();
    let turns: Vec<_> = session
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            tipring::agent::Action::Report(AgentEvent::Turn(turn)) => Some(turn.clone()),
            _ => None,
        })
        .collect();
    let rebuttal = turns.iter().find(|turn| turn.notes.rebuttal.is_some()).expect("a rebuttal");
    assert_eq!((rebuttal.speaker, rebuttal.notes.objection.as_deref()), (Speaker::Agent, Some("busy_now")));
    let disclosed = turns.first().expect("the disclosure");
    assert!(disclosed.text.contains("record"), "{}", disclosed.text);
    assert_eq!(disclosed.state, "hello", "the line is its own state's: {turns:?}");
    let opening = turns.iter().find(|turn| turn.notes.wording.is_some()).expect("an opening");
    assert!(opening.notes.wording.as_deref().is_some_and(|wording| wording.starts_with("opening.opening/")));
}

#[test]
fn the_check_names_what_a_sales_flow_lacks() {
    assert_eq!(parse(FLOW).map(|flow| flow.check()).unwrap_or_default(), []);
    let cases: &[(String, &str)] = &[
        (FLOW.replace("include = [\"parts/objections.toml\"]", ""), "no answer to: not_interested"),
        (FLOW.replace("\"ai\", ", ""), "can be reached before this was disclosed: ai"),
        (
            straight_to_the_pitch().replace("start = \"hello\"", "start = \"greet\"")
                + "\n[state.greet]\nkind = \"service\"\nsay = \"Is this Ann?\"\n[[state.greet.on]]\nphrases = [\"@yes\"]\ngoto = \"hello\"\n",
            "can be reached before this was disclosed",
        ),
        (
            FLOW.replace("[interrupt.minor]\nphrases = [\"i am ten years old\"]\nhang_up = true\n", ""),
            "does not listen to: minor",
        ),
        (FLOW.replace("max_turns = 15", "max_turns = 20"), "at most 15"),
        (FLOW.replace("goto = \"soft_close\"\n\n[no_match]", "hang_up = true\n\n[no_match]"), ""),
        (FLOW.replace("within {expires}", "now"), "limited in time"),
        (FLOW.replace("offer = [\"gift\", \"year\"]", "offer = [\"gifts\"]"), "no [offers.gifts]"),
        (FLOW.replace("discover = [\"who\",", "discover = [\"whom\","), "no [need.whom]"),
        (FLOW.replace("when = \"spend == 'low'\"\nexpires", "when = \"spend == 'lo'\"\nexpires"), "can never hold"),
        (FLOW.replace("when = \"spend == 'low'\"\ngoto", "when = \"spent == 'low'\"\ngoto"), "'spent' is neither"),
        (
            FLOW.replace("call = \"explain\"\n\n[state.explain]", "goto = \"explain\"\n\n[state.explain]"),
            "reach it by 'call'",
        ),
        (FLOW.replace("scene = \"credit_card\"", "scene = \"credit\""), "no scene 'credit'"),
        (FLOW.replace("intent = [\"deny\"]", "intent = [\"denial\"]"), "no intent 'denial'"),
        (FLOW.replace("kind = \"pitch\"", "kind = \"pitching\""), "no kind 'pitching'"),
        (FLOW.replace("parts/objections.toml", "parts/none.toml"), "paths are relative"),
        (FLOW.replace("[interrupt.minor]", "[interrupt.minors]"), "no interrupt 'minors'"),
        (FLOW.replace("{percent:percent}", "{percent:percents}"), "the forms after the colon"),
    ];
    for (text, what) in cases {
        let error = match parse(text) {
            Ok(flow) => flow.check().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(what), "expected '{what}', found: {error}");
        assert!(what.is_empty() || error.contains("flows/card.toml:"), "{error}");
    }
}

#[test]
fn a_mistake_in_an_included_file_is_found_there() {
    let read = |text: &'static str| move |_: &Path| Ok(text.to_owned());
    let main = "start = \"a\"\ninclude = [\"b.toml\"]\n[fallback]\nsay = \"Sorry.\"\n[state.a]\nsay = \"Hello.\"\n[[state.a.on]]\nphrases = [\"@yes\"]\ngoto = \"b\"\n";
    let part = "# Shared.\n[phrases]\nyes = [\"yes\"]\n\n[state.b]\nsay = \"{x\"\nhang_up = true\n[state.unused]\nsay = \"?\"\nhang_up = true\n";
    let error = Flow::parse_with(main, "dir/a.toml", &read(part)).unwrap_err().to_string();
    assert_eq!(error, "dir/b.toml:6: error: '{' without '}': write {name} for a variable or a slot");
    let error = Flow::parse_with(main, "dir/a.toml", &read("[state.b]\nsay = 5\n")).unwrap_err().to_string();
    assert!(error.starts_with("dir/b.toml:2:7: "), "{error}");
    let error = Flow::parse_with(
        main,
        "dir/a.toml",
        &read("name = \"b\"\n[state.b]\nsay = \"x\"\nhang_up = true\n[phrases]\nyes = [\"y\"]"),
    );
    assert!(error.unwrap_err().to_string().contains("dir/b.toml:1: error: 'name' belongs into the flow"));
}

#[test]
fn what_an_included_file_fills_is_no_variable_of_the_flow() {
    let part =
        "[slots]\nday = ['monday', 'friday']\n[[global]]\nphrases = ['make it <day>']\nsay = 'Fine.'\nstay = true\n";
    let check = |variable: &str| {
        let main = format!(
            "start = 'ask'\ninclude = ['part.toml']\n[variables]\n{variable} = 'the sixth'\n[fallback]\nsay = 'Sorry.'\nhang_up = true\n\
             [state.ask]\nsay = 'Will you come on {{{variable}}}?'\n[[state.ask.on]]\nphrases = ['yes']\nhang_up = true\n"
        );
        let flow = Flow::parse_with(&main, "main.toml", &|_: &Path| Ok(part.to_owned())).unwrap();
        flow.check().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let findings = check("day");
    assert!(
        findings.iter().any(|what| what.contains("part.toml:") && what.contains("this fills 'day'")),
        "{findings:?}"
    );
    assert_eq!(check("date"), Vec::<String>::new());
}
