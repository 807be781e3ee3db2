//! `tipring demo` as a user runs it: the whole server in another process, a real call in real time.

use std::process::Command;
use tipring::phone::Report;

#[test]
fn a_call_is_held_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(["demo", "--json", "--codec", "pcma", "--dtmf", "1", "--hangup-after", "25", "--report"])
        .arg(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    let printed: Report = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}\n{told}"));
    let file =
        |name: &str| std::fs::read(dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}\n{told}"));
    let written: Report = serde_json::from_slice(&file("report.json")).unwrap();
    assert_eq!(written, printed);

    let call = &printed.calls[0];
    assert_eq!((printed.summary.calls, printed.summary.calls_failed), (1, 0), "{told}");
    assert_eq!((call.codec.as_str(), call.packets_lost), ("PCMA", 0));
    assert!(call.greeting_ms.is_some_and(|ms| ms < 2000.0), "{:?}", call.greeting_ms);
    assert!(call.greeting_text.as_ref().is_some_and(|text| text.contains("automatic assistant")), "{told}");
    let keys = &printed.turns[0];
    assert_eq!(keys.keys.as_deref(), Some("1"));
    assert!(keys.gap_ms.is_some() && !keys.missed, "{told}");
    let engines = printed.summary.engines.unwrap();
    assert!(!engines.vad.is_empty() && !engines.tts.is_empty());
    assert!(!printed.summary.scripted_recogniser);

    // The conversation is on both tracks, and in words on the terminal.
    assert!(told.contains("agent   Hello") && told.contains("caller  [keys 1]"), "{told}");
    let wav = hound::WavReader::new(std::io::Cursor::new(file("call.wav"))).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 16_000));
    let agent: Vec<i16> = wav.into_samples().skip(1).step_by(2).map(Result::unwrap).collect();
    assert!(tipring::audio::level::rms_dbfs(&agent) > -40.0);
    let picture = String::from_utf8(file("timeline.svg")).unwrap();
    assert!(
        picture.starts_with("<svg ") && picture.contains("class=\"wa\"") && told.contains("timeline.svg"),
        "{told}"
    );
    assert!(String::from_utf8(file("transcript.txt")).unwrap().contains("[keys 1]"));
}
