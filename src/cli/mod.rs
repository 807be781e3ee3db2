//! The command line.
//!
//! Figures and results go to standard output, everything else to standard error. Exit codes: 0 it went well, 1 it did not,
//! 2 the command line could not be understood.

pub mod bench;
mod call;
mod capacity;
mod chat;
mod check;
pub mod demo;
mod eval;
mod flow;
mod graph;
mod lab;
mod lines;
mod models;
pub mod phone;
mod prosody;
mod reader;
mod replay;
mod report;
mod serve;
mod simulate;
mod switch;
mod train;
mod turns;

use crate::settings::{Log, LogFormat, Settings};
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A real-time AI telephony agent: SIP user agent, media server and spoken dialogue in one program.
#[derive(Parser, Debug)]
#[command(
    name = "tipring",
    version,
    arg_required_else_help = true,
    after_help = "Settings: what is compiled in, then --config FILE, then variables such as \
                  TIPRING__SIP__LISTEN=127.0.0.1:5070.\nEvery key is explained in sip-config/tipring.toml."
)]
struct Cli {
    /// Configuration file; names only what differs from the defaults.
    #[arg(long, short, global = true, value_name = "FILE", env = "TIPRING_CONFIG")]
    config: Option<PathBuf>,

    /// What is logged, over log.filter: a level, or levels by module (info,tipring::ua=debug).
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Measure on this machine: response gap, barge-in, simulated callers, capacity. Real calls over SIP and RTP on loopback, in real time.
    Bench(bench::Args),
    /// Place one call with a flow.
    #[command(after_help = call::EXAMPLES)]
    Call(call::Args),
    /// Talk to a flow in the terminal.
    #[command(after_help = chat::EXAMPLES)]
    Chat(chat::Args),
    /// Say whether this configuration works on this machine, and what to do where it does not.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Args),
    /// Hold one real call on loopback between a scripted caller and the agent, and show both sides as they speak.
    Demo(Box<demo::Args>),
    /// Score one engine on labelled files: figures that can be compared.
    #[command(after_help = eval::EXAMPLES)]
    Eval(eval::Args),
    /// Look at call flows.
    #[command(after_help = flow::EXAMPLES)]
    Flow(flow::Args),
    /// List, fetch and verify the models that better engines need.
    #[command(after_help = models::EXAMPLES)]
    Models(models::Args),
    /// Place or take calls as a test telephone: speak, press keys, record, and measure the response gaps on the RTP.
    Phone(Box<phone::Args>),
    /// Answer and place calls until told to stop.
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),
    /// Hold conversations with simulated callers in virtual time, and say how the agent took turns.
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::Args),
    /// Make the small models that ship, from a seed.
    #[command(after_help = train::EXAMPLES)]
    Train(train::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Several libraries bring TLS: the first handshake panics unless one provider was chosen. An error here means that one
    // was chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reader::watch();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tipring: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let loaded = Settings::load(cli.config.as_deref(), std::env::vars());
    let mut log = loaded.as_ref().map(|settings| settings.log.clone()).unwrap_or_default();
    match &cli.command {
        // The doctor's report is the output: what the rooms log besides is of interest only when asked for.
        Command::Check(_) if cli.log.is_none() => log.filter = "off".into(),
        // So are the lines of a conversation, figures, and what is found in a flow.
        Command::Bench(_)
        | Command::Call(_)
        | Command::Chat(_)
        | Command::Demo(_)
        | Command::Eval(_)
        | Command::Flow(_)
        | Command::Models(_)
        | Command::Phone(_)
        | Command::Simulate(_)
            if cli.log.is_none() =>
        {
            log.filter = "warn".into();
        }
        _ => log.filter = cli.log.unwrap_or(log.filter),
    }
    begin_log(&log)?;
    let runtime = || tokio::runtime::Runtime::new().context("cannot start the runtime");
    match cli.command {
        Command::Bench(args) => runtime()?.block_on(bench::run(args, loaded?, cli.config)),
        Command::Call(args) => runtime()?.block_on(call::run(args, loaded?)),
        Command::Chat(args) => runtime()?.block_on(chat::run(args, loaded?)),
        Command::Check(args) => runtime()?.block_on(check::run(args, loaded)),
        Command::Demo(args) => runtime()?.block_on(demo::run(*args, loaded?)),
        Command::Eval(args) => runtime()?.block_on(eval::run(args, loaded?)),
        Command::Flow(args) => runtime()?.block_on(flow::run(args, loaded)),
        Command::Models(args) => runtime()?.block_on(models::run(args, loaded?)),
        Command::Phone(args) => runtime()?.block_on(phone::run(*args, loaded?)),
        Command::Serve(args) => runtime()?.block_on(serve::run(args, loaded?)),
        Command::Simulate(args) => simulate::run(args, loaded?),
        Command::Train(args) => runtime()?.block_on(train::run(args)),
    }
}

/// Sends the log to standard error.
fn begin_log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter).with_context(|| {
        format!("log.filter = '{}' cannot be read: write a level such as info, or info,tipring::ua=debug", log.filter)
    })?;
    // The SIP stack logs whole messages, credentials included: only its warnings, unless it is named.
    let filter = match "rsipstack=warn".parse() {
        Ok(quiet) if !log.filter.contains("rsipstack") => filter.add_directive(quiet),
        _ => filter,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// An error and its causes, each on a line; a cause that the line before it tells already is left out.
fn chain(error: &anyhow::Error) -> String {
    let mut out = String::new();
    let mut before = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if before.contains(&text) {
            continue;
        }
        if !out.is_empty() {
            out.push_str("\n  because: ");
        }
        out.push_str(&text);
        before = text;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("cannot write: disk full").context("the call failed");
        assert_eq!(chain(&error), "the call failed\n  because: cannot write: disk full");
    }
}
