//! `tipring flow`: call flows as their authors see them.

use crate::agent::{Flow, FlowError};
use crate::app;
use crate::settings::{Settings, SettingsError};
use crate::speech::{EngineError, Recognizer};
use anyhow::Context;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(super) const EXAMPLES: &str = "Examples:
  tipring flow check sip-config/flows/welcome.toml
  tipring flow check --engines flows/*.toml
  tipring flow graph sip-config/flows/welcome.toml --out welcome.svg

Each finding is a line FILE:LINE: SEVERITY: WHAT, and what to write instead. Exit code 1 when a flow cannot be held.";

/// Arguments of `flow`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Find what keeps a conversation from being held: dead ends, states out of reach, names that nothing fills.
    #[command(after_help = EXAMPLES)]
    Check {
        /// The flows.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Look for words that the configured recogniser cannot hear and for a voice that the synthesisers do not have, too.
        #[arg(long)]
        engines: bool,
    },
    /// Draw a flow: its states, what leads from one to the other, and what holds in all of them.
    #[command(after_help = EXAMPLES)]
    Graph {
        /// The flow.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// The picture, SVG.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs the command. The settings count only where engines are needed.
pub(super) async fn run(args: Args, settings: Result<Settings, SettingsError>) -> anyhow::Result<ExitCode> {
    let (files, engines) = match args.command {
        Command::Check { files, engines } => (files, engines),
        Command::Graph { file, out } => return graph(&file, &out),
    };
    let engines = if engines { Some(app::engines(&settings?.engine).await?) } else { None };
    let mut good = true;
    for file in &files {
        match Flow::load(file) {
            Ok(flow) => {
                let folder = file.parent().unwrap_or(std::path::Path::new(""));
                if let Err(error) = app::equip(flow.clone(), Some(folder)) {
                    good = false;
                    println!("{error:#}");
                    continue;
                }
                let mut findings: Vec<String> = flow.check().iter().map(ToString::to_string).collect();
                if let Some(engines) = &engines {
                    findings.extend(app::strange_voice(&flow, &*engines.tts));
                    let recogniser = Arc::clone(&engines.asr);
                    let flow = flow.clone();
                    let words = tokio::task::spawn_blocking(move || unheard(&flow, &*recogniser)).await??;
                    let texts = texts(file)?;
                    findings.extend(words.iter().map(|word| {
                        let (place, line) = place_of(word, &texts);
                        format!("{place}:{line}: warning: the recogniser cannot hear '{word}': use another word")
                    }));
                }
                findings.iter().for_each(|finding| println!("{finding}"));
                println!("{}: {}", file.display(), summary(&flow, findings.len()));
            }
            Err(error) => {
                good = false;
                println!("{}", told(&error));
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn graph(file: &Path, out: &Path) -> anyhow::Result<ExitCode> {
    let graph = Flow::load(file)?.graph();
    std::fs::write(out, super::graph::svg(&graph)).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}: {} states, {} ways", out.display(), graph.states.len(), graph.ways.len());
    Ok(ExitCode::SUCCESS)
}

/// The words of a flow's answers that a recogniser cannot hear. Compiles the flow for it: not for a thread of the runtime.
pub(super) fn unheard(flow: &Flow, recogniser: &dyn Recognizer) -> Result<BTreeSet<String>, EngineError> {
    let mut words = BTreeSet::new();
    for expectation in flow.expectations() {
        words.extend(recogniser.prepare(&expectation)?);
    }
    Ok(words)
}

/// A flow's file and those that it includes, as far as they can be read, each once: path and text.
fn texts(file: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut all = vec![(file.to_owned(), text)];
    let mut at = 0;
    while let Some((path, text)) = all.get(at) {
        at += 1;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let table: toml::Table = text.parse().unwrap_or_default();
        let names = table.get("include").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for name in names.iter().filter_map(toml::Value::as_str) {
            let path = folder.join(name);
            if all.len() < 64
                && !all.iter().any(|(known, _)| *known == path)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                all.push((path, text));
            }
        }
    }
    Ok(all)
}

/// The file and the line, from 1, that have this word first.
fn place_of(word: &str, texts: &[(PathBuf, String)]) -> (String, usize) {
    let found = texts.iter().find_map(|(path, text)| Some((path, line_of(word, text)?)));
    let first = || texts.first().map(|(path, _)| (path, 1));
    found.or_else(first).map_or_else(|| (String::new(), 1), |(path, line)| (path.display().to_string(), line))
}

/// The first line of a file, from 1, that has this word.
fn line_of(word: &str, text: &str) -> Option<usize> {
    let has = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().to_lowercase();
        line.split(|c: char| !c.is_alphanumeric() && c != '\'').any(|part| part == word)
    };
    text.lines().position(has).map(|at| at + 1)
}

fn summary(flow: &Flow, findings: usize) -> String {
    let states = match flow.state_names().count() {
        1 => "1 state".to_owned(),
        n => format!("{n} states"),
    };
    match findings {
        0 => format!("{states}, all is well"),
        1 => format!("{states}, can be held, 1 warning"),
        n => format!("{states}, can be held, {n} warnings"),
    }
}

fn told(error: &FlowError) -> String {
    match error {
        FlowError::Syntax { file, line, column, what } => format!("{file}:{line}:{column}: error: {what}"),
        FlowError::Read { .. } | FlowError::Invalid { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_its_line() {
        let text = "# yes\nsay = \"Yesterday\"\nphrases = [\"oh yes\", \"don't\"]\n";
        assert_eq!(line_of("yes", text), Some(3));
        assert_eq!(line_of("don't", text), Some(3));
        assert_eq!(line_of("never", text), None);
    }

    #[test]
    fn a_word_is_found_in_an_included_file() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("main.toml");
        std::fs::write(&main, "name = \"x\"\ninclude = [\"words.toml\"]\n").unwrap();
        std::fs::write(folder.path().join("words.toml"), "[phrases]\nyes = [\"zorble\"]\n").unwrap();
        let (place, line) = place_of("zorble", &texts(&main).unwrap());
        assert!(place.ends_with("words.toml") && line == 2, "{place}:{line}");
        let (place, line) = place_of("never", &texts(&main).unwrap());
        assert!(place.ends_with("main.toml") && line == 1, "{place}:{line}");
    }
}
