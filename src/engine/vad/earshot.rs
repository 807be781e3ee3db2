//! The `earshot` network, which hears speech well but takes every tone for it, with what it lacks.

use crate::audio::{AudioFrame, FrameOrigin, level};
use crate::speech::{EngineError, VoiceDetection, VoiceDetector};
use serde::{Deserialize, Serialize};

/// Samples that the network takes at a time: 16 ms.
const BLOCK: usize = 256;
/// After so many quiet frames the network rests, and forgets.
const QUIET_FRAMES: u32 = 5;

/// Settings of the `earshot` voice detector.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarshotConfig {
    /// A frame whose root mean square is below this is silence without asking the network, in dBFS.
    pub floor_dbfs: f32,
}

impl Default for EarshotConfig {
    fn default() -> Self {
        Self { floor_dbfs: -60.0 }
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
        Ok(Box::new(Stream {
            floor_dbfs: self.config.floor_dbfs,
            network: Box::default(),
            block: [0; BLOCK],
            filled: 0,
            probability: 0.0,
            quiet: QUIET_FRAMES,
        }))
    }
}

/// One call's detector.
struct Stream {
    floor_dbfs: f32,
    network: Box<earshot::Detector>,
    /// Samples that wait for their block to be full.
    block: [i16; BLOCK],
    filled: usize,
    /// The network's last answer.
    probability: f32,
    /// Quiet frames in a row.
    quiet: u32,
}

impl Stream {
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

impl VoiceDetector for Stream {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        if frame.origin == FrameOrigin::Silence || level::rms_dbfs(&frame.samples) < self.floor_dbfs {
            if self.quiet < QUIET_FRAMES {
                self.quiet += 1;
                if self.quiet == QUIET_FRAMES {
                    self.network.reset();
                    (self.filled, self.probability) = (0, 0.0);
                }
                self.ask(&frame.samples);
            }
            return 0.0;
        }
        self.quiet = 0;
        self.ask(&frame.samples)
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
        };
        assert_eq!(stream.push(&frame(FrameOrigin::Silence, |_| 0)), 0.0);
        assert_eq!(stream.push(&frame(FrameOrigin::Received, |n| (n % 3) as i16)), 0.0);
        assert_eq!((stream.filled, stream.probability), (0, 0.9), "nothing was taken");
        stream.push(&frame(FrameOrigin::Received, |n| if n % 20 < 10 { 4000 } else { -4000 }));
        assert_eq!(stream.filled, 320 - BLOCK);
    }
}
