//! Keeping an account registered (RFC 3261 section 10): digest, renewal, backoff, and a state that people can read.

use super::agent::Core;
use super::config::Account;
use super::{UaError, headers};
use rand::Rng;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::registration::Registration;
use rsipstack::sip::typed::Contact;
use rsipstack::sip::{StatusCode, StatusCodeKind, Uri};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long taking back a registration may take when the process stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often the addresses of peers that do not register are looked up.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How an account stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationStatus {
    /// Name of the account.
    pub account: String,
    /// The registrar, as configured.
    pub registrar: String,
    /// Where it stands.
    pub state: RegistrationState,
}

/// Where a registration stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistrationState {
    /// The first attempt is under way.
    Trying,
    /// Calls to the account reach us.
    Registered {
        /// Seconds that the registrar granted.
        expires_s: u32,
    },
    /// The last attempt failed; there will be another.
    Failed {
        /// What failed.
        why: RegistrationFailure,
    },
    /// Taken back: the process stops.
    Stopped,
}

/// Why a registration failed. The text says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistrationFailure {
    /// The registrar knows the account, or will not say, and does not take the password.
    #[error("wrong user name or password ({status}); check username, password and auth_username")]
    WrongPassword {
        /// What the registrar answered.
        status: u16,
    },
    /// Nobody answers.
    #[error("unreachable: no answer from {registrar}; check the address, and that the PBX listens on UDP there")]
    Unreachable {
        /// The address that was tried.
        registrar: SocketAddr,
    },
    /// The registrar's name has no address.
    #[error("{0}; check registrar")]
    Unresolved(String),
    /// The registrar does not want this account.
    #[error("refused by the registrar: {status} {reason}")]
    Refused {
        /// What the registrar answered.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The registrar asks for something that we do not have, or answers nonsense.
    #[error("{0}")]
    Protocol(String),
}

/// One account's registration.
pub(super) struct Keeper {
    pub core: Arc<Core>,
    pub account: Account,
    /// Its place in `statuses`.
    pub index: usize,
    pub statuses: Arc<watch::Sender<Vec<RegistrationStatus>>>,
    pub stop: CancellationToken,
}

impl Keeper {
    /// Keeps it registered until told to stop, then takes it back.
    pub async fn run(self) {
        let mut registration = None;
        let mut expires_s = self.account.expires_s;
        let mut failures = 0;
        loop {
            let result = tokio::select! {
                result = self.attempt(&mut registration, &mut expires_s) => result,
                () = self.stop.cancelled() => break,
            };
            let wait = match result {
                Ok(granted) => {
                    if failures > 0 || !self.is_registered() {
                        tracing::info!(account = %self.account.name, expires_s = granted, "registered");
                    }
                    failures = 0;
                    self.report(RegistrationState::Registered { expires_s: granted });
                    jittered(Duration::from_secs(u64::from(granted)) / 2)
                }
                Err(why) => {
                    tracing::warn!(account = %self.account.name, registrar = %self.account.registrar, %why, "not registered");
                    let wait = self.backoff(failures, &why);
                    failures = failures.saturating_add(1);
                    self.report(RegistrationState::Failed { why });
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => break,
            }
        }
        if self.is_registered()
            && let Some((registration, uri)) = &mut registration
        {
            // Whether the registrar hears it or not, the process stops.
            let _ = tokio::time::timeout(FAREWELL, registration.register(Uri::clone(uri), Some(0))).await;
        }
        self.report(RegistrationState::Stopped);
    }

    async fn attempt(
        &self,
        registration: &mut Option<(Registration, Uri)>,
        expires_s: &mut u32,
    ) -> Result<u32, RegistrationFailure> {
        let unresolved = |error: UaError| RegistrationFailure::Unresolved(error.to_string());
        let host = self.account.registrar_host().map_err(unresolved)?;
        let addresses = self.core.resolver.addresses(&host).await.map_err(unresolved)?;
        self.core.gate.know(&self.account.name, addresses.iter().map(SocketAddr::ip));
        let Some(registrar) = addresses.first().copied() else {
            return Err(RegistrationFailure::Unresolved(format!("{host} has no address")));
        };
        let (registration, uri) = match registration {
            Some(there) => there,
            none => none.insert((self.begin(registrar), self.account.domain_uri().map_err(unresolved)?)),
        };
        registration.outbound_proxy = Some(registrar);
        let mut asked_again = false;
        loop {
            let sent = registration.register(uri.clone(), Some(*expires_s));
            let response = match tokio::time::timeout(self.core.config.register_timeout(), sent).await {
                Err(_) => return Err(RegistrationFailure::Unreachable { registrar }),
                Ok(Err(error)) => return Err(RegistrationFailure::Protocol(error.to_string())),
                Ok(Ok(response)) => response,
            };
            let status = response.status_code.code();
            if response.status_code.kind() == StatusCodeKind::Successful {
                return Ok(registration.granted_expires.filter(|g| *g > 0).unwrap_or(*expires_s));
            }
            match response.status_code {
                StatusCode::Unauthorized | StatusCode::ProxyAuthenticationRequired | StatusCode::Forbidden => {
                    return Err(RegistrationFailure::WrongPassword { status });
                }
                // The stack makes this one up when nobody answers.
                StatusCode::RequestTimeout => return Err(RegistrationFailure::Unreachable { registrar }),
                StatusCode::IntervalTooBrief if !asked_again => {
                    let least = headers::value(&response.headers, "Min-Expires").and_then(|v| v.parse().ok());
                    *expires_s = least.filter(|l| *l > *expires_s).unwrap_or(3600);
                    asked_again = true;
                }
                _ => {
                    return Err(RegistrationFailure::Refused {
                        status,
                        reason: super::dialog::reason_phrase(&response),
                    });
                }
            }
        }
    }

    fn begin(&self, registrar: SocketAddr) -> Registration {
        let credential = Credential {
            username: self.account.username.clone(),
            password: self.account.password.expose().to_owned(),
            realm: None,
            auth_username: self.account.auth_username.clone(),
        };
        let mut registration = Registration::new(self.core.endpoint.clone(), Some(credential));
        let uri = self.core.contact(registrar, Some(&self.account.username));
        registration.contact = Some(Contact { display_name: None, uri, params: Vec::new() });
        registration
    }

    /// Doubles from the least to the most; a wrong password waits the longest, lest the PBX bans us.
    fn backoff(&self, failures: u32, why: &RegistrationFailure) -> Duration {
        let (min, max) = (self.core.config.retry_min_ms.max(1), self.core.config.retry_max_ms.max(1));
        let wait = match why {
            RegistrationFailure::WrongPassword { .. } => max,
            _ => min.saturating_mul(1 << failures.min(20)).min(max),
        };
        jittered(Duration::from_millis(wait))
    }

    fn is_registered(&self) -> bool {
        let statuses = self.statuses.borrow();
        matches!(statuses.get(self.index).map(|s| &s.state), Some(RegistrationState::Registered { .. }))
    }

    fn report(&self, state: RegistrationState) {
        self.statuses.send_if_modified(|statuses| match statuses.get_mut(self.index) {
            Some(status) if status.state != state => {
                status.state = state;
                true
            }
            _ => false,
        });
    }
}

/// Eight to ten tenths of a time, so that a thousand lines do not register in one second.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.8..=1.0))
}

/// Looks up the addresses of peers that do not register, so that they may call us, again and again.
pub(super) async fn keep_known(
    core: Arc<Core>,
    peers: Vec<(String, rsipstack::sip::HostWithPort)>,
    stop: CancellationToken,
) {
    loop {
        for (name, host) in &peers {
            match core.resolver.addresses(host).await {
                Ok(addresses) => core.gate.know(name, addresses.iter().map(SocketAddr::ip)),
                Err(error) => tracing::warn!(peer = %name, %error, "calls from it are not taken"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}
