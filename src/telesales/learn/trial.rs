//! Learning put to the test: callers who buy at known rates, many times over.

use super::config::Config;
use super::learned::{Learned, Lines, Outcome};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::collections::VecDeque;

/// What is tried.
#[derive(Clone, PartialEq, Debug)]
pub struct Trial {
    /// The true rate of sales of each opening; the first is the control.
    pub rates: Vec<f64>,
    /// The true rate of complaints of each; missing ones are 0.
    pub complaints: Vec<f64>,
    /// Calls in a run.
    pub calls: usize,
    /// Runs, each with its own seed.
    pub runs: u64,
    /// Calls that are up at the same time: so many were planned before the outcome of one is known.
    pub in_flight: usize,
    /// Even seeds are for development, odd ones for the test.
    pub test_half: bool,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            rates: vec![0.030, 0.040, 0.055],
            complaints: Vec::new(),
            calls: 5_000,
            runs: 200,
            in_flight: 20,
            test_half: true,
        }
    }
}

/// What came of it. All shares are of **all** calls, those of the control group and of the floor included.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct TrialFigures {
    /// Nobody was called.
    pub simulated: bool,
    /// The true rates.
    pub rates: Vec<f64>,
    /// Runs.
    pub runs: u64,
    /// Calls in each.
    pub calls: usize,
    /// See [`Trial::in_flight`].
    pub in_flight: usize,
    /// Share of the control group.
    pub control_percent: f64,
    /// Least share of each arm of the rest.
    pub floor_percent: f64,
    /// The largest share that the best arm can have under these two.
    pub reachable_percent: f64,
    /// Mean share of the best arm in the last tenth of the calls: what the traffic is after so many calls.
    pub best_last_tenth_percent: f64,
    /// Half the width of its 95 % interval over the runs.
    pub best_last_tenth_margin_percent: f64,
    /// Mean share of the best arm in all calls from the first one on.
    pub best_all_percent: f64,
    /// Mean share of each arm in each tenth of the calls.
    pub shares_by_tenth_percent: Vec<Vec<f64>>,
    /// Mean sales of a run, with the same number of calls spread evenly, and all on the best arm.
    pub sales: [f64; 3],
    /// Runs at whose end the best arm has not the highest believed rate.
    pub wrong_runs: u64,
    /// Runs in which the best arm was suspended.
    pub best_suspended_runs: u64,
    /// Runs in which another arm was.
    pub other_suspended_runs: u64,
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Runs it.
pub fn trial(trial: &Trial, config: &Config) -> TrialFigures {
    let arms = trial.rates.len();
    let best = (0..arms).max_by(|a, b| trial.rates[*a].total_cmp(&trial.rates[*b])).unwrap_or(0);
    let tenth = (trial.calls / 10).max(1);
    let mut by_tenth = vec![vec![0u64; arms]; trial.calls.div_ceil(tenth)];
    let mut lasts = Vec::new();
    let mut figures = TrialFigures::default();
    let mut sold = 0u64;
    for run in 0..trial.runs {
        let said = one(trial, config, run * 2 + u64::from(trial.test_half), &mut figures, &mut sold, best);
        for (call, arm) in said.iter().enumerate() {
            by_tenth[call / tenth][*arm] += 1;
        }
        let last = said.get(trial.calls.saturating_sub(tenth)..).unwrap_or_default();
        lasts.push(last.iter().filter(|arm| **arm == best).count() as f64 * 100.0 / last.len().max(1) as f64);
    }
    let runs = lasts.len().max(1) as f64;
    let mean = lasts.iter().sum::<f64>() / runs;
    let variance = lasts.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (runs - 1.0).max(1.0);
    let all: u64 = by_tenth.iter().flatten().sum();
    let on_best: u64 = by_tenth.iter().map(|tenth| tenth[best]).sum();
    let rates = &trial.rates;
    let calls = trial.calls as f64;
    let control = config.control_percent / 100.0;
    let explored = config.exploring(arms);
    let reachable = (1.0 - control) * (1.0 - explored + explored / arms.max(1) as f64);
    TrialFigures {
        simulated: true,
        rates: rates.clone(),
        runs: trial.runs,
        calls: trial.calls,
        in_flight: trial.in_flight,
        control_percent: config.control_percent,
        floor_percent: config.floor_percent,
        reachable_percent: rounded(100.0 * (reachable + if best == 0 { control } else { 0.0 })),
        best_last_tenth_percent: rounded(mean),
        best_last_tenth_margin_percent: rounded(1.96 * (variance / runs).sqrt()),
        best_all_percent: rounded(on_best as f64 * 100.0 / all.max(1) as f64),
        shares_by_tenth_percent: by_tenth
            .iter()
            .map(|tenth| {
                let all: u64 = tenth.iter().sum();
                tenth.iter().map(|arm| rounded(*arm as f64 * 100.0 / all.max(1) as f64)).collect()
            })
            .collect(),
        sales: [
            sold as f64 / runs,
            calls * rates.iter().sum::<f64>() / arms.max(1) as f64,
            calls * rates.get(best).copied().unwrap_or(0.0),
        ]
        .map(rounded),
        ..figures
    }
}

/// One run: the arm of each call.
fn one(
    trial: &Trial,
    config: &Config,
    seed: u64,
    figures: &mut TrialFigures,
    sales: &mut u64,
    best: usize,
) -> Vec<usize> {
    let names: Vec<String> = (0..trial.rates.len()).map(|arm| format!("opening {arm}")).collect();
    let lists = [Lines { kind: "opening".to_owned(), arms: names.clone() }];
    let mut learned = Learned::new(seed);
    // The callers' chance is another stream than the agent's.
    let mut chance = StdRng::seed_from_u64(!seed);
    let mut up: VecDeque<Outcome> = VecDeque::new();
    let mut said = Vec::with_capacity(trial.calls);
    let mut suspended = Vec::new();
    for _ in 0..trial.calls {
        if up.len() >= trial.in_flight.max(1)
            && let Some(outcome) = up.pop_front()
        {
            suspended.extend(learned.book(config, &outcome));
        }
        let plan = learned.plan(config, "trial", "", &lists);
        let name = plan.order.get("opening").and_then(|order| order.first()).cloned().unwrap_or_default();
        let arm = names.iter().position(|known| *known == name).unwrap_or(0);
        let happens =
            |rates: &[f64], chance: &mut StdRng| chance.random::<f64>() < rates.get(arm).copied().unwrap_or(0.0);
        let sold = happens(&trial.rates, &mut chance);
        let complained = happens(&trial.complaints, &mut chance);
        *sales += u64::from(sold);
        said.push(arm);
        up.push_back(Outcome {
            flow: "trial".to_owned(),
            control: plan.control,
            said: vec![("opening".to_owned(), name)],
            sold,
            complained,
            ..Outcome::default()
        });
    }
    for outcome in up {
        suspended.extend(learned.book(config, &outcome));
    }
    let arms: Vec<(usize, f64)> = learned
        .topics()
        .flat_map(|(_, arms)| arms)
        .filter_map(|(name, arm)| Some((names.iter().position(|known| known == name)?, arm.rate(config))))
        .collect();
    let believed = arms.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(arm, _)| *arm);
    figures.wrong_runs += u64::from(believed != Some(best));
    let names_best = |(_, name): &(super::Topic, String)| names.get(best) == Some(name);
    figures.best_suspended_runs += u64::from(suspended.iter().any(names_best));
    figures.other_suspended_runs += u64::from(suspended.iter().any(|found| !names_best(found)));
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_calls_go_to_the_best_of_three_openings_after_five_thousand() {
        // The development half of the seeds; `tipring simulate bandit` publishes the other.
        let figures = trial(&Trial { runs: 30, test_half: false, ..Trial::default() }, &Config::default());
        assert!(figures.best_last_tenth_percent >= 85.0, "{figures:?}");
        assert!(figures.best_all_percent > 70.0 && figures.wrong_runs < 5, "{figures:?}");
        assert!(figures.sales[0] > 1.15 * figures.sales[1] && figures.sales[0] < figures.sales[2], "{figures:?}");
        let few = || trial(&Trial { runs: 2, ..Trial::default() }, &Config::default());
        assert_eq!(few(), few());
    }

    #[test]
    fn equal_openings_stay_undecided_and_the_controls_share_is_small() {
        let figures = trial(&Trial { rates: vec![0.04; 3], runs: 12, ..Trial::default() }, &Config::default());
        let last = figures.shares_by_tenth_percent.last().unwrap();
        assert!(last.iter().all(|share| *share > 15.0), "{last:?}");
    }

    #[test]
    fn an_opening_that_sells_best_and_annoys_is_given_up() {
        let annoying = Trial { complaints: vec![0.01, 0.01, 0.05], runs: 5, ..Trial::default() };
        let figures = trial(&annoying, &Config::default());
        assert!(figures.best_suspended_runs == 5, "{figures:?}");
        assert!(figures.best_last_tenth_percent < 5.0, "{figures:?}");
    }
}
