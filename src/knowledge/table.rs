//! Facts in CSV: the first line names the columns, every other row is a fact.
//!
//! Columns: `text` (or `say`), and optionally `heading` and the keys of a fact. Questions in `ask` are divided by `|`.

use super::Mistake;
use super::fact::{Fact, KEYS, Keys};

/// Reads a file. Mistakes are added to `mistakes`.
pub(super) fn read(file: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Fact> {
    let mut wrong = |line: usize, what: String| mistakes.push(Mistake { file: file.to_owned(), line, what });
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = match reader.headers() {
        Ok(columns) => columns.clone(),
        Err(error) => {
            wrong(1, format!("is no CSV: {error}"));
            return Vec::new();
        }
    };
    if let Some(unknown) = columns.iter().find(|name| !KEYS.contains(name) && !matches!(*name, "heading" | "text")) {
        wrong(1, format!("there is no column '{unknown}': use heading, text, {}", KEYS.join(", ")));
        return Vec::new();
    }
    if !columns.iter().any(|name| matches!(name, "text" | "say")) {
        wrong(
            1,
            "no column 'text' or 'say': the first line names the columns, for instance heading,text,say".to_owned(),
        );
        return Vec::new();
    }
    let mut facts = Vec::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                let what = match error.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!(
                            "has {len} columns where the first line names {expected_len}: put \"quotes\" around commas"
                        )
                    }
                    _ => error.to_string(),
                };
                wrong(usize::try_from(line).unwrap_or(usize::MAX), what);
                continue;
            }
        };
        let line = row.position().map_or(1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
        let (mut keys, mut heading, mut body) = (Keys::default(), "", "");
        let mut good = true;
        for (name, value) in columns.iter().zip(row.iter()) {
            match name {
                "heading" => heading = value,
                "text" => body = value,
                key => {
                    if let Err(what) = keys.set(key, value) {
                        wrong(line, what);
                        good = false;
                    }
                }
            }
        }
        match keys.fact(file, line, heading, body) {
            Ok(fact) if good => facts.push(fact),
            Ok(_) => {}
            Err(what) => wrong(line, what),
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<Fact>, Vec<String>) {
        let mut mistakes = Vec::new();
        let facts = read("fees.csv", text, &mut mistakes);
        (facts, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rows_are_facts() {
        let text = "heading,text,say,ask,until\nFee,\"It is 20 euros,\nper year.\",Twenty.,cost|price,2026-12-31\n,No heading here.,,,\n";
        let (facts, mistakes) = all(text);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(facts.len(), 2);
        assert_eq!((facts[0].text.as_str(), facts[0].ask.len()), ("It is 20 euros, per year.", 2));
        assert_eq!(facts[1].source(), "fees.csv#4");
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (text, expected) in [
            ("heading,txt\na,b\n", "fees.csv:1: there is no column 'txt'"),
            ("heading\na\n", "fees.csv:1: no column 'text'"),
            ("text,until\na,b\nc,2026-01-01,d\n", "fees.csv:2: 'b' is no day"),
            ("text,until\nc,2026-01-01,d\n", "fees.csv:2: has 3 columns where the first line names 2"),
            ("heading,text\nFee,\n", "fees.csv:2: a fact without text"),
        ] {
            let (_, mistakes) = all(text);
            assert!(mistakes.first().is_some_and(|first| first.starts_with(expected)), "{text}: {mistakes:?}");
        }
    }
}
