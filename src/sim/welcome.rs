//! Callers of the flow `welcome` as they come: what they say, where they hold, how they interrupt, what is heard besides them. A
//! pure function of the seed; `tipring bench turns` gives them voices and a telephone.
//!
//! Odd seeds are for the test, even ones for development: whoever tunes the agent looks at even seeds only.

use super::dice::Dice;
use crate::speech::PauseCurve;

/// Holds in a turn that has enough places for them, on average (eot-bench: 608 holds in 344 turns).
const HOLDS_PER_TURN: f64 = 1.77;
/// No hold is longer, in seconds.
const LONGEST_HOLD_S: f64 = 3.0;
/// Questions in a call.
const QUESTIONS: usize = 6;
/// Share of the holds that are put where the sentence could be over, in percent, where it has such a place.
const AT_COMPLETE_PERCENT: f64 = 85.0;
/// How often each thing happens, in percent.
const FILLER_PERCENT: f64 = 25.0;
const CORRECTION_PERCENT: f64 = 8.0;
const NUMBER_PERCENT: f64 = 10.0;
const BACKCHANNEL_PERCENT: f64 = 30.0;
const COUGH_PERCENT: f64 = 15.0;
const BARGE_IN_PERCENT: f64 = 25.0;
const SILENT_PERCENT: f64 = 5.0;
const ECHO_PERCENT: f64 = 25.0;
const NEIGHBOUR_PERCENT: f64 = 15.0;
/// Level of the agent's echo against the agent, in dB.
pub const ECHO_DB: f64 = -25.0;
/// Level of the talk behind the caller, in dBFS.
pub const NEIGHBOUR_DBFS: f64 = -45.0;

/// What is asked. `/` is where the sentence could be over, `|` where it cannot.
const ASKED: [&str; 16] = [
    "what time / does it start",
    "what time / should i come",
    "how long / does it take",
    "how much / does it cost",
    "where / is the open day",
    "when / is the open day",
    "when / is it over",
    "what does it | cost",
    "where can i | park",
    "how do i | get there",
    "what should i | bring",
    "can i bring | my children",
    "is there | something to eat",
    "is it | for free",
    "do i | have to pay",
    "is it | for families",
];
const ACCEPTED: [&str; 5] = ["yes / i will come", "yes / please", "i will | come", "yes / sure", "count | me in"];
const DONE: [&str; 4] = ["no / thank you", "no / that is all", "no | more questions", "nothing / else"];
const FILLERS: [&str; 4] = ["um", "uh", "well", "so"];
const CORRECTIONS: [&str; 3] = ["no wait", "i mean", "sorry"];
/// Said while the agent speaks, without wanting the floor.
/// flite reads the letters of "mm hm"; "um hum" sounds like one.
const BACKCHANNELS: [&str; 6] = ["uh huh", "um hum", "okay", "right", "yeah", "i see"];
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// When a caller does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// When the agent has been silent for so many milliseconds.
    AfterAgent(u64),
    /// So many milliseconds after the agent began to speak.
    IntoAgent(u64),
    /// So many milliseconds after the thing before.
    Later(u64),
}

/// Where an interruption falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The agent's opening.
    Opening,
    /// Its first words.
    Beginning,
    /// The middle of an answer.
    Middle,
    /// Its last words, or behind them.
    LastWords,
}

/// What a caller does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Takes the turn.
    Turn,
    /// Interrupts.
    BargeIn(Phase),
    /// Encourages the agent to go on.
    Backchannel,
    /// Coughs, or something falls.
    Noise,
}

/// A stretch of a turn: words after a silence.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// The silence in front of it, in milliseconds.
    pub pause_ms: u64,
    /// Whether what was said before could have been all.
    pub at_complete: bool,
    /// The words.
    pub text: String,
}

/// One thing that a caller does.
#[derive(Clone, PartialEq, Debug)]
pub struct Act {
    /// When.
    pub when: When,
    /// What.
    pub deed: Deed,
    /// The words; none of a noise.
    pub parts: Vec<Part>,
}

/// A caller.
#[derive(Clone, PartialEq, Debug)]
pub struct Caller {
    /// Which of the voices at hand, counted modulo their number.
    pub voice: usize,
    /// What they do, in order.
    pub acts: Vec<Act>,
    /// Delay of the agent's echo at [`ECHO_DB`], in milliseconds, where there is one.
    pub echo_ms: Option<u64>,
    /// Other people talk behind them, at [`NEIGHBOUR_DBFS`].
    pub neighbours: bool,
}

/// The caller of a seed.
pub fn welcome_caller(language: &str, seed: u64) -> Caller {
    let pauses = PauseCurve::of(language);
    let dice = Dice::new(seed);
    let (mut choice, mut holds, mut rest) = (dice.fork(0), dice.fork(1), dice.fork(2));
    let mut acts = Vec::new();
    // Some cannot wait for the end of the opening. It must be heard (it says that the call may be recorded): they learn so.
    if rest.chance(BARGE_IN_PERCENT) {
        let into = rest.between(500.0, 3000.0) as u64;
        acts.push(turn(When::IntoAgent(into), Deed::BargeIn(Phase::Opening), "yes / hello", pauses, &mut holds));
    }
    let polite = |rest: &mut Dice| When::AfterAgent(rest.between(400.0, 1200.0) as u64);
    let accepted = choice.pick(&ACCEPTED).copied().unwrap_or_default();
    acts.push(turn(polite(&mut rest), Deed::Turn, accepted, pauses, &mut holds));
    for _ in 0..QUESTIONS {
        if rest.chance(BACKCHANNEL_PERCENT) {
            let text = rest.pick(&BACKCHANNELS).copied().unwrap_or_default();
            let when = When::IntoAgent(rest.between(500.0, 1800.0) as u64);
            acts.push(turn(when, Deed::Backchannel, text, pauses, &mut holds));
        } else if rest.chance(COUGH_PERCENT) {
            let when = When::IntoAgent(rest.between(300.0, 1500.0) as u64);
            acts.push(Act { when, deed: Deed::Noise, parts: Vec::new() });
        }
        let (when, deed) = if rest.chance(BARGE_IN_PERCENT) {
            let (phase, from, to) = match rest.pick(&[Phase::Beginning, Phase::Middle, Phase::LastWords]) {
                Some(Phase::Beginning) | None => (Phase::Beginning, 250.0, 700.0),
                Some(Phase::LastWords) => (Phase::LastWords, 2200.0, 3200.0),
                Some(_) => (Phase::Middle, 700.0, 2200.0),
            };
            (When::IntoAgent(rest.between(from, to) as u64), Deed::BargeIn(phase))
        } else if rest.chance(SILENT_PERCENT) {
            // Says nothing for so long that the agent asks whether anybody is there, or is about to.
            (When::Later(9000), Deed::Turn)
        } else {
            (polite(&mut rest), Deed::Turn)
        };
        let text = if rest.chance(NUMBER_PERCENT) { number(&mut choice) } else { question(&mut choice) };
        acts.push(turn(when, deed, &text, pauses, &mut holds));
    }
    let done = choice.pick(&DONE).copied().unwrap_or_default();
    acts.push(turn(polite(&mut rest), Deed::Turn, done, pauses, &mut holds));
    Caller {
        voice: choice.throw() as usize,
        acts,
        echo_ms: rest.chance(ECHO_PERCENT).then(|| rest.between(50.0, 300.0) as u64),
        neighbours: rest.chance(NEIGHBOUR_PERCENT),
    }
}

/// A caller who never interrupts, but encourages the agent in every answer: for measuring whether that stops it. Nobody echoes,
/// nobody pauses.
pub fn humming_caller(seed: u64) -> Caller {
    let dice = Dice::new(seed);
    let (mut choice, mut rest) = (dice.fork(0), dice.fork(3));
    let whole = |text: &str| text.replace(['/', '|'], "").split_whitespace().collect::<Vec<_>>().join(" ");
    let act = |when: When, deed: Deed, text: &str| Act {
        when,
        deed,
        parts: vec![Part { pause_ms: 0, at_complete: false, text: whole(text) }],
    };
    let polite = |rest: &mut Dice| When::AfterAgent(rest.between(400.0, 1200.0) as u64);
    let mut acts = vec![act(polite(&mut rest), Deed::Turn, ACCEPTED[0])];
    for _ in 0..QUESTIONS {
        acts.push(act(polite(&mut rest), Deed::Turn, choice.pick(&ASKED).copied().unwrap_or_default()));
        let hum = rest.pick(&BACKCHANNELS).copied().unwrap_or_default();
        acts.push(act(When::IntoAgent(rest.between(500.0, 1800.0) as u64), Deed::Backchannel, hum));
    }
    acts.push(act(polite(&mut rest), Deed::Turn, DONE[0]));
    Caller { voice: choice.throw() as usize, acts, echo_ms: None, neighbours: false }
}

/// A question with its fillers and corrections.
fn question(dice: &mut Dice) -> String {
    let mut text = dice.pick(&ASKED).copied().unwrap_or_default().to_owned();
    if dice.chance(CORRECTION_PERCENT) {
        let (correction, other) = (dice.pick(&CORRECTIONS), dice.pick(&ASKED));
        text = format!("{text} / {} | {}", correction.unwrap_or(&""), other.unwrap_or(&""));
    }
    if dice.chance(FILLER_PERCENT) {
        text = format!("{} | {text}", dice.pick(&FILLERS).unwrap_or(&""));
    }
    text
}

/// A telephone number in groups, which nobody asked for.
fn number(dice: &mut Dice) -> String {
    let mut group =
        |digits: usize| (0..digits).filter_map(|_| dice.pick(&DIGITS).copied()).collect::<Vec<_>>().join(" ");
    format!("my number is | {} | {} / {}", group(3), group(3), group(4))
}

/// How many holds a turn has: geometric, but no more than it has places.
fn how_many(dice: &mut Dice, places: usize) -> usize {
    let goes_on = HOLDS_PER_TURN / (1.0 + HOLDS_PER_TURN);
    let mut holds = 0;
    while holds < places && dice.unit() < goes_on {
        holds += 1;
    }
    holds
}

/// The length of a hold.
fn hold_ms(pauses: PauseCurve, dice: &mut Dice) -> u64 {
    (pauses.quantile(1.0 - dice.unit()).min(LONGEST_HOLD_S) * 1000.0) as u64
}

/// Draws where the turn holds, and for how long.
fn turn(when: When, deed: Deed, text: &str, pauses: PauseCurve, dice: &mut Dice) -> Act {
    // Pieces of text, and whether the text before each could have been all.
    let mut pieces: Vec<(bool, &str)> = Vec::new();
    let mut rest = text;
    let mut complete = false;
    while let Some(at) = rest.find(['/', '|']) {
        let (piece, mark) = rest.split_at(at);
        pieces.push((complete, piece.trim()));
        complete = mark.starts_with('/');
        rest = mark.get(1..).unwrap_or_default();
    }
    pieces.push((complete, rest.trim()));
    let mut wanted = if deed == Deed::Backchannel { 0 } else { how_many(dice, pieces.len() - 1) };
    let mut held: Vec<bool> = vec![false; pieces.len()];
    // Complete places first with their share, then whatever is left.
    for at_complete in [true, false] {
        for (piece, held) in pieces.iter().zip(&mut held).skip(1) {
            let chosen = piece.0 == at_complete && (!at_complete || dice.chance(AT_COMPLETE_PERCENT));
            if chosen && wanted > 0 {
                *held = true;
                wanted -= 1;
            }
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    for ((at_complete, text), held) in pieces.into_iter().zip(held) {
        match parts.last_mut() {
            Some(last) if !held => {
                last.text.push(' ');
                last.text.push_str(text);
            }
            before => {
                let pause_ms = if before.is_some() { hold_ms(pauses, dice) } else { 0 };
                parts.push(Part { pause_ms, at_complete, text: text.to_owned() });
            }
        }
    }
    Act { when, deed, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Act> {
        (0..2000).flat_map(|seed| welcome_caller("en", seed).acts).collect()
    }

    #[test]
    fn a_seed_is_a_caller() {
        assert_eq!(welcome_caller("en", 8), welcome_caller("en", 8));
        assert_ne!(welcome_caller("en", 8), welcome_caller("en", 10));
    }

    #[test]
    fn who_hums_does_nothing_else_over_the_agent() {
        for seed in 0..50 {
            let caller = humming_caller(seed);
            let over: Vec<&Act> = caller.acts.iter().filter(|act| matches!(act.when, When::IntoAgent(_))).collect();
            assert!(over.len() == QUESTIONS && over.iter().all(|act| act.deed == Deed::Backchannel));
            assert!(caller.acts.iter().all(|act| act.parts.len() == 1 && !act.parts[0].text.contains(['/', '|'])));
        }
    }

    #[test]
    fn enough_holds_fall_where_the_sentence_could_be_over() {
        let acts = all();
        let holds: Vec<&Part> = acts.iter().flat_map(|act| act.parts.iter().skip(1)).collect();
        let complete = holds.iter().filter(|hold| hold.at_complete).count() as f64 / holds.len() as f64;
        assert!((0.35..0.65).contains(&complete), "{complete}");
        assert!(holds.len() > 5000 && holds.iter().all(|hold| (200..=3000).contains(&hold.pause_ms)));
        assert!(acts.iter().all(|act| act.parts.first().is_none_or(|first| first.pause_ms == 0)));
    }

    #[test]
    fn holds_last_as_published() {
        for (language, points) in
            [("en", [(300, 0.556), (600, 0.217), (1000, 0.10)]), ("zh", [(300, 0.51), (600, 0.163), (800, 0.10)])]
        {
            let mut dice = Dice::new(11);
            let holds: Vec<u64> = (0..100_000).map(|_| hold_ms(PauseCurve::of(language), &mut dice)).collect();
            for (ms, share) in points {
                let longer = holds.iter().filter(|hold| **hold >= ms).count() as f64 / holds.len() as f64;
                assert!((longer - share).abs() < 0.01, "{language} {ms}: {longer}, not {share}");
            }
        }
    }

    #[test]
    fn everything_happens_in_every_phase() {
        let acts = all();
        let count = |deed: Deed| acts.iter().filter(|act| act.deed == deed).count();
        let phases = [Phase::Opening, Phase::Beginning, Phase::Middle, Phase::LastWords];
        for deed in phases.map(Deed::BargeIn).into_iter().chain([Deed::Turn, Deed::Backchannel, Deed::Noise]) {
            assert!(count(deed) > 100, "{deed:?} {}", count(deed));
        }
        let texts: Vec<String> = acts
            .iter()
            .map(|act| act.parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        for wanted in ["um ", "no wait ", "my number is "] {
            assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}");
        }
        assert!(texts.iter().all(|text| !text.contains(['/', '|'])));
        let turns = acts.iter().filter(|act| matches!(act.deed, Deed::Turn | Deed::BargeIn(_))).count();
        let numbers = texts.iter().filter(|text| text.contains("my number is")).count();
        // Of six of the eight or nine turns of a call.
        assert!((0.05..0.09).contains(&(numbers as f64 / turns as f64)), "{numbers} of {turns}");
        let callers: Vec<Caller> = (0..1000).map(|seed| welcome_caller("zh", seed)).collect();
        let share = |what: fn(&Caller) -> bool| callers.iter().filter(|caller| what(caller)).count();
        assert!((150..350).contains(&share(|caller| caller.echo_ms.is_some())));
        assert!((80..250).contains(&share(|caller| caller.neighbours)));
    }
}
