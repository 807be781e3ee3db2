//! The caller's side: speech, words, keys, silence, and what they make the agent do.

use super::bounded::bounded;
use super::conversation::Agent;
use super::dialogue::{
    is_assent, is_backchannel, is_mostly_backchannel, is_short, may_be_misheard, says_nothing, takes_floor, tokens,
};
use super::phase::{Cut, Decided, FirstHalf, Phase, Talking};
use super::turn::{CallerTurn, Evidence, Said, Voice, Weighing, continues, decide_at, word_count};
use super::{Action, AgentEvent};
use crate::audio::MediaTime;
use crate::record::{Speaker, Stage, TurnEmotion, TurnLatency, TurnRecord};
use crate::speech::{AnswerKind, Hypothesis, HypothesisKind, Role, SpeechEdge};

/// How often in a row a line cut by mere noise is begun again.
pub(super) const MAX_BEGUN_AGAIN: u32 = 2;
/// How long after the first sound that may be speech it is known whether it is.
const STIR_MS: u64 = 60;
/// Most bytes kept of what is said over a line that may not be interrupted.
const MAX_HELD: usize = 2_000;

impl Agent {
    pub(super) fn speech(&mut self, edge: SpeechEdge) {
        if self.deaf || self.phase == Phase::Waiting {
            return;
        }
        if let SpeechEdge::Started { onset } = edge
            && !self.hearing.is_open()
        {
            self.exchange_begins(onset);
        }
        self.hearing.edge(edge, self.lines.any());
        match edge {
            SpeechEdge::Started { onset } => {
                self.forget_overlap();
                self.note(onset, Stage::SpeechStarted);
            }
            SpeechEdge::Paused { last } => self.note(last, Stage::SpeechPaused),
        }
    }

    pub(super) fn heard(&mut self, hypothesis: &Hypothesis) {
        if self.deaf || self.phase == Phase::Waiting {
            return;
        }
        let changed = self.hearing.hypothesis(hypothesis);
        let (text, at) = (self.hearing.text().to_owned(), hypothesis.covers);
        if hypothesis.kind == HypothesisKind::Final && self.hearing.final_covers() == Some(at) {
            self.note(at, Stage::Final { text });
        } else if changed {
            self.note(at, Stage::Partial { text });
        }
        if !changed {
            return;
        }
        self.weigh_words();
        if !self.hearing.text().is_empty() {
            let text = self.hearing.text().to_owned();
            self.report(AgentEvent::Hearing { text });
        }
    }

    /// What the words so far tell of whether the turn is over. Where the agent cut in, a number goes on with the digits from before; of
    /// other words those since then tell more.
    fn weigh_words(&mut self) {
        let first = match &self.phase {
            Phase::Talking(talking) => talking.first_half.as_ref(),
            _ => None,
        };
        let own = self.hearing.text();
        let joined = first.map(|first| format!("{} {own}", first.text));
        let number = joined.as_deref().filter(|joined| self.dialogue.digits_left(joined).is_some());
        let text = number.unwrap_or(own);
        self.hearing.said = Said {
            progress: self.dialogue.progress(text),
            words: word_count(text),
            sentence: self.ends.sentence.log_odds(&tokens(text)),
            digits_left: self.dialogue.digits_left(text),
        };
    }

    /// What is known of the pause that the open turn is in.
    pub(crate) fn evidence(&self) -> Evidence {
        self.hearing.evidence(self.dialogue.kind(), self.dialogue.is_telling())
    }

    /// The silence that ends the open turn now.
    fn wait_ms(&self) -> u64 {
        let weighing = Weighing { config: &self.config, curve: self.curve, ends: self.ends };
        weighing.wait_ms(&self.evidence(), self.dialogue.wait_ms())
    }

    /// The caller pauses in an open turn.
    pub(crate) fn is_pausing(&self) -> bool {
        matches!(self.hearing.voice(), Some(Voice::Paused { .. }))
    }

    /// The words of the open turn.
    pub(crate) fn hears(&self) -> &str {
        self.hearing.text()
    }

    pub(super) fn hearing_deadline(&self) -> Option<MediaTime> {
        match self.hearing.voice()? {
            Voice::Speaking { .. } => Some(self.hearing.began()?.plus_ms(self.config.max_caller_turn_ms)),
            Voice::Paused { last, flushed } => {
                let decide = decide_at(&self.config, last, self.wait_ms(), self.hearing.final_covers());
                // A caller who may be going on is given the time to be heard; a noise that goes on and on is not.
                let cap = last.plus_ms(self.config.longest_wait_ms);
                let heard_by = |stir: MediaTime| decide.max(stir.plus_ms(STIR_MS).min(cap));
                let decide = self.hearing.last_stir().map_or(decide, heard_by);
                Some(if flushed { decide } else { decide.min(last.plus_ms(self.config.flush_ms)) })
            }
        }
    }

    /// Flushes or ends the open turn where that is due.
    pub(super) fn hearing_step(&mut self, at: MediaTime) -> bool {
        if self.hearing_deadline().is_none_or(|due| due > at) {
            return false;
        }
        if let Some(Voice::Paused { last, flushed: false }) = self.hearing.voice()
            && last.plus_ms(self.config.flush_ms) <= at
        {
            self.hearing.set_flushed();
            self.note(at, Stage::Flushed);
            self.out.push_back(Action::Flush);
        } else {
            self.with_ahead(at, |agent| agent.turn_over(at));
        }
        true
    }

    /// The agent is speaking or thinking, and may be interrupted.
    pub(super) fn can_be_interrupted(&self) -> bool {
        match &self.phase {
            Phase::Talking(_) => !self.protected() && (self.lines.any() || self.thinking()),
            Phase::Leaving(_) => self.lines.any() && !self.lines.protected(),
            Phase::Waiting | Phase::Transferring(_) | Phase::Ended => false,
        }
    }

    /// What is being said, or thought about, may not be interrupted.
    pub(super) fn protected(&self) -> bool {
        let thinking = match &self.phase {
            Phase::Talking(talking) => talking.question.as_ref().is_some_and(|question| !question.task.interruptible),
            _ => false,
        };
        self.lines.protected() || thinking && !self.lines.any()
    }

    /// The caller, speaking since `onset`, has the floor: the agent stops. If this speech goes on with a turn that was
    /// decided too early, the decision is taken back.
    pub(super) fn interrupted(&mut self, at: MediaTime, onset: MediaTime) {
        self.hearing.set_interrupted_agent();
        self.hearing.set_hummed(false);
        if let Phase::Leaving(leaving) = &self.phase {
            let talking = Talking {
                decided: leaving.decided.clone(),
                begun_again: leaving.begun_again,
                interrupted_end: Some(leaving.end.clone()),
                ..Talking::default()
            };
            self.phase = Phase::Talking(Box::new(talking));
        }
        let speaking = self.lines.any();
        let cut = self.stop_speaking(at);
        if speaking {
            self.note(at, Stage::Stopped);
        }
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.quiet_since = at;
        talking.cut = Some(cut);
        let early =
            talking.decided.take().filter(|decided| continues(&self.config, onset, decided.at, decided.answer_began));
        if let Some(decided) = early {
            self.hearing.went_on_after(onset.ms_since(decided.ended));
            talking.interrupted_end = None;
            talking.cut = None;
            talking.first_half = Some(decided.turn);
            let left = self.dialogue.state_name().to_owned();
            let now = std::mem::replace(&mut self.dialogue, decided.before);
            // What was heard in the meantime was heard.
            self.dialogue.heard_disclosures(&now);
            self.dialogue.told_moods(&now);
            let state = self.dialogue.state_name().to_owned();
            if state != left {
                self.report(AgentEvent::State { state });
            }
            self.expect();
        }
        self.weigh_words();
    }

    /// Stops everything that is being said or thought about.
    pub(super) fn stop_speaking(&mut self, at: MediaTime) -> Cut {
        let mut cut = Cut { lines: self.lines.pending(), task: None };
        if self.lines.stop(at, &self.config) {
            self.out.push_back(Action::StopSpeaking);
        }
        self.latency = None;
        self.promise_kept();
        self.overlap = None;
        self.filled = None;
        if let Phase::Talking(talking) = &mut self.phase
            && let Some(question) = talking.question.take()
        {
            cut.task = (question.said == 0).then_some(question.task);
            self.out.push_back(Action::CancelAsk { ask: question.ask });
        }
        cut
    }

    /// The caller's turn is over.
    pub(super) fn turn_over(&mut self, at: MediaTime) {
        let wait = match self.hearing.voice() {
            Some(Voice::Paused { .. }) => self.wait_ms(),
            _ => 0,
        };
        let Some(turn) = self.hearing.take(at) else { return };
        self.note(at, Stage::Decided { wait_ms: wait });
        let words = !says_nothing(&turn.text);
        let noise = !words && turn.voiced_ms < self.config.noise_ms;
        if turn.echo || noise {
            // Our own voice and a cough say nothing of how the caller sounds.
            self.mood.forget();
            self.out.push_back(Action::FinishUtterance { usual: false });
            if !turn.echo && turn.interrupted_agent {
                self.begin_again(at);
            }
            return;
        }
        if matches!(self.phase, Phase::Talking(_)) || words {
            let emotion = self.sounded(at, &turn);
            self.out.push_back(Action::FinishUtterance { usual: self.mood.was_usual() });
            self.record_caller(&turn, emotion);
        } else {
            self.mood.forget();
            self.out.push_back(Action::FinishUtterance { usual: false });
        }
        self.answer_turn(at, turn, wait);
        self.tell_moods(at);
    }

    /// Answers a turn, or keeps it until it may be.
    fn answer_turn(&mut self, at: MediaTime, mut turn: CallerTurn, wait: u64) {
        let protected = self.protected();
        let Phase::Talking(talking) = &mut self.phase else {
            self.dialogue.overheard(&turn.text);
            return;
        };
        if let Some(held) = talking.held.take() {
            turn = joined(held, turn);
        }
        if protected {
            talking.held = Some(turn);
        } else {
            self.respond(at, turn, wait);
        }
    }

    /// Reports what the caller said.
    pub(super) fn record_caller(&mut self, turn: &CallerTurn, emotion: Option<Box<TurnEmotion>>) {
        self.memory.keep(Role::User, &turn.text);
        self.report(AgentEvent::Turn(TurnRecord {
            speaker: Speaker::Caller,
            text: turn.text.clone(),
            intended: None,
            state: self.dialogue.state_name().to_owned(),
            began: turn.began,
            ended: turn.ended,
            confidence: Some(turn.confidence),
            interrupted: false,
            dtmf: String::new(),
            latency: None,
            notes: Box::default(),
            emotion,
        }));
    }

    /// Answers a turn, or lets it pass where it was no more than a sound over the agent's line.
    pub(super) fn respond(&mut self, at: MediaTime, turn: CallerTurn, wait: u64) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let few = is_short(&turn.text) || is_mostly_backchannel(&turn.text);
        let misheard = self.lines.any() && !turn.interrupted_agent && may_be_misheard(&turn.text, turn.confidence);
        let hummed = is_backchannel(&turn.text) || turn.hummed && few && !takes_floor(&turn.text) || misheard;
        let yes_no = self.dialogue.kind() == AnswerKind::YesNo && self.dialogue.asked();
        // "Mm-hm" over the agent's voice answers nothing; "yes" over a yes-or-no question does, and so does what sounded like
        // "mm-hm" and was "yes", once the question is over.
        let answers = yes_no && is_assent(&turn.text) && (!turn.hummed || !self.lines.any());
        if hummed && turn.over && !answers {
            // A long hum may have stopped the agent.
            if turn.interrupted_agent && !self.lines.any() && !self.thinking() {
                self.begin_again(at);
            }
            return;
        }
        let turn_text = FirstHalf { text: turn.text, confidence: turn.confidence };
        let heard = match talking.first_half.take() {
            Some(first) => together(first, turn_text),
            None => turn_text,
        };
        let understood = self.dialogue.understands(&heard.text, heard.confidence);
        if !understood {
            if self.lines.any() || self.thinking() {
                return;
            }
            let Phase::Talking(talking) = &mut self.phase else { return };
            let silent = says_nothing(&heard.text);
            let unasked = !self.dialogue.asked() || silent && turn.interrupted_agent;
            if talking.interrupted_end.is_some() && (!silent || talking.begun_again >= MAX_BEGUN_AGAIN) {
                self.resume_end();
                return;
            }
            if unasked && talking.cut.is_some() && self.begin_again(at) {
                return;
            }
        }
        // Said over lines that need not be heard any more.
        self.stop_speaking(at);
        let before = self.dialogue.clone();
        let response = self.dialogue.heard(&heard.text, heard.confidence);
        let Phase::Talking(talking) = &mut self.phase else { return };
        talking.begun_again = 0;
        talking.interrupted_end = None;
        talking.keys.last = turn.ended;
        talking.keys.spoken = true;
        talking.decided = Some(Decided {
            at,
            ended: turn.ended,
            turn: heard,
            before,
            answer: None,
            answer_began: None,
            heard_since: None,
        });
        self.hearing.was_answer();
        self.promise(at, turn.ended);
        self.tally.answers += 1;
        self.answering = true;
        let latency = TurnLatency {
            speech_end: Some(turn.ended),
            decided: Some(at),
            endpoint_wait_ms: wait,
            ..TurnLatency::default()
        };
        self.apply(at, response, Some(latency));
        if !self.lines.any() && !self.thinking() {
            // Nothing is said to that: there are more digits to come.
            self.promise_kept();
        }
    }

    /// Says again what was cut for nothing. Returns whether there was anything.
    fn begin_again(&mut self, at: MediaTime) -> bool {
        let Phase::Talking(talking) = &mut self.phase else { return false };
        if let Some(first) = talking.first_half.take() {
            // The rest of the turn was a noise: what was taken back stands.
            let again = talking.begun_again + 1;
            let turn = CallerTurn {
                began: at,
                ended: at,
                voiced_ms: 0,
                text: first.text,
                confidence: first.confidence,
                interrupted_agent: false,
                echo: false,
                over: false,
                hummed: false,
            };
            self.respond(at, turn, 0);
            if let Phase::Talking(talking) = &mut self.phase {
                talking.begun_again = again;
            }
            return true;
        }
        let Some(cut) = talking.cut.take() else { return false };
        talking.begun_again += 1;
        if talking.begun_again > MAX_BEGUN_AGAIN || cut.lines.is_empty() && cut.task.is_none() {
            return self.resume_end();
        }
        for line in cut.lines {
            self.say(at, line);
        }
        if let Some(task) = cut.task {
            self.ask(at, task);
        }
        let Phase::Talking(talking) = &mut self.phase else { return true };
        if let Some(end) = talking.interrupted_end.take() {
            self.leave(end);
        }
        true
    }

    /// Goes back to the end that the caller interrupted. Returns whether there is one.
    fn resume_end(&mut self) -> bool {
        let Phase::Talking(talking) = &mut self.phase else { return false };
        let Some(end) = talking.interrupted_end.take() else { return false };
        self.leave(end);
        true
    }
}

/// Two turns, of which the first could not be answered yet, as one.
fn joined(first: CallerTurn, second: CallerTurn) -> CallerTurn {
    let halves = (
        FirstHalf { text: first.text, confidence: first.confidence },
        FirstHalf { text: second.text, confidence: second.confidence },
    );
    let FirstHalf { text, confidence } = together(halves.0, halves.1);
    CallerTurn {
        began: first.began,
        ended: second.ended,
        voiced_ms: first.voiced_ms + second.voiced_ms,
        text,
        confidence,
        interrupted_agent: second.interrupted_agent,
        echo: false,
        over: second.over,
        hummed: second.hummed,
    }
}

/// The words of both halves of a turn; a half without words counts for nothing.
fn together(first: FirstHalf, second: FirstHalf) -> FirstHalf {
    if says_nothing(&second.text) {
        return first;
    }
    if says_nothing(&first.text) {
        return second;
    }
    let text = format!("{} {}", first.text, second.text);
    FirstHalf { text: bounded(&text, MAX_HELD).to_owned(), confidence: first.confidence.min(second.confidence) }
}
