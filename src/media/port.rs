//! One call's media, sans-IO: datagrams and times in, packets and frames out. It never allocates after [`Port::open`].

use super::downlink::{Downlink, Route};
use super::link::{Change, Command, PortLink, Shared, Volume, connect};
use super::recorder::tap;
use super::reports::{Facts, RtcpClock};
use super::uplink::{Taken, Uplink, samples_at};
use super::{MediaControl, MediaEvent, RecordingTap, SpeechLink, StreamParams};
use crate::audio::{Decoder, Encoder, MediaTime};
use crate::rtp::{
    COMFORT_NOISE, Compound, DtmfReceiver, Kind, NS_PER_MS, Order, Packet, ReceiveStats, Sequence, SourceLock, Verdict,
    is_rtcp,
};
use ringbuf::traits::{Consumer, Producer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Length of a tick.
pub(super) const TICK_NS: u64 = 20 * NS_PER_MS;
/// Ticks that are made up for at once after a stall; more are skipped, so that the peer's buffer is not flooded.
const CATCH_UP: u64 = 3;

/// What a port is made with, beside its stream.
#[derive(Clone, Debug)]
pub struct PortOptions {
    /// The instant of [`MediaTime::ZERO`]; every `now_ns` counts from it.
    pub origin: Instant,
    /// The same instant in nanoseconds since the Unix epoch, for RTCP.
    pub unix_origin_ns: u64,
    /// SSRC, first sequence number and first timestamp come from it: draw it at random.
    pub seed: u64,
    /// RTCP canonical name, for instance `call@192.0.2.1`.
    pub cname: String,
    /// The longest wait for a missing packet.
    pub jitter_max_ms: u64,
    /// Make a [`RecordingTap`].
    pub record: bool,
}

/// The three handles to a call's media.
pub struct MediaSession {
    /// Goes to a speech thread.
    pub speech: SpeechLink,
    /// Steers; for any thread.
    pub control: MediaControl,
    /// Goes to the disk thread.
    pub recording: Option<RecordingTap>,
}

/// Which socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The next one.
    Rtcp,
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// From which socket.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// What has been counted since [`Port::take_tally`] was called last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub received: u64,
    pub sent: u64,
    pub lost: u64,
    pub late: u64,
    pub rejected: u64,
    pub uplink_overruns: u64,
}

/// The peer's stream as far as it is known.
#[derive(Clone, Copy, Default)]
struct Source {
    ssrc: Option<u32>,
    /// An SSRC that was seen once, and the number that would confirm it.
    suspect: Option<(u32, u16)>,
}

/// One call's media.
pub struct Port {
    shared: Arc<Shared>,
    link: PortLink,
    params: StreamParams,
    lock: SourceLock,
    source: Source,
    sequence: Sequence,
    stats: ReceiveStats,
    dtmf: DtmfReceiver,
    uplink: Uplink,
    downlink: Downlink,
    rtcp: RtcpClock,
    rtcp_from: Option<SocketAddr>,
    next_tick: u64,
    stopped: bool,
    told: Tally,
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Port {
    /// Makes a port and the handles to it. All its memory is taken here.
    pub fn open(params: StreamParams, options: PortOptions) -> (Self, MediaSession) {
        let mut seed = options.seed;
        let (taps, recording) = match options.record.then(tap) {
            Some((taps, recording)) => (Some(taps), Some(recording)),
            None => (None, None),
        };
        let (shared, link, speech, ends) = connect(options.origin, taps);
        let control = MediaControl::new(Arc::clone(&shared), ends, &params);
        let encoder = Encoder::new(params.codec);
        let (ssrc, numbers) = (splitmix(&mut seed) as u32, splitmix(&mut seed));
        let mut port = Self {
            lock: SourceLock::new(params.remote),
            source: Source::default(),
            sequence: Sequence::default(),
            stats: ReceiveStats::new(params.codec.rtp_clock_hz()),
            dtmf: DtmfReceiver::default(),
            uplink: Uplink::new(Decoder::new(params.codec), options.jitter_max_ms.saturating_mul(NS_PER_MS)),
            downlink: Downlink::new(encoder, ssrc, numbers as u16, (numbers >> 32) as u32),
            rtcp: RtcpClock::new(options.unix_origin_ns, options.cname, splitmix(&mut seed)),
            rtcp_from: None,
            next_tick: 0,
            stopped: false,
            told: Tally::default(),
            shared,
            link,
            params,
        };
        port.publish();
        (port, MediaSession { speech, control, recording })
    }

    /// When the next tick is due, in nanoseconds after the origin.
    pub fn next_tick_ns(&self) -> u64 {
        self.next_tick.saturating_mul(TICK_NS)
    }

    /// Whether it was told to stop and has said BYE.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// A datagram came to the RTP socket.
    pub fn handle_datagram(&mut self, now_ns: u64, from: SocketAddr, datagram: &[u8]) {
        if self.stopped {
            return;
        }
        self.obey(now_ns);
        if is_rtcp(datagram) {
            return self.handle_rtcp(now_ns, from, datagram);
        }
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(_) => return self.stats.rejected += 1,
        };
        let kind = match packet.header.payload_type {
            pt if pt == self.params.payload_type => Kind::Audio,
            COMFORT_NOISE => Kind::ComfortNoise,
            pt if Some(pt) == self.params.dtmf_payload_type => Kind::Other,
            _ => return self.stats.rejected += 1,
        };
        if self.lock.judge(now_ns, from, &packet.header) == Verdict::Reject || !self.same_stream(&packet) {
            return self.stats.rejected += 1;
        }
        self.shared.last_rtp_ns.store(now_ns, Relaxed);
        self.accept(now_ns, kind, &packet);
    }

    /// A change of SSRC is believed when two packets in a row have the new one: a stray one changes nothing.
    fn same_stream(&mut self, packet: &Packet<'_>) -> bool {
        let header = &packet.header;
        if self.source.ssrc == Some(header.ssrc) {
            return true;
        }
        let confirmed = self.source.ssrc.is_none() || self.source.suspect == Some((header.ssrc, header.sequence));
        if !confirmed {
            self.source.suspect = Some((header.ssrc, header.sequence.wrapping_add(1)));
            return false;
        }
        self.source = Source { ssrc: Some(header.ssrc), suspect: None };
        self.sequence.reset();
        self.stats.restart();
        self.uplink.restart();
        self.dtmf = DtmfReceiver::default();
        true
    }

    fn accept(&mut self, now_ns: u64, kind: Kind, packet: &Packet<'_>) {
        let header = &packet.header;
        let extended = match self.sequence.place(header.sequence) {
            Order::Newer(extended) => {
                if kind == Kind::Audio {
                    self.stats.arrived(now_ns, header.timestamp);
                }
                extended
            }
            Order::Older(extended) => extended,
            Order::Restart(extended) => {
                self.stats.restart();
                self.uplink.restart();
                extended
            }
            Order::Suspect => return self.stats.rejected += 1,
        };
        if kind == Kind::Other
            && self.params.receive
            && let Some(digit) = self.dtmf.packet(header.timestamp, self.params.codec.rtp_clock_hz(), packet.payload)
        {
            let at = MediaTime::from_samples(samples_at(now_ns).unsigned_abs());
            self.link.event(MediaEvent::Dtmf { digit, at });
        }
        if !self.params.receive {
            self.stats.received += 1;
            return;
        }
        let (jitter, link) = (self.stats.jitter_ns(), &mut self.link);
        let place = (header.marker, header.timestamp);
        let taken =
            self.uplink.packet(now_ns, jitter, (extended, kind), place, packet.payload, &mut |frame| link.heard(frame));
        match taken {
            Taken::Used => self.stats.received += 1,
            Taken::Late => {
                self.stats.received += 1;
                self.stats.late += 1;
            }
            Taken::Duplicate => self.stats.duplicate += 1,
            Taken::Unusable => self.stats.rejected += 1,
        }
    }

    /// A datagram came to the RTCP socket.
    pub fn handle_rtcp(&mut self, now_ns: u64, from: SocketAddr, datagram: &[u8]) {
        if self.stopped {
            return;
        }
        if !self.lock.accepts_rtcp(from) {
            return self.stats.rejected += 1;
        }
        match Compound::parse(datagram, self.downlink.ssrc()) {
            Ok(compound) => {
                self.rtcp_from = Some(from);
                self.rtcp.received(now_ns, &compound);
            }
            Err(_) => self.stats.rejected += 1,
        }
    }

    /// Time has come to `now_ns`: every tick that is due is done, up to three; more are skipped.
    pub fn tick(&mut self, now_ns: u64, out: &mut impl FnMut(Outgoing<'_>)) {
        if self.stopped {
            return;
        }
        self.obey(now_ns);
        let link = &mut self.link;
        self.uplink.advance(now_ns, &mut |frame| link.heard(frame));
        let behind = (now_ns / TICK_NS + 1).saturating_sub(self.next_tick);
        if behind > CATCH_UP {
            self.next_tick += behind - 1;
            self.downlink.skip(behind - 1);
        }
        let route = Route {
            to: self.lock.destination().filter(|_| self.params.send),
            payload_type: self.params.payload_type,
            dtmf_payload_type: self.params.dtmf_payload_type,
            ptime_ms: self.params.ptime_ms,
        };
        let epoch = self.shared.epoch.load(Relaxed);
        let gain = Volume::gain_in(epoch, self.shared.volume.load(Relaxed));
        while self.next_tick_ns() <= now_ns {
            self.downlink.tick(MediaTime::from_frames(self.next_tick), (epoch, gain), &route, &mut self.link, out);
            self.next_tick += 1;
        }
        let bye = self.shared.stop.load(Relaxed);
        if bye || self.rtcp.due(now_ns) {
            self.report(now_ns, bye, out);
        }
        self.stopped = bye;
        self.publish();
    }

    /// Takes the commands that wait.
    fn obey(&mut self, now_ns: u64) {
        while let Some(command) = self.link.commands.try_pop() {
            match command {
                // The queue of digits is as long as it is told to be: a key beyond it is not sent.
                Command::Dtmf(digit) => drop(self.downlink.dtmf.push(digit)),
                Command::Change(change) => self.change(now_ns, change),
            }
        }
    }

    fn change(&mut self, now_ns: u64, mut change: Box<Change>) {
        if change.params.codec != self.params.codec {
            self.uplink.set_decoder(&mut change.decoder);
            self.downlink.set_encoder(&mut change.encoder);
            self.uplink.restart();
        }
        self.lock.signalled(change.params.remote);
        if self.lock.locked().is_none() {
            self.rtcp_from = None;
        }
        if self.params.receive && !change.params.receive {
            let link = &mut self.link;
            self.uplink.advance(now_ns, &mut |frame| link.heard(frame));
            self.uplink.pause();
        }
        if !self.params.receive && change.params.receive {
            self.stats.restart();
        }
        std::mem::swap(&mut self.params, &mut change.params);
        // The box goes back to those who may free it; their ring has room for every command that can wait.
        if let Err(change) = self.link.spent.try_push(change) {
            drop(change);
        }
    }

    fn report(&mut self, now_ns: u64, bye: bool, out: &mut impl FnMut(Outgoing<'_>)) {
        let to = self.rtcp_destination();
        let facts = Facts {
            ssrc: self.downlink.ssrc(),
            timestamp: self.downlink.timestamp(),
            packets: self.downlink.packets,
            octets: self.downlink.octets,
            reception: self.source.ssrc.map(|ssrc| (&mut self.stats, &self.sequence, ssrc)),
        };
        self.rtcp.send(now_ns, facts, bye, to, out);
    }

    /// Where RTCP came from; else the address in the SDP, unless RTP comes from another host: then beside that.
    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let signalled = self.params.remote_rtcp;
        let to = match (self.rtcp_from, self.lock.locked()) {
            (Some(from), _) => from,
            (None, Some(locked)) if locked.ip() != signalled.ip() => {
                SocketAddr::new(locked.ip(), locked.port().checked_add(1)?)
            }
            _ => signalled,
        };
        (to.port() != 0 && !to.ip().is_unspecified()).then_some(to)
    }

    fn publish(&mut self) {
        let counters = &self.shared.counters;
        let us = |ms: f64| (ms * 1000.0) as u64;
        counters.codec.store(u32::from(self.params.codec.payload_type()), Relaxed);
        counters.received.store(self.stats.received, Relaxed);
        counters.sent.store(self.downlink.packets, Relaxed);
        counters.lost.store(self.stats.lost(&self.sequence), Relaxed);
        counters.expected.store(self.sequence.expected(), Relaxed);
        counters.late.store(self.stats.late, Relaxed);
        counters.duplicate.store(self.stats.duplicate, Relaxed);
        counters.rejected.store(self.stats.rejected, Relaxed);
        counters.jitter_us.store(us(self.stats.jitter_ms()), Relaxed);
        counters.jitter_max_us.store(us(self.stats.jitter_max_ms()), Relaxed);
        counters.concealed_samples.store(self.uplink.concealed(), Relaxed);
        counters.rtt_us_plus_1.store(self.rtcp.rtt_ms.map_or(0, |rtt| us(rtt) + 1), Relaxed);
        counters.uplink_overruns.store(self.link.uplink_overruns, Relaxed);
        counters.events_lost.store(self.link.events_lost, Relaxed);
    }

    /// What was counted since the last call, for the process's figures. Losses are known for sure only at the end.
    pub(super) fn take_tally(&mut self, at_end: bool) -> Tally {
        let now = Tally {
            received: self.stats.received,
            sent: self.downlink.packets,
            lost: if at_end { self.stats.lost(&self.sequence) } else { 0 },
            late: self.stats.late,
            rejected: self.stats.rejected,
            uplink_overruns: self.link.uplink_overruns,
        };
        let before = std::mem::replace(&mut self.told, now);
        Tally {
            received: now.received - before.received,
            sent: now.sent - before.sent,
            lost: now.lost.saturating_sub(before.lost),
            late: now.late - before.late,
            rejected: now.rejected - before.rejected,
            uplink_overruns: now.uplink_overruns - before.uplink_overruns,
        }
    }
}
