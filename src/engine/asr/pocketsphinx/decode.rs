//! One call's decoding: audio in, what was understood out.
//!
//! PocketSphinx subtracts the mean cepstrum of the channel, and how well it knows that mean decides how well it hears: with
//! the mean that the model came with it gets 8 of 67 phrases in telephone band, with the caller's own 48. Within an utterance
//! it never updates it, and a call has no earlier one. So the utterance's audio is kept, and whenever what is known of the
//! channel has doubled, and at the end when there is something new, the mean is measured on it (a pass with a grammar
//! of silence costs next to nothing) and the utterance is decoded again from its beginning. After some seconds of
//! speech the mean has settled and every utterance is decoded once.

use super::Model;
use super::band::{Band, BandMeter, Shaper};
use super::confidence::{Understood, understand};
use super::ffi::{Decoder, Segment};
use super::grammar::{Grammar, LANGUAGE_WEIGHT};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime};
use crate::engine::asr::level::SpeechLevel;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Samples decoded in one step.
const STEP: usize = 1600;
/// Audio that is kept before speech begins: the gate's onset lies some way into the first word.
const PRE_ROLL: usize = 8000;
/// Longest stretch that is decoded as one; a longer utterance is put together from several.
const MAX_AUDIO: usize = 20 * 16_000;
/// Text of the earlier stretches of an utterance that is kept, in bytes.
const MAX_EARLIER: usize = 4096;
/// Speech after which the channel's mean is measured for the first time.
const FIRST_ESTIMATE: usize = 4800;
/// Speech after which it has settled.
const SETTLED: usize = 5 * 16_000;
/// How often the mean is measured on the same speech: to the library what it knew before counts as five seconds, and a
/// first word is short.
const MEASURES: usize = 3;
/// Samples without speech that make a pause.
const PAUSE: usize = 3 * FRAME_SAMPLES;
/// Grammars that a decoder keeps compiled.
const GRAMMARS: usize = 8;
/// Name of the grammar with which the channel is measured.
const SILENCE: &str = "silence";
const SILENCE_GRAMMAR: &str =
    "FSG_BEGIN silence\nNUM_STATES 1\nSTART_STATE 0\nFINAL_STATE 0\nTRANSITION 0 0 1 <sil>\nFSG_END\n";

/// A decoder and the utterance that it hears.
pub(super) struct Decoding {
    decoder: Decoder,
    words: BTreeSet<String>,
    /// Compiled grammars by number, the one used last at the back.
    grammars: VecDeque<u64>,
    meter: BandMeter,
    level: SpeechLevel,
    /// Speech of this call that the channel's mean was measured on, in samples; settles at [`SETTLED`].
    known: usize,
    /// Samples since the last speech.
    quiet: usize,
    utterance: Utterance,
    shaper: Shaper,
    shaped: Vec<i16>,
}

#[derive(Default)]
struct Utterance {
    audio: Vec<i16>,
    /// Samples of it that hold speech, and those of them that the mean already includes.
    speech: usize,
    measured: usize,
    /// Samples given to the decoder in this pass.
    fed: usize,
    /// The band for which this pass is shaped.
    band: Band,
    pass: Pass,
    covers: MediaTime,
    /// What earlier stretches of a very long utterance said.
    earlier: Understood,
    /// The last final answer, valid while no speech follows it.
    answer: Option<Understood>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Pass {
    /// The decoder is not in an utterance.
    #[default]
    None,
    /// It is.
    Open,
}

impl Decoding {
    /// A decoder with a fresh state. Takes some tens of milliseconds: not for the caller's thread.
    pub fn new(model: &Model, grammar: (u64, Arc<Grammar>)) -> Result<Self, String> {
        let options = model.options();
        let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut decoder = Decoder::new(&options)?;
        decoder.set_grammar(SILENCE, SILENCE_GRAMMAR, 1.0)?;
        let mut new = Self {
            decoder,
            words: BTreeSet::new(),
            grammars: VecDeque::new(),
            meter: BandMeter::default(),
            level: SpeechLevel::default(),
            known: 0,
            quiet: 0,
            utterance: Utterance::default(),
            shaper: Shaper::new(model.narrow_band, Arc::clone(&model.extension)),
            shaped: Vec::new(),
        };
        new.expect(grammar)?;
        Ok(new)
    }

    /// Expects what this grammar holds; speech that is already there is decoded again with it.
    pub fn expect(&mut self, (id, grammar): (u64, Arc<Grammar>)) -> Result<(), String> {
        if self.grammars.back() == Some(&id) {
            return Ok(());
        }
        self.decoder.end();
        self.utterance.pass = Pass::None;
        self.utterance.answer = None;
        if let Some(at) = self.grammars.iter().position(|known| *known == id) {
            self.grammars.remove(at);
            self.grammars.push_back(id);
            return Ok(());
        }
        for (word, pronunciations) in &grammar.words {
            if self.words.insert(word.clone()) {
                for (index, phones) in pronunciations.iter().enumerate() {
                    let name = if index == 0 { word.clone() } else { format!("{word}({})", index + 1) };
                    self.decoder.add_word(&name, phones)?;
                }
            }
        }
        self.decoder.set_grammar(&name(id), &grammar.text, LANGUAGE_WEIGHT)?;
        self.decoder.select(&name(id))?;
        self.grammars.push_back(id);
        if self.grammars.len() > GRAMMARS
            && let Some(old) = self.grammars.pop_front()
        {
            self.decoder.forget(&name(old));
        }
        Ok(())
    }

    /// Whether speech was heard in this utterance.
    pub fn has_speech(&self) -> bool {
        self.utterance.speech > 0
    }

    /// Takes in a frame; decoding it is left to [`step`](Self::step).
    pub fn push(&mut self, frame: &AudioFrame) -> Result<(), String> {
        let speech = self.level.push(&frame.samples);
        self.meter.push(&frame.samples, speech);
        if self.utterance.audio.len() + FRAME_SAMPLES > MAX_AUDIO {
            self.split()?;
        }
        let utterance = &mut self.utterance;
        utterance.covers = frame.end();
        utterance.audio.extend_from_slice(&frame.samples);
        self.quiet = if speech { 0 } else { self.quiet + FRAME_SAMPLES };
        if speech {
            utterance.speech += FRAME_SAMPLES;
            utterance.answer = None;
        } else if utterance.speech == 0 && utterance.audio.len() > PRE_ROLL + STEP {
            utterance.audio.drain(..utterance.audio.len() - PRE_ROLL);
            self.shaper.restart();
        }
        Ok(())
    }

    /// Decodes a piece of what was pushed; true when there is more to do.
    pub fn step(&mut self) -> Result<bool, String> {
        if self.utterance.speech == 0 || self.utterance.answer.is_some() {
            return Ok(false);
        }
        // In a pause the answer may be asked for at any moment: what has to be decoded again for it is done now.
        let new = if self.quiet >= PAUSE { self.known / 4 } else { self.known.max(FIRST_ESTIMATE) };
        self.refresh(new.max(1), false)?;
        self.feed(false)
    }

    /// Decodes a piece of what was pushed as the last of the utterance so far: none while there is more to do, then the
    /// answer.
    pub fn finalize(&mut self) -> Result<Option<Understood>, String> {
        if self.utterance.speech == 0 {
            return Ok(Some(self.utterance.earlier.clone()));
        }
        if let Some(answer) = &self.utterance.answer {
            return Ok(Some(answer.clone()));
        }
        self.refresh((self.known / 4).max(1), true)?;
        if self.feed(true)? {
            return Ok(None);
        }
        let before = self.decoder.segments();
        self.decoder.end();
        self.utterance.pass = Pass::None;
        let mut path = self.decoder.segments();
        if path.is_empty() {
            path = before;
        }
        let answer = self.join(&path);
        self.utterance.answer = Some(answer.clone());
        Ok(Some(answer))
    }

    /// What is understood so far.
    pub fn partial(&mut self) -> Understood {
        if let Some(answer) = &self.utterance.answer {
            return answer.clone();
        }
        let path = if self.utterance.pass == Pass::Open { self.decoder.segments() } else { Vec::new() };
        self.join(&path)
    }

    /// Time just after the last sample pushed.
    pub fn covers(&self) -> MediaTime {
        self.utterance.covers
    }

    /// The utterance is over.
    pub fn finish(&mut self) {
        self.decoder.end();
        let mut audio = std::mem::take(&mut self.utterance.audio);
        audio.clear();
        audio.shrink_to(4 * 16_000);
        self.shaper.restart();
        self.utterance = Utterance { audio, covers: self.utterance.covers, ..Utterance::default() };
    }

    /// Begins the utterance's decoding anew when the channel's mean is to be measured because `new` samples of speech are
    /// not in it, when the band has become known, and when the last pass was ended. `closed` when no audio will follow.
    fn refresh(&mut self, new: usize, closed: bool) -> Result<(), String> {
        let utterance = &mut self.utterance;
        let unmeasured = utterance.speech - utterance.measured;
        let band = match self.meter.band() {
            Band::Unknown => utterance.band,
            known => known,
        };
        let stale = self.known < SETTLED && unmeasured >= new;
        if utterance.pass == Pass::Open && !stale && band == utterance.band {
            return Ok(());
        }
        self.decoder.end();
        utterance.band = band;
        utterance.fed = 0;
        if stale {
            utterance.measured = utterance.speech;
            self.known = (self.known + unmeasured).min(SETTLED);
            let ready = self.shaper.ready(band, &utterance.audio, closed);
            self.decoder.select(SILENCE)?;
            for _ in 0..MEASURES {
                self.decoder.start()?;
                for at in (0..ready).step_by(STEP) {
                    self.shaper.copy(band, &utterance.audio, at, (at + STEP).min(ready), &mut self.shaped);
                    self.decoder.process(&self.shaped)?;
                }
                self.decoder.end();
            }
        }
        if let Some(id) = self.grammars.back() {
            self.decoder.select(&name(*id))?;
        }
        self.decoder.start()?;
        self.utterance.pass = Pass::Open;
        Ok(())
    }

    /// Decodes the next step of what is there; true when there is more of it.
    fn feed(&mut self, closed: bool) -> Result<bool, String> {
        let Utterance { audio, fed, band, .. } = &mut self.utterance;
        let ready = self.shaper.ready(*band, audio, closed);
        let end = (*fed + STEP).min(ready);
        self.shaper.copy(*band, audio, *fed, end, &mut self.shaped);
        *fed = (*fed).max(end);
        self.decoder.process(&self.shaped)?;
        Ok(end < ready)
    }

    /// The utterance has become too long to be decoded as one: what was understood is kept, the audio is not.
    fn split(&mut self) -> Result<(), String> {
        let mut earlier = None;
        while earlier.is_none() {
            earlier = self.finalize()?;
        }
        let covers = self.utterance.covers;
        self.finish();
        self.utterance.covers = covers;
        self.utterance.earlier = earlier.filter(|e| e.text.len() < MAX_EARLIER).unwrap_or_default();
        Ok(())
    }

    fn join(&self, path: &[Segment]) -> Understood {
        let now = understand(path);
        let earlier = &self.utterance.earlier;
        match (earlier.text.is_empty(), now.text.is_empty()) {
            (true, _) => now,
            (_, true) => earlier.clone(),
            _ => Understood {
                text: format!("{} {}", earlier.text, now.text),
                confidence: earlier.confidence.min(now.confidence),
                evidence: now.evidence,
            },
        }
    }
}

fn name(id: u64) -> String {
    format!("g{id}")
}
