//! What is said, as a flow file writes it: a text, or a list of texts and of tables with variants.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use toml::Spanned;

/// One wording of a line, with its variants.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::agent::dialogue) struct LineTable {
    pub say: String,
    pub short: Option<String>,
    pub id: Option<String>,
    pub when: Option<Spanned<String>>,
    pub professional: Option<String>,
    pub young: Option<String>,
    pub elderly: Option<String>,
}

/// One item of a list of wordings.
#[derive(Clone, Debug)]
pub(in crate::agent::dialogue) struct LineDoc(pub LineTable);

impl<'de> Deserialize<'de> for LineDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = LineDoc;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a text, or a table with 'say' and 'short', 'id', 'when', 'professional', 'young', 'elderly'",
                )
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LineDoc, E> {
                Ok(LineDoc(LineTable { say: text.to_owned(), ..LineTable::default() }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LineDoc, A::Error> {
                LineTable::deserialize(MapAccessDeserializer::new(map)).map(LineDoc)
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

/// One text or a list of wordings; each with its place where it is an item of a list.
#[derive(Clone, Debug, Default)]
pub(in crate::agent::dialogue) struct Texts(pub Vec<(Option<std::ops::Range<usize>>, LineTable)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a table with 'say' and 'short', or a list of texts that take turns")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![(None, LineTable { say: text.to_owned(), ..LineTable::default() })]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(line) = list.next_element::<Spanned<LineDoc>>()? {
                    texts.push((Some(line.span()), line.into_inner().0));
                }
                Ok(Texts(texts))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Texts, A::Error> {
                Ok(Texts(vec![(None, LineTable::deserialize(MapAccessDeserializer::new(map))?)]))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// One word or a list of them.
#[derive(Clone, Debug, Default)]
pub(in crate::agent::dialogue) struct Names(pub Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let spanned = Spanned::<OneOrMany>::deserialize(deserializer)?;
        let span = spanned.span();
        let names = match spanned.into_inner() {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        };
        Ok(Self(names.into_iter().map(|name| Spanned::new(span.clone(), name)).collect()))
    }
}
