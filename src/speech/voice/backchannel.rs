//! "Mm-hm" or the beginning of a sentence? A small network over the first 120 to 400 ms.
//!
//! What it looks at does not depend on how loud the line is: shares, slopes and balances of the steps that are loud enough
//! to be speech. The weights are in `audio-models/backchannel.txt`, with how they were made.

use super::Heard;
use crate::audio::MediaTime;
use crate::audio::prosody::{BANDS, STEP_MS};
use std::collections::VecDeque;
use std::sync::LazyLock;

/// Numbers in a [`Features`].
pub const FEATURES: usize = 14 + 2 * BANDS;
/// Units of the hidden layer.
const HIDDEN: usize = 16;
/// Steps softer than the loudest by more than this are not speech, in dB.
const ACTIVE_DB: f32 = 25.0;
/// Fewer active steps than this say nothing.
const LEAST: usize = 4;
/// The longest that is looked at, in ms.
const LONGEST_MS: f64 = 420.0;
const STEPS_MOST: usize = (LONGEST_MS as u64 / STEP_MS) as usize + 2;

/// What is looked at, each about −1 to 1.
pub type Features = [f32; FEATURES];

/// Features of the speech from `onset` to `now`. None: too little of it is loud enough.
pub(super) fn features(steps: &VecDeque<Heard>, onset: MediaTime, now: MediaTime) -> Option<Features> {
    let now = now.min(onset.plus_ms(LONGEST_MS as u64));
    let since = || steps.iter().filter(move |heard| heard.end > onset && heard.end <= now).map(|heard| heard.step);
    let total = since().count();
    let peak = since().map(|step| step.level_dbfs).fold(f32::MIN, f32::max);
    let loud = |level: f32| level > peak - ACTIVE_DB;
    let active = || since().filter(move |step| loud(step.level_dbfs));
    let count = active().count();
    if count < LEAST || total > STEPS_MOST {
        return None;
    }
    let n = count as f32;
    let mean = |value: &dyn Fn(&crate::audio::prosody::Step) -> f32| active().map(|step| value(&step)).sum::<f32>() / n;
    let low = mean(&|step| step.low_high_db);
    let low_spread = mean(&|step| (step.low_high_db - low).powi(2)).sqrt();
    let level = mean(&|step| step.level_dbfs);
    let peak_at = since().position(|step| step.level_dbfs >= peak).unwrap_or(0) as f32;
    let tail = since().skip(total.saturating_sub(4)).map(|step| step.level_dbfs).sum::<f32>() / total.min(4) as f32;
    let (mut pitches, mut voiced) = ([0f32; STEPS_MOST], 0usize);
    for (slot, pitch) in pitches.iter_mut().zip(active().filter_map(|step| step.semitones())) {
        *slot = pitch;
        voiced += 1;
    }
    let (slope, range) = slope_and_range(&pitches[..voiced]);

    let mut out = [0f32; FEATURES];
    let (facts, bands) = out.split_at_mut(14);
    facts.copy_from_slice(&[
        total as f32 / 40.0,
        n / total as f32,
        n / 40.0,
        voiced as f32 / n,
        mean(&|step| step.periodicity),
        low / 20.0,
        low_spread / 10.0,
        5.0 * mean(&|step| step.flux),
        3.0 * active().map(|step| step.flux).fold(0.0, f32::max),
        (peak - level) / 10.0,
        (peak - tail).min(40.0) / 20.0,
        peak_at / 40.0,
        slope,
        range / 6.0,
    ]);
    for (band, pair) in bands.chunks_exact_mut(2).enumerate() {
        let [whole, change] = pair else { continue };
        let of = |steps: &mut dyn Iterator<Item = crate::audio::prosody::Step>| {
            let (sum, n) = steps.fold((0f32, 0f32), |(sum, n), step| (sum + step.bands_db[band], n + 1.0));
            sum / n.max(1.0)
        };
        let (first, second) = (of(&mut active().take(count / 2)), of(&mut active().skip(count / 2)));
        (*whole, *change) = ((first + second) / 40.0 + 0.5, (second - first) / 20.0);
    }
    for value in &mut out {
        *value = value.clamp(-3.0, 3.0);
    }
    Some(out)
}

/// The slope of the pitch in semitones per 100 ms, and its range, both of voiced steps in a row.
fn slope_and_range(pitches: &[f32]) -> (f32, f32) {
    let n = pitches.len() as f32;
    if pitches.len() < 4 {
        return (0.0, 0.0);
    }
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, pitches.iter().sum::<f32>() / n);
    let (mut xy, mut xx, mut low, mut high) = (0f32, 0f32, f32::MAX, f32::MIN);
    for (x, y) in pitches.iter().enumerate() {
        let dx = x as f32 - mean_x;
        (xy, xx) = (xy + dx * (y - mean_y), xx + dx * dx);
        (low, high) = (low.min(*y), high.max(*y));
    }
    ((xy / xx * 10.0 / 4.0).clamp(-2.0, 2.0), (high - low).min(12.0))
}

/// A network with one hidden layer.
#[derive(Clone, Debug)]
pub struct Weights {
    /// One row for each hidden unit, its bias last.
    pub hidden: [[f32; FEATURES + 1]; HIDDEN],
    /// One for each hidden unit, the bias last.
    pub out: [f32; HIDDEN + 1],
}

impl Weights {
    /// As many numbers as there are.
    pub const COUNT: usize = HIDDEN * (FEATURES + 1) + HIDDEN + 1;

    /// Reads numbers; lines that begin with `#` say how they were made. None: their count is not right.
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let numbers: Vec<f32> = lines.flat_map(str::split_whitespace).map(str::parse).collect::<Result<_, _>>().ok()?;
        Self::from_numbers(&numbers)
    }

    /// From [`Self::COUNT`] numbers: the hidden rows, then the last one.
    pub fn from_numbers(numbers: &[f32]) -> Option<Self> {
        let (hidden, out) = numbers.split_at_checked(HIDDEN * (FEATURES + 1))?;
        let mut weights = Self { hidden: [[0.0; FEATURES + 1]; HIDDEN], out: out.try_into().ok()? };
        weights.hidden.as_flattened_mut().copy_from_slice(hidden);
        Some(weights)
    }

    /// 0 to 1: how likely it is a backchannel.
    pub fn score(&self, features: &Features) -> f32 {
        let mut sum = self.out[HIDDEN];
        for (row, weight) in self.hidden.iter().zip(&self.out) {
            let (weights, bias) = row.split_at(FEATURES);
            let unit: f32 = weights.iter().zip(features).map(|(w, x)| w * x).sum::<f32>() + bias[0];
            sum += weight * unit.tanh();
        }
        1.0 / (1.0 + (-sum).exp())
    }
}

/// What ships.
static SHIPPED: LazyLock<Option<Weights>> =
    LazyLock::new(|| Weights::parse(include_str!("../../../audio-models/backchannel.txt")));

/// 0 to 1: how likely it is a backchannel.
pub(super) fn score(features: &Features) -> f32 {
    SHIPPED.as_ref().map_or(0.0, |weights| weights.score(features))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_can_be_read() {
        assert!(SHIPPED.is_some());
    }

    #[test]
    fn weights_of_another_size_are_refused() {
        assert!(Weights::parse("# nothing\n1 2 3").is_none());
        assert!(Weights::parse(&"0.5 ".repeat(Weights::COUNT)).is_some());
    }
}
