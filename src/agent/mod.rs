//! Every decision of a conversation, sans-IO: who speaks (`turn`) and what is said (`dialogue`).
//!
//! No tokio, no socket, no thread, no clock: the time is given with every input. After every input, drain every action.
//!
//! | module | holds |
//! |---|---|
//! | `conversation` | [`Agent`]: inputs, timers, actions |
//! | `listening`, `keypad`, `speaking` | what it does about the caller's words, keys, its own lines and endings |
//! | `turn` | the floor, the end of a turn, barge-in, the lines on their way to the caller's ear |
//! | `dialogue` | the flow, matching, prompts, slots, sentences of a streamed answer, memory |

mod action;
mod bounded;
mod config;
mod conversation;
mod dialogue;
mod error;
mod event;
mod input;
mod keypad;
mod listening;
mod phase;
mod speaking;
mod turn;

pub use action::Action;
pub use config::TurnConfig;
pub use conversation::Agent;
pub use dialogue::{Flow, Variable};
pub use error::{FlowError, FlowFinding, Severity};
pub use event::AgentEvent;
pub use input::Input;
pub use turn::Floor;
