//! ONNX models with the interface of smart-turn v3: `input_features` [1, 80, 800] in, one probability out.

use super::mel::{BANDS, FRAMES, Mel, SAMPLES};
use crate::audio::{AudioFrame, MediaTime};
use crate::engine::onnx;
use crate::speech::{EngineError, TurnCue, TurnDetection, TurnDetector, Wake};
use ort::session::Session;
use ort::value::TensorRef;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Questions that may wait, of all calls. One more gets no answer: by then the model is behind by seconds.
const QUEUE: usize = 64;

/// Settings of `smart-turn`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmartTurnConfig {
    /// The model's file. It has no default: the user brings it.
    pub model: PathBuf,
    /// An answer that comes later than this after its question is dropped, in ms.
    pub deadline_ms: u64,
    /// Threads that compute one answer.
    pub threads: usize,
}

impl Default for SmartTurnConfig {
    fn default() -> Self {
        Self { model: PathBuf::new(), deadline_ms: 60, threads: 1 }
    }
}

/// The `smart-turn` turn detector: one session and one thread for all calls.
pub struct SmartTurn {
    questions: SyncSender<Question>,
    deadline: Duration,
}

/// What a call's detector and the worker share.
#[derive(Default)]
struct Desk {
    /// Number of the latest question; answers to others are dropped.
    latest: AtomicU64,
    answer: Mutex<Option<(u64, Result<f32, EngineError>)>>,
}

struct Question {
    desk: Arc<Desk>,
    number: u64,
    samples: Vec<i16>,
    due: Instant,
    wake: Wake,
}

impl SmartTurn {
    /// Name in the configuration.
    pub const NAME: &'static str = "smart-turn";

    /// Opens the model. `library` is `engine.onnxruntime`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`]: no model is named or it has another interface; no library; no thread.
    pub fn open(config: &SmartTurnConfig, library: Option<&Path>) -> Result<Self, EngineError> {
        let unavailable = |what: String| EngineError::Unavailable { engine: Self::NAME.to_owned(), what };
        if config.model.as_os_str().is_empty() {
            let what = "engine.smart_turn.model names no file; name a smart-turn v3 model, or leave engine.turn empty";
            return Err(unavailable(what.to_owned()));
        }
        let session = onnx::session(Self::NAME, library, onnx::Model::File(&config.model), config.threads)?;
        let mut worker = Worker { session, mel: Mel::default(), input: String::new() };
        worker.input = worker.session.inputs().first().map(|input| input.name().to_owned()).unwrap_or_default();
        // A model of another kind is found out now and not in the first pause of a call.
        worker.complete(&[]).map_err(|why| {
            let path = config.model.display();
            unavailable(format!("{path} is no smart-turn v3 model ([1, {BANDS}, {FRAMES}] in, one number out): {why}"))
        })?;
        let (questions, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new().name(Self::NAME.to_owned()).spawn(move || worker.work(&receiver)).map_err(|e| {
            unavailable(format!("cannot start its thread: {e}; raise the limit on threads (ulimit -u)"))
        })?;
        Ok(Self { questions, deadline: Duration::from_millis(config.deadline_ms) })
    }
}

impl TurnDetection for SmartTurn {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn open(&self, wake: Wake) -> Result<Box<dyn TurnDetector>, EngineError> {
        Ok(Box::new(Ear {
            questions: self.questions.clone(),
            deadline: self.deadline,
            wake,
            desk: Arc::default(),
            heard: VecDeque::new(),
            end: MediaTime::ZERO,
            asked: None,
        }))
    }
}

/// One call.
struct Ear {
    questions: SyncSender<Question>,
    deadline: Duration,
    wake: Wake,
    desk: Arc<Desk>,
    /// The last eight seconds.
    heard: VecDeque<i16>,
    /// Just after the last sample heard.
    end: MediaTime,
    /// The question that is open: its number, what it covers, until when the answer counts.
    asked: Option<(u64, MediaTime, Instant)>,
}

impl TurnDetector for Ear {
    fn push(&mut self, frame: &AudioFrame) {
        let over = (self.heard.len() + frame.samples.len()).saturating_sub(SAMPLES);
        self.heard.drain(..over.min(self.heard.len()));
        self.heard.extend(frame.samples);
        self.end = frame.end();
    }

    fn ask(&mut self, _last: MediaTime) {
        let number = self.desk.latest.fetch_add(1, Ordering::AcqRel) + 1;
        let (front, back) = self.heard.as_slices();
        let due = Instant::now() + self.deadline;
        let question = Question {
            desk: Arc::clone(&self.desk),
            number,
            samples: [front, back].concat(),
            due,
            wake: self.wake.clone(),
        };
        let sent = self.questions.try_send(question);
        self.asked = match sent {
            Ok(()) => Some((number, self.end, due)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        };
    }

    fn poll(&mut self) -> Option<Result<TurnCue, EngineError>> {
        let (number, covers, due) = self.asked?;
        let answer = self.desk.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((of, answer)) = answer.filter(|(of, _)| *of == number) else {
            if Instant::now() > due {
                self.asked = None;
            }
            return None;
        };
        debug_assert_eq!(of, number);
        self.asked = None;
        match answer {
            Ok(_) if Instant::now() > due => None,
            Ok(complete) => Some(Ok(TurnCue { covers, complete })),
            Err(error) => Some(Err(error)),
        }
    }
}

struct Worker {
    session: Session,
    mel: Mel,
    input: String,
}

impl Worker {
    fn work(mut self, questions: &Receiver<Question>) {
        while let Ok(question) = questions.recv() {
            // Superseded or too late: nobody waits for it any more.
            if question.desk.latest.load(Ordering::Acquire) != question.number || Instant::now() >= question.due {
                continue;
            }
            let answer = self
                .complete(&question.samples)
                .map_err(|what| EngineError::Failed { engine: SmartTurn::NAME.to_owned(), what });
            *question.desk.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((question.number, answer));
            question.wake.wake_by_ref();
        }
    }

    /// How likely the turn is complete that these samples end with.
    fn complete(&mut self, samples: &[i16]) -> Result<f32, String> {
        let features = self.mel.compute(samples);
        let failed = |e: ort::Error| e.to_string();
        let tensor = TensorRef::from_array_view(([1_usize, BANDS, FRAMES], features.as_slice())).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => tensor]).map_err(failed)?;
        let (_, output) = outputs.iter().next().ok_or("it has no output")?;
        let (_, numbers) = output.try_extract_tensor::<f32>().map_err(failed)?;
        match numbers {
            [one] if one.is_finite() => Ok(one.clamp(0.0, 1.0)),
            [one] => Err(format!("it answered {one}")),
            many => Err(format!("it answered {} numbers", many.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FrameOrigin;

    fn config(deadline_ms: u64) -> SmartTurnConfig {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("audio-models/tiny/smart_turn.onnx");
        SmartTurnConfig { model, deadline_ms, threads: 1 }
    }

    /// None where the library is missing: then the test says so and passes.
    fn engine(deadline_ms: u64) -> Option<SmartTurn> {
        match onnx::available(None) {
            Ok(_) => Some(SmartTurn::open(&config(deadline_ms), None).unwrap()),
            Err(what) => {
                crate::engine::skip(what);
                None
            }
        }
    }

    fn hear(ear: &mut dyn TurnDetector, samples: &[i16]) -> MediaTime {
        let mut end = MediaTime::ZERO;
        for (samples, n) in samples.as_chunks::<320>().0.iter().zip(0..) {
            let frame = AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples: *samples };
            ear.push(&frame);
            end = frame.end();
        }
        end
    }

    fn answer(ear: &mut dyn TurnDetector) -> Option<Result<TurnCue, EngineError>> {
        (0..400).find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            ear.poll()
        })
    }

    #[test]
    fn the_answer_is_the_models() {
        let Some(engine) = engine(60_000) else { return };
        let mut ear = engine.open(Wake::noop().clone()).unwrap();
        let signal = super::super::mel::tests::signal();
        let end = hear(&mut *ear, &signal);
        ear.ask(end);
        let cue = answer(&mut *ear).unwrap().unwrap();
        let want = include_str!("golden.txt").lines().find_map(|line| line.strip_prefix("complete ")).unwrap();
        assert_eq!(cue.covers, end);
        assert!((cue.complete - want.parse::<f32>().unwrap()).abs() < 2e-3, "{} instead of {want}", cue.complete);
        assert!(ear.poll().is_none(), "once");
    }

    #[test]
    fn late_and_superseded_answers_are_dropped() {
        let Some(engine) = engine(0) else { return };
        let mut ear = engine.open(Wake::noop().clone()).unwrap();
        ear.ask(MediaTime::ZERO);
        std::thread::sleep(Duration::from_millis(300));
        assert!(ear.poll().is_none(), "due at once: it cannot be in time");

        let engine = SmartTurn::open(&config(60_000), None).unwrap();
        let mut ear = engine.open(Wake::noop().clone()).unwrap();
        ear.ask(MediaTime::ZERO);
        let end = hear(&mut *ear, &[500; 3200]);
        ear.ask(end);
        assert_eq!(answer(&mut *ear).unwrap().unwrap().covers, end, "the second question's");
    }

    #[test]
    fn models_that_are_none_are_refused_with_what_to_write() {
        let refused = |config: &SmartTurnConfig| SmartTurn::open(config, None).err().unwrap().to_string();
        assert!(refused(&SmartTurnConfig::default()).contains("engine.smart_turn.model"));
        if onnx::available(None).is_err() {
            return;
        }
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("audio-models/silero-vad/silero_vad.onnx");
        let error = refused(&SmartTurnConfig { model, ..config(60) });
        assert!(error.contains("silero_vad.onnx is no smart-turn v3 model"), "{error}");
    }
}
