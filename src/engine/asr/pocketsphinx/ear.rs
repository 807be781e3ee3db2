//! One acoustic model that listens to a call: its front end, its decoder, and the grammars that it knows.

use super::acoustics::Acoustics;
use super::again::Kind;
use super::band::NarrowBand;
use super::dictionary::Pronunciations;
use super::features::Features;
use super::ffi::{Cepstrum, Decoder, Segment};
use super::grammar::{LANGUAGE_WEIGHT, phrase_text};
use crate::audio::bandwidth::BandModel;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Frames that the library keeps for the change of the sound over time; given once more at the end.
const TRAIL: usize = 4;
/// Name of the grammar that knows sounds and no words.
pub(super) const SOUNDS: &str = "sounds";
/// Name of the grammar of a single phrase.
const ONE: &str = "one";
/// How improbable a path may become against the best before it is given up. Wider than the library's defaults: a grammar is
/// small, and an accent is far from the model.
pub(super) const BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-80), ("-pbeam", 1e-80), ("-wbeam", 1e-60), ("-lpbeam", 1e-60), ("-lponlybeam", 1e-60)];
/// For the phrases alone: a slow reader's phrase looks bad for seconds.
pub(super) const WIDE_BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-200), ("-pbeam", 1e-200), ("-wbeam", 1e-200), ("-lpbeam", 1e-200), ("-lponlybeam", 1e-200)];

/// A model that listens.
pub(super) struct Ear {
    decoder: Decoder,
    words: BTreeSet<String>,
    /// The utterance as this model hears it.
    pub features: Features,
    frames: Vec<Cepstrum>,
    /// Frames given to the decoder in this pass.
    fed: usize,
}

impl Ear {
    /// An ear that knows sounds and no words yet. Takes some tens of milliseconds.
    pub fn open(acoustics: &Acoustics, how: NarrowBand, extension: &Arc<BandModel>) -> Result<Self, String> {
        let options = acoustics.options();
        let narrow = acoustics.kind == Kind::Narrow;
        let how = if narrow { NarrowBand::Plain } else { how };
        let mut ear = Self {
            decoder: Decoder::new(&options)?,
            words: BTreeSet::new(),
            features: Features::new(&options, how, narrow, extension)?,
            frames: Vec::new(),
            fed: 0,
        };
        for (word, phone) in acoustics.sounds.words() {
            ear.decoder.add_word(&word, phone)?;
            ear.words.insert(word);
        }
        ear.compile(SOUNDS, &acoustics.sounds.text(), &WIDE_BEAMS)?;
        Ok(ear)
    }

    /// Adds the words of a grammar; what is known stays.
    pub fn learn(&mut self, words: &BTreeMap<String, Pronunciations>) -> Result<(), String> {
        for (word, pronunciations) in words {
            if self.words.insert(word.clone()) {
                for (index, phones) in pronunciations.iter().enumerate() {
                    let name = if index == 0 { word.clone() } else { format!("{word}({})", index + 1) };
                    self.decoder.add_word(&name, phones)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps a grammar, all of whose words are known, under `name`.
    pub fn compile(&mut self, name: &str, text: &str, beams: &[(&str, f64)]) -> Result<(), String> {
        self.decoder.end();
        self.decoder.set_beams(beams)?;
        self.decoder.set_grammar(name, text, LANGUAGE_WEIGHT)
    }

    /// Makes the sounds what is heard with next, so that any other grammar can be forgotten.
    pub fn rest(&mut self) -> Result<(), String> {
        self.decoder.end();
        self.decoder.select(SOUNDS)
    }

    /// Forgets the grammar `name`, which must not be the one that is heard with.
    pub fn forget(&mut self, name: &str) {
        self.decoder.forget(name);
    }

    /// Begins to hear the utterance from its beginning with the grammar `name`.
    pub fn begin(&mut self, name: &str) -> Result<(), String> {
        self.decoder.end();
        self.decoder.select(name)?;
        self.fed = 0;
        self.decoder.start()
    }

    /// Begins to hear the utterance as this phrase and nothing else.
    pub fn begin_phrase(&mut self, phrase: &str) -> Result<(), String> {
        self.rest()?;
        self.compile(ONE, &phrase_text(phrase), &WIDE_BEAMS)?;
        self.begin(ONE)
    }

    /// Hears the next `frames` of what is there; true when there are more.
    pub fn feed(&mut self, frames: usize) -> Result<bool, String> {
        let (from, all) = (self.fed, self.features.len());
        let end = (from + frames).min(all);
        self.fed = end;
        if end > from {
            self.features.copy(from, end, &mut self.frames);
            self.decoder.process(&mut self.frames)?;
        }
        Ok(end < all)
    }

    /// Ends the pass; its best path.
    pub fn close(&mut self) -> Result<Vec<Segment>, String> {
        let last = self.features.len();
        self.features.copy(last.saturating_sub(1), last, &mut self.frames);
        for _ in 0..TRAIL {
            self.decoder.process(&mut self.frames)?;
        }
        let before = self.decoder.segments();
        self.decoder.end();
        let path = self.decoder.segments();
        Ok(if path.is_empty() { before } else { path })
    }

    /// Ends the pass without an answer.
    pub fn stop(&mut self) {
        self.decoder.end();
    }

    /// The best path so far.
    pub fn path(&mut self) -> Vec<Segment> {
        self.decoder.segments()
    }
}
