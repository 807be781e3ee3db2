//! What a remote voice sends, as 16 kHz frames while it arrives: raw samples or a WAV file that is still being written.

use crate::audio::{FRAME_SAMPLES, RateConverter, SAMPLE_RATE_HZ, SAMPLES_PER_MS, Samples};

/// Most bytes of a WAV header before its samples begin.
const MAX_HEADER: usize = 64 << 10;
/// Length of the windows in which silence is looked for: 5 ms.
const WINDOW: usize = 5 * SAMPLES_PER_MS as usize;
/// Quieter than this mean square is silence: -54 dBFS.
const SILENCE: i64 = 65 * 65;
/// Silence left before the first sound and after the last one, in samples: 10 and 40 ms.
const LEAD: usize = 10 * SAMPLES_PER_MS as usize;
const TAIL: usize = 40 * SAMPLES_PER_MS as usize;
/// A pause within a piece is held back for so long, in samples, in case it is the end: 1.5 s. Sound comes faster than it is
/// heard, so that nobody waits for it.
const HOLD: usize = 1_500 * SAMPLES_PER_MS as usize;

/// One piece of a line on its way from bytes to frames.
pub(in crate::engine) struct Sound {
    form: Form,
    /// Bytes that are not whole samples yet, or not yet known to be samples.
    bytes: Vec<u8>,
    rate: Option<RateConverter>,
    raw_rate_hz: u32,
    gain: f32,
    trim: Trim,
    frame: Vec<i16>,
    given: u64,
}

enum Form {
    /// The first bytes tell.
    Unknown,
    Raw,
    Wav {
        channels: usize,
        /// Bytes of samples that must still come; none where the header does not say.
        left: Option<usize>,
    },
}

impl Sound {
    /// Raw samples come at `raw_rate_hz`, mono, 16 bit, low byte first; a WAV file says itself what it is. Samples are
    /// multiplied by `gain`.
    pub fn new(raw_rate_hz: u32, gain: f32) -> Self {
        Self {
            form: Form::Unknown,
            bytes: Vec::new(),
            rate: None,
            raw_rate_hz,
            gain,
            trim: Trim::default(),
            frame: Vec::with_capacity(FRAME_SAMPLES),
            given: 0,
        }
    }

    /// Takes bytes and appends the frames that are whole.
    ///
    /// # Errors
    /// What the bytes are instead of sound.
    pub fn push(&mut self, bytes: &[u8], frames: &mut Vec<Samples>) -> Result<(), String> {
        self.bytes.extend_from_slice(bytes);
        if matches!(self.form, Form::Unknown) && !self.begin()? {
            return Ok(());
        }
        self.convert(frames)
    }

    /// The end of the bytes: gives the rest, then `pause_ms` of silence, in whole frames.
    ///
    /// # Errors
    /// The sound was cut off, or there was none.
    pub fn finish(&mut self, pause_ms: u32, frames: &mut Vec<Samples>) -> Result<(), String> {
        if matches!(self.form, Form::Unknown) {
            match self.bytes.first_chunk() {
                Some(b"RIFF") => return Err("the sound was cut off within its header".to_owned()),
                _ => self.raw()?,
            }
            self.convert(frames)?;
        }
        if matches!(self.form, Form::Wav { left: Some(1..), .. }) {
            return Err("the sound was cut off before its end".to_owned());
        }
        let mut samples = Vec::new();
        if let Some(rate) = &mut self.rate {
            rate.finish(&mut samples);
        }
        let mut shaped = Vec::new();
        self.trim.push(&samples, &mut shaped);
        if !self.trim.finish(&mut shaped) {
            return Err("the server gave no sound".to_owned());
        }
        shaped.resize(shaped.len() + pause_ms as usize * SAMPLES_PER_MS as usize, 0);
        self.emit(&shaped, frames);
        if !self.frame.is_empty() {
            self.frame.resize(FRAME_SAMPLES, 0);
            self.emit(&[], frames);
        }
        Ok(())
    }

    /// Finds out what it is. False: too early to tell.
    fn begin(&mut self) -> Result<bool, String> {
        let Some(head) = self.bytes.first_chunk::<4>() else { return Ok(false) };
        let other = match head {
            b"RIFF" => return self.wav(),
            b"OggS" => "Ogg",
            b"fLaC" => "FLAC",
            [b'I', b'D', b'3', _] => "MP3",
            [0x1a, 0x45, 0xdf, 0xa3] => "WebM",
            _ => return self.raw().map(|()| true),
        };
        Err(format!("the server sends {other}, not the pcm or wav that it was asked for"))
    }

    fn raw(&mut self) -> Result<(), String> {
        self.form = Form::Raw;
        self.set_rate(self.raw_rate_hz)
    }

    fn set_rate(&mut self, rate_hz: u32) -> Result<(), String> {
        self.rate = Some(RateConverter::new(rate_hz, SAMPLE_RATE_HZ).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Walks the chunks to the samples. False: they have not come yet.
    fn wav(&mut self) -> Result<bool, String> {
        let number = |at: usize, bytes: &[u8]| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let short = |at: usize, bytes: &[u8]| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let mut at: usize = 12;
        let mut format = None;
        loop {
            if at > MAX_HEADER {
                return Err("the server sends a WAV file without samples".to_owned());
            }
            let (Some(name), Some(length)) =
                (self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()), number(at + 4, &self.bytes))
            else {
                return Ok(false);
            };
            let body = at + 8;
            match name {
                b"fmt " => {
                    let (Some(kind), Some(channels), Some(rate), Some(bits)) = (
                        short(body, &self.bytes),
                        short(body + 2, &self.bytes),
                        number(body + 4, &self.bytes),
                        short(body + 14, &self.bytes),
                    ) else {
                        return Ok(false);
                    };
                    if !matches!((kind, bits, channels), (1 | 0xfffe, 16, 1..=8)) {
                        return Err(format!(
                            "the server sends a WAV file of kind {kind} with {bits} bits; 16 are known"
                        ));
                    }
                    format = Some((usize::from(channels), rate));
                }
                b"data" => {
                    let Some((channels, rate)) = format else {
                        return Err("the server sends a WAV file that does not say what it is".to_owned());
                    };
                    // A file that is written while it is sent does not know its length.
                    let known = (1..0x7fff_0000).contains(&length);
                    self.form = Form::Wav { channels, left: known.then_some(length as usize) };
                    self.bytes.drain(..body);
                    self.set_rate(rate)?;
                    return Ok(true);
                }
                _ => {}
            }
            at = body.saturating_add(length as usize).saturating_add(length as usize % 2);
        }
    }

    fn convert(&mut self, frames: &mut Vec<Samples>) -> Result<(), String> {
        let (channels, most) = match &self.form {
            Form::Unknown => return Ok(()),
            Form::Raw => (1, usize::MAX),
            Form::Wav { channels, left } => (*channels, left.unwrap_or(usize::MAX)),
        };
        let width = 2 * channels;
        let take = self.bytes.len().min(most) / width * width;
        let gain = self.gain;
        let mono = |group: &[u8]| {
            let sum: i32 = group.as_chunks::<2>().0.iter().map(|pair| i32::from(i16::from_le_bytes(*pair))).sum();
            (sum as f32 / channels as f32 * gain).round() as i16
        };
        let samples: Vec<i16> = self.bytes.get(..take).unwrap_or_default().chunks_exact(width).map(mono).collect();
        self.bytes.drain(..take);
        if let Form::Wav { left: Some(left), .. } = &mut self.form {
            *left -= take;
            // An odd rest, or what follows the samples.
            if *left < width {
                *left = 0;
                self.bytes.clear();
            }
        }
        let mut converted = Vec::new();
        if let Some(rate) = &mut self.rate {
            rate.push(&samples, &mut converted);
        }
        let mut shaped = Vec::new();
        self.trim.push(&converted, &mut shaped);
        self.emit(&shaped, frames);
        Ok(())
    }

    fn emit(&mut self, samples: &[i16], frames: &mut Vec<Samples>) {
        self.frame.extend_from_slice(samples);
        let (whole, rest) = self.frame.as_chunks::<FRAME_SAMPLES>();
        frames.extend_from_slice(whole);
        self.given += whole.len() as u64;
        let rest = rest.to_vec();
        self.frame = rest;
    }

    /// Frames given so far.
    pub const fn given(&self) -> u64 {
        self.given
    }
}

/// Takes the silence off both ends while the sound arrives.
#[derive(Default)]
struct Trim {
    begun: bool,
    window: Vec<i16>,
    held: Vec<i16>,
}

impl Trim {
    fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.window.extend_from_slice(samples);
        let window = std::mem::take(&mut self.window);
        let chunks = window.chunks_exact(WINDOW);
        self.window = chunks.remainder().to_vec();
        chunks.for_each(|chunk| self.take(chunk, out));
    }

    fn take(&mut self, chunk: &[i16], out: &mut Vec<i16>) {
        let energy: i64 = chunk.iter().map(|s| i64::from(*s).pow(2)).sum();
        let sound = energy > SILENCE * chunk.len() as i64;
        if !sound {
            self.held.extend_from_slice(chunk);
            if self.begun && self.held.len() > HOLD {
                out.append(&mut self.held);
            } else if !self.begun && self.held.len() > LEAD {
                let surplus = self.held.len() - LEAD;
                self.held.drain(..surplus);
            }
            return;
        }
        if !std::mem::replace(&mut self.begun, true) {
            out.resize(out.len() + LEAD.saturating_sub(self.held.len()), 0);
        }
        out.append(&mut self.held);
        out.extend_from_slice(chunk);
    }

    /// Whether there was any sound.
    fn finish(&mut self, out: &mut Vec<i16>) -> bool {
        let rest = std::mem::take(&mut self.window);
        self.take(&rest, out);
        self.held.truncate(TAIL);
        if self.begun {
            out.append(&mut self.held);
        }
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(ms: usize, rate: usize) -> impl Iterator<Item = i16> {
        (0..ms * rate / 1000).map(|n| ((n as f64 * 0.2).sin() * 9000.0) as i16)
    }

    fn bytes(samples: impl Iterator<Item = i16>) -> Vec<u8> {
        samples.flat_map(i16::to_le_bytes).collect()
    }

    fn wav(length: u32, rate: u32, channels: u16, bits: u16, samples: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\xff\xff\xff\xffWAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0".to_vec();
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend(length.to_le_bytes());
        file.extend(samples);
        file
    }

    fn sound(bytes: &[u8], piece: usize) -> Result<Vec<i16>, String> {
        let mut sound = Sound::new(24_000, 1.0);
        let mut frames = Vec::new();
        for part in bytes.chunks(piece) {
            sound.push(part, &mut frames)?;
        }
        sound.finish(100, &mut frames)?;
        assert_eq!(sound.given(), frames.len() as u64);
        Ok(frames.concat())
    }

    #[test]
    fn raw_samples_come_out_trimmed_at_16_khz_however_they_are_cut() {
        let silence = |ms: usize| std::iter::repeat_n(0, ms * 24);
        let sent = bytes(
            silence(400).chain(tone(500, 24_000)).chain(silence(200)).chain(tone(300, 24_000)).chain(silence(500)),
        );
        let whole = sound(&sent, sent.len()).unwrap();
        for piece in [1, 7, 960] {
            assert_eq!(sound(&sent, piece).unwrap(), whole);
        }
        let ms = whole.len() / 16;
        // 10 of silence, 500, a pause of 200 within, 300, 40 and the 100 that follow a sentence; in whole frames.
        assert!((1140..1190).contains(&ms), "{ms} ms");
        assert!(whole[..130].iter().all(|s| s.abs() < 200) && whole[300..600].iter().any(|s| s.abs() > 5000));
    }

    #[test]
    fn a_wav_file_says_what_it_is() {
        let mono = bytes(tone(400, 16_000));
        let stereo: Vec<u8> = tone(400, 16_000).flat_map(|s| [s, s]).flat_map(i16::to_le_bytes).collect();
        for file in [
            wav(mono.len() as u32, 16_000, 1, 16, &mono),
            wav(0xffff_ffff, 16_000, 1, 16, &mono),
            wav(0, 16_000, 1, 16, &mono),
            wav(stereo.len() as u32, 16_000, 2, 16, &stereo),
        ] {
            for piece in [1, 13, file.len()] {
                let ms = sound(&file, piece).unwrap().len() / 16;
                assert!((520..=570).contains(&ms), "{ms} ms");
            }
        }
    }

    #[test]
    fn what_is_no_sound_or_not_all_of_it_is_told() {
        let mono = bytes(tone(400, 16_000));
        let cut = wav(2 * mono.len() as u32, 16_000, 1, 16, &mono);
        for (sent, expected) in [
            (cut.as_slice(), "cut off before"),
            (&cut[..30], "cut off within"),
            (b"ID3\x04 and so on", "MP3"),
            (b"OggS\0\0\0\0", "Ogg"),
            (&wav(8, 16_000, 1, 24, &[0; 8]), "24 bits"),
            (&[0; 9600], "no sound"),
            (b"", "no sound"),
        ] {
            let error = sound(sent, 5).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(head in any::<bool>(), sent in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..40) {
            let mut bytes = if head { b"RIFF1234WAVE".to_vec() } else { Vec::new() };
            bytes.extend(sent);
            let _ = sound(&bytes, piece);
        }
    }
}
