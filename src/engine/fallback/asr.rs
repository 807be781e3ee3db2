//! Speech recognition: a stream that dies is replaced, and the next engine hears the utterance again. Between two utterances
//! the better engine is tried again, after a while.

use super::Links;
use crate::audio::{AudioFrame, MediaTime};
use crate::id::CallId;
use crate::speech::{
    EngineError, EngineKind, Expectation, Hypothesis, HypothesisKind, Language, Recognizer, RecognizerStream, Wake,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Frames of an utterance that are kept to be heard again: 10 s. The oldest go first.
const REPLAY_FRAMES: usize = 500;
/// A call whose recogniser died tries a better one again after this time, and after twice as long each time it dies again: a
/// trial that fails costs the caller a second.
const RETURN: Duration = Duration::from_secs(10);
/// Where there is no other to go on with, a recogniser that died is begun anew, until it has died so often without an answer between:
/// one late answer does not make a call deaf.
const LIVES: u32 = 2;

/// Recognisers in the order in which they are tried.
pub struct RecognizerChain(Arc<Links<dyn Recognizer>>);

impl RecognizerChain {
    /// First choice first.
    pub fn new(engines: Vec<Arc<dyn Recognizer>>) -> Self {
        Self::missing(engines, &[])
    }

    /// As [`Self::new`], with what is to be said of engines that were configured and are missing when none is left.
    pub fn missing(engines: Vec<Arc<dyn Recognizer>>, missing: &[String]) -> Self {
        Self(Links::new(EngineKind::Asr, engines, missing, |engine| engine.name()))
    }
}

impl Recognizer for RecognizerChain {
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Prepares every engine; the words are those of the first that could.
    fn prepare(&self, what: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
        let mut outcome: Option<Result<Vec<String>, EngineError>> = None;
        for link in &self.0.links {
            let prepared = link.engine.prepare(what);
            if !matches!(outcome, Some(Ok(_))) {
                outcome = Some(prepared);
            }
        }
        outcome.unwrap_or_else(|| Ok(Vec::new()))
    }

    fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
        Ok(Box::new(Serving::open(&self.0, language, wake, RETURN)?))
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn Recognizer>> {
        let links = self.0.for_call(|engine| engine.for_call(call))?;
        Some(Arc::new(Self(links)))
    }
}

struct Serving {
    links: Arc<Links<dyn Recognizer>>,
    index: usize,
    stream: Box<dyn RecognizerStream>,
    language: Language,
    wake: Wake,
    expectation: Option<Arc<Expectation>>,
    /// The utterance so far.
    heard: VecDeque<AudioFrame>,
    /// A final answer was asked for and has not come.
    flushing: bool,
    /// The engine at work has given a hypothesis.
    served: bool,
    /// Deaths since the last hypothesis of any engine.
    deaths: u32,
    /// How long a better engine is left alone when it dies again, and until when it is.
    patience: Duration,
    back_at: Option<Instant>,
    dead: Option<EngineError>,
    /// The end of what nobody understood, to be told.
    lost: Option<MediaTime>,
}

impl Serving {
    fn open(
        links: &Arc<Links<dyn Recognizer>>,
        language: &Language,
        wake: Wake,
        patience: Duration,
    ) -> Result<Self, EngineError> {
        let (index, stream) = links.open(0, |engine| engine.open(language, wake.clone()))?;
        Ok(Self {
            links: Arc::clone(links),
            index,
            stream,
            language: language.clone(),
            wake,
            expectation: None,
            heard: VecDeque::new(),
            flushing: false,
            served: false,
            deaths: 0,
            patience,
            // The better ones may be busy, or left alone for some seconds only.
            back_at: (index > 0).then(|| Instant::now() + patience),
            dead: None,
            lost: None,
        })
    }

    /// Goes back to a better engine, if one can be opened and was left alone for long enough.
    fn come_back(&mut self) {
        if self.index == 0 || self.dead.is_some() || self.back_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.back_at = Some(Instant::now() + self.patience);
        let better = self.links.open_among(0..self.index, |engine| engine.open(&self.language, self.wake.clone()));
        let Ok((index, stream)) = better else { return };
        tracing::info!(engine = self.links.name_of(index), "a better recogniser is tried again");
        (self.index, self.stream, self.served) = (index, stream, false);
        if let Some(what) = &self.expectation {
            self.stream.expect(what);
        }
    }

    /// Replaces the stream by one of the next engine that opens, and lets that hear the utterance; else by one of the engines before it
    /// or a new one of its own.
    fn go_on(&mut self, error: EngineError) {
        self.links.report(self.index, Some(&error));
        tracing::warn!(engine = self.links.name_of(self.index), %error, "a recogniser died; the next one goes on");
        self.deaths += 1;
        let (language, wake) = (self.language.clone(), self.wake.clone());
        let open = move |engine: &(dyn Recognizer + 'static)| engine.open(&language, wake.clone());
        let mut opened = self.links.open(self.index + 1, &open).ok();
        let mut again = true;
        if opened.is_none() && self.deaths < LIVES {
            // Whoever waited for an answer until now waits no longer: nothing was understood, and the next utterance is heard.
            again = !self.flushing;
            self.lost = self.heard.back().filter(|_| !again).map(AudioFrame::end);
            // The breakers are for those who have a choice.
            let before = self.links.open_among(0..self.index, &open).ok();
            opened = before.or_else(|| Some((self.index, open(&*self.links.links.get(self.index)?.engine).ok()?)));
        }
        let Some((index, stream)) = opened else {
            self.heard = VecDeque::new();
            self.dead = Some(error);
            return;
        };
        (self.index, self.stream, self.served) = (index, stream, false);
        self.back_at = Some(Instant::now() + self.patience);
        self.patience *= 2;
        if let Some(what) = &self.expectation {
            self.stream.expect(what);
        }
        if !again {
            self.heard.clear();
            self.flushing = false;
        }
        self.heard.iter().for_each(|frame| self.stream.push(frame));
        if self.flushing {
            self.stream.flush();
        }
    }
}

impl RecognizerStream for Serving {
    fn expect(&mut self, what: &Arc<Expectation>) {
        self.expectation = Some(Arc::clone(what));
        self.stream.expect(what);
    }

    fn push(&mut self, frame: &AudioFrame) {
        if self.dead.is_some() {
            return;
        }
        if self.heard.len() >= REPLAY_FRAMES {
            self.heard.pop_front();
        }
        self.heard.push_back(*frame);
        self.stream.push(frame);
    }

    fn flush(&mut self) {
        self.flushing = true;
        self.stream.flush();
    }

    fn finish(&mut self) {
        self.heard.clear();
        self.flushing = false;
        self.stream.finish();
        self.come_back();
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        loop {
            if let Some(covers) = self.lost.take() {
                let (kind, text) = (HypothesisKind::Final, String::new());
                return Some(Ok(Hypothesis { kind, text, confidence: 0.0, covers, degraded: true }));
            }
            if let Some(error) = &self.dead {
                return Some(Err(error.clone()));
            }
            match self.stream.poll()? {
                Ok(hypothesis) => {
                    let last = hypothesis.kind == HypothesisKind::Final;
                    if !std::mem::replace(&mut self.served, true) || last {
                        self.links.report(self.index, None);
                    }
                    self.deaths = 0;
                    self.flushing &= !last;
                    return Some(Ok(hypothesis));
                }
                Err(error) => self.go_on(error),
            }
        }
    }

    fn engine(&self) -> Option<&str> {
        Some(self.stream.engine().unwrap_or(self.links.name_of(self.index)))
    }

    fn is_remote(&self) -> bool {
        self.stream.is_remote()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers a flush with what happened to it; dies with the frame of that number.
    struct Engine {
        name: &'static str,
        dies_at: usize,
    }

    struct Stream {
        name: &'static str,
        dies_at: usize,
        frames: usize,
        phrases: usize,
        flushed: bool,
    }

    impl Recognizer for Engine {
        fn name(&self) -> &str {
            self.name
        }
        fn prepare(&self, _: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
            match self.dies_at {
                0 => Err(EngineError::Unavailable { engine: self.name.into(), what: "gone".into() }),
                _ => Ok(vec![self.name.into()]),
            }
        }
        fn open(&self, _: &Language, _: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
            self.prepare(&Arc::default())?;
            let (name, dies_at) = (self.name, self.dies_at);
            Ok(Box::new(Stream { name, dies_at, frames: 0, phrases: 0, flushed: false }))
        }
    }

    impl RecognizerStream for Stream {
        fn expect(&mut self, what: &Arc<Expectation>) {
            self.phrases = what.phrases.len();
        }
        fn push(&mut self, _: &AudioFrame) {
            self.frames += 1;
        }
        fn flush(&mut self) {
            self.flushed = true;
        }
        fn finish(&mut self) {
            self.frames = 0;
        }
        fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
            if self.frames >= self.dies_at {
                return Some(Err(EngineError::Failed { engine: self.name.into(), what: "died".into() }));
            }
            std::mem::take(&mut self.flushed).then(|| {
                Ok(Hypothesis {
                    kind: HypothesisKind::Final,
                    text: format!("{} frames, {} phrases", self.frames, self.phrases),
                    confidence: 1.0,
                    covers: MediaTime::ZERO,
                    degraded: false,
                })
            })
        }
    }

    fn open(engines: &[(&'static str, usize)]) -> Result<Box<dyn RecognizerStream>, EngineError> {
        chain(engines).open(&Language::default(), std::task::Waker::noop().clone())
    }

    fn chain(engines: &[(&'static str, usize)]) -> RecognizerChain {
        let engine = |&(name, dies_at)| Arc::new(Engine { name, dies_at }) as Arc<dyn Recognizer>;
        RecognizerChain::new(engines.iter().map(engine).collect())
    }

    fn push(stream: &mut dyn RecognizerStream, frames: usize) {
        (0..frames).for_each(|_| stream.push(&AudioFrame::silence(MediaTime::ZERO)));
    }

    fn answer(stream: &mut dyn RecognizerStream) -> String {
        stream.poll().unwrap().unwrap().text
    }

    #[test]
    fn the_next_engine_hears_the_utterance_again_and_answers_the_flush() {
        let mut stream = open(&[("a", 5), ("b", usize::MAX)]).unwrap();
        stream.expect(&Arc::new(Expectation { phrases: vec!["yes".into(), "no".into()], ..Expectation::default() }));
        push(&mut *stream, 3);
        stream.flush();
        assert_eq!((answer(&mut *stream).as_str(), stream.engine()), ("3 frames, 2 phrases", Some("a")));
        stream.finish();
        push(&mut *stream, 7);
        stream.flush();
        assert_eq!((answer(&mut *stream).as_str(), stream.engine()), ("7 frames, 2 phrases", Some("b")));
        assert!(stream.poll().is_none(), "the flush is answered once");
    }

    #[test]
    fn a_better_engine_is_tried_again_between_utterances() {
        let engines: Vec<Arc<dyn Recognizer>> =
            vec![Arc::new(Engine { name: "a", dies_at: 5 }), Arc::new(Engine { name: "b", dies_at: usize::MAX })];
        let links = Links::new(EngineKind::Asr, engines, &[], |engine| engine.name());
        let mut serving = Serving::open(&links, &Language::default(), Wake::noop().clone(), Duration::ZERO).unwrap();
        push(&mut serving, 7);
        serving.flush();
        assert_eq!((answer(&mut serving).as_str(), serving.engine()), ("7 frames, 0 phrases", Some("b")));
        serving.patience = Duration::from_secs(60);
        serving.finish();
        assert_eq!(serving.engine(), Some("a"), "the time of the first fall has passed");
        push(&mut serving, 7);
        serving.flush();
        assert_eq!((answer(&mut serving).as_str(), serving.engine()), ("7 frames, 0 phrases", Some("b")));
        serving.finish();
        assert_eq!(serving.engine(), Some("b"), "it is left alone for longer now");
    }

    /// Is busy until it is told otherwise.
    struct Busy(std::sync::atomic::AtomicBool);

    impl Recognizer for Arc<Busy> {
        fn name(&self) -> &str {
            "busy"
        }
        fn prepare(&self, _: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
            Ok(Vec::new())
        }
        fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
            match self.0.load(std::sync::atomic::Ordering::Relaxed) {
                true => Err(EngineError::Overloaded { engine: "busy".into() }),
                false => Engine { name: "free", dies_at: usize::MAX }.open(language, wake),
            }
        }
    }

    #[test]
    fn a_call_that_began_on_the_second_engine_comes_back_to_the_first() {
        let first = Arc::new(Busy(true.into()));
        let second = Engine { name: "b", dies_at: usize::MAX };
        let engines: Vec<Arc<dyn Recognizer>> = vec![Arc::new(Arc::clone(&first)), Arc::new(second)];
        let links = Links::new(EngineKind::Asr, engines, &[], |engine| engine.name());
        let open = |patience| Serving::open(&links, &Language::default(), Wake::noop().clone(), patience).unwrap();
        let (mut soon, mut late) = (open(Duration::ZERO), open(RETURN));
        soon.finish();
        assert_eq!(soon.engine(), Some("b"), "the first is still busy");
        first.0.store(false, std::sync::atomic::Ordering::Relaxed);
        soon.finish();
        late.finish();
        assert_eq!((soon.engine(), late.engine()), (Some("busy"), Some("b")), "after a while, between two utterances");
    }

    #[test]
    fn a_long_utterance_is_kept_as_far_as_the_bound() {
        let mut stream = open(&[("a", 3000), ("b", usize::MAX)]).unwrap();
        push(&mut *stream, 3000);
        stream.flush();
        assert_eq!(answer(&mut *stream), format!("{REPLAY_FRAMES} frames, 0 phrases"));
    }

    #[test]
    fn when_all_are_dead_the_error_stays() {
        let mut stream = open(&[("a", 1), ("b", 1)]).unwrap();
        push(&mut *stream, 2);
        for _ in 0..2 {
            assert!(matches!(stream.poll(), Some(Err(EngineError::Failed { .. }))));
            push(&mut *stream, 1);
        }
        assert!(matches!(open(&[("a", 0)]), Err(EngineError::Unavailable { .. })));
    }

    /// Dies with the first frame of its first streams, and then no more.
    struct Ill(std::sync::atomic::AtomicUsize);

    impl Recognizer for Ill {
        fn name(&self) -> &str {
            "ill"
        }
        fn prepare(&self, _: &Arc<Expectation>) -> Result<Vec<String>, EngineError> {
            Ok(Vec::new())
        }
        fn open(&self, language: &Language, wake: Wake) -> Result<Box<dyn RecognizerStream>, EngineError> {
            let left = self.0.load(std::sync::atomic::Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), std::sync::atomic::Ordering::Relaxed);
            Engine { name: "ill", dies_at: if left > 0 { 1 } else { usize::MAX } }.open(language, wake)
        }
    }

    #[test]
    fn the_only_recogniser_is_begun_anew_and_hears_the_utterance_again() {
        let open = |deaths: usize| {
            let chain = RecognizerChain::new(vec![Arc::new(Ill(deaths.into()))]);
            chain.open(&Language::default(), Wake::noop().clone()).unwrap()
        };
        let mut stream = open(1);
        push(&mut *stream, 4);
        assert!(stream.poll().is_none());
        stream.flush();
        assert_eq!(answer(&mut *stream), "4 frames, 0 phrases");
        let mut stream = open(1);
        push(&mut *stream, 4);
        stream.flush();
        assert_eq!(answer(&mut *stream), "", "its answer would come too late");
        assert!(stream.poll().is_none());
        stream.finish();
        push(&mut *stream, 3);
        stream.flush();
        assert_eq!(answer(&mut *stream), "3 frames, 0 phrases");
        let mut stream = open(2);
        push(&mut *stream, 4);
        assert!(stream.poll().unwrap().is_err(), "but not for ever");
    }

    #[test]
    fn every_engine_is_prepared_and_the_first_that_could_answers() {
        assert_eq!(chain(&[("a", 0), ("b", 9), ("c", 9)]).prepare(&Arc::default()).unwrap(), ["b"]);
        assert!(chain(&[("a", 0)]).prepare(&Arc::default()).is_err());
    }
}
