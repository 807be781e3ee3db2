//! The times that a conversation keeps.

use super::mood::MoodConfig;
use serde::Deserialize;

/// How the end of the caller's turn is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpointing {
    /// From all that is known: the question, the words, the voice, the caller's own pace.
    #[default]
    Adaptive,
    /// The waits of the configuration, by question and answer alone.
    Fixed,
}

/// How the agent takes and yields the floor. All times in milliseconds.
///
/// A wait is the silence, from the caller's last sample of speech, that ends a turn. A shorter one answers sooner and cuts
/// off more callers; a state's `wait_ms` overrides all of them. The `wait_…` keys are those of [`Endpointing::Fixed`].
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TurnConfig {
    /// How the end of a turn is found.
    pub endpointing: Endpointing,
    /// What a moment of the caller's time is worth against cutting a caller off: more answers sooner and cuts off more callers.
    /// 0.05 to 2 is the useful range; at 0.3 one pause in ten is cut off in every language, as far as simulated callers tell.
    pub eagerness: f64,
    /// No wait is shorter: the final answer of the recogniser takes that long.
    pub shortest_wait_ms: u64,
    /// No wait is longer. Only who plainly is not done is waited for so long.
    pub longest_wait_ms: u64,
    /// But this one, where two or more digits of a number are still missing: it is being read from a card.
    pub longest_number_wait_ms: u64,
    /// Wait after a whole expected answer to a yes-or-no question.
    pub wait_yes_no_ms: u64,
    /// Wait after a whole expected phrase where a choice, or a number complete to its last digit, is asked for.
    pub wait_choice_ms: u64,
    /// Wait after a whole expected phrase where anything may be said.
    pub wait_expected_ms: u64,
    /// Wait after words that are no whole expected phrase.
    pub wait_open_ms: u64,
    /// Wait within a number: digits come in groups with pauses between them.
    pub wait_number_ms: u64,
    /// Wait within a name, which may be spelled.
    pub wait_name_ms: u64,
    /// Wait after speech of which nothing was understood so far.
    pub wait_nothing_ms: u64,
    /// Wait after words that ask for more: "and", "because", "um".
    pub wait_incomplete_ms: u64,
    /// Silence after which the recogniser is asked for its final answer, so that it is there when the wait ends.
    pub flush_ms: u64,
    /// How much longer than the wait a final answer of the recogniser is waited for; then the partial one must do.
    pub final_grace_ms: u64,
    /// Work on the answer before it is certain that the turn is over.
    pub work_ahead: bool,
    /// Silence after which that begins, once there is a final hypothesis.
    pub eager_ms: u64,
    /// Something of the answer must be heard this long after the caller's last sample: otherwise the cheaper path is taken.
    pub answer_by_ms: u64,
    /// Time that the answer has after a filler.
    pub after_filler_ms: u64,
    /// The agent speaks softer this long after the onset of speech over its voice.
    pub duck_ms: u64,
    /// This long after its onset it is decided whether that speech is an interruption; if so, the agent stops. A pause is
    /// only known after the voice detector's hangover, so sounds shorter than this less the hangover do not stop it.
    pub barge_in_ms: u64,
    /// What was taken for a backchannel interrupts all the same when it goes on for so long; what the agent fell silent for, 200 ms later.
    pub surely_ms: u64,
    /// Speech that begins this soon after the end of a turn was decided belongs to that turn: it had been cut off.
    pub resume_ms: u64,
    /// Sounds shorter than this, without words, are no turn.
    pub noise_ms: u64,
    /// A caller's turn ends here even when the caller does not.
    pub max_caller_turn_ms: u64,
    /// Silence after the agent's line until it asks again, unless the flow says otherwise.
    pub no_input_ms: u64,
    /// Wait for the next key of several, unless the flow says otherwise.
    pub key_gap_ms: u64,
    /// With [`Endpointing::Fixed`], silence after spoken digits that are too few until it asks again. The wait within a number comes
    /// before it. Else the missing digits are weighed with everything that tells whether the caller is done.
    pub digits_gap_ms: u64,
    /// Below this confidence, 0 to 1, words count as not understood, unless the flow says otherwise.
    pub min_confidence: f32,
    /// Time for the language model's first sentence; then the flow's ready answer is said.
    pub first_sentence_ms: u64,
    /// Time for the language model's whole answer; then what was said has to do.
    pub answer_ms: u64,
    /// Sentences of an answer that are spoken; the rest is dropped.
    pub max_sentences: usize,
    /// Upper bound for the length of an answer, in tokens.
    pub max_tokens: u32,
    /// A line that was not begun this long after it could have been counts as failed.
    pub line_start_ms: u64,
    /// A line that runs this much over its length counts as failed; a stopped one as stopped.
    pub line_overrun_ms: u64,
    /// Time for the peer to accept a transfer.
    pub transfer_ms: u64,
    /// How the caller's mood is told.
    pub mood: MoodConfig,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            endpointing: Endpointing::Adaptive,
            eagerness: 0.3,
            shortest_wait_ms: 220,
            longest_wait_ms: 1_800,
            longest_number_wait_ms: 2_600,
            wait_yes_no_ms: 400,
            wait_choice_ms: 420,
            wait_expected_ms: 480,
            wait_open_ms: 650,
            wait_number_ms: 900,
            wait_name_ms: 800,
            wait_nothing_ms: 700,
            wait_incomplete_ms: 1_000,
            flush_ms: 120,
            final_grace_ms: 250,
            work_ahead: true,
            eager_ms: 150,
            answer_by_ms: 700,
            after_filler_ms: 700,
            duck_ms: 100,
            barge_in_ms: 260,
            surely_ms: 800,
            resume_ms: 500,
            noise_ms: 300,
            max_caller_turn_ms: 30_000,
            no_input_ms: 6_000,
            key_gap_ms: 2_500,
            digits_gap_ms: 1_200,
            min_confidence: 0.3,
            first_sentence_ms: 4_000,
            answer_ms: 10_000,
            max_sentences: 4,
            max_tokens: 160,
            line_start_ms: 5_000,
            line_overrun_ms: 1_500,
            transfer_ms: 32_000,
            mood: MoodConfig::default(),
        }
    }
}

/// Longest time that a setting of a conversation may be, in milliseconds.
const LONGEST_MS: u64 = 600_000;

/// What is wrong with a setting: the key, the value, and what it may be.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TurnConfigError {
    /// A number that is none, or out of range.
    #[error("turn.{key} = {value} is not between {least} and {most}; {hint}")]
    Range {
        /// The key in `[turn]`.
        key: &'static str,
        /// What it was set to.
        value: f64,
        /// The least that it may be.
        least: f64,
        /// The most.
        most: f64,
        /// What is usual.
        hint: &'static str,
    },
    /// Two times in the wrong order.
    #[error("turn.{less} = {less_ms} is more than {more} = {more_ms}; lower the first or raise the second")]
    Order {
        /// The key that must not be greater.
        less: &'static str,
        /// Its value in milliseconds.
        less_ms: u64,
        /// The key that must not be less.
        more: &'static str,
        /// Its value in milliseconds.
        more_ms: u64,
    },
}

impl TurnConfig {
    /// How long, from when it was asked for, a final answer of the recogniser may take without being missed by the turn that is
    /// over soonest.
    pub fn final_within_ms(&self) -> u64 {
        (self.shortest_wait_ms + self.final_grace_ms).saturating_sub(self.flush_ms)
    }

    /// Looks for values with which no conversation can be held, or that contradict each other.
    ///
    /// # Errors
    /// [`TurnConfigError`], naming the key and what it may be.
    pub fn check(&self) -> Result<(), TurnConfigError> {
        let within = |key, value: f64, (least, most): (f64, f64), hint| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(TurnConfigError::Range { key, value, least, most, hint }),
        };
        within("eagerness", self.eagerness, (0.01, 10.0), "0.05 to 2 is useful, 0.3 the default")?;
        within("min_confidence", f64::from(self.min_confidence), (0.0, 1.0), "0.3 is the default")?;
        within("max_sentences", self.max_sentences as f64, (1.0, 100.0), "4 is the default")?;
        within("max_tokens", f64::from(self.max_tokens), (1.0, 100_000.0), "160 is the default")?;
        for (key, ms) in self.times() {
            let least = if matches!(key, "line_start_ms" | "line_overrun_ms" | "transfer_ms") { 100.0 } else { 0.0 };
            within(key, ms as f64, (least, LONGEST_MS as f64), "it is a time in milliseconds")?;
        }
        for (less, less_ms, more, more_ms) in [
            ("shortest_wait_ms", self.shortest_wait_ms, "longest_wait_ms", self.longest_wait_ms),
            ("duck_ms", self.duck_ms, "barge_in_ms", self.barge_in_ms),
            ("barge_in_ms", self.barge_in_ms, "surely_ms", self.surely_ms),
            ("first_sentence_ms", self.first_sentence_ms, "answer_ms", self.answer_ms),
            ("longest_wait_ms", self.longest_wait_ms, "max_caller_turn_ms", self.max_caller_turn_ms),
        ] {
            if less_ms > more_ms {
                return Err(TurnConfigError::Order { less, less_ms, more, more_ms });
            }
        }
        Ok(())
    }

    /// Every time with its key.
    fn times(&self) -> [(&'static str, u64); 30] {
        [
            ("shortest_wait_ms", self.shortest_wait_ms),
            ("longest_wait_ms", self.longest_wait_ms),
            ("longest_number_wait_ms", self.longest_number_wait_ms),
            ("wait_yes_no_ms", self.wait_yes_no_ms),
            ("wait_choice_ms", self.wait_choice_ms),
            ("wait_expected_ms", self.wait_expected_ms),
            ("wait_open_ms", self.wait_open_ms),
            ("wait_number_ms", self.wait_number_ms),
            ("wait_name_ms", self.wait_name_ms),
            ("wait_nothing_ms", self.wait_nothing_ms),
            ("wait_incomplete_ms", self.wait_incomplete_ms),
            ("flush_ms", self.flush_ms),
            ("final_grace_ms", self.final_grace_ms),
            ("eager_ms", self.eager_ms),
            ("answer_by_ms", self.answer_by_ms),
            ("after_filler_ms", self.after_filler_ms),
            ("duck_ms", self.duck_ms),
            ("barge_in_ms", self.barge_in_ms),
            ("surely_ms", self.surely_ms),
            ("resume_ms", self.resume_ms),
            ("noise_ms", self.noise_ms),
            ("max_caller_turn_ms", self.max_caller_turn_ms),
            ("no_input_ms", self.no_input_ms),
            ("key_gap_ms", self.key_gap_ms),
            ("digits_gap_ms", self.digits_gap_ms),
            ("first_sentence_ms", self.first_sentence_ms),
            ("answer_ms", self.answer_ms),
            ("line_start_ms", self.line_start_ms),
            ("line_overrun_ms", self.line_overrun_ms),
            ("transfer_ms", self.transfer_ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_conversation_can_be_held_with_is_refused_by_its_key() {
        assert_eq!(TurnConfig::default().check(), Ok(()));
        let of = |text: &str| toml::from_str::<TurnConfig>(text).unwrap().check().map_err(|error| error.to_string());
        for (text, says) in [
            ("eagerness = -2.0", "eagerness = -2 is not between 0.01 and 10"),
            ("eagerness = nan", "eagerness = NaN is not between"),
            ("min_confidence = 1.5", "min_confidence = 1.5 is not between 0 and 1"),
            ("shortest_wait_ms = 3000", "shortest_wait_ms = 3000 is more than longest_wait_ms = 1800"),
            ("max_sentences = 0", "max_sentences = 0"),
            ("no_input_ms = 600001", "no_input_ms = 600001"),
            ("line_start_ms = 0", "line_start_ms = 0"),
            ("duck_ms = 300", "duck_ms = 300 is more than barge_in_ms = 260"),
            ("answer_ms = 3000", "first_sentence_ms = 4000 is more than answer_ms = 3000"),
        ] {
            let error = of(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(of("shortest_wait_ms = 300\nlongest_wait_ms = 300\neagerness = 2.0"), Ok(()));
    }
}
