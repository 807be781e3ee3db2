//! One acoustic model that listens to a call: its front end, and the decoders that hear what it makes.
//!
//! A decoder hears one thing at a time. So that the phrases and the sounds are known as soon as the caller stops, each has
//! its own, and they hear the utterance while it is spoken.

use super::acoustics::Acoustics;
use super::again::{Kind, Task, others, said};
use super::band::NarrowBand;
use super::dictionary::Pronunciations;
use super::features::{Features, Pace};
use super::ffi::{Cepstrum, Decoder, Segment};
use super::grammar::{Grammar, LANGUAGE_WEIGHT, number_text, phrase_text};
use crate::audio::bandwidth::BandModel;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Frames that the library keeps for the change of the sound over time; given once more at the end.
const TRAIL: usize = 4;
/// Name of the grammar that knows sounds and no words.
const SOUNDS: &str = "sounds";
/// Name of the grammar of a single phrase.
const ONE: &str = "one";
/// How improbable a path may become against the best before it is given up: the library's own values. Wider ones (1e-80, 1e-60) took
/// twice the time where a flow expects hundreds of phrases and nothing fits, and found no phrase more.
pub(super) const BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-48), ("-pbeam", 1e-48), ("-wbeam", 7e-29), ("-lpbeam", 7e-29), ("-lponlybeam", 7e-29)];
/// For the phrases alone: a slow reader's phrase looks bad for seconds.
pub(super) const WIDE_BEAMS: [(&str, f64); 5] =
    [("-beam", 1e-200), ("-pbeam", 1e-200), ("-wbeam", 1e-200), ("-lpbeam", 1e-200), ("-lponlybeam", 1e-200)];

/// A model that listens.
pub(super) struct Ear {
    /// The utterance as this model hears it.
    pub features: Features,
    /// Hears the phrases, or one of them.
    pub phrases: Listener,
    /// Hears what it was not, if it was one of the phrases.
    pub others: Listener,
    /// What seemed to be said when that was last asked, and what it was held against.
    seemed: Option<(String, Option<Task>)>,
    /// Hears sounds; none where nobody asks for them.
    pub sounds: Option<Listener>,
}

impl Ear {
    /// An ear that knows sounds and no words yet, and hears them when `sounds` is set. Takes some tens of milliseconds.
    pub fn open(
        acoustics: &Acoustics,
        how: NarrowBand,
        extension: &Arc<BandModel>,
        pace: Pace,
        sounds: bool,
    ) -> Result<Self, String> {
        let options = acoustics.options();
        let narrow = acoustics.kind == Kind::Narrow;
        let how = if narrow { NarrowBand::Plain } else { how };
        Ok(Self {
            features: Features::new(&options, how, narrow, extension)?,
            phrases: Listener::open(acoustics, pace)?,
            others: Listener::open(acoustics, pace)?,
            seemed: None,
            sounds: sounds.then(|| Listener::open(acoustics, pace)).transpose()?,
        })
    }

    /// Hears the utterance as this, from its beginning unless it is being heard so; `phrases` is the name of their grammar.
    pub fn hear(&mut self, task: &Task, phrases: &str) -> Result<(), String> {
        match task {
            Task::Others { grammar, .. } => self.others.hear_only(grammar),
            Task::Phrases => self.phrases.hear(phrases),
            Task::Phrase(phrase) => self.phrases.hear_one(&phrase_text(phrase)),
            Task::Number(number) => self.phrases.hear_one(&number_text(number)),
            Task::Sounds => self.listener(task)?.0.hear(SOUNDS),
        }
    }

    /// What the phrase that seems to be said so far is to be held against.
    pub fn others(&mut self, grammar: &Grammar) -> Option<Task> {
        let phrase = said(&self.phrases.path());
        if self.seemed.as_ref().is_none_or(|(seemed, _)| *seemed != phrase) {
            let task = others(grammar, &phrase);
            self.seemed = Some((phrase, task));
        }
        self.seemed.as_ref().and_then(|(_, task)| task.clone())
    }

    /// Something else is expected, which is heard at this pace.
    pub fn expect(&mut self, pace: Pace) {
        self.seemed = None;
        for listener in [&mut self.phrases, &mut self.others].into_iter().chain(&mut self.sounds) {
            listener.stop();
            listener.pace = pace;
        }
    }

    /// Hears the next `frames` of the utterance; true when there are more.
    pub fn feed(&mut self, task: &Task, frames: usize) -> Result<bool, String> {
        let (listener, features) = self.listener(task)?;
        listener.feed(features, frames)
    }

    /// Ends the pass; its best path.
    pub fn close(&mut self, task: &Task) -> Result<Vec<Segment>, String> {
        let (listener, features) = self.listener(task)?;
        listener.close(features)
    }

    fn listener(&mut self, task: &Task) -> Result<(&mut Listener, &Features), String> {
        let listener = match task {
            Task::Sounds => self.sounds.as_mut().ok_or("nobody was to hear sounds with this model")?,
            Task::Others { .. } => &mut self.others,
            Task::Phrases | Task::Phrase(_) | Task::Number(_) => &mut self.phrases,
        };
        Ok((listener, &self.features))
    }

    /// Frames decoded so far in this call, those that were decoded again included.
    pub fn decoded(&self) -> usize {
        let sounds = self.sounds.as_ref().map_or(0, |sounds| sounds.decoded);
        self.phrases.decoded + self.others.decoded + sounds
    }

    /// Ends whatever is being heard.
    pub fn stop(&mut self) {
        self.phrases.stop();
        self.others.stop();
        if let Some(sounds) = &mut self.sounds {
            sounds.stop();
        }
    }
}

/// A decoder, what it knows and how far it has heard the utterance.
pub(super) struct Listener {
    decoder: Decoder,
    pace: Pace,
    words: BTreeSet<String>,
    /// The grammar that the utterance is heard with from its beginning; none: it is not being heard.
    hearing: Option<String>,
    /// The text of the grammar that was given without a name.
    only: Option<Arc<str>>,
    frames: Vec<Cepstrum>,
    /// Frames given to the decoder in this pass.
    fed: usize,
    /// The same in all passes of this call.
    pub decoded: usize,
}

impl Listener {
    /// One that knows sounds and no words, and hears at this pace.
    pub fn open(acoustics: &Acoustics, pace: Pace) -> Result<Self, String> {
        let mut new = Self {
            decoder: Decoder::new(&acoustics.options())?,
            pace,
            words: BTreeSet::new(),
            hearing: None,
            only: None,
            frames: Vec::new(),
            fed: 0,
            decoded: 0,
        };
        for (word, phone) in acoustics.sounds.words() {
            new.decoder.add_word(&word, phone)?;
            new.words.insert(word);
        }
        new.compile(SOUNDS, &acoustics.sounds.text(), &WIDE_BEAMS)?;
        Ok(new)
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
        self.stop();
        self.decoder.set_beams(beams)?;
        self.decoder.set_grammar(name, text, LANGUAGE_WEIGHT)
    }

    /// Makes the sounds what is heard with next, so that any other grammar can be forgotten.
    pub fn rest(&mut self) -> Result<(), String> {
        self.stop();
        self.decoder.select(SOUNDS)
    }

    /// Forgets the grammar `name`, which must not be the one that is heard with.
    pub fn forget(&mut self, name: &str) {
        self.decoder.forget(name);
    }

    /// Hears the utterance with the grammar `name`, from its beginning unless it is being heard with it.
    pub fn hear(&mut self, name: &str) -> Result<(), String> {
        if self.hearing.as_deref() == Some(name) {
            return Ok(());
        }
        self.stop();
        self.decoder.select(name)?;
        self.fed = 0;
        self.decoder.start()?;
        self.hearing = Some(name.to_owned());
        Ok(())
    }

    /// Hears the utterance with this grammar, from its beginning unless it is being heard with it.
    pub fn hear_only(&mut self, text: &Arc<str>) -> Result<(), String> {
        if self.only.as_ref() == Some(text) && self.hears() {
            return Ok(());
        }
        if self.only.as_ref() != Some(text) {
            self.rest()?;
            self.compile(ONE, text, &WIDE_BEAMS)?;
            self.only = Some(Arc::clone(text));
        }
        self.hear(ONE)
    }

    /// Begins to hear the utterance as the one thing that this grammar knows.
    pub fn hear_one(&mut self, text: &str) -> Result<(), String> {
        self.rest()?;
        self.compile(ONE, text, &WIDE_BEAMS)?;
        self.hear(ONE)
    }

    /// The utterance is being heard.
    pub fn hears(&self) -> bool {
        self.hearing.is_some()
    }

    /// Hears the next `frames` of the utterance; true when there are more.
    pub fn feed(&mut self, utterance: &Features, frames: usize) -> Result<bool, String> {
        let (from, all) = (self.fed, utterance.len(self.pace));
        let end = (from + frames).min(all);
        self.fed = end;
        if end > from {
            self.decoded += end - from;
            utterance.copy(self.pace, from, end, &mut self.frames);
            self.decoder.process(&mut self.frames)?;
        }
        Ok(end < all)
    }

    /// Ends the pass; its best path.
    pub fn close(&mut self, utterance: &Features) -> Result<Vec<Segment>, String> {
        let last = utterance.len(self.pace);
        utterance.copy(self.pace, last.saturating_sub(1), last, &mut self.frames);
        for _ in 0..TRAIL {
            self.decoder.process(&mut self.frames)?;
        }
        let before = self.decoder.segments();
        self.stop();
        let path = self.decoder.segments();
        Ok(if path.is_empty() { before } else { path })
    }

    /// Ends the pass without an answer.
    pub fn stop(&mut self) {
        self.decoder.end();
        self.hearing = None;
    }

    /// The best path so far.
    pub fn path(&mut self) -> Vec<Segment> {
        self.decoder.segments()
    }
}
