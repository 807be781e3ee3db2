//! Where a sales conversation stands beside its state.

use super::doubting::Doubt;
use crate::agent::leash::Move;
use crate::nlu::ReadIntents;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What a call brought along and nothing changes.
#[derive(Clone)]
pub(super) struct Given {
    pub intents: Option<Arc<dyn ReadIntents>>,
    pub seed: u64,
    pub prefer: Arc<BTreeMap<String, Vec<String>>>,
}

impl PartialEq for Given {
    /// Within one call it is the same.
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed && Arc::ptr_eq(&self.prefer, &other.prefer)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("intents", &self.intents.is_some()).field("seed", &self.seed).finish()
    }
}

/// An objection that was answered and of which is not known yet whether that was enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OpenObjection {
    /// By number.
    pub objection: usize,
    /// The id of the rebuttal.
    pub rebuttal: String,
    /// The state in which it was raised.
    pub state: String,
    /// A question was put after the rebuttal, and is the one that the caller answers.
    pub followed_up: bool,
}

/// An offer that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Made {
    /// By number.
    pub offer: usize,
    pub accepted: bool,
}

/// Where a sales conversation stands beside its state. Keys are numbers within the flow.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Course {
    /// The states to return to, the last one first to be returned to, each with the need whose question was open.
    pub stack: Vec<(usize, Option<usize>)>,
    /// How often a state was entered.
    pub visits: BTreeMap<usize, u32>,
    /// How often a state has put its question.
    pub attempts: BTreeMap<usize, u32>,
    /// How often an objection was raised, and how often it was answered.
    pub met: BTreeMap<usize, u32>,
    pub answered: BTreeMap<usize, u32>,
    /// Rebuttals that were said: objection and wording.
    pub used: BTreeSet<(usize, usize)>,
    pub resolved: u32,
    pub open: Option<OpenObjection>,
    pub signals: u32,
    pub made: Vec<Made>,
    /// How often a need was asked for.
    pub asked: BTreeMap<usize, u32>,
    /// The need whose question is the one that the caller answers.
    pub asking: Option<usize>,
    /// A question about a need was declined with a bare no, and the next one put.
    pub passed: bool,
    /// The need that the same question asks for, too.
    pub asking_too: Option<usize>,
    /// Questions that a state has asked.
    pub questions: BTreeMap<usize, u32>,
    /// The conversation is being brought to its end.
    pub closing: bool,
    /// It will be, when the language model has answered.
    pub close_next: bool,
    /// Disclosures that were begun and not heard to their end.
    pub undisclosed: BTreeSet<usize>,
    /// How often it was repeated.
    pub repeated: u32,
    pub disclosed: BTreeSet<usize>,
    /// Somebody was asked to take the call and did not.
    pub refused: bool,
    /// What the caller said last.
    pub heard: String,
    /// The question is put again when the language model has answered.
    pub resume: bool,
    /// An interrupt that may have been meant.
    pub doubt: Option<Doubt>,
    /// What the language model asked to be done with its answer.
    pub wanted: Option<Move>,
}

impl Course {
    /// A count, 0 where there is none.
    pub fn count(of: &BTreeMap<usize, u32>, key: usize) -> u32 {
        of.get(&key).copied().unwrap_or(0)
    }

    /// Counts one more.
    pub fn more(of: &mut BTreeMap<usize, u32>, key: usize) -> u32 {
        let count = of.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }
}
