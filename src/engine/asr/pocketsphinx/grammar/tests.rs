use super::*;

fn dictionary() -> Dictionary {
    Dictionary::from_text("call K AO L\nback B AE K\nme M IY\nno N OW\nno(2) N AO\none W AH N\ntwo T UW\nyes Y EH S\n")
}

fn compile(what: &Expectation) -> Grammar {
    let dictionary = dictionary();
    Grammar::compile(what, &dictionary, &sounds(), Some(&Dictionary::from_text("one W_one N_one\ntwo T_two\n")))
}

fn sounds() -> Sounds {
    let unknown: Vec<String> = UNKNOWN[0].iter().map(|phone| (*phone).to_owned()).collect();
    Sounds { all: unknown.clone(), unknown }
}

fn expectation(kind: AnswerKind, phrases: &[&str]) -> Expectation {
    Expectation { kind, phrases: phrases.iter().map(|p| (*p).to_owned()).collect(), ..Expectation::default() }
}

#[test]
fn phrases_become_chains_between_the_hubs() {
    let grammar = compile(&expectation(AnswerKind::Choice, &["Call me back!", "no"]));
    assert!(grammar.text.contains("TRANSITION 0 3 1 \nTRANSITION 1 3 0.01 \n"));
    assert!(grammar.text.contains("TRANSITION 3 4 1 call\nTRANSITION 4 5 1 me\nTRANSITION 5 1 1 back\n"));
    assert!(grammar.text.contains("TRANSITION 3 1 1 no\n"));
    assert!(grammar.text.contains("TRANSITION 0 0 0.01 _S\n"));
    assert!(grammar.text.contains("NUM_STATES 6\n"));
    assert_eq!(grammar.words["no"], ["N OW", "N AO"]);
    assert!(grammar.missing.is_empty());
}

#[test]
fn the_phrases_alone_leave_no_room_for_anything_else() {
    let grammar = compile(&expectation(AnswerKind::Choice, &["call me", "no"]));
    let alone = grammar.alone.unwrap();
    assert!(alone.contains("TRANSITION 3 1 1 no\n") && alone.contains("TRANSITION 1 2 1 \n"), "{alone}");
    assert!(!alone.contains(" _") && !alone.contains("TRANSITION 1 3"), "{alone}");
    assert!(compile(&Expectation::default()).alone.is_none());
}

#[test]
fn a_word_that_cannot_be_said_is_reported_and_its_phrase_left_out() {
    let grammar = compile(&expectation(AnswerKind::Choice, &["call xyzzy", "yes"]));
    assert_eq!(grammar.missing, ["xyzzy"]);
    assert!(grammar.text.contains(" yes\n") && !grammar.text.contains(" call\n"));
}

#[test]
fn a_number_repeats_its_digits() {
    let grammar = compile(&expectation(AnswerKind::Number, &[]));
    assert!(grammar.text.contains("TRANSITION 0 1 0.1 two\nTRANSITION 1 1 0.1 two\n"));
    let alone = grammar.alone.unwrap();
    assert!(alone.contains("TRANSITION 3 4 0.001 two\nTRANSITION 4 4 0.001 two\n") && !alone.contains(" _"), "{alone}");
    let digits = grammar.digits.unwrap();
    assert!(digits.has("two one one") && !digits.has("two three"));
    assert!(digits.text.contains("TRANSITION 4 4 0.001 two\n"), "{}", digits.text);
    assert!(grammar.missing.is_empty(), "{:?}", grammar.missing);
    assert!(digits.has_some("yes two") && !digits.has_some("yes"));
}

#[test]
fn a_number_costs_the_same_by_itself_as_among_all_and_the_shortest_digit_most() {
    let text = number_text("one oh");
    assert!(text.contains("TRANSITION 3 4 0.001 one\n") && text.contains("TRANSITION 1 2 1 \n"), "{text}");
    let short: f32 = text.lines().find_map(|line| line.strip_suffix(" oh")?.rsplit(' ').next()?.parse().ok()).unwrap();
    assert!((short - 1e-5).abs() < 1e-7, "{text}");
    // So does a phrase where a number may be said, and what it is held against.
    let grammar = compile(&expectation(AnswerKind::Number, &["call me", "no"]));
    assert!(grammar.alone.as_ref().unwrap().contains("TRANSITION 3 1 0.001 no\n"));
    assert!(grammar.others("call me").unwrap().contains("TRANSITION 3 1 0.001 no\n"));
    assert!(grammar.text.contains("TRANSITION 3 1 1 no\n"), "{}", grammar.text);
}

#[test]
fn a_chain_is_counted_in_phrases_and_a_number_is_one() {
    let grammar = compile(&expectation(AnswerKind::Number, &["call me", "call me back", "no"]));
    let pieces = ["", "no", "call me back", "no call me", "no no call", "one two two", "no one two no"]
        .map(|text| grammar.pieces(text));
    assert_eq!(pieces, [0, 1, 1, 2, 3, 1, 3]);
    assert_eq!(grammar.choices(), 3);
}

#[test]
fn nothing_expected_is_still_a_grammar() {
    let grammar = compile(&Expectation::default());
    assert!(grammar.text.contains("TRANSITION 0 2 1 \n") && grammar.text.contains("_AA"));
}

#[test]
fn phrases_of_digits_are_for_the_model_of_digits_too() {
    let digits = compile(&expectation(AnswerKind::Choice, &["one two", "no one", "two"])).digits.unwrap();
    assert!(digits.text.contains(" two\n") && !digits.text.contains(" no\n"), "{}", digits.text);
    assert_eq!(digits.words["one"], ["W_one N_one"]);
    let mixed = compile(&expectation(AnswerKind::Choice, &["one", "no"]));
    assert!(mixed.digits.is_none() && !mixed.of_digits);
    assert!(compile(&expectation(AnswerKind::Choice, &["one two", "two"])).asks_digits());
    assert!(
        compile(&expectation(AnswerKind::Number, &["no"])).of_digits && !compile(&Expectation::default()).of_digits
    );
}

#[test]
fn sounds_are_those_of_the_dictionary() {
    let english = Sounds::of(&Dictionary::from_text("a AA IY UW ER S T K N L F ZH\n"));
    assert!(english.all.len() == 11 && english.unknown.len() == 10 && !english.unknown.contains(&"ZH".to_owned()));
    let other = Sounds::of(&Dictionary::from_text("ja j a\nnein n ei n\n"));
    assert_eq!((other.all.len(), other.unknown.len()), (4, 4));
    assert!(other.text().contains("TRANSITION 0 0 0.01 _ei\n"), "{}", other.text());
}

#[test]
fn chinese_is_written_without_blanks() {
    assert_eq!(written("不需要 信用卡"), "不需要信用卡");
    assert_eq!(written("要 vip 卡"), "要 vip 卡");
    assert_eq!(written("call me back"), "call me back");
    assert_eq!(written(""), "");
}

#[test]
fn one_phrase_is_a_grammar() {
    let text = phrase_text("call me");
    assert!(text.contains("TRANSITION 3 4 1 call\nTRANSITION 4 1 1 me\n"), "{text}");
}

#[test]
fn a_phrase_is_held_against_those_that_sound_different() {
    let grammar = compile(&expectation(AnswerKind::Number, &["call me", "call me back", "one", "no"]));
    let others = grammar.others("call me back").unwrap();
    assert!(others.contains(" one\n") && others.contains(" no\n") && !others.contains("call"), "{others}");
    assert!(grammar.others("one two").is_none(), "a number is no phrase");
    assert!(compile(&expectation(AnswerKind::Choice, &["no"])).others("no").is_none());
    assert_eq!((grammar.sounds("call me"), grammar.sounds("one two")), (5, 5));
}

#[test]
fn phrases_share_their_beginnings() {
    let what = expectation(AnswerKind::Choice, &["call me", "call me back", "call no"]);
    let text = compile(&what).text;
    assert_eq!(text.matches("TRANSITION 3 4 1 call\n").count(), 1);
    assert!(text.contains("TRANSITION 4 1 1 me\n") && text.contains("TRANSITION 4 5 1 me\n"));
    assert!(text.contains("TRANSITION 4 1 1 no\n"));
}

#[test]
fn where_there_are_too_many_the_first_are_heard() {
    let long = |n: usize| -> String {
        (0..12).map(|bit| if (n >> bit) & 1 == 0 { "one" } else { "two" }).collect::<Vec<_>>().join(" ")
    };
    let mut phrases = vec!["yes".to_owned()];
    phrases.extend((0..MAX_PHRASES).map(long));
    phrases.push("no".to_owned());
    let grammar = compile(&Expectation { phrases, ..Expectation::default() });
    assert!(grammar.text.contains(" yes\n") && !grammar.text.contains(" no\n"));
}

proptest::proptest! {
    #[test]
    fn any_phrase_gives_a_well_formed_grammar(phrases in proptest::collection::vec(".{0,40}", 0..6)) {
        let what = Expectation { phrases, ..Expectation::default() };
        let grammar = compile(&what);
        for line in grammar.text.lines().filter(|l| l.starts_with("TRANSITION")) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            proptest::prop_assert!(fields.len() == 4 || fields.len() == 5, "{line}");
            proptest::prop_assert!(fields.get(4).is_none_or(|word| grammar.words.contains_key(*word)), "{line}");
        }
    }
}
