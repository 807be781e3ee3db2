//! The disk thread.

use super::files::{Begun, Files};
use super::recording::{Recording, RecordingSource};
use super::{Config, Recent, StoreError, lock};
use crate::id::CallId;
use crate::metrics::Metrics;
use crate::record::{CallRecord, Direction, Waves, picture};
use crate::speech::Exchange;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How often recordings are drained.
const DRAIN_EVERY: Duration = Duration::from_millis(100);
/// How often while a call that has ended waits for the last frames of its recording.
const END_EVERY: Duration = Duration::from_millis(10);
/// How long it waits for them.
const END_WAIT: Duration = Duration::from_millis(500);
/// Records kept for another try; the oldest beyond it is given up here. Its call is still in the journal, so that the next
/// start gives it a record.
const RETRIES: usize = 256;

/// What the disk thread is asked to do.
pub(super) enum Job {
    Begin { id: CallId, direction: Direction, began: OffsetDateTime },
    Record { id: CallId, source: Box<dyn RecordingSource> },
    Log { id: CallId, exchange: Box<Exchange> },
    Finish { record: Arc<CallRecord>, durable: oneshot::Sender<Result<(), StoreError>> },
    Document { name: &'static str, text: String },
    Close,
}

/// A call that has ended and is not on disk yet.
struct Ending {
    record: Arc<CallRecord>,
    durable: oneshot::Sender<Result<(), StoreError>>,
    until: Instant,
}

pub(super) struct Disk {
    files: Arc<Files>,
    recent: Recent,
    keep: usize,
    pictures: bool,
    contours: bool,
    retry_every: Duration,
    metrics: Metrics,
    recordings: BTreeMap<CallId, Recording>,
    ending: Vec<Ending>,
    again: VecDeque<CallRecord>,
    /// Documents that could not be written: of each the newest text.
    unwritten: BTreeMap<&'static str, String>,
    retry_at: Instant,
}

impl Disk {
    pub(super) fn new(files: Arc<Files>, recent: Recent, config: &Config, metrics: Metrics) -> Self {
        Self {
            files,
            recent,
            keep: config.recent,
            pictures: config.pictures,
            contours: config.pictures && config.contours,
            retry_every: Duration::from_secs(config.retry_s.max(1)),
            metrics,
            recordings: BTreeMap::new(),
            ending: Vec::new(),
            again: VecDeque::new(),
            unwritten: BTreeMap::new(),
            retry_at: Instant::now(),
        }
    }

    /// Works until it is told to close or nobody can post any more; then finishes what was begun.
    pub(super) fn run(mut self, jobs: &Receiver<(Job, OwnedSemaphorePermit)>) {
        loop {
            match self.next(jobs) {
                Ok((Job::Close, _)) | Err(RecvTimeoutError::Disconnected) => break,
                Ok((job, permit)) => {
                    self.take(job);
                    drop(permit);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.work(Instant::now());
        }
        // What is still growing gets what has come so far; its call is in the journal.
        let now = Instant::now() + END_WAIT;
        self.retry_at = now;
        self.work(now);
        for (_, recording) in std::mem::take(&mut self.recordings) {
            let _ = recording.close();
        }
        for name in self.unwritten.keys() {
            tracing::error!(document = name, "it could not be written before the end of the process");
        }
        for record in &self.again {
            tracing::error!(call = %record.id, "its record could not be written before the end of the process");
        }
    }

    /// Waits for the next job for as long as nothing else is due.
    fn next(
        &self,
        jobs: &Receiver<(Job, OwnedSemaphorePermit)>,
    ) -> Result<(Job, OwnedSemaphorePermit), RecvTimeoutError> {
        let wait = if !self.ending.is_empty() {
            END_EVERY
        } else if !self.recordings.is_empty() {
            DRAIN_EVERY
        } else if !self.again.is_empty() || !self.unwritten.is_empty() {
            self.retry_at.saturating_duration_since(Instant::now())
        } else {
            return jobs.recv().map_err(|_| RecvTimeoutError::Disconnected);
        };
        jobs.recv_timeout(wait)
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Begin { id, direction, began } => {
                if let Err(error) = self.files.enter(&Begun { id, direction, began }) {
                    self.complain(id, "journal", &error);
                }
            }
            Job::Record { id, source } => {
                let begun = self
                    .files
                    .make_day(id)
                    .and_then(|()| Recording::create(self.files.growing(id), source, self.contours));
                match begun {
                    Ok(recording) => drop(self.recordings.insert(id, recording)),
                    Err(error) => self.complain(id, "recording", &error),
                }
            }
            Job::Log { id, exchange } => {
                if let Err(error) = self.files.log(id, &exchange) {
                    self.complain(id, "log of the language model", &error);
                }
            }
            Job::Finish { record, durable } => {
                self.ending.push(Ending { record, durable, until: Instant::now() + END_WAIT });
            }
            Job::Document { name, text } => self.keep_document(name, text),
            Job::Close => {}
        }
    }

    fn keep_document(&mut self, name: &'static str, text: String) {
        match self.files.keep_document(name, &text) {
            Ok(()) => drop(self.unwritten.remove(name)),
            Err(error) => {
                tracing::error!(document = name, %error, "not written");
                self.retry_at = self.retry_at.max(Instant::now() + self.retry_every);
                self.unwritten.insert(name, text);
            }
        }
    }

    /// Everything that is due.
    fn work(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for (&id, recording) in &mut self.recordings {
            if let Err(error) = recording.drain() {
                failed.push((id, error));
            }
        }
        for (id, error) in failed {
            self.complain(id, "recording", &error);
        }
        for ending in std::mem::take(&mut self.ending) {
            let waits = self.recordings.get(&ending.record.id).is_some_and(|r| !r.complete());
            if waits && now < ending.until {
                self.ending.push(ending);
            } else {
                self.finish(ending);
            }
        }
        if now >= self.retry_at && !(self.again.is_empty() && self.unwritten.is_empty()) {
            self.retry_at = now + self.retry_every;
            for (name, text) in std::mem::take(&mut self.unwritten) {
                self.keep_document(name, text);
            }
            for record in std::mem::take(&mut self.again) {
                match self.write(&record) {
                    Ok(()) => {
                        tracing::info!(call = %record.id, "the record is on disk now");
                        self.list(Arc::new(record));
                    }
                    Err(_) => self.again.push_back(record),
                }
            }
        }
    }

    /// The call's recording gets its name, then the call its record.
    fn finish(&mut self, ending: Ending) {
        let mut record = CallRecord::clone(&ending.record);
        let id = record.id;
        record.recording = None;
        let mut waves = Waves::default();
        if let Some(mut recording) = self.recordings.remove(&id) {
            let rest = recording.drain();
            record.recording_frames_dropped = recording.dropped();
            waves = recording.take_waves();
            let closed = rest.and_then(|()| recording.close()).and_then(|()| self.files.name_recording(id));
            match closed {
                Ok(true) => record.recording = Some(format!("{id}.wav")),
                Ok(false) => {}
                Err(error) => self.complain(id, "recording", &error),
            }
        }
        let written = self.write(&record);
        let drawn = (self.pictures && record.answered.is_some()).then(|| record.clone());
        match &written {
            Ok(()) => self.list(Arc::new(record)),
            Err(error) => {
                self.complain(id, "record", error);
                if self.again.len() == RETRIES {
                    self.again.pop_front();
                }
                self.retry_at = self.retry_at.max(Instant::now() + self.retry_every);
                self.again.push_back(record);
            }
        }
        // Nobody waiting is no error: the session may have been dropped.
        let _ = ending.durable.send(written);
        // Nobody waits for the picture: the call's place is free by now.
        if let Some(record) = drawn
            && let Err(error) = self.files.keep_picture(id, &picture(&record, &waves))
        {
            self.complain(id, "picture", &error);
        }
    }

    fn write(&self, record: &CallRecord) -> Result<(), StoreError> {
        self.files.keep(record)?;
        self.files.strike(record.id)
    }

    fn list(&self, record: Arc<CallRecord>) {
        let mut recent = lock(&self.recent);
        recent.push_front(record);
        recent.truncate(self.keep);
    }

    fn complain(&self, id: CallId, what: &'static str, error: &StoreError) {
        self.metrics.record_failed();
        tracing::error!(call = %id, what, %error, "not written");
    }
}
