//! `tipring serve`: the agent, until it is told to stop.

use crate::app::{Reloaded, Tipring};
use crate::settings::Settings;
use anyhow::Context;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) const EXAMPLES: &str = "Examples:
  tipring serve
  tipring serve --config my.toml
  TIPRING__SIP__LISTEN=127.0.0.1:5070 tipring serve --log info,tipring::ua=debug

SIGTERM or Ctrl-C: no new calls (503 with Retry-After), those that are up may end within calls.drain_s seconds.
A second one ends them at once; every call gets its record.
SIGHUP, or POST /api/flows/reload: the flows of calls.flows_dir are read again; calls that are up go on with theirs.";

/// Arguments of `serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends what is left at once.
pub(super) async fn run(_: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let grace = Duration::from_secs(settings.calls.drain_s);
    let tipring = tokio::select! {
        started = Tipring::start(settings) => started?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    tracing::info!(sip = %tipring.sip_addr(), "ready for calls");
    let mut hang_up = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = hang_up.recv() => told(&tipring.reload_flows().await),
        }
    }
    tracing::info!(seconds = grace.as_secs(), "draining: a second signal ends the calls at once");
    let end_calls = tipring.calls().stop();
    let down = tipring.shutdown(grace);
    tokio::pin!(down);
    tokio::select! {
        () = &mut down => {}
        () = signals.next() => {
            tracing::warn!("ending the calls at once");
            end_calls.cancel();
            down.await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what became of the flows that were read again.
fn told(done: &Reloaded) {
    tracing::info!(changed = %done.changed.join(", "), unchanged = done.unchanged, "the flows were read again");
    done.errors.iter().for_each(|error| tracing::error!("{error}"));
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let wait = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self { terminate: wait(SignalKind::terminate())?, interrupt: wait(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
