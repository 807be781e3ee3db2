//! `tipring eval emotion`.

mod figures;
mod line;

pub(in crate::cli) use line::Line;

use super::manifest;
use super::sound::{self, Band};
use crate::audio::{AudioFrame, MediaTime, level};
use crate::cli::train::emotion as training;
use crate::engine::emotion::{Prosody, ProsodyDetector};
use crate::settings::Settings;
use crate::sim::Dice;
use crate::speech::{EmotionDetector, EmotionLabel};
use anyhow::{Context, bail};
use figures::{Judged, Question, round};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(in crate::cli) const EXAMPLES: &str = "The set: a CSV with the columns
  file     WAV or FLAC, one channel
  emotion  neutral, calm, happiness, anger, sadness, fear, disgust, boredom, surprise, or their adjectives
  speaker  optional: whose voice it is; files of a speaker are the turns of one caller, in the order of the file

Each file is brought to -26 dBFS first, its silence cut away, and heard as an utterance of a call. The telephone band is µ-law at
8 kHz; --from-hz 300 cuts off the low end as well, as analogue lines and some handsets do. Figures are percentages. uar is the mean recall of the emotions that are in the set and known to the
model, which answers with one of these; uar_open lets it answer any that it knows. arousal: happiness, anger, fear and surprise
against the others. anger: against the others. four: anger, happiness, sadness, neutral. caller: the same after the earlier
files of the speaker, whatever they showed. Intervals (95 %) are of 1000 draws of the files. Probabilities are calibrated for classes
that are equally likely, and so is ece. label_delay_ms: from the first sound of speech to the first label. Files with too little speech
to be labelled are counted as unheard, and wrong.

  tipring eval emotion --data emodb/labels.csv --loso --json
  tipring eval emotion --data ravdess/labels.csv --band wide";

/// The four emotions of many studies.
const FOUR: [EmotionLabel; 4] =
    [EmotionLabel::Neutral, EmotionLabel::Happiness, EmotionLabel::Anger, EmotionLabel::Sadness];

/// Arguments of `eval emotion`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// The labelled set.
    #[arg(long, value_name = "CSV")]
    data: PathBuf,

    /// What the line lets through.
    #[arg(long, value_enum, default_value = "telephone")]
    band: Band,

    /// Cut off what lies below, in Hz, up to 3000: what is measured lies below 3400.
    #[arg(long, value_name = "HZ", default_value_t = 0.0, value_parser = |text: &str| number(text, 0.0, 3000.0))]
    from_hz: f32,

    /// Noise so far below the speech, in dB, -20 to 90.
    #[arg(long, value_name = "DB", allow_hyphen_values = true, value_parser = |text: &str| number(text, -20.0, 90.0))]
    noise: Option<f32>,

    /// Weights to be scored; without it those of engine.emotion.model, or those compiled in.
    #[arg(long, value_name = "FILE", conflicts_with = "loso")]
    model: Option<PathBuf>,

    /// Score models that are trained on the set itself, each without the speaker that it is scored on.
    #[arg(long)]
    loso: bool,

    /// Where chance begins: noise, intervals, and what --loso trains.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// A number within a range.
fn number(text: &str, least: f32, most: f32) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    let within = (least..=most).contains(&number);
    within.then_some(number).ok_or_else(|| format!("write a number from {least} to {most}"))
}

/// One file of a set.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Clip {
    /// Where it lies.
    pub file: PathBuf,
    /// What it shows.
    pub label: EmotionLabel,
    /// Whose voice it is; empty where the set does not say.
    pub speaker: String,
}

/// Reads a set.
///
/// # Errors
/// A file that cannot be read, a label that is none.
pub(in crate::cli) fn read(path: &std::path::Path) -> anyhow::Result<Vec<Clip>> {
    let clip = |row: manifest::Row| {
        let file = row.path("file").map_or_else(|| row.required("file").map(PathBuf::from), Ok)?;
        let word = row.required("emotion")?;
        let label = word.parse().with_context(|| file.display().to_string())?;
        Ok(Clip { file, label, speaker: row.get("speaker").unwrap_or_default().to_owned() })
    };
    let clips: Vec<Clip> = manifest::read(path)?.into_iter().map(clip).collect::<anyhow::Result<_>>()?;
    if clips.is_empty() {
        bail!("{}: names no files", path.display());
    }
    Ok(clips)
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let clips = read(&args.data)?;
    let line = Line { from_hz: args.from_hz, noise_db: args.noise, colour: 0.5, ..Line::of(args.band) };
    let models: BTreeMap<String, Prosody> = if args.loso {
        if clips.iter().any(|clip| clip.speaker.is_empty()) {
            bail!("{}: --loso needs a column speaker", args.data.display());
        }
        training::for_each_speaker(&clips, args.seed)?.into_iter().map(|(who, m)| (who, Prosody::new(m))).collect()
    } else {
        let file = args.model.as_ref().or(settings.engine.emotion.model.as_ref());
        BTreeMap::from([(String::new(), Prosody::open(file.map(PathBuf::as_path))?)])
    };
    let mut report = score(&clips, &models, &line, args.seed)?;
    report["data"] = json!(args.data.display().to_string());
    report["band"] = json!(args.band.name());
    report["from_hz"] = json!(args.from_hz);
    report["noise_db"] = json!(args.noise);
    report["model"] = match args.loso {
        true => json!("leave one speaker out"),
        false => json!(args.model.as_ref().map_or("compiled in".to_owned(), |file| file.display().to_string())),
    };
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", table(&report)),
    }
    Ok(())
}

/// Scores models on a set: each file by the model of its speaker, or by the only one.
///
/// # Errors
/// A file that cannot be read.
pub(in crate::cli) fn score(
    clips: &[Clip],
    models: &BTreeMap<String, Prosody>,
    line: &Line,
    seed: u64,
) -> anyhow::Result<Value> {
    let mut callers: BTreeMap<&str, ProsodyDetector> = BTreeMap::new();
    let (mut fresh, mut known) = (Vec::new(), Vec::new());
    let dice = Dice::new(seed);
    let any = models.values().next().context("there is no model")?;
    for (n, clip) in clips.iter().enumerate() {
        if n % 200 == 0 && n > 0 {
            eprintln!("{n} of {} files", clips.len());
        }
        let model = models.get(&clip.speaker).unwrap_or(any);
        let frames = line.frames(&sound::read(&clip.file)?, &mut dice.fork(n as u64));
        fresh.push(hear(clip, &mut model.detector(), model, &frames));
        if !clip.speaker.is_empty() {
            let caller = callers.entry(&clip.speaker).or_insert_with(|| model.detector());
            known.push(hear(clip, caller, model, &frames));
        }
    }
    let mut in_set: Vec<EmotionLabel> = clips.iter().map(|clip| clip.label).collect();
    in_set.sort();
    in_set.dedup();
    let labels: Vec<EmotionLabel> = in_set.iter().copied().filter(|l| any.model().labels().contains(l)).collect();
    let unknown: Vec<EmotionLabel> = in_set.iter().copied().filter(|label| !labels.contains(label)).collect();
    let mut report = questions(&fresh, &labels, seed);
    report["files"] = json!(clips.len());
    report["speakers"] = json!(callers.len());
    report["labels"] = json!(labels);
    report["labels_not_known"] = json!(unknown);
    if !known.is_empty() {
        report["caller"] = questions(&known, &labels, seed);
    }
    let mut first: Vec<f64> = fresh.iter().filter_map(|judged| judged.first_ms).collect();
    first.sort_by(f64::total_cmp);
    let last = first.len().saturating_sub(1);
    let place = |percent: usize| first.get((first.len() * percent / 100).min(last)).copied().map(round);
    // Of all files, those that were never labelled included.
    let in_time = first.iter().filter(|ms| **ms <= 1000.0).count() as f64 / fresh.len() as f64;
    report["unheard"] = json!(fresh.len() - first.len());
    report["label_delay_ms"] = json!({ "p50": place(50), "p95": place(95), "max": place(100) });
    report["labelled_within_1000_ms"] = json!(round(100.0 * in_time));
    Ok(report)
}

fn questions(judged: &[Judged], labels: &[EmotionLabel], seed: u64) -> Value {
    let mut dice = Dice::new(seed);
    let mut report = Question::emotions(judged, labels, false).figures(&mut dice);
    if report.is_null() {
        report = json!({});
    }
    report["uar_open"] = json!(Question::emotions(judged, labels, true).uar().map(round));
    if FOUR.iter().all(|label| labels.contains(label)) {
        report["four"] = Question::emotions(judged, &FOUR, false).figures(&mut dice);
    }
    let arousal = |judged: &Judged| Some(judged.truth.aroused());
    report["arousal"] = Question::binary(judged, ["low", "high"], arousal, |j| j.arousal).figures(&mut dice);
    let anger = |judged: &Judged| Some(judged.truth == EmotionLabel::Anger);
    report["anger"] = Question::binary(judged, ["other", "anger"], anger, |j| j.anger).figures(&mut dice);
    let pleasant = |judged: &Judged| judged.truth.pleasant();
    let valence = |judged: &Judged| judged.valence;
    report["valence"] = Question::binary(judged, ["unpleasant", "pleasant"], pleasant, valence).figures(&mut dice);
    report
}

/// Hears a file as an utterance.
fn hear(clip: &Clip, detector: &mut ProsodyDetector, model: &Prosody, frames: &[AudioFrame]) -> Judged {
    let loudest = frames.iter().map(|frame| level::rms_dbfs(&frame.samples)).fold(level::SILENCE_DBFS, f32::max);
    let loud = |frame: &&AudioFrame| level::rms_dbfs(&frame.samples) > loudest - 25.0;
    let onset = frames.iter().find(loud).map_or(MediaTime::ZERO, |frame| frame.at);
    let end = frames.last().map_or(MediaTime::ZERO, AudioFrame::end);
    let mut first = None;
    for frame in frames {
        first = first.or(detector.push(frame));
    }
    let last = detector.pause(end);
    let verdict = detector.verdict().cloned();
    detector.finish(true);
    let labels = model.model().labels();
    // What says nothing is as good as chance.
    let shares = match (&last, verdict) {
        (Some(_), Some(verdict)) => verdict.labels,
        _ => vec![1.0 / labels.len() as f32; labels.len()],
    };
    Judged {
        truth: clip.label,
        labels: labels.iter().copied().zip(shares).collect(),
        arousal: last.map_or(0.5, |emotion| emotion.arousal),
        anger: last.map_or(0.5, |emotion| emotion.anger),
        valence: last.map_or(0.5, |emotion| emotion.valence),
        first_ms: first.or(last).map(|emotion| emotion.at.ms_since(onset)),
    }
}

fn table(report: &Value) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut line = |name: &str, figures: &Value| {
        if figures["uar"].is_number() {
            let number = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{name:<22} uar {:5.1} %  ({:.1} to {:.1})  ece {:4.1}  n {}",
                number("uar"),
                number("uar_low"),
                number("uar_high"),
                number("ece"),
                figures["files"]
            );
        }
    };
    for (who, figures) in [("", report), ("caller ", &report["caller"])] {
        line(&format!("{who}emotions"), figures);
        for key in ["four", "arousal", "anger", "valence"] {
            line(&format!("{who}{key}"), &figures[key]);
        }
    }
    let _ = writeln!(text, "recall                 {}", report["recall"]);
    if let Some(confusion) = report["confusion"].as_object() {
        for (label, row) in confusion {
            let _ = writeln!(text, "  {label:<20} {row}");
        }
    }
    let _ = writeln!(
        text,
        "first label            {} (ms after speech began); within a second: {} %\nunheard                {} of {} files: \
         too little speech; they count as wrong\nnot known to the model {}",
        report["label_delay_ms"],
        report["labelled_within_1000_ms"],
        report["unheard"],
        report["files"],
        report["labels_not_known"]
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(number("300", 0.0, 3000.0), Ok(300.0));
        for text in ["9000", "-1", "NaN", "low"] {
            assert!(number(text, 0.0, 3000.0).is_err(), "{text}");
        }
    }
}
