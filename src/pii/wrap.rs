//! Wrappers whose `Debug` does not show what they hold.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Personal data: `Debug` is masked, and there is no `Display` and no `Serialize`; reading it takes an explicit
/// [`expose`](Self::expose).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for a use that is meant.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, by value, for a use that is meant.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[masked]")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pii<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self)
    }
}

/// A password or key. Neither `Debug` nor `Display` shows it, its length included.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// None was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SecretVisitor)
    }
}

/// Says of a wrong type that it is wrong without repeating the value.
struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret in quotes")
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Secret, E> {
        Ok(value.into())
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Secret, E> {
        Ok(value.into())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom("a secret must be in quotes"))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("a secret must be in quotes"))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom("a secret must be in quotes"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom("a secret must be in quotes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_debug_shows_neither() {
        #[derive(Debug)]
        #[allow(dead_code)]
        struct Account {
            user: Pii<String>,
            password: Secret,
        }
        let account = Account { user: "+15551234567".to_owned().into(), password: "hunter2".into() };
        for text in [format!("{account:?}"), format!("{account:#?}"), account.password.to_string()] {
            assert!(!text.contains("555") && !text.contains("hunter"), "{text}");
        }
        assert_eq!(account.user.expose(), "+15551234567");
        assert_eq!(account.password.expose(), "hunter2");
    }

    #[test]
    fn a_secret_is_read_from_a_plain_string() {
        #[derive(Deserialize)]
        struct Account {
            password: Secret,
        }
        let account: Account = toml::from_str("password = \"s3cret\"").unwrap();
        assert_eq!(account.password, Secret::new("s3cret"));
        assert!(!account.password.is_empty());
        let error = toml::from_str::<Account>("password = 8137").err().unwrap();
        assert!(error.message().contains("in quotes") && !error.message().contains("8137"), "{error}");
    }
}
