use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(more: &[&str]) -> Args {
    Line::parse_from(["eval", "--data", "set.csv"].iter().chain(more)).args
}

fn said(text: &str) -> Said {
    Said { file: PathBuf::new(), text: text.into(), group: None, samples: vec![0; 400] }
}

#[test]
fn phrases_are_drawn_around_the_right_one_and_the_same_each_time() {
    let phrases: Vec<String> = (0..30).map(|n| format!("phrase {n}")).collect();
    let (args, said) = (args(&["--phrases", "5"]), said("phrase 7"));
    let draw = |absent, seed| drawn(&args, &said, Some(&phrases), absent, Dice::new(seed)).unwrap();
    let (choices, right) = draw(false, 1);
    assert_eq!((choices.len(), choices[right.unwrap()].as_str()), (5, "phrase 7"));
    assert_eq!(draw(false, 1).0, choices);
    assert_ne!(draw(false, 2).0, choices);
    let (choices, right) = draw(true, 1);
    assert!(choices.len() == 5 && right.is_none() && !choices.contains(&said.text));
    assert!(drawn(&args, &said, None, true, Dice::new(1)).is_none());
}

#[test]
fn the_flow_decides_what_was_meant() {
    let choices = ["call me back later", "no thanks"].map(str::to_owned);
    let last = Hypothesis {
        kind: HypothesisKind::Final,
        text: "please call me back later".into(),
        confidence: 0.8,
        covers: MediaTime::from_frames(3),
        degraded: false,
    };
    let partial = Hypothesis { kind: HypothesisKind::Partial, text: "please call".into(), ..last.clone() };
    let heard = Heard { partial: Some(partial), last: Some(last), ..Heard::default() };
    let frames = padded(&said(""), Band::Wide);
    let outcome = outcome(&said("call me back later"), &choices, Some(0), &heard, &frames);
    assert_eq!((outcome.words, outcome.errors, outcome.exact), (4, 1, false));
    assert_eq!((outcome.chosen, outcome.kept), (Some(0), true));
}

#[test]
fn a_number_is_its_digits() {
    let heard = |text: &str| Heard {
        last: Some(Hypothesis {
            kind: HypothesisKind::Final,
            text: text.into(),
            confidence: 0.8,
            covers: MediaTime::from_frames(3),
            degraded: false,
        }),
        ..Heard::default()
    };
    let figures = |text: &str| {
        let outcome = number_outcome(Outcome::default(), &said("four zero three"), &heard(text));
        (outcome.words, outcome.errors, outcome.exact, outcome.chosen)
    };
    assert_eq!(figures("four oh three"), (3, 0, true, Some(NUMBER)));
    assert_eq!(figures("four oh oh three"), (3, 1, false, Some(ANOTHER)));
    assert_eq!(figures("call me later"), (3, 3, false, None));
    assert_eq!(args(&["--answer", "number"]).answer, Answer::Number);
}
