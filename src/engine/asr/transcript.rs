//! Reads what servers of transcription send. They differ: what is missing or more than expected does no harm.

use crate::engine::remote::error_of;
use serde_json::Value;

/// Whisper's own rule for a segment without speech: more likely silence than this, and
const NO_SPEECH: f64 = 0.6;
/// its words less likely than this.
const NO_WORDS: f64 = -1.0;

/// What was heard.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::engine) struct Transcript {
    /// Lower case, without the marks at its ends.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
}

impl Transcript {
    /// Words as a server writes them; `confidence` where it says how sure it is.
    pub fn new(text: &str, confidence: Option<f64>) -> Self {
        let mark = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | '!' | '?' | '…' | '。' | '，' | '！' | '？');
        let text = text.trim_matches(mark).to_lowercase();
        let sure = confidence.filter(|sure| sure.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0);
        let confidence = if text.is_empty() { 0.0 } else { sure as f32 };
        Self { text, confidence }
    }
}

/// Reads the answer to a request: JSON with more or less in it, or the bare words.
///
/// # Errors
/// The server's message when the answer is an error, and what is wrong when it is no transcript.
pub(super) fn read(body: &[u8], json: bool) -> Result<Transcript, String> {
    let body = String::from_utf8_lossy(body);
    if !json && !body.trim_start().starts_with('{') {
        return match body.trim_start().starts_with('<') {
            true => Err("the server answered with a page, not with words; is the path right?".to_owned()),
            false => Ok(Transcript::new(&body, None)),
        };
    }
    let answer: Value =
        serde_json::from_str(&body).map_err(|_| "the server sent a transcript that is no JSON".to_owned())?;
    if let Some(message) = error_of(&answer) {
        return Err(message);
    }
    let segments = answer["segments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(text) = answer["text"].as_str() else {
        return match segments.is_empty() {
            true => Err("the server sent a transcript without a text".to_owned()),
            false => Ok(of_segments(segments)),
        };
    };
    if segments.iter().any(silent) {
        return Ok(of_segments(segments));
    }
    Ok(Transcript::new(text, sure_of_segments(segments).or_else(|| sure_of_tokens(&answer))))
}

/// A segment in which there is no speech, whatever its words are.
fn silent(segment: &Value) -> bool {
    segment["no_speech_prob"].as_f64().is_some_and(|p| p > NO_SPEECH)
        && segment["avg_logprob"].as_f64().is_some_and(|p| p < NO_WORDS)
}

fn of_segments(segments: &[Value]) -> Transcript {
    let spoken: Vec<Value> = segments.iter().filter(|segment| !silent(segment)).cloned().collect();
    let text: String = spoken.iter().filter_map(|segment| segment["text"].as_str()).collect();
    Transcript::new(&text, sure_of_segments(&spoken))
}

/// The likelihood of a word on average, weighed by the length of the segments' text.
fn sure_of_segments(segments: &[Value]) -> Option<f64> {
    let mut weighed = (0.0, 0.0);
    for segment in segments {
        let weight = segment["text"].as_str().map_or(0, |text| text.trim().len()).max(1) as f64;
        let likely = segment["avg_logprob"].as_f64()?;
        weighed = (weighed.0 + weight * likely, weighed.1 + weight);
    }
    (weighed.1 > 0.0).then(|| (weighed.0 / weighed.1).exp())
}

/// The same from single tokens, where a server gives those.
fn sure_of_tokens(answer: &Value) -> Option<f64> {
    let tokens: Vec<f64> =
        answer["logprobs"].as_array()?.iter().filter_map(|token| token["logprob"].as_f64()).collect();
    (!tokens.is_empty()).then(|| (tokens.iter().sum::<f64>() / tokens.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(body: &str) -> (String, f32) {
        let transcript = read(body.as_bytes(), true).unwrap();
        (transcript.text, (transcript.confidence * 100.0).round() / 100.0)
    }

    #[test]
    fn every_form_of_answer_is_read() {
        assert_eq!(json(r#"{"text":" Yes, please. "}"#), ("yes, please".into(), 1.0));
        assert_eq!(json(r#"{"text":""}"#), (String::new(), 0.0));
        let verbose = r#"{"text":"Yes. No.","segments":[{"text":" Yes.","avg_logprob":-0.5,"no_speech_prob":0.1},
            {"text":" No.","avg_logprob":-0.5,"no_speech_prob":0.7}]}"#;
        assert_eq!(json(verbose), ("yes. no".into(), 0.61));
        let tokens = r#"{"text":"yes","logprobs":[{"token":"y","logprob":-0.1},{"token":"es","logprob":-0.3}]}"#;
        assert_eq!(json(tokens), ("yes".into(), 0.82));
        assert_eq!(json(r#"{"segments":[{"text":" Only"},{"text":" segments."}]}"#).0, "only segments");
        assert_eq!(read(b"Plain words.\n", false).unwrap().text, "plain words");
        assert_eq!(read(br#" {"text":"json all the same"}"#, false).unwrap().text, "json all the same");
    }

    #[test]
    fn words_for_silence_are_left_out() {
        let made_up = r#"{"text":" Yes. Thank you for watching.","segments":[{"text":" Yes.","avg_logprob":-0.2,"no_speech_prob":0.1},
            {"text":" Thank you for watching.","avg_logprob":-1.4,"no_speech_prob":0.9}]}"#;
        assert_eq!(json(made_up), ("yes".into(), 0.82));
        let all = r#"{"text":" Bye.","segments":[{"text":" Bye.","avg_logprob":-1.4,"no_speech_prob":0.9}]}"#;
        assert_eq!(json(all), (String::new(), 0.0));
    }

    #[test]
    fn what_is_no_transcript_is_told() {
        for (body, is_json, expected) in [
            (r#"{"error":{"message":"no model"}}"#, true, "no model"),
            ("{\"text\":\"ye", true, "no JSON"),
            (r#"{"words":[]}"#, true, "without a text"),
            (r#"{"text":5}"#, true, "without a text"),
            ("<html>", false, "page"),
        ] {
            let error = read(body.as_bytes(), is_json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in any::<bool>()) {
            let _ = read(&bytes, json);
        }
    }
}
