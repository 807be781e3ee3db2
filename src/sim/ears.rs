//! What the agent gets of a caller's speech: edges, hypotheses and cues, each with its delay and its errors.

use super::behaviour::Behaviour;
use super::caller::{After, Stretch, normal, pick};
use super::corpus::Corpus;
use super::dice::Dice;
use crate::audio::MediaTime;
use crate::speech::{Cue, Hypothesis, HypothesisKind, OverlapCue, PauseCue, SpeechEdge};

/// Something that reaches the agent at a time in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Sensed {
    Edge(SpeechEdge),
    /// What was heard until this time, in milliseconds.
    Words {
        covers: u64,
    },
    Cue(Cue),
}

/// What kind of sound somebody makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sound {
    /// The caller's turn, or an interruption.
    Turn,
    Backchannel,
    /// No words: a cough.
    Noise,
    /// Somebody else's words, far from the telephone.
    Elsewhere,
}

/// The recogniser's memory of one call.
#[derive(Default, Debug)]
pub(super) struct Ears {
    /// When each word ended, and as what it was heard.
    words: Vec<(u64, String)>,
    /// Words before this belong to earlier utterances.
    from: u64,
    confidence: f32,
}

fn ms(at: f64) -> MediaTime {
    MediaTime::from_ms(at.max(0.0) as u64)
}

fn exponential(rng: &mut Dice, mean: f64) -> f64 {
    -mean * rng.between(1e-9, 1.0).ln()
}

impl Ears {
    /// Speech that begins at `at`: gives what will reach the agent, and when the last stretch ends. `over` says whether the
    /// agent is speaking.
    pub fn hear(
        &mut self,
        at: u64,
        stretches: &[Stretch],
        sound: Sound,
        over: bool,
        (behaviour, corpus): (&Behaviour, &Corpus),
        rng: &mut Dice,
    ) -> (Vec<(u64, Sensed)>, u64) {
        let mut sensed = Vec::new();
        let mut now = at;
        self.confidence =
            if sound == Sound::Elsewhere { 0.35 } else { (0.85 + 0.1 * normal(rng)).clamp(0.3, 1.0) as f32 };
        for stretch in stretches {
            let from = now;
            let jitter = behaviour.edge_jitter_ms * normal(rng);
            let onset = ms(from as f64 + jitter);
            let stir = from + behaviour.stir_delay_ms;
            sensed.push((stir, Sensed::Cue(Cue::Stir(MediaTime::from_ms(stir)))));
            sensed.push((from + behaviour.onset_delay_ms, Sensed::Edge(SpeechEdge::Started { onset })));
            for (word, length) in &stretch.words {
                now += length;
                if sound == Sound::Noise {
                    continue;
                }
                for heard in misheard(word, behaviour, corpus, rng) {
                    self.words.push((now, heard));
                }
                let delay = 60.0 + exponential(rng, behaviour.partial_delay_ms);
                sensed.push((now + delay as u64, Sensed::Words { covers: now }));
            }
            let last = ms(now as f64 + behaviour.edge_jitter_ms * normal(rng)).max(onset.plus_ms(20));
            if over {
                let (means, spread) = behaviour.overlap_scores;
                let score = means[usize::from(sound != Sound::Backchannel)] + spread * normal(rng);
                for looked in (120..=400u64).step_by(40) {
                    if from + looked > now + behaviour.pause_delay_ms {
                        break;
                    }
                    // The first looks know little.
                    let known = (looked as f64 / 260.0).min(1.0);
                    let backchannel = (0.5 + (score - 0.5) * known + 0.05 * normal(rng)).clamp(0.0, 1.0) as f32;
                    let covers = MediaTime::from_ms(from + looked);
                    let cue = OverlapCue { onset, covers, echo: 0.0, backchannel, level_db: None };
                    sensed.push((from + looked + 10, Sensed::Cue(Cue::Overlap(cue))));
                }
            }
            let paused = now + behaviour.pause_delay_ms;
            sensed.push((paused, Sensed::Edge(SpeechEdge::Paused { last })));
            let fall = stretch.pitch_fall_st.filter(|_| sound != Sound::Noise);
            let cue =
                PauseCue { last, pitch_fall_st: fall, lengthening: Some(stretch.lengthening), level_fall_db: 0.0 };
            sensed.push((paused, Sensed::Cue(Cue::Pause(cue))));
            if let After::Hold { ms, .. } = stretch.after {
                now += ms;
            }
        }
        (sensed, now)
    }

    /// What is heard of the current utterance until `covers`.
    pub fn hypothesis(&self, kind: HypothesisKind, covers: u64, unspaced: bool) -> Hypothesis {
        let heard: Vec<&str> =
            self.words.iter().filter(|(end, _)| *end > self.from && *end <= covers).map(|(_, w)| w.as_str()).collect();
        let text = heard.join(if unspaced { "" } else { " " });
        let confidence = if text.is_empty() { 0.0 } else { self.confidence };
        Hypothesis { kind, text, confidence, covers: MediaTime::from_ms(covers), degraded: false }
    }

    /// The utterance is over.
    pub fn finish(&mut self, at: u64) {
        self.from = at;
        self.words.retain(|(end, _)| *end > at);
    }
}

/// What a word is heard as: nothing, another one, one too much.
///
/// A digit is heard as another digit: where a number is asked for, the recogniser expects little else.
fn misheard(word: &str, behaviour: &Behaviour, corpus: &Corpus, rng: &mut Dice) -> Vec<String> {
    let [other, lost, extra] = behaviour.word_errors;
    let draw: f64 = rng.unit();
    let digits = corpus.list("digits");
    let is_digit = digits.iter().any(|digit| digit == word);
    // Short words are what is misheard most; the rest can be anything that is ever said.
    let wrong = |rng: &mut Dice| match () {
        () if is_digit => pick(rng, digits).to_owned(),
        () if rng.chance(50.0) => pick(rng, corpus.list("misheard")).to_owned(),
        () => {
            let words: Vec<String> = pick(rng, corpus.list("use")).split_whitespace().map(str::to_owned).collect();
            pick(rng, &words).trim_matches(['/', '~']).to_owned()
        }
    };
    if draw < lost {
        Vec::new()
    } else if draw < lost + other {
        vec![wrong(rng)]
    } else if draw < lost + other + extra {
        vec![word.to_owned(), wrong(rng)]
    } else {
        vec![word.to_owned()]
    }
}
