//! What the test telephone is told to do on the command line: `--say`, `--barge-in`, `--dtmf`, `--after`, in their order.

use crate::audio::{level, wav};
use crate::engine::batch::Pool;
use crate::engine::tts::{Espeak, EspeakConfig, FLITE_VOICES, Flite, FliteConfig};
use crate::phone::{Act, PhoneError, Step, Trigger, Utterance};
use crate::speech::{EngineError, Language, SpeechRequest, Synthesis, Synthesizer};
use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The voice of the caller where none is given: not the agent's.
pub const CALLER_VOICE: &str = "rms";
/// RMS level at which synthesised lines are spoken, in dBFS: that of a telephone user (ITU-T P.56, active level).
const SPOKEN_DBFS: f32 = -22.0;
/// How long espeak-ng may take for a sentence of the caller's; nobody waits on the line meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// When an interruption comes where no time is given: milliseconds from the agent's start.
const BARGE_IN_MS: u64 = 800;

/// One thing that the caller is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// Says it when the agent has been silent for a while.
    Say(Words),
    /// Says it so many milliseconds after the agent started to speak.
    BargeIn(Words, u64),
    /// Presses keys when the agent has been silent for a while.
    Dtmf(String),
    /// The next line comes so many milliseconds after the one before, whatever the agent does.
    After(u64),
}

/// Something to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Words {
    /// A WAV file, and its words where they are known.
    File(PathBuf, Option<String>),
    /// Text for the synthesiser; `[400]` is a pause of 400 ms.
    Text(String),
}

impl Words {
    /// Reads `FILE.wav`, `FILE.wav=its words` or text.
    fn parse(text: &str) -> Result<Self, String> {
        let (file, words) = match text.split_once(".wav=") {
            Some((stem, words)) => (format!("{stem}.wav"), Some(words.to_owned())),
            None => (text.to_owned(), None),
        };
        if file.to_ascii_lowercase().ends_with(".wav") {
            return Ok(Self::File(file.into(), words));
        }
        if Path::new(text).is_file() {
            return Err(format!(
                "{text} is a file, but no .wav: convert it, for instance with `ffmpeg -i {text} out.wav`"
            ));
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err("there is nothing to say in it".to_owned());
        }
        Ok(Self::Text(text.to_owned()))
    }
}

fn line(flag: &str, value: &str) -> Result<Line, String> {
    let ms = |text: &str| text.trim().parse().map_err(|_| format!("'{text}' is no number of milliseconds"));
    match flag {
        "say" => Words::parse(value).map(Line::Say),
        "barge_in" => match value.rsplit_once('@') {
            Some((words, at)) => Ok(Line::BargeIn(Words::parse(words)?, ms(at)?)),
            None => Ok(Line::BargeIn(Words::parse(value)?, BARGE_IN_MS)),
        },
        "after" => ms(value).map(Line::After),
        _ => match value.chars().find(|key| !"0123456789*#ABCDabcd".contains(*key)) {
            Some(key) => Err(format!("'{key}' is no key of a telephone: 0-9, *, #, A-D")),
            None if value.is_empty() => Err("there is no key in it".to_owned()),
            None => Ok(Line::Dtmf(value.to_owned())),
        },
    }
}

/// The lines of a command line, in the order in which they were given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines(pub Vec<Line>);

const FLAGS: [(&str, &str, &str, &str); 4] = [
    (
        "say",
        "say",
        "FILE.wav|TEXT",
        "Say this when the agent has been silent for a while; text may hold pauses: \"yes [400] please\"",
    ),
    ("barge_in", "barge-in", "TEXT@MS", "Say this MS milliseconds after the agent started to speak (default 800)"),
    ("dtmf", "dtmf", "KEYS", "Press these keys when the agent has been silent for a while"),
    ("after", "after", "MS", "The next line comes MS milliseconds after the one before, whatever the agent does"),
];

impl clap::Args for Lines {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, &(id, long, value, help)| {
            command.arg(Arg::new(id).long(long).value_name(value).help(help).action(ArgAction::Append))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Lines {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for (id, long, ..) in FLAGS {
            let indices = matches.indices_of(id).into_iter().flatten();
            for (index, value) in indices.zip(matches.get_many::<String>(id).into_iter().flatten()) {
                let line = line(id, value).map_err(|why| {
                    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("--{long} \"{value}\": {why}\n"))
                })?;
                found.push((index, line));
            }
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(Self(found.into_iter().map(|(_, line)| line).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Makes sound of lines.
pub struct Voices {
    engine: Option<Box<dyn Synthesizer>>,
    language: Language,
    /// What was said before, by voice and text: a bench says the same again and again.
    made: HashMap<(String, String), Utterance>,
}

impl Voices {
    /// For lines in `language`. The synthesiser is opened with the first text: recordings need none. It has a thread of its
    /// own; the agent's engines are not touched.
    pub fn new(language: &str) -> Self {
        Self { engine: None, language: Language(language.to_owned()), made: HashMap::new() }
    }

    /// The steps of a script. `silence` is how long the agent must have been silent before a line.
    ///
    /// # Errors
    /// A file that cannot be read, a synthesiser that is missing, a line without speech.
    pub async fn steps(&mut self, lines: &[Line], voice: &str, silence: Duration) -> anyhow::Result<Vec<Step>> {
        let mut steps = Vec::new();
        let mut fixed = None;
        for line in lines {
            let polite = fixed.take().unwrap_or(Trigger::AgentSilent(silence));
            let (trigger, act) = match line {
                Line::Say(words) => (polite, Act::Say(Arc::new(self.utterance(words, voice).await?))),
                Line::BargeIn(words, ms) => {
                    let into = Trigger::AgentSpeaking(Duration::from_millis(*ms));
                    (into, Act::Say(Arc::new(self.utterance(words, voice).await?)))
                }
                Line::Dtmf(keys) => (polite, Act::Press(keys.clone())),
                Line::After(ms) => {
                    fixed = Some(Trigger::Elapsed(Duration::from_millis(*ms)));
                    continue;
                }
            };
            steps.push(Step { trigger, act });
        }
        Ok(steps)
    }

    /// The sound of one line, its speech annotated.
    ///
    /// # Errors
    /// As [`steps`](Self::steps).
    pub async fn utterance(&mut self, words: &Words, voice: &str) -> anyhow::Result<Utterance> {
        match words {
            Words::File(path, text) => {
                let samples = wav::read_wav(path)?;
                Ok(Utterance::annotate(samples, &path.display().to_string(), text.clone())?)
            }
            Words::Text(text) => {
                let key = (voice.to_owned(), text.clone());
                if let Some(made) = self.made.get(&key) {
                    return Ok(made.clone());
                }
                let mut parts = Vec::new();
                for (pause_ms, part) in pauses(text)? {
                    let mut samples = self.speak(&part, voice).await?;
                    level::normalise(&mut samples, SPOKEN_DBFS);
                    parts.push((pause_ms, Utterance::annotate(samples, &part, None)?));
                }
                let plain = parts.iter().map(|(_, part)| part.name()).collect::<Vec<_>>().join(" ");
                let utterance = Utterance::join(&parts, text, Some(plain))?;
                self.made.insert(key, utterance.clone());
                Ok(utterance)
            }
        }
    }

    async fn speak(&mut self, text: &str, voice: &str) -> anyhow::Result<Vec<i16>> {
        let english = self.language.0.starts_with("en");
        if self.engine.is_none() {
            self.engine = Some(if english {
                let pool = Pool::start("caller", 1).context("cannot start the caller's voice")?;
                let config = FliteConfig { voice: CALLER_VOICE.to_owned() };
                let flite = Flite::open(&config, &pool)
                    .context("the caller's lines are spoken by flite; without it, give recordings: --say FILE.wav")?;
                Box::new(flite)
            } else {
                // Not the agent's voice: higher, and in less of a hurry.
                let config = EspeakConfig { pitch: 70, words_per_minute: 150, ..EspeakConfig::default() };
                let espeak = Espeak::open(&config, PATIENCE).with_context(|| {
                    format!(
                        "the caller's lines in {} are spoken by espeak-ng; without it, give recordings: --say FILE.wav",
                        self.language.0
                    )
                })?;
                Box::new(espeak)
            });
        }
        let Some(engine) = &self.engine else { bail!("the caller has no voice") };
        // The names of voices are flite's.
        let voice = english.then(|| voice.to_owned());
        let request = SpeechRequest { text: text.to_owned(), language: self.language.clone(), voice };
        let (samples, _) =
            synthesise(engine.as_ref(), &request).await.with_context(|| format!("cannot say '{text}'"))?;
        Ok(samples)
    }
}

/// Synthesises a line: its samples at 16 kHz, and the name of the engine that spoke.
pub(super) async fn synthesise(
    engine: &dyn Synthesizer,
    what: &SpeechRequest,
) -> Result<(Vec<i16>, String), EngineError> {
    use std::task::Poll::{Pending, Ready};
    let mut stream = None;
    let mut samples = Vec::new();
    let mut speaker = engine.name().to_owned();
    std::future::poll_fn(|context| {
        let stream = match &mut stream {
            Some(stream) => stream,
            slot => match engine.speak(what, context.waker().clone()) {
                Ok(started) => slot.insert(started),
                Err(error) => return Ready(Err(error)),
            },
        };
        loop {
            match stream.poll() {
                Synthesis::Pending => return Pending,
                Synthesis::Frame(frame) => {
                    if let Some(name) = stream.engine().filter(|name| *name != speaker) {
                        speaker = name.to_owned();
                    }
                    samples.extend_from_slice(&frame[..]);
                }
                Synthesis::Done => return Ready(Ok(())),
                Synthesis::Failed(error) => return Ready(Err(error)),
            }
        }
    })
    .await?;
    Ok((samples, speaker))
}

/// Names a voice that flite has.
pub fn known_voice(name: &str) -> Result<String, String> {
    if FLITE_VOICES.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("there is no such voice; there are {}", FLITE_VOICES.join(", ")))
    }
}

/// Cuts `one [400] two` into parts with the pause in front of each.
fn pauses(text: &str) -> Result<Vec<(u64, String)>, PhoneError> {
    let silent = || PhoneError::Silent { what: text.to_owned(), dbfs: level::AUDIBLE_DBFS };
    let mut parts = Vec::new();
    let mut pause = 0;
    for piece in text.split('[') {
        let (ms, words) = match piece.split_once(']').map(|(ms, rest)| (ms.trim().parse::<u64>(), rest)) {
            Some((Ok(ms), rest)) => (ms.min(60_000), rest),
            _ => (0, piece),
        };
        pause += ms;
        if words.chars().any(char::is_alphanumeric) {
            parts.push((std::mem::take(&mut pause), words.trim().to_owned()));
        }
    }
    if parts.is_empty() { Err(silent()) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, FromArgMatches as _};

    fn parse(arguments: &[&str]) -> Result<Vec<Line>, clap::Error> {
        let command = Lines::augment_args(Command::new("test").no_binary_name(true));
        Lines::from_arg_matches(&command.try_get_matches_from(arguments)?).map(|lines| lines.0)
    }

    #[test]
    fn lines_keep_the_order_of_the_command_line() {
        let lines =
            parse(&["--say", "hello", "--dtmf", "1#", "--say", "a.wav=yes", "--after", "900", "--barge-in", "no@500"]);
        assert_eq!(
            lines.unwrap(),
            [
                Line::Say(Words::Text("hello".into())),
                Line::Dtmf("1#".into()),
                Line::Say(Words::File("a.wav".into(), Some("yes".into()))),
                Line::After(900),
                Line::BargeIn(Words::Text("no".into()), 500),
            ]
        );
    }

    #[test]
    fn what_cannot_be_said_is_refused_with_the_reason() {
        for (arguments, reason) in [
            (["--dtmf", "12x"], "'x' is no key"),
            (["--barge-in", "stop@soon"], "'soon' is no number"),
            (["--say", "..."], "nothing to say"),
            (["--say", "Cargo.toml"], "ffmpeg"),
        ] {
            let error = parse(&arguments).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(arguments[0]), "{error}");
        }
    }

    #[test]
    fn pauses_stand_in_brackets() {
        let parts = pauses("I would like [400] to [100][50] confirm [300]").unwrap();
        assert_eq!(parts, [(0, "I would like".into()), (400, "to".into()), (150, "confirm".into())]);
        assert!(pauses("[400]").is_err());
    }
}
