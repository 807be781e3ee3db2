//! `tipring models`: what models there are, which are here, and fetching them.

use crate::engine::models::{Fetcher, FileState, Manifest, Model, ModelError, Progress, Verdict, state, verify};
use crate::settings::Settings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

pub(super) const EXAMPLES: &str = "Examples:
  tipring models list
  tipring models fetch whisper-base-q5_1 piper-zh_CN-huayan-medium
  tipring models verify

Models go into the folder that models.dir names; models.mirror names another server, models.manifest a list of your own.";

/// Arguments of `models`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// What there is: for what, under which licence, and whether it is here.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sum the files that are here and say whether they are what the list means. Exit code 1 when one is not.
    Verify {
        /// The models; none: all that are here.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Fetch models. A download that was cut is taken up where it stopped.
    #[command(after_help = EXAMPLES)]
    Fetch {
        /// The models, as `models list` names them.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,

        /// Take files for which the list has no sha256, too: nobody can say whether they are what they should be.
        #[arg(long)]
        allow_unverified: bool,
    },
}

/// Runs the command.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let config = &settings.models;
    let manifest = Manifest::load(config.manifest.as_deref())?;
    match args.command {
        Command::List { json } => {
            match json {
                true => println!("{}", serde_json::to_string_pretty(&listed(&manifest, &config.dir))?),
                false => list(&manifest, &config.dir),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { names } => {
            let (manifest, dir) = (manifest.clone(), config.dir.clone());
            tokio::task::spawn_blocking(move || verified(&manifest, &dir, &names)).await?
        }
        Command::Fetch { names, allow_unverified } => {
            let models = names.iter().map(|name| manifest.get(name)).collect::<Result<Vec<_>, _>>()?;
            let fetcher = Fetcher::new(config)?;
            for model in models {
                fetch(&fetcher, model, allow_unverified).await?;
                ready(model, &settings);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(manifest: &Manifest, dir: &Path) {
    let width = manifest.models.iter().map(|model| model.name.len()).max().unwrap_or(0);
    for model in &manifest.models {
        println!("{:width$}  {:4}  {:>9}  {}", model.name, model.kind.name(), size(model), model.purpose);
        println!("{:width$}  {}; licence: {} ({})", "", here(model, dir), model.licence, model.source);
        let unsummed = model.files.iter().filter(|file| file.sha256.is_none()).count();
        if unsummed > 0 {
            println!(
                "{:width$}  cannot be verified: no sha256 is known for {unsummed} of {} files",
                "",
                model.files.len()
            );
        }
    }
    println!("\nFolder: {}", dir.display());
}

fn listed(manifest: &Manifest, dir: &Path) -> serde_json::Value {
    let file = |file: &crate::engine::models::ModelFile| {
        let state = match state(dir, file) {
            FileState::Missing => json!({"state": "missing"}),
            FileState::Begun(bytes) => json!({"state": "begun", "bytes": bytes}),
            FileState::WrongSize(bytes) => json!({"state": "wrong_size", "bytes": bytes}),
            FileState::There(bytes) => json!({"state": "there", "bytes": bytes}),
        };
        json!({"name": file.name, "url": file.url, "size": file.size, "sha256": file.sha256, "here": state})
    };
    let model = |model: &Model| {
        json!({
            "name": model.name, "kind": model.kind, "for": model.purpose, "licence": model.licence,
            "source": model.source, "files": model.files.iter().map(file).collect::<Vec<_>>(),
        })
    };
    json!({"dir": dir, "models": manifest.models.iter().map(model).collect::<Vec<_>>()})
}

fn here(model: &Model, dir: &Path) -> &'static str {
    match model.state(dir) {
        FileState::Missing => "missing",
        FileState::Begun(_) => "begun: fetch it again to take it up",
        FileState::WrongSize(_) => "here with a wrong size: fetch it again",
        FileState::There(_) => "here",
    }
}

fn size(model: &Model) -> String {
    match model.files.iter().filter_map(|file| file.size).sum::<u64>() {
        0 => "? MB".into(),
        bytes => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn verified(manifest: &Manifest, dir: &Path, names: &[String]) -> anyhow::Result<ExitCode> {
    let asked = !names.is_empty();
    let models = match asked {
        true => names.iter().map(|name| manifest.get(name)).collect::<Result<Vec<_>, _>>()?,
        false => manifest.models.iter().collect(),
    };
    let (mut good, mut bad) = (0, 0);
    for file in models.iter().flat_map(|model| &model.files) {
        let path = dir.join(&file.name);
        let path = path.display();
        match verify(dir, file)? {
            Verdict::Good => {
                good += 1;
                println!("{path}: good");
            }
            Verdict::Unknown(sum) => println!("{path}: not verified, the list has no sha256 for it; it is {sum}"),
            Verdict::Wrong(sum) => {
                bad += 1;
                println!("{path}: WRONG, its sha256 is {sum}: remove it and fetch it again");
            }
            Verdict::Missing if asked => {
                bad += 1;
                println!("{path}: missing");
            }
            Verdict::Missing => {}
        }
    }
    println!("{good} good, {bad} not");
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn fetch(fetcher: &Fetcher, model: &Model, unverified: bool) -> Result<(), ModelError> {
    for file in &model.files {
        let bar = bar(&file.name);
        let mut show = |progress: Progress| {
            bar.set_length(progress.total.unwrap_or(progress.done));
            bar.set_position(progress.done);
        };
        let verdict = fetcher.fetch(file, unverified, &mut show).await;
        bar.finish_and_clear();
        match verdict? {
            Verdict::Unknown(sum) => println!("{}: fetched, not verified (sha256 {sum})", file.name),
            _ => println!("{}: good", file.name),
        }
    }
    Ok(())
}

/// Shown on a terminal only: a log has no use for it.
fn bar(name: &str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

/// Says how the model is put to use.
fn ready(model: &Model, settings: &Settings) {
    println!("licence of {}: {} ({})", model.name, model.licence, model.source);
    if let Some(use_it) = use_it(model, settings) {
        println!("{use_it}");
    }
}

/// What has to be set, if anything.
fn use_it(model: &Model, settings: &Settings) -> Option<String> {
    let (setting, file) = (model.setting.as_ref()?, model.files.first()?);
    // A model that is a folder is named by it; its words lie in it.
    let name = file.name.split_once('/').map_or(file.name.as_str(), |(folder, _)| folder);
    let place = settings.models.dir.join(name);
    let engine = &settings.engine.pocketsphinx;
    let expected = match setting.as_str() {
        "engine.pocketsphinx.narrow_model" => Some(&engine.narrow_model),
        "engine.pocketsphinx.mandarin_model" => Some(&engine.mandarin_model),
        _ => None,
    };
    let place = place.display();
    Some(match expected {
        Some(expected) if *expected == settings.models.dir.join(name) => {
            format!("pocketsphinx takes it from {place} at its next start ({setting})")
        }
        _ => format!("to use it, name {place} in {setting}; docs/engines.md has an example"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_where_it_is_expected_needs_no_setting() {
        let manifest = Manifest::load(None).unwrap();
        let said = |name: &str, dir: &str| {
            let mut settings = Settings::default();
            settings.models.dir = dir.into();
            use_it(manifest.get(name).unwrap(), &settings).unwrap()
        };
        for (name, key) in [("hub4wsj-8k", "narrow_model"), ("tdt-8k", "mandarin_model")] {
            let (usual, elsewhere) = (said(name, "audio-models"), said(name, "/srv/models"));
            assert!(usual.starts_with("pocketsphinx takes it from audio-models/") && usual.contains(key), "{usual}");
            assert!(elsewhere.contains(&format!("/srv/models/{name} in engine.pocketsphinx.{key}")), "{elsewhere}");
        }
        assert!(said("whisper-tiny-q5_1", "audio-models").contains("in engine.whisper.model"));
    }
}
