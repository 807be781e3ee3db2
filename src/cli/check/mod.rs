//! `tipring check`: the doctor. Every finding says what to do.

mod holder;
mod machine;
mod sip;
mod speech;

use crate::settings::{Settings, SettingsError};
use serde::Serialize;
use std::process::ExitCode;

pub(super) const EXAMPLES: &str = "Examples:
  tipring check
  tipring check --config my.toml
  tipring check --json | jq '.[] | select(.level == \"error\")'

Looks at the settings, the ports, the registrars (with the password) and trunks, the folder for records, the engines and the
flows, and says a word to itself through the codecs. Takes ten seconds when peers do not answer.
Exit code 0 when calls can be held, 1 when something stands in the way.";

/// Arguments of `check`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// Calls can be held, not as well as they could be.
    Warning,
    /// Calls cannot be held.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, what: what.into(), fix: None }
    }

    fn warning(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, what: what.into(), fix: Some(fix.into()) }
    }

    fn error(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Error, what: what.into(), fix: Some(fix.into()) }
    }

    /// A warning whose text says already what to do.
    fn noted(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, what: what.into(), fix: None }
    }

    /// An error whose text says already what to do.
    fn failed(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Error, what: what.into(), fix: None }
    }
}

/// Whoever is told the findings.
type Teller<'a> = dyn FnMut(Finding) + 'a;

/// Looks at everything and prints what was found.
pub(super) async fn run(args: Args, settings: Result<Settings, SettingsError>) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let mut tell = |finding: Finding| {
        if !args.json {
            print(&finding);
        }
        findings.push(finding);
    };
    match settings {
        Ok(settings) => {
            tell(Finding::ok("config", "the settings can be read"));
            sip::all(&settings, &mut tell).await;
            machine::http(&settings, &mut tell).await;
            machine::rtp(&settings, &mut tell);
            machine::data_dir(&settings, &mut tell);
            machine::realtime(&mut tell);
            speech::engines(&settings, &mut tell).await;
            speech::turn(&settings, &mut tell).await;
            speech::emotion(&settings, &mut tell);
            let flows = speech::flows(&settings, &mut tell);
            speech::audio(&settings, flows, &mut tell).await;
        }
        Err(error) => tell(Finding::failed("config", error.to_string())),
    }
    let errors = findings.iter().filter(|f| f.level == Level::Error).count();
    let warnings = findings.iter().filter(|f| f.level == Level::Warning).count();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        println!("\n{}", verdict(errors, warnings));
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(errors: usize, warnings: usize) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "All is well.".into(),
        (0, w) => format!("Calls can be held; {}.", count(w, "warning")),
        (e, w) => format!("Calls cannot be held: {}, {}.", count(e, "error"), count(w, "warning")),
    }
}

fn print(finding: &Finding) {
    let mark = match finding.level {
        Level::Ok => "ok     ",
        Level::Warning => "warning",
        Level::Error => "ERROR  ",
    };
    println!("{mark}  {:<9} {}", finding.check, finding.what.replace('\n', "\n                   "));
    if let Some(fix) = &finding.fix {
        println!("{:>19} → {fix}", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_counts() {
        assert_eq!(verdict(0, 0), "All is well.");
        assert_eq!(verdict(0, 1), "Calls can be held; 1 warning.");
        assert_eq!(verdict(2, 0), "Calls cannot be held: 2 errors, 0 warnings.");
    }
}
