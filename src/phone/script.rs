//! What the caller does and when: a pure state machine, told the time and what of the agent can be heard.

use super::audible::Spurt;
use super::utterance::Utterance;
use std::sync::Arc;
use std::time::Duration;

/// How long the caller waits for an answer before going on without one.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How long the agent must be silent after the last step before the caller hangs up.
pub const LINGER: Duration = Duration::from_millis(1500);
/// An agent that was audible this recently is speaking.
const SPEAKING: Duration = Duration::from_millis(80);

/// When a step is due. All count from the end of the step before, or from the answer of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// The agent has spoken and has then been silent for so long. Without an answer, after the script's patience.
    AgentSilent(Duration),
    /// The agent started to speak so long ago, and is speaking: an interruption. When its line was shorter than that,
    /// the step comes as after a silence of the same length; it then interrupts nothing, and is measured as what it is.
    AgentSpeaking(Duration),
    /// So much time has passed, whatever the agent does.
    Elapsed(Duration),
}

impl Trigger {
    /// The default: the agent has been silent for 600 ms after having spoken.
    pub const POLITE: Self = Self::AgentSilent(Duration::from_millis(600));
}

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// Says something.
    Say(Arc<Utterance>),
    /// Makes a sound without wanting the floor.
    Aside(Arc<Utterance>, Aside),
    /// Presses keys: `0`-`9`, `*`, `#`, `A`-`D`.
    Press(String),
}

/// A sound that takes no turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aside {
    /// Words that tell the agent to go on.
    Backchannel,
    /// A cough, a door.
    Noise,
}

impl Aside {
    /// As in the report.
    pub fn label(self) -> &'static str {
        match self {
            Self::Backchannel => "backchannel",
            Self::Noise => "noise",
        }
    }
}

/// One thing that the caller does.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub act: Act,
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cue {
    /// Begin this step, by its index. Report its end to [`Script::done`].
    Begin(usize),
    /// The conversation is over: hang up.
    HangUp,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting,
    Acting,
    /// Acting, but what was waited for is still waited for behind it.
    Aside,
    Over,
}

/// A caller's part of a conversation.
#[derive(Clone, Debug)]
pub struct Script {
    steps: Vec<Step>,
    next: usize,
    state: State,
    patience: Duration,
    linger: Duration,
    /// The step before: from when to when it lasted.
    began: Duration,
    ended: Duration,
    /// Start of the first agent speech that is an answer to the step before.
    reply: Option<Duration>,
}

impl Script {
    /// A script for a call that is answered at time zero of [`poll`](Self::poll), unless [`answered`](Self::answered) says later.
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            steps,
            next: 0,
            state: State::Waiting,
            patience: PATIENCE,
            linger: LINGER,
            began: Duration::ZERO,
            ended: Duration::ZERO,
            reply: None,
        }
    }

    /// The same with another [`PATIENCE`].
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same with another [`LINGER`].
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// The call was answered at `at`: what is waited for counts from there.
    pub fn answered(&mut self, at: Duration) {
        self.began = at;
        self.ended = at;
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Asks what is to be done at `now`, given the latest spurt of the agent. Both count from the telephone's origin.
    pub fn poll(&mut self, now: Duration, agent: Option<Spurt>) -> Option<Cue> {
        if !matches!(self.state, State::Waiting) {
            return None;
        }
        // Speech that goes on from before the step is no answer to it: that is the agent being interrupted.
        if let Some(spurt) = agent
            && self.reply.is_none()
            && spurt.began >= self.began
            && spurt.ended >= self.ended
        {
            self.reply = Some(spurt.began);
        }
        let quiet_since = agent.map_or(self.ended, |spurt| spurt.ended.max(self.ended));
        let quiet = now.saturating_sub(quiet_since);
        let out_of_patience = quiet >= self.patience;
        let answered_and_silent = |wanted: Duration| (self.reply.is_some() && quiet >= wanted) || out_of_patience;
        let due = match self.steps.get(self.next).map(|step| step.trigger) {
            Some(Trigger::AgentSilent(wanted)) => answered_and_silent(wanted),
            Some(Trigger::AgentSpeaking(into)) => match self.reply {
                Some(began) if quiet < SPEAKING => now >= began + into,
                _ => answered_and_silent(into.max(Duration::from_millis(600))),
            },
            Some(Trigger::Elapsed(wanted)) => now.saturating_sub(self.ended) >= wanted,
            None if answered_and_silent(self.linger) => {
                self.state = State::Over;
                return Some(Cue::HangUp);
            }
            None => false,
        };
        if !due {
            return None;
        }
        if matches!(self.steps.get(self.next).map(|step| &step.act), Some(Act::Aside(..))) {
            self.state = State::Aside;
        } else {
            self.state = State::Acting;
            self.began = now;
        }
        self.next += 1;
        Some(Cue::Begin(self.next - 1))
    }

    /// The step begun last has ended: its last speech sample or event packet was sent at `at`.
    pub fn done(&mut self, at: Duration) {
        match self.state {
            State::Acting => {
                self.state = State::Waiting;
                self.ended = at;
                self.reply = None;
            }
            State::Aside => self.state = State::Waiting,
            State::Waiting | State::Over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn say(trigger: Trigger) -> Step {
        let samples = (0..1600).map(|i| if i % 16 < 8 { 8000 } else { -8000 }).collect();
        Step { trigger, act: Act::Say(Arc::new(Utterance::annotate(samples, "test", None).unwrap())) }
    }

    /// Runs a script in virtual time: each step lasts `step_ms`; the agent speaks as `agent` says. Returns the cues.
    fn run(script: &mut Script, step_ms: u64, agent: &[(u64, u64)], until_ms: u64) -> Vec<(u64, Cue)> {
        let mut cues = Vec::new();
        let mut acting = None;
        for now in (0..until_ms).step_by(20) {
            if acting.is_some_and(|end| now >= end) {
                script.done(ms(now));
                acting = None;
            }
            let spurt = agent
                .iter()
                .rev()
                .find(|(began, _)| *began <= now)
                .map(|&(began, ended)| Spurt { began: ms(began), ended: ms(ended.min(now)) });
            if let Some(cue) = script.poll(ms(now), spurt) {
                cues.push((now, cue));
                if matches!(cue, Cue::Begin(_)) {
                    acting = Some(now + step_ms);
                }
            }
        }
        cues
    }

    #[test]
    fn speaks_after_the_agent_fell_silent_and_hangs_up_at_the_end() {
        let mut script = Script::new(vec![say(Trigger::POLITE), say(Trigger::POLITE)]);
        // Greeting to 2000; first step at 2600 lasts to 3600; answer 4000-5000; second at 5600 to 6600; answer 7000-8000.
        let cues = run(&mut script, 1000, &[(300, 2000), (4000, 5000), (7000, 8000)], 20_000);
        assert_eq!(cues, [(2600, Cue::Begin(0)), (5600, Cue::Begin(1)), (9500, Cue::HangUp)]);
    }

    #[test]
    fn pauses_of_the_agent_shorter_than_the_trigger_do_not_count() {
        let mut script = Script::new(vec![say(Trigger::POLITE)]);
        let cues = run(&mut script, 500, &[(300, 1000), (1500, 2500)], 3200);
        assert_eq!(cues, [(3100, Cue::Begin(0))]);
    }

    #[test]
    fn interrupts_the_agent_and_waits_for_an_answer_to_the_interruption() {
        let mut script = Script::new(vec![say(Trigger::AgentSpeaking(ms(800))), say(Trigger::POLITE)]);
        // Greeting from 300 would last; the interruption at 1100 lasts 200 ms; the agent is audible until 1400: no answer yet.
        let cues = run(&mut script, 200, &[(300, 1400), (2400, 3000)], 5000);
        assert_eq!(cues, [(1100, Cue::Begin(0)), (3600, Cue::Begin(1))]);
    }

    #[test]
    fn an_interruption_of_a_short_line_comes_after_it() {
        let mut script = Script::new(vec![say(Trigger::AgentSpeaking(ms(800)))]);
        let cues = run(&mut script, 200, &[(300, 700)], 3000);
        assert_eq!(cues, [(1500, Cue::Begin(0))]);
    }

    #[test]
    fn an_agent_that_cut_the_caller_off_and_speaks_on_has_answered() {
        let mut script = Script::new(vec![say(Trigger::POLITE), say(Trigger::POLITE)]);
        // The first step lasts 1600..3600; the agent starts into it at 2800 and goes on until 4400.
        let cues = run(&mut script, 2000, &[(300, 1000), (2800, 4400)], 6000);
        assert_eq!(cues, [(1600, Cue::Begin(0)), (5000, Cue::Begin(1))]);
    }

    #[test]
    fn patience_ends_without_an_answer() {
        let mut script = Script::new(vec![say(Trigger::POLITE)]).with_patience(ms(3000));
        assert_eq!(run(&mut script, 1000, &[], 20_000), [(3000, Cue::Begin(0)), (7000, Cue::HangUp)]);
    }

    #[test]
    fn behind_an_aside_the_same_answer_is_waited_for() {
        let mut aside = say(Trigger::AgentSpeaking(ms(400)));
        let Act::Say(utterance) = aside.act else { panic!() };
        aside.act = Act::Aside(utterance, Aside::Backchannel);
        let mut script = Script::new(vec![say(Trigger::POLITE), aside, say(Trigger::POLITE)]);
        // The answer to the first step lasts from 3000 to 5000; the aside falls into it.
        let cues = run(&mut script, 300, &[(300, 1000), (3000, 5000)], 8000);
        assert_eq!(cues, [(1600, Cue::Begin(0)), (3400, Cue::Begin(1)), (5600, Cue::Begin(2))]);
    }

    #[test]
    fn a_fixed_time_waits_for_nobody() {
        let step = Step { trigger: Trigger::Elapsed(ms(400)), act: Act::Press("12#".into()) };
        let mut script = Script::new(vec![step]);
        assert_eq!(run(&mut script, 100, &[(0, 9000)], 1000), [(400, Cue::Begin(0))]);
    }
}
