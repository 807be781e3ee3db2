//! Sound: frames, codecs, resampling, concealment, levels, tones, prosody, WAV files.
//!
//! Pure: no clock and no I/O (the WAV module reads and writes through `std::io` traits and paths given to it).
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod bandwidth;
pub mod codec;
pub mod echo;
mod error;
mod fft;
mod frame;
mod halfband;
pub mod level;
mod plc;
pub mod prosody;
mod rate;
pub mod resample;
pub mod stretch;
pub mod tone;
pub mod wav;

pub use codec::{CodecKind, DecodeBuf, Decoder, Encoder, FRAME_BYTES, MAX_DECODED_SAMPLES};
pub use error::AudioError;
pub use frame::{
    AudioFrame, FRAME_MS, FRAME_SAMPLES, FrameOrigin, MediaTime, PlayoutEvent, PlayoutFrame, SAMPLE_RATE_HZ,
    SAMPLES_PER_MS, Samples, UtteranceId,
};
pub use halfband::{HALF_BAND_DELAY, HalfBandDown, HalfBandUp};
pub use plc::Concealer;
pub use rate::RateConverter;
