//! One call's decoding: audio in, what was understood out.
//!
//! The channel's mean (see [`super::features`]) is taken out of an utterance as a whole. So its cepstra are kept, and
//! whenever what is known of the channel has doubled, and at the end when there is something new, the utterance is decoded
//! again from its beginning. After some seconds of speech the mean has settled and every utterance is decoded once.
//!
//! An answer that is not sure is heard twice more: with the phrases alone and without giving up on any, and with no words
//! at all, only sounds. How much better any sounds fit than the best phrase says whether it was said.

use super::Model;
use super::band::BandMeter;
use super::confidence::{SURE, Understood, compare, understand};
use super::features::Features;
use super::ffi::{Cepstrum, Decoder, Segment};
use super::grammar::{Grammar, LANGUAGE_WEIGHT, sounds, sounds_text};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime};
use crate::engine::asr::level::SpeechLevel;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Frames of 10 ms decoded in one step; the phrases alone take less time.
const STEP: usize = 10;
const SECOND_STEP: usize = 30;
/// The longest utterance that is heard a second time, in frames: an expected phrase is short.
const SECOND_LIMIT: usize = 1000;
/// Frames that the library keeps for the change of the sound over time; given once more at the end.
const TRAIL: usize = 4;
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
/// Samples without speech that make a pause.
const PAUSE: usize = 3 * FRAME_SAMPLES;
/// Grammars that a decoder keeps compiled.
const GRAMMARS: usize = 8;
/// Name of the grammar that knows sounds and no words.
const SOUNDS: &str = "sounds";
/// How improbable a path may become against the best before it is given up. Wider than the library's defaults: a grammar is
/// small, and an accent is far from the model.
const BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-80), ("-pbeam", 1e-80), ("-wbeam", 1e-60), ("-lpbeam", 1e-60), ("-lponlybeam", 1e-60)];
/// For the phrases alone: a slow reader's phrase looks bad for seconds.
const WIDE_BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-200), ("-pbeam", 1e-200), ("-wbeam", 1e-200), ("-lpbeam", 1e-200), ("-lponlybeam", 1e-200)];

/// A decoder and the utterance that it hears.
pub(super) struct Decoding {
    decoder: Decoder,
    words: BTreeSet<String>,
    /// Compiled grammars by number, the one used last at the back, and whether there is one of the phrases alone, too.
    grammars: VecDeque<(u64, bool)>,
    meter: BandMeter,
    level: SpeechLevel,
    /// Speech of this call that the channel's mean was measured on, in samples; settles at [`SETTLED`].
    known: usize,
    /// Samples since the last speech.
    quiet: usize,
    utterance: Utterance,
    features: Features,
    frames: Vec<Cepstrum>,
}

#[derive(Default)]
struct Utterance {
    audio: Vec<i16>,
    /// Samples of it that hold speech, and those of them that the mean already includes.
    speech: usize,
    measured: usize,
    /// Frames given to the decoder in this pass.
    fed: usize,
    pass: Pass,
    covers: MediaTime,
    /// What earlier stretches of a very long utterance said.
    earlier: Understood,
    /// The last final answer, valid while no speech follows it.
    answer: Option<Understood>,
}

#[derive(PartialEq, Default)]
enum Pass {
    /// The decoder is not in an utterance.
    #[default]
    None,
    /// It hears the phrases among anything.
    Open,
    /// It hears the phrases alone, after this first answer.
    Alone(Understood),
    /// It hears sounds alone, after the first answer and this best path through the phrases.
    Sounds(Understood, Vec<Segment>),
}

impl Decoding {
    /// A decoder with a fresh state. Takes some tens of milliseconds: not for the caller's thread.
    pub fn new(model: &Model, grammar: (u64, Arc<Grammar>)) -> Result<Self, String> {
        let options = model.options();
        let mut new = Self {
            decoder: Decoder::new(&options)?,
            words: BTreeSet::new(),
            grammars: VecDeque::new(),
            meter: BandMeter::default(),
            level: SpeechLevel::default(),
            known: 0,
            quiet: 0,
            utterance: Utterance::default(),
            features: Features::new(model, &options)?,
            frames: Vec::new(),
        };
        new.decoder.set_beams(&WIDE_BEAMS)?;
        for (word, phone) in sounds() {
            new.decoder.add_word(&word, phone)?;
            new.words.insert(word);
        }
        new.decoder.set_grammar(SOUNDS, &sounds_text(), LANGUAGE_WEIGHT)?;
        new.expect(grammar)?;
        Ok(new)
    }

    /// Expects what this grammar holds; speech that is already there is decoded again with it.
    pub fn expect(&mut self, (id, grammar): (u64, Arc<Grammar>)) -> Result<(), String> {
        if self.grammars.back().is_some_and(|(last, _)| *last == id) {
            return Ok(());
        }
        self.decoder.end();
        self.utterance.pass = Pass::None;
        self.utterance.answer = None;
        if let Some(at) = self.grammars.iter().position(|(known, _)| *known == id)
            && let Some(known) = self.grammars.remove(at)
        {
            self.grammars.push_back(known);
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
        self.decoder.set_beams(&BEAMS)?;
        self.decoder.set_grammar(&name(id), &grammar.text, LANGUAGE_WEIGHT)?;
        if let Some(alone) = &grammar.alone {
            self.decoder.set_beams(&WIDE_BEAMS)?;
            self.decoder.set_grammar(&name_alone(id), alone, LANGUAGE_WEIGHT)?;
        }
        self.decoder.select(&name(id))?;
        self.grammars.push_back((id, grammar.alone.is_some()));
        if self.grammars.len() > GRAMMARS
            && let Some((old, alone)) = self.grammars.pop_front()
        {
            self.decoder.forget(&name(old));
            if alone {
                self.decoder.forget(&name_alone(old));
            }
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
        } else if utterance.speech == 0 && utterance.audio.len() > PRE_ROLL + PAUSE {
            utterance.audio.drain(..utterance.audio.len() - PRE_ROLL);
            self.features.restart();
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
        self.refresh(new.max(1))?;
        self.feed(STEP)
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
        if matches!(self.utterance.pass, Pass::None | Pass::Open) {
            self.refresh((self.known / 4).max(1))?;
            if self.feed(STEP)? {
                return Ok(None);
            }
            let first = understand(&self.close()?);
            return match self.grammars.back() {
                Some(&(id, true)) if first.confidence < SURE && self.features.len() <= SECOND_LIMIT => {
                    self.features.measure();
                    self.again(&name_alone(id), Pass::Alone(first))
                }
                _ => Ok(Some(self.answer(first))),
            };
        }
        if self.feed(SECOND_STEP)? {
            return Ok(None);
        }
        let pass = std::mem::take(&mut self.utterance.pass);
        let path = self.close()?;
        match pass {
            Pass::Alone(first) => self.again(SOUNDS, Pass::Sounds(first, path)),
            Pass::Sounds(first, phrases) => Ok(Some(self.answer(compare(first, &phrases, &path)))),
            Pass::None | Pass::Open => Ok(None),
        }
    }

    /// Begins to hear the utterance once more.
    fn again(&mut self, grammar: &str, pass: Pass) -> Result<Option<Understood>, String> {
        self.decoder.select(grammar)?;
        self.decoder.start()?;
        self.utterance.pass = pass;
        self.utterance.fed = 0;
        Ok(None)
    }

    fn answer(&mut self, now: Understood) -> Understood {
        let answer = self.join(now);
        self.utterance.answer = Some(answer.clone());
        answer
    }

    /// Ends the pass; its best path.
    fn close(&mut self) -> Result<Vec<Segment>, String> {
        let last = self.features.len();
        self.features.copy(last.saturating_sub(1), last, &mut self.frames);
        for _ in 0..TRAIL {
            self.decoder.process(&mut self.frames)?;
        }
        let before = self.decoder.segments();
        self.decoder.end();
        self.utterance.pass = Pass::None;
        let path = self.decoder.segments();
        Ok(if path.is_empty() { before } else { path })
    }

    /// What is understood so far.
    pub fn partial(&mut self) -> Understood {
        if let Some(answer) = &self.utterance.answer {
            return answer.clone();
        }
        let path = if self.utterance.pass == Pass::Open { self.decoder.segments() } else { Vec::new() };
        self.join(understand(&path))
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
        self.features.finish();
        self.utterance = Utterance { audio, covers: self.utterance.covers, ..Utterance::default() };
    }

    /// Begins the utterance's decoding anew when the channel's mean is to be measured because `new` samples of speech are
    /// not in it, when the band has become known, and when the last pass was ended.
    fn refresh(&mut self, new: usize) -> Result<(), String> {
        let changed = self.features.take(self.meter.band(), &self.utterance.audio)?;
        let utterance = &mut self.utterance;
        let unmeasured = utterance.speech - utterance.measured;
        let stale = self.known < SETTLED && unmeasured >= new;
        if utterance.pass == Pass::Open && !stale && !changed {
            return Ok(());
        }
        self.decoder.end();
        utterance.fed = 0;
        if stale {
            utterance.measured = utterance.speech;
            self.known = (self.known + unmeasured).min(SETTLED);
        }
        self.features.measure();
        if let Some((id, _)) = self.grammars.back() {
            self.decoder.select(&name(*id))?;
        }
        self.decoder.start()?;
        self.utterance.pass = Pass::Open;
        Ok(())
    }

    /// Decodes the next frames of what is there; true when there are more.
    fn feed(&mut self, frames: usize) -> Result<bool, String> {
        let (from, all) = (self.utterance.fed, self.features.len());
        let end = (from + frames).min(all);
        self.utterance.fed = end;
        if end > from {
            self.features.copy(from, end, &mut self.frames);
            self.decoder.process(&mut self.frames)?;
        }
        Ok(end < all)
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

    /// What was understood now, after what the earlier stretches said.
    fn join(&self, now: Understood) -> Understood {
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

fn name_alone(id: u64) -> String {
    format!("a{id}")
}

fn name(id: u64) -> String {
    format!("g{id}")
}
