//! A flow: the states of a conversation, ready to run. Whatever [`Flow::parse`] gives has passed the static check.

use super::emotion::EmotionRule;
use super::facts::FlowFacts;
use super::guard::Guard;
use super::phrase::Pattern;
use super::prompt::{Prompt, Template, value};
use super::selling::{Discover, Kind, Selling};
use super::spoken::Tongue;
use crate::agent::leash::Permits;
use crate::agent::{FlowError, FlowFinding};
use crate::nlu::Scene;
use crate::speech::{AnswerKind, Expectation, FactFinder, Language};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Most lines that one line with slots is rendered as ahead of time.
const MAX_RENDERINGS: usize = 64;

/// A variable that the lines of a flow may name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value where nothing else gives one.
    pub default: Option<String>,
    /// The header of the INVITE that gives its value.
    pub header: Option<String>,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

/// What comes after something was said.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum Outcome {
    #[default]
    /// Nothing: the caller is to speak.
    Stay,
    /// The state's question is put again.
    AskAgain,
    /// What was last said is said again.
    Repeat,
    /// Another state.
    Goto(usize),
    /// Another state, and back here.
    Call(usize),
    /// Back to where this was called from.
    Return,
    /// Somebody else takes the call.
    Transfer(Template),
    /// The end.
    HangUp,
}

/// Say something, go somewhere.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Step {
    pub say: Option<Prompt>,
    pub then: Outcome,
    pub disposition: Option<String>,
    /// Slots that are filled first.
    pub set: Vec<(String, Template)>,
    /// An offer that is made, by number.
    pub offer: Option<usize>,
    pub line: usize,
}

impl Step {
    /// Says nothing, and this follows.
    pub fn only(then: Outcome, line: usize) -> Self {
        Self { say: None, then, disposition: None, set: Vec::new(), offer: None, line }
    }
}

/// An answer of the caller and what follows.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Rule {
    pub patterns: Vec<Pattern>,
    pub dtmf: Option<String>,
    /// A slot to fill, with its value where that is not the words themselves.
    pub slot: Option<(String, Option<String>)>,
    /// Actions of the classifier that mean the same.
    pub intents: Vec<String>,
    /// Objections that mean the same, by number.
    pub objections: Vec<usize>,
    pub when: Option<Guard>,
    /// The offer that is accepted with it.
    pub accepts: Option<Accepts>,
    /// It goes before everything else.
    pub interrupt: bool,
    /// How it is asked about where it may have been meant.
    pub doubt: Option<Box<Doubt>>,
    pub step: Step,
}

/// An offer that an answer accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepts {
    /// This one, by number.
    This(usize),
    /// The one that was made last.
    Last,
}

/// What may be an interrupt, and the question whether it is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Doubt {
    pub ask: Prompt,
    /// Phrases that may mean it, as written and as they sound.
    pub maybe: Vec<Pattern>,
    pub maybe_sounds: Vec<Pattern>,
    /// Its own phrases as they sound.
    pub sounds: Vec<Pattern>,
}

/// What to do when nothing usable was said.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Retry {
    /// Silence before it, in milliseconds; none is the configuration's.
    pub after_ms: Option<u64>,
    /// What to say; none puts the question again.
    pub say: Option<Prompt>,
    /// How often, before `finally`.
    pub max: u32,
    pub finally: Step,
}

/// Digits to be collected, spoken or pressed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Collect {
    pub slot: String,
    pub min: usize,
    pub max: usize,
    pub end_key: Option<char>,
    pub gap_ms: Option<u64>,
    pub step: Step,
}

/// An answer left to the language model.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct AskModel {
    pub task: Template,
    pub template: Prompt,
}

/// A state of the conversation.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct State {
    pub name: String,
    pub line: usize,
    pub say: Option<Prompt>,
    pub again: Option<Prompt>,
    pub ask: Option<AskModel>,
    pub wait_ms: Option<u64>,
    pub interruptible: bool,
    pub rules: Vec<Rule>,
    /// What is done here about how the caller sounds, instead of what is done in every state.
    pub on_emotion: Vec<EmotionRule>,
    pub collect: Option<Collect>,
    pub no_input: Retry,
    pub no_match: Retry,
    /// Where it goes on without an answer.
    pub next: Option<Step>,
    /// A state that is gone through first; `next` follows when it returns.
    pub call: Option<usize>,
    /// Slots that are filled on entering.
    pub set: Vec<(String, Template)>,
    pub purpose: Kind,
    pub selling: bool,
    pub goal: Option<String>,
    /// What the classifier is told instead of the flow's.
    pub scene: Option<Scene>,
    /// How often its question is put, and what follows then.
    pub max_attempts: Option<u32>,
    pub exhausted: Option<Step>,
    /// Where it leads on entering, the first whose condition holds.
    pub routes: Vec<(Guard, Step)>,
    pub discover: Option<Discover>,
    pub discloses: Vec<String>,
    pub brief: Option<Prompt>,
    /// Questions that the flow does not answer are answered from its facts.
    pub facts: bool,
    /// What the language model may do in it.
    pub tools: Permits,
    pub expectation: Arc<Expectation>,
}

impl State {
    /// The kind of answer that it waits for.
    pub fn kind(&self) -> AnswerKind {
        self.expectation.kind
    }
}

/// A conversation, as its author wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct Flow {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) language: Language,
    /// With its line.
    pub(crate) voice: Option<(String, usize)>,
    pub(crate) start: usize,
    pub(crate) max_turns: u32,
    pub(crate) min_confidence: Option<f32>,
    pub(crate) variables: Vec<Variable>,
    /// What is said while an answer is late: wordings that take turns; none in languages without.
    pub(crate) fillers: Prompt,
    pub(crate) fallback: Step,
    pub(crate) engine_down: Step,
    /// Time for a key after the `engine_down` line; 0: none.
    pub(crate) engine_down_wait_ms: u64,
    pub(crate) too_many_turns: Step,
    pub(crate) transfer_failed: Step,
    pub(crate) globals: Vec<Rule>,
    /// What is done about how the caller sounds, in every state.
    pub(crate) on_emotion: Vec<EmotionRule>,
    /// The values that a slot can take, where they are listed.
    pub(crate) slot_values: BTreeMap<String, Vec<String>>,
    pub(crate) states: Vec<State>,
    pub(crate) selling: Selling,
    pub(crate) facts: FlowFacts,
    /// What was found while reading; no errors.
    pub(crate) warnings: Vec<FlowFinding>,
}

impl Flow {
    /// Reads a flow from a file.
    ///
    /// # Errors
    /// [`FlowError::Read`], and as [`Flow::parse`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FlowError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse_with(&text, &file, &|path| std::fs::read_to_string(path)),
            Err(source) => Err(FlowError::Read { file, source }),
        }
    }

    /// As [`Flow::parse`], with what it includes: `read` is given the path of an included file, which is its path from
    /// `file_name`'s folder.
    ///
    /// # Errors
    /// As [`Flow::parse`], and an error at the line of an include that cannot be read.
    pub fn parse_with(
        text: &str,
        file_name: &str,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Self, FlowError> {
        super::parse::parse(text, file_name, read)
    }

    /// Reads a flow from TOML. `file_name` is named in findings, and its stem is the flow's name where it has none.
    ///
    /// # Errors
    /// [`FlowError::Syntax`] where it is no TOML or has unknown keys; [`FlowError::Invalid`] with all findings where it is
    /// no conversation: a dead end, a state that cannot be reached, an unknown name, two answers for the same words.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, FlowError> {
        let none = |_: &Path| Err(std::io::Error::other("this flow is not read from a folder"));
        super::parse::parse(text, file_name, &none)
    }

    /// What its author will want to know, by line. Warnings only: errors kept [`Flow::parse`] from giving a flow.
    pub fn check(&self) -> Vec<FlowFinding> {
        self.warnings.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The author's version of it; 0 where it has none.
    pub fn version(&self) -> u32 {
        self.selling.version
    }

    /// The file that it was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The language that is spoken in it.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// The synthesiser's name of the voice; none is the configuration's.
    pub fn voice(&self) -> Option<&str> {
        self.voice.as_ref().map(|(voice, _)| voice.as_str())
    }

    /// The line of the file that names the voice, from 1.
    pub fn voice_line(&self) -> Option<usize> {
        self.voice.as_ref().map(|(_, line)| *line)
    }

    /// The folder with its facts, as it stands in the file, and its line.
    pub fn knowledge(&self) -> Option<(&str, usize)> {
        self.facts.folder.as_ref().map(|(folder, line)| (folder.as_str(), *line))
    }

    /// The name of a state, by number.
    pub(crate) fn state_named(&self, number: usize) -> Option<&str> {
        self.states.get(number).map(|state| state.name.as_str())
    }

    /// The names in a text of a fact that are no variables of this flow: nothing would be said in their places.
    pub fn unfilled(&self, text: &str) -> Vec<String> {
        let known = |name: &str| self.variables.iter().any(|variable| variable.name == name);
        // A brace that is none of ours is said as it stands.
        let Ok(template) = Template::parse(text) else { return Vec::new() };
        template.names().filter(|name| !known(name)).map(str::to_owned).collect()
    }

    /// The product that its facts must be about, where it names one.
    pub fn product(&self) -> Option<&str> {
        self.facts.product.as_deref()
    }

    /// The flow with its facts at hand: from now on it answers questions from them.
    #[must_use]
    pub fn with_facts(mut self, finder: Arc<dyn FactFinder>) -> Self {
        self.facts.set_finder(finder);
        self
    }

    /// The variables that its lines may name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The names of its states, in the order of the file.
    pub fn state_names(&self) -> impl Iterator<Item = &str> {
        self.states.iter().map(|state| state.name.as_str())
    }

    /// The values of the declared variables for one call: the lead's where it has one, else that of the INVITE's header,
    /// else the default. Values from outside are stripped of control characters and bounded.
    pub fn values(
        &self,
        lead: &BTreeMap<String, String>,
        header: impl Fn(&str) -> Option<String>,
    ) -> BTreeMap<String, String> {
        let of = |variable: &Variable| {
            let from_header = || variable.header.as_deref().and_then(&header).filter(|text| !text.trim().is_empty());
            lead.get(&variable.name).cloned().or_else(from_header).or_else(|| variable.default.clone())
        };
        self.variables
            .iter()
            .map(|variable| (variable.name.clone(), value(&of(variable).unwrap_or_default())))
            .collect()
    }

    /// Everything that a recogniser may be asked to expect, each once: to be prepared before the first call.
    pub fn expectations(&self) -> Vec<Arc<Expectation>> {
        let mut all: Vec<Arc<Expectation>> = Vec::new();
        for state in self.states.iter().filter(|state| state.next.is_none()) {
            if !all.iter().any(|known| **known == *state.expectation) {
                all.push(Arc::clone(&state.expectation));
            }
        }
        all
    }

    /// The lines that are known before a call, with these values for the variables (defaults for the others) and every value
    /// that their slots can take, each once: to be synthesised ahead. The fallback line is the first.
    pub fn fixed_lines(&self, variables: &BTreeMap<String, String>) -> Vec<String> {
        let known: BTreeMap<String, String> = self.values(variables, |_| None);
        let mut seen = BTreeSet::new();
        self.prompts()
            .flat_map(Prompt::templates)
            .flat_map(|template| self.renderings(template, &known))
            .filter(|line| !line.is_empty() && seen.insert(line.clone()))
            .collect()
    }

    /// A line with every value that its slots can take; none where they can take any, or too many.
    fn renderings(&self, template: &Template, known: &BTreeMap<String, String>) -> Vec<String> {
        let mut all: Vec<BTreeMap<&str, &str>> = vec![BTreeMap::new()];
        for name in template.names().filter(|name| !known.contains_key(*name)) {
            let Some(values) = self.slot_values.get(name) else { return Vec::new() };
            if all.len() * values.len() > MAX_RENDERINGS {
                return Vec::new();
            }
            all = all
                .iter()
                .flat_map(|chosen| {
                    values.iter().map(move |value| {
                        let mut chosen = chosen.clone();
                        chosen.insert(name, value);
                        chosen
                    })
                })
                .collect();
        }
        let render = |chosen: &BTreeMap<&str, &str>| {
            template
                .render(self.tongue(), |name| known.get(name).map(String::as_str).or_else(|| chosen.get(name).copied()))
        };
        all.iter().map(render).collect()
    }

    /// How its language is spoken.
    pub(crate) fn tongue(&self) -> Tongue {
        Tongue::of(&self.language)
    }

    /// Every prompt, first those that are needed when something else fails.
    pub(crate) fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        let states = self.states.iter().flat_map(|state| {
            let own = [state.say.as_ref(), state.again.as_ref(), state.ask.as_ref().map(|ask| &ask.template)];
            own.into_iter()
                .chain([state.brief.as_ref()])
                .chain(state.steps().map(|step| step.say.as_ref()))
                .chain([state.no_input.say.as_ref(), state.no_match.say.as_ref()])
        });
        let endings = [&self.fallback, &self.engine_down, &self.too_many_turns, &self.transfer_failed];
        let globals = self.globals.iter().map(|rule| &rule.step).chain(&self.selling.closing);
        let emotion = self.on_emotion.iter().map(|rule| &rule.step);
        let needs = self.selling.needs.iter();
        let needs =
            needs.flat_map(|need| [Some(&need.ask), need.ack.as_ref(), need.both.as_ref().map(|both| &both.ask)]);
        let doubts = self.globals.iter().filter_map(|rule| Some(&rule.doubt.as_ref()?.ask)).map(Some);
        let objections = self.selling.objections.all.iter().flat_map(|objection| {
            let steps = [Some(&objection.resolved), objection.exhausted.as_ref()];
            let steps = steps.into_iter().chain(objection.agreed.values().map(Some));
            let said = steps.map(|step| step.and_then(|step| step.say.as_ref()));
            [Some(&objection.rebuttals), objection.follow_up.as_ref()].into_iter().chain(said)
        });
        let offers = self.selling.offers.iter().map(|offer| Some(&offer.say));
        endings
            .into_iter()
            .map(|step| step.say.as_ref())
            .chain([Some(&self.fillers)])
            .chain(states)
            .chain(globals.chain(emotion).map(|step| step.say.as_ref()))
            .chain(needs)
            .chain(doubts)
            .chain(objections)
            .chain([self.selling.objections.heard.as_ref()])
            .chain(offers)
            .chain([self.facts.folder.as_ref().map(|_| &self.facts.unknown)])
            .flatten()
    }
}

impl State {
    /// It only leads on.
    pub(crate) fn is_crossroads(&self) -> bool {
        let offers = self.next.as_ref().is_some_and(|next| next.offer.is_some());
        !self.routes.is_empty() || self.call.is_some() || offers
    }

    /// All its steps, those of giving up included.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        let emotion = self.on_emotion.iter().map(|rule| &rule.step);
        self.answers().chain(emotion).chain([&self.no_input.finally, &self.no_match.finally]).chain(&self.exhausted)
    }

    /// The steps that an answer leads to, or that need none.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &Step> {
        let rules = self.rules.iter().map(|rule| &rule.step);
        let routes = self.routes.iter().map(|(_, step)| step);
        let done = self.discover.iter().map(|discover| &discover.done);
        rules.chain(self.collect.iter().map(|collect| &collect.step)).chain(routes).chain(done).chain(self.next.iter())
    }
}

#[cfg(test)]
mod tests;
