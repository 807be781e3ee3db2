//! Counts to figures with their intervals.

use crate::sim::Dice;
use serde_json::{Value, json};

/// How often an utterance is drawn anew for the interval of the word error rate.
const DRAWS: usize = 1000;
/// The confidences at which the agent could ask again.
const CURVE: [f32; 10] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// What became of one utterance.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Words said, and words wrong of them.
    pub words: usize,
    pub errors: usize,
    pub exact: bool,
    /// Which phrase the dialogue would take it for; none: it asks again.
    pub chosen: Option<usize>,
    /// Which one it was; none: it was not expected.
    pub right: Option<usize>,
    pub confidence: f32,
    /// From the onset of speech to the end of the audio that the first partial took in, in ms.
    pub first_partial_ms: Option<f64>,
    /// The first partial was how the final answer begins.
    pub kept: bool,
    pub degraded: bool,
    pub work: Option<Work>,
    /// What was said and in which group, so that another take of it can be found.
    pub said: (String, Option<String>),
    /// Which recording of the set it is.
    pub take: usize,
}

/// Processor time of the whole program for one utterance, in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Work {
    /// Until the flush.
    pub speaking_ms: f64,
    /// From the flush to the final answer.
    pub answer_ms: f64,
}

/// Mean, median and 95th percentile.
fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * (values.len() as f64 - 1.0)).round() as usize).map(|ms| round(*ms));
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    json!({ "mean_ms": round(mean), "p50_ms": at(0.5), "p95_ms": at(0.95) })
}

/// The figures of a group of utterances.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub outcomes: Vec<Outcome>,
    /// The same utterances where their phrase was not among those expected.
    pub absent: Vec<Outcome>,
}

/// A proportion with its 95 % interval (Wilson), in percent.
pub(super) fn wilson(hits: usize, of: usize) -> (f64, f64, f64) {
    if of == 0 {
        return (0.0, 0.0, 100.0);
    }
    let (n, p, z) = (of as f64, hits as f64 / of as f64, 1.96);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (100.0 * p, 100.0 * (centre - half).max(0.0), 100.0 * (centre + half).min(1.0))
}

fn wer(outcomes: &[&Outcome]) -> f64 {
    let words: usize = outcomes.iter().map(|outcome| outcome.words).sum();
    let errors: usize = outcomes.iter().map(|outcome| outcome.errors).sum();
    100.0 * errors as f64 / words.max(1) as f64
}

/// The word error rate with its 95 % interval over utterances drawn anew, in percent.
fn wer_interval(outcomes: &[Outcome]) -> (f64, f64, f64) {
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let mut dice = Dice::new(1);
    let mut drawn: Vec<f64> =
        (0..DRAWS).map(|_| wer(&all.iter().filter_map(|_| dice.pick(&all).copied()).collect::<Vec<_>>())).collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn.get((share * DRAWS as f64) as usize).copied().unwrap_or_default();
    (wer(&all), at(0.025), at(0.975))
}

fn understood(outcome: &Outcome, least: f32) -> bool {
    outcome.chosen.is_some() && outcome.chosen == outcome.right && outcome.confidence >= least
}

fn wrong(outcome: &Outcome, least: f32) -> bool {
    outcome.chosen.is_some() && outcome.chosen != outcome.right && outcome.confidence >= least
}

/// The same words from another recording: what a caller who is asked again says. The next one in the set, from its beginning
/// after its end.
fn other_take<'a>(outcomes: &'a [Outcome], of: &Outcome) -> Option<&'a Outcome> {
    let others = || outcomes.iter().filter(|other| other.said == of.said && other.take != of.take);
    others().find(|other| other.take > of.take).or_else(|| others().next())
}

/// How many are understood at once or, where it was asked again, when they are said a second time; and how many are then taken
/// for another. None where a recording has no second one.
fn asked_twice(outcomes: &[Outcome], least: f32) -> Option<(usize, usize)> {
    let (mut right, mut wrongs) = (0, 0);
    for outcome in outcomes {
        let other = other_take(outcomes, outcome)?;
        let is_open = !understood(outcome, least) && !wrong(outcome, least);
        let last = if is_open { other } else { outcome };
        right += usize::from(understood(last, least));
        wrongs += usize::from(wrong(last, least));
    }
    Some((right, wrongs))
}

fn count(outcomes: &[Outcome], what: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|outcome| what(outcome)).count()
}

fn rate(hits: usize, of: usize) -> Value {
    let (percent, low, high) = wilson(hits, of);
    json!({ "count": hits, "percent": round(percent), "low_percent": round(low), "high_percent": round(high) })
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Figures {
    /// As JSON; `least` is the confidence below which the agent asks again.
    pub fn json(&self, least: f32) -> Value {
        let (n, absent) = (self.outcomes.len(), self.absent.len());
        let (wer, low, high) = wer_interval(&self.outcomes);
        let mut waits: Vec<f64> = self.outcomes.iter().filter_map(|outcome| outcome.first_partial_ms).collect();
        waits.sort_by(f64::total_cmp);
        let wait = |share: f64| waits.get((share * (waits.len() as f64 - 1.0)).round() as usize).map(|ms| round(*ms));
        let mut out = json!({
            "utterances": n,
            "wer_percent": round(wer),
            "wer_low_percent": round(low),
            "wer_high_percent": round(high),
            "phrase_exact": rate(count(&self.outcomes, |o| o.exact), n),
            "degraded": count(&self.outcomes, |o| o.degraded),
            "first_partial_share_percent": round(100.0 * waits.len() as f64 / n.max(1) as f64),
            "first_partial_p50_ms": wait(0.5),
            "first_partial_p95_ms": wait(0.95),
            "first_partial_kept_percent": round(
                100.0 * count(&self.outcomes, |o| o.first_partial_ms.is_some() && o.kept) as f64 / waits.len().max(1) as f64
            ),
        });
        let Value::Object(map) = &mut out else { return out };
        let work: Vec<Work> = self.outcomes.iter().filter_map(|outcome| outcome.work).collect();
        if !work.is_empty() {
            let of = |part: fn(&Work) -> f64| spread(work.iter().map(part).collect());
            let parts = json!({
                "speaking": of(|work| work.speaking_ms),
                "answer": of(|work| work.answer_ms),
                "whole": of(|work| work.speaking_ms + work.answer_ms),
            });
            map.insert("processor".into(), parts);
        }
        if self.outcomes.iter().any(|outcome| outcome.right.is_some()) {
            let (right, wrongs) =
                (count(&self.outcomes, |o| understood(o, least)), count(&self.outcomes, |o| wrong(o, least)));
            map.insert("closed_choice".into(), rate(count(&self.outcomes, |o| understood(o, 0.0)), n));
            map.insert("understood".into(), rate(right, n));
            map.insert("wrong".into(), rate(wrongs, n));
            map.insert("asked_again".into(), rate(n - right - wrongs, n));
            if absent > 0 {
                map.insert("absent_wrong".into(), rate(count(&self.absent, |o| wrong(o, least)), absent));
            }
            if let Some((right, wrongs)) = asked_twice(&self.outcomes, least) {
                map.insert("asked_twice".into(), rate(right, n));
                map.insert("asked_twice_wrong".into(), rate(wrongs, n));
            }
            let curve = CURVE.iter().map(|&least| {
                let mut point = json!({
                    "min_confidence": round(f64::from(least)),
                    "understood_percent": round(100.0 * count(&self.outcomes, |o| understood(o, least)) as f64 / n as f64),
                    "wrong_percent": round(100.0 * count(&self.outcomes, |o| wrong(o, least)) as f64 / n as f64),
                });
                if absent > 0 {
                    let wrongs = count(&self.absent, |o| wrong(o, least));
                    point["absent_wrong_percent"] = json!(round(100.0 * wrongs as f64 / absent as f64));
                }
                point
            });
            map.insert("curve".into(), curve.collect());
        }
        out
    }
}

/// The figures as lines for people.
pub(super) fn print(name: &str, figures: &Value) {
    let number = |key: &str| figures[key].as_f64().unwrap_or_default();
    println!("{name}: {} utterances", figures["utterances"]);
    let (wer, low, high) = (number("wer_percent"), number("wer_low_percent"), number("wer_high_percent"));
    println!("  words wrong           {wer:5.1} %  ({low:.1} to {high:.1})");
    for (key, label) in [
        ("phrase_exact", "word for word"),
        ("closed_choice", "right, however unsure"),
        ("understood", "understood"),
        ("wrong", "taken for another"),
        ("asked_again", "asked again"),
        ("absent_wrong", "absent, yet taken"),
        ("asked_twice", "understood by then"),
        ("asked_twice_wrong", "wrong by then"),
    ] {
        let rate = &figures[key];
        if let (Some(percent), Some(low), Some(high)) =
            (rate["percent"].as_f64(), rate["low_percent"].as_f64(), rate["high_percent"].as_f64())
        {
            println!("  {label:21} {percent:5.1} %  ({low:.1} to {high:.1}), {} times", rate["count"]);
        }
    }
    if let (Some(p50), Some(p95)) = (figures["first_partial_p50_ms"].as_f64(), figures["first_partial_p95_ms"].as_f64())
    {
        let (share, kept) = (number("first_partial_share_percent"), number("first_partial_kept_percent"));
        println!(
            "  first partial         {p50:.0} ms of audio after the onset, p95 {p95:.0}; in {share:.0} %, kept in {kept:.0} %"
        );
    }
    for (key, label) in [("speaking", "until the flush"), ("answer", "flush to answer"), ("whole", "both")] {
        let spread = &figures["processor"][key];
        if let (Some(mean), Some(p50), Some(p95)) =
            (spread["mean_ms"].as_f64(), spread["p50_ms"].as_f64(), spread["p95_ms"].as_f64())
        {
            println!("  processor time        {label}: {mean:.0} ms an utterance, p50 {p50:.0}, p95 {p95:.0}");
        }
    }
    for point in figures["curve"].as_array().into_iter().flatten() {
        let absent =
            point["absent_wrong_percent"].as_f64().map_or(String::new(), |p| format!(", absent and taken {p:5.1} %"));
        println!(
            "    from confidence {:.1}: understood {:5.1} %, taken for another {:5.1} %{absent}",
            point["min_confidence"].as_f64().unwrap_or_default(),
            point["understood_percent"].as_f64().unwrap_or_default(),
            point["wrong_percent"].as_f64().unwrap_or_default(),
        );
    }
    if figures["degraded"].as_u64().unwrap_or_default() > 0 {
        println!(
            "  {} utterances were heard with holes: the engine could not keep up; give --speed 1",
            figures["degraded"]
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let (percent, low, high) = wilson(48, 52);
        assert!((percent - 92.3).abs() < 0.05 && (low - 81.8).abs() < 0.1 && (high - 97.0).abs() < 0.1, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 0.0, 100.0));
    }

    #[test]
    fn processor_time_is_told_in_its_parts() {
        let outcome =
            |speaking_ms, answer_ms| Outcome { work: Some(Work { speaking_ms, answer_ms }), ..Outcome::default() };
        let outcomes = vec![outcome(10.0, 1.0), outcome(30.0, 2.0), outcome(20.0, 9.0)];
        let json = Figures { outcomes, absent: Vec::new() }.json(0.3);
        assert_eq!(json["processor"]["speaking"], json!({ "mean_ms": 20.0, "p50_ms": 20.0, "p95_ms": 30.0 }));
        assert_eq!(json["processor"]["answer"]["p95_ms"], 9.0);
        assert_eq!(json["processor"]["whole"]["p50_ms"], 29.0);
        assert!(Figures::default().json(0.3)["processor"].is_null());
    }

    #[test]
    fn who_is_asked_again_says_it_another_time() {
        let outcome = |text: &str, take: usize, chosen: usize, confidence: f32| Outcome {
            chosen: Some(chosen),
            right: Some(1),
            confidence,
            said: (text.into(), None),
            take,
            ..Outcome::default()
        };
        let mut outcomes = vec![
            outcome("one", 0, 1, 0.2),
            outcome("two", 1, 1, 0.1),
            outcome("one", 2, 1, 0.9),
            outcome("two", 3, 0, 0.8),
        ];
        // The first is understood the second time, the second is taken for another then.
        assert_eq!(asked_twice(&outcomes, 0.3), Some((2, 2)));
        let json = Figures { outcomes: outcomes.clone(), absent: Vec::new() }.json(0.3);
        assert_eq!((&json["asked_twice"]["count"], &json["closed_choice"]["count"]), (&json!(2), &json!(3)));
        outcomes.push(outcome("three", 4, 1, 0.9));
        assert_eq!(asked_twice(&outcomes, 0.3), None, "nobody says three again");
    }

    #[test]
    fn what_is_unsure_is_asked_again_and_what_was_not_expected_is_wrong() {
        let outcome = |chosen: Option<usize>, right: Option<usize>, confidence: f32| Outcome {
            words: 4,
            errors: usize::from(chosen != right),
            chosen,
            right,
            confidence,
            ..Outcome::default()
        };
        let figures = Figures {
            outcomes: vec![
                outcome(Some(1), Some(1), 0.9),
                outcome(Some(1), Some(1), 0.2),
                outcome(Some(2), Some(1), 0.8),
                outcome(None, Some(1), 0.0),
            ],
            absent: vec![outcome(Some(0), None, 0.35), outcome(None, None, 0.0)],
        };
        let json = figures.json(0.3);
        let counts =
            ["understood", "wrong", "asked_again", "absent_wrong"].map(|key| json[key]["count"].as_u64().unwrap());
        assert_eq!(counts, [1, 1, 2, 1]);
        assert_eq!(json["wer_percent"], 12.5);
        assert_eq!(json["curve"][0]["understood_percent"], 50.0);
        assert_eq!(json["curve"][4]["absent_wrong_percent"], 0.0);
    }
}
