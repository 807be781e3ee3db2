//! Calls out: where a target is, by which account or trunk, and who we say we are.

use super::agent::Core;
use super::config::{Account, Trunk};
use super::dialog::Dialog;
use super::driver::Driver;
use super::{UaError, headers, resolve};
use crate::pii::mask_uri;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::sip::{Auth, Header, HostWithPort, Scheme, Uri};
use std::net::SocketAddr;
use std::sync::Arc;

/// A call to be placed.
#[derive(Clone, Debug, Default)]
pub struct OutgoingCall {
    /// A SIP URI, `user@host`, or a number (or extension) for an account or trunk.
    pub target: String,
    /// Name of the account or trunk that places the call. Without, a URI at an account's or trunk's own host uses that one,
    /// any other URI is called directly, and a number needs there to be just one.
    pub from_account: Option<String>,
    /// The number to show to the callee. A trunk gets it in From; an account keeps its own From, by which PBXs know it, and
    /// asks for the number to be shown with P-Preferred-Identity (RFC 3325).
    pub caller_id: Option<String>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// Our session description.
    pub offer: String,
}

/// Reads a SIP URI, `user@host`, a `tel:` URI or a number; the latter two need a host. Headers within the URI are dropped:
/// they would let a target write into our request (RFC 3261 section 19.1.5).
pub(super) fn uri_of(target: &str, host: Option<&HostWithPort>) -> Option<Uri> {
    let target = target.trim();
    if target.is_empty() || !target.chars().all(|c| c.is_ascii_graphic() && !"<>\"\\{}|^`".contains(c)) {
        return None;
    }
    let prefix = |p: &str| target.get(..p.len()).is_some_and(|t| t.eq_ignore_ascii_case(p));
    if prefix("sip:") || target.contains('@') {
        let text = if prefix("sip:") { target.to_owned() } else { format!("sip:{target}") };
        let mut uri = Uri::try_from(text).ok()?;
        // A colon in the user part is a password (discouraged by the RFC itself) or another scheme.
        let password = uri.auth.as_ref().is_some_and(|auth| auth.password.is_some());
        if uri.scheme != Some(Scheme::Sip) || password || uri.host_with_port.host.to_string().is_empty() {
            return None;
        }
        uri.headers.clear();
        return Some(uri);
    }
    let number = if prefix("tel:") { target.get(4..)?.split(';').next()? } else { target };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_alphanumeric() || "+*#-._".contains(c)) {
        return None;
    }
    Some(uri(number, host?.clone()))
}

fn uri(user: &str, host_with_port: HostWithPort) -> Uri {
    Uri {
        scheme: Some(Scheme::Sip),
        auth: Some(Auth { user: user.to_owned(), password: None }),
        host_with_port,
        ..Uri::default()
    }
}

/// An account or a trunk.
#[derive(Clone, Copy)]
enum Line<'a> {
    Account(&'a Account),
    Trunk(&'a Trunk),
}

impl Line<'_> {
    /// The host that numbers are called at: the domain of an account, a trunk's address.
    fn host(&self) -> Result<HostWithPort, UaError> {
        match self {
            Self::Account(account) => account.domain_uri().map(|uri| uri.host_with_port),
            Self::Trunk(trunk) => trunk.host(),
        }
    }

    /// Where its requests are sent.
    fn next_hop(&self) -> Result<HostWithPort, UaError> {
        match self {
            Self::Account(account) => account.registrar_host(),
            Self::Trunk(trunk) => trunk.host(),
        }
    }

    /// The URI is at this line's own host.
    fn serves(&self, uri: &Uri) -> bool {
        let same = |host: Result<HostWithPort, UaError>| {
            host.is_ok_and(|h| h.host.to_string().eq_ignore_ascii_case(&uri.host_with_port.host.to_string()))
                && self.port_fits(uri)
        };
        same(self.host()) || same(self.next_hop())
    }

    fn port_fits(&self, uri: &Uri) -> bool {
        let port = |h: &HostWithPort| h.port.map_or(5060, |p| p.value());
        uri.host_with_port.port.is_none()
            || [self.host(), self.next_hop()].iter().flatten().any(|h| port(h) == port(&uri.host_with_port))
    }

    /// For challenges from this line alone.
    fn credential(&self) -> Option<Credential> {
        let (username, password, auth_username) = match self {
            Self::Account(a) => (&a.username, &a.password, a.auth_username.clone()),
            Self::Trunk(t) => (t.username.as_ref()?, t.password.as_ref()?, None),
        };
        let password = password.expose().to_owned();
        (!password.is_empty()).then(|| Credential { username: username.clone(), password, realm: None, auth_username })
    }
}

/// Where a call goes and on whose behalf.
struct Route<'a> {
    callee: Uri,
    next_hop: SocketAddr,
    /// The line, when the callee is at its host.
    line: Option<Line<'a>>,
}

impl Core {
    fn lines(&self) -> impl Iterator<Item = (&str, Line<'_>)> {
        let accounts = self.config.accounts.iter().map(|a| (a.name.as_str(), Line::Account(a)));
        accounts.chain(self.config.trunks.iter().map(|t| (t.name.as_str(), Line::Trunk(t))))
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.lines().map(|(name, _)| name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// The account or trunk of this name.
    fn line(&self, name: &str) -> Result<Line<'_>, UaError> {
        let line = self.lines().find(|(n, _)| *n == name).map(|(_, line)| line);
        line.ok_or_else(|| UaError::UnknownAccount { name: name.to_owned(), known: self.names() })
    }

    /// Where the requests of an account or trunk are sent.
    pub fn next_hop(&self, name: &str) -> Result<HostWithPort, UaError> {
        self.line(name)?.next_hop()
    }

    async fn route(&self, target: &str, from: Option<&str>) -> Result<Route<'_>, UaError> {
        let fault = |why: String| UaError::Target { target: mask_uri(target), why };
        let named = from.map(|name| self.line(name)).transpose()?;
        let whole = uri_of(target, None);
        let line = match (named, &whole) {
            (Some(line), _) => Some(line),
            (None, Some(uri)) => self.lines().map(|(_, line)| line).find(|line| line.serves(uri)),
            (None, None) => {
                let mut lines = self.lines();
                match (lines.next(), lines.next()) {
                    (Some((_, line)), None) => Some(line),
                    (None, _) => return Err(fault("a number needs an account or trunk; give a sip: URI".to_owned())),
                    _ => return Err(fault(format!("say by which account or trunk; known are: {}", self.names()))),
                }
            }
        };
        let callee = match (whole, line) {
            (Some(uri), _) => uri,
            (None, Some(line)) => uri_of(target, Some(&line.host()?))
                .ok_or_else(|| fault("it is neither a sip: URI nor a number".to_owned()))?,
            (None, None) => return Err(fault("it is neither a sip: URI nor a number".to_owned())),
        };
        let line = line.filter(|line| line.serves(&callee));
        let next_hop = match &line {
            Some(line) => line.next_hop()?,
            None => callee.host_with_port.clone(),
        };
        let next_hop = self.resolver.address(&next_hop).await?;
        Ok(Route { callee, next_hop, line })
    }

    /// Our address as the target of a call reaches it.
    pub async fn local_ip_towards(&self, target: &str, from: Option<&str>) -> Result<std::net::IpAddr, UaError> {
        Ok(self.local_ip(self.route(target, from).await?.next_hop))
    }

    /// Sends the INVITE.
    pub async fn invite(self: &Arc<Self>, call: OutgoingCall) -> Result<Dialog, UaError> {
        let mut extra = headers::all_checked(&call.headers)?;
        extra.push(Header::Allow(headers::ALLOW.into()));
        let shown = match &call.caller_id {
            None => None,
            Some(id) => Some(
                uri_of(id, Some(&HostWithPort::default())).and_then(|uri| uri.auth).map(|auth| auth.user).ok_or_else(
                    || UaError::Target { target: mask_uri(id), why: "not usable as caller id".to_owned() },
                )?,
            ),
        };
        let route = self.route(&call.target, call.from_account.as_deref()).await?;
        let own_host = HostWithPort::from(SocketAddr::new(self.local_ip(route.next_hop), self.local.port()));
        let caller = match route.line {
            Some(Line::Account(account)) => {
                let mut domain = account.domain_uri()?.host_with_port;
                domain.port = None;
                if let Some(shown) = shown {
                    let identity = format!("<{}>", uri(&shown, domain.clone()));
                    extra.push(headers::checked("P-Preferred-Identity", &identity)?);
                }
                uri(&account.username, domain)
            }
            Some(Line::Trunk(trunk)) => {
                uri(shown.as_deref().or(trunk.username.as_deref()).unwrap_or("tipring"), own_host)
            }
            None => uri(shown.as_deref().unwrap_or("tipring"), own_host),
        };
        let option = InviteOption {
            contact: self.contact(route.next_hop, caller.user()),
            caller,
            callee: route.callee.clone(),
            destination: Some(resolve::udp(route.next_hop)),
            offer: Some(call.offer.into_bytes()),
            credential: route.line.and_then(|line| line.credential()),
            headers: Some(extra),
            ..InviteOption::default()
        };
        let (states, receiver) = self.layer.new_dialog_state_channel();
        let (stack, outcome) = self.layer.do_invite_async(option, states)?;
        let (control, events) = Driver::start(self, stack, receiver, Some(outcome), route.callee);
        Ok(Dialog::new(events, control, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_become_uris_or_nothing() {
        let host = HostWithPort::try_from("pbx.example.com:5070").unwrap();
        let read = |target: &str| uri_of(target, Some(&host)).map(|uri| uri.to_string());
        assert_eq!(read("1001").as_deref(), Some("sip:1001@pbx.example.com:5070"));
        assert_eq!(read("+1-555-0100").as_deref(), Some("sip:+1-555-0100@pbx.example.com:5070"));
        assert_eq!(read("*43#").as_deref(), Some("sip:*43%23@pbx.example.com:5070"));
        assert_eq!(read("tel:+15550100;phone-context=x").as_deref(), Some("sip:+15550100@pbx.example.com:5070"));
        assert_eq!(read("bob@192.0.2.1").as_deref(), Some("sip:bob@192.0.2.1"));
        assert_eq!(read("sip:bob@192.0.2.1?Replaces=x").as_deref(), Some("sip:bob@192.0.2.1"));
        for bad in ["", "a b", "1001\r\nX: y", "<sip:a@b>", "sips:a@b", "http://x", "1001;x=y", "１００１"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(uri_of("1001", None), None);
    }
}
