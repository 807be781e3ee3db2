//! Where it was measured: a figure without its machine says nothing.

use serde::{Deserialize, Serialize};

/// The machine on which it was measured.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the processor.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// Load average over one minute at the end.
    pub load_1m: Option<f64>,
    /// Operating system and kernel.
    pub os: String,
}

impl Machine {
    /// The one we are on, as far as `/proc` tells.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(':')))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_1m: read("/proc/loadavg").split_whitespace().next().and_then(|n| n.parse().ok()),
            os: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()).trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_cores() {
        let here = Machine::here();
        assert!(here.cores >= 1 && !here.cpu.is_empty() && here.os.starts_with(std::env::consts::OS), "{here:?}");
    }
}
