//! Tries every engine that is configured, for `tipring check`.

use super::engines::{Finding, Level, Parts, named};
use super::{Config, wait};
use crate::audio::{AudioFrame, FRAME_SAMPLES, FrameOrigin, MediaTime};
use crate::speech::{
    AnswerKind, ChatMessage, ChatRequest, EngineError, EngineKind, Expectation, HypothesisKind, Language,
    LanguageModel, Recognizer, Reply, Role, SpeechRequest, Synthesis, Synthesizer, VoiceDetection,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long an embedded engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a language model may take.
const MODEL_PATIENCE: Duration = Duration::from_secs(30);

/// Builds each engine of each chain and uses it once: hears silence, speaks a word, asks a question. What serves is a
/// finding of [`Level::Ok`] with its speed; what does not, a warning when another of its kind does, else an error.
///
/// Blocks for as long as the engines take, up to half a minute each: not for a thread of the runtime. A configured server is
/// sent one short question.
pub fn probe(config: &Config, runtime: &Handle) -> Vec<Finding> {
    let parts = match Parts::new(config, runtime) {
        Ok(parts) => parts,
        Err(error) => {
            let engine = config.asr.first().cloned().unwrap_or_default();
            return vec![Finding { kind: EngineKind::Asr, engine, level: Level::Error, what: error.to_string() }];
        }
    };
    let mut findings = Vec::new();
    findings.extend(chain(EngineKind::Vad, &config.vad, |name| parts.vad(name).and_then(|e| voice_detection(&*e))));
    findings.extend(chain(EngineKind::Asr, &config.asr, |name| parts.asr(name).and_then(|e| recognizer(&*e))));
    findings.extend(parts.notes());
    findings.extend(chain(EngineKind::Tts, &config.tts, |name| parts.tts(name).and_then(|e| synthesizer(&*e))));
    findings.extend(chain(EngineKind::Llm, &config.llm, |name| parts.llm(name).and_then(|e| language_model(&*e))));
    findings
}

fn chain(kind: EngineKind, names: &[String], try_one: impl Fn(&str) -> Result<String, EngineError>) -> Vec<Finding> {
    if let Err(error) = named(kind, names) {
        return vec![Finding { kind, engine: names.join(", "), level: Level::Error, what: error.to_string() }];
    }
    let outcomes: Vec<_> = names.iter().map(|name| (name, try_one(name))).collect();
    let level = if outcomes.iter().any(|(_, outcome)| outcome.is_ok()) { Level::Warning } else { Level::Error };
    let finding = |(name, outcome): (&String, Result<String, EngineError>)| {
        let (level, what) = match outcome {
            Ok(what) => (Level::Ok, what),
            Err(error) => (level, error.to_string()),
        };
        Finding { kind, engine: name.clone(), level, what }
    };
    outcomes.into_iter().map(finding).collect()
}

/// Hears a second of silence, and then a second of sound, which takes the time that speech takes.
fn voice_detection(engine: &dyn VoiceDetection) -> Result<String, EngineError> {
    let mut detector = engine.open()?;
    let heard = (0..50).map(|n| detector.push(&AudioFrame::silence(MediaTime::from_frames(n)))).fold(0.0, f32::max);
    let began = Instant::now();
    for n in 50..100 {
        let samples = std::array::from_fn(|i| if i % 100 < 50 { 3000 } else { -3000 });
        detector.push(&AudioFrame {
            samples,
            origin: FrameOrigin::Received,
            ..AudioFrame::silence(MediaTime::from_frames(n))
        });
    }
    let per_frame = began.elapsed() / 50;
    if heard > 0.5 {
        return Err(failed(engine.name(), format!("takes silence for speech (probability {heard:.2})")));
    }
    Ok(format!("{} us for a frame of 20 ms", per_frame.as_micros()))
}

/// Hears half a second of silence where yes or no is expected.
fn recognizer(engine: &dyn Recognizer) -> Result<String, EngineError> {
    let phrases = vec!["yes".to_owned(), "no".to_owned()];
    let what = Arc::new(Expectation { language: Language::default(), kind: AnswerKind::YesNo, phrases });
    let unknown = engine.prepare(&what)?;
    if !unknown.is_empty() {
        return Err(failed(engine.name(), format!("does not know the words: {}", unknown.join(", "))));
    }
    let began = Instant::now();
    let mut stream = engine.open(&Language::default(), wait::this_thread())?;
    stream.expect(&what);
    (0..25).for_each(|n| stream.push(&AudioFrame::silence(MediaTime::from_frames(n))));
    stream.flush();
    while began.elapsed() < PATIENCE {
        match stream.poll() {
            Some(Ok(answer)) if answer.kind == HypothesisKind::Final => {
                return Ok(format!("opened and answered in {} ms", began.elapsed().as_millis()));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
    Err(failed(engine.name(), format!("gave no answer within {} s", PATIENCE.as_secs())))
}

/// Says one word.
fn synthesizer(engine: &dyn Synthesizer) -> Result<String, EngineError> {
    let what = SpeechRequest { text: "Ready.".to_owned(), language: Language::default(), voice: None };
    let began = Instant::now();
    let mut stream = match engine.speak(&what, wait::this_thread()) {
        Err(EngineError::Declined { what, .. }) => return Ok(what),
        started => started?,
    };
    let (samples, end) = wait::drain(&mut *stream, PATIENCE);
    match end {
        Synthesis::Failed(error) => Err(error),
        _ if samples.len() < FRAME_SAMPLES || samples.iter().all(|&s| s == 0) => {
            Err(failed(engine.name(), "gave no sound for the word \"Ready\"".to_owned()))
        }
        _ => Ok(format!("spoke {} ms in {} ms", samples.len() / 16, began.elapsed().as_millis())),
    }
}

/// Asks for one word.
fn language_model(engine: &dyn LanguageModel) -> Result<String, EngineError> {
    let message = ChatMessage { role: Role::User, content: "Answer with the word yes.".to_owned() };
    let what = ChatRequest { messages: vec![message], template: "yes".to_owned(), max_tokens: 8, tools: Vec::new() };
    let began = Instant::now();
    let mut stream = engine.ask(&what, wait::this_thread())?;
    match wait::read(&mut *stream, MODEL_PATIENCE) {
        (_, Reply::Failed(what)) => Err(failed(engine.name(), what)),
        (text, _) if text.is_empty() => Err(failed(engine.name(), "gave an empty answer".to_owned())),
        _ => Ok(format!("answered in {} ms", began.elapsed().as_millis())),
    }
}

fn failed(engine: &str, what: String) -> EngineError {
    EngineError::Failed { engine: engine.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(text: &str) -> Vec<Finding> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        probe(&toml::from_str(text).unwrap(), runtime.handle())
    }

    fn of(findings: &[Finding], kind: EngineKind) -> Vec<(&str, Level)> {
        findings.iter().filter(|f| f.kind == kind).map(|f| (f.engine.as_str(), f.level)).collect()
    }

    #[test]
    fn engines_that_serve_are_found_with_their_speed() {
        let findings = probed("vad = ['earshot', 'scripted']\ntts = ['scripted']\nllm = ['scripted', 'template']");
        assert_eq!(of(&findings, EngineKind::Vad), [("earshot", Level::Ok), ("scripted", Level::Ok)]);
        assert_eq!(of(&findings, EngineKind::Tts), [("scripted", Level::Ok)]);
        assert_eq!(of(&findings, EngineKind::Llm), [("scripted", Level::Ok), ("template", Level::Ok)]);
    }

    #[test]
    fn engines_that_do_not_are_found_with_the_fix() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let findings = probed(&format!(
            "vad = ['webrtc']\ntts = ['scripted']\nllm = ['openai', 'template']\n[scripted.tts]\nfail_after_ms = 100\n\
             [openai]\nmodel = 'small'\nbase_url = 'http://127.0.0.1:{port}/v1'"
        ));
        assert_eq!(of(&findings, EngineKind::Vad), [("webrtc", Level::Error)]);
        assert_eq!(of(&findings, EngineKind::Tts), [("scripted", Level::Error)]);
        assert_eq!(of(&findings, EngineKind::Llm), [("openai", Level::Warning), ("template", Level::Ok)]);
        let refused = findings.iter().find(|f| f.engine == "openai").unwrap();
        assert!(refused.what.contains("cannot connect"), "{}", refused.what);
    }
}
