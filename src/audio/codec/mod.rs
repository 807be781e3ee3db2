//! The codecs of the line: bytes of a packet ↔ samples at 16 kHz.
//!
//! G.711 runs at 8 kHz and is converted by [`HalfBandUp`] and [`HalfBandDown`]; G.722 is at home at 16 kHz. Nothing here
//! allocates after construction, and no payload panics.

mod g711;
mod kind;

pub use kind::CodecKind;

use super::{HalfBandDown, HalfBandUp, Samples};
use audio_codec::{Decoder as _, Encoder as _, g722};
pub(super) use g711::Law;

/// Bytes of a 20 ms frame: all three codecs give 64 kbit/s.
pub const FRAME_BYTES: usize = 160;
/// Samples at 16 kHz of the longest payload that is decoded: 60 ms.
pub const MAX_DECODED_SAMPLES: usize = 960;

/// Room for the samples of one payload.
pub type DecodeBuf = [i16; MAX_DECODED_SAMPLES];

/// 16 kHz samples → payloads. One per call and direction.
pub struct Encoder {
    kind: CodecKind,
    state: EncoderState,
}

enum EncoderState {
    G711(Law, Box<HalfBandDown>),
    G722(Box<g722::G722Encoder>),
}

impl Encoder {
    /// An encoder with a fresh state. Allocates.
    pub fn new(kind: CodecKind) -> Self {
        let state = match kind {
            CodecKind::Pcmu => EncoderState::G711(Law::Mu, Box::default()),
            CodecKind::Pcma => EncoderState::G711(Law::A, Box::default()),
            CodecKind::G722 => EncoderState::G722(Box::new(g722::G722Encoder::new())),
        };
        Self { kind, state }
    }

    /// Which codec.
    pub const fn kind(&self) -> CodecKind {
        self.kind
    }

    /// Encodes 20 ms into `out` and returns the bytes written: [`FRAME_BYTES`], or 0 when `out` is shorter than that.
    pub fn encode(&mut self, samples: &Samples, out: &mut [u8]) -> usize {
        let Some(out) = out.first_chunk_mut::<FRAME_BYTES>() else { return 0 };
        match &mut self.state {
            EncoderState::G711(law, down) => {
                let mut narrow = [0i16; FRAME_BYTES];
                down.process(samples, &mut narrow);
                law.encode(&narrow, out);
                FRAME_BYTES
            }
            // The only error of the library is an output that is too small.
            EncoderState::G722(encoder) => encoder.encode_into(samples, out).unwrap_or(0),
        }
    }
}

/// Payloads → 16 kHz samples. One per call and direction.
pub struct Decoder {
    kind: CodecKind,
    state: DecoderState,
}

enum DecoderState {
    G711(Law, Box<HalfBandUp>),
    G722(Box<g722::G722Decoder>),
}

impl Decoder {
    /// A decoder with a fresh state. Allocates.
    pub fn new(kind: CodecKind) -> Self {
        let state = match kind {
            CodecKind::Pcmu => DecoderState::G711(Law::Mu, Box::default()),
            CodecKind::Pcma => DecoderState::G711(Law::A, Box::default()),
            CodecKind::G722 => DecoderState::G722(Box::new(g722::G722Decoder::new())),
        };
        Self { kind, state }
    }

    /// Which codec.
    pub const fn kind(&self) -> CodecKind {
        self.kind
    }

    /// Samples at 16 kHz in a payload of `bytes` bytes: two for each, in all three codecs.
    pub const fn samples_in(bytes: usize) -> usize {
        bytes.saturating_mul(2)
    }

    /// Decodes a payload into `out` (a [`DecodeBuf`] holds 60 ms) and returns the samples written, always
    /// [`samples_in`](Self::samples_in) the payload as far as `out` has room; the bytes beyond that are not decoded.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let payload = payload.get(..out.len() / 2).unwrap_or(payload);
        match &mut self.state {
            DecoderState::G711(law, up) => {
                let mut narrow = [0i16; FRAME_BYTES];
                let mut written = 0;
                for (bytes, out) in payload.chunks(FRAME_BYTES).zip(out.chunks_mut(2 * FRAME_BYTES)) {
                    law.decode(bytes, &mut narrow);
                    written += up.process(narrow.get(..bytes.len()).unwrap_or_default(), out);
                }
                written
            }
            DecoderState::G722(decoder) => decoder.decode_into(payload, out).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::HALF_BAND_DELAY;
    use proptest::prelude::*;
    use std::f64::consts::PI;

    fn signal(frames: usize, hz: &[f64], amplitude: f64) -> Vec<i16> {
        (0..frames * 320)
            .map(|n| {
                let sum: f64 = hz.iter().map(|hz| (2.0 * PI * hz * n as f64 / 16_000.0).sin()).sum();
                (amplitude * sum / hz.len() as f64) as i16
            })
            .collect()
    }

    fn through(kind: CodecKind, input: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(kind), Decoder::new(kind));
        let mut out = Vec::new();
        for frame in input.as_chunks::<320>().0 {
            let mut bytes = [0; FRAME_BYTES];
            assert_eq!(encoder.encode(frame, &mut bytes), FRAME_BYTES);
            let mut decoded: DecodeBuf = [0; MAX_DECODED_SAMPLES];
            assert_eq!(decoder.decode(&bytes, &mut decoded), 320);
            out.extend_from_slice(&decoded[..320]);
        }
        out
    }

    /// Signal-to-noise ratio in dB of `output` delayed by `delay`, after the first 100 ms.
    fn snr(input: &[i16], output: &[i16], delay: usize) -> f64 {
        let (mut signal, mut noise) = (0.0, 0.0);
        for n in 1600..input.len() - delay {
            let (want, got) = (f64::from(input[n]), f64::from(output[n + delay]));
            signal += want * want;
            noise += (want - got) * (want - got);
        }
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn g711_round_trip_has_its_textbook_quality_and_the_stated_delay() {
        let input = signal(50, &[440.0, 1130.0, 2500.0], 12_000.0);
        for kind in [CodecKind::Pcmu, CodecKind::Pcma] {
            let snr = snr(&input, &through(kind, &input), 2 * HALF_BAND_DELAY);
            eprintln!("{kind}: {snr:.1} dB");
            assert!(snr > 34.0, "{kind}: {snr} dB");
        }
    }

    #[test]
    fn g722_round_trip_keeps_the_wide_band() {
        // Delay of the two quadrature mirror filters together: 22 samples (G.722, 64 kbit/s).
        let low = signal(50, &[300.0, 1000.0, 2000.0], 12_000.0);
        let best = |input: &[i16]| {
            let output = through(CodecKind::G722, input);
            (0..48).map(|delay| (snr(input, &output, delay), delay)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
        };
        let (low_snr, delay) = best(&low);
        let (wide_snr, _) = best(&signal(50, &[1000.0, 5500.0], 12_000.0));
        eprintln!("G722: {low_snr:.1} dB low band, {wide_snr:.1} dB with 5.5 kHz, delay {delay} samples");
        assert!(low_snr > 25.0, "{low_snr}");
        assert!(wide_snr > 12.0, "{wide_snr}");
        assert_eq!(delay, 22);
    }

    #[test]
    fn silence_stays_silent() {
        for kind in CodecKind::ALL {
            let output = through(kind, &[0; 3200]);
            assert!(output.iter().all(|s| s.abs() <= 16), "{kind}: {:?}", output.iter().max());
        }
    }

    #[test]
    fn too_little_room_writes_nothing_or_less() {
        for kind in CodecKind::ALL {
            assert_eq!(Encoder::new(kind).encode(&[7; 320], &mut [0; 159]), 0);
            assert_eq!(Decoder::new(kind).decode(&[7; 160], &mut [0; 41]), 40);
            assert_eq!(Decoder::new(kind).decode(&[7; 5000], &mut [0; MAX_DECODED_SAMPLES]), MAX_DECODED_SAMPLES);
        }
    }

    proptest! {
        #[test]
        fn any_payload_gives_two_samples_a_byte(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 1..12),
            kind in 0usize..3,
        ) {
            let mut decoder = Decoder::new(CodecKind::ALL[kind]);
            for payload in payloads {
                let mut out: DecodeBuf = [0; MAX_DECODED_SAMPLES];
                prop_assert_eq!(decoder.decode(&payload, &mut out), (2 * payload.len()).min(MAX_DECODED_SAMPLES));
            }
        }

        #[test]
        fn any_samples_can_be_encoded(
            frames in proptest::collection::vec(proptest::collection::vec(any::<i16>(), 320), 1..6),
            kind in 0usize..3,
        ) {
            let mut encoder = Encoder::new(CodecKind::ALL[kind]);
            for frame in frames {
                let samples: Samples = frame.try_into().unwrap();
                prop_assert_eq!(encoder.encode(&samples, &mut [0; 200]), FRAME_BYTES);
            }
        }
    }
}
