//! From any rate to any other while the sound arrives: what remote voices send and remote ears want.
//!
//! A windowed sinc in polyphase form. Unlike the half-band filter of the line it knows every ratio; unlike
//! [`resample`](super::resample) it does not wait for the end.

use super::AudioError;
use std::f64::consts::PI;

/// Taps on each side of the centre at the lower of both rates.
const SIDE: usize = 16;
/// Edge of what passes, as part of the lower rate's half.
const EDGE: f64 = 0.92;
/// Rates outside are refused: no voice has them, and the filters would grow without bound.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4000..=192_000;
/// Ratios whose filter would be larger than this many coefficients are refused: rates that share no common measure.
const MAX_TAPS: usize = 1 << 18;

/// One stream being converted. Sample `n` of the output stands at the time of sample `n × from / to` of the input.
#[derive(Clone, Debug)]
pub struct RateConverter {
    /// Output samples per `down` input samples.
    up: usize,
    down: usize,
    /// Taps of one phase after the other.
    taps: Vec<f32>,
    /// Taps before the centre, and after it with it.
    side: usize,
    /// Input that is still needed.
    line: Vec<f32>,
    /// Where the next output's first tap lies in `line`.
    at: usize,
    phase: usize,
    taken: u64,
    given: u64,
}

impl RateConverter {
    /// Converts from `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// [`AudioError::Rate`] for a rate below 4 kHz or above 192 kHz, and for ratios no real rates have.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, AudioError> {
        if !RATES_HZ.contains(&from_hz) || !RATES_HZ.contains(&to_hz) {
            return Err(AudioError::Rate { from_hz, to_hz });
        }
        let common = common_measure(from_hz, to_hz);
        let (up, down) = ((to_hz / common) as usize, (from_hz / common) as usize);
        let narrow = (up as f64 / down as f64).min(1.0);
        let side = (SIDE as f64 / narrow).ceil() as usize;
        if up * 2 * side > MAX_TAPS {
            return Err(AudioError::Rate { from_hz, to_hz });
        }
        let taps = if up == down { Vec::new() } else { design(up, side, narrow * EDGE) };
        let line = if up == down { Vec::new() } else { vec![0.0; side - 1] };
        Ok(Self { up, down, taps, side, line, at: 0, phase: 0, taken: 0, given: 0 })
    }

    /// Takes samples and appends what can be given of them to `out`.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.up == self.down {
            out.extend_from_slice(samples);
            return;
        }
        self.taken += samples.len() as u64;
        self.line.extend(samples.iter().map(|s| f32::from(*s)));
        self.convert(out);
    }

    /// The end: appends what was held back for the sake of the samples after it. A new stream may follow.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if self.up == self.down {
            return;
        }
        let due = (self.taken * self.up as u64).div_ceil(self.down as u64);
        let missing = usize::try_from(due.saturating_sub(self.given)).unwrap_or(0);
        let length = out.len();
        self.line.resize(self.line.len() + 2 * self.side + self.down, 0.0);
        self.convert(out);
        out.truncate(length + missing);
        self.line.clear();
        self.line.resize(self.side - 1, 0.0);
        (self.at, self.phase, self.taken, self.given) = (0, 0, 0, 0);
    }

    fn convert(&mut self, out: &mut Vec<i16>) {
        let width = 2 * self.side;
        while let Some(window) = self.line.get(self.at..self.at + width) {
            let from = self.phase * width;
            let taps = self.taps.get(from..from + width).unwrap_or_default();
            let sum: f32 = window.iter().zip(taps).map(|(x, t)| x * t).sum();
            out.push(sum.round() as i16);
            self.given += 1;
            self.phase += self.down;
            self.at += self.phase / self.up;
            self.phase %= self.up;
        }
        let done = self.at.min(self.line.len());
        self.line.drain(..done);
        self.at -= done;
    }
}

/// Taps for every phase, `2 × side` each, with a sum of one.
fn design(up: usize, side: usize, edge: f64) -> Vec<f32> {
    let mut all = Vec::with_capacity(up * 2 * side);
    for phase in 0..up {
        let centre = (side - 1) as f64 + phase as f64 / up as f64;
        let taps: Vec<f64> = (0..2 * side)
            .map(|n| {
                let distance = n as f64 - centre;
                // Blackman: images and aliases 74 dB down.
                let window = (distance / side as f64).clamp(-1.0, 1.0) * PI;
                let window = 0.42 + 0.5 * window.cos() + 0.08 * (2.0 * window).cos();
                let x = PI * distance * edge;
                window * if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
            })
            .collect();
        let sum: f64 = taps.iter().sum();
        all.extend(taps.iter().map(|tap| (tap / sum) as f32));
    }
    all
}

fn common_measure(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (12_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
    }

    fn convert(input: &[i16], from: u32, to: u32, piece: usize) -> Vec<i16> {
        let mut converter = RateConverter::new(from, to).unwrap();
        let mut out = Vec::new();
        input.chunks(piece).for_each(|samples| converter.push(samples, &mut out));
        converter.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_place_and_length_however_it_is_cut() {
        for (from, to) in [(24_000, 16_000), (16_000, 24_000), (22_050, 16_000), (44_100, 16_000), (8_000, 16_000)] {
            let input = sine(1000.0, from, from as usize);
            let whole = convert(&input, from, to, input.len());
            assert_eq!(whole, convert(&input, from, to, 37), "{from} to {to}");
            assert!(whole.len().abs_diff(to as usize) <= 1, "{from} to {to}: {}", whole.len());
            let want = sine(1000.0, to, to as usize);
            let worst = (100..7000).map(|n| (i32::from(whole[n]) - i32::from(want[n])).abs()).max().unwrap();
            assert!(worst < 30, "{from} to {to}: off by {worst}");
        }
    }

    #[test]
    fn what_does_not_fit_the_new_rate_is_gone() {
        let out = convert(&sine(10_000.0, 24_000, 24_000), 24_000, 16_000, 480);
        let peak = out[200..15_000].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak < 30, "alias of {peak}");
    }

    #[test]
    fn equal_rates_pass_and_odd_ones_are_refused() {
        assert_eq!(convert(&[1, -2, 3], 16_000, 16_000, 2), [1, -2, 3]);
        assert!(convert(&[], 24_000, 16_000, 1).is_empty());
        for (from, to) in [(0, 16_000), (400_000, 16_000), (16_001, 191_999)] {
            assert!(RateConverter::new(from, to).is_err(), "{from} to {to}");
        }
        let mut converter = RateConverter::new(24_000, 16_000).unwrap();
        for _ in 0..2 {
            let mut out = Vec::new();
            converter.push(&[5; 240], &mut out);
            converter.finish(&mut out);
            assert_eq!(out.len(), 160, "it begins anew after the end");
        }
    }
}
