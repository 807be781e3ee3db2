//! Every call that began has exactly one record, whatever happens to the process and to the disk.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tipring::audio::{FRAME_SAMPLES, MediaTime};
use tipring::id::CallId;
use tipring::media::StereoFrame;
use tipring::metrics::Metrics;
use tipring::record::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
use tipring::store::{Config, RecordingSource, Store, StoreError};

fn record(id: CallId) -> CallRecord {
    CallRecord {
        version: RECORD_VERSION,
        id,
        direction: Direction::Outbound,
        party: CallParty::default(),
        flow: "welcome".into(),
        began: id.began(),
        answered: Some(id.began()),
        ended: id.began() + time::Duration::seconds(3),
        duration_ms: 3000,
        end_reason: EndReason::Completed,
        last_state: Some("end".into()),
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
        recording: Some("to be filled in".into()),
        recording_frames_dropped: 0,
    }
}

fn open(folder: &Path) -> Store {
    Store::open(&Config { retry_s: 1, ..Config::default() }, folder, &Metrics::new()).unwrap()
}

/// 2026-11-22T10:00:00Z and some milliseconds.
fn id(ms: u64) -> CallId {
    CallId::from_parts(1_795_341_600_000 + ms, u128::from(ms))
}

#[derive(Default)]
struct Tape {
    frames: VecDeque<StereoFrame>,
    closed: bool,
}

/// A source that the test feeds while the disk thread drains it.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<Tape>>);

impl RecordingSource for Source {
    fn next_frame(&mut self) -> Option<StereoFrame> {
        self.0.lock().unwrap().frames.pop_front()
    }
    fn closed(&self) -> bool {
        self.0.lock().unwrap().closed
    }
    fn dropped(&self) -> u64 {
        7
    }
}

impl Source {
    fn feed(&self, caller: i16, agent: i16) {
        let (left, right) = ([caller; FRAME_SAMPLES], [agent; FRAME_SAMPLES]);
        let frame = StereoFrame { at: MediaTime::ZERO, left, right };
        self.0.lock().unwrap().frames.push_back(frame);
    }
}

#[tokio::test]
async fn a_finished_call_has_its_record_and_recording() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let id = id(1);
    store.begin(id, Direction::Outbound, id.began()).await.unwrap();
    let source = Source::default();
    store.record(id, Box::new(source.clone())).await.unwrap();
    for i in 0..10 {
        source.feed(i, -i);
    }
    let done = store.finish(Arc::new(record(id))).await.unwrap();
    // The last frames come after the call has ended and are waited for.
    source.feed(10, -10);
    source.0.lock().unwrap().closed = true;
    done.await.unwrap().unwrap();

    let kept = store.load(id).unwrap().unwrap();
    assert_eq!(kept.recording.as_deref(), Some(format!("{id}.wav").as_str()));
    assert_eq!(kept.recording_frames_dropped, 7);
    assert_eq!(store.recent(10).iter().map(|r| r.id).collect::<Vec<_>>(), [id]);
    assert!(folder.path().join(format!("calls/2026/11/22/{id}.json")).is_file());
    assert_eq!(fs::read_dir(folder.path().join("calls/begun")).unwrap().count(), 0);

    let mut wav = hound::WavReader::open(store.recording(id).unwrap()).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 16_000));
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    assert_eq!(samples.len(), 11 * FRAME_SAMPLES * 2);
    for (i, pair) in samples.chunks(2).enumerate() {
        let frame = (i / FRAME_SAMPLES) as i16;
        assert_eq!(pair, [frame, -frame], "sample {i}");
    }
    store.close();
}

#[tokio::test]
async fn calls_of_a_dead_process_get_a_record_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (finished, lost, recorded) = (id(1), id(2), id(3));
    for id in [finished, lost, recorded] {
        store.begin(id, Direction::Inbound, id.began()).await.unwrap();
    }
    let source = Source::default();
    source.feed(5, 6);
    store.record(recorded, Box::new(source)).await.unwrap();
    store.finish(Arc::new(record(finished))).await.unwrap().await.unwrap().unwrap();
    store.close();
    drop(store);
    // As a power cut may leave them: an entry cut short, and one whose call has its record already.
    fs::write(folder.path().join(format!("calls/begun/{}.json", id(4))), b"{").unwrap();
    fs::write(folder.path().join(format!("calls/begun/{finished}.json")), b"{}").unwrap();
    fs::write(folder.path().join("calls/begun/x.json.tmp"), b"{").unwrap();

    for _ in 0..2 {
        let store = open(folder.path());
        assert_eq!(fs::read_dir(folder.path().join("calls/begun")).unwrap().count(), 0);
        let why = |id| store.load(id).unwrap().unwrap().end_reason;
        assert_eq!(why(finished), EndReason::Completed);
        for id in [lost, recorded, id(4)] {
            assert_eq!(why(id), EndReason::Failed { why: "process ended".into() });
        }
        assert!(store.load(lost).unwrap().unwrap().recording.is_none());
        assert!(store.load(recorded).unwrap().unwrap().recording.is_some());
        let wav = hound::WavReader::open(store.recording(recorded).unwrap()).unwrap();
        assert_eq!(wav.duration() as usize, FRAME_SAMPLES);
        let newest: Vec<CallId> = store.recent(3).iter().map(|r| r.id).collect();
        assert_eq!(newest, [id(4), recorded, lost]);
        store.close();
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_reported_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let id = id(1);
    // A file where the year's folder should be: writing fails for root too.
    let year = folder.path().join("calls/2026");
    fs::write(&year, b"").unwrap();
    store.begin(id, Direction::Inbound, id.began()).await.unwrap();
    let outcome = store.finish(Arc::new(record(id))).await.unwrap().await.unwrap();
    assert!(matches!(outcome, Err(StoreError::Io { .. })), "{outcome:?}");
    fs::remove_file(&year).unwrap();
    for _ in 0..40 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if store.load(id).unwrap().is_some() {
            break;
        }
    }
    assert_eq!(store.load(id).unwrap().unwrap().end_reason, EndReason::Completed);
    store.close();
}

#[test]
fn two_processes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = Store::open(&Config::default(), folder.path(), &Metrics::new());
    assert!(matches!(second, Err(StoreError::Locked { .. })));
    first.close();
    drop(first);
    open(folder.path()).close();
}

#[tokio::test]
async fn after_closing_nothing_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.close();
    assert!(matches!(
        store.begin(id(1), Direction::Inbound, OffsetDateTime::UNIX_EPOCH).await,
        Err(StoreError::Closed)
    ));
}

#[tokio::test]
async fn a_document_is_replaced_whole_and_tried_again_when_the_disk_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.document("learned").unwrap(), None);
    store.keep_document("learned", "{\"n\": 1}\n".into()).await.unwrap();
    store.keep_document("learned", "{\"n\": 2}\n".into()).await.unwrap();
    // A folder in the place of the file: it cannot be replaced until it is gone.
    let path = store.document_file("other");
    fs::create_dir_all(path.join("in the way")).unwrap();
    store.keep_document("other", "old".into()).await.unwrap();
    store.keep_document("other", "new".into()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    fs::remove_dir_all(&path).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !path.is_file() && std::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    tokio::task::spawn_blocking({
        let store = store.clone();
        move || store.close()
    })
    .await
    .unwrap();
    assert_eq!(store.document("learned").unwrap().as_deref(), Some("{\"n\": 2}\n"));
    assert_eq!(store.document("other").unwrap().as_deref(), Some("new"), "the newest, not the first");
    assert!(fs::read_dir(folder.path()).unwrap().all(|entry| !entry.unwrap().path().ends_with(".tmp")));
}
