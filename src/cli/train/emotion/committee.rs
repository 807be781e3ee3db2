//! From what was heard to a model: the committees, speaker by speaker where they are to be scored, and calibration.

use super::hear::{Heard, LINES, LOOKS};
use super::learn::{Example, Plan, learn};
use crate::audio::prosody::{FUNCTIONALS, Group};
use crate::engine::emotion::{COMMITTEES, Header, Model, STAGES, Scale, Usual, softmax, stage};
use crate::sim::Dice;
use crate::speech::EmotionLabel;
use anyhow::bail;

/// Turns of the same caller that an example is heard after: one of these, by chance.
const TURNS: [u32; 6] = [0, 0, 1, 2, 4, 8];

/// Which look an example is of: one of these, by chance; for beginnings, and for the rest.
const LOOKED: [[usize; 4]; 2] = [[0, 0, 1, LOOKS - 1], [1, LOOKS - 1, LOOKS - 1, LOOKS - 1]];
/// How much each line counts: rough ones less than those that figures are given for.
const WEIGHTS: [f32; LINES] = [1.5, 1.0, 1.0, 0.5, 0.5, 0.5, 0.4, 0.4];

use Group::{Rhythm, Speech, Unvoiced, Voiced};

/// The committees: emotions, arousal, anger.
fn plans() -> [Vec<Plan>; 3] {
    let plan = |groups: &[Group], hidden, epochs| Plan { groups: groups.to_vec(), hidden, epochs };
    let (all, most) = ([Voiced, Speech, Unvoiced, Rhythm], [Voiced, Speech, Rhythm]);
    let (voice, whole) = ([Voiced, Rhythm], [Speech, Rhythm]);
    [
        vec![
            plan(&all, 0, 12),
            plan(&most, 0, 12),
            plan(&all, 32, 12),
            plan(&all, 32, 12),
            plan(&most, 32, 12),
            plan(&whole, 32, 12),
        ],
        vec![plan(&voice, 0, 10), plan(&most, 0, 10), plan(&most, 16, 10)],
        vec![plan(&voice, 0, 10), plan(&all, 0, 10), plan(&all, 24, 10), plan(&most, 24, 10)],
    ]
}

/// Trains a model on all of them; its calibration says nothing yet.
pub(super) fn train(heard: &[&Heard], labels: &[EmotionLabel], dice: &Dice) -> Model {
    let (mean, deviation) = average(heard);
    let header = Header {
        made: serde_json::Value::Null,
        labels: labels.to_vec(),
        scales: [[Scale::default(); 3]; STAGES],
        nets: [const { Vec::new() }; COMMITTEES],
        functionals: FUNCTIONALS,
    };
    let mut model = Model { header, mean, deviation, committees: [const { Vec::new() }; COMMITTEES] };
    for (n, plans) in plans().iter().chain(&plans()).enumerate() {
        let looks = &LOOKED[n / 3];
        let class = |label: EmotionLabel| match n % 3 {
            0 => labels.iter().position(|known| *known == label).unwrap_or(0),
            1 => usize::from(label.aroused()),
            _ => usize::from(label == EmotionLabel::Anger),
        };
        let outputs = if n % 3 == 0 { labels.len() } else { 1 };
        for (seat, plan) in plans.iter().enumerate() {
            let mut dice = dice.fork(100 * n as u64 + seat as u64);
            let examples = examples(heard, &model, &class, looks, &mut dice);
            let net = learn(&examples, plan, outputs, &mut dice);
            model.header.nets[n].push((plan.groups.clone(), plan.hidden));
            model.committees[n].push(net);
        }
    }
    model
}

/// The average speaker, and how far utterances spread.
fn average(heard: &[&Heard]) -> (Vec<f32>, Vec<f32>) {
    let ends =
        || heard.iter().flat_map(|heard| &heard.takes).filter_map(|looks| looks.last()).map(|(vector, _)| vector);
    let count = ends().count().max(1) as f64;
    let mut mean = vec![0f64; FUNCTIONALS];
    ends().for_each(|vector| mean.iter_mut().zip(vector).for_each(|(m, v)| *m += f64::from(*v) / count));
    let mut squares = vec![0f64; FUNCTIONALS];
    for vector in ends() {
        let offs = vector.iter().zip(&mean).map(|(v, m)| (f64::from(*v) - m).powi(2) / count);
        squares.iter_mut().zip(offs).for_each(|(sum, off)| *sum += off);
    }
    let deviation = squares.iter().map(|square| (square.sqrt() as f32).max(1e-4)).collect();
    (mean.iter().map(|m| *m as f32).collect(), deviation)
}

/// A look at every take, each class with the same weight in all, some of them after earlier turns of the speaker.
fn examples(
    heard: &[&Heard],
    model: &Model,
    class: &dyn Fn(EmotionLabel) -> usize,
    looks: &[usize],
    dice: &mut Dice,
) -> Vec<Example> {
    let mut counts = [0f32; 16];
    heard.iter().for_each(|heard| counts[class(heard.label)] += 1.0);
    let mut examples = Vec::new();
    for (n, clip) in heard.iter().enumerate() {
        let others: Vec<&&Heard> = heard
            .iter()
            .enumerate()
            .filter(|(m, other)| *m != n && other.speaker == clip.speaker)
            .map(|o| o.1)
            .collect();
        for (take, (heard, line)) in clip.takes.iter().zip(WEIGHTS).enumerate() {
            let mut usual = Usual::default();
            for _ in 0..dice.pick(&TURNS).copied().unwrap_or(0) {
                let Some(other) = dice.pick(&others) else { break };
                usual.add(&other.takes[take][LOOKS - 1].0);
            }
            let look = dice.pick(looks).copied().unwrap_or(LOOKS - 1);
            let (vector, class) = (model.normalise(&heard[look].0, &usual), class(clip.label));
            examples.push(Example { vector, class, weight: line / counts[class] });
        }
    }
    examples
}

/// The emotions in what was heard.
pub(super) fn labels(heard: &[Heard]) -> Vec<EmotionLabel> {
    let mut labels: Vec<EmotionLabel> = heard.iter().map(|heard| heard.label).collect();
    labels.sort();
    labels.dedup();
    labels
}

/// The speakers in what was heard.
pub(super) fn speakers(heard: &[Heard]) -> Vec<&str> {
    let mut speakers: Vec<&str> = heard.iter().map(|heard| heard.speaker.as_str()).collect();
    speakers.sort_unstable();
    speakers.dedup();
    speakers
}

/// An answer to somebody whom the model had not heard.
pub(super) struct Answer {
    label: EmotionLabel,
    heard_ms: u32,
    emotions: Vec<f32>,
    others: [f32; 2],
}

/// Models, each with the speakers that it has not heard: one for each speaker, or for each of `most` groups of them.
///
/// # Errors
/// There are too few speakers or emotions.
pub(super) fn leave_one_out(heard: &[Heard], most: usize, dice: &Dice) -> anyhow::Result<Vec<(Vec<String>, Model)>> {
    let (labels, speakers) = (labels(heard), speakers(heard));
    if labels.len() < 2 || speakers.len() < 2 {
        bail!("{} emotions and {} speakers are too few to learn from", labels.len(), speakers.len());
    }
    let folds = speakers.len().min(most);
    let mut models = Vec::new();
    for fold in 0..folds {
        let out: Vec<String> = speakers.iter().skip(fold).step_by(folds).map(|&speaker| speaker.to_owned()).collect();
        eprintln!("without speaker {} ({} of {folds})", out.join(", "), fold + 1);
        let others: Vec<&Heard> = heard.iter().filter(|heard| !out.contains(&heard.speaker)).collect();
        models.push((out, train(&others, &labels, &dice.fork(1000 + fold as u64))));
    }
    Ok(models)
}

/// What the models say of those whom they had not heard: every look at every take.
pub(super) fn answers(heard: &[Heard], models: &[(Vec<String>, Model)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (speakers, model) in models {
        for clip in heard.iter().filter(|heard| speakers.contains(&heard.speaker)) {
            for (vector, heard_ms) in clip.takes.iter().flatten() {
                let (emotions, arousal, anger) = model.answers(&model.normalise(vector, &Usual::default()), *heard_ms);
                answers.push(Answer { label: clip.label, heard_ms: *heard_ms, emotions, others: [arousal, anger] });
            }
        }
    }
    answers
}

/// The scales with which the answers come closest to how often they are right, for each stage of an utterance; every class
/// counts the same.
pub(super) fn calibrate(answers: &[Answer], labels: &[EmotionLabel]) -> [[Scale; 3]; STAGES] {
    std::array::from_fn(|at| {
        let of_stage: Vec<&Answer> = answers.iter().filter(|answer| stage(answer.heard_ms) == at).collect();
        // A set of short recordings has nothing to say of long ones.
        let of_stage = if of_stage.len() < 100 { answers.iter().collect() } else { of_stage };
        let weight = |same: &dyn Fn(EmotionLabel) -> bool| {
            1.0 / of_stage.iter().filter(|answer| same(answer.label)).count().max(1) as f64
        };
        let weights: Vec<f64> = labels.iter().map(|label| weight(&|other| other == *label)).collect();
        let emotions = |times: f32| {
            let losses = of_stage.iter().map(|answer| {
                let class = labels.iter().position(|label| *label == answer.label).unwrap_or(0);
                let mut shares = answer.emotions.clone();
                softmax(&mut shares, times);
                -weights[class] * f64::from(shares[class].max(1e-6)).ln()
            });
            losses.sum::<f64>()
        };
        let binary = |which: usize, yes: &dyn Fn(EmotionLabel) -> bool| {
            let weights = [weight(&|label| !yes(label)), weight(yes)];
            let loss = |times: f32, plus: f32| {
                let losses = of_stage.iter().map(|answer| {
                    let probability = 1.0 / (1.0 + (-(answer.others[which] * times + plus)).exp());
                    let right = if yes(answer.label) { probability } else { 1.0 - probability };
                    -weights[usize::from(yes(answer.label))] * f64::from(right.max(1e-6)).ln()
                });
                losses.sum::<f64>()
            };
            let (mut times, mut plus) = (1.0, 0.0);
            for _ in 0..6 {
                times = lowest(0.1, 4.0, |times| loss(times, plus));
                plus = lowest(-3.0, 3.0, |plus| loss(times, plus));
            }
            Scale { times, plus }
        };
        [
            Scale { times: lowest(0.1, 4.0, emotions), plus: 0.0 },
            binary(0, &EmotionLabel::aroused),
            binary(1, &|label| label == EmotionLabel::Anger),
        ]
    })
}

/// Where a function with one valley is lowest: the golden section.
fn lowest(mut low: f32, mut high: f32, of: impl Fn(f32) -> f64) -> f32 {
    const GOLDEN: f32 = 0.618_034;
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_a, mut at_b) = (of(a), of(b));
    for _ in 0..24 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - GOLDEN * (high - low);
            at_a = of(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + GOLDEN * (high - low);
            at_b = of(b);
        }
    }
    low.midpoint(high)
}
