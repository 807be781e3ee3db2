//! The pitch, from the autocorrelation of the compressed spectrum.
//!
//! The square root of the power spectrum is transformed back instead of the power itself (the generalised autocorrelation of
//! Tolonen and Karjalainen, IEEE Trans. Speech and Audio Processing 8, 2000): strong formants then weigh less against the
//! spacing of the harmonics, which is all that a telephone leaves of the fundamental. Its decay with the lag, which comes
//! from the window, is taken out as Boersma does (Proc. Inst. Phonetic Sciences 17, 1993).
//!
//! Two choose from it: [`PitchFinder`] at once, for cues that cannot wait, and [`Path`](super::path::Path) 100 ms later and better.

use super::front::Front;
use super::{BIN_HZ, BINS, RATE_HZ, WINDOW};
use std::f32::consts::TAU;

/// Bounds of the pitch that is chosen at once, in Hz.
const PITCH_HZ: [f32; 2] = [75.0, 400.0];
/// Bounds of the candidates, in Hz.
pub(super) const CANDIDATE_HZ: [f32; 2] = [62.0, 620.0];
/// Harmonics up to here are looked at; above they are blurred by a moving pitch.
const TOP_HZ: f32 = 2200.0;
/// What repeats itself less is not voiced.
const VOICED: f32 = 0.45;
/// A candidate within a fifth of the last pitch is preferred by so much: jumps of an octave are errors, mostly.
const CONTINUITY: f32 = 0.08;
/// So much is taken off per octave of lag, so that of the multiples of a period the first wins.
const OCTAVE_COST: f32 = 0.04;

/// Lags that are looked at, and one on either side.
const LAGS: usize = (RATE_HZ / CANDIDATE_HZ[0]) as usize + 2;

/// How regularly a window repeats itself, by lag.
#[derive(Clone)]
pub(super) struct Correlation {
    decay: [f32; LAGS],
    heights: [f32; LAGS],
}

impl Default for Correlation {
    fn default() -> Self {
        Self { decay: std::array::from_fn(decay), heights: [0.0; LAGS] }
    }
}

/// By how much a window of Hann's shape lets the correlation decay at this lag. Where little is left of it, what is left
/// of noise would be made to look regular: a constant takes off some of the correction.
fn decay(lag: usize) -> f32 {
    const CONSTANT: f32 = 0.15;
    let window = 0.5 + 0.5 * (TAU * lag as f32 / WINDOW as f32).cos();
    (window + CONSTANT) / (1.0 + CONSTANT)
}

impl Correlation {
    /// Of the window that was looked at; its spectrum is overwritten.
    pub fn measure(&mut self, front: &mut Front) {
        let top = (TOP_HZ / BIN_HZ) as usize;
        // An even real sequence: its transform is real, and twice the cosine transform of its half.
        let flat = front.spectrum.as_flattened_mut();
        flat.fill(0.0);
        for (k, power) in front.power.iter().enumerate().take(top).skip(3) {
            let amplitude = power.sqrt();
            if let Some(slot) = flat.get_mut(k) {
                *slot = amplitude;
            }
            if let Some(slot) = flat.get_mut(2 * BINS - k) {
                *slot = amplitude;
            }
        }
        front.fft.transform(&mut front.spectrum);
        let zero = front.spectrum[0][0].max(1e-12);
        for ((height, [re, _]), decay) in self.heights.iter_mut().zip(&front.spectrum).zip(&self.decay) {
            *height = re / (zero * decay);
        }
    }

    fn height(&self, lag: usize) -> f32 {
        self.heights.get(lag).copied().unwrap_or(0.0)
    }

    /// Every lag within these bounds at which there is a peak, with its height.
    pub fn peaks(&self, [lowest_hz, highest_hz]: [f32; 2]) -> impl Iterator<Item = (usize, f32)> {
        let lags = (RATE_HZ / highest_hz) as usize..=(RATE_HZ / lowest_hz) as usize;
        lags.filter_map(|lag| {
            let here = self.height(lag);
            (here >= self.height(lag - 1) && here > self.height(lag + 1)).then_some((lag, here))
        })
    }

    /// Frequency of the peak at this lag, between the samples, in Hz.
    pub fn hz(&self, lag: usize) -> f32 {
        let (before, here, after) = (self.height(lag - 1), self.height(lag), self.height(lag + 1));
        let bend = before - 2.0 * here + after;
        let shift = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        RATE_HZ / (lag as f32 + shift)
    }
}

/// Finds the pitch of one window after the other.
#[derive(Clone, Default)]
pub(super) struct PitchFinder {
    last_hz: Option<f32>,
    correlation: Correlation,
}

impl PitchFinder {
    pub(super) fn forget(&mut self) {
        self.last_hz = None;
    }

    /// Periodicity and pitch of the window that was looked at; its spectrum is overwritten.
    pub(super) fn find(&mut self, front: &mut Front) -> (f32, Option<f32>) {
        self.correlation.measure(front);
        let shortest = (RATE_HZ / PITCH_HZ[1]) as usize;
        let mut best: Option<(f32, usize, f32)> = None;
        for (lag, here) in self.correlation.peaks(PITCH_HZ) {
            let octaves = (lag as f32 / shortest as f32).log2();
            let near = self.last_hz.is_some_and(|last| (RATE_HZ / lag as f32 / last - 1.0).abs() < 0.2);
            let merit = here - OCTAVE_COST * octaves + if near { CONTINUITY } else { 0.0 };
            if best.is_none_or(|(most, ..)| merit > most) {
                best = Some((merit, lag, here));
            }
        }
        let Some((_, lag, here)) = best else {
            self.last_hz = None;
            return (0.0, None);
        };
        let periodicity = here.clamp(0.0, 1.0);
        self.last_hz = (periodicity >= VOICED).then(|| self.correlation.hz(lag));
        (periodicity, self.last_hz)
    }
}
