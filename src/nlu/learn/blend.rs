//! How the answers of the three models are weighed together, learned from texts that they had not learned from.

use super::{Chance, Recipe};
use crate::nlu::classifier::{Blend, Parts, SIGNS, signs, weigh};

/// So many texts are enough to weigh by.
const ENOUGH: usize = 6000;

/// What a wrong answer counts beside the surprise at the right one.
const WRONG: f32 = 3.0;

/// The weights under which the right class is likeliest and oftenest the first, and the margin of what is out of scope.
pub(super) fn fit(
    tried: &[(Parts, usize)],
    outside: Option<usize>,
    recipe: &Recipe,
    told: &mut dyn FnMut(&str),
) -> Blend {
    let mut order: Vec<usize> = (0..tried.len()).collect();
    Chance::new(recipe.seed ^ 0xb1e0d).shuffle(&mut order);
    let inside: Vec<&(Parts, usize)> =
        order.iter().map(|n| &tried[*n]).filter(|t| Some(t.1) != outside).take(ENOUGH).collect();
    let mut blend = Blend::default();
    if recipe.net.hidden == 0 {
        blend.net = 0.0;
    }
    if !recipe.near {
        blend.near = 0.0;
    }
    let surprise = |blend: &Blend| -> f32 {
        let cost = |(parts, class): &&(Parts, usize)| {
            let sums = weigh(parts, blend, outside).0;
            let first = sums.iter().enumerate().all(|(n, p)| n == *class || Some(n) == outside || *p < sums[*class]);
            (if first { 0.0 } else { WRONG }) - (sums[*class] + 1e-6).ln()
        };
        inside.iter().map(cost).sum()
    };
    let mut best = surprise(&blend);
    for step in [1.6f32, 1.25, 1.1] {
        for _ in 0..3 {
            for weight in 0..3 {
                for factor in [step, 1.0 / step] {
                    let mut other = blend;
                    *[&mut other.line, &mut other.net, &mut other.near][weight] *= factor;
                    let tried = surprise(&other);
                    if tried < best {
                        (best, blend) = (tried, other);
                    }
                }
            }
        }
    }
    told(&format!("weights: line {:.2}, net {:.2}, near {:.3}", blend.line, blend.net, blend.near));
    if let Some(outside) = outside {
        scope(tried, outside, &mut blend, recipe, told);
    }
    blend
}

/// A logistic judgement over the signs, both kinds weighing the same, and a margin that finds the wanted share.
fn scope(tried: &[(Parts, usize)], outside: usize, blend: &mut Blend, recipe: &Recipe, told: &mut dyn FnMut(&str)) {
    let rows: Vec<([f32; SIGNS], bool)> = tried
        .iter()
        .map(|(parts, class)| (signs(parts, &weigh(parts, blend, Some(outside)).0, Some(outside)), *class == outside))
        .collect();
    let odd = rows.iter().filter(|row| row.1).count();
    if odd == 0 || odd == rows.len() {
        return;
    }
    // Signs are brought to one scale; the weights are given back on the signs' own.
    let n = rows.len() as f32;
    let mean: [f32; SIGNS] = std::array::from_fn(|s| rows.iter().map(|row| row.0[s]).sum::<f32>() / n);
    let spread: [f32; SIGNS] = std::array::from_fn(|s| {
        (rows.iter().map(|row| (row.0[s] - mean[s]).powi(2)).sum::<f32>() / n).sqrt().max(1e-4)
    });
    let (for_odd, for_rest) = (0.5 / odd as f32, 0.5 / (rows.len() - odd) as f32);
    let mut weights = [0.0f32; SIGNS + 1];
    for _ in 0..400 {
        let mut slope = [0.0f32; SIGNS + 1];
        for (signs, odd) in &rows {
            let x: [f32; SIGNS] = std::array::from_fn(|s| (signs[s] - mean[s]) / spread[s]);
            let sum: f32 = weights[SIGNS] + x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f32>();
            let p = 1.0 / (1.0 + (-sum).exp());
            let error = if *odd { (p - 1.0) * for_odd } else { p * for_rest };
            slope.iter_mut().zip(x).for_each(|(slope, x)| *slope += error * x);
            slope[SIGNS] += error;
        }
        for (weight, slope) in weights.iter_mut().zip(slope) {
            *weight -= 2.0 * slope + 0.0005 * *weight;
        }
    }
    for s in 0..SIGNS {
        blend.outside[s] = weights[s] / spread[s];
    }
    blend.outside[SIGNS] = weights[SIGNS] - (0..SIGNS).map(|s| blend.outside[s] * mean[s]).sum::<f32>();
    let mut found: Vec<f32> = tried
        .iter()
        .filter(|(_, class)| *class == outside)
        .map(|(parts, _)| weigh(parts, blend, Some(outside)).1)
        .collect();
    found.sort_by(|a, b| b.total_cmp(a));
    let at = ((found.len() as f32 * recipe.find) as usize).min(found.len() - 1);
    blend.margin = found[at];
    let lost = tried
        .iter()
        .filter(|(parts, class)| *class != outside && weigh(parts, blend, Some(outside)).1 > blend.margin)
        .count();
    let rest = tried.len() - odd;
    told(&format!("margin {:.2}: {lost} of {rest} texts in scope are taken for others", blend.margin));
}
