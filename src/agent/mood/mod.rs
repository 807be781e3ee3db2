//! How the caller takes the call: impatience from the voice, the turn-taking and the words together; anger, distress and
//! happiness from the voice alone. Measured here, turn by turn; what follows from it is the flow's affair
//! (`dialogue::emotion`).
//!
//! Every channel may be missing: without an emotion engine there are turns and words, without a recogniser voice and turns.
//! Nothing is concluded from a channel that is not there.

mod haste;
mod score;
mod usual;
mod words;

pub(crate) use haste::{EXPLICIT_EN, EXPLICIT_ZH, asks_for_haste};
pub(crate) use score::SHOWN;
pub use score::{MoodConfig, shown_channels};

use crate::audio::MediaTime;
use crate::record::{EmotionPoint, MoodCue, MoodCueKind, MoodKind, MoodSwitch, TurnEmotion, VoiceEmotion};
use crate::speech::{AnswerKind, Emotion, EmotionLabel};
use score::{Noticed, Score};
use std::collections::VecDeque;
use usual::Usual;

/// Turns that count as recent.
const RECENT: usize = 3;
/// Earlier turns with which a question is compared.
const EARLIER: usize = 6;
/// So far under its threshold a mood that has begun ends.
pub(crate) const SLACK: f32 = 0.15;
/// Turns of which the voice's emotion is remembered: no rule asks for more.
pub(crate) const REMEMBERED: usize = 5;
/// A voice that was heard for less than this says nothing.
const LEAST_HEARD_MS: u32 = 400;
/// A voice that is likelier angry than not, and a turn that is likelier an impatient one than not, is not the caller's usual way.
const UNUSUAL: f32 = 0.5;

/// A turn of the caller, as the agent saw it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct TurnFacts {
    /// The words; empty where nothing was understood.
    pub text: String,
    /// The kind of answer that was asked for.
    pub kind: AnswerKind,
    /// How long the voice lasted, in milliseconds.
    pub voiced_ms: u64,
    /// The agent stopped for it: no backchannel, and no second half of a turn that the agent had cut off.
    pub barged_in: bool,
    /// The share of the agent's line that was heard before the interruption.
    pub line_heard: Option<f32>,
    /// Silence between the agent's line and the turn, in milliseconds.
    pub gap_ms: Option<f32>,
    /// It goes on with a turn that the agent took for finished: its length and its gap say nothing.
    pub goes_on: bool,
}

/// How likely the voice showed something in a turn.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Shown {
    pub angry: f32,
    pub distressed: f32,
    pub happy: f32,
}

/// What the dialogue is told of the caller.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Feeling {
    /// Emotion is looked at.
    pub tracked: bool,
    /// The switch for impatience is on.
    pub impatient: bool,
    /// The probability over which a voice shows something, and in how many turns in a row, where a rule does not say.
    pub over: f32,
    pub turns: usize,
    /// The latest turns' voices, the newest first, at most [`REMEMBERED`]; none where too little was heard.
    pub shown: VecDeque<Option<Shown>>,
}

impl Feeling {
    /// In each of the latest `turns` turns with a voice the probability of `kind` was over `over`.
    pub fn shows(&self, kind: MoodKind, over: f32, turns: usize) -> bool {
        let known: Vec<f32> = self.shown.iter().flatten().take(turns).map(|shown| shown.of(kind)).collect();
        known.len() == turns && known.iter().all(|p| *p > over)
    }
}

impl Feeling {
    /// The latest probability of `kind`, 0 where none is known.
    pub fn latest(&self, kind: MoodKind) -> f32 {
        self.shown.iter().flatten().next().map_or(0.0, |shown| shown.of(kind))
    }

    /// It as a reason.
    pub fn cues(&self, kind: MoodKind) -> Vec<MoodCue> {
        let cue = cue_of(kind);
        vec![MoodCue { channel: cue.channel(), cue, value: self.latest(kind) }]
    }
}

/// What is noticed of a kind that is told from the voice alone.
const fn cue_of(kind: MoodKind) -> MoodCueKind {
    match kind {
        MoodKind::Distressed => MoodCueKind::Distress,
        MoodKind::Happy => MoodCueKind::Happiness,
        MoodKind::Angry | MoodKind::Impatient => MoodCueKind::Anger,
    }
}

impl Shown {
    fn of(self, kind: MoodKind) -> f32 {
        match kind {
            MoodKind::Impatient => 0.0,
            MoodKind::Angry => self.angry,
            MoodKind::Distressed => self.distressed,
            MoodKind::Happy => self.happy,
        }
    }
}

/// How the caller sounds, as a language model is told, in the order of the moods.
const IN_WORDS: [&str; 4] = [
    "The caller sounds impatient; be brief.",
    "The caller sounds annoyed; stay calm and do not argue.",
    "The caller sounds distressed; be gentle.",
    "The caller sounds cheerful.",
];

/// What a language model was told, without how the caller sounds: for logs that may not keep it.
pub fn without_mood(told: &str) -> &str {
    IN_WORDS.iter().find_map(|words| told.strip_suffix(words)).map_or(told, str::trim_end)
}

/// What is known of the caller's patience and temper in this call.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Mood {
    config: MoodConfig,
    /// The last that was said of the voice in the turn that is open.
    voice: Option<Emotion>,
    barge_ins: VecDeque<bool>,
    /// What earlier turns were about, the newest first.
    earlier: VecDeque<Vec<String>>,
    usual: Usual,
    score: Score,
    feeling: Feeling,
    /// Kinds other than impatience that are on.
    shown: [bool; 4],
    /// The call has had a turn of the caller.
    begun: bool,
    /// The latest turn was the caller's usual way.
    usual_turn: bool,
    /// How likely impatience is said to be by hand.
    said_impatience: Option<f32>,
}

impl Mood {
    pub fn new(config: MoodConfig) -> Self {
        let turns = config.shown_turns.clamp(1, REMEMBERED);
        Self {
            voice: None,
            barge_ins: VecDeque::with_capacity(RECENT),
            earlier: VecDeque::with_capacity(EARLIER),
            usual: Usual::default(),
            score: Score::new(),
            feeling: Feeling { tracked: config.track, over: config.shown, turns, ..Feeling::default() },
            shown: [false; 4],
            begun: false,
            usual_turn: true,
            said_impatience: None,
            config,
        }
    }

    /// What the dialogue may know.
    pub fn feeling(&self) -> &Feeling {
        &self.feeling
    }

    /// The emotion engine said something. Gives what the picture shows of it.
    pub fn heard(&mut self, emotion: Emotion) -> Option<EmotionPoint> {
        let sound = [emotion.arousal, emotion.anger, emotion.probability].iter().all(|p| p.is_finite());
        if !self.config.track || !sound {
            return None;
        }
        self.voice = Some(emotion);
        Some(EmotionPoint {
            at: emotion.at,
            arousal: emotion.arousal.clamp(0.0, 1.0),
            anger: emotion.anger.clamp(0.0, 1.0),
        })
    }

    /// A turn of the caller is over: what it says of the caller, and what that changes. None where emotion is off.
    pub fn turn(&mut self, at: MediaTime, facts: &TurnFacts) -> Option<(TurnEmotion, Vec<MoodSwitch>)> {
        let voice = self.voice.take().filter(|voice| voice.heard_ms >= LEAST_HEARD_MS);
        if !self.config.track {
            return None;
        }
        let noticed = self.notice(voice.as_ref(), facts);
        let before = self.score.on();
        let impatience = self.score.turn(&noticed, &self.config);
        if let Some(likely) = self.said_impatience {
            self.score.presume(likely, &self.config);
        }
        self.begun = true;
        self.usual_turn =
            !self.score.on() && impatience < UNUSUAL && voice.as_ref().is_none_or(|voice| voice.anger < UNUSUAL);
        let cues: Vec<MoodCue> = noticed.cues().collect();
        let mut switches = Vec::new();
        if self.score.on() != before {
            let cues = if self.score.on() { self.score.reasons().to_vec() } else { Vec::new() };
            let (on, score) = (self.score.on(), self.score.smoothed());
            switches.push(MoodSwitch { at, kind: MoodKind::Impatient, on, score, cues, effects: Vec::new() });
        }
        self.feeling.impatient = self.score.on();
        self.feeling.shown.push_front(voice.as_ref().map(shown));
        self.feeling.shown.truncate(REMEMBERED);
        for kind in [MoodKind::Angry, MoodKind::Distressed, MoodKind::Happy] {
            switches.extend(self.shows(at, kind));
        }
        let emotion =
            TurnEmotion { voice: voice.as_ref().map(voice_record), impatience, smoothed: self.score.smoothed(), cues };
        Some((emotion, switches))
    }

    /// The other kinds: on after two turns over the threshold, off after one well below it.
    fn shows(&mut self, at: MediaTime, kind: MoodKind) -> Option<MoodSwitch> {
        let latest = self.feeling.shown.iter().flatten().next()?.of(kind);
        let on = self.shown.get_mut(kind as usize)?;
        let now = if *on {
            latest > self.feeling.over - SLACK
        } else {
            self.feeling.shows(kind, self.feeling.over, self.feeling.turns)
        };
        if std::mem::replace(on, now) == now {
            return None;
        }
        let cue = cue_of(kind);
        let values = self.feeling.shown.iter().flatten().take(self.feeling.turns).map(|shown| shown.of(kind));
        let cues =
            if now { values.map(|value| MoodCue { channel: cue.channel(), cue, value }).collect() } else { Vec::new() };
        Some(MoodSwitch { at, kind, on: now, score: latest, cues, effects: Vec::new() })
    }

    /// The turn that is open is none of the caller's.
    pub fn forget(&mut self) {
        self.voice = None;
    }

    /// The latest turn sounded as the caller usually does: what hears the voice may learn from it.
    pub fn was_usual(&self) -> bool {
        self.usual_turn
    }

    /// Impatience is so likely from now on, whatever is noticed: for those who try a flow out. None: what is noticed counts.
    pub fn presume(&mut self, likely: Option<f32>) {
        self.said_impatience = likely;
    }

    /// How the caller sounds, for a language model: a sentence, never a figure.
    pub fn in_words(&self) -> &'static str {
        self.on().next().and_then(|kind| IN_WORDS.get(kind as usize)).copied().unwrap_or_default()
    }

    /// The kinds that are on, the weightiest first.
    pub fn on(&self) -> impl Iterator<Item = MoodKind> {
        MoodKind::ALL.into_iter().filter(|kind| {
            if *kind == MoodKind::Impatient {
                self.feeling.impatient
            } else {
                self.shown.get(*kind as usize).copied().unwrap_or(false)
            }
        })
    }

    fn notice(&mut self, voice: Option<&Emotion>, facts: &TurnFacts) -> Noticed {
        let mut noticed = Noticed::default();
        if let Some(voice) = voice {
            // An aroused voice that is pleased is not an impatient one.
            let unpleasant_arousal = voice.arousal * (1.0 - voice.valence.clamp(0.0, 1.0));
            noticed.set(MoodCueKind::Anger, voice.anger.max(unpleasant_arousal));
            let known = (voice.voice.baseline_turns as f32 / 2.0).min(1.0);
            let change = |z: f32| if z.is_finite() { (z * known).clamp(-6.0, 6.0) } else { 0.0 };
            if known > 0.0 {
                noticed.set(MoodCueKind::FasterSpeech, change(voice.voice.rate_z));
                noticed.set(MoodCueKind::HigherPitch, change(voice.voice.pitch_z));
                noticed.set(MoodCueKind::LouderVoice, change(voice.voice.loudness_z));
            }
        }
        noticed.words = !facts.text.trim().is_empty();
        let spoken = words::look(&facts.text, self.earlier.iter());
        self.barge_ins.push_front(facts.barged_in);
        self.barge_ins.truncate(RECENT);
        let barge_ins = self.barge_ins.iter().filter(|barged| **barged).count();
        if barge_ins > 0 {
            noticed.set(MoodCueKind::BargeIns, barge_ins as f32);
        }
        if let Some(share) = facts.line_heard.filter(|_| facts.barged_in) {
            noticed.set(MoodCueKind::EarlyOverlap, share);
        }
        if !facts.goes_on {
            if let Some(change) = self.usual.length(facts) {
                noticed.set(MoodCueKind::ShorterAnswers, change);
            }
            if let Some(change) = facts.gap_ms.and_then(|gap| self.usual.gap(gap)) {
                noticed.set(MoodCueKind::ShorterGaps, change);
            }
        }
        if spoken.explicit {
            noticed.set(MoodCueKind::ExplicitWords, 1.0);
        }
        if spoken.weary {
            noticed.set(MoodCueKind::WearyWords, 1.0);
        }
        // Whoever answers the telephone says it.
        if spoken.hello && self.begun {
            noticed.set(MoodCueKind::Hello, 1.0);
        }
        if spoken.repeated > 0.0 {
            noticed.set(MoodCueKind::RepeatedQuestion, spoken.repeated);
        }
        // How the caller speaks while impatient is not the caller's usual way.
        if !self.score.on() && !facts.goes_on {
            self.usual.learn(facts);
        }
        let about = words::substance(&facts.text);
        if !about.is_empty() {
            self.earlier.push_front(about);
            self.earlier.truncate(EARLIER);
        }
        noticed
    }
}

fn shown(voice: &Emotion) -> Shown {
    let labelled = |labels: &[EmotionLabel]| if labels.contains(&voice.label) { voice.probability } else { 0.0 };
    Shown {
        angry: voice.anger,
        distressed: labelled(&[EmotionLabel::Sadness, EmotionLabel::Fear]),
        happy: labelled(&[EmotionLabel::Happiness]),
    }
}

fn voice_record(voice: &Emotion) -> VoiceEmotion {
    VoiceEmotion {
        label: voice.label.name().to_owned(),
        probability: voice.probability,
        arousal: voice.arousal,
        valence: voice.valence,
        anger: voice.anger,
        rate_z: voice.voice.rate_z,
        pitch_z: voice.voice.pitch_z,
        loudness_z: voice.voice.loudness_z,
        baseline_turns: voice.voice.baseline_turns,
    }
}

#[cfg(test)]
mod tests;
