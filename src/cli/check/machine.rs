//! What the machine grants: ports, a folder to write to, real-time priority.

use super::holder::{self, Protocol};
use super::{Finding, Teller};
use crate::settings::Settings;
use std::path::Path;

/// The HTTP address can be bound.
pub(super) async fn http(settings: &Settings, tell: &mut Teller<'_>) {
    let address = settings.http.listen;
    let error = match tokio::net::TcpListener::bind(address).await {
        Ok(_) => return tell(Finding::ok("http", format!("tcp {address} is free"))),
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        let fix = "set http.listen to an address of this machine and a port above 1023";
        return tell(Finding::error("http", format!("tcp {address}: {error}"), fix));
    }
    let program = holder::of(Protocol::Tcp, address.port());
    let what = format!("tcp {address} is taken by {}", holder::name(program.as_ref()));
    let other = format!("TIPRING__HTTP__LISTEN={}:{}", address.ip(), address.port().wrapping_add(1));
    tell(if program.is_some_and(|p| p.is_tipring()) {
        Finding::warning("http", what, format!("nothing, if it is the one that is to serve; for a second one {other}"))
    } else {
        Finding::error("http", what, format!("stop that program, or listen elsewhere: {other}"))
    });
}

/// Ports of the RTP range that are looked at: enough to see whether the range is in use by another program.
const RTP_PROBES: u16 = 64;

/// The RTP range is free, as far as a sample over its whole length shows.
pub(super) fn rtp(settings: &Settings, tell: &mut Teller<'_>) {
    let (first, last) = settings.media.rtp_ports;
    let calls = (last - first).div_ceil(2);
    let step = usize::from(((last - first) / RTP_PROBES).max(1));
    let sample: Vec<u16> = (first..=last).step_by(step).collect();
    let taken = sample.iter().filter(|port| std::net::UdpSocket::bind(("0.0.0.0", **port)).is_err()).count();
    let range = format!("UDP ports {first} to {last}: room for {calls} calls");
    tell(if taken * 4 > sample.len() {
        Finding::error(
            "rtp",
            format!("{range}, but {taken} of {} looked at are in use", sample.len()),
            "another media server uses this range: choose another with media.rtp_ports",
        )
    } else if taken > 0 {
        Finding::warning(
            "rtp",
            format!("{range}; {taken} of {} looked at are in use by other programs", sample.len()),
            "nothing must be done: ports in use are passed over",
        )
    } else {
        Finding::ok("rtp", range)
    });
}

/// The data folder can be written.
pub(super) fn data_dir(settings: &Settings, tell: &mut Teller<'_>) {
    let folder = &settings.data_dir.0;
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    tell(match writable(folder) {
        Ok(()) => Finding::ok("data", format!("{} can be written", shown.display())),
        Err(error) => Finding::error(
            "data",
            format!("{} cannot be written: {error}", shown.display()),
            "make it writable for this user, or choose another folder with TIPRING__DATA_DIR",
        ),
    });
}

fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".check-{}", std::process::id()));
    let written = std::fs::write(&probe, b"tipring");
    let removed = std::fs::remove_file(&probe);
    written.and(removed)
}

/// The right to real-time scheduling, as the kernel shows it for this process.
pub(super) fn realtime(tell: &mut Teller<'_>) {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let granted = realtime_granted(&read("/proc/self/status"), &read("/proc/self/limits"));
    tell(if granted {
        Finding::ok("realtime", "media threads may run with real-time priority")
    } else {
        Finding::warning(
            "realtime",
            "media threads will run with ordinary priority: on a busy machine packets leave late",
            "setcap cap_sys_nice+ep PATH/tipring, or AmbientCapabilities=CAP_SYS_NICE in the systemd unit",
        )
    });
}

/// `CAP_SYS_NICE` (bit 23) is effective, or the limit on real-time priority is above 0.
fn realtime_granted(status: &str, limits: &str) -> bool {
    let capable = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|bits| bits & (1 << 23) != 0);
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max realtime priority"))
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|soft| soft != "0");
    capable || limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_realtime_is_read_off_the_kernel() {
        let none = "Max realtime priority     0                    0                    \n";
        let some = "Max realtime priority     20                   20                   \n";
        assert!(realtime_granted("CapEff:\t000001ffffffffff\n", none));
        assert!(realtime_granted("CapEff:\t0000000000000000\n", some));
        assert!(!realtime_granted("CapEff:\t0000000000000000\n", none));
        assert!(!realtime_granted("", ""));
    }

    #[test]
    fn a_folder_is_probed_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        writable(&inner).unwrap();
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 0);
        std::fs::write(folder.path().join("file"), b"").unwrap();
        assert!(writable(&folder.path().join("file/below")).is_err());
    }
}
