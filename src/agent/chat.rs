//! A conversation in writing: the flow without sound and time. For authors who try a flow out, for tests, and for whole sales
//! calls by the thousand.

use super::dialogue::{Dialogue, End, Flow, Keys, Memory, Response, Sentences, Task, request, words};
use super::mood::{Mood, TurnFacts};
use super::obeying::{filter, tool_record};
use super::{AgentEvent, AgentPlan, TurnConfig};
use crate::audio::MediaTime;
use crate::record::{EndReason, MoodKind, TurnNotes};
use crate::speech::{ChatRequest, Emotion, EmotionLabel, Role, VoiceChange};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the agent does in a written conversation, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatOutput {
    /// Something for the record: a state, a slot, what was understood.
    Event(AgentEvent),
    /// It says this.
    Line {
        /// The words.
        text: String,
        /// What it is in the conversation.
        notes: Box<TurnNotes>,
    },
    /// It asks the language model. Answer with [`Chat::answer`].
    Ask(ChatRequest),
    /// It hands the caller over.
    Transfer {
        /// To whom.
        target: String,
    },
    /// It hangs up.
    End(EndReason),
}

/// One conversation in writing. Every line counts as heard to its end.
#[derive(Clone, Debug)]
pub struct Chat {
    dialogue: Dialogue,
    memory: Memory,
    task: Option<Task>,
    max_tokens: u32,
    max_sentences: usize,
    ended: bool,
    mood: Mood,
    /// How the caller's voice is said to sound.
    sounds: Option<(MoodKind, f32)>,
}

/// How long a written word would take to say, in milliseconds; a Chinese character is one.
const WORD_MS: u64 = 330;
/// How much of a voice is made up that is said to sound so, in milliseconds.
const HEARD_MS: u32 = 1_000;

impl Chat {
    /// A conversation that has not begun.
    pub fn new(flow: Arc<Flow>, plan: AgentPlan, config: &TurnConfig) -> Self {
        Self {
            dialogue: Dialogue::new(flow, plan, config.min_confidence),
            memory: Memory::default(),
            task: None,
            max_tokens: config.max_tokens,
            max_sentences: config.max_sentences,
            ended: false,
            mood: Mood::new(config.mood.clone()),
            sounds: None,
        }
    }

    /// From the next turn on the caller is like this, as likely as that, 0 to 1; it replaces what was said before. For authors
    /// who try rules out: a written conversation has no voice. Impatience is on from `turn.mood.on`, whatever the words say.
    pub fn feel(&mut self, kind: MoodKind, likely: f32) {
        let likely = likely.clamp(0.0, 1.0);
        self.mood.presume((kind == MoodKind::Impatient).then_some(likely));
        self.sounds = (kind != MoodKind::Impatient).then_some((kind, likely));
    }

    /// What a turn's words say of the caller's patience, and what was said of the voice by hand.
    fn sounded(&mut self, text: &str) {
        let at = MediaTime::ZERO;
        if let Some((kind, likely)) = self.sounds {
            let (label, anger) = match kind {
                MoodKind::Angry => (EmotionLabel::Anger, likely),
                MoodKind::Distressed => (EmotionLabel::Sadness, 0.0),
                MoodKind::Happy => (EmotionLabel::Happiness, 0.0),
                MoodKind::Impatient => (EmotionLabel::Neutral, 0.0),
            };
            let (arousal, valence, voice) = (0.5, 0.5, VoiceChange::default());
            let probability = likely;
            self.mood.heard(Emotion {
                at,
                heard_ms: HEARD_MS,
                label,
                probability,
                arousal,
                valence,
                anger,
                voice,
                turn_final: true,
            });
        }
        let voiced_ms = words(text).len() as u64 * WORD_MS;
        let facts = TurnFacts { text: text.to_owned(), kind: self.dialogue.kind(), voiced_ms, ..TurnFacts::default() };
        if let Some((_, switches)) = self.mood.turn(at, &facts) {
            self.dialogue.feel(self.mood.feeling(), switches, at);
        }
    }

    /// The caller is on the line.
    pub fn start(&mut self) -> Vec<ChatOutput> {
        let response = self.dialogue.start();
        self.carry_out(response)
    }

    /// The caller says this. While the language model is asked, its ready answer is taken first.
    pub fn say(&mut self, text: &str) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        if self.ended {
            return outputs;
        }
        self.memory.keep(Role::User, text);
        self.sounded(text);
        let response = self.dialogue.heard(text, 1.0);
        outputs.extend(self.carry_out(response));
        outputs
    }

    /// The caller says nothing for a while.
    pub fn silence(&mut self) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        if !self.ended {
            // Digits that came so far are all that come.
            let entering = self.dialogue.entering();
            let response = if entering { self.dialogue.entry_over() } else { self.dialogue.silence() };
            outputs.extend(self.carry_out(response));
        }
        outputs
    }

    /// The caller hangs up.
    pub fn hang_up(&mut self) -> Vec<ChatOutput> {
        self.ended = true;
        self.dialogue.book_doubt().into_iter().map(ChatOutput::Event).collect()
    }

    /// The caller presses keys and waits.
    pub fn press(&mut self, keys: &str) -> Vec<ChatOutput> {
        let mut outputs = self.answer(None);
        for key in keys.chars().take(64) {
            if self.ended {
                return outputs;
            }
            if let Keys::Answer(response) = self.dialogue.key(key) {
                outputs.extend(self.carry_out(*response));
            }
        }
        if self.dialogue.entering() && !self.ended {
            let response = self.dialogue.entry_over();
            outputs.extend(self.carry_out(response));
        }
        outputs
    }

    /// The language model's answer; none: the one that the flow has ready. Nothing where it was not asked.
    pub fn answer(&mut self, text: Option<&str>) -> Vec<ChatOutput> {
        let Some(task) = self.task.take() else { return Vec::new() };
        let offers = self.dialogue.offer_terms(&task.permits);
        let filter = filter(&self.dialogue, &task, &offers);
        let mut sentences = Sentences::default();
        let mut given = sentences.push(text.unwrap_or_default());
        given.extend(sentences.finish());
        let mut outputs = Vec::new();
        let mut lines = Vec::new();
        let most = self.dialogue.most_sentences().map_or(self.max_sentences, |most| most.min(self.max_sentences));
        for sentence in given.into_iter().take(most) {
            if let Some(why) = filter.refuses(&sentence) {
                self.dialogue.want_nothing();
                outputs.push(ChatOutput::Event(AgentEvent::Unsaid { why }));
                break;
            }
            lines.push(self.dialogue.flow().tongue().text(&sentence));
        }
        let notes = task.notes();
        if lines.is_empty() && !task.template.is_empty() {
            lines.push(task.template);
        }
        for text in lines {
            self.dialogue.note_said(&text);
            self.memory.keep(Role::Assistant, &text);
            outputs.push(ChatOutput::Line { text, notes: Box::new(notes.clone()) });
        }
        let response = self.dialogue.answered();
        outputs.extend(self.carry_out(response));
        outputs
    }

    /// The language model calls a tool, before its answer is given.
    pub fn tool(&mut self, name: &str, arguments: &serde_json::Value) -> Vec<ChatOutput> {
        let Some(task) = &self.task else { return Vec::new() };
        let permits = task.permits.clone();
        let (mut outputs, verdict) = match self.dialogue.obey(&permits, name, arguments) {
            Ok(response) => (self.carry_out(response), "done"),
            Err(refusal) => (Vec::new(), refusal.label()),
        };
        let record = tool_record(name, self.dialogue.state_name(), verdict);
        outputs.push(ChatOutput::Event(AgentEvent::Tool(record)));
        outputs
    }

    /// The flow's state.
    pub fn state_name(&self) -> &str {
        self.dialogue.state_name()
    }

    /// The slots filled so far.
    pub fn slots(&self) -> &BTreeMap<String, String> {
        self.dialogue.slots()
    }

    /// The disposition set so far.
    pub fn disposition(&self) -> Option<&str> {
        self.dialogue.disposition()
    }

    /// The conversation is over.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn carry_out(&mut self, response: Response) -> Vec<ChatOutput> {
        let Response { events, lines, task, end, .. } = response;
        let mut outputs: Vec<ChatOutput> = events.into_iter().map(ChatOutput::Event).collect();
        let moods = self.dialogue.felt(MediaTime::ZERO);
        outputs.extend(moods.into_iter().map(|switch| ChatOutput::Event(AgentEvent::Mood(switch))));
        for line in lines {
            if let Some(state) = line.discloses {
                self.dialogue.disclosed(state);
            }
            if line.question {
                self.dialogue.set_asked();
            }
            self.memory.keep(Role::Assistant, &line.text);
            outputs.push(ChatOutput::Line { text: line.text, notes: line.notes });
        }
        if let Some(task) = task {
            let offers = self.dialogue.offer_terms(&task.permits);
            let data = self.dialogue.data();
            let what = request(
                self.dialogue.flow(),
                &task,
                &offers,
                &data,
                &self.memory,
                self.max_tokens,
                self.mood.in_words(),
            );
            self.task = Some(task);
            outputs.push(ChatOutput::Ask(what));
        }
        if end.is_some() {
            outputs.extend(self.dialogue.book_doubt().into_iter().map(ChatOutput::Event));
        }
        match end {
            Some(End::Transfer { target }) => {
                self.ended = true;
                outputs.push(ChatOutput::Transfer { target });
            }
            Some(End::HangUp(reason)) => {
                self.ended = true;
                outputs.push(ChatOutput::End(reason));
            }
            None => {}
        }
        outputs
    }
}
