//! What the agent reports: the transcript as it comes about.

use crate::record::{
    EmotionPoint, MoodSwitch, ObjectionRecord, OfferRecord, TimelineEvent, ToolRecord, TurnNotes, TurnRecord,
};

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
    /// What the caller's last turn meant. Its slots come by themselves.
    Understood(Box<TurnNotes>),
    /// An objection was raised and answered, or what became of it.
    Objection(ObjectionRecord),
    /// An offer was made or accepted.
    Offer(OfferRecord),
    /// The language model called a tool.
    Tool(ToolRecord),
    /// A sentence of the language model was not spoken.
    Unsaid {
        /// `figure`, `claim`, `markup`, `instructions` or `length`.
        why: &'static str,
    },
    /// A slot was filled.
    Slot {
        /// Its name.
        name: String,
        /// Its value, as heard.
        value: String,
    },
    /// A stage of the turn-taking, for the timeline picture.
    Timeline(TimelineEvent),
    /// The emotion engine said something of the caller's voice.
    Emotion(EmotionPoint),
    /// The agent began or ceased to take the caller for impatient, angry and so on.
    Mood(MoodSwitch),
    /// The flow set the call's disposition.
    Disposition(String),
}
