//! The caller's current turn: the voice, and what the recogniser makes of it.

use super::{Evidence, Pace, Progress};
use crate::agent::bounded::bounded;
use crate::audio::MediaTime;
use crate::speech::{AnswerKind, Hypothesis, HypothesisKind, PauseCue, PauseCurve, SpeechEdge, TurnCue};

/// The caller's voice within an open turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Voice {
    /// Speaking since.
    Speaking {
        /// First sample after the last pause.
        onset: MediaTime,
        /// The agent may be interrupted by it. Not so for a sound that never ends, once it has been answered.
        may_interrupt: bool,
    },
    /// Silent since.
    Paused {
        /// Just after the last sample of speech.
        last: MediaTime,
        /// The recogniser was asked for its final answer to it.
        flushed: bool,
    },
}

/// A turn that is not over.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Open {
    began: MediaTime,
    voiced_samples: u64,
    voice: Voice,
    interrupted_agent: bool,
    /// All of it so far is our own echo.
    echo: bool,
    /// It began while the agent was speaking.
    over: bool,
    /// It sounded like a backchannel.
    hummed: bool,
    /// Pauses in it after which the caller went on.
    pauses: u32,
    /// Length of the last stretch of speech, once it has ended.
    stretch_ms: u64,
}

/// What the words of a turn tell of whether it is over, for whoever knows what is expected.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Said {
    /// How far they have come.
    pub progress: Progress,
    /// How many there are.
    pub words: usize,
    /// Log odds that a sentence is over with them.
    pub sentence: f32,
    /// Digits that a number still lacks.
    pub digits_left: Option<i32>,
}

/// A turn that is over.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct CallerTurn {
    /// First sample of speech.
    pub began: MediaTime,
    /// Just after the last one.
    pub ended: MediaTime,
    /// How much of it was voice.
    pub voiced_ms: u64,
    /// The words; none when nothing was understood.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// The agent stopped for it.
    pub interrupted_agent: bool,
    /// It is our own echo.
    pub echo: bool,
    /// It began while the agent was speaking.
    pub over: bool,
    /// It sounded like a backchannel.
    pub hummed: bool,
}

/// The caller's side of the floor.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Hearing {
    open: Option<Open>,
    /// How long this caller's pauses are.
    pace: Pace,
    /// What is known of the pause that the turn is in.
    voice: Option<PauseCue>,
    model: Option<TurnCue>,
    /// A sound in the pause that may become speech.
    stirred: Option<MediaTime>,
    text: String,
    confidence: f32,
    covers: Option<MediaTime>,
    final_covers: Option<MediaTime>,
    /// What the words tell.
    pub said: Said,
    /// End of what belonged to the previous utterance: hypotheses up to here are about that one.
    since: Option<MediaTime>,
}

/// Audio that still goes to the old utterance while the recogniser is being told that it is over.
const STALE_MS: u64 = 60;
/// Longest text kept of one turn, in bytes.
const MAX_TEXT: usize = 2_000;
/// A cue is about the pause whose last sample of speech lies this near.
const SAME_PAUSE_MS: f64 = 120.0;

impl Hearing {
    /// Nobody has spoken yet; pauses are weighed with this curve.
    pub fn new(curve: PauseCurve) -> Self {
        Self {
            open: None,
            pace: Pace::new(curve),
            voice: None,
            model: None,
            stirred: None,
            text: String::new(),
            confidence: 0.0,
            covers: None,
            final_covers: None,
            said: Said::default(),
            since: None,
        }
    }

    /// The open pause began there, as far as a cue about `last` can tell.
    fn is_about_this_pause(&self, last: MediaTime) -> bool {
        matches!(self.voice(), Some(Voice::Paused { last: own, .. })
            if last.ms_since(own).abs() <= SAME_PAUSE_MS)
    }

    /// How the voice ended before the pause.
    pub fn pause_cue(&mut self, cue: PauseCue) {
        if self.is_about_this_pause(cue.last) {
            self.voice = Some(cue);
        }
    }

    /// What a turn model says of the pause. One that has heard more than the pause's beginning is as good.
    pub fn turn_cue(&mut self, cue: TurnCue) {
        let later = matches!(self.voice(), Some(Voice::Paused { last, .. }) if cue.covers >= last);
        if cue.complete.is_finite() && (later || self.is_about_this_pause(cue.covers)) {
            self.model = Some(cue);
        }
    }

    /// Something that may become speech was heard in the pause.
    pub fn stirred(&mut self, at: MediaTime) {
        if matches!(self.voice(), Some(Voice::Paused { .. })) {
            self.stirred = Some(at);
        }
    }

    /// When something that may become speech was last heard in the pause.
    pub fn last_stir(&self) -> Option<MediaTime> {
        self.stirred
    }

    /// The latest turn was an answer: neither our own echo, nor a noise, nor a hum over our voice. Only those tell how often this caller
    /// pauses.
    pub fn was_answer(&mut self) {
        self.pace.turn_over();
    }

    /// The caller went on after a silence of this length that had been taken for the end of the turn.
    pub fn went_on_after(&mut self, pause_ms: f64) {
        self.pace.taken_back();
        self.pace.went_on_after(pause_ms);
    }

    /// What is known of the pause, for an answer of this kind; `telling`: whatever is said is one.
    pub fn evidence(&self, kind: AnswerKind, telling: bool) -> Evidence {
        Evidence {
            kind,
            telling,
            progress: self.said.progress,
            words: self.said.words,
            sentence: self.said.sentence,
            digits_left: self.said.digits_left,
            pauses: self.open.map_or(0, |open| open.pauses),
            stretch_ms: self.open.map_or(0, |open| open.stretch_ms),
            voice: self.voice,
            model: self.model,
            pace: self.pace.factor(),
            hesitation: self.pace.hesitation(),
            settled: self.is_settled(),
        }
    }

    /// Takes an edge: a turn begins, pauses, or goes on. `over`: the agent is speaking.
    pub fn edge(&mut self, edge: SpeechEdge, over: bool) {
        match edge {
            SpeechEdge::Started { onset } => match &mut self.open {
                Some(open) => {
                    if let Voice::Paused { last, .. } = open.voice {
                        let onset = onset.max(last);
                        open.voice = Voice::Speaking { onset, may_interrupt: true };
                        open.echo = false;
                        open.pauses = open.pauses.saturating_add(1);
                        self.pace.went_on_after(MediaTime::from_samples(onset.samples() - last.samples()).ms() as f64);
                        self.voice = None;
                        self.model = None;
                        self.stirred = None;
                    }
                }
                None => {
                    // Words from before the voice are not its words.
                    if self.covers.is_some_and(|covers| covers <= onset) {
                        self.forget_words();
                    }
                    let voice = Voice::Speaking { onset, may_interrupt: true };
                    self.open = Some(Open {
                        began: onset,
                        voiced_samples: 0,
                        voice,
                        interrupted_agent: false,
                        echo: false,
                        over,
                        hummed: false,
                        pauses: 0,
                        stretch_ms: 0,
                    });
                }
            },
            SpeechEdge::Paused { last } => {
                if let Some(open) = &mut self.open
                    && let Voice::Speaking { onset, .. } = open.voice
                {
                    let last = last.max(onset);
                    open.voiced_samples += last.samples() - onset.samples();
                    open.stretch_ms = MediaTime::from_samples(last.samples() - onset.samples()).ms();
                    open.voice = Voice::Paused { last, flushed: false };
                }
            }
        }
    }

    /// Takes a hypothesis. Returns whether the words changed; one about the previous utterance changes nothing.
    pub fn hypothesis(&mut self, heard: &Hypothesis) -> bool {
        if self.since.is_some_and(|since| heard.covers <= since.plus_ms(STALE_MS)) || self.is_guess_after_all(heard) {
            return false;
        }
        self.covers = Some(heard.covers);
        if heard.kind == HypothesisKind::Final {
            self.final_covers = Some(heard.covers);
        }
        self.confidence = if heard.confidence.is_finite() { heard.confidence.clamp(0.0, 1.0) } else { 0.0 };
        let text = heard.text.trim();
        let text = bounded(text, MAX_TEXT);
        // What is settled may be less than what was guessed.
        let settled = heard.kind == HypothesisKind::Stable && self.text.starts_with(text);
        if text == self.text || settled {
            return false;
        }
        self.text = text.to_owned();
        true
    }

    /// Over the agent's voice, where an echo and other people are heard as words: a guess that comes after the final answer to all that
    /// the caller said, and so is about what the caller did not say.
    fn is_guess_after_all(&self, heard: &Hypothesis) -> bool {
        let over = self.open.is_some_and(|open| open.over);
        over && heard.kind != HypothesisKind::Final && self.is_settled()
    }

    /// A turn is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The voice of the open turn.
    pub fn voice(&self) -> Option<Voice> {
        self.open.map(|open| open.voice)
    }

    /// Begin of the open turn.
    pub fn began(&self) -> Option<MediaTime> {
        self.open.map(|open| open.began)
    }

    /// Onset of speech that goes on now and may interrupt.
    pub fn interrupting_since(&self) -> Option<MediaTime> {
        match self.open?.voice {
            Voice::Speaking { onset, may_interrupt: true } => Some(onset),
            _ => None,
        }
    }

    /// The words so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How sure the recogniser is of them, 0 to 1.
    pub fn confidence(&self) -> f32 {
        self.confidence
    }

    /// The recogniser has given its final answer to all of the speech up to the pause.
    fn is_settled(&self) -> bool {
        matches!(self.voice(), Some(Voice::Paused { last, .. }) if self.final_covers >= Some(last))
    }

    /// The words are that answer, and no later guess.
    pub fn words_are_final(&self) -> bool {
        self.is_settled() && self.covers == self.final_covers
    }

    /// The end of the audio that the latest final hypothesis is about.
    pub fn final_covers(&self) -> Option<MediaTime> {
        self.final_covers
    }

    /// The recogniser was asked for its final answer.
    pub fn set_flushed(&mut self) {
        if let Some(Open { voice: Voice::Paused { flushed, .. }, .. }) = &mut self.open {
            *flushed = true;
        }
    }

    /// The agent stopped for the open turn.
    pub fn set_interrupted_agent(&mut self) {
        if let Some(open) = &mut self.open {
            open.interrupted_agent = true;
        }
    }

    /// The speech that goes on now sounds like a backchannel, until it goes on too long for one.
    pub fn set_hummed(&mut self, hummed: bool) {
        if let Some(open) = &mut self.open {
            open.hummed = hummed;
        }
    }

    /// The speech that goes on now is our own echo.
    pub fn set_echo(&mut self) {
        if let Some(open) = &mut self.open {
            open.echo = open.voiced_samples == 0 || open.echo;
        }
    }

    /// The speech that goes on now is not meant to interrupt: it is an echo, or says "go on".
    pub fn may_not_interrupt(&mut self) {
        if let Some(Open { voice: Voice::Speaking { may_interrupt, .. }, .. }) = &mut self.open {
            *may_interrupt = false;
        }
    }

    /// Ends the turn at `at`: what comes is a new one. A caller still speaking is in the next turn at once, unable to
    /// interrupt until the next edge.
    pub fn take(&mut self, at: MediaTime) -> Option<CallerTurn> {
        let open = self.open.take()?;
        let (ended, voiced) = match open.voice {
            Voice::Paused { last, .. } => (last, open.voiced_samples),
            Voice::Speaking { onset, .. } => {
                self.open = Some(Open {
                    began: at,
                    voiced_samples: 0,
                    voice: Voice::Speaking { onset: at, may_interrupt: false },
                    interrupted_agent: false,
                    echo: open.echo,
                    over: false,
                    hummed: false,
                    pauses: 0,
                    stretch_ms: 0,
                });
                (at.max(onset), open.voiced_samples + at.samples().saturating_sub(onset.samples()))
            }
        };
        let turn = CallerTurn {
            began: open.began,
            ended,
            voiced_ms: MediaTime::from_samples(voiced).ms(),
            text: std::mem::take(&mut self.text),
            confidence: self.confidence,
            interrupted_agent: open.interrupted_agent,
            echo: open.echo,
            over: open.over,
            hummed: open.hummed,
        };
        self.forget_words();
        self.since = Some(at);
        Some(turn)
    }

    /// Drops the open turn and its words.
    pub fn clear(&mut self, at: MediaTime) {
        self.open = None;
        self.forget_words();
        self.since = Some(at);
    }

    fn forget_words(&mut self) {
        self.voice = None;
        self.model = None;
        self.stirred = None;
        self.text.clear();
        self.confidence = 0.0;
        self.final_covers = None;
        self.covers = None;
        self.said = Said::default();
    }
}

/// Words, or characters where they are not set apart.
pub(crate) fn word_count(text: &str) -> usize {
    text.split_whitespace().map(|word| if word.is_ascii() { 1 } else { word.chars().count() }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    fn hypothesis(kind: HypothesisKind, text: &str, covers: u64) -> Hypothesis {
        Hypothesis { kind, text: text.to_owned(), confidence: 0.9, covers: ms(covers), degraded: false }
    }

    #[test]
    fn a_turn_spans_pauses() {
        let mut hearing = Hearing::new(PauseCurve::of("en"));
        hearing.edge(SpeechEdge::Started { onset: ms(100) }, false);
        hearing.edge(SpeechEdge::Paused { last: ms(400) }, false);
        hearing.edge(SpeechEdge::Started { onset: ms(600) }, false);
        assert!(hearing.hypothesis(&hypothesis(HypothesisKind::Partial, "yes i", 700)));
        assert!(hearing.hypothesis(&hypothesis(HypothesisKind::Final, "yes i do", 900)));
        hearing.edge(SpeechEdge::Paused { last: ms(900) }, false);
        let turn = hearing.take(ms(1_200)).unwrap();
        assert_eq!((turn.began, turn.ended, turn.voiced_ms), (ms(100), ms(900), 600));
        assert_eq!(turn.text, "yes i do");
        assert!(!hearing.is_open());
    }

    #[test]
    fn a_late_hypothesis_is_about_the_turn_before() {
        let mut hearing = Hearing::new(PauseCurve::of("en"));
        hearing.edge(SpeechEdge::Started { onset: ms(100) }, false);
        hearing.edge(SpeechEdge::Paused { last: ms(400) }, false);
        hearing.take(ms(800)).unwrap();
        assert!(!hearing.hypothesis(&hypothesis(HypothesisKind::Final, "yes", 600)));
        assert_eq!(hearing.text(), "");
        assert!(hearing.hypothesis(&hypothesis(HypothesisKind::Partial, "no", 1_000)));
    }

    #[test]
    fn words_belong_to_the_voice_that_they_cover() {
        let mut hearing = Hearing::new(PauseCurve::of("en"));
        hearing.hypothesis(&hypothesis(HypothesisKind::Partial, "uh", 300));
        hearing.edge(SpeechEdge::Started { onset: ms(500) }, false);
        assert_eq!(hearing.text(), "", "heard before anybody spoke");
        assert!(hearing.hypothesis(&hypothesis(HypothesisKind::Partial, "yes please", 800)));
        assert!(!hearing.hypothesis(&hypothesis(HypothesisKind::Stable, "yes", 900)));
        assert_eq!(hearing.text(), "yes please");
    }

    #[test]
    fn a_sound_without_end_is_cut_into_turns_and_interrupts_once() {
        let mut hearing = Hearing::new(PauseCurve::of("en"));
        hearing.edge(SpeechEdge::Started { onset: ms(0) }, false);
        assert_eq!(hearing.interrupting_since(), Some(ms(0)));
        assert_eq!(hearing.take(ms(30_000)).unwrap().voiced_ms, 30_000);
        assert!(hearing.is_open());
        assert_eq!(hearing.interrupting_since(), None);
    }
}
