//! Digest as today's peers speak it (RFC 7616, RFC 8760) around what the stack knows.
//!
//! The stack answers challenges itself, but only the first one, spells SHA-256 in its own way and reads no list of `qop`
//! values. So a challenge is reduced to the one that we can answer before the stack sees it, and the answer is put into the
//! standard's spelling before it leaves.

use rsipstack::sip::typed::tokenizers::AuthTokenizer;
use rsipstack::sip::{Header, Headers, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;

pub(super) struct Digest;

impl MessageInspector for Digest {
    fn before_send(&self, mut message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut message {
            for header in request.headers.iter_mut() {
                match header {
                    Header::Authorization(h) => *h = spelt(h.value()).into(),
                    Header::ProxyAuthorization(h) => *h = spelt(h.value()).into(),
                    _ => {}
                }
            }
        }
        message
    }

    fn after_received(&self, mut message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Response(response) = &mut message
            && matches!(response.status_code, StatusCode::Unauthorized | StatusCode::ProxyAuthenticationRequired)
        {
            keep_best(&mut response.headers);
        }
        message
    }
}

fn spelt(value: &str) -> String {
    value.replace("algorithm=SHA256", "algorithm=SHA-256").replace("qop=\"auth\"", "qop=auth")
}

/// Leaves one challenge of each kind: the first that we can answer, which is the one the server likes best (RFC 8760
/// section 2.3). Where we can answer none, all stay.
fn keep_best(headers: &mut Headers) {
    let www = headers.iter().find_map(|h| match h {
        Header::WwwAuthenticate(h) => answerable(h.value()),
        _ => None,
    });
    if let Some(challenge) = www {
        headers.unique_push(Header::WwwAuthenticate(challenge.into()));
    }
    let proxy = headers.iter().find_map(|h| match h {
        Header::ProxyAuthenticate(h) => answerable(h.value()),
        _ => None,
    });
    if let Some(challenge) = proxy {
        headers.unique_push(Header::ProxyAuthenticate(challenge.into()));
    }
}

/// The challenge in the stack's spelling, if its scheme, algorithm and quality of protection are ones that we have.
fn answerable(value: &str) -> Option<String> {
    let challenge = AuthTokenizer::parse(value).ok()?;
    if !challenge.scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let parameter = |name: &str| challenge.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
    let algorithm = match parameter("algorithm") {
        None => "MD5",
        Some(a) if a.eq_ignore_ascii_case("md5") => "MD5",
        Some(a) if a.eq_ignore_ascii_case("sha-256") || a.eq_ignore_ascii_case("sha256") => "SHA256",
        Some(_) => return None,
    };
    let mut out = format!("Digest realm=\"{}\", nonce=\"{}\"", parameter("realm")?, parameter("nonce")?);
    for name in ["opaque", "stale"] {
        if let Some(value) = parameter(name) {
            out.push_str(&format!(", {name}=\"{value}\""));
        }
    }
    out.push_str(&format!(", algorithm={algorithm}"));
    if let Some(qop) = parameter("qop") {
        if !qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")) {
            return None;
        }
        out.push_str(", qop=\"auth\"");
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_challenge_that_we_can_answer_is_kept() {
        let mut headers = Headers::from(vec![
            Header::WwwAuthenticate("Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"".into()),
            Header::WwwAuthenticate("Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth,auth-int\"".into()),
            Header::WwwAuthenticate("Digest realm=\"a\", nonce=\"3\", algorithm=MD5".into()),
        ]);
        keep_best(&mut headers);
        let left: Vec<_> = headers.iter().map(Header::value).collect();
        assert_eq!(left, ["Digest realm=\"a\", nonce=\"2\", algorithm=SHA256, qop=\"auth\""]);
    }

    #[test]
    fn a_challenge_that_nobody_can_answer_stays_as_it_is() {
        let basic = Header::WwwAuthenticate("Basic realm=\"a\"".into());
        let mut headers = Headers::from(vec![basic.clone()]);
        keep_best(&mut headers);
        assert_eq!(headers.iter().collect::<Vec<_>>(), [&basic]);
    }

    #[test]
    fn the_answer_is_spelt_as_the_standard_has_it() {
        assert_eq!(
            spelt("Digest a=\"b\", algorithm=SHA256, qop=\"auth\""),
            "Digest a=\"b\", algorithm=SHA-256, qop=auth"
        );
    }
}
