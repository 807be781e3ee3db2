//! Who is called: the parameters of `customers.toml`, and customers drawn by them.

use crate::nlu::Objection;
use crate::sim::Dice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file in which every parameter stands, labelled.
const FILE: &str = include_str!("customers.toml");

/// What raises and lowers interest, in log-odds.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Effect {
    pub need_known: f64,
    pub objection_resolved: f64,
    pub objection_persisted: f64,
    pub offer: f64,
    pub misunderstood: f64,
    pub late_turn: f64,
    pub opening: f64,
    pub rebuttal: f64,
}

#[derive(Deserialize, Debug)]
pub(super) struct ObjectionWeights {
    pub mean: f64,
    #[serde(flatten)]
    pub weights: BTreeMap<String, f64>,
}

/// How a customer is. The file says what each number means.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Temperament {
    pub name: String,
    pub share: f64,
    pub interest: f64,
    pub patience: f64,
    pub brushes_off: f64,
    pub answers: f64,
    pub tells_more: f64,
    pub asks: f64,
    pub convinced: f64,
    pub price: f64,
    pub interrupts: f64,
    pub silent: f64,
    pub hangs_up: f64,
    pub do_not_call: f64,
    pub human: f64,
    pub robot: f64,
    pub abuse: f64,
    pub complaint: f64,
    pub audience: String,
    #[serde(default)]
    pub objections: BTreeMap<String, f64>,
}

/// All parameters.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    pub word_errors: [f64; 3],
    pub interest: f64,
    pub interest_spread: f64,
    pub effect: Effect,
    pub objections: ObjectionWeights,
    pub temperament: Vec<Temperament>,
}

/// What the campaign knows of a customer before the call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Lead {
    /// The wording that fits: `professional`, `young`, `elderly` or nothing.
    pub audience: String,
    /// What the customer is to the company: `new`, `existing` or `lapsed`.
    pub profile: String,
}

/// Somebody who is called.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Number of the temperament.
    pub temperament: usize,
    pub lead: Lead,
    /// Log-odds.
    pub interest: f64,
    /// Turns that are given gladly.
    pub patience: f64,
    /// What they have against it, in the order in which they will say it.
    pub holds: Vec<&'static str>,
    /// How sure they must be: buys when the chance of interest is above it.
    pub threshold: f64,
}

/// Evenly to normally (Box and Muller).
fn normal(dice: &mut Dice) -> f64 {
    (-2.0 * dice.between(1e-12, 1.0).ln()).sqrt() * (std::f64::consts::TAU * dice.unit()).cos()
}

/// One of several by weight.
fn weighted<'a, T>(dice: &mut Dice, of: &'a [(T, f64)]) -> Option<&'a T> {
    let mut left = dice.unit() * of.iter().map(|(_, weight)| weight).sum::<f64>();
    for (what, weight) in of {
        left -= weight;
        if left < 0.0 {
            return Some(what);
        }
    }
    of.last().map(|(what, _)| what)
}

impl Parameters {
    /// Those that are compiled in.
    pub fn load() -> Result<Self, toml::de::Error> {
        toml::from_str(FILE)
    }

    /// The temperament of this number.
    pub fn of(&self, temperament: usize) -> Option<&Temperament> {
        self.temperament.get(temperament)
    }

    /// Somebody.
    pub fn person(&self, dice: &mut Dice) -> Option<Person> {
        let shares: Vec<(usize, f64)> = self.temperament.iter().map(|one| one.share).enumerate().collect();
        let temperament = *weighted(dice, &shares)?;
        let is = self.temperament.get(temperament)?;
        let profile = *weighted(dice, &[("new", 0.6), ("existing", 0.25), ("lapsed", 0.15)])?;
        let mut holds: Vec<&'static str> = Vec::new();
        // Poisson by the product of evenly drawn numbers (Knuth).
        let (limit, mut product) = ((-self.objections.mean).exp(), dice.unit());
        while product > limit && holds.len() < 4 {
            product *= dice.unit();
            if let Some(objection) = self.objection(is, dice, |_| true)
                && !holds.contains(&objection)
            {
                holds.push(objection);
            }
        }
        Some(Person {
            temperament,
            lead: Lead { audience: is.audience.clone(), profile: profile.to_owned() },
            interest: self.interest + is.interest + self.interest_spread * normal(dice),
            patience: (is.patience * (1.0 + normal(dice) / 3.0)).max(1.0),
            holds,
            threshold: dice.unit(),
        })
    }

    /// An objection as this temperament raises it, of those that `may` be.
    pub fn objection(
        &self,
        is: &Temperament,
        dice: &mut Dice,
        may: impl Fn(Objection) -> bool,
    ) -> Option<&'static str> {
        let weights: Vec<(&'static str, f64)> = Objection::ALL
            .into_iter()
            .filter(|objection| may(*objection))
            .map(|objection| {
                let own = is.objections.get(objection.id()).copied().unwrap_or(1.0);
                (objection.id(), own * self.objections.weights.get(objection.id()).copied().unwrap_or(0.0))
            })
            .collect();
        weighted(dice, &weights).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_all_objections_and_nothing_else() {
        let parameters = Parameters::load().unwrap();
        let names: Vec<&str> = Objection::ALL.iter().map(|objection| objection.id()).collect();
        for name in &names {
            assert!(parameters.objections.weights.contains_key(*name), "{name} has no weight");
        }
        let own = parameters.temperament.iter().flat_map(|one| one.objections.keys());
        for name in parameters.objections.weights.keys().chain(own) {
            assert!(names.contains(&name.as_str()), "{name} is no objection");
        }
        let shares: f64 = parameters.temperament.iter().map(|one| one.share).sum();
        assert!((shares - 100.0).abs() < 1e-9, "{shares}");
        assert!(parameters.temperament.len() >= 8);
    }

    #[test]
    fn people_are_drawn_as_the_file_says() {
        let parameters = Parameters::load().unwrap();
        let mut dice = Dice::new(1);
        let people: Vec<Person> = (0..20_000).map(|_| parameters.person(&mut dice).unwrap()).collect();
        for (number, temperament) in parameters.temperament.iter().enumerate() {
            let count = people.iter().filter(|person| person.temperament == number).count();
            assert!((count as f64 / 200.0 - temperament.share).abs() < 1.0, "{}: {count}", temperament.name);
        }
        let interest = people.iter().map(|person| person.interest).sum::<f64>() / people.len() as f64;
        let expected = parameters.interest
            + parameters.temperament.iter().map(|one| one.share * one.interest / 100.0).sum::<f64>();
        assert!((interest - expected).abs() < 0.05, "{interest} {expected}");
    }
}
