//! Sales flows: disclosure, discovery, objections, offers, digressions, the end, and what the check finds missing.

use crate::agent_session::{Session, times};
use crate::support::sales::{Talk, flow, plan, reader};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tipring::agent::{Agent, AgentEvent, AgentPlan, Chat, ChatOutput, Flow, TurnConfig};
use tipring::nlu::Objection;
use tipring::record::{EndReason, ObjectionOutcome};

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
