//! WAV files: any PCM in, 16 kHz mono out; and stereo recordings that survive the death of the process.

use super::codec::Law;
use super::{AudioError, SAMPLE_RATE_HZ, resample};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Largest file that is read: 1 GiB, nine hours of 16 kHz mono.
const LARGEST_BYTES: u64 = 1 << 30;
/// A recording's header is brought up to date after so many samples: one second.
const FLUSH_SAMPLES: u32 = SAMPLE_RATE_HZ;

/// Reads a WAV file: 8, 16, 24 or 32 bit integer, 32 bit float, µ-law or A-law, any rate, any number of channels (mixed in equal parts).
/// Returns samples at 16 kHz. A file that breaks off (its writer died) is read as far as it goes.
///
/// # Errors
/// [`AudioError::WavFile`] with the file's name and what to do about it.
pub fn read_wav(path: &Path) -> Result<Vec<i16>, AudioError> {
    let named = |what: String| AudioError::WavFile { path: path.to_owned(), what };
    let file = File::open(path).map_err(|error| {
        named(match error.kind() {
            ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
            ErrorKind::PermissionDenied => "may not be read; check its permissions".to_owned(),
            _ => format!("cannot be opened: {error}"),
        })
    })?;
    read_wav_from(BufReader::new(file)).map_err(|error| match error {
        AudioError::Wav { what } => named(what),
        other => named(other.to_string()),
    })
}

/// As [`read_wav`], from any reader.
///
/// # Errors
/// [`AudioError::Wav`] and [`AudioError::Rate`].
pub fn read_wav_from(reader: impl Read) -> Result<Vec<i16>, AudioError> {
    let refused = |error: hound::Error| AudioError::Wav { what: explain(&error) };
    let mut bytes = Vec::new();
    reader
        .take(LARGEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| AudioError::Wav { what: format!("cannot be read: {error}") })?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(AudioError::Wav { what: "it is larger than 1 GiB; cut it".to_owned() });
    }
    if let Some(telephone) = Companded::find(&bytes) {
        return telephone.read();
    }
    let mut reader = WavReader::new(bytes.as_slice()).map_err(refused)?;
    let spec = reader.spec();
    if spec.channels == 0 || spec.sample_rate == 0 {
        return Err(AudioError::Wav { what: "its header has no channels or no sample rate".to_owned() });
    }
    let mono = match spec.sample_format {
        SampleFormat::Float => mix(reader.samples::<f32>(), spec.channels),
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            mix(reader.samples::<i32>().map(|s| s.map(|s| s as f32 * scale)), spec.channels)
        }
    }
    .map_err(refused)?;
    Ok(resample::to_i16(&resample::resample(&mono, spec.sample_rate, SAMPLE_RATE_HZ)?))
}

/// G.711 in a WAV file, as PBXs and SIP telephones keep their prompts and tones.
struct Companded<'a> {
    law: Law,
    channels: u16,
    rate_hz: u32,
    data: &'a [u8],
}

impl<'a> Companded<'a> {
    /// Walks the chunks; none if it is no WAV file or another encoding.
    fn find(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
            return None;
        }
        let number = |from: &[u8], at: usize| Some(u16::from_le_bytes(from.get(at..at + 2)?.try_into().ok()?));
        let mut format = None;
        let mut rest = bytes.get(12..)?;
        loop {
            let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
            let body = rest.get(8..)?;
            let chunk = body.get(..length).unwrap_or(body);
            match rest.get(..4)? {
                b"fmt " => {
                    let law = match number(chunk, 0)? {
                        6 => Law::A,
                        7 => Law::Mu,
                        _ => return None,
                    };
                    let rate_hz = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
                    format = Some((law, number(chunk, 2)?.max(1), rate_hz));
                }
                b"data" => return format.map(|(law, channels, rate_hz)| Self { law, channels, rate_hz, data: chunk }),
                _ => {}
            }
            // Chunks are padded to even lengths.
            rest = body.get(length.checked_add(length % 2)?..)?;
        }
    }

    fn read(&self) -> Result<Vec<i16>, AudioError> {
        let mut samples = vec![0; self.data.len()];
        self.law.decode(self.data, &mut samples);
        let mono: Vec<f32> = samples
            .chunks_exact(usize::from(self.channels))
            .map(|frame| frame.iter().map(|s| f32::from(*s)).sum::<f32>() / f32::from(self.channels) / 32_768.0)
            .collect();
        Ok(resample::to_i16(&resample::resample(&mono, self.rate_hz, SAMPLE_RATE_HZ)?))
    }
}

/// The mean of the channels. Data that ends early ends the sound; not-a-number is silence.
fn mix(samples: impl Iterator<Item = hound::Result<f32>>, channels: u16) -> hound::Result<Vec<f32>> {
    let mut mono = Vec::new();
    let (mut sum, mut count) = (0.0, 0);
    for sample in samples {
        match sample {
            Ok(sample) if sample.is_finite() => sum += sample.clamp(-1.0, 1.0),
            Ok(_) => {}
            Err(hound::Error::IoError(_)) if !mono.is_empty() => break,
            Err(error) => return Err(error),
        }
        count += 1;
        if count == channels {
            mono.push(sum / f32::from(channels));
            (sum, count) = (0.0, 0);
        }
    }
    Ok(mono)
}

/// The library's error with its cure.
fn explain(error: &hound::Error) -> String {
    const CONVERT: &str = "convert it, for example with: ffmpeg -i IN -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav";
    match error {
        hound::Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            format!("it breaks off within its header or first samples; {CONVERT}")
        }
        hound::Error::IoError(error) => format!("cannot be read: {error}"),
        hound::Error::FormatError(what) => format!("it is no WAV file ({what}); {CONVERT}"),
        hound::Error::Unsupported => format!("its encoding is not plain PCM; {CONVERT}"),
        other => format!("{other}; {CONVERT}"),
    }
}

/// Writes a whole 16 kHz mono 16-bit file.
///
/// # Errors
/// [`AudioError::WavFile`] with the file's name.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<(), AudioError> {
    let failed = |error: hound::Error| AudioError::WavFile { path: path.to_owned(), what: cannot_write(&error) };
    let mut writer = WavWriter::create(path, spec(1)).map_err(failed)?;
    for sample in samples {
        writer.write_sample(*sample).map_err(failed)?;
    }
    writer.finalize().map_err(failed)
}

const fn spec(channels: u16) -> WavSpec {
    WavSpec { channels, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

fn cannot_write(error: &hound::Error) -> String {
    format!("cannot be written: {error}; check that its folder exists, is writable and has room")
}

/// A stereo recording at 16 kHz, 16 bit, written as the call goes on: about 230 MB an hour.
///
/// The header is brought up to date with every second of sound, so that the file is a valid recording up to there whenever
/// the process dies. Dropping it closes it; [`finish`](Self::finish) also reports whether that worked.
pub struct StereoWriter {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
    unflushed: u32,
}

impl StereoWriter {
    /// Creates or truncates the file.
    ///
    /// # Errors
    /// [`AudioError::WavFile`] with the file's name.
    pub fn create(path: &Path) -> Result<Self, AudioError> {
        let mut writer = WavWriter::create(path, spec(2))
            .map_err(|error| AudioError::WavFile { path: path.to_owned(), what: cannot_write(&error) })?;
        writer.flush().map_err(|error| AudioError::WavFile { path: path.to_owned(), what: cannot_write(&error) })?;
        Ok(Self { path: path.to_owned(), writer, unflushed: 0 })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Samples written per channel.
    pub fn len(&self) -> u64 {
        u64::from(self.writer.duration())
    }

    /// Is nothing written yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends both channels; the shorter one is padded with silence, so they stay aligned.
    ///
    /// # Errors
    /// [`AudioError::WavFile`]: the disk is full or gone.
    pub fn push(&mut self, left: &[i16], right: &[i16]) -> Result<(), AudioError> {
        self.write(left, right)
            .map_err(|error| AudioError::WavFile { path: self.path.clone(), what: cannot_write(&error) })
    }

    fn write(&mut self, left: &[i16], right: &[i16]) -> hound::Result<()> {
        let count = left.len().max(right.len());
        let padded = |channel: &[i16], index: usize| channel.get(index).copied().unwrap_or_default();
        for index in 0..count {
            self.writer.write_sample(padded(left, index))?;
            self.writer.write_sample(padded(right, index))?;
        }
        self.unflushed = self.unflushed.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.unflushed >= FLUSH_SAMPLES {
            self.unflushed = 0;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// [`AudioError::WavFile`]: what was flushed before remains valid.
    pub fn finish(self) -> Result<(), AudioError> {
        let path = self.path;
        self.writer.finalize().map_err(|error| AudioError::WavFile { path, what: cannot_write(&error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// A 440 Hz tone of amplitude one half in both channels.
    fn file(spec: WavSpec, seconds: f32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for n in 0..(spec.sample_rate as f32 * seconds) as u32 {
            let value = 0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / spec.sample_rate as f32).sin();
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(value).unwrap(),
                    SampleFormat::Int => {
                        let full = (1u64 << (spec.bits_per_sample - 1)) as f32;
                        writer.write_sample((value * full) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_pcm_format_becomes_the_same_sound() {
        for (bits, format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            for (channels, sample_rate) in [(1, 16_000), (2, 44_100), (1, 8000), (3, 48_000)] {
                let spec = WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: format };
                let samples = read_wav_from(Cursor::new(file(spec, 0.5))).unwrap();
                assert!(samples.len().abs_diff(8000) <= 1, "{spec:?}: {} samples", samples.len());
                let level = crate::audio::level::rms_dbfs(&samples[1000..7000]);
                assert!((level + 9.03).abs() < 0.1, "{spec:?}: {level} dBFS");
            }
        }
    }

    #[test]
    fn telephone_prompts_in_g711_are_read() {
        for (law, tag) in [(Law::A, 6u16), (Law::Mu, 7)] {
            let tone: Vec<i16> = (0..4000).map(|n| (16_384.0 * (n as f32 * 0.3456).sin()) as i16).collect();
            let mut data = vec![0; 4000];
            law.encode(&tone, &mut data);
            let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec();
            bytes.extend(tag.to_le_bytes());
            bytes.extend([1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0, 0, 0]);
            bytes.extend(b"fact\x04\0\0\0\xA0\x0F\0\0data\xA0\x0F\0\0");
            bytes.extend(data);
            let samples = read_wav_from(Cursor::new(bytes)).unwrap();
            assert_eq!(samples.len(), 8000);
            let level = crate::audio::level::rms_dbfs(&samples[1000..7000]);
            assert!((level + 9.03).abs() < 0.1, "{law:?}: {level} dBFS");
        }
    }

    #[test]
    fn a_file_that_breaks_off_is_read_as_far_as_it_goes() {
        let mut bytes = file(spec(1), 1.0);
        bytes.truncate(bytes.len() / 2);
        assert!(read_wav_from(Cursor::new(bytes)).unwrap().len().abs_diff(8000) < 50);
    }

    #[test]
    fn errors_name_the_file_and_the_fix() {
        let error = read_wav(Path::new("/nowhere/hello.wav")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/hello.wav") && error.contains("no such file"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("song.wav");
        std::fs::write(&path, b"ID3 this is an MP3, surely").unwrap();
        let error = read_wav(&path).unwrap_err().to_string();
        assert!(error.contains("song.wav") && error.contains("ffmpeg"), "{error}");
        let error = write_wav(&folder.path().join("missing/out.wav"), &[1]).unwrap_err().to_string();
        assert!(error.contains("missing/out.wav") && error.contains("folder"), "{error}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mono.wav");
        let samples: Vec<i16> = (0..3000).map(|n| (n * 7 % 2000) as i16).collect();
        write_wav(&path, &samples).unwrap();
        assert_eq!(read_wav(&path).unwrap(), samples);
    }

    #[test]
    fn a_recording_is_valid_while_it_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let mut writer = StereoWriter::create(&path).unwrap();
        assert_eq!(WavReader::open(&path).unwrap().duration(), 0);
        for _ in 0..75 {
            writer.push(&[100; 320], &[-100; 300]).unwrap();
        }
        assert_eq!(writer.len(), 24_000);
        // 1.5 s are written, the header vouches for the first.
        let reader = WavReader::open(&path).unwrap();
        assert_eq!((reader.duration(), reader.spec().channels), (16_000, 2));
        writer.finish().unwrap();
        let samples: Vec<i16> = WavReader::open(&path).unwrap().into_samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 48_000);
        assert_eq!(samples[..4], [100, -100, 100, -100]);
        assert_eq!(samples[638..642], [100, 0, 100, -100], "the short channel is padded");
    }

    proptest! {
        #[test]
        fn bytes_from_anywhere_are_no_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
            if whole {
                let mut good = file(spec(1), 0.01);
                for (n, byte) in bytes.iter().enumerate().take(16) {
                    // Spoil the header in a few places.
                    good[(n * 7 + usize::from(*byte)) % 44] = *byte;
                }
                bytes = good;
            }
            let _ = read_wav_from(Cursor::new(bytes));
        }
    }
}
