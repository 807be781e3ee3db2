//! The agent's lines, from the decision to say them until they were heard or cut.

use super::heard::{heard, length};
use crate::agent::TurnConfig;
use crate::audio::{MediaTime, PlayoutEvent, UtteranceId};
use crate::record::{Speaker, TurnLatency, TurnNotes, TurnRecord};
use std::collections::VecDeque;

/// Most lines on their way at a time; more are not taken.
const MAX_LINES: usize = 24;

/// A line to be said.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct NewLine {
    /// Its words.
    pub text: String,
    /// The caller may interrupt it.
    pub interruptible: bool,
    /// It puts the state's question.
    pub question: bool,
    /// The state whose disclosure it is.
    pub discloses: Option<usize>,
    /// For the record.
    pub notes: Box<TurnNotes>,
}

/// A line on its way.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Line {
    /// Its number.
    pub utterance: UtteranceId,
    /// What it is.
    pub what: NewLine,
    /// The flow's state when it was said.
    state: String,
    total_samples: Option<u64>,
    started: Option<MediaTime>,
    latency: Option<TurnLatency>,
    /// Since when nothing but itself keeps it from being heard.
    due_since: MediaTime,
    /// Its first frame is there.
    ready: bool,
    /// How often it was paused, and for how many samples.
    pauses: (u32, u64),
}

/// This share of a question says what is asked.
const MOSTLY: f32 = 0.7;
/// What is paused goes on from further back than it had come, but no further than this.
const SAID_AGAIN_MS: u64 = 2_000;

impl Line {
    /// When to give up on it.
    fn overdue_at(&self, config: &TurnConfig) -> MediaTime {
        let (pauses, paused) = self.pauses;
        let by = match self.started {
            Some(started) => {
                // The guess is made long: a line must not be declared dead because its synthesiser speaks slowly.
                let length = match self.total_samples {
                    Some(total) => length(&self.what.text, Some(total)),
                    None => length(&self.what.text, None).saturating_mul(3),
                };
                started.plus_samples(length).plus_ms(config.line_overrun_ms + u64::from(pauses) * SAID_AGAIN_MS)
            }
            None => self.due_since.plus_ms(config.line_start_ms),
        };
        by.plus_samples(paused)
    }

    /// How much of it was played by `at`, about: what was said again after a pause counts twice.
    fn played(&self, at: MediaTime) -> Option<u64> {
        Some(at.samples().saturating_sub(self.started?.samples()).saturating_sub(self.pauses.1))
    }

    fn record(self, ended: MediaTime, played: Option<u64>) -> Option<TurnRecord> {
        let began = self.started?;
        let (text, intended) = match played {
            None => (self.what.text, None),
            Some(played) => {
                let text = heard(&self.what.text, played, self.total_samples).to_owned();
                let whole = text == self.what.text;
                (text, (!whole).then_some(self.what.text))
            }
        };
        Some(TurnRecord {
            speaker: Speaker::Agent,
            interrupted: intended.is_some(),
            text,
            intended,
            state: self.state,
            began,
            ended: ended.max(began),
            confidence: None,
            dtmf: String::new(),
            latency: self.latency,
            notes: self.what.notes,
            emotion: None,
        })
    }
}

/// What became of a line.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Ended {
    /// The agent's turn, where anything of it was played.
    pub record: Option<TurnRecord>,
    /// The line itself, where it ended unasked: not by [`Lines::stop`].
    pub line: Option<Line>,
}

/// All lines on their way.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Lines {
    said: u32,
    active: VecDeque<Line>,
    /// Told to stop, not yet confirmed; with the time at which that is taken for granted.
    stopped: VecDeque<(Line, MediaTime, MediaTime)>,
    /// Since when what plays waits.
    paused: Option<MediaTime>,
}

impl Lines {
    /// Takes a line; none when there are too many already. `latency` belongs to the caller's turn that it answers.
    pub fn say(
        &mut self,
        at: MediaTime,
        what: NewLine,
        state: &str,
        latency: Option<TurnLatency>,
    ) -> Option<UtteranceId> {
        let line = self.number(at, what, state, latency)?;
        let utterance = line.utterance;
        self.active.push_back(line);
        Some(utterance)
    }

    /// Takes a line that is said before all that have not begun.
    pub fn say_first(
        &mut self,
        at: MediaTime,
        what: NewLine,
        state: &str,
        latency: Option<TurnLatency>,
    ) -> Option<UtteranceId> {
        let line = self.number(at, what, state, latency)?;
        let utterance = line.utterance;
        let begun = self.active.iter().take_while(|line| line.started.is_some()).count();
        self.active.insert(begun, line);
        Some(utterance)
    }

    fn number(&mut self, at: MediaTime, what: NewLine, state: &str, latency: Option<TurnLatency>) -> Option<Line> {
        if self.active.len() >= MAX_LINES {
            return None;
        }
        let utterance = self.next_number();
        self.skip(utterance);
        Some(Line {
            utterance,
            what,
            state: state.to_owned(),
            total_samples: None,
            started: None,
            latency,
            due_since: at,
            ready: false,
            pauses: (0, 0),
        })
    }

    /// The number of the next line.
    pub fn next_number(&self) -> UtteranceId {
        UtteranceId(self.said.saturating_add(1))
    }

    /// This number is used up.
    pub fn skip(&mut self, utterance: UtteranceId) {
        self.said = self.said.max(utterance.0);
    }

    /// The next line to play is not there yet.
    pub fn unready(&self) -> bool {
        self.active.front().is_some_and(|line| !line.ready && line.started.is_none())
    }

    /// This line is the next to play.
    pub fn is_next(&self, utterance: UtteranceId) -> bool {
        self.active.front().is_some_and(|line| line.utterance == utterance && line.started.is_none())
    }

    /// The times of the caller's turn that the next line answers: whoever speaks first answers it.
    pub fn take_latency(&mut self) -> Option<TurnLatency> {
        self.active.front_mut().and_then(|line| line.latency.take())
    }

    /// A line will not be heard: the one behind it answers the turn that it answered. Returns that turn's times where there is none.
    pub fn hand_over(&mut self, utterance: UtteranceId) -> Option<TurnLatency> {
        let at = self.active.iter().position(|line| line.utterance == utterance)?;
        let latency = self.active.get_mut(at)?.latency.take()?;
        match self.active.get_mut(at + 1) {
            Some(next) => {
                next.latency.get_or_insert(latency);
                None
            }
            None => Some(latency),
        }
    }

    /// The share of the line that plays which was heard by `at`; none where nothing plays.
    pub fn share_heard(&self, at: MediaTime) -> Option<f32> {
        let line = self.active.front()?;
        let played = line.played(at)?;
        Some((played as f32 / length(&line.what.text, line.total_samples) as f32).min(1.0))
    }

    /// The line that plays puts the state's question, and most of it was heard by `at`: it may be answered already.
    pub fn may_be_answered(&self, at: MediaTime) -> bool {
        let question = self.active.front().is_some_and(|line| line.what.question);
        question && self.share_heard(self.paused.unwrap_or(at)).is_some_and(|share| share >= MOSTLY)
    }

    /// Something is on its way.
    pub fn any(&self) -> bool {
        !self.active.is_empty()
    }

    /// All lines on their way, the one that plays first.
    pub fn pending(&self) -> Vec<NewLine> {
        self.active.iter().map(|line| line.what.clone()).collect()
    }

    /// All lines on their way but this one.
    pub fn pending_but(&self, one: Option<UtteranceId>) -> Vec<NewLine> {
        let others = self.active.iter().filter(|line| Some(line.utterance) != one);
        others.map(|line| line.what.clone()).collect()
    }

    /// The line that plays, or is the next to play, may not be interrupted.
    pub fn protected(&self) -> bool {
        self.active.front().is_some_and(|line| !line.what.interruptible)
    }

    /// The first frame of a line is there.
    pub fn ready(&mut self, at: MediaTime, utterance: UtteranceId, total_samples: Option<u64>) {
        let stopped = self.stopped.iter_mut().map(|(line, ..)| line);
        if let Some(line) = self.active.iter_mut().chain(stopped).find(|line| line.utterance == utterance) {
            line.total_samples = total_samples.or(line.total_samples);
            line.ready = true;
            if let Some(latency) = &mut line.latency {
                latency.first_audio.get_or_insert(at);
            }
        }
    }

    /// A line began to play. Returns whether it puts the state's question.
    pub fn started(&mut self, utterance: UtteranceId, at: MediaTime) -> bool {
        let stopped = self.stopped.iter_mut().map(|(line, ..)| line);
        let Some(line) = self.active.iter_mut().chain(stopped).find(|line| line.utterance == utterance) else {
            return false;
        };
        line.started.get_or_insert(at);
        if let Some(latency) = &mut line.latency {
            latency.first_packet.get_or_insert(at);
        }
        line.what.question
    }

    /// What the media thread says about the end of a line.
    pub fn ended(&mut self, event: PlayoutEvent) -> Ended {
        match event {
            PlayoutEvent::Started { .. } => Ended::default(),
            PlayoutEvent::Finished { utterance, at } => self.end(utterance, at, None),
            PlayoutEvent::Cut { utterance, played, at } => self.end(utterance, at, Some(played)),
        }
    }

    /// A line cannot be spoken, or not to its end.
    pub fn failed(&mut self, at: MediaTime, utterance: UtteranceId) -> Ended {
        let played = self.active.iter().find(|line| line.utterance == utterance).and_then(|line| line.played(at));
        self.end(utterance, at, Some(played.unwrap_or(0)))
    }

    fn end(&mut self, utterance: UtteranceId, at: MediaTime, played: Option<u64>) -> Ended {
        if let Some(index) = self.active.iter().position(|line| line.utterance == utterance) {
            let line = self.active.remove(index);
            if index == 0
                && let Some(next) = self.active.front_mut()
            {
                next.due_since = next.due_since.max(at);
            }
            return Ended { record: line.clone().and_then(|line| line.record(at, played)), line };
        }
        let index = self.stopped.iter().position(|(line, ..)| line.utterance == utterance);
        let record = index.and_then(|index| self.stopped.remove(index)).and_then(|(line, ..)| line.record(at, played));
        Ended { record, line: None }
    }

    /// What plays waits from now on, and nothing is overdue.
    pub fn pause(&mut self, at: MediaTime) {
        self.paused.get_or_insert(at);
    }

    /// What plays goes on, if it was paused.
    pub fn go_on(&mut self, at: MediaTime) {
        if let Some(since) = self.paused.take()
            && let Some(line) = self.active.front_mut()
        {
            let (pauses, paused) = line.pauses;
            line.pauses = (pauses.saturating_add(1), paused + at.samples().saturating_sub(since.samples()));
        }
    }

    /// All lines are to stop now. Returns whether there were any.
    pub fn stop(&mut self, at: MediaTime, config: &TurnConfig) -> bool {
        self.paused = None;
        let any = self.any();
        let granted = at.plus_ms(config.line_overrun_ms);
        self.stopped.extend(self.active.drain(..).map(|line| (line, at, granted)));
        while self.stopped.len() > MAX_LINES {
            self.stopped.pop_front();
        }
        any
    }

    /// The next time at which [`Self::overdue`] or [`Self::unconfirmed`] has something.
    pub fn deadline(&self, config: &TurnConfig) -> Option<MediaTime> {
        let front = self.active.front().filter(|_| self.paused.is_none()).map(|line| line.overdue_at(config));
        self.stopped.iter().map(|(.., granted)| *granted).chain(front).min()
    }

    /// The line that should have begun or ended by `at` and did not; and whether it did begin.
    pub fn overdue(&self, at: MediaTime, config: &TurnConfig) -> Option<(UtteranceId, bool)> {
        let front = self.active.front().filter(|line| self.paused.is_none() && line.overdue_at(config) <= at);
        front.map(|line| (line.utterance, line.started.is_some()))
    }

    /// The record of a line whose stop was never confirmed, cut where it was told to stop.
    pub fn unconfirmed(&mut self, at: MediaTime) -> Option<TurnRecord> {
        while let Some(index) = self.stopped.iter().position(|(.., granted)| *granted <= at) {
            let record = self.stopped.remove(index).and_then(|(line, stopped, _)| {
                let played = line.played(stopped)?;
                line.record(stopped, Some(played))
            });
            if record.is_some() {
                return record;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    fn line(text: &str) -> NewLine {
        NewLine { text: text.to_owned(), interruptible: true, ..NewLine::default() }
    }

    /// Four words in a second, from 0 on.
    fn playing(lines: &mut Lines) {
        let id = lines.say(ms(0), line("one two three four"), "ask", None).unwrap();
        lines.ready(ms(0), id, Some(16_000));
        lines.started(id, ms(0));
    }

    #[test]
    fn what_was_heard_is_what_is_recorded() {
        let config = TurnConfig::default();
        let mut lines = Lines::default();
        let latency = TurnLatency { decided: Some(ms(1_000)), ..TurnLatency::default() };
        let first = lines.say(ms(1_000), line("one two three four"), "ask", Some(latency)).unwrap();
        let second = lines.say(ms(1_000), line("five six"), "ask", None).unwrap();
        lines.ready(ms(1_001), first, Some(16_000));
        lines.started(first, ms(1_020));
        assert!(lines.stop(ms(1_500), &config));
        let cut = lines.ended(PlayoutEvent::Cut { utterance: first, played: 8_000, at: ms(1_520) });
        let record = cut.record.unwrap();
        assert_eq!(record.text, "one two");
        assert_eq!(record.intended.as_deref(), Some("one two three four"));
        assert!(record.interrupted);
        assert_eq!((record.began, record.ended), (ms(1_020), ms(1_520)));
        let latency = record.latency.unwrap();
        assert_eq!((latency.first_audio, latency.first_packet), (Some(ms(1_001)), Some(ms(1_020))));
        assert_eq!(lines.ended(PlayoutEvent::Cut { utterance: second, played: 0, at: ms(1_520) }), Ended::default());
        assert!(!lines.any());
    }

    #[test]
    fn a_stop_that_nobody_confirms_is_taken_for_granted() {
        let config = TurnConfig::default();
        let mut lines = Lines::default();
        playing(&mut lines);
        lines.stop(ms(500), &config);
        assert_eq!(lines.deadline(&config), Some(ms(2_000)));
        assert_eq!(lines.unconfirmed(ms(1_999)), None);
        assert_eq!(lines.unconfirmed(ms(2_000)).unwrap().text, "one two");
        assert_eq!(lines.deadline(&config), None);
    }

    #[test]
    fn a_paused_line_is_never_overdue_and_has_the_time_of_the_pause_afterwards() {
        let config = TurnConfig::default();
        let mut lines = Lines::default();
        playing(&mut lines);
        lines.pause(ms(500));
        lines.pause(ms(600));
        assert_eq!((lines.deadline(&config), lines.overdue(ms(60_000), &config)), (None, None));
        lines.go_on(ms(1_300));
        assert_eq!(lines.share_heard(ms(1_300)), Some(0.5));
        // A second of its own, the pause, what may be said again, and the overrun.
        assert_eq!(lines.deadline(&config), Some(ms(1_000 + 800 + 2_000 + config.line_overrun_ms)));
        lines.go_on(ms(2_000));
        lines.stop(ms(1_800), &config);
        assert_eq!(lines.unconfirmed(ms(9_000)).unwrap().intended, None, "all of it was played");
        let next = lines.say(ms(9_000), line("five"), "ask", None).unwrap();
        assert_eq!(lines.overdue(ms(60_000), &config), Some((next, false)), "a stop ends the pause, too");
    }

    #[test]
    fn a_line_that_never_begins_or_never_ends_is_overdue() {
        let config = TurnConfig::default();
        let mut lines = Lines::default();
        let id = lines.say(ms(0), line("hello"), "ask", None).unwrap();
        assert_eq!(lines.overdue(ms(4_999), &config), None);
        assert_eq!(lines.overdue(ms(5_000), &config), Some((id, false)));
        lines.ready(ms(100), id, Some(16_000));
        lines.started(id, ms(200));
        assert_eq!(lines.deadline(&config), Some(ms(2_700)));
        assert_eq!(lines.overdue(ms(2_700), &config), Some((id, true)));
    }
}
