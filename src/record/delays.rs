//! How long the stages of answers took, read off a call's timeline.

use super::timeline::{Stage, Timeline};
use crate::audio::MediaTime;

/// The delays of a call's answers, in milliseconds, in the order in which they came about.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Delays {
    /// From the point at which an answer was begun ahead to its first frame, of the answers that were not dropped before.
    pub eager_to_ready_ms: Vec<f64>,
    /// From the decision that a turn is over to the first packet of the answer, of the answers whose first frame was there.
    pub decided_to_packet_ms: Vec<f64>,
}

impl Delays {
    /// Reads them off.
    pub fn of(timeline: &Timeline) -> Self {
        let mut delays = Self::default();
        let (mut begun, mut decided) = (None::<MediaTime>, None::<MediaTime>);
        let mut ready = false;
        for event in &timeline.events {
            match event.what {
                Stage::Speculated => (begun, ready) = (Some(event.at), false),
                Stage::SpeculationDropped => (begun, ready) = (None, false),
                Stage::LineReady => {
                    if let Some(begun) = begun.take() {
                        delays.eager_to_ready_ms.push(event.at.ms_since(begun));
                        // What was not there at the decision says nothing about the way from there to the packet.
                        ready = decided.is_none();
                    }
                }
                Stage::Decided { .. } => decided = Some(event.at),
                Stage::FirstPacket => {
                    if let Some(decided) = decided.take()
                        && std::mem::take(&mut ready)
                    {
                        delays.decided_to_packet_ms.push(event.at.ms_since(decided));
                    }
                }
                // The decision was taken back, or the answer was talked over.
                Stage::SpeechStarted | Stage::Stopped => decided = None,
                _ => {}
            }
        }
        delays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TimelineEvent;

    fn delays(events: &[(u64, Stage)]) -> Delays {
        let mut timeline = Timeline::default();
        for (ms, what) in events {
            timeline.push(TimelineEvent::new(MediaTime::from_ms(*ms), what.clone()));
        }
        Delays::of(&timeline)
    }

    #[test]
    fn an_answer_that_was_kept_counts_for_both() {
        let found = delays(&[
            (1000, Stage::SpeechPaused),
            (1150, Stage::Speculated),
            (1180, Stage::LineReady),
            (1400, Stage::Decided { wait_ms: 400 }),
            (1400, Stage::SpeculationKept),
            (1415, Stage::FirstPacket),
            (3000, Stage::FirstPacket),
        ]);
        assert_eq!(found.eager_to_ready_ms, [30.0]);
        assert_eq!(found.decided_to_packet_ms, [15.0]);
    }

    #[test]
    fn what_was_dropped_or_came_late_does_not_count_for_the_way_to_the_packet() {
        let found = delays(&[
            (1150, Stage::Speculated),
            (1160, Stage::SpeculationDropped),
            (2000, Stage::Decided { wait_ms: 400 }),
            (2300, Stage::LineReady),
            (2315, Stage::FirstPacket),
            (5000, Stage::Speculated),
            (5100, Stage::Decided { wait_ms: 300 }),
            (5300, Stage::LineReady),
            (5310, Stage::FirstPacket),
        ]);
        assert_eq!(found.eager_to_ready_ms, [300.0]);
        assert!(found.decided_to_packet_ms.is_empty());
    }
}
