//! A classifier of short texts: linear separators, a small network and the vote of the nearest texts, weighed together, and a margin
//! below which a text is taken to be about something else.

use super::NluError;
use super::bytes::{Reader, Writer, pack, unpack};
use super::features::{Features, WORDS};
use super::learn::softmax;
use super::matrix::Matrix;
use super::nearest::Nearest;
use super::vocabulary::Vocabulary;

/// The first bytes of a model.
const MAGIC: &[u8; 8] = b"tripint3";
/// What is known of a text beside its class, to judge whether it is in scope.
pub(crate) const SIGNS: usize = 7;

/// How the three answers are weighed together, and what is out of scope.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Blend {
    /// What the separators' score counts.
    pub line: f32,
    /// What the network's log probability counts.
    pub net: f32,
    /// What the neighbours' log share counts.
    pub near: f32,
    /// Weights of the signs that a text is out of scope, then the bias.
    pub outside: [f32; SIGNS + 1],
    /// Out of scope above it; infinite when nothing is.
    pub margin: f32,
}

impl Default for Blend {
    fn default() -> Self {
        Self { line: 4.0, net: 0.4, near: 0.1, outside: [0.0; SIGNS + 1], margin: f32::INFINITY }
    }
}

/// A classifier.
#[derive(Clone, Debug)]
pub struct Classifier {
    pub(crate) labels: Vec<String>,
    /// Which label means that the text is about something else.
    pub(crate) outside: Option<usize>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) line: Matrix,
    pub(crate) bias: Vec<f32>,
    pub(crate) hidden: Matrix,
    pub(crate) hidden_bias: Vec<f32>,
    /// Rows of classes.
    pub(crate) out: Vec<f32>,
    pub(crate) out_bias: Vec<f32>,
    pub(crate) nearest: Nearest,
    pub(crate) blend: Blend,
}

/// What a classifier says of a text.
#[derive(Clone, Default, Debug)]
pub struct Scores {
    /// The probability of each class, without the one for what is out of scope.
    pub probabilities: Vec<f32>,
    /// Whether the text is in scope.
    pub in_scope: bool,
}

impl Scores {
    /// The two best classes.
    #[must_use]
    pub fn best(&self) -> [Option<(usize, f32)>; 2] {
        let mut best: [Option<(usize, f32)>; 2] = [None, None];
        for (class, p) in self.probabilities.iter().enumerate() {
            if best[0].is_none_or(|b| *p > b.1) {
                best = [Some((class, *p)), best[0]];
            } else if best[1].is_none_or(|b| *p > b.1) {
                best[1] = Some((class, *p));
            }
        }
        best
    }
}

/// The three answers before they are weighed, and the signs.
#[derive(Clone, Default, Debug)]
pub(crate) struct Parts {
    pub line: Vec<f32>,
    pub net: Vec<f32>,
    pub near: Vec<f32>,
    pub likeness: f32,
    /// The share of the text's words that are known.
    pub known: f32,
}

impl Classifier {
    /// Reads a model.
    ///
    /// # Errors
    /// [`NluError::Model`] for bytes that are none.
    pub fn load(bytes: &[u8]) -> Result<Self, NluError> {
        Self::read_from(&mut Reader(&unpack(MAGIC, bytes)?))
    }

    pub(crate) fn read_from(from: &mut Reader<'_>) -> Result<Self, NluError> {
        let count = from.count()?.min(u16::MAX as usize);
        let labels = (0..count).map(|_| from.text()).collect::<Result<Vec<_>, _>>()?;
        let outside = from.count()?.checked_sub(1);
        let vocabulary = Vocabulary::read(from)?;
        let (line, bias) = (Matrix::read(from)?, from.floats()?);
        let (hidden, hidden_bias) = (Matrix::read(from)?, from.floats()?);
        let (out, out_bias) = (from.floats()?, from.floats()?);
        let nearest = Nearest::read(from)?;
        let weights = from.floats()?;
        let [line_weight, net, near, margin, outside_weights @ ..] = weights.as_slice() else {
            return Err(NluError::Model("its blend is missing"));
        };
        let blend = Blend {
            line: *line_weight,
            net: *net,
            near: *near,
            // No margin is written as the largest number.
            margin: if *margin == f32::MAX { f32::INFINITY } else { *margin },
            outside: outside_weights.try_into().map_err(|_| NluError::Model("its blend has the wrong size"))?,
        };
        let classes = labels.len();
        let fits = classes > 0
            && outside.is_none_or(|class| class < classes)
            && line.columns() == classes
            && bias.len() == classes
            && line.rows() == vocabulary.len()
            && hidden.columns() == hidden_bias.len()
            && out.len() == classes * hidden_bias.len()
            && out_bias.len() == classes
            && (hidden.rows() == vocabulary.len() || hidden_bias.is_empty());
        if !fits {
            return Err(NluError::Model("its parts do not fit together"));
        }
        let mut model =
            Self { labels, outside, vocabulary, line, bias, hidden, hidden_bias, out, out_bias, nearest, blend };
        model.measure_neighbours();
        Ok(model)
    }

    /// The model as a file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write_to(&mut out);
        pack(MAGIC, &out.0)
    }

    pub(crate) fn write_to(&self, out: &mut Writer) {
        out.count(self.labels.len());
        self.labels.iter().for_each(|label| out.text(label));
        out.count(self.outside.map_or(0, |class| class + 1));
        self.vocabulary.write(out);
        self.line.write(out);
        out.floats(&self.bias);
        self.hidden.write(out);
        out.floats(&self.hidden_bias);
        out.floats(&self.out);
        out.floats(&self.out_bias);
        self.nearest.write(out);
        let Blend { line, net, near, margin, outside } = self.blend;
        let weights: Vec<f32> = [line, net, near, margin.min(f32::MAX)].into_iter().chain(outside).collect();
        out.floats(&weights);
    }

    pub(crate) fn measure_neighbours(&mut self) {
        let vocabulary = &self.vocabulary;
        self.nearest.scale_by(|row| vocabulary.rarity(u32::from(row)));
    }

    /// The names of the classes.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The class for what is out of scope, when texts of that kind were learned.
    #[must_use]
    pub fn outside(&self) -> Option<usize> {
        self.outside
    }

    /// The three answers on a text.
    pub(crate) fn parts(&self, features: &Features) -> Parts {
        let classes = self.labels.len();
        let mut weighted = Vec::with_capacity(features.views.iter().map(Vec::len).sum());
        let ends = self.vocabulary.weigh(features, &mut weighted);
        let mut parts =
            Parts { line: self.bias.clone(), net: Vec::new(), near: vec![0.0; classes], ..Parts::default() };
        let mut middle = self.hidden_bias.clone();
        for (row, value) in &weighted {
            self.line.add(*row as usize, *value, &mut parts.line);
            self.hidden.add(*row as usize, *value, &mut middle);
        }
        if middle.is_empty() {
            parts.net = vec![0.0; classes];
        } else {
            middle.iter_mut().for_each(|sum| *sum = sum.max(0.0));
            let rows = self.out.chunks_exact(middle.len()).zip(&self.out_bias);
            parts.net =
                rows.map(|(row, bias)| bias + row.iter().zip(&middle).map(|(a, b)| a * b).sum::<f32>()).collect();
            softmax(&mut parts.net);
        }
        let words = &weighted[..ends[WORDS]];
        parts.likeness = self.nearest.vote(words, |row| self.vocabulary.rarity(row), &mut parts.near);
        parts.known = words.len() as f32 / features.views[WORDS].len().max(1) as f32;
        parts
    }

    /// What the text may be.
    #[must_use]
    pub fn scores(&self, features: &Features) -> Scores {
        let parts = self.parts(features);
        let (mut probabilities, outside) = weigh(&parts, &self.blend, self.outside);
        if let Some(class) = self.outside {
            probabilities[class] = 0.0;
            let rest: f32 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|p| *p /= rest.max(1e-9));
        }
        Scores { probabilities, in_scope: outside <= self.blend.margin }
    }
}

/// The probabilities of the classes, and how much speaks for it that the text is out of scope.
pub(crate) fn weigh(parts: &Parts, blend: &Blend, outside: Option<usize>) -> (Vec<f32>, f32) {
    let mut sums: Vec<f32> = (0..parts.line.len())
        .map(|class| {
            blend.line * parts.line[class]
                + blend.net * (parts.net[class] + 1e-5).ln()
                + blend.near * (parts.near[class] + 0.003).ln()
        })
        .collect();
    softmax(&mut sums);
    let signs = signs(parts, &sums, outside);
    let score =
        signs.iter().zip(&blend.outside).map(|(sign, weight)| sign * weight).sum::<f32>() + blend.outside[SIGNS];
    (sums, score)
}

/// What tells that a text is out of scope: how sure each of the three is, and how well the text is known.
pub(crate) fn signs(parts: &Parts, sums: &[f32], outside: Option<usize>) -> [f32; SIGNS] {
    let inside = |list: &[f32]| {
        let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        for (_, score) in list.iter().enumerate().filter(|(class, _)| Some(*class) != outside) {
            if *score > first {
                (first, second) = (*score, first);
            } else if *score > second {
                second = *score;
            }
        }
        (first, if second.is_finite() { second } else { first })
    };
    let (line, _) = inside(&parts.line);
    let (blended, _) = inside(sums);
    let (net, _) = inside(&parts.net);
    let odd = |list: &[f32], none: f32| outside.and_then(|class| list.get(class)).copied().unwrap_or(none);
    [
        line,
        odd(&parts.line, -1.0),
        (blended + 1e-4).ln(),
        (net + 1e-4).ln(),
        (odd(sums, 0.0) + 1e-4).ln() - (blended + 1e-4).ln(),
        parts.likeness,
        parts.known,
    ]
}

#[cfg(test)]
mod tests {
    use super::{MAGIC, pack, unpack};
    use crate::nlu::learn::{NetConfig, Recipe, Text, fit};
    use crate::nlu::{Classifier, Features};

    fn small(seed: u64) -> Classifier {
        let said = [
            ("what does it cost", "price"),
            ("how much is it", "price"),
            ("what is the price", "price"),
            ("tell me the cost please", "price"),
            ("call me tomorrow", "later"),
            ("ring me later", "later"),
            ("phone again tomorrow", "later"),
            ("call again later please", "later"),
            ("sing a song", "oos"),
            ("is it raining", "oos"),
            ("who won the match", "oos"),
            ("cook me an egg", "oos"),
        ];
        let texts: Vec<Text> = said
            .iter()
            .enumerate()
            .map(|(group, (text, label))| Text { text: (*text).into(), label: (*label).into(), group })
            .collect();
        let net = NetConfig { hidden: 8, ..NetConfig::default() };
        fit(&texts, &Recipe { seed, net, parts: 2, least: 1, ..Recipe::default() }, &mut |_| {}).unwrap()
    }

    fn scores(model: &Classifier, text: &str) -> (String, f32) {
        let mut features = Features::default();
        features.read(text);
        let (class, p) = model.scores(&features).best()[0].unwrap();
        (model.labels()[class].clone(), p)
    }

    #[test]
    fn what_was_learned_is_written_read_and_known_again() {
        let model = small(1);
        assert_eq!(model.labels(), ["later", "oos", "price"]);
        let read = Classifier::load(&model.bytes()).unwrap();
        for (text, label) in [("what will it cost me", "price"), ("please phone me tomorrow", "later")] {
            assert_eq!(scores(&read, text).0, label);
            assert_eq!(scores(&read, text), scores(&model, text));
        }
        assert_ne!(scores(&read, "sing an egg").0, "oos", "the class of what is out of scope is no answer");
    }

    #[test]
    fn one_seed_gives_one_model() {
        assert_eq!(small(3).bytes(), small(3).bytes());
        assert_ne!(small(3).bytes(), small(4).bytes());
    }

    #[test]
    fn damaged_models_are_refused() {
        let file = small(1).bytes();
        for end in (0..file.len()).step_by(97) {
            assert!(Classifier::load(&file[..end]).is_err(), "{end}");
        }
        let bytes = unpack(MAGIC, &file).unwrap();
        for end in (0..bytes.len()).step_by(97) {
            assert!(Classifier::load(&pack(MAGIC, &bytes[..end])).is_err(), "{end}");
        }
        // Whatever a byte is changed to, nothing panics.
        let mut features = Features::default();
        features.read("what does it cost");
        for at in (0..bytes.len()).step_by(61) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x55;
            if let Ok(model) = Classifier::load(&pack(MAGIC, &bytes)) {
                let _ = model.scores(&features);
            }
        }
    }
}
