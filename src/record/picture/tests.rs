use super::super::{
    CallParty, Direction, EmotionPoint, EndReason, EngineNames, MediaReport, MoodCue, MoodCueKind, MoodKind,
    MoodSwitch, RECORD_VERSION, Stage, Timeline, TimelineEvent, TurnLatency,
};
use super::*;
use crate::audio::MediaTime;
use crate::id::CallId;
use proptest::prelude::*;

fn record(turns: Vec<TurnRecord>, events: Vec<(u64, Stage)>) -> CallRecord {
    let mut timeline = Timeline::default();
    for (at, what) in events {
        timeline.push(TimelineEvent::new(MediaTime::from_ms(at), what));
    }
    CallRecord {
        version: RECORD_VERSION,
        id: CallId::from_parts(0, 0),
        direction: Direction::Inbound,
        party: CallParty::default(),
        flow: "welcome".into(),
        began: time::OffsetDateTime::UNIX_EPOCH,
        answered: None,
        ended: time::OffsetDateTime::UNIX_EPOCH,
        duration_ms: 8000,
        end_reason: EndReason::Completed,
        last_state: None,
        disposition: None,
        slots: Default::default(),
        turns,
        timeline,
        sales: Default::default(),
        moods: Vec::new(),
        emotion: Vec::new(),
        llm: Default::default(),
        engines: EngineNames::default(),
        media: MediaReport { codec: "G722".into(), ..MediaReport::default() },
        recording: None,
        recording_frames_dropped: 0,
    }
}

fn turn(speaker: Speaker, text: &str, began: u64, ended: u64) -> TurnRecord {
    TurnRecord {
        speaker,
        text: text.into(),
        intended: None,
        state: "s".into(),
        began: MediaTime::from_ms(began),
        ended: MediaTime::from_ms(ended),
        confidence: None,
        interrupted: false,
        dtmf: String::new(),
        latency: None,
        notes: Default::default(),
        emotion: None,
    }
}

fn answer(text: &str, speech_end: u64, first_packet: u64, ended: u64) -> TurnRecord {
    let at = |ms| Some(MediaTime::from_ms(ms));
    let latency = TurnLatency {
        speech_end: at(speech_end),
        decided: at(first_packet - 20),
        first_token: None,
        first_audio: at(first_packet - 10),
        first_packet: at(first_packet),
        endpoint_wait_ms: 300,
    };
    TurnRecord { latency: Some(latency), ..turn(Speaker::Agent, text, first_packet, ended) }
}

/// Every element is closed: the picture has no others than these.
fn assert_sound(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for name in ["text", "title", "rect", "circle"] {
        let opened = svg.matches(&format!("<{name} ")).count() + svg.matches(&format!("<{name}>")).count();
        let closed = svg.matches(&format!("</{name}>")).count();
        // The page is a rectangle without a tip.
        let alone = usize::from(name == "rect");
        assert_eq!(opened, closed + alone, "{name}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn the_gap_the_words_and_the_stages_are_in_the_picture() {
    let events = vec![
        (1000, Stage::SpeechStarted),
        (1300, Stage::Partial { text: "what".into() }),
        (1600, Stage::Partial { text: "what time <is>".into() }),
        (2000, Stage::SpeechPaused),
        (2090, Stage::Flushed),
        (2100, Stage::Speculated),
        (2150, Stage::Final { text: "what time is it".into() }),
        (2380, Stage::Decided { wait_ms: 380 }),
        (2380, Stage::SpeculationKept),
        (2400, Stage::FirstPacket),
        (3000, Stage::Ducked),
        (3080, Stage::Hushed),
        (3200, Stage::Stopped),
    ];
    let turns = vec![turn(Speaker::Caller, "what time is it", 1000, 2000), answer("It is noon", 2000, 2400, 3220)];
    let svg = picture(&record(turns, events), &Waves::default());
    assert_sound(&svg);
    for wanted in
        [">400 ms</text>", ">what</text>", ">time &lt;is&gt;</text>", "turn over (wait 380)", ">It is noon</text>"]
    {
        assert!(svg.contains(wanted), "no {wanted}");
    }
    assert!(svg.contains("answers begun early: 1 said, 0 thrown away"));
    assert!(svg.contains("agent turned down: 80 ms from 3.00 s") && svg.contains("agent paused: 120 ms from 3.08 s"));
}

#[test]
fn an_older_record_shows_what_its_turns_tell() {
    let turns = vec![turn(Speaker::Caller, "yes", 1000, 1500), answer("Good", 1500, 1950, 2500)];
    let svg = picture(&record(turns, Vec::new()), &Waves::default());
    assert_sound(&svg);
    assert!(svg.contains("silence waited for: 430 ms") && svg.contains(">450 ms</text>"));
}

#[test]
fn an_answer_that_crosses_the_rows_goes_on_in_the_next() {
    let words = "one two three four five six seven eight nine ten";
    let svg = picture(&record(vec![turn(Speaker::Agent, words, 3000, 7000)], Vec::new()), &Waves::default());
    let lines: Vec<&str> = svg.lines().filter(|line| line.contains("class=\"line\"")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains(">one two") && lines[1].contains("ten</text>"));
}

#[test]
fn an_hour_stays_small() {
    let mut waves = Waves::default();
    for n in 0..3600 * 50i32 {
        waves.push(&[(n % 3000) as i16 * 10; 320], &[(n % 500) as i16 * 40; 320]);
    }
    let svg = picture(&CallRecord { duration_ms: 3_600_000, ..record(Vec::new(), Vec::new()) }, &waves);
    assert_sound(&svg);
    assert!(svg.len() < 1_500_000, "{} bytes", svg.len());
}

#[test]
fn how_the_caller_sounded_is_under_the_voice_and_the_switch_says_why() {
    let turns = vec![turn(Speaker::Caller, "get to the point", 1000, 2000), answer("Yes?", 2000, 2400, 3220)];
    let plain = record(turns, Vec::new());
    let waves = Waves { pitch: vec![100; 150], loudness: vec![140; 150], ..Waves::default() };
    let svg = picture(&plain, &waves);
    assert!(!svg.contains("class=\"pitch\"") && !svg.contains(">arousal<"), "nothing of a call without emotion");
    let point = |ms, arousal| EmotionPoint { at: MediaTime::from_ms(ms), arousal, anger: 0.3 };
    let cue = MoodCueKind::ExplicitWords;
    let switch = MoodSwitch {
        at: MediaTime::from_ms(2380),
        kind: MoodKind::Impatient,
        on: true,
        score: 0.9,
        cues: vec![MoodCue { channel: cue.channel(), cue, value: 1.0 }],
        effects: vec!["concise".into()],
    };
    let emotion = vec![point(1500, 0.5), point(2000, 0.75)];
    let sounding = CallRecord { emotion, moods: vec![switch], ..plain };
    let svg = picture(&sounding, &waves);
    assert_sound(&svg);
    for wanted in [
        "class=\"pitch\"",
        "class=\"loud\"",
        "class=\"arousal\"",
        ">arousal</text>",
        "aroused 0.75, angry 0.30 at 2.00 s",
        ">impatient: explicit words</text>",
    ] {
        assert!(svg.contains(wanted), "no {wanted}");
    }
}

proptest! {
    #[test]
    fn whatever_is_in_a_record_makes_a_sound_picture(
        // No word may look like a number that is none.
        events in prop::collection::vec((0u64..20_000, 0usize..17, "[a-hj-z <&我 ]{0,12}"), 0..60),
        turns in prop::collection::vec((any::<bool>(), 0u64..20_000, 0u64..5000, "\\PC{0,40}"), 0..10),
        steps in 0usize..2500,
    ) {
        let stage = |n: usize, text: String| match n {
            0 => Stage::SpeechStarted,
            1 => Stage::SpeechPaused,
            2 | 3 => Stage::Partial { text },
            4 => Stage::Flushed,
            5 => Stage::Final { text },
            6 => Stage::Speculated,
            7 => Stage::SpeculationKept,
            8 => Stage::SpeculationDropped,
            9 => Stage::Decided { wait_ms: 300 },
            10 => Stage::LineReady,
            11 => Stage::FirstPacket,
            12 => Stage::Ducked,
            13 => Stage::Unducked,
            14 => Stage::Stopped,
            15 => Stage::Hushed,
            _ => Stage::EngineSwitched { kind: "asr".into(), to: text },
        };
        let events = events.into_iter().map(|(at, n, text)| (at, stage(n, text))).collect();
        let turns = turns.into_iter().map(|(agent, at, length, text)| match agent {
            true => answer(&text, at, at + 400, at + 400 + length),
            false => turn(Speaker::Caller, &text, at, at + length),
        });
        let waves = Waves {
            caller: vec![90; steps],
            agent: vec![120; steps / 2],
            pitch: (0..steps / 2).map(|n| (n * 7) as u8).collect(),
            loudness: (0..steps / 3).map(|n| (n * 5) as u8).collect(),
        };
        let at = MediaTime::from_ms(steps as u64);
        let emotion = vec![EmotionPoint { at, arousal: steps as f32 / 2500.0, anger: 0.1 }; steps % 4];
        let record = CallRecord { emotion, ..record(turns.collect(), events) };
        assert_sound(&picture(&record, &waves));
    }
}
