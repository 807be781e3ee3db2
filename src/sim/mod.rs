//! Callers, carriers and networks that do not exist: what tests, `simulate` and `bench` put in the place of the world.
//!
//! [`Network`] is what a network does to packets, decided by a seed; [`Relay`] does it to datagrams between two real endpoints.
//! [`welcome_caller`] is who calls over a real telephone, and how. [`Dice`] is chance that can be repeated.
//!
//! [`sales::simulate`] holds sales calls with customers of several temperaments, at the level of what is said.
//!
//! [`turns::simulate`] holds whole conversations with simulated callers in virtual time, a thousand a minute, to measure
//! turn-taking with a ground truth that recordings do not have: `behaviour` has every parameter of how callers speak and how
//! well they are heard, `corpus` what they say and the flow that asks them, `caller` makes utterances with pauses, fillers and
//! self-corrections, `ears` gives the agent what a recogniser would give it instead of the script, `stage` is the rest of a call.
//! [`mood::simulate`] holds them with callers who lose patience, and with callers who only seem to (`temper`).

mod behaviour;
mod caller;
mod corpus;
mod dice;
mod ears;
pub mod echo;
mod log;
pub mod mood;
mod network;
mod noises;
mod relay;
pub mod sales;
mod stage;
mod talk;
mod temper;
pub mod turns;
mod welcome;

pub use behaviour::{Behaviour, Finals};
pub use corpus::CorpusError;
pub use dice::Dice;
pub use network::{Fate, Link, Network, Way};
pub use noises::cough;
pub use relay::{QUEUE, Relay, RelayCounts, WayCounts};
pub use talk::Talk;
pub use welcome::{Act, Caller, Deed, ECHO_DB, NEIGHBOUR_DBFS, Part, Phase, When, humming_caller, welcome_caller};
