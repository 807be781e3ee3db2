//! Two telephones hold a call with each other: signalling, media, measuring and the report together.

use std::sync::Arc;
use std::time::Duration;
use tipring::audio::CodecKind;
use tipring::phone::{Act, Config, End, Handset, PhoneError, Plan, Report, Script, Step, Trigger, Utterance};

fn say(trigger: Trigger, ms: usize, text: &str) -> Step {
    let samples = (0..ms * 16).map(|i| if i % 40 < 20 { 5000i16 } else { -5000 }).collect();
    Step { trigger, act: Act::Say(Arc::new(Utterance::annotate(samples, text, Some(text.to_owned())).unwrap())) }
}

fn plan(steps: Vec<Step>, patience_ms: u64) -> Plan {
    let script = Script::new(steps).with_patience(Duration::from_millis(patience_ms));
    Plan { record: true, longest: Duration::from_secs(20), ..Plan::new(script) }
}

async fn handset(codecs: &[CodecKind]) -> Handset {
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), extension: None, codecs: codecs.to_vec() };
    Handset::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_calls_and_the_other_answers() {
    let caller = handset(&CodecKind::ALL).await;
    let mut callee = handset(&[CodecKind::Pcma]).await;
    let target = format!("sip:agent@{}", callee.local_addr());
    let ms = Duration::from_millis;

    // The callee greets, answers after 500 ms of silence, and speaks again 400 ms after that.
    let polite = Trigger::AgentSilent(ms(500));
    let greeting = say(Trigger::Elapsed(ms(200)), 900, "hello");
    let answers = plan(vec![greeting, say(polite, 2000, "one"), say(Trigger::Elapsed(ms(400)), 600, "two")], 8000);
    let answering = tokio::spawn(async move {
        let held = callee.answer(answers, &mut |_| {}).await;
        callee.shutdown().await;
        held
    });
    // The caller asks; then interrupts the answer, which the callee does not mind.
    let asks = plan(vec![say(polite, 700, "ask"), say(Trigger::AgentSpeaking(ms(600)), 500, "interrupt")], 8000);
    let held = caller.call(&target, asks, &mut |_| {}).await.unwrap();
    let answered = answering.await.unwrap().unwrap();
    caller.shutdown().await;

    assert_eq!((held.codec, held.end, answered.end), (CodecKind::Pcma, End::WeHungUp, End::PeerHungUp));
    assert_eq!(held.sip_call_id, answered.sip_call_id);
    let turns = held.turns();
    assert_eq!(turns.len(), 2);
    let gap = turns[0].gap_ms.unwrap();
    // 500 ms of silence, ticks of 20 ms on both sides, the codec's delay twice.
    assert!((495.0..570.0).contains(&gap), "{gap}");
    assert!(turns[1].barge_in && !turns[1].false_cutoff && !turns[1].missed, "{:?}", turns[1]);
    // Interrupted 600 ms into 2000 ms.
    let stop = turns[1].stop_ms.unwrap();
    assert!((1300.0..1450.0).contains(&stop), "{stop}");

    let mut report = Report::new("test");
    report.add_call(held.report(), held.answered(), &turns, &[]);
    assert_eq!((report.summary.turns, report.summary.gaps, report.summary.barge_ins), (2, 1, 1));
    let greeting = report.calls[0].greeting_ms.unwrap();
    assert!((180.0..300.0).contains(&greeting), "{greeting}");
    assert_eq!(report.calls[0].packets_lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_cannot_be_are_refused_with_the_reason() {
    let caller = handset(&[CodecKind::G722]).await;
    let mut callee = handset(&[CodecKind::Pcmu]).await;
    let target = format!("sip:agent@{}", callee.local_addr());
    let answering = tokio::spawn(async move { callee.answer(plan(Vec::new(), 1000), &mut |_| {}).await });
    let error = caller.call(&target, plan(Vec::new(), 1000), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, PhoneError::Refused { status: 488, .. }), "{error}");
    assert!(matches!(answering.await.unwrap(), Err(PhoneError::Media { .. })));
    let error = caller.call("not a target at all", plan(Vec::new(), 1000), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, PhoneError::Signalling(_)), "{error}");
}
