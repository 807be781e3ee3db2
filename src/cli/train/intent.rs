//! `tipring train intent`.

use crate::cli::eval::manifest;
use crate::nlu::families::Set;
use crate::nlu::learn::{Recipe, Text, fit, teach};
use crate::nlu::{Classifier, Intents, Language};
use anyhow::Context;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  tipring train intent --data train.csv --out mine.intents
  tipring train intent --telesales --out audio-models/intents/telesales.intents

The data: CSV files with the columns text and label, in English, Mandarin or both. Texts with the label oos or out_of_scope are about
something else: with some of them the model also learns from what margin on a text is out of scope. --telesales learns the shipped
families of actions and objections instead, whose held-out part is never learned from. The same data, seed and build give the same file.";

/// Arguments of `train intent`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Labelled texts; may be given several times.
    #[arg(long, value_name = "CSV", required_unless_present = "telesales", conflicts_with = "telesales")]
    data: Vec<PathBuf>,

    /// Learn the shipped telesales families.
    #[arg(long)]
    telesales: bool,

    /// Of the telesales families, those of one language; both when left out.
    #[arg(long, value_name = "zh|en", requires = "telesales", value_parser = crate::cli::eval::intent::language)]
    lang: Option<Language>,

    /// Leave out of the strangers' families, too, whatever shares 60 % with a held-out utterance: for figures, not to be shipped.
    #[arg(long, requires = "telesales")]
    strict: bool,

    /// Where the model is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Where all that is random begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How large the model may be, in kB (of both languages together for --telesales): the features that tell least are left out.
    #[arg(long, value_name = "KB", default_value_t = 5800, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    max_kb: u32,
}

/// Reads labelled texts.
///
/// # Errors
/// A file that cannot be read, or a line without text or label.
pub(in crate::cli) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Text>> {
    let mut texts = Vec::new();
    for path in paths {
        for row in manifest::read(path)? {
            let (text, label) = (row.required("text")?.to_owned(), row.required("label")?.to_owned());
            texts.push(Text { text, label, group: texts.len() });
        }
    }
    Ok(texts)
}

/// Learns a classifier of labelled texts.
///
/// # Errors
/// Fewer than two labels.
pub(in crate::cli) fn learn(texts: &[Text], seed: u64, bytes: usize) -> anyhow::Result<Classifier> {
    // Without texts out of scope there is no margin to learn, and the usual blend serves.
    let odd = texts.iter().any(|text| ["oos", "out_of_scope"].contains(&text.label.to_lowercase().as_str()));
    let recipe = Recipe { seed, bytes, parts: if odd { 3 } else { 0 }, ..Recipe::default() };
    Ok(fit(texts, &recipe, &mut |what| eprintln!("{what}"))?)
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes = args.max_kb as usize * 1000;
    let model = if args.telesales {
        let languages = args.lang.map_or(vec![Language::Zh, Language::En], |language| vec![language]);
        let mut all = Intents::default();
        for language in &languages {
            eprintln!("{}:", language.code());
            let set = Set::shipped(*language)?;
            let recipe = Recipe::telesales(args.seed, bytes / languages.len());
            all.merge(teach(&set, &recipe, args.strict, &mut |what| eprintln!("  {what}"))?);
        }
        all.bytes()
    } else {
        learn(&read(&args.data)?, args.seed, bytes)?.bytes()
    };
    std::fs::write(&args.out, &model).with_context(|| format!("{}: cannot be written", args.out.display()))?;
    eprintln!("{}: {} kB", args.out.display(), model.len() / 1000);
    Ok(())
}
