//! One call, from INVITE to record. The session translates; it does not decide.

mod plan;

pub use plan::CallPlan;
