//! What a classifier of backchannels learns from: synthesised backchannels, and the beginnings of sentences, synthesised and
//! read by people.

use crate::audio::{level, resample, wav};
use crate::cli::eval::sound;
use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::process::Command;

/// Backchannels as eSpeak NG is asked for them: words, or phonemes in double brackets, by voice.
const BACKCHANNELS: [(&str, &[&str]); 2] = [
    (
        "en-us",
        &[
            "[[m'm]]",
            "[[m:'@m]]",
            "[[m,mh'@m]]",
            "[[,@mh'@m]]",
            "[[,Vh'V]]",
            "[[,3h'3:]]",
            "[['@m]]",
            "mm",
            "mhm",
            "hmm",
            "uh-huh",
            "yeah",
            "yep",
            "okay",
            "right",
            "ah",
            "oh",
            "aha",
        ],
    ),
    ("cmn", &["嗯", "嗯嗯", "对", "对对", "好", "好的", "哦", "啊"]),
];
/// Backchannels of flite, which knows words alone.
const FLITE_BACKCHANNELS: [&str; 9] = ["mm", "mm hmm", "hmm", "uh huh", "yeah", "okay", "right", "oh", "ah"];
/// Beginnings of turns.
const SENTENCES: [(&str, &[&str]); 2] = [
    (
        "en-us",
        &[
            "Can you tell me what it costs?",
            "What time do you open tomorrow?",
            "I would like to speak to somebody else.",
            "Please stop, I have a question.",
            "Wait a moment, that is not what I asked.",
            "No, that is the wrong number.",
            "Hold on, I need a pen.",
            "Sorry, could you say that again?",
            "Excuse me, I did not ask for that.",
            "How long does it take to get there?",
            "My name is Thomas Miller.",
            "The address is fourteen Church Street.",
            "Is there a place to park the car?",
            "Do you take credit cards?",
            "We have already paid for this.",
            "They told me that it was free.",
            "Actually I wanted to cancel my order.",
            "But I never received the letter.",
            "That is not correct at all.",
            "Just give me the price, please.",
            "Let me talk to a real person.",
            "Never mind, I will call again later.",
            "When does the next one begin?",
            "Where should I send the form?",
            "Who am I talking to?",
            "Why did nobody call me back?",
            "It does not work since yesterday.",
            "I cannot hear you very well.",
            "Hello, are you still there?",
            "Tell me about the other option.",
            "Could we do this on Thursday instead?",
            "Five would be better for me.",
            "Tomorrow is impossible.",
            "Next week would suit me better.",
            "You already asked me that.",
            "This is taking too long.",
            "Stop talking, please.",
            "Skip that and go on.",
            "Not interested, thank you.",
            "Please take me off your list.",
            "Everything was fine until Monday.",
            "Because my husband is not at home.",
            "Somebody else has signed it.",
            "Nobody told me about a fee.",
            "Are you a machine?",
            "Great, but what about the children?",
        ],
    ),
    (
        "cmn",
        &[
            "请问多少钱？",
            "等一下，我有个问题。",
            "你是谁啊？",
            "我不需要，谢谢。",
            "不是，我问的是另外一个。",
            "能不能说慢一点？",
            "我现在没有时间。",
            "别说了，直接告诉我价格。",
            "什么时候开始？",
            "在哪里停车？",
            "怎么去那里比较方便？",
            "这个太贵了，有没有便宜的？",
            "我想找人工客服。",
            "你们公司在什么地方？",
            "可以改到星期四吗？",
            "听不清楚，再说一遍。",
            "为什么没有人给我回电话？",
            "已经付过钱了。",
            "他不在家，你明天再打吧。",
            "明天不行，后天可以。",
        ],
    ),
];
/// Variants of eSpeak NG's voices; the second list is kept back.
const VARIANTS: [&[&str]; 2] = [
    &["", "+m1", "+m3", "+m5", "+f1", "+f2", "+f5", "+Alex", "+Andrea", "+linda", "+rob"],
    &["+m4", "+m7", "+f3", "+f4", "+Annie"],
];
/// Voices of flite; the second list is kept back.
const FLITE: [&[&str]; 2] = [&["rms", "awb", "kal16"], &["slt"]];
/// Beginnings that are taken of a recording.
const BEGINNINGS: usize = 4;
/// How often each backchannel is made by each voice, at another pace and height each time.
const TIMES: usize = 2;

/// A sound with its label.
pub(super) struct Clip {
    /// It is a backchannel.
    pub backchannel: bool,
    /// It is kept back from training.
    pub held_out: bool,
    /// It was synthesised.
    pub synthesised: bool,
    /// What it is a part of, for the figures: the synthesiser and a class, or the name of a folder.
    pub source: String,
    /// 16 kHz.
    pub samples: Vec<i16>,
}

/// Speaks a text with a voice of flite. None where it is not installed.
pub(super) type FliteVoice<'a> = &'a dyn Fn(&str, &str) -> Option<Vec<i16>>;

/// All that is synthesised.
///
/// # Errors
/// eSpeak NG is missing.
pub(super) fn synthesised(seed: u64, flite: FliteVoice<'_>) -> anyhow::Result<Vec<Clip>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut clips = Vec::new();
    for (backchannel, texts) in [(true, &BACKCHANNELS), (false, &SENTENCES)] {
        for (voice, texts) in texts {
            for (held_out, variants) in [false, true].into_iter().zip(VARIANTS) {
                for variant in variants {
                    for text in *texts {
                        for _ in 0..if backchannel { TIMES } else { 1 } {
                            let (pace, height) = (random.random_range(130..230), random.random_range(25..75));
                            let samples = espeak(&format!("{voice}{variant}"), text, pace, height)?;
                            clips.push(Clip {
                                backchannel,
                                held_out,
                                synthesised: true,
                                source: source("espeak", backchannel, text),
                                samples,
                            });
                        }
                    }
                }
            }
        }
    }
    for (held_out, voices) in [false, true].into_iter().zip(FLITE) {
        for voice in voices {
            let sentences = SENTENCES[0].1.iter().map(|text| (false, *text));
            for (backchannel, text) in FLITE_BACKCHANNELS.iter().map(|text| (true, *text)).chain(sentences) {
                if let Some(samples) = flite(voice, text) {
                    // One voice says a word always alike: it is played at other rates as well.
                    for hz in if backchannel { &[14_500, 16_000, 17_500][..] } else { &[16_000][..] } {
                        let samples = resample::resample_i16(&samples, *hz, 16_000)?;
                        clips.push(Clip {
                            backchannel,
                            held_out,
                            synthesised: true,
                            source: source("flite", backchannel, text),
                            samples,
                        });
                    }
                }
            }
        }
    }
    Ok(clips)
}

/// Hums are told from words: the voice alone tells the ones, and hardly the others.
fn source(synthesiser: &str, backchannel: bool, text: &str) -> String {
    let class = match text {
        _ if !backchannel => "sentences",
        "yeah" | "yep" | "okay" | "right" | "对" | "对对" | "好" | "好的" => "words",
        _ => "hums",
    };
    format!("{synthesiser} {class}")
}

fn espeak(voice: &str, text: &str, pace: u32, height: u32) -> anyhow::Result<Vec<i16>> {
    let made = Command::new("espeak-ng")
        .args(["-v", voice, "-s", &pace.to_string(), "-p", &height.to_string(), "--stdout", text])
        .output()
        .context("espeak-ng cannot be run: install the package espeak-ng")?;
    if !made.status.success() {
        bail!("espeak-ng refuses the voice '{voice}': {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    Ok(wav::read_wav_from(made.stdout.as_slice())?)
}

/// What is done with the files of a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// All are learned from.
    Learn,
    /// All are kept back.
    Check,
    /// Every second one is learned from, the others are kept back.
    Halves,
}

/// Speech read by people: every WAV and FLAC file of a folder, as beginnings of turns.
///
/// # Errors
/// The folder cannot be read, or a file in it.
pub(super) fn read(folder: &Path, usage: Use) -> anyhow::Result<Vec<Clip>> {
    let source = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "wav" || kind == "flac"));
    files.sort();
    let mut clips = Vec::new();
    for (n, file) in files.into_iter().enumerate() {
        let held_out = usage == Use::Check || usage == Use::Halves && n % 2 == 1;
        let samples = sound::read(&file)?;
        // Where it is learned from, what follows a pause within a recording is a beginning as well: people differ more in
        // what they begin with than such sets do.
        let from = if held_out { vec![0] } else { beginnings(&samples) };
        for from in from {
            let samples = samples.get(from..).unwrap_or_default().to_vec();
            clips.push(Clip { backchannel: false, held_out, synthesised: false, source: source.clone(), samples });
        }
    }
    Ok(clips)
}

/// Where speech begins, or goes on after 60 ms that are 25 dB below its loudest.
fn beginnings(samples: &[i16]) -> Vec<usize> {
    const PIECE: usize = 160;
    let levels: Vec<f32> = samples.chunks(PIECE).map(level::rms_dbfs).collect();
    let loud = levels.iter().copied().fold(level::SILENCE_DBFS, f32::max) - 25.0;
    let (mut from, mut quiet, mut last) = (Vec::new(), 6, 0);
    for (n, level) in levels.iter().enumerate() {
        if *level < loud {
            quiet += 1;
            continue;
        }
        let enough = levels.len() - n > 30 && (from.is_empty() || n - last > 30);
        if quiet >= 6 && enough && from.len() < BEGINNINGS {
            from.push(n.saturating_sub(2) * PIECE);
            last = n;
        }
        quiet = 0;
    }
    from
}
