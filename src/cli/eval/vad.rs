//! `tipring eval vad`.

use super::manifest::{self, Row};
use super::sound::{self, Band};
use crate::app;
use crate::audio::{AudioFrame, MediaTime, SAMPLE_RATE_HZ};
use crate::settings::Settings;
use crate::speech::{EngineError, VadFigures, VadScore, VadTrace, VoiceDetection};
use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const EXAMPLES: &str = "The set: a CSV with the columns
  file      WAV or FLAC, one channel
  rttm      a file of SPEAKER lines: where there is speech (from 1.2 s for 0.8 s …)
  segments  the same in place: 1.2-2.0 3.5-4.25, in seconds
  group     optional: figures are given for each group, too
A file without rttm and segments has no speech: what is heard in it is false.";

/// Arguments of `eval vad`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The labelled set.
    #[arg(long, value_name = "CSV")]
    data: PathBuf,

    /// The engine; may be given several times. Without it the first of engine.vad that serves.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,

    /// What the line lets through.
    #[arg(long, value_enum, default_value = "telephone")]
    band: Band,

    /// Bring each file to this level first, in dBFS; without it files are as loud as they are.
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    level: Option<f32>,

    /// Write the answer to each frame to a CSV file: file, engine, at_ms, probability, speech.
    #[arg(long, value_name = "FILE")]
    frames: Option<PathBuf>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

type Stretch = (MediaTime, MediaTime);

struct Scored {
    engine: Arc<dyn VoiceDetection>,
    all: VadScore,
    groups: BTreeMap<String, VadScore>,
}

/// Runs the command.
pub(super) fn run(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let rows = manifest::read(&args.data)?;
    let names = if args.engines.is_empty() { &settings.engine.vad } else { &args.engines };
    let mut engines = Vec::new();
    let mut refused: Option<EngineError> = None;
    for name in names {
        match app::voice_detection(&settings.engine, name) {
            Ok(engine) => engines.push(engine),
            Err(error) if args.engines.is_empty() => {
                eprintln!("{error}");
                refused = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
        // A chain serves with its first link that can.
        if args.engines.is_empty() && !engines.is_empty() {
            break;
        }
    }
    if engines.is_empty() {
        return Err(refused.map_or_else(|| anyhow::anyhow!("engine.vad names no engine"), Into::into));
    }
    let gate = &settings.calls.gate;
    let new = |engine| Scored { engine, all: VadScore::new(gate), groups: BTreeMap::new() };
    let mut scored: Vec<Scored> = engines.into_iter().map(new).collect();
    let mut dump = match &args.frames {
        Some(path) => {
            let refused = || format!("--frames {}: cannot be written", path.display());
            let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(refused)?);
            writeln!(file, "file,engine,at_ms,probability,speech")?;
            Some(file)
        }
        None => None,
    };
    for (n, row) in rows.iter().enumerate() {
        if n % 50 == 0 && n > 0 {
            eprintln!("{n} of {} files", rows.len());
        }
        let file = row.path("file").map_or_else(|| row.required("file").map(PathBuf::from), Ok)?;
        let frames = sound::frames(sound::read(&file)?, args.band, args.level);
        let speech = labels(row, &file)?;
        for scored in &mut scored {
            let mut trace = VadTrace::new(gate.clone());
            hear(&*scored.engine, &frames, &mut trace)?;
            scored.all.add(&trace, &speech);
            if let Some(group) = row.get("group") {
                scored.groups.entry(group.to_owned()).or_insert_with(|| VadScore::new(gate)).add(&trace, &speech);
            }
            if let Some(dump) = &mut dump {
                let (file, engine) = (file.display(), scored.engine.name());
                for (at, probability) in trace.answers() {
                    let middle = at.plus_ms(10);
                    let truth = u8::from(speech.iter().any(|(from, to)| *from <= middle && middle < *to));
                    writeln!(dump, "{file},{engine},{},{probability:.4},{truth}", at.ms())?;
                }
            }
        }
    }
    if let Some(mut dump) = dump {
        dump.flush()?;
    }
    match args.json {
        true => println!("{}", as_json(args, &scored)?),
        false => print!("{}", as_table(args, &scored)),
    }
    Ok(())
}

fn hear(engine: &dyn VoiceDetection, frames: &[AudioFrame], trace: &mut VadTrace) -> anyhow::Result<()> {
    let mut detector = engine.open()?;
    for frame in frames {
        let probability = detector.push(frame);
        // A call has 20 ms between two frames for what is computed elsewhere; here they follow at once.
        detector.settle();
        trace.push(frame.at, detector.lag_ms(), probability);
    }
    Ok(())
}

/// Where there is speech, in order, overlaps joined.
fn labels(row: &Row, file: &Path) -> anyhow::Result<Vec<Stretch>> {
    let mut stretches = Vec::new();
    if let Some(path) = row.path("rttm") {
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        stretches = rttm(&text, &file.file_stem().unwrap_or_default().to_string_lossy())
            .with_context(|| path.display().to_string())?;
    }
    for stretch in row.get("segments").iter().flat_map(|text| text.split_whitespace()) {
        let ends = stretch.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        let ends = ends.filter(|(from, to): &(f64, f64)| to.is_finite() && from < to);
        let Some(ends) = ends else {
            bail!(
                "{}: segments: '{stretch}' is no stretch of time; write its begin and end in seconds: 1.2-2.0",
                row.place
            );
        };
        stretches.push(ends);
    }
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |seconds: f64| MediaTime::from_samples((seconds.max(0.0) * f64::from(SAMPLE_RATE_HZ)).round() as u64);
    let mut out: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches.into_iter().map(|(from, to)| (at(from), at(to))).filter(|(from, to)| from < to) {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    Ok(out)
}

/// The lines of one recording, or all of them when none names it.
fn rttm(text: &str, name: &str) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut lines = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() != Some(&"SPEAKER") {
            continue;
        }
        let number =
            |i: usize| words.get(i).and_then(|word| word.parse::<f64>().ok()).filter(|s| s.is_finite() && *s >= 0.0);
        let (Some(from), Some(length)) = (number(3), number(4)) else {
            bail!("line {}: the fourth and fifth words of a SPEAKER line are its begin and length in seconds", n + 1);
        };
        lines.push((words.get(1).copied().unwrap_or_default().to_owned(), (from, from + length)));
    }
    let named = lines.iter().any(|(of, _)| of == name);
    Ok(lines.into_iter().filter(|(of, _)| !named || of == name).map(|(_, stretch)| stretch).collect())
}

fn as_json(args: &Args, scored: &[Scored]) -> anyhow::Result<Value> {
    let mut engines = Vec::new();
    for scored in scored {
        let mut object = Map::new();
        object.insert("engine".into(), scored.engine.name().into());
        if let Value::Object(figures) = serde_json::to_value(scored.all.figures())? {
            object.extend(figures);
        }
        let groups =
            scored.groups.iter().map(|(group, score)| Ok((group.clone(), serde_json::to_value(score.figures())?)));
        object.insert("groups".into(), Value::Object(groups.collect::<anyhow::Result<_>>()?));
        engines.push(Value::Object(object));
    }
    Ok(json!({
        "data": args.data.display().to_string(),
        "band": args.band.name(),
        "level_dbfs": args.level,
        "engines": engines,
    }))
}

fn as_table(args: &Args, scored: &[Scored]) -> String {
    let mut out = format!("{} over the {} band\n", args.data.display(), args.band.name());
    for scored in scored {
        out.push_str(&format!(
            "\n{:<22} {:>5} {:>7} {:>6} {:>6} {:>6} {:>6} | {:>5} {:>5} | {:>5} {:>5} | {:>6} {:>6}\n",
            scored.engine.name(),
            "files",
            "AUC",
            "error",
            "missed",
            "extra",
            "deaf",
            "onset",
            "p95",
            "end",
            "p95",
            "false",
            "gate"
        ));
        for (group, score) in &scored.groups {
            line(&mut out, group, &score.figures());
        }
        line(&mut out, "all", &scored.all.figures());
    }
    out.push_str(
        "\nerror, missed, extra: % of frames; deaf: % of stretches of speech; onset, end: ms until they are announced (p50);\n\
         false, gate: % of frames of files without speech, taken for it by the detector and by the gate\n",
    );
    out
}

fn line(out: &mut String, name: &str, figures: &VadFigures) {
    let show = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    out.push_str(&format!(
        "  {name:<20} {:>5} {:>7} {:>6} {:>6} {:>6} {:>6} | {:>5} {:>5} | {:>5} {:>5} | {:>6} {:>6}\n",
        figures.speech_files + figures.other_files,
        show(figures.roc_auc, 4),
        show(figures.frame_error_percent, 2),
        show(figures.missed_speech_percent, 2),
        show(figures.extra_speech_percent, 2),
        show(figures.missed_stretches_percent, 2),
        show(figures.onset_delay_p50_ms, 0),
        show(figures.onset_delay_p95_ms, 0),
        show(figures.offset_delay_p50_ms, 0),
        show(figures.offset_delay_p95_ms, 0),
        show(figures.false_speech_percent, 2),
        show(figures.false_gate_percent, 2),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_another_recording_are_left_out() {
        let text =
            "SPEAKER a 1 0.5 1.0 <NA> <NA> x <NA> <NA>\n;; a comment\nSPEAKER b 1 2.0 0.5 <NA> <NA> x <NA> <NA>\n";
        assert_eq!(rttm(text, "a").unwrap(), [(0.5, 1.5)]);
        assert_eq!(rttm(text, "other").unwrap().len(), 2, "nobody named: the whole file is meant");
        for wrong in ["SPEAKER a 1 x 1.0", "SPEAKER a 1 2.0 -1.0"] {
            assert!(rttm(wrong, "a").unwrap_err().to_string().contains("line 1"), "{wrong}");
        }
    }

    #[test]
    fn labels_are_put_in_order_and_joined() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        std::fs::write(&path, "file,segments\na.wav,1.5-2.0 0.25-0.5 1.75-2.5\nb.wav,\nc.wav,1.5\nd.wav,3.0-0.2\n")
            .unwrap();
        let rows = manifest::read(&path).unwrap();
        let ms = |ms| MediaTime::from_ms(ms);
        assert_eq!(labels(&rows[0], Path::new("a.wav")).unwrap(), [(ms(250), ms(500)), (ms(1500), ms(2500))]);
        assert_eq!(labels(&rows[1], Path::new("b.wav")).unwrap(), []);
        let error = labels(&rows[2], Path::new("c.wav")).unwrap_err().to_string();
        assert!(error.contains("set.csv:4") && error.contains("'1.5'"), "{error}");
        let error = labels(&rows[3], Path::new("d.wav")).unwrap_err().to_string();
        assert!(error.contains("set.csv:5") && error.contains("'3.0-0.2'"), "{error}");
    }
}
