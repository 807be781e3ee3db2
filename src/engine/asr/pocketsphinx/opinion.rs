//! The acoustic models beside the first: where they are expected, and what is said when one that was asked for is missing.
//!
//! Their places have defaults. Where nothing lies there, calls are heard without; where the settings name a place, it is an
//! error.

use super::acoustics::Acoustics;
use super::dictionary::Dictionary;
use super::{Config, ENGLISH, MANDARIN, unavailable};
use crate::speech::EngineError;
use std::path::Path;
use std::sync::Arc;

/// The model for the telephone, if there is one.
pub(super) fn narrow(config: &Config, dictionary: Arc<Dictionary>) -> Result<Option<Acoustics>, EngineError> {
    let usual = Config::default().narrow_model == config.narrow_model;
    if usual && (config.language.0 != ENGLISH || !config.narrow_model.is_dir()) {
        return Ok(None);
    }
    Acoustics::read(&config.narrow_model, dictionary).map(Some).map_err(|e| {
        unavailable(format!("engine.pocketsphinx.narrow_model: {e}; get it with: tipring models fetch hub4wsj-8k"))
    })
}

/// The model of digits, if there is one.
pub(super) fn digits(config: &Config) -> Result<Option<Acoustics>, EngineError> {
    let usual = Config::default().digits_model == config.digits_model;
    if usual && (config.language.0 != ENGLISH || !config.digits_model.is_dir()) {
        return Ok(None);
    }
    let refused = |key: &str, what: String| {
        unavailable(format!("engine.pocketsphinx.{key}: {what}; get it with: apt-get install pocketsphinx-testdata"))
    };
    let dictionary = read(&config.digits_dictionary).map_err(|e| refused("digits_dictionary", e))?;
    Acoustics::read(&config.digits_model, dictionary).map(Some).map_err(|e| refused("digits_model", e))
}

/// The model for Mandarin, if there is one beside that of the settings' language.
pub(super) fn mandarin(config: &Config) -> Result<Option<Acoustics>, EngineError> {
    let usual = Config::default();
    let expected = usual.mandarin_model == config.mandarin_model;
    if config.language.0 == MANDARIN || expected && !config.mandarin_model.is_dir() {
        return Ok(None);
    }
    let refused = |key: &str, what: String| {
        unavailable(format!("engine.pocketsphinx.{key}: {what}; get it with: tipring models fetch tdt-8k"))
    };
    let dictionary = read(&config.mandarin_dictionary).map_err(|e| refused("mandarin_dictionary", e))?;
    Acoustics::read(&config.mandarin_model, dictionary).map(Some).map_err(|e| refused("mandarin_model", e))
}

fn read(path: &Path) -> Result<Arc<Dictionary>, String> {
    Dictionary::read(path).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Language;

    #[test]
    fn second_opinions_are_done_without_unless_they_are_asked_for() {
        let dictionary = || Arc::new(Dictionary::from_text("yes Y EH S\n"));
        let config = Config { narrow_model: "/no/such".into(), digits_model: "/no/such".into(), ..Config::default() };
        let error = narrow(&config, dictionary()).err().unwrap().to_string();
        assert!(error.contains("narrow_model") && error.contains("models fetch hub4wsj-8k"), "{error}");
        let error = digits(&config).err().unwrap().to_string();
        assert!(error.contains("digits_") && error.contains("pocketsphinx-testdata"), "{error}");
        let config = Config { language: Language("zh".into()), ..Config::default() };
        assert!(narrow(&config, dictionary()).unwrap().is_none() && digits(&config).unwrap().is_none());
        assert!(mandarin(&config).unwrap().is_none());
        let config = Config { mandarin_model: "/no/such".into(), ..Config::default() };
        let error = mandarin(&config).err().unwrap().to_string();
        assert!(error.contains("mandarin_") && error.contains("models fetch tdt-8k"), "{error}");
    }
}
