//! How a voice sounds: the labels of emotions, and what is said of the caller's while the caller speaks.

use crate::audio::MediaTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An emotion as a voice shows it. What a caller feels may be another matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmotionLabel {
    /// None in particular.
    #[default]
    Neutral,
    /// At ease.
    Calm,
    /// Joy, amusement.
    Happiness,
    /// From annoyance to fury.
    Anger,
    /// Grief, dejection.
    Sadness,
    /// Worry, panic.
    Fear,
    /// Contempt, revulsion.
    Disgust,
    /// Weariness, no interest.
    Boredom,
    /// Something was not expected.
    Surprise,
}

impl EmotionLabel {
    /// All, in the order of the enumeration.
    pub const ALL: [Self; 9] = [
        Self::Neutral,
        Self::Calm,
        Self::Happiness,
        Self::Anger,
        Self::Sadness,
        Self::Fear,
        Self::Disgust,
        Self::Boredom,
        Self::Surprise,
    ];

    /// As in files and figures: `neutral`, `calm`, `happiness`, `anger`, `sadness`, `fear`, `disgust`, `boredom`, `surprise`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Calm => "calm",
            Self::Happiness => "happiness",
            Self::Anger => "anger",
            Self::Sadness => "sadness",
            Self::Fear => "fear",
            Self::Disgust => "disgust",
            Self::Boredom => "boredom",
            Self::Surprise => "surprise",
        }
    }

    /// Whether a voice in this emotion is aroused: high activation on the circumplex (Russell, Journal of Personality and
    /// Social Psychology 39, 1980). Disgust lies between, and studies of acted speech count it among the low.
    pub const fn aroused(self) -> bool {
        matches!(self, Self::Happiness | Self::Anger | Self::Fear | Self::Surprise)
    }

    /// Whether it is a pleasant one. None: neither pleasant nor unpleasant, or it depends.
    pub const fn pleasant(self) -> Option<bool> {
        match self {
            Self::Calm | Self::Happiness => Some(true),
            Self::Anger | Self::Sadness | Self::Fear | Self::Disgust | Self::Boredom => Some(false),
            Self::Neutral | Self::Surprise => None,
        }
    }
}

impl fmt::Display for EmotionLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// A word that names no emotion.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "there is no emotion '{0}'; known are neutral, calm, happiness, anger, sadness, fear, disgust, boredom, surprise \
     and their adjectives (happy, angry, sad, fearful, disgusted, bored, surprised)"
)]
pub struct UnknownEmotion(pub String);

impl FromStr for EmotionLabel {
    type Err = UnknownEmotion;

    /// The names, their adjectives and the usual synonyms of data sets, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownEmotion> {
        Ok(match text.trim().to_lowercase().as_str() {
            "neutral" | "none" => Self::Neutral,
            "calm" | "calmness" | "relaxed" => Self::Calm,
            "happiness" | "happy" | "joy" | "joyful" | "amused" | "amusement" => Self::Happiness,
            "anger" | "angry" | "annoyed" | "annoyance" => Self::Anger,
            "sadness" | "sad" => Self::Sadness,
            "fear" | "fearful" | "anxiety" | "anxious" | "afraid" => Self::Fear,
            "disgust" | "disgusted" => Self::Disgust,
            "boredom" | "bored" => Self::Boredom,
            "surprise" | "surprised" | "pleasant_surprise" => Self::Surprise,
            _ => return Err(UnknownEmotion(text.to_owned())),
        })
    }
}

/// What the caller's voice has changed to, against the same caller's usual voice, in standard deviations of it. Positive is
/// faster, higher, louder. 0 while the usual voice is not known.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct VoiceChange {
    /// Syllables per second of speech, as far as a level contour shows them.
    pub rate_z: f32,
    /// Median pitch, in semitones before the deviation is taken.
    pub pitch_z: f32,
    /// Loudness.
    pub loudness_z: f32,
    /// Turns of the caller that the usual voice was learned from; 0: it is not known.
    pub baseline_turns: u32,
}

/// How the caller's voice sounds, said about every half second of speech and once more at the end of an utterance. A
/// measurement of the voice alone, with the chance of being right beside it; what follows is for the agent to decide.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Emotion {
    /// Just after the last sample heard.
    pub at: MediaTime,
    /// Speech heard in this utterance, in ms, without its pauses.
    pub heard_ms: u32,
    /// The most likely emotion.
    pub label: EmotionLabel,
    /// How likely it is, 0 to 1, calibrated.
    pub probability: f32,
    /// How likely the voice is aroused ([`EmotionLabel::aroused`]), 0 to 1, calibrated.
    pub arousal: f32,
    /// How likely the emotion is a pleasant one and not an unpleasant one, 0 to 1: 0.5 is neither. The weakest of the
    /// figures: a voice tells arousal far better than pleasure.
    pub valence: f32,
    /// How likely the voice is angry, 0 to 1, calibrated.
    pub anger: f32,
    /// Against the caller's own usual voice.
    pub voice: VoiceChange,
    /// The caller paused: this is of all that was heard of the utterance. Sent with the [`SpeechEdge::Paused`] of the pause;
    /// when the caller goes on and the turn with it, a later one takes its place.
    ///
    /// [`SpeechEdge::Paused`]: super::SpeechEdge::Paused
    pub turn_final: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_adjectives_understood() {
        for label in EmotionLabel::ALL {
            assert_eq!(label.name().parse(), Ok(label));
            assert_eq!(serde_json::to_value(label).unwrap(), label.name());
        }
        let adjectives = ["happy", "Angry", " sad", "fearful", "disgusted", "bored", "surprised"];
        let labels: Vec<EmotionLabel> = adjectives.iter().map(|word| word.parse().unwrap()).collect();
        assert_eq!(labels, [2, 3, 4, 5, 6, 7, 8].map(|n| EmotionLabel::ALL[n]));
        let error = "furious?".parse::<EmotionLabel>().unwrap_err().to_string();
        assert!(error.contains("'furious?'") && error.contains("boredom"), "{error}");
    }
}
