//! The offer/answer model for one audio stream (RFC 3264).

use super::format::{Direction, Format};
use super::parse::{Connection, Media, Rtpmap, parse};
use super::{SdpError, write};
use std::net::{IpAddr, SocketAddr};

/// What we can do, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalMedia {
    /// Where we want to receive RTP; RTCP comes to the next port. Must be an address that the peer can reach.
    pub address: SocketAddr,
    /// Encodings, most preferred first. The payload types are those of our offers; an answer uses the offerer's.
    pub formats: Vec<Format>,
    /// Telephone events (RFC 4733) are wanted.
    pub telephone_event: bool,
    /// Milliseconds of audio per packet that we would like to receive.
    pub ptime_ms: u32,
    /// Session identifier of `o=`, the same throughout a call.
    pub session_id: u64,
    /// Version of `o=`; [`LastDescription`](super::LastDescription) takes care of it after the first description.
    pub version: u64,
}

/// What both sides settled on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// RTP payload type of the audio.
    pub payload_type: u8,
    /// Encoding name, spelt as in our [`LocalMedia::formats`].
    pub encoding: String,
    /// Payload type of telephone events, when both have them.
    pub dtmf_payload_type: Option<u8>,
    /// Where the peer wants RTP. When `direction` does not send, this may be the unspecified address.
    pub remote: SocketAddr,
    /// Where the peer wants RTCP: `a=rtcp` (RFC 3605), else the port behind RTP's.
    pub remote_rtcp: SocketAddr,
    /// Which way audio flows.
    pub direction: Direction,
    /// Milliseconds of audio per packet that the peer wants to receive, 10 to 60.
    pub ptime_ms: u32,
}

/// Transports that carry plain RTP. AVPF is taken as AVP with feedback that we do not send.
const PLAIN_RTP: [&str; 2] = ["RTP/AVP", "RTP/AVPF"];

/// Writes an offer, of all our formats.
pub fn offer(local: &LocalMedia, direction: Direction) -> String {
    let events = if local.telephone_event { write::telephone_events(&local.formats) } else { Vec::new() };
    let mut text = write::session(local, "0 0");
    write::audio(&mut text, local, "RTP/AVP", &local.formats, &events, direction);
    text
}

/// Reads an offer, chooses, and writes the answer. Our order of preference wins among what both have; the answer carries
/// that one encoding and the offerer's telephone events; every other stream is refused with port 0.
///
/// # Errors
/// When there is nothing to agree on; [`SdpError::status`] says how to refuse the request.
pub fn answer(offer: &[u8], local: &LocalMedia) -> Result<(String, Agreed), SdpError> {
    let description = parse(offer)?;
    let mut refusal = SdpError::NoAudio;
    let mut chosen = None;
    for (index, media) in description.media.iter().enumerate() {
        match choose(media, local, Preference::Ours) {
            Ok(choice) => {
                chosen = Some((index, media, choice));
                break;
            }
            // What the first usable stream lacks says most.
            Err(error) => refusal = more_telling(refusal, error),
        }
    }
    let Some((index, media, choice)) = chosen else { return Err(refusal) };
    let agreed = agree(media, description.direction, choice, local)?;

    let format = Format::new(agreed.payload_type, agreed.encoding.clone(), clock_of(local, &agreed.encoding));
    let events: Vec<Format> = agreed
        .dtmf_payload_type
        .map(|pt| Format::new(pt, "telephone-event", event_clock(media, pt)))
        .into_iter()
        .collect();
    let mut text = write::session(local, &description.timing);
    for (at, media) in description.media.iter().enumerate() {
        if at == index {
            write::audio(&mut text, local, &media.protocol, std::slice::from_ref(&format), &events, agreed.direction);
        } else {
            write::refused(&mut text, media);
        }
    }
    Ok((text, agreed))
}

/// Reads the answer to our offer. The answerer's first format that we offered is the one to use.
///
/// # Errors
/// When the peer refused the stream or answered with something that we did not offer.
pub fn accept(answer: &[u8], local: &LocalMedia) -> Result<Agreed, SdpError> {
    let description = parse(answer)?;
    let media = description.media.iter().find(|m| m.kind == "audio").ok_or(SdpError::NoAudio)?;
    if media.port == 0 {
        return Err(SdpError::Refused);
    }
    let choice = choose(media, local, Preference::Theirs)?;
    agree(media, description.direction, choice, local)
}

enum Preference {
    Ours,
    Theirs,
}

/// A codec that both have, and the peer's payload type for it.
struct Choice {
    theirs: Rtpmap,
    encoding: String,
}

fn choose(media: &Media, local: &LocalMedia, preference: Preference) -> Result<Choice, SdpError> {
    if media.kind != "audio" || media.port == 0 {
        return Err(SdpError::NoAudio);
    }
    if !PLAIN_RTP.contains(&media.protocol.as_str()) {
        return Err(SdpError::NoCommonTransport { protocol: media.protocol.clone() });
    }
    let theirs = media.rtpmaps();
    let same = |ours: &Format, map: &Rtpmap| {
        map.channels == 1 && map.clock_hz == ours.clock_hz && map.encoding.eq_ignore_ascii_case(&ours.encoding)
    };
    let pair = match preference {
        Preference::Ours => {
            local.formats.iter().find_map(|ours| theirs.iter().find(|map| same(ours, map)).map(|map| (ours, map)))
        }
        Preference::Theirs => {
            theirs.iter().find_map(|map| local.formats.iter().find(|ours| same(ours, map)).map(|ours| (ours, map)))
        }
    };
    match pair {
        Some((ours, map)) => Ok(Choice { theirs: map.clone(), encoding: ours.encoding.clone() }),
        None => {
            let names: Vec<_> = theirs
                .iter()
                .filter(|m| !is_event(m))
                .take(8)
                .map(|m| format!("{}/{}", m.encoding.escape_debug(), m.clock_hz))
                .collect();
            let theirs = if names.is_empty() { "none that it names".to_owned() } else { names.join(" ") };
            Err(SdpError::NoCommonCodec { theirs })
        }
    }
}

fn agree(
    media: &Media,
    session_direction: Option<Direction>,
    choice: Choice,
    local: &LocalMedia,
) -> Result<Agreed, SdpError> {
    let ip = address(media, local.address.ip())?;
    let theirs = media.direction.or(session_direction).unwrap_or_default();
    // 0.0.0.0 is how phones before RFC 3264 say that they do not want to receive.
    let direction = match theirs.reversed() {
        ours if ip.is_unspecified() => Direction::from_halves(false, ours.receives()),
        ours => ours,
    };
    let remote = SocketAddr::new(ip, media.port);
    let dtmf_payload_type = if local.telephone_event { event_type(media, choice.theirs.clock_hz) } else { None };
    Ok(Agreed {
        payload_type: choice.theirs.payload_type,
        encoding: choice.encoding,
        dtmf_payload_type,
        remote,
        remote_rtcp: rtcp(media, remote),
        direction,
        ptime_ms: ptime(media, local.ptime_ms),
    })
}

fn address(media: &Media, ours: IpAddr) -> Result<IpAddr, SdpError> {
    match &media.connection {
        Some(Connection::Ip(ip)) => {
            let ip = ip.to_canonical();
            if ip.is_ipv4() == ours.to_canonical().is_ipv4() || ip.is_unspecified() {
                Ok(ip)
            } else {
                Err(SdpError::UnsupportedAddress { address: ip.to_string() })
            }
        }
        Some(Connection::Other(name)) => Err(SdpError::UnsupportedAddress { address: name.escape_debug().to_string() }),
        None => Err(SdpError::UnsupportedAddress { address: "(none, c= is missing)".to_owned() }),
    }
}

/// `a=rtcp:53020 [IN IP4 126.16.64.4]`
fn rtcp(media: &Media, remote: SocketAddr) -> SocketAddr {
    let usual = SocketAddr::new(remote.ip(), remote.port().saturating_add(1));
    let Some(value) = media.attribute("rtcp") else { return usual };
    let mut parts = value.split_ascii_whitespace();
    let Some(port) = parts.next().and_then(|p| p.parse::<u16>().ok()).filter(|p| *p != 0) else { return usual };
    let ip = parts.nth(2).and_then(|a| a.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    // RTCP to a third party would make us a reflector: only the port is believed then.
    let ip = ip.filter(|ip| *ip == remote.ip()).unwrap_or(remote.ip());
    SocketAddr::new(ip, port)
}

fn ptime(media: &Media, ours: u32) -> u32 {
    let number = |name| media.attribute(name).and_then(|v| v.parse::<u32>().ok());
    let wanted = number("ptime").filter(|ms| *ms > 0).unwrap_or(ours);
    let most = number("maxptime").filter(|ms| *ms > 0).unwrap_or(wanted);
    wanted.min(most).clamp(10, 60)
}

fn is_event(map: &Rtpmap) -> bool {
    map.encoding.eq_ignore_ascii_case("telephone-event")
}

/// The peer's telephone events: those of the audio's clock rate, else any.
fn event_type(media: &Media, clock_hz: u32) -> Option<u8> {
    let maps = media.rtpmaps();
    let mut events = maps.iter().filter(|m| is_event(m));
    let first = events.clone().next();
    events.find(|m| m.clock_hz == clock_hz).or(first).map(|m| m.payload_type)
}

fn event_clock(media: &Media, payload_type: u8) -> u32 {
    media.rtpmaps().iter().find(|m| m.payload_type == payload_type).map_or(8000, |m| m.clock_hz)
}

fn clock_of(local: &LocalMedia, encoding: &str) -> u32 {
    local.formats.iter().find(|f| f.encoding == encoding).map_or(8000, |f| f.clock_hz)
}

/// Of two reasons to refuse, the one that came nearer to agreement.
fn more_telling(a: SdpError, b: SdpError) -> SdpError {
    let rank = |e: &SdpError| match e {
        SdpError::NoAudio => 0,
        SdpError::NoCommonTransport { .. } => 1,
        _ => 2,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn local() -> LocalMedia {
        LocalMedia {
            address: "127.0.0.1:40000".parse().unwrap(),
            formats: vec![Format::new(9, "G722", 8000), Format::new(0, "PCMU", 8000), Format::new(8, "PCMA", 8000)],
            telephone_event: true,
            ptime_ms: 20,
            session_id: 42,
            version: 1,
        }
    }

    fn theirs(media: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{media}").into_bytes()
    }

    #[test]
    fn our_preference_wins_and_their_numbers_are_used() {
        let offer = theirs(
            "m=audio 5004 RTP/AVP 0 8 107 100\r\na=rtpmap:107 g722/8000\r\na=rtpmap:100 telephone-event/8000\r\na=ptime:30\r\n",
        );
        let (text, agreed) = answer(&offer, &local()).unwrap();
        assert_eq!((agreed.payload_type, agreed.encoding.as_str()), (107, "G722"));
        assert_eq!(agreed.dtmf_payload_type, Some(100));
        assert_eq!(agreed.remote, "192.0.2.7:5004".parse().unwrap());
        assert_eq!(agreed.remote_rtcp, "192.0.2.7:5005".parse().unwrap());
        assert_eq!((agreed.direction, agreed.ptime_ms), (Direction::SendRecv, 30));
        let expected = "v=0\r\no=- 42 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
            m=audio 40000 RTP/AVP 107 100\r\na=rtpmap:107 G722/8000\r\na=rtpmap:100 telephone-event/8000\r\n\
            a=fmtp:100 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_offer_of_ours_is_answered_by_ourselves() {
        let mut peer = local();
        peer.address = "127.0.0.1:50000".parse().unwrap();
        peer.formats.remove(0);
        let sent = offer(&local(), Direction::SendRecv);
        let (text, theirs) = answer(sent.as_bytes(), &peer).unwrap();
        let ours = accept(text.as_bytes(), &local()).unwrap();
        assert_eq!((ours.encoding.as_str(), ours.payload_type), ("PCMU", 0));
        assert_eq!((theirs.encoding.as_str(), theirs.payload_type), ("PCMU", 0));
        assert_eq!((ours.dtmf_payload_type, theirs.dtmf_payload_type), (Some(101), Some(101)));
        assert_eq!(ours.remote, peer.address);
        assert_eq!(theirs.remote, local().address);
    }

    #[test]
    fn hold_in_its_three_spellings() {
        let direction = |media: &str| answer(&theirs(media), &local()).unwrap().1.direction;
        assert_eq!(direction("m=audio 5004 RTP/AVP 0\r\na=sendonly\r\n"), Direction::RecvOnly);
        assert_eq!(direction("m=audio 5004 RTP/AVP 0\r\na=inactive\r\n"), Direction::Inactive);
        assert_eq!(direction("m=audio 5004 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), Direction::RecvOnly);
        assert_eq!(direction("m=audio 5004 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"), Direction::Inactive);
        assert_eq!(direction("m=audio 5004 RTP/AVP 0\r\na=recvonly\r\n"), Direction::SendOnly);
        let session_wide = theirs("a=sendonly\r\nm=audio 5004 RTP/AVP 0\r\n");
        assert_eq!(answer(&session_wide, &local()).unwrap().1.direction, Direction::RecvOnly);
    }

    #[test]
    fn other_streams_are_refused_in_their_place() {
        let offer = theirs(
            "m=video 6000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 5004 RTP/AVP 8\r\nm=audio 5006 RTP/AVP 0\r\n",
        );
        let (text, agreed) = answer(&offer, &local()).unwrap();
        let lines: Vec<_> = text.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(lines, ["m=video 0 RTP/AVP 96", "m=audio 40000 RTP/AVP 8", "m=audio 0 RTP/AVP 0"]);
        assert_eq!(agreed.encoding, "PCMA");
    }

    #[test]
    fn refusals_say_why() {
        let error = |media: &str| answer(&theirs(media), &local()).unwrap_err();
        assert_eq!(error("m=video 6000 RTP/AVP 96\r\n"), SdpError::NoAudio);
        assert_eq!(error("m=audio 0 RTP/AVP 0\r\n"), SdpError::NoAudio);
        let secure = error("m=audio 5004 RTP/SAVP 0\r\n");
        assert_eq!(secure, SdpError::NoCommonTransport { protocol: "RTP/SAVP".to_owned() });
        assert_eq!(secure.status(), 488);
        let codec = error("m=audio 5004 RTP/AVP 96 3\r\na=rtpmap:96 opus/48000/2\r\n");
        assert_eq!(codec, SdpError::NoCommonCodec { theirs: "opus/48000 GSM/8000".to_owned() });
        let name = error("m=audio 5004 RTP/AVP 0\r\nc=IN IP4 phone.example.com\r\n");
        assert_eq!(name, SdpError::UnsupportedAddress { address: "phone.example.com".to_owned() });
        assert!(matches!(
            error("m=audio 5004 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n"),
            SdpError::UnsupportedAddress { .. }
        ));
        assert_eq!(answer(b"hello", &local()).unwrap_err().status(), 400);
        assert_eq!(accept(&theirs("m=audio 0 RTP/AVP 0\r\n"), &local()), Err(SdpError::Refused));
    }

    #[test]
    fn plain_audio_beside_secure_audio_is_taken() {
        let offer = theirs("m=audio 5004 RTP/SAVP 0\r\nm=audio 5006 RTP/AVP 0\r\n");
        let (text, agreed) = answer(&offer, &local()).unwrap();
        assert_eq!(agreed.remote.port(), 5006);
        assert!(text.contains("m=audio 0 RTP/SAVP 0\r\n"));
    }

    #[test]
    fn rtcp_goes_where_the_peer_says_but_not_to_a_stranger() {
        let rtcp = |line: &str| {
            answer(&theirs(&format!("m=audio 5004 RTP/AVP 0\r\n{line}")), &local()).unwrap().1.remote_rtcp.to_string()
        };
        assert_eq!(rtcp("a=rtcp:6001\r\n"), "192.0.2.7:6001");
        assert_eq!(rtcp("a=rtcp:6001 IN IP4 192.0.2.7\r\n"), "192.0.2.7:6001");
        assert_eq!(rtcp("a=rtcp:6001 IN IP4 203.0.113.9\r\n"), "192.0.2.7:6001");
        assert_eq!(rtcp("a=rtcp:x\r\n"), "192.0.2.7:5005");
    }

    #[test]
    fn the_answerers_first_format_is_used() {
        let agreed = accept(&theirs("m=audio 5004 RTP/AVP 8 0\r\na=maxptime:40\r\na=ptime:60\r\n"), &local()).unwrap();
        assert_eq!((agreed.encoding.as_str(), agreed.ptime_ms), ("PCMA", 40));
        assert_eq!(agreed.dtmf_payload_type, None);
    }

    proptest! {
        #[test]
        fn no_offer_makes_it_panic(media in "(m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,5}\r\n|a=[a-z]{1,8}:[ -~]{0,30}\r\n|c=IN IP4 [0-9.]{0,12}\r\n){0,8}") {
            let offer = theirs(&media);
            let _ = accept(&offer, &local());
            if let Ok((text, agreed)) = answer(&offer, &local()) {
                let offered = parse(&offer).unwrap();
                let answered = parse(text.as_bytes()).unwrap();
                prop_assert_eq!(offered.media.len(), answered.media.len());
                prop_assert_eq!(answered.media.iter().filter(|m| m.port != 0).count(), 1);
                prop_assert!(local().formats.iter().any(|f| f.encoding == agreed.encoding));
                prop_assert!((10..=60).contains(&agreed.ptime_ms));
            }
        }
    }
}
