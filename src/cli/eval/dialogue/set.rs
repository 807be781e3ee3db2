//! A set of dialogues: families of calls that should take the same way, each call written by hand.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of the set.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The flow that is talked to: a shipped one by its name, or a file beside this one.
    flow: String,
    /// Variables of all calls.
    #[serde(default)]
    lead: BTreeMap<String, String>,
    family: Vec<toml::Spanned<FamilyDoc>>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct FamilyDoc {
    name: String,
    /// Variables over those of the file.
    #[serde(default)]
    lead: BTreeMap<String, String>,
    /// What is to be seen after each line of the caller.
    expect: Vec<String>,
    /// The calls: the caller's lines.
    talks: Vec<Vec<String>>,
}

/// One thing that is to be seen after a line of the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Check {
    State(String),
    Objection(String),
    Slot(String, String),
    Offer(String),
    Accepted(String),
    Disposition(String),
    Source(String),
    End(Option<String>),
    Says(String),
    Unsaid(String),
    Transfer(String),
    /// A call of a tool by the model was refused.
    Refused,
    /// The agent said that it does not know.
    Unknown,
}

impl Check {
    /// What kind of move it is, for the figures.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Objection(_) => "objection",
            Self::Slot(..) => "slot",
            Self::Offer(_) | Self::Accepted(_) => "offer",
            Self::Disposition(_) => "disposition",
            Self::Source(_) => "source",
            Self::End(_) | Self::Transfer(_) => "end",
            Self::Says(_) | Self::Unsaid(_) => "words",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("slot:") {
            let (slot, value) = rest.split_once('=').ok_or_else(|| format!("'{text}': write slot:NAME=VALUE"))?;
            return Ok(Self::Slot(slot.trim().to_owned(), value.trim().to_owned()));
        }
        let Some((key, value)) = text.split_once('=') else {
            return match text {
                "end" => Ok(Self::End(None)),
                "refused" => Ok(Self::Refused),
                "unknown" => Ok(Self::Unknown),
                "" => Err("an empty expectation: name a state".to_owned()),
                state => Ok(Self::State(state.to_owned())),
            };
        };
        let value = value.trim().to_owned();
        Ok(match key.trim() {
            "objection" => Self::Objection(value),
            "offer" => Self::Offer(value),
            "accepted" => Self::Accepted(value),
            "disposition" => Self::Disposition(value),
            "source" => Self::Source(value),
            "end" => Self::End(Some(value)),
            "says" => Self::Says(value),
            "unsaid" => Self::Unsaid(value),
            "transfer" => Self::Transfer(value),
            other => {
                return Err(format!(
                    "there is no expectation '{other}': use a state's name, objection=, slot:NAME=, offer=, accepted=, disposition=, \
                     source=, end, end=, transfer=, says=, unsaid=, unknown or refused"
                ));
            }
        })
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(state) => write!(f, "state {state}"),
            Self::Objection(class) => write!(f, "objection {class}"),
            Self::Slot(slot, value) => write!(f, "slot {slot} = {value}"),
            Self::Offer(offer) => write!(f, "offer {offer}"),
            Self::Accepted(offer) => write!(f, "offer {offer} accepted"),
            Self::Disposition(disposition) => write!(f, "disposition {disposition}"),
            Self::Source(heading) => write!(f, "an answer from '{heading}'"),
            Self::End(None) => f.write_str("the end"),
            Self::End(Some(reason)) => write!(f, "the end: {reason}"),
            Self::Says(words) => write!(f, "the words '{words}'"),
            Self::Unsaid(words) => write!(f, "not the words '{words}'"),
            Self::Transfer(target) => write!(f, "a transfer to {target}"),
            Self::Refused => f.write_str("a refused call of a tool"),
            Self::Unknown => f.write_str("that it is not known"),
        }
    }
}

/// One call.
#[derive(Debug)]
pub(super) struct Dialogue {
    /// For messages: `cards.toml:12 fee, 3`.
    pub place: String,
    pub flow: String,
    /// Where the file lies, for flows beside it.
    pub folder: PathBuf,
    pub lead: BTreeMap<String, String>,
    /// The caller's lines, each with what is to be seen after it.
    pub turns: Vec<(String, Vec<Check>)>,
}

/// The `.toml` below a folder, in the order of their names.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}: cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        // A link to a folder may lead round in circles.
        if path.is_dir() && !path.is_symlink() {
            below(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads a file, or every `.toml` below a folder.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Dialogue>> {
    let mut files = Vec::new();
    if !path.is_dir() {
        files.push(path.to_owned());
    } else {
        below(path, &mut files)?;
        if files.is_empty() {
            bail!("{}: holds no .toml with dialogues", path.display());
        }
    }
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        all.extend(parse(&text, &file)?);
    }
    Ok(all)
}

fn parse(text: &str, file: &Path) -> anyhow::Result<Vec<Dialogue>> {
    let name = file.display();
    let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let document: Document = toml::from_str(text).map_err(|error| {
        anyhow::anyhow!("{name}:{}: {}", line(error.span().map_or(0, |span| span.start)), error.message())
    })?;
    let mut all = Vec::new();
    for family in document.family {
        let at = line(family.span().start);
        let family = family.into_inner();
        let place = format!("{name}:{at} {}", family.name);
        let checks = family
            .expect
            .iter()
            .map(|expected| expected.split(',').map(Check::parse).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|what| anyhow::anyhow!("{place}: {what}"))?;
        let mut lead = document.lead.clone();
        lead.extend(family.lead);
        for (number, talk) in family.talks.into_iter().enumerate() {
            if talk.len() != checks.len() {
                let (lines, wanted) = (talk.len(), checks.len());
                bail!("{place}: call {} has {lines} lines of the caller, and 'expect' is for {wanted}", number + 1);
            }
            all.push(Dialogue {
                place: format!("{place}, {}", number + 1),
                flow: document.flow.clone(),
                folder: file.parent().unwrap_or(Path::new("")).to_owned(),
                lead: lead.clone(),
                turns: talk.into_iter().zip(checks.iter().cloned()).collect(),
            });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "flow = 'a'\nlead = { name = 'Ann' }\n[[family]]\nname = 'fee'\nlead = { profile = 'new' }\n\
                       expect = ['pitch', 'pitch, objection=too_expensive, slot:budget=low', 'end=completed']\n\
                       talks = [['yes', 'too much', 'bye'], ['sure', 'a lot', '~']]\n";

    #[test]
    fn every_call_of_a_family_has_its_expectations() {
        let all = parse(SET, Path::new("cards.toml")).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].place, "cards.toml:3 fee, 2");
        assert_eq!((all[0].lead.len(), all[0].turns[1].0.as_str()), (2, "too much"));
        let expected = [
            Check::State("pitch".into()),
            Check::Objection("too_expensive".into()),
            Check::Slot("budget".into(), "low".into()),
        ];
        assert_eq!(all[0].turns[1].1, expected);
    }

    #[test]
    fn folders_within_the_folder_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("holds no .toml"));
        for language in ["en", "zh"] {
            std::fs::create_dir(folder.path().join(language)).unwrap();
            std::fs::write(folder.path().join(language).join("a.toml"), SET).unwrap();
        }
        std::fs::write(folder.path().join("answers.jsonl"), "{}").unwrap();
        assert_eq!(read(folder.path()).unwrap().len(), 4);
    }

    #[test]
    fn mistakes_name_their_line() {
        let error = |text: &str| parse(text, Path::new("c.toml")).unwrap_err().to_string();
        assert!(error(&SET.replace(", '~'", "")).starts_with("c.toml:3 fee: call 2 has 2 lines of the caller"));
        assert!(error(&SET.replace("objection=", "objektion=")).contains("there is no expectation 'objektion'"));
        assert!(error(&SET.replace("name = 'fee'", "nam = 'fee'")).starts_with("c.toml:4: unknown field"));
    }
}
