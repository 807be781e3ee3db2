//! What the measuring commands print and write: one place, so that all of them say the same of the same figures.

use crate::phone::{Recording, Report, TurnReport};
use crate::pii::Secret;
use anyhow::Context;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The telephone's own packets leave on time to a few milliseconds; when one was as late as this, the machine was overloaded.
const LATE_MS: f64 = 40.0;

/// Where people's lines go: to standard output, or to standard error when figures go to standard output as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Console {
    /// Figures are printed as JSON.
    pub json: bool,
}

impl Console {
    /// A line for people.
    pub fn line(self, text: impl std::fmt::Display) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    /// The figures at the end: JSON, or the summary in words.
    ///
    /// # Errors
    /// None that a report can cause; serialisation is fallible by type.
    pub fn finish(self, report: &Report) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
        } else {
            println!("{}", summary(report).trim_end());
        }
        Ok(())
    }
}

/// A figure in milliseconds, or a dash.
pub fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"))
}

/// What of a turn is worth a word beside its gap.
fn remarks(turn: &TurnReport) -> String {
    let mut remarks = Vec::new();
    if turn.barge_in {
        remarks.push(format!("interrupted, silent after {}", ms(turn.stop_ms)));
    }
    if turn.false_cutoff {
        remarks.push("CUT OFF".to_owned());
    }
    if turn.missed {
        remarks.push("NO ANSWER".to_owned());
    }
    if !turn.complete {
        remarks.push("unfinished".to_owned());
    }
    remarks.join(", ")
}

/// The conversation as text: `transcript.txt`.
pub fn transcript(report: &Report) -> String {
    let mut text = String::new();
    for call in &report.calls {
        if report.calls.len() > 1 {
            let _ = writeln!(text, "call {}", call.call);
        }
        if let Some(error) = &call.error {
            let _ = writeln!(text, "failed  {error}");
        }
        if let Some(greeting) = &call.greeting_text {
            let _ = writeln!(text, "{:>9}  agent   {greeting}", ms(call.greeting_ms));
        }
        for turn in report.turns.iter().filter(|turn| turn.call == call.call) {
            let keys = turn.keys.as_ref().map(|keys| format!("[keys {keys}]"));
            let said = keys.as_deref().or(turn.caller_text.as_deref()).unwrap_or("[recording]");
            let heard = turn.heard_text.as_deref().filter(|heard| Some(*heard) != turn.caller_text.as_deref());
            let heard = heard.map(|heard| format!("   (heard: {heard})")).unwrap_or_default();
            let _ = writeln!(text, "{:>9}  caller  {said}{heard}", "");
            let remarks = remarks(turn);
            if turn.agent_text.is_some() || !remarks.is_empty() || turn.gap_ms.is_some() {
                let speaks = if turn.gap_ms.is_some() { "[speaks]" } else { "" };
                let answer = turn.agent_text.as_deref().unwrap_or(speaks);
                let remarks = if remarks.is_empty() { remarks } else { format!("   ({remarks})") };
                let _ = writeln!(text, "{:>9}  agent   {answer}{remarks}", ms(turn.gap_ms));
            }
        }
    }
    text
}

/// The summary in words.
pub fn summary(report: &Report) -> String {
    let s = &report.summary;
    let mut text = String::new();
    let calls = if s.calls == 1 { "1 call".to_owned() } else { format!("{} calls", s.calls) };
    let failed = if s.calls_failed > 0 { format!(", {} failed", s.calls_failed) } else { String::new() };
    let codecs = if s.codecs.is_empty() { "none" } else { &s.codecs.join(", ") };
    let _ = writeln!(text, "{calls}{failed}; {} spoken turns; codec {codecs}", s.turns);
    if s.turns > 0 {
        let _ = writeln!(
            text,
            "response gap     p50 {}  p95 {}  p99 {}  over {} turns; {} false cut-offs, {} without an answer",
            ms(s.gap_p50_ms),
            ms(s.gap_p95_ms),
            ms(s.gap_p99_ms),
            s.gaps,
            s.false_cutoffs,
            s.missed,
        );
        let _ = writeln!(
            text,
            "pauses           {} of the spoken turns hold a silence of 200 ms or more; of the cut-offs, {} fell on one without",
            s.turns_with_pause, s.false_cutoffs_without_pause,
        );
    }
    if s.not_endpoint_ms_p50.is_some() {
        let _ = writeln!(
            text,
            "of that, not the endpoint wait: p50 {}  p95 {}   (decided p50 {}  p95 {} after the last speech sample)",
            ms(s.not_endpoint_ms_p50),
            ms(s.not_endpoint_ms_p95),
            ms(s.endpoint_ms_p50),
            ms(s.endpoint_ms_p95),
        );
    }
    if s.barge_ins > 0 {
        let _ = writeln!(
            text,
            "barge-in         silent after p50 {}  p95 {}  over {} interruptions",
            ms(s.stop_p50_ms),
            ms(s.stop_p95_ms),
            s.barge_ins,
        );
    }
    if let Some(engines) = &s.engines {
        let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join("+") };
        let _ = writeln!(
            text,
            "engines          vad {}  asr {}  tts {}  llm {}",
            names(&engines.vad),
            names(&engines.asr),
            names(&engines.tts),
            names(&engines.llm),
        );
    }
    if s.scripted_recogniser {
        let _ = writeln!(
            text,
            "NOTE             the recogniser was told what the caller says: this measures no recognition"
        );
    }
    let m = &report.machine;
    let load = m.load_1m.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    let _ = writeln!(text, "machine          {}, {} cores, {}, load {load}", m.cpu, m.cores, m.os);
    let _ = writeln!(
        text,
        "                 audible from {} dBFS; percentiles by nearest rank; the telephone's own packets left at most {:.1} ms late",
        report.definition.audible_dbfs, s.send_late_max_ms,
    );
    if s.send_late_max_ms > LATE_MS {
        let _ =
            writeln!(text, "NOTE             this machine was too busy to measure on: do not publish these figures");
    }
    text
}

/// Writes `report.json`, `transcript.txt` and the recordings (`call.wav`, or `call-1.wav`, `call-2.wav` and so on) into `dir`.
///
/// # Errors
/// A folder or file that cannot be written, by name.
pub fn write(dir: &Path, report: &Report, recordings: &[(Recording, Duration)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
    let put = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    put("report.json", serde_json::to_string_pretty(report)? + "\n")?;
    put("transcript.txt", transcript(report) + "\n" + &summary(report))?;
    for (i, (recording, answered)) in recordings.iter().enumerate() {
        let name = if recordings.len() == 1 { "call.wav".to_owned() } else { format!("call-{}.wav", i + 1) };
        recording.write(&dir.join(name), *answered)?;
    }
    Ok(())
}

/// The exit code for CI: 0 all turns were answered within the limits, 1 not so, 2 a call failed.
pub fn verdict(report: &Report, max_false_cutoffs: usize, max_gap_p95_ms: Option<f64>) -> ExitCode {
    let s = &report.summary;
    let too_slow = s.gap_p95_ms.zip(max_gap_p95_ms).is_some_and(|(gap, max)| gap > max);
    if s.calls_failed > 0 {
        ExitCode::from(2)
    } else if s.missed > 0 || s.false_cutoffs > max_false_cutoffs || too_slow {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

/// `user:password@host[:port]` of `--register`.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The extension.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The registrar.
    pub host: String,
}

impl std::str::FromStr for Registration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "expected user:password@host or user:password@host:port".to_owned();
        let (account, host) = text.rsplit_once('@').ok_or_else(wanted)?;
        let (user, password) = account.split_once(':').ok_or_else(wanted)?;
        if user.is_empty() || host.is_empty() {
            return Err(wanted());
        }
        Ok(Self { user: user.to_owned(), password: Secret::from(password), host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{CallReport, Summary};

    fn report() -> Report {
        let mut report = Report::new("test");
        report.calls.push(CallReport {
            call: 1,
            greeting_ms: Some(180.0),
            greeting_text: Some("Hello.".into()),
            ..CallReport::default()
        });
        report.turns.push(TurnReport {
            call: 1,
            caller_text: Some("yes".into()),
            heard_text: Some("guess".into()),
            agent_text: Some("Pardon?".into()),
            gap_ms: Some(412.3),
            complete: true,
            ..TurnReport::default()
        });
        report.turns.push(TurnReport { call: 1, missed: true, complete: true, ..TurnReport::default() });
        report
    }

    #[test]
    fn the_transcript_shows_both_sides_and_what_was_misheard() {
        let text = transcript(&report());
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "180 ms  agent   Hello.",
                "caller  yes   (heard: guess)",
                "412 ms  agent   Pardon?",
                "caller  [recording]",
                "–  agent      (NO ANSWER)",
            ]
        );
    }

    #[test]
    fn a_scripted_recogniser_is_named_in_the_figures() {
        let mut report = report();
        assert!(!summary(&report).contains("told what the caller says"));
        report.summary.scripted_recogniser = true;
        assert!(summary(&report).contains("told what the caller says"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new/folder");
        write(&folder, &report(), &[(Recording::default(), Duration::ZERO)]).unwrap();
        let read: Report = serde_json::from_str(&std::fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
        assert_eq!(read, report());
        assert!(folder.join("transcript.txt").is_file() && folder.join("call.wav").is_file());
    }

    #[test]
    fn a_registration_is_read_and_its_password_hidden() {
        let r: Registration = "1001:pa:ss@pbx.example:5070".parse().unwrap();
        assert_eq!((r.user.as_str(), r.host.as_str()), ("1001", "pbx.example:5070"));
        assert!(!format!("{r:?}").contains("pa:ss"));
        assert!("1001@pbx".parse::<Registration>().is_err());
    }

    #[test]
    fn the_exit_code_tells_what_went_wrong() {
        let code =
            |summary: Summary| format!("{:?}", verdict(&Report { summary, ..Report::default() }, 1, Some(800.0)));
        let is = |code: ExitCode| format!("{code:?}");
        let good = Summary { gap_p95_ms: Some(800.0), false_cutoffs: 1, ..Summary::default() };
        assert_eq!(code(good.clone()), is(ExitCode::SUCCESS));
        assert_eq!(code(Summary { gap_p95_ms: Some(801.0), ..good.clone() }), is(ExitCode::from(1)));
        assert_eq!(code(Summary { false_cutoffs: 2, ..good.clone() }), is(ExitCode::from(1)));
        assert_eq!(code(Summary { missed: 1, ..good.clone() }), is(ExitCode::from(1)));
        assert_eq!(code(Summary { missed: 1, calls_failed: 1, ..good }), is(ExitCode::from(2)));
    }
}
