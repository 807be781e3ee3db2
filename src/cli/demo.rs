//! `tipring demo`: one real call on loopback between a scripted caller and the agent, as it happens.

use super::lab::{Account, Lab, Scratch, observed};
use super::lines::{Line, Lines, Voices, Words};
use super::phone::Manner;
use super::report::{self, Console};
use crate::agent::AgentEvent;
use crate::app;
use crate::call::{LiveEvent, LiveKind};
use crate::phone::{Act, Happening, HeldCall, Machine, Report, SpokenReport, Step, failed_call};
use crate::record::Speaker;
use crate::settings::Settings;
use crate::speech::{EngineError, Language};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Examples for `--help`.
pub const EXAMPLES: &str = "Examples:
  tipring demo
  tipring demo --lang zh --report out
  tipring demo --flow welcome
  tipring demo --report out --say \"yes [300] i will come\" --say question.wav --barge-in \"where is it@1200\"";

/// The flow of the demonstration where none is named.
fn default_flow(language: &str) -> &'static str {
    if language.starts_with("zh") { "credit_card.zh" } else { "credit_card.en" }
}

/// What the caller does where the command line does not say: in a sales call objections, a question, what is wanted, a sign of
/// wanting to buy, a yes to the offer.
fn default_lines(flow: &str, language: &str) -> Vec<Line> {
    let say = |text: &str| Line::Say(Words::Text(text.to_owned()));
    if language.starts_with("zh") {
        return [
            "我没兴趣",
            "那你说说",
            "好吧",
            "网购多，线上付",
            "你们是不是骗子",
            "好的",
            "有两张，三千左右",
            "多返现吧",
            "太贵了",
            "有道理",
            "怎么办理",
            "可以",
            "好的",
        ]
        .map(say)
        .to_vec();
    }
    if flow != "welcome" {
        return vec![
            say("i am not interested"),
            say("yes okay"),
            say("yes of course"),
            say("mostly [280] groceries"),
            say("about a thousand a month"),
            say("is this a scam"),
            say("all right"),
            Line::BargeIn(Words::Text("how much does it cost".to_owned()), 1500),
            say("it is too expensive"),
            say("yes that makes sense"),
            say("how do i apply"),
            say("yes please"),
            say("this number is fine"),
            say("no thank you"),
        ];
    }
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

    /// The flow that answers; without, a sales call in the language of --lang.
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
    let manner = args.manner;
    let flow = args.flow.unwrap_or_else(|| default_flow(&manner.lang).to_owned());
    let lines = if args.lines.0.is_empty() { default_lines(&flow, &manner.lang) } else { args.lines.0 };
    let mut settings = settings;
    let scripted = args.allow_scripted || hears_nothing(&settings, &manner.lang).await?;
    if scripted && !args.allow_scripted {
        console.line(format_args!(
            "no configured recogniser hears {}: the engine 'scripted' is told what the caller says, and nothing here is a \
             measurement of recognition (docs/engines.md says which engines hear it)",
            manner.lang
        ));
        settings.engine.asr = vec!["scripted".to_owned()];
        settings.engine.scripted.asr.lines = lines.iter().filter_map(told).collect();
    }
    let recorded = |line: &Line| matches!(line, Line::Say(Words::File(..)) | Line::BargeIn(Words::File(..), _));
    if scripted && settings.turn.mood.track && !lines.iter().any(recorded) {
        console.line(format_args!(
            "the caller's voice is made by a machine and never impatient, angry or sad: turn.mood.track is off in this call, so \
             that nothing follows what would be read in it (docs/emotion.md)"
        ));
        settings.turn.mood.track = false;
    }
    let steps = Voices::new(&manner.lang).steps(&lines, &manner.voice, manner.silence()).await?;

    let scratch = Scratch::new()?;
    let dir = args.report.as_ref().map_or_else(|| scratch.path().to_owned(), |dir| dir.join("server"));
    let lab = Lab::start(settings, Some(flow.as_str()), &dir, manner.codecs(), scripted).await?;
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
        report.conversation = account.record.turns.iter().map(SpokenReport::of).collect();
        if let Some(call) = report.calls.last_mut() {
            call.moods.clone_from(&account.record.moods);
        }
    }
}

/// Whether no configured recogniser knows the language.
async fn hears_nothing(settings: &Settings, language: &str) -> anyhow::Result<bool> {
    if language.starts_with("en") {
        return Ok(false);
    }
    let engines = app::engines(&settings.engine).await?;
    let language = Language(language.to_owned());
    // Opening a recogniser may take its time.
    let opened = tokio::task::spawn_blocking(move || engines.asr.open(&language, Waker::noop().clone()).err()).await?;
    Ok(matches!(opened, Some(EngineError::Language { .. })))
}

/// What the scripted recogniser hears of a line.
fn told(line: &Line) -> Option<String> {
    match line {
        Line::Say(Words::Text(text)) | Line::BargeIn(Words::Text(text), _) => Some(plain(text)),
        Line::Say(Words::File(_, words)) | Line::BargeIn(Words::File(_, words), _) => {
            Some(words.clone().unwrap_or_default())
        }
        Line::Dtmf(_) | Line::After(_) => None,
    }
}

/// A text without the marks of its pauses.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before.trim_end());
        rest = after.split_once(']').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
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
        for flow in ["welcome", default_flow("en")] {
            let lines = default_lines(flow, "en");
            assert!(lines.iter().any(|line| matches!(line, Line::BargeIn(..))));
            assert!(lines.iter().any(|line| matches!(line, Line::Say(Words::Text(text)) if text.contains('['))));
            assert!(lines.len() >= 5);
        }
        assert!(default_lines(default_flow("zh-CN"), "zh-CN").len() >= 8);
    }

    #[test]
    fn the_shipped_sales_calls_end_with_a_sale() {
        use crate::agent::{AgentEvent, AgentPlan, Chat, ChatOutput, TurnConfig};
        use crate::record::ObjectionOutcome;
        for language in ["zh", "en"] {
            let flow = app::flows(None).unwrap().get(default_flow(language)).unwrap();
            let intents = app::intents(&Settings::default());
            let plan = AgentPlan { intents, ..AgentPlan::default() };
            let mut chat = Chat::new(flow, plan, &TurnConfig::default());
            let (mut outputs, mut answered, mut offers) = (chat.start(), 0, 0);
            for line in default_lines(default_flow(language), language).iter().filter_map(told) {
                assert!(!chat.has_ended(), "{language}: the call ends before '{line}'");
                outputs.extend(chat.say(&line));
                while outputs.iter().any(|output| matches!(output, ChatOutput::Ask(_))) {
                    outputs = chat.answer(None);
                }
                for output in outputs.drain(..) {
                    match output {
                        ChatOutput::Event(AgentEvent::Objection(it)) if it.outcome == ObjectionOutcome::Resolved => {
                            answered += 1;
                        }
                        ChatOutput::Event(AgentEvent::Offer(_)) => offers += 1,
                        _ => {}
                    }
                }
            }
            assert_eq!((chat.disposition(), chat.has_ended()), (Some("signed_up"), true), "{language}");
            assert!(answered >= 2 && offers >= 2, "{language}: {answered} objections answered, {offers} offers");
        }
    }

    #[test]
    fn the_scripted_recogniser_is_told_the_words_alone() {
        let say = |text: &str| Line::Say(Words::Text(text.to_owned()));
        let heard: Vec<String> =
            [say("yes [280] i will"), Line::Dtmf("1".to_owned()), say("好")].iter().filter_map(told).collect();
        assert_eq!(heard, ["yes i will", "好"]);
    }
}
