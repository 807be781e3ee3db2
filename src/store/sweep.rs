//! What is done when the folder is opened: calls of a process that died, and the newest records.

use super::StoreError;
use super::files::{Begun, Files};
use crate::id::CallId;
use crate::record::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use time::OffsetDateTime;

/// Turns every entry of the journal into a record, unless the call has one. Returns how many were written.
pub(super) fn leftovers(files: &Files) -> Result<usize, StoreError> {
    let mut written = 0;
    for path in sorted(&files.begun_dir())? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Some(id) = name.strip_suffix(".json").and_then(|n| n.parse::<CallId>().ok()) else {
            // An entry that was being written when the process died: its call never got further.
            if name.ends_with(".tmp") {
                let _ = fs::remove_file(&path);
            }
            continue;
        };
        let _ = fs::remove_file(files.record(id).with_extension("json.tmp"));
        if !files.record(id).is_file() {
            files.make_day(id)?;
            let recording = files.name_recording(id)?;
            files.keep(&record_of(files, id, &path, recording))?;
            written += 1;
        }
        files.strike(id)?;
    }
    Ok(written)
}

/// The record of a call whose process died.
fn record_of(files: &Files, id: CallId, entry: &Path, recording: bool) -> CallRecord {
    let begun = fs::read(entry).ok().and_then(|bytes| serde_json::from_slice::<Begun>(&bytes).ok()).unwrap_or(Begun {
        id,
        direction: Direction::Inbound,
        began: id.began(),
    });
    // The last sign of life: the recording's last write, else the entry itself.
    let touched = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let seen = touched(&files.recording(id)).or_else(|| touched(entry)).unwrap_or(SystemTime::UNIX_EPOCH);
    CallRecord {
        version: RECORD_VERSION,
        id,
        direction: begun.direction,
        party: CallParty::default(),
        flow: String::new(),
        began: begun.began,
        answered: None,
        ended: OffsetDateTime::from(seen).max(begun.began),
        duration_ms: 0,
        end_reason: EndReason::Failed { why: "process ended".into() },
        last_state: None,
        disposition: None,
        slots: BTreeMap::new(),
        turns: Vec::new(),
        timeline: Default::default(),
        sales: Default::default(),
        moods: Vec::new(),
        emotion: Vec::new(),
        llm: Default::default(),
        engines: EngineNames::default(),
        media: MediaReport::default(),
        recording: recording.then(|| format!("{id}.wav")),
        recording_frames_dropped: 0,
    }
}

/// The newest records on disk, newest first. What cannot be read is left out: it will be complained about when asked for.
pub(super) fn newest(files: &Files, count: usize) -> Vec<Arc<CallRecord>> {
    let mut out = Vec::new();
    let descending = |folder: &Path| sorted(folder).unwrap_or_default().into_iter().rev();
    for year in descending(&files.calls()).filter(|p| numbered(p)) {
        for month in descending(&year).filter(|p| numbered(p)) {
            for day in descending(&month).filter(|p| numbered(p)) {
                for path in descending(&day).filter(|p| p.extension().is_some_and(|e| e == "json")) {
                    if out.len() == count {
                        return out;
                    }
                    let id = path.file_stem().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
                    match id.map(|id| files.load(id)) {
                        Some(Ok(Some(record))) => out.push(Arc::new(record)),
                        Some(Err(error)) => tracing::warn!(%error, "left out of the list of calls"),
                        _ => {}
                    }
                }
            }
        }
    }
    out
}

fn numbered(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        Ok(paths)
    };
    list().map_err(|source| StoreError::Io { what: "list", path: folder.to_owned(), source })
}
