//! A small network: the average of learned vectors of features, one hidden layer, all classes at once. It sees combinations that a
//! line cannot, and errs elsewhere than the separators.

use super::{Chance, Example, softmax};

/// A class whose answer is wrong by less teaches nothing this time.
const LEAST: f32 = 0.001;

/// How the network is made.
#[derive(Clone, Copy, Debug)]
pub struct NetConfig {
    /// How many networks answer together.
    pub nets: usize,
    /// Numbers in the hidden layer of each.
    pub hidden: usize,
    /// How often the examples are gone through.
    pub rounds: usize,
    /// Share of features left out of an example each time.
    pub drop_features: f32,
    /// Share of hidden numbers left out each time.
    pub drop_hidden: f32,
    /// The first step; it falls to nothing in a line.
    pub rate: f32,
    /// How much of the wanted answer is spread over all classes.
    pub smooth: f32,
    /// The share of examples that are shown mixed with another one, with the answers mixed alike.
    pub mix: f32,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            nets: 2,
            hidden: 96,
            rounds: 30,
            drop_features: 0.5,
            drop_hidden: 0.5,
            rate: 0.02,
            smooth: 0.05,
            mix: 0.0,
        }
    }
}

/// The network: rows of the features, bias of the hidden layer, rows of the classes, their bias.
#[derive(Clone, Debug)]
pub struct Net {
    /// Numbers in the hidden layer.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
    /// `width × hidden`.
    pub first: Vec<f32>,
    /// `hidden`.
    pub bias: Vec<f32>,
    /// `classes × hidden`.
    pub second: Vec<f32>,
    /// `classes`.
    pub out: Vec<f32>,
}

impl Net {
    /// Learns (Adagrad on the cross entropy).
    #[must_use]
    pub fn learn(examples: &[Example], width: usize, classes: usize, config: &NetConfig, seed: u64) -> Self {
        let h = config.hidden;
        let mut chance = Chance::new(seed);
        let mut draw = |n: usize, reach: f32| (0..n).map(|_| (chance.unit() * 2.0 - 1.0) * reach).collect::<Vec<f32>>();
        let mut net = Self {
            hidden: h,
            classes,
            first: draw(width * h, 0.1),
            bias: vec![0.0; h],
            second: draw(classes * h, (3.0 / h as f32).sqrt()),
            out: vec![0.0; classes],
        };
        let mut seen = Self {
            hidden: h,
            classes,
            first: vec![1e-6; width * h],
            bias: vec![1e-6; h],
            second: vec![1e-6; classes * h],
            out: vec![1e-6; classes],
        };
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let steps = (config.rounds * examples.len()).max(1) as f32;
        let mut step = 0.0;
        let (mut middle, mut kept, mut wanted, mut back) =
            (vec![0.0; h], vec![0.0; h], vec![0.0; classes], vec![0.0; h]);
        let mut shown: Vec<(u32, f32)> = Vec::new();
        for _ in 0..config.rounds {
            chance.shuffle(&mut order);
            for at in &order {
                let example = &examples[*at];
                let rate = config.rate * (1.0 - step / steps);
                step += 1.0;
                shown.clear();
                let scale = 1.0 / (1.0 - config.drop_features);
                let other = (chance.unit() < config.mix).then(|| &examples[chance.below(examples.len())]);
                let part = if other.is_some() { 0.5 + 0.5 * chance.unit() } else { 1.0 };
                for (example, part) in [(Some(example), part), (other, 1.0 - part)] {
                    let kept = example.map_or(&[][..], |e| &e.features).iter();
                    let kept = kept.filter(|_| chance.unit() >= config.drop_features);
                    shown.extend(kept.map(|f| (f.0, f.1 * scale * part)));
                }
                net.middle(&shown, &mut middle);
                for (kept, middle) in kept.iter_mut().zip(&mut middle) {
                    *kept = if chance.unit() < config.drop_hidden { 0.0 } else { 1.0 / (1.0 - config.drop_hidden) };
                    *middle *= *kept;
                }
                net.ending(&middle, &mut wanted);
                softmax(&mut wanted);
                let share = config.smooth / classes as f32;
                for (class, wanted) in wanted.iter_mut().enumerate() {
                    let mut target = share;
                    for (label, part) in [(Some(example.label), part), (other.map(|e| e.label), 1.0 - part)] {
                        target += if Some(class) == label { (1.0 - config.smooth) * part } else { 0.0 };
                    }
                    *wanted = (*wanted - target) * example.weight;
                }
                back.fill(0.0);
                for (class, slope) in wanted.iter().enumerate().filter(|(_, slope)| slope.abs() > LEAST) {
                    let rows = class * h..(class + 1) * h;
                    let (row, past) = (&mut net.second[rows.clone()], &mut seen.second[rows]);
                    for n in 0..h {
                        back[n] += slope * row[n];
                        let g = slope * middle[n];
                        past[n] += g * g;
                        row[n] -= rate * g / past[n].sqrt();
                    }
                    seen.out[class] += slope * slope;
                    net.out[class] -= rate * slope / seen.out[class].sqrt();
                }
                for n in 0..h {
                    back[n] *= if middle[n] > 0.0 { kept[n] } else { 0.0 };
                    seen.bias[n] += back[n] * back[n];
                    net.bias[n] -= rate * back[n] / seen.bias[n].sqrt();
                }
                for (feature, value) in &shown {
                    let rows = *feature as usize * h..(*feature as usize + 1) * h;
                    let (row, past) = (&mut net.first[rows.clone()], &mut seen.first[rows]);
                    for n in 0..h {
                        let g = back[n] * value;
                        past[n] += g * g;
                        row[n] -= rate * g / past[n].sqrt();
                    }
                }
            }
        }
        net
    }

    /// Several networks as one: their hidden layers beside one another, their answers averaged.
    #[must_use]
    pub fn beside(nets: &[Self]) -> Option<Self> {
        let first = nets.first()?;
        let share = 1.0 / nets.len() as f32;
        let mut joined = Self { hidden: nets.iter().map(|net| net.hidden).sum(), ..first.clone() };
        let width = first.first.len() / first.hidden.max(1);
        joined.first = (0..width)
            .flat_map(|row| nets.iter().flat_map(move |n| &n.first[row * n.hidden..][..n.hidden]))
            .copied()
            .collect();
        joined.bias = nets.iter().flat_map(|net| &net.bias).copied().collect();
        joined.second = (0..first.classes)
            .flat_map(|class| nets.iter().flat_map(move |n| &n.second[class * n.hidden..][..n.hidden]))
            .map(|weight| weight * share)
            .collect();
        joined.out =
            (0..first.classes).map(|class| nets.iter().map(|net| net.out[class]).sum::<f32>() * share).collect();
        Some(joined)
    }

    /// The hidden layer, before anything is left out.
    pub fn middle(&self, features: &[(u32, f32)], middle: &mut [f32]) {
        middle.copy_from_slice(&self.bias);
        for (feature, value) in features {
            let row = &self.first[*feature as usize * self.hidden..][..self.hidden];
            middle.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight * value);
        }
        middle.iter_mut().for_each(|sum| *sum = sum.max(0.0));
    }

    /// The classes, as logits.
    pub fn ending(&self, middle: &[f32], out: &mut [f32]) {
        for ((out, row), bias) in out.iter_mut().zip(self.second.chunks_exact(self.hidden)).zip(&self.out) {
            *out = bias + row.iter().zip(middle).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}
