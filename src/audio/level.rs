//! Levels in dBFS, and where sound begins and ends: the ruler of the response gap.
//!
//! 0 dBFS is the level of a full-scale square wave (32768), so a full-scale sine has −3 dBFS.

use super::SAMPLES_PER_MS;

/// Sound above this is audible: −50 dBFS.
///
/// Speech on a line lies around −26 dBFS (ITU-T P.56 levels of −36 to −16), the idle noise of A-law and of quiet rooms
/// below −60. At −50 a weak fricative still counts as speech and neither breath noise nor a codec's idle pattern does.
pub const AUDIBLE_DBFS: f32 = -50.0;
/// The level of digital silence: below everything that 16 bits can carry.
pub const SILENCE_DBFS: f32 = -100.0;
/// Length of the steps in which [`first_audible`] and [`last_audible`] look: 2 ms.
pub const AUDIBLE_STEP: usize = 2 * SAMPLES_PER_MS as usize;

/// Root mean square, −100 for silence and for no samples.
pub fn rms_dbfs(samples: &[i16]) -> f32 {
    // 64 bits hold the sum of 2^33 squares.
    let sum: u64 = samples.iter().map(|s| u64::from(s.unsigned_abs()).pow(2)).sum();
    if samples.is_empty() || sum == 0 {
        return SILENCE_DBFS;
    }
    let mean = sum as f64 / samples.len() as f64 / (32_768.0 * 32_768.0);
    (10.0 * mean.log10()).max(f64::from(SILENCE_DBFS)) as f32
}

/// Largest sample, −100 for silence and for no samples.
pub fn peak_dbfs(samples: &[i16]) -> f32 {
    match samples.iter().map(|s| s.unsigned_abs()).max() {
        None | Some(0) => SILENCE_DBFS,
        Some(peak) => 20.0 * (f32::from(peak) / 32_768.0).log10(),
    }
}

/// Is the root mean square above [`AUDIBLE_DBFS`]?
pub fn is_audible(samples: &[i16]) -> bool {
    rms_dbfs(samples) > AUDIBLE_DBFS
}

/// Index of the first sample of the first audible step.
pub fn first_audible(samples: &[i16]) -> Option<usize> {
    samples.chunks(AUDIBLE_STEP).position(is_audible).map(|step| step * AUDIBLE_STEP)
}

/// Index just after the last sample of the last audible step. The steps are counted from the beginning, as in
/// [`first_audible`].
pub fn last_audible(samples: &[i16]) -> Option<usize> {
    let step = samples.chunks(AUDIBLE_STEP).rposition(is_audible)?;
    Some(((step + 1) * AUDIBLE_STEP).min(samples.len()))
}

/// Scales `samples` so that their root mean square is `dbfs`, saturating; silence stays silent.
pub fn normalise(samples: &mut [i16], dbfs: f32) {
    let now = rms_dbfs(samples);
    if now <= SILENCE_DBFS {
        return;
    }
    let gain = 10f32.powf((dbfs - now) / 20.0);
    for sample in samples {
        *sample = (f32::from(*sample) * gain).round() as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_known_signals() {
        assert_eq!(rms_dbfs(&[]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[0; 320]), SILENCE_DBFS);
        assert!(rms_dbfs(&[i16::MIN; 320]).abs() < 1e-3);
        assert!((rms_dbfs(&[3277, -3277]) + 20.0).abs() < 0.01);
        assert!((peak_dbfs(&[0, 16_384, 5]) + 6.02).abs() < 0.01);
        assert_eq!(peak_dbfs(&[]), SILENCE_DBFS);
        let sine: Vec<i16> = (0..1600).map(|n| (32_767.0 * (n as f32 * 0.0785398).sin()) as i16).collect();
        assert!((rms_dbfs(&sine) + 3.01).abs() < 0.02);
    }

    #[test]
    fn the_ends_of_sound_are_found_within_a_step() {
        let mut signal = vec![3i16; 4000];
        for (n, sample) in signal[1003..2771].iter_mut().enumerate() {
            *sample = if n % 10 < 5 { 2000 } else { -2000 };
        }
        let (first, last) = (first_audible(&signal).unwrap(), last_audible(&signal).unwrap());
        assert!(first <= 1003 && 1003 - first < AUDIBLE_STEP, "{first}");
        assert!(last >= 2771 && last - 2771 < AUDIBLE_STEP, "{last}");
        assert_eq!(first_audible(&[3; 4000]), None);
        assert_eq!(last_audible(&[]), None);
        assert_eq!(last_audible(&[9000; 33]), Some(33));
    }

    #[test]
    fn normalising_gives_the_level_asked_for() {
        let mut signal: Vec<i16> = (0..1600).map(|n| if n % 40 < 20 { 300 } else { -300 }).collect();
        normalise(&mut signal, -26.0);
        assert!((rms_dbfs(&signal) + 26.0).abs() < 0.1);
        let mut silence = [0; 10];
        normalise(&mut silence, -26.0);
        assert_eq!(silence, [0; 10]);
    }
}
