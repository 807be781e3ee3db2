//! `tipring bench switch`: how long it takes until the next engine of a chain serves after a fault of the one before. For every
//! kind of engine and every fault that the field knows, through the chains that a call uses.

#[allow(dead_code, reason = "the tests of the engines use the rest")]
mod deepgram;
#[allow(dead_code, reason = "the tests of the engines use the rest")]
mod peer;
#[allow(dead_code, reason = "the tests of the engines use the rest")]
mod realtime;

use super::lab::Scratch;
use crate::app;
use crate::audio::{AudioFrame, FRAME_SAMPLES, FrameOrigin, MediaTime};
use crate::call;
use crate::engine;
use crate::id::CallId;
use crate::phone::percentile;
use crate::speech::{
    ChatMessage, ChatRequest, HypothesisKind, Language, RecognizerStream, Reply, Role, SpeechRequest, Synthesis, Wake,
};
use anyhow::{Context, bail};
use peer::{Fault, Peer, lock, nobody};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Wake as Wakes;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What is wrong with the servers; in a ninth of the trials nobody listens at the port.
const FAULTS: [Fault; 8] = [
    Fault::Slow(Duration::from_secs(4)),
    Fault::Silent,
    Fault::Cut,
    Fault::Stall,
    Fault::Garbage,
    Fault::WrongJson,
    Fault::Status(429, Some(2)),
    Fault::Status(503, None),
];
/// Kind and engine, by the names under which their figures are printed.
const KINDS: [&str; 7] =
    ["llm openai", "tts openai", "tts espeak", "asr openai", "asr deepgram", "llm realtime", "asr realtime"];
/// A program in the place of espeak-ng that has a voice and says nothing.
const HANGS: &str = "#!/bin/sh\n[ \"$1\" = --voices ] && { printf 'Pty Language\\n 5 en\\n'; exit; }\nexec sleep 30\n";
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often a stream is looked at that wakes nobody, as a call does.
const LOOK: Duration = Duration::from_millis(4);
const LINE: &str = "We open at nine. Come in by the door.";

/// Arguments of `bench switch`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Trials of each fault of each engine.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command: the kinds side by side, for they wait most of the time.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let scratch = Scratch::new()?;
    let program = scratch.path().join("espeak-that-hangs");
    std::fs::write(&program, HANGS)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let kinds = KINDS.map(|kind| {
        let program = program.clone();
        (kind, tokio::spawn(async move { times(kind, args.rounds, &program).await }))
    });
    let mut all = serde_json::Map::new();
    if !args.json {
        println!("Milliseconds from a fault to the first thing that the next engine gives:");
        println!("{:<14} {:>4} {:>8} {:>8} {:>8} {:>8}", "kind", "n", "p50", "p95", "p99", "max");
    }
    for (kind, times) in kinds {
        let times = times.await?.with_context(|| kind.to_owned())?;
        let figures = figures(&times);
        if !args.json {
            let at = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
            let [p50, p95, p99, max] = ["p50_ms", "p95_ms", "p99_ms", "max_ms"].map(at);
            println!("{kind:<14} {:>4} {p50:>8.0} {p95:>8.0} {p99:>8.0} {max:>8.0}", times.len());
        }
        all.insert(kind.replace(' ', "_"), figures);
    }
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({ "bench": "switch", "rounds": args.rounds, "kinds": all }))?
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(times: &[f64]) -> Value {
    let at = |p: f64| percentile(times, p).map(|ms| (ms * 10.0).round() / 10.0);
    json!({ "n": times.len(), "p50_ms": at(50.0), "p95_ms": at(95.0), "p99_ms": at(99.0), "max_ms": at(100.0) })
}

/// Every fault of a kind, so many times.
async fn times(kind: &'static str, rounds: u32, program: &Path) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        for fault in FAULTS.map(Some).into_iter().chain([None]) {
            times.extend(switch(kind, fault, program).await.with_context(|| format!("{fault:?}"))?);
        }
    }
    Ok(times)
}

/// The settings of one trial: the engine with its server, and behind it one that serves.
fn settings(kind: &str, address: std::net::SocketAddr, program: &Path) -> anyhow::Result<engine::Config> {
    let (engine, config) = match kind {
        "tts espeak" => ("espeak", format!("[espeak]\nprogram = '{}'", program.display())),
        "asr deepgram" => ("deepgram", format!("[deepgram]\nbase_url = 'ws://{address}/v1'")),
        "llm realtime" | "asr realtime" => ("realtime", format!("[realtime]\nbase_url = 'ws://{address}/v1'")),
        "llm openai" => ("openai", format!("[openai]\nmodel = 'm'\nbase_url = 'http://{address}/v1'")),
        "tts openai" => ("openai", format!("[openai_tts]\nbase_url = 'http://{address}/v1'")),
        _ => ("openai", format!("[openai_asr]\nbase_url = 'http://{address}/v1'")),
    };
    let chain = |of: &str, next: &str| {
        let names = if kind.starts_with(of) { format!("'{engine}', '{next}'") } else { format!("'{next}'") };
        format!("{of} = [{names}]\n")
    };
    let text = format!(
        "vad = ['scripted']\n{}{}{}{config}\n[emotion]\nengine = 'off'\n[scripted.asr]\nlines = ['the next one heard']\nrepeat = true",
        chain("asr", "scripted"),
        chain("tts", "scripted"),
        chain("llm", "template")
    );
    Ok(toml::from_str(&text)?)
}

/// Milliseconds from a fault to the first thing that the next engine gives. None of the fault: nobody listens at the port. None
/// of the time: there was nothing that could break, for a realtime server that breaks while it answers has still heard.
async fn switch(kind: &'static str, fault: Option<Fault>, program: &Path) -> anyhow::Result<Option<f64>> {
    let peer = Peer::start("yes please I will be there").context("a server on the loopback")?;
    *lock(&peer.state.answer) = LINE.into();
    peer.set(fault.unwrap_or(Fault::None));
    let nobody = nobody().context("a port on the loopback")?;
    let address = if fault.is_some() { peer.address } else { nobody.address };
    let engines = app::engines(&settings(kind, address, program)?).await?;
    let trial = move || {
        let _held = nobody;
        let began = Instant::now();
        let served = match kind.split(' ').next() {
            Some("llm") => answered(&engines)?,
            Some("tts") => spoken(&engines)?,
            _ => heard(&engines)?,
        };
        let now = Instant::now();
        if !served && kind != "asr realtime" {
            bail!("it did not break");
        }
        let broke = peer.broke().filter(|_| fault.is_some()).unwrap_or(began);
        Ok(served.then(|| now.saturating_duration_since(broke).as_secs_f64() * 1000.0))
    };
    tokio::task::spawn_blocking(trial).await?
}

/// Asks a question. What was said cannot be taken back: after that the failure is what the agent goes on from.
fn answered(engines: &call::Engines) -> anyhow::Result<bool> {
    let llm = engines.llm.for_call(CallId::generate()).unwrap_or_else(|| Arc::clone(&engines.llm));
    let messages = vec![ChatMessage { role: Role::User, content: "when do you open".into() }];
    let what = ChatRequest { messages, template: "At nine.".into(), max_tokens: 50, tools: Vec::new() };
    let mut stream = llm.ask(&what, waker())?;
    until(|| match stream.poll()? {
        Reply::Delta(_) if stream.engine() == Some("template") => Some(()),
        Reply::Failed(_) => Some(()),
        _ => None,
    })?;
    Ok(true)
}

/// Speaks a line.
fn spoken(engines: &call::Engines) -> anyhow::Result<bool> {
    let what = SpeechRequest { text: LINE.into(), language: Language::default(), voice: None };
    let mut stream = engines.tts.speak(&what, waker())?;
    until(|| {
        loop {
            match stream.poll() {
                Synthesis::Frame(_) if stream.engine() == Some("scripted") => break Some(true),
                Synthesis::Frame(_) => {}
                Synthesis::Pending => break None,
                Synthesis::Done | Synthesis::Failed(_) => break Some(false),
            }
        }
    })
}

/// Hears 1.2 s of sound and a pause. Whether the next one answered.
fn heard(engines: &call::Engines) -> anyhow::Result<bool> {
    let asr = engines.asr.for_call(CallId::generate()).unwrap_or_else(|| Arc::clone(&engines.asr));
    let mut stream = asr.open(&Language::default(), waker())?;
    speak(&mut *stream, 60);
    stream.flush();
    loop {
        let hypothesis = until(|| stream.poll())??;
        if hypothesis.kind == HypothesisKind::Final {
            let served = stream.engine() == Some("scripted");
            stream.finish();
            return Ok(served);
        }
    }
}

fn speak(stream: &mut dyn RecognizerStream, frames: u64) {
    for n in 0..frames {
        let samples = std::array::from_fn::<i16, FRAME_SAMPLES, _>(|i| ((i as f64 * 0.1).sin() * 8000.0) as i16);
        stream.push(&AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples });
    }
}

struct Unpark(Thread);

impl Wakes for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Wake {
    Arc::new(Unpark(thread::current())).into()
}

/// Looks until there is something; woken by the engine, or as often as a call looks.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            bail!("nothing came for {} s", PATIENCE.as_secs());
        }
        thread::park_timeout(LOOK);
    }
}
