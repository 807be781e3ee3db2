//! `tipring phone`: the test telephone.

use super::lines::{CALLER_VOICE, Lines, Voices, known_voice};
use super::report::{self, Console, Registration};
use crate::audio::CodecKind;
use crate::phone::{
    Act, Config, Echo, Extension, Handset, Happening, HeldCall, LINGER, PATIENCE, PhoneError, Plan, Report, Script,
    Step, Surroundings, failed_call,
};
use crate::settings::Settings;
use crate::sim::Network;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Examples and exit codes for `--help`.
pub const EXAMPLES: &str = "Examples:
  tipring phone --to sip:agent@127.0.0.1:5060 --say \"yes [300] that is right\" --say goodbye.wav
  tipring phone --to 200 --register 1001:secret@pbx.example --say hello --barge-in \"stop please@1200\" --dtmf 1#
  tipring phone --answer --listen 127.0.0.1:5080 --say \"who is calling\"
Exit codes:
  0  every turn was answered within the limits
  1  a turn was not answered, or a limit was exceeded (--max-false-cutoffs, --max-gap-p95-ms)
  2  a call failed";

/// Arguments of `tipring phone`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Whom to call: a SIP URI, or an extension of the PBX that --register names.
    #[arg(long, value_name = "TARGET", required_unless_present = "answer", conflicts_with = "answer")]
    to: Option<String>,

    /// Do not call: wait to be called, and answer.
    #[arg(long)]
    answer: bool,

    /// Register as this extension first.
    #[arg(long, value_name = "USER:PASSWORD@HOST[:PORT]", env = "TIPRING_PHONE_REGISTER", hide_env_values = true)]
    register: Option<Registration>,

    /// Where to listen for SIP; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:0")]
    listen: SocketAddr,

    #[command(flatten)]
    lines: Lines,

    #[command(flatten)]
    manner: Manner,

    /// How many calls, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,

    /// Write report.json, transcript.txt and the recordings (stereo: left the caller, right the agent) here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// False cut-offs from which on the exit code is 1 are more than this.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_false_cutoffs: usize,

    /// The exit code is 1 when the 95th percentile of the response gap is greater.
    #[arg(long, value_name = "MS")]
    max_gap_p95_ms: Option<f64>,

    /// Print the report as JSON to standard output, everything else to standard error.
    #[arg(long)]
    json: bool,
}

/// How the caller speaks: common to all commands that place calls with the telephone.
#[derive(clap::Args, Clone, Debug)]
pub struct Manner {
    /// Codec to offer: pcmu, pcma or g722; without, all of them, g722 first.
    #[arg(long, value_name = "CODEC", value_parser = |text: &str| text.parse::<CodecKind>())]
    pub codec: Option<CodecKind>,

    /// The voice that speaks the caller's text lines: slt, rms, awb or kal16.
    #[arg(long, value_name = "VOICE", default_value = CALLER_VOICE, value_parser = known_voice)]
    pub voice: String,

    /// Language of the caller's text lines.
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub lang: String,

    /// How long the agent must be silent before the caller's next line.
    #[arg(long, value_name = "MS", default_value_t = 600)]
    pub after_silence_ms: u64,

    /// How long the caller waits for an answer before going on.
    #[arg(long, value_name = "S", default_value_t = PATIENCE.as_secs())]
    pub patience_s: u64,

    /// Hang up after this time from the answer, whatever happens.
    #[arg(long, value_name = "S", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub hangup_after: u64,

    /// White noise on the caller's line, RMS in dBFS, for instance -60.
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    pub noise_dbfs: Option<f32>,

    /// Put a network between the telephone and its peer: delay and jitter in ms, loss, reorder and dup in %, burst in packets,
    /// drift in ppm, dtx; for instance "delay=40,jitter=60,loss=2,burst=3,reorder=1,dup=0.5,drift=50ppm,dtx".
    #[arg(long, value_name = "CONDITIONS", value_parser = |text: &str| text.parse::<Network>())]
    pub network: Option<Network>,

    /// Seed of the network's chance; the calls of a run have seeds two apart.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub seed: u64,

    /// The agent's voice comes back on the caller's line: level in dB and delay, for instance -25@120.
    #[arg(long, value_name = "DB@MS", allow_hyphen_values = true, value_parser = echo)]
    pub echo: Option<(f64, u64)>,

    /// Send a re-INVITE with the same media 300 ms into everything that is said.
    #[arg(long)]
    pub reinvite: bool,
}

/// Reads `-25@120`.
fn echo(text: &str) -> Result<(f64, u64), String> {
    let read = || {
        let (db, ms) = text.split_once('@')?;
        Some((db.parse().ok()?, ms.parse().ok()?))
    };
    match read() {
        Some((db, ms)) if (-60.0..=0.0).contains(&db) && (40..=1000).contains(&ms) => Ok((db, ms)),
        _ => Err("expected a level from -60 to 0 dB and a delay from 40 to 1000 ms: -25@120".to_owned()),
    }
}

impl Manner {
    /// The codecs to offer.
    pub fn codecs(&self) -> Vec<CodecKind> {
        self.codec.map_or_else(|| CodecKind::ALL.to_vec(), |codec| vec![codec])
    }

    /// How long the agent must be silent before the next line.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.after_silence_ms)
    }

    /// Where the caller of call number `call` is.
    pub fn surroundings(&self, call: u64) -> Surroundings {
        let echo = self.echo.map(|(db, delay_ms)| Echo { db, delay: Duration::from_millis(delay_ms) });
        Surroundings {
            network: self.network.map(|network| (network, self.seed.wrapping_add(2 * call))),
            echo,
            background: None,
            reinvites: self.reinvite,
        }
    }

    /// The plan of call number `call` with these steps.
    pub fn plan(&self, steps: &[Step], call: u64, record: bool) -> Plan {
        let linger = LINGER.max(self.silence());
        Plan {
            surroundings: self.surroundings(call),
            script: Script::new(steps.to_vec()).with_patience(Duration::from_secs(self.patience_s)).with_linger(linger),
            noise_dbfs: self.noise_dbfs,
            record,
            longest: Duration::from_secs(self.hangup_after),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What keeps the telephone from being switched on. Calls that fail are part of the report.
pub async fn run(args: Args, _settings: Settings) -> anyhow::Result<ExitCode> {
    let console = Console { json: args.json };
    let steps = Voices::new(&args.manner.lang).steps(&args.lines.0, &args.manner.voice, args.manner.silence()).await?;
    let extension = args.register.as_ref().map(|r| Extension {
        user: r.user.clone(),
        password: r.password.clone(),
        registrar: r.host.clone(),
    });
    let mut phone = Handset::start(Config { listen: args.listen, extension, codecs: args.manner.codecs() }).await?;
    if args.answer {
        console.line(format_args!("waiting for a call at {}", phone.local_addr()));
    }
    let mut report = Report::new(if args.answer { "phone --answer" } else { "phone" });
    report.machine = crate::phone::Machine::here();
    let mut recordings = Vec::new();
    for number in 1..=args.calls {
        if args.calls > 1 {
            console.line(format_args!("call {number} of {}", args.calls));
        }
        let plan = args.manner.plan(&steps, number.into(), args.report.is_some());
        let mut show = |happening: &Happening| show(console, &steps, happening);
        let (held, peer) = match &args.to {
            Some(target) => (phone.call(target, plan, &mut show).await, target.as_str()),
            None => (phone.answer(plan, &mut show).await, "a caller"),
        };
        match held {
            Ok(mut held) => {
                if let Some(recording) = held.log.recording.take() {
                    recordings.push((recording, held.answered()));
                }
                add(&mut report, &held);
            }
            Err(error) => {
                console.line(format_args!("call failed: {error}"));
                report.add_call(failed_call(peer, &error), Duration::ZERO, &[], &[]);
                if matches!(error, PhoneError::Socket { .. } | PhoneError::Thread(_)) {
                    break;
                }
            }
        }
    }
    phone.shutdown().await;
    report.machine.load_1m = crate::phone::Machine::here().load_1m;
    if let Some(dir) = &args.report {
        report::write(dir, &report, &recordings)?;
        console.line(format_args!("report, transcript and recording: {}", dir.display()));
    }
    if !args.json {
        console.line("");
    }
    console.finish(&report)?;
    Ok(report::verdict(&report, args.max_false_cutoffs, args.max_gap_p95_ms))
}

fn add(report: &mut Report, held: &HeldCall) {
    report.add_call(held.report(), held.answered(), &held.turns(), &[]);
}

/// Tells what happens while it does, as far as the telephone alone can know it.
fn show(console: Console, steps: &[Step], happening: &Happening) {
    match happening {
        Happening::Begins(index) => match steps.get(*index).map(|step| &step.act) {
            Some(Act::Say(utterance) | Act::Aside(utterance, _)) => {
                console.line(format_args!("{:>9}  caller  {}", "", utterance.name()))
            }
            Some(Act::Press(keys)) => console.line(format_args!("{:>9}  caller  [keys {keys}]", "")),
            None => {}
        },
        Happening::AgentSpeaks { gap_ms, .. } => {
            console.line(format_args!(
                "{:>9}  agent   speaks",
                gap_ms.map_or_else(String::new, |gap| report::ms(Some(gap)))
            ));
        }
        Happening::Said(_) | Happening::Over { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        use clap::Parser as _;
        Alone::try_parse_from(std::iter::once("phone").chain(line.split(' '))).map(|alone| alone.args)
    }

    #[test]
    fn arguments_are_read() {
        let args = parse("--to sip:a@127.0.0.1 --say hi --dtmf 1# --codec g722 --noise-dbfs -60 --calls 3").unwrap();
        assert_eq!((args.manner.codecs(), args.calls, args.lines.0.len()), (vec![CodecKind::G722], 3, 2));
        assert_eq!(args.manner.noise_dbfs, Some(-60.0));
        let args = parse("--to a --echo -25@120 --network loss=2,dtx --reinvite").unwrap();
        let surroundings = args.manner.surroundings(1);
        assert!(surroundings.reinvites && surroundings.network.is_some_and(|(network, seed)| network.dtx && seed == 4));
        assert_eq!(args.manner.echo, Some((-25.0, 120)));
        assert_eq!(parse("--answer").unwrap().manner.codecs(), CodecKind::ALL);
        for wrong in [
            "--say hi",
            "--to a --answer",
            "--to a --codec opus",
            "--to a --calls 0",
            "--to a --voice bob",
            "--to a --echo 3@120",
            "--to a --network lag=3",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
