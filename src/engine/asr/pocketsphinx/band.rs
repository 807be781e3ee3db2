//! What band the caller's audio has, and how telephone audio is made to fit a wide-band model.
//!
//! A G.711 call has nothing above 4 kHz, while the acoustic model was trained on speech up to 6.8 kHz: to it, the upper
//! third of every frame is missing. Spectral folding mirrors a little of the lower band into the upper one,
//! `y[n] = x[n] + k·x[n]·(-1)^n`, which is far from the truth but much nearer to speech than nothing.

use crate::audio::Samples;

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

/// Copies `samples`, which begin at sample `at` of the utterance, folded if the band is narrow.
pub(super) fn shape(band: Band, at: usize, samples: &[i16], out: &mut Vec<i16>) {
    out.clear();
    if band != Band::Narrow {
        out.extend_from_slice(samples);
        return;
    }
    out.extend(samples.iter().zip(at..).map(|(&sample, n)| {
        let fold = if n % 2 == 0 { FOLD } else { -FOLD };
        (f32::from(sample) * (1.0 + fold)) as i16 // saturates
    }));
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

    #[test]
    fn folding_mirrors_around_four_kilohertz() {
        let mut folded = Vec::new();
        shape(Band::Narrow, 0, &tone(1000.0, 0), &mut folded);
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
    fn folding_saturates_and_is_the_same_in_pieces() {
        let loud = [i16::MAX, i16::MIN, i16::MAX, i16::MIN, 100];
        let (mut whole, mut piece, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        shape(Band::Narrow, 0, &loud, &mut whole);
        assert_eq!(whole[0], i16::MAX);
        for (at, sample) in loud.iter().enumerate() {
            shape(Band::Narrow, at, std::slice::from_ref(sample), &mut piece);
            pieces.append(&mut piece);
        }
        assert_eq!(whole, pieces);
        shape(Band::Wide, 0, &loud, &mut whole);
        assert_eq!(whole, loud);
    }
}
