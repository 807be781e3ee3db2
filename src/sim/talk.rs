//! A conversation in writing, in virtual time: the whole agent, with every line played to its end at once and the caller's words
//! heard as they are written. For evaluating dialogues by the thousand, and for tests.

use crate::agent::{Action, Agent, AgentEvent, Floor, Input};
use crate::audio::{MediaTime, PlayoutEvent, UtteranceId};
use crate::record::EndReason;
use crate::speech::{Exchange, Hypothesis, HypothesisKind, LanguageModel, Reply, ReplyStream, SpeechEdge, Wake};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Wake as Wakes;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Length of a written line when it is spoken, per character: fast speech, so that conversations stay short.
const MS_PER_CHAR: u64 = 60;
/// Before the caller answers.
const THINKS_MS: u64 = 400;
/// Most steps between two turns of the caller: an agent that never comes to rest is a fault.
const MAX_STEPS: usize = 20_000;

/// Unparks the thread that waits for a model's answer.
struct Unpark(Thread);

impl Wakes for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A question under way.
struct Open {
    ask: u32,
    stream: Box<dyn ReplyStream>,
    exchange: Exchange,
}

/// A conversation in writing.
pub struct Talk<'a> {
    agent: Agent,
    model: &'a dyn LanguageModel,
    /// How long a model may take for its answer, in real time.
    patience: Duration,
    now: MediaTime,
    queue: VecDeque<UtteranceId>,
    /// The words of the lines, said or prepared.
    lines: BTreeMap<UtteranceId, String>,
    playing: Option<(UtteranceId, MediaTime)>,
    /// What the caller is saying, for a flush.
    hearing: Option<Hypothesis>,
    open: Vec<Open>,
    exchanges: Vec<Exchange>,
    events: Vec<AgentEvent>,
    end: Option<EndReason>,
    transfer: Option<String>,
}

impl<'a> Talk<'a> {
    /// The call is answered; the agent has said what it says first.
    pub fn begin(agent: Agent, model: &'a dyn LanguageModel, patience: Duration) -> Self {
        let mut talk = Self {
            agent,
            model,
            patience,
            now: MediaTime::ZERO,
            queue: VecDeque::new(),
            lines: BTreeMap::new(),
            playing: None,
            hearing: None,
            open: Vec::new(),
            exchanges: Vec::new(),
            events: Vec::new(),
            end: None,
            transfer: None,
        };
        talk.give(Input::Answered);
        talk.rest();
        talk
    }

    /// The caller says this, and the agent all that it has to say to it.
    pub fn say(&mut self, text: &str, confidence: f32) {
        if self.is_over() {
            return;
        }
        self.now = self.now.plus_ms(THINKS_MS);
        let onset = self.now;
        self.give(Input::Speech(SpeechEdge::Started { onset }));
        self.now = self.now.plus_ms(text.chars().count() as u64 * MS_PER_CHAR + 300);
        let heard = Hypothesis {
            kind: HypothesisKind::Final,
            text: text.to_lowercase(),
            confidence,
            covers: self.now,
            degraded: false,
        };
        self.hearing = Some(heard.clone());
        self.give(Input::Heard(Hypothesis { kind: HypothesisKind::Partial, ..heard }));
        self.give(Input::Speech(SpeechEdge::Paused { last: self.now }));
        self.rest();
        self.hearing = None;
    }

    /// The caller presses a key.
    pub fn press(&mut self, key: char) {
        if !self.is_over() {
            self.now = self.now.plus_ms(THINKS_MS);
            self.give(Input::Dtmf(key));
            self.rest();
        }
    }

    /// The caller says nothing until the agent does something about it.
    pub fn wait(&mut self) {
        if let Some(deadline) = self.agent.deadline().filter(|_| !self.is_over()) {
            self.now = self.now.max(deadline);
            self.give(Input::Deadline);
            self.rest();
        }
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Call time.
    pub fn now(&self) -> MediaTime {
        self.now
    }

    /// What the agent reported since the last time.
    pub fn take_events(&mut self) -> Vec<AgentEvent> {
        std::mem::take(&mut self.events)
    }

    /// What the language model was asked since the last time.
    pub fn take_exchanges(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.exchanges)
    }

    /// Why the call ended, when it did.
    pub fn end(&self) -> Option<&EndReason> {
        self.end.as_ref()
    }

    /// Who the caller was handed to.
    pub fn transfer(&self) -> Option<&str> {
        self.transfer.as_deref()
    }

    /// Nothing more is said.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn give(&mut self, input: Input) {
        self.agent.handle(self.now, input);
        while let Some(action) = self.agent.poll() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Say { utterance, text } => {
                self.lines.insert(utterance, text);
                self.queue.push_back(utterance);
            }
            Action::SayFirst { utterance, text } => {
                self.lines.insert(utterance, text);
                self.queue.push_front(utterance);
            }
            Action::Prepare { utterance, text } => drop(self.lines.insert(utterance, text)),
            Action::Discard { utterance } => drop(self.lines.remove(&utterance)),
            Action::StopSpeaking => {
                self.queue.clear();
                if let Some((utterance, began)) = self.playing.take() {
                    let played = self.now.samples().saturating_sub(began.samples());
                    let at = self.now;
                    self.give(Input::Playout(PlayoutEvent::Cut { utterance, played, at }));
                }
            }
            Action::Flush => {
                if let Some(heard) = self.hearing.clone() {
                    self.give(Input::Heard(heard));
                }
            }
            Action::Ask { ask, request } => {
                let mut exchange = Exchange::asked(&request, self.agent.state_name(), self.now);
                let wake: Wake = Arc::new(Unpark(thread::current())).into();
                match self.model.ask(&request, wake) {
                    Ok(stream) => self.open.push(Open { ask, stream, exchange }),
                    Err(error) => {
                        let reply = Reply::Failed(error.to_string());
                        exchange.take(&reply, 0);
                        self.exchanges.push(exchange);
                        self.give(Input::Reply { ask, reply });
                    }
                }
            }
            Action::CancelAsk { ask } => {
                if let Some(at) = self.open.iter().position(|open| open.ask == ask) {
                    self.exchanges.push(self.open.remove(at).exchange.close());
                }
            }
            Action::Transfer { target } => {
                self.transfer = Some(target);
                self.give(Input::TransferEnded { accepted: true });
            }
            Action::HangUp(reason) => self.end = self.end.take().or(Some(reason)),
            Action::Report(event) => self.events.push(event),
            Action::Duck
            | Action::Pause
            | Action::Unduck
            | Action::Manner(_)
            | Action::Expect(_)
            | Action::FinishUtterance { .. }
            | Action::SendDtmf(_) => {}
        }
    }

    /// Takes the next piece of an answer, waiting for it in real time. False: no question is open.
    fn answer(&mut self) -> bool {
        let Some(open) = self.open.first_mut() else { return false };
        let until = Instant::now() + self.patience;
        let reply = loop {
            match open.stream.poll() {
                Some(reply) => break reply,
                None if Instant::now() < until => thread::park_timeout(Duration::from_millis(20)),
                None => break Reply::Failed(format!("gave nothing for {} s", self.patience.as_secs())),
            }
        };
        let ask = open.ask;
        if open.exchange.engine.is_empty() {
            open.exchange.engine = open.stream.engine().unwrap_or(self.model.name()).to_owned();
        }
        open.exchange.take(&reply, 0);
        if matches!(reply, Reply::Done | Reply::Failed(_)) {
            self.exchanges.push(self.open.remove(0).exchange.close());
        }
        self.give(Input::Reply { ask, reply });
        true
    }

    /// Lets the agent go on until it waits for the caller.
    fn rest(&mut self) {
        for _ in 0..MAX_STEPS {
            if self.end.is_some() {
                return;
            }
            if self.answer() {
                continue;
            }
            if let Some((utterance, began)) = self.playing {
                self.now = self.now.max(began.plus_samples(self.length(utterance)));
                self.playing = None;
                let at = self.now;
                self.give(Input::Playout(PlayoutEvent::Finished { utterance, at }));
            } else if let Some(utterance) = self.queue.pop_front() {
                let (at, total_samples) = (self.now, Some(self.length(utterance)));
                self.playing = Some((utterance, at));
                self.give(Input::LineReady { utterance, total_samples });
                // The agent may have thought of something else meanwhile.
                if self.playing.is_some_and(|(playing, _)| playing == utterance) {
                    self.give(Input::Playout(PlayoutEvent::Started { utterance, at }));
                }
            } else if self.agent.floor() != Floor::Idle || self.hearing.as_ref().is_some_and(|_| self.is_deciding()) {
                let Some(deadline) = self.agent.deadline() else { return };
                self.now = self.now.max(deadline);
                self.give(Input::Deadline);
            } else {
                return;
            }
        }
    }

    /// The caller's turn has not been decided yet.
    fn is_deciding(&self) -> bool {
        matches!(self.agent.floor(), Floor::Caller | Floor::Both)
    }

    fn length(&self, utterance: UtteranceId) -> u64 {
        let chars = self.lines.get(&utterance).map_or(1, |line| line.chars().count().max(1));
        chars as u64 * MS_PER_CHAR * crate::audio::SAMPLES_PER_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Flow, TurnConfig};
    use crate::record::Speaker;

    struct Silent;

    impl LanguageModel for Silent {
        fn name(&self) -> &str {
            "silent"
        }
        fn ask(
            &self,
            _: &crate::speech::ChatRequest,
            _: Wake,
        ) -> Result<Box<dyn ReplyStream>, crate::speech::EngineError> {
            Err(crate::speech::EngineError::Overloaded { engine: "silent".to_owned() })
        }
    }

    #[test]
    fn a_call_is_held_to_its_end_in_no_time() {
        let flow = Arc::new(Flow::load(concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows/welcome.toml")).unwrap());
        let agent = Agent::new(flow, BTreeMap::new(), TurnConfig::default());
        let mut talk = Talk::begin(agent, &Silent, Duration::from_secs(1));
        let first = talk.agent().state_name().to_owned();
        let said = |talk: &mut Talk<'_>| {
            let turns = talk.take_events().into_iter().filter_map(|event| match event {
                AgentEvent::Turn(turn) if turn.speaker == Speaker::Agent => Some(turn.text),
                _ => None,
            });
            turns.collect::<Vec<_>>()
        };
        assert!(said(&mut talk).first().is_some_and(|line| line.starts_with("Hello, this is")));
        talk.say("banana banana", 0.9);
        assert_eq!(talk.agent().state_name(), first);
        assert!(!said(&mut talk).is_empty(), "it asks again");
        talk.wait();
        assert!(!said(&mut talk).is_empty(), "it asks whether somebody is there");
        talk.say("goodbye", 0.9);
        for _ in 0..40 {
            talk.wait();
        }
        assert!(talk.is_over());
    }
}
