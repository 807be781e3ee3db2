//! The media threads and their ports, seen from outside.

use super::port::TICK_NS;
use super::sockets::{Pair, bind_pair};
use super::sys;
use super::worker::{MAX_PORTS, Seat, WAKER, Worker};
use super::{Config, MediaError, MediaSession, Port, PortOptions, StreamParams};
use crate::metrics::Metrics;
use mio::{Poll, Waker};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often ended calls are cleared away.
const SWEEP: Duration = Duration::from_millis(100);
/// The golden ratio's fraction of a tick: phases drawn with it are spread evenly however many there are.
const PHASE_STEP_NS: u64 = 12_360_680;

/// The far ends of one worker's rings.
struct Desk {
    arrivals: HeapProd<Box<Seat>>,
    departures: HeapCons<Box<Seat>>,
    waker: Arc<Waker>,
    calls: usize,
    phase_ns: u64,
}

#[derive(Default)]
struct Books {
    desks: Vec<Desk>,
    /// Sockets of ended calls, and when they may be closed.
    quarantine: VecDeque<(Instant, Pair)>,
}

struct Inner {
    config: Config,
    metrics: Metrics,
    began: Instant,
    /// Taken by those who open and close calls, never by a media thread.
    books: Mutex<Books>,
    shutdown: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The media threads. Clones are handles to the same; when the last one and the last [`Reservation`] are gone they stop.
#[derive(Clone)]
pub struct MediaServer {
    inner: Arc<Inner>,
}

impl MediaServer {
    /// Starts the threads. A refused real-time priority is a warning, once.
    ///
    /// # Errors
    /// [`MediaError::BadConfig`], or [`MediaError::Thread`] when the system has no threads left.
    pub fn start(config: &Config, metrics: &Metrics) -> Result<Self, MediaError> {
        config.check()?;
        let threads = match config.threads {
            0 => thread::available_parallelism().map_or(1, |cores| cores.get()),
            some => some,
        };
        let inner = Arc::new(Inner {
            config: config.clone(),
            metrics: metrics.clone(),
            began: Instant::now(),
            books: Mutex::default(),
            shutdown: Arc::new(AtomicBool::new(false)),
            threads: Mutex::default(),
        });
        let (granted_in, granted) = mpsc::channel();
        for number in 0..threads {
            inner.start_worker(number, granted_in.clone())?;
        }
        drop(granted_in);
        // Each thread answers before its loop, and the channel closes should one die.
        if let Some(error) = granted.iter().filter_map(Result::err).last() {
            tracing::warn!(
                %error,
                "media threads run without real-time priority; under load audio may stutter: grant CAP_SYS_NICE or set media.realtime = false"
            );
        }
        inner.start_sweeper()?;
        Ok(Self { inner })
    }

    /// Binds an RTP port and the RTCP port behind it on `local`, an address that the peer can reach.
    ///
    /// # Errors
    /// [`MediaError::PortsUsedUp`], [`MediaError::Bind`] when `local` is no address of this machine, [`MediaError::Full`].
    pub fn reserve(&self, local: IpAddr) -> Result<Reservation, MediaError> {
        let calls: usize = self.inner.books().desks.iter().map(|desk| desk.calls).sum();
        if calls >= self.inner.books().desks.len() * MAX_PORTS {
            return Err(MediaError::Full { calls });
        }
        let pair = bind_pair(&self.inner.config, local, rand::random())?;
        Ok(Reservation { inner: Arc::clone(&self.inner), pair: Some(pair) })
    }

    /// Calls whose media runs, or has ended within the last tenth of a second.
    pub fn calls(&self) -> usize {
        self.inner.books().desks.iter().map(|desk| desk.calls).sum()
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker(&self, number: usize, granted: mpsc::Sender<std::io::Result<()>>) -> Result<(), MediaError> {
        let poll = Poll::new().map_err(MediaError::Thread)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(MediaError::Thread)?);
        let (arrivals_in, arrivals_out) = HeapRb::new(MAX_PORTS).split();
        let (departures_in, departures_out) = HeapRb::new(MAX_PORTS).split();
        let worker = Worker {
            poll,
            arrivals: arrivals_out,
            departures: departures_in,
            shutdown: Arc::clone(&self.shutdown),
            metrics: self.metrics.clone(),
        };
        let realtime = self.config.realtime;
        let handle = thread::Builder::new()
            .name(format!("media-{number}"))
            .spawn(move || {
                let _ = granted.send(if realtime { sys::request_realtime() } else { Ok(()) });
                drop(granted);
                worker.run();
            })
            .map_err(MediaError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        self.books().desks.push(Desk {
            arrivals: arrivals_in,
            departures: departures_out,
            waker,
            calls: 0,
            phase_ns: number as u64 * TICK_NS / 2,
        });
        Ok(())
    }

    /// A thread that frees what the media threads are done with and lets ports out of quarantine.
    fn start_sweeper(self: &Arc<Self>) -> Result<(), MediaError> {
        let (weak, shutdown) = (Arc::downgrade(self), Arc::clone(&self.shutdown));
        let handle = thread::Builder::new()
            .name("media-sweep".to_owned())
            .spawn(move || {
                while !shutdown.load(Relaxed) {
                    thread::park_timeout(SWEEP);
                    match weak.upgrade() {
                        Some(inner) => inner.sweep(),
                        None => return,
                    }
                }
            })
            .map_err(MediaError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    }

    fn sweep(&self) {
        let now = Instant::now();
        let until = now + Duration::from_secs(self.config.quarantine_s);
        let mut ended = Vec::new();
        let mut books = self.books();
        for desk in &mut books.desks {
            while let Some(seat) = desk.departures.try_pop() {
                desk.calls = desk.calls.saturating_sub(1);
                ended.push(seat);
            }
        }
        for seat in ended {
            self.metrics.media().ports_open.dec();
            let Seat { rtp, rtcp, .. } = *seat;
            if let Ok(address) = rtp.local_addr() {
                books.quarantine.push_back((until, Pair { rtp, rtcp, address }));
            }
        }
        while books.quarantine.front().is_some_and(|(until, _)| *until <= now) {
            books.quarantine.pop_front();
        }
    }

    fn seat(&self, pair: Pair, params: StreamParams, record: bool) -> Result<MediaSession, MediaError> {
        if self.shutdown.load(Relaxed) {
            return Err(MediaError::Stopped);
        }
        let cname = format!("{:016x}@{}", rand::random::<u64>(), pair.address.ip());
        let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut books = self.books();
        let calls: usize = books.desks.iter().map(|desk| desk.calls).sum();
        let desk = books.desks.iter_mut().min_by_key(|desk| desk.calls).ok_or(MediaError::Stopped)?;
        if desk.calls >= MAX_PORTS {
            return Err(MediaError::Full { calls });
        }
        desk.phase_ns = (desk.phase_ns + PHASE_STEP_NS) % TICK_NS;
        let now = Instant::now();
        let into_tick = now.duration_since(self.began).as_nanos() as u64 % TICK_NS;
        let wait = Duration::from_nanos((desk.phase_ns + TICK_NS - into_tick) % TICK_NS);
        let options = PortOptions {
            origin: now + wait,
            unix_origin_ns: (unix_now + wait).as_nanos() as u64,
            seed: rand::random(),
            cname,
            jitter_max_ms: self.config.jitter_max_ms,
            record,
        };
        let origin = options.origin;
        let (port, session) = Port::open(params, options);
        let seat = Box::new(Seat { port, rtp: pair.rtp, rtcp: pair.rtcp, origin });
        desk.arrivals.try_push(seat).map_err(|_| MediaError::Full { calls })?;
        desk.calls += 1;
        self.metrics.media().ports_open.inc();
        // Should the waker fail, the thread finds the port at its next tick or datagram.
        let _ = desk.waker.wake();
        Ok(session)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown.store(true, Relaxed);
        for desk in &self.books().desks {
            let _ = desk.waker.wake();
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            thread.thread().unpark();
            // The sweeper may be the one that drops the last handle.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// A bound pair of ports that waits for its call.
pub struct Reservation {
    inner: Arc<Inner>,
    pair: Option<Pair>,
}

impl Reservation {
    /// The address for the SDP.
    pub fn rtp_addr(&self) -> SocketAddr {
        self.pair.as_ref().map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |pair| pair.address)
    }

    /// Starts the media; its clock begins within 20 ms.
    ///
    /// # Errors
    /// [`MediaError::Full`] or [`MediaError::Stopped`].
    pub fn start(mut self, params: StreamParams, record: bool) -> Result<MediaSession, MediaError> {
        let pair = self.pair.take().ok_or(MediaError::Stopped)?;
        self.inner.seat(pair, params, record)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(pair) = self.pair.take() {
            // The peer may have been told this address: it is closed to others like that of a call.
            let until = Instant::now() + Duration::from_secs(self.inner.config.quarantine_s);
            self.inner.books().quarantine.push_back((until, pair));
        }
    }
}
