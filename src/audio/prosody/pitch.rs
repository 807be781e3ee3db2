//! The pitch, from the autocorrelation of the compressed spectrum.
//!
//! The square root of the power spectrum is transformed back instead of the power itself (the generalised autocorrelation of
//! Tolonen and Karjalainen, IEEE Trans. Speech and Audio Processing 8, 2000): strong formants then weigh less against the
//! spacing of the harmonics, which is all that a telephone leaves of the fundamental. Its decay with the lag, which comes
//! from the window, is taken out as Boersma does (Proc. Inst. Phonetic Sciences 17, 1993).

use super::super::fft::{Complex, RealFft};
use super::{BIN_HZ, BINS, RATE_HZ, WINDOW};
use std::f32::consts::TAU;

/// Bounds of the pitch in Hz.
const PITCH_HZ: [f32; 2] = [75.0, 400.0];
/// Harmonics up to here are looked at; above they are blurred by a moving pitch.
const TOP_HZ: f32 = 2200.0;
/// What repeats itself less is not voiced.
const VOICED: f32 = 0.45;
/// A candidate within a fifth of the last pitch is preferred by so much: jumps of an octave are errors, mostly.
const CONTINUITY: f32 = 0.08;
/// So much is taken off per octave of lag, so that of the multiples of a period the first wins.
const OCTAVE_COST: f32 = 0.04;

/// Lags that are looked at, and one on either side.
const LAGS: usize = (RATE_HZ / PITCH_HZ[0]) as usize + 2;

/// Finds the pitch of one window after the other.
#[derive(Clone)]
pub(super) struct PitchFinder {
    last_hz: Option<f32>,
    decay: [f32; LAGS],
}

impl Default for PitchFinder {
    fn default() -> Self {
        Self { last_hz: None, decay: std::array::from_fn(decay) }
    }
}

/// By how much a window of Hann's shape lets the correlation decay at this lag. Where little is left of it, what is left
/// of noise would be made to look regular: a constant takes off some of the correction.
fn decay(lag: usize) -> f32 {
    const CONSTANT: f32 = 0.15;
    let window = 0.5 + 0.5 * (TAU * lag as f32 / WINDOW as f32).cos();
    (window + CONSTANT) / (1.0 + CONSTANT)
}

impl PitchFinder {
    pub(super) fn forget(&mut self) {
        self.last_hz = None;
    }

    /// Periodicity and pitch of a window with this power spectrum; `work` is overwritten.
    pub(super) fn find(
        &mut self,
        fft: &RealFft<BINS>,
        power: &[f32; BINS],
        work: &mut [Complex; BINS],
    ) -> (f32, Option<f32>) {
        let top = (TOP_HZ / BIN_HZ) as usize;
        // An even real sequence: its transform is real, and twice the cosine transform of its half.
        let flat = work.as_flattened_mut();
        flat.fill(0.0);
        for (k, power) in power.iter().enumerate().take(top).skip(3) {
            let amplitude = power.sqrt();
            if let Some(slot) = flat.get_mut(k) {
                *slot = amplitude;
            }
            if let Some(slot) = flat.get_mut(2 * BINS - k) {
                *slot = amplitude;
            }
        }
        fft.transform(work);
        let zero = work[0][0].max(1e-12);
        let [shortest, longest] = [(RATE_HZ / PITCH_HZ[1]) as usize, (RATE_HZ / PITCH_HZ[0]) as usize];
        let mut heights = [0f32; LAGS];
        for ((height, [re, _]), decay) in heights.iter_mut().zip(work.iter()).zip(&self.decay) {
            *height = re / (zero * decay);
        }
        let height = |lag: usize| heights.get(lag).copied().unwrap_or(0.0);
        let mut best: Option<(f32, usize)> = None;
        for lag in shortest..=longest {
            let here = height(lag);
            if here < height(lag - 1) || here <= height(lag + 1) {
                continue;
            }
            let octaves = (lag as f32 / shortest as f32).log2();
            let near = self.last_hz.is_some_and(|last| (RATE_HZ / lag as f32 / last - 1.0).abs() < 0.2);
            let merit = here - OCTAVE_COST * octaves + if near { CONTINUITY } else { 0.0 };
            if best.is_none_or(|(most, _)| merit > most) {
                best = Some((merit, lag));
            }
        }
        let Some((_, lag)) = best else {
            self.last_hz = None;
            return (0.0, None);
        };
        let (before, here, after) = (height(lag - 1), height(lag), height(lag + 1));
        let bend = before - 2.0 * here + after;
        let shift = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        let periodicity = here.clamp(0.0, 1.0);
        let pitch = RATE_HZ / (lag as f32 + shift);
        self.last_hz = (periodicity >= VOICED).then_some(pitch);
        (periodicity, self.last_hz)
    }
}
