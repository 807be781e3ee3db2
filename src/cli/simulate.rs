//! `tipring simulate`: whole conversations in virtual time.

mod bandit;
mod mood;
mod sales;

use crate::settings::Settings;
use crate::sim::Finals;
use crate::sim::turns::{Figures, Setup, silence_only, simulate};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Instant;

/// For `tipring simulate --help`.
pub const EXAMPLES: &str = "Examples:
  tipring simulate turns --lang en --calls 1000 --json
  tipring simulate turns --lang zh --calls 500 --pareto     gap against false cut-offs, beside silence alone
  tipring simulate turns --lang en --calls 200 --model-ms 3000
  tipring simulate turns --lang zh --final-ms 90:50,10:250  with a recogniser of which nine answers in ten come at once
  tipring simulate mood --lang zh --calls 1000 --json       does it notice who loses patience, and only those?
  tipring simulate bandit --json                            does learning find the best of three openings?
  tipring simulate sales --lang zh --calls 10000 --json
  tipring simulate sales --lang en --flow credit_card.en --no-learning
  tipring simulate bandit --rates 0.02,0.03 --calls 20000";

/// Arguments of `tipring simulate`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Turn-taking: how soon the agent answers, how often it cuts callers off, whether it stops when interrupted and only
    /// then. Callers pause by the published curves, hesitate, correct themselves, interrupt, hum, cough; the agent gets what a
    /// recogniser with errors would give it.
    Turns(Turns),
    /// Learning: openings that sell at known rates, chosen as a campaign chooses them. How soon does the traffic go to the best?
    Bandit(bandit::Args),
    /// Whole sales calls: customers of several temperaments, with needs, objections and misheard words. Who buys, what becomes of
    /// objections and offers, whether a no is heeded, what is learned.
    Sales(sales::Args),
    /// Moods: callers who lose patience in several ways, and calm ones who speak fast, loudly, curtly or cheerfully, hum or ask. Does
    /// the agent take the right ones for impatient, and how soon?
    Mood(mood::Args),
}

#[derive(ClapArgs, Debug)]
struct Turns {
    /// Language of the callers.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// How many conversations.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    calls: u64,
    /// Which half of the seeds: what is tuned is tuned on `dev`, what is published is measured on `test`.
    #[arg(long, value_enum, default_value_t = Half::Test)]
    half: Half,
    /// Time that the language model takes for its answer, in milliseconds.
    #[arg(long, default_value_t = 400)]
    model_ms: u64,
    /// Time that the recogniser takes for its final answers: PERCENT:MS,PERCENT:MS, such as 60:40,40:200 (60 % after 40 ms, the
    /// others after 200, each 30 % more or less), or MS for all of them.
    #[arg(long, value_name = "SHARES")]
    final_ms: Option<Finals>,
    /// Instead of turn.eagerness of the settings.
    #[arg(long)]
    eagerness: Option<f64>,
    /// The whole curve: gap and false cut-offs at several degrees of eagerness, and of silence alone.
    #[arg(long)]
    pareto: bool,
    /// Print the figures as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Lang {
    En,
    Zh,
}

impl Lang {
    fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Half {
    Dev,
    Test,
}

/// What is printed.
#[derive(Serialize, Debug)]
struct Report {
    #[serde(flatten)]
    figures: Figures,
    /// Which half of the seeds.
    half: &'static str,
    /// What a moment of the caller's time was worth.
    eagerness: f64,
    /// The silence that an agent which waits for silence alone must wait to cut off no more callers than this one.
    silence_only_ms: u64,
    /// Its median gap.
    silence_only_gap_p50_ms: f64,
    /// Its mean gap.
    silence_only_gap_mean_ms: f64,
    /// Its false cut-offs.
    silence_only_false_cutoff_percent: f64,
    /// How much less the mean caller waits.
    less_waiting_percent: f64,
    /// Conversations a minute on this machine.
    calls_per_minute: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pareto: Vec<Point>,
}

/// A point of the curve.
#[derive(Serialize, Debug)]
struct Point {
    /// `adaptive` or `silence`.
    endpointing: &'static str,
    /// The eagerness, or the silence in milliseconds.
    setting: f64,
    gap_p50_ms: f64,
    gap_p95_ms: f64,
    gap_mean_ms: f64,
    false_cutoff_percent: f64,
}

impl Point {
    fn of(endpointing: &'static str, setting: f64, figures: &Figures) -> Self {
        Self {
            endpointing,
            setting,
            gap_p50_ms: figures.gap_p50_ms,
            gap_p95_ms: figures.gap_p95_ms,
            gap_mean_ms: figures.gap_mean_ms,
            false_cutoff_percent: figures.false_cutoff_percent,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The settings cannot be read; there are no callers of the language.
pub fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let args = match args.what {
        What::Turns(args) => args,
        What::Bandit(args) => {
            bandit::run(&args, &settings.telesales.learn)?;
            return Ok(ExitCode::SUCCESS);
        }
        What::Sales(args) => {
            sales::run(&args, &settings)?;
            return Ok(ExitCode::SUCCESS);
        }
        What::Mood(args) => return mood::run(&args, settings),
    };
    let mut turn = settings.turn;
    turn.eagerness = args.eagerness.unwrap_or(turn.eagerness);
    turn.check()?;
    let setup = Setup {
        language: args.lang.code().to_owned(),
        calls: args.calls,
        test_half: args.half == Half::Test,
        model_ms: args.model_ms,
        finals: args.final_ms.unwrap_or_default(),
        turn,
    };
    let began = Instant::now();
    let figures = simulate(&setup)?;
    let calls_per_minute = (args.calls as f64 * 60.0 / began.elapsed().as_secs_f64().max(1e-6)).round();
    let (wait_ms, silence) = equal_cutoffs(&setup, figures.false_cutoff_percent)?;
    let mut pareto = Vec::new();
    if args.pareto {
        for eagerness in [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.8, 2.5] {
            let mut setup = setup.clone();
            setup.turn.eagerness = eagerness;
            pareto.push(Point::of("adaptive", eagerness, &simulate(&setup)?));
        }
        for wait_ms in [250, 300, 400, 500, 600, 700, 800, 1000, 1300, 1600] {
            pareto.push(Point::of("silence", wait_ms as f64, &simulate(&silence_only(&setup, wait_ms))?));
        }
    }
    let report = Report {
        half: if setup.test_half { "test" } else { "dev" },
        eagerness: setup.turn.eagerness,
        silence_only_ms: wait_ms,
        silence_only_gap_p50_ms: silence.gap_p50_ms,
        silence_only_gap_mean_ms: silence.gap_mean_ms,
        silence_only_false_cutoff_percent: silence.false_cutoff_percent,
        less_waiting_percent: ((1.0 - figures.gap_mean_ms / silence.gap_mean_ms.max(1.0)) * 1000.0).round() / 10.0,
        calls_per_minute,
        pareto,
        figures,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

/// The shortest silence that, waited for whatever was said, cuts off no more pauses than `percent`, and what it gives.
fn equal_cutoffs(setup: &Setup, percent: f64) -> anyhow::Result<(u64, Figures)> {
    let (mut too_short, mut enough) = (10, 250);
    while enough - too_short > 1 {
        let middle = (too_short + enough) / 2;
        let figures = simulate(&silence_only(setup, middle * 10))?;
        if figures.false_cutoff_percent <= percent { enough = middle } else { too_short = middle }
    }
    Ok((enough * 10, simulate(&silence_only(setup, enough * 10))?))
}

fn print(report: &Report) {
    let f = &report.figures;
    println!("simulated callers ({}), {} half of the seeds: nothing here is about people", f.language, report.half);
    println!(
        "{} calls, {} answers, {} pauses within them ({} % where it could be all)",
        f.calls, f.turns, f.holds, f.holds_complete_percent
    );
    println!("gap              p50 {} p95 {} p99 {} ms", f.gap_p50_ms, f.gap_p95_ms, f.gap_p99_ms);
    println!("false cut-offs   {} % of pauses, {} % of turns", f.false_cutoff_percent, f.false_cutoff_turns_percent);
    println!(
        "silence alone    {} ms for no more cut-offs: gap p50 {} ms; the mean caller waits {} % less here",
        report.silence_only_ms, report.silence_only_gap_p50_ms, report.less_waiting_percent
    );
    println!(
        "interruptions    {}, of which {} % heard; softer p95 {} ms, silent p50 {} p95 {} ms",
        f.barge_ins, f.barge_in_recall_percent, f.duck_p95_ms, f.stop_p50_ms, f.stop_p95_ms
    );
    println!(
        "backchannels     {}, of which {} % stopped the agent and {} % made it pause (p50 {} ms)",
        f.backchannels, f.false_stop_percent, f.false_pause_percent, f.false_pause_p50_ms
    );
    println!(
        "ahead            {} % of first lines ready; {} % of what was begun was used",
        f.first_line_ready_percent, f.ahead_kept_percent
    );
    println!(
        "longest silence  {} ms after the caller's last word, {} ms after the decision that the turn was over",
        f.longest_silence_after_words_ms, f.longest_silence_after_decision_ms
    );
    for point in &report.pareto {
        println!(
            "{:>9} {:>6}   p50 {:>5} p95 {:>5} mean {:>5} ms   {:>5} % cut off",
            point.endpointing,
            point.setting,
            point.gap_p50_ms,
            point.gap_p95_ms,
            point.gap_mean_ms,
            point.false_cutoff_percent
        );
    }
}
