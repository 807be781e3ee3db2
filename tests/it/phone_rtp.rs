//! The telephone's RTP side against a peer of known behaviour, over sockets and in real time.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tipring::audio::{CodecKind, Decoder, Encoder, FRAME_BYTES, Samples, level};
use tipring::phone::{Act, Happening, Path, Plan, RtpLoop, Script, Step, Trigger, Utterance, measure};
use tipring::rtp::{HEADER_BYTES, Header, Packet};

const LOOPBACK: &str = "127.0.0.1:0";

fn tone(amplitude: i16) -> Samples {
    std::array::from_fn(|i| if i % 32 < 16 { amplitude } else { -amplitude })
}

fn utterance(ms: usize, text: &str) -> Arc<Utterance> {
    let samples = (0..ms * 16).map(|i| if i % 32 < 16 { 6000i16 } else { -6000 }).collect();
    Arc::new(Utterance::annotate(samples, text, Some(text.to_owned())).unwrap())
}

/// What the peer did, by its own clock.
#[derive(Default)]
struct PeerLog {
    /// Arrival of the last loud packet before each answer, and when the first packet of that answer was sent.
    answers: Vec<(Instant, Instant)>,
    events: Vec<[u8; 4]>,
}

/// Greets for 600 ms when it hears the first packet, then answers everything `wait` after the last loud packet, for 500 ms.
fn peer(socket: UdpSocket, codec: CodecKind, wait: Duration, until: Instant) -> PeerLog {
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    let mut log = PeerLog::default();
    let mut remote = None;
    let mut header = Header { marker: false, payload_type: codec.payload_type(), sequence: 9, timestamp: 0, ssrc: 4 };
    let (mut loud_left, mut answer_at, mut last_loud) = (30, None, None);
    let mut due = Instant::now();
    while Instant::now() < until {
        let mut datagram = [0; 1500];
        if let Ok((len, from)) = socket.recv_from(&mut datagram) {
            let now = Instant::now();
            remote = Some(from);
            let packet = Packet::parse(&datagram[..len]).unwrap();
            if packet.header.payload_type == 101 {
                log.events.push(packet.payload.try_into().unwrap());
                continue;
            }
            let mut samples = [0; 960];
            let len = decoder.decode(packet.payload, &mut samples);
            if level::rms_dbfs(&samples[..len]) > -30.0 {
                last_loud = Some(now);
                answer_at = Some(now + wait);
            }
        }
        let Some(remote) = remote else { continue };
        let now = Instant::now();
        // The answer begins when it is due, not with the next tick: the peer's gap is exact.
        if answer_at.is_some_and(|at| now >= at) {
            answer_at = None;
            loud_left = 25;
            due = now;
            log.answers.push((last_loud.unwrap(), now));
        }
        if now >= due {
            due += Duration::from_millis(20);
            let mut bytes = [0; HEADER_BYTES + FRAME_BYTES];
            header.write(bytes.first_chunk_mut().unwrap());
            encoder.encode(&tone(if loud_left > 0 { 5000 } else { 0 }), &mut bytes[HEADER_BYTES..]);
            loud_left = (loud_left - 1).max(0);
            socket.send_to(&bytes, remote).unwrap();
            header.sequence = header.sequence.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(160);
        }
    }
    log
}

fn start(plan: Plan, codec: CodecKind, remote: SocketAddr) -> (RtpLoop, tokio::sync::mpsc::Receiver<Happening>) {
    let (rtp, happenings) = RtpLoop::start(LOOPBACK.parse().unwrap(), plan).unwrap();
    let (payload_type, event_payload_type) = (codec.payload_type(), Some(101));
    rtp.set_path(Path { remote, codec, payload_type, event_payload_type, sends: true });
    (rtp, happenings)
}

#[test]
fn the_gap_measured_is_the_gap_of_the_peer_in_narrow_band() {
    measure_a_known_gap(CodecKind::Pcmu);
}

#[test]
fn the_gap_measured_is_the_gap_of_the_peer_in_wide_band() {
    measure_a_known_gap(CodecKind::G722);
}

fn measure_a_known_gap(codec: CodecKind) {
    let socket = UdpSocket::bind(LOOPBACK).unwrap();
    let remote = socket.local_addr().unwrap();
    let until = Instant::now() + Duration::from_millis(7000);
    let peer = std::thread::spawn(move || peer(socket, codec, Duration::from_millis(330), until));
    let say = |text| Step { trigger: Trigger::POLITE, act: Act::Say(utterance(400, text)) };
    let press = Step { trigger: Trigger::POLITE, act: Act::Press("5".into()) };
    let script = Script::new(vec![say("one"), say("two"), press]).with_patience(Duration::from_millis(700));
    let plan = Plan { record: true, longest: Duration::from_secs(7), ..Plan::new(script) };
    let (rtp, mut happenings) = start(plan, codec, remote);
    let mut told = Vec::new();
    while let Some(happening) = happenings.blocking_recv() {
        match happening {
            Happening::AgentSpeaks { gap_ms, .. } => told.extend(gap_ms),
            Happening::Over { time_over } => {
                assert!(!time_over);
                break;
            }
            Happening::Begins(_) | Happening::Said(_) => {}
        }
    }
    let log = rtp.stop().unwrap();
    let peer = peer.join().unwrap();
    let turns = measure(&log.said, &log.spurts);
    assert_eq!(turns.len(), 3);
    assert_eq!((peer.answers.len(), log.heard.lost, log.heard.duplicates), (2, 0, 0));
    for (turn, (heard, answered)) in turns.iter().zip(&peer.answers) {
        assert!(turn.is_measured() && !turn.false_cutoff, "{turn:?}");
        let gap = turn.gap_ms.unwrap();
        // The codec delays the sound by up to 7 ms there and back: a little of the speech lies in one packet more, which is
        // sent when the last sample has ended. The onset is heard that delay after the answer's first packet came.
        let truth = (*answered - *heard).as_secs_f64() * 1000.0;
        eprintln!("{codec}: {gap:.2} ms measured, the peer waited {truth:.2} ms from the last packet");
        // Either side's clock is read late by some ms while other tests keep the cores busy.
        assert!((truth - 5.0..truth + 15.0).contains(&gap), "{gap} against {truth}");
    }
    assert!(told.iter().zip(&turns).all(|(told, turn)| (told - turn.gap_ms.unwrap()).abs() < 0.1));
    assert!(turns[2].missed && turns[2].said.keys.as_deref() == Some("5"));
    assert_eq!(peer.events.iter().filter(|event| event[0] == 5 && event[1] & 0x80 != 0).count(), 3);
    assert!(log.recording.is_some_and(|r| r.said.samples().len() > 16_000 && r.heard.samples().len() > 16_000));
}
