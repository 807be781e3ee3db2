//! `tipring bench capacity`: what a call costs. The server runs in a process of its own, so that its processor time and memory are
//! its own; the callers of this process speak with it in turn, sound flows both ways all the time.

use super::lines::{Line, Voices, Words};
use super::phone::Manner;
use super::report::Console;
use crate::phone::{Config, Handset, HeldCall, Machine, PhoneError, percentile};
use anyhow::{Context as _, bail};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long the server may take to come up: it renders its lines.
const START: Duration = Duration::from_secs(60);
/// Time between two calls.
const STAGGER: Duration = Duration::from_millis(50);
/// Time for the last call to come up before the window of measuring, and for the calls to outlast it.
const MARGIN: Duration = Duration::from_secs(3);
/// Questions to the flow `welcome`, asked again and again.
const QUESTIONS: [&str; 6] = [
    "yes i will come",
    "what time does it start",
    "how long does it take",
    "where is the open day",
    "where can i park",
    "is there something to eat",
];

/// Arguments of `tipring bench capacity`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Calls at the same time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: u32,

    /// Length of the window of measuring, in which all calls are up.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,

    #[command(flatten)]
    manner: Manner,

    /// Print the figures as JSON to standard output, everything else to standard error.
    #[arg(long)]
    json: bool,
}

/// The figures.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
struct Figures {
    calls: u32,
    calls_failed: usize,
    /// Calls that were over before the window was.
    calls_ended_early: usize,
    seconds: f64,
    /// Of the server's process.
    cpu_percent: f64,
    cpu_percent_per_call: f64,
    rss_idle_kb: u64,
    rss_kb: u64,
    rss_kb_per_call: f64,
    /// Of the server's packets against the ideal clock, as they came to the telephones: median of the calls' 99th percentiles.
    late_p99_ms: Option<f64>,
    /// The largest of them.
    late_p99_worst_ms: Option<f64>,
    packets_lost: u64,
    gap_p50_ms: Option<f64>,
    gap_p95_ms: Option<f64>,
    gaps: usize,
    send_late_max_ms: f64,
    /// What hearing how a caller sounds takes of it.
    prosody: super::prosody::Cost,
    machine: Machine,
}

impl Figures {
    /// How soon the agent answered.
    fn gap_line(&self) -> String {
        match (self.gap_p50_ms, self.gap_p95_ms) {
            (Some(p50), Some(p95)) => format!("gap p50 {p50:.0} ms  p95 {p95:.0} ms over {} turns", self.gaps),
            _ => "no turn was measured: give --seconds more".to_owned(),
        }
    }

    /// How late the server's packets came.
    fn late_line(&self) -> String {
        match (self.late_p99_ms, self.late_p99_worst_ms) {
            (Some(p99), Some(worst)) => format!("packets late     p99 {p99:.1} ms (worst call {worst:.1} ms)"),
            _ => "packets late     none was measured".to_owned(),
        }
    }
}

/// The server, in a process of its own; gone when it is dropped.
struct Server {
    child: Child,
    sip: SocketAddr,
    _data: super::lab::Scratch,
}

impl Server {
    fn start(config: Option<&Path>, calls: u32) -> anyhow::Result<Self> {
        let data = super::lab::Scratch::new()?;
        let sip = UdpSocket::bind(LOOPBACK)?.local_addr()?;
        let http = std::net::TcpListener::bind(LOOPBACK)?.local_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--log", "warn"]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        command
            .arg("serve")
            .env("TIPRING__SIP__LISTEN", sip.to_string())
            .env("TIPRING__SIP__ALLOW", "127.0.0.0/8")
            .env("TIPRING__SIP__ACCOUNTS", "[]")
            .env("TIPRING__SIP__TRUNKS", "[]")
            .env("TIPRING__HTTP__LISTEN", http.to_string())
            .env("TIPRING__CALLS__MAX_CALLS", (calls + 1).to_string())
            .env("TIPRING__DATA_DIR", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self { child, sip, _data: data };
        let began = Instant::now();
        // HTTP is opened last: what answers there is up.
        while TcpStream::connect(http).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server did not start: {status}");
            }
            if began.elapsed() > START {
                bail!("the server did not start within {} s", START.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Processor time so far, and resident memory in kB.
    fn used(&self) -> anyhow::Result<(Duration, u64)> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.child.id());
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: is this Linux?"))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        parse_used(&stat, &status).context("/proc is written otherwise than expected")
    }
}

/// Reads `/proc/PID/stat` and `/proc/PID/status`.
fn parse_used(stat: &str, status: &str) -> Option<(Duration, u64)> {
    // The name in parentheses may hold anything; behind it the fields begin with the third.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB");
    // Linux counts in hundredths of a second on every architecture that it still has.
    Some((Duration::from_millis(ticks * 10), rss.trim().parse().ok()?))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a scratch server: nothing of it is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the command. Exit codes: 0 all calls were held, 2 calls failed.
///
/// # Errors
/// A server or a telephone that does not start.
pub async fn run(args: Args, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let console = Console { json: args.json };
    let window = Duration::from_secs(args.seconds);
    let calls = args.calls;
    let mut voices = Voices::new(&args.manner.lang);
    let mut lines: Vec<Line> = Vec::new();
    for n in 0..args.seconds.div_ceil(2) as usize + 20 {
        lines.push(Line::Say(Words::Text(QUESTIONS[if n < 1 { 0 } else { 1 + n % (QUESTIONS.len() - 1) }].to_owned())));
    }
    let steps = voices.steps(&lines, &args.manner.voice, args.manner.silence()).await?;
    let server = Server::start(config.as_deref(), calls)?;
    let codecs = args.manner.codecs();
    let phone = Arc::new(Handset::start(Config { listen: LOOPBACK, extension: None, codecs }).await?);
    let (_, rss_idle_kb) = server.used()?;
    let mut running: JoinSet<Result<HeldCall, PhoneError>> = JoinSet::new();
    for call in 0..calls {
        let mut plan = args.manner.plan(&steps, call.into(), false);
        plan.longest = STAGGER * (calls - call) + window + 2 * MARGIN;
        let (phone, target) = (Arc::clone(&phone), format!("sip:agent@{}", server.sip));
        running.spawn(async move { phone.call(&target, plan, &mut |_| {}).await });
        tokio::time::sleep(STAGGER).await;
    }
    tokio::time::sleep(MARGIN).await;
    console.line(format_args!("{calls} calls are up, measuring for {} s", args.seconds));
    let (began, (cpu_before, _)) = (Instant::now(), server.used()?);
    tokio::time::sleep(window).await;
    let (lasted, (cpu_after, rss_kb)) = (began.elapsed(), server.used()?);
    let mut figures = Figures { calls, seconds: lasted.as_secs_f64(), rss_idle_kb, rss_kb, ..Figures::default() };
    // Those that are over by now were over early.
    while let Some(held) = running.try_join_next() {
        figures.calls_ended_early += usize::from(held?.is_ok());
    }
    let (mut late, mut gaps) = (Vec::new(), Vec::new());
    while let Some(held) = running.join_next().await {
        match held? {
            Ok(held) => {
                late.extend(held.log.heard.late_p99_us.map(|us| us as f64 / 1000.0));
                figures.packets_lost += held.log.heard.lost;
                figures.send_late_max_ms = figures.send_late_max_ms.max(held.log.send_late_max_ms);
                gaps.extend(held.turns().iter().filter(|turn| turn.is_measured()).filter_map(|turn| turn.gap_ms));
            }
            Err(error) => {
                figures.calls_failed += 1;
                console.line(format_args!("a call failed: {error}"));
            }
        }
    }
    figures.cpu_percent = 100.0 * cpu_after.saturating_sub(cpu_before).as_secs_f64() / lasted.as_secs_f64();
    figures.cpu_percent_per_call = figures.cpu_percent / f64::from(calls);
    figures.rss_kb_per_call = rss_kb.saturating_sub(rss_idle_kb) as f64 / f64::from(calls);
    figures.late_p99_ms = percentile(&late, 50.0);
    figures.late_p99_worst_ms = percentile(&late, 100.0);
    figures.gaps = gaps.len();
    (figures.gap_p50_ms, figures.gap_p95_ms) = (percentile(&gaps, 50.0), percentile(&gaps, 95.0));
    figures.prosody = super::prosody::Cost::measure(10)?;
    figures.machine = Machine::here();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        let load = figures.machine.load_1m.unwrap_or_default();
        println!(
            "{} calls for {:.0} s ({} failed, {} ended early): {:.2} % of a core each, {:.0} kB each ({} kB idle)\n\
             {}, {} lost; {}\n\
             prosody          {:.3} % of a core while a caller speaks, {:.3} % at 40 % talk\n\
             machine          {}, {} cores, load {load:.2}; the telephones' own packets left at most {:.1} ms late",
            calls,
            figures.seconds,
            figures.calls_failed,
            figures.calls_ended_early,
            figures.cpu_percent_per_call,
            figures.rss_kb_per_call,
            figures.rss_idle_kb,
            figures.late_line(),
            figures.packets_lost,
            figures.gap_line(),
            figures.prosody.cpu_percent_speaking,
            figures.prosody.cpu_percent_at_40_percent_talk,
            figures.machine.cpu,
            figures.machine.cores,
            figures.send_late_max_ms,
        );
    }
    Ok(if figures.calls_failed > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_said_to_be() {
        let none = Figures::default();
        assert!(none.gap_line().starts_with("no turn") && none.late_line().ends_with("none was measured"));
        let some = Figures { gap_p50_ms: Some(310.0), gap_p95_ms: Some(420.0), gaps: 7, ..none };
        assert_eq!(some.gap_line(), "gap p50 310 ms  p95 420 ms over 7 turns");
    }

    #[test]
    fn processor_time_and_memory_are_read() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        let (cpu, rss) = parse_used(stat, "Name:\ttipring\nVmRSS:\t   20480 kB\n").unwrap();
        assert_eq!((cpu, rss), (Duration::from_secs(2), 20_480));
        assert!(parse_used("nothing", "").is_none());
    }
}
