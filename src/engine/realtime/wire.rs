//! What the server is sent, as text.

use super::history::Missing;
use super::{Config, Protocol};
use crate::speech::{ChatRequest, Expectation, Role};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// The rate of the sound in both directions, in Hz.
pub(super) const RATE_HZ: u32 = 24_000;
/// Most phrases that are sent as a prompt of the transcription.
const MAX_PHRASES: usize = 40;

/// The session's settings. The server detects no turns: the agent does.
pub(super) fn settings(config: &Config, what: Option<&Expectation>) -> String {
    let mut transcription = json!({"model": config.transcription_model});
    if let (Some(what), Some(transcription)) = (what, transcription.as_object_mut()) {
        // The protocol knows languages without regions.
        let language = what.language.0.split('-').next().unwrap_or_default();
        transcription.insert("language".to_owned(), json!(language));
        if !what.phrases.is_empty() {
            let phrases: Vec<&str> = what.phrases.iter().map(String::as_str).take(MAX_PHRASES).collect();
            transcription.insert("prompt".to_owned(), json!(phrases.join(", ")));
        }
    }
    let session = match config.protocol {
        Protocol::Ga => {
            let format = json!({"type": "audio/pcm", "rate": RATE_HZ});
            json!({"type": "realtime", "output_modalities": ["audio"], "audio": {
                "input": {"format": format, "turn_detection": null, "transcription": transcription},
                "output": {"format": format, "voice": config.voice}}})
        }
        Protocol::Beta => json!({"modalities": ["text", "audio"], "voice": config.voice, "turn_detection": null,
            "input_audio_format": "pcm16", "output_audio_format": "pcm16", "input_audio_transcription": transcription}),
    };
    json!({"type": "session.update", "session": session}).to_string()
}

/// Sound of the caller at [`RATE_HZ`].
pub(super) fn append(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({"type": "input_audio_buffer.append", "audio": BASE64.encode(bytes)}).to_string()
}

/// Sound of the server; an odd byte is kept for the next piece.
///
/// # Errors
/// It is no base64.
pub(super) fn sound(event: &Value, odd: &mut Option<u8>) -> Result<Vec<i16>, String> {
    let mut bytes: Vec<u8> = odd.take().into_iter().collect();
    let sound = BASE64.decode(event["delta"].as_str().unwrap_or_default());
    bytes.extend(sound.map_err(|_| "the server sent sound that is no base64".to_owned())?);
    let (pairs, rest) = bytes.as_chunks::<2>();
    *odd = rest.first().copied();
    Ok(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}

/// Something that was said without the server.
pub(super) fn item(protocol: Protocol, item: &Missing) -> String {
    let (role, kind) = match (item.role, protocol) {
        (Role::Assistant, Protocol::Ga) => ("assistant", "output_text"),
        (Role::Assistant, Protocol::Beta) => ("assistant", "text"),
        _ => ("user", "input_text"),
    };
    let after = item.after.as_deref().unwrap_or("root");
    let content = json!([{"type": kind, "text": item.text}]);
    let new = json!({"id": item.id, "type": "message", "role": role, "content": content});
    json!({"type": "conversation.item.create", "previous_item_id": after, "item": new}).to_string()
}

/// The wish for an answer.
pub(super) fn response(what: &ChatRequest) -> String {
    let task: Vec<&str> = what.messages.iter().filter(|m| m.role == Role::System).map(|m| m.content.as_str()).collect();
    let mut response = json!({});
    if let Some(response) = response.as_object_mut() {
        if !task.is_empty() {
            response.insert("instructions".to_owned(), json!(task.join("\n")));
        }
        if !what.tools.is_empty() {
            let tool = |tool: &crate::speech::Tool| json!({"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters});
            response.insert("tools".to_owned(), what.tools.iter().map(tool).collect());
        }
    }
    json!({"type": "response.create", "response": response}).to_string()
}

/// How likely the words are, from those of their tokens.
pub(super) fn likelihood(tokens: &Value) -> Option<f64> {
    let all: Vec<f64> = tokens.as_array()?.iter().filter_map(|token| token["logprob"].as_f64()).collect();
    (!all.is_empty()).then(|| (all.iter().sum::<f64>() / all.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{AnswerKind, Language};

    #[test]
    fn both_forms_of_the_protocol_leave_the_turns_to_us() {
        let what =
            Expectation { language: Language("zh-cn".into()), kind: AnswerKind::Open, phrases: vec!["是".into()] };
        let read = |protocol| -> Value {
            let config = Config { protocol, ..Config::default() };
            serde_json::from_str(&settings(&config, Some(&what))).unwrap()
        };
        let (new, old) = (read(Protocol::Ga), read(Protocol::Beta));
        let input = &new["session"]["audio"]["input"];
        assert!(input["turn_detection"].is_null() && input.get("turn_detection").is_some());
        assert_eq!(
            (&input["transcription"]["language"], &input["transcription"]["prompt"]),
            (&json!("zh"), &json!("是"))
        );
        assert!(old["session"].get("turn_detection").is_some_and(Value::is_null));
        assert_eq!(old["session"]["input_audio_format"], "pcm16");
    }

    #[test]
    fn sound_survives_any_cut() {
        let sent = [1i16, -2, 300, i16::MIN];
        let bytes: Vec<u8> = sent.iter().flat_map(|s| s.to_le_bytes()).collect();
        let (mut odd, mut got) = (None, Vec::new());
        for piece in bytes.chunks(3) {
            got.extend(sound(&json!({"delta": BASE64.encode(piece)}), &mut odd).unwrap());
        }
        assert_eq!(got, sent);
        assert!(sound(&json!({"delta": "***"}), &mut odd).is_err());
    }
}
