//! What the SIP tests share: user agents on free ports of loopback, and a peer that speaks raw text.

use std::net::SocketAddr;
use std::time::Duration;
use tipring::sdp::{Direction, Format, LocalMedia, offer};
use tipring::ua::{Config, Dialog, DialogEvent, IncomingCall, OutgoingCall, UserAgent};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(3);

pub fn config(allow: &[&str]) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        allow: allow.iter().map(|a| (*a).to_owned()).collect(),
        no_response_ms: 1500,
        ..Config::default()
    }
}

pub async fn start(config: Config) -> (UserAgent, mpsc::Receiver<IncomingCall>) {
    let (sender, receiver) = mpsc::channel(4);
    (UserAgent::start(config, sender).await.unwrap(), receiver)
}

/// A caller whom nobody can call, and a callee that takes calls from loopback.
pub struct Pair {
    pub caller: UserAgent,
    pub callee: UserAgent,
    pub calls: mpsc::Receiver<IncomingCall>,
}

pub async fn pair() -> Pair {
    let (caller, _) = start(config(&[])).await;
    let (callee, calls) = start(config(&["127.0.0.0/8"])).await;
    Pair { caller, callee, calls }
}

impl Pair {
    pub fn call(&self) -> OutgoingCall {
        OutgoingCall {
            target: format!("sip:1001@{}", self.callee.local_addr()),
            offer: sdp(4000, Direction::SendRecv),
            ..OutgoingCall::default()
        }
    }

    pub async fn place(&mut self) -> (Dialog, IncomingCall) {
        let dialog = self.caller.invite(self.call()).await.unwrap();
        (dialog, within(self.calls.recv()).await.unwrap())
    }

    /// A call that is up, its first events already read: the caller's side and the callee's.
    pub async fn up(&mut self) -> (Dialog, Dialog) {
        let (mut ours, call) = self.place().await;
        let mut theirs = call.accept(sdp(5000, Direction::SendRecv)).unwrap();
        assert!(matches!(next(&mut ours).await, DialogEvent::Answered { sdp: Some(_) }));
        assert!(matches!(next(&mut theirs).await, DialogEvent::Acknowledged { sdp: None }));
        (ours, theirs)
    }
}

pub fn media(port: u16) -> LocalMedia {
    LocalMedia {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        formats: vec![Format::new(9, "G722", 8000), Format::new(0, "PCMU", 8000)],
        telephone_event: true,
        ptime_ms: 20,
        session_id: 7,
        version: 1,
    }
}

pub fn sdp(port: u16, direction: Direction) -> String {
    offer(&media(port), direction)
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

pub async fn next(dialog: &mut Dialog) -> DialogEvent {
    within(dialog.events.recv()).await.expect("the events ended")
}

/// The next event; it must be the last one.
pub async fn last(dialog: &mut Dialog) -> DialogEvent {
    let event = next(dialog).await;
    assert!(within(dialog.events.recv()).await.is_none(), "something follows {event:?}");
    event
}

/// A peer that speaks raw text.
pub struct Raw {
    pub socket: UdpSocket,
}

impl Raw {
    pub async fn on(address: &str) -> Self {
        Self { socket: UdpSocket::bind(address).await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// A request outside of any dialog, its branch and Call-ID made of `name`.
    pub fn request(&self, method: &str, name: &str, extra: &str, body: &str) -> String {
        let own = self.address();
        format!(
            "{method} sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{name};rport\r\n\
             From: <sip:raw@{own}>;tag=t{name}\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: {name}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:raw@{own}>\r\nMax-Forwards: 70\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub fn invite(&self, name: &str, extra: &str) -> String {
        let body = sdp(6000, Direction::SendRecv);
        self.request("INVITE", name, &format!("Content-Type: application/sdp\r\n{extra}"), &body)
    }

    pub async fn send(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next datagram.
    pub async fn read(&self) -> String {
        within(self.read_from()).await.0
    }

    pub async fn read_from(&self) -> (String, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (len, from) = self.socket.recv_from(&mut buffer).await.unwrap();
        (String::from_utf8_lossy(&buffer[..len]).into_owned(), from)
    }

    /// The next final response.
    pub async fn final_response(&self) -> String {
        loop {
            let text = self.read().await;
            if text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1") {
                return text;
            }
        }
    }

    /// Nothing comes for as long as a reply would take.
    pub async fn silence(&self) {
        let heard = tokio::time::timeout(Duration::from_millis(300), self.read_from()).await;
        assert!(heard.is_err(), "{:?}", heard.unwrap());
    }
}

/// The status code of a response.
pub fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status in {response}"))
}

/// The value of a header in raw text.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, v) = line.split_once(':')?;
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim())
    })
}
