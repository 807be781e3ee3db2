use super::*;
use crate::audio::CodecKind;

/// A peer and a network in one letter per 20 ms, after pjsip's jitter-buffer scripts:
///
/// P a packet arrives in its time · L it is lost · R this one and the next change places (two letters long) · D it comes
/// twice · W it is held up by the network, and so is everything until ! · ! it and all that were held up arrive · C the
/// peer sends comfort noise · - it sends nothing · N its timestamps jump by an hour · S a new stream begins · s the
/// packet is silence · O the packet lost last arrives besides this one
struct Scene {
    uplink: Uplink,
    extended: u64,
    timestamp: u32,
    slot: u64,
    held: Vec<(u64, u32)>,
    lost: Option<(u64, u32)>,
    frames: Vec<AudioFrame>,
    taken: Vec<Taken>,
}

const SLOT_NS: u64 = 20 * NS_PER_MS;
/// Arrival within the slot; the tick is at its beginning.
const PHASE_NS: u64 = 7 * NS_PER_MS;

impl Scene {
    fn new() -> Self {
        Self {
            uplink: Uplink::new(Decoder::new(CodecKind::Pcmu), 60 * NS_PER_MS),
            extended: 70_000,
            timestamp: 5000,
            slot: 0,
            held: Vec::new(),
            lost: None,
            frames: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn put(&mut self, (extended, timestamp): (u64, u32), kind: Kind, byte: Option<u8>) {
        let now = self.slot * SLOT_NS + PHASE_NS;
        let loud = |n: usize| ((n * 7919 + extended as usize * 31) % 97) as u8;
        let payload: Vec<u8> = (0..160).map(|n| byte.unwrap_or_else(|| loud(n))).collect();
        let frames = &mut self.frames;
        let taken = self.uplink.packet(now, 0, (extended, kind), (false, timestamp), &payload, &mut |f| frames.push(f));
        self.taken.push(taken);
    }

    fn next(&mut self) -> (u64, u32) {
        let packet = (self.extended, self.timestamp);
        self.extended += 1;
        self.timestamp = self.timestamp.wrapping_add(160);
        packet
    }

    fn tick(&mut self) {
        let frames = &mut self.frames;
        self.uplink.advance(self.slot * SLOT_NS, &mut |f| frames.push(f));
    }

    fn play(&mut self, script: &str) {
        for letter in script.chars() {
            self.tick();
            match letter {
                'P' | 's' | 'D' | 'O' => {
                    let packet = self.next();
                    self.put(packet, Kind::Audio, (letter == 's').then_some(0xff));
                    if letter == 'D' {
                        self.put(packet, Kind::Audio, None);
                    }
                    if letter == 'O' {
                        let lost = self.lost.take().unwrap();
                        self.put(lost, Kind::Audio, None);
                    }
                }
                'L' => self.lost = Some(self.next()),
                'R' => {
                    let first = self.next();
                    let second = self.next();
                    self.put(second, Kind::Audio, None);
                    self.slot += 1;
                    self.tick();
                    self.put(first, Kind::Audio, None);
                }
                'W' => {
                    let packet = self.next();
                    self.held.push(packet);
                }
                '!' => {
                    let packet = self.next();
                    self.held.push(packet);
                    for packet in std::mem::take(&mut self.held) {
                        self.put(packet, Kind::Audio, None);
                    }
                }
                '-' => self.timestamp = self.timestamp.wrapping_add(160),
                'C' => {
                    let packet = self.next();
                    self.put(packet, Kind::ComfortNoise, None);
                }
                'N' => {
                    self.timestamp = self.timestamp.wrapping_add(3600 * 8000);
                    let packet = self.next();
                    self.put(packet, Kind::Audio, None);
                }
                'S' => {
                    self.uplink.restart();
                    self.extended = 90_000;
                    self.timestamp = self.timestamp.wrapping_mul(77);
                    let packet = self.next();
                    self.put(packet, Kind::Audio, None);
                }
                other => panic!("no such letter: {other}"),
            }
            self.slot += 1;
            self.check();
        }
    }

    /// What holds at all times: no hole and no overlap in the clock, and bounds on how far it is from the port's.
    fn check(&self) {
        for (n, frame) in self.frames.iter().enumerate() {
            assert_eq!(frame.at, MediaTime::from_frames(n as u64));
        }
        let lead = self.lead_ms();
        assert!((-120..=200).contains(&lead), "{lead} ms");
    }

    fn lead_ms(&self) -> i64 {
        let now_ms = ((self.slot - 1) * SLOT_NS + PHASE_NS) / NS_PER_MS;
        self.frames.len() as i64 * 20 - now_ms as i64
    }

    fn count(&self, origin: FrameOrigin) -> usize {
        self.frames.iter().filter(|frame| frame.origin == origin).count()
    }
}

#[test]
fn scenes() {
    let p = |n: usize| "P".repeat(n);
    let table: &[(String, usize, usize, usize, &str)] = &[
        // script, frames concealed, packets late, duplicates; what it is
        (p(20), 0, 0, 0, "all in time"),
        (format!("{}L{}", p(5), p(10)), 1, 0, 0, "one lost"),
        (format!("{}LL{}", p(5), p(10)), 2, 0, 0, "two lost"),
        (format!("{}LPLPL{}", p(5), p(10)), 3, 0, 0, "every other one lost"),
        (format!("{}RRR{}", p(5), p(10)), 0, 0, 0, "neighbours change places"),
        (format!("{}DDD{}", p(5), p(10)), 0, 0, 3, "duplicates"),
        (format!("{}LPPPPO{}", p(5), p(10)), 1, 1, 0, "one comes after it was concealed"),
        (format!("{}LO{}", p(5), p(10)), 0, 0, 0, "one comes 20 ms late, with the next"),
        (format!("{}W!{}", p(5), p(10)), 0, 0, 0, "20 ms late"),
        (format!("{}WWWWWWWWWWWWWWWWWWWWWWWW!{}", p(50), p(50)), 3, 0, 0, "a spike of 500 ms"),
        (format!("{}-----P{}", p(50), p(50)), 3, 0, 0, "a pause without notice"),
        (format!("{}C----P{}", p(50), p(50)), 0, 0, 0, "a pause with comfort noise"),
        (format!("{}N{}", p(5), p(20)), 0, 0, 0, "timestamps jump forward"),
        (format!("{}S{}", p(5), p(20)), 0, 0, 0, "another stream"),
    ];
    for (script, concealed, late, duplicates, what) in table {
        let mut scene = Scene::new();
        scene.play(script);
        assert_eq!(scene.count(FrameOrigin::Concealed), *concealed, "{what}: concealed");
        let count = |kind| scene.taken.iter().filter(|&&taken| taken == kind).count();
        assert_eq!((count(Taken::Late), count(Taken::Duplicate)), (*late, *duplicates), "{what}");
    }
}

#[test]
fn a_stream_in_order_is_never_delayed() {
    let mut scene = Scene::new();
    scene.play("P");
    for _ in 0..500 {
        let before = scene.frames.len();
        scene.play("P");
        assert_eq!(scene.frames.len(), before + 1, "each packet is a frame at once");
    }
    assert!((0..=20).contains(&scene.lead_ms()), "{}", scene.lead_ms());
}

#[test]
fn the_first_packet_is_put_where_the_clock_is() {
    let mut scene = Scene::new();
    scene.play(&format!("{}{}", "-".repeat(137), "P"));
    assert_eq!(scene.frames.len(), 138);
    assert_eq!(scene.frames[137].origin, FrameOrigin::Received);
    assert_eq!(scene.count(FrameOrigin::Silence), 137);
}

#[test]
fn after_a_spike_silence_is_cut_and_speech_is_kept() {
    let mut scene = Scene::new();
    scene.play(&"P".repeat(50));
    scene.play("WWWWWW!");
    assert!(scene.lead_ms() > 40, "the burst is handed on: {}", scene.lead_ms());
    let heard = scene.count(FrameOrigin::Received);
    scene.play(&"P".repeat(20));
    assert_eq!(scene.count(FrameOrigin::Received), heard + 20, "no speech is lost");
    scene.play(&"s".repeat(20));
    assert!((0..=40).contains(&scene.lead_ms()), "back in step after a pause: {}", scene.lead_ms());
}

#[test]
fn without_a_pause_the_clock_comes_back_within_five_seconds() {
    let mut scene = Scene::new();
    scene.play(&"P".repeat(50));
    scene.play(&format!("{}!", "W".repeat(24)));
    scene.play(&"P".repeat(500));
    assert!(scene.lead_ms() <= 40, "{}", scene.lead_ms());
}

/// A peer whose clock is off: a packet every `period_ns`. Gives lead at the end, and frames that were not received.
fn drift(period_ns: u64, packets: u64, talk: bool) -> (i64, usize) {
    let mut scene = Scene::new();
    let mut ticks = 0;
    for n in 0..packets {
        let now = PHASE_NS + n * period_ns;
        while ticks * SLOT_NS <= now {
            scene.slot = ticks;
            scene.tick();
            ticks += 1;
        }
        let (extended, timestamp) = scene.next();
        let byte = if talk && n % 100 < 70 { 0x20 } else { 0xff };
        let payload: Vec<u8> = (0..160).map(|n| byte ^ if n % 16 < 8 { 0x80 } else { 0 }).collect();
        let payload = if byte == 0xff { vec![0xff; 160] } else { payload };
        let frames = &mut scene.frames;
        scene.uplink.packet(now, 0, (extended, Kind::Audio), (false, timestamp), &payload, &mut |f| frames.push(f));
        let lead = scene.frames.len() as i64 * 320 - samples_at(now);
        assert!((-3 * FRAME..=4 * FRAME).contains(&lead), "packet {n}: {lead}");
    }
    for (n, frame) in scene.frames.iter().enumerate() {
        assert_eq!(frame.at, MediaTime::from_frames(n as u64));
    }
    let last = PHASE_NS + (packets - 1) * period_ns;
    let other = scene.frames.iter().filter(|frame| frame.origin != FrameOrigin::Received).count();
    (scene.frames.len() as i64 * 320 - samples_at(last), other)
}

#[test]
fn a_clock_that_is_off_is_followed_in_the_pauses() {
    for ppm in [-1000i64, -300, -100, 100, 300, 1000] {
        // Five minutes.
        let period = (SLOT_NS as i64 + SLOT_NS as i64 * ppm / 1_000_000) as u64;
        let (lead, made_up) = drift(period, 15_000, true);
        assert!((-FRAME..=3 * FRAME).contains(&lead), "{ppm} ppm: {lead}");
        assert_eq!(made_up, 0, "{ppm} ppm: nothing is made up where there are pauses");
    }
}

#[test]
fn packets_of_any_length_make_frames() {
    for ms in [10u64, 20, 30, 40, 60] {
        let mut uplink = Uplink::new(Decoder::new(CodecKind::G722), 60 * NS_PER_MS);
        let mut frames = Vec::new();
        for n in 0..600 / ms * 10 {
            let now = 3 * NS_PER_MS + n * ms * NS_PER_MS;
            uplink.advance(now, &mut |frame| frames.push(frame));
            let place = (70_000 + n, Kind::Audio);
            let timestamp = (n * ms * 8) as u32;
            let payload = vec![0x55; ms as usize * 8];
            assert_eq!(
                uplink.packet(now, 0, place, (false, timestamp), &payload, &mut |frame| frames.push(frame)),
                Taken::Used
            );
        }
        assert!(frames.iter().all(|frame: &AudioFrame| frame.origin == FrameOrigin::Received), "{ms} ms");
        assert!(frames.iter().enumerate().all(|(n, frame)| frame.at == MediaTime::from_frames(n as u64)));
        let missing = 6000 / 20 - frames.len() as i64;
        assert!((-2..=1).contains(&missing), "{ms} ms: {missing}");
    }
}

#[test]
fn a_process_that_was_stopped_goes_on_from_now() {
    let mut scene = Scene::new();
    scene.play("PPP");
    scene.slot += 100_000;
    scene.tick();
    let last = scene.frames.last().unwrap();
    assert!(scene.frames.len() < 300, "not filled one by one");
    assert!(last.at < MediaTime::from_frames(scene.slot));
}
