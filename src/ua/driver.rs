//! One task per call: turns the stack's states into events, and sees to it that there is exactly one last event.

use super::agent::Core;
use super::dialog::{
    Command, DialogControl, DialogEvent, EVENTS, EndCause, Flags, Phase, Reply, Responder, reason_header, reason_phrase,
};
use super::headers::{self, Body};
use super::{info, transfer};
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason, TransactionHandle};
use rsipstack::dialog::invitation::InviteAsyncResult;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind, Uri};
use rsipstack::transaction::key::TransactionRole;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a peer may take to confirm that the call is over.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long a cancelled callee may take to say so.
const CANCELLED: Duration = Duration::from_secs(4);
/// How long the session may take to reply to a re-INVITE.
const REPLY: Duration = Duration::from_secs(20);

/// Reason header of a peer's BYE, put there by whoever sees the request.
pub(super) type ByeReason = Arc<Mutex<Option<String>>>;

pub(super) struct Driver {
    core: Arc<Core>,
    stack: InviteDialog,
    states: DialogStateReceiver,
    /// Calls out: what the INVITE came to.
    outcome: Option<JoinHandle<InviteAsyncResult>>,
    events: mpsc::Sender<DialogEvent>,
    commands: mpsc::Receiver<Command>,
    phase: watch::Sender<Phase>,
    flags: Arc<Flags>,
    bye: ByeReason,
    /// When to stop waiting for the peer.
    deadline: Option<Instant>,
    hanging_up: bool,
    /// A BYE that waits for the peer's ACK, with its Reason.
    goodbye: Option<Option<String>>,
    /// CSeq of a re-INVITE answered with our offer, whose ACK brings the answer.
    awaits_answer: Option<u32>,
}

impl Driver {
    /// Starts the task of a call. `outcome` is there for calls out.
    pub fn start(
        core: &Arc<Core>,
        stack: InviteDialog,
        states: DialogStateReceiver,
        outcome: Option<JoinHandle<InviteAsyncResult>>,
        remote: Uri,
    ) -> (DialogControl, mpsc::Receiver<DialogEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS + 1);
        let (command_sender, commands) = mpsc::channel(2);
        let (phase, phase_receiver) = watch::channel(Phase::Early);
        let flags = Arc::new(Flags::default());
        let bye = core.watch_bye(&stack.id());
        let control = DialogControl::new(stack.clone(), remote, command_sender, phase_receiver, Arc::clone(&flags));
        let deadline = outcome.is_some().then(|| Instant::now() + core.config.no_response());
        let last = events.clone().try_reserve_owned();
        let driver = Self {
            core: Arc::clone(core),
            stack,
            states,
            outcome,
            events,
            commands,
            phase,
            flags,
            bye,
            deadline,
            hanging_up: false,
            goodbye: None,
            awaits_answer: None,
        };
        if let Ok(last) = last {
            tokio::spawn(driver.run(last));
        }
        (control, receiver)
    }

    async fn run(mut self, last: OwnedPermit<DialogEvent>) {
        let begun_as = self.stack.id();
        let end = self.follow().await;
        self.core.forget_bye(&begun_as);
        // A BYE of ours may still be under way: it does not need the dialog's entry.
        self.core.layer.remove_dialog(&begun_as);
        self.core.layer.remove_dialog(&self.stack.id());
        if self.flags.transfer.swap(false, Ordering::AcqRel) && matches!(end, DialogEvent::Bye { .. }) {
            let reason = "the peer left".to_owned();
            self.emit(DialogEvent::TransferEnded { accepted: true, status: 200, reason });
        }
        last.send(end);
        self.phase.send_replace(Phase::Over);
    }

    async fn follow(&mut self) -> DialogEvent {
        let events = self.events.clone();
        let mut abandoned = false;
        loop {
            let due = self.deadline;
            tokio::select! {
                biased;
                state = self.states.recv() => match state {
                    Some(state) => if let Some(end) = self.on_state(state).await { return end },
                    None => return DialogEvent::Ended(EndCause::Lost("the SIP stack let go of the call".to_owned())),
                },
                result = outcome(&mut self.outcome) => {
                    if let Some(end) = self.on_outcome(result) { return end }
                }
                Some(Command::HangUp(reason)) = self.commands.recv() => self.hang_up(reason),
                () = events.closed(), if !abandoned => {
                    abandoned = true;
                    self.hang_up(None);
                }
                () = sleep_until(due) => if let Some(end) = self.on_deadline() { return end },
            }
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    fn is_client(&self) -> bool {
        self.stack.role() == TransactionRole::Client
    }

    async fn on_state(&mut self, state: DialogState) -> Option<DialogEvent> {
        match state {
            DialogState::Calling(_) => {}
            DialogState::Trying(_) => self.heard_from_callee(),
            DialogState::Early(_, response) if self.is_client() && self.phase() == Phase::Early => {
                self.heard_from_callee();
                self.emit(DialogEvent::Progress {
                    status: response.status_code.code(),
                    reason: reason_phrase(&response),
                    sdp: sdp(&response),
                });
            }
            DialogState::Early(..) => {}
            DialogState::WaitAck(..) => {
                self.phase.send_replace(Phase::Answered);
            }
            DialogState::Confirmed(_, response) => self.on_confirmed(&response),
            DialogState::Updated(_, request, handle) => self.on_offer(&request, handle),
            DialogState::Info(_, request, handle) => self.on_info(&request, handle),
            DialogState::Notify(_, request, handle) => self.on_notify(&request, handle),
            DialogState::Options(_, _, handle) => reply(handle, StatusCode::OK, vec![allow()], None),
            DialogState::Refer(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Publish(_, _, handle) => reply(handle, StatusCode::MethodNotAllowed, vec![allow()], None),
            DialogState::Terminated(_, reason) => return Some(self.on_terminated(reason).await),
        }
        None
    }

    /// The callee is there: from now on it may ring for as long as whoever called likes.
    fn heard_from_callee(&mut self) {
        if !self.hanging_up {
            self.deadline = None;
        }
    }

    fn on_confirmed(&mut self, response: &Response) {
        if self.phase() == Phase::Up {
            self.late_answer();
            return;
        }
        self.phase.send_replace(Phase::Up);
        if self.is_client() {
            self.heard_from_callee();
            self.emit(DialogEvent::Answered { sdp: sdp(response) });
        } else {
            let sdp = self.stack.last_remote_ack().and_then(|ack| request_sdp(&ack));
            self.emit(DialogEvent::Acknowledged { sdp });
        }
        if let Some(reason) = self.goodbye.take() {
            self.say_goodbye(reason);
        }
    }

    /// The ACK of a re-INVITE that we answered with an offer.
    fn late_answer(&mut self) {
        let Some(awaited) = self.awaits_answer else { return };
        let Some(ack) = self.stack.last_remote_ack() else { return };
        if ack.cseq_header().and_then(|c| c.seq()).is_ok_and(|seq| seq == awaited) {
            self.awaits_answer = None;
            self.emit(DialogEvent::Acknowledged { sdp: request_sdp(&ack) });
        }
    }

    fn on_offer(&mut self, request: &Request, handle: TransactionHandle) {
        let offer = match headers::body(&request.headers, &request.body) {
            Body::Sdp(sdp) => Some(sdp),
            Body::None if request.method == Method::Update => {
                return reply(handle, StatusCode::OK, vec![allow()], None);
            }
            Body::None => None,
            Body::Other(_) => {
                return reply(handle, StatusCode::UnsupportedMediaType, vec![accept()], None);
            }
        };
        // Two offers at a time (RFC 3261 section 14.2).
        if self.flags.ours.load(Ordering::Acquire) {
            return reply(handle, StatusCode::RequestPending, Vec::new(), None);
        }
        if self.flags.theirs.swap(true, Ordering::AcqRel) {
            let later = Header::RetryAfter("1".into());
            return reply(handle, StatusCode::ServerInternalError, vec![later], None);
        }
        if offer.is_none() {
            self.awaits_answer = request.cseq_header().and_then(|c| c.seq()).ok();
        }
        let (sender, receiver) = oneshot::channel();
        let flags = Arc::clone(&self.flags);
        tokio::spawn(async move {
            let decision = tokio::time::timeout(REPLY, receiver).await;
            flags.theirs.store(false, Ordering::Release);
            match decision {
                Ok(Ok(Reply::Accept(sdp))) => {
                    respond(&handle, StatusCode::OK, vec![headers::sdp_type(), allow()], Some(sdp.into_bytes())).await;
                }
                Ok(Ok(Reply::Reject(status))) => respond(&handle, status.into(), Vec::new(), None).await,
                Ok(Err(_)) | Err(_) => respond(&handle, StatusCode::ServerInternalError, Vec::new(), None).await,
            }
        });
        self.emit(DialogEvent::Reinvite { offer, responder: Responder { reply: sender } });
    }

    fn on_info(&mut self, request: &Request, handle: TransactionHandle) {
        let kind = headers::value(&request.headers, "Content-Type").unwrap_or_default();
        match info::key(kind, &request.body) {
            Some(key) => {
                reply(handle, StatusCode::OK, Vec::new(), None);
                self.emit(DialogEvent::Dtmf(key));
            }
            // An empty INFO asks whether we are there (RFC 6086 section 4.2.2).
            None if request.body.is_empty() => reply(handle, StatusCode::OK, Vec::new(), None),
            None => reply(handle, StatusCode::UnsupportedMediaType, vec![accept_info()], None),
        }
    }

    fn on_notify(&mut self, request: &Request, handle: TransactionHandle) {
        reply(handle, StatusCode::OK, Vec::new(), None);
        let Some(notice) = transfer::notice(request) else { return };
        if !self.flags.transfer.load(Ordering::Acquire) {
            return;
        }
        if notice.last {
            self.flags.transfer.store(false, Ordering::Release);
            let accepted = (200..300).contains(&notice.status);
            self.emit(DialogEvent::TransferEnded { accepted, status: notice.status, reason: notice.reason });
        } else {
            self.emit(DialogEvent::TransferProgress { status: notice.status, reason: notice.reason });
        }
    }

    async fn on_terminated(&mut self, reason: TerminatedReason) -> DialogEvent {
        let theirs = match reason {
            TerminatedReason::UacBye => !self.is_client(),
            TerminatedReason::UasBye => self.is_client(),
            TerminatedReason::Timeout => return DialogEvent::Ended(EndCause::NoAck),
            _ => false,
        };
        if theirs {
            let reason = self.bye.lock().unwrap_or_else(PoisonError::into_inner).take();
            return DialogEvent::Bye { reason };
        }
        if self.phase() >= Phase::Answered {
            return DialogEvent::Ended(if self.hanging_up {
                EndCause::HungUp
            } else {
                EndCause::Lost(format!("{reason:?}"))
            });
        }
        if let Some(outcome) = self.outcome.take() {
            // The final response is a moment behind the state.
            if let Ok(result) = tokio::time::timeout(GOODBYE, outcome).await
                && let Some(end) = self.on_outcome(result)
            {
                return end;
            }
        }
        let status = match reason {
            TerminatedReason::UacCancel => StatusCode::RequestTerminated,
            TerminatedReason::UasDecline => return DialogEvent::Ended(EndCause::HungUp),
            TerminatedReason::UacBusy | TerminatedReason::UasBusy => StatusCode::BusyHere,
            TerminatedReason::ProxyError(s) | TerminatedReason::UacOther(s) | TerminatedReason::UasOther(s) => s,
            _ => StatusCode::ServerInternalError,
        };
        failed(&status)
    }

    /// What became of our INVITE; `None` when it was answered, which the states tell.
    fn on_outcome(&mut self, result: Result<InviteAsyncResult, tokio::task::JoinError>) -> Option<DialogEvent> {
        match result {
            Ok(Ok((_, Some(response)))) if response.status_code.kind() == StatusCodeKind::Successful => None,
            Ok(Ok((_, Some(response)))) => {
                Some(DialogEvent::Failed { status: response.status_code.code(), reason: reason_phrase(&response) })
            }
            Ok(Ok((_, None))) => Some(failed(&StatusCode::RequestTimeout)),
            Ok(Err(error)) => Some(DialogEvent::Failed { status: 500, reason: error.to_string() }),
            Err(error) => Some(DialogEvent::Failed { status: 500, reason: error.to_string() }),
        }
    }

    fn on_deadline(&mut self) -> Option<DialogEvent> {
        self.deadline = None;
        if let Some(reason) = self.goodbye.take() {
            // No ACK in time: the BYE goes out all the same.
            self.say_goodbye(reason);
            return None;
        }
        if self.phase() >= Phase::Answered {
            return self.hanging_up.then_some(DialogEvent::Ended(EndCause::HungUp));
        }
        if let Some(outcome) = self.outcome.take() {
            // Dropping the INVITE makes the stack cancel it should the callee turn up after all.
            outcome.abort();
        }
        Some(if self.hanging_up {
            failed(&StatusCode::RequestTerminated)
        } else {
            DialogEvent::Failed { status: 408, reason: "the callee does not respond".to_owned() }
        })
    }

    fn hang_up(&mut self, reason: Option<String>) {
        if std::mem::replace(&mut self.hanging_up, true) {
            return;
        }
        match (self.phase(), self.is_client()) {
            (Phase::Early, true) => {
                self.deadline = Some(Instant::now() + CANCELLED);
                let stack = self.stack.clone();
                tokio::spawn(async move {
                    if let Err(error) = stack.cancel().await {
                        tracing::debug!(%error, "CANCEL was not answered");
                    }
                });
            }
            (Phase::Early, false) => {
                if let Err(error) = self.stack.reject(Some(StatusCode::TemporarilyUnavailable), reason) {
                    tracing::debug!(%error, "cannot refuse the call");
                }
            }
            // The callee sends BYE only once its answer is acknowledged (RFC 3261 section 15).
            (Phase::Answered, _) => {
                self.goodbye = Some(reason);
                self.deadline = Some(Instant::now() + GOODBYE);
            }
            (Phase::Up | Phase::Over, _) => self.say_goodbye(reason),
        }
    }

    fn say_goodbye(&mut self, reason: Option<String>) {
        self.deadline = Some(Instant::now() + GOODBYE);
        let stack = self.stack.clone();
        tokio::spawn(async move {
            let headers = reason.map(|r| vec![reason_header(&r)]);
            if let Err(error) = stack.bye_with_headers(headers).await {
                tracing::debug!(%error, "BYE was not answered");
            }
        });
    }

    fn emit(&self, event: DialogEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::warn!(call = %self.stack.id().call_id, "the session does not read its events; one is lost");
            // A re-INVITE among them refuses itself when dropped.
            drop(event);
        }
    }
}

async fn outcome(
    handle: &mut Option<JoinHandle<InviteAsyncResult>>,
) -> Result<InviteAsyncResult, tokio::task::JoinError> {
    match handle {
        Some(running) => {
            let result = running.await;
            *handle = None;
            result
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn failed(status: &StatusCode) -> DialogEvent {
    DialogEvent::Failed { status: status.code(), reason: status.text().to_owned() }
}

fn sdp(response: &Response) -> Option<Vec<u8>> {
    match headers::body(&response.headers, &response.body) {
        Body::Sdp(sdp) => Some(sdp),
        Body::None | Body::Other(_) => None,
    }
}

fn request_sdp(request: &Request) -> Option<Vec<u8>> {
    match headers::body(&request.headers, &request.body) {
        Body::Sdp(sdp) => Some(sdp),
        Body::None | Body::Other(_) => None,
    }
}

fn reply(handle: TransactionHandle, status: StatusCode, headers: Vec<Header>, body: Option<Vec<u8>>) {
    tokio::spawn(async move { respond(&handle, status, headers, body).await });
}

async fn respond(handle: &TransactionHandle, status: StatusCode, headers: Vec<Header>, body: Option<Vec<u8>>) {
    // The transaction is gone only when the call is over.
    let _ = handle.respond(status, Some(headers), body).await;
}

fn allow() -> Header {
    Header::Allow(headers::ALLOW.into())
}

fn accept() -> Header {
    Header::Accept(headers::ACCEPT.into())
}

fn accept_info() -> Header {
    Header::Accept("application/dtmf-relay, application/dtmf".into())
}

/// The key under which the Reason of a BYE is handed over: our tag is ours alone.
pub(super) fn bye_key(id: &DialogId) -> String {
    id.local_tag.clone()
}
