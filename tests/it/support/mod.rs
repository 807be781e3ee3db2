//! What several test modules share.

pub mod deepgram;
pub mod peer;
pub mod realtime;
pub mod sales;
pub mod wake;
pub mod wire;
