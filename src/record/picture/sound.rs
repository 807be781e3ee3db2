//! How the caller sounded: pitch, loudness and arousal under the caller's voice, and when the agent took the caller for what.

use super::super::contour::{CONTOUR_STEP_MS, level_dbfs, pitch_hz};
use super::super::{CallRecord, Waves};
use super::svg::Svg;
use super::{Axis, CALLER, LEFT, WAVE};

/// Height of the strip, with the space around it.
pub(super) const STRIP: f64 = 52.0;
const TOP: f64 = CALLER + WAVE + 5.0;
const HEIGHT: f64 = STRIP - 10.0;
/// What the strip spans: pitch in Hz on a logarithmic scale, loudness in dBFS.
const PITCH_HZ: (f64, f64) = (75.0, 400.0);
const LOUDNESS_DBFS: (f64, f64) = (-60.0, -5.0);
/// Points further apart belong to different stretches of speech.
const APART_MS: f64 = 1_500.0;

pub(super) const STYLE: &str = ".strip{fill:#f8fafc}.pitch{stroke:#0d9488;stroke-width:2;stroke-linecap:round;fill:none}\
     .loud{stroke:#94a3b8;stroke-width:1;fill:none}.arousal{stroke:#c026d3;stroke-width:1.4;fill:none}\
     .aroused{fill:#c026d3}.tp{fill:#0d9488}.tl{fill:#64748b}.ta{fill:#c026d3}.mood{fill:#be185d;font-weight:600}\
     .moodline{stroke:#be185d;stroke-width:1;stroke-dasharray:3 2}";

/// There is something to draw.
pub(super) fn is_known(record: &CallRecord) -> bool {
    !record.emotion.is_empty()
}

/// The strips of all rows in which the caller has a voice.
pub(super) fn draw(svg: &mut Svg, axis: &Axis, record: &CallRecord, waves: &Waves) {
    if !is_known(record) {
        return;
    }
    for row in (0..axis.rows()).filter(|row| !axis.is_alone(*row)) {
        let y = axis.crest(row) + TOP;
        svg.bar("strip", (LEFT, y), (axis.px(axis.span_ms), HEIGHT), "how the caller sounded");
        for (class, line, name) in [("tp", 0.0, "pitch"), ("tl", 1.0, "loudness"), ("ta", 2.0, "arousal")] {
            svg.text(&format!("side {class}"), (LEFT - 10.0, y + 12.0 + 13.0 * line), name);
        }
    }
    let height = |share: f64| HEIGHT * (1.0 - share.clamp(0.0, 1.0));
    curve(svg, axis, "loud", &waves.loudness, |point| {
        (point > 0).then(|| height(between(f64::from(level_dbfs(point)), LOUDNESS_DBFS)))
    });
    let (low, high) = (PITCH_HZ.0.log2(), PITCH_HZ.1.log2());
    curve(svg, axis, "pitch", &waves.pitch, |point| {
        pitch_hz(point).map(|hz| height(between(f64::from(hz).log2(), (low, high))))
    });
    arousal(svg, axis, record, height);
    for switch in &record.moods {
        let (row, x) = axis.place(switch.at.ms() as f64);
        if !axis.is_alone(row) {
            svg.line("moodline", (x, axis.crest(row) + TOP - 4.0), (x, axis.crest(row) + TOP + HEIGHT));
        }
    }
}

fn between(value: f64, (low, high): (f64, f64)) -> f64 {
    (value - low) / (high - low)
}

/// A curve of the recording, one pixel and a half or a point wide, whichever is more.
fn curve(svg: &mut Svg, axis: &Axis, class: &str, points: &[u8], y: impl Fn(u8) -> Option<f64>) {
    let step_ms = CONTOUR_STEP_MS as f64;
    let per_bin = ((1.5 / axis.px(step_ms)).ceil() as usize).max(1);
    let mut d = String::new();
    let mut before: Option<(usize, usize)> = None;
    for (bin, chunk) in points.chunks(per_bin).enumerate() {
        let (row, x) = axis.place((bin * per_bin) as f64 * step_ms);
        let Some(y) = chunk.iter().copied().filter(|point| *point > 0).max().and_then(&y) else { continue };
        if axis.is_alone(row) {
            continue;
        }
        let joined = before == Some((bin.wrapping_sub(1), row));
        d += &format!("{}{x:.1} {:.1}", if joined { 'L' } else { 'M' }, axis.crest(row) + TOP + y);
        // A point alone has no length, but a round end.
        if !joined {
            d += "h.1";
        }
        before = Some((bin, row));
    }
    svg.path(class, &d);
}

fn arousal(svg: &mut Svg, axis: &Axis, record: &CallRecord, height: impl Fn(f64) -> f64) {
    let mut d = String::new();
    let mut before: Option<(f64, usize)> = None;
    for point in &record.emotion {
        let at = point.at.ms() as f64;
        let (row, x) = axis.place(at);
        if axis.is_alone(row) || !point.arousal.is_finite() {
            continue;
        }
        let y = axis.crest(row) + TOP + height(f64::from(point.arousal));
        let joined = before.is_some_and(|(then, there)| there == row && at - then < APART_MS && at >= then);
        d += &format!("{}{x:.1} {y:.1}", if joined { 'L' } else { 'M' });
        before = Some((at, row));
        let tip = format!("aroused {:.2}, angry {:.2} at {:.2} s", point.arousal, point.anger, at / 1000.0);
        svg.dot("aroused", (x, y), &tip);
    }
    svg.path("arousal", &d);
}
