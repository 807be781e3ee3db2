//! The features that a model knows, and what each is worth.

use super::NluError;
use super::bytes::{Reader, Writer};
use super::features::{Features, VIEWS};

/// Rarity is kept in steps of one in so many: a byte each.
const FINE: f32 = 20.0;

/// The features that a model knows: their rows, their views and their rarity.
#[derive(Clone, Default, Debug)]
pub struct Vocabulary {
    /// In order, view by view.
    hashes: Vec<u32>,
    /// Inverse document frequency.
    rarity: Vec<f32>,
    /// What each view counts for, as the length of its vector.
    weights: [f32; VIEWS],
    /// Where each view begins, and the last ends.
    bounds: [usize; VIEWS + 1],
    /// Open addressing over the hashes: row + 1.
    places: Vec<u32>,
}

/// The byte that a rarity is written as.
fn code(rarity: f32) -> u8 {
    (rarity * FINE).round().clamp(1.0, 255.0) as u8
}

impl Vocabulary {
    /// Of the features of each view, with their rarity; in order within a view. `weights`: what each view counts for.
    pub(crate) fn new(views: [Vec<(u32, f32)>; VIEWS], weights: [f32; VIEWS]) -> Self {
        let mut vocabulary = Self { weights, ..Self::default() };
        for (view, mut features) in views.into_iter().enumerate() {
            features.sort_by_key(|f| f.0);
            features.dedup_by_key(|f| f.0);
            vocabulary.hashes.extend(features.iter().map(|f| f.0));
            vocabulary.rarity.extend(features.iter().map(|f| f32::from(code(f.1)) / FINE));
            vocabulary.bounds[view + 1] = vocabulary.hashes.len();
        }
        vocabulary.index();
        vocabulary
    }

    fn index(&mut self) {
        let size = (self.hashes.len() * 2).next_power_of_two().max(2);
        self.places = vec![0; size];
        for (row, hash) in self.hashes.iter().enumerate() {
            let mut at = *hash as usize & (size - 1);
            while self.places[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.places[at] = row as u32 + 1;
        }
    }

    /// How many features there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// How rare a feature is.
    pub(crate) fn rarity(&self, row: u32) -> f32 {
        self.rarity.get(row as usize).copied().unwrap_or(0.0)
    }

    /// The row of a feature within a view.
    fn row(&self, hash: u32, view: usize) -> Option<u32> {
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let row = self.places[at].checked_sub(1)?;
            if self.hashes[row as usize] == hash && (self.bounds[view]..self.bounds[view + 1]).contains(&(row as usize))
            {
                return Some(row);
            }
            at = (at + 1) & mask;
        }
    }

    /// The rows of a text's features with their weights: `(1 + ln count) · rarity`, each view scaled to its length. Views follow one
    /// another; `ends` says where each ends.
    pub(crate) fn weigh(&self, features: &Features, out: &mut Vec<(u32, f32)>) -> [usize; VIEWS] {
        out.clear();
        let mut ends = [0; VIEWS];
        for (view, hashes) in features.views.iter().enumerate() {
            let from = out.len();
            out.extend(hashes.iter().filter_map(|hash| Some((self.row(*hash, view)?, 1.0))));
            out[from..].sort_unstable_by_key(|f| f.0);
            let mut last = from;
            for n in from..out.len() {
                if n > from && out[n].0 == out[last].0 {
                    out[last].1 += 1.0;
                } else {
                    last += usize::from(n > from);
                    out[last] = (out[n].0, 1.0);
                }
            }
            out.truncate(if out.len() > from { last + 1 } else { from });
            let mut square = 0.0;
            for (row, count) in &mut out[from..] {
                *count = (1.0 + count.ln()) * self.rarity[*row as usize];
                square += *count * *count;
            }
            let scale = self.weights[view] / square.sqrt().max(1e-9);
            out[from..].iter_mut().for_each(|f| f.1 *= scale);
            ends[view] = out.len();
        }
        ends
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.bounds.iter().for_each(|bound| out.count(*bound));
        out.floats(&self.weights);
        out.steps(&self.hashes);
        out.small(&self.rarity.iter().map(|rarity| code(*rarity)).collect::<Vec<u8>>());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, NluError> {
        let mut bounds = [0; VIEWS + 1];
        for bound in &mut bounds {
            *bound = from.count()?;
        }
        let weights = from.floats()?;
        let weights = weights.try_into().map_err(|_| NluError::Model("its views have the wrong number"))?;
        let hashes = from.steps()?;
        let rarity = from.small()?.into_iter().map(|code| f32::from(code) / FINE).collect();
        let mut vocabulary = Self { bounds, weights, hashes, rarity, places: Vec::new() };
        let fits = vocabulary.rarity.len() == vocabulary.hashes.len()
            && bounds.is_sorted()
            && bounds[0] == 0
            && bounds[VIEWS] == vocabulary.hashes.len();
        if !fits {
            return Err(NluError::Model("its features do not fit together"));
        }
        vocabulary.index();
        Ok(vocabulary)
    }
}
