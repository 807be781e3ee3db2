//! Asking a peer whether it is there: OPTIONS outside of any dialog (RFC 3261 section 11).

use super::agent::Core;
use super::{UaError, resolve};
use rsipstack::sip::typed::{From, To};
use rsipstack::sip::{Header, Method, Scheme, SipMessage, StatusCode, StatusCodeKind, Uri};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::make_tag;
use rsipstack::transaction::transaction::Transaction;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What came of asking a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The address that was asked.
    pub address: SocketAddr,
    /// Its final answer, whatever that is; none came in time otherwise.
    pub answer: Option<u16>,
    /// How long it took, or was waited for.
    pub took: Duration,
}

impl Core {
    /// Asks the registrar of an account, or a trunk.
    pub async fn reach(&self, name: &str, patience: Duration) -> Result<Reach, UaError> {
        let host = self.next_hop(name)?;
        let address = self.resolver.address(&host).await?;
        let began = Instant::now();
        // When it takes too long it is dropped, and the stack forgets it.
        let answer = tokio::time::timeout(patience, self.ask(host.into(), address)).await;
        let answer = match answer {
            // The stack makes up a 408 when nobody answers.
            Err(_) | Ok(Ok(None | Some(StatusCode::RequestTimeout))) => None,
            Ok(Ok(Some(status))) => Some(status.code()),
            Ok(Err(error)) => return Err(error),
        };
        Ok(Reach { address, answer, took: began.elapsed() })
    }

    async fn ask(&self, mut uri: Uri, address: SocketAddr) -> Result<Option<StatusCode>, UaError> {
        uri.scheme = Some(Scheme::Sip);
        let from =
            From { display_name: None, uri: self.contact(address, None), params: Vec::new() }.with_tag(make_tag());
        let to = To { display_name: None, uri: uri.clone(), params: Vec::new() };
        let via = self.endpoint.get_via(None, None)?;
        let mut request = self.endpoint.make_request(Method::Options, uri, via, from, to, 1, None);
        request.headers.push(Header::Accept(super::headers::ACCEPT.into()));
        let key = TransactionKey::from_request(&request, TransactionRole::Client)?;
        let mut transaction = Transaction::new_client(key, request, self.endpoint.clone(), None);
        transaction.destination = Some(resolve::udp(address));
        transaction.send().await?;
        while let Some(message) = transaction.receive().await {
            if let SipMessage::Response(response) = message
                && response.status_code.kind() != StatusCodeKind::Provisional
            {
                return Ok(Some(response.status_code));
            }
        }
        Ok(None)
    }
}
