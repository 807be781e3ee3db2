//! Whole buffers from any rate to any rate, for files and voices. (The line's own 8 ↔ 16 kHz is in
//! [`HalfBandUp`]: it streams and delays by 1.7 ms.)

use super::{AudioError, HalfBandUp};
use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Rates outside are refused: no recording has them, and the filters would grow without bound.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4000..=384_000;
/// Input samples per transform.
const CHUNK: usize = 1024;

/// Converts a whole mono buffer; sample `n` of the output stands at the same time as sample `n × from / to` of the input.
/// Allocates.
///
/// # Errors
/// [`AudioError::Rate`] for a rate below 4 kHz or above 384 kHz, [`AudioError::Resample`] when the resampler fails.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, AudioError> {
    if !RATES_HZ.contains(&from_hz) || !RATES_HZ.contains(&to_hz) {
        return Err(AudioError::Rate { from_hz, to_hz });
    }
    if from_hz == to_hz || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let failed = |what: String| AudioError::Resample { from_hz, to_hz, what };
    let mut resampler = Fft::<f32>::new(from_hz as usize, to_hz as usize, CHUNK, 1, FixedSync::Input)
        .map_err(|error| failed(error.to_string()))?;
    let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|error| failed(error.to_string()))?;
    let mut out = vec![0.0; resampler.process_all_needed_output_len(samples.len())];
    let room = out.len();
    let mut output = InterleavedSlice::new_mut(&mut out, 1, room).map_err(|error| failed(error.to_string()))?;
    let (_, written) = resampler
        .process_all_into_buffer(&input, &mut output, samples.len(), None)
        .map_err(|error| failed(error.to_string()))?;
    out.truncate(written);
    Ok(out)
}

/// As [`resample`], for 16-bit samples; rounds and saturates.
///
/// # Errors
/// As [`resample`].
pub fn resample_i16(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, AudioError> {
    if from_hz == to_hz {
        return Ok(samples.to_vec());
    }
    let input: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    Ok(to_i16(&resample(&input, from_hz, to_hz)?))
}

/// Samples of −1 to 1 as 16-bit ones; rounds and saturates.
pub(super) fn to_i16(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|s| (s * 32_768.0).round() as i16).collect()
}

/// A whole 8 kHz buffer as the decoder of the line would give it, but without its delay: what a test or an evaluation
/// needs to hear a telephone recording as a call would.
pub fn widen(samples: &[i16]) -> Vec<i16> {
    let mut input = samples.to_vec();
    let tail = super::HALF_BAND_DELAY.div_ceil(2);
    input.resize(samples.len() + tail, 0);
    let mut out = vec![0; 2 * input.len()];
    HalfBandUp::default().process(&input, &mut out);
    out.drain(..super::HALF_BAND_DELAY);
    out.truncate(2 * samples.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn sine(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (12_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_place_and_length() {
        for (from, to) in [(8000, 16_000), (44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (16_000, 8000)] {
            let input = sine(1000.0, from, from as usize);
            let out = resample_i16(&input, from, to).unwrap();
            assert!(out.len().abs_diff(to as usize) <= 1, "{from} to {to}: {} samples", out.len());
            let want = sine(1000.0, to, to as usize);
            let worst = (2000..6000).map(|n| (i32::from(out[n]) - i32::from(want[n])).abs()).max().unwrap();
            // Where the filter's centre falls between two samples the result is off by less than half a sample.
            assert!(worst < 2350, "{from} to {to}: off by {worst}");
        }
    }

    #[test]
    fn what_does_not_fit_the_new_rate_is_gone() {
        let out = resample_i16(&sine(11_000.0, 48_000, 48_000), 48_000, 16_000).unwrap();
        let peak = out[1000..15_000].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak < 24, "alias of {peak}");
    }

    #[test]
    fn short_and_empty_buffers_and_odd_rates() {
        assert!(resample_i16(&[], 8000, 16_000).unwrap().is_empty());
        assert_eq!(resample_i16(&[5; 10], 8000, 16_000).unwrap().len(), 20);
        assert_eq!(resample_i16(&[5; 7], 16_000, 16_000).unwrap(), [5; 7]);
        assert!(resample_i16(&[5; 700], 11_025, 16_000).is_ok());
        let error = resample_i16(&[5; 7], 0, 16_000).unwrap_err().to_string();
        assert!(error.contains("0 Hz"), "{error}");
    }

    #[test]
    fn widening_keeps_the_place() {
        let wide = widen(&sine(500.0, 8000, 800));
        let want = sine(500.0, 16_000, 1600);
        assert_eq!(wide.len(), want.len());
        assert!((200..1400).all(|n| (i32::from(wide[n]) - i32::from(want[n])).abs() < 30));
    }
}
