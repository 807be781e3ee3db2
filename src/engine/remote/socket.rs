//! A WebSocket to a server: text and binary out, text in, every step bounded in time and size.

use super::address::{Remote, USER_AGENT, crypto};
use super::refusal;
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Longest message that is read, in bytes. A second of audio as base64 takes 64 kB.
const MAX_MESSAGE: usize = 4 << 20;
/// How long a message may take to be handed to the system: its buffers are full when the peer is gone.
const SEND: Duration = Duration::from_millis(800);

/// An open connection. Dropping it closes it.
pub(in crate::engine) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What comes in.
#[derive(Debug)]
pub(in crate::engine) enum Incoming {
    /// A message of text. Others are of no use here and left out.
    Text(String),
    /// The end, and why.
    Closed(String),
}

impl Socket {
    /// Connects to `url` at the server `remote` with these headers.
    ///
    /// # Errors
    /// What is wrong and what to do about it; within `limit`.
    pub async fn connect(
        remote: &Remote,
        url: &Url,
        headers: &[(&'static str, String)],
        limit: Duration,
    ) -> Result<Self, String> {
        crypto();
        let mut request = url.as_str().into_client_request().map_err(|error| error.to_string())?;
        request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| format!("{}.api_key holds characters that no key has; write it again", remote.section))?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        match timeout(limit, connect_async_with_config(request, Some(config), true)).await {
            Err(_) => Err(format!("cannot connect within {} ms", limit.as_millis())),
            Ok(Ok((stream, _))) => Ok(Self(stream)),
            Ok(Err(Error::Http(response))) => {
                let status = response.status();
                let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                if let (429 | 503, Some(seconds)) = (status.as_u16(), wait.and_then(|value| value.parse().ok())) {
                    remote.rest(Duration::from_secs(seconds));
                }
                let body = response.body().as_deref().unwrap_or_default();
                Err(refusal::told(remote, status.as_u16(), body))
            }
            Ok(Err(Error::Io(error))) => Err(format!("cannot connect: {error}")),
            Ok(Err(error)) => Err(format!("it is no WebSocket: {error}; check {}.base_url", remote.section)),
        }
    }

    /// Sends a message of text.
    ///
    /// # Errors
    /// The connection broke, or the peer takes nothing.
    pub async fn text(&mut self, text: impl Into<String>) -> Result<(), String> {
        self.send(Message::text(text.into())).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub async fn binary(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        self.send(Message::binary(bytes)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), String> {
        match timeout(SEND, self.0.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broke(&error)),
            Err(_) => Err(format!("the peer took nothing for {} ms", SEND.as_millis())),
        }
    }

    /// Waits for the next message. Safe to cancel.
    pub async fn next(&mut self) -> Incoming {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Incoming::Text(text.to_string()),
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| (u16::from(frame.code), refusal::excerpt(&frame.reason)));
                    return Incoming::Closed(match reason {
                        Some((code, words)) if words.is_empty() => format!("the server closed the connection ({code})"),
                        Some((code, words)) => format!("the server closed the connection ({code}: \"{words}\")"),
                        None => "the server closed the connection".to_owned(),
                    });
                }
                Some(Err(error)) => return Incoming::Closed(broke(&error)),
                None => return Incoming::Closed("the connection was cut".to_owned()),
            }
        }
    }

    /// Says goodbye; what comes after that is of no interest.
    pub async fn close(mut self) {
        let _ = timeout(SEND, self.0.close(None)).await;
    }
}

fn broke(error: &Error) -> String {
    format!("the connection broke: {}", refusal::excerpt(&error.to_string()))
}
