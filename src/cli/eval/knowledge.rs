//! `tipring eval knowledge`: a folder of facts against questions, with and without an answer in it.

use super::manifest;
use crate::knowledge::{Desk, Knowledge};
use crate::speech::FactFinder;
use anyhow::bail;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;

pub(super) const EXAMPLES: &str = "The set: a CSV with the columns
  question    as a caller puts it
  heading     the heading of the fact that answers it; empty where none does
  language    en or zh

Examples:
  tipring eval knowledge --facts tests/corpus/knowledge/facts --data tests/corpus/knowledge/questions.csv
  tipring eval knowledge --facts sip-config/knowledge/credit_card --data questions.csv --json

An answer is right when it is the fact named. precision_percent: of the answers given, those that are right. recall_percent: of the
questions with an answer, those answered right. Times are those of looking up alone.";

/// Arguments of `eval knowledge`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The folder with the facts.
    #[arg(long, value_name = "DIR")]
    facts: PathBuf,

    /// The labelled set.
    #[arg(long, value_name = "CSV")]
    data: PathBuf,

    /// Tell what was found for each question, on standard error.
    #[arg(long)]
    verbose: bool,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What came of the questions of one language.
#[derive(Serialize, Default)]
struct Row {
    questions: u32,
    answerable: u32,
    /// The fact named was the best found, however sure.
    found: u32,
    answered: u32,
    answered_right: u32,
    /// Questions without an answer that were answered all the same.
    invented: u32,
    precision_percent: f64,
    recall_percent: f64,
    found_percent: f64,
}

#[derive(Serialize)]
struct Figures {
    facts: usize,
    languages: BTreeMap<String, Row>,
    lookups: usize,
    lookup_p50_us: u64,
    lookup_p99_us: u64,
}

/// Whether a source, `file#heading`, is the fact with that heading.
fn is_of(source: &str, heading: &str) -> bool {
    source.split_once('#').is_some_and(|(_, named)| named == heading)
}

/// Runs the command. Blocks.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let knowledge = Arc::new(Knowledge::read(&args.facts)?);
    let today = || OffsetDateTime::now_utc().date();
    let mut languages: BTreeMap<String, Row> = BTreeMap::new();
    let mut times = Vec::new();
    for asked in manifest::read(&args.data)? {
        let (language, question) = (asked.required("language")?, asked.required("question")?);
        let heading = asked.get("heading");
        if !["en", "zh"].contains(&language) {
            bail!("{}: '{language}' is no language of facts: write en or zh", asked.place);
        }
        if let Some(heading) = heading
            && !knowledge.facts().any(|fact| fact.language == language && is_of(&fact.source(), heading))
        {
            let folder = args.facts.display();
            bail!(
                "{}: no fact in {language} below {folder} has the heading '{heading}': write one that is there",
                asked.place
            );
        }
        let desk = Desk::new(Arc::clone(&knowledge), language, None, today);
        let began = Instant::now();
        let facts = desk.find(question);
        times.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        let best = facts.passages.first();
        let right = heading.is_some_and(|heading| best.is_some_and(|best| is_of(&best.source, heading)));
        if args.verbose {
            let (sure, source) = best.map_or((0.0, "-"), |best| (best.sure, best.source.as_str()));
            let verdict = match (facts.answered, right, heading) {
                (true, true, _) => "right",
                (true, false, _) => "WRONG",
                (false, _, None) => "rightly silent",
                (false, ..) => "silent",
            };
            eprintln!("{verdict:>14} {sure:.2} {question} -> {source}");
        }
        let row = languages.entry(language.to_owned()).or_default();
        row.questions += 1;
        row.answerable += u32::from(heading.is_some());
        row.found += u32::from(right);
        row.answered += u32::from(facts.answered);
        row.answered_right += u32::from(facts.answered && right);
        row.invented += u32::from(facts.answered && heading.is_none());
    }
    let share = |part: u32, of: u32| f64::from(part) * 100.0 / f64::from(of.max(1));
    for row in languages.values_mut() {
        row.precision_percent = share(row.answered_right, row.answered);
        row.recall_percent = share(row.answered_right, row.answerable);
        row.found_percent = share(row.found, row.answerable);
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0);
    let figures = Figures {
        facts: knowledge.len(),
        languages,
        lookups: times.len(),
        lookup_p50_us: at(50),
        lookup_p99_us: at(99),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }
    println!(
        "{} facts; a look-up takes {} us (median), {} us (p99)",
        figures.facts, figures.lookup_p50_us, figures.lookup_p99_us
    );
    for (language, row) in &figures.languages {
        println!(
            "{language}: {} questions, {} with an answer; precision {:.1} %, recall {:.1} %, {} of {} without one answered all the same",
            row.questions,
            row.answerable,
            row.precision_percent,
            row.recall_percent,
            row.invented,
            row.questions - row.answerable
        );
    }
    Ok(())
}
