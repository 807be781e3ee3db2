//! Header fields: what the flow may see, what we may be asked to send, where the session description is.

use super::UaError;
use rsipstack::sip::headers::make_header;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Headers, Request};

/// Methods that we take.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
/// Bodies that we take.
pub(super) const ACCEPT: &str = "application/sdp";

/// Every end-to-end header of a message, in order. Those of the hop, of authentication and of the body are left out.
pub(super) fn end_to_end(headers: &Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|header| {
            !matches!(
                header,
                Header::Via(_)
                    | Header::Route(_)
                    | Header::RecordRoute(_)
                    | Header::MaxForwards(_)
                    | Header::CSeq(_)
                    | Header::ContentLength(_)
                    | Header::ContentType(_)
                    | Header::Authorization(_)
                    | Header::ProxyAuthorization(_)
                    | Header::ProxyRequire(_)
                    | Header::Require(_)
            )
        })
        .map(|header| (header.name().to_owned(), header.value().trim().to_owned()))
        .collect()
}

/// Headers that the stack writes; a caller's own would contradict them.
const OURS: &[&str] = &[
    "via",
    "v",
    "from",
    "f",
    "to",
    "t",
    "call-id",
    "i",
    "cseq",
    "contact",
    "m",
    "max-forwards",
    "content-type",
    "c",
    "content-length",
    "l",
    "route",
    "record-route",
    "authorization",
    "proxy-authorization",
    "user-agent",
    "require",
];

/// A header to be sent, checked against injection (RFC 3261 section 25.1: a token, and no line breaks).
///
/// # Errors
/// [`UaError::Header`] when the name is no token or belongs to the stack, or the value has control characters.
pub(super) fn checked(name: &str, value: &str) -> Result<Header, UaError> {
    let fault = |why| UaError::Header { name: name.escape_debug().to_string(), why };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)) {
        return Err(fault("a header's name is letters, digits and hyphens"));
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(fault("it is written by the SIP stack"));
    }
    if value.chars().any(char::is_control) {
        return Err(fault("its value has a control character"));
    }
    Ok(make_header(name, value.to_owned()))
}

/// All of them, or the first fault.
pub(super) fn all_checked(headers: &[(String, String)]) -> Result<Vec<Header>, UaError> {
    headers.iter().map(|(name, value)| checked(name, value)).collect()
}

/// A session description's Content-Type.
pub(super) fn sdp_type() -> Header {
    Header::ContentType("application/sdp".into())
}

/// The body of a message as far as it concerns us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// There is none.
    None,
    /// A session description, alone or the first one of a multipart body.
    Sdp(Vec<u8>),
    /// Something else.
    Other(String),
}

/// The body of a request or response.
pub(super) fn body(headers: &Headers, bytes: &[u8]) -> Body {
    if bytes.is_empty() {
        return Body::None;
    }
    let content_type = headers.iter().find_map(|h| match h {
        Header::ContentType(h) => Some(h.value().trim()),
        _ => None,
    });
    let media_type = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match content_type.map(media_type).as_deref() {
        Some("application/sdp") => Body::Sdp(bytes.to_vec()),
        Some(kind) if kind.starts_with("multipart/") => {
            let parts = content_type.and_then(boundary).and_then(|boundary| sdp_part(bytes, &boundary));
            parts.map_or_else(|| Body::Other(kind.to_owned()), Body::Sdp)
        }
        Some(kind) => Body::Other(kind.to_owned()),
        None => Body::Other("no Content-Type".to_owned()),
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let value = content_type.split(';').find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// The first `application/sdp` of a multipart body (RFC 2046 section 5.1).
fn sdp_part(bytes: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.split(&format!("--{boundary}")).skip(1).find_map(|part| {
        let (head, body) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let sdp = head.lines().any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                let kind = value.split(';').next().unwrap_or_default();
                (name.trim().eq_ignore_ascii_case("content-type") || name.trim().eq_ignore_ascii_case("c"))
                    && kind.trim().eq_ignore_ascii_case("application/sdp")
            })
        });
        sdp.then(|| body.as_bytes().to_vec())
    })
}

/// The first value of a header, by name.
pub(super) fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|h| h.name().eq_ignore_ascii_case(name)).map(|h| h.value().trim())
}

/// Option tags that the peer requires of us; we have none.
pub(super) fn required(request: &Request) -> Vec<String> {
    let values = request.headers.iter().filter_map(|h| match h {
        Header::Require(h) => Some(h.value()),
        _ => None,
    });
    values.flat_map(|v| v.split(',')).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
}

/// The request belongs to a dialog: its To has a tag.
pub(super) fn in_dialog(request: &Request) -> bool {
    request.to_header().ok().and_then(|to| to.tag().ok().flatten()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_message_is_refused() {
        assert!(checked("X-Lead", "42").is_ok());
        for (name, value) in [
            ("X-Lead", "42\r\nVia: x"),
            ("X-Lead", "a\0b"),
            ("X Lead", "1"),
            ("", "1"),
            ("Via", "1"),
            ("t", "1"),
            ("Content-Length", "9"),
        ] {
            assert!(checked(name, value).is_err(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn the_session_description_is_found_alone_and_among_others() {
        let typed = |kind: &str| Headers::from(vec![Header::ContentType(kind.to_owned().into())]);
        assert_eq!(body(&typed("application/sdp"), b"v=0"), Body::Sdp(b"v=0".to_vec()));
        assert_eq!(body(&typed("Application/SDP; charset=x"), b"v=0"), Body::Sdp(b"v=0".to_vec()));
        assert_eq!(body(&typed("application/sdp"), b""), Body::None);
        assert_eq!(body(&typed("text/plain"), b"x"), Body::Other("text/plain".to_owned()));
        let parts = b"--b1\r\nContent-Type: application/isup\r\n\r\nxx\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1--\r\n";
        assert_eq!(body(&typed("multipart/mixed;boundary=\"b1\""), parts), Body::Sdp(b"v=0\r\n".to_vec()));
        assert_eq!(body(&typed("multipart/mixed"), parts), Body::Other("multipart/mixed".to_owned()));
    }

    #[test]
    fn the_flow_sees_end_to_end_headers_only() {
        let headers = Headers::from(vec![
            Header::Via("SIP/2.0/UDP x".into()),
            Header::Authorization("Digest secret".into()),
            make_header("X-Lead", " 42 ".to_owned()),
            make_header("P-Asserted-Identity", "<sip:1@x>".to_owned()),
        ]);
        let expected = [("X-Lead", "42"), ("P-Asserted-Identity", "<sip:1@x>")];
        assert_eq!(end_to_end(&headers), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
