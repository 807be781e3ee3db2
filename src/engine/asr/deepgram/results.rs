//! Reads the messages of the server. What is missing or more than expected does no harm.

use crate::audio::SAMPLE_RATE_HZ;
use crate::engine::remote::{error_of, excerpt};
use serde_json::Value;

/// What the server says.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Message {
    /// Words.
    Results(Segment),
    /// Something else: it is alive.
    Other,
}

/// What it makes of a stretch of the sound.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Segment {
    /// First sample, counted from the beginning of the connection, at 16 kHz.
    pub start: u64,
    /// Just after the last one.
    pub end: u64,
    /// As written by the server.
    pub text: String,
    /// 0 to 1, where given.
    pub confidence: Option<f64>,
    /// It will not change any more.
    pub settled: bool,
    /// It is the answer to `Finalize`.
    pub asked_for: bool,
}

/// Reads a message.
///
/// # Errors
/// The server's words when it reports an error, and what is wrong when it is no JSON.
pub(super) fn read(text: &str) -> Result<Message, String> {
    let message: Value =
        serde_json::from_str(text).map_err(|_| "the server sent a message that is no JSON".to_owned())?;
    if let Some(error) = error_of(&message) {
        return Err(error);
    }
    let kind = message["type"].as_str().unwrap_or_default();
    if kind == "Error" || message["err_code"].is_string() {
        let words = [&message["description"], &message["err_msg"], &message["message"]];
        let words = words.iter().find_map(|words| words.as_str()).unwrap_or("the server reports an error");
        return Err(excerpt(words));
    }
    let channel = &message["channel"];
    if !(kind == "Results" || kind.is_empty() && channel.is_object()) {
        return match message.is_object() {
            true => Ok(Message::Other),
            false => Err("the server sent a message that is no object".to_owned()),
        };
    }
    let best = &channel["alternatives"][0];
    let start = samples(&message["start"]);
    Ok(Message::Results(Segment {
        start,
        end: start.saturating_add(samples(&message["duration"])),
        text: best["transcript"].as_str().unwrap_or_default().trim().to_owned(),
        confidence: best["confidence"].as_f64(),
        settled: message["is_final"].as_bool().unwrap_or(false),
        asked_for: message["from_finalize"].as_bool().unwrap_or(false),
    }))
}

fn samples(seconds: &Value) -> u64 {
    (seconds.as_f64().unwrap_or(0.0).clamp(0.0, 1e6) * f64::from(SAMPLE_RATE_HZ)).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn results_are_read() {
        let text = r#"{"type":"Results","channel_index":[0,1],"start":1.5,"duration":0.5,"is_final":true,"speech_final":false,
            "from_finalize":true,"channel":{"alternatives":[{"transcript":" Yes please","confidence":0.97,"words":[]}]}}"#;
        let expected = Segment {
            start: 24_000,
            end: 32_000,
            text: "Yes please".into(),
            confidence: Some(0.97),
            settled: true,
            asked_for: true,
        };
        assert_eq!(read(text).unwrap(), Message::Results(expected));
        let bare = read(r#"{"channel":{"alternatives":[]}}"#).unwrap();
        assert_eq!(bare, Message::Results(Segment::default()));
        for other in [r#"{"type":"Metadata"}"#, r#"{"type":"UtteranceEnd","last_word_end":2.1}"#, "{}"] {
            assert_eq!(read(other).unwrap(), Message::Other);
        }
    }

    #[test]
    fn errors_are_told() {
        for (text, expected) in [
            ("<html>", "no JSON"),
            ("[1]", "no object"),
            (r#"{"type":"Error","description":"no such model"}"#, "no such model"),
            (r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}"#, "Invalid credentials."),
            (r#"{"error":"busy"}"#, "busy"),
        ] {
            assert!(read(text).unwrap_err().contains(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", seconds in any::<f64>()) {
            let _ = read(&text);
            let _ = read(&format!("{{\"type\":\"Results\",\"start\":{seconds:e},\"duration\":{seconds:e}}}"));
        }
    }
}
