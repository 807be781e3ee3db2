//! Engine `scripted`: hears what it is told to hear, one line per utterance: for tests, for demonstrations of a flow, and
//! for languages without a model. It listens only to whether there is sound.
//!
//! Nothing that it gives is a measurement of recognition; whoever publishes figures names the engine beside them.

use crate::audio::level::is_audible;
use crate::audio::{AudioFrame, MediaTime};
use crate::speech::{
    EngineError, Expectation, Hypothesis, HypothesisKind, Language, Recognizer, RecognizerStream, Wake,
};
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "scripted";
/// Hypotheses that may wait to be polled; when there are more, the oldest is dropped.
const MAX_WAITING: usize = 16;
/// Largest file of lines, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Settings of the engine: `[engine.scripted.asr]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is heard, one line per utterance, from the first one in every call. An empty line is an utterance that nobody
    /// understands. After the last line nothing is understood any more.
    pub lines: Vec<String>,
    /// A text file with more lines, after those above. Lines that begin with `#` are comments.
    pub file: Option<PathBuf>,
    /// After the last line the first one follows.
    pub repeat: bool,
    /// The confidence of a line, 0 to 1.
    pub confidence: f32,
    /// Milliseconds of sound for one more word in the partial hypotheses.
    pub word_ms: u64,
    /// The stream of every call breaks in the utterance after so many.
    pub fail_after: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self { lines: Vec::new(), file: None, repeat: false, confidence: 1.0, word_ms: 300, fail_after: None }
    }
}

/// The engine.
pub struct Scripted {
    script: Arc<Script>,
}

struct Script {
    lines: Vec<String>,
    config: Config,
}

impl Scripted {
    /// Reads the lines.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the file cannot be read or is larger than a MiB; the text names it.
    pub fn open(config: &Config) -> Result<Self, EngineError> {
        let mut lines = config.lines.clone();
        if let Some(path) = &config.file {
            let unreadable = |e: &dyn std::fmt::Display| EngineError::Unavailable {
                engine: NAME.to_owned(),
                what: format!("cannot read {}: {e}; set engine.scripted.asr.file to a text file", path.display()),
            };
            let size = std::fs::metadata(path).map_err(|e| unreadable(&e))?.len();
            if size > MAX_FILE {
                return Err(unreadable(&format!("it has {size} bytes, more than {MAX_FILE}")));
            }
            let text = std::fs::read_to_string(path).map_err(|e| unreadable(&e))?;
            lines.extend(text.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim().to_owned()));
        }
        Ok(Self { script: Arc::new(Script { lines, config: config.clone() }) })
    }
}

impl Recognizer for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    fn prepare(&self, _what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    fn open(&self, _language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        Ok(Box::new(Stream {
            script: Arc::clone(&self.script),
            wake,
            utterances: 0,
            sound_ms: 0,
            shown: 0,
            covers: MediaTime::ZERO,
            waiting: VecDeque::new(),
            dead: false,
        }))
    }
}

struct Stream {
    script: Arc<Script>,
    wake: Wake,
    /// Utterances that are over and had sound.
    utterances: usize,
    /// Sound in this one.
    sound_ms: u64,
    /// Words of it that were given as a partial hypothesis.
    shown: usize,
    covers: MediaTime,
    waiting: VecDeque<Result<Hypothesis, EngineError>>,
    dead: bool,
}

impl Stream {
    fn line(&self) -> &str {
        let Script { lines, config } = &*self.script;
        let at = if config.repeat { self.utterances.checked_rem(lines.len()) } else { Some(self.utterances) };
        at.and_then(|at| lines.get(at)).map_or("", String::as_str)
    }

    fn give(&mut self, kind: HypothesisKind, text: String) {
        let confidence = if text.is_empty() { 0.0 } else { self.script.config.confidence };
        self.put(Ok(Hypothesis { kind, text, confidence, covers: self.covers, degraded: false }));
    }

    fn put(&mut self, what: Result<Hypothesis, EngineError>) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(what);
        self.wake.wake_by_ref();
    }
}

impl RecognizerStream for Stream {
    fn expect(&mut self, _what: &Arc<Expectation>) {}

    fn push(&mut self, frame: &AudioFrame) {
        self.covers = frame.end();
        if self.dead || !is_audible(&frame.samples) {
            return;
        }
        if self.script.config.fail_after == Some(self.utterances) {
            self.dead = true;
            let what = format!("told to break after {} utterances", self.utterances);
            return self.put(Err(EngineError::Failed { engine: NAME.to_owned(), what }));
        }
        self.sound_ms += crate::audio::FRAME_MS;
        let words = 1 + (self.sound_ms / self.script.config.word_ms.max(1)) as usize;
        let count = self.line().split_whitespace().count();
        if words.min(count) > self.shown {
            self.shown = words.min(count);
            let text = self.line().split_whitespace().take(self.shown).collect::<Vec<_>>().join(" ");
            self.give(HypothesisKind::Partial, text);
        }
    }

    fn flush(&mut self) {
        if !self.dead {
            let text = if self.sound_ms > 0 { self.line().to_owned() } else { String::new() };
            self.give(HypothesisKind::Final, text);
        }
    }

    fn finish(&mut self) {
        self.utterances += usize::from(self.sound_ms > 0);
        self.sound_ms = 0;
        self.shown = 0;
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FRAME_SAMPLES, FrameOrigin};

    fn open(config: &Config) -> Box<dyn RecognizerStream> {
        Scripted::open(config).unwrap().open(&Language::default(), Wake::noop().clone()).unwrap()
    }

    fn lines(lines: &[&str]) -> Config {
        Config { lines: lines.iter().map(|l| (*l).to_owned()).collect(), ..Config::default() }
    }

    fn speak(stream: &mut dyn RecognizerStream, frames: u64) {
        for n in 0..frames {
            let samples = [8000; FRAME_SAMPLES];
            stream.push(&AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples });
        }
    }

    fn heard(stream: &mut dyn RecognizerStream) -> Vec<(HypothesisKind, String)> {
        std::iter::from_fn(|| stream.poll()).map(|h| h.unwrap()).map(|h| (h.kind, h.text)).collect()
    }

    #[test]
    fn one_line_per_utterance_with_partials_word_by_word() {
        let mut stream = open(&lines(&["yes please", "no"]));
        speak(&mut *stream, 20);
        stream.flush();
        let partial = |t: &str| (HypothesisKind::Partial, t.to_owned());
        let done = |t: &str| (HypothesisKind::Final, t.to_owned());
        assert_eq!(heard(&mut *stream), [partial("yes"), partial("yes please"), done("yes please")]);
        speak(&mut *stream, 5);
        stream.flush();
        assert_eq!(heard(&mut *stream), [done("yes please")], "a pause does not end the utterance");
        stream.finish();
        speak(&mut *stream, 5);
        stream.flush();
        assert_eq!(heard(&mut *stream), [partial("no"), done("no")]);
        stream.finish();
        speak(&mut *stream, 5);
        stream.flush();
        assert_eq!(heard(&mut *stream), [done("")], "after the last line nothing is understood");
    }

    #[test]
    fn silence_uses_no_line_up() {
        let mut stream = open(&lines(&["yes"]));
        stream.push(&AudioFrame::silence(MediaTime::ZERO));
        stream.flush();
        stream.finish();
        assert_eq!(heard(&mut *stream), [(HypothesisKind::Final, String::new())]);
        speak(&mut *stream, 1);
        stream.flush();
        assert_eq!(heard(&mut *stream).last().unwrap().1, "yes");
    }

    #[test]
    fn lines_repeat_and_break_when_asked() {
        let mut stream = open(&Config { repeat: true, fail_after: Some(2), ..lines(&["a"]) });
        for _ in 0..2 {
            speak(&mut *stream, 1);
            stream.flush();
            stream.finish();
            assert_eq!(heard(&mut *stream).last().unwrap().1, "a");
        }
        speak(&mut *stream, 1);
        assert!(matches!(stream.poll(), Some(Err(EngineError::Failed { .. }))));
        stream.flush();
        assert!(stream.poll().is_none(), "a dead stream is silent");
    }

    #[test]
    fn lines_come_from_a_file_too_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.txt");
        std::fs::write(&path, "# a comment\nsecond\n").unwrap();
        let config = Config { file: Some(path), ..lines(&["first"]) };
        assert_eq!(Scripted::open(&config).unwrap().script.lines, ["first", "second"]);
        let config = Config { file: Some("/no/such/lines.txt".into()), ..Config::default() };
        assert!(Scripted::open(&config).err().unwrap().to_string().contains("/no/such/lines.txt"));
    }
}
