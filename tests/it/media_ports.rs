//! Two media ports back to back in virtual time, through a network that delays, shuffles, doubles and loses packets.

use super::support::wire::{End, Impairment, MS, World, address, loud, params, tone};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tipring::audio::{CodecKind, FRAME_SAMPLES, FrameOrigin, MediaTime, PlayoutEvent, PlayoutFrame, UtteranceId};
use tipring::media::StreamParams;
use tipring::rtp::Packet;

#[test]
fn the_clock_has_no_holes_whatever_the_network_does() {
    for seed in 0..12 {
        let impairment = Impairment { delay_ms: 40, jitter_ms: 80, loss: 0.1, duplicate: 0.1, reorder: 0.1 };
        let mut world = World::new(CodecKind::ALL[seed as usize % 3], impairment, seed);
        world.ends[1].ppm = [0, 300, -300, 1000][seed as usize % 4];
        world.say(0, 1, 500);
        for _ in 0..30 {
            world.run_ms(500);
            world.check_clock(0);
            world.check_clock(1);
        }
        let report = world.ends[1].session.control.report();
        assert!((6.0..14.0).contains(&report.loss_percent), "{report:?}");
        assert!(report.packets_duplicate > 30 && report.jitter_ms > 5.0, "{report:?}");
        assert!(report.packets_received > 600 && report.concealed_ms > 500, "{report:?}");
    }
}

#[test]
fn shuffled_and_doubled_packets_sound_exactly_as_sent() {
    let listen = |impairment| {
        let mut world = World::new(CodecKind::G722, impairment, 4);
        world.say(0, 1, 200);
        world.run_ms(5000);
        let [_, listener] = world.ends;
        listener
    };
    let clean = listen(Impairment { delay_ms: 20, ..Impairment::default() });
    let shuffled = listen(Impairment { delay_ms: 20, reorder: 0.2, duplicate: 0.1, ..Impairment::default() });
    let report = shuffled.session.control.report();
    assert!(report.packets_duplicate > 10);
    assert_eq!((report.concealed_ms, report.packets_late), (0, 0));
    let samples = |end: &End| {
        let first = end.heard.iter().position(loud).unwrap();
        end.heard[first..first + 190].iter().flat_map(|frame| frame.samples).collect::<Vec<_>>()
    };
    assert!(samples(&clean) == samples(&shuffled), "sample for sample");
}

#[test]
fn every_lost_packet_is_concealed_once() {
    for seed in 0..5 {
        let mut world =
            World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, loss: 0.02, ..Impairment::default() }, seed);
        world.run_ms(30_000);
        // What is in the air at the end is given a chance.
        world.impairment.loss = 0.0;
        world.run_ms(500);
        let end = &world.ends[1];
        let report = end.session.control.report();
        let concealed = end.heard.iter().filter(|frame| frame.origin == FrameOrigin::Concealed).count() as u64;
        assert!(report.packets_lost > 10, "{report:?}");
        assert_eq!((concealed, report.concealed_ms), (report.packets_lost, 20 * report.packets_lost));
        assert_eq!(report.packets_late, 0);
    }
}

#[test]
fn ducking_is_heard_at_the_next_tick_without_a_click_and_ends_with_its_epoch() {
    let mut world = World::new(CodecKind::Pcma, Impairment { delay_ms: 10, ..Impairment::default() }, 1);
    world.run_ms(200);
    world.say(0, 1, 100);
    world.run_ms(400);
    let ducked_ms = world.local_ns(0).unwrap() / MS;
    world.ends[0].session.control.set_gain_db(-12.0);
    world.run_ms(200);
    world.ends[0].session.control.set_gain_db(0.0);
    world.run_ms(200);
    world.ends[0].session.control.set_gain_db(-12.0);
    world.run_ms(100);
    world.ends[0].session.control.new_epoch();
    world.say(0, 2, 10);
    world.run_ms(300);

    let tap = world.ends[0].session.recording.as_mut().unwrap();
    let recorded: Vec<_> = std::iter::from_fn(|| tap.next_frame()).map(|frame| (frame.at, frame.right)).collect();
    let sent: Vec<_> = std::iter::from_fn(|| world.ends[0].session.speech.next_sent()).collect();
    assert!(sent.len() >= 60 && recorded.len() >= 60);
    assert!(sent.iter().zip(&recorded).all(|(sent, recorded)| (sent.at, sent.samples) == *recorded), "as it was sent");
    let peak = |ms: u64| {
        let frame = sent.iter().find(|frame| frame.at.ms() == ms / 20 * 20).unwrap();
        frame.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
    };
    assert!(peak(ducked_ms - 40) > 7900);
    assert!(peak(ducked_ms + 20) > 2010, "the next frame goes down");
    assert!((1900..=2010).contains(&peak(ducked_ms + 40)), "8000 less 12 dB is 2010: {}", peak(ducked_ms + 40));
    assert!((1900..=2010).contains(&peak(ducked_ms + 180)));
    assert!(peak(ducked_ms + 260) > 7900, "and up again");
    assert!(peak(ducked_ms + 440) < 2010);
    let second = sent.iter().skip_while(|frame| frame.at.ms() <= ducked_ms + 500).find(|frame| loud(frame)).unwrap();
    assert_eq!(second.samples, tone(0), "what comes in a new epoch was not asked to be soft");
    // A click would be a step between two samples beyond those of the tone, which rises to some 500 Hz within 40 frames.
    let samples: Vec<i32> = sent
        .iter()
        .filter(|frame| (ducked_ms - 100..ducked_ms + 400).contains(&frame.at.ms()))
        .flat_map(|frame| frame.samples)
        .map(i32::from)
        .collect();
    let steepest = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
    assert!(steepest < 8000 * 628 * 6 / 16_000, "{steepest}");

    // And the caller hears it.
    let heard = |from: u64| {
        let frames = world.ends[1].heard.iter().filter(|frame| (from..from + 100).contains(&frame.at.ms()));
        frames.flat_map(|frame| frame.samples).map(i16::unsigned_abs).max().unwrap()
    };
    assert!(heard(ducked_ms - 140) > 7500 && heard(ducked_ms + 80) < 2200 && heard(ducked_ms + 280) > 7500);
}

#[test]
fn a_paused_line_is_silent_at_the_next_tick_and_goes_on_from_its_last_pause() {
    let mut world = World::new(CodecKind::Pcma, Impairment { delay_ms: 10, ..Impairment::default() }, 1);
    let mut sent = Vec::new();
    let mut run = |world: &mut World, ms: u64| {
        for _ in 0..ms / 200 {
            world.run_ms(200);
            sent.extend(std::iter::from_fn(|| world.ends[0].session.speech.next_sent()));
        }
    };
    run(&mut world, 200);
    world.say(0, 1, 100);
    run(&mut world, 1_000);
    let paused_ms = world.local_ns(0).unwrap() / MS;
    world.ends[0].session.control.pause();
    run(&mut world, 600);
    world.ends[0].session.control.set_gain_db(0.0);
    run(&mut world, 3_000);
    let within = |from: u64, to: u64| sent.iter().filter(move |frame| (from..to).contains(&frame.at.ms()));
    assert!(within(paused_ms + 40, paused_ms + 580).all(|frame| !loud(frame)), "silent within a frame");
    assert!(within(paused_ms + 640, paused_ms + 1_000).all(loud), "and back");
    let heard = sent.iter().filter(|frame| loud(frame)).count();
    assert!((115..=150).contains(&heard), "100 frames, and at least 300 ms and at most 1 s again: {heard}");
    let events = world.playout(0);
    let ends: Vec<_> = events.iter().filter(|event| !matches!(event, PlayoutEvent::Started { .. })).collect();
    assert!(matches!(ends[..], [PlayoutEvent::Finished { .. }]), "one line, wholly played: {events:?}");

    // What is cut in a pause was heard as far as it had come.
    world.say(0, 2, 100);
    world.run_ms(1_000);
    world.ends[0].session.control.pause();
    world.run_ms(400);
    world.ends[0].session.control.new_epoch();
    world.run_ms(400);
    let cut = world.playout(0).into_iter().find_map(|event| match event {
        PlayoutEvent::Cut { played, .. } => Some(played / 16),
        _ => None,
    });
    assert!(cut.is_some_and(|ms| (960..=1_060).contains(&ms)), "{cut:?}");
}

#[test]
fn barge_in_stops_at_the_next_tick_and_says_how_much_was_heard() {
    let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, ..Impairment::default() }, 1);
    world.run_ms(200);
    world.say(0, 1, 30);
    world.say(0, 2, 200);
    world.run_ms(1500);
    let cut_at = MediaTime::from_ms((world.local_ns(0).unwrap()) / MS);
    assert_eq!(world.ends[0].session.control.new_epoch(), 1);
    world.run_ms(1000);
    let events = world.playout(0);
    let [
        PlayoutEvent::Started { utterance: UtteranceId(1), at: began },
        PlayoutEvent::Finished { utterance: UtteranceId(1), at: ended },
        PlayoutEvent::Started { utterance: UtteranceId(2), at: second },
        PlayoutEvent::Cut { utterance: UtteranceId(2), played, at: end },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((ended, second), (began.plus_ms(600), ended));
    assert_eq!(end, second.plus_samples(played));
    assert!(end <= cut_at.plus_ms(20) && cut_at.ms_since(end) <= 20.0, "{end:?} {cut_at:?}");
    let heard = world.ends[1].heard.iter().filter(|frame| loud(frame)).count() as u64;
    // The codec's delay smears the end over one frame more.
    assert!((30 + played / 320..=31 + played / 320).contains(&heard), "{heard} {played}");

    // What still comes for the old epoch is dropped, in silence; the new one plays.
    let stale = PlayoutFrame { epoch: 0, utterance: UtteranceId(2), last: true, samples: tone(1) };
    world.ends[0].to_play.push(stale);
    let unheard = PlayoutFrame { utterance: UtteranceId(3), ..stale };
    world.ends[0].to_play.push(unheard);
    world.say(0, 4, 5);
    world.run_ms(300);
    let more = &world.playout(0)[4..];
    assert!(
        matches!(
            more,
            [
                PlayoutEvent::Cut { utterance: UtteranceId(3), played: 0, .. },
                PlayoutEvent::Started { utterance: UtteranceId(4), .. },
                PlayoutEvent::Finished { utterance: UtteranceId(4), .. },
            ]
        ),
        "{more:?}"
    );
}

#[test]
fn digits_get_through_at_30_percent_loss() {
    let mut wrong = 0;
    for seed in 0..20 {
        for loss in [0.0, 0.1, 0.3] {
            let impairment = Impairment { delay_ms: 20, jitter_ms: 30, loss, duplicate: 0.1, reorder: 0.1 };
            let mut world = World::new(CodecKind::Pcma, impairment, seed);
            world.run_ms(100);
            world.ends[0].session.control.send_dtmf("0011*#55D9").unwrap();
            world.run_ms(3000);
            let right = world.dtmf(1) == "0011*#55D9";
            wrong += usize::from(!right);
            assert!(right || loss > 0.2, "{} at {loss}", world.dtmf(1));
            assert_eq!(world.dtmf(0), "", "nothing comes back");
        }
    }
    // 200 digits of eight packets each at 30 %: one is wholly lost with a probability of 1.3 %.
    assert!(wrong <= 1, "{wrong} of 20");
}

#[test]
fn hold_and_resume_keep_the_stream() {
    let mut world = World::new(CodecKind::G722, Impairment { delay_ms: 10, ..Impairment::default() }, 3);
    world.say(0, 1, 2000);
    world.run_ms(1000);
    for _ in 0..50 {
        let hold = StreamParams { send: false, ..params(CodecKind::G722, 1) };
        world.ends[0].session.control.update(hold).unwrap();
        world.run_ms(200);
        let sent = world.ends[0].sent.len();
        world.run_ms(200);
        assert_eq!(world.ends[0].sent.len(), sent, "nothing is sent on hold");
        world.ends[0].session.control.update(params(CodecKind::G722, 1)).unwrap();
        world.run_ms(200);
        assert!((9..=11).contains(&(world.ends[0].sent.len() - sent)));
    }
    world.check_clock(1);
    let packets: Vec<_> = world.ends[0].sent.iter().map(|bytes| Packet::parse(bytes).unwrap().header).collect();
    assert!(packets.iter().all(|header| header.ssrc == packets[0].ssrc));
    assert!(packets.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    assert_eq!(packets.iter().filter(|header| header.marker).count(), 51, "each talkspurt is marked");
    let span = packets.last().unwrap().timestamp.wrapping_sub(packets[0].timestamp);
    assert!((i64::from(span) - 31 * 1000 * 8).abs() < 800, "timestamps went on while nothing was sent: {span}");
    let report = world.ends[1].session.control.report();
    assert_eq!((report.packets_lost, report.packets_late), (0, 0), "{report:?}");
}

#[test]
fn a_stream_that_is_not_to_be_heard_is_silence() {
    let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, ..Impairment::default() }, 3);
    world.say(0, 1, 500);
    world.run_ms(1000);
    let deaf = StreamParams { receive: false, ..params(CodecKind::Pcmu, 0) };
    world.ends[1].session.control.update(deaf).unwrap();
    world.run_ms(50);
    let heard = world.ends[1].heard.len();
    world.run_ms(1000);
    assert!(world.ends[1].heard[heard + 1..].iter().all(|frame| frame.origin == FrameOrigin::Silence));
    world.ends[1].session.control.update(params(CodecKind::Pcmu, 0)).unwrap();
    world.run_ms(1000);
    assert!(
        world.ends[1].heard.iter().rev().take(40).all(|frame| frame.origin == FrameOrigin::Received && loud(frame))
    );
    world.check_clock(1);
}

#[test]
fn the_codec_can_change_in_mid_call() {
    let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, ..Impairment::default() }, 3);
    world.say(0, 1, 400);
    world.run_ms(1000);
    for codec in [CodecKind::G722, CodecKind::Pcma, CodecKind::Pcmu, CodecKind::G722] {
        for end in 0..2 {
            world.ends[end].session.control.update(params(codec, 1 - end)).unwrap();
        }
        world.run_ms(1000);
        assert_eq!(world.ends[1].session.control.report().codec, codec.name());
        let quiet = world.ends[1].heard.iter().rev().take(45).filter(|frame| !loud(frame)).count();
        assert!(quiet <= 3, "{codec}: a gap of at most 60 ms, not {quiet} frames");
    }
    world.check_clock(1);
}

#[test]
fn a_stranger_is_neither_heard_nor_answered() {
    let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, ..Impairment::default() }, 3);
    for n in 0..200u16 {
        world.run_ms(20);
        // The best a stranger can do: the peer's own stream, its next number.
        let Some(mut bytes) = world.ends[0].sent.last().cloned() else { continue };
        let number = Packet::parse(&bytes).unwrap().header.sequence.wrapping_add(1);
        bytes[2..4].copy_from_slice(&number.to_be_bytes());
        bytes[12..].fill(n as u8 & 0x0f);
        let local = world.local_ns(1).unwrap();
        world.ends[1].port.handle_datagram(local, "203.0.113.66:4000".parse().unwrap(), &bytes);
    }
    assert!(world.ends[1].heard.iter().all(|frame| !loud(frame)));
    assert!(world.ends[1].session.control.report().packets_rejected >= 190);
}

#[test]
fn reports_tell_the_round_trip_and_goodbye_ends_them() {
    let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 35, ..Impairment::default() }, 3);
    world.run_ms(30_000);
    for end in 0..2 {
        let rtt = world.ends[end].session.control.report().rtt_ms.unwrap();
        assert!((69.0..73.0).contains(&rtt), "{rtt}");
    }
    world.ends[0].session.control.stop();
    world.run_ms(40);
    assert!(world.ends[0].port.stopped());
    let sent = world.ends[0].sent.len();
    world.run_ms(1000);
    assert_eq!(world.ends[0].sent.len(), sent);
}

#[test]
fn both_sides_of_a_recording_lie_on_one_clock() {
    // The far end answers each tone at once: its own time between hearing and speaking is what the recording must show.
    let mut world = World::new(CodecKind::G722, Impairment { delay_ms: 30, jitter_ms: 10, ..Impairment::default() }, 3);
    world.run_ms(1000);
    world.say(1, 1, 10);
    world.run_ms(2000);
    let tap = world.ends[0].session.recording.as_mut().unwrap();
    let mut pairs: Vec<_> = std::iter::from_fn(|| tap.next_frame()).collect();
    pairs.extend(std::iter::from_fn(|| tap.drain()));
    assert!(pairs.iter().enumerate().all(|(n, pair)| pair.at == MediaTime::from_frames(n as u64)));
    assert!((148..=152).contains(&pairs.len()), "{}", pairs.len());
    let first = pairs.iter().position(|pair| pair.left.iter().any(|sample| sample.unsigned_abs() > 2000)).unwrap();
    // Sent by the far end about 1,000 ms into the world, 30 to 40 ms on the way; the near end began at 3 ms.
    let at = pairs[first].at.ms();
    assert!((1000..=1060).contains(&at), "{at} ms");
    assert_eq!(tap.dropped(), 0);
    assert!(pairs.iter().all(|pair| pair.right == [0; FRAME_SAMPLES]));
}

#[test]
fn packets_may_be_of_any_length() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        let mut world = World::new(CodecKind::Pcmu, Impairment { delay_ms: 10, ..Impairment::default() }, 3);
        let long = StreamParams { ptime_ms, ..params(CodecKind::Pcmu, 1) };
        world.ends[0].session.control.update(long).unwrap();
        world.say(0, 1, 250);
        world.run_ms(4000);
        let packets = &world.ends[0].sent;
        let packets: Vec<_> = packets.iter().map(|bytes| Packet::parse(bytes).unwrap()).collect();
        assert!(packets.iter().all(|packet| packet.payload.len() == ptime_ms as usize * 8));
        let steps = packets.windows(2).map(|pair| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp));
        assert!(steps.into_iter().all(|step| step == ptime_ms * 8));
        let end = &world.ends[1];
        assert!(end.heard[20..].iter().all(|frame| frame.origin == FrameOrigin::Received && loud(frame)), "{ptime_ms}");
        world.check_clock(1);
    }
}

#[test]
fn a_thread_that_was_held_up_skips_instead_of_falling_behind() {
    let mut world = World::new(CodecKind::Pcmu, Impairment::default(), 3);
    world.say(0, 1, 90);
    world.run_ms(500);
    let before = world.ends[0].sent.len();
    world.now_ns += 1000 * MS; // nothing runs for a second
    world.run_ms(1);
    let burst = world.ends[0].sent.len() - before;
    assert!(burst <= 3, "{burst} packets at once");
    world.run_ms(1000);
    world.check_clock(1);
    let packets: Vec<_> = world.ends[0].sent.iter().map(|bytes| Packet::parse(bytes).unwrap().header).collect();
    let span = packets.last().unwrap().timestamp.wrapping_sub(packets[0].timestamp) / 8;
    assert!((2460..=2500).contains(&span), "timestamps follow the clock: {span} ms");
    assert!(world.ends[0].session.control.send_dtmf("x").is_err());
}

#[test]
fn any_datagram_is_survived() {
    let mut world = World::new(CodecKind::Pcmu, Impairment::default(), 3);
    world.run_ms(100);
    let mut random = StdRng::seed_from_u64(5);
    let template = world.ends[0].sent.last().cloned().unwrap();
    for len in 0..=1000usize {
        for kind in 0..3 {
            let mut bytes: Vec<u8> = (0..len).map(|_| random.random()).collect();
            if kind > 0 {
                let head = template.len().min(len).min(12);
                bytes[..head].copy_from_slice(&template[..head]);
            }
            if kind == 2 && len > 4 {
                bytes[1] = random.random();
                bytes[2..4].copy_from_slice(&random.random::<u16>().to_be_bytes());
            }
            let local = world.local_ns(1).unwrap();
            world.ends[1].port.handle_datagram(local, address(0), &bytes);
            world.ends[1].port.handle_rtcp(local, address(0), &bytes);
        }
        world.step();
    }
    world.run_ms(2000);
    let frames = &world.ends[1].heard;
    assert!(frames.windows(2).all(|pair| pair[1].at == pair[0].end()));
}
