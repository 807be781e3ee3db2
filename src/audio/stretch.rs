//! Speech made slower or faster without changing its pitch: waveform-similarity overlap-add (Verhelst and Roelands, ICASSP
//! 1993). Good for a fifth more or less; made for one voice.

use super::{FRAME_SAMPLES, Samples};
use std::collections::VecDeque;

/// Samples of a segment: 30 ms at 16 kHz, longer than a pitch period of a deep voice.
const SEGMENT: usize = 480;
/// Samples between two segments of the output.
const HOP: usize = SEGMENT / 2;
/// How far a segment may be taken from where it belongs, to fit the one before it: a pitch period.
const SEARCH: usize = 160;
/// Every so many samples are compared in the search.
const STRIDE: usize = 2;

/// One line being stretched. Holds less than 100 ms of input; output waits until it is taken.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Samples of input for one of output.
    speed: f64,
    input: VecDeque<f32>,
    /// Number of the first sample in `input`.
    first: usize,
    /// Where the next segment belongs in the input.
    at: f64,
    /// Where the segment before it was taken, plus one hop: how the voice really went on.
    follows: Option<usize>,
    /// The second half of the segment before, faded out.
    tail: [f32; HOP],
    output: VecDeque<i16>,
    hann: [f32; SEGMENT],
    ended: bool,
}

impl Stretch {
    /// `rate_percent` of the voice's own pace: 100 changes nothing, 80 is slower, 120 faster. Kept within 50 to 200.
    pub fn new(rate_percent: u16) -> Self {
        let hann =
            std::array::from_fn(|n| 0.5 - 0.5 * (std::f32::consts::TAU * (n as f32 + 0.5) / SEGMENT as f32).cos());
        Self {
            speed: f64::from(rate_percent.clamp(50, 200)) / 100.0,
            input: VecDeque::with_capacity(4 * SEGMENT),
            first: 0,
            at: 0.0,
            follows: None,
            tail: [0.0; HOP],
            output: VecDeque::with_capacity(4 * SEGMENT),
            hann,
            ended: false,
        }
    }

    /// Takes 20 ms at 16 kHz.
    pub fn push(&mut self, samples: &Samples) {
        self.input.extend(samples.iter().map(|sample| f32::from(*sample)));
        self.work(SEGMENT + 2 * SEARCH);
    }

    /// The line is over: what is left may be taken.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            let end = self.first + self.input.len();
            self.input.extend(std::iter::repeat_n(0.0, SEGMENT + 2 * SEARCH));
            while (self.at as usize) < end {
                self.segment();
            }
        }
    }

    /// The next 20 ms, as soon as they are there; after [`finish`](Self::finish) the last ones, padded with silence.
    pub fn pop(&mut self) -> Option<Samples> {
        let enough = if self.ended { 1 } else { FRAME_SAMPLES };
        if self.output.len() < enough {
            return None;
        }
        Some(std::array::from_fn(|_| self.output.pop_front().unwrap_or(0)))
    }

    /// How long a line of so many samples becomes.
    pub fn length(&self, samples: u64) -> u64 {
        (samples as f64 / self.speed) as u64
    }

    /// Makes segments while there is input for them.
    fn work(&mut self, ahead: usize) {
        while self.at as usize + ahead <= self.first + self.input.len() {
            self.segment();
        }
    }

    fn sample(&self, at: usize) -> f32 {
        at.checked_sub(self.first).and_then(|at| self.input.get(at)).copied().unwrap_or(0.0)
    }

    fn segment(&mut self) {
        let ideal = self.at as usize;
        let start = match self.follows {
            None => ideal,
            Some(follows) => self.best(ideal, follows),
        };
        for n in 0..HOP {
            let faded_in = self.hann.get(n).copied().unwrap_or(1.0);
            let new = self.sample(start + n);
            // Nothing comes before the first segment that it could be faded with.
            let sum =
                if self.follows.is_none() { new } else { self.tail.get(n).copied().unwrap_or(0.0) + new * faded_in };
            self.output.push_back(sum.clamp(-32_768.0, 32_767.0) as i16);
        }
        self.tail =
            std::array::from_fn(|n| self.sample(start + HOP + n) * self.hann.get(HOP + n).copied().unwrap_or(0.0));
        self.follows = Some(start + HOP);
        self.at += HOP as f64 * self.speed;
        let keep = (self.at as usize).saturating_sub(SEARCH).min(start + HOP);
        while self.first < keep && self.input.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// Where near `ideal` the input is most like what follows at `follows`.
    fn best(&self, ideal: usize, follows: usize) -> usize {
        let from = ideal.saturating_sub(SEARCH).max(self.first);
        let mut best = (f32::MIN, ideal);
        for start in (from..=ideal + SEARCH).step_by(STRIDE) {
            let (mut product, mut energy) = (0.0f32, 1.0f32);
            for n in (0..HOP).step_by(STRIDE) {
                let candidate = self.sample(start + n);
                product += candidate * self.sample(follows + n);
                energy += candidate * candidate;
            }
            let likeness = product / energy.sqrt();
            if likeness > best.0 {
                best = (likeness, start);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SAMPLE_RATE_HZ;

    /// A voice of 140 Hz with ten harmonics, for so many frames.
    fn voice(frames: usize) -> Vec<Samples> {
        let at = |n: usize| {
            let t = n as f32 / SAMPLE_RATE_HZ as f32 * 140.0 * std::f32::consts::TAU;
            (1..=10).map(|h| (t * h as f32).sin() / h as f32).sum::<f32>() * 4_000.0
        };
        (0..frames).map(|frame| std::array::from_fn(|n| at(frame * FRAME_SAMPLES + n) as i16)).collect()
    }

    fn stretched(rate: u16, frames: &[Samples]) -> Vec<i16> {
        let mut stretch = Stretch::new(rate);
        let mut out = Vec::new();
        for frame in frames {
            stretch.push(frame);
            out.extend(std::iter::from_fn(|| stretch.pop()).flatten());
        }
        stretch.finish();
        out.extend(std::iter::from_fn(|| stretch.pop()).flatten());
        out
    }

    /// Upward crossings of zero by the fundamental: the running mean of half a period takes the harmonics away.
    fn hz(samples: &[i16]) -> f32 {
        let smooth: Vec<f32> = samples.windows(57).map(|w| w.iter().map(|s| f32::from(*s)).sum()).collect();
        let crossings = smooth.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        crossings as f32 * SAMPLE_RATE_HZ as f32 / smooth.len() as f32
    }

    #[test]
    fn the_length_changes_and_the_pitch_does_not() {
        let frames = voice(100);
        for rate in [80u16, 90, 100, 110, 120] {
            let out = stretched(rate, &frames);
            let expected = 32_000.0 * 100.0 / f32::from(rate);
            assert!((out.len() as f32 - expected).abs() < 700.0, "{rate}: {} for {expected}", out.len());
            let inner = &out[1_000..out.len() - 1_500];
            assert!((hz(inner) - 140.0).abs() < 4.0, "{rate}: {}", hz(inner));
            let rms = (inner.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / inner.len() as f32).sqrt();
            assert!((2_800.0..4_200.0).contains(&rms), "{rate}: not phased away, {rms}");
        }
    }

    #[test]
    fn at_its_own_pace_nothing_changes() {
        let frames = voice(20);
        let out = stretched(100, &frames);
        let input: Vec<i16> = frames.iter().flatten().copied().collect();
        let worst = input.iter().zip(&out).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max();
        assert!(worst < Some(40), "{worst:?}");
    }

    #[test]
    fn a_line_without_sound_ends_and_little_is_held() {
        assert!(stretched(90, &[]).is_empty());
        let mut stretch = Stretch::new(90);
        for frame in voice(500) {
            stretch.push(&frame);
            while stretch.pop().is_some() {}
            assert!(stretch.input.len() < 1_600 && stretch.output.len() < FRAME_SAMPLES);
        }
    }
}
