//! The `tipring` binary.
fn main() {}
