//! Tells tones from voices: DTMF, ring-back, busy, dial and information tones, fax and modem tones, hold music, hum.
//!
//! Three observations, each 20 ms, on the signal at 8 kHz:
//!
//! * **Predictability.** A steady partial turns its phase by the same angle from frame to frame and keeps its strength, so
//!   the spectrum of a frame (64 ms) follows from the two before it. The pitch of a voice never rests: its harmonics miss the
//!   prediction. The mean miss, weighted by magnitude, lies around 0.6 for speech (below 0.2 in 1 % of the frames) and
//!   around 0.07 for tones and chords. Notes begin and end, so music is told by how often a frame is predictable.
//! * **Concentration.** One or two partials that hold nearly everything in 32 ms: seen at once, but also true of a hummed
//!   vowel, so it is only a suspicion, for when nobody speaks yet.
//! * **Modulation.** Speech rises and falls by some 10 dB with its syllables; fans, hum and sustained strings do not.

use super::fft::{Complex, RealFft};
use super::{HalfBandDown, Samples, level};

/// Half the length of the long analysis: 64 ms at 8 kHz.
const LONG: usize = 256;
/// Half the length of the short analysis: 32 ms.
const SHORT: usize = 128;
/// Samples of a frame at 8 kHz.
const HOP: usize = 160;
/// The band looked at: bins of the long analysis from 203 to 3797 Hz.
const LONG_BAND: (usize, usize) = (13, 243);
/// The same in the short analysis.
const SHORT_BAND: (usize, usize) = (6, 122);
/// Quieter frames are neither tone nor voice.
const FLOOR_DBFS: f32 = -50.0;
/// A frame that misses its prediction by less is steady.
const STEADY_MISS: f32 = 0.2;
/// A frame that misses it by less is a tone without a doubt.
const PURE_MISS: f32 = 0.12;
/// Music: so many steady frames …
const MUSIC_STEADY: u32 = 9;
/// … among the last so many (500 ms).
const MUSIC_FRAMES: u32 = 25;
/// So many frames without a steady one end the music (160 ms).
const MUSIC_GAP: u32 = 8;
/// Share of the energy in the two strongest partials that rouses suspicion.
const CONCENTRATED: f32 = 0.98;
/// The same where sound sets in: a tone that begins within the window is less pure.
const CONCENTRATED_ONSET: f32 = 0.8;
/// Sound sets in where the level rises by so much, in dB.
const ONSET_DB: f32 = 12.0;
/// Frames over which the modulation is measured, and the deviation of the level in dB below which it is not speech: half a
/// second of an almost constant level, or 1.5 s of little change.
const UNMODULATED: [(usize, f32); 2] = [(25, 0.7), (LEVELS, 2.5)];
/// Levels remembered.
const LEVELS: usize = 75;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tonality {
    /// Nothing speaks against a voice.
    None,
    /// Very few partials, as in DTMF, but also in a hummed vowel: a tone if nobody was speaking just before.
    Suspected,
    /// A tone, music, or a steady noise.
    Certain,
}

/// Listens for tones. One per call; never allocates after construction; about 10 µs a frame.
pub struct ToneDetector {
    down: HalfBandDown,
    /// The last 64 ms at 8 kHz.
    line: [f32; 2 * LONG],
    long: RealFft<LONG>,
    short: RealFft<SHORT>,
    long_window: [f32; 2 * LONG],
    short_window: [f32; 2 * SHORT],
    /// Spectra of the last frame and of the one before.
    before: [[Complex; LONG]; 2],
    /// Frames since the last quiet one, to know when `before` means something.
    heard: u32,
    /// One bit for each of the last frames, the newest lowest: was it steady?
    steady: u32,
    /// Levels of the last frames in dBFS, the newest last.
    levels: [f32; LEVELS],
    /// Loud frames in a row, as far as `levels` reaches.
    loud: usize,
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self {
            down: HalfBandDown::default(),
            line: [0.0; 2 * LONG],
            long: RealFft::default(),
            short: RealFft::default(),
            long_window: hann(),
            short_window: hann(),
            before: [[[0.0; 2]; LONG]; 2],
            heard: 0,
            steady: 0,
            levels: [level::SILENCE_DBFS; LEVELS],
            loud: 0,
        }
    }
}

impl ToneDetector {
    /// Judges the next frame.
    pub fn push(&mut self, samples: &Samples) -> Tonality {
        let mut narrow = [0i16; HOP];
        self.down.process(samples, &mut narrow);
        self.line.copy_within(HOP.., 0);
        for (slot, sample) in self.line.iter_mut().rev().zip(narrow.iter().rev()) {
            *slot = f32::from(*sample);
        }
        let level = level::rms_dbfs(&narrow);
        let onset = self.levels.last().is_none_or(|last| level > last + ONSET_DB);
        self.levels.copy_within(1.., 0);
        if let Some(last) = self.levels.last_mut() {
            *last = level;
        }
        if level < FLOOR_DBFS {
            self.steady <<= 1;
            self.heard = 0;
            self.loud = 0;
            return Tonality::None;
        }
        self.loud = (self.loud + 1).min(LEVELS);
        let miss = self.prediction_miss();
        self.steady = self.steady << 1 | u32::from(miss < STEADY_MISS);
        if self.steady & ((1 << MUSIC_GAP) - 1) == 0 {
            self.steady = 0;
        }
        let often = (self.steady & ((1 << MUSIC_FRAMES) - 1)).count_ones() >= MUSIC_STEADY;
        if miss < PURE_MISS || often || self.is_unmodulated() {
            Tonality::Certain
        } else if self.concentration() > if onset { CONCENTRATED_ONSET } else { CONCENTRATED } {
            Tonality::Suspected
        } else {
            Tonality::None
        }
    }

    /// How far the spectrum is from what the last two announce: 0 is a pure tone, 1 is nothing alike.
    fn prediction_miss(&mut self) -> f32 {
        let mut now = windowed(&self.line, &self.long_window);
        self.long.transform(&mut now);
        let [last, earlier] = &self.before;
        let (mut missed, mut total) = (0.0, f32::EPSILON);
        let spectra = now.iter().zip(last).zip(earlier);
        for ((now, last), earlier) in spectra.take(LONG_BAND.1).skip(LONG_BAND.0) {
            let (strength, last_strength, earlier_strength) = (magnitude(now), magnitude(last), magnitude(earlier));
            let weight = strength.max(last_strength);
            let scale = last_strength * earlier_strength;
            // The last bin, turned once more by the angle between the earlier and the last one.
            let expected = if scale > 0.0 {
                let square = [last[0] * last[0] - last[1] * last[1], 2.0 * last[0] * last[1]];
                [
                    (square[0] * earlier[0] + square[1] * earlier[1]) / scale,
                    (square[1] * earlier[0] - square[0] * earlier[1]) / scale,
                ]
            } else {
                [0.0; 2]
            };
            let miss = magnitude(&[now[0] - expected[0], now[1] - expected[1]]);
            missed += weight * miss / (strength + last_strength + f32::EPSILON);
            total += weight;
        }
        self.before = [now, *last];
        self.heard = self.heard.saturating_add(1);
        if self.heard < 3 { 1.0 } else { missed / total }
    }

    /// The share of the two strongest partials in the energy of the last 32 ms.
    fn concentration(&self) -> f32 {
        let Some(recent) = self.line.last_chunk::<{ 2 * SHORT }>() else { return 0.0 };
        let mut bins = windowed(recent, &self.short_window);
        self.short.transform(&mut bins);
        let mut energy = [0.0f32; SHORT];
        for (energy, bin) in energy.iter_mut().zip(&bins) {
            *energy = bin[0] * bin[0] + bin[1] * bin[1];
        }
        let Some(band) = energy.get_mut(SHORT_BAND.0..SHORT_BAND.1) else { return 0.0 };
        let total: f32 = band.iter().sum();
        let mut taken = 0.0;
        for _ in 0..2 {
            let peak = band.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index);
            // A partial spreads over two bins to each side.
            for energy in band.iter_mut().take(peak + 3).skip(peak.saturating_sub(2)) {
                taken += *energy;
                *energy = 0.0;
            }
        }
        taken / (total + f32::EPSILON)
    }

    /// Has the level hardly changed for long?
    fn is_unmodulated(&self) -> bool {
        UNMODULATED.iter().any(|(frames, deviation)| {
            let recent = self.levels.get(LEVELS - frames..).unwrap_or_default();
            let mean = recent.iter().sum::<f32>() / *frames as f32;
            let variance = recent.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / *frames as f32;
            self.loud >= *frames && variance < deviation * deviation
        })
    }
}

fn magnitude([re, im]: &Complex) -> f32 {
    (re * re + im * im).sqrt()
}

fn hann<const N: usize>() -> [f32; N] {
    std::array::from_fn(|n| 0.5 - 0.5 * (std::f32::consts::TAU * (n as f32 + 0.5) / N as f32).cos())
}

fn windowed<const H: usize>(samples: &[f32], window: &[f32]) -> [Complex; H] {
    let mut bins = [[0.0; 2]; H];
    for ((slot, sample), weight) in bins.as_flattened_mut().iter_mut().zip(samples).zip(window) {
        *slot = sample * weight;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Judges `frames` frames of a signal of the time in seconds.
    fn judge(frames: usize, signal: impl Fn(f64) -> f64) -> Vec<Tonality> {
        let mut detector = ToneDetector::default();
        (0..frames)
            .map(|frame| {
                let sample = |n: usize| (signal((frame * 320 + n) as f64 / 16_000.0) * 8000.0) as i16;
                detector.push(&std::array::from_fn(sample))
            })
            .collect()
    }

    fn share(judged: &[Tonality], what: Tonality) -> f64 {
        judged.iter().filter(|t| **t == what).count() as f64 / judged.len() as f64
    }

    fn partials(hz: &[f64], t: f64) -> f64 {
        hz.iter().map(|hz| (TAU * hz * t).sin()).sum::<f64>() / hz.len() as f64
    }

    #[test]
    fn a_tone_is_suspected_at_once_and_certain_after_100_ms() {
        for hz in [
            vec![350.0, 440.0],
            vec![440.0, 480.0],
            vec![480.0, 620.0],
            vec![400.0, 450.0],
            vec![425.0],
            vec![697.0, 1209.0],
            vec![941.0, 1633.0],
            vec![950.0],
            vec![1400.0],
            vec![1800.0],
            vec![1100.0],
            vec![2100.0],
        ] {
            let judged = judge(30, |t| partials(&hz, t));
            assert!(judged[1..].iter().all(|t| *t != Tonality::None), "{hz:?}: {judged:?}");
            assert!(judged[5..].iter().all(|t| *t == Tonality::Certain), "{hz:?}: {judged:?}");
        }
    }

    #[test]
    fn chords_with_decaying_notes_are_music() {
        // A chord of three notes with four harmonics each, struck anew twice a second.
        let chord = |t: f64| {
            let since = t % 0.5;
            let root = [220.0, 174.6, 261.6, 196.0][(t / 2.0) as usize % 4];
            let notes = [root, root * 1.26, root * 1.5];
            let harmonics =
                |hz: f64| (1..=4).map(|k| (TAU * hz * f64::from(k) * since).sin() / f64::from(k)).sum::<f64>();
            notes.map(harmonics).iter().sum::<f64>() / 4.0 * (-3.0 * since).exp()
        };
        let judged = judge(500, chord);
        assert!(share(&judged[10..], Tonality::Certain) > 0.98, "{}", share(&judged, Tonality::Certain));
    }

    #[test]
    fn a_steady_rush_is_no_voice() {
        let mut state = 1u64;
        let mut detector = ToneDetector::default();
        let judged: Vec<_> = (0..150)
            .map(|_| {
                detector.push(&std::array::from_fn(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 52) as i16 - 2048
                }))
            })
            .collect();
        assert!(judged[30..].iter().all(|t| *t == Tonality::Certain));
    }

    #[test]
    fn a_voice_is_none_of_it() {
        // A pitch that glides around 120 Hz, twelve harmonics under two formants, four syllables a second.
        let voice = |t: f64| {
            let phase = TAU * (120.0 * t - 8.0 * (TAU * 0.9 * t).cos() - 1.5 * (TAU * 2.3 * t).cos());
            let formants =
                |hz: f64| 1.0 / (1.0 + ((hz - 600.0) / 200.0).powi(2)) + 0.5 / (1.0 + ((hz - 1400.0) / 250.0).powi(2));
            let sum: f64 = (1..=24).map(|k| (phase * f64::from(k)).sin() * formants(120.0 * f64::from(k))).sum();
            sum * 0.4 * (0.55 - 0.45 * (TAU * 4.0 * t).cos())
        };
        let judged = judge(500, voice);
        assert!(share(&judged, Tonality::Certain) < 0.01, "{}", share(&judged, Tonality::Certain));
        assert!(share(&judged, Tonality::None) > 0.95, "{}", share(&judged, Tonality::None));
    }

    #[test]
    fn silence_is_nothing_and_music_is_forgotten_when_it_ends() {
        assert!(judge(100, |_| 0.0).iter().all(|t| *t == Tonality::None));
        let judged = judge(200, |t| if t < 2.0 { partials(&[262.0, 330.0, 392.0], t) } else { 0.0 });
        assert!(judged[104..].iter().all(|t| *t == Tonality::None));
    }
}
