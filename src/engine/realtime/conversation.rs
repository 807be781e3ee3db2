//! What the three sides of a conversation and the task that holds its connection share.

use super::answer::{Answer, Given, Part};
use super::session::Session;
use super::{NAME, Server};
use crate::audio::{AudioFrame, FRAME_SAMPLES};
use crate::engine::remote::{Order, Orders};
use crate::speech::{
    ChatRequest, EngineError, Expectation, Hypothesis, RecognizerStream, Reply, ReplyStream, Synthesis,
    SynthesisStream, Wake,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Answers that are kept, for the sake of sentences that still wait to be spoken.
const ANSWERS: usize = 3;
/// Requests that may wait for the task.
const REQUESTS: usize = 32;
/// Results that wait to be taken: a call that takes none has ended.
const HEARD: usize = 256;

/// A conversation. Its connection ends with it.
pub(super) struct Conversation {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

pub(super) struct Shared {
    pub orders: Orders,
    state: Mutex<State>,
}

/// What the task is asked beside orders.
pub(super) enum Request {
    /// An answer.
    Ask { number: u64, what: Box<ChatRequest> },
    /// Somebody has left: is there anybody who still wants the answer?
    Left,
}

#[derive(Default)]
pub(super) struct State {
    /// Why the connection is no more.
    dead: Option<String>,
    listener: Option<Wake>,
    heard: VecDeque<Result<Hypothesis, EngineError>>,
    asked: VecDeque<Asked>,
    number: u64,
}

/// An answer and those who wait for it.
pub(super) struct Asked {
    pub number: u64,
    pub answer: Answer,
    replies: VecDeque<Reply>,
    reader: Option<Wake>,
    /// The last reply was given.
    over: bool,
    /// Sentences of it that are being spoken.
    voices: usize,
    speaker: Option<Wake>,
}

impl Shared {
    /// A panic inside the lock leaves nothing half done, so that poison is no news.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The answer of this number.
    pub fn asked(&mut self, number: u64) -> Option<&mut Asked> {
        self.asked.iter_mut().find(|asked| asked.number == number)
    }

    /// Gives the listener something.
    pub fn hear(&mut self, heard: Result<Hypothesis, EngineError>) {
        if self.heard.len() >= HEARD {
            self.heard.pop_front();
        }
        self.heard.push_back(heard);
        if let Some(wake) = &self.listener {
            wake.wake_by_ref();
        }
    }

    /// The connection is no more: everybody who waits is told.
    pub fn end(&mut self, why: &str) {
        self.dead = Some(why.to_owned());
        self.hear(Err(failed(why)));
        for asked in &mut self.asked {
            asked.reply(Reply::Failed(why.to_owned()));
            asked.end_sound(Some(why));
        }
    }
}

impl Asked {
    /// Gives the reader something. After the last reply there is none.
    pub fn reply(&mut self, reply: Reply) {
        if self.over {
            return;
        }
        self.over = matches!(reply, Reply::Done | Reply::Failed(_));
        self.replies.push_back(reply);
        if let Some(wake) = &self.reader {
            wake.wake_by_ref();
        }
    }

    /// Somebody still wants more of it.
    pub fn wanted(&self) -> bool {
        self.reader.is_some() && !self.over || self.voices > 0
    }

    /// Whether the last reply was given.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// There is more sound, or no more will come.
    pub fn sounded(&self) {
        if let Some(wake) = &self.speaker {
            wake.wake_by_ref();
        }
    }

    /// No more sound will come, and why.
    pub fn end_sound(&mut self, why: Option<&str>) {
        if !self.answer.sound_done {
            self.answer.sound_done = true;
            self.answer.broken = why.map(str::to_owned);
        }
        self.sounded();
    }
}

fn failed(what: impl Into<String>) -> EngineError {
    EngineError::Failed { engine: NAME.to_owned(), what: what.into() }
}

impl Conversation {
    /// Opens the connection in a task of its own.
    pub fn start(server: &Arc<Server>, runtime: &Handle) -> Arc<Self> {
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let shared = Arc::new(Shared { orders: Orders::default(), state: Mutex::default() });
        runtime.spawn(Session::new(Arc::clone(server), Arc::clone(&shared), receiver).run());
        Arc::new(Self { shared, requests })
    }

    /// Gives the task something to do.
    pub fn order(&self, order: Order) {
        self.shared.orders.give(order);
    }

    /// The recogniser's side.
    ///
    /// # Errors
    /// The connection is no more.
    pub fn listen(self: &Arc<Self>, wake: Wake) -> Result<Listening, EngineError> {
        let mut state = self.shared.lock();
        if let Some(why) = &state.dead {
            return Err(failed(why.as_str()));
        }
        state.listener = Some(wake);
        Ok(Listening { conversation: Arc::clone(self), dead: false })
    }

    /// Asks for an answer.
    ///
    /// # Errors
    /// The connection is no more, or the task does not keep up.
    pub fn ask(self: &Arc<Self>, what: &ChatRequest, wake: Wake) -> Result<Reading, EngineError> {
        let mut state = self.shared.lock();
        if let Some(why) = &state.dead {
            return Err(failed(why.as_str()));
        }
        state.number += 1;
        let number = state.number;
        if self.requests.try_send(Request::Ask { number, what: Box::new(what.clone()) }).is_err() {
            return Err(EngineError::Overloaded { engine: NAME.to_owned() });
        }
        if state.asked.len() >= ANSWERS
            && let Some(mut oldest) = state.asked.pop_front()
        {
            oldest.end_sound(Some("too many answers later"));
        }
        state.asked.push_back(Asked {
            number,
            answer: Answer::default(),
            replies: VecDeque::new(),
            reader: Some(wake),
            over: false,
            voices: 0,
            speaker: None,
        });
        Ok(Reading { conversation: Arc::clone(self), number })
    }

    /// The voice's side: the sentence of an answer, the newest first. None: it is in none, or there is no sound of it.
    pub fn speak(self: &Arc<Self>, text: &str, wake: Wake) -> Option<Speaking> {
        let mut state = self.shared.lock();
        let alive = state.dead.is_none();
        let found = state.asked.iter_mut().rev().find_map(|asked| {
            let silent = asked.answer.sound_done && !asked.answer.sounds();
            let broken = asked.answer.broken.is_some() || !alive;
            if silent || broken {
                return None;
            }
            asked.answer.claim(text).map(|part| (asked, part))
        });
        let (asked, part) = found?;
        asked.voices += 1;
        asked.speaker = Some(wake);
        Some(Speaking {
            conversation: Arc::clone(self),
            number: asked.number,
            part,
            bytes: text.len(),
            spoken: 0,
            given: 0,
        })
    }

    fn left(&self) {
        // A full queue is looked through soon, and the answer with it.
        let _ = self.requests.try_send(Request::Left);
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.shared.orders.give(Order::Close);
    }
}

/// The recogniser's side of a conversation.
pub(super) struct Listening {
    conversation: Arc<Conversation>,
    dead: bool,
}

impl RecognizerStream for Listening {
    fn expect(&mut self, what: &Arc<Expectation>) {
        self.conversation.order(Order::Expect(Arc::clone(what)));
    }

    fn push(&mut self, frame: &AudioFrame) {
        if !self.dead {
            self.conversation.order(Order::Audio(Box::new(*frame)));
        }
    }

    fn flush(&mut self) {
        self.conversation.order(Order::Flush);
    }

    fn finish(&mut self) {
        self.conversation.order(Order::Finish);
        self.conversation.shared.lock().heard.retain(Result::is_err);
    }

    fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
        if self.dead {
            return None;
        }
        let heard = self.conversation.shared.lock().heard.pop_front()?;
        self.dead = heard.is_err();
        Some(heard)
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// The reader's side of an answer. Dropping it ends the answer, unless sentences of it are being spoken.
pub(super) struct Reading {
    conversation: Arc<Conversation>,
    number: u64,
}

impl ReplyStream for Reading {
    fn poll(&mut self) -> Option<Reply> {
        let mut state = self.conversation.shared.lock();
        match state.asked(self.number) {
            Some(asked) => asked.replies.pop_front(),
            None => Some(Reply::Failed("too many questions at a time".to_owned())),
        }
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(asked) = self.conversation.shared.lock().asked(self.number) {
            asked.reader = None;
        }
        self.conversation.left();
    }
}

/// The voice's side of a sentence.
pub(super) struct Speaking {
    conversation: Arc<Conversation>,
    number: u64,
    part: Part,
    bytes: usize,
    spoken: usize,
    given: u64,
}

impl SynthesisStream for Speaking {
    fn poll(&mut self) -> Synthesis {
        let mut state = self.conversation.shared.lock();
        let Some(asked) = state.asked(self.number) else { return Synthesis::Failed(failed("its answer is gone")) };
        match asked.answer.give(&mut self.part) {
            Given::Frame(frame) => {
                self.given += FRAME_SAMPLES as u64;
                Synthesis::Frame(frame)
            }
            Given::Wait => Synthesis::Pending,
            Given::Done => {
                self.spoken = self.bytes;
                Synthesis::Done
            }
            Given::Broken(why) => Synthesis::Failed(failed(why)),
        }
    }

    fn total_samples(&self) -> Option<u64> {
        (self.spoken > 0).then_some(self.given)
    }

    fn spoken(&self) -> usize {
        self.spoken
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        if let Some(asked) = self.conversation.shared.lock().asked(self.number) {
            asked.voices -= 1;
        }
        self.conversation.left();
    }
}
