//! Sounds of a caller that are no words.

use super::dice::Dice;

/// Samples in a second.
const RATE: f64 = 16_000.0;

/// A cough at 16 kHz: one to three bursts of noise, sharp at first and dull towards the end, each 80 to 180 ms long.
pub fn cough(dice: &mut Dice) -> Vec<i16> {
    let mut samples = Vec::new();
    let bursts = 1 + (dice.unit() * 3.0) as usize;
    for burst in 0..bursts {
        if burst > 0 {
            samples.resize(samples.len() + (dice.between(0.06, 0.16) * RATE) as usize, 0);
        }
        let length = (dice.between(0.08, 0.18) * RATE) as usize;
        let peak = dice.between(5_000.0, 11_000.0);
        let mut low = 0.0;
        for n in 0..length {
            let part = n as f64 / length as f64;
            let attack = (n as f64 / (0.006 * RATE)).min(1.0);
            // A low-pass whose corner falls from about 4 kHz to about 400 Hz.
            let open = 0.8 - 0.65 * part;
            low += open * (dice.between(-1.0, 1.0) - low);
            samples.push((low * peak * attack * (-3.0 * part).exp()) as i16);
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cough_is_short_loud_and_repeatable() {
        for seed in 0..50 {
            let samples = cough(&mut Dice::new(seed));
            assert!((0.08..0.9).contains(&(samples.len() as f64 / RATE)), "{}", samples.len());
            let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
            assert!((1_500..12_000).contains(&peak), "{peak}");
            assert_eq!(samples, cough(&mut Dice::new(seed)));
        }
    }
}
