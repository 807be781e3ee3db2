//! One list of wordings and what is known of each.

use super::belief::Belief;
use super::config::Config;
use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rate of complaints that is believed of an arm before it was tried, and how many calls that is worth: the guard compares
/// rates of some per thousand, and must not jump at the first complaint.
const COMPLAINTS_BEFORE: (f64, f64) = (0.01, 50.0);

/// What is chosen: one list of wordings, for callers of one segment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Topic {
    /// The flow.
    pub flow: String,
    /// The list in it: `opening.STATE` or `objection.CLASS`, as the flow calls it.
    pub kind: String,
    /// The callers.
    pub segment: String,
}

/// One wording and what came of the calls in which it was said.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Calls that ended.
    pub calls: u64,
    /// Those with a sale.
    pub sales: u64,
    /// Those with a complaint.
    pub complaints: u64,
    /// `calls` as far as they are not forgotten.
    pub evidence_calls: f64,
    /// `sales` as far as they are not forgotten.
    pub evidence_sales: f64,
    /// Why it is not said any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<String>,
}

impl Arm {
    fn belief(&self, config: &Config) -> Belief {
        Belief::new(config.prior_rate, config.prior_calls, self.evidence_sales, self.evidence_calls)
    }

    /// The rate of sales that is believed of it.
    pub fn rate(&self, config: &Config) -> f64 {
        self.belief(config).mean()
    }

    fn complaints_belief(calls: u64, complaints: u64) -> Belief {
        let (rate, worth) = COMPLAINTS_BEFORE;
        Belief::new(rate, worth, complaints as f64, calls as f64)
    }
}

/// The arms of a topic, by name. Names that the flow no longer has are kept and never chosen.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Arms(pub BTreeMap<String, Arm>);

impl Arms {
    /// Puts `names` into an order, the one to be said first in front, without the suspended ones; never empty unless `names` is.
    pub fn order(&self, config: &Config, names: &[String], control: bool, chance: &mut StdRng) -> Vec<String> {
        let unknown = Arm::default();
        let arm = |name: &String| self.0.get(name).unwrap_or(&unknown);
        let mut open: Vec<&String> = names.iter().filter(|name| arm(name).suspended.is_none()).collect();
        if open.is_empty() {
            // All suspended, by hand or because the flow lost the others: something must be said.
            open = names.iter().take(1).collect();
        }
        if control {
            return open.into_iter().cloned().collect();
        }
        let mut drawn: Vec<(f64, &String)> = open
            .into_iter()
            .map(|name| (arm(name).belief(config).sharpened(config.sharpness).draw(chance), name))
            .collect();
        drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
        let exploring = chance.random::<f64>() < config.exploring(drawn.len());
        if exploring && !drawn.is_empty() {
            let first = chance.random_range(0..drawn.len());
            // The one that is tried in front, the others in the order of what was drawn.
            if let Some(slice) = drawn.get_mut(..=first) {
                slice.rotate_right(1);
            }
        }
        drawn.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// An outcome of a call in which `name` was said. Returns whether the arm was suspended for it.
    pub fn book(&mut self, config: &Config, name: &str, sold: bool, complained: bool) -> bool {
        if config.half_life_calls > 0 {
            let kept = 0.5f64.powf(1.0 / config.half_life_calls as f64);
            for arm in self.0.values_mut() {
                arm.evidence_calls *= kept;
                arm.evidence_sales *= kept;
            }
        }
        let arm = self.0.entry(name.to_owned()).or_default();
        arm.calls += 1;
        arm.sales += u64::from(sold);
        arm.complaints += u64::from(complained);
        arm.evidence_calls += 1.0;
        arm.evidence_sales += f64::from(u8::from(sold));
        complained && self.guard(config, name)
    }

    /// Suspends the arm when people complain of it credibly more than of the others, and another is left.
    fn guard(&mut self, config: &Config, name: &str) -> bool {
        let Some(arm) = self.0.get(name) else { return false };
        if arm.suspended.is_some() || arm.complaints < config.guard_complaints {
            return false;
        }
        let others = || self.0.iter().filter(|(other, _)| other.as_str() != name).map(|(_, arm)| arm);
        let calls: u64 = others().map(|arm| arm.calls).sum();
        if calls == 0 || !others().any(|arm| arm.suspended.is_none()) {
            return false;
        }
        let complaints: u64 = others().map(|arm| arm.complaints).sum();
        let own = Arm::complaints_belief(arm.calls, arm.complaints);
        let theirs = Arm::complaints_belief(calls, complaints);
        let certainty = own.above(theirs);
        if certainty < config.guard_certainty {
            return false;
        }
        let why = format!(
            "{} complaints in {} calls, against {complaints} in {calls} with the other lines",
            arm.complaints, arm.calls
        );
        if let Some(arm) = self.0.get_mut(name) {
            arm.suspended = Some(why);
        }
        true
    }
}
