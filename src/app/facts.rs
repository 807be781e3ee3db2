//! Joins flows to their facts.

use crate::agent::Flow;
use crate::knowledge::{Desk, Knowledge};
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;

/// A file of `sip-config` by its path there.
macro_rules! shipped {
    ($($path:literal),+ $(,)?) => { [$(($path, include_str!(concat!("../../sip-config/", $path)))),+] };
}

/// The facts that are compiled in, beside the shipped flows.
const SHIPPED: [(&str, &str); 8] = shipped![
    "knowledge/activity/en.md",
    "knowledge/activity/zh.md",
    "knowledge/course/en.md",
    "knowledge/course/zh.md",
    "knowledge/credit_card/en.md",
    "knowledge/credit_card/zh.md",
    "knowledge/membership/en.md",
    "knowledge/membership/zh.md",
];

/// A flow from a file, with its facts. Reads files.
///
/// # Errors
/// Says what is wrong with the flow or its facts, by file and line.
pub fn flow(path: &Path) -> anyhow::Result<Arc<Flow>> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Arc::new(equip(Flow::load(path)?, Some(&folder))?))
}

/// A flow with the facts that it names: those below `folder`, or of the shipped ones where there is none.
///
/// # Errors
/// Says what is wrong with the facts, by file and line, and which line of the flow names them.
pub fn equip(flow: Flow, folder: Option<&Path>) -> anyhow::Result<Flow> {
    let Some((name, line)) = flow.knowledge() else { return Ok(flow) };
    let place = format!("{}:{line}: knowledge = \"{name}\"", flow.file());
    let knowledge = match folder {
        Some(folder) => Knowledge::read(&folder.join(name)),
        None => {
            let name = name.trim_start_matches("../").trim_end_matches('/');
            let below = |(path, text): &(&'static str, &'static str)| {
                let file = path.strip_prefix(name)?.strip_prefix('/')?;
                Some((file, *text))
            };
            Knowledge::of(name, SHIPPED.iter().filter_map(below))
        }
    };
    let knowledge = Arc::new(knowledge.with_context(|| place)?);
    let today = || OffsetDateTime::now_utc().date();
    let desk = Desk::new(knowledge, &flow.language().0, flow.product(), today);
    Ok(flow.with_facts(Arc::new(desk)))
}
