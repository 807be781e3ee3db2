//! Logistic regression on few or many marks: Adagrad on the weighted cross-entropy, in an order that a seed decides.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Something to learn from.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Which weights count, and how much.
    pub marks: Vec<(usize, f32)>,
    pub yes: bool,
    /// How much it counts.
    pub weight: f32,
}

/// How it is learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub weights: usize,
    pub epochs: usize,
    /// The length of the first steps.
    pub rate: f32,
    /// Pull of each weight towards zero, at each row that it counts in.
    pub decay: f32,
    pub seed: u64,
}

/// The weights, and the log odds without any.
pub(super) fn fit(rows: &[Row], plan: Plan) -> (Vec<f32>, f32) {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let (mut weights, mut seen) = (vec![0f32; plan.weights], vec![1e-6f32; plan.weights]);
    let (mut bias, mut seen_bias) = (0f32, 1e-6f32);
    // What the second half of the way was like on average is steadier than where it ends.
    let (mut sum, mut sum_bias, mut count) = (vec![0f64; plan.weights], 0f64, 0u32);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for epoch in 0..plan.epochs {
        order.shuffle(&mut random);
        for at in &order {
            let Some(row) = rows.get(*at) else { continue };
            let told: f32 =
                row.marks.iter().map(|(mark, value)| weights.get(*mark).copied().unwrap_or(0.0) * value).sum();
            let wrong = (1.0 / (1.0 + (-bias - told).exp()) - f32::from(u8::from(row.yes))) * row.weight;
            seen_bias += wrong * wrong;
            bias -= plan.rate * wrong / seen_bias.sqrt();
            for (mark, value) in &row.marks {
                let (Some(weight), Some(seen)) = (weights.get_mut(*mark), seen.get_mut(*mark)) else { continue };
                let slope = wrong * value + plan.decay * *weight;
                *seen += slope * slope;
                *weight -= plan.rate * slope / seen.sqrt();
            }
        }
        if epoch * 2 >= plan.epochs {
            sum.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum += f64::from(*weight));
            sum_bias += f64::from(bias);
            count += 1;
        }
    }
    let mean = |sum: f64| (sum / f64::from(count.max(1))) as f32;
    (sum.into_iter().map(mean).collect(), mean(sum_bias))
}

/// The share of pairs of a yes and a no that the scores put in the right order.
pub(super) fn area(scored: &[(f64, bool)]) -> f64 {
    let mut sorted: Vec<&(f64, bool)> = scored.iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut right, mut noes) = (0.0, 0.0);
    let mut from = 0;
    while from < sorted.len() {
        let score = sorted.get(from).map_or(0.0, |one| one.0);
        let same = sorted.iter().skip(from).take_while(|one| one.0 == score).count().max(1);
        let yes = sorted.iter().skip(from).take(same).filter(|one| one.1).count() as f64;
        let no = same as f64 - yes;
        right += yes * (noes + no / 2.0);
        noes += no;
        from += same;
    }
    let yes = scored.iter().filter(|one| one.1).count() as f64;
    right / (yes * noes).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_each_mark_tells() {
        let row = |mark: usize, n: usize| Row { marks: vec![(mark, 1.0)], yes: n % 10 < [1, 5, 9][mark], weight: 1.0 };
        let rows: Vec<Row> = (0..3).flat_map(|mark| (0..1000).map(move |n| row(mark, n))).collect();
        let plan = Plan { weights: 3, epochs: 20, rate: 0.1, decay: 1e-6, seed: 1 };
        let (weights, bias) = fit(&rows, plan);
        for (weight, odds) in weights.iter().zip([1.0f32 / 9.0, 1.0, 9.0]) {
            assert!((weight + bias - odds.ln()).abs() < 0.2, "{weights:?} {bias}");
        }
        assert_eq!(fit(&rows, plan).0, weights);
    }

    #[test]
    fn the_area_counts_pairs() {
        let scored = |scores: [f64; 4]| scores.into_iter().zip([false, false, true, true]).collect::<Vec<_>>();
        assert_eq!(area(&scored([0.1, 0.2, 0.3, 0.4])), 1.0);
        assert_eq!(area(&scored([0.1, 0.4, 0.3, 0.4])), 0.625);
        assert_eq!(area(&scored([1.0, 1.0, 1.0, 1.0])), 0.5);
    }
}
