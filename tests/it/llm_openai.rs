//! The OpenAI-compatible client against servers on the loopback that speak the protocol, badly where that is the point.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tipring::engine::llm::{OpenAi, OpenAiConfig};
use tipring::speech::{ChatMessage, ChatRequest, LanguageModel, Reply, ReplyStream, Role};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server that reads one request per connection and lets `serve` do the rest. Gives its base URL and what it read.
fn server(connections: usize, serve: impl Fn(&mut TcpStream) + Send + 'static) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (requests, read) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = requests.send(request(&mut stream));
            serve(&mut stream);
        }
    });
    (url, read)
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.extend_from_slice(&byte);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn chunk(stream: &mut TcpStream, data: &[u8]) {
    let _ = stream.write_all(format!("{:x}\r\n", data.len()).as_bytes());
    let _ = stream.write_all(data);
    let _ = stream.write_all(b"\r\n");
    let _ = stream.flush();
}

fn delta(text: &str) -> String {
    format!(
        "data: {}\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
    )
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

struct Client {
    runtime: tokio::runtime::Runtime,
    config: OpenAiConfig,
}

impl Client {
    fn new(base_url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = OpenAiConfig {
            base_url: base_url.into(),
            model: "small".into(),
            api_key: Some("sk-test".into()),
            first_token_timeout_ms: 400,
            stall_timeout_ms: 300,
            total_timeout_ms: 1500,
            ..OpenAiConfig::default()
        };
        Self { runtime, config }
    }

    fn ask(&self) -> Box<dyn ReplyStream> {
        let engine = OpenAi::open(&self.config, self.runtime.handle()).unwrap();
        let messages = vec![
            ChatMessage { role: Role::System, content: "Be brief.".into() },
            ChatMessage { role: Role::User, content: "Is it \"open\" today?".into() },
        ];
        let what = ChatRequest { messages, template: String::new(), max_tokens: 60, tools: Vec::new() };
        engine.ask(&what, Waker::from(std::sync::Arc::new(Unpark(thread::current())))).unwrap()
    }

    /// The pieces, how it ended and after what time.
    fn answer(&self) -> (Vec<String>, Reply, Duration) {
        let began = Instant::now();
        let mut stream = self.ask();
        let mut pieces = Vec::new();
        loop {
            match stream.poll() {
                Some(Reply::Delta(text)) => pieces.push(text),
                Some(end) => return (pieces, end, began.elapsed()),
                None if began.elapsed() > Duration::from_secs(8) => panic!("no end of the answer"),
                None => thread::park_timeout(Duration::from_secs(1)),
            }
        }
    }
}

fn failure(end: Reply) -> String {
    match end {
        Reply::Failed(what) => what,
        other => panic!("expected a failure, not {other:?}"),
    }
}

#[test]
fn a_streamed_answer_arrives_whole_however_it_is_cut() {
    let body = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\"}}}}]}}\n\n: keep-alive\n\n{}{}{}data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        delta("Yes, "),
        delta("until “six” — "),
        delta("o'clock."),
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9}}"#
    );
    for size in [1, 7, 64, 10_000] {
        let bytes = body.clone().into_bytes();
        let (url, requests) = server(1, move |stream| {
            stream.write_all(OK.as_bytes()).unwrap();
            bytes.chunks(size).for_each(|piece| chunk(stream, piece));
            chunk(stream, b"");
        });
        let (pieces, end, _) = Client::new(&url).answer();
        assert_eq!((pieces.concat().as_str(), end), ("Yes, until “six” — o'clock.", Reply::Done));
        assert_eq!(pieces.len(), 3);
        let request = requests.recv().unwrap();
        assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("\r\nauthorization: bearer sk-test\r\n"), "{request}");
        let body: serde_json::Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!((&body["stream"], &body["max_tokens"]), (&true.into(), &60.into()));
        assert_eq!(body["messages"][1], serde_json::json!({"role": "user", "content": "Is it \"open\" today?"}));
    }
}

#[test]
fn the_connection_serves_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}/v1", listener.local_addr().unwrap()));
    let engine = thread::spawn(move || {
        // One connection carries both requests.
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..2 {
            request(&mut stream);
            stream.write_all(OK.as_bytes()).unwrap();
            let end = r#"{"choices":[{"delta":{"content":"Yes."},"finish_reason":"stop"}]}"#;
            chunk(&mut stream, format!("data: {end}\n\n").as_bytes());
            chunk(&mut stream, b"data: [DONE]\n\n");
            chunk(&mut stream, b"");
        }
    });
    let model = OpenAi::open(&client.config, client.runtime.handle()).unwrap();
    for _ in 0..2 {
        let what = ChatRequest { messages: Vec::new(), template: String::new(), max_tokens: 5, tools: Vec::new() };
        let mut stream = model.ask(&what, Waker::noop().clone()).unwrap();
        let until = Instant::now() + Duration::from_secs(3);
        let mut text = String::new();
        loop {
            assert!(Instant::now() < until, "no answer");
            match stream.poll() {
                Some(Reply::Delta(delta)) => text += &delta,
                Some(end) => break assert_eq!((text.as_str(), end), ("Yes.", Reply::Done)),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        // The rest of the body is read behind the answer's back.
        thread::sleep(Duration::from_millis(100));
    }
    engine.join().unwrap();
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    let (url, _requests) = server(1, |stream| {
        let body = r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\n";
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    let (pieces, end, _) = Client::new(&url).answer();
    assert_eq!((pieces.concat().as_str(), end), ("Yes.", Reply::Done));
}

#[test]
fn refusals_say_what_to_do_and_are_not_sent_again() {
    for (status, body, expected) in [
        ("401 Unauthorized", r#"{"error":{"message":"bad key"}}"#, "api_key_env (\"bad key\")"),
        ("404 Not Found", r#"{"error":{"message":"no model small"}}"#, "base_url and model"),
        ("429 Too Many Requests", "", "limit of requests"),
        ("500 Internal Server Error", "<html>oops</html>", "oops"),
        ("307 Temporary Redirect", "", "redirects"),
    ] {
        let (url, requests) = server(1, move |stream| {
            let head = format!("HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:9/\r\nconnection: close\r\n");
            write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        });
        let (pieces, end, _) = Client::new(&url).answer();
        let what = failure(end);
        assert!(pieces.is_empty() && what.contains(expected), "{what}");
        assert_eq!(requests.iter().count(), 1, "{status} was sent again");
    }
}

#[test]
fn a_server_that_hangs_is_left_in_time() {
    let (url, _requests) = server(1, |_| thread::sleep(Duration::from_secs(3)));
    let (_, end, took) = Client::new(&url).answer();
    assert!(failure(end).contains("no answer within 400 ms"));
    assert!((350..1200).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_server_that_stalls_or_never_ends_is_left_in_time() {
    let (url, _requests) = server(1, |stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        chunk(stream, delta("Well").as_bytes());
        thread::sleep(Duration::from_secs(3));
    });
    let (pieces, end, took) = Client::new(&url).answer();
    assert_eq!(pieces, ["Well"]);
    assert!(failure(end).contains("stalled") && took < Duration::from_millis(1200), "{took:?}");

    let (url, _requests) = server(1, |stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        for _ in 0..40 {
            chunk(stream, delta("more ").as_bytes());
            thread::sleep(Duration::from_millis(100));
        }
    });
    let (_, end, took) = Client::new(&url).answer();
    assert!(failure(end).contains("longer than 1500 ms") && took < Duration::from_millis(2500), "{took:?}");
}

#[test]
fn a_cut_and_garbage_are_failures() {
    for (bytes, expected) in [
        (delta("So").into_bytes(), "cut off"),
        (b"data: {\"choices\":[{\"del\n\n".to_vec(), "no JSON"),
        (b"data: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_vec(), "out of memory"),
        (b"\xff\xfe\x00\x01 garbage \xf0\x28\n\n".to_vec(), "cut off"),
        (b"data: [DONE]\n\n".to_vec(), "empty answer"),
        (vec![b'x'; 2 << 20], "longer than"),
    ] {
        let (url, _requests) = server(1, move |stream| {
            stream.write_all(OK.as_bytes()).unwrap();
            bytes.chunks(60_000).for_each(|piece| chunk(stream, piece));
            stream.shutdown(std::net::Shutdown::Write).ok();
        });
        let (_, end, _) = Client::new(&url).answer();
        let what = failure(end);
        assert!(what.contains(expected), "{what} does not tell of {expected}");
    }
    let (url, _requests) = server(1, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi").unwrap();
    });
    assert!(failure(Client::new(&url).answer().1).contains("text/html"));
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_, end, _) = Client::new(&format!("http://127.0.0.1:{port}/v1")).answer();
    let what = failure(end);
    assert!(what.contains("cannot connect") && what.contains(&port.to_string()), "{what}");
}

#[test]
fn dropping_the_stream_closes_the_connection() {
    let (closed, seen) = mpsc::channel();
    let (url, _requests) = server(1, move |stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        chunk(stream, delta("This is going to be a long answer").as_bytes());
        let mut byte = [0];
        let ended = match stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(e) => e.kind() == ErrorKind::ConnectionReset,
        };
        closed.send((ended, Instant::now())).unwrap();
    });
    let client = Client::new(&url);
    let mut stream = client.ask();
    let until = Instant::now() + Duration::from_secs(3);
    while !matches!(stream.poll(), Some(Reply::Delta(_))) {
        assert!(Instant::now() < until, "no answer");
        thread::park_timeout(Duration::from_millis(50));
    }
    let dropped = Instant::now();
    drop(stream);
    let (ended, at) = seen.recv_timeout(Duration::from_secs(2)).unwrap();
    assert!(ended, "the server was sent something instead");
    assert!(at.duration_since(dropped) < Duration::from_millis(200), "{:?}", at.duration_since(dropped));
}
