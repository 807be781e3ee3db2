//! Proves that a media tick does not allocate.
