//! `tipring train emotion`.

mod committee;
mod hear;
mod learn;

use crate::cli::eval::emotion::{Clip, Line, read, score};
use crate::cli::eval::sound::Band;
use crate::engine::emotion::{Header, Model, Prosody};
use crate::sim::Dice;
use anyhow::{Context, bail};
use hear::Heard;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

pub(in crate::cli) const EXAMPLES: &str = "The set: as for `tipring eval emotion`, with a speaker for each file. Every recording is heard over eight lines
(telephone and wide band, levels, noise, microphones), after half a second, after one and a half and to its end. For calibration models
are trained without each of the speakers and asked about that one. The same seed and files give the same weights, byte for byte.

  tipring train emotion --data emodb/labels.csv --out audio-models/emotion/prosody.emotion
  tipring train emotion --data calls.csv --data emodb/labels.csv --loso --out mine.emotion";

/// Folds for calibration where there are more speakers.
const FOLDS: usize = 10;

/// Arguments of `train emotion`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// The labelled set; may be given several times.
    #[arg(long, required = true, value_name = "CSV")]
    data: Vec<PathBuf>,

    /// Print how the models that were trained without a speaker fare on that one, in telephone band.
    #[arg(long)]
    loso: bool,

    /// Where chance begins.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Write the weights here.
    #[arg(long, value_name = "FILE", required_unless_present = "loso")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<()> {
    let mut clips = Vec::new();
    let mut sources = Vec::new();
    for path in &args.data {
        let some = read(path)?;
        sources.push(source(path, &some)?);
        clips.extend(some);
    }
    let heard = hear_all(&clips, args.seed)?;
    let dice = Dice::new(args.seed);
    let models = committee::leave_one_out(&heard, FOLDS, &dice)?;
    let labels = committee::labels(&heard);
    let scales = committee::calibrate(&committee::answers(&heard, &models), &labels);
    if args.loso {
        let each = models.iter().flat_map(|(speakers, model)| {
            let model = Model { header: Header { scales, ..model.header.clone() }, ..model.clone() };
            speakers.iter().map(move |speaker| (speaker.clone(), Prosody::new(model.clone())))
        });
        let report = score(&clips, &each.collect(), &Line::of(Band::Telephone), args.seed)?;
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    if let Some(out) = &args.out {
        eprintln!("with all speakers");
        let mut model = committee::train(&heard.iter().collect::<Vec<_>>(), &labels, &dice);
        model.header.scales = scales;
        model.header.made = json!({
            "command": format!("tipring train emotion --seed {}", args.seed),
            "version": env!("CARGO_PKG_VERSION"),
            "data": sources,
        });
        let bytes = model.bytes();
        std::fs::write(out, &bytes).with_context(|| format!("{}: cannot be written", out.display()))?;
        eprintln!("{}: {} bytes, sha256 {}", out.display(), bytes.len(), hexadecimal(&Sha256::digest(&bytes)));
    }
    Ok(())
}

/// Where weights came from: the set's name, and a sum over its labels and recordings, in their order.
fn source(path: &std::path::Path, clips: &[Clip]) -> anyhow::Result<Value> {
    let mut sum = Sha256::new();
    for clip in clips {
        let bytes = std::fs::read(&clip.file).with_context(|| format!("{}: cannot be read", clip.file.display()))?;
        sum.update(clip.label.name());
        sum.update(&clip.speaker);
        sum.update(bytes);
    }
    let name = path.parent().and_then(std::path::Path::file_name).unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(json!({ "set": name, "files": clips.len(), "sha256": hexadecimal(&sum.finalize()) }))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hear_all(clips: &[Clip], seed: u64) -> anyhow::Result<Vec<Heard>> {
    if clips.iter().any(|clip| clip.speaker.is_empty()) {
        bail!("a column speaker is needed: nobody may be scored by a model that has heard them");
    }
    let dice = Dice::new(seed);
    eprintln!("hearing {} recordings over {} lines ...", clips.len(), hear::LINES);
    clips.iter().enumerate().map(|(n, clip)| hear::hear(clip, &dice.fork(n as u64))).collect()
}

/// For each speaker a model that has not heard them, calibrated on the answers of all of them.
///
/// # Errors
/// A file that cannot be read, too few speakers or emotions.
pub(in crate::cli) fn for_each_speaker(clips: &[Clip], seed: u64) -> anyhow::Result<Vec<(String, Model)>> {
    let heard = hear_all(clips, seed)?;
    let models = committee::leave_one_out(&heard, usize::MAX, &Dice::new(seed))?;
    let labels = committee::labels(&heard);
    Ok(models
        .iter()
        .map(|(speakers, model)| {
            // Calibrated on the others alone.
            let others: Vec<_> = models.iter().filter(|(other, _)| other != speakers).cloned().collect();
            let mut model = model.clone();
            model.header.scales = committee::calibrate(&committee::answers(&heard, &others), &labels);
            (speakers.concat(), model)
        })
        .collect())
}
