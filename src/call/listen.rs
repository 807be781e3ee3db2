//! The caller's side: frames in, voice edges and words out.

use super::speech::{Observed, Outbox};
use crate::audio::{AudioFrame, MediaTime};
use crate::speech::{EngineError, EngineKind, Expectation, Gate, RecognizerStream, SpeechEdge, VoiceDetector};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames kept from before a speech onset: the gate is sure only after some speech, and the first consonant comes before it.
const PRE_ROLL_FRAMES: usize = 20;
/// How much of the pre-roll before the onset the recogniser gets, in milliseconds: a little silence to adapt to.
const LEAD_IN_MS: u64 = 140;

/// Voice detection and recognition of one call.
pub(super) struct Listen {
    vad: Box<dyn VoiceDetector>,
    gate: Gate,
    recognizer: Option<Box<dyn RecognizerStream>>,
    pre_roll: VecDeque<AudioFrame>,
    /// Frames go to the recogniser: from an onset until the session says that the utterance is over.
    in_utterance: bool,
    /// The gate says that the caller speaks.
    speaking: bool,
    /// Name of the recogniser where its stream does not say which engine of a chain serves.
    name: String,
    served: String,
}

impl Listen {
    /// `recognizer` is none when no engine could be opened: edges and keys still work then.
    pub(super) fn new(
        vad: Box<dyn VoiceDetector>,
        gate: Gate,
        recognizer: Option<Box<dyn RecognizerStream>>,
        name: &str,
    ) -> Self {
        Self {
            vad,
            gate,
            recognizer,
            pre_roll: VecDeque::with_capacity(PRE_ROLL_FRAMES + 1),
            in_utterance: false,
            speaking: false,
            name: name.to_owned(),
            served: String::new(),
        }
    }

    pub(super) fn expect(&mut self, what: &Arc<Expectation>) {
        if let Some(recognizer) = &mut self.recognizer {
            recognizer.expect(what);
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(recognizer) = &mut self.recognizer {
            recognizer.flush();
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(recognizer) = &mut self.recognizer {
            recognizer.finish();
        }
        // A caller who speaks on is already in the next utterance.
        self.in_utterance = self.speaking;
        self.pre_roll.clear();
    }

    /// Takes one frame of the caller.
    pub(super) fn hear(&mut self, frame: &AudioFrame, outbox: &mut Outbox) {
        let probability = self.vad.push(frame);
        // A detector that answers about an earlier frame has heard nothing before its first one.
        let lag_ms = self.vad.lag_ms();
        let edge = (frame.at.ms() >= lag_ms).then(|| self.gate.push(frame.at.minus_ms(lag_ms), probability)).flatten();
        if self.in_utterance {
            self.feed(frame);
        } else {
            if self.pre_roll.len() >= PRE_ROLL_FRAMES {
                self.pre_roll.pop_front();
            }
            self.pre_roll.push_back(*frame);
        }
        match edge {
            Some(SpeechEdge::Started { onset }) => {
                self.speaking = true;
                if !self.in_utterance {
                    self.in_utterance = true;
                    let from = onset.minus_ms(LEAD_IN_MS);
                    let mut pre_roll = std::mem::take(&mut self.pre_roll);
                    pre_roll.iter().filter(|frame| frame.end() > from).for_each(|frame| self.feed(frame));
                    pre_roll.clear();
                    self.pre_roll = pre_roll;
                }
            }
            Some(SpeechEdge::Paused { .. }) => self.speaking = false,
            None => {}
        }
        if let Some(edge) = edge {
            outbox.put(frame.end(), Observed::Edge(edge));
        }
    }

    fn feed(&mut self, frame: &AudioFrame) {
        if let Some(recognizer) = &mut self.recognizer {
            recognizer.push(frame);
        }
    }

    /// Takes what the recogniser has.
    pub(super) fn collect(&mut self, now: MediaTime, outbox: &mut Outbox) {
        while let Some(recognizer) = &mut self.recognizer {
            match recognizer.poll() {
                None => return,
                Some(Ok(hypothesis)) => {
                    let name = recognizer.engine().unwrap_or(&self.name);
                    if name != self.served {
                        self.served = name.to_owned();
                        outbox.put(now, Observed::Served { kind: EngineKind::Asr, name: self.served.clone() });
                    }
                    outbox.put(now, Observed::Heard(hypothesis));
                }
                Some(Err(error)) => self.deaf(&error, now, outbox),
            }
        }
    }

    fn deaf(&mut self, error: &EngineError, now: MediaTime, outbox: &mut Outbox) {
        self.recognizer = None;
        outbox.put(now, Observed::Down { kind: EngineKind::Asr, why: error.to_string() });
    }
}
