//! The network between two real sockets: what is sent arrives late, in the order and the number that the link decides.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tipring::sim::{Link, Network, QUEUE, Relay, Way};
use tokio::net::UdpSocket;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Pair {
    caller: UdpSocket,
    server: Arc<UdpSocket>,
    relay: Relay,
}

async fn pair(network: &str, seed: u64) -> Pair {
    let (caller, server) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
    let network: Network = network.parse().unwrap();
    let relay = Relay::open(LOCAL.ip(), &network, seed, caller.local_addr().unwrap()).unwrap();
    relay.set_far(server.local_addr().unwrap());
    Pair { caller, server: Arc::new(server), relay }
}

/// All datagrams that come from now on until none has come for `patience`: their numbers. Read while they come: a socket's buffer
/// holds a few hundred.
fn drain(socket: &Arc<UdpSocket>, patience: Duration) -> tokio::task::JoinHandle<Vec<u16>> {
    let socket = Arc::clone(socket);
    tokio::spawn(async move {
        let mut all = Vec::new();
        let mut buffer = [0u8; 64];
        while let Ok(received) = tokio::time::timeout(patience, socket.recv_from(&mut buffer)).await {
            let (length, _) = received.unwrap();
            assert_eq!(length, 2);
            all.push(u16::from_be_bytes([buffer[0], buffer[1]]));
        }
        all
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_are_late_and_each_end_sees_the_relay() {
    let pair = pair("delay=50", 1).await;
    let mut buffer = [0u8; 64];
    let began = Instant::now();
    pair.caller.send_to(b"up", pair.relay.near()).await.unwrap();
    let (_, from) = pair.server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(from, pair.relay.far());
    pair.server.send_to(b"dn", from).await.unwrap();
    let (_, from) = pair.caller.recv_from(&mut buffer).await.unwrap();
    assert_eq!(from, pair.relay.near());
    assert!(began.elapsed() >= Duration::from_millis(100));
    let counts = pair.relay.counts();
    assert_eq!((counts.up.delivered, counts.down.delivered), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_and_doubled_is_what_the_link_decided() {
    let text = "loss=10,burst=3,dup=5";
    let pair = pair(text, 77).await;
    let coming = drain(&pair.server, Duration::from_secs(2));
    for n in 0u16..400 {
        pair.caller.send_to(&n.to_be_bytes(), pair.relay.near()).await.unwrap();
        if n % 20 == 19 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let mut times: BTreeMap<u16, usize> = BTreeMap::new();
    for number in coming.await.unwrap() {
        *times.entry(number).or_default() += 1;
    }
    // Without delay, jitter and drift a fate depends on the packet's number alone.
    let mut link = Link::new(&text.parse().unwrap(), Way::Up, 77);
    for n in 0u16..400 {
        let fate = link.fate(Duration::from_millis(u64::from(n)));
        let expected = usize::from(fate.arrives.is_some()) + usize::from(fate.copy.is_some());
        assert_eq!(times.get(&n).copied().unwrap_or(0), expected, "packet {n}");
    }
    let counts = pair.relay.counts();
    assert_eq!(counts.up.taken, 400);
    assert_eq!(counts.up.delivered, 400 - counts.up.lost + counts.up.copies);
    assert!(counts.up.lost > 10 && counts.up.copies > 5, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_fills_the_queue_and_no_more() {
    let pair = pair("delay=700", 1).await;
    let coming = drain(&pair.server, Duration::from_secs(3));
    for n in 0u16..2000 {
        pair.caller.send_to(&n.to_be_bytes(), pair.relay.near()).await.unwrap();
        if n % 50 == 49 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let came = coming.await.unwrap();
    let counts = pair.relay.counts();
    assert_eq!(counts.up.delivered + counts.up.dropped, 2000);
    assert!(counts.up.dropped > 0 && came.len() as u64 <= counts.up.delivered, "{} came, {counts:?}", came.len());
    // What could not be taken was the newest: the first to come are the first that were sent.
    assert!(came.iter().take(QUEUE / 4).zip(0u16..).all(|(number, n)| *number == n));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_far_end_nothing_is_sent_and_nothing_breaks() {
    let caller = UdpSocket::bind(LOCAL).await.unwrap();
    let relay = Relay::open(LOCAL.ip(), &Network::default(), 1, caller.local_addr().unwrap()).unwrap();
    caller.send_to(b"up", relay.near()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(relay.counts().up.dropped, 1);
}
