//! What is counted of simulated callers.

use super::tally::{pauses, stopped};
use super::*;
use crate::audio::{CodecKind, MediaTime};
use crate::phone::{Aside, CallLog, End, HeardStats, HeldCall, Said, Spurt};
use crate::record::{Stage, TimelineEvent};
use crate::sim::{Part, Phase};
use std::time::Instant;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn act(deed: Deed, holds: &[bool]) -> sim::Act {
    let part = |at_complete| Part { pause_ms: 300, at_complete, text: "x".into() };
    let parts = std::iter::once(false).chain(holds.iter().copied()).map(part).collect();
    sim::Act { when: When::Later(0), deed, parts }
}

fn said(aside: Option<Aside>, began: u64, ended: u64) -> Said {
    Said {
        text: None,
        keys: None,
        aside,
        interrupting: false,
        began: at(began),
        ended: at(ended),
        longest_pause: Duration::ZERO,
        complete: true,
    }
}

#[test]
fn a_call_is_counted_as_it_was_heard() {
    let caller = Caller {
        voice: 0,
        acts: vec![
            act(Deed::Turn, &[true, false]),
            act(Deed::Backchannel, &[]),
            act(Deed::BargeIn(Phase::Middle), &[]),
            act(Deed::Turn, &[false]),
            act(Deed::Noise, &[]),
        ],
        // The echo is the telephone's, not the caller's own: it counts all the same.
        echo_ms: None,
        neighbours: false,
    };
    let spurt = |began, ended| Spurt { began: at(began), ended: at(ended) };
    let log = CallLog {
        origin: Instant::now(),
        answered: Some(at(0)),
        ended: at(30_000),
        said: vec![
            said(None, 2000, 4000),
            said(Some(Aside::Backchannel), 5000, 5300),
            said(None, 6000, 7000),
            said(None, 10_000, 12_000),
            said(Some(Aside::Noise), 13_000, 13_200),
        ],
        // The answer to the first turn is interrupted and silent after 250 ms; the second turn is cut off.
        spurts: vec![
            spurt(100, 1500),
            spurt(4450, 6250),
            spurt(7500, 8500),
            spurt(11_000, 11_500),
            spurt(12_500, 15_000),
        ],
        recording: None,
        packets_sent: 0,
        send_late_max_ms: 3.0,
        heard: HeardStats::default(),
    };
    let held = HeldCall { peer: "p".into(), sip_call_id: "c".into(), codec: CodecKind::G722, end: End::WeHungUp, log };
    // Stopped for the backchannel, for the interruption, and once for nothing.
    let inside = Inside {
        stops: vec![at(5400), at(6250), at(8900)],
        ducks: vec![at(6110)],
        hushes: vec![at(8000)],
        pauses: vec![(at(8000), at(8600))],
    };
    let mut tally = Tally::default();
    tally.add(&caller, true, &held, Some(&inside));
    let figures = tally.finish();
    assert_eq!((figures.turns, figures.gaps, figures.gap_p50_ms, figures.missed), (3, 1, Some(450.0), 0));
    assert_eq!((figures.holds, figures.holds_at_complete_percent), (3, 33.3));
    assert_eq!((figures.false_cutoffs, figures.false_cutoff_percent, figures.turns_cut_off_percent), (1, 33.3, 50.0));
    assert_eq!(
        (figures.barge_ins, figures.barge_in_recall_percent, figures.stop_p50_ms),
        (1, Some(100.0), Some(250.0))
    );
    assert_eq!((figures.ducked, figures.ducked_p50_ms), (1, Some(110.0)));
    assert_eq!((figures.backchannels, figures.backchannel_false_stops), (1, 1));
    assert_eq!((figures.backchannel_pauses, figures.self_pauses), (0, 1));
    assert_eq!((figures.noises, figures.noise_false_stops), (1, 0));
    assert_eq!((figures.echo_calls, figures.self_interruptions), (1, 1));
    assert!(told(&figures).starts_with("SIMULATED"));
}

#[test]
fn a_pause_is_one_that_the_agent_came_back_from() {
    let at = MediaTime::from_ms;
    let stages = [
        (100, Stage::Ducked),
        (120, Stage::Unducked),
        (300, Stage::Hushed),
        (900, Stage::Unducked),
        (1_000, Stage::Hushed),
        (1_400, Stage::Stopped),
        (1_980, Stage::FirstPacket),
        (2_000, Stage::Ducked),
        (2_100, Stage::Unducked),
    ];
    let events: Vec<_> = stages.map(|(ms, stage)| TimelineEvent::new(at(ms), stage)).into();
    assert_eq!(
        (stopped(&events, at(1_020)), stopped(&events, at(1_960))),
        (at(1_400), at(1_960)),
        "silent, then cut; cut by an answer"
    );
    assert_eq!(pauses(&events).collect::<Vec<_>>(), [(at(300), at(900))]);
}

#[test]
fn without_a_voice_recordings_are_asked_for() {
    let error = Cast::new("zh", None).err().unwrap().to_string();
    assert!(error.contains("--speech"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = Cast::new("zh", Some(dir.path())).err().unwrap().to_string();
    assert!(error.contains("no .wav"), "{error}");
}
