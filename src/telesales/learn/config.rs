//! How fast is learned, and what is never given up for it.

use serde::Deserialize;

/// The `[telesales.learn]` section.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Learn, and choose by it. Otherwise the seed of each call decides with which wording it begins.
    pub enabled: bool,
    /// The variable of a call whose value is its segment: callers of different segments are learned apart. Empty: all together.
    pub segment: String,
    /// Dispositions that count as a sale.
    pub sales: Vec<String>,
    /// Dispositions that count as a complaint.
    pub complaints: Vec<String>,
    /// Share of the calls that are given the first wording of every list whatever was learned, in percent, 0 to 50.
    pub control_percent: f64,
    /// Least share of the other calls for each arm, in percent; less where the arms' shares together would pass one half.
    pub floor_percent: f64,
    /// The rate of sales that is believed of an arm before it was tried.
    pub prior_rate: f64,
    /// How many calls that belief is worth.
    pub prior_calls: f64,
    /// How much surer than it is the belief is taken to be when a rate is drawn: 1 is plain Thompson sampling; more explores less
    /// and is wrong for good more often (posterior reshaping: Chapelle and Li, NIPS 2011, section 4).
    pub sharpness: f64,
    /// After so many calls on a topic an outcome counts half; 0: nothing is forgotten.
    pub half_life_calls: u64,
    /// An arm is suspended when its rate of complaints is higher than that of the others with this probability …
    pub guard_certainty: f64,
    /// … and so many people complained.
    pub guard_complaints: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            segment: "audience".to_owned(),
            sales: ["converted", "signed_up", "enrolled", "ordered", "coming", "accepted"].map(str::to_owned).to_vec(),
            complaints: ["complaint", "do_not_call"].map(str::to_owned).to_vec(),
            control_percent: 2.0,
            floor_percent: 1.0,
            prior_rate: 0.04,
            prior_calls: 25.0,
            sharpness: 2.0,
            half_life_calls: 0,
            guard_certainty: 0.995,
            guard_complaints: 5,
        }
    }
}

impl Config {
    /// What no single key shows.
    ///
    /// # Errors
    /// The key, what is wrong with it, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let inside = |name: &str, value: f64, from: f64, to: f64| {
            if value >= from && value <= to {
                return Ok(());
            }
            Err(format!("{name} = {value}: use a number from {from} to {to}"))
        };
        inside("control_percent", self.control_percent, 0.0, 50.0)?;
        inside("floor_percent", self.floor_percent, 0.0, 50.0)?;
        inside("prior_rate", self.prior_rate, 0.0001, 0.9999)?;
        inside("prior_calls", self.prior_calls, 0.1, 1e6)?;
        inside("sharpness", self.sharpness, 0.1, 100.0)?;
        inside("guard_certainty", self.guard_certainty, 0.5, 1.0)
    }

    /// The chance with which one of `arms` arms is taken evenly instead of by what was learned.
    pub(super) fn exploring(&self, arms: usize) -> f64 {
        (self.floor_percent / 100.0 * arms as f64).min(0.5)
    }
}
