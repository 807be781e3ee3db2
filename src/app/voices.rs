//! Which flows name a voice that the configured engines do not have.

use crate::agent::Flow;
use crate::speech::{EngineError, SpeechRequest, Synthesizer};

/// What is wrong with the voice that a flow names, by file and line, and the fix. None: it names none, or one that is there.
pub fn strange_voice(flow: &Flow, tts: &dyn Synthesizer) -> Option<String> {
    let (voice, line) = flow.voice().zip(flow.voice_line())?;
    let what = SpeechRequest { text: String::new(), language: flow.language().clone(), voice: Some(voice.to_owned()) };
    match tts.has_voice(&what) {
        Err(error @ EngineError::Unavailable { .. }) => Some(format!(
            "{}:{line}: warning: voice = \"{voice}\": {error}; until then the engine's own voice speaks: name another, or none",
            flow.file()
        )),
        // A language that nobody speaks is told of by itself.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn flow(voice: &str) -> Flow {
        let text = format!(
            "# A flow.\nstart = 'ask'\nlanguage = 'en'\n{voice}\n[fallback]\nsay = 'Sorry.'\nhang_up = true\n\
             [state.ask]\nsay = 'Will you come?'\n[[state.ask.on]]\nphrases = ['yes']\nhang_up = true\n"
        );
        Flow::parse(&text, "card.toml").unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_voice_that_no_engine_has_is_told_with_its_line() {
        let runtime = tokio::runtime::Handle::current();
        // Nothing listens at that port, and nothing is asked.
        let text = "vad = ['scripted']\nasr = ['scripted']\ntts = ['openai', 'scripted']\n\
                    [openai_tts]\nbase_url = 'http://127.0.0.1:1/v1'\nvoice = 'anna'\nvoices = ['carl']";
        let config: crate::engine::Config = toml::from_str(text).unwrap();
        let engines = tokio::task::spawn_blocking(move || crate::engine::Engines::build(&config, &runtime).unwrap().0);
        let tts: Arc<dyn Synthesizer> = engines.await.unwrap().tts;
        let said = strange_voice(&flow("voice = 'bob'"), &*tts).unwrap();
        assert!(said.starts_with("card.toml:4: warning: voice = \"bob\": "), "{said}");
        assert!(said.contains("engine.openai_tts.voices"), "{said}");
        for known in ["voice = 'anna'", "voice = 'carl'", ""] {
            assert_eq!(strange_voice(&flow(known), &*tts), None, "{known}");
        }
    }
}
