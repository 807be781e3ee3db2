//! Callers, carriers and networks that do not exist: what tests, `simulate` and `bench` put in the place of the world.
//!
//! [`Network`] is what a network does to packets, decided by a seed; [`Relay`] does it to datagrams between two real endpoints.
//! [`Dice`] is chance that can be repeated.

mod dice;
mod network;
mod relay;

pub use dice::Dice;
pub use network::{Fate, Link, Network, Way};
pub use relay::{QUEUE, Relay, RelayCounts, WayCounts};
