//! The facts that a flow answers questions from.

use super::prompt::Prompt;
use crate::speech::FactFinder;
use std::fmt;
use std::sync::Arc;

/// Who finds facts.
#[derive(Clone, Default)]
pub(crate) struct Finder(Option<Arc<dyn FactFinder>>);

impl PartialEq for Finder {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Finder").field(&self.0.is_some()).finish()
    }
}

/// What a flow says of its facts.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct FlowFacts {
    /// The folder, and its line in the flow.
    pub folder: Option<(String, usize)>,
    pub product: Option<String>,
    /// Said to a question that no fact answers.
    pub unknown: Prompt,
    pub finder: Finder,
}

impl FlowFacts {
    /// Who finds them; none before they were read.
    pub fn finder(&self) -> Option<&Arc<dyn FactFinder>> {
        self.finder.0.as_ref()
    }

    pub fn set_finder(&mut self, finder: Arc<dyn FactFinder>) {
        self.finder = Finder(Some(finder));
    }
}

/// What is said to a question that no fact answers, where the flow has nothing of its own.
pub(super) fn default_unknown(language: &str) -> &'static [&'static str] {
    match language.get(..2) {
        Some("zh") => &[
            "这个问题我这边没有准确的资料，不敢乱说，我记下来，请同事给您回电话。",
            "这个我确实不清楚，不能随便答您，我让同事之后联系您。",
        ],
        _ => &[
            "That I do not know, and I would rather not guess. I will have a colleague call you about it.",
            "I am not sure about that, so I will have somebody call you back with the answer.",
        ],
    }
}
