//! `tipring eval`: scores one engine on labelled files.
//!
//! Figures go to standard output, with `--json` as one object, and how far it is to standard error.

mod asr;
mod dialogue;
pub(super) mod emotion;
pub(super) mod intent;
mod knowledge;
pub(super) mod manifest;
mod overlap;
pub(super) mod sound;
mod vad;

use crate::settings::Settings;
use std::process::ExitCode;

pub(super) const EXAMPLES: &str = "Examples:
  tipring eval asr --data phrases.csv --phrases 12
  tipring eval emotion --data clips.csv --json
  tipring eval intent --telesales --lang en --json
  tipring eval vad --data calls.csv
  tipring eval vad --data calls.csv --engine earshot --engine silero --json

Labelled data is one CSV per set: the first line names the columns, paths are relative to the file. What each command reads
is in its own --help.";

/// Arguments of `eval`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Recognition: are the words right, and does a flow understand what was meant?
    #[command(after_help = asr::EXAMPLES)]
    Asr(asr::Args),
    /// Emotion: is it heard in the voice, over a telephone, of people whom the model does not know?
    #[command(after_help = emotion::EXAMPLES)]
    Emotion(emotion::Args),
    /// Dialogues: does the agent do in each call what it should?
    #[command(after_help = dialogue::EXAMPLES)]
    Dialogue(dialogue::Args),
    /// Intents: is what was meant understood, and what is about something else refused?
    #[command(after_help = intent::EXAMPLES)]
    Intent(intent::Args),
    /// Facts: is the right one found, and is nothing answered that no fact answers?
    #[command(after_help = knowledge::EXAMPLES)]
    Knowledge(knowledge::Args),
    /// Echo: is our own voice, come back, known for what it is, and a caller who talks over it heard?
    #[command(after_help = overlap::EXAMPLES)]
    Overlap(overlap::Args),
    /// Voice detection: is speech heard from its beginning to its end, and nothing else taken for it?
    #[command(after_help = vad::EXAMPLES)]
    Vad(vad::Args),
}

/// Runs the command.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Asr(args) => asr::run(args, settings).await?,
        What::Emotion(args) => tokio::task::spawn_blocking(move || emotion::run(&args, &settings)).await??,
        What::Dialogue(args) => return dialogue::run(args, settings).await,
        What::Intent(args) => tokio::task::spawn_blocking(move || intent::run(&args)).await??,
        What::Knowledge(args) => tokio::task::spawn_blocking(move || knowledge::run(&args)).await??,
        What::Overlap(args) => tokio::task::spawn_blocking(move || overlap::run(&args, &settings)).await??,
        What::Vad(args) => tokio::task::spawn_blocking(move || vad::run(&args, &settings)).await??,
    }
    Ok(ExitCode::SUCCESS)
}
