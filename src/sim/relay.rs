//! A network between two real UDP endpoints: datagrams go through a [`Link`] each way.
//!
//! ```text
//! caller ── near ▒▒▒▒▒▒▒▒▒▒▒ far ── server
//! ```
//!
//! The caller sends to the near socket, the server to the far one; each sees the relay as its peer. Runs on the tokio runtime in
//! which it was opened, whose timers tick once a millisecond: arrivals are up to 1 ms later than the link says.

use super::network::{Link, Network, Way};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Datagrams on their way in one direction, at most; beyond that the newest is dropped and counted.
pub const QUEUE: usize = 1024;
/// The largest datagram.
const DATAGRAM: usize = 2048;

/// What happened to the datagrams of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WayCounts {
    /// Datagrams that came in.
    pub taken: u64,
    /// Datagrams that were lost on purpose.
    pub lost: u64,
    /// Datagrams that went out, copies counted.
    pub delivered: u64,
    /// Copies among them.
    pub copies: u64,
    /// Datagrams dropped because the queue was full or nobody was known to send them to.
    pub dropped: u64,
}

/// What happened to both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RelayCounts {
    /// From the caller.
    pub up: WayCounts,
    /// To the caller.
    pub down: WayCounts,
}

/// Where the two sides are.
#[derive(Debug, Default)]
struct Ends {
    near: Mutex<Option<SocketAddr>>,
    far: Mutex<Option<SocketAddr>>,
}

#[derive(Debug, Default)]
struct Counters {
    taken: AtomicU64,
    lost: AtomicU64,
    delivered: AtomicU64,
    copies: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    fn read(&self) -> WayCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WayCounts {
            taken: read(&self.taken),
            lost: read(&self.lost),
            delivered: read(&self.delivered),
            copies: read(&self.copies),
            dropped: read(&self.dropped),
        }
    }
}

/// A network path between two endpoints; gone when it is dropped.
#[derive(Debug)]
pub struct Relay {
    near: SocketAddr,
    far: SocketAddr,
    ends: Arc<Ends>,
    up: Arc<Counters>,
    down: Arc<Counters>,
    tasks: [JoinHandle<()>; 2],
}

impl Relay {
    /// Opens two sockets at `ip`. `near` is the caller's address; the server's may be told [later](Self::set_far).
    ///
    /// # Errors
    /// When no socket can be opened.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(ip: IpAddr, network: &Network, seed: u64, near: SocketAddr) -> io::Result<Self> {
        let open = || -> io::Result<Arc<UdpSocket>> {
            let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, 0))?;
            socket.set_nonblocking(true)?;
            Ok(Arc::new(UdpSocket::from_std(socket)?))
        };
        let (near_socket, far_socket) = (open()?, open()?);
        let (near_at, far_at) = (near_socket.local_addr()?, far_socket.local_addr()?);
        let ends = Arc::new(Ends { near: Mutex::new(Some(near)), far: Mutex::default() });
        let (up, down) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
        let carry = |way, from: &Arc<UdpSocket>, to: &Arc<UdpSocket>, counters: &Arc<Counters>| {
            tokio::spawn(Carrier::new(way, network, seed, from, to, &ends, counters).run())
        };
        let tasks =
            [carry(Way::Up, &near_socket, &far_socket, &up), carry(Way::Down, &far_socket, &near_socket, &down)];
        Ok(Self { near: near_at, far: far_at, ends, up, down, tasks })
    }

    /// Where the caller is to send.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Where the server is to send.
    pub fn far(&self) -> SocketAddr {
        self.far
    }

    /// The server is there from now on.
    pub fn set_far(&self, address: SocketAddr) {
        *self.ends.far.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// What has happened so far.
    pub fn counts(&self) -> RelayCounts {
        RelayCounts { up: self.up.read(), down: self.down.read() }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Carries datagrams one way.
struct Carrier {
    way: Way,
    link: Link,
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    ends: Arc<Ends>,
    counters: Arc<Counters>,
    began: Instant,
    /// On their way, by arrival and then by the order in which they came.
    under_way: BTreeMap<(Duration, u64), Box<[u8]>>,
    number: u64,
}

impl Carrier {
    fn new(
        way: Way,
        network: &Network,
        seed: u64,
        from: &Arc<UdpSocket>,
        to: &Arc<UdpSocket>,
        ends: &Arc<Ends>,
        counters: &Arc<Counters>,
    ) -> Self {
        Self {
            way,
            link: Link::new(network, way, seed),
            from: Arc::clone(from),
            to: Arc::clone(to),
            ends: Arc::clone(ends),
            counters: Arc::clone(counters),
            began: Instant::now(),
            under_way: BTreeMap::new(),
            number: 0,
        }
    }

    async fn run(mut self) {
        let mut buffer = vec![0u8; DATAGRAM];
        loop {
            let due = self.under_way.keys().next().map(|(at, _)| self.began + *at);
            tokio::select! {
                biased;
                () = until(due) => self.deliver(),
                // Errors are ICMP answers to what we sent: the other side may not listen yet.
                received = self.from.recv_from(&mut buffer) => if let Ok((length, _)) = received {
                    self.take(buffer.get(..length).unwrap_or(&[]));
                },
            }
        }
    }

    fn take(&mut self, datagram: &[u8]) {
        self.counters.taken.fetch_add(1, Ordering::Relaxed);
        let fate = self.link.fate(self.began.elapsed());
        if fate.arrives.is_none() {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
        if fate.copy.is_some() {
            self.counters.copies.fetch_add(1, Ordering::Relaxed);
        }
        for at in [fate.arrives, fate.copy].into_iter().flatten() {
            if self.under_way.len() >= QUEUE {
                self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.number += 1;
            self.under_way.insert((at, self.number), datagram.into());
        }
        self.deliver();
    }

    /// Hands over what has arrived.
    fn deliver(&mut self) {
        let end = match self.way {
            Way::Up => &self.ends.far,
            Way::Down => &self.ends.near,
        };
        let to = *end.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.began.elapsed();
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= now) {
            let datagram = first.remove();
            // A socket buffer that is full loses a datagram, as networks do.
            let sent = to.is_some_and(|to| self.to.try_send_to(&datagram, to).is_ok());
            let counter = if sent { &self.counters.delivered } else { &self.counters.dropped };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
