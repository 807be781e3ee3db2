use super::*;
use crate::audio::{CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES};
use std::f32::consts::PI;

/// A vowel: pulses through resonances. Everything that is measured is known of it.
struct Vowel {
    /// At second t, in Hz.
    pitch: fn(f32) -> f32,
    formants_hz: [f32; 3],
    /// Neighbouring periods differ by so much on average, as a share.
    jitter: f32,
    /// Neighbouring heights, in dB.
    shimmer_db: f32,
    /// Noise below the voice, in dB.
    noise_db: Option<f32>,
}

const PLAIN: Vowel =
    Vowel { pitch: |_| 120.0, formants_hz: [700.0, 1220.0, 2600.0], jitter: 0.0, shimmer_db: 0.0, noise_db: None };

fn throw(state: &mut u32) -> f32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 8) as f32 / (1 << 23) as f32 - 1.0
}

impl Vowel {
    fn speak(&self, seconds: f32) -> Vec<i16> {
        const RATE: f32 = 16_000.0;
        let count = (seconds * RATE) as usize;
        let mut sound = vec![0f32; count];
        // Pulses fall between samples: each is shared by its two neighbours, low-passed as a glottis does.
        let (mut at, mut state) = (10.0f32, 5u32);
        // The mean difference of two even throws in ±1 is 2/3.
        while (at as usize) + 2 < count {
            let height = 10f32.powf(1.5 * self.shimmer_db * throw(&mut state) / 20.0);
            let share = at.fract();
            sound[at as usize] += height * (1.0 - share);
            sound[at as usize + 1] += height * share;
            let period = RATE / (self.pitch)(at / RATE);
            at += period * (1.0 + 1.5 * self.jitter * throw(&mut state));
        }
        for (hz, width) in [(0.0, 200.0)].into_iter().chain(self.formants_hz.into_iter().zip([80.0, 100.0, 150.0])) {
            let radius = (-PI * width / RATE).exp();
            let (a, b) = (2.0 * radius * (TAU * hz / RATE).cos(), -radius * radius);
            let (mut y1, mut y2) = (0.0, 0.0);
            for sample in &mut sound {
                let y = *sample + a * y1 + b * y2;
                (y2, y1) = (y1, y);
                *sample = y;
            }
        }
        let power = sound.iter().map(|x| x * x).sum::<f32>() / count as f32;
        let gain = 2500.0 / power.sqrt();
        // Even throws in ±1 have a power of a third.
        let noise = self.noise_db.map_or(0.0, |db| 2500.0 * 3f32.sqrt() * 10f32.powf(-db / 20.0));
        sound.iter().map(|x| (x * gain + noise * throw(&mut state)) as i16).collect()
    }
}

/// Cut at 300 Hz, and µ-law at 8 kHz.
fn telephone(samples: &[i16]) -> Vec<i16> {
    let w = (PI * 300.0 / 16_000.0).tan();
    let n = 1.0 / (1.0 + 2f32.sqrt() * w + w * w);
    let (a1, a2) = (2.0 * (w * w - 1.0) * n, (1.0 - 2f32.sqrt() * w + w * w) * n);
    let mut sound: Vec<f32> = samples.iter().map(|sample| f32::from(*sample)).collect();
    for _ in 0..2 {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for sample in &mut sound {
            let y = n * (*sample - 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
            (x2, x1, y2, y1) = (x1, *sample, y1, y);
            *sample = y;
        }
    }
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    let frames = sound.as_chunks::<FRAME_SAMPLES>().0;
    frames
        .iter()
        .flat_map(|frame| {
            let (mut bytes, mut heard) = ([0; FRAME_BYTES], [0i16; FRAME_SAMPLES]);
            let length = encoder.encode(&frame.map(|sample| sample as i16), &mut bytes);
            decoder.decode(&bytes[..length], &mut heard);
            heard
        })
        .collect()
}

fn measure(samples: &[i16]) -> Vec<Descriptors> {
    let (mut extractor, mut steps) = (Extractor::default(), Vec::new());
    for frame in samples.as_chunks().0 {
        extractor.push(frame, &mut |step| steps.push(*step));
    }
    extractor.finish(&mut |step| steps.push(*step));
    assert_eq!(steps.len(), 2 * (samples.len() / FRAME_SAMPLES), "every step comes out once");
    steps
}

fn mean(steps: &[Descriptors], value: impl Fn(&Descriptors) -> Option<f32>) -> f32 {
    let values: Vec<f32> = steps.iter().filter_map(value).collect();
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn a_vowel_has_the_pitch_and_the_formants_that_it_was_given() {
    for (pitch, formants_hz) in [
        ((|_| 95.0) as fn(f32) -> f32, [700.0, 1220.0, 2600.0]),
        (|_| 120.0, [310.0, 2020.0, 2960.0]),
        (|_| 210.0, [530.0, 1840.0, 2480.0]),
        (|t| 140.0 + 60.0 * t, [440.0, 1020.0, 2240.0]),
    ] {
        let vowel = Vowel { pitch, formants_hz, ..PLAIN };
        let sound = vowel.speak(1.0);
        for (line, sound) in [("wide", sound.clone()), ("telephone", telephone(&sound))] {
            let steps = measure(&sound);
            let inner = &steps[8..steps.len() - 4];
            let off = |(n, step): (usize, &Descriptors)| {
                // Centred 20 ms before the end of its step.
                let wanted = pitch((n + 9) as f32 * 0.01 - 0.02);
                (step.pitch_hz.unwrap_or(0.0) / wanted - 1.0).abs()
            };
            let gross = inner.iter().enumerate().map(off).filter(|off| *off > 0.05).count();
            assert!(gross == 0, "{line} {formants_hz:?}: {gross} of {}", inner.len());
            // A telephone takes away the lower side of a first formant below 400 Hz.
            let from = usize::from(line == "telephone" && formants_hz[0] < 500.0);
            for (n, wanted) in formants_hz.iter().enumerate().take(2).skip(from) {
                // The slope of the source, an octave lower than the mouth, may be found as one more below them.
                let nearest = |found: Formants| {
                    found.hz.into_iter().min_by(|a, b| (a - wanted).abs().total_cmp(&(b - wanted).abs()))
                };
                let hz = mean(inner, |step| step.formants.and_then(nearest));
                // Prediction goes to the nearest harmonic where they are far apart.
                let far = 0.08 * wanted + 0.5 * pitch(0.5);
                assert!((hz - wanted).abs() < far, "{line}: formant {} at {hz} and not {wanted}", n + 1);
            }
        }
    }
}

#[test]
fn periods_that_differ_are_heard_to_differ() {
    for (jitter, shimmer_db) in [(0.0, 0.0), (0.01, 0.0), (0.03, 0.0), (0.0, 0.6), (0.0, 1.2)] {
        let steps = measure(&Vowel { jitter, shimmer_db, ..PLAIN }.speak(3.0));
        let heard = mean(&steps, |step| step.jitter);
        assert!((heard - jitter).abs() < 0.004 + 0.35 * jitter, "jitter {heard} and not {jitter}");
        let heard = mean(&steps, |step| step.shimmer_db);
        if jitter == 0.0 {
            assert!((heard - shimmer_db).abs() < 0.15 + 0.35 * shimmer_db, "shimmer {heard} dB and not {shimmer_db}");
        }
    }
}

#[test]
fn noise_lowers_the_harmonicity_by_as_much_as_there_is() {
    let mut before = f32::INFINITY;
    for noise_db in [30.0, 20.0, 10.0] {
        let vowel = Vowel { noise_db: Some(noise_db), ..PLAIN };
        let heard = mean(&measure(&vowel.speak(2.0)), |step| step.pitch_hz.map(|_| step.hnr_db));
        // Half of the noise lies above 4 kHz, where nothing is looked at.
        assert!((heard - noise_db - 3.0).abs() < 4.0, "{heard} dB and not {}", noise_db + 3.0);
        assert!(heard < before - 5.0);
        before = heard;
    }
}

#[test]
fn the_spectrum_leans_as_it_was_tilted_and_a_level_changes_nothing_but_the_level() {
    let bright = measure(&Vowel { formants_hz: [500.0, 1800.0, 2800.0], ..PLAIN }.speak(0.5));
    let dark = measure(&Vowel { formants_hz: [450.0, 800.0, 2300.0], ..PLAIN }.speak(0.5));
    for value in [|d: &Descriptors| d.alpha_db, |d: &Descriptors| d.hammarberg_db, |d: &Descriptors| -d.centroid_hz] {
        assert!(mean(&dark, |d| Some(value(d))) > mean(&bright, |d| Some(value(d))) + 3.0);
    }
    let sound = PLAIN.speak(0.5);
    let [loud, soft] = [1, 4].map(|by| measure(&sound.iter().map(|x| x / by).collect::<Vec<_>>()));
    for (loud, soft) in loud.iter().zip(&soft).skip(8) {
        assert!((loud.level_dbfs - soft.level_dbfs - 12.04).abs() < 0.3);
        assert!((loud.alpha_db - soft.alpha_db).abs() < 0.3 && (loud.cepstrum[0] - soft.cepstrum[0]).abs() < 0.3);
        assert!((loud.pitch_hz.unwrap() / soft.pitch_hz.unwrap() - 1.0).abs() < 0.01);
    }
}

#[test]
fn silence_is_silence() {
    let steps = measure(&[0; 8000]);
    assert!(steps.iter().all(|step| *step == Descriptors::SILENCE));
}
