//! What the agent reports: the transcript as it comes about.

use crate::record::{TimelineEvent, TurnRecord};

/// Something for the record and the live view.
#[derive(Clone, PartialEq, Debug)]
pub enum AgentEvent {
    /// The flow entered a state.
    State {
        /// Its name.
        state: String,
    },
    /// The caller's words so far, for the live view only.
    Hearing {
        /// The words.
        text: String,
    },
    /// A turn is over, complete with its times. Caller turns come when they are decided, agent turns when the last sample
    /// was played or cut.
    Turn(TurnRecord),
    /// A slot was filled.
    Slot {
        /// Its name.
        name: String,
        /// Its value, as heard.
        value: String,
    },
    /// A stage of the turn-taking, for the timeline picture.
    Timeline(TimelineEvent),
    /// The flow set the call's disposition.
    Disposition(String),
}
