//! A line that is synthesised piece by piece in the worker pool: what the embedded engines have in common.

use super::sentence::{self, Piece};
use crate::audio::{FRAME_SAMPLES, SAMPLES_PER_MS, Samples};
use crate::engine::batch::Pool;
use crate::speech::{EngineError, Synthesis, SynthesisStream, Wake};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest line, in bytes: some minutes of speech.
const MAX_LINE: usize = 4096;
/// Audio that is made ahead of what was taken: 5 s. A line that is cut off costs no more than that.
const AHEAD_SAMPLES: u64 = 5_000 * SAMPLES_PER_MS;
/// The first piece is due this soon: before anything whose listener has audio to hear meanwhile.
const FIRST_DUE: Duration = Duration::from_millis(20);

/// Makes the sound of one piece of text. Called on the threads of the pool, by several at a time.
pub(super) trait Render: Send + Sync {
    /// Name as in the configuration.
    fn engine(&self) -> &str;
    /// Samples at 16 kHz, shaped; none is a piece without sound.
    fn render(&self, text: &str) -> Result<Vec<i16>, EngineError>;
}

/// The stream of one line. Dropping it ends the work after the piece being made.
pub(super) struct Line {
    work: Arc<Work>,
    piece: Made,
    /// Samples of `piece` that went into frames.
    taken: usize,
    frame: Box<Samples>,
    filled: usize,
    spoken: usize,
}

/// A piece that is ready.
#[derive(Default)]
struct Made {
    samples: Vec<i16>,
    end: usize,
}

struct Work {
    render: Box<dyn Render>,
    pool: Pool,
    pieces: Vec<Piece>,
    wake: Wake,
    state: Mutex<State>,
}

struct State {
    ready: VecDeque<Made>,
    /// Number of the next piece.
    next: usize,
    /// A job is queued or running.
    busy: bool,
    /// Samples made in all and samples taken from `ready` in all.
    made: u64,
    taken: u64,
    /// When the first piece was ready: the listener hears it from then on.
    heard_from: Option<Instant>,
    failed: Option<EngineError>,
}

impl Line {
    /// Starts to synthesise `text`.
    ///
    /// # Errors
    /// [`EngineError::Failed`] for a text of more than 4096 bytes, [`EngineError::Overloaded`] when the pool is full.
    pub fn start(render: Box<dyn Render>, pool: &Pool, text: &str, wake: Wake) -> Result<Self, EngineError> {
        if text.len() > MAX_LINE {
            let what = format!("a line of {} bytes is too long; {MAX_LINE} can be spoken at a time", text.len());
            return Err(EngineError::Failed { engine: render.engine().to_owned(), what });
        }
        let state =
            State { ready: VecDeque::new(), next: 0, busy: false, made: 0, taken: 0, heard_from: None, failed: None };
        let work = Work { render, pool: pool.clone(), pieces: sentence::split(text), wake, state: Mutex::new(state) };
        let work = Arc::new(work);
        work.go_on(&mut work.lock())?;
        Ok(Self { work, piece: Made::default(), taken: 0, frame: Box::new([0; FRAME_SAMPLES]), filled: 0, spoken: 0 })
    }

    /// Takes the next piece, or says what there is instead.
    fn next_piece(&mut self) -> Option<Synthesis> {
        self.spoken = self.spoken.max(self.piece.end);
        let mut state = self.work.lock();
        if let Some(made) = state.ready.pop_front() {
            state.taken += made.samples.len() as u64;
            // A pool that is full now is asked again at the next poll.
            let _ = self.work.go_on(&mut state);
            self.piece = made;
            self.taken = 0;
            return None;
        }
        if let Some(error) = state.failed.clone() {
            return Some(Synthesis::Failed(error));
        }
        if state.next >= self.work.pieces.len() && !state.busy {
            return Some(Synthesis::Done);
        }
        Some(match self.work.go_on(&mut state) {
            Ok(()) => Synthesis::Pending,
            Err(error) => {
                state.failed = Some(error.clone());
                Synthesis::Failed(error)
            }
        })
    }

    fn emit(&mut self) -> Synthesis {
        self.filled = 0;
        Synthesis::Frame(std::mem::replace(&mut self.frame, Box::new([0; FRAME_SAMPLES])))
    }
}

impl SynthesisStream for Line {
    fn poll(&mut self) -> Synthesis {
        loop {
            let source = self.piece.samples.get(self.taken..).unwrap_or_default();
            let target = self.frame.get_mut(self.filled..).unwrap_or_default();
            let n = source.len().min(target.len());
            target.iter_mut().zip(source).for_each(|(t, s)| *t = *s);
            self.taken += n;
            self.filled += n;
            if self.filled == FRAME_SAMPLES {
                return self.emit();
            }
            match self.next_piece() {
                None => {}
                Some(Synthesis::Done | Synthesis::Failed(_)) if self.filled > 0 => return self.emit(),
                Some(other) => return other,
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        let state = self.work.lock();
        let all = state.next >= self.work.pieces.len() && !state.busy && state.failed.is_none();
        all.then(|| state.made.next_multiple_of(FRAME_SAMPLES as u64))
    }

    fn spoken(&self) -> usize {
        self.spoken
    }

    fn engine(&self) -> Option<&str> {
        Some(self.work.render.engine())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.work.lock().next = usize::MAX;
    }
}

impl Work {
    /// A panic inside the lock leaves nothing half done, so that poison is no news.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the next piece when there is one and little is ready.
    fn go_on(self: &Arc<Self>, state: &mut State) -> Result<(), EngineError> {
        let ahead = state.made - state.taken;
        if state.busy || state.failed.is_some() || state.next >= self.pieces.len() || ahead >= AHEAD_SAMPLES {
            return Ok(());
        }
        let now = Instant::now();
        let due = match state.heard_from {
            None => now + FIRST_DUE,
            Some(began) => (began + Duration::from_millis(state.made / SAMPLES_PER_MS)).max(now),
        };
        let work = Arc::clone(self);
        self.pool.submit(due, Box::new(move || work.make()))?;
        state.busy = true;
        Ok(())
    }

    /// Makes one piece, on a thread of the pool.
    fn make(self: Arc<Self>) {
        let index = self.lock().next;
        let Some(piece) = self.pieces.get(index) else { return };
        let done = Outcome { work: &self, result: None, piece };
        done.finish(self.render.render(&piece.text));
    }
}

/// Writes down how a piece ended, also when its making panicked.
struct Outcome<'a> {
    work: &'a Arc<Work>,
    piece: &'a Piece,
    result: Option<Result<Vec<i16>, EngineError>>,
}

impl Outcome<'_> {
    fn finish(mut self, result: Result<Vec<i16>, EngineError>) {
        self.result = Some(result);
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        let panicked =
            || Err(EngineError::Failed { engine: self.work.render.engine().to_owned(), what: "it panicked".into() });
        let result = self.result.take().unwrap_or_else(panicked);
        let mut state = self.work.lock();
        state.busy = false;
        match result {
            Err(error) => state.failed = Some(error),
            Ok(mut samples) => {
                if !samples.is_empty() {
                    samples.resize(samples.len() + self.piece.pause_ms as usize * SAMPLES_PER_MS as usize, 0);
                }
                state.made += samples.len() as u64;
                state.heard_from.get_or_insert_with(Instant::now);
                state.ready.push_back(Made { samples, end: self.piece.end });
                state.next = state.next.saturating_add(1);
                if let Err(error) = self.work.go_on(&mut state) {
                    tracing::debug!(%error, "the next piece of a line waits for a place in the pool");
                }
            }
        }
        drop(state);
        self.work.wake.wake_by_ref();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::wait::drain;

    /// Gives 100 samples per byte; breaks at a word.
    struct Ruler {
        breaks_at: &'static str,
    }

    impl Render for Ruler {
        fn engine(&self) -> &str {
            "ruler"
        }
        fn render(&self, text: &str) -> Result<Vec<i16>, EngineError> {
            match text.contains(self.breaks_at) {
                true if self.breaks_at == "panic" => panic!("as asked"),
                true => Err(EngineError::Failed { engine: "ruler".into(), what: "broke".into() }),
                false => Ok(vec![text.len() as i16; text.len() * 100]),
            }
        }
    }

    fn start(breaks_at: &'static str, text: &str) -> Result<Line, EngineError> {
        let pool = Pool::start("test", 2)?;
        Line::start(Box::new(Ruler { breaks_at }), &pool, text, std::task::Waker::noop().clone())
    }

    #[test]
    fn gives_the_pieces_in_order_with_pauses_and_pads_the_end() {
        let mut line = start("never", "One two. Three four five.").unwrap();
        let (samples, end) = drain(&mut line, Duration::from_secs(5));
        assert!(matches!(end, Synthesis::Done));
        let expected = 800 + 3200 + 1600;
        assert_eq!(samples.len(), usize::next_multiple_of(expected, FRAME_SAMPLES));
        assert_eq!(line.total_samples(), Some(samples.len() as u64));
        assert!(samples[..800].iter().all(|&s| s == 8) && samples[800..4000].iter().all(|&s| s == 0));
        assert!(samples[4000..5600].iter().all(|&s| s == 16) && samples[5600..].iter().all(|&s| s == 0));
        assert_eq!(line.spoken(), 25);
    }

    #[test]
    fn says_where_it_broke() {
        for word in ["three", "panic"] {
            let mut line = start(word, &format!("One two. And {word} four. Five.")).unwrap();
            let (samples, end) = drain(&mut line, Duration::from_secs(5));
            assert!(matches!(end, Synthesis::Failed(EngineError::Failed { .. })), "{end:?}");
            assert_eq!((line.spoken(), line.total_samples()), (9, None));
            assert_eq!(samples.len(), usize::next_multiple_of(4000, FRAME_SAMPLES));
        }
    }

    #[test]
    fn makes_only_some_seconds_ahead() {
        let text = "Twelve bytes. ".repeat(120);
        let mut line = start("never", &text).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let made = line.work.lock().made;
        assert!((AHEAD_SAMPLES..AHEAD_SAMPLES + 8000).contains(&made), "{made}");
        let (samples, end) = drain(&mut line, Duration::from_secs(5));
        assert!(matches!(end, Synthesis::Done));
        assert!(samples.len() as u64 > 4 * AHEAD_SAMPLES);
    }

    #[test]
    fn refuses_a_line_without_end_and_says_nothing_of_nothing() {
        assert!(matches!(start("never", &"a ".repeat(4000)), Err(EngineError::Failed { .. })));
        let (samples, end) = drain(&mut start("never", " ... ").unwrap(), Duration::from_secs(1));
        assert!(samples.is_empty() && matches!(end, Synthesis::Done));
    }
}
