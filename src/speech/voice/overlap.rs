//! Speech over the agent's voice, while it is young enough to be judged.

use super::super::OverlapCue;
use super::caller::Caller;
use super::{Heard, backchannel};
use crate::audio::MediaTime;
use crate::audio::echo::EchoFinder;
use std::collections::VecDeque;

/// The first cue comes this long after the onset, in ms.
const FIRST_MS: f64 = 120.0;
/// The last one.
const LAST_MS: f64 = 400.0;
/// Speech that was an echo may be a caller who joined in a moment later: it is looked at until so long after it was one.
const WATCHED_MS: u64 = 240;
/// An echo, and nobody who speaks.
const ECHO: f32 = 0.5;

/// One overlap.
pub(super) struct Overlap {
    onset: MediaTime,
    /// When it last was an echo.
    echo_at: Option<MediaTime>,
    /// None: nothing was to be heard yet, or only a hiss.
    echo: Option<f32>,
}

impl Overlap {
    pub(super) fn new(onset: MediaTime) -> Self {
        Self { onset, echo_at: None, echo: None }
    }

    /// Is it ours, as far as is known?
    pub(super) fn is_echo(&self) -> bool {
        self.echo.is_some_and(|echo| echo >= ECHO)
    }

    /// Looks at what was heard until `now`.
    pub(super) fn look(
        &mut self,
        now: MediaTime,
        echo: &mut EchoFinder,
        steps: &VecDeque<Heard>,
        caller: &Caller,
    ) -> Option<OverlapCue> {
        if now.ms_since(self.onset) < FIRST_MS {
            return None;
        }
        // Where nothing is to be heard, the last answer stands.
        self.echo = echo.share().or(self.echo);
        if self.is_echo() {
            self.echo_at = Some(now);
        }
        let backchannel =
            backchannel::features(steps, self.onset, now).map_or(0.0, |features| backchannel::score(&features));
        let level_db = caller.level_dbfs().zip(level_dbfs(steps, self.onset)).map(|(usual, level)| level - usual);
        // Nobody interrupts with a hiss alone, and ours comes back.
        let echo = self.echo.unwrap_or(1.0);
        Some(OverlapCue { onset: self.onset, covers: now, echo, backchannel, level_db })
    }

    /// Nothing more is to be said of it.
    pub(super) fn over(&self, now: MediaTime, speaking: bool) -> bool {
        let watched = speaking && self.echo_at.is_some_and(|at| now < at.plus_ms(WATCHED_MS));
        now.ms_since(self.onset) >= LAST_MS && !watched
    }
}

/// The level of the louder half of what was heard since `onset`.
fn level_dbfs(steps: &VecDeque<Heard>, onset: MediaTime) -> Option<f32> {
    let since =
        || steps.iter().filter(move |heard| heard.end > onset).map(|heard| 10f32.powf(heard.step.level_dbfs / 10.0));
    let count = since().count().max(1) as f32;
    let mean = since().sum::<f32>() / count;
    let (sum, loud) =
        since().filter(|power| *power >= mean).fold((0f32, 0f32), |(sum, n), power| (sum + power, n + 1.0));
    (loud > 0.0).then(|| 10.0 * (sum / loud).max(1e-10).log10())
}
