//! What outlives a call on disk.
