//! Telephone events, RFC 4733: keys pressed by the peer, and keys that we press.

/// Bytes of an event payload.
pub const EVENT_BYTES: usize = 4;
/// Digits that can wait to be sent.
pub const DTMF_QUEUE: usize = 32;
/// Length of a digit sent: 100 ms.
const TONE_TICKS: u16 = 5;
/// Packets with the end bit, against loss (section 2.5.1.4).
const END_PACKETS: u16 = 3;
/// Pause after a digit: 60 ms from its end, of which the end packets take the first part.
const PAUSE_TICKS: u16 = 1;
/// A second event of the same digit that begins sooner than this after the first one's start, without an end between, is
/// the same press: some senders advance the timestamp with every packet. No digit and pause are shorter than 40 ms each.
const SAME_PRESS_MS: u32 = 60;

/// The payload of one packet, section 2.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// 0 to 9 the digits, 10 `*`, 11 `#`, 12 to 15 `A` to `D`; more are not keys.
    pub code: u8,
    /// The event is over.
    pub end: bool,
    /// Power below 1 mW in dB, 0 to 63.
    pub volume: u8,
    /// Length so far in units of the RTP clock.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; `None` when it is shorter than four bytes. Further (redundant) events are ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, d0, d1] = *payload.first_chunk::<EVENT_BYTES>()?;
        Some(Self { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([d0, d1]) })
    }

    /// The payload.
    pub fn bytes(&self) -> [u8; EVENT_BYTES] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), d0, d1]
    }
}

/// The key of an event code.
pub fn digit_of(code: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(code)).map(|&key| char::from(key))
}

/// The event code of a key; small letters are taken too.
pub fn event_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    b"0123456789*#ABCD".iter().position(|&key| char::from(key) == digit).map(|code| code as u8)
}

/// Receives: one digit per press, at its first packet, whichever of its packets get through.
#[derive(Clone, Debug, Default)]
pub struct DtmfReceiver {
    /// Timestamps of the last presses, newest first: packets of theirs may still come.
    seen: [Option<u32>; 4],
    /// The newest press.
    code: u8,
    ended: bool,
}

impl DtmfReceiver {
    /// Takes an event packet with its RTP timestamp; `clock_hz` is that of the event format. Gives the key when a press
    /// begins with it.
    pub fn packet(&mut self, timestamp: u32, clock_hz: u32, payload: &[u8]) -> Option<char> {
        let event = Event::parse(payload)?;
        let digit = digit_of(event.code)?;
        let [newest, ..] = self.seen;
        if self.seen.contains(&Some(timestamp)) {
            if newest == Some(timestamp) {
                self.ended |= event.end;
            }
            return None;
        }
        if let Some(before) = newest {
            let step = timestamp.wrapping_sub(before);
            if step > i32::MAX as u32 {
                return None; // an older press of which no packet was seen in time
            }
            // The same press goes on: section 2.5.1.3 (a segment of full length), or a sender that moves the timestamp.
            let goes_on = !self.ended
                && event.code == self.code
                && (step == 0xffff || step < SAME_PRESS_MS.saturating_mul(clock_hz) / 1000);
            if goes_on {
                if let Some(slot) = self.seen.first_mut() {
                    *slot = Some(timestamp);
                }
                self.ended |= event.end;
                return None;
            }
        }
        self.seen.rotate_right(1);
        if let Some(slot) = self.seen.first_mut() {
            *slot = Some(timestamp);
        }
        (self.code, self.ended) = (event.code, event.end);
        Some(digit)
    }
}

/// A packet to be sent instead of sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DtmfPacket {
    /// Set on the first packet of a press.
    pub marker: bool,
    /// The RTP timestamp of the press: the same in all its packets.
    pub timestamp: u32,
    /// The payload.
    pub event: Event,
}

/// What a tick of the sender gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// Ticks of the tone done, and its timestamp.
    Tone(u16, u32),
    End(u16, u32),
    Pause(u16),
}

/// Sends digits, a packet per 20 ms tick: 100 ms of tone, three end packets, a pause.
#[derive(Clone, Debug, Default)]
pub struct DtmfSender {
    queue: [u8; DTMF_QUEUE],
    read: usize,
    queued: usize,
    code: u8,
    phase: Phase,
}

impl DtmfSender {
    /// Queues a key. `false` when it is none, or [`DTMF_QUEUE`] digits wait already.
    pub fn push(&mut self, digit: char) -> bool {
        let Some(code) = event_of(digit) else { return false };
        if self.queued == DTMF_QUEUE {
            return false;
        }
        if let Some(slot) = self.queue.get_mut((self.read + self.queued) % DTMF_QUEUE) {
            *slot = code;
            self.queued += 1;
        }
        true
    }

    /// Whether this tick belongs to a press: call [`DtmfSender::tick`] then, and send no sound.
    pub fn busy(&self) -> bool {
        self.queued > 0 || self.phase != Phase::Idle
    }

    /// One tick of `samples` (20 ms in units of the RTP clock) at `timestamp`: the packet to send, if any.
    pub fn tick(&mut self, timestamp: u32, samples: u16) -> Option<DtmfPacket> {
        if self.phase == Phase::Idle {
            if self.queued == 0 {
                return None;
            }
            self.code = self.queue.get(self.read).copied().unwrap_or(0);
            self.read = (self.read + 1) % DTMF_QUEUE;
            self.queued -= 1;
            self.phase = Phase::Tone(0, timestamp);
        }
        let tone = TONE_TICKS.saturating_mul(samples);
        let event = |end, duration| Event { code: self.code, end, volume: 10, duration };
        let (packet, phase) = match self.phase {
            Phase::Idle => (None, Phase::Idle),
            Phase::Tone(done, began) => {
                let duration = (done + 1).saturating_mul(samples);
                let packet = DtmfPacket { marker: done == 0, timestamp: began, event: event(false, duration) };
                let next = if done + 1 < TONE_TICKS { Phase::Tone(done + 1, began) } else { Phase::End(1, began) };
                (Some(packet), next)
            }
            Phase::End(count, began) => {
                let packet = DtmfPacket { marker: false, timestamp: began, event: event(true, tone) };
                let next = if count < END_PACKETS { Phase::End(count + 1, began) } else { Phase::Pause(PAUSE_TICKS) };
                (Some(packet), next)
            }
            Phase::Pause(left) => (None, if left > 1 { Phase::Pause(left - 1) } else { Phase::Idle }),
        };
        self.phase = phase;
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(digits: &str) -> Vec<DtmfPacket> {
        let mut sender = DtmfSender::default();
        for digit in digits.chars() {
            assert!(sender.push(digit));
        }
        let mut packets = Vec::new();
        let mut timestamp = 0u32;
        while sender.busy() {
            packets.extend(sender.tick(timestamp, 160));
            timestamp += 160;
        }
        packets
    }

    fn received(packets: &[DtmfPacket]) -> String {
        let mut receiver = DtmfReceiver::default();
        packets.iter().filter_map(|packet| receiver.packet(packet.timestamp, 8000, &packet.event.bytes())).collect()
    }

    #[test]
    fn a_press_is_eight_packets_of_one_timestamp() {
        let packets = sent("5");
        assert_eq!(packets.len(), 8);
        assert!(packets.iter().all(|packet| packet.timestamp == 0 && packet.event.code == 5));
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
        assert_eq!(
            packets.iter().map(|packet| (packet.event.duration, packet.event.end)).collect::<Vec<_>>(),
            [
                (160, false),
                (320, false),
                (480, false),
                (640, false),
                (800, false),
                (800, true),
                (800, true),
                (800, true)
            ]
        );
    }

    #[test]
    fn one_digit_per_press_whatever_gets_through() {
        let packets = sent("11*#0");
        assert_eq!(received(&packets), "11*#0");
        for kept in 0..8 {
            let survivors = packets.iter().copied().enumerate().filter(|(n, _)| n % 8 == kept);
            let survivors: Vec<_> = survivors.map(|(_, packet)| packet).collect();
            assert_eq!(received(&survivors), "11*#0", "only packet {kept} of each press");
        }
        let twice: Vec<_> = packets.iter().flat_map(|&packet| [packet, packet]).collect();
        assert_eq!(received(&twice), "11*#0");
        let no_ends: Vec<_> = packets.iter().copied().filter(|packet| !packet.event.end).collect();
        assert_eq!(received(&no_ends), "11*#0");
    }

    #[test]
    fn an_end_packet_that_comes_after_the_next_press_began_is_not_a_press() {
        let mut packets = sent("12");
        packets.swap(7, 8);
        assert_eq!(received(&packets), "12");
    }

    #[test]
    fn a_sender_that_moves_the_timestamp_presses_once() {
        let mut receiver = DtmfReceiver::default();
        let heard: String = (0..10u32)
            .filter_map(|n| {
                let event = Event { code: 7, end: n == 9, volume: 10, duration: 160 };
                receiver.packet(n * 160, 8000, &event.bytes())
            })
            .collect();
        assert_eq!(heard, "7");
    }

    #[test]
    fn the_queue_is_bounded_and_takes_keys_only() {
        let mut sender = DtmfSender::default();
        assert!(!sender.push('x'));
        assert!((0..DTMF_QUEUE).all(|_| sender.push('d')));
        assert!(!sender.push('1'));
    }

    proptest! {
        #[test]
        fn any_payload_is_taken(packets in proptest::collection::vec(
            (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..12)), 0..100)) {
            let mut receiver = DtmfReceiver::default();
            for (timestamp, payload) in packets {
                receiver.packet(timestamp, 8000, &payload);
            }
        }

        #[test]
        fn an_event_is_read_as_written(code: u8, end: bool, volume in 0u8..64, duration: u16) {
            let event = Event { code, end, volume, duration };
            prop_assert_eq!(Event::parse(&event.bytes()), Some(event));
        }
    }
}
