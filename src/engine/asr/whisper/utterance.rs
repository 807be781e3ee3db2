//! One utterance's audio, as long as it is needed, and what is known of it.

use super::agreement::Agreement;
use super::guard::Judged;
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime, SAMPLE_RATE_HZ};
use std::time::Instant;

const RATE: usize = SAMPLE_RATE_HZ as usize;
/// Audio kept before speech begins: the first consonant lies before the first loud frame.
const PRE_ROLL: usize = RATE / 4;
/// A longer stretch is decoded in pieces: Whisper's window is 30 s.
pub(super) const STRETCH: usize = 25 * RATE;
/// Longest audio that is kept undecoded. Beyond, the oldest is dropped.
const MOST: usize = 29 * RATE;
/// Where the quietest place is looked for, in samples.
const STEP: usize = FRAME_SAMPLES;

/// One utterance, or the stretch of it that is not decoded yet.
#[derive(Default)]
pub(super) struct Utterance {
    /// Counts utterances, so that a decode knows whether it was for this one.
    pub number: u64,
    pub audio: Vec<f32>,
    /// Samples up to the end of the last speech; 0: there was none.
    pub speech_end: usize,
    /// Samples of speech.
    pub speech: usize,
    pub covers: MediaTime,
    /// When the answer was asked for.
    pub flushed: Option<Instant>,
    /// Length of the audio when it was last decoded.
    pub decoded: usize,
    /// The answer to all speech so far, where it was decoded already.
    pub answer: Option<Judged>,
    pub agreement: Agreement,
    /// What earlier stretches said.
    pub earlier: String,
    pub dropped: bool,
}

impl Utterance {
    /// Takes a frame in.
    pub fn push(&mut self, frame: &AudioFrame, speech: bool) {
        self.covers = frame.end();
        self.audio.extend(frame.samples.iter().map(|&sample| f32::from(sample) / 32_768.0));
        if speech {
            self.speech_end = self.audio.len();
            self.speech += FRAME_SAMPLES;
            self.answer = None;
        } else if self.speech == 0 && self.audio.len() > 2 * PRE_ROLL {
            self.audio.drain(..self.audio.len() - PRE_ROLL);
        }
        if self.audio.len() > MOST {
            let over = self.audio.len() - MOST;
            self.audio.drain(..over);
            self.speech_end = self.speech_end.saturating_sub(over);
            self.decoded = self.decoded.saturating_sub(over);
            self.dropped = true;
        }
    }

    /// Takes the first stretch off when there is more audio than one decode hears: up to the quietest tenth of a second in its
    /// last third.
    pub fn stretch(&self) -> Option<usize> {
        if self.audio.len() < STRETCH {
            return None;
        }
        let from = STRETCH * 2 / 3;
        let window = RATE / 10;
        let energy = |at: usize| -> f32 {
            self.audio.get(at..at + window).unwrap_or_default().iter().map(|sample| sample * sample).sum()
        };
        let starts = (from..STRETCH - window).step_by(STEP);
        starts.min_by(|a, b| energy(*a).total_cmp(&energy(*b))).map(|at| at + window / 2)
    }

    /// A text behind what earlier stretches said.
    pub fn with_earlier(&self, text: &str) -> String {
        match (self.earlier.is_empty(), text.is_empty()) {
            (true, _) => text.to_owned(),
            (_, true) => self.earlier.clone(),
            _ => format!("{} {text}", self.earlier),
        }
    }
}
