//! Sound over a whole line: encoder, losses, decoder, concealment.

use std::f64::consts::TAU;
use tipring::audio::{CodecKind, Concealer, Decoder, Encoder, FRAME_BYTES, HALF_BAND_DELAY, level};

/// A voice-like sound: harmonics under a slow glide.
fn voice(frames: usize) -> Vec<i16> {
    (0..frames * 320)
        .map(|n| {
            let t = n as f64 / 16_000.0;
            let phase = TAU * (130.0 * t - 3.0 * (TAU * 1.1 * t).cos());
            let sum: f64 = (1..=12).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
            (4000.0 * sum) as i16
        })
        .collect()
}

/// What the far end hears when the frames chosen by `lost` do not arrive.
fn over_the_line(kind: CodecKind, signal: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let (mut encoder, mut decoder, mut concealer) = (Encoder::new(kind), Decoder::new(kind), Concealer::default());
    let mut out = Vec::new();
    for (index, frame) in signal.as_chunks::<320>().0.iter().enumerate() {
        let (mut bytes, mut heard) = ([0; FRAME_BYTES], [0; 320]);
        encoder.encode(frame, &mut bytes);
        if lost(index) {
            concealer.conceal(&mut heard);
        } else {
            decoder.decode(&bytes, &mut heard);
            concealer.good(&mut heard);
        }
        out.extend_from_slice(&heard);
    }
    out
}

#[test]
fn five_percent_of_loss_costs_no_clicks_and_hardly_any_level() {
    let signal = voice(200);
    for kind in CodecKind::ALL {
        let (clean, lossy) =
            (over_the_line(kind, &signal, |_| false), over_the_line(kind, &signal, |n| n > 5 && n % 20 == 7));
        let roughness = |s: &[i16]| {
            s.windows(3).map(|w| (i32::from(w[2]) - 2 * i32::from(w[1]) + i32::from(w[0])).abs()).max().unwrap()
        };
        assert!(roughness(&lossy) < roughness(&clean) * 2, "{kind}: {} after {}", roughness(&lossy), roughness(&clean));
        let change = level::rms_dbfs(&lossy) - level::rms_dbfs(&clean);
        assert!(change.abs() < 0.5, "{kind}: {change} dB");
        // Ten milliseconds after a loss the stateless codecs are back on the clean signal.
        if kind != CodecKind::G722 {
            assert_eq!(lossy[320 * 28 + 160..320 * 47], clean[320 * 28 + 160..320 * 47], "{kind}");
        }
    }
}

#[test]
fn the_line_delays_as_stated() {
    let mut signal = vec![0i16; 320 * 10];
    signal[1600] = 20_000;
    for kind in [CodecKind::Pcmu, CodecKind::Pcma] {
        let out = over_the_line(kind, &signal, |_| false);
        let peak = (0..out.len()).max_by_key(|n| out[*n]).unwrap();
        assert_eq!(peak, 1600 + 2 * HALF_BAND_DELAY, "{kind}");
    }
}
