use super::super::audible::Spurt;
use super::super::measure::{Said, measure};
use super::*;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn said(text: &str, began: u64, ended: u64) -> Said {
    let (began, ended) = (at(began), at(ended));
    let (text, longest_pause) = (Some(text.into()), at(250));
    Said { text, keys: None, aside: None, interrupting: false, began, ended, longest_pause, complete: true }
}

fn caller(text: &str, began: u64, ended: u64) -> Observed {
    Observed { speaker: ObservedSpeaker::Caller, text: text.into(), began: at(began), ended: at(ended), emotion: None }
}

fn agent(text: &str, began: u64, ended: u64, decided: Option<u64>) -> Observed {
    let speaker = ObservedSpeaker::Agent { decided: decided.map(at), endpoint_wait_ms: decided.map(|_| 300) };
    Observed { speaker, text: text.into(), began: at(began), ended: at(ended), emotion: None }
}

fn example() -> Report {
    let spurts = [(1200, 3000), (5340, 7260), (9500, 11_000)].map(|(a, b)| Spurt { began: at(a), ended: at(b) });
    let turns = measure(&[said("yes it is", 4000, 5000), said("stop", 7000, 7600)], &spurts);
    let observed = [
        agent("Hello.", 1190, 3000, None),
        caller("yes it", 4020, 4600),
        caller("is", 4800, 5010),
        agent("Good. Shall", 5330, 7260, Some(5310)),
        caller("stop", 7030, 7620),
        agent("Goodbye.", 9490, 11_000, Some(8000)),
    ];
    let mut report = Report::new("test");
    let call = CallReport { peer: "sip:a@127.0.0.1".into(), codec: "PCMU".into(), ..CallReport::default() };
    report.add_call(call, at(1000), &turns, &observed);
    report
}

#[test]
fn joins_both_accounts_of_a_call() {
    let report = example();
    assert_eq!(report.calls[0].greeting_text.as_deref(), Some("Hello."));
    let first = &report.turns[0];
    assert_eq!(first.heard_text.as_deref(), Some("yes it is"));
    assert_eq!(first.agent_text.as_deref(), Some("Good. Shall"));
    assert_eq!((first.gap_ms, first.endpoint_ms), (Some(340.0), Some(310.0)));
    assert_eq!((first.endpoint_wait_ms, first.not_endpoint_ms), (Some(300), Some(40.0)));
    assert_eq!((first.caller_began_ms, first.agent_began_ms), (3000.0, Some(4340.0)));
    let second = &report.turns[1];
    assert_eq!((second.barge_in, second.stop_ms), (true, Some(260.0)));
    assert_eq!(second.heard_text.as_deref(), Some("stop"));
    let summary = &report.summary;
    assert_eq!((summary.turns, summary.gaps, summary.barge_ins, summary.turns_with_pause), (2, 1, 1, 2));
    assert_eq!((summary.gap_p50_ms, summary.not_endpoint_ms_p95), (Some(340.0), Some(40.0)));
}

#[test]
fn the_figures_go_over_all_calls() {
    let mut report = example();
    let failed = CallReport { error: Some("486 Busy Here".into()), ..CallReport::default() };
    report.add_call(failed, at(0), &[], &[]);
    let turns = measure(&[said("no", 1000, 2000)], &[Spurt { began: at(2600), ended: at(3000) }]);
    report.add_call(CallReport { codec: "G722".into(), ..CallReport::default() }, at(0), &turns, &[]);
    let summary = &report.summary;
    assert_eq!((summary.calls, summary.calls_failed, summary.turns, summary.gaps), (3, 1, 3, 2));
    assert_eq!((summary.gap_p50_ms, summary.gap_p95_ms), (Some(340.0), Some(600.0)));
    assert_eq!(summary.codecs, ["G722", "PCMU"]);
    assert_eq!(report.turns.iter().map(|t| (t.call, t.turn)).collect::<Vec<_>>(), [(1, 1), (1, 2), (3, 1)]);
}

#[test]
fn the_schema_is_what_readers_rely_on() {
    let mut report = example();
    report.set_engines(EngineNames { asr: vec!["scripted".into()], ..EngineNames::default() });
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for key in
        ["caller_text", "heard_text", "agent_text", "gap_ms", "endpoint_ms", "endpoint_wait_ms", "barge_in", "stop_ms"]
    {
        assert!(keys(&json["turns"][0]).iter().any(|k| k == key), "turn has no {key}");
    }
    for key in [
        "gap_p50_ms",
        "gap_p95_ms",
        "gap_p99_ms",
        "turns",
        "false_cutoffs",
        "not_endpoint_ms_p50",
        "not_endpoint_ms_p95",
        "engines",
        "scripted_recogniser",
    ] {
        assert!(keys(&json["summary"]).iter().any(|k| k == key), "summary has no {key}");
    }
    assert_eq!(json["definition"]["audible_dbfs"], -50.0);
    assert_eq!(json["summary"]["scripted_recogniser"], true);
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}
