//! What an utterance sounds like so far, in numbers: statistics of the descriptors that are right at any moment.
//!
//! None depends on the level: levels enter as differences, loudness in proportion to its mean. The steps count that lie within
//! 25 dB of the loudest, with a slow decay of what the loudest was, and 8 dB over the softest. What was heard longer than ten seconds of speech ago counts half.

use super::running::Running;
use super::{CEPSTRA, Descriptors, MELS, STEP_MS};
use std::f32::consts::TAU;

/// Steps so much below the loudest are pauses, in dB.
const RANGE_DB: f32 = 25.0;
/// Speech is so much louder than the softest of late, in dB.
const ABOVE_DB: f32 = 8.0;
/// What the loudest was decays by so much per step, in dB: 2 dB a second.
const DECAY_DB: f32 = 0.02;
/// Steps of speech after which what was before counts half: ten seconds.
const MEMORY: u32 = 1000;
/// Of a pause only so many steps count for modulation: 100 ms.
const LONGEST_PAUSE: f32 = 10.0;
/// Quantities of voiced steps.
const VOICED: usize = 17 + CEPSTRA;
/// Quantities of all steps of speech.
const SPEECH: usize = 5 + 2 * CEPSTRA;
/// Quantities of steps that are speech and not voiced.
const UNVOICED: usize = 5 + 4;
/// Figures of each quantity: mean, deviation, quantiles of 20, 50 and 80 %.
const FIGURES: usize = 5;
/// Groups of mel bands whose levels' modulation is measured, and bands of modulation.
const GROUPS: usize = 5;
const MODULATIONS: usize = 4;
/// Bounds of the bands of modulation, in Hz.
const MODULATION_HZ: [f32; MODULATIONS + 1] = [1.0, 2.5, 5.0, 10.0, 20.0];
/// Bands so far below the strongest are empty.
const DEPTH_DB: f32 = 40.0;
/// Figures that are none of a quantity's.
const OTHERS: usize = 15 + GROUPS * MODULATIONS;
/// Numbers of an utterance.
pub const FUNCTIONALS: usize = (VOICED + SPEECH + UNVOICED) * FIGURES + OTHERS;

/// Bounds of the quantities, see [`Functionals::push`].
const VOICED_BOUNDS: [(f32, f32); 17] = [
    (-8.0, 32.0),
    (-3.0, 3.0),
    (0.0, 0.12),
    (0.0, 3.0),
    (-8.0, 30.0),
    (200.0, 1100.0),
    (700.0, 2700.0),
    (1500.0, 3600.0),
    (0.0, 700.0),
    (-45.0, 20.0),
    (-55.0, 20.0),
    (-15.0, 35.0),
    (-15.0, 45.0),
    (-70.0, 50.0),
    (-45.0, 30.0),
    (500.0, 2300.0),
    (0.0, 0.2),
];
const CEPSTRUM_BOUNDS: (f32, f32) = (-9.0, 9.0);

/// Runs along an utterance.
#[derive(Clone)]
pub struct Functionals {
    voiced: [Running; VOICED],
    speech: [Running; SPEECH],
    unvoiced: [Running; UNVOICED],
    loudness: Running,
    rises: Running,
    falls: Running,
    pitch_rises: Running,
    pitch_falls: Running,
    voiced_lengths: Running,
    gap_lengths: Running,
    modulation: Modulation,
    /// Steps, those of speech, those of speech that were voiced, since the last fading and half of those before.
    steps: f32,
    speech_steps: f32,
    voiced_steps: f32,
    levels: f32,
    peaks: f32,
    until_fading: u32,
    loudest_db: f32,
    loudest: f32,
    level_db: f32,
    floor_db: f32,
    heard: u32,
    /// The last two steps, the newer one last.
    before: [Option<Descriptors>; 2],
    smooth: [f32; 3],
    run: f32,
    gap: f32,
    /// Steps since the last speech.
    pause: f32,
}

impl Default for Functionals {
    fn default() -> Self {
        let cepstrum = Running::new(CEPSTRUM_BOUNDS.0, CEPSTRUM_BOUNDS.1);
        let change = Running::new(0.0, 4.0);
        let bounded = |bounds: &[(f32, f32)], n: usize| bounds.get(n).map(|(low, high)| Running::new(*low, *high));
        let voiced = |n: usize| bounded(&VOICED_BOUNDS, n).unwrap_or_else(|| cepstrum.clone());
        let speech = |n: usize| match n {
            0 => Running::new(-30.0, 10.0),
            1 => Running::new(0.0, 12.0),
            2 => Running::new(0.0, 0.25),
            3 => Running::new(500.0, 2300.0),
            4 => Running::new(-20.0, 35.0),
            n if n < 5 + CEPSTRA => cepstrum.clone(),
            _ => change.clone(),
        };
        let unvoiced = |n: usize| match n {
            0 => Running::new(-25.0, 30.0),
            1 => Running::new(-25.0, 35.0),
            2 => Running::new(-70.0, 50.0),
            3 => Running::new(-45.0, 30.0),
            4 => Running::new(500.0, 2600.0),
            _ => cepstrum.clone(),
        };
        Self {
            voiced: std::array::from_fn(voiced),
            speech: std::array::from_fn(speech),
            unvoiced: std::array::from_fn(unvoiced),
            loudness: Running::new(-2.5, 0.0),
            rises: Running::new(0.0, 4.0),
            falls: Running::new(0.0, 4.0),
            pitch_rises: Running::new(0.0, 1.5),
            pitch_falls: Running::new(0.0, 1.5),
            voiced_lengths: Running::new(0.0, 80.0),
            gap_lengths: Running::new(0.0, 40.0),
            modulation: Modulation::default(),
            steps: 0.0,
            speech_steps: 0.0,
            voiced_steps: 0.0,
            levels: 0.0,
            peaks: 0.0,
            until_fading: MEMORY,
            loudest_db: crate::audio::level::SILENCE_DBFS,
            loudest: f32::NEG_INFINITY,
            level_db: f32::NEG_INFINITY,
            floor_db: f32::INFINITY,
            heard: 0,
            before: [None; 2],
            smooth: [0.0; 3],
            run: 0.0,
            gap: 0.0,
            pause: 0.0,
        }
    }
}

impl Functionals {
    /// Begins another utterance.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Speech so far, without its pauses, in ms.
    pub fn heard_ms(&self) -> u32 {
        self.heard * STEP_MS as u32
    }

    /// Takes the next step.
    pub fn push(&mut self, now: &Descriptors) {
        self.loudest_db = now.level_dbfs.max(self.loudest_db - DECAY_DB);
        // Mean of some 30 ms: a single dip is not the floor.
        let level = if self.level_db.is_finite() { self.level_db } else { now.level_dbfs };
        self.level_db = level + 0.3 * (now.level_dbfs - level);
        self.floor_db = self.level_db.min(self.floor_db + DECAY_DB);
        let speech = now.level_dbfs > (self.loudest_db - RANGE_DB).max(self.floor_db + ABOVE_DB);
        // What comes before the first speech and after the last is no pause of it.
        if speech {
            self.steps += 1.0 + self.pause;
            self.pause = 0.0;
        } else if self.heard > 0 {
            self.pause += 1.0;
        }
        if self.pause <= LONGEST_PAUSE {
            self.modulation.push(now);
            self.rhythm(now, speech);
        }
        if speech {
            self.heard += 1;
            self.count(now);
        }
        let [_, newer] = self.before;
        self.before = [newer, speech.then_some(*now)];
    }

    /// A step of speech.
    fn count(&mut self, now: &Descriptors) {
        self.speech_steps += 1.0;
        self.levels += now.level_dbfs;
        self.until_fading -= 1;
        if self.until_fading == 0 {
            self.fade();
        }
        let older = self.before[0].as_ref();
        let change = |value: fn(&Descriptors) -> f32| older.map(|older| (value(now) - value(older)).abs());
        let first = [
            Some(now.level_dbfs - self.loudest_db),
            change(|d| d.level_dbfs),
            Some(now.flux),
            Some(now.centroid_hz),
            Some(now.alpha_db),
        ];
        let mut speech = self.speech.iter_mut();
        speech.by_ref().zip(first).for_each(|(running, value)| add(running, value));
        speech.by_ref().zip(&now.cepstrum).for_each(|(running, value)| running.add(*value));
        if let Some(older) = older {
            let changes = now.cepstrum.iter().zip(&older.cepstrum).map(|(now, then)| (now - then).abs());
            speech.zip(changes).for_each(|(running, value)| running.add(value));
        }
        let Some(semitones) = now.semitones() else {
            let tilt = [now.alpha_db, now.hammarberg_db, now.slope_low_db, now.slope_mid_db, now.centroid_hz];
            let values = tilt.iter().chain(now.cepstrum.iter().take(4));
            self.unvoiced.iter_mut().zip(values).for_each(|(running, value)| running.add(*value));
            return;
        };
        self.voiced_steps += 1.0;
        let moved = older.and_then(Descriptors::semitones).map(|then| semitones - then).filter(|by| by.abs() < 3.0);
        let formant = |n: usize| now.formants.and_then(|f| f.hz.get(n).copied()).filter(|hz| *hz > 0.0);
        let values = [
            Some(semitones),
            moved,
            now.jitter,
            now.shimmer_db,
            Some(now.hnr_db),
            formant(0),
            formant(1),
            formant(2),
            now.formants.map(|f| f.bandwidth_hz),
            now.formants.map(|f| f.level_db[0]),
            now.formants.map(|f| f.level_db[1]),
            Some(now.alpha_db),
            Some(now.hammarberg_db),
            Some(now.slope_low_db),
            Some(now.slope_mid_db),
            Some(now.centroid_hz),
            Some(now.flux),
        ];
        let values = values.into_iter().chain(now.cepstrum.iter().copied().map(Some));
        self.voiced.iter_mut().zip(values).for_each(|(running, value)| add(running, value));
        match moved {
            Some(by) if by > 0.0 => self.pitch_rises.add(by),
            Some(by) if by < 0.0 => self.pitch_falls.add(-by),
            _ => {}
        }
    }

    /// Loudness with its peaks, and the lengths of voiced stretches and of the gaps between them.
    fn rhythm(&mut self, now: &Descriptors, speech: bool) {
        let newer = self.smooth[1];
        let smooth = newer + 0.25 * (now.loudness - newer);
        if speech {
            let loudness = now.loudness.max(1e-9).ln();
            // The loudest fades as the level does: 0.3 of it, in nepers.
            self.loudest = loudness.max(self.loudest - DECAY_DB * 0.069);
            self.loudness.add(loudness - self.loudest);
            let mean = (self.loudness.mean() + self.loudest).exp();
            let by = 10.0 * (smooth - newer) / mean;
            if by > 0.0 {
                self.rises.add(by)
            } else {
                self.falls.add(-by)
            }
            let rising_before = self.smooth[2] > 0.0;
            if rising_before && smooth <= newer && newer > 0.8 * mean {
                self.peaks += 1.0;
            }
        }
        self.smooth = [newer, smooth, smooth - newer];
        if now.pitch_hz.is_some() && speech {
            self.run += 1.0;
            if self.gap > 0.0 && self.voiced_lengths.count() > 0.0 {
                self.gap_lengths.add(self.gap);
            }
            self.gap = 0.0;
        } else {
            if self.run > 1.0 {
                self.voiced_lengths.add(self.run);
            }
            self.run = 0.0;
            self.gap += 1.0;
        }
    }

    fn fade(&mut self) {
        self.until_fading = MEMORY / 2;
        let groups = self.voiced.iter_mut().chain(&mut self.speech).chain(&mut self.unvoiced);
        groups.for_each(Running::fade);
        for running in [
            &mut self.loudness,
            &mut self.rises,
            &mut self.falls,
            &mut self.pitch_rises,
            &mut self.pitch_falls,
            &mut self.voiced_lengths,
            &mut self.gap_lengths,
        ] {
            running.fade();
        }
        self.modulation.fade();
        for count in
            [&mut self.steps, &mut self.speech_steps, &mut self.voiced_steps, &mut self.levels, &mut self.peaks]
        {
            *count /= 2.0;
        }
    }

    /// Syllables per second of speech, as the peaks of loudness show them.
    pub fn rate(&self) -> f32 {
        self.peaks / (self.speech_steps.max(10.0) * 0.01)
    }

    /// Median pitch in semitones over 100 Hz. None: too little was voiced.
    pub fn pitch(&self) -> Option<f32> {
        self.voiced.first().filter(|pitch| pitch.count() >= 10.0).map(|pitch| pitch.quantile(0.5))
    }

    /// Mean level of the steps of speech, in dBFS. None: nothing was heard.
    pub fn level_dbfs(&self) -> Option<f32> {
        (self.speech_steps > 0.0).then(|| self.levels / self.speech_steps)
    }

    /// The numbers of the utterance so far.
    pub fn vector(&self) -> [f32; FUNCTIONALS] {
        let mut vector = [0.0; FUNCTIONALS];
        let mut slots = vector.iter_mut();
        let mut put = |value: f32| {
            if let Some(slot) = slots.next() {
                *slot = if value.is_finite() { value } else { 0.0 };
            }
        };
        for running in self.voiced.iter().chain(&self.speech).chain(&self.unvoiced) {
            for value in [
                running.mean(),
                running.deviation(),
                running.quantile(0.2),
                running.quantile(0.5),
                running.quantile(0.8),
            ] {
                put(value);
            }
        }
        let (seconds, speech) = (self.steps.max(1.0) * 0.01, self.speech_steps.max(1.0));
        let others = [
            self.speech_steps / self.steps.max(1.0),
            self.voiced_steps / speech,
            self.rate(),
            self.voiced_lengths.count() / seconds,
            self.voiced_lengths.mean(),
            self.voiced_lengths.deviation(),
            self.gap_lengths.mean(),
            self.gap_lengths.deviation(),
            self.rises.mean(),
            self.falls.mean(),
            self.rises.deviation(),
            self.pitch_rises.mean(),
            self.pitch_falls.mean(),
            self.loudness.deviation(),
            self.loudness.quantile(0.8) - self.loudness.quantile(0.2),
        ];
        others.into_iter().for_each(&mut put);
        self.modulation.figures().for_each(&mut put);
        vector
    }
}

fn add(running: &mut Running, value: Option<f32>) {
    if let Some(value) = value {
        running.add(value);
    }
}

/// How much the levels of bands go up and down, by how fast: the modulation spectrum (Wu, Falk and Chan, Speech
/// Communication 53, 2011) with filters of first order.
#[derive(Clone)]
struct Modulation {
    /// How much of a difference each filter follows in a step.
    follow: [f32; MODULATIONS + 1],
    state: [[f32; MODULATIONS + 1]; GROUPS],
    energies: [[f32; MODULATIONS]; GROUPS],
    steps: f32,
    top_db: f32,
}

impl Default for Modulation {
    fn default() -> Self {
        Self {
            follow: MODULATION_HZ.map(|hz| 1.0 - (-TAU * hz * 0.01).exp()),
            state: [[0.0; MODULATIONS + 1]; GROUPS],
            energies: [[0.0; MODULATIONS]; GROUPS],
            steps: 0.0,
            top_db: f32::NEG_INFINITY,
        }
    }
}

impl Modulation {
    fn push(&mut self, now: &Descriptors) {
        let begun = self.steps > 0.0;
        self.steps += 1.0;
        // What lies 40 dB under the voice is the line's noise, and its ups and downs are none of the voice's.
        let strongest = now.mels_db.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.top_db = strongest.max(self.top_db - DECAY_DB);
        let floor = self.top_db - DEPTH_DB;
        let groups = now.mels_db.chunks(MELS / GROUPS);
        for ((state, energies), bands) in self.state.iter_mut().zip(&mut self.energies).zip(groups) {
            let level = (bands.iter().sum::<f32>() / bands.len() as f32).max(floor);
            for (value, follow) in state.iter_mut().zip(&self.follow) {
                *value = if begun { *value + follow * (level - *value) } else { level };
            }
            for (energy, pair) in energies.iter_mut().zip(state.windows(2)) {
                let [slow, fast] = *pair else { continue };
                *energy += (fast - slow).powi(2);
            }
        }
    }

    fn fade(&mut self) {
        self.steps /= 2.0;
        self.energies.as_flattened_mut().iter_mut().for_each(|energy| *energy /= 2.0);
    }

    fn figures(&self) -> impl Iterator<Item = f32> {
        let steps = self.steps.max(1.0);
        self.energies.as_flattened().iter().map(move |energy| (energy / steps + 0.01).ln())
    }
}

/// What a part of the numbers of an utterance is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Voiced steps: pitch, periods, formants, spectrum.
    Voiced,
    /// All steps of speech: level, spectrum, change.
    Speech,
    /// Speech that is not voiced: spectrum.
    Unvoiced,
    /// Rhythm, loudness, modulation.
    Rhythm,
}

impl Group {
    /// Where its numbers lie in [`Functionals::vector`].
    pub const fn range(self) -> std::ops::Range<usize> {
        const ENDS: [usize; 3] =
            [VOICED * FIGURES, (VOICED + SPEECH) * FIGURES, (VOICED + SPEECH + UNVOICED) * FIGURES];
        match self {
            Self::Voiced => 0..ENDS[0],
            Self::Speech => ENDS[0]..ENDS[1],
            Self::Unvoiced => ENDS[1]..ENDS[2],
            Self::Rhythm => ENDS[2]..FUNCTIONALS,
        }
    }
}
