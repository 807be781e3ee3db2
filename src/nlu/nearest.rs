//! The vote of the nearest texts that were learned from: what was said in the same words meant the same.

use super::NluError;
use super::bytes::{Reader, Writer};

/// How many neighbours vote.
const NEIGHBOURS: usize = 12;

/// The texts that were learned from, as the rows of their words.
#[derive(Clone, Default, Debug)]
pub(crate) struct Nearest {
    /// The class of each text.
    labels: Vec<u16>,
    /// Its features, text after text; where each text ends.
    rows: Vec<u16>,
    ends: Vec<u32>,
    /// The weights of a feature in a text are those of the vocabulary, so only the length is kept.
    scale: Vec<f32>,
    /// For each row, where its texts begin in `texts`.
    begins: Vec<u32>,
    texts: Vec<u32>,
}

impl Nearest {
    /// `texts`: class, and rows with weights. Rows from 65,536 are left out.
    pub fn new<'a>(texts: impl Iterator<Item = (usize, &'a [(u32, f32)])>) -> Self {
        let mut nearest = Self::default();
        for (label, features) in texts {
            let rows: Vec<(u16, f32)> = features.iter().filter_map(|f| Some((u16::try_from(f.0).ok()?, f.1))).collect();
            nearest.labels.push(label as u16);
            nearest.rows.extend(rows.iter().map(|f| f.0));
            nearest.ends.push(nearest.rows.len() as u32);
        }
        nearest.index();
        nearest
    }

    /// Postings, built when the model is loaded.
    fn index(&mut self) {
        let most = self.rows.iter().copied().max().map_or(0, |row| usize::from(row) + 1);
        let mut begins = vec![0u32; most + 1];
        self.rows.iter().for_each(|row| begins[usize::from(*row) + 1] += 1);
        for n in 0..most {
            begins[n + 1] += begins[n];
        }
        let mut next = begins.clone();
        self.texts = vec![0; self.rows.len()];
        let mut from = 0;
        for (text, end) in self.ends.iter().enumerate() {
            for row in &self.rows[from..*end as usize] {
                let place = &mut next[usize::from(*row)];
                self.texts[*place as usize] = text as u32;
                *place += 1;
            }
            from = *end as usize;
        }
        self.begins = begins;
    }

    /// What the words of a text weigh together, from the rarity of each row, so that likeness is a cosine.
    pub fn scale_by(&mut self, rarity: impl Fn(u16) -> f32) {
        let mut from = 0;
        self.scale.clear();
        for end in &self.ends {
            let square: f32 = self.rows[from..*end as usize].iter().map(|row| rarity(*row).powi(2)).sum();
            self.scale.push(1.0 / square.sqrt().max(1e-6));
            from = *end as usize;
        }
    }

    /// The share of the vote of each class, into `votes`, and how like the nearest is, 0 to 1. `words` are the weighted rows of the
    /// asked text, `rarity` those of the vocabulary; `left_out` is a text that does not vote (itself, when learning).
    pub fn vote(&self, words: &[(u32, f32)], rarity: impl Fn(u32) -> f32, votes: &mut [f32]) -> f32 {
        votes.fill(0.0);
        let mut likeness = vec![0.0f32; self.labels.len()];
        for (row, weight) in words {
            let Some(range) = self.begins.get(*row as usize..*row as usize + 2) else { continue };
            let weight = weight * rarity(*row);
            for text in &self.texts[range[0] as usize..range[1] as usize] {
                likeness[*text as usize] += weight;
            }
        }
        let mut best = [(0.0f32, 0usize); NEIGHBOURS];
        let mut least = 0.0;
        for (text, like) in likeness.iter().enumerate() {
            if *like <= 0.0 {
                continue;
            }
            let like = like * self.scale[text];
            if like > least {
                best[NEIGHBOURS - 1] = (like, text);
                let mut n = NEIGHBOURS - 1;
                while n > 0 && best[n].0 > best[n - 1].0 {
                    best.swap(n, n - 1);
                    n -= 1;
                }
                least = best[NEIGHBOURS - 1].0;
            }
        }
        let mut sum = 0.0;
        for (like, text) in best.into_iter().filter(|b| b.0 > 0.0) {
            let say = like * like * like;
            sum += say;
            if let Some(vote) = votes.get_mut(usize::from(self.labels[text])) {
                *vote += say;
            }
        }
        votes.iter_mut().for_each(|vote| *vote /= sum.max(1e-9));
        best[0].0.min(1.0)
    }

    pub fn write(&self, out: &mut Writer) {
        out.halves(&self.labels);
        out.words(&self.ends);
        out.halves(&self.rows);
    }

    pub fn read(from: &mut Reader<'_>) -> Result<Self, NluError> {
        let mut nearest = Self { labels: from.halves()?, ends: from.words()?, rows: from.halves()?, ..Self::default() };
        let fits = nearest.ends.len() == nearest.labels.len()
            && nearest.ends.is_sorted()
            && nearest.ends.last().copied().unwrap_or(0) as usize == nearest.rows.len();
        if !fits {
            return Err(NluError::Model("its neighbours do not fit together"));
        }
        nearest.index();
        Ok(nearest)
    }
}
