//! Working ahead: while the silence that ends a turn still runs, the answer to what was heard so far is thought out, asked for
//! and synthesised into a held buffer. When the turn ends with the same words it is said at once; when the caller goes on, or
//! the words turn out to be others, it is thrown away and nobody has heard any of it.
//!
//! The answer is found by letting a copy of the agent end the turn now. The copy's numbers for lines and questions are those
//! that the agent itself will give if nothing changes, so keeping the work is nothing but ending the turn: what was prepared
//! is recognised by its number and words. A number that was given to something dropped is never given again.

use super::Action;
use super::conversation::Agent;
use super::dialogue::{Sentences, says_nothing};
use super::phase::Phase;
use super::turn::Voice;
use crate::audio::{MediaTime, UtteranceId};
use crate::record::Stage;
use crate::speech::{ChatRequest, Reply};

/// Most pieces of an answer that are kept before it is known whether it is needed; of the rest its end alone is.
const MAX_REPLIES: usize = 512;

/// A question to the language model that was asked ahead.
#[derive(Clone, PartialEq, Debug)]
struct AskedAhead {
    ask: u32,
    request: ChatRequest,
    replies: Vec<Reply>,
    sentences: Sentences,
    /// The number of the line that its first sentence will be.
    line: UtteranceId,
    /// That line was prepared.
    begun: bool,
}

/// A line that was prepared.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Prepared {
    utterance: UtteranceId,
    text: String,
    /// Its first frame is there; its length where that is known.
    ready: Option<Option<u64>>,
}

/// What was done ahead of the end of a turn.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Ahead {
    /// The words that it answers.
    text: String,
    lines: Vec<Prepared>,
    asked: Option<AskedAhead>,
    /// Something of it was said or asked as it was prepared.
    used: bool,
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.asked.is_none()
    }
}

/// How often working ahead was worth it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AheadTally {
    /// Times that something was prepared.
    pub begun: u64,
    /// Times that it was used.
    pub kept: u64,
    /// Times that it was thrown away.
    pub dropped: u64,
    /// Answers to a turn of the caller.
    pub answers: u64,
    /// Answers whose first line was ready when the turn ended.
    pub ready: u64,
}

impl Agent {
    /// How often working ahead was worth it, so far in this call.
    pub fn ahead_tally(&self) -> AheadTally {
        self.tally
    }

    /// When to begin to work ahead, if that is still to come.
    pub(super) fn ahead_at(&self) -> Option<MediaTime> {
        let Some(Voice::Paused { last, flushed: true }) = self.hearing.voice() else { return None };
        let settled = self.hearing.final_covers().is_some_and(|covers| covers >= last);
        let known = self.ahead.as_ref().is_some_and(|ahead| ahead.text == self.hearing.text());
        let may = matches!(self.phase, Phase::Talking(_)) && !self.protected() && !self.lines.any() && !self.thinking();
        (settled && !known && may && self.config.work_ahead && !says_nothing(self.hearing.text()))
            .then(|| last.plus_ms(self.config.eager_ms))
    }

    /// Thinks out the answer to what was heard so far. One that is the same as before is kept.
    pub(super) fn work_ahead(&mut self, at: MediaTime) {
        let text = self.hearing.text().to_owned();
        let mut copy = self.clone();
        copy.out.clear();
        copy.ahead = None;
        copy.turn_over(at);
        let mut lines = Vec::new();
        let mut asked = None;
        let manner = copy.manner;
        for action in std::mem::take(&mut copy.out) {
            match action {
                Action::Say { utterance, text } if asked.is_none() => {
                    lines.push(Prepared { utterance, text, ready: None })
                }
                Action::Ask { ask, request } => asked = Some((ask, request)),
                _ => {}
            }
        }
        // Only what is said first is urgent.
        lines.truncate(2);
        let same = self.ahead.as_ref().is_some_and(|ahead| {
            let words = |lines: &[Prepared]| lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
            let asks = ahead.asked.as_ref().map(|asked| &asked.request) == asked.as_ref().map(|(_, request)| request);
            // The first sentence of an answer is prepared behind the lines.
            let own = ahead.lines.len() - usize::from(ahead.asked.as_ref().is_some_and(|asked| asked.begun));
            asks && words(ahead.lines.get(..own).unwrap_or_default()) == words(&lines)
        });
        if same {
            if let Some(ahead) = &mut self.ahead {
                ahead.text = text;
            }
            return;
        }
        let next = copy.lines.next_number();
        let replaced = self.drop_ahead(at);
        if replaced {
            // The numbers that were just dropped are not given again: count from here.
            return self.work_ahead(at);
        }
        let asked = asked.map(|(ask, request)| AskedAhead {
            ask,
            request,
            replies: Vec::new(),
            sentences: Sentences::default(),
            line: next,
            begun: false,
        });
        let ahead = Ahead { text, lines, asked, used: false };
        if !ahead.is_empty() {
            self.tally.begun += 1;
            self.note(at, Stage::Speculated);
        }
        self.tell_manner(manner);
        for line in &ahead.lines {
            self.out.push_back(Action::Prepare { utterance: line.utterance, text: line.text.clone() });
        }
        if let Some(asked) = &ahead.asked {
            self.out.push_back(Action::Ask { ask: asked.ask, request: asked.request.clone() });
        }
        self.ahead = Some(ahead);
    }

    /// Throws away what was done ahead. Returns whether numbers were used up by it.
    pub(super) fn drop_ahead(&mut self, at: MediaTime) -> bool {
        let Some(ahead) = self.ahead.take() else { return false };
        if ahead.is_empty() {
            return false;
        }
        self.tally.dropped += 1;
        self.note(at, Stage::SpeculationDropped);
        self.discard(ahead);
        true
    }

    fn discard(&mut self, ahead: Ahead) {
        for line in ahead.lines {
            self.lines.skip(line.utterance);
            self.out.push_back(Action::Discard { utterance: line.utterance });
        }
        if let Some(asked) = ahead.asked {
            self.asks = self.asks.max(asked.ask);
            self.out.push_back(Action::CancelAsk { ask: asked.ask });
        }
    }

    /// The turn ends: runs `end` with what was done ahead at hand, and throws away what was not used of it.
    pub(super) fn with_ahead(&mut self, at: MediaTime, end: impl FnOnce(&mut Self)) {
        let before = self.ahead.as_ref().map(Ahead::is_empty);
        end(self);
        let Some(empty) = before else { return };
        let Some(left) = self.ahead.take() else { return };
        if !empty {
            if left.used {
                self.tally.kept += 1;
                self.note(at, Stage::SpeculationKept);
            } else {
                self.tally.dropped += 1;
                self.note(at, Stage::SpeculationDropped);
            }
        }
        self.discard(left);
    }

    /// A line is about to be said: was it prepared under this number? If so it counts as ready as far as it is.
    pub(super) fn take_prepared(&mut self, at: MediaTime, utterance: UtteranceId, text: &str) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        let Some(index) = ahead.lines.iter().position(|line| line.utterance == utterance) else { return false };
        let line = ahead.lines.remove(index);
        if line.text != text {
            // The number is in use now; what was prepared under it is not wanted.
            self.out.push_back(Action::Discard { utterance });
            return false;
        }
        ahead.used = true;
        if let Some(total_samples) = line.ready {
            self.lines.ready(at, utterance, total_samples);
        }
        line.ready.is_some()
    }

    /// A question is about to be asked: was it asked ahead? Then what was answered so far.
    pub(super) fn take_asked(&mut self, ask: u32, request: &ChatRequest) -> Option<Vec<Reply>> {
        let ahead = self.ahead.as_mut()?;
        let asked = ahead.asked.as_ref()?;
        if asked.ask != ask || asked.request != *request {
            return None;
        }
        ahead.used = true;
        ahead.asked.take().map(|asked| asked.replies)
    }

    /// A piece of an answer to a question that was asked ahead. Returns whether it is one.
    pub(super) fn reply_ahead(&mut self, ask: u32, reply: &Reply) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        let Some(asked) = ahead.asked.as_mut().filter(|asked| asked.ask == ask) else { return false };
        // Whoever takes the answer over must know that it is over.
        let ends = |reply: &Reply| matches!(reply, Reply::Done | Reply::Failed(_));
        if asked.replies.len() < MAX_REPLIES || ends(reply) && !asked.replies.last().is_some_and(ends) {
            asked.replies.push(reply.clone());
        }
        if asked.begun {
            return true;
        }
        let sentence = match reply {
            Reply::Delta(piece) => asked.sentences.push(piece).into_iter().next(),
            Reply::Done => asked.sentences.finish(),
            _ => None,
        };
        if let Some(text) = sentence {
            let text = self.dialogue.flow().tongue().text(&text);
            asked.begun = true;
            let utterance = asked.line;
            ahead.lines.push(Prepared { utterance, text: text.clone(), ready: None });
            self.out.push_back(Action::Prepare { utterance, text });
        }
        true
    }

    /// The first frame of a line that was prepared is there. Returns whether it is one.
    pub(super) fn ready_ahead(&mut self, at: MediaTime, utterance: UtteranceId, total_samples: Option<u64>) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        let Some(index) = ahead.lines.iter().position(|line| line.utterance == utterance) else { return false };
        ahead.lines[index].ready = Some(total_samples);
        if index == 0 {
            self.note(at, Stage::LineReady);
        }
        true
    }

    /// A line that was prepared cannot be spoken: it will be tried again when it is needed. Returns whether it is one.
    pub(super) fn failed_ahead(&mut self, utterance: UtteranceId) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        let before = ahead.lines.len();
        ahead.lines.retain(|line| line.utterance != utterance);
        let failed = ahead.lines.len() < before;
        if failed {
            self.lines.skip(utterance);
        }
        failed
    }
}
