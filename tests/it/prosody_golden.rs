//! The measures of a voice against Praat's, on people: `scripts/eval/prosody_golden.py` made the values in `tests/golden`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tipring::audio::prosody::{Descriptors, Extractor};
use tipring::audio::{CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES};

/// What Praat says of a moment.
struct Golden {
    ms: u32,
    pitch_hz: f32,
    formants_hz: [f32; 3],
    hnr_db: f32,
}

fn golden() -> BTreeMap<String, Vec<Golden>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/prosody.csv")).unwrap();
    let mut files: BTreeMap<String, Vec<Golden>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let (file, numbers) = line.split_once(',').unwrap();
        let numbers: Vec<f32> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        let [ms, pitch_hz, f1, f2, f3, hnr_db] = numbers[..] else { panic!("{line}") };
        let moment = Golden { ms: ms as u32, pitch_hz, formants_hz: [f1, f2, f3], hnr_db };
        files.entry(file.to_owned()).or_default().push(moment);
    }
    files
}

fn measure(samples: &[i16], telephone: bool) -> Vec<Descriptors> {
    let (mut extractor, mut steps) = (Extractor::default(), Vec::new());
    let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
    for frame in samples.as_chunks::<FRAME_SAMPLES>().0 {
        let mut heard = *frame;
        if telephone {
            let mut bytes = [0; FRAME_BYTES];
            let length = encoder.encode(frame, &mut bytes);
            decoder.decode(&bytes[..length], &mut heard);
        }
        extractor.push(&heard, &mut |step| steps.push(*step));
    }
    extractor.finish(&mut |step| steps.push(*step));
    steps
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}

#[test]
fn pitch_formants_and_harmonicity_of_people_are_praats() {
    let Some(data) = std::env::var_os("TIPRING_TEST_DATA") else {
        eprintln!("skipped: TIPRING_TEST_DATA is not set");
        return;
    };
    let folder = PathBuf::from(data).join("emotion/emodb");
    // Of all moments that both hold for voiced so many percent may be off by more than a fifth.
    for (line, telephone, gross_percent, late_ms) in [("wide", false, 3.0, 21.7), ("µ-law", true, 6.0, 25.1)] {
        let (mut both, mut gross, mut voiced, mut false_voice, mut moments) = (0, 0, 0, 0, 0);
        let mut off = [const { Vec::new() }; 3];
        let (mut bias, mut harmonicity) = (Vec::new(), Vec::new());
        for (file, golden) in golden() {
            let mut reader = claxon::FlacReader::open(folder.join(format!("{file}.flac"))).unwrap();
            let samples: Vec<i16> = reader.samples().map(|sample| sample.unwrap() as i16).collect();
            let steps = measure(&samples, telephone);
            for moment in &golden {
                // A window is centred 20 ms before the end of its step, and the filters are late by a little.
                let at = ((moment.ms as f32 + late_ms) / 10.0).round() as usize - 1;
                let Some(step) = steps.get(at) else { continue };
                moments += 1;
                voiced += usize::from(moment.pitch_hz > 0.0);
                let Some(hz) = step.pitch_hz else { continue };
                if moment.pitch_hz == 0.0 {
                    false_voice += 1;
                    continue;
                }
                both += 1;
                gross += usize::from((hz / moment.pitch_hz - 1.0).abs() > 0.2);
                bias.push((hz / moment.pitch_hz).log2() * 12.0);
                harmonicity.push(step.hnr_db - moment.hnr_db);
                let Some(formants) = step.formants else { continue };
                for ((off, hz), wanted) in off.iter_mut().zip(formants.hz).zip(moment.formants_hz) {
                    if hz > 0.0 && wanted > 0.0 {
                        off.push((hz / wanted - 1.0).abs());
                    }
                }
            }
        }
        let share = 100.0 * gross as f32 / both as f32;
        let found = 100.0 * both as f32 / voiced as f32;
        let wrong = 100.0 * false_voice as f32 / moments as f32;
        let off = off.each_mut().map(|off| median(off));
        let (bias, harmonicity_bias) = (median(&mut bias), median(&mut harmonicity));
        let mut spread: Vec<f32> = harmonicity.iter().map(|db| (db - harmonicity_bias).abs()).collect();
        let spread = median(&mut spread);
        println!(
            "{line}: gross error {share:.2} % of {both}, voiced {found:.1} % found, {wrong:.1} % false, pitch {bias:.3} st, \
             formants off by {off:.3?}, HNR {harmonicity_bias:.1} ± {spread:.1} dB"
        );
        assert!(both > 1500 && share <= gross_percent, "{line}: {share} % of {both}");
        assert!(found > 75.0 && wrong < 5.0 && bias.abs() < 0.1, "{line}: {found} % found, {wrong} % false, {bias} st");
        assert!(off.iter().all(|off| *off < 0.05), "{line}: {off:?}");
        assert!(
            harmonicity_bias.abs() < 4.0 && spread < if telephone { 5.0 } else { 3.0 },
            "{line}: HNR {harmonicity_bias} ± {spread} dB"
        );
    }
}
