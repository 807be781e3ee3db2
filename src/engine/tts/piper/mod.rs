//! Engine `piper`: neural voices (VITS) in many languages, through ONNX Runtime.
//!
//! A sentence goes to espeak-ng, which says how it is pronounced ([`espeak`], a process of its own: its licence is the GPL),
//! its clauses keep their punctuation ([`phonemes`]), and the voice makes sound of the numbers of both ([`voice`]). Each voice
//! is loaded once and serves all calls, sentence by sentence, in the order of their deadlines.

mod espeak;
mod phonemes;
mod voice;

use super::line::{Line, Render};
use super::shape::shape;
use crate::audio::SAMPLE_RATE_HZ;
use crate::audio::resample::resample_i16;
use crate::engine::batch::Pool;
use crate::speech::{EngineError, Language, SpeechRequest, SynthesisStream, Synthesizer, Wake};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use voice::Voice;

const NAME: &str = "piper";
/// Sentences that may wait, of all calls.
const MAX_JOBS: usize = 256;
/// No streams are registered with the pool.
const NO_STREAMS: usize = 0;

/// Settings of the engine: `[engine.piper]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The voices, each with its settings beside it in `NAME.onnx.json`. The first that speaks a flow's language is its voice
    /// where the flow names none.
    pub voices: Vec<PathBuf>,
    /// The speaker, from 0, of a voice that has several.
    pub speaker: i64,
    /// Longer is slower: 1.0 is the voice's own pace. None: as the voice says.
    pub length_scale: Option<f32>,
    /// How much the sound varies. None: as the voice says.
    pub noise_scale: Option<f32>,
    /// How much the lengths of the sounds vary. None: as the voice says.
    pub noise_w: Option<f32>,
    /// The program that knows how words are pronounced.
    pub espeak: PathBuf,
    /// Threads that one sentence is computed on.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            voices: vec!["audio-models/en_US-lessac-medium.onnx".into()],
            speaker: 0,
            length_scale: None,
            noise_scale: None,
            noise_w: None,
            espeak: "espeak-ng".into(),
            threads: 1,
        }
    }
}

/// The engine. One serves all calls.
pub struct Piper {
    voices: Vec<Arc<Voice>>,
    speaker: i64,
    pool: Pool,
}

impl Piper {
    /// Loads the voices. `library` is `engine.onnxruntime` of the settings; a clause whose pronunciation takes espeak-ng longer
    /// than `patience` has failed.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when a voice, its settings, the library or espeak-ng is missing; the text says what to do.
    pub fn open(config: &Config, library: Option<&Path>, patience: Duration) -> Result<Self, EngineError> {
        if config.voices.is_empty() {
            let what = "engine.piper.voices names no voice; tipring models fetch piper-en_US-lessac-medium gets one";
            return Err(unavailable(what.to_owned()));
        }
        let voices = config.voices.iter().map(|path| Voice::load(path, config, library, patience).map(Arc::new));
        let voices = voices.collect::<Result<Vec<_>, _>>()?;
        for voice in &voices {
            voice.speaker(config.speaker)?;
        }
        Ok(Self { voices, speaker: config.speaker, pool: Pool::with_bounds(NAME, 1, MAX_JOBS, NO_STREAMS)? })
    }

    /// The voice and speaker for a request. A voice is named by its file without the ending, a speaker after `#`.
    fn choose(&self, what: &SpeechRequest) -> Result<(Arc<Voice>, i64), EngineError> {
        let Some(asked) = &what.voice else {
            let voice = self.voices.iter().find(|voice| voice.speaks(&what.language));
            let language = || EngineError::Language { engine: NAME.to_owned(), language: what.language.to_string() };
            // The speaker of the settings is one of every voice: that was looked at when they were loaded.
            return voice.map(|voice| (Arc::clone(voice), self.speaker)).ok_or_else(language);
        };
        let (name, speaker) = match asked.split_once('#') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (asked.as_str(), Some(self.speaker)),
        };
        let known = || self.voices.iter().map(|voice| voice.name()).collect::<Vec<_>>().join(", ");
        let voice = self.voices.iter().find(|voice| voice.name() == name);
        let voice =
            voice.ok_or_else(|| unavailable(format!("has no voice '{name}'; engine.piper.voices has {}", known())))?;
        let speaker =
            speaker.ok_or_else(|| unavailable(format!("'{asked}': after # comes the number of a speaker")))?;
        Ok((Arc::clone(voice), voice.speaker(speaker)?))
    }
}

impl Synthesizer for Piper {
    fn name(&self) -> &str {
        NAME
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        self.choose(what).map(drop)
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let (voice, speaker) = self.choose(what)?;
        Ok(Box::new(Line::start(Box::new(Speaker { voice, speaker }), &self.pool, &what.text, wake)?))
    }
}

struct Speaker {
    voice: Arc<Voice>,
    speaker: i64,
}

impl Render for Speaker {
    fn engine(&self) -> &str {
        NAME
    }

    fn render(&self, text: &str) -> Result<Vec<i16>, EngineError> {
        let ids = self.voice.ids(text)?;
        let sound = self.voice.speak(&ids, self.speaker)?;
        let loudest = sound.iter().fold(0.01_f32, |most, sample| most.max(sample.abs()));
        let even: Vec<i16> = sound.iter().map(|sample| (sample / loudest * 32_767.0).round() as i16).collect();
        let at_16k = resample_i16(&even, self.voice.rate(), SAMPLE_RATE_HZ);
        Ok(shape(at_16k.map_err(|error| failed(error.to_string()))?))
    }
}

/// The part of a language tag before the region.
fn base(language: &Language) -> &str {
    language.0.split(['-', '_']).next().unwrap_or_default()
}

fn unavailable(what: String) -> EngineError {
    EngineError::Unavailable { engine: NAME.to_owned(), what }
}

fn failed(what: String) -> EngineError {
    EngineError::Failed { engine: NAME.to_owned(), what }
}

#[cfg(test)]
mod tests;
