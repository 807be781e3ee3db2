//! A recording while it grows.

use super::StoreError;
use crate::audio::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
use crate::media::{RecordingTap, StereoFrame};
use crate::record::{Contour, Waves};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// The header on disk is brought up to date this often, in frames of 20 ms: a process that dies leaves a playable file.
const FLUSH_FRAMES: u32 = 250;

/// Where a recording comes from. Polled by the disk thread about ten times a second; never waits.
pub trait RecordingSource: Send {
    /// The next frame, if there is one. Frames are continuous from the answer on.
    fn next_frame(&mut self) -> Option<StereoFrame>;
    /// No frame will come after those that [`next_frame`](Self::next_frame) still gives.
    fn closed(&self) -> bool;
    /// Frames lost so far because they were not fetched in time.
    fn dropped(&self) -> u64;
}

impl RecordingSource for RecordingTap {
    fn next_frame(&mut self) -> Option<StereoFrame> {
        if self.ended() { self.drain() } else { RecordingTap::next_frame(self) }
    }

    fn closed(&self) -> bool {
        self.ended()
    }

    fn dropped(&self) -> u64 {
        RecordingTap::dropped(self)
    }
}

/// The file of one call's recording.
pub(super) struct Recording {
    source: Box<dyn RecordingSource>,
    path: PathBuf,
    writer: Option<WavWriter<BufWriter<File>>>,
    frames: u32,
    lost: u64,
    waves: Waves,
    contour: Option<Contour>,
}

fn wav(path: &Path, error: hound::Error) -> StoreError {
    let source = match error {
        hound::Error::IoError(source) => source,
        other => std::io::Error::other(other),
    };
    StoreError::Io { what: "write", path: path.to_owned(), source }
}

impl Recording {
    /// Begins the file; with `contour` pitch and loudness of the caller are followed.
    pub(super) fn create(path: PathBuf, source: Box<dyn RecordingSource>, contour: bool) -> Result<Self, StoreError> {
        let spec =
            WavSpec { channels: 2, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let writer = WavWriter::create(&path, spec).map_err(|e| wav(&path, e))?;
        Ok(Self {
            source,
            path,
            writer: Some(writer),
            frames: 0,
            lost: 0,
            waves: Waves::default(),
            contour: contour.then(Contour::default),
        })
    }

    /// Writes what has come. After an error the rest is counted as dropped and the file left as it is.
    pub(super) fn drain(&mut self) -> Result<(), StoreError> {
        while let Some(frame) = self.source.next_frame() {
            self.waves.push(&frame.left, &frame.right);
            if let Some(contour) = &mut self.contour {
                contour.push(&frame.left, &mut self.waves);
            }
            let Some(writer) = &mut self.writer else {
                self.lost += 1;
                continue;
            };
            if let Err(error) = write(writer, &frame, &mut self.frames) {
                self.lost += 1;
                self.writer = None;
                return Err(wav(&self.path, error));
            }
        }
        Ok(())
    }

    /// All that will come was written.
    pub(super) fn complete(&self) -> bool {
        self.source.closed()
    }

    /// Frames that are not in the file.
    pub(super) fn dropped(&self) -> u64 {
        self.source.dropped() + self.lost
    }

    /// How loud both sides were, for the picture of the call.
    pub(super) fn take_waves(&mut self) -> Waves {
        std::mem::take(&mut self.waves)
    }

    /// Brings the header up to date and closes the file.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        match self.writer.take() {
            Some(writer) => writer.finalize().map_err(|e| wav(&self.path, e)),
            None => Ok(()),
        }
    }
}

fn write(writer: &mut WavWriter<BufWriter<File>>, frame: &StereoFrame, frames: &mut u32) -> hound::Result<()> {
    let mut block = writer.get_i16_writer(2 * FRAME_SAMPLES as u32);
    for (caller, agent) in frame.left.iter().zip(frame.right) {
        block.write_sample(*caller);
        block.write_sample(agent);
    }
    block.flush()?;
    *frames += 1;
    if frames.is_multiple_of(FLUSH_FRAMES) {
        writer.flush()?;
    }
    Ok(())
}
