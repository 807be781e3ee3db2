//! Engine `espeak`: the program espeak-ng, which speaks Mandarin and some hundred other languages, plainly. One process for each sentence:
//! it is there in some ten milliseconds, and its licence (GPL) does not allow it to be linked.
//!
//! Four processes run at a time, each waited for on a thread of the engine's own; one that takes too long or gives too much is killed.

use super::line::{Line, Render};
use super::shape::shape;
use crate::audio::{SAMPLE_RATE_HZ, resample::resample_i16};
use crate::engine::batch::Pool;
use crate::speech::{EngineError, Language, SpeechRequest, SynthesisStream, Synthesizer, Wake};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

const NAME: &str = "espeak";
/// Processes at a time. They are waited for: not in the pool that others compute in.
const PROCESSES: usize = 4;
/// Sentences that may wait, of all calls.
const MAX_JOBS: usize = 256;
/// No streams are registered with the pool.
const NO_STREAMS: usize = 0;
/// Most sound of one sentence: two minutes at 22,050 Hz.
const MAX_BYTES: u64 = 120 * 22_050 * 2;
/// Where a WAV file of the program has its rate and its samples.
const RATE_AT: usize = 24;
const HEADER: usize = 44;
/// Voices that read a language's own script better than the one of its name: `cmn` of 1.51 spells Chinese in English.
const BETTER: [(&str, &[&str]); 3] =
    [("zh", &["cmn-latn-pinyin", "cmn", "zh"]), ("cmn", &["cmn-latn-pinyin", "cmn"]), ("en", &["en-us", "en"])];

/// Settings of the engine: `[engine.espeak]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The program, where it is not in the path.
    pub program: PathBuf,
    /// Words a minute, 80 to 400.
    pub words_per_minute: u32,
    /// Pitch, 0 to 99.
    pub pitch: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { program: PathBuf::from("espeak-ng"), words_per_minute: 165, pitch: 50 }
    }
}

/// The engine.
pub struct Espeak {
    program: Arc<Program>,
    pool: Pool,
}

struct Program {
    config: Config,
    /// Longest time for one sentence.
    patience: Duration,
    /// The voices that are installed, as `-v` takes them.
    voices: BTreeSet<String>,
}

impl Espeak {
    /// Asks the program for its voices. A sentence that takes it longer than `patience` has failed; it is there in some
    /// ten milliseconds.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the program or its data are missing, naming the package, and when there are no threads.
    pub fn open(config: &Config, patience: Duration) -> Result<Self, EngineError> {
        if !(80..=400).contains(&config.words_per_minute) || config.pitch > 99 {
            let what = "engine.espeak.words_per_minute must be 80 to 400, and pitch 0 to 99";
            return Err(unavailable(what.to_owned()));
        }
        let listed =
            run(Command::new(&config.program).arg("--voices"), "", Duration::from_secs(10)).map_err(|what| {
                unavailable(format!("{what}; install the package espeak-ng, or set engine.espeak.program"))
            })?;
        let voices = voices(&String::from_utf8_lossy(&listed));
        if voices.is_empty() {
            let name = config.program.display();
            return Err(unavailable(format!("{name} has no voices; install the package espeak-ng-data")));
        }
        let pool = Pool::with_bounds(NAME, PROCESSES, MAX_JOBS, NO_STREAMS)?;
        Ok(Self { program: Arc::new(Program { config: config.clone(), patience, voices }), pool })
    }

    /// The program's voice for a request.
    fn choose(&self, what: &SpeechRequest) -> Result<String, EngineError> {
        match &what.voice {
            // A variant may follow: cmn+f2.
            Some(voice) if self.program.has(voice.split('+').next().unwrap_or_default()) => Ok(voice.clone()),
            Some(voice) => {
                Err(unavailable(format!("has no voice '{voice}'; espeak-ng --voices lists those there are")))
            }
            None => self
                .program
                .of(&what.language)
                .ok_or_else(|| EngineError::Language { engine: NAME.to_owned(), language: what.language.to_string() }),
        }
    }
}

impl Synthesizer for Espeak {
    fn name(&self) -> &str {
        NAME
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        self.choose(what).map(drop)
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let voice = self.choose(what)?;
        let speaker = Speaker { program: Arc::clone(&self.program), voice };
        Ok(Box::new(Line::start(Box::new(speaker), &self.pool, &what.text, wake)?))
    }
}

impl Program {
    fn has(&self, voice: &str) -> bool {
        self.voices.contains(&voice.to_ascii_lowercase())
    }

    /// The voice for a language: that of the region where there is one, else that of the language, else that of its first
    /// country: French has no voice `fr` but fr-fr, fr-be and fr-ch.
    fn of(&self, language: &Language) -> Option<String> {
        let tag = language.0.to_ascii_lowercase().replace('_', "-");
        let base = tag.split('-').next().unwrap_or_default();
        let better = BETTER.iter().find(|(name, _)| *name == base).map(|(_, voices)| *voices).unwrap_or_default();
        // A region of Chinese is written, not spoken, differently.
        let own = (!matches!(base, "zh" | "cmn")).then_some(tag.as_str());
        let named = own.into_iter().chain(better.iter().copied()).chain([base]).find(|voice| self.has(voice));
        let home = || Some(format!("{base}-{base}")).filter(|voice| self.has(voice));
        let any = || {
            // What begins so in Chinese is another language to the ear.
            let mut regions =
                self.voices.iter().filter(|voice| voice.strip_prefix(base).is_some_and(|r| r.starts_with('-')));
            own.and(regions.next()).cloned()
        };
        named.map(str::to_owned).or_else(home).or_else(any)
    }
}

struct Speaker {
    program: Arc<Program>,
    voice: String,
}

impl Render for Speaker {
    fn engine(&self) -> &str {
        NAME
    }

    fn render(&self, text: &str) -> Result<Vec<i16>, EngineError> {
        let text = plain(text);
        if !text.chars().any(char::is_alphanumeric) {
            return Ok(Vec::new());
        }
        let config = &self.program.config;
        let mut command = Command::new(&config.program);
        // -b 1: what comes is UTF-8, whatever the locale says.
        command.args(["-b", "1", "--stdin", "--stdout", "-v", &self.voice]);
        command.args(["-s", &config.words_per_minute.to_string(), "-p", &config.pitch.to_string()]);
        let sound = run(&mut command, &text, self.program.patience).map_err(failed)?;
        let (rate, samples) = samples(&sound).ok_or_else(|| failed("the program gave no sound".to_owned()))?;
        let at_16k = resample_i16(&samples, rate, SAMPLE_RATE_HZ).map_err(|error| failed(error.to_string()))?;
        Ok(shape(at_16k))
    }
}

/// Text without what the program would take for phonemes or lines.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '[' | ']' | '<' | '>') { ' ' } else { c }).collect()
}

/// The fourth column of the list is the name, the second the language; more languages follow in brackets.
fn voices(list: &str) -> BTreeSet<String> {
    let mut voices = BTreeSet::new();
    for line in list.lines().skip(1) {
        if let Some(language) = line.split_whitespace().nth(1) {
            voices.insert(language.to_ascii_lowercase());
        }
    }
    voices
}

/// Rate and samples of the program's WAV, whose header does not know its length.
fn samples(wav: &[u8]) -> Option<(u32, Vec<i16>)> {
    if wav.get(..4)? != b"RIFF" || wav.get(36..40)? != b"data" {
        return None;
    }
    let rate = u32::from_le_bytes(wav.get(RATE_AT..RATE_AT + 4)?.try_into().ok()?);
    let samples = wav.get(HEADER..)?.chunks_exact(2).filter_map(|pair| Some(i16::from_le_bytes(pair.try_into().ok()?)));
    (8_000..=48_000).contains(&rate).then(|| (rate, samples.collect()))
}

/// What a program prints when it is given this. The error says what went wrong; a process is never left behind.
fn run(command: &mut Command, input: &str, patience: Duration) -> Result<Vec<u8>, String> {
    let name = Path::new(command.get_program()).display().to_string();
    let until = Instant::now() + patience;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    let (Some(mut stdin), Some(stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
        return Err(format!("{name} cannot be spoken with"));
    };
    let (sender, receiver) = sync_channel(1);
    let reader = std::thread::Builder::new().name("espeak-read".into());
    reader
        .spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(MAX_BYTES).read_to_end(&mut bytes);
            // Nobody waits any more when it took too long.
            let _ = sender.send(read.map(|_| bytes));
        })
        .map_err(|error| format!("no thread for {name}: {error}"))?;
    // A sentence fits into the pipe: this does not wait for the program.
    let given = stdin.write_all(input.as_bytes());
    drop(stdin);
    let bytes = match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(format!("{name} broke off: {error}")),
        Err(_) => return Err(format!("{name} took longer than {} ms", patience.as_millis())),
    };
    given.map_err(|error| format!("{name} does not listen: {error}"))?;
    Ok(bytes)
}

/// A process that is ended with whoever waits for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

fn failed(what: String) -> EngineError {
    EngineError::Failed { engine: NAME.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wait;
    use crate::speech::Synthesis;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn espeak() -> Option<Espeak> {
        match Espeak::open(&Config::default(), PATIENCE) {
            Ok(espeak) => Some(espeak),
            Err(error) => {
                crate::engine::skip(error);
                None
            }
        }
    }

    fn request(text: &str, language: &str) -> SpeechRequest {
        SpeechRequest { text: text.into(), language: Language(language.into()), voice: None }
    }

    fn say(espeak: &Espeak, text: &str, language: &str) -> Vec<i16> {
        let mut stream = espeak.speak(&request(text, language), wait::this_thread()).unwrap();
        let (samples, end) = wait::drain(&mut *stream, Duration::from_secs(20));
        assert!(matches!(end, Synthesis::Done), "{end:?}");
        samples
    }

    #[test]
    fn mandarin_is_spoken_and_not_spelled() {
        let Some(espeak) = espeak() else { return };
        // Spelled in English, "Chinese letter" and so on, it lasts much longer.
        for language in ["zh", "zh-CN", "cmn"] {
            let seconds = say(&espeak, "您好，我是海港银行的智能助理。", language).len() as f64 / 16_000.0;
            assert!((1.5..4.6).contains(&seconds), "{language}: {seconds} s");
        }
        assert!(say(&espeak, "Good morning. [[@@]] <b>", "en-GB").len() > 8_000);
        assert!(say(&espeak, "…—。", "zh").is_empty());
    }

    #[test]
    fn a_language_without_a_voice_of_its_name_has_that_of_a_country() {
        let program = |list: &[&str]| Program {
            config: Config::default(),
            patience: PATIENCE,
            voices: list.iter().map(|voice| (*voice).to_owned()).collect(),
        };
        let of = |list: &[&str], tag: &str| program(list).of(&Language(tag.into()));
        assert_eq!(of(&["fr-be", "fr-ch", "fr-fr"], "fr").as_deref(), Some("fr-fr"));
        assert_eq!(of(&["fr-be", "fr-ch", "fr-fr"], "fr-CH").as_deref(), Some("fr-ch"));
        assert_eq!(of(&["fr-be", "fr-ch", "fro"], "fr-CA").as_deref(), Some("fr-be"));
        assert_eq!(of(&["fro", "frisian"], "fr"), None);
        assert_eq!(of(&["zh-yue"], "zh"), None, "Cantonese is no Mandarin");
    }

    #[test]
    fn many_lines_at_a_time_end() {
        let Some(espeak) = espeak() else { return };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(say(&espeak, "首年免年费，您看可以吗？", "zh").len() > 8_000));
            }
        });
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let config = Config { program: "/no/such/espeak".into(), ..Config::default() };
        let error = Espeak::open(&config, PATIENCE).err().unwrap().to_string();
        assert!(error.contains("/no/such/espeak") && error.contains("the package espeak-ng"), "{error}");
        let config = Config { program: "/bin/true".into(), ..Config::default() };
        let error = Espeak::open(&config, PATIENCE).err().unwrap();
        assert!(error.to_string().contains("no voices"), "{error}");
        let Some(espeak) = espeak() else { return };
        assert!(matches!(espeak.speak(&request("x", "tlh"), wait::this_thread()), Err(EngineError::Language { .. })));
    }

    #[test]
    fn a_sentence_that_hangs_holds_up_no_other_and_not_for_long() {
        use std::os::unix::fs::PermissionsExt;
        let Some(_) = espeak() else { return };
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("espeak-that-hangs");
        let script = "#!/bin/sh\n[ \"$1\" = --voices ] && exec espeak-ng --voices\ntext=$(cat)\n\
                      case $text in *stuck*) exec sleep 30;; esac\nprintf %s \"$text\" | exec espeak-ng \"$@\"\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = Config { program, ..Config::default() };
        let espeak = Espeak::open(&config, Duration::from_millis(1500)).unwrap();
        let began = Instant::now();
        let stuck: Vec<_> = (0..PROCESSES - 1)
            .map(|_| espeak.speak(&request("It is stuck.", "en"), wait::this_thread()).unwrap())
            .collect();
        assert!(say(&espeak, "Good morning.", "en").len() > 8_000);
        assert!(began.elapsed() < Duration::from_millis(1400), "{:?}", began.elapsed());
        for mut stream in stuck {
            let (_, end) = wait::drain(&mut *stream, Duration::from_secs(10));
            assert!(
                matches!(&end, Synthesis::Failed(error) if error.to_string().contains("longer than 1500 ms")),
                "{end:?}"
            );
        }
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    #[test]
    fn a_program_that_hangs_or_never_ends_is_killed() {
        let began = Instant::now();
        let error = run(Command::new("/bin/sleep").arg("30"), "x", Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("took longer") && began.elapsed() < Duration::from_secs(5), "{error}");
        let bytes = run(&mut Command::new("/usr/bin/yes"), "", Duration::from_secs(20)).unwrap();
        assert_eq!(bytes.len() as u64, MAX_BYTES);
    }
}
