//! How the caller sounded, and what the agent made of it: kept with every caller turn and whenever it changed what is said.
//!
//! Whether any of it is kept at all is the setting `calls.keep_emotion`; see `docs/emotion.md`.

use crate::audio::MediaTime;
use serde::{Deserialize, Serialize};

/// What the agent takes the caller for. It is about how the call goes, not about what a person is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoodKind {
    /// Wants it shorter or sooner; found from the voice, the turn-taking and the words together.
    Impatient,
    /// Sounds angry.
    Angry,
    /// Sounds sad or afraid.
    Distressed,
    /// Sounds happy.
    Happy,
}

impl MoodKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Impatient, Self::Angry, Self::Distressed, Self::Happy];

    /// As in flows and records: `impatient`, `angry`, `distressed`, `happy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Impatient => "impatient",
            Self::Angry => "angry",
            Self::Distressed => "distressed",
            Self::Happy => "happy",
        }
    }
}

/// Where something was noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoodChannel {
    /// How it was said.
    Voice,
    /// When it was said, and how long it was.
    Turns,
    /// What was said.
    Words,
}

/// What was noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoodCueKind {
    /// Probability that the voice is angry, or aroused and not pleasant.
    Anger,
    /// Syllables per second, in standard deviations of the caller's own.
    FasterSpeech,
    /// Pitch, likewise.
    HigherPitch,
    /// Loudness, likewise.
    LouderVoice,
    /// Interruptions of the agent within the last three turns.
    BargeIns,
    /// An interruption in the first part of the agent's line: the share of the line that was heard.
    EarlyOverlap,
    /// How long the voice of the answer lasted, as a logarithm against the caller's own to that kind of question; negative is
    /// shorter.
    ShorterAnswers,
    /// Silence before the answer, as a logarithm against the caller's own; negative is sooner.
    ShorterGaps,
    /// Words that ask for haste.
    ExplicitWords,
    /// Words that say it was understood long ago.
    WearyWords,
    /// "Hello?" and its like in the middle of the call: not in the caller's first turn.
    Hello,
    /// The same was said before: how alike, 0 to 1.
    RepeatedQuestion,
    /// Probability that the voice is sad or afraid.
    Distress,
    /// Probability that the voice is happy.
    Happiness,
}

impl MoodCueKind {
    /// The channel in which it is noticed.
    pub const fn channel(self) -> MoodChannel {
        match self {
            Self::Anger
            | Self::FasterSpeech
            | Self::HigherPitch
            | Self::LouderVoice
            | Self::Distress
            | Self::Happiness => MoodChannel::Voice,
            Self::BargeIns | Self::EarlyOverlap | Self::ShorterAnswers | Self::ShorterGaps => MoodChannel::Turns,
            Self::ExplicitWords | Self::WearyWords | Self::Hello | Self::RepeatedQuestion => MoodChannel::Words,
        }
    }
}

/// One thing that was noticed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct MoodCue {
    /// Where.
    pub channel: MoodChannel,
    /// What.
    pub cue: MoodCueKind,
    /// How much, in the unit of the cue.
    pub value: f32,
}

/// The agent began or ceased to take the caller for something.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MoodSwitch {
    /// When: the end of the caller's turn that decided it.
    pub at: MediaTime,
    /// For what.
    pub kind: MoodKind,
    /// Began, or ceased.
    pub on: bool,
    /// The figure that crossed its threshold, 0 to 1.
    pub score: f32,
    /// Why: everything that was noticed in the turns that count.
    pub cues: Vec<MoodCue>,
    /// What the flow does about it: `concise`, `rate 90`, `softer`, `sentences 1`, and what happened once: `say`, `goto NAME`,
    /// `disposition NAME` and so on; none where it has no rule, or when it ceases. A later entry for the same mood, without
    /// cues, says what changed because another state has other rules (`no more rate 90`), or what only happened then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
}

/// How a turn of the caller sounded.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TurnEmotion {
    /// The voice; none where no emotion engine was at work, or too little was heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<VoiceEmotion>,
    /// How likely impatience would be from this turn alone, 0 to 1.
    pub impatience: f32,
    /// The same from all turns so far, which is what the switch looks at.
    pub smoothed: f32,
    /// All that was noticed, whether or not it was enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cues: Vec<MoodCue>,
}

/// What the emotion engine said of a turn. Probabilities from 0 to 1, `_z` in standard deviations of the caller's own.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct VoiceEmotion {
    /// The likeliest label.
    pub label: String,
    /// How likely it is.
    pub probability: f32,
    /// Probability that the voice is aroused.
    pub arousal: f32,
    /// How pleasant, 0 to 1.
    pub valence: f32,
    /// Probability that it is angry.
    pub anger: f32,
    /// Speaking rate.
    pub rate_z: f32,
    /// Pitch.
    pub pitch_z: f32,
    /// Loudness.
    pub loudness_z: f32,
    /// Turns that the caller's own was learned from; with 0 the three before it mean nothing.
    pub baseline_turns: u32,
}

/// What the emotion engine said within a turn, for the timeline picture.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct EmotionPoint {
    /// Just after the last sample heard.
    pub at: MediaTime,
    /// Probability that the voice is aroused, 0 to 1.
    pub arousal: f32,
    /// Probability that it is angry, 0 to 1.
    pub anger: f32,
}

/// Points kept of a call: half an hour of speech. Later ones are left out.
pub const EMOTION_POINTS: usize = 3600;

/// How much of it is kept when the call is over, and shown while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepEmotion {
    /// Measurements, switches and the curves of the picture.
    #[default]
    All,
    /// The switches with the names of their cues and what they led to: why the agent spoke as it did. No measurement.
    Switches,
    /// Nothing.
    None,
}

impl KeepEmotion {
    /// What may be kept of a switch.
    pub fn switch(self, mut switch: MoodSwitch) -> Option<MoodSwitch> {
        match self {
            Self::All => Some(switch),
            Self::Switches => {
                switch.score = 0.0;
                switch.cues.iter_mut().for_each(|cue| cue.value = 0.0);
                Some(switch)
            }
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> MoodSwitch {
        let cue = MoodCueKind::ExplicitWords;
        MoodSwitch {
            at: MediaTime::from_ms(1),
            kind: MoodKind::Impatient,
            on: true,
            score: 0.9,
            cues: vec![MoodCue { channel: cue.channel(), cue, value: 1.0 }],
            effects: vec!["concise".to_owned()],
        }
    }

    #[test]
    fn a_switch_is_written_as_documented_and_read_again() {
        let text = serde_json::to_string(&switch()).unwrap();
        assert_eq!(
            text,
            r#"{"at":16,"kind":"impatient","on":true,"score":0.9,"cues":[{"channel":"words","cue":"explicit_words","value":1.0}],"effects":["concise"]}"#
        );
        assert_eq!(serde_json::from_str::<MoodSwitch>(&text).unwrap(), switch());
    }

    #[test]
    fn what_may_not_be_kept_is_left_out() {
        assert_eq!(KeepEmotion::All.switch(switch()), Some(switch()));
        let names = KeepEmotion::Switches.switch(switch()).unwrap();
        assert_eq!((names.score, names.cues[0].value, names.cues[0].cue), (0.0, 0.0, MoodCueKind::ExplicitWords));
        assert_eq!(KeepEmotion::None.switch(switch()), None);
    }
}
