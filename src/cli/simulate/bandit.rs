//! `tipring simulate bandit`: does learning find the best opening, and what does it cost?

use crate::telesales::learn::{Config, Trial, TrialFigures, trial};
use clap::Args as ClapArgs;

/// Arguments of `tipring simulate bandit`.
#[derive(ClapArgs, Debug)]
pub(super) struct Args {
    /// The true rate of sales of each opening; the first is the control.
    #[arg(long, value_delimiter = ',', default_values_t = [0.030, 0.040, 0.055], value_parser = rate)]
    rates: Vec<f64>,
    /// The true rate of complaints of each; 0 where none is given.
    #[arg(long, value_delimiter = ',', value_parser = rate)]
    complaints: Vec<f64>,
    /// Calls in a run.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    calls: u32,
    /// Runs, each with its own seed.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Calls that are up at the same time: so many are planned before the outcome of one is known.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Which half of the seeds: what is tuned is tuned on `dev`, what is published is measured on `test`.
    #[arg(long, value_enum, default_value_t = super::Half::Test)]
    half: super::Half,
    /// Print the figures as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("write shares between 0 and 1, for instance 0.03,0.04,0.055".to_owned()),
    }
}

/// Runs it.
pub(super) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    anyhow::ensure!(args.rates.len() >= 2, "--rates: give at least two openings, for instance --rates 0.03,0.04");
    let tried = Trial {
        rates: args.rates.clone(),
        complaints: args.complaints.clone(),
        calls: args.calls as usize,
        runs: u64::from(args.runs),
        in_flight: args.in_flight as usize,
        test_half: args.half == super::Half::Test,
    };
    let figures = trial(&tried, config);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print(&figures);
    }
    Ok(())
}

fn print(f: &TrialFigures) {
    println!("simulated: nobody was called. {} runs of {} calls, {} at a time", f.runs, f.calls, f.in_flight);
    println!("openings that sell at    {:?}, the first being the control", f.rates);
    println!(
        "kept aside               {} % for the control group, {} % floor for each: at most {} % can go to the best",
        f.control_percent, f.floor_percent, f.reachable_percent
    );
    println!(
        "calls on the best        {} % (± {}) of the last tenth, {} % of all from the first on; control and floor counted",
        f.best_last_tenth_percent, f.best_last_tenth_margin_percent, f.best_all_percent
    );
    println!(
        "sales                    {} a run; {} spread evenly, {} all on the best",
        f.sales[0], f.sales[1], f.sales[2]
    );
    println!(
        "runs that end wrong      {}; best opening suspended in {}, another in {}",
        f.wrong_runs, f.best_suspended_runs, f.other_suspended_runs
    );
    for (tenth, shares) in f.shares_by_tenth_percent.iter().enumerate() {
        let shares: Vec<String> = shares.iter().map(|share| format!("{share:>6.2}")).collect();
        println!("  tenth {:>2}   {} %", tenth + 1, shares.join(" "));
    }
}
