//! The agent's side: lines in, frames out, in order, never of an old epoch.

use super::speech::{Observed, Outbox};
use crate::audio::{FRAME_SAMPLES, MediaTime, PlayoutFrame, Samples, UtteranceId};
use crate::media::SpeechLink;
use crate::speech::{EngineError, EngineKind, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use std::collections::VecDeque;
use std::sync::Arc;

/// Lines that may wait. The agent queues a handful; one more is refused and reported as failed.
const LINES: usize = 16;

/// A line to be said.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number.
    pub utterance: UtteranceId,
    /// The playout epoch it belongs to.
    pub epoch: u32,
    /// The words.
    pub request: SpeechRequest,
}

/// A line whose synthesis was started.
struct Voice {
    utterance: UtteranceId,
    epoch: u32,
    stream: Box<dyn SynthesisStream>,
    announced: bool,
    /// A frame that is held back until it is known whether it is the last, or that the ring had no room for.
    held: Option<Box<Samples>>,
    ended: Ended,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Ended {
    No,
    Whole,
    Broken,
}

/// Synthesis and playout of one call.
pub(super) struct Speak {
    synthesizer: Arc<dyn Synthesizer>,
    wake: Wake,
    voices: VecDeque<Voice>,
    served: String,
}

impl Speak {
    pub(super) fn new(synthesizer: Arc<dyn Synthesizer>, wake: Wake) -> Self {
        Self { synthesizer, wake, voices: VecDeque::with_capacity(LINES), served: String::new() }
    }

    /// Starts to synthesise a line; it is played behind those before it.
    pub(super) fn say(&mut self, line: Line, now: MediaTime, outbox: &mut Outbox) {
        let Line { utterance, epoch, request } = line;
        let started = if self.voices.len() < LINES {
            self.synthesizer.speak(&request, self.wake.clone())
        } else {
            Err(EngineError::Overloaded { engine: self.synthesizer.name().to_owned() })
        };
        match started {
            Ok(stream) => {
                self.voices.push_back(Voice {
                    utterance,
                    epoch,
                    stream,
                    announced: false,
                    held: None,
                    ended: Ended::No,
                });
            }
            Err(error) => {
                outbox.put(now, Observed::LineFailed { utterance, why: error.to_string() });
                if !matches!(error, EngineError::Overloaded { .. }) {
                    outbox.put(now, Observed::Down { kind: EngineKind::Tts, why: error.to_string() });
                }
            }
        }
    }

    /// Forgets the lines of older epochs; dropping a stream cancels its synthesis.
    pub(super) fn stop(&mut self, epoch: u32) {
        self.voices.retain(|voice| voice.epoch >= epoch);
    }

    /// Moves frames into the ring until it is full or the first line has nothing ready.
    pub(super) fn pump(&mut self, link: &mut SpeechLink, now: MediaTime, outbox: &mut Outbox) {
        while link.room() > 0
            && let Some(voice) = self.voices.front_mut()
        {
            if !voice.advance(link, now, outbox, self.synthesizer.name(), &mut self.served) {
                return;
            }
            self.voices.pop_front();
        }
    }
}

impl Voice {
    /// True when the line is wholly in the ring, or broke.
    fn advance(
        &mut self,
        link: &mut SpeechLink,
        now: MediaTime,
        outbox: &mut Outbox,
        chain: &str,
        served: &mut String,
    ) -> bool {
        loop {
            if link.room() == 0 {
                return false;
            }
            match self.ended {
                Ended::No => {}
                Ended::Whole | Ended::Broken => {
                    // A line that ended after its last frame had to go out gets one frame of silence to carry the mark.
                    let samples = self.held.take().unwrap_or_else(|| Box::new([0; FRAME_SAMPLES]));
                    if self.announced {
                        self.play(link, *samples, true);
                    }
                    return true;
                }
            }
            match self.stream.poll() {
                Synthesis::Frame(samples) => {
                    if !self.announced {
                        self.announced = true;
                        let name = self.stream.engine().unwrap_or(chain);
                        if name != served {
                            *served = name.to_owned();
                            outbox.put(now, Observed::Served { kind: EngineKind::Tts, name: served.clone() });
                        }
                        let total_samples = self.stream.total_samples();
                        outbox.put(now, Observed::LineReady { utterance: self.utterance, total_samples });
                    }
                    if let Some(before) = self.held.replace(samples) {
                        self.play(link, *before, false);
                    }
                }
                Synthesis::Pending => {
                    // Holding a frame back while the synthesiser thinks would be an audible hole.
                    if let Some(samples) = self.held.take() {
                        self.play(link, *samples, false);
                    }
                    return false;
                }
                Synthesis::Done => self.ended = Ended::Whole,
                Synthesis::Failed(error) => {
                    outbox.put(now, Observed::LineFailed { utterance: self.utterance, why: error.to_string() });
                    self.ended = Ended::Broken;
                }
            }
        }
    }

    fn play(&self, link: &mut SpeechLink, samples: Samples, last: bool) {
        let frame = PlayoutFrame { epoch: self.epoch, utterance: self.utterance, last, samples };
        // Room was looked at before, and this thread is the only producer.
        let _ = link.play(frame);
    }
}
