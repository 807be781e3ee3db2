//! `tipring bench prosody`: what it costs to hear how a caller sounds.

use crate::audio::prosody::{Extractor, Functionals, STEPS};
use crate::audio::{AudioFrame, FRAME_MS, FRAME_SAMPLES, FrameOrigin, MediaTime};
use crate::engine::emotion::Prosody;
use crate::phone::Machine;
use crate::speech::EmotionDetection;
use serde::Serialize;
use std::f32::consts::TAU;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How much of a call callers speak, for the mean.
const TALK: f64 = 0.4;
/// Times that the voice is heard; the fastest counts: what else runs on the machine only adds.
const TIMES: usize = 5;

/// Arguments of `tipring bench prosody`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Seconds of speech.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Print the figures as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// What it costs.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Cost {
    /// Microseconds for 10 ms of speech: descriptors and functionals.
    pub extractor_us_per_10ms: f64,
    /// The whole engine, with an answer every half second.
    pub engine_us_per_10ms: f64,
    /// Of a core, while a caller speaks.
    pub cpu_percent_speaking: f64,
    /// Of a core, in the mean of a call in which the caller speaks 40 % of the time.
    pub cpu_percent_at_40_percent_talk: f64,
    /// Memory of a call, without the weights, which all calls share.
    pub bytes_per_call: usize,
}

impl Cost {
    /// Measures it on `seconds` of a synthetic voice.
    ///
    /// # Errors
    /// The weights that are compiled in cannot be read.
    pub fn measure(seconds: u64) -> anyhow::Result<Self> {
        let frames = voice(seconds);
        let steps = (frames.len() * STEPS) as f64;
        let fastest = |work: &mut dyn FnMut()| {
            let once = || {
                let began = Instant::now();
                work();
                began.elapsed()
            };
            std::iter::repeat_with(once).take(TIMES).min().unwrap_or(Duration::ZERO).as_secs_f64() * 1e6 / steps
        };
        let extractor_us_per_10ms = fastest(&mut || {
            let (mut extractor, mut functionals) = (Box::<Extractor>::default(), Box::<Functionals>::default());
            for frame in &frames {
                extractor.push(&frame.samples, &mut |step| functionals.push(step));
            }
            black_box(functionals.heard_ms());
        });
        let engine = Prosody::open(None)?;
        let engine_us_per_10ms = fastest(&mut || {
            let mut ear = EmotionDetection::open(&engine);
            for frame in &frames {
                black_box(ear.push(frame));
            }
            ear.finish(true);
        });
        // 10 ms are 10 000 µs.
        let cpu_percent_speaking = engine_us_per_10ms / 100.0;
        Ok(Self {
            extractor_us_per_10ms,
            engine_us_per_10ms,
            cpu_percent_speaking,
            cpu_percent_at_40_percent_talk: cpu_percent_speaking * TALK,
            bytes_per_call: crate::engine::emotion::ProsodyDetector::BYTES,
        })
    }
}

/// Syllables of a synthetic voice: a moving pitch, two resonances, some noise.
fn voice(seconds: u64) -> Vec<AudioFrame> {
    let (mut phase, mut noise, mut n) = (0f32, 1u32, 0u64);
    let mut memory = [[0f32; 2]; 2];
    let mut sample = || {
        let t = n as f32 / 16_000.0;
        n += 1;
        phase = (phase + (150.0 + 40.0 * (2.3 * t).sin()) / 16_000.0).fract();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let breath = (noise >> 16) as f32 / 65_536.0 - 0.5;
        let mut x = (phase - 0.5 + 0.05 * breath) * (13.0 * t).sin().max(0.0);
        for ([y1, y2], hz) in memory.iter_mut().zip([550.0 + 200.0 * (5.0 * t).sin(), 1700.0]) {
            let y = x + 1.94 * (TAU * hz / 16_000.0).cos() * *y1 - 0.9409 * *y2;
            (*y2, *y1) = (*y1, y);
            x = y;
        }
        (x * 400.0).clamp(-32_768.0, 32_767.0) as i16
    };
    (0..seconds * 1000 / FRAME_MS)
        .map(|frame| {
            let samples: [i16; FRAME_SAMPLES] = std::array::from_fn(|_| sample());
            AudioFrame { at: MediaTime::from_frames(frame), origin: FrameOrigin::Received, samples }
        })
        .collect()
}

/// Runs the command.
///
/// # Errors
/// The weights that are compiled in cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cost = Cost::measure(args.seconds)?;
    let machine = Machine::here();
    if args.json {
        let mut figures = serde_json::to_value(cost)?;
        figures["machine"] = serde_json::to_value(&machine)?;
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!(
            "prosody          {:.1} µs for 10 ms of speech, {:.1} µs with the answers: {:.3} % of a core while a caller speaks,\n\
             {:17}{:.3} % at 40 % talk; {:.0} kB a call\n\
             machine          {}, {} cores, load {:.2}",
            cost.extractor_us_per_10ms,
            cost.engine_us_per_10ms,
            cost.cpu_percent_speaking,
            "",
            cost.cpu_percent_at_40_percent_talk,
            cost.bytes_per_call as f64 / 1000.0,
            machine.cpu,
            machine.cores,
            machine.load_1m.unwrap_or_default(),
        );
    }
    Ok(ExitCode::SUCCESS)
}
