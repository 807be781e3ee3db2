//! Joins calls to what is learned: before a call the wordings are chosen, at its end what came of it is booked and kept.

use crate::agent::Flow;
use crate::call::CallPlan;
use crate::record::CallRecord;
use crate::store::Store;
use crate::telesales::learn::{Config, Learned, Lines, Outcome};
use anyhow::{Context, anyhow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::task::TaskTracker;

/// The document in which it is kept: `learned.json` in the data folder.
const DOCUMENT: &str = "learned";

/// Which wordings sell. Cheap to clone.
#[derive(Clone)]
pub(super) struct Learning(Arc<Inner>);

struct Inner {
    config: Config,
    learned: Mutex<Learned>,
    store: Store,
    /// Whoever writes holds it: what is kept last is what was learned last.
    writing: tokio::sync::Mutex<()>,
    /// Bookings under way.
    bookings: TaskTracker,
}

/// What a call was planned as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Planned {
    segment: String,
    control: bool,
}

impl Learning {
    /// Goes on with what was learned before; none when the settings turn it off.
    ///
    /// # Errors
    /// What was learned cannot be read: it is never begun anew over a damaged file.
    pub(super) fn open(config: &Config, store: &Store) -> anyhow::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let learned = match store.document(DOCUMENT)? {
            Some(text) => Learned::from_json(&text).map_err(|error| {
                let path = store.document_file(DOCUMENT);
                anyhow!(
                    "{}: what was learned from calls cannot be read: {error}. Put a copy of it in its place, or move it away to \
                     begin to learn anew, or set telesales.learn.enabled = false",
                    path.display()
                )
            })?,
            None => Learned::new(rand::random()),
        };
        Ok(Some(Self(Arc::new(Inner {
            config: config.clone(),
            learned: Mutex::new(learned),
            store: store.clone(),
            writing: tokio::sync::Mutex::new(()),
            bookings: TaskTracker::new(),
        }))))
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.0.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses the wordings of a call, unless whoever places it has.
    pub(super) fn plan(&self, flow: &Flow, plan: &mut CallPlan) -> Option<Planned> {
        let lists: Vec<Lines> = flow.choices().into_iter().map(|(kind, arms)| Lines { kind, arms }).collect();
        if lists.is_empty() || !plan.prefer.is_empty() {
            return None;
        }
        let segment = plan.variables.get(&self.0.config.segment).cloned().unwrap_or_default();
        let chosen = self.learned().plan(&self.0.config, flow.name(), &segment, &lists);
        plan.prefer = chosen.order;
        Some(Planned { segment, control: chosen.control })
    }

    /// Runs `booking` so that [`close`](Self::close) waits for it.
    pub(super) fn track(&self, booking: impl Future<Output = ()> + Send + 'static) {
        self.0.bookings.spawn(booking);
    }

    /// Learns from a call that is over. One in which nothing was said that could be chosen teaches nothing.
    pub(super) async fn book(&self, planned: Planned, record: &CallRecord) {
        let said = said(record);
        if said.is_empty() {
            return;
        }
        let is = |of: &[String]| record.disposition.as_ref().is_some_and(|how| of.contains(how));
        let outcome = Outcome {
            flow: record.flow.clone(),
            segment: planned.segment,
            control: planned.control,
            said,
            sold: is(&self.0.config.sales),
            complained: is(&self.0.config.complaints),
        };
        let _one = self.0.writing.lock().await;
        let text = {
            let mut learned = self.learned();
            for (topic, wording) in learned.book(&self.0.config, &outcome) {
                tracing::warn!(
                    flow = topic.flow,
                    list = topic.kind,
                    wording,
                    "suspended: people complain of this wording more than of the others"
                );
            }
            learned.to_json()
        };
        if let Err(error) = self.0.store.keep_document(DOCUMENT, text).await.context("what was learned is not kept") {
            tracing::error!(%error, "learning");
        }
    }

    /// Waits for what is being booked.
    pub(super) async fn close(&self) {
        self.0.bookings.close();
        self.0.bookings.wait().await;
    }
}

/// The lists and wordings that the callee heard something of, each once.
fn said(record: &CallRecord) -> Vec<(String, String)> {
    let mut said: Vec<(String, String)> = Vec::new();
    let wordings = record.turns.iter().filter_map(|turn| turn.notes.wording.as_deref()?.split_once('/'));
    for (list, wording) in wordings {
        let one = (list.to_owned(), wording.to_owned());
        if !said.contains(&one) {
            said.push(one);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::flows;
    use crate::id::CallId;
    use crate::metrics::Metrics;
    use crate::record::{CallParty, Direction, EndReason, Speaker, TurnNotes, TurnRecord};
    use std::collections::BTreeMap;

    fn record(flow: &str, wording: &str, disposition: &str) -> CallRecord {
        let notes = TurnNotes { wording: Some(wording.to_owned()), ..TurnNotes::default() };
        let turn = TurnRecord {
            speaker: Speaker::Agent,
            text: "Hello.".into(),
            intended: None,
            state: "opening".into(),
            began: Default::default(),
            ended: Default::default(),
            confidence: None,
            interrupted: false,
            dtmf: String::new(),
            latency: None,
            emotion: None,
            notes: Box::new(notes),
        };
        let began = time::OffsetDateTime::UNIX_EPOCH;
        CallRecord {
            end_reason: EndReason::Completed,
            disposition: Some(disposition.into()),
            turns: vec![turn.clone(), turn],
            ..CallRecord::open(CallId::generate(), Direction::Outbound, CallParty::default(), flow, began)
        }
    }

    #[tokio::test]
    async fn calls_are_chosen_for_booked_and_remembered_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(&crate::store::Config::default(), folder.path(), &Metrics::new()).unwrap();
        let config = Config { control_percent: 0.0, floor_percent: 0.0, ..Config::default() };
        let flow = flows(None).unwrap().get("credit_card.en").unwrap();
        let list = "opening.opening";

        let store = open();
        let learning = Learning::open(&config, &store).unwrap().unwrap();
        for call in 0..120 {
            let variables = BTreeMap::from([("audience".to_owned(), "young".to_owned())]);
            let mut plan = CallPlan { flow: flow.name().into(), variables, ..CallPlan::default() };
            let planned = learning.plan(&flow, &mut plan).unwrap();
            assert!(plan.prefer[list].len() > 2 && plan.prefer.keys().any(|list| list.starts_with("objection.")));
            let wording = if call % 2 == 0 { "any_minute" } else { "new_question" };
            let how = if call % 2 == 0 { "signed_up" } else { "refused" };
            learning.book(planned, &record(flow.name(), &format!("{list}/{wording}"), how)).await;
        }
        let mut by_hand = CallPlan { prefer: BTreeMap::from([(list.to_owned(), Vec::new())]), ..CallPlan::default() };
        assert_eq!(learning.plan(&flow, &mut by_hand), None, "whoever places a call may choose");
        learning.close().await;
        drop(learning);
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();

        let store = open();
        let learning = Learning::open(&config, &store).unwrap().unwrap();
        let variables = BTreeMap::from([("audience".to_owned(), "young".to_owned())]);
        let mut plan = CallPlan { flow: flow.name().into(), variables, ..CallPlan::default() };
        learning.plan(&flow, &mut plan).unwrap();
        assert_eq!(plan.prefer[list][0], "any_minute", "it sold every time");

        std::fs::write(store.document_file(DOCUMENT), "{\"version\": 1, ").unwrap();
        let error = Learning::open(&config, &store).err().unwrap().to_string();
        assert!(error.contains("learned.json") && error.contains("move it away"), "{error}");
        let off = Config { enabled: false, ..config };
        assert!(Learning::open(&off, &store).unwrap().is_none());
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();
    }
}
