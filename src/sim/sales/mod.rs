//! Whole sales calls with simulated customers, in virtual time and without audio: what a flow does with people who are friendly,
//! busy, suspicious, hostile, and who are not always understood.
//!
//! The agent is the one that telephones: the same inputs, timers and actions, the same flow, classifier and choices. `people` has
//! every parameter of the customers, from one file in which each is labelled; `words` what they say, of the half of the corpus that
//! no classifier knows, and how it is misheard; `customer` what they do; `call` joins them; `figures` counts.
//!
//! Which wordings are chosen is asked of a [`Choose`]: a campaign that learns, or none. Calls are planned in batches, as many as
//! would be up at the same time, so that what is learned from one comes only after others were planned; batches also make the result
//! the same on any number of cores.

mod call;
mod customer;
mod figures;
mod people;
mod words;

pub use figures::{ArmTruth, DoNotCall, Figures, ObjectionFigures, TemperamentFigures};
pub use people::Lead;

use super::Dice;
use crate::agent::{AgentPlan, Flow};
use crate::nlu::ReadIntents;
use call::{Account, Call};
use customer::Customer;
use figures::Counts;
use people::{Parameters, Person};
use std::collections::BTreeMap;
use std::sync::Arc;
use words::Words;

/// Calls that are up at the same time.
const AT_ONCE: u64 = 40;

/// Which calls are held.
#[derive(Clone)]
pub struct Setup {
    /// `en` or `zh`.
    pub language: String,
    /// How many.
    pub calls: u64,
    /// Even seeds are for development, odd ones for the test.
    pub test_half: bool,
    /// The flows that take turns.
    pub flows: Vec<Arc<Flow>>,
    /// The classifier; without it the flows' phrases alone decide.
    pub intents: Option<Arc<dyn ReadIntents>>,
    /// Threads; 0 for one per core.
    pub threads: usize,
}

/// Why nothing can be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SalesError {
    /// There are customers of some languages only.
    #[error("there are no simulated customers who speak '{0}'; use en or zh")]
    Language(String),
    /// The files that are compiled in cannot be read; a test would have said so.
    #[error("the simulated customers' words cannot be read: {0}")]
    Words(#[from] toml::de::Error),
    /// Nothing to sell.
    #[error("no flow of this language sells anything; name one with --flow")]
    NoFlow,
}

/// What a customer is called with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chosen {
    /// The wordings to prefer, by list ([`AgentPlan::prefer`]).
    pub prefer: BTreeMap<String, Vec<String>>,
    /// The call belongs to the control group.
    pub control: bool,
}

/// What came of a call, for whoever chose its wordings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    /// The flow.
    pub flow: String,
    /// Whom it was with.
    pub lead: Lead,
    /// As it was chosen.
    pub control: bool,
    /// List and wording of every line that was chosen among.
    pub said: Vec<(String, String)>,
    /// How the flow ended it.
    pub disposition: Option<String>,
}

/// Chooses wordings before a call, and is told what came of it.
pub trait Choose {
    /// Before a call.
    fn choose(&mut self, flow: &Flow, lead: &Lead) -> Chosen;
    /// After it.
    fn book(&mut self, booked: &Booked);
    /// Whether a disposition is a sale.
    fn is_sale(&self, disposition: &str) -> bool;
}

/// How good a wording is, from 0 to 1: unknown in life, and here an assumption that chance makes and that never changes.
pub fn quality(wording: &str) -> f64 {
    let hash = wording
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Dice::new(hash).unit()
}

/// One call that is to be held.
struct Planned {
    seed: u64,
    flow: Arc<Flow>,
    person: Person,
    chosen: Chosen,
}

/// Holds the calls.
///
/// # Errors
/// A language for which there are no customers, and no flow.
pub fn simulate(setup: &Setup, choose: &mut dyn Choose) -> Result<Figures, SalesError> {
    let parameters = Parameters::load()?;
    let words = Words::of(&setup.language, parameters.word_errors)?;
    if setup.flows.is_empty() {
        return Err(SalesError::NoFlow);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if setup.threads == 0 { cores } else { setup.threads };
    let mut counts = Counts::new(&parameters);
    let mut next = 0;
    while next < setup.calls {
        let until = (next + AT_ONCE).min(setup.calls);
        let mut batch = Vec::new();
        for call in next..until {
            let seed = call * 2 + u64::from(setup.test_half);
            let mut dice = Dice::new(seed).fork(1);
            let flow = setup.flows.get((call % setup.flows.len() as u64) as usize);
            let (Some(flow), Some(person)) = (flow.cloned(), parameters.person(&mut dice)) else { continue };
            let chosen = choose.choose(&flow, &person.lead);
            batch.push(Planned { seed, flow, person, chosen });
        }
        next = until;
        let accounts = held(&batch, threads, (&parameters, &words), setup.intents.as_ref());
        for (planned, account) in batch.iter().zip(accounts) {
            let booked = Booked {
                flow: planned.flow.name().to_owned(),
                lead: planned.person.lead.clone(),
                control: planned.chosen.control,
                said: account.said.clone(),
                disposition: account.disposition.clone(),
            };
            let sale = account.disposition.as_deref().is_some_and(|how| choose.is_sale(how));
            counts.call(planned.person.temperament, &account, sale);
            choose.book(&booked);
        }
    }
    Ok(counts.figures(setup, &parameters))
}

/// Holds a batch, on several threads; in the order of the batch.
fn held(
    batch: &[Planned],
    threads: usize,
    parts: (&Parameters, &Words),
    intents: Option<&Arc<dyn ReadIntents>>,
) -> Vec<Account> {
    let share = batch.len().div_ceil(threads.max(1)).max(1);
    let parts_of =
        |planned: &[Planned]| -> Vec<Account> { planned.iter().map(|planned| hold(planned, parts, intents)).collect() };
    std::thread::scope(|scope| {
        let tasks: Vec<_> = batch.chunks(share).map(|part| scope.spawn(|| parts_of(part))).collect();
        tasks.into_iter().flat_map(|task| task.join().unwrap_or_default()).collect()
    })
}

fn hold(
    planned: &Planned,
    (parameters, words): (&Parameters, &Words),
    intents: Option<&Arc<dyn ReadIntents>>,
) -> Account {
    let flow = &planned.flow;
    let dice = Dice::new(planned.seed);
    let mut needs_dice = dice.fork(2);
    let needs = call::answers(flow, &mut |of| needs_dice.pick(of).cloned().unwrap_or_default());
    let scene = flow.selling.scope.scene.map_or("", |scene| scene.id());
    let person = planned.person.clone();
    let plan = AgentPlan {
        variables: call::variables(flow, &person.lead),
        intents: intents.cloned(),
        seed: planned.seed,
        prefer: planned.chosen.prefer.clone(),
    };
    match Customer::new(person, (parameters, words, scene), needs, dice.fork(3)) {
        Some(customer) => Call::new(flow, plan, words, &quality, customer).hold(),
        None => Account::default(),
    }
}
