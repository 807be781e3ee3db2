//! Facts to answer a caller's question from.

/// A fact that has to do with a question.
#[derive(Clone, PartialEq, Debug)]
pub struct Passage {
    /// Where it stands: `file#heading`.
    pub source: String,
    /// The fact, plain text.
    pub text: String,
    /// The sentence that can be spoken as it stands, where there is one.
    pub say: Option<String>,
    /// How sure it is that it answers the question, 0 to 1.
    pub sure: f32,
}

/// What is known to a question.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// The surest first; few.
    pub passages: Vec<Passage>,
    /// The first one answers the question. Otherwise it is better to say that one does not know.
    pub answered: bool,
}

/// Finds facts. At most 5 ms a question, no waiting, no I/O: it is asked within a decision of the agent.
pub trait FactFinder: Send + Sync {
    /// What is known to a question, as heard.
    fn find(&self, question: &str) -> Facts;
}
