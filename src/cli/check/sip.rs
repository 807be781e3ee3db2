//! The SIP side: the port, the registrars, the trunks.

use super::holder::{self, Protocol};
use super::{Finding, Teller};
use crate::settings::Settings;
use crate::ua::{self, RegistrationFailure, RegistrationState, RegistrationStatus, UaError, UserAgent};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long peers may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// Of which a registrar gets so much, so that its silence is told before ours.
const REGISTRAR_MS: u64 = 5_000;

/// Looks at the port, then asks every registrar and trunk.
pub(super) async fn all(settings: &Settings, tell: &mut Teller<'_>) {
    let mut config = settings.sip.clone();
    config.register_timeout_ms = config.register_timeout_ms.min(REGISTRAR_MS);
    let (agent, own_port) = match listen(&config, tell).await {
        Some(agent) => (agent, true),
        None => {
            // Peers can be asked from any port. Accounts are not registered from there: that would take them away from the
            // program that has the port, should it be tipring.
            config.listen = SocketAddr::new(any_address(config.listen), 0);
            config.accounts.iter_mut().for_each(|account| account.register = false);
            match start(config.clone()).await {
                Ok(agent) => (agent, false),
                Err(error) => return tell(Finding::failed("sip", error.to_string())),
            }
        }
    };
    if config.accounts.is_empty() && config.trunks.is_empty() && config.allow.is_empty() {
        tell(Finding::warning(
            "sip",
            "nobody can call: there is no account, no trunk and no allowed address",
            "add [[sip.accounts]] or [[sip.trunks]] (sip-config/pbx and sip-config/trunks show how), or for a softphone \
             TIPRING__SIP__ALLOW=192.0.2.10",
        ));
    }
    for status in settled(&agent).await {
        tell(account(&status));
    }
    for account in config.accounts.iter().filter(|account| !account.register) {
        tell(reached("account", &account.name, agent.reach(&account.name, PATIENCE).await));
        if !own_port && settings.sip.accounts.iter().any(|a| a.name == account.name && a.register) {
            tell(Finding::warning(
                "account",
                format!("{}: the password was not tried, for the SIP port is taken", account.name),
                format!(
                    "free the port and check again, or see how a running tipring stands: curl http://{}/health",
                    settings.http.listen
                ),
            ));
        }
    }
    for trunk in &config.trunks {
        tell(reached("trunk", &trunk.name, agent.reach(&trunk.name, PATIENCE).await));
    }
    agent.shutdown().await;
}

async fn start(config: ua::Config) -> Result<UserAgent, UaError> {
    let (calls, _) = mpsc::channel(1);
    let agent = UserAgent::start(config, calls).await?;
    agent.set_draining(true);
    Ok(agent)
}

/// A user agent on the port of the settings, if that can be had.
async fn listen(config: &ua::Config, tell: &mut Teller<'_>) -> Option<UserAgent> {
    let listen = config.listen;
    match start(config.clone()).await {
        Ok(agent) => {
            tell(Finding::ok("sip", format!("udp {} is free", agent.local_addr())));
            return Some(agent);
        }
        Err(UaError::PortTaken { .. }) => {
            let program = holder::of(Protocol::Udp, listen.port());
            let what = format!("udp {listen} is taken by {}", holder::name(program.as_ref()));
            let other =
                format!("TIPRING__SIP__LISTEN={}", SocketAddr::new(listen.ip(), listen.port().wrapping_add(10)));
            tell(if program.is_some_and(|p| p.is_tipring()) {
                Finding::warning(
                    "sip",
                    what,
                    format!("nothing, if it is the one that is to serve; for a second one {other}"),
                )
            } else {
                Finding::error("sip", what, format!("stop that program, or listen elsewhere: {other}"))
            });
        }
        Err(error) => {
            let fix = "set sip.listen to an address of this machine (0.0.0.0 is all of them) and a port above 1023";
            tell(Finding::error("sip", error.to_string(), fix));
        }
    }
    None
}

fn any_address(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The registrations once each has succeeded or failed, or the patience is over.
async fn settled(agent: &UserAgent) -> Vec<RegistrationStatus> {
    let mut statuses = agent.watch_registrations();
    let all = |statuses: &Vec<RegistrationStatus>| statuses.iter().all(|s| s.state != RegistrationState::Trying);
    // What is not settled by then is told as it stands.
    let _ = tokio::time::timeout(PATIENCE, statuses.wait_for(all)).await.is_ok();
    agent.registrations()
}

/// What is said of an account that was to be registered.
fn account(status: &RegistrationStatus) -> Finding {
    let RegistrationStatus { account, registrar, state } = status;
    let error = |what: String, fix: &str| Finding::error("account", format!("{account}: {what}"), fix);
    let key = format!("of [[sip.accounts]] '{account}'");
    match state {
        RegistrationState::Registered { expires_s } => {
            Finding::ok("account", format!("{account}: registered at {registrar} for {expires_s} s"))
        }
        RegistrationState::Failed { why } => match why {
            RegistrationFailure::WrongPassword { status } => error(
                format!("{registrar} refuses the user name or password ({status})"),
                &format!("compare username, password and auth_username {key} with what the registrar has"),
            ),
            RegistrationFailure::Unreachable { registrar: address } => error(
                format!("unreachable: no answer from {address} ({registrar})"),
                &format!(
                    "see that the PBX runs and listens on UDP there, that no firewall stands between, and registrar {key}"
                ),
            ),
            RegistrationFailure::Unresolved(what) => {
                error(what.clone(), &format!("correct the name in registrar {key}, or write its address"))
            }
            RegistrationFailure::Refused { .. } | RegistrationFailure::Protocol(_) => {
                error(why.to_string(), "see the registrar's log: it does not want this account from here")
            }
        },
        RegistrationState::Trying | RegistrationState::Stopped => error(
            format!("no answer from {registrar} within {} s", PATIENCE.as_secs()),
            &format!("see that it runs and that no firewall stands between, and registrar {key}"),
        ),
    }
}

/// What is said of a peer that was asked whether it is there.
fn reached(check: &'static str, name: &str, reach: Result<ua::Reach, UaError>) -> Finding {
    let reach = match reach {
        Ok(reach) => reach,
        Err(error) => {
            let fix = "correct the name, or write the address instead of it";
            return Finding::error(check, format!("{name}: {error}"), fix);
        }
    };
    let at = reach.address;
    match reach.answer {
        None => Finding::error(
            check,
            format!("{name}: unreachable: no answer from {at} to OPTIONS"),
            format!(
                "see that it listens on UDP there and lets this machine in; if it is one that ignores OPTIONS, try a call: \
                 tipring call NUMBER --account {name}"
            ),
        ),
        Some(status @ 500..=599) => Finding::warning(
            check,
            format!("{name}: {at} is there, but takes nothing now ({status})"),
            "see its log, or try again later",
        ),
        Some(403) => Finding::warning(
            check,
            format!("{name}: {at} is there, but forbids us to ask (403)"),
            "if calls are refused too, have it permit this machine's address",
        ),
        Some(status) => {
            Finding::ok(check, format!("{name}: {at} answered OPTIONS with {status} in {} ms", reach.took.as_millis()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn reach(answer: Option<u16>) -> Result<ua::Reach, UaError> {
        Ok(ua::Reach { address: "192.0.2.1:5060".parse().unwrap(), answer, took: Duration::from_millis(3) })
    }

    #[test]
    fn any_answer_shows_that_a_peer_is_there() {
        for (answer, level) in [
            (Some(200), Level::Ok),
            (Some(404), Level::Ok),
            (Some(401), Level::Ok),
            (Some(403), Level::Warning),
            (Some(503), Level::Warning),
            (None, Level::Error),
        ] {
            let finding = reached("trunk", "carrier", reach(answer));
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.what.starts_with("carrier: "));
            assert_eq!(finding.fix.is_some(), level != Level::Ok);
        }
    }

    #[test]
    fn a_wrong_password_is_not_an_unreachable_registrar() {
        let finding = |why| {
            account(&RegistrationStatus {
                account: "pbx".into(),
                registrar: "pbx.example".into(),
                state: RegistrationState::Failed { why },
            })
        };
        let wrong = finding(RegistrationFailure::WrongPassword { status: 401 });
        assert!(wrong.what.contains("password (401)") && wrong.fix.unwrap().contains("auth_username"));
        let silent = finding(RegistrationFailure::Unreachable { registrar: "192.0.2.1:5060".parse().unwrap() });
        assert!(silent.what.contains("unreachable") && silent.fix.unwrap().contains("firewall"));
    }
}
