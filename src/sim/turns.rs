//! Conversations with simulated callers, and their figures.

use super::behaviour::{Behaviour, Finals};
use super::caller::After;
use super::corpus::{Corpus, CorpusError};
use super::ears::Sound;
pub(crate) use super::log::Pause;
use super::log::{Log, Span, Spoken};
use super::stage::Stage;
use crate::agent::{AheadTally, Endpointing, TurnConfig};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Which conversations are held.
#[derive(Clone, PartialEq, Debug)]
pub struct Setup {
    /// `en` or `zh`.
    pub language: String,
    /// How many.
    pub calls: u64,
    /// Even seeds are for development, odd ones for the test.
    pub test_half: bool,
    /// Time that the language model takes.
    pub model_ms: u64,
    /// Time that the recogniser takes for its final answers.
    pub finals: Finals,
    /// How the agent takes turns.
    pub turn: TurnConfig,
}

/// What came of it. Gaps run from the caller's last sample to the agent's first, in milliseconds; a false cut-off is a pause
/// within a turn in which the agent began to speak.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Figures {
    /// `en` or `zh`.
    pub language: String,
    /// Callers are simulated, and what the agent hears has errors; no figure is about people.
    pub simulated: bool,
    /// Conversations.
    pub calls: u64,
    /// Callers' turns that were answers.
    pub turns: u64,
    /// Pauses within them.
    pub holds: u64,
    /// Of those, where what was said could be all.
    pub holds_complete_percent: f64,
    /// Of those, longer than 600 ms.
    pub holds_over_600_ms_percent: f64,
    /// Median gap.
    pub gap_p50_ms: f64,
    /// 95th percentile.
    pub gap_p95_ms: f64,
    /// 99th percentile.
    pub gap_p99_ms: f64,
    /// Mean.
    pub gap_mean_ms: f64,
    /// Pauses within a turn in which the agent began to speak, of all such pauses (as eot-bench counts).
    pub false_cutoff_percent: f64,
    /// Turns in which it did, of all turns.
    pub false_cutoff_turns_percent: f64,
    /// Turns without an answer.
    pub missed_percent: f64,
    /// Interruptions that stopped the agent, of all that it had not finished before.
    pub barge_in_recall_percent: f64,
    /// Interruptions.
    pub barge_ins: u64,
    /// The same by what was asked: `yes_no`, `choice`, `number`, `name`, `open`, `telling`.
    pub by_question: BTreeMap<&'static str, ByQuestion>,
    /// From the onset of an interruption until the agent was silent.
    pub stop_p50_ms: f64,
    /// 95th percentile.
    pub stop_p95_ms: f64,
    /// From the onset of an interruption until the agent's voice was softer, or silent.
    pub duck_p95_ms: f64,
    /// Backchannels over the agent's voice.
    pub backchannels: u64,
    /// Those that stopped it.
    pub false_stop_percent: f64,
    /// Those for which it fell silent and then went on.
    pub false_pause_percent: f64,
    /// How long it was silent then.
    pub false_pause_p50_ms: f64,
    /// Answers whose first line was ready when the turn was over.
    pub first_line_ready_percent: f64,
    /// Answers begun ahead that were used.
    pub ahead_kept_percent: f64,
    /// Longest silence between the caller's last word and the last line of the answer, in milliseconds. The wait for a caller who plainly
    /// is not done is in it; asking a silent caller again is not.
    pub longest_silence_after_words_ms: f64,
    /// The same from the decision that the turn is over: what the answer alone makes callers wait.
    pub longest_silence_after_decision_ms: f64,
}

/// Figures of the answers to one kind of question.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ByQuestion {
    /// Answers.
    pub turns: u64,
    /// Pauses within them.
    pub holds: u64,
    /// Median gap, in milliseconds.
    pub gap_p50_ms: f64,
    /// 95th percentile.
    pub gap_p95_ms: f64,
    /// Pauses in which the agent began to speak.
    pub false_cutoff_percent: f64,
    #[serde(skip)]
    cut: u64,
    #[serde(skip)]
    gaps: Vec<u64>,
}

fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (part as f64 * 1000.0 / of as f64).round() / 10.0 }
}

/// Nearest rank.
fn quantile(sorted: &[u64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(0) as f64
}

#[derive(Default)]
struct Counts {
    figures: Figures,
    gaps: Vec<u64>,
    stops: Vec<u64>,
    ducks: Vec<u64>,
    complete: u64,
    long: u64,
    cut_holds: u64,
    cut_turns: u64,
    missed: u64,
    stopped: u64,
    false_stops: u64,
    hushes: Vec<u64>,
    ahead: AheadTally,
}

/// The agent was stopped for something that began at `at`, or went on past it: until when it was heard, and whether it was
/// stopped.
fn heard_over(log: &Log, at: u64) -> Option<(Span, bool)> {
    log.agent.iter().find(|voiced| voiced.span.0 <= at && at < voiced.span.1).map(|voiced| (voiced.span, voiced.cut))
}

/// A stop this long after the onset is for something else.
const STOPPED_FOR_MS: u64 = 1_500;

impl Counts {
    fn call(&mut self, log: &Log) {
        self.figures.calls += 1;
        for (index, spoken) in log.turns.iter().enumerate() {
            let next = log.turns.get(index + 1).and_then(|next| next.stretches.first()).map(|(span, _)| span.0);
            match spoken.sound {
                Sound::Turn if !spoken.over => self.answer(log, spoken, next.unwrap_or(u64::MAX)),
                Sound::Turn => self.interruption(log, spoken),
                Sound::Backchannel if spoken.over => self.backchannel(log, spoken),
                Sound::Backchannel | Sound::Noise | Sound::Elsewhere => {}
            }
        }
    }

    fn answer(&mut self, log: &Log, spoken: &Spoken, next: u64) {
        let (Some((first, _)), Some((last, _))) = (spoken.stretches.first(), spoken.stretches.last()) else { return };
        self.figures.turns += 1;
        let question = self.figures.by_question.entry(spoken.asked).or_default();
        question.turns += 1;
        let mut cut = false;
        for pair in spoken.stretches.windows(2) {
            let [(before, After::Hold { ms, complete }), (after, _)] = pair else { continue };
            self.figures.holds += 1;
            self.complete += u64::from(*complete);
            self.long += u64::from(*ms > 600);
            // Decided in the pause, heard in it or just after.
            let began = log.agent.iter().any(|voiced| voiced.span.0 > before.1 && voiced.span.0 < after.1);
            self.cut_holds += u64::from(began);
            question.holds += 1;
            question.cut += u64::from(began);
            cut |= began;
        }
        cut |= log.agent.iter().any(|voiced| voiced.span.0 > first.0 && voiced.span.0 < last.1);
        if cut {
            self.cut_turns += 1;
            return;
        }
        match log.agent.iter().map(|voiced| voiced.span.0).find(|began| *began >= last.1) {
            Some(began) if began < next => {
                self.gaps.push(began - last.1);
                question.gaps.push(began - last.1);
                self.silences(log, last.1, next);
            }
            _ if log.hung_up && next == u64::MAX => {}
            _ => self.missed += 1,
        }
    }

    /// The longest silences of the agent while it owes an answer: until the last line before the caller's next turn began.
    fn silences(&mut self, log: &Log, from: u64, next: u64) {
        // The first decision after the caller's last word: an agent that decides twice owes the answer since the first.
        let decided = log.decided.iter().copied().find(|at| *at >= from).unwrap_or(from);
        let mut silent_since = from;
        for voiced in log.agent.iter().filter(|voiced| voiced.span.0 >= from && voiced.span.0 < next) {
            let silence = |since: u64| voiced.span.0.saturating_sub(since) as f64;
            if !voiced.prompt {
                let figures = &mut self.figures;
                let (words, decision) = (silence(silent_since), silence(silent_since.max(decided)));
                figures.longest_silence_after_words_ms = figures.longest_silence_after_words_ms.max(words);
                figures.longest_silence_after_decision_ms = figures.longest_silence_after_decision_ms.max(decision);
            }
            silent_since = voiced.span.1;
        }
    }

    fn interruption(&mut self, log: &Log, spoken: &Spoken) {
        let Some(((onset, _), _)) = spoken.stretches.first() else { return };
        let Some((span, cut)) = heard_over(log, *onset) else { return };
        let took = span.1 - onset;
        if !cut && took < 600 {
            return;
        }
        self.figures.barge_ins += 1;
        if cut && took < STOPPED_FOR_MS {
            self.stopped += 1;
            self.stops.push(took);
            let ducked = log.ducked.iter().find(|(at, soft)| *soft && at >= onset).map(|(at, _)| at - onset);
            self.ducks.push(ducked.unwrap_or(took).min(took));
        }
    }

    fn backchannel(&mut self, log: &Log, spoken: &Spoken) {
        let Some(((onset, _), _)) = spoken.stretches.first() else { return };
        let Some((span, cut)) = heard_over(log, *onset) else { return };
        self.figures.backchannels += 1;
        if cut && span.1 - onset < STOPPED_FOR_MS {
            self.false_stops += 1;
            return;
        }
        let hushed = log.hushed.iter().find(|(at, _)| at >= onset && *at < onset + STOPPED_FOR_MS);
        self.hushes.extend(hushed.and_then(|(at, until)| Some((*until)? - at)));
    }

    fn figures(mut self, setup: &Setup) -> Figures {
        for sorted in [&mut self.gaps, &mut self.stops, &mut self.ducks, &mut self.hushes] {
            sorted.sort_unstable();
        }
        for question in self.figures.by_question.values_mut() {
            question.gaps.sort_unstable();
            question.gap_p50_ms = quantile(&question.gaps, 0.5);
            question.gap_p95_ms = quantile(&question.gaps, 0.95);
            question.false_cutoff_percent = percent(question.cut, question.holds);
            question.gaps.clear();
        }
        let holds = self.figures.holds;
        let turns = self.figures.turns;
        Figures {
            language: setup.language.clone(),
            simulated: true,
            holds_complete_percent: percent(self.complete, holds),
            holds_over_600_ms_percent: percent(self.long, holds),
            gap_p50_ms: quantile(&self.gaps, 0.5),
            gap_p95_ms: quantile(&self.gaps, 0.95),
            gap_p99_ms: quantile(&self.gaps, 0.99),
            gap_mean_ms: (self.gaps.iter().sum::<u64>() as f64 / self.gaps.len().max(1) as f64).round(),
            false_cutoff_percent: percent(self.cut_holds, holds),
            false_cutoff_turns_percent: percent(self.cut_turns, turns),
            missed_percent: percent(self.missed, turns),
            barge_in_recall_percent: percent(self.stopped, self.figures.barge_ins),
            stop_p50_ms: quantile(&self.stops, 0.5),
            stop_p95_ms: quantile(&self.stops, 0.95),
            duck_p95_ms: quantile(&self.ducks, 0.95),
            false_stop_percent: percent(self.false_stops, self.figures.backchannels),
            false_pause_percent: percent(self.hushes.len() as u64, self.figures.backchannels),
            false_pause_p50_ms: quantile(&self.hushes, 0.5),
            first_line_ready_percent: percent(self.ahead.ready, self.ahead.answers),
            ahead_kept_percent: percent(self.ahead.kept, self.ahead.begun),
            ..self.figures
        }
    }
}

/// Holds the conversations.
///
/// # Errors
/// A language for which there are no callers.
pub fn simulate(setup: &Setup) -> Result<Figures, CorpusError> {
    let corpus = Corpus::of(&setup.language)?;
    let behaviour = Behaviour::of(&setup.language);
    let cached: BTreeSet<String> = corpus.flow.fixed_lines(&BTreeMap::new()).into_iter().collect();
    let mut counts = Counts::default();
    for call in 0..setup.calls {
        let seed = call * 2 + u64::from(setup.test_half);
        let mut stage = Stage::new(setup, (&behaviour, &corpus, &cached), seed);
        stage.run();
        let tally = stage.agent.ahead_tally();
        counts.ahead.begun += tally.begun;
        counts.ahead.kept += tally.kept;
        counts.ahead.dropped += tally.dropped;
        counts.ahead.answers += tally.answers;
        counts.ahead.ready += tally.ready;
        counts.call(&stage.log);
    }
    Ok(counts.figures(setup))
}

/// The pauses of the development half as an agent knows them that lets everybody finish.
///
/// # Errors
/// A language for which there are no callers.
pub(crate) fn pauses(language: &str, calls: u64) -> Result<Vec<Pause>, CorpusError> {
    let setup = Setup {
        language: language.to_owned(),
        calls,
        test_half: false,
        model_ms: 400,
        finals: Finals::default(),
        turn: TurnConfig { longest_wait_ms: LETS_FINISH_MS, ..TurnConfig::default() },
    };
    let setup = silence_only(&setup, LETS_FINISH_MS);
    let corpus = Corpus::of(language)?;
    let behaviour = Behaviour::of(language);
    let cached: BTreeSet<String> = corpus.flow.fixed_lines(&BTreeMap::new()).into_iter().collect();
    let mut all = Vec::new();
    for call in 0..calls {
        let mut stage = Stage::new(&setup, (&behaviour, &corpus, &cached), call * 2);
        stage.pauses = Some(Default::default());
        stage.run();
        all.extend(stage.pauses.take().into_iter().flat_map(|(pauses, _)| pauses));
    }
    Ok(all)
}

/// Hardly any pause within a turn is longer.
const LETS_FINISH_MS: u64 = 3_000;

/// The same agent that waits this long whatever it knows: what silence alone can do.
pub fn silence_only(setup: &Setup, wait_ms: u64) -> Setup {
    let turn = TurnConfig {
        endpointing: Endpointing::Fixed,
        wait_yes_no_ms: wait_ms,
        wait_choice_ms: wait_ms,
        wait_expected_ms: wait_ms,
        wait_open_ms: wait_ms,
        wait_number_ms: wait_ms,
        wait_name_ms: wait_ms,
        wait_nothing_ms: wait_ms,
        wait_incomplete_ms: wait_ms,
        ..setup.turn.clone()
    };
    Setup { turn, ..setup.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(language: &str, model_ms: u64) -> Setup {
        let (language, finals) = (language.to_owned(), Finals::default());
        Setup { language, calls: 100, test_half: false, model_ms, finals, turn: TurnConfig::default() }
    }

    /// The bounds are wide enough for the chance of 100 calls, and too narrow for an agent that has stopped to work ahead, waits for
    /// everybody, or for nobody.
    #[test]
    fn callers_are_answered_soon_let_finish_and_mostly_with_what_was_ready() {
        for (language, p50, p95) in [("en", 550.0, 1_150.0), ("zh", 600.0, 950.0)] {
            let figures = simulate(&setup(language, 400)).unwrap();
            assert!(figures.turns > 600 && figures.holds > 700, "{language}: {figures:?}");
            assert!((200.0..=p50).contains(&figures.gap_p50_ms), "{language}: {} ms", figures.gap_p50_ms);
            assert!(figures.gap_p95_ms <= p95, "{language}: {} ms", figures.gap_p95_ms);
            let cut = figures.false_cutoff_percent;
            assert!((4.0..=13.0).contains(&cut), "{language}: {cut} % cut off");
            let ready = figures.first_line_ready_percent;
            assert!(ready >= 70.0, "{language}: {ready} % of the first lines were ready");
            assert!(
                figures.missed_percent <= 2.0 && figures.barge_in_recall_percent >= 97.0,
                "{language}: {figures:?}"
            );
        }
    }

    #[test]
    fn a_recogniser_that_is_late_leaves_nothing_ready_and_is_seen() {
        let late = Setup { finals: "400".parse().unwrap(), ..setup("en", 400) };
        let figures = simulate(&late).unwrap();
        assert!(figures.first_line_ready_percent < 60.0 && figures.gap_p50_ms > 600.0, "{figures:?}");
    }

    #[test]
    fn a_model_of_three_seconds_is_never_a_second_of_silence_after_the_decision() {
        let figures = simulate(&setup("en", 3_000)).unwrap();
        let after = figures.longest_silence_after_decision_ms;
        assert!((100.0..=1_000.0).contains(&after), "{after} ms");
        let longest = TurnConfig::default().longest_number_wait_ms as f64;
        assert!(figures.longest_silence_after_words_ms <= longest + 600.0, "{figures:?}");
    }

    #[test]
    fn only_asking_a_silent_caller_again_is_no_silence_of_the_agent() {
        let voiced =
            |from: u64, prompt: bool| super::super::log::Voiced { span: (from, from + 500), cut: false, prompt };
        let mut log = Log { decided: vec![1_400], ..Log::default() };
        log.agent = vec![voiced(6_400, false), voiced(13_000, true)];
        let mut counts = Counts::default();
        counts.silences(&log, 1_000, u64::MAX);
        let figures = &counts.figures;
        assert_eq!(
            (figures.longest_silence_after_words_ms, figures.longest_silence_after_decision_ms),
            (5_400.0, 5_000.0)
        );
    }
}
