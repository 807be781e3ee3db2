//! Requests from peers: those within a call go to it, new calls pass the door, everything else is answered here.

use super::admission::Permit;
use super::agent::Core;
use super::allow::Trust;
use super::dialog::{Dialog, DialogControl};
use super::driver::Driver;
use super::headers::{self, Body};
use super::{UaError, dialog};
use rsipstack::dialog::dialog::Dialog as StackDialog;
use rsipstack::sip::prelude::{HeadersExt, UntypedHeader};
use rsipstack::sip::{Header, Method, Request, Scheme, StatusCode, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Requests worked on at a time. Beyond, they are dropped and their senders send them again.
pub(super) const MAX_REQUESTS: usize = 8192;
/// A BYE may be faster than our own end of the call that it belongs to.
const GRACE: Duration = Duration::from_millis(50);

/// A call that somebody places to us. Dropped without an answer, it is refused with 480.
pub struct IncomingCall {
    /// The From header: who calls, with display name and tag.
    pub from: String,
    /// The To header: who is called.
    pub to: String,
    /// The request URI: what was dialled, or our registered contact.
    pub request_uri: String,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// Where the INVITE came from.
    pub peer: SocketAddr,
    /// Our address as this peer reaches it: what a session description has to name.
    pub local_ip: IpAddr,
    /// Every end-to-end header of the INVITE, in order, names as the peer spelt them or in their standard form.
    pub headers: Vec<(String, String)>,
    /// The offer. `None`: the answer to the call carries our offer, and [`DialogEvent::Acknowledged`] brings the answer.
    ///
    /// [`DialogEvent::Acknowledged`]: super::DialogEvent::Acknowledged
    pub offer: Option<Vec<u8>>,
    core: Arc<Core>,
    request: Request,
    transaction: TransactionEventSender,
    dialog: Dialog,
    control: DialogControl,
}

impl IncomingCall {
    /// The first value of a header of the INVITE, by name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Tells the caller that it rings (180).
    ///
    /// # Errors
    /// [`UaError::Over`] when the caller has gone.
    pub fn ringing(&self) -> Result<(), UaError> {
        if self.control.is_over() {
            return Err(UaError::Over);
        }
        self.control.stack().ringing(None, None).map_err(UaError::from)
    }

    /// Answers the call (200), with the answer to its offer or with our offer where it had none.
    ///
    /// # Errors
    /// [`UaError::Over`] when the caller has gone.
    pub fn accept(self, sdp: String) -> Result<Dialog, UaError> {
        let stack = self.control.stack();
        if stack.state().is_terminated() {
            return Err(UaError::Over);
        }
        let headers = vec![headers::sdp_type(), Header::Allow(headers::ALLOW.into())];
        stack.accept(Some(headers), Some(sdp.into_bytes()))?;
        // A CANCEL that came in between has won.
        if stack.state().is_terminated() {
            return Err(UaError::Over);
        }
        Ok(self.dialog)
    }

    /// Refuses the call with a status of 300 to 699. `reason` says why, for the caller's log (a Warning header); `extra`
    /// are further headers, for instance `Retry-After`.
    ///
    /// # Errors
    /// [`UaError::Header`] for a header that cannot be sent; the call is then refused without any.
    pub fn reject(self, status: u16, reason: &str, extra: &[(String, String)]) -> Result<(), UaError> {
        let status = StatusCode::from(if (300..700).contains(&status) { status } else { 500 });
        let extra = headers::all_checked(extra);
        let stack = self.control.stack();
        let mut response = self.core.endpoint.make_response(&self.request, status.clone(), None);
        let tag = stack.id().local_tag;
        for header in response.headers.iter_mut() {
            if let Header::To(to) = header {
                *to = to.clone().with_tag(tag.clone().into());
            }
        }
        let text: String = reason.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).collect();
        if !text.is_empty() {
            response.headers.push(Header::Warning(format!("399 tipring \"{text}\"").into()));
        }
        for header in extra.iter().flatten() {
            response.headers.push(header.clone());
        }
        // Gone only when the caller is gone.
        let _ = self.transaction.send(TransactionEvent::Respond(response));
        // Ends the stack's dialog; its own response comes second and is dropped.
        stack.reject(Some(status), None)?;
        extra.map(|_| ())
    }

    /// Resolves when the caller gives up (CANCEL) or is lost before the answer.
    pub async fn cancelled(&self) {
        self.control.ended().await;
    }

    /// Takes over the call's place at the [`Admission`](super::Admission) door, see [`Dialog::take_permit`].
    pub fn take_permit(&mut self) -> Option<Permit> {
        self.dialog.take_permit()
    }
}

/// Reads the stack's requests until it stops. Never waits for anything but the next request.
pub(super) async fn serve(core: Arc<Core>, mut incoming: TransactionReceiver, calls: mpsc::Sender<IncomingCall>) {
    while let Some(mut tx) = incoming.recv().await {
        let Ok(slot) = Arc::clone(&core.slots).try_acquire_owned() else {
            tracing::warn!("too many SIP requests at a time; one is dropped");
            continue;
        };
        let (core, calls) = (Arc::clone(&core), calls.clone());
        // The dialog first: the method alone does not tell whose request it is.
        let dialog = core.layer.match_dialog(&tx);
        tokio::spawn(async move {
            let method = tx.original.method;
            let result = match dialog {
                Some(dialog) => within(&core, dialog, &mut tx).await,
                None => outside(&core, &mut tx, &calls).await,
            };
            if let Err(error) = result {
                tracing::debug!(%method, %error, "request not carried through");
            }
            drop(slot);
        });
    }
}

async fn within(core: &Core, mut dialog: StackDialog, tx: &mut Transaction) -> rsipstack::Result<()> {
    if tx.original.method == Method::Bye {
        core.note_bye(&dialog.id(), headers::value(&tx.original.headers, "Reason"));
    }
    dialog.handle(tx).await
}

async fn outside(core: &Arc<Core>, tx: &mut Transaction, calls: &mpsc::Sender<IncomingCall>) -> rsipstack::Result<()> {
    let peer = tx.connection.as_ref().and_then(|c| c.get_remote_addr()).and_then(|a| a.get_socketaddr().ok());
    let Some(peer) = peer else { return Ok(()) };
    if headers::in_dialog(&tx.original) {
        tokio::time::sleep(GRACE).await;
        if let Some(dialog) = core.layer.match_dialog(tx) {
            return within(core, dialog, tx).await;
        }
    }
    // Those whom we called may not call us; they get what strangers get.
    if core.gate.trust(peer.ip()) != Trust::Caller {
        return Ok(());
    }
    match tx.original.method {
        Method::Ack => Ok(()),
        _ if headers::in_dialog(&tx.original) => tx.reply(StatusCode::CallTransactionDoesNotExist).await,
        Method::Invite => invite(core, tx, peer, calls).await,
        Method::Options if core.admission.is_closed() => unavailable(core, tx).await,
        Method::Options => {
            let headers = vec![Header::Allow(headers::ALLOW.into()), Header::Accept(headers::ACCEPT.into())];
            tx.reply_with(StatusCode::OK, headers, None).await
        }
        Method::Bye | Method::Cancel | Method::Info | Method::Update | Method::Notify | Method::PRack => {
            tx.reply(StatusCode::CallTransactionDoesNotExist).await
        }
        _ => tx.reply_with(StatusCode::MethodNotAllowed, vec![Header::Allow(headers::ALLOW.into())], None).await,
    }
}

async fn unavailable(core: &Core, tx: &mut Transaction) -> rsipstack::Result<()> {
    let later = Header::RetryAfter(core.admission.retry_after_s().to_string().into());
    tx.reply_with(StatusCode::ServiceUnavailable, vec![later], None).await
}

async fn invite(
    core: &Arc<Core>,
    tx: &mut Transaction,
    peer: SocketAddr,
    calls: &mpsc::Sender<IncomingCall>,
) -> rsipstack::Result<()> {
    // Before anything is allocated for the call: is there a place, and somebody to take it?
    let (Some(permit), Ok(seat)) = (core.admission.enter(), calls.try_reserve()) else {
        return unavailable(core, tx).await;
    };
    let required = headers::required(&tx.original);
    if !required.is_empty() {
        let unsupported = Header::Unsupported(required.join(", ").into());
        return tx.reply_with(StatusCode::BadExtension, vec![unsupported], None).await;
    }
    if matches!(tx.original.uri.scheme, Some(Scheme::Sips | Scheme::Other(_))) {
        return tx.reply(StatusCode::UnsupportedUriScheme).await;
    }
    let offer = match headers::body(&tx.original.headers, &tx.original.body) {
        Body::None => None,
        Body::Sdp(sdp) => Some(sdp),
        Body::Other(_) => {
            let accept = Header::Accept(headers::ACCEPT.into());
            return tx.reply_with(StatusCode::UnsupportedMediaType, vec![accept], None).await;
        }
    };
    let (states, receiver) = core.layer.new_dialog_state_channel();
    let contact = core.contact(peer, tx.original.uri.user());
    let Ok(mut stack) = core.layer.get_or_create_server_invite(tx, states, None, Some(contact)) else {
        return tx.reply(StatusCode::BadRequest).await;
    };
    let header = |text: Result<&str, _>| text.map(|t: &str| t.trim().to_owned()).unwrap_or_default();
    let request = tx.original.clone();
    let from = header(request.from_header().map(UntypedHeader::value));
    let (control, events) = Driver::start(core, stack.clone(), receiver, None, remote_party(&request));
    seat.send(IncomingCall {
        to: header(request.to_header().map(UntypedHeader::value)),
        from,
        request_uri: request.uri.to_string(),
        sip_call_id: stack.id().call_id,
        peer,
        local_ip: core.local_ip(peer),
        headers: headers::end_to_end(&request.headers),
        offer,
        core: Arc::clone(core),
        request,
        transaction: tx.tu_sender.clone(),
        dialog: dialog::Dialog::new(events, control.clone(), Some(permit)),
        control,
    });
    stack.handle(tx).await
}

/// The caller's address: numbers given to REFER are numbers at its host.
fn remote_party(request: &Request) -> Uri {
    let from = request.from_header().ok().and_then(|from| from.uri().ok());
    from.unwrap_or_else(|| request.uri.clone())
}
