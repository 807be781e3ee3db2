//! Which of the two languages a text is in.

/// A language that intents are read in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Language {
    /// Mandarin, in Chinese characters.
    Zh,
    /// English.
    En,
}

impl Language {
    /// By script: a text with Chinese characters is Mandarin unless Latin words are three times as many as characters.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let han = text.chars().filter(|c| is_han(*c)).count();
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).count();
        if han > 0 && words < 3 * han { Self::Zh } else { Self::En }
    }

    /// Its code: `zh`, `en`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The language of a code or tag: `zh`, `zh-CN`, `cmn`, `en`, `en-GB`.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        match code.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "zh" | "cmn" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// A character of Chinese script.
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_tells_the_language() {
        assert_eq!(Language::of("太贵了，不要"), Language::Zh);
        assert_eq!(Language::of("这个APP怎么用"), Language::Zh);
        assert_eq!(Language::of("that's too much"), Language::En);
        assert_eq!(Language::of("my friend calls it the 好 card you know"), Language::En);
        assert_eq!(Language::of(""), Language::En);
        assert_eq!((Language::from_code("zh-CN"), Language::from_code("fr")), (Some(Language::Zh), None));
    }
}
