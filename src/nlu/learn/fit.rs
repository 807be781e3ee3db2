//! From texts with labels to a classifier.

use super::net::{Net, NetConfig};
use super::svm::{SvmConfig, separate};
use super::{Chance, Example, blend};
use crate::nlu::NluError;
use crate::nlu::classifier::{Blend, Classifier};
use crate::nlu::features::{Features, VIEWS};
use crate::nlu::matrix::Matrix;
use crate::nlu::nearest::Nearest;
use crate::nlu::vocabulary::Vocabulary;
use std::collections::HashMap;

/// Labels that mean that a text is out of scope.
const OUTSIDE: [&str; 3] = ["oos", "out_of_scope", "outofscope"];

/// The share of the model, as one in so many, that the texts which vote may take.
const NEAR: usize = 5;

/// One text to learn from.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Its label.
    pub label: String,
    /// Texts of one group are never both learned from and tried on: the family, or the number of the text.
    pub group: usize,
}

/// How a classifier is made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where chance begins.
    pub seed: u64,
    /// The separators.
    pub line: SvmConfig,
    /// The network; none when `hidden` is 0.
    pub net: NetConfig,
    /// In so many parts are the texts divided to learn how the answers are weighed together; 0 leaves [`Blend::default`].
    pub parts: usize,
    /// How many of the parts are really tried: each costs a whole learning.
    pub tries: usize,
    /// A feature that fewer texts have is left out.
    pub least: u32,
    /// About how large the model may be, in bytes: the features that tell least are left out.
    pub bytes: usize,
    /// Whether the nearest texts vote.
    pub near: bool,
    /// What each view of a text counts for; a view that counts nothing is left out.
    pub views: [f32; VIEWS],
    /// What the odds of a feature in a class against the others add to the separators' weights.
    pub odds: f32,
    /// The share of texts out of scope that the margin should find, when there are any.
    pub find: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 1,
            line: SvmConfig::default(),
            net: NetConfig::default(),
            parts: 3,
            tries: 3,
            least: 2,
            bytes: 5_900_000,
            near: true,
            // The concepts are those of sales calls, which are heard, not read.
            views: [1.0, 1.0, 1.0, 0.0, 0.0],
            odds: 0.0,
            find: 0.68,
        }
    }
}

impl Recipe {
    /// The recipe of the shipped models: `bytes` for each language.
    #[must_use]
    pub fn telesales(seed: u64, bytes: usize) -> Self {
        // Beside separators that see a hundred thousand features a network gains nothing.
        let net = NetConfig { hidden: 0, ..NetConfig::default() };
        // The scenes take another quarter.
        Self {
            seed,
            bytes: bytes * 3 / 4,
            parts: 4,
            tries: 1,
            find: 0.6,
            odds: 0.05,
            views: [1.0, 0.8, 1.0, 1.5, 0.7],
            net,
            ..Self::default()
        }
    }
}

/// Learns a classifier. `told` is given what is being done.
///
/// # Errors
/// [`NluError::TooLittle`] with fewer than two labels.
pub fn fit(texts: &[Text], recipe: &Recipe, told: &mut dyn FnMut(&str)) -> Result<Classifier, NluError> {
    let mut labels: Vec<String> = texts.iter().map(|text| text.label.clone()).collect();
    labels.sort();
    labels.dedup();
    if labels.len() < 2 {
        return Err(NluError::TooLittle("two labels are the least"));
    }
    let numbers: HashMap<&str, usize> = labels.iter().enumerate().map(|(n, label)| (label.as_str(), n)).collect();
    let outside = labels.iter().position(|label| OUTSIDE.contains(&label.to_lowercase().as_str()));
    let read: Vec<Features> = texts
        .iter()
        .map(|text| {
            let mut features = Features::default();
            features.read(&text.text);
            features
        })
        .collect();
    let classes: Vec<usize> = texts.iter().map(|text| numbers[text.label.as_str()]).collect();
    let mut blended = Blend::default();
    if recipe.net.hidden == 0 {
        blended.net = 0.0;
    }
    if recipe.parts >= 2 {
        let mut groups: Vec<usize> = texts.iter().map(|text| text.group).collect();
        groups.sort_unstable();
        groups.dedup();
        Chance::new(recipe.seed ^ 0x5eed).shuffle(&mut groups);
        let places: HashMap<usize, usize> =
            groups.iter().enumerate().map(|(n, group)| (*group, n % recipe.parts)).collect();
        let mut tried = Vec::new();
        for part in 0..recipe.parts.min(recipe.tries) {
            told(&format!("learning without part {} of {}", part + 1, recipe.parts));
            let (held, kept): (Vec<usize>, Vec<usize>) =
                (0..texts.len()).partition(|n| places[&texts[*n].group] == part);
            let model = once(&kept, &read, &classes, &labels, outside, recipe);
            tried.extend(held.into_iter().map(|n| (model.parts(&read[n]), classes[n])));
        }
        told("weighing the answers together");
        blended = blend::fit(&tried, outside, recipe, told);
    }
    told("learning from everything");
    let everything: Vec<usize> = (0..texts.len()).collect();
    let mut model = once(&everything, &read, &classes, &labels, outside, recipe);
    model.blend = blended;
    Ok(model)
}

/// Learns from the texts `kept`, without weighing the answers together.
fn once(
    kept: &[usize],
    read: &[Features],
    classes: &[usize],
    labels: &[String],
    outside: Option<usize>,
    recipe: &Recipe,
) -> Classifier {
    let count = labels.len();
    let hidden = recipe.net.hidden * recipe.net.nets;
    let size: usize = if recipe.near { kept.iter().map(|n| read[*n].views[0].len() * 2 + 6).sum() } else { 0 };
    // Of many texts every so manieth votes, so that they take a fifth of the model.
    let every = size.div_ceil((recipe.bytes / NEAR).max(1)).max(1);
    let fixed = size / every + count * (hidden * 4 + 24) + 1000;
    // As they were found to pack: a hash, a rarity and a scale take four bytes, a weight of the separators a quarter of one, of the
    // network a third.
    let row = 4 + count.div_ceil(4) + if hidden > 0 { 1 + hidden.div_ceil(3) } else { 0 };
    let most = recipe.bytes.saturating_sub(fixed) / row;
    let vocabulary = choose(kept, read, classes, count, recipe, most);
    let width = vocabulary.len();
    let mut weighted = Vec::new();
    let mut words = Vec::new();
    let examples: Vec<Example> = kept
        .iter()
        .map(|n| {
            let ends = vocabulary.weigh(&read[*n], &mut weighted);
            words.push(weighted[..ends[0]].to_vec());
            Example { features: weighted.clone(), label: classes[*n], weight: 1.0 }
        })
        .collect();
    let mut line = vec![0.0f32; width * count];
    let mut bias = Vec::with_capacity(count);
    for class in 0..count {
        let weights =
            separate(&examples, &|n| examples[n].label == class, width, &recipe.line, recipe.seed + class as u64);
        for (row, weight) in weights[..width].iter().enumerate() {
            line[row * count + class] = *weight;
        }
        bias.push(weights[width]);
    }
    if recipe.odds > 0.0 {
        odds(&examples, count, width, recipe.odds, &mut line);
    }
    let line = Matrix::round(&line, count);
    let (hidden, hidden_bias, out, out_bias) = if hidden == 0 {
        (Matrix::default(), Vec::new(), Vec::new(), vec![0.0; count])
    } else {
        let nets: Vec<Net> = (0..recipe.net.nets as u64)
            .map(|n| Net::learn(&examples, width, count, &recipe.net, recipe.seed ^ (n << 32)))
            .collect();
        let net = Net::beside(&nets).unwrap_or_else(|| Net::learn(&examples, width, count, &recipe.net, recipe.seed));
        (Matrix::round(&net.first, net.hidden), net.bias, net.second, net.out)
    };
    let nearest = if recipe.near {
        Nearest::new(
            examples.iter().zip(&words).step_by(every).map(|(example, words)| (example.label, words.as_slice())),
        )
    } else {
        Nearest::default()
    };
    let mut model = Classifier {
        labels: labels.to_vec(),
        outside,
        vocabulary,
        line,
        bias,
        hidden,
        hidden_bias,
        out,
        out_bias,
        nearest,
        blend: Blend::default(),
    };
    model.measure_neighbours();
    model
}

/// Adds to the weights of the separators how much likelier each feature is in each class than in the others.
fn odds(examples: &[Example], count: usize, width: usize, share: f32, line: &mut [f32]) {
    /// As if each feature had been seen so often everywhere.
    const BEFORE: f32 = 0.3;
    let mut seen = vec![0.0f32; width * count];
    let mut sums = vec![0.0f32; count];
    for example in examples {
        for (feature, value) in &example.features {
            seen[*feature as usize * count + example.label] += value;
            sums[example.label] += value;
        }
    }
    let all: f32 = sums.iter().sum();
    for (row, weights) in seen.chunks_exact(count).zip(line.chunks_exact_mut(count)) {
        let total: f32 = row.iter().sum();
        for class in 0..count {
            let within = (row[class] + BEFORE * sums[class] / all) / sums[class].max(1.0);
            let without = (total - row[class] + BEFORE * (all - sums[class]) / all) / (all - sums[class]).max(1.0);
            weights[class] += share * (within / without).ln();
        }
    }
}

/// The features that tell most about the class: by how many texts they are in and how much they change what is expected.
fn choose(
    kept: &[usize],
    read: &[Features],
    classes: &[usize],
    count: usize,
    recipe: &Recipe,
    most: usize,
) -> Vocabulary {
    let mut before = vec![0.0f32; count];
    kept.iter().for_each(|n| before[classes[*n]] += 1.0);
    let total = kept.len().max(1) as f32;
    let mut candidates: Vec<(f32, usize, u32, f32)> = Vec::new();
    for view in (0..VIEWS).filter(|view| recipe.views[*view] > 0.0) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut own = Vec::new();
        for n in kept {
            own.clear();
            own.extend(&read[*n].views[view]);
            own.sort_unstable();
            own.dedup();
            pairs.extend(own.iter().map(|hash| (*hash, classes[*n] as u32)));
        }
        pairs.sort_unstable();
        for texts in pairs.chunk_by(|a, b| a.0 == b.0) {
            if (texts.len() as u32) < recipe.least {
                continue;
            }
            let have = texts.len() as f32;
            let gain: f32 = texts
                .chunk_by(|a, b| a.1 == b.1)
                .map(|same| {
                    let n = same.len() as f32;
                    n * ((n / have) / (before[same[0].1 as usize] / total)).ln()
                })
                .sum();
            let rarity = ((1.0 + total) / (1.0 + have)).ln() + 1.0;
            candidates.push((gain, view, texts[0].0, rarity));
        }
    }
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    candidates.truncate(most);
    let mut views: [Vec<(u32, f32)>; VIEWS] = Default::default();
    for (_, view, hash, rarity) in candidates {
        views[view].push((hash, rarity));
    }
    Vocabulary::new(views, recipe.views)
}
