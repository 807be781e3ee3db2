//! The full measure of a voice, every 10 ms: what emotions are told from.
//!
//! The descriptors are those of eGeMAPS, re-implemented from the paper (Eyben et al., "The Geneva Minimalistic Acoustic Parameter
//! Set", IEEE Trans. Affective Computing 7, 2016) and redefined where a telephone has nothing to measure:
//!
//! | descriptor | eGeMAPS | here |
//! |---|---|---|
//! | pitch | subharmonic summation, semitones over 27.5 Hz | generalised autocorrelation, best path; semitones over 100 Hz |
//! | jitter, shimmer | of neighbouring periods | the same; periods are found by likeness |
//! | HNR | from the autocorrelation | from the cross-correlation at the period |
//! | loudness | auditory spectrum of 26 bands, 20 to 8000 Hz | 20 bands, 280 to 3400 Hz |
//! | alpha ratio | 50–1000 / 1000–5000 Hz | 300–1000 / 1000–3400 Hz |
//! | Hammarberg index | 0–2000 / 2000–5000 Hz | 300–2000 / 2000–3400 Hz |
//! | spectral slopes | 0–500, 500–1500 Hz | 300–800, 500–1500 Hz, in dB per kHz |
//! | formants 1–3 | LPC at 11 kHz | LPC of order 8 at 8 kHz |
//! | formants' relative levels | harmonics at the formants against the first harmonic | prediction's envelope at 2 and 3 against 1: the first harmonic is cut off |
//! | harmonic differences H1–H2, H1–A3 | yes | none: the first harmonic is cut off |
//! | MFCC | 1–4 | 1–12 |
//! | flux | of the magnitudes | of the mel bands' shares: it does not see the level |
//!
//! A window has 40 ms with Hann's weights (20 ms count). A step comes out 100 ms late, for the path of the pitch.

use super::cycles::CycleFinder;
use super::formants::{FormantFinder, Prediction, predict};
use super::front::Front;
use super::mel::{Mel, Shape};
use super::path::{LATE, Path};
use super::pitch::Correlation;
use super::{CEPSTRA, Formants, RATE_HZ, STEP, STEPS, WINDOW, decibel};
use crate::audio::Samples;
use crate::audio::level::SILENCE_DBFS;
use std::f32::consts::TAU;

/// Samples that are remembered for the periods: the lateness, a window and two periods on either side.
const PAST: usize = LATE * STEP + 2 * WINDOW + 320;

/// One step of 10 ms.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Descriptors {
    /// Root mean square of the step, in dBFS.
    pub level_dbfs: f32,
    /// Loudness of the window; not in sones: it is used in proportion only.
    pub loudness: f32,
    /// The pitch, in Hz. None: not voiced.
    pub pitch_hz: Option<f32>,
    /// Mean difference of neighbouring periods as a share of a period. None: not voiced, or no two periods here.
    pub jitter: Option<f32>,
    /// Mean difference of neighbouring periods' heights in dB.
    pub shimmer_db: Option<f32>,
    /// Harmonics to noise in dB; 0 where it is not voiced.
    pub hnr_db: f32,
    /// Formants. None: not voiced, or none found.
    pub formants: Option<Formants>,
    /// Level of 300 to 1000 Hz against 1000 to 3400 Hz, in dB.
    pub alpha_db: f32,
    /// Highest peak of 300 to 2000 Hz against that of 2000 to 3400 Hz, in dB.
    pub hammarberg_db: f32,
    /// Slope of the spectrum from 300 to 800 Hz, in dB per kHz.
    pub slope_low_db: f32,
    /// Slope of the spectrum from 500 to 1500 Hz, in dB per kHz.
    pub slope_mid_db: f32,
    /// Mean frequency, weighted by amplitude, in Hz.
    pub centroid_hz: f32,
    /// How far the balance of the mel bands moved since the step before.
    pub flux: f32,
    /// Cepstral coefficients 1 to 12 of 20 mel bands.
    pub cepstrum: [f32; CEPSTRA],
    /// Level of each mel band in dB.
    pub mels_db: [f32; super::MELS],
}

impl Descriptors {
    /// Silence of the line.
    pub const SILENCE: Self = Self {
        level_dbfs: SILENCE_DBFS,
        loudness: 0.0,
        pitch_hz: None,
        jitter: None,
        shimmer_db: None,
        hnr_db: 0.0,
        formants: None,
        alpha_db: 0.0,
        hammarberg_db: 0.0,
        slope_low_db: 0.0,
        slope_mid_db: 0.0,
        centroid_hz: 0.0,
        flux: 0.0,
        cepstrum: [0.0; CEPSTRA],
        mels_db: [-120.0; super::MELS],
    };

    /// The pitch in semitones over 100 Hz.
    pub fn semitones(&self) -> Option<f32> {
        self.pitch_hz.map(|hz| 12.0 * (hz / 100.0).log2())
    }
}

/// A step whose pitch is not decided yet.
#[derive(Clone, Copy)]
struct Waiting {
    level_dbfs: f32,
    /// None: silence.
    shape: Option<(Shape, Prediction)>,
    centre: u64,
}

/// Makes descriptors of frames. Nothing is allocated after construction.
#[derive(Clone)]
pub struct Extractor {
    front: Front,
    correlation: Correlation,
    path: Path,
    mel: Mel,
    taper: [f32; WINDOW],
    waiting: [Waiting; LATE + 1],
    newest: usize,
    count: usize,
    cycles: CycleFinder,
    formants: FormantFinder,
    past: [f32; PAST],
    /// Samples taken so far, at 8 kHz.
    taken: u64,
}

impl Default for Extractor {
    fn default() -> Self {
        let nothing = Waiting { level_dbfs: SILENCE_DBFS, shape: None, centre: 0 };
        Self {
            front: Front::default(),
            correlation: Correlation::default(),
            path: Path::default(),
            mel: Mel::default(),
            taper: std::array::from_fn(|n| 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / WINDOW as f32).cos()),
            waiting: [nothing; LATE + 1],
            newest: 0,
            count: 0,
            cycles: CycleFinder::default(),
            formants: FormantFinder::default(),
            past: [0.0; PAST],
            taken: 0,
        }
    }
}

impl Extractor {
    /// Steps between a step and its descriptors.
    pub const LATE: usize = LATE;

    /// Takes a frame of 20 ms at 16 kHz; `out` gets the steps that are ready, the oldest first. A step's window is centred 20 ms
    /// before its end.
    pub fn push(&mut self, samples: &Samples, out: &mut impl FnMut(&Descriptors)) {
        self.front.push(samples);
        for step in 0..STEPS {
            self.past.copy_within(STEP.., 0);
            let latest = self.front.window(step).get(WINDOW - STEP..).unwrap_or_default();
            for (slot, sample) in self.past.iter_mut().skip(PAST - STEP).zip(latest) {
                *slot = *sample;
            }
            self.taken += STEP as u64;
            let level_dbfs = decibel(self.front.energy(step)).max(SILENCE_DBFS);
            let heard = self.front.look(step);
            let shape = heard.then(|| {
                let shape = self.mel.measure(&self.front.power);
                let prediction = predict(self.front.window(step), &self.taper);
                self.correlation.measure(&mut self.front);
                (shape, prediction)
            });
            if !heard {
                self.mel.forget();
            }
            self.newest = (self.newest + 1) % (LATE + 1);
            self.count += 1;
            let centre = self.taken.saturating_sub(WINDOW as u64 / 2);
            if let Some(slot) = self.waiting.get_mut(self.newest) {
                *slot = Waiting { level_dbfs, shape, centre };
            }
            if let Some(hz) = self.path.push(heard.then_some(&self.correlation)) {
                out(&self.oldest(hz));
            }
        }
    }

    /// Gives the steps that wait for the path of the pitch, as well as it is known.
    pub fn finish(&mut self, out: &mut impl FnMut(&Descriptors)) {
        while let Some(hz) = self.path.finish() {
            out(&self.oldest(hz));
        }
    }

    /// What comes next does not go on from what came before.
    pub fn forget(&mut self) {
        self.path = Path::default();
        self.cycles.forget();
        self.mel.forget();
        self.count = 0;
    }

    fn oldest(&mut self, hz: f32) -> Descriptors {
        self.count = self.count.saturating_sub(1);
        let at = (self.newest + LATE + 1 - self.count) % (LATE + 1);
        let Some(Waiting { level_dbfs, shape: Some((shape, prediction)), centre }) = self.waiting.get(at) else {
            self.cycles.forget();
            return Descriptors::SILENCE;
        };
        let mut descriptors = Descriptors {
            level_dbfs: *level_dbfs,
            loudness: shape.loudness,
            alpha_db: shape.alpha_db,
            hammarberg_db: shape.hammarberg_db,
            slope_low_db: shape.slope_low_db,
            slope_mid_db: shape.slope_mid_db,
            centroid_hz: shape.centroid_hz,
            flux: shape.flux,
            cepstrum: shape.cepstrum,
            mels_db: shape.mels_db,
            ..Descriptors::SILENCE
        };
        if hz <= 0.0 {
            self.cycles.forget();
            return descriptors;
        }
        let first = self.taken.saturating_sub(PAST as u64);
        // Before the call there was silence.
        let missing = (PAST as u64).saturating_sub(self.taken) as usize;
        let past = self.past.get(missing..).unwrap_or_default();
        let cycles = self.cycles.measure(past, first, *centre, hz.min(RATE_HZ / 8.0));
        descriptors.pitch_hz = Some(hz);
        (descriptors.jitter, descriptors.shimmer_db) = (cycles.jitter, cycles.shimmer_db);
        descriptors.hnr_db = cycles.hnr_db;
        descriptors.formants = self.formants.find(prediction);
        descriptors
    }
}

#[cfg(test)]
mod tests;
