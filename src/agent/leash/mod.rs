//! The language model on a leash: what it is told, what it may do, what it may say. Whatever it was talked into, nothing
//! happens that the flow's author did not allow in this state, and no figure is spoken that no fact has.
//!
//! | module | holds |
//! |---|---|
//! | `data` | what comes from outside, quoted so that it cannot pass for a task |
//! | `tools` | the state's allow-list: offered as tools, and the judge of every call |
//! | `figures` | the numbers of a sentence, written or spelled out, English and Chinese |
//! | `filter` | sentences that may not be spoken |

mod data;
mod figures;
mod filter;
mod tools;

pub(crate) use data::{block, quoted, unmarked};
pub(crate) use figures::amount;
pub(crate) use filter::Filter;
pub(crate) use tools::{Move, Permits, Refusal, TOOLS};
