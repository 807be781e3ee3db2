//! Sales flows: disclosure, discovery, objections, offers, digressions, the end, and what the check finds missing.

use crate::agent_session::{Session, VAD_MS, times};
use crate::support::sales::{FLOW, Talk, flow, parse, plan, reader};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tipring::agent::{Agent, AgentEvent, AgentPlan, Chat, ChatOutput, Flow, TurnConfig};
use tipring::nlu::Objection;
use tipring::record::{EndReason, ObjectionOutcome, Speaker};

#[test]
fn the_call_goes_its_way() {
    let mut talk = Talk::new();
    assert!(talk.last[0].contains("automatic assistant"), "{:?}", talk.last);
    assert_eq!(talk.last.len(), 2, "the disclosure, then the opening");
    // How much is asked first: 0.5 * (5 + 0.4 * 2) = 2.9 beats 0.9 * 1 and 0.6 * 2.
    assert_eq!(talk.say("yes"), ["How much do you spend a month?"]);
    // It was dodged: it is worth half as much, and still most.
    assert_eq!(talk.say("banana"), ["Pardon?"]);
    assert_eq!(talk.say("a lot"), ["Which card do you have now?"]);
    assert_eq!(talk.chat.slots().get("spend").map(String::as_str), Some("high"));
    let said = talk.say("i have a card from river bank").to_vec();
    assert_eq!(said, ["You would get one point five percent back. Shall I send it?"]);
    assert_eq!(talk.chat.slots().get("bank").map(String::as_str), Some("river bank"));
    assert_eq!(talk.say("sure"), ["It is on its way."]);
    assert!(talk.chat.has_ended());
    assert_eq!(talk.chat.disposition(), Some("sold"));
}

#[test]
fn needs_are_heard_before_they_are_asked_for() {
    let mut talk = Talk::new();
    // Nothing is asked that was told: two of three are enough.
    talk.say("i spend not much and i decide that myself");
    let said = talk.say("yes").to_vec();
    assert_eq!(said, ["Then our free card is right for you. Shall I send it?"], "{:?}", talk.chat.slots());
    // A question that nobody answers is dropped after its price is too high.
    let mut talk = Talk::new();
    talk.say("yes");
    let mut questions = BTreeSet::new();
    for _ in 0..8 {
        if talk.chat.state_name() != "needs" {
            break;
        }
        questions.extend(talk.say("is it warm there?").to_vec());
    }
    assert!(talk.chat.state_name() != "needs", "{questions:?}");
}

#[test]
fn an_objection_is_answered_and_the_conversation_comes_back() {
    let mut talk = Talk::new();
    let said = talk.say("i am busy now").to_vec();
    assert!(said[0].starts_with("busy_now"), "{said:?}");
    assert_eq!(said[1], "Does that help?");
    assert_eq!(talk.say("yes"), ["So, may I tell you about it?"], "the question again, in other words");
    assert_eq!(talk.chat.state_name(), "opening");
    // Never the same twice: two of busy_now, then a graceful end.
    let first = said[0].clone();
    let said = talk.say("busy now").to_vec();
    assert!(said[0].starts_with("busy_now") && said[0] != first, "{said:?}");
    let said = talk.say("not really").to_vec();
    assert_eq!(said, ["I will not press you.", "Shall I send you a letter?"]);
    let outcomes: Vec<ObjectionOutcome> = talk.outcomes().into_iter().map(|(_, _, outcome)| outcome).collect();
    use ObjectionOutcome::{Ended, Open, Persisted, Resolved};
    assert_eq!(outcomes, [Open, Resolved, Open, Persisted, Ended]);
}

#[test]
fn a_question_that_was_interrupted_is_the_one_that_comes_back() {
    let mut talk = Talk::new();
    assert_eq!(talk.say("yes"), ["How much do you spend a month?"]);
    talk.say("too expensive");
    assert_eq!(talk.say("yes"), ["And how much is it a month, roughly?"]);
    // It was one question all the time: its answer still counts for most, and the others are still worth asking.
    assert_eq!(talk.say("a lot"), ["Which card do you have now?"]);
    // A bare yes names no card.
    assert_eq!(talk.say("yes"), ["Pardon?"]);
    assert!(!talk.chat.slots().contains_key("card"));
}

#[test]
fn no_rebuttal_is_said_twice_and_there_is_an_end_to_them() {
    for seed in 0..20 {
        let mut talk = Talk::with(AgentPlan { seed, ..AgentPlan::default() });
        let mut said = BTreeSet::new();
        let mut answers = 0;
        for class in ["too expensive", "no need", "comparing", "risk fear", "no budget", "bad timing"] {
            for line in
                talk.say(class).to_vec().iter().filter(|line| line.contains('_') || line.starts_with("comparing"))
            {
                answers += 1;
                assert!(said.insert(line.clone()), "{line} twice");
            }
            if talk.chat.has_ended() {
                break;
            }
        }
        assert_eq!(answers, 4, "max_total");
    }
}

#[test]
fn every_objection_has_its_answer_in_every_selling_state() {
    for class in Objection::ALL {
        let phrase = class.id().replace('_', " ");
        let mut talk = Talk::new();
        talk.say(&phrase);
        assert!(talk.last[0].starts_with(class.id()), "{class:?}: {:?}", talk.last);
        let mut talk = Talk::new();
        talk.say("yes");
        talk.say(&phrase);
        assert!(talk.last[0].starts_with(class.id()), "{class:?}: {:?}", talk.last);
    }
}

#[test]
fn a_state_may_take_an_objection_itself() {
    let mut talk = Talk::new();
    talk.say("yes");
    talk.say("a lot");
    talk.say("i have a card from x");
    assert_eq!(talk.say("just send info"), ["I will send it by mail.", "Goodbye."]);
}

#[test]
fn the_campaign_chooses_openings_and_rebuttals() {
    let prefer = |key: &str, ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        AgentPlan { prefer: BTreeMap::from([(key.to_owned(), ids)]), ..AgentPlan::default() }
    };
    assert_eq!(Talk::with(prefer("opening.opening", &["short"])).last[1], "Do you have a minute?");
    assert_eq!(Talk::with(prefer("opening.opening", &["gone", "plain"])).last[1], "May I tell you about it?");
    let mut talk = Talk::with(prefer("objection.no_need", &["c", "1"]));
    assert_eq!(talk.say("no need")[0], "no_need three");
    assert_eq!(talk.say("no need")[0], "no_need one");
    // By profile and by audience.
    assert!(Talk::with(plan(&[("profile", "returning")])).last[1].starts_with("You know us already"));
    let mut young = prefer("opening.opening", &["short"]);
    young.variables.insert("audience".into(), "young".into());
    assert_eq!(Talk::with(young).last[1], "Got a minute?");
    // Without a preference the seed decides, always in the same way.
    let openings: BTreeSet<String> =
        (0..20).map(|seed| Talk::with(AgentPlan { seed, ..AgentPlan::default() }).last[1].clone()).collect();
    assert_eq!(openings.len(), 2, "both that hold, and only those: {openings:?}");
    let wording = |talk: &Talk| {
        talk.outputs.iter().find_map(|output| match output {
            ChatOutput::Line { notes, .. } => notes.wording.clone(),
            _ => None,
        })
    };
    assert_eq!(wording(&Talk::with(prefer("opening.opening", &["short"]))).as_deref(), Some("opening.opening/short"));
}

#[test]
fn a_buying_signal_makes_the_offer_that_the_table_allows() {
    let mut talk = Talk::new();
    let said = talk.say("how do i apply").to_vec();
    assert_eq!(said, ["If you decide within two days, the first year is free. Shall I note that?"]);
    assert_eq!(talk.chat.state_name(), "decide");
    talk.say("yes");
    let offers: Vec<_> = talk
        .outputs
        .iter()
        .filter_map(|output| match output {
            ChatOutput::Event(AgentEvent::Offer(offer)) => Some((offer.offer.clone(), offer.expires_h, offer.accepted)),
            _ => None,
        })
        .collect();
    assert_eq!(offers, [("year".to_owned(), 48, false), ("year".to_owned(), 48, true)]);
    // The condition decides, and each is made once.
    let mut talk = Talk::new();
    talk.say("i do not spend a fortune, not much");
    assert_eq!(talk.say("when would i get it"), ["Within five hours there is a suitcase with it. Shall I note that?"]);
    talk.say("how do i apply");
    let made = |output: &&ChatOutput| matches!(output, ChatOutput::Event(AgentEvent::Offer(_)));
    assert_eq!(talk.outputs.iter().filter(made).count(), 1);
}

#[test]
fn a_digression_comes_back_and_is_bounded() {
    let mut talk = Talk::new();
    talk.say("what is new about it");
    assert_eq!(talk.chat.state_name(), "explain");
    assert_eq!(talk.say("yes"), ["You get one percent of everything.", "So, may I tell you about it?"]);
    assert_eq!(talk.chat.state_name(), "opening");
    // However deep, it comes back.
    talk.say("what is new about it");
    for _ in 0..2 {
        talk.say("deeper");
    }
    for _ in 0..3 {
        assert_eq!(talk.chat.state_name(), "explain");
        talk.say("no");
    }
    assert_eq!(talk.chat.state_name(), "opening", "{:?}", talk.last);
}

#[test]
fn interrupts_go_before_everything() {
    let mut talk = Talk::new();
    assert_eq!(talk.say("are you a robot"), ["Yes, I am an automatic assistant.", "So, may I tell you about it?"]);
    assert_eq!(talk.say("yes but do not call me again"), ["I have taken you off our list."]);
    assert_eq!(talk.chat.disposition(), Some("do_not_call"));
    let mut talk = Talk::new();
    talk.say("a person");
    assert!(matches!(talk.outputs.last(), Some(ChatOutput::Transfer { target }) if target == "100"));
}

#[test]
fn a_long_call_is_closed_gracefully() {
    let mut talk = Talk::new();
    for turn in 1..=12 {
        talk.say("are you a robot");
        assert!(talk.last.iter().any(|line| line.contains("may I tell")), "turn {turn}: {:?}", talk.last);
    }
    let said = talk.say("are you a robot").to_vec();
    assert_eq!(
        said,
        ["Yes, I am an automatic assistant.", "I do not want to keep you any longer.", "Shall I send you a letter?"],
        "the thirteenth turn: the answer, and then no other question"
    );
    talk.say("are you a robot");
    assert!(!talk.chat.has_ended());
    let said = talk.say("are you a robot").to_vec();
    assert_eq!(
        said,
        ["Yes, I am an automatic assistant.", "I will let you go now. Goodbye."],
        "the fifteenth and last"
    );
    assert!(talk.chat.has_ended());
}

#[test]
fn a_state_gives_up_after_its_attempts() {
    let mut talk = Talk::new();
    for _ in 0..3 {
        assert_eq!(talk.say("xyzzy"), ["Pardon?"]);
    }
    assert_eq!(talk.say("xyzzy"), ["Shall I send you a letter?"]);
}

#[test]
fn the_classifier_decides_where_no_phrase_does() {
    let mut talk = Talk::with(reader());
    assert!(talk.say("that would ruin me")[0].starts_with("too_expensive"));
    let notes = talk.outputs.iter().find_map(|output| {
        if let ChatOutput::Event(AgentEvent::Understood(notes)) = output { Some(notes.clone()) } else { None }
    });
    let notes = notes.unwrap();
    assert_eq!(notes.intent.as_deref(), Some("finance/credit_card/too_expensive"));
    assert_eq!((notes.objection.as_deref(), notes.intent_confidence), (Some("too_expensive"), Some(0.9)));
    // Agreement to the question after the rebuttal, in the classifier's words.
    assert_eq!(talk.say("fine by me"), ["So, may I tell you about it?"]);
    // One word of many says less than the whole.
    assert!(talk.say("well that is quite an amount yes")[0].starts_with("too_expensive"));
    // Not sure enough.
    let mut talk = Talk::with(reader());
    assert_eq!(talk.say("maybe perhaps"), ["Pardon?"]);
    assert_eq!(
        talk.say("where do i sign")[0],
        "If you decide within two days, the first year is free. Shall I note that?"
    );
    assert_eq!(talk.say("leave me in peace for good"), ["I have taken you off our list."]);
}

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
fn nobody_talks_for_ever() {
    let words = [
        "yes",
        "no",
        "busy now",
        "too expensive",
        "not really",
        "what is new about it",
        "deeper",
        "how do i apply",
        "banana",
        "are you a robot",
        "a lot",
        "not much",
        "no need",
        "think about it",
        "i have a card from x",
        "",
        "it does",
    ];
    let flow = flow();
    let mut number = 12_345_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize
    };
    for seed in 0..2_000 {
        let mut chat = Chat::new(Arc::clone(&flow), AgentPlan { seed, ..AgentPlan::default() }, &TurnConfig::default());
        chat.start();
        let mut rebuttals = BTreeSet::new();
        for turn in 0..100 {
            if chat.has_ended() {
                break;
            }
            assert!(turn < 60, "no end in state '{}'", chat.state_name());
            let pick = next() % (words.len() + 1);
            let outputs = match words.get(pick) {
                Some(text) => chat.say(text),
                None => chat.silence(),
            };
            assert!(!outputs.is_empty(), "a deadlock in '{}'", chat.state_name());
            for output in outputs {
                if let ChatOutput::Line { notes, .. } = output
                    && let (Some(objection), Some(rebuttal)) = (notes.objection, notes.rebuttal)
                {
                    assert!(rebuttals.insert((objection, rebuttal)), "a rebuttal twice");
                }
            }
        }
        assert!(chat.has_ended());
    }
}

/// Callers who say what the shipped flows expect, in any order, and sometimes nothing or something else.
#[test]
fn no_shipped_flow_is_brought_to_a_standstill() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.len() >= 9, "{files:?}");
    let mut number = 99_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize
    };
    for file in files {
        let flow = Arc::new(Flow::load(&file).unwrap_or_else(|error| panic!("{error}")));
        let mut words: BTreeSet<String> = BTreeSet::new();
        flow.expectations().iter().for_each(|expectation| words.extend(expectation.phrases.iter().cloned()));
        let words: Vec<String> = words.into_iter().collect();
        let mut answered = BTreeSet::new();
        for seed in 0..100 {
            let plan = AgentPlan { seed, ..AgentPlan::default() };
            let mut chat = Chat::new(Arc::clone(&flow), plan, &TurnConfig::default());
            let mut outputs = chat.start();
            let mut rebuttals = BTreeSet::new();
            let mut waits = 0;
            for turn in 0..100 {
                for output in outputs {
                    match output {
                        ChatOutput::Line { notes, text } => {
                            assert!(!text.contains(['{', '}']), "{text}");
                            if let (Some(objection), Some(rebuttal)) = (notes.objection, notes.rebuttal) {
                                answered.insert(objection.clone());
                                assert!(rebuttals.insert((objection, rebuttal)), "{file:?}: a rebuttal twice: {text}");
                            }
                        }
                        ChatOutput::End(reason) => assert_eq!(reason, EndReason::Completed, "{file:?}"),
                        _ => {}
                    }
                }
                if chat.has_ended() {
                    break;
                }
                assert!(turn < 70, "{file:?}: no end in state '{}'", chat.state_name());
                outputs = match next() % 12 {
                    0 => chat.silence(),
                    1 => chat.say("brzl"),
                    _ => chat.say(&words[next() % words.len()]),
                };
                // Nothing is said to the first digits of a number: more are waited for.
                let state = chat.state_name().to_owned();
                waits = if outputs.is_empty() { waits + 1 } else { 0 };
                assert!(
                    waits == 0 || state.contains("number") && waits < 20,
                    "{file:?}: a standstill in state '{state}'"
                );
            }
            assert!(chat.has_ended());
        }
        let sells = flow.version() > 0;
        assert!(!sells || answered.len() > 10, "{file:?}: hardly any objection was met: {answered:?}");
    }
}

#[test]
fn a_call_with_sound_ends_by_itself() {
    let mut session = Session::with_agent(Agent::with_plan(flow(), AgentPlan::default(), times()));
    session.run(600_000);
    assert!(session.agent.has_ended());
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
