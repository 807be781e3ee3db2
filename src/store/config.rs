//! Settings of the store.

use serde::Deserialize;

/// The `[store]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Records kept in memory for the list of calls.
    pub recent: usize,
    /// Synchronise each record with the disk before its call counts as ended. Without it a power cut can lose the last ones.
    pub sync: bool,
    /// Draw the timeline of each answered call beside its recording.
    pub pictures: bool,
    /// Follow pitch and loudness of callers for the pictures: set where how callers sound is looked at and kept.
    #[serde(skip)]
    pub contours: bool,
    /// How often a record that could not be written is tried again, in seconds.
    pub retry_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { recent: 200, sync: true, pictures: true, contours: false, retry_s: 5 }
    }
}
