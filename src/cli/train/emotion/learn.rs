//! How the committees learn: Adam on the weighted cross-entropy, with part of what is seen left out, from a seed.

use crate::audio::prosody::{FUNCTIONALS, Group};
use crate::engine::emotion::{Net, Vector, rounded, softmax};
use crate::sim::Dice;

/// Examples between two steps.
const BATCH: usize = 64;
const RATE: f32 = 3e-3;
/// Pull of each weight towards zero, in proportion to the rate.
const DECAY: f32 = 0.1;
/// Inputs that are left out of an example, in percent.
const LEFT_OUT: f64 = 20.0;

/// Something to learn from: normalised, with the number of its class and how much it counts.
pub struct Example {
    /// What is seen.
    pub vector: Vector,
    /// Which output is right; with one output, 1 is yes and 0 no.
    pub class: usize,
    /// How much it counts.
    pub weight: f32,
}

/// The shape of a network to be trained.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it looks at.
    pub groups: Vec<Group>,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// How often everything is gone through.
    pub epochs: usize,
}

/// Trains a network. The same examples, plan and dice give the same one.
pub fn learn(examples: &[Example], plan: &Plan, outputs: usize, dice: &mut Dice) -> Net {
    let inputs = Net::inputs(&plan.groups);
    let size = Net::size(inputs, plan.hidden, outputs);
    let fan = (3.0 / inputs as f32).sqrt() * if plan.hidden == 0 { 0.0 } else { 0.7 };
    let first_size = if plan.hidden == 0 { size } else { (inputs + 1) * plan.hidden };
    let mut weights: Vec<f32> = (0..size)
        .map(|n| dice.between(-1.0, 1.0) as f32 * if n < first_size { fan } else { 0.2 / (plan.hidden as f32).sqrt() })
        .collect();
    let (mut slope, mut first, mut second) = (vec![0f32; size], vec![0f32; size], vec![0f32; size]);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mean = examples.iter().map(|example| example.weight).sum::<f32>() / examples.len().max(1) as f32;
    let total = (plan.epochs * examples.len().div_ceil(BATCH)).max(1);
    let mut steps = 0i32;
    let mut seen = [0f32; FUNCTIONALS];
    let net = Net { groups: plan.groups.clone(), hidden: plan.hidden, outputs, weights: Vec::new() };
    for _ in 0..plan.epochs {
        for last in (1..order.len()).rev() {
            order.swap(last, (dice.throw() % (last as u64 + 1)) as usize);
        }
        for batch in order.chunks(BATCH) {
            slope.fill(0.0);
            for example in batch.iter().map(|n| &examples[*n]) {
                let mut chance = 0u64;
                for (n, (slot, value)) in seen.iter_mut().zip(net.select(&example.vector)).enumerate() {
                    // Eight throws out of each 64 bits.
                    if n % 8 == 0 {
                        chance = dice.throw();
                    }
                    let out = f64::from((chance & 0xff) as u8) < LEFT_OUT * 2.56;
                    chance >>= 8;
                    *slot = if out { 0.0 } else { value * (100.0 / (100.0 - LEFT_OUT)) as f32 };
                }
                let shape = Shape { inputs, hidden: plan.hidden, outputs };
                let weight = example.weight / mean / batch.len() as f32;
                gradient(&shape, &weights, &seen[..inputs], example.class, weight, &mut slope);
            }
            steps += 1;
            let rate = RATE * (std::f32::consts::FRAC_PI_2 * steps as f32 / total as f32).cos().max(0.02);
            let (one, two) = (1.0 - 0.9f32.powi(steps), 1.0 - 0.999f32.powi(steps));
            for (((weight, slope), first), second) in weights.iter_mut().zip(&slope).zip(&mut first).zip(&mut second) {
                *first += 0.1 * (slope - *first);
                *second += 0.001 * (slope * slope - *second);
                *weight -= rate * (*first / one / ((*second / two).sqrt() + 1e-8) + DECAY * *weight);
            }
        }
    }
    // As they are written: a model is the same before and after.
    weights.iter_mut().for_each(|weight| *weight = rounded(*weight));
    Net { weights, ..net }
}

struct Shape {
    inputs: usize,
    hidden: usize,
    outputs: usize,
}

/// Adds the gradient of one example.
fn gradient(shape: &Shape, weights: &[f32], seen: &[f32], class: usize, weight: f32, slope: &mut [f32]) {
    let Shape { inputs, hidden, outputs } = *shape;
    let dot = |row: &[f32], values: &[f32]| {
        let (a, b) = (row[..values.len()].as_chunks::<8>(), values.as_chunks::<8>());
        let mut sums = [0f32; 8];
        for (a, b) in a.0.iter().zip(b.0) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        sums.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f32>() + row[values.len()]
    };
    let add = |slope: &mut [f32], values: &[f32], by: f32| {
        slope.iter_mut().zip(values).for_each(|(slope, value)| *slope += by * value);
        slope[values.len()] += by;
    };
    let mut units = [0f32; FUNCTIONALS];
    let width = if hidden == 0 { inputs } else { hidden };
    let first_size = if hidden == 0 { 0 } else { (inputs + 1) * hidden };
    let (first, second) = weights.split_at(first_size);
    for (unit, row) in units.iter_mut().zip(first.chunks_exact(inputs + 1)) {
        *unit = dot(row, seen).tanh();
    }
    let values = if hidden == 0 { seen } else { &units[..hidden] };
    let mut answers = [0f32; 16];
    for (answer, row) in answers.iter_mut().zip(second.chunks_exact(width + 1)) {
        *answer = dot(row, values);
    }
    let answers = &mut answers[..outputs];
    if outputs == 1 {
        answers[0] = 1.0 / (1.0 + (-answers[0]).exp()) - class as f32;
    } else {
        softmax(answers, 1.0);
        answers[class] -= 1.0;
    }
    let (first_slope, second_slope) = slope.split_at_mut(first_size);
    let mut back = [0f32; FUNCTIONALS];
    for ((error, row), slope) in
        answers.iter().zip(second.chunks_exact(width + 1)).zip(second_slope.chunks_exact_mut(width + 1))
    {
        add(slope, values, error * weight);
        if hidden > 0 {
            back.iter_mut().zip(&row[..width]).for_each(|(back, w)| *back += error * weight * w);
        }
    }
    for ((unit, back), slope) in units.iter().zip(&back).zip(first_slope.chunks_exact_mut(inputs + 1)) {
        add(slope, seen, back * (1.0 - unit * unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_no_line_divides_and_the_same_from_the_same_seed() {
        let mut dice = Dice::new(3);
        let examples: Vec<Example> = (0..600)
            .map(|_| {
                let mut vector = [0f32; FUNCTIONALS];
                let (a, b) = (dice.between(-2.0, 2.0) as f32, dice.between(-2.0, 2.0) as f32);
                // Told several times over: some of it is always left out.
                let rhythm = Group::Rhythm.range().start;
                vector[rhythm..rhythm + 12].copy_from_slice(&[a, b, a, b, a, b, a, b, a, b, a, b]);
                Example { vector, class: usize::from(a * b > 0.0), weight: 1.0 }
            })
            .collect();
        let plan = Plan { groups: vec![Group::Rhythm], hidden: 16, epochs: 200 };
        let net = |seed| learn(&examples, &plan, 2, &mut Dice::new(seed));
        let trained = net(1);
        let right = |net: &Net| {
            let answers = examples.iter().map(|example| {
                let mut sums = [0f32; 2];
                net.add(&example.vector, &mut sums);
                usize::from(sums[1] > sums[0]) == example.class
            });
            answers.filter(|right| *right).count()
        };
        assert!(right(&trained) > 540, "{} of 600", right(&trained));
        assert_eq!(trained, net(1));
        assert_ne!(trained, net(2));
    }
}
