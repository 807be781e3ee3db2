//! From frames of 16 kHz to windows of 8 kHz and their power spectra: what every measure of a voice begins with.

use super::super::fft::{Complex, RealFft};
use super::super::{HalfBandDown, Samples};
use super::{BINS, FRAME, STEP, WINDOW};
use std::f32::consts::TAU;

/// Softer windows are silence of the line, 30 dB below the softest speech: a mean square.
const NOTHING: f32 = 1e-9;

/// The last 40 ms before each step.
#[derive(Clone)]
pub(super) struct Front {
    down: HalfBandDown,
    /// The last window and the frame that comes.
    line: [f32; WINDOW + FRAME],
    hann: [f32; WINDOW],
    pub fft: RealFft<BINS>,
    pub spectrum: [Complex; BINS],
    pub power: [f32; BINS],
}

impl Default for Front {
    fn default() -> Self {
        Self {
            down: HalfBandDown::default(),
            line: [0.0; WINDOW + FRAME],
            hann: std::array::from_fn(|n| 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / WINDOW as f32).cos()),
            fft: RealFft::default(),
            spectrum: [[0.0; 2]; BINS],
            power: [0.0; BINS],
        }
    }
}

impl Front {
    /// Takes a frame of 20 ms at 16 kHz.
    pub fn push(&mut self, samples: &Samples) {
        let mut narrow = [0i16; FRAME];
        self.down.process(samples, &mut narrow);
        self.line.copy_within(FRAME.., 0);
        for (slot, sample) in self.line.iter_mut().skip(WINDOW).zip(narrow) {
            *slot = f32::from(sample) / 32_768.0;
        }
    }

    /// The window that ends with step 0 or 1 of the frame pushed last, full scale at ±1.
    pub fn window(&self, step: usize) -> &[f32] {
        let from = (step + 1) * STEP;
        self.line.get(from..from + WINDOW).unwrap_or_default()
    }

    /// Mean square of the step itself, the last 10 ms of its window.
    pub fn energy(&self, step: usize) -> f32 {
        let latest = self.window(step).get(WINDOW - STEP..).unwrap_or_default();
        latest.iter().map(|x| x * x).sum::<f32>() / STEP as f32
    }

    /// Makes `power` that of a step's window. False: there is nothing but silence of the line, and nothing was made.
    pub fn look(&mut self, step: usize) -> bool {
        if self.energy(step) < NOTHING {
            return false;
        }
        let from = (step + 1) * STEP;
        let window = self.line.get(from..from + WINDOW).unwrap_or_default();
        let flat = self.spectrum.as_flattened_mut();
        flat.fill(0.0);
        for ((slot, sample), weight) in flat.iter_mut().zip(window).zip(&self.hann) {
            *slot = sample * weight;
        }
        self.fft.transform(&mut self.spectrum);
        for (power, [re, im]) in self.power.iter_mut().zip(&self.spectrum) {
            *power = re * re + im * im;
        }
        true
    }
}
