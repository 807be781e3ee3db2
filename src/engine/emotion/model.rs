//! The classifier: committees of small networks over the functionals of an utterance, and how their answers become
//! probabilities.
//!
//! Each network sees some of the [groups](Group) of functionals, against the average speaker and, the more turns of the caller
//! were heard, against the caller's own. A network is linear or has one hidden layer. Three committees answer: which emotion, how
//! aroused, how angry; there are three for beginnings and three for whole utterances. Their answers are averaged before they
//! become probabilities.
//!
//! A file of weights is a line of magic, a line of JSON (how it was made, its shape) and little-endian numbers: the average
//! speaker in 32 bits, the networks in the upper 16 of 32 (bfloat16).

use crate::audio::prosody::{FUNCTIONALS, Group};
use crate::speech::EmotionLabel;
use serde::{Deserialize, Serialize};

const MAGIC: &str = "tipring emotion 1\n";
/// What is further from the average than so many deviations counts as so far.
const FAR: f32 = 4.0;
/// A caller's own average counts as much as the average speaker's after so many turns.
const TURNS: f32 = 3.0;
/// Speech after which an utterance is no beginning any more, in ms.
const WHOLE_MS: u32 = 1200;
/// Committees: three for beginnings, three for the rest.
pub const COMMITTEES: usize = 6;
/// Speech after which another calibration holds, in ms.
pub const STAGES_MS: [u32; 2] = [1000, 2000];
/// Calibrations: below, between and above those.
pub const STAGES: usize = STAGES_MS.len() + 1;

/// The functionals of an utterance.
pub type Vector = [f32; FUNCTIONALS];

/// How a committee's answer becomes a probability: times, and plus.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scale {
    /// Times.
    pub times: f32,
    /// Plus; 0 for the emotions.
    pub plus: f32,
}

impl Default for Scale {
    fn default() -> Self {
        Self { times: 1.0, plus: 0.0 }
    }
}

/// A network.
#[derive(Clone, PartialEq, Debug)]
pub struct Net {
    /// What it looks at.
    pub groups: Vec<Group>,
    /// Units of the hidden layer; 0: it is linear.
    pub hidden: usize,
    /// Numbers in its answer.
    pub outputs: usize,
    /// Rows of the hidden layer, each with its constant last, then those of the answer likewise.
    pub weights: Vec<f32>,
}

impl Net {
    /// Inputs of a network that sees these groups.
    pub fn inputs(groups: &[Group]) -> usize {
        groups.iter().map(|group| group.range().len()).sum()
    }

    /// How many weights such a network has.
    pub fn size(inputs: usize, hidden: usize, outputs: usize) -> usize {
        if hidden == 0 { (inputs + 1) * outputs } else { (inputs + 1) * hidden + (hidden + 1) * outputs }
    }

    /// What it sees of a normalised vector.
    pub fn select(&self, vector: &Vector) -> impl Iterator<Item = f32> {
        self.groups.iter().flat_map(|group| vector[group.range()].iter().copied())
    }

    /// Adds its answer to `sums`.
    pub fn add(&self, vector: &Vector, sums: &mut [f32]) {
        let inputs = Self::inputs(&self.groups);
        let mut seen = [0f32; FUNCTIONALS];
        seen.iter_mut().zip(self.select(vector)).for_each(|(slot, value)| *slot = value);
        let row = |row: &[f32], values: &[f32]| {
            let (weights, constant) = row.split_at(values.len());
            weights.iter().zip(values).map(|(w, x)| w * x).sum::<f32>() + constant[0]
        };
        if self.hidden == 0 {
            for (sum, weights) in sums.iter_mut().zip(self.weights.chunks_exact(inputs + 1)) {
                *sum += row(weights, &seen[..inputs]);
            }
            return;
        }
        let (first, second) = self.weights.split_at((inputs + 1) * self.hidden);
        let mut units = [0f32; FUNCTIONALS];
        for (unit, weights) in units.iter_mut().zip(first.chunks_exact(inputs + 1)) {
            *unit = row(weights, &seen[..inputs]).tanh();
        }
        for (sum, weights) in sums.iter_mut().zip(second.chunks_exact(self.hidden + 1)) {
            *sum += row(weights, &units[..self.hidden]);
        }
    }
}

/// What was heard of a caller's earlier turns: the mean of their vectors.
#[derive(Clone, Debug)]
pub struct Usual {
    mean: Vector,
    turns: u32,
}

impl Default for Usual {
    fn default() -> Self {
        Self { mean: [0.0; FUNCTIONALS], turns: 0 }
    }
}

impl Usual {
    /// Turns that are learned from: what a caller sounds like later is measured against the beginning.
    pub const MOST: u32 = crate::speech::UsualVoice::MOST;

    /// Learns a turn.
    pub fn add(&mut self, vector: &Vector) {
        if self.turns >= Self::MOST {
            return;
        }
        self.turns += 1;
        let share = 1.0 / self.turns as f32;
        self.mean.iter_mut().zip(vector).for_each(|(mean, value)| *mean += share * (value - *mean));
    }

    /// Turns that were learned.
    pub const fn turns(&self) -> u32 {
        self.turns
    }
}

/// What is said of a vector.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// Probability of each label of [`Model::labels`].
    pub labels: Vec<f32>,
    /// Probability of arousal.
    pub arousal: f32,
    /// Probability of anger.
    pub anger: f32,
}

/// What is in a file beside the weights.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// How it was made: command, data, sums.
    pub made: serde_json::Value,
    /// The emotions that it tells apart.
    pub labels: Vec<EmotionLabel>,
    /// Per stage: of the emotions, of arousal, of anger.
    pub scales: [[Scale; 3]; STAGES],
    /// Of each committee the networks: groups, units of the hidden layer.
    pub nets: [Vec<(Vec<Group>, usize)>; COMMITTEES],
    /// Numbers of a vector when it was made.
    pub functionals: usize,
}

/// The classifier.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// How it was made, and its shape.
    pub header: Header,
    /// The average speaker.
    pub mean: Vec<f32>,
    /// How far speakers and utterances spread.
    pub deviation: Vec<f32>,
    /// The committees for emotions, arousal and anger of beginnings, and of the rest.
    pub committees: [Vec<Net>; COMMITTEES],
}

/// Why a file is no model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadModel {
    /// Something else, or of another version.
    #[error("it is not a file made by `tipring train emotion`")]
    Alien,
    /// The header cannot be read.
    #[error("its header cannot be read ({0}); make it anew with `tipring train emotion`")]
    Header(String),
    /// Too short or too long.
    #[error(
        "it holds {found} bytes of numbers where its header says {wanted}; it was cut off, or is of another version"
    )]
    Size {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        wanted: usize,
    },
}

impl Model {
    /// The emotions that it tells apart.
    pub fn labels(&self) -> &[EmotionLabel] {
        &self.header.labels
    }

    /// A vector against the average speaker and the caller's own.
    pub fn normalise(&self, vector: &Vector, usual: &Usual) -> Vector {
        let own = usual.turns as f32 / (usual.turns as f32 + TURNS);
        let mut out = *vector;
        for (((value, mean), deviation), theirs) in out.iter_mut().zip(&self.mean).zip(&self.deviation).zip(&usual.mean)
        {
            let centre = if usual.turns > 0 { mean + own * (theirs - mean) } else { *mean };
            *value = ((*value - centre) / deviation).clamp(-FAR, FAR);
        }
        out
    }

    /// The committees' mean answers to a normalised vector of so much speech, before they become probabilities: emotions,
    /// arousal, anger.
    pub fn answers(&self, normalised: &Vector, heard_ms: u32) -> (Vec<f32>, f32, f32) {
        let mean = |nets: &[Net], outputs: usize| {
            let mut sums = vec![0f32; outputs];
            nets.iter().for_each(|net| net.add(normalised, &mut sums));
            sums.iter_mut().for_each(|sum| *sum /= nets.len().max(1) as f32);
            sums
        };
        let [beginning @ .., a, b, c] = &self.committees;
        let [labels, arousal, anger] = if heard_ms < WHOLE_MS { beginning.each_ref() } else { [a, b, c] };
        let emotions = mean(labels, self.header.labels.len());
        // Those who tell emotions apart have something to say of anger as well.
        let angry = mean(anger, 1)[0].midpoint(self.odds_of_anger(&emotions));
        (emotions, mean(arousal, 1)[0], angry)
    }

    /// Logarithm of how much likelier anger is than the rest, as if each half of the cases showed it.
    fn odds_of_anger(&self, emotions: &[f32]) -> f32 {
        let most = emotions.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut anger, mut rest) = (1e-9f32, 1e-9f32);
        for (answer, label) in emotions.iter().zip(&self.header.labels) {
            let sum = if *label == EmotionLabel::Anger { &mut anger } else { &mut rest };
            *sum += (answer - most).exp();
        }
        (anger * emotions.len().saturating_sub(1).max(1) as f32 / rest).ln()
    }

    /// What is said of a vector of which `heard_ms` of speech were heard.
    pub fn judge(&self, vector: &Vector, usual: &Usual, heard_ms: u32) -> Verdict {
        let (mut labels, arousal, anger) = self.answers(&self.normalise(vector, usual), heard_ms);
        let [emotion, aroused, angry] = self.header.scales[stage(heard_ms)];
        softmax(&mut labels, emotion.times);
        let probability = |answer: f32, scale: Scale| 1.0 / (1.0 + (-(answer * scale.times + scale.plus)).exp());
        Verdict { labels, arousal: probability(arousal, aroused), anger: probability(anger, angry) }
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let header = serde_json::to_string(&self.header).unwrap_or_default();
        let mut bytes = format!("{MAGIC}{header}\n").into_bytes();
        for number in self.mean.iter().chain(&self.deviation) {
            bytes.extend(number.to_le_bytes());
        }
        for weight in self.committees.iter().flatten().flat_map(|net| &net.weights) {
            bytes.extend(&rounded(*weight).to_le_bytes()[2..]);
        }
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`BadModel`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadModel> {
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or(BadModel::Alien)?;
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(BadModel::Alien)?;
        let (header, numbers) = rest.split_at(end);
        let header: Header = serde_json::from_slice(header).map_err(|error| BadModel::Header(error.to_string()))?;
        let alien = |what: &str| BadModel::Header(what.to_owned());
        if header.functionals != FUNCTIONALS {
            return Err(alien("the measures of a voice have changed since"));
        }
        if header.labels.is_empty() || header.labels.len() > EmotionLabel::ALL.len() {
            return Err(alien("it names no emotions, or too many"));
        }
        if header
            .nets
            .iter()
            .flatten()
            .any(|(groups, hidden)| Net::inputs(groups) > FUNCTIONALS || *hidden > FUNCTIONALS)
            || header.nets.iter().any(|nets| nets.is_empty() || nets.len() > 64)
        {
            return Err(alien("its networks are not possible ones"));
        }
        let numbers = &numbers[1..];
        let outputs = [header.labels.len(), 1, 1, header.labels.len(), 1, 1];
        let size = |groups: &[Group], hidden, outputs| Net::size(Net::inputs(groups), hidden, outputs);
        let sizes = header
            .nets
            .iter()
            .zip(outputs)
            .flat_map(|(nets, outputs)| nets.iter().map(move |(groups, hidden)| size(groups, *hidden, outputs)));
        let wanted = 8 * FUNCTIONALS + 2 * sizes.sum::<usize>();
        if numbers.len() != wanted {
            return Err(BadModel::Size { found: numbers.len(), wanted });
        }
        let (average, weights) = numbers.split_at(8 * FUNCTIONALS);
        let average: Vec<f32> = average.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let (mean, deviation) = (average[..FUNCTIONALS].to_vec(), average[FUNCTIONALS..].to_vec());
        let mut weights = weights.as_chunks().0.iter().map(|[low, high]| f32::from_le_bytes([0, 0, *low, *high]));
        let mut take = |count: usize| weights.by_ref().take(count).collect::<Vec<f32>>();
        if mean.iter().any(|m| !m.is_finite()) || deviation.iter().any(|d| !d.is_normal() || *d < 0.0) {
            return Err(alien("its average speaker is not a possible one"));
        }
        let mut committees = [const { Vec::new() }; COMMITTEES];
        for ((committee, nets), outputs) in committees.iter_mut().zip(&header.nets).zip(outputs) {
            for (groups, hidden) in nets {
                let weights = take(size(groups, *hidden, outputs));
                committee.push(Net { groups: groups.clone(), hidden: *hidden, outputs, weights });
            }
        }
        Ok(Self { header, mean, deviation, committees })
    }
}

/// The nearest number of which the lower 16 bits are nothing.
pub fn rounded(number: f32) -> f32 {
    f32::from_bits(number.to_bits().wrapping_add(0x8000) & 0xffff_0000)
}

/// Which calibration holds after so much speech.
pub fn stage(heard_ms: u32) -> usize {
    STAGES_MS.iter().filter(|ms| heard_ms >= **ms).count()
}

/// Makes probabilities of answers.
pub fn softmax(answers: &mut [f32], times: f32) {
    let most = answers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    answers.iter_mut().for_each(|answer| *answer = ((*answer - most) * times).exp());
    let sum: f32 = answers.iter().sum();
    answers.iter_mut().for_each(|answer| *answer /= sum.max(1e-12));
}
