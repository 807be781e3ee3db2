//! One call's decoding: audio in, what was understood out.
//!
//! The channel's mean (see [`super::features`]) is taken out of an utterance as a whole. So its cepstra are kept, and
//! whenever what is known of the channel has doubled, and at the end when there is something new, the utterance is decoded
//! again from its beginning. After some seconds of speech the mean has settled and every utterance is decoded once.
//!
//! Four things are heard beside one another: the phrases among anything, whose best path is the partial result and, where it
//! is sure, the answer; and, for an answer that is not, what [`super::again`] compares, the phrases alone and sounds. What is
//! compared is heard while the caller speaks, when nobody else needs the processor, so that little is left to do at the end.

use super::Model;
use super::again::{Again, Kind, Which, standing};
use super::band::BandMeter;
use super::budget::Budget;
use super::confidence::{SURE, Understood, understand};
use super::ear::{BEAMS, Ear, Listener, WIDE_BEAMS};
use super::features::Pace;
use super::ffi::Segment;
use super::grammar::{Grammar, written};
use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime};
use crate::engine::asr::level::SpeechLevel;
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames of 10 ms decoded in one step.
const STEP: usize = 10;
const SECOND_STEP: usize = 30;
/// The longest utterance that is heard a second time, in frames: an expected phrase is short.
const SECOND_LIMIT: usize = 1000;
/// The longest of which all is decoded again for the channel's mean when the answer is owed already, in frames: a fifth of a second.
const OWED_LIMIT: usize = 300;
/// Frames of an utterance from which on it is not decoded again when an answer was given and the caller goes on after it.
const STRETCH: usize = 400;
/// What was understood of a stretch is kept from this confidence on. Digits are kept anyway: the rest of a number is another number.
const KEPT: f32 = 0.3;
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
/// Samples between two frames that are decoded.
const SHIFT: usize = 160;
/// Samples without speech that make a pause.
const PAUSE: usize = 3 * FRAME_SAMPLES;
/// Grammars that a decoder keeps compiled.
const GRAMMARS: usize = 8;

/// What is left to be heard of what was pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    Nothing,
    /// What a partial result is made from.
    Partial,
    /// What only an answer is made from: it may wait for a while.
    Answer,
}

/// The models that listen, and the utterance that they hear.
pub(super) struct Decoding {
    main: Ear,
    /// Hears the phrases among anything, with the main model.
    open: Listener,
    narrow: Option<Ear>,
    digits: Option<Ear>,
    /// Of the main model.
    kind: Kind,
    /// Compiled grammars by number, the one used last at the back.
    grammars: VecDeque<(u64, Arc<Grammar>)>,
    meter: BandMeter,
    level: SpeechLevel,
    budget: Budget,
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
        let open = |acoustics, pace, sounds| Ear::open(acoustics, model.narrow_band, &model.extension, pace, sounds);
        let mut new = Self {
            main: open(&model.main, Pace::Brisk, model.narrow.is_none())?,
            open: Listener::open(&model.main, Pace::Spoken)?,
            narrow: model.narrow.as_ref().map(|narrow| open(narrow, Pace::Brisk, true)).transpose()?,
            digits: model.digits.as_ref().map(|digits| open(digits, Pace::Spoken, true)).transpose()?,
            kind: model.main.kind,
            grammars: VecDeque::new(),
            meter: BandMeter::default(),
            level: SpeechLevel::default(),
            budget: Budget::default(),
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
        // Who says digits does not read aloud.
        let pace = if grammar.of_digits { Pace::Spoken } else { Pace::Brisk };
        std::iter::once(&mut self.main).chain(&mut self.narrow).for_each(|ear| ear.expect(pace));
        self.utterance.answer = None;
        if let Some(at) = self.grammars.iter().position(|(known, _)| *known == id)
            && let Some(known) = self.grammars.remove(at)
        {
            self.grammars.push_back(known);
            return Ok(());
        }
        self.open.learn(&grammar.words)?;
        self.open.compile(&name(id), &grammar.text, &BEAMS)?;
        if let Some(alone) = &grammar.alone {
            for ear in std::iter::once(&mut self.main).chain(&mut self.narrow) {
                ear.phrases.learn(&grammar.words)?;
                ear.others.learn(&grammar.words)?;
                ear.phrases.compile(&name_alone(id), alone, &WIDE_BEAMS)?;
            }
        }
        if let (Some(ear), Some(digits)) = (&mut self.digits, &grammar.digits) {
            ear.phrases.learn(&digits.words)?;
            ear.phrases.compile(&name_alone(id), &digits.text, &WIDE_BEAMS)?;
        }
        self.grammars.push_back((id, grammar));
        if self.grammars.len() > GRAMMARS
            && let Some((old, _)) = self.grammars.pop_front()
        {
            self.open.rest()?;
            self.open.forget(&name(old));
            for ear in self.ears() {
                ear.phrases.rest()?;
                ear.phrases.forget(&name_alone(old));
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
        self.budget.earn(FRAME_SAMPLES / SHIFT, self.decoded());
        let goes_on = speech && self.utterance.answer.is_some();
        if self.utterance.audio.len() + FRAME_SAMPLES > MAX_AUDIO {
            self.split(0);
        } else if goes_on && self.main.features.len(Pace::Spoken) > STRETCH {
            self.split(self.quiet.min(PRE_ROLL));
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

    /// Decodes a piece of what was pushed.
    pub fn step(&mut self) -> Result<Left, String> {
        if self.utterance.speech == 0 || self.utterance.answer.is_some() {
            return Ok(Left::Nothing);
        }
        // In a pause the answer may be asked for at any moment: what has to be decoded again for it is done now.
        let pause = self.quiet >= PAUSE;
        let new = if pause { self.known / 4 } else { self.known.max(FIRST_ESTIMATE) };
        if self.utterance.again.take().is_some() {
            self.stop();
        }
        self.refresh(new.max(1))?;
        if self.open.feed(&self.main.features, STEP)? {
            return Ok(Left::Partial);
        }
        if !self.compares() {
            return Ok(Left::Nothing);
        }
        if pause {
            let first = self.so_far();
            if self.is_sure(&first) {
                return Ok(Left::Nothing);
            }
        }
        let name = self.name_alone();
        let digits = self.asks_digits();
        for (which, task) in standing(self.narrow.is_some(), digits) {
            let ear = self.ear(which)?;
            ear.hear(&task, &name)?;
            if ear.feed(&task, STEP)? {
                return Ok(Left::Answer);
            }
        }
        // What it may be instead is heard for the phrase that seems to be the one when the caller pauses.
        let grammar = self.grammars.back().filter(|_| pause && !digits).map(|(_, grammar)| Arc::clone(grammar));
        if let Some(grammar) = grammar {
            for ear in std::iter::once(&mut self.main).chain(&mut self.narrow) {
                if let Some(task) = ear.others(&grammar) {
                    ear.hear(&task, &name)?;
                    if ear.feed(&task, STEP)? {
                        return Ok(Left::Answer);
                    }
                }
            }
        }
        Ok(Left::Nothing)
    }

    /// An answer is compared with what else it may be: the phrases are known, and the utterance is short.
    fn compares(&self) -> bool {
        let alone = self.grammars.back().is_some_and(|(_, grammar)| grammar.alone.is_some());
        alone && self.main.features.len(Pace::Spoken) <= SECOND_LIMIT && !self.is_spent()
    }

    /// Digits are expected.
    fn hears_digits(&self) -> bool {
        self.grammars.back().is_some_and(|(_, grammar)| grammar.of_digits)
    }

    /// This call has been decoded for as long as it may be.
    fn is_spent(&self) -> bool {
        self.budget.is_spent(self.decoded())
    }

    /// Frames that were decoded for this call, again and again and by all models.
    fn decoded(&self) -> usize {
        let ears = std::iter::once(&self.main).chain(&self.narrow).chain(&self.digits);
        self.open.decoded + ears.map(Ear::decoded).sum::<usize>()
    }

    /// Nothing else needs to be asked. Scores of a narrow model say nothing by themselves, and a model of digits knows better.
    fn is_sure(&self, first: &Understood) -> bool {
        let grammar = || self.grammars.back().map(|(_, grammar)| grammar).filter(|_| self.digits.is_some());
        let is_digits = |grammar: &Grammar| {
            let digits = grammar.digits.as_ref();
            digits.is_some_and(|digits| digits.has(&first.text) || grammar.of_digits && digits.has_some(&first.text))
        };
        self.kind == Kind::Wide && first.confidence >= SURE && !grammar().is_some_and(|grammar| is_digits(grammar))
    }

    /// Digits are expected, and there is a model of them.
    fn asks_digits(&self) -> bool {
        self.digits.is_some() && self.grammars.back().is_some_and(|(_, grammar)| grammar.asks_digits())
    }

    /// Decodes a piece of what was pushed as the last of the utterance so far: none while there is more to do, then the
    /// answer. When it is `late`, nothing is heard again: the first answer, however unsure, is the answer.
    pub fn finalize(&mut self, late: bool) -> Result<Option<Understood>, String> {
        if self.utterance.speech == 0 {
            return Ok(Some(self.utterance.earlier.clone()));
        }
        if let Some(answer) = &self.utterance.answer {
            return Ok(Some(answer.clone()));
        }
        if let Some(again) = self.utterance.again.take() {
            if late {
                self.stop();
                return Ok(Some(self.answer(again.first())));
            }
            return self.hear(again);
        }
        let short = !late && self.main.features.len(Pace::Spoken) <= OWED_LIMIT;
        self.refresh(if short { self.known / 4 } else { self.known.max(FIRST_ESTIMATE) }.max(1))?;
        if self.open.feed(&self.main.features, STEP)? {
            return Ok(None);
        }
        if self.is_spent() {
            let answer = self.so_far();
            return Ok(Some(self.answer(answer)));
        }
        let path = self.open.close(&self.main.features)?;
        let first = self.understand(&path);
        if late || !self.compares() || self.is_sure(&first) {
            return Ok(Some(self.answer(first)));
        }
        let Some((_, grammar)) = self.grammars.back() else { return Ok(Some(self.answer(first))) };
        let again = Again::new(first, Arc::clone(grammar), self.kind, self.narrow.is_some(), self.digits.is_some());
        self.begin(again)
    }

    /// Hears a piece of the utterance again; the answer when all was heard.
    fn hear(&mut self, mut again: Again) -> Result<Option<Understood>, String> {
        if let Some((which, task)) = again.task() {
            let ear = self.ear(*which)?;
            if ear.feed(task, SECOND_STEP)? {
                self.utterance.again = Some(again);
                return Ok(None);
            }
            let path = ear.close(task)?;
            again.take(&path);
        }
        self.begin(again)
    }

    /// Begins to hear the utterance as what comes next, unless it is being heard so; the answer when nothing does.
    fn begin(&mut self, again: Again) -> Result<Option<Understood>, String> {
        let Some((which, task)) = again.task() else { return Ok(Some(self.answer(again.judge()))) };
        let name = self.name_alone();
        self.ear(*which)?.hear(task, &name)?;
        self.utterance.again = Some(again);
        Ok(None)
    }

    /// What was heard among anything so far.
    fn so_far(&mut self) -> Understood {
        let path = self.open.path();
        self.understand(&path)
    }

    fn understand(&self, path: &[Segment]) -> Understood {
        let heard = understand(path, self.kind);
        match self.grammars.back() {
            Some((_, grammar)) => {
                let pieces = grammar.pieces(&heard.text);
                heard.among(grammar.choices(), pieces)
            }
            None => heard,
        }
    }

    /// Name of the grammar of the phrases alone that is expected.
    fn name_alone(&self) -> String {
        name_alone(self.grammars.back().map_or(0, |(id, _)| *id))
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
        self.open.stop();
        self.ears().for_each(Ear::stop);
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
        let now = if self.open.hears() { self.so_far() } else { Understood::default() };
        self.join(now)
    }

    /// Time just after the last sample pushed.
    pub fn covers(&self) -> MediaTime {
        self.utterance.covers
    }

    /// The utterance is over.
    pub fn finish(&mut self) {
        self.stop();
        // What it says about the channel is kept, by all models. A front end that fails is found out when it is needed.
        let _ = self.take();
        self.ears().for_each(|ear| ear.features.finish());
        let mut audio = std::mem::take(&mut self.utterance.audio);
        audio.clear();
        audio.shrink_to(4 * 16_000);
        self.utterance = Utterance { audio, covers: self.utterance.covers, ..Utterance::default() };
    }

    /// Makes all models' cepstra of what was pushed; true when all were made anew because the band has become known.
    fn take(&mut self) -> Result<bool, String> {
        let (band, audio) = (self.meter.band(), &self.utterance.audio);
        let mut changed = false;
        for ear in std::iter::once(&mut self.main).chain(&mut self.narrow).chain(&mut self.digits) {
            changed |= ear.features.take(band, audio)?;
        }
        Ok(changed)
    }

    /// Begins the utterance's decoding anew when the channel's mean is to be measured because `new` samples of speech are
    /// not in it, when the band has become known, and when the last pass was ended.
    fn refresh(&mut self, new: usize) -> Result<(), String> {
        let changed = self.take()?;
        let spent = self.is_spent();
        let utterance = &mut self.utterance;
        let unmeasured = utterance.speech - utterance.measured;
        let stale = self.known < SETTLED && unmeasured >= new && !spent;
        if self.open.hears() && !stale && !changed {
            return Ok(());
        }
        if stale {
            utterance.measured = utterance.speech;
            self.known = (self.known + unmeasured).min(SETTLED);
        }
        self.stop();
        self.ears().for_each(|ear| ear.features.measure());
        let id = self.grammars.back().map_or(0, |(id, _)| *id);
        self.open.hear(&name(id))
    }

    /// The utterance is not heard from its beginning any more: what was understood until now is kept, of the audio the last `keep`
    /// samples, which are heard with what follows.
    fn split(&mut self, keep: usize) {
        let mut earlier = self.partial();
        if earlier.text.len() >= MAX_EARLIER || earlier.confidence < KEPT && !self.hears_digits() {
            earlier = Understood::default();
        }
        let audio = &self.utterance.audio;
        let kept = audio.get(audio.len().saturating_sub(keep)..).unwrap_or_default().to_vec();
        self.finish();
        self.utterance.audio.extend(kept);
        self.utterance.earlier = earlier;
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

#[cfg(test)]
mod tests;
