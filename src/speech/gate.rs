//! From the voice detector's opinion of each frame to the edges of speech.

use super::SpeechEdge;
use crate::audio::{AudioFrame, FRAME_MS, MediaTime};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How sure is sure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Probability from which a frame of silence becomes speech, 0 to 1.
    pub on: f32,
    /// Probability below which speech may end, 0 to 1; not above `on`.
    pub off: f32,
    /// Speech must last this long before it is announced, in ms. Coughs and clicks are shorter.
    pub min_speech_ms: u64,
    /// Silence must last this long before the pause is announced, in ms. Stop consonants are shorter. It delays
    /// [`SpeechEdge::Paused`], not the time in it, and the wait for the end of a turn counts from that time.
    pub hangover_ms: u64,
    /// An onset is put this much before the first speech frame, in ms: weak first consonants. On labelled
    /// speech the first speech frame lies 50 ms after the label in the median, with earshot.
    pub margin_ms: u64,
    /// The detector hears so much longer than the caller speaks, in ms; the end of speech is put back by it.
    pub tail_ms: u64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { on: 0.5, off: 0.35, min_speech_ms: 60, hangover_ms: 80, margin_ms: 40, tail_ms: 0 }
    }
}

impl GateConfig {
    /// Looks for thresholds that contradict each other.
    ///
    /// # Errors
    /// The key of `[calls.gate]`, what is wrong with it and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let Self { on, off, .. } = *self;
        for (key, value) in [("on", on), ("off", off)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("calls.gate.{key} = {value} is not between 0 and 1"));
            }
        }
        match off <= on {
            true => Ok(()),
            false => Err(format!(
                "calls.gate.off = {off} is above calls.gate.on = {on}; lower the first or raise the second"
            )),
        }
    }
}

/// Turns a probability per frame into [`SpeechEdge`]s, which strictly alternate and whose times never go back.
#[derive(Clone, Debug)]
pub struct Gate {
    config: GateConfig,
    state: State,
    /// End of the last pause's speech: no onset lies before it.
    last: MediaTime,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Silent,
    /// Speech that is not announced yet, since `first`.
    Rising {
        first: MediaTime,
    },
    /// Announced speech; `last` is the end of its last frame so far.
    Speaking {
        onset: MediaTime,
        last: MediaTime,
    },
}

impl Gate {
    /// A gate that has heard nothing.
    pub fn new(mut config: GateConfig) -> Self {
        // The settings are checked before; with anything else speech would end and begin with every frame.
        config.off = config.off.min(config.on);
        Self { config, state: State::Silent, last: MediaTime::ZERO }
    }

    /// Is somebody speaking, as far as announced?
    pub const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    /// The last frame may have been the first of speech, or of too little for an announcement.
    pub const fn is_rising(&self) -> bool {
        matches!(self.state, State::Rising { .. })
    }

    /// The frame that begins at `at` holds speech with this `probability`. Frames come in order, 20 ms each; an edge is
    /// returned with the frame that makes it sure.
    pub fn push(&mut self, at: MediaTime, probability: f32) -> Option<SpeechEdge> {
        let end = at.plus_ms(FRAME_MS);
        match self.state {
            State::Silent => {
                if probability >= self.config.on {
                    self.state = State::Rising { first: at };
                    return self.announce(at, end);
                }
                None
            }
            State::Rising { first } => {
                if probability >= self.config.off {
                    return self.announce(first, end);
                }
                self.state = State::Silent;
                None
            }
            State::Speaking { onset, last } => {
                // In a pause it takes as much to go on as it took to begin.
                let threshold = if last == at { self.config.off } else { self.config.on };
                if probability >= threshold {
                    self.state = State::Speaking { onset, last: end };
                    return None;
                }
                if end < last.plus_ms(self.config.hangover_ms) {
                    return None;
                }
                self.last = last.minus_ms(self.config.tail_ms).max(onset);
                self.state = State::Silent;
                Some(SpeechEdge::Paused { last: self.last })
            }
        }
    }

    fn announce(&mut self, first: MediaTime, end: MediaTime) -> Option<SpeechEdge> {
        if end < first.plus_ms(self.config.min_speech_ms) {
            return None;
        }
        let onset = first.minus_ms(self.config.margin_ms).max(self.last);
        self.state = State::Speaking { onset, last: end };
        Some(SpeechEdge::Started { onset })
    }
}

/// The last frames heard, so that a recogniser can be given the speech from its onset although the gate was sure only later.
#[derive(Clone, Debug)]
pub struct PreRoll {
    frames: VecDeque<AudioFrame>,
    capacity: usize,
}

impl PreRoll {
    /// Keeps `ms` milliseconds, at least one frame; older frames are forgotten.
    pub fn new(ms: u64) -> Self {
        let capacity = usize::try_from(ms.div_ceil(FRAME_MS)).unwrap_or(usize::MAX).clamp(1, 500);
        Self { frames: VecDeque::with_capacity(capacity), capacity }
    }

    /// Keeps a frame.
    pub fn push(&mut self, frame: &AudioFrame) {
        if self.frames.len() == self.capacity {
            self.frames.pop_front();
        }
        self.frames.push_back(*frame);
    }

    /// The frames kept that end after `onset`, oldest first.
    pub fn since(&self, onset: MediaTime) -> impl Iterator<Item = &AudioFrame> {
        self.frames.iter().skip_while(move |frame| frame.end() <= onset)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.frames.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Digits are tenths of a probability, one for each frame.
    fn edges(config: &GateConfig, script: &str) -> Vec<(usize, SpeechEdge)> {
        let mut gate = Gate::new(config.clone());
        script
            .bytes()
            .enumerate()
            .filter_map(|(n, digit)| {
                gate.push(MediaTime::from_frames(n as u64), f32::from(digit - b'0') / 10.0).map(|edge| (n, edge))
            })
            .collect()
    }

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    #[test]
    fn speech_is_announced_when_sure_and_dated_back() {
        let got = edges(&GateConfig::default(), "0000000999999900000000");
        // Frame 7 is the first, frame 9 makes 60 ms; frame 13 is the last, frame 17 makes 80 ms of silence.
        assert_eq!(got, [(9, SpeechEdge::Started { onset: ms(100) }), (17, SpeechEdge::Paused { last: ms(280) })]);
    }

    #[test]
    fn clicks_and_short_gaps_are_no_edges() {
        assert_eq!(edges(&GateConfig::default(), "00990099000900"), []);
        let got = edges(&GateConfig::default(), "99990009999000099990000");
        assert_eq!(got.len(), 4, "a gap of 60 ms is none, one of 80 is: {got:?}");
    }

    #[test]
    fn between_the_thresholds_things_stay_as_they_are() {
        assert_eq!(edges(&GateConfig::default(), "4444444444"), []);
        let got = edges(&GateConfig::default(), "9994444444444444440000");
        assert_eq!(got[1].1, SpeechEdge::Paused { last: ms(360) });
        // Once in the pause, weak frames do not bring the speech back.
        let got = edges(&GateConfig::default(), "999900444444");
        assert_eq!(got[1].1, SpeechEdge::Paused { last: ms(80) });
    }

    #[test]
    fn margin_and_tail_never_cross_a_former_edge() {
        let config = GateConfig { margin_ms: 500, tail_ms: 500, ..GateConfig::default() };
        let got = edges(&config, "0099990000099990000");
        assert_eq!(
            got.iter().map(|(_, edge)| *edge).collect::<Vec<_>>(),
            [
                SpeechEdge::Started { onset: ms(0) },
                SpeechEdge::Paused { last: ms(0) },
                SpeechEdge::Started { onset: ms(0) },
                SpeechEdge::Paused { last: ms(0) },
            ]
        );
    }

    #[test]
    fn the_pre_roll_gives_what_was_said_since_the_onset() {
        let mut kept = PreRoll::new(100);
        for n in 0..20 {
            kept.push(&AudioFrame::silence(MediaTime::from_frames(n)));
        }
        let since = |at| kept.since(at).map(|frame| frame.at.ms()).collect::<Vec<_>>();
        assert_eq!(since(ms(0)), [300, 320, 340, 360, 380]);
        assert_eq!(since(ms(345)), [340, 360, 380]);
        assert_eq!(since(ms(400)), [0u64; 0]);
    }

    proptest! {
        #[test]
        fn edges_alternate_and_time_never_goes_back(
            probabilities in proptest::collection::vec(prop_oneof![0.0f32..1.0, Just(f32::NAN)], 0..400),
            min in 0u64..200, hangover in 0u64..200, margin in 0u64..200, tail in 0u64..200,
        ) {
            let config = GateConfig {
                min_speech_ms: min, hangover_ms: hangover, margin_ms: margin, tail_ms: tail, ..GateConfig::default()
            };
            let mut gate = Gate::new(config);
            let (mut speaking, mut latest) = (false, MediaTime::ZERO);
            for (n, probability) in probabilities.into_iter().enumerate() {
                let at = MediaTime::from_frames(n as u64);
                let Some(edge) = gate.push(at, probability) else { continue };
                let time = match edge {
                    SpeechEdge::Started { onset } => { prop_assert!(!speaking); speaking = true; onset }
                    SpeechEdge::Paused { last } => { prop_assert!(speaking); speaking = false; last }
                };
                prop_assert!(time >= latest && time <= at.plus_ms(FRAME_MS));
                prop_assert_eq!(speaking, gate.is_speaking());
                latest = time;
            }
        }
    }
}
