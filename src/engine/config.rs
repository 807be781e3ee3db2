//! Which engines serve, and their settings.

use super::{asr, emotion, llm, realtime, tts, turn, vad};
use serde::Deserialize;
use std::path::PathBuf;

/// The room's settings: `[engine]`. Each kind has a chain, first choice first; when an engine is missing or breaks, the next
/// one serves. The names that each kind knows are in [`super::known`].
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Voice activity detection.
    pub vad: Vec<String>,
    /// Speech recognition.
    pub asr: Vec<String>,
    /// Speech synthesis.
    pub tts: Vec<String>,
    /// Language models.
    pub llm: Vec<String>,
    /// Turn models, asked in pauses whether the turn is over; none by default. The first that opens serves.
    pub turn: Vec<String>,
    /// Threads that recognise and synthesise; 0: one per core.
    pub workers: usize,
    /// How long a voice may let its listener wait before the next of `tts` goes on, in milliseconds: for the first sound of a
    /// line, and for more after what it gave was heard. 0: as long as it takes. The last voice that knows the language is waited for.
    pub tts_first_sound_ms: u64,
    /// Memory for lines that are kept ready, in MiB; a second of speech takes 32 kB.
    pub tts_cache_mb: usize,
    /// The library `libonnxruntime.so`, for engines with ONNX models. None: where `scripts/onnxruntime.sh` puts it, see
    /// [`super::onnx`].
    pub onnxruntime: Option<PathBuf>,
    /// How the caller's voice sounds: `prosody` or `off`, and its settings.
    pub emotion: emotion::Config,
    /// Settings of the voice detector `earshot`.
    pub earshot: vad::EarshotConfig,
    /// Settings of the voice detectors `silero` and `earshot+silero`.
    pub silero: vad::SileroConfig,
    /// Settings of the turn model `smart-turn`.
    pub smart_turn: turn::SmartTurnConfig,
    /// Settings of the recogniser `pocketsphinx`.
    pub pocketsphinx: asr::PocketSphinxConfig,
    /// Settings of the recogniser `whisper`.
    pub whisper: asr::WhisperConfig,
    /// Settings of the synthesiser `flite`.
    pub flite: tts::FliteConfig,
    /// Settings of the synthesiser `espeak`.
    pub espeak: tts::EspeakConfig,
    /// Settings of the synthesiser `piper`.
    pub piper: tts::PiperConfig,
    /// Settings of the language model `openai`.
    pub openai: llm::OpenAiConfig,
    /// Settings of the recogniser `openai`.
    pub openai_asr: asr::OpenAiConfig,
    /// Settings of the recogniser `deepgram`.
    pub deepgram: asr::DeepgramConfig,
    /// Settings of the synthesiser `openai`.
    pub openai_tts: tts::OpenAiConfig,
    /// Settings of the speech-to-speech engine `realtime`.
    pub realtime: realtime::Config,
    /// Settings of the language model `recorded`.
    pub recorded: llm::RecordedConfig,
    /// Settings of the scripted engines of each kind.
    pub scripted: ScriptedConfig,
}

/// Settings of the scripted engines: `[engine.scripted]`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptedConfig {
    /// Voice detection.
    pub vad: vad::ScriptedConfig,
    /// Speech recognition.
    pub asr: asr::ScriptedConfig,
    /// Speech synthesis.
    pub tts: tts::ScriptedConfig,
    /// The language model.
    pub llm: llm::ScriptedConfig,
}

impl Config {
    /// The last model of `llm` that thinks has nobody behind it who could answer in its place: giving it up early gains nothing
    /// but the flow's ready answer, and for that the agent has deadlines of its own. It is given at least `patience_ms` for its
    /// first words, which is the agent's time for the first sentence. The models before it keep their own, shorter time.
    pub fn wait_for_the_last_model(&mut self, patience_ms: u64) {
        let first_words_ms = match self.llm.iter().rev().find(|name| *name != "template").map(String::as_str) {
            Some("openai") => &mut self.openai.first_token_timeout_ms,
            Some("realtime") => &mut self.realtime.first_token_timeout_ms,
            _ => return,
        };
        *first_words_ms = patience_ms.max(*first_words_ms);
    }
}

impl Default for Config {
    fn default() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            vad: vec!["earshot+silero".to_owned(), "earshot".to_owned()],
            asr: one("pocketsphinx"),
            tts: vec!["flite".to_owned(), "espeak".to_owned()],
            llm: one("template"),
            turn: Vec::new(),
            workers: 0,
            tts_first_sound_ms: 1_000,
            tts_cache_mb: 256,
            onnxruntime: None,
            emotion: emotion::Config::default(),
            earshot: vad::EarshotConfig::default(),
            silero: vad::SileroConfig::default(),
            smart_turn: turn::SmartTurnConfig::default(),
            pocketsphinx: asr::PocketSphinxConfig::default(),
            whisper: asr::WhisperConfig::default(),
            flite: tts::FliteConfig::default(),
            espeak: tts::EspeakConfig::default(),
            piper: tts::PiperConfig::default(),
            openai: llm::OpenAiConfig::default(),
            openai_asr: asr::OpenAiConfig::default(),
            deepgram: asr::DeepgramConfig::default(),
            openai_tts: tts::OpenAiConfig::default(),
            realtime: realtime::Config::default(),
            recorded: llm::RecordedConfig::default(),
            scripted: ScriptedConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_decides_how_long_the_last_model_may_think() {
        for (chain, openai, realtime) in [
            ("'openai'", 4_000, 1_000),
            ("'openai', 'template'", 4_000, 1_000),
            ("'openai', 'realtime', 'template'", 1_000, 4_000),
            ("'realtime', 'openai'", 4_000, 1_000),
            ("'openai', 'recorded'", 1_000, 1_000),
            ("'template'", 1_000, 1_000),
        ] {
            let mut config: Config = toml::from_str(&format!("llm = [{chain}]")).unwrap();
            config.wait_for_the_last_model(4_000);
            let times = (config.openai.first_token_timeout_ms, config.realtime.first_token_timeout_ms);
            assert_eq!(times, (openai, realtime), "{chain}");
        }
        let mut patient: Config = toml::from_str("llm = ['openai']\n[openai]\nfirst_token_timeout_ms = 9000").unwrap();
        patient.wait_for_the_last_model(4_000);
        assert_eq!(patient.openai.first_token_timeout_ms, 9_000, "longer is as it was asked for");
    }

    #[test]
    fn chains_and_settings_are_read_and_typing_errors_refused() {
        let config: Config = toml::from_str(
            "llm = ['openai', 'template']\n[openai]\nmodel = 'small'\n[flite]\nvoice = 'rms'\n[scripted.llm]\nanswers = ['a']",
        )
        .unwrap();
        assert_eq!(config.llm, ["openai", "template"]);
        assert_eq!((config.openai.model.as_str(), config.flite.voice.as_str()), ("small", "rms"));
        assert_eq!(config.asr, Config::default().asr);
        let error = toml::from_str::<Config>("[flite]\nvoise = 'rms'").unwrap_err().to_string();
        assert!(error.contains("voise") && error.contains("voice"), "{error}");
    }
}
