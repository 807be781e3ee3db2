//! Who has a port.

use std::fmt;
use std::path::Path;

/// What is bound to a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

/// A running program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Program {
    name: String,
    process: u32,
}

impl Program {
    /// It is tipring itself.
    pub(super) fn is_tipring(&self) -> bool {
        self.name == "tipring"
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// In words, for a sentence.
pub(super) fn name(program: Option<&Program>) -> String {
    program.map_or_else(|| "another program".into(), Program::to_string)
}

/// The program that has a local port. None when there is none, or when it belongs to another user: only root sees those.
pub(super) fn of(protocol: Protocol, port: u16) -> Option<Program> {
    let table = match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
    };
    let sockets: Vec<String> = ["", "6"]
        .iter()
        .filter_map(|family| std::fs::read_to_string(format!("/proc/net/{table}{family}")).ok())
        .flat_map(|text| inodes(&text, protocol, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.path()).find_map(|process| {
        let number = process.file_name()?.to_str()?.parse().ok()?;
        has(&process, &sockets).then(|| Program {
            name: std::fs::read_to_string(process.join("comm")).unwrap_or_default().trim().to_owned(),
            process: number,
        })
    })
}

/// The process has one of these sockets.
fn has(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

/// The sockets that wait on a port, in the kernel's table (proc_net_udp(5), proc_net_tcp(5)).
fn inodes(table: &str, protocol: Protocol, port: u16) -> Vec<u64> {
    let listening = |state: &str| protocol == Protocol::Udp || state == "0A";
    let wanted = format!("{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| {
        let (_, local) = row.get(1)?.rsplit_once(':')?;
        (local == wanted && listening(row.get(3)?)).then(|| row.get(9)?.parse().ok())?
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0\n\
            1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0\n\
            2: 00000000:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0 0\n junk\n";
        assert_eq!(inodes(table, Protocol::Tcp, 8080), [4711]);
        assert_eq!(inodes(table, Protocol::Udp, 5060), [4713]);
        assert!(inodes(table, Protocol::Udp, 5061).is_empty());
    }

    #[test]
    fn this_process_is_found_by_its_port() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let program = of(Protocol::Udp, socket.local_addr().unwrap().port()).unwrap();
        assert_eq!(program.process, std::process::id());
        assert!(!program.is_tipring() && !program.name.is_empty());
    }
}
