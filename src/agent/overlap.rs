//! Speech over the agent's voice: softer at once, and then the decision what it is.
//!
//! | what it is | what tells | what the agent does |
//! |---|---|---|
//! | an interruption | words that are no backchannel and are certain, or speech that goes on and on | stops: what was to be said is dropped |
//! | it seems | the voice sounds like nothing below, or first words that may yet become others | is silent and waits, with everything at hand, for more words or the end of the speech |
//! | a backchannel | sounds like one, or nothing but such words were heard | goes on, loud again; what was silent, from its last pause |
//! | our own echo | is what we sent, a little later | goes on, loud again |
//! | a noise | has ended before it could be decided | goes on, loud again |

use super::Action;
use super::conversation::Agent;
use super::dialogue::{
    is_assent, is_backchannel, is_mostly_backchannel, is_short, may_be_misheard, says_nothing, takes_floor,
    words_beside_hums,
};
use super::listening::MAX_BEGUN_AGAIN;
use super::phase::Phase;
use super::turn::{Voice, continues};
use crate::audio::MediaTime;
use crate::record::Stage;
use crate::speech::{AnswerKind, OverlapCue};

/// From here on an overlap counts as an echo.
const ECHO: f32 = 0.5;
/// What the share of an echo is taken of.
const ECHO_WINDOW_MS: u64 = 120;
/// From here on a few short words are taken for misheard.
const MISHEARD: f32 = 0.5;
/// From here on a single word does not tell that what was taken for a backchannel is none.
const SURELY_BACKCHANNEL: f32 = 0.6;
/// Below this it is plainly none, so that nothing more needs to be waited for.
const PLAINLY_NONE: f32 = 0.2;
/// Nearer to [`hums_from`] than this the voice leaves it open; so much later the shortest hums are over.
const UNSURE: f32 = 0.1;
const UNSURE_MS: u64 = 30;
/// After a pause in speech for which the agent fell silent, beyond the time of the flush: its words are there by then, and who was not
/// understood and only thinks ("um … what is it?") has gone on.
const WORDS_MS: u64 = 400;
/// The agent is silent already: speech may go on so much longer before it is surely no hum, which others' talk may have lengthened.
const UNHURRIED_MS: u64 = 200;
/// How long it takes to say "mm-hm" to what is just heard.
const TAKEN_NOTE_MS: u64 = 150;

/// From which score on it sounds like a backchannel. Mandarin ones are a syllable, and mostly over before that must be decided;
/// English ones are longer, so that more of them are known by the voice alone.
pub(super) fn hums_from(language: &str) -> f32 {
    if language.starts_with("zh") { 0.54 } else { 0.52 }
}

/// Speech over the agent's voice, from its onset to its pause.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Overlap {
    onset: MediaTime,
    cue: Option<OverlapCue>,
    /// How much it sounds like a backchannel: the mean of its last two cues, which errs less than one.
    hum: Option<f32>,
    /// The last cue by which it was an echo.
    echo_at: Option<MediaTime>,
    /// The agent speaks softer for it, or not at all.
    ducked: bool,
    /// The agent has fallen silent for it, and loses nothing until it is known what it is.
    hushed: bool,
    /// It was taken for no interruption, until it goes on too long.
    spared: bool,
}

impl Agent {
    /// The speech that may interrupt what is being said now.
    fn overlapping(&self) -> Option<MediaTime> {
        self.hearing.interrupting_since().filter(|_| self.can_be_interrupted())
    }

    fn overlap_of(&self, onset: MediaTime) -> Overlap {
        // Who speaks again while the agent is silent for them finds it silent.
        let hushed = self.overlap.is_some_and(|overlap| overlap.hushed);
        let fresh = Overlap { onset, cue: None, hum: None, echo_at: None, ducked: hushed, hushed, spared: false };
        self.overlap.filter(|overlap| overlap.onset == onset).unwrap_or(fresh)
    }

    pub(super) fn overlap_cue(&mut self, cue: OverlapCue) {
        let Some(onset) = self.hearing.interrupting_since() else { return };
        if cue.onset.ms_since(onset).abs() > 150.0 || !cue.echo.is_finite() || !cue.backchannel.is_finite() {
            return;
        }
        let overlap = self.overlap_of(onset);
        let before = overlap.cue.map_or(cue.backchannel, |before| before.backchannel);
        let hum = Some((before + cue.backchannel) / 2.0);
        let echo_at = if cue.echo >= ECHO { Some(cue.covers) } else { overlap.echo_at };
        self.overlap = Some(Overlap { cue: Some(cue), hum, echo_at, ..overlap });
        if cue.echo >= ECHO && cue.covers >= self.known_at(onset) && self.protected() {
            // What may not be interrupted comes back all the same, and is no turn of the caller.
            self.hearing.may_not_interrupt();
            self.hearing.set_echo();
        }
    }

    /// When the cues of an overlap have heard enough of it to tell an echo.
    fn known_at(&self, onset: MediaTime) -> MediaTime {
        onset.plus_ms(self.config.barge_in_ms * 3 / 4)
    }

    /// It is not what we sent: enough of it was heard to tell, or it began when nothing of ours could come back.
    fn is_no_echo(&self, overlap: &Overlap) -> bool {
        let onset = overlap.onset;
        let unheard = !self.lines.any() || self.collides(onset) && self.heard_since().is_none_or(|began| onset < began);
        let known = self.known_at(onset).max(overlap.echo_at.map_or(onset, |at| at.plus_ms(ECHO_WINDOW_MS)));
        unheard || overlap.cue.is_some_and(|cue| cue.echo < ECHO && cue.covers >= known)
    }

    /// Its words are the caller's: it is no echo, or the agent has fallen silent for it and nothing has told since that it is one.
    fn may_be_believed(&self, overlap: &Overlap) -> bool {
        self.is_no_echo(overlap) || overlap.hushed && overlap.cue.is_none_or(|cue| cue.echo < ECHO)
    }

    /// When the overlap is to be looked at next.
    pub(super) fn overlap_deadline(&self) -> Option<MediaTime> {
        let onset = match self.overlapping() {
            Some(onset) => onset,
            // An overlap that is over leaves the voice soft until it is looked at; its words may still come.
            None => {
                let overlap = self.overlap?;
                let seems = self.seems_one(&overlap);
                let due = seems || self.was_surely_one(&overlap) || overlap.ducked && !self.awaits_words(&overlap);
                let words = |last: MediaTime| last.plus_ms(self.config.flush_ms + WORDS_MS);
                return match self.pause_for(&overlap) {
                    _ if due => Some(MediaTime::ZERO),
                    // The end of the turn answers it.
                    Some(_) if self.has_answered() => None,
                    last => last.map(words),
                };
            }
        };
        let overlap = self.overlap_of(onset);
        let softer = onset.plus_ms(self.config.duck_ms);
        let decide = self.decide_overlap_at(&overlap);
        Some(if overlap.ducked || overlap.spared || !self.lines.any() { decide } else { softer.min(decide) })
    }

    /// The agent is silent for speech that has paused, just after this: its words may still tell what it was.
    fn pause_for(&self, overlap: &Overlap) -> Option<MediaTime> {
        match self.hearing.voice() {
            Some(Voice::Paused { last, .. }) if overlap.hushed && self.can_be_interrupted() => Some(last),
            _ => None,
        }
    }

    /// The words that tell what it was are not there yet, or not for certain.
    fn awaits_words(&self, overlap: &Overlap) -> bool {
        let echo = overlap.cue.is_some_and(|cue| cue.echo >= ECHO);
        let open =
            self.said_over(overlap) != Some(true) && (!self.hearing.words_are_final() || self.may_be_thinking(overlap));
        self.pause_for(overlap).is_some() && !echo && (open || self.has_answered())
    }

    /// Nothing was understood of what does not sound like a backchannel.
    fn may_be_thinking(&self, overlap: &Overlap) -> bool {
        let hums = overlap.hum.is_none_or(|hum| hum >= self.hums_from);
        !hums && self.hearing.words_are_final() && says_nothing(self.hearing.text())
    }

    /// "Yes" to a yes-or-no question whose last words need not be heard any more.
    fn has_answered(&self) -> bool {
        let yes_no = self.dialogue.kind() == AnswerKind::YesNo;
        yes_no && is_assent(self.hearing.text()) && self.lines.may_be_answered(self.now)
    }

    fn decide_overlap_at(&self, overlap: &Overlap) -> MediaTime {
        let onset = overlap.onset;
        let no_echo = self.is_no_echo(overlap);
        if self.collides(onset) {
            return onset.plus_ms(if no_echo { self.config.duck_ms } else { self.config.barge_in_ms });
        }
        let said = self.said_over(overlap);
        let voice = overlap.hum;
        if overlap.hushed {
            // Nothing is urgent any more: words decide, or that it goes on.
            let told = said == Some(false) && self.hearing.words_are_final() && self.may_be_believed(overlap);
            return onset.plus_ms(if told { self.config.duck_ms } else { self.config.surely_ms + UNHURRIED_MS });
        }
        // A single word may be misheard, unless people take the floor with it.
        let text = self.hearing.text();
        let several = takes_floor(text) || words_beside_hums(text) > 1 || self.hearing.words_are_final();
        let told = said == Some(false) && several;
        if overlap.spared {
            let surely = voice.is_some_and(|voice| voice >= SURELY_BACKCHANNEL);
            let told = told || said == Some(false) && !surely;
            return if told { onset.plus_ms(self.config.barge_in_ms) } else { onset.plus_ms(self.config.surely_ms) };
        }
        let plain = voice.is_some_and(|voice| voice < PLAINLY_NONE);
        // Words may be those of our own echo.
        if no_echo && (plain || told) {
            return onset.plus_ms(self.config.duck_ms);
        }
        let unsure = said.is_none() && voice.is_some_and(|voice| (voice - self.hums_from).abs() < UNSURE);
        let decide = onset.plus_ms(self.config.barge_in_ms + if unsure { UNSURE_MS } else { 0 });
        // What was an echo is one until a whole window speaks against it: it fades where our voice does.
        let echoed = overlap.cue.zip(overlap.echo_at).filter(|(cue, at)| cue.covers > *at);
        echoed.map_or(decide, |(_, at)| decide.max(at.plus_ms(ECHO_WINDOW_MS)))
    }

    /// What was said over the agent's voice so far: none without words, or where the recogniser is not sure of its last ones, else
    /// whether they are mere backchannels. One short word may be misheard: where the voice speaks against it, the voice is believed.
    fn said_over(&self, overlap: &Overlap) -> Option<bool> {
        let text = self.hearing.text().trim();
        let confidence = self.hearing.confidence();
        let misheard = may_be_misheard(text, confidence) || confidence < self.config.min_confidence;
        let unsure = self.hearing.words_are_final() && misheard;
        if text.is_empty() || unsure {
            return None;
        }
        let hums = overlap.hum.is_some_and(|hum| hum >= MISHEARD);
        let may_be_misheard = (is_short(text) || is_mostly_backchannel(text)) && !takes_floor(text);
        (is_backchannel(text) || !says_nothing(text)).then(|| is_backchannel(text) || hums && may_be_misheard)
    }

    /// An overlap that is over before it was decided seems to be an interruption: it takes the floor, as far as its words are known.
    fn seems_one(&self, overlap: &Overlap) -> bool {
        !overlap.hushed && takes_floor(self.hearing.text()) && self.was_one(overlap)
    }

    /// An overlap that is over was an interruption, and its words are certain.
    fn was_surely_one(&self, overlap: &Overlap) -> bool {
        self.hearing.words_are_final() && self.was_one(overlap)
    }

    /// An overlap that was over before it was decided turns out to have been an interruption: its words say so.
    fn was_one(&self, overlap: &Overlap) -> bool {
        let paused = matches!(self.hearing.voice(), Some(Voice::Paused { .. }));
        let hums = overlap.hum.is_none_or(|hum| hum >= self.hums_from);
        paused
            && self.lines.any()
            && self.can_be_interrupted()
            && self.may_be_believed(overlap)
            && self.said_over(overlap) == Some(false)
            && (overlap.hushed || !hums || takes_floor(self.hearing.text()))
    }

    /// The speech goes on with a turn that was decided too early.
    fn goes_on(&self, onset: MediaTime) -> bool {
        self.decided().is_some_and(|decided| continues(&self.config, onset, decided.at, decided.answer_began))
    }

    /// It goes on, and began before the caller can have taken note of the answer, or of the filler before it: nobody hums at
    /// what was not heard yet.
    fn collides(&self, onset: MediaTime) -> bool {
        let taken_note = self.heard_since().is_some_and(|began| onset > began.plus_ms(TAKEN_NOTE_MS));
        let begun_again = match &self.phase {
            Phase::Talking(talking) => talking.begun_again,
            _ => 0,
        };
        // An answer that is begun again and again for nothing is spared the haste.
        self.goes_on(onset) && !taken_note && begun_again < MAX_BEGUN_AGAIN
    }

    fn heard_since(&self) -> Option<MediaTime> {
        self.decided().and_then(|decided| decided.heard_since)
    }

    /// Looks at the overlap where that is due.
    pub(super) fn overlap_step(&mut self, at: MediaTime) -> bool {
        if self.overlap_deadline().is_none_or(|due| due > at) {
            return false;
        }
        let Some(onset) = self.overlapping() else {
            self.overlap_is_over(at);
            return true;
        };
        let mut overlap = self.overlap_of(onset);
        if self.decide_overlap_at(&overlap) > at {
            if self.lines.any() {
                overlap.ducked = true;
                self.out.push_back(Action::Duck);
                self.note(at, Stage::Ducked);
            }
            self.overlap = Some(overlap);
            return true;
        }
        if self.lines.any() && overlap.cue.is_some_and(|cue| cue.echo >= ECHO) {
            self.overlap = Some(overlap);
            self.hearing.may_not_interrupt();
            self.hearing.set_echo();
            self.loud_again(at);
            return true;
        }
        let said = self.said_over(&overlap);
        let certain = said == Some(false) && self.hearing.words_are_final();
        let long = onset.plus_ms(self.config.surely_ms) <= at;
        if self.lines.any() && !self.collides(onset) && !overlap.hushed && !certain && !long {
            let sounds = overlap.hum.is_some_and(|hum| hum >= self.hums_from);
            overlap.spared = !overlap.spared && said.unwrap_or(sounds);
            overlap.hushed = !overlap.spared;
            overlap.ducked |= overlap.hushed;
            self.overlap = Some(overlap);
            if overlap.spared {
                self.hearing.set_hummed(true);
                self.loud_again(at);
            } else {
                self.hearing.set_hummed(false);
                self.hush(at);
            }
            return true;
        }
        self.overlap = None;
        self.interrupted(at, onset);
        true
    }

    /// The speech has paused, or may not interrupt any more.
    fn overlap_is_over(&mut self, at: MediaTime) {
        let Some(overlap) = self.overlap else { return };
        // Where the recogniser never becomes certain, what it guessed has to do.
        if self.was_surely_one(&overlap) || overlap.hushed && self.was_one(&overlap) {
            self.overlap = None;
            return self.interrupted(at, overlap.onset);
        }
        if self.seems_one(&overlap) {
            self.overlap = Some(Overlap { hushed: true, ducked: true, ..overlap });
            return self.hush(at);
        }
        // A hum that was over before it was decided is none the less one.
        let hums = overlap.hum.is_some_and(|hum| hum >= self.hums_from);
        if hums || overlap.hushed && self.said_over(&overlap) == Some(true) {
            self.hearing.set_hummed(true);
        }
        self.loud_again(at);
    }

    /// Somebody seems to be interrupting: silence, and nothing is lost.
    fn hush(&mut self, at: MediaTime) {
        self.lines.pause(at);
        self.out.push_back(Action::Pause);
        self.note(at, Stage::Hushed);
    }

    /// The overlap was no interruption, or is over: full volume again.
    fn loud_again(&mut self, at: MediaTime) {
        if let Some(overlap) = &mut self.overlap
            && std::mem::take(&mut overlap.ducked)
        {
            overlap.hushed = false;
            self.lines.go_on(at);
            self.out.push_back(Action::Unduck);
            self.note(at, Stage::Unducked);
        }
    }

    /// A new turn of speech: what was known of an earlier overlap is about that one.
    pub(super) fn forget_overlap(&mut self) {
        if self.overlap.is_some_and(|overlap| !overlap.ducked) {
            self.overlap = None;
        }
    }
}
