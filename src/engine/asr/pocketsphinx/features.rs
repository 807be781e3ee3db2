//! An utterance's cepstra, and the mean of its channel.
//!
//! A line and a voice colour all that is said over it, and the acoustic model hears the difference from what it was trained
//! on unless the channel's mean is taken out. How well that mean is known decides how well it hears: a first word is too
//! short to know it by, and takes its own sound for the channel's. So the mean begins with one that is typical of the band and
//! moves towards what this call brings. Loudness alone is taken from the call at once: it differs from line to line, and a
//! word says it. Only frames of speech count: a pause says nothing about the voice.
//!
//! Who reads slowly draws out vowels, and a long vowel that is not quite the model's outweighs all the consonants that tell one
//! phrase from another. So phrases are compared with the sound's steady parts shortened: every second frame is left out unless
//! something changes in it ([`Pace::Brisk`]).

use super::band::{Band, NarrowBand, Shaper};
use super::ffi::{CEPSTRA, Cepstrum, Frontend};
use crate::audio::bandwidth::BandModel;
use std::sync::Arc;

/// Frames of speech as which the typical mean counts.
const TYPICAL: f32 = 60.0;
/// A frame whose loudness is this far below that of the utterance's loud frames is no speech.
const SOFT: f32 = 25.0;
/// Frames as which the call's earlier utterances count at most: five seconds.
const MEMORY: f32 = 500.0;
/// A frame that differs from the one before by less than this, all cepstra together, is a steady sound's. At 70 the median of
/// speech is 57, and three frames of five are kept.
const STEADY: f32 = 70.0;
/// Samples given to the front end at a time.
const PIECE: usize = 1600;
/// Amplitude of the noise that is added: digital silence is like nothing that an acoustic model was trained on, and colours
/// the first and last sounds of a word beside it. 70 dB below a voice.
const NOISE: f32 = 3.0;

/// What is typical of a band: means of the cepstra of speech. From the tuning half of the sets in `docs/engines.md`
/// (50 people, each utterance counted once).
const WIDE: Cepstrum = [61.3, 5.1, 6.2, 5.1, -9.0, -3.7, -4.4, -2.9, -5.1, 1.1, 2.2, 2.7, 3.4];
const FOLDED: Cepstrum = [59.9, 13.1, -3.6, 11.7, -8.1, -12.5, 9.2, -17.4, 6.0, -3.7, 0.8, 8.3, -2.9];
const LEARNED: Cepstrum = [61.8, 6.2, 3.7, 7.9, -11.0, -3.4, -2.7, -7.0, 1.2, -5.6, 8.0, -1.2, 5.7];
const PLAIN: Cepstrum = [54.2, 31.8, -30.6, 42.4, -37.5, 10.8, -4.6, -14.1, 11.9, -15.6, 14.8, -4.1, 5.2];
/// For a model that looks no higher than a telephone line.
const TELEPHONE: Cepstrum = [55.3, 0.2, -0.8, -3.1, -2.3, -1.4, -1.3, -0.5, -0.7, -0.7, -0.8, -0.5, -0.3];
/// By how much the mean of speech differs from that of whole utterances, with their pauses, which the acoustic model was
/// trained to have taken out.
const PAUSES: Cepstrum = [10.6, 2.7, 1.3, 1.9, -3.1, -1.8, -1.5, -1.0, -0.7, 1.1, 1.1, 1.2, 1.2];
const TELEPHONE_PAUSES: Cepstrum = [14.0, 2.0, 0.0, -1.0, -0.7, -0.4, -0.3, -0.1, -0.2, -0.2, -0.2, -0.2, -0.1];

/// A sum over frames of speech.
#[derive(Clone, Copy, Default)]
struct Sum {
    frames: f32,
    cepstra: Cepstrum,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.cepstra.iter_mut().zip(other.cepstra).for_each(|(sum, more)| *sum += more);
    }

    /// Makes it count as at most `frames`.
    fn limit(&mut self, frames: f32) {
        if self.frames > frames {
            let share = frames / self.frames;
            self.frames = frames;
            self.cepstra.iter_mut().for_each(|sum| *sum *= share);
        }
    }
}

/// How an utterance's frames are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// All of them.
    Spoken,
    /// Steady sounds at twice their speed.
    Brisk,
}

/// The cepstra of the utterance that is heard, and what is known of the channel.
pub(super) struct Features {
    frontend: Frontend,
    shaper: Shaper,
    how: NarrowBand,
    /// The model looks no higher than a telephone line.
    narrow: bool,
    band: Band,
    /// Samples of the utterance that the front end took in.
    taken: usize,
    cepstra: Vec<Cepstrum>,
    /// Those that are given at a brisk pace, in order.
    brisk: Vec<usize>,
    /// Speech of the call's earlier utterances in this band.
    earlier: Sum,
    mean: Cepstrum,
    shaped: Vec<i16>,
}

impl Features {
    /// For a model with these options of the library, which is `narrow` or not; what is done for calls without an upper band.
    pub fn new(
        options: &[(&str, &str)],
        how: NarrowBand,
        narrow: bool,
        extension: &Arc<BandModel>,
    ) -> Result<Self, String> {
        Ok(Self {
            frontend: Frontend::new(options)?,
            shaper: Shaper::new(how, Arc::clone(extension)),
            how,
            narrow,
            band: Band::Unknown,
            taken: 0,
            cepstra: Vec::new(),
            brisk: Vec::new(),
            earlier: Sum::default(),
            mean: [0.0; CEPSTRA],
            shaped: Vec::new(),
        })
    }

    /// Makes the cepstra of all of `audio`, an utterance of this band, that can be had; what was made is kept. The learned
    /// extension lags 42 ms behind, which an utterance that ends with a pause does not miss.
    /// True when all was made anew because the band has become known, or another.
    pub fn take(&mut self, band: Band, audio: &[i16]) -> Result<bool, String> {
        let changed = band != Band::Unknown && band != self.band;
        if changed {
            // What was learned of the channel through another filter is of no use.
            self.restart();
            self.earlier = Sum::default();
            self.band = band;
        }
        let ready = self.shaper.ready(self.band, audio);
        while self.taken < ready {
            let end = (self.taken + PIECE).min(ready);
            self.shaper.copy(self.band, audio, self.taken, end, &mut self.shaped);
            roughen(&mut self.shaped, self.taken);
            self.frontend.process(&self.shaped, &mut self.cepstra)?;
            self.taken = end;
        }
        look(&self.cepstra, &mut self.brisk);
        Ok(changed)
    }

    /// Measures the channel on the utterance as far as it was taken.
    pub fn measure(&mut self) {
        let mut sum = speech(&self.cepstra);
        sum.add(&self.earlier);
        let (typical, pauses) = match (self.band, self.how) {
            _ if self.narrow => (&TELEPHONE, &TELEPHONE_PAUSES),
            (Band::Narrow, NarrowBand::Learned) => (&LEARNED, &PAUSES),
            (Band::Narrow, NarrowBand::Folded) => (&FOLDED, &PAUSES),
            (Band::Narrow, NarrowBand::Plain) => (&PLAIN, &PAUSES),
            (Band::Wide | Band::Unknown, _) => (&WIDE, &PAUSES),
        };
        self.mean = mean(&sum, typical, pauses);
    }

    /// How many frames there are.
    pub fn len(&self, pace: Pace) -> usize {
        match pace {
            Pace::Spoken => self.cepstra.len(),
            Pace::Brisk => self.brisk.len(),
        }
    }

    /// The frames `from..to` with the channel's mean taken out.
    pub fn copy(&self, pace: Pace, from: usize, to: usize, out: &mut Vec<Cepstrum>) {
        let clean = |frame: &Cepstrum| std::array::from_fn(|index| frame[index] - self.mean[index]);
        out.clear();
        match pace {
            Pace::Spoken => out.extend(self.cepstra.get(from..to).unwrap_or_default().iter().map(clean)),
            Pace::Brisk => {
                let kept = self.brisk.get(from..to).unwrap_or_default();
                out.extend(kept.iter().filter_map(|at| self.cepstra.get(*at)).map(clean));
            }
        }
    }

    /// The utterance's beginning was dropped.
    pub fn restart(&mut self) {
        self.shaper.restart();
        self.frontend.restart();
        self.cepstra.clear();
        self.brisk.clear();
        self.taken = 0;
    }

    /// The utterance is over: what it said about the channel is kept.
    pub fn finish(&mut self) {
        let speech = speech(&self.cepstra);
        self.earlier.add(&speech);
        self.earlier.limit(MEMORY);
        self.restart();
    }
}

/// Finds which of the new frames are given at a brisk pace. What is taken out of all frames makes no difference to it.
fn look(cepstra: &[Cepstrum], brisk: &mut Vec<usize>) {
    // Of two frames one is kept at the least: the one after the last that was kept may be looked at again.
    let next = brisk.last().map_or(0, |last| last + 1);
    for (at, frame) in cepstra.iter().enumerate().skip(next) {
        let keep = match brisk.last() {
            Some(&last) if at - last == 1 => cepstra.get(last).is_none_or(|last| distance(last, frame) > STEADY),
            _ => true,
        };
        if keep {
            brisk.push(at);
        }
    }
}

/// How far two frames are from one another.
fn distance(one: &Cepstrum, other: &Cepstrum) -> f32 {
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum()
}

/// Adds noise to the samples that begin at `first` of the utterance: always the same, so that it is heard the same again.
fn roughen(samples: &mut [i16], first: usize) {
    for (sample, at) in samples.iter_mut().zip(first as u64..) {
        // SplitMix64 of the place; the sum of its four parts is nearly normal, with a deviation of 0.577 of 2^16.
        let mut bits = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let sum: u32 = (0..4).map(|part| (bits >> (16 * part)) as u32 & 0xffff).sum();
        let normal = (sum as f32 - 131_070.0) / 37_837.0;
        *sample = (f32::from(*sample) + NOISE * normal).round() as i16; // saturates
    }
}

/// The frames of speech.
fn speech(cepstra: &[Cepstrum]) -> Sum {
    // Below zero there is no sound at all.
    let mut loudness: Vec<f32> = cepstra.iter().map(|frame| frame[0]).filter(|loud| *loud >= 0.0).collect();
    loudness.sort_by(f32::total_cmp);
    let mut sum = Sum::default();
    let Some(loud) = loudness.get(loudness.len() * 19 / 20) else { return sum };
    for frame in cepstra.iter().filter(|frame| frame[0] >= 0.0 && frame[0] > loud - SOFT) {
        sum.add(&Sum { frames: 1.0, cepstra: *frame });
    }
    sum
}

/// The mean to take out: of what was heard and of what is typical, but for loudness, of which nothing is.
fn mean(heard: &Sum, typical: &Cepstrum, pauses: &Cepstrum) -> Cepstrum {
    std::array::from_fn(|index| {
        let weight = if index == 0 { 0.0 } else { TYPICAL };
        let frames = heard.frames + weight;
        let mean =
            if frames > 0.0 { (heard.cepstra[index] + weight * typical[index]) / frames } else { typical[index] };
        mean - pauses[index]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(loudness: f32, other: f32, count: usize) -> Vec<Cepstrum> {
        let frame = std::array::from_fn(|index| if index == 0 { loudness } else { other });
        vec![frame; count]
    }

    #[test]
    fn pauses_and_silence_are_no_speech() {
        let all = [frames(-46.0, 0.0, 50), frames(60.0, 4.0, 30), frames(20.0, -9.0, 40)].concat();
        let sum = speech(&all);
        assert_eq!((sum.frames, sum.cepstra[0], sum.cepstra[5]), (30.0, 1800.0, 120.0));
        assert_eq!(speech(&frames(-46.0, 0.0, 9)).frames, 0.0);
    }

    #[test]
    fn a_word_moves_the_mean_a_little_and_a_call_all_the_way() {
        let near = |a: f32, b: f32| (a - b).abs() < 0.5;
        let after = |count| mean(&speech(&frames(40.0, 30.0, count)), &WIDE, &PAUSES);
        let (none, word, call) = (mean(&Sum::default(), &WIDE, &PAUSES), after(20), after(3000));
        assert!(near(none[0], WIDE[0] - PAUSES[0]) && near(none[3], WIDE[3] - PAUSES[3]), "{none:?}");
        assert!(near(word[0], 40.0 - PAUSES[0]), "loudness is the call's own at once: {word:?}");
        assert!(near(word[3], WIDE[3] + (30.0 - WIDE[3]) / 4.0 - PAUSES[3]), "{word:?}");
        assert!(near(call[3], 30.0 - PAUSES[3]), "{call:?}");
    }

    #[test]
    fn silence_gets_a_noise_that_is_the_same_in_any_pieces() {
        let mut whole = vec![0i16; 16_000];
        roughen(&mut whole, 0);
        let power = whole.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / 16_000.0;
        let mean = whole.iter().map(|s| f32::from(*s)).sum::<f32>() / 16_000.0;
        assert!((power.sqrt() - NOISE).abs() < 0.2 && mean.abs() < 0.1, "{} {mean}", power.sqrt());
        let mut part = vec![0i16; 700];
        roughen(&mut part, 9000);
        assert_eq!(part, whole[9000..9700]);
        let mut loud = [i16::MAX, i16::MIN];
        roughen(&mut loud, 3);
        assert!(loud[0] > 32_000 && loud[1] < -32_000);
    }

    #[test]
    fn steady_sounds_are_brisk_and_changes_are_kept() {
        let mut brisk = Vec::new();
        let frame = |sound: f32| -> Cepstrum { std::array::from_fn(|index| if index == 1 { sound } else { 0.0 }) };
        // Ten frames of a vowel, then a sound that changes with every frame.
        let mut frames = vec![frame(10.0); 10];
        frames.extend((0..5).map(|at| frame(100.0 + 80.0 * at as f32)));
        for end in [3, 4, 15] {
            look(frames.get(..end).unwrap(), &mut brisk);
        }
        assert_eq!(brisk, [0, 2, 4, 6, 8, 10, 11, 12, 13, 14], "however it comes in");
    }

    #[test]
    fn what_was_heard_long_ago_counts_less() {
        let mut sum = speech(&frames(50.0, 2.0, 1000));
        sum.limit(MEMORY);
        assert_eq!((sum.frames, sum.cepstra[1]), (MEMORY, 2.0 * MEMORY));
        sum.limit(2.0 * MEMORY);
        assert_eq!(sum.frames, MEMORY);
    }
}
