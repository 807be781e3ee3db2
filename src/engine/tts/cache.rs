//! Keeps spoken lines ready, in front of any synthesiser: what a flow always says costs nothing when it is said.

use crate::audio::{FRAME_SAMPLES, Samples};
use crate::engine::wait;
use crate::id::CallId;
use crate::speech::{EngineError, Language, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one line may take to be rendered ahead of time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes counted for a line besides its frames and its text.
const OVERHEAD: usize = 256;
/// For how long a line is taken that another voice made because the one that should have was down; then it is made anew.
const MAKESHIFT: Duration = Duration::from_secs(30);

/// A synthesiser that remembers lines as 16 kHz frames: 32,000 bytes per second of speech.
///
/// Lines given to [`prepare`](Synthesizer::prepare) stay; others stay while there is room, the one not used for longest goes
/// first. A line that is there is given at the first poll, without a change of thread.
pub struct Cache {
    inner: Arc<dyn Synthesizer>,
    /// What lines are rendered with ahead of time.
    ahead: Arc<dyn Synthesizer>,
    shared: Arc<Shared>,
}

/// What the cache did so far and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheStats {
    /// Lines that were there.
    pub hits: u64,
    /// Lines that had to be synthesised.
    pub misses: u64,
    /// Lines held.
    pub lines: usize,
    /// Bytes held.
    pub bytes: usize,
}

struct Shared {
    max_bytes: usize,
    store: Mutex<Store>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Store {
    lines: HashMap<Key, Entry>,
    bytes: usize,
    clock: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    text: String,
    language: Language,
    voice: Option<String>,
}

struct Entry {
    line: Arc<Spoken>,
    prepared: bool,
    used: u64,
}

/// A finished line.
struct Spoken {
    engine: String,
    text_bytes: usize,
    frames: Box<[Samples]>,
    /// Since when it stands in for a line of a better voice.
    makeshift: Option<Instant>,
}

impl Cache {
    /// A cache of at most `max_bytes` in front of `inner`.
    pub fn new(inner: Arc<dyn Synthesizer>, max_bytes: usize) -> Self {
        Self::with_ahead(Arc::clone(&inner), inner, max_bytes)
    }

    /// As [`Self::new`], with another synthesiser for lines that are rendered ahead of time: one that is given more of it.
    pub fn with_ahead(inner: Arc<dyn Synthesizer>, ahead: Arc<dyn Synthesizer>, max_bytes: usize) -> Self {
        let shared = Shared { max_bytes, store: Mutex::default(), hits: AtomicU64::new(0), misses: AtomicU64::new(0) };
        Self { inner, ahead, shared: Arc::new(shared) }
    }

    /// What it did and holds.
    pub fn stats(&self) -> CacheStats {
        let store = self.shared.lock();
        CacheStats {
            hits: self.shared.hits.load(Relaxed),
            misses: self.shared.misses.load(Relaxed),
            lines: store.lines.len(),
            bytes: store.bytes,
        }
    }
}

impl Synthesizer for Cache {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        let key = Key::of(what);
        if let Some(line) = self.shared.find(&key) {
            self.shared.hits.fetch_add(1, Relaxed);
            return Ok(Box::new(Replay { line, next: 0 }));
        }
        self.shared.misses.fetch_add(1, Relaxed);
        let inner = self.inner.speak(what, wake)?;
        let first = inner.engine().unwrap_or(self.inner.name()).to_owned();
        let tape = Some(Tape { key, engine: first, frames: Vec::new() });
        Ok(Box::new(Recording { inner, tape, name: self.inner.name().to_owned(), shared: Arc::clone(&self.shared) }))
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        self.inner.has_voice(what)
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn Synthesizer>> {
        let inner = self.inner.for_call(call)?;
        Some(Arc::new(Self { inner, ahead: Arc::clone(&self.ahead), shared: Arc::clone(&self.shared) }))
    }

    fn prepare(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        let key = Key::of(what);
        if let Some(entry) = self.shared.lock().lines.get_mut(&key).filter(|entry| entry.line.is_good()) {
            entry.prepared = true;
            return Ok(());
        }
        self.ahead.prepare(what)?;
        let mut stream = self.ahead.speak(what, wait::this_thread())?;
        let (samples, end) = wait::drain(&mut *stream, PATIENCE);
        let engine = stream.engine().unwrap_or(self.inner.name()).to_owned();
        match end {
            Synthesis::Failed(error) => Err(error),
            _ => {
                let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
                let makeshift = stream.is_makeshift().then(Instant::now);
                let line = Spoken { engine, text_bytes: what.text.len(), frames: frames.into(), makeshift };
                match self.shared.keep(key, line, true) {
                    true => Ok(()),
                    false => Err(EngineError::Failed {
                        engine: self.inner.name().to_owned(),
                        what: format!(
                            "no room to keep a line of {} s ready: the cache holds {} MiB; raise engine.tts_cache_mb",
                            samples.len() / 16_000,
                            self.shared.max_bytes >> 20
                        ),
                    }),
                }
            }
        }
    }
}

impl Key {
    fn of(what: &SpeechRequest) -> Self {
        Self { text: what.text.clone(), language: what.language.clone(), voice: what.voice.clone() }
    }
}

impl Spoken {
    /// May be said, or is to be made anew.
    fn is_good(&self) -> bool {
        self.makeshift.is_none_or(|since| since.elapsed() < MAKESHIFT)
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.frames) + self.text_bytes + self.engine.len() + OVERHEAD
    }
}

impl Shared {
    /// A panic inside the lock leaves nothing half done, so that poison is no news.
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Key) -> Option<Arc<Spoken>> {
        let mut store = self.lock();
        store.clock += 1;
        let now = store.clock;
        let entry = store.lines.get_mut(key).filter(|entry| entry.line.is_good())?;
        entry.used = now;
        Some(Arc::clone(&entry.line))
    }

    /// Puts a line in, in the place of a makeshift, others out where it needs the room. False when it cannot be kept.
    fn keep(&self, key: Key, line: Spoken, mut prepared: bool) -> bool {
        let needed = line.bytes();
        let mut store = self.lock();
        let Store { lines, bytes, clock } = &mut *store;
        if lines.get(&key).is_some_and(|entry| entry.line.makeshift.is_some())
            && let Some(old) = lines.remove(&key)
        {
            *bytes -= old.line.bytes();
            prepared |= old.prepared;
        }
        let fixed: usize = lines.values().filter(|e| e.prepared).map(|e| e.line.bytes()).sum();
        if fixed + needed > self.max_bytes || lines.contains_key(&key) {
            return lines.contains_key(&key);
        }
        while *bytes + needed > self.max_bytes {
            let oldest = lines.iter().filter(|(_, e)| !e.prepared).min_by_key(|(_, e)| e.used).map(|(k, _)| k.clone());
            let Some(gone) = oldest.and_then(|key| lines.remove(&key)) else { return false };
            *bytes -= gone.line.bytes();
        }
        *clock += 1;
        *bytes += needed;
        lines.insert(key, Entry { line: Arc::new(line), prepared, used: *clock });
        true
    }
}

/// A line that was there.
struct Replay {
    line: Arc<Spoken>,
    next: usize,
}

impl SynthesisStream for Replay {
    fn poll(&mut self) -> Synthesis {
        match self.line.frames.get(self.next) {
            Some(frame) => {
                self.next += 1;
                Synthesis::Frame(Box::new(*frame))
            }
            None => Synthesis::Done,
        }
    }

    fn total_samples(&self) -> Option<u64> {
        Some((self.line.frames.len() * FRAME_SAMPLES) as u64)
    }

    fn spoken(&self) -> usize {
        if self.next >= self.line.frames.len() { self.line.text_bytes } else { 0 }
    }

    fn engine(&self) -> Option<&str> {
        Some(&self.line.engine)
    }
}

/// A line that was not there: given on as it comes, and kept when it is complete.
struct Recording {
    inner: Box<dyn SynthesisStream>,
    tape: Option<Tape>,
    name: String,
    shared: Arc<Shared>,
}

struct Tape {
    key: Key,
    engine: String,
    frames: Vec<Samples>,
}

impl SynthesisStream for Recording {
    fn poll(&mut self) -> Synthesis {
        let given = self.inner.poll();
        match &given {
            Synthesis::Frame(frame) => {
                let room = self.shared.max_bytes / size_of::<Samples>();
                match &mut self.tape {
                    Some(tape) if tape.frames.len() < room => tape.frames.push(**frame),
                    _ => self.tape = None,
                }
            }
            Synthesis::Done => {
                // Half in one voice and half in another is right once, in need; it is not kept.
                let engine = self.inner.engine().unwrap_or(&self.name);
                if let Some(tape) = self.tape.take().filter(|tape| tape.engine == engine) {
                    let text_bytes = tape.key.text.len();
                    let makeshift = self.inner.is_makeshift().then(Instant::now);
                    let line = Spoken { engine: tape.engine, text_bytes, frames: tape.frames.into(), makeshift };
                    self.shared.keep(tape.key, line, false);
                }
            }
            Synthesis::Failed(_) => self.tape = None,
            Synthesis::Pending => {}
        }
        given
    }

    fn total_samples(&self) -> Option<u64> {
        self.inner.total_samples()
    }

    fn spoken(&self) -> usize {
        self.inner.spoken()
    }

    fn engine(&self) -> Option<&str> {
        self.inner.engine()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Speaks one second per character; counts how often it was asked.
    #[derive(Default)]
    struct Counting {
        asked: AtomicUsize,
    }

    struct Seconds {
        left: usize,
        breaks: bool,
    }

    impl Synthesizer for Counting {
        fn name(&self) -> &str {
            "counting"
        }
        fn speak(&self, what: &SpeechRequest, _: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
            self.asked.fetch_add(1, Relaxed);
            Ok(Box::new(Seconds { left: what.text.len() * 50, breaks: what.text.contains('!') }))
        }
    }

    impl SynthesisStream for Seconds {
        fn poll(&mut self) -> Synthesis {
            match self.left {
                0 => Synthesis::Done,
                1 if self.breaks => {
                    Synthesis::Failed(EngineError::Failed { engine: "counting".into(), what: "as asked".into() })
                }
                _ => {
                    self.left -= 1;
                    Synthesis::Frame(Box::new([7; FRAME_SAMPLES]))
                }
            }
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
    }

    fn request(text: &str) -> SpeechRequest {
        SpeechRequest { text: text.into(), language: Language::default(), voice: None }
    }

    fn cache(seconds: usize) -> (Arc<Counting>, Cache) {
        let inner = Arc::new(Counting::default());
        (Arc::clone(&inner), Cache::new(inner, seconds * 33_000))
    }

    fn say(cache: &Cache, text: &str) -> usize {
        let mut stream = cache.speak(&request(text), wait::this_thread()).unwrap();
        wait::drain(&mut *stream, Duration::from_secs(1)).0.len()
    }

    #[test]
    fn a_prepared_line_is_there_at_the_first_poll() {
        let (inner, cache) = cache(10);
        cache.prepare(&request("abc")).unwrap();
        cache.prepare(&request("abc")).unwrap();
        let mut stream = cache.speak(&request("abc"), std::task::Waker::noop().clone()).unwrap();
        assert_eq!(stream.total_samples(), Some(48_000));
        assert!(matches!(stream.poll(), Synthesis::Frame(frame) if frame[0] == 7));
        assert_eq!(stream.engine(), Some("counting"));
        assert_eq!(inner.asked.load(Relaxed), 1);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.lines), (1, 0, 1));
        assert!((96_000..97_000).contains(&stats.bytes), "{}", stats.bytes);
    }

    /// The better voice is down at first.
    #[derive(Default)]
    struct Fickle {
        well: std::sync::atomic::AtomicBool,
    }

    struct Makeshift(Seconds, bool);

    impl Synthesizer for Fickle {
        fn name(&self) -> &str {
            "fickle"
        }
        fn speak(&self, what: &SpeechRequest, _: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
            let seconds = Seconds { left: what.text.len() * 50, breaks: false };
            Ok(Box::new(Makeshift(seconds, !self.well.load(Relaxed))))
        }
    }

    impl SynthesisStream for Makeshift {
        fn poll(&mut self) -> Synthesis {
            self.0.poll()
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
        fn engine(&self) -> Option<&str> {
            Some(if self.1 { "other" } else { "better" })
        }
        fn is_makeshift(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn a_line_that_another_voice_had_to_make_is_made_anew_after_a_while() {
        let inner = Arc::new(Fickle::default());
        let cache = Cache::new(Arc::clone(&inner) as Arc<dyn Synthesizer>, 10 * 33_000);
        let who = || cache.speak(&request("ab"), wait::this_thread()).unwrap().engine().unwrap().to_owned();
        cache.prepare(&request("ab")).unwrap();
        inner.well.store(true, Relaxed);
        assert_eq!((who().as_str(), cache.stats().hits), ("other", 1), "it may be down still");
        let age = |by: Duration| {
            let mut store = cache.shared.lock();
            let entry = store.lines.get_mut(&Key::of(&request("ab"))).unwrap();
            let old = Arc::get_mut(&mut entry.line).unwrap();
            old.makeshift = old.makeshift.and_then(|since| since.checked_sub(by));
        };
        age(MAKESHIFT);
        assert_eq!(say(&cache, "ab"), 32_000);
        age(MAKESHIFT);
        assert_eq!((who().as_str(), cache.stats().hits, cache.stats().lines), ("better", 2, 1), "and then it stays");
        assert!(cache.shared.lock().lines.values().all(|entry| entry.prepared));
    }

    #[test]
    fn voice_and_language_tell_lines_apart() {
        let (inner, cache) = cache(10);
        say(&cache, "a");
        for other in [
            SpeechRequest { voice: Some("rms".into()), ..request("a") },
            SpeechRequest { language: Language("de".into()), ..request("a") },
        ] {
            cache.prepare(&other).unwrap();
        }
        assert_eq!(inner.asked.load(Relaxed), 3);
    }

    #[test]
    fn the_line_not_used_for_longest_goes_first_and_prepared_ones_stay() {
        let (inner, cache) = cache(4);
        cache.prepare(&request("pp")).unwrap();
        assert_eq!(say(&cache, "x") + say(&cache, "y") + say(&cache, "x") + say(&cache, "z"), 4 * 16_000);
        assert_eq!(inner.asked.load(Relaxed), 4);
        say(&cache, "x");
        say(&cache, "pp");
        assert_eq!(inner.asked.load(Relaxed), 4, "x and pp were kept");
        say(&cache, "y");
        assert_eq!(inner.asked.load(Relaxed), 5, "y made room for z");
        assert!(cache.stats().bytes <= 4 * 33_000);
    }

    #[test]
    fn says_when_there_is_no_room_for_a_fixed_line() {
        let (_, cache) = cache(3);
        cache.prepare(&request("ab")).unwrap();
        let error = cache.prepare(&request("cd")).unwrap_err();
        assert!(error.to_string().contains("engine.tts_cache_mb"), "{error}");
        assert_eq!(say(&cache, "cd"), 32_000, "it is spoken all the same");
    }

    #[test]
    fn a_broken_or_interrupted_line_is_not_kept() {
        let (inner, cache) = cache(10);
        assert!(cache.prepare(&request("a!")).is_err());
        say(&cache, "a!");
        let mut stream = cache.speak(&request("b"), std::task::Waker::noop().clone()).unwrap();
        stream.poll();
        drop(stream);
        assert_eq!(cache.stats().lines, 0);
        say(&cache, "b");
        assert_eq!(inner.asked.load(Relaxed), 4);
    }
}
