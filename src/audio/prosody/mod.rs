//! What a voice tells beside the words, every 10 ms: level, pitch, spectral balance, change.
//!
//! Streaming and made for the telephone: the band is 200 to 3400 Hz, levels count from what is there and not from what was
//! spoken, and the pitch is found from the spacing of the harmonics, since the fundamental itself is often cut off. Nothing
//! is allocated after construction; a frame of 20 ms costs one down-sampling, and for each of its two steps two transforms
//! of 512 points.
//!
//! A window is 40 ms long and ends with its step, so what is said of a step is centred 20 ms before its end. The level is
//! that of the step itself.

mod bands;
mod cycles;
mod extract;
mod formants;
mod front;
mod functionals;
mod mel;
mod path;
mod pitch;
mod running;

pub use bands::{BAND_EDGES_HZ, BANDS};
pub use extract::{Descriptors, Extractor};
pub use formants::{FORMANTS, Formants};
pub use functionals::{FUNCTIONALS, Functionals, Group};
pub use mel::{BAND_HZ, CEPSTRA, MELS};

use super::Samples;
use super::fft::Complex;
use super::level::SILENCE_DBFS;
use bands::Bands;
use front::Front;
use pitch::PitchFinder;

/// Length of a step in milliseconds.
pub const STEP_MS: u64 = 10;
/// Steps in a frame.
pub const STEPS: usize = 2;

/// Sample rate of the analysis in Hz.
const RATE_HZ: f32 = 8000.0;
/// Samples in a step.
const STEP: usize = 80;
/// Samples in a window.
const WINDOW: usize = 320;
/// Bins of the spectrum: 15.6 Hz each.
const BINS: usize = 256;
const BIN_HZ: f32 = RATE_HZ / (2 * BINS) as f32;
/// Samples in a frame.
const FRAME: usize = STEP * STEPS;

/// One step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Step {
    /// Root mean square of these 10 ms, in dBFS; −100 is silence.
    pub level_dbfs: f32,
    /// 0 to 1: how regularly the sound repeats itself, where it does best.
    pub periodicity: f32,
    /// The pitch in Hz, 75 to 400. None: not voiced.
    pub pitch_hz: Option<f32>,
    /// Level of each band ([`BAND_EDGES_HZ`]) in dB, relative to the sum of all.
    pub bands_db: [f32; BANDS],
    /// Level below 1 kHz against the level above, in dB. High for nasals and back vowels, low for fricatives.
    pub low_high_db: f32,
    /// 0 to 1: how far the balance of the bands has moved within 20 ms, whatever the level.
    pub flux: f32,
}

impl Step {
    /// Nothing.
    pub const SILENCE: Self = Self {
        level_dbfs: SILENCE_DBFS,
        periodicity: 0.0,
        pitch_hz: None,
        bands_db: [0.0; BANDS],
        low_high_db: 0.0,
        flux: 0.0,
    };

    /// Is it a voice?
    pub const fn voiced(&self) -> bool {
        self.pitch_hz.is_some()
    }

    /// The pitch in semitones over 100 Hz.
    pub fn semitones(&self) -> Option<f32> {
        self.pitch_hz.map(|hz| 12.0 * (hz / 100.0).log2())
    }
}

/// Makes steps of frames.
#[derive(Clone, Default)]
pub struct Prosody {
    front: Front,
    bands: Bands,
    pitch: PitchFinder,
}

impl Prosody {
    /// Takes a frame of 20 ms at 16 kHz and gives its two steps, the older one first.
    pub fn push(&mut self, samples: &Samples) -> [Step; STEPS] {
        self.front.push(samples);
        std::array::from_fn(|step| self.step(step))
    }

    fn step(&mut self, step: usize) -> Step {
        let level_dbfs = decibel(self.front.energy(step)).max(SILENCE_DBFS);
        if !self.front.look(step) {
            self.bands.forget();
            self.pitch.forget();
            return Step { level_dbfs, ..Step::SILENCE };
        }
        let balance = self.bands.measure(&self.front.power);
        let (periodicity, pitch_hz) = self.pitch.find(&mut self.front);
        Step {
            level_dbfs,
            periodicity,
            pitch_hz,
            bands_db: balance.bands_db,
            low_high_db: balance.low_high_db,
            flux: balance.flux,
        }
    }
}

fn decibel(power: f32) -> f32 {
    10.0 * power.max(1e-12).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES};
    use std::f32::consts::TAU;

    /// A voice of this pitch contour (Hz at second t): harmonics of −6 dB per octave, none below 300 Hz, and µ-law.
    fn telephone(seconds: f32, pitch: impl Fn(f32) -> f32) -> Vec<[Step; STEPS]> {
        let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
        let mut prosody = Prosody::default();
        let (mut phase, mut n) = (0f32, 0);
        let frames = (seconds * 50.0) as usize;
        (0..frames)
            .map(|_| {
                let samples = std::array::from_fn(|_| {
                    let hz = pitch(n as f32 / 16_000.0);
                    phase = (phase + hz / 16_000.0).fract();
                    n += 1;
                    let harmonics = (1..60).filter(|&h| (300.0..3400.0).contains(&(hz * h as f32)));
                    let sum: f32 = harmonics.map(|h| (TAU * phase * h as f32).sin() / h as f32).sum();
                    (sum * 6000.0) as i16
                });
                let mut bytes = [0; FRAME_BYTES];
                let len = encoder.encode(&samples, &mut bytes);
                let mut heard = [0i16; FRAME_SAMPLES];
                decoder.decode(&bytes[..len], &mut heard);
                prosody.push(&heard)
            })
            .collect()
    }

    #[test]
    fn the_pitch_is_found_though_its_fundamental_is_cut_off() {
        for hz in [80.0, 95.0, 110.0, 140.0, 180.0, 230.0, 290.0, 360.0] {
            let steps = telephone(0.5, |_| hz);
            let steps: Vec<_> = steps.iter().flatten().skip(6).collect();
            let right = steps.iter().filter(|step| step.pitch_hz.is_some_and(|f| (f / hz - 1.0).abs() < 0.01)).count();
            assert!(right == steps.len(), "{hz} Hz: {right} of {}; {:?}", steps.len(), steps[20]);
        }
    }

    #[test]
    fn a_falling_pitch_is_followed() {
        let steps = telephone(0.6, |t| 220.0 * (2f32).powf(-t));
        let worst = steps.iter().flatten().enumerate().skip(6).map(|(n, step)| {
            // Centred 20 ms before the end of the step, and the filters' 3 ms.
            let centre = (n + 1) as f32 * 0.01 - 0.023;
            (step.pitch_hz.unwrap_or(0.0) / (220.0 * (2f32).powf(-centre)) - 1.0).abs()
        });
        let worst = worst.fold(0.0, f32::max);
        assert!(worst < 0.015, "{worst}");
    }

    #[test]
    fn noise_is_not_voiced_and_has_a_level() {
        let mut prosody = Prosody::default();
        let mut state = 1u32;
        let mut voiced = 0;
        for n in 0..200 {
            let steps = prosody.push(&std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) as i16) / 8
            }));
            voiced += steps.iter().filter(|step| step.voiced()).count();
            // Uniform in ±4096, half of its band.
            assert!(n == 0 || steps.iter().all(|step| (step.level_dbfs + 25.8).abs() < 2.5), "{steps:?}");
        }
        assert!(voiced <= 8, "{voiced} of 400");
    }

    #[test]
    fn silence_is_silence_and_forgets() {
        let mut prosody = Prosody::default();
        prosody.push(&[9000; FRAME_SAMPLES]);
        for _ in 0..3 {
            prosody.push(&[0; FRAME_SAMPLES]);
        }
        assert_eq!(prosody.push(&[0; FRAME_SAMPLES]), [Step { level_dbfs: SILENCE_DBFS, ..Step::SILENCE }; 2]);
    }

    #[test]
    fn a_hum_is_low_and_steady_and_a_hiss_is_high() {
        let hum = telephone(0.3, |_| 330.0);
        let last = hum.last().unwrap()[1];
        assert!(last.low_high_db > 5.0 && last.flux < 0.02, "{last:?}");
        let mut prosody = Prosody::default();
        let mut state = 7u32;
        let mut before = 0i32;
        let mut hiss = Step::SILENCE;
        for _ in 0..20 {
            hiss = prosody.push(&std::array::from_fn(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let now = i32::from((state >> 16) as i16) / 4 * if n / 2 % 2 == 0 { 1 } else { -1 };
                std::mem::replace(&mut before, now).midpoint(-now) as i16
            }))[1];
        }
        assert!(hiss.low_high_db < 0.0, "{hiss:?}");
    }
}
