//! Speech synthesis: a line goes on in the next engine from the sentence in which the first one broke.

use super::Links;
use crate::id::CallId;
use crate::speech::{EngineError, EngineKind, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Synthesisers in the order in which they are tried.
///
/// A line that breaks is given to the next engine from the end of the last sentence that was given in full
/// ([`SynthesisStream::spoken`]): a sentence that broke off in the middle is begun again, as a person would. A voice that an
/// engine does not have is replaced by that engine's own: a strange voice is better than none.
///
/// An engine that lets its listener wait for longer than the limit, for the first sound or after the last one that it gave was
/// heard, is left for the next one where there is one that takes the line: also one that would wait for something without end.
#[derive(Clone)]
pub struct SynthesizerChain {
    links: Arc<Links<dyn Synthesizer>>,
    in_vain: Arc<InVain>,
    /// None: whoever asks has time.
    limit: Option<Duration>,
}

/// The last line for which every engine was waited in vain: who says it once more shall not wait once more, but say something
/// else.
#[derive(Default)]
struct InVain(Mutex<Option<(String, Instant)>>);

/// Waiting for this long is waiting; engines that refuse at once may be asked at once.
const WAITED: Duration = Duration::from_millis(600);
/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(3);

/// A line that nobody looked at for so long was held back: nobody waited for it meanwhile.
const UNWATCHED: Duration = Duration::from_millis(500);

impl InVain {
    fn is(&self, text: &str) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|(line, at)| line == text && at.elapsed() < REMEMBERED)
    }

    fn note(&self, text: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((text.to_owned(), Instant::now()));
    }
}

impl SynthesizerChain {
    /// First choice first.
    pub fn new(engines: Vec<Arc<dyn Synthesizer>>) -> Self {
        Self::missing(engines, &[])
    }

    /// As [`Self::new`], with what is to be said of engines that were configured and are missing when none is left.
    pub fn missing(engines: Vec<Arc<dyn Synthesizer>>, missing: &[String]) -> Self {
        let links = Links::new(EngineKind::Tts, engines, missing, |engine| engine.name());
        Self { links, in_vain: Arc::default(), limit: None }
    }

    /// The same chain, with what is known of its engines' health, for listeners who wait for no longer than this.
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }
}

impl Synthesizer for SynthesizerChain {
    fn name(&self) -> &str {
        &self.links.name
    }

    fn speak(&self, what: &SpeechRequest, wake: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
        if self.in_vain.is(&what.text) {
            let what = "every voice was waited for in vain just now".to_owned();
            return Err(EngineError::Unavailable { engine: self.links.name.clone(), what });
        }
        let (index, stream, makeshift) = start(&self.links, 0, what, &wake)?;
        let links = Arc::clone(&self.links);
        let began = Instant::now();
        Ok(Box::new(Serving {
            in_vain: Arc::clone(&self.in_vain),
            began,
            limit: self.limit,
            heard: began,
            looked: began,
            links,
            index,
            stream,
            request: what.clone(),
            wake,
            offset: 0,
            frames: 0,
            before: 0,
            over: false,
            makeshift,
        }))
    }

    fn has_voice(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        let mut last = Ok(());
        for link in &self.links.links {
            last = link.engine.has_voice(what);
            // The first that takes the line speaks it, with another voice when it does not have this one.
            if !matches!(last, Err(EngineError::Language { .. } | EngineError::Declined { .. })) {
                break;
            }
        }
        last
    }

    fn prepare(&self, what: &SpeechRequest) -> Result<(), EngineError> {
        let mut last = Ok(());
        for link in &self.links.links {
            last = link.engine.prepare(what);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    fn for_call(&self, call: CallId) -> Option<Arc<dyn Synthesizer>> {
        let links = self.links.for_call(|engine| engine.for_call(call))?;
        Some(Arc::new(Self { links, ..self.clone() }))
    }
}

/// Starts a line at the first link from `from` on that takes it. True: one before it would have, but is down.
fn start(
    links: &Links<dyn Synthesizer>,
    from: usize,
    what: &SpeechRequest,
    wake: &Wake,
) -> Result<(usize, Box<dyn SynthesisStream>, bool), EngineError> {
    let mut declined = 0;
    let (index, stream) = links.open(from, |engine| match engine.speak(what, wake.clone()) {
        Err(error @ EngineError::Unavailable { .. }) if what.voice.is_some() => {
            let own = SpeechRequest { voice: None, ..what.clone() };
            let stream = engine.speak(&own, wake.clone())?;
            tracing::warn!(%error, "the voice is replaced by the engine's own");
            Ok(stream)
        }
        Err(error) => {
            declined += usize::from(matches!(error, EngineError::Declined { .. } | EngineError::Language { .. }));
            Err(error)
        }
        started => started,
    })?;
    Ok((index, stream, index - from > declined))
}

struct Serving {
    in_vain: Arc<InVain>,
    began: Instant,
    /// How long a listener waits for this engine; none from when there is no other that would take the line.
    limit: Option<Duration>,
    /// Until when the listener has something to hear: where the wait for this engine begins.
    heard: Instant,
    /// When this was last looked at.
    looked: Instant,
    links: Arc<Links<dyn Synthesizer>>,
    index: usize,
    stream: Box<dyn SynthesisStream>,
    request: SpeechRequest,
    wake: Wake,
    /// Bytes of the request's text that earlier engines have spoken.
    offset: usize,
    /// Frames given by this engine, and samples given by those before it.
    frames: u64,
    before: u64,
    over: bool,
    /// An engine that comes before this one should have spoken.
    makeshift: bool,
}

impl Serving {
    /// Has the rest of the line spoken by the next engine. The error is final.
    fn go_on(&mut self, error: EngineError) -> Result<(), EngineError> {
        self.links.report(self.index, Some(&error));
        self.leave(error)
    }

    /// Leaves an engine that lets the listener wait, if another one takes the line; else there is nothing better than to wait on.
    /// True when another one goes on.
    fn hurry(&mut self) -> bool {
        let Some(limit) = self.limit.filter(|limit| self.heard.elapsed() >= *limit) else { return false };
        let slow = self.index;
        let what = format!("gave no sound for {} ms (engine.tts_first_sound_ms)", limit.as_millis());
        let error = EngineError::Failed { engine: self.links.name_of(slow).to_owned(), what };
        let left = self.leave(error.clone()).is_ok();
        if left {
            self.links.report(slow, Some(&error));
        } else {
            self.limit = None;
        }
        left
    }

    fn leave(&mut self, error: EngineError) -> Result<(), EngineError> {
        let at = self.offset + self.stream.spoken();
        let rest = self.request.text.get(at..).unwrap_or_default();
        let request = SpeechRequest { text: rest.to_owned(), ..self.request.clone() };
        let Ok((index, stream, _)) = start(&self.links, self.index + 1, &request, &self.wake) else {
            return Err(error);
        };
        self.makeshift = true;
        tracing::warn!(engine = self.links.name_of(self.index), %error, "a line broke; the next engine goes on");
        self.before += self.frames * crate::audio::FRAME_SAMPLES as u64;
        (self.index, self.stream, self.offset, self.frames) = (index, stream, at, 0);
        // What the one before gave is heard meanwhile.
        self.heard = self.heard.max(Instant::now());
        Ok(())
    }
}

impl SynthesisStream for Serving {
    fn poll(&mut self) -> Synthesis {
        let now = Instant::now();
        if now.duration_since(self.looked) > UNWATCHED {
            self.heard = self.heard.max(now);
        }
        self.looked = now;
        loop {
            match self.stream.poll() {
                Synthesis::Failed(error) if self.over => return Synthesis::Failed(error),
                Synthesis::Failed(error) => {
                    if let Err(error) = self.go_on(error) {
                        self.over = true;
                        if self.frames + self.before == 0 && self.began.elapsed() >= WAITED {
                            self.in_vain.note(&self.request.text);
                        }
                        return Synthesis::Failed(error);
                    }
                }
                Synthesis::Done => {
                    if !std::mem::replace(&mut self.over, true) {
                        self.links.report(self.index, None);
                    }
                    return Synthesis::Done;
                }
                Synthesis::Pending => {
                    if !self.hurry() {
                        return Synthesis::Pending;
                    }
                }
                Synthesis::Frame(frame) => {
                    self.frames += 1;
                    self.heard = self.heard.max(Instant::now()) + Duration::from_millis(crate::audio::FRAME_MS);
                    return Synthesis::Frame(frame);
                }
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        Some(self.before + self.stream.total_samples()?)
    }

    fn spoken(&self) -> usize {
        self.offset + self.stream.spoken()
    }

    fn engine(&self) -> Option<&str> {
        Some(self.stream.engine().unwrap_or(self.links.name_of(self.index)))
    }

    fn is_makeshift(&self) -> bool {
        self.makeshift
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The caller interrupted a line that went well.
        if !self.over && self.frames > 0 {
            self.links.report(self.index, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;
    use crate::engine::wait;
    use crate::speech::Language;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

    /// Gives a frame per byte and breaks before the sentence that begins with `!`.
    #[derive(Default)]
    struct Engine {
        name: &'static str,
        fragile: AtomicBool,
        tells: bool,
        voices: &'static [&'static str],
        asked: Mutex<Vec<String>>,
        opened: AtomicUsize,
    }

    struct Stream {
        text: String,
        given: usize,
        fragile: bool,
        tells: bool,
        name: &'static str,
    }

    impl Synthesizer for Arc<Engine> {
        fn name(&self) -> &str {
            self.name
        }
        fn speak(&self, what: &SpeechRequest, _: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
            self.opened.fetch_add(1, Relaxed);
            if what.voice.as_deref().is_some_and(|voice| !self.voices.contains(&voice)) {
                return Err(EngineError::Unavailable { engine: self.name.into(), what: "no such voice".into() });
            }
            self.asked.lock().unwrap().push(what.text.clone());
            let (fragile, tells, name) = (self.fragile.load(Relaxed), self.tells, self.name);
            Ok(Box::new(Stream { text: what.text.clone(), given: 0, fragile, tells, name }))
        }
    }

    impl SynthesisStream for Stream {
        fn poll(&mut self) -> Synthesis {
            match self.text.as_bytes().get(self.given) {
                None => Synthesis::Done,
                Some(b'!') if self.fragile => {
                    Synthesis::Failed(EngineError::Failed { engine: self.name.into(), what: "broke".into() })
                }
                Some(_) => {
                    self.given += 1;
                    Synthesis::Frame(Box::new([1; FRAME_SAMPLES]))
                }
            }
        }
        fn total_samples(&self) -> Option<u64> {
            Some((self.text.len() * FRAME_SAMPLES) as u64)
        }
        fn spoken(&self) -> usize {
            if self.tells { self.given } else { 0 }
        }
    }

    fn engine(name: &'static str, fragile: bool, tells: bool) -> Arc<Engine> {
        Arc::new(Engine { name, fragile: fragile.into(), tells, ..Engine::default() })
    }

    fn chain(engines: &[&Arc<Engine>]) -> SynthesizerChain {
        SynthesizerChain::new(engines.iter().map(|&e| Arc::new(Arc::clone(e)) as Arc<dyn Synthesizer>).collect())
    }

    fn request(text: &str) -> SpeechRequest {
        SpeechRequest { text: text.into(), language: Language::default(), voice: None }
    }

    fn say(chain: &SynthesizerChain, what: &SpeechRequest) -> (usize, Synthesis, String, Option<u64>) {
        let mut stream = chain.speak(what, wait::this_thread()).unwrap();
        let (samples, end) = wait::drain(&mut *stream, Duration::from_secs(1));
        (samples.len() / FRAME_SAMPLES, end, stream.engine().unwrap_or_default().to_owned(), stream.total_samples())
    }

    #[test]
    fn a_line_that_breaks_at_once_is_spoken_whole_by_the_next() {
        let (a, b) = (engine("a", true, false), engine("b", false, false));
        let (frames, end, name, _) = say(&chain(&[&a, &b]), &request("!hello"));
        assert!(matches!(end, Synthesis::Done));
        assert_eq!((frames, name.as_str()), (6, "b"));
    }

    #[test]
    fn a_line_that_breaks_later_goes_on_from_that_sentence() {
        let (a, b) = (engine("a", true, true), engine("b", false, true));
        let (frames, end, name, total) = say(&chain(&[&a, &b]), &request("One.!Two."));
        assert!(matches!(end, Synthesis::Done));
        assert_eq!((frames, name.as_str(), total), (9, "b", Some(9 * FRAME_SAMPLES as u64)));
        assert_eq!(*b.asked.lock().unwrap(), ["!Two."]);
    }

    #[test]
    fn a_sentence_that_breaks_off_is_begun_again() {
        let (a, b) = (engine("a", true, false), engine("b", false, false));
        let (frames, end, name, total) = say(&chain(&[&a, &b]), &request("One.!Two."));
        assert!(matches!(end, Synthesis::Done));
        assert_eq!((frames, name.as_str(), total), (4 + 9, "b", Some(13 * FRAME_SAMPLES as u64)));
        assert_eq!(*b.asked.lock().unwrap(), ["One.!Two."]);
    }

    #[test]
    fn all_broken_is_a_failure_and_three_of_them_open_the_breaker() {
        let (a, b) = (engine("a", true, true), engine("b", false, true));
        let both = chain(&[&a, &b]);
        for _ in 0..5 {
            say(&both, &request("!x"));
        }
        assert_eq!((a.opened.load(Relaxed), b.opened.load(Relaxed)), (3, 5));
        b.fragile.store(true, Relaxed);
        assert!(matches!(say(&both, &request("!x")).1, Synthesis::Failed(_)));
    }

    #[test]
    fn a_line_that_was_waited_for_in_vain_is_not_waited_for_again() {
        let a = engine("a", true, true);
        let chain = chain(&[&a]);
        let mut stream = chain.speak(&request("!x"), wait::this_thread()).unwrap();
        std::thread::sleep(WAITED);
        assert!(matches!(stream.poll(), Synthesis::Failed(_)));
        let error = chain.speak(&request("!x"), wait::this_thread()).err().unwrap();
        assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
        assert!(chain.speak(&request("!y"), wait::this_thread()).is_ok(), "another line is tried");
    }

    /// Gives nothing, or so many frames and then nothing.
    struct Hangs(usize);

    impl Synthesizer for Hangs {
        fn name(&self) -> &str {
            "hangs"
        }
        fn speak(&self, _: &SpeechRequest, _: Wake) -> Result<Box<dyn SynthesisStream>, EngineError> {
            Ok(Box::new(Hangs(self.0)))
        }
    }

    impl SynthesisStream for Hangs {
        fn poll(&mut self) -> Synthesis {
            match self.0 {
                0 => Synthesis::Pending,
                _ => {
                    self.0 -= 1;
                    Synthesis::Frame(Box::new([1; FRAME_SAMPLES]))
                }
            }
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn an_engine_that_lets_its_listener_wait_is_left_for_the_next_and_the_last_one_is_waited_for() {
        let limit = Duration::from_millis(200);
        let said = |engines: Vec<Arc<dyn Synthesizer>>, patience| {
            let chain = SynthesizerChain::new(engines).within(limit);
            let mut stream = chain.speak(&request("hello"), wait::this_thread()).unwrap();
            let began = Instant::now();
            let (samples, end) = wait::drain(&mut *stream, patience);
            (samples.len() / FRAME_SAMPLES, end, began.elapsed())
        };
        let next = || Arc::new(engine("b", false, false)) as Arc<dyn Synthesizer>;
        let (frames, end, took) = said(vec![Arc::new(Hangs(0)), next()], Duration::from_secs(5));
        assert!(matches!(end, Synthesis::Done) && frames == 5, "{frames} {end:?}");
        assert!(took >= limit && took < 3 * limit, "{took:?}");
        // Ten frames are heard for 200 ms before anybody waits.
        let (frames, end, took) = said(vec![Arc::new(Hangs(10)), next()], Duration::from_secs(5));
        assert!(matches!(end, Synthesis::Done) && frames == 15, "{frames} {end:?}");
        assert!(took >= 2 * limit && took < 4 * limit, "{took:?}");
        // With nobody behind it, and for those who have time, it is waited for.
        let (frames, end, _) = said(vec![Arc::new(Hangs(0))], 3 * limit);
        assert!(
            matches!(&end, Synthesis::Failed(error) if error.to_string().contains("gave nothing")),
            "{frames} {end:?}"
        );
        let patient = SynthesizerChain::new(vec![Arc::new(Hangs(0)), next()]);
        let mut stream = patient.speak(&request("hello"), wait::this_thread()).unwrap();
        assert!(matches!(wait::drain(&mut *stream, 3 * limit).1, Synthesis::Failed(_)));
    }

    #[test]
    fn a_voice_of_the_first_engine_does_not_keep_the_second_from_speaking() {
        let a = Arc::new(Engine { name: "a", fragile: true.into(), voices: &["anna"], ..Engine::default() });
        let b = engine("b", false, true);
        let what = SpeechRequest { voice: Some("anna".into()), ..request("!x") };
        assert_eq!(say(&chain(&[&a, &b]), &what).2, "b");
        let unknown = SpeechRequest { voice: Some("zoe".into()), ..request("x") };
        for _ in 0..4 {
            assert_eq!(say(&chain(&[&a, &b]), &unknown).2, "a", "with its own voice, and it is no failure");
        }
    }
}
