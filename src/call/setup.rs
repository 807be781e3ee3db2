//! What inbound and outbound calls have in common between signalling and conversation.

use super::calls::{Shared, StatusHandle};
use super::event::CallEvent;
use super::ledger::Ledger;
use super::listen::Listen;
use super::negotiate::Descriptions;
use super::once::Once;
use super::plan::CallPlan;
use super::replies::Replies;
use super::session::Session;
use super::speak::Speak;
use super::speech::CallAudio;
use crate::agent::{Agent, AgentPlan, Flow, Input};
use crate::media::MediaSession;
use crate::speech::{EngineKind, Gate, Manner};
use crate::ua::Dialog;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The parts of a call that are ready before it is answered, so that the first line follows the answer at once.
pub(super) struct Ready {
    audio_thread: usize,
    listen: Listen,
    speak: Speak,
    replies: Replies,
    agent: Agent,
    /// What has to be told to the agent right after the answer: engines that could not be opened.
    first: Vec<Input>,
}

/// Opens the engines of a call. Never fails: without ears the agent still hears keys, without a voice it ends the call.
pub(super) fn open(
    shared: &Shared,
    flow: &Arc<Flow>,
    variables: BTreeMap<String, String>,
    plan: Option<&CallPlan>,
    ledger: &mut Ledger,
) -> Result<Ready, crate::speech::EngineError> {
    let (audio_thread, wake) = shared.speech.choose();
    let vad = shared.engines.vad.open()?;
    ledger.served(EngineKind::Vad, vad.engine().unwrap_or(shared.engines.vad.name()).to_owned());
    let turn = shared.engines.turn.as_ref().and_then(|engine| match engine.open(wake.clone()) {
        Ok(turn) => Some(turn),
        Err(error) => {
            tracing::warn!(call = %ledger.id(), %error, "no turn model");
            None
        }
    });
    // Nobody asks how the caller sounds where the mood is not told.
    let emotion = shared.engines.emotion.as_ref().filter(|_| shared.turn.mood.track).map(|engine| engine.open());
    let mut first = Vec::new();
    // Engines that keep a connection for each call have one for this.
    let (id, engines) = (ledger.id(), &shared.engines);
    let asr = engines.asr.for_call(id).unwrap_or_else(|| engines.asr.clone());
    let tts = engines.tts.for_call(id).unwrap_or_else(|| engines.tts.clone());
    let llm = engines.llm.for_call(id).unwrap_or_else(|| engines.llm.clone());
    let recognizer = match asr.open(flow.language(), wake.clone()) {
        Ok(recognizer) => Some(recognizer),
        Err(error) => {
            tracing::error!(call = %ledger.id(), %error, "no recogniser");
            first.push(Input::EngineDown(EngineKind::Asr));
            None
        }
    };
    ledger.flow_version(flow.version());
    let brought = AgentPlan {
        variables,
        intents: engines.intents.clone(),
        seed: plan.and_then(|plan| plan.seed).unwrap_or_else(|| id.seed()),
        prefer: plan.map(|plan| plan.prefer.clone()).unwrap_or_default(),
    };
    Ok(Ready {
        audio_thread,
        listen: Listen::new(vad, Gate::new(shared.config.gate.clone()), turn, emotion, recognizer, asr.name()),
        speak: Speak::new(tts, wake),
        replies: Replies::new(llm),
        agent: Agent::with_plan(flow.clone(), brought, shared.turn.clone()),
        first,
    })
}

/// Answered, with media: the session and what it has to tell the agent first.
#[allow(clippy::too_many_arguments, reason = "it joins what was made in different places, once")]
pub(super) async fn seat(
    shared: &Arc<Shared>,
    ready: Ready,
    flow: &Flow,
    mut ledger: Ledger,
    dialog: Dialog,
    media: MediaSession,
    descriptions: Descriptions,
    on_hold: bool,
    status: StatusHandle,
) -> Result<(Session, Vec<Input>), Box<Ledger>> {
    let id = ledger.id();
    let mut recording = None;
    if let Some(tap) = media.recording {
        recording = Some(format!("{id}.wav"));
        if shared.records.send(CallEvent::Recording { id, tap: Box::new(tap) }).await.is_err() {
            recording = None;
        }
    }
    ledger.answered(time::OffsetDateTime::now_utc(), recording);
    let audio = CallAudio { link: media.speech, listen: ready.listen, speak: ready.speak };
    let Some((speech, observations)) = shared.speech.seat(ready.audio_thread, audio) else {
        return Err(Box::new(ledger));
    };
    let (transfer_failed, transfers) = mpsc::channel(4);
    let session = Session {
        shared: shared.clone(),
        dialog,
        media: media.control,
        speech,
        observations,
        agent: ready.agent,
        ledger,
        replies: ready.replies,
        once: Once::default(),
        language: flow.language().clone(),
        voice: flow.voice().map(str::to_owned),
        manner: Manner::USUAL,
        descriptions,
        on_hold,
        transfers,
        flushed: None,
        hears_here: true,
        transfer_failed,
        status,
    };
    Ok((session, ready.first))
}
