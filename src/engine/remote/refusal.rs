//! What went wrong at the other end, as a sentence: what it is and what to do about it.

use super::address::Remote;
use futures_util::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Longest excerpt of a server's own words in an error, in characters.
const EXCERPT: usize = 160;
/// Most bytes that are read of the body of a refusal.
const MAX_REFUSAL: usize = 4096;

/// What a refusal means and what to do about it. A server that says for how long it does not want to be asked is obeyed.
pub(in crate::engine) async fn refused(remote: &Remote, status: StatusCode, mut response: Response) -> String {
    if let Some(time) = retry_after(status, response.headers()) {
        remote.rest(time);
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_REFUSAL {
            body.truncate(MAX_REFUSAL);
            break;
        }
    }
    told(remote, status.as_u16(), &body)
}

/// The sentence for a status and the body that came with it.
pub(in crate::engine) fn told(remote: &Remote, status: u16, body: &[u8]) -> String {
    let section = remote.section;
    let advice = match status {
        300..=399 => format!("it redirects; put the new address into {section}.base_url"),
        401 | 403 => format!("check {section}.api_key_env"),
        404 => format!("check {section}.base_url and model"),
        429 => "its limit of requests or the quota is reached".to_owned(),
        500..=599 => "the server is in trouble".to_owned(),
        _ => "the server does not take the request".to_owned(),
    };
    let status = StatusCode::from_u16(status).map_or(status.to_string(), |status| status.to_string());
    match refusal(body) {
        words if words.is_empty() => format!("{status}: {advice}"),
        words => format!("{status}: {advice} (\"{words}\")"),
    }
}

/// For how long a server that has too much to do wants to be left alone, where it says so in seconds.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    matches!(status.as_u16(), 429 | 503).then_some(())?;
    let seconds: f64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The message in the body of a refusal, as far as there is one, masked and short.
fn refusal(body: &[u8]) -> String {
    let message = serde_json::from_slice(body).ok().as_ref().and_then(error_of);
    message.unwrap_or_else(|| excerpt(&String::from_utf8_lossy(body)))
}

/// The message of a JSON body that is an error, masked and short.
pub(in crate::engine) fn error_of(value: &Value) -> Option<String> {
    let error = value.get("error").filter(|e| !e.is_null())?;
    let message =
        error["message"].as_str().or(error.as_str()).unwrap_or("the server reports an error without a message");
    Some(excerpt(message))
}

/// Servers quote what they were sent: personal data is masked, line breaks go, and it ends soon.
pub(in crate::engine) fn excerpt(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * EXCERPT).collect();
    crate::pii::mask_text(plain.trim()).chars().take(EXCERPT).collect()
}

/// An error of the transport, with its cause and without the address, which may hold a password.
pub(in crate::engine) fn transport(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error {
        e if e.is_connect() && e.is_timeout() => "cannot connect: no answer".to_owned(),
        e if e.is_connect() => format!("cannot connect: {cause}"),
        e if e.is_timeout() => "timed out".to_owned(),
        _ => format!("the connection broke: {cause}"),
    }
}

/// Why a body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum Broken {
    /// The connection.
    #[error("{}", transport(.0))]
    Transport(reqwest::Error),
    /// The server sends without end.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The body, as far as it is not longer than `most` bytes.
pub(in crate::engine) fn bounded(
    response: Response,
    most: usize,
) -> impl Stream<Item = Result<impl AsRef<[u8]> + use<>, Broken>> + Send {
    let mut left = most;
    response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(Broken::Transport)?;
        left = left.checked_sub(chunk.len()).ok_or(Broken::TooLong(most))?;
        Ok(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_is_told_masked_and_short() {
        assert_eq!(refusal(br#"{"error":{"message":"model not found"}}"#), "model not found");
        assert_eq!(refusal(br#"{"error":"busy"}"#), "busy");
        let told = refusal(format!("call\n{} {}", "+1 555 123 4567", "x".repeat(900)).as_bytes());
        assert!(!told.contains("123 4567") && !told.contains('\n') && told.chars().count() <= EXCERPT, "{told}");
    }

    #[test]
    fn only_a_busy_server_is_left_alone() {
        let headers = |value: &str| HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, value.parse().unwrap())]);
        let busy = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(retry_after(busy, &headers("1.5")), Some(Duration::from_millis(1500)));
        for value in ["-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "inf", "NaN"] {
            assert_eq!(retry_after(busy, &headers(value)), None, "{value}");
        }
        assert_eq!(retry_after(StatusCode::NOT_FOUND, &headers("3")), None);
        assert_eq!(retry_after(busy, &HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(refusal(&bytes).chars().count() <= EXCERPT);
        }
    }
}
