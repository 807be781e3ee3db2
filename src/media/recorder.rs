//! The tap of a recording: both directions, paired by their times.

use crate::audio::{AudioFrame, FRAME_SAMPLES, MediaTime, Samples};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Frames of one direction that wait for the disk: 5.12 s.
const TAP_FRAMES: usize = 256;

/// The media thread's ends.
pub(super) struct Taps {
    up: HeapProd<AudioFrame>,
    down: HeapProd<AudioFrame>,
    dropped: Arc<AtomicU64>,
}

impl Taps {
    pub fn heard(&mut self, frame: &AudioFrame) {
        if self.up.try_push(*frame).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub fn said(&mut self, frame: &AudioFrame) {
        if self.down.try_push(*frame).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// 20 ms of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StereoFrame {
    /// Time of the first samples. Frames are continuous from the answer on.
    pub at: MediaTime,
    /// The caller.
    pub left: Samples,
    /// The agent.
    pub right: Samples,
}

/// Gives the two directions of a call in step. Frames that are missing (a full ring, a stalled media thread) are silence.
pub struct RecordingTap {
    up: HeapCons<AudioFrame>,
    down: HeapCons<AudioFrame>,
    next: MediaTime,
    next_up: Option<AudioFrame>,
    next_down: Option<AudioFrame>,
    dropped: Arc<AtomicU64>,
}

/// Both ends of a tap.
pub(super) fn tap() -> (Taps, RecordingTap) {
    let (up_in, up_out) = HeapRb::new(TAP_FRAMES).split();
    let (down_in, down_out) = HeapRb::new(TAP_FRAMES).split();
    let dropped = Arc::new(AtomicU64::new(0));
    let taps = Taps { up: up_in, down: down_in, dropped: Arc::clone(&dropped) };
    let tap =
        RecordingTap { up: up_out, down: down_out, next: MediaTime::ZERO, next_up: None, next_down: None, dropped };
    (taps, tap)
}

/// The next frame of one direction that is not older than `next`, left in `head`.
fn head(head: &mut Option<AudioFrame>, ring: &mut HeapCons<AudioFrame>, next: MediaTime) -> Option<MediaTime> {
    loop {
        if head.is_none() {
            *head = ring.try_pop();
        }
        match head {
            Some(frame) if frame.at < next => *head = None,
            Some(frame) => return Some(frame.at),
            None => return None,
        }
    }
}

fn take(head: &mut Option<AudioFrame>, at: MediaTime) -> Samples {
    match head.take_if(|frame| frame.at == at) {
        Some(frame) => frame.samples,
        None => [0; FRAME_SAMPLES],
    }
}

impl RecordingTap {
    /// The next 20 ms of both, once both are known.
    pub fn next_frame(&mut self) -> Option<StereoFrame> {
        head(&mut self.next_up, &mut self.up, self.next)?;
        head(&mut self.next_down, &mut self.down, self.next)?;
        Some(self.pair())
    }

    /// After the call: what is left, where one direction may be longer than the other. `None` at the end.
    pub fn drain(&mut self) -> Option<StereoFrame> {
        let up = head(&mut self.next_up, &mut self.up, self.next);
        let down = head(&mut self.next_down, &mut self.down, self.next);
        up.or(down)?;
        Some(self.pair())
    }

    fn pair(&mut self) -> StereoFrame {
        let at = self.next;
        self.next = at.plus_samples(FRAME_SAMPLES as u64);
        StereoFrame { at, left: take(&mut self.next_up, at), right: take(&mut self.next_down, at) }
    }

    /// The port is gone: what [`drain`](Self::drain) gives is all that there will be.
    pub fn ended(&self) -> bool {
        !self.up.write_is_held() && !self.down.write_is_held()
    }

    /// Frames that are silent in the recording because their ring was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FrameOrigin;

    fn frame(n: u64, value: i16) -> AudioFrame {
        AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples: [value; FRAME_SAMPLES] }
    }

    #[test]
    fn directions_are_paired_by_time_and_gaps_are_silent() {
        let (mut taps, mut tap) = tap();
        for n in [0, 1, 4] {
            taps.heard(&frame(n, 100 + n as i16));
        }
        assert_eq!(tap.next_frame(), None, "the other side is not known yet");
        for n in 0..4 {
            taps.said(&frame(n, 200 + n as i16));
        }
        let pairs: Vec<_> =
            std::iter::from_fn(|| tap.next_frame()).map(|pair| (pair.at.ms(), pair.left[0], pair.right[0])).collect();
        assert_eq!(pairs, [(0, 100, 200), (20, 101, 201), (40, 0, 202), (60, 0, 203)]);
        let rest: Vec<_> = std::iter::from_fn(|| tap.drain()).map(|pair| (pair.left[0], pair.right[0])).collect();
        assert_eq!(rest, [(104, 0)]);
    }

    #[test]
    fn a_disk_that_does_not_keep_up_costs_frames_but_not_alignment() {
        let (mut taps, mut tap) = tap();
        for n in 0..300 {
            taps.heard(&frame(n, n as i16));
            taps.said(&frame(n, n as i16));
        }
        assert_eq!(tap.dropped(), 2 * (300 - TAP_FRAMES as u64));
        assert_eq!(std::iter::from_fn(|| tap.next_frame()).count(), TAP_FRAMES);
        for n in 300..310 {
            taps.heard(&frame(n, n as i16));
            taps.said(&frame(n, n as i16));
        }
        let pairs: Vec<_> = std::iter::from_fn(|| tap.next_frame()).collect();
        assert_eq!(pairs.len(), 54);
        assert!(pairs.iter().all(|pair| pair.left == pair.right));
        assert_eq!(pairs.last().map(|pair| (pair.at, pair.left[0])), Some((MediaTime::from_frames(309), 309)));
    }

    #[test]
    fn it_has_ended_once_the_port_is_gone() {
        let (mut taps, mut tap) = tap();
        taps.heard(&frame(0, 1));
        assert!(!tap.ended());
        drop(taps);
        assert!(tap.ended());
        assert!(tap.next_frame().is_none() && tap.drain().is_some() && tap.drain().is_none());
    }
}
