//! A server on the loopback that speaks the protocols of remote engines, and every fault that they have in the field.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

pub type WebSocket = WebSocketStream<TcpStream>;

/// What is wrong with the server.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// The first byte comes so late.
    Slow(Duration),
    /// The connection is taken, and nothing ever comes: a peer that is gone without a word.
    Silent,
    /// Half of the answer comes, then the connection ends.
    Cut,
    /// Half of the answer comes, then nothing.
    Stall,
    /// What comes is no answer at all.
    Garbage,
    /// It is JSON, of something else.
    WrongJson,
    /// A refusal, with `Retry-After` in seconds.
    Status(u16, Option<u64>),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// First line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The value of a field of a multipart form.
    pub fn field(&self, name: &str) -> Option<String> {
        let body = String::from_utf8_lossy(&self.body);
        let (_, rest) = body.split_once(&format!("name=\"{name}\""))?;
        let (_, value) = rest.split_once("\r\n\r\n")?;
        value.split("\r\n--").next().map(str::to_owned)
    }
}

/// What the handlers know.
pub struct State {
    pub fault: Mutex<Fault>,
    /// It goes wrong once only.
    pub heals: Mutex<bool>,
    /// When it last went wrong.
    pub broke: Mutex<Option<Instant>>,
    pub seen: Mutex<Vec<Seen>>,
    /// Messages of WebSockets: their type, or `audio` with the number of bytes.
    pub messages: Mutex<Vec<Value>>,
    /// What it says: words of a transcript, of an answer.
    pub words: Mutex<String>,
    /// What a realtime server answers, and its pace: the time from word to word.
    pub answer: Mutex<String>,
    pub pace: Mutex<Duration>,
    /// Calls of tools in an answer, as deltas.
    pub deltas: Mutex<Vec<Value>>,
    /// Connections that the other side closed.
    pub closed: Mutex<usize>,
    /// WebSockets whose handshake was completed.
    pub sockets: Mutex<usize>,
}

/// The server. Ends when dropped.
pub struct Peer {
    pub address: SocketAddr,
    pub state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
    _runtime: Option<tokio::runtime::Runtime>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    /// With a runtime of its own, so that what it does not answer holds up nobody.
    pub fn start(words: &str) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            heals: Mutex::default(),
            broke: Mutex::default(),
            seen: Mutex::default(),
            messages: Mutex::default(),
            words: Mutex::new(words.to_owned()),
            answer: Mutex::default(),
            pace: Mutex::new(Duration::from_millis(3)),
            deltas: Mutex::default(),
            closed: Mutex::default(),
            sockets: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state, task, _runtime: Some(runtime) })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://{}/v1", self.address)
    }

    pub fn set(&self, fault: Fault) {
        *lock(&self.state.fault) = fault;
    }

    pub fn say(&self, words: &str) {
        *lock(&self.state.words) = words.to_owned();
    }

    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// Waits for the number of requests.
    pub fn wait_for_requests(&self, count: usize) {
        let began = Instant::now();
        while lock(&self.state.seen).len() < count {
            assert!(began.elapsed() < Duration::from_secs(5), "{} requests", lock(&self.state.seen).len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many messages of this type came over WebSockets.
    pub fn messages(&self, kind: &str) -> usize {
        lock(&self.state.messages).iter().filter(|message| message["type"] == kind).count()
    }

    /// When it last went wrong.
    pub fn broke(&self) -> Option<Instant> {
        *lock(&self.state.broke)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(runtime) = self._runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A port where nobody listens. It is held while this lives: nobody else comes to listen there meanwhile.
pub struct Nobody {
    pub address: SocketAddr,
    _bound: socket2::Socket,
}

pub fn nobody() -> std::io::Result<Nobody> {
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = bound.local_addr()?.as_socket().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    Ok(Nobody { address, _bound: bound })
}

impl State {
    pub fn fault(&self) -> Fault {
        *lock(&self.fault)
    }

    pub fn break_now(&self) {
        *lock(&self.broke) = Some(Instant::now());
        if *lock(&self.heals) {
            *lock(&self.fault) = Fault::None;
        }
    }

    pub fn words(&self) -> String {
        lock(&self.words).clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    loop {
        let mut start = [0; 4096];
        let upgrade = loop {
            let Ok(n) = stream.peek(&mut start).await else { return };
            let text = String::from_utf8_lossy(&start[..n]).to_lowercase();
            if n == 0 {
                return;
            }
            if text.contains("\r\n\r\n") || n == start.len() {
                break text.contains("upgrade: websocket");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        if upgrade {
            return socket(stream, state).await;
        }
        let Some(seen) = request(&mut stream).await else { return };
        let path = seen.head.split(' ').nth(1).unwrap_or_default().to_owned();
        lock(&state.seen).push(seen);
        let fault = state.fault();
        let on = http(&mut stream, &state, &path, fault).await;
        if !on {
            return;
        }
    }
}

/// A WebSocket: the handshake with its faults, then the protocol of its path.
async fn socket(stream: TcpStream, state: Arc<State>) {
    let fault = state.fault();
    match fault {
        Fault::Slow(time) => {
            state.break_now();
            tokio::time::sleep(time).await;
        }
        Fault::Status(code, retry) => {
            state.break_now();
            let mut stream = stream;
            let _ = request(&mut stream).await;
            let retry = retry.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
            let _ =
                stream.write_all(format!("HTTP/1.1 {code} No\r\n{retry}content-length: 0\r\n\r\n").as_bytes()).await;
            return;
        }
        _ => {}
    }
    let mut seen = String::new();
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        seen = format!("{}\n{:?}", request.uri(), request.headers());
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, check).await else { return };
    let listen = seen.contains("/listen?");
    lock(&state.seen).push(Seen { head: seen, body: Vec::new() });
    *lock(&state.sockets) += 1;
    match listen {
        true => super::deepgram::listen(socket, state).await,
        false => super::realtime::converse(socket, state).await,
    }
}

async fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await.ok()?);
            }
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(Seen { head, body })
}

/// Answers a request. Whether the connection goes on.
async fn http(stream: &mut TcpStream, state: &State, path: &str, fault: Fault) -> bool {
    let speech = path.ends_with("/audio/speech");
    let chat = path.ends_with("/chat/completions");
    let kind = match (speech, chat) {
        (true, _) => "audio/pcm",
        (_, true) => "text/event-stream",
        _ => "application/json",
    };
    let pieces: Vec<Vec<u8>> = if speech {
        sound(&lock(&state.seen).last().map(Seen::json).unwrap_or_default())
    } else if chat {
        answer(state)
    } else {
        let words = state.words();
        let text = json!({"text": words, "segments": [{"text": words, "avg_logprob": -0.2, "no_speech_prob": 0.01}]});
        let text = text.to_string();
        let half = text.len() / 2;
        vec![text[..half].into(), text[half..].into()]
    };
    match fault {
        Fault::Slow(time) => {
            state.break_now();
            tokio::time::sleep(time).await;
        }
        Fault::Silent => {
            state.break_now();
            return hold(stream, state).await;
        }
        Fault::Status(code, retry) => {
            state.break_now();
            let retry = retry.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
            let body = r#"{"error":{"message":"slow down"}}"#;
            let head = format!("HTTP/1.1 {code} No\r\ncontent-type: application/json\r\n{retry}");
            let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            return true;
        }
        Fault::Garbage | Fault::WrongJson => {
            state.break_now();
            let (kind, body): (&str, &[u8]) = match (fault, speech, chat) {
                (Fault::WrongJson, true, _) => ("application/json", br#"{"voices":[]}"#),
                (Fault::WrongJson, _, true) => {
                    ("text/event-stream", b"data: {\"object\":\"list\"}\n\ndata: [DONE]\n\n")
                }
                (Fault::WrongJson, ..) => ("application/json", br#"{"object":"list","data":[]}"#),
                (_, true, _) => ("text/html", b"<html>It works!</html>"),
                (_, _, true) => ("text/event-stream", b"data: {\"choices\":[{\"del\n\n"),
                _ => ("application/json", b"\xff\xfe{\"te"),
            };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
            return true;
        }
        Fault::None | Fault::Cut | Fault::Stall => {}
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    let half = pieces.len() / 2;
    for (n, piece) in pieces.iter().enumerate() {
        if n == half && matches!(fault, Fault::Cut | Fault::Stall) {
            state.break_now();
            return fault == Fault::Stall && hold(stream, state).await;
        }
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if stream.write_all(&chunk).await.is_err() {
            *lock(&state.closed) += 1;
            return false;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    stream.write_all(b"0\r\n\r\n").await.is_ok()
}

/// Nothing more comes, until the other side leaves.
async fn hold(stream: &mut TcpStream, state: &State) -> bool {
    let mut byte = [0];
    let _ = stream.read(&mut byte).await;
    *lock(&state.closed) += 1;
    false
}

/// A tone of 60 ms for each character that is to be said, in chunks of 100 ms; 24 kHz.
fn sound(asked: &Value) -> Vec<Vec<u8>> {
    let characters = asked["input"].as_str().unwrap_or_default().chars().count().max(1);
    let samples: Vec<u8> =
        (0..characters * 60 * 24).flat_map(|n| (((n as f64 * 0.05).sin() * 8000.0) as i16).to_le_bytes()).collect();
    samples.chunks(4800).map(<[u8]>::to_vec).collect()
}

/// The words as a streamed answer, then the calls of tools.
fn answer(state: &State) -> Vec<Vec<u8>> {
    let event = |delta: &Value, reason: Value| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
            .into_bytes()
    };
    let words = state.words();
    let mut events: Vec<_> = words.split_inclusive(' ').map(|w| event(&json!({"content": w}), Value::Null)).collect();
    events.extend(lock(&state.deltas).iter().map(|delta| event(delta, Value::Null)));
    events.push(event(&json!({}), json!("stop")));
    events.push(b"data: [DONE]\n\n".to_vec());
    events
}

/// Sends JSON.
pub async fn send(socket: &mut WebSocket, event: Value) -> bool {
    socket.send(Message::text(event.to_string())).await.is_ok()
}

/// The next message that is text or bytes.
pub async fn receive(socket: &mut WebSocket) -> Option<Message> {
    loop {
        match socket.next().await? {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Some(message),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
