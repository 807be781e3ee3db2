//! `tipring chat --replay ID`: what a call asked the language model and was answered, and what is answered now.

use crate::app;
use crate::id::CallId;
use crate::settings::Settings;
use crate::speech::{Exchange, LanguageModel, Reply, Role, ToolUse, Wake};
use crate::store;
use anyhow::{Context, bail};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long the model may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of the replay.
#[derive(clap::Args, Debug)]
pub(super) struct Replay {
    /// Show what this call asked the language model and was answered.
    #[arg(long, value_name = "ID")]
    pub replay: Option<CallId>,

    /// With --replay: ask the configured language model the same again, and show both answers.
    #[arg(long, requires = "replay")]
    pub again: bool,
}

/// Runs the command.
pub(super) async fn run(id: CallId, again: bool, settings: Settings) -> anyhow::Result<ExitCode> {
    let folder = settings.data_dir.0.clone();
    let exchanges = tokio::task::spawn_blocking(move || store::exchanges(&folder, id)).await??;
    if exchanges.is_empty() {
        let folder = settings.data_dir.0.display();
        bail!("call {id} asked no language model, or its log is not below {folder}; data_dir names the folder");
    }
    let model = if again { Some(app::language_model(&settings.engine).await?) } else { None };
    let count = exchanges.len();
    let mut different = 0;
    for (number, exchange) in exchanges.into_iter().enumerate() {
        println!(
            "{} of {count}, {:.1} s into the call, state {}, key {}",
            number + 1,
            exchange.at.ms() as f64 / 1000.0,
            exchange.state,
            exchange.key
        );
        for message in &exchange.messages {
            let who = match message.role {
                Role::System => "task",
                Role::User => "caller",
                Role::Assistant => "agent",
            };
            message.content.lines().for_each(|line| println!("  {who:>6}: {line}"));
        }
        if !exchange.tools.is_empty() {
            let names: Vec<&str> = exchange.tools.iter().map(|tool| tool.name.as_str()).collect();
            println!("   tools: {}", names.join(", "));
        }
        println!("   ready: {}", exchange.template);
        told(
            "answer",
            &exchange.answer,
            &exchange.calls,
            &format!("{}, {}, {} ms", exchange.engine, exchange.end, exchange.took_ms),
        );
        let Some(model) = model.clone() else { continue };
        let (before, calls) = (exchange.answer.clone(), exchange.calls.clone());
        let now = tokio::task::spawn_blocking(move || ask(&*model, &exchange))
            .await?
            .context("the language model cannot be asked")?;
        told("now", &now.answer, &now.calls, &format!("{}, {}, {} ms", now.engine, now.end, now.took_ms));
        different += usize::from(now.answer.trim() != before.trim() || now.calls != calls);
    }
    if again {
        println!("{different} of {count} are answered differently now");
    }
    Ok(ExitCode::SUCCESS)
}

fn told(what: &str, answer: &str, calls: &[ToolUse], how: &str) {
    println!("  {what:>6}: {answer} ({how})");
    for call in calls {
        println!("    calls {} {}", call.name, call.arguments);
    }
}

struct Unpark(Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks the same again. Blocks.
fn ask(model: &dyn LanguageModel, before: &Exchange) -> anyhow::Result<Exchange> {
    let request = before.request();
    let mut now = Exchange::asked(&request, &before.state, before.at);
    let began = Instant::now();
    let wake: Wake = Arc::new(Unpark(thread::current())).into();
    let mut stream = model.ask(&request, wake)?;
    loop {
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match stream.poll() {
            Some(reply) => {
                let over = matches!(reply, Reply::Done | Reply::Failed(_));
                now.take(&reply, ms);
                if over {
                    break;
                }
            }
            None if began.elapsed() < PATIENCE => thread::park_timeout(Duration::from_millis(20)),
            None => {
                now.take(&Reply::Failed(format!("gave nothing for {} s", PATIENCE.as_secs())), ms);
                break;
            }
        }
    }
    now.engine = stream.engine().unwrap_or(model.name()).to_owned();
    Ok(now.close())
}
