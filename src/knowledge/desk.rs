//! The facts as one flow asks them: in its language, about its product, as they hold today.

use super::index::{Knowledge, SURE, Wanted};
use crate::speech::{FactFinder, Facts, Passage};
use std::sync::Arc;
use time::Date;

/// Most passages that are given for a question: they go into a prompt.
const MOST: usize = 3;
/// A passage that is so much less sure than the best one says nothing to the question.
const BEHIND: f32 = 0.5;

/// Answers questions out of a [`Knowledge`].
#[derive(Clone, Debug)]
pub struct Desk {
    knowledge: Arc<Knowledge>,
    language: String,
    product: Option<String>,
    today: fn() -> Date,
}

impl Desk {
    /// For a flow in `language` about `product`. `today` is asked at each question: facts have days.
    pub fn new(knowledge: Arc<Knowledge>, language: &str, product: Option<&str>, today: fn() -> Date) -> Self {
        Self { knowledge, language: language.to_owned(), product: product.map(str::to_owned), today }
    }
}

impl FactFinder for Desk {
    fn find(&self, question: &str) -> Facts {
        let wanted = Wanted {
            question,
            language: &self.language,
            product: self.product.as_deref(),
            today: (self.today)(),
            most: MOST,
        };
        let hits = self.knowledge.find(&wanted);
        let best = hits.first().map_or(0.0, |hit| hit.sure);
        let passages = hits
            .iter()
            .filter(|hit| hit.sure >= best * BEHIND)
            .map(|hit| Passage {
                source: hit.fact.source(),
                text: hit.fact.text.clone(),
                say: hit.fact.spoken().map(str::to_owned),
                sure: hit.sure,
            })
            .collect();
        Facts { passages, answered: best >= SURE }
    }
}
