//! From a flow file to a [`Flow`], with every mistake named at its line.

mod answers;
mod emotion;
mod include;
mod reader;
mod selling;
mod state;
mod tools;

use super::check::check;
use super::document::{EndingDoc, FlowDoc, RetryDoc};
use super::emotion::{EmotionDoc, haste};
use super::facts::{FlowFacts, default_unknown};
use super::flow::{Flow, Outcome, Retry, Step, Variable};
use super::prompt::{Prompt, Wording};
use super::selling::{Kind, Objecting, Selling, Signals};
use super::words::tokens;
use crate::agent::{FlowError, Severity};
use crate::nlu::{self, Scope};
use crate::record::MoodKind;
use crate::speech::Language;
use include::Joiner;
use reader::Reader;
use state::Defaults;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// Caller turns where the flow does not say: of any call, and of one that sells.
const MAX_TURNS: u32 = 40;
const MAX_SALES_TURNS: u32 = 15;

/// How sure the classifier must be where the flow does not say.
const MIN_INTENT: f32 = 0.6;

/// See [`Flow::parse_with`].
pub(super) fn parse(
    text: &str,
    file: &str,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Flow, FlowError> {
    let (document, sources, mut findings) = Joiner::new(read).join(text, file)?;
    let mut reader = Reader::new(sources);
    let flow = reader.flow(document, file);
    findings.append(&mut reader.findings);
    let sources = reader.sources;
    if let Some(flow) = &flow {
        findings.extend(check(flow, &|line| sources.is_own(line)));
    }
    for finding in findings.iter_mut().filter(|finding| finding.file.is_empty()) {
        (finding.file, finding.line) = sources.place(finding.line);
    }
    let own = |finding: &crate::agent::FlowFinding| finding.file != file;
    findings.sort_by(|a, b| {
        (own(a), &a.file, a.line, b.severity, &a.what).cmp(&(own(b), &b.file, b.line, a.severity, &b.what))
    });
    findings.dedup();
    match flow {
        Some(mut flow) if findings.iter().all(|finding| finding.severity == Severity::Warning) => {
            if let Some((_, line)) = &mut flow.facts.folder {
                *line = sources.place(*line).1;
            }
            for variable in &mut flow.variables {
                variable.line = sources.place(variable.line).1;
            }
            Ok(Flow { warnings: findings, ..flow })
        }
        _ => Err(FlowError::Invalid { findings }),
    }
}

impl Reader {
    fn flow(&mut self, doc: FlowDoc, file: &str) -> Option<Flow> {
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
        let sells =
            states.iter().any(|(_, state)| state.selling == Some(true) || state::kind(state).is_some_and(Kind::sells));
        let max_turns = match doc.max_turns {
            Some(max) if *max.get_ref() == 0 => {
                let line = self.line(max.span());
                self.error(line, "max_turns is 0: the caller must have at least one turn");
                1
            }
            max => max.map_or(if sells { MAX_SALES_TURNS } else { MAX_TURNS }, Spanned::into_inner),
        };
        let min_confidence = self.share("min_confidence", doc.min_confidence);
        let numbered = |names: Vec<String>| names.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
        self.offers = numbered(in_order(&doc.offers));
        self.objections = numbered(in_order(&doc.objection));
        let fallback = match doc.fallback {
            Some(fallback) => self.ending(fallback, None).0,
            None => {
                self.error(1, "there is no [fallback]: add one with a line to 'say' when nothing works, and 'transfer' if somebody can take the call");
                Step::only(Outcome::HangUp, 1)
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
        let (mut globals, interrupts) = self.interrupts(doc.interrupt, &mut spoken);
        for rule in doc.global {
            let mut own = Vec::new();
            globals.push(self.rule(rule, &mut own));
            spoken.push(own);
        }
        let language = Language(doc.language.unwrap_or_else(|| "en".to_owned()));
        let on_emotion: Vec<_> = doc.on_emotion.into_iter().filter_map(|rule| self.on_emotion(rule)).collect();
        let mut emotional = states.iter().flat_map(|(_, state)| &state.on_emotion).map(Spanned::get_ref);
        if on_emotion.iter().any(|rule| rule.when == MoodKind::Impatient) || emotional.any(EmotionDoc::is_for_haste) {
            spoken.push(haste(&language).iter().map(|phrase| (*phrase).to_owned()).collect());
        }
        let mut selling_spoken = Vec::new();
        let mut selling = Selling {
            version: doc.version.unwrap_or(0),
            scope: self.scope(&language, doc.industry, doc.scene.as_ref()),
            min_intent: self.share("min_intent", doc.min_intent).unwrap_or(MIN_INTENT),
            close_from: self.count("close_from", doc.close_from, 1..=max_turns),
            closing: doc.closing.map(|closing| self.leading("closing", closing, Outcome::HangUp)),
            max_digressions: self.count("max_digressions", doc.max_digressions, 1..=8).unwrap_or(3) as usize,
            needs: self.needs(doc.need, &mut selling_spoken),
            objections: Objecting::default(),
            signals: Signals::default(),
            offers: self.approved(doc.offers),
            interrupts,
        };
        selling.objections = self.objecting(doc.objections, doc.objection, &mut selling_spoken);
        selling.signals = self.signals(doc.signals, &mut selling_spoken);
        if selling.close_from.is_none() && selling.closing.is_some() {
            selling.close_from = Some(max_turns.saturating_sub(2).max(1));
        }
        let max_attempts = self.count("max_attempts", doc.max_attempts, 1..=20);
        let states = states
            .into_iter()
            .map(|(name, state)| {
                let defaults = Defaults {
                    language: &language,
                    no_input: &no_input,
                    no_match: &no_match,
                    spoken: &spoken,
                    selling_spoken: &selling_spoken,
                    max_attempts,
                    needs: &selling.needs,
                };
                self.state(name, state, &defaults, &fallback)
            })
            .collect();
        let fillers = match self.prompt(doc.fillers) {
            Some(fillers) => fillers,
            None => {
                let wording = |text: &&str| Wording { plain: self.template(text, 1), ..Wording::default() };
                let wordings = default_fillers(&language).iter().map(wording).collect();
                self.prompts += 1;
                Prompt { id: self.prompts, line: 1, wordings }
            }
        };
        let unknown = self.prompt(doc.unknown_question).unwrap_or_else(|| {
            let wording = |text: &&str| Wording { plain: self.template(text, 1), ..Wording::default() };
            let wordings = default_unknown(&language.0).iter().map(wording).collect();
            self.prompts += 1;
            Prompt { id: self.prompts, line: 1, wordings }
        });
        let voice = doc.voice.map(|voice| {
            let line = self.line(voice.span());
            (voice.into_inner(), line)
        });
        let facts = FlowFacts {
            folder: doc.knowledge.map(|folder| {
                let line = self.line(folder.span());
                (folder.into_inner(), line)
            }),
            product: doc.product,
            unknown,
            ..FlowFacts::default()
        };
        let unused: Vec<_> = self
            .sets
            .iter()
            .filter(|(name, _)| !self.used.contains(*name))
            .map(|(name, phrases)| (name.clone(), phrases.first().map_or(0..0, Spanned::span)))
            .collect();
        for (name, span) in unused {
            let line = self.line(span);
            // A shared file may have more than one flow needs.
            if !self.sources.is_own(line) {
                continue;
            }
            self.warning(line, format!("no rule uses the phrases '{name}': write \"@{name}\" in a rule's phrases"));
        }
        let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut flow = Flow {
            file: file.to_owned(),
            name: doc.name.or(stem).unwrap_or_else(|| "flow".to_owned()),
            language,
            voice,
            start,
            max_turns,
            min_confidence,
            variables,
            fillers,
            fallback,
            engine_down,
            engine_down_wait_ms,
            too_many_turns,
            transfer_failed,
            globals,
            on_emotion,
            slot_values: self
                .lists
                .iter()
                .map(|(name, values)| (name.clone(), values.iter().map(|(_, value)| value.clone()).collect()))
                .collect(),
            states,
            selling,
            facts,
            warnings: Vec::new(),
        };
        // What lines are chosen by must reach them, declared or not.
        let audiences =
            flow.prompts().any(|prompt| prompt.wordings.iter().any(|wording| !wording.audiences.is_empty()));
        if audiences && !flow.variables.iter().any(|variable| variable.name == "audience") {
            flow.variables.push(Variable { name: "audience".to_owned(), default: None, header: None, line: 1 });
        }
        Some(flow)
    }

    /// What the classifier may know beforehand.
    fn scope(
        &mut self,
        language: &Language,
        industry: Option<Spanned<String>>,
        scene: Option<&Spanned<String>>,
    ) -> Scope {
        let industry = industry.and_then(|name| {
            let found = nlu::Industry::from_id(name.get_ref());
            if found.is_none() {
                let line = self.line(name.span());
                let known: Vec<&str> = nlu::Industry::ALL.into_iter().map(nlu::Industry::id).collect();
                self.error(line, format!("there is no industry '{}': choose of {}", name.get_ref(), known.join(", ")));
            }
            found
        });
        let scene = scene.and_then(|name| self.scene(name));
        if let (Some(industry), Some(scene)) = (industry, scene)
            && scene.industry() != industry
        {
            self.error(
                1,
                format!("the scene '{}' is one of {}, not of {}", scene.id(), scene.industry().id(), industry.id()),
            );
        }
        let industry = industry.or(scene.map(nlu::Scene::industry));
        Scope { language: nlu::Language::from_code(&language.0), industry, scene, ..Scope::default() }
    }

    fn scene(&mut self, name: &Spanned<String>) -> Option<nlu::Scene> {
        let found = nlu::Scene::from_id(name.get_ref());
        if found.is_none() {
            let line = self.line(name.span());
            let known: Vec<&str> = nlu::Scene::all().map(nlu::Scene::id).collect();
            self.error(line, format!("there is no scene '{}': choose of {}", name.get_ref(), known.join(", ")));
        }
        found
    }

    /// A share, 0 to 1.
    fn share(&mut self, key: &str, value: Option<Spanned<f32>>) -> Option<f32> {
        let value = value?;
        if !(0.0..=1.0).contains(value.get_ref()) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside 0 to 1"));
        }
        Some(value.into_inner())
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
}

/// The names of tables in the order of the file.
fn in_order<T>(tables: &BTreeMap<Spanned<String>, T>) -> Vec<String> {
    let mut names: Vec<&Spanned<String>> = tables.keys().collect();
    names.sort_by_key(|name| name.span().start);
    names.into_iter().map(|name| name.get_ref().clone()).collect()
}

/// What is said while an answer is late, where the flow has nothing of its own; nothing in languages without.
fn default_fillers(language: &Language) -> &'static [&'static str] {
    match language.0.get(..2) {
        Some("en") => &[
            "One moment please, let me just have a quick look at that for you.",
            "That is a good question, give me a second to find that out.",
        ],
        Some("zh") => &["好的，请您稍等一下，我马上帮您看一看。", "这个问题我帮您确认一下，请稍等。"],
        Some("de") => {
            &["Einen Moment bitte, ich schaue das gerade für Sie nach.", "Gute Frage, das habe ich gleich für Sie."]
        }
        Some("fr") => {
            &["Un instant s'il vous plaît, je regarde cela pour vous.", "Bonne question, je vérifie tout de suite."]
        }
        Some("es") => &["Un momento por favor, ahora mismo lo miro.", "Buena pregunta, déjeme comprobarlo un segundo."],
        _ => &[],
    }
}
