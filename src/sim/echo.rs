//! Our own voice on its way back, and what a call's ear makes of it.

use super::Dice;
use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, SAMPLES_PER_MS,
};
use crate::speech::voice::VoiceCues;
use crate::speech::{Cue, EngineError, Gate, GateConfig, SpeechEdge, VoiceDetection};

/// Taps of a hybrid's response: 6 ms.
const TAPS: usize = 96;
/// From this share on an overlap counts as an echo; the agent's own bound.
const ECHO: f32 = 0.5;
/// So long after its onset an overlap is decided, in ms.
const DECIDED_MS: f64 = 260.0;

/// A way from us to the caller's microphone: a delay, a short reverberation, a loss.
#[derive(Clone, Debug)]
pub struct EchoPath {
    delay: usize,
    taps: Vec<f32>,
}

impl EchoPath {
    /// A hybrid: a response that decays within 6 ms, as loud as `db` (−20 to −35) says, `delay_ms` later.
    pub fn hybrid(db: f32, delay_ms: f32, dice: &mut Dice) -> Self {
        let normal = |dice: &mut Dice| (0..12).map(|_| dice.unit() as f32).sum::<f32>() - 6.0;
        let mut taps: Vec<f32> = (0..TAPS).map(|n| normal(dice) * (-(n as f32) / 24.0).exp()).collect();
        if let Some(direct) = taps.get_mut(dice.between(0.0, 8.0) as usize) {
            *direct += 2.0;
        }
        let energy = taps.iter().map(|tap| tap * tap).sum::<f32>().max(1e-9);
        let gain = 10f32.powf(db / 20.0) / energy.sqrt();
        taps.iter_mut().for_each(|tap| *tap *= gain);
        Self { delay: (delay_ms * SAMPLES_PER_MS as f32) as usize, taps }
    }

    /// What comes back of `sent`, at 16 kHz.
    pub fn back(&self, sent: &[i16]) -> Vec<f32> {
        let mut back = vec![0f32; sent.len()];
        for (n, sample) in sent.iter().enumerate().filter(|(_, sample)| **sample != 0) {
            for (slot, tap) in back.iter_mut().skip(n + self.delay).zip(&self.taps) {
                *slot += tap * f32::from(*sample);
            }
        }
        back
    }
}

/// Through µ-law and back, as over a telephone.
pub fn telephone(samples: &[i16]) -> Vec<i16> {
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    let mut out = Vec::with_capacity(samples.len());
    for chunk in samples.chunks(FRAME_SAMPLES) {
        let mut frame = [0i16; FRAME_SAMPLES];
        frame.iter_mut().zip(chunk).for_each(|(slot, sample)| *slot = *sample);
        let mut bytes = [0; FRAME_BYTES];
        let count = encoder.encode(&frame, &mut bytes);
        let mut heard = [0i16; FRAME_SAMPLES];
        let count = decoder.decode(&bytes[..count], &mut heard);
        out.extend_from_slice(&heard[..count]);
    }
    out
}

/// What the ear said of one line.
#[derive(Clone, Copy, Default, Debug)]
pub struct Verdicts {
    /// Overlaps that began while only the echo was there.
    pub echoes: u32,
    /// Of them, those that were still taken for a caller 200 ms after their onset.
    pub late: u32,
    /// Of them, those that would have stopped the agent.
    pub self_interruptions: u32,
    /// When the caller's own speech was decided to be real, in ms after it began.
    pub real_ms: Option<f64>,
}

/// Lets an ear hear `heard` while `sent` goes out; the caller, if there is one, begins at sample `caller` and not before.
///
/// # Errors
/// The voice detector cannot be opened.
pub fn judge(
    sent: &[i16],
    heard: &[i16],
    caller: Option<usize>,
    vad: &dyn VoiceDetection,
) -> Result<Verdicts, EngineError> {
    let (mut voice, mut vad, mut gate) = (VoiceCues::default(), vad.open()?, Gate::new(GateConfig::default()));
    let mut verdicts = Verdicts::default();
    let began = caller.map(|at| MediaTime::from_samples(at as u64));
    let (mut onset, mut echo_at_200, mut stopped) = (None, None, false);
    for (n, (sent, heard)) in sent.chunks_exact(FRAME_SAMPLES).zip(heard.chunks_exact(FRAME_SAMPLES)).enumerate() {
        let at = MediaTime::from_frames(n as u64);
        let frame = |samples: &[i16]| {
            let origin = if samples.iter().all(|s| *s == 0) { FrameOrigin::Silence } else { FrameOrigin::Received };
            AudioFrame { at, origin, samples: std::array::from_fn(|n| samples.get(n).copied().unwrap_or(0)) }
        };
        voice.sent(&frame(sent));
        let heard = AudioFrame { origin: FrameOrigin::Received, ..frame(heard) };
        let probability = voice.heard(&heard, vad.push(&heard), vad.lag_ms());
        let edge = gate.push(at.minus_ms(vad.lag_ms()), probability);
        let now = heard.end();
        let cue = voice.cue(now, edge);
        let alone = began.is_none_or(|began| now <= began);
        match edge {
            Some(SpeechEdge::Started { onset: began }) => {
                (onset, echo_at_200, stopped) = (Some(began), None, false);
                verdicts.echoes += u32::from(alone);
            }
            Some(SpeechEdge::Paused { .. }) => onset = None,
            None => {}
        }
        let real = match cue {
            Some(Cue::Overlap(cue)) => {
                let since = cue.covers.ms_since(cue.onset);
                if since >= 200.0 && echo_at_200.is_none() {
                    echo_at_200 = Some(cue.echo);
                    verdicts.late += u32::from(alone && cue.echo < ECHO);
                }
                since >= DECIDED_MS && onset.is_some() && cue.echo < ECHO
            }
            // Speech that is not over the agent's is the caller's.
            _ => onset.is_some_and(|onset| now.ms_since(onset) >= DECIDED_MS) && echo_at_200.is_none(),
        };
        if real && alone && !stopped {
            stopped = true;
            verdicts.self_interruptions += 1;
        } else if let (true, Some(began), None) = (real && !alone, began, verdicts.real_ms) {
            verdicts.real_ms = Some(now.ms_since(began));
        }
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    #[test]
    fn an_echo_is_as_late_and_as_soft_as_asked() {
        let mut sent = vec![0i16; 16_000];
        for (n, sample) in sent.iter_mut().enumerate().skip(1600).take(8000) {
            *sample = if n * 7919 % 61 < 30 { 4000 } else { -4000 };
        }
        let path = EchoPath::hybrid(-25.0, 100.0, &mut Dice::new(1));
        let back: Vec<i16> = path.back(&sent).iter().map(|sample| *sample as i16).collect();
        let first = back.iter().position(|sample| sample.unsigned_abs() > 20).unwrap();
        assert!((3200..3300).contains(&first), "{first}");
        let loss = level::rms_dbfs(&back[4000..9000]) - level::rms_dbfs(&sent[2000..9000]);
        assert!((-33.0..-17.0).contains(&loss), "{loss}");
    }
}
