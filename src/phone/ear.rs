//! What the telephone receives: packets in the order of arrival, decoded, measured and recorded. Pure.

use super::audible::{PIECE_SAMPLES, Piece, Spurt, SpurtFinder, span};
use super::lateness::Lateness;
use super::record::Track;
use crate::audio::{CodecKind, Decoder, MAX_DECODED_SAMPLES};
use crate::rtp::Packet;
use std::time::Duration;

/// How the stream came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeardStats {
    /// Audio packets, duplicates not counted.
    pub packets: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Datagrams that were no RTP audio of the agreed payload type.
    pub strange: u64,
    /// How late packets came against the ideal clock of their stretch of speech, 99th percentile, in microseconds.
    pub late_p99_us: Option<u64>,
    /// The largest.
    pub late_max_us: Option<u64>,
}

/// The sequence numbers of one source.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    first: i64,
    highest: i64,
    /// Bit `n`: `highest - n` has come.
    window: u128,
    packets: u64,
}

/// The receiving side.
pub(super) struct Ear {
    decoder: Decoder,
    payload_type: u8,
    source: Option<Source>,
    finder: SpurtFinder,
    track: Option<Track>,
    stats: HeardStats,
    lateness: Lateness,
}

impl Ear {
    /// Hears `codec` under `payload_type`; with `record`, keeps the samples.
    pub(super) fn new(codec: CodecKind, payload_type: u8, record: bool) -> Self {
        Self {
            decoder: Decoder::new(codec),
            payload_type,
            source: None,
            finder: SpurtFinder::new(),
            track: record.then(Track::default),
            stats: HeardStats::default(),
            lateness: Lateness::default(),
        }
    }

    /// The peer sends something else from now on.
    pub(super) fn switch(&mut self, codec: CodecKind, payload_type: u8) {
        if self.decoder.kind() != codec {
            self.decoder = Decoder::new(codec);
        }
        self.payload_type = payload_type;
    }

    /// Takes a datagram that arrived at `at` and shows its samples. Returns whether the agent began to speak in it.
    pub(super) fn datagram(&mut self, at: Duration, datagram: &[u8], show: impl FnOnce(&[i16])) -> bool {
        let Ok(packet) = Packet::parse(datagram) else {
            self.stats.strange += 1;
            return false;
        };
        if packet.header.payload_type != self.payload_type || packet.payload.is_empty() {
            self.stats.strange += 1;
            return false;
        }
        if !self.is_new(at, packet.header.ssrc, packet.header.sequence) {
            self.stats.duplicates += 1;
            return false;
        }
        let mut samples = [0i16; MAX_DECODED_SAMPLES];
        let written = self.decoder.decode(packet.payload, &mut samples);
        let samples = samples.get(..written).unwrap_or(&[]);
        show(samples);
        if let Some(track) = &mut self.track {
            track.place(at, samples);
        }
        let mut began = false;
        for (i, piece) in Piece::cut(samples).enumerate() {
            began |= self.finder.push(at + span(i * PIECE_SAMPLES), &piece);
        }
        began
    }

    /// Books a sequence number; false when it has come before, or so long ago that it cannot be told.
    fn is_new(&mut self, at: Duration, ssrc: u32, sequence: u16) -> bool {
        let source = match &mut self.source {
            Some(source) if source.ssrc == ssrc => source,
            slot => {
                if let Some(past) = slot.take() {
                    self.stats.lost += past.lost();
                    self.lateness.settle();
                }
                let first = i64::from(sequence);
                slot.insert(Source { ssrc, first, highest: first - 1, window: 0, packets: 0 })
            }
        };
        let step = i64::from(sequence.wrapping_sub(source.highest as u16) as i16);
        if step > 0 {
            source.highest += step;
            source.window = if step < 128 { source.window << step } else { 0 } | 1;
        } else {
            let bit = 1u128.checked_shl(-step as u32).unwrap_or(0);
            if bit == 0 || source.window & bit != 0 {
                return false;
            }
            source.window |= bit;
            source.first = source.first.min(source.highest + step);
        }
        source.packets += 1;
        self.stats.packets += 1;
        self.lateness.packet(at, if step > 0 { source.highest } else { source.highest + step });
        true
    }

    /// The agent's latest spurt.
    pub(super) fn latest(&self) -> Option<Spurt> {
        self.finder.latest()
    }

    /// Nothing more comes: the spurts, the recording where one was made, and the counts.
    pub(super) fn finish(self) -> (Vec<Spurt>, Option<Track>, HeardStats) {
        let mut stats = self.stats;
        let us = |ms: Option<f64>| ms.map(|ms| (ms * 1000.0).round() as u64);
        let (p99, max) = self.lateness.finish();
        (stats.late_p99_us, stats.late_max_us) = (us(p99), us(max));
        stats.lost += self.source.map_or(0, |source| source.lost());
        (self.finder.into_spurts(), self.track, stats)
    }
}

impl Source {
    fn lost(&self) -> u64 {
        ((self.highest - self.first + 1) as u64).saturating_sub(self.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Encoder, FRAME_BYTES};
    use crate::rtp::Header;

    fn packet(sequence: u16, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let mut head = [0; 12];
        Header { marker: false, payload_type, sequence, timestamp: 0, ssrc: 7 }.write(&mut head);
        [&head[..], payload].concat()
    }

    #[test]
    fn hears_the_first_loud_packet_when_it_comes() {
        for codec in CodecKind::ALL {
            let mut encoder = Encoder::new(codec);
            let mut ear = Ear::new(codec, 96, true);
            let mut bytes = [0; FRAME_BYTES];
            for n in 0..100u16 {
                let amplitude = if n < 50 { 0 } else { 6000 };
                let samples = std::array::from_fn(|i| if i % 32 < 16 { amplitude } else { -amplitude });
                encoder.encode(&samples, &mut bytes);
                let began = ear.datagram(Duration::from_millis(20 * u64::from(n) + 3), &packet(n, 96, &bytes), |_| {});
                assert_eq!(began, n == 50, "{codec} {n}");
            }
            let (spurts, track, stats) = ear.finish();
            assert_eq!(spurts.len(), 1);
            // The codec's own delay (1.4 ms G.722, 3.4 ms G.711) is part of what is heard.
            let onset = spurts[0].began.as_secs_f64() * 1000.0 - 1003.0;
            assert!((0.0..5.0).contains(&onset), "{codec} {onset}");
            let (late_p99_us, late_max_us) = (Some(0), Some(0));
            assert_eq!(stats, HeardStats { packets: 100, late_p99_us, late_max_us, ..HeardStats::default() });
            assert_eq!(track.unwrap().samples().len(), 100 * 320 + 48);
        }
    }

    #[test]
    fn counts_losses_duplicates_and_strangers() {
        let mut ear = Ear::new(CodecKind::Pcmu, 0, false);
        let silence = [0xff; 160];
        for (i, sequence) in [65_534, 65_535, 0, 0, 3, 2, 65_535, 5].into_iter().enumerate() {
            ear.datagram(Duration::from_millis(20 * i as u64), &packet(sequence, 0, &silence), |_| {});
        }
        ear.datagram(Duration::from_secs(1), &packet(6, 13, &[0]), |_| {});
        ear.datagram(Duration::from_secs(1), b"not rtp", |_| {});
        let stats = ear.finish().2;
        assert_eq!((stats.packets, stats.duplicates, stats.lost, stats.strange), (6, 2, 2, 2));
    }
}
