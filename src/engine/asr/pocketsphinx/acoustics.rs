//! One acoustic model: where it lies, how its features are made, and how the words of its language are said.

use super::again::Kind;
use super::dictionary::Dictionary;
use super::grammar::Sounds;
use super::weights;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that says how an acoustic model's features are made.
const FEATURES: &str = "feat.params";
/// The files that an acoustic model cannot do without: the library ends the process over some of them.
const FILES: [&str; 5] = [FEATURES, "mdef", "means", "variances", "transition_matrices"];
/// One of these holds the weights of its sounds.
const WEIGHTS: [&str; 2] = ["sendump", "mixture_weights"];

/// What a model's `feat.params` may say that decoder and front end take over; it also holds notes for training, and how the
/// channel's mean is taken out.
const KEYS: [&str; 19] = [
    "-lowerf",
    "-upperf",
    "-nfilt",
    "-nfft",
    "-ncep",
    "-wlen",
    "-frate",
    "-alpha",
    "-transform",
    "-lifter",
    "-round_filters",
    "-unit_area",
    "-remove_dc",
    "-remove_noise",
    "-remove_silence",
    "-feat",
    "-svspec",
    "-agc",
    "-varnorm",
];
/// A model that looks no higher than this, in hertz, is one for the telephone.
const TELEPHONE: f32 = 4000.0;

/// An acoustic model.
pub(super) struct Acoustics {
    directory: String,
    /// How the features are made: options of the library.
    features: Vec<(String, String)>,
    /// How words are said.
    pub dictionary: Arc<Dictionary>,
    /// The sounds that it knows.
    pub sounds: Sounds,
    /// Whether it looks at more than a telephone lets through.
    pub kind: Kind,
}

impl Acoustics {
    /// Reads what is said about a model and what its files say of themselves; its weights are read by each decoder.
    ///
    /// # Errors
    /// Names the file that is missing, cannot be read or holds something else.
    pub fn read(directory: &Path, dictionary: Arc<Dictionary>) -> Result<Self, String> {
        if let Some(path) = missing(directory) {
            return Err(format!("no acoustic model: {} is missing", path.display()));
        }
        weights::check(directory)?;
        let Some(name) = directory.to_str().map(str::to_owned) else {
            return Err(format!("the path of the model is not UTF-8: {}", directory.display()));
        };
        let path = directory.join(FEATURES);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let features = options(&text);
        let upper = features.iter().find(|(key, _)| key == "-upperf").and_then(|(_, hertz)| hertz.parse::<f32>().ok());
        let sounds = Sounds::of(&dictionary);
        let kind = if upper.is_some_and(|upper| upper <= TELEPHONE) { Kind::Narrow } else { Kind::Wide };
        Ok(Self { directory: name, features, dictionary, sounds, kind })
    }

    /// The options of the library for a decoder and its front end.
    pub fn options(&self) -> Vec<(&str, &str)> {
        let mut options = vec![
            ("-hmm", self.directory.as_str()),
            // Words are added as grammars need them: the whole dictionary would take 22 MB per call.
            ("-dict", "/dev/null"),
            ("-bestpath", "no"),
            // What the model says of its features overrules what is said here, unless it is said from here: the channel's
            // mean is taken out in `features`.
            ("-featparams", "/dev/null"),
            ("-cmn", "none"),
            // Scores are distances to the best sound that was looked at: only when all are, those of two passes compare.
            ("-compallsen", "yes"),
            // Where more sounds than this are looked at in a frame, the beams close in. With hundreds of phrases and wide beams
            // this takes half of the time; from 500 on the same phrases are found (adults' 52, among 12 and among 750).
            ("-maxhmmpf", "1500"),
        ];
        options.extend(self.features.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        options
    }

    #[cfg(test)]
    pub fn of_dictionary(text: &str) -> Self {
        let dictionary = Arc::new(Dictionary::from_text(text));
        let sounds = Sounds::of(&dictionary);
        Self { directory: String::new(), features: Vec::new(), dictionary, sounds, kind: Kind::Wide }
    }
}

/// The first file of a model that is not there.
fn missing(directory: &Path) -> Option<PathBuf> {
    let absent = |file: &&str| !directory.join(file).is_file();
    let needed = FILES.iter().find(|file| absent(file));
    needed.or_else(|| WEIGHTS.first().filter(|_| WEIGHTS.iter().all(absent))).map(|file| directory.join(file))
}

/// How the model's features are made, from the text of its `feat.params`.
fn options(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.as_chunks::<2>().0.iter();
    pairs.filter(|[key, _]| KEYS.contains(key)).map(|[key, value]| ((*key).into(), (*value).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::weights::tests::headers;
    use super::*;

    #[test]
    fn of_the_models_features_what_is_known_is_taken_over() {
        let options =
            options("-lowerf 130\n-upperf 6800\n-model ptm\n-cmn batch\n-cmninit 41,-5\n-feat 1s_c_d_dd\n-agc");
        let options: Vec<_> = options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(options, [("-lowerf", "130"), ("-upperf", "6800"), ("-feat", "1s_c_d_dd")]);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Acoustics::read(folder.path(), Arc::new(Dictionary::from_text("a AH\n")));
        for file in FILES {
            let error = read().err().unwrap();
            assert!(error.contains(file), "{error}");
            std::fs::write(folder.path().join(file), "-upperf 4000\n-nfilt 20\n").unwrap();
        }
        assert!(read().err().unwrap().contains("sendump"));
        std::fs::write(folder.path().join("mixture_weights"), "").unwrap();
        assert!(read().err().unwrap().contains("mdef holds no part of an acoustic model"));
        for (file, bytes) in headers() {
            std::fs::write(folder.path().join(file), bytes).unwrap();
        }
        let model = read().unwrap();
        assert!(model.kind == Kind::Narrow && model.options().contains(&("-compallsen", "yes")));
    }
}
