//! What came of all calls.

use super::Setup;
use super::call::{Account, EndedBy};
use super::people::Parameters;
use crate::record::ObjectionOutcome;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Figures of simulated calls. Shares are in percent.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Figures {
    /// The customers are simulated by assumptions; no figure is about people.
    pub simulated: bool,
    /// `en` or `zh`.
    pub language: String,
    /// The flows that took turns.
    pub flows: Vec<String>,
    /// Which half of the seeds.
    pub half: &'static str,
    /// A classifier read what was said, beside the flows' phrases.
    pub classifier: bool,
    /// Share of the words (zh: characters) that were heard as others, not heard, heard too much.
    pub word_errors_percent: [f64; 3],
    /// Calls.
    pub calls: u64,
    /// Calls that were a sale.
    pub sales: u64,
    /// Their share, and half the width of its 95 % interval.
    pub sales_percent: f64,
    /// See `sales_percent`.
    pub sales_margin_percent: f64,
    /// Caller turns of a call.
    pub turns_p50: u32,
    /// 95th percentile.
    pub turns_p95: u32,
    /// Mean.
    pub turns_mean: f64,
    /// Calls in which at least one need was asked for.
    pub discovery_calls: u64,
    /// Of those: mean of the needs that were known at the end.
    pub needs_known_mean: f64,
    /// Of those: share in which at least five of six were known.
    pub five_of_six_percent: f64,
    /// Of the latter: caller turns from the first question about a need until five were known; median.
    pub turns_to_five_of_six_p50: Option<u32>,
    /// Objections that customers raised, and of those the share that the agent took for what was meant.
    pub objections_raised: u64,
    /// See `objections_raised`.
    pub objections_understood_percent: f64,
    /// What became of those that the agent took for objections, by class.
    pub objections: BTreeMap<String, ObjectionFigures>,
    /// Calls in which a rebuttal was said twice.
    pub rebuttals_repeated: u64,
    /// Offers that were made, by name, and how many of them were accepted.
    pub offers: BTreeMap<String, [u64; 2]>,
    /// How the flows ended the calls.
    pub dispositions: BTreeMap<String, u64>,
    /// Ended by the agent, the customer, a transfer; not at all.
    pub ended_by: BTreeMap<&'static str, u64>,
    /// Demands never to be called again.
    pub do_not_call: DoNotCall,
    /// By temperament.
    pub temperaments: Vec<TemperamentFigures>,
}

/// What became of objections of one class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct ObjectionFigures {
    /// Times that customers meant it.
    pub meant: u64,
    /// Times that the agent met it.
    pub met: u64,
    /// Of those: the customer went on.
    pub resolved: u64,
    /// The customer held on to it.
    pub persisted: u64,
    /// The conversation ended over it.
    pub ended: u64,
}

/// Demands never to be called again.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct DoNotCall {
    /// Calls in which the customer demanded it.
    pub calls: u64,
    /// Of those: booked so that the number is not called again.
    pub honoured: u64,
    /// Their share.
    pub honoured_percent: f64,
    /// Of those: the customer had hung up before the agent had said so.
    pub hung_up: u64,
    /// Calls in which it had to be said more than once.
    pub said_again: u64,
    /// Offers that were made after it.
    pub offers_after: u64,
    /// Calls that were booked so although the customer neither demanded it nor complained nor was abusive.
    pub unasked: u64,
    /// Their share of all calls.
    pub unasked_percent: f64,
}

/// Calls with one temperament.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct TemperamentFigures {
    /// Its name.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// Sales.
    pub sales: u64,
    /// Their share.
    pub sales_percent: f64,
    /// The customer hung up.
    pub hung_up: u64,
    /// Mean of the caller turns.
    pub turns_mean: f64,
}

/// What is assumed of a wording, for comparison with what was learned.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ArmTruth {
    /// Flow, list and wording.
    pub wording: String,
    /// From 0, the worst, to 1, the best.
    pub quality: f64,
}

fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (part as f64 * 10_000.0 / of as f64).round() / 100.0 }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Nearest rank.
fn quantile(sorted: &[u32], share: f64) -> Option<u32> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// Adds calls up.
pub(super) struct Counts {
    figures: Figures,
    turns: Vec<u32>,
    to_five: Vec<u32>,
    needs: u64,
    five: u64,
    understood: u64,
    by_temperament: Vec<(u64, u64, u64, u64)>,
}

impl Counts {
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            figures: Figures::default(),
            turns: Vec::new(),
            to_five: Vec::new(),
            needs: 0,
            five: 0,
            understood: 0,
            by_temperament: vec![(0, 0, 0, 0); parameters.temperament.len()],
        }
    }

    /// One call more.
    pub fn call(&mut self, temperament: usize, account: &Account, sale: bool) {
        let f = &mut self.figures;
        f.calls += 1;
        f.sales += u64::from(sale);
        self.turns.push(account.turns);
        if account.asked_needs {
            f.discovery_calls += 1;
            self.needs += account.needs_known as u64;
            self.five += u64::from(account.needs_known >= 5);
            self.to_five.extend(account.turns_to_five);
        }
        f.objections_raised += account.raised.len() as u64;
        self.understood += u64::from(account.understood);
        for class in &account.raised {
            f.objections.entry((*class).to_owned()).or_default().meant += 1;
        }
        for objection in &account.objections {
            let of = f.objections.entry(objection.class.clone()).or_default();
            of.met += 1;
            match objection.outcome {
                ObjectionOutcome::Resolved => of.resolved += 1,
                ObjectionOutcome::Persisted => of.persisted += 1,
                ObjectionOutcome::Open | ObjectionOutcome::Ended => of.ended += 1,
            }
        }
        let mut seen = BTreeSet::new();
        let mut rebuttals =
            account.objections.iter().filter_map(|known| Some((&known.class, known.rebuttal.as_ref()?)));
        f.rebuttals_repeated += u64::from(!rebuttals.all(|said| seen.insert(said)));
        for offer in &account.offers {
            let of = f.offers.entry(offer.offer.clone()).or_default();
            of[0] += 1;
            of[1] += u64::from(offer.accepted);
        }
        let disposition = account.disposition.clone().unwrap_or_else(|| "none".to_owned());
        if account.demands > 0 {
            f.do_not_call.calls += 1;
            f.do_not_call.honoured += u64::from(account.off_the_list);
            f.do_not_call.hung_up += u64::from(account.off_the_list && account.ended_by == EndedBy::Customer);
            f.do_not_call.said_again += u64::from(account.demands > 1);
            f.do_not_call.offers_after += u64::from(account.sold_on);
        }
        f.do_not_call.unasked += u64::from(account.off_the_list && account.demands == 0 && !account.incensed);
        *f.dispositions.entry(disposition).or_default() += 1;
        let ended = match account.ended_by {
            EndedBy::Agent => "agent",
            EndedBy::Customer => "customer",
            EndedBy::Transfer => "transfer",
            EndedBy::Nobody => "nobody",
        };
        *f.ended_by.entry(ended).or_default() += 1;
        if let Some(of) = self.by_temperament.get_mut(temperament) {
            of.0 += 1;
            of.1 += u64::from(sale);
            of.2 += u64::from(account.ended_by == EndedBy::Customer);
            of.3 += u64::from(account.turns);
        }
    }

    /// The figures.
    pub fn figures(mut self, setup: &Setup, parameters: &Parameters) -> Figures {
        self.turns.sort_unstable();
        self.to_five.sort_unstable();
        let f = self.figures;
        let share = f.sales as f64 / f.calls.max(1) as f64;
        let all_turns: u64 = self.turns.iter().map(|turns| u64::from(*turns)).sum();
        let temperaments =
            parameters.temperament.iter().zip(&self.by_temperament).map(|(one, of)| TemperamentFigures {
                name: one.name.clone(),
                calls: of.0,
                sales: of.1,
                sales_percent: percent(of.1, of.0),
                hung_up: of.2,
                turns_mean: hundredths(of.3 as f64 / of.0.max(1) as f64),
            });
        Figures {
            simulated: true,
            language: setup.language.clone(),
            flows: setup.flows.iter().map(|flow| flow.name().to_owned()).collect(),
            half: if setup.test_half { "test" } else { "dev" },
            classifier: setup.intents.is_some(),
            word_errors_percent: parameters.word_errors.map(|share| hundredths(share * 100.0)),
            sales_percent: percent(f.sales, f.calls),
            sales_margin_percent: hundredths(196.0 * (share * (1.0 - share) / f.calls.max(1) as f64).sqrt()),
            turns_p50: quantile(&self.turns, 0.5).unwrap_or(0),
            turns_p95: quantile(&self.turns, 0.95).unwrap_or(0),
            turns_mean: hundredths(all_turns as f64 / f.calls.max(1) as f64),
            needs_known_mean: hundredths(self.needs as f64 / f.discovery_calls.max(1) as f64),
            five_of_six_percent: percent(self.five, f.discovery_calls),
            turns_to_five_of_six_p50: quantile(&self.to_five, 0.5),
            objections_understood_percent: percent(self.understood, f.objections_raised),
            do_not_call: DoNotCall {
                honoured_percent: percent(f.do_not_call.honoured, f.do_not_call.calls),
                unasked_percent: percent(f.do_not_call.unasked, f.calls),
                ..f.do_not_call
            },
            temperaments: temperaments.collect(),
            ..f
        }
    }
}
