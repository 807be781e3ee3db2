//! Keys: an answer without words, which needs no recogniser.

use super::conversation::Agent;
use super::dialogue::{Keys, Response};
use super::phase::{Phase, Pressed};
use super::{Action, AgentEvent};
use crate::audio::MediaTime;
use crate::record::{Speaker, TurnLatency, TurnRecord};

/// Most keys kept of one entry.
const MAX_KEYS: usize = 32;

impl Agent {
    /// The caller pressed a key. It stops an interruptible line; over another one it is kept for after.
    pub(super) fn key(&mut self, at: MediaTime, key: char) {
        let key = key.to_ascii_uppercase();
        if !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') {
            return;
        }
        let protected = self.protected();
        let Phase::Talking(talking) = &mut self.phase else { return };
        let pressed = &mut talking.keys;
        if pressed.keys.is_empty() {
            pressed.first = at;
        }
        if pressed.keys.len() >= MAX_KEYS {
            return;
        }
        pressed.keys.push(key);
        pressed.last = at;
        pressed.spoken = false;
        if protected {
            pressed.waiting.push(key);
        } else {
            self.press(at, key);
        }
        // What was heard meanwhile was the key's tone, or is answered by the key.
        if self.hearing.is_open() {
            self.hearing.clear(at);
            self.mood.forget();
            self.out.push_back(Action::FinishUtterance { usual: false });
        }
    }

    /// Takes the next key that came over a protected line.
    pub(super) fn press_waiting(&mut self, at: MediaTime) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        if !talking.keys.waiting.is_empty() {
            let key = talking.keys.waiting.remove(0);
            self.press(at, key);
        }
    }

    fn press(&mut self, at: MediaTime, key: char) {
        self.stop_speaking(at);
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.cut = None;
        talking.held = None;
        talking.first_half = None;
        talking.decided = None;
        talking.unless_key = None;
        talking.begun_again = 0;
        if !self.dialogue.entering()
            && let Some(response) = self.dialogue.turn_taken()
        {
            return self.entered(at, response);
        }
        self.dialogue.set_asked();
        if let Keys::Answer(response) = self.dialogue.key(key) {
            self.entered(at, *response);
        }
    }

    /// No more keys or spoken digits came.
    pub(super) fn entry_over(&mut self, at: MediaTime) {
        let response = self.dialogue.entry_over();
        self.entered(at, response);
    }

    fn entered(&mut self, at: MediaTime, response: Response) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let waiting = std::mem::take(&mut talking.keys.waiting);
        let mut pressed = std::mem::take(&mut talking.keys);
        pressed.keys.truncate(pressed.keys.len() - waiting.len().min(pressed.keys.len()));
        talking.keys = Pressed { keys: waiting.clone(), first: at, last: at, spoken: false, waiting };
        if !pressed.keys.is_empty() {
            self.report(AgentEvent::Turn(TurnRecord {
                speaker: Speaker::Caller,
                text: String::new(),
                intended: None,
                state: self.dialogue.state_name().to_owned(),
                began: pressed.first,
                // Words that were spoken before it may have been answered after it.
                ended: pressed.last.max(pressed.first),
                confidence: None,
                interrupted: false,
                dtmf: pressed.keys,
                latency: None,
                notes: Default::default(),
                emotion: None,
            }));
        }
        self.apply(at, response, Some(TurnLatency { decided: Some(at), ..TurnLatency::default() }));
    }
}
