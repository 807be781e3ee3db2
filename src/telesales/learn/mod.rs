//! Which opening and which rebuttal sells: learned from the calls that were made.
//!
//! Each list of wordings (the openings of a flow, the rebuttals to one objection) is a [`Topic`] with an arm per wording, kept
//! apart by flow and by segment of callers. Before a call every topic's arms are put into an order by Thompson sampling
//! ([`Learned::plan`]): a rate is drawn for each arm from what is believed of it, the highest first. At the end of the call, which
//! may be long after other calls were planned, the arms that were really said are booked with what came of it
//! ([`Learned::book`]): a sale or none.
//!
//! Three things keep that honest. A **control group**, a fixed share of the calls, is given the first wording of every list
//! whatever was learned, so that what learning is worth can be read off ([`Group`]). A **floor** gives every arm a share, so that
//! what was believed too early is found out. A **guard** suspends an arm of which people complain, credibly more than of the
//! others; only a person takes it back.
//!
//! Pure: no clock, no disk. The same seed and the same calls give the same choices; the draw of a call is a stream of its own,
//! numbered, so that a restart goes on where the state was kept. `app` keeps the state as one JSON file through the store.

mod arm;
mod belief;
mod config;
mod learned;
mod state;
mod trial;

pub use arm::{Arm, Topic};
pub use config::Config;
pub use learned::{Group, Groups, Learned, Lines, Outcome, Plan};
pub use state::{STATE_VERSION, StateError};
pub use trial::{Trial, TrialFigures, trial};
