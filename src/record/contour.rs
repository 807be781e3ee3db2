//! How high and how loud the caller's voice was, coarsely, for the curves under it in the picture of a call.

use super::Waves;
use crate::audio::Samples;
use crate::audio::prosody::{Prosody, Step};

/// Length of a point in milliseconds.
pub const CONTOUR_STEP_MS: u64 = 20;
/// No more than one hour is kept.
const MAX_POINTS: usize = 180_000;
/// Frames after the last sound that are still looked at; the rest is silence, and costs nothing.
const AFTER_SOUND: u32 = 10;
/// A peak up to here is the room.
const ROOM: u16 = 700;
/// The lowest pitch that is drawn, in Hz, and points in a semitone: 29 semitones to 400 Hz.
const LOWEST_HZ: f32 = 75.0;
const PER_SEMITONE: f32 = 8.0;

/// Follows a voice, frame by frame.
#[derive(Default)]
pub struct Contour {
    prosody: Box<Prosody>,
    left: u32,
}

impl Contour {
    /// Adds 20 ms of the caller.
    pub fn push(&mut self, caller: &Samples, waves: &mut Waves) {
        let peak = caller.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        self.left = if peak > ROOM { AFTER_SOUND } else { self.left.saturating_sub(1) };
        let steps = if self.left > 0 { self.prosody.push(caller) } else { [Step::SILENCE; 2] };
        if waves.pitch.len() >= MAX_POINTS {
            return;
        }
        let voiced: Vec<f32> = steps.iter().filter_map(|step| step.pitch_hz).collect();
        let hz = voiced.iter().sum::<f32>() / voiced.len().max(1) as f32;
        let level = steps.iter().map(|step| step.level_dbfs).fold(f32::MIN, f32::max);
        waves.pitch.push(if voiced.is_empty() { 0 } else { pitch_point(hz) });
        waves.loudness.push(((level + 100.0) * 2.0).clamp(0.0, 255.0) as u8);
    }
}

fn pitch_point(hz: f32) -> u8 {
    1 + ((hz / LOWEST_HZ).log2() * 12.0 * PER_SEMITONE).clamp(0.0, 254.0) as u8
}

/// The pitch of a point in Hz; none where nothing was voiced.
pub(super) fn pitch_hz(point: u8) -> Option<f32> {
    let steps = point.checked_sub(1)?;
    Some(LOWEST_HZ * 2f32.powf(f32::from(steps) / PER_SEMITONE / 12.0))
}

/// The level of a point in dBFS.
pub(super) fn level_dbfs(point: u8) -> f32 {
    f32::from(point) / 2.0 - 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    #[test]
    fn a_voice_is_followed_and_a_room_is_not() {
        let (mut contour, mut waves) = (Contour::default(), Waves::default());
        for frame in 0..60usize {
            let samples = std::array::from_fn(|n| {
                let t = (frame * FRAME_SAMPLES + n) as f32 / 16_000.0;
                let voice =
                    (2..20).map(|h| (std::f32::consts::TAU * 200.0 * h as f32 * t).sin() / h as f32).sum::<f32>();
                if frame < 40 { (voice * 3_000.0) as i16 } else { (n % 7) as i16 }
            });
            contour.push(&samples, &mut waves);
        }
        assert_eq!((waves.pitch.len(), waves.loudness.len()), (60, 60));
        let hz = pitch_hz(waves.pitch[20]).unwrap();
        assert!((195.0..205.0).contains(&hz), "the fundamental is missing, as on a telephone: {hz}");
        // 3000·√(Σ 1/h² / 2) is −26 dBFS.
        let level = level_dbfs(waves.loudness[20]);
        assert!((-28.0..-24.0).contains(&level), "{level} dBFS");
        assert_eq!((pitch_hz(waves.pitch[59]), waves.loudness[59]), (None, 0));
    }
}
