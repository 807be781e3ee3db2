//! What is around the caller: the network, people who talk in the background, the echo of the agent's own voice. Pure.

use crate::audio::level::rms_dbfs;
use crate::audio::{SAMPLE_RATE_HZ, Samples};
use crate::sim::Network;
use std::sync::Arc;
use std::time::Duration;

/// What is sent is cut off this long after its last audible frame where the device does not send silence, in frames of 20 ms.
const HANGOVER_FRAMES: u32 = 10;
/// Below this level a frame is silence to such a device.
const SILENT_DBFS: f32 = -55.0;
/// Samples of the agent kept for its echo: two seconds.
const ECHO_RING: usize = 2 * SAMPLE_RATE_HZ as usize;
/// A packet that comes this close to where the echo has got to is put right behind it.
const SLACK: usize = 640;

/// Where the caller is. The default is a quiet room on a clean line.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The network between the telephone and its peer, and the seed of its chance.
    pub network: Option<(Network, u64)>,
    /// The agent's voice gets back into the microphone.
    pub echo: Option<Echo>,
    /// Sound behind the caller, at 16 kHz and at its own level, again and again.
    pub background: Option<Arc<[i16]>>,
    /// A re-INVITE with the same media comes 300 ms into everything that is said.
    pub reinvites: bool,
}

/// An echo of what is heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Echo {
    /// Its level against what is heard, in dB.
    pub db: f64,
    /// How late it is; at least 40 ms, at most 1 s.
    pub delay: Duration,
}

/// The echo path from the ear to the microphone.
#[derive(Debug)]
pub(super) struct EchoPath {
    gain: f32,
    delay: Duration,
    ring: Vec<i16>,
    /// Index of the sample behind the last one that is known, counted from the telephone's origin.
    end: usize,
}

fn index(at: Duration) -> usize {
    (at.as_nanos() * u128::from(SAMPLE_RATE_HZ) / 1_000_000_000) as usize
}

impl EchoPath {
    pub(super) fn new(echo: Echo) -> Self {
        Self {
            gain: 10f32.powf(echo.db as f32 / 20.0),
            delay: echo.delay.clamp(Duration::from_millis(40), Duration::from_secs(1)),
            ring: vec![0; ECHO_RING],
            end: 0,
        }
    }

    /// The agent is heard at `at`.
    pub(super) fn heard(&mut self, at: Duration, samples: &[i16]) {
        let target = index(at);
        if target > self.end + SLACK {
            let from = self.end.max(target.saturating_sub(ECHO_RING));
            (from..target).for_each(|at| self.put(at, 0));
            self.end = target;
        }
        for &sample in samples {
            self.put(self.end, sample);
            self.end += 1;
        }
    }

    fn put(&mut self, at: usize, sample: i16) {
        if let Some(slot) = self.ring.get_mut(at % ECHO_RING) {
            *slot = sample;
        }
    }

    /// Adds what comes back to a frame whose first sample is sent at `at`.
    pub(super) fn add(&self, at: Duration, frame: &mut Samples) {
        let first = index(at.saturating_sub(self.delay));
        for (at, out) in (first..).zip(frame.iter_mut()) {
            if at < self.end && at + ECHO_RING > self.end {
                let sample = self.ring.get(at % ECHO_RING).copied().unwrap_or(0);
                *out = out.saturating_add((f32::from(sample) * self.gain) as i16);
            }
        }
    }
}

/// A sound that goes on for ever.
#[derive(Debug)]
pub(super) struct Background {
    sound: Arc<[i16]>,
    position: usize,
}

impl Background {
    pub(super) fn new(sound: Arc<[i16]>) -> Self {
        Self { sound, position: 0 }
    }

    pub(super) fn add(&mut self, frame: &mut Samples) {
        for out in frame {
            *out = out.saturating_add(self.sound.get(self.position).copied().unwrap_or(0));
            self.position = (self.position + 1) % self.sound.len().max(1);
        }
    }
}

/// Decides which frames a device with discontinuous transmission sends.
#[derive(Debug, Default)]
pub(super) struct Transmission {
    silent_frames: u32,
}

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Send {
    /// It is sent.
    Yes,
    /// It is sent, and the first one after a silence (RFC 3551 section 4.1: the marker bit).
    First,
    /// It is silence.
    No,
}

impl Transmission {
    pub(super) fn of(&mut self, frame: &Samples) -> Send {
        let was_silent = self.silent_frames > HANGOVER_FRAMES;
        self.silent_frames = if rms_dbfs(frame) > SILENT_DBFS { 0 } else { self.silent_frames.saturating_add(1) };
        match (was_silent, self.silent_frames > HANGOVER_FRAMES) {
            (_, true) => Send::No,
            (true, false) => Send::First,
            (false, false) => Send::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_echo_is_late_and_weak() {
        let mut path = EchoPath::new(Echo { db: -20.0, delay: ms(100) });
        path.heard(ms(1000), &[10_000; FRAME_SAMPLES]);
        let level = |at: u64| {
            let mut frame = [0i16; FRAME_SAMPLES];
            path.add(ms(at), &mut frame);
            (frame[0], frame[FRAME_SAMPLES - 1])
        };
        assert_eq!((level(1080), level(1100), level(1110), level(1120)), ((0, 0), (1000, 1000), (1000, 0), (0, 0)));
        // So long ago that it is not kept.
        path.heard(ms(5000), &[0; FRAME_SAMPLES]);
        let mut frame = [0i16; FRAME_SAMPLES];
        path.add(ms(1100), &mut frame);
        assert_eq!(frame[0], 0);
    }

    #[test]
    fn packets_in_a_row_make_one_echo() {
        let mut path = EchoPath::new(Echo { db: 0.0, delay: ms(50) });
        for at in [1000, 1025, 1037] {
            path.heard(ms(at), &[500; FRAME_SAMPLES]);
        }
        let mut frame = [0i16; FRAME_SAMPLES];
        path.add(ms(1080), &mut frame);
        assert_eq!(frame, [500; FRAME_SAMPLES]);
    }

    #[test]
    fn silence_is_not_sent_after_a_hangover() {
        let mut transmission = Transmission::default();
        let (loud, silent) = ([4000; FRAME_SAMPLES], [3; FRAME_SAMPLES]);
        assert_eq!(transmission.of(&loud), Send::Yes);
        let sent = (0..50).filter(|_| transmission.of(&silent) == Send::Yes).count();
        assert_eq!(sent, HANGOVER_FRAMES as usize);
        assert_eq!(
            [transmission.of(&silent), transmission.of(&loud), transmission.of(&loud)],
            [Send::No, Send::First, Send::Yes]
        );
    }

    #[test]
    fn the_background_goes_round() {
        let mut background = Background::new(vec![1, 2, 3].into());
        let mut frame = [10; FRAME_SAMPLES];
        background.add(&mut frame);
        assert_eq!(frame[..4], [11, 12, 13, 11]);
        background.add(&mut frame);
        // 320 samples are 106 rounds and two: the third comes next.
        assert_eq!(frame[0], 11 + 3);
        Background::new(Arc::new([])).add(&mut frame);
    }
}
