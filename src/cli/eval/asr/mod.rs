//! `tipring eval asr`.

mod figures;
mod words;

use super::manifest;
use super::sound::{self, Band};
use crate::agent::{Flow, choose, digits, tokens};
use crate::app;
use crate::audio::{AudioFrame, FRAME_SAMPLES, FrameOrigin, MediaTime, level};
use crate::settings::Settings;
use crate::sim::Dice;
use crate::speech::{AnswerKind, Expectation, Hypothesis, HypothesisKind, Language, Recognizer, Wake};
use anyhow::{Context, bail};
use figures::{Figures, Outcome, Work};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Wake as Wakes;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use words::{distance, words};

pub(super) const EXAMPLES: &str = "The set: a CSV with the columns
  file        WAV or FLAC, one channel, one utterance
  transcript  what is said in it
  group       optional: figures are given for each group, too

With --answer number each utterance is a number said digit by digit: the engine is told to expect one, beside the phrases of
--grammar where that is a flow or a list. Words are digits then, and 'understood' is a number of which every digit is right as the
dialogue reads it.

Every utterance is sent through the engine as a call would: frames of 20 ms, half a second of silence around it, a decoder of
its own, a flush at the end. With --grammar manifest the engine is told to expect --phrases phrases of the set, the right one
among them, drawn by --seed; what the dialogue of a flow would take the answer for is compared with what was said: 'right, however
unsure' is the choice alone, 'understood' what the dialogue would take at its turn.min_confidence. --absent asks once more with the
right phrase left out: what is understood then is wrong. Where everything is said in two recordings or more of a group, 'by then'
is what is understood when the caller is asked again and says the next of them. Processor time is that of the whole program, and
how much of it was spent while the utterance came is true with --speed 1 alone.

Examples:
  tipring eval asr --data phrases.csv --phrases 12 --draws 5 --absent
  tipring eval asr --data answers.csv --grammar sip-config/flows/welcome.toml --band telephone --json
  tipring eval asr --data calls.csv --engine whisper --grammar none --speed 1";

/// Silence before and after an utterance, in frames.
const BEFORE: usize = 25;
const AFTER: usize = 15;
/// How long the engine may take for its final answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Audio in flight to engines that cannot say how far they are, in ms: all of an utterance.
const QUEUE_MS: u64 = 120_000;
/// A frame this far below the loudest is not yet speech, in dB.
const ONSET_DB: f32 = 25.0;

/// Arguments of `eval asr`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The labelled set.
    #[arg(long, value_name = "CSV")]
    data: PathBuf,

    /// The engine; without it the first of engine.asr that serves.
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,

    /// What the engine expects: phrases of the set (manifest), nothing (none), the phrases of a flow (a .toml file), or those of
    /// a text file, one a line.
    #[arg(long, default_value = "manifest", value_name = "manifest|none|FILE")]
    grammar: String,

    /// What is asked for: one of some phrases, or a number.
    #[arg(long, value_enum, default_value_t = Answer::Choice)]
    answer: Answer,

    /// How many phrases of the set are expected at a time.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=1024))]
    phrases: u16,

    /// How often phrases are drawn for each utterance.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    draws: u16,

    /// Where the drawing begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Ask again with the right phrase left out.
    #[arg(long)]
    absent: bool,

    /// What the line lets through; without it both.
    #[arg(long, value_enum)]
    band: Option<Band>,

    /// The language of the set.
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,

    /// How fast the audio arrives, in multiples of real time; without it as fast as it can be pushed.
    #[arg(long, value_parser = positive)]
    speed: Option<f64>,

    /// Tell what was heard of each utterance, on standard error.
    #[arg(long)]
    verbose: bool,

    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// What is asked for.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// One of some phrases.
    Choice,
    /// A number that is said digit by digit.
    Number,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|speed: &f64| *speed > 0.0).ok_or_else(|| "give a number above 0, such as 1".to_owned())
}

struct Said {
    file: PathBuf,
    text: String,
    group: Option<String>,
    samples: Vec<i16>,
}

/// Runs the command.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<()> {
    let mut config = settings.engine.clone();
    config.pocketsphinx.queue_ms = config.pocketsphinx.queue_ms.max(QUEUE_MS);
    // Nobody waits for an answer here, and figures of which some come from another engine would be nobody's.
    config.whisper.max_final_ms = PATIENCE.as_millis() as u64;
    if args.speed.is_none() {
        config.pocketsphinx.answer_ms = PATIENCE.as_millis() as u64;
    }
    let names = args.engine.clone().map_or_else(|| config.asr.clone(), |engine| vec![engine]);
    let mut recogniser = None;
    for name in names {
        config.asr = vec![name];
        let built = app::engines(&config).await?.asr;
        let serves = !built.name().is_empty();
        recogniser = Some(built);
        if serves {
            break;
        }
    }
    let recogniser = recogniser.context("engine.asr names no recogniser; name one with --engine")?;
    tokio::task::spawn_blocking(move || score(&args, &settings, &*recogniser)).await?
}

fn score(args: &Args, settings: &Settings, recogniser: &dyn Recognizer) -> anyhow::Result<()> {
    let set = read(&args.data)?;
    let phrases = expected(args, &set)?;
    let least = settings.turn.min_confidence;
    let bands = args.band.map_or_else(|| vec![Band::Telephone, Band::Wide], |band| vec![band]);
    let mut out = Map::new();
    let mut engine = args.engine.clone().unwrap_or_else(|| recogniser.name().to_owned());
    for band in bands {
        let mut all = Figures::default();
        let mut groups: BTreeMap<&str, Figures> = BTreeMap::new();
        for (number, said) in set.iter().enumerate() {
            let frames = padded(said, band);
            for draw in 0..args.draws {
                let dice = Dice::new(args.seed).fork(number as u64).fork(u64::from(draw));
                for absent in [false, true].into_iter().take(1 + usize::from(args.absent)) {
                    let asked = match args.answer {
                        Answer::Choice => drawn(args, said, phrases.as_deref(), absent, dice.clone()),
                        Answer::Number => (!absent).then(|| (phrases.clone().unwrap_or_default(), Some(NUMBER))),
                    };
                    let Some((choices, right)) = asked else { continue };
                    let heard = hear(args, recogniser, &choices, &frames)?;
                    let outcome = match args.answer {
                        Answer::Choice => outcome(said, &choices, right, &heard, &frames),
                        Answer::Number => number_outcome(outcome(said, &choices, right, &heard, &frames), said, &heard),
                    };
                    let outcome = Outcome { take: number, ..outcome };
                    if let Some(name) = heard.engine {
                        engine = name;
                    }
                    if args.verbose {
                        eprintln!(
                            "{}\t{}\t{}\t{:?}\t{:?}\t{:.2}",
                            band.name(),
                            said.file.display(),
                            if absent {
                                "absent"
                            } else if outcome.chosen == outcome.right {
                                "right"
                            } else {
                                "-"
                            },
                            said.text,
                            heard.last.as_ref().map_or("", |last| last.text.trim()),
                            outcome.confidence,
                        );
                    }
                    let group = said.group.as_deref().map(|group| groups.entry(group).or_default());
                    for figures in std::iter::once(&mut all).chain(group) {
                        if absent { &mut figures.absent } else { &mut figures.outcomes }.push(outcome.clone());
                    }
                }
            }
        }
        let mut figures = all.json(least);
        let parts: Map<String, Value> =
            groups.iter().map(|(name, figures)| ((*name).to_owned(), figures.json(least))).collect();
        if !args.json {
            figures::print(&format!("{engine}, {} band", band.name()), &figures);
            parts.iter().for_each(|(name, figures)| figures::print(&format!("  {name}"), figures));
        }
        if !parts.is_empty() {
            figures["groups"] = Value::Object(parts);
        }
        out.insert(band.name().to_owned(), figures);
    }
    if args.json {
        let whole = serde_json::json!({
            "engine": engine,
            "grammar": args.grammar,
            "phrases": if args.grammar == "manifest" { Some(args.phrases) } else { None },
            "draws": args.draws,
            "seed": args.seed,
            "min_confidence": (f64::from(least) * 1000.0).round() / 1000.0,
            "bands": out,
        });
        println!("{}", serde_json::to_string_pretty(&whole)?);
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Said>> {
    let mut set = Vec::new();
    for row in manifest::read(path)? {
        row.required("file")?;
        let text = words(row.required("transcript")?).join(" ");
        let Some(file) = row.path("file") else { continue };
        let samples = sound::read(&file)?;
        set.push(Said { samples, file, text, group: row.get("group").map(str::to_owned) });
    }
    if set.is_empty() {
        bail!("{}: names no files", path.display());
    }
    Ok(set)
}

/// All phrases that may be expected; none where nothing is.
fn expected(args: &Args, set: &[Said]) -> anyhow::Result<Option<Vec<String>>> {
    let mut phrases: Vec<String> = match args.grammar.as_str() {
        "none" => return Ok(None),
        "manifest" if args.answer == Answer::Number => return Ok(None),
        "manifest" => set.iter().map(|said| said.text.clone()).collect(),
        flow if flow.ends_with(".toml") => {
            let flow = Flow::load(flow)?;
            flow.expectations().iter().flat_map(|expectation| expectation.phrases.clone()).collect()
        }
        file => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("--grammar {file}: cannot be read; give manifest, none, a flow or a list"))?;
            text.lines().map(|line| words(line).join(" ")).filter(|line| !line.is_empty()).collect()
        }
    };
    phrases.sort();
    phrases.dedup();
    Ok(Some(phrases))
}

/// What is expected for an utterance, and which of it is right. None: it cannot be left out.
fn drawn(
    args: &Args,
    said: &Said,
    phrases: Option<&[String]>,
    absent: bool,
    mut dice: Dice,
) -> Option<(Vec<String>, Option<usize>)> {
    let Some(phrases) = phrases else { return (!absent).then(|| (Vec::new(), None)) };
    let mut choices: Vec<String> = phrases.iter().filter(|phrase| **phrase != said.text).cloned().collect();
    let known = choices.len() < phrases.len();
    if args.grammar == "manifest" {
        let take = usize::from(args.phrases) - usize::from(!absent);
        while choices.len() > take {
            let at = (dice.unit() * choices.len() as f64) as usize;
            choices.swap_remove(at);
        }
    }
    if absent || !known {
        return (!choices.is_empty()).then_some((choices, None));
    }
    let right = choices.len();
    choices.push(said.text.clone());
    Some((choices, Some(right)))
}

/// The utterance with silence around it.
fn padded(said: &Said, band: Band) -> Vec<AudioFrame> {
    let mut samples = vec![0; BEFORE * FRAME_SAMPLES];
    samples.extend_from_slice(&said.samples);
    samples.extend([0; AFTER * FRAME_SAMPLES]);
    sound::frames(samples, band, None)
}

#[derive(Default)]
struct Heard {
    partial: Option<Hypothesis>,
    last: Option<Hypothesis>,
    engine: Option<String>,
    work: Option<Work>,
}

/// Time that the program's threads have run, in ms; none where the system does not say.
fn processor_ms() -> Option<f64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let ran = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    let all: Vec<f64> = threads.filter_map(|thread| ran(thread.ok()?)).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / 1e6)
}

struct Unpark(Thread);

impl Wakes for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sends an utterance through the engine.
fn hear(args: &Args, recogniser: &dyn Recognizer, choices: &[String], frames: &[AudioFrame]) -> anyhow::Result<Heard> {
    let language = Language(args.language.clone());
    let kind = match args.answer {
        Answer::Number => AnswerKind::Number,
        Answer::Choice if choices.is_empty() => AnswerKind::Open,
        Answer::Choice => AnswerKind::Choice,
    };
    let what = Arc::new(Expectation { language: language.clone(), kind, phrases: choices.to_vec() });
    recogniser.prepare(&what)?;
    let wake: Wake = Arc::new(Unpark(thread::current())).into();
    let mut stream = recogniser.open(&language, wake)?;
    stream.expect(&what);
    let mut heard = Heard::default();
    let (began, before) = (Instant::now(), processor_ms());
    let mut take = |stream: &mut dyn crate::speech::RecognizerStream| -> anyhow::Result<bool> {
        while let Some(hypothesis) = stream.poll() {
            let hypothesis = hypothesis?;
            heard.engine = stream.engine().map(str::to_owned);
            if hypothesis.kind == HypothesisKind::Final {
                heard.last = Some(hypothesis);
                return Ok(true);
            }
            if heard.partial.is_none() && !hypothesis.text.trim().is_empty() {
                heard.partial = Some(hypothesis);
            }
        }
        Ok(false)
    };
    for (frame, number) in frames.iter().zip(1u32..) {
        stream.push(frame);
        if let Some(speed) = args.speed {
            let due = began + Duration::from_millis(20).mul_f64(f64::from(number) / speed);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        take(&mut *stream)?;
    }
    let between = processor_ms();
    stream.flush();
    let flushed = Instant::now();
    while !take(&mut *stream)? {
        if flushed.elapsed() > PATIENCE {
            bail!("the engine gave no final answer within {} s", PATIENCE.as_secs());
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    heard.work = before
        .zip(between)
        .zip(processor_ms())
        .map(|((before, between), after)| Work { speaking_ms: between - before, answer_ms: after - between });
    Ok(heard)
}

fn outcome(said: &Said, choices: &[String], right: Option<usize>, heard: &Heard, frames: &[AudioFrame]) -> Outcome {
    let spoken = words(&said.text);
    let last = heard.last.as_ref();
    let text = last.map_or("", |last| last.text.as_str());
    let got = words(text);
    let first = heard.partial.as_ref();
    Outcome {
        words: spoken.len(),
        errors: distance(&spoken, &got),
        exact: spoken == got,
        chosen: choose(choices, text),
        right,
        confidence: last.map_or(0.0, |last| last.confidence),
        first_partial_ms: first.map(|first| first.covers.ms_since(onset(frames))),
        kept: first.is_some_and(|first| got.starts_with(&words(&first.text))),
        degraded: last.is_some_and(|last| last.degraded),
        work: heard.work,
        said: (said.text.clone(), said.group.clone()),
        take: 0,
    }
}

/// The number in question, and any other.
const NUMBER: usize = 0;
const ANOTHER: usize = 1;

/// The same for a number: its words are digits.
fn number_outcome(outcome: Outcome, said: &Said, heard: &Heard) -> Outcome {
    let read = |text: &str| digits(&tokens(text)).chars().map(String::from).collect::<Vec<_>>();
    let (spoken, got) = (read(&said.text), read(heard.last.as_ref().map_or("", |last| &last.text)));
    let chosen = if got == spoken { NUMBER } else { ANOTHER };
    Outcome {
        words: spoken.len(),
        errors: distance(&spoken, &got),
        exact: spoken == got,
        chosen: (!got.is_empty()).then_some(chosen),
        right: Some(NUMBER),
        ..outcome
    }
}

/// When speech begins.
fn onset(frames: &[AudioFrame]) -> MediaTime {
    let loud = |frame: &AudioFrame| level::rms_dbfs(&frame.samples);
    let loudest =
        frames.iter().filter(|frame| frame.origin == FrameOrigin::Received).map(loud).fold(f32::MIN, f32::max);
    frames.iter().find(|frame| loud(frame) > loudest - ONSET_DB).map_or(MediaTime::from_frames(0), |frame| frame.at)
}

#[cfg(test)]
mod tests;
