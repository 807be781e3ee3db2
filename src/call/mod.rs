//! One call, from INVITE to record. The session translates; it does not decide.

mod calls;
mod config;
mod error;
mod event;
mod flows;
mod inbound;
mod ledger;
mod listen;
mod load;
mod manner;
mod negotiate;
mod once;
mod outbound;
mod plan;
mod replies;
mod routing;
mod session;
mod setup;
mod speak;
mod speech;

pub use calls::{ActiveCall, Calls, Engines, Parts};
pub use config::{Config, Route};
pub use error::CallError;
pub use event::{CallEvent, LiveEvent, LiveKind};
pub use flows::FlowBook;
pub use plan::CallPlan;
