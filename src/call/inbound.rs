//! A call that comes in: refuse it or make ready, answer, converse, record.

use super::calls::{ActiveCall, Shared};
use super::error::CallError;
use super::ledger::Ledger;
use super::negotiate::{Descriptions, Settled};
use super::{routing, setup};
use crate::agent::Flow;
use crate::id::CallId;
use crate::media::Reservation;
use crate::pii;
use crate::record::{CallParty, CallRecord, Direction, EndReason, MediaReport};
use crate::ua::{Dialog, DialogEvent, IncomingCall, UaError};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use time::OffsetDateTime;

/// The life of an incoming call, from the INVITE to the durable record.
pub(super) async fn answer(shared: Arc<Shared>, mut incoming: IncomingCall) {
    let permit = incoming.take_permit();
    let (id, began) = (CallId::generate(), OffsetDateTime::now_utc());
    shared.begin(id, Direction::Inbound, began).await;
    let party = CallParty {
        from: incoming.from.clone(),
        to: incoming.to.clone(),
        sip_call_id: incoming.sip_call_id.clone(),
        peer: incoming.peer.to_string(),
    };
    let flow_name =
        routing::flow_for(&shared.config, routing::user_of(&incoming.request_uri), routing::user_of(&incoming.from))
            .to_owned();
    tracing::info!(call = %id, from = %pii::mask_uri(&party.from), peer = %incoming.peer, flow = %flow_name, "call in");
    let ledger = Ledger::open(id, Direction::Inbound, party, &flow_name, began).keeping(shared.config.keep_emotion);
    let record = converse(&shared, incoming, ledger, &flow_name, began).await;
    shared.end(record, permit).await;
}

async fn converse(
    shared: &Arc<Shared>,
    incoming: IncomingCall,
    mut ledger: Ledger,
    flow_name: &str,
    began: OffsetDateTime,
) -> CallRecord {
    let status = shared.list(ActiveCall {
        id: ledger.id(),
        direction: Direction::Inbound,
        from: pii::mask_uri(&incoming.from),
        to: pii::mask_uri(&incoming.to),
        flow: flow_name.to_owned(),
        state: String::new(),
        began,
        answered_ms: None,
    });
    let prepared = match prepare(shared, &incoming, &mut ledger, flow_name) {
        Ok(prepared) => prepared,
        Err(error) => {
            let status = refusal(&error);
            tracing::warn!(call = %ledger.id(), %error, status, "call refused");
            if let Err(error) = incoming.reject(status, &error.to_string(), &[]) {
                tracing::debug!(call = %ledger.id(), %error, "the refusal found nobody");
            }
            return closed(ledger, EndReason::Refused { status, why: error.to_string() });
        }
    };
    let Prepared { flow, ready, reservation, descriptions, sdp, settled } = prepared;
    let mut dialog = match incoming.accept(sdp) {
        Ok(dialog) => dialog,
        Err(UaError::Over) => return closed(ledger, EndReason::Cancelled),
        Err(error) => return closed(ledger, EndReason::Failed { why: error.to_string() }),
    };
    let settled = match settled {
        Some(settled) => settled,
        None => match acknowledged(&mut dialog, &descriptions).await {
            Ok(settled) => settled,
            Err(reason) => return closed(ledger, reason),
        },
    };
    let on_hold = settled.on_hold;
    let media = match reservation.start(settled.stream, shared.config.record) {
        Ok(media) => media,
        Err(error) => return closed(ledger, EndReason::Failed { why: error.to_string() }),
    };
    match setup::seat(shared, ready, &flow, ledger, dialog, media, descriptions, on_hold, status).await {
        Ok((session, first)) => session.run(first).await,
        Err(ledger) => closed(*ledger, EndReason::Failed { why: "no speech thread took the call".into() }),
    }
}

/// What is ready before the answer.
struct Prepared {
    flow: Arc<Flow>,
    ready: setup::Ready,
    reservation: Reservation,
    descriptions: Descriptions,
    /// What the 200 carries: the answer to the peer's offer, or our offer where the INVITE had none.
    sdp: String,
    /// What the exchange settled; none while the peer's answer is to come with the ACK.
    settled: Option<Settled>,
}

/// Everything that can go wrong before the answer, so that a refusal is clear and cheap.
fn prepare(
    shared: &Shared,
    incoming: &IncomingCall,
    ledger: &mut Ledger,
    flow_name: &str,
) -> Result<Prepared, CallError> {
    let flow = shared.flows.get(flow_name)?;
    let reservation = shared.media.reserve(shared.ua.local_addr().ip())?;
    let address = SocketAddr::new(incoming.local_ip, reservation.rtp_addr().port());
    let mut descriptions = Descriptions::new(&shared.config.codecs, address);
    let (sdp, settled) = match incoming.offer.as_deref() {
        Some(offer) => descriptions.answer(offer).map(|(answer, settled)| (answer, Some(settled)))?,
        None => (descriptions.offer(), None),
    };
    let variables = flow.values(&BTreeMap::new(), |name| incoming.header(name).map(str::to_owned));
    let ready = setup::open(shared, &flow, variables, None, ledger)?;
    Ok(Prepared { flow, ready, reservation, descriptions, sdp, settled })
}

/// Waits for the ACK that answers our offer (RFC 3264 section 5: an INVITE may come without one).
async fn acknowledged(dialog: &mut Dialog, descriptions: &Descriptions) -> Result<Settled, EndReason> {
    loop {
        match dialog.events.recv().await {
            Some(DialogEvent::Acknowledged { sdp: Some(answer) }) => {
                return descriptions.accept(&answer).map_err(|error| EndReason::Failed { why: error.to_string() });
            }
            Some(DialogEvent::Acknowledged { sdp: None }) => {
                return Err(EndReason::Failed { why: "our offer was never answered".into() });
            }
            Some(DialogEvent::Bye { .. }) => return Err(EndReason::PeerHungUp),
            Some(DialogEvent::Failed { status, reason }) => {
                return Err(EndReason::Failed { why: format!("{status} {reason}") });
            }
            Some(DialogEvent::Ended(cause)) => return Err(EndReason::Failed { why: format!("{cause:?}") }),
            None => return Err(EndReason::Failed { why: "the dialog was lost".into() }),
            Some(_) => {}
        }
    }
}

/// The status that tells the peer best what is wrong.
fn refusal(error: &CallError) -> u16 {
    match error {
        CallError::Sdp(error) => error.status(),
        CallError::UnknownFlow { .. } => 404,
        CallError::Full { .. } | CallError::Busy | CallError::Draining | CallError::Media(_) => 503,
        CallError::Signalling(_) | CallError::Engine(_) => 500,
    }
}

fn closed(ledger: Ledger, reason: EndReason) -> CallRecord {
    ledger.close(reason, OffsetDateTime::now_utc(), MediaReport::default())
}
