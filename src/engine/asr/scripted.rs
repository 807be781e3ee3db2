//! Engine `scripted`: hears the lines that it was told, one per utterance, whatever is said.
//!
//! For tests, for languages without a model, and for trying a flow by voice on a machine without libraries. Figures that
//! were made with it say so: it measures everything but recognition.

use crate::audio::{AudioFrame, MediaTime};
use crate::speech::{
    EngineError, Expectation, Hypothesis, HypothesisKind, Language, Recognizer, RecognizerStream, Wake,
};
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "scripted";
/// Speech between one word of a partial hypothesis and the next.
const WORD_MS: u64 = 250;
/// Hypotheses that may wait; partial ones are dropped first.
const WAITING: usize = 16;

/// Settings of the engine: `[engine.scripted.asr]`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the first utterance of a call is heard as, the second, and so on. After the last one nothing is understood.
    pub lines: Vec<String>,
    /// A text file with one line per utterance; comes after `lines`.
    pub file: Option<PathBuf>,
}

/// The engine.
pub struct Scripted {
    lines: Arc<[String]>,
}

impl Scripted {
    /// Reads the script.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the file cannot be read.
    pub fn open(config: &Config) -> Result<Self, EngineError> {
        let mut lines = config.lines.clone();
        if let Some(file) = &config.file {
            let text = std::fs::read_to_string(file).map_err(|error| EngineError::Unavailable {
                engine: NAME.to_owned(),
                what: format!("engine.scripted.asr.file = {}: {error}", file.display()),
            })?;
            lines.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        Ok(Self { lines: lines.into() })
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
            lines: self.lines.clone(),
            utterance: 0,
            began: None,
            covers: MediaTime::ZERO,
            words: 0,
            waiting: VecDeque::with_capacity(WAITING),
            wake,
        }))
    }
}

struct Stream {
    lines: Arc<[String]>,
    utterance: usize,
    began: Option<MediaTime>,
    covers: MediaTime,
    /// Words of the line that were given as a partial hypothesis.
    words: usize,
    waiting: VecDeque<Hypothesis>,
    wake: Wake,
}

impl Stream {
    fn line(&self) -> &str {
        self.lines.get(self.utterance).map_or("", String::as_str)
    }

    fn give(&mut self, kind: HypothesisKind, text: String) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        let confidence = if text.is_empty() { 0.0 } else { 1.0 };
        self.waiting.push_back(Hypothesis { kind, text, confidence, covers: self.covers, degraded: false });
        self.wake.wake_by_ref();
    }
}

impl RecognizerStream for Stream {
    fn expect(&mut self, _what: &Arc<Expectation>) {}

    fn push(&mut self, frame: &AudioFrame) {
        self.covers = frame.end();
        let began = *self.began.get_or_insert(frame.at);
        let due = (frame.end().ms_since(began) as u64 / WORD_MS) as usize;
        let total = self.line().split_whitespace().count();
        if due.min(total) > self.words {
            self.words = due.min(total);
            let text = self.line().split_whitespace().take(self.words).collect::<Vec<_>>().join(" ");
            self.give(HypothesisKind::Partial, text);
        }
    }

    fn flush(&mut self) {
        let text = self.line().to_owned();
        self.give(HypothesisKind::Final, text);
    }

    fn finish(&mut self) {
        if self.began.take().is_some() {
            self.utterance += 1;
        }
        self.words = 0;
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        self.waiting.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(stream: &mut dyn RecognizerStream, frames: u64) -> Vec<(HypothesisKind, String)> {
        (0..frames).for_each(|n| stream.push(&AudioFrame::silence(MediaTime::from_frames(n))));
        stream.flush();
        std::iter::from_fn(|| stream.poll()).map(|heard| heard.unwrap()).map(|heard| (heard.kind, heard.text)).collect()
    }

    #[test]
    fn each_utterance_is_the_next_line_and_after_the_last_nothing_is_understood() {
        let config = Config { lines: vec!["yes i will come".into(), "no".into()], file: None };
        let mut stream = Scripted::open(&config).unwrap().open(&Language::default(), Wake::noop().clone()).unwrap();
        let first = hear(&mut *stream, 30);
        assert_eq!(first.first(), Some(&(HypothesisKind::Partial, "yes".into())));
        assert_eq!(first.last(), Some(&(HypothesisKind::Final, "yes i will come".into())));
        stream.finish();
        assert_eq!(hear(&mut *stream, 10).last(), Some(&(HypothesisKind::Final, "no".into())));
        stream.finish();
        assert_eq!(hear(&mut *stream, 10).last(), Some(&(HypothesisKind::Final, String::new())));
    }

    #[test]
    fn a_missing_script_names_the_file_and_the_key() {
        let config = Config { lines: Vec::new(), file: Some("/no/such/script".into()) };
        let error = Scripted::open(&config).err().unwrap().to_string();
        assert!(error.contains("/no/such/script") && error.contains("engine.scripted.asr.file"), "{error}");
    }
}
