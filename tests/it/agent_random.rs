//! Whatever happens in whatever order: no panic, nothing after the end, and an end without the caller's help.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tipring::agent::{Action, Agent, AgentEvent, Flow, Input, TurnConfig};
use tipring::audio::{MediaTime, PlayoutEvent, UtteranceId};
use tipring::record::Speaker;
use tipring::speech::{
    Cue, Emotion, EmotionLabel, EngineKind, Hypothesis, HypothesisKind, Reply, SpeechEdge, VoiceChange,
};

/// Longest time without any input in which the agent must have ended the call: the silences of the shipped flow, its
/// lines never played, a transfer that nobody answers.
const PATIENCE_MS: u64 = 15 * 60_000;

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("yes".to_owned()),
        Just("no thanks".to_owned()),
        Just("call me back".to_owned()),
        Just("on tuesday morning".to_owned()),
        Just("five five five oh one two three".to_owned()),
        Just("who is this".to_owned()),
        Just("operator".to_owned()),
        Just("hurry up".to_owned()),
        Just("what colour is the roof".to_owned()),
        Just("goodbye".to_owned()),
        Just("that is too expensive".to_owned()),
        Just("how do i apply".to_owned()),
        Just("are you a robot".to_owned()),
        Just("i have to ask my wife".to_owned()),
        "\\PC{0,40}",
    ]
}

/// An input, with times relative to now and utterances counted from the last one said.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Deadline,
    Started(u64),
    Paused(u64),
    Heard(u8, String, f32, i64),
    Key(char),
    Sounds(f32, u32),
    Ready(u32, Option<u64>),
    Failed(u32),
    Playout(u8, u32, u64),
    Reply(u32, u8, String),
    Down(u8),
    Transfer(bool),
    Answered,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..3_000).prop_map(Step::Wait),
        4 => Just(Step::Deadline),
        3 => (0u64..400).prop_map(Step::Started),
        3 => (0u64..400).prop_map(Step::Paused),
        4 => (0u8..3, words(), prop_oneof![Just(0.9f32), Just(0.1), Just(f32::NAN)], -500i64..200)
            .prop_map(|(kind, text, confidence, covers)| Step::Heard(kind, text, confidence, covers)),
        1 => prop_oneof![Just('0'), Just('1'), Just('2'), Just('5'), Just('#'), Just('*'), any::<char>()].prop_map(Step::Key),
        2 => (prop_oneof![Just(0.1f32), Just(0.9), Just(f32::NAN), Just(-3.0)], 0u32..3_000)
            .prop_map(|(anger, heard_ms)| Step::Sounds(anger, heard_ms)),
        2 => (0u32..4, proptest::option::of(0u64..200_000)).prop_map(|(back, total)| Step::Ready(back, total)),
        1 => (0u32..4).prop_map(Step::Failed),
        5 => (0u8..3, 0u32..4, 0u64..100_000).prop_map(|(kind, back, played)| Step::Playout(kind, back, played)),
        2 => (0u32..3, 0u8..4, words()).prop_map(|(back, kind, text)| Step::Reply(back, kind, text)),
        1 => (0u8..20).prop_map(Step::Down),
        1 => any::<bool>().prop_map(Step::Transfer),
        1 => Just(Step::Answered),
    ]
}

struct Run {
    agent: Agent,
    now: MediaTime,
    last_line: u32,
    last_ask: u32,
    ended: bool,
    transfers: usize,
}

impl Run {
    fn give(&mut self, input: Input) -> Result<(), TestCaseError> {
        self.agent.handle(self.now, input);
        let mut actions = 0;
        while let Some(action) = self.agent.poll() {
            prop_assert!(!self.ended, "after the end: {action:?}");
            actions += 1;
            prop_assert!(actions < 2_000, "actions without end");
            match action {
                Action::Say { utterance, text } => {
                    prop_assert!(utterance.0 > self.last_line, "numbers go up");
                    prop_assert!(!text.trim().is_empty());
                    self.last_line = utterance.0;
                }
                Action::Ask { ask, .. } => self.last_ask = ask,
                Action::Transfer { .. } => {
                    self.transfers += 1;
                    prop_assert_eq!(self.transfers, 1);
                }
                Action::HangUp(_) => self.ended = true,
                Action::Report(AgentEvent::Turn(turn)) => {
                    prop_assert!(turn.began <= turn.ended);
                    prop_assert!(turn.speaker == Speaker::Caller || turn.intended.is_some() == turn.interrupted);
                }
                _ => {}
            }
        }
        prop_assert_eq!(self.ended, self.agent.has_ended());
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let line = |back: u32, last: u32| UtteranceId(last.saturating_sub(back));
        let at = self.now;
        let input = match step {
            Step::Wait(ms) => {
                self.now = self.now.plus_ms(ms);
                return Ok(());
            }
            Step::Deadline => {
                let Some(deadline) = self.agent.deadline() else { return Ok(()) };
                self.now = self.now.max(deadline);
                Input::Deadline
            }
            Step::Started(ago) => Input::Speech(SpeechEdge::Started { onset: at.minus_ms(ago) }),
            Step::Paused(ago) => Input::Speech(SpeechEdge::Paused { last: at.minus_ms(ago) }),
            Step::Heard(kind, text, confidence, covers) => Input::Heard(Hypothesis {
                kind: [HypothesisKind::Partial, HypothesisKind::Stable, HypothesisKind::Final][usize::from(kind)],
                text,
                confidence,
                covers: if covers < 0 { at.minus_ms(covers.unsigned_abs()) } else { at.plus_ms(covers.unsigned_abs()) },
                degraded: false,
            }),
            Step::Key(key) => Input::Dtmf(key),
            Step::Sounds(anger, heard_ms) => Input::Cue(Cue::Emotion(Emotion {
                at,
                heard_ms,
                label: EmotionLabel::Anger,
                probability: anger,
                arousal: 1.0 - anger,
                valence: anger,
                anger,
                voice: VoiceChange { rate_z: anger * 4.0, pitch_z: 2.0, loudness_z: -anger, baseline_turns: heard_ms },
                turn_final: true,
            })),
            Step::Ready(back, total_samples) => {
                Input::LineReady { utterance: line(back, self.last_line), total_samples }
            }
            Step::Failed(back) => Input::LineFailed { utterance: line(back, self.last_line) },
            Step::Playout(kind, back, played) => {
                let utterance = line(back, self.last_line);
                Input::Playout(match kind {
                    0 => PlayoutEvent::Started { utterance, at },
                    1 => PlayoutEvent::Finished { utterance, at },
                    _ => PlayoutEvent::Cut { utterance, played, at },
                })
            }
            Step::Reply(back, kind, text) => Input::Reply {
                ask: self.last_ask.saturating_sub(back),
                reply: match kind {
                    0 => Reply::Done,
                    1 => Reply::Failed(text),
                    _ => Reply::Delta(text),
                },
            },
            Step::Down(kind) => Input::EngineDown(match kind {
                0 => EngineKind::Vad,
                1 => EngineKind::Asr,
                2 => EngineKind::Tts,
                3 => EngineKind::Llm,
                // Mostly not.
                _ => return Ok(()),
            }),
            Step::Transfer(accepted) => Input::TransferEnded { accepted },
            Step::Answered => Input::Answered,
        };
        self.give(input)
    }
}

fn run(flow: Arc<Flow>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let agent = Agent::new(flow, BTreeMap::new(), TurnConfig::default());
    let mut run = Run { agent, now: MediaTime::ZERO, last_line: 0, last_ask: 0, ended: false, transfers: 0 };
    run.give(Input::Answered)?;
    for step in steps {
        run.step(step)?;
    }
    // From here on nothing comes but the time.
    let since = run.now;
    for _ in 0..10_000 {
        let Some(deadline) = run.agent.deadline() else { break };
        run.now = run.now.max(deadline);
        run.give(Input::Deadline)?;
        prop_assert!(run.agent.deadline().is_none_or(|next| next > run.now), "a deadline stays due");
    }
    prop_assert!(run.ended, "no end, in state '{}'", run.agent.state_name());
    prop_assert!(run.now.ms_since(since) <= PATIENCE_MS as f64, "it took {} ms", run.now.ms_since(since));
    for input in [Input::Answered, Input::Dtmf('1'), Input::Deadline, Input::Over] {
        run.give(input)?;
    }
    prop_assert_eq!(run.agent.deadline(), None);
    Ok(())
}

fn shipped() -> Arc<Flow> {
    static FLOW: std::sync::OnceLock<Arc<Flow>> = std::sync::OnceLock::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows/welcome.toml");
    Arc::clone(FLOW.get_or_init(|| Arc::new(Flow::load(path).unwrap_or_else(|error| panic!("{error}")))))
}

fn selling() -> Arc<Flow> {
    static FLOW: std::sync::OnceLock<Arc<Flow>> = std::sync::OnceLock::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows/credit_card.en.toml");
    Arc::clone(FLOW.get_or_init(|| Arc::new(Flow::load(path).unwrap_or_else(|error| panic!("{error}")))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_confuses_the_agent(steps in proptest::collection::vec(step(), 0..120)) {
        run(shipped(), steps)?;
    }

    #[test]
    fn nor_the_one_who_sells(steps in proptest::collection::vec(step(), 0..120)) {
        run(selling(), steps)?;
    }

    #[test]
    fn a_call_may_be_over_at_any_moment(steps in proptest::collection::vec(step(), 0..60)) {
        let agent = Agent::new(shipped(), BTreeMap::new(), TurnConfig::default());
        let mut run = Run { agent, now: MediaTime::ZERO, last_line: 0, last_ask: 0, ended: false, transfers: 0 };
        run.give(Input::Answered)?;
        for step in steps {
            run.step(step)?;
        }
        run.agent.handle(run.now, Input::Over);
        while let Some(action) = run.agent.poll() {
            prop_assert!(matches!(action, Action::Report(AgentEvent::Turn(_))), "only what was said: {action:?}");
        }
        prop_assert!(run.agent.has_ended());
    }

    #[test]
    fn no_text_is_a_flow_that_panics(text in "(\\PC|\n|\\[|\\]|=|\"){0,200}") {
        let _ = Flow::parse(&text, "random.toml");
    }
}
