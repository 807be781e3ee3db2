//! The speech clock: a fixed pool of threads that run voice detection and move audio between the rings and the engines.
//!
//! A call is pinned to one thread for its life. The thread looks at its calls every few milliseconds, or at once when a
//! session or an engine wakes it. What a call costs here is one voice detection per frame (≤ 1 ms) and copies; recognition
//! and synthesis run in the engines' own pools.

use super::listen::Listen;
use super::speak::{Line, Speak};
use crate::audio::{MediaTime, UtteranceId};
use crate::media::{MediaEvent, SpeechLink};
use crate::speech::{Cue, EngineKind, Expectation, Hypothesis, HypothesisKind, SpeechEdge, Wake};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a thread looks at its calls when nobody wakes it: the uplink rings have no other way to ask for attention.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Orders that a session may have outstanding at its speech thread.
const ORDERS: usize = 64;
/// Observations that may wait for a session. Beyond it partial hypotheses are dropped; the rest waits at the thread.
const OBSERVATIONS: usize = 256;

/// What a session orders.
#[derive(Debug)]
pub(super) enum SpeechOrder {
    /// Queue a line.
    Say(Line),
    /// Queue a line in front of those of which nothing was played.
    SayFirst(Line),
    /// Synthesise a line and hold it back until it is said, or discarded.
    Prepare(Line),
    /// Forget a line that was held back.
    Discard(UtteranceId),
    /// A new playout epoch began: forget the lines of older ones.
    Stop {
        /// The epoch that counts now.
        epoch: u32,
    },
    /// What may be said next.
    Expect(Arc<Expectation>),
    /// Ask the recogniser for a final answer.
    Flush,
    /// The utterance is over.
    Finish {
        /// The caller's usual voice may be learned from it.
        usual: bool,
    },
}

/// What a speech thread observed, with the call time at which it did.
#[derive(Debug)]
pub(super) struct Observation {
    /// When.
    pub at: MediaTime,
    /// What.
    pub what: Observed,
}

/// Kinds of observation.
#[derive(Debug)]
pub(super) enum Observed {
    /// The caller's voice activity changed.
    Edge(SpeechEdge),
    /// The caller's voice tells something beside the words.
    Cue(Cue),
    /// The recogniser has something.
    Heard(Hypothesis),
    /// The media thread reported something.
    Media(MediaEvent),
    /// The first frame of a line is there.
    LineReady { utterance: UtteranceId, total_samples: Option<u64> },
    /// A line cannot be spoken to its end.
    LineFailed { utterance: UtteranceId, why: String },
    /// This engine served for the first time in this call; `remote`: it computes elsewhere.
    Served { kind: EngineKind, name: String, remote: bool },
    /// No engine of this kind is left.
    Down { kind: EngineKind, why: String },
}

/// Collects observations for a session and keeps those that its channel has no room for.
pub(super) struct Outbox {
    sender: mpsc::Sender<Observation>,
    waiting: VecDeque<Observation>,
    /// Observations that neither had room for.
    lost: u64,
}

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<Observation>) -> Self {
        Self { sender, waiting: VecDeque::with_capacity(16), lost: 0 }
    }

    /// Sends, keeping the order. When the session is so far behind that its channel is full, partial hypotheses are
    /// dropped (a newer one replaces them anyway), everything else waits here; when as much waits as the channel holds, more is lost,
    /// counted and said once: such a session is dead, and the agent's guard deadlines end the call if it is not.
    pub(super) fn put(&mut self, at: MediaTime, what: Observed) {
        let partial = matches!(&what, Observed::Heard(heard) if heard.kind == HypothesisKind::Partial);
        self.retry();
        if !self.waiting.is_empty() {
            if partial {
                return;
            }
            if self.waiting.len() < OBSERVATIONS {
                self.waiting.push_back(Observation { at, what });
                return;
            }
            if self.lost == 0 {
                tracing::error!("a call's session is far behind: what its speech thread observes is being lost");
            }
            self.lost += 1;
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(observation)) = self.sender.try_send(Observation { at, what })
            && !partial
        {
            self.waiting.push_back(observation);
        }
    }

    /// Observations lost so far.
    #[cfg(test)]
    fn lost(&self) -> u64 {
        self.lost
    }

    fn retry(&mut self) {
        while let Some(observation) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(observation)) = self.sender.try_send(observation) {
                self.waiting.push_front(observation);
                return;
            }
        }
    }
}

/// One call's audio, as its speech thread holds it.
pub(super) struct CallAudio {
    /// Rings to and from the media thread.
    pub link: SpeechLink,
    /// The caller's side.
    pub listen: Listen,
    /// The agent's side.
    pub speak: Speak,
}

struct Seat {
    audio: CallAudio,
    orders: Receiver<SpeechOrder>,
    outbox: Outbox,
}

impl Seat {
    /// One look at the call. False when its session is gone.
    fn look(&mut self) -> bool {
        self.outbox.retry();
        let CallAudio { link, listen, speak } = &mut self.audio;
        let elapsed = link.origin().elapsed().as_nanos() / 62_500;
        let now = MediaTime::from_samples(u64::try_from(elapsed).unwrap_or(u64::MAX));
        while let Some(event) = link.next_event() {
            self.outbox.put(now, Observed::Media(event));
        }
        loop {
            match self.orders.try_recv() {
                Ok(SpeechOrder::Say(line)) => speak.say(line, now, &mut self.outbox),
                Ok(SpeechOrder::SayFirst(line)) => speak.say_first(line, now, &mut self.outbox),
                Ok(SpeechOrder::Prepare(line)) => speak.prepare(line, now, &mut self.outbox),
                Ok(SpeechOrder::Discard(utterance)) => speak.discard(utterance),
                Ok(SpeechOrder::Stop { epoch }) => speak.stop(epoch),
                Ok(SpeechOrder::Expect(what)) => listen.expect(&what),
                Ok(SpeechOrder::Flush) => listen.flush(),
                Ok(SpeechOrder::Finish { usual }) => listen.finish(usual),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        speak.pump(link, now, &mut self.outbox);
        speak.work_ahead(now, &mut self.outbox);
        while let Some(frame) = link.next_sent() {
            listen.sent(&frame);
        }
        while let Some(frame) = link.next_frame() {
            listen.hear(&frame, &mut self.outbox);
        }
        listen.collect(now, &mut self.outbox);
        true
    }
}

/// The session's end of a seat at a speech thread. Dropping it takes the call off the thread.
pub(super) struct SpeechHandle {
    orders: SyncSender<SpeechOrder>,
    thread: Thread,
}

impl SpeechHandle {
    /// Gives an order. False when the thread has died or is hopelessly behind: the call cannot go on.
    pub(super) fn order(&self, order: SpeechOrder) -> bool {
        let sent = match self.orders.try_send(order) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        };
        self.thread.unpark();
        sent
    }
}

impl Drop for SpeechHandle {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

/// The pool. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct SpeechPool {
    threads: Arc<Vec<SpeechThread>>,
    next: Arc<AtomicUsize>,
}

struct SpeechThread {
    seats: SyncSender<Seat>,
    thread: Thread,
    _join: JoinHandle<()>,
}

/// Wakes a speech thread from an engine's pool.
struct Unpark(Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl SpeechPool {
    /// Starts `threads` threads, or one per core when that is 0.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let count = if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, usize::from) };
        let threads = (0..count)
            .map(|n| {
                let (seats, incoming) = sync_channel::<Seat>(ORDERS);
                let join =
                    std::thread::Builder::new().name(format!("speech-{n}")).spawn(move || run_thread(&incoming))?;
                Ok(SpeechThread { seats, thread: join.thread().clone(), _join: join })
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { threads: Arc::new(threads), next: Arc::new(AtomicUsize::new(0)) })
    }

    /// Chooses the thread for a new call: the wake to give to its engines, and the seat to be taken with [`Self::seat`].
    pub(super) fn choose(&self) -> (usize, Wake) {
        let n = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len().max(1);
        let wake =
            self.threads.get(n).map_or_else(|| Wake::noop().clone(), |t| Arc::new(Unpark(t.thread.clone())).into());
        (n, wake)
    }

    /// Seats a call at the chosen thread. None when that thread is gone.
    pub(super) fn seat(&self, n: usize, audio: CallAudio) -> Option<(SpeechHandle, mpsc::Receiver<Observation>)> {
        let (orders, order_receiver) = sync_channel(ORDERS);
        let (observations, receiver) = mpsc::channel(OBSERVATIONS);
        let thread = self.threads.get(n)?;
        let seat = Seat { audio, orders: order_receiver, outbox: Outbox::new(observations) };
        thread.seats.try_send(seat).ok()?;
        thread.thread.unpark();
        Some((SpeechHandle { orders, thread: thread.thread.clone() }, receiver))
    }
}

fn run_thread(incoming: &Receiver<Seat>) {
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        if seats.is_empty() {
            // Nothing to do: wait for a call without waking up.
            match incoming.recv() {
                Ok(seat) => seats.push(seat),
                Err(_) => return,
            }
        }
        loop {
            match incoming.try_recv() {
                Ok(seat) => seats.push(seat),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if seats.is_empty() => return,
                Err(TryRecvError::Disconnected) => break,
            }
        }
        seats.retain_mut(Seat::look);
        if !seats.is_empty() {
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if self.lost > 0 {
            tracing::error!(
                lost = self.lost,
                "a call's session was too far behind for what its speech thread observed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_that_sleeps_misses_is_counted() {
        let (sender, mut session) = mpsc::channel(OBSERVATIONS);
        let mut outbox = Outbox::new(sender);
        let edge = |n: u64| Observed::Edge(SpeechEdge::Started { onset: MediaTime::from_ms(n) });
        for n in 0..2 * OBSERVATIONS as u64 {
            outbox.put(MediaTime::from_ms(n), edge(n));
        }
        assert_eq!(outbox.lost(), 0, "the channel and as much again");
        for n in 0..3 {
            outbox.put(MediaTime::from_ms(9_000 + n), edge(n));
        }
        assert_eq!(outbox.lost(), 3);
        let mut got = 0;
        for _ in 0..2 {
            while session.try_recv().is_ok() {
                got += 1;
            }
            outbox.retry();
        }
        while session.try_recv().is_ok() {
            got += 1;
        }
        assert_eq!(got, 2 * OBSERVATIONS, "what waited comes, in order");
    }
}
