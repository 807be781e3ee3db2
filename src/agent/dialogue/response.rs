//! What the dialogue decides, for the agent to carry out.

use crate::agent::AgentEvent;
use crate::agent::leash::Permits;
use crate::agent::turn::NewLine;
use crate::record::{EndReason, TurnNotes};
use crate::speech::{Expectation, Passage};
use std::sync::Arc;

/// How the call is to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Somebody else takes it.
    Transfer {
        /// A SIP URI or a number.
        target: String,
    },
    /// It is over.
    HangUp(EndReason),
}

/// What the language model is to answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Task {
    pub text: String,
    pub template: String,
    pub interruptible: bool,
    /// The facts that it is to be answered from.
    pub passages: Vec<Passage>,
    /// What the model may do with its answer.
    pub permits: Permits,
}

impl Task {
    /// What the record says of a line of its answer.
    pub fn notes(&self) -> TurnNotes {
        TurnNotes {
            sources: self.passages.iter().map(|passage| passage.source.clone()).collect(),
            ..TurnNotes::default()
        }
    }
}

/// What the agent does next, in this order.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Response {
    pub events: Vec<AgentEvent>,
    pub expect: Option<Arc<Expectation>>,
    pub lines: Vec<NewLine>,
    pub task: Option<Task>,
    pub end: Option<End>,
    /// States entered so far.
    pub hops: usize,
}

/// What became of a key.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Keys {
    /// More may follow.
    Wait,
    /// The entry is complete.
    Answer(Box<Response>),
}
