//! The call as it was said and heard at the telephone: stereo, left the caller, right the agent.

use crate::audio::wav::StereoWriter;
use crate::audio::{AudioError, SAMPLE_RATE_HZ};
use std::path::Path;
use std::time::Duration;

/// A packet that comes this close to where the track has got to is put right behind it: jitter is no silence.
const SLACK: usize = 640;
/// No track is longer than this: one hour.
const MAX_SAMPLES: usize = 3600 * SAMPLE_RATE_HZ as usize;

/// One side of the call, from the telephone's origin.
#[derive(Clone, Debug, Default)]
pub struct Track {
    samples: Vec<i16>,
}

impl Track {
    /// Puts a packet's samples where they belong. What lies beyond the first hour is dropped.
    pub fn place(&mut self, at: Duration, samples: &[i16]) {
        let target = (at.as_nanos() * u128::from(SAMPLE_RATE_HZ) / 1_000_000_000) as usize;
        let end = target.max(self.samples.len()) + samples.len();
        if end > MAX_SAMPLES {
            return;
        }
        if self.samples.is_empty() || target > self.samples.len() + SLACK {
            self.samples.resize(target, 0);
        }
        self.samples.extend_from_slice(samples);
    }

    /// The samples, 16 kHz.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

/// Both sides.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What the caller said.
    pub said: Track,
    /// What the caller heard.
    pub heard: Track,
}

impl Recording {
    /// Writes a stereo WAV file, 16 kHz and 16 bit, from `from` on (the answer).
    ///
    /// # Errors
    /// A file that cannot be written, by name.
    pub fn write(&self, path: &Path, from: Duration) -> Result<(), AudioError> {
        let skip = (from.as_secs_f64() * f64::from(SAMPLE_RATE_HZ)) as usize;
        let left = self.said.samples.get(skip..).unwrap_or(&[]);
        let right = self.heard.samples.get(skip..).unwrap_or(&[]);
        let mut writer = StereoWriter::create(path)?;
        writer.push(left, right)?;
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn jitter_is_smoothed_and_silence_is_kept() {
        let mut track = Track::default();
        for at in [100, 123, 138, 500] {
            track.place(ms(at), &[7; 320]);
        }
        let loud: Vec<usize> = (0..track.samples().len()).filter(|&i| track.samples()[i] == 7).collect();
        assert_eq!((loud[0], loud.len()), (1600, 4 * 320));
        assert_eq!((loud[959], loud[960]), (1600 + 959, 8000));
    }

    #[test]
    fn a_track_has_an_end() {
        let mut track = Track::default();
        track.place(Duration::from_secs(3601), &[7; 320]);
        assert!(track.samples().is_empty());
    }

    #[test]
    fn the_file_is_stereo_and_aligned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.wav");
        let mut recording = Recording::default();
        recording.said.place(ms(1000), &[1; 320]);
        recording.heard.place(ms(1010), &[2; 320]);
        recording.write(&path, ms(990)).unwrap();
        let mut file = hound::WavReader::open(&path).unwrap();
        assert_eq!((file.spec().channels, file.duration()), (2, 640));
        let samples: Vec<i16> = file.samples().map(Result::unwrap).collect();
        assert_eq!((samples[2 * 160], samples[2 * 160 - 2]), (1, 0));
        assert_eq!((samples[2 * 320 + 1], samples[2 * 320 - 1]), (2, 0));
    }
}
