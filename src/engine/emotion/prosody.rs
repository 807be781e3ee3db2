//! The engine `prosody`: extractor, functionals, committees, and the caller's usual voice.

use super::model::{Model, Usual, Verdict};
use crate::audio::prosody::{Extractor, Functionals};
use crate::audio::{AudioFrame, MediaTime};
use crate::speech::{Emotion, EmotionDetection, EmotionDetector, EngineError, UsualVoice};
use std::path::Path;
use std::sync::Arc;

/// Speech before the first label of an utterance, and between two, in ms.
const EVERY_MS: u32 = 500;
/// Less speech than this says nothing, in ms.
const LEAST_MS: u32 = 250;
/// Speech before its rate is told, in ms.
const RATE_MS: u32 = 800;

/// The weights that are compiled in.
static WEIGHTS: &[u8] = include_bytes!("../../../audio-models/emotion/prosody.emotion");

/// Hears emotions.
pub struct Prosody {
    model: Arc<Model>,
}

impl Prosody {
    /// Name as in the configuration.
    pub const NAME: &'static str = "prosody";

    /// With the weights of `file`, or those compiled in.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the file cannot be read or holds no such weights.
    pub fn open(file: Option<&Path>) -> Result<Self, EngineError> {
        let unavailable = |what: String| EngineError::Unavailable { engine: Self::NAME.to_owned(), what };
        let model = match file {
            None => Model::parse(WEIGHTS).map_err(|error| unavailable(format!("the weights compiled in: {error}")))?,
            Some(file) => {
                let bytes = std::fs::read(file).map_err(|error| {
                    unavailable(format!("{}: cannot be read ({error}); see engine.emotion.model", file.display()))
                })?;
                Model::parse(&bytes).map_err(|error| unavailable(format!("{}: {error}", file.display())))?
            }
        };
        Ok(Self { model: Arc::new(model) })
    }

    /// With this model.
    pub fn new(model: Model) -> Self {
        Self { model: Arc::new(model) }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// A caller's ear, as its own type.
    pub fn detector(&self) -> ProsodyDetector {
        ProsodyDetector {
            model: Arc::clone(&self.model),
            extractor: Box::default(),
            functionals: Box::default(),
            usual: Box::default(),
            voice: UsualVoice::default(),
            due_ms: EVERY_MS,
            verdict: None,
        }
    }
}

impl EmotionDetection for Prosody {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn open(&self) -> Box<dyn EmotionDetector> {
        Box::new(self.detector())
    }
}

/// One caller's ear.
pub struct ProsodyDetector {
    model: Arc<Model>,
    extractor: Box<Extractor>,
    functionals: Box<Functionals>,
    usual: Box<Usual>,
    voice: UsualVoice,
    due_ms: u32,
    /// The probabilities of the labels in the latest answer.
    verdict: Option<Verdict>,
}

impl ProsodyDetector {
    /// Memory of a caller, in bytes, without the weights.
    pub const BYTES: usize = size_of::<Self>() + size_of::<Extractor>() + size_of::<Functionals>() + size_of::<Usual>();

    /// What lies behind the latest answer: the probabilities of all labels.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    fn judge(&mut self, at: MediaTime, turn_final: bool) -> Option<Emotion> {
        let heard_ms = self.functionals.heard_ms();
        let verdict = self.model.judge(&self.functionals.vector(), &self.usual, heard_ms);
        let best = verdict.labels.iter().zip(self.model.labels()).max_by(|a, b| a.0.total_cmp(b.0));
        let (probability, label) = best.map(|(probability, label)| (*probability, *label))?;
        let valence = verdict.labels.iter().zip(self.model.labels()).map(|(probability, label)| {
            probability
                * match label.pleasant() {
                    Some(true) => 1.0,
                    Some(false) => 0.0,
                    None => 0.5,
                }
        });
        let emotion = Emotion {
            at,
            heard_ms,
            label,
            probability,
            arousal: verdict.arousal,
            valence: valence.sum(),
            anger: verdict.anger,
            voice: self.voice.change(measures(&self.functionals)),
            turn_final,
        };
        self.verdict = Some(verdict);
        Some(emotion)
    }
}

impl EmotionDetector for ProsodyDetector {
    fn push(&mut self, frame: &AudioFrame) -> Option<Emotion> {
        let functionals = &mut self.functionals;
        self.extractor.push(&frame.samples, &mut |step| functionals.push(step));
        if self.functionals.heard_ms() < self.due_ms {
            return None;
        }
        self.due_ms = self.functionals.heard_ms() + EVERY_MS;
        self.judge(frame.end(), false)
    }

    fn pause(&mut self, now: MediaTime) -> Option<Emotion> {
        (self.functionals.heard_ms() >= LEAST_MS).then(|| self.judge(now, true)).flatten()
    }

    fn finish(&mut self, usual: bool) {
        if usual && self.functionals.heard_ms() >= UsualVoice::LEAST_MS {
            self.usual.add(&self.functionals.vector());
            self.voice.learn(measures(&self.functionals));
        }
        self.functionals.clear();
        self.extractor.forget();
        self.due_ms = EVERY_MS;
    }
}

/// Rate, pitch and loudness, as far as they are known.
fn measures(functionals: &Functionals) -> [Option<f32>; 3] {
    let rate = (functionals.heard_ms() >= RATE_MS).then(|| functionals.rate());
    [rate, functionals.pitch(), functionals.level_dbfs()]
}
