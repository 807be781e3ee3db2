//! How speech ended before a pause.

use super::super::PauseCue;
use super::Heard;
use crate::audio::MediaTime;
use crate::audio::prosody::STEP_MS;
use std::collections::VecDeque;

/// A window of the analysis is centred this long before its end.
const CENTRE_MS: u64 = 20;
/// Voiced steps over which the fall of the pitch is taken: 300 ms.
const FALL_STEPS: usize = 30;
/// Fewer voiced steps than this say nothing of the pitch.
const FALL_LEAST: usize = 10;
/// Voiced steps further back than this belong to something else.
const FALL_WITHIN_MS: u64 = 700;
/// A step so far from the median pitch, in semitones, is an error of the analysis: half an octave.
const OUTLIER_ST: f32 = 6.0;
/// Unvoiced steps that do not end a voiced stretch.
const BRIDGED: u32 = 2;
/// Stretches shorter than this are none.
const STRETCH_LEAST: usize = 3;
/// The last stretch must reach this close to the pause to be called its last.
const STRETCH_WITHIN_MS: u64 = 250;
/// The end of which the level is taken.
const END_MS: u64 = 200;

/// Steps whose centre lies in the speech from `from` to `to`.
fn within(steps: &VecDeque<Heard>, from: MediaTime, to: MediaTime) -> impl DoubleEndedIterator<Item = &Heard> {
    steps.iter().filter(move |heard| {
        let centre = heard.end.minus_ms(CENTRE_MS);
        centre > from && centre <= to
    })
}

/// Measures the end of speech from `onset` to `last`. `usual_ms` is the usual length of this caller's voiced stretches.
pub(super) fn cue(steps: &VecDeque<Heard>, onset: MediaTime, last: MediaTime, usual_ms: Option<f32>) -> PauseCue {
    let lengthening = usual_ms.zip(last_stretch_ms(steps, onset, last)).map(|(usual, ms)| ms / usual.max(1.0));
    let mean = |from: MediaTime| {
        let spoken = steps.iter().filter(|heard| heard.end > from && heard.end <= last);
        let (sum, count) = spoken
            .fold((0f32, 0f32), |(sum, count), heard| (sum + 10f32.powf(heard.step.level_dbfs / 10.0), count + 1.0));
        (count > 0.0).then(|| 10.0 * (sum / count).max(1e-10).log10())
    };
    let level_fall_db = mean(onset).zip(mean(last.minus_ms(END_MS).max(onset))).map_or(0.0, |(all, end)| all - end);
    PauseCue { last, pitch_fall_st: pitch_fall(steps, onset, last), lengthening, level_fall_db }
}

/// The fall over the last voiced steps, by a straight line through them, in semitones.
fn pitch_fall(steps: &VecDeque<Heard>, onset: MediaTime, last: MediaTime) -> Option<f32> {
    let from = onset.max(last.minus_ms(FALL_WITHIN_MS));
    let mut points = [(0f32, 0f32); FALL_STEPS];
    let mut count = 0;
    let voiced = within(steps, from, last).rev().filter_map(|heard| Some((heard.end, heard.step.semitones()?)));
    for (slot, (end, pitch)) in points.iter_mut().zip(voiced) {
        *slot = (end.ms_since(from) as f32, pitch);
        count += 1;
    }
    let points = &mut points[..count];
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    let median = points.get(count / 2)?.1;
    let (mut n, mut sums, mut earliest, mut latest) = (0f32, [0f32; 4], f32::MAX, f32::MIN);
    for &(ms, pitch) in points.iter().filter(|(_, pitch)| (pitch - median).abs() <= OUTLIER_ST) {
        n += 1.0;
        let [x, y, xx, xy] = &mut sums;
        (*x, *y, *xx, *xy) = (*x + ms, *y + pitch, *xx + ms * ms, *xy + ms * pitch);
        (earliest, latest) = (earliest.min(ms), latest.max(ms));
    }
    let [x, y, xx, xy] = sums;
    let spread = xx - x * x / n;
    if n < FALL_LEAST as f32 || spread <= 0.0 {
        return None;
    }
    Some(-(xy - x * y / n) / spread * (latest - earliest))
}

/// Lengths in steps of the voiced stretches of the speech from `onset` to `last`.
pub(super) fn stretches(
    steps: &VecDeque<Heard>,
    onset: MediaTime,
    last: MediaTime,
) -> impl Iterator<Item = usize> + use<'_> {
    let mut steps = within(steps, onset, last);
    let (mut length, mut gap) = (0usize, 0u32);
    std::iter::from_fn(move || {
        loop {
            let Some(heard) = steps.next() else {
                let length = std::mem::take(&mut length);
                return (length >= STRETCH_LEAST).then_some(length);
            };
            if heard.step.voiced() {
                (length, gap) = (length + 1, 0);
            } else if length > 0 {
                gap += 1;
                if gap > BRIDGED {
                    let done = std::mem::take(&mut length);
                    gap = 0;
                    if done >= STRETCH_LEAST {
                        return Some(done);
                    }
                }
            }
        }
    })
}

fn last_stretch_ms(steps: &VecDeque<Heard>, onset: MediaTime, last: MediaTime) -> Option<f32> {
    let voiced_late = within(steps, last.minus_ms(STRETCH_WITHIN_MS).max(onset), last).any(|heard| heard.step.voiced());
    let steps = stretches(steps, onset, last).last().filter(|_| voiced_late)?;
    Some((steps * STEP_MS as usize) as f32)
}
