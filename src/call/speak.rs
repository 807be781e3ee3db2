//! The agent's side: lines in, frames out, in order, never of an old epoch.

use super::manner::mannered;
use super::speech::{Observed, Outbox};
use crate::audio::{FRAME_SAMPLES, MediaTime, PlayoutFrame, Samples, UtteranceId};
use crate::media::SpeechLink;
use crate::speech::{EngineError, EngineKind, Manner, SpeechRequest, Synthesis, SynthesisStream, Synthesizer, Wake};
use std::collections::VecDeque;
use std::sync::Arc;

/// Lines that may wait. The agent queues a handful; one more is refused and reported as failed.
const LINES: usize = 16;
/// Lines that may be held back; the oldest is given up for one more.
const HELD: usize = 4;

/// A line to be said.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number.
    pub utterance: UtteranceId,
    /// The playout epoch it belongs to.
    pub epoch: u32,
    /// The words.
    pub request: SpeechRequest,
    /// How it is said.
    pub manner: Manner,
}

/// A line whose synthesis was started.
struct Voice {
    utterance: UtteranceId,
    epoch: u32,
    stream: Box<dyn SynthesisStream>,
    announced: bool,
    /// A frame of it went into the ring.
    begun: bool,
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
    /// Lines that are synthesised and held back.
    held: VecDeque<Voice>,
    served: String,
}

impl Speak {
    pub(super) fn new(synthesizer: Arc<dyn Synthesizer>, wake: Wake) -> Self {
        Self {
            synthesizer,
            wake,
            voices: VecDeque::with_capacity(LINES),
            held: VecDeque::with_capacity(HELD),
            served: String::new(),
        }
    }

    /// Queues a line behind those before it; one that was held back is ready, or on its way.
    pub(super) fn say(&mut self, line: Line, now: MediaTime, outbox: &mut Outbox) {
        if let Some(index) = self.held.iter().position(|voice| voice.utterance == line.utterance)
            && let Some(mut voice) = self.held.remove(index)
        {
            voice.epoch = line.epoch;
            self.voices.push_back(voice);
        } else if let Some(voice) = self.start(line, now, outbox) {
            self.voices.push_back(voice);
        }
    }

    /// Queues a line before those of which nothing was played.
    pub(super) fn say_first(&mut self, line: Line, now: MediaTime, outbox: &mut Outbox) {
        if let Some(voice) = self.start(line, now, outbox) {
            let begun = self.voices.iter().take_while(|voice| voice.begun).count();
            self.voices.insert(begun, voice);
        }
    }

    /// Synthesises a line and holds it back.
    pub(super) fn prepare(&mut self, line: Line, now: MediaTime, outbox: &mut Outbox) {
        if let Some(voice) = self.start(line, now, outbox) {
            if self.held.len() >= HELD {
                self.held.pop_front();
            }
            self.held.push_back(voice);
        }
    }

    /// Forgets a line that was held back; dropping its stream cancels its synthesis.
    pub(super) fn discard(&mut self, utterance: UtteranceId) {
        self.held.retain(|voice| voice.utterance != utterance);
    }

    /// Looks for the first frame of lines that are held back.
    pub(super) fn work_ahead(&mut self, now: MediaTime, outbox: &mut Outbox) {
        for voice in &mut self.held {
            voice.look(now, outbox, self.synthesizer.name(), &mut self.served);
        }
        self.held.retain(|voice| voice.ended != Ended::Broken);
    }

    /// Starts to synthesise a line.
    fn start(&mut self, line: Line, now: MediaTime, outbox: &mut Outbox) -> Option<Voice> {
        let Line { utterance, epoch, request, manner } = line;
        let started = if self.voices.len() < LINES {
            self.synthesizer.speak(&request, self.wake.clone())
        } else {
            Err(EngineError::Overloaded { engine: self.synthesizer.name().to_owned() })
        };
        match started {
            Ok(stream) => {
                let stream = mannered(stream, manner);
                Some(Voice { utterance, epoch, stream, announced: false, begun: false, held: None, ended: Ended::No })
            }
            Err(error) => {
                outbox.put(now, Observed::LineFailed { utterance, why: error.to_string() });
                if !matches!(error, EngineError::Overloaded { .. }) {
                    outbox.put(now, Observed::Down { kind: EngineKind::Tts, why: error.to_string() });
                }
                None
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
    /// Takes the first frame, if it is there, and keeps it.
    fn look(&mut self, now: MediaTime, outbox: &mut Outbox, chain: &str, served: &mut String) {
        if self.held.is_some() || self.ended != Ended::No {
            return;
        }
        match self.stream.poll() {
            Synthesis::Frame(samples) => {
                self.announce(now, outbox, chain, served);
                self.held = Some(samples);
            }
            Synthesis::Pending => {}
            Synthesis::Done => self.ended = Ended::Whole,
            Synthesis::Failed(error) => {
                outbox.put(now, Observed::LineFailed { utterance: self.utterance, why: error.to_string() });
                self.ended = Ended::Broken;
            }
        }
    }

    /// Says once that the first frame is there, and who made it.
    fn announce(&mut self, now: MediaTime, outbox: &mut Outbox, chain: &str, served: &mut String) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        let name = self.stream.engine().unwrap_or(chain);
        if name != served {
            *served = name.to_owned();
            outbox.put(now, Observed::Served { kind: EngineKind::Tts, name: served.clone(), remote: false });
        }
        let total_samples = self.stream.total_samples();
        outbox.put(now, Observed::LineReady { utterance: self.utterance, total_samples });
    }

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
                    self.announce(now, outbox, chain, served);
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

    fn play(&mut self, link: &mut SpeechLink, samples: Samples, last: bool) {
        self.begun = true;
        let frame = PlayoutFrame { epoch: self.epoch, utterance: self.utterance, last, samples };
        // Room was looked at before, and this thread is the only producer.
        let _ = link.play(frame);
    }
}
