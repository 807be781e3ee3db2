//! The log of a call's questions to the language model: one line of JSON each, appended when the answer is complete.

use super::StoreError;
use super::files::{Files, io};
use crate::id::CallId;
use crate::speech::Exchange;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

impl Files {
    /// The log of a call.
    pub(super) fn exchanges(&self, id: CallId) -> PathBuf {
        self.record(id).with_extension("llm.jsonl")
    }

    /// Appends a line. It is not synchronised with the disk: the record does not depend on it.
    pub(super) fn log(&self, id: CallId, exchange: &Exchange) -> Result<(), StoreError> {
        self.make_day(id)?;
        let path = self.exchanges(id);
        let mut line =
            serde_json::to_vec(exchange).map_err(|source| StoreError::NotARecord { path: path.clone(), source })?;
        line.push(b'\n');
        let mut file = io("open", &path, OpenOptions::new().create(true).append(true).open(&path))?;
        io("write", &path, file.write_all(&line))
    }
}

/// What a call asked the language model and was answered, oldest first; empty for a call that asked nothing. Needs no open
/// store: a running server may write meanwhile.
///
/// # Errors
/// [`StoreError::Io`] when the log cannot be read, [`StoreError::NotARecord`] for a line that is none.
pub fn exchanges(data_dir: &Path, id: CallId) -> Result<Vec<Exchange>, StoreError> {
    let path = Files::day_of(data_dir, id).join(format!("{id}.llm.jsonl"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return io("read", &path, Err(error)),
    };
    // The last line may be growing.
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let read =
        |line: &str| serde_json::from_str(line).map_err(|source| StoreError::NotARecord { path: path.clone(), source });
    whole.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_a_growing_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path(), false).unwrap();
        let id = CallId::from_parts(1_000, 7);
        assert_eq!(exchanges(folder.path(), id).unwrap(), []);
        for key in ["a", "b"] {
            let exchange: Exchange = serde_json::from_str(&format!("{{\"key\":\"{key}\"}}")).unwrap();
            files.log(id, &exchange).unwrap();
        }
        let mut file = OpenOptions::new().append(true).open(files.exchanges(id)).unwrap();
        file.write_all(b"{\"key\":").unwrap();
        let keys: Vec<String> =
            exchanges(folder.path(), id).unwrap().into_iter().map(|exchange| exchange.key).collect();
        assert_eq!(keys, ["a", "b"]);
    }
}
