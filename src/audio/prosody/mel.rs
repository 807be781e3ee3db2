//! The spectrum as an ear weighs it: loudness, cepstrum, change, and its slope.
//!
//! eGeMAPS (Eyben et al., IEEE Trans. Affective Computing 7, 2016) measures these up to 5 or 8 kHz. A telephone lets through 300
//! to 3400 Hz, and so everything here looks at that alone, in wide band as well: then the same voice gives the same figures.

use super::{BIN_HZ, BINS, decibel};
use std::f32::consts::PI;

/// Bands of the mel scale.
pub const MELS: usize = 20;
/// Coefficients of the cepstrum, without the one that is the level.
pub const CEPSTRA: usize = 12;
/// The band that is looked at, in Hz.
pub const BAND_HZ: [f32; 2] = [280.0, 3400.0];
/// Loudness grows with the 0.3rd power of the energy (Zwicker), as in eGeMAPS.
const LOUDNESS: f32 = 0.3;
/// A band so far below the strongest says no more than that it is empty (the noise of µ-law lies there), as a ratio of
/// energies: 50 dB.
const FLOOR: f32 = 1e-5;

/// A step's figures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shape {
    pub loudness: f32,
    pub cepstrum: [f32; CEPSTRA],
    pub flux: f32,
    pub alpha_db: f32,
    pub hammarberg_db: f32,
    pub slope_low_db: f32,
    pub slope_mid_db: f32,
    pub centroid_hz: f32,
    pub mels_db: [f32; MELS],
}

/// Measures one window after the other.
#[derive(Clone)]
pub(super) struct Mel {
    /// First bin, centre and end of each band, in bins.
    edges: [f32; MELS + 2],
    cosines: [[f32; MELS]; CEPSTRA],
    /// Shares of the bands' amplitudes one window ago.
    before: Option<[f32; MELS]>,
}

impl Default for Mel {
    fn default() -> Self {
        let mel = |hz: f32| 1127.0 * (1.0 + hz / 700.0).ln();
        let hertz = |mel: f32| 700.0 * ((mel / 1127.0).exp() - 1.0);
        let [from, to] = BAND_HZ.map(mel);
        let edge = |n: usize| hertz(from + (to - from) * n as f32 / (MELS + 1) as f32) / BIN_HZ;
        let cosine = |k: usize, n: usize| {
            (2.0 / MELS as f32).sqrt() * (PI * (k + 1) as f32 * (n as f32 + 0.5) / MELS as f32).cos()
        };
        Self {
            edges: std::array::from_fn(edge),
            cosines: std::array::from_fn(|k| std::array::from_fn(|n| cosine(k, n))),
            before: None,
        }
    }
}

impl Mel {
    pub fn forget(&mut self) {
        self.before = None;
    }

    pub fn measure(&mut self, power: &[f32; BINS]) -> Shape {
        let mut energies = [0f32; MELS];
        for (energy, edges) in energies.iter_mut().zip(self.edges.windows(3)) {
            let [from, centre, to] = *edges else { continue };
            let (first, end) = (from.ceil() as usize, to.ceil() as usize);
            let bins = power.get(first..end).unwrap_or_default();
            *energy = bins.iter().zip(first..).map(|(power, k)| power * weight(k as f32, from, centre, to)).sum();
        }
        let most = energies.iter().copied().fold(1e-12, f32::max);
        let floored = energies.map(|energy| energy.max(most * FLOOR));
        let logarithms = floored.map(f32::ln);
        let cepstrum = self.cosines.map(|row| row.iter().zip(&logarithms).map(|(c, l)| c * l).sum());
        let amplitudes = floored.map(f32::sqrt);
        let sum: f32 = amplitudes.iter().sum();
        let shares = amplitudes.map(|amplitude| amplitude / sum);
        let flux = self.before.map_or(0.0, |before| {
            shares.iter().zip(before).map(|(now, then)| (now - then).powi(2)).sum::<f32>().sqrt()
        });
        self.before = Some(shares);
        let [low, high] = [energy(power, 300.0, 1000.0), energy(power, 1000.0, 3400.0)];
        let [peak_low, peak_high] = [peak(power, 300.0, 2000.0), peak(power, 2000.0, 3400.0)];
        Shape {
            loudness: logarithms.iter().map(|l| (LOUDNESS * l).exp()).sum(),
            cepstrum,
            flux,
            alpha_db: (decibel(low) - decibel(high)).clamp(-50.0, 50.0),
            hammarberg_db: (decibel(peak_low) - decibel(peak_high)).clamp(-50.0, 50.0),
            slope_low_db: slope(power, 300.0, 800.0),
            slope_mid_db: slope(power, 500.0, 1500.0),
            centroid_hz: centroid(power),
            mels_db: logarithms.map(|l| l * 10.0 / std::f32::consts::LN_10),
        }
    }
}

/// Weight of a bin in a triangular band.
fn weight(k: f32, from: f32, centre: f32, to: f32) -> f32 {
    if k <= centre { (k - from) / (centre - from) } else { (to - k) / (to - centre) }.max(0.0)
}

fn between(power: &[f32; BINS], from_hz: f32, to_hz: f32) -> &[f32] {
    power.get((from_hz / BIN_HZ) as usize..(to_hz / BIN_HZ) as usize).unwrap_or_default()
}

fn energy(power: &[f32; BINS], from_hz: f32, to_hz: f32) -> f32 {
    between(power, from_hz, to_hz).iter().sum()
}

fn peak(power: &[f32; BINS], from_hz: f32, to_hz: f32) -> f32 {
    between(power, from_hz, to_hz).iter().copied().fold(0.0, f32::max)
}

/// The straight line through the logarithmic spectrum between two frequencies, by least squares, in dB per kHz.
fn slope(power: &[f32; BINS], from_hz: f32, to_hz: f32) -> f32 {
    let bins = between(power, from_hz, to_hz);
    let count = bins.len() as f32;
    let off = |n: usize| n as f32 - (count - 1.0) / 2.0;
    let xy: f32 = bins.iter().enumerate().map(|(n, power)| off(n) * decibel(*power)).sum();
    let xx = count * (count * count - 1.0) / 12.0;
    (xy / xx / BIN_HZ * 1000.0).clamp(-120.0, 120.0)
}

/// Mean frequency, weighted by amplitude.
fn centroid(power: &[f32; BINS]) -> f32 {
    let first = (BAND_HZ[0] / BIN_HZ) as usize;
    let (mut sum, mut weighted) = (1e-9, 0.0);
    for (k, power) in (first..).zip(between(power, BAND_HZ[0], BAND_HZ[1])) {
        let amplitude = power.sqrt();
        sum += amplitude;
        weighted += amplitude * k as f32 * BIN_HZ;
    }
    weighted / sum
}
