//! Whose packets are believed. A port on the open network must not play, or answer, whoever sends to it first.
//!
//! The address in the peer's SDP is believed at once, another port of the same host too (symmetric NAT, a PBX that sends
//! from elsewhere). A stranger is believed only while nobody better has been heard, and only after five packets of one
//! SSRC in order within 300 ms; nothing of what it sent before is used. That case cannot be left out: behind NAT, and with
//! a peer whose SDP names another of its addresses, no packet ever comes from the address in the SDP.
//! Once locked, only a better-ranked source displaces the one that is locked (so a stranger who was first cannot keep the
//! peer out); anything else takes signalling ([`SourceLock::signalled`]).

use super::{Header, NS_PER_MS};
use std::net::SocketAddr;

/// Packets in order that a stranger needs.
const STRANGER_PACKETS: u8 = 5;
/// Time within which it needs them.
const STRANGER_WINDOW_NS: u64 = 300 * NS_PER_MS;
/// Strangers watched at a time. When they are more, the one seen longest ago makes room.
const CANDIDATES: usize = 4;

/// How much a source is believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// Neither address nor host were signalled.
    Stranger,
    /// The host in the SDP, from another port.
    SameHost,
    /// The address in the SDP.
    Signalled,
}

/// What to do with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Use it.
    Accept,
    /// Use it: the source has just been locked, or has changed.
    AcceptNew,
    /// Count it and forget it.
    Reject,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    in_order: u8,
    since_ns: u64,
    seen_ns: u64,
}

/// The lock of one port.
#[derive(Clone, Debug)]
pub struct SourceLock {
    signalled: SocketAddr,
    locked: Option<(SocketAddr, Rank)>,
    candidates: [Option<Candidate>; CANDIDATES],
}

impl SourceLock {
    /// For a peer whose SDP names this address.
    pub fn new(signalled: SocketAddr) -> Self {
        Self { signalled, locked: None, candidates: [None; CANDIDATES] }
    }

    /// A new offer or answer names this address. When it is another one, the lock is open again.
    pub fn signalled(&mut self, signalled: SocketAddr) {
        if self.signalled != signalled {
            *self = Self::new(signalled);
        }
    }

    /// Where to send: the locked source, else the address in the SDP; none when that cannot be sent to.
    pub fn destination(&self) -> Option<SocketAddr> {
        let destination = self.locked.map_or(self.signalled, |(from, _)| from);
        (destination.port() != 0 && !destination.ip().is_unspecified()).then_some(destination)
    }

    /// The source that is believed.
    pub fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|(from, _)| from)
    }

    /// Whether an RTCP packet from this address is believed: the host of the locked source, or that in the SDP.
    pub fn accepts_rtcp(&self, from: SocketAddr) -> bool {
        match self.locked {
            Some((locked, _)) => from.ip() == locked.ip(),
            None => from.ip() == self.signalled.ip(),
        }
    }

    fn rank(&self, from: SocketAddr) -> Rank {
        if from == self.signalled {
            Rank::Signalled
        } else if from.ip() == self.signalled.ip() {
            Rank::SameHost
        } else {
            Rank::Stranger
        }
    }

    /// Judges a packet of an agreed payload type.
    pub fn judge(&mut self, now_ns: u64, from: SocketAddr, header: &Header) -> Verdict {
        if let Some((locked, _)) = self.locked
            && locked == from
        {
            return Verdict::Accept;
        }
        let rank = self.rank(from);
        if self.locked.is_some_and(|(_, held)| rank <= held) {
            return Verdict::Reject;
        }
        if rank == Rank::Stranger && !self.stranger_has_proved_itself(now_ns, from, header) {
            return Verdict::Reject;
        }
        self.locked = Some((from, rank));
        self.candidates = [None; CANDIDATES];
        Verdict::AcceptNew
    }

    fn stranger_has_proved_itself(&mut self, now_ns: u64, from: SocketAddr, header: &Header) -> bool {
        let fresh = Candidate {
            from,
            ssrc: header.ssrc,
            next: header.sequence.wrapping_add(1),
            in_order: 1,
            since_ns: now_ns,
            seen_ns: now_ns,
        };
        let known = self.candidates.iter_mut().flatten().find(|candidate| candidate.from == from);
        if let Some(candidate) = known {
            let follows = candidate.ssrc == header.ssrc
                && candidate.next == header.sequence
                && now_ns.saturating_sub(candidate.since_ns) <= STRANGER_WINDOW_NS;
            if !follows {
                *candidate = fresh;
                return false;
            }
            candidate.next = header.sequence.wrapping_add(1);
            candidate.in_order += 1;
            candidate.seen_ns = now_ns;
            return candidate.in_order >= STRANGER_PACKETS;
        }
        let place = self.candidates.iter_mut().min_by_key(|place| place.map_or(0, |candidate| candidate.seen_ns + 1));
        if let Some(place) = place {
            *place = Some(fresh);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { ssrc, sequence, ..Header::default() }
    }

    /// Feeds `count` packets at 20 ms and says how many were accepted.
    fn feed(lock: &mut SourceLock, from: &str, ssrc: u32, first: u16, count: u16, start_ms: u64) -> usize {
        (0..count)
            .filter(|n| {
                let now = (start_ms + u64::from(*n) * 20) * NS_PER_MS;
                lock.judge(now, at(from), &header(ssrc, first.wrapping_add(*n))) != Verdict::Reject
            })
            .count()
    }

    #[test]
    fn the_signalled_address_is_believed_at_once_and_for_good() {
        let mut lock = SourceLock::new(at("192.0.2.1:4000"));
        assert_eq!(lock.judge(0, at("192.0.2.1:4000"), &header(1, 1)), Verdict::AcceptNew);
        assert_eq!(feed(&mut lock, "203.0.113.9:4000", 1, 2, 500, 20), 0, "same SSRC and numbers from elsewhere");
        assert_eq!(feed(&mut lock, "192.0.2.1:4002", 1, 2, 50, 20), 0, "another port of the host");
        assert_eq!(lock.destination(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn a_stranger_is_believed_after_five_packets_in_order() {
        let mut lock = SourceLock::new(at("10.0.0.5:4000"));
        assert_eq!(feed(&mut lock, "127.0.0.1:9000", 7, 65_533, 20, 0), 16);
        assert_eq!(lock.locked(), Some(at("127.0.0.1:9000")));
    }

    #[test]
    fn a_spray_never_gets_in() {
        let mut lock = SourceLock::new(at("10.0.0.5:4000"));
        for n in 0..1000u16 {
            // Random numbers, random SSRC, or too slow.
            let now = u64::from(n) * 5 * NS_PER_MS;
            assert_eq!(lock.judge(now, at("203.0.113.9:1"), &header(1, n.wrapping_mul(7919))), Verdict::Reject);
            assert_eq!(lock.judge(now, at("203.0.113.9:2"), &header(u32::from(n), n)), Verdict::Reject);
            assert_eq!(lock.judge(u64::from(n) * 100 * NS_PER_MS, at("203.0.113.9:3"), &header(3, n)), Verdict::Reject);
        }
        assert_eq!(lock.destination(), Some(at("10.0.0.5:4000")), "and nothing is sent to it");
    }

    #[test]
    fn the_peer_displaces_a_stranger_but_not_the_other_way_round() {
        let mut lock = SourceLock::new(at("192.0.2.1:4000"));
        feed(&mut lock, "203.0.113.9:4000", 1, 0, 10, 0);
        assert_eq!(lock.locked(), Some(at("203.0.113.9:4000")));
        assert_eq!(lock.judge(0, at("192.0.2.1:4002"), &header(2, 0)), Verdict::AcceptNew);
        assert_eq!(lock.judge(0, at("192.0.2.1:4000"), &header(2, 1)), Verdict::AcceptNew);
        assert_eq!(feed(&mut lock, "203.0.113.9:4000", 1, 10, 100, 200), 0);
        assert_eq!(lock.judge(0, at("192.0.2.1:4002"), &header(2, 2)), Verdict::Reject);
    }

    #[test]
    fn signalling_opens_the_lock() {
        let mut lock = SourceLock::new(at("192.0.2.1:4000"));
        lock.judge(0, at("192.0.2.1:4000"), &header(1, 1));
        lock.signalled(at("192.0.2.1:4000"));
        assert_eq!(lock.locked(), Some(at("192.0.2.1:4000")), "the same address again changes nothing");
        lock.signalled(at("192.0.2.7:5000"));
        assert_eq!(lock.destination(), Some(at("192.0.2.7:5000")));
        assert_eq!(lock.judge(0, at("192.0.2.1:4000"), &header(1, 2)), Verdict::Reject);
        assert!(!lock.accepts_rtcp(at("192.0.2.1:4001")) && lock.accepts_rtcp(at("192.0.2.7:5001")));
    }

    #[test]
    fn nothing_is_sent_to_an_unspecified_address() {
        assert_eq!(SourceLock::new(at("0.0.0.0:4000")).destination(), None);
        assert_eq!(SourceLock::new(at("192.0.2.1:0")).destination(), None);
    }
}
