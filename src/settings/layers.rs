//! Layers of settings as TOML tables: reading one, laying one over another, and saying where a mistake is.

use super::{Settings, SettingsError};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// What variables of the environment begin with.
const PREFIX: &str = "TIPRING__";

/// Reads one file. It is read into [`Settings`] too, alone, so that every mistake is found where its line is known.
pub(super) fn parse(file: &str, text: &str) -> Result<Table, SettingsError> {
    toml::from_str::<Settings>(text).and_then(|_| toml::from_str::<Table>(text)).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let mut what = explain(error.message());
        // A value that is refused does not know its key.
        if what.starts_with("invalid ")
            && let Some((key, _)) = keys(text).find(|(_, at)| *at == line)
        {
            what = format!("{key}: {what}");
        }
        SettingsError::Line { file: file.to_owned(), line, what }
    })
}

/// The keys of a file as they are written, with the tables before them and their lines; of a list of tables with their number.
fn keys(text: &str) -> impl Iterator<Item = (String, usize)> {
    let mut table = String::new();
    let mut lists: BTreeMap<String, usize> = BTreeMap::new();
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if line.starts_with('[') {
            table = line.split(']').next().unwrap_or_default().trim_matches(['[', ' ']).to_owned();
            if line.starts_with("[[") {
                let next = lists.entry(table.clone()).or_default();
                table = format!("{table}.{next}");
                *next += 1;
            }
            return None;
        }
        let (key, _) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let key = key.trim();
        Some((if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }, at + 1))
    })
}

/// Where a value stands that a room refuses with the sentence `what`: file and line, or the variable of the environment. It is
/// the key of the section that the sentence names first.
pub(super) fn place(
    section: &str,
    what: &str,
    file: Option<(&str, &str)>,
    environment: &[(String, String)],
) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let what = what.replace('[', ".").replace(']', "");
    let named = |path: &str| {
        let below = path.strip_prefix(section)?.strip_prefix('.')?;
        let listed = below.split('.').any(|step| step.parse::<usize>().is_ok());
        // Of a list only the one that is meant.
        let key = if listed { path } else { below.rsplit('.').next()? };
        // As a key, not as a word of the sentence: sip.listen, or listen = …
        what.match_indices(key).map(|(at, _)| at).find(|at| {
            let (before, after) = (what.get(..*at).unwrap_or_default(), what.get(at + key.len()..).unwrap_or_default());
            !after.starts_with(word)
                && (listed || before.ends_with('.') || !before.ends_with(word) && after.starts_with(" = "))
        })
    };
    let variables = environment.iter().filter_map(|(name, _)| {
        let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
        Some((named(&path)?, 0, format!("environment variable {name}")))
    });
    let lines = file.into_iter().flat_map(|(name, text)| keys(text).map(move |(path, line)| (name, path, line)));
    let lines = lines.filter_map(|(name, path, line)| Some((named(&path)?, 1, format!("{name}:{line}"))));
    variables.chain(lines).min().map(|(_, _, place)| place)
}

/// Makes settings of a table.
pub(super) fn read(table: &Table) -> Result<Settings, String> {
    Settings::deserialize(table.clone()).map_err(|error| explain(error.message()))
}

/// Lays `over` over `under`: tables key by key, everything else (lists too) as a whole.
pub(super) fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// Lays the variables of the environment over `under`, in the order of their names.
pub(super) fn overlay(
    under: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(), SettingsError> {
    let mut variables: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        let fail = |what: String| SettingsError::Variable { name: name.clone(), what };
        let path: Vec<String> =
            name.get(PREFIX.len()..).unwrap_or_default().split("__").map(str::to_ascii_lowercase).collect();
        // The type of a key is known to its room alone: what the text can mean is tried in turn.
        let mut first_error = None;
        let taken = readings(&text).into_iter().find_map(|value| {
            let mut tried = under.clone();
            match set(&mut tried, &path, value).and_then(|()| read(&tried).map(drop)) {
                Ok(()) => Some(tried),
                Err(what) => {
                    first_error.get_or_insert(what);
                    None
                }
            }
        });
        match taken {
            Some(table) => *under = table,
            None => return Err(fail(first_error.unwrap_or_default())),
        }
    }
    Ok(())
}

/// What the text of a variable can mean: TOML, plain text, a list with commas.
fn readings(text: &str) -> Vec<Value> {
    let toml = |text: &str| toml::from_str::<Table>(&format!("v = {text}")).ok().and_then(|mut t| t.remove("v"));
    let mut out: Vec<Value> = toml(text).into_iter().collect();
    out.push(Value::String(text.to_owned()));
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    out.push(Value::Array(parts().map(|part| Value::String(part.to_owned())).collect()));
    out.push(Value::Array(parts().map(|part| toml(part).unwrap_or_else(|| Value::String(part.to_owned()))).collect()));
    out
}

/// Puts `value` where `path` leads. A number steps into a list, at most one beyond its end.
fn set(table: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else { return Err("names no key".into()) };
    if key.is_empty() {
        return Err("names no key: write TIPRING__SECTION__KEY".into());
    }
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return Ok(());
    }
    let index = rest.first().and_then(|step| step.parse::<usize>().ok());
    let fresh = if index.is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) };
    match (table.entry(key.clone()).or_insert(fresh), index) {
        (Value::Table(below), _) => set(below, rest, value),
        (Value::Array(list), Some(index)) => {
            let inner = rest.get(1..).unwrap_or_default();
            let length = list.len();
            if index > length {
                return Err(format!("'{key}' has {length} entries: the next one is number {length}"));
            }
            if inner.is_empty() {
                if index == length {
                    list.push(value)
                } else {
                    list[index] = value
                }
                return Ok(());
            }
            if index == length {
                list.push(Value::Table(Table::new()));
            }
            match list.get_mut(index) {
                Some(Value::Table(below)) => set(below, inner, value),
                _ => Err(format!("'{key}' is a list of plain values: nothing is below {index}")),
            }
        }
        _ => Err(format!("'{key}' is not a section")),
    }
}

/// A message of the deserialiser, with the nearest known key where a key is unknown.
fn explain(message: &str) -> String {
    let message = message.trim();
    match message {
        "invalid socket address syntax" => return format!("{message}: write IP:PORT, for instance 127.0.0.1:5060"),
        "invalid IP address syntax" => return format!("{message}: write for instance 192.0.2.7"),
        _ => {}
    }
    let Some(rest) = message.strip_prefix("unknown field `") else { return message.to_owned() };
    let Some((wrong, expected)) = rest.split_once('`') else { return message.to_owned() };
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let list = known.join(", ");
    match known.iter().min_by_key(|key| strsim::levenshtein(wrong, key)) {
        Some(near) if strsim::levenshtein(wrong, near) <= 2.max(wrong.chars().count() / 3) => {
            format!("unknown key '{wrong}': did you mean '{near}'? (known here: {list})")
        }
        _ => format!("unknown key '{wrong}' (known here: {list})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_replaced_and_tables_merged() {
        let mut under: Table = toml::from_str("a = [1, 2]\n[t]\nx = 1\ny = 2").unwrap();
        merge(&mut under, toml::from_str("a = [3]\n[t]\ny = 5\n[u]\nz = 1").unwrap());
        assert_eq!(under, toml::from_str("a = [3]\n[t]\nx = 1\ny = 5\n[u]\nz = 1").unwrap());
    }

    #[test]
    fn paths_lead_into_lists_of_tables() {
        let step = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let mut table = Table::new();
        for (path, value) in [("s.l.0.user", "a"), ("s.l.0.pass", "b"), ("s.l.1.user", "c")] {
            set(&mut table, &step(path), Value::String(value.into())).unwrap();
        }
        assert_eq!(table, toml::from_str("[[s.l]]\nuser='a'\npass='b'\n[[s.l]]\nuser='c'").unwrap());
        assert!(set(&mut table, &step("s.l.3.user"), Value::Boolean(true)).unwrap_err().contains("number 2"));
        assert!(set(&mut table, &step("s.l.0.user.x"), Value::Boolean(true)).is_err());
        assert!(set(&mut table, &step("s.l.user"), Value::Boolean(true)).is_err());
    }

    #[test]
    fn near_keys_are_offered_and_far_ones_are_not() {
        let message = |key: &str| explain(&format!("unknown field `{key}`, expected one of `listen`, `allow_remote`"));
        assert!(message("listn").contains("did you mean 'listen'?"));
        assert!(message("alow_remote").contains("did you mean 'allow_remote'?"));
        assert!(!message("colour").contains("did you mean"));
        assert!(message("colour").contains("known here: listen, allow_remote"));
    }

    #[test]
    fn a_value_is_found_by_its_key_where_it_was_written_last() {
        let file = "# on\n[turn]\nduck_ms = 900\n\n[turn.mood]\non = 0.2\n[[sip.accounts]]\nusername = \"\"\n";
        let variables = |name: &str| vec![(name.to_owned(), "900".to_owned())];
        let of = |section: &str, what: &str, variable: &str| {
            place(section, what, Some(("my.toml", file)), &variables(variable))
        };
        let what = "turn.duck_ms = 900 is more than barge_in_ms = 260; lower the first or go on";
        assert_eq!(of("turn", what, "HOME").as_deref(), Some("my.toml:3"));
        let variable = "TIPRING__TURN__DUCK_MS";
        assert_eq!(of("turn", what, variable), Some(format!("environment variable {variable}")));
        let variable = "TIPRING__TURN__BARGE_IN_MS";
        assert_eq!(of("turn", what, variable).as_deref(), Some("my.toml:3"), "the key that is named first");
        assert_eq!(place("turn", what, None, &variables(variable)), Some(format!("environment variable {variable}")));
        assert_eq!(of("sip", "sip.accounts[0].username: is missing", "HOME").as_deref(), Some("my.toml:8"));
        assert_eq!(of("sip", "sip.accounts[1].username: is missing", "HOME"), None);
        let variable = "TIPRING__SIP__ACCOUNTS__1__USERNAME";
        assert!(
            of("sip", "sip.accounts[1].username: is missing", variable).is_some_and(|place| place.contains(variable))
        );
        assert_eq!(of("calls.gate", "calls.gate.off = 0.9 is above calls.gate.on = 0.5", "HOME"), None);
    }

    proptest! {
        #[test]
        fn any_text_of_a_variable_is_survived(text in ".{0,60}", name in "[A-Z0-9_]{0,20}") {
            let mut table = Table::new();
            let _ = overlay(&mut table, [(format!("TIPRING__{name}"), text)]);
        }

        #[test]
        fn any_file_is_survived(text in "[a-z\\[\\]=\"'. \n0-9]{0,120}") {
            let _ = parse("f", &text);
        }
    }
}
