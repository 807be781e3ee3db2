//! The OpenAI-compatible language model against a server with tools, and with every fault. (What the protocol of answers holds
//! is in `llm_openai`.)

use crate::support::peer::{Fault, Peer, lock, nobody};
use crate::support::wake::{replies, waker};
use serde_json::{Value, json};
use std::time::Duration;
use tipring::engine::llm::{OpenAi, OpenAiConfig};
use tipring::speech::{ChatMessage, ChatRequest, LanguageModel, Reply, Role, Tool};

pub fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig { base_url: base_url.into(), model: "small".into(), ..OpenAiConfig::default() }
}

pub fn question() -> ChatRequest {
    let messages = vec![ChatMessage { role: Role::User, content: "Book me in for Monday.".into() }];
    ChatRequest { messages, template: String::new(), max_tokens: 60, tools: Vec::new() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn ask(config: &OpenAiConfig, what: &ChatRequest) -> Vec<Reply> {
    let runtime = runtime();
    let engine = OpenAi::open(config, runtime.handle()).unwrap();
    let mut stream = engine.ask(what, waker()).unwrap();
    replies(&mut *stream)
}

#[test]
fn tools_are_offered_and_their_calls_come_whole_before_the_end() {
    let peer = Peer::start("One moment, please.").unwrap();
    let call = |delta: Value| json!({"tool_calls": [delta]});
    *lock(&peer.state.deltas) = vec![
        call(json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "book", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"day\": \"Mon"}})),
        call(json!({"index": 0, "function": {"arguments": "day\"}"}})),
    ];
    let parameters = json!({"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]});
    let tool = Tool { name: "book".into(), description: "Books a day.".into(), parameters: parameters.clone() };
    let replies = ask(&config(&peer.base_url()), &ChatRequest { tools: vec![tool], ..question() });
    let said: String =
        replies.iter().filter_map(|r| if let Reply::Delta(t) = r { Some(t.as_str()) } else { None }).collect();
    assert_eq!(said, "One moment, please.");
    let called = Reply::ToolCall { id: "c1".into(), name: "book".into(), arguments: json!({"day": "Monday"}) };
    assert_eq!(replies[replies.len() - 2..], [called, Reply::Done]);
    let body = peer.requests()[0].json();
    let offered = json!([{"type": "function", "function": {"name": "book", "description": "Books a day.", "parameters": parameters}}]);
    assert_eq!(body["tools"], offered);

    peer.say("");
    assert!(matches!(ask(&config(&peer.base_url()), &question())[..], [Reply::ToolCall { .. }, Reply::Done]));
    assert!(peer.requests()[1].json().get("tools").is_none(), "none was offered");

    *lock(&peer.state.deltas) = vec![call(json!({"index": 0, "function": {"name": "book", "arguments": "{\"day\""}}))];
    let replies = ask(&config(&peer.base_url()), &question());
    assert!(matches!(&replies[..], [Reply::Failed(what)] if what.contains("no JSON object")), "{replies:?}");
}

#[test]
fn every_fault_is_told_in_time() {
    let peer = Peer::start("We are open from nine to five today.").unwrap();
    for (fault, expected) in [
        (Fault::Slow(Duration::from_secs(3)), "no answer within 1000 ms"),
        (Fault::Silent, "no answer within 1000 ms"),
        (Fault::Cut, "cut off"),
        (Fault::Stall, "stalled for 1000 ms"),
        (Fault::Garbage, "no JSON"),
        (Fault::WrongJson, "empty answer"),
        (Fault::Status(503, None), "in trouble (\"slow down\")"),
    ] {
        peer.set(fault);
        let replies = ask(&config(&peer.base_url()), &question());
        let broke = peer.broke().unwrap().elapsed();
        let Some(Reply::Failed(what)) = replies.last() else { panic!("{fault:?}: {replies:?}") };
        assert!(what.contains(expected) && what.contains("http://127.0.0.1"), "{fault:?}: {what}");
        assert!(broke < Duration::from_millis(1450), "{fault:?}: told after {broke:?}");
    }
    let nobody = nobody().unwrap();
    let replies = ask(&config(&format!("http://{}/v1", nobody.address)), &question());
    assert!(matches!(&replies[..], [Reply::Failed(what)] if what.contains("cannot connect")), "{replies:?}");
}

#[test]
fn a_server_that_says_when_is_not_asked_before() {
    let peer = Peer::start("Yes.").unwrap();
    let runtime = runtime();
    let engine = OpenAi::open(&config(&peer.base_url()), runtime.handle()).unwrap();
    peer.set(Fault::Status(429, Some(1)));
    let refused = replies(&mut *engine.ask(&question(), waker()).unwrap());
    assert!(matches!(&refused[..], [Reply::Failed(what)] if what.contains("limit of requests")), "{refused:?}");
    peer.set(Fault::None);
    let error = engine.ask(&question(), waker()).err().unwrap();
    assert_eq!((error.to_string().as_str(), peer.requests().len()), ("openai is overloaded", 1));
    std::thread::sleep(Duration::from_millis(1050));
    assert_eq!(replies(&mut *engine.ask(&question(), waker()).unwrap()).last(), Some(&Reply::Done));
}
