//! Single periods of a voice: how much one differs from the next in length and height, and how much of it is noise.
//!
//! A period is found where the wave looks most like the one before it (as Praat's "cc" does), since a telephone leaves no
//! fundamental whose peaks could be counted.

use super::RATE_HZ;
use super::formants::dot;

/// A period may be so much longer or shorter than the pitch says.
const SPREAD: f32 = 0.2;
/// Neighbouring periods that differ by more are not of one voice: Praat's maximum period factor.
const FACTOR: f32 = 1.3;
/// Neighbouring heights that differ by more, likewise.
const HEIGHT_FACTOR: f32 = 1.6;
/// Samples over which noise is told from voice, at least a period: 15 ms. The longer, the more a moving pitch counts as noise.
const NOISE_WINDOW: usize = 120;

/// What single periods say of a step.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Cycles {
    /// Mean difference of neighbouring periods, as a share of a period. None: no two of them here.
    pub jitter: Option<f32>,
    /// Mean difference of neighbouring periods' heights, in dB.
    pub shimmer_db: Option<f32>,
    /// Harmonics to noise, in dB.
    pub hnr_db: f32,
}

/// The last period.
#[derive(Clone, Copy)]
struct Mark {
    /// Where it ends: a sample, counted from the first of the call.
    at: u64,
    length: Option<f32>,
    height: f32,
}

/// Goes from period to period.
#[derive(Clone, Default)]
pub(super) struct CycleFinder {
    mark: Option<Mark>,
}

impl CycleFinder {
    /// The step is not voiced.
    pub fn forget(&mut self) {
        self.mark = None;
    }

    /// Of a voiced step with its `centre`; `past` holds the samples from `first` on.
    pub fn measure(&mut self, past: &[f32], first: u64, centre: u64, hz: f32) -> Cycles {
        let period = RATE_HZ / hz;
        let hnr_db = harmonicity(past, centre.saturating_sub(first) as usize, period);
        let end = centre + 40;
        let mut mark = match self.mark.filter(|mark| mark.at + 2 * period as u64 > centre && mark.at < end + 80) {
            Some(mark) => mark,
            None => {
                // Begin with the highest point of the period around the centre.
                let from = centre.saturating_sub(first + period as u64 / 2) as usize;
                let around = past.get(from..from + period as usize).unwrap_or_default();
                let peak = around.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
                let at = first + (from + peak.map_or(0, |(n, _)| n)) as u64;
                Mark { at, length: None, height: height(past, at.saturating_sub(first) as usize, period) }
            }
        };
        let (mut lengths, mut length_pairs) = (0.0, 0u32);
        let (mut heights, mut height_pairs) = (0.0, 0u32);
        while mark.at < end {
            let Some(length) = next(past, mark.at.saturating_sub(first) as usize, period) else { break };
            let at = mark.at + length.round() as u64;
            let now =
                Mark { at, length: Some(length), height: height(past, at.saturating_sub(first) as usize, period) };
            if let Some(before) = mark.length
                && length.max(before) / length.min(before) <= FACTOR
            {
                lengths += 2.0 * (length - before).abs() / (length + before);
                length_pairs += 1;
                if now.height.max(mark.height) <= HEIGHT_FACTOR * now.height.min(mark.height) {
                    heights += 20.0 * (now.height / mark.height).log10().abs();
                    height_pairs += 1;
                }
            }
            mark = now;
        }
        self.mark = Some(mark);
        let mean = |sum: f32, count: u32| (count > 0).then(|| sum / count as f32);
        Cycles { jitter: mean(lengths, length_pairs), shimmer_db: mean(heights, height_pairs), hnr_db }
    }
}

/// Height of the period around `at`, from its lowest to its highest point.
fn height(past: &[f32], at: usize, period: f32) -> f32 {
    let half = (period / 2.0) as usize;
    let around = past.get(at.saturating_sub(half)..(at + half).min(past.len())).unwrap_or_default();
    let (low, high) = around.iter().fold((0f32, 0f32), |(low, high), x| (low.min(*x), high.max(*x)));
    (high - low).max(1e-6)
}

/// Length of the period after `at`: where the wave looks most like that around `at`.
fn next(past: &[f32], at: usize, period: f32) -> Option<f32> {
    let half = (period / 2.0) as usize + 1;
    let pattern = past.get(at.checked_sub(half)?..at + half)?;
    let (shortest, longest) = ((period * (1.0 - SPREAD)) as usize, (period * (1.0 + SPREAD)).ceil() as usize);
    let own = dot(pattern, pattern);
    let like = |lag: usize| {
        let other = past.get(at + lag - half..at + lag + half)?;
        Some(dot(pattern, other) / (own * dot(other, other)).max(1e-18).sqrt())
    };
    let (mut best, mut most) = (0, f32::NEG_INFINITY);
    for lag in shortest..=longest {
        let alike = like(lag)?;
        if alike > most {
            (best, most) = (lag, alike);
        }
    }
    let (before, after) = (like(best - 1)?, like(best + 1)?);
    let bend = before - 2.0 * most + after;
    let shift = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    (most > 0.3).then_some(best as f32 + shift)
}

/// Harmonics to noise in dB: the share of the energy that comes back after a period (Boersma 1993).
fn harmonicity(past: &[f32], centre: usize, period: f32) -> f32 {
    let window = NOISE_WINDOW.max(period as usize);
    let lag = period.round() as usize;
    let from = centre.saturating_sub((window + lag) / 2);
    let like = |lag: usize| {
        let (a, b) = (past.get(from..from + window)?, past.get(from + lag..from + lag + window)?);
        Some(dot(a, b) / (dot(a, a) * dot(b, b)).max(1e-18).sqrt())
    };
    let around = [lag - 1, lag, lag + 1].map(|lag| like(lag).unwrap_or(0.0));
    let bend = around[0] - 2.0 * around[1] + around[2];
    let rise = around[0] - around[2];
    let most = if bend < 0.0 { around[1] - rise * rise / (8.0 * bend) } else { around[1] };
    let share = most.clamp(0.01, 0.9995);
    10.0 * (share / (1.0 - share)).log10()
}
