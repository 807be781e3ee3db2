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
    /// What was taken for a backchannel interrupts all the same when it goes on for so long.
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
