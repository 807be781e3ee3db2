//! Every decision of a conversation, sans-IO: who speaks (`turn`) and what is said (`dialogue`).
//!
//! No tokio, no socket, no thread, no clock: the time is given with every input. After every input, drain every action.

mod action;
mod event;
mod input;

pub use action::Action;
pub use event::AgentEvent;
pub use input::Input;
