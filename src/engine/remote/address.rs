//! Where a server is and with which key it is asked.

use crate::pii::Secret;
use crate::speech::EngineError;
use reqwest::{Client, RequestBuilder, Url};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for which a server is left alone because it said so.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What the settings say of a server.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Address<'a> {
    /// Name of the engine.
    pub engine: &'static str,
    /// The table of the settings, for the sentences that tell of mistakes: `engine.openai`.
    pub section: &'static str,
    /// The server, without what this engine adds.
    pub base_url: &'a str,
    /// The key itself.
    pub api_key: &'a Option<Secret>,
    /// The environment variable that holds it.
    pub api_key_env: &'a Option<String>,
    /// How `base_url` should look.
    pub expected: &'static str,
}

/// A server that can be asked. Cheap to clone.
#[derive(Clone)]
pub(in crate::engine) struct Remote {
    /// Name of the engine.
    pub engine: &'static str,
    /// The table of the settings.
    pub section: &'static str,
    /// The address of what is asked.
    pub url: Url,
    key: Option<Secret>,
    near: bool,
    rest: Arc<Mutex<Option<Instant>>>,
}

impl Address<'_> {
    /// Reads the address, `path` appended. Nothing is sent.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] naming the key that is missing or wrong in the settings.
    pub fn open(self, path: &str, schemes: &[&str]) -> Result<Remote, EngineError> {
        let wrong = |what: &dyn std::fmt::Display| {
            self.unavailable(format!(
                "{}.base_url = '{}': {what}; expected is {}",
                self.section,
                bare(self.base_url),
                self.expected
            ))
        };
        let text = format!("{}{path}", self.base_url.trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|e| wrong(&e))?;
        let (true, Some(host)) = (schemes.contains(&url.scheme()), url.host_str()) else {
            return Err(wrong(&format!("is no {} address", schemes.join(" or "))));
        };
        let near = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let key = self.key()?;
        if key.is_some() && matches!(url.scheme(), "http" | "ws") && !near {
            tracing::warn!(engine = self.engine, host, "the API key is sent in clear text; use https or wss");
        }
        let (engine, section) = (self.engine, self.section);
        Ok(Remote { engine, section, url, key, near, rest: Arc::default() })
    }

    fn key(&self) -> Result<Option<Secret>, EngineError> {
        match (self.api_key, self.api_key_env) {
            (Some(key), _) => Ok(Some(key.clone()).filter(|key| !key.is_empty())),
            (None, None) => Ok(None),
            (None, Some(variable)) => match std::env::var(variable) {
                Ok(key) if !key.trim().is_empty() => Ok(Some(Secret::new(key.trim()))),
                _ => Err(self.unavailable(format!(
                    "the environment variable {variable} of {}.api_key_env is not set",
                    self.section
                ))),
            },
        }
    }

    /// An error of the settings.
    pub fn unavailable(&self, what: String) -> EngineError {
        EngineError::Unavailable { engine: self.engine.to_owned(), what }
    }
}

impl Remote {
    /// A client for requests. Nothing is sent.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where the system has no certificates.
    pub fn client(&self, connect_timeout: Duration) -> Result<Client, EngineError> {
        crypto();
        let mut builder = Client::builder()
            .connect_timeout(connect_timeout)
            // The key and the conversation go to the address that was configured and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(USER_AGENT);
        if self.near {
            builder = builder.no_proxy();
        }
        if self.url.scheme() == "http" {
            // No certificates are needed, so that a system without any will do.
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|e| {
            let mut cause: &dyn std::error::Error = &e;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            let what = format!("no HTTPS client: {cause}; install the package ca-certificates");
            EngineError::Unavailable { engine: self.engine.to_owned(), what }
        })
    }

    /// A request with the key.
    pub fn post(&self, client: &Client) -> RequestBuilder {
        let request = client.post(self.url.clone());
        match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    /// The key.
    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// Whether the server may be asked now.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] while it has asked to be left alone.
    pub fn ready(&self) -> Result<(), EngineError> {
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match rest {
            Some(until) if Instant::now() < until => Err(EngineError::Overloaded { engine: self.engine.to_owned() }),
            _ => Ok(()),
        }
    }

    /// The server asked to be left alone for so long: at most a minute.
    pub fn rest(&self, time: Duration) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time.min(LONGEST_REST));
    }

    /// The address as it may be shown: no password, no query.
    pub fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.path())
    }
}

/// An address as it may be shown, whatever is wrong with it: without name, password, query and fragment.
pub(in crate::engine) fn bare(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    // Who types a password does not escape it: whatever it holds, / ? and # too, the last @ ends it. Better to hide a part of a
    // path that has one than to show a part of a password.
    let open = rest.rsplit('@').next().unwrap_or_default();
    let shown = open.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { shown.to_owned() } else { format!("{scheme}://{shown}") }
}

/// How we call ourselves.
pub(super) const USER_AGENT: &str = concat!("tipring/", env!("CARGO_PKG_VERSION"));

/// Chooses the cryptography of the process; another part of it may have done so before.
pub(super) fn crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(base_url: &str, key: Option<Secret>, variable: Option<&str>) -> Result<Remote, EngineError> {
        let address = Address {
            engine: "x",
            section: "engine.x",
            base_url,
            api_key: &key,
            api_key_env: &variable.map(str::to_owned),
            expected: "http://HOST:PORT/v1",
        };
        address.open("/audio/speech", &["http", "https"])
    }

    #[test]
    fn mistakes_are_told_with_their_key() {
        for (url, variable, expected) in [
            ("host/v1", None, "engine.x.base_url = 'host/v1'"),
            ("ftp://127.0.0.1/v1", None, "expected is http://HOST:PORT/v1"),
            ("http://[::1]:1/v1", Some("TIPRING_TEST_NO_SUCH_KEY"), "TIPRING_TEST_NO_SUCH_KEY of engine.x.api_key_env"),
        ] {
            let error = open(url, None, variable).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_address_is_shown_without_what_is_secret() {
        let remote = open("https://me:hush@host.example:8443/v1/", Some("sk-1".into()), None).unwrap();
        assert_eq!(remote.shown(), "https://host.example:8443/v1/audio/speech");
        assert_eq!(remote.key().map(Secret::expose), Some("sk-1"));
    }

    #[test]
    fn wrong_addresses_are_told_without_what_is_secret() {
        for (address, expected) in [
            ("http://me:hush@127.0.0.1:9/v1?key=hush#hush", "http://127.0.0.1:9/v1"),
            ("ftp://me:hu@sh@host/x", "ftp://host/x"),
            ("me:hush@host", "host"),
            ("http://me:hushhush/x@host/v1", "http://host/v1"),
            ("http://me:hush?x=1@host:9/v1?key=hush", "http://host:9/v1"),
            ("http://me:hu#sh@sh@host", "http://host"),
            ("http://host/v1?key=hush", "http://host/v1"),
            ("https://host.example", "https://host.example"),
            ("", ""),
        ] {
            assert_eq!(bare(address), expected);
        }
        let error = open("ftp://me:hush@127.0.0.1/v1", None, None).err().unwrap().to_string();
        assert!(error.contains("'ftp://127.0.0.1/v1'") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn a_server_that_wants_rest_is_left_alone() {
        let remote = open("http://127.0.0.1:1/v1", None, None).unwrap();
        assert!(remote.ready().is_ok());
        remote.rest(Duration::from_secs(1000));
        assert!(matches!(remote.clone().ready(), Err(EngineError::Overloaded { .. })));
        remote.rest(Duration::ZERO);
        assert!(remote.ready().is_ok());
    }
}
