//! Settings of the HTTP server.

use super::ServerError;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};

/// The `[http]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
    /// Permit an address that other machines reach, although nothing asks for a password.
    pub allow_remote: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), allow_remote: false }
    }
}

impl Config {
    /// Refuses an address that other machines reach, unless that was asked for.
    pub fn validate(&self) -> Result<(), ServerError> {
        if self.listen.ip().is_loopback() || self.allow_remote {
            Ok(())
        } else {
            Err(ServerError::Remote { address: self.listen })
        }
    }
}
