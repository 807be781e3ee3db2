//! Loud is speech.

use crate::audio::{AudioFrame, level};
use crate::speech::{EngineError, VoiceDetection, VoiceDetector};
use serde::{Deserialize, Serialize};

/// Settings of the `scripted` voice detector.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptedConfig {
    /// A frame whose root mean square is above this is speech, in dBFS.
    pub threshold_dbfs: f32,
}

impl Default for ScriptedConfig {
    fn default() -> Self {
        Self { threshold_dbfs: -45.0 }
    }
}

/// The `scripted` voice detector: a frame above a fixed level is speech, any other is none. Exact and immediate on clean
/// recordings; it takes noise, tones and music for speech.
pub struct Scripted {
    config: ScriptedConfig,
}

impl Scripted {
    /// Name in the configuration.
    pub const NAME: &'static str = "scripted";

    /// With these settings.
    pub const fn new(config: ScriptedConfig) -> Self {
        Self { config }
    }
}

impl VoiceDetection for Scripted {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError> {
        Ok(Box::new(Threshold { dbfs: self.config.threshold_dbfs }))
    }
}

struct Threshold {
    dbfs: f32,
}

impl VoiceDetector for Threshold {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        if level::rms_dbfs(&frame.samples) > self.dbfs { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FrameOrigin, MediaTime};

    #[test]
    fn only_the_level_counts() {
        let mut detector = Scripted::new(ScriptedConfig::default()).open().unwrap();
        let mut hear = |amplitude: i16| {
            let samples = std::array::from_fn(|n| if n % 2 == 0 { amplitude } else { -amplitude });
            detector.push(&AudioFrame { at: MediaTime::ZERO, origin: FrameOrigin::Received, samples })
        };
        assert_eq!([hear(0), hear(50), hear(3000), hear(0)], [0.0, 0.0, 1.0, 0.0]);
    }
}
