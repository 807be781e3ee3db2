//! Settings of the media threads.

use super::MediaError;
use serde::Deserialize;

/// Settings of the media threads.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// First and last UDP port for RTP and RTCP. A call takes two: an even one and the next.
    pub rtp_ports: (u16, u16),
    /// Media threads; 0 for one per core.
    pub threads: usize,
    /// Ask for real-time scheduling of the media threads. Refused without the right to it (`CAP_SYS_NICE`): then they run
    /// as ordinary threads, after one warning.
    pub realtime: bool,
    /// The longest that a missing packet is waited for, in milliseconds, 20 to 200. Nothing is delayed when none is missing.
    pub jitter_max_ms: u64,
    /// How long the port of an ended call stays closed to the next one, in seconds, so that stale media cannot enter it.
    pub quarantine_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { rtp_ports: (20_000, 29_999), threads: 0, realtime: true, jitter_max_ms: 60, quarantine_s: 30 }
    }
}

impl Config {
    /// Looks for what cannot work.
    ///
    /// # Errors
    /// [`MediaError::BadConfig`], naming the key and what it should be.
    pub fn check(&self) -> Result<(), MediaError> {
        let (first, last) = self.rtp_ports;
        if first < 1024 || last <= first {
            return Err(MediaError::BadConfig {
                key: "rtp_ports",
                why: format!(
                    "[{first}, {last}] is no range of at least two ports above 1023; for instance [20000, 29999]"
                ),
            });
        }
        if !(20..=200).contains(&self.jitter_max_ms) {
            return Err(MediaError::BadConfig {
                key: "jitter_max_ms",
                why: format!("{} is not between 20 and 200", self.jitter_max_ms),
            });
        }
        if self.threads > 256 {
            return Err(MediaError::BadConfig {
                key: "threads",
                why: format!("{} is more than 256; 0 means one per core", self.threads),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_good_and_nonsense_is_named() {
        Config::default().check().unwrap();
        let backwards = Config { rtp_ports: (30_000, 20_000), ..Config::default() };
        assert!(backwards.check().unwrap_err().to_string().contains("rtp_ports"));
        assert!(Config { jitter_max_ms: 0, ..Config::default() }.check().is_err());
        assert!(Config { threads: 1000, ..Config::default() }.check().is_err());
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"threads": 2}"#).is_ok());
        assert!(serde_json::from_str::<Config>(r#"{"thread": 2}"#).is_err());
    }
}
