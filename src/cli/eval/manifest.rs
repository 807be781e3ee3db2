//! Labelled data: one CSV per set. The first line names the columns, paths are relative to the file, columns that nobody asks
//! for are ignored.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One line of the set.
pub(in crate::cli) struct Row {
    /// For messages: `set.csv:12`.
    pub place: String,
    folder: PathBuf,
    columns: BTreeMap<String, String>,
}

impl Row {
    /// What stands in a column; none when it is missing or empty.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.columns.get(column).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// As [`get`](Self::get), for a column that must be there.
    pub fn required(&self, column: &str) -> anyhow::Result<&str> {
        self.get(column).with_context(|| format!("{}: the column '{column}' is missing or empty", self.place))
    }

    /// The path in a column.
    pub fn path(&self, column: &str) -> Option<PathBuf> {
        self.get(column).map(|path| self.folder.join(path))
    }
}

/// Reads a set.
pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let name = path.display();
    let mut records = records(&text).into_iter();
    let Some((_, header)) = records.next() else {
        bail!("{name}: is empty; its first line names the columns, for instance file,transcript");
    };
    let header: Vec<String> = header.iter().map(|column| column.trim().to_owned()).collect();
    if records.as_slice().is_empty() {
        bail!("{name}: has nothing below its first line: write a line for each thing to be scored or learned");
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    records
        .map(|(line, fields)| {
            let place = format!("{name}:{line}");
            if fields.len() != header.len() {
                let (has, wants) = (fields.len(), header.len());
                bail!("{place}: has {has} columns where the first line names {wants}; put \"quotes\" around commas");
            }
            let columns = header.iter().cloned().zip(fields).collect();
            Ok(Row { place, folder: folder.clone(), columns })
        })
        .collect()
}

/// The records of RFC 4180 and the line on which each begins. Empty lines are left out.
fn records(text: &str) -> Vec<(usize, Vec<String>)> {
    let text = text.trim_start_matches('\u{feff}');
    let (mut out, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut began, mut quoted) = (1, 1, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field).trim_end_matches('\r').to_owned());
                let record = std::mem::take(&mut fields);
                if record.iter().any(|field| !field.trim().is_empty()) {
                    out.push((began, record));
                }
                (line, began) = (line + 1, line + 1);
                continue;
            }
            _ => field.push(c),
        }
        line += usize::from(c == '\n');
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        out.push((began, fields));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_quotes_and_line_ends_are_read() {
        let text = "\u{feff}file,text\r\na.wav,\"one, \"\"two\"\"\nthree\"\r\n\nb.wav,\nc.wav,last";
        let got = records(text);
        assert_eq!(got[1], (2, vec!["a.wav".into(), "one, \"two\"\nthree".into()]));
        assert_eq!(got[2], (5, vec!["b.wav".into(), String::new()]));
        assert_eq!(got[3], (6, vec!["c.wav".into(), "last".into()]));
    }

    #[test]
    fn rows_have_columns_by_name_and_paths_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        std::fs::write(&path, "file,extra,transcript\na.wav,1,yes\nb.wav,,\n").unwrap();
        let rows = read(&path).unwrap();
        assert_eq!(rows[0].path("file").unwrap(), folder.path().join("a.wav"));
        assert_eq!((rows[0].get("transcript"), rows[1].get("transcript")), (Some("yes"), None));
        let error = rows[1].required("transcript").unwrap_err().to_string();
        assert!(error.contains("set.csv:3") && error.contains("'transcript'"), "{error}");
        std::fs::write(&path, "file\na,b\n").unwrap();
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains("set.csv:2: has 2 columns"), "{error}");
        for empty in ["file,text\n", "file,text\n\n , \n"] {
            std::fs::write(&path, empty).unwrap();
            let error = read(&path).err().unwrap().to_string();
            assert!(error.contains("set.csv: has nothing below its first line"), "{error}");
        }
    }
}
