//! `tipring demo`: one real call on loopback between a scripted caller and the agent, as it happens.

use super::lab::{Account, Lab, Scratch, observed};
use super::lines::{Line, Lines, Voices, Words};
use super::phone::Manner;
use super::report::{self, Console};
use crate::agent::AgentEvent;
use crate::call::{LiveEvent, LiveKind};
use crate::phone::{Act, Happening, HeldCall, Machine, Report, Step, failed_call};
use crate::record::Speaker;
use crate::settings::Settings;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Examples for `--help`.
pub const EXAMPLES: &str = "Examples:
  tipring demo
  tipring demo --report out --say \"yes [300] i will come\" --say question.wav --barge-in \"where is it@1200\"";

/// What the caller does where the command line does not say, for the flow `welcome`.
fn default_lines() -> Vec<Line> {
    let say = |text: &str| Line::Say(Words::Text(text.to_owned()));
    vec![
        say("yes [280] i will come"),
        say("what time does it start"),
        say("how long does it take"),
        Line::BargeIn(Words::Text("how much does it cost".to_owned()), 1100),
        say("where is [320] the open day"),
        say("no thank you"),
    ]
}

/// Arguments of `tipring demo`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    lines: Lines,

    #[command(flatten)]
    manner: Manner,

    /// The flow that answers; without, the configured one.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,

    /// Write report.json, transcript.txt, call.wav (stereo: left the caller, right the agent), timeline.svg and the server's own
    /// record and recording here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Permit a configuration with the scripted recogniser, which proves nothing about recognition.
    #[arg(long)]
    allow_scripted: bool,

    /// Print the report as JSON to standard output, everything else to standard error.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit codes: 0 every turn was answered, 1 one was not, 2 the call failed.
///
/// # Errors
/// Whatever keeps the server or the telephone from starting, and files that cannot be read or written.
pub async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let console = Console { json: args.json };
    let lines = if args.lines.0.is_empty() { default_lines() } else { args.lines.0 };
    let manner = args.manner;
    let steps = Voices::new(&manner.lang).steps(&lines, &manner.voice, manner.silence()).await?;

    let scratch = Scratch::new()?;
    let dir = args.report.as_ref().map_or_else(|| scratch.path().to_owned(), |dir| dir.join("server"));
    let lab = Lab::start(settings, args.flow.as_deref(), &dir, manner.codecs(), args.allow_scripted).await?;
    console.line(format_args!("calling {} over SIP and RTP on loopback", lab.target()));
    let screen = Screen::new(console, &steps);
    let watching = tokio::spawn(watch(lab.events(), Arc::clone(&screen)));
    let mut show = |happening: &Happening| screen.happening(happening);
    let held = lab.hold(manner.plan(&steps, 0, args.report.is_some()), &mut show).await;

    let mut report = Report::new("demo");
    let mut recordings = Vec::new();
    let mut held_as = None;
    match held {
        Ok((mut held, account)) => {
            if let Some(recording) = held.log.recording.take() {
                recordings.push((recording, held.answered()));
            }
            held_as = account.as_ref().map(|account| account.record.id);
            add_call(&mut report, &held, account.as_ref());
        }
        Err(error) => {
            console.line(format_args!("the call failed: {error}"));
            report.add_call(failed_call(lab.target(), &error), Duration::ZERO, &[], &[]);
        }
    }
    report.machine = Machine::here();
    let store = lab.store();
    lab.shutdown().await;
    watching.abort();
    if let Some(dir) = &args.report {
        report::write(dir, &report, &recordings)?;
        // Drawn by the time the server is down.
        let picture = held_as.and_then(|id| store.picture(id));
        if let Some(picture) = &picture {
            let copy = dir.join("timeline.svg");
            std::fs::copy(picture, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        }
        tell_files(console, dir, &dir.join("server"), picture.is_some());
    }
    if !args.json {
        console.line("");
    }
    console.finish(&report)?;
    Ok(report::verdict(&report, usize::MAX, None))
}

/// Adds a call with both sides' accounts of it.
pub fn add_call(report: &mut Report, held: &HeldCall, account: Option<&Account>) {
    let rows = account.map(|account| observed(account, held.log.origin)).unwrap_or_default();
    report.add_call(held.report(), held.answered(), &held.turns(), &rows);
    if let Some(account) = account {
        report.set_engines(account.record.engines.clone());
    }
}

fn tell_files(console: Console, dir: &Path, server: &Path, drawn: bool) {
    console.line("");
    for (name, what) in [
        ("report.json", "every turn and the figures"),
        ("transcript.txt", "the conversation"),
        ("call.wav", "the recording at the telephone, left the caller, right the agent"),
    ] {
        console.line(format_args!("{}   {what}", dir.join(name).display()));
    }
    if drawn {
        let path = dir.join("timeline.svg");
        console.line(format_args!("{}   the call in time: where the milliseconds went", path.display()));
    }
    console.line(format_args!("{}   the server's own record, recording and picture", server.display()));
}

/// Both sides as they speak, on one screen.
struct Screen {
    console: Console,
    lines: Vec<String>,
    gap_ms: Mutex<Option<f64>>,
}

impl Screen {
    fn new(console: Console, steps: &[Step]) -> Arc<Self> {
        let line = |step: &Step| match &step.act {
            Act::Say(utterance) | Act::Aside(utterance, _) => utterance.name().to_owned(),
            Act::Press(keys) => format!("[keys {keys}]"),
        };
        Arc::new(Self { console, lines: steps.iter().map(line).collect(), gap_ms: Mutex::new(None) })
    }

    fn happening(&self, happening: &Happening) {
        match happening {
            Happening::Begins(index) => {
                if let Some(line) = self.lines.get(*index) {
                    self.console.line(format_args!("{:>9}  caller  {line}", ""));
                }
            }
            Happening::AgentSpeaks { gap_ms: Some(gap), .. } => {
                *self.gap_ms.lock().unwrap_or_else(PoisonError::into_inner) = Some(*gap);
            }
            Happening::AgentSpeaks { gap_ms: None, .. } | Happening::Said(_) | Happening::Over { .. } => {}
        }
    }

    fn agent(&self, event: &AgentEvent) {
        let AgentEvent::Turn(turn) = event else { return };
        match turn.speaker {
            Speaker::Caller => self.console.line(format_args!("{:>9}  heard   {}", "", turn.text)),
            Speaker::Agent => {
                let gap = self.gap_ms.lock().unwrap_or_else(PoisonError::into_inner).take();
                let gap = gap.map_or_else(String::new, |gap| report::ms(Some(gap)));
                let cut = if turn.interrupted { " –" } else { "" };
                self.console.line(format_args!("{gap:>9}  agent   {}{cut}", turn.text));
            }
        }
    }
}

async fn watch(mut events: broadcast::Receiver<LiveEvent>, screen: Arc<Screen>) {
    loop {
        match events.recv().await {
            Ok(LiveEvent { kind: LiveKind::Agent(event), .. }) => screen.agent(&event),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_conversation_holds_an_interruption_and_a_pause() {
        let lines = default_lines();
        assert!(lines.iter().any(|line| matches!(line, Line::BargeIn(..))));
        assert!(lines.iter().any(|line| matches!(line, Line::Say(Words::Text(text)) if text.contains('['))));
        assert!(lines.len() >= 5);
    }
}
