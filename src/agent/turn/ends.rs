//! The odds that a pause is one within the turn, from all that is known of it.
//!
//! A logistic model over few, general things: what was asked and how far the answer has come, whether the words could be a whole
//! sentence, how many digits are missing, how often this caller has paused in this turn and does so on the whole, and how the
//! voice ended. It and [`Completeness`] are learned by `tipring train turns` and live in `audio-models/turns/ends.toml`.

use super::completeness::{Completeness, PLACES};
use super::endpoint::ASKED;
use super::{Evidence, Progress};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const PROGRESS: [&str; 5] = ["nothing", "incomplete", "words", "digits", "expected"];
const PAUSES: [&str; 4] = ["none", "one", "two", "more"];
const DIGITS_LEFT: [&str; 6] = ["too_many", "none", "one", "two", "three", "more"];
const PLAIN: [&str; 8] =
    ["sentence_sure", "long_words", "digits_left", "hesitation", "pace", "pitch_level", "pitch_unknown", "lengthening"];

/// Where each group of weights begins.
const SENTENCE_ASKED: usize = ASKED.len() * PROGRESS.len();
const SENTENCE_PROGRESS: usize = SENTENCE_ASKED + ASKED.len();
const LENGTH_ASKED: usize = SENTENCE_PROGRESS + PROGRESS.len();
const LEFT: usize = LENGTH_ASKED + ASKED.len();
const PAUSED: usize = LEFT + DIGITS_LEFT.len();
const PAUSED_PROGRESS: usize = PAUSED + ASKED.len() * PAUSES.len();
const STRETCH_ASKED: usize = PAUSED_PROGRESS + PROGRESS.len() * PAUSES.len();
const LONG_STRETCH_ASKED: usize = STRETCH_ASKED + ASKED.len();
const STRETCH_PROGRESS: usize = LONG_STRETCH_ASKED + ASKED.len();
const SINGLE: usize = STRETCH_PROGRESS + PROGRESS.len();
/// How many weights there are.
pub const WEIGHTS: usize = SINGLE + PLAIN.len();

/// The name of each weight, as the file has it.
fn names() -> Vec<String> {
    let pairs = |what: &str, all: &[&str], with: &[&str]| -> Vec<String> {
        all.iter().flat_map(|one| with.iter().map(move |two| format!("{what}{one}.{two}"))).collect()
    };
    let mut names = pairs("", &ASKED, &PROGRESS);
    names.extend(ASKED.iter().map(|asked| format!("sentence.{asked}")));
    names.extend(PROGRESS.iter().map(|progress| format!("sentence.{progress}")));
    names.extend(ASKED.iter().map(|asked| format!("length.{asked}")));
    names.extend(DIGITS_LEFT.iter().map(|left| format!("left.{left}")));
    names.extend(pairs("pauses.", &ASKED, &PAUSES));
    names.extend(pairs("pauses.", &PROGRESS, &PAUSES));
    names.extend(ASKED.iter().map(|asked| format!("stretch.{asked}")));
    names.extend(ASKED.iter().map(|asked| format!("long_stretch.{asked}")));
    names.extend(PROGRESS.iter().map(|progress| format!("stretch.{progress}")));
    names.extend(PLAIN.map(str::to_owned));
    names
}

/// Speech between two pauses, in milliseconds, that is neither long nor short.
const USUAL_STRETCH_MS: f64 = 500.0;
/// The usual fall before a pause, in semitones.
const USUAL_FALL_ST: f64 = 2.2;
/// The voice alone moves the log odds by no more: what is measured over a telephone is not always what was meant.
const MOST_OF_THE_VOICE: f64 = 1.3;
/// How far a turn model is trusted: the share of its own log odds that counts.
const MODEL_TRUST: f64 = 0.7;

/// What there is to see of a pause: each weight that counts and how much, the voice's own last.
pub fn features(evidence: &Evidence, mut each: impl FnMut(usize, f64)) {
    let asked = evidence.asked_at();
    let progress = match evidence.progress {
        Progress::Nothing => 0,
        Progress::Incomplete => 1,
        Progress::Words => 2,
        Progress::Digits => 3,
        Progress::Expected => 4,
    };
    each(asked * PROGRESS.len() + progress, 1.0);
    if evidence.words > 0 {
        let sentence = f64::from(evidence.sentence);
        each(SENTENCE_ASKED + asked, sentence);
        each(SENTENCE_PROGRESS + progress, sentence);
        each(SINGLE, sentence.abs());
        let doublings = (evidence.words.min(16) as f64).log2();
        each(LENGTH_ASKED + asked, doublings);
        if evidence.progress == Progress::Words {
            each(SINGLE + 1, doublings);
        }
    }
    if let Some(left) = evidence.digits_left {
        each(LEFT + (left.clamp(-1, 4) + 1) as usize, 1.0);
        each(SINGLE + 2, f64::from(left.clamp(-1, 8)));
    }
    let paused = evidence.pauses.min(3) as usize;
    each(PAUSED + asked * PAUSES.len() + paused, 1.0);
    each(PAUSED_PROGRESS + progress * PAUSES.len() + paused, 1.0);
    // Who has just spoken for long without a pause is done more often after some questions than after others.
    let stretch = (evidence.stretch_ms.clamp(100, 20_000) as f64 / USUAL_STRETCH_MS).log2();
    each(STRETCH_ASKED + asked, stretch);
    each(LONG_STRETCH_ASKED + asked, (stretch - 1.0).max(0.0));
    each(STRETCH_PROGRESS + progress, stretch);
    each(SINGLE + 3, evidence.hesitation.clamp(0.3, 3.0).ln());
    each(SINGLE + 4, evidence.pace.clamp(0.5, 2.0).ln());
    let fall = evidence.voice.and_then(|voice| voice.pitch_fall_st).filter(|fall| fall.is_finite());
    match fall {
        Some(fall) => each(SINGLE + 5, (USUAL_FALL_ST - f64::from(fall)).clamp(-5.0, 5.0)),
        None => each(SINGLE + 6, 1.0),
    }
    let longer = evidence.voice.and_then(|voice| voice.lengthening);
    if let Some(longer) = longer.filter(|longer| longer.is_finite() && *longer > 0.0) {
        each(SINGLE + 7, f64::from(longer).log2().clamp(-1.0, 1.0));
    }
}

/// The longest wait of those whose odds are no more than these.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Log odds that the pause is one within the turn.
    pub log_odds: f64,
    /// Milliseconds, at the usual eagerness.
    pub ms: f64,
}

/// What is known of the ends of turns in one language.
#[derive(Clone, PartialEq, Debug)]
pub struct Ends {
    /// Of the words alone.
    pub sentence: Completeness,
    /// Of everything; [`WEIGHTS`] numbers.
    pub weights: Vec<f64>,
    /// What the eagerness of the configuration is multiplied with: pauses are longer in some languages than in others.
    pub eagerness: f64,
    /// The half of callers who are most surely done, and all but those who most surely are not: none of them waits longer.
    pub bounds: [Bound; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    eagerness: f64,
    half: Bound,
    most: Bound,
    weights: BTreeMap<String, f64>,
    bias: f32,
    scale: f32,
    table: String,
}

/// Why a file of what ends tell cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EndsError {
    /// It is not of the form.
    #[error("{0}; make it again with: tipring train turns")]
    Form(#[from] toml::de::Error),
    /// Something is missing.
    #[error("language '{language}': {what}; make it again with: tipring train turns")]
    Language {
        /// Which.
        language: String,
        /// What.
        what: String,
    },
}

/// The shipped file.
static SHIPPED: LazyLock<BTreeMap<String, Ends>> = LazyLock::new(|| {
    Ends::parse(include_str!("../../../audio-models/turns/ends.toml")).unwrap_or_else(|error| {
        // A test reads it.
        tracing::error!(%error, "the shipped file of ends of turns is damaged");
        BTreeMap::new()
    })
});
static BLANK: LazyLock<Ends> = LazyLock::new(Ends::blank);

impl Ends {
    /// What is shipped for a language; that for English where there is nothing else, with what is known of English words left out.
    pub fn of(language: &str) -> &'static Self {
        let base = language.split(['-', '_']).next().unwrap_or_default();
        SHIPPED.get(base).or_else(|| SHIPPED.get("other")).unwrap_or(&BLANK)
    }

    /// Knows nothing.
    pub fn blank() -> Self {
        let bound = Bound { log_odds: f64::NEG_INFINITY, ms: 0.0 };
        Self { sentence: Completeness::blank(), weights: vec![0.0; WEIGHTS], eagerness: 1.0, bounds: [bound, bound] }
    }

    /// Reads a file: one table for each language.
    ///
    /// # Errors
    /// [`EndsError`].
    pub fn parse(text: &str) -> Result<BTreeMap<String, Self>, EndsError> {
        let written: BTreeMap<String, Written> = toml::from_str(text)?;
        let mut all = BTreeMap::new();
        for (language, written) in written {
            let bad = |what: String| EndsError::Language { language: language.clone(), what };
            let bytes = STANDARD.decode(&written.table).map_err(|error| bad(format!("table: {error}")))?;
            if bytes.len() != PLACES {
                return Err(bad(format!("table has {} places, not {PLACES}", bytes.len())));
            }
            let weights = names()
                .iter()
                .map(|name| written.weights.get(name).copied().ok_or_else(|| bad(format!("no weight '{name}'"))))
                .collect::<Result<Vec<f64>, EndsError>>()?;
            let table = bytes.into_iter().map(|byte| byte as i8).collect();
            let sentence = Completeness { table, scale: written.scale, bias: written.bias };
            let ends = Self { sentence, weights, eagerness: written.eagerness, bounds: [written.half, written.most] };
            all.insert(language, ends);
        }
        if let Some(english) = all.get("en") {
            let mut other = english.clone();
            other.sentence = Completeness::blank();
            all.insert("other".to_owned(), other);
        }
        Ok(all)
    }

    /// The table of a language, as [`Self::parse`] reads it.
    pub fn write(&self, language: &str) -> String {
        let mut text = format!(
            "[{language}]\neagerness = {:.4}\nhalf = {{ log_odds = {:.4}, ms = {:.1} }}\nmost = {{ log_odds = {:.4}, ms = {:.1} }}\n\
             bias = {:.5}\nscale = {:.7}\ntable = \"",
            self.eagerness,
            self.bounds[0].log_odds,
            self.bounds[0].ms,
            self.bounds[1].log_odds,
            self.bounds[1].ms,
            self.sentence.bias,
            self.sentence.scale,
        );
        STANDARD.encode_string(self.sentence.table.iter().map(|step| *step as u8).collect::<Vec<u8>>(), &mut text);
        text.push_str(&format!("\"\n\n[{language}.weights]\n"));
        for (name, weight) in names().iter().zip(&self.weights) {
            text.push_str(&format!("\"{name}\" = {weight:.4}\n"));
        }
        text
    }

    /// The log odds that a pause of which this is known is one within the turn.
    pub fn log_odds(&self, evidence: &Evidence) -> f64 {
        let (mut sum, mut heard) = (0.0, 0.0);
        features(evidence, |at, value| {
            let told = self.weights.get(at).copied().unwrap_or_default() * value;
            if (SINGLE + 5..=SINGLE + 7).contains(&at) { heard += told } else { sum += told }
        });
        sum += heard.clamp(-MOST_OF_THE_VOICE, MOST_OF_THE_VOICE);
        if let Some(model) = &evidence.model {
            let complete = f64::from(model.complete).clamp(0.02, 0.98);
            sum -= MODEL_TRUST * (complete / (1.0 - complete)).ln();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::dialogue::tokens;
    use crate::speech::AnswerKind;

    #[test]
    fn every_weight_has_a_name_of_its_own_and_each_pause_finds_its_own() {
        let named = names();
        assert_eq!(named.len(), WEIGHTS);
        assert_eq!(named.iter().collect::<std::collections::BTreeSet<_>>().len(), WEIGHTS);
        let evidence = Evidence {
            kind: AnswerKind::Number,
            progress: Progress::Digits,
            words: 4,
            sentence: 1.5,
            digits_left: Some(1),
            pauses: 7,
            stretch_ms: 1_000,
            pace: 1.0,
            hesitation: 1.0,
            ..Evidence::default()
        };
        let mut seen = Vec::new();
        features(&evidence, |at, value| seen.push((named[at].as_str(), value)));
        for wanted in [
            ("number.digits", 1.0),
            ("sentence.number", 1.5),
            ("length.number", 2.0),
            ("left.one", 1.0),
            ("pauses.number.more", 1.0),
            ("pitch_unknown", 1.0),
            ("stretch.number", 1.0),
            ("stretch.digits", 1.0),
            ("pauses.digits.more", 1.0),
        ] {
            assert!(seen.contains(&wanted), "{wanted:?} in {seen:?}");
        }
    }

    #[test]
    fn the_shipped_file_knows_how_sentences_end() {
        let log_odds = |language: &str, text: &str| Ends::of(language).sentence.log_odds(&tokens(text));
        for (language, whole, begun) in [
            ("en", "could you call me back tomorrow", "could you call me back on"),
            ("en-GB", "that is too expensive for me", "that is too"),
            ("en", "i already have one", "i already have"),
            ("zh", "你明天再打给我吧", "你明天再"),
            ("zh-CN", "这个太贵了", "这个太"),
        ] {
            assert!(log_odds(language, whole) > log_odds(language, begun) + 0.5, "{whole} / {begun}");
        }
        assert_eq!(log_odds("de", "das ist zu teuer"), 0.0, "nothing is known of German words");
        assert!(Ends::of("de").weights == Ends::of("en").weights);
        assert_eq!(log_odds("en", ""), 0.0);
    }

    #[test]
    fn a_damaged_file_says_how_to_mend_it() {
        let bounds = [Bound { log_odds: 0.0, ms: 1.0 }; 2];
        let whole = Ends { bounds, ..Ends::blank() }.write("en");
        assert!(Ends::parse(&whole).is_ok());
        for (from, to) in [("\"stretch.name\"", "\"strech.name\""), ("table = \"AAAA", "table = \""), ("bias", "bais")]
        {
            let error = Ends::parse(&whole.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains("tipring train turns"), "{error}");
        }
    }
}
