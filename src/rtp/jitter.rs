//! Order and patience: packets are put back in order, and a hole is waited for only so long.
//!
//! There is no playout clock here. [`Reorder::pop`] gives the next packet as soon as it is there; when it is not, the caller
//! of this module decides with [`Allowance`] when to give it up and [`Reorder::skip`] the hole. So a stream without holes
//! is never delayed.

use super::NS_PER_MS;

/// Packets that can wait behind a hole. At 10 ms a packet that is 320 ms, far more than any allowance.
pub const REORDER_SLOTS: usize = 32;
/// Largest payload kept: 80 ms of 64 kbit/s.
pub const MAX_PAYLOAD: usize = 640;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Encoded sound.
    Audio,
    /// Comfort noise (RFC 3389): the peer is silent and will send no sound for a while.
    ComfortNoise,
    /// No sound, but it takes up a number: a telephone event, an unknown payload type.
    Other,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Insert {
    /// Kept until its turn.
    Queued,
    /// It has come before.
    Duplicate,
    /// Its place has been given up.
    Late,
    /// Too far ahead: give up the hole, take out what waits, and try again.
    Full,
    /// Longer than [`MAX_PAYLOAD`].
    TooLong,
}

/// A packet whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queued<'a> {
    /// Its extended sequence number.
    pub extended: u64,
    /// What it carries.
    pub kind: Kind,
    /// The marker bit.
    pub marker: bool,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// When it arrived.
    pub arrived_ns: u64,
    /// The payload.
    pub payload: &'a [u8],
}

/// Packets are missing before the next one that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole {
    /// How many.
    pub missing: u64,
    /// The timestamp of the packet after the hole.
    pub timestamp: u32,
    /// What the packet after the hole carries.
    pub kind: Kind,
}

#[derive(Clone)]
struct Slot {
    extended: u64,
    kind: Kind,
    marker: bool,
    timestamp: u32,
    arrived_ns: u64,
    len: usize,
    bytes: [u8; MAX_PAYLOAD],
}

/// The reorder buffer. Its memory is fixed at construction.
pub struct Reorder {
    /// Number 0 is an empty slot: extended numbers begin above 65,535 less a few.
    slots: Box<[Slot]>,
    /// The number whose turn it is; 0 before the first packet.
    next: u64,
    held: usize,
    /// Bit `i`: packet `next - 1 - i` has arrived.
    history: u64,
}

impl Default for Reorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Reorder {
    /// An empty buffer that takes the first packet for the first.
    pub fn new() -> Self {
        let empty = Slot {
            extended: 0,
            kind: Kind::Other,
            marker: false,
            timestamp: 0,
            arrived_ns: 0,
            len: 0,
            bytes: [0; MAX_PAYLOAD],
        };
        Self { slots: vec![empty; REORDER_SLOTS].into_boxed_slice(), next: 0, held: 0, history: 0 }
    }

    /// Forgets everything; the next packet is the first.
    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.extended = 0);
        (self.next, self.held, self.history) = (0, 0, 0);
    }

    /// Packets that wait.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Puts in a packet.
    pub fn insert(
        &mut self,
        extended: u64,
        kind: Kind,
        (marker, timestamp): (bool, u32),
        payload: &[u8],
        now_ns: u64,
    ) -> Insert {
        if payload.len() > MAX_PAYLOAD {
            return Insert::TooLong;
        }
        if self.next == 0 {
            self.next = extended;
        }
        if extended < self.next {
            let age = self.next - 1 - extended;
            let bit = 1u64.checked_shl(age.min(64) as u32).unwrap_or(0);
            if self.history & bit != 0 {
                return Insert::Duplicate;
            }
            self.history |= bit;
            return Insert::Late;
        }
        if extended - self.next >= REORDER_SLOTS as u64 {
            return Insert::Full;
        }
        let Some(slot) = self.slots.get_mut(extended as usize % REORDER_SLOTS) else { return Insert::Full };
        if slot.extended == extended {
            return Insert::Duplicate;
        }
        let Some(bytes) = slot.bytes.get_mut(..payload.len()) else { return Insert::TooLong };
        bytes.copy_from_slice(payload);
        slot.len = payload.len();
        (slot.extended, slot.kind, slot.marker) = (extended, kind, marker);
        (slot.timestamp, slot.arrived_ns) = (timestamp, now_ns);
        self.held += 1;
        Insert::Queued
    }

    /// The next packet in order, when it is there.
    pub fn pop(&mut self) -> Option<Queued<'_>> {
        let next = self.next;
        let slot = self.slots.get_mut(next as usize % REORDER_SLOTS)?;
        if next == 0 || slot.extended != next {
            return None;
        }
        slot.extended = 0;
        self.next += 1;
        self.held -= 1;
        self.history = self.history << 1 | 1;
        Some(Queued {
            extended: next,
            kind: slot.kind,
            marker: slot.marker,
            timestamp: slot.timestamp,
            arrived_ns: slot.arrived_ns,
            payload: slot.bytes.get(..slot.len)?,
        })
    }

    /// The hole before the next packet that is there; none when nothing waits or the next in order is there.
    pub fn hole(&self) -> Option<Hole> {
        if self.held == 0 {
            return None;
        }
        let first = self.slots.iter().filter(|slot| slot.extended != 0).min_by_key(|slot| slot.extended)?;
        let missing = first.extended - self.next;
        (missing > 0).then_some(Hole { missing, timestamp: first.timestamp, kind: first.kind })
    }

    /// Gives up the hole: the next packet that is there comes next.
    pub fn skip(&mut self) {
        if let Some(hole) = self.hole() {
            self.next += hole.missing;
            self.history = self.history.checked_shl(hole.missing.min(64) as u32).unwrap_or(0);
        }
    }

    /// Gives up everything before `extended`, which did not fit ([`Insert::Full`]). Take out what waits first.
    pub fn skip_to(&mut self, extended: u64) {
        if self.held == 0 && extended > self.next {
            let missing = extended - self.next;
            self.next = extended;
            self.history = self.history.checked_shl(missing.min(64) as u32).unwrap_or(0);
        }
    }
}

/// How long a missing packet is waited for beyond the time at which it was due.
///
/// At least [`Allowance::MIN_NS`], so that two packets of 20 ms that changed places are put right; more when the network is
/// uneven or packets have just come too late; never more than the limit.
#[derive(Clone, Debug)]
pub struct Allowance {
    limit_ns: u64,
    steady_ns: u64,
    extra_ns: u64,
}

impl Allowance {
    /// The shortest wait.
    pub const MIN_NS: u64 = 40 * NS_PER_MS;

    /// With a limit in nanoseconds.
    pub fn new(limit_ns: u64) -> Self {
        Self { limit_ns, steady_ns: Self::MIN_NS.min(limit_ns), extra_ns: 0 }
    }

    /// The wait in nanoseconds.
    pub fn ns(&self) -> u64 {
        (self.steady_ns + self.extra_ns).min(self.limit_ns)
    }

    /// A packet came in order: follow the jitter, and forget a bad moment with a time constant of 256 packets.
    pub fn on_time(&mut self, jitter_ns: u64) {
        self.steady_ns = Self::MIN_NS.max(jitter_ns.saturating_mul(4)).min(self.limit_ns);
        self.extra_ns -= self.extra_ns / 256;
    }

    /// A packet came after its place had been given up: wait longer next time.
    pub fn late(&mut self) {
        self.extra_ns = (self.extra_ns + 10 * NS_PER_MS).min(self.limit_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scripts in one letter per event, after pjsip's: P the next packet arrives · L it is lost · R the next two change
    /// places · D the last arrival comes again · O the packet lost last arrives after all · S the hole is given up.
    /// Every packet that can be taken out is, after each letter.
    fn play(script: &str) -> (Vec<u64>, [usize; 3]) {
        const FIRST: u64 = 70_000;
        let mut reorder = Reorder::new();
        let (mut next, mut lost, mut last) = (FIRST, 0, 0);
        let mut out = Vec::new();
        let mut counts = [0; 3];
        let mut put = |reorder: &mut Reorder, extended: u64| {
            match reorder.insert(extended, Kind::Audio, (false, extended as u32), &extended.to_be_bytes(), 0) {
                Insert::Queued => {}
                Insert::Duplicate => counts[0] += 1,
                Insert::Late => counts[1] += 1,
                _ => counts[2] += 1,
            }
            while let Some(packet) = reorder.pop() {
                assert_eq!(packet.payload, packet.extended.to_be_bytes());
                out.push(packet.extended - FIRST);
            }
        };
        for letter in script.chars() {
            match letter {
                'P' => {
                    put(&mut reorder, next);
                    last = next;
                    next += 1;
                }
                'L' => {
                    lost = next;
                    next += 1;
                }
                'R' => {
                    put(&mut reorder, next + 1);
                    put(&mut reorder, next);
                    last = next;
                    next += 2;
                }
                'D' => put(&mut reorder, last),
                'O' => put(&mut reorder, lost),
                'S' => {
                    reorder.skip();
                    put(&mut reorder, last); // takes out what waited; itself a duplicate
                }
                other => panic!("no such letter: {other}"),
            }
        }
        (out, counts)
    }

    #[test]
    fn scripts() {
        // script, numbers handed on, [duplicates, late, refused]
        let table: &[(&str, &[u64], [usize; 3])] = &[
            ("PPPP", &[0, 1, 2, 3], [0, 0, 0]),
            ("PRP", &[0, 1, 2, 3], [0, 0, 0]),
            ("PDPD", &[0, 1], [2, 0, 0]),
            ("PLP", &[0], [0, 0, 0]),
            ("PLPOP", &[0, 1, 2, 3], [0, 0, 0]),
            ("PLPSP", &[0, 2, 3], [1, 0, 0]),
            ("PLPSOP", &[0, 2, 3], [1, 1, 0]),
            ("PLPSOO", &[0, 2], [2, 1, 0]),
            ("PLPLPSS", &[0, 2, 4], [2, 0, 0]),
            ("LPPP", &[1, 2, 3], [0, 0, 0]),
            ("PLPDS", &[0, 2], [2, 0, 0]),
        ];
        for (script, handed_on, counts) in table {
            assert_eq!(play(script), (handed_on.to_vec(), *counts), "{script}");
        }
    }

    #[test]
    fn what_is_too_far_ahead_does_not_fit_until_the_hole_is_given_up() {
        let mut reorder = Reorder::new();
        let far = 70_000 + REORDER_SLOTS as u64;
        assert_eq!(reorder.insert(70_000, Kind::Audio, (false, 0), b"a", 0), Insert::Queued);
        assert_eq!(reorder.insert(far, Kind::Audio, (false, 0), b"b", 0), Insert::Full);
        assert_eq!(reorder.pop().map(|packet| packet.extended), Some(70_000));
        reorder.skip_to(far + 5);
        assert_eq!(reorder.insert(far + 5, Kind::Audio, (false, 0), b"b", 0), Insert::Queued);
        assert_eq!(reorder.insert(far + 6, Kind::Audio, (false, 0), &[0; MAX_PAYLOAD + 1], 0), Insert::TooLong);
        assert_eq!(reorder.pop().map(|packet| packet.extended), Some(far + 5));
    }

    #[test]
    fn the_allowance_grows_with_trouble_and_shrinks_again() {
        let mut allowance = Allowance::new(60 * NS_PER_MS);
        assert_eq!(allowance.ns(), 40 * NS_PER_MS);
        allowance.late();
        allowance.late();
        allowance.late();
        assert_eq!(allowance.ns(), 60 * NS_PER_MS);
        for _ in 0..2000 {
            allowance.on_time(0);
        }
        assert!(allowance.ns() < 41 * NS_PER_MS);
        allowance.on_time(30 * NS_PER_MS);
        assert_eq!(allowance.ns(), 60 * NS_PER_MS, "never more than the limit");
    }

    proptest! {
        #[test]
        fn any_order_comes_out_in_order_and_once(numbers in proptest::collection::vec(70_000u64..70_100, 1..300)) {
            let mut reorder = Reorder::new();
            let mut last = 0;
            for number in numbers {
                if reorder.insert(number, Kind::Audio, (false, 0), &[], 0) == Insert::Full {
                    reorder.skip();
                }
                while let Some(packet) = reorder.pop() {
                    prop_assert!(packet.extended > last);
                    last = packet.extended;
                }
                prop_assert!(reorder.held() <= REORDER_SLOTS);
            }
        }
    }
}
