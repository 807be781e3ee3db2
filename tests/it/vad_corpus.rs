//! The voice detector on recorded speech and sounds, over a µ-law line. Runs where `TIPRING_TEST_DATA` names the folder.
//!
//! Every second file only: the thresholds were chosen on the others, though the last variants of the suspicion rule were also
//! compared on these, so the figures are not wholly blind. Prints a table with `--nocapture`.

use crate::vad_signals::{Heard, hear};
use std::path::{Path, PathBuf};
use tipring::audio::{level, resample, wav};
use tipring::engine::vad;
use tipring::speech::SpeechEdge;

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("TIPRING_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TIPRING_TEST_DATA names no folder with recordings");
    }
    folder
}

/// 16 kHz mono at −26 dBFS.
fn load(path: &Path) -> Vec<i16> {
    let mut samples = if path.extension().is_some_and(|e| e == "flac") {
        let mut reader = claxon::FlacReader::open(path).unwrap();
        let info = reader.streaminfo();
        assert_eq!((info.channels, info.bits_per_sample), (1, 16), "{}", path.display());
        let samples: Vec<i16> = reader.samples().map(|s| s.unwrap() as i16).collect();
        resample::resample_i16(&samples, info.sample_rate, 16_000).unwrap()
    } else {
        wav::read_wav(path).unwrap()
    };
    level::normalise(&mut samples, -26.0);
    samples
}

/// Every second sound file of a folder, in order, but no more than `most`.
fn files(folder: &Path, most: usize) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "flac" || e == "wav"))
        .collect();
    files.sort();
    let held_back: Vec<PathBuf> = files.into_iter().skip(1).step_by(2).collect();
    let step = held_back.len().div_ceil(most).max(1);
    held_back.into_iter().step_by(step).collect()
}

/// Frames that lie wholly in `speech` (seconds), and how many of them were heard as such; the same for those outside.
#[derive(Default, Debug)]
struct Score {
    speech: usize,
    hit: usize,
    other: usize,
    false_alarm: usize,
}

impl Score {
    fn add(&mut self, heard: &Heard, speech: &[(f64, f64)]) {
        for (n, probability) in heard.probabilities.iter().enumerate() {
            let (from, to) = (n as f64 * 0.02, (n + 1) as f64 * 0.02);
            if speech.iter().any(|(start, end)| from >= *start && to <= *end) {
                self.speech += 1;
                self.hit += usize::from(*probability >= 0.5);
            } else if speech.iter().all(|(start, end)| to + 0.1 <= *start || from >= *end + 0.1) {
                self.other += 1;
                self.false_alarm += usize::from(*probability >= 0.5);
            }
        }
    }

    fn recall(&self) -> f64 {
        self.hit as f64 / self.speech.max(1) as f64
    }

    fn false_share(&self) -> f64 {
        self.false_alarm as f64 / self.other.max(1) as f64
    }
}

/// Stretches of speech in a phone label file: each line is the beginning of a phone, its colour and its name. The recording
/// may have been cut off at `length` seconds.
fn phones(text: &str, length: f64) -> Vec<(f64, f64)> {
    let (mut speech, mut phone) = (Vec::new(), None);
    for line in text.lines().skip_while(|line| line.trim() != "#").skip(1) {
        let mut words = line.split_whitespace();
        let Some(Ok(start)) = words.next().map(str::parse::<f64>) else { continue };
        if let Some(from) = phone.filter(|from| *from < length) {
            speech.push((from, start.min(length)));
        }
        let pause = words.nth(1).is_some_and(|name| name.starts_with('.'));
        phone = (!pause).then_some(start);
    }
    if let Some(from) = phone.filter(|from| *from < length) {
        speech.push((from, length));
    }
    // Neighbours are one stretch.
    speech.dedup_by(|next, last| {
        let joined = next.0 <= last.1;
        if joined {
            last.1 = next.1;
        }
        joined
    });
    speech
}

#[test]
fn acted_speech_is_heard_from_its_beginning_to_its_end() {
    let Some(data) = data() else { return };
    let mut total = Score::default();
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let (mut whole, mut count) = (0, 0);
    for path in files(&data.join("emotion/emodb"), 130) {
        let name = format!("{}xx.lablaut", path.file_stem().unwrap().to_string_lossy());
        let Ok(text) = std::fs::read(data.join("vad/emodb_phone_labels/lablaut").join(name)) else { continue };
        let mut samples = load(&path);
        let speech = phones(&String::from_utf8_lossy(&text), samples.len() as f64 / 16_000.0);
        let (Some(first), Some(last)) = (speech.first(), speech.last()) else { continue };
        samples.extend(std::iter::repeat_n(0, 16_000));
        let heard = hear(&samples, &vad::Config::default());
        total.add(&heard, &speech);
        count += 1;
        whole += usize::from(heard.onsets() == 1);
        // The line delays by 3.4 ms.
        if let Some(SpeechEdge::Started { onset }) = heard.edges.first() {
            starts.push(onset.samples() as f64 / 16.0 - 3.4 - first.0 * 1000.0);
        }
        if let Some(SpeechEdge::Paused { last: end }) = heard.edges.last() {
            ends.push(end.samples() as f64 / 16.0 - 3.4 - last.1 * 1000.0);
        }
    }
    let quantiles = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| values[((values.len() - 1) as f64 * q) as usize].round())
    };
    let (starts, ends) = (quantiles(&mut starts), quantiles(&mut ends));
    println!(
        "EmoDB: {count} files, {whole} in one piece, recall {:.4}, false {:.4}",
        total.recall(),
        total.false_share()
    );
    println!("  onset − label, ms at 5/25/50/75/95 %: {starts:?}");
    println!("  end − label, ms at 5/25/50/75/95 %: {ends:?}");
    assert!(count > 50);
    assert!(total.recall() > 0.90, "recall {:.4}", total.recall());
    assert!(starts[2].abs() < 60.0 && ends[2].abs() < 60.0, "{starts:?} {ends:?}");
}

#[test]
fn speech_of_many_kinds_is_heard_with_the_tone_rejecter_nearly_as_without() {
    let Some(data) = data() else { return };
    let alone =
        vad::Config { earshot: vad::EarshotConfig { reject_tones: false, ..Default::default() }, ..Default::default() };
    for (folder, most) in
        [("speech/speechocean762", 60), ("speech/misc", 60), ("emotion/ravdess", 40), ("emotion/emodb", 60)]
    {
        let (mut with, mut without) = (0, 0);
        for path in files(&data.join(folder), most) {
            let samples = load(&path);
            with += hear(&samples, &vad::Config::default()).speech();
            without += hear(&samples, &alone).speech();
        }
        let kept = with as f64 / without as f64;
        println!("{folder}: {without} speech frames, {:.2} % kept by the tone rejecter", 100.0 * kept);
        assert!(kept > 0.94, "{folder}: {kept:.4}");
    }
}

#[test]
fn recorded_tones_are_no_speech() {
    let Some(data) = data() else { return };
    for folder in ["noise/dtmf_pipecat", "noise/baresip_tones"] {
        let (mut speech, mut frames, mut onsets) = (0, 0, 0);
        for path in files(&data.join(folder), 100) {
            // These two are announcements: a voice.
            if path.ends_with("error.wav") || path.ends_with("notfound.wav") {
                continue;
            }
            let heard = hear(&load(&path), &vad::Config::default());
            speech += heard.speech();
            frames += heard.probabilities.len();
            onsets += heard.onsets();
        }
        let share = speech as f64 / frames as f64;
        println!("{folder}: {frames} frames, {:.2} % taken for speech, {onsets} onsets", 100.0 * share);
        assert!(share < 0.01 && onsets == 0, "{folder}: {share:.4}, {onsets} onsets");
    }
}

#[test]
fn meetings_are_told_from_their_silences() {
    let Some(data) = data() else { return };
    let mut total = Score::default();
    for path in files(&data.join("vad/ami_pyannote"), 100) {
        let rttm = std::fs::read_to_string(path.with_extension("rttm")).unwrap();
        let speech: Vec<(f64, f64)> = rttm
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip(3);
                let start: f64 = words.next()?.parse().ok()?;
                let length: f64 = words.next()?.parse().ok()?;
                Some((start, start + length))
            })
            .collect();
        total.add(&hear(&load(&path), &vad::Config::default()), &speech);
    }
    println!("AMI: {} speech frames, recall {:.3}, false {:.3}", total.speech, total.recall(), total.false_share());
    assert!(total.recall() > 0.5, "{total:?}");
}
