//! Our own voice on its way back, and what a call's ear and the agent make of it.

use super::Dice;
use crate::agent::{Action, Agent, Flow, FlowError, Input, TurnConfig};
use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, PlayoutEvent,
    SAMPLES_PER_MS, Samples, UtteranceId,
};
use crate::speech::voice::VoiceCues;
use crate::speech::{Cue, EngineError, Gate, GateConfig, SpeechEdge, VoiceDetection};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Taps of a hybrid's response: 6 ms.
const TAPS: usize = 96;
/// From this share on an overlap counts as an echo; the agent's own bound.
const ECHO: f32 = 0.5;
/// How much softer the agent speaks while somebody may be interrupting it: 12 dB, as a call does.
const SOFTER: f32 = 0.251;
/// Most deadlines of the agent within a frame.
const MOST_DEADLINES: usize = 64;
/// A conversation of a single line, which may be interrupted.
const FLOW: &str = r#"
name = "echo"
start = "tell"
language = "LANGUAGE"

[fallback]
say = "."
hang_up = true

[state.tell]
say = "Something that takes its time to say."
expect = "yes_no"

[[state.tell.on]]
phrases = ["yes"]
hang_up = true
"#;

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

    /// What comes back at sample `n` of what was `sent` until then, at 16 kHz.
    fn at(&self, sent: &[i16], n: usize) -> f32 {
        let Some(newest) = n.checked_sub(self.delay) else { return 0.0 };
        let past = sent.get(..=newest).unwrap_or(sent).iter().rev();
        past.zip(&self.taps).map(|(sample, tap)| tap * f32::from(*sample)).sum()
    }
}

/// A telephone line of one way: µ-law and back.
struct Wire {
    encoder: Encoder,
    decoder: Decoder,
}

impl Wire {
    fn new() -> Self {
        Self { encoder: Encoder::new(CodecKind::Pcmu), decoder: Decoder::new(CodecKind::Pcmu) }
    }

    fn pass(&mut self, frame: &Samples) -> Samples {
        let mut bytes = [0; FRAME_BYTES];
        let count = self.encoder.encode(frame, &mut bytes);
        let mut heard = [0i16; FRAME_SAMPLES];
        self.decoder.decode(&bytes[..count], &mut heard);
        heard
    }
}

/// What is on a line while the agent says something.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// `en` or `zh`: what a backchannel sounds like depends on it.
    pub language: &'a str,
    /// What the agent says at its full volume, at 16 kHz, with the silence before and after it.
    pub ours: &'a [i16],
    /// Our way back, where there is one.
    pub echo: Option<&'a EchoPath>,
    /// A caller who talks over us, and the sample of ours at which that begins.
    pub caller: Option<(usize, &'a [i16])>,
    /// Level of the line's noise, in dBFS.
    pub noise_dbfs: f32,
}

/// What came of one line.
#[derive(Clone, Copy, Default, Debug)]
pub struct Verdicts {
    /// Overlaps that began while only the echo was there.
    pub echoes: u32,
    /// Of them, those that were still taken for a caller 200 ms after their onset.
    pub late: u32,
    /// The agent stopped although nobody was there.
    pub interrupted_itself: bool,
    /// It fell silent although nobody was there, and went on.
    pub hushed_itself: bool,
    /// When the agent fell silent for the caller, in ms after the caller's first sample.
    pub stopped_ms: Option<f64>,
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The voice detector cannot be opened.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The conversation cannot be read; it is compiled in, so a test would have said so.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// The agent, and what it does to its line.
struct Teller {
    agent: Agent,
    utterance: UtteranceId,
    soft: bool,
    /// Silent since, for somebody who may be interrupting.
    hushed: Option<MediaTime>,
    went_on: bool,
    stopped: Option<MediaTime>,
}

impl Teller {
    fn new(language: &str, length: u64) -> Result<Self, FlowError> {
        let flow = Arc::new(Flow::parse(&FLOW.replace("LANGUAGE", language), "echo.toml")?);
        let agent = Agent::new(flow, BTreeMap::new(), TurnConfig::default());
        let mut teller =
            Self { agent, utterance: UtteranceId(0), soft: false, hushed: None, went_on: false, stopped: None };
        teller.tell(MediaTime::ZERO, Input::Answered);
        let utterance = teller.utterance;
        teller.tell(MediaTime::ZERO, Input::LineReady { utterance, total_samples: Some(length) });
        Ok(teller)
    }

    fn tell(&mut self, at: MediaTime, input: Input) {
        self.agent.handle(at, input);
        while let Some(action) = self.agent.poll() {
            match action {
                Action::Say { utterance, .. } if self.utterance == UtteranceId(0) => self.utterance = utterance,
                Action::Duck => self.soft = true,
                Action::Pause => self.hushed = Some(at),
                Action::Unduck => {
                    self.soft = false;
                    self.went_on |= self.hushed.take().is_some();
                }
                Action::StopSpeaking => self.stopped = self.stopped.or(self.hushed).or(Some(at)),
                _ => {}
            }
        }
    }

    fn wait(&mut self, until: MediaTime) {
        for _ in 0..MOST_DEADLINES {
            let Some(due) = self.agent.deadline().filter(|due| *due <= until) else { return };
            self.tell(due, Input::Deadline);
        }
    }
}

/// Lets the agent say a line, with its ear on what comes back: the shipped detector's gate, cues and decisions, without words. It speaks
/// softer when it wants to, or not at all, which its echo then does too; with its first stop, or silence for the caller, all is said.
///
/// # Errors
/// [`JudgeError`].
pub fn judge(line: &Line<'_>, vad: &dyn VoiceDetection, dice: &mut Dice) -> Result<Verdicts, JudgeError> {
    let (mut voice, mut vad, mut gate) = (VoiceCues::default(), vad.open()?, Gate::new(GateConfig::default()));
    let (mut down, mut up) = (Wire::new(), Wire::new());
    let noise = 32_768.0 * 10f64.powf(f64::from(line.noise_dbfs) / 20.0) * 3f64.sqrt();
    let first = line.ours.iter().position(|sample| *sample != 0).unwrap_or(0) / FRAME_SAMPLES;
    let last = line.ours.iter().rposition(|sample| *sample != 0).unwrap_or(0) / FRAME_SAMPLES;
    let mut teller = Teller::new(line.language, ((last + 1 - first) * FRAME_SAMPLES) as u64)?;
    let (utterance, caller) = (teller.utterance, line.caller.map(|(at, _)| at));
    let mut verdicts = Verdicts::default();
    let mut far: Vec<i16> = Vec::with_capacity(line.ours.len());
    let mut looked = true;
    for (n, ours) in line.ours.chunks_exact(FRAME_SAMPLES).enumerate() {
        let at = MediaTime::from_frames(n as u64);
        if n == first {
            teller.tell(at, Input::Playout(PlayoutEvent::Started { utterance, at }));
        } else if n == last + 1 {
            teller.tell(at, Input::Playout(PlayoutEvent::Finished { utterance, at }));
        }
        let gain = match teller.hushed {
            Some(_) => 0.0,
            None if teller.soft => SOFTER,
            None => 1.0,
        };
        let frame = |samples: Samples| {
            let silent = samples.iter().all(|sample| *sample == 0);
            AudioFrame { at, origin: if silent { FrameOrigin::Silence } else { FrameOrigin::Received }, samples }
        };
        let sent: Samples = std::array::from_fn(|i| ours.get(i).map_or(0, |sample| (f32::from(*sample) * gain) as i16));
        far.extend_from_slice(&down.pass(&sent));
        let began = n * FRAME_SAMPLES;
        let back: Samples = std::array::from_fn(|i| {
            let echo = line.echo.map_or(0.0, |path| path.at(&far, began + i));
            let theirs = line.caller.and_then(|(at, theirs)| theirs.get((began + i).checked_sub(at)?));
            (echo + dice.between(-noise, noise) as f32 + theirs.map_or(0.0, |sample| f32::from(*sample))) as i16
        });
        voice.sent(&frame(sent));
        let heard = AudioFrame { origin: FrameOrigin::Received, ..frame(up.pass(&back)) };
        let probability = voice.heard(&heard, vad.push(&heard), vad.lag_ms());
        let edge = gate.push(at.minus_ms(vad.lag_ms()), probability);
        let now = heard.end();
        let alone = caller.is_none_or(|caller| began + FRAME_SAMPLES <= caller);
        teller.wait(now);
        if let Some(edge) = edge {
            let starts = matches!(edge, SpeechEdge::Started { .. });
            verdicts.echoes += u32::from(starts && alone);
            looked = !starts && looked;
            teller.tell(now, Input::Speech(edge));
        }
        if let Some(cue) = voice.cue(now, edge) {
            if let Cue::Overlap(cue) = cue
                && !looked
                && cue.covers.ms_since(cue.onset) >= 200.0
            {
                looked = true;
                verdicts.late += u32::from(alone && cue.echo < ECHO);
            }
            teller.tell(now, Input::Cue(cue));
        }
        teller.wait(now);
        verdicts.hushed_itself |= alone && std::mem::take(&mut teller.went_on);
        let silenced = teller.hushed.filter(|at| caller.is_some_and(|caller| at.samples() >= caller as u64));
        if let Some(stopped) = teller.stopped.or(silenced) {
            let since = caller.map(|caller| stopped.ms_since(MediaTime::from_samples(caller as u64)));
            verdicts.stopped_ms = since.filter(|ms| *ms > 0.0);
            verdicts.interrupted_itself = verdicts.stopped_ms.is_none();
            break;
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
        let back: Vec<i16> = (0..sent.len()).map(|n| path.at(&sent, n) as i16).collect();
        let first = back.iter().position(|sample| sample.unsigned_abs() > 20).unwrap();
        assert!((3200..3300).contains(&first), "{first}");
        let loss = level::rms_dbfs(&back[4000..9000]) - level::rms_dbfs(&sent[2000..9000]);
        assert!((-33.0..-17.0).contains(&loss), "{loss}");
    }

    /// A detector for which everything loud is speech.
    struct Loud;

    impl VoiceDetection for Loud {
        fn name(&self) -> &str {
            "loud"
        }
        fn open(&self) -> Result<Box<dyn crate::speech::VoiceDetector>, EngineError> {
            Ok(Box::new(Loud))
        }
    }

    impl crate::speech::VoiceDetector for Loud {
        fn push(&mut self, frame: &AudioFrame) -> f32 {
            if level::rms_dbfs(&frame.samples) > -60.0 { 1.0 } else { 0.0 }
        }
    }

    /// Something like a voice: harmonics of a pitch that moves, in syllables.
    fn voiced(samples: usize, hz: f32, amplitude: f32) -> Vec<i16> {
        let mut phase = 0f32;
        let at = |n: usize| n as f32 / 16_000.0;
        (0..samples)
            .map(|n| {
                phase = (phase + hz * (1.0 + 0.2 * (3.0 * at(n)).sin()) / 16_000.0).fract();
                let syllable = 0.3 + 0.7 * (12.0 * at(n)).sin().abs();
                let wave: f32 = (1..12).map(|h| (std::f32::consts::TAU * phase * h as f32).sin() / h as f32).sum();
                (amplitude * syllable * wave) as i16
            })
            .collect()
    }

    #[test]
    fn the_agent_itself_tells_its_echo_from_a_caller() {
        let mut ours = vec![0; 4_800];
        ours.extend(voiced(48_000, 170.0, 3_000.0));
        ours.resize(64_000, 0);
        // Loud enough for a caller of whom nothing is known yet.
        let path = EchoPath::hybrid(-10.0, 120.0, &mut Dice::new(3));
        let line = Line { language: "en", ours: &ours, echo: Some(&path), caller: None, noise_dbfs: -68.0 };
        let alone = judge(&line, &Loud, &mut Dice::new(5)).unwrap();
        assert!(alone.echoes > 0 && !alone.interrupted_itself, "{alone:?}");
        let theirs = voiced(24_000, 240.0, 3_000.0);
        let both = judge(&Line { caller: Some((20_000, &theirs)), ..line }, &Loud, &mut Dice::new(5)).unwrap();
        assert!(both.stopped_ms.is_some_and(|ms| (60.0..900.0).contains(&ms)), "{both:?}");
        // What is not ours is a caller, the figure can be other than nought; one so soft, of whom nothing was heard before, is somebody behind.
        for (amplitude, stops) in [(3_000.0, true), (300.0, false)] {
            let mut stranger = vec![0; 4_800];
            stranger.extend(voiced(48_000, 110.0, amplitude));
            let line = Line { echo: None, caller: Some((0, &stranger)), ..line };
            let judged = judge(&line, &Loud, &mut Dice::new(5)).unwrap();
            assert_eq!(judged.stopped_ms.is_some(), stops, "{amplitude}: {judged:?}");
        }
    }
}
