//! `tipring eval overlap`: our own echo against people who talk over us.

use super::sound;
use crate::app;
use crate::audio::{FRAME_SAMPLES, level};
use crate::settings::Settings;
use crate::sim::Dice;
use crate::sim::echo::{EchoPath, Line, judge};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "Examples:
  tipring eval overlap --agent lines --callers speechocean762 --lines 100 --json

Every line of the agent goes out once for each loss of the echo, said by the agent itself, which speaks softer and stops as in a
call. Alone, its echo must not stop it; with somebody who talks over it, louder or softer, with the echo under it or not, the
caller must be heard, by the voice alone: nothing is recognised. Hybrids are simulated: a response of 6 ms, 50 to 300 ms late, in
noise of -68 dBFS, through µ-law both ways.";

/// Losses of the echo in dB.
const LOSSES_DB: [f32; 4] = [-20.0, -25.0, -30.0, -35.0];
/// The agent's level, and the callers' lowest and highest, in dBFS.
const AGENT_DBFS: f32 = -20.0;
const CALLERS_DBFS: [f64; 2] = [-32.0, -16.0];
/// Level of the line's noise, in dBFS.
const NOISE_DBFS: f32 = -68.0;
/// Callers begin at least so many samples after the agent, and before the agent's end.
const INTO: usize = 8000;
/// Silence before and after a line, in samples.
const AROUND: [usize; 2] = [4800, 16_000];
/// A caller who is not heard within this time has been missed, in ms.
const HEARD_WITHIN_MS: f64 = 600.0;

/// Arguments of `eval overlap`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A folder with lines of the agent, WAV or FLAC.
    #[arg(long, value_name = "DIR")]
    agent: PathBuf,

    /// A folder with speech of callers, WAV or FLAC.
    #[arg(long, value_name = "DIR")]
    callers: PathBuf,

    /// Lines for each loss.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,

    /// Where chance begins.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// `en` or `zh`: the language of the call. From which score on a voice sounds like a backchannel depends on it.
    #[arg(long, value_name = "TAG", default_value = "en", value_parser = ["en", "zh"])]
    lang: String,

    /// Losses of the echo, in dB.
    #[arg(long, value_name = "DB,…", value_delimiter = ',', default_values_t = LOSSES_DB, allow_hyphen_values = true)]
    losses: Vec<f32>,

    /// The voice detector; without it the first of engine.vad.
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What came of one loss.
#[derive(Serialize, Default)]
struct Row {
    echo_db: f32,
    lines: u32,
    /// Times that the echo alone was taken for speech at first.
    overlaps_of_echo: u32,
    /// Of these, how many still were at 200 ms.
    not_known_at_200_ms: u32,
    lines_interrupted_by_echo: u32,
    callers: u32,
    callers_heard: u32,
    heard_percent: f32,
    /// From the caller's first sample until the agent stopped.
    heard_p50_ms: f64,
    heard_p95_ms: f64,
}

/// Runs the command.
pub(super) fn run(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let name = args.engine.as_ref().or(settings.engine.vad.first()).context("engine.vad names no voice detector")?;
    let vad = app::voice_detection(&settings.engine, name)?;
    let (agent, callers) = (speech(&args.agent)?, speech(&args.callers)?);
    let dice = Dice::new(args.seed);
    let mut rows = Vec::new();
    for (n, &echo_db) in (0..).zip(&args.losses) {
        let mut dice = dice.fork(n);
        let mut row = Row { echo_db, lines: args.lines, ..Row::default() };
        let mut heard_ms = Vec::new();
        for number in 0..args.lines {
            let Some(ours) = dice.pick(&agent) else { continue };
            let mut sent = vec![0; AROUND[0]];
            sent.extend(at_level(ours, AGENT_DBFS));
            sent.resize((sent.len() + AROUND[1]).next_multiple_of(FRAME_SAMPLES), 0);
            let path = EchoPath::hybrid(echo_db, dice.between(50.0, 300.0) as f32, &mut dice);
            let line =
                Line { language: &args.lang, ours: &sent, echo: Some(&path), caller: None, noise_dbfs: NOISE_DBFS };
            let alone = judge(&line, &*vad, &mut dice)?;
            row.overlaps_of_echo += alone.echoes;
            row.not_known_at_200_ms += alone.late;
            row.lines_interrupted_by_echo += u32::from(alone.interrupted_itself);

            let latest = sent.len().saturating_sub(AROUND[1] + INTO).max(AROUND[0] + INTO + 1);
            let at = dice.between((AROUND[0] + INTO) as f64, latest as f64) as usize;
            let Some(theirs) = dice.pick(&callers) else { continue };
            let theirs = at_level(theirs, dice.between(CALLERS_DBFS[0], CALLERS_DBFS[1]) as f32);
            // Two of three callers have the echo under their voice.
            let echo = line.echo.filter(|_| number % 3 != 0);
            let both = judge(&Line { echo, caller: Some((at, &theirs)), ..line }, &*vad, &mut dice)?;
            row.callers += 1;
            if let Some(ms) = both.stopped_ms.filter(|ms| *ms <= HEARD_WITHIN_MS) {
                row.callers_heard += 1;
                heard_ms.push(ms);
            }
        }
        heard_ms.sort_by(f64::total_cmp);
        let place = |share: usize| heard_ms.get(heard_ms.len() * share / 100).copied().unwrap_or(f64::NAN);
        row.heard_percent = row.callers_heard as f32 * 100.0 / row.callers.max(1) as f32;
        (row.heard_p50_ms, row.heard_p95_ms) = (place(50), place(95));
        if !args.json {
            println!(
                "echo {echo_db} dB: {} lines, {} interrupted by their echo ({} overlaps, {} not known at 200 ms); \
                 {} of {} callers heard within {HEARD_WITHIN_MS} ms, p50 {:.0}, p95 {:.0} ms",
                row.lines,
                row.lines_interrupted_by_echo,
                row.overlaps_of_echo,
                row.not_known_at_200_ms,
                row.callers_heard,
                row.callers,
                row.heard_p50_ms,
                row.heard_p95_ms
            );
        }
        rows.push(row);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "engine": name, "rows": rows }))?);
    }
    Ok(())
}

/// The speech in a folder, each from its first sound on, at least 0.75 s long.
fn speech(folder: &Path) -> anyhow::Result<Vec<Vec<i16>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "wav" || kind == "flac"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let samples = sound::read(&file)?;
        let loudest = samples.chunks(80).map(level::rms_dbfs).fold(level::SILENCE_DBFS, f32::max);
        let first = samples.chunks(80).position(|piece| level::rms_dbfs(piece) > loudest - 25.0).unwrap_or(0) * 80;
        all.push(samples.get(first..).unwrap_or_default().to_vec());
    }
    all.retain(|samples| samples.len() >= 12_000);
    if all.is_empty() {
        bail!("{} holds no WAV or FLAC file with speech of at least 0.75 s", folder.display());
    }
    Ok(all)
}

/// `samples` so loud that their loud half has this level.
fn at_level(samples: &[i16], dbfs: f32) -> Vec<i16> {
    let mut levels: Vec<f32> = samples.chunks(320).map(level::rms_dbfs).collect();
    levels.sort_by(f32::total_cmp);
    let loud = levels.get(levels.len() / 2..).unwrap_or_default();
    let power = loud.iter().map(|db| 10f32.powf(db / 10.0)).sum::<f32>() / loud.len().max(1) as f32;
    let gain = 10f32.powf((dbfs - 10.0 * power.max(1e-10).log10()) / 20.0);
    samples.iter().map(|sample| (f32::from(*sample) * gain) as i16).collect()
}
