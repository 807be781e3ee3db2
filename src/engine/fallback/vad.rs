//! Voice detection: the first engine that opens serves the call.

use super::Links;
use crate::audio::AudioFrame;
use crate::speech::{EngineError, EngineKind, VoiceDetection, VoiceDetector};
use std::sync::Arc;

/// Voice detectors in the order in which they are tried. A detector that is open cannot fail.
pub struct VoiceDetectionChain(Arc<Links<dyn VoiceDetection>>);

impl VoiceDetectionChain {
    /// First choice first.
    pub fn new(engines: Vec<Arc<dyn VoiceDetection>>) -> Self {
        Self::missing(engines, &[])
    }

    /// As [`Self::new`], with what is to be said of engines that were configured and are missing when none is left.
    pub fn missing(engines: Vec<Arc<dyn VoiceDetection>>, missing: &[String]) -> Self {
        Self(Links::new(EngineKind::Vad, engines, missing, |engine| engine.name()))
    }
}

impl VoiceDetection for VoiceDetectionChain {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError> {
        let (index, detector) = self.0.open(0, |engine| engine.open())?;
        self.0.report(index, None);
        Ok(Box::new(Serving { links: Arc::clone(&self.0), index, detector }))
    }
}

struct Serving {
    links: Arc<Links<dyn VoiceDetection>>,
    index: usize,
    detector: Box<dyn VoiceDetector>,
}

impl VoiceDetector for Serving {
    fn push(&mut self, frame: &AudioFrame) -> f32 {
        self.detector.push(frame)
    }

    fn lag_ms(&self) -> u64 {
        self.detector.lag_ms()
    }

    fn settle(&mut self) {
        self.detector.settle();
    }

    fn engine(&self) -> Option<&str> {
        Some(self.detector.engine().unwrap_or(self.links.name_of(self.index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    struct Engine(&'static str, bool);
    struct Always;

    impl VoiceDetection for Engine {
        fn name(&self) -> &str {
            self.0
        }
        fn open(&self) -> Result<Box<dyn VoiceDetector>, EngineError> {
            match self.1 {
                true => Ok(Box::new(Always)),
                false => Err(EngineError::Unavailable { engine: self.0.into(), what: "gone".into() }),
            }
        }
    }

    impl VoiceDetector for Always {
        fn push(&mut self, _: &AudioFrame) -> f32 {
            1.0
        }
    }

    #[test]
    fn the_first_that_opens_serves() {
        let chain = VoiceDetectionChain::new(vec![Arc::new(Engine("a", false)), Arc::new(Engine("b", true))]);
        let mut detector = chain.open().unwrap();
        assert_eq!(detector.engine(), Some("b"));
        assert_eq!(detector.push(&AudioFrame::silence(MediaTime::ZERO)), 1.0);
        assert_eq!(chain.name(), "a, b");
        let error = VoiceDetectionChain::new(vec![Arc::new(Engine("a", false))]).open().err().unwrap();
        assert_eq!(error.to_string(), "a: gone");
    }
}
