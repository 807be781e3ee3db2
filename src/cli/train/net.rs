//! A network of one hidden layer and how it learns: Adam on the weighted cross-entropy, from a seed.

use crate::speech::voice::{FEATURES, Features, Weights};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const ROW: usize = FEATURES + 1;
const HIDDEN: usize = (Weights::COUNT - 1) / (ROW + 1);
/// Examples between two steps.
const BATCH: usize = 64;
const RATE: f32 = 3e-3;
/// Pull of each weight towards zero.
const DECAY: f32 = 1e-2;
/// What is looked at is blurred by so much, so that no single number is trusted too far.
const BLUR: f32 = 0.15;

/// Something to learn from.
#[derive(Clone, Copy)]
pub(super) struct Example {
    pub features: Features,
    /// 0 or 1.
    pub wanted: f32,
    /// How much it counts.
    pub weight: f32,
}

/// The network while it learns.
pub(super) struct Net {
    numbers: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
    random: StdRng,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let numbers = (0..Weights::COUNT).map(|_| random.random_range(-0.2..0.2)).collect();
        let zeros = vec![0.0; Weights::COUNT];
        Self { numbers, first: zeros.clone(), second: zeros, steps: 0, random }
    }

    /// The weights, in the order of [`Weights::from_numbers`].
    pub(super) fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// Adds to the answer before it becomes a probability.
    pub(super) fn shift(&mut self, by: f32) {
        if let Some(bias) = self.numbers.last_mut() {
            *bias += by;
        }
    }

    pub(super) fn learn(&mut self, examples: &[Example], epochs: usize) {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mean = examples.iter().map(|example| example.weight).sum::<f32>() / examples.len().max(1) as f32;
        for epoch in 0..epochs {
            order.shuffle(&mut self.random);
            let rate = RATE * (1.0 - epoch as f32 / epochs as f32).max(0.05);
            for batch in order.chunks(BATCH) {
                let mut slope = vec![0f32; Weights::COUNT];
                for example in batch.iter().map(|n| &examples[*n]) {
                    let blurred = example.features.map(|value| value + self.random.random_range(-BLUR..=BLUR));
                    let example = Example { features: blurred, ..*example };
                    self.slope(&example, example.weight / mean / batch.len() as f32, &mut slope);
                }
                self.step(&slope, rate);
            }
        }
    }

    /// Adds the gradient of one example.
    fn slope(&self, example: &Example, weight: f32, slope: &mut [f32]) {
        let (hidden, out) = self.numbers.split_at(HIDDEN * ROW);
        let mut units = [0f32; HIDDEN];
        let mut sum = out[HIDDEN];
        for ((unit, row), weight) in units.iter_mut().zip(hidden.chunks_exact(ROW)).zip(out) {
            *unit =
                (row[..FEATURES].iter().zip(&example.features).map(|(w, x)| w * x).sum::<f32>() + row[FEATURES]).tanh();
            sum += weight * *unit;
        }
        let error = weight * (1.0 / (1.0 + (-sum).exp()) - example.wanted);
        let (hidden_slope, out_slope) = slope.split_at_mut(HIDDEN * ROW);
        out_slope[HIDDEN] += error;
        for (((unit, row), out_slope), weight) in
            units.iter().zip(hidden_slope.chunks_exact_mut(ROW)).zip(out_slope).zip(out)
        {
            *out_slope += error * unit;
            let inner = error * weight * (1.0 - unit * unit);
            row[..FEATURES].iter_mut().zip(&example.features).for_each(|(slope, x)| *slope += inner * x);
            row[FEATURES] += inner;
        }
    }

    fn step(&mut self, slope: &[f32], rate: f32) {
        self.steps += 1;
        let (one, two) = (1.0 - 0.9f32.powi(self.steps), 1.0 - 0.999f32.powi(self.steps));
        for (((number, slope), first), second) in
            self.numbers.iter_mut().zip(slope).zip(&mut self.first).zip(&mut self.second)
        {
            *first += 0.1 * (slope - *first);
            *second += 0.001 * (slope * slope - *second);
            *number -= rate * (*first / one / ((*second / two).sqrt() + 1e-8) + DECAY * *number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_no_line_divides_and_the_same_from_the_same_seed() {
        let mut random = StdRng::seed_from_u64(3);
        let examples: Vec<Example> = (0..400)
            .map(|_| {
                let mut features = [0f32; FEATURES];
                let (a, b) = (random.random_range(-1.0..1f32), random.random_range(-1.0..1f32));
                (features[0], features[1]) = (a, b);
                Example { features, wanted: if a * b > 0.0 { 1.0 } else { 0.0 }, weight: 1.0 }
            })
            .collect();
        let learn = |seed| {
            let mut net = Net::new(seed);
            net.learn(&examples, 600);
            net
        };
        let net = learn(1);
        let weights = Weights::from_numbers(net.numbers()).unwrap();
        let right = examples.iter().filter(|e| (weights.score(&e.features) > 0.5) == (e.wanted > 0.5)).count();
        assert!(right > 370, "{right} of 400");
        assert_eq!(net.numbers(), learn(1).numbers());
        assert_ne!(net.numbers(), learn(2).numbers());
    }
}
