//! Silero VAD, version 6, through ONNX Runtime: alone, or to confirm what `earshot` hears.
//!
//! The model takes chunks of 32 ms and a state per call. One session serves all calls: a call's stream cuts chunks and sends
//! them to a worker, which collects those of other calls for a few milliseconds and runs them as one batch ([`batch`]). The
//! speech thread never waits for it; the answers come with later frames.
//!
//! So both engines answer late, and say so by [`VoiceDetector::lag_ms`]: `silero` about the frame two frames earlier, by when
//! the chunks that it lies in are nearly always known; `earshot+silero` about the one before, for `earshot` knows sooner. Its
//! answer is a power of their product, near the geometric mean, so that both must hear a voice: a ring-back tone or music is one to `earshot` only.
//! Where Silero is late (a machine that cannot keep up) or has failed, `earshot` answers alone with its tone rejecter.

mod batch;

use super::earshot::{EarshotConfig, Opinion, Stream as Dense};
use crate::audio::{AudioFrame, FRAME_MS, FRAME_SAMPLES, FrameOrigin, HalfBandDown, SAMPLE_RATE_HZ};
use crate::engine::onnx;
use crate::speech::{EngineError, VoiceDetection, VoiceDetector};
use batch::{Answer, Place, Worker};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the engine that is Silero alone.
const NAME: &str = "silero";
/// The model that is compiled in, and its name for messages.
const MODEL: (&str, &[u8]) = ("silero_vad.onnx", include_bytes!("../../../../audio-models/silero-vad/silero_vad.onnx"));
/// Samples at 16 kHz in a frame, as a length of time.
const FRAME: u64 = FRAME_SAMPLES as u64;
/// An answer that is so much older than the frame is no answer: 120 ms, in samples at 16 kHz.
const LATE: u64 = 120 * SAMPLE_RATE_HZ as u64 / 1000;
/// Two answers of the same strength keep a little more than it together: a root would hear the onset of speech 20 ms later,
/// for Silero rises slowly, and a smaller power keys and ring-back tones.
const TOGETHER: f32 = 0.38;
/// After so many chunks of digital silence (1 s) no more are sent.
const SILENT: u32 = 31;
/// Answers kept: as far back as a late frame can lie.
const KEPT: usize = 8;
/// The longest that a measurement waits for the worker.
const PATIENCE: Duration = Duration::from_secs(2);

/// Settings of `silero` and `earshot+silero`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SileroConfig {
    /// A Silero model of version 5 or 6. None: the one that is compiled in.
    pub model: Option<PathBuf>,
    /// The model's rate: 16000, or 8000, which computes a third less. What comes over the telephone band is heard by both;
    /// distant voices better at 16000 (`docs/engines.md`).
    pub rate_hz: u32,
    /// How long the chunks of other calls are waited for, in ms.
    pub collect_ms: u64,
}

impl Default for SileroConfig {
    fn default() -> Self {
        Self { model: None, rate_hz: 16_000, collect_ms: 4 }
    }
}

/// The `silero` and `earshot+silero` voice detectors.
pub struct Silero {
    worker: Worker,
    rate_hz: u32,
    /// What is confirmed. None: nothing, Silero answers alone.
    dense: Option<EarshotConfig>,
}

impl Silero {
    /// Name in the configuration of Silero alone.
    pub const NAME: &'static str = NAME;
    /// Name in the configuration of `earshot` confirmed by Silero.
    pub const CONFIRMING: &'static str = "earshot+silero";

    /// Opens the model: alone, or to confirm what `earshot` hears with these settings. `library` is `engine.onnxruntime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`]: a rate that the model does not have; no library; no model; no thread.
    pub fn open(
        config: &SileroConfig,
        library: Option<&Path>,
        dense: Option<EarshotConfig>,
    ) -> Result<Self, EngineError> {
        if !matches!(config.rate_hz, 8000 | 16_000) {
            let what = format!("engine.silero.rate_hz = {}: it is 8000 or 16000", config.rate_hz);
            return Err(EngineError::Unavailable { engine: NAME.to_owned(), what });
        }
        let model = match &config.model {
            Some(path) => onnx::Model::File(path),
            None => onnx::Model::Bytes(MODEL.0, MODEL.1),
        };
        let worker = Worker::start(library, model, config.rate_hz, Duration::from_millis(config.collect_ms.min(20)))?;
        Ok(Self { worker, rate_hz: config.rate_hz, dense })
    }
}

impl VoiceDetection for Silero {
    fn name(&self) -> &str {
        if self.dense.is_some() { Self::CONFIRMING } else { Self::NAME }
    }

    fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError> {
        let ear = Ear::new(self.worker.place(), self.rate_hz);
        Ok(match &self.dense {
            Some(config) => Box::new(Confirmed { dense: Dense::new(config), before: Opinion::default(), ear }),
            None => Box::new(Alone { ear, stand_in: None }),
        })
    }
}

/// Cuts a call into chunks and keeps the answers.
struct Ear {
    place: Place,
    /// For the model's 8 kHz.
    down: Option<HalfBandDown>,
    chunk: usize,
    samples: Vec<f32>,
    /// Anything but digital silence in the chunk so far.
    sound: bool,
    /// Chunks of digital silence in a row.
    silent: u32,
    /// Samples at 16 kHz of one sample of the model.
    step: u64,
    /// Samples at 16 kHz heard so far.
    heard: u64,
    /// The last answers, with the end of their chunk in samples at 16 kHz.
    answers: VecDeque<Answer>,
}

impl Ear {
    fn new(place: Place, rate_hz: u32) -> Self {
        let chunk = batch::chunk(rate_hz);
        Self {
            place,
            down: (rate_hz == 8000).then(HalfBandDown::default),
            chunk,
            samples: Vec::with_capacity(chunk),
            sound: false,
            silent: SILENT,
            step: u64::from(SAMPLE_RATE_HZ / rate_hz),
            heard: 0,
            answers: VecDeque::with_capacity(KEPT + 1),
        }
    }

    fn push(&mut self, frame: &AudioFrame) {
        let mut halved = [0_i16; FRAME_SAMPLES / 2];
        let samples: &[i16] = match &mut self.down {
            Some(down) => {
                down.process(&frame.samples, &mut halved);
                &halved
            }
            None => &frame.samples,
        };
        let silence = frame.origin == FrameOrigin::Silence || frame.samples.iter().all(|s| (-1..=1).contains(s));
        let before = self.heard;
        self.heard += FRAME;
        let mut taken = 0;
        while taken < samples.len() {
            let room = self.chunk - self.samples.len();
            let part = &samples[taken..samples.len().min(taken + room)];
            taken += part.len();
            self.samples.extend(part.iter().map(|s| f32::from(*s) / 32_768.0));
            self.sound |= !silence;
            if self.samples.len() == self.chunk {
                self.send(before + taken as u64 * self.step);
            }
        }
    }

    /// Sends a full chunk. In a long digital silence (hold, or a line that sends nothing) chunks are answered here: the model's
    /// state has settled by then.
    fn send(&mut self, end: u64) {
        let samples = std::mem::replace(&mut self.samples, Vec::with_capacity(self.chunk));
        self.silent = if std::mem::take(&mut self.sound) { 0 } else { self.silent.saturating_add(1) };
        if self.silent > SILENT {
            self.keep((end, 0.0));
        } else {
            self.place.send(samples, end);
        }
    }

    fn keep(&mut self, answer: Answer) {
        if self.answers.len() == KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
    }

    fn collect(&mut self) {
        while let Some(answer) = self.place.mailbox().take() {
            self.keep(answer);
        }
    }

    /// What is known of the frame that began `back` frames before the last one pushed: the highest answer of the chunks that
    /// it lies in, or the one just before. None: nothing that is recent enough.
    fn about(&self, back: u64) -> Option<f32> {
        let to = self.heard.saturating_sub(back * FRAME);
        let from = to.saturating_sub(FRAME);
        let length = self.chunk as u64 * self.step;
        let over = self.answers.iter().filter(|(end, _)| *end > from && end.saturating_sub(length) < to);
        let highest = over.map(|(_, p)| *p).reduce(f32::max);
        let before = || self.answers.iter().rfind(|(end, _)| *end <= from && end + LATE >= to);
        // A call is not late before its first chunk can have been answered.
        highest.or_else(|| before().map(|(_, p)| *p)).or_else(|| (to <= LATE).then_some(0.0))
    }
}

/// `earshot+silero`.
struct Confirmed {
    dense: Dense,
    /// What was thought of the frame before.
    before: Opinion,
    ear: Ear,
}

impl VoiceDetector for Confirmed {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        self.ear.collect();
        // The frame before is the last one that the ear knows now.
        let confirmed = if self.ear.place.failed() { None } else { self.ear.about(0) };
        let before = std::mem::replace(&mut self.before, self.dense.hear(frame));
        self.ear.push(frame);
        before.unless_pause(match confirmed {
            Some(silero) => (before.network * silero).powf(TOGETHER),
            None => before.judged,
        })
    }

    fn lag_ms(&self) -> u64 {
        FRAME_MS
    }

    fn settle(&mut self) {
        self.ear.place.mailbox().settle(PATIENCE);
    }
}

/// `silero`.
struct Alone {
    ear: Ear,
    /// Answers where Silero does not. It hears from then on, one frame late as well.
    stand_in: Option<Box<(Dense, [f32; 2])>>,
}

impl VoiceDetector for Alone {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        self.ear.collect();
        let known = if self.ear.place.failed() { None } else { self.ear.about(1) };
        self.ear.push(frame);
        if known.is_some() && self.stand_in.is_none() {
            return known.unwrap_or_default();
        }
        let (dense, late) =
            &mut **self.stand_in.get_or_insert_with(|| Box::new((Dense::new(&EarshotConfig::default()), [0.0; 2])));
        let [oldest, older] = *late;
        *late = [older, dense.push(frame)];
        known.unwrap_or(oldest)
    }

    fn lag_ms(&self) -> u64 {
        2 * FRAME_MS
    }

    fn settle(&mut self) {
        self.ear.place.mailbox().settle(PATIENCE);
    }
}

#[cfg(test)]
mod tests;
