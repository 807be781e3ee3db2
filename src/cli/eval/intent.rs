//! `tipring eval intent`: is what was meant understood?

use crate::cli::train::intent as train;
use crate::nlu::families::{Set, Utterance};
use crate::nlu::learn::{Chance, Text};
use crate::nlu::{Action, Classifier, Features, Intents, Language, ReadIntents, Scene, Scope};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

pub(super) const EXAMPLES: &str = "Examples:
  tipring train intent --data train.csv --out mine.intents && tipring eval intent --data test.csv --model mine.intents --json
  tipring eval intent --data test.csv --train train.csv
  tipring eval intent --telesales --lang zh --json
  tipring eval intent --telesales --lang en --asr-errors 10 --json

The set: a CSV with the columns text and label. The label oos or out_of_scope is right when the text is refused; a text in scope is right
when its label is found and it is not refused. A label may be a path (finance/credit_card/too_expensive); its last part is then the
action. Without --model and --train the shipped telesales model is asked, whose labels are actions. --telesales scores the shipped
families that were held back.";

/// Texts of a held-out family that are scored.
const EACH: usize = 4;

/// Arguments of `eval intent`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The labelled texts.
    #[arg(long, value_name = "CSV", required_unless_present = "telesales")]
    data: Option<PathBuf>,

    /// A model that `tipring train intent` made.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Learn a model from these texts first.
    #[arg(long, value_name = "CSV", conflicts_with_all = ["model", "telesales"])]
    train: Option<PathBuf>,

    /// Score the held-out telesales families.
    #[arg(long, conflicts_with = "data")]
    telesales: bool,

    /// Of the telesales families, those of this language.
    #[arg(long, value_name = "zh|en", default_value = "en", value_parser = language)]
    lang: Language,

    /// So many percent of the characters (zh) or words (en) are misheard.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    asr_errors: u8,

    /// Where chance begins: which texts of a family, and what is misheard.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Print texts that were misread to standard error.
    #[arg(long)]
    wrong: bool,

    /// Print the figures as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// The language of `--lang`.
pub(in crate::cli) fn language(code: &str) -> Result<Language, String> {
    Language::from_code(code).ok_or_else(|| format!("'{code}' is not a language that intents are read in: zh or en"))
}

/// What was counted.
#[derive(Serialize, Default, Debug)]
struct Figures {
    texts: usize,
    in_scope_texts: usize,
    out_of_scope_texts: usize,
    /// Share that was right, of all texts. All shares are in percent.
    accuracy: f64,
    /// Of the texts in scope: the label found and the text not refused.
    in_scope_accuracy: f64,
    /// The same when nothing is refused.
    in_scope_accuracy_unrefused: f64,
    /// Of the texts out of scope: those refused.
    oos_recall: Option<f64>,
    /// Of the texts in scope: industry, scene and action right, and the text not refused.
    path_accuracy: f64,
    /// The same when only the industry is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_accuracy_industry_known: Option<f64>,
    /// The same when neither industry nor scene is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_accuracy_nothing_known: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    model_bytes: usize,
}

#[derive(Default)]
struct Tally {
    inside: usize,
    outside: usize,
    right: usize,
    unrefused: usize,
    refused: usize,
    path: usize,
    industry_known: usize,
    nothing_known: usize,
    times_us: Vec<f64>,
}

impl Tally {
    fn figures(mut self, model_bytes: usize, scopes: bool) -> Figures {
        let percent = |n: usize, of: usize| n as f64 * 100.0 / of.max(1) as f64;
        self.times_us.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let n = (self.times_us.len() as f64 * share) as usize;
            self.times_us.get(n.min(self.times_us.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Figures {
            texts: self.inside + self.outside,
            in_scope_texts: self.inside,
            out_of_scope_texts: self.outside,
            accuracy: percent(self.right + self.refused, self.inside + self.outside),
            in_scope_accuracy: percent(self.right, self.inside),
            in_scope_accuracy_unrefused: percent(self.unrefused, self.inside),
            oos_recall: (self.outside > 0).then(|| percent(self.refused, self.outside)),
            path_accuracy: percent(self.path, self.inside),
            path_accuracy_industry_known: scopes.then(|| percent(self.industry_known, self.inside)),
            path_accuracy_nothing_known: scopes.then(|| percent(self.nothing_known, self.inside)),
            p50_us: at(0.5),
            p99_us: at(0.99),
            model_bytes,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes = args.model.as_ref().map(|path| {
        std::fs::read(path)
            .with_context(|| format!("{}: cannot be read; 'tipring train intent' makes one", path.display()))
    });
    let bytes = bytes.transpose()?;
    let name = || args.model.as_ref().map_or_else(|| "the shipped model".into(), |path| path.display().to_string());
    let figures = if args.telesales {
        let intents = intents(bytes.as_deref()).with_context(name)?;
        telesales(args, &intents)?
    } else {
        let Some(path) = &args.data else { bail!("give --data FILE.csv or --telesales") };
        let texts = train::read(std::slice::from_ref(path))?;
        if let Some(path) = &args.train {
            let model = train::learn(&train::read(std::slice::from_ref(path))?, args.seed, 5_900_000)?;
            // As it is loaded by others.
            texts_by(args, &texts, &Classifier::load(&model.bytes())?)
        } else if let Some(model) = bytes.as_deref().map(Classifier::load).and_then(Result::ok) {
            texts_by(args, &texts, &model)
        } else {
            texts_by_path(args, &texts, &intents(bytes.as_deref()).with_context(name)?)
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }
    let Figures { texts, in_scope_texts, out_of_scope_texts, model_bytes, .. } = figures;
    println!(
        "{texts} texts, {in_scope_texts} in scope, {out_of_scope_texts} out of scope; the model has {model_bytes} bytes"
    );
    println!("accuracy                {:6.2} %", figures.accuracy);
    println!(
        "in scope                {:6.2} %  ({:.2} % when nothing is refused)",
        figures.in_scope_accuracy, figures.in_scope_accuracy_unrefused
    );
    if let Some(recall) = figures.oos_recall {
        println!("out of scope, refused   {recall:6.2} %");
    }
    println!("whole path              {:6.2} %", figures.path_accuracy);
    if let (Some(industry), Some(nothing)) = (figures.path_accuracy_industry_known, figures.path_accuracy_nothing_known)
    {
        println!("  industry known        {industry:6.2} %\n  nothing known         {nothing:6.2} %");
    }
    println!("time of one text        p50 {:.0} µs, p99 {:.0} µs", figures.p50_us, figures.p99_us);
    Ok(())
}

fn intents(bytes: Option<&[u8]>) -> anyhow::Result<Intents> {
    Ok(match bytes {
        Some(bytes) => Intents::load(bytes)?,
        None => Intents::shipped()?,
    })
}

/// The answer, and how long it took: the quickest of three, because others use the machine too.
fn timed<T>(times_us: &mut Vec<f64>, mut ask: impl FnMut() -> T) -> T {
    let mut quickest = f64::INFINITY;
    let mut once = || {
        let began = Instant::now();
        let answer = ask();
        quickest = quickest.min(began.elapsed().as_secs_f64() * 1e6);
        answer
    };
    once();
    once();
    let answer = once();
    times_us.push(quickest);
    answer
}

fn is_outside(label: &str) -> bool {
    ["oos", "out_of_scope"].contains(&label.to_lowercase().as_str())
}

/// Scores any classifier.
fn texts_by(args: &Args, texts: &[Text], model: &Classifier) -> Figures {
    let mut tally = Tally::default();
    let mut features = Features::default();
    for text in texts {
        let scores = timed(&mut tally.times_us, || {
            features.read(&text.text);
            model.scores(&features)
        });
        let found = scores.best()[0].and_then(|(class, _)| model.labels().get(class)).map_or("", String::as_str);
        if is_outside(&text.label) {
            tally.outside += 1;
            tally.refused += usize::from(!scores.in_scope);
            continue;
        }
        tally.inside += 1;
        let last = |label: &str| label.rsplit('/').next().map(str::to_owned);
        let right = last(found) == last(&text.label);
        tally.unrefused += usize::from(right);
        tally.right += usize::from(right && scores.in_scope);
        tally.path += usize::from(found == text.label && scores.in_scope);
        if args.wrong && !(right && scores.in_scope) {
            eprintln!("{}\t{found}\t{}\t{}", text.label, if scores.in_scope { "" } else { "refused" }, text.text);
        }
    }
    tally.figures(model.bytes().len(), false)
}

/// Scores the reader of intents by labels that are actions or paths.
fn texts_by_path(args: &Args, texts: &[Text], intents: &Intents) -> Figures {
    let mut tally = Tally::default();
    for text in texts {
        let reading = timed(&mut tally.times_us, || intents.read(&text.text, &Scope::default()));
        if is_outside(&text.label) {
            tally.outside += 1;
            tally.refused += usize::from(!reading.in_scope);
            continue;
        }
        tally.inside += 1;
        let right = text.label.rsplit('/').next() == Some(reading.action.id());
        let whole = right && (!text.label.contains('/') || text.label == reading.path());
        tally.unrefused += usize::from(right);
        tally.right += usize::from(right && reading.in_scope);
        tally.path += usize::from(whole && reading.in_scope);
        if args.wrong && !(whole && reading.in_scope) {
            eprintln!("{}\t{}\t{}", text.label, reading.path(), text.text);
        }
    }
    tally.figures(intents.bytes().len(), false)
}

/// Scores the held-out families: with the scene of the flow known, with the industry alone, with neither.
fn telesales(args: &Args, intents: &Intents) -> anyhow::Result<Figures> {
    if !intents.languages().any(|language| language == args.lang) {
        bail!("the model cannot read {}: make one with 'tipring train intent --telesales'", args.lang.code());
    }
    let set = Set::shipped(args.lang)?;
    let mut chance = Chance::new(args.seed ^ 0xa5e);
    let mut tally = Tally::default();
    let share = f32::from(args.asr_errors) / 100.0;
    let scenes: Vec<Scene> = Scene::all().collect();
    for Utterance { text, action, scene, .. } in set.held.utterances(EACH, args.seed) {
        let heard = if share > 0.0 { set.mishearing.garble(&text, share, &mut chance) } else { text };
        // An utterance that names no scene is said in some flow all the same.
        let flow = scene.or_else(|| scenes.get(chance.below(scenes.len())).copied());
        let known =
            Scope { language: Some(args.lang), industry: flow.map(Scene::industry), scene: flow, ..Scope::default() };
        let reading = timed(&mut tally.times_us, || intents.read(&heard, &known));
        let Some(action) = action else {
            tally.outside += 1;
            tally.refused += usize::from(!reading.in_scope);
            continue;
        };
        tally.inside += 1;
        let right = reading.action == action;
        let whole = right && reading.in_scope;
        tally.unrefused += usize::from(right);
        tally.right += usize::from(whole);
        tally.path += usize::from(whole && reading.scene == flow);
        let by_industry = intents.read(&heard, &Scope { scene: None, ..known });
        tally.industry_known += usize::from(whole && by_industry.scene == scene);
        let alone = intents.read(&heard, &Scope { language: Some(args.lang), ..Scope::default() });
        tally.nothing_known +=
            usize::from(whole && alone.scene == scene && alone.industry == scene.map(Scene::industry));
        if args.wrong && !whole {
            let refused = if reading.in_scope { "" } else { "refused" };
            eprintln!("{}\t{}\t{:.2}\t{refused}\t{heard}", Action::id(action), reading.action.id(), reading.confidence);
        }
    }
    Ok(tally.figures(intents.bytes().len(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_refused_text_is_right_out_of_scope_and_wrong_within() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        let mut csv = String::from("text,label\n");
        for n in ["please", "now", "today", "again"] {
            for (text, label) in [("how much is it", "price"), ("call me later", "later"), ("sing me a song", "oos")] {
                csv.push_str(&format!("{text} {n},{label}\n"));
            }
        }
        std::fs::write(&path, csv).unwrap();
        let texts = train::read(std::slice::from_ref(&path)).unwrap();
        let model = train::learn(&texts, 1, 400_000).unwrap();
        let line = <Line as clap::Parser>::parse_from(["eval", "--data", "set.csv"]);
        let figures = texts_by(&line.args, &texts, &model);
        assert_eq!((figures.in_scope_texts, figures.out_of_scope_texts), (8, 4));
        assert!(figures.in_scope_accuracy_unrefused == 100.0 && figures.path_accuracy <= 100.0, "{figures:?}");
        let refused = figures.oos_recall.unwrap();
        let right = figures.in_scope_accuracy * 8.0 + refused * 4.0;
        assert!((figures.accuracy * 12.0 - right).abs() < 1e-6, "{figures:?}");
        assert!(figures.p99_us >= figures.p50_us && figures.model_bytes < 400_000);
    }

    #[test]
    fn held_out_families_are_scored_with_what_is_known() {
        let line = |more: &[&str]| {
            let all = ["eval", "--telesales", "--lang", "en"].iter().chain(more);
            <Line as clap::Parser>::parse_from(all).args
        };
        let intents = Intents::shipped().unwrap();
        let clean = telesales(&line(&[]), &intents).unwrap();
        assert!(clean.in_scope_texts > 1000 && clean.out_of_scope_texts > 30, "{clean:?}");
        assert_eq!(clean.path_accuracy, clean.in_scope_accuracy, "a known scene is never wrong");
        assert!(clean.path_accuracy_nothing_known.unwrap() <= clean.path_accuracy);
        // Below what was published (docs/intents.md) something broke.
        assert!(clean.path_accuracy > 85.0, "{clean:?}");
        let misheard = telesales(&line(&["--asr-errors", "10"]), &intents).unwrap();
        assert!(misheard.path_accuracy < clean.path_accuracy, "{misheard:?}");
    }
}
