//! One call's handle: what it tells, and what can be asked of it.

use super::admission::Permit;
use super::{UaError, headers};
use crate::pii::mask_uri;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Response, StatusCodeKind, Uri};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Events that may wait for the session. When full, a further request of the peer is refused with 500 and a further notice
/// is dropped; the last event always has its place.
pub(super) const EVENTS: usize = 32;
/// How long a peer may take to answer a request within the call.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// Something that happened to a call. Exactly one of the last three comes, and nothing after it.
#[derive(Debug)]
pub enum DialogEvent {
    /// Calls out: a provisional answer, 101 to 199.
    Progress {
        /// Its status.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// Its session description: early media.
        sdp: Option<Vec<u8>>,
    },
    /// Calls out: the callee answered.
    Answered {
        /// The answer to our offer.
        sdp: Option<Vec<u8>>,
    },
    /// Calls in, and re-INVITEs that came without an offer: the peer acknowledged our 200.
    Acknowledged {
        /// The answer, when the offer was ours.
        sdp: Option<Vec<u8>>,
    },
    /// The peer wants to change the session: hold, resume, a new address.
    Reinvite {
        /// The offer; `None` asks for ours, and [`Acknowledged`](Self::Acknowledged) brings the answer.
        offer: Option<Vec<u8>>,
        /// How to reply. Dropped, it refuses with 500.
        responder: Responder,
    },
    /// A key pressed, sent as SIP INFO: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// The peer is calling the target of our transfer.
    TransferProgress {
        /// Provisional status of that call.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Our transfer is decided. The call itself goes on until somebody hangs up.
    TransferEnded {
        /// The target took the call, or the peer left for it.
        accepted: bool,
        /// Final status of the peer's call to the target; 200 when the peer left without telling.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Last: our call was not answered, or theirs was cancelled (487) or refused before it was.
    Failed {
        /// Final status; 408 when the peer never answered.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Last: the peer hung up.
    Bye {
        /// Its Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// Last: the call ended in another way.
    Ended(EndCause),
}

/// How a call ended when neither side refused it and the peer did not hang up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndCause {
    /// We hung up.
    HungUp,
    /// The peer never acknowledged our answer (RFC 3261 section 13.3.1.4).
    NoAck,
    /// The signalling was lost, for the reason given.
    Lost(String),
}

/// The reply to a peer's re-INVITE or UPDATE.
#[derive(Debug)]
pub struct Responder {
    pub(super) reply: oneshot::Sender<Reply>,
}

#[derive(Debug)]
pub(super) enum Reply {
    Accept(String),
    Reject(u16),
}

impl Responder {
    /// Accepts, with the answer to the peer's offer or with our offer.
    pub fn accept(self, sdp: String) {
        // The receiver is gone only when the call is over.
        let _ = self.reply.send(Reply::Accept(sdp));
    }

    /// Refuses; the session stays as it was.
    pub fn reject(self, status: u16) {
        let _ = self.reply.send(Reply::Reject(status));
    }
}

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(super) enum Phase {
    /// Not answered yet.
    Early,
    /// We answered; the peer has not acknowledged.
    Answered,
    /// It is up.
    Up,
    /// It is over.
    Over,
}

#[derive(Debug)]
pub(super) enum Command {
    HangUp(Option<String>),
}

/// What handle and driver share.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// A REFER of ours is under way.
    pub transfer: AtomicBool,
    /// A re-INVITE of ours is under way.
    pub ours: AtomicBool,
    /// A re-INVITE or UPDATE of the peer is under way.
    pub theirs: AtomicBool,
}

/// A flag that falls when whoever raised it is done or gives up.
struct Raised<'a>(&'a AtomicBool);

impl<'a> Raised<'a> {
    fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

struct Call {
    id: String,
    stack: InviteDialog,
    remote: Uri,
    commands: mpsc::Sender<Command>,
    phase: watch::Receiver<Phase>,
    flags: Arc<Flags>,
}

/// A call. Dropping it, or its events alone, hangs up.
pub struct Dialog {
    /// What happens to the call, in order.
    pub events: mpsc::Receiver<DialogEvent>,
    control: DialogControl,
    permit: Option<Permit>,
}

/// What can be asked of a call; may be cloned and kept by others than the one who reads its events.
#[derive(Clone)]
pub struct DialogControl {
    call: Arc<Call>,
}

impl Dialog {
    pub(super) fn new(events: mpsc::Receiver<DialogEvent>, control: DialogControl, permit: Option<Permit>) -> Self {
        Self { events, control, permit }
    }

    /// The SIP Call-ID.
    pub fn id(&self) -> &str {
        self.control.id()
    }

    /// The handle for others.
    pub fn control(&self) -> DialogControl {
        self.control.clone()
    }

    /// See [`DialogControl::hangup`].
    pub fn hangup(&self, reason: Option<&str>) {
        self.control.hangup(reason);
    }

    /// See [`DialogControl::refer`].
    ///
    /// # Errors
    /// As there.
    pub async fn refer(&self, target: &str) -> Result<(), UaError> {
        self.control.refer(target).await
    }

    /// See [`DialogControl::reinvite`].
    ///
    /// # Errors
    /// As there.
    pub async fn reinvite(&self, offer: String) -> Result<Vec<u8>, UaError> {
        self.control.reinvite(offer).await
    }

    /// Keeps the call's place at the [`Admission`](super::Admission) door for as long as the returned permit lives, instead
    /// of as long as this handle does.
    pub fn take_permit(&mut self) -> Option<Permit> {
        self.permit.take()
    }
}

impl DialogControl {
    pub(super) fn new(
        stack: InviteDialog,
        remote: Uri,
        commands: mpsc::Sender<Command>,
        phase: watch::Receiver<Phase>,
        flags: Arc<Flags>,
    ) -> Self {
        let id = stack.id().call_id;
        Self { call: Arc::new(Call { id, stack, remote, commands, phase, flags }) }
    }

    /// The SIP Call-ID.
    pub fn id(&self) -> &str {
        &self.call.id
    }

    /// Ends the call: CANCEL before the answer, BYE after it. Returns at once; the last event follows within seconds, even
    /// when the peer is gone. `reason` is the value of a Reason header (RFC 3326), for instance
    /// `SIP;cause=200;text="Call completed"`; one with control characters is left out.
    pub fn hangup(&self, reason: Option<&str>) {
        let reason = reason.filter(|r| headers::checked("Reason", r).is_ok()).map(str::to_owned);
        // Full means that a hang-up is already under way; closed, that the call is over.
        let _ = self.call.commands.try_send(Command::HangUp(reason));
    }

    /// Asks the peer to call `target` (a SIP URI, or a number at the peer's own host) and leave us. `Ok` says that the peer
    /// will try; [`DialogEvent::TransferEnded`] says what became of it.
    ///
    /// # Errors
    /// [`UaError::Target`], [`UaError::WrongState`] before the answer, [`UaError::Refused`], [`UaError::NoResponse`].
    pub async fn refer(&self, target: &str) -> Result<(), UaError> {
        let uri = self.refer_target(target)?;
        self.up()?;
        self.call.flags.transfer.store(true, Ordering::Release);
        let sent = self.call.stack.refer(rsipstack::sip::ReferTo::from(format!("<{uri}>")), None, None);
        let result = final_response(tokio::time::timeout(REQUEST_PATIENCE, sent).await);
        if result.is_err() {
            self.call.flags.transfer.store(false, Ordering::Release);
        }
        result.map(|_| ())
    }

    /// Changes the session: sends our offer and gives the peer's answer. When both sides do so at once (491), it is tried
    /// again after two to four seconds.
    ///
    /// # Errors
    /// [`UaError::WrongState`] before the answer, [`UaError::Refused`], [`UaError::NoResponse`].
    pub async fn reinvite(&self, offer: String) -> Result<Vec<u8>, UaError> {
        self.up()?;
        let _under_way = Raised::new(&self.call.flags.ours);
        let sent =
            self.call.stack.reinvite_with_glare_retry(Some(vec![headers::sdp_type()]), Some(offer.into_bytes()), 3);
        let result = final_response(tokio::time::timeout(REQUEST_PATIENCE, sent).await);
        let response = result?;
        match headers::body(&response.headers, &response.body) {
            headers::Body::Sdp(sdp) => Ok(sdp),
            headers::Body::None | headers::Body::Other(_) => {
                Err(UaError::Stack("the answer to the re-INVITE has no session description".to_owned()))
            }
        }
    }

    /// Resolves when the call is over.
    pub async fn ended(&self) {
        let mut phase = self.call.phase.clone();
        // An error means that the driver is gone, and the call with it.
        let _ = phase.wait_for(|p| *p == Phase::Over).await;
    }

    /// The call is over.
    pub fn is_over(&self) -> bool {
        *self.call.phase.borrow() == Phase::Over
    }

    pub(super) fn stack(&self) -> &InviteDialog {
        &self.call.stack
    }

    fn up(&self) -> Result<(), UaError> {
        match *self.call.phase.borrow() {
            Phase::Up => Ok(()),
            Phase::Over => Err(UaError::Over),
            Phase::Early | Phase::Answered => Err(UaError::WrongState),
        }
    }

    fn refer_target(&self, target: &str) -> Result<Uri, UaError> {
        let fault = |why: &str| UaError::Target { target: mask_uri(target), why: why.to_owned() };
        let uri = super::outbound::uri_of(target, Some(&self.call.remote.host_with_port))
            .ok_or_else(|| fault("it is neither a sip: URI nor a number"))?;
        Ok(uri)
    }
}

type Elapsed = tokio::time::error::Elapsed;

fn final_response(result: Result<rsipstack::Result<Option<Response>>, Elapsed>) -> Result<Response, UaError> {
    match result {
        Err(_) | Ok(Ok(None)) => Err(UaError::NoResponse),
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(Some(response))) if response.status_code.kind() == StatusCodeKind::Successful => Ok(response),
        Ok(Ok(Some(response))) => {
            Err(UaError::Refused { status: response.status_code.code(), reason: reason_phrase(&response) })
        }
    }
}

/// The reason phrase as the peer wrote it.
pub(super) fn reason_phrase(response: &Response) -> String {
    response.wire_reason.clone().unwrap_or_else(|| response.status_code.text().to_owned())
}

/// The value of a Reason header.
pub(super) fn reason_header(text: &str) -> Header {
    Header::Reason(rsipstack::sip::Reason::new(text))
}
