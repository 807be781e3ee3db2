//! What the caller's voice tells beside the words, measured as it is heard.
//!
//! [`VoiceCues`] sits between the voice detector and the gate. It takes our own voice, come back, off what the detector
//! heard; says at each pause how the speech before it ended ([`PauseCue`]); and while the caller speaks over the agent,
//! what that sounds like ([`OverlapCue`]). It never decides.

mod backchannel;
mod caller;
mod muffle;
mod near;
mod overlap;
mod pause;

pub use backchannel::{FEATURES, Features, Weights};
pub use muffle::{Muffle, Whose};

use super::{Cue, SpeechEdge};
use crate::audio::echo::EchoFinder;
use crate::audio::level::SILENCE_DBFS;
use crate::audio::prosody::{Prosody, STEP_MS, STEPS, Step};
use crate::audio::{AudioFrame, FrameOrigin, MediaTime};
use caller::Caller;
use near::Near;
use overlap::Overlap;
use std::collections::VecDeque;

#[cfg(doc)]
use super::{OverlapCue, PauseCue};

/// Steps that are remembered: 2.56 s.
const REMEMBERED: usize = 256;
/// An echo does not come later than this after what it is the echo of.
const ECHO_MS: u64 = 500;
/// A frame of which the known echo explains this share is not the caller.
const OURS: f32 = 0.6;
/// What that share is taken of: short, so that a caller who joins in is heard at once.
const OURS_MS: usize = 40;
/// A hiss of ours lasts so long after what was surely ours, in ms.
const HISS_MS: u64 = 100;
/// Over the agent's voice nothing softer than this is the caller, in dBFS: what is left of an echo down there is hidden in the
/// line's noise, and nobody interrupts so softly (speech on a line has −36 to −16).
const FAINT_DBFS: f32 = -56.0;
/// What the detector holds for less likely than this is silence to the gate anyway.
const PERHAPS: f32 = 0.3;

/// A step and when it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub end: MediaTime,
    pub step: Step,
}

/// One call's ear for the voice. Nothing is allocated after construction.
pub struct VoiceCues {
    prosody: Prosody,
    echo: EchoFinder,
    steps: VecDeque<Heard>,
    caller: Caller,
    near: Near,
    /// The caller's speech since its onset, as far as the gate has announced it.
    onset: Option<MediaTime>,
    /// Just after the last sample of ours that was not silence.
    spoken: Option<MediaTime>,
    /// Until then a hiss belongs to our own voice come back.
    ours_until: Option<MediaTime>,
    /// Whose speech the last frame held.
    whose: Whose,
    overlap: Option<Overlap>,
}

impl Default for VoiceCues {
    fn default() -> Self {
        Self {
            prosody: Prosody::default(),
            echo: EchoFinder::default(),
            steps: VecDeque::with_capacity(REMEMBERED + STEPS),
            caller: Caller::default(),
            near: Near::default(),
            onset: None,
            spoken: None,
            ours_until: None,
            whose: Whose::Nobody,
            overlap: None,
        }
    }
}

impl VoiceCues {
    /// 20 ms of ours, as they went out.
    pub fn sent(&mut self, frame: &AudioFrame) {
        self.echo.sent(frame);
        if frame.origin != FrameOrigin::Silence {
            self.spoken = Some(frame.end());
        }
    }

    /// 20 ms of the caller, and the `probability` that the detector gave with them: that they are speech, or that the frame
    /// `lag_ms` earlier is. Gives the probability that it is the caller's speech, and not ours come back or somebody else's in
    /// the caller's room.
    pub fn heard(&mut self, frame: &AudioFrame, probability: f32, lag_ms: u64) -> f32 {
        self.whose = Whose::Nobody;
        self.echo.heard(frame);
        let steps = self.prosody.push(&frame.samples);
        for (n, step) in (1..).zip(steps) {
            if self.steps.len() >= REMEMBERED {
                self.steps.pop_front();
            }
            self.steps.push_back(Heard { end: frame.at.plus_ms(n * STEP_MS), step });
        }
        if probability < PERHAPS {
            return probability;
        }
        let level = self.level_dbfs(frame.end().minus_ms(lag_ms));
        let over = self.agent_audible(frame.at);
        let others = over && (level < FAINT_DBFS || self.is_ours(frame, lag_ms))
            || !self.near.is_caller(frame.end(), level, over);
        self.whose = if others { Whose::Others } else { Whose::Caller };
        if others { 0.0 } else { probability }
    }

    /// It is ours, come back.
    fn is_ours(&mut self, frame: &AudioFrame, lag_ms: u64) -> bool {
        match self.echo.known_share(OURS_MS, lag_ms) {
            Some(share) if share >= OURS => {
                self.ours_until = Some(frame.end().plus_ms(HISS_MS));
                true
            }
            Some(_) => false,
            // An s after a vowel of ours is ours.
            None => self.ours_until.is_some_and(|until| frame.at < until),
        }
    }

    /// Whose speech the frame holds that [`VoiceCues::heard`] judged last.
    pub const fn whose(&self) -> Whose {
        self.whose
    }

    /// What there is to say once the gate has judged the frame that ends at `now`.
    pub fn cue(&mut self, now: MediaTime, edge: Option<SpeechEdge>) -> Option<Cue> {
        match edge {
            Some(SpeechEdge::Started { onset }) => {
                self.onset = Some(onset);
                self.overlap = self.agent_audible(onset).then(|| Overlap::new(onset));
            }
            Some(SpeechEdge::Paused { last }) => {
                let onset = self.onset.take().unwrap_or(MediaTime::ZERO);
                let ours = self.overlap.as_ref().is_some_and(Overlap::is_echo);
                let cue = self.caller.pause(&self.steps, onset, last, !ours);
                // How a piece of our own voice ended says nothing of the caller.
                return (!ours).then_some(Cue::Pause(cue));
            }
            None => {}
        }
        let overlap = self.overlap.as_mut()?;
        let cue = overlap.look(now, &mut self.echo, &self.steps, &self.caller);
        if overlap.over(now, self.onset.is_some()) {
            self.overlap = None;
        }
        cue.map(Cue::Overlap)
    }

    /// What the classifier of backchannels looks at, of speech since `onset`, at this moment. For those who train it.
    pub fn features(&self, onset: MediaTime) -> Option<Features> {
        backchannel::features(&self.steps, onset, self.steps.back()?.end)
    }

    /// The level of the louder step of the 20 ms that end at `end`.
    fn level_dbfs(&self, end: MediaTime) -> f32 {
        let steps = self.steps.iter().rev().skip_while(|heard| heard.end > end).take(STEPS);
        steps.map(|heard| heard.step.level_dbfs).fold(SILENCE_DBFS, f32::max)
    }

    /// Have we said anything that could be heard at `at`, be it as an echo?
    fn agent_audible(&self, at: MediaTime) -> bool {
        self.spoken.is_some_and(|spoken| at < spoken.plus_ms(ECHO_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;
    use std::f32::consts::TAU;

    /// Voiced sound of this pitch and amplitude at second t.
    fn speak(voice: &mut VoiceCues, from: u64, frames: u64, sound: impl Fn(f32) -> (f32, f32)) {
        let mut phase = 0f32;
        for frame in 0..frames {
            let samples = std::array::from_fn(|n| {
                let (hz, amplitude) = sound((frame * FRAME_SAMPLES as u64 + n as u64) as f32 / 16_000.0);
                phase = (phase + hz / 16_000.0).fract();
                let harmonics = (1..25).filter(|&h| (300.0..3400.0).contains(&(hz * h as f32)));
                (amplitude * harmonics.map(|h| (TAU * phase * h as f32).sin() / h as f32).sum::<f32>()) as i16
            });
            let at = MediaTime::from_frames(from + frame);
            voice.heard(&AudioFrame { at, origin: FrameOrigin::Received, samples }, 1.0, 0);
        }
    }

    fn pause(voice: &mut VoiceCues, onset: u64, last: u64) -> super::super::PauseCue {
        let (onset, last) = (MediaTime::from_frames(onset), MediaTime::from_frames(last));
        assert_eq!(voice.cue(onset.plus_ms(100), Some(SpeechEdge::Started { onset })), None, "nobody is spoken over");
        match voice.cue(last.plus_ms(80), Some(SpeechEdge::Paused { last })) {
            Some(Cue::Pause(cue)) => cue,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pause_tells_how_the_pitch_and_the_level_fell() {
        let mut voice = VoiceCues::default();
        // Eight semitones per second down, and 12 dB softer for the last 200 ms.
        speak(&mut voice, 0, 40, |t| (200.0 * 2f32.powf(-t * 8.0 / 12.0), if t < 0.6 { 4000.0 } else { 1000.0 }));
        let cue = pause(&mut voice, 0, 40);
        let fall = cue.pitch_fall_st.unwrap();
        assert!((1.8..2.8).contains(&fall), "eight semitones a second over 300 ms are 2.4: {fall}");
        assert!((8.0..13.0).contains(&cue.level_fall_db), "{cue:?}");
        assert_eq!(cue.lengthening, None, "what is usual is not known yet");

        let mut voice = VoiceCues::default();
        speak(&mut voice, 0, 40, |t| (150.0 * 2f32.powf(t * 8.0 / 12.0), 3000.0));
        let cue = pause(&mut voice, 0, 40);
        assert!(cue.pitch_fall_st.unwrap() < -1.5 && cue.level_fall_db.abs() < 2.0, "{cue:?}");
    }

    #[test]
    fn a_last_syllable_is_long_against_this_callers_own() {
        let mut voice = VoiceCues::default();
        // Syllables of 120 ms, 80 ms apart, and one of 360 ms.
        speak(&mut voice, 0, 50, |t| (180.0, if t % 0.2 < 0.12 { 4000.0 } else { 0.0 }));
        pause(&mut voice, 0, 50);
        speak(&mut voice, 50, 50, |t| {
            (180.0, if t > 0.6 && t < 0.96 || t < 0.5 && t % 0.2 < 0.12 { 4000.0 } else { 0.0 })
        });
        let cue = pause(&mut voice, 50, 98);
        let long = cue.lengthening.unwrap();
        assert!((1.8..3.6).contains(&long), "{long}");
        // Three of the usual length: nothing out of the ordinary.
        speak(&mut voice, 100, 30, |t| (180.0, if t % 0.2 < 0.12 { 4000.0 } else { 0.0 }));
        let usual = pause(&mut voice, 100, 130).lengthening.unwrap();
        assert!((0.5..1.4).contains(&usual), "{usual}");
    }

    #[test]
    fn speech_over_the_agents_is_told_of_from_120_to_400_ms_on() {
        let mut voice = VoiceCues::default();
        let ours = |n: u64| AudioFrame {
            at: MediaTime::from_frames(n),
            origin: FrameOrigin::Received,
            samples: std::array::from_fn(|i| if (i / 23 + n as usize).is_multiple_of(2) { 3000 } else { -3000 }),
        };
        let onset = MediaTime::from_frames(10);
        let mut told = Vec::new();
        for n in 0..40 {
            voice.sent(&ours(n));
            let mut phase = n as f32 * 0.37;
            let samples = std::array::from_fn(|_| {
                phase += 0.07;
                if n >= 10 { ((phase.sin() + (2.1 * phase).sin()) * 5000.0) as i16 } else { 0 }
            });
            let frame = AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples };
            let heard = voice.heard(&frame, 0.9, 0);
            assert_eq!(heard, if n >= 10 { 0.9 } else { 0.0 }, "silence is nobody, and a voice is not ours: frame {n}");
            let edge = (n == 14).then_some(SpeechEdge::Started { onset });
            match voice.cue(frame.end(), edge) {
                Some(Cue::Overlap(cue)) => told.push(cue),
                None => {}
                other => panic!("{other:?}"),
            }
        }
        let since: Vec<f64> = told.iter().map(|cue| cue.covers.ms_since(onset)).collect();
        assert_eq!(since, (6..=20).map(|n| f64::from(n) * 20.0).collect::<Vec<_>>());
        assert!(told.iter().all(|cue| cue.echo < 0.5 && (0.0..=1.0).contains(&cue.backchannel)), "{told:?}");
        assert!(told.iter().all(|cue| cue.onset == onset && cue.level_db.is_none()));
    }

    #[test]
    fn nothing_is_said_of_speech_long_after_the_agents() {
        let mut voice = VoiceCues::default();
        let silence = |n| AudioFrame::silence(MediaTime::from_frames(n));
        for n in 0..100 {
            voice.sent(&silence(n));
            voice.heard(&silence(n), 0.9, 0);
            let edge = (n == 50).then_some(SpeechEdge::Started { onset: MediaTime::from_frames(46) });
            assert_eq!(voice.cue(silence(n).end(), edge), None);
        }
    }
}
