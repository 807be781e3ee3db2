//! When the agent is heard in virtual time: its lines on the ticks of the media thread, paused and stopped.

use super::{Event, Stage, Voiced};
use crate::agent::Input;
use crate::audio::{FRAME_MS, MediaTime, PlayoutEvent, SAMPLES_PER_MS, UtteranceId};

pub(super) struct Waiting {
    pub utterance: UtteranceId,
    pub ms: u64,
    pub prompt: bool,
}

pub(super) struct Playing {
    pub utterance: UtteranceId,
    pub began: u64,
    pub prompt: bool,
    /// When it ends, unless it is paused.
    pub ends: u64,
    /// Paused since.
    pub paused: Option<u64>,
    /// Time in which nothing new of it was heard: pauses, and what was said again after them.
    pub lost: u64,
}

/// After a pause so much is said again: from a pause in the line, or its quietest moment.
const SAID_AGAIN_MS: u64 = 600;

impl Stage<'_> {
    /// The tick at which the media thread looks next.
    pub(super) fn next_tick(&self) -> u64 {
        self.now.div_ceil(FRAME_MS) * FRAME_MS
    }

    pub(super) fn pause(&mut self) {
        let at = self.next_tick();
        self.hushed = true;
        if let Some(playing) = &mut self.playing {
            playing.paused.get_or_insert(at);
            self.log.hushed.push((at, None));
        }
    }

    pub(super) fn go_on(&mut self) {
        let at = self.next_tick();
        self.hushed = false;
        let Some(playing) = &mut self.playing else { return self.at(at, Event::Tick) };
        let Some(since) = playing.paused.take() else { return };
        let again = SAID_AGAIN_MS.min(since.saturating_sub(playing.began + playing.lost));
        playing.lost += at.saturating_sub(since) + again;
        playing.ends += at.saturating_sub(since) + again;
        let (utterance, ends) = (playing.utterance, playing.ends);
        if let Some((_, until)) = self.log.hushed.last_mut() {
            *until = Some(at);
        }
        self.at(ends, Event::Ended(utterance));
    }

    pub(super) fn stop(&mut self) {
        self.queue.clear();
        self.hushed = false;
        // The media thread looks at the epoch at its next tick.
        let at = self.next_tick();
        if let Some(Playing { utterance, began, prompt, paused, lost, .. }) = self.playing.take() {
            // It is heard until it is paused.
            let until = paused.unwrap_or(at).min(at);
            self.log.agent.push(Voiced { span: (began, until), cut: true, prompt });
            let played = until.saturating_sub(began + lost) * SAMPLES_PER_MS;
            let cut = PlayoutEvent::Cut { utterance, played, at: MediaTime::from_ms(at) };
            self.at(at, Event::Input(Input::Playout(cut)));
        }
    }

    pub(super) fn tick(&mut self) {
        let Some(front) = self.queue.front() else { return };
        if self.hushed || self.playing.is_some() || !self.ready.contains(&front.utterance) {
            return;
        }
        let grid = self.next_tick();
        if grid > self.now {
            return self.at(grid, Event::Tick);
        }
        let Some(Waiting { utterance, ms, prompt }) = self.queue.pop_front() else { return };
        let ends = self.now + ms;
        self.playing = Some(Playing { utterance, began: self.now, prompt, ends, paused: None, lost: 0 });
        self.at(self.now + ms, Event::Ended(utterance));
        self.remark(ms);
        self.tell(Input::Playout(PlayoutEvent::Started { utterance, at: MediaTime::from_ms(self.now) }));
    }
}
