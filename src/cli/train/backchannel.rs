//! Teaches the little network that tells a backchannel from the beginning of a turn.

use super::clips::Clip;
use super::net::{Example, Net};
use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, level,
};
use crate::speech::voice::{FEATURES, VoiceCues, Weights};
use crate::speech::{EngineError, Gate, GateConfig, SpeechEdge, VoiceDetection};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Moments after the onset at which a clip is looked at, in ms.
const MOMENTS_MS: [u64; 8] = [120, 160, 200, 240, 280, 320, 360, 400];
/// Moments for which figures are given.
const REPORTED_MS: [u64; 4] = [200, 240, 280, 400];
/// Quiet before the clip, in samples: the detector and the noise settle.
const BEFORE: usize = 6400;
/// How often a clip is heard, each time over another line.
const LINES: usize = 3;
/// Interruptions that must be heard as such, of those that were learned from, when the threshold is set.
const RECALL: f32 = 0.99;
/// Voices that were not learned from are heard less well: the answer is lowered by so much more, before it becomes a
/// probability. With it 0.5 hears 98 % of their interruptions.
const SPARE: f32 = 0.847;
/// The moment for which the threshold is set.
const DECIDED_MS: u64 = 280;

/// One clip over one line: what was to be seen at each moment.
pub(super) struct Heard {
    backchannel: bool,
    held_out: bool,
    synthesised: bool,
    source: String,
    at: Vec<(u64, [f32; FEATURES])>,
}

impl Heard {
    /// It was kept back from training.
    pub(super) fn held_out(&self) -> bool {
        self.held_out
    }
}

/// What a set of clips gave.
#[derive(Serialize)]
pub(super) struct Figures {
    source: String,
    kind: &'static str,
    held_out: bool,
    /// Clips over lines in which the gate opened.
    clips: usize,
    /// Share of backchannels that would stop the agent, or of interruptions that would not, in percent, by moment in ms.
    wrong_percent: BTreeMap<u64, f32>,
}

/// A point of the curve.
#[derive(Serialize)]
pub(super) struct Point {
    at_ms: u64,
    threshold: f32,
    interruptions_heard_percent: f32,
    false_stops_percent: f32,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let learned = if self.held_out { "kept back" } else { "learned from" };
        write!(f, "{:>16} {:<13} {learned:<12} n {:>5}  wrong", self.source, self.kind, self.clips)?;
        for (at_ms, percent) in &self.wrong_percent {
            write!(f, "  {percent:.1} % at {at_ms} ms")?;
        }
        Ok(())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ms, threshold, interruptions_heard_percent: heard, false_stops_percent: stops } = self;
        write!(f, "at {at_ms} ms, from {threshold:.1}: interruptions heard {heard:.1} %, false stops {stops:.1} %")
    }
}

/// Hears every clip over several lines.
///
/// # Errors
/// The voice detector cannot be opened.
pub(super) fn hear(clips: &[Clip], vad: &dyn VoiceDetection, seed: u64) -> Result<Vec<Heard>, EngineError> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut heard = Vec::new();
    for clip in clips {
        for line in 0..LINES {
            let samples = over_a_line(&clip.samples, line, &mut random);
            let (mut vad, mut gate) = (vad.open()?, Gate::new(GateConfig::default()));
            let (mut voice, mut onset, mut at) = (VoiceCues::default(), None, Vec::new());
            for (n, chunk) in samples.chunks_exact(FRAME_SAMPLES).enumerate() {
                let mut frame = AudioFrame::silence(MediaTime::from_frames(n as u64));
                frame.samples.copy_from_slice(chunk);
                frame.origin = FrameOrigin::Received;
                let probability = voice.heard(&frame, vad.push(&frame), vad.lag_ms());
                if let Some(SpeechEdge::Started { onset: began }) = gate.push(frame.at, probability)
                    && onset.is_none()
                {
                    onset = Some(began);
                }
                let Some(onset) = onset else { continue };
                let since = frame.end().ms_since(onset);
                if since > 420.0 {
                    break;
                }
                if let Some(moment) = MOMENTS_MS.into_iter().find(|moment| (since - *moment as f64).abs() < 10.0)
                    && let Some(features) = voice.features(onset)
                {
                    at.push((moment, features));
                }
            }
            if !at.is_empty() {
                heard.push(Heard {
                    backchannel: clip.backchannel,
                    held_out: clip.held_out,
                    synthesised: clip.synthesised,
                    source: clip.source.clone(),
                    at,
                });
            }
        }
    }
    Ok(heard)
}

/// The clip's beginning as it comes over a telephone line: at some level, in some noise, through a codec.
fn over_a_line(clip: &[i16], line: usize, random: &mut StdRng) -> Vec<i16> {
    let loudest = clip.chunks(80).map(level::rms_dbfs).fold(level::SILENCE_DBFS, f32::max);
    let first = clip.chunks(80).position(|piece| level::rms_dbfs(piece) > loudest - 35.0).unwrap_or(0) * 80;
    let speech = clip.get(first..).unwrap_or_default();
    let speech = speech.get(..speech.len().min(9600)).unwrap_or_default();
    let wanted: f32 = random.random_range(-34.0..-14.0);
    let noise: f32 = random.random_range(-75.0..(wanted - 18.0).min(-45.0));
    // A voice a little higher or lower, faster or slower: fewer would be learned by heart.
    let rate = random.random_range(0.88..1.14f32);
    let at = |n: usize| {
        let place = n as f32 * rate;
        let (before, share) = (place as usize, place.fract());
        let sample = |n: usize| speech.get(n).map(|s| f32::from(*s));
        Some(sample(before)? * (1.0 - share) + sample(before + 1)? * share)
    };
    let gain = 10f32.powf((wanted - level::rms_dbfs(speech)) / 20.0);
    let noise = 32_768.0 * 10f32.powf(noise / 20.0) * 3f32.sqrt();
    let total = (BEFORE + 9600 + FRAME_SAMPLES).next_multiple_of(FRAME_SAMPLES);
    let shift = random.random_range(0..FRAME_SAMPLES);
    // A fifth of the lines are brighter or duller than the others.
    let tilt: f32 = random.random_range(-0.35..0.35);
    let mut before = 0f32;
    let mut out: Vec<i16> = (0..total)
        .map(|n| {
            let spoken = n.checked_sub(BEFORE + shift).and_then(at).map_or(0.0, |s| s * gain);
            let tilted = spoken + tilt * before;
            before = spoken;
            (tilted + random.random_range(-noise..=noise)) as i16
        })
        .collect();
    let codec = [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722][line % 3];
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    for frame in out.chunks_exact_mut(FRAME_SAMPLES) {
        let mut bytes = [0; FRAME_BYTES];
        let mut samples = [0; FRAME_SAMPLES];
        samples.copy_from_slice(frame);
        let count = encoder.encode(&samples, &mut bytes);
        let count = decoder.decode(bytes.get(..count).unwrap_or_default(), frame);
        debug_assert!(count <= FRAME_SAMPLES);
    }
    out
}

/// Learns, and sets the threshold so that 0.5 hears nearly all interruptions that it learned from.
pub(super) fn learn(heard: &[Heard], epochs: usize, seed: u64) -> Option<Weights> {
    let learned: Vec<&Heard> = heard.iter().filter(|heard| !heard.held_out).collect();
    let of = |backchannel: bool| learned.iter().filter(|heard| heard.backchannel == backchannel).count().max(1) as f32;
    let (backchannels, turns) = (of(true), of(false));
    let examples: Vec<Example> = learned
        .iter()
        .flat_map(|heard| {
            // Both kinds weigh the same; what people said weighs twice what was synthesised.
            let people = if heard.synthesised { 1.0 } else { 2.0 };
            let weight = if heard.backchannel { 1.0 / backchannels } else { people / turns };
            heard.at.iter().map(move |(_, features)| Example {
                features: *features,
                wanted: if heard.backchannel { 1.0 } else { 0.0 },
                weight,
            })
        })
        .collect();
    let mut net = Net::new(seed);
    net.learn(&examples, epochs);
    let weights = Weights::from_numbers(net.numbers())?;
    let mut scores: Vec<f32> =
        learned.iter().filter(|h| !h.backchannel).filter_map(|h| score(h, &weights, DECIDED_MS)).collect();
    scores.sort_by(f32::total_cmp);
    let threshold = scores.get((scores.len() as f32 * RECALL) as usize).copied().unwrap_or(0.5).clamp(0.02, 0.98);
    net.shift(-(threshold / (1.0 - threshold)).ln() - SPARE);
    Weights::from_numbers(net.numbers())
}

/// The score at the last moment that is not after `at_ms`.
fn score(heard: &Heard, weights: &Weights, at_ms: u64) -> Option<f32> {
    heard.at.iter().rfind(|(moment, _)| *moment <= at_ms).map(|(_, features)| weights.score(features))
}

/// Figures by source, kind and whether it was learned from.
pub(super) fn measure(heard: &[Heard], weights: &Weights) -> Vec<Figures> {
    let mut sets: BTreeMap<(bool, bool, &str), Vec<&Heard>> = BTreeMap::new();
    for heard in heard {
        sets.entry((heard.held_out, heard.backchannel, &heard.source)).or_default().push(heard);
    }
    sets.into_iter()
        .map(|((held_out, backchannel, source), set)| {
            let wrong = |at_ms: u64| {
                let scores: Vec<f32> = set.iter().filter_map(|heard| score(heard, weights, at_ms)).collect();
                let wrong = scores.iter().filter(|score| (**score >= 0.5) != backchannel).count();
                wrong as f32 * 100.0 / scores.len().max(1) as f32
            };
            Figures {
                source: source.to_owned(),
                kind: if backchannel { "backchannel" } else { "interruption" },
                held_out,
                clips: set.len(),
                wrong_percent: REPORTED_MS.into_iter().map(|at| (at, wrong(at))).collect(),
            }
        })
        .collect()
}

/// The trade between interruptions heard and false stops, on what was kept back.
pub(super) fn curve(heard: &[Heard], weights: &Weights) -> Vec<Point> {
    let mut points = Vec::new();
    for at_ms in REPORTED_MS {
        let scores = |backchannel: bool| {
            let set = heard.iter().filter(move |heard| heard.held_out && heard.backchannel == backchannel);
            set.filter_map(|heard| score(heard, weights, at_ms)).collect::<Vec<f32>>()
        };
        let (turns, backchannels) = (scores(false), scores(true));
        let share = |scores: &[f32], threshold: f32| {
            scores.iter().filter(|score| **score < threshold).count() as f32 * 100.0 / scores.len().max(1) as f32
        };
        for threshold in [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] {
            points.push(Point {
                at_ms,
                threshold,
                interruptions_heard_percent: share(&turns, threshold),
                false_stops_percent: share(&backchannels, threshold),
            });
        }
    }
    points
}
