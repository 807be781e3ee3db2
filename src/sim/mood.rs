//! Conversations with callers who lose patience and callers who do not: whether the agent notices, how soon, and how often it
//! takes a calm caller for an impatient one.

use super::behaviour::Behaviour;
use super::corpus::{Corpus, CorpusError};
use super::dice::Dice;
pub use super::log::Sounded;
use super::stage::Stage;
use super::temper::{Phrases, Temper};
use super::turns::Setup;
use crate::agent::shown_channels;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What came of it. Callers are simulated, and what the agent hears has errors; no figure is about people.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct MoodFigures {
    /// `en` or `zh`.
    pub language: String,
    /// Always: no figure is about people.
    pub simulated: bool,
    /// There was an emotion engine; otherwise turn-taking and words alone.
    pub voice: bool,
    /// Conversations.
    pub calls: u64,
    /// Those in which the caller became impatient.
    pub impatient_calls: u64,
    /// Those in which the caller did not.
    pub calm_calls: u64,
    /// Harmonic mean of precision and recall, by call. A switch before the caller was impatient is a false one.
    pub f1: f64,
    /// Of the calls in which the agent switched, those in which it should have, in percent.
    pub precision_percent: f64,
    /// Of the calls in which it should have, those in which it did, in percent.
    pub recall_percent: f64,
    /// Turns of the caller from the first that the script meant to be impatient to the one that switched; 0 is that very turn.
    /// Median.
    pub switched_within_turns_p50: u64,
    /// 90th percentile of the switches.
    pub switched_within_turns_p90: u64,
    /// Of all impatient callers, in percent: noticed in the first impatient turn.
    pub switched_at_once_percent: f64,
    /// Likewise: in that turn or the one after it.
    pub switched_within_one_turn_percent: f64,
    /// Likewise: in that turn or the two after it.
    pub switched_within_two_turns_percent: f64,
    /// Of all impatient callers, in percent: two channels showed a cue, or the words asked for haste, in the first impatient turn
    /// or the one after it. No rule that wants two channels is faster, and most of these cues are slight.
    pub shown_within_one_turn_percent: f64,
    /// Of those who showed so much in some impatient turn, in percent: noticed in that turn or the one after it.
    pub switched_within_one_turn_of_shown_percent: f64,
    /// Of all calm callers, in percent: taken for impatient at any time in the call.
    pub false_switch_percent: f64,
    /// Of all impatient callers, in percent: taken for it before they were.
    pub early_switch_percent: f64,
    /// By kind of caller.
    pub kinds: BTreeMap<&'static str, KindFigures>,
}

/// One kind of caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct KindFigures {
    /// Whether they become impatient.
    pub impatient: bool,
    /// Conversations.
    pub calls: u64,
    /// Those in which the agent switched; before the caller was impatient not counted.
    pub switched: u64,
    /// Within one turn; for calm callers none.
    pub within_one_turn: u64,
}

/// The rules that the simulated flow has for it: those that shorten what is said, which is what a flow does first.
const RULES: &str = "\n[[on_emotion]]\nwhen = \"impatient\"\nconcise = true\nsentences = 1\n";

fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (part as f64 * 1000.0 / of as f64).round() / 10.0 }
}

/// One conversation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MoodCall {
    /// Its number, from 0.
    pub call: u64,
    /// What kind of caller it is.
    pub kind: &'static str,
    /// This kind becomes impatient, if the call lasts long enough.
    pub impatient: bool,
    /// The caller's turn, from 0, from which on the script is impatient; none where it never was.
    pub onset: Option<u64>,
    /// The turn in which the agent first took the caller for impatient.
    pub switched: Option<u64>,
    /// What the agent noticed, turn by turn.
    pub turns: Vec<Sounded>,
}

impl MoodCall {
    /// The first impatient turn in which two channels had shown a cue in it and the turn before, or the words asked for haste.
    fn shown(&self) -> Option<u64> {
        let onset = self.onset?;
        let mut before = BTreeSet::new();
        self.turns.iter().find_map(|sounded| {
            let (channels, explicit) = shown_channels(&sounded.noticed.cues);
            let enough = explicit || before.union(&channels).count() >= 2;
            before = channels;
            (enough && sounded.turn >= onset).then_some(sounded.turn)
        })
    }
}

/// Holds the conversations and tells of each.
fn each(setup: &Setup, voice: bool, mut tell: impl FnMut(&MoodCall)) -> Result<(), CorpusError> {
    let corpus = Corpus::with(&setup.language, RULES)?;
    let behaviour = Behaviour::of(&setup.language);
    let phrases = Phrases::of(&setup.language)?;
    let cached: BTreeSet<String> = corpus.flow.fixed_lines(&BTreeMap::new()).into_iter().collect();
    for call in 0..setup.calls {
        let seed = call * 2 + u64::from(setup.test_half);
        let temper = Temper::new(call, &phrases, voice, &Dice::new(seed));
        let mut stage = Stage::new(setup, (&behaviour, &corpus, &cached), seed).with(temper);
        stage.run();
        let Some(temper) = &stage.temper else { continue };
        // One who hung up before losing patience is a calm one.
        let onset = temper.begins.filter(|begins| temper.turns() > *begins);
        tell(&MoodCall {
            call,
            kind: temper.kind,
            impatient: temper.begins.is_some(),
            onset,
            switched: stage.log.switched.first().copied(),
            turns: std::mem::take(&mut stage.log.sounded),
        });
    }
    Ok(())
}

/// Holds the conversations and counts; `trace` is told of each. Without `voice` there is no emotion engine.
///
/// # Errors
/// A language for which there are no callers.
pub fn simulate(setup: &Setup, voice: bool, mut trace: impl FnMut(&MoodCall)) -> Result<MoodFigures, CorpusError> {
    let mut figures =
        MoodFigures { language: setup.language.clone(), simulated: true, voice, ..MoodFigures::default() };
    let (mut caught, mut early, mut mistaken) = (0, 0, 0);
    let (mut shown, mut shown_soon, mut soon_of_shown) = (0, 0, 0);
    let mut delays = Vec::new();
    each(setup, voice, |call| {
        trace(call);
        if let (Some(onset), Some(turn)) = (call.onset, call.shown()) {
            shown += 1;
            shown_soon += u64::from(turn <= onset + 1);
            soon_of_shown += u64::from(call.switched.is_some_and(|at| at >= onset && at <= turn + 1));
        }
        figures.calls += 1;
        let own = figures.kinds.entry(call.kind).or_default();
        own.calls += 1;
        own.impatient = call.impatient;
        match (call.onset, call.switched) {
            (Some(begins), Some(turn)) if turn >= begins => {
                figures.impatient_calls += 1;
                caught += 1;
                own.switched += 1;
                delays.push(turn - begins);
                own.within_one_turn += u64::from(turn <= begins + 1);
            }
            (Some(_), Some(_)) => {
                figures.impatient_calls += 1;
                early += 1;
            }
            (Some(_), None) => figures.impatient_calls += 1,
            (None, switched) => {
                figures.calm_calls += 1;
                mistaken += u64::from(switched.is_some());
                own.switched += u64::from(switched.is_some());
            }
        }
    })?;
    delays.sort_unstable();
    let within =
        |turns: u64| percent(delays.iter().filter(|delay| **delay <= turns).count() as u64, figures.impatient_calls);
    let rank = |share: f64| {
        let rank = (share * delays.len() as f64).ceil().max(1.0) as usize;
        delays.get(rank - 1).copied().unwrap_or(0)
    };
    let precision = percent(caught, caught + early + mistaken);
    let recall = percent(caught, figures.impatient_calls);
    let f1 = 2.0 * caught as f64 / (caught + early + mistaken + figures.impatient_calls).max(1) as f64;
    Ok(MoodFigures {
        f1: (f1 * 1000.0).round() / 1000.0,
        precision_percent: precision,
        recall_percent: recall,
        switched_within_turns_p50: rank(0.5),
        switched_within_turns_p90: rank(0.9),
        switched_at_once_percent: within(0),
        switched_within_one_turn_percent: within(1),
        switched_within_two_turns_percent: within(2),
        shown_within_one_turn_percent: percent(shown_soon, figures.impatient_calls),
        switched_within_one_turn_of_shown_percent: percent(soon_of_shown, shown),
        false_switch_percent: percent(mistaken, figures.calm_calls),
        early_switch_percent: percent(early, figures.impatient_calls),
        ..figures
    })
}
