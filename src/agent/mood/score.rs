//! Impatience as one number: a logistic sum over what was noticed, smoothed over the turns, with a switch that has two
//! thresholds and wants two cues from two channels, unless the words are explicit.

use crate::record::{MoodChannel, MoodCue, MoodCueKind};
use serde::Deserialize;
use std::collections::BTreeSet;

/// How a caller's mood is told. The `[turn.mood]` section.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoodConfig {
    /// Look at all. Without it no flow reacts and nothing is kept.
    pub track: bool,
    /// Impatience from which the switch goes on, 0 to 1.
    pub on: f32,
    /// Impatience below which it goes off.
    pub off: f32,
    /// The weight of the latest turn against those before it where it is the more impatient one, 0 to 1.
    pub smoothing: f32,
    /// Its weight where it is the calmer one: patience is believed later than impatience.
    pub calming: f32,
    /// Probability over which a voice counts as angry, distressed or happy, where a flow's rule does not say otherwise.
    pub shown: f32,
    /// In so many turns in a row.
    pub shown_turns: usize,
}

impl Default for MoodConfig {
    fn default() -> Self {
        Self { track: true, on: 0.65, off: 0.45, smoothing: 0.7, calming: 0.3, shown: 0.6, shown_turns: 2 }
    }
}

/// The score of a turn in which nothing was noticed, as a logit: 1 %.
const BIAS: f32 = -4.7;

/// A cue's part in the score: nothing up to `from`, all of `weight` from `to` on, linear between. It counts as a cue from
/// `counts` on.
struct Part {
    cue: MoodCueKind,
    from: f32,
    to: f32,
    weight: f32,
    counts: f32,
}

const fn part(cue: MoodCueKind, from: f32, to: f32, weight: f32, counts: f32) -> Part {
    Part { cue, from, to, weight, counts }
}

/// Fitted as a logistic regression over the turns of the development half of the scripted calls (`tipring simulate mood --half
/// dev`), whose parameters were fixed before; the bias was then lowered until no more than 3 % of calm callers were taken for
/// impatient. What is explicit switches by itself, so its weight only says how long it lasts.
const PARTS: [Part; 12] = [
    part(MoodCueKind::Anger, 0.2, 0.8, 2.3, 0.45),
    part(MoodCueKind::FasterSpeech, 0.3, 2.5, 1.5, 1.2),
    part(MoodCueKind::HigherPitch, 0.3, 2.5, 1.1, 1.2),
    part(MoodCueKind::LouderVoice, 0.3, 2.5, 1.6, 1.2),
    part(MoodCueKind::BargeIns, 0.0, 3.0, 3.3, 1.0),
    part(MoodCueKind::EarlyOverlap, 0.7, 0.1, 0.9, 0.4),
    part(MoodCueKind::ShorterAnswers, -0.2, -1.2, 2.0, -0.7),
    part(MoodCueKind::ShorterGaps, -0.2, -1.3, 1.9, -0.8),
    part(MoodCueKind::ExplicitWords, 0.0, 1.0, 7.5, 1.0),
    part(MoodCueKind::WearyWords, 0.0, 1.0, 2.1, 1.0),
    part(MoodCueKind::Hello, 0.0, 1.0, 1.6, 1.0),
    part(MoodCueKind::RepeatedQuestion, 0.3, 0.6, 1.9, 0.45),
];

impl Part {
    fn share(&self, value: f32) -> f32 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// The value is enough to be named as a reason. Some cues grow, some shrink.
    fn counts(&self, value: f32) -> bool {
        if self.to > self.from { value >= self.counts } else { value <= self.counts }
    }
}

/// What was noticed in a turn. What is absent was not there to be noticed.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Noticed {
    values: Vec<(MoodCueKind, f32)>,
}

impl Noticed {
    pub fn set(&mut self, cue: MoodCueKind, value: f32) {
        self.values.push((cue, value));
    }

    pub fn cues(&self) -> impl Iterator<Item = MoodCue> {
        self.values.iter().map(|(cue, value)| MoodCue { channel: cue.channel(), cue: *cue, value: *value })
    }

    fn parts(&self) -> impl Iterator<Item = (&'static Part, f32)> {
        self.values.iter().filter_map(|(cue, value)| Some((PARTS.iter().find(|part| part.cue == *cue)?, *value)))
    }

    /// How impatient the turn is, 0 to 1.
    fn score(&self) -> f32 {
        let logit = BIAS + self.parts().map(|(part, value)| part.weight * part.share(value)).sum::<f32>();
        1.0 / (1.0 + (-logit).exp())
    }

    /// What is enough to be a reason.
    fn reasons(&self) -> impl Iterator<Item = MoodCue> {
        self.parts().filter(|(part, value)| part.counts(*value)).map(|(part, value)| MoodCue {
            channel: part.cue.channel(),
            cue: part.cue,
            value,
        })
    }
}

/// The switch.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Score {
    smoothed: f32,
    on: bool,
    /// The reasons of this turn and the one before it.
    reasons: Vec<MoodCue>,
    latest: Vec<MoodCue>,
}

impl Score {
    pub fn new(_: &MoodConfig) -> Self {
        let smoothed = 1.0 / (1.0 + (-BIAS).exp());
        Self { smoothed, on: false, reasons: Vec::new(), latest: Vec::new() }
    }

    pub fn on(&self) -> bool {
        self.on
    }

    pub fn smoothed(&self) -> f32 {
        self.smoothed
    }

    /// The reasons of the latest two turns.
    pub fn reasons(&self) -> &[MoodCue] {
        &self.reasons
    }

    /// A turn is over. Gives how impatient it alone is.
    pub fn turn(&mut self, noticed: &Noticed, config: &MoodConfig) -> f32 {
        let score = noticed.score();
        let weight = if score > self.smoothed { config.smoothing } else { config.calming };
        self.smoothed += weight.clamp(0.05, 1.0) * (score - self.smoothed);
        let before = std::mem::replace(&mut self.latest, noticed.reasons().collect());
        self.reasons = self.latest.clone();
        self.reasons.extend(before.into_iter().filter(|old| !self.latest.iter().any(|new| new.cue == old.cue)));
        let explicit = self.latest.iter().any(|cue| cue.cue == MoodCueKind::ExplicitWords);
        if explicit {
            self.smoothed = self.smoothed.max(score);
            self.on = true;
        } else if self.on {
            self.on = self.smoothed >= config.off;
        } else {
            let channels: BTreeSet<MoodChannel> = self.reasons.iter().map(|cue| cue.channel).collect();
            self.on = self.smoothed >= config.on && channels.len() >= 2;
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noticed(values: &[(MoodCueKind, f32)]) -> Noticed {
        Noticed { values: values.to_vec() }
    }

    fn turns(turns: &[&[(MoodCueKind, f32)]]) -> Vec<bool> {
        let config = MoodConfig::default();
        let mut score = Score::new(&config);
        turns
            .iter()
            .map(|values| {
                score.turn(&noticed(values), &config);
                score.on()
            })
            .collect()
    }

    #[test]
    fn explicit_words_switch_at_once_and_others_need_two_channels() {
        use MoodCueKind::{Anger, BargeIns, EarlyOverlap, ExplicitWords, FasterSpeech, HigherPitch, LouderVoice};
        assert_eq!(turns(&[&[(ExplicitWords, 1.0)]]), [true]);
        let voice: &[_] = &[(Anger, 0.95), (FasterSpeech, 4.0), (HigherPitch, 4.0), (LouderVoice, 4.0)];
        assert_eq!(turns(&[voice, voice, voice, voice]), [false; 4], "a loud fast voice alone is no impatience");
        let both: &[_] = &[(Anger, 0.7), (FasterSpeech, 2.0), (BargeIns, 2.0), (EarlyOverlap, 0.2)];
        assert_eq!(turns(&[both, both]), [false, true], "one turn alone may be chance");
    }

    #[test]
    fn the_switch_has_two_thresholds() {
        use MoodCueKind::ExplicitWords;
        let calm: &[(MoodCueKind, f32)] = &[];
        let on = turns(&[&[(ExplicitWords, 1.0)], calm, calm, calm]);
        assert_eq!(on, [true, true, true, false], "0.94, 0.66, 0.47 and 0.33: off below 0.45");
    }

    #[test]
    fn a_channel_that_is_missing_says_nothing() {
        let nothing = noticed(&[]).score();
        assert!((0.005..0.015).contains(&nothing), "{nothing}");
        assert_eq!(noticed(&[(MoodCueKind::ShorterAnswers, 2.0)]).score(), nothing, "longer answers count for nothing");
    }
}
