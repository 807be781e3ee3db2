//! Handing the peer to somebody else: REFER, and the NOTIFYs that tell what became of it (RFC 3515).

use super::headers;
use rsipstack::sip::Request;

/// What a NOTIFY of a transfer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TransferNotice {
    /// The status of the transferee's call to the target.
    pub status: u16,
    /// Its reason phrase.
    pub reason: String,
    /// Nothing more will be told.
    pub last: bool,
}

/// Reads a NOTIFY of a transfer; `None` when it is about something else or cannot be read.
pub(super) fn notice(request: &Request) -> Option<TransferNotice> {
    let event = headers::value(&request.headers, "Event")?;
    if !event.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("refer") {
        return None;
    }
    let state = headers::value(&request.headers, "Subscription-State").unwrap_or_default();
    let ended = state.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("terminated");
    let (status, reason) = sipfrag(&request.body)?;
    Some(TransferNotice { status, reason, last: ended || status >= 200 })
}

/// The status line of a `message/sipfrag` body (RFC 3420).
fn sipfrag(body: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(body).ok()?;
    let line = text.lines().map(str::trim).find(|l| !l.is_empty())?;
    let rest = line.strip_prefix("SIP/2.0")?.trim_start();
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status.parse().ok().filter(|s| (100..700).contains(s))?;
    Some((status, reason.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsipstack::sip::headers::make_header;

    #[test]
    fn a_notice_is_read() {
        let request = |event: &str, state: &str, body: &str| Request {
            method: rsipstack::sip::Method::Notify,
            uri: rsipstack::sip::Uri::default(),
            version: rsipstack::sip::Version::V2,
            headers: vec![make_header("Event", event.to_owned()), make_header("Subscription-State", state.to_owned())]
                .into(),
            body: body.as_bytes().to_vec(),
        };
        let read = |event, state, body| notice(&request(event, state, body)).map(|n| (n.status, n.reason, n.last));
        assert_eq!(
            read("refer;id=2", "active;expires=60", "SIP/2.0 180 Ringing\r\n"),
            Some((180, "Ringing".into(), false))
        );
        assert_eq!(read("refer", "terminated;reason=noresource", "SIP/2.0 200 OK"), Some((200, "OK".into(), true)));
        assert_eq!(read("refer", "terminated", "SIP/2.0 100 Trying"), Some((100, "Trying".into(), true)));
        assert_eq!(read("refer", "active", "SIP/2.0 603"), Some((603, String::new(), true)));
        assert_eq!(read("message-summary", "active", "SIP/2.0 200 OK"), None);
        assert_eq!(read("refer", "active", "hello"), None);
    }
}
