//! `tipring chat`: talk to a flow in the terminal.

use super::replay;
use crate::agent::{AgentEvent, AgentPlan, Chat, ChatOutput, Flow, TurnConfig};
use crate::app;
use crate::record::{MoodKind, TurnNotes};
use crate::settings::Settings;
use crate::speech::{ChatRequest, LanguageModel, Reply};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "Examples:
  tipring chat --flow welcome
  tipring chat --replay 01K… --again
  tipring chat --flow my.toml --lead name=Ann --lead audience=elderly --verbose
  printf 'yes\\ntoo expensive\\n' | tipring chat --flow sip-config/flows/credit_card.en.toml --verbose

Each line that you write is a turn of the caller; an empty one is silence, /keys 12# presses keys, /quit ends.
Words that ask for haste are noticed as in a call. There is no voice: /feel angry .8 makes the turns after it sound so, likewise
distressed, happy and impatient; /feel calm takes it back. With --verbose it is shown what the flow does about it.
Without --llm the flow's ready answers stand in for the language model.";

/// How long the model may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `chat`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The flow: a file, or the name of one that is compiled in or in calls.flows_dir.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "replay")]
    flow: Option<String>,

    #[command(flatten)]
    replay: replay::Replay,

    /// A variable of the flow's lines; may be given several times.
    #[arg(long = "lead", value_name = "NAME=VALUE", value_parser = super::call::variable)]
    lead: Vec<(String, String)>,

    /// Ask the configured language model where the flow does.
    #[arg(long)]
    llm: bool,

    /// Decides among wordings.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,

    /// Show states, intents, slots, objections and offers.
    #[arg(long, short)]
    verbose: bool,
}

/// Talks until the flow, or the caller, ends it.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some(id) = args.replay.replay {
        return replay::run(id, args.replay.again, settings).await;
    }
    let flow = flow_of(args.flow.as_deref().unwrap_or_default(), &settings)?;
    let known: Vec<&str> = flow.variables().iter().map(|variable| variable.name.as_str()).collect();
    if let Some((unknown, _)) = args.lead.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        bail!("--lead {unknown}: the flow '{}' has no such variable; it has: {}", flow.name(), known.join(", "));
    }
    let model = if args.llm { Some(app::language_model(&settings.engine).await?) } else { None };
    let intents = app::intents(&settings);
    let plan =
        AgentPlan { variables: BTreeMap::from_iter(args.lead), intents, seed: args.seed, ..AgentPlan::default() };
    let config: TurnConfig = settings.turn;
    let mut chat = Chat::new(flow, plan, &config);
    let mut outputs = chat.start();
    let input = std::io::stdin();
    loop {
        while let Some(request) = show(&outputs, args.verbose) {
            let answer = match &model {
                Some(model) => answer_of(model.as_ref(), request).await,
                None => (None, Vec::new()),
            };
            outputs = Vec::new();
            for (tool, arguments) in &answer.1 {
                outputs.extend(chat.tool(tool, arguments));
            }
            outputs.extend(chat.answer(answer.0.as_deref()));
        }
        if chat.has_ended() {
            if args.verbose {
                println!("  · disposition {}", chat.disposition().unwrap_or("none"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        if input.is_terminal() {
            print!("you:   ");
            std::io::stdout().flush()?;
        }
        let mut line = String::new();
        if input.lock().read_line(&mut line).context("cannot read what you write")? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let line = line.trim();
        if !input.is_terminal() {
            println!("you:   {line}");
        }
        outputs = match line {
            "/quit" => return Ok(ExitCode::SUCCESS),
            "" => chat.silence(),
            _ => match (line.strip_prefix("/keys"), line.strip_prefix("/feel")) {
                (Some(keys), _) => chat.press(keys.trim()),
                (_, Some(feeling)) => {
                    match feeling_of(feeling) {
                        Ok((kind, likely)) => {
                            chat.feel(kind, likely);
                            println!("(from the next turn on: {} {likely:.2})", kind.name());
                        }
                        Err(what) => println!("({what})"),
                    }
                    Vec::new()
                }
                _ => chat.say(line),
            },
        };
    }
}

/// What `/feel` says: a mood and how likely it is.
fn feeling_of(text: &str) -> Result<(MoodKind, f32), String> {
    let usage =
        || "write /feel impatient .95, /feel angry .8, /feel distressed .8, /feel happy .8 or /feel calm".to_owned();
    let mut parts = text.split_whitespace();
    let kind = match parts.next() {
        // No mood is likely then: the one named does not matter.
        Some("calm") => return Ok((MoodKind::Angry, 0.0)),
        Some("anger") => MoodKind::Angry,
        word => MoodKind::ALL.into_iter().find(|kind| Some(kind.name()) == word).ok_or_else(usage)?,
    };
    let likely = parts.next().map_or(Some(0.9), |number| number.parse().ok());
    let likely = likely.filter(|likely| (0.0..=1.0).contains(likely) && parts.next().is_none());
    likely.map(|likely| (kind, likely)).ok_or_else(|| format!("how likely is a number from 0 to 1; {}", usage()))
}

fn flow_of(name: &str, settings: &Settings) -> anyhow::Result<Arc<Flow>> {
    if Path::new(name).is_file() {
        return app::flow(Path::new(name));
    }
    let book = app::flows(settings.calls.flows_dir.as_deref())?;
    book.get(name).with_context(|| format!("--flow {name}: no such file, and no flow of this name"))
}

/// Prints what the agent did. Returns the question to the language model, if there is one.
fn show(outputs: &[ChatOutput], verbose: bool) -> Option<ChatRequest> {
    let mut asked = None;
    for output in outputs {
        match output {
            ChatOutput::Line { text, notes } => {
                println!("agent: {text}");
                if let Some(about) = about_line(notes).filter(|_| verbose) {
                    println!("  · {about}");
                }
            }
            ChatOutput::Event(event) => {
                if let Some(about) = about(event).filter(|_| verbose) {
                    println!("  · {about}");
                }
            }
            ChatOutput::Ask(request) => asked = Some(request.clone()),
            ChatOutput::Transfer { target } => println!("(transfer to {target})"),
            ChatOutput::End(reason) => println!("(the agent hangs up: {})", reason.label()),
        }
    }
    asked
}

fn about(event: &AgentEvent) -> Option<String> {
    Some(match event {
        AgentEvent::State { state } => format!("state {state}"),
        AgentEvent::Slot { name, value } => format!("slot {name} = {value}"),
        AgentEvent::Disposition(disposition) => format!("disposition {disposition}"),
        AgentEvent::Understood(notes) => {
            let intent = notes
                .intent
                .as_ref()
                .map(|intent| format!("intent {intent} ({:.2})", notes.intent_confidence.unwrap_or_default()));
            let objection = notes.objection.as_ref().map(|objection| format!("objection {objection}"));
            let signal = notes.signal.then(|| "buying signal".to_owned());
            [intent, objection, signal].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        AgentEvent::Objection(objection) => {
            let rebuttal = objection.rebuttal.as_deref().unwrap_or("none left");
            format!("objection {}, rebuttal {rebuttal}: {:?}", objection.class, objection.outcome).to_lowercase()
        }
        AgentEvent::Offer(offer) => {
            let what = if offer.accepted { "accepted" } else { "made" };
            format!("offer {} {what}, stands {} hours", offer.offer, offer.expires_h)
        }
        AgentEvent::Mood(switch) => {
            let names = |what: Vec<String>| if what.is_empty() { "none".to_owned() } else { what.join(", ") };
            let cues = switch.cues.iter().filter_map(|cue| serde_json::to_value(cue.cue).ok());
            let cues = names(cues.filter_map(|cue| cue.as_str().map(str::to_owned)).collect());
            let (kind, on) = (switch.kind.name(), if switch.on { "on" } else { "off" });
            format!("{kind} {on} ({:.2}), cues: {cues}; effects: {}", switch.score, names(switch.effects.clone()))
        }
        AgentEvent::Tool(tool) => format!("tool {}: {}", tool.tool, tool.verdict),
        AgentEvent::Unsaid { why } => format!("a sentence of the model was not said: {why}"),
        _ => return None,
    })
}

fn about_line(notes: &TurnNotes) -> Option<String> {
    let wording = notes.wording.as_ref().map(|wording| format!("wording {wording}"));
    wording.or_else(|| (!notes.sources.is_empty()).then(|| format!("from {}", notes.sources.join(", "))))
}

/// The model's answer, none where it failed or was late, and the tools that it called.
async fn answer_of(model: &dyn LanguageModel, request: ChatRequest) -> (Option<String>, Vec<(String, Value)>) {
    let mut stream = None;
    let (mut text, mut calls) = (String::new(), Vec::new());
    let asked = std::future::poll_fn(|context| {
        use std::task::Poll;
        if stream.is_none() {
            match model.ask(&request, context.waker().clone()) {
                Ok(opened) => stream = Some(opened),
                Err(error) => return Poll::Ready(Err(error.to_string())),
            }
        }
        let Some(stream) = &mut stream else { return Poll::Pending };
        loop {
            match stream.poll() {
                Some(Reply::Delta(piece)) => text.push_str(&piece),
                Some(Reply::ToolCall { name, arguments, .. }) => calls.push((name, arguments)),
                Some(Reply::Done) => return Poll::Ready(Ok(())),
                Some(Reply::Failed(why)) => return Poll::Ready(Err(why)),
                None => return Poll::Pending,
            }
        }
    });
    let given = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Some(text).filter(|text| !text.trim().is_empty()),
        Ok(Err(why)) => {
            eprintln!("the language model failed: {why}; the flow's ready answer is said");
            None
        }
        Err(_) => {
            eprintln!("the language model took too long; the flow's ready answer is said");
            None
        }
    };
    (given, calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feeling_is_read() {
        assert_eq!(feeling_of(" impatient .9"), Ok((MoodKind::Impatient, 0.9)));
        assert_eq!(feeling_of(" anger .8"), Ok((MoodKind::Angry, 0.8)));
        assert_eq!(feeling_of(" happy"), Ok((MoodKind::Happy, 0.9)));
        assert_eq!(feeling_of(" calm").map(|(_, likely)| likely), Ok(0.0));
        for text in ["", " cross .8", " angry 8", " angry NaN", " angry .8 .9"] {
            assert!(feeling_of(text).unwrap_err().contains("/feel impatient .95"), "{text}");
        }
    }
}
