use super::*;
use crate::speech::VoiceChange;

fn facts(text: &str) -> TurnFacts {
    TurnFacts { text: text.to_owned(), voiced_ms: 1_500, gap_ms: Some(500.0), ..TurnFacts::default() }
}

fn emotion(anger: f32, label: EmotionLabel, probability: f32) -> Emotion {
    Emotion {
        at: MediaTime::from_ms(10),
        heard_ms: 1_200,
        label,
        probability,
        arousal: anger,
        valence: 0.4,
        anger,
        voice: VoiceChange::default(),
        turn_final: true,
    }
}

fn at(n: u64) -> MediaTime {
    MediaTime::from_ms(n * 1000)
}

#[test]
fn nothing_is_looked_at_where_it_is_off() {
    let mut mood = Mood::new(MoodConfig { track: false, ..MoodConfig::default() });
    assert_eq!(mood.heard(emotion(0.9, EmotionLabel::Anger, 0.9)), None);
    assert_eq!(mood.turn(at(1), &facts("hurry up")), None);
    assert!(!mood.feeling().tracked && !mood.feeling().impatient && mood.on().next().is_none());
}

#[test]
fn every_turn_says_what_was_noticed() {
    let mut mood = Mood::new(MoodConfig::default());
    mood.heard(emotion(0.2, EmotionLabel::Neutral, 0.7)).unwrap();
    let (turn, switches) = mood.turn(at(1), &facts("what does it cost")).unwrap();
    assert!(switches.is_empty());
    assert_eq!(turn.voice.as_ref().unwrap().label, "neutral");
    assert!(turn.cues.iter().any(|cue| cue.cue == MoodCueKind::Anger), "kept though it is not enough: {turn:?}");
    // No engine spoke in this turn.
    let (turn, switches) = mood.turn(at(2), &facts("get to the point")).unwrap();
    assert_eq!(turn.voice, None);
    assert_eq!(switches.len(), 1);
    assert!(switches[0].on && switches[0].kind == MoodKind::Impatient, "{switches:?}");
    assert_eq!(mood.on().collect::<Vec<_>>(), [MoodKind::Impatient]);
}

#[test]
fn anger_is_told_after_two_turns_and_ends_after_a_calm_one() {
    let mut mood = Mood::new(MoodConfig::default());
    let mut told = Vec::new();
    for (n, anger) in [0.8, 0.3, 0.8, 0.7, 0.55, 0.2].into_iter().enumerate() {
        mood.heard(emotion(anger, EmotionLabel::Anger, anger));
        let (_, switches) = mood.turn(at(n as u64), &facts("i want my money back")).unwrap();
        told.extend(switches.iter().filter(|s| s.kind == MoodKind::Angry).map(|s| (n, s.on)));
    }
    assert_eq!(told, [(3, true), (5, false)]);
}

#[test]
fn only_the_callers_usual_way_teaches_it() {
    let mut mood = Mood::new(MoodConfig::default());
    let mut usual = |text: &str, anger: f32| {
        mood.heard(emotion(anger, EmotionLabel::Anger, anger));
        mood.turn(at(1), &facts(text)).unwrap();
        mood.was_usual()
    };
    assert!(usual("what does it cost", 0.2));
    assert!(!usual("what does it cost", 0.7), "an angry voice is not the measure of later ones");
    assert!(!usual("get to the point", 0.2), "nor is one of whom it is known that patience is at an end");
}

#[test]
fn what_a_model_is_told_of_the_caller_can_be_left_out_of_logs() {
    let mut mood = Mood::new(MoodConfig::default());
    mood.turn(at(1), &facts("get to the point"));
    assert_eq!(mood.in_words(), "The caller sounds impatient; be brief.");
    let told = format!("Answer the question.\n\n{}", mood.in_words());
    assert_eq!(without_mood(&told), "Answer the question.");
    assert_eq!(without_mood("Answer the question."), "Answer the question.");
}

#[test]
fn hello_at_the_beginning_is_a_greeting() {
    let mut mood = Mood::new(MoodConfig::default());
    let mut hello = || mood.turn(at(1), &facts("hello")).unwrap().0.cues.iter().any(|c| c.cue == MoodCueKind::Hello);
    assert_eq!([hello(), hello()], [false, true]);
}

#[test]
fn what_is_said_by_hand_counts_until_it_is_taken_back() {
    let mut mood = Mood::new(MoodConfig::default());
    let mut on = |likely| {
        mood.presume(likely);
        mood.turn(at(1), &facts("yes")).unwrap();
        mood.feeling().impatient
    };
    assert_eq!(
        [on(Some(0.5)), on(Some(0.95)), on(Some(0.5)), on(Some(0.1)), on(None)],
        [false, true, true, false, false]
    );
}

#[test]
fn an_emotion_of_a_short_sound_is_not_believed() {
    let mut mood = Mood::new(MoodConfig::default());
    mood.heard(Emotion { heard_ms: 200, ..emotion(0.99, EmotionLabel::Anger, 0.99) });
    assert_eq!(mood.turn(at(1), &facts("yes")).unwrap().0.voice, None);
    mood.heard(Emotion { anger: f32::NAN, ..emotion(0.9, EmotionLabel::Anger, 0.9) });
    assert_eq!(mood.turn(at(2), &facts("yes")).unwrap().0.voice, None, "no number is no measurement");
}
