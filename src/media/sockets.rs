//! RTP ports: an even one and the next.

use super::{Config, MediaError};
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Expedited forwarding (RFC 3246), for networks that look at it.
const DSCP_EF: u32 = 46 << 2;
/// A second of one call and some more, in case the thread is held up.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// The two sockets of a call.
pub(super) struct Pair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    pub address: SocketAddr,
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Both are wishes: a system that refuses them carries the call all the same.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.is_ipv4() {
        let _ = socket.set_tos_v4(DSCP_EF);
    } else {
        let _ = socket.set_tclass_v6(DSCP_EF);
    }
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Binds a free pair, looking from a place given by `random` on.
pub(super) fn bind_pair(config: &Config, local: IpAddr, random: u64) -> Result<Pair, MediaError> {
    let (first, last) = config.rtp_ports;
    let first_even = u32::from(first).next_multiple_of(2);
    let pairs = (u32::from(last) + 1).saturating_sub(first_even) / 2;
    for step in 0..u64::from(pairs) {
        let port = first_even as u64 + 2 * ((random % u64::from(pairs) + step) % u64::from(pairs));
        let address = SocketAddr::new(local, port as u16);
        let pair = bind(address).and_then(|rtp| {
            let rtcp = bind(SocketAddr::new(local, port as u16 + 1))?;
            Ok(Pair { rtp, rtcp, address })
        });
        match pair {
            Ok(pair) => return Ok(pair),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(MediaError::Bind { local, source }),
        }
    }
    Err(MediaError::PortsUsedUp { local, first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(first: u16, last: u16) -> Config {
        Config { rtp_ports: (first, last), ..Config::default() }
    }

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 9, 1));

    #[test]
    fn pairs_are_even_and_a_full_range_says_so() {
        let config = config(41_001, 41_006);
        let pairs: Vec<_> = (0..2).map(|n| bind_pair(&config, LOCAL, n * 7).unwrap()).collect();
        let mut ports: Vec<_> = pairs.iter().map(|pair| pair.address.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [41_002, 41_004]);
        match bind_pair(&config, LOCAL, 3) {
            Err(error @ MediaError::PortsUsedUp { .. }) => assert!(error.to_string().contains("rtp_ports"), "{error}"),
            other => panic!("{:?}", other.map(|pair| pair.address)),
        }
        drop(pairs);
        assert!(bind_pair(&config, LOCAL, 3).is_ok());
    }

    #[test]
    fn an_address_that_is_not_ours_is_named() {
        let error = bind_pair(&config(41_010, 41_020), "192.0.2.1".parse().unwrap(), 0).map(|_| ()).unwrap_err();
        assert!(matches!(error, MediaError::Bind { .. }) && error.to_string().contains("192.0.2.1"), "{error}");
    }
}
