//! Reading a session description (RFC 8866), bounded and tolerant.
//!
//! Lines may end in CRLF, LF or CR; unknown lines are passed over; text that is not UTF-8 is read with replacement
//! characters. What a negotiation needs must be right.

use super::format::static_format;
use super::{Direction, SdpError};
use std::net::IpAddr;

/// Longest session description that is read, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;
/// Most media lines that are read.
pub const MAX_MEDIA: usize = 16;
/// Most formats that are kept of one media line; what follows is ignored.
const MAX_FORMATS: usize = 64;

/// A session description, as far as a negotiation needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// `sess-version` of `o=`, when there is a readable one.
    pub version: Option<u64>,
    /// The value of `t=`, for instance `0 0`; an answer repeats it.
    pub timing: String,
    /// Direction that holds for every media line without its own.
    pub direction: Option<Direction>,
    /// The media lines in their order.
    pub media: Vec<Media>,
}

/// One media line with what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// `audio`, `video` and so on.
    pub kind: String,
    /// Port; 0 switches the stream off.
    pub port: u16,
    /// Transport, for instance `RTP/AVP`.
    pub protocol: String,
    /// Formats as written, for RTP payload types, most preferred first.
    pub formats: Vec<String>,
    /// The address to send to: that of this media line or else of the session. `None` when there is none at all.
    pub connection: Option<Connection>,
    /// Direction of this media line alone.
    pub direction: Option<Direction>,
    /// `a=` lines in their order.
    pub attributes: Vec<Attribute>,
}

/// The address of a `c=` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connection {
    /// An address.
    Ip(IpAddr),
    /// A host name, or an address of a network that we do not know.
    Other(String),
}

/// An `a=` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    /// What stands before the colon.
    pub name: String,
    /// What stands after the colon; empty where there is none.
    pub value: String,
}

/// What a payload type means in one media line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rtpmap {
    /// Payload type.
    pub payload_type: u8,
    /// Encoding name as written.
    pub encoding: String,
    /// Clock rate in Hz.
    pub clock_hz: u32,
    /// Channels, 1 where not written.
    pub channels: u32,
}

impl Media {
    /// The value of the first attribute with this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
    }

    /// The payload formats in the order of the media line; payload types that nobody explains are left out.
    pub fn rtpmaps(&self) -> Vec<Rtpmap> {
        let mut maps: Vec<Rtpmap> = Vec::new();
        for format in &self.formats {
            let Ok(payload_type) = format.parse::<u8>() else { continue };
            if payload_type > 127 || maps.iter().any(|m| m.payload_type == payload_type) {
                continue;
            }
            let written = self
                .attributes
                .iter()
                .filter(|a| a.name == "rtpmap")
                .find_map(|a| rtpmap(&a.value).filter(|m| m.payload_type == payload_type));
            maps.extend(written.or_else(|| {
                let (encoding, clock_hz) = static_format(payload_type)?;
                Some(Rtpmap { payload_type, encoding: encoding.to_owned(), clock_hz, channels: 1 })
            }));
        }
        maps
    }
}

/// `<payload type> <encoding>/<clock>[/<channels>]`
fn rtpmap(value: &str) -> Option<Rtpmap> {
    let (payload_type, rest) = value.trim().split_once(char::is_whitespace)?;
    let mut parts = rest.trim().split('/');
    let encoding = parts.next().filter(|e| !e.is_empty())?.to_owned();
    let clock_hz = parts.next()?.trim().parse().ok()?;
    let channels = match parts.next() {
        Some(text) => text.trim().parse().ok()?,
        None => 1,
    };
    Some(Rtpmap { payload_type: payload_type.parse().ok()?, encoding, clock_hz, channels })
}

/// Reads a session description.
///
/// # Errors
/// [`SdpError::TooLong`], [`SdpError::TooManyMedia`], or [`SdpError::Malformed`] with the line.
pub fn parse(bytes: &[u8]) -> Result<Description, SdpError> {
    if bytes.len() > MAX_BYTES {
        return Err(SdpError::TooLong { bytes: bytes.len() });
    }
    let text = String::from_utf8_lossy(bytes);
    let mut description = Description { version: None, timing: "0 0".to_owned(), direction: None, media: Vec::new() };
    let mut session_connection = None;
    let mut seen_version = false;
    for (index, line) in text.split(['\n', '\r']).enumerate() {
        // A CRLF leaves an empty piece behind every line; counting pairs keeps the numbers of CRLF texts right.
        let number = if text.contains("\r\n") { index / 2 + 1 } else { index + 1 };
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let malformed = |why| SdpError::Malformed { line: number, why };
        let (kind, value) = line.split_once('=').ok_or_else(|| malformed("a line is a letter, `=` and a value"))?;
        let value = value.trim_start();
        if !seen_version {
            if kind != "v" || value != "0" {
                return Err(malformed("a description begins with v=0"));
            }
            seen_version = true;
            continue;
        }
        match kind {
            "o" => description.version = value.split_ascii_whitespace().nth(2).and_then(|v| v.parse().ok()),
            "t" if description.media.is_empty() => {
                if let Some(timing) = timing(value) {
                    description.timing = timing;
                }
            }
            "c" => {
                let connection = connection(value).ok_or_else(|| malformed("c= is network, type and address"))?;
                match description.media.last_mut() {
                    Some(media) => media.connection = Some(connection),
                    None => session_connection = Some(connection),
                }
            }
            "m" => {
                if description.media.len() == MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                let media = media(value).ok_or_else(|| malformed("m= is kind, port, transport and formats"))?;
                description.media.push(media);
            }
            "a" => attribute(&mut description, value),
            _ => {}
        }
    }
    if !seen_version {
        return Err(SdpError::Malformed { line: 1, why: "a description begins with v=0" });
    }
    for media in &mut description.media {
        if media.connection.is_none() {
            media.connection.clone_from(&session_connection);
        }
    }
    Ok(description)
}

fn attribute(description: &mut Description, value: &str) {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    let direction = Direction::from_attribute(name.trim());
    match description.media.last_mut() {
        Some(media) => match direction {
            Some(direction) => media.direction = Some(direction),
            None => media.attributes.push(Attribute { name: name.trim().to_owned(), value: value.trim().to_owned() }),
        },
        None => description.direction = direction.or(description.direction),
    }
}

fn timing(value: &str) -> Option<String> {
    let mut parts = value.split_ascii_whitespace();
    let start: u64 = parts.next()?.parse().ok()?;
    let stop: u64 = parts.next()?.parse().ok()?;
    Some(format!("{start} {stop}"))
}

/// `IN IP4 192.0.2.1[/ttl]`
fn connection(value: &str) -> Option<Connection> {
    let mut parts = value.split_ascii_whitespace();
    let (network, _family, address) = (parts.next()?, parts.next()?, parts.next()?);
    let bare = address.split('/').next().unwrap_or(address);
    Some(match bare.parse() {
        Ok(ip) if network.eq_ignore_ascii_case("IN") => Connection::Ip(ip),
        _ => Connection::Other(address.to_owned()),
    })
}

/// `audio 49170[/count] RTP/AVP 0 8`
fn media(value: &str) -> Option<Media> {
    let mut parts = value.split_ascii_whitespace();
    let kind = parts.next()?.to_ascii_lowercase();
    let port = parts.next()?;
    let port = port.split('/').next().unwrap_or(port).parse().ok()?;
    let protocol = parts.next()?.to_ascii_uppercase();
    let formats: Vec<String> = parts.take(MAX_FORMATS).map(str::to_owned).collect();
    if formats.is_empty() {
        return None;
    }
    Some(Media { kind, port, protocol, formats, connection: None, direction: None, attributes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHONE: &str = "v=0\r\no=alice 2890844526 7 IN IP4 192.0.2.4\r\ns=Call\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n\
        a=sendrecv\r\nm=audio 49170 RTP/AVP 9 0 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-16\r\na=sendonly\r\nm=video 0 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\n";

    #[test]
    fn a_phones_offer_is_read() {
        let description = parse(PHONE.as_bytes()).unwrap();
        assert_eq!(description.version, Some(7));
        assert_eq!(description.direction, Some(Direction::SendRecv));
        let [audio, video] = &description.media[..] else { panic!("two media lines") };
        assert_eq!((audio.kind.as_str(), audio.port, audio.protocol.as_str()), ("audio", 49170, "RTP/AVP"));
        assert_eq!(audio.connection, Some(Connection::Ip("192.0.2.4".parse().unwrap())));
        assert_eq!(audio.direction, Some(Direction::SendOnly));
        assert_eq!(video.connection, Some(Connection::Ip("2001:db8::1".parse().unwrap())));
        let maps = audio.rtpmaps();
        let names: Vec<_> =
            maps.iter().map(|m| (m.payload_type, m.encoding.as_str(), m.clock_hz, m.channels)).collect();
        let expected =
            [(9, "G722", 8000, 1), (0, "PCMU", 8000, 1), (96, "opus", 48000, 2), (101, "telephone-event", 8000, 1)];
        assert_eq!(names, expected);
    }

    #[test]
    fn lf_alone_and_blank_lines_are_tolerated() {
        let unix = PHONE.replace("\r\n", "\n");
        assert_eq!(parse(unix.as_bytes()), parse(PHONE.as_bytes()));
        assert_eq!(parse(format!("\r\n{PHONE}\r\n\r\n").as_bytes()), parse(PHONE.as_bytes()));
    }

    #[test]
    fn faults_name_their_line() {
        let line = |text: &str| match parse(text.as_bytes()) {
            Err(SdpError::Malformed { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(""), 1);
        assert_eq!(line("o=x"), 1);
        assert_eq!(line("v=0\r\ns=-\r\nm=audio x RTP/AVP 0\r\n"), 3);
        assert_eq!(line("v=0\ns=-\nm=audio 1 RTP/AVP\n"), 3);
        assert_eq!(line("v=0\nnonsense"), 2);
    }

    #[test]
    fn length_and_number_of_media_lines_are_bounded() {
        assert_eq!(parse(&vec![b'v'; MAX_BYTES + 1]), Err(SdpError::TooLong { bytes: MAX_BYTES + 1 }));
        let text = format!("v=0\n{}", "m=audio 1 RTP/AVP 0\n".repeat(MAX_MEDIA + 1));
        assert_eq!(parse(text.as_bytes()), Err(SdpError::TooManyMedia));
        let text = format!("v=0\nm=audio 1 RTP/AVP{}\n", " 0".repeat(1000));
        assert_eq!(parse(text.as_bytes()).unwrap().media[0].formats.len(), MAX_FORMATS);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_damaged_offer_makes_it_panic(at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
            let mut bytes = PHONE.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(description) = parse(&bytes) {
                for media in &description.media {
                    prop_assert!(media.rtpmaps().iter().all(|m| m.payload_type <= 127));
                }
            }
            bytes.truncate(cut);
            let _ = parse(&bytes);
        }

        #[test]
        fn lines_of_any_kind_never_panic(lines in proptest::collection::vec("[a-z]=[ -~]{0,60}", 0..40)) {
            let _ = parse(format!("v=0\n{}", lines.join("\n")).as_bytes());
        }
    }
}
