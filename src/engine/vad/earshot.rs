//! The `earshot` network, which hears speech well but takes every tone for it, with what it lacks.

use crate::audio::tone::{Tonality, ToneDetector};
use crate::audio::{AudioFrame, FrameOrigin, level};
use crate::speech::{EngineError, VoiceDetection, VoiceDetector};
use serde::{Deserialize, Serialize};

/// Samples that the network takes at a time: 16 ms.
const BLOCK: usize = 256;
/// After so many quiet frames the network rests, and forgets.
const QUIET_FRAMES: u32 = 5;

/// A frame of at least this probability counts as speech when it comes to what a suspected tone follows.
const SPEECH: f32 = 0.5;
/// So many speech frames, less the others, and somebody is speaking: a suspicion no longer counts.
const SPEAKING: u32 = 3;
/// No memory of speech is longer than this, in frames.
const SPEAKING_MOST: u32 = 10;
/// A suspicion that is not confirmed within so many frames (80 ms) was a vowel.
const SUSPECTED_MOST: u32 = 4;
/// A suspicion of so many frames leaves an echo.
const SUSPECTED_LEAST: u32 = 3;
/// So many frames after a tone the network still hears it.
const AFTER_TONE: u32 = 5;
/// A rejected frame keeps this share of its probability: below the gate's `off`, and yet in its order among others.
const REJECTED: f32 = 0.34;

/// A frame so much softer than the caller's speech is a pause, in dB: the network hears on for 100 ms after the last sound.
const DROP_DB: f32 = 46.0;
/// The caller's level is forgotten at this rate, in dB a frame (7.5 dB a second): another caller may be softer.
const FORGET_DB: f32 = 0.15;
/// The level taken for the caller's before anything was said, and the lowest that it is taken for, in dBFS.
const LEVEL_FIRST: f32 = -37.0;
const LEVEL_LEAST: f32 = -60.0;
/// A frame louder than this is never a pause by its level alone, in dBFS.
const PAUSE_MOST: f32 = -60.0;

/// Settings of the `earshot` voice detector.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarshotConfig {
    /// A frame whose root mean square is below this is silence without asking the network, in dBFS. Far speakers in a room
    /// may be as soft as −70: what is soft for this caller is found out apart from it.
    pub floor_dbfs: f32,
    /// Take tones, music and steady noise for silence. Without it the network hears a voice in all of them.
    pub reject_tones: bool,
}

impl Default for EarshotConfig {
    fn default() -> Self {
        Self { floor_dbfs: -90.0, reject_tones: true }
    }
}

/// The `earshot` voice detector.
pub struct Earshot {
    config: EarshotConfig,
}

impl Earshot {
    /// Name in the configuration.
    pub const NAME: &'static str = "earshot";

    /// With these settings.
    pub const fn new(config: EarshotConfig) -> Self {
        Self { config }
    }
}

impl VoiceDetection for Earshot {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError> {
        Ok(Box::new(Stream::new(&self.config)))
    }
}

/// What is thought of a frame.
#[derive(Clone, Copy, Default)]
pub(super) struct Opinion {
    /// The network's alone, which takes tones and music for a voice.
    pub network: f32,
    /// With what the tone rejecter says.
    pub judged: f32,
    /// So much softer than the caller's speech that it is a pause, whatever the network says.
    pub pause: bool,
}

impl Opinion {
    /// The probability, less what a pause takes off it.
    pub fn unless_pause(self, probability: f32) -> f32 {
        if self.pause { probability * REJECTED } else { probability }
    }
}

/// One call's detector.
pub(super) struct Stream {
    floor_dbfs: f32,
    network: Box<earshot::Detector>,
    /// Samples that wait for their block to be full.
    block: [i16; BLOCK],
    filled: usize,
    /// The network's last answer.
    probability: f32,
    /// Quiet frames in a row.
    quiet: u32,
    tones: Option<Box<ToneRejecter>>,
    /// The caller's level as far as known, in dBFS.
    level: f32,
}

/// Decides which frames are tones, knowing what was speech before.
#[derive(Default)]
struct ToneRejecter {
    detector: ToneDetector,
    /// Rises with each speech frame and falls with each other.
    speaking: u32,
    /// Suspected frames in a row.
    suspected: u32,
    /// Frames for which the echo of a tone is still expected.
    after: u32,
    /// Level of the last tone in dBFS.
    level: f32,
}

impl ToneRejecter {
    /// The network's `probability` for this frame, or none if a tone explains it.
    fn judge(&mut self, frame: &AudioFrame, probability: f32) -> f32 {
        let tonality = self.detector.push(&frame.samples);
        let level = level::rms_dbfs(&frame.samples);
        self.suspected = if tonality == Tonality::Suspected { self.suspected + 1 } else { 0 };
        let beginning = self.speaking < SPEAKING;
        let tone = match tonality {
            Tonality::Certain => true,
            Tonality::Suspected => beginning && self.suspected <= SUSPECTED_MOST,
            Tonality::None => false,
        };
        let rejected = if tone {
            if tonality == Tonality::Certain || self.suspected >= SUSPECTED_LEAST {
                self.after = AFTER_TONE;
                self.level = level;
            }
            true
        } else {
            // The end of a tone is no longer pure, and the network is slow to forget.
            let echo = self.after > 0 && beginning && level < self.level + 1.0;
            self.after = self.after.saturating_sub(1);
            echo
        };
        let probability = if rejected { probability * REJECTED } else { probability };
        self.speaking = if probability >= SPEECH {
            (self.speaking + 1).min(SPEAKING_MOST)
        } else {
            self.speaking.saturating_sub(1)
        };
        probability
    }
}

impl Stream {
    pub fn new(config: &EarshotConfig) -> Self {
        Self {
            floor_dbfs: config.floor_dbfs,
            network: Box::default(),
            block: [0; BLOCK],
            filled: 0,
            probability: 0.0,
            quiet: QUIET_FRAMES,
            tones: config.reject_tones.then(Box::default),
            level: LEVEL_FIRST,
        }
    }

    /// Cuts frames of 320 into blocks of 256. The answer for a frame is the highest of its blocks'.
    fn ask(&mut self, samples: &[i16]) -> f32 {
        let mut highest: Option<f32> = None;
        for sample in samples {
            if let Some(slot) = self.block.get_mut(self.filled) {
                *slot = *sample;
            }
            self.filled += 1;
            if self.filled >= BLOCK {
                self.filled = 0;
                self.probability = self.network.predict_i16(&self.block).clamp(0.0, 1.0);
                highest = Some(highest.map_or(self.probability, |highest| highest.max(self.probability)));
            }
        }
        highest.unwrap_or(self.probability)
    }
}

impl Stream {
    /// Hears a frame.
    pub fn hear(&mut self, frame: &AudioFrame) -> Opinion {
        let loudness = level::rms_dbfs(&frame.samples);
        let quiet = frame.origin == FrameOrigin::Silence || loudness < self.floor_dbfs;
        let mut probability = 0.0;
        if !quiet {
            self.quiet = 0;
            probability = self.ask(&frame.samples);
        } else if self.quiet < QUIET_FRAMES {
            // A short pause belongs to the speech around it; after a long one all is forgotten.
            self.ask(&frame.samples);
            self.quiet += 1;
            if self.quiet == QUIET_FRAMES {
                self.network.reset();
                (self.filled, self.probability) = (0, 0.0);
            }
        }
        self.level = match probability >= SPEECH && loudness > self.level {
            true => self.level + 0.3 * (loudness - self.level),
            false => (self.level - FORGET_DB).max(LEVEL_LEAST),
        };
        let judged = match &mut self.tones {
            Some(tones) => tones.judge(frame, probability),
            None => probability,
        };
        Opinion { network: probability, judged, pause: loudness < (self.level - DROP_DB).min(PAUSE_MOST) }
    }
}

impl VoiceDetector for Stream {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        let opinion = self.hear(frame);
        opinion.unless_pause(opinion.judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    fn frame(origin: FrameOrigin, sample: impl Fn(usize) -> i16) -> AudioFrame {
        AudioFrame { at: MediaTime::ZERO, origin, samples: std::array::from_fn(sample) }
    }

    #[test]
    fn silence_does_not_run_the_network() {
        let mut stream = Stream {
            floor_dbfs: -60.0,
            network: Box::default(),
            block: [0; BLOCK],
            filled: 0,
            probability: 0.9,
            quiet: QUIET_FRAMES,
            tones: None,
            level: LEVEL_FIRST,
        };
        assert_eq!(stream.push(&frame(FrameOrigin::Silence, |_| 0)), 0.0);
        assert_eq!(stream.push(&frame(FrameOrigin::Received, |n| (n % 3) as i16)), 0.0);
        assert_eq!((stream.filled, stream.probability), (0, 0.9), "nothing was taken");
        stream.push(&frame(FrameOrigin::Received, |n| if n % 20 < 10 { 4000 } else { -4000 }));
        assert_eq!(stream.filled, 320 - BLOCK);
    }
}
