//! Proves that a media tick does not allocate: a counting global allocator, asked about one thread at a time.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tipring::audio::{CodecKind, FRAME_SAMPLES, PlayoutFrame, UtteranceId};
use tipring::media::{
    Channel, Config, MediaEvent, MediaServer, MediaSession, Outgoing, Port, PortOptions, StreamParams,
};
use tipring::metrics::Metrics;

/// Threads that can be told apart: more than this program starts.
const THREADS: usize = 256;

/// Allocations, reallocations and frees by thread, in the order in which threads first did one.
static COUNTS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];
/// The system's thread ids of the same.
static IDS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];
static KNOWN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn place() -> usize {
    PLACE.with(|place| {
        if place.get() == usize::MAX {
            let next = KNOWN.fetch_add(1, Relaxed) as usize;
            assert!(next < THREADS);
            // SAFETY: gettid has no preconditions and cannot fail.
            IDS[next].store(unsafe { libc::gettid() } as u64, Relaxed);
            place.set(next);
        }
        place.get()
    })
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counting touches atomics and a const thread-local only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNTS[place()].fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        COUNTS[place()].fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNTS[place()].fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` does to the allocator on this thread.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNTS[place()].load(Relaxed);
    let result = work();
    (COUNTS[place()].load(Relaxed) - before, result)
}

#[test]
fn the_measures_of_a_voice_do_not_allocate() {
    let mut extractor = Box::new(tipring::audio::prosody::Extractor::default());
    let mut functionals = Box::new(tipring::audio::prosody::Functionals::default());
    let (mut phase, mut steps) = (0f32, 0);
    let (count, ()) = allocations(|| {
        for n in 0..500u32 {
            // A buzz that comes and goes, and silence.
            let loud = if n % 100 < 80 { 9000.0 } else { 0.0 };
            let frame = std::array::from_fn(|_| {
                phase = (phase + (120.0 + n as f32 / 5.0) / 16_000.0).fract();
                (loud * (phase - 0.5)) as i16
            });
            extractor.push(&frame, &mut |step| {
                functionals.push(step);
                steps += 1;
            });
        }
        extractor.finish(&mut |step| functionals.push(step));
        std::hint::black_box(functionals.vector());
    });
    assert!(steps > 900 && functionals.heard_ms() > 5000, "{steps} steps, {} ms", functionals.heard_ms());
    assert_eq!(count, 0);
}

#[test]
fn the_counter_counts() {
    let (count, kept) = allocations(|| std::hint::black_box(Box::new(7)));
    assert_eq!(count, 1);
    assert_eq!(allocations(|| drop(kept)).0, 1);
    assert_eq!(allocations(|| std::hint::black_box([0u8; 64])).0, 0);
}

const MS: u64 = 1_000_000;

/// Datagrams on their way, in memory that is there from the start.
struct Wire {
    slots: Vec<([u8; 1024], usize, Channel)>,
    used: usize,
}

impl Wire {
    fn new() -> Self {
        Self { slots: vec![([0; 1024], 0, Channel::Rtp); 64], used: 0 }
    }

    fn put(&mut self, out: Outgoing<'_>) {
        let slot = &mut self.slots[self.used];
        slot.0[..out.bytes.len()].copy_from_slice(out.bytes);
        (slot.1, slot.2) = (out.bytes.len(), out.channel);
        self.used += 1;
    }
}

struct End {
    port: Port,
    session: MediaSession,
    wire: Wire,
    address: SocketAddr,
}

fn end(codec: CodecKind, me: u16) -> End {
    let at = |n: u16| SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 4000 + 10 * n));
    let options = PortOptions {
        origin: Instant::now(),
        unix_origin_ns: 1_700_000_000_000_000_000,
        seed: u64::from(me) + 1,
        cname: "a@example.invalid".into(),
        jitter_max_ms: 60,
        record: true,
    };
    let (port, session) = Port::open(StreamParams::new(codec, at(1 - me)), options);
    End { port, session, wire: Wire::new(), address: at(me) }
}

/// The work of the other threads in a tick: keeps something to say queued, empties the rings.
fn attend(end: &mut End, utterance: u32) -> (usize, String) {
    let epoch = end.session.speech.epoch();
    while end.session.speech.room() > 50 {
        let samples = std::array::from_fn(|n| if n % 32 < 16 { 6000 } else { -6000 });
        let frame = PlayoutFrame { epoch, utterance: UtteranceId(utterance), last: false, samples };
        assert!(end.session.speech.play(frame).is_ok());
    }
    let frames = std::iter::from_fn(|| end.session.speech.next_frame()).count();
    let tap = end.session.recording.as_mut().unwrap();
    while tap.next_frame().is_some() {}
    let digits = std::iter::from_fn(|| end.session.speech.next_event()).filter_map(|event| match event {
        MediaEvent::Dtmf { digit, .. } => Some(digit),
        MediaEvent::Playout(_) => None,
    });
    (frames, digits.collect())
}

#[test]
fn a_tick_of_a_port_does_not_allocate() {
    for codec in CodecKind::ALL {
        let mut ends = [end(codec, 0), end(codec, 1)];
        let (mut total, mut frames, mut rtcp) = (0, 0, 0);
        let mut took = Duration::ZERO;
        let mut digits = String::new();
        // A minute: reports go out every five seconds.
        for tick in 0..3000u64 {
            for end in &mut ends {
                let (heard, pressed) = attend(end, 1 + (tick / 100) as u32);
                frames += heard;
                digits += &pressed;
            }
            match tick % 100 {
                10 => drop(ends[0].session.control.new_epoch()),
                20 => ends[1].session.control.send_dtmf("19#").unwrap(),
                // Re-INVITEs: hold, resume, another codec and back.
                n @ (50 | 60 | 70 | 80) => {
                    let codec = if n == 70 { CodecKind::Pcma } else { codec };
                    for me in 0..2 {
                        let peer = ends[1 - me].address;
                        let params = StreamParams { send: n != 50, ..StreamParams::new(codec, peer) };
                        ends[me].session.control.update(params).unwrap();
                    }
                }
                _ => {}
            }
            let now = tick * 20 * MS;
            for me in 0..2 {
                let [first, second] = &mut ends;
                let (this, peer) = if me == 0 { (first, second) } else { (second, first) };
                let began = Instant::now();
                let (count, ()) = allocations(|| {
                    let wire = &mut this.wire;
                    this.port.tick(now + me as u64 * 7 * MS, &mut |out| wire.put(out));
                });
                total += count;
                // Every 17th tick is lost, every 13th comes in the wrong order or twice.
                for n in 0..this.wire.used {
                    let (bytes, len, channel) =
                        &this.wire.slots[if tick % 13 == 0 { this.wire.used - 1 - n } else { n }];
                    rtcp += usize::from(*channel == Channel::Rtcp);
                    if tick % 17 == 3 {
                        continue;
                    }
                    for _ in 0..1 + usize::from(tick % 13 == 0) {
                        let (count, ()) = allocations(|| match channel {
                            Channel::Rtp => {
                                peer.port.handle_datagram(now + me as u64 * 7 * MS, this.address, &bytes[..*len]);
                            }
                            Channel::Rtcp => {
                                peer.port.handle_rtcp(now + me as u64 * 7 * MS, this.address, &bytes[..*len]);
                            }
                        });
                        total += count;
                    }
                }
                this.wire.used = 0;
                took += began.elapsed();
            }
        }
        println!("{codec}: {:.1} µs a tick, both ways, recorded", took.as_secs_f64() * 1e6 / 6000.0);
        assert_eq!(total, 0, "{codec}: allocations in 6,000 ticks");
        assert!(frames > 5900 && rtcp > 15, "{codec}: {frames} frames, {rtcp} reports");
        assert_eq!(digits, "19#".repeat(30), "{codec}");
        let report = ends[0].session.control.report();
        assert!(report.packets_lost > 50 && report.concealed_ms > 1000, "{report:?}");
    }
}

/// What the thread of this name has done to the allocator.
fn allocations_of(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut ids =
        tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|c| c.trim() == name));
    let id: u64 = ids.next().expect("the thread runs").file_name().to_string_lossy().parse().unwrap();
    let place = IDS.iter().position(|known| known.load(Relaxed) == id);
    place.map_or(0, |place| COUNTS[place].load(Relaxed))
}

#[test]
fn a_media_thread_does_not_allocate_and_keeps_its_time() {
    let local = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let config = Config { rtp_ports: (42_000, 42_199), threads: 1, realtime: false, ..Config::default() };
    let metrics = Metrics::new();
    let server = MediaServer::start(&config, &metrics).unwrap();
    let mut sessions = Vec::new();
    for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::Pcma] {
        let [a, b] = [0, 1].map(|_| server.reserve(local).unwrap());
        let (at_a, at_b) = (a.rtp_addr(), b.rtp_addr());
        sessions.push(a.start(StreamParams::new(codec, at_b), true).unwrap());
        sessions.push(b.start(StreamParams::new(codec, at_a), true).unwrap());
    }
    // One more, to a plain socket that looks at the pace.
    let watch = UdpSocket::bind((local, 0)).unwrap();
    watch.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let reservation = server.reserve(local).unwrap();
    sessions.push(reservation.start(StreamParams::new(CodecKind::Pcmu, watch.local_addr().unwrap()), false).unwrap());
    let pace = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let mut arrivals = Vec::with_capacity(400);
        let mut marks = Vec::with_capacity(400);
        while arrivals.len() < 150 {
            let Ok((len, _)) = watch.recv_from(&mut buffer) else { break };
            let header = tipring::rtp::Packet::parse(&buffer[..len]).unwrap().header;
            // The packets of a telephone event share one timestamp.
            if header.payload_type == CodecKind::Pcmu.payload_type() {
                arrivals.push(Instant::now());
                marks.push(header.timestamp);
            }
        }
        (arrivals, marks)
    });

    let run = |sessions: &mut Vec<MediaSession>, ms: u64| {
        let began = Instant::now();
        let mut frames = 0;
        let mut turn = 0;
        while began.elapsed() < Duration::from_millis(ms) {
            turn += 1;
            for session in sessions.iter_mut() {
                let epoch = session.speech.epoch();
                while session.speech.room() > 60 {
                    let frame = PlayoutFrame {
                        epoch,
                        utterance: UtteranceId(turn),
                        last: false,
                        samples: [900; FRAME_SAMPLES],
                    };
                    assert!(session.speech.play(frame).is_ok());
                }
                frames += std::iter::from_fn(|| session.speech.next_frame()).count();
                while session.speech.next_event().is_some() {}
                if let Some(tap) = &mut session.recording {
                    while tap.next_frame().is_some() {}
                }
                if turn % 50 == 20 {
                    session.control.send_dtmf("5").unwrap();
                }
                if turn % 50 == 40 {
                    session.control.new_epoch();
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        frames
    };
    run(&mut sessions, 500);
    let before = allocations_of("media-0");
    let ticks = metrics.media().ticks.get();
    let frames = run(&mut sessions, 3000);
    assert_eq!(
        allocations_of("media-0") - before,
        0,
        "allocations of the media thread in three seconds of seven calls"
    );
    let ticks = metrics.media().ticks.get() - ticks;
    assert!((900..=1100).contains(&ticks), "{ticks} ticks");
    assert!((900..=1200).contains(&frames), "{frames} frames");

    let (arrivals, marks) = pace.join().unwrap();
    assert!(arrivals.len() >= 140, "{}", arrivals.len());
    // Lateness of each packet against its own timestamp: the clock does not drift, and on the whole it is punctual.
    let mut late: Vec<f64> = arrivals
        .iter()
        .zip(&marks)
        .map(|(at, mark)| (*at - arrivals[0]).as_secs_f64() * 1000.0 - f64::from(mark.wrapping_sub(marks[0])) / 8.0)
        .collect();
    late.sort_by(f64::total_cmp);
    let (best, median) = (late[0], late[late.len() / 2]);
    println!("lateness: median {:.2} ms, p95 {:.2} ms", median - best, late[late.len() * 95 / 100] - best);
    assert!(median - best < 5.0, "median {median} ms after the best {best} ms");

    // The end of calls, and of the server.
    let calls = server.calls();
    assert_eq!(calls, 7);
    sessions.iter().for_each(|session| session.control.stop());
    let patience = Instant::now();
    while server.calls() > 0 && patience.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((server.calls(), metrics.media().ports_open.get()), (0, 0));
}

#[test]
fn ports_of_ended_calls_rest_before_they_are_used_again() {
    let local = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10));
    let config = Config { rtp_ports: (42_200, 42_203), threads: 1, realtime: false, ..Config::default() };
    let config = Config { quarantine_s: 1, ..config };
    let server = MediaServer::start(&config, &Metrics::new()).unwrap();
    let first = server.reserve(local).unwrap();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let session = first.start(StreamParams::new(CodecKind::Pcmu, peer), false).unwrap();
    let second = server.reserve(local).unwrap();
    assert!(server.reserve(local).is_err(), "both pairs are taken");
    drop(session);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.calls(), 0);
    assert!(server.reserve(local).is_err(), "one rests");
    drop(second);
    let patience = Instant::now();
    let again = loop {
        match server.reserve(local) {
            Ok(again) => break again,
            Err(error) => assert!(patience.elapsed() < Duration::from_secs(5), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(again.rtp_addr().port() % 2 == 0);
}
