//! Who may talk to us: the allow list, the registrars and trunks, and peers that we have written to ourselves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Peers remembered because we wrote to them. When full, the one written to longest ago is forgotten.
const MAX_SPOKEN_TO: usize = 4096;
/// How long such a peer may answer and send requests within its calls: longer than any call.
const SPOKEN_TO_FOR: Duration = Duration::from_secs(24 * 3600);

/// A network in CIDR notation, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    bits: u128,
    mask: u128,
    v4: bool,
}

impl Cidr {
    /// The address lies in the network. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (bits, v4) = widened(ip);
        v4 == self.v4 && bits & self.mask == self.bits
    }
}

fn widened(ip: IpAddr) -> (u128, bool) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, true),
        IpAddr::V6(ip) => (ip.to_bits(), false),
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not an address or network, for instance 192.0.2.7 or 10.0.0.0/8");
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.trim(), None),
        };
        let ip: IpAddr = address.parse().map_err(|_| expected())?;
        let (bits, v4) = widened(ip);
        let longest = if v4 { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse::<u32>().ok().filter(|l| *l <= longest).ok_or_else(expected)?,
            None => longest,
        };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Ok(Self { bits: bits & mask, mask, v4 })
    }
}

/// How far a peer may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// May call us.
    Caller,
    /// We wrote to it: it may answer, and send requests within calls that exist.
    Callee,
    /// Gets nothing, not even an error.
    Stranger,
}

/// The gate that every datagram passes.
#[derive(Debug, Default)]
pub struct Gate {
    networks: Vec<Cidr>,
    /// Addresses of registrars and trunks by the name of the account or trunk.
    known: RwLock<HashMap<String, Vec<IpAddr>>>,
    spoken_to: Mutex<HashMap<IpAddr, Instant>>,
}

impl Gate {
    /// A gate for callers from these networks.
    pub fn new(networks: Vec<Cidr>) -> Self {
        Self { networks, ..Self::default() }
    }

    /// How far this address may come.
    pub fn trust(&self, ip: IpAddr) -> Trust {
        let ip = ip.to_canonical();
        if self.may_call(ip) {
            return Trust::Caller;
        }
        match self.spoken_to().get(&ip) {
            Some(at) if at.elapsed() < SPOKEN_TO_FOR => Trust::Callee,
            _ => Trust::Stranger,
        }
    }

    fn may_call(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|n| n.contains(ip))
            || self.known.read().unwrap_or_else(PoisonError::into_inner).values().any(|ips| ips.contains(&ip))
    }

    /// The addresses of an account's registrar or of a trunk, in place of those it had.
    pub fn know(&self, name: &str, ips: impl IntoIterator<Item = IpAddr>) {
        let ips = ips.into_iter().map(|ip| ip.to_canonical()).collect();
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), ips);
    }

    /// We are about to write to this address.
    pub fn writing_to(&self, ip: IpAddr) {
        let ip = ip.to_canonical();
        if self.may_call(ip) {
            return;
        }
        let mut peers = self.spoken_to();
        if peers.len() >= MAX_SPOKEN_TO && !peers.contains_key(&ip) {
            let oldest = peers.iter().min_by_key(|(_, at)| **at).map(|(ip, _)| *ip);
            if let Some(oldest) = oldest {
                peers.remove(&oldest);
            }
        }
        peers.insert(ip, Instant::now());
    }

    fn spoken_to(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.spoken_to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_they_should() {
        let contains = |network: &str, address: &str| network.parse::<Cidr>().unwrap().contains(ip(address));
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.6"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1") && !contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
        assert!("pbx".parse::<Cidr>().is_err());
    }

    #[test]
    fn those_we_wrote_to_may_answer_but_not_call() {
        let gate = Gate::new(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(gate.trust(ip("10.1.1.1")), Trust::Caller);
        assert_eq!(gate.trust(ip("192.0.2.1")), Trust::Stranger);
        gate.writing_to(ip("192.0.2.1"));
        assert_eq!(gate.trust(ip("192.0.2.1")), Trust::Callee);
        gate.know("pbx", [ip("192.0.2.1")]);
        assert_eq!(gate.trust(ip("192.0.2.1")), Trust::Caller);
        gate.know("pbx", [ip("192.0.2.2")]);
        assert_eq!(gate.trust(ip("192.0.2.1")), Trust::Callee);
    }

    #[test]
    fn the_number_of_peers_remembered_is_bounded() {
        let gate = Gate::default();
        for n in 0..(MAX_SPOKEN_TO as u32 + 10) {
            gate.writing_to(IpAddr::V4((0x0A00_0000 + n).into()));
        }
        assert_eq!(gate.spoken_to().len(), MAX_SPOKEN_TO);
        assert_eq!(gate.trust(ip("10.0.0.0")), Trust::Stranger);
    }
}
