//! Where things lie, and how they are written so that they are there whole or not at all.

use super::StoreError;
use crate::id::CallId;
use crate::record::{CallRecord, Direction};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The folder of the calls, locked for this process.
pub(super) struct Files {
    root: PathBuf,
    sync: bool,
    /// Held for as long as the folder is open.
    _lock: File,
}

/// A call that began and has no record yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    pub id: CallId,
    pub direction: Direction,
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
}

pub(super) fn io<T>(what: &'static str, path: &Path, result: std::io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Io { what, path: path.to_owned(), source })
}

impl Files {
    /// Makes the folders and takes the lock.
    pub(super) fn open(data_dir: &Path, sync: bool) -> Result<Self, StoreError> {
        let begun = data_dir.join("calls").join("begun");
        io("make the folder", &begun, fs::create_dir_all(&begun))?;
        let path = data_dir.join("lock");
        let lock = io("open", &path, File::options().create(true).append(true).open(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: data_dir.to_owned(), sync, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: data_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { what: "lock", path, source }),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn calls(&self) -> PathBuf {
        self.root.join("calls")
    }

    /// The day's folder of a call: known from its identifier alone, which holds the time at which it began.
    fn day(&self, id: CallId) -> PathBuf {
        Self::day_of(&self.root, id)
    }

    /// The same, below any data folder.
    pub(super) fn day_of(data_dir: &Path, id: CallId) -> PathBuf {
        let date = id.began().date();
        data_dir.join(format!("calls/{:04}/{:02}/{:02}", date.year(), u8::from(date.month()), date.day()))
    }

    pub(super) fn record(&self, id: CallId) -> PathBuf {
        self.day(id).join(format!("{id}.json"))
    }

    pub(super) fn recording(&self, id: CallId) -> PathBuf {
        self.day(id).join(format!("{id}.wav"))
    }

    pub(super) fn picture(&self, id: CallId) -> PathBuf {
        self.day(id).join(format!("{id}.svg"))
    }

    /// Writes a picture. It can be drawn again: it is not synchronised with the disk.
    pub(super) fn keep_picture(&self, id: CallId, svg: &str) -> Result<(), StoreError> {
        let path = self.picture(id);
        let beside = path.with_extension("svg.tmp");
        io("write", &beside, fs::write(&beside, svg))?;
        io("rename", &path, fs::rename(&beside, &path))
    }

    /// The recording while it grows.
    pub(super) fn growing(&self, id: CallId) -> PathBuf {
        self.day(id).join(format!("{id}.wav.part"))
    }

    pub(super) fn begun_dir(&self) -> PathBuf {
        self.calls().join("begun")
    }

    fn begun(&self, id: CallId) -> PathBuf {
        self.begun_dir().join(format!("{id}.json"))
    }

    /// Makes the day's folder of a call.
    pub(super) fn make_day(&self, id: CallId) -> Result<(), StoreError> {
        let day = self.day(id);
        io("make the folder", &day, fs::create_dir_all(&day))
    }

    /// Enters a call into the journal.
    pub(super) fn enter(&self, begun: &Begun) -> Result<(), StoreError> {
        self.write(&self.begun(begun.id), begun)
    }

    /// Takes a call out of the journal: it has its record.
    pub(super) fn strike(&self, id: CallId) -> Result<(), StoreError> {
        let path = self.begun(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => io("remove", &path, Err(error)),
            _ => Ok(()),
        }
    }

    /// Writes a record, whole or not at all; on return it survives a power cut.
    pub(super) fn keep(&self, record: &CallRecord) -> Result<(), StoreError> {
        self.make_day(record.id)?;
        self.write(&self.record(record.id), record)
    }

    /// The record of a call, if there is one.
    pub(super) fn load(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let path = self.record(id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return io("read", &path, Err(error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::NotARecord { path, source })
    }

    /// Where a document lies.
    pub(super) fn document(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }

    /// The text of a document, if there is one.
    pub(super) fn read_document(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.document(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => io("read", &path, Err(error)),
        }
    }

    /// Replaces a document, whole or not at all.
    pub(super) fn keep_document(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.write_bytes(&self.document(name), text.as_bytes())
    }

    /// Gives a grown recording its name; true when there was one.
    pub(super) fn name_recording(&self, id: CallId) -> Result<bool, StoreError> {
        let (from, to) = (self.growing(id), self.recording(id));
        if self.sync {
            match File::open(&from) {
                Ok(file) => io("synchronise", &from, file.sync_all())?,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(to.is_file()),
                Err(error) => return io("open", &from, Err(error)),
            }
        }
        match fs::rename(&from, &to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(to.is_file()),
            Err(error) => io("rename", &from, Err(error)),
        }
    }

    /// Beside, synchronise, rename, synchronise the folder.
    fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(value)
            .map_err(|source| StoreError::NotARecord { path: path.to_owned(), source })?;
        bytes.push(b'\n');
        self.write_bytes(path, &bytes)
    }

    fn write_bytes(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let beside = path.with_extension("json.tmp");
        let written = self.write_beside(&beside, bytes).and_then(|()| io("rename", path, fs::rename(&beside, path)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        if self.sync
            && let Some(folder) = path.parent()
        {
            io("synchronise", folder, File::open(folder).and_then(|f| f.sync_all()))?;
        }
        Ok(())
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = io("create", path, File::create(path))?;
        io("write", path, file.write_all(bytes))?;
        if self.sync {
            io("synchronise", path, file.sync_all())?;
        }
        Ok(())
    }
}
