//! Packet loss concealment by waveform substitution, in the spirit of G.711 Appendix I but at 16 kHz and without its delay.
//!
//! A lost frame is filled with the last pitch periods of what was heard: one period for the first 10 ms, then two, then
//! three, so that a long loss does not buzz. It fades from 10 ms on and is silent after 60 ms. The seams are cross-faded;
//! where Appendix I delays all audio by 3.75 ms to be able to blend the first seam, here the step that is left at it is
//! subtracted and let die away over 2 ms. When packets come back, the substitute goes on under the first good samples and is
//! faded out.

use super::{SAMPLES_PER_MS, Samples};

const MS: usize = SAMPLES_PER_MS as usize;
/// Shortest pitch period looked for: 5 ms (200 Hz; higher voices are found at a multiple).
const PERIOD_MIN: usize = 5 * MS;
/// Longest pitch period: 15 ms (66 Hz).
const PERIOD_MAX: usize = 15 * MS;
/// Samples that are compared to find the period: 20 ms.
const COMPARED: usize = 20 * MS;
/// What is remembered: three of the longest periods and the seam before them.
const HISTORY: usize = 3 * PERIOD_MAX + PERIOD_MAX / 4;
/// The substitute is at full level for so long …
const HOLD: usize = 10 * MS;
/// … and silent from here on.
const SILENT: usize = 60 * MS;
/// The step at the first seam dies away within this.
const STEP_FADE: usize = 2 * MS;

/// Fills what was lost. One per call; never allocates.
#[derive(Clone)]
pub struct Concealer {
    /// The last samples played, made up ones included.
    history: [i16; HISTORY],
    loss: Option<Loss>,
}

/// A loss that goes on.
#[derive(Clone)]
struct Loss {
    /// What was heard before it.
    source: [i16; HISTORY],
    /// Its pitch period in samples.
    period: usize,
    /// Index in `source` of the next sample to give.
    next: usize,
    /// How far to jump back at the end of `source`.
    jump: usize,
    /// Samples given so far.
    given: usize,
    /// What remained between the last true sample and its counterpart one period before.
    step: f32,
}

impl Default for Concealer {
    fn default() -> Self {
        Self { history: [0; HISTORY], loss: None }
    }
}

impl Concealer {
    /// Takes what was received, after [`conceal`](Self::conceal) blending its beginning with the end of the substitute.
    /// Any length.
    pub fn good(&mut self, samples: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            // 4 ms and another 4 for each 10 ms lost, at most 10.
            let blend = (4 * MS + loss.given * 2 / 5).min(10 * MS).min(samples.len());
            for (n, sample) in samples.iter_mut().take(blend).enumerate() {
                let weight = (n + 1) as f32 / (blend + 1) as f32;
                *sample = to_sample(f32::from(*sample) * weight + loss.next_sample() * (1.0 - weight));
            }
        }
        self.remember(samples);
    }

    /// Makes up 20 ms.
    pub fn conceal(&mut self, out: &mut Samples) {
        let history = &self.history;
        let loss = self.loss.get_or_insert_with(|| Loss::new(history));
        for sample in out.iter_mut() {
            *sample = to_sample(loss.next_sample());
        }
        self.remember(out);
    }

    fn remember(&mut self, samples: &[i16]) {
        let tail = samples.get(samples.len().saturating_sub(HISTORY)..).unwrap_or_default();
        self.history.copy_within(tail.len().., 0);
        for (slot, sample) in self.history.iter_mut().rev().zip(tail.iter().rev()) {
            *slot = *sample;
        }
    }
}

impl Loss {
    fn new(source: &[i16; HISTORY]) -> Self {
        let period = pitch_period(source);
        let at = |index: usize| f32::from(source.get(index).copied().unwrap_or_default());
        Self {
            source: *source,
            period,
            next: HISTORY - period,
            jump: period,
            given: 0,
            step: at(HISTORY - 1) - at(HISTORY - 1 - period),
        }
    }

    fn at(&self, index: usize) -> f32 {
        f32::from(self.source.get(index).copied().unwrap_or_default())
    }

    /// The next sample of the substitute, faded.
    fn next_sample(&mut self) -> f32 {
        if self.given >= SILENT {
            return 0.0;
        }
        let seam = self.period / 4;
        let left = HISTORY.saturating_sub(self.next);
        if left > seam {
            // Only outside a seam may its far side move.
            self.jump = self.period * (self.given / HOLD + 1).min(3);
        }
        let mut value = self.at(self.next);
        if left <= seam {
            let weight = left as f32 / (seam + 1) as f32;
            value = value * weight + self.at(self.next.saturating_sub(self.jump)) * (1.0 - weight);
        }
        if self.given < STEP_FADE {
            value += self.step * (1.0 - self.given as f32 / STEP_FADE as f32);
        }
        self.next += 1;
        if self.next >= HISTORY {
            self.next = HISTORY.saturating_sub(self.jump);
        }
        let fade = 1.0 - self.given.saturating_sub(HOLD) as f32 / (SILENT - HOLD) as f32;
        self.given += 1;
        value * fade
    }
}

/// The lag at which the end of `source` resembles itself most: every second lag and sample first, then around the best.
fn pitch_period(source: &[i16; HISTORY]) -> usize {
    let score = |lag: usize, step: usize| {
        let recent = source.iter().skip(HISTORY - COMPARED).step_by(step);
        let before = source.iter().skip(HISTORY - COMPARED - lag).step_by(step);
        // The floor keeps silence from dividing by zero.
        let (mut product, mut energy) = (0.0f32, 1.0f32);
        for (a, b) in recent.zip(before) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            product += a * b;
            energy += b * b;
        }
        product / energy.sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (score(lag, step), lag)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(PERIOD_MAX, |(_, lag)| lag)
    };
    let coarse = best(&mut (PERIOD_MIN..=PERIOD_MAX).step_by(2), 2);
    best(&mut (coarse.saturating_sub(1).max(PERIOD_MIN)..=(coarse + 1).min(PERIOD_MAX)), 1)
}

/// Rounds to the nearest sample, saturating.
fn to_sample(value: f32) -> i16 {
    (value + 0.5f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::PI;

    /// A voiced sound: harmonics of `hz`, falling by 6 dB an octave.
    fn voice(hz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| {
                let t = n as f64 / 16_000.0;
                let sum: f64 = (1..=12).map(|k| (2.0 * PI * hz * f64::from(k) * t).sin() / f64::from(k)).sum();
                (5000.0 * sum) as i16
            })
            .collect()
    }

    fn largest_second_difference(signal: &[i16]) -> i32 {
        signal.windows(3).map(|w| (i32::from(w[2]) - 2 * i32::from(w[1]) + i32::from(w[0])).abs()).max().unwrap()
    }

    fn rms(signal: &[i16]) -> f64 {
        (signal.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / signal.len() as f64).sqrt()
    }

    /// Plays `signal` with the frames of `lost` missing.
    fn play(signal: &[i16], lost: std::ops::Range<usize>) -> Vec<i16> {
        let mut plc = Concealer::default();
        let mut out = Vec::new();
        for (index, frame) in signal.as_chunks::<320>().0.iter().enumerate() {
            let mut frame = *frame;
            if lost.contains(&index) {
                plc.conceal(&mut frame)
            } else {
                plc.good(&mut frame)
            }
            out.extend_from_slice(&frame);
        }
        out
    }

    #[test]
    fn the_pitch_is_found() {
        for hz in [80.0, 110.0, 145.0, 190.0] {
            let signal = voice(hz, HISTORY);
            let period = pitch_period(signal.as_slice().try_into().unwrap());
            let cycles = period as f64 * hz / 16_000.0;
            assert!((cycles - cycles.round()).abs() < 0.01, "{hz} Hz: {period} samples");
        }
    }

    #[test]
    fn a_lost_frame_of_a_steady_voice_is_hardly_noticed() {
        for hz in [85.0, 120.0, 177.0, 230.0] {
            let signal = voice(hz, 320 * 30);
            let out = play(&signal, 10..11);
            let noise: Vec<i16> = signal[3200..3840].iter().zip(&out[3200..3840]).map(|(a, b)| a - b).collect();
            let snr = 20.0 * (rms(&signal[3200..3840]) / rms(&noise)).log10();
            assert!(snr > 8.0, "{hz} Hz: {snr:.1} dB");
        }
    }

    #[test]
    fn no_clicks_at_any_seam() {
        for hz in [85.0, 120.0, 177.0, 230.0] {
            let signal = voice(hz, 320 * 30);
            let bound = largest_second_difference(&signal) * 3 / 2;
            for lost in 1..8 {
                let got = largest_second_difference(&play(&signal, 10..10 + lost)[1..]);
                assert!(got <= bound, "{hz} Hz, {lost} frames lost: {got} > {bound}");
            }
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_and_the_return_is_whole() {
        let signal = voice(130.0, 320 * 30);
        let out = play(&signal, 10..20);
        let level = |frame: usize| rms(&out[320 * frame..320 * (frame + 1)]);
        assert!(level(10) > 0.8 * rms(&signal[3200..3520]));
        assert!(level(11) < level(10) && level(12) < level(11));
        assert!(out[320 * 13..320 * 20].iter().all(|s| *s == 0));
        assert_eq!(out[320 * 20 + 160..], signal[320 * 20 + 160..], "10 ms after the return all is as received");
    }

    #[test]
    fn without_loss_nothing_is_touched_and_without_history_nothing_is_made_up() {
        let signal = voice(130.0, 3200);
        assert_eq!(play(&signal, 0..0), signal);
        let mut frame = [99; 320];
        Concealer::default().conceal(&mut frame);
        assert_eq!(frame, [0; 320]);
    }

    proptest! {
        #[test]
        fn any_mix_of_lengths_and_losses_is_bounded_by_what_was_heard(
            steps in proptest::collection::vec((any::<bool>(), proptest::collection::vec(-9000i16..9000, 0..1500)), 1..12),
        ) {
            let mut plc = Concealer::default();
            for (lost, mut samples) in steps {
                if lost {
                    let mut frame = [0; 320];
                    plc.conceal(&mut frame);
                    prop_assert!(frame.iter().all(|s| s.unsigned_abs() <= 27_000));
                } else {
                    plc.good(&mut samples);
                    prop_assert!(samples.iter().all(|s| s.unsigned_abs() <= 27_000));
                }
            }
        }
    }
}
