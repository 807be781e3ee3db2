//! How this caller speaks: level, pace of the voice, pitch.

use super::super::PauseCue;
use super::{Heard, pause};
use crate::audio::MediaTime;
use crate::audio::prosody::STEP_MS;
use std::collections::VecDeque;

/// Speech that must have been heard before a level is called usual, in steps: half a second.
const LEVEL_AFTER: f32 = 50.0;
/// Voiced stretches that must have been heard before a length is called usual.
const STRETCHES_AFTER: f32 = 4.0;
/// Steps after which older ones count for less: 20 s of speech.
const LEVEL_MEMORY: f32 = 2000.0;
/// Stretches after which older ones count for less.
const STRETCH_MEMORY: f32 = 40.0;

/// A mean that forgets slowly.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    mean: f32,
    count: f32,
}

impl Usual {
    fn add(&mut self, value: f32, memory: f32) {
        self.count = (self.count + 1.0).min(memory);
        self.mean += (value - self.mean) / self.count;
    }

    fn after(self, least: f32) -> Option<f32> {
        (self.count >= least).then_some(self.mean)
    }
}

/// What is known of the caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// Power of speech, 1 is full scale.
    power: Usual,
    /// Length of a voiced stretch, in ms.
    stretch_ms: Usual,
}

impl Caller {
    /// The usual level of the caller's speech, in dBFS.
    pub(super) fn level_dbfs(&self) -> Option<f32> {
        self.power.after(LEVEL_AFTER).map(|power| 10.0 * power.max(1e-10).log10())
    }

    /// A pause after speech from `onset` to `last`: how it ended. With `learn`, the speech counts as the caller's.
    pub(super) fn pause(
        &mut self,
        steps: &VecDeque<Heard>,
        onset: MediaTime,
        last: MediaTime,
        learn: bool,
    ) -> PauseCue {
        let usual_ms = self.stretch_ms.after(STRETCHES_AFTER);
        let cue = pause::cue(steps, onset, last, usual_ms);
        if learn {
            for heard in steps.iter().filter(|heard| heard.end > onset && heard.end <= last) {
                self.power.add(10f32.powf(heard.step.level_dbfs / 10.0), LEVEL_MEMORY);
            }
            for length in pause::stretches(steps, onset, last) {
                self.stretch_ms.add((length * STEP_MS as usize) as f32, STRETCH_MEMORY);
            }
        }
        cue
    }
}
