//! Demands that may have been meant are asked about, and booked when the call ends first; two needs in one question; the last offer.

use crate::support::sales::{FLOW, Talk, parse, reader};
use std::sync::Arc;
use tipring::agent::{AgentPlan, Flow};

/// The small sales flow, with a question to ask when in doubt.
fn asking() -> Arc<Flow> {
    let own = "[interrupt.do_not_call]\nconfirm = [\"Shall I take you off our list?\", \"Off the list, am I right?\"]\n\
               maybe = [\"(remove|delete) * number\", \"stop * calling\"]\nset = { do_not_call = \"yes\" }\n";
    Arc::new(parse(&FLOW.replace("[interrupt.do_not_call]\n", own)).unwrap_or_else(|error| panic!("{error}")))
}

fn off_the_list(talk: &Talk) -> bool {
    talk.chat.slots().get("do_not_call").is_some_and(|value| value == "yes")
}

#[test]
fn what_may_be_a_demand_is_asked_about_and_a_yes_takes_it() {
    let mut talk = Talk::of(asking(), AgentPlan::default());
    assert_eq!(talk.say("remove this silly number"), ["Shall I take you off our list?"]);
    assert_eq!(talk.say("yes"), ["I have taken you off our list."]);
    assert!(off_the_list(&talk) && talk.chat.disposition() == Some("do_not_call"));
    for again in ["you should stop that calling", "do not call me again"] {
        let mut talk = Talk::of(asking(), AgentPlan::default());
        talk.say("delete my number");
        assert_eq!(talk.say(again), ["I have taken you off our list."], "{again}");
    }
}

#[test]
fn a_no_settles_it_and_words_that_nobody_understands_do_not() {
    let mut talk = Talk::of(asking(), AgentPlan::default());
    talk.say("stop always calling");
    assert_eq!(talk.say("no"), ["So, may I tell you about it?"]);
    talk.chat.hang_up();
    assert!(!off_the_list(&talk));
    let mut talk = Talk::of(asking(), AgentPlan::default());
    talk.say("stop always calling");
    assert_eq!(talk.say("banana"), ["Off the list, am I right?"]);
    assert_eq!(talk.say("banana"), ["I have taken you off our list."]);
}

#[test]
fn a_call_that_ends_in_doubt_is_booked_in_the_callers_favour() {
    let mut talk = Talk::of(asking(), AgentPlan::default());
    talk.say("stop always calling");
    talk.chat.hang_up();
    assert!(off_the_list(&talk) && talk.chat.disposition() == Some("do_not_call"));
    // For another reason, which stays.
    let mut talk = Talk::of(asking(), AgentPlan::default());
    talk.say("wrong number stop calling");
    assert!(talk.chat.has_ended() && off_the_list(&talk), "{:?}", talk.last);
    assert_eq!(talk.chat.disposition(), None);
}

#[test]
fn the_classifiers_guess_is_asked_about_where_no_phrase_says_otherwise() {
    let mut talk = Talk::of(asking(), reader());
    assert_eq!(talk.say("i never want to hear of you again"), ["Shall I take you off our list?"]);
    assert_eq!(talk.say("fine by me"), ["I have taken you off our list."]);
    let mut talk = Talk::of(asking(), reader());
    assert_eq!(talk.say("that is enough now"), ["Shall I take you off our list?"], "its second guess");
    let mut talk = Talk::of(asking(), reader());
    assert_ne!(talk.say("yes enough"), ["Shall I take you off our list?"]);
}

/// The small sales flow, with a question whether it is a wrong number.
fn misdialled() -> Arc<Flow> {
    let own = "[interrupt.wrong_person]\nconfirm = \"Did I dial the wrong number?\"\ndisposition = \"wrong\"\n";
    Arc::new(parse(&FLOW.replace("[interrupt.wrong_person]\n", own)).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn a_wrong_number_that_was_only_read_is_asked_about_and_ends_no_call_unasked() {
    for (answer, wrong) in [("yes", true), ("you are after my brother", true), ("no", false), ("banana", false)] {
        let mut talk = Talk::of(misdialled(), reader());
        assert_eq!(talk.say("you are after my brother"), ["Did I dial the wrong number?"]);
        talk.say(answer);
        assert_eq!(talk.chat.has_ended(), wrong, "{answer}: {:?}", talk.last);
        assert_eq!(talk.chat.disposition() == Some("wrong"), wrong, "{answer}");
    }
    // Who said no to it is not asked again, and what stays open is not booked.
    let mut talk = Talk::of(misdialled(), reader());
    talk.say("you are after my brother");
    talk.say("no");
    assert_ne!(talk.say("you are after my brother"), ["Did I dial the wrong number?"]);
    let mut talk = Talk::of(misdialled(), reader());
    talk.say("you are after my brother");
    talk.chat.hang_up();
    assert_eq!(talk.chat.disposition(), None);
    // In so many words it needs no question.
    let mut talk = Talk::of(misdialled(), reader());
    talk.say("wrong number");
    assert!(talk.chat.has_ended());
}

#[test]
fn what_ends_the_conversation_must_be_read_more_surely_than_what_goes_on() {
    let mut talk = Talk::of(asking(), reader());
    assert_eq!(talk.say("not for the likes of us"), ["Pardon?"]);
    assert_eq!(talk.say("that is a no from us"), ["Goodbye."]);
    // Where a need was asked about, the words are its answer unless an objection is plain.
    let mut talk = Talk::of(asking(), reader());
    assert!(talk.say("they say one is ruined by it")[0].starts_with("too_expensive"));
    let mut talk = Talk::of(asking(), reader());
    talk.say("yes");
    assert!(!talk.say("they say one is ruined by it")[0].starts_with("too_expensive"), "{:?}", talk.last);
    assert!(talk.say("that would ruin me")[0].starts_with("too_expensive"), "{:?}", talk.last);
}

#[test]
fn a_bare_no_to_a_question_about_needs_leads_to_the_next_one_once() {
    let text = FLOW.replace("who\", \"how", "how").replace("answers = { self = [\"@yes\"], other = [\"@no\"] }\n", "");
    let flow = Arc::new(parse(&text).unwrap_or_else(|error| panic!("{error}")));
    let mut talk = Talk::of(flow, AgentPlan::default());
    let first = talk.say("yes").to_vec();
    let second = talk.say("no").to_vec();
    assert_ne!(first, second);
    assert_eq!(talk.chat.state_name(), "needs", "{second:?}");
    talk.say("no");
    assert_eq!(talk.last, ["Pardon?"], "the second time it is no answer");
}

#[test]
fn a_mandarin_demand_is_known_by_its_sound() {
    let flow = r#"
language = "zh"
start = "hello"
[fallback]
say = "再见。"
hang_up = true
[interrupt.do_not_call]
phrases = ["不要再打电话"]
maybe = ["删 * 号码"]
confirm = "以后不再给您打，对吗？"
say = "好的，不再打。"
disposition = "do_not_call"
hang_up = true
[state.hello]
say = "您好，可以说两句吗？"
[[state.hello.on]]
phrases = ["可以"]
hang_up = true
"#;
    let flow = Arc::new(Flow::parse(flow, "card.toml").unwrap_or_else(|error| panic!("{error}")));
    let mut talk = Talk::of(Arc::clone(&flow), AgentPlan::default());
    assert_eq!(talk.say("布药在打店话"), ["好的，不再打。"]);
    let mut talk = Talk::of(Arc::clone(&flow), AgentPlan::default());
    assert_eq!(talk.say("珊了我的好吗"), ["以后不再给您打，对吗？"], "which sounds like 删 … 号码");
    let mut talk = Talk::of(flow, AgentPlan::default());
    talk.say("号码");
    assert!(!talk.chat.has_ended());
}

#[test]
fn two_needs_are_asked_for_in_one_breath_while_both_are_open() {
    let text = FLOW.replace(
        "[need.how]\n",
        "[need.how]\nwith = \"what\"\nask_both = \"How much is it a month, and with which card?\"\n",
    );
    let flow = Arc::new(parse(&text).unwrap_or_else(|error| panic!("{error}")));
    let mut talk = Talk::of(Arc::clone(&flow), AgentPlan::default());
    assert_eq!(talk.say("yes"), ["How much is it a month, and with which card?"]);
    talk.say("a lot, i have a card from acme");
    assert_eq!(talk.chat.state_name(), "pitch", "both were told: {:?}", talk.chat.slots());
    let mut talk = Talk::of(flow, AgentPlan::default());
    talk.say("yes i have a card from acme");
    assert_eq!(talk.last, ["How much do you spend a month?"], "one is known: {:?}", talk.chat.slots());
}

#[test]
fn the_offer_that_was_made_last_is_the_one_that_is_accepted() {
    let text = FLOW.replace("accepts = \"year\"", "accepts = \"last\"");
    let flow = Arc::new(parse(&text).unwrap_or_else(|error| panic!("{error}")));
    let mut talk = Talk::of(flow, AgentPlan::default());
    talk.say("yes");
    talk.say("not much");
    talk.say("how do i apply");
    talk.say("yes");
    let accepted = talk.outputs.iter().any(|output| {
        matches!(output, tipring::agent::ChatOutput::Event(tipring::agent::AgentEvent::Offer(offer))
            if offer.offer == "gift" && offer.accepted)
    });
    assert!(accepted, "{:?}", talk.last);
}

#[test]
fn keys_that_belong_together_and_keys_out_of_place_are_named() {
    for (text, wanted) in [
        (FLOW.replace("[need.how]\n", "[need.how]\nwith = \"what\"\n"), "'with' and 'ask_both' belong together"),
        (
            FLOW.replace("[interrupt.do_not_call]\n", "[interrupt.do_not_call]\nmaybe = [\"stop\"]\n"),
            "'maybe' without 'confirm'",
        ),
        (
            FLOW.replace("[[state.opening.on]]\n", "[[state.opening.on]]\nconfirm = \"Really?\"\n"),
            "are for an [interrupt]",
        ),
    ] {
        let error = parse(&text).map(|_| ()).expect_err(wanted).to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
