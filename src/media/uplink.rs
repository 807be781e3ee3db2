//! From packets to one continuous 16 kHz clock.
//!
//! The listener is a recogniser, not an ear: there is no playout clock and no playout delay. A packet in order is decoded
//! and handed on when it arrives. Only a hole waits, an [`Allowance`] beyond the time at which the missing packet was due, and
//! is then concealed. Yet what comes out are frames of 20 ms without gaps, whose times follow the port's clock:
//!
//! * **Lead** is how far the end of what was handed on lies ahead of the port's clock. The first packet is placed so that its
//!   lead is between 0 and 20 ms: heard frame `n` and sent frame `n` belong together. `Lead` keeps the largest of the last
//!   second, that of the promptest packets; jitter makes the others smaller.
//! * **Nothing arrives** for longer than the allowance: the tick fills, by concealment for the 60 ms that it lasts and then
//!   with silence, so lead never falls below one packet and the allowance (at most 60 ms by default). When the peer is known
//!   to be quiet (comfort noise, a telephone event), the filling is silence at once.
//! * **A gap in the timestamps** (talkspurt after a pause, lost packets) is filled as far as the tick has not done so
//!   already, but never into the future: a timestamp that jumps cannot move the clock.
//! * **Late packets** are of two kinds. One whose hole has been concealed is dropped and counted. A burst after a spike,
//!   with nothing missing, is all handed on: the clock runs ahead, at most [`HARD_LEAD`], beyond which frames are dropped.
//! * **Resync**: with the lead of the promptest packets above [`SOFT_LEAD`] for 200 ms (after a spike, or with a peer whose
//!   clock is fast), the next frame without sound is dropped; when none comes for a second, one with sound is, blended over.
//!   Below zero (a slow clock) a frame without sound is given twice.

use crate::audio::{
    AudioFrame, Concealer, DecodeBuf, Decoder, FRAME_SAMPLES, FrameOrigin, MAX_DECODED_SAMPLES, MediaTime, Samples,
    level,
};
use crate::rtp::{Allowance, Insert, Kind, MAX_PAYLOAD, NS_PER_MS, Queued, Reorder};

const FRAME: i64 = FRAME_SAMPLES as i64;
/// Above this lead of the promptest packets, frames without sound are dropped: 40 ms.
const SOFT_LEAD: i64 = 2 * FRAME;
/// Above this lead every frame is dropped: 200 ms.
const HARD_LEAD: i64 = 10 * FRAME;
/// Concealment is silent from here on.
const CONCEALED_MAX: u64 = 3 * FRAME_SAMPLES as u64;
/// A clock further behind than this (a process that was stopped) jumps instead of being filled: 5 s.
const JUMP: i64 = 250 * FRAME;
/// Half of the time over which the largest lead is taken, in nanoseconds.
const HALF_WINDOW_NS: u64 = 500 * NS_PER_MS;
/// Packets that must have been seen before the lead is acted upon.
const EVIDENCE: u32 = 10;
/// How long a soft excess is borne for want of a frame without sound.
const PATIENCE_NS: u64 = 1000 * NS_PER_MS;
/// Samples over which a seam is blended: 2.5 ms.
const BLEND: usize = 40;
/// Samples at 16 kHz per unit of the RTP clock (8 kHz for all three codecs).
const PER_TICK: i64 = 2;

/// Samples of the port's clock in a time since its origin.
pub(super) fn samples_at(now_ns: u64) -> i64 {
    (now_ns / 62_500) as i64
}

/// The largest lead of the last half to whole second.
#[derive(Clone, Debug, Default)]
struct Lead {
    current: Option<i64>,
    before: Option<i64>,
    since_ns: u64,
    seen: u32,
}

impl Lead {
    fn observe(&mut self, now_ns: u64, lead: i64) {
        if now_ns.saturating_sub(self.since_ns) >= HALF_WINDOW_NS {
            self.before = self.current.take();
            self.since_ns = now_ns;
        }
        self.current = Some(self.current.map_or(lead, |held| held.max(lead)));
        self.seen = self.seen.saturating_add(1);
    }

    fn peak(&self) -> Option<i64> {
        self.current.max(self.before)
    }

    /// The peak, once there is evidence for it.
    fn settled(&self) -> Option<i64> {
        self.peak().filter(|_| self.seen >= EVIDENCE)
    }

    /// What comes will lead by so much more.
    fn shift(&mut self, by: i64) {
        for half in [&mut self.current, &mut self.before].into_iter().flatten() {
            *half += by;
        }
    }
}

/// One call's way up.
pub(super) struct Uplink {
    reorder: Reorder,
    allowance: Allowance,
    voice: Voice,
}

/// What a packet was good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    Used,
    Duplicate,
    Late,
    Unusable,
}

impl Uplink {
    pub fn new(decoder: Decoder, jitter_max_ns: u64) -> Self {
        Self { reorder: Reorder::new(), allowance: Allowance::new(jitter_max_ns), voice: Voice::new(decoder) }
    }

    /// Exchanges the decoder.
    pub fn set_decoder(&mut self, decoder: &mut Decoder) {
        std::mem::swap(&mut self.voice.decoder, decoder);
    }

    /// Another stream begins (SSRC, numbering): nothing that waits belongs to it.
    pub fn restart(&mut self) {
        self.reorder.clear();
        self.voice.expected = None;
    }

    /// The stream is not to be heard until [`Uplink::packet`] is called again: silence without waiting.
    pub fn pause(&mut self) {
        self.reorder.clear();
        self.voice.expected = None;
        self.voice.idle = true;
    }

    /// Samples that were made up by concealment.
    pub fn concealed(&self) -> u64 {
        self.voice.concealed
    }

    /// A packet of the locked source, placed by its extended sequence number. `jitter_ns` is the present estimate.
    pub fn packet(
        &mut self,
        now_ns: u64,
        jitter_ns: u64,
        (extended, kind): (u64, Kind),
        (marker, timestamp): (bool, u32),
        payload: &[u8],
        out: &mut impl FnMut(AudioFrame),
    ) -> Taken {
        let mut insert = self.reorder.insert(extended, kind, (marker, timestamp), payload, now_ns);
        if insert == Insert::Full {
            while self.reorder.hole().is_some() {
                self.give_up(now_ns, out);
            }
            self.reorder.skip_to(extended);
            self.voice.hole = true;
            insert = self.reorder.insert(extended, kind, (marker, timestamp), payload, now_ns);
        }
        match insert {
            Insert::Queued => {}
            Insert::Duplicate => return Taken::Duplicate,
            Insert::Late => {
                self.allowance.late();
                return Taken::Late;
            }
            Insert::Full | Insert::TooLong => return Taken::Unusable,
        }
        if self.reorder.held() == 1 {
            self.allowance.on_time(jitter_ns);
        }
        self.hand_on(now_ns, out);
        if self.reorder.held() > 0 {
            self.advance(now_ns, out);
        }
        Taken::Used
    }

    /// Time passes: gives up what is overdue and fills what did not come.
    pub fn advance(&mut self, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        let now = samples_at(now_ns);
        if now - self.voice.end() > JUMP {
            self.voice.jump_to(now);
        }
        let patience = (self.allowance.ns() / 62_500) as i64;
        while self.voice.overdue(now, patience) {
            if self.reorder.hole().is_some() {
                self.give_up(now_ns, out);
            } else {
                self.voice.fill(now_ns, out);
            }
        }
    }

    fn give_up(&mut self, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        if self.reorder.hole().is_some() {
            self.voice.hole = true;
            self.reorder.skip();
            self.hand_on(now_ns, out);
        }
    }

    fn hand_on(&mut self, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        while let Some(packet) = self.reorder.pop() {
            self.voice.take(&packet, now_ns, out);
        }
    }
}

/// The stream after it was put in order.
struct Voice {
    decoder: Decoder,
    concealer: Concealer,
    /// Number of the frame that is being filled.
    frame: u64,
    samples: Samples,
    filled: usize,
    received: bool,
    made_up: bool,
    /// The last frame that was dropped: the next one is blended with it.
    dropped: Option<Samples>,
    lead: Lead,
    excess_since_ns: Option<u64>,
    /// RTP timestamp of the next packet, when there is one to expect.
    expected: Option<u32>,
    /// Samples of the last packet.
    packet_samples: i64,
    /// Samples filled in by the tick since the last packet.
    overfill: i64,
    /// Samples concealed since the last packet.
    concealed_run: u64,
    concealed: u64,
    /// Packets before the next one were given up.
    hole: bool,
    /// The peer said that it will be silent.
    quiet: bool,
    /// Nothing is to be waited for: no packet has come, or reception is off.
    idle: bool,
}

impl Voice {
    fn new(decoder: Decoder) -> Self {
        Self {
            decoder,
            concealer: Concealer::default(),
            frame: 0,
            samples: [0; FRAME_SAMPLES],
            filled: 0,
            received: false,
            made_up: false,
            dropped: None,
            lead: Lead::default(),
            excess_since_ns: None,
            expected: None,
            packet_samples: FRAME,
            overfill: 0,
            concealed_run: 0,
            concealed: 0,
            hole: false,
            quiet: false,
            idle: true,
        }
    }

    /// Just after the last sample handed on or kept for the frame that is being filled.
    fn end(&self) -> i64 {
        self.frame as i64 * FRAME + self.filled as i64
    }

    /// Whether what follows `end` should have come by now.
    fn overdue(&self, now: i64, patience: i64) -> bool {
        if self.idle {
            return now >= self.end() + FRAME;
        }
        let usual_lead = self.lead.peak().unwrap_or(FRAME).clamp(0, FRAME);
        now > self.end() + self.packet_samples - usual_lead + patience
    }

    /// A process that was stopped for seconds: the clock goes on from now, and the frames between are missing.
    fn jump_to(&mut self, now: i64) {
        self.frame = (now / FRAME).max(0) as u64;
        (self.filled, self.received, self.made_up) = (0, false, false);
        self.lead = Lead::default();
        self.expected = None;
    }

    fn take(&mut self, packet: &Queued<'_>, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        if packet.kind != Kind::Audio {
            self.quiet = true;
            return;
        }
        let mut decoded: DecodeBuf = [0; MAX_DECODED_SAMPLES];
        let payload = packet.payload.get(..MAX_PAYLOAD.min(packet.payload.len())).unwrap_or_default();
        let count = self.decoder.decode(payload, &mut decoded);
        let Some(samples) = decoded.get_mut(..count).filter(|samples| !samples.is_empty()) else { return };
        let arrived = samples_at(packet.arrived_ns);
        self.place(packet.timestamp, count as i64, arrived, now_ns, out);
        self.concealer.good(samples);
        self.append(samples, FrameOrigin::Received, now_ns, out);
        self.expected = Some(packet.timestamp.wrapping_add((count as i64 / PER_TICK) as u32));
        self.packet_samples = count as i64;
        (self.overfill, self.concealed_run) = (0, 0);
        (self.hole, self.quiet, self.idle) = (false, false, false);
        self.lead.observe(now_ns, self.end() - arrived);
    }

    /// Fills what lies between the end and the place of a packet with this timestamp.
    fn place(&mut self, timestamp: u32, count: i64, arrived: i64, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        let gap = self.expected.map(|expected| i64::from(timestamp.wrapping_sub(expected) as i32) * PER_TICK);
        // Where a first packet is put: so that it ends within 20 ms after its arrival.
        let natural = (arrived + FRAME - count).div_euclid(FRAME) * FRAME;
        let latest = natural.max(arrived + self.lead.peak().unwrap_or(FRAME) - count);
        let start = match gap {
            // In step: a packet that is merely late goes to the end, however much was filled meanwhile.
            Some(0) => self.end(),
            Some(gap) if gap > 0 => (self.end() - self.overfill + gap).clamp(natural - 4 * FRAME, latest),
            _ => natural,
        };
        let missing = start - self.end();
        if missing > 0 {
            self.bridge(missing, now_ns, out);
        }
        match gap {
            Some(gap) if gap >= 0 && gap == missing.max(0) + self.overfill => {}
            // The packets after this one will lead by another amount.
            _ => self.lead = Lead { since_ns: now_ns, ..Lead::default() },
        }
    }

    /// Fills a known number of samples: a loss by concealment as long as that lasts, all else with silence.
    fn bridge(&mut self, missing: i64, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        let mut left = missing;
        while left > 0 {
            let part = left.min(FRAME);
            self.make_up(part as usize, self.hole, now_ns, out);
            left -= part;
        }
    }

    /// Nothing came in time: one frame.
    fn fill(&mut self, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        if !self.idle {
            self.overfill += FRAME;
        }
        self.make_up(FRAME_SAMPLES, !self.idle, now_ns, out);
    }

    fn make_up(&mut self, count: usize, conceal: bool, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        let mut samples = [0; FRAME_SAMPLES];
        let origin = if conceal && !self.quiet && self.concealed_run < CONCEALED_MAX {
            self.concealer.conceal(&mut samples);
            self.concealed_run += count as u64;
            self.concealed += count as u64;
            FrameOrigin::Concealed
        } else {
            FrameOrigin::Silence
        };
        self.append(samples.get(..count).unwrap_or_default(), origin, now_ns, out);
    }

    fn append(&mut self, mut samples: &[i16], origin: FrameOrigin, now_ns: u64, out: &mut impl FnMut(AudioFrame)) {
        while !samples.is_empty() {
            let count = samples.len().min(FRAME_SAMPLES - self.filled);
            let (now, later) = samples.split_at(count);
            if let Some(place) = self.samples.get_mut(self.filled..self.filled + count) {
                place.copy_from_slice(now);
            }
            samples = later;
            self.filled += count;
            self.received |= origin == FrameOrigin::Received;
            self.made_up |= origin == FrameOrigin::Concealed;
            if self.filled == FRAME_SAMPLES {
                self.finish(now_ns, later.len() as i64, out);
            }
        }
    }

    /// A frame is full: hands it on, or drops it, or gives it twice. `rest` samples of its packet are still to come.
    fn finish(&mut self, now_ns: u64, rest: i64, out: &mut impl FnMut(AudioFrame)) {
        let origin = match (self.made_up, self.received) {
            (true, _) => FrameOrigin::Concealed,
            (false, true) => FrameOrigin::Received,
            (false, false) => FrameOrigin::Silence,
        };
        let received = self.received;
        (self.filled, self.made_up, self.received) = (0, false, false);
        let silent = received && !level::is_audible(&self.samples);
        let lead = (self.frame as i64 + 1) * FRAME + rest - samples_at(now_ns);
        if received && self.must_go(now_ns, lead, silent) {
            self.lead.shift(-FRAME);
            self.dropped.get_or_insert(self.samples);
            return;
        }
        if let Some(dropped) = self.dropped.take() {
            blend(&dropped, &mut self.samples);
        }
        self.hand_on(origin, out);
        if silent && self.lead.settled().is_some_and(|lead| lead < 0) {
            self.lead.shift(FRAME);
            self.hand_on(origin, out);
        }
    }

    fn hand_on(&mut self, origin: FrameOrigin, out: &mut impl FnMut(AudioFrame)) {
        out(AudioFrame { at: MediaTime::from_frames(self.frame), origin, samples: self.samples });
        self.frame += 1;
    }

    fn must_go(&mut self, now_ns: u64, lead: i64, silent: bool) -> bool {
        if self.lead.settled().is_none_or(|peak| peak <= SOFT_LEAD) {
            self.excess_since_ns = None;
            return lead > HARD_LEAD;
        }
        let since = *self.excess_since_ns.get_or_insert(now_ns);
        if silent {
            return true;
        }
        if now_ns.saturating_sub(since) >= PATIENCE_NS {
            self.excess_since_ns = Some(now_ns);
            return true;
        }
        lead > HARD_LEAD
    }
}

/// The frame after a dropped one begins as the dropped one did, so that there is no click where they meet.
fn blend(dropped: &Samples, frame: &mut Samples) {
    for (n, (sample, before)) in frame.iter_mut().zip(dropped).take(BLEND).enumerate() {
        let (new, old) = (i32::from(*sample), i32::from(*before));
        *sample = (old + (new - old) * n as i32 / BLEND as i32) as i16;
    }
}

#[cfg(test)]
mod tests;
