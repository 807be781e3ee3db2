//! `tipring call`: one call with a flow.

use crate::agent::AgentEvent;
use crate::app::{self, Tipring};
use crate::call::{CallPlan, LiveEvent, LiveKind};
use crate::record::{CallRecord, EndReason, Speaker, TurnRecord};
use crate::settings::Settings;
use crate::store::StoreError;
use crate::ua::{Account, RegistrationFailure, RegistrationState, UaError};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::broadcast::error::TryRecvError;

pub(super) const EXAMPLES: &str = "Examples:
  tipring call sip:1001@192.0.2.10
  tipring call 1001 --account pbx --flow welcome --var name=Ann
  TIPRING__SIP__LISTEN=0.0.0.0:0 TIPRING__DATA_DIR=/tmp/calls tipring call 1001     beside a running `tipring serve`

Prints both sides as they speak; in front of the agent's lines the gap since the callee's last sound, as the server sees it.
Exit code 0 when the call was answered and came to its end, 1 otherwise.";

/// How long a registration is waited for.
const REGISTERING: Duration = Duration::from_secs(6);

/// Arguments of `call`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Whom to call: a SIP URI, or a number for an account or trunk.
    #[arg(value_name = "TARGET")]
    target: String,

    /// The flow; calls.default_flow where none is named.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,

    /// The account or trunk that places the call; not needed where the target's host, or there being only one, tells.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,

    /// A variable of the flow's lines; may be given several times.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// Print the call's record as JSON to standard output, everything else to standard error.
    #[arg(long)]
    json: bool,
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Places the call and stays until it is over.
pub(super) async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let plan = plan(&args, &settings)?;
    let line = line_of(&args, &settings)?.cloned();
    let show = |text: &str| if args.json { eprintln!("{text}") } else { println!("{text}") };
    let tipring = Tipring::start_without_http(settings).await.map_err(beside_another)?;
    if let Some(line) = line.filter(|line| line.register)
        && let Err(error) = registered(&tipring, &line).await
    {
        tipring.shutdown(Duration::ZERO).await;
        return Err(error);
    }
    let mut events = tipring.events();
    show(&format!("calling {} with the flow '{}'", args.target, plan.flow));
    let (id, mut ended) = tipring.place_call(&args.target, args.account.as_deref(), plan)?;
    let stop = tipring.calls().stop();
    let record = loop {
        tokio::select! {
            record = &mut ended => break record.context("the call was lost")?,
            // A watcher that fell behind misses lines; the record has them.
            event = events.recv() => if let Some(text) = event.ok().as_ref().and_then(told) { show(&text) },
            signal = tokio::signal::ctrl_c(), if !stop.is_cancelled() => {
                signal.context("cannot wait for signals")?;
                show("hanging up");
                stop.cancel();
            }
        }
    };
    loop {
        match events.try_recv() {
            Ok(event) => told(&event).iter().for_each(|text| show(text)),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    let outcome = outcome(&record);
    show(&match &outcome {
        Ok(how) => format!("the call is over after {:.1} s: {how}", record.duration_ms as f64 / 1000.0),
        Err(why) => format!("the call failed: {why}"),
    });
    show(&format!("record:    {}", tipring.store().record_file(id).display()));
    if let Some(path) = tipring.store().recording(id) {
        show(&format!("recording: {}", path.display()));
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&*record)?);
    }
    tipring.shutdown(Duration::ZERO).await;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The plan, its flow and variables checked before anything is started.
fn plan(args: &Args, settings: &Settings) -> anyhow::Result<CallPlan> {
    let name = args.flow.as_ref().unwrap_or(&settings.calls.default_flow);
    let flow = app::flows(settings.calls.flows_dir.as_deref())?.get(name)?;
    let known: Vec<&str> = flow.variables().iter().map(|variable| variable.name.as_str()).collect();
    if let Some((unknown, _)) = args.variables.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        bail!("--var {unknown}: the flow '{name}' has no such variable; it has: {}", known.join(", "));
    }
    let variables = BTreeMap::from_iter(args.variables.iter().cloned());
    Ok(CallPlan { flow: name.clone(), variables, ..CallPlan::default() })
}

/// The account that will place the call, as far as it can be told before: by name, by the target's host, or as the only one.
fn line_of<'a>(args: &Args, settings: &'a Settings) -> anyhow::Result<Option<&'a Account>> {
    let sip = &settings.sip;
    if let Some(name) = &args.account {
        let mut known = sip.accounts.iter().map(|a| &a.name).chain(sip.trunks.iter().map(|t| &t.name));
        if !known.any(|known| known == name) {
            let known: Vec<_> =
                sip.accounts.iter().map(|a| &a.name).chain(sip.trunks.iter().map(|t| &t.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { format!("{known:?}") };
            bail!("--account {name}: there is no account or trunk of this name; known are: {known}");
        }
        return Ok(sip.accounts.iter().find(|account| account.name == *name));
    }
    Ok(match args.target.rsplit_once('@') {
        Some((_, host)) => {
            let host = bare_host(host);
            let at = |name: &str| bare_host(name).eq_ignore_ascii_case(host);
            sip.accounts.iter().find(|a| at(&a.registrar) || a.domain.as_deref().is_some_and(at))
        }
        None if sip.trunks.is_empty() && sip.accounts.len() == 1 => sip.accounts.first(),
        None => None,
    })
}

/// The host of `sip:host:port;parameters`.
fn bare_host(text: &str) -> &str {
    let text = text.strip_prefix("sip:").unwrap_or(text);
    text.split([':', ';', '?']).next().unwrap_or_default()
}

/// Says what to do when a running `tipring serve` has what this one needs.
fn beside_another(error: anyhow::Error) -> anyhow::Error {
    let port = matches!(error.downcast_ref(), Some(UaError::PortTaken { .. }));
    let folder = matches!(error.downcast_ref(), Some(StoreError::Locked { .. }));
    if !port && !folder {
        return error;
    }
    error.context(
        "a `tipring serve` seems to be running: stop it, or give this call its own port and folder:\n  \
         TIPRING__SIP__LISTEN=0.0.0.0:0 TIPRING__DATA_DIR=/tmp/calls tipring call ...",
    )
}

/// Waits until the account is registered. What makes the call hopeless is an error; a registrar that takes long is not.
async fn registered(tipring: &Tipring, line: &Account) -> anyhow::Result<()> {
    let mut statuses = tipring.ua().watch_registrations();
    let state = tokio::time::timeout(REGISTERING, async {
        loop {
            let state = statuses.borrow_and_update().iter().find(|s| s.account == line.name).map(|s| s.state.clone());
            match state {
                Some(RegistrationState::Trying) => {}
                other => return other,
            }
            if statuses.changed().await.is_err() {
                return None;
            }
        }
    });
    match state.await.ok().flatten() {
        Some(RegistrationState::Failed {
            why:
                why @ (RegistrationFailure::WrongPassword { .. }
                | RegistrationFailure::Unreachable { .. }
                | RegistrationFailure::Unresolved(_)),
        }) => bail!("account {}: {why}", line.name),
        Some(RegistrationState::Failed { why }) => {
            tracing::warn!(account = %line.name, %why, "not registered, calling all the same");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is shown of an event.
fn told(event: &LiveEvent) -> Option<String> {
    match &event.kind {
        LiveKind::Started { .. } => Some("answered".into()),
        LiveKind::Agent(AgentEvent::Turn(turn)) => Some(line(turn)),
        LiveKind::Agent(_) | LiveKind::Ended(_) => None,
    }
}

/// A turn as a line: the gap, who, what.
fn line(turn: &TurnRecord) -> String {
    let gap = turn.latency.and_then(|latency| Some(latency.first_packet?.ms_since(latency.speech_end?)));
    let gap = gap.map_or_else(String::new, |ms| format!("{ms:.0} ms"));
    let who = match turn.speaker {
        Speaker::Caller => "callee",
        Speaker::Agent => "agent",
    };
    let keys = if turn.dtmf.is_empty() { String::new() } else { format!("[keys {}]", turn.dtmf) };
    let cut = if turn.interrupted { " (interrupted)" } else { "" };
    let words = [turn.text.as_str(), &keys].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{gap:>9}  {who:<6}  {}{cut}", if words.is_empty() { "[nothing understood]" } else { &words })
}

/// How a call ended, in words: well, or not.
fn outcome(record: &CallRecord) -> Result<String, String> {
    match &record.end_reason {
        EndReason::Completed => Ok("the agent hung up at the end of the flow".into()),
        EndReason::PeerHungUp if record.answered.is_some() => Ok("the callee hung up".into()),
        EndReason::Transferred { target } => Ok(format!("transferred to {}", crate::pii::mask_uri(target))),
        EndReason::PeerHungUp => Err("the callee left before the call was up".into()),
        EndReason::NotAnswered { status, why } => Err(format!("{} ({status} {why})", meaning(*status))),
        EndReason::Failed { why } | EndReason::Refused { why, .. } => Err(why.clone()),
        EndReason::Cancelled | EndReason::Drained => Err("it was ended from here".into()),
        EndReason::MediaTimeout => {
            Err("no audio came from the callee: see that UDP media.rtp_ports are open, and set \
             sip.external where there is NAT"
                .into())
        }
        EndReason::TooLong => Err("it reached calls.max_duration_s".into()),
    }
}

/// What a final status means for whoever placed the call (RFC 3261 section 21).
fn meaning(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => "wrong password, or the call is not permitted: see username and password of the account",
        404 | 410 | 484 | 604 => "there is no such number",
        408 => "unreachable, or nobody answered: see the address, and that it listens on UDP there",
        480 => "nobody is there: the extension is not registered, or nobody answered",
        486 | 600 => "busy",
        487 => "given up before it was answered",
        415 | 488 | 606 => "no common codec: see calls.codecs and the codecs of the peer",
        503 => "the peer takes no calls now",
        603 => "declined",
        500..=599 => "the peer could not place the call: see its log",
        _ => "not answered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Alone::parse_from(std::iter::once("call").chain(line.split(' '))).args
    }

    fn settings(sip: &str) -> Settings {
        toml::from_str(sip).unwrap()
    }

    #[test]
    fn flows_and_variables_are_checked_before_anything_starts() {
        let settings = Settings::default();
        let flow = app::flows(None).unwrap().get("welcome").unwrap();
        let name = &flow.variables().first().unwrap().name;
        let made = plan(&args(&format!("sip:a@b --var {name}=x=y")), &settings).unwrap();
        assert_eq!((made.flow.as_str(), made.variables[name].as_str()), ("welcome", "x=y"));
        let error = plan(&args("sip:a@b --var nobody=x"), &settings).unwrap_err().to_string();
        assert!(error.contains("nobody") && error.contains(name.as_str()), "{error}");
        let error = plan(&args("sip:a@b --flow nowhere"), &settings).unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("welcome"), "{error}");
        assert!(Alone::try_parse_from(["call", "a", "--var", "x"]).is_err());
    }

    #[test]
    fn the_account_is_found_by_name_host_or_because_it_is_alone() {
        let one =
            settings("[[sip.accounts]]\nname='pbx'\nregistrar='pbx.example:5070'\nusername='u'\ndomain='example.org'");
        let none = Settings::default();
        for (line, settings, found) in [
            ("1001", &one, true),
            ("1001 --account pbx", &one, true),
            ("sip:1001@PBX.example", &one, true),
            ("1001@example.org", &one, true),
            ("sip:1001@192.0.2.1", &one, false),
            ("1001", &none, false),
        ] {
            assert_eq!(line_of(&args(line), settings).unwrap().is_some(), found, "{line}");
        }
        let error = line_of(&args("1001 --account pxb"), &one).unwrap_err().to_string();
        assert!(error.contains("pxb") && error.contains("pbx"), "{error}");
    }

    #[test]
    fn a_second_tipring_is_told_what_to_do() {
        let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        let taken = UaError::PortTaken { listen: "0.0.0.0:5060".parse().unwrap(), source };
        assert!(beside_another(taken.into()).to_string().contains("TIPRING__SIP__LISTEN=0.0.0.0:0"));
        let locked = StoreError::Locked { path: "data".into() };
        assert!(beside_another(locked.into()).to_string().contains("TIPRING__DATA_DIR="));
        assert_eq!(beside_another(anyhow::anyhow!("else")).to_string(), "else");
    }
}
