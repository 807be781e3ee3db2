//! Linear separators, one class against the others: squared hinge, by dual coordinate descent (Hsieh et al. 2008), as LIBLINEAR does.

use super::{Chance, Example};

/// How the separators are made.
#[derive(Clone, Copy, Debug)]
pub struct SvmConfig {
    /// What a mistake costs.
    pub cost: f32,
    /// How often the examples are gone through at most.
    pub rounds: usize,
    /// Gone through no more when no example breaks its bound by more than this.
    pub tolerance: f32,
}

impl Default for SvmConfig {
    fn default() -> Self {
        Self { cost: 1.0, rounds: 30, tolerance: 0.05 }
    }
}

/// One separator: weights of `width` features, then the bias. `positive` says which examples are of the class, `weight` what
/// each counts.
pub fn separate(
    examples: &[Example],
    positive: &dyn Fn(usize) -> bool,
    width: usize,
    config: &SvmConfig,
    seed: u64,
) -> Vec<f32> {
    let mut chance = Chance::new(seed);
    let mut w = vec![0.0f32; width + 1];
    let diagonal = 0.5 / config.cost;
    let squares: Vec<f32> = examples
        .iter()
        .map(|e| e.features.iter().map(|f| f.1 * f.1).sum::<f32>() + 1.0 + diagonal / e.weight)
        .collect();
    let mut alpha = vec![0.0f32; examples.len()];
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut active = order.len();
    let mut bound = f32::INFINITY;
    for _ in 0..config.rounds {
        let (mut worst, mut least) = (f32::NEG_INFINITY, f32::INFINITY);
        for n in 0..active {
            let other = n + chance.below(active - n);
            order.swap(n, other);
        }
        let mut n = 0;
        while n < active {
            let at = order[n];
            let example = &examples[at];
            let sign = if positive(at) { 1.0 } else { -1.0 };
            let mut score = w[width];
            for (feature, value) in &example.features {
                score += w[*feature as usize] * value;
            }
            let slope = sign * score - 1.0 + alpha[at] * diagonal / example.weight;
            let mut projected = slope;
            if alpha[at] == 0.0 {
                if slope > bound {
                    // Far on the right side: looked at no more until the end.
                    active -= 1;
                    order.swap(n, active);
                    continue;
                }
                projected = slope.min(0.0);
            }
            worst = worst.max(projected);
            least = least.min(projected);
            if projected.abs() > 1e-9 {
                let before = alpha[at];
                alpha[at] = (before - slope / squares[at]).max(0.0);
                let step = (alpha[at] - before) * sign;
                for (feature, value) in &example.features {
                    w[*feature as usize] += step * value;
                }
                w[width] += step;
            }
            n += 1;
        }
        if worst - least <= config.tolerance {
            if active == order.len() {
                break;
            }
            active = order.len();
            bound = f32::INFINITY;
            continue;
        }
        bound = if worst <= 0.0 { f32::INFINITY } else { worst };
    }
    w
}
