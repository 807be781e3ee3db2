//! Something that the caller says, with its first and last speech sample annotated.

use super::PhoneError;
use super::audible::{PIECE_SAMPLES, Piece};
use crate::audio::SAMPLES_PER_MS;
use crate::audio::level::AUDIBLE_DBFS;
use std::ops::Range;

/// Level under the loudest 5 ms at which a recording counts as speech: it follows the recording's own level, so that a
/// quiet recording is not taken for silence nor the room of a loud one for speech.
const BELOW_PEAK_DB: f32 = 35.0;
/// Runs of speech shorter than this are clicks when they stand at the beginning or the end.
const CLICK_PIECES: usize = 2;
/// What stands at the beginning or the end, this much softer than the loudest piece, no longer than 80 ms and with 100 ms of silence
/// between it and the speech, is breath: a diphone voice has 60 ms of it 200 ms before a "w".
const BREATH_DB: f32 = 20.0;
const BREATH_PIECES: usize = 16;
const BREATH_GAP_PIECES: usize = 20;

/// One thing to say: mono samples at 16 kHz and where in them the speech is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Utterance {
    samples: Vec<i16>,
    speech: Range<usize>,
    longest_pause: usize,
    text: Option<String>,
    name: String,
}

impl Utterance {
    /// Finds the speech in `samples` (16 kHz, mono): from the first to the last run of two 5 ms pieces that are audible both
    /// absolutely and against the recording's loudest piece. `name` is what to call it (a file, the words); `text` its words where
    /// they are known.
    ///
    /// # Errors
    /// [`PhoneError::Silent`] when there is none.
    pub fn annotate(samples: Vec<i16>, name: &str, text: Option<String>) -> Result<Self, PhoneError> {
        let pieces: Vec<Piece> = Piece::cut(&samples).collect();
        let peak = pieces.iter().map(|p| p.level_dbfs).fold(AUDIBLE_DBFS, f32::max);
        let floor = (peak - BELOW_PEAK_DB).max(AUDIBLE_DBFS);
        let is_speech = |window: &[Piece]| window.iter().all(|p| p.level_dbfs > floor);
        let runs = || pieces.windows(CLICK_PIECES);
        let silent = || PhoneError::Silent { what: name.to_owned(), dbfs: AUDIBLE_DBFS };
        let first = runs().position(is_speech).ok_or_else(silent)?;
        let last = runs().rposition(is_speech).ok_or_else(silent)? + CLICK_PIECES;
        let levels: Vec<f32> = pieces.get(first..last).unwrap_or(&[]).iter().map(|p| p.level_dbfs).collect();
        let (before, after) = (breath(levels.iter(), floor, peak), breath(levels.iter().rev(), floor, peak));
        let (first, last) = (first + before, last - after);
        let speech = first * PIECE_SAMPLES..(last * PIECE_SAMPLES).min(samples.len());
        let within = pieces.get(first..last).unwrap_or(&[]);
        let longest_pause =
            within.split(|p| p.level_dbfs > floor).map(<[Piece]>::len).max().unwrap_or(0) * PIECE_SAMPLES;
        Ok(Self { samples, speech, longest_pause, text, name: name.to_owned() })
    }

    /// Joins parts with silences: `parts` are utterances, each with the milliseconds of silence in front of its *speech*. What
    /// lies around the parts' speech is dropped, so the pauses are exact.
    ///
    /// # Errors
    /// [`PhoneError::Silent`] when there are no parts.
    pub fn join(parts: &[(u64, Self)], name: &str, text: Option<String>) -> Result<Self, PhoneError> {
        let mut samples = Vec::new();
        let mut speech = 0..0;
        let mut longest_pause = 0;
        for (pause_ms, part) in parts {
            samples.resize(samples.len() + (pause_ms * SAMPLES_PER_MS) as usize, 0);
            if speech.is_empty() {
                speech.start = samples.len();
            } else {
                longest_pause = longest_pause.max((pause_ms * SAMPLES_PER_MS) as usize);
            }
            longest_pause = longest_pause.max(part.longest_pause);
            samples.extend_from_slice(part.samples.get(part.speech.clone()).unwrap_or(&[]));
            speech.end = samples.len();
        }
        if speech.is_empty() {
            return Err(PhoneError::Silent { what: name.to_owned(), dbfs: AUDIBLE_DBFS });
        }
        Ok(Self { samples, speech, longest_pause, text, name: name.to_owned() })
    }

    /// All samples, 16 kHz.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// The speech: index of its first sample to just after its last.
    pub fn speech(&self) -> Range<usize> {
        self.speech.clone()
    }

    /// The longest stretch without an audible piece within the speech, in samples.
    pub fn longest_pause(&self) -> usize {
        self.longest_pause
    }

    /// The words, where they are known.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What to call it: the words or the file.
    pub fn name(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.name)
    }
}

/// How many of the pieces at the beginning are breath and the silence behind it, where the loudest piece has the level `peak`.
fn breath<'a>(levels: impl Iterator<Item = &'a f32>, floor: f32, peak: f32) -> usize {
    let (mut silence, mut until) = (0, 0);
    for (index, level) in levels.enumerate() {
        if *level <= floor {
            silence += 1;
            continue;
        }
        if silence >= BREATH_GAP_PIECES {
            // What came before the silence was breath; what begins here may be more of it.
            until = index;
        }
        silence = 0;
        if index - until >= BREATH_PIECES || *level > peak - BREATH_DB {
            break;
        }
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, amplitude: i16) -> impl Iterator<Item = i16> {
        (0..samples).map(move |i| if i % 16 < 8 { amplitude } else { -amplitude })
    }

    #[test]
    fn finds_the_speech_to_the_piece() {
        let mut samples = vec![3i16; 1600];
        samples.extend(tone(3200, 8000));
        samples.extend(vec![0; 4000]);
        samples.extend(tone(1600, 700));
        samples.extend(vec![2; 2400]);
        let found = Utterance::annotate(samples, "test", None).unwrap();
        assert_eq!(found.speech(), 1600..10_400);
        assert_eq!(found.longest_pause(), 4000);
    }

    #[test]
    fn room_noise_of_a_loud_recording_is_no_speech() {
        // Noise at -47 dBFS, audible by itself, under speech at -6.
        let mut samples: Vec<i16> = tone(1600, 146).collect();
        samples.extend(tone(1600, 16_000));
        samples.extend(tone(1600, 146));
        let found = Utterance::annotate(samples, "test", None).unwrap();
        assert_eq!(found.speech(), 1600..3200);
    }

    #[test]
    fn a_quiet_recording_is_speech_and_silence_is_an_error() {
        let found = Utterance::annotate(tone(1600, 160).collect(), "test", None).unwrap();
        assert_eq!(found.speech(), 0..1600);
        for silence in [vec![], vec![0; 1600], vec![1; 1600]] {
            assert!(matches!(Utterance::annotate(silence, "test", None), Err(PhoneError::Silent { .. })));
        }
    }

    #[test]
    fn clicks_at_the_edges_are_no_speech() {
        let mut samples = vec![0i16; 800];
        samples[40] = 20_000;
        samples.extend(tone(1600, 8000));
        samples.extend(vec![0; 800]);
        samples[3000] = 20_000;
        let found = Utterance::annotate(samples, "test", None).unwrap();
        assert_eq!(found.speech(), 800..2400);
    }

    #[test]
    fn breath_before_and_after_is_no_speech_but_a_soft_beginning_is() {
        let breathed = |gap: usize| {
            let mut samples: Vec<i16> = tone(960, 160).collect();
            samples.extend(vec![0; gap]);
            samples.extend(tone(8000, 4000));
            samples.extend(vec![0; gap]);
            samples.extend(tone(960, 160));
            Utterance::annotate(samples, "test", None).unwrap().speech()
        };
        assert_eq!(breathed(2720), 3680..11_680, "60 ms, 28 dB softer, 170 ms before");
        assert_eq!(breathed(960), 0..11_840, "a closure of 60 ms is part of a word");
        // 200 ms of it are words, and so is what is not so soft.
        for (samples, amplitude) in [(3200, 160), (960, 600)] {
            let mut soft: Vec<i16> = tone(samples, amplitude).collect();
            soft.extend(vec![0; 2720]);
            soft.extend(tone(8000, 4000));
            assert_eq!(Utterance::annotate(soft, "test", None).unwrap().speech().start, 0);
        }
    }

    #[test]
    fn joined_parts_have_exact_pauses() {
        let part = |lead: usize| {
            let samples =
                std::iter::repeat_n(0, lead).chain(tone(800, 9000)).chain(std::iter::repeat_n(0, 800)).collect();
            Utterance::annotate(samples, "part", None).unwrap()
        };
        let joined = Utterance::join(&[(0, part(160)), (300, part(480))], "both", Some("a b".into())).unwrap();
        assert_eq!(joined.samples().len(), 800 + 4800 + 800);
        assert_eq!((joined.speech(), joined.longest_pause()), (0..6400, 4800));
        assert!(joined.samples()[800..5600].iter().all(|&s| s == 0));
        assert_eq!(joined.name(), "a b");
    }
}
