//! Sound: frames, codecs, resampling, concealment, levels, tones, WAV files.
//!
//! Pure: no clock and no I/O (the WAV module reads and writes through `std::io` traits and paths given to it).

mod frame;

pub use frame::{
    AudioFrame, FRAME_MS, FRAME_SAMPLES, FrameOrigin, MediaTime, PlayoutEvent, PlayoutFrame, SAMPLE_RATE_HZ,
    SAMPLES_PER_MS, Samples, UtteranceId,
};
