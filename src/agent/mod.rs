//! Every decision of a conversation, sans-IO: who speaks (`turn`) and what is said (`dialogue`).
//!
//! No tokio, no socket, no thread, no clock: the time is given with every input. After every input, drain every action.
//!
//! | module | holds |
//! |---|---|
//! | `conversation` | [`Agent`]: inputs, timers, actions |
//! | `listening`, `keypad`, `speaking` | what it does about the caller's words, keys, its own lines and endings |
//! | `ahead` | the answer that is begun before the end of the turn is certain |
//! | `plan`, `chat` | what a call brings along; a conversation in writing |
//! | `governor` | what is said when the answer is late |
//! | `mood`, `sounding` | how the caller takes the call, from the voice, the turn-taking and the words |
//! | `overlap` | speech over the agent's voice: softer, then stop or go on |
//! | `turn` | the floor, the end of a turn, barge-in, the lines on their way to the caller's ear |
//! | `dialogue` | the flow (`document`, `parse`, `check`, `graph`), what words mean in it and what follows (`policy`), figures in words (`spoken`), prompts, sentences of a streamed answer, memory |
//! | `leash`, `obeying` | what the language model is told, may do, and may say |

mod action;
mod ahead;
mod bounded;
mod chat;
mod config;
mod conversation;
mod dialogue;
mod error;
mod event;
mod governor;
mod input;
mod keypad;
mod leash;
mod listening;
mod mood;
mod obeying;
mod overlap;
mod phase;
mod plan;
mod sounding;
mod speaking;
mod turn;

pub use action::Action;
pub use ahead::AheadTally;
pub use chat::{Chat, ChatOutput};
pub use config::{Endpointing, TurnConfig, TurnConfigError};
pub use conversation::Agent;
pub use dialogue::{Flow, FlowGraph, GraphState, Variable, Way, WayKind, choose};
pub(crate) use dialogue::{digits, tokens};
pub use error::{FlowError, FlowFinding, Severity};
pub use event::AgentEvent;
pub use input::Input;
pub use mood::{MoodConfig, shown_channels, without_mood};
pub use plan::AgentPlan;
pub use turn::Floor;
pub(crate) use turn::{Bound, Completeness, Ends, Evidence, PLACES, WEIGHTS, Weighing, features, marks};
