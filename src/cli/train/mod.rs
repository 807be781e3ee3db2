//! `tipring train`: makes the small models that ship, from a seed.

mod backchannel;
mod band;
mod clips;
pub(super) mod emotion;
pub(super) mod intent;
mod logistic;
mod net;
mod network;
mod turns;

use super::lines::synthesise;
use crate::engine::batch::Pool;
use crate::engine::tts::{Flite, FliteConfig};
use crate::engine::vad;
use crate::speech::voice::Weights;
use crate::speech::{Language, SpeechRequest};
use anyhow::{Context, bail};
use clips::Use;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) const EXAMPLES: &str = "Examples:
  tipring train backchannel --speech emodb --halves speechocean762 --out audio-models/backchannel.txt
  tipring train emotion --data emodb/labels.csv --out audio-models/emotion/prosody.emotion
  tipring train backchannel --speech emodb --halves speechocean762 --check more --json > figures.json

Each takes a few minutes; backchannel needs espeak-ng, and uses flite where it is installed. The same seed and the same voices give the
same weights.";

/// Arguments of `train`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// The network that tells a backchannel from the beginning of a turn.
    Backchannel(BackchannelArgs),
    /// The upper band of telephone speech, from recordings that have one.
    #[command(after_help = band::EXAMPLES)]
    Band(band::Args),
    /// The committees that hear emotions, from labelled recordings.
    #[command(after_help = emotion::EXAMPLES)]
    Emotion(emotion::Args),
    /// What callers mean: a classifier of labelled texts, or the telesales intents.
    #[command(after_help = intent::EXAMPLES)]
    Intent(intent::Args),
    /// What tells that a caller is done.
    #[command(after_help = turns::EXAMPLES)]
    Turns(turns::Args),
}

#[derive(clap::Args, Debug)]
struct BackchannelArgs {
    /// A folder of speech (WAV, FLAC) whose beginnings are learned as interruptions. May be given more than once.
    #[arg(long, value_name = "DIR")]
    speech: Vec<PathBuf>,

    /// A folder of speech of which every second file is learned from, and the others are measured on.
    #[arg(long, value_name = "DIR")]
    halves: Vec<PathBuf>,

    /// A folder of speech that is only measured on. May be given more than once.
    #[arg(long, value_name = "DIR")]
    check: Vec<PathBuf>,

    /// Where chance begins.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How often everything is gone through.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    epochs: u32,

    /// Write the weights here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print the figures as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A voice or a folder that is missing, a file that cannot be written.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Handle::current();
    match args.what {
        What::Backchannel(args) => tokio::task::spawn_blocking(move || backchannels(&args, &runtime)).await??,
        What::Emotion(args) => tokio::task::spawn_blocking(move || emotion::run(&args)).await??,
        What::Band(args) => tokio::task::spawn_blocking(move || band::run(&args)).await??,
        What::Intent(args) => tokio::task::spawn_blocking(move || intent::run(&args)).await??,
        What::Turns(args) => tokio::task::spawn_blocking(move || turns::run(&args)).await??,
    }
    Ok(ExitCode::SUCCESS)
}

fn backchannels(args: &BackchannelArgs, runtime: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let pool = Pool::start("voices", 1).context("cannot start the voices")?;
    let flite = Flite::open(&FliteConfig::default(), &pool);
    if let Err(error) = &flite {
        eprintln!("without flite: {error}");
    }
    let speak = |voice: &str, text: &str| {
        let request =
            SpeechRequest { text: text.to_owned(), language: Language("en".into()), voice: Some(voice.to_owned()) };
        let made = runtime.block_on(synthesise(flite.as_ref().ok()?, &request));
        made.ok().map(|(samples, _)| samples).filter(|samples| !samples.is_empty())
    };
    eprintln!("speaking backchannels and sentences ...");
    let mut clips = clips::synthesised(args.seed, &speak)?;
    for (folders, usage) in [(&args.speech, Use::Learn), (&args.halves, Use::Halves), (&args.check, Use::Check)] {
        for folder in folders {
            clips.extend(clips::read(folder, usage)?);
        }
    }
    eprintln!("hearing {} clips over telephone lines ...", clips.len());
    let heard = backchannel::hear(&clips, &vad::Earshot::new(vad::EarshotConfig::default()), args.seed)?;
    eprintln!("learning from {} of them ...", heard.iter().filter(|heard| !heard.held_out()).count());
    let Some(weights) = backchannel::learn(&heard, args.epochs as usize, args.seed) else {
        bail!("there is nothing to learn from");
    };
    let (figures, curve) = (backchannel::measure(&heard, &weights), backchannel::curve(&heard, &weights));
    if let Some(out) = &args.out {
        std::fs::write(out, written(&weights, args)).with_context(|| format!("cannot write {}", out.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "sets": figures, "curve": curve }))?);
    } else {
        for line in figures.iter().map(ToString::to_string).chain(curve.iter().map(ToString::to_string)) {
            println!("{line}");
        }
    }
    Ok(())
}

/// The file of weights: how it was made, then the numbers.
fn written(weights: &Weights, args: &BackchannelArgs) -> String {
    let folders = [("--speech", &args.speech), ("--halves", &args.halves)].map(|(option, folders)| {
        let names = folders.iter().filter_map(|folder| folder.file_name());
        names.map(|name| format!(" {option} {}", name.to_string_lossy())).collect::<String>()
    });
    let mut text = format!(
        "# Backchannel or beginning of a turn: weights of one hidden layer, see src/speech/voice/backchannel.rs.\n\
         # Made by: tipring train backchannel --seed {} --epochs {}{}\n\
         # Backchannels are synthesised (eSpeak NG, flite); how they fare with people is not known.\n",
        args.seed,
        args.epochs,
        folders.concat(),
    );
    for row in weights.hidden.iter().map(|row| row.to_vec()).chain([weights.out.to_vec()]) {
        let numbers: Vec<String> = row.iter().map(|number| format!("{number:.5}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", numbers.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let numbers: Vec<f32> = (0..Weights::COUNT).map(|n| n as f32 / 256.0).collect();
        let weights = Weights::from_numbers(&numbers).unwrap();
        let args = BackchannelArgs {
            speech: vec!["some/emodb".into()],
            halves: vec!["other".into()],
            check: Vec::new(),
            seed: 7,
            epochs: 3,
            out: None,
            json: false,
        };
        let text = written(&weights, &args);
        assert!(text.contains("--seed 7 --epochs 3 --speech emodb --halves other"), "{text}");
        let read = Weights::parse(&text).unwrap();
        assert!((read.out[3] - weights.out[3]).abs() < 1e-5 && (read.hidden[2][5] - weights.hidden[2][5]).abs() < 1e-5);
    }
}
