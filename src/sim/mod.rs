//! Callers, carriers and networks that do not exist: what tests, `simulate` and `bench` put in the place of the world.
//!
//! [`Network`] is what a network does to packets, decided by a seed; [`Relay`] does it to datagrams between two real endpoints.
//! [`caller`] is who calls and how, [`Pauses`] how long people pause. [`Dice`] is chance that can be repeated.

mod callers;
mod dice;
mod network;
mod noises;
mod pauses;
mod relay;

pub use callers::{Act, Caller, Deed, ECHO_DB, NEIGHBOUR_DBFS, Part, Phase, When, caller};
pub use dice::Dice;
pub use network::{Fate, Link, Network, Way};
pub use noises::cough;
pub use pauses::{HOLDS_PER_TURN, LONGEST_HOLD_MS, Pauses, SHORTEST_HOLD_MS};
pub use relay::{QUEUE, Relay, RelayCounts, WayCounts};
