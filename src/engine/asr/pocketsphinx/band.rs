//! What band the caller's audio has, and how telephone audio is made to fit a wide-band model.
//!
//! A G.711 call has nothing above 4 kHz, while the acoustic model was trained on speech up to 6.8 kHz: to it, the upper
//! third of every frame is missing. A learned extension ([`crate::audio::bandwidth`]) gives it one that is like speech.
//! Spectral folding, `y[n] = x[n] + k·x[n]·(-1)^n`, mirrors a little of the lower band into the upper one: far from the
//! truth, but nearer to speech than nothing.

use crate::audio::Samples;
use crate::audio::bandwidth::{BandExtension, BandModel, DELAY, HOP};
use serde::Deserialize;
use std::sync::Arc;

/// What is done for calls that have no upper band.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NarrowBand {
    /// The learned extension.
    #[default]
    Learned,
    /// Spectral folding.
    Folded,
    /// Nothing.
    Plain,
}

/// Part of the lower band that is mirrored.
const FOLD: f32 = 0.15;
/// Speech that must be seen before the band is named, in frames of 20 ms.
const FRAMES_TO_DECIDE: u32 = 8;
/// Speech after which the past counts half, in frames: a transfer may change the codec in mid-call.
const HALF_LIFE: u32 = 400;
/// Share of the energy above 4.4 kHz below which there is no upper band. Measured on speech: through G.711 and back it is
/// under 1e-5; in wide band it is over 1e-3 as soon as one consonant was said.
const NARROW: f64 = 1e-4;

/// The band of the audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Band {
    /// Too little speech was heard.
    #[default]
    Unknown,
    /// Nothing above 4 kHz.
    Narrow,
    /// Up to 7 kHz or more.
    Wide,
}

/// Measures the band of the speech frames of a stream.
#[derive(Default)]
pub(super) struct BandMeter {
    high_pass: [Biquad; 2],
    high: f64,
    all: f64,
    frames: u32,
}

impl BandMeter {
    /// Takes in the next frame; only speech is judged, but the filter must see all.
    pub fn push(&mut self, samples: &Samples, speech: bool) {
        let (mut high, mut all) = (0.0_f64, 0.0_f64);
        for &sample in samples {
            let x = f32::from(sample);
            let [first, second] = &mut self.high_pass;
            let y = second.step(first.step(x));
            high += f64::from(y * y);
            all += f64::from(x * x);
        }
        if speech {
            self.high += high;
            self.all += all;
            self.frames += 1;
            if self.frames >= HALF_LIFE {
                self.high /= 2.0;
                self.all /= 2.0;
                self.frames /= 2;
            }
        }
    }

    /// Share of the energy of speech that lies above 4.4 kHz.
    pub fn share(&self) -> f64 {
        if self.all > 0.0 { self.high / self.all } else { 0.0 }
    }

    /// What can be said so far.
    pub fn band(&self) -> Band {
        if self.frames < FRAMES_TO_DECIDE {
            Band::Unknown
        } else if self.share() < NARROW {
            Band::Narrow
        } else {
            Band::Wide
        }
    }
}

/// An utterance as the acoustic model should hear it. The extension lags behind the audio.
pub(super) struct Shaper {
    how: NarrowBand,
    model: Arc<BandModel>,
    extension: BandExtension,
    /// Samples that the extension took in.
    taken: usize,
    /// What it gave, from the utterance's beginning; in front of it [`DELAY`] samples from before.
    wide: Vec<i16>,
}

impl Shaper {
    pub fn new(how: NarrowBand, model: Arc<BandModel>) -> Self {
        let extension = BandExtension::new(&model);
        Self { how, model, extension, taken: 0, wide: Vec::new() }
    }

    /// The utterance is over, or its beginning was dropped.
    pub fn restart(&mut self) {
        self.extension = BandExtension::new(&self.model);
        self.taken = 0;
        self.wide.clear();
    }

    /// How much of `audio` can be had: all of it, or what the extension has given.
    pub fn ready(&mut self, band: Band, audio: &[i16]) -> usize {
        if band != Band::Narrow || self.how != NarrowBand::Learned {
            return audio.len();
        }
        let mut piece = [0; HOP];
        for hop in audio.get(self.taken..).unwrap_or_default().as_chunks::<HOP>().0 {
            self.extension.push(&self.model, hop, &mut piece);
            self.wide.extend_from_slice(&piece);
            self.taken += HOP;
        }
        self.wide.len().saturating_sub(DELAY).min(audio.len())
    }

    /// Copies the samples `from..to` of `audio`, which are [`ready`](Self::ready).
    pub fn copy(&self, band: Band, audio: &[i16], from: usize, to: usize, out: &mut Vec<i16>) {
        out.clear();
        let samples = audio.get(from..to).unwrap_or_default();
        match (band, self.how) {
            (Band::Narrow, NarrowBand::Learned) => {
                out.extend_from_slice(self.wide.get(from + DELAY..to + DELAY).unwrap_or_default());
            }
            (Band::Narrow, NarrowBand::Folded) => out.extend(samples.iter().zip(from..).map(|(&sample, n)| {
                let fold = if n % 2 == 0 { FOLD } else { -FOLD };
                (f32::from(sample) * (1.0 + fold)) as i16 // saturates
            })),
            _ => out.extend_from_slice(samples),
        }
    }
}

/// One half of a fourth-order Butterworth high-pass at 4.4 kHz for 16 kHz audio.
#[derive(Clone, Copy)]
struct Biquad {
    b0: f32,
    a1: f32,
    a2: f32,
    z1: f32,
    z2: f32,
}

impl Biquad {
    fn high_pass(q: f32) -> Self {
        let w = 2.0 * std::f32::consts::PI * 4400.0 / 16000.0;
        let alpha = w.sin() / (2.0 * q);
        let a0 = 1.0 + alpha;
        Self { b0: (1.0 + w.cos()) / 2.0 / a0, a1: -2.0 * w.cos() / a0, a2: (1.0 - alpha) / a0, z1: 0.0, z2: 0.0 }
    }

    fn step(&mut self, x: f32) -> f32 {
        let y = self.b0 * x + self.z1;
        self.z1 = -2.0 * self.b0 * x - self.a1 * y + self.z2;
        self.z2 = self.b0 * x - self.a2 * y;
        y
    }
}

impl Default for Biquad {
    fn default() -> Self {
        Self::high_pass(std::f32::consts::FRAC_1_SQRT_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    fn tone(hz: f32, frame: usize) -> Samples {
        std::array::from_fn(|i| {
            let n = (frame * FRAME_SAMPLES + i) as f32;
            (8000.0 * (2.0 * std::f32::consts::PI * hz * n / 16000.0).sin()) as i16
        })
    }

    fn band_of(hz: &[f32]) -> Band {
        let mut meter = BandMeter::default();
        for frame in 0..20 {
            let mut sum = [0i16; FRAME_SAMPLES];
            for (k, f) in hz.iter().enumerate() {
                for (s, t) in sum.iter_mut().zip(tone(*f, frame)) {
                    *s += t / (1 + 4 * k as i16);
                }
            }
            meter.push(&sum, frame > 0);
        }
        meter.band()
    }

    #[test]
    fn the_upper_band_is_told_from_its_absence() {
        assert_eq!(band_of(&[500.0]), Band::Narrow);
        assert_eq!(band_of(&[500.0, 6000.0]), Band::Wide);
    }

    #[test]
    fn silence_and_too_little_speech_say_nothing() {
        let mut meter = BandMeter::default();
        for frame in 0..50 {
            meter.push(&tone(500.0, frame), frame % 10 == 0);
        }
        assert_eq!(meter.band(), Band::Unknown);
    }

    fn shaped(how: NarrowBand, band: Band, audio: &[i16], pieces: usize) -> Vec<i16> {
        let mut shaper = Shaper::new(how, Arc::new(BandModel::zero()));
        let (mut out, mut piece, mut at) = (Vec::new(), Vec::new(), 0);
        for end in (pieces..audio.len()).step_by(pieces).chain([audio.len()]) {
            let audio = &audio[..end];
            let ready = shaper.ready(band, audio);
            shaper.copy(band, audio, at, ready, &mut piece);
            out.append(&mut piece);
            at = ready;
        }
        out
    }

    #[test]
    fn folding_mirrors_around_four_kilohertz() {
        let folded = shaped(NarrowBand::Folded, Band::Narrow, &tone(1000.0, 0), 320);
        let power = |hz: f32| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, s) in folded.iter().enumerate() {
                let (sin, cos) = (2.0 * std::f32::consts::PI * hz * n as f32 / 16000.0).sin_cos();
                re += f32::from(*s) * cos;
                im += f32::from(*s) * sin;
            }
            (re * re + im * im).sqrt()
        };
        let ratio = power(7000.0) / power(1000.0);
        assert!((ratio - FOLD).abs() < 0.01, "{ratio}");
    }

    #[test]
    fn shaping_is_the_same_in_pieces_and_loses_no_more_than_its_delay() {
        let audio: Vec<i16> = (0..20).flat_map(|frame| tone(700.0, frame)).collect();
        for how in [NarrowBand::Learned, NarrowBand::Folded, NarrowBand::Plain] {
            let whole = shaped(how, Band::Narrow, &audio, audio.len());
            let lag = if how == NarrowBand::Learned { DELAY } else { 0 };
            assert!(audio.len() - whole.len() <= lag + HOP, "{how:?}: {}", whole.len());
            assert_eq!(whole, shaped(how, Band::Narrow, &audio, 320), "{how:?}");
            assert_eq!(whole, shaped(how, Band::Narrow, &audio, 130), "{how:?}");
            assert_eq!(shaped(how, Band::Wide, &audio, 320), audio);
        }
        let loud = [i16::MAX, i16::MIN, i16::MAX, i16::MIN, 100];
        assert_eq!(shaped(NarrowBand::Folded, Band::Narrow, &loud, 1)[0], i16::MAX);
    }
}
