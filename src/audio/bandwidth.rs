//! A learned band extension: telephone speech gets back an upper band that it never had, for models trained on wide band.
//!
//! A small network sees the low band of seven frames of 10 ms and says how strong each of ten bands between 3.6 and 7 kHz
//! would have been. The upper band is the lower one mirrored at 3.6 kHz, each band scaled to that strength. To an ear it is no
//! beauty; to a recogniser it is what the consonants lacked. The weights come from `tipring train band`
//! (`audio-models/band-extension/`).
//!
//! It streams: 10 ms in, 10 ms out, [`DELAY`] samples later, without allocating.

use super::fft::{Complex, RealFft};
use super::{AudioError, SAMPLE_RATE_HZ};

/// Samples of a step: 10 ms.
pub const HOP: usize = 160;
/// Samples by which the output lags behind the input: 42 ms.
pub const DELAY: usize = WINDOW + LOOK_AHEAD * HOP - HOP;
/// What the network sees: `CONTEXT` frames of [`LOW`] bands and a level; padded for even sums.
pub const INPUTS: usize = 160;
/// Frames of those after the one in question.
pub const LOOK_AHEAD: usize = 2;
/// Bands of the low band, on the mel scale.
pub const LOW: usize = 22;
/// Bands of the upper band.
pub const HIGH: usize = 10;
/// Neurons of the hidden layer.
pub const HIDDEN: usize = 96;

const WINDOW: usize = 512;
const HALF: usize = WINDOW / 2;
/// Frames of 10 ms that the network sees.
const CONTEXT: usize = 7;

const LOW_HZ: (f32, f32) = (150.0, 3_700.0);
const HIGH_HZ: (f32, f32) = (3_600.0, 7_000.0);
const HZ_PER_BIN: f32 = SAMPLE_RATE_HZ as f32 / WINDOW as f32;
/// The bin at which the low band is mirrored.
const MIRROR: usize = 116;
/// Energy below which a band counts as empty: the idle noise of µ-law.
const FLOOR: f32 = 256.0;
/// A frame so far below the loudest is no speech, as a natural logarithm of energies; the loudest is forgotten slowly.
const SPEECH: f32 = 5.0;
const FORGET: f32 = 0.002;
/// A frame so far above all before it begins the measuring of the speaker anew.
const ANEW: f32 = 3.0;
/// Frames that the average speaker counts for, and those after which the past no longer counts more.
const PRIOR: f32 = 20.0;
const MEMORY: f32 = 200.0;
/// Most that a band is raised or lowered against its mirror image: 26 dB.
const MOST: f32 = 6.0;

const MAGIC: &[u8; 16] = b"tipring band 1\n\0";
const NUMBERS: usize = LOW + HIDDEN * INPUTS + HIDDEN + HIGH * HIDDEN + HIGH;

/// The weights.
#[derive(Clone, PartialEq, Debug)]
pub struct BandModel {
    /// The average speaker's low band: each band against the level, natural logarithms of energy.
    pub shape: [f32; LOW],
    /// [`HIDDEN`] rows of [`INPUTS`] weights.
    pub first: Vec<f32>,
    /// Of the hidden layer.
    pub first_bias: Vec<f32>,
    /// [`HIGH`] rows of [`HIDDEN`] weights.
    pub second: Vec<f32>,
    /// Of the output.
    pub second_bias: [f32; HIGH],
}

impl BandModel {
    /// Weights that say nothing: every band as strong as the low band.
    pub fn zero() -> Self {
        Self {
            shape: [0.0; LOW],
            first: vec![0.0; HIDDEN * INPUTS],
            first_bias: vec![0.0; HIDDEN],
            second: vec![0.0; HIGH * HIDDEN],
            second_bias: [0.0; HIGH],
        }
    }

    /// Reads what [`bytes`](Self::bytes) wrote.
    ///
    /// # Errors
    /// [`AudioError::Model`] when this is no such file, is cut short, or holds numbers that are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, AudioError> {
        let refused = |what: &str| AudioError::Model { what: what.to_owned() };
        let numbers = bytes.strip_prefix(MAGIC).ok_or_else(|| refused("is no band extension of this version"))?;
        let (numbers, rest) = numbers.as_chunks::<4>();
        if numbers.len() != NUMBERS || !rest.is_empty() {
            return Err(refused("does not have the length of a band extension; it was cut short"));
        }
        let mut numbers = numbers.iter().map(|b| f32::from_le_bytes(*b));
        if !numbers.clone().all(|n| n.is_finite() && n.abs() < 1e6) {
            return Err(refused("holds numbers that are no weights"));
        }
        let mut model = Self::zero();
        let parts = model.parts_mut();
        for (place, number) in parts.into_iter().flatten().zip(&mut numbers) {
            *place = number;
        }
        Ok(model)
    }

    /// The file: a first line, then all numbers as little-endian `f32`.
    pub fn bytes(&self) -> Vec<u8> {
        let parts: [&[f32]; 5] = [&self.shape, &self.first, &self.first_bias, &self.second, &self.second_bias];
        let numbers = parts.into_iter().flatten().flat_map(|n| n.to_le_bytes());
        MAGIC.iter().copied().chain(numbers).collect()
    }

    fn parts_mut(&mut self) -> [&mut [f32]; 5] {
        [&mut self.shape, &mut self.first, &mut self.first_bias, &mut self.second, &mut self.second_bias]
    }

    /// How strong the upper bands are against the level of the frame, natural logarithms of energy. `hidden` gets the
    /// activity of the hidden layer.
    pub fn predict(&self, inputs: &[f32; INPUTS], hidden: &mut [f32; HIDDEN]) -> [f32; HIGH] {
        let rows = self.first.as_chunks::<INPUTS>().0;
        for ((out, row), bias) in hidden.iter_mut().zip(rows).zip(&self.first_bias) {
            *out = (dot(row, inputs) + bias).max(0.0);
        }
        let mut out = self.second_bias;
        for (out, row) in out.iter_mut().zip(self.second.as_chunks::<HIDDEN>().0) {
            *out += dot(row, hidden);
        }
        out
    }
}

/// In eight sums, so that the processor can take them at a time. Both lengths are a multiple of eight.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

fn mel(hz: f32) -> f32 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn hz(mel: f32) -> f32 {
    700.0 * (10f32.powf(mel / 2595.0) - 1.0)
}

/// The spectrum of the last 32 ms, once every 10 ms.
#[derive(Clone)]
pub struct Spectrum {
    fft: RealFft<HALF>,
    window: [f32; WINDOW],
    line: [f32; WINDOW],
    bins: [Complex; HALF],
    /// Where the triangle of each low band begins, peaks and ends, in bins.
    low: [[f32; 3]; LOW],
}

impl Default for Spectrum {
    fn default() -> Self {
        let hann = |n: usize| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / WINDOW as f32).cos();
        let (from, to) = (mel(LOW_HZ.0), mel(LOW_HZ.1));
        let edge = |band: usize| hz(from + (to - from) * band as f32 / (LOW + 1) as f32) / HZ_PER_BIN;
        Self {
            fft: RealFft::default(),
            window: std::array::from_fn(|n| hann(n).sqrt()),
            line: [0.0; WINDOW],
            bins: [[0.0; 2]; HALF],
            low: std::array::from_fn(|band| [edge(band), edge(band + 1), edge(band + 2)]),
        }
    }
}

/// The bins of an upper band.
fn high_bins(band: usize) -> std::ops::Range<usize> {
    let (from, to) = (mel(HIGH_HZ.0), mel(HIGH_HZ.1));
    let edge = |band: usize| (hz(from + (to - from) * band as f32 / HIGH as f32) / HZ_PER_BIN).round() as usize;
    edge(band)..edge(band + 1)
}

fn power([re, im]: Complex) -> f32 {
    re * re + im * im
}

fn mean_power(bins: &[Complex]) -> f32 {
    bins.iter().map(|bin| power(*bin)).sum::<f32>() / bins.len().max(1) as f32
}

impl Spectrum {
    /// Takes in the next 10 ms.
    pub fn push(&mut self, hop: &[i16; HOP]) {
        self.line.copy_within(HOP.., 0);
        for (place, sample) in self.line.iter_mut().skip(WINDOW - HOP).zip(hop) {
            *place = f32::from(*sample);
        }
        let samples = self.bins.as_flattened_mut();
        for ((place, sample), window) in samples.iter_mut().zip(&self.line).zip(&self.window) {
            *place = sample * window;
        }
        self.fft.transform(&mut self.bins);
    }

    fn low(&self) -> [f32; LOW] {
        self.low.map(|[from, peak, to]| {
            let first = from.ceil() as usize;
            let bins = self.bins.iter().zip(0..).skip(first).take((to.floor() as usize + 1).saturating_sub(first));
            let mut sum = (0.0, 0.0);
            for (bin, n) in bins {
                let n = n as f32;
                let weight = if n < peak { (n - from) / (peak - from) } else { (to - n) / (to - peak) };
                sum = (sum.0 + weight * power(*bin), sum.1 + weight);
            }
            (sum.0 / f32::max(sum.1, 0.1) + FLOOR).ln()
        })
    }

    /// The strength of the upper bands, natural logarithms of energy.
    pub fn high(&self) -> [f32; HIGH] {
        std::array::from_fn(|band| (mean_power(self.bins.get(high_bins(band)).unwrap_or_default()) + 1.0).ln())
    }
}

/// What the network sees of the low band: each band against this speaker's mean, and the level against it.
#[derive(Clone)]
pub struct BandFeatures {
    spectrum: Spectrum,
    frames: [[f32; LOW]; CONTEXT],
    shape: [f32; LOW],
    mean: [f32; LOW],
    seen: f32,
    peak: f32,
    begun: bool,
}

fn level(frame: &[f32; LOW]) -> f32 {
    frame.iter().sum::<f32>() / LOW as f32
}

impl BandFeatures {
    /// For speakers whose average low band is `shape`, see [`BandModel::shape`].
    pub fn new(shape: [f32; LOW]) -> Self {
        Self {
            spectrum: Spectrum::default(),
            frames: [[0.0; LOW]; CONTEXT],
            shape,
            mean: [0.0; LOW],
            seen: 0.0,
            peak: f32::MIN,
            begun: false,
        }
    }

    /// Takes in the next 10 ms.
    pub fn push(&mut self, hop: &[i16; HOP]) {
        self.spectrum.push(hop);
        let frame = self.spectrum.low();
        if std::mem::replace(&mut self.begun, true) {
            self.frames.rotate_left(1);
            if let Some(last) = self.frames.last_mut() {
                *last = frame;
            }
        } else {
            self.frames = [frame; CONTEXT];
        }
        let level = level(&frame);
        if level > self.peak + ANEW {
            self.seen = PRIOR;
            self.mean = self.shape.map(|band| band + level);
        }
        self.peak = level.max(self.peak - FORGET);
        if level > self.peak - SPEECH {
            self.seen = (self.seen + 1.0).min(MEMORY);
            for (mean, band) in self.mean.iter_mut().zip(&frame) {
                *mean += (band - *mean) / self.seen;
            }
        }
    }

    /// What the network sees of the frame in question, the [`LOOK_AHEAD`]th before the last; also its level, and whether
    /// it holds speech.
    pub fn read(&self, inputs: &mut [f32; INPUTS]) -> (f32, bool) {
        let bands = self.frames.iter().flat_map(|frame| frame.iter().zip(&self.mean).map(|(band, mean)| band - mean));
        for (place, value) in inputs.iter_mut().zip(bands) {
            *place = value * 0.5;
        }
        let now = self.frames.iter().nth_back(LOOK_AHEAD).map_or(0.0, level);
        if let Some(place) = inputs.get_mut(CONTEXT * LOW) {
            *place = (now - level(&self.mean)) * 0.5;
        }
        (now, now > self.peak - SPEECH)
    }

    /// The low band of the last frame against its level, when it holds speech; for the average speaker.
    pub fn shape_of_last(&self) -> Option<[f32; LOW]> {
        let frame = self.frames.last()?;
        let level = level(frame);
        (level > self.peak - SPEECH).then(|| frame.map(|band| band - level))
    }
}

/// Gives telephone speech at 16 kHz an upper band. One for each stream.
#[derive(Clone)]
pub struct BandExtension {
    features: BandFeatures,
    /// The spectra of the frame in question and those after it.
    spectra: [[Complex; HALF]; LOOK_AHEAD + 1],
    high: [f32; WINDOW],
    norm: [f32; HOP],
    line: [f32; DELAY + HOP],
    odd: bool,
}

impl BandExtension {
    /// A fresh state for use with `model`.
    pub fn new(model: &BandModel) -> Self {
        let features = BandFeatures::new(model.shape);
        let mut norm = [0.0; HOP];
        for (n, window) in features.spectrum.window.iter().enumerate() {
            if let Some(norm) = norm.get_mut(n % HOP) {
                *norm += window * window;
            }
        }
        Self {
            features,
            spectra: [[[0.0; 2]; HALF]; LOOK_AHEAD + 1],
            high: [0.0; WINDOW],
            norm,
            line: [0.0; DELAY + HOP],
            odd: false,
        }
    }

    /// Takes in 10 ms and gives the 10 ms that lie [`DELAY`] samples before them, with an upper band.
    pub fn push(&mut self, model: &BandModel, hop: &[i16; HOP], out: &mut [i16; HOP]) {
        self.features.push(hop);
        self.spectra.rotate_left(1);
        if let Some(last) = self.spectra.last_mut() {
            *last = self.features.spectrum.bins;
        }
        let (mut inputs, mut hidden) = ([0.0; INPUTS], [0.0; HIDDEN]);
        let (level, _) = self.features.read(&mut inputs);
        let strengths = model.predict(&inputs, &mut hidden).map(|strength| strength + level);
        self.mirror(&strengths);
        self.line.copy_within(HOP.., 0);
        for (place, sample) in self.line.iter_mut().skip(DELAY).zip(hop) {
            *place = f32::from(*sample);
        }
        for (((out, low), high), norm) in out.iter_mut().zip(&self.line).zip(&self.high).zip(&self.norm) {
            let value = low + high / norm;
            *out = (value + 0.5f32.copysign(value)) as i16; // saturates
        }
        self.high.copy_within(HOP.., 0);
        self.high.iter_mut().skip(WINDOW - HOP).for_each(|sample| *sample = 0.0);
    }

    /// Adds the upper band of the frame in question to what will be given.
    fn mirror(&mut self, strengths: &[f32; HIGH]) {
        let [source, ..] = &self.spectra;
        let mut bins = [[0.0; 2]; HALF];
        // Mirrored at a bin and not at half the band, the phase turns by half a turn with each step.
        let sign = if self.odd { -1.0 } else { 1.0 };
        self.odd = !self.odd;
        for (band, strength) in strengths.iter().enumerate() {
            let to = high_bins(band);
            let from = (2 * MIRROR + 1).saturating_sub(to.end)..(2 * MIRROR + 1).saturating_sub(to.start);
            let Some(from) = source.get(from) else { continue };
            let has = (mean_power(from) + FLOOR).ln();
            let gain = sign * ((strength - has).clamp(-MOST, MOST) / 2.0).exp();
            for (place, [re, im]) in bins.iter_mut().skip(to.start).take(to.len()).zip(from.iter().rev()) {
                *place = [re * gain, -im * gain];
            }
        }
        self.features.spectrum.fft.invert(&mut bins);
        let window = &self.features.spectrum.window;
        for ((place, sample), window) in self.high.iter_mut().zip(bins.as_flattened()).zip(window) {
            *place += sample * window;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, hops: usize) -> Vec<[i16; HOP]> {
        let sample = |n: usize| (6000.0 * (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin()) as i16;
        (0..hops).map(|hop| std::array::from_fn(|i| sample(hop * HOP + i))).collect()
    }

    fn extended(model: &BandModel, hops: &[[i16; HOP]]) -> Vec<i16> {
        let mut extension = BandExtension::new(model);
        let mut out = Vec::new();
        for hop in hops {
            let mut piece = [0; HOP];
            extension.push(model, hop, &mut piece);
            out.extend(piece);
        }
        out
    }

    fn power_at(samples: &[i16], hz: f32) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, s) in samples.iter().enumerate() {
            let (sin, cos) = (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin_cos();
            re += f32::from(*s) * cos;
            im += f32::from(*s) * sin;
        }
        (re * re + im * im) / (samples.len() as f32).powi(2)
    }

    #[test]
    fn without_an_upper_band_the_output_is_the_input_later() {
        let model = BandModel { second_bias: [-30.0; HIGH], ..BandModel::zero() };
        let hops = tone(1000.0, 60);
        let (input, out) = (hops.as_flattened(), extended(&model, &hops));
        for n in 2000..input.len() - DELAY {
            let (got, want) = (i32::from(out[n + DELAY]), i32::from(input[n]));
            assert!((got - want).abs() <= 400, "sample {n}: {got} is not {want}");
        }
    }

    #[test]
    fn the_low_band_is_mirrored_and_nothing_else() {
        let hops = tone(1000.0, 100);
        let out = extended(&BandModel::zero(), &hops);
        let out = &out[4000..12_000];
        // 1000 Hz is bin 32, which is mirrored to bin 200: 6250 Hz.
        let (mirrored, between) = (power_at(out, 6250.0), power_at(out, 5000.0));
        assert!(mirrored > 1e3 && mirrored > 100.0 * between, "{mirrored} {between}");
        assert!((power_at(out, 1000.0) / power_at(hops.as_flattened(), 1000.0) - 1.0).abs() < 0.1);
        assert!(power_at(out, 7500.0) < 1.0);
    }

    #[test]
    fn any_sound_is_survived_and_silence_stays_silent() {
        let mut model = BandModel::zero();
        model.second_bias = [40.0; HIGH];
        let loud: Vec<_> = (0..50).map(|n| [if n % 2 == 0 { i16::MAX } else { i16::MIN }; HOP]).collect();
        assert_eq!(extended(&model, &loud).len(), 50 * HOP);
        let quiet = extended(&model, &[[0; HOP]; 50]);
        assert!(quiet.iter().all(|s| *s == 0));
    }

    #[test]
    fn weights_are_read_as_they_were_written_and_nothing_else_is() {
        let mut model = BandModel::zero();
        for (n, weight) in model.parts_mut().into_iter().flatten().enumerate() {
            *weight = n as f32 * 0.25;
        }
        let bytes = model.bytes();
        assert_eq!(BandModel::parse(&bytes).unwrap(), model);
        assert!(BandModel::parse(&bytes[..bytes.len() - 1]).is_err());
        assert!(BandModel::parse(b"something else").is_err());
        let mut wrong = bytes;
        let end = wrong.len();
        wrong[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(BandModel::parse(&wrong).unwrap_err().to_string().contains("no weights"));
    }
}
