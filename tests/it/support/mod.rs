//! What several test modules share.

// The servers with faults are those of `tipring bench switch`.
#[path = "../../../src/cli/switch/deepgram.rs"]
pub mod deepgram;
#[path = "../../../src/cli/switch/peer.rs"]
pub mod peer;
#[path = "../../../src/cli/switch/realtime.rs"]
pub mod realtime;
pub mod sales;
pub mod wake;
pub mod wire;

/// A test cannot run for want of this: it says so and passes, unless `scripts/test` has installed it (`TIPRING_TEST_ENGINES`).
pub fn skip(what: impl std::fmt::Display) {
    assert!(std::env::var_os("TIPRING_TEST_ENGINES").is_none(), "installed, but: {what}");
    eprintln!("skipped: {what}");
}
