//! The flows: those that are compiled in, those of the folder, and taking changed ones while calls are up.

use super::facts::{equip, flow};
use super::languages::lacking;
use super::voices::strange_voice;
use crate::agent::{Flow, FlowError};
use crate::call::{self, FlowBook};
use crate::speech::SpeechRequest;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of `sip-config/flows` by its path there.
macro_rules! shipped {
    ($($path:literal),+ $(,)?) => { [$(($path, include_str!(concat!("../../sip-config/flows/", $path)))),+] };
}

/// What is compiled in: flows, and in folders the files that they include.
const SHIPPED: [(&str, &str); 22] = shipped![
    "welcome.toml",
    "activity.en.toml",
    "activity.zh.toml",
    "course.en.toml",
    "course.zh.toml",
    "credit_card.en.toml",
    "credit_card.zh.toml",
    "membership.en.toml",
    "membership.zh.toml",
    "objections/activity.en.toml",
    "objections/activity.zh.toml",
    "objections/course.en.toml",
    "objections/course.zh.toml",
    "objections/credit_card.en.toml",
    "objections/credit_card.zh.toml",
    "objections/membership.en.toml",
    "objections/membership.zh.toml",
    "shared/callback.en.toml",
    "shared/callback.zh.toml",
    "shared/endings.zh.toml",
    "shared/sales.en.toml",
    "shared/sales.zh.toml",
];

/// Lines of a flow that are rendered before the first call: the others of a long flow, which are said late in a call, follow
/// while calls are taken.
const READY_LINES: usize = 120;

/// What became of the flows that were read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Those that differ from before, or are new: calls from now on are held with them.
    pub changed: Vec<String>,
    /// Those that are as before.
    pub unchanged: usize,
    /// Why others stayed as they were: file, line and fix.
    pub errors: Vec<String>,
}

/// The name of a flow's file without its ending: what calls name it by.
fn stem(path: &str) -> &str {
    path.strip_suffix(".toml").unwrap_or(path)
}

/// One of the flows that are compiled in.
fn shipped(path: &str, text: &str) -> Result<Flow, FlowError> {
    let read = |path: &Path| {
        let found = SHIPPED.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::Error::other("it is not compiled in"))
    };
    Flow::parse_with(text, path, &read)
}

/// The flows of a folder; files in folders within it are parts of them.
fn of_folder(dir: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("calls.flows_dir = {}: the folder cannot be read", dir.display()))?;
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            all.push((name.to_owned(), path.clone()));
        }
    }
    all.sort();
    Ok(all)
}

/// The shipped flows, then those of the folder, which may replace them.
pub fn flows(dir: Option<&Path>) -> anyhow::Result<FlowBook> {
    let book = FlowBook::default();
    for (path, text) in SHIPPED.iter().filter(|(path, _)| !path.contains('/')) {
        book.put(stem(path), Arc::new(equip(shipped(path, text)?, None)?));
    }
    for (name, path) in dir.map(of_folder).transpose()?.unwrap_or_default() {
        book.put(&name, flow(&path)?);
    }
    Ok(book)
}

/// Reads the folder's flows again. Calls that are up go on with theirs; a flow that cannot be held stays as it was. Reads files:
/// not for a thread of the runtime.
pub fn reload(book: &FlowBook, dir: Option<&Path>, engines: &call::Engines) -> Reloaded {
    let mut done = Reloaded::default();
    let found = match dir.map(of_folder).transpose() {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => {
            done.errors.push(format!("{error:#}"));
            return done;
        }
    };
    if dir.is_none() {
        done.errors
            .push("only compiled-in flows are in use: name a folder in calls.flows_dir to change them".to_owned());
    }
    for (name, path) in found {
        match super::facts::flow(&path) {
            // Facts may have changed though the flow that names them has not.
            Ok(flow) if flow.knowledge().is_none() && book.get(&name).is_ok_and(|known| known == flow) => {
                done.unchanged += 1;
            }
            Ok(flow) => {
                book.put(&name, Arc::clone(&flow));
                // Whoever calls next may wait for a line, which takes less time than all of them.
                prepare_one(&flow, engines, 0);
                done.changed.push(name);
            }
            Err(error) => done.errors.push(format!("{error:#}")),
        }
    }
    done
}

/// Compiles what these flows expect and renders their fixed lines, so that no call waits for it. Says which languages of all
/// flows of the book cannot be heard or spoken: a campaign may call with any of them.
pub(super) async fn prepare(flows: FlowBook, book: &FlowBook, engines: &call::Engines) {
    let (engines, book) = (engines.clone(), book.clone());
    let done = tokio::task::spawn_blocking(move || {
        for lacking in lacking(&book, &engines) {
            let (language, what, fix) = (&lacking.language, lacking.what(), lacking.fix());
            // What is asked for by name alone may never be asked for.
            match lacking.empty || lacking.flows.iter().any(|name| flows.get(name).is_ok()) {
                true => tracing::warn!(language, "{what}; {fix}"),
                false => tracing::info!(language, "{what}; {fix}"),
            }
        }
        flows.all().iter().for_each(|flow| prepare_one(flow, &engines, READY_LINES));
    })
    .await;
    if let Err(error) = done {
        tracing::error!(%error, "the flows could not be prepared");
    }
}

/// The first `ready` lines are there when it returns; the others follow on a thread of the runtime's own.
fn prepare_one(flow: &Arc<Flow>, engines: &call::Engines, ready: usize) {
    let mut unheard = std::collections::BTreeSet::new();
    for what in flow.expectations() {
        match engines.asr.prepare(&what) {
            Ok(words) => unheard.extend(words),
            Err(error) => tracing::warn!(flow = flow.name(), %error, "a state's phrases cannot be prepared"),
        }
    }
    if !unheard.is_empty() {
        let words: Vec<_> = unheard.into_iter().collect();
        tracing::warn!(flow = flow.name(), words = %words.join(" "), "the recogniser does not know these words");
    }
    if let Some(what) = strange_voice(flow, &*engines.tts) {
        tracing::warn!(flow = flow.name(), "{what}");
    }
    let mut lines = flow.fixed_lines(&BTreeMap::new());
    let rest = lines.split_off(ready.min(lines.len()));
    render(flow, engines, lines);
    if !rest.is_empty() {
        let (flow, engines) = (Arc::clone(flow), engines.clone());
        tokio::task::spawn_blocking(move || render(&flow, &engines, rest));
    }
}

/// So many lines in a row that cannot be rendered: the others cannot be, either.
const GIVE_UP: usize = 3;

/// Renders lines ahead. One that cannot be spoken just now says nothing of the next one; several in a row do.
fn render(flow: &Flow, engines: &call::Engines, lines: Vec<String>) {
    let total = lines.len();
    let mut failed = 0;
    for (done, text) in lines.into_iter().enumerate() {
        let line = SpeechRequest { text, language: flow.language().clone(), voice: flow.voice().map(str::to_owned) };
        let Err(error) = engines.tts.prepare(&line) else {
            failed = 0;
            continue;
        };
        failed += 1;
        if failed >= GIVE_UP {
            let left = total - done - 1;
            return tracing::warn!(flow = flow.name(), %error, left, "fixed lines are not rendered ahead");
        }
        tracing::warn!(flow = flow.name(), %error, "a fixed line is not rendered ahead");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_flow_can_be_held() {
        let book = flows(None).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<String> = book.all().iter().map(|flow| flow.name().to_owned()).collect();
        assert!(names.len() >= 9, "{names:?}");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-config/flows");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.extension().is_some_and(|extension| extension == "toml") {
                assert!(book.get(&name).is_ok(), "{name} is not compiled in: add it to SHIPPED");
            }
        }
    }
}
