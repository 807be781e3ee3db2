//! From host names to addresses (RFC 3263: SRV, then A and AAAA), the same answer for all requests of a transaction.

use super::UaError;
use rsipstack::resolver::SipResolver;
use rsipstack::sip::{Host, HostWithPort, Transport, Uri};
use rsipstack::transaction::endpoint::TargetLocator;
use rsipstack::transport::SipAddr;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers are kept for this long: a CANCEL must go where its INVITE went.
const KEEP: Duration = Duration::from_secs(60);
/// Answers kept at most; when full, all old ones go.
const MAX_KEPT: usize = 256;
/// A resolver that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);

type Answer = (Vec<SocketAddr>, Instant);

/// The resolver of one user agent.
pub(super) struct Resolver {
    srv: SipResolver,
    /// Domains of accounts, and the registrar that serves each.
    served_by: HashMap<String, HostWithPort>,
    kept: Mutex<HashMap<String, Answer>>,
    v4: bool,
}

impl Resolver {
    /// A resolver for a socket of this family.
    pub fn new(v4: bool, served_by: HashMap<String, HostWithPort>) -> Self {
        Self { srv: SipResolver::default(), served_by, kept: Mutex::default(), v4 }
    }

    /// Every address of a host, best first, of our socket's family.
    pub async fn addresses(&self, host: &HostWithPort) -> Result<Vec<SocketAddr>, UaError> {
        let served = self.served_by.get(&host.host.to_string().to_ascii_lowercase());
        let host = served.unwrap_or(host);
        let name = match &host.host {
            Host::IpAddr(ip) => {
                return Ok(vec![SocketAddr::new(*ip, host.port.map_or(5060, |p| p.value()))]);
            }
            Host::Domain(name) => name,
        };
        let key = host.to_string();
        if let Some(kept) = self.recall(&key) {
            return Ok(kept);
        }
        let unresolved = |why: String| UaError::Unresolved { host: key.clone(), why };
        let found = tokio::time::timeout(PATIENCE, async {
            match host.port {
                // With a port there is no SRV (RFC 3263 section 4.2), and the system knows /etc/hosts best.
                Some(port) => {
                    let found = tokio::net::lookup_host((name.0.as_str(), port.value())).await;
                    found.map(Iterator::collect).map_err(|e| e.to_string())
                }
                None => match self.srv.lookup(name, None, Some(Transport::Udp), false).await {
                    Ok(targets) if !targets.is_empty() => Ok(targets.into_iter().map(|t| t.addr).collect()),
                    _ => {
                        let found = tokio::net::lookup_host((name.0.as_str(), 5060)).await;
                        found.map(Iterator::collect).map_err(|e| e.to_string())
                    }
                },
            }
        })
        .await;
        let mut addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(why)) => return Err(unresolved(why)),
            Err(_) => return Err(unresolved("the name server does not answer".to_owned())),
        };
        addresses.retain(|a| a.is_ipv4() == self.v4);
        if addresses.is_empty() {
            let family = if self.v4 { "IPv4" } else { "IPv6" };
            return Err(unresolved(format!("it has no {family} address, and sip.listen is {family}")));
        }
        self.keep(key, addresses.clone());
        Ok(addresses)
    }

    /// The best address of a host.
    pub async fn address(&self, host: &HostWithPort) -> Result<SocketAddr, UaError> {
        let addresses = self.addresses(host).await?;
        addresses
            .first()
            .copied()
            .ok_or_else(|| UaError::Unresolved { host: host.to_string(), why: "it has no address".to_owned() })
    }

    fn recall(&self, key: &str) -> Option<Vec<SocketAddr>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(_, at)| at.elapsed() < KEEP).map(|(addresses, _)| addresses.clone())
    }

    fn keep(&self, key: String, addresses: Vec<SocketAddr>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (_, at)| at.elapsed() < KEEP);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
        }
        kept.insert(key, (addresses, Instant::now()));
    }
}

/// An address of the stack.
pub(super) fn udp(address: SocketAddr) -> SipAddr {
    SipAddr::new(Transport::Udp, address.into())
}

/// The stack asks here for every request that it sends.
pub(super) struct Locator(pub Arc<Resolver>);

// Declared with async_trait; this is the signature that it expands to.
impl TargetLocator for Locator {
    fn locate<'life0, 'life1, 'async_trait>(
        &'life0 self,
        uri: &'life1 Uri,
    ) -> Pin<Box<dyn Future<Output = rsipstack::Result<SipAddr>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            match self.0.address(&uri.host_with_port).await {
                Ok(address) => Ok(udp(address)),
                Err(error) => Err(rsipstack::Error::DnsResolutionError(error.to_string())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_pass_through_and_domains_go_to_their_registrar() {
        let served = HashMap::from([("example.com".to_owned(), HostWithPort::try_from("127.0.0.1:5099").unwrap())]);
        let resolver = Resolver::new(true, served);
        let address = async |text: &str| {
            resolver
                .address(&HostWithPort::try_from(text).unwrap())
                .await
                .map(|a| a.to_string())
                .map_err(|e| e.to_string())
        };
        assert_eq!(address("192.0.2.1").await.unwrap(), "192.0.2.1:5060");
        assert_eq!(address("192.0.2.1:5070").await.unwrap(), "192.0.2.1:5070");
        assert_eq!(address("Example.com").await.unwrap(), "127.0.0.1:5099");
        // A system without /etc/hosts does not know it.
        if std::net::ToSocketAddrs::to_socket_addrs("localhost:5061").is_ok() {
            assert_eq!(address("localhost:5061").await.unwrap(), "127.0.0.1:5061");
        }
        assert!(address("nobody.invalid:5060").await.unwrap_err().starts_with("cannot resolve nobody.invalid:5060"));
    }
}
