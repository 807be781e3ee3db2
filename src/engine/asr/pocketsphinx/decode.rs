//! One call's decoding: audio in, what was understood out.
//!
//! The channel's mean (see [`super::features`]) is taken out of an utterance as a whole. So its cepstra are kept, and
//! whenever what is known of the channel has doubled, and at the end when there is something new, the utterance is decoded
//! again from its beginning. After some seconds of speech the mean has settled and every utterance is decoded once.
//!
//! Among anything, phrases are heard while the caller speaks. For the answer all models hear the utterance again, see
//! [`super::again`].

use super::Model;
use super::again::{Again, Kind, Task, Which};
use super::band::BandMeter;
use super::confidence::{Understood, understand};
use super::ear::{BEAMS, Ear, SOUNDS, WIDE_BEAMS};
use super::grammar::{Grammar, written};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime};
use crate::engine::asr::level::SpeechLevel;
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames of 10 ms decoded in one step; the phrases alone take less time.
const STEP: usize = 10;
const SECOND_STEP: usize = 30;
/// The longest utterance that is heard a second time, in frames: an expected phrase is short.
const SECOND_LIMIT: usize = 1000;
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
/// The models that listen, and the utterance that they hear.
pub(super) struct Decoding {
    main: Ear,
    narrow: Option<Ear>,
    digits: Option<Ear>,
    /// Of the main model.
    kind: Kind,
    /// Compiled grammars by number, the one used last at the back.
    grammars: VecDeque<(u64, Arc<Grammar>)>,
    meter: BandMeter,
    level: SpeechLevel,
    /// Speech of this call that the channel's mean was measured on, in samples; settles at [`SETTLED`].
    known: usize,
    /// Samples since the last speech.
    quiet: usize,
    utterance: Utterance,
}

#[derive(Default)]
struct Utterance {
    audio: Vec<i16>,
    /// Samples of it that hold speech, and those of them that the mean already includes.
    speech: usize,
    measured: usize,
    /// The main model hears the phrases among anything.
    open: bool,
    /// It is heard again.
    again: Option<Again>,
    covers: MediaTime,
    /// What earlier stretches of a very long utterance said.
    earlier: Understood,
    /// The last final answer, valid while no speech follows it.
    answer: Option<Understood>,
}

impl Decoding {
    /// A decoder with a fresh state. Takes some tens of milliseconds: not for the caller's thread.
    pub fn new(model: &Model, grammar: (u64, Arc<Grammar>)) -> Result<Self, String> {
        let open = |acoustics| Ear::open(acoustics, model.narrow_band, &model.extension);
        let mut new = Self {
            main: open(&model.main)?,
            narrow: model.narrow.as_ref().map(open).transpose()?,
            digits: model.digits.as_ref().map(open).transpose()?,
            kind: model.main.kind,
            grammars: VecDeque::new(),
            meter: BandMeter::default(),
            level: SpeechLevel::default(),
            known: 0,
            quiet: 0,
            utterance: Utterance::default(),
        };
        new.expect(grammar)?;
        Ok(new)
    }

    /// Expects what this grammar holds; speech that is already there is decoded again with it.
    pub fn expect(&mut self, (id, grammar): (u64, Arc<Grammar>)) -> Result<(), String> {
        if self.grammars.back().is_some_and(|(last, _)| *last == id) {
            return Ok(());
        }
        self.stop();
        self.utterance.answer = None;
        if let Some(at) = self.grammars.iter().position(|(known, _)| *known == id)
            && let Some(known) = self.grammars.remove(at)
        {
            self.grammars.push_back(known);
            return Ok(());
        }
        self.main.learn(&grammar.words)?;
        self.main.compile(&name(id), &grammar.text, &BEAMS)?;
        if let Some(alone) = &grammar.alone {
            self.main.compile(&name_alone(id), alone, &WIDE_BEAMS)?;
            if let Some(narrow) = &mut self.narrow {
                narrow.learn(&grammar.words)?;
                narrow.compile(&name_alone(id), alone, &WIDE_BEAMS)?;
            }
        }
        if let (Some(ear), Some(digits)) = (&mut self.digits, &grammar.digits) {
            ear.learn(&digits.words)?;
            ear.compile(&name_alone(id), &digits.text, &WIDE_BEAMS)?;
        }
        self.grammars.push_back((id, grammar));
        if self.grammars.len() > GRAMMARS
            && let Some((old, _)) = self.grammars.pop_front()
        {
            self.main.rest()?;
            self.main.forget(&name(old));
            for ear in std::iter::once(&mut self.main).chain(&mut self.narrow).chain(&mut self.digits) {
                ear.rest()?;
                ear.forget(&name_alone(old));
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
            self.ears().for_each(|ear| ear.features.restart());
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
        if self.utterance.again.take().is_some() {
            self.stop();
        }
        self.refresh(new.max(1))?;
        self.main.feed(STEP)
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
        if let Some(again) = self.utterance.again.take() {
            return self.hear(again);
        }
        self.refresh((self.known / 4).max(1))?;
        if self.main.feed(STEP)? {
            return Ok(None);
        }
        self.utterance.open = false;
        let first = understand(&self.main.close()?, self.kind);
        let Some((_, grammar)) = self.grammars.back().filter(|(_, grammar)| grammar.alone.is_some()) else {
            return Ok(Some(self.answer(first)));
        };
        if self.main.features.len() > SECOND_LIMIT {
            return Ok(Some(self.answer(first)));
        }
        let again = Again::new(first, Arc::clone(grammar), self.kind, self.narrow.is_some(), self.digits.is_some());
        let (band, audio) = (self.meter.band(), &self.utterance.audio);
        for ear in self.narrow.iter_mut().chain(&mut self.digits) {
            ear.features.take(band, audio)?;
        }
        self.ears().for_each(|ear| ear.features.measure());
        self.begin(again)
    }

    /// Hears a piece of the utterance again; the answer when all was heard.
    fn hear(&mut self, mut again: Again) -> Result<Option<Understood>, String> {
        if let Some((which, _)) = again.task() {
            let ear = self.ear(*which)?;
            if ear.feed(SECOND_STEP)? {
                self.utterance.again = Some(again);
                return Ok(None);
            }
            again.take(&ear.close()?);
        }
        self.begin(again)
    }

    /// Begins to hear the utterance as what comes next; the answer when nothing does.
    fn begin(&mut self, again: Again) -> Result<Option<Understood>, String> {
        let Some((which, task)) = again.task() else { return Ok(Some(self.answer(again.judge()))) };
        let id = self.grammars.back().map_or(0, |(id, _)| *id);
        let ear = self.ear(*which)?;
        match task {
            Task::Phrases => ear.begin(&name_alone(id))?,
            Task::Sounds => ear.begin(SOUNDS)?,
            Task::Phrase(phrase) => ear.begin_phrase(phrase)?,
        }
        self.utterance.again = Some(again);
        Ok(None)
    }

    fn ear(&mut self, which: Which) -> Result<&mut Ear, String> {
        let ear = match which {
            Which::Main => Some(&mut self.main),
            Which::Narrow => self.narrow.as_mut(),
            Which::Digits => self.digits.as_mut(),
        };
        ear.ok_or_else(|| format!("there is no {which:?} model"))
    }

    fn ears(&mut self) -> impl Iterator<Item = &mut Ear> {
        std::iter::once(&mut self.main).chain(&mut self.narrow).chain(&mut self.digits)
    }

    /// Ends whatever is being heard.
    fn stop(&mut self) {
        self.ears().for_each(Ear::stop);
        self.utterance.open = false;
        self.utterance.again = None;
    }

    fn answer(&mut self, now: Understood) -> Understood {
        let answer = self.join(now);
        self.utterance.answer = Some(answer.clone());
        answer
    }

    /// What is understood so far.
    pub fn partial(&mut self) -> Understood {
        if let Some(answer) = &self.utterance.answer {
            return answer.clone();
        }
        let path = if self.utterance.open { self.main.path() } else { Vec::new() };
        self.join(understand(&path, self.kind))
    }

    /// Time just after the last sample pushed.
    pub fn covers(&self) -> MediaTime {
        self.utterance.covers
    }

    /// The utterance is over.
    pub fn finish(&mut self) {
        self.stop();
        let mut audio = std::mem::take(&mut self.utterance.audio);
        let band = self.meter.band();
        // What it says about the channel is kept, also by those who were not asked. A front end that fails is found out when
        // it is needed.
        for ear in self.narrow.iter_mut().chain(&mut self.digits) {
            let _ = ear.features.take(band, &audio);
        }
        self.ears().for_each(|ear| ear.features.finish());
        audio.clear();
        audio.shrink_to(4 * 16_000);
        self.utterance = Utterance { audio, covers: self.utterance.covers, ..Utterance::default() };
    }

    /// Begins the utterance's decoding anew when the channel's mean is to be measured because `new` samples of speech are
    /// not in it, when the band has become known, and when the last pass was ended.
    fn refresh(&mut self, new: usize) -> Result<(), String> {
        let changed = self.main.features.take(self.meter.band(), &self.utterance.audio)?;
        let utterance = &mut self.utterance;
        let unmeasured = utterance.speech - utterance.measured;
        let stale = self.known < SETTLED && unmeasured >= new;
        if utterance.open && !stale && !changed {
            return Ok(());
        }
        if stale {
            utterance.measured = utterance.speech;
            self.known = (self.known + unmeasured).min(SETTLED);
        }
        self.main.features.measure();
        let id = self.grammars.back().map_or(0, |(id, _)| *id);
        self.main.begin(&name(id))?;
        self.utterance.open = true;
        Ok(())
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
    fn join(&self, mut now: Understood) -> Understood {
        now.text = written(&now.text);
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
