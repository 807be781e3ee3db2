//! What the telephone sends, 20 ms at a time: silence or line noise, an utterance, or keys. Pure.

use super::audible::span;
use super::measure::Said;
use super::script::{Act, Aside, Step, Trigger};
use super::utterance::Utterance;
use crate::audio::{FRAME_SAMPLES, Samples};
use std::sync::Arc;
use std::time::Duration;

/// Of what lies before the speech of an utterance, so much is sent: a trigger's time is then that of the speech.
const LEAD: usize = 640;
/// Of what lies behind it, so much is sent.
const TRAIL: usize = 4800;
/// Length of a key in 20 ms packets.
const KEY_TICKS: u16 = 5;
/// Packets with the end bit (RFC 4733 section 2.5.1.4).
const KEY_END_TICKS: u16 = 3;
/// Pause behind a key, in 20 ms.
const KEY_PAUSE_TICKS: u16 = 3;
/// RTP ticks of 8 kHz in 20 ms.
const CLOCK_PER_TICK: u16 = 160;

/// What to send in this tick.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Outgoing {
    /// 20 ms of audio.
    Audio(Box<Samples>),
    /// A telephone event (RFC 4733 section 2.3).
    Event {
        /// The key's code.
        code: u8,
        /// The end bit.
        end: bool,
        /// Length so far in ticks of 8 kHz.
        duration: u16,
        /// The first packet of its event: RTP timestamp and marker are taken from here on.
        first: bool,
    },
}

#[derive(Debug)]
enum State {
    Idle,
    Saying { utterance: Arc<Utterance>, position: usize, end: usize, said: Said },
    Pressing { codes: Vec<u8>, key: usize, tick: u16, said: Said },
}

/// The sending side.
#[derive(Debug)]
pub(super) struct Mouth {
    state: State,
    noise_amplitude: i32,
    noise: u32,
}

impl Mouth {
    /// Silent, or with white noise of this level on the line.
    pub(super) fn new(noise_dbfs: Option<f32>) -> Self {
        // Uniform noise has a peak of √3 times its RMS.
        let noise_amplitude = noise_dbfs.map_or(0, |db| (32_768.0 * 10f32.powf(db / 20.0) * 3f32.sqrt()) as i32);
        Self { state: State::Idle, noise_amplitude, noise: 0x9e37_79b9 }
    }

    /// Begins a step with the next tick. Keys that are none are left out.
    pub(super) fn begin(&mut self, step: &Step) {
        let said = |text: Option<String>, keys: Option<String>, aside: Option<Aside>, longest_pause: usize| Said {
            text,
            keys,
            aside,
            interrupting: matches!(step.trigger, Trigger::AgentSpeaking(_)),
            began: Duration::MAX,
            ended: Duration::MAX,
            longest_pause: span(longest_pause),
            complete: false,
        };
        let aside = match &step.act {
            Act::Aside(_, aside) => Some(*aside),
            Act::Say(_) | Act::Press(_) => None,
        };
        self.state = match &step.act {
            Act::Say(utterance) | Act::Aside(utterance, _) => {
                let speech = utterance.speech();
                State::Saying {
                    position: speech.start.saturating_sub(LEAD),
                    end: (speech.end + TRAIL).min(utterance.samples().len()),
                    said: said(utterance.text().map(str::to_owned), None, aside, utterance.longest_pause()),
                    utterance: Arc::clone(utterance),
                }
            }
            Act::Press(keys) => State::Pressing {
                codes: keys.chars().filter_map(key_code).collect(),
                key: 0,
                tick: 0,
                said: said(None, Some(keys.clone()), None, 0),
            },
        };
    }

    /// What to send now.
    pub(super) fn next(&mut self) -> Outgoing {
        match &self.state {
            State::Pressing { codes, key, tick, .. } if *tick < KEY_TICKS + KEY_END_TICKS => {
                if let Some(&code) = codes.get(*key) {
                    let duration = (tick + 1).min(KEY_TICKS) * CLOCK_PER_TICK;
                    return Outgoing::Event { code, end: *tick >= KEY_TICKS, duration, first: *tick == 0 };
                }
            }
            _ => {}
        }
        let mut frame = Box::new([0i16; FRAME_SAMPLES]);
        if let State::Saying { utterance, position, end, .. } = &self.state {
            let samples = utterance.samples().get(*position..*end).unwrap_or(&[]);
            for (out, &sample) in frame.iter_mut().zip(samples) {
                *out = sample;
            }
        }
        if self.noise_amplitude > 0 {
            for out in frame.iter_mut() {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let unit = (self.noise >> 16) as i32 - 32_768;
                *out = out.saturating_add((unit * self.noise_amplitude / 32_768) as i16);
            }
        }
        Outgoing::Audio(frame)
    }

    /// What [`next`](Self::next) gave was sent at `at`. Returns the step when it has ended with this.
    pub(super) fn sent(&mut self, at: Duration) -> Option<Said> {
        let over = match &mut self.state {
            State::Idle => return None,
            State::Saying { utterance, position, end, said } => {
                let speech = utterance.speech();
                let frame = *position..*position + FRAME_SAMPLES;
                if frame.contains(&speech.start) {
                    said.began = at + span(speech.start - *position);
                }
                if frame.contains(&(speech.end - 1)) {
                    said.ended = at + span(speech.end - *position);
                    said.complete = true;
                }
                *position = frame.end;
                *position >= *end
            }
            State::Pressing { codes, key, tick, said } => {
                if *key == 0 && *tick == 0 {
                    said.began = at;
                }
                if *tick == KEY_TICKS {
                    said.ended = at;
                }
                *tick += 1;
                if *tick == KEY_TICKS + KEY_END_TICKS + KEY_PAUSE_TICKS {
                    *tick = 0;
                    *key += 1;
                }
                said.complete = *key >= codes.len();
                said.complete
            }
        };
        if over { self.cut(at) } else { None }
    }

    /// Stops at once: what was being said, as far as it was said. Nothing when it had not begun to be audible.
    pub(super) fn cut(&mut self, at: Duration) -> Option<Said> {
        let (State::Saying { mut said, .. } | State::Pressing { mut said, .. }) =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            return None;
        };
        if !said.complete {
            said.ended = at;
        }
        (said.began != Duration::MAX).then_some(said)
    }
}

fn key_code(key: char) -> Option<u8> {
    "0123456789*#ABCD".find(key.to_ascii_uppercase()).map(|code| code as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// `lead` samples of silence, 2000 of speech, `trail` of silence.
    fn step(lead: usize, trail: usize) -> Step {
        let mut samples = vec![0i16; lead];
        samples.extend((0..2000).map(|i| if i % 16 < 8 { 8000i16 } else { -8000 }));
        samples.extend(vec![0; trail]);
        let utterance = Utterance::annotate(samples, "test", Some("test".into())).unwrap();
        Step { trigger: Trigger::POLITE, act: Act::Say(Arc::new(utterance)) }
    }

    fn run(mouth: &mut Mouth) -> (Vec<Outgoing>, Said) {
        let mut sent = Vec::new();
        loop {
            sent.push(mouth.next());
            // Every packet is 1 ms late: the times must be those of the packets.
            if let Some(said) = mouth.sent(ms(1000 + 20 * (sent.len() as u64 - 1) + 1)) {
                return (sent, said);
            }
            assert!(sent.len() < 1000);
        }
    }

    #[test]
    fn speech_is_dated_to_the_sample_by_its_packets() {
        let mut mouth = Mouth::new(None);
        mouth.begin(&step(800, 1600));
        let (sent, said) = run(&mut mouth);
        // Begins 640 samples (two packets) before the speech.
        assert_eq!(said.began, ms(1041));
        assert_eq!(said.ended, ms(1041) + span(2000));
        assert!(said.complete);
        assert_eq!(sent.len(), (640 + 2000 + 1600usize).div_ceil(320));
        let loud = |out: &Outgoing| matches!(out, Outgoing::Audio(frame) if frame.iter().any(|s| s.abs() > 100));
        assert_eq!(sent.iter().filter(|out| loud(out)).count(), 7);
        assert!(!loud(&mouth.next()));
    }

    #[test]
    fn speech_that_fills_its_last_packet_ends_with_it() {
        let mut mouth = Mouth::new(None);
        mouth.begin(&step(0, 0));
        let (sent, said) = run(&mut mouth);
        assert_eq!(sent.len(), 7);
        assert_eq!((said.began, said.ended), (ms(1001), ms(1001) + span(2000)));
    }

    #[test]
    fn long_silences_around_the_speech_are_not_played() {
        let mut mouth = Mouth::new(None);
        mouth.begin(&step(16_000, 32_000));
        let (sent, said) = run(&mut mouth);
        assert_eq!(sent.len(), (640 + 2000 + TRAIL).div_ceil(320));
        assert_eq!(said.ended - said.began, span(2000));
    }

    #[test]
    fn keys_are_events_with_three_ends_and_a_pause() {
        let mut mouth = Mouth::new(None);
        mouth.begin(&Step { trigger: Trigger::POLITE, act: Act::Press("1#".into()) });
        let (sent, said) = run(&mut mouth);
        let events: Vec<_> = sent
            .iter()
            .filter_map(|out| match out {
                Outgoing::Event { code, end, duration, first } => Some((*code, *end, *duration, *first)),
                Outgoing::Audio(_) => None,
            })
            .collect();
        assert_eq!(events.len(), 16);
        assert_eq!(events[0], (1, false, 160, true));
        assert_eq!(events[4], (1, false, 800, false));
        assert_eq!(events[5..8], [(1, true, 800, false); 3]);
        assert_eq!(events[8], (11, false, 160, true));
        assert_eq!(sent.len(), 22);
        assert_eq!((said.keys.as_deref(), said.began, said.ended), (Some("1#"), ms(1001), ms(1321)));
    }

    #[test]
    fn what_was_cut_is_not_complete() {
        let mut mouth = Mouth::new(None);
        mouth.begin(&step(0, 0));
        mouth.next();
        assert_eq!(mouth.sent(ms(0)), None);
        let said = mouth.cut(ms(20)).unwrap();
        assert!(!said.complete && said.ended == ms(20));
        assert_eq!(mouth.cut(ms(40)), None);
    }

    #[test]
    fn line_noise_has_its_level() {
        let mut mouth = Mouth::new(Some(-60.0));
        let mut samples = Vec::new();
        for _ in 0..50 {
            if let Outgoing::Audio(frame) = mouth.next() {
                samples.extend_from_slice(&frame[..]);
            }
        }
        let level = crate::audio::level::rms_dbfs(&samples);
        assert!((level + 60.0).abs() < 0.5, "{level}");
    }
}
