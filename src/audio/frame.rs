//! The one audio format inside: 20 ms, mono, 16 kHz, 16-bit, in a fixed array. Formats change at the edges.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Sample rate of everything between the codec and the engines, in Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples in a frame.
pub const FRAME_SAMPLES: usize = 320;
/// Length of a frame in milliseconds.
pub const FRAME_MS: u64 = 20;
/// Samples per millisecond.
pub const SAMPLES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1000;

/// The samples of one frame.
pub type Samples = [i16; FRAME_SAMPLES];

/// Time inside a call: samples at 16 kHz since its media began (the answer). Not a wall clock.
///
/// Both directions share it: the frame sent at tick `n` and the frame heard at tick `n` have the same time, so a recording
/// is aligned by construction and a response gap is a subtraction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The answer.
    pub const ZERO: Self = Self(0);

    /// From samples at 16 kHz.
    pub const fn from_samples(samples: u64) -> Self {
        Self(samples)
    }

    /// From whole milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(SAMPLES_PER_MS))
    }

    /// From a count of 20 ms frames.
    pub const fn from_frames(frames: u64) -> Self {
        Self(frames.saturating_mul(FRAME_SAMPLES as u64))
    }

    /// Samples since the answer.
    pub const fn samples(self) -> u64 {
        self.0
    }

    /// Milliseconds since the answer, rounded down.
    pub const fn ms(self) -> u64 {
        self.0 / SAMPLES_PER_MS
    }

    /// This time and `ms` milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(SAMPLES_PER_MS)))
    }

    /// This time and `samples` samples.
    #[must_use]
    pub const fn plus_samples(self, samples: u64) -> Self {
        Self(self.0.saturating_add(samples))
    }

    /// This time less `ms` milliseconds, not before the answer.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms.saturating_mul(SAMPLES_PER_MS)))
    }

    /// Milliseconds from `earlier` to this time, negative when it is later than this.
    pub fn ms_since(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / SAMPLES_PER_MS as f64
    }

    /// The time on the wall clock of a monotonic `origin` (the instant of [`MediaTime::ZERO`]).
    pub fn since(self, origin: std::time::Instant) -> std::time::Instant {
        origin + std::time::Duration::from_nanos(self.0.saturating_mul(62_500))
    }
}

impl fmt::Debug for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}ms", self.0 as f64 / SAMPLES_PER_MS as f64)
    }
}

/// Where the samples of a frame come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FrameOrigin {
    /// Decoded from packets that arrived.
    #[default]
    Received,
    /// At least a part was made up by loss concealment.
    Concealed,
    /// Nothing arrived and nothing was to be concealed: hold, discontinuous transmission, a muted peer.
    Silence,
}

/// 20 ms of the caller, on the way up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioFrame {
    /// Time of the first sample. The frames of a call are continuous: each begins where the last one ended.
    pub at: MediaTime,
    /// How it came to be.
    pub origin: FrameOrigin,
    /// The samples.
    pub samples: Samples,
}

impl AudioFrame {
    /// A frame of digital silence.
    pub const fn silence(at: MediaTime) -> Self {
        Self { at, origin: FrameOrigin::Silence, samples: [0; FRAME_SAMPLES] }
    }

    /// Time just after the last sample.
    pub const fn end(&self) -> MediaTime {
        self.at.plus_samples(FRAME_SAMPLES as u64)
    }
}

/// One thing that the agent says, from the first sample to the last. Numbered per call, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtteranceId(pub u32);

/// 20 ms of the agent, on the way down.
#[derive(Clone, Copy, Debug)]
pub struct PlayoutFrame {
    /// The playout epoch in which it was queued: frames of an older epoch are dropped at the next tick (barge-in).
    pub epoch: u32,
    /// What it is a part of.
    pub utterance: UtteranceId,
    /// It is the last frame of its utterance.
    pub last: bool,
    /// The samples.
    pub samples: Samples,
}

/// What became of an utterance, as the media thread saw it: the truth about what the caller heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlayoutEvent {
    /// Its first frame was sent at this time.
    Started {
        /// Which one.
        utterance: UtteranceId,
        /// Time of the first sample sent.
        at: MediaTime,
    },
    /// Its last frame was sent.
    Finished {
        /// Which one.
        utterance: UtteranceId,
        /// Time just after the last sample sent.
        at: MediaTime,
    },
    /// It was cut off by a new epoch before its last frame.
    Cut {
        /// Which one.
        utterance: UtteranceId,
        /// Samples of it that were sent.
        played: u64,
        /// Time just after the last sample sent.
        at: MediaTime,
    },
}
