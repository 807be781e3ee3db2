use super::*;

#[test]
fn the_shipped_flow_is_clean() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows/welcome.toml");
    let flow = Flow::load(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(flow.check(), [], "the shipped flow has no warnings");
    let lines = flow.fixed_lines(&BTreeMap::new());
    assert!(lines.len() > 40, "{}", lines.len());
    assert!(lines[0].starts_with("I am sorry, this is not working"), "the fallback line comes first");
    assert!(lines.iter().any(|line| line.starts_with("Hello, this is")));
    assert!(lines.iter().all(|line| !line.contains(['{', '}'])));
    for expectation in flow.expectations() {
        assert!(expectation.phrases.iter().any(|phrase| phrase == "operator"));
        for phrase in &expectation.phrases {
            assert_eq!(*phrase, phrase.to_lowercase());
            assert!(phrase.chars().all(|c| c.is_ascii_lowercase() || matches!(c, ' ' | '\'')), "{phrase}");
        }
    }
}

#[test]
fn lines_with_listed_slots_are_rendered_with_every_value() {
    let flow = r#"
        start = "ask"
        [fallback]
        say = "Sorry."
        hang_up = true
        [slots]
        day = ["monday", "friday"]
        [state.ask]
        say = "Which day?"
        [[state.ask.on]]
        phrases = ["on <day>", "call <who>"]
        goto = "end"
        [state.end]
        say = ["See you on {day}.", "I will tell {who}."]
        hang_up = true
    "#;
    let flow = Flow::parse(flow, "slots.toml").unwrap_or_else(|error| panic!("{error}"));
    let lines = flow.fixed_lines(&BTreeMap::new());
    assert!(lines.iter().any(|line| line == "See you on monday."), "{lines:?}");
    assert!(lines.iter().any(|line| line == "See you on friday."));
    assert!(!lines.iter().any(|line| line.starts_with("I will tell")), "it can be anybody");
}
