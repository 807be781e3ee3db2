//! The handle of those who steer a call: any thread but the media thread.

use super::link::{Change, Command, ControlEnds, Shared, Volume};
use super::{MediaError, StreamParams};
use crate::audio::{Decoder, Encoder, MediaTime};
use crate::record::MediaReport;
use crate::rtp::event_of;
use ringbuf::traits::{Consumer, Observer, Producer};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

struct Inner {
    shared: Arc<Shared>,
    /// One producer for all clones. Only they contend for it; the media thread is at the other end of the rings.
    ends: Mutex<Ends>,
}

struct Ends {
    rings: ControlEnds,
    telephone_events: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

/// Steers a call's media. When the last clone goes, the media stops.
#[derive(Clone)]
pub struct MediaControl {
    inner: Arc<Inner>,
}

impl MediaControl {
    pub(super) fn new(shared: Arc<Shared>, rings: ControlEnds, params: &StreamParams) -> Self {
        let ends = Mutex::new(Ends { rings, telephone_events: params.dtmf_payload_type.is_some() });
        Self { inner: Arc::new(Inner { shared, ends }) }
    }

    /// The instant of [`MediaTime::ZERO`].
    pub fn origin(&self) -> Instant {
        self.inner.shared.origin
    }

    /// The call's time now.
    pub fn now(&self) -> MediaTime {
        let elapsed = self.inner.shared.origin.elapsed();
        MediaTime::from_samples((elapsed.as_nanos() / 62_500) as u64)
    }

    /// The playout epoch.
    pub fn epoch(&self) -> u32 {
        self.inner.shared.epoch.load(Relaxed)
    }

    /// Begins a new playout epoch and gives its number: at its next tick the port drops what is queued in older ones and
    /// says what was really played ([`crate::audio::PlayoutEvent::Cut`]).
    pub fn new_epoch(&self) -> u32 {
        self.inner.shared.epoch.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// How loud what we say is from the next tick on, in dB: 0 as it was made, −12 ducked. It holds for this playout epoch;
    /// a new one begins at full volume. The change takes one frame, so that it does not click. Above 0 counts as 0, below −60 as
    /// −60. What was paused goes on.
    pub fn set_gain_db(&self, db: f32) {
        self.set_gain(if db.is_nan() { 1.0 } else { 10f32.powf(db.clamp(-60.0, 0.0) / 20.0) });
    }

    /// What we say fades out within one frame and waits, for this playout epoch or until [`Self::set_gain_db`] lets it go on: from the last pause in
    /// it that is at least 300 ms and at most 2 s back.
    pub fn pause(&self) {
        self.set_gain(0.0);
    }

    fn set_gain(&self, gain: f32) {
        self.inner.shared.volume.store(Volume { epoch: self.epoch(), gain }.packed(), Relaxed);
    }

    /// New parameters (re-INVITE). The stream goes on: same SSRC, sequence numbers and timestamps, no break in the audio.
    ///
    /// # Errors
    /// [`MediaError::Busy`] when the media thread has not taken the last commands.
    pub fn update(&self, params: StreamParams) -> Result<(), MediaError> {
        let (encoder, decoder) = (Encoder::new(params.codec), Decoder::new(params.codec));
        let telephone_events = params.dtmf_payload_type.is_some();
        let change = Box::new(Change { params, encoder, decoder });
        let mut ends = self.inner.ends.lock().unwrap_or_else(PoisonError::into_inner);
        while ends.rings.spent.try_pop().is_some() {}
        ends.rings.commands.try_push(Command::Change(change)).map_err(|_| MediaError::Busy)?;
        ends.telephone_events = telephone_events;
        Ok(())
    }

    /// Presses keys: telephone events of 100 ms each, in the agent's stead.
    ///
    /// # Errors
    /// [`MediaError::BadDigit`], [`MediaError::NoTelephoneEvents`], or [`MediaError::Busy`] when too many wait; then none
    /// was queued.
    pub fn send_dtmf(&self, digits: &str) -> Result<(), MediaError> {
        if let Some(bad) = digits.chars().find(|&digit| event_of(digit).is_none()) {
            return Err(MediaError::BadDigit(bad));
        }
        let mut ends = self.inner.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if !ends.telephone_events {
            return Err(MediaError::NoTelephoneEvents);
        }
        if ends.rings.commands.vacant_len() < digits.len() {
            return Err(MediaError::Busy);
        }
        for digit in digits.chars() {
            // There is room: it was asked for above, and only this side fills it.
            let _ = ends.rings.commands.try_push(Command::Dtmf(digit));
        }
        Ok(())
    }

    /// Ends the media: an RTCP BYE at the next tick, then nothing. The rings stay readable.
    pub fn stop(&self) {
        self.inner.shared.stop.store(true, Relaxed);
    }

    /// How the media has gone until now.
    pub fn report(&self) -> MediaReport {
        let counters = &self.inner.shared.counters;
        let (lost, expected) = (counters.lost.load(Relaxed), counters.expected.load(Relaxed));
        let ms = |us: u64| us as f64 / 1000.0;
        MediaReport {
            codec: self.inner.shared.codec().map_or(String::new(), |codec| codec.name().to_owned()),
            packets_received: counters.received.load(Relaxed),
            packets_sent: counters.sent.load(Relaxed),
            packets_lost: lost,
            loss_percent: if expected == 0 { 0.0 } else { lost as f64 * 100.0 / expected as f64 },
            packets_late: counters.late.load(Relaxed),
            packets_duplicate: counters.duplicate.load(Relaxed),
            packets_rejected: counters.rejected.load(Relaxed),
            jitter_ms: ms(counters.jitter_us.load(Relaxed)),
            jitter_max_ms: ms(counters.jitter_max_us.load(Relaxed)),
            concealed_ms: counters.concealed_samples.load(Relaxed) / 16,
            rtt_ms: counters.rtt_us_plus_1.load(Relaxed).checked_sub(1).map(ms),
        }
    }

    /// Milliseconds since the last RTP packet, or since the origin when none has come. Whether that is too long (a hold, a
    /// muted peer) is for the session to say.
    pub fn silent_for_ms(&self) -> u64 {
        let now = self.inner.shared.origin.elapsed().as_nanos() as u64;
        now.saturating_sub(self.inner.shared.last_rtp_ns.load(Relaxed)) / 1_000_000
    }
}
