//! Two media ports back to back in virtual time, with a network between them that delays, shuffles, doubles and loses packets.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::time::Instant;
use tipring::audio::{
    AudioFrame, CodecKind, FRAME_SAMPLES, MediaTime, PlayoutEvent, PlayoutFrame, Samples, UtteranceId,
};
use tipring::media::{Channel, MediaEvent, MediaSession, Outgoing, Port, PortOptions, StreamParams};

pub const MS: u64 = 1_000_000;
/// Ports begin some time into the world, so that each may have its own phase.
pub const PHASES: [u64; 2] = [3 * MS, 14 * MS + 250_000];
const ADDRESSES: [&str; 2] = ["192.0.2.1:4000", "198.51.100.2:5000"];

pub fn address(end: usize) -> SocketAddr {
    ADDRESSES[end].parse().unwrap()
}

/// What the network does to a packet, the same both ways.
#[derive(Clone, Copy, Default)]
pub struct Impairment {
    pub delay_ms: u64,
    /// Added delay, drawn evenly from zero to this.
    pub jitter_ms: u64,
    pub loss: f64,
    pub duplicate: f64,
    /// Share of packets held up by 30 ms more.
    pub reorder: f64,
}

pub struct Flight {
    at_ns: u64,
    to: usize,
    from: SocketAddr,
    channel: Channel,
    bytes: Vec<u8>,
}

pub struct End {
    pub port: Port,
    pub session: MediaSession,
    /// Parts per million by which its clock is fast.
    pub ppm: i64,
    pub heard: Vec<AudioFrame>,
    pub events: Vec<MediaEvent>,
    /// RTP sent, in order.
    pub sent: Vec<Vec<u8>>,
    pub to_play: Vec<PlayoutFrame>,
}

pub struct World {
    pub now_ns: u64,
    pub ends: [End; 2],
    flights: Vec<Flight>,
    pub impairment: Impairment,
    pub random: StdRng,
}

pub fn params(codec: CodecKind, peer: usize) -> StreamParams {
    StreamParams::new(codec, address(peer))
}

impl World {
    pub fn new(codec: CodecKind, impairment: Impairment, seed: u64) -> Self {
        let end = |me: usize| {
            let options = PortOptions {
                origin: Instant::now(),
                unix_origin_ns: 1_700_000_000_000_000_000 + PHASES[me],
                seed: seed * 2 + me as u64,
                cname: format!("end{me}@example.invalid"),
                jitter_max_ms: 60,
                record: true,
            };
            let (port, session) = Port::open(params(codec, 1 - me), options);
            End { port, session, ppm: 0, heard: vec![], events: vec![], sent: vec![], to_play: vec![] }
        };
        Self { now_ns: 0, ends: [end(0), end(1)], flights: Vec::new(), impairment, random: StdRng::seed_from_u64(seed) }
    }

    /// The time of one end's port.
    pub fn local_ns(&self, end: usize) -> Option<u64> {
        let elapsed = self.now_ns.checked_sub(PHASES[end])?;
        Some((elapsed as i64 + elapsed as i64 / 1000 * self.ends[end].ppm / 1000) as u64)
    }

    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms * 2 {
            self.step();
        }
    }

    pub fn step(&mut self) {
        self.now_ns += MS / 2;
        self.flights.sort_by_key(|flight| flight.at_ns);
        let due = self.flights.iter().take_while(|flight| flight.at_ns <= self.now_ns).count();
        for flight in self.flights.drain(..due).collect::<Vec<_>>() {
            let Some(local) = self.local_ns(flight.to) else { continue };
            let port = &mut self.ends[flight.to].port;
            match flight.channel {
                Channel::Rtp => port.handle_datagram(local, flight.from, &flight.bytes),
                Channel::Rtcp => port.handle_rtcp(local, flight.from, &flight.bytes),
            }
        }
        for me in 0..2 {
            let Some(local) = self.local_ns(me) else { continue };
            let end = &mut self.ends[me];
            let room = end.session.speech.room().min(end.to_play.len());
            for frame in end.to_play.drain(..room) {
                assert!(end.session.speech.play(frame).is_ok());
            }
            let mut sent = Vec::new();
            if local >= end.port.next_tick_ns() {
                end.port.tick(local, &mut |out: Outgoing<'_>| sent.push((out.channel, out.to, out.bytes.to_vec())));
            }
            end.heard.extend(std::iter::from_fn(|| end.session.speech.next_frame()));
            end.events.extend(std::iter::from_fn(|| end.session.speech.next_event()));
            for (channel, to, bytes) in sent {
                if channel == Channel::Rtp {
                    self.ends[me].sent.push(bytes.clone());
                }
                self.carry(me, channel, to, bytes);
            }
        }
    }

    fn carry(&mut self, me: usize, channel: Channel, to: SocketAddr, bytes: Vec<u8>) {
        let peer = address(1 - me);
        assert_eq!(to.ip(), peer.ip(), "nothing goes to anybody else");
        let Impairment { delay_ms, jitter_ms, loss, duplicate, reorder } = self.impairment;
        if self.random.random_bool(loss) {
            return;
        }
        let copies = 1 + usize::from(self.random.random_bool(duplicate));
        for _ in 0..copies {
            let jitter = if jitter_ms == 0 { 0 } else { self.random.random_range(0..jitter_ms * MS) };
            let held = if self.random.random_bool(reorder) { 30 * MS } else { 0 };
            let mut from = address(me);
            if channel == Channel::Rtcp {
                from.set_port(from.port() + 1);
            }
            let at_ns = self.now_ns + delay_ms * MS + jitter + held;
            self.flights.push(Flight { at_ns, to: 1 - me, from, channel, bytes: bytes.clone() });
        }
    }

    /// Queues `frames` of a tone as one utterance.
    pub fn say(&mut self, end: usize, utterance: u32, frames: usize) {
        let epoch = self.ends[end].session.speech.epoch();
        for n in 0..frames {
            let samples = tone(n);
            let last = n + 1 == frames;
            self.ends[end].to_play.push(PlayoutFrame { epoch, utterance: UtteranceId(utterance), last, samples });
        }
    }

    pub fn check_clock(&self, end: usize) {
        let frames = &self.ends[end].heard;
        for (n, frame) in frames.iter().enumerate() {
            assert_eq!(frame.at, MediaTime::from_frames(n as u64), "the clock has no holes");
        }
        let now_ms = self.local_ns(end).unwrap() / MS;
        let ahead = frames.len() as i64 * 20 - now_ms as i64;
        assert!((-120..=200).contains(&ahead), "the clock is {ahead} ms ahead");
    }

    pub fn dtmf(&self, end: usize) -> String {
        let digits = self.ends[end].events.iter().filter_map(|event| match event {
            MediaEvent::Dtmf { digit, .. } => Some(*digit),
            MediaEvent::Playout(_) => None,
        });
        digits.collect()
    }

    pub fn playout(&self, end: usize) -> Vec<PlayoutEvent> {
        let events = self.ends[end].events.iter().filter_map(|event| match event {
            MediaEvent::Playout(event) => Some(*event),
            MediaEvent::Dtmf { .. } => None,
        });
        events.collect()
    }
}

pub fn tone(n: usize) -> Samples {
    std::array::from_fn(|i| {
        let t = (n * FRAME_SAMPLES + i) as f64 / 16_000.0;
        // Rises, so that no two frames are alike.
        (8000.0 * (std::f64::consts::TAU * (400.0 * t + 30.0 * t * t)).sin()) as i16
    })
}

pub fn loud(frame: &AudioFrame) -> bool {
    frame.samples.iter().any(|sample| sample.unsigned_abs() > 2000)
}
