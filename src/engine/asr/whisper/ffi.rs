//! What is unsafe about whisper.cpp: stopping it, and taking its log.
//!
//! `whisper_rs`' own safe setter for the abort callback is unsound (0.16.0: it stores a pointer to a boxed trait object and
//! calls it as one to the closure's type), so that the raw one is used, with an atomic that outlives the call.

use super::NAME;
use crate::speech::{EngineError, Language};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use whisper_rs::{
    FullParams, GGMLLogLevel, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState, WhisperTokenId,
};

/// Longest prompt, in bytes of text.
const MAX_PROMPT: usize = 1024;
/// Longest prompt, in tokens: each costs a little of every decode.
const MAX_PROMPT_TOKENS: usize = 64;

/// The weights. Shared by all decoders, never changed.
pub(super) struct Model {
    context: WhisperContext,
}

/// One decode's memory.
pub(super) struct Decoder {
    state: WhisperState,
}

/// What is to be decoded, and how.
pub(super) struct Job<'a> {
    /// 16 kHz, -1 to 1, 100 ms to 30 s.
    pub audio: &'a [f32],
    /// Of [`Model::speaks`].
    pub language: &'static str,
    /// Of [`Model::prompt`].
    pub prompt: &'a [WhisperTokenId],
    /// The encoder's window in units of 20 ms.
    pub window: usize,
    /// Most tokens of the answer.
    pub max_tokens: usize,
    /// Threads that compute.
    pub threads: usize,
}

/// What came out.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Decoded {
    /// As Whisper writes it.
    pub text: String,
    /// Tokens of it.
    pub tokens: usize,
    /// Mean logarithm of the tokens' probabilities.
    pub log_probability: f32,
    /// How likely there is no speech at all, 0 to 1.
    pub no_speech: f32,
}

/// How a decode ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As it should.
    Done(Decoded),
    /// It was asked to stop.
    Aborted,
    /// It broke.
    Failed(String),
}

impl Model {
    /// Reads the weights. The file must have passed [`super::header::check`].
    pub fn load(path: &Path) -> Result<Self, String> {
        take_log();
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
            .map_err(|error| format!("whisper.cpp cannot load it ({error})"))?;
        Ok(Self { context })
    }

    /// The language as Whisper calls it.
    ///
    /// # Errors
    /// [`EngineError::Language`] for one that it, or this model, does not know.
    pub fn speaks(&self, language: &Language) -> Result<&'static str, EngineError> {
        let asked = language.0.split('-').next().unwrap_or_default();
        // A name with a zero byte would make the look-up panic.
        let known = Some(asked).filter(|asked| !asked.is_empty() && asked.bytes().all(|b| b.is_ascii_lowercase()));
        let known = known.and_then(whisper_rs::get_lang_id).and_then(whisper_rs::get_lang_str);
        match known {
            Some(known) if known == "en" || self.context.is_multilingual() => Ok(known),
            _ => Err(EngineError::Language { engine: NAME.to_owned(), language: language.0.clone() }),
        }
    }

    /// The window of the encoder that hears 30 s, in units of 20 ms.
    pub fn full_window(&self) -> usize {
        usize::try_from(self.context.model_n_audio_ctx()).unwrap_or(1)
    }

    /// The tokens of a prompt; of a long one, the first.
    pub fn prompt(&self, text: &str) -> Vec<WhisperTokenId> {
        let end = (0..=text.len().min(MAX_PROMPT)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let text: String = text.get(..end).unwrap_or_default().chars().filter(|c| *c != '\0').collect();
        // Room for one token per byte, the most there can be: whisper_rs 0.16.0 takes the negative answer to a buffer that
        // is too small for a length.
        let mut tokens = self.context.tokenize(&text, text.len() + 1).unwrap_or_default();
        tokens.truncate(MAX_PROMPT_TOKENS);
        tokens
    }

    /// Memory for one decode at a time.
    pub fn decoder(&self) -> Result<Decoder, String> {
        let state = self.context.create_state().map_err(|error| format!("no memory for a decoder ({error})"))?;
        Ok(Decoder { state })
    }
}

impl Decoder {
    /// Decodes. Takes its time; stops after the encoder's work or the next token once `abort` is set.
    pub fn decode(&mut self, model: &Model, job: &Job<'_>, abort: &AtomicBool) -> Ended {
        let template = template(job.language);
        let mut params: FullParams<'_, '_> = template;
        let int = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        params.set_n_threads(int(job.threads.max(1)));
        params.set_audio_ctx(int(job.window.clamp(1, model.full_window())));
        params.set_max_tokens(int(job.max_tokens.max(1)));
        params.set_tokens(job.prompt);
        // SAFETY: the callback reads the atomic that its data points to, and nothing else. `abort` is borrowed until this
        // function returns, and the parameters with the pointer are moved into `full` and dropped in it. whisper.cpp calls the
        // callback only on threads that it has joined when `full` returns, and keeps no copy of it.
        unsafe {
            params.set_abort_callback(Some(asked_to_stop));
            params.set_abort_callback_user_data(ptr::from_ref(abort).cast_mut().cast());
        }
        match self.state.full(params, job.audio) {
            Ok(()) => Ended::Done(self.read(model)),
            Err(_) if abort.load(Ordering::Relaxed) => Ended::Aborted,
            Err(error) => Ended::Failed(format!("whisper.cpp cannot decode ({error})")),
        }
    }

    fn read(&self, model: &Model) -> Decoded {
        let mut decoded = Decoded { no_speech: 1.0, ..Decoded::default() };
        let mut bytes = Vec::new();
        let mut sum = 0.0;
        for segment in self.state.as_iter() {
            decoded.no_speech = decoded.no_speech.min(segment.no_speech_probability());
            for token in (0..segment.n_tokens()).filter_map(|at| segment.get_token(at)) {
                let data = token.token_data();
                // Characters may be cut between two tokens: only the whole is text.
                if data.id < model.context.token_eot() {
                    bytes.extend_from_slice(token.to_bytes().unwrap_or_default());
                    decoded.tokens += 1;
                    sum += data.plog;
                }
            }
        }
        decoded.text = String::from_utf8_lossy(&bytes).into_owned();
        decoded.log_probability = if decoded.tokens > 0 { sum / decoded.tokens as f32 } else { 0.0 };
        decoded
    }
}

/// Parameters for this language. Setting a language leaks its name in `whisper_rs`, so that it is done once for each thread
/// and language; a copy refers to the same name.
fn template(language: &'static str) -> FullParams<'static, 'static> {
    thread_local! {
        static TEMPLATES: RefCell<BTreeMap<&'static str, FullParams<'static, 'static>>> = RefCell::default();
    }
    TEMPLATES.with_borrow_mut(|templates| {
        templates
            .entry(language)
            .or_insert_with(|| {
                let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
                params.set_language(Some(language));
                params.set_no_context(true);
                params.set_no_timestamps(true);
                params.set_single_segment(true);
                params.set_suppress_blank(true);
                params.set_suppress_nst(true);
                params.set_temperature(0.0);
                // No second try at a higher temperature: it takes as long again, and the guards judge the first.
                params.set_temperature_inc(0.0);
                // The guards judge what is no speech, with the same numbers at hand.
                params.set_no_speech_thold(1.0);
                params.set_print_progress(false);
                params.set_print_realtime(false);
                params.set_print_special(false);
                params.set_print_timestamps(false);
                params
            })
            .clone()
    })
}

/// whisper.cpp asks whether to stop.
unsafe extern "C" fn asked_to_stop(abort: *mut c_void) -> bool {
    // SAFETY: `decode` passes a pointer to an atomic that lives as long as the decode.
    unsafe { (*abort.cast::<AtomicBool>().cast_const()).load(Ordering::Relaxed) }
}

/// Sends the log of whisper.cpp and ggml into ours instead of to standard error, all of it at the level of debugging: what
/// matters of it comes back as an error.
fn take_log() {
    static ONCE: Once = Once::new();
    // SAFETY: the function has the type that is asked for, needs no data and is there for ever. Done once, before the first
    // model is loaded: the callback is a global without a lock.
    ONCE.call_once(|| unsafe { whisper_rs::set_log_callback(Some(log), ptr::null_mut()) });
}

unsafe extern "C" fn log(level: u32, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: ggml gives a string that ends with a zero byte and lives as long as this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    if !text.is_empty() {
        tracing::debug!(level = ?GGMLLogLevel::from(level), "whisper.cpp: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whisper_cpp_sees_the_flag() {
        let flag = AtomicBool::new(false);
        let data = || ptr::from_ref(&flag).cast_mut().cast();
        // SAFETY: the data is an atomic that lives here.
        let asked = || unsafe { asked_to_stop(data()) };
        assert!(!asked());
        flag.store(true, Ordering::Relaxed);
        assert!(asked());
    }

    #[test]
    fn the_name_of_a_language_is_made_once() {
        template("en");
        let again = format!("{:?}", template("en"));
        assert!(again.contains("language"), "{again}");
        assert_ne!(format!("{:?}", template("zh")), again);
    }
}
