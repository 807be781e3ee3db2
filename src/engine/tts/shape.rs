//! Gives every synthesised piece the same edges and the same level.

use crate::audio::SAMPLES_PER_MS;

/// Silence left before the first sound, in milliseconds.
const LEAD_MS: usize = 10;
/// Silence left after the last sound, in milliseconds.
const TAIL_MS: usize = 40;
/// Length of the windows in which the level is taken, in samples: 5 ms.
const WINDOW: usize = 5 * SAMPLES_PER_MS as usize;
/// Below the loud windows by this factor of energy (40 dB) is silence.
const SILENCE: f64 = 1e-4;
/// Below the loud windows by this factor of energy (25 dB) is not counted as active speech.
const PASSIVE: f64 = 3.2e-3;
/// The level of active speech aimed at: -20 dBFS RMS.
const TARGET_RMS: f64 = 3276.8;
/// No sample becomes louder than this: -1 dBFS.
const PEAK: f64 = 29_204.0;
/// The most that is amplified, 30 dB: what is fainter is not speech.
const MAX_GAIN: f64 = 31.6;
/// Length of the fade at both cuts, in samples: 2 ms.
const FADE: usize = 2 * SAMPLES_PER_MS as usize;

/// `samples` at 16 kHz, cut to 10 ms before the first and 40 ms after the last sound and brought to -20 dBFS RMS (active)
/// without clipping. Empty when nothing is to be heard.
pub(super) fn shape(mut samples: Vec<i16>) -> Vec<i16> {
    let energies: Vec<f64> = samples.chunks(WINDOW).map(mean_square).collect();
    let mut sorted = energies.clone();
    sorted.sort_by(f64::total_cmp);
    let loud = sorted.get(sorted.len() * 95 / 100).copied().unwrap_or(0.0);
    let heard = |e: &&f64| **e > (loud * SILENCE).max(1.0);
    let Some(first) = energies.iter().position(|e| heard(&e)) else { return Vec::new() };
    let last = energies.iter().rposition(|e| heard(&e)).unwrap_or(first);

    let active: Vec<f64> = energies.iter().copied().filter(|&e| e > loud * PASSIVE).collect();
    let rms = (active.iter().sum::<f64>() / active.len().max(1) as f64).sqrt();
    let peak = samples.iter().map(|s| f64::from(s.unsigned_abs())).fold(1.0, f64::max);
    let gain = (TARGET_RMS / rms.max(1.0)).min(PEAK / peak).min(MAX_GAIN);

    let lead = LEAD_MS * SAMPLES_PER_MS as usize;
    let tail = TAIL_MS * SAMPLES_PER_MS as usize;
    let from = first * WINDOW;
    let to = ((last + 1) * WINDOW).min(samples.len());
    samples.truncate(to + tail);
    let missing_lead = lead.saturating_sub(from);
    samples.drain(..from.saturating_sub(lead));
    samples.splice(..0, std::iter::repeat_n(0, missing_lead));
    for sample in &mut samples {
        *sample = (f64::from(*sample) * gain).round() as i16;
    }
    fade(samples.iter_mut());
    fade(samples.iter_mut().rev());
    samples
}

/// Lets the first samples of `edge` rise from silence.
fn fade<'a>(edge: impl Iterator<Item = &'a mut i16>) {
    for (n, sample) in edge.take(FADE).enumerate() {
        *sample = (i32::from(*sample) * n as i32 / FADE as i32) as i16;
    }
}

fn mean_square(window: &[i16]) -> f64 {
    window.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / window.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(ms: usize, amplitude: f64) -> impl Iterator<Item = i16> {
        (0..ms * 16).map(move |n| ((n as f64 * 0.3).sin() * amplitude) as i16)
    }

    fn padded(amplitude: f64) -> Vec<i16> {
        std::iter::repeat_n(0, 3200).chain(tone(500, amplitude)).chain(std::iter::repeat_n(0, 8000)).collect()
    }

    #[test]
    fn trims_both_ends() {
        let out = shape(padded(4000.0));
        assert_eq!(out.len(), (10 + 500 + 40) * 16);
        assert!(out[..160].iter().all(|&s| s == 0));
        assert!(out[160..240].iter().any(|&s| s.abs() > 1000));
    }

    #[test]
    fn brings_faint_and_loud_speech_to_one_level() {
        for amplitude in [300.0, 4000.0, 30_000.0] {
            let out = shape(padded(amplitude));
            let rms = mean_square(&out[320..out.len() - 1000]).sqrt();
            assert!((rms - TARGET_RMS).abs() < TARGET_RMS * 0.05, "{amplitude}: {rms}");
        }
    }

    #[test]
    fn never_clips_a_click_in_faint_speech() {
        let mut samples = padded(300.0);
        samples[5000] = 20_000;
        let peak = shape(samples).into_iter().map(i16::unsigned_abs).max();
        assert!(peak <= Some(PEAK as u16 + 1), "{peak:?}");
    }

    #[test]
    fn gives_a_lead_to_sound_that_begins_at_once() {
        let out = shape(tone(100, 5000.0).collect());
        assert!(out[..160].iter().all(|&s| s == 0));
    }

    #[test]
    fn silence_is_nothing() {
        assert!(shape(vec![0; 1600]).is_empty());
        assert!(shape(Vec::new()).is_empty());
    }
}
