//! How loud both sides were, coarsely: enough to draw their voices.

/// Length of a step in milliseconds.
pub const WAVE_STEP_MS: u64 = 10;
/// Samples in a step, at 16 kHz.
const STEP_SAMPLES: usize = 160;
/// No more than one hour is kept.
const MAX_STEPS: usize = 360_000;

/// The peaks of both sides from the answer on, in steps of [`WAVE_STEP_MS`], in 1/256 of full scale.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Waves {
    /// The caller.
    pub caller: Vec<u8>,
    /// The agent.
    pub agent: Vec<u8>,
    /// The caller's pitch in steps of [`CONTOUR_STEP_MS`](super::CONTOUR_STEP_MS), where it was looked at: 0 is unvoiced, 1 is 75 Hz, an
    /// eighth of a semitone each.
    pub pitch: Vec<u8>,
    /// The caller's level likewise: half decibels over −100 dBFS.
    pub loudness: Vec<u8>,
}

impl Waves {
    /// Adds samples of both sides at 16 kHz, in whole steps. What lies beyond the first hour is left out.
    pub fn push(&mut self, caller: &[i16], agent: &[i16]) {
        for (track, samples) in [(&mut self.caller, caller), (&mut self.agent, agent)] {
            for step in samples.chunks(STEP_SAMPLES) {
                if track.len() < MAX_STEPS {
                    let peak = step.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
                    track.push((peak >> 7).min(255) as u8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_each_step_is_kept_for_an_hour() {
        let mut waves = Waves::default();
        let mut frame = [0i16; 320];
        frame[200] = i16::MIN;
        waves.push(&frame, &[-1280; 320]);
        assert_eq!((waves.caller.as_slice(), waves.agent.as_slice()), (&[0, 255][..], &[10, 10][..]));
        for _ in 0..MAX_STEPS {
            waves.push(&frame, &frame);
        }
        assert_eq!((waves.caller.len(), waves.agent.len()), (MAX_STEPS, MAX_STEPS));
    }
}
