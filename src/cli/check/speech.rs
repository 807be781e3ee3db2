//! The engines, the flows, and whether the agent hears itself through the codecs.

use super::{Finding, Teller};
use crate::app;
use crate::audio::{
    AudioFrame, CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime, Samples,
};
use crate::call::{Engines, FlowBook};
use crate::cli::flow::unheard;
use crate::cli::lines::synthesise;
use crate::engine::{self, Level as EngineLevel};
use crate::settings::Settings;
use crate::speech::{
    AnswerKind, EngineError, EngineKind, Expectation, Gate, Hypothesis, HypothesisKind, Language, SpeechEdge,
    SpeechRequest,
};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What the self-test says, and expects to hear.
const WORD: &str = "yes";
/// Silence before and after it, in frames.
const SILENCE: usize = 25;
/// Silence before it that the recogniser gets, as in a call.
const LEAD_IN_MS: u64 = 140;
/// How long a recogniser may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Uses each engine of each chain once.
pub(super) async fn engines(settings: &Settings, tell: &mut Teller<'_>) {
    let (config, runtime) = (settings.engine.clone(), tokio::runtime::Handle::current());
    let found = tokio::task::spawn_blocking(move || engine::probe(&config, &runtime)).await;
    let findings = match found {
        Ok(findings) => findings,
        Err(error) => return tell(Finding::failed("engines", format!("trying them broke: {error}"))),
    };
    for found in findings {
        let check = match found.kind {
            EngineKind::Vad => "vad",
            EngineKind::Asr => "asr",
            EngineKind::Tts => "tts",
            EngineKind::Llm => "llm",
        };
        tell(match found.level {
            EngineLevel::Ok => Finding::ok(check, format!("{}: {}", found.engine, found.what)),
            // The text says already what to do.
            EngineLevel::Warning => Finding::noted(check, found.what),
            EngineLevel::Error => Finding::failed(check, found.what),
        });
    }
}

/// Opens each turn model, which runs it once.
pub(super) async fn turn(settings: &Settings, tell: &mut Teller<'_>) {
    let config = settings.engine.clone();
    let tried = tokio::task::spawn_blocking(move || {
        let library = config.onnxruntime.as_deref();
        let built = |name: &String| engine::turn::build(name, &config.smart_turn, library).map(drop);
        config.turn.iter().map(|name| (name.clone(), built(name))).collect::<Vec<_>>()
    });
    for (name, built) in tried.await.unwrap_or_default() {
        tell(match built {
            Ok(()) => Finding::ok("turn", format!("{name}: the model runs")),
            // The text names what is missing, or the known names; without a model turns end by other signs.
            Err(error) if engine::turn::NAMES.contains(&name.as_str()) => Finding::noted("turn", error.to_string()),
            Err(error) => Finding::failed("turn", error.to_string()),
        });
    }
}

/// Opens the emotion engine as a call does.
pub(super) fn emotion(settings: &Settings, tell: &mut Teller<'_>) {
    let track = settings.turn.mood.track;
    tell(match engine::emotion::build(&settings.engine.emotion) {
        // The text names the key, the known names or the file.
        Err(error) => Finding::failed("emotion", error.to_string()),
        Ok(None) => Finding::ok("emotion", "off: nothing is made of how callers sound"),
        Ok(Some(engine)) if !track => {
            Finding::ok("emotion", format!("{}: not used, since turn.mood.track is false", engine.name()))
        }
        Ok(Some(engine)) => {
            let mut detector = engine.open();
            let said = (0..50).find_map(|n| detector.push(&AudioFrame::silence(MediaTime::from_frames(n))));
            match said {
                None => Finding::ok("emotion", format!("{}: the weights can be read", engine.name())),
                Some(_) => Finding::failed(
                    "emotion",
                    format!(
                        "{}: hears emotion in silence; make engine.emotion.model anew with tipring train emotion",
                        engine.name()
                    ),
                ),
            }
        }
    });
}

/// Reads every flow; those that the settings name must be there.
pub(super) fn flows(settings: &Settings, tell: &mut Teller<'_>) -> Option<FlowBook> {
    let book = match app::flows(settings.calls.flows_dir.as_deref()) {
        Ok(book) => book,
        Err(error) => {
            tell(Finding::failed("flows", format!("{error:#}")));
            return None;
        }
    };
    let all = book.all();
    for finding in all.iter().flat_map(|flow| flow.check()) {
        tell(Finding::noted("flows", finding.to_string()));
    }
    let names: Vec<_> = all.iter().map(|flow| flow.name()).collect();
    tell(Finding::ok("flows", format!("can be held: {}", names.join(", "))));
    let routes = settings.calls.routes.iter().enumerate();
    let named = routes.map(|(index, route)| (format!("calls.routes[{index}]"), &route.flow));
    for (key, flow) in std::iter::once(("calls.default_flow".to_owned(), &settings.calls.default_flow)).chain(named) {
        if let Err(error) = book.get(flow) {
            let fix = "name one of these, or put NAME.toml into the folder that calls.flows_dir names";
            tell(Finding::error("flows", format!("{key}: {error}"), fix));
        }
    }
    Some(book)
}

/// Says a word, sends it through the codecs, and sees whether the voice detector and the recogniser hear it; and whether the
/// recogniser knows the words of the flows.
pub(super) async fn audio(settings: &Settings, book: Option<FlowBook>, tell: &mut Teller<'_>) {
    let engines = match app::engines(&settings.engine).await {
        Ok(engines) => engines,
        // The probe has told it.
        Err(_) => return,
    };
    let request = SpeechRequest { text: "Yes.".into(), language: Language::default(), voice: None };
    let (samples, voice) = match synthesise(&*engines.tts, &request).await {
        Ok(said) => said,
        Err(error) => return tell(Finding::failed("audio", format!("nothing to hear: {error}"))),
    };
    let frames = frames(&samples);
    // A hummed line has no words, and a scripted recogniser is told them.
    let has_words = voice != "scripted" && settings.engine.asr.first().is_some_and(|name| name != "scripted");
    for codec in &settings.calls.codecs {
        let line = through(*codec, &frames);
        // The one of the chain that serves.
        let serving = engines.vad.open().ok().and_then(|detector| detector.engine().map(str::to_owned));
        let detector = serving.as_deref().unwrap_or(engines.vad.name());
        let heard = match detected(settings, &engines, &line) {
            Err(error) => return tell(Finding::failed("audio", error.to_string())),
            Ok(None) => {
                let what = format!("{codec}: {detector} does not hear the word \"Yes\" that {voice} says");
                let fix = "lower calls.gate.on or engine.earshot.floor_dbfs, or choose another voice";
                tell(Finding::error("audio", what, fix));
                continue;
            }
            Ok(Some(speech)) => speech,
        };
        let ms = heard.1.ms().saturating_sub(heard.0.ms());
        let said = format!("{codec}: {detector} hears the word \"Yes\" that {voice} says ({ms} ms)");
        if !has_words {
            tell(Finding::ok("audio", said));
            continue;
        }
        // What a call gives to the recogniser.
        let (from, to) = (heard.0.minus_ms(LEAD_IN_MS), heard.1.plus_ms(settings.turn.flush_ms));
        let utterance: Vec<_> = line.into_iter().filter(|frame| frame.end() > from && frame.at < to).collect();
        tell(words(&engines, &utterance, said).await);
    }
    let Some(book) = book else { return };
    let (named, tried) = (book.clone(), engines.clone());
    for lacking in tokio::task::spawn_blocking(move || app::lacking(&named, &tried)).await.unwrap_or_default() {
        // A flow that only a campaign would name may never be asked for.
        let called = std::iter::once(&settings.calls.default_flow)
            .chain(settings.calls.routes.iter().map(|route| &route.flow))
            .any(|flow| lacking.flows.contains(flow));
        tell(match !lacking.heard && (called || lacking.empty) {
            true => Finding::error("languages", lacking.what(), lacking.fix()),
            false => Finding::warning("languages", lacking.what(), lacking.fix()),
        });
    }
    let recogniser = engines.asr.name().to_owned();
    let told = tokio::task::spawn_blocking(move || {
        let flows = book.all();
        let all = flows.iter().map(|flow| {
            (flow.file().to_owned(), app::strange_voice(flow, &*engines.tts), unheard(flow, &*engines.asr))
        });
        all.collect::<Vec<_>>()
    });
    for (file, voice, words) in told.await.unwrap_or_default() {
        if let Some(what) = voice {
            tell(Finding::noted("flows", what));
        }
        match words {
            Ok(words) if words.is_empty() => {}
            Ok(words) => tell(Finding::warning(
                "flows",
                format!("{file}: {recogniser} cannot hear these words: {}", Vec::from_iter(words).join(" ")),
                format!("use other words in their phrases; tipring flow check --engines {file} says where they are"),
            )),
            // The languages were told of above.
            Err(EngineError::Language { .. }) => {}
            Err(error) => tell(Finding::failed("flows", format!("{file}: {error}"))),
        }
    }
}

/// Whether the recogniser understands what the voice detector heard.
async fn words(engines: &Engines, utterance: &[AudioFrame], heard: String) -> Finding {
    match understood(engines, utterance).await {
        Err(error) => Finding::failed("audio", error.to_string()),
        Ok((answer, recogniser)) if answer.text.split_whitespace().any(|word| word == WORD) => {
            Finding::ok("audio", format!("{heard}, {recogniser} understands it ({:.0} %)", answer.confidence * 100.0))
        }
        Ok((answer, recogniser)) => Finding::warning(
            "audio",
            format!("{heard}, {recogniser} understands \"{}\"", answer.text.trim()),
            "put a recogniser in front of engine.asr that understands more, and see that its model fits the language",
        ),
    }
}

/// Cuts a line into frames, with silence around it.
fn frames(samples: &[i16]) -> Vec<Samples> {
    let spoken = samples.chunks(FRAME_SAMPLES).map(|chunk| {
        let mut frame = [0; FRAME_SAMPLES];
        for (to, from) in frame.iter_mut().zip(chunk) {
            *to = *from;
        }
        frame
    });
    let silence = || std::iter::repeat_n([0; FRAME_SAMPLES], SILENCE);
    silence().chain(spoken).chain(silence()).collect()
}

/// What the other end of the line hears.
fn through(codec: CodecKind, frames: &[Samples]) -> Vec<AudioFrame> {
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    let line = frames.iter().zip(0..).map(|(frame, n)| {
        let mut packet = [0; FRAME_BYTES];
        encoder.encode(frame, &mut packet);
        let mut heard = AudioFrame::silence(MediaTime::from_frames(n));
        heard.origin = FrameOrigin::Received;
        decoder.decode(&packet, &mut heard.samples);
        heard
    });
    line.collect()
}

/// From when to when the voice detector hears speech.
fn detected(
    settings: &Settings,
    engines: &Engines,
    line: &[AudioFrame],
) -> Result<Option<(MediaTime, MediaTime)>, EngineError> {
    let mut detector = engines.vad.open()?;
    let mut gate = Gate::new(settings.calls.gate.clone());
    let (mut first, mut speech) = (None, None);
    for frame in line {
        let probability = detector.push(frame);
        detector.settle();
        match gate.push(frame.at.minus_ms(detector.lag_ms()), probability) {
            Some(SpeechEdge::Started { onset }) => first = first.or(Some(onset)),
            Some(SpeechEdge::Paused { last }) => speech = first.map(|first| (first, last)),
            None => {}
        }
    }
    Ok(speech)
}

/// What the recogniser makes of it where yes or no is expected, and which of the chain that was.
async fn understood(engines: &Engines, utterance: &[AudioFrame]) -> Result<(Hypothesis, String), EngineError> {
    let phrases = vec![WORD.to_owned(), "no".to_owned()];
    let what = Arc::new(Expectation { language: Language::default(), kind: AnswerKind::YesNo, phrases });
    let asr = Arc::clone(&engines.asr);
    let prepared = Arc::clone(&what);
    let failed = |what: &str| EngineError::Failed { engine: engines.asr.name().to_owned(), what: what.to_owned() };
    tokio::task::spawn_blocking(move || asr.prepare(&prepared)).await.map_err(|error| failed(&error.to_string()))??;
    let waker = std::future::poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let mut stream = engines.asr.open(&what.language, waker)?;
    stream.expect(&what);
    utterance.iter().for_each(|frame| stream.push(frame));
    stream.flush();
    let last = std::future::poll_fn(|_| {
        loop {
            match stream.poll() {
                Some(Ok(heard)) if heard.kind == HypothesisKind::Final => {
                    let by = stream.engine().unwrap_or(engines.asr.name()).to_owned();
                    return Poll::Ready(Ok((heard, by)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Pending,
            }
        }
    });
    let late = failed(&format!("gave no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, last).await.unwrap_or(Err(late))
}
