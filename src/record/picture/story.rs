//! From the stages of a call to what is drawn: stretches of time and moments.

use crate::audio::MediaTime;
use crate::record::{CallRecord, MoodCue, MoodSwitch, Speaker, Stage, TimelineEvent};

/// What a stretch of time was spent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The caller spoke.
    Speech,
    /// Silence that ended with the decision.
    Wait,
    /// Silence that ended because the caller went on.
    Pause,
    /// An answer held ready that was said.
    Kept,
    /// An answer held ready that was thrown away.
    Dropped,
    /// The agent was turned down.
    Ducked,
    /// The agent was paused.
    Paused,
    /// From the caller's last sample to the first packet of the answer.
    Gap,
}

/// A stretch of time, in milliseconds of the call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stretch {
    pub kind: Kind,
    pub from_ms: f64,
    pub to_ms: f64,
}

/// A moment that has a mark and a label.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Moment {
    pub at_ms: f64,
    pub class: &'static str,
    pub label: String,
}

/// New words of the caller.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Words {
    pub at_ms: f64,
    pub text: String,
}

/// All that is drawn besides the voices.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Story {
    pub stretches: Vec<Stretch>,
    pub moments: Vec<Moment>,
    pub words: Vec<Words>,
}

fn ms(at: MediaTime) -> f64 {
    at.ms_since(MediaTime::ZERO)
}

/// The stages in the order of their times; of a record without any (an older one), those that its turns tell.
fn stages(record: &CallRecord) -> Vec<TimelineEvent> {
    let mut events = record.timeline.events.clone();
    if events.is_empty() {
        for turn in &record.turns {
            let mut add = |at: Option<MediaTime>, what: Stage| events.extend(at.map(|at| TimelineEvent::new(at, what)));
            match (turn.speaker, turn.latency) {
                (Speaker::Caller, _) if turn.dtmf.is_empty() => {
                    add(Some(turn.began), Stage::SpeechStarted);
                    add(Some(turn.ended), Stage::SpeechPaused);
                }
                (Speaker::Agent, Some(latency)) => {
                    add(latency.decided, Stage::Decided { wait_ms: latency.endpoint_wait_ms });
                    add(latency.first_audio, Stage::LineReady);
                    add(latency.first_packet, Stage::FirstPacket);
                }
                _ => {}
            }
            if turn.speaker == Speaker::Agent && turn.interrupted {
                add(Some(turn.ended), Stage::Stopped);
            }
        }
    }
    // An edge is reported when it is certain and dated back to its sample.
    events.sort_by_key(|event| event.at);
    events
}

/// The words of `now` that were not in `before`, or all from the first changed word on, marked as a change of mind.
fn new_words(before: &str, now: &str) -> String {
    let common: usize = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    if common == before.len() && !now[common..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return now[common..].trim().to_owned();
    }
    let start = match now[..common].rfind(' ') {
        Some(space) => space + 1,
        None if now.is_ascii() => 0,
        None => common,
    };
    let rest = now[start..].trim();
    if common == before.len() || rest.is_empty() { rest.to_owned() } else { format!("↺ {rest}") }
}

/// What the agent takes the caller for, and why: "impatient: explicit words, barge ins".
fn mood_label(switch: &MoodSwitch) -> String {
    let name = |cue: &MoodCue| {
        let name = serde_json::to_value(cue.cue).ok();
        name.and_then(|name| name.as_str().map(|name| name.replace('_', " "))).unwrap_or_default()
    };
    let cues: Vec<String> = switch.cues.iter().map(name).collect();
    format!("{}: {}", switch.kind.name(), cues.join(", "))
}

/// What is to be drawn of a record.
pub(super) fn story(record: &CallRecord) -> Story {
    let mut story = Story::default();
    let mut add = |kind, from: Option<f64>, to_ms: f64| {
        if let Some(from_ms) = from.filter(|from| *from <= to_ms) {
            story.stretches.push(Stretch { kind, from_ms, to_ms });
        }
    };
    let (mut speech, mut silence, mut held, mut ducked, mut hushed) = (None, None, None, None, None);
    let mut heard = String::new();
    // Only the first line of an answer tells of its latency.
    let mut answering = false;
    let (mut moments, mut words) = (Vec::new(), Vec::new());
    for event in stages(record) {
        let at = ms(event.at);
        let mut mark = |class, label: &str| moments.push(Moment { at_ms: at, class, label: label.to_owned() });
        match event.what {
            Stage::SpeechStarted => {
                add(Kind::Pause, silence.take(), at);
                speech = speech.or(Some(at));
            }
            Stage::SpeechPaused => {
                add(Kind::Speech, speech.take(), at);
                silence = Some(at);
            }
            Stage::Partial { text } => {
                let new = new_words(&heard, &text);
                if !new.is_empty() {
                    words.push(Words { at_ms: at, text: new });
                }
                heard = text;
            }
            Stage::Flushed => mark("flush", "flush"),
            Stage::Final { text } => {
                mark("final", if text.is_empty() { "final (nothing)" } else { "final" });
            }
            Stage::Speculated => {
                mark("begun", "answer begun");
                held = Some(at);
            }
            Stage::SpeculationKept => add(Kind::Kept, held.take(), at),
            Stage::SpeculationDropped => {
                add(Kind::Dropped, held.take(), at);
                mark("dropped", "thrown away");
            }
            Stage::Decided { wait_ms } => {
                add(Kind::Wait, silence.take(), at);
                heard.clear();
                answering = true;
                mark("decided", &format!("turn over (wait {wait_ms})"));
            }
            Stage::LineReady if answering || held.is_some() => mark("ready", "line ready"),
            Stage::FirstPacket if answering => {
                mark("packet", "first packet");
                answering = false;
            }
            Stage::LineReady | Stage::FirstPacket | Stage::LineEnded => {}
            Stage::Ducked => {
                mark("ducked", "turned down");
                ducked.get_or_insert(at);
            }
            Stage::Hushed => {
                add(Kind::Ducked, ducked.take(), at);
                mark("hushed", "paused");
                hushed.get_or_insert(at);
            }
            Stage::Unducked => {
                add(Kind::Ducked, ducked.take(), at);
                add(Kind::Paused, hushed.take(), at);
                mark("ducked", "up again");
            }
            Stage::Stopped => {
                add(Kind::Ducked, ducked.take(), at);
                add(Kind::Paused, hushed.take(), at);
                mark("stopped", "stopped");
            }
            Stage::Filler => mark("filler", "filler"),
            Stage::EngineSwitched { kind, to } => mark("switch", &format!("{kind} → {to}")),
        }
    }
    for switch in &record.moods {
        let label = if switch.on { mood_label(switch) } else { format!("no longer {}", switch.kind.name()) };
        moments.push(Moment { at_ms: ms(switch.at), class: "mood", label });
    }
    moments.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    story.moments = moments;
    story.words = words;
    for latency in record.turns.iter().filter_map(|turn| turn.latency) {
        if let (Some(from), Some(to)) = (latency.speech_end, latency.first_packet)
            && from < to
        {
            story.stretches.push(Stretch { kind: Kind::Gap, from_ms: ms(from), to_ms: ms(to) });
        }
    }
    story
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_of_a_partial_is_shown() {
        for (before, now, new) in [
            ("", "what", "what"),
            ("what", "what time does", "time does"),
            ("what time", "what time", ""),
            ("what tide", "what time does", "↺ time does"),
            ("what ti", "what time", "time"),
            ("我想", "我想知道", "知道"),
            ("我响", "我想知道", "↺ 想知道"),
        ] {
            assert_eq!(new_words(before, now), new, "{before} > {now}");
        }
    }
}
