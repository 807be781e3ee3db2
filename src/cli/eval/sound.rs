//! Recordings of a set, as a call would bring them.

use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, HALF_BAND_DELAY, MediaTime,
    SAMPLE_RATE_HZ, level, resample, wav,
};
use anyhow::{Context, bail};
use std::path::Path;

/// What the line lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(in crate::cli) enum Band {
    /// 8 kHz µ-law, as over the telephone network.
    Telephone,
    /// 16 kHz, as it was recorded.
    Wide,
}

impl Band {
    /// For figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telephone => "telephone",
            Self::Wide => "wide",
        }
    }
}

/// 16 kHz mono from a WAV or FLAC file.
pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Vec<i16>> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("flac")) {
        return Ok(wav::read_wav(path)?);
    }
    let refused = || format!("{}: cannot be read", path.display());
    let mut reader = claxon::FlacReader::open(path).with_context(refused)?;
    let info = reader.streaminfo();
    if info.channels != 1 || !(8..=24).contains(&info.bits_per_sample) {
        bail!("{}: FLAC files must have one channel and 8 to 24 bits", path.display());
    }
    let shift = info.bits_per_sample.abs_diff(16);
    let samples = reader
        .samples()
        .map(|sample| sample.map(|s| (if info.bits_per_sample > 16 { s >> shift } else { s << shift }) as i16));
    let samples = samples.collect::<Result<Vec<i16>, _>>().with_context(refused)?;
    Ok(resample::resample_i16(&samples, info.sample_rate, SAMPLE_RATE_HZ)?)
}

/// The frames that arrive of a recording. The line's own delay (3.4 ms for the telephone band) is taken out, so that labels
/// of the recording hold for its frames; the last frame is padded with silence.
pub(in crate::cli) fn frames(mut samples: Vec<i16>, band: Band, level_dbfs: Option<f32>) -> Vec<AudioFrame> {
    if let Some(dbfs) = level_dbfs {
        level::normalise(&mut samples, dbfs);
    }
    let frames = |samples: &[i16]| {
        let chunks = samples.chunks(FRAME_SAMPLES).zip(0..);
        let frame = |(chunk, n): (&[i16], u64)| AudioFrame {
            at: MediaTime::from_frames(n),
            origin: FrameOrigin::Received,
            samples: std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0)),
        };
        chunks.map(frame).collect::<Vec<_>>()
    };
    if band == Band::Wide {
        return frames(&samples);
    }
    let count = samples.len();
    samples.extend([0; FRAME_SAMPLES]);
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    let mut heard = Vec::with_capacity(samples.len());
    for frame in frames(&samples) {
        let (mut packet, mut decoded) = ([0; FRAME_BYTES], [0; FRAME_SAMPLES]);
        encoder.encode(&frame.samples, &mut packet);
        decoder.decode(&packet, &mut decoded);
        heard.extend(decoded);
    }
    let heard: Vec<i16> = heard.into_iter().skip(2 * HALF_BAND_DELAY).take(count).collect();
    frames(&heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telephone_band_keeps_its_place_in_time() {
        let mut samples = vec![0_i16; 4800];
        (1600..3200).for_each(|n| samples[n] = if n % 40 < 20 { 8000 } else { -8000 });
        let (wide, narrow) = (frames(samples.clone(), Band::Wide, None), frames(samples, Band::Telephone, None));
        assert_eq!((wide.len(), narrow.len()), (15, 15));
        let loud = |frames: &[AudioFrame]| -> Vec<bool> {
            frames.iter().map(|frame| level::rms_dbfs(&frame.samples) > -40.0).collect()
        };
        assert_eq!(loud(&wide), loud(&narrow));
        assert_eq!(narrow[3].at.ms(), 60);
    }

    #[test]
    fn a_level_can_be_asked_for() {
        let frames = frames([100, -100].repeat(1600), Band::Wide, Some(-20.0));
        assert!((level::rms_dbfs(&frames[2].samples) + 20.0).abs() < 0.2);
    }
}
