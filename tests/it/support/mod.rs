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
