//! The streamed recognition of Deepgram: interim results while the sound comes, settled ones when asked.

use super::peer::{Fault, State, WebSocket, lock, receive, send};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;

/// Bytes of sound between two interim results: 100 ms.
const EVERY: usize = 3200;
/// Bytes of sound after which a fault shows: 200 ms.
const BREAKS: usize = 6400;

fn results(from: usize, to: usize, words: &str, settled: bool, asked_for: bool) -> Value {
    let seconds = |bytes: usize| bytes as f64 / 32_000.0;
    json!({"type": "Results", "channel_index": [0, 1], "start": seconds(from), "duration": seconds(to - from),
        "is_final": settled, "speech_final": false, "from_finalize": asked_for,
        "channel": {"alternatives": [{"transcript": words, "confidence": 0.9, "words": []}]}})
}

/// Hears the words of the state in everything: two of them in every 100 ms.
pub async fn listen(mut socket: WebSocket, state: Arc<State>) {
    let (mut heard, mut settled, mut told) = (0, 0, 0);
    while let Some(message) = receive(&mut socket).await {
        let fault = state.fault();
        let words = state.words();
        let broken = heard >= BREAKS;
        match message {
            Message::Binary(bytes) => {
                heard += bytes.len();
                lock(&state.messages).push(json!({"type": "audio", "bytes": bytes.len()}));
                match fault {
                    Fault::Cut if heard >= BREAKS => {
                        state.break_now();
                        return;
                    }
                    Fault::Garbage if heard >= BREAKS => {
                        state.break_now();
                        let _ = futures_util::SinkExt::send(&mut socket, Message::text("<html>oops")).await;
                        continue;
                    }
                    Fault::WrongJson if heard - told >= EVERY => {
                        told = heard;
                        state.break_now();
                        send(&mut socket, json!({"object": "list", "data": []})).await;
                        continue;
                    }
                    Fault::Stall if broken => {
                        if lock(&state.broke).is_none() {
                            state.break_now();
                        }
                        continue;
                    }
                    Fault::Silent | Fault::WrongJson => continue,
                    _ => {}
                }
                if heard - told >= EVERY {
                    told = heard;
                    let count = 2 * (heard - settled) / EVERY;
                    let some: Vec<&str> = words.split(' ').take(count).collect();
                    send(&mut socket, results(settled, heard, &some.join(" "), false, false)).await;
                }
            }
            Message::Text(text) => {
                let order: Value = serde_json::from_str(&text).unwrap_or_default();
                lock(&state.messages).push(order.clone());
                match (order["type"].as_str(), fault) {
                    (Some("CloseStream"), _) => {
                        send(&mut socket, json!({"type": "Metadata", "duration": heard as f64 / 32_000.0})).await;
                        return;
                    }
                    (Some("Finalize"), Fault::Silent | Fault::Stall | Fault::WrongJson) => state.break_now(),
                    // As the real one: when nothing is held back nothing is said.
                    (Some("Finalize"), _) if heard > settled => {
                        send(&mut socket, results(settled, heard, &words, true, true)).await;
                        settled = heard;
                        told = heard;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
