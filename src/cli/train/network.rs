//! One hidden layer, squared error, Adam: what the band extension needs of learning.

use crate::audio::bandwidth::{BandModel, HIDDEN, HIGH, INPUTS};
use crate::sim::Dice;

/// What is shown to the network.
pub(super) struct Example {
    pub inputs: [f32; INPUTS],
    pub target: [f32; HIGH],
    pub weight: f32,
}

/// Examples between two steps.
const BATCH: usize = 128;
const RATE: f32 = 2e-3;
const DECAY: f32 = 1e-5;

/// The gradient of some weights, and what Adam remembers of it.
struct Adam {
    sum: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Adam {
    fn new(size: usize) -> Self {
        Self { sum: vec![0.0; size], mean: vec![0.0; size], square: vec![0.0; size] }
    }

    fn step(&mut self, weights: &mut [f32], rate: f32, steps: i32) {
        let (mean_scale, square_scale) = (1.0 / (1.0 - 0.9f32.powi(steps)), 1.0 / (1.0 - 0.999f32.powi(steps)));
        let memory = self.sum.iter_mut().zip(&mut self.mean).zip(&mut self.square);
        for (weight, ((sum, mean), square)) in weights.iter_mut().zip(memory) {
            let slope = std::mem::take(sum) / BATCH as f32 + DECAY * *weight;
            *mean = 0.9 * *mean + 0.1 * slope;
            *square = 0.999 * *square + 0.001 * slope * slope;
            *weight -= rate * *mean * mean_scale / ((*square * square_scale).sqrt() + 1e-8);
        }
    }
}

/// Trains the weights of `model` (its shape is left as it is). `told` hears of each round: its number and the error.
pub(super) fn train(
    model: &mut BandModel,
    examples: &[Example],
    rounds: u32,
    dice: &mut Dice,
    mut told: impl FnMut(u32, f64),
) {
    let scale = |n: usize| (3.0 / n as f32).sqrt();
    model.first.iter_mut().for_each(|w| *w = dice.between(-1.0, 1.0) as f32 * scale(INPUTS));
    model.second.iter_mut().for_each(|w| *w = dice.between(-1.0, 1.0) as f32 * scale(HIDDEN));
    let mut first = Adam::new(HIDDEN * INPUTS);
    let mut first_bias = Adam::new(HIDDEN);
    let mut second = Adam::new(HIGH * HIDDEN);
    let mut second_bias = Adam::new(HIGH);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let total = (rounds as usize * examples.len().div_ceil(BATCH)).max(1);
    let mut steps = 0_i32;
    for round in 1..=rounds {
        shuffle(&mut order, dice);
        let mut error = 0.0;
        for batch in order.chunks(BATCH) {
            for example in batch.iter().map(|&n| &examples[n]) {
                let mut hidden = [0.0; HIDDEN];
                let out = model.predict(&example.inputs, &mut hidden);
                let mut back = [0.0f32; HIDDEN];
                for (band, (out, target)) in out.iter().zip(&example.target).enumerate() {
                    let off = (out - target) * example.weight;
                    error += f64::from(off * (out - target));
                    second_bias.sum[band] += off;
                    let rows = band * HIDDEN..(band + 1) * HIDDEN;
                    for (((sum, weight), back), active) in
                        second.sum[rows.clone()].iter_mut().zip(&model.second[rows]).zip(&mut back).zip(&hidden)
                    {
                        *sum += off * active;
                        *back += off * weight;
                    }
                }
                for (unit, back) in back.iter().enumerate().filter(|(unit, _)| hidden[*unit] > 0.0) {
                    first_bias.sum[unit] += back;
                    let row = &mut first.sum[unit * INPUTS..(unit + 1) * INPUTS];
                    row.iter_mut().zip(&example.inputs).for_each(|(sum, input)| *sum += back * input);
                }
            }
            steps += 1;
            // Down to nothing along a quarter of a wave.
            let rate = RATE * (std::f32::consts::FRAC_PI_2 * steps as f32 / total as f32).cos().max(0.0);
            first.step(&mut model.first, rate, steps);
            first_bias.step(&mut model.first_bias, rate, steps);
            second.step(&mut model.second, rate, steps);
            second_bias.step(&mut model.second_bias, rate, steps);
        }
        told(round, error / (examples.len() * HIGH).max(1) as f64);
    }
}

fn shuffle<T>(list: &mut [T], dice: &mut Dice) {
    for last in (1..list.len()).rev() {
        list.swap(last, (dice.throw() % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_can_be_learned_and_the_same_from_the_same_seed() {
        let learn = || {
            let mut dice = Dice::new(7);
            let example = |dice: &mut Dice| {
                let mut inputs = [0.0; INPUTS];
                inputs[..8].iter_mut().for_each(|input| *input = dice.between(-1.0, 1.0) as f32);
                let target = std::array::from_fn(|band| inputs[band % 8].abs() - inputs[0]);
                Example { inputs, target, weight: 1.0 }
            };
            let examples: Vec<Example> = (0..2000).map(|_| example(&mut dice)).collect();
            let mut model = BandModel::zero();
            let mut errors = Vec::new();
            train(&mut model, &examples, 40, &mut dice, |_, error| errors.push(error));
            (model, errors)
        };
        let (model, errors) = learn();
        assert!(errors[39] < errors[0] / 10.0, "{errors:?}");
        assert_eq!(model, learn().0);
    }
}
