//! The media thread: one loop over many ports.
//!
//! Ports tick every 20 ms of their own, each at its own phase, on the absolute clock: a tick that is late does not delay
//! the next. Between ticks the thread sleeps until a datagram comes or the next tick is due.

use super::port::{Channel, Outgoing, Port};
use crate::metrics::Metrics;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Calls of one thread.
pub(super) const MAX_PORTS: usize = 1024;
/// Events taken from the system at a time.
const EVENTS: usize = 256;
/// Datagrams taken from one socket at a time: a flood on one port does not hold up the others.
const BURST: usize = 64;
/// Larger datagrams than this are no RTP of ours: they are cut, and then refused.
const DATAGRAM: usize = 2048;
/// A tick that begins later than this is counted as late.
const LATE: Duration = Duration::from_millis(5);
/// The token of the waker; ports have twice their slot, and one more for RTCP.
pub(super) const WAKER: Token = Token(usize::MAX);

/// A port with its sockets. Made and freed outside the media thread.
pub(super) struct Seat {
    pub port: Port,
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    pub origin: Instant,
}

/// The thread's belongings.
pub(super) struct Worker {
    pub poll: Poll,
    /// Ports that come.
    pub arrivals: HeapCons<Box<Seat>>,
    /// Ports that have ended, to be freed elsewhere. Its ring holds as many as there can be.
    pub departures: HeapProd<Box<Seat>>,
    pub shutdown: Arc<AtomicBool>,
    pub metrics: Metrics,
}

/// When which port ticks, in nanoseconds after the thread's beginning; the earliest first.
type Schedule = BinaryHeap<Reverse<(u64, usize)>>;

struct Floor {
    seats: Vec<Option<Box<Seat>>>,
    free: Vec<usize>,
    schedule: Schedule,
    began: Instant,
}

impl Worker {
    /// Serves until it is told to shut down.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut floor = Floor {
            seats: (0..MAX_PORTS).map(|_| None).collect(),
            free: (0..MAX_PORTS).rev().collect(),
            schedule: Schedule::with_capacity(MAX_PORTS),
            began: Instant::now(),
        };
        let mut buffer = [0; DATAGRAM];
        while !self.shutdown.load(Relaxed) {
            self.rest(&mut events, &floor);
            while let Some(seat) = self.arrivals.try_pop() {
                self.admit(seat, &mut floor);
            }
            for event in &events {
                let Token(token) = event.token();
                if event.token() != WAKER
                    && let Some(Some(seat)) = floor.seats.get_mut(token / 2)
                {
                    let channel = if token % 2 == 0 { Channel::Rtp } else { Channel::Rtcp };
                    // A bug in the handling of one call must not end the others: the port stops at its next tick.
                    let _ = catch_unwind(AssertUnwindSafe(|| seat.receive(channel, &mut buffer)));
                }
            }
            self.tick_due(&mut floor, &mut buffer);
        }
    }

    /// Sleeps until a datagram comes or the next tick is due. The system counts in milliseconds and rounds up, so the last
    /// part of one is slept through by the clock: ticks are then on time to within some 100 µs.
    fn rest(&mut self, events: &mut Events, floor: &Floor) {
        let wait = floor.schedule.peek().map(|Reverse((due, _))| {
            (floor.began + Duration::from_nanos(*due)).saturating_duration_since(Instant::now())
        });
        let timeout = match wait {
            Some(wait) if wait < Duration::from_millis(1) => {
                thread::sleep(wait);
                Some(Duration::ZERO)
            }
            Some(wait) => Some(Duration::from_millis(wait.as_millis() as u64)),
            None => None,
        };
        // An interrupted wait is a short one; no other error is possible with a valid descriptor.
        if self.poll.poll(events, timeout).is_err() {
            events.clear();
        }
    }

    fn admit(&mut self, mut seat: Box<Seat>, floor: &mut Floor) {
        let Some(slot) = floor.free.pop() else { return self.dismiss(seat) };
        let registry = self.poll.registry();
        let registered = registry
            .register(&mut seat.rtp, Token(2 * slot), Interest::READABLE)
            .and_then(|()| registry.register(&mut seat.rtcp, Token(2 * slot + 1), Interest::READABLE));
        if registered.is_err() {
            floor.free.push(slot);
            return self.dismiss(seat);
        }
        let due = seat.origin.saturating_duration_since(floor.began).as_nanos() as u64 + seat.port.next_tick_ns();
        floor.schedule.push(Reverse((due, slot)));
        if let Some(place) = floor.seats.get_mut(slot) {
            *place = Some(seat);
        }
    }

    fn tick_due(&mut self, floor: &mut Floor, buffer: &mut [u8]) {
        while let Some(&Reverse((due, slot))) = floor.schedule.peek() {
            let late = floor.began.elapsed().checked_sub(Duration::from_nanos(due));
            let Some(late) = late else { return };
            let _ = floor.schedule.pop();
            let Some(place) = floor.seats.get_mut(slot) else { continue };
            let Some(seat) = place.as_mut() else { continue };
            let sound = catch_unwind(AssertUnwindSafe(|| seat.tick(buffer))).is_ok();
            self.count(seat, late, !sound || seat.port.stopped());
            if sound && !seat.port.stopped() {
                let origin = seat.origin.saturating_duration_since(floor.began).as_nanos() as u64;
                floor.schedule.push(Reverse((origin + seat.port.next_tick_ns(), slot)));
            } else if let Some(mut seat) = place.take() {
                let _ = self.poll.registry().deregister(&mut seat.rtp);
                let _ = self.poll.registry().deregister(&mut seat.rtcp);
                floor.free.push(slot);
                self.dismiss(seat);
            }
        }
    }

    fn dismiss(&mut self, seat: Box<Seat>) {
        // The ring has a place for every port that there can be, so nothing is freed here.
        let _ = self.departures.try_push(seat);
    }

    fn count(&self, seat: &mut Seat, late: Duration, at_end: bool) {
        let metrics = self.metrics.media();
        let tally = seat.port.take_tally(at_end);
        metrics.ticks.inc();
        if late > LATE {
            metrics.ticks_late.inc();
        }
        for (counter, by) in [
            (&metrics.packets_received, tally.received),
            (&metrics.packets_sent, tally.sent),
            (&metrics.packets_lost, tally.lost),
            (&metrics.packets_late, tally.late),
            (&metrics.packets_rejected, tally.rejected),
            (&metrics.uplink_overruns, tally.uplink_overruns),
        ] {
            if by > 0 {
                counter.inc_by(by);
            }
        }
    }
}

impl Seat {
    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Takes what waits in a socket, [`BURST`] at most; what is left is taken at the next tick.
    fn receive(&mut self, channel: Channel, buffer: &mut [u8]) {
        let now_ns = self.now_ns();
        for _ in 0..BURST {
            let socket = match channel {
                Channel::Rtp => &self.rtp,
                Channel::Rtcp => &self.rtcp,
            };
            match socket.recv_from(buffer) {
                Ok((count, from)) => {
                    let datagram = buffer.get(..count).unwrap_or_default();
                    match channel {
                        Channel::Rtp => self.port.handle_datagram(now_ns, from, datagram),
                        Channel::Rtcp => self.port.handle_rtcp(now_ns, from, datagram),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier packet: the next call reads on.
                Err(_) => {}
            }
        }
    }

    fn tick(&mut self, buffer: &mut [u8]) {
        self.receive(Channel::Rtp, buffer);
        self.receive(Channel::Rtcp, buffer);
        let now_ns = self.now_ns();
        let (rtp, rtcp) = (&self.rtp, &self.rtcp);
        self.port.tick(now_ns, &mut |outgoing: Outgoing<'_>| {
            let socket = match outgoing.channel {
                Channel::Rtp => rtp,
                Channel::Rtcp => rtcp,
            };
            // A datagram that the system does not take is lost, as one that the network does not carry.
            let _ = socket.send_to(outgoing.bytes, outgoing.to);
        });
    }
}
