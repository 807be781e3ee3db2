//! `tipring bench turns`: simulated callers over real RTP against the whole server. Who calls is decided by [`crate::sim`], what
//! came of it is read off the telephone's RTP; only what cannot be heard there (why the agent stopped, when it turned its voice
//! down) is taken from the server's record.

use super::demo::add_call;
use super::lab::{Engines, Lab, Outcome, Scratch};
use super::lines::{Voices, Words};
use super::phone::Manner;
use super::report::{self, Console};
use crate::audio::level;
use crate::phone::{Act, Aside, Echo, Machine, Report, Step, Trigger, Utterance, failed_call};
use crate::settings::Settings;
use crate::sim::{self, Caller, Deed, Dice, When};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tally::{Inside, Tally};
use tokio::task::JoinSet;

mod tally;

/// The callers' voices: not the agent's default.
const VOICES: [&str; 3] = ["rms", "awb", "kal16"];
/// The voice behind a caller with neighbours, and what it says.
const NEIGHBOUR: (&str, &str) = (
    "awb",
    "and then she said [400] that nobody had told her about it [700] which was not true [300] of course [900] but who would \
     know that by now",
);
/// Recordings taken from a folder, at most.
const RECORDINGS: usize = 500;

/// Arguments of `tipring bench turns`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Calls to hold.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,

    /// Calls at the same time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,

    /// Use the callers that are kept for the test (odd seeds). Whoever tunes the agent does without.
    #[arg(long)]
    test: bool,

    /// Callers who only encourage the agent ("mm hm", "okay"), in every answer: how often that stops it.
    #[arg(long)]
    backchannels: bool,

    /// Speak with the WAV files of this folder instead of synthesised voices. Without it there is English only.
    #[arg(long, value_name = "DIR")]
    speech: Option<PathBuf>,

    #[command(flatten)]
    manner: Manner,

    /// The flow that answers; without, the configured one. The callers' words are made for 'welcome'.
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

/// The figures, as printed with `--json`.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
pub struct Figures {
    /// Always: the callers do not exist.
    simulated: bool,
    /// The callers' language.
    language: String,
    /// `development` (even) or `test` (odd).
    seeds: &'static str,
    /// Whose speech it is.
    speech: String,
    /// The network between caller and server.
    network: String,
    /// What the network adds to every gap on average.
    network_round_trip_ms: f64,
    calls: usize,
    calls_failed: usize,
    turns: usize,
    gaps: usize,
    gap_p50_ms: Option<f64>,
    gap_p95_ms: Option<f64>,
    gap_p99_ms: Option<f64>,
    holds: usize,
    holds_at_complete_percent: f64,
    false_cutoffs: usize,
    /// Of the holds.
    false_cutoff_percent: f64,
    turns_cut_off_percent: f64,
    missed: usize,
    barge_ins: usize,
    barge_in_recall_percent: Option<f64>,
    stop_p50_ms: Option<f64>,
    stop_p95_ms: Option<f64>,
    ducked: usize,
    ducked_p50_ms: Option<f64>,
    ducked_p95_ms: Option<f64>,
    /// Interruptions of the opening, which the flow does not permit; not among `barge_ins`.
    opening_barge_ins: usize,
    backchannels: usize,
    backchannel_false_stops: usize,
    backchannel_false_stop_percent: Option<f64>,
    /// Those for which the agent fell silent and then went on.
    backchannel_pauses: usize,
    backchannel_pause_p50_ms: Option<f64>,
    backchannel_pause_p95_ms: Option<f64>,
    noises: usize,
    noise_false_stops: usize,
    /// Level of the agent's echo against the agent.
    echo_db: f64,
    echo_calls: usize,
    self_interruptions: usize,
    /// Times that it fell silent for its echo, whatever came of it.
    self_pauses: usize,
    send_late_max_ms: f64,
    machine: Machine,
}

/// The voices of the callers.
struct Cast {
    voices: Voices,
    recordings: Vec<PathBuf>,
    neighbour: Option<Arc<[i16]>>,
}

impl Cast {
    fn new(language: &str, speech: Option<&Path>) -> anyhow::Result<Self> {
        let recordings = match speech {
            Some(dir) => recordings(dir)?,
            None if language.starts_with("en") => Vec::new(),
            None => bail!(
                "there is no voice for '{language}': give recordings of callers with --speech DIR (WAV files, one utterance each)"
            ),
        };
        Ok(Self { voices: Voices::new("en"), recordings, neighbour: None })
    }

    fn label(&self, speech: Option<&Path>) -> String {
        match speech {
            Some(dir) => format!("{} recordings from {}, joined at random", self.recordings.len(), dir.display()),
            None => format!("flite voices {}", VOICES.join(", ")),
        }
    }

    /// The steps of a caller.
    async fn steps(&mut self, caller: &Caller, seed: u64) -> anyhow::Result<Vec<Step>> {
        let voice = VOICES[caller.voice % VOICES.len()];
        let mut dice = Dice::new(seed).fork(9);
        let mut steps = Vec::new();
        for act in &caller.acts {
            let trigger = match act.when {
                When::AfterAgent(ms) => Trigger::AgentSilent(Duration::from_millis(ms)),
                When::IntoAgent(ms) => Trigger::AgentSpeaking(Duration::from_millis(ms)),
                When::Later(ms) => Trigger::Elapsed(Duration::from_millis(ms)),
            };
            let act = match act.deed {
                Deed::Noise => {
                    let cough = Utterance::annotate(sim::cough(&mut dice), "a cough", Some("[cough]".to_owned()))?;
                    Act::Aside(Arc::new(cough), Aside::Noise)
                }
                Deed::Backchannel => {
                    Act::Aside(Arc::new(self.speak(&act.parts, voice, &mut dice).await?), Aside::Backchannel)
                }
                Deed::Turn | Deed::BargeIn(_) => Act::Say(Arc::new(self.speak(&act.parts, voice, &mut dice).await?)),
            };
            steps.push(Step { trigger, act });
        }
        Ok(steps)
    }

    async fn speak(&mut self, parts: &[sim::Part], voice: &str, dice: &mut Dice) -> anyhow::Result<Utterance> {
        if self.recordings.is_empty() {
            let text: Vec<String> = parts.iter().map(|part| format!("[{}] {}", part.pause_ms, part.text)).collect();
            return self.voices.utterance(&Words::Text(text.join(" ")), voice).await;
        }
        let mut sounds = Vec::new();
        for part in parts {
            let Some(path) = dice.pick(&self.recordings) else { bail!("there are no recordings") };
            sounds.push((part.pause_ms, self.voices.utterance(&Words::File(path.clone(), None), voice).await?));
        }
        Ok(Utterance::join(&sounds, "recordings", None)?)
    }

    /// Talk behind a caller.
    async fn neighbour(&mut self) -> anyhow::Result<Arc<[i16]>> {
        if let Some(sound) = &self.neighbour {
            return Ok(Arc::clone(sound));
        }
        let talk = match self.recordings.first() {
            Some(path) => Words::File(path.clone(), None),
            None => Words::Text(NEIGHBOUR.1.to_owned()),
        };
        let mut samples = self.voices.utterance(&talk, NEIGHBOUR.0).await?.samples().to_vec();
        level::normalise(&mut samples, sim::NEIGHBOUR_DBFS as f32);
        let sound: Arc<[i16]> = samples.into();
        self.neighbour = Some(Arc::clone(&sound));
        Ok(sound)
    }
}

/// The WAV files of a folder, by name.
fn recordings(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("--speech {}: cannot be read", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")));
    files.sort();
    files.truncate(RECORDINGS);
    if files.is_empty() {
        bail!("--speech {}: there is no .wav in it", dir.display());
    }
    Ok(files)
}

/// Runs the command. Exit codes: 0 all calls were held, 2 calls failed.
///
/// # Errors
/// Whatever keeps the server or the telephone from starting, and files that cannot be read or written.
pub async fn run(args: Args, settings: Settings) -> anyhow::Result<ExitCode> {
    let console = Console { json: args.json };
    let manner = args.manner;
    let mut cast = Cast::new(&manner.lang, args.speech.as_deref())?;
    let scratch = Scratch::new()?;
    let lab = Lab::start(settings, args.flow.as_deref(), scratch.path(), manner.codecs(), args.allow_scripted).await?;
    let lab = Arc::new(lab);
    let engines = Engines::default();
    let mut report = Report::new("bench turns");
    let mut tally = Tally::default();
    let mut running: JoinSet<(Caller, bool, Outcome)> = JoinSet::new();
    let mut placed = 0;
    loop {
        while running.len() < args.parallel as usize && placed < args.calls {
            let seed = u64::from(2 * placed + u32::from(args.test));
            let caller =
                if args.backchannels { sim::humming_caller(seed) } else { sim::welcome_caller(&manner.lang, seed) };
            let mut plan = manner.plan(&cast.steps(&caller, seed).await?, seed, false);
            if plan.surroundings.echo.is_none() {
                let delay = caller.echo_ms.map(Duration::from_millis);
                plan.surroundings.echo = delay.map(|delay| Echo { db: sim::ECHO_DB, delay });
            }
            if caller.neighbours {
                plan.surroundings.background = Some(cast.neighbour().await?);
            }
            let (lab, echoes) = (Arc::clone(&lab), plan.surroundings.echo.is_some());
            running.spawn(async move { (caller, echoes, lab.hold(plan, &mut |_| {}).await) });
            placed += 1;
        }
        let Some(outcome) = running.join_next().await else { break };
        match outcome? {
            (caller, echoes, Ok((held, account))) => {
                let inside = account.as_ref().map(|account| Inside::of(account, &held));
                tally.add(&caller, echoes, &held, inside.as_ref());
                if let Some(account) = &account {
                    engines.add(&account.record.engines);
                }
                add_call(&mut report, &held, account.as_ref());
            }
            (_, _, Err(error)) => {
                tally.figures.calls_failed += 1;
                console.line(format_args!("a call failed: {error}"));
                report.add_call(failed_call(lab.target(), &error), Duration::ZERO, &[], &[]);
            }
        }
        eprintln!("{} of {} calls, {} gaps", tally.figures.calls, args.calls, tally.gaps.len());
    }
    report.machine = Machine::here();
    report.set_engines(engines.names());
    let Some(lab) = Arc::into_inner(lab) else { bail!("a call is still up") };
    lab.shutdown().await;
    let failed = tally.figures.calls_failed;
    let mut figures = tally.finish();
    figures.language = manner.lang.clone();
    figures.echo_db = manner.echo.map_or(sim::ECHO_DB, |(db, _)| db);
    figures.seeds = if args.test { "test" } else { "development" };
    figures.speech = cast.label(args.speech.as_deref());
    figures.network = manner.network.map_or_else(|| "clean".to_owned(), |network| network.to_string());
    figures.network_round_trip_ms = manner.network.map_or(0.0, |network| network.mean_round_trip_ms());
    report.material = Some(format!("simulated callers, {} seeds, {}", figures.seeds, figures.speech));
    if let Some(dir) = &args.report {
        report::write(dir, &report, &[])?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", told(&figures));
    }
    Ok(if failed > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// The figures in words.
fn told(f: &Figures) -> String {
    let ms = report::ms;
    let share = |percent: Option<f64>| percent.map_or_else(|| "–".to_owned(), |p| format!("{p} %"));
    let load = f.machine.load_1m.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    format!(
        "SIMULATED        {} calls ({} failed), {} seeds, language {}, {}\n\
         network          {} (adds {:.0} ms to a round trip)\n\
         response gap     p50 {}  p95 {}  p99 {}  over {} turns; {} without an answer\n\
         false cut-offs   {} at {} holds: {} %, {} % of the holds where the sentence could be over; {} % of the turns\n\
         barge-in         {} interruptions, heard {}; silent after p50 {}  p95 {}; turned down ({}) after p50 {}  p95 {}\n\
         backchannels     {} over the agent, {} false stops ({}); {} times it fell silent and went on, after p50 {}  p95 {}\n\
         noises           {} over the agent, {} false stops\n\
         echo             {} calls with {} dB, the agent interrupted itself {} times and paused {} times\n\
         machine          {}, {} cores, load {load}; the telephone's own packets left at most {:.1} ms late\n",
        f.calls,
        f.calls_failed,
        f.seeds,
        f.language,
        f.speech,
        f.network,
        f.network_round_trip_ms,
        ms(f.gap_p50_ms),
        ms(f.gap_p95_ms),
        ms(f.gap_p99_ms),
        f.gaps,
        f.missed,
        f.false_cutoffs,
        f.holds,
        f.false_cutoff_percent,
        f.holds_at_complete_percent,
        f.turns_cut_off_percent,
        f.barge_ins,
        share(f.barge_in_recall_percent),
        ms(f.stop_p50_ms),
        ms(f.stop_p95_ms),
        f.ducked,
        ms(f.ducked_p50_ms),
        ms(f.ducked_p95_ms),
        f.backchannels,
        f.backchannel_false_stops,
        share(f.backchannel_false_stop_percent),
        f.backchannel_pauses,
        ms(f.backchannel_pause_p50_ms),
        ms(f.backchannel_pause_p95_ms),
        f.noises,
        f.noise_false_stops,
        f.echo_calls,
        f.echo_db,
        f.self_interruptions,
        f.self_pauses,
        f.machine.cpu,
        f.machine.cores,
        f.send_late_max_ms,
    )
}

#[cfg(test)]
mod tests;
