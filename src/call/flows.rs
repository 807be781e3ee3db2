//! The flows by name. A flow can be replaced while calls that began with the old one go on with it.

use super::error::CallError;
use crate::agent::Flow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The book of flows. Cheap to clone.
#[derive(Clone, Default)]
pub struct FlowBook(Arc<RwLock<BTreeMap<String, Arc<Flow>>>>);

impl FlowBook {
    /// Enters a flow under its name, or replaces it.
    pub fn put(&self, name: &str, flow: Arc<Flow>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), flow);
    }

    /// The flow of this name.
    pub fn get(&self, name: &str) -> Result<Arc<Flow>, CallError> {
        let flows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        flows.get(name).cloned().ok_or_else(|| CallError::UnknownFlow {
            name: name.to_owned(),
            known: flows.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Flow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
