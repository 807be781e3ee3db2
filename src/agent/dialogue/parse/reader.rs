//! What every part of a flow is read with: places, findings, lines, steps.

use crate::agent::dialogue::document::{EndingDoc, LineTable, RouteDoc, StepDoc, Texts};
use crate::agent::dialogue::flow::{Outcome, Step};
use crate::agent::dialogue::guard::Guard;
use crate::agent::dialogue::phrase::SlotLists;
use crate::agent::dialogue::prompt::{Prompt, Template, Wording};
use crate::agent::{FlowFinding, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;

use super::include::Sources;

/// Reads one flow.
pub(super) struct Reader {
    pub sources: Sources,
    pub findings: Vec<FlowFinding>,
    /// State names and their places in the flow.
    pub states: BTreeMap<String, usize>,
    /// The named sets of phrases.
    pub sets: BTreeMap<String, Vec<Spanned<String>>>,
    pub lists: SlotLists,
    /// Sets that a rule named.
    pub used: BTreeSet<String>,
    pub offers: BTreeMap<String, usize>,
    pub objections: BTreeMap<String, usize>,
    pub prompts: usize,
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
    pub call: Option<Spanned<String>>,
    pub returns: bool,
    pub set: BTreeMap<String, Spanned<String>>,
    pub offer: Option<Spanned<String>>,
    pub disposition: Option<String>,
}

impl From<StepDoc> for StepKeys {
    fn from(doc: StepDoc) -> Self {
        let StepDoc { say, goto, transfer, hang_up, stay, repeat, call, returns, set, offer, disposition } = doc;
        Self { say, goto, transfer, hang_up, stay, repeat, call, returns, set, offer, disposition }
    }
}

impl From<RouteDoc> for StepKeys {
    fn from(doc: RouteDoc) -> Self {
        let RouteDoc { when: _, say, goto, transfer, hang_up, call, returns, set, offer, disposition } = doc;
        Self { say, goto, transfer, hang_up, call, returns, set, offer, disposition, ..Self::default() }
    }
}

impl Reader {
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            findings: Vec::new(),
            states: BTreeMap::new(),
            sets: BTreeMap::new(),
            lists: SlotLists::new(),
            used: BTreeSet::new(),
            offers: BTreeMap::new(),
            objections: BTreeMap::new(),
            prompts: 0,
        }
    }

    /// The line, counted over all files.
    pub fn line(&self, span: Range<usize>) -> usize {
        self.sources.line(span)
    }

    /// The file is put in at the end, by the line.
    fn finding(&mut self, line: usize, severity: Severity, what: String) {
        self.findings.push(FlowFinding { file: String::new(), line, severity, what });
    }

    pub fn error(&mut self, line: usize, what: impl Into<String>) {
        self.finding(line, Severity::Error, what.into());
    }

    pub fn warning(&mut self, line: usize, what: impl Into<String>) {
        self.finding(line, Severity::Warning, what.into());
    }

    pub fn target(&mut self, name: &str, line: usize) -> usize {
        if let Some(at) = self.states.get(name) {
            return *at;
        }
        let known: Vec<&str> = self.states.keys().map(String::as_str).collect();
        let what = format!("there is no state '{name}': add [state.{name}] or choose one of {}", known.join(", "));
        self.error(line, what);
        0
    }

    /// The number of something that has a table of its own.
    pub fn named(&mut self, kind: &str, known: &BTreeMap<String, usize>, name: &Spanned<String>) -> Option<usize> {
        let found = known.get(name.get_ref()).copied();
        if found.is_none() {
            let line = self.line(name.span());
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let names =
                if names.is_empty() { String::new() } else { format!(", or choose one of {}", names.join(", ")) };
            self.error(line, format!("there is no [{kind}.{0}]: add it{names}", name.get_ref()));
        }
        found
    }

    pub fn offer(&mut self, name: &Spanned<String>) -> Option<usize> {
        let known = std::mem::take(&mut self.offers);
        let found = self.named("offers", &known, name);
        self.offers = known;
        found
    }

    pub fn template(&mut self, text: &str, line: usize) -> Template {
        Template::parse(text).unwrap_or_else(|what| {
            self.error(line, what);
            Template::default()
        })
    }

    pub fn guard(&mut self, when: Option<Spanned<String>>) -> Option<Guard> {
        let when = when?;
        match Guard::parse(when.get_ref()) {
            Ok(guard) => Some(guard),
            Err(what) => {
                let line = self.line(when.span());
                self.error(line, format!("when = \"{}\": {what}", when.get_ref()));
                None
            }
        }
    }

    pub fn prompt(&mut self, say: Option<Spanned<Texts>>) -> Option<Prompt> {
        let say = say?;
        let line = self.line(say.span());
        let texts = say.into_inner().0;
        if texts.is_empty() {
            self.error(line, "an empty line: write what is to be said, or leave the key out");
        }
        let mut wordings = Vec::new();
        let mut ids = BTreeSet::new();
        for (number, (span, table)) in texts.into_iter().enumerate() {
            let line = span.map_or(line, |span| self.line(span));
            let wording = self.wording(table, number + 1, line);
            if !ids.insert(wording.id.clone()) {
                self.error(line, format!("two wordings with the id '{}': give each its own", wording.id));
            }
            wordings.push(wording);
        }
        if !wordings.is_empty() && wordings.iter().all(|wording| wording.when.is_some()) {
            self.warning(
                line,
                "every wording has a condition: where none holds nothing is said; add one without 'when'",
            );
        }
        self.prompts += 1;
        Some(Prompt { id: self.prompts, line, wordings })
    }

    fn wording(&mut self, table: LineTable, number: usize, line: usize) -> Wording {
        let LineTable { say, short, id, when, professional, young, elderly } = table;
        let audiences = [("professional", professional), ("young", young), ("elderly", elderly)];
        let audiences: Vec<_> =
            audiences.into_iter().filter_map(|(name, text)| text.map(|text| (name, text))).collect();
        let others = audiences.iter().map(|(_, text)| text).chain(&short);
        if std::iter::once(&say).chain(others).any(|text| text.trim().is_empty()) {
            self.error(line, "an empty line: write what is to be said, or leave the key out");
        }
        Wording {
            id: id.unwrap_or_else(|| number.to_string()),
            when: self.guard(when),
            plain: self.template(&say, line),
            short: short.map(|short| self.template(&short, line)),
            audiences: audiences.into_iter().map(|(name, text)| (name, self.template(&text, line))).collect(),
        }
    }

    pub fn step(&mut self, keys: StepKeys, line: usize, default: Outcome) -> Step {
        let chosen = [
            keys.goto.is_some(),
            keys.call.is_some(),
            keys.transfer.is_some(),
            keys.hang_up,
            keys.stay,
            keys.repeat,
            keys.returns,
        ];
        if chosen.iter().filter(|chosen| **chosen).count() > 1 {
            self.error(line, "only one of goto, call, return, transfer, hang_up, stay and repeat can follow: keep one");
        }
        let then = if let Some(goto) = keys.goto {
            let at = self.line(goto.span());
            Outcome::Goto(self.target(goto.get_ref(), at))
        } else if let Some(call) = keys.call {
            let at = self.line(call.span());
            Outcome::Call(self.target(call.get_ref(), at))
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
        } else if keys.returns {
            Outcome::Return
        } else {
            default
        };
        Step {
            say: self.prompt(keys.say),
            then,
            disposition: keys.disposition,
            set: self.set(keys.set),
            offer: keys.offer.and_then(|offer| self.offer(&offer)),
            line,
        }
    }

    pub fn set(&mut self, set: BTreeMap<String, Spanned<String>>) -> Vec<(String, Template)> {
        set.into_iter()
            .map(|(name, value)| {
                let line = self.line(value.span());
                (name, self.template(value.get_ref(), line))
            })
            .collect()
    }

    /// A step that must lead somewhere.
    pub fn leading(&mut self, key: &str, doc: Spanned<StepDoc>, default: Outcome) -> Step {
        let line = self.line(doc.span());
        let step = self.step(doc.into_inner().into(), line, default);
        if matches!(step.then, Outcome::Stay | Outcome::Repeat | Outcome::AskAgain) {
            self.error(line, format!("'{key}' must lead somewhere: goto, transfer or hang_up"));
        }
        step
    }

    pub fn ending(&mut self, doc: Spanned<EndingDoc>, fallback: Option<&Step>) -> (Step, u64) {
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

    pub fn bounded(&mut self, key: &str, value: Option<Spanned<u64>>, range: RangeInclusive<u64>) -> Option<u64> {
        let value = value?;
        if !range.contains(value.get_ref()) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside {} to {} milliseconds", range.start(), range.end()));
        }
        Some(value.into_inner())
    }

    /// A whole number within bounds.
    pub fn count(&mut self, key: &str, value: Option<Spanned<u32>>, range: RangeInclusive<u32>) -> Option<u32> {
        let value = value?;
        if !range.contains(value.get_ref()) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside {} to {}", range.start(), range.end()));
        }
        Some(value.into_inner())
    }
}
