//! Digits and keys: entries that come one by one.

use super::Dialogue;
use crate::agent::dialogue::response::{Keys, Response};
use std::sync::Arc;

/// Most keys kept of one entry.
const MAX_KEYS: usize = 32;

impl Dialogue {
    /// The caller pressed a key.
    pub fn key(&mut self, key: char) -> Keys {
        let key = key.to_ascii_uppercase();
        let flow = Arc::clone(&self.flow);
        let state = flow.states.get(self.state);
        if let Some(collect) = state.and_then(|state| state.collect.as_ref()) {
            if key.is_ascii_digit() {
                self.extend_entry(key.encode_utf8(&mut [0; 4]));
                return if self.entry.len() >= collect.max {
                    Keys::Answer(Box::new(self.entry_over()))
                } else {
                    Keys::Wait
                };
            }
            if collect.end_key == Some(key) {
                return Keys::Answer(Box::new(self.entry_over()));
            }
        }
        self.extend_entry(key.encode_utf8(&mut [0; 4]));
        let rules = || {
            let all = state.iter().flat_map(|state| &state.rules).chain(&flow.globals);
            all.filter(|rule| self.may(rule)).filter_map(|rule| rule.dtmf.as_deref())
        };
        let more = |keys: &str| keys.len() > self.entry.len() && keys.starts_with(&self.entry);
        if rules().any(more) { Keys::Wait } else { Keys::Answer(Box::new(self.entry_over())) }
    }

    /// No more keys or digits came, or none can.
    pub fn entry_over(&mut self) -> Response {
        let entry = std::mem::take(&mut self.entry);
        let flow = Arc::clone(&self.flow);
        let Some(state) = flow.states.get(self.state) else { return Response::default() };
        if let Some(collect) = &state.collect
            && (collect.min..=collect.max).contains(&entry.len())
            && entry.bytes().all(|key| key.is_ascii_digit())
        {
            let mut response = Response::default();
            self.progressed();
            self.fill(collect.slot.clone(), entry, &mut response);
            self.step(&collect.step, &mut response);
            self.close_down(&mut response);
            return self.done(response);
        }
        let rule = state
            .rules
            .iter()
            .chain(&flow.globals)
            .find(|rule| rule.dtmf.as_deref() == Some(entry.as_str()) && self.may(rule));
        match rule {
            Some(rule) => {
                let mut response = Response::default();
                self.follow(rule, &entry, &mut response);
                self.close_down(&mut response);
                self.done(response)
            }
            None => self.no_match(),
        }
    }

    pub(super) fn extend_entry(&mut self, keys: &str) {
        self.entry.push_str(keys);
        self.entry.truncate(MAX_KEYS);
    }
}
