//! Writing session descriptions.

use super::parse::Media;
use super::{Direction, Format, LocalMedia};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Payload type offered for telephone-event where it is free.
const TELEPHONE_EVENT: u8 = 101;

/// The session part.
pub(super) fn session(local: &LocalMedia, timing: &str) -> String {
    let (family, ip) = family(local.address.ip());
    let mut text = String::with_capacity(512);
    let _ = write!(
        text,
        "v=0\r\no=- {} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt={timing}\r\n",
        local.session_id, local.version
    );
    text
}

/// The audio stream.
pub(super) fn audio(
    text: &mut String,
    local: &LocalMedia,
    protocol: &str,
    formats: &[Format],
    events: &[Format],
    direction: Direction,
) {
    let _ = write!(text, "m=audio {} {protocol}", local.address.port());
    for format in formats.iter().chain(events) {
        let _ = write!(text, " {}", format.payload_type);
    }
    text.push_str("\r\n");
    for format in formats.iter().chain(events) {
        let _ = write!(text, "a=rtpmap:{} {}/{}\r\n", format.payload_type, format.encoding, format.clock_hz);
    }
    for event in events {
        let _ = write!(text, "a=fmtp:{} 0-15\r\n", event.payload_type);
    }
    let _ = write!(text, "a=ptime:{}\r\na={}\r\n", local.ptime_ms, direction.as_str());
}

/// The answer to a stream that we do not take: the same line with port 0 (RFC 3264 section 6).
pub(super) fn refused(text: &mut String, media: &Media) {
    let _ = write!(text, "m={} 0 {}", media.kind, media.protocol);
    for format in &media.formats {
        let _ = write!(text, " {format}");
    }
    text.push_str("\r\n");
}

/// A telephone-event format for each clock rate among `formats` (RFC 4733 section 2.1), with free payload types.
pub(super) fn telephone_events(formats: &[Format]) -> Vec<Format> {
    let mut events: Vec<Format> = Vec::new();
    for format in formats {
        if events.iter().any(|e| e.clock_hz == format.clock_hz) {
            continue;
        }
        let free = (TELEPHONE_EVENT..=127)
            .chain(96..TELEPHONE_EVENT)
            .find(|pt| formats.iter().chain(&events).all(|f| f.payload_type != *pt));
        if let Some(payload_type) = free {
            events.push(Format::new(payload_type, "telephone-event", format.clock_hz));
        }
    }
    events
}

fn family(ip: IpAddr) -> (&'static str, IpAddr) {
    let ip = ip.to_canonical();
    (if ip.is_ipv4() { "IP4" } else { "IP6" }, ip)
}

/// The description that we sent last in a session, so that `o=` says the truth about the next one: the same version while
/// nothing changes, the next higher one otherwise (RFC 3264 section 8).
#[derive(Clone, Debug, Default)]
pub struct LastDescription {
    text: Option<String>,
}

impl LastDescription {
    /// What to send when `description` is what we have to say now.
    pub fn issue(&mut self, description: String) -> String {
        let next = match self.text.take() {
            None => description,
            Some(last) => match (split_version(&last), split_version(&description)) {
                (Some((head, version, tail)), Some((new_head, _, new_tail))) => {
                    if head == new_head && tail == new_tail {
                        last
                    } else {
                        format!("{new_head}{}{new_tail}", version.saturating_add(1))
                    }
                }
                _ => description,
            },
        };
        self.text = Some(next.clone());
        next
    }

    /// The description sent last.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

/// What stands before the version of `o=`, the version, and what stands behind it.
fn split_version(text: &str) -> Option<(&str, u64, &str)> {
    let origin = text.find("o=")?;
    let (before, rest) = text.split_at_checked(origin)?;
    let mut words = rest.splitn(4, ' ');
    let (user, id, version, _) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let head = before.len() + user.len() + id.len() + 2;
    let tail = head + version.len();
    Some((text.get(..head)?, version.parse().ok()?, text.get(tail..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_rises_only_with_a_change() {
        let mut last = LastDescription::default();
        let text =
            |v: u64, port: u16| format!("v=0\r\no=- 5 {v} IN IP4 127.0.0.1\r\ns=-\r\nm=audio {port} RTP/AVP 0\r\n");
        assert_eq!(last.issue(text(1, 4000)), text(1, 4000));
        assert_eq!(last.issue(text(1, 4000)), text(1, 4000));
        assert_eq!(last.issue(text(1, 4002)), text(2, 4002));
        assert_eq!(last.issue(text(1, 4002)), text(2, 4002));
        assert_eq!(last.issue(text(1, 4000)), text(3, 4000));
        assert_eq!(last.text(), Some(text(3, 4000).as_str()));
    }

    #[test]
    fn telephone_events_take_free_payload_types_one_for_each_clock() {
        let formats = [Format::new(0, "PCMU", 8000), Format::new(101, "opus", 48000), Format::new(9, "G722", 8000)];
        let events = telephone_events(&formats);
        let types: Vec<_> = events.iter().map(|e| (e.payload_type, e.clock_hz)).collect();
        assert_eq!(types, [(102, 8000), (103, 48000)]);
    }
}
