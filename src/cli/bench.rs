//! `tipring bench`: the figures of the README.

use super::demo::add_call;
use super::lab::{Engines, Lab, Outcome, Scratch};
use super::lines::{Line, Lines, Voices, Words};
use super::phone::Manner;
use super::report::{self, Console};
use crate::phone::{Definition, Machine, Report, Step, Summary, failed_call, percentile};
use crate::record::Delays;
use crate::settings::Settings;
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// What callers ask in the flow `welcome`; the bar is where a caller may pause.
const QUESTIONS: [&str; 12] = [
    "what time | does it start",
    "how long | does it take",
    "how much | does it cost",
    "where is | the open day",
    "what should i | bring",
    "can i bring | my children",
    "where can i | park",
    "how do i | get there",
    "do i | have to pay",
    "is there | something to eat",
    "when | is it",
    "is it | for free",
];
/// Questions in a call.
const QUESTIONS_PER_CALL: usize = 8;
/// Pauses within utterances, in milliseconds, one in every second utterance. They are longer than the published curve's: 70 % last
/// longer than 300 ms, 30 % longer than 600, 10 % longer than a second (eot-bench, English: 56, 22 and 10 %).
const PAUSES_MS: [u64; 10] = [220, 260, 290, 320, 380, 440, 520, 620, 800, 1200];
/// When interruptions come: milliseconds after the agent started to speak.
const BARGE_INS_MS: [u64; 5] = [600, 750, 900, 1100, 1400];
/// What is said in the bench of the response gap, in words.
const RESPONSE: &str = "synthesised callers (rms, awb, kal16) in conversations with the flow 'welcome'; every second utterance \
                        holds a pause of 220 to 1200 ms";
/// What is said in the bench of interruptions, in words.
const BARGE_IN: &str =
    "synthesised callers (rms, awb, kal16) who interrupt the answers of the flow 'welcome' after 600 to 1400 ms";
/// The callers' voices: not the agent's default.
const CALLERS: [&str; 3] = ["rms", "awb", "kal16"];

/// Arguments of `tipring bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// The response gap: last speech sample of the caller to first audible sample of the agent, read off the RTP.
    Response {
        /// Measured turns wanted.
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        turns: u32,
        #[command(flatten)]
        common: Box<Common>,
    },
    /// What a call costs: processor time, memory, punctuality of the packets, with the server in a process of its own.
    Capacity(Box<super::capacity::Args>),
    /// What it costs to hear how a caller sounds: microseconds for 10 ms of speech.
    Prosody(super::prosody::Args),
    /// How soon the next engine serves after a fault of the one before: servers with every fault of the field, in this process.
    Switch(super::switch::Args),
    /// Simulated callers who pause as people do, interrupt, encourage, cough and echo: gaps, false cut-offs, false stops.
    Turns(Box<super::turns::Args>),
    /// How soon the agent is silent when it is interrupted, from the first speech sample of the caller.
    BargeIn {
        /// Interruptions wanted.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        times: u32,
        #[command(flatten)]
        common: Box<Common>,
    },
}

#[derive(clap::Args, Debug)]
struct Common {
    #[command(flatten)]
    lines: Lines,

    #[command(flatten)]
    manner: Manner,

    /// Calls at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,

    /// The flow that answers; without, the configured one.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,

    /// Write report.json with every turn, and the transcript, here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Permit a configuration with the scripted recogniser, which proves nothing about recognition.
    #[arg(long)]
    allow_scripted: bool,

    /// Print the figures as JSON to standard output, everything else to standard error.
    #[arg(long)]
    json: bool,
}

/// The figures as printed with `--json`.
#[derive(serde::Serialize)]
struct Figures<'a> {
    bench: &'a str,
    parallel_calls: u32,
    material: &'a str,
    /// Answers whose first line was ready when the caller's turn was over.
    first_lines_ready_percent: Option<f64>,
    #[serde(flatten)]
    stages: Stages,
    #[serde(flatten)]
    summary: &'a Summary,
    machine: &'a Machine,
    definition: &'a Definition,
}

/// Delays within the server, by its own clock.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
struct Stages {
    /// From the eager point, where an answer is begun ahead, to its first frame.
    eager_to_ready_ms_p50: Option<f64>,
    eager_to_ready_ms_p95: Option<f64>,
    eager_to_ready: usize,
    /// From the decision that a turn is over to the first packet, of the answers that were ready by then.
    decided_to_packet_ms_p50: Option<f64>,
    decided_to_packet_ms_p99: Option<f64>,
    decided_to_packet: usize,
}

impl Stages {
    fn of(delays: &Delays) -> Self {
        let (eager, packet) = (&delays.eager_to_ready_ms, &delays.decided_to_packet_ms);
        Self {
            eager_to_ready_ms_p50: percentile(eager, 50.0),
            eager_to_ready_ms_p95: percentile(eager, 95.0),
            eager_to_ready: eager.len(),
            decided_to_packet_ms_p50: percentile(packet, 50.0),
            decided_to_packet_ms_p99: percentile(packet, 99.0),
            decided_to_packet: packet.len(),
        }
    }
}

/// Runs the command. Exit codes: 0 the figures stand, 1 too few turns could be measured, 2 calls failed.
///
/// # Errors
/// Whatever keeps the server or the telephone from starting, and files that cannot be read or written.
pub async fn run(args: Args, settings: Settings, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Capacity(args) => super::capacity::run(*args, config).await,
        What::Prosody(args) => super::prosody::run(&args),
        What::Switch(args) => super::switch::run(args).await,
        What::Turns(args) => super::turns::run(*args, settings).await,
        What::Response { turns, common } => {
            let measured = |report: &Report| report.summary.gaps;
            measure("response", turns as usize, measured, (RESPONSE, response_lines), *common, settings).await
        }
        What::BargeIn { times, common } => {
            let measured = |report: &Report| report.summary.barge_ins;
            measure("barge-in", times as usize, measured, (BARGE_IN, barge_in_lines), *common, settings).await
        }
    }
}

/// The lines of call number `call` of the bench of the response gap.
fn response_lines(call: usize) -> Vec<Line> {
    let say = |text: String| Line::Say(Words::Text(text));
    let turns_per_call = QUESTIONS_PER_CALL + 2;
    let mut lines = Vec::with_capacity(turns_per_call);
    for turn in 0..turns_per_call {
        let words = match turn {
            0 => "yes | i will come",
            _ if turn == turns_per_call - 1 => "no | thank you",
            _ => QUESTIONS[(call * QUESTIONS_PER_CALL + turn - 1) % QUESTIONS.len()],
        };
        let spoken = call * turns_per_call + turn;
        let pause = PAUSES_MS[(spoken / 2) % PAUSES_MS.len()];
        let with_pause = spoken % 2 == 1;
        lines.push(say(if with_pause { words.replace('|', &format!("[{pause}]")) } else { words.replace("| ", "") }));
    }
    lines
}

/// The lines of call number `call` of the bench of interruptions: every answer is interrupted by the next question.
fn barge_in_lines(call: usize) -> Vec<Line> {
    let words = |text: &str| Words::Text(text.replace("| ", ""));
    let mut lines = vec![Line::Say(words("yes i will come")), Line::Say(words(QUESTIONS[call % QUESTIONS.len()]))];
    for turn in 1..=QUESTIONS_PER_CALL {
        let number = call * QUESTIONS_PER_CALL + turn;
        let question = QUESTIONS[(call + turn) % QUESTIONS.len()];
        lines.push(Line::BargeIn(words(question), BARGE_INS_MS[number % BARGE_INS_MS.len()]));
    }
    lines.push(Line::Say(words("no thank you")));
    lines
}

/// The callers, one a call.
struct Callers {
    voices: Voices,
    given: Vec<Line>,
    lines: fn(usize) -> Vec<Line>,
    voice: String,
    silence: Duration,
}

impl Callers {
    async fn steps(&mut self, call: usize) -> anyhow::Result<Vec<Step>> {
        if !self.given.is_empty() {
            return self.voices.steps(&self.given, &self.voice, self.silence).await;
        }
        let voice = CALLERS[call % CALLERS.len()];
        self.voices.steps(&(self.lines)(call), voice, self.silence).await
    }
}

async fn measure(
    bench: &str,
    wanted: usize,
    measured: fn(&Report) -> usize,
    (material, lines): (&str, fn(usize) -> Vec<Line>),
    common: Common,
    settings: Settings,
) -> anyhow::Result<ExitCode> {
    let console = Console { json: common.json };
    let manner = common.manner;
    let given = common.lines.0;
    let material = if given.is_empty() { material.to_owned() } else { "the lines given, in every call".to_owned() };
    let voices = Voices::new(&manner.lang);
    let mut callers = Callers { voices, given, lines, voice: manner.voice.clone(), silence: manner.silence() };
    let scratch = Scratch::new()?;
    let lab =
        Lab::start(settings, common.flow.as_deref(), scratch.path(), manner.codecs(), common.allow_scripted).await?;
    let lab = Arc::new(lab);
    let engines = Engines::default();
    let mut report = Report::new(&format!("bench {bench}"));
    report.material = Some(material.clone());
    let mut running: JoinSet<Outcome> = JoinSet::new();
    // Callers who cannot be measured at all must not go on for ever.
    let most_calls = wanted.div_ceil(2) + 4;
    let (mut placed, mut failures_in_a_row) = (0, 0);
    let mut delays = Delays::default();
    loop {
        let enough = |report: &Report| measured(report) >= wanted;
        while running.len() < common.parallel as usize
            && placed < most_calls
            && !enough(&report)
            && failures_in_a_row < 5
        {
            let plan = manner.plan(&callers.steps(placed).await?, placed as u64, false);
            let lab = Arc::clone(&lab);
            running.spawn(async move { lab.hold(plan, &mut |_| {}).await });
            placed += 1;
        }
        let Some(outcome) = running.join_next().await else { break };
        match outcome? {
            Ok((held, account)) => {
                failures_in_a_row = 0;
                if let Some(account) = &account {
                    engines.add(&account.record.engines);
                    let mut more = Delays::of(&account.record.timeline);
                    delays.eager_to_ready_ms.append(&mut more.eager_to_ready_ms);
                    delays.decided_to_packet_ms.append(&mut more.decided_to_packet_ms);
                }
                add_call(&mut report, &held, account.as_ref());
            }
            Err(error) => {
                failures_in_a_row += 1;
                console.line(format_args!("a call failed: {error}"));
                report.add_call(failed_call(lab.target(), &error), Duration::ZERO, &[], &[]);
            }
        }
        eprintln!(
            "{} of {wanted} measured, {} calls, {} false cut-offs, {} without an answer",
            measured(&report).min(wanted),
            report.summary.calls,
            report.summary.false_cutoffs,
            report.summary.missed,
        );
    }
    report.machine = Machine::here();
    report.set_engines(engines.names());
    let Some(lab) = Arc::into_inner(lab) else { bail!("a call is still up") };
    let first_lines_ready_percent = lab.first_lines_ready_percent();
    let stages = Stages::of(&delays);
    lab.shutdown().await;
    if let Some(dir) = &common.report {
        report::write(dir, &report, &[])?;
    }
    if console.json {
        let figures = Figures {
            bench,
            parallel_calls: common.parallel,
            material: &material,
            first_lines_ready_percent,
            stages,
            summary: &report.summary,
            machine: &report.machine,
            definition: &report.definition,
        };
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        console.line(format_args!("material         {material}; {} calls at a time", common.parallel));
        console.finish(&report)?;
        if let Some(percent) = first_lines_ready_percent {
            console.line(format_args!("first lines      {percent} % were ready when the caller's turn was over"));
        }
        console.line(format_args!(
            "eager to ready   p50 {}  p95 {}  over {} answers begun ahead",
            report::ms(stages.eager_to_ready_ms_p50),
            report::ms(stages.eager_to_ready_ms_p95),
            stages.eager_to_ready
        ));
        console.line(format_args!(
            "decided to sent  p50 {}  p99 {}  over {} answers that were ready",
            report::ms(stages.decided_to_packet_ms_p50),
            report::ms(stages.decided_to_packet_ms_p99),
            stages.decided_to_packet
        ));
    }
    Ok(if report.summary.calls_failed > 0 {
        ExitCode::from(2)
    } else if measured(&report) < wanted {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines
            .iter()
            .map(|line| match line {
                Line::Say(Words::Text(text)) | Line::BargeIn(Words::Text(text), _) => text.as_str(),
                other => panic!("{other:?} is no text"),
            })
            .collect()
    }

    #[test]
    fn every_second_utterance_has_a_pause_and_all_pauses_are_used() {
        let calls: Vec<Vec<Line>> = (0..20).map(response_lines).collect();
        let all: Vec<&str> = calls.iter().flat_map(|lines| texts(lines)).collect();
        assert_eq!(all.len(), 200);
        assert_eq!(all.iter().filter(|text| text.contains('[')).count(), 100);
        for pause in PAUSES_MS {
            let marked = format!("[{pause}]");
            assert_eq!(all.iter().filter(|text| text.contains(&marked)).count(), 10, "{pause}");
        }
        assert!(all.iter().all(|text| !text.contains('|')));
    }

    #[test]
    fn interruptions_are_most_of_their_bench() {
        let lines = barge_in_lines(3);
        assert_eq!(lines.iter().filter(|line| matches!(line, Line::BargeIn(..))).count(), QUESTIONS_PER_CALL);
        assert!(texts(&lines).iter().all(|text| !text.contains('|')));
    }
}
