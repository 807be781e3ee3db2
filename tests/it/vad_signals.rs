//! The voice detector on signals made here: what a telephone line carries besides voices must not be taken for one.

use std::f64::consts::TAU;
use tipring::audio::{AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FrameOrigin, MediaTime, level};
use tipring::engine::vad;
use tipring::speech::{Gate, GateConfig, SpeechEdge};

/// What the detector and the gate made of a signal.
#[derive(Default)]
pub struct Heard {
    /// Probability of each frame.
    pub probabilities: Vec<f32>,
    /// Frames that are loud enough to matter.
    pub loud: Vec<bool>,
    /// The edges.
    pub edges: Vec<SpeechEdge>,
}

impl Heard {
    /// Frames taken for speech.
    pub fn speech(&self) -> usize {
        self.probabilities.iter().filter(|p| **p >= 0.5).count()
    }

    /// Times that somebody began to speak.
    pub fn onsets(&self) -> usize {
        self.edges.iter().filter(|edge| matches!(edge, SpeechEdge::Started { .. })).count()
    }
}

/// Sends a signal over a µ-law line to the detector of that configuration.
pub fn hear(signal: &[i16], config: &vad::Config) -> Heard {
    let mut detector = vad::build("earshot", config).unwrap().open().unwrap();
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    let mut gate = Gate::new(GateConfig::default());
    let mut heard = Heard::default();
    for (index, frame) in signal.as_chunks::<320>().0.iter().enumerate() {
        let (mut bytes, mut samples) = ([0; FRAME_BYTES], [0; 320]);
        encoder.encode(frame, &mut bytes);
        decoder.decode(&bytes, &mut samples);
        let at = MediaTime::from_frames(index as u64);
        let probability = detector.push(&AudioFrame { at, origin: FrameOrigin::Received, samples });
        heard.probabilities.push(probability);
        heard.loud.push(level::rms_dbfs(&samples) > -45.0);
        heard.edges.extend(gate.push(at, probability));
    }
    heard
}

/// A cadence: frequencies, ms on, ms off.
type Cadence<'a> = (&'a [f64], usize, usize);

fn cadence(parts: &[Cadence<'_>], times: usize) -> Vec<i16> {
    let mut out = vec![0; 8000];
    for (hz, on, off) in std::iter::repeat_n(parts, times).flatten() {
        out.extend((0..on * 16).map(|n| {
            let sum: f64 = hz.iter().map(|hz| (TAU * hz * n as f64 / 16_000.0).sin()).sum();
            (4000.0 * sum) as i16
        }));
        out.extend(std::iter::repeat_n(0, off * 16));
    }
    out
}

/// Twenty seconds of a piece: four chords, plucked or bowed or blown according to `decay` per second, on `notes` per chord.
fn music(decay: f64, notes: usize, struck_every: f64) -> Vec<i16> {
    const CHORDS: [[f64; 4]; 4] =
        [[0.0, 4.0, 7.0, 12.0], [9.0, 12.0, 16.0, 21.0], [5.0, 9.0, 12.0, 17.0], [7.0, 11.0, 14.0, 19.0]];
    (0..16_000 * 20)
        .map(|n| {
            let t = f64::from(n) / 16_000.0;
            let beat = (t / struck_every) as usize;
            let since = t - beat as f64 * struck_every;
            let chord = CHORDS[(t / 2.0) as usize % 4];
            let sum: f64 = (0..notes)
                .map(|note| {
                    let hz = 174.6 * 2f64.powf(chord[(note + if notes == 1 { beat * 3 } else { 0 }) % 4] / 12.0);
                    (1..=6).map(|k| (TAU * hz * f64::from(k) * since).sin() / f64::from(k)).sum::<f64>()
                })
                .sum();
            (sum * 6000.0 / notes as f64 * (-decay * since).exp() * (since * 100.0).min(1.0)) as i16
        })
        .collect()
}

fn noise(amplitude: f64) -> Vec<i16> {
    let mut state = 88_172_645_463_325_252u64;
    (0..16_000 * 10)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 2.0 * amplitude) as i16
        })
        .collect()
}

#[test]
fn tones_of_the_network_never_start_a_turn() {
    let all: [(&str, &[Cadence<'_>], usize); 9] = [
        ("ring-back US", &[(&[440.0, 480.0], 2000, 4000)], 3),
        ("ring-back UK", &[(&[400.0, 450.0], 400, 200), (&[400.0, 450.0], 400, 2000)], 4),
        ("ring-back ETSI", &[(&[425.0], 1000, 4000)], 3),
        ("ring-back CN", &[(&[450.0], 1000, 4000)], 3),
        ("busy US", &[(&[480.0, 620.0], 500, 500)], 8),
        ("dial tone US", &[(&[350.0, 440.0], 5000, 0)], 1),
        ("special information", &[(&[950.0], 330, 0), (&[1400.0], 330, 0), (&[1800.0], 330, 1000)], 4),
        ("fax", &[(&[1100.0], 500, 3000), (&[2100.0], 3000, 500)], 2),
        ("DTMF", &[(&[697.0, 1209.0], 100, 100), (&[770.0, 1336.0], 100, 100), (&[941.0, 1633.0], 80, 80)], 6),
    ];
    for (name, parts, times) in all {
        let heard = hear(&cadence(parts, times), &vad::Config::default());
        let share = heard.speech() as f64 / heard.probabilities.len() as f64;
        assert_eq!(heard.onsets(), 0, "{name}: {:?}", heard.edges);
        assert!(share < 0.005, "{name}: {:.1} % of the frames", 100.0 * share);
    }
}

#[test]
fn music_and_noise_are_silence_but_for_their_beginning() {
    let mut config = vad::Config::default();
    // Noise shows that it is not modulated only after half a second.
    for (name, signal, most) in [
        ("held chords", music(0.2, 4, 2.0), 0.01),
        ("plucked chords", music(3.0, 4, 0.5), 0.01),
        ("single notes", music(2.0, 1, 0.4), 0.01),
        ("white noise", noise(1500.0), 0.05),
    ] {
        let heard = hear(&signal, &config);
        let share = heard.speech() as f64 / heard.probabilities.len() as f64;
        assert!(share < most, "{name}: {:.1} % of the frames", 100.0 * share);
        assert!(heard.onsets() <= 1, "{name}: {} onsets", heard.onsets());
    }
    // The network alone takes the chords for a voice: it is the rejecter that is tested here.
    config.earshot.reject_tones = false;
    let alone = hear(&music(0.2, 4, 2.0), &config);
    assert!(alone.speech() > 900, "{} frames", alone.speech());
}

#[test]
fn silence_and_hiss_of_an_idle_line_are_silence() {
    for amplitude in [0.0, 1.0, 8.0, 40.0] {
        assert_eq!(hear(&noise(amplitude), &vad::Config::default()).speech(), 0, "amplitude {amplitude}");
    }
}
