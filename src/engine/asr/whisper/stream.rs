//! One call's stream: frames in, hypotheses out, the decoding on Whisper's own pool between them.
//!
//! A decode is one slice of the pool's work. Answers are due when they are asked for, partial decodes long after, so that no
//! answer waits for somebody's partial one that has not begun. A partial one that is running is stopped by a flush of its own
//! call, and by the end of it.

use super::ffi::{Ended, Job};
use super::guard::{Judged, judge};
use super::utterance::{STRETCH, Utterance};
use super::{Engine, NAME, failed, lock, overloaded};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime, SAMPLE_RATE_HZ};
use crate::engine::asr::level::SpeechLevel;
use crate::engine::batch::{Next, Pool, Slices, StreamHandle};
use crate::speech::{EngineError, Expectation, Hypothesis, HypothesisKind, RecognizerStream, Wake};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RATE: usize = SAMPLE_RATE_HZ as usize;
/// Silence left after the last speech.
const TAIL: usize = RATE / 4;
/// Whisper hears nothing in less than 100 ms and guesses in less than a second: shorter audio is padded with silence.
const LEAST: usize = RATE;
/// Speech that a partial decode needs at least.
const FIRST_PARTIAL: usize = RATE * 2 / 5;
/// Partial decodes are due this long after any answer.
const BEHIND: Duration = Duration::from_secs(60);
/// Ended utterances whose answer is still owed.
const MAX_OWED: usize = 4;
/// Hypotheses that may wait to be polled.
const MAX_OUT: usize = 16;
/// Text of earlier stretches that is kept, in bytes.
const MAX_EARLIER: usize = 4096;
/// The encoder's window has one step for each 20 ms.
const STEP: usize = FRAME_SAMPLES;

/// The call's end of the stream.
pub(super) struct Stream {
    call: Arc<Call>,
    handle: StreamHandle,
}

struct Call {
    engine: Arc<Engine>,
    state: Mutex<State>,
    /// The decode that runs is to stop.
    abort: AtomicBool,
}

struct State {
    level: SpeechLevel,
    expected: Arc<Expectation>,
    /// The utterance that frames go to.
    now: Utterance,
    /// Utterances that are over and whose answer is owed.
    owed: VecDeque<Utterance>,
    /// What is being decoded, if anything.
    running: Option<Running>,
    out: VecDeque<Result<Hypothesis, EngineError>>,
    dead: bool,
}

#[derive(Clone, Copy, PartialEq)]
struct Running {
    utterance: u64,
    answers: bool,
    speech_end: usize,
    covers: MediaTime,
    /// Some silence follows the speech, so that the result is good for an answer.
    whole: bool,
}

impl Stream {
    pub fn open(engine: Arc<Engine>, pool: &Pool, language: &'static str, wake: Wake) -> Result<Self, EngineError> {
        let call = Arc::new(Call {
            engine,
            state: Mutex::new(State {
                level: SpeechLevel::default(),
                expected: Arc::default(),
                now: Utterance::default(),
                owed: VecDeque::new(),
                running: None,
                out: VecDeque::new(),
                dead: false,
            }),
            abort: AtomicBool::new(false),
        });
        let worker = Worker { call: Arc::clone(&call), language, wake, prompt: None };
        let handle = pool.register(Box::new(worker)).map_err(|error| match error {
            EngineError::Overloaded { .. } => overloaded(),
            other => other,
        })?;
        call.engine.admission().enter();
        Ok(Self { call, handle })
    }
}

impl RecognizerStream for Stream {
    fn expect(&mut self, what: &Arc<Expectation>) {
        lock(&self.call.state).expected = Arc::clone(what);
    }

    fn push(&mut self, frame: &AudioFrame) {
        let mut state = lock(&self.call.state);
        if state.dead {
            return;
        }
        let speech = state.level.push(&frame.samples);
        let step = usize::try_from(self.call.engine.config.partial_ms).unwrap_or(0) * RATE / 1000;
        let running = state.running.is_some();
        let utterance = &mut state.now;
        utterance.push(frame, speech);
        let new = utterance.audio.len().saturating_sub(utterance.decoded);
        let full = utterance.audio.len() >= STRETCH;
        let due = step > 0 && new >= step && speech && utterance.speech >= FIRST_PARTIAL;
        if due && running {
            // The one before is not done: this one is left out, the next comes with the next step of audio.
            utterance.decoded = utterance.audio.len();
            self.call.engine.counts.skipped.fetch_add(1, Ordering::Relaxed);
        }
        drop(state);
        if full || (due && !running) {
            self.handle.wake(Instant::now() + if full { Duration::ZERO } else { BEHIND });
        }
    }

    fn flush(&mut self) {
        let now = Instant::now();
        let mut state = lock(&self.call.state);
        if state.dead {
            return;
        }
        if let Some(running) = state.running
            && running.utterance == state.now.number
            && !(running.answers && running.speech_end == state.now.speech_end)
        {
            self.call.abort.store(true, Ordering::Relaxed);
        }
        if state.now.flushed.is_none() {
            if !self.call.engine.admission().ask(now) {
                self.call.engine.counts.refused.fetch_add(1, Ordering::Relaxed);
                state.die(overloaded());
                return;
            }
            state.now.flushed = Some(now);
        }
        drop(state);
        self.handle.wake(now);
    }

    fn finish(&mut self) {
        let mut state = lock(&self.call.state);
        let next = Utterance { number: state.now.number + 1, covers: state.now.covers, ..Utterance::default() };
        let over = std::mem::replace(&mut state.now, next);
        if over.flushed.is_some() {
            state.owed.push_back(over);
            if state.owed.len() > MAX_OWED {
                state.owed.pop_front();
                self.call.engine.admission().give_up();
            }
        } else if state.running.is_some_and(|running| running.utterance == over.number) {
            self.call.abort.store(true, Ordering::Relaxed);
        }
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        lock(&self.call.state).out.pop_front()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = lock(&self.call.state);
        state.dead = true;
        self.call.abort.store(true, Ordering::Relaxed);
        let owed = state.owed.drain(..).count() + usize::from(state.now.flushed.take().is_some());
        drop(state);
        let mut admission = self.call.engine.admission();
        (0..owed).for_each(|_| admission.give_up());
        admission.leave();
    }
}

impl State {
    fn die(&mut self, error: EngineError) {
        self.dead = true;
        self.now = Utterance::default();
        self.out.push_back(Err(error));
    }
}

/// The pool's end of the stream.
struct Worker {
    call: Arc<Call>,
    language: &'static str,
    wake: Wake,
    /// The prompt's tokens, and for what.
    prompt: Option<(Arc<Expectation>, Vec<i32>)>,
}

/// What is to be done next.
enum Task {
    Nothing,
    /// The answer is known without decoding.
    Known(Judged),
    Decode(Decode),
}

struct Decode {
    what: Running,
    /// Where a stretch ends that is decoded for good because the utterance is longer than one decode hears.
    stretch: Option<usize>,
    audio: Vec<f32>,
    expected: Arc<Expectation>,
}

impl Slices for Worker {
    fn slice(&mut self) -> Next {
        match self.next() {
            Task::Nothing => return Next::Idle,
            Task::Known(answer) => self.answer(answer, None),
            Task::Decode(decode) => self.decode(decode),
        }
        let state = lock(&self.call.state);
        let owed = state.owed.front().and_then(|utterance| utterance.flushed).or(state.now.flushed);
        match owed {
            Some(since) if !state.dead => Next::Again(since),
            _ => Next::Idle,
        }
    }
}

impl Worker {
    fn next(&mut self) -> Task {
        let mut state = lock(&self.call.state);
        // What was to be stopped has stopped; what begins now is wanted.
        self.call.abort.store(state.dead, Ordering::Relaxed);
        if state.dead {
            return Task::Nothing;
        }
        let expected = Arc::clone(&state.expected);
        let State { now, owed, .. } = &mut *state;
        let utterance = owed.front_mut().unwrap_or(now);
        let answers = utterance.flushed.is_some();
        let stretch = utterance.stretch();
        if stretch.is_none() {
            if answers && utterance.speech == 0 {
                return Task::Known(Judged::nothing());
            }
            if let Some(answer) = utterance.answer.clone().filter(|_| answers) {
                return Task::Known(answer);
            }
            if !answers && (utterance.speech < FIRST_PARTIAL || utterance.answer.is_some()) {
                return Task::Nothing;
            }
        }
        let end = stretch.unwrap_or((utterance.speech_end + TAIL).min(utterance.audio.len()));
        let mut audio = utterance.audio.get(..end).unwrap_or_default().to_vec();
        audio.resize(audio.len().max(LEAST), 0.0);
        utterance.decoded = utterance.audio.len();
        let what = Running {
            utterance: utterance.number,
            answers,
            speech_end: utterance.speech_end,
            covers: utterance.covers,
            whole: stretch.is_none() && end >= utterance.speech_end + TAIL / 2,
        };
        state.running = Some(what);
        Task::Decode(Decode { what, stretch, audio, expected })
    }

    fn decode(&mut self, decode: Decode) {
        let Decode { what, stretch, audio, expected } = decode;
        let call = Arc::clone(&self.call);
        let engine = &call.engine;
        let began = Instant::now();
        let max_tokens = 8 * audio.len().div_ceil(RATE) + 8;
        let window = (audio.len().div_ceil(STEP) + engine.config.context_margin).next_multiple_of(8);
        let job = Job {
            audio: &audio,
            language: self.language,
            prompt: self.prompt(engine, &expected),
            window,
            max_tokens,
            threads: engine.threads,
        };
        let ended = match engine.decoder() {
            Ok(mut decoder) => {
                let ended = decoder.decode(&engine.model, &job, &call.abort);
                engine.give_back(decoder);
                ended
            }
            Err(what) => Ended::Failed(what),
        };
        let now = Instant::now();
        engine.admission().decoded(now, now - began);
        let judged = match ended {
            Ended::Done(decoded) => {
                let judged = judge(&decoded, max_tokens);
                let made_up = judged.text.is_empty() && decoded.tokens > 0;
                engine.counts.made_up.fetch_add(u64::from(made_up), Ordering::Relaxed);
                tracing::trace!(doubt = ?judged.doubt, took = ?(now - began), answers = what.answers, "decoded");
                judged
            }
            Ended::Aborted => {
                engine.counts.aborted.fetch_add(1, Ordering::Relaxed);
                lock(&call.state).running = None;
                return;
            }
            Ended::Failed(what) => {
                let mut state = lock(&call.state);
                state.running = None;
                if !state.dead {
                    let waiting = state.owed.drain(..).count() + usize::from(state.now.flushed.is_some());
                    state.die(failed(what));
                    drop(state);
                    let mut admission = engine.admission();
                    (0..waiting).for_each(|_| admission.give_up());
                }
                self.wake.wake_by_ref();
                return;
            }
        };
        self.done(what, stretch, judged);
    }

    /// The prompt for what is expected: its phrases, as somebody might have said them before.
    fn prompt(&mut self, engine: &Engine, expected: &Arc<Expectation>) -> &[i32] {
        if !engine.config.prompt {
            return &[];
        }
        let known = self.prompt.as_ref().is_some_and(|(what, _)| Arc::ptr_eq(what, expected));
        if !known {
            let text = expected.phrases.join(", ");
            let tokens = if text.is_empty() { Vec::new() } else { engine.model.prompt(&format!(" {text}.")) };
            self.prompt = Some((Arc::clone(expected), tokens));
        }
        self.prompt.as_ref().map_or(&[], |(_, tokens)| tokens)
    }

    /// Takes the result of a decode that came to its end.
    fn done(&mut self, what: Running, stretch: Option<usize>, judged: Judged) {
        let mut state = lock(&self.call.state);
        state.running = None;
        let State { now, owed, .. } = &mut *state;
        let utterance = match owed.iter_mut().find(|utterance| utterance.number == what.utterance) {
            Some(utterance) => utterance,
            None if now.number == what.utterance => now,
            None => return,
        };
        if let Some(end) = stretch {
            let end = end.min(utterance.audio.len());
            let text = utterance.agreement.keep(&judged.text);
            let all = utterance.with_earlier(&text);
            if all.len() < MAX_EARLIER {
                utterance.earlier = all;
            }
            utterance.audio.drain(..end);
            utterance.agreement.clear();
            let speaks = utterance.speech_end > end;
            utterance.speech_end = utterance.speech_end.saturating_sub(end);
            utterance.speech = if speaks { utterance.speech_end } else { 0 };
            utterance.decoded = 0;
            utterance.answer = None;
            return;
        }
        let unchanged = what.speech_end == utterance.speech_end;
        let kept = Judged { text: utterance.agreement.keep(&judged.text), ..judged.clone() };
        if unchanged && (what.whole || what.answers) {
            utterance.answer = Some(kept.clone());
        }
        if what.answers {
            drop(state);
            return self.answer(kept, Some(what.covers));
        }
        let counts = &self.call.engine.counts;
        counts.partials.fetch_add(1, Ordering::Relaxed);
        let more = utterance.agreement.push(&judged.text);
        let (settled, covers, degraded) = (utterance.agreement.settled(), what.covers, utterance.dropped);
        let settled = utterance.with_earlier(&settled);
        let text = utterance.with_earlier(&utterance.agreement.keep(&judged.text));
        let mut give = |kind, text: String| {
            let hypothesis = Hypothesis { kind, text, confidence: kept.confidence, covers, degraded };
            state.out.push_back(Ok(hypothesis));
            if state.out.len() > MAX_OUT {
                state.out.pop_front();
            }
        };
        if more {
            give(HypothesisKind::Stable, settled);
        }
        if !text.is_empty() {
            give(HypothesisKind::Partial, text);
        }
        drop(state);
        self.wake.wake_by_ref();
    }

    /// Gives the answer that was asked for first; of everything, unless it says how far it goes.
    fn answer(&mut self, judged: Judged, covers: Option<MediaTime>) {
        let mut state = lock(&self.call.state);
        if state.dead {
            return;
        }
        let State { now, owed, .. } = &mut *state;
        let mut over = owed.pop_front();
        let utterance = over.as_mut().unwrap_or(now);
        let since = utterance.flushed.take();
        let hypothesis = Hypothesis {
            kind: HypothesisKind::Final,
            text: utterance.with_earlier(&judged.text),
            confidence: judged.confidence,
            covers: covers.unwrap_or(utterance.covers),
            degraded: utterance.dropped,
        };
        state.out.push_back(Ok(hypothesis));
        if state.out.len() > MAX_OUT {
            state.out.pop_front();
        }
        drop(state);
        self.call.engine.counts.finals.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        if let Some(since) = since {
            self.call.engine.admission().answer(now, now.saturating_duration_since(since));
        }
        tracing::trace!(engine = NAME, doubt = ?judged.doubt, "answered");
        self.wake.wake_by_ref();
    }
}
