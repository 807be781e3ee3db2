//! The list of models.

use super::ModelError;
use crate::engine::remote::bare;
use serde::Deserialize;
use std::path::Path;

/// The list that is compiled in.
const SHIPPED: &str = include_str!("../../../audio-models/manifest.toml");
const SHIPPED_NAME: &str = "audio-models/manifest.toml (compiled in)";

/// What a model does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Hears whether somebody speaks.
    Vad,
    /// Hears whether a turn is over.
    Turn,
    /// Understands words.
    Asr,
    /// Speaks.
    Tts,
}

impl ModelKind {
    /// As in the list: `vad`, `turn`, `asr`, `tts`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vad => "vad",
            Self::Turn => "turn",
            Self::Asr => "asr",
            Self::Tts => "tts",
        }
    }
}

/// One model: a file or a few.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// By which it is asked for.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// What it is good for, in a sentence.
    #[serde(rename = "for")]
    pub purpose: String,
    /// The licence of the weights.
    pub licence: String,
    /// Where the licence is stated.
    pub source: String,
    /// The key of the settings that names the first file to its engine.
    #[serde(default)]
    pub setting: Option<String>,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<ModelFile>,
}

/// One file of a model.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name in the folder of models; the files of a model that is a folder itself: `folder/name`.
    pub name: String,
    /// Where it comes from, over HTTP or HTTPS.
    pub url: String,
    /// Its path under a mirror; none: the path of the URL.
    #[serde(default)]
    pub mirror: Option<String>,
    /// Its size in bytes, where known.
    #[serde(default)]
    pub size: Option<u64>,
    /// Its SHA-256 in hexadecimal, where known.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// All models that can be fetched.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order of the list.
    #[serde(rename = "model", default)]
    pub models: Vec<Model>,
}

impl Manifest {
    /// The list that is compiled in, with the entries of `file` added or, where the names are equal, put in their place.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] naming the file and what is wrong in it.
    pub fn load(file: Option<&Path>) -> Result<Self, ModelError> {
        let mut all = Self::parse(SHIPPED_NAME, SHIPPED)?;
        let Some(path) = file else { return Ok(all) };
        let list = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ModelError::Manifest {
            list: list.clone(),
            what: format!("cannot be read: {error}; models.manifest names it"),
        })?;
        for model in Self::parse(&list, &text)?.models {
            match all.models.iter_mut().find(|known| known.name == model.name) {
                Some(known) => *known = model,
                None => all.models.push(model),
            }
        }
        Ok(all)
    }

    fn parse(list: &str, text: &str) -> Result<Self, ModelError> {
        let wrong = |what: String| ModelError::Manifest { list: list.to_owned(), what };
        let manifest: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for model in &manifest.models {
            if model.files.is_empty() {
                return Err(wrong(format!("model '{}' has no file", model.name)));
            }
            for file in &model.files {
                if !is_plain(&file.name) {
                    return Err(wrong(format!("'{}' of '{}' is no plain file name", file.name, model.name)));
                }
                let hex = |sum: &String| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
                if !file.sha256.iter().all(hex) {
                    return Err(wrong(format!("the sha256 of '{}' is not 64 hexadecimal digits", file.name)));
                }
            }
        }
        Ok(manifest)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] with the names that there are.
    pub fn get(&self, name: &str) -> Result<&Model, ModelError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| ModelError::Unknown {
            name: name.to_owned(),
            known: self.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

impl ModelFile {
    /// Where it is fetched from: its URL, or the mirror.
    ///
    /// # Errors
    /// [`ModelError::Address`] when one of the two is no HTTP address.
    pub fn address(&self, mirror: Option<&str>) -> Result<reqwest::Url, ModelError> {
        let parse = |text: &str| {
            let wrong = |what: String| ModelError::Address { url: bare(text), what };
            let url = reqwest::Url::parse(text).map_err(|error| wrong(error.to_string()))?;
            match url.scheme() {
                "http" | "https" if url.has_host() => Ok(url),
                other => Err(wrong(format!("'{other}' is neither http nor https"))),
            }
        };
        let own = parse(&self.url)?;
        let Some(mirror) = mirror else { return Ok(own) };
        let path = self.mirror.as_deref().unwrap_or(own.path()).trim_start_matches('/');
        parse(&format!("{}/{path}", mirror.trim_end_matches('/')))
    }
}

/// Whether this is the name of a file, in a folder at most.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() <= 2 && parts.iter().all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[[model]]\nname = 'silero-vad'\nkind = 'vad'\nfor = 'x'\nlicence = 'MIT'\nsource = 'me'\n\
                       [[model.file]]\nname = 'a.onnx'\nurl = 'http://127.0.0.1/x/a.onnx'\n";

    #[test]
    fn the_shipped_list_is_sound_and_a_file_adds_to_it() {
        let shipped = Manifest::load(None).unwrap();
        let names: Vec<_> = shipped.models.iter().map(|m| &m.name).collect();
        assert!(names.len() >= 9 && names.iter().any(|n| *n == "whisper-tiny-q5_1"), "{names:?}");
        for file in shipped.models.iter().flat_map(|m| &m.files) {
            assert_eq!(file.address(None).unwrap().scheme(), "https", "{}", file.url);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, OWN.to_owned() + &OWN.replace("silero-vad", "mine")).unwrap();
        let both = Manifest::load(Some(&path)).unwrap();
        assert_eq!(both.models.len(), names.len() + 1);
        assert_eq!(both.get("hub4wsj-8k").unwrap().files[0].name, "hub4wsj-8k/feat.params");
        assert_eq!(both.get("silero-vad").unwrap().source, "me");
        assert!(both.get("nothing").unwrap_err().to_string().contains("whisper-tiny-q5_1"));
    }

    #[test]
    fn names_that_leave_the_folder_and_sums_that_are_none_are_refused() {
        for (from, to, says) in [
            ("'a.onnx'", "'../a.onnx'", "no plain file name"),
            ("'a.onnx'", "'.hidden'", "no plain file name"),
            ("'a.onnx'", "'/a.onnx'", "no plain file name"),
            ("'a.onnx'", "'a/../../b'", "no plain file name"),
            ("'a.onnx'", "'a/b/c'", "no plain file name"),
            ("[[model.file]]", "[[model.file]]\nsha256 = 'abc'", "64 hexadecimal"),
            ("kind = 'vad'", "kind = 'vat'", "vat"),
            ("licence", "license", "license"),
        ] {
            let error = Manifest::parse("own.toml", &OWN.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with("own.toml: ") && error.contains(says), "{error}");
        }
        let error = Manifest::load(Some(Path::new("/no/such.toml"))).unwrap_err().to_string();
        assert!(error.contains("/no/such.toml") && error.contains("models.manifest"), "{error}");
    }

    #[test]
    fn a_mirror_takes_the_place_of_scheme_and_host() {
        let mut file = Manifest::parse("own.toml", OWN).unwrap().models.remove(0).files.remove(0);
        let at = |file: &ModelFile, mirror: Option<&str>| file.address(mirror).map(|url| url.to_string());
        assert_eq!(at(&file, None).unwrap(), "http://127.0.0.1/x/a.onnx");
        assert_eq!(at(&file, Some("https://m.example/base/")).unwrap(), "https://m.example/base/x/a.onnx");
        file.mirror = Some("other/a.onnx".into());
        assert_eq!(at(&file, Some("https://m.example")).unwrap(), "https://m.example/other/a.onnx");
        let error = at(&file, Some("ftp://me:hush@m.example")).unwrap_err().to_string();
        assert!(
            error.contains("neither http") && error.contains("ftp://m.example/") && !error.contains("hush"),
            "{error}"
        );
    }
}
