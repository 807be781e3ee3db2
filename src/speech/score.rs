//! How well a voice detector hears: its answers and the gate's edges against labels.

use super::{Gate, GateConfig, SpeechEdge};
use crate::audio::{FRAME_MS, MediaTime};
use serde::Serialize;

/// Labelled silences shorter than this lie inside speech when it comes to onsets and ends: nobody wants an edge there, and
/// labels disagree about them.
const PAUSE_MS: u64 = 300;
/// An edge further away than this from a labelled onset or end belongs to something else.
const NEAR_MS: u64 = 500;

/// A stretch of speech: from its first sample to just after its last.
pub type Stretch = (MediaTime, MediaTime);

/// What a detector and the gate behind it made of one recording.
#[derive(Clone, Debug)]
pub struct VadTrace {
    gate: Gate,
    /// The frame's begin, and the answer about it.
    answers: Vec<(MediaTime, f32)>,
    /// Each edge, and the end of the frame with which it was announced.
    edges: Vec<(MediaTime, SpeechEdge)>,
}

impl VadTrace {
    /// Nothing heard yet.
    pub fn new(gate: GateConfig) -> Self {
        Self { gate: Gate::new(gate), answers: Vec::new(), edges: Vec::new() }
    }

    /// With the frame that begins at `now` came the answer about the one `lag_ms` before it.
    pub fn push(&mut self, now: MediaTime, lag_ms: u64, probability: f32) {
        if now.ms() < lag_ms {
            return;
        }
        let at = now.minus_ms(lag_ms);
        self.answers.push((at, probability));
        let edge = self.gate.push(at, probability);
        self.edges.extend(edge.map(|edge| (now.plus_ms(FRAME_MS), edge)));
    }

    /// The answers: a frame's begin, and the probability that it holds speech.
    pub fn answers(&self) -> &[(MediaTime, f32)] {
        &self.answers
    }

    /// What lies between the edges.
    fn stretches(&self) -> Vec<Stretch> {
        let mut out = Vec::new();
        let mut open = None;
        for (_, edge) in &self.edges {
            match *edge {
                SpeechEdge::Started { onset } => open = Some(onset),
                SpeechEdge::Paused { last } => out.extend(open.take().map(|onset| (onset, last))),
            }
        }
        let end = self.answers.last().map_or(MediaTime::ZERO, |(at, _)| at.plus_ms(FRAME_MS));
        out.extend(open.map(|onset| (onset, end)));
        out
    }
}

/// The figures of a set of recordings. Those that need speech count the recordings with any; those of false speech the
/// others. None where there was nothing to count.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VadFigures {
    /// Recordings with speech.
    pub speech_files: usize,
    /// Recordings without.
    pub other_files: usize,
    /// Frames of 20 ms in recordings with speech.
    pub speech_file_frames: usize,
    /// Frames of 20 ms in recordings without.
    pub other_file_frames: usize,
    /// Area under the curve of hits over false alarms, per frame of the recordings with speech.
    pub roc_auc: Option<f64>,
    /// Frames that the gate took for what they are not, of those recordings.
    pub frame_error_percent: Option<f64>,
    /// Frames of speech that the gate took for silence, of all frames of speech.
    pub missed_speech_percent: Option<f64>,
    /// Frames of silence that the gate took for speech, of all frames of silence in recordings with speech.
    pub extra_speech_percent: Option<f64>,
    /// Labelled stretches in which the gate heard nothing, of all of them.
    pub missed_stretches_percent: Option<f64>,
    /// From a labelled onset to the moment when it was announced.
    pub onset_delay_p50_ms: Option<f64>,
    /// The same, 95th percentile.
    pub onset_delay_p95_ms: Option<f64>,
    /// From a labelled onset to where the gate put it; negative: before it.
    pub onset_shift_p50_ms: Option<f64>,
    /// From a labelled end to the moment when it was announced.
    pub offset_delay_p50_ms: Option<f64>,
    /// The same, 95th percentile.
    pub offset_delay_p95_ms: Option<f64>,
    /// From a labelled end to where the gate put it; negative: before it.
    pub offset_shift_p50_ms: Option<f64>,
    /// Frames with a probability at or over the gate's `on`, of the recordings without speech.
    pub false_speech_percent: Option<f64>,
    /// Frames that the gate took for speech, of the recordings without speech.
    pub false_gate_percent: Option<f64>,
}

/// Adds recordings up.
#[derive(Clone, Debug, Default)]
pub struct VadScore {
    on: f32,
    files: [usize; 2],
    /// Answer and truth of each frame in recordings with speech.
    frames: Vec<(f32, bool)>,
    missed: usize,
    extra: usize,
    other_frames: usize,
    false_frames: usize,
    false_gate: usize,
    stretches: usize,
    silent_stretches: usize,
    onset_delays: Vec<f64>,
    onset_shifts: Vec<f64>,
    offset_delays: Vec<f64>,
    offset_shifts: Vec<f64>,
}

impl VadScore {
    /// For a gate with these thresholds.
    pub fn new(gate: &GateConfig) -> Self {
        Self { on: gate.on, ..Self::default() }
    }

    /// Adds a recording. `speech` is what was labelled, in order, without overlaps; empty: there is none in it.
    pub fn add(&mut self, trace: &VadTrace, speech: &[Stretch]) {
        let heard = trace.stretches();
        let taken = |at: MediaTime| within(&heard, middle(at));
        if speech.is_empty() {
            self.files[1] += 1;
            self.other_frames += trace.answers.len();
            self.false_frames += trace.answers.iter().filter(|(_, p)| *p >= self.on).count();
            self.false_gate += trace.answers.iter().filter(|(at, _)| taken(*at)).count();
            return;
        }
        self.files[0] += 1;
        for (at, probability) in &trace.answers {
            let truth = within(speech, middle(*at));
            self.frames.push((*probability, truth));
            self.missed += usize::from(truth && !taken(*at));
            self.extra += usize::from(!truth && taken(*at));
        }
        self.edges(trace, &heard, &joined(speech));
    }

    fn edges(&mut self, trace: &VadTrace, heard: &[Stretch], speech: &[Stretch]) {
        let end = trace.answers.last().map_or(MediaTime::ZERO, |(at, _)| at.plus_ms(FRAME_MS));
        self.stretches += speech.len();
        self.silent_stretches +=
            speech.iter().filter(|(from, to)| !heard.iter().any(|(a, b)| a < to && b > from)).count();
        let edges = || trace.edges.iter().map(|(announced, edge)| (*announced, *edge));
        for (from, to) in speech {
            // What was cut off by the recording's own begin or end is no edge.
            if *from > MediaTime::ZERO {
                let near = edges().filter_map(|(announced, edge)| match edge {
                    SpeechEdge::Started { onset } => Some((announced, onset)),
                    SpeechEdge::Paused { .. } => None,
                });
                if let Some((announced, onset)) = nearest(near, *from) {
                    self.onset_delays.push(between(*from, announced));
                    self.onset_shifts.push(between(*from, onset));
                }
            }
            if to.plus_ms(PAUSE_MS) <= end {
                let near = edges().filter_map(|(announced, edge)| match edge {
                    SpeechEdge::Paused { last } => Some((announced, last)),
                    SpeechEdge::Started { .. } => None,
                });
                if let Some((announced, last)) = nearest(near, *to) {
                    self.offset_delays.push(between(*to, announced));
                    self.offset_shifts.push(between(*to, last));
                }
            }
        }
    }

    /// The figures so far.
    pub fn figures(&self) -> VadFigures {
        let percent = |part: usize, whole: usize| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
        let speech = self.frames.iter().filter(|(_, truth)| *truth).count();
        VadFigures {
            speech_files: self.files[0],
            other_files: self.files[1],
            speech_file_frames: self.frames.len(),
            other_file_frames: self.other_frames,
            roc_auc: roc_auc(&self.frames),
            frame_error_percent: percent(self.missed + self.extra, self.frames.len()),
            missed_speech_percent: percent(self.missed, speech),
            extra_speech_percent: percent(self.extra, self.frames.len() - speech),
            missed_stretches_percent: percent(self.silent_stretches, self.stretches),
            onset_delay_p50_ms: quantile(&self.onset_delays, 0.5),
            onset_delay_p95_ms: quantile(&self.onset_delays, 0.95),
            onset_shift_p50_ms: quantile(&self.onset_shifts, 0.5),
            offset_delay_p50_ms: quantile(&self.offset_delays, 0.5),
            offset_delay_p95_ms: quantile(&self.offset_delays, 0.95),
            offset_shift_p50_ms: quantile(&self.offset_shifts, 0.5),
            false_speech_percent: percent(self.false_frames, self.other_frames),
            false_gate_percent: percent(self.false_gate, self.other_frames),
        }
    }
}

fn middle(at: MediaTime) -> MediaTime {
    at.plus_ms(FRAME_MS / 2)
}

fn within(stretches: &[Stretch], at: MediaTime) -> bool {
    stretches.iter().any(|(from, to)| *from <= at && at < *to)
}

/// Stretches with the short pauses between them filled.
fn joined(speech: &[Stretch]) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::with_capacity(speech.len());
    for &(from, to) in speech {
        match out.last_mut() {
            Some(last) if from < last.1.plus_ms(PAUSE_MS) => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// From `a` to `b` in milliseconds.
fn between(a: MediaTime, b: MediaTime) -> f64 {
    (b.samples() as f64 - a.samples() as f64) / 16.0
}

/// Of edges (announced, time), the one whose time is nearest to the label, if it is near.
fn nearest(edges: impl Iterator<Item = (MediaTime, MediaTime)>, label: MediaTime) -> Option<(MediaTime, MediaTime)> {
    edges
        .map(|edge| (between(label, edge.1).abs(), edge))
        .filter(|(distance, _)| *distance <= NEAR_MS as f64)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, edge)| edge)
}

fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

/// Area under the receiver operating characteristic: the chance that a frame of speech gets a higher answer than one of
/// silence, equal answers counting half. None when one of the kinds is missing.
pub fn roc_auc(frames: &[(f32, bool)]) -> Option<f64> {
    let mut sorted = frames.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins, mut speech) = (0.0, 0.0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let hits = equal.iter().filter(|(_, truth)| *truth).count() as f64;
        let others = equal.len() as f64 - hits;
        wins += hits * (below + others / 2.0);
        below += others;
        speech += hits;
    }
    (below > 0.0 && speech > 0.0).then(|| wins / (below * speech))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    /// Digits are tenths of a probability, one for each frame.
    fn trace(script: &str, lag_ms: u64) -> VadTrace {
        let mut trace = VadTrace::new(GateConfig { margin_ms: 0, ..GateConfig::default() });
        for (n, digit) in script.bytes().enumerate() {
            trace.push(MediaTime::from_frames(n as u64), lag_ms, f32::from(digit - b'0') / 10.0);
        }
        trace
    }

    fn figures(script: &str, lag_ms: u64, speech: &[Stretch]) -> VadFigures {
        let mut score = VadScore::new(&GateConfig::default());
        score.add(&trace(script, lag_ms), speech);
        score.figures()
    }

    #[test]
    fn the_area_is_the_chance_of_the_right_order() {
        let of = |frames: &[(f32, bool)]| roc_auc(frames);
        assert_eq!(of(&[(0.9, true), (0.1, false)]), Some(1.0));
        assert_eq!(of(&[(0.1, true), (0.9, false)]), Some(0.0));
        assert_eq!(of(&[(0.5, true), (0.5, false)]), Some(0.5));
        // Of four pairs three are in order.
        assert_eq!(of(&[(0.9, true), (0.4, true), (0.5, false), (0.1, false)]), Some(0.75));
        assert_eq!(of(&[(0.9, true)]), None);
    }

    #[test]
    fn edges_are_measured_from_the_labels() {
        // Frames 5 to 14 are heard: 100 to 300 ms. Announced with frame 7 (at 160 ms) and frame 18 (at 380 ms).
        let script = "0000099999999990000000000000000000000000";
        let got = figures(script, 0, &[(ms(90), ms(280))]);
        assert_eq!((got.onset_delay_p50_ms, got.onset_shift_p50_ms), (Some(70.0), Some(10.0)));
        assert_eq!((got.offset_delay_p50_ms, got.offset_shift_p50_ms), (Some(100.0), Some(20.0)));
        assert_eq!(
            got.missed_speech_percent,
            Some(10.0),
            "the frame from 80 on has its middle in the label, one of ten"
        );
    }

    #[test]
    fn a_detector_that_answers_late_is_read_in_its_time() {
        let prompt = figures("0000099999999990000000000000000000000000", 0, &[(ms(100), ms(300))]);
        let late = figures("000000099999999990000000000000000000000000", 40, &[(ms(100), ms(300))]);
        assert_eq!((prompt.roc_auc, late.roc_auc), (Some(1.0), Some(1.0)));
        assert_eq!((prompt.frame_error_percent, late.frame_error_percent), (Some(0.0), Some(0.0)));
        assert_eq!(late.onset_shift_p50_ms, prompt.onset_shift_p50_ms);
        assert_eq!(late.onset_delay_p50_ms, prompt.onset_delay_p50_ms.map(|delay| delay + 40.0));
    }

    #[test]
    fn recordings_without_speech_show_what_is_taken_for_it() {
        let got = figures("00990000009999000000", 0, &[]);
        assert_eq!((got.other_files, got.speech_files, got.roc_auc), (1, 0, None));
        assert_eq!(got.false_speech_percent, Some(30.0));
        assert_eq!(got.false_gate_percent, Some(20.0), "two frames are too short for the gate");
    }

    #[test]
    fn short_pauses_are_no_edges_and_deaf_stretches_are_counted() {
        let got = figures(&"0".repeat(100), 0, &[(ms(100), ms(300)), (ms(500), ms(700)), (ms(1200), ms(1400))]);
        assert_eq!(got.missed_stretches_percent, Some(100.0));
        assert_eq!((got.onset_delay_p50_ms, got.missed_speech_percent), (None, Some(100.0)));
        assert_eq!(joined(&[(ms(100), ms(300)), (ms(500), ms(700)), (ms(1200), ms(1400))]).len(), 2);
    }
}
