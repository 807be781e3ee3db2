//! The rings and atomics between a port and those who work with it.

use super::StreamParams;
use super::recorder::Taps;
use crate::audio::{AudioFrame, CodecKind, Decoder, Encoder, MediaTime, PlayoutEvent, PlayoutFrame};
use crate::rtp::DTMF_QUEUE;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Frames heard that wait for the speech thread: 2.56 s.
const UPLINK_FRAMES: usize = 128;
/// Frames to be said that wait for their tick: 2 s.
const DOWNLINK_FRAMES: usize = 100;
/// Frames sent that wait for the speech thread, which looks at them every few milliseconds: 1.28 s.
const SENT_FRAMES: usize = 64;
/// Events that wait for the speech thread.
const EVENTS: usize = 256;
/// Commands that wait for the media thread: two full queues of digits.
pub(super) const COMMANDS: usize = 2 * DTMF_QUEUE;

/// Something that the media thread noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// What became of an utterance.
    Playout(PlayoutEvent),
    /// The peer pressed a key.
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// When its first packet arrived.
        at: MediaTime,
    },
}

/// What the port counts, for [`MediaControl::report`](super::MediaControl::report). Written by the media thread alone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub received: AtomicU64,
    pub sent: AtomicU64,
    pub lost: AtomicU64,
    pub expected: AtomicU64,
    pub late: AtomicU64,
    pub duplicate: AtomicU64,
    pub rejected: AtomicU64,
    pub jitter_us: AtomicU64,
    pub jitter_max_us: AtomicU64,
    pub concealed_samples: AtomicU64,
    /// Round trip time in microseconds, plus one; 0 when it is not known.
    pub rtt_us_plus_1: AtomicU64,
    /// Static payload type of the codec: names it.
    pub codec: AtomicU32,
    pub uplink_overruns: AtomicU64,
    pub events_lost: AtomicU64,
}

/// What everybody who works with a port may see.
#[derive(Debug)]
pub(super) struct Shared {
    pub origin: Instant,
    pub epoch: AtomicU32,
    /// How loud what we say is, and in which epoch: see [`Volume`].
    pub volume: AtomicU64,
    pub stop: AtomicBool,
    /// Nanoseconds after the origin at which the last accepted RTP packet came.
    pub last_rtp_ns: AtomicU64,
    pub counters: Counters,
}

/// A gain that holds for one playout epoch: a new one begins at full volume, whoever forgets to ask for it. Both travel in
/// one atomic, so that the media thread never sees the gain of one epoch with the number of another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Volume {
    pub epoch: u32,
    /// Amplitudes are multiplied by it; at 0 what is queued waits.
    pub gain: f32,
}

impl Volume {
    const FULL: Self = Self { epoch: 0, gain: 1.0 };

    pub const fn packed(self) -> u64 {
        (self.epoch as u64) << 32 | self.gain.to_bits() as u64
    }

    /// The gain in this epoch.
    pub fn gain_in(epoch: u32, packed: u64) -> f32 {
        if (packed >> 32) as u32 == epoch { f32::from_bits(packed as u32) } else { 1.0 }
    }
}

impl Shared {
    pub fn codec(&self) -> Option<CodecKind> {
        CodecKind::from_payload_type(self.counters.codec.load(Relaxed) as u8)
    }
}

/// New parameters, with the codec state that they need: made by who asks, so that the media thread does not allocate.
pub(super) struct Change {
    pub params: StreamParams,
    pub encoder: Encoder,
    pub decoder: Decoder,
}

/// Something for the media thread to do.
pub(super) enum Command {
    Change(Box<Change>),
    Dtmf(char),
}

/// The control side's ends.
pub(super) struct ControlEnds {
    pub commands: HeapProd<Command>,
    pub spent: HeapCons<Box<Change>>,
}

/// The port's ends.
pub(super) struct PortLink {
    uplink: HeapProd<AudioFrame>,
    pub downlink: HeapCons<PlayoutFrame>,
    events: HeapProd<MediaEvent>,
    sent: HeapProd<AudioFrame>,
    pub commands: HeapCons<Command>,
    pub spent: HeapProd<Box<Change>>,
    pub taps: Option<Taps>,
    pub uplink_overruns: u64,
    pub events_lost: u64,
}

impl PortLink {
    /// A frame of the caller.
    pub fn heard(&mut self, frame: AudioFrame) {
        if let Some(taps) = &mut self.taps {
            taps.heard(&frame);
        }
        if self.uplink.try_push(frame).is_err() {
            self.uplink_overruns += 1;
        }
    }

    /// A frame of ours, or the silence that was sent or not sent in its place.
    pub fn said(&mut self, frame: AudioFrame) {
        if let Some(taps) = &mut self.taps {
            taps.said(&frame);
        }
        // What does not fit is missing from the reference of an echo; its times tell.
        let _ = self.sent.try_push(frame);
    }

    /// Something happened. Half of the ring is for the playout alone: a peer that sends keys without end cannot make the
    /// agent lose count of what it said.
    pub fn event(&mut self, event: MediaEvent) {
        let reserved = if matches!(event, MediaEvent::Dtmf { .. }) { EVENTS / 2 } else { 0 };
        if self.events.vacant_len() <= reserved || self.events.try_push(event).is_err() {
            self.events_lost += 1;
        }
    }
}

/// The speech thread's ends of a call's rings.
pub struct SpeechLink {
    shared: Arc<Shared>,
    uplink: HeapCons<AudioFrame>,
    downlink: HeapProd<PlayoutFrame>,
    events: HeapCons<MediaEvent>,
    sent: HeapCons<AudioFrame>,
}

impl SpeechLink {
    /// The instant of [`MediaTime::ZERO`].
    pub fn origin(&self) -> Instant {
        self.shared.origin
    }

    /// The next 20 ms of the caller. Frames are continuous: each begins where the last one ended, unless this thread fell
    /// 2.56 s behind.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        self.uplink.try_pop()
    }

    /// The next 20 ms of ours as they went out, at the gain they had: the reference of an echo. Silence where nothing was
    /// sent.
    pub fn next_sent(&mut self) -> Option<AudioFrame> {
        self.sent.try_pop()
    }

    /// How many frames [`SpeechLink::play`] would take now.
    pub fn room(&self) -> usize {
        self.downlink.vacant_len()
    }

    /// Queues 20 ms of the agent.
    ///
    /// # Errors
    /// The frame, when there is no room for it.
    #[expect(clippy::result_large_err, reason = "boxing the frame would allocate; it is handed back to be tried again")]
    pub fn play(&mut self, frame: PlayoutFrame) -> Result<(), PlayoutFrame> {
        self.downlink.try_push(frame)
    }

    /// The playout epoch: frames queued with an older one are not played.
    pub fn epoch(&self) -> u32 {
        self.shared.epoch.load(Relaxed)
    }

    /// What happened, in order.
    pub fn next_event(&mut self) -> Option<MediaEvent> {
        self.events.try_pop()
    }
}

/// Makes the rings.
pub(super) fn connect(origin: Instant, taps: Option<Taps>) -> (Arc<Shared>, PortLink, SpeechLink, ControlEnds) {
    let (uplink_in, uplink_out) = HeapRb::new(UPLINK_FRAMES).split();
    let (downlink_in, downlink_out) = HeapRb::new(DOWNLINK_FRAMES).split();
    let (events_in, events_out) = HeapRb::new(EVENTS).split();
    let (sent_in, sent_out) = HeapRb::new(SENT_FRAMES).split();
    let (commands_in, commands_out) = HeapRb::new(COMMANDS).split();
    let (spent_in, spent_out) = HeapRb::new(COMMANDS).split();
    let shared = Arc::new(Shared {
        origin,
        epoch: AtomicU32::new(0),
        volume: AtomicU64::new(Volume::FULL.packed()),
        stop: AtomicBool::new(false),
        last_rtp_ns: AtomicU64::new(0),
        counters: Counters::default(),
    });
    let port = PortLink {
        uplink: uplink_in,
        downlink: downlink_out,
        events: events_in,
        sent: sent_in,
        commands: commands_out,
        spent: spent_in,
        taps,
        uplink_overruns: 0,
        events_lost: 0,
    };
    let speech = SpeechLink {
        shared: Arc::clone(&shared),
        uplink: uplink_out,
        downlink: downlink_in,
        events: events_out,
        sent: sent_out,
    };
    (shared, port, speech, ControlEnds { commands: commands_in, spent: spent_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FRAME_SAMPLES, UtteranceId};

    #[test]
    fn a_full_uplink_loses_the_newest_and_counts() {
        let (_, mut port, mut speech, _) = connect(Instant::now(), None);
        for n in 0..UPLINK_FRAMES as u64 + 3 {
            port.heard(AudioFrame::silence(MediaTime::from_frames(n)));
        }
        assert_eq!(port.uplink_overruns, 3);
        assert_eq!(speech.next_frame().map(|frame| frame.at), Some(MediaTime::ZERO));
        assert_eq!(std::iter::from_fn(|| speech.next_frame()).count(), UPLINK_FRAMES - 1);
    }

    #[test]
    fn keys_leave_room_for_playout_events() {
        let (_, mut port, mut speech, _) = connect(Instant::now(), None);
        for _ in 0..1000 {
            port.event(MediaEvent::Dtmf { digit: '1', at: MediaTime::ZERO });
        }
        let finished = PlayoutEvent::Finished { utterance: UtteranceId(1), at: MediaTime::ZERO };
        port.event(MediaEvent::Playout(finished));
        assert_eq!(port.events_lost, 1000 - EVENTS as u64 / 2);
        let last = std::iter::from_fn(|| speech.next_event()).last();
        assert_eq!(last, Some(MediaEvent::Playout(finished)));
    }

    #[test]
    fn a_full_downlink_gives_the_frame_back() {
        let (_, mut port, mut speech, _) = connect(Instant::now(), None);
        let frame = PlayoutFrame { epoch: 0, utterance: UtteranceId(1), last: false, samples: [0; FRAME_SAMPLES] };
        for _ in 0..DOWNLINK_FRAMES {
            speech.play(frame).unwrap();
        }
        assert_eq!(speech.room(), 0);
        assert!(speech.play(frame).is_err());
        assert!(port.downlink.try_pop().is_some());
        assert_eq!(speech.room(), 1);
    }
}
