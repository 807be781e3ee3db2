//! Which frames hold speech, as far as the recogniser itself has to know: to measure the channel and the band on speech and
//! to leave silence undecoded. It errs towards speech; the voice detector proper decides about turns.

use crate::audio::Samples;

/// A frame this much above the floor is speech.
const ABOVE: f32 = 4.0; // 6 dB in amplitude, as a ratio of energies
/// No frame below this energy per sample is speech: −60 dBFS.
const QUIET: f32 = 1073.0;
/// The floor rises so slowly, per frame, that a sentence does not become its own floor: about 3 dB a second.
const RISE: f32 = 1.014;
/// No floor above this: −40 dBFS.
const MAX_FLOOR: f32 = 107_374.0;

/// Follows the noise floor.
pub(super) struct SpeechLevel {
    floor: f32,
}

impl Default for SpeechLevel {
    fn default() -> Self {
        Self { floor: QUIET }
    }
}

impl SpeechLevel {
    /// Whether this frame may hold speech.
    pub fn push(&mut self, samples: &Samples) -> bool {
        let sum: f32 = samples.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
        let energy = sum / samples.len() as f32;
        self.floor = if energy < self.floor { energy } else { (self.floor * RISE).min(energy).min(MAX_FLOOR) };
        self.floor = self.floor.max(1.0);
        energy > QUIET.max(self.floor * ABOVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(amplitude: i16, seed: usize) -> Samples {
        let mut state = seed as u64 + 1;
        std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % (2 * amplitude as u64 + 1)) as i16 - amplitude
        })
    }

    #[test]
    fn silence_is_not_speech_and_a_voice_is() {
        let mut level = SpeechLevel::default();
        assert!((0..100).all(|n| !level.push(&noise(3, n))));
        assert!(level.push(&noise(3000, 1)));
    }

    #[test]
    fn steady_noise_becomes_the_floor_but_a_sentence_does_not() {
        let mut level = SpeechLevel::default();
        let taken = (0..250).filter(|&n| level.push(&noise(150, n))).count();
        assert!(taken < 200 && !level.push(&noise(150, 250)), "{taken} frames of noise");
        assert!((0..150).all(|n| level.push(&noise(3000, n))), "three seconds of speech");
    }
}
