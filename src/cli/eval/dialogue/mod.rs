//! `tipring eval dialogue`: calls with a flow, in writing, against what should come of them.

mod set;

use crate::agent::{Agent, AgentEvent, AgentPlan};
use crate::app;
use crate::call::FlowBook;
use crate::nlu::ReadIntents;
use crate::record::{EndReason, Speaker};
use crate::settings::Settings;
use crate::sim::Talk;
use crate::speech::{Exchange, LanguageModel};
use anyhow::{Context, bail};
use serde::Serialize;
use set::{Check, Dialogue};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "The set: a TOML file, or a folder of them, with the folders in it.
  flow = \"credit_card.en\"                 # a shipped flow, or FILE.toml beside the set
  lead = { name = \"Ann\" }                 # variables
  [[family]]
  name = \"too expensive\"
  expect = [\"needs\", \"objection=too_expensive\", \"pitch, slot:how=high\"]
  talks = [                                # each line is a call, each text what the caller says
    [\"yes\", \"that is too much\", \"a thousand a month\"],
    [\"go on\", \"far too expensive\", \"quite a lot\"],
  ]
After each text all that its expectation names must be so: a state's name, objection=, slot:NAME=, offer=, accepted=, disposition=, source=
(the heading of the fact answered from), end, end=completed|transferred, transfer=, says=, unsaid=, unknown (no fact answers), refused (a call of a tool). '~' is
silence, '#12' presses keys, '-' expects nothing.

Examples:
  tipring eval dialogue --data tests/corpus/dialogues --llm template
  tipring eval dialogue --data tests/corpus/dialogues --recordings tests/corpus/dialogues/answers.jsonl --min-percent 98 --json
  tipring eval dialogue --data mine.toml --llm openai --record answers.jsonl";

/// How long a model may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `eval dialogue`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The dialogues: a file or a folder.
    #[arg(long, value_name = "PATH")]
    data: PathBuf,

    /// The language model; without it engine.llm.
    #[arg(long, value_name = "NAME")]
    llm: Option<String>,

    /// Leave the classifier out: the flow's phrases alone decide.
    #[arg(long)]
    no_intents: bool,

    /// Recorded answers: the engine `recorded` gives them, and the flow's own words where there is none.
    #[arg(long, value_name = "FILE", conflicts_with = "llm")]
    recordings: Option<PathBuf>,

    /// Write down what the model was asked and answered, each question once.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Exit code 1 when fewer dialogues than this come out as expected, in percent.
    #[arg(long, value_name = "P")]
    min_percent: Option<f64>,

    /// Show every dialogue that comes out otherwise, on standard error.
    #[arg(long)]
    verbose: bool,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// How many were looked at, and how many were as expected.
#[derive(Serialize, Default, Clone, Copy)]
struct Tally {
    all: u32,
    right: u32,
    percent: f64,
}

impl Tally {
    fn add(&mut self, right: bool) {
        self.all += 1;
        self.right += u32::from(right);
        self.percent = f64::from(self.right) * 100.0 / f64::from(self.all);
    }
}

#[derive(Serialize, Default)]
struct Figures {
    dialogues: Tally,
    turns: Tally,
    moves: BTreeMap<&'static str, Tally>,
    flows: BTreeMap<String, Tally>,
    llm: String,
    /// Questions to the language model, those that it answered itself, and those that the flow's own words had to do for.
    questions: u32,
    answered_by_model: u32,
    ready_lines: u32,
    dialogues_per_s: f64,
}

/// Runs the command.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut config = settings.engine.clone();
    if let Some(name) = &args.llm {
        config.llm = vec![name.clone()];
    }
    if let Some(file) = &args.recordings {
        config.recorded.files = vec![file.clone()];
        config.llm = vec!["recorded".to_owned(), "template".to_owned()];
    }
    let dialogues = set::read(&args.data)?;
    let model = app::language_model(&config).await?;
    let flows = app::flows(settings.calls.flows_dir.as_deref())?;
    let turn = settings.turn.clone();
    let intents = if args.no_intents { None } else { app::intents(&settings) };
    let (verbose, min_percent, json, record) = (args.verbose, args.min_percent, args.json, args.record.clone());
    let held = tokio::task::spawn_blocking(move || hold(&dialogues, &flows, &*model, &turn, intents.as_ref(), verbose));
    let (figures, exchanges) = held.await??;
    if let Some(path) = record {
        write(&path, exchanges)?;
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print(&figures);
    }
    let enough = min_percent.is_none_or(|least| figures.dialogues.percent >= least);
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn hold(
    dialogues: &[Dialogue],
    flows: &FlowBook,
    model: &dyn LanguageModel,
    turn: &crate::agent::TurnConfig,
    intents: Option<&Arc<dyn ReadIntents>>,
    verbose: bool,
) -> anyhow::Result<(Figures, BTreeMap<String, Exchange>)> {
    let mut figures = Figures { llm: model.name().to_owned(), ..Figures::default() };
    let mut exchanges = BTreeMap::new();
    let mut beside = BTreeMap::new();
    let began = Instant::now();
    for dialogue in dialogues {
        let flow = if dialogue.flow.ends_with(".toml") {
            let path = dialogue.folder.join(&dialogue.flow);
            let load = || app::flow(&path).with_context(|| dialogue.place.clone());
            match beside.get(&path) {
                Some(flow) => Arc::clone(flow),
                None => Arc::clone(beside.entry(path.clone()).or_insert(load()?)),
            }
        } else {
            flows.get(&dialogue.flow).with_context(|| dialogue.place.clone())?
        };
        let plan = AgentPlan { variables: dialogue.lead.clone(), intents: intents.cloned(), ..AgentPlan::default() };
        let agent = Agent::with_plan(flow, plan, turn.clone());
        let mut talk = Talk::begin(agent, model, PATIENCE);
        talk.take_events();
        let (mut right, mut story) = (true, Vec::new());
        for (said, checks) in &dialogue.turns {
            caller(&mut talk, said).with_context(|| dialogue.place.clone())?;
            let events = talk.take_events();
            story.push(format!("  caller: {said}"));
            story.extend(spoken(&events).map(|line| format!("  agent:  {line}")));
            let mut turn_right = true;
            for check in checks {
                let fine = seen(check, &talk, &events);
                figures.moves.entry(check.kind()).or_default().add(fine);
                if !fine {
                    let state = talk.agent().state_name();
                    story.push(format!(
                        "  ------  expected {check}; the state is {state}, slots {:?}",
                        talk.agent().slots()
                    ));
                }
                turn_right &= fine;
            }
            figures.turns.add(turn_right);
            right &= turn_right;
        }
        for exchange in talk.take_exchanges() {
            figures.questions += 1;
            let by_flow = exchange.engine.is_empty() || exchange.engine == "template" || exchange.end != "done";
            *(if by_flow { &mut figures.ready_lines } else { &mut figures.answered_by_model }) += 1;
            exchanges.insert(exchange.key.clone(), exchange);
        }
        figures.dialogues.add(right);
        figures.flows.entry(dialogue.flow.clone()).or_default().add(right);
        if verbose && !right {
            eprintln!("{}", dialogue.place);
            story.iter().for_each(|line| eprintln!("{line}"));
        }
    }
    figures.dialogues_per_s = f64::from(figures.dialogues.all) / began.elapsed().as_secs_f64().max(1e-6);
    Ok((figures, exchanges))
}

/// One move of the caller.
fn caller(talk: &mut Talk<'_>, said: &str) -> anyhow::Result<()> {
    match said.strip_prefix('#') {
        Some(keys) => {
            if let Some(wrong) = keys.chars().find(|key| !"0123456789*#ABCD".contains(*key)) {
                bail!("'{said}': '{wrong}' is no key");
            }
            keys.chars().for_each(|key| talk.press(key));
        }
        None if said == "~" => talk.wait(),
        None => talk.say(said, 0.95),
    }
    Ok(())
}

/// What the agent said.
fn spoken(events: &[AgentEvent]) -> impl Iterator<Item = &str> {
    events.iter().filter_map(|event| match event {
        AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => Some(turn.text.as_str()),
        _ => None,
    })
}

/// What was expected is so.
fn seen(check: &Check, talk: &Talk<'_>, events: &[AgentEvent]) -> bool {
    let agent = talk.agent();
    match check {
        Check::State(state) => state == "-" || agent.state_name() == state,
        Check::Slot(slot, value) => agent.slots().get(slot).is_some_and(|filled| filled.eq_ignore_ascii_case(value)),
        Check::Disposition(disposition) => agent.disposition() == Some(disposition),
        Check::End(None) => talk.is_over(),
        Check::End(Some(reason)) => talk.end().map(EndReason::label) == Some(reason.as_str()),
        Check::Transfer(target) => talk.transfer() == Some(target),
        Check::Says(words) => spoken(events).any(|line| line.to_lowercase().contains(&words.to_lowercase())),
        Check::Unsaid(words) => !spoken(events).any(|line| line.to_lowercase().contains(&words.to_lowercase())),
        Check::Objection(class) => events.iter().any(|event| objects(event, class)),
        Check::Offer(offer) => events.iter().any(|event| offers(event, offer, false)),
        Check::Accepted(offer) => events.iter().any(|event| offers(event, offer, true)),
        Check::Source(heading) => events.iter().any(|event| cites(event, heading)),
        Check::Unknown => {
            events.iter().any(|event| matches!(event, AgentEvent::Slot { name, .. } if name == "open_question"))
        }
        Check::Refused => events.iter().any(refuses),
    }
}

/// The caller's turn was understood as this objection.
fn objects(event: &AgentEvent, class: &str) -> bool {
    match event {
        AgentEvent::Objection(objection) => objection.class == class,
        AgentEvent::Understood(notes) => notes.objection.as_deref() == Some(class),
        _ => false,
    }
}

/// This offer was made, or accepted.
fn offers(event: &AgentEvent, name: &str, accepted: bool) -> bool {
    matches!(event, AgentEvent::Offer(offer) if offer.offer == name && (offer.accepted || !accepted))
}

/// The agent answered from a fact with this heading.
fn cites(event: &AgentEvent, heading: &str) -> bool {
    let named = |source: &String| source.split_once('#').is_some_and(|(_, named)| named == heading);
    matches!(event, AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent && turn.notes.sources.first().is_some_and(named))
}

/// The model called a tool that it may not.
fn refuses(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::Tool(tool) if tool.verdict != "done")
}

/// Writes questions and answers, one a line.
fn write(path: &std::path::Path, exchanges: BTreeMap<String, Exchange>) -> anyhow::Result<()> {
    let mut out = Vec::new();
    for exchange in exchanges.into_values() {
        serde_json::to_writer(&mut out, &exchange)?;
        out.write_all(b"\n")?;
    }
    std::fs::write(path, out).with_context(|| format!("{}: cannot be written", path.display()))
}

fn print(figures: &Figures) {
    let Figures { dialogues, turns, .. } = figures;
    println!(
        "{} dialogues, {} as expected ({:.1} %), with {}",
        dialogues.all, dialogues.right, dialogues.percent, figures.llm
    );
    println!("{} turns, {} as expected ({:.1} %)", turns.all, turns.right, turns.percent);
    for (kind, tally) in &figures.moves {
        println!("  {kind:<12} {:>5} of {:>5} ({:.1} %)", tally.right, tally.all, tally.percent);
    }
    for (flow, tally) in &figures.flows {
        println!("  {flow:<24} {:>5} of {:>5} ({:.1} %)", tally.right, tally.all, tally.percent);
    }
    println!(
        "{} questions to the language model: {} answered by it, {} by the flow's own words",
        figures.questions, figures.answered_by_model, figures.ready_lines
    );
}
