//! What is believed of a rate: a Beta distribution.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How often one rate is drawn against another to compare them: the probability is known to ± 0.003 (two standard errors at 0.99).
const DRAWS: u32 = 4_000;

/// The belief about a rate between 0 and 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Belief {
    /// Pseudo-count of what happened.
    yes: f64,
    /// Pseudo-count of what did not.
    no: f64,
}

impl Belief {
    /// A rate that was thought to be `prior_rate`, for what that is worth in tries, after `tries` with `hits`.
    pub fn new(prior_rate: f64, prior_tries: f64, hits: f64, tries: f64) -> Self {
        let least = 1e-3;
        Self {
            yes: (prior_rate * prior_tries + hits).max(least),
            no: ((1.0 - prior_rate) * prior_tries + (tries - hits).max(0.0)).max(least),
        }
    }

    /// The same mean, so many times surer.
    pub fn sharpened(self, by: f64) -> Self {
        Self { yes: self.yes * by, no: self.no * by }
    }

    /// The mean.
    pub fn mean(self) -> f64 {
        self.yes / (self.yes + self.no)
    }

    /// A rate drawn from it.
    pub fn draw(self, chance: &mut StdRng) -> f64 {
        let (yes, no) = (gamma(self.yes, chance), gamma(self.no, chance));
        if yes + no > 0.0 { yes / (yes + no) } else { self.mean() }
    }

    /// The probability that this rate is higher than the other. Always the same for the same beliefs.
    pub fn above(self, other: Self) -> f64 {
        let mut chance = StdRng::seed_from_u64(self.yes.to_bits() ^ other.no.to_bits().rotate_left(17));
        let higher = (0..DRAWS).filter(|_| self.draw(&mut chance) > other.draw(&mut chance)).count();
        higher as f64 / f64::from(DRAWS)
    }
}

/// A draw from the gamma distribution of this shape (Marsaglia and Tsang, ACM Transactions on Mathematical Software 26, 2000).
fn gamma(shape: f64, chance: &mut StdRng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, chance) * chance.random::<f64>().powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(chance);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - chance.random::<f64>()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A draw from the standard normal distribution (Box and Muller).
fn normal(chance: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - chance.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_spread_of_the_distribution() {
        // Beta(5, 95): mean 0.05, variance 5·95 / (100² · 101).
        let belief = Belief::new(0.05, 20.0, 4.0, 80.0);
        let mut chance = StdRng::seed_from_u64(1);
        let draws: Vec<f64> = (0..50_000).map(|_| belief.draw(&mut chance)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.05).abs() < 5e-4 && (belief.mean() - 0.05).abs() < 1e-12, "{mean}");
        assert!((variance / (5.0 * 95.0 / 1e4 / 101.0) - 1.0).abs() < 0.05, "{variance}");
        let few = Belief { yes: 0.3, no: 2.7 };
        let mean = (0..50_000).map(|_| few.draw(&mut chance)).sum::<f64>() / 50_000.0;
        assert!((mean - 0.1).abs() < 0.005, "a shape below 1: {mean}");
        let sharp: Vec<f64> = (0..50_000).map(|_| belief.sharpened(4.0).draw(&mut chance)).collect();
        let spread = sharp.iter().map(|x| (x - 0.05).powi(2)).sum::<f64>() / sharp.len() as f64;
        assert!((spread / (20.0 * 380.0 / 16e4 / 401.0) - 1.0).abs() < 0.05, "{spread}");
    }

    #[test]
    fn two_rates_are_compared_as_the_known_answer_says() {
        // P(Beta(2,1) > Beta(1,2)) = 5/6.
        let (high, low) = (Belief { yes: 2.0, no: 1.0 }, Belief { yes: 1.0, no: 2.0 });
        assert!((high.above(low) - 5.0 / 6.0).abs() < 0.02, "{}", high.above(low));
        assert!((low.above(low) - 0.5).abs() < 0.03);
        assert_eq!(high.above(low), high.above(low));
    }
}
