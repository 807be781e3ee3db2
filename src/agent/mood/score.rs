//! Impatience as one number: the odds that the caller has lost patience, carried from turn to turn. What is noticed in a turn
//! is evidence that raises or lowers them; between turns a patient caller may become impatient and an impatient one patient
//! again. The switch has two thresholds and wants two cues from two channels, unless the words are explicit.

use super::REMEMBERED;
use crate::record::{MoodChannel, MoodCue, MoodCueKind};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

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
    /// How likely a patient caller becomes impatient from one turn to the next, 0 to 1.
    pub becomes: f32,
    /// How likely an impatient one becomes patient again.
    pub fades: f32,
    /// Probability over which a voice counts as angry, distressed or happy, where a flow's rule does not say otherwise.
    pub shown: f32,
    /// In so many turns in a row, 1 to 5; where a flow's rule does not say otherwise.
    pub shown_turns: usize,
}

/// What a probability over which a voice counts may be.
pub(crate) const SHOWN: RangeInclusive<f32> = 0.3..=0.95;

impl MoodConfig {
    /// Whether the values can be meant.
    ///
    /// # Errors
    /// The key, what it is and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let share = |key: &str, value: f32, range: RangeInclusive<f32>| match range.contains(&value) {
            true => Ok(()),
            false => {
                Err(format!("turn.mood.{key} is {value}: write a number from {} to {}", range.start(), range.end()))
            }
        };
        share("on", self.on, 0.05..=1.0)?;
        share("off", self.off, 0.0..=1.0)?;
        share("becomes", self.becomes, 0.0..=1.0)?;
        share("fades", self.fades, 0.0..=1.0)?;
        share("shown", self.shown, SHOWN)?;
        if self.off > self.on {
            let (on, off) = (self.on, self.off);
            return Err(format!("turn.mood.off is {off} and turn.mood.on {on}: off must not be above on"));
        }
        if !(1..=REMEMBERED).contains(&self.shown_turns) {
            return Err(format!("turn.mood.shown_turns is {}: write 1 to {REMEMBERED}", self.shown_turns));
        }
        Ok(())
    }
}

impl Default for MoodConfig {
    fn default() -> Self {
        Self { track: true, on: 0.91, off: 0.3, becomes: 0.045, fades: 0.1, shown: 0.6, shown_turns: 2 }
    }
}

/// No turns make one surer than this: odds of 3,000 to 1, as a logarithm.
const SUREST: f32 = 8.0;

/// How likely impatience is at least once the words asked for haste: one usual turn after them is not yet patience.
const SAID_SO: f32 = 0.99;

/// A cue's evidence: nothing up to `from`, all of `weight` from `to` on, linear between. It counts as a reason from `counts` on.
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

/// Logarithms of odds, fitted so that the running odds are right over the turns of the development half of the scripted calls
/// (`scripts/eval/mood_weights.py` on what `tipring simulate mood --half dev --trace` writes), one fifth of the calls without a
/// voice. What is explicit switches by itself, so its weight is set. Interruptions weigh nothing beside how early they came, and
/// are a reason only.
const PARTS: [Part; 12] = [
    part(MoodCueKind::Anger, 0.1, 0.8, 3.8, 0.35),
    part(MoodCueKind::FasterSpeech, -1.5, 3.0, 2.2, 0.8),
    part(MoodCueKind::HigherPitch, -1.5, 3.0, 1.9, 0.8),
    part(MoodCueKind::LouderVoice, -1.5, 3.0, 2.4, 0.8),
    part(MoodCueKind::BargeIns, 0.0, 3.0, 0.0, 1.0),
    part(MoodCueKind::EarlyOverlap, 0.85, 0.1, 3.8, 0.85),
    part(MoodCueKind::ShorterAnswers, 1.0, -1.5, 0.15, -0.4),
    part(MoodCueKind::ShorterGaps, 1.0, -1.5, 2.9, -0.4),
    part(MoodCueKind::ExplicitWords, 0.0, 1.0, 7.0, 1.0),
    part(MoodCueKind::WearyWords, 0.0, 1.0, 2.3, 1.0),
    part(MoodCueKind::Hello, 0.0, 1.0, 2.3, 1.0),
    part(MoodCueKind::RepeatedQuestion, 0.2, 0.6, 0.9, 0.35),
];

/// The channels of which a turn showed enough to be a reason; with `true` the words asked for haste.
pub fn shown_channels(cues: &[MoodCue]) -> (BTreeSet<MoodChannel>, bool) {
    let counting = |cue: &&MoodCue| PARTS.iter().any(|part| part.cue == cue.cue && part.counts(cue.value));
    let channels = cues.iter().filter(counting).map(|cue| cue.channel).collect();
    (channels, cues.iter().any(|cue| cue.cue == MoodCueKind::ExplicitWords))
}

/// What a channel that was there says against impatience before its cues are counted; one that is missing says nothing.
const AGAINST: [(MoodChannel, f32); 3] =
    [(MoodChannel::Voice, 4.3), (MoodChannel::Turns, 1.35), (MoodChannel::Words, 0.2)];

fn odds(probability: f32) -> f32 {
    let p = probability.clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}

fn probability(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds.clamp(-SUREST, SUREST)).exp())
}

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
    /// Words were understood, whatever they were.
    pub words: bool,
}

impl Noticed {
    pub fn set(&mut self, cue: MoodCueKind, value: f32) {
        self.values.push((cue, value));
    }

    fn has(&self, cue: MoodCueKind) -> bool {
        self.values.iter().any(|(noticed, _)| *noticed == cue)
    }

    /// The channel was there in this turn. Turn-taking is where there was a silence, a length or an interruption to compare.
    fn heard(&self, channel: MoodChannel) -> bool {
        match channel {
            MoodChannel::Voice => self.has(MoodCueKind::Anger),
            MoodChannel::Turns => [MoodCueKind::ShorterGaps, MoodCueKind::ShorterAnswers, MoodCueKind::EarlyOverlap]
                .into_iter()
                .any(|cue| self.has(cue)),
            MoodChannel::Words => self.words,
        }
    }

    pub fn cues(&self) -> impl Iterator<Item = MoodCue> {
        self.values.iter().map(|(cue, value)| MoodCue { channel: cue.channel(), cue: *cue, value: *value })
    }

    fn parts(&self) -> impl Iterator<Item = (&'static Part, f32)> {
        self.values.iter().filter_map(|(cue, value)| Some((PARTS.iter().find(|part| part.cue == *cue)?, *value)))
    }

    /// What the turn says, as a logarithm of odds: above 0 for impatience, below against it.
    fn evidence(&self) -> f32 {
        let against: f32 = AGAINST.iter().filter(|(channel, _)| self.heard(*channel)).map(|(_, weight)| weight).sum();
        self.parts().map(|(part, value)| part.weight * part.share(value)).sum::<f32>() - against
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
    /// How likely the caller is impatient after the latest turn; none before the first.
    now: Option<f32>,
    on: bool,
    /// The reasons of this turn and the one before it.
    reasons: Vec<MoodCue>,
    latest: Vec<MoodCue>,
}

impl Score {
    pub fn new() -> Self {
        Self { now: None, on: false, reasons: Vec::new(), latest: Vec::new() }
    }

    pub fn on(&self) -> bool {
        self.on
    }

    /// How likely the caller is impatient, 0 to 1, from all turns so far.
    pub fn smoothed(&self) -> f32 {
        self.now.unwrap_or(0.0)
    }

    /// The reasons of the latest two turns.
    pub fn reasons(&self) -> &[MoodCue] {
        &self.reasons
    }

    /// A turn is over. Gives how likely impatience would be if it were the first.
    pub fn turn(&mut self, noticed: &Noticed, config: &MoodConfig) -> f32 {
        let becomes = config.becomes.clamp(0.0, 1.0);
        let before = self.now.map_or(becomes, |now| now * (1.0 - config.fades.clamp(0.0, 1.0)) + (1.0 - now) * becomes);
        let evidence = noticed.evidence();
        let mut alone = probability(odds(becomes) + evidence);
        let mut now = probability(odds(before) + evidence);
        let before = std::mem::replace(&mut self.latest, noticed.reasons().collect());
        self.reasons = self.latest.clone();
        self.reasons.extend(before.into_iter().filter(|old| !self.latest.iter().any(|new| new.cue == old.cue)));
        if noticed.has(MoodCueKind::ExplicitWords) {
            now = now.max(SAID_SO);
            alone = alone.max(SAID_SO);
            self.on = true;
        } else if self.on {
            self.on = now >= config.off;
        } else {
            let channels: BTreeSet<MoodChannel> = self.reasons.iter().map(|cue| cue.channel).collect();
            self.on = now >= config.on && channels.len() >= 2;
        }
        self.now = Some(now);
        alone
    }

    /// Impatience is so likely, whatever was noticed; one channel is enough for the switch then.
    pub fn presume(&mut self, likely: f32, config: &MoodConfig) {
        self.now = Some(likely.clamp(0.0, 1.0));
        self.on = likely >= if self.on { config.off } else { config.on };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MoodCueKind::*;

    /// What a turn of a caller looks like who speaks and answers as always.
    const USUAL: [(MoodCueKind, f32); 5] =
        [(Anger, 0.2), (FasterSpeech, 0.0), (HigherPitch, 0.0), (LouderVoice, 0.0), (ShorterGaps, 0.0)];

    fn noticed(values: &[(MoodCueKind, f32)]) -> Noticed {
        Noticed { values: values.to_vec(), words: true }
    }

    /// The usual turn, with these instead.
    fn unusual(values: &[(MoodCueKind, f32)]) -> Vec<(MoodCueKind, f32)> {
        let mut all = values.to_vec();
        all.extend(USUAL.iter().filter(|(cue, _)| !values.iter().any(|(own, _)| own == cue)));
        all
    }

    fn turns(turns: &[Vec<(MoodCueKind, f32)>]) -> Vec<bool> {
        let config = MoodConfig::default();
        let mut score = Score::new();
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
        assert_eq!(turns(&[unusual(&[(ExplicitWords, 1.0)])]), [true]);
        let voice = unusual(&[(Anger, 0.95), (FasterSpeech, 4.0), (HigherPitch, 4.0), (LouderVoice, 4.0)]);
        assert_eq!(turns(&vec![voice; 4]), [false; 4], "a loud fast voice alone is no impatience");
        let clear = unusual(&[(Anger, 0.7), (FasterSpeech, 2.5), (LouderVoice, 2.0), (EarlyOverlap, 0.2)]);
        assert_eq!(turns(&[USUAL.to_vec(), clear]), [false, true], "one turn that shows it clearly is enough");
        let slight = unusual(&[(Anger, 0.45), (FasterSpeech, 1.4), (LouderVoice, 1.1), (ShorterGaps, -0.8)]);
        assert_eq!(turns(&vec![slight; 4]), [false, false, false, true], "what is slight adds up");
    }

    #[test]
    fn a_turn_that_asks_for_haste_is_an_impatient_one_by_itself() {
        let config = MoodConfig::default();
        let mut score = Score::new();
        let alone = score.turn(&noticed(&unusual(&[(ExplicitWords, 1.0), (Anger, 0.1)])), &config);
        assert!(alone >= SAID_SO && score.smoothed() >= SAID_SO, "{alone}");
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_by_name() {
        assert_eq!(MoodConfig::default().check(), Ok(()));
        let default = MoodConfig::default;
        for (config, what) in [
            (MoodConfig { on: 7.0, ..default() }, "turn.mood.on is 7"),
            (MoodConfig { on: f32::NAN, ..default() }, "turn.mood.on is NaN"),
            (MoodConfig { off: 9.0, ..default() }, "turn.mood.off is 9"),
            (MoodConfig { off: 0.95, ..default() }, "off must not be above on"),
            (MoodConfig { becomes: -0.1, ..default() }, "turn.mood.becomes"),
            (MoodConfig { fades: 2.0, ..default() }, "turn.mood.fades"),
            (MoodConfig { shown: 0.0, ..default() }, "turn.mood.shown is 0"),
            (MoodConfig { shown_turns: 0, ..default() }, "turn.mood.shown_turns is 0: write 1 to 5"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_switch_has_two_thresholds() {
        let usual = USUAL.to_vec();
        let on = turns(&[unusual(&[(ExplicitWords, 1.0)]), usual.clone(), usual.clone(), usual]);
        assert_eq!(on, [true, true, false, false], "one calm turn is not yet patience");
    }

    #[test]
    fn usual_turns_speak_against_impatience_and_a_missing_channel_does_not() {
        let config = MoodConfig::default();
        let alone = |values: &[(MoodCueKind, f32)]| Score::new().turn(&noticed(values), &config);
        assert!(alone(&USUAL) < 0.02, "{}", alone(&USUAL));
        let nothing = Score::new().turn(&Noticed::default(), &config);
        assert!((nothing - config.becomes).abs() < 1e-3, "{nothing}");
        assert!(alone(&[(ShorterGaps, 0.0)]) > alone(&USUAL), "no voice, no evidence from it");
    }

    #[test]
    fn settings_out_of_range_are_bounded() {
        for value in [-1.0, 0.0, 1.0, 7.0] {
            let config = MoodConfig { becomes: value, fades: value, ..MoodConfig::default() };
            let mut score = Score::new();
            for _ in 0..50 {
                score.turn(&noticed(&USUAL), &config);
                assert!((0.0..=1.0).contains(&score.smoothed()), "{value}: {}", score.smoothed());
            }
        }
    }
}
