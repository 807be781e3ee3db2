//! Builds every part and joins them.
