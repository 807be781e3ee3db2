//! espeak-ng as a process that stays: a line of text in, its pronunciation in IPA out. Nothing of it is linked, because its
//! licence is the GPL.
//!
//! A line may come back as several, because espeak-ng has its own idea of where clauses end. So each is followed by a word that
//! nobody says, and what comes before its pronunciation belongs to the line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Closes a line. Not a word of any language, and with a letter that every voice of espeak-ng can read.
const MARK: &str = "qvxoqvxo";
/// Longest time for the first start, when nobody waits for a line yet.
const START: Duration = Duration::from_secs(5);
/// Lines that may wait to be read.
const LINES: usize = 256;

/// One process, for one of espeak-ng's voices.
pub(super) struct Espeak {
    program: PathBuf,
    voice: String,
    /// Longest time for a line, with a new start where one is needed; the program takes some milliseconds.
    patience: Duration,
    running: Option<Running>,
}

/// Why a process gave no answer.
enum Broken {
    /// It has ended.
    Ended(String),
    /// It says nothing.
    Silent(String),
}

impl From<Broken> for String {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Ended(what) | Broken::Silent(what) => what,
        }
    }
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    mark: String,
}

impl Espeak {
    /// Starts the program with its voice. A line that takes longer than `patience` has failed.
    ///
    /// # Errors
    /// Says what is missing and how it is installed.
    pub fn start(program: &Path, voice: &str, patience: Duration) -> Result<Self, String> {
        let running = Some(Running::start(program, voice, Instant::now() + START)?);
        Ok(Self { program: program.to_owned(), voice: voice.to_owned(), patience, running })
    }

    /// The pronunciation of a clause: IPA, words apart. The program is started anew when it has ended. One that hangs is ended,
    /// and the line has failed: nobody waits for it a second time.
    pub fn pronounce(&mut self, clause: &str) -> Result<String, String> {
        let until = Instant::now() + self.patience;
        let line: String = clause.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.program, &self.voice, until)?,
        };
        // One that broke is dropped here, and with it its process.
        let said = match running.ask(&line, until) {
            Err(Broken::Ended(_)) => {
                running = Running::start(&self.program, &self.voice, until)?;
                running.ask(&line, until)
            }
            other => other,
        }?;
        self.running = Some(running);
        Ok(said)
    }
}

impl Running {
    fn start(program: &Path, voice: &str, until: Instant) -> Result<Self, String> {
        let name = program.display();
        let mut child = Command::new(program)
            // -b 1: what comes is UTF-8, whatever the locale says.
            .args(["-b", "1", "-q", "--ipa", "-v", voice])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name} cannot be started: {error}; install the package espeak-ng"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name} cannot be spoken with"));
        };
        let (sender, lines) = sync_channel(LINES);
        let reader = std::thread::Builder::new().name("espeak".into());
        reader
            .spawn(move || {
                // Ends when the process does, or when nobody listens any more.
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| format!("no thread for {name}: {error}"))?;
        let mut running = Self { child, input, lines, mark: String::new() };
        let first = running.send(MARK).and_then(|()| running.next(until));
        running.mark = first.map_err(|broken| {
            format!(
                "{}; does `{name} -v {voice} -q --ipa hello` print something? engine.piper.espeak names the program",
                String::from(broken)
            )
        })?;
        if running.mark.trim().is_empty() {
            return Err(format!("{name} has no voice '{voice}'; install the package espeak-ng-data"));
        }
        Ok(running)
    }

    fn ask(&mut self, line: &str, until: Instant) -> Result<String, Broken> {
        self.send(line)?;
        self.send(MARK)?;
        let mut said = String::new();
        loop {
            let line = self.next(until)?;
            if line == self.mark {
                return Ok(said);
            }
            if !said.is_empty() {
                said.push(' ');
            }
            said.push_str(line.trim());
        }
    }

    fn send(&mut self, line: &str) -> Result<(), Broken> {
        let sent = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        sent.map_err(|error| Broken::Ended(format!("espeak-ng has ended: {error}")))
    }

    fn next(&mut self, until: Instant) -> Result<String, Broken> {
        self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|error| match error {
            RecvTimeoutError::Timeout => Broken::Silent("espeak-ng says nothing in time".to_owned()),
            RecvTimeoutError::Disconnected => Broken::Ended("espeak-ng has ended".to_owned()),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn espeak(voice: &str) -> Option<Espeak> {
        match Espeak::start(Path::new("espeak-ng"), voice, PATIENCE) {
            Ok(espeak) => Some(espeak),
            Err(what) => {
                crate::engine::skip(what);
                None
            }
        }
    }

    #[test]
    fn lines_and_pronunciations_stay_together() {
        let Some(mut espeak) = espeak("en-us") else { return };
        assert_eq!(espeak.pronounce("hello").unwrap(), "həlˈoʊ");
        // Two clauses of espeak-ng's own, nothing at all, and lines within the line.
        assert!(espeak.pronounce("this is, well, it").unwrap().starts_with("ðɪs ˈɪz"));
        assert_eq!(espeak.pronounce("").unwrap(), "");
        assert_eq!(espeak.pronounce("...").unwrap(), "");
        assert_eq!(espeak.pronounce("hello\nhello\0").unwrap(), "həlˈoʊ həlˈoʊ");
        assert_eq!(espeak.pronounce("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn a_process_that_ended_is_started_anew() {
        let Some(mut espeak) = espeak("en-us") else { return };
        let running = espeak.running.as_mut().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        assert_eq!(espeak.pronounce("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn a_process_that_hangs_is_waited_for_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("espeak-that-hangs");
        let script = "#!/bin/sh\nwhile read -r line; do\ncase $line in *stuck*) exec sleep 30;; esac\n\
                      printf '%s\\n' \"$line\"\ndone\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut espeak = Espeak::start(&program, "en-us", Duration::from_millis(500)).unwrap();
        assert_eq!(espeak.pronounce("hello").unwrap(), "hello");
        let began = Instant::now();
        assert!(espeak.pronounce("it is stuck").unwrap_err().contains("says nothing"));
        assert!((500..950).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_eq!(espeak.pronounce("hello").unwrap(), "hello", "another process goes on");
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let what = Espeak::start(Path::new("/no/such/espeak"), "en-us", PATIENCE).err().unwrap();
        assert!(what.contains("/no/such/espeak") && what.contains("the package espeak-ng"), "{what}");
        // A program that says nothing.
        let what = Espeak::start(Path::new("/bin/true"), "en-us", PATIENCE).err().unwrap();
        assert!(what.contains("engine.piper.espeak") || what.contains("ended"), "{what}");
        if espeak("en-us").is_some() {
            assert!(Espeak::start(Path::new("espeak-ng"), "xx-none", PATIENCE).is_err());
        }
    }
}
