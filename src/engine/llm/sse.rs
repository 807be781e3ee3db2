//! Reads what OpenAI-compatible servers send. They differ: what is missing or more than expected does no harm.

use super::tool::Fragment;
use crate::engine::remote::error_of;
use serde_json::Value;

/// What one event of a streamed completion holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Part {
    /// Text, perhaps empty: the role, a usage report and keep-alives have none.
    pub text: String,
    /// Pieces of calls of tools.
    pub calls: Vec<Fragment>,
    /// The model has finished.
    pub finished: bool,
}

/// Reads the data of one event: a chunk, or `[DONE]`.
///
/// # Errors
/// The server's message when the event is an error, and what is wrong when it is no JSON.
pub(super) fn part(data: &str) -> Result<Part, String> {
    let data = data.trim();
    match data {
        "" => return Ok(Part::default()),
        "[DONE]" => return Ok(Part { finished: true, ..Part::default() }),
        _ => {}
    }
    let chunk: Value = serde_json::from_str(data).map_err(|_| "the server sent an event that is no JSON".to_owned())?;
    if let Some(message) = error_of(&chunk) {
        return Err(message);
    }
    let choice = &chunk["choices"][0];
    let text = [&choice["delta"]["content"], &choice["message"]["content"], &choice["text"]]
        .into_iter()
        .map(content)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let calls = [&choice["delta"], &choice["message"]].into_iter().flat_map(Fragment::all).collect();
    Ok(Part { text, calls, finished: choice["finish_reason"].is_string() })
}

/// Reads a whole completion, from servers that do not stream.
///
/// # Errors
/// As [`part`].
pub(super) fn whole(body: &[u8]) -> Result<Part, String> {
    part(&String::from_utf8_lossy(body))
}

/// A content is a string, or a list of parts with a text each.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(data: &str) -> (String, bool) {
        let part = part(data).unwrap();
        (part.text, part.finished)
    }

    #[test]
    fn reads_the_chunks_of_the_protocol() {
        assert_eq!(
            text(r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#),
            (String::new(), false)
        );
        assert_eq!(text(r#"{"choices":[{"delta":{"content":"Hi"}}]}"#), ("Hi".into(), false));
        assert_eq!(text(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#), (String::new(), true));
        assert_eq!(text(r#"{"choices":[],"usage":{"total_tokens":9}}"#), (String::new(), false));
        assert_eq!(text(" [DONE] "), (String::new(), true));
    }

    #[test]
    fn bears_with_servers_that_differ() {
        assert_eq!(text(r#"{"choices":[{"delta":{"content":null}}]}"#), (String::new(), false));
        assert_eq!(text(r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}]}"#).0, "ab");
        assert_eq!(text(r#"{"choices":[{"text":"old"}]}"#).0, "old");
        assert_eq!(text("{}"), (String::new(), false));
        assert_eq!(whole(br#"{"error":null,"choices":[{"message":{"content":"all"}}]}"#).unwrap().text, "all");
    }

    #[test]
    fn an_error_is_told() {
        assert_eq!(part(r#"{"error":{"message":"model not found"}}"#), Err("model not found".into()));
        assert_eq!(part(r#"{"error":"busy"}"#), Err("busy".into()));
        assert!(part("<html>").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = part(&data);
            let _ = whole(&bytes);
        }
    }
}
