//! Chains of engines of one kind: when one is missing or breaks, the next one serves, in the order of the configuration.
//!
//! Each link has a [`Breaker`], so that a call does not wait for an engine that has just failed others. The streams name the
//! engine that serves (`engine()`), so that the record can say who really did.

mod asr;
mod breaker;
mod llm;
mod tts;
mod vad;

pub use asr::RecognizerChain;
pub use breaker::Breaker;
pub use llm::LanguageModelChain;
pub use tts::SynthesizerChain;
pub use vad::VoiceDetectionChain;

use crate::speech::{EngineError, EngineKind};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// The engines of a chain, first choice first, with what is known of their health.
struct Links<T: ?Sized> {
    /// The names, joined.
    name: String,
    /// What the chain is of.
    kind: EngineKind,
    /// Why engines of the settings are not among them, for a chain without any.
    missing: String,
    links: Vec<Link<T>>,
}

struct Link<T: ?Sized> {
    name: String,
    engine: Arc<T>,
    /// Shared by the chains of all calls.
    breaker: Arc<Breaker>,
}

impl<T: ?Sized> Links<T> {
    fn new(kind: EngineKind, engines: Vec<Arc<T>>, missing: &[String], name: impl Fn(&T) -> &str) -> Arc<Self> {
        let link = |engine: Arc<T>| Link { name: name(&engine).to_owned(), engine, breaker: Arc::default() };
        let links: Vec<Link<T>> = engines.into_iter().map(link).collect();
        let name = links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
        Arc::new(Self { name, kind, missing: missing.join("; "), links })
    }

    /// The chain with the call's own engines in it; none where no engine has one. What is known of their health stays shared.
    fn for_call(&self, own: impl Fn(&T) -> Option<Arc<T>>) -> Option<Arc<Self>> {
        let own: Vec<_> = self.links.iter().map(|link| own(&link.engine)).collect();
        if own.iter().all(Option::is_none) {
            return None;
        }
        let links = self.links.iter().zip(own).map(|(link, own)| Link {
            name: link.name.clone(),
            engine: own.unwrap_or_else(|| Arc::clone(&link.engine)),
            breaker: Arc::clone(&link.breaker),
        });
        let (name, missing) = (self.name.clone(), self.missing.clone());
        Some(Arc::new(Self { name, kind: self.kind, missing, links: links.collect() }))
    }

    /// Opens something at the first link, from number `from` on, that can serve: the number of the link, and what was opened.
    ///
    /// # Errors
    /// What the last link that was tried said; [`EngineError::Unavailable`] when there was none to try.
    fn open<S>(&self, from: usize, open: impl FnMut(&T) -> Result<S, EngineError>) -> Result<(usize, S), EngineError> {
        self.open_among(from..self.links.len(), open)
    }

    /// As [`Self::open`], among the links with these numbers.
    fn open_among<S>(
        &self,
        numbers: Range<usize>,
        mut open: impl FnMut(&T) -> Result<S, EngineError>,
    ) -> Result<(usize, S), EngineError> {
        let mut last = None;
        for (index, link) in self.links.iter().enumerate().filter(|(index, _)| numbers.contains(index)) {
            if !link.breaker.allows(Instant::now()) {
                last.get_or_insert_with(|| EngineError::Unavailable {
                    engine: link.name.clone(),
                    what: "failed several times just now and is left alone for some seconds".to_owned(),
                });
                continue;
            }
            match open(&link.engine) {
                Ok(opened) => return Ok((index, opened)),
                Err(error) => {
                    match error {
                        EngineError::Declined { .. } | EngineError::Language { .. } => {
                            tracing::debug!(engine = %link.name, %error);
                        }
                        _ => {
                            tracing::warn!(engine = %link.name, %error, "an engine cannot serve; the next one is asked")
                        }
                    }
                    self.report(index, Some(&error));
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| self.none()))
    }

    /// There was no link to try: the key of the settings, and why the engines that it names are not there.
    fn none(&self) -> EngineError {
        let (key, missing) = (super::engines::key(self.kind), &self.missing);
        let what = match (self.links.is_empty(), missing.is_empty()) {
            (false, _) => "no further engine is configured".to_owned(),
            (true, true) => "no engine that it names serves; tipring check says why".to_owned(),
            (true, false) => format!("no engine that it names serves: {missing}"),
        };
        EngineError::Unavailable { engine: key.to_owned(), what }
    }

    /// Tells a link's breaker how it went. Being busy, declining and not knowing a language are no failures.
    fn report(&self, index: usize, error: Option<&EngineError>) {
        let Some(link) = self.links.get(index) else { return };
        match error {
            None => link.breaker.succeeded(),
            Some(EngineError::Overloaded { .. } | EngineError::Declined { .. } | EngineError::Language { .. }) => {
                link.breaker.released()
            }
            Some(EngineError::Unavailable { .. } | EngineError::Failed { .. }) => {
                if link.breaker.failed(Instant::now()) {
                    tracing::warn!(engine = %link.name, "failed too often and is left alone for some seconds");
                }
            }
        }
    }

    fn name_of(&self, index: usize) -> &str {
        self.links.get(index).map_or(&self.name, |link| &link.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Language, Recognizer};

    #[test]
    fn a_chain_without_engines_names_its_key_and_what_is_missing() {
        let open = |missing: &[String]| {
            let chain = RecognizerChain::missing(Vec::new(), missing);
            chain.open(&Language::default(), std::task::Waker::noop().clone()).err().unwrap().to_string()
        };
        let error = open(&["pocketsphinx: no library; install it".into(), "whisper: no weights".into()]);
        assert_eq!(
            error,
            "engine.asr: no engine that it names serves: pocketsphinx: no library; install it; whisper: no weights"
        );
        assert!(open(&[]).starts_with("engine.asr: ") && open(&[]).contains("tipring check"));
    }
}
