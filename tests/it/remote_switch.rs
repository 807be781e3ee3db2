//! `tipring bench switch`: every fault of every kind of engine is survived, and the next one of the chain serves in time.

use std::process::Command;

#[test]
fn every_fault_of_every_kind_is_survived_within_a_second_and_a_half() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(["bench", "switch", "--rounds", "2", "--json", "--log", "error"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds = figures["kinds"].as_object().unwrap();
    assert_eq!(kinds.len(), 7, "{figures}");
    for (kind, figures) in kinds {
        // A realtime server that breaks while it answers has still heard.
        let least = if kind == "asr_realtime" { 8 } else { 18 };
        assert!(figures["n"].as_u64().unwrap() >= least, "{kind}: {figures}");
        assert!(figures["p95_ms"].as_f64().unwrap() <= 1500.0, "{kind}: {figures}\n{error}");
    }
}
