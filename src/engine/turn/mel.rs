//! Whisper's log-mel spectrogram of the last eight seconds, as smart-turn's models want it.
//!
//! Frames of 400 samples (25 ms, Hann) every 160 (10 ms), centred, the signal mirrored at its ends; 80 triangular bands on
//! Slaney's mel scale with equal area; log10 with a floor of 1e-10 and of 8 under the loudest; then (x + 4) / 4. Before all
//! that the samples are brought to mean 0 and variance 1. `scripts/models/smart_turn_golden.py` computes the same with numpy,
//! and the tests compare.

use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Samples that the model hears: 8 s at 16 kHz.
pub(super) const SAMPLES: usize = 128_000;
/// Bands.
pub(super) const BANDS: usize = 80;
/// Frames.
pub(super) const FRAMES: usize = 800;
const WINDOW: usize = 400;
const HOP: usize = 160;
const BINS: usize = WINDOW / 2 + 1;
const RATE: f64 = 16_000.0;

/// The front end with its tables.
pub(super) struct Mel {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// Of each band the first bin and the weights from there on.
    bands: Vec<(usize, Vec<f32>)>,
}

/// Slaney's scale: linear to 1 kHz, logarithmic above.
fn hz(mel: f64) -> f64 {
    let step = 200.0 / 3.0;
    if mel < 15.0 { mel * step } else { 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

fn mel(hz: f64) -> f64 {
    let step = 200.0 / 3.0;
    if hz < 1000.0 { hz / step } else { 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4_f64.ln() }
}

impl Default for Mel {
    fn default() -> Self {
        let top = mel(RATE / 2.0);
        let edges: Vec<f64> = (0..BANDS + 2).map(|n| hz(top * n as f64 / (BANDS + 1) as f64)).collect();
        let band = |edge: &[f64]| {
            let [low, middle, high] = [edge[0], edge[1], edge[2]];
            let weight = |bin: usize| {
                let hz = bin as f64 * RATE / WINDOW as f64;
                let rise = (hz - low) / (middle - low);
                let fall = (high - hz) / (high - middle);
                (rise.min(fall).max(0.0) * 2.0 / (high - low)) as f32
            };
            let first = (0..BINS).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|weight| *weight > 0.0).collect();
            (first, weights)
        };
        let turn = std::f64::consts::TAU / WINDOW as f64;
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: (0..WINDOW).map(|n| (0.5 - 0.5 * (turn * n as f64).cos()) as f32).collect(),
            bands: edges.windows(3).map(band).collect(),
        }
    }
}

impl Mel {
    /// The spectrogram, band by band, of the last [`SAMPLES`] samples; what is missing before them is silence.
    pub fn compute(&self, samples: &[i16]) -> Vec<f32> {
        let samples = &samples[samples.len().saturating_sub(SAMPLES)..];
        let mut signal = vec![0.0_f32; SAMPLES - samples.len()];
        signal.extend(samples.iter().map(|s| f32::from(*s) / 32_768.0));
        let mean = signal.iter().map(|x| f64::from(*x)).sum::<f64>() / SAMPLES as f64;
        let variance = signal.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
        let gain = 1.0 / (variance + 1e-7).sqrt();
        signal.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) * gain) as f32);

        let mut out = vec![0.0_f32; BANDS * FRAMES];
        let mut frame = vec![0.0_f32; WINDOW];
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut loudest = f32::MIN;
        for n in 0..FRAMES {
            for (i, (slot, window)) in frame.iter_mut().zip(&self.window).enumerate() {
                *slot = window * signal[mirrored(n * HOP + i)];
            }
            // Fails only for lengths that do not fit, and these come from the transform itself.
            if self.transform.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).is_err() {
                continue;
            }
            for (band, (first, weights)) in self.bands.iter().enumerate() {
                let power = spectrum[*first..].iter().zip(weights).map(|(bin, w)| bin.norm_sqr() * w).sum::<f32>();
                let level = power.max(1e-10).log10();
                loudest = loudest.max(level);
                out[band * FRAMES + n] = level;
            }
        }
        out.iter_mut().for_each(|level| *level = (level.max(loudest - 8.0) + 4.0) / 4.0);
        out
    }
}

/// The sample at a place that counts from half a window before the first one, the signal mirrored at both ends.
fn mirrored(place: usize) -> usize {
    let half = WINDOW / 2;
    if place < half {
        half - place
    } else if place - half < SAMPLES {
        place - half
    } else {
        2 * (SAMPLES - 1) - (place - half)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As in `scripts/models/smart_turn_golden.py`: three seconds of a rising tone with an overtone and a click.
    pub(crate) fn signal() -> Vec<i16> {
        (0..48_000)
            .map(|n| {
                let time = f64::from(n) / 16_000.0;
                let phase = std::f64::consts::TAU * (200.0 * time + 100.0 * time * time);
                let click = if n == 30_000 { 12_000.0 } else { 0.0 };
                (3000.0 * phase.sin() + 900.0 * (5.0 * phase).sin() + click).round() as i16
            })
            .collect()
    }

    #[test]
    fn it_agrees_with_numpy() {
        let got = Mel::default().compute(&signal());
        assert_eq!(got.len(), BANDS * FRAMES);
        for line in include_str!("golden.txt").lines().filter(|line| line.starts_with("mel ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (band, frame): (usize, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
            let want: f32 = words[3].parse().unwrap();
            let is = got[band * FRAMES + frame];
            assert!((is - want).abs() < 2e-3, "band {band}, frame {frame}: {is} instead of {want}");
        }
        let mean = got.iter().map(|x| f64::from(*x)).sum::<f64>() / got.len() as f64;
        let want = include_str!("golden.txt").lines().find_map(|line| line.strip_prefix("mean ")).unwrap();
        assert!((mean - want.parse::<f64>().unwrap()).abs() < 1e-3, "{mean} instead of {want}");
    }

    #[test]
    fn only_the_last_eight_seconds_count() {
        let mel = Mel::default();
        let long: Vec<i16> = (0..SAMPLES + 5000).map(|n| ((n * n) % 4001) as i16 - 2000).collect();
        assert_eq!(mel.compute(&long), mel.compute(&long[5000..]));
        assert!(mel.compute(&[]).iter().all(|x| x.is_finite()));
    }
}
