//! The HTTP API over a real socket.

use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tipring::id::CallId;
use tipring::metrics::Metrics;
use tipring::record::{CallParty, CallRecord, Direction, EndReason, EngineNames, MediaReport, RECORD_VERSION};
use tipring::server::{ActiveCall, Config, FlowsReloaded, Parts, Registration, Server, ServerError, View};
use tipring::store::{self, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

struct House {
    call: ActiveCall,
    draining: AtomicBool,
}

impl View for House {
    fn active(&self) -> Vec<ActiveCall> {
        vec![self.call.clone()]
    }
    fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
    fn registrations(&self) -> Vec<Registration> {
        vec![Registration { account: "agent".into(), registered: true, status: "200 OK".into() }]
    }
    fn reload_flows(&self) -> futures_util::future::BoxFuture<'static, FlowsReloaded> {
        let errors = if self.draining() { vec!["f.toml:3: error: mend it".to_owned()] } else { Vec::new() };
        Box::pin(async move { FlowsReloaded { changed: vec!["card".into()], unchanged: 2, errors } })
    }
}

fn id(n: u64) -> CallId {
    CallId::from_parts(1_795_341_600_000 + n, u128::from(n))
}

struct Running {
    address: std::net::SocketAddr,
    house: Arc<House>,
    stop: CancellationToken,
    store: Store,
    _folder: tempfile::TempDir,
}

async fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let store = Store::open(&store::Config::default(), folder.path(), &metrics).unwrap();
    let ended = CallRecord {
        version: RECORD_VERSION,
        id: id(1),
        direction: Direction::Inbound,
        party: CallParty {
            from: "<sip:+15551234567@trunk.example>".into(),
            to: "<sip:650@127.0.0.1>".into(),
            ..CallParty::default()
        },
        flow: "welcome".into(),
        began: id(1).began(),
        answered: Some(id(1).began()),
        ended: id(1).began(),
        duration_ms: 61_000,
        end_reason: EndReason::Transferred { target: "+15557654321".into() },
        last_state: None,
        disposition: None,
        slots: Default::default(),
        turns: Vec::new(),
        timeline: Default::default(),
        sales: Default::default(),
        moods: Vec::new(),
        emotion: Vec::new(),
        llm: Default::default(),
        engines: EngineNames::default(),
        media: MediaReport { codec: "G722".into(), ..MediaReport::default() },
        recording: None,
        recording_frames_dropped: 0,
    };
    store.finish(Arc::new(ended)).await.unwrap().await.unwrap().unwrap();
    let house = Arc::new(House {
        call: ActiveCall {
            id: id(2),
            direction: Direction::Outbound,
            from: "sip:agent@127.0.0.1".into(),
            to: "sip:+15559876543@127.0.0.1".into(),
            flow: "welcome".into(),
            state: "greeting".into(),
            began: id(2).began(),
            answered_ms: Some(5),
        },
        draining: AtomicBool::new(false),
    });
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
    let server = Server::bind(&config, Parts { view: house.clone(), store: store.clone(), metrics }).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    Running { address, house, stop, store, _folder: folder }
}

impl Running {
    /// Status and body.
    async fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)).await
    }

    async fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::task::spawn_blocking(move || self.store.close()).await.unwrap();
    }
}

#[tokio::test]
async fn calls_are_listed_with_masked_numbers() {
    let running = start().await;
    let (status, list) = running.get_json("/api/calls").await;
    assert_eq!(status, 200);
    assert_eq!(list["active"][0]["to"], "sip:***43@127.0.0.1");
    assert_eq!(list["active"][0]["state"], "greeting");
    assert_eq!(list["recent"][0]["from"], "sip:***67@trunk.example");
    assert_eq!(list["recent"][0]["to"], "sip:650@127.0.0.1");
    assert_eq!(list["recent"][0]["end_reason"]["target"], "***21");
    let (_, record) = running.get_json(&format!("/api/calls/{}", id(1))).await;
    assert_eq!(record["duration_ms"], 61_000);
    let (_, line) = running.get_json(&format!("/api/calls/{}", id(2))).await;
    assert_eq!(line["answered_ms"], 5);
    let (status, page) = running.get("/").await;
    assert_eq!(status, 200);
    for text in [page, list.to_string(), record.to_string(), line.to_string()] {
        for number in ["5551234567", "5557654321", "5559876543"] {
            assert!(!text.contains(number), "{text}");
        }
    }
    assert_eq!(running.get_json("/api/calls?limit=0").await.1["recent"], serde_json::json!([]));
    running.end().await;
}

#[tokio::test]
async fn health_tells_ready_from_draining() {
    let running = start().await;
    let (status, health) = running.get_json("/health").await;
    assert_eq!((status, &health["status"]), (200, &Value::from("ready")));
    assert_eq!(health["registrations"][0]["registered"], true);
    running.house.draining.store(true, Ordering::Relaxed);
    let (status, health) = running.get_json("/health").await;
    assert_eq!((status, &health["ready"], &health["live"]), (503, &Value::from(false), &Value::from(true)));
    assert_eq!(running.get("/health/live").await.0, 200);
    let (status, text) = running.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("tipring_calls_active 0") && text.ends_with("# EOF\n"), "{text}");
    running.end().await;
}

#[tokio::test]
async fn refusals_have_codes() {
    let running = start().await;
    for (path, status, code) in [
        ("/nothing", 404, "no_such_path"),
        ("/api/calls/xyz", 400, "bad_call_id"),
        (&format!("/api/calls/{}", id(9)), 404, "no_such_call"),
        ("/api/calls?limit=-1", 400, "bad_query"),
    ] {
        let (got, body) = running.get_json(path).await;
        assert_eq!((got, &body["error"]["code"]), (status, &Value::from(code)), "{path}");
    }
    let (status, body) = running
        .ask("POST /api/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert!(status == 405 && body.contains("method_not_allowed"), "{body}");
    let reload = "POST /api/flows/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (status, body) = running.ask(reload).await;
    assert!(status == 200 && body.contains("\"changed\":[\"card\"]"), "{body}");
    running.house.draining.store(true, Ordering::Relaxed);
    let (status, body) = running.ask(reload).await;
    assert!(status == 422 && body.contains("f.toml:3: error: mend it"), "{body}");
    let (status, body) =
        running.ask("GET /api/calls HTTP/1.1\r\nHost: rebind.example\r\nConnection: close\r\n\r\n").await;
    assert!(status == 403 && body.contains("foreign_host"), "{body}");
    running.end().await;
}

#[tokio::test]
async fn addresses_that_cannot_be_served_are_refused_with_the_fix() {
    let running = start().await;
    let parts = || Parts { view: running.house.clone(), store: running.store.clone(), metrics: Metrics::new() };
    let taken = Server::bind(&Config { listen: running.address, ..Config::default() }, parts()).await.err().unwrap();
    assert!(
        matches!(taken, ServerError::Bind { .. }) && taken.to_string().contains("TIPRING__HTTP__LISTEN"),
        "{taken}"
    );
    let remote = Config { listen: "0.0.0.0:0".parse().unwrap(), ..Config::default() };
    let refused = Server::bind(&remote, parts()).await.err().unwrap();
    assert!(matches!(refused, ServerError::Remote { .. }), "{refused}");
    running.end().await;
}
