//! From answers to figures: recalls, confusion, calibration, intervals.

use crate::sim::Dice;
use crate::speech::EmotionLabel;
use serde_json::{Map, Value, json};

/// Times that the files are drawn anew for the intervals.
const DRAWS: usize = 1000;
/// Cells of the calibration error.
const CELLS: usize = 10;
/// The answer to a file of which nothing was said.
const UNHEARD: usize = usize::MAX;

/// What was said of a file.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it shows.
    pub truth: EmotionLabel,
    /// Each label that the model knows with its probability.
    pub labels: Vec<(EmotionLabel, f32)>,
    /// Probability of arousal.
    pub arousal: f32,
    /// Probability of anger.
    pub anger: f32,
    /// How pleasant, 0 to 1.
    pub valence: f32,
    /// From the first sound of speech to the first label, in ms; none where nothing was said of it: too little of it was speech. It
    /// is wrong then, whatever it shows.
    pub first_ms: Option<f64>,
}

impl Judged {
    /// The most likely label among some, and its probability among them.
    pub fn among(&self, labels: &[EmotionLabel]) -> Option<(EmotionLabel, f32)> {
        let among = || self.labels.iter().filter(|(label, _)| labels.contains(label));
        let sum: f32 = among().map(|(_, share)| share).sum();
        let best = among().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((best.0, best.1 / sum.max(1e-9)))
    }
}

/// An answer to a question with some classes.
#[derive(Clone, Copy)]
pub struct Mark {
    truth: usize,
    said: usize,
    probability: f32,
}

/// A question's marks and the names of its classes.
pub struct Question {
    names: Vec<&'static str>,
    marks: Vec<Mark>,
}

impl Question {
    /// Which of these emotions? Files that show none of them are left out; with `open` the model may answer others, too.
    pub fn emotions(judged: &[Judged], labels: &[EmotionLabel], open: bool) -> Self {
        let mark = |judged: &Judged| {
            let truth = labels.iter().position(|label| *label == judged.truth)?;
            let known: Vec<EmotionLabel> = judged.labels.iter().map(|(label, _)| *label).collect();
            let (said, probability) = judged.among(if open { &known } else { labels })?;
            // An answer that is none of the classes is wrong whatever the truth.
            let said = labels.iter().position(|label| *label == said).unwrap_or(labels.len());
            Some(Mark { truth, said: judged.first_ms.map_or(UNHEARD, |_| said), probability })
        };
        let names = labels.iter().map(|label| label.name()).collect();
        Self { names, marks: judged.iter().filter_map(mark).collect() }
    }

    /// Yes or no, by a probability.
    pub fn binary(
        judged: &[Judged],
        names: [&'static str; 2],
        truth: impl Fn(&Judged) -> Option<bool>,
        probability: impl Fn(&Judged) -> f32,
    ) -> Self {
        let mark = |judged: &Judged| {
            let yes = probability(judged);
            let said = yes >= 0.5;
            let truth = usize::from(truth(judged)?);
            let probability = if said { yes } else { 1.0 - yes };
            Some(Mark { truth, said: judged.first_ms.map_or(UNHEARD, |_| usize::from(said)), probability })
        };
        Self { names: names.to_vec(), marks: judged.iter().filter_map(mark).collect() }
    }

    /// Mean recall of the classes that there are, in percent. None: no marks.
    pub fn uar(&self) -> Option<f64> {
        uar(self.marks.iter(), self.names.len())
    }

    /// Share of right answers, in percent.
    fn accuracy(&self) -> f64 {
        let right = self.marks.iter().filter(|mark| mark.truth == mark.said).count();
        100.0 * right as f64 / self.marks.len().max(1) as f64
    }

    /// Between these the mean recall lies with 95 %, as far as it depends on which files were at hand.
    fn interval(&self, dice: &mut Dice) -> Option<[f64; 2]> {
        let mut draws: Vec<f64> = (0..DRAWS)
            .filter_map(|_| uar((0..self.marks.len()).filter_map(|_| dice.pick(&self.marks)), self.names.len()))
            .collect();
        draws.sort_by(f64::total_cmp);
        Some([*draws.get(DRAWS * 25 / 1000)?, *draws.get(DRAWS * 975 / 1000 - 1)?])
    }

    /// How far probabilities and shares of right answers are apart, in percent points, every class counting the same.
    fn calibration_error(&self) -> f64 {
        let count = |class: usize| self.marks.iter().filter(|mark| mark.truth == class).count().max(1) as f64;
        let weights: Vec<f64> = (0..self.names.len()).map(|class| 1.0 / count(class)).collect();
        let (mut right, mut claimed, mut sums) = ([0f64; CELLS], [0f64; CELLS], [0f64; CELLS]);
        // What nothing was said of claims nothing.
        for mark in self.marks.iter().filter(|mark| mark.said != UNHEARD) {
            let cell = ((mark.probability * CELLS as f32) as usize).min(CELLS - 1);
            let weight = weights[mark.truth];
            sums[cell] += weight;
            right[cell] += if mark.truth == mark.said { weight } else { 0.0 };
            claimed[cell] += weight * f64::from(mark.probability);
        }
        let apart: f64 = right.iter().zip(claimed).map(|(right, claimed)| (right - claimed).abs()).sum();
        100.0 * apart / sums.iter().sum::<f64>().max(1e-9)
    }

    /// All of it.
    pub fn figures(&self, dice: &mut Dice) -> Value {
        let Some(uar) = self.uar() else { return Value::Null };
        let interval = self.interval(dice).unwrap_or([f64::NAN; 2]);
        let mut figures = json!({
            "files": self.marks.len(),
            "uar": round(uar),
            "uar_low": round(interval[0]),
            "uar_high": round(interval[1]),
            "accuracy": round(self.accuracy()),
            "ece": round(self.calibration_error()),
        });
        let (mut recall, mut confusion) = (Map::new(), Map::new());
        for (class, name) in self.names.iter().enumerate() {
            let of_class = || self.marks.iter().filter(|mark| mark.truth == class);
            let count = of_class().count();
            if count == 0 {
                continue;
            }
            let said = |said: usize| of_class().filter(|mark| mark.said == said).count();
            recall.insert((*name).to_owned(), json!(round(100.0 * said(class) as f64 / count as f64)));
            let mut row: Map<String, Value> =
                self.names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), json!(said(n)))).collect();
            if said(self.names.len()) > 0 {
                row.insert("another".to_owned(), json!(said(self.names.len())));
            }
            if said(UNHEARD) > 0 {
                row.insert("unheard".to_owned(), json!(said(UNHEARD)));
            }
            confusion.insert((*name).to_owned(), Value::Object(row));
        }
        figures["recall"] = Value::Object(recall);
        figures["confusion"] = Value::Object(confusion);
        figures
    }
}

fn uar<'a>(marks: impl Iterator<Item = &'a Mark>, classes: usize) -> Option<f64> {
    let (mut right, mut all) = ([0u32; 16], [0u32; 16]);
    for mark in marks {
        all[mark.truth] += 1;
        right[mark.truth] += u32::from(mark.truth == mark.said);
    }
    let recalls = right.iter().zip(all).take(classes).filter(|(_, all)| *all > 0);
    let (sum, count) =
        recalls.fold((0.0, 0), |(sum, count), (right, all)| (sum + f64::from(*right) / f64::from(all), count + 1));
    (count > 0).then(|| 100.0 * sum / f64::from(count))
}

/// To a tenth.
pub fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use EmotionLabel::{Anger, Neutral, Sadness};

    fn judged(truth: EmotionLabel, shares: [f32; 3]) -> Judged {
        let labels = [Neutral, Anger, Sadness].into_iter().zip(shares).collect();
        Judged { truth, labels, arousal: shares[1], anger: shares[1], valence: 0.5, first_ms: Some(700.0) }
    }

    #[test]
    fn recalls_are_averaged_over_classes_and_not_over_files() {
        let judged = [
            judged(Neutral, [0.8, 0.1, 0.1]),
            judged(Neutral, [0.6, 0.3, 0.1]),
            judged(Neutral, [0.1, 0.2, 0.7]),
            judged(Anger, [0.2, 0.6, 0.2]),
        ];
        let all = Question::emotions(&judged, &[Neutral, Anger, Sadness], false);
        let figures = all.figures(&mut Dice::new(1));
        // Two of three and one of one; nobody was sad.
        assert_eq!(figures["uar"], 83.3);
        assert_eq!(figures["accuracy"], 75.0);
        assert_eq!(figures["recall"]["neutral"], 66.7);
        assert_eq!(figures["confusion"]["neutral"]["sadness"], 1);
        assert!(figures["uar_low"].as_f64() < Some(83.3) && figures["uar_high"] == 100.0, "{figures}");
        // Among the classes of the set the third neutral one is taken for anger; left open it is another's.
        let closed = Question::emotions(&judged, &[Neutral, Anger], false);
        assert_eq!(closed.figures(&mut Dice::new(1))["confusion"]["neutral"]["anger"], 1);
        let open = Question::emotions(&judged, &[Neutral, Anger], true);
        assert_eq!(open.figures(&mut Dice::new(1))["confusion"]["neutral"]["another"], 1);
    }

    #[test]
    fn a_file_of_which_nothing_was_said_is_wrong() {
        // Everything alike: the tie would go to one of the classes.
        let silent = |truth| Judged { first_ms: None, ..judged(truth, [1.0 / 3.0; 3]) };
        let judged = [silent(Neutral), silent(Anger), silent(Sadness), judged(Anger, [0.1, 0.8, 0.1])];
        let all = Question::emotions(&judged, &[Neutral, Anger, Sadness], false);
        let figures = all.figures(&mut Dice::new(1));
        assert_eq!((&figures["recall"]["anger"], &figures["recall"]["sadness"]), (&json!(50.0), &json!(0.0)));
        assert_eq!(figures["confusion"]["sadness"]["unheard"], 1);
        assert_eq!(figures["confusion"]["neutral"]["neutral"], 0);
        let anger = Question::binary(&judged, ["other", "anger"], |j| Some(j.truth == Anger), |_| 0.5);
        assert_eq!(anger.uar(), Some(25.0), "half of the angry ones was heard, and none of the others");
    }

    #[test]
    fn calibration_is_how_far_claims_and_truth_are_apart() {
        // 0.9 is claimed and half are right.
        let marks: Vec<Judged> =
            (0..10).map(|n| judged(if n % 2 == 0 { Anger } else { Neutral }, [0.05, 0.9, 0.05])).collect();
        let anger = Question::binary(&marks, ["other", "anger"], |j| Some(j.truth == Anger), |j| j.anger);
        assert!((anger.calibration_error() - 40.0).abs() < 1e-3);
        assert_eq!(anger.uar(), Some(50.0));
        let none = Question::binary(&marks, ["no", "yes"], |_| None, |j| j.anger);
        assert_eq!(none.figures(&mut Dice::new(1)), Value::Null);
    }
}
