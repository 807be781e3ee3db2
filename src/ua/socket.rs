//! The UDP socket under the SIP stack, with the gate in front of it.
//!
//! What a stranger sends is dropped before it is parsed and nothing is answered. What is too fast, too large or not SIP
//! is dropped too. The stack behind queues without a bound, so the rate here is its bound.

use super::allow::{Gate, Trust};
use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::{HeadersExt, ToTypedHeader};
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Datagrams taken per second once [`BURST`] is used up; what comes faster is dropped and its sender sends it again.
const RATE_PER_S: f64 = 4_000.0;
/// Datagrams taken at once.
const BURST: f64 = 8_000.0;
/// Most header fields of a message.
const MAX_HEADERS: usize = 128;
/// Longest header field value.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// What was dropped before the stack saw it.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub strangers: AtomicU64,
    pub too_fast: AtomicU64,
    pub malformed: AtomicU64,
}

/// Datagrams dropped since the start, before they were answered or even understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DroppedDatagrams {
    /// From addresses that may not talk to us.
    pub strangers: u64,
    /// Beyond the rate at which requests are taken.
    pub too_fast: u64,
    /// Not SIP, or too large.
    pub malformed: u64,
}

impl Dropped {
    pub fn counts(&self) -> DroppedDatagrams {
        DroppedDatagrams {
            strangers: self.strangers.load(Ordering::Relaxed),
            too_fast: self.too_fast.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
        }
    }
}

pub(super) struct GatedSocket {
    socket: tokio::net::UdpSocket,
    gate: Arc<Gate>,
    dropped: Arc<Dropped>,
    bucket: std::sync::Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * RATE_PER_S;
        self.tokens = (self.tokens + gained).min(BURST);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

impl GatedSocket {
    pub fn new(socket: tokio::net::UdpSocket, gate: Arc<Gate>, dropped: Arc<Dropped>) -> Self {
        let bucket = std::sync::Mutex::new(Bucket { tokens: BURST, filled: Instant::now() });
        Self { socket, gate, dropped, bucket }
    }

    /// The stack is to see this datagram.
    fn passes(&self, packet: &[u8], from: SocketAddr) -> bool {
        if self.gate.trust(from.ip()) == Trust::Stranger {
            self.dropped.strangers.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let in_time = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(Instant::now());
        if !in_time {
            self.dropped.too_fast.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // Keep-alives (RFC 5626 section 4.4.1) are the stack's business.
        if packet.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        if let Err(why) = screen(packet) {
            self.dropped.malformed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%from, why, "not a usable SIP message, dropped");
            return false;
        }
        true
    }
}

/// Whether the stack can be given this datagram. A panic in its parser would end the listener, so it happens here, where it
/// is caught.
pub(super) fn screen(packet: &[u8]) -> Result<(), &'static str> {
    catch_unwind(AssertUnwindSafe(|| inspect(packet))).unwrap_or(Err("the parser gave up"))
}

fn inspect(packet: &[u8]) -> Result<(), &'static str> {
    let message = SipMessage::try_from(packet).map_err(|_| "it does not parse")?;
    let headers = match &message {
        SipMessage::Request(request) => &request.headers,
        SipMessage::Response(response) => &response.headers,
    };
    if headers.len() > MAX_HEADERS {
        return Err("too many headers");
    }
    if headers.iter().any(|h| h.value().len() > MAX_HEADER_BYTES) {
        return Err("a header is too long");
    }
    if headers.iter().any(|h| h.value().contains(['\r', '\n', '\0'])) {
        return Err("a control character in a header");
    }
    message.top_via_header().and_then(|via| via.typed()).map_err(|_| "Via is missing or malformed")?;
    message.from_header().and_then(|from| from.typed()).map_err(|_| "From is missing or malformed")?;
    message.to_header().and_then(|to| to.typed()).map_err(|_| "To is missing or malformed")?;
    let cseq = message.cseq_header().and_then(|cseq| cseq.typed()).map_err(|_| "CSeq is missing or malformed")?;
    let call_id = message.call_id_header().map_err(|_| "Call-ID is missing")?;
    if call_id.value().trim().is_empty() {
        return Err("Call-ID is empty");
    }
    if let SipMessage::Request(request) = &message
        && request.method != cseq.method
    {
        return Err("CSeq names another method");
    }
    Ok(())
}

// `rsipstack::platform::net::UdpSocket` is declared with async_trait; these are the signatures that it expands to.
impl rsipstack::platform::net::UdpSocket for GatedSocket {
    fn recv_from<'life0, 'life1, 'async_trait>(
        &'life0 self,
        buf: &'life1 mut [u8],
    ) -> Pin<Box<dyn Future<Output = rsipstack::Result<(usize, SocketAddr)>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            loop {
                match self.socket.recv_from(buf).await {
                    Ok((len, from)) => {
                        if buf.get(..len).is_some_and(|packet| self.passes(packet, from)) {
                            return Ok((len, from));
                        }
                    }
                    Err(error) => {
                        // A pending ICMP error, or no memory: neither is a reason to stop, nor to spin.
                        tracing::warn!(%error, "cannot read from the SIP socket");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        })
    }

    fn send_to<'life0, 'life1, 'async_trait>(
        &'life0 self,
        buf: &'life1 [u8],
        addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = rsipstack::Result<usize>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            self.gate.writing_to(addr.ip());
            Ok(self.socket.send_to(buf, addr).await?)
        })
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

/// Our address as a peer at `peer` sees it, found by asking the routing table; nothing is sent.
pub(super) fn source_address(peer: SocketAddr) -> Option<std::net::IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: &str = "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx;rport\r\n\
        From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
        Content-Length: 0\r\n\r\n";

    #[test]
    fn sip_passes_and_nonsense_does_not() {
        assert_eq!(screen(OPTIONS.as_bytes()), Ok(()));
        assert!(screen(b"GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(screen(OPTIONS.replace("1 OPTIONS", "1 INVITE").as_bytes()).is_err());
        assert!(screen(OPTIONS.replace("Call-ID: c\r\n", "").as_bytes()).is_err());
        let many = format!("X-Y: z\r\n{}", "X-Y: z\r\n".repeat(MAX_HEADERS));
        assert!(screen(OPTIONS.replace("Max-Forwards: 70\r\n", &many).as_bytes()).is_err());
    }

    #[test]
    fn the_bucket_gives_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: BURST, filled: start };
        let taken = (0..20_000).filter(|_| bucket.take(start)).count();
        assert_eq!(taken, BURST as usize);
        let later = start + Duration::from_secs(1);
        let taken = (0..20_000).filter(|_| bucket.take(later)).count();
        assert_eq!(taken, RATE_PER_S as usize);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = screen(&bytes);
        }

        #[test]
        fn no_damaged_request_makes_it_panic(at in 0usize..300, with in proptest::collection::vec(any::<u8>(), 0..4), cut in 0usize..400) {
            let mut bytes = OPTIONS.as_bytes().to_vec();
            let at = at.min(bytes.len());
            bytes.splice(at..(at + 1).min(bytes.len()), with);
            let _ = screen(&bytes);
            bytes.truncate(cut);
            let _ = screen(&bytes);
        }
    }
}
