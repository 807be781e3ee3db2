//! Lines said at another pace or more softly: what a synthesiser gives, stretched and turned down.

use crate::audio::Samples;
use crate::audio::stretch::Stretch;
use crate::speech::{Manner, Synthesis, SynthesisStream};

/// How much softer a soft line is: 4 dB.
const SOFTER: f32 = 0.63;

/// A line in another manner than the synthesiser's.
struct Mannered {
    line: Box<dyn SynthesisStream>,
    stretch: Stretch,
    gain: f32,
    ended: bool,
}

/// The line in that manner.
pub(super) fn mannered(line: Box<dyn SynthesisStream>, manner: Manner) -> Box<dyn SynthesisStream> {
    if manner == Manner::USUAL {
        return line;
    }
    let gain = if manner.softer { SOFTER } else { 1.0 };
    Box::new(Mannered { line, stretch: Stretch::new(manner.rate_percent), gain, ended: false })
}

impl SynthesisStream for Mannered {
    fn poll(&mut self) -> Synthesis {
        loop {
            if let Some(samples) = self.stretch.pop() {
                let gain = self.gain;
                let softer: Samples = samples.map(|sample| (f32::from(sample) * gain) as i16);
                return Synthesis::Frame(Box::new(softer));
            }
            if self.ended {
                return Synthesis::Done;
            }
            match self.line.poll() {
                Synthesis::Frame(samples) => self.stretch.push(&samples),
                Synthesis::Done => {
                    self.ended = true;
                    self.stretch.finish();
                }
                other => return other,
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        self.line.total_samples().map(|samples| self.stretch.length(samples))
    }

    fn spoken(&self) -> usize {
        self.line.spoken()
    }

    fn engine(&self) -> Option<&str> {
        self.line.engine()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    struct Frames(usize);

    impl SynthesisStream for Frames {
        fn poll(&mut self) -> Synthesis {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    Synthesis::Frame(Box::new([1_000; FRAME_SAMPLES]))
                }
                None => Synthesis::Done,
            }
        }
        fn total_samples(&self) -> Option<u64> {
            Some(16_000)
        }
    }

    fn frames(manner: Manner) -> (Vec<Samples>, Option<u64>) {
        let mut line = mannered(Box::new(Frames(50)), manner);
        let total = line.total_samples();
        let mut out = Vec::new();
        loop {
            match line.poll() {
                Synthesis::Frame(samples) => out.push(*samples),
                Synthesis::Done => return (out, total),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_slow_line_is_longer_and_a_soft_one_softer() {
        assert_eq!(frames(Manner::USUAL).0.len(), 50);
        let (slow, total) = frames(Manner { rate_percent: 80, softer: true });
        assert_eq!(total, Some(20_000));
        assert!((61..=65).contains(&slow.len()), "{}", slow.len());
        let middle = slow.get(20).map_or(0, |frame| frame[100]);
        assert!((600..=660).contains(&middle), "{middle}");
        assert!(frames(Manner { rate_percent: 120, softer: false }).0.len() < 44);
    }
}
