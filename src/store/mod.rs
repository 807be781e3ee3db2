//! What outlives a call on disk: its record and its recording.
//!
//! One thread does all the writing, so that neither a caller nor a media thread ever waits for a disk. Under the data folder:
//!
//! ```text
//! lock                          held while a process writes here
//! calls/begun/ID.json           a call that began and has no record yet
//! calls/2026/11/22/ID.json      the record: written beside, synchronised, renamed
//! calls/2026/11/22/ID.wav       the recording, stereo 16 kHz: the caller left, the agent right
//! calls/2026/11/22/ID.svg       the timeline picture
//! learned.json                  a document: replaced as a whole, the same way as a record
//! calls/2026/11/22/ID.llm.jsonl what the language model was asked and answered, masked
//! ```
//!
//! A process that dies leaves its calls in `begun/`; the next one to open the folder turns each into a record that says so.
//! So every call that began has exactly one record.

mod config;
mod disk;
mod error;
mod exchanges;
mod files;
mod recording;
mod sweep;

pub use config::Config;
pub use error::StoreError;
pub use exchanges::exchanges;
pub use recording::RecordingSource;

use crate::id::CallId;
use crate::metrics::Metrics;
use crate::record::{CallRecord, Direction};
use crate::speech::Exchange;
use disk::{Disk, Job};
use files::Files;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Jobs that may wait for the disk. One more makes its sender wait; sessions end later, callers notice nothing.
const QUEUE: usize = 1024;

/// The newest records, newest first.
type Recent = Arc<Mutex<VecDeque<Arc<CallRecord>>>>;

/// The records and recordings of calls. Cheap to clone; every clone posts to the same disk thread.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<(Job, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    files: Arc<Files>,
    recent: Recent,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.files.root()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the folder, making it when it is not there; gives each call that a dead process left behind its record; starts
    /// the disk thread.
    pub fn open(config: &Config, data_dir: &Path, metrics: &Metrics) -> Result<Self, StoreError> {
        let files = Arc::new(Files::open(data_dir, config.sync)?);
        let swept = sweep::leftovers(&files)?;
        if swept > 0 {
            tracing::warn!(calls = swept, "calls of a process that died: each has now a record that says so");
        }
        let recent: Recent = Arc::new(Mutex::new(sweep::newest(&files, config.recent).into()));
        let (jobs, queue) = mpsc::channel();
        let disk = Disk::new(files.clone(), recent.clone(), config, metrics.clone());
        let thread = std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || disk.run(&queue))
            .map_err(|source| StoreError::Thread { source })?;
        Ok(Self {
            jobs,
            room: Arc::new(Semaphore::new(QUEUE)),
            files,
            recent,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// A call began: from now on it will have a record, whatever happens.
    pub async fn begin(&self, id: CallId, direction: Direction, began: OffsetDateTime) -> Result<(), StoreError> {
        self.post(Job::Begin { id, direction, began }).await
    }

    /// The call is to be recorded: `source` is drained until it is closed or the call ends.
    pub async fn record(&self, id: CallId, source: Box<dyn RecordingSource>) -> Result<(), StoreError> {
        self.post(Job::Record { id, source }).await
    }

    /// A question to the language model was answered, or given up. A full queue is not waited for: the exchange is dropped, and
    /// false given.
    pub fn log(&self, id: CallId, exchange: Box<Exchange>) -> bool {
        let Ok(permit) = self.room.clone().try_acquire_owned() else { return false };
        self.jobs.send((Job::Log { id, exchange }, permit)).is_ok()
    }

    /// The call ended. The receiver is answered when the record (and its recording) is safely on disk, or with what went
    /// wrong; a record that could not be written is tried again every few seconds meanwhile.
    ///
    /// `recording` and `recording_frames_dropped` of the record are filled in here: they are known only now.
    pub async fn finish(
        &self,
        record: Arc<CallRecord>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (durable, done) = oneshot::channel();
        self.post(Job::Finish { record, durable }).await?;
        Ok(done)
    }

    /// The newest `count` records, newest first, as far as they are kept in memory.
    pub fn recent(&self, count: usize) -> Vec<Arc<CallRecord>> {
        lock(&self.recent).iter().take(count).cloned().collect()
    }

    /// The record of a call; none when there is none. Reads the disk.
    pub fn load(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        self.files.load(id)
    }

    /// Where the record of a call lies once the call is over.
    pub fn record_file(&self, id: CallId) -> PathBuf {
        self.files.record(id)
    }

    /// The recording of a call, where there is one.
    pub fn recording(&self, id: CallId) -> Option<PathBuf> {
        let path = self.files.recording(id);
        path.is_file().then_some(path)
    }

    /// The timeline picture of a call, where there is one. It is drawn just after the record was written.
    pub fn picture(&self, id: CallId) -> Option<PathBuf> {
        let path = self.files.picture(id);
        path.is_file().then_some(path)
    }

    /// A document: the text that was last kept under `name`, none when there is none. Reads the disk.
    pub fn document(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.files.read_document(name)
    }

    /// Where a document lies.
    pub fn document_file(&self, name: &str) -> PathBuf {
        self.files.document(name)
    }

    /// Replaces a document, whole or not at all. What could not be written is tried again every few seconds, unless a newer
    /// text has come meanwhile.
    pub async fn keep_document(&self, name: &'static str, text: String) -> Result<(), StoreError> {
        self.post(Job::Document { name, text }).await
    }

    /// Writes everything that was posted and ends the disk thread. Blocks: not for a runtime thread.
    pub fn close(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        // The permit of a closing job does not count: it must get through a full queue.
        if let Ok(permit) = Arc::new(Semaphore::new(1)).try_acquire_owned() {
            let _ = self.jobs.send((Job::Close, permit));
        }
        if thread.join().is_err() {
            tracing::error!("the disk thread panicked");
        }
    }

    async fn post(&self, job: Job) -> Result<(), StoreError> {
        let permit = self.room.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        self.jobs.send((job, permit)).map_err(|_| StoreError::Closed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
