//! Files that a flow is made of: its own and those that it includes, joined into one document.

use crate::agent::dialogue::document::FlowDoc;
use crate::agent::{FlowError, FlowFinding, Severity};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;

/// Most files that include each other.
const MAX_DEPTH: usize = 4;
/// Most files of one flow.
const MAX_FILES: usize = 64;

/// One file.
struct Source {
    name: String,
    /// Where it begins: places are counted over all files.
    base: usize,
    breaks: Vec<usize>,
}

/// The files of a flow. A place is a number of bytes over all files, and so is a line: the base of its file and its own number,
/// which is unique, because a file has no more lines than bytes.
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// It stands in the flow's own file.
    pub fn is_own(&self, line: usize) -> bool {
        self.0.get(1).is_none_or(|second| line <= second.base)
    }

    /// The line, counted over all files.
    pub fn line(&self, span: Range<usize>) -> usize {
        let Some(source) = self.0.iter().rev().find(|source| source.base <= span.start) else { return 1 };
        source.base + source.breaks.partition_point(|at| *at < span.start - source.base) + 1
    }

    /// The file and the line in it.
    pub fn place(&self, line: usize) -> (String, usize) {
        let source = self.0.iter().rev().find(|source| source.base < line.max(1));
        source.map_or((String::new(), line), |source| (source.name.clone(), line - source.base))
    }
}

/// Reads a flow file and all that it includes.
pub(super) struct Joiner<'a> {
    pub read: &'a dyn Fn(&Path) -> std::io::Result<String>,
    sources: Vec<Source>,
    size: usize,
    findings: Vec<FlowFinding>,
}

impl<'a> Joiner<'a> {
    pub fn new(read: &'a dyn Fn(&Path) -> std::io::Result<String>) -> Self {
        Self { read, sources: Vec::new(), size: 0, findings: Vec::new() }
    }

    /// The joined document, its sources, and what was found on the way.
    pub fn join(mut self, text: &str, file: &str) -> Result<(FlowDoc, Sources, Vec<FlowFinding>), FlowError> {
        let document = self.document(text, file, 0)?;
        Ok((document, Sources(self.sources), self.findings))
    }

    fn document(&mut self, text: &str, file: &str, depth: usize) -> Result<FlowDoc, FlowError> {
        let base = self.size;
        self.size += text.len() + 2;
        self.sources.push(Source {
            name: file.to_owned(),
            base,
            breaks: text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect(),
        });
        // Behind a comment as long as all files before it, every place has a number of its own.
        let padded = match base {
            0 => text.to_owned(),
            base => format!("#{}\n{text}", " ".repeat(base - 2)),
        };
        let mut document: FlowDoc = toml::from_str(&padded).map_err(|error| syntax(text, base, file, &error))?;
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let mut included = Vec::new();
        for include in std::mem::take(&mut document.include) {
            let path = folded(&folder.join(include.get_ref()));
            let name = path.display().to_string();
            if self.sources.iter().any(|source| source.name == name) {
                continue;
            }
            if depth >= MAX_DEPTH || self.sources.len() >= MAX_FILES {
                self.error(
                    file,
                    base,
                    text,
                    &include,
                    format!("more than {MAX_DEPTH} files deep, or {MAX_FILES} in all"),
                );
                continue;
            }
            match (self.read)(&path) {
                Ok(text) => {
                    let mut part = self.document(&text, &name, depth + 1)?;
                    self.only_parts(&mut part, &name);
                    included.push(part);
                }
                Err(error) => {
                    let what = format!("include '{}': {error}; paths are relative to this file", include.get_ref());
                    self.error(file, base, text, &include, what);
                }
            }
        }
        join(&mut document, included);
        Ok(document)
    }

    fn error(&mut self, file: &str, base: usize, text: &str, at: &Spanned<String>, what: String) {
        let before = text.get(..at.span().start.saturating_sub(base)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        self.findings.push(FlowFinding { file: file.to_owned(), line, severity: Severity::Error, what });
    }

    /// What belongs to the whole flow is refused in an included file, or it would be a surprise which one counts.
    fn only_parts(&mut self, part: &mut FlowDoc, file: &str) {
        let single = [
            ("name", part.name.take().is_some()),
            ("language", part.language.take().is_some()),
            ("start", part.start.take().is_some()),
            ("voice", part.voice.take().is_some()),
            ("knowledge", part.knowledge.take().is_some()),
            ("product", part.product.take().is_some()),
            ("max_turns", part.max_turns.take().is_some()),
            ("close_from", part.close_from.take().is_some()),
        ];
        for key in single.into_iter().filter(|(_, there)| *there).map(|(key, _)| key) {
            let what = format!("'{key}' belongs into the flow, not into a file that it includes: drop it here");
            self.findings.push(FlowFinding { file: file.to_owned(), line: 1, severity: Severity::Error, what });
        }
    }
}

fn syntax(text: &str, base: usize, file: &str, error: &toml::de::Error) -> FlowError {
    let at = error.span().map_or(0, |span| span.start.saturating_sub(base));
    let before = text.get(..at).unwrap_or(text);
    FlowError::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        what: error.message().trim().replace('\n', "; "),
    }
}

/// A path without `.` and `..`, as far as it can be told without looking at the disk.
fn folded(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// What the file has itself counts; of the included ones, the later.
fn join(document: &mut FlowDoc, included: Vec<FlowDoc>) {
    fn missing<T>(own: &mut BTreeMap<Spanned<String>, T>, other: BTreeMap<Spanned<String>, T>) {
        for (name, value) in other {
            own.entry(name).or_insert(value);
        }
    }
    let mut globals = Vec::new();
    for part in included.into_iter().rev() {
        missing(&mut document.variables, part.variables);
        missing(&mut document.phrases, part.phrases);
        missing(&mut document.slots, part.slots);
        missing(&mut document.interrupt, part.interrupt);
        missing(&mut document.need, part.need);
        missing(&mut document.objection, part.objection);
        missing(&mut document.offers, part.offers);
        missing(&mut document.state, part.state);
        globals.push(part.global);
        if document.on_emotion.is_empty() {
            document.on_emotion = part.on_emotion;
        }
        document.fillers = document.fillers.take().or(part.fillers);
        document.fallback = document.fallback.take().or(part.fallback);
        document.engine_down = document.engine_down.take().or(part.engine_down);
        document.too_many_turns = document.too_many_turns.take().or(part.too_many_turns);
        document.transfer_failed = document.transfer_failed.take().or(part.transfer_failed);
        document.no_input = document.no_input.take().or(part.no_input);
        document.no_match = document.no_match.take().or(part.no_match);
        document.unknown_question = document.unknown_question.take().or(part.unknown_question);
        document.closing = document.closing.take().or(part.closing);
        document.objections = document.objections.take().or(part.objections);
        document.signals = document.signals.take().or(part.signals);
        document.industry = document.industry.take().or(part.industry);
        document.scene = document.scene.take().or(part.scene);
        document.min_confidence = document.min_confidence.take().or(part.min_confidence);
        document.min_intent = document.min_intent.take().or(part.min_intent);
        document.max_attempts = document.max_attempts.take().or(part.max_attempts);
        document.max_digressions = document.max_digressions.take().or(part.max_digressions);
    }
    document.global.extend(globals.into_iter().rev().flatten());
}
