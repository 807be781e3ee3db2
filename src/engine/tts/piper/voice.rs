//! One voice: its settings (`NAME.onnx.json`), its model, and how it is pronounced.

use super::espeak::Espeak;
use super::phonemes::{clauses, signs};
use super::{Config, base, failed, unavailable};
use crate::engine::onnx;
use crate::speech::{EngineError, Language};
use ort::session::Session;
use ort::value::TensorRef;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Signs with a meaning of their own: between all others, at the beginning, at the end.
const PAD: &str = "_";
const BEGIN: &str = "^";
const END: &str = "$";
/// Longest sentence, in numbers; a piece of 240 bytes has some 500.
const MAX_IDS: usize = 4_096;
/// Longest sound of one sentence, in seconds.
const MAX_SECONDS: usize = 120;
/// Languages for which espeak-ng has another voice that reads the same script: its 1.51 spells Chinese in English.
const SECOND: [(&str, &str); 1] = [("cmn", "cmn-latn-pinyin")];

/// A voice's settings, as far as they matter here.
#[derive(Deserialize)]
struct Settings {
    audio: Audio,
    espeak: EspeakSettings,
    #[serde(default)]
    inference: Inference,
    #[serde(default = "one")]
    num_speakers: i64,
    phoneme_id_map: BTreeMap<String, Vec<i64>>,
    #[serde(default)]
    phoneme_type: Option<String>,
}

#[derive(Deserialize)]
struct Audio {
    sample_rate: u32,
}

#[derive(Deserialize)]
struct EspeakSettings {
    voice: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Inference {
    noise_scale: f32,
    length_scale: f32,
    noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Self { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

const fn one() -> i64 {
    1
}

/// A loaded voice.
pub(super) struct Voice {
    name: String,
    /// The language, without a region: `en`, `zh`.
    language: String,
    rate: u32,
    speakers: i64,
    scales: [f32; 3],
    ids: BTreeMap<char, Vec<i64>>,
    begin: Vec<i64>,
    pad: Vec<i64>,
    end: Vec<i64>,
    espeak: Mutex<Espeak>,
    session: Mutex<Session>,
    /// A sign without a number was met and told.
    told: AtomicBool,
}

impl Voice {
    /// Loads model and settings and starts espeak-ng.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] with what to do.
    pub fn load(path: &Path, config: &Config, library: Option<&Path>, patience: Duration) -> Result<Self, EngineError> {
        let json = format!("{}.json", path.display());
        let wrong =
            |what: String| unavailable(format!("{json}: {what}; tipring models fetch gets a voice with its settings"));
        let text = std::fs::read_to_string(&json).map_err(|error| wrong(error.to_string()))?;
        let settings: Settings = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if let Some(other) = settings.phoneme_type.as_deref().filter(|kind| *kind != "espeak") {
            return Err(wrong(format!("its phoneme_type is '{other}'; only voices of espeak are known")));
        }
        let control = |sign: &str| {
            let ids = settings.phoneme_id_map.get(sign).cloned();
            ids.ok_or_else(|| wrong(format!("phoneme_id_map has no '{sign}'")))
        };
        let (begin, pad, end) = (control(BEGIN)?, control(PAD)?, control(END)?);
        let single = |(sign, ids): (&String, &Vec<i64>)| {
            let mut chars = sign.chars();
            chars.next().filter(|_| chars.next().is_none()).map(|c| (c, ids.clone()))
        };
        let ids = settings.phoneme_id_map.iter().filter_map(single).collect();
        let espeak = pronouncer(&config.espeak, &settings.espeak.voice, patience).map_err(unavailable)?;
        let session = onnx::session(super::NAME, library, onnx::Model::File(path), config.threads)?;
        let inference = &settings.inference;
        let spoken = match settings.espeak.voice.split('-').next().unwrap_or_default() {
            "cmn" => "zh",
            other => other,
        };
        Ok(Self {
            name: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
            language: spoken.to_owned(),
            rate: settings.audio.sample_rate,
            speakers: settings.num_speakers.max(1),
            scales: [
                config.noise_scale.unwrap_or(inference.noise_scale),
                config.length_scale.unwrap_or(inference.length_scale),
                config.noise_w.unwrap_or(inference.noise_w),
            ],
            ids,
            begin,
            pad,
            end,
            espeak: Mutex::new(espeak),
            session: Mutex::new(session),
            told: AtomicBool::new(false),
        })
    }

    /// Its file without the ending: by which flows name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether it is a voice of this language.
    pub fn speaks(&self, language: &Language) -> bool {
        base(language) == self.language
    }

    /// A speaker, if the voice has it.
    pub fn speaker(&self, number: i64) -> Result<i64, EngineError> {
        if (0..self.speakers).contains(&number) {
            return Ok(number);
        }
        let (name, last) = (&self.name, self.speakers - 1);
        Err(unavailable(format!("the voice {name} has no speaker {number}; its speakers are 0 to {last}")))
    }

    /// The numbers of a sentence: the beginning, then every sign and the pad after it, then the end.
    pub fn ids(&self, sentence: &str) -> Result<Vec<i64>, EngineError> {
        let mut said = Vec::new();
        {
            let mut espeak = self.espeak.lock().unwrap_or_else(PoisonError::into_inner);
            for clause in clauses(sentence) {
                said.push((espeak.pronounce(&clause.text).map_err(failed)?, clause.end));
            }
        }
        Ok(self.numbers(&signs(&said)))
    }

    fn numbers(&self, signs: &[char]) -> Vec<i64> {
        let mut ids = self.begin.clone();
        ids.extend(&self.pad);
        for sign in signs {
            match self.ids.get(sign) {
                Some(numbers) => {
                    ids.extend(numbers);
                    ids.extend(&self.pad);
                }
                None if self.told.swap(true, Ordering::Relaxed) => {}
                None => tracing::warn!(voice = self.name, %sign, "the voice has no such sound; it is left out"),
            }
        }
        ids.truncate(MAX_IDS);
        ids.extend(&self.end);
        ids
    }

    /// The sound of some numbers, at the voice's rate, -1 to 1 or nearly so. Empty for nothing to say.
    pub fn speak(&self, ids: &[i64], speaker: i64) -> Result<Vec<f32>, EngineError> {
        if ids.len() <= self.begin.len() + self.pad.len() + self.end.len() {
            return Ok(Vec::new());
        }
        let broke = |error: ort::Error| failed(format!("{}: {error}", self.name));
        let (lengths, sid) = ([ids.len() as i64], [speaker]);
        let input = TensorRef::from_array_view(([1, ids.len()], ids)).map_err(broke)?;
        let lengths = TensorRef::from_array_view(([1_usize], &lengths[..])).map_err(broke)?;
        let scales = TensorRef::from_array_view(([3_usize], &self.scales[..])).map_err(broke)?;
        let sid = TensorRef::from_array_view(([1_usize], &sid[..])).map_err(broke)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = match self.speakers > 1 {
            true => session.run(ort::inputs![
                "input" => input, "input_lengths" => lengths, "scales" => scales, "sid" => sid
            ]),
            false => session.run(ort::inputs!["input" => input, "input_lengths" => lengths, "scales" => scales]),
        };
        let outputs = outputs.map_err(broke)?;
        let output = outputs.get("output").ok_or_else(|| failed(format!("{} has no output 'output'", self.name)))?;
        let (_, sound) = output.try_extract_tensor::<f32>().map_err(broke)?;
        let most = MAX_SECONDS * self.rate as usize;
        if sound.len() > most || sound.iter().any(|sample| !sample.is_finite()) {
            return Err(failed(format!("{}: {} samples, or some that are no numbers", self.name, sound.len())));
        }
        Ok(sound.to_vec())
    }
}

/// espeak-ng with this voice, or with the one that stands in for it where it cannot read its own script.
fn pronouncer(program: &Path, voice: &str, patience: Duration) -> Result<Espeak, String> {
    let mut espeak = Espeak::start(program, voice, patience)?;
    let Some((_, second)) = SECOND.iter().find(|(first, _)| *first == voice) else { return Ok(espeak) };
    if espeak.pronounce("你好")?.contains("(en)") {
        tracing::debug!(voice, second, "this espeak-ng reads Chinese with another voice");
        espeak = Espeak::start(program, second, patience)?;
        if espeak.pronounce("你好")?.contains("(en)") {
            return Err(format!(
                "this espeak-ng cannot read Chinese with its voice {voice}; install version 1.52 or later"
            ));
        }
    }
    Ok(espeak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_voice_are_read_with_piper_s_defaults() {
        let settings: Settings = serde_json::from_str(
            r#"{"audio":{"sample_rate":22050,"quality":"medium"},"espeak":{"voice":"en-us"},"language":{"code":"en_US"},
                "phoneme_id_map":{"_":[0],"^":[1],"$":[2]},"speaker_id_map":{}}"#,
        )
        .unwrap();
        assert_eq!((settings.audio.sample_rate, settings.num_speakers), (22_050, 1));
        assert_eq!((settings.inference.noise_scale, settings.inference.noise_w), (0.667, 0.8));
    }
}
