//! Which languages of the flows the configured engines cannot hear or speak.

use crate::call::{Engines, FlowBook};
use crate::speech::{EngineError, Language, SpeechRequest};
use std::collections::BTreeMap;
use std::task::Waker;

/// A language that flows are held in, and what is missing for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacking {
    /// The language.
    pub language: String,
    /// The flows.
    pub flows: Vec<String>,
    /// It cannot be heard; else it cannot be spoken.
    pub heard: bool,
    /// No engine of the chain serves at all.
    pub empty: bool,
}

impl Lacking {
    /// What is the matter.
    pub fn what(&self) -> String {
        let Self { language, heard, empty, .. } = self;
        let flows = self.flows.join(", ");
        match heard {
            true if *empty => format!("no engine of engine.asr serves: nobody will be heard in {flows}"),
            false if *empty => format!("no engine of engine.tts serves: nothing will be said in {flows}"),
            true => format!(
                "no recogniser of engine.asr hears {language}, the language of {flows}: callers are asked to press keys"
            ),
            false => format!(
                "no synthesiser of engine.tts speaks {language}, the language of {flows}: their calls end with the first line"
            ),
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match (self.heard, self.language.get(..2)) {
            _ if self.empty => "tipring check says what each of them is missing",
            (true, Some("zh")) => {
                "for Mandarin: tipring models fetch tdt-8k (phrases, \"pocketsphinx\") or whisper-base-q5_1 (\"whisper\" first in engine.asr), or a server \
                 that hears it (\"openai\", \"deepgram\")"
            }
            (true, _) => {
                "name an engine in engine.asr that hears it, such as \"whisper\" with a model of many languages"
            }
            (false, _) => {
                "install the package espeak-ng and name \"espeak\" in engine.tts, or a server or Piper voice that speaks it"
            }
        }
    }
}

/// Tries each language once. Opening a recogniser may take its time: not for a thread of the runtime.
pub fn lacking(flows: &FlowBook, engines: &Engines) -> Vec<Lacking> {
    let mut languages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for flow in flows.all() {
        languages.entry(flow.language().0.clone()).or_default().push(flow.name().to_owned());
    }
    let mut all = Vec::new();
    // An engine that is missing or busy is told of elsewhere.
    let strange = |error: Option<EngineError>| matches!(error, Some(EngineError::Language { .. }));
    // To ask it would make a connection, and it speaks what its server speaks.
    let connects = |name: &str| name.split(", ").any(|engine| engine == "realtime");
    let (hears, speaks) = (connects(engines.asr.name()), connects(engines.tts.name()));
    for (name, flows) in languages {
        let language = Language(name.clone());
        let empty = engines.asr.name().is_empty();
        if empty || !hears && strange(engines.asr.open(&language, Waker::noop().clone()).err()) {
            all.push(Lacking { language: name.clone(), flows: flows.clone(), heard: true, empty });
        }
        let line = SpeechRequest { text: "1".to_owned(), language, voice: None };
        let empty = engines.tts.name().is_empty();
        if empty || !speaks && strange(engines.tts.speak(&line, Waker::noop().clone()).err()) {
            all.push(Lacking { language: name, flows, heard: false, empty });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_chain_without_engines_hears_no_flow_of_the_book() {
        // No weights are there.
        let text = "vad = ['scripted']\nasr = ['whisper']\ntts = ['scripted']\n[whisper]\nmodel = '/no/such/weights'";
        let engines = crate::app::engines(&toml::from_str(text).unwrap()).await.unwrap();
        let book = crate::app::flows(None).unwrap();
        let (named, count) = (book.clone(), book.all().len());
        let lacking = tokio::task::spawn_blocking(move || lacking(&named, &engines)).await.unwrap();
        assert!(lacking.len() >= 2 && lacking.iter().all(|one| one.heard && one.empty), "{lacking:?}");
        assert_eq!(lacking.iter().map(|one| one.flows.len()).sum::<usize>(), count);
        let said = format!("{}; {}", lacking[0].what(), lacking[0].fix());
        assert!(said.contains("engine.asr") && said.contains("nobody will be heard") && said.contains("tipring check"));
    }
}
