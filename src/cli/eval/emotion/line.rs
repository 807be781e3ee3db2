//! What a line makes of a recording before it is judged.

use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, level,
};
use crate::cli::eval::sound::Band;
use crate::sim::Dice;
use std::f32::consts::{PI, SQRT_2};

/// The level of speech on a line, in dBFS (ITU-T P.56): recordings betray the emotion by how loud they are, so each is brought
/// to it.
pub const LEVEL_DBFS: f32 = -26.0;
/// Kept of what comes before the speech and after it, in samples: what a call's gate keeps.
const AROUND: usize = 2240;
/// Speech is no softer than so much below the loudest, in dB.
const RANGE_DB: f32 = 30.0;

/// A line.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Line {
    /// How the sound is coded.
    pub band: Band,
    /// Nothing below this gets through, in Hz; 0: everything does.
    pub from_hz: f32,
    /// Level of the speech, in dBFS.
    pub level_dbfs: f32,
    /// How far the noise lies below the speech, in dB.
    pub noise_db: Option<f32>,
    /// Colour of the noise: 0 white, 1 brown.
    pub colour: f32,
    /// Tilt of the microphone: each sample and so much of the one before.
    pub tilt: f32,
}

impl Line {
    /// What figures are given for: µ-law at 8 kHz, or 16 kHz as it is.
    pub const fn of(band: Band) -> Self {
        Self { band, from_hz: 0.0, level_dbfs: LEVEL_DBFS, noise_db: None, colour: 0.0, tilt: 0.0 }
    }

    /// The frames that arrive of a recording, silence before and after it cut away.
    pub fn frames(&self, samples: &[i16], dice: &mut Dice) -> Vec<AudioFrame> {
        let mut sound: Vec<f32> = speech(samples).iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        if self.from_hz > 0.0 {
            high_pass(&mut sound, self.from_hz);
        }
        let mut before = 0.0;
        for sample in &mut sound {
            let now = *sample;
            *sample += self.tilt * before;
            before = now;
        }
        let gain = 10f32.powf(self.level_dbfs / 20.0) / active(&sound).max(1e-6);
        let noise = self.noise_db.map_or(0.0, |db| 10f32.powf((self.level_dbfs - db) / 20.0));
        let mut brown = 0.0f32;
        let heard = sound.iter().map(|sample| {
            let white = if noise > 0.0 { gauss(dice) } else { 0.0 };
            brown = 0.9 * brown + 0.436 * white;
            let hiss = self.colour * brown + (1.0 - self.colour) * white;
            ((sample * gain + noise * hiss) * 32_768.0) as i16
        });
        let mut heard: Vec<i16> = heard.collect();
        heard.resize(heard.len().next_multiple_of(FRAME_SAMPLES), 0);
        let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
        let coded = |frame: &[i16; FRAME_SAMPLES]| {
            let (mut packet, mut decoded) = ([0; FRAME_BYTES], [0; FRAME_SAMPLES]);
            let length = encoder.encode(frame, &mut packet);
            decoder.decode(&packet[..length], &mut decoded);
            decoded
        };
        let pieces = heard.as_chunks().0;
        let pieces: Vec<[i16; FRAME_SAMPLES]> = match self.band {
            Band::Wide => pieces.to_vec(),
            Band::Telephone => pieces.iter().map(coded).collect(),
        };
        let frame = |(samples, n)| AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples };
        pieces.into_iter().zip(0..).map(frame).collect()
    }
}

/// Nearly normal: the sum of some even throws.
fn gauss(dice: &mut Dice) -> f32 {
    let bits = dice.throw();
    let sum: u32 = (0..8).map(|n| (bits >> (8 * n)) as u32 & 0xff).sum();
    // Mean 1020, variance 8 · (256² − 1) / 12.
    (sum as f32 - 1020.0) / 209.0
}

/// The recording from just before its speech to just after.
fn speech(samples: &[i16]) -> &[i16] {
    let levels: Vec<f32> = samples.chunks(160).map(level::rms_dbfs).collect();
    let least = levels.iter().copied().fold(level::SILENCE_DBFS, f32::max) - RANGE_DB;
    let first = levels.iter().position(|level| *level >= least).unwrap_or(0) * 160;
    let last = levels.iter().rposition(|level| *level >= least).map_or(0, |n| (n + 1) * 160);
    samples.get(first.saturating_sub(AROUND)..(last + AROUND).min(samples.len())).unwrap_or(samples)
}

/// Root mean square of the louder half of the sound, full scale at 1.
fn active(sound: &[f32]) -> f32 {
    let mut powers: Vec<f32> =
        sound.chunks(320).map(|piece| piece.iter().map(|x| x * x).sum::<f32>() / piece.len() as f32).collect();
    powers.sort_by(f32::total_cmp);
    let loud = powers.get(powers.len() / 2..).unwrap_or_default();
    (loud.iter().sum::<f32>() / loud.len().max(1) as f32).sqrt()
}

/// Butterworth's filter of the second order, twice.
fn high_pass(sound: &mut [f32], hz: f32) {
    let w = (PI * hz / 16_000.0).tan();
    let n = 1.0 / (1.0 + SQRT_2 * w + w * w);
    let (a1, a2) = (2.0 * (w * w - 1.0) * n, (1.0 - SQRT_2 * w + w * w) * n);
    for _ in 0..2 {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for sample in sound.iter_mut() {
            let y = n * (*sample - 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
            (x2, x1, y2, y1) = (x1, *sample, y1, y);
            *sample = y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(frames: &[AudioFrame]) -> f32 {
        level::rms_dbfs(&frames.iter().flat_map(|frame| frame.samples).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_has_its_level_band_and_noise() {
        let tone = |hz: f32| -> Vec<i16> {
            (0..16_000).map(|n| (3000.0 * (2.0 * PI * hz * n as f32 / 16_000.0).sin()) as i16).collect()
        };
        let both: Vec<i16> = tone(100.0).iter().zip(tone(1000.0)).map(|(a, b)| a + b / 30).collect();
        let mut dice = Dice::new(1);
        for band in [Band::Telephone, Band::Wide] {
            assert!((level_of(&Line::of(band).frames(&tone(1000.0), &mut dice)) + 26.0).abs() < 0.5);
        }
        // What is left of 100 Hz is softer than 1000 Hz, which was 30 dB softer.
        let frames = Line { from_hz: 300.0, ..Line::of(Band::Telephone) }.frames(&both, &mut dice);
        let crossings = frames.iter().flat_map(|f| f.samples).collect::<Vec<_>>();
        let crossings = crossings.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!(crossings > 1700, "{crossings}");
        let mut padded = vec![0i16; 16_000];
        padded.extend(tone(500.0));
        padded.extend([0; 16_000]);
        let noisy = Line { noise_db: Some(20.0), ..Line::of(Band::Wide) };
        let frames = noisy.frames(&padded, &mut dice);
        assert!((63..=66).contains(&frames.len()), "the silence is cut away: {}", frames.len());
        assert!((level_of(&frames[..5]) + 46.0).abs() < 1.0, "{}", level_of(&frames[..5]));
    }
}
