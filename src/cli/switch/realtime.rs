//! Speech to speech with the protocol of realtime conversations: what is committed is written down, what is asked is answered
//! in words and, a little behind them, in sound.

use super::peer::{Fault, State, WebSocket, lock, receive, send};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Milliseconds of sound for a letter, and of silence behind a sentence.
const LETTER_MS: usize = 60;
const PAUSE_MS: usize = 240;

/// Holds the conversation.
pub async fn converse(mut socket: WebSocket, state: Arc<State>) {
    let mut waiting = VecDeque::new();
    let (mut heard, mut items, mut answers) = (0, 0, 0);
    send(&mut socket, json!({"type": "session.created", "session": {}})).await;
    loop {
        let order = match waiting.pop_front() {
            Some(order) => order,
            None => match next(&mut socket).await {
                Some(order) => order,
                None => return,
            },
        };
        let kind = order["type"].as_str().unwrap_or_default().to_owned();
        let fault = state.fault();
        match kind.as_str() {
            "input_audio_buffer.append" => {
                heard += BASE64.decode(order["audio"].as_str().unwrap_or_default()).map_or(0, |bytes| bytes.len());
                continue;
            }
            "input_audio_buffer.clear" => heard = 0,
            "input_audio_buffer.commit" if heard == 0 => {
                let error = json!({"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty"});
                send(&mut socket, json!({"type": "error", "error": error})).await;
            }
            "input_audio_buffer.commit" => {
                items += 1;
                let id = format!("u{items}");
                send(&mut socket, json!({"type": "input_audio_buffer.committed", "item_id": id})).await;
                let words = state.words();
                if !matches!(fault, Fault::Silent | Fault::WrongJson) {
                    let name = "conversation.item.input_audio_transcription";
                    send(&mut socket, json!({"type": format!("{name}.delta"), "item_id": id, "delta": words})).await;
                    send(&mut socket, json!({"type": format!("{name}.completed"), "item_id": id, "transcript": words}))
                        .await;
                } else {
                    state.break_now();
                }
                lock(&state.messages).push(json!({"type": "heard", "ms": heard / 48}));
                heard = 0;
            }
            "response.create" => {
                answers += 1;
                lock(&state.messages).push(order);
                if !answer(&mut socket, &state, answers, &mut waiting).await {
                    return;
                }
                continue;
            }
            _ => {}
        }
        lock(&state.messages).push(order);
    }
}

async fn next(socket: &mut WebSocket) -> Option<Value> {
    loop {
        if let Message::Text(text) = receive(socket).await? {
            return serde_json::from_str(&text).ok();
        }
    }
}

fn tone(ms: usize) -> impl Iterator<Item = i16> {
    (0..ms * 24).map(|n| ((n as f64 * 0.05).sin() * 8000.0) as i16)
}

/// Whether the connection goes on.
async fn answer(socket: &mut WebSocket, state: &State, number: usize, waiting: &mut VecDeque<Value>) -> bool {
    let (id, item) = (format!("r{number}"), format!("a{number}"));
    let fault = state.fault();
    match fault {
        Fault::Silent => {
            state.break_now();
            return true;
        }
        Fault::Garbage => {
            state.break_now();
            let _ = futures_util::SinkExt::send(socket, Message::text("<html>oops")).await;
            return true;
        }
        Fault::WrongJson => {
            state.break_now();
            return send(socket, json!({"object": "list", "data": []})).await;
        }
        _ => {}
    }
    send(socket, json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}})).await;
    let added = json!({"id": item, "type": "message", "role": "assistant"});
    send(socket, json!({"type": "response.output_item.added", "response_id": id, "item": added})).await;
    let words = lock(&state.answer).clone();
    let words: Vec<&str> = words.split_inclusive(' ').collect();
    // The words are ahead of the sound by three.
    for n in 0..words.len() + 3 {
        if n == words.len() / 2 && matches!(fault, Fault::Cut | Fault::Stall) {
            state.break_now();
            if fault == Fault::Stall {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            return false;
        }
        if let Some(word) = words.get(n) {
            let delta = json!({"type": "response.output_audio_transcript.delta", "response_id": id, "delta": word});
            send(socket, delta).await;
        }
        if n == words.len() {
            send(socket, json!({"type": "response.output_audio_transcript.done", "response_id": id})).await;
        }
        if let Some(word) = n.checked_sub(3).and_then(|n| words.get(n)) {
            let pause = if word.trim_end().ends_with(['.', '?', '!']) { PAUSE_MS } else { 0 };
            let samples = tone(word.chars().count() * LETTER_MS).chain(std::iter::repeat_n(0, pause * 24));
            let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
            let delta =
                json!({"type": "response.output_audio.delta", "response_id": id, "delta": BASE64.encode(bytes)});
            send(socket, delta).await;
        }
        let pace = *lock(&state.pace);
        let until = tokio::time::Instant::now() + pace;
        while let Ok(order) = tokio::time::timeout_at(until, next(socket)).await {
            let Some(order) = order else { return false };
            if order["type"] == "response.cancel" {
                lock(&state.messages).push(order);
                let done = json!({"type": "response.done", "response": {"id": id, "status": "cancelled"}});
                return send(socket, done).await;
            }
            waiting.push_back(order);
        }
    }
    send(socket, json!({"type": "response.output_audio.done", "response_id": id})).await;
    send(socket, json!({"type": "response.done", "response": {"id": id, "status": "completed"}})).await
}
