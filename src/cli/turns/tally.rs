//! What is counted of simulated callers over RTP.

use super::Figures;
use crate::audio::MediaTime;
use crate::cli::lab::Account;
use crate::phone::{HeldCall, Machine, percentile};
use crate::record::{Speaker, Stage, TimelineEvent};
use crate::sim::{Caller, Deed, Phase};
use std::time::Duration;

/// An interruption has been heard when the agent is silent this soon.
const RECALLED_MS: f64 = 1000.0;
/// The agent stopped because of a sound when it did so within this time of the sound's end.
const BECAUSE: Duration = Duration::from_millis(700);
/// The end of a line's sound and the event of it lie no further apart.
const SAME_MS: u64 = 60;
/// The agent is turned down because of an onset within this time.
const DUCKED_WITHIN_MS: f64 = 600.0;

/// What is counted over all calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub figures: Figures,
    pub gaps: Vec<f64>,
    stops: Vec<f64>,
    ducks: Vec<f64>,
    pauses: Vec<f64>,
    recalled: usize,
    complete_holds: usize,
    turns_cut_off: usize,
}

/// When the agent was stopped by what it took for an interruption, when it turned its voice down, when it fell silent, and from when to when it
/// was silent until it went on; on the telephone's clock.
#[derive(Debug, Default)]
pub(super) struct Inside {
    pub stops: Vec<Duration>,
    pub ducks: Vec<Duration>,
    pub hushes: Vec<Duration>,
    pub pauses: Vec<(Duration, Duration)>,
}

/// When the agent fell silent and went on.
pub(super) fn pauses(events: &[TimelineEvent]) -> impl Iterator<Item = (MediaTime, MediaTime)> {
    let mut since = None;
    events.iter().filter_map(move |event| match event.what {
        Stage::Hushed => {
            since.get_or_insert(event.at);
            None
        }
        // A line that is silent ends only where it is stopped.
        Stage::Stopped | Stage::LineEnded => {
            since = None;
            None
        }
        Stage::Unducked => Some((since.take()?, event.at)),
        _ => None,
    })
}

/// When it was decided to cut the line that was last heard at `ended`: where the agent had fallen silent before, that was later.
pub(super) fn stopped(events: &[TimelineEvent], ended: MediaTime) -> MediaTime {
    let since = events.iter().filter(|event| event.at.plus_ms(SAME_MS) >= ended);
    let mut next = since.filter(|event| matches!(event.what, Stage::Stopped | Stage::FirstPacket));
    // Another line at once: an answer to what was taken for a turn cut this one.
    next.next().filter(|event| event.what == Stage::Stopped).map_or(ended, |event| event.at)
}

impl Inside {
    pub fn of(account: &Account, held: &HeldCall) -> Self {
        let on_phone = |at: MediaTime| at.since(account.origin).saturating_duration_since(held.log.origin);
        let events = &account.record.timeline.events;
        let times = |wanted: fn(&Stage) -> bool| {
            let wanted = events.iter().filter(move |event| wanted(&event.what));
            wanted.map(|event| on_phone(event.at)).collect()
        };
        let turns = account.record.turns.iter();
        let cut = turns.filter(|turn| turn.speaker == Speaker::Agent && turn.interrupted);
        Self {
            stops: cut.map(|turn| on_phone(stopped(events, turn.ended))).collect(),
            ducks: times(|stage| matches!(stage, Stage::Ducked | Stage::Hushed)),
            hushes: times(|stage| *stage == Stage::Hushed),
            pauses: pauses(events).map(|(from, to)| (on_phone(from), on_phone(to))).collect(),
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn percent(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| (1000.0 * part as f64 / of as f64).round() / 10.0)
}

impl Tally {
    /// Adds a call. `echoes`: the agent's voice came back in it.
    pub fn add(&mut self, caller: &Caller, echoes: bool, held: &HeldCall, inside: Option<&Inside>) {
        let figures = &mut self.figures;
        let turns = held.turns();
        let none = Inside::default();
        let inside = inside.unwrap_or(&none);
        // What was begun was begun in order.
        let nexts = turns.iter().skip(1).map(|next| next.said.began).chain([Duration::MAX]);
        for ((act, turn), next) in caller.acts.iter().zip(&turns).zip(nexts) {
            let said = &turn.said;
            // A stop while the next thing is said is for that.
            let because = (said.ended + BECAUSE).min(next);
            let stopped_for_it = inside.stops.iter().any(|at| *at >= said.began && *at <= because);
            match act.deed {
                Deed::Backchannel if turn.barge_in => {
                    figures.backchannels += 1;
                    figures.backchannel_false_stops += usize::from(stopped_for_it);
                    let during =
                        |(from, _): &&(Duration, Duration)| *from >= said.began && *from <= said.ended + BECAUSE;
                    let paused = inside.pauses.iter().find(during).filter(|_| !stopped_for_it);
                    self.pauses.extend(paused.map(|(from, to)| ms(*to) - ms(*from)));
                }
                Deed::Noise if turn.barge_in => {
                    figures.noises += 1;
                    figures.noise_false_stops += usize::from(stopped_for_it);
                }
                // The agent was silent: no harm could be done.
                Deed::Backchannel | Deed::Noise => {}
                Deed::BargeIn(Phase::Opening) if turn.barge_in => figures.opening_barge_ins += 1,
                Deed::Turn | Deed::BargeIn(_) => {
                    let holds = act.parts.iter().skip(1);
                    figures.turns += 1;
                    figures.missed += usize::from(turn.missed);
                    if turn.barge_in {
                        figures.barge_ins += 1;
                        self.recalled += usize::from(turn.stop_ms.is_some_and(|stop| stop <= RECALLED_MS));
                        self.stops.extend(turn.stop_ms);
                        let since = |at: &Duration| ms(*at) - ms(said.began);
                        let soon = |late: &f64| (0.0..DUCKED_WITHIN_MS).contains(late);
                        self.ducks.extend(inside.ducks.iter().map(since).find(soon));
                    } else {
                        // Into an interruption the agent may still be speaking: only clean turns tell of holds.
                        figures.holds += holds.clone().count();
                        self.complete_holds += holds.filter(|hold| hold.at_complete).count();
                        self.turns_cut_off += usize::from(turn.false_cutoff);
                        let cuts = |at: Duration| at >= said.began && at < said.ended;
                        figures.false_cutoffs += held.log.spurts.iter().filter(|spurt| cuts(spurt.began)).count();
                    }
                    self.gaps.extend(turn.gap_ms.filter(|_| turn.is_measured()));
                }
            }
        }
        if echoes {
            figures.echo_calls += 1;
            let provoked = |at: &Duration| turns.iter().any(|t| *at >= t.said.began && *at <= t.said.ended + BECAUSE);
            figures.self_interruptions += inside.stops.iter().filter(|at| !provoked(at)).count();
            figures.self_pauses += inside.hushes.iter().filter(|at| !provoked(at)).count();
        }
        figures.calls += 1;
        figures.send_late_max_ms = figures.send_late_max_ms.max(held.log.send_late_max_ms);
    }

    pub fn finish(mut self) -> Figures {
        let figures = &mut self.figures;
        figures.simulated = true;
        figures.gaps = self.gaps.len();
        figures.gap_p50_ms = percentile(&self.gaps, 50.0);
        figures.gap_p95_ms = percentile(&self.gaps, 95.0);
        figures.gap_p99_ms = percentile(&self.gaps, 99.0);
        figures.holds_at_complete_percent = percent(self.complete_holds, figures.holds).unwrap_or(0.0);
        figures.false_cutoff_percent = percent(figures.false_cutoffs, figures.holds).unwrap_or(0.0);
        figures.turns_cut_off_percent =
            percent(self.turns_cut_off, figures.turns - figures.barge_ins.min(figures.turns)).unwrap_or(0.0);
        figures.barge_in_recall_percent = percent(self.recalled, figures.barge_ins);
        figures.stop_p50_ms = percentile(&self.stops, 50.0);
        figures.stop_p95_ms = percentile(&self.stops, 95.0);
        figures.ducked = self.ducks.len();
        figures.ducked_p50_ms = percentile(&self.ducks, 50.0);
        figures.ducked_p95_ms = percentile(&self.ducks, 95.0);
        figures.backchannel_false_stop_percent = percent(figures.backchannel_false_stops, figures.backchannels);
        figures.backchannel_pauses = self.pauses.len();
        figures.backchannel_pause_p50_ms = percentile(&self.pauses, 50.0);
        figures.backchannel_pause_p95_ms = percentile(&self.pauses, 95.0);
        figures.machine = Machine::here();
        self.figures
    }
}
