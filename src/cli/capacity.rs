//! `tipring bench capacity`: what a call costs. The server runs in a process of its own, so that its processor time and memory are
//! its own; the callers of this process speak with it in turn, sound flows both ways all the time.

use super::lines::{Line, Voices, Words};
use super::phone::Manner;
use super::report::Console;
use crate::phone::{Config, Handset, HeldCall, Machine, PhoneError, percentile};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
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
    /// Those of them that the server refused, by SIP status.
    calls_refused: BTreeMap<u16, usize>,
    /// Calls that were up in the whole window: what is said per call is said of these.
    calls_up: usize,
    /// Calls that were over before the window was.
    calls_ended_early: usize,
    seconds: f64,
    /// Of the server's process.
    cpu_percent: f64,
    cpu_percent_per_call: Option<f64>,
    rss_idle_kb: u64,
    rss_kb: u64,
    rss_kb_per_call: Option<f64>,
    /// Of the server's packets against the ideal clock, as they came to the telephones: median of the calls' 99th percentiles.
    late_p99_ms: Option<f64>,
    /// The largest of them.
    late_p99_worst_ms: Option<f64>,
    packets_lost: u64,
    gap_p50_ms: Option<f64>,
    gap_p95_ms: Option<f64>,
    gaps: usize,
    /// Utterances into which the agent spoke, and those that it did not answer: a gap is only worth these.
    false_cutoffs: usize,
    missed: usize,
    send_late_max_ms: f64,
    /// What hearing how a caller sounds takes of it.
    prosody: super::prosody::Cost,
    machine: Machine,
    #[serde(skip)]
    samples: Samples,
}

/// What the percentiles are of.
#[derive(Clone, PartialEq, Debug, Default)]
struct Samples {
    late_ms: Vec<f64>,
    gaps_ms: Vec<f64>,
}

impl Figures {
    /// A call that was up in the whole window.
    fn held(&mut self, held: &HeldCall) {
        self.samples.late_ms.extend(held.log.heard.late_p99_us.map(|us| us as f64 / 1000.0));
        self.packets_lost += held.log.heard.lost;
        self.send_late_max_ms = self.send_late_max_ms.max(held.log.send_late_max_ms);
        for turn in held.turns() {
            self.false_cutoffs += usize::from(turn.false_cutoff);
            self.missed += usize::from(turn.missed);
            self.samples.gaps_ms.extend(turn.gap_ms.filter(|_| turn.is_measured()));
        }
    }

    /// A call that did not come up, or broke.
    fn failed(&mut self, error: &PhoneError) {
        self.calls_failed += 1;
        if let PhoneError::Refused { status, .. } = error {
            *self.calls_refused.entry(*status).or_default() += 1;
        }
    }

    /// The calls that are over when the window is: each was over too early, or never up.
    fn over_too_early(&mut self, held: Result<HeldCall, PhoneError>, console: &Console) {
        match held {
            Ok(_) => self.calls_ended_early += 1,
            Err(error) => {
                self.failed(&error);
                console.line(format_args!("a call failed: {error}"));
            }
        }
    }

    /// All calls are over; `used` is the server's processor time in the window.
    fn close(&mut self, used: Duration) {
        self.cpu_percent = 100.0 * used.as_secs_f64() / self.seconds;
        let per_call = |of: f64| (self.calls_up > 0).then(|| of / self.calls_up as f64);
        self.cpu_percent_per_call = per_call(self.cpu_percent);
        self.rss_kb_per_call = per_call(self.rss_kb.saturating_sub(self.rss_idle_kb) as f64);
        let Samples { late_ms, gaps_ms } = &self.samples;
        (self.late_p99_ms, self.late_p99_worst_ms) = (percentile(late_ms, 50.0), percentile(late_ms, 100.0));
        self.gaps = gaps_ms.len();
        (self.gap_p50_ms, self.gap_p95_ms) = (percentile(gaps_ms, 50.0), percentile(gaps_ms, 95.0));
    }

    /// 0: all calls were up in the whole window. 1: some ended early. 2: calls failed.
    fn code(&self) -> ExitCode {
        match (self.calls_failed, self.calls_ended_early) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }

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

/// Runs the command. Exit codes: 0 all calls were up in the whole window, 1 some ended early, 2 calls failed.
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
    let mut figures = Figures { calls, rss_idle_kb, ..Figures::default() };
    while let Some(held) = running.try_join_next() {
        figures.over_too_early(held?, &console);
    }
    console.line(format_args!("{} of {calls} calls are up, measuring for {} s", running.len(), args.seconds));
    let (began, (cpu_before, _)) = (Instant::now(), server.used()?);
    tokio::time::sleep(window).await;
    let (lasted, (cpu_after, rss_kb)) = (began.elapsed(), server.used()?);
    (figures.seconds, figures.rss_kb) = (lasted.as_secs_f64(), rss_kb);
    while let Some(held) = running.try_join_next() {
        figures.over_too_early(held?, &console);
    }
    figures.calls_up = running.len();
    while let Some(held) = running.join_next().await {
        match held? {
            Ok(held) => figures.held(&held),
            Err(error) => {
                figures.failed(&error);
                console.line(format_args!("a call failed: {error}"));
            }
        }
    }
    figures.close(cpu_after.saturating_sub(cpu_before));
    figures.prosody = super::prosody::Cost::measure(10)?;
    figures.machine = Machine::here();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        let load = figures.machine.load_1m.unwrap_or_default();
        let refused: Vec<String> =
            figures.calls_refused.iter().map(|(status, calls)| format!("; {calls} refused with {status}")).collect();
        println!(
            "{} of {calls} calls up for {:.0} s ({} failed{}, {} ended early): {:.2} % of a core each, {:.0} kB each ({} kB idle)\n\
             {}, {} lost; {}\n\
             turns            {} false cut-offs, {} without an answer\n\
             prosody          {:.3} % of a core while a caller speaks, {:.3} % at 40 % talk\n\
             machine          {}, {} cores, load {load:.2}; the telephones' own packets left at most {:.1} ms late",
            figures.calls_up,
            figures.seconds,
            figures.calls_failed,
            refused.concat(),
            figures.calls_ended_early,
            figures.cpu_percent_per_call.unwrap_or(f64::NAN),
            figures.rss_kb_per_call.unwrap_or(f64::NAN),
            figures.rss_idle_kb,
            figures.late_line(),
            figures.packets_lost,
            figures.gap_line(),
            figures.false_cutoffs,
            figures.missed,
            figures.prosody.cpu_percent_speaking,
            figures.prosody.cpu_percent_at_40_percent_talk,
            figures.machine.cpu,
            figures.machine.cores,
            figures.send_late_max_ms,
        );
    }
    Ok(figures.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> PhoneError {
        PhoneError::Refused { target: "sip:agent@127.0.0.1".to_owned(), status, reason: "no".to_owned() }
    }

    #[test]
    fn calls_that_never_came_up_are_failures_and_carry_no_cost() {
        let mut figures = Figures { calls: 4, calls_up: 1, seconds: 10.0, rss_kb: 3_000, ..Figures::default() };
        let console = Console { json: true };
        for status in [488, 503, 503] {
            figures.over_too_early(Err(refused(status)), &console);
        }
        figures.close(Duration::from_secs(1));
        assert_eq!((figures.calls_failed, figures.calls_ended_early), (3, 0));
        assert_eq!(figures.calls_refused, BTreeMap::from([(488, 1), (503, 2)]));
        assert_eq!((figures.cpu_percent_per_call, figures.rss_kb_per_call), (Some(10.0), Some(3_000.0)));
        assert_eq!(format!("{:?}", figures.code()), format!("{:?}", ExitCode::from(2)));
        let mut none = Figures { calls: 1, seconds: 10.0, ..Figures::default() };
        none.close(Duration::from_secs(1));
        assert_eq!(none.cpu_percent_per_call, None, "nobody was there to cost anything");
        let early = Figures { calls_ended_early: 1, ..Figures::default() };
        assert_eq!(format!("{:?}", early.code()), format!("{:?}", ExitCode::from(1)));
    }

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
