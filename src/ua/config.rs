//! The settings of the user agent: table `[sip]`.

use super::UaError;
use super::allow::Cidr;
use crate::pii::Secret;
use rsipstack::sip::{HostWithPort, Uri};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of the user agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and UDP port to listen on. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address under which peers outside reach us, when it is not the one of an interface (NAT, container). Written
    /// into Contact, Via and, by the call, into the session description. Not used towards loopback peers.
    pub external: Option<IpAddr>,
    /// Who may call us besides the registrars and trunks: addresses or networks, for instance `192.0.2.0/24`. Everybody
    /// else gets no answer at all.
    pub allow: Vec<String>,
    /// What the User-Agent header says; `tipring` without a version where not set.
    pub user_agent: Option<String>,
    /// Extensions or lines that we register.
    pub accounts: Vec<Account>,
    /// Peers that we call and that may call us, without registration.
    pub trunks: Vec<Trunk>,
    /// Seconds that a caller is told to wait when we are full (`Retry-After`).
    pub retry_after_s: u32,
    /// Milliseconds to wait for a registrar's answer before it counts as unreachable.
    pub register_timeout_ms: u64,
    /// Milliseconds to the second attempt after a failed registration; doubled with each further one.
    pub retry_min_ms: u64,
    /// The most milliseconds between two attempts to register.
    pub retry_max_ms: u64,
    /// Milliseconds to wait for any answer to an INVITE before the callee counts as unreachable.
    pub no_response_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5060),
            external: None,
            allow: Vec::new(),
            user_agent: None,
            accounts: Vec::new(),
            trunks: Vec::new(),
            retry_after_s: 5,
            register_timeout_ms: 4_000,
            retry_min_ms: 1_000,
            retry_max_ms: 60_000,
            no_response_ms: 8_000,
        }
    }
}

/// An extension or line at a registrar.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// Name by which flows and commands refer to it.
    pub name: String,
    /// The registrar: `host`, `host:port` or a SIP URI.
    pub registrar: String,
    /// User part of the address of record.
    pub username: String,
    /// Password for digest.
    pub password: Secret,
    /// User name for digest, where it is not `username`.
    pub auth_username: Option<String>,
    /// Domain of the address of record, where it is not the registrar's host.
    pub domain: Option<String>,
    /// Seconds that a registration is asked to last; it is renewed at half of what the registrar grants.
    pub expires_s: u32,
    /// Register it. Without, the account is only used to place calls, and its registrar may call us.
    pub register: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            name: String::new(),
            registrar: String::new(),
            username: String::new(),
            password: Secret::from(""),
            auth_username: None,
            domain: None,
            expires_s: 300,
            register: true,
        }
    }
}

/// A peer without registration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trunk {
    /// Name by which flows and commands refer to it.
    pub name: String,
    /// `host`, `host:port` or a SIP URI.
    pub address: String,
    /// User name for digest and user part of our From, where the trunk wants one.
    pub username: Option<String>,
    /// Password for digest.
    pub password: Option<Secret>,
}

impl Config {
    /// Checks what can be checked without the network.
    ///
    /// # Errors
    /// [`UaError::Config`] naming the key.
    pub fn check(&self) -> Result<(), UaError> {
        self.networks()?;
        if self.user_agent.as_ref().is_some_and(|agent| agent.chars().any(char::is_control)) {
            return fault("sip.user_agent", "has a control character");
        }
        let mut names = std::collections::BTreeSet::new();
        let mut name_is_new = |key: &str, name: &str| {
            if name.is_empty() {
                return fault(key, "needs a name");
            }
            if !names.insert(name.to_owned()) {
                return fault(key, &format!("the name {name:?} is used twice"));
            }
            Ok(())
        };
        for (index, account) in self.accounts.iter().enumerate() {
            let key = |field: &str| format!("sip.accounts[{index}].{field}");
            name_is_new(&key("name"), &account.name)?;
            peer(&key("registrar"), &account.registrar)?;
            if let Some(domain) = &account.domain {
                peer(&key("domain"), domain)?;
            }
            if account.username.is_empty() {
                return fault(&key("username"), "is missing");
            }
            if account.expires_s == 0 {
                return fault(&key("expires_s"), "must be at least 1 (set register = false not to register)");
            }
        }
        for (index, trunk) in self.trunks.iter().enumerate() {
            let key = |field: &str| format!("sip.trunks[{index}].{field}");
            name_is_new(&key("name"), &trunk.name)?;
            peer(&key("address"), &trunk.address)?;
            if trunk.password.is_some() && trunk.username.is_none() {
                return fault(&key("username"), "is missing, though there is a password");
            }
        }
        Ok(())
    }

    /// The networks of `allow`.
    pub(super) fn networks(&self) -> Result<Vec<Cidr>, UaError> {
        self.allow
            .iter()
            .enumerate()
            .map(|(index, text)| {
                text.parse().map_err(|why| UaError::Config { key: format!("sip.allow[{index}]"), why })
            })
            .collect()
    }

    pub(super) fn register_timeout(&self) -> Duration {
        Duration::from_millis(self.register_timeout_ms.max(1))
    }

    pub(super) fn no_response(&self) -> Duration {
        Duration::from_millis(self.no_response_ms.max(1))
    }
}

impl Account {
    /// Where requests go.
    pub(super) fn registrar_host(&self) -> Result<HostWithPort, UaError> {
        peer("registrar", &self.registrar).map(|uri| uri.host_with_port)
    }

    /// The URI that is registered with: the domain where there is one, else the registrar.
    pub(super) fn domain_uri(&self) -> Result<Uri, UaError> {
        peer("domain", self.domain.as_deref().unwrap_or(&self.registrar))
    }
}

impl Trunk {
    pub(super) fn host(&self) -> Result<HostWithPort, UaError> {
        peer("address", &self.address).map(|uri| uri.host_with_port)
    }
}

/// Reads `host`, `host:port` or a SIP URI.
pub(super) fn peer(key: &str, text: &str) -> Result<Uri, UaError> {
    let bare = text.trim();
    let sip = bare.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("sip:"));
    let plain = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_graphic() && !"<>\"@?".contains(c));
    let uri = plain.then(|| Uri::try_from(if sip { bare.to_owned() } else { format!("sip:{bare}") }));
    match uri {
        Some(Ok(uri)) if !uri.host_with_port.host.to_string().is_empty() && !bare.starts_with("sips:") => Ok(uri),
        _ => Err(UaError::Config {
            key: key.to_owned(),
            why: format!("{text:?} is not a host, host:port or sip: URI, for instance pbx.example.com:5060"),
        }),
    }
}

fn fault(key: &str, why: &str) -> Result<(), UaError> {
    Err(UaError::Config { key: key.to_owned(), why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn a_whole_configuration_is_read_and_hides_its_secrets() {
        let config = read(
            "listen = '127.0.0.1:5070'\nallow = ['10.0.0.0/8', '192.0.2.1']\n\
             [[accounts]]\nname = 'pbx'\nregistrar = 'sip:pbx.example.com:5080'\nusername = '1001'\npassword = 'hush7'\n\
             [[trunks]]\nname = 'carrier'\naddress = '198.51.100.1'\n",
        )
        .unwrap();
        assert_eq!(config.accounts[0].expires_s, 300);
        assert_eq!(config.accounts[0].registrar_host().unwrap().to_string(), "pbx.example.com:5080");
        assert!(!format!("{config:?}").contains("hush7"));
    }

    #[test]
    fn faults_name_their_key() {
        assert!(read("alow = []").unwrap_err().contains("alow"));
        assert!(read("allow = ['10.0.0.0/40']").unwrap_err().starts_with("sip.allow[0]"));
        assert!(read("[[accounts]]\nname = 'a'\nusername = 'u'").unwrap_err().starts_with("sip.accounts[0].registrar"));
        assert!(read("[[trunks]]\nname = 'a'\naddress = 'a b'").unwrap_err().starts_with("sip.trunks[0].address"));
        let twice = "[[trunks]]\nname = 'a'\naddress = 'x'\n[[trunks]]\nname = 'a'\naddress = 'y'";
        assert!(read(twice).unwrap_err().contains("used twice"));
        assert!(read("user_agent = \"a\\r\\nb\"").unwrap_err().starts_with("sip.user_agent"));
    }
}
