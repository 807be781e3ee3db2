//! One fact, and the keys that a file may give it.

use time::Date;
use time::macros::format_description;

/// Most characters of a prepared sentence: longer ones are not spoken well, and a caller does not wait for their end.
const MAX_SAY_CHARS: usize = 300;
/// Most characters of a fact's text: it goes into a prompt.
const MAX_TEXT_CHARS: usize = 2_000;

/// A fact about a product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// The file in its folder, with `/` between folders.
    pub file: String,
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// Its heading; empty where it has none.
    pub heading: String,
    /// The fact itself, plain text.
    pub text: String,
    /// The sentence that is spoken where nobody phrases the fact anew.
    pub say: Option<String>,
    /// Questions as callers put them.
    pub ask: Vec<String>,
    /// Its language, `en` or `zh`; what the text is written in where the file does not say.
    pub language: String,
    /// The product that it is about; none: every product.
    pub product: Option<String>,
    /// The first day on which it is true.
    pub from: Option<Date>,
    /// The last day on which it is true.
    pub until: Option<Date>,
}

impl Fact {
    /// What a record cites: `file#heading`, or the line where there is no heading.
    pub fn source(&self) -> String {
        match self.heading.as_str() {
            "" => format!("{}#{}", self.file, self.line),
            heading => format!("{}#{heading}", self.file),
        }
    }

    /// It is true on that day.
    pub fn holds(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }

    /// What can be said of it as it stands: the prepared sentence, else its own first sentence where that is short.
    pub fn spoken(&self) -> Option<&str> {
        let first = || {
            let end = self.text.char_indices().find(|(at, c)| {
                matches!(c, '。' | '！' | '？')
                    || matches!(c, '.' | '!' | '?')
                        && self
                            .text
                            .get(at + c.len_utf8()..)
                            .is_none_or(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            let sentence =
                end.map_or(self.text.as_str(), |(at, c)| self.text.get(..at + c.len_utf8()).unwrap_or_default());
            (!sentence.is_empty() && sentence.chars().count() <= MAX_SAY_CHARS / 2).then_some(sentence)
        };
        self.say.as_deref().or_else(first)
    }
}

/// The keys of a fact: in a file's front matter for all its facts, under a heading or in a row for one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Keys {
    pub say: Option<String>,
    pub ask: Vec<String>,
    pub language: Option<String>,
    pub product: Option<String>,
    pub from: Option<Date>,
    pub until: Option<Date>,
}

/// The names of the keys.
pub(super) const KEYS: [&str; 6] = ["say", "ask", "language", "product", "from", "until"];

impl Keys {
    /// Sets a key from its text. The error says what is wrong with it.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        match key {
            "say" if value.chars().count() > MAX_SAY_CHARS => {
                return Err(format!(
                    "'say' has more than {MAX_SAY_CHARS} characters: a caller does not wait for its end"
                ));
            }
            "say" => self.say = Some(value.to_owned()),
            "ask" => self.ask.extend(value.split('|').map(str::trim).filter(|ask| !ask.is_empty()).map(str::to_owned)),
            "language" => match primary(value) {
                Some(language) => self.language = Some(language),
                None => return Err(format!("'{value}' is no language: write en or zh")),
            },
            "product" => self.product = Some(value.to_owned()),
            "from" => self.from = Some(date(value)?),
            "until" => self.until = Some(date(value)?),
            _ => return Err(format!("there is no key '{key}': use one of {}", KEYS.join(", "))),
        }
        Ok(())
    }

    /// These keys, with those of the whole file where they say nothing.
    pub fn over(self, file: &Self) -> Self {
        Self {
            say: self.say,
            ask: self.ask,
            language: self.language.or_else(|| file.language.clone()),
            product: self.product.or_else(|| file.product.clone()),
            from: self.from.or(file.from),
            until: self.until.or(file.until),
        }
    }

    /// The fact with these keys. The error says what keeps it from being one.
    pub fn fact(self, file: &str, line: usize, heading: &str, text: &str) -> Result<Fact, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() && self.say.is_none() {
            return Err("a fact without text: write it, or a sentence to 'say'".to_owned());
        }
        if text.chars().count() > MAX_TEXT_CHARS {
            return Err(format!("a fact of more than {MAX_TEXT_CHARS} characters: put a heading into it"));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until < from
        {
            return Err(format!("it is true until {until}, before it begins to be on {from}: change one"));
        }
        let text = if text.is_empty() { self.say.clone().unwrap_or_default() } else { text };
        let language = self.language.unwrap_or_else(|| if han(&text) { "zh" } else { "en" }.to_owned());
        Ok(Fact {
            file: file.to_owned(),
            line,
            heading,
            text,
            say: self.say,
            ask: self.ask,
            language,
            product: self.product,
            from: self.from,
            until: self.until,
        })
    }
}

/// The first part of a language's name, where it can be searched in.
pub(super) fn primary(language: &str) -> Option<String> {
    let first = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let name = match first.as_str() {
        "cmn" => "zh",
        other => other,
    };
    matches!(name, "en" | "zh").then(|| name.to_owned())
}

/// There are Chinese characters in it.
fn han(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

fn date(value: &str) -> Result<Date, String> {
    Date::parse(value, format_description!("[year]-[month]-[day]"))
        .map_err(|_| format!("'{value}' is no day: write it as 2026-12-31"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn a_fact_holds_from_its_first_to_its_last_day() {
        let mut keys = Keys::default();
        keys.set("from", "2026-11-01").unwrap();
        keys.set("until", "2026-11-30").unwrap();
        let fact = keys.fact("a.md", 3, "Fee", "It is free.").unwrap();
        assert!(fact.holds(date!(2026 - 11 - 01)) && fact.holds(date!(2026 - 11 - 30)));
        assert!(!fact.holds(date!(2026 - 10 - 31)) && !fact.holds(date!(2026 - 12 - 01)));
        assert_eq!(fact.source(), "a.md#Fee");
    }

    #[test]
    fn a_wrong_key_is_explained() {
        let mut keys = Keys::default();
        assert!(keys.set("until", "tomorrow").unwrap_err().contains("2026-12-31"));
        assert!(keys.set("untill", "x").unwrap_err().contains("use one of say, ask"));
        assert!(keys.set("language", "fr").unwrap_err().contains("en or zh"));
        assert!(keys.set("say", &"x".repeat(301)).unwrap_err().contains("300"));
    }

    #[test]
    fn what_is_said_is_the_sentence_or_the_texts_first() {
        let fact = |text: &str, say: Option<&str>| {
            let keys = Keys { say: say.map(str::to_owned), ..Keys::default() };
            keys.fact("a.md", 1, "h", text).unwrap()
        };
        assert_eq!(fact("It costs 3.50 euros. There is more.", None).spoken(), Some("It costs 3.50 euros."));
        assert_eq!(fact("年费两百元。刷满六次免年费。", None).spoken(), Some("年费两百元。"));
        assert_eq!(fact("It costs a lot.", Some("Ten euros.")).spoken(), Some("Ten euros."));
        assert_eq!(fact(&"word ".repeat(60), None).spoken(), None);
        assert_eq!(fact("年费", None).language, "zh");
    }
}
