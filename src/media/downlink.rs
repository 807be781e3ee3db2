//! From queued frames to packets: one frame per tick, silence when none is queued, so that the stream has no holes.

use super::MediaEvent;
use super::link::PortLink;
use super::past::Past;
use super::port::{Channel, Outgoing};
use crate::audio::{
    AudioFrame, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, PlayoutEvent, PlayoutFrame, Samples,
    UtteranceId,
};
use crate::rtp::{DtmfSender, EVENT_BYTES, HEADER_BYTES, Header};
use ringbuf::traits::Consumer;
use std::net::SocketAddr;

/// Units of the RTP clock in a tick: 8 kHz for all codecs.
pub(super) const TICK_UNITS: u32 = 160;
/// Bytes per millisecond: 64 kbit/s for all codecs.
const BYTES_PER_MS: usize = 8;
/// Sound that waits for its packet to be full: one packet of 60 ms and a frame.
const PENDING_BYTES: usize = 60 * BYTES_PER_MS + FRAME_BYTES;

/// How a packet goes out at present.
pub(super) struct Route {
    /// Sending is on, and there is somewhere to send to.
    pub to: Option<SocketAddr>,
    pub payload_type: u8,
    pub dtmf_payload_type: Option<u8>,
    pub ptime_ms: u32,
}

/// What is being said.
#[derive(Clone, Copy)]
struct Speaking {
    utterance: UtteranceId,
    played: u64,
    end: MediaTime,
}

/// One call's way down.
pub(super) struct Downlink {
    encoder: Encoder,
    ssrc: u32,
    sequence: u16,
    /// Of the first sample of the next tick.
    timestamp: u32,
    marker: bool,
    pending: [u8; PENDING_BYTES],
    pending_len: usize,
    pending_timestamp: u32,
    epoch: u32,
    /// How loud the last frame ended; at 0 what is queued stays where it is.
    gain: f32,
    past: Past,
    speaking: Option<Speaking>,
    /// The utterance whose end was reported last: frames of it that still come are not reported again.
    ended: Option<UtteranceId>,
    pub dtmf: DtmfSender,
    pub packets: u64,
    pub octets: u64,
}

impl Downlink {
    pub fn new(encoder: Encoder, ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            encoder,
            ssrc,
            sequence,
            timestamp,
            marker: true,
            pending: [0; PENDING_BYTES],
            pending_len: 0,
            pending_timestamp: timestamp,
            epoch: 0,
            gain: 1.0,
            past: Past::new(),
            speaking: None,
            ended: None,
            dtmf: DtmfSender::default(),
            packets: 0,
            octets: 0,
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// RTP timestamp of the next tick.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Exchanges the encoder. What waits for its packet was made by the old one and is dropped.
    pub fn set_encoder(&mut self, encoder: &mut Encoder) {
        std::mem::swap(&mut self.encoder, encoder);
        self.pending_len = 0;
    }

    /// Ticks that were missed and will not be made up for: time goes on without packets.
    pub fn skip(&mut self, ticks: u64) {
        self.timestamp = self.timestamp.wrapping_add(TICK_UNITS.wrapping_mul(ticks as u32));
        self.pending_len = 0;
        self.marker = true;
    }

    /// The tick of time `at`, in a playout epoch and with the gain that is wanted in it. At 0 what is said fades out within this tick and then
    /// waits; with the next gain it goes on, from the last pause in it.
    pub fn tick(
        &mut self,
        at: MediaTime,
        (epoch, gain): (u32, f32),
        route: &Route,
        link: &mut PortLink,
        out: &mut impl FnMut(Outgoing<'_>),
    ) {
        if epoch != self.epoch {
            self.gain = 1.0;
        }
        self.drop_older(at, epoch, link);
        let mut frame = AudioFrame::silence(at);
        if let Some(to) = route.to {
            if let Some(payload_type) = route.dtmf_payload_type.filter(|_| self.dtmf.busy()) {
                self.press(payload_type, to, out);
            } else {
                if self.gain == 0.0 && gain > 0.0 {
                    self.go_back();
                }
                let waits = self.gain == 0.0 && gain == 0.0;
                let next = if waits { None } else { self.next_samples(at, link) };
                if let Some(samples) = next {
                    frame.samples = samples;
                    self.fade(&mut frame.samples, gain);
                    frame.origin = FrameOrigin::Received;
                }
                self.send(&frame, route, to, out);
            }
        } else {
            self.pending_len = 0;
            self.marker = true;
        }
        self.gain = gain;
        link.said(frame);
        self.timestamp = self.timestamp.wrapping_add(TICK_UNITS);
    }

    /// Barge-in: what belongs to an older epoch is not played, and those who queued it learn how far it was.
    fn drop_older(&mut self, at: MediaTime, epoch: u32, link: &mut PortLink) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.past.forget();
            if let Some(speaking) = self.speaking.take() {
                self.cut(speaking, link);
            }
        }
        while let Some(frame) = link.downlink.try_peek().filter(|frame| older(frame.epoch, epoch)) {
            let utterance = frame.utterance;
            let _ = link.downlink.try_pop();
            if self.ended != Some(utterance) {
                self.cut(Speaking { utterance, played: 0, end: at }, link);
            }
        }
    }

    fn cut(&mut self, speaking: Speaking, link: &mut PortLink) {
        let Speaking { utterance, played, end } = speaking;
        self.ended = Some(utterance);
        link.event(MediaEvent::Playout(PlayoutEvent::Cut { utterance, played, at: end }));
    }

    /// Goes on from an earlier place in the line that was paused.
    fn go_back(&mut self) {
        if let Some(speaking) = &mut self.speaking {
            let back = self.past.rewind() * FRAME_SAMPLES;
            speaking.played = speaking.played.saturating_sub(back as u64);
        }
    }

    fn next_samples(&mut self, at: MediaTime, link: &mut PortLink) -> Option<Samples> {
        if let Some(samples) = self.past.next() {
            if let Some(speaking) = &mut self.speaking {
                speaking.played += FRAME_SAMPLES as u64;
                speaking.end = at.plus_samples(FRAME_SAMPLES as u64);
            }
            return Some(samples);
        }
        self.next_frame(at, link).map(|frame| frame.samples)
    }

    fn next_frame(&mut self, at: MediaTime, link: &mut PortLink) -> Option<PlayoutFrame> {
        // A frame of a newer epoch than this tick has seen waits for the next tick, which will have dropped the old.
        if link.downlink.try_peek()?.epoch != self.epoch {
            return None;
        }
        let frame = link.downlink.try_pop()?;
        let end = at.plus_samples(FRAME_SAMPLES as u64);
        let utterance = frame.utterance;
        let mut speaking = match self.speaking.take() {
            Some(speaking) if speaking.utterance == utterance => speaking,
            other => {
                if let Some(unfinished) = other {
                    self.cut(unfinished, link);
                }
                self.past.forget();
                link.event(MediaEvent::Playout(PlayoutEvent::Started { utterance, at }));
                Speaking { utterance, played: 0, end }
            }
        };
        speaking.played += FRAME_SAMPLES as u64;
        speaking.end = end;
        self.past.keep(&frame.samples);
        if frame.last {
            self.past.forget();
            self.ended = Some(utterance);
            link.event(MediaEvent::Playout(PlayoutEvent::Finished { utterance, at: end }));
        } else {
            self.speaking = Some(speaking);
        }
        Some(frame)
    }

    /// Brings a frame from the gain of the last one to `gain`, evenly from its first sample to its last.
    fn fade(&self, samples: &mut Samples, gain: f32) {
        if self.gain == 1.0 && gain == 1.0 {
            return;
        }
        let step = (gain - self.gain) / FRAME_SAMPLES as f32;
        let mut now = self.gain;
        for sample in samples {
            now += step;
            *sample = (f32::from(*sample) * now) as i16;
        }
    }

    fn send(&mut self, frame: &AudioFrame, route: &Route, to: SocketAddr, out: &mut impl FnMut(Outgoing<'_>)) {
        if self.pending_len == 0 {
            self.pending_timestamp = self.timestamp;
        }
        let place = self.pending.get_mut(self.pending_len..).unwrap_or_default();
        self.pending_len += self.encoder.encode(&frame.samples, place);
        let wanted = (route.ptime_ms as usize).clamp(10, 60) * BYTES_PER_MS;
        let mut packet = [0; HEADER_BYTES + PENDING_BYTES];
        while self.pending_len >= wanted {
            let header = self.header(route.payload_type, self.pending_timestamp, self.marker);
            self.marker = false;
            if let (Some(place), Some(sound)) =
                (packet.get_mut(HEADER_BYTES..HEADER_BYTES + wanted), self.pending.get(..wanted))
            {
                place.copy_from_slice(sound);
            }
            self.emit(&header, &mut packet, wanted, to, out);
            self.pending.copy_within(wanted..self.pending_len, 0);
            self.pending_len -= wanted;
            self.pending_timestamp = self.pending_timestamp.wrapping_add(wanted as u32);
        }
    }

    fn press(&mut self, payload_type: u8, to: SocketAddr, out: &mut impl FnMut(Outgoing<'_>)) {
        self.pending_len = 0;
        self.marker = true;
        let Some(press) = self.dtmf.tick(self.timestamp, TICK_UNITS as u16) else { return };
        let header = self.header(payload_type, press.timestamp, press.marker);
        let mut packet = [0; HEADER_BYTES + EVENT_BYTES];
        if let Some(place) = packet.get_mut(HEADER_BYTES..) {
            place.copy_from_slice(&press.event.bytes());
        }
        self.emit(&header, &mut packet, EVENT_BYTES, to, out);
    }

    fn header(&mut self, payload_type: u8, timestamp: u32, marker: bool) -> Header {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }

    fn emit(
        &mut self,
        header: &Header,
        packet: &mut [u8],
        payload: usize,
        to: SocketAddr,
        out: &mut impl FnMut(Outgoing<'_>),
    ) {
        if let Some(head) = packet.first_chunk_mut::<HEADER_BYTES>() {
            header.write(head);
        }
        self.packets += 1;
        self.octets += payload as u64;
        let bytes = packet.get(..HEADER_BYTES + payload).unwrap_or_default();
        out(Outgoing { channel: Channel::Rtp, to, bytes });
    }
}

/// Epochs are compared as they wrap.
fn older(frame: u32, epoch: u32) -> bool {
    (frame.wrapping_sub(epoch) as i32) < 0
}
