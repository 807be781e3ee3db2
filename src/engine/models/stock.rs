//! What of a model is there, and whether it is what the list means.

use super::{Model, ModelError, ModelFile};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Bytes that are read at a time.
const READ: usize = 1 << 20;

/// What is there of a file, by its name and size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    /// Nothing.
    Missing,
    /// A download that was cut, of so many bytes.
    Begun(u64),
    /// A file of so many bytes, which are not those of the list.
    WrongSize(u64),
    /// A file of so many bytes; its sum was not looked at.
    There(u64),
}

/// What a file's sum says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the file that the list means.
    Good,
    /// The list has no sum for it; this is the file's.
    Unknown(String),
    /// Its sum is another one.
    Wrong(String),
    /// It is not there.
    Missing,
}

/// What is there of a file in a folder.
pub fn state(dir: &Path, file: &ModelFile) -> FileState {
    let size = |name: &str| std::fs::metadata(dir.join(name)).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
    match (size(&file.name), size(&format!("{}.part", file.name))) {
        (Some(size), _) if file.size.is_some_and(|known| known != size) => FileState::WrongSize(size),
        (Some(size), _) => FileState::There(size),
        (None, Some(size)) => FileState::Begun(size),
        (None, None) => FileState::Missing,
    }
}

impl Model {
    /// The state of the model as a whole: that of its file that is worst off.
    pub fn state(&self, dir: &Path) -> FileState {
        let rank = |state: &FileState| match state {
            FileState::Missing => 0,
            FileState::Begun(_) => 1,
            FileState::WrongSize(_) => 2,
            FileState::There(_) => 3,
        };
        self.files.iter().map(|file| state(dir, file)).min_by_key(rank).unwrap_or(FileState::Missing)
    }
}

/// Sums a file in a folder. Reads all of it: not for a thread of the runtime.
///
/// # Errors
/// [`ModelError::Disk`] when it cannot be read.
pub fn verify(dir: &Path, file: &ModelFile) -> Result<Verdict, ModelError> {
    let path = dir.join(&file.name);
    if !path.is_file() {
        return Ok(Verdict::Missing);
    }
    let sum = sum(&path)?;
    Ok(match &file.sha256 {
        None => Verdict::Unknown(sum),
        Some(known) if known.eq_ignore_ascii_case(&sum) => Verdict::Good,
        Some(_) => Verdict::Wrong(sum),
    })
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn sum(path: &Path) -> Result<String, ModelError> {
    let failed = |source| ModelError::Disk { path: path.to_owned(), source };
    let mut reader = std::fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ];
    loop {
        match reader.read(&mut buffer).map_err(failed)? {
            0 => break,
            n => hash.update(buffer.get(..n).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_there_and_whether_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut file = ModelFile {
            name: "a.bin".into(),
            url: "http://127.0.0.1/a.bin".into(),
            mirror: None,
            size: Some(3),
            sha256: Some("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD".into()),
        };
        assert_eq!(state(folder.path(), &file), FileState::Missing);
        assert_eq!(verify(folder.path(), &file).unwrap(), Verdict::Missing);
        std::fs::write(at("a.bin.part"), "ab").unwrap();
        assert_eq!(state(folder.path(), &file), FileState::Begun(2));
        std::fs::write(at("a.bin"), "abc").unwrap();
        assert_eq!(state(folder.path(), &file), FileState::There(3));
        assert_eq!(verify(folder.path(), &file).unwrap(), Verdict::Good);
        std::fs::write(at("a.bin"), "abcd").unwrap();
        assert_eq!(state(folder.path(), &file), FileState::WrongSize(4));
        assert!(matches!(verify(folder.path(), &file).unwrap(), Verdict::Wrong(sum) if sum.len() == 64));
        file.sha256 = None;
        assert!(matches!(verify(folder.path(), &file).unwrap(), Verdict::Unknown(_)));
    }
}
