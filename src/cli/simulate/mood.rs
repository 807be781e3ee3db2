//! `tipring simulate mood`: does the agent notice that a caller loses patience?

use super::{Half, Lang};
use crate::settings::Settings;
use crate::sim::Finals;
use crate::sim::mood::{MoodFigures, simulate};
use crate::sim::turns::Setup;
use anyhow::Context;
use clap::Args as ClapArgs;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `tipring simulate mood`.
#[derive(ClapArgs, Debug)]
pub(super) struct Args {
    /// Language of the callers.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// How many conversations: one half with callers who become impatient.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    calls: u64,
    /// Which half of the seeds: what is tuned is tuned on `dev`, what is published is measured on `test`.
    #[arg(long, value_enum, default_value_t = Half::Test)]
    half: Half,
    /// Without an emotion engine: turn-taking and words alone.
    #[arg(long)]
    without_voice: bool,
    /// Write what was noticed in each turn into this file, a conversation a line, as JSON: `scripts/eval/mood_weights.py` reads it.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print the figures as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize, Debug)]
struct Report {
    #[serde(flatten)]
    figures: MoodFigures,
    /// Which half of the seeds.
    half: &'static str,
    /// Conversations a minute on this machine.
    calls_per_minute: f64,
}

/// Runs the command.
///
/// # Errors
/// There are no callers of the language.
pub(super) fn run(args: &Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let test_half = args.half == Half::Test;
    let language = args.lang.code().to_owned();
    let finals = Finals::default();
    let setup = Setup { language, calls: args.calls, test_half, model_ms: 400, finals, turn: settings.turn };
    let began = Instant::now();
    let mut lines = String::new();
    let mut unwritten = None;
    let figures = simulate(&setup, !args.without_voice, |call| {
        if args.trace.is_some() {
            match serde_json::to_string(call) {
                Ok(line) => lines.extend([line.as_str(), "\n"]),
                Err(error) => unwritten = Some(error),
            }
        }
    })?;
    if let Some(error) = unwritten {
        return Err(error).context("a conversation has a figure that is no number");
    }
    if let Some(file) = &args.trace {
        std::fs::write(file, lines).with_context(|| format!("--trace {}: cannot be written", file.display()))?;
    }
    let calls_per_minute = (args.calls as f64 * 60.0 / began.elapsed().as_secs_f64().max(1e-6)).round();
    let report = Report { figures, half: if test_half { "test" } else { "dev" }, calls_per_minute };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report) {
    let f = &report.figures;
    let channels = if f.voice { "voice, turn-taking and words" } else { "turn-taking and words, no voice" };
    println!("simulated callers ({}), {} half of the seeds: nothing here is about people", f.language, report.half);
    println!("{} calls, of which {} became impatient; {channels}", f.calls, f.impatient_calls);
    println!("F1               {} (precision {} %, recall {} %)", f.f1, f.precision_percent, f.recall_percent);
    println!(
        "how soon         {} % in the first impatient turn, {} % within one more, {} % within two; p50 {} p90 {} turns",
        f.switched_at_once_percent,
        f.switched_within_one_turn_percent,
        f.switched_within_two_turns_percent,
        f.switched_within_turns_p50,
        f.switched_within_turns_p90
    );
    println!(
        "                 {} % had shown cues in two channels by then; of all who did, {} % noticed within one turn of it",
        f.shown_within_one_turn_percent, f.switched_within_one_turn_of_shown_percent
    );
    println!("false switches   {} % of calm callers; {} % too early", f.false_switch_percent, f.early_switch_percent);
    for (kind, k) in &f.kinds {
        let soon = if k.impatient { format!(", {} of them within one turn", k.within_one_turn) } else { String::new() };
        println!("  {kind:<17} {} of {} taken for impatient{soon}", k.switched, k.calls);
    }
}
