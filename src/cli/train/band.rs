//! `tipring train band`.

use super::network::{Example, train};
use crate::audio::bandwidth::{BandFeatures, BandModel, HIDDEN, HIGH, HOP, INPUTS, LOOK_AHEAD, LOW, Spectrum};
use crate::audio::{FRAME_SAMPLES, level};
use crate::cli::eval::manifest;
use crate::cli::eval::sound::{self, Band};
use crate::sim::Dice;
use anyhow::{Context, bail};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "The data: CSV files with a column file (WAV or FLAC, 16 kHz or more, one channel). Each recording is sent through
the telephone band of a call; the network learns to tell from the result what was above it. Every tenth file is not learned
from but scored: the share of the upper band's variance that is explained.";

/// Levels at which each recording is heard, in dBFS.
const LEVELS_DBFS: [f32; 2] = [-20.0, -34.0];
/// How much a frame without speech counts.
const SILENCE: f32 = 0.1;
/// Of so many frames one is learned from: neighbours are alike.
const STRIDE: usize = 2;
/// Recordings whose every how-manieth is scored.
const SCORED: usize = 10;

/// Arguments of `train band`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The recordings; may be given several times.
    #[arg(long, required = true, value_name = "CSV")]
    data: Vec<PathBuf>,

    /// Where the weights are written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Where all that is random begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How often each recording is seen.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut recordings = Vec::new();
    for path in &args.data {
        for row in manifest::read(path)? {
            row.required("file")?;
            recordings.extend(row.path("file").map(|file| sound::read(&file)).transpose()?);
        }
    }
    if recordings.len() < 2 {
        bail!("{} recordings are too few to learn from", recordings.len());
    }
    let mut model = BandModel { shape: average(&recordings), ..BandModel::zero() };
    let (mut examples, mut scored) = (Vec::new(), Vec::new());
    for (number, recording) in recordings.iter().enumerate() {
        let list = if number % SCORED == SCORED - 1 { &mut scored } else { &mut examples };
        LEVELS_DBFS.iter().for_each(|dbfs| show(recording, *dbfs, &model, list));
    }
    drop(recordings);
    eprintln!("{} frames to learn from, {} to score", examples.len(), scored.len());
    let mut dice = Dice::new(args.seed);
    train(&mut model, &examples, args.rounds, &mut dice, |round, error| {
        eprintln!("round {round}: squared error {error:.4}");
    });
    std::fs::write(&args.out, model.bytes()).with_context(|| format!("{}: cannot be written", args.out.display()))?;
    println!("learned_r2 {:.3}", explained(&model, &examples));
    if !scored.is_empty() {
        println!("scored_r2 {:.3}", explained(&model, &scored));
    }
    Ok(())
}

/// The recording as it came and as a telephone call brings it, at the same places in time.
fn pair(recording: &[i16], dbfs: f32) -> (Vec<i16>, Vec<i16>) {
    let mut wide = recording.to_vec();
    level::normalise(&mut wide, dbfs);
    let narrow = sound::frames(wide.clone(), Band::Telephone, None);
    wide.resize(narrow.len() * FRAME_SAMPLES, 0);
    (wide, narrow.iter().flat_map(|frame| frame.samples).collect())
}

/// The average speaker.
fn average(recordings: &[Vec<i16>]) -> [f32; LOW] {
    let (mut sum, mut frames) = ([0.0f64; LOW], 0u32);
    for recording in recordings {
        let (_, narrow) = pair(recording, LEVELS_DBFS[0]);
        let mut features = BandFeatures::new([0.0; LOW]);
        for hop in narrow.as_chunks::<HOP>().0 {
            features.push(hop);
            if let Some(shape) = features.shape_of_last() {
                sum.iter_mut().zip(shape).for_each(|(sum, band)| *sum += f64::from(band));
                frames += 1;
            }
        }
    }
    sum.map(|sum| (sum / f64::from(frames.max(1))) as f32)
}

fn show(recording: &[i16], dbfs: f32, model: &BandModel, list: &mut Vec<Example>) {
    let (wide, narrow) = pair(recording, dbfs);
    let mut features = BandFeatures::new(model.shape);
    let mut spectrum = Spectrum::default();
    let (mut heard, mut number) = (std::collections::VecDeque::new(), 0);
    for (narrow, wide) in narrow.as_chunks::<HOP>().0.iter().zip(wide.as_chunks::<HOP>().0) {
        features.push(narrow);
        spectrum.push(wide);
        heard.push_back(spectrum.high());
        if heard.len() <= LOOK_AHEAD {
            continue;
        }
        let mut inputs = [0.0; INPUTS];
        let (level, speech) = features.read(&mut inputs);
        let Some(high) = heard.pop_front() else { continue };
        number += 1;
        if number % STRIDE > 0 {
            continue;
        }
        let weight = if speech { 1.0 } else { SILENCE };
        list.push(Example { inputs, target: high.map(|band| band - level), weight });
    }
}

/// The share of the variance of the target that the model explains, where there is speech.
fn explained(model: &BandModel, examples: &[Example]) -> f64 {
    let speech = || examples.iter().filter(|example| example.weight == 1.0);
    let count = speech().count().max(1) as f64;
    let mut mean = [0.0f64; HIGH];
    for example in speech() {
        mean.iter_mut().zip(&example.target).for_each(|(mean, target)| *mean += f64::from(*target) / count);
    }
    let (mut missed, mut all) = (0.0, 0.0);
    for example in speech() {
        let out = model.predict(&example.inputs, &mut [0.0; HIDDEN]);
        for ((out, target), mean) in out.iter().zip(&example.target).zip(&mean) {
            missed += f64::from(out - target).powi(2);
            all += (f64::from(*target) - mean).powi(2);
        }
    }
    1.0 - missed / f64::max(all, 1e-9)
}
