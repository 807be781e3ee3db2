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
    unfilled(
        &flow,
        &knowledge,
        &folder.map_or_else(|| Path::new("sip-config/flows").join(name), |folder| folder.join(name)),
    )?;
    let today = || OffsetDateTime::now_utc().date();
    let desk = Desk::new(knowledge, &flow.language().0, flow.product(), today);
    Ok(flow.with_facts(Arc::new(desk)))
}

/// Places in facts that nothing of the flow fills are mistakes: a caller would be told a sentence with a hole in it.
fn unfilled(flow: &Flow, knowledge: &Knowledge, folder: &Path) -> anyhow::Result<()> {
    let ours = knowledge.facts().filter(|fact| {
        let product = fact.product.is_none() || flow.product().is_none() || fact.product.as_deref() == flow.product();
        product && flow.language().0.starts_with(&fact.language)
    });
    let mut wrong = Vec::new();
    for fact in ours {
        for text in [Some(fact.text.as_str()), fact.say.as_deref()].into_iter().flatten() {
            wrong.extend(flow.unfilled(text).into_iter().map(|name| {
                format!(
                    "{}:{}: error: '{{{name}}}' is no variable of {}: declare it there under [variables], or write the value",
                    folder.join(&fact.file).display(),
                    fact.line,
                    flow.file()
                )
            }));
        }
    }
    wrong.sort();
    wrong.dedup();
    if wrong.is_empty() { Ok(()) } else { Err(anyhow::anyhow!(wrong.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = "start = 'ask'\nlanguage = 'en'\nknowledge = 'facts'\n[variables]\nfee = '48'\n[fallback]\nsay = 'Sorry.'\n\
                        hang_up = true\n[state.ask]\nsay = 'Will you come for {fee}?'\n[[state.ask.on]]\nphrases = ['yes']\nhang_up = true\n";

    #[test]
    fn a_fact_with_a_name_that_nothing_fills_is_a_mistake_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("facts")).unwrap();
        let equipped = |fee: &str| {
            let text = format!(
                "# Fee\n\nThe fee is {{fee}} pounds a year.\n\n# Start\n\nIt begins in {fee} and ends at noon.\n"
            );
            std::fs::write(folder.path().join("facts/en.md"), text).unwrap();
            let flow = Flow::parse(FLOW, "card.toml").unwrap();
            equip(flow, Some(folder.path())).map(|_| ()).map_err(|error| format!("{error:#}"))
        };
        let error = equipped("{no_such_name}").unwrap_err();
        assert!(error.contains("facts/en.md:5: error: '{no_such_name}' is no variable of card.toml"), "{error}");
        assert_eq!(equipped("{fee}"), Ok(()));
    }
}
