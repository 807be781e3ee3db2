//! The agent's side: lines, answers of the language model, waiting, and the end.

use super::bounded::bounded;
use super::conversation::Agent;
use super::dialogue::{End, Response, Sentences, Task, request};
use super::obeying::filter;
use super::phase::{Leaving, Phase, Question, Talking, Transferring};
use super::turn::{Ended, NewLine};
use super::{Action, AgentEvent, Endpointing};
use crate::audio::MediaTime;
use crate::record::{EndReason, Speaker, TurnLatency, TurnRecord};
use crate::speech::{Reply, Role};

/// Most characters of one piece of an answer that are looked at.
const MAX_PIECE: usize = 4_000;

/// What the conversation waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// Keys that came over a protected line.
    WaitingKeys,
    /// Words that came over a protected line.
    Held,
    /// The language model.
    Question,
    /// More keys or digits.
    Entry,
    /// A key of a caller who cannot be heard.
    UnlessKey,
    /// The caller.
    NoInput,
}

impl Agent {
    /// A question to the language model is open.
    pub(super) fn thinking(&self) -> bool {
        matches!(&self.phase, Phase::Talking(talking) if talking.question.is_some())
    }

    fn due(&self, talking: &Talking) -> Option<(MediaTime, Due)> {
        if !self.protected() {
            if !talking.keys.waiting.is_empty() {
                return Some((MediaTime::ZERO, Due::WaitingKeys));
            }
            if talking.held.is_some() && !self.hearing.is_open() {
                return Some((MediaTime::ZERO, Due::Held));
            }
        }
        if let Some(question) = &talking.question {
            return Some((question.until, Due::Question));
        }
        if self.hearing.is_open() || self.lines.any() || talking.held.is_some() {
            return None;
        }
        if self.dialogue.entering() {
            let usual = match (talking.keys.spoken, self.config.endpointing) {
                (false, _) => self.config.key_gap_ms,
                (true, Endpointing::Fixed) => self.config.digits_gap_ms,
                // How many digits are missing was weighed when the turn was taken to be over.
                (true, Endpointing::Adaptive) => 0,
            };
            let gap_ms = self.dialogue.key_gap_ms().unwrap_or(usual);
            return Some((talking.keys.last.plus_ms(gap_ms), Due::Entry));
        }
        if let Some((_, wait_ms)) = &talking.unless_key {
            return Some((talking.quiet_since.plus_ms(*wait_ms), Due::UnlessKey));
        }
        let after_ms = self.dialogue.no_input_ms().unwrap_or(self.config.no_input_ms);
        Some((talking.quiet_since.plus_ms(after_ms), Due::NoInput))
    }

    pub(super) fn talking_deadline(&self, talking: &Talking) -> Option<MediaTime> {
        self.due(talking).map(|(at, _)| at)
    }

    /// Does what the conversation no longer waits for.
    pub(super) fn talking_step(&mut self, at: MediaTime) -> bool {
        let Phase::Talking(talking) = &self.phase else { return false };
        let Some((_, due)) = self.due(talking).filter(|(when, _)| *when <= at) else { return false };
        match due {
            Due::WaitingKeys => self.press_waiting(at),
            Due::Held => self.respond_held(at),
            Due::Question => self.question_over(at, true),
            Due::Entry => self.entry_over(at),
            Due::UnlessKey => {
                let Phase::Talking(talking) = &mut self.phase else { return false };
                if let Some((end, _)) = talking.unless_key.take() {
                    self.leave(end);
                }
            }
            Due::NoInput => {
                let response = self.dialogue.silence();
                let Phase::Talking(talking) = &mut self.phase else { return false };
                talking.decided = None;
                self.apply(at, response, None);
            }
        }
        true
    }

    fn respond_held(&mut self, at: MediaTime) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        if let Some(turn) = talking.held.take() {
            self.respond(at, turn, 0);
        }
    }

    /// Carries out what the dialogue has decided. `latency` belongs to the caller's turn that it answers.
    pub(super) fn apply(&mut self, at: MediaTime, response: Response, latency: Option<TurnLatency>) {
        let Response { events, expect, lines, task, end, .. } = response;
        for event in events {
            self.report(event);
        }
        self.tell_moods(at);
        if expect.is_some() {
            self.expect();
        }
        self.latency = latency;
        if let Phase::Talking(talking) = &mut self.phase {
            talking.cut = None;
            if lines.is_empty() && task.is_none() && end.is_none() {
                talking.quiet_since = at;
            }
        }
        for line in lines {
            self.say(at, line);
        }
        if let Some(task) = task {
            self.ask(at, task);
        }
        if let Some(end) = end {
            self.leave(end);
        }
    }

    pub(super) fn say(&mut self, at: MediaTime, line: NewLine) {
        let text = line.text.clone();
        if let Some(latency) = &mut self.latency {
            latency.first_token.get_or_insert(at);
        }
        let latency = self.latency.take();
        // A disclosure is its own state's, though the conversation has gone on from there.
        let state = line.discloses.and_then(|state| self.dialogue.flow().state_named(state));
        let state = state.unwrap_or_else(|| self.dialogue.state_name());
        let Some(utterance) = self.lines.say(at, line, state, latency) else { return };
        if let Phase::Talking(talking) = &mut self.phase
            && let Some(decided) = &mut talking.decided
        {
            decided.answer.get_or_insert(utterance);
        }
        let ready = self.take_prepared(at, utterance, &text);
        if std::mem::take(&mut self.answering) && ready {
            self.tally.ready += 1;
        }
        self.tell_manner(self.dialogue.manner());
        self.out.push_back(Action::Say { utterance, text });
    }

    pub(super) fn ask(&mut self, at: MediaTime, task: Task) {
        let max_tokens = self.config.max_tokens;
        let offers = self.dialogue.offer_terms(&task.permits);
        let (flow, manner) = (self.dialogue.flow(), self.mood.in_words());
        let request = request(flow, &task, &offers, &self.dialogue.data(), &self.memory, max_tokens, manner);
        let filter = filter(&self.dialogue, &task, &offers);
        let Phase::Talking(talking) = &mut self.phase else { return };
        self.asks = self.asks.saturating_add(1);
        talking.question = Some(Question {
            ask: self.asks,
            task,
            sentences: Sentences::default(),
            filter,
            said: 0,
            until: at.plus_ms(self.config.first_sentence_ms),
            done_by: at.plus_ms(self.config.answer_ms.max(self.config.first_sentence_ms)),
        });
        if self.no_model {
            return self.template_instead(at);
        }
        let ask = self.asks;
        match self.take_asked(ask, &request) {
            // The rest of the answer is on its way.
            Some(replies) => replies.into_iter().for_each(|reply| self.reply(at, ask, reply)),
            None => self.out.push_back(Action::Ask { ask, request }),
        }
    }

    pub(super) fn reply(&mut self, at: MediaTime, ask: u32, reply: Reply) {
        if self.reply_ahead(ask, &reply) {
            return;
        }
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(question) = talking.question.as_mut().filter(|question| question.ask == ask) else { return };
        match reply {
            Reply::Delta(piece) => {
                if let Some(latency) = &mut self.latency {
                    latency.first_token.get_or_insert(at);
                }
                let piece = bounded(&piece, MAX_PIECE);
                let sentences = question.sentences.push(piece);
                for sentence in sentences {
                    if self.say_sentence(at, sentence) {
                        self.question_over(at, true);
                        break;
                    }
                }
            }
            Reply::Done => {
                if let Some(rest) = question.sentences.finish() {
                    self.say_sentence(at, rest);
                }
                self.question_over(at, false);
            }
            Reply::ToolCall { name, arguments, .. } => self.tool_called(at, &name, &arguments),
            Reply::Failed(_) => self.question_over(at, false),
        }
    }

    /// Says a sentence of an answer. Returns whether it was the last that is said.
    fn say_sentence(&mut self, at: MediaTime, text: String) -> bool {
        let Phase::Talking(talking) = &mut self.phase else { return true };
        let Some(question) = &mut talking.question else { return true };
        if let Some(why) = question.filter.refuses(&text) {
            self.unsaid(why);
            return true;
        }
        question.said += 1;
        question.until = question.done_by;
        let most = self.dialogue.most_sentences().unwrap_or(usize::MAX);
        let enough = question.said >= self.config.max_sentences.min(most);
        let (interruptible, notes) = (question.task.interruptible, Box::new(question.task.notes()));
        // The model writes figures; a voice says them.
        let text = self.dialogue.flow().tongue().text(&text);
        self.dialogue.note_said(&text);
        self.say(at, NewLine { text, interruptible, notes, ..NewLine::default() });
        enough
    }

    /// The language model's answer is complete, or what there is of it must do.
    pub(super) fn question_over(&mut self, at: MediaTime, cancel: bool) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(question) = &talking.question else { return };
        if cancel {
            self.out.push_back(Action::CancelAsk { ask: question.ask });
        }
        self.template_instead(at);
    }

    /// Says the ready answer where nothing was said, and goes on.
    fn template_instead(&mut self, at: MediaTime) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(question) = talking.question.take() else { return };
        talking.quiet_since = at;
        if question.said == 0 && !question.task.template.is_empty() {
            let notes = Box::new(question.task.notes());
            let Task { template: text, interruptible, .. } = question.task;
            self.dialogue.note_said(&text);
            self.say(at, NewLine { text, interruptible, notes, ..NewLine::default() });
        }
        let response = self.dialogue.answered();
        let latency = self.latency.take();
        self.apply(at, response, latency);
    }

    /// Reports what the caller heard.
    pub(super) fn record(&mut self, record: TurnRecord) {
        if record.speaker == Speaker::Agent {
            self.memory.keep(Role::Assistant, &record.text);
        }
        self.report(AgentEvent::Turn(record));
    }

    /// A line could not be said. It is tried once more, before those that stand behind it; then they must do, and where there
    /// are none the fallback line.
    pub(super) fn line_failed(&mut self, at: MediaTime, ended: Ended) {
        if let Some(record) = ended.record {
            self.record(record);
        }
        let Some(line) = ended.line else { return };
        if line.what.question {
            self.dialogue.set_asked();
        }
        self.failed_lines += 1;
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.quiet_since = at;
        if self.failed_lines >= 3 || self.failed_lines == 2 && !self.lines.any() {
            self.give_up(at, "lines could not be spoken");
        } else if self.failed_lines == 1 {
            let behind = self.lines.pending_but(None);
            if self.lines.stop(at, &self.config) {
                self.out.push_back(Action::StopSpeaking);
            }
            self.say(at, line.what);
            behind.into_iter().for_each(|line| self.say(at, line));
        }
    }

    /// The next line should have begun long ago.
    pub(super) fn line_never_began(&mut self, at: MediaTime) {
        // A filler is not said again: it is late enough for the answer.
        let filler = self.filled.take();
        let pending = self.lines.pending_but(filler);
        self.lines.stop(at, &self.config);
        self.out.push_back(Action::StopSpeaking);
        self.failed_lines += 1;
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.quiet_since = at;
        if self.failed_lines >= 2 {
            return self.give_up(at, "lines were not played");
        }
        if filler.is_some() && pending.is_empty() && self.thinking() {
            return self.question_over(at, true);
        }
        for line in pending {
            self.say(at, line);
        }
    }

    /// Nothing works: the fallback line and the end that the flow has for it.
    pub(super) fn give_up(&mut self, at: MediaTime, why: &str) {
        let response = self.dialogue.fallback(EndReason::Failed { why: why.to_owned() });
        self.apply(at, response, None);
    }

    /// The caller cannot be heard any more: says so, and ends the call unless a key is pressed where keys help.
    pub(super) fn gone_deaf(&mut self, at: MediaTime) {
        self.hearing.clear(at);
        if !matches!(self.phase, Phase::Talking(_)) {
            return;
        }
        if !self.protected() {
            self.stop_speaking(at);
        }
        let reason = EndReason::Failed { why: "no recogniser is left".to_owned() };
        let (mut response, wait_ms) = self.dialogue.engine_down(reason);
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.held = None;
        talking.quiet_since = at;
        if wait_ms > 0 {
            talking.unless_key = response.end.take().map(|end| (end, wait_ms));
        }
        self.apply(at, response, None);
    }

    /// Says what is to be said, then ends the call so.
    pub(super) fn leave(&mut self, end: End) {
        let (decided, begun_again) = match &mut self.phase {
            Phase::Talking(talking) => {
                if let Some(question) = talking.question.take() {
                    self.out.push_back(Action::CancelAsk { ask: question.ask });
                }
                (talking.decided.take(), talking.begun_again)
            }
            _ => (None, 0),
        };
        self.phase = Phase::Leaving(Box::new(Leaving { end, decided, begun_again }));
    }

    /// Everything was said.
    pub(super) fn leave_now(&mut self, at: MediaTime) {
        let Phase::Leaving(leaving) = &self.phase else { return };
        match leaving.end.clone() {
            End::HangUp(reason) => self.end(at, reason),
            End::Transfer { target } => {
                self.out.push_back(Action::Transfer { target: target.clone() });
                let until = at.plus_ms(self.config.transfer_ms);
                self.phase = Phase::Transferring(Transferring { target, until });
            }
        }
    }

    pub(super) fn transfer_ended(&mut self, at: MediaTime, accepted: bool) {
        let Phase::Transferring(transfer) = &self.phase else { return };
        let target = transfer.target.clone();
        if accepted {
            return self.end(at, EndReason::Transferred { target });
        }
        let response = self.dialogue.transfer_failed(&target);
        self.apply(at, response, None);
    }

    fn end(&mut self, at: MediaTime, reason: EndReason) {
        self.close(at);
        self.out.push_back(Action::HangUp(reason));
    }

    /// The call is over: reports the turns that are still open.
    pub(super) fn close(&mut self, at: MediaTime) {
        // What was done ahead ends with the call.
        self.ahead = None;
        self.lines.stop(at, &self.config);
        while let Some(record) = self.lines.unconfirmed(MediaTime::from_samples(u64::MAX)) {
            self.record(record);
        }
        if let Some(turn) = self.hearing.take(at).filter(|turn| !turn.text.is_empty()) {
            self.record_caller(&turn, None);
            self.dialogue.overheard(&turn.text);
        }
        for event in self.dialogue.book_doubt() {
            self.report(event);
        }
        self.hearing.clear(at);
        self.phase = Phase::Ended;
    }
}
