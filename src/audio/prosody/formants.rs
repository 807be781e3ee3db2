//! The resonances of the mouth: linear prediction of the window, and the roots of its polynomial.
//!
//! The autocorrelation method on the pre-emphasised window, eight coefficients for the 4 kHz that there are, solved by Levinson and
//! Durbin; the roots by Durand and Kerner, beginning with those of the window before.

use super::{Complex, RATE_HZ, WINDOW};
use std::f32::consts::PI;

/// Coefficients: two for each resonance below 4 kHz.
pub(super) const ORDER: usize = 8;
/// Formants that are told.
pub const FORMANTS: usize = 3;
/// Each sample loses so much of the one before: what e^(−2π 50 Hz / 8 kHz) is, as in Praat.
const EMPHASIS: f32 = 0.9615;
/// Resonances out of these bounds are none of the mouth, in Hz.
const BOUNDS_HZ: [f32; 2] = [150.0, 3700.0];
/// Broader ones are the slope of the spectrum, in Hz.
const BROADEST_HZ: f32 = 700.0;
const ITERATIONS: usize = 24;

/// The prediction of a window: a sample is minus the sum of these times those before it.
pub(super) type Prediction = [f32; ORDER];

/// Predicts `window`, weighted by `taper`.
pub(super) fn predict(window: &[f32], taper: &[f32; WINDOW]) -> Prediction {
    let mut work = [0f32; WINDOW];
    let mut before = 0.0;
    for ((slot, sample), weight) in work.iter_mut().zip(window).zip(taper) {
        *slot = (sample - EMPHASIS * before) * weight;
        before = *sample;
    }
    let mut correlation = [0f32; ORDER + 1];
    for (lag, sum) in correlation.iter_mut().enumerate() {
        *sum = dot(&work, work.get(lag..).unwrap_or_default());
    }
    // A little white noise, 60 dB down, keeps the recursion stable where the line cuts the band.
    correlation[0] = correlation[0] * 1.000_001 + 1e-12;
    let mut coefficients = [0f32; ORDER];
    let mut error = correlation[0];
    for order in 0..ORDER {
        let known = coefficients.iter().take(order);
        let lags = correlation.iter().take(order + 1).skip(1).rev();
        let sum: f32 = known.zip(lags).map(|(a, r)| a * r).sum();
        let reflection = -(correlation.get(order + 1).copied().unwrap_or(0.0) + sum) / error;
        let previous = coefficients;
        for (n, slot) in coefficients.iter_mut().enumerate().take(order) {
            *slot += reflection * previous.get(order - 1 - n).copied().unwrap_or(0.0);
        }
        if let Some(slot) = coefficients.get_mut(order) {
            *slot = reflection;
        }
        error *= 1.0 - reflection * reflection;
        if error <= 0.0 {
            break;
        }
    }
    coefficients
}

/// Four sums side by side: the compiler makes vectors of them.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (a.get(..n).unwrap_or_default(), b.get(..n).unwrap_or_default());
    let (a4, a_rest) = a.as_chunks::<8>();
    let (b4, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a4.iter().zip(b4) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// The formants of a window.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Formants {
    /// Frequencies, the lowest first, in Hz; 0 for one that was not found.
    pub hz: [f32; FORMANTS],
    /// Bandwidth of the first, in Hz.
    pub bandwidth_hz: f32,
    /// Level of the second and the third against the first, in dB, as far as the prediction shows it.
    pub level_db: [f32; 2],
}

/// Finds them in one window after the other.
#[derive(Clone)]
pub(super) struct FormantFinder {
    roots: [Complex; ORDER],
}

impl Default for FormantFinder {
    fn default() -> Self {
        // Evenly around a circle, none on the real axis.
        let root = |n: usize| {
            let (sin, cos) = (2.0 * PI * (n as f32 + 0.3) / ORDER as f32).sin_cos();
            [0.9 * cos, 0.9 * sin]
        };
        Self { roots: std::array::from_fn(root) }
    }
}

impl FormantFinder {
    pub fn find(&mut self, prediction: &Prediction) -> Option<Formants> {
        if !self.solve(prediction) {
            *self = Self::default();
            if !self.solve(prediction) {
                *self = Self::default();
                return None;
            }
        }
        let mut found = [(f32::INFINITY, 0f32); ORDER / 2 + 1];
        let mut count = 0;
        for [re, im] in self.roots {
            let hz = im.atan2(re) * RATE_HZ / (2.0 * PI);
            let bandwidth = -(re.hypot(im).max(1e-6)).ln() * RATE_HZ / PI;
            if (BOUNDS_HZ[0]..=BOUNDS_HZ[1]).contains(&hz)
                && bandwidth <= BROADEST_HZ
                && let Some(slot) = found.get_mut(count)
            {
                *slot = (hz, bandwidth);
                count += 1;
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let hz = std::array::from_fn(|n| found.get(n).map_or(0.0, |f| if f.0.is_finite() { f.0 } else { 0.0 }));
        if hz[1] == 0.0 {
            return None;
        }
        let level = |hz: f32| {
            let (sin, cos) = (2.0 * PI * hz / RATE_HZ).sin_cos();
            // 1 + Σ a z⁻ⁿ by Horner, and the emphasis taken back.
            let inverse = [cos, -sin];
            let sum = prediction.iter().rev().fold([0.0, 0.0], |sum, a| multiply([sum[0] + a, sum[1]], inverse));
            let emphasis = [1.0 - EMPHASIS * cos, EMPHASIS * sin];
            let size = |[re, im]: Complex| re * re + im * im;
            -10.0 * (size([1.0 + sum[0], sum[1]]) * size(emphasis)).max(1e-12).log10()
        };
        let first = level(hz[0]);
        let against = |hz: f32| if hz > 0.0 { (level(hz) - first).clamp(-60.0, 30.0) } else { -60.0 };
        Some(Formants { hz, bandwidth_hz: found[0].1, level_db: [against(hz[1]), against(hz[2])] })
    }

    /// Moves the roots to those of zⁿ + Σ a zⁿ⁻ᵏ. False: they did not come to rest.
    fn solve(&mut self, prediction: &Prediction) -> bool {
        for _ in 0..ITERATIONS {
            let mut moved = 0f32;
            for n in 0..ORDER {
                let Some(&z) = self.roots.get(n) else { continue };
                let value = prediction.iter().fold([1.0, 0.0], |sum, a| {
                    let [re, im] = multiply(sum, z);
                    [re + a, im]
                });
                let others = self.roots.iter().enumerate().filter(|(m, _)| *m != n);
                let slope = others.fold([1.0, 0.0], |product, (_, r)| multiply(product, [z[0] - r[0], z[1] - r[1]]));
                let size = slope[0] * slope[0] + slope[1] * slope[1];
                if size < 1e-30 {
                    return false;
                }
                let step = multiply(value, [slope[0] / size, -slope[1] / size]);
                if let Some(root) = self.roots.get_mut(n) {
                    *root = [z[0] - step[0], z[1] - step[1]];
                }
                moved = moved.max(step[0].abs() + step[1].abs());
            }
            if !moved.is_finite() {
                return false;
            }
            if moved < 2e-4 {
                return true;
            }
        }
        false
    }
}

const fn multiply([a, b]: Complex, [c, d]: Complex) -> Complex {
    [a * c - b * d, a * d + b * c]
}
