//! A call that we place: offer, wait for the answer, converse, record.

use super::calls::{ActiveCall, Shared};
use super::error::CallError;
use super::ledger::Ledger;
use super::negotiate::Descriptions;
use super::plan::CallPlan;
use super::setup;
use crate::agent::Flow;
use crate::id::CallId;
use crate::media::Reservation;
use crate::pii;
use crate::record::{CallParty, CallRecord, Direction, EndReason, MediaReport};
use crate::ua::{Dialog, DialogEvent, OutgoingCall, Permit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::oneshot;

/// How long the far end may ring.
const RING: Duration = Duration::from_secs(45);

/// What there is to know of a call to be placed.
pub(super) struct Outbound {
    pub id: CallId,
    pub target: String,
    pub account: Option<String>,
    pub flow: Arc<Flow>,
    pub plan: CallPlan,
    pub permit: Permit,
    /// Told the record when it is durable.
    pub ended: oneshot::Sender<Arc<CallRecord>>,
}

/// The life of a call that we place, to the durable record.
pub(super) async fn place(shared: Arc<Shared>, call: Outbound) {
    let began = OffsetDateTime::now_utc();
    shared.begin(call.id, Direction::Outbound, began).await;
    let party = CallParty { to: call.target.clone(), ..CallParty::default() };
    tracing::info!(call = %call.id, to = %pii::mask_uri(&call.target), flow = %call.plan.flow, "call out");
    let ledger =
        Ledger::open(call.id, Direction::Outbound, party, &call.plan.flow, began).keeping(shared.config.keep_emotion);
    let Outbound { permit, ended, target, account, flow, plan, .. } = call;
    let record = converse(&shared, ledger, &target, account, &flow, plan, began).await;
    let record = shared.end(record, Some(permit)).await;
    // Whoever placed the call need not have waited.
    let _ = ended.send(record);
}

async fn converse(
    shared: &Arc<Shared>,
    mut ledger: Ledger,
    target: &str,
    account: Option<String>,
    flow: &Arc<Flow>,
    plan: CallPlan,
    began: OffsetDateTime,
) -> CallRecord {
    let status = shared.list(ActiveCall {
        id: ledger.id(),
        direction: Direction::Outbound,
        from: account.clone().unwrap_or_default(),
        to: pii::mask_uri(target),
        flow: plan.flow.clone(),
        state: String::new(),
        began,
        answered_ms: None,
    });
    let invited = invite(shared, target, account, flow, plan, &mut ledger).await;
    let (mut dialog, reservation, descriptions, ready) = match invited {
        Ok(invited) => invited,
        Err(error) => {
            tracing::warn!(call = %ledger.id(), %error, "the call could not be placed");
            return closed(ledger, EndReason::Failed { why: error.to_string() });
        }
    };
    let answer = match answered(shared, &mut dialog).await {
        Ok(answer) => answer,
        Err(reason) => return closed(ledger, reason),
    };
    let started = descriptions
        .accept(&answer)
        .and_then(|settled| Ok((reservation.start(settled.stream, shared.config.record)?, settled.on_hold)));
    let (media, on_hold) = match started {
        Ok(started) => started,
        Err(error) => {
            dialog.hangup(Some("SIP;cause=488;text=\"no common media\""));
            return closed(ledger, EndReason::Failed { why: error.to_string() });
        }
    };
    let control = media.control.clone();
    match setup::seat(shared, ready, flow, ledger, dialog, media, descriptions, on_hold, status).await {
        Ok((session, first)) => session.run(first).await,
        Err(ledger) => {
            control.stop();
            closed(*ledger, EndReason::Failed { why: "no speech thread took the call".into() })
        }
    }
}

/// Makes everything ready that does not need the answer, then sends the INVITE.
async fn invite(
    shared: &Shared,
    target: &str,
    account: Option<String>,
    flow: &Arc<Flow>,
    plan: CallPlan,
    ledger: &mut Ledger,
) -> Result<(Dialog, Reservation, Descriptions, setup::Ready), CallError> {
    let variables = flow.values(&plan.variables, |_| None);
    let ready = setup::open(shared, flow, variables, Some(&plan), ledger)?;
    let local_ip = shared.ua.local_ip_towards(target, account.as_deref()).await?;
    let reservation = shared.media.reserve(shared.ua.local_addr().ip())?;
    let address = SocketAddr::new(local_ip, reservation.rtp_addr().port());
    let mut descriptions = Descriptions::new(&shared.config.codecs, address);
    let offer = descriptions.offer();
    let call =
        OutgoingCall { target: target.to_owned(), from_account: account, caller_id: None, headers: Vec::new(), offer };
    let dialog = shared.ua.invite(call).await?;
    ledger.sip_call_id(dialog.id());
    Ok((dialog, reservation, descriptions, ready))
}

/// Waits for the answer and gives its description, or the reason why there was none.
async fn answered(shared: &Shared, dialog: &mut Dialog) -> Result<Vec<u8>, EndReason> {
    let ring = tokio::time::sleep(RING);
    tokio::pin!(ring);
    loop {
        let event = tokio::select! {
            event = dialog.events.recv() => event,
            () = &mut ring => {
                dialog.hangup(None);
                return Err(EndReason::NotAnswered { status: 408, why: "it rang for too long".into() });
            }
            () = shared.stop.cancelled() => {
                dialog.hangup(None);
                return Err(EndReason::Drained);
            }
        };
        match event {
            Some(DialogEvent::Answered { sdp }) => {
                return sdp.ok_or_else(|| {
                    dialog.hangup(None);
                    EndReason::Failed { why: "the answer has no session description".into() }
                });
            }
            Some(DialogEvent::Failed { status, reason }) => {
                return Err(EndReason::NotAnswered { status, why: reason });
            }
            Some(DialogEvent::Bye { .. }) => return Err(EndReason::PeerHungUp),
            None => return Err(EndReason::Failed { why: "the dialog was lost".into() }),
            Some(_) => {}
        }
    }
}

fn closed(ledger: Ledger, reason: EndReason) -> CallRecord {
    ledger.close(reason, OffsetDateTime::now_utc(), MediaReport::default())
}
