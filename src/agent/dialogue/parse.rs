//! From a flow file to a [`Flow`], with every mistake named at its line.

use super::check::check;
use super::document::{EndingDoc, FlowDoc, RetryDoc, StateDoc, StepDoc, Texts};
use super::flow::{AskModel, Flow, Outcome, Retry, Rule, State, Step, Variable};
use super::numbers::NUMBER_WORDS;
use super::phrase::SlotLists;
use super::prompt::{Prompt, Template};
use super::words::tokens;
use crate::agent::{FlowError, FlowFinding, Severity};
use crate::speech::{AnswerKind, Expectation, Language};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use toml::Spanned;

const MAX_TURNS: u32 = 40;

/// See [`Flow::parse`].
pub(super) fn parse(text: &str, file: &str) -> Result<Flow, FlowError> {
    let document: FlowDoc = toml::from_str(text).map_err(|error| syntax(text, file, &error))?;
    let mut reader = Reader {
        file: file.to_owned(),
        breaks: text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect(),
        findings: Vec::new(),
        states: BTreeMap::new(),
        sets: BTreeMap::new(),
        lists: SlotLists::new(),
        used: BTreeSet::new(),
        prompts: 0,
    };
    let flow = reader.flow(document);
    let mut findings = reader.findings;
    if let Some(flow) = &flow {
        findings.extend(check(flow));
    }
    findings.sort_by(|a, b| (a.line, b.severity, &a.what).cmp(&(b.line, a.severity, &b.what)));
    findings.dedup();
    match flow {
        Some(flow) if findings.iter().all(|finding| finding.severity == Severity::Warning) => {
            Ok(Flow { warnings: findings, ..flow })
        }
        _ => Err(FlowError::Invalid { findings }),
    }
}

fn syntax(text: &str, file: &str, error: &toml::de::Error) -> FlowError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    FlowError::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        what: error.message().trim().replace('\n', "; "),
    }
}

pub(super) struct Reader {
    file: String,
    breaks: Vec<usize>,
    findings: Vec<FlowFinding>,
    /// State names and their places in the flow.
    states: BTreeMap<String, usize>,
    /// The named sets of phrases.
    pub(super) sets: BTreeMap<String, Vec<Spanned<String>>>,
    pub(super) lists: SlotLists,
    /// Sets that a rule named.
    pub(super) used: BTreeSet<String>,
    prompts: usize,
}

/// The keys of a step, wherever they stand.
#[derive(Default)]
pub(super) struct StepKeys {
    pub say: Option<Spanned<Texts>>,
    pub goto: Option<Spanned<String>>,
    pub transfer: Option<Spanned<String>>,
    pub hang_up: bool,
    pub stay: bool,
    pub repeat: bool,
    pub disposition: Option<String>,
}

impl From<StepDoc> for StepKeys {
    fn from(doc: StepDoc) -> Self {
        let StepDoc { say, goto, transfer, hang_up, stay, repeat, disposition } = doc;
        Self { say, goto, transfer, hang_up, stay, repeat, disposition }
    }
}

impl Reader {
    pub(super) fn line(&self, span: Range<usize>) -> usize {
        self.breaks.partition_point(|at| *at < span.start) + 1
    }

    pub(super) fn error(&mut self, line: usize, what: impl Into<String>) {
        let (file, what) = (self.file.clone(), what.into());
        self.findings.push(FlowFinding { file, line, severity: Severity::Error, what });
    }

    pub(super) fn warning(&mut self, line: usize, what: impl Into<String>) {
        let (file, what) = (self.file.clone(), what.into());
        self.findings.push(FlowFinding { file, line, severity: Severity::Warning, what });
    }

    fn flow(&mut self, doc: FlowDoc) -> Option<Flow> {
        // In the order of the file, not of the alphabet.
        let mut states: Vec<_> = doc.state.into_iter().collect();
        states.sort_by_key(|(name, _)| name.span().start);
        self.states = states.iter().enumerate().map(|(at, (name, _))| (name.get_ref().clone(), at)).collect();
        if states.is_empty() {
            self.error(1, "a flow needs at least one state: add [state.NAME] with 'say'");
            return None;
        }
        for (name, phrases) in doc.phrases {
            self.sets.insert(name.into_inner(), phrases);
        }
        for (name, values) in doc.slots {
            let list: Vec<_> = values
                .iter()
                .map(|v| (tokens(v.get_ref()), v.get_ref().clone()))
                .filter(|(w, _)| !w.is_empty())
                .collect();
            if list.is_empty() {
                let line = self.line(name.span());
                self.error(line, format!("the list of slot '{}' is empty: add values, or drop it", name.get_ref()));
            }
            self.lists.insert(name.into_inner(), list);
        }
        let mut variables: Vec<_> = doc
            .variables
            .into_iter()
            .map(|(name, variable)| Variable {
                line: self.line(name.span()),
                name: name.into_inner(),
                default: variable.default,
                header: variable.header,
            })
            .collect();
        variables.sort_by_key(|variable| variable.line);

        let start = self.start(doc.start, states.first().map(|(name, _)| name.get_ref().as_str()));
        let max_turns = match doc.max_turns {
            Some(max) if *max.get_ref() == 0 => {
                let line = self.line(max.span());
                self.error(line, "max_turns is 0: the caller must have at least one turn");
                1
            }
            max => max.map_or(MAX_TURNS, Spanned::into_inner),
        };
        if let Some(min) = &doc.min_confidence
            && !(0.0..=1.0).contains(min.get_ref())
        {
            let line = self.line(min.span());
            self.error(line, "min_confidence is outside 0 to 1");
        }
        let fallback = match doc.fallback {
            Some(fallback) => self.ending(fallback, None).0,
            None => {
                self.error(1, "there is no [fallback]: add one with a line to 'say' when nothing works, and 'transfer' if somebody can take the call");
                Step { say: None, then: Outcome::HangUp, disposition: None, line: 1 }
            }
        };
        if fallback.say.is_none() && fallback.line > 1 {
            self.error(fallback.line, "[fallback] has no 'say': the caller would hear silence");
        }
        let or_fallback = |this: &mut Self, doc: Option<Spanned<EndingDoc>>| match doc {
            Some(doc) => this.ending(doc, Some(&fallback)),
            None => (fallback.clone(), 0),
        };
        let (engine_down, engine_down_wait_ms) = or_fallback(self, doc.engine_down);
        let (too_many_turns, _) = or_fallback(self, doc.too_many_turns);
        let (mut transfer_failed, _) = or_fallback(self, doc.transfer_failed);
        // Whoever could not be reached is not tried a second time.
        transfer_failed.then = Outcome::HangUp;

        let no_input = self.retry(doc.no_input, None, &fallback);
        let no_match = self.retry(doc.no_match, None, &fallback);
        let mut spoken = Vec::new();
        let globals: Vec<Rule> = doc.global.into_iter().map(|rule| self.rule(rule, &mut spoken)).collect();
        let language = Language(doc.language.unwrap_or_else(|| "en".to_owned()));
        let states = states
            .into_iter()
            .map(|(name, state)| {
                let defaults =
                    Defaults { language: &language, no_input: &no_input, no_match: &no_match, spoken: &spoken };
                self.state(name, state, &defaults, &fallback)
            })
            .collect();
        let fillers = match self.prompt(doc.fillers) {
            Some(fillers) => fillers,
            None => {
                let variants = default_fillers(&language).iter().map(|text| self.template(text, 1)).collect();
                self.prompts += 1;
                Prompt { id: self.prompts, line: 1, variants }
            }
        };
        let unused: Vec<_> = self
            .sets
            .iter()
            .filter(|(name, _)| !self.used.contains(*name))
            .map(|(name, phrases)| (name.clone(), phrases.first().map_or(0..0, Spanned::span)))
            .collect();
        for (name, span) in unused {
            let line = self.line(span);
            self.warning(line, format!("no rule uses the phrases '{name}': write \"@{name}\" in a rule's phrases"));
        }
        let stem = std::path::Path::new(&self.file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Some(Flow {
            file: self.file.clone(),
            name: doc.name.or(stem).unwrap_or_else(|| "flow".to_owned()),
            language,
            voice: doc.voice,
            start,
            max_turns,
            min_confidence: doc.min_confidence.map(Spanned::into_inner),
            variables,
            fillers,
            fallback,
            engine_down,
            engine_down_wait_ms,
            too_many_turns,
            transfer_failed,
            globals,
            slot_values: self
                .lists
                .iter()
                .map(|(name, values)| (name.clone(), values.iter().map(|(_, value)| value.clone()).collect()))
                .collect(),
            states,
            warnings: Vec::new(),
        })
    }

    fn start(&mut self, start: Option<Spanned<String>>, first: Option<&str>) -> usize {
        let Some(start) = start else {
            self.error(
                1,
                format!(
                    "'start' is missing: name the first state, for instance start = \"{}\"",
                    first.unwrap_or("hello")
                ),
            );
            return 0;
        };
        let line = self.line(start.span());
        self.target(start.get_ref(), line)
    }

    fn target(&mut self, name: &str, line: usize) -> usize {
        if let Some(at) = self.states.get(name) {
            return *at;
        }
        let known: Vec<&str> = self.states.keys().map(String::as_str).collect();
        let what = format!("there is no state '{name}': add [state.{name}] or choose one of {}", known.join(", "));
        self.error(line, what);
        0
    }

    fn template(&mut self, text: &str, line: usize) -> Template {
        Template::parse(text).unwrap_or_else(|what| {
            self.error(line, what);
            Template::default()
        })
    }

    fn prompt(&mut self, say: Option<Spanned<Texts>>) -> Option<Prompt> {
        let say = say?;
        let line = self.line(say.span());
        let texts = say.into_inner().0;
        if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
            self.error(line, "an empty line: write what is to be said, or leave the key out");
        }
        let variants = texts.iter().map(|text| self.template(text, line)).collect();
        self.prompts += 1;
        Some(Prompt { id: self.prompts, line, variants })
    }

    pub(super) fn step(&mut self, keys: StepKeys, line: usize, default: Outcome) -> Step {
        let chosen = [keys.goto.is_some(), keys.transfer.is_some(), keys.hang_up, keys.stay, keys.repeat];
        if chosen.iter().filter(|chosen| **chosen).count() > 1 {
            self.error(line, "only one of goto, transfer, hang_up, stay and repeat can follow: keep one");
        }
        let then = if let Some(goto) = keys.goto {
            let at = self.line(goto.span());
            Outcome::Goto(self.target(goto.get_ref(), at))
        } else if let Some(transfer) = keys.transfer {
            let at = self.line(transfer.span());
            if transfer.get_ref().trim().is_empty() {
                self.error(at, "'transfer' is empty: give a number or a SIP URI");
            }
            Outcome::Transfer(self.template(transfer.get_ref(), at))
        } else if keys.hang_up {
            Outcome::HangUp
        } else if keys.stay {
            Outcome::Stay
        } else if keys.repeat {
            Outcome::Repeat
        } else {
            default
        };
        Step { say: self.prompt(keys.say), then, disposition: keys.disposition, line }
    }

    fn ending(&mut self, doc: Spanned<EndingDoc>, fallback: Option<&Step>) -> (Step, u64) {
        let line = self.line(doc.span());
        let EndingDoc { say, transfer, hang_up, disposition, wait_ms } = doc.into_inner();
        let keys = StepKeys { say, transfer, hang_up, disposition, ..StepKeys::default() };
        let default = fallback.map_or(Outcome::HangUp, |fallback| fallback.then.clone());
        let mut step = self.step(keys, line, default);
        if step.say.is_none() {
            step.say = fallback.and_then(|fallback| fallback.say.clone());
        }
        (step, self.bounded("wait_ms", wait_ms, 1_000..=60_000).unwrap_or(0))
    }

    pub(super) fn bounded(
        &mut self,
        key: &str,
        value: Option<Spanned<u64>>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = value?;
        if !range.contains(value.get_ref()) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside {} to {} milliseconds", range.start(), range.end()));
        }
        Some(value.into_inner())
    }

    fn retry(&mut self, doc: Option<Spanned<RetryDoc>>, base: Option<&Retry>, fallback: &Step) -> Retry {
        let base =
            base.cloned().unwrap_or_else(|| Retry { after_ms: None, say: None, max: 2, finally: fallback.clone() });
        let Some(doc) = doc else { return base };
        let line = self.line(doc.span());
        let doc = doc.into_inner();
        let finally = doc.finally.map(|finally| {
            let at = self.line(finally.span());
            let step = self.step(finally.into_inner().into(), at, fallback.then.clone());
            if matches!(step.then, Outcome::Stay | Outcome::Repeat) {
                self.error(line, "'finally' must lead somewhere: goto, transfer or hang_up");
            }
            step
        });
        Retry {
            after_ms: self.bounded("after_ms", doc.after_ms, 1_000..=60_000).or(base.after_ms),
            say: self.prompt(doc.say).or(base.say),
            max: doc.max.unwrap_or(base.max).min(20),
            finally: finally.unwrap_or(base.finally),
        }
    }

    fn state(&mut self, name: Spanned<String>, doc: StateDoc, defaults: &Defaults<'_>, fallback: &Step) -> State {
        let line = self.line(name.span());
        let ask = match (doc.ask, doc.template) {
            (Some(task), template) => {
                let at = self.line(task.span());
                let task = self.template(task.get_ref(), at);
                let template = self.prompt(template);
                if template.is_none() {
                    self.error(
                        at,
                        "'ask' without 'template': give the answer that is said when no language model does",
                    );
                }
                template.map(|template| AskModel { task, template })
            }
            (None, Some(template)) => {
                let at = self.line(template.span());
                self.error(at, "'template' without 'ask': use 'say', or add the task in 'ask'");
                None
            }
            (None, None) => None,
        };
        let moves_on = doc.goto.is_some() || doc.transfer.is_some() || doc.hang_up;
        if moves_on && (!doc.on.is_empty() || doc.collect.is_some()) {
            self.error(line, "a state either waits for an answer ('on', 'collect') or goes on by itself ('goto', 'transfer', 'hang_up'): keep one");
        }
        let disposition = doc.disposition;
        let keys = StepKeys {
            goto: doc.goto,
            transfer: doc.transfer,
            hang_up: doc.hang_up,
            disposition: disposition.clone(),
            ..StepKeys::default()
        };
        if disposition.is_some() && !moves_on {
            self.error(line, "'disposition' of a state that waits is never set: put it on an answer");
        }
        let next = moves_on.then(|| self.step(keys, line, Outcome::HangUp));
        let mut phrases = Vec::new();
        let rules = doc.on.into_iter().map(|rule| self.rule(rule, &mut phrases)).collect();
        let collect = doc.collect.map(|collect| self.collect(collect));
        let kind = doc.expect.unwrap_or(if collect.is_some() { AnswerKind::Number } else { AnswerKind::Open });
        if kind == AnswerKind::Number && collect.is_none() {
            self.warning(line, "expect = \"number\" without 'collect': the digits are not kept");
        }
        phrases.extend_from_slice(defaults.spoken);
        if collect.is_some() {
            phrases.extend(NUMBER_WORDS.iter().map(|word| (*word).to_owned()));
        }
        let mut seen = BTreeSet::new();
        phrases.retain(|phrase| seen.insert(phrase.clone()));
        State {
            line,
            say: self.prompt(doc.say),
            again: self.prompt(doc.again),
            ask,
            wait_ms: self.bounded("wait_ms", doc.wait_ms, 100..=5_000),
            interruptible: doc.interruptible.unwrap_or(true),
            rules,
            collect,
            no_input: self.retry(doc.no_input, Some(defaults.no_input), fallback),
            no_match: self.retry(doc.no_match, Some(defaults.no_match), fallback),
            next,
            expectation: Arc::new(Expectation { language: defaults.language.clone(), kind, phrases }),
            name: name.into_inner(),
        }
    }
}

/// What the whole flow gives each state.
struct Defaults<'a> {
    language: &'a Language,
    no_input: &'a Retry,
    no_match: &'a Retry,
    spoken: &'a [String],
}

/// What is said while an answer is late, where the flow has nothing of its own; nothing in languages without.
fn default_fillers(language: &Language) -> &'static [&'static str] {
    match language.0.get(..2) {
        Some("en") => &[
            "One moment please, let me just have a quick look at that for you.",
            "That is a good question, give me a second to find that out.",
        ],
        Some("zh") => &["好的，请您稍等一下，我马上帮您看一看。", "这个问题我帮您确认一下，请稍等。"],
        _ => &[],
    }
}
