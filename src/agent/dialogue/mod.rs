//! What is said: flows, what the caller's words mean in them, prompts, slots, streamed answers, memory.

mod check;
mod choices;
mod document;
mod emotion;
mod facts;
mod flow;
mod graph;
mod guard;
mod matching;
mod memory;
mod numbers;
mod parse;
mod phrase;
mod policy;
mod prompt;
mod question;
mod response;
mod selling;
mod sentence;
mod sound;
mod spoken;
mod words;

pub use flow::{Flow, Variable};
pub use graph::{FlowGraph, GraphState, Way, WayKind};
pub use matching::choose;
pub(crate) use memory::Memory;
pub(crate) use numbers::digits;
pub(crate) use policy::Dialogue;
pub(crate) use prompt::{RULES, request};
pub(crate) use response::{End, Keys, Response, Task};
pub(crate) use sentence::Sentences;
pub(crate) use words::{
    is_assent, is_backchannel, is_mostly_backchannel, is_short, may_be_misheard, says_nothing, takes_floor, tokens,
    words, words_beside_hums,
};
